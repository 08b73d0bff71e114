"""Rows and texts as batches: streams side by side, rows of like lengths, and padding."""

import functools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from .disk import parts


class Buckets:
    """Batches of rows whose lengths are near each other, each row once an epoch, in an order that
    the seed decides.

    A batch costs the sum of its lengths anyway (`Recurrent` leaves out what is past a row's end);
    what is sorted here saves the parts of a model that have no such rule, as embeddings and
    readouts.

    Args:
        lengths: Of each row.
        batch: Rows of a batch; the last of an epoch may have fewer.
        seed: Of the order.
        pool: How many batches' rows are sorted together.

    Example:
        >>> buckets = Buckets([5, 1, 4, 2, 3], batch=2, seed=0)
        >>> buckets.steps_per_epoch,
        ...     sorted(row for step in range(3) for row in buckets.rows(step).tolist())
        (3, [0, 1, 2, 3, 4])
    """

    def __init__(self, lengths, *, batch: int, seed: int, pool: int = 64):
        # int32: with a row in each few bytes of a large file, this and the order is what stays in
        # memory
        self.lengths, self.batch, self.seed, self.pool = (
            np.asarray(lengths, np.int32),
            batch,
            seed,
            pool,
        )
        self.steps_per_epoch = -(-len(self.lengths) // batch)
        # One epoch's order is kept: steps are asked for one after another.
        self._order = functools.lru_cache(maxsize=1)(self._batches)

    def rows(self, step: int, process: int = 0, processes: int = 1) -> np.ndarray:
        """The row numbers of a step's batch, or of a process's part of it; of fewer rows than
        processes some are taken twice.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        sorted_rows, order = self._order(epoch)
        start = int(order[place]) * self.batch
        rows = sorted_rows[start : start + self.batch]
        return (rows if len(rows) >= processes else np.resize(rows, processes))[process::processes]

    def _batches(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of all batches one behind another, and the order in which the batches are
        taken.
        """
        random = np.random.default_rng([self.seed, epoch])
        rows, size = np.arange(len(self.lengths), dtype=np.int32), self.pool * self.batch
        random.shuffle(rows)
        for start in range(0, len(rows), size):
            pool = rows[start : start + size]
            rows[start : start + size] = pool[np.argsort(self.lengths[pool], kind="stable")]
        return rows, random.permutation(self.steps_per_epoch)


def spread(rows: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """The mean and the scale, the standard deviation or at least a millionth, of each number of a
    step, over all steps.

    Args:
        rows: (T, F) each; they are gone through twice, some at a time.
    """
    count, total, squares = 0, 0.0, 0.0
    for some in parts(rows):
        steps = np.concatenate(some).astype(np.float64)
        count, total = count + len(steps), total + steps.sum(0)
    mean = total / max(1, count)
    for some in parts(rows):
        squares = squares + ((np.concatenate(some) - mean) ** 2).sum(0)
    return {
        "mean": mean.tolist(),
        "scale": np.maximum(np.sqrt(squares / max(1, count)), 1e-6).tolist(),
    }


def padded(rows: list[np.ndarray], filler: float = 0) -> tuple[Tensor, Tensor]:
    """Sequences side by side, and their lengths.

    Args:
        rows: (T, ...) each, of one dtype.
        filler: What stands past a row's end.

    Returns:
        (B, longest T, ...), with whole numbers as int64, and lengths (B,) int64. No row is shorter
        than 1: an empty one is filler.
    """
    lengths = np.array([len(row) for row in rows])
    first = rows[0]
    dtype = np.int64 if np.issubdtype(first.dtype, np.integer) else first.dtype
    whole = np.full((len(rows), max(1, lengths.max()), *first.shape[1:]), filler, dtype)
    for k, row in enumerate(rows):
        whole[k, : len(row)] = row
    return torch.from_numpy(whole), torch.from_numpy(lengths)


def within(lengths: Tensor, steps: int) -> Tensor:
    """Which steps are inside their row: (B, steps) bool.

    Args:
        lengths: (B,).
        steps: T.
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


# ---------------------------------------------------------------- batches


class Lanes:
    """A text as B readers who go through it side by side, each from its own place, all round the
    text.

    The batch of a step follows from the step's number alone, so a run can go on from any step; and
    each row goes on where it stopped, so states can be carried from one batch to the next
    (truncated back-propagation through time).

    Args:
        numbers: The text, encoded: an array, or `ostinato.data.disk.StoredNumbers`.
        batch: B, readers.
        length: T, how far each reads in a step.

    Example:
        >>> x, y = Lanes(np.arange(10, dtype=np.int32), batch=2, length=3).at(1)
        >>> x.tolist(), y.tolist()
        ([[3, 4, 5], [8, 9, 0]], [[4, 5, 6], [9, 0, 1]])
    """

    def __init__(self, numbers, *, batch: int, length: int):
        self.numbers, self.batch, self.length = numbers, batch, length
        self.starts = np.arange(batch) * (len(numbers) // batch)

    @property
    def steps_per_epoch(self) -> float:
        """In how many steps all the text is read once."""
        return len(self.numbers) / (self.batch * self.length)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and the targets of a step, (B, T) int64 each."""
        read = np.stack([self._read(start + step * self.length) for start in self.starts.tolist()])
        return read[:, :-1], read[:, 1:]

    def _read(self, start: int) -> np.ndarray:
        """What a reader who is at a place reads in a step, and the number that comes next."""
        start, wanted = start % len(self.numbers), self.length + 1
        read = self.numbers[start : start + wanted]
        if len(read) < wanted:
            # round again, as often as it takes
            read = np.concatenate([read, np.resize(self.numbers[:wanted], wanted - len(read))])
        return read.astype(np.int64)


class HeldOut:
    """A text to be measured on: each of its numbers but the first is predicted once, in pieces with
    the state carried over.

    Args:
        numbers: The text, encoded: an array, or `ostinato.data.disk.StoredNumbers`.
        lane: How long one reader's part should be at least; shorter ones measure a model with less
            to go on.
        lanes: How many readers there are at most.
        length: T of the pieces.
    """

    # What marks a target that is past the end; torch's cross_entropy leaves it out by default.
    NOTHING = -100

    def __init__(self, numbers, *, lane: int = 2048, lanes: int = 32, length: int = 256):
        self.numbers, self.length = numbers, length
        self.count = len(numbers) - 1
        self.batch = max(1, min(lanes, self.count // lane))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pieces in order: inputs and targets, (B, T) int64 each."""
        steps = -(-self.count // self.batch)
        for start in range(0, steps, self.length):
            width = min(self.length, steps - start)
            x, y = (np.full((self.batch, width), filler, np.int64) for filler in (0, self.NOTHING))
            for lane in range(self.batch):
                place = lane * steps + start
                read = self.numbers[place : place + width + 1]
                x[lane, : max(0, len(read) - 1)], y[lane, : max(0, len(read) - 1)] = (
                    read[:-1],
                    read[1:],
                )
            yield x, y
