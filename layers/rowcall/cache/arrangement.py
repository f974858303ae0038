"""Tokens in the order in which they mostly stand: what may be said in several orders is put into one.

"Patients' ages" become "ages of patients", "bought by customers" becomes "customers bought". Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Sequence

from rowcall.cache.tokens import AGGREGATES, Cutting, Token
from rowcall.cache.words import Vocabulary, fold_set, identifier, is_participle, is_plural, word_set

TIMES = ("{period", "{date", "{year")
VALUES = ("{number", "{money", "{percent", "{text")


class Arrangement:
    """The tokens of a template, and how they stand to one another."""

    def __init__(self, template: str, vocabulary: Vocabulary) -> None:
        cut = Cutting(template, vocabulary)
        self.question = cut.question
        self.opened = cut.opened
        self.tokens = cut.tokens
        self.vocabulary = vocabulary
        self.flows = {vocabulary.concept(flow) for flow in fold_set("flows")}
        self.slots = sorted((token for token in self.tokens if token.kind == "slot"), key=lambda token: token.slot)

    def marks(self, *names: str) -> list[int]:
        return [at for at, token in enumerate(self.tokens) if token.is_(*names)]

    def token(self, position: int) -> Token:
        return self.tokens[position] if 0 <= position < len(self.tokens) else Token("gap", "", "")

    def run(self, at: int, through: str = "") -> list[Token]:
        """Terms that stand together from `at` on; a value among them, such as "pending", does not part them."""
        found: list[Token] = []
        for position in range(at, len(self.tokens)):
            token = self.tokens[position]
            if token.kind == "term":
                if found and (token.apart or self._is_verb(token, found[-1], self.token(position + 1))):
                    break
                found.append(token)
            elif not token.raw.startswith("{entity") and not (through and token.key == through):
                break
        return found

    def _is_verb(self, token: Token, before: Token, behind: Token) -> bool:
        """Whether the term says what those before it do, or what is done to them: "flights departing", "cars sold"."""
        doing = token.raw.endswith("ing") and token.raw not in self.vocabulary.written
        if doing or is_participle(token.raw):
            return behind.kind != "term" or self.vocabulary.is_table(before.key)
        return False

    def drop_redundant(self) -> None:
        """ "With status pending" says no more than "pending", "category toys" no more than "toys"."""
        for at, token in enumerate(self.tokens):
            if not token.raw.startswith("{entity:") or "|" in token.raw:
                continue
            table, _, column = token.raw[8:-1].rpartition(".")
            names = {identifier(column)[-1:], identifier(table)[-1:] if column in word_set("labels") else ()}
            concepts = {self.vocabulary.concept_of(*name) for name in names if name}
            linked = ("is", "are", "was", "were")
            before = self.token(at - 2 if self.token(at - 1).key in linked else at - 1)
            behind = self.token(at + 2 if self.token(at + 1).key in linked else at + 1)
            others = sum(one.kind == "term" for one in self.tokens)
            for beside in (before, behind):
                if others > 1 and beside.kind == "term" and beside.key in concepts:
                    beside.use()

    def turn_owners(self) -> None:
        """ "Patients' ages" and "patient ages" become "ages of patients"."""
        for at in range(len(self.tokens)):
            owner, owned = self.tokens[at], at + 2 if self.token(at + 1).key == "'s" else at + 1
            if owner.kind != "term" or (owned == at + 1 and not self._has_column(owner, self.token(owned))):
                continue
            start = at
            while self.token(start - 1).kind == "term" or self.token(start - 1).raw.startswith("{entity"):
                start -= 1
            if self.token(start - 1).is_("per"):
                continue
            end = owned
            while self._owned(end) or (end > owned and self._joins(end)):
                end += 1
            if end > owned:
                of = Token("gap", "of", "of")
                self.tokens[start:end] = [*self.tokens[owned:end], of, *self.tokens[start : at + 1]]

    def _has_column(self, owner: Token, column: Token) -> bool:
        written = column.raw in self.vocabulary.written or column.raw.removesuffix("s") in self.vocabulary.written
        named = column.kind == "term" and (written or " " in column.raw) and not self.vocabulary.is_table(column.key)
        doing = is_participle(owner.raw) or is_participle(column.raw)
        return named and not doing and self.vocabulary.is_table(owner.key)

    def _joins(self, at: int) -> bool:
        """Whether a comma or "and" at `at` joins another thing that is owned."""
        behind = at + 2 if self.token(at).key == "," and self.token(at + 1).key == "and" else at + 1
        return self.token(at).key in (",", "and") and self._owned(behind)

    def _owned(self, at: int) -> bool:
        token = self.token(at)
        if token.kind == "term":
            return not is_participle(token.raw)
        return token.is_(*AGGREGATES) or (token.kind == "superlative" and self.token(at + 1).kind == "term")

    def turn_agents(self) -> None:
        """ "bought by customers" becomes "customers bought": who does it stands before what is done."""
        for by in self.marks("by"):
            done, agent = self.token(by - 1), self.token(by + 1)
            if done.kind not in ("term", "gap") or not is_participle(done.raw) or agent.kind not in ("term", "slot"):
                continue
            who = self.run(by + 1)
            alone = bool(who) and not is_plural(agent.raw) and self.token(by + 1 + len(who)).kind != "slot"
            if alone and self.is_total():
                continue
            self.tokens[by].use()
            if done.kind == "term":
                end = by + 1 + max(len(who), 1)
                self.tokens[by - 1 : end] = [*self.tokens[by:end], done]

    def is_total(self) -> bool:
        """Whether figures are asked for, so that "by" says how they are grouped."""
        return any(
            token.is_(*AGGREGATES) or (token.kind == "term" and token.key in self.flows) for token in self.tokens
        )

    def settled(self) -> Sequence[Token]:
        """A value stands behind what it is a value of, and what was done behind what it was done to:
        "more than {number} orders" is "orders over {number}", "paid fines" are "fines that are paid"."""
        settled: list[Token] = []
        timed = any(token.raw.startswith(TIMES) for token in self.slots)
        tokens = [token for token in self.tokens if token.kind != "gap" or token.key]
        at = 0
        while at < len(tokens):
            token = tokens[at]
            end = at + 1
            if token.kind == "term" and timed and self._is_attribute(tokens[at - 1] if at else None, token):
                token.key += "*"  # "paid invoices of May" may have been paid in June
            valued = token.kind == "slot" and token.raw.startswith(VALUES)
            if valued or self._is_attribute(tokens[at - 1] if at else None, token):
                while end < len(tokens) and tokens[end].kind == "term" and not (end > at + 1 and tokens[end].apart):
                    end += 1
            settled += [*tokens[at + 1 : end], token]
            at = end
        return settled

    def _is_attribute(self, before: Token | None, token: Token) -> bool:
        """Whether a participle says of what nature the next thing is, and not what somebody did."""
        plain = before is None or before.kind == "mark" or before.key in ("of", "with", "in", "on", "at")
        if not plain or token.kind != "term" or not is_participle(token.raw):
            return False
        return self.token(self.tokens.index(token) + 1).kind == "term"
