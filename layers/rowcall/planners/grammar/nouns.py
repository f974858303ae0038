"""Noun phrases: rows of a table with what stands before their noun, and the values that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rowcall.planners.grammar.cursor import END, Lost
from rowcall.planners.grammar.names import Names
from rowcall.planners.grammar.reading import Compare, Either, Flag, Like, Place, Things, Value
from rowcall.planners.grammar.schema import Ambiguous, Mention, Schema
from rowcall.planners.grammar.words import ENGLISH, PHRASES, stem
from rowcall.question import Question

NAMED = tuple(PHRASES["named"])


@dataclass(eq=False)
class Superlative:
    """The direction, the columns that the word itself hints at, and how many were asked for."""

    descending: bool
    hints: tuple[str, ...]
    limit: Value | None


class Nouns(Names):
    """`noun` is where the head of the last noun phrase stands; `pending` are superlatives not yet ordered by."""

    def __init__(self, question: Question, schema: Schema) -> None:
        super().__init__(question, schema)
        self.noun = 0
        self.distinct = False
        self.pending: list[Superlative] = []

    def things(self) -> Things:
        """ "active users", "pending orders", "Italian restaurants", "customer orders"."""
        self.skip_determiners()
        before: list[tuple[int, bool]] = []
        joined: set[str] = set()
        negated = False
        while (table := self.table() if self.kind() == "" else None) is None:
            token = self.peek()
            if token is None or token.text in END or len(before) >= 3:
                raise self.lost()
            if token.slot is not None:
                if self.kind() != "entity":
                    raise self.lost()
                before.append((self.at, negated))
                negated = False
            elif token.lower in {"distinct", "unique", "different"}:
                self.put("distinct", True)
            elif token.lower in {"not", "non"}:
                negated = True
            elif token.lower in {",", "and", "or"} and before:
                joined.add(token.lower)
            elif token.text[0].isalpha():
                before.append((self.at, negated))
                negated = False
            else:
                raise self.lost()
            self.at += 1
        length, key, _ = table
        self.at += length
        while not self.plural(self.at - 1):
            # the last of two nouns is what is meant: "customer orders"
            following = self.table()
            if following is None or following[2] < 0.9 or self._column_of(key) or not self.path(key, following[1]):
                break
            key = following[1]
            self.at += following[0]
        self.put("noun", self.at - 1)
        things = Things(key)
        for position, is_negated in before:
            self._adjective(things, position, is_negated)
        if joined:
            self._alternatives(things, "or" in joined)
        self._name_after(things)
        return things

    def _alternatives(self, things: Things, needed: bool) -> None:
        """ "void and refunded invoices" are of either kind, as nothing is both."""
        first = things.where[0] if things.where else None
        same = [
            one
            for one in things.where
            if isinstance(one, Compare)
            and isinstance(first, Compare)
            and one.place == first.place
            and one.operator == "="
        ]
        if len(same) == len(things.where) > 1:
            self.swap(things.where, [Either(tuple(same))])
        elif needed:
            raise self.lost("or")

    def _column_of(self, key: str) -> bool:
        found = self.columns_here()
        return bool(found and any(one.table == key and one.weight >= 0.85 for one in found[1]))

    def _adjective(self, things: Things, position: int, negated: bool) -> None:
        """A value that a column enumerates, a flag, or "recent"."""
        token = self.tokens[position]
        if token.slot is not None:
            self.entity(token.slot, [things], (), negated, own=True)
            return
        if token.lower == "recent":
            self.add(self.pending, Superlative(True, ("{date}",), None))
            return
        flag = self.flag(things.table, token.stem, token.lower)
        if flag is None:
            self.at = position
            raise self.lost()
        self.add(things.where, Flag(flag[0], flag[1] != negated))

    def flag(self, key: str, stemmed: str, word: str) -> tuple[Place, bool] | None:
        """The boolean column that an adjective names, and whether the adjective says yes."""
        for one in self.schema.fields[key].values():
            if not one.is_flag:
                continue
            words = one.stems[1:] if one.words[0] in {"is", "has", "was", "can"} and len(one.words) > 1 else one.stems
            if words == (stemmed,):
                return Place(one), True
            if len(words) == 1 and any({stemmed, words[0]} == {stem(a), stem(b)} for a, b in ENGLISH["antonyms"]):
                return Place(one), False
            for prefix in ("in", "un", "non", "dis"):
                if word.startswith(prefix) and (stem(word.removeprefix(prefix)),) == words:
                    return Place(one), False
        return None

    def _name_after(self, things: Things) -> None:
        """A name right after a noun: journal "Nature", customers named "Ann"."""

        def parse() -> bool | None:
            self.take(*NAMED)
            slot = self.slot({"text", "entity"})
            if slot is None:
                return None
            names = [one for one in self.schema.names(things.table) if one.is_text and not one.key] or [
                one for one in self.schema.names(things.table) if one.is_text
            ]
            if len(names) != 1:
                return None
            given = self.question.slots[slot]
            if given.kind == "entity" and names[0].qualified not in given.columns:
                return None
            self.add(things.where, Like(Place(names[0]), "equals", slot, given.kind == "text" and not names[0].key))
            return True

        self.attempt(parse)

    def entity(
        self,
        slot: int,
        hosts: Sequence[Things],
        hint: Sequence[Mention],
        negated: bool = False,
        preposition: str = "",
        own: bool = False,
    ) -> Things:
        """Put a value that the catalog knows on the one column, of what is being talked of, that it can be of.

        `own` is for adjectives, which are of the thing or of what it has one of: a failed payment makes no order fail.
        """
        ranked: list[tuple[float, Things, Place]] = []
        for recency, host in enumerate(reversed(hosts)):
            for qualified in self.question.slots[slot].columns:
                key, _, name = qualified.rpartition(".")
                one = self.schema.fields.get(key, {}).get(name)
                if one is None:
                    continue
                try:
                    path = self.path(host.table, key)
                except Ambiguous:
                    continue
                if path is None or len(path) > 3:
                    continue
                many = any(not step.up for step in path)
                hinted = [each.weight for each in hint if each.field == one]
                hinted += [each.weight * 0.9 for each in hint if each.field is None and each.table == key]
                if own and many:
                    continue
                if (hint and not hinted) or (len(path) > 1 and many and not hinted):
                    continue
                weight = 1.0 - 0.2 * recency - 0.3 * len(path) - 0.3 * many + max(hinted, default=0.0)
                if preposition and preposition in one.words:
                    weight += 0.5
                if one.key and not hinted:
                    weight -= 0.3
                ranked.append((weight, host, Place(one, path)))
        if not ranked:
            raise self.lost(self.text_of(slot))
        ranked.sort(key=lambda triple: -triple[0])
        rival = next((each for each in ranked[1:] if each[2] != ranked[0][2]), None)
        if rival and ranked[0][0] - rival[0] < 0.05:
            raise Lost(f"{self.text_of(slot)} (it may be {ranked[0][2].field.qualified} or {rival[2].field.qualified})")
        _, host, place = ranked[0]
        self.add(host.where, Compare(place, "<>" if negated else "=", Value(slot)))
        return host

    def superlative(self) -> bool:
        """ "top 10", "5 most expensive", "oldest": kept until it is known what it orders by."""
        at = self.at
        limit: Value | None = None
        descending: bool | None = None
        hints: tuple[str, ...] = ()
        counts = {"count", "number"}
        if self.kind() in counts:
            limit = self._value(counts)
        elif (ahead := self.word()) in {"top", "best", "first", "bottom", "last"} and self.kind(1) in counts:
            self.at += 1
            limit = self._value(counts)
            descending = ahead not in {"bottom", "first"}
            hints = {"first": ("{date}",), "last": ("{date}",), "best": ("rating", "score")}.get(ahead, ())
        elif self.word() == "top":
            self.at += 1
            descending = True
        word = self.word()
        if word in {"most", "least"} and self.word(1) in ENGLISH["graded"]:
            graded = ENGLISH["graded"][self.word(1)]
            self.at += 2
            descending = (word == "most") != graded[0].startswith("-")
            hints = tuple(one.lstrip("-") for one in graded)
        elif word in ENGLISH["superlatives"] and word not in {
            "most",
            "least",
            "fewest",
            "top",
            "maximum",
            "minimum",
            "max",
            "min",
        }:
            direction, named = ENGLISH["superlatives"][word]
            self.at += 1
            descending, hints = direction == "desc", tuple(named)
            found = self.columns_here(participle=True)
            if self.participle(1) and found and found[0] == 1:  # "highest rated"
                hints = (self.stem(),)
                self.at += 1
            limit = self._value(counts) or limit
        if descending is None:
            self.at = at
            return False
        self.add(self.pending, Superlative(descending, hints, limit))
        return True

    def _value(self, kinds: set[str]) -> Value | None:
        slot = self.slot(kinds)
        return None if slot is None else Value(slot)
