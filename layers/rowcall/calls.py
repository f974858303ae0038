"""How often something was asked, by thread: a request runs in one thread, so the difference is the request's own."""

from __future__ import annotations

import threading


class Calls(threading.local):
    """`count` is this thread's."""

    count: int = 0
