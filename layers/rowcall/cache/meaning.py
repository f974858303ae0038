"""What a template asks for, as facets that are equal when two templates ask for the same.

This is no grammar of English. Words that say nothing are dropped, those that turn a meaning (comparators,
superlatives, negations …) become facets of their own, and every other word stays as it is and where it is: what is not
understood is kept, and so tells two templates apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Literal

from rowcall.cache import words
from rowcall.cache.words import Sense, Vocabulary, fold, is_participle, is_plural, lexicon, word_set

_TOKEN = re.compile(
    r"\{(?:count|number|money|percent|text|date|period|year|entity)(?::[^{}]*)?\}"
    r"|[^\W_]+(?:['’][^\W_]+)*|[<>!=]=|<>|[^\w\s]|_+"
)
_CONTRACTED = ("'s", "'re", "'ve", "'ll", "'d", "'m")
_SILENT = frozenset(".?!:;\"'`“”‘’()[]-–—…$€£#*,/")
_COMPARATORS = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "around", "between", "before", "after", "since", "until"})
_AGGREGATES = frozenset(
    {"count", "distinct", "average", "median", "deviation", "variance", "sum", "percent", "share", "ratio", "much"}
)
_QUANTIFIERS = frozenset({"all", "only", "both", "or", "neither"})
_DIRECTIONS = {
    "ascending": "asc",
    "descending": "desc",
    "alphabetical": "a-z",
    "newest": "time desc",
    "oldest": "time asc",
}
_TIMES = ("{period", "{date", "{year")
_VALUES = ("{number", "{money", "{percent", "{text")


@dataclass(slots=True)
class Token:
    """`key` is a slot's type, a term's concept, a mark's name, or the word of a gap; `measure` what an adjective
    measures. Once `used` it belongs to a facet and has no place of its own any more."""

    kind: Literal["slot", "term", "mark", "gap", "superlative"]
    key: str
    raw: str
    measure: str = ""
    used: bool = False

    def is_(self, *marks: str) -> bool:
        return self.kind == "mark" and self.key in marks and not self.used


Facet = tuple[str, ...]


@dataclass(frozen=True)
class Meaning:
    """Every field but `said` is a facet: equal in two questions that ask for the same. `said` explains them."""

    slots: Facet
    question: str
    negations: Facet
    quantifiers: Facet
    comparators: Facet
    superlatives: Facet
    aggregates: Facet
    groups: Facet
    ordering: Facet
    terms: Facet
    head: str
    roles: Facet
    said: dict[str, str] = field(compare=False, hash=False, repr=False)


FACETS = tuple(one.name for one in fields(Meaning) if one.compare)


def read(template: str, vocabulary: Vocabulary) -> Meaning:
    """The meaning of a template; read once for each catalog, as long as it is met."""
    kept = vocabulary.meanings
    found: Meaning | None = kept.get(template)
    if found is None:
        if len(kept) >= 4096:
            kept.clear()
        found = kept[template] = _Reading(template, vocabulary).meaning()
    return found


def raw_words(template: str) -> list[str]:
    """The words, marks and slots of a template; contractions are spelled out."""
    found: list[str] = []
    for raw in _TOKEN.findall(template.replace("’", "'").replace("{{", "(").replace("}}", ")")):
        if raw.startswith("{") or "'" not in raw:
            found.append(raw)
        elif raw.endswith("n't"):
            stem = {"can't": "can", "won't": "will", "shan't": "shall"}.get(raw, raw[:-3])
            found += [stem, "not"]
        elif raw.endswith(_CONTRACTED):
            stem, _, ending = raw.rpartition("'")
            found += [stem, "'" + ending]
        else:
            found.append(raw)
    return found


class _Cutting:
    """Cuts a template into tokens: phrases of the catalog first, then those of English, then single words."""

    def __init__(self, template: str, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.tokens: list[Token] = []
        self.question = "list"
        self.raw = [raw for raw in raw_words(template) if raw not in word_set("articles")]
        self.opening: Literal["imperative", "question", ""] = "imperative"
        at = 0
        while at < len(self.raw):
            at = self._next(at)

    def _next(self, at: int) -> int:
        raw = self.raw[at]
        if raw.startswith("{"):
            return self._put(Token("slot", raw, raw), at + 1)
        if name := self._name(at):
            return self._put(Token("term", "_".join(name), " ".join(self.raw[at : at + len(name)])), at + len(name))
        if opened := self._opened(at):
            return opened
        phrase, sense = self._phrase(at)
        if sense and (len(phrase) > 1 or raw not in self.vocabulary.words or sense.kind != "phrases"):
            return self._sense(sense, " ".join(phrase), at + len(phrase))
        return self._word(raw, at + 1)

    def _put(self, token: Token, end: int) -> int:
        self.tokens.append(token)
        if token.kind != "gap":
            self.opening = ""
        return end

    def _name(self, at: int) -> tuple[str, ...]:
        """A name of several words that the catalog has, so long as it stands here."""
        if not self.raw[at][0].isalpha():
            return ()
        for name in self.vocabulary.phrases.get(fold(self.raw[at]), ()):
            if tuple(map(fold, self.raw[at : at + len(name)])) == name:
                return name
        return ()

    def _opened(self, at: int) -> int:
        """The end of words that only open a question, or 0."""
        raw, following = self.raw[at], self.raw[at + 1 : at + 2]
        if not self.opening:
            leads = bool(self.tokens) and (self.tokens[0].is_("per") or self.raw[at - 1] == ",")
            if raw in word_set("hard_imperatives") and leads and raw != self.raw[-1]:
                self.opening = "imperative"
            elif raw in word_set("vacuous") and not any(token.kind in ("term", "slot") for token in self.tokens):
                return at + 1
            else:
                return 0
        if raw in word_set("vacuous") and "not" not in self.raw[at - 1 : at]:
            return at + 1
        if raw in word_set("openers"):
            if following and following[0] in ("do", "does", "did", "can", "could", "should"):
                self.question = raw
            self.opening = "question"
            return at + 1
        if raw == "who" and following and following[0] in ("is", "are", "was", "were", "'s"):
            then = self.raw[at + 2 : at + 3]
            if then and (then[0] in words.english()["superlatives"] or then[0].startswith(("{count", "{number"))):
                self.opening = "question"
                return at + 2
        if at == 0 and raw == "name" and following and following[0] != "of":
            return at + 1
        if self.opening == "imperative":
            phrase = self._listed("imperatives", at)
            if (
                phrase
                and (phrase > 1 or fold(raw) not in self.vocabulary.words or at == 0)
                and at + phrase < len(self.raw)
            ):
                return at + phrase
        return 0

    def _listed(self, name: str, at: int) -> int:
        """How many words from `at` are a phrase of that list."""
        known = word_set(name)
        return next((n for n in (4, 3, 2, 1) if " ".join(self.raw[at : at + n]) in known), 0)

    def _phrase(self, at: int) -> tuple[tuple[str, ...], Sense | None]:
        for phrase, sense in lexicon().get(self.raw[at], ()):
            if tuple(self.raw[at : at + len(phrase)]) == phrase and self._holds(sense, phrase, at):
                return phrase, sense
        return (), None

    def _holds(self, sense: Sense, phrase: tuple[str, ...], at: int) -> bool:
        behind = self.tokens and self.tokens[-1].kind == "slot"
        if sense.kind == "interrogatives":
            return not self.tokens
        if sense.kind == "marks" and sense.value in ("ge", "le") and (phrase[0] in ("or", "and", "+", "upward")):
            return bool(self.tokens) and any(token.kind == "slot" for token in self.tokens[-2:])
        if phrase == ("%",):
            return not behind
        if sense.kind == "marks" and sense.value == "sort" and phrase == ("ordered",):
            return self._is_sorting(at + 1)
        return True

    def _is_sorting(self, at: int) -> bool:
        """Whether what follows "ordered" says how, and not who did it."""
        rest = self.raw[at : at + 2]
        if not rest or rest[0] != "by":
            return bool(rest) and Sense("marks", "alphabetical") == self._phrase(at)[1]
        return len(rest) == 2 and not rest[1].startswith("{") and not self.vocabulary.is_table(self._concept(rest[1]))

    def _sense(self, sense: Sense, raw: str, end: int) -> int:
        vocabulary, value = self.vocabulary, sense.value
        if sense.kind == "idioms":
            if not self.tokens and raw.startswith(
                ("is there", "are there", "do we", "was there", "were there", "do you")
            ):
                self.question = "whether"
            return self._put(Token("gap", raw, raw), end)
        if sense.kind == "interrogatives":
            self.question = value
            return self._put(Token("gap", raw, raw), end)
        if sense.kind == "superlatives":
            end, value, raw = self._graded(value, raw, end)
            return self._put(Token("superlative", value[0], raw, self._measure(value[1:])), end)
        if sense.kind == "comparatives":
            mark, _, measure = value.partition(" ")
            return self._put(Token("mark", mark, raw, self._measure(measure)), end)
        if sense.kind == "calendar":
            self._put(Token("mark", "per", raw), end)
            return self._put(Token("term", vocabulary.concept(fold(value)), raw), end)
        if sense.kind == "phrases":
            concept = " ".join(map(fold, value.split())) if " " in value else vocabulary.concept(fold(value))
            return self._put(Token("term", concept, raw), end)
        if value in ("gt", "lt") and raw in ("more", "less"):
            return self._compared(value, raw, end)
        return self._put(Token("mark", value, raw), end)

    def _graded(self, value: str, raw: str, end: int) -> tuple[int, str, str]:
        """ "most expensive" and "least expensive" are one superlative each."""
        graded = words.english()["graded"].get(self.raw[end] if end < len(self.raw) else "")
        if raw not in ("most", "least") or not graded:
            return end, value, raw
        sign = "+" if graded[0] == value else "-"
        return end + 1, sign + graded[1:], f"{raw} {self.raw[end]}"

    def _compared(self, value: str, raw: str, end: int) -> int:
        """ "more expensive" and "less recent" are one comparator each."""
        graded = words.english()["graded"].get(self.raw[end] if end < len(self.raw) else "")
        if not graded or not graded[1:]:
            return self._put(Token("mark", value, raw), end)
        up = (value == "gt") == (graded[0] == "+")
        mark = ("after" if up else "before") if graded[1:] == "time" else ("gt" if up else "lt")
        measure = "" if graded[1:] == "time" else self._measure(graded[1:])
        return self._put(Token("mark", mark, f"{raw} {self.raw[end]}", measure), end + 1)

    def _measure(self, name: str) -> str:
        return f"@{name}" if name in ("", "time", "size") else self._concept(name)

    def _word(self, raw: str, end: int) -> int:
        if raw in _SILENT:
            return self._put(Token("gap", "," if raw == "," else "'s" if raw == "'" else raw, raw), end)
        if not self.tokens and raw in ("is", "are", "was", "were", "do", "does", "did", "has", "have"):
            self.question = "whether" if self.opening != "question" else self.question
            return self._put(Token("gap", raw, raw), end)
        if raw in word_set("gaps") and raw not in word_set("kept"):
            return self._put(Token("gap", raw, raw), end)
        if raw.startswith("un") and is_participle(raw[2:]) and fold(raw) not in self.vocabulary.words:
            self._put(Token("mark", "not", raw), end)
            raw = raw[2:]
        folded = fold(raw)
        if folded in words.fold_set("light") and folded not in self.vocabulary.words:
            return self._put(Token("gap", raw, raw), end)
        return self._put(Token("term", self._concept(raw), raw), end)

    def _concept(self, raw: str) -> str:
        return self.vocabulary.concept(fold(raw))


class _Reading:
    """Takes the facets out of the tokens, one after the other; what is left over are the roles."""

    def __init__(self, template: str, vocabulary: Vocabulary) -> None:
        cut = _Cutting(template, vocabulary)
        self.vocabulary = vocabulary
        self.question = cut.question
        self.tokens = cut.tokens
        self.slots = [at for at, token in enumerate(self.tokens) if token.kind == "slot"]
        self.said: dict[str, str] = {}
        for token in self.tokens:
            self.said.setdefault(token.key, token.raw)

    def meaning(self) -> Meaning:
        comparators = self._comparators()
        negations = self._negations()
        self._agents()
        ordering = self._ordering()
        superlatives = self._superlatives()
        groups = self._groups()
        aggregates = self._aggregates()
        head = self._head()
        quantifiers = sorted(token.key for token in self.tokens if token.is_(*_QUANTIFIERS))
        roles = self._roles(head)
        terms = sorted(token.key for token in self.tokens if token.kind == "term" and not token.used)
        number = self._number(head) if superlatives else ""
        return Meaning(
            slots=tuple(self.tokens[at].key for at in self.slots),
            question=self.question,
            negations=tuple(negations),
            quantifiers=tuple(quantifiers),
            comparators=tuple(comparators),
            superlatives=tuple(sorted(f"{one}{number}" for one in superlatives)),
            aggregates=tuple(sorted(aggregates)),
            groups=tuple(sorted(groups)),
            ordering=tuple(ordering),
            terms=tuple(terms),
            head=self.tokens[head].key if head is not None else "",
            roles=tuple(roles),
            said=self.said,
        )

    def _marks(self, *names: str) -> Iterator[int]:
        return (at for at, token in enumerate(self.tokens) if token.is_(*names))

    def _run(self, at: int, through: tuple[str, ...] = ()) -> list[int]:
        """Terms that stand together from `at` on; a value among them, such as "pending", does not part them."""
        found: list[int] = []
        for position in range(at, len(self.tokens)):
            token = self.tokens[position]
            if token.kind == "term" and not token.used:
                if found and is_participle(token.raw) and not self._noun_follows(position):
                    break
                found.append(position)
            elif not (token.key.startswith("{entity") or (token.kind == "gap" and token.key in through)):
                break
        return found

    def _noun_follows(self, at: int) -> bool:
        return at + 1 < len(self.tokens) and self.tokens[at + 1].kind == "term"

    def _use(self, positions: list[int]) -> Facet:
        for at in positions:
            self.tokens[at].used = True
        return tuple(self.tokens[at].key for at in positions)

    def _comparators(self) -> list[str]:
        """For each slot the comparator that governs it."""
        found: dict[int, str] = {}
        pending: int | None = None
        for at, token in enumerate(self.tokens):
            if token.is_(*_COMPARATORS) or token.is_("from", "by", "onward", "to"):
                before = [slot for slot in self.slots if slot < at]
                if token.key in ("ge", "le") and token.raw[:3] in ("or ", "and", "+", "upw") and before:
                    found[before[-1]] = token.key
                    token.used = True
                elif token.key == "onward" and before and found.get(before[-1], "") in ("", "from"):
                    found[before[-1]] = "since"
                    token.used = True
                elif (
                    token.key in ("to", "until") and before and at == before[-1] + 1 and self._is_range(before[-1], at)
                ):
                    found[before[-1]] = "between"
                    pending = at
                    token.key = "between"
                else:
                    pending = at
            elif token.kind == "slot" and pending is not None:
                self._govern(found, pending, at)
                opening = self.tokens[pending]
                first = opening.key == "between" and "between" not in [found.get(s) for s in self.slots if s < at]
                pending = pending if first else None
        return [found.get(slot, "").removeprefix("from") for slot in self.slots]

    def _is_range(self, slot: int, at: int) -> bool:
        following = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        opened = slot > 0 and self.tokens[slot - 1].is_("from", "between", "since")
        return opened and following is not None and following.kind == "slot" and following.key == self.tokens[slot].key

    def _govern(self, found: dict[int, str], pending: int, slot: int) -> None:
        mark, is_time = self.tokens[pending], self.tokens[slot].key.startswith(_TIMES)
        if mark.key in ("from", "by", "onward", "to"):
            if is_time and slot == pending + 1 and mark.key in ("from", "by"):
                mark.used = True
                found[slot] = {"from": "from", "by": "until"}[mark.key]
            return
        if mark.key == "between" and mark.used:
            found[slot] = "between"
            for token in self.tokens[pending:slot]:
                if token.is_("and", "to", "until") or token.key == "-":
                    token.used = True
            return
        gone = is_time and mark.key in ("gt", "around") and mark.raw in ("over", "about", "around")
        found[slot] = "" if gone else mark.key
        mark.used = True
        for token in self.tokens[pending:slot]:
            if token.is_("than"):
                token.used = True
        if mark.measure:
            mark.kind, mark.key, mark.used = "term", mark.measure, False

    def _negations(self) -> list[str]:
        """What each negation denies: the next term or slot."""
        found = []
        for at in self._marks("not"):
            scope = next((p for p in range(at + 1, len(self.tokens)) if self.tokens[p].kind in ("term", "slot")), None)
            if scope is None:
                found.append("")
            elif self.tokens[scope].kind == "slot":
                found.append(f"#{self.slots.index(scope)}")
            else:
                found.append(self.tokens[scope].key)
            self.tokens[at].used = True
        return sorted(found)

    def _agents(self) -> None:
        """ "bought by customers" becomes "customers bought": who does it stands before what is done."""
        for by in list(self._marks("by")):
            if not by or by + 1 >= len(self.tokens):
                continue
            done, agent = self.tokens[by - 1], self.tokens[by + 1]
            if not is_participle(done.raw) or done.used or done.kind not in ("term", "gap"):
                continue
            who = self._run(by + 1)
            if not who and agent.kind != "slot":
                continue
            if (
                agent.kind == "term"
                and not is_plural(agent.raw)
                and not self._is_slot(who[-1] + 1)
                and self._is_total()
            ):
                continue
            self.tokens[by].used = True
            if done.kind == "term":
                end = who[0] + 1 if who else by + 2
                self.tokens[by - 1 : end] = [*self.tokens[by:end], done]
                self.slots = [at for at, token in enumerate(self.tokens) if token.kind == "slot"]

    def _is_slot(self, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].kind == "slot"

    def _is_total(self) -> bool:
        """Whether figures are asked for, so that "by" says how they are grouped."""
        return any(
            token.is_(*_AGGREGATES) or (token.kind == "term" and self._is_flow(token.key)) for token in self.tokens
        )

    def _is_flow(self, concept: str) -> bool:
        return concept in {self.vocabulary.concept(flow) for flow in words.fold_set("flows")}

    def _measured(self, at: int) -> tuple[list[int], list[int]]:
        """The aggregates and the terms of a measure that starts at `at`: "total number of orders"."""
        marks: list[int] = []
        while at < len(self.tokens) and (self.tokens[at].is_(*_AGGREGATES) or self.tokens[at].key == "of"):
            if self.tokens[at].kind == "mark":
                marks.append(at)
            at += 1
        terms = self._run(at)
        behind = terms[-1] + 1 if terms else len(self.tokens)
        if behind < len(self.tokens) and self.tokens[behind].is_("count"):
            marks.append(behind)
        return marks, terms

    def _figure(self, marks: list[int], terms: list[int], counted: bool = False) -> str:
        """A measure as text; uses what it is made of. Things are counted where no other aggregate is named."""
        names = [self.tokens[at].key for at in marks]
        concepts = [self.tokens[at].key for at in terms]
        last = self.tokens[terms[-1]] if terms else None
        if last and "sum" in names and self.vocabulary.is_table(last.key) and not self._is_flow(last.key):
            names = [name for name in names if name != "sum"] + ["count"]
        elif last and "sum" in names and (self._is_flow(last.key) or "count" in names):
            names.remove("sum")
        elif last and counted and not names and not self._is_flow(last.key):
            plural = is_plural(last.raw) and not self.vocabulary.is_name(last.key)
            if self.vocabulary.is_table(last.key) or plural:
                names.append("count")
        self._use(marks)
        self._use(terms)
        return " ".join([*sorted(set(names)), *sorted(concepts)])

    def _ordering(self) -> list[str]:
        found: list[str] = []
        for at in list(self._marks("sort")):
            sort = self.tokens[at]
            by = next((p for p in self._marks("by") if 0 < p - at < 8), None)
            start = at + 1 if sort.raw.endswith("of") else by + 1 if by is not None else None
            if start is None and sort.raw in ("order by",):
                start = at + 1
            if start is not None:
                found.append(self._figure(*self._measured(start), counted=True))
                if by is not None:
                    self.tokens[by].used = True
            else:
                found.append("")
            sort.used = True
        found += [_DIRECTIONS[self.tokens[at].key] for at in self._marks(*_DIRECTIONS)]
        for at in list(self._marks(*_DIRECTIONS)):
            self.tokens[at].used = True
        return found

    def _superlatives(self) -> list[str]:
        found = []
        for at, token in enumerate(self.tokens):
            if token.kind == "superlative" and not token.used:
                token.used = True
                found.append(token.key + self._ranked(at, token))
        return found

    def _ranked(self, at: int, token: Token) -> str:
        """By what a superlative ranks: what its adjective measures, else the terms that it governs."""
        implied = token.measure if token.measure not in ("@", "@size") else ""
        start = at + 1
        while start < len(self.tokens) and self.tokens[start].key.startswith(("{count", "{number")):
            start += 1
        marks, terms = self._measured(start)
        if terms and implied and self.tokens[terms[-1]].key == implied and not marks:
            implied = ""
        if implied:
            return implied
        by = next((p for p in self._marks("by") if p > at and (self._run(p + 1) or self._measured(p + 1)[0])), None)
        if by is not None and not any(self.tokens[p].kind == "superlative" for p in range(at + 1, by)):
            self.tokens[by].used = True
            return self._figure(*self._measured(by + 1), counted=True)
        if marks:
            return self._figure(marks, terms)
        earlier = [p for p, before in enumerate(self.tokens[:at]) if before.kind == "term" and not before.used]
        if not terms:
            return self._figure([], earlier[-1:]) if earlier else token.raw
        if earlier:
            return self._figure([], terms, counted=token.raw in ("most", "least", "fewest"))
        head = self.tokens[terms[-1]]
        if len(terms) > 1 and (self.vocabulary.is_table(head.key) or not self.vocabulary.is_name(head.key)):
            return self._figure([], terms[:-1])
        if self.vocabulary.is_table(head.key):
            return token.measure if token.measure == "@size" else token.raw
        return head.key

    def _groups(self) -> list[str]:
        found = []
        for at in list(self._marks("per")):
            terms = self._run(at + 1)
            if self.tokens[at].raw in words.english()["calendar"]:
                terms = terms[:1]
            if terms:
                self.tokens[at].used = True
                if at and self.tokens[at - 1].is_("by"):
                    self.tokens[at - 1].used = True
                found.append(" ".join(sorted(self._use(terms))))
        for at in list(self._marks("by")):
            terms = self._run(at + 1)
            if terms and self._is_total():
                self.tokens[at].used = True
                found.append(" ".join(sorted(self._use(terms))))
                following = terms[-1] + 1
                while following + 1 < len(self.tokens) and self.tokens[following].is_("and"):
                    more = self._run(following + 1)
                    if not more:
                        break
                    self.tokens[following].used = True
                    found.append(" ".join(sorted(self._use(more))))
                    following = more[-1] + 1
        return found

    def _aggregates(self) -> list[str]:
        found = []
        marks = list(self._marks(*_AGGREGATES))
        while marks:
            together, terms = self._measured(marks[0])
            if marks[0] not in together:
                together = [marks[0]]
            if not terms and marks[0]:
                terms = [p for p in range(marks[0]) if self.tokens[p].kind == "term" and not self.tokens[p].used][-1:]
            names = {self.tokens[at].key for at in together}
            target = self.tokens[terms[-1]] if terms else None
            self._use(together)
            if "much" in names:
                names.discard("much")
                flows = [t.key for t in self.tokens if t.kind == "term" and self._is_flow(t.key)]
                names.add("sum" if flows else "much")
                target = None
                if flows:
                    names.discard("sum")
            if target and "sum" in names:
                if self._is_flow(target.key) or "count" in names:
                    names.discard("sum")
                elif self.vocabulary.is_table(target.key):
                    names.symmetric_difference_update({"sum", "count"})
            found += [f"{name} {target.key if target else ''}" for name in sorted(names)]
            marks = list(self._marks(*_AGGREGATES))
        counted = {one.partition(" ")[2] for one in found if one.startswith("count ")}
        return [
            one for one in dict.fromkeys(found) if not (one.startswith("sum ") and one.partition(" ")[2] in counted)
        ]

    def _head(self) -> int | None:
        """What is asked for: the last noun of the first terms that stand together."""
        first = next((at for at, token in enumerate(self.tokens) if token.kind == "term" and not token.used), None)
        if first is None:
            return None
        run = self._run(first, through=("'s",))
        named = [at for at in run if self.vocabulary.is_name(self.tokens[at].key)]
        return (named or [at for at in run if not is_participle(self.tokens[at].raw)] or run)[-1]

    def _number(self, head: int | None) -> str:
        """Whether one or many are asked for, where no count says how many."""
        if any(self.tokens[at].key.startswith("{count") for at in self.slots):
            return " of n"
        return "" if head is None or not is_plural(self.tokens[head].raw) else " of many"

    def _roles(self, head: int | None) -> list[str]:
        """Who does what to whom: what is left, in order, without what may stand anywhere."""
        self._settle()
        keys = [token.key for token in self.tokens if token.kind == "term" and not token.used]
        repeated = len(set(keys)) < len(keys)
        kinds = [self.tokens[at].key for at in self.slots]
        done = sum(token.kind == "term" and not token.used and is_participle(token.raw) for token in self.tokens)
        found: list[str] = []
        place = {id(self.tokens[at]): n for n, at in enumerate(self.slots)}
        skip = id(self.tokens[head]) if head is not None else 0
        direct = self.vocabulary.directional or any(True for _ in self._marks("to"))
        for token in self.tokens:
            if token.used or id(token) == skip:
                continue
            if token.kind == "term":
                found.append(token.key)
            elif token.kind == "mark" and not (token.key == "from" and not direct):
                found.append(f"<{token.key}>")
            elif token.kind == "slot":
                slot = place[id(token)]
                if not self._is_free(token.key, kinds, repeated, done):
                    found.append(f"#{slot}")
        return found

    def _is_free(self, kind: str, kinds: list[str], repeated: bool, done: int) -> bool:
        """Whether a slot means the same wherever it stands."""
        if kind.startswith("{count"):
            return True
        if kind.startswith(_TIMES):
            return done < 2 and sum(other.startswith(_TIMES) for other in kinds) == 1
        if kind.startswith("{entity"):
            return not repeated and "|" not in kind and kinds.count(kind) == 1
        return False

    def _settle(self) -> None:
        """ "more than {number} orders" and "orders over {number}": a value stands behind what it is a value of."""
        for at, (token, following) in enumerate(pairwise(list(self.tokens))):
            if token.kind == "slot" and token.key.startswith(_VALUES) and following.kind == "term":
                run = self._run(at + 1)
                if run:
                    self.tokens[at : run[-1] + 1] = [*self.tokens[at + 1 : run[-1] + 1], token]
        self.slots = [at for at, token in enumerate(self.tokens) if token.kind == "slot"]
