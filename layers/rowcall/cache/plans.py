"""Plans by template, sealed, in Redis, with a small memory of this environment for when Redis is down.

A template has a pointer to a plan; several templates may point to one plan. Both are sealed to their scope and
place, so a planted, altered, truncated or moved entry is logged and ignored, never run. All keys contain the scope:
two tenants, databases or versions of a schema never meet. A hit is one request, and parses no SQL.
"""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import orjson

from rowcall import telemetry
from rowcall.admission import Limit, LocalLimiter, Verdict, verdicts
from rowcall.cache.seal import seal, unseal
from rowcall.cache.store import Store, StoreUnavailable, script
from rowcall.catalog import Catalog
from rowcall.deadline import Deadline
from rowcall.errors import Problem, Unanswerable
from rowcall.plan import Parameter, Plan
from rowcall.question import Question
from rowcall.usage import COUNTER_SECONDS

if TYPE_CHECKING:
    from rowcall.cache.semantic import Semantic

RECALL = script("recall")
REMEMBER = script("remember")
FORGET = script("forget")
LEASE = script("lease")
PAGE = script("page")
ADOPT = script("adopt")

RANDOM = random.SystemRandom()
"""Environments restored from one snapshot share the state of every other generator."""

MEMORY_ENTRIES = 512
REFUSAL_SECONDS = 60
MISSED_SECONDS = 15 * 86400
SCOPE_SECONDS = 40 * 86400
"""A scope in which nothing was planned for so long is not warmed any more."""
REFRESH_SECONDS = 900.0
"""About how often the warmer comes: a plan that is to be renewed must be marked so much earlier."""
CATCH_UP_SECONDS = 1.0
CHANGED_ENTRIES = 256
"""As many as `recall.lua` tells at most; with so many, memory starts anew."""
LOG_ENTRIES = 100_000
PAGE_ENTRIES = 200
LEASE_SECONDS = 5.0
"""A crashed planner's lease ends by itself after this; a living one renews it."""


NEAR = 0.5
"""Below such a similarity nobody would call two templates near."""

NEAR_MISSES = 100
"""Kept of each scope, the latest."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose plans these are: part of every key and of every seal."""

    tenant: str
    role: str
    fingerprint: str
    versions: str

    @property
    def key(self) -> str:
        return _scope_key(self)

    @property
    def prefix(self) -> str:
        """What the names of all its keys begin with; the braces keep them together in a cluster."""
        return f"rowcall:{{{self.key}}}:"

    def place(self, name: str) -> str:
        """What the seal of an entry says of where it may stand."""
        return f"{self.key}:{name}"

    def counter(self, day: date) -> str:
        """The hash that counts what is asked on `day`."""
        return f"{self.prefix}stats:{day:%Y%m%d}"

    def missed(self, day: date) -> str:
        """The questions that had to be planned in the week of `day`."""
        return f"{self.prefix}missed:{day:%G%V}"


@dataclass(frozen=True, slots=True)
class Known:
    """A remembered plan: its id, and the template and slot types it was planned for."""

    id: str
    template: str
    slot_types: tuple[str, ...]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Match:
    """A remembered template that means the same as the one asked. `margin` is how far above the threshold it is."""

    id: str
    template: str
    similarity: float
    margin: float


