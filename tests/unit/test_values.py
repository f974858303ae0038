"""Postgres's text becomes values that JSON holds exactly."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcall.database import values

INTEGERS = [
    ("0", 0),
    ("-7", -7),
    ("9007199254740991", 2**53 - 1),
    ("-9007199254740991", -(2**53) + 1),
    ("9007199254740992", "9007199254740992"),
    ("-9223372036854775808", "-9223372036854775808"),
]
NUMERICS = [
    ("12.50", 12.5),
    ("-0.1", -0.1),
    ("42", 42),
    ("42.00", 42.0),
    ("123456789012345.6", 123456789012345.6),
    ("52.3473684210526316", 52.34736842105263),
    ("0.33333333333333333333", 0.3333333333333333),
    ("123456789012345.6789", "123456789012345.6789"),
    ("9007199254740993", "9007199254740993"),
    ("9007199254740993.5", "9007199254740993.5"),
    ("9" * 5000, "9" * 5000),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("-Infinity", "-Infinity"),
]
FLOATS = [("1.5", 1.5), ("1e+300", 1e300), ("NaN", "NaN"), ("-Infinity", "-Infinity")]
MOMENTS = [
    (values.as_date, "2024-02-29", "2024-02-29"),
    (values.as_date, "infinity", "infinity"),
    (values.as_date, "-infinity", "-infinity"),
    (values.as_date, "0044-03-15 BC", "-0043-03-15"),
    (values.as_date, "0001-12-31 BC", "0000-12-31"),
    (values.as_date, "4713-01-01 BC", "-4712-01-01"),
    (values.as_date, "12024-01-01", "+12024-01-01"),
    (values.as_timestamp, "2024-02-29 12:30:00", "2024-02-29T12:30:00"),
    (values.as_timestamp, "2024-02-29 12:30:00.123456", "2024-02-29T12:30:00.123456"),
    (values.as_timestamp, "0044-03-15 12:30:00 BC", "-0043-03-15T12:30:00"),
    (values.as_timestamp, "294276-12-31 23:59:59.999999", "+294276-12-31T23:59:59.999999"),
    (values.as_timestamp, "infinity", "infinity"),
    (values.as_timestamp_with_zone, "2024-02-29 12:30:00+00", "2024-02-29T12:30:00+00:00"),
    (values.as_timestamp_with_zone, "2024-02-29 12:30:00.5-03:30", "2024-02-29T12:30:00.5-03:30"),
    (values.as_timestamp_with_zone, "0044-03-15 12:30:00+02 BC", "-0043-03-15T12:30:00+02:00"),
    (values.as_timestamp_with_zone, "12024-01-01 00:00:00+00", "+12024-01-01T00:00:00+00:00"),
    (values.as_timestamp_with_zone, "-infinity", "-infinity"),
    (values.as_time_with_zone, "12:30:00.5+02", "12:30:00.5+02:00"),
    (values.as_time_with_zone, "12:30:00-03:30", "12:30:00-03:30"),
]
INTERVALS = [
    ("00:00:00", "PT0S"),
    ("1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S"),
    ("-1 years -2 mons +3 days -04:05:06", "P-1Y-2M3DT-4H-5M-6S"),
    ("10 years", "P10Y"),
    ("100 days", "P100D"),
    ("00:00:00.000001", "PT0.000001S"),
    ("-00:30:00", "PT-30M"),
    ("2562047788:00:54.775807", "PT2562047788H54.775807S"),
    ("infinity", "infinity"),
]
JSONS = [
    ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
    ("12345678901234567890", "12345678901234567890"),
    ("1e400", "1e400"),
    ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
    ('{"half": "\\ud83d"}', '{"half": "\\ud83d"}'),
    ("[" * 64 + "]" * 64, json.loads("[" * 64 + "]" * 64)),
    ("[" * 65 + "]" * 65, "[" * 65 + "]" * 65),
    ("[" * 200_000 + "]" * 200_000, "[" * 200_000 + "]" * 200_000),
    ("[" + "[1]," * 100 + "1]", [[1]] * 100 + [1]),
]
ARRAYS = [
    ("{}", []),
    ("{1,2,NULL}", [1, 2, None]),
    ("{{1,2},{3,4}}", [[1, 2], [3, 4]]),
    ("[0:1]={1,2}", [1, 2]),
    ("[0:0][2:3]={{1,2}}", [[1, 2]]),
]
TEXT_ARRAYS = [
    ('{a,"b c","NULL",NULL}', ["a", "b c", "NULL", None]),
    ('{"quoted \\"x\\"","back\\\\slash","{brace}","a,b",""}', ['quoted "x"', "back\\slash", "{brace}", "a,b", ""]),
    ('{{a,"b,c"},{NULL,"d\ne"}}', [["a", "b,c"], [None, "d\ne"]]),
]


@pytest.mark.parametrize(("text", "value"), INTEGERS)
def test_integers_beyond_a_double_are_strings(text: str, value: object) -> None:
    assert values.as_integer(text) == value


@pytest.mark.parametrize(("text", "value"), NUMERICS)
def test_numeric(text: str, value: object) -> None:
    converted = values.as_numeric(text)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(("text", "value"), FLOATS)
def test_floats_are_finite_or_strings(text: str, value: object) -> None:
    assert values.as_float(text) == value


@pytest.mark.parametrize(("convert", "text", "value"), MOMENTS)
def test_moments_are_iso_8601(convert: values.Converter, text: str, value: str) -> None:
    assert convert(text) == value


@pytest.mark.parametrize(("text", "value"), INTERVALS)
def test_intervals_are_iso_8601(text: str, value: str) -> None:
    assert values.as_interval(text) == value


@pytest.mark.parametrize(("text", "value"), JSONS, ids=range(len(JSONS)))
def test_json_can_be_written_again(text: str, value: object) -> None:
    converted = values.as_json(text)
    assert converted == value
    json.dumps(converted, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(("text", "value"), ARRAYS)
def test_arrays(text: str, value: object) -> None:
    assert values.as_array(int)(text) == value


@pytest.mark.parametrize(("text", "value"), TEXT_ARRAYS)
def test_arrays_of_text(text: str, value: object) -> None:
    assert values.as_array(values.as_text)(text) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.integers().map(Decimal))
def test_a_numeric_is_never_changed(number: Decimal) -> None:
    text = f"{number:f}"
    converted = values.as_numeric(text)
    assert Decimal(repr(converted) if isinstance(converted, float) else str(converted)) == number
    if isinstance(converted, int | float):
        assert math.isfinite(converted)


@given(st.text(min_size=1))
def test_text_in_another_style_is_no_error(text: str) -> None:
    """Roles may set IntervalStyle, and a json column holds what Python's parser refuses."""
    for convert in (values.as_date, values.as_timestamp_with_zone, values.as_interval, values.as_json):
        json.dumps(convert(text), allow_nan=False)
