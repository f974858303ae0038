-- The role that rowcall connects as: it may read the tables of schema public, and nothing else.
-- Run it in each database that is to be asked, as an owner of its tables who may create roles (Postgres 14 or newer):
--   psql "$OWNER_URL" -v reader_password='…' -f reader_role.sql
\set ON_ERROR_STOP on
\set QUIET on
\ir reader_grants.sql

ALTER ROLE rowcall_reader PASSWORD :'reader_password';
