"""Fits a chat into a model's window: whole turns leave, the oldest first, and a summary of them stays.

A turn is a message of the user and all that follows until the next one, so a tool's call and its result are never
parted. The system prompt and the last turn always stay; of a last turn that is too long itself, results of earlier
rounds shrink to their few words. The summary is ours and costs no call of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from rowcall.chat import Message
from rowcall.chat.models import Entry, Found, Request, entry_tokens
from rowcall.planners.prompt import block

BYTES_A_TOKEN = 2
"""Where nobody counts exactly; English and JSON have some three to four, other scripts two to three."""

SUMMARY_CHARACTERS, ASKED_CHARACTERS = 2_000, 160

Count = Callable[[Request], int | None]


def fit(request: Request, limit: int, count: Count) -> Request:
    """`request` with at most `limit` tokens, by `count` where it knows them and else by an estimate on the safe side.

    `count` takes a request of its own, so it is asked only where the estimate does not fit. What cannot be made to fit
    is as short as it gets.
    """
    estimated = request.most_tokens // BYTES_A_TOKEN
    if estimated <= limit:
        return request
    known = count(request)
    size = known if known is not None else estimated
    if size <= limit:
        return request
    scale = size / request.most_tokens
    fitted = _shrink(request, limit / scale)
    if known is not None:  # text is not all alike: what is left may be denser than the whole was
        for _ in range(3):
            exact = count(fitted)
            if exact is None or exact <= limit:
                break
            fitted = _shrink(request, fitted.most_tokens * 0.9 * limit / exact)
    return fitted


def _shrink(request: Request, limit: float) -> Request:
    """With at most `limit` of `most_tokens`."""
    *old, last = turns(request.entries)
    left = limit - replace(request, entries=()).most_tokens - sum(map(entry_tokens, last)) - SUMMARY_CHARACTERS
    kept: list[list[Entry]] = []
    while old and (size := sum(map(entry_tokens, old[-1]))) <= left:
        left -= size
        kept.insert(0, old.pop())
    if left < 0:
        last = _brief(last, -left)
    summary = [_summary(old)] if old else []
    return replace(request, entries=(*summary, *(entry for turn in kept for entry in turn), *last))


def turns(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Each from a user's message to before the next; what stands before the first one is a turn too."""
    found: list[list[Entry]] = []
    for entry in entries:
        if not found or (isinstance(entry, Message) and entry.role == "user"):
            found.append([])
        found[-1].append(entry)
    return found


def _brief(turn: Sequence[Entry], excess: float) -> list[Entry]:
    """The results of earlier rounds in a few words each, from the first on, until `excess` is gone."""
    shrunk = list(turn)
    for at, entry in enumerate(turn[:-1]):
        if isinstance(entry, Found) and excess > 0:
            brief = Found(tuple(replace(one, content=block("left out", one.brief)) for one in entry.results))
            shrunk[at] = brief
            excess -= entry_tokens(entry) - entry_tokens(brief)
    return shrunk


def _summary(dropped: Sequence[Sequence[Entry]]) -> Message:
    """The latest of what was dropped, as far as there is room; what others wrote stands in it as data."""
    lines: list[str] = []
    room = SUMMARY_CHARACTERS - 300
    for told, turn in enumerate(reversed(dropped)):
        line = "; ".join(_told(turn))
        if len(line) > room:
            lines.insert(0, f"- and {len(dropped) - told} turns before")
            break
        room -= len(line) + 3
        lines.insert(0, f"- {line}")
    head = "Earlier turns of this conversation are left out for their length. In short:"
    return Message("user", head + "\n" + block("earlier", "\n".join(lines)))


def _told(turn: Sequence[Entry]) -> Iterator[str]:
    for entry in turn:
        match entry:
            case Message("user", content):
                yield f"the user said {_cut(content)!r}"
            case Found(results):
                yield from (result.brief for result in results)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= ASKED_CHARACTERS else line[:ASKED_CHARACTERS] + "…"
