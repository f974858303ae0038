"""The planner without a model: a deterministic parser of questions over any catalog. Right or silent.

It abstains (`Unanswerable`) rather than guess: a wrong answer is worse than none. No network, no randomness, and no
knowledge of any database but what the catalog says.
"""

from __future__ import annotations

from rowcall.catalog import Catalog
from rowcall.errors import Unanswerable
from rowcall.plan import Draft
from rowcall.planners.grammar.compose import Composer, Unspeakable, text_of
from rowcall.planners.grammar.cursor import Exhausted, Lost
from rowcall.planners.grammar.parser import Parser
from rowcall.planners.grammar.schema import Ambiguous, schema_of
from rowcall.question import Question


def plan(question: Question, catalog: Catalog) -> Draft:
    """The draft that answers `question`, or `Unanswerable` with questions that this catalog can answer."""
    schema = schema_of(catalog)
    try:
        reading = Parser(question, schema).read()
        composer = Composer(schema, question.timezone)
        tree = composer.query(reading)
    except Lost as error:
        raise Unanswerable(
            f"I cannot tell what “{error}” means here." if str(error) else "I cannot read this question."
        ) from None
    except (Ambiguous, Exhausted, Unspeakable) as error:
        raise Unanswerable(str(error) or "I cannot answer this question faithfully.") from None
    return Draft(text_of(tree), "", tuple(dict.fromkeys(composer.constants)))
