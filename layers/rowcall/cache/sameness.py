"""Whether two templates ask for the same, so that one's plan may serve the other with the other's values.

A table of rules, each of which compares one facet of what the templates mean; the first that differs refuses and says
why. It is conservative by construction: what `meaning` does not understand is kept as a word, and words must be equal.
Similarity of vectors is judged after this and can only refuse.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rowcall.cache.meaning import FACETS, Facet, Meaning, read
from rowcall.cache.tokens import raw_words
from rowcall.cache.words import Vocabulary, fold, vocabulary
from rowcall.catalog import Catalog
from rowcall.question import Question

_CAPITALISED = re.compile(r"(?<=[\w,;:)] )[A-Z][\w]+")
"""Not at the beginning of a sentence."""


class Asked(Protocol):
    """A `Question`, or a template that is remembered."""

    @property
    def template(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A template that a plan is remembered for."""

    template: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` names the rule that refused, or is empty; `why` is for a person."""

    same: bool
    rule: str = ""
    why: str = ""


def _alike(one: Facet | str, other: Facet | str) -> bool:
    return one == other


def _together(one: Facet | str, other: Facet | str) -> bool:
    """Whether no verb is going on in one and done in the other; "flights that depart" may be either."""
    forms = [dict(part.rsplit(" ", 1) for part in facet) for facet in (one, other)]
    return all(forms[1].get(verb, form) == form for verb, form in forms[0].items())


@dataclass(frozen=True, slots=True)
class Rule:
    """`facet` must agree. `why` says what differs, of the one asked and the one known."""

    name: str
    facet: Callable[[Meaning], Facet | str]
    why: str
    agree: Callable[[Facet | str, Facet | str], bool] = _alike


RULES = (
    Rule("slots", lambda m: m.slots, "the kinds of values differ: {asked} against {known}"),
    Rule("question", lambda m: m.question, "one asks {asked}, the other {known}"),
    Rule("polarity", lambda m: m.negations, "what is denied differs: {asked} against {known}"),
    Rule("quantifier", lambda m: m.quantifiers, "the quantifiers differ: {asked} against {known}"),
    Rule("comparator", lambda m: m.comparators, "the values are compared otherwise: {asked} against {known}"),
    Rule("superlative", lambda m: m.superlatives, "the ranking differs: {asked} against {known}"),
    Rule("aggregate", lambda m: m.aggregates, "the figures differ: {asked} against {known}"),
    Rule("grouping", lambda m: m.groups, "the grouping differs: {asked} against {known}"),
    Rule("ordering", lambda m: m.ordering, "the order of the rows differs: {asked} against {known}"),
    Rule("terms", lambda m: m.terms, "a word has no counterpart: {asked} against {known}"),
    Rule("subject", lambda m: m.head, "what is asked for differs: {asked} against {known}"),
    Rule("roles", lambda m: m.roles, "who does what to whom differs: {asked} against {known}"),
    Rule("tense", lambda m: m.tenses, "one is done, the other goes on: {asked} against {known}", _together),
)


def compare(asked: Asked, known: Asked, catalog: Catalog) -> Verdict:
    """Whether the plan of `known` answers `asked`. Both were read with `catalog`."""
    if asked.template == known.template:
        return Verdict(True)
    words = vocabulary(catalog)
    one, other = read(asked.template, words), read(known.template, words)
    for rule in RULES:
        mine, theirs = rule.facet(one), rule.facet(other)
        if not rule.agree(mine, theirs):
            why = rule.why.format(asked=_tell(mine, theirs, one), known=_tell(theirs, mine, other))
            return Verdict(False, rule.name, why)
    if name := _missing_name(asked, known, words):
        return Verdict(False, "name", f"“{name}” may be a name, and the other has it not")
    return Verdict(True)


def _missing_name(asked: Asked, known: Asked, words: Vocabulary) -> str:
    """A word that the asker wrote like a name, and that `known` has in no such form: names have no plural and no
    synonyms. Only the one who asks now has written anything, of a remembered template just its folded words are known.
    """
    if not isinstance(asked, Question):
        return ""
    there = set(raw_words(known.template.casefold()))
    taken = [slot.span for slot in asked.slots]
    for match in _CAPITALISED.finditer(asked.text):
        word = match.group().casefold()
        slotted = any(start <= match.start() < end for start, end in taken)
        if not slotted and word not in there and fold(word) not in words.words:
            return match.group()
    return ""


def _tell(mine: Facet | str, theirs: Facet | str, meaning: Meaning) -> str:
    """What `mine` has and `theirs` has not, in the asker's words."""
    if isinstance(mine, str) or isinstance(theirs, str):
        only = [str(mine)]
    elif len(mine) == len(theirs) and Counter(mine) == Counter(theirs):
        only = list(mine)
    else:
        only = list((Counter(mine) - Counter(theirs)).elements())
    told = [" ".join(meaning.said.get(part, part.strip("<>@_")) for part in one.split(" ") if part) for one in only]
    return "“" + "”, “".join(told) + "”" if any(told) else "nothing"


assert len(RULES) == len(FACETS)  # noqa: S101  a facet without a rule would let two meanings pass for one
