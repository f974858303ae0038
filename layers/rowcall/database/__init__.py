"""The only place that opens Postgres."""
