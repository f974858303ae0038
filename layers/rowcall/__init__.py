"""The domain of rowcall: a question in plain language becomes rows of a Postgres database.

Imports neither Lambda nor FastAPI. Start reading at `answer.py`.
"""
