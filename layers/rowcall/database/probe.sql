-- A value that changes with the structure of the database: whenever a row of the system catalogs is written, it gets
-- the transaction's number as its xmin. Sees DDL, comments, grants, memberships and values of enum types; misses
-- changes of data and statistics (so also a new value of a column that is enumerated by its data) and, in theory,
-- changes whose numbers add up alike. 16384 is the first object identifier of what is not Postgres's own.
WITH relation AS (
    SELECT oid, xmin FROM pg_class WHERE oid >= 16384 AND relkind <> 't' AND relpersistence <> 't'
)
SELECT md5(concat_ws(
    ' ',
    current_user,
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM relation),
    (SELECT concat(count(*), ' ', sum(a.xmin::text::bigint)) FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_description WHERE objoid >= 16384),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_enum),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_constraint
     WHERE conrelid = 0 OR conrelid IN (SELECT oid FROM relation)),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_namespace
     WHERE nspname !~ '^pg_(toast_)?temp_'),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_auth_members)
))
