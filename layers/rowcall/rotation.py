"""A secret that may be rotated while we run: read again, once, when whoever it is for refuses it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rowcall import telemetry

REREAD_SECONDS = 5.0
"""How often at most: while a wrong secret stands in its place, each request would otherwise fetch it in vain."""


class Rotating:
    """`value` as it was last read. Thread-safe."""

    def __init__(self, value: str, read: Callable[[], str]) -> None:
        self.value = value
        self._read = read
        self._lock = threading.Lock()
        self._asked = float("-inf")

    def renewed(self, refused: str) -> bool:
        """Whether `value` is now another than the `refused` one."""
        with self._lock:
            if self.value == refused and time.monotonic() - self._asked >= REREAD_SECONDS:
                self._asked = time.monotonic()
                try:
                    self.value = self._read()
                except Exception as error:  # of AWS, or of a setting that is not right now
                    telemetry.logger().error("a refused secret cannot be read again", reason=type(error).__name__)
            return self.value != refused
