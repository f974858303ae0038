"""What an answer tells of its columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rowcall.answer import _apart
from rowcall.database.connection import ResultColumn


@given(st.lists(st.sampled_from(["name", "name_2", "id", "name_3", ""])))
def test_no_two_columns_have_one_name_and_none_is_lost(names: list[str]) -> None:
    told = [column.name for column in _apart([ResultColumn(name, "text") for name in names])]
    assert len(told) == len(set(told)) == len(names)
    for before, after in zip(names, told, strict=True):
        assert after.startswith(before)


def test_the_second_is_numbered() -> None:
    columns = [ResultColumn("name", "text"), ResultColumn("name", "integer")]
    assert _apart(columns) == [ResultColumn("name", "text"), ResultColumn("name_2", "integer")]
