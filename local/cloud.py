"""What of AWS moto does not do here without Docker: Lambda's Invoke, which runs a function, and CodeDeploy's hooks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote


class Cloud:
    """Both APIs on one port of 127.0.0.1, as a context. `environ` leads boto3 there.

    `invoke` gets the function that is named (its name or ARN) and the event. `invoked` are the names that were, `told`
    is what CodeDeploy heard.
    """

    def __init__(self, invoke: Callable[[str, Any], Any]) -> None:
        self.invoked: set[str] = set()
        self.told: list[Any] = []
        self._invoke = invoke
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers, document = cloud._answer(self.path, self.headers.get("X-Amz-Target", ""), body)
                answer = json.dumps(document).encode()
                self.send_response(200)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.environ = {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_ENDPOINT_URL_CODEDEPLOY": url}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, target: str, body: bytes) -> tuple[dict[str, str], Any]:
        if target.endswith(".PutLifecycleEventHookExecutionStatus"):
            self.told.append(json.loads(body))
            return {}, {"lifecycleEventHookExecutionId": self.told[-1]["lifecycleEventHookExecutionId"]}
        _, _, _, name, _ = unquote(path).split("/")
        self.invoked.add(name)
        response = self._invoke(name, json.loads(body))
        failed = isinstance(response, dict) and "errorType" in response
        return ({"X-Amz-Function-Error": "Unhandled"} if failed else {}), response
