"""Turns Postgres's text into values that JSON can hold without losing any of them.

A number that a double cannot hold exactly becomes a string, and so do NaN and the infinities; only the endless
fraction of a division is cut where a double ends, or every average were a string. Moments and durations become
ISO 8601; what is not known here stays as Postgres writes it. A converter never raises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

Converter = Callable[[str], object]

MAX_SAFE_INTEGER = 2**53 - 1
"""RFC 8259, section 6: beyond it, implementations disagree about an integer's value."""

EXACT_DIGITS = 15
"""A decimal of so many digits survives the way through a double (C's DBL_DIG)."""

DIVISION_DIGITS = 16
"""A division keeps at least so many digits (NUMERIC_MIN_SIG_DIGITS in Postgres's src/include/utils/numeric.h)."""

MAX_JSON_DEPTH = 64
"""A document nested deeper stays text, so that no encoder meets its recursion limit."""

_MOMENT = re.compile(r"(\d{4,})(-\d\d-\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d+)?))?([+-]\d\d(?::\d\d)*)?( BC)?")
_INTERVAL = re.compile(
    r"(?:([+-]?\d+) years?)? ?(?:([+-]?\d+) mons?)? ?(?:([+-]?\d+) days?)? ?"
    r"(?:([+-]?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?"
)
_ARRAY_TOKEN = re.compile(r'[{}]|"((?:[^"\\]|\\.)*)"|[^{},"]+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def as_text(text: str) -> object:
    return text


def as_boolean(text: str) -> object:
    return text == "t"


def as_integer(text: str) -> object:
    value = int(text)
    return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else text


def as_float(text: str) -> object:
    value = float(text)
    return value if math.isfinite(value) else text


def as_numeric(text: str) -> object:
    if "." in text and len(text) <= EXACT_DIGITS + 1:
        return float(text)
    if len(text) - text.find(".") > DIVISION_DIGITS and "." in text:
        return float(text)
    return _as_exact(text)


def as_date(text: str) -> object:
    return text if len(text) == 10 else _as_iso_8601(text)


def as_timestamp(text: str) -> object:
    if text[10:11] == " " and text[-1] != "C":
        return f"{text[:10]}T{text[11:]}"
    return _as_iso_8601(text)


def as_timestamp_with_zone(text: str) -> object:
    if text[10:11] == " " and text[-3:] == "+00":
        return f"{text[:10]}T{text[11:]}:00"
    return _as_iso_8601(text)


def as_time_with_zone(text: str) -> object:
    return f"{text}:00" if text[-3] in "+-" else text


def as_interval(text: str) -> object:
    """ISO 8601's duration, signed as Postgres's `IntervalStyle` iso_8601 signs it."""
    found = _INTERVAL.fullmatch(text)
    if not found:
        return text
    years, months, days, sign, hours, minutes, seconds = found.groups(default="")
    date = _units((years, "Y"), (months, "M"), (days, "D"))
    time = _units((sign + hours, "H"), (sign + minutes, "M"), (sign + seconds, "S"))
    return f"P{date}{time and f'T{time}'}" if date or time else "PT0S"


def as_json(text: str) -> object:
    try:
        value = _json.decode(text)
        if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _is_deep(value):
            return text
        if "\\ud" in text.lower():  # half of a surrogate pair is fine in a json column, but not in UTF-8
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return value


def as_array(convert: Converter) -> Converter:
    """The converter of an array whose elements `convert` converts. Lower bounds other than 1 are dropped."""

    def converted(text: str) -> object:
        if text.startswith("["):
            text = text[text.index("=") + 1 :]
        inner = text[1:-1]
        if '"' not in inner and "{" not in inner:
            return [None if item == "NULL" else convert(item) for item in inner.split(",")] if inner else []
        open_arrays: list[list[object]] = [[]]
        for token in _ARRAY_TOKEN.finditer(text):
            item = token[0]
            if item == "{":
                array: list[object] = []
                open_arrays[-1].append(array)
                open_arrays.append(array)
            elif item == "}":
                open_arrays.pop()
            elif token[1] is not None:
                open_arrays[-1].append(convert(_ESCAPED.sub(r"\1", token[1])))
            else:
                open_arrays[-1].append(None if item == "NULL" else convert(item))
        return open_arrays[0][0]

    return converted


def _as_exact(text: str) -> object:
    """The same number as an integer or a double, or else its text."""
    try:
        if text.lstrip("-").isdigit():
            return as_integer(text)
        value = float(text)
        return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else text
    except (ValueError, InvalidOperation):
        return text


def _as_iso_8601(text: str) -> object:
    """Also for years that Python's dates cannot hold: 12024 is `+12024`, and 1 BC the year `0000`."""
    found = _MOMENT.fullmatch(text)
    if not found:
        return text
    year, month_and_day, time, zone, before_christ = found.groups(default="")
    if before_christ:
        year = f"{1 - int(year):05}" if int(year) > 1 else "0000"
    elif len(year) > 4:
        year = f"+{year}"
    if len(zone) == 3:
        zone += ":00"
    return f"{year}{month_and_day}{time and f'T{time}'}{zone}"


def _units(*amounts: tuple[str, str]) -> str:
    """`("-04", "H"), ("00", "M")` as `-4H`."""
    return "".join(f"{Decimal(amount).normalize():f}{unit}" for amount, unit in amounts if amount.strip("+-0."))


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            item
            for outer in level
            for item in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
        if not level:
            return False
    return True


_json = json.JSONDecoder(parse_float=_as_exact, parse_int=_as_exact, parse_constant=str)

# Object identifier, that of its array, name and converter, from Postgres's src/include/catalog/pg_type.dat;
# names are those of format_type.
_BUILT_IN: tuple[tuple[int, int, str, Converter], ...] = (
    (16, 1000, "boolean", as_boolean),
    (17, 1001, "bytea", as_text),
    (18, 1002, '"char"', as_text),
    (19, 1003, "name", as_text),
    (20, 1016, "bigint", as_integer),
    (21, 1005, "smallint", int),
    (23, 1007, "integer", int),
    (25, 1009, "text", as_text),
    (26, 1028, "oid", int),
    (27, 1010, "tid", as_text),
    (28, 1011, "xid", int),
    (29, 1012, "cid", int),
    (114, 199, "json", as_json),
    (142, 143, "xml", as_text),
    (600, 1017, "point", as_text),
    (601, 1018, "lseg", as_text),
    (602, 1019, "path", as_text),
    (604, 1027, "polygon", as_text),
    (628, 629, "line", as_text),
    (650, 651, "cidr", as_text),
    (700, 1021, "real", as_float),
    (701, 1022, "double precision", as_float),
    (718, 719, "circle", as_text),
    (774, 775, "macaddr8", as_text),
    (790, 791, "money", as_text),
    (829, 1040, "macaddr", as_text),
    (869, 1041, "inet", as_text),
    (1042, 1014, "character", as_text),
    (1043, 1015, "character varying", as_text),
    (1082, 1182, "date", as_date),
    (1083, 1183, "time without time zone", as_text),
    (1114, 1115, "timestamp without time zone", as_timestamp),
    (1184, 1185, "timestamp with time zone", as_timestamp_with_zone),
    (1186, 1187, "interval", as_interval),
    (1266, 1270, "time with time zone", as_time_with_zone),
    (1560, 1561, "bit", as_text),
    (1562, 1563, "bit varying", as_text),
    (1700, 1231, "numeric", as_numeric),
    (2950, 2951, "uuid", as_text),
    (3614, 3643, "tsvector", as_text),
    (3615, 3645, "tsquery", as_text),
    (3802, 3807, "jsonb", as_json),
    (3904, 3905, "int4range", as_text),
    (3906, 3907, "numrange", as_text),
    (3908, 3909, "tsrange", as_text),
    (3910, 3911, "tstzrange", as_text),
    (3912, 3913, "daterange", as_text),
    (3926, 3927, "int8range", as_text),
    (4072, 4073, "jsonpath", as_text),
    (4451, 6150, "int4multirange", as_text),
    (4532, 6151, "nummultirange", as_text),
    (4533, 6152, "tsmultirange", as_text),
    (4534, 6153, "tstzmultirange", as_text),
    (4535, 6155, "datemultirange", as_text),
    (4536, 6157, "int8multirange", as_text),
    (5069, 271, "xid8", as_integer),
)

CONVERTERS: dict[int, Converter] = {oid: convert for oid, _, _, convert in _BUILT_IN} | {
    array: as_array(convert) for _, array, _, convert in _BUILT_IN
}
TYPE_NAMES: dict[int, str] = {oid: name for oid, _, name, _ in _BUILT_IN} | {
    array: f"{name}[]" for _, array, name, _ in _BUILT_IN
}
