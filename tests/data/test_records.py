"""Dataclasses are read from JSON strictly: what is not of the type, the range or the names is
refused, and the message says where.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from ostinato.data.records import (
    Columns,
    Count,
    Distinct,
    Length,
    Range,
    read_record,
    to_json,
)
from ostinato.errors import InputError, shown


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, Range(1, 9)]


@dataclass(frozen=True)
class Record:
    name: str
    count: Count
    rate: float
    on: bool
    kind: Literal["a", "b"]
    labels: Annotated[list[str], Length(2), Distinct()]
    numbers: list[list[float]]
    columns: Columns
    inner: Inner
    maybe: Inner | None = None
    more: list[Annotated[int, Range(0, 5)]] | None = None

    def __post_init__(self):
        if self.count > len(self.labels):
            raise InputError("'count' is more than the labels")


WHOLE = {
    "name": "n",
    "count": 2,
    "rate": 1,
    "on": True,
    "kind": "a",
    "labels": ["x", "y"],
    "numbers": [[1, 2.5], []],
    "columns": {"text": "t", "numbers": ["u"]},
    "inner": {"size": 3},
}


def test_what_fits_is_read_and_written_again():
    record = read_record(Record, WHOLE)
    assert (
        record.inner == Inner(3) and record.numbers == [[1, 2.5], []] and to_json(record) == WHOLE
    )
    assert read_record(Record, WHOLE | {"maybe": {"size": 1}, "more": [5]}).maybe == Inner(1)
    assert to_json(read_record(Record, WHOLE | {"more": None})) == WHOLE


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"name": 5}, "'name' is 5; it should be text"),
        ({"name": None}, "'name' is None; it should be text"),
        ({"count": True}, "'count' is True; it should be a whole number"),
        ({"count": 2.0}, "'count' is 2.0; it should be a whole number"),
        ({"count": -1}, "'count' is -1; it should be a whole number from 0"),
        ({"count": 10**40}, "'count' is 1000.*; it should be a whole number from 0"),
        ({"rate": float("inf")}, "'rate' is inf; it should be a number"),
        ({"rate": float("nan")}, "'rate' is nan"),
        ({"rate": 10**400}, "'rate' is 1000"),
        ({"rate": "1"}, "'rate' is '1'; it should be a number"),
        ({"rate": False}, "'rate' is False"),
        ({"on": 1}, "'on' is 1; it should be true or false"),
        ({"kind": "c"}, "'kind' is 'c'; it should be one of 'a', 'b'"),
        ({"kind": ["a"]}, "'kind' is a list of 1"),
        (
            {"labels": "xy"},
            "'labels' is 'xy'; it should be a list of 2 or more distinct items, each text",
        ),
        (
            {"labels": ["x"]},
            "'labels' is a list of 1; it should be a list of 2 or more distinct items, each text",
        ),
        (
            {"labels": ["x", "x"]},
            "'labels' is a list of 2; it should be a list of 2 or more distinct items",
        ),
        ({"labels": ["x", 5]}, r"'labels\[1\]' is 5; it should be text"),
        ({"numbers": [[1], [2, "x"]]}, r"'numbers\[1\]\[1\]' is 'x'; it should be a number"),
        ({"columns": {"a": 1}}, "'columns.a' is 1; it should be text or a list, each text"),
        ({"inner": [3]}, "'inner' is a list of 1; it should be an object"),
        ({"inner": {"size": 0}}, "'inner.size' is 0; it should be a whole number from 1 to 9"),
        ({"inner": {}}, "'inner.size' is missing"),
        ({"maybe": {"size": 1, "siz": 1}}, "unknown field 'maybe.siz': did you mean 'size'"),
        ({"more": [6]}, r"'more\[0\]' is 6; it should be a whole number from 0 to 5"),
        ({"colour": 1}, "unknown field 'colour'"),
        ({"count": 3}, "'count' is more than the labels"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    with pytest.raises(InputError, match=message) as refused:
        read_record(Record, WHOLE | changed)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", WHOLE)
def test_a_field_without_a_default_has_to_be_there(name):
    with pytest.raises(InputError, match=f"'{name}' is missing"):
        read_record(Record, {other: value for other, value in WHOLE.items() if other != name})
    with pytest.raises(InputError, match="'maybe' is missing"):
        read_record(Record, WHOLE, complete=True)


@pytest.mark.parametrize("value", [[], "text", 5, None, True])
def test_a_record_is_an_object(value):
    with pytest.raises(InputError, match="'config' is .*; it should be an object"):
        read_record(Record, value, field="config")


@pytest.mark.parametrize(
    "given",
    ["x" * 10**6, 10**5000, -(10**300), [[[]] * 9], {"a": {"b": 1}}, 1e300, None, "\ud800"],
    ids=lambda given: type(given).__name__,
)
def test_an_error_message_shows_any_value_in_a_few_letters(given):
    assert len(shown(given)) <= 61
