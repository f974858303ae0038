"""What numbers are told apart by: columns, stretches of time, the things of a table."""

from __future__ import annotations

from dataclasses import replace

from rowcall.planners.grammar.measures import Measures, is_measure
from rowcall.planners.grammar.reading import (
    Bucket,
    Dimension,
    Measure,
    Place,
    Ratio,
    Things,
)
from rowcall.planners.grammar.schema import Mention, Path
from rowcall.planners.grammar.words import PHRASES

BUCKETS: dict[str, str] = PHRASES["buckets"]
EACH = tuple(PHRASES["each"])
ADVERBS = frozenset({"daily", "weekly", "monthly", "quarterly", "yearly", "annual", "annually"})


class Groups(Measures):
    """`dimensions` are what the answer is grouped by."""

    def grouping(self) -> bool | None:
        """ "per month", "by category and city", "for each customer", "in each region"."""
        self.take(",")
        if self.word() in ADVERBS and any(is_measure(one) for one in self.shown):
            self.at += 1
            self.group_by(BUCKETS[self.word(-1)])
            return True
        at = self.at
        self.take("are there", "there are", "is there", "exist")
        acted = self.take_verb()
        word = self.take(*EACH)
        if not word:
            self.at, acted = at, False
            word = self.take(*EACH)
        if acted and self.narrowed():
            raise self.lost(self.verb)
        if acted and self.narrowed():
            raise self.lost(self.verb)
        if acted and word in {"by", "by the"}:
            return None  # "earned by students" tells who, not by what to group
        if not word or not any(is_measure(one) for one in self.shown):
            return None
        start = self.at
        self.dimension()
        if word in {"by", "by the"} and self.dimensions[-1].things and self.plural(start) and not self.ended():
            return None  # "orders by customers who ...": theirs, not for each of them
        while True:
            at = self.at
            if not self.take("and", ",", ", and", "and by", "and per", "and each", "and for each"):
                break
            if not self.attempt(self.dimension):
                self.at = at
                break
        return True

    def dimension(self) -> bool:
        """One more thing to group by."""
        before = list(self.dimensions)
        self.named_dimension()
        new = self.dimensions[-1]
        if any(
            (one.place, one.bucket, one.things and one.things.table)
            == (new.place, new.bucket, new.things and new.things.table)
            for one in before
        ):
            raise self.lost()
        return True

    def named_dimension(self) -> bool:
        self.skip_determiners()
        self.take("different", "distinct", "individual", "given", "unique")
        things = self.measured()
        bucket = BUCKETS.get(self.word())
        exact = self.columns_here()
        if bucket and not (exact and any(one.table == things.table and one.weight >= 1 for one in exact[1])):
            self.at += 1
            self.group_by(bucket)
            return True
        named = self.table()
        if named is not None and not self.plural(self.at + named[0] - 1):
            # "each business category" is a category
            at = self.at
            self.at += named[0]
            following = self.table()
            if following is None or following[2] < 0.9 or not self.path(named[1], following[1]):
                self.at = at
        for length, found in self.mentions():
            at = self.at
            self.at += length
            if self.group_by_named(things, found):
                return True
            self.at = at
        raise self.lost()

    def measured(self) -> Things:
        for one in self.shown:
            above = one.above if isinstance(one, Ratio) else one
            if isinstance(above, Measure):
                return above.things
        raise self.lost()

    def group_by_named(self, things: Things, found: list[Mention]) -> bool:
        word = self.take("id", "ids", "name", "names", "code")
        own_rows = [one for one in found if one.field is None and one.table == things.table and one.weight >= 0.9]
        if own_rows and all(isinstance(one, Measure) and one.function != "count" for one in self.shown):
            if any(isinstance(one, Measure) and one.function in {"avg", "median"} for one in self.shown):
                raise self.lost(word)  # "the average duration per view" is one number, not one for each
            self.group_by_things(things, things, (), word)
            return True
        tables = [one for one in found if one.field is None and one.table != things.table]
        fields = [one for one in found if one.field is not None]
        own = max((one.weight for one in fields if one.table == things.table), default=0.0)
        other = max((one.weight for one in fields if self.up(things.table, one.table)), default=0.0)
        if tables and own < 1 and tables[0].weight > max(own, other - 0.1) - 0.1:
            path = self.route(things.table, tables[0].table)
            if path is not None:
                self.group_by_things(things, Things(tables[0].table), path, word)
                return True
        if word:
            self.at -= 1
        place = self.attempt(lambda: self.resolve(fields, things.table))
        if place is None or (place.field.is_number and not place.field.column.type.endswith(("int", "integer"))):
            return False
        self.add(self.dimensions, Dimension(place=place))
        return True

    def group_by_things(self, things: Things, of: Things, path: Path, word: str) -> None:
        key = self.schema.key(of.table)
        names = self.schema.names(of.table)
        if word in {"id", "ids", "code"}:
            names = tuple(self.schema.fields[of.table][name] for name in key)
        if not names:
            raise self.lost()
        steps = path
        if len(steps) == 1 and steps[0].up and len(names) == 1 and (names[0].name,) == key and len(steps[0].on) == 1:
            # the reference itself is what the things are called by
            field = self.schema.fields[things.table][steps[0].on[0][0]]
            self.add(self.dimensions, Dimension(place=Place(field)))
            return
        if self.moneyed and any(not step.up for step in steps):
            self.measure_again(of)
            steps = self.route(self.measured().table, of.table) or ()
        self.add(self.dimensions, Dimension(things=of, shown=tuple(Place(one) for one in names), path=steps))
        self.add(self.scope, of)

    def measure_again(self, of: Things) -> None:
        """Revenue of orders cannot be told apart by product: take it from where it can."""
        old, name = self.measured(), getattr(self.shown[0], "name", "")
        if self.moneyed is None or old.where or len(self.shown) != 1:
            raise self.lost()
        self.put("base", None)
        self.swap(self.scope, [])
        self.swap(self.shown, [replace(self.money(self.moneyed[0], of, self.moneyed[1]), name=name)])

    def group_by(self, unit: str) -> None:
        things = self.measured()
        main = self.schema.main_date(things.table)
        if main is None:
            years = [one for one in self.schema.fields[things.table].values() if one.is_year]
            if unit != "year" or len(years) != 1:
                raise self.lost()
            self.add(self.dimensions, Dimension(place=Place(years[0])))
            return
        self.add(self.dimensions, Dimension(bucket=Bucket(Place(main), unit)))
