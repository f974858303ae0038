"""Plans by template, sealed, in Redis, with a small memory of this environment for when Redis is down.

A template has a pointer to a plan; several templates may point to one plan. Both are sealed to their scope and
place, so a planted, altered, truncated or moved entry is logged and ignored, never run. All keys contain the scope:
two tenants, databases or versions of a schema never meet. A hit is one request, and parses no SQL.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256

from rowcall import telemetry
from rowcall.admission import Limit, LocalLimiter, Verdict, verdicts
from rowcall.cache.seal import seal, unseal
from rowcall.cache.store import Store, StoreUnavailable, script
from rowcall.deadline import Deadline
from rowcall.errors import Unanswerable
from rowcall.plan import Parameter, Plan
from rowcall.question import Question

RECALL = script("recall")
REMEMBER = script("remember")
FORGET = script("forget")
LEASE = script("lease")

MEMORY_ENTRIES = 512
REFUSAL_SECONDS = 60
STATS_SECONDS = 40 * 86400
LOG_ENTRIES = 100_000
PAGE_ENTRIES = 200
LEASE_SECONDS = 5.0
"""A crashed planner's lease ends by itself after this; a living one renews it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose plans these are: part of every key and of every seal."""

    tenant: str
    role: str
    fingerprint: str
    versions: str

    @property
    def key(self) -> str:
        return _digest("\0".join((self.tenant, self.role, self.fingerprint, self.versions)))


