"""Which columns are shown: those asked for, those added with "and", and those that a second sentence names."""

from __future__ import annotations

from rowcall.planners.grammar.measures import AGGREGATES, is_measure
from rowcall.planners.grammar.orders import Orders
from rowcall.planners.grammar.reading import (
    Measure,
    Place,
    Ratio,
    Related,
    Things,
)
from rowcall.planners.grammar.schema import Mention
from rowcall.planners.grammar.words import PHRASES

LISTING = tuple(PHRASES["listing"])
SORTED = tuple(PHRASES["sorted"])


class Shown(Orders):
    """`shown` is what the answer shows; where it stays empty, the parser chooses."""

    def column_list(self, owner: str | None) -> tuple[list[tuple[list[Mention], str]], str | None]:
        """Columns joined by "and", each as its meanings and its word, and the table that was named with them."""
        wanted: list[tuple[list[Mention], str]] = []
        while True:
            self.skip_determiners()
            at = self.at
            self.superlative_number()
            one = self.one_column()
            if one is None:
                self.at = at
                break
            meanings, word, table = one
            if table is not None:
                if owner is not None and owner != table:
                    return [], None
                owner = table
            wanted.append((meanings, word))
            at = self.at
            if not self.take(", and", ",", "and", "&", "as well as", "along with", "and their", "and its"):
                break
        else:
            at = self.at
        if self.at > at:
            self.at = at
        elif wanted and self.word(-1) in {",", "and"}:
            self.at -= 1
            if self.word(-1) == ",":
                self.at -= 1
        return wanted, owner

    def superlative_number(self) -> None:
        """ "top 3 titles of the publications": the number is of the rows."""
        if self.word() == "top":
            self.superlative()

    def one_column(self) -> tuple[list[Mention], str, str | None] | None:
        table = self.table()
        found = self.columns_here()
        at = self.at
        if table is not None and table[2] >= 0.6:
            self.at += table[0]
            # "customer names" and "customer's names", but "loans due" are loans
            joined = bool(self.take("'s")) or not self.plural(self.at - 1)
            inner = self.columns_here() if joined else None
            own = [one for one in inner[1] if one.table == table[1]] if inner and not self.participle(inner[0]) else []
            word = self.word()
            plain = word in {"name", "names", "id", "ids"}
            if (own and inner and (inner[1][0].weight >= 0.7)) or (plain and joined):
                self.at += inner[0] if own and inner else 1
                return own, word if plain else "", table[1]
            self.at = at
            if found is None or found[0] < table[0] or found[1][0].weight < 0.85:
                return None
        word = self.word()
        if found is None and word not in {"name", "names", "id", "ids"}:
            return None
        self.at += found[0] if found else 1
        return (found[1] if found else []), word if not found or found[0] == 1 else "", None

    def also_shown(self) -> bool | None:
        """ "and how many orders each has", "and their emails", "along with the price"."""
        self.take(",")
        joined = self.take("and", "along with", "together with", "as well as", "with", "including")
        if not joined:
            return None
        base = self.base
        if base is None or any(is_measure(one) for one in self.shown):
            return None
        self.take("what is", "what are", "show", "return", "give", "also", "show me", "return me")
        self.skip_determiners()
        if self.take("how many", "the number of", "number of", "total number of"):
            return self.also_counted(base)
        if self.word() in AGGREGATES and self.word(-1) != "with" and self.word(-2) != "with":
            measure = self.measure(base)
            if not isinstance(measure, Measure) or measure.things is base:
                return None
            self.add(self.shown, measure)
            return True
        found = self.columns_here()
        if found is None:
            return None
        if self.participle(found[0]):
            return None  # "and resolved": those that were
        word, plain = self.word(), self.word(-1) == "with"
        self.at += found[0]
        places = self.named_columns(base, found[1], word if found[0] == 1 else "")
        if joined == "with" and plain and not self.shown and any(one.field.column.nullable for one in places):
            raise self.lost(word)  # to show them, or those that have one
        if not self.shown:
            for one in self.schema.names(base.table):
                self.add(self.shown, Place(one))
        for place in places:
            if place not in self.shown:
                self.add(self.shown, place)
        return True

    def also_counted(self, base: Things) -> bool | None:
        """The number that the things are ranked by, or that of what they were said to have."""
        table = self.table()
        if table is None:
            return None
        ranked = [order.by for order in self.order if isinstance(order.by, Measure) and order.by.function == "count"]
        related = [one for one in base.where if isinstance(one, Related) and not one.negated and not one.operator]
        for one in ranked:
            if one.things.table == table[1]:
                self.at += table[0]
                self.trailing()
                self._repeated(base)
                self.add(self.shown, one)
                return True
        for each in related:
            if each.things.table == table[1]:
                self.at += table[0]
                self.trailing()
                self._repeated(base)
                self.swap(base.where, [one for one in base.where if one is not each])
                self.add(self.shown, Measure("count", each.things))
                return True
        return None

    def _repeated(self, base: Things) -> None:
        """ "in each neighbourhood": the things that are shown already."""
        at = self.at
        if self.take("in each", "for each", "per", "in that", "by each"):
            table = self.table()
            if table is not None and table[1] == base.table:
                self.at += table[0]
                return
        self.at = at

    def addendum(self) -> None:
        """A sentence after the question: an order, or what to show."""
        if self.take(*SORTED):
            self.take("by")
            if self.order_by():
                return
        elif self.take("sort the", "order the", "sort", "order"):
            if self.order_by():
                return
        elif self.take(*LISTING):
            self.take("both", "me", "only", "also")
            if self.attempt(self.shown_instead):
                return
        raise self.lost()

    def shown_instead(self) -> bool | None:
        """ "Give the name and the number of orders.": exactly these, where the names are among them."""
        if self.dimensions:
            return self.shown_already()
        base = self.base
        if base is None:
            return None
        places: list[Place] = []
        while not self.ended():
            self.skip_determiners()
            self.take("both", "corresponding", "respective", "relevant")
            one = self.one_column()
            if one is None:
                return None
            meanings, word, table = one
            if table is not None and table != base.table:
                return None
            places += self.named_columns(base, meanings, word)
            if not self.take(", and", ",", "and"):
                break
        if not self.ended() or not places:
            return None
        names = set(self.schema.names(base.table)) | {
            self.schema.fields[base.table][one] for one in self.schema.key(base.table)
        }
        if not any(one.field in names for one in places):
            old = [one for one in self.shown if isinstance(one, Place)] or [
                Place(one) for one in self.schema.names(base.table)
            ]
            places = [*old, *(one for one in places if one not in old)]
        measures = [one for one in self.shown if is_measure(one)]
        self.swap(self.shown, [*places, *measures])
        return True

    def shown_already(self) -> bool | None:
        """ "Give the names of the journals and the number of articles.": the groups and the number, as they are."""
        of = self.dimensions[0].things
        measures = [one for one in self.shown if isinstance(one, Measure | Ratio) and is_measure(one)]
        if of is None or len(self.dimensions) != 1 or len(measures) != 1:
            return None
        named = False
        while not self.ended():
            self.skip_determiners()
            self.take("both", "corresponding", "respective")
            if not self.attempt(lambda: self.again(measures[0])):
                one = self.one_column()
                if one is None or one[2] not in {None, of.table}:
                    return None
                places = self.named_columns(of, one[0], one[1])
                if not all(place in self.dimensions[0].shown for place in places):
                    return None
                named = True
                if self.take("of the", "of"):
                    table = self.table()
                    if table is None or table[1] != of.table:
                        return None
                    self.at += table[0]
            if not self.take(", and", ",", "and their", "and its", "and"):
                break
        return (named and self.ended()) or None
