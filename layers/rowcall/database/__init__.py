"""The only way to Postgres: one read-only transaction per statement, and what the catalog knows of the tables."""
