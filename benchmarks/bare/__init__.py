"""The least that FastAPI on Mangum can be: what the api function's cold start is compared with."""
