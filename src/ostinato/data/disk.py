"""Sequences that are in temporary files and not in memory: what is read once and then used row by
row.

The files have no name: they are gone when the sequence is, however the process ends.
"""

import functools
import math
import operator
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from ..errors import InputError

# Rows that are read together where all are read in order.
TOGETHER = 256
# Bytes of an array that are in memory at a time.
BLOCK = 1 << 20


def parts(rows: Iterable) -> Iterator[list]:
    """Rows, so many together as are in memory at a time."""
    rows = iter(rows)
    while some := list(islice(rows, TOGETHER)):
        yield some


def taken(column: Sequence, rows: Sequence[int]) -> Sequence:
    """The items of some places of a list, or of a sequence that is in a file."""
    return column.take(rows) if isinstance(column, Kept) else [column[int(k)] for k in rows]


class Kept(Sequence):
    """A sequence that is not in memory; it is equal to one of the same items."""

    __hash__ = None

    def __eq__(self, other):
        return (
            isinstance(other, Sequence)
            and len(self) == len(other)
            and all(map(operator.eq, self, other))
        )

    def take(self, rows: Sequence[int]) -> "Taken":
        """The items of some places."""
        return Taken(self, rows)


class Made(Kept):
    """A sequence whose items are made each time they are asked for, of what is in a file.

    Args:
        count: How many there are.
        make: From a place, 0 or more, to the item.

    Example:
        >>> items = Made(3, lambda k: 10 * k)
        >>> items[-1], items[:2], list(items.take([2, 0]))
        (20, [0, 10], [20, 0])
    """

    def __init__(self, count: int, make: Callable[[int], object]):
        self.count, self.make = count, make

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self.make(k) for k in range(*place.indices(self.count))]
        return self.make(range(self.count)[place])


class StoredNumbers:
    """Numbers one behind another, added at the end and read by their places.

    Args:
        dtype: Theirs.

    Example:
        >>> numbers = StoredNumbers(np.int32)
        >>> numbers.extend([5, 6, 7])
        >>> len(numbers), numbers[1:].tolist()
        (3, [6, 7])
    """

    def __init__(self, dtype):
        self.dtype, self.count = np.dtype(dtype), 0
        self._file = tempfile.TemporaryFile(prefix="ostinato-")
        weakref.finalize(self, self._file.close)

    def extend(self, values) -> None:
        """Add numbers.

        Raises:
            InputError: There is no room for them.
        """
        content = np.ascontiguousarray(values, self.dtype)
        try:
            self._file.seek(0, 2)
            self._file.write(content.tobytes())
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"cannot write a temporary file in {tempfile.gettempdir()!r}: {error.strerror}; "
                f"make room there, "
                "or name a directory that has room: TMPDIR=..."
            ) from error
        self.count += content.size

    def __len__(self):
        return self.count

    def __getitem__(self, place: slice) -> np.ndarray:
        """The numbers from one place to another, one after another."""
        start, stop, _ = place.indices(self.count)
        found = np.empty(max(0, stop - start), self.dtype)
        self._file.seek(start * self.dtype.itemsize)
        self._file.readinto(found.view(np.uint8))
        return found

    def mapped(self) -> np.ndarray:
        """All of them, as the system brings parts of the file into memory and takes them out
        again.
        """
        return np.memmap(self._file, self.dtype, "r", shape=self.count)


class StoredRows(Kept):
    """Rows of numbers, each of its own length, and each given as what `of` makes of it.

    Args:
        dtype: Of the numbers.
        of: From the numbers (T,) of a row to what it is; the numbers themselves, if not given.
        to: From what a row is to its numbers.

    Example:
        >>> rows = StoredRows(np.int32)
        >>> rows.extend([np.array([1, 2]), np.array([]), np.array([3])])
        >>> len(rows), rows[0].tolist(), [row.tolist() for row in rows[1:]]
        (3, [1, 2], [[], [3]])
    """

    def __init__(
        self,
        dtype,
        of: Callable[[np.ndarray], object] = lambda numbers: numbers,
        to: Callable[[object], np.ndarray] = lambda row: row,
    ):
        self.of, self.to, self.numbers, self.ends = (
            of,
            to,
            StoredNumbers(dtype),
            StoredNumbers(np.int64),
        )
        self.ends.extend([0])

    def extend(self, rows: Iterable) -> None:
        """Add rows."""
        rows = [self.to(row) for row in rows]
        if rows:
            self.ends.extend(len(self.numbers) + np.cumsum([len(row) for row in rows]))
            self.numbers.extend(np.concatenate(rows))

    def __len__(self):
        return len(self.ends) - 1

    def __getitem__(self, place):
        if isinstance(place, slice):
            places = range(*place.indices(len(self)))
            return (
                self._between(places.start, places.stop)
                if places.step == 1
                else [self[k] for k in places]
            )
        place = range(len(self))[place]
        return self._between(place, place + 1)[0]

    def __iter__(self):
        for start in range(0, len(self), TOGETHER):
            yield from self[start : start + TOGETHER]

    def _between(self, start: int, stop: int) -> list:
        if stop <= start:
            return []
        ends = self.ends[start : stop + 1]
        numbers = self.numbers[int(ends[0]) : int(ends[-1])]
        return [self.of(row) for row in np.split(numbers, ends[1:-1] - ends[0])]


