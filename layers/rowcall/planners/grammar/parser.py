"""From the words of a question to a reading, by recursive descent.

Every content word must be explained by the reading; the first one that is not ends the attempt with `Lost`. Nothing
is ever skipped because it is unknown, and where two meanings are equally good there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rowcall.planners.grammar.conditions import BE, PREPOSITIONS, VERBS, WHO
from rowcall.planners.grammar.cursor import END, Lost
from rowcall.planners.grammar.measures import AGGREGATES, Measures, is_measure
from rowcall.planners.grammar.nouns import Superlative
from rowcall.planners.grammar.reading import (
    Bucket,
    Dimension,
    Either,
    Expression,
    Function,
    Measure,
    Order,
    Place,
    Ratio,
    Reading,
    Related,
    Things,
    Value,
)
from rowcall.planners.grammar.schema import Mention, Path, Schema
from rowcall.planners.grammar.words import ENGLISH, Token
from rowcall.question import Question

BUCKETS = {
    "day": "day", "daily": "day", "week": "week", "weekly": "week", "month": "month", "monthly": "month",
    "quarter": "quarter", "quarterly": "quarter", "year": "year", "yearly": "year", "annual": "year", "annually": "year",
    "days": "day", "weeks": "week", "months": "month", "quarters": "quarter", "years": "year",
}  # fmt: skip
ADVERBS = frozenset({"daily", "weekly", "monthly", "quarterly", "yearly", "annual", "annually"})
LISTING = (
    "show me", "show", "list", "display", "give me", "give", "get me", "get", "find me", "find", "return", "fetch", "retrieve",
    "tell me", "provide", "provide me with", "i want to see", "i want", "i need", "let me see", "print", "report", "identify",
    "view", "output", "look up", "please provide", "provide a list of", "give me a list of", "list of", "show a list of",
    "calculate", "compute", "determine", "list out", "a list of", "show me a list of", "get a list of", "return a list of",
)  # fmt: skip
WHAT = (
    "what is", "what are", "what was", "what were", "what's", "whats", "who is", "who are", "who were", "who was", "which is",
    "which are", "which were", "what 's", "who 's",
)  # fmt: skip
EACH = (
    "per", "by each", "by", "for each", "for every", "in each", "in every", "from each", "of each", "at each", "to each", "by the",
    "across each", "across", "across different", "across all", "split by", "broken down by", "grouped by", "group by", "each",
    "every", "on each", "within each", "with each", "does each", "did each", "do each", "through each", "under each", "on every",
    "by different", "for each of the", "belong to each", "associated with each", "per each", "for the different", "for different",
    "into each", "has each", "have each", "separated by", "by its", "by their", "grouped by each",
)  # fmt: skip
DOWN = (
    "in descending order", "in decreasing order", "descending", "desc", "from highest to lowest", "highest first", "decreasing",
    "from largest to smallest", "from most to least", "high to low", "largest first", "newest first", "from longest to shortest",
    "latest first", "most recent first", "from best to worst", "in reverse order", "from newest to oldest", "from high to low",
    "from greatest to least", "from biggest to smallest", "from most recent to oldest", "from latest to earliest",
)  # fmt: skip
UP = (
    "in ascending order", "in increasing order", "ascending", "asc", "from lowest to highest", "lowest first", "increasing",
    "from smallest to largest", "from least to most", "low to high", "alphabetically", "in alphabetical order", "oldest first",
    "earliest first", "from shortest to longest", "from low to high", "cheapest first", "from oldest to newest", "smallest first",
    "chronologically", "in chronological order", "from earliest to latest",
)  # fmt: skip
MOST = (
    "has the most", "have the most", "had the most", "with the most", "has the highest number of", "has the largest number of",
    "have the highest number of", "with the highest number of", "has most", "has the most number of", "with the most number of",
    "with the largest number of", "have the largest number of", "with most", "contains the most", "has the greatest number of",
)  # fmt: skip
FEWEST = (
    "has the fewest", "have the fewest", "with the fewest", "has the least", "has the lowest number of", "had the fewest",
    "with the lowest number of", "has the smallest number of", "has the least number of",
)  # fmt: skip


class Parser(Measures):
    """One attempt at one question."""

    def __init__(self, question: Question, schema: Schema) -> None:
        super().__init__(question, schema)
        self.listed = False
        self.singular = False
        self.ranked = False
        self.keep_empty = False
        self.explicit = False

    def read(self) -> Reading:
        self.main()
        while self.at < len(self.tokens):
            if self.word() in END:
                self.at += 1
            else:
                self.addendum()
        return self.reading()

    def main(self) -> None:
        self.take("please", "can you", "could you")
        self.take("please")
        self.each_last()
        if self.take("how does the", "how do the", "how does", "how do"):
            return self.varying()
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
        if self.tokens[at].lower in {"between", "among", "with", "over"}:
            self.tokens[at] = Token("across", "across")
        self.put("listed", True)
        if not self.attempt(self.numbers):
            raise self.lost()
        self.modifiers()

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

    # -- what is asked for -------------------------------------------------------------------------------------

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
        while True:
            one = self.measure(self.base)
            if one is None or isinstance(one, Place):
                return None
            self.add(self.shown, one)
            at = self.at
            if not (self.take("and", ",", ", and") and self._another_number()):
                self.at = at
                break
        if adverb:
            self.group_by(BUCKETS[adverb])
        return True

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
        wanted, owner = self.column_list(None)
        if not wanted:
            return None
        self.superlative()
        if self.take("of", "for", "from", "belonging to", "where", "in"):
            if self.word() in {"each", "every"}:
                self.at += 1
            self.skip_determiners()
            self.superlative()
            things = self.things()
            if owner is not None and things.table != owner:
                return None
            self.put("singular", not self.plural(self.noun))
        elif owner is not None:
            things = Things(owner)
            self.put("singular", not self.plural(self.at - 1))
        else:
            return None
        self.set_base(things)
        for meanings, word in wanted:
            for place in self.named_columns(things, meanings, word):
                self.add(self.shown, place)
        return True

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

    def rows(self) -> bool | None:
        self.superlative()
        things = self.things()
        self.set_base(things)
        self.put("singular", not self.plural(self.noun))
        return True

    # -- groups ------------------------------------------------------------------------------------------------

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
            self.group_by_things(things, things, (), word)
            return True
        tables = [one for one in found if one.field is None and one.table != things.table]
        fields = [one for one in found if one.field is not None]
        own = max((one.weight for one in fields if one.table == things.table), default=0.0)
        if tables and own < 1 and tables[0].weight > own - 0.1:
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
        assert self.moneyed is not None
        old = self.measured()
        if old.where or len(self.shown) != 1:
            raise self.lost()
        self.put("base", None)
        self.swap(self.scope, [])
        self.swap(self.shown, [self.money(self.moneyed[0], of, self.moneyed[1])])

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

    # -- order -------------------------------------------------------------------------------------------------

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
        known = [one for one in (*self.shown, *(order.by for order in self.order)) if is_measure(one)]
        ranked = [order for order in self.order if isinstance(order.by, Place)]
        if ranked and self.base is not None and not known and self.attempt(lambda: self.same_place(ranked[0])):
            self.swap(self.order, [replace(self.order[0], descending=self.down(before))])
            return True
        for one in known:
            if self.attempt(lambda: self.again(one)):  # type: ignore[arg-type]  # noqa: B023
                descending = self.down(before)
                self.swap(self.order, [Order(one, descending)])
                if one not in self.shown:
                    self.add(self.shown, one)  # type: ignore[arg-type]
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
        assert self.base is not None
        table = self.table()
        if table is not None and table[1] == self.base.table:
            self.at += table[0]
            self.take("'s")
        places: list[Place] = []
        word = self.word()
        found = self.columns_here()
        if found is None and word not in {"name", "names", "id"}:
            return None
        self.at += found[0] if found else 1
        places = self.named_columns(self.base, found[1] if found else [], word if not found or found[0] == 1 else "")
        descending = self.down(before)
        for place in places:
            self.add(self.order, Order(place, descending))
            if place.field.is_number and self.ranked_names():
                self.put("ranked", True)
        return bool(places)

    def ranked_names(self) -> bool:
        return not self.shown

    def order_by_measure(self, before: bool | None) -> bool | None:
        assert self.base is not None
        one = self.measure(self.base)
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
            self.take("total number of", "number of") if False else None
            one = self.measure(base)
            if one is None:
                raise self.lost()
            return self.rank(top, one, top.descending)
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
        if word in {"most", "least", "fewest"} or counting:
            one = self.attempt(lambda: self.counting(base))
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

    # -- what is shown besides ---------------------------------------------------------------------------------

    def also_shown(self) -> bool | None:
        """ "and how many orders each has", "and their emails", "along with the price"."""
        self.take(",")
        if not self.take("and", "along with", "together with", "as well as", "with", "including"):
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
        word = self.word()
        self.at += found[0]
        places = self.named_columns(base, found[1], word if found[0] == 1 else "")
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
        if self.take(
            "order the results by", "order the result by", "sort the results by", "sort the result by", "order them by", "sort them by",
            "order results by", "sort results by", "sort by", "order by", "sort the list by", "order the results", "sort the results",
        ):  # fmt: skip
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

    # -- the result --------------------------------------------------------------------------------------------

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
        if not measures and not ordered:
            if self.ranked and self.limit is None and not self.shown and not self.listed and not self.explicit:
                raise Lost("how many of them")
            self.choose_columns(base)
            self.order_by_name(base)
        self.order_groups()
        self.refuse_counted_twice()
        return Reading(base, self.shown, self.dimensions, [], self.order, self.limit, self.distinct, self.keep_empty)

    def choose_columns(self, base: Things) -> None:
        """All columns where rows are asked to be shown; the names where it is asked which they are."""
        if self.shown or (self.listed and not self.ranked):
            return
        names = self.schema.names(base.table)
        if self.listed and not self.limit:
            return
        if not names or all(one.key for one in names) and self.listed:
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
        return Reading(of[0].things, self.shown, self.dimensions, [], self.order, self.limit, False, self.keep_empty)


__all__ = ["BE", "PREPOSITIONS", "Parser"]
