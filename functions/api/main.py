"""The FastAPI app, and its Lambda handler by Mangum."""

from __future__ import annotations

import gc

gc.disable()  # nothing that is imported is garbage, and to look for it takes a third of a cold start

from importlib import import_module

from mangum import Mangum

from api import (
    cache,
    chat,
    completions,
    conversations,
    dependencies,
    feedback,
    health,
    jobs,
    mcp,
    me,
    pages,
    problems,
    query,
    tables,
    usage,
)
from api.middleware import Cors, Envelope
from api.openapi import Documented
from rowcall import bootstrap, settings

app = Documented(
    title="rowcall",
    version="0.1.0",
    description="Ask a Postgres database a question in plain language; get rows, and see how they were found.",
    docs_url=None,
    redoc_url=None,
    telemetry={"tracing": False, "metrics": False, "logs": False},  # OpenTelemetry's; ours is in `middleware`
)
app.include_router(query.router)
app.include_router(chat.router)
app.include_router(jobs.router)
app.include_router(completions.router)
app.include_router(feedback.router)
app.include_router(tables.router)
app.include_router(mcp.router)
app.include_router(cache.router)
app.include_router(conversations.router)
app.include_router(usage.router)
app.include_router(health.router)
app.include_router(me.router)
app.include_router(pages.router)
problems.install(app)
app.add_middleware(Envelope)
app.add_middleware(Cors)

if settings.snapshot_is_being_made():
    bootstrap.preload()
    import_module("api.mcp_server")
elif settings.is_in_lambda():
    dependencies.services()

handler = Mangum(
    app,
    lifespan="off",
    text_mime_types=["application/json", "application/problem+json", "image/svg+xml", "text/"],
)

gc.freeze()
gc.enable()
