"""A question as rowcall reads it: a template, and the typed values that were taken out of it.

Reading does no I/O and imports nothing heavy: it stands on the way of every cache hit.
"""

from rowcall.question.reader import read
from rowcall.question.tokens import normalise
from rowcall.question.types import Kind, Period, Question, Slot

__all__ = ["Kind", "Period", "Question", "Slot", "normalise", "read"]
