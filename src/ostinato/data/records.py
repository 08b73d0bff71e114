"""Private: strict reading of dataclasses from JSON: names, types, ranges and lengths are
checked.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import InputError, near, shown

_TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    object: "any value",
}


@dataclass(frozen=True)
class Range:
    """Smallest and largest value, for `Annotated[int, Range(low, high)]`."""

    low: float
    high: float

    def __str__(self):
        return f" from {self.low:,} to {self.high:,}"

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Length:
    """Minimum and maximum number of items or characters, for `Annotated[list[str],
    Length(low)]`.
    """

    low: int
    high: float = math.inf

    def __str__(self):
        return (
            f" of {self.low:,} or more"
            if self.high == math.inf
            else f" of {self.low:,} to {self.high:,}"
        )

    def holds(self, value) -> bool:
        return self.low <= len(value) <= self.high


@dataclass(frozen=True)
class Distinct:
    """All items are different, for `Annotated[list[str], Distinct()]`."""

    def __str__(self):
        return " distinct items"

    def holds(self, value: list) -> bool:
        return len(set(value)) == len(value)


Count = Annotated[int, Range(0, 10**15)]
Positive = Annotated[int, Range(1, 10**15)]
# The columns or arrays that were used.
Columns = dict[str, str | list[str]]


def read_record(record: type, value, *, field: str = "", complete: bool = False):
    """Read a dataclass from parsed JSON.

    Field types are str, int, float (finite; integers are accepted), bool, None, `object` for any
    value, `Literal`, unions, `list[...]`, `dict[str, ...]`, other dataclasses, and any of these in
    `Annotated` with `Range`, `Length` or `Distinct`. Conditions between fields are checked in the
    dataclass: its `__post_init__` raises an InputError.

    Args:
        record: The dataclass.
        value: The parsed JSON.
        field: The name of the value, for messages.
        complete: Fields with a default are required too.

    Raises:
        InputError: A field is unknown or missing, or has a wrong type or range; the message names
            the field and the expected value.

    Example:
        >>> @dataclass(frozen=True)
        ... class Point:
        ...     x: float
        ...     names: Annotated[list[str], Length(1)] = ("origin",)
        >>> read_record(Point, {"x": 1})
        Point(x=1, names=('origin',))
        >>> read_record(Point, {"x": "1"})
        Traceback (most recent call last):
            ...
        ostinato.errors.InputError: 'x' is '1'; it should be a number
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{field!r} is {shown(value)}; it should be an object")
    inside = f"{field}." if field else ""
    types = get_type_hints(record, include_extras=True)
    known = {one.name: one for one in fields(record)}
    for name in value:
        if name not in known:
            raise InputError(f"unknown field {inside + name[:80]!r}{near(name[:80], known)}")
    found = {}
    for name, one in known.items():
        if name in value:
            found[name] = _read(types[name], value[name], inside + name)
        elif complete or (one.default is MISSING and one.default_factory is MISSING):
            raise InputError(f"{inside + name!r} is missing")
    return record(**found)


def _read(wanted, value, field: str):
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        if not _is_kind(wanted, value):
            raise _unlike(wanted, value, field)
        read = _read(arguments[0], value, field)
        for limit in arguments[1:]:
            if not limit.holds(read):
                raise _unlike(wanted, value, field)
        return read
    if origin in (Union, UnionType):
        for one in arguments:
            if _is_kind(one, value):
                return _read(one, value, field)
        raise _unlike(wanted, value, field)
    if not _is_kind(wanted, value):
        raise _unlike(wanted, value, field)
    if is_dataclass(wanted):
        return read_record(wanted, value, field=field)
    if origin is list:
        if arguments[0] in (str, int, float):
            # these lists may have a million items
            place = next(
                (place for place, item in enumerate(value) if not _is_kind(arguments[0], item)),
                None,
            )
            if place is not None:
                raise _unlike(arguments[0], value[place], f"{field}[{place}]")
            return value
        return [_read(arguments[0], item, f"{field}[{place}]") for place, item in enumerate(value)]
    if origin is dict:
        return {
            name: _read(arguments[1], item, f"{field}.{name[:80]}") for name, item in value.items()
        }
    return value


def _is_kind(wanted, value) -> bool:
    """Whether a value has the outer type of an annotation; its content is not checked."""
    if wanted is float:
        # an integer too large for a float is rejected
        return type(value) in (int, float) and abs(value) < 1e308
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return _is_kind(arguments[0], value)
    if origin in (Union, UnionType):
        return any(_is_kind(one, value) for one in arguments)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if wanted is object:
        return True
    if is_dataclass(wanted):
        return isinstance(value, Mapping)
    return type(value) is (origin or wanted)


def _unlike(wanted, value, field: str) -> InputError:
    return InputError(f"{field!r} is {shown(value)}; it should be {_named(wanted)}")


def _named(wanted) -> str:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        kind, comma, items = _named(arguments[0]).partition(", each ")
        return kind + "".join(map(str, arguments[1:])) + comma + items
    if origin in (Union, UnionType):
        return " or ".join(map(_named, arguments))
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is list:
        return f"a list, each {_named(arguments[0])}"
    return _TYPE_NAMES.get(wanted, "an object")


def to_json(record) -> dict[str, Any]:
    """The fields of a record as `read_record` reads them, without those that have their default."""
    defaults = {one.name: one.default for one in fields(record) if one.default is not MISSING}
    return {
        name: value
        for name, value in asdict(record).items()
        if name not in defaults or value != defaults[name]
    }


def check_sizes(columns: int, **lists: list) -> None:
    """Check that each list has one item per column.

    Args:
        columns: The number of columns.
        lists: The lists by field name.

    Raises:
        InputError: A list has another length.
    """
    for name, values in lists.items():
        if len(values) != columns:
            raise InputError(f"{name!r} has {len(values)} values; it should have {columns}")
