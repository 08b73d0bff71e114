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
        order: The row of the batch at each place; None where they are as given. Rows of a task go from the longest down.
        table, tokens: The addresses that the kernel takes (`kernel.WORDS`).
        held: What lies there.
    """

    order: Tensor | None
    table: int
    tokens: int
    held: tuple[np.ndarray, ...]


def words(rows: int, tasks: int, reverse: bool, table: int, tokens: int) -> list[int]:
    """What the kernel takes first, but for the barrier."""
    return [tasks, table, tokens, -rows if reverse else rows, rows if reverse else 0, 0 if reverse else rows, rows]


@functools.lru_cache(maxsize=1024)
def even(rows: int, steps: int, tasks: int, reverse: bool) -> Schedule:
    """Share out rows that all run all steps."""
    return _schedule(rows, steps, tasks, reverse, None)


def ragged(rows: int, steps: int, tasks: int, reverse: bool, lengths: Tensor) -> Schedule:
    """Share rows out so that each task has about the same number of steps to run."""
    return _schedule(rows, steps, tasks, reverse, lengths.numpy())


def _schedule(rows, steps, tasks, reverse, lengths) -> Schedule:
    if lengths is None:
        order, ends = None, np.full(rows, steps, np.int64)
        bounds = [rows * k // tasks for k in range(tasks + 1)]
        shares = [np.arange(a, b) for a, b in zip(bounds, bounds[1:])]
    else:
        ends = lengths.astype(np.int64)
        falling = np.argsort(-ends, kind="stable")
        # To and fro: whoever took the longest row of one round takes the shortest of the next.
        turn = np.arange(rows) % (2 * tasks)
        turn = np.minimum(turn, 2 * tasks - 1 - turn)
        shares = [falling[turn == k] for k in range(tasks)]
        order = torch.from_numpy(np.concatenate(shares))
    places = np.concatenate(shares)
    tokens = np.ascontiguousarray(places + (ends[places] - 1) * rows if reverse else places, np.int64)
    table, held, first = np.zeros((tasks, 4), np.int64), [], 0
    for k, share in enumerate(shares):
        mine = np.sort(ends[share])
        last = int(mine[-1]) if len(mine) else 0
        active = np.ascontiguousarray(len(mine) - np.searchsorted(mine, np.arange(last), side="right"), np.int64)
        table[k] = first, last, active.ctypes.data, 0
        held.append(active)
        first += len(share)
    return Schedule(order, table.ctypes.data, tokens.ctypes.data, (table, tokens, *held))
