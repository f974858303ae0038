"""Numbers made of rows: counts, sums, averages, extremes, revenue, ratios and percentages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from rowcall.planners.grammar.conditions import Conditions
from rowcall.planners.grammar.cursor import Lost
from rowcall.planners.grammar.nouns import Superlative
from rowcall.planners.grammar.reading import (
    Compare,
    Condition,
    Dimension,
    Expression,
    Function,
    Measure,
    Order,
    Place,
    Ratio,
    Related,
    Things,
    Value,
    Within,
)
from rowcall.planners.grammar.schema import Field, Mention, Schema
from rowcall.planners.grammar.words import ENGLISH, PHRASES, stem, stems
from rowcall.question import Question

COUNTING = tuple(PHRASES["counting"])
PORTIONS: dict[str, bool] = PHRASES["portions"]
BEGINNINGS = stems("beginnings")
AGGREGATES: dict[str, Function] = {
    "total": "sum", "sum": "sum", "combined": "sum", "average": "avg", "mean": "avg", "avg": "avg", "median": "median",
    "maximum": "max", "max": "max", "minimum": "min", "min": "min", "highest": "max", "lowest": "min",
}  # fmt: skip


class Measures(Conditions):
    """`base` are the rows asked for or measured; `shown` is what the answer shows of them."""

    def __init__(self, question: Question, schema: Schema) -> None:
        super().__init__(question, schema)
        self.base: Things | None = None
        self.shown: list[Expression] = []
        self.dimensions: list[Dimension] = []
        self.having: list[tuple[Measure, str, Value]] = []
        self.order: list[Order] = []
        self.limit: Value | None = None
        self.moneyed: tuple[dict[str, Any], Function] | None = None

    def modifiers(self, until: Sequence[str] = ()) -> None:
        raise NotImplementedError

    def set_base(self, things: Things) -> None:
        if self.base is None:
            self.put("base", things)
        if not any(one is things for one in self.scope):
            self.add(self.scope, things)

    def measure(self, base: Things | None) -> Expression | None:
        """A number that can be shown, ordered by or compared, of the rows or groups of `base` where that is known."""
        self.skip_determiners()
        if self.take("ratio of", "ratio between"):
            return self.ratio()
        portion = self.take(*PORTIONS)
        if portion:
            return self.portion(PORTIONS[portion])
        if self.take(*COUNTING):
            return self.counting(base)
        function = AGGREGATES.get(self.word())
        exact = self.columns_here()
        own = [one for one in exact[1] if base is not None and one.table == base.table] if exact else []
        if function and exact and exact[0] > 1 and own and own[0].weight >= 0.95:
            function = None  # "minimum order value" is a column's own name
        if function:
            self.at += 1
            self.take("of")
            self.skip_determiners()
            if self.take("number of", "count of"):
                return self.counting(base) if function == "sum" else self.counted_column(base, function)
        known = ENGLISH["measures"].get(self.word())
        if known and (function in {None, "sum"}) and not self._named_exactly():
            name = self.word()
            self.at += 1
            self.take("amount", "value")
            found = replace(self.money(known, base, "sum"), name=name)
            if base is None:
                self.put("moneyed", (known, "sum"))
            return found
        return self.column(base, function)

    def _named_exactly(self) -> bool:
        found = self.columns_here()
        return bool(found and found[1][0].weight >= 0.95 and found[1][0].field and found[1][0].field.is_number)

    # -- columns -----------------------------------------------------------------------------------------------

    def column(self, base: Things | None, function: Function | None) -> Expression | None:
        """ "price", "average price of products", "average product price", "customer age"."""
        table = self.table()
        found = self.columns_here()
        at = self.at
        if table is not None:
            self.at += table[0]
            self.take("'s")
            inner = self.columns_here()
            own = [one for one in inner[1] if one.table == table[1] and one.weight >= 0.7] if inner else []
            if inner and own and table[0] + inner[0] > (found[0] if found else 0):
                self.at += inner[0]
                return self.aggregated(own, base, function, Things(table[1]))
            self.at = at
        if found is None or (table is not None and table[0] >= found[0] and found[1][0].weight < table[2]):
            return None
        self.at += found[0]
        if function in {"min", "max"} and self.table():
            raise self.lost()  # "the highest paid doctor" is a doctor
        return self.aggregated(found[1], base, function, None)

    def aggregated(
        self, meanings: Sequence[Mention], base: Things | None, function: Function | None, of: Things | None
    ) -> Expression | None:
        dated = function in {"min", "max"} or function is None
        numbers = [one for one in meanings if one.field and (one.field.is_number or (dated and one.field.is_date))]
        if not numbers:
            raise self.lost()
        if base is not None:
            place = self.attempt(
                lambda: self.resolve(
                    numbers, (of or base).table if of is None or self.up(base.table, of.table) is None else base.table
                )
            )
            if place is not None and (of is None or of.table == base.table):
                return place if function is None else Measure(function, base, place)
        things = of or self.of(numbers, function)
        known = next((one for one in self.scope if one.table == things.table), None)
        if known is not None and not things.where and (base is None or base.table == known.table):
            things = known
        place = self.resolve(numbers, things.table)
        if function == "sum" and self.of_one(place.field):
            raise self.lost(place.field.name)  # of each row's one piece, or of all its pieces
        again = self.table()
        if again is not None and again[1] == place.field.table and again[1] == things.table and not things.where:
            self.at += again[0]  # "cost of round-trip fares"
        if function is None:
            if base is not None:
                raise self.lost()  # a group has many of these, and no word says how to combine them
            self.set_base(things)
            return place
        if base is None:
            self.set_base(things)
        elif not any(one is things for one in self.scope):
            self.add(self.scope, things)
        return Measure(function, things, place)

    def of_one(self, field: Field) -> bool:
        """Whether this is what one piece costs or is worth, where rows tell how many pieces they are of."""
        beside = {one.stems for one in self.schema.fields[field.table].values() if one.is_number}
        counted = any((stem(one),) in beside for one in ENGLISH["quantity_columns"])
        prices = {tuple(stem(word) for word in one.split()) for one in ENGLISH["price_columns"]}
        return counted and (field.words[0] == "unit" or field.stems in prices)

    def of(self, meanings: Sequence[Mention], function: Function | None = None) -> Things:
        """The rows that a column is of: named after it ("of customers"), or the one table that has such a column."""

        def named() -> Things | None:
            if not self.take("of", "for", "from", "in", "across", "by", "among", "that"):
                return None
            self.take("all of", "all")
            if self.word() in {"each", "every", "per"}:
                return None
            by = self.word(-1) == "by"
            things = self.things()
            if by and not things.where and not self.plural(self.noun):
                return None
            fits = any(self.up(things.table, one.table) is not None for one in meanings)
            return things if fits else None

        def averaged_twice() -> bool | None:
            """ "average rating of products": of all ratings, or of each product's average?"""
            if not self.take("of", "for"):
                return None
            things = self.things()
            return any(self.up(one.table, things.table) for one in meanings)

        things = self.attempt(named)
        if things is not None:
            return things
        if function == "avg" and self.attempt(averaged_twice):
            raise Lost(f"{self.word(-1)} (the average of all, or of the averages of each)")
        best = [one for one in meanings if one.weight >= meanings[0].weight - 0.01]
        if len({one.table for one in best}) != 1:
            raise self.lost(f"{self.word(-1)} (of which table?)")
        return Things(best[0].table)

    # -- counts ------------------------------------------------------------------------------------------------

    def counting(self, base: Things | None) -> Expression | None:
        """What stands after "number of": rows of a table, or a column that already holds their number."""
        distinct = bool(self.take("distinct", "unique", "different"))
        self.skip_determiners()
        at, trail = self.at, len(self.trail)
        column = self.attempt(lambda: self.count_column(base))
        end = self.at
        self.back(at, trail)
        things = self.attempt(self.things)
        if column is not None and (things is None or end > self.at):
            self.back(at, trail)
            self.at = end
            return column
        if column is not None:
            raise self.lost(f"{self.tokens[at].text} (counted by a column or by rows)")
        if things is not None:
            self.set_base(things)
            return self.rows_of(things)
        found = self.columns_here()
        if found is None:
            return None
        totals = [
            one
            for one in found[1]
            if one.field and one.field.is_number and (one.field.words[0] == "total" or one.field.counts)
        ]
        if totals and not distinct and base is None:
            self.at += found[0]
            return self.aggregated(totals, base, "sum", None)
        self.at += found[0]
        of = base or self.of(found[1])
        place = self.resolve(found[1], of.table)
        if place.field.is_number and not distinct:
            return None
        self.set_base(of)
        return Measure("count", of, place, distinct=True)

    def rows_of(self, things: Things) -> Measure:
        """How many there are: rows, or the sum of a column "count" where each row stands for that many."""
        held = [one for one in self.schema.fields[things.table].values() if one.words == ("count",) and one.is_number]
        return Measure("sum", things, Place(held[0])) if held else Measure("count", things)

    def counted_column(self, base: Things | None, function: Function) -> Expression | None:
        """ "average number of references": of a column that holds a number of them."""
        for ahead in (2, 1):
            words = tuple(self.stem(index) for index in range(ahead))
            fields = [
                Mention(key, one, 1.0)
                for key, fields in self.schema.fields.items()
                for one in fields.values()
                if one.counts == words
            ]
            if fields and all(words):
                self.at += ahead
                if self.participle(1):  # "references cited", "citations received"
                    self.at += 1
                return self.aggregated(fields, base, function, None)
        raise self.lost()

    # -- money -------------------------------------------------------------------------------------------------

    def money(self, known: dict[str, Any], base: Things | None, function: Function) -> Measure:
        """Revenue, sales, spend: a column that says so, or quantity times price, nearest to what is asked about."""
        ranked: list[tuple[float, Measure]] = []
        for key, fields in self.schema.fields.items():
            path = self.up(key, base.table) if base is not None else ()
            if path is None:
                continue
            things = next((one for one in self.scope if one.table == key), None) or Things(key)
            for rank, phrase in enumerate(known["columns"]):
                wanted = tuple(stem(word) for word in phrase.split())
                ranked += [
                    (rank + 2 * len(path), Measure(function, things, Place(one)))
                    for one in fields.values()
                    if one.stems == wanted and one.is_number
                ]
            product = self._product(fields)
            if product is not None:
                ranked.append((8 + 2 * len(path), Measure(function, things, Place(product[0]), times=product[1])))
        ranked.sort(key=lambda pair: pair[0])
        if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
            raise self.lost(self.word(-1))
        found = ranked[0][1]
        self.set_base(found.things)
        return found

    def _product(self, fields: dict[str, Field]) -> tuple[Field, Field] | None:
        by_words = {one.stems: one for one in fields.values() if one.is_number}

        def first(names: list[str]) -> Field | None:
            phrases = (tuple(stem(word) for word in name.split()) for name in names)
            return next((by_words[phrase] for phrase in phrases if phrase in by_words), None)

        quantity, price = first(ENGLISH["quantity_columns"]), first(ENGLISH["price_columns"])
        return (quantity, price) if quantity and price else None

    # -- ratios ------------------------------------------------------------------------------------------------

    def operand(self, until: Sequence[str]) -> Things:
        """One side of a ratio: rows that are counted."""
        scope = list(self.scope)
        self.swap(self.scope, [])
        self.put("verb", "")
        self.skip_determiners()
        self.take("total number of", "number of", "total count of", "count of", "no of")
        self.skip_determiners()

        things = self.things()
        self.swap(self.scope, [things])
        self.modifiers(until)
        if self.dimensions or self.shown or self.order:
            raise self.lost()
        self.swap(self.scope, scope)
        return things

    def ratio(self) -> Expression | None:
        columns = cast("Expression | None", self.attempt(self._ratio_of_columns))
        if columns is not None:
            return columns
        above = self.operand(("to", "out of", "over", "and"))
        if not self.take("to", "out of", "over"):
            raise self.lost()
        whole = self.take(
            "the total number of", "all", "the number of all", "total number of", "all of the", "the total"
        )
        below = self.operand(("for each", "in each", "per", "by", "within each", "across"))
        if above.table != below.table:
            self.put("base", above)
            self.swap(self.scope, [above, below])
            return Ratio(Measure("count", above), Measure("count", below))
        return self.shares(above.table, above.where, below.where, whole != "" or not below.where)

    def shares(self, table: str, above: list[Condition], below: list[Condition], whole: bool) -> Ratio:
        """Two counts of one table: what narrows both is said once, at the end or the beginning."""
        common: list[Condition] = []
        columns = {_column_of(one) for one in above}
        for one in below:
            if _column_of(one) not in columns or one in above:
                common.append(one)
        base = Things(table, common)
        self.put("base", base)
        self.swap(self.scope, [base])
        only_above = tuple(one for one in above if one not in common)
        only_below = tuple(one for one in below if one not in common)
        if not only_above:
            raise self.lost("ratio")
        if whole and only_below:
            raise self.lost("ratio")
        return Ratio(Measure("count", base, only=only_above), Measure("count", base, only=only_below))

    def _ratio_of_columns(self) -> Expression | None:
        """ "ratio of price to weight for each product": of two columns of one row."""
        self.skip_determiners()
        first = self._numeric(None)
        if first is None or not self.take("to", "and", "per", "over"):
            return None
        self.skip_determiners()
        self.take("its", "their")
        second = self._numeric(first[1])
        if second is None:
            return None
        table = first[1] or second[1]
        if self.take("of", "for", "for each", "of each", "in each", "per", "across", "across different", "for every"):
            self.skip_determiners()
            at = self.at
            named = self.table()
            if named is None:
                return None
            table = named[1]
            self.at = at
            things = self.things()
            self.take("id", "ids", "code", "codes")
            by_key = self.word(-1) in {"id", "ids", "code", "codes"}
        else:
            return None
        above, below = self.resolve(first[0], table), self.resolve(second[0], table)
        if above.path or below.path:
            return None
        self.set_base(things)
        names = [Place(self.schema.fields[table][name]) for name in self.schema.key(table)] if by_key else None
        for place in names or [Place(one) for one in self.schema.names(table)]:
            self.add(self.shown, place)
        return Ratio(above, below)

    def _numeric(self, table: str | None) -> tuple[list[Mention], str | None] | None:
        self.take("maximum", "total")
        named = self.table()
        at = self.at
        if named is not None:
            self.at += named[0]
            self.take("'s")
            found = self.columns_here()
            if found and any(one.table == named[1] and one.field and one.field.is_number for one in found[1]):
                self.at += found[0]
                self._unit_of_column()
                return [one for one in found[1] if one.field and one.field.is_number], named[1]
            self.at = at
        found = self.columns_here()
        if found is None:
            return None
        numbers = [one for one in found[1] if one.field and one.field.is_number]
        if not numbers:
            return None
        self.at += found[0]
        self._unit_of_column()
        return numbers, table

    def _unit_of_column(self) -> None:
        if self.word() == "in" and self.stem(1) in ENGLISH["units"]:
            self.at += 2

    def portion(self, percent: bool) -> Expression | None:
        """ "percentage of orders that are cancelled", "proportion of flights with stops out of all flights"."""
        self.skip_determiners()
        whole = self.things()
        part = Things(whole.table)
        scope = list(self.scope)
        self.swap(self.scope, [part])
        self.take(*("are", "were", "have been", "is"))
        self.at -= self.word(-1) in {"are", "were", "been", "is"} and self.word(-1) != "been"
        self.modifiers(("out of", "per", "by", "for each", "in each"))
        if self.take("out of"):
            self.take("the total number of", "all", "the total", "the")
            table = self.table()
            if table is None or table[1] != whole.table:
                raise self.lost()
            self.at += table[0]
        common = [one for one in part.where if isinstance(one, Within)]
        only = tuple(one for one in part.where if not isinstance(one, Within))
        if not only:
            raise self.lost("percentage")
        whole.where.extend(common)
        self.put("base", whole)
        self.swap(self.scope, [*scope, whole])
        return Ratio(Measure("count", whole, only=only), Measure("count", whole), percent)

    # -- superlatives ------------------------------------------------------------------------------------------

    def hinted(self, one: Superlative, key: str) -> Place | None:
        """The column that a word such as "oldest" or "most expensive" orders by, in this table."""
        meanings: list[Mention] = []
        for hint in one.hints:
            if hint == "{date}":
                main = self.schema.main_date(key)
                if main is not None:
                    return Place(main)
            elif hint == "{age}":
                begun = [each for each in self.schema.fields[key].values() if set(each.stems) & BEGINNINGS]
                begun = [each for each in begun if each.is_date or each.is_year]
                if len(begun) == 1:
                    return Place(begun[0])
            else:
                meanings += [
                    each
                    for each in self.schema.lookup(tuple(stem(word) for word in hint.split()))
                    if each.field and each.table == key and each.field.is_number and not each.field.counts
                ]
        if not meanings:
            return None
        best = [one for one in meanings if one.weight >= max(each.weight for each in meanings) - 0.05]
        if len({one.field for one in best}) != 1:
            raise Lost("by what to rank")
        return Place(best[0].field) if best[0].field else None


def _column_of(one: Condition) -> object:
    if isinstance(one, Related):
        return one.things.table
    place = getattr(one, "place", None)
    return place.field if isinstance(place, Place) else one


def is_measure(one: object) -> bool:
    """Whether a number is made of many rows, and not a row's own."""
    return isinstance(one, Measure) or (isinstance(one, Ratio) and is_measure(one.above))


__all__ = ["Compare", "Measures", "is_measure"]
