-- What this role may read in the schemas $1: one row per table, view, materialized view and foreign table. Partitions
-- count as part of their parent, and what an extension brought is left out. Takes no lock that DDL could hold up.
-- Columns are referred to by number. $2: how many distinct values an enumerated column has at most.
WITH RECURSIVE relation AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispopulated, c.relhassubclass
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY ($1::text[])
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND NOT c.relispartition
      AND has_schema_privilege(n.oid, 'USAGE')
      AND has_any_column_privilege(c.oid, 'SELECT')
      AND NOT EXISTS (
          SELECT FROM pg_depend d
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      )
),
-- A table with those that inherit from it, partitions among them.
tree (root, oid) AS (
    SELECT oid, oid FROM relation
    UNION ALL
    SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
),
-- `reltuples` is -1 before the first ANALYZE; the live tuples are counted from the first INSERT on.
extent AS (
    SELECT
        tree.root,
        sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)) FILTER (WHERE c.relkind <> 'p') AS rows,
        sum(c.relpages) FILTER (WHERE c.relkind <> 'p') AS pages,
        bool_and(c.reltuples >= 0 AND pg_stat_get_mod_since_analyze(c.oid) = 0) FILTER (WHERE c.relkind <> 'p')
            AS is_analyzed
    FROM tree
    JOIN pg_class c ON c.oid = tree.oid
    GROUP BY tree.root
),
chain (domain, base) AS (
    SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'
    UNION ALL
    SELECT chain.domain, t.typbasetype FROM chain JOIN pg_type t ON t.oid = chain.base WHERE t.typtype = 'd'
),
domain AS (
    SELECT chain.domain, chain.base FROM chain JOIN pg_type t ON t.oid = chain.base WHERE t.typtype <> 'd'
),
label AS (
    SELECT enumtypid, json_agg(enumlabel ORDER BY enumsortorder) AS labels FROM pg_enum GROUP BY enumtypid
),
attribute AS (
    SELECT
        r.oid,
        json_agg(
            json_build_array(
                a.attnum,
                a.attname,
                format_type(t.oid, NULL),
                NOT a.attnotnull,
                coalesce(col_description(r.oid, a.attnum), ''),
                t.typcategory = 'S',
                label.labels,
                -- The values that the last ANALYZE met, if these lists hold them all: the histogram has one bound for
                -- each value that is not among the most common ones as long as there are no more than 100 of them.
                CASE
                    WHEN s.null_frac = 1 THEN '{}'
                    WHEN coalesce(cardinality(s.most_common_freqs), 0)
                        + coalesce(cardinality(s.histogram_bounds::text::text[]), 0)
                        BETWEEN greatest(s.n_distinct, -s.n_distinct * extent.rows) - 0.5 AND $2::integer
                    THEN s.most_common_vals::text::text[] || s.histogram_bounds::text::text[]
                END
            )
            ORDER BY a.attnum
        ) AS columns
    FROM relation r
    JOIN extent ON extent.root = r.oid
    JOIN pg_attribute a ON a.attrelid = r.oid
    LEFT JOIN domain ON domain.domain = a.atttypid
    JOIN pg_type t ON t.oid = coalesce(domain.base, a.atttypid)
    LEFT JOIN label ON label.enumtypid = t.oid
    LEFT JOIN pg_stats s
        ON t.typcategory = 'S' AND s.schemaname = r.nspname AND s.tablename = r.relname AND s.attname = a.attname
        AND s.inherited = r.relhassubclass
    WHERE a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(r.oid, a.attnum, 'SELECT')
    GROUP BY r.oid
),
-- Unique sets of whole columns; the primary key is marked.
key AS (
    SELECT
        i.indrelid,
        json_agg(
            json_build_array(i.indisprimary, (i.indkey::int2[])[0:i.indnkeyatts - 1]) ORDER BY i.indexrelid
        ) AS keys
    FROM relation r
    JOIN pg_index i ON i.indrelid = r.oid
    WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indrelid
),
foreign_key AS (
    SELECT
        f.conrelid,
        json_agg(json_build_array(f.conkey, target.oid::bigint, f.confkey) ORDER BY f.conname) AS keys
    FROM relation r
    JOIN pg_constraint f ON f.conrelid = r.oid
    JOIN relation target ON target.oid = f.confrelid
    WHERE f.contype = 'f' AND f.conparentid = 0
    GROUP BY f.conrelid
),
-- Conditions on one column alone: its own, and those of its domain and the domains which that is made of.
condition AS (
    SELECT o.oid, json_agg(json_build_array(o.attnum, pg_get_constraintdef(o.con)) ORDER BY o.con) AS conditions
    FROM (
        SELECT r.oid, c.conkey[1] AS attnum, c.oid AS con
        FROM relation r
        JOIN pg_constraint c ON c.conrelid = r.oid
        WHERE c.contype = 'c' AND c.convalidated AND cardinality(c.conkey) = 1
        UNION ALL
        SELECT r.oid, a.attnum, c.oid
        FROM relation r
        JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
        JOIN chain ON chain.domain = a.atttypid
        JOIN pg_constraint c ON c.contypid IN (chain.domain, chain.base)
        WHERE c.contype = 'c' AND c.convalidated
    ) o
    GROUP BY o.oid
)
SELECT
    r.oid::bigint,
    r.nspname,
    r.relname,
    r.relkind,
    coalesce(obj_description(r.oid, 'pg_class'), ''),
    coalesce(extent.rows, 0)::bigint,
    coalesce(extent.is_analyzed, false),
    -- Whether its rows may be looked at: it is there, it is small, and no DDL holds or awaits it.
    r.relkind IN ('r', 'p', 'm') AND r.relispopulated AND extent.pages < 2500
        AND NOT EXISTS (
            SELECT FROM pg_locks l
            JOIN tree ON tree.oid = l.relation
            WHERE tree.root = r.oid AND l.mode = 'AccessExclusiveLock'
              AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        ),
    attribute.columns,
    coalesce(key.keys, '[]'),
    coalesce(foreign_key.keys, '[]'),
    coalesce(condition.conditions, '[]')
FROM relation r
JOIN extent ON extent.root = r.oid
JOIN attribute ON attribute.oid = r.oid
LEFT JOIN key ON key.indrelid = r.oid
LEFT JOIN foreign_key ON foreign_key.conrelid = r.oid
LEFT JOIN condition ON condition.oid = r.oid
ORDER BY r.nspname <> 'public', r.nspname, r.relname
