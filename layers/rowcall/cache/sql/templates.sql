-- The semantic layer's index in Postgres, one table for each size of vector. Needs pgvector 0.8 or newer,
-- https://github.com/pgvector/pgvector. DIMENSIONS is replaced by a number.
SELECT pg_advisory_xact_lock(hashtext('rowcall.templates'));

CREATE SCHEMA IF NOT EXISTS rowcall;

CREATE TABLE IF NOT EXISTS rowcall.templates_DIMENSIONS (
    space text NOT NULL,
    id text NOT NULL,
    signature text NOT NULL,
    template text NOT NULL,
    vector halfvec(DIMENSIONS) NOT NULL,
    PRIMARY KEY (space, id)
);

CREATE INDEX IF NOT EXISTS templates_DIMENSIONS_signature ON rowcall.templates_DIMENSIONS (space, signature);

CREATE INDEX IF NOT EXISTS templates_DIMENSIONS_nearest
    ON rowcall.templates_DIMENSIONS USING hnsw (vector halfvec_cosine_ops);

-- The settings are the function's own, as a session's would pin it to one connection of a pooler. An iterative scan
-- goes on until enough entries of the space and signature are found.
CREATE OR REPLACE FUNCTION rowcall.nearest_DIMENSIONS(asked halfvec, in_space text, with_signature text, at_most integer)
RETURNS TABLE (id text, template text, similarity double precision)
LANGUAGE sql STABLE
SET hnsw.iterative_scan = 'strict_order'
SET hnsw.ef_search = 100
AS $$
    SELECT t.id, t.template, 1 - (t.vector <=> asked)
    FROM rowcall.templates_DIMENSIONS t
    WHERE t.space = in_space AND t.signature = with_signature
    ORDER BY t.vector <=> asked, t.id
    LIMIT at_most
$$;
