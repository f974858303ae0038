"""The one deadline of a request: every wait under it asks here how long it may still wait."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rowcall.errors import Problem


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which nothing of a request may still be running."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def left(self, most: float = float("inf")) -> float:
        """Seconds that may still be waited, at most `most`; raises `deadline_exceeded` when none are left."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise Problem("deadline_exceeded")
        return min(seconds, most)

    @property
    def open(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.at

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))
