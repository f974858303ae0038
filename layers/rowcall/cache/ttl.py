"""How long things that may grow stale are kept, in seconds, by what they are."""

from __future__ import annotations

from enum import IntEnum


class Ttl(IntEnum):
    """`CHAT` is for replies that rest on no rows, `SEARCH` for those that do, as rows change.

    The other two are for whoever keeps what people see: `PROFILE` for what is known of a user, of which rowcall keeps
    nothing, and `STATIC` for files that a browser or a CDN may keep.
    """

    CHAT = 600
    SEARCH = 300
    PROFILE = 3600
    STATIC = 86400
