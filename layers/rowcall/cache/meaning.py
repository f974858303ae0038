"""What a template asks for, as facets that are equal when two templates ask for the same.

This is no grammar of English. Words that say nothing are dropped, those that turn a meaning (comparators,
superlatives, negations …) become facets of their own, and every other word stays what and where it is: what is not
understood is kept, and so tells two templates apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from rowcall.cache.arrangement import TIMES, Arrangement
from rowcall.cache.tokens import AGGREGATES, Token
from rowcall.cache.words import Vocabulary, english, is_participle, is_plural

_COMPARATORS = ("is", "gt", "ge", "lt", "le", "eq", "ne", "around", "between", "before", "after", "since", "until")
_QUANTIFIERS = ("all", "only", "both", "or", "neither")
_DIRECTIONS = {
    "ascending": "asc", "descending": "desc", "alphabetical": "a-z", "newest": "time desc", "oldest": "time asc"
}  # fmt: skip
_SPREAD = ("sum", "average", "median", "deviation", "variance")
_MEASURED = ("{number", "{count")
_KEPT_MEANINGS = 4096

Facet = tuple[str, ...]


@dataclass(frozen=True)
class Meaning:
    """Every field but `said` is a facet: alike in two templates that ask for the same. `said` explains them.

    `tenses` tell "expired" from "expiring"; a form that is neither agrees with both.
    """

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
    tenses: Facet
    said: dict[str, str] = field(compare=False, hash=False, repr=False)


FACETS = tuple(one.name for one in fields(Meaning) if one.compare)


def read(template: str, vocabulary: Vocabulary) -> Meaning:
    """The meaning of a template; kept with the catalog's words, as a remembered one is met again and again."""
    kept = vocabulary.meanings
    found: Meaning | None = kept.get(template)
    if found is None:
        if len(kept) >= _KEPT_MEANINGS:
            kept.clear()
        found = kept[template] = _Reading(template, vocabulary).meaning()
    return found


