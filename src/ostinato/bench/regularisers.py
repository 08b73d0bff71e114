"""Private: the cost of each regulariser in training."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

import ostinato

from .measure import (
    FULL,
    QUICK,
    interleave,
    machine,
    make_workload,
    summaries,
    timed,
    torch_threads,
    tried,
)
from .peers import Runner, Workload, in_torch
from .rows import LAYERS, Measurements, Shape, Times, coloured, make_table, milliseconds

REGULARISER_GRID = (Shape(32, 100, 64, 128), Shape(64, 100, 256, 512))
REGULARISER_QUICK_GRID = REGULARISER_GRID[:1]
# Usual rates; Elman's network has no memory cell, so recurrent dropout does not apply.
REGULARISERS = {"zoneout": 0.1, "recurrent_dropout": 0.25, "variational": 0.25, "weight_drop": 0.5}
# Maximum time, relative to the layer without regulariser.
REGULARISER_COST_BAR = 1.1


@dataclass(frozen=True)
class RegularisedRow:
    """One regulariser of one layer at one shape.

    Attributes:
        layer, shape: As in `rows.Row`.
        regulariser: The name of its argument.
        ours: The time with the regulariser.
        plain: The time without it, measured alternately.
        cost: The ratio of both times: the median over short rounds, so that the machine is in the
            same condition for both.
    """

    layer: str
    shape: Shape
    regulariser: str
    ours: Times
    plain: Times
    cost: float

    def dump(self) -> dict:
        """The row as JSON."""
        return asdict(self)

    def line(self) -> str:
        """One line of text, printed during the measurement."""
        return (
            f"{self.layer:4} {self.shape!s:15} {self.regulariser:17} "
            f"{milliseconds(self.ours.median):>6} ms  {self.cost:.2f}"
        )


@dataclass(frozen=True)
class Regularised(Measurements):
    """All rows, each a `RegularisedRow`, and the machine."""

    def table(self) -> list:
        """Renderables for rich, for 80 columns or more."""
        return [
            make_table(
                "training with regularisers",
                self.rows,
                {
                    "layer": lambda row: row.layer,
                    "regulariser": lambda row: f"{row.regulariser}={REGULARISERS[row.regulariser]}",
                    "B,T,I,H": lambda row: str(row.shape),
                    "ms": lambda row: milliseconds(row.ours.median),
                    "without": lambda row: milliseconds(row.plain.median),
                    "cost": lambda row: coloured(
                        f"{row.cost:.2f}", row.cost <= REGULARISER_COST_BAR
                    ),
                    "most": lambda _: f"{REGULARISER_COST_BAR}",
                },
            ),
            "",
            f"{self.machine['processor']}, {self.threads} thread{'s' * (self.threads > 1)}, "
            "float32, medians of forward and backward",
            "cost: time with the regulariser relative to the time without, median over rounds",
        ]


def ours(work: Workload, **regularisers: float) -> Runner:
    """The Ostinato layer in training, with weights that change at each call as after an optimizer
    step.
    """
    layer = work.like(ostinato, **regularisers)
    weights = [*layer.parameters()]

    def run(x):
        with torch.no_grad():
            torch._foreach_mul_(weights, 1.0)
        return layer(x)

    return in_torch(work, run, dict(layer.named_parameters()))


def measure(
    *,
    threads: int,
    quick: bool = False,
    layers: Sequence[str] = LAYERS,
    modes: Sequence[str] = (),
    shapes: Sequence[Shape] | None = None,
    watcher: Callable[[RegularisedRow | None, str], None] = lambda row, coming: None,
) -> Regularised:
    """Measure in this process; arguments as for `bench.measure.measure`, except that `modes` is
    ignored.
    """
    rows: list[RegularisedRow] = []
    with torch_threads(threads):
        for layer in layers:
            if layer == "own":
                continue
            for shape in shapes or (REGULARISER_QUICK_GRID if quick else REGULARISER_GRID):
                watcher(rows[-1] if rows else None, f"{layer} {shape}")
                found = _rows(layer, shape, threads, *(QUICK if quick else FULL))
                for row in found[:-1]:
                    watcher(row, f"{layer} {shape}")
                rows += found
        watcher(rows[-1] if rows else None, "done")
    return Regularised(rows, threads, machine())


def _rows(
    layer: str, shape: Shape, threads: int, budget: float, fewest: int
) -> list[RegularisedRow]:
    work = make_workload(layer, "training", shape, threads)
    named = [name for name in REGULARISERS if layer != "RNN" or name != "recurrent_dropout"]
    runners = {"": ours(work)} | {name: ours(work, **{name: REGULARISERS[name]}) for name in named}
    first = {name: timed(runner.call)[0] for name, runner in runners.items()}
    # A cost of a few percent is only visible over many rounds.
    samples, calls = interleave(
        runners,
        {name: tried(runner) for name, runner in runners.items()},
        1.5 * budget * len(runners),
        3 * fewest,
    )
    times = {
        name: Times(*taken, first[name], "") for name, taken in summaries(samples, calls).items()
    }
    costs = {
        name: statistics.median(ours / plain for ours, plain in zip(samples[name], samples[""]))
        for name in named
    }
    return [
        RegularisedRow(layer, shape, name, times[name], times[""], costs[name]) for name in named
    ]
