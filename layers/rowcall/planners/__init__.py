"""Planners turn a question and the catalog into a draft of SQL."""