@dataclass(frozen=True, slots=True)
class NearMiss:
    """The nearest template that was not taken, and why."""

    template: str
    similarity: float
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """What Redis said to a question: a plan, a remembered refusal, or nothing.

    With nothing, either this asker is the one to plan and holds the `lease`, or `someone_plans` already.
    `match` is set on a hit of layer 2, `near_miss` when the nearest template was not the same. `sequence` is the last
    of the scope's log.
    """

    known: Known | None = None
    refusal: Unanswerable | None = None
    lease: Lease | None = None
    someone_plans: bool = False
    verdicts: tuple[Verdict, ...] = ()
    degraded: bool = False
    match: Match | None = None
    near_miss: NearMiss | None = None
    sequence: int = 0

    @property
    def layer(self) -> int:
        """1 exact template, 2 semantic, 3 to be planned."""
        return 3 if self.known is None else 2 if self.match else 1

    @property
    def admitted(self) -> bool:
        return all(verdict.admitted for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to plan a template, alone across all environments, for a few seconds at a time."""

    key: str
    token: str


class Plans:
    """The plans as one environment sees them. `semantic` makes layer 2, when the first question misses layer 1."""

    def __init__(
        self,
        store: Store,
        seal_key: bytes,
        *,
        ttl_seconds: int,
        cap_seconds: int,
        semantic: Callable[[], Semantic | None] = lambda: None,
        shadow_rate: float = 0.0,
    ) -> None:
        self._store = store
        self._seal_key = seal_key
        self._ttl = ttl_seconds
        self._cap = cap_seconds
        self._load_semantic = semantic
        self._semantic: Semantic | None = None
        self._shadow_rate = shadow_rate
        self._memory = _Memory()
        self._limiter = LocalLimiter()

    def recall(
        self,
        scope: Scope,
        question: Question,
        deadline: Deadline,
        *,
        limits: Sequence[Limit] = (),
        counters: Sequence[str] | None = (),
        fresh: bool = False,
        waited: bool = False,
    ) -> Recalled:
        """Admission and layer 1 in one request: the plan of the template, or of this very question.

        `counters` are hashes that count questions and hits beside the scope's own; with `None` nothing is counted.
        `waited` marks a further look while someone else plans, which is not counted again.
        """
        request = secrets.token_hex(8)
        template, exact = template_key(question), exact_key(question)
        asked = {
            "policies": _policies(limits),
            "request": request,
            "prefix": scope.prefix,
            "template": template,
            "exact": exact,
            "fresh": fresh,
            "waited": waited,
            "counters": _counters(scope, counters),
            "counters_ttl": COUNTER_SECONDS,
            "ttl": self._ttl,
            "cap": self._cap,
            "lease": int(LEASE_SECONDS * 1000),
            "seen": self._memory.seen(scope.key),
            "random": RANDOM.uniform(1e-9, 1),
            "patience": REFRESH_SECONDS,
            **self._wanted(scope.key),
        }
        try:
            counted, *reply = self._store.run(RECALL, [orjson.dumps(asked).decode()], deadline)
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
        found, leased, sequence, changed, page = reply
        self._memory.drop(scope.key, changed, sequence)
        self._absorb(scope, page, deadline)
        if not found:
            lease = Lease(f"{scope.prefix}lease:{template}", request) if leased else None
            return Recalled(lease=lease, someone_plans=not leased and not fresh, verdicts=told, sequence=sequence)
        pointer, entry, _ = found
        for key in (template, exact):
            target = self._open(scope, f"pointer:{key}", pointer)
            if target is not None:
                return self._follow(scope, key, target, entry, told)
        telemetry.logger().error("a cached pointer fails its seal and is ignored", template=template)
        return Recalled(verdicts=told)

    def resemble(
        self,
        scope: Scope,
        question: Question,
        catalog: Catalog,
        missed: Recalled,
        deadline: Deadline,
        *,
        counters: Sequence[str] | None = (),
    ) -> Recalled:
        """Layer 2, after a miss: the plan of the nearest template that means the same; this one then points to it."""
        if missed.degraded:
            return missed
        self._semantic = self._semantic or self._load_semantic()
        if self._semantic is None:
            return missed
        self._catch_up(scope, missed.sequence, deadline)
        match = self._semantic.find(scope.key, question, catalog, deadline)
        if not isinstance(match, Match):
            return replace(missed, near_miss=match)
        known = self._adopt(scope, question, match, missed.lease, deadline, counters)
        if isinstance(known, Known):
            return replace(missed, known=known, match=match, lease=None)
        if known is None:
            self._semantic.remove(scope.key, [match.id], deadline)
        return replace(missed, near_miss=known)

    def remember(
        self,
        scope: Scope,
        question: Question,
        plan: Plan,
        lease: Lease | None,
        deadline: Deadline,
        *,
        counters: Sequence[str] | None = (),
        seconds: float = 0.0,
        near_miss: NearMiss | None = None,
    ) -> bool:
        """Keep `plan`, which took `seconds` to make, for the question's template, or only for its exact values.

        What was nearly used in its place is kept for operators, as templates. False when Redis could not be told.
        """
        key = exact_key(question) if plan.exact_only else template_key(question)
        known = Known(key, question.template, tuple(slot.type for slot in question.slots), plan)
        self._memory.put(scope.key, key, known)
        fields = {
            "entry": seal(self._seal_key, scope.place(f"plan:{key}"), _dump(known)),
            "cost": str(plan.cost_usd),
            "took": str(seconds),
            "asked": json.dumps([question.text, question.timezone]),
        } | self._semantic_fields(scope, key, question, plan, deadline)
        asked = {
            "pointer": "p" + key,
            "ttl": self._ttl,
            "id": key,
            "fields": [part for field in fields.items() for part in field],
            "scope": seal(self._seal_key, "scope", json.dumps(asdict(scope))),
            "scope_ttl": SCOPE_SECONDS,
            "question": question.text,
            "missed": scope.missed(_today()),
            "missed_ttl": MISSED_SECONDS,
            "counters": _counters(scope, counters),
            "log_size": LOG_ENTRIES,
        }
        if near_miss and near_miss.similarity >= NEAR and counters is not None:
            told = json.dumps([question.template, *astuple(near_miss)])
            asked |= {"near": seal(self._seal_key, scope.place("near"), told), "nears": NEAR_MISSES}
        return self._write(scope, key, asked, lease, deadline)

    def refuse(
        self, scope: Scope, question: Question, refusal: Unanswerable, lease: Lease | None, deadline: Deadline
    ) -> bool:
        """Remember for a minute that this very question cannot be answered, and for those who wait."""
        pointer = "r" + json.dumps([refusal.detail, list(refusal.suggestions)])
        key = exact_key(question)
        return self._write(scope, key, {"pointer": pointer, "ttl": REFUSAL_SECONDS}, lease, deadline)

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
        try:
            return self.drop(scope, ids, deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return 0

    def drop(self, scope: Scope, ids: Sequence[str], deadline: Deadline) -> int:
        """The same; raises `StoreUnavailable` when only this environment could be told."""
        self.outdate(scope, ids)
        if self._semantic:
            self._semantic.remove(scope.key, ids, deadline)
        return int(self._store.run(FORGET, [scope.prefix, *ids], deadline))

    def outdate(self, scope: Scope, ids: Sequence[str]) -> None:
        """Forget what this environment's memory holds of plans; the log tells the others."""
        self._memory.drop(scope.key, ids)

    def release(self, lease: Lease | None) -> None:
        """Give a lease back without a plan."""
        if lease:
            self._lease(lease, 0)

    def admit(
        self, limits: Sequence[Limit], deadline: Deadline, *, without_redis: Literal["limit", "refuse"] = "limit"
    ) -> tuple[Verdict, ...]:
        """Admission alone, for what asks no question. Raises `limits_unavailable` if told to without Redis."""
        asked = {"policies": _policies(limits), "request": secrets.token_hex(8)}
        try:
            (counted,) = self._store.run(RECALL, [json.dumps(asked)], deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            if without_redis == "refuse":
                raise Problem("limits_unavailable", retry_after=1) from error
            return self._limiter.admit(limits)
        return verdicts(limits, [(used, free / 1_000_000) for used, free in counted])

    def _follow(self, scope: Scope, key: str, target: str, entry: str | None, told: tuple[Verdict, ...]) -> Recalled:
        if target.startswith("r"):
            detail, suggestions = json.loads(target[1:])
            return Recalled(refusal=Unanswerable(detail, suggestions), verdicts=told)
        payload = self._open(scope, f"plan:{target[1:]}", entry or "")
        if payload is None:
            telemetry.logger().error("a cached plan fails its seal and is ignored", plan=target[1:])
            return Recalled(verdicts=told)
        known = load(payload)
        self._memory.put(scope.key, key, known)
        return Recalled(known=known, verdicts=told)

    def _write(
        self, scope: Scope, template: str, fields: dict[str, object], lease: Lease | None, deadline: Deadline
    ) -> bool:
        asked = self._pointing(scope, template, str(fields["pointer"]), lease)
        try:
            self._store.run(REMEMBER, [json.dumps(fields | asked)], deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return False
        return True

    def _pointing(self, scope: Scope, template: str, pointer: str, lease: Lease | None) -> dict[str, object]:
        return {
            "prefix": scope.prefix,
            "template": template,
            "pointer": seal(self._seal_key, scope.place(f"pointer:{template}"), pointer),
            "lease": lease.key if lease else "",
            "request": lease.token if lease else "",
        }

    def _wanted(self, scope: str) -> dict[str, object]:
        """What of the log `recall` brings along for layer 2."""
        if self._semantic is None or self._semantic.shared:
            return {"since": 0, "page": 0, "vector": ""}
        return {"since": self._semantic.cursor(scope), "page": PAGE_ENTRIES, "vector": self._vector_field}

    @property
    def _vector_field(self) -> str:
        return f"vector:{self._semantic.embedder.id}" if self._semantic else ""

    def _absorb(self, scope: Scope, page: Sequence[Sequence[Any]], deadline: Deadline) -> None:
        if self._semantic is None:
            return
        for entry_id, known, vector, sequence in page:
            described = self._open(scope, f"known:{entry_id}", known) if known else None
            if described is None or not vector:
                self._semantic.remove(scope.key, [entry_id], deadline)
            else:
                with suppress(ValueError):
                    self._semantic.add(scope.key, entry_id, described, vector, deadline)
            self._semantic.advance(scope.key, sequence)

    def _catch_up(self, scope: Scope, sequence: int, deadline: Deadline) -> None:
        """Further pages up to `sequence`, for at most a second; what is still missing comes with the next miss."""
        if self._semantic is None or self._semantic.shared:
            return
        patience = deadline.within(CATCH_UP_SECONDS)
        while self._semantic.cursor(scope.key) < sequence and patience.open:
            args: list[str | int] = [
                scope.prefix,
                self._semantic.cursor(scope.key),
                PAGE_ENTRIES,
                self._vector_field,
            ]
            try:
                page = self._store.run(PAGE, args, deadline)
            except StoreUnavailable as error:
                telemetry.logger().warning("redis unavailable", reason=str(error))
                return
            self._absorb(scope, page, deadline)
            if len(page) < PAGE_ENTRIES:
                self._semantic.advance(scope.key, sequence)

    def _adopt(
        self,
        scope: Scope,
        question: Question,
        match: Match,
        lease: Lease | None,
        deadline: Deadline,
        counters: Sequence[str] | None,
    ) -> Known | NearMiss | None:
        """The plan; or why it is not to be taken; or nothing when it is gone."""
        shadowed = counters is not None and RANDOM.random() < self._shadow_rate
        asked = self._pointing(scope, template_key(question), "p" + match.id, lease) | {
            "id": match.id,
            "ttl": self._ttl,
            "margin": match.margin,
            "counters": _counters(scope, counters),
            "shadow": json.dumps([question.text, question.timezone, match.id]) if shadowed else "",
        }
        try:
            entry = self._store.run(ADOPT, [json.dumps(asked)], deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return None
        if entry == "":
            return NearMiss(match.template, match.similarity, "feedback", "someone found that they differ")
        payload = self._open(scope, f"plan:{match.id}", entry) if entry else None
        known = load(payload) if payload else None
        if known and known.template != match.template:
            telemetry.logger().error("the index names another template than the plan's own, which is ignored")
            self._store.execute(["DEL", f"{scope.prefix}pointer:{template_key(question)}"], deadline)
            return None
        return known

    def _semantic_fields(
        self, scope: Scope, key: str, question: Question, plan: Plan, deadline: Deadline
    ) -> dict[str, str]:
        """What layer 2 keeps of a plan: nothing of one that serves only its own values."""
        if self._semantic is None or plan.exact_only:
            return {}
        vector = self._semantic.vector(question.template, deadline)
        if vector is None:
            return {}
        described = self._semantic.describe(question)
        if self._semantic.shared:
            self._semantic.add(scope.key, key, described, vector.text(), deadline)
        sealed = seal(self._seal_key, scope.place(f"known:{key}"), described)
        return {"known": sealed, self._vector_field: vector.text()}

    def _open(self, scope: Scope, name: str, entry: str) -> str | None:
        return unseal(self._seal_key, scope.place(name), entry)


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
            if not ids:
                return
            gone, many = set(ids), len(ids) >= CHANGED_ENTRIES
            stale = [
                place for place, known in self._entries.items() if place[0] == scope and (many or known.id in gone)
            ]
            for place in stale:
                del self._entries[place]


def template_key(question: Question) -> str:
    return _digest(question.template)


def exact_key(question: Question) -> str:
    """The key of a plan that serves only this very question, with its values as they are now."""
    return _digest("\0".join((question.template, repr([slot.value for slot in question.slots]))))


def _counters(scope: Scope, others: Sequence[str] | None) -> list[str]:
    return [] if others is None else [scope.counter(_today()), *others]


@lru_cache(maxsize=1024)
def _scope_key(scope: Scope) -> str:
    return _digest("\0".join((scope.tenant, scope.role, scope.fingerprint, scope.versions)))


def _policies(limits: Sequence[Limit]) -> list[dict[str, object]]:
    return [
        {
            "key": limit.key,
            "quota": limit.policy.quota,
            "window": limit.policy.window * 1_000_000,
            "count": limit.count,
        }
        for limit in limits
    ]


def _today() -> date:
    return datetime.now(UTC).date()


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _dump(known: Known) -> str:
    return json.dumps(asdict(known), separators=(",", ":"), sort_keys=True)


def load(payload: str) -> Known:
    """What `remember` sealed."""
    fields = orjson.loads(payload)
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
