"""Private: batches of rows and texts: length buckets, padding, parallel text streams."""

import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from .disk import chunked

# Maximum number of steps in a batch, with its padding, unless a single row is longer. The memory of
# a training step follows this number.
PADDED_STEPS = 1 << 17


class Buckets:
    """Batches of rows of similar length; each row occurs once per epoch, in an order set by the
    seed.

    `Recurrent` skips the padding of a batch. Sorting by length saves time in the parts of a model
    that do not skip it, such as embeddings and output layers.

    A batch of `batch` rows could have more than `padded_steps` steps only if one of its rows is
    longer than `padded_steps / batch`. Such rows have batches of their own, with as many rows of
    similar length as fit, the same in each epoch.

    Args:
        lengths: The length of each row.
        batch: Batch size; the last batch of an epoch may be smaller.
        seed: Seed of the order.
        pool: Number of batches whose rows are sorted together.
        padded_steps: Maximum number of steps in a batch, with its padding.

    Example:
        >>> buckets = Buckets([5, 1, 4, 2, 3], batch=2, seed=0)
        >>> buckets.steps_per_epoch
        3
        >>> sorted(row for step in range(3) for row in buckets.rows(step).tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        lengths,
        *,
        batch: int,
        seed: int,
        pool: int = 64,
        padded_steps: int = PADDED_STEPS,
    ):
        # int32, because for a large file with short rows the lengths and the order take most memory
        self.lengths, self.batch, self.seed, self.pool = (
            np.asarray(lengths, np.int32),
            batch,
            seed,
            pool,
        )
        is_long = self.lengths > padded_steps // batch
        self.short = np.flatnonzero(~is_long).astype(np.int32)
        self.short_steps = -(-len(self.short) // batch)
        self.long = _long_batches(self.lengths, np.flatnonzero(is_long), padded_steps)
        self.steps_per_epoch = self.short_steps + len(self.long)
        # Only the order of one epoch is cached, because steps come in order.
        self._order = functools.lru_cache(maxsize=1)(self._batches)

    def rows(self, step: int, process: int = 0, processes: int = 1) -> np.ndarray:
        """The row numbers of a step's batch, or the share of one process.

        If the batch has fewer rows than there are processes, some rows are used twice.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        sorted_rows, order = self._order(epoch)
        number = int(order[place])
        if number < self.short_steps:
            rows = sorted_rows[number * self.batch : (number + 1) * self.batch]
        else:
            rows = self.long[number - self.short_steps]
        return (rows if len(rows) >= processes else np.resize(rows, processes))[process::processes]

    def _batches(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The short rows of an epoch, concatenated, and the order of all batches."""
        random = np.random.default_rng([self.seed, epoch])
        rows, size = self.short.copy(), self.pool * self.batch
        random.shuffle(rows)
        for start in range(0, len(rows), size):
            pool = rows[start : start + size]
            rows[start : start + size] = pool[np.argsort(self.lengths[pool], kind="stable")]
        return rows, random.permutation(self.steps_per_epoch)


def _long_batches(lengths: np.ndarray, rows: np.ndarray, padded_steps: int) -> list[np.ndarray]:
    """Batches of long rows, longest first, each with at most `padded_steps` steps or one row."""
    rows = rows[np.argsort(-lengths[rows], kind="stable")].astype(np.int32)
    found, start = [], 0
    while start < len(rows):
        size = max(1, padded_steps // int(lengths[rows[start]]))
        found.append(rows[start : start + size])
        start += size
    return found


def within_steps(
    rows: Iterable, length: Callable, *, batch: int, padded_steps: int = PADDED_STEPS
) -> Iterator[list]:
    """Split rows into batches, in order, that `Buckets` could have made.

    Args:
        rows: The rows.
        length: The length of a row.
        batch: Maximum number of rows in a batch.
        padded_steps: Maximum number of steps in a batch with its padding, unless one row is longer.

    Example:
        >>> [*within_steps([1, 9, 2, 2, 2], int, batch=2, padded_steps=8)]
        [[1], [9], [2, 2], [2]]
    """
    begun: list = []
    longest = 0
    for row in rows:
        longest = max(longest, length(row))
        if begun and (len(begun) == batch or (len(begun) + 1) * longest > padded_steps):
            yield begun
            begun, longest = [], length(row)
        begun.append(row)
    if begun:
        yield begun


def mean_and_scale(rows: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """Mean and scale (standard deviation, at least 1e-6) of each feature over all steps.

    Args:
        rows: (T, F) each; the rows are read twice.
    """
    count, total, squares = 0, 0.0, 0.0
    for some in chunked(rows):
        steps = np.concatenate(some).astype(np.float64)
        count, total = count + len(steps), total + steps.sum(0)
    mean = total / max(1, count)
    for some in chunked(rows):
        squares = squares + ((np.concatenate(some) - mean) ** 2).sum(0)
    return {
        "mean": mean.tolist(),
        "scale": np.maximum(np.sqrt(squares / max(1, count)), 1e-6).tolist(),
    }


def padded(rows: list[np.ndarray], filler: float = 0) -> tuple[Tensor, Tensor]:
    """Pad sequences to one length and return them with their lengths.

    Args:
        rows: (T, ...) each, of one dtype.
        filler: The padding value.

    Returns:
        (B, longest T, ...), integers as int64, and the lengths (B,) int64. T is at least 1.
    """
    lengths = np.array([len(row) for row in rows])
    first = rows[0]
    dtype = np.int64 if np.issubdtype(first.dtype, np.integer) else first.dtype
    whole = np.full((len(rows), max(1, lengths.max()), *first.shape[1:]), filler, dtype)
    for k, row in enumerate(rows):
        whole[k, : len(row)] = row
    return torch.from_numpy(whole), torch.from_numpy(lengths)


# ---------------------------------------------------------------- batches


class ParallelStreams:
    """Batches of B parallel streams through a text, each from its own start, around the whole text.

    The batch of a step depends only on the step number, so a run can resume at any step. Each row
    continues where it ended in the batch before, so states can be carried from batch to batch
    (truncated backpropagation through time).

    Args:
        numbers: The encoded text: an array, or `ostinato.data.disk.StoredNumbers`.
        batch: B, number of streams.
        length: T, steps of a batch.

    Example:
        >>> x, y = ParallelStreams(np.arange(10, dtype=np.int32), batch=2, length=3).at(1)
        >>> x.tolist(), y.tolist()
        ([[3, 4, 5], [8, 9, 0]], [[4, 5, 6], [9, 0, 1]])
    """

    def __init__(self, numbers, *, batch: int, length: int):
        self.numbers, self.batch, self.length = numbers, batch, length
        self.starts = np.arange(batch) * (len(numbers) // batch)

    @property
    def steps_per_epoch(self) -> float:
        """Number of steps that read the whole text once."""
        return len(self.numbers) / (self.batch * self.length)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and the targets of a step, (B, T) int64 each."""
        read = np.stack([self._read(start + step * self.length) for start in self.starts.tolist()])
        return read[:, :-1], read[:, 1:]

    def _read(self, start: int) -> np.ndarray:
        """The tokens of one stream for a step, and the token after them."""
        start, wanted = start % len(self.numbers), self.length + 1
        read = self.numbers[start : start + wanted]
        if len(read) < wanted:
            # continue from the start of the text, repeatedly for a short text
            read = np.concatenate([read, np.resize(self.numbers[:wanted], wanted - len(read))])
        return read.astype(np.int64)


class EvaluationText:
    """A text to evaluate on: every token but the first is predicted once, with the state carried
    over.

    Args:
        numbers: The encoded text: an array, or `ostinato.data.disk.StoredNumbers`.
        min_length: Minimum length of one stream; shorter streams give the model less context.
        max_streams: Maximum number of parallel streams.
        length: T, steps of a batch.
    """

    # Marks a target after the end; ignored by torch's cross_entropy by default.
    NOTHING = -100

    def __init__(
        self, numbers, *, min_length: int = 2048, max_streams: int = 32, length: int = 256
    ):
        self.numbers, self.length = numbers, length
        self.count = len(numbers) - 1
        self.batch = max(1, min(max_streams, self.count // min_length))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches in order: inputs and targets, (B, T) int64 each."""
        steps = -(-self.count // self.batch)
        for start in range(0, steps, self.length):
            width = min(self.length, steps - start)
            x, y = (np.full((self.batch, width), filler, np.int64) for filler in (0, self.NOTHING))
            for stream in range(self.batch):
                place = stream * steps + start
                read = self.numbers[place : place + width + 1]
                x[stream, : max(0, len(read) - 1)], y[stream, : max(0, len(read) - 1)] = (
                    read[:-1],
                    read[1:],
                )
            yield x, y
