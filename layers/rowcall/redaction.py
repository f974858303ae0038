"""What may be neither logged nor kept, replaced by a word in brackets: card numbers, e-mail addresses, keys.

Patterns and a checksum, for what has a form of its own: they find no names, streets or birthdays, and nobody is
promised that nothing personal is left. They take time in proportion to the text, and redacting twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

KINDS = ("card", "email", "key")

# RFC 5321, 4.5.3.1.1: at most 64 octets before the @. RFC 1035, 2.3.4: at most 63 in a label. The last label of a name
# is no number, so a version such as `package@2.0` stays.
EMAIL = re.compile(r"[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}(?:xn--[\w-]{1,59}|[^\W\d_]{2,63})")

# ISO/IEC 7812-1: up to 19 digits, of which banks' begin with 2 to 6; the fewest in use are 13. Where they stand in
# groups, as 4-4-4-4 or 4-6-5, none has more than 6: so no UUID is taken for one.
FEWEST_DIGITS, MOST_DIGITS, MOST_IN_GROUP = 13, 19, 6
FIRST_DIGITS = "23456"
NUMBER = re.compile(r"[0-9]+(?:[ \u00a0\u2009\u202f\u2010-\u2013-][0-9]+)*")
GROUP = re.compile(r"[0-9]+")

KEYS = (
    # RFC 7468, 10 and 11; one that is cut off is a key all the same.
    re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.S),
    # RFC 7519: the base64url of `{"`, then the claims and the signature.
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+)*"),
    # RFC 6750, 2.1
    re.compile(r"(?<![A-Za-z0-9])(?i:bearer) {1,8}[A-Za-z0-9._~+/-]{16,}=*"),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    re.compile(r"(?i:secret_?access_?key)[\"']?\s{0,4}[=:]\s{0,4}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    # Of model providers and payment services (sk-…, sk_live_…), GitHub and Slack, as gitleaks knows them:
    # https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml
    re.compile(r"(?<![A-Za-z0-9])(?:[sr]k[-_]|gh[opsur]_|github_pat_|xox[abeprs]-)[A-Za-z0-9_-]{16,}"),
    # Ours: `auth.keys`.
    re.compile(r"(?<![A-Za-z0-9])rc_[0-9a-f]{16}_[A-Za-z0-9_-]{43}"),
)
SHORTEST_KEY = 14
"""A token of nothing but its form: `eyJ`, five characters, a point and five more."""


class Redaction:
    """Replaces what is of `kinds`, some of `KINDS`, by `[card]`, `[email]` and `[key]`."""

    def __init__(self, kinds: Sequence[str] = ()) -> None:
        self._kinds = frozenset(kinds)

    def text(self, text: str) -> str:
        """`text` without them."""
        while (redacted := self._once(text)) != text:  # what stood beside one may now be seen for what it is
            text = redacted
        return text

    def value(self, value: Any) -> Any:
        """A JSON document with every text in it redacted; its numbers and the names of its members stay."""
        if not self._kinds:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return {name: self.value(member) for name, member in value.items()}
            case list() | tuple():
                return [self.value(member) for member in value]
            case _:
                return value

    def _once(self, text: str) -> str:
        if len(text) >= SHORTEST_KEY and "key" in self._kinds:
            for pattern in KEYS:
                text = pattern.sub("[key]", text)
        if "email" in self._kinds and "@" in text:
            text = EMAIL.sub("[email]", text)
        if len(text) >= FEWEST_DIGITS and "card" in self._kinds:
            text = NUMBER.sub(_without_cards, text)
        return text


def _without_cards(found: re.Match[str]) -> str:
    """A run of digits, in groups that a space or a dash parts, without the groups that make up a card's number."""
    number, text = found[0], found.string
    if len(number) < FEWEST_DIGITS:
        return number
    groups = [group.span() for group in GROUP.finditer(number)]
    before, after = text[max(found.start() - 1, 0) : found.start()], text[found.end() : found.end() + 2]
    if before.isalpha() or before == ".":  # a part of a word or of a decimal number
        groups = groups[1:]
    if after[:1].isalpha() or (after[:1] == "." and after[1:].isdigit()):
        groups = groups[:-1]
    kept, copied, first = [], 0, 0
    while first < len(groups):
        last = _card(number, groups[first : first + MOST_DIGITS])
        if last:
            kept += [number[copied : groups[first][0]], "[card]"]
            copied = groups[first + last - 1][1]
        first += max(last, 1)
    return "".join(kept) + number[copied:]


def _card(number: str, groups: Sequence[tuple[int, int]]) -> int:
    """How many of `groups`, from the first on, make up the longest number of a card; 0 if none do."""
    digits, found = "", 0
    for count, (start, end) in enumerate(groups, 1):
        digits += number[start:end]
        if len(digits) > MOST_DIGITS or digits[0] not in FIRST_DIGITS:
            break
        if count > 1 and max(end - start, groups[0][1] - groups[0][0]) > MOST_IN_GROUP:
            break
        if len(digits) >= FEWEST_DIGITS and luhn(digits):
            found = count
    return found


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others: ISO/IEC 7812-1, annex B."""
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(value - 9 * (value > 9) for value in doubled)) % 10 == 0
