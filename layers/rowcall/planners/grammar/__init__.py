"""The planner without a model: a deterministic parser of questions over any catalog. Right or silent.

It abstains (`Unanswerable`) rather than guess: a wrong answer is worse than none. No network, no randomness, and no
knowledge of any database but what the catalog says.

    words     English: stems, synonyms, the words of an identifier
    schema    a catalog as people speak of it
    reading   what a question means, as data
    cursor -> names -> nouns -> conditions -> measures -> groups -> orders -> shown -> parser
              from words to a reading, each building on the one before
    compose   a reading as SQL
    explain   a reading in one sentence
    suggest   questions that do work
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rowcall.catalog import Catalog
from rowcall.errors import Unanswerable
from rowcall.plan import Draft
from rowcall.planners.grammar import suggest
from rowcall.planners.grammar.compose import Composer, Unspeakable, text_of
from rowcall.planners.grammar.cursor import Exhausted, Lost
from rowcall.planners.grammar.explain import Explainer
from rowcall.planners.grammar.parser import Parser
from rowcall.planners.grammar.schema import Ambiguous, Schema, schema_of
from rowcall.planners.grammar.words import tokens
from rowcall.question import Question, read

__all__ = ["plan", "samples"]


def plan(question: Question, catalog: Catalog) -> Draft:
    """The draft that answers `question`, or `Unanswerable` with questions that this catalog can answer."""
    schema = schema_of(catalog)
    try:
        return _draft(question, schema)
    except Lost as error:
        why = f"I cannot tell what “{error}” means here." if str(error) else "I cannot read this question."
    except (Ambiguous, Unspeakable, Exhausted):
        why = "I cannot tell for sure what is asked."

    raise Unanswerable(
        why, suggest.suggestions(tokens(question), schema, _works(schema, question.now, question.timezone))
    )


def samples(catalog: Catalog, now: datetime) -> tuple[str, ...]:
    """A few questions of different kinds that this planner answers over `catalog`."""
    schema = schema_of(catalog)
    return suggest.samples(schema, _works(schema, now, "UTC"))


def _works(schema: Schema, now: datetime, timezone: str) -> Callable[[str], bool]:
    def works(text: str) -> bool:
        try:
            _draft(read(text, schema.catalog, now, timezone), schema)
        except (Lost, Ambiguous, Unspeakable, Exhausted):
            return False
        return True

    return works


def _draft(question: Question, schema: Schema) -> Draft:
    reading = Parser(question, schema).read()
    composer = Composer(schema)
    tree = composer.query(reading)
    return Draft(text_of(tree), Explainer(schema).sentence(reading), tuple(dict.fromkeys(composer.constants)))
