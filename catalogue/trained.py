"""What each cell learns: two small tasks on real data, with one budget for all cells."""

import difflib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ostinato.errors import InputError
from ostinato.options import ONE_INPUT

from .measured import Learned, read, write

ALIKE = {"hidden": 128, "seed": 1, "patience": 0}
# Task: where it learns and is tested, its measure, and its options.
TASKS = {
    "classify": (
        "small/hand_gesture/train.csv",
        "small/hand_gesture/test.csv",
        "accuracy",
        {"features": 2, "learning_rate": 0.003, "batch": 64, "steps": 100} | ALIKE,
    ),
    "generate": (
        "small/tinyshakespeare/train.txt",
        "small/tinyshakespeare/test.txt",
        "nats_per_character",
        {"learning_rate": 0.01, "batch": 32, "sequence_length": 64, "steps": 120} | ALIKE,
    ),
}
# How the errors of a run begin whose numbers became none.
DIVERGED = ("the loss became", "the model's weights give no numbers")


def train(
    path: Path, data: Path, *, only: str | None = None, say: Callable[[str], None] = print
) -> None:
    """Train every cell that a task can take, and write what came of it after each.

    Args:
        path: The JSON file to write; what it says of times stays, and so do results of the same
            data and options, which are not trained again.
        data: The directory with the data of `TASKS`.
        only: A cell; it is trained in any case, and no other is.
        say: Is told each result.

    Raises:
        InputError: Data that is not there or cannot be used, or no such cell.
    """
    from ostinato.bench.measure import torch_threads
    from ostinato.tasks import task_class

    if only is not None and only not in ONE_INPUT:
        near = "".join(
            f"did you mean {name}? " for name in difflib.get_close_matches(only, ONE_INPUT, 1)
        )
        raise InputError(f"--only {only}: {near}Write one of {', '.join(ONE_INPUT)}")
    measured = read(path)
    for task, (learned, test, _, options) in TASKS.items():
        reader = task_class(task)(**options)
        begun = Learned(options, len(reader.read(data / learned)), len(reader.read(data / test)))
        known = measured.learned.get(task)
        measured.learned[task] = known if known and replace(known, values={}) == begun else begun
    with torch_threads(1), torch.random.fork_rng(devices=()):
        for name in [only] if only else ONE_INPUT:
            for task in TASKS:
                values = measured.learned[task].values
                if only or name not in values:
                    start = time.perf_counter()
                    values[name] = _result(task, name, data)
                    write(path, measured)
                    say(f"{name} {task} {values[name]}, {time.perf_counter() - start:.1f} s")


def _result(task: str, name: str, data: Path) -> float | None:
    """What a task measures with a cell; None where it diverges."""
    from ostinato.tasks import task_class

    learned, test, measure, options = TASKS[task]
    try:
        model = task_class(task)(cell=name, **options).fit(
            data / learned, test=data / test, threads=1
        )
    except InputError as error:
        if not str(error).startswith(DIVERGED):
            raise
        return None
    return float(f"{model.result.measures[measure]:.4g}")
