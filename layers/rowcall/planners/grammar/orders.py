"""What comes first, and how much of it: an order that is asked for, superlatives, the top so many."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from rowcall.planners.grammar.conditions import VERBS, WHO
from rowcall.planners.grammar.cursor import Lost
from rowcall.planners.grammar.groups import Groups
from rowcall.planners.grammar.measures import is_measure
from rowcall.planners.grammar.nouns import Superlative
from rowcall.planners.grammar.reading import (
    Dimension,
    Expression,
    Function,
    Measure,
    Order,
    Place,
    Ratio,
    Things,
    Value,
)
from rowcall.planners.grammar.schema import Schema
from rowcall.planners.grammar.words import ENGLISH, PHRASES
from rowcall.question import Question

BUCKETS: dict[str, str] = PHRASES["buckets"]
DOWN = tuple(PHRASES["down"])
UP = tuple(PHRASES["up"])


class Orders(Groups):
    """`ranked`: the things come by a number; `explicit`: their order was spelled out, so that all of them are meant."""

    def __init__(self, question: Question, schema: Schema) -> None:
        super().__init__(question, schema)
        self.singular = False
        self.ranked = False
        self.explicit = False

    def direction(self) -> bool | None:
        """Whether the words here say descending (true) or ascending (false)."""
        if self.take(*DOWN):
            return True
        if self.take(*UP):
            return False
        superlatives = ENGLISH["superlatives"]
        if (
            self.word() == "from"
            and self.word(1) in superlatives
            and self.word(2) == "to"
            and self.word(3) in superlatives
        ):
            self.at += 4
            return bool(superlatives[self.word(-3)][0] == "desc")
        return None

    def ordering(self) -> bool | None:
        self.take(",")
        self.take("and")
        self.take("with the results", "and the results")
        self.put("explicit", True)
        if not self.take(
            "ordered", "sorted", "ranked", "order", "sort", "arranged", "ordering", "sort them", "order them"
        ):
            return None
        descending = self.direction()
        if self.take("by"):
            return self.order_by(descending)
        return None if descending is None else self.order_plainly(descending)

    def order_plainly(self, descending: bool) -> bool | None:
        """A direction without a column: of what is ranked or measured already, or of the names."""
        alphabetical = "alphabetical" in f"{self.word(-1)} {self.word(-2)}"
        measures = [one for one in self.shown if is_measure(one)]
        hinted = [one for one in self.pending if one.hints]
        if hinted and not self.order and not alphabetical:
            return True if hinted[0].descending == descending else None
        if self.order and not alphabetical:
            self.swap(self.order, [replace(self.order[0], descending=descending), *self.order[1:]])
            return True
        if alphabetical and self.base is not None and not measures:
            places = [one for one in self.shown if isinstance(one, Place) and one.field.is_text]
            for one in places[:1] or [Place(one) for one in self.schema.names(self.base.table)]:
                self.add(self.order, Order(one, descending))
            return True
        if len(measures) == 1 and not alphabetical:
            self.add(self.order, Order(measures[0], descending))
            return True
        return None

    def order_by(self, before: bool | None = None) -> bool | None:
        self.skip_determiners()
        for dimension in self.dimensions:
            if self.attempt(lambda: self.order_by_dimension(dimension, before)):  # noqa: B023
                return True
        known = [
            one
            for one in (*self.shown, *(order.by for order in self.order))
            if isinstance(one, Measure | Ratio) and is_measure(one)
        ]
        ranked = [order for order in self.order if isinstance(order.by, Place)]
        if ranked and self.base is not None and not known and self.attempt(lambda: self.same_place(ranked[0])):
            self.swap(self.order, [replace(self.order[0], descending=self.down(before))])
            return True
        for one in known:
            if self.attempt(lambda: self.again(one)):  # noqa: B023
                descending = self.down(before)
                self.swap(self.order, [Order(one, descending)])
                if one not in self.shown:
                    self.add(self.shown, one)
                return True
        if self.base is None or known:
            raise self.lost()
        return self.attempt(lambda: self.order_by_column(before)) or self.order_by_measure(before)

    def down(self, before: bool | None) -> bool:
        after = self.direction()
        return bool(after if after is not None else before)

    def again(self, one: Measure | Ratio) -> bool | None:
        """Whether the words here say once more what is measured already."""
        at, trail = self.at, len(self.trail)
        if isinstance(one, Ratio):
            return bool(self.take("ratio", "percentage", "proportion")) or None
        function: Function = one.function
        self.take(
            "total", "average", "avg", "mean", "total number of", "number of", "count of", "count", "the", "sum of"
        )
        if function == "count":
            table = self.table()
            if table is not None and table[1] == one.things.table:
                self.at += table[0]
                self.trailing()
                return True
            return True if self.word(-1) == "count" else None
        found = self.columns_here()
        if found and one.place and any(each.field == one.place.field for each in found[1]):
            self.at += found[0]
            return True
        self.back(at, trail)
        return None

    def same_place(self, order: Order) -> bool | None:
        """Whether the words here name again the column that is ranked by already."""
        one = self.measure(self.base)
        if one == order.by and self.participle(1):
            self.at += 1
        return one == order.by

    def trailing(self) -> None:
        """ "they have published", "associated with each": words that only repeat the relation."""
        while self.word() in {
            "they",
            "it",
            "have",
            "has",
            "had",
            "he",
            "she",
            "each",
            "there",
            "are",
            "does",
            "do",
            "did",
        } or (self.stem() in VERBS and not self.table()):
            self.at += 1

    def order_by_dimension(self, dimension: Dimension, before: bool | None) -> bool | None:
        if dimension.bucket and BUCKETS.get(self.word()) == dimension.bucket.unit:
            self.at += 1
        else:
            own = {dimension.place.field} if dimension.place else {one.field for one in dimension.shown}
            table = dimension.things.table if dimension.things else None
            for length, meanings in self.mentions():
                if any(one.field in own if one.field else one.table == table for one in meanings):
                    self.at += length
                    self.take("name", "names", "'s name")
                    break
            else:
                return None
        named_time = dimension.place is not None and dimension.place.field.words[-1] in {
            "month",
            "day",
            "weekday",
            "quarter",
        }
        if named_time and dimension.place and dimension.place.field.is_text:
            raise Lost(f"{dimension.place.field.name} (its names do not sort by time)")
        self.swap(self.order, [Order(dimension, self.down(before))])
        return True

    def order_by_column(self, before: bool | None) -> bool | None:
        base = self.base
        if base is None:
            return None
        table = self.table()
        of, path = base, self.up(base.table, table[1]) if table is not None else None
        if table is not None and path is not None:
            at = self.at
            self.at += table[0]
            self.take("'s")
            if self.columns_here() or self.word() in {"name", "names", "id"}:
                of = base if not path else Things(table[1])  # "customer name"
            else:
                self.at, path = at, None
        word = self.word()
        found = self.columns_here()
        if found is None and word not in {"name", "names", "id"}:
            return None
        self.at += found[0] if found else 1
        places = self.named_columns(of, found[1] if found else [], word if not found or found[0] == 1 else "")
        places = [Place(one.field, (*(path or ()), *one.path)) for one in places]
        descending = self.down(before)
        for place in places:
            self.add(self.order, Order(place, descending))
            if place.field.is_number and not self.shown:
                self.put("ranked", True)
        return bool(places)

    def order_by_measure(self, before: bool | None) -> bool | None:
        one = self.measure(self.base) if self.base else None
        if one is None:
            raise self.lost()
        self.add(self.order, Order(one, self.down(before)))
        if is_measure(one):
            self.add(self.shown, one)
        return True

    def ranking(self) -> bool | None:
        """ "by revenue" after "top 10", "with the highest price", "that has received the most orders"."""
        base = self.base
        if base is None or any(is_measure(one) for one in self.shown):
            return None
        top = next((one for one in self.pending if not one.hints), None)
        if top is not None and self.take(
            "by", "in terms of", "based on", "ranked by", "according to", "by their", "by its"
        ):
            by = self.measure(base)
            if by is None:
                raise self.lost()
            return self.rank(top, by, top.descending)
        self.take(",")
        self.take(*WHO)
        self.take("with", "has", "have", "had", "having", "have been", "has been")
        while self.stem() in VERBS and self.table() is None and self.take_verb():
            pass
        self.take("in")
        if not self.take("the") and self.word() not in {"most", "least", "fewest", "highest", "lowest"}:
            return None
        word = self.word()
        if word not in ENGLISH["superlatives"] or (word == "most" and self.word(1) in ENGLISH["graded"]):
            return None
        self.at += 1
        counting = self.take("number of", "count of", "total number of", "no of", "amount of")
        direction = ENGLISH["superlatives"][word][0] == "desc"
        one: Expression | None
        if word in {"most", "least", "fewest"} or counting:
            one = cast("Expression | None", self.attempt(lambda: self.counting(base)))
            if one is None and not counting:
                one = self.measure(base)
        else:
            one = self.measure(base)
        if one is None:
            raise self.lost()
        return self.rank(top, one, direction)

    def rank(self, top: Superlative | None, one: Expression, descending: bool) -> bool:
        if top is not None:
            self.drop(self.pending, top)
        self.add(self.order, Order(one, descending))
        self.put("ranked", True)
        limit = top.limit if top else None
        if limit is None and self.singular:
            limit = Value(constant=1)
        if limit is not None:
            self.put("limit", limit)
        return True
