"""Private: who runs which rows of a batch, and when."""

import functools
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .kernels.job_list import Word


@dataclass(frozen=True)
class Schedule:
    """Which task runs which rows at which steps.

    Attributes:
        order: The row of the batch at each place; None where the rows are in the order of the
            batch. The rows of a task go from the longest down.
        numbers: The addresses that job lists take, by name: `table` and `tokens` for the loop
            (`time_loop.WORDS`); where rows end early, also int64 indices for copies of states:
            `order`; `last`, the place of each row in an array of two steps after the row's last
            step; and `ends`, the place of each row, in the order of the batch, in an array of
            all steps.
        held: The memory at those addresses.
    """

    order: np.ndarray | None
    numbers: dict[str, int]
    held: tuple[np.ndarray, ...]


def words(rows: int, tasks: int, reverse: bool, table: Word, tokens: Word) -> list[Word]:
    """The first words of a loop (`time_loop.WORDS`), without the barrier."""
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
        count: The number of valid ones.
        numbers: What job lists take, by name: `all`, the address of the numbers of the valid
            tokens, and `count`; `others` and `other count`, the same for the other tokens.
    """

    def __init__(self, steps: int, rows: int, lengths: np.ndarray | None, more: int):
        valid = (
            np.ones((steps, rows), bool) if lengths is None else np.arange(steps)[:, None] < lengths
        )
        self._valid, self._others = np.pad(np.flatnonzero(valid), (0, more)), np.flatnonzero(~valid)
        self.count = len(self._valid) - more
        self.numbers = {
            "all": self._valid.ctypes.data,
            "count": self.count,
            "others": self._others.ctypes.data,
            "other count": len(self._others),
        }


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
        # To and fro: the task that has the longest row of a round has the shortest of the next.
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
    numbers, held = {"table": table, "tokens": tokens}, [*held]
    if order is not None:
        row = np.arange(rows, dtype=np.int64)
        numbers["order"] = np.ascontiguousarray(order, np.int64)
        numbers["last"] = np.ascontiguousarray(ends[order] % 2 * rows + row, np.int64)
        numbers["ends"] = np.ascontiguousarray(ends * rows + row, np.int64)
    return Schedule(
        order,
        {name: array.ctypes.data for name, array in numbers.items()},
        (*numbers.values(), *held),
    )