class StoredArray(Kept):
    """An array that is read row by row, a row being a part along its first axis; numpy takes it as
    the whole array.

    Args:
        dtype: Its dtype.
        row: The shape of a row.

    Example:
        >>> array = StoredArray(np.float32, (2,))
        >>> array.extend([[1, 2], [3, 4], [5, 6]])
        >>> array.shape, array[1].tolist(), array[1:].tolist()
        ((3, 2), [3.0, 4.0], [[3.0, 4.0], [5.0, 6.0]])
    """

    def __init__(self, dtype, row: tuple[int, ...] = ()):
        self.row, self.units, self.count, self.numbers = (
            tuple(row),
            math.prod(row),
            0,
            StoredNumbers(dtype),
        )

    def extend(self, rows) -> None:
        """Add rows, (n, *row), or one."""
        before = len(self.numbers)
        self.numbers.extend(rows)
        self.count += (len(self.numbers) - before) // max(1, self.units)

    @property
    def dtype(self):
        return self.numbers.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.count, *self.row

    @property
    def ndim(self) -> int:
        return 1 + len(self.row)

    @property
    def size(self) -> int:
        return self.count * self.units

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            start, stop, step = place.indices(self.count)
            if step != 1:
                return np.asarray(self)[place]
            stop = max(start, stop)
            return self.numbers[start * self.units : stop * self.units].reshape(
                stop - start, *self.row
            )
        place = range(self.count)[place]
        return self[place : place + 1][0]

    def __iter__(self):
        for block in self.blocks():
            yield from block

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def tolist(self) -> list:
        """All rows as lists."""
        return self[:].tolist()

    def blocks(self) -> Iterator[np.ndarray]:
        """Rows one after another, so many together as are in memory at a time."""
        rows = rows_of_block(self.dtype.itemsize * self.units)
        return (self[start : start + rows] for start in range(0, self.count, rows))


def behind(before: np.ndarray | StoredArray, series: StoredArray) -> StoredArray:
    """One array and after it the other."""
    joined = StoredArray(series.dtype, series.row)
    joined.extend(before[:])
    for block in series.blocks():
        joined.extend(block)
    return joined


def rows_of_block(size: int) -> int:
    """How many rows of so many bytes are read at a time."""
    return max(1, BLOCK // max(1, size))


def stored_texts(texts: Iterable[str] = ()) -> StoredRows:
    """Texts in a temporary file.

    Example:
        >>> texts = stored_texts(["가", "", "bc"])
        >>> len(texts), texts[0], texts[1:]
        (3, '가', ['', 'bc'])
    """
    stored = StoredRows(
        np.uint8,
        lambda content: content.tobytes().decode(),
        lambda text: np.frombuffer(text.encode(), np.uint8),
    )
    for some in parts(texts):
        stored.extend(some)
    return stored


def stored_words() -> StoredRows:
    """Rows of words in a temporary file, as yet none; no word is empty or has a line's end in it.

    Example:
        >>> rows = stored_words()
        >>> rows.extend([["a", "나"], []])
        >>> rows[:]
        [['a', '나'], []]
    """
    return StoredRows(
        np.uint8,
        lambda content: content.tobytes().decode().split("\n") if len(content) else [],
        lambda words: np.frombuffer("\n".join(words).encode(), np.uint8),
    )


class Behind(Kept):
    """Sequences one behind another.

    Example:
        >>> list(Behind(["a", "b"], ["c"])), Behind(["a", "b"], ["c"])[2]
        (['a', 'b', 'c'], 'c')
    """

    def __init__(self, *parts: Sequence):
        self.parts = parts

    def __len__(self):
        return sum(map(len, self.parts))

    def __iter__(self):
        return chain.from_iterable(self.parts)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        for part in self.parts:
            if place < len(part):
                return part[place]
            place -= len(part)


class Chunked(Kept):
    """A sequence that is read chunk by chunk; the latest chunk is kept.

    Args:
        starts: The place where each chunk starts, and the end.
        load: The items of the chunk of a number.

    Example:
        >>> items = Chunked([0, 2, 3], lambda number: ["ab", "c"][number])
        >>> items[1], list(items), list(items.take([2, 0]))
        ('b', ['a', 'b', 'c'], ['c', 'a'])
    """

    def __init__(self, starts: Sequence[int], load: Callable[[int], Sequence]):
        self.starts, self.load = starts, functools.lru_cache(maxsize=1)(load)

    def __len__(self):
        return self.starts[-1]

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        chunk = bisect_right(self.starts, place) - 1
        return self.load(chunk)[place - self.starts[chunk]]

    def __iter__(self):
        for chunk in range(len(self.starts) - 1):
            yield from self.load(chunk)


def places_of(rows: Sequence[int], count: int) -> np.ndarray:
    """Places in a sequence of so many items, in as few bytes as these take."""
    dtype = np.int64 if count > np.iinfo(np.int32).max else np.int32
    return (
        np.arange(rows.start, rows.stop, rows.step, dtype)
        if isinstance(rows, range)
        else np.asarray(rows, dtype)
    )


class Taken(Kept):
    """Some items of a sequence, by their places in it."""

    def __init__(self, whole: Sequence, rows: Sequence[int]):
        self.whole, self.rows = whole, places_of(rows, len(whole))

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        for start in range(0, len(self), TOGETHER):
            yield from self[start : start + TOGETHER]

    def __getitem__(self, place):
        if not isinstance(place, slice):
            return self.whole[int(self.rows[place])]
        rows = self.rows[place]
        first, last = (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)
        if last - first >= 2 * len(rows):
            return [self.whole[k] for k in rows.tolist()]
        # near each other: read at once
        some = self.whole[first : last + 1]
        return (
            some
            if len(some) == len(rows) and (np.diff(rows) == 1).all()
            else [some[k] for k in (rows - first).tolist()]
        )