@dataclass(frozen=True, slots=True)
class Known:
    """A remembered plan: its id, and the template and slot types it was planned for."""

    id: str
    template: str
    slot_types: tuple[str, ...]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Recalled:
    """What Redis said to a question: a plan, a remembered refusal, or nothing.

    With nothing, either this asker is the one to plan and holds the `lease`, or `someone_plans` already.
    """

    known: Known | None = None
    refusal: Unanswerable | None = None
    lease: Lease | None = None
    someone_plans: bool = False
    verdicts: tuple[Verdict, ...] = ()
    degraded: bool = False

    @property
    def admitted(self) -> bool:
        return all(verdict.admitted for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to plan a template, alone across all environments, for a few seconds at a time."""

    key: str
    token: str


class Plans:
    """The plans as one environment sees them."""

    def __init__(self, store: Store, seal_key: bytes, *, ttl_seconds: int, cap_seconds: int) -> None:
        self._store = store
        self._seal_key = seal_key
        self._ttl = ttl_seconds
        self._cap = cap_seconds
        self._memory = _Memory()
        self._limiter = LocalLimiter()

    def recall(
        self,
        scope: Scope,
        question: Question,
        deadline: Deadline,
        *,
        limits: Sequence[Limit] = (),
        fresh: bool = False,
        waited: bool = False,
    ) -> Recalled:
        """Admission and layer 1 in one request: the plan of the template, or of this very question.

        `waited` marks a further look while someone else plans, which is not counted again.
        """
        request = secrets.token_hex(8)
        template, exact = template_key(question), exact_key(question)
        asked = {
            "policies": [
                {"key": limit.key, "quota": limit.policy.quota, "window": limit.policy.window * 1_000_000}
                for limit in limits
            ],
            "request": request,
            "prefix": _prefix(scope.key),
            "template": template,
            "exact": exact,
            "fresh": fresh,
            "waited": waited,
            "day": _today(),
            "stats_ttl": STATS_SECONDS,
            "ttl": self._ttl,
            "cap": self._cap,
            "lease": int(LEASE_SECONDS * 1000),
            "seen": self._memory.seen(scope.key),
            "since": 0,
            "page": 0,
        }
        try:
            counted, *reply = self._store.run(RECALL, [json.dumps(asked)], deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return Recalled(
                known=None if fresh else self._memory.get(scope.key, (template, exact)),
                verdicts=self._limiter.admit(limits),
                degraded=True,
            )
        told = verdicts(limits, [(used, free / 1_000_000) for used, free in counted])
        if not reply:
            return Recalled(verdicts=told)
        found, leased, sequence, changed, _ = reply
        self._memory.drop(scope.key, changed, sequence)
        if not found:
            lease = Lease(f"{_prefix(scope.key)}lease:{template}", request) if leased else None
            return Recalled(lease=lease, someone_plans=not leased and not fresh, verdicts=told)
        pointer, entry, _ = found
        for key in (template, exact):
            target = self._open(scope, f"pointer:{key}", pointer)
            if target is not None:
                return self._follow(scope, key, target, entry, told)
        telemetry.logger().error("a cached pointer fails its seal and is ignored", template=template)
        return Recalled(verdicts=told)

    def remember(self, scope: Scope, question: Question, plan: Plan, lease: Lease | None, deadline: Deadline) -> bool:
        """Keep `plan` for the question's template, or only for its exact values. False when Redis could not be told."""
        key = exact_key(question) if plan.exact_only else template_key(question)
        known = Known(key, question.template, tuple(slot.type for slot in question.slots), plan)
        self._memory.put(scope.key, key, known)
        entry = seal(self._seal_key, _place(scope, f"plan:{key}"), _dump(known))
        return self._write(
            scope,
            {
                "template": key,
                "pointer": "p" + key,
                "ttl": self._ttl,
                "id": key,
                "entry": entry,
                "cost": plan.cost_usd,
                "layer": "layer3",
                "log_size": LOG_ENTRIES,
            },
            lease,
            deadline,
        )

    def refuse(
        self, scope: Scope, question: Question, refusal: Unanswerable, lease: Lease | None, deadline: Deadline
    ) -> bool:
        """Remember for a minute that this very question cannot be answered, and for those who wait."""
        pointer = "r" + json.dumps([refusal.detail, list(refusal.suggestions)])
        key = exact_key(question)
        return self._write(scope, {"template": key, "pointer": pointer, "ttl": REFUSAL_SECONDS}, lease, deadline)

    @contextmanager
    def holding(self, lease: Lease | None, deadline: Deadline) -> Iterator[None]:
        """Renew `lease` while the body plans; give it back when it fails, so that the next asker plans at once."""
        if lease is None:
            yield
            return
        done = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(lease, done, deadline), daemon=True)
        renewer.start()
        try:
            yield
        except BaseException:
            self._lease(lease, 0)
            raise
        finally:
            done.set()

    def _renew(self, lease: Lease, done: threading.Event, deadline: Deadline) -> None:
        while not done.wait(LEASE_SECONDS / 2) and time.monotonic() < deadline.at:
            self._lease(lease, LEASE_SECONDS)

    def _lease(self, lease: Lease, seconds: float) -> None:
        try:
            self._store.run(LEASE, [lease.key, lease.token, int(seconds * 1000)], Deadline.after(LEASE_SECONDS))
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))

    def forget(self, scope: Scope, ids: Sequence[str], deadline: Deadline) -> int:
        """Drop plans everywhere; how many there were."""
        self._memory.drop(scope.key, ids)
        try:
            return int(self._store.run(FORGET, [_prefix(scope.key), *ids], deadline))
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return 0

    def _follow(self, scope: Scope, key: str, target: str, entry: str | None, told: tuple[Verdict, ...]) -> Recalled:
        if target.startswith("r"):
            detail, suggestions = json.loads(target[1:])
            return Recalled(refusal=Unanswerable(detail, suggestions), verdicts=told)
        payload = self._open(scope, f"plan:{target[1:]}", entry or "")
        if payload is None:
            telemetry.logger().error("a cached plan fails its seal and is ignored", plan=target[1:])
            return Recalled(verdicts=told)
        known = _load(payload)
        self._memory.put(scope.key, key, known)
        return Recalled(known=known, verdicts=told)

    def _write(self, scope: Scope, fields: dict[str, object], lease: Lease | None, deadline: Deadline) -> bool:
        place = _place(scope, f"pointer:{fields['template']}")
        asked = fields | {
            "prefix": _prefix(scope.key),
            "pointer": seal(self._seal_key, place, str(fields["pointer"])),
            "lease": lease.key if lease else "",
            "request": lease.token if lease else "",
            "day": _today(),
        }
        try:
            self._store.run(REMEMBER, [json.dumps(asked)], deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return False
        return True

    def _open(self, scope: Scope, name: str, entry: str) -> str | None:
        return unseal(self._seal_key, _place(scope, name), entry)


class _Memory:
    """Least recently used plans, by scope and key; what the log says has changed is dropped."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    def seen(self, scope: str) -> int:
        return self._seen.get(scope, 0)

    def get(self, scope: str, keys: Iterable[str]) -> Known | None:
        with self._lock:
            return next((self._entries[scope, key] for key in keys if (scope, key) in self._entries), None)

    def put(self, scope: str, key: str, known: Known) -> None:
        with self._lock:
            self._entries[scope, key] = known
            self._entries.move_to_end((scope, key))
            if len(self._entries) > MEMORY_ENTRIES:
                self._entries.popitem(last=False)

    def drop(self, scope: str, ids: Sequence[str], sequence: int | None = None) -> None:
        with self._lock:
            if sequence is not None:
                self._seen[scope] = sequence
            if ids:
                gone = set(ids)
                for place in [place for place, known in self._entries.items() if known.id in gone]:
                    del self._entries[place]


def template_key(question: Question) -> str:
    return _digest(question.template)


def exact_key(question: Question) -> str:
    """The key of a plan that serves only this very question, with its values as they are now."""
    return _digest("\0".join((question.template, repr([slot.value for slot in question.slots]))))


def _prefix(scope_key: str) -> str:
    return f"rowcall:{{{scope_key}}}:"


def _place(scope: Scope, name: str) -> str:
    return f"{scope.key}:{name}"


def _today() -> str:
    return datetime.now(UTC).strftime("%Y%m%d")


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _dump(known: Known) -> str:
    return json.dumps(asdict(known), separators=(",", ":"), sort_keys=True)


def _load(payload: str) -> Known:
    fields = json.loads(payload)
    plan = fields["plan"]
    parameters = tuple(Parameter(**parameter) for parameter in plan["parameters"])
    return Known(
        fields["id"],
        fields["template"],
        tuple(fields["slot_types"]),
        Plan(
            **{
                **plan,
                "parameters": parameters,
                "tables": tuple(plan["tables"]),
                "passed_over": tuple(plan["passed_over"]),
            }
        ),
    )
