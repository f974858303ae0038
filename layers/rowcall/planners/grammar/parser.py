"""From the words of a question to a reading, by recursive descent.

Every content word must be explained by the reading; the first one that is not ends the attempt with `Lost`. Nothing
is ever skipped because it is unknown, and where two meanings are equally good there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from rowcall.planners.grammar.reading import (
    Against,
    Between,
    Bucket,
    Compare,
    Condition,
    Dimension,
    Either,
    Expression,
    Flag,
    Function,
    Known,
    Like,
    Measure,
    Not,
    Order,
    Place,
    Ratio,
    Reading,
    Related,
    Things,
    Value,
    Within,
)
from rowcall.planners.grammar.schema import Ambiguous, Field, Mention, Path, Schema
from rowcall.planners.grammar.words import ENGLISH, Token, stem, stems, tokens
from rowcall.question import Question

Result = TypeVar("Result")

DETERMINERS = frozenset("the a an all any our their its his her these those this some such only just".split())
UNITS = stems("units")
VERBS = stems("relation_verbs")
BUCKETS = {
    "day": "day", "daily": "day", "week": "week", "weekly": "week", "month": "month", "monthly": "month",
    "quarter": "quarter", "quarterly": "quarter", "year": "year", "yearly": "year", "annual": "year", "annually": "year",
    "days": "day", "weeks": "week", "months": "month", "quarters": "quarter", "years": "year", "date": "day",
}  # fmt: skip
AGGREGATES: dict[str, Function] = {
    "total": "sum", "sum": "sum", "combined": "sum", "overall": "sum", "average": "avg", "mean": "avg", "avg": "avg",
    "median": "median", "maximum": "max", "max": "max", "minimum": "min", "min": "min",
}  # fmt: skip
BE = frozenset("is are was were be been being".split())
HAVE = frozenset("has have had having with contain contains containing".split())
PREPOSITIONS = frozenset("of in on at for from to by with within under into during through among across about".split())
NUMERIC = frozenset({"count", "number", "money", "percent"})
MOMENTS = frozenset({"date", "period", "year"})
END = frozenset({"?", ".", "!", ";"})
LISTING = ("show me", "show", "list", "display", "give me", "give", "get me", "get", "find me", "find", "return", "fetch",
           "retrieve", "tell me", "provide", "provide me with", "i want to see", "i want", "i need", "let me see", "print",
           "select", "report", "identify", "name", "see", "view", "output", "look up")  # fmt: skip
WHAT = ("what is", "what are", "what was", "what were", "what's", "whats", "who is", "who are", "who were", "who was",
        "which is", "which are", "which were", "what 's", "who 's")  # fmt: skip


class Lost(Exception):
    """The word that no reading explains, or what is ambiguous."""


@dataclass
class Nominal:
    """A noun phrase: rows of a table, or columns whose table may be named later ("names of customers")."""

    things: Things | None = None
    fields: list[list[Mention]] = field(default_factory=list)
    plural: bool = True


@dataclass
class Superlative:
    """The direction, the columns that the word itself hints at, and how many were asked for."""

    descending: bool
    hints: tuple[str, ...]
    limit: Value | None


class Parser:
    """One attempt at one question. Whatever it changes is on a trail, so that a failed branch leaves nothing."""

    def __init__(self, question: Question, schema: Schema) -> None:
        self.question = question
        self.schema = schema
        self.tokens = tokens(question)
        self.at = 0
        self.trail: list[Callable[[], Any]] = []
        self.scope: list[Things] = []
        self.pending: list[Superlative] = []
        self.shown: list[Expression] = []
        self.dimensions: list[Dimension] = []
        self.having: list[tuple[Measure, str, Value]] = []
        self.order: list[Order] = []
        self.limit: Value | None = None
        self.base: Things | None = None
        self.singular = False
        self.distinct = False
        self.keep_empty = False
        self.verb: str = ""
        self.furthest = 0

    # -- state -------------------------------------------------------------------------------------------------

    def add(self, to: list[Any], one: Any) -> None:
        to.append(one)
        self.trail.append(to.pop)

    def put(self, name: str, value: object) -> None:
        old = getattr(self, name)
        self.trail.append(lambda: setattr(self, name, old))
        setattr(self, name, value)

    def attempt(self, parse: Callable[[], Result | None]) -> Result | None:
        """Try `parse`; where it fails everything is as it was before."""
        at, length = self.at, len(self.trail)
        try:
            found = parse()
        except (Lost, Ambiguous):
            found = None
        if found is None:
            self.furthest = max(self.furthest, self.at)
            self.at = at
            while len(self.trail) > length:
                self.trail.pop()()
        return found

    # -- tokens ------------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token | None:
        at = self.at + ahead
        return self.tokens[at] if 0 <= at < len(self.tokens) else None

    def word(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.lower if token and token.slot is None else ""

    def take(self, *phrases: str) -> str:
        """Move past the longest of these phrases that stands here, and say which it was."""
        for phrase in sorted(phrases, key=lambda one: -len(one.split())):
            parts = phrase.split()
            if all(self.word(index) == part for index, part in enumerate(parts)):
                self.at += len(parts)
                return phrase
        return ""

    def kind(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return self.question.slots[token.slot].kind if token and token.slot is not None else ""

    def slot(self, kinds: Iterable[str]) -> int | None:
        token = self.peek()
        if token and token.slot is not None and self.question.slots[token.slot].kind in kinds:
            self.at += 1
            return token.slot
        return None

    def ended(self) -> bool:
        return self.at >= len(self.tokens) or self.word() in END

    def lost(self, what: str = "") -> Lost:
        token = self.peek()
        return Lost(what or (token.text if token else ""))

    def skip_determiners(self) -> None:
        while self.word() in DETERMINERS or (self.word() == "of" and self.word(-1) in {"all", "some", "any"}):
            self.at += 1

    # -- names -------------------------------------------------------------------------------------------------

    def mentions(self) -> list[tuple[int, list[Mention]]]:
        """What the words here may name, the longest phrase first, as (how many words, meanings)."""
        found = []
        words: list[str] = []
        for ahead in range(self.schema.longest + 1):
            token = self.peek(ahead)
            if token is None or token.slot is not None or not token.text[0].isalnum():
                break
            words.append(token.stem)
            meanings = self.schema.lookup(tuple(words))
            if meanings and not (len(words) == 1 and token.lower in ENGLISH["function_words"]):
                found.append((len(words), meanings))
        return found[::-1]

    def table(self) -> tuple[int, str] | None:
        """The table named here, and by how many words; `None` when the words rather name a column."""
        for length, meanings in self.mentions():
            tables = [one for one in meanings if one.field is None]
            last = self.tokens[self.at + length - 1].lower
            if last.endswith("ed"):  # "courses offered" are no offerings
                tables = [one for one in tables if self.schema.table_words(one.table).endswith("ed")]
            if not tables:
                continue
            best = tables[0]
            if len(tables) > 1 and tables[1].weight == best.weight:
                linked = [one for one in tables if one.weight == best.weight and not self.schema.is_link(one.table)]
                if len(linked) != 1:
                    raise Lost(f"{self.word()} (several tables are called so)")
                best = linked[0]
            return length, best.table
        return None

    def fields_here(self) -> tuple[int, list[Mention]] | None:
        for length, meanings in self.mentions():
            fields = [one for one in meanings if one.field is not None]
            if fields:
                return length, fields
        return None

    def weight_of_table(self) -> float:
        for _, meanings in self.mentions():
            for one in meanings:
                if one.field is None:
                    return one.weight
        return 0.0

    def path(self, source: str, target: str) -> Path | None:
        return self.schema.path(source, target)

    def resolve(self, meanings: Sequence[Mention], base: str, accept: Callable[[Field], bool] | None = None) -> Place:
        """The one column that is meant, seen from the rows of `base`: the better name wins, then the nearer table."""
        ranked: list[tuple[float, Place]] = []
        for one in meanings:
            if one.field is None or (accept and not accept(one.field)):
                continue
            try:
                path = self.path(base, one.table)
            except Ambiguous:
                continue
            if path is None or any(not step.up for step in path):
                continue
            distance = 0.0 if not path else 0.15 + 0.1 * len(path)
            ranked.append((one.weight - distance, Place(one.field, path)))
        if not ranked:
            raise self.lost()
        ranked.sort(key=lambda pair: -pair[0])
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 0.02:
            raise Lost(f"{self.word(-1)} (it may be {ranked[0][1].field.qualified} or {ranked[1][1].field.qualified})")
        return ranked[0][1]

    # -- the whole question ------------------------------------------------------------------------------------

    def read(self) -> Reading:
        self.main()
        while not self.at >= len(self.tokens):
            if self.word() in END:
                self.at += 1
                continue
            self.addendum()
        return self.reading()

    def main(self) -> None:
        self.take("please", "can you", "could you", "hi")
        self.take("please")
        asked = self.take(
            "how many", "count", "how much", *LISTING, *WHAT, "which", "what", "who", "whose", "where", "for each"
        )
        while asked in LISTING and self.take("me", "us"):
            pass
        if asked in LISTING and self.take(*WHAT, "how many", "count"):
            asked = self.tokens[self.at - 1].lower
            asked = {"many": "how many"}.get(asked, asked)
        if asked == "for each":
            self.at -= 1
            self.each_first()
            return
        if asked in {"how many", "count"}:
            self.take("the number of", "number of", "of")
            self.count()
        elif asked == "how much":
            raise self.lost("how much")
        elif asked in {"which", "what", "who", "whose", "where"}:
            if asked in {"who", "where", "whose"}:
                raise self.lost(asked)
            self.nominal(listed=False)
        else:
            self.nominal(listed=asked in LISTING or not asked)
        self.modifiers()

    def each_first(self) -> None:
        raise self.lost("for each")

    def addendum(self) -> None:
        """A sentence after the question: an order, or what to show."""
        if self.take("order the results", "order the result", "sort the results", "sort the result", "order them",
                     "sort them", "order results", "sort results", "sort", "order"):  # fmt: skip
            self.take("by")
            self.order_by()
            self.modifiers()
            return
        raise self.lost()

    # -- measures ----------------------------------------------------------------------------------------------

    def count(self) -> None:
        """ "how many ..." and "number of ...": the rows of a table, or the different values of a column."""
        self.skip_determiners()
        distinct = bool(self.take("distinct", "unique", "different"))
        things = self.attempt(self.things)
        if things is not None:
            self.set_base(things)
            self.add(self.shown, Measure("count", things))
            return
        found = self.fields_here()
        if found is None:
            raise self.lost()
        length, meanings = found
        self.at += length
        base = self.of_things(meanings)
        place = self.resolve(meanings, base.table)
        self.set_base(base)
        if not distinct and place.field.is_number:
            raise self.lost()
        self.add(self.shown, Measure("count", base, place, distinct=True))

    def of_things(self, meanings: Sequence[Mention]) -> Things:
        """The rows that a column is of: named after it ("of customers"), or the one table that has such a column."""

        def named() -> Things | None:
            if not self.take("of", "for", "from", "in", "across", "by", "among"):
                return None
            self.take("all of", "all")
            if self.word() in {"each", "every", "per"}:
                return None
            things = self.things()
            for one in meanings:
                path = self.path(things.table, one.table)
                if path is not None and all(step.up for step in path):
                    return things
            return None

        things = self.attempt(named)
        if things is not None:
            return things
        best = [one for one in meanings if one.weight >= meanings[0].weight - 0.01]
        if self.scope and any(one.table == self.scope[-1].table for one in meanings):
            return self.scope[-1]
        if len({one.table for one in best}) != 1:
            raise self.lost(f"{self.word(-1)} (of which table?)")
        return Things(best[0].table)

    def set_base(self, things: Things) -> None:
        if self.base is None:
            self.put("base", things)
        if things not in self.scope:
            self.add(self.scope, things)

    def aggregate(self) -> Function | None:
        """An aggregate's name here: "total", "average", "sum of", "highest" is a superlative and not one."""
        word = self.word()
        if word in AGGREGATES:
            self.at += 1
            self.take("of")
            return AGGREGATES[word]
        return None

    def measure(self, base: Things | None) -> Expression | None:
        """A number that can be shown, ordered by or compared, of the rows or groups of `base` where that is known."""
        self.skip_determiners()
        if self.take("ratio of", "ratio between"):
            return self.ratio(base)
        if self.take("percentage of", "percent of", "proportion of", "share of", "fraction of"):
            raise self.lost("percentage")
        if self.take("number of", "count of", "total number of", "total count of", "how many", "overall number of"):
            return self.counted(base)
        function = self.aggregate()
        self.skip_determiners()
        if function and self.take("number of", "count of"):
            if function == "sum":
                return self.counted(base)
            raise self.lost()
        if function == "sum" and self.word() in {
            "revenue",
            "sales",
            "spend",
            "spending",
            "spent",
            "earnings",
            "turnover",
        }:
            return self.money(base)
        found = self.fields_here()
        if function is None and self.word() in ENGLISH["measures"]:

            def exact() -> Expression | None:
                return self.column_measure(base, None, found) if found and found[1][0].weight >= 0.95 else None

            return self.attempt(exact) or self.money(base)
        if found is None:
            if self.word() in ENGLISH["measures"]:
                return self.money(base, function or "sum")
            return None
        return self.column_measure(base, function, found)

    def column_measure(
        self, base: Things | None, function: Function | None, found: tuple[int, list[Mention]]
    ) -> Expression | None:
        length, meanings = found
        at = self.at
        # "customer age": the table before its column
        table = self.table()
        if table is not None:
            self.at += table[0]
            inner = self.fields_here()
            own = [one for one in inner[1] if one.table == table[1]] if inner else []
            if inner and own and inner[0] + table[0] > length:
                self.at += inner[0]
                return self.aggregated(own, base, function, Things(table[1]))
            self.at = at
        self.at += length
        return self.aggregated(meanings, base, function, None)

    def aggregated(
        self, meanings: Sequence[Mention], base: Things | None, function: Function | None, of: Things | None
    ) -> Expression | None:
        numbers = [
            one for one in meanings if one.field and (one.field.is_number or (one.field.is_date and function != "sum"))
        ]
        if not numbers:
            raise self.lost()
        if base is not None and of is None:

            def local() -> Place | None:
                return self.resolve(numbers, base.table)

            place = self.attempt(local)
            if place is not None:
                if function is None:
                    return place
                return Measure(function, base, place)
        things = of or self.of_things(numbers)
        known = next((one for one in self.scope if one.table == things.table), None)
        if known is not None and not things.where:
            things = known
        place = self.resolve(numbers, things.table)
        if function is None:
            if base is not None:
                raise self.lost()  # a column of rows that a group has many of, and no word how to combine them
            self.set_base(things)
            return place
        if base is None:
            self.set_base(things)
        return Measure(function, things, place)

    def counted(self, base: Things | None) -> Expression | None:
        distinct = bool(self.take("distinct", "unique", "different"))
        self.skip_determiners()
        at = self.at
        column = self.counting_column(base)
        length = self.at - at
        self.at = at
        things = self.attempt(self.things)
        if column is not None and things is not None and base is not None:
            raise self.lost(f"{self.tokens[at].text} (counted by a column or by rows)")
        if things is not None:
            if base is None:
                self.set_base(things)
            elif things not in self.scope:
                self.add(self.scope, things)
            return Measure("count", things)
        if column is not None:
            self.at = at + length
            return column
        found = self.fields_here()
        if found is not None and (distinct or base is not None):
            self.at += found[0]
            place = self.resolve(found[1], (base or self.of_things(found[1])).table)
            return Measure("count", base or Things(place.field.table), place, distinct=True)
        return None

    def counting_column(self, base: Things | None) -> Place | None:
        """A column that already holds the count: `num_reviews` for "number of reviews"."""
        if base is None:
            return None
        for length, meanings in self.mentions():
            words = tuple(self.tokens[self.at + index].stem for index in range(length))
            for one in meanings:
                if one.field and one.table == base.table and one.field.counts == words:
                    self.at += length
                    return Place(one.field)
        return None

    def money(self, base: Things | None, function: Function = "sum") -> Expression | None:
        """Revenue, sales, spend: a column that says so, or quantity times price, nearest to what is asked about."""
        known = ENGLISH["measures"].get(self.word())
        if known is None:
            return None
        self.at += 1
        self.take("amount", "value")
        reachable: list[tuple[float, Measure]] = []
        for key in self.schema.tables:
            if base is None:
                distance = 0.0
            else:
                try:
                    path = self.path(key, base.table)
                except Ambiguous:
                    continue
                if path is None or any(not step.up for step in path):
                    continue
                distance = float(len(path))
            things = base if base is not None and base.table == key else Things(key)
            for rank, phrase in enumerate(known["columns"]):
                wanted = tuple(stem(word) for word in phrase.split())
                for one in self.schema.fields[key].values():
                    if one.stems == wanted and one.is_number:
                        reachable.append((rank + distance * 2, Measure(function, things, Place(one))))
            product = self.product(key)
            if product is not None:
                quantity, price = product
                reachable.append((8 + distance * 2, Measure(function, things, Place(quantity), times=price)))
        if not reachable:
            raise self.lost(self.word(-1))
        reachable.sort(key=lambda pair: pair[0])
        if len(reachable) > 1 and reachable[0][0] == reachable[1][0]:
            raise self.lost(f"{self.word(-1)} (of which table?)")
        found = reachable[0][1]
        if base is None:
            self.set_base(found.things)
        elif found.things not in self.scope:
            self.add(self.scope, found.things)
        return found

    def product(self, key: str) -> tuple[Field, Field] | None:
        fields = [one for one in self.schema.fields[key].values() if one.is_number]
        by_words = {one.stems: one for one in fields}
        quantity = next(
            (by_words[name] for word in ENGLISH["quantity_columns"] if (name := (stem(word),)) in by_words), None
        )
        price = next(
            (by_words[name] for phrase in ENGLISH["price_columns"]
             if (name := tuple(stem(word) for word in phrase.split())) in by_words),
            None,
        )  # fmt: skip
        return (quantity, price) if quantity and price else None

    def ratio(self, base: Things | None) -> Expression | None:
        raise self.lost("ratio")

    # -- noun phrases ------------------------------------------------------------------------------------------

    def nominal(self, listed: bool) -> None:
        """What is asked for: rows of a table, columns of it, or numbers."""
        self.skip_determiners()
        parsers: tuple[Callable[[], bool | None], ...] = (
            self.asked_for_numbers,
            lambda: self.asked_for_columns(),
            lambda: self.asked_for_things(listed),
        )
        for parse in parsers:
            if self.attempt(parse):
                return
        self.at = max(self.at, self.furthest)
        raise self.lost()

    def asked_for_numbers(self) -> bool | None:
        """Aggregates: "average price of products", "total revenue by month", "revenue per category"."""
        word = self.word()
        starts = word in AGGREGATES or word in ENGLISH["measures"] or word in {"number", "count", "ratio"}
        if not starts:
            return None
        while True:
            one = self.measure(self.base)
            if one is None or isinstance(one, Place):
                return None
            self.add(self.shown, one)
            at = self.at
            if (
                self.take("and", ",", ", and")
                and (self.skip_determiners() or True)
                and (self.word() in AGGREGATES or self.word() in {"number", "count"})
            ):
                continue
            self.at = at
            return True

    def asked_for_columns(self) -> bool | None:
        """ "names and emails of customers", "the title of the publication that ...", "customer names"."""
        wanted: list[tuple[list[Mention], bool]] = []
        owner: str | None = None
        while True:
            self.skip_determiners()
            table = self.table()
            found = self.fields_here()
            at = self.at
            if table is not None and self.weight_of_table() >= 0.6:
                self.at += table[0]
                self.take("'s")
                inner = self.fields_here()
                own = [one for one in inner[1] if one.table == table[1]] if inner else []
                if own or self.word() in {"name", "names", "id", "ids"}:
                    is_name = self.word() in {"name", "names"}
                    self.at += inner[0] if inner and own else 1
                    wanted.append((own, is_name))
                    owner = owner or table[1]
                    if owner != table[1]:
                        return None
                else:
                    self.at = at
                    if not found or found[0] < table[0] or found[1][0].weight < 0.85:
                        return None
                    self.at += found[0]
                    wanted.append((found[1], False))
            elif found is not None:
                is_name = self.word() in {"name", "names"}
                self.at += found[0]
                wanted.append((found[1], is_name))
            elif self.word() in {"name", "names", "id", "ids"}:
                is_name = self.word() in {"name", "names"}
                self.at += 1
                wanted.append(([], is_name))
            else:
                return None
            if not (self.take(", and", ",", "and", "&", "as well as", "along with")):
                break
        if self.take("of", "for", "from", "belonging to"):
            if self.word() in {"each", "every"}:
                self.at += 1
            self.skip_determiners()
            self.superlative()
            things = self.things()
            self.put("singular", not self.plural(self.noun))
            if owner is not None and things.table != owner:
                return None
        elif owner is not None:
            things = Things(owner)
            self.put("singular", not self.plural(self.at - 1))
        else:
            return None
        self.set_base(things)
        for meanings, is_name in wanted:
            for place in self.columns(things, meanings, is_name):
                self.add(self.shown, place)
        return True

    def columns(self, things: Things, meanings: list[Mention], is_name: bool) -> list[Place]:
        if is_name:
            return [Place(one) for one in self.schema.names(things.table)]
        if not meanings:
            return [Place(self.schema.fields[things.table][name]) for name in self.schema.key(things.table)]
        return [self.resolve(meanings, things.table)]

    def asked_for_things(self, listed: bool) -> bool | None:
        self.superlative()
        self.skip_determiners()
        at = self.at
        things = self.things()
        self.set_base(things)
        self.put("singular", not self.plural(self.noun) and self.at > at)
        self.put("listed", listed)
        return True

    listed = True
    noun = 0

    def plural(self, at: int) -> bool:
        word = self.tokens[at].lower if 0 <= at < len(self.tokens) else ""
        return word.endswith("s") and not word.endswith("ss") or word in {"people", "children", "men", "women", "staff"}

    def superlative(self) -> bool:
        """ "top 10", "5 most expensive", "oldest": kept until it is known what it orders by."""
        at = self.at
        limit: Value | None = None
        descending: bool | None = None
        hints: tuple[str, ...] = ()
        if self.take("top", "first", "best"):
            first = self.word(-1)
            slot = self.slot({"count", "number"})
            if slot is None and first != "top":
                self.at = at
            elif slot is None:
                descending, limit = True, None
            else:
                descending, limit = True, Value(slot)
                hints = ("{first}",) if first == "first" else ()
        elif self.take("bottom", "last"):
            first = self.word(-1)
            slot = self.slot({"count", "number"})
            if slot is None:
                self.at = at
            else:
                descending, limit = False, Value(slot)
                if first == "last":
                    descending, hints = True, ("{date}",)
        else:
            slot = self.slot({"count", "number"}) if self.kind() in {"count", "number"} else None
            if slot is not None:
                limit = Value(slot)
        word = self.word()
        if word in {"most", "least"} and self.word(1) in ENGLISH["graded"]:
            graded = ENGLISH["graded"][self.word(1)]
            flip = graded[0].startswith("-")
            self.at += 2
            descending = (word == "most") != flip
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
            if descending is None or not hints:
                self.at += 1
                descending, hints = direction == "desc", tuple(named)
                # "highest-rated", "best rated", "highest paid": the participle names the column
                found = self.fields_here()
                if self.word(0).endswith(("ed", "paid")) and found and not self.table():
                    hints = (" ".join(self.tokens[self.at + index].stem for index in range(found[0])),)
                    self.at += found[0]
            slot = self.slot({"count", "number"})
            if slot is not None:
                limit = Value(slot)
        if descending is None:
            self.at = at
            return False
        self.add(self.pending, Superlative(descending, hints, limit))
        return True

    def things(self) -> Things:
        """A noun with what stands before it: "active users", "pending orders", "Italian restaurants"."""
        self.skip_determiners()
        before: list[int] = []
        negated: set[int] = set()
        while True:
            token = self.peek()
            if token is None or token.text in END:
                raise self.lost()
            table = self.table() if token.slot is None else None
            if table is not None:
                break
            if token.slot is None and token.lower in {"distinct", "unique", "different"}:
                self.put("distinct", True)
                self.at += 1
                continue
            if token.slot is None and token.lower in {"not", "non"}:
                negated.add(self.at + 1)
                self.at += 1
                continue
            if token.lower in {",", "and", "or"} and before and token.slot is None:
                if token.lower == "or":
                    raise self.lost()
                self.at += 1
                continue
            if len(before) >= 3 or (token.slot is None and not token.text[0].isalpha()):
                raise self.lost()
            if token.slot is not None and self.question.slots[token.slot].kind not in {"entity"}:
                raise self.lost()
            before.append(self.at)
            self.at += 1
        length, key = table
        # "customer orders": the last of two nouns is what is meant, and the other is related to it
        self.at += length
        owner: str | None = None
        while (
            not self.plural(self.at - 1) and (following := self.table()) is not None and self.weight_of_table() >= 0.9
        ):
            step = self.attempt(lambda: self.path(following[1], key))
            if not step or self.fields_here_of(key):
                break
            owner, key = key, following[1]
            self.at += following[0]
        self.noun = self.at - 1
        things = Things(key)
        for position in before:
            self.before(things, position, position in negated)
        if owner is not None and before:
            pass
        self.name_after(things)
        return things

    def fields_here_of(self, key: str) -> bool:
        found = self.fields_here()
        return bool(found and any(one.table == key and one.weight >= 0.85 for one in found[1]))

    def before(self, things: Things, position: int, negated: bool) -> None:
        """An adjective: a value that a column enumerates, or a flag."""
        token = self.tokens[position]
        if token.slot is not None:
            self.entity(token.slot, [things], (), negated=negated)
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
            for prefix in ("in", "un", "non", "dis"):
                if word.startswith(prefix) and (stem(word.removeprefix(prefix)),) == words:
                    return Place(one), False
        return None

    def name_after(self, things: Things) -> None:
        """A name right after a noun: journal "Nature", customers named "Ann"."""

        def parse() -> bool | None:
            self.take("named", "called", "titled", "with the name", "with name", "whose name is", "with the title",
                      "entitled")  # fmt: skip
            slot = self.slot({"text", "entity"})
            if slot is None:
                return None
            names = self.schema.names(things.table)
            if len(names) != 1 or not names[0].is_text:
                return None
            if (
                self.question.slots[slot].kind == "entity"
                and names[0].qualified not in self.question.slots[slot].columns
            ):
                return None
            self.add(things.where, Like(Place(names[0]), "equals", slot))
            return True

        self.attempt(parse)

    # -- conditions --------------------------------------------------------------------------------------------

    def entity(
        self, slot: int, hosts: Sequence[Things], hint: Sequence[Mention], negated: bool = False, preposition: str = ""
    ) -> None:
        """A value that the catalog knows, put on the one column of what is being talked of that it can be of."""
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
                if path is None:
                    continue
                weight = 1.0 - 0.2 * recency - (0.3 * len(path) if path else 0) - 0.4 * any(not s.up for s in path)
                hinted = [each.weight for each in hint if each.field == one]
                hinted += [each.weight * 0.9 for each in hint if each.field is None and each.table == key]
                if hint and not hinted:
                    continue
                weight += max(hinted, default=0.0)
                if preposition and preposition in one.words:
                    weight += 0.5
                ranked.append((weight, host, Place(one, path)))
        if not ranked:
            raise self.lost(self.text_of(slot))
        ranked.sort(key=lambda triple: -triple[0])
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 0.05 and ranked[0][2] != ranked[1][2]:
            raise Lost(
                f"{self.text_of(slot)} (it may be {ranked[0][2].field.qualified} or {ranked[1][2].field.qualified})"
            )
        _, host, place = ranked[0]
        self.add(host.where, Compare(place, "<>" if negated else "=", Value(slot)))

    def text_of(self, slot: int) -> str:
        start, end = self.question.slots[slot].span
        return self.question.text[start:end]

    def modifiers(self) -> None:
        """Everything after the noun, until the sentence ends."""
        handlers: tuple[Callable[[], bool | None], ...] = (
            self.ordering, self.grouping, self.ranking, self.moment, self.comparison, self.having_clause, self.without,
            self.value_of_column, self.value_alone, self.related_things, self.also_shown, self.flag_after,
        )  # fmt: skip
        while not self.ended():
            if any(self.attempt(handler) for handler in handlers):
                continue
            if self.glue():
                continue
            self.at = max(self.at, self.furthest)
            raise self.lost()

    def glue(self) -> bool:
        """Words that only hold the others together."""
        word = self.word()
        if word in BE or word in {
            "that",
            "which",
            "who",
            ",",
            "and",
            "there",
            "do",
            "does",
            "did",
            "have",
            "has",
            "had",
            "currently",
            "also",
            "where",
        }:
            self.at += 1
            return True
        token = self.peek()
        if token is not None and token.slot is None and token.stem in VERBS:
            self.put("verb", token.lower)
            self.at += 1
            return True
        return False

    def moment(self) -> bool | None:
        """ "in 2023", "since 2024-01-01", "between ... and ...", "last 7 days"."""
        at = self.at
        verb = ""
        token = self.peek()
        if (
            token is not None
            and token.slot is None
            and token.lower.endswith(("ed", "en", "de", "d"))
            and self.date_named(token.stem)
        ):
            verb = token.stem
            self.at += 1
        elif self.verb and self.date_named(stem(self.verb)):
            verb = stem(self.verb)
        relation = self.take("in", "on", "during", "within", "over", "from", "for", "since", "after", "before", "until", "by",
                             "prior to", "starting from", "later than", "earlier than", "as of", "up to", "through",
                             "in the year", "in the month of", "for the year", "of", "between", "this", "at", "on or after",
                             "on or before", "no later than")  # fmt: skip
        self.skip_determiners()
        slot = self.slot(MOMENTS)
        if slot is None:
            self.at = at
            return None
        meaning = {
            "since": "since", "starting from": "since", "on or after": "since", "after": "after", "later than": "after",
            "before": "before", "prior to": "before", "earlier than": "before", "until": "until", "up to": "until",
            "through": "until", "on or before": "until", "no later than": "until", "by": "until",
        }.get(relation, "in")  # fmt: skip
        other: int | None = None
        if relation in {"between", "from"}:
            at = self.at
            if self.take("and", "to", "until", "through"):
                other = self.slot(MOMENTS)
            if other is None:
                self.at = at
                if relation == "between":
                    raise self.lost()
                if self.question.slots[slot].kind == "date":
                    meaning = "since"
        host, place = self.date_host(verb, self.question.slots[slot].kind)
        kind = self.question.slots[slot].kind
        if other is not None:
            self.add(host.where, Within(place, "since", slot, kind))
            self.add(host.where, Within(place, "until", other, self.question.slots[other].kind))
        else:
            self.add(host.where, Within(place, meaning, slot, kind))  # type: ignore[arg-type]
        return True

    def date_named(self, stemmed: str) -> bool:
        return any(
            one.is_date and self.names_date(one, stemmed)
            for things in self.scope
            for one in self.schema.fields[things.table].values()
        )

    def names_date(self, one: Field, stemmed: str) -> bool:
        from rowcall.planners.grammar.words import synonyms

        own = set(one.stems)
        return stemmed in own or bool(synonyms(stemmed) & own)

    def date_host(self, verb: str, kind: str) -> tuple[Things, Place]:
        """Whose date is meant: the one that the verb names, else the main date of what was named last."""
        candidates: list[tuple[float, Things, Place]] = []
        for recency, things in enumerate(reversed(self.scope)):
            fields = self.schema.fields[things.table]
            if verb:
                named = [one for one in fields.values() if one.is_date and self.names_date(one, verb)]
                named = [one for one in named if verb in one.stems] or named
                if len(named) == 1:
                    candidates.append((2.0 - 0.3 * recency, things, Place(named[0])))
                elif len(named) > 1:
                    raise self.lost(verb)
                continue
            years = [one for one in fields.values() if one.is_year]
            main = self.schema.main_date(things.table)
            if kind == "year" and len(years) == 1 and main is None:
                candidates.append((1.0 - 0.3 * recency, things, Place(years[0])))
            elif main is not None:
                event = any(step.up for step in self.schema.steps[things.table])
                candidates.append((1.0 - 0.3 * recency + 0.4 * event, things, Place(main)))
        if not candidates:
            raise self.lost()
        candidates.sort(key=lambda triple: -triple[0])
        if len(candidates) > 1 and candidates[0][0] == candidates[1][0]:
            raise self.lost()
        return candidates[0][1], candidates[0][2]

    def operator(self) -> tuple[str, str] | None:
        """A comparison's words, as (operator, form): "more than", "at least", ">"."""
        found = self.take(
            "more than", "greater than", "higher than", "larger than", "bigger than", "over", "above", "exceeding", ">",
            "less than", "fewer than", "lower than", "smaller than", "under", "below", "<", "at least", "no less than",
            "no fewer than", "a minimum of", ">=", "at most", "no more than", "up to", "a maximum of", "<=", "exactly",
            "equal to", "=", "greater than or equal to", "less than or equal to", "more than or equal to", "not equal to",
            "older than", "younger than", "longer than", "shorter than", "heavier than", "lighter than", "cheaper than",
        )  # fmt: skip
        if not found:
            return None
        if found in {
            "older than",
            "younger than",
            "longer than",
            "shorter than",
            "heavier than",
            "lighter than",
            "cheaper than",
        }:
            return None
        table = {
            "at least": ">=", "no less than": ">=", "no fewer than": ">=", "a minimum of": ">=", ">=": ">=",
            "greater than or equal to": ">=", "more than or equal to": ">=", "at most": "<=", "no more than": "<=",
            "up to": "<=", "a maximum of": "<=", "<=": "<=", "less than or equal to": "<=", "exactly": "=", "equal to": "=",
            "=": "=", ">": ">", "<": "<", "not equal to": "<>",
        }  # fmt: skip
        if found in table:
            return table[found], found
        return ENGLISH["comparatives"][found.split()[0]], found

    def amount(self) -> tuple[str, Value, Value | None] | None:
        """A comparison with its number: (operator, value, upper value of a range)."""
        self.take("is", "are", "of", "was", "were", "a", "value", "that is", "which is")
        self.take("of")
        if self.take("between"):
            low = self.slot(NUMERIC)
            self.take("and")
            high = self.slot(NUMERIC)
            if low is None or high is None:
                raise self.lost()
            self.unit()
            return "between", Value(low), Value(high)
        operator = self.operator()
        slot = self.slot(NUMERIC)
        if slot is None:
            return None
        self.unit()
        if operator is None:
            if self.take("or more", "or higher", "or above", "or greater", "and above", "or over"):
                return ">=", Value(slot), None
            if self.take("or less", "or fewer", "or lower", "or below", "and below", "or under"):
                return "<=", Value(slot), None
            return "=", Value(slot), None
        return operator[0], Value(slot), None

    def unit(self) -> None:
        while (token := self.peek()) is not None and token.slot is None and token.stem in UNITS and not self.table():
            self.at += 1
            self.take("per hour")

    def compare(self, place: Place, amount: tuple[str, Value, Value | None], host: Things) -> None:
        operator, value, high = amount
        if operator == "between":
            assert high is not None
            self.add(host.where, Between(place, value, high))
        else:
            self.add(host.where, Compare(place, operator, value))

    def comparison(self) -> bool | None:
        """ "with a price over 50", "whose rating is at least 4", "priced under 20", "with more than 5 orders"."""
        self.take("with", "whose", "where", "having", "that have", "who have", "which have", "that has", "who has", "has", "have",
                  "and", "that", "who", "which", "had", "and have", "and whose", "and with", "that had", "who had")  # fmt: skip
        self.skip_determiners()
        at = self.at
        counted = self.attempt(self.counted_comparison)
        if counted:
            return True
        self.at = at
        found = self.fields_here()
        if found is None or not self.scope:
            return None
        length, meanings = found
        self.at += length
        for host in reversed(self.scope):

            def parse(host: Things = host) -> bool | None:
                place = self.resolve(meanings, host.table, lambda one: one.is_number or one.is_year or one.is_text)
                if self.average(place, host):
                    return True
                amount = self.amount()
                if amount is None:
                    return None
                if not (place.field.is_number or place.field.is_year or place.field.key):
                    return None
                self.compare(place, amount, host)
                return True

            if self.attempt(parse):
                return True
        return None

    def average(self, place: Place, host: Things) -> bool:
        """ "above average", "higher than the average price"."""

        def parse() -> bool | None:
            self.take("is", "are", "of")
            operator = self.operator()
            if operator is None:
                return None
            self.skip_determiners()
            if not self.take("average", "mean"):
                return None
            found = self.fields_here()
            if found is not None and any(one.field == place.field for one in found[1]):
                self.at += found[0]
            self.take("of all", "for all")
            table = self.table()
            if table is not None and table[1] == place.field.table:
                self.at += table[0]
            if place.path:
                return None
            self.add(host.where, Against(place, operator[0], "avg", Things(place.field.table)))
            return True

        return bool(self.attempt(parse))

    def counted_comparison(self) -> bool | None:
        """ "more than 5 orders", "at least 2 reviews", "exactly one address"."""
        amount = self.amount()
        if amount is None or amount[0] == "between":
            return None
        self.take("different", "distinct", "unique")
        things = self.things()
        for host in reversed(self.scope):
            path = self.path(host.table, things.table)
            if path and any(not step.up for step in path):
                self.add(host.where, Related(path, things, operator=amount[0], value=amount[1]))
                self.add(self.scope, things)
                return True
        return None

    def having_clause(self) -> bool | None:
        """ "that have orders", "with a final exam"."""
        self.take("that", "who", "which")
        if self.word() not in HAVE:
            return None
        self.at += 1
        self.skip_determiners()
        flag = self.flag_here()
        if flag:
            return True
        things = self.things()
        return self.relate(things)

    def flag_here(self, negated: bool = False) -> bool | None:
        def parse() -> bool | None:
            for length, meanings in self.mentions():
                for host in reversed(self.scope):
                    flags = [
                        one.field
                        for one in meanings
                        if one.field and one.field.is_flag and one.table == host.table and one.weight >= 0.85
                    ]
                    if len(flags) == 1:
                        self.at += length
                        self.add(host.where, Flag(Place(flags[0]), not negated))
                        return True
            return None

        return self.attempt(parse)

    def flag_after(self) -> bool | None:
        """ "that are active", "who are not verified", "is open"."""
        self.take("that", "who", "which")
        if self.word() in BE:
            self.at += 1
        negated = bool(self.take("not"))
        token = self.peek()
        if token is None or token.slot is not None:
            return None
        for host in reversed(self.scope):
            flag = self.flag(host.table, token.stem, token.lower)
            if flag:
                self.at += 1
                self.add(host.where, Flag(flag[0], flag[1] != negated))
                return True
        return None

    def relate(self, things: Things, negated: bool = False) -> bool | None:
        """Tie rows of another table to what is being talked of: to the thing named last that is near enough."""
        best: tuple[float, Things, Path] | None = None
        for recency, host in enumerate(reversed(self.scope)):
            if host.table == things.table:
                continue
            path = self.path(host.table, things.table)
            if not path:
                continue
            cost = len(path) + 0.8 * recency
            if best is None or cost < best[0]:
                best = (cost, host, path)
        if best is None:
            raise self.lost()
        _, host, path = best
        self.add(host.where, Related(path, things, negated))
        self.add(self.scope, things)
        return True

    def without(self) -> bool | None:
        """ "without any orders", "with no reviews", "who have never ordered", "that have not placed orders"."""
        self.take("that", "who", "which", "and")
        if self.take(
            "without any", "without", "with no", "with zero", "have no", "has no", "had no", "having no", "lacking"
        ):
            self.skip_determiners()
            if self.flag_here(negated=True):
                return True
            return self.relate(self.things(), negated=True)
        self.take("have", "has", "had", "do", "does", "did", "were", "was", "are", "is")
        if not self.take("not", "never"):
            return None
        self.take("been", "have", "had", "yet")
        token = self.peek()
        if token is not None and token.slot is None and token.stem in VERBS and self.table() is None:
            self.at += 1
        self.take("by", "in", "to", "for", "from", "any")
        self.skip_determiners()
        things = self.things()
        return self.relate(things, negated=True)

    def value_of_column(self) -> bool | None:
        """ "with status pending", "in the city of Rome", "whose name is ...", "category Books", "titled ..."."""
        preposition = self.take(
            "in",
            "from",
            "with",
            "for",
            "of",
            "to",
            "at",
            "on",
            "by",
            "under",
            "whose",
            "where",
            "and",
            "and with",
            "has",
            "have",
        )
        self.skip_determiners()
        found = self.mentions()
        if not found or not self.scope:
            return None
        length, meanings = found[0]
        self.at += length
        how = "equals"
        negated = False
        folded = False
        if self.take("of", "is", "are", "was", "=", ":", "named", "called", "equal to", "equals", "being", "as", "id"):
            negated = bool(self.take("not"))
        elif self.take("contains", "containing", "includes", "including", "that contains", "with"):
            how = "contains"
        elif self.take("starts with", "starting with", "begins with", "beginning with", "start with", "begin with"):
            how = "prefix"
        elif self.take("ends with", "ending with", "end with", "ending in"):
            how = "suffix"
        elif self.take("is not", "not", "other than", "!="):
            negated = True
        slot = self.slot({"entity", "text"})
        if slot is None:
            return None
        if self.question.slots[slot].kind == "entity" and how == "equals":
            try:
                self.entity(slot, self.scope, meanings, negated, preposition)
            except Lost:
                fields = [one for one in meanings if one.field]
                if not fields or meanings[0].weight < 0.85:
                    raise
                return self.text(slot, meanings, how, negated, folded)
            return True
        return self.text(slot, meanings, how, negated, folded)

    def text(self, slot: int, meanings: list[Mention], how: str, negated: bool, folded: bool) -> bool | None:
        def named(one: Mention) -> list[Mention]:
            if one.field is not None:
                return [one] if one.field.is_text else []
            return [Mention(one.table, name, one.weight) for name in self.schema.names(one.table) if name.is_text][:1]

        texts = [each for one in meanings for each in named(one)]
        for host in reversed(self.scope):

            def parse(host: Things = host) -> bool | None:
                place = self.resolve_any(texts, host.table)
                one: Condition = Like(place, how, slot, folded)  # type: ignore[arg-type]
                self.add(host.where, Not(one) if negated else one)
                return True

            if self.attempt(parse):
                return True
        return None

    def resolve_any(self, meanings: Sequence[Mention], base: str) -> Place:
        """Like `resolve`, through tables of which there may be many too."""
        ranked = []
        for one in meanings:
            path = self.path(base, one.table)
            if path is not None and one.field is not None:
                cost = 0.15 * bool(path) + 0.1 * len(path) + 0.1 * any(not step.up for step in path)
                ranked.append((one.weight - cost, Place(one.field, path)))
        ranked.sort(key=lambda pair: -pair[0])
        if not ranked or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 0.02):
            raise self.lost()
        return ranked[0][1]

    def value_alone(self) -> bool | None:
        """ "in Rome", "from Spain", "are pending": a value without its column."""
        self.take("that", "who", "which")
        if self.word() in BE:
            self.at += 1
        negated = bool(self.take("not"))
        preposition = self.take(
            "in",
            "from",
            "with",
            "for",
            "of",
            "to",
            "at",
            "on",
            "by",
            "under",
            "as",
            "outside",
            "outside of",
            "based in",
            "located in",
            "living in",
        )
        if preposition.startswith("outside"):
            negated = True
        self.skip_determiners()
        slots = []
        first = self.slot({"entity"})
        if first is None or not self.scope:
            return None
        slots.append(first)
        joined = ""
        while True:
            at = self.at
            word = self.take("or", "and", ",", ", or", ", and")
            self.take(*([preposition] if preposition else []))
            other = self.slot({"entity"}) if word else None
            if other is None or self.question.slots[other].columns != self.question.slots[first].columns:
                self.at = at
                break
            joined = word if "or" in word or "and" in word else joined
            slots.append(other)
        for slot in slots:
            self.entity(slot, self.scope, (), negated, preposition.split()[-1] if preposition else "")
        if len(slots) > 1:
            host = next(things for things in reversed(self.scope) if things.where)
            taken = [host.where[-len(slots) + index] for index in range(len(slots))]
            if negated:
                return True
            if (
                any(not step.up for one in taken for step in getattr(one, "place", Place(None)).path)
                and "or" not in joined
            ):  # type: ignore[arg-type]
                raise self.lost()
            old = list(host.where)
            self.trail.append(lambda: host.where.__setitem__(slice(None), old))
            host.where[-len(slots) :] = [Either(tuple(taken))]
        return True

    def related_things(self) -> bool | None:
        """ "of customers from Spain", "by users who ...", "in journals": other things that these belong to or have."""
        self.take("that", "who", "which")
        self.take("have", "has", "had", "were", "was", "are", "is", "been", "have been")
        token = self.peek()
        if token is not None and token.slot is None and token.stem in VERBS and self.table() is None:
            self.put("verb", token.lower)
            self.at += 1
        self.take(*PREPOSITIONS)
        if self.word() in {"each", "every", "per"}:
            return None
        self.skip_determiners()
        things = self.things()
        return self.relate(things)

    # -- grouping, order, what is shown ------------------------------------------------------------------------

    def grouping(self) -> bool | None:
        """ "per month", "by category and city", "for each customer", "in each region"."""
        self.take(",")
        word = self.take("per", "by each", "by", "for each", "for every", "in each", "in every", "from each", "of each", "at each",
                         "to each", "by the", "across each", "across", "across different", "across all", "split by",
                         "broken down by", "grouped by", "group by", "each", "every", "on each", "within each", "with each",
                         "does each", "through each", "under each", "are there in each", "for each of the", "by different")  # fmt: skip
        if not word:
            adverb = self.word()
            if adverb in {"daily", "weekly", "monthly", "quarterly", "yearly", "annually"} and self.shown:
                self.at += 1
                self.group_by_bucket(BUCKETS[adverb])
                return True
            return None
        if word in {"by", "by the"} and not any(_is_measure(one) for one in self.shown):
            return None
        while True:
            self.skip_determiners()
            self.dimension()
            at = self.at
            if self.take("and", ",", ", and", "and by", "and per", "and each", "and for each"):
                if self.attempt(lambda: self.dimension() or True):
                    self.at = at
                    self.take("and", ",", ", and", "and by", "and per", "and each", "and for each")
                    continue
                self.at = at
            return True

    def dimension(self) -> None:
        things = self.measured()
        bucket = BUCKETS.get(self.word())
        if bucket and not self.exact_field(things):
            self.at += 1
            self.group_by_bucket(bucket)
            return
        meanings = self.mentions()
        if not meanings:
            raise self.lost()
        for length, found in meanings:
            at = self.at
            self.at += length
            if self.try_dimension(things, found):
                return
            self.at = at
        raise self.lost()

    def exact_field(self, things: Things) -> bool:
        found = self.fields_here()
        return bool(found and any(one.table == things.table and one.weight >= 1.0 for one in found[1]))

    def measured(self) -> Things:
        for one in self.shown:
            if isinstance(one, Measure):
                return one.things
            if isinstance(one, Ratio) and isinstance(one.above, Measure):
                return one.above.things
        if self.base is None:
            raise self.lost()
        return self.base

    def try_dimension(self, things: Things, found: list[Mention]) -> bool:
        key_word = self.take("id", "ids", "name", "names", "code")
        tables = [one for one in found if one.field is None and one.table != things.table]
        fields = [one for one in found if one.field is not None]
        best_field = max((one.weight for one in fields if one.table == things.table), default=0.0)
        table = tables[0] if tables and tables[0].weight > best_field - 0.1 else None
        if table is not None and (best_field < 1.0):
            path = self.path(things.table, table.table)
            if path is not None:
                of = Things(table.table)
                names = self.schema.names(of.table)
                if key_word in {"id", "ids", "code"}:
                    names = tuple(self.schema.fields[of.table][name] for name in self.schema.key(of.table))
                if not names:
                    return False
                dimension = Dimension(things=of, shown=tuple(Place(one) for one in names))
                self.add(self.dimensions, dimension)
                self.add(self.scope, of)
                return True
        if key_word:
            self.at -= 1
        if not fields:
            return False

        def parse() -> Place | None:
            return self.resolve(fields, things.table)

        place = self.attempt(parse)
        if place is None:
            return False
        if (
            place.field.is_number
            and not place.field.is_year
            and place.field.column.type.startswith(("numeric", "real", "double"))
        ):
            return False
        self.add(self.dimensions, Dimension(place=place))
        return True

    def group_by_bucket(self, unit: str) -> None:
        things = self.measured()
        main = self.schema.main_date(things.table)
        if main is None:
            years = [one for one in self.schema.fields[things.table].values() if one.is_year]
            if unit != "year" or len(years) != 1:
                raise self.lost()
            self.add(self.dimensions, Dimension(place=Place(years[0])))
            return
        dimension = Dimension(bucket=Bucket(Place(main), unit))
        self.add(self.dimensions, dimension)
        if not self.order:
            self.add(self.order, Order(dimension, False))

    def direction(self) -> bool | None:
        """Whether the words here say descending (true) or ascending (false)."""
        if self.take("in descending order", "in decreasing order", "descending", "desc", "from highest to lowest", "highest first",
                     "from largest to smallest", "from most to least", "high to low", "largest first", "newest first",
                     "from longest to shortest", "latest first", "most recent first", "from best to worst", "in reverse order",
                     "from newest to oldest", "from high to low"):  # fmt: skip
            return True
        if self.take("in ascending order", "in increasing order", "ascending", "asc", "from lowest to highest", "lowest first",
                     "from smallest to largest", "from least to most", "low to high", "alphabetically", "in alphabetical order",
                     "oldest first", "earliest first", "from shortest to longest", "from low to high", "cheapest first",
                     "from oldest to newest", "smallest first"):  # fmt: skip
            return False
        return None

    def ordering(self) -> bool | None:
        self.take(",")
        self.take("and")
        if not self.take(
            "ordered", "sorted", "ranked", "order", "sort", "arranged", "and sorted", "ordering", "starting"
        ):
            return None
        if not self.take("by"):
            descending = self.direction()
            if descending is None:
                return None
            return self.order_without_column(descending)
        return self.order_by()

    def order_without_column(self, descending: bool) -> bool | None:
        text = self.word(-1) in {"alphabetically"} or "alphabetical" in self.word(-2)
        measures = [one for one in self.shown if _is_measure(one)]
        if self.order and not text:
            first = self.order[0]
            old = list(self.order)
            self.trail.append(lambda: self.order.__setitem__(slice(None), old))
            self.order[0] = Order(first.by, descending)
            return True
        if text:
            places = [one for one in self.shown if isinstance(one, Place) and one.field.is_text]
            if not places and self.base is not None and not measures:
                places = [Place(one) for one in self.schema.names(self.base.table)]
            if len(places) != 1:
                raise self.lost()
            self.add(self.order, Order(places[0], descending))
            return True
        if len(measures) == 1:
            self.clear_bucket_order()
            self.add(self.order, Order(measures[0], descending))
            return True
        return None

    def clear_bucket_order(self) -> None:
        if self.order and isinstance(self.order[0].by, Dimension):
            self.trail.append(self.order.clear)
            old = list(self.order)
            self.trail.append(lambda: self.order.extend(old))
            self.order.clear()

    def order_by(self) -> bool | None:
        self.skip_determiners()
        measures = [one for one in self.shown if _is_measure(one)]
        # an order by what is shown already
        for one in measures:

            def same(one: Expression = one) -> bool | None:
                again = self.measure(None if not self.base else self.base)
                if again is None or not _alike(one, again):
                    return None
                return True

            at, trail = self.at, len(self.trail)
            if self.attempt(same):
                end = self.at
                self.at = at
                while len(self.trail) > trail:
                    self.trail.pop()()
                self.at = end
                self.clear_bucket_order()
                self.add(self.order, Order(one, bool(self.direction())))
                return True
        for dimension in self.dimensions:
            if self.attempt(lambda dimension=dimension: self.order_by_dimension(dimension)):  # type: ignore[misc]
                return True
        if self.base is None:
            raise self.lost()
        base = self.base
        if not measures:
            return self.order_by_measure(base)
        raise self.lost()

    def order_by_dimension(self, dimension: Dimension) -> bool | None:
        bucket = BUCKETS.get(self.word())
        if dimension.bucket and bucket == dimension.bucket.unit:
            self.at += 1
        else:
            fits = False
            for length, meanings in self.mentions():
                own = dimension.place.field if dimension.place else None
                shown = {one.field for one in dimension.shown}
                table = dimension.things.table if dimension.things else None
                if any(one.field in shown or one.field == own if one.field else one.table == table for one in meanings):
                    self.at += length
                    if dimension.things is not None:
                        self.take("name", "names")
                    fits = True
                    break
            if not fits:
                return None
        self.clear_bucket_order()
        self.add(self.order, Order(dimension, bool(self.direction())))
        return True

    def order_by_measure(self, base: Things) -> bool | None:
        def text() -> bool | None:
            for length, meanings in self.mentions():
                self.at += length
                is_name = self.word(-1) in {"name", "names"}
                fields = [one for one in meanings if one.field]
                table = [one for one in meanings if one.field is None and one.table == base.table]
                if table and self.take("name", "names", "'s name"):
                    is_name, fields = True, []
                if is_name and (table or any(one.table == base.table for one in fields) or not fields):
                    for one in self.schema.names(base.table):
                        self.add(self.order, Order(Place(one), False))
                elif fields:
                    self.add(self.order, Order(self.resolve(fields, base.table), False))
                else:
                    return None
                descending = self.direction()
                if descending:
                    self.order[-1] = replace(self.order[-1], descending=True)
                return True
            return None

        if self.attempt(text):
            return True
        measure = self.measure(base)
        if measure is None:
            raise self.lost()
        self.add(self.order, Order(measure, bool(self.direction())))
        if _is_measure(measure):
            self.add(self.shown, measure)
        return True

    def ranking(self) -> bool | None:
        """ "with the highest price", "by revenue" after "top 10", "with the most orders", "has the longest ..."."""
        base = self.base
        if base is None:
            return None
        top = next((one for one in self.pending if not one.hints), None)
        if top is not None and self.take("by", "in terms of", "based on", "ranked by", "according to"):
            measure = self.measure(base)
            if measure is None:
                raise self.lost()
            self.rank(top, measure)
            return True
        self.take(",")
        self.take("that", "who", "which")
        self.take("with", "has", "have", "had", "having", "received", "has received", "have received", "made", "placed",
                  "has made", "have made", "has placed", "have placed", "wrote", "has written", "got", "generated")  # fmt: skip
        token = self.peek()
        if (
            token is not None
            and token.slot is None
            and token.stem in VERBS
            and self.word(1) in {"the", "most", "least", "fewest"}
            and self.table() is None
        ):
            self.at += 1
        self.skip_determiners()
        word = self.word()
        if word not in ENGLISH["superlatives"]:
            return None
        self.at += 1
        direction, hints = ENGLISH["superlatives"][word]
        if word in {"recent", "latest"} and False:
            return None
        one = top or Superlative(direction == "desc", (), None)
        one = Superlative(direction == "desc", (), one.limit)
        if word in {"most", "least", "fewest"}:
            self.take("number of")
            measure = self.counted(base)
            if measure is None and word != "fewest":
                measure = self.measure(base)
        elif self.take("number of", "count of", "total number of"):
            measure = self.counted(base)
        else:
            measure = self.measure(base)
        if measure is None:
            raise self.lost()
        self.rank(one, measure, top)
        return True

    def rank(self, one: Superlative, measure: Expression, top: Superlative | None = None) -> None:
        used = top or one
        if used in self.pending:
            index = self.pending.index(used)
            self.pending.pop(index)
            self.trail.append(lambda: self.pending.insert(index, used))
        self.add(self.order, Order(measure, one.descending))
        self.put("ranked", True)
        limit = one.limit or used.limit
        if limit is None and (self.singular or not self.plural_base()):
            limit = Value(constant=1)
        if limit is not None:
            self.put("limit", limit)

    ranked = False

    def plural_base(self) -> bool:
        return not self.singular

    def also_shown(self) -> bool | None:
        """ "and how many orders each has", "and their emails", "along with the price"."""
        self.take(",")
        if not self.take("and", "along with", "together with", "as well as", "with"):
            return None
        self.skip_determiners()
        if self.take("how many", "the number of", "number of"):
            if self.base is None:
                return None
            for order in self.order:
                if isinstance(order.by, Measure) and order.by.function == "count":
                    table = self.table()
                    if table and table[1] == order.by.things.table:
                        self.at += table[0]
                        self.take(
                            "they have",
                            "they had",
                            "it has",
                            "each has",
                            "each have",
                            "do they have",
                            "does it have",
                            "each one has",
                        )
                        self.add(self.shown, order.by)
                        return True
            return None
        if self.base is None or any(_is_measure(one) for one in self.shown):
            return None
        found = self.fields_here()
        if found is None:
            return None
        self.at += found[0]
        place = self.resolve(found[1], self.base.table)
        if not self.shown:
            for one in self.schema.names(self.base.table):
                self.add(self.shown, Place(one))
        self.add(self.shown, place)
        return True

    # -- the result --------------------------------------------------------------------------------------------

    def hinted(self, one: Superlative, key: str) -> Expression:
        for hint in one.hints:
            if hint == "{date}":
                main = self.schema.main_date(key)
                if main is not None:
                    return Place(main)
            elif hint not in {"{age}", "{first}"}:
                meanings = [
                    each for each in self.schema.lookup(tuple(stem(word) for word in hint.split()))
                    if each.field and each.table == key and each.field.is_number
                ]  # fmt: skip
                if meanings:
                    return self.resolve(meanings, key)
        raise Lost("how to order")

    def reading(self) -> Reading:
        base = self.base
        if base is None:
            raise self.lost()
        for one in list(self.pending):
            if not one.hints:
                raise Lost("by what to rank")
            self.order.append(Order(self.hinted(one, base.table), one.descending))
            self.ranked = True
            if one.limit is not None:
                self.limit = one.limit
            elif self.singular:
                self.limit = Value(constant=1)
        measures = [one for one in self.shown if _is_measure(one)]
        ordered = [order.by for order in self.order if not isinstance(order.by, Dimension) and _is_measure(order.by)]
        if not measures and ordered:
            return self.ranked_things(base)
        if measures and any(isinstance(one, Place) for one in self.shown):
            return self.ranked_things(base)
        if (
            measures
            and all(isinstance(one, Measure) and one.things is not base for one in measures)
            and not self.dimensions
        ):
            return self.ranked_things(base)
        if not measures:
            if self.dimensions or self.having:
                raise Lost("what to measure")
            self.choose_columns(base)
        self.order_by_default()
        self.refuse_counted_twice()
        return Reading(
            base, self.shown, self.dimensions, self.having, self.order, self.limit, self.distinct, self.keep_empty
        )

    def order_by_default(self) -> None:
        """Groups come by time where time groups them, else the greatest number first."""
        if self.order or not self.dimensions:
            return
        timed = [one for one in self.dimensions if one.bucket or (one.place is not None and one.place.field.is_year)]
        if timed:
            self.order = [Order(timed[0], False)]
            return
        measures = [one for one in self.shown if _is_measure(one)]
        if measures:
            self.order = [Order(measures[0], True)]

    def refuse_counted_twice(self) -> None:
        """Rows that another table already holds the count of: the two may differ, and nobody said which is meant."""
        for one in self.shown:
            if isinstance(one, Measure) and one.function == "count" and one.place is None and not one.things.where:
                own = self.schema.table_stems(one.things.table)
                for fields in self.schema.fields.values():
                    for each in fields.values():
                        if each.counts == own and each.table != one.things.table and self.dimensions:
                            raise Lost(
                                f"number of {self.schema.table_words(one.things.table)} (counted, or {each.qualified})"
                            )

    def choose_columns(self, base: Things) -> None:
        if self.shown or (self.listed and not self.ranked):
            return
        if self.listed and not self.limit:
            return
        names = self.schema.names(base.table)
        if not names or all(one.key for one in names):
            return
        self.shown = [Place(one) for one in names]
        if self.limit is not None and self.limit.constant == 1:
            return
        for order in self.order:
            if isinstance(order.by, Place) and order.by not in self.shown:
                self.shown.append(order.by)

    def ranked_things(self, base: Things) -> Reading:
        """Things shown with, or ordered by, a number made of others: each thing is a group."""
        places = [one for one in self.shown if isinstance(one, Place)]
        measures = [one for one in self.shown if _is_measure(one)]
        names = tuple(places) or tuple(Place(one) for one in self.schema.names(base.table))
        if not names or self.dimensions:
            raise Lost("what to show")
        whole = Dimension(things=base, shown=names)
        if not places and not measures and not (self.limit is not None and self.limit.constant == 1):
            measures = [
                order.by for order in self.order if not isinstance(order.by, Dimension) and _is_measure(order.by)
            ]
        self.dimensions = [whole]
        self.refuse_counted_twice()
        if measures and not self.order:
            self.order = [Order(measures[0], True)]
        of = [one for one in (*measures, *(order.by for order in self.order)) if isinstance(one, Measure)]
        if any(one.things is base for one in of):
            raise Lost("what to measure")
        return Reading(of[0].things, measures, [whole], [], self.order, self.limit, False, self.keep_empty)


def _is_measure(one: object) -> bool:
    return isinstance(one, Measure) or (isinstance(one, Ratio) and _is_measure(one.above))


def _alike(one: Expression, other: Expression) -> bool:
    if isinstance(one, Measure) and isinstance(other, Measure):
        return (one.function, one.place, one.things.table) == (other.function, other.place, other.things.table)
    return one == other
