-- The role that rowcall connects as: it may read the tables of schema public, and nothing else.
-- Run it in each database that is to be asked, as an owner of its tables who may create roles (Postgres 14 or newer):
--   psql "$OWNER_URL" -v reader_password='…' -f reader_role.sql
\set ON_ERROR_STOP on
\set QUIET on

SELECT 'CREATE ROLE rowcall_reader'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rowcall_reader') \gexec

ALTER ROLE rowcall_reader WITH LOGIN NOINHERIT PASSWORD :'reader_password';

-- The limits live on the role because a pooler such as RDS Proxy pins a session that sets them itself.
ALTER ROLE rowcall_reader SET default_transaction_read_only = on;
ALTER ROLE rowcall_reader SET statement_timeout = '10s';
ALTER ROLE rowcall_reader SET lock_timeout = '5s';
ALTER ROLE rowcall_reader SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE rowcall_reader SET client_connection_check_interval = '1s';

SELECT format('GRANT CONNECT ON DATABASE %I TO rowcall_reader', current_database()) \gexec
GRANT USAGE ON SCHEMA public TO rowcall_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rowcall_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO rowcall_reader;
