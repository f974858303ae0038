"""A reading in one sentence, so that a person sees how a question was understood. Never holds a value of it."""

from __future__ import annotations

from rowcall.planners.grammar.reading import (
    Against,
    Between,
    Compare,
    Condition,
    Dimension,
    Either,
    Expression,
    Flag,
    Known,
    Like,
    Not,
    Place,
    Ratio,
    Reading,
    Related,
    Things,
    Within,
)
from rowcall.planners.grammar.schema import Schema

_FUNCTIONS = {"sum": "total", "avg": "average", "min": "smallest", "max": "greatest", "median": "median"}
_COMPARED = {"=": "as asked", "<>": "other than asked", ">": "above", ">=": "at least", "<": "below", "<=": "at most"}


class Explainer:
    """Puts readings over one schema into words."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def sentence(self, reading: Reading) -> str:
        measures = [self.expression(one) for one in reading.shown if not isinstance(one, Place)]
        columns = [self.expression(one) for one in reading.shown if isinstance(one, Place)]
        parts = [" and ".join(measures) or f"{self._list(columns)}{self.things(reading.things)}"]
        if reading.dimensions:
            parts.append("grouped by " + " and ".join(self.dimension(one) for one in reading.dimensions))
        for order in reading.order:
            by = self.dimension(order.by) if isinstance(order.by, Dimension) else self.expression(order.by)
            parts.append(f"{'highest' if order.descending else 'lowest'} {by} first")
        if reading.limit is not None:
            parts.append("only the first" if reading.limit.slot is None else "as many as asked")
        text = ", ".join(parts)
        return f"{text[:1].upper()}{text[1:]}."

    def _list(self, columns: list[str]) -> str:
        return f"{', '.join(columns)} of " if columns else ""

    def things(self, things: Things) -> str:
        name = self.schema.table_words(things.table)
        conditions = [self.condition(one) for one in things.where]
        return f"{name} with {' and '.join(conditions)}" if conditions else name

    def place(self, place: Place) -> str:
        words = " ".join(place.field.words)
        return f"{self.schema.table_words(place.field.table)} {words}" if place.path else words

    def expression(self, one: Expression) -> str:
        if isinstance(one, Place):
            return self.place(one)
        if isinstance(one, Ratio):
            kind = "percentage" if one.percent else "ratio"
            return f"{kind} of {self.expression(one.above)} to {self.expression(one.below)}"
        of = Things(one.things.table, [*one.things.where, *one.only])
        if one.function == "count":
            what = f"different {self.place(one.place)} of " if one.place else ""
            return f"number of {what}{self.things(of)}"
        what = self.place(one.place) if one.place else ""
        times = f" times {' '.join(one.times.words)}" if one.times else ""
        return f"{_FUNCTIONS[one.function]} {what}{times} of {self.things(of)}"

    def dimension(self, one: Dimension) -> str:
        if one.things is not None:
            return self.things(one.things)
        if one.bucket is not None:
            return f"{one.bucket.unit} of {self.place(one.bucket.place)}"
        return self.place(one.place) if one.place else ""

    def condition(self, one: Condition) -> str:
        match one:
            case Compare():
                return f"{self.place(one.place)} {_COMPARED[one.operator]}"
            case Between():
                return f"{self.place(one.place)} between the two"
            case Within():
                return f"{self.place(one.place)} {one.relation} the time asked"
            case Like():
                how = {"equals": "as asked", "contains": "containing", "prefix": "beginning", "suffix": "ending"}
                return f"{self.place(one.place)} {how[one.how]}"
            case Known():
                return f"{'a' if one.known else 'no'} {self.place(one.place)}"
            case Flag():
                return f"{self.place(one.place)} {'true' if one.value else 'false'}"
            case Against():
                return f"{self.place(one.place)} {_COMPARED[one.operator]} the average"
            case Related():
                some = "no " if one.negated else f"{_COMPARED[one.operator]} so many " if one.operator else ""
                return some + self.things(one.things)
            case Not():
                return f"not {self.condition(one.condition)}"
            case Either():
                return " or ".join(self.condition(each) for each in one.conditions)
