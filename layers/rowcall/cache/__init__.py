"""Sealed plans, remembered in Redis and in the environment's memory."""
