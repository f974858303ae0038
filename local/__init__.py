"""The laptop stack: a real Postgres and Redis, Upstash's REST protocol, AWS by moto and the API, together."""
