"""What training wants of a task: batches by their number, a loss, and a measure; and rows of unequal lengths as batches."""

import functools
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from .stored import parts


class Problem:
    """What is learned, from which batches, and what a run is measured by: a task's own; this class says what one has.

    Attributes:
        model: The model.
        goal: The measurement that says which weights are best and when nothing gets better.
        higher: Whether more of it is better.
        unit: What `rate` counts, for the terminal.
        rate: How many of these a step takes, on average.
        steps_per_epoch: In how many steps all is read once.
    """

    model: torch.nn.Module
    goal: str
    higher: bool
    unit: str
    rate: float
    steps_per_epoch: float

    def batch(self, step: int, process: int = 0, processes: int = 1) -> tuple[Tensor, ...]:
        """The batch of a step, or a process's part of it; it follows from the numbers alone."""
        raise NotImplementedError

    def loss(self, batch: tuple[Tensor, ...], carried) -> tuple[Tensor, int | Tensor, tuple[Tensor, ...]]:
        """Summed loss, what it is to be divided by, and the state to carry to the next batch: () where there is none.

        Args:
            batch: What `batch` gives.
            carried: What the step before returned, detached; None at the first.
        """
        raise NotImplementedError

    def held_out(self) -> Iterable[tuple[Tensor, ...]]:
        """The batches to measure on."""
        raise NotImplementedError

    def measuring(self):
        """Something with `add(batch)`, for each of these, and then `result() -> dict` with the goal in it; the model is in evaluation mode."""
        raise NotImplementedError

    def trained(self, loss: float) -> dict[str, float]:
        """What a line of the history says of the training between two measurements, from its mean loss."""
        return {"training_loss": loss}

    def shown(self, loss: float) -> str:
        """A loss as the terminal shows it."""
        return f"loss {loss:.3f}"


class Buckets:
    """Batches of rows whose lengths are near each other, each row once an epoch, in an order that the seed decides.

    A batch costs the sum of its lengths anyway (`Recurrent` leaves out what is past a row's end); what is sorted here saves the
    parts of a model that have no such rule, as embeddings and readouts.

    Args:
        lengths: Of each row.
        batch: Rows of a batch; the last of an epoch may have fewer.
        seed: Of the order.
        pool: How many batches' rows are sorted together.

    Example:
        >>> buckets = Buckets([5, 1, 4, 2, 3], batch=2, seed=0)
        >>> buckets.steps_per_epoch, sorted(row for step in range(3) for row in buckets.rows(step).tolist())
        (3, [0, 1, 2, 3, 4])
    """

    def __init__(self, lengths, *, batch: int, seed: int, pool: int = 64):
        # int32: with a row in each few bytes of a large file, this and the order is what stays in memory
        self.lengths, self.batch, self.seed, self.pool = np.asarray(lengths, np.int32), batch, seed, pool
        self.steps_per_epoch = -(-len(self.lengths) // batch)
        # One epoch's order is kept: steps are asked for one after another.
        self._order = functools.lru_cache(maxsize=1)(self._batches)

    def rows(self, step: int, process: int = 0, processes: int = 1) -> np.ndarray:
        """The row numbers of a step's batch, or of a process's part of it; of fewer rows than processes some are taken twice."""
        epoch, place = divmod(step, self.steps_per_epoch)
        sorted_rows, order = self._order(epoch)
        start = int(order[place]) * self.batch
        rows = sorted_rows[start:start + self.batch]
        return (rows if len(rows) >= processes else np.resize(rows, processes))[process::processes]

    def _batches(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of all batches one behind another, and the order in which the batches are taken."""
        random = np.random.default_rng([self.seed, epoch])
        rows, size = np.arange(len(self.lengths), dtype=np.int32), self.pool * self.batch
        random.shuffle(rows)
        for start in range(0, len(rows), size):
            pool = rows[start:start + size]
            rows[start:start + size] = pool[np.argsort(self.lengths[pool], kind="stable")]
        return rows, random.permutation(self.steps_per_epoch)


def spread(rows: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """The mean and the scale, the standard deviation or at least a millionth, of each number of a step, over all steps.

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
    return {"mean": mean.tolist(), "scale": np.maximum(np.sqrt(squares / max(1, count)), 1e-6).tolist()}


def padded(rows: list[np.ndarray], filler: float = 0) -> tuple[Tensor, Tensor]:
    """Sequences side by side, and their lengths.

    Args:
        rows: (T, ...) each, of one dtype.
        filler: What stands past a row's end.

    Returns:
        (B, longest T, ...), with whole numbers as int64, and lengths (B,) int64. No row is shorter than 1: an empty one is filler.
    """
    lengths = np.array([len(row) for row in rows])
    first = rows[0]
    dtype = np.int64 if np.issubdtype(first.dtype, np.integer) else first.dtype
    whole = np.full((len(rows), max(1, lengths.max()), *first.shape[1:]), filler, dtype)
    for k, row in enumerate(rows):
        whole[k, :len(row)] = row
    return torch.from_numpy(whole), torch.from_numpy(lengths)


def within(lengths: Tensor, steps: int) -> Tensor:
    """Which steps are inside their row: (B, steps) bool.

    Args:
        lengths: (B,).
        steps: T.
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]
