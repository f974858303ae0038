"""What follows a noun and narrows it: values, comparisons, dates, and what it has or lacks."""

from __future__ import annotations

from typing import Any, Literal

from rowcall.planners.grammar.cursor import DETERMINERS, Lost
from rowcall.planners.grammar.nouns import NAMED, Nouns
from rowcall.planners.grammar.reading import (
    Against,
    Between,
    Compare,
    Condition,
    Either,
    Flag,
    Known,
    Like,
    Not,
    Place,
    Related,
    Things,
    Value,
    Within,
)
from rowcall.planners.grammar.schema import Ambiguous, Field, Mention, Path
from rowcall.planners.grammar.words import PHRASES, stem, stems, synonyms

PREPOSITIONS = tuple(PHRASES["prepositions"])
COMPARED: dict[str, str] = PHRASES["compared"]
AFTERWARDS: dict[str, str] = PHRASES["afterwards"]
MOMENT: dict[str, str] = PHRASES["moment"]
HOW: dict[str, Literal["contains", "prefix", "suffix"]] = PHRASES["how"]
FILLERS = tuple(PHRASES["fillers"])
UNITS = stems("units")
TIMES = frozenset({"year", "month", "week", "day", "hour", "minut", "second"})
VERBS = stems("relation_verbs")
CREATION = stems("creation_verbs")
EQUALS = tuple(PHRASES["equals"])
BE = frozenset(["is", "are", "was", "were", "be", "been", "being"])
HAVE = frozenset(["has", "have", "had", "having", "with"])
NUMERIC = frozenset({"count", "number", "money", "percent"})
MOMENTS = frozenset({"date", "period", "year"})
WHO = ("that", "which", "who")
ADJECTIVES = {"longer than": "length", "shorter than": "length", "heavier than": "weight", "lighter than": "weight"}


