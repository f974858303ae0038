-- CALL make_tables(1000) makes so many tables of eight columns, each pointing to the one before. They hold no rows.
\set ON_ERROR_STOP on
\set QUIET on

CREATE PROCEDURE make_tables(how_many integer) LANGUAGE plpgsql AS $$
DECLARE
  areas text[] := '{retail,wholesale,export,online,partner,service,field,central,northern,southern}';
  kinds text[] := '{sales,purchase,return,stock,price,account,project,support,training,transport}';
  things text[] := '{invoices,contracts,lines,reports,batches,visits,offers,claims,members,devices}';
  named text;
  former text;
BEGIN
  FOR n IN 0 .. how_many - 1 LOOP
    named := format('%s_%s_%s', areas[1 + n % 10], kinds[1 + n / 10 % 10], things[1 + n / 100 % 10]);
    EXECUTE format(
      'CREATE TABLE %I (
         id         integer PRIMARY KEY,
         former_id  integer %s,
         name       text NOT NULL,
         status     text NOT NULL CHECK (status IN (''open'', ''pending'', ''closed'', %L)),
         amount     numeric(10, 2) NOT NULL,
         quantity   integer NOT NULL,
         due_date   date,
         created_at timestamptz NOT NULL
       )',
      named,
      CASE WHEN former IS NULL THEN '' ELSE format('REFERENCES %I', former) END,
      'state ' || n
    );
    EXECUTE format('COMMENT ON TABLE %I IS %L', named, 'Number ' || n);
    former := named;
    IF n % 100 = 99 THEN
      COMMIT;  -- one transaction may hold only so many locks
    END IF;
  END LOOP;
END
$$;