class _Reading(Arrangement):
    """Each step takes its tokens out and leaves a gap; what is left at the end are the roles."""

    def __init__(self, template: str, vocabulary: Vocabulary) -> None:
        super().__init__(template, vocabulary)
        self.rated = not self.opened and self._is_rated()
        self.said = {token.key: token.raw for token in reversed(self.tokens)}

    def meaning(self) -> Meaning:
        self.drop_redundant()
        self.turn_owners()
        units = self._units()
        comparators = self._comparators()
        negations = self._negations()
        self.denies = bool(negations)
        self.turn_agents()
        ordering = self._ordering()
        superlatives = self._superlatives()
        groups = self._groups()
        aggregates = self._aggregates(grouped=bool(groups))
        head = self._head()
        if not aggregates and not superlatives and head and self.rated and self.vocabulary.is_table(head.key):
            aggregates = [f"count {head.key}"]
        number = self._number(head)
        quantifiers = self._quantifiers()
        terms, tenses = self._terms(), self._tenses()
        return Meaning(
            slots=tuple(token.raw for token in self.slots),
            question=self.question,
            negations=tuple(sorted(negations)),
            quantifiers=tuple(sorted(quantifiers)),
            comparators=tuple(f"{one} {unit}".strip() for one, unit in zip(comparators, units, strict=True)),
            superlatives=tuple(one + number for one in superlatives),
            aggregates=tuple(sorted(aggregates)),
            groups=tuple(groups),
            ordering=tuple(ordering),
            terms=tuple(terms),
            head=head.key if head else "",
            roles=tuple(self._roles(head)),
            tenses=tuple(tenses),
            said=self.said,
        )

    def _is_rated(self) -> bool:
        """Whether the template is like "orders per day" or "daily orders", which asks for their number."""
        calendar = english()["calendar"]
        per = next((at for at, token in enumerate(self.tokens) if token.is_("per")), None)
        if per == 0:
            return self.tokens[0].raw in calendar and self.token(2).kind == "term"
        plain = per is not None and (self.tokens[per].raw == "per" or self.tokens[per].raw in calendar)
        return plain and all(token.kind == "term" for token in self.tokens[:per])

    def _measured(self, at: int) -> tuple[list[Token], list[Token]]:
        """The aggregates and the terms of a measure that starts at `at`: "total number of orders"."""
        marks: list[Token] = []
        while self.token(at).is_(*AGGREGATES) or (marks and self.token(at).key == "of"):
            marks += [self.tokens[at]] if self.tokens[at].kind == "mark" else []
            at += 1
        terms = self.run(at)
        behind = self.token(self.tokens.index(terms[-1]) + 1) if terms else None
        if behind and behind.is_("count"):
            marks.append(behind)
        return marks, terms

    def _figure(self, marks: list[Token], terms: list[Token], counted: bool = False) -> str:
        """A measure as text; uses what it is made of."""
        names = self._named({mark.key for mark in marks}, terms[-1] if terms else None)
        if counted and terms and not names:
            last = terms[-1]
            plural = is_plural(last.raw) and not self.vocabulary.is_name(last.key) and last.key not in self.flows
            if self.vocabulary.is_table(last.key) or plural:
                names.add("count")
        for token in marks:
            token.use()
        return " ".join([*sorted(names), *sorted(token.use() for token in terms)])

    def _named(self, names: set[str], target: Token | None, listed: bool = False) -> set[str]:
        """Aggregates of `target`: the total of things is their number, and revenue is a total as it is.

        Where rows are `listed`, a column of that name is not.
        """
        if target is None:
            return names
        table = self.vocabulary.is_table(target.key) and target.raw not in english()["flows"]
        counted = table and self.vocabulary.is_counted(target.key)
        total = target.key in self.flows and not table and not (listed and self.vocabulary.is_name(target.key))
        if "sum" in names and (counted or total or "count" in names):
            names = names - {"sum"} | ({"count"} if counted else set())
        if "count" in names and not names.isdisjoint(_SPREAD) and not table and self.vocabulary.is_name(target.key):
            names = names - {"count"}
        return names

    def _units(self) -> list[str]:
        """For each slot the unit that follows it."""
        found = ["" for _ in self.slots]
        for token, following in zip(self.tokens, self.tokens[1:], strict=False):
            unit = english()["units"].get(following.raw) if following.kind in ("term", "gap") else None
            if unit and token.raw.startswith(_MEASURED) and following.raw not in self.vocabulary.columns:
                found[token.slot] = unit
                following.use()
        for years, old in zip(self.tokens, self.tokens[1:], strict=False):
            if years.key == "" and years.raw.startswith("year") and old.raw == "old":
                found = ["" if unit == "year" else unit for unit in found]
                old.key = self.vocabulary.measure("age")
        return found

    def _comparators(self) -> list[str]:
        """For each slot the comparator that governs it."""
        found = ["" for _ in self.slots]
        pending: int | None = None
        for at, token in enumerate(self.tokens):
            before = next((one for one in reversed(self.tokens[:at]) if one.kind == "slot"), None)
            if token.is_("ge", "le") and before and token.raw.startswith(("or ", "and ", "+", "upward")):
                found[before.slot] = token.use()
            elif before and found[before.slot] in ("", "in") and self._goes_on(at, token):
                found[before.slot] = "since"
                token.use()
            elif token.is_("to", "until") and before is self.token(at - 1) and self._closes(at):
                found[before.slot] = found[self.tokens[at + 1].slot] = "between"
                token.use()
                pending = None
            elif token.is_(*_COMPARATORS, "from", "by"):
                pending = at
            elif token.kind == "slot" and pending is not None and not found[token.slot]:
                pending = self._govern(found, pending, at)
        return ["" if one == "in" else one for one in found]

    def _goes_on(self, at: int, token: Token) -> bool:
        """Whether "onwards", or "on" with nothing behind it, opens the period before it."""
        ends = token.key == "on" and self.token(at - 1).raw.startswith(TIMES) and self.token(at + 1).kind == "gap"
        return token.is_("onward") or (ends and token.kind == "gap")

    def _closes(self, at: int) -> bool:
        """Whether "to" at `at` closes a range that "from" has opened, of two values of one kind."""
        low, high, opening = self.token(at - 1), self.token(at + 1), self.token(at - 2)
        quantities = all(one.raw.startswith(("{number", "{money", "{percent")) for one in (low, high))
        ranged = high.kind == "slot" and (quantities or (high.raw == low.raw and low.raw.startswith(TIMES)))
        return ranged and (opening.key in ("", "from", "between", "since") or low.raw.startswith(TIMES))

    def _govern(self, found: list[str], at: int, slot: int) -> int | None:
        """Let the mark at `at` govern the slot; returns `at` where it governs another one, too."""
        mark, value = self.tokens[at], self.tokens[slot]
        timed = value.raw.startswith(TIMES)
        if mark.key in ("from", "by"):
            if timed and slot == at + 1:
                found[value.slot] = "in" if mark.use() == "from" else "until"
            return None
        found[value.slot] = mark.key if mark.key != "is" else ""
        for token in self.tokens[at + 1 : slot]:
            if token.is_("than"):
                token.use()
        if mark.key == "between":
            following = self.token(slot + 1)
            other = self.token(slot + 2)
            if following.is_("and", "to", "until") and other.kind == "slot":
                found[other.slot] = "between"
                following.use()
        if value.raw.startswith("{money") and self.vocabulary.price:
            self._price_is_plain(mark, at)
        if mark.measure:
            mark.kind, mark.key, mark.apart = "term", mark.measure, True
        else:
            mark.use()
        return None

    def _price_is_plain(self, mark: Token, at: int) -> None:
        """ "products priced under {money}" says no more than "products under {money}"."""
        if mark.measure == self.vocabulary.price:
            mark.measure = ""
        terms = [token for token in self.tokens[:at] if token.kind == "term"]
        if len(terms) > 1 and terms[-1].key == self.vocabulary.price:
            terms[-1].use()

    def _negations(self) -> list[str]:
        """What each negation denies: the next term or slot, or, behind "follow nobody", the one before."""
        found = []
        for at in self.marks("not"):
            around = (*self.tokens[at:], *reversed(self.tokens[:at]))
            denied = next((token for token in around if token.kind in ("term", "slot")), None)
            found.append("" if denied is None else f"#{denied.slot}" if denied.kind == "slot" else denied.key)
            self.tokens[at].use()
        return found

    def _ordering(self) -> list[str]:
        found: list[str] = []
        for at in self.marks("sort"):
            by = next((p for p in self.marks("by") if 0 < p - at < 8), None)
            start = at + 1 if self.tokens[at].raw.endswith("of") or self.tokens[at].raw == "order by" else by and by + 1
            if start or not self.marks(*_DIRECTIONS):
                found.append(self._figure(*self._measured(start), counted=True) if start else "")
            self.tokens[at].use()
            if start and by is not None:
                self.tokens[by].use()
        for at, token in enumerate(self.tokens):
            ranging = self.token(at + 1).is_("to")
            then = self.token(at + 2 if ranging else at + 1)
            turned = token.key != then.key if ranging else then.raw == "first"
            if token.kind == then.kind == "superlative" and turned:
                direction = f"{token.measure} {'desc' if token.key == '+' else 'asc'}"
                for used in (token, self.token(at + 1), then, self.token(at - 1)):
                    if used.kind == "superlative" or used.is_("to", "from"):
                        used.use()
                found.append(direction)
        directions = self.marks(*_DIRECTIONS)
        for at in self.marks("by") if (found or directions) and not any(map(str.split, found)) else ():
            if self.run(at + 1) and not any(self.token(at - n).is_(*_DIRECTIONS) for n in (1, 2)):
                self.tokens[at].use()
                found.insert(0, self._figure(*self._measured(at + 1), counted=True))
                break
        for at in directions:
            if self.token(at + 1).is_("by") or (self.token(at + 1).key == "of"):
                self.tokens[at + 1].use()
                found.append(self._figure(*self._measured(at + 2), counted=True))
            found.append(_DIRECTIONS[self.tokens[at].use()])
        return found

    def _superlatives(self) -> list[str]:
        found = []
        for at, token in enumerate(self.tokens):
            behind = self.token(at + 2 if self.token(at + 1).raw.startswith(_MEASURED) else at + 1)
            if token.raw == "top" and behind.kind == "superlative":  # "top 5 most expensive"
                token.use()
            if token.kind == "superlative":
                direction = token.use()
                found.append(direction + self._ranked(at, token))
        return found

    def _ranked(self, at: int, token: Token) -> str:
        """By what a superlative ranks: what is named by "by", what its adjective measures, or the terms it governs."""
        implied = token.measure if token.measure not in ("@", "@size") else ""
        most = token.raw in ("most", "least", "fewest")
        start = at + 1
        while self.token(start).raw.startswith(("{count", "{number")):
            start += 1
        marks, terms = self._measured(start)
        by = next((p for p in self.marks("by") if p > at and any(self._measured(p + 1))), None)
        earlier = [one for one in self.tokens[:at] if one.kind == "term"]
        figure = bool(terms) and not earlier and self.vocabulary.is_name(terms[-1].key) and not implied
        if by is not None and figure and not self.vocabulary.is_table(terms[-1].key):  # "highest salary by team"
            self.tokens[by].key = "per"
        elif by is not None and not any(one.kind == "superlative" for one in self.tokens[at:by]) and implied != "@time":
            self.tokens[by].use()
            return self._figure(*self._measured(by + 1), counted=True)
        if implied and not (terms and terms[-1].key == implied):
            return implied
        if marks or (terms and (earlier or self.question == "who")):
            return self._figure(marks, terms, counted=most)
        if not terms:
            return self._figure([], earlier[-1:], counted=most) or token.raw
        head = terms[-1]
        if len(terms) > 1 and (self.vocabulary.is_table(head.key) or not self.vocabulary.is_name(head.key)):
            return self._figure([], terms[:-1], counted=most)
        if self.vocabulary.is_table(head.key):
            return token.measure if token.measure == "@size" else english()["extremes"].get(token.raw, token.raw)
        return head.key

    def _groups(self) -> list[str]:
        found = []
        for at in self.marks("per"):
            terms = self.run(at + 1)
            before = self.token(at - 1)
            agent = ""
            if self.tokens[at].raw in english()["calendar"]:
                terms = terms[:1]
            elif before.raw in ("do", "does", "did"):  # "does each doctor treat"
                end = next((n for n, one in enumerate(terms, 1) if self.vocabulary.is_table(one.key)), len(terms))
                agent = " by" if terms[end:] else ""
                terms = terms[:end]
            elif before.is_("by"):  # "treated by each doctor"
                done = self.token(at - 2)
                acts = done.raw.startswith("{entity") or (done.kind == "term" and is_participle(done.raw))
                agent = " by" if acts else ""
                before.use()
            if terms:
                self.tokens[at].use()
                found.append(" ".join(sorted(token.use() for token in terms)) + agent)
        for at in self.marks("by"):
            if self.is_total():
                joint = at
                while self.token(joint).is_("by", "and") and (terms := self.run(joint + 1)):
                    self.tokens[joint].use()
                    joint = self.tokens.index(terms[-1]) + 1
                    found.append(" ".join(sorted(token.use() for token in terms)))
        return found

    def _aggregates(self, grouped: bool) -> list[str]:
        found: list[str] = []
        for at in self.marks(*AGGREGATES):
            if not self.tokens[at].is_(*AGGREGATES):  # used with an earlier one
                continue
            marks, terms = self._measured(at)
            if not terms:
                behind = [one for one in self.tokens[at:] if one.kind == "term"]
                before = [one for one in self.tokens[:at] if one.kind == "term"]
                how = self.tokens[at].raw.startswith("how ")
                terms = (behind[:1] if how else []) or before[-1:] or behind[:1]
            names = {mark.key for mark in marks}
            for mark in marks:
                mark.use()
            target = terms[-1] if terms else None
            if "much" in names:
                target = next((one for one in self.tokens if one.kind == "term" and one.key in self.flows), None)
                names = names - {"much"} | {"sum" if target else "much"}
            found += [
                f"{name} {target.key if target else ''}"
                for name in sorted(self._named(names, target, listed=not grouped))
            ]
        counted = {one.removeprefix("count ") for one in found if one.startswith("count ")}
        return [one for one in found if one.removeprefix("sum ") not in counted]

    def _head(self) -> Token | None:
        """What is asked for: the last noun of the first terms that stand together; "who" asks for somebody else."""
        if self.question not in ("list", "whether"):
            return None
        first = next((at for at, token in enumerate(self.tokens) if token.kind == "term"), None)
        if first is None:
            return None
        run = self.run(first, through="'s")
        nouns = [token for token in run if not is_participle(token.raw)] or run
        return ([token for token in nouns if self.vocabulary.is_name(token.key)] or nouns)[-1]

    def _number(self, head: Token | None) -> str:
        """Whether one or many are asked for, where no count says how many."""
        if any(token.raw.startswith("{count") for token in self.slots):
            return " of n"
        return " of many" if head and is_plural(head.raw) and self.vocabulary.is_table(head.key) else ""

    def _quantifiers(self) -> list[str]:
        """ "The names of all customers" says no more than "the names of the customers"."""
        for at in self.marks("all"):
            before = [token for token in self.tokens[:at] if token.key]
            plain = not any(
                token.kind == "slot"
                or (token.kind == "mark" and token.key not in ("all", "and", "for"))
                or self.vocabulary.is_table(token.key)
                or is_participle(token.raw)
                for token in before
            )
            if before and plain and before[-1].key in ("of", "for"):
                self.tokens[at].use()
        return [token.key for token in self.tokens if token.is_(*_QUANTIFIERS)]

    def _roles(self, head: Token | None) -> list[str]:
        """Who does what to whom: what is left, in order, without what may stand anywhere."""
        left = [token for token in self.settled() if token.kind in ("term", "mark", "slot") and token is not head]
        keys = [token.key for token in self.tokens if token.kind == "term"]
        free = self._free_slots(
            repeated=len(set(keys)) < len(keys),
            done=sum(token.kind == "term" and is_participle(token.raw) for token in self.tokens),
        )
        directed = self.vocabulary.directional or bool(self.marks("to"))
        found: list[str] = []
        for token in left:
            if token.kind == "term":
                found.append(token.key)
            elif token.kind == "slot":
                found += [] if token.slot in free else [f"#{token.slot}"]
            elif directed or not token.is_("from", "for") or token is self.tokens[0]:
                found.append(f"<{token.key}>")
        return found

    def _terms(self) -> list[str]:
        return sorted(token.key for token in self.tokens if token.kind == "term")

    def _tenses(self) -> list[str]:
        """For each verb whether it is going on or done."""
        found = set()
        for token in self.tokens:
            if token.kind == "term" and token.raw not in self.vocabulary.written:
                if token.raw.endswith("ing"):
                    found.add(f"{token.key} ing")
                elif is_participle(token.raw):
                    found.add(f"{token.key} ed")
        return sorted(found)

    def _free_slots(self, repeated: bool, done: int) -> set[int]:
        """Slots that mean the same wherever they stand."""
        kinds = [token.raw for token in self.slots]
        times = sum(kind.startswith(TIMES) for kind in kinds)
        joined = self.denies or bool(self.marks("and", "or"))
        return {
            token.slot
            for token in self.slots
            if token.raw.startswith("{count")
            or (token.raw.startswith(TIMES) and times == 1 and done < 2 and not joined)
            or (
                token.raw.startswith("{entity")
                and not repeated
                and "|" not in token.raw
                and kinds.count(token.raw) == 1
            )
        }
