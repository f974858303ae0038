"""Tests on real parts: a real Postgres and a real Redis, never a stand-in."""
