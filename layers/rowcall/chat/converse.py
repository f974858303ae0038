"""The way of a chat's message, top to bottom. Whoever chats, streamed or not, comes this way.

1 admit      read the messages, and what was said before in this conversation; the policies of chat, once a message
2 recall     the same chat of the same scope was answered of late: tell it again, no model is asked
3 speak      rounds of a model and its tools, in its window; a model that fails before it speaks gives way to the next
  or answer  no model can be asked: the last message is a question, and its answer is put in a sentence
4 remember   a whole reply
5 tell       what it took, and that it is whole

The database is reached by tools alone, and those go the way of every question (`rowcall.answer`). What fails ends in
`Failed`, never in `Done`: a reply that was cut never looks whole.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rowcall import admission, document, telemetry
from rowcall.answer import Ask, read, scope, zone
from rowcall.budget import Call as Charge
from rowcall.cache.plans import exact_key
from rowcall.cache.store import StoreUnavailable
from rowcall.chat import Beat, Done, Event, Failed, Message, Rows, Text, Tool, Usage, sentence
from rowcall.chat.models import Call, ChatModel, Entry, Found, Request, Result, Speech, Using
from rowcall.chat.tools import Query, Tools, schemas, too_many
from rowcall.chat.window import fit
from rowcall.errors import Problem, Unanswerable
from rowcall.planners import PlannerUnavailable
from rowcall.planners.choosing import Choosing
from rowcall.planners.prompt import block
from rowcall.pricing import dollars

if TYPE_CHECKING:
    from rowcall.admission import Limit
    from rowcall.auth import Principal
    from rowcall.bootstrap import Services
    from rowcall.catalog import Catalog
    from rowcall.chat.models import Draft
    from rowcall.deadline import Deadline
    from rowcall.settings import Settings
    from rowcall.trace import Trace

MOST_TURNS = 100
"""Of a conversation, that a model is told of as far as its window has room."""

MOST_CALLS = 8
"""Tools that one reply of a model may ask for; each is a question, and they are asked one after the other."""

COUNT_SECONDS = 2.0
"""For exact counts of what may not fit: without them the estimate holds, and whoever counts slowly keeps nobody from a
reply."""

CATALOG_CHARACTERS = 12_000
"""Of tables and columns in the system prompt, so that most questions need no look at them first."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a caller says: the messages so far, the user's last.

    A chat that is `kept` goes into a conversation, a new one unless `conversation_id` names it. Of a conversation it is
    known what was said before, so only the last message is taken as new.
    """

    messages: Sequence[Message]
    timezone: str | None = None
    conversation_id: str | None = None
    kept: bool = False


def converse(
    said: Said,
    principal: Principal,
    services: Services,
    deadline: Deadline,
    *,
    limits: Sequence[Limit] = (),
    question_limits: Sequence[Limit] = (),
    trace: Trace,
    request_id: str,
) -> Generator[Event, None, None]:
    """The reply to `said`, event by event: the last is `Done`, or `Failed`. Close it to stop at once.

    `limits` are the policies of this message, `question_limits` those of each question that a tool asks. `trace` is
    told what the policies said before the first event comes.
    """
    reply = _Reply(said, principal, services, deadline, question_limits, request_id)
    try:
        reply.admit(limits, trace)
        reply.recall()
        if reply.known is not None:
            yield from reply.replay(reply.known)
        elif services.chat_models:
            yield from reply.speak()
        else:
            yield from reply.answer()
        reply.remember()
        yield from reply.tell()
    except Problem as problem:
        if reply.calls and reply.events:  # else the failure comes first, and can have a status of its own
            yield reply.usage()
        yield Failed(problem)


def check(said: Said, settings: Settings) -> None:
    """Raises `invalid_request` for messages that cannot be replied to."""
    wrong = [
        (f"messages[{number}].content", complaint)
        for number, message in enumerate(said.messages)
        if (complaint := _complaint(message, settings.chat_message_length))
    ]
    if not said.messages or said.messages[-1].role != "user":
        wrong.append(("messages", "must end with a message of the user"))
    if wrong:
        raise Problem("invalid_request", fields=wrong)


def _complaint(message: Message, most: int) -> str:
    """What is wrong with a message. A reply that is sent back may be as long as it was told."""
    text = message.content
    if not text.strip():
        return "is empty"
    if message.role == "user" and len(text) > most:
        return f"has more than {most} characters"
    if any((ord(character) < 32 and character not in "\t\n\r") or ord(character) == 127 for character in text):
        return "holds control characters"
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        return "is not valid Unicode"
    return ""


class _Reply:
    """One reply on its way, and what was told so far."""

    known: list[Event] | None = None

    def __init__(
        self,
        said: Said,
        principal: Principal,
        services: Services,
        deadline: Deadline,
        question_limits: Sequence[Limit],
        request_id: str,
    ) -> None:
        settings = services.settings
        self.started = time.perf_counter()
        self.said = said
        self.new = said.messages if said.conversation_id is None else said.messages[-1:]
        self.conversations = services.conversations if said.kept else None
        self.principal = principal
        self.services = services
        self.deadline = deadline
        self.zone = zone(said.timezone, settings)
        self.tools = Tools(
            principal, services, deadline, timezone=self.zone.key, limits=question_limits, request_id=request_id
        )
        self.choosing = Choosing(services.ledger, principal)
        self.models = list(services.chat_models)
        self.entries: list[Entry] = []
        self.events: list[Event] = []
        self.degraded = False
        self.truncated = False
        self.calls = 0
        self.spent = Usage()
        self.nano = 0

    # 1

    def admit(self, limits: Sequence[Limit], trace: Trace) -> None:
        check(self.said, self.services.settings)
        if limits:
            trace.verdicts = self.services.plans.admit(
                limits, self.deadline, without_redis=self.services.settings.chat_without_redis
            )
            admission.require(trace.verdicts)
        self.entries = list(_without_repeats([*self._before(), *self.new]))

    def _before(self) -> list[Message]:
        """What was said before in the conversation that goes on. Raises `not_found` where there is none."""
        if self.said.conversation_id is None:
            return []
        if self.conversations is None:
            raise Problem("invalid_request", fields=[("conversation_id", "is given, but no conversations are kept")])
        turns = self.conversations.latest(self.principal, self.said.conversation_id, MOST_TURNS, self.deadline)
        return [Message(turn.role, turn.content) for turn in turns if turn.content.strip()]

    # 2

    def recall(self) -> None:
        if not self.services.chat_models:
            return
        catalog = self.services.catalogs.current(self.deadline)
        self.system = _system(catalog, datetime.now(self.zone), self.zone.key)
        self.scope = scope(self.principal, catalog)
        first = self.services.chat_models[0]
        self.key = self.services.replies.key(
            first.name, first.model, self.system, [tool.name for tool in schemas()], self._asked(catalog)
        )
        try:
            self.known = self.services.replies.recall(self.scope, self.key, self.deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            self.degraded = True

    def _asked(self, catalog: Catalog) -> list[str]:
        """The messages as they make one chat the same as another: a first one by its template and values."""
        if len(self.entries) == 1:
            try:
                ask = Ask(self.said.messages[-1].content, timezone=self.zone.key)
                return ["question", exact_key(read(ask, catalog, self.services.settings))]
            except Problem:  # too long for a question
                pass
        return [part for one in self.entries if isinstance(one, Message) for part in (one.role, one.content)]

    def replay(self, known: Sequence[Event]) -> Iterator[Event]:
        for event in known:
            match event:
                case Usage():
                    self.spent = event
                case Rows(id, tool, answer):
                    yield self._told(Rows(id, tool, document.again(answer, self.tools.request_id)))
                case _:
                    yield self._told(event)

    # 3

    def speak(self) -> Iterator[Event]:
        for left in reversed(range(self.services.settings.chat_rounds)):
            draft = yield from self._next(may_use_tools=left > 0)
            if draft is None:
                self.deadline.left()
                yield from self.answer()
                return
            if not draft.calls or left == 0:
                self.truncated = draft.stop == "length"
                if draft.calls:
                    raise Problem("reply_cut", "The model asked for more than one reply may take.")
                return
            if draft.stop == "length":
                raise Problem("reply_cut", "The model's reply grew too long.")
            yield from self._use(draft)

    def _next(self, *, may_use_tools: bool) -> Generator[Event, None, Draft | None]:
        """What the first model says that can be asked; the generator returns its `Draft`.

        It returns `None` when none can, and nothing has been told yet. Raises `Problem` when something has.
        """
        while self.models:
            request = self._fitted(self.models[0], may_use_tools=may_use_tools)
            chosen = self.choosing.choose(self.models, partial(ChatModel.worst_cost, request=request), self.deadline)
            if chosen is None:
                break
            model, admitted = chosen
            speech = Speech(model, request)
            try:
                yield from self._listen(speech, others=bool(self.models))
                self.models.insert(0, model)
                return speech.draft
            except PlannerUnavailable as error:
                self.choosing.passed_over.append(error)
                if speech.spoke:
                    raise Problem("reply_cut", f"{error.planner} {error.reason}.") from error
            finally:
                nano = self._count(model, speech)
                charge = Charge(model.name, model.model, speech.ok, speech.tokens, nano)
                self.services.ledger.settle(self.principal, admitted, charge, self.deadline)
        if self.events:
            raise self.choosing.over_budget or self.choosing.none_reached() or Problem("reply_cut")
        return None

    def _fitted(self, model: ChatModel, *, may_use_tools: bool) -> Request:
        request = Request(self.system, tuple(self.entries), schemas(), may_use_tools)
        limit = self.services.settings.chat_window_tokens
        patience = self.deadline.within(COUNT_SECONDS)
        return fit(request, limit, lambda one: model.count(one, patience))

    def _listen(self, speech: Speech, *, others: bool) -> Iterator[Event]:
        """The text of a model's reply, piece by piece."""
        patience = self.deadline.within(self.deadline.left() * (0.5 if others else 1))
        parted = not any(isinstance(event, Text) for event in self.events)
        with closing(speech.pieces(self.deadline, patience)) as pieces:
            for piece in pieces:
                if not piece:
                    yield Beat()
                    continue
                if not parted:
                    yield self._told(Text("\n\n"))
                    parted = True
                yield self._told(Text(piece))

    def _use(self, draft: Draft) -> Iterator[Event]:
        """Run the tools that were asked for, in their order. Their ids are ours, as a model's may be anything."""
        asked = tuple(Call(f"call_{self.calls}_{at}", call.name, call.arguments) for at, call in enumerate(draft.calls))
        self.entries.append(Using(draft.text, asked, self.spent.provider or "", tuple(draft.native)))
        results: list[Result] = []
        for call in asked[:MOST_CALLS]:
            results.append((yield from self._run(call)))
        self.entries.append(Found((*results, *(too_many(call, MOST_CALLS) for call in asked[MOST_CALLS:]))))

    def _run(self, call: Call) -> Generator[Event, None, Result]:
        events = self.tools.use(call)
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            yield self._told(event)

    def answer(self) -> Iterator[Event]:
        """The modest way: the last message is asked as it stands."""
        call = Call("call_0_0", "query", _question(self.said.messages[-1].content))
        refusal: Problem | None = None
        events = self.tools.use(call)
        for event in events:
            yield self._told(event)
            if isinstance(event, Rows):
                yield self._told(Text(sentence.of_answer(event.answer)))
            elif isinstance(event, Tool) and event.problem:
                refusal = event.problem
        if refusal is None:
            return
        if not isinstance(refusal, Unanswerable) and refusal.code not in ("ambiguous", "unsafe", "invalid_request"):
            raise self.choosing.over_budget or refusal
        yield self._told(Text(sentence.of_refusal(refusal)))

    # 4

    def remember(self) -> None:
        """Keep a reply of the first model in the cache, if it is whole and every tool did its part."""
        models = self.services.chat_models
        if self.known is not None or not self.calls or self.degraded or self.truncated or self.tools.failed:
            return
        if self.choosing.passed_over or self.spent.model != models[0].model:
            return
        try:
            kept = [*self.events, Usage(self.spent.provider, self.spent.model)]
            self.services.replies.remember(self.scope, self.key, kept, self.deadline)
        except StoreUnavailable as error:
            telemetry.logger().warning("redis unavailable", reason=str(error))
            self.degraded = True

    # 5

    def tell(self) -> Iterator[Event]:
        yield self.usage()
        conversation_id = self.keep()
        yield Done(
            conversation_id,
            self.content,
            round((time.perf_counter() - self.started) * 1000, 2),
            cached=self.known is not None,
            degraded=self.degraded or self.tools.degraded,
            truncated=self.truncated,
        )

    def keep(self) -> str | None:
        """Add what was said to its conversation, whose id this is; a reply that was told cannot fail any more."""
        if self.conversations is None:
            return None
        from rowcall.chat import conversations

        evidence = [event.document(self.tools.request_id) for event in self.events if isinstance(event, Rows)]
        said = [conversations.Turn(message.role, message.content) for message in self.new]
        turns = [*said, conversations.Turn("assistant", self.content, evidence)]
        kept = self.said.conversation_id
        try:
            for start in range(0, len(turns), conversations.MOST_TURNS):
                some = turns[start : start + conversations.MOST_TURNS]
                kept = self.conversations.append(self.principal, kept, some, self.deadline)
        except Problem as problem:
            telemetry.logger().warning("a reply could not be kept", error=problem.code)
            self.degraded = True
        return kept

    def usage(self) -> Usage:
        spent = self.spent
        return Usage(spent.provider, spent.model, self.calls, spent.tokens, dollars(self.nano))

    @property
    def content(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Text))

    def _told(self, event: Event) -> Event:
        self.events.append(event)
        return event

    def _count(self, model: ChatModel, speech: Speech) -> int:
        """Nano-dollars of one call, none if it was not made."""
        if speech.ok is None:
            return 0
        nano = model.price.cost(speech.tokens)
        self.calls += 1
        self.nano += nano
        self.spent = Usage(model.name, model.model, tokens=self.spent.tokens + speech.tokens)
        return nano


def _question(text: str) -> str:
    return Query(question=text, limit=None).model_dump_json(exclude_none=True)


def _without_repeats(messages: Sequence[Message]) -> Iterator[Message]:
    """Without one that stands right behind the same: it was sent twice. A greeting before the user's first goes too."""
    before: Message | None = None
    for message in messages:
        if message != before and (before or message.role == "user"):
            yield message
            before = message


def _system(catalog: Catalog, now: datetime, timezone: str) -> str:
    lines: list[str] = []
    size = 0
    for number, table in enumerate(catalog.tables.values()):
        line = f"{table.kind} {table.key} ({', '.join(column.name for column in table.columns)})"
        size += len(line)
        if size > CATALOG_CHARACTERS:
            lines.append(f"and {len(catalog.tables) - number} further ones: see list_tables")
            break
        lines.append(line)
    today = f"Today is {now:%A} {now.date()}, in {timezone}."
    held = block("tables", "\n".join(lines))
    return f"{_instructions()}\n{today}\n\nWhat the database holds:\n{held}"


@cache
def _instructions() -> str:
    return (Path(__file__).parent / "instructions.md").read_text()
