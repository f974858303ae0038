"""Layer 1: plans by exact template, sealed, in Redis and in a small memory of this environment.

A key contains the scope, so two tenants, databases or versions of a schema never meet. A hit is one request,
and parses no SQL.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

from rowcall import telemetry
from rowcall.cache.seal import seal, unseal
from rowcall.cache.store import Store, StoreUnavailable
from rowcall.deadline import Deadline
from rowcall.plan import Parameter, Plan
from rowcall.question import Question

MEMORY_ENTRIES = 512


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose plans these are: part of every key and of every seal."""

    tenant: str
    role: str
    fingerprint: str
    versions: str

    @property
    def key(self) -> str:
        text = "\0".join((self.tenant, self.role, self.fingerprint, self.versions))
        return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def template_key(question: Question) -> str:
    return _digest(question.template)


def exact_key(question: Question) -> str:
    """The key of a plan that serves only this very question, with its values as they are now."""
    return _digest("\0".join((question.template, repr([slot.value for slot in question.slots]))))


@dataclass(frozen=True, slots=True)
class Recalled:
    """`plan` is what was found, if anything; `degraded` says that Redis could not be asked."""

    plan: Plan | None
    degraded: bool


class Plans:
    """The plans of one environment."""

    def __init__(self, store: Store, seal_key: bytes, ttl_seconds: int) -> None:
        self._store = store
        self._seal_key = seal_key
        self._ttl = ttl_seconds
        self._memory: OrderedDict[str, Plan] = OrderedDict()

    def recall(self, scope: Scope, question: Question, deadline: Deadline) -> Recalled:
        """The plan of the template, or of this very question, in one request to Redis."""
        places = [_place(scope, template_key(question)), _place(scope, exact_key(question))]
        try:
            entries = self._store.get_many(places, deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            remembered = (self._memory.get(place) for place in places)
            return Recalled(next((plan for plan in remembered if plan), None), degraded=True)
        for place, entry in zip(places, entries, strict=True):
            plan = self._open(place, entry) if entry is not None else None
            if plan and (not plan.exact_only or place == places[1]):
                self._keep(place, plan)
                return Recalled(plan, degraded=False)
        return Recalled(None, degraded=False)

    def remember(self, scope: Scope, question: Question, plan: Plan, deadline: Deadline) -> bool:
        """Store `plan` under the question's template, or its exact values. False when Redis could not be told."""
        place = _place(scope, exact_key(question) if plan.exact_only else template_key(question))
        self._keep(place, plan)
        try:
            self._store.put(place, seal(self._seal_key, place, _dump(plan)), self._ttl, deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            return False
        return True

    def forget(self, scope: Scope, question: Question, deadline: Deadline) -> None:
        """Drop what `recall` would find, from Redis and from memory."""
        for key in (template_key(question), exact_key(question)):
            place = _place(scope, key)
            self._memory.pop(place, None)
            try:
                self._store.delete(place, deadline)
            except StoreUnavailable as error:
                telemetry.logger().warning("redis unavailable", reason=str(error))

    def _open(self, place: str, entry: str) -> Plan | None:
        payload = unseal(self._seal_key, place, entry)
        if payload is None:
            telemetry.logger().error("cached plan fails its seal and is ignored", place=place)
            return None
        return _load(payload)

    def _keep(self, place: str, plan: Plan) -> None:
        self._memory[place] = plan
        self._memory.move_to_end(place)
        while len(self._memory) > MEMORY_ENTRIES:
            self._memory.popitem(last=False)


def _place(scope: Scope, key: str) -> str:
    return f"rowcall:plan:{scope.key}:{key}"


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _dump(plan: Plan) -> str:
    return json.dumps(asdict(plan), separators=(",", ":"), sort_keys=True)


def _load(payload: str) -> Plan:
    fields = json.loads(payload)
    parameters: Sequence[Parameter] = tuple(Parameter(**item) for item in fields.pop("parameters"))
    return Plan(**{**fields, "parameters": parameters, "tables": tuple(fields.pop("tables"))})
