"""Private: check of Parquet pages for the one kind of damage that makes polars end the process.

If a page header says that it has a negative number of values, polars requests exabytes of memory
and ends the process. All other damage that was found raises an error in polars.

Source:
    github.com/apache/parquet-format, parquet.thrift; github.com/apache/thrift,
    thrift-compact-protocol.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class _Damaged(Exception):
    """The data is not valid Thrift."""


def has_negative_page(path: Path) -> bool:
    """Whether a page of a Parquet file has a negative number of values; False if the file is
    unreadable.
    """
    with open(path, "rb") as file:
        try:
            return any(count < 0 for count in _page_counts(file))
        except (
            _Damaged,
            ArithmeticError,
            AttributeError,
            KeyError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            return False


def _page_counts(file: BinaryIO) -> Iterator[int]:
    """The number of values in each page, as its header says."""
    file.seek(-8, 2)
    file.seek(-8 - int.from_bytes(file.read(4), "little"), 2)
    for group in _struct(file)[4]:
        for chunk in group[1]:
            about = chunk[3]
            file.seek(min(place for place in (about[9], about.get(11)) if place))
            left = about[5]
            while left > 0:
                page = _struct(file)
                data = page.get(5) or page.get(8)
                count = (data or page[7])[1]
                yield count
                if page[3] < 0:
                    raise _Damaged
                left -= count if data else 0
                file.seek(page[3], 1)


def _struct(file: BinaryIO) -> dict[int, object]:
    """Read a struct in Thrift's compact protocol: field values by field number."""
    fields, number = {}, 0
    while head := _byte(file):
        number = number + (head >> 4) if head >> 4 else _signed(file)
        fields[number] = head & 15 == 1 if head & 15 in (1, 2) else _value(file, head & 15)
    return fields


def _value(file: BinaryIO, kind: int):
    if kind in (1, 2, 3):
        return _byte(file)
    if kind in (4, 5, 6):
        return _signed(file)
    if kind == 7:
        return file.seek(8, 1)
    if kind == 8:
        # the content of strings is not needed
        return file.seek(_unsigned(file), 1)
    if kind in (9, 10):
        head = _byte(file)
        size = head >> 4 if head >> 4 < 15 else _unsigned(file)
        return [_value(file, head & 15) for _ in range(size)]
    if kind == 11:
        size = _unsigned(file)
        kinds = _byte(file) if size else 0
        return [(_value(file, kinds >> 4), _value(file, kinds & 15)) for _ in range(size)]
    if kind == 12:
        return _struct(file)
    raise _Damaged


def _byte(file: BinaryIO) -> int:
    read = file.read(1)
    if not read:
        raise _Damaged
    return read[0]


def _unsigned(file: BinaryIO) -> int:
    number = shift = 0
    while (byte := _byte(file)) & 128:
        number, shift = number | (byte & 127) << shift, shift + 7
        if shift > 63:
            raise _Damaged
    return number | byte << shift


def _signed(file: BinaryIO) -> int:
    number = _unsigned(file)
    return number >> 1 ^ -(number & 1)
