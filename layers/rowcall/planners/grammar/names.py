"""What words name: tables and columns, and which of several is meant from where one stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rowcall.planners.grammar.cursor import Cursor, Lost
from rowcall.planners.grammar.reading import Place, Things
from rowcall.planners.grammar.schema import Ambiguous, Field, Mention, Path, Schema
from rowcall.planners.grammar.words import ENGLISH, stem
from rowcall.question import Question


class Names(Cursor):
    """Looks words up in a schema. `scope` is what was named so far, the last one at the end."""

    def __init__(self, question: Question, schema: Schema) -> None:
        super().__init__(question)
        self.schema = schema
        self.scope: list[Things] = []
        self.verb = ""
        self._mentions: dict[int, list[tuple[int, list[Mention]]]] = {}

    def skip_determiners(self) -> None:
        """ "only active users" are the active ones; "users who only ..." says more than any reading here can."""
        super().skip_determiners()
        if self.scope and self.word(-1) in {"only", "just"}:
            raise self.lost(self.word(-1))

    def mentions(self) -> list[tuple[int, list[Mention]]]:
        """What the words here may name, the longest phrase first, as (how many words, meanings)."""
        if self.at not in self._mentions:
            self._mentions[self.at] = self._look_up()
        return self._mentions[self.at]

    def _look_up(self) -> list[tuple[int, list[Mention]]]:
        found = []
        words: list[str] = []
        for ahead in range(self.schema.longest):
            token = self.peek(ahead)
            if token is None or token.slot is not None or not token.text[0].isalnum():
                break
            words.append(token.stem)
            meanings = self.schema.lookup(tuple(words))
            if meanings and not (len(words) == 1 and token.lower in ENGLISH["function_words"]):
                found.append((len(words), meanings))
        if self.word(1) == "of" and self.stem() and self.stem(2):
            found += self._turned()
        first, second = self.peek(), self.peek(1)
        if first and second and first.slot is None and second.slot is None and second.text[0].isalpha():
            joined = self.schema.lookup((stem(first.text + second.text),))  # "check-ins" are checkins
            found += [(2, joined)] if joined else []
        return sorted(found, key=lambda one: -one[0])

    def _turned(self) -> list[tuple[int, list[Mention]]]:
        """ "type of food" is a food type, but "names of depots" are theirs."""
        if any(one.field is None and one.weight >= 0.9 for one in self.schema.lookup((self.stem(2),))):
            return []
        for rest in ((self.stem(2), self.stem(3)), (self.stem(2),)):
            meanings = self.schema.lookup((*rest, self.stem())) if all(rest) else []
            fields = [one for one in meanings if one.field and one.weight >= 0.95 and len(one.field.words) > len(rest)]
            if fields:
                return [(2 + len(rest), fields)]
        return []

    def table(self) -> tuple[int, str, float] | None:
        """The table named here: by how many words, which, and how well."""
        for length, meanings in self.mentions():
            tables = [one for one in meanings if one.field is None]
            if self.participle(length):  # "courses offered" are no offerings
                last = self.word(length - 1)
                tables = [one for one in tables if self.schema.table_words(one.table).endswith(last)]
            agent = self.word(length - 1).removesuffix("s")
            if agent.endswith(("er", "or")):  # a reviewer is no review
                tables = [
                    one
                    for one in tables
                    if self.schema.table_words(one.table).endswith((agent, f"{agent}s"))
                    or stem(agent) not in self.schema.table_stems(one.table)
                ]
            if not tables:
                continue
            best = [one for one in tables if one.weight == tables[0].weight]
            if len(best) > 1:
                best = [one for one in best if not self.schema.is_link(one.table)]
                if len(best) != 1:
                    raise Lost(f"{self.word()} (several tables are called so)")
            return length, best[0].table, best[0].weight
        return None

    def participle(self, length: int) -> bool:
        word = self.word(length - 1)
        return word.endswith("ed") or word in {
            "written",
            "wrote",
            "sold",
            "bought",
            "made",
            "taken",
            "taught",
            "given",
            "held",
        }

    def columns_here(self, participle: bool = False) -> tuple[int, list[Mention]] | None:
        """The columns named here, and by how many words. A participle is a name only where the column has it too."""
        for length, meanings in self.mentions():
            fields = [one for one in meanings if one.field is not None]
            if self.participle(length) and not participle:
                fields = [one for one in fields if one.field and self.word(length - 1) in one.field.words]
            if fields:
                return length, fields
        return None

    def path(self, source: str, target: str) -> Path | None:
        return self.schema.path(source, target)

    def up(self, source: str, target: str) -> Path | None:
        """The joins from many to one, if it can be reached by such alone."""
        try:
            path = self.schema.path(source, target)
        except Ambiguous:
            return None
        return path if path is not None and all(step.up for step in path) else None

    def route(self, source: str, target: str) -> Path | None:
        """How rows of two tables belong together here: by what the verb names, else the one obvious way."""
        via = self.named_by_verb()
        for table in sorted(via - {source, target}):
            first, second = self.path(source, table), self.path(table, target)
            if first and second and not {step.target for step in first} & {step.target for step in second}:
                return (*first, *second)
        path = self.path(source, target)
        if path and len(path) > 4:
            return None
        if path and len(path) == 1 and not self.verb and self.schema.linked(source, target):
            raise Lost(f"{self.word(-1)} (related to {self.schema.table_words(source)} in more than one way)")
        if path and len(path) > 1 and not via & {step.target for step in path} and self.schema.rivalled(path):
            raise Lost(f"{self.word(-1)} (related to {self.schema.table_words(source)} in more than one way)")
        return path

    def named_by_verb(self) -> set[str]:
        if not self.verb:
            return set()
        return {one.table for one in self.schema.lookup((stem(self.verb),)) if one.field is None and one.weight >= 0.7}

    def resolve(
        self,
        meanings: Sequence[Mention],
        base: str,
        accept: Callable[[Field], bool] = lambda _: True,
        anywhere: bool = False,
    ) -> Place:
        """The one column that is meant, seen from the rows of `base`: the better name wins, then the nearer table.

        Only what a row has one of, unless `anywhere`.
        """
        ranked: list[tuple[float, Place]] = []
        for one in meanings:
            if one.field is None or not accept(one.field):
                continue
            path = self.path(base, one.table) if anywhere else self.up(base, one.table)
            if path is not None:
                far = (0.15 + 0.1 * len(path) + 0.1 * any(not step.up for step in path)) if path else 0.0
                ranked.append((one.weight - far, Place(one.field, path)))
        if not ranked:
            raise self.lost()
        ranked.sort(key=lambda pair: -pair[0])
        closest = next(one.weight for one in meanings if one.field == ranked[0][1].field)
        if any(
            one.weight - closest > 0.25 and one.field and accept(one.field) and self.near(base, one.table)
            for one in meanings
        ):
            raise Lost(f"{self.word(-1)} (there is a better column of that name, but not one of each)")
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 0.02:
            raise Lost(f"{self.word(-1)} (it may be {ranked[0][1].field.qualified} or {ranked[1][1].field.qualified})")
        return ranked[0][1]

    def near(self, base: str, table: str) -> bool:
        """Whether rows of a table directly belong to rows of `base`."""
        try:
            path = self.path(base, table)
        except Ambiguous:
            return False
        return path is not None and len(path) == 1

    def named_columns(self, things: Things, meanings: Sequence[Mention], word: str) -> list[Place]:
        """The columns of what was asked: "name" is what its rows are called by, "id" their key."""
        if word in {"name", "names"} and all(one.weight < 1 or one.table != things.table for one in meanings):
            return [Place(one) for one in self.schema.names(things.table)]
        if not meanings:
            return [Place(self.schema.fields[things.table][name]) for name in self.schema.key(things.table)]
        return [self.resolve(meanings, things.table)]
