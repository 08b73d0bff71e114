"""Private: sequences in temporary files, for data that is read once and then used row by row.

The files have no name, so they disappear with the sequence, however the process ends.
"""

import functools
import math
import operator
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice

import numpy as np

from ..errors import InputError

# Rows read at a time when all rows are read in order.
ROWS_AT_ONCE = 256
# Bytes of an array read at a time.
BLOCK_BYTES = 1 << 20


def chunked(rows: Iterable) -> Iterator[list]:
    """Lists of up to `ROWS_AT_ONCE` rows, in order."""
    rows = iter(rows)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield some


def select(column: Sequence, rows: Sequence[int]) -> Sequence:
    """The items at the given positions of a list or of a stored sequence."""
    return (
        column.take(rows) if isinstance(column, StoredSequence) else [column[int(k)] for k in rows]
    )


class StoredSequence(Sequence):
    """Base class of sequences that are not in memory; equal to a sequence with the same items."""

    __hash__ = None

    def __eq__(self, other):
        return (
            isinstance(other, Sequence)
            and len(self) == len(other)
            and all(map(operator.eq, self, other))
        )

    def take(self, rows: Sequence[int]) -> "Selection":
        """The items at the given positions."""
        return Selection(self, rows)


class LazySequence(StoredSequence):
    """A sequence that computes an item each time it is accessed.

    Args:
        count: Number of items.
        make: Function from a position, 0 or more, to the item.

    Example:
        >>> items = LazySequence(3, lambda k: 10 * k)
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
    """An array of numbers in a temporary file, extended at its end and read by slices.

    Args:
        dtype: The dtype of the numbers.

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
        """Append numbers.

        Raises:
            InputError: The disk is full.
        """
        content = np.ascontiguousarray(values, self.dtype)
        try:
            self._file.seek(0, 2)
            self._file.write(content.tobytes())
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"cannot write a temporary file in {tempfile.gettempdir()!r}: {error.strerror}; "
                "free some space there, or choose a directory with free space: TMPDIR=..."
            ) from error
        self.count += content.size

    def __len__(self):
        return self.count

    def __getitem__(self, place: slice) -> np.ndarray:
        """The numbers of a slice without a step."""
        start, stop, _ = place.indices(self.count)
        found = np.empty(max(0, stop - start), self.dtype)
        self._file.seek(start * self.dtype.itemsize)
        self._file.readinto(found.view(np.uint8))
        return found

    def mapped(self) -> np.ndarray:
        """All numbers as a memory-mapped array."""
        return np.memmap(self._file, self.dtype, "r", shape=self.count)


class StoredRows(StoredSequence):
    """Rows of numbers of any length; each can be decoded into another object.

    Args:
        dtype: The dtype of the numbers.
        of: Decodes the numbers (T,) of a row; by default returns the numbers.
        to: Encodes a row as numbers.

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
        """Append rows."""
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
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield from self[start : start + ROWS_AT_ONCE]

    def _between(self, start: int, stop: int) -> list:
        if stop <= start:
            return []
        ends = self.ends[start : stop + 1]
        numbers = self.numbers[int(ends[0]) : int(ends[-1])]
        return [self.of(row) for row in np.split(numbers, ends[1:-1] - ends[0])]


class StoredArray(StoredSequence):
    """An array that is read along its first axis; NumPy reads it as a whole array.

    Args:
        dtype: The dtype.
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
        """Append rows (n, *row), or one row."""
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
        """Blocks of rows in order, about `BLOCK_BYTES` each."""
        rows = rows_per_block(self.dtype.itemsize * self.units)
        return (self[start : start + rows] for start in range(0, self.count, rows))


def blocks_of(array: np.ndarray | StoredArray) -> Iterator[np.ndarray]:
    """Blocks of an array along its first axis, one in memory at a time."""
    return array.blocks() if isinstance(array, StoredArray) else iter([array])


def concatenated(before: np.ndarray | StoredArray, series: StoredArray) -> StoredArray:
    """Two arrays concatenated into a new stored array."""
    joined = StoredArray(series.dtype, series.row)
    joined.extend(before[:])
    for block in series.blocks():
        joined.extend(block)
    return joined


def rows_per_block(size: int) -> int:
    """Number of rows of `size` bytes in a block."""
    return max(1, BLOCK_BYTES // max(1, size))


def stored_texts(texts: Iterable[str] = ()) -> StoredRows:
    """Store texts in a temporary file.

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
    for some in chunked(texts):
        stored.extend(some)
    return stored


def stored_words() -> StoredRows:
    """Empty storage for rows of words; a word must not be empty or contain a line break.

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


class Concatenation(StoredSequence):
    """Several sequences as one.

    Example:
        >>> list(Concatenation(["a", "b"], ["c"])), Concatenation(["a", "b"], ["c"])[2]
        (['a', 'b', 'c'], 'c')
    """

    def __init__(self, *parts: Sequence):
        self.parts, self.ends = parts, list(accumulate(map(len, parts)))

    def __len__(self):
        return self.ends[-1] if self.ends else 0

    def __iter__(self):
        return chain.from_iterable(self.parts)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[k] for k in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        number = bisect_right(self.ends, place)
        part = self.parts[number]
        return part[place - self.ends[number] + len(part)]


class ChunkedSequence(StoredSequence):
    """A sequence that is read chunk by chunk; the latest chunk stays in memory.

    Args:
        starts: The start position of each chunk, and the end of the last.
        load: Function from a chunk number to its items.

    Example:
        >>> items = ChunkedSequence([0, 2, 3], lambda number: ["ab", "c"][number])
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


def indices_of(rows: Sequence[int], count: int) -> np.ndarray:
    """Positions in a sequence of `count` items, in the smallest sufficient integer dtype."""
    dtype = np.int64 if count > np.iinfo(np.int32).max else np.int32
    return (
        np.arange(rows.start, rows.stop, rows.step, dtype)
        if isinstance(rows, range)
        else np.asarray(rows, dtype)
    )


class Selection(StoredSequence):
    """Some items of a sequence, given by their positions."""

    def __init__(self, whole: Sequence, rows: Sequence[int]):
        self.whole, self.rows = whole, indices_of(rows, len(whole))

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield from self[start : start + ROWS_AT_ONCE]

    def __getitem__(self, place):
        if not isinstance(place, slice):
            return self.whole[int(self.rows[place])]
        rows = self.rows[place]
        first, last = (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)
        if last - first >= 2 * len(rows):
            return [self.whole[k] for k in rows.tolist()]
        # close together: read at once
        some = self.whole[first : last + 1]
        return (
            some
            if len(some) == len(rows) and (np.diff(rows) == 1).all()
            else [some[k] for k in (rows - first).tolist()]
        )
