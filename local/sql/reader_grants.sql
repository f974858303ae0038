-- What the read-only role is and may do. Plain SQL, a statement between blank lines, to be run as often as one likes.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rowcall_reader') THEN
        CREATE ROLE rowcall_reader;
    END IF;
END $$;

ALTER ROLE rowcall_reader WITH LOGIN NOINHERIT;

-- The limits live on the role because a pooler such as RDS Proxy pins a session that sets them itself.
ALTER ROLE rowcall_reader SET default_transaction_read_only = on;

ALTER ROLE rowcall_reader SET statement_timeout = '10s';

ALTER ROLE rowcall_reader SET lock_timeout = '5s';

ALTER ROLE rowcall_reader SET idle_in_transaction_session_timeout = '15s';

ALTER ROLE rowcall_reader SET client_connection_check_interval = '1s';

DO $$ BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO rowcall_reader', current_database());
END $$;

GRANT USAGE ON SCHEMA public TO rowcall_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO rowcall_reader;

-- And those that whoever runs this makes later.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO rowcall_reader;
