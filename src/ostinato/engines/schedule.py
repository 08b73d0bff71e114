"""Who runs which rows of a batch, and when."""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """Which task runs which rows at which steps.

    Attributes:
        order: The row of the batch at each place; None where they are as given. Rows of a task go
            from the longest down.
        table, tokens: The addresses that the kernel takes (`kernel.WORDS`).
        lengths: The rows' valid steps, as given.
        held: What lies at those addresses.
    """

    order: np.ndarray | None
    table: int
    tokens: int
    lengths: np.ndarray
    held: tuple[np.ndarray, ...]

    def ordered(self, rows: Tensor) -> Tensor:
        """Rows of the batch, each at its place."""
        return rows if self.order is None else torch.from_numpy(rows.detach().numpy()[self.order])

    def scattered(self, rows: Tensor) -> Tensor:
        """Rows that are each at its place, as those of the batch."""
        if self.order is None:
            return rows
        result = torch.empty_like(rows)
        result.numpy()[self.order] = rows.numpy()
        return result

    def ended(self, array: np.ndarray, *, streamed: bool) -> Tensor:
        """A state after each row's last step, (B, units), of rows that end early.

        Args:
            array: The state at all steps and at their end, or in two in turn.
            streamed: It is at all steps.
        """
        rows = np.arange(len(self.lengths))
        if streamed:
            return torch.from_numpy(array[self.lengths, rows])
        return self.scattered(torch.from_numpy(array[self.lengths[self.order] % 2, rows]))

    def begin(self, array: np.ndarray, s: Tensor | None):
        """Write a state, or 0, where each row ends, in an array of all steps: a run from there
        begins with it.
        """
        array[self.lengths, np.arange(len(self.lengths))] = 0.0 if s is None else s.detach().numpy()


def words(rows: int, tasks: int, reverse: bool, table: int, tokens: int) -> list[int]:
    """What the kernel takes first, but for the barrier."""
    return [
        tasks,
        table,
        tokens,
        -rows if reverse else rows,
        rows if reverse else 0,
        0 if reverse else rows,
        rows,
    ]


@functools.lru_cache(maxsize=1024)
def even(rows: int, steps: int, tasks: int, reverse: bool) -> Schedule:
    """Share out rows that all run all steps."""
    return _schedule(rows, steps, tasks, reverse, None)


def ragged(rows: int, steps: int, tasks: int, reverse: bool, lengths: Tensor) -> Schedule:
    """Share rows out so that each task has about the same number of steps to run."""
    return _ragged(rows, steps, tasks, reverse, lengths.numpy().tobytes())


# Forward, backward and the other direction ask for the same.
@functools.lru_cache(maxsize=64)
def _ragged(rows: int, steps: int, tasks: int, reverse: bool, lengths: bytes) -> Schedule:
    return _schedule(rows, steps, tasks, reverse, np.frombuffer(lengths, np.int64))


class Tokens:
    """The tokens of a batch.

    Attributes:
        address: Of the numbers of those that are valid.
        count: How many these are.
        others: The address of the others' numbers.
        other_count: How many those are.
    """

    def __init__(self, steps: int, rows: int, lengths: np.ndarray | None, more: int):
        valid = (
            np.ones((steps, rows), bool) if lengths is None else np.arange(steps)[:, None] < lengths
        )
        self._valid, self._others = np.pad(np.flatnonzero(valid), (0, more)), np.flatnonzero(~valid)
        self.address, self.count = self._valid.ctypes.data, len(self._valid) - more
        self.others, self.other_count = self._others.ctypes.data, len(self._others)


@functools.lru_cache(maxsize=64)
def tokens(steps: int, rows: int, lengths: bytes | None, more: int) -> Tokens:
    """The tokens of a batch.

    Args:
        steps: T.
        rows: B.
        lengths: Valid steps of each row, int64; None where all are T.
        more: How many numbers, all 0, follow those of the valid ones.
    """
    return Tokens(steps, rows, None if lengths is None else np.frombuffer(lengths, np.int64), more)


def _schedule(rows, steps, tasks, reverse, lengths) -> Schedule:
    if lengths is None:
        order, ends = None, np.full(rows, steps, np.int64)
        bounds = [rows * k // tasks for k in range(tasks + 1)]
        shares = [np.arange(a, b) for a, b in zip(bounds, bounds[1:])]
    else:
        ends = lengths
        falling = np.argsort(-ends, kind="stable")
        # To and fro: whoever took the longest row of one round takes the shortest of the next.
        turn = np.arange(rows) % (2 * tasks)
        turn = np.minimum(turn, 2 * tasks - 1 - turn)
        shares = [falling[turn == k] for k in range(tasks)]
        order = np.concatenate(shares)
    places = np.concatenate(shares)
    tokens = np.ascontiguousarray(
        places + (ends[places] - 1) * rows if reverse else places, np.int64
    )
    table, held, first = np.zeros((tasks, 4), np.int64), [], 0
    for k, share in enumerate(shares):
        mine = np.sort(ends[share])
        last = int(mine[-1]) if len(mine) else 0
        active = np.ascontiguousarray(
            len(mine) - np.searchsorted(mine, np.arange(last), side="right"), np.int64
        )
        table[k] = first, last, active.ctypes.data, 0
        held.append(active)
        first += len(share)
    return Schedule(order, table.ctypes.data, tokens.ctypes.data, ends, (table, tokens, *held))
