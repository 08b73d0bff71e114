"""Sequences that are in temporary files and not in memory: what is read once and then used row by row.

The files have no name: they are gone when the sequence is, however the process ends.
"""

import functools
import operator
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from .errors import InputError

# Rows that are read together where all are read in order.
TOGETHER = 256


def parts(rows: Iterable) -> Iterator[list]:
    """Rows, so many together as are in memory at a time."""
    rows = iter(rows)
    while some := list(islice(rows, TOGETHER)):
        yield some


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
            raise InputError(f"cannot write a temporary file in {tempfile.gettempdir()!r}: {error.strerror}; make room there, "
                             "or name a directory that has room: TMPDIR=...") from error
        self.count += content.size

    def __len__(self):
        return self.count

    def __getitem__(self, place: slice) -> np.ndarray:
        """The numbers from one place to another, one after another."""
        start, stop, _ = place.indices(self.count)
        size = self.dtype.itemsize
        self._file.seek(start * size)
        return np.frombuffer(self._file.read(max(0, stop - start) * size), self.dtype)


class StoredRows(Sequence):
    """Rows of numbers, each of its own length, and each given as what `of` makes of it.

    Args:
        dtype: Of the numbers.
        of: From the numbers (T,) of a row to what it is; the numbers themselves, if not given.

    Example:
        >>> rows = StoredRows(np.int32)
        >>> rows.extend([np.array([1, 2]), np.array([]), np.array([3])])
        >>> len(rows), rows[0].tolist(), [row.tolist() for row in rows[1:]]
        (3, [1, 2], [[], [3]])
    """

    def __init__(self, dtype, of: Callable[[np.ndarray], object] = lambda numbers: numbers):
        self.of, self.numbers, self.ends = of, StoredNumbers(dtype), StoredNumbers(np.int64)
        self.ends.extend([0])

    def extend(self, rows: Iterable[np.ndarray]) -> None:
        """Add rows."""
        rows = list(rows)
        if rows:
            self.ends.extend(len(self.numbers) + np.cumsum([len(row) for row in rows]))
            self.numbers.extend(np.concatenate(rows))

    def __len__(self):
        return len(self.ends) - 1

    def __getitem__(self, place):
        if isinstance(place, slice):
            places = range(*place.indices(len(self)))
            return self._between(places.start, places.stop) if places.step == 1 else [self[k] for k in places]
        place = range(len(self))[place]
        return self._between(place, place + 1)[0]

    def __iter__(self):
        for start in range(0, len(self), TOGETHER):
            yield from self[start:start + TOGETHER]

    def _between(self, start: int, stop: int) -> list:
        if stop <= start:
            return []
        ends = self.ends[start:stop + 1]
        numbers = self.numbers[int(ends[0]):int(ends[-1])]
        return [self.of(row) for row in np.split(numbers, ends[1:-1] - ends[0])]


class Kept(Sequence):
    """A sequence that is not in memory; it is equal to one of the same items."""

    __hash__ = None

    def __eq__(self, other):
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    def take(self, rows: Sequence[int]) -> "Taken":
        """The items of some places."""
        return Taken(self, rows)


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


class Taken(Kept):
    """Some items of a sequence, by their places in it."""

    def __init__(self, whole: Sequence, rows: Sequence[int]):
        self.whole, self.rows = whole, np.asarray(rows, np.int64 if len(whole) > np.iinfo(np.int32).max else np.int32)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        rows = self.rows[place].tolist()
        return [self.whole[k] for k in rows] if isinstance(place, slice) else self.whole[rows]
