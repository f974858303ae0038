"""The catalog of this environment: from memory, else sealed from Redis, else read from the database.

Every `check_seconds` a cheap probe asks the database whether its structure changed; between probes nothing is asked.
The copy in Redis spares a cold environment the reading; it is sealed, as a planted one could uncover hidden columns.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rowcall import telemetry
from rowcall.cache.seal import seal, unseal
from rowcall.cache.store import Store, StoreUnavailable
from rowcall.catalog import Catalog
from rowcall.database.introspection import from_json, to_json
from rowcall.deadline import Deadline

TTL_SECONDS = 7 * 86400


@dataclass(frozen=True, slots=True)
class _Known:
    """A catalog, what the probe said when it was read, and when that was last checked (seconds since the epoch)."""

    catalog: Catalog
    probed: str
    checked: float


class Catalogs:
    """`read` and `probe` ask the database; `name` tells one database and visibility from another."""

    def __init__(
        self,
        *,
        store: Store,
        seal_key: bytes,
        name: str,
        check_seconds: float,
        read: Callable[[Deadline], Catalog],
        probe: Callable[[Deadline], str],
    ) -> None:
        self._store = store
        self._seal_key = seal_key
        self._place = f"rowcall:catalog:{name}"
        self._check_seconds = check_seconds
        self._read = read
        self._probe = probe
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def current(self, deadline: Deadline) -> Catalog:
        """The catalog, at most `check_seconds` out of date."""
        known = self._known
        if known and self._is_fresh(known):
            return known.catalog
        with self._lock:
            known = self._known or self._restore(deadline)
            if not known or not self._is_fresh(known):
                known = self._check(known, deadline)
            self._known = known
            return known.catalog

    def refresh(self, deadline: Deadline) -> Catalog:
        """Ask the database now: a plan has just failed on a table or column that is gone."""
        with self._lock:
            self._known = self._check(self._known, deadline)
            return self._known.catalog

    def _is_fresh(self, known: _Known) -> bool:
        return 0 <= time.time() - known.checked < self._check_seconds

    def _check(self, known: _Known | None, deadline: Deadline) -> _Known:
        probed = self._probe(deadline)
        catalog = known.catalog if known and known.probed == probed else self._read(deadline)
        known = _Known(catalog, probed, time.time())
        payload = json.dumps({"catalog": to_json(catalog), "probed": probed, "checked": known.checked})
        try:
            self._store.put(self._place, seal(self._seal_key, self._place, payload), TTL_SECONDS, deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
        return known

    def _restore(self, deadline: Deadline) -> _Known | None:
        try:
            entry = self._store.get_many([self._place], deadline)[0]
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return None
        if entry is None:
            return None
        payload = unseal(self._seal_key, self._place, entry)
        if payload is None:
            telemetry.logger().error("cached catalog fails its seal and is ignored")
            return None
        kept = json.loads(payload)
        return _Known(from_json(kept["catalog"]), kept["probed"], kept["checked"])
