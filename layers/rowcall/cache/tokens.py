"""Cuts a template into tokens: slots, terms, marks that turn a meaning, and gaps that say nothing.

Names of the catalog come first, then phrases of English, then single words. A word that nothing here knows is a term.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rowcall.cache.words import Sense, Vocabulary, english, fold, fold_set, is_participle, lexicon, word_set

_RAW = re.compile(
    r"\{(?:count|number|money|percent|text|date|period|year|entity)(?::[^{}]*)?\}"
    r"|[^\W_]+(?:['’][^\W_]+)*|['’]s\b|[<>!=]=|<>|(?<=\w)-(?=[\w{])|[^\w\s]|_+"
)
_CONTRACTED = ("'s", "'re", "'ve", "'ll", "'d", "'m")
_IRREGULAR_NEGATIONS = {"can't": "can", "won't": "will", "shan't": "shall"}
_SILENT = frozenset(".?:;\"'`“”‘’…,")
_AUXILIARIES = ("is", "are", "was", "were", "do", "does", "did", "has", "have")
_TIMES = ("{period", "{date", "{year")

AGGREGATES = frozenset(
    {"count", "distinct", "average", "median", "deviation", "variance", "sum", "percent", "share", "ratio", "much"}
)


@dataclass(slots=True, eq=False)
class Token:
    """`key` is a slot's type, a term's concept, a mark's name, a superlative's direction or the word of a gap.

    `measure` is what an adjective measures, `slot` the number of a slot. A term that is `apart` does not stand together
    with what is before it.
    """

    kind: Literal["slot", "term", "mark", "superlative", "gap"]
    key: str
    raw: str
    measure: str = ""
    slot: int = -1
    apart: bool = False

    def is_(self, *marks: str) -> bool:
        return self.kind == "mark" and self.key in marks

    def use(self) -> str:
        """Its key; from now on it is a gap without a word."""
        key, self.kind, self.key = self.key, "gap", ""
        return key


def raw_words(template: str) -> list[str]:
    """The words, marks and slots of a template; contractions are spelled out, a hyphen between words is left out."""
    found: list[str] = []
    text = template.replace("’", "'").replace("{{", "⟨").replace("}}", "⟩")
    for match in _RAW.finditer(text):
        raw = match.group()
        if (
            raw == "-"
            and text[match.start() - 1 : match.start()].isalnum()
            and text[match.end() : match.end() + 1] not in ("", " ")
        ):
            continue
        if raw.startswith("{") or "'" not in raw:
            found.append(raw)
        elif raw.endswith("n't"):
            found += [_IRREGULAR_NEGATIONS.get(raw, raw[:-3]), "not"]
        elif raw.endswith(_CONTRACTED) and raw not in _CONTRACTED:
            stem, _, ending = raw.rpartition("'")
            found += [stem, "'" + ending]
        else:
            found.append(raw)
    return found


class Cutting:
    """`tokens` of a template, what kind of `question` it is, and whether words are left out that `opened` it."""

    def __init__(self, template: str, vocabulary: Vocabulary) -> None:
        self.tokens: list[Token] = []
        self.question = "list"
        self._vocabulary = vocabulary
        self._raw = [raw for raw in raw_words(template) if raw not in word_set("articles")]
        order = self._turn()
        self._events = not fold_set("events").isdisjoint(map(fold, self._raw))
        self.opened = False
        self._opening: Literal["imperative", "question", ""] = "imperative"
        at = 0
        while at < len(self._raw):
            at = self._next(at)
        for token, number in zip((token for token in self.tokens if token.kind == "slot"), order, strict=True):
            token.slot = number

    def _turn(self) -> list[int]:
        """Put "for orders in May, what is …" behind the rest; returns the numbers of the slots as they now stand."""
        numbers = iter(range(len(self._raw)))
        words = [(raw, next(numbers) if raw.startswith("{") else -1) for raw in self._raw]
        raw, commas = self._raw, [at for at, word in enumerate(self._raw) if word == ","]
        if raw and raw[0] in word_set("fronts"):
            asking = [
                at
                for at in range(2, len(raw) - 1)
                if raw[at] in word_set("asking_behind_comma" if raw[at - 1] == "," else "asking")
            ]
            plain = commas[0] if len(commas) == 1 and raw[0] != "where" and commas[0] + 1 < len(raw) else None
            end = next((at - 1 if raw[at - 1] == "," else at for at in asking), plain)
            if end is not None:
                words = [*words[end + (raw[end] == ",") :], *words[:end]]
        self._raw = [word for word, _ in words]
        return [number for _, number in words if number >= 0]

    def _next(self, at: int) -> int:
        """Put what starts at word `at`, and say where it ends."""
        raw = self._raw[at]
        if raw.startswith("{"):
            return self._put(Token("slot", raw, raw), at + 1)
        if length := self._name(at):
            name = tuple(map(self._vocabulary.fold, self._raw[at : at + length]))
            return self._put(
                Token("term", self._vocabulary.name(name), " ".join(self._raw[at : at + length])), at + length
            )
        if opened := self._opened(at):
            self.opened = True
            return opened
        length, sense = self._phrase(at)
        if sense and (
            length > 1 or sense.kind != "phrases" or self._vocabulary.fold(raw) not in self._vocabulary.words
        ):
            return self._sense(sense, " ".join(self._raw[at : at + length]), at + length)
        return self._word(raw, at + 1)

    def _put(self, token: Token, end: int) -> int:
        self.tokens.append(token)
        if token.kind != "gap":
            self._opening = ""
        return end

    def _rest(self, at: int, count: int = 1) -> list[str]:
        return self._raw[at : at + count]

    def _name(self, at: int) -> int:
        """How many words from `at` are a name of the catalog that has several."""
        if not self._raw[at][0].isalpha():
            return 0
        for name in self._vocabulary.phrases.get(self._vocabulary.fold(self._raw[at]), ()):
            if tuple(map(self._vocabulary.fold, self._rest(at, len(name)))) == name:
                return len(name)
        return 0

    def _opened(self, at: int) -> int:
        """Where words end that only open a question, or 0 if there are none at `at`."""
        raw, following = self._raw[at], (*self._rest(at + 1), "")[0]
        if not self._opening:
            if raw in word_set("vacuous") and not any(token.kind in ("term", "slot") for token in self.tokens):
                return at + 1
            return 0
        if raw in word_set("vacuous") and "not" not in self._raw[at - 1 : at]:
            return at + 1
        if raw in word_set("openers"):
            if following in ("do", "does", "did", "can", "could", "should"):
                self.question = raw
            self._opening = "question"
            return at + 1
        if raw == "who" and following in ("is", "are", "was", "were", "'s"):
            then = (*self._rest(at + 2), "")[0]
            if then in english()["superlatives"] or then.startswith(("{count", "{number")):
                self._opening = "question"
                return at + 2
        if at == 0 and raw == "name" and following not in ("of", ""):
            return at + 1
        if self._opening == "imperative":
            known = word_set("imperatives")
            length = next((n for n in (4, 3, 2, 1) if " ".join(self._rest(at, n)) in known), 0)
            plain = (
                length > 1
                or (at == 0 and raw in word_set("hard_imperatives"))
                or self._vocabulary.fold(raw) not in self._vocabulary.words
            )
            if length and plain and at + length < len(self._raw):
                return at + length
        return 0

    def _phrase(self, at: int) -> tuple[int, Sense | None]:
        for phrase, sense in lexicon().get(self._raw[at], ()):
            if tuple(self._rest(at, len(phrase))) == phrase and self._holds(sense, phrase, at):
                return len(phrase), sense
        return 0, None

    def _holds(self, sense: Sense, phrase: tuple[str, ...], at: int) -> bool:
        """Whether the phrase has that sense here."""
        if sense.kind == "interrogatives":
            return not self.tokens
        if sense.kind == "superlatives" or sense.value in AGGREGATES:
            return not (len(phrase) == 1 and phrase[0] in self._vocabulary.columns and not self._governs(at + 1))
        if sense.kind != "marks":
            return True
        if sense.value in ("ge", "le") and phrase[0] in ("or", "and", "+", "upward"):
            return any(token.kind == "slot" for token in self.tokens[-2:])
        if phrase == ("%",):
            return not (self.tokens and self.tokens[-1].kind == "slot")
        if phrase == ("ordered",):
            return self._sorts(at + 1)
        return True

    def _governs(self, at: int) -> bool:
        """Whether a word stands at `at` that an aggregate before it can be of."""
        word = (*self._rest(at), "")[0]
        known = self._phrase(at)[1] if word else None
        return bool(word) and (word == "of" or (word[0].isalpha() and word not in word_set("gaps") and not known))

    def _sorts(self, at: int) -> bool:
        """Whether what follows "ordered" says how, and not who did it."""
        rest = self._rest(at, 2)
        if rest[:1] != ["by"]:
            return bool(rest) and self._phrase(at)[1] == Sense("marks", "alphabetical")
        return len(rest) == 2 and not rest[1].startswith("{") and not self._vocabulary.is_table(self._concept(rest[1]))

    def _sense(self, sense: Sense, raw: str, end: int) -> int:
        value = sense.value
        if sense.kind == "idioms":
            if not self.tokens and raw.split()[0] in _AUXILIARIES:
                self.question = "whether"
            return self._put(Token("gap", raw, raw), end)
        if sense.kind == "interrogatives":
            self.question = value
            return self._put(Token("gap", raw, raw), end)
        if sense.kind == "superlatives":
            end, value, raw = self._graded(value, raw, end)
            return self._put(Token("superlative", value[0], raw, self._measure(value[1:])), end)
        if sense.kind == "comparatives":
            mark, _, measure = value.partition(" ")
            return self._put(Token("mark", mark, raw, self._measure(measure) if measure else ""), end)
        if sense.kind == "calendar":
            self._put(Token("mark", "per", raw), end)
            return self._put(Token("term", self._concept(value), raw), end)
        if sense.kind == "phrases":
            if value == "happen" or (value == "generate" and self._flows()):
                return self._put(Token("gap", raw, raw), end)
            return self._put(Token("term", self._vocabulary.concept_of(value), raw), end)
        if raw in ("more", "less"):
            return self._compared(value, raw, end)
        return self._put(Token("mark", value, raw), end)

    def _graded(self, value: str, raw: str, end: int) -> tuple[int, str, str]:
        """ "most expensive" and "least expensive" are one superlative each."""
        word = (*self._rest(end), "")[0]
        graded = english()["graded"].get(word)
        if raw not in ("most", "least") or not graded:
            return end, value, raw
        return end + 1, ("+" if graded[0] == value else "-") + graded[1:], f"{raw} {word}"

    def _compared(self, value: str, raw: str, end: int) -> int:
        """ "more expensive" and "less recent" are one comparator each."""
        word = (*self._rest(end), "")[0]
        graded = english()["graded"].get(word, "")
        if not graded[1:]:
            return self._put(Token("mark", value, raw), end)
        up = (value == "gt") == (graded[0] == "+")
        if graded[1:] == "time":
            return self._put(Token("mark", "after" if up else "before", f"{raw} {word}"), end + 1)
        return self._put(Token("mark", "gt" if up else "lt", f"{raw} {word}", self._measure(graded[1:])), end + 1)

    def _measure(self, name: str) -> str:
        return f"@{name}" if name in ("", "time", "size") else self._vocabulary.measure(name)

    def _word(self, raw: str, end: int) -> int:
        following = (*self._rest(end), "")[0]
        if raw in _SILENT:
            return self._put(Token("gap", "'s" if raw == "'" else raw, raw), end)
        if not self.tokens and raw in _AUXILIARIES:
            if self._opening != "question":
                self.question = "whether"
            return self._put(Token("gap", raw, raw), end)
        if raw == "a" and self._is_article(following):
            return end
        if raw in word_set("gaps") or (raw in word_set("time_gaps") and following.startswith(_TIMES)):
            return self._put(Token("gap", raw, raw), end)
        if raw.startswith("un") and is_participle(raw[2:]) and self._vocabulary.fold(raw) not in self._vocabulary.words:
            self._put(Token("mark", "not", raw), end)
            raw = raw[2:]
        if self._is_light(raw, following):
            return self._put(Token("gap", raw, raw), end)
        return self._put(Token("term", self._concept(raw), raw), end)

    def _is_light(self, raw: str, following: str) -> bool:
        """Whether a verb only joins what stands around it: "orders placed in May", but not "related products"."""
        folded = fold(raw)
        if self._vocabulary.fold(raw) in self._vocabulary.words:
            return False
        if folded in fold_set("support"):
            return self._events or self._flows()
        if folded == "get" and is_participle(following):
            return True
        adjective = is_participle(raw) and following[:1].isalpha() and following not in word_set("gaps")
        return folded in fold_set("light") and not (adjective and not self._is_mark(following))

    def _is_mark(self, raw: str) -> bool:
        return any(len(phrase) == 1 and sense.kind == "marks" for phrase, sense in lexicon().get(raw, ()))

    def _is_article(self, following: str) -> bool:
        """Whether "a" is one, and no value as in "grade a"; the reader leaves out those that are plain."""
        before = self.tokens[-1] if self.tokens else None
        named = before is not None and before.kind == "term" and not is_participle(before.raw)
        return following[:1].isalpha() and not named

    def _flows(self) -> bool:
        return not fold_set("flows").isdisjoint(map(fold, self._raw))

    def _concept(self, raw: str) -> str:
        return self._vocabulary.concept_of(raw)
