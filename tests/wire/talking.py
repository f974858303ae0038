"""How the tests of chat talk: what is said goes in, the events of the reply come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from local.llm_stub import Recorded, Says
from rowcall.auth import LOCAL, Principal
from rowcall.bootstrap import Services
from rowcall.chat import Beat, Event, Failed, Message, Text, Tool
from rowcall.chat.converse import Said, converse
from rowcall.deadline import Deadline
from rowcall.trace import Trace

E = TypeVar("E", bound=Event)

PLANNERS = {"PLANNERS": "grammar,anthropic,openai"}
"""The grammar plans, so that every call of a model is chat's."""

ASKS = Says(text="Let me look.", tools=[("query", {"question": "top 5 products by revenue"})])
TELLS = Says(text="The Aurora lamp leads.")


def talk(
    services: Services,
    *said: str | Message,
    principal: Principal = LOCAL,
    seconds: float = 20.0,
    request_id: str = "request-1",
) -> list[Event]:
    """All events of a reply but the beats."""
    messages = [Message("user", one) if isinstance(one, str) else one for one in said]
    events = converse(
        Said(messages), principal, services, Deadline.after(seconds), trace=Trace(), request_id=request_id
    )
    return [event for event in events if not isinstance(event, Beat)]


def of(kind: type[E], events: Sequence[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def prose(events: Sequence[Event]) -> str:
    return "".join(event.text for event in of(Text, events))


def states(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.tool, event.state) for event in of(Tool, events)]


def failure(events: Sequence[Event]) -> str:
    """The code that a reply ended with."""
    last = events[-1]
    assert isinstance(last, Failed), last
    return last.problem.code


def results(request: Recorded) -> str:
    """The results of tools in what Claude was sent, as one text."""
    blocks = [
        block
        for message in request.body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    return "\n".join(str(block["content"]) for block in blocks if block["type"] == "tool_result")
