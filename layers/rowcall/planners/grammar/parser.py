"""From the words of a question to a reading, by recursive descent.

Every content word must be explained by the reading; the first one that is not ends the attempt with `Lost`. Nothing
is ever skipped because it is unknown, and where two meanings are equally good there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rowcall.planners.grammar.cursor import END, Lost
from rowcall.planners.grammar.measures import AGGREGATES, is_measure
from rowcall.planners.grammar.reading import (
    Compare,
    Dimension,
    Either,
    Expression,
    Function,
    Measure,
    Order,
    Place,
    Reading,
    Related,
    Things,
    Value,
    Within,
)
from rowcall.planners.grammar.schema import Mention, Schema
from rowcall.planners.grammar.shown import Shown
from rowcall.planners.grammar.words import ENGLISH, PHRASES, Token
from rowcall.question import Question

BUCKETS: dict[str, str] = PHRASES["buckets"]
LISTING = tuple(PHRASES["listing"])
WHAT = tuple(PHRASES["what"])
MOST = tuple(PHRASES["most"])
FEWEST = tuple(PHRASES["fewest"])
ADVERBS = frozenset({"daily", "weekly", "monthly", "quarterly", "yearly", "annual", "annually"})


class Parser(Shown):
    """One attempt at one question."""

    def __init__(self, question: Question, schema: Schema) -> None:
        super().__init__(question, schema)
        self.listed = False

    def read(self) -> Reading:
        self.main()
        while self.at < len(self.tokens):
            if self.word() in END:
                self.at += 1
            else:
                self.addendum()
        reading = self.reading()
        for things in (reading.things, *self.scope):
            self.refuse_contradictions(things)
        return reading

    def refuse_contradictions(self, things: Things) -> None:
        """No row has two values in one column, nor a date in two stretches of time: that was not what was meant."""
        said: set[tuple[Place, type]] = set()
        for one in things.where:
            if isinstance(one, Related):
                self.refuse_contradictions(one.things)
            elif (isinstance(one, Compare) and one.operator == "=") or (
                isinstance(one, Within) and one.relation == "in"
            ):
                if (one.place, type(one)) in said and all(step.up for step in one.place.path):
                    raise Lost(f"{one.place.field.name} (two values at once)")
                said.add((one.place, type(one)))

    def main(self) -> None:
        self.take("please", "can you", "could you")
        self.take("please")
        self.each_last()
        if self.take("how does the", "how do the", "how does", "how do"):
            self.varying()
            return
        asked = self.take("how many", "count", *LISTING, *WHAT, "which", "what", "who")
        if asked in LISTING:
            self.take("me", "us")
            asked = self.take(*WHAT, "how many", "count") or asked
        if asked == "what" and self.word() in {"percentage", "percent", "proportion"}:
            asked = "what is"
        if asked in {"how many", "count"}:
            self.take("the number of", "number of", "of", "the total number of", "the")
            one = self.counting(None)
            if one is None:
                raise self.lost()
            self.add(self.shown, one)
        else:
            if asked == "who":
                raise self.lost("who")
            self.put("listed", asked in LISTING or not asked)
            self.asked_for()
        self.modifiers()

    def each_last(self) -> None:
        """ "For each city, how many ..." asks the same as "how many ... for each city"."""
        if not (self.word() in {"for", "in", "per"} and self.word(1) in {"each", "every"}):
            return
        commas = [at for at, token in enumerate(self.tokens) if token.text == ","]
        ends = [at for at, token in enumerate(self.tokens) if token.text in END] or [len(self.tokens)]
        if len(commas) == 1:
            first, rest, after = self.tokens[: commas[0]], self.tokens[commas[0] + 1 : ends[0]], self.tokens[ends[0] :]
            self.tokens = [*rest, *first, *after]

    def varying(self) -> None:
        """ "How does the average price vary by category?"."""
        ends = [
            at
            for at, token in enumerate(self.tokens)
            if token.lower in {"vary", "differ", "change", "compare", "varies", "differs"}
        ]
        if len(ends) != 1:
            raise self.lost()
        at = ends[0]
        self.tokens = [token for index, token in enumerate(self.tokens) if index != at]
        self._mentions.clear()
        if at < len(self.tokens) and self.tokens[at].lower in {"between", "among", "with", "over"}:
            self.tokens[at] = Token("across", "across")
        self.put("listed", True)
        if not self.attempt(self.numbers):
            raise self.lost()
        self.modifiers()
        if not self.dimensions:
            raise Lost("varies by what")

    def modifiers(self, until: Sequence[str] = ()) -> None:
        """Everything after the noun, until the sentence ends or one of these phrases stands there."""
        handlers: tuple[Callable[[], bool | None], ...] = (
            self.ordering, self.grouping, self.ranking, *self.handlers(), self.also_shown,
        )  # fmt: skip
        while not self.ended():
            at = self.at
            if self.word() == "or" and self.attempt(lambda: self.either_way(handlers)):
                continue
            if until and self.take(*until):
                self.at = at
                return
            if any(self.attempt(handler) for handler in handlers) or self.glue():
                continue
            self.at = max(self.at, self.furthest)
            raise self.lost()

    def either_way(self, handlers: Sequence[Callable[[], bool | None]]) -> bool | None:
        """ "that serve Italian food or are in Rome": the one condition so far, or the next."""
        self.at += 1
        hosts = [things for things in self.scope if things.where]
        if len(hosts) != 1 or len(hosts[0].where) != 1:
            return None
        where, scopes = hosts[0].where, len(self.scope)
        first = where[0]
        inner = list(first.things.where) if isinstance(first, Related) else []
        for handler in handlers:
            if self.attempt(handler):
                break
        else:
            return None
        if isinstance(first, Related) and len(where) == 1 and len(first.things.where) == len(inner) + 1 == 2:
            self.swap(first.things.where, [Either(tuple(first.things.where))])
            return True
        if len(where) != 2 or len(self.scope) != scopes:
            return None
        self.swap(where, [Either(tuple(where))])
        return True

    def asked_for(self) -> None:
        """Rows of a table, columns of it, or numbers."""
        self.skip_determiners()
        parsers: tuple[Callable[[], bool | None], ...] = (
            self.for_each, self.numbers, self.groups, self.columns, self.rows,
        )  # fmt: skip
        for parse in parsers:
            if self.attempt(parse):
                return
        self.at = max(self.at, self.furthest)
        raise self.lost()

    def numbers(self) -> bool | None:
        """ "average price of products", "total revenue by month", "revenue per category", "the ratio of a to b"."""
        adverb = self.word() if self.word() in ADVERBS else ""
        self.at += bool(adverb)
        word = self.word()
        if word not in AGGREGATES and word not in ENGLISH["measures"] and word not in {
            "number", "count", "ratio", "percentage", "percent", "proportion", "fraction",
        }:  # fmt: skip
            return None
        several = self.several_aggregates()
        while True:
            one = self.measure(self.base)
            if one is None or isinstance(one, Place):
                return None
            for function in several:
                if not isinstance(one, Measure) or one.place is None:
                    return None
                self.add(self.shown, replace(one, function=function))
            self.add(self.shown, one)
            at = self.at
            if not (self.take("and", ",", ", and") and self._another_number()):
                self.at = at
                break
        if adverb:
            self.group_by(BUCKETS[adverb])
        return True

    def several_aggregates(self) -> list[Function]:
        """ "minimum, maximum and" before "average price": the others of them."""
        found: list[Function] = []
        at = self.at
        while self.word() in AGGREGATES:
            function = AGGREGATES[self.word()]
            self.at += 1
            if not self.take(", and", ",", "and") or self.word() not in AGGREGATES:
                break
            found.append(function)
            at = self.at
        self.at = at
        return found

    def _another_number(self) -> bool:
        self.skip_determiners()
        return self.word() in AGGREGATES or self.word() in {"number", "count"} or self.word() in ENGLISH["measures"]

    def groups(self) -> bool | None:
        """ "top 5 countries by number of customers", "which city has the most restaurants"."""
        self.superlative()
        self.skip_determiners()
        found = self.columns_here()
        table = self.table()
        if found is None or (table is not None and table[2] >= found[1][0].weight):
            return None
        self.at += found[0]
        singular = not self.plural(self.at - 1)
        top = next((one for one in self.pending if not one.hints), None)
        descending = top.descending if top else True
        if top is not None and self.take("by", "in terms of", "based on", "ranked by"):
            one = self.measure(None)
        elif self.take(*MOST):
            self.take("number of")
            one = self.counting(None)
        elif self.take(*FEWEST):
            self.take("number of")
            one, descending = self.counting(None), False
        elif self.take(
            "with the highest", "with the largest", "has the highest", "with the greatest", "has the largest"
        ):
            one = self.measure(None)
        elif self.take("with the lowest", "with the smallest", "has the lowest", "has the smallest"):
            one, descending = self.measure(None), False
        elif top is None and singular and self.take("has the", "had the"):
            return self.column_of_first(found[1])
        elif top is None and self.take("with", "having", "that have", "have", "has", "had"):
            return self.groups_that_have(found[1])
        else:
            return None
        limit = top.limit if top else None
        if not isinstance(one, Measure) or (limit is None and not singular):
            return None
        if top:
            self.drop(self.pending, top)
            self.add(self.shown, one)
        fields = [each for each in found[1] if each.field and not each.field.is_number and not each.field.is_date]
        place = self.attempt(lambda: self.resolve(fields, one.things.table)) or self.resolve(
            fields, one.things.table, anywhere=True
        )
        if len(place.path) > 1 and any(not step.up for step in place.path):
            return None
        dimension = Dimension(place=place)
        self.add(self.dimensions, dimension)
        self.add(self.order, Order(one, descending))
        self.put("limit", limit or Value(constant=1))
        return True

    def groups_that_have(self, meanings: list[Mention]) -> bool | None:
        """ "countries with more than 10 customers": values of a column that so many rows have."""
        amount = self.amount()
        if amount is None or amount[2] is not None:
            return None
        things = self.things()
        fields = [one for one in meanings if one.field and not one.field.is_number and not one.field.is_date]
        self.set_base(things)
        dimension = Dimension(place=self.resolve(fields, things.table))
        self.add(self.dimensions, dimension)
        self.add(self.having, (Measure("count", things), amount[0], amount[1]))
        self.add(self.order, Order(dimension, False))
        return True

    def column_of_first(self, meanings: list[Mention]) -> bool | None:
        """ "which city has the oldest museum": a column of the one row that comes first."""
        if not self.superlative():
            return None
        things = self.things()
        if self.plural(self.noun):
            return None
        self.set_base(things)
        self.add(self.shown, self.resolve(meanings, things.table))
        self.put("singular", True)
        return True

    def for_each(self) -> bool | None:
        """ "the name and average rating of each product": the things first, then what is said of them."""
        start = self.at
        places = [
            at + 1
            for at in range(self.at, len(self.tokens) - 1)
            if self.tokens[at].lower in {"for", "of"} and self.tokens[at + 1].lower in {"each", "every"}
        ]
        if len(places) != 1 or any(token.text in END for token in self.tokens[start : places[0]]):
            return None
        self.at = places[0] + 1
        things = self.things()
        end = self.at
        self.set_base(things)
        self.at = start
        measured = False
        while self.at < places[0] - 1:
            self.skip_determiners()
            if self.word() in AGGREGATES or self.word() in {"number", "count"} or self.word() in ENGLISH["measures"]:
                one = self.measure(things)
                if not isinstance(one, Measure) or one.things is things:
                    return None
                self.add(self.shown, one)
                measured = True
            else:
                column = self.one_column()
                if column is None or column[2] not in {None, things.table}:
                    return None
                for place in self.named_columns(things, column[0], column[1]):
                    self.add(self.shown, place)
            self.take("and", ",", ", and", "and their", "and its")
        if self.at != places[0] - 1 or not measured or not any(isinstance(one, Place) for one in self.shown):
            return None
        self.at = end
        return True

    def columns(self) -> bool | None:
        """ "names and emails of customers", "the title of the publication that ...", "customer names"."""
        if self.take("distinct", "unique", "different"):
            self.put("distinct", True)
        start, table = self.at, self.table()
        wanted, owner = self.column_list(None)
        if not wanted:
            return None
        self.superlative()
        first, each = self.word(start - self.at), False
        if self.take("of", "for", "from", "belonging to", "where", "in"):
            if self.word() in {"each", "every"}:
                self.at += 1
                each = True
            self.skip_determiners()
            self.superlative()
            things = self.things()
            if owner is not None and things.table != owner:
                return None
            own = max((one.weight for one in wanted[0][0] if one.table == things.table), default=0.0)
            if table is not None and table[1] != things.table and table[2] > own:
                return None  # "titles in the Drama genre" are titles
            if first in AGGREGATES and self.plural(self.noun):
                raise self.lost(first)  # "total of bills": theirs all together, or that of each
            self.put("singular", not self.plural(self.noun))
        elif owner is not None:
            things = Things(owner)
            self.put("singular", not self.plural(self.at - 1))
        else:
            return None
        self.set_base(things)
        places = [place for meanings, word in wanted for place in self.named_columns(things, meanings, word)]
        names = [Place(one) for one in self.schema.names(things.table)]
        for place in [*(one for one in names if each and one not in places), *places]:
            self.add(self.shown, place)
        return True

    def rows(self) -> bool | None:
        self.superlative()
        things = self.things()
        self.set_base(things)
        self.put("singular", not self.plural(self.noun))
        return True

    def reading(self) -> Reading:
        base = self.base
        if base is None:
            raise self.lost()
        for one in self.pending:
            place = self.hinted(one, base.table)
            if place is None or any(is_measure(each) for each in self.shown):
                raise Lost("by what to rank")
            self.order.append(Order(place, one.descending))
            self.ranked = True
            self.limit = one.limit or (Value(constant=1) if self.singular and one.hints else self.limit)
        measures = [one for one in self.shown if is_measure(one)]
        ordered = [order.by for order in self.order if is_measure(order.by)]
        places = [one for one in self.shown if isinstance(one, Place)]
        if not self.dimensions and (
            (ordered and not measures)
            or (measures and places)
            or any(isinstance(one, Measure) and one.things is not base for one in measures)
        ):
            return self.grouped(base, places, measures)
        if not measures and not ordered and not self.having:
            listed = self.listed and bool(self.pending)  # "recent orders" are all of them, the latest first
            if self.ranked and self.limit is None and not self.shown and not self.explicit and not listed:
                raise Lost("how many of them")
            self.choose_columns(base)
            self.order_by_name(base)
        self.order_groups()
        self.refuse_counted_twice()
        return Reading(base, self.shown, self.dimensions, self.having, self.order, self.limit, self.distinct)

    def choose_columns(self, base: Things) -> None:
        """All columns where rows are asked to be shown; the names where it is asked which they are."""
        if self.shown or (self.listed and not self.ranked):
            return
        names = self.schema.names(base.table)
        if self.listed and not self.limit:
            return
        if not names or (all(one.key for one in names) and self.listed):
            return
        self.shown = [Place(one) for one in names]
        if self.limit is None or self.limit.constant != 1:
            for order in self.order:
                if isinstance(order.by, Place) and order.by not in self.shown:
                    self.shown.append(order.by)

    def order_by_name(self, base: Things) -> None:
        if self.order or not self.shown:
            return
        names = [Place(one) for one in self.schema.names(base.table)]
        if names and all(one in self.shown for one in names):
            self.order = [Order(one, False) for one in names]

    def order_groups(self) -> None:
        """Groups come by time where time groups them, else the greatest number first."""
        if self.order or not self.dimensions:
            return
        timed = [one for one in self.dimensions if one.bucket or (one.place is not None and one.place.field.is_year)]
        measures = [one for one in self.shown if is_measure(one)]
        if timed:
            self.order = [Order(timed[0], False)]
        elif measures:
            self.order = [Order(measures[0], True)]

    def refuse_counted_twice(self) -> None:
        """Rows that another table already holds the number of: the two may differ, and nobody said which is meant."""
        for one in self.shown:
            if (
                not isinstance(one, Measure)
                or one.function != "count"
                or one.place
                or one.things.where
                or not self.dimensions
            ):
                continue
            own = self.schema.table_stems(one.things.table)
            for fields in self.schema.fields.values():
                for each in fields.values():
                    if each.counts == own and each.table != one.things.table:
                        raise Lost(
                            f"number of {self.schema.table_words(one.things.table)} (counted, or {each.qualified})"
                        )

    def grouped(self, base: Things, places: list[Place], measures: list[Expression]) -> Reading:
        """Things shown with, or ordered by, a number made of others: each thing is a group."""
        names = tuple(places) or tuple(Place(one) for one in self.schema.names(base.table))
        if not names:
            raise Lost("what to show")
        if not places and not measures and not (self.limit is not None and self.limit.constant == 1):
            measures = [
                order.by for order in self.order if not isinstance(order.by, Dimension) and is_measure(order.by)
            ]
        if self.limit is None and not places and not self.explicit and self.ranked:
            raise Lost("how many of them")
        of = [one for one in (*measures, *(order.by for order in self.order)) if isinstance(one, Measure)]
        if not of or any(one.things is base for one in of):
            raise Lost("what to measure")
        path = self.route(of[0].things.table, base.table)
        self.dimensions = [Dimension(things=base, shown=names, path=path or ())]
        self.shown = list(measures)
        self.order_groups()
        self.refuse_counted_twice()
        if self.limit is not None and any(
            not one.descending and isinstance(one.by, Measure) and one.by.function == "count" for one in self.order
        ):
            raise Lost("the fewest")  # those that have none at all are in no group
        return Reading(of[0].things, self.shown, self.dimensions, [], self.order, self.limit)
