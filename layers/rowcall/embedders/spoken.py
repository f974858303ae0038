"""A template as a model of language reads it: slots as plain words, no names of columns in braces."""

from __future__ import annotations

import re

_SLOT = re.compile(r"\{\{|\}\}|\{(count|number|money|percent|text|date|period|year|entity)(?::([^{}]*))?\}")


def spoken(template: str) -> str:
    """ "orders over {money:usd}" becomes "orders over [money]", an entity the name of its column."""
    return _SLOT.sub(_name, template)


def _name(match: re.Match[str]) -> str:
    kind, detail = match.groups()
    if kind is None:
        return match.group()[0]
    return f"[{detail.partition('|')[0].rpartition('.')[2] if kind == 'entity' and detail else kind}]"