class Conditions(Nouns):
    """Each handler either explains the words here and narrows what is in scope, or leaves all as it was."""

    def handlers(self) -> tuple[Any, ...]:
        return (
            self.moment, self.comparison, self.flag_clause, self.without, self.unknown, self.value_of_column,
            self.value_alone, self.related, self.flag_after,
        )  # fmt: skip

    def glue(self) -> bool:
        """Words that only hold the others together, and verbs that say no more than that things belong together."""
        if self.take(*FILLERS):
            return True
        if self.attempt(self.in_units):
            return True
        word = self.word()
        if word in BE or word in {
            *WHO,
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
            "still",
        }:
            self.at += 1
            return True
        if not self.take_verb():
            return False
        if (self.ended() and self.elsewhere()) or self.narrowed():
            raise self.lost(self.verb)
        return True

    def narrowed(self) -> bool:
        """Whether the verb says what only some rows tell the date of: "the weight shipped"."""
        return not self.named_by_verb() and any(
            one.is_date and one.column.nullable and stem(self.verb) in one.stems
            for things in self.scope
            for one in self.schema.fields[things.table].values()
            if one != self.schema.main_date(things.table)
        )

    def elsewhere(self) -> set[str]:
        """The tables that the verb names and that are not spoken of: "customers who ordered" speaks of orders."""
        named = self.named_by_verb()
        return set() if named & {things.table for things in self.scope} else named

    def in_units(self) -> bool | None:
        """ "in square kilometers", "in people per square mile"."""
        if not self.take("in") or self.stem() not in UNITS or self.stem() in TIMES:
            return None
        while self.stem() in UNITS or self.word() == "per":
            self.at += 1
        return self.ended() or self.word() in {",", "and", "for", "by", "per"}

    def take_verb(self) -> bool:
        token = self.peek()
        if token is None or token.slot is not None:
            return False
        named = self.participle(1) and any(
            one.field is None and one.weight >= 0.7 and one.table not in {things.table for things in self.scope}
            for one in self.schema.lookup((token.stem,))
        )
        if token.stem not in VERBS and not named:
            return False
        if token.stem in {"order", "sort", "rank"} and self.word(1) == "by":
            return False
        if self.word(-1) in HAVE and not self.participle(1) and self.table():
            return False  # "customers who have orders"
        self.put("verb", token.lower)
        self.at += 1
        if self.take("up"):
            self.put("verb", "signup" if token.stem == "sign" else token.lower)
        return True

    # -- dates -------------------------------------------------------------------------------------------------

    def moment(self) -> bool | None:
        """ "in 2023", "since 2024-01-01", "between ... and ...", "shipped last week"."""
        verb = stem(self.verb) if self.verb and self.date_named(stem(self.verb)) else ""
        token, before = self.peek(), self.peek(-1)
        if before and before.slot is not None and before.lower.endswith("ed") and self.at_moment():
            raise self.lost(before.text)  # "approved in March": approved then, and no date says when
        if token is not None and self.date_named(stem(token.text)):
            # "shipped last week" is a date, though "shipped" is a status elsewhere
            verb = stem(token.text)
            self.at += not self.at_moment() or token.lower not in MOMENT
        relation = MOMENT[self.take(*MOMENT) or "in"]
        self.skip_determiners()
        slot = self.slot(MOMENTS)
        if slot is None:
            return None
        other = None
        if relation in {"between"} or self.word() in {"to", "until", "through", "and"}:
            other = self.attempt(self.until)
            if other is None and relation == "between":
                raise self.lost()
        kind = self.question.slots[slot].kind
        host, place = self.date_of(verb, kind)
        if other is not None:
            self.add(host.where, Within(place, "since", slot, kind))
            self.add(host.where, Within(place, "until", other[0], self.question.slots[other[0]].kind))
        else:
            self.add(host.where, Within(place, relation, slot, kind))  # type: ignore[arg-type]
        return True

    def at_moment(self) -> bool:
        """Whether "in 2025", "since May", "last week" stands here."""
        at = self.at
        self.take(*MOMENT)
        self.skip_determiners()
        found = self.kind() in MOMENTS
        self.at = at
        return found

    def until(self) -> tuple[int] | None:
        """The other end of a range."""
        self.take("to", "until", "through", "and")
        slot = self.slot(MOMENTS)
        return None if slot is None else (slot,)

    def date_named(self, stemmed: str) -> bool:
        return any(self.dates_named(things, stemmed) for things in self.scope)

    def dates_named(self, things: Things, stemmed: str) -> list[Field]:
        dates = [one for one in self.schema.fields[things.table].values() if one.is_date or one.is_year]
        exact = [one for one in dates if stemmed in one.stems]
        return exact or [one for one in dates if synonyms(stemmed) & set(one.stems)]

    def date_of(self, verb: str, kind: str) -> tuple[Things, Place]:
        """Whose date is meant: the one that the verb names, else the main date of what happened."""
        ranked: list[tuple[float, Things, Place]] = []
        for recency, things in enumerate(reversed(self.scope)):
            if verb:
                named = [one for one in self.dates_named(things, verb) if one.is_date or kind == "year"]
                if len(named) > 1:
                    raise self.lost(verb)
                ranked += [(2.0 - 0.3 * recency, things, Place(one)) for one in named]
                continue
            years = [one for one in self.schema.fields[things.table].values() if one.is_year]
            main = self.schema.main_date(things.table)
            if recency == 0 and main is None and any(one.is_date for one in self.schema.fields[things.table].values()):
                raise self.lost()  # "clients with shipments in 2026": no matter when they became clients
            # what refers to the others is what happened: "orders of customers in 2024"
            others = {one.table for one in self.scope} - {things.table}
            happens = 0.4 * sum(bool(self.up(things.table, other)) for other in others)
            if kind == "year" and len(years) == 1 and main is None:
                ranked.append((1.0 - 0.3 * recency + happens, things, Place(years[0])))
            elif main is not None and not (kind == "year" and years):
                ranked.append((1.0 - 0.3 * recency + happens, things, Place(main)))
        ranked.sort(key=lambda triple: -triple[0])
        if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
            raise self.lost()
        host, place = ranked[0][1], ranked[0][2]
        if self.verb and not verb and not self.dates(host, stem(self.verb)):
            raise self.lost(self.verb)
        return host, place

    def dates(self, host: Things, verb: str) -> bool:
        """Whether the main date of `host` is when the verb took place.

        It is for what made a row ("orders placed last week"), and for rows that tell what happened to others ("users
        who handled orders last week"); not in "customers who ordered in 2026" or "products sold in 2026".
        """
        named = self.named_by_verb()
        if named:
            return host.table in named
        return verb in CREATION or any(
            self.up(host.table, other.table) for other in self.scope if other.table != host.table
        )

    # -- comparisons -------------------------------------------------------------------------------------------

    def amount(self) -> tuple[str, Value, Value | None, str] | None:
        """A comparison with its number: operator, value, upper value of a range, and the words of it."""
        self.take("is", "are", "was", "were", "of", "that is", "which is", "value of")
        if self.word() not in {"only", "just"}:
            self.skip_determiners()
        if self.take("between", "from"):
            low = self.slot(NUMERIC)
            if low is None or not self.take("and", "to"):
                return None
            high = self.slot(NUMERIC)
            if high is None:
                return None
            self.unit()
            return "between", Value(low), Value(high), ""
        words = "exactly" if self.take("only", "just") else self.take(*COMPARED)
        if not words and self.word() in {"one", "a"} and self.word(1) == "or" and self.word(2) == "more":
            self.at += 3
            return ">=", Value(constant=1), None, ""
        slot = self.slot(NUMERIC)
        if slot is None:
            if words and self.take("one"):
                return COMPARED[words], Value(constant=1), None, words
            return None
        self.unit()
        if not words:
            after = self.take(*AFTERWARDS)
            return AFTERWARDS.get(after, "="), Value(slot), None, after
        return COMPARED[words], Value(slot), None, words

    def unit(self) -> None:
        while self.stem() in UNITS and not self.table() and not self.columns_here():
            self.at += 1
            self.take("per hour")

    def comparison(self) -> bool | None:
        """ "with a price over 50", "whose rating is at least 4", "priced under 20", "with more than 5 orders"."""
        self.take("and")
        self.take(*WHO)
        self.take("with", "whose", "where", "having", "have", "has", "had", "on", "in")
        if self.word() not in {"only", "just"}:
            self.skip_determiners()
        counted = self.attempt(self.counted)
        if counted or self.attempt(self.bare_comparison):
            return True
        found, table = self.columns_here(participle=True), self.table()
        if found is None or not self.scope:
            return None
        if table and table[0] >= found[0] and table[2] > found[1][0].weight and self.plural(self.at + table[0] - 1):
            return None  # "titles with ratings below 2": of the ratings, not of a column called almost so
        self.at += found[0]
        for host in reversed(self.scope):

            def parse(host: Things = host) -> bool | None:
                place = self.resolve(found[1], host.table, lambda one: one.is_number or one.is_year or one.key)
                if not place.path and self.attempt(lambda: self.against_average(place, host)):
                    return True
                amount = self.amount()
                if amount is None or (place.field.key and amount[0] != "="):
                    return None
                self.compare(place, amount, host)
                return True

            if self.attempt(parse):
                return True
        return None

    def compare(self, place: Place, amount: tuple[str, Value, Value | None, str], host: Things) -> None:
        operator, value, high, _ = amount
        if high is not None:
            self.add(host.where, Between(place, value, high))
        else:
            self.add(host.where, Compare(place, operator, value))

    def bare_comparison(self) -> bool | None:
        """ "over $50", "longer than 300": the column is the one that such a number can be of."""
        if not self.scope:
            return None
        if self.attempt(self.than_average):
            return True
        amount = self.amount()
        if amount is None or amount[0] == "=":
            return None
        host = self.scope[-1]
        money = amount[1].slot is not None and self.question.slots[amount[1].slot].kind == "money"
        wanted = "price" if money or stem(self.verb) in {"cost", "price"} else ADJECTIVES.get(amount[3], "")
        numbers = [one for one in self.schema.fields[host.table].values() if one.is_number and not one.counts]
        if self.kind() in {"entity", "text"} or self.table() or self.columns_here():
            return None  # "at least one delayed shipment" is no amount
        if not wanted and len(numbers) == 1 and not amount[3].endswith("than"):
            self.compare(Place(numbers[0]), amount, host)
            return True
        if not wanted:
            return None
        fields = [
            Mention(one.table, one.field, one.weight)
            for one in self.schema.lookup((stem(wanted),))
            if one.field and one.field.is_number and one.table == host.table
        ]
        if money and not fields:
            fields = [
                Mention(host.table, one, 1.0)
                for one in self.schema.fields[host.table].values()
                if one.is_number and set(one.words) & {"amount", "total", "cost", "price", "value"}
            ]
            if len(fields) != 1:
                return None
        self.compare(self.resolve(fields, host.table), amount, host)
        return True

    def than_average(self) -> bool | None:
        """ "earn more than the average salary": the column is named after "average"."""
        at, host = self.at, self.scope[-1]
        if not self.take(*COMPARED):
            return None
        self.skip_determiners()
        if not self.take("average", "mean"):
            return None
        found = self.columns_here()
        if found is None:
            return None
        place = self.resolve(found[1], host.table, lambda one: one.is_number)
        self.at = at
        return None if place.path else self.against_average(place, host)

    def against_average(self, place: Place, host: Things) -> bool | None:
        """ "above average", "higher than the average price"."""
        self.take("is", "are", "of", "that is")
        words = self.take(*COMPARED)
        if not words:
            return None
        self.skip_determiners()
        if not self.take("average", "mean", "overall average"):
            return None
        found = self.columns_here()
        if found is not None and any(one.field == place.field for one in found[1]):
            self.at += found[0]
        self.take("of all", "for all", "across all", "of")
        table = self.table()
        if table is not None and table[1] == place.field.table:
            self.at += table[0]
        self.add(host.where, Against(place, COMPARED[words], "avg", Things(place.field.table)))
        return True

    def counted(self) -> bool | None:
        """ "more than 5 orders", "at least 2 reviews", "exactly one address"."""
        acted = self.stem(-1) in VERBS
        amount = self.amount()
        if amount is None or amount[2] is not None:
            return None
        if acted and amount[0] in {"<", "<="}:
            raise self.lost()  # "who wrote less than 3 papers": nobody said whether none is less than 3
        self.take("different", "distinct", "unique")
        for host in reversed(self.scope):
            place = self.attempt(lambda: self.number_named(host))  # noqa: B023
            if place is not None:
                self.compare(place, amount, host)
                return True
        things = self.things()
        for host in reversed(self.scope):
            path = self.route(host.table, things.table)
            if path and any(not step.up for step in path):
                self.add(host.where, Related(path, things, operator=amount[0], value=amount[1]))
                self.add(self.scope, things)
                return True
        return None

    def number_named(self, host: Things) -> Place | None:
        """ "300 pages": the column of the host that such a number is of, be it named or counted."""
        place = self.count_column(host)
        if place is not None or self.table() is not None:
            return place
        found = self.columns_here()
        own = [one for one in found[1] if one.table == host.table and one.weight >= 0.8] if found else []
        if found is None or not own or not all(one.field and one.field.is_number for one in own):
            return None
        self.at += found[0]
        return self.resolve(own, host.table)

    def count_column(self, base: Things | None) -> Place | None:
        """A column that already holds how many there are: `num_pages`, `review_count`."""
        if base is None:
            return None
        for ahead in (3, 2, 1):
            words = tuple(self.stem(index) for index in range(ahead))
            if not all(words):
                continue
            for sorted_words in (words, words[::-1]):
                for one in self.schema.fields[base.table].values():
                    if one.counts == sorted_words:
                        self.at += ahead
                        return Place(one)
            # "number of students enrolled", "enrolled students": the participle is the column's, the noun its unit
            for one in self.schema.fields[base.table].values():
                if one.counts and len(one.counts) == 1 and one.counts[0] in words and ahead == 2:
                    at = words.index(one.counts[0])
                    if self.word(at).endswith("ed"):
                        self.at += ahead
                        return Place(one)
        return None

    # -- flags -------------------------------------------------------------------------------------------------

    def flag_clause(self) -> bool | None:
        """ "with a final exam", "that have labs", "with labs and projects"."""
        self.take("and")
        self.take(*WHO)
        if self.word() not in HAVE and self.word(-1) not in {"and", "or"}:
            return None
        self.at += self.word() in HAVE
        self.skip_determiners()
        return self.flag_here(False)

    def flag_here(self, negated: bool) -> bool | None:
        for length, meanings in self.mentions():
            for host in reversed(self.scope):
                flags = [
                    one
                    for one in meanings
                    if one.field and one.field.is_flag and one.weight >= 0.85 and not one.field.key
                ]
                own = [one for one in flags if one.table == host.table]
                if own:
                    self.at += length
                    place = self.resolve(own, host.table)
                    self.add(host.where, Flag(place, not negated))
                    return True
                places = [
                    Place(one.field, path) for one in flags if one.field and (path := self.path(host.table, one.table))
                ]
                if len(places) == 1 and host is self.scope[0] and len(places[0].path) == 1:
                    self.at += length
                    self.of_one_row(host, Flag(Place(places[0].field), not negated), places[0].path)
                    return True
        return None

    def of_one_row(self, host: Things, one: Flag, path: Path) -> None:
        """ "with a project and an exam": one row of the other table has both, not one of them each."""
        for known in host.where:
            if isinstance(known, Related) and known.path == path and not known.negated and not known.operator:
                self.add(known.things.where, one)
                return
        self.add(host.where, Related(path, Things(one.place.field.table, [one])))

    def flag_after(self) -> bool | None:
        """ "that are active", "who are not verified", "is open"."""
        self.take(*WHO)
        self.take(*BE)
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

    def unknown(self) -> bool | None:
        """ "without a phone number", "that have an end date": whether a column has a value."""
        self.take(*WHO)
        negated = bool(self.take("without", "with no", "do not have", "does not have", "have no", "has no", "missing"))
        if not negated and not self.take("that have", "with", "have", "has", "who have"):
            return None
        article = self.take("a", "an", "any")
        if not negated and not article:
            return None
        found = self.columns_here()
        if found is None or not self.scope or found[1][0].weight < 0.85:
            return None
        self.at += found[0]
        if not self.ended() and self.word() not in {",", "and", "in", "from", "by", "per"}:
            return None
        host = self.scope[-1]
        place = self.resolve(found[1], host.table)
        if place.path or not place.field.column.nullable or self.table():
            return None
        if place.field.is_number and not article:
            raise self.lost()  # "without refills": none are known, or there were zero
        self.add(host.where, Known(place, not negated))
        return True

    # -- other things ------------------------------------------------------------------------------------------

    def relate(self, things: Things, negated: bool = False) -> bool | None:
        """Tie rows of another table to what is being talked of: to the thing named last that is near enough."""
        best: tuple[float, Things, Path] | None = None
        for recency, host in enumerate(reversed(self.scope)):
            if host.table == things.table:
                continue
            try:
                path = self.route(host.table, things.table)
            except (Lost, Ambiguous):
                if best is None:
                    raise
                continue
            if path and (best is None or len(path) + 0.8 * recency < best[0]):
                best = (len(path) + 0.8 * recency, host, path)
        if best is None or len(best[2]) > 4:
            raise self.lost()
        _, host, path = best
        self.add(host.where, Related(path, things, negated))
        self.add(self.scope, things)
        return True

    def related(self) -> bool | None:
        """ "of customers from Spain", "by users who ...", "in journals", "that have orders"."""
        at = self.at
        who = self.take(*WHO) or self.word(-1) in WHO
        helped = self.take("have been", "has been", "have", "has", "had", "were", "was", "are", "is", "been")
        helped = helped or str(self.take_verb() or "")
        preposition = self.take(*PREPOSITIONS)
        if who and not helped and not preposition and self.kind() == "entity":
            raise self.lost()  # "who approved requests": it is they who did it
        if self.at == at and self.word(-1) not in HAVE and self.stem(-1) not in VERBS:
            return None  # nothing says that the two are related
        both = bool(self.take("both"))
        if self.word() in {"each", "every", "per"} or (preposition == "with" and self.word() in {"their", "its"}):
            return None  # "students with their departments": to be shown both
        self.skip_determiners()
        start = len(self.scope)
        bare = self.word(-1) not in DETERMINERS
        things = self.things()
        if bare and preposition == "on" and not things.where and not self.plural(self.noun):
            raise self.lost()  # "employees on leave"
        if preposition == "by" and not things.where and not self.plural(self.noun):
            raise self.lost()  # "shipments by carrier": in groups, or in that order
        if preposition == "with" and not things.where and self.ended() and self.up(self.scope[0].table, things.table):
            raise self.lost()  # "shipments with carriers": all have one, so that it is to be shown
        if not both:
            return self.relate(things)
        self.relate(things)
        if not self.take("and"):
            return None
        self.take("in", "with", "from", "at")
        self.skip_determiners()
        other = self.things()
        if other.table != things.table:
            return None
        self.swap(self.scope, [one for index, one in enumerate(self.scope) if index < start])
        return self.relate(other)

    def without(self) -> bool | None:
        """ "without any orders", "with no reviews", "who have never ordered", "that have not placed orders"."""
        self.take(*WHO, "and")
        if self.take(
            "without any", "without", "with no", "with zero", "have no", "has no", "had no", "having no", "lacking"
        ):
            self.skip_determiners()
            return self.attempt(lambda: self.flag_here(True)) or self.relate(self.things(), negated=True)
        self.take("have", "has", "had", "do", "does", "did", "were", "was", "are", "is")
        if not self.take("not", "never"):
            return None
        self.take("been", "have", "had", "yet")
        done = self.done()
        if done is not None:
            return self.relate(done, negated=True)
        self.take_verb()
        self.take("by", "in", "to", "for", "from", "any")
        self.skip_determiners()
        return self.relate(self.things(), negated=True)

    def done(self) -> Things | None:
        """A table named by a participle: "ordered", "reviewed"."""
        if not self.participle(1) or not self.scope:
            return None
        tables = {one.table for one in self.schema.lookup((self.stem(),)) if one.field is None and one.weight >= 0.7}
        tables -= {one.table for one in self.scope}
        if len(tables) != 1 or (
            not self.at + 1 >= len(self.tokens) and self.word(1) not in {*"?.,;!", "in", "and", "yet", "by"}
        ):
            return None
        self.at += 1
        return Things(tables.pop())

    # -- values ------------------------------------------------------------------------------------------------

    def value_of_column(self) -> bool | None:
        """ "with status pending", "in the city of Rome", "whose name contains ...", "category Books", "titled ..."."""
        self.take("and")
        self.take(*WHO)
        preposition = self.take(*PREPOSITIONS, "whose", "where", "has", "have", "having")
        self.skip_determiners()
        if not self.scope:
            return None
        if preposition in {"with", "having", "has", "have"} and self.kind() == "text":
            return self.attempt(self.text_in_column)
        named = False
        if self.take(*NAMED):
            meanings = [Mention(self.scope[-1].table, None, 1.0)]
            named = True
        else:
            found = self.mentions()
            if not found:
                return None
            length, meanings = found[0]
            self.at += length
            if all(one.field is None for one in meanings) and self.take("id", "ids", "code"):
                meanings = [
                    Mention(one.table, self.schema.fields[one.table][key[0]], 1.0)
                    for one in meanings
                    if len(key := self.schema.key(one.table)) == 1
                ]
        self.take("field", "column", "value")
        how = HOW.get(self.take(*HOW), "equals")
        negated = False
        if how == "equals" and not named:
            negated = bool(self.take("is not", "are not", "not", "other than", "!=", "is other than"))
            if not negated:
                self.take(*EQUALS)
        slots = [slot] if (slot := self.slot({"entity", "text"})) is not None else []
        if not slots:
            return None
        all_of_them = False
        while True:
            at = self.at
            joined = self.take("or", ",", ", or", "and")
            other = self.slot({"entity", "text"}) if self.at > at else None
            same = other is not None and (self.question.slots[other].columns == self.question.slots[slots[0]].columns)
            if other is None or not same:
                self.at = at
                break
            all_of_them = all_of_them or joined == "and"
            slots.append(other)
        if self.question.slots[slots[0]].kind == "entity":
            if how != "equals":
                return None
            taken = [self.entity(one, self.scope, meanings, negated, preposition) for one in slots]
        else:
            taken = [self.text(one, meanings, how, negated) for one in slots]
        if len(slots) > 1 and not negated:
            if len({id(one) for one in taken}) != 1:
                return None
            if all_of_them and self.far(taken[0]):
                raise self.lost("and")
            self.either(taken[0], len(slots))
        return True

    def text_in_column(self) -> bool | None:
        """ "with "Lamp" in its name"."""
        slot = self.slot({"text"})
        if slot is None or not self.take("in its", "in their", "in the", "as part of its", "in his", "in her"):
            return None
        word = self.word()
        found = self.columns_here()
        meanings = found[1] if found else []
        if word in {"name", "names", "title"}:
            meanings = [Mention(self.scope[-1].table, None, 1.0)]
        if not meanings:
            return None
        self.at += found[0] if found else 1
        self.text(slot, meanings, "contains", False)
        return True

    def text(self, slot: int, meanings: list[Mention], how: str, negated: bool) -> Things:
        texts = []
        for one in meanings:
            if one.field is None:
                names = [name for name in self.schema.names(one.table) if name.is_text]
                texts += [Mention(one.table, name, one.weight) for name in names[:1] if len(names) == 1]
            elif one.field.is_text:
                texts.append(one)
        for host in reversed(self.scope):

            def parse(host: Things = host) -> bool | None:
                place = self.resolve(texts, host.table, anywhere=True)
                one: Condition = Like(place, how, slot, not place.field.key)  # type: ignore[arg-type]
                self.add(host.where, Not(one) if negated else one)
                return True

            if self.attempt(parse):
                return host
        raise self.lost(self.text_of(slot))

    def either(self, host: Things, count: int) -> None:
        self.swap(host.where, [*host.where[:-count], Either(tuple(host.where[-count:]))])

    def value_alone(self) -> bool | None:
        """ "in Rome", "from Spain or France", "are pending": a value without its column."""
        self.take("and")
        who = self.take(*WHO) or self.word(-1) in WHO
        helped = self.take(*BE)
        negated = bool(self.take("not"))
        acting = not self.take_verb() and bool(who) and not helped
        preposition = self.take(*PREPOSITIONS, "outside", "outside of", "either")
        if preposition == "of" and self.take("either"):
            pass
        negated = negated or preposition.startswith("outside")
        self.skip_determiners()
        if self.scope and self.kind() == "text":
            return self.attempt(self.text_before_noun)
        if not self.scope or self.kind() != "entity":
            return None
        slots: list[int] = []
        joined = ""
        token = self.peek()
        if token is not None and self.date_named(stem(token.text)) and self.attempt(self.dated_next):
            return None
        while True:
            slot = self.slot({"entity"})
            if slot is None or (slots and self.question.slots[slot].columns != self.question.slots[slots[0]].columns):
                return None
            slots.append(slot)
            at = self.at
            word = self.take("or", "and", ",", ", or", ", and", "or in", "or from", "and in")
            if not word or self.kind() != "entity":
                self.at = at
                break
            joined += word
        acted = self.word(-2) in BE or self.word(-2) == "been"
        if acted and self.word() == "for" and self.kind(1) in MOMENTS:
            raise self.lost()  # "scheduled for May": for then, or by then
        hint = self.value_noun(slots[0])
        taken = [self.entity(one, self.scope, hint, negated, preposition) for one in slots]
        if any(one.field is None for one in hint) and self.far(taken[0]):
            return None  # "with overdue payments over 600": the payments are over 600
        if acting and not preposition and self.far(taken[0]) and not self.ended():
            raise self.lost()  # "that delivered more than 10 shipments": so many delivered ones
        if len(slots) > 1 and not negated:
            host = taken[0]
            if any(one is not host for one in taken):
                return None
            several = any(one.place.path for one in host.where[-len(slots) :])  # type: ignore[union-attr]
            if several and "or" not in joined:
                raise self.lost()
            self.either(host, len(slots))
        return True

    @staticmethod
    def far(host: Things) -> bool:
        """Whether the last condition is of rows of which there are several for each of these."""
        place = getattr(host.where[-1], "place", None)
        return isinstance(place, Place) and any(not step.up for step in place.path)

    def text_before_noun(self) -> bool | None:
        """ "in the "Physics" department"."""
        slot = self.slot({"text"})
        found = self.mentions()
        if slot is None or not found or self.plural(self.at + found[0][0] - 1):
            return None
        self.at += found[0][0]
        self.text(slot, found[0][1], "equals", False)
        return True

    def dated_next(self) -> bool | None:
        """Whether a time follows: then "shipped" is what happened at it, and no status."""
        self.at += 1
        self.take(*MOMENT)
        self.skip_determiners()
        found = self.kind() in MOMENTS
        if found:
            self.at -= 1
        return found

    def value_noun(self, slot: int) -> list[Mention]:
        """ "Italian food", "the Toys category": the word after a value that says whose it is."""
        columns = self.question.slots[slot].columns
        for length, meanings in self.mentions():
            fits = [
                one
                for one in meanings
                if (
                    one.field.qualified in columns
                    if one.field
                    else any(name.rpartition(".")[0] == one.table for name in columns)
                )
            ]
            if fits:
                self.at += length
                return fits
        return []
