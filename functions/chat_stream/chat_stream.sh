#!/bin/sh
# What the AWS Lambda Web Adapter starts in place of a handler, and sends each request to. The runtime, which would put
# layers and Lambda's own packages on the path, does not run here; what stands there already is looked at first.
export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$LAMBDA_TASK_ROOT:/opt/python:$LAMBDA_RUNTIME_DIR"
exec python -m uvicorn api.main:app --host 127.0.0.1 --port "${AWS_LWA_PORT:-8080}" --lifespan off \
    --no-access-log --no-server-header --log-level warning --timeout-graceful-shutdown 1
