"""What each regulariser adds to a layer's time in training."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch

import ostinato

from .measure import (
    FULL,
    QUICK,
    by_turns,
    machine,
    make_work,
    summaries,
    timed,
    torch_threads,
    tried,
)
from .peers import Runner, Work, in_torch
from .rows import LAYERS, Shape, Taken, Times, drawn, held, milliseconds

GRID = (Shape(32, 100, 64, 128), Shape(64, 100, 256, 512))
QUICK_GRID = GRID[:1]
# At rates that people use; Elman's network, which keeps no memory, has nothing for recurrent
# dropout.
REGULARISERS = {"zoneout": 0.1, "recurrent_dropout": 0.25, "variational": 0.25, "weight_drop": 0.5}
# The most that one should take, as a multiple of the layer's time without.
COST = 1.1


@dataclass(frozen=True)
class RegularisedRow:
    """One regulariser of one layer at one shape.

    Attributes:
        layer, shape: As of `rows.Row`.
        regulariser: Its argument.
        ours: The layer's time with it.
        plain: The layer's time without, taken by turns.
        cost: The time with it as a multiple of that without: the median over the rounds, of which
            each is short, so that both have the machine as it is just then.
    """

    layer: str
    shape: Shape
    regulariser: str
    ours: Times
    plain: Times
    cost: float

    def dump(self) -> dict:
        """As JSON has it."""
        return asdict(self)

    def line(self) -> str:
        """One line of text, for while the measuring goes on."""
        return (
            f"{self.layer:4} {self.shape!s:15} {self.regulariser:17} "
            f"{milliseconds(self.ours.median):>6} ms  {self.cost:.2f}"
        )


@dataclass(frozen=True)
class Regularised(Taken):
    """All rows, each a `RegularisedRow`, and what they were measured on."""

    def table(self) -> list:
        """What to print with rich, one after another, at 80 columns or more."""
        return [
            drawn(
                "training with regularisers",
                self.rows,
                {
                    "layer": lambda row: row.layer,
                    "regulariser": lambda row: f"{row.regulariser}={REGULARISERS[row.regulariser]}",
                    "B,T,I,H": lambda row: str(row.shape),
                    "ms": lambda row: milliseconds(row.ours.median),
                    "without": lambda row: milliseconds(row.plain.median),
                    "cost": lambda row: held(f"{row.cost:.2f}", row.cost <= COST),
                    "most": lambda _: f"{COST}",
                },
            ),
            "",
            f"{self.machine['processor']}, {self.threads} thread{'s' * (self.threads > 1)}, "
            f"float32, medians of forward and backward",
            "cost: the time with the regulariser as a multiple of the time without, the median "
            "over rounds",
        ]


def ours(work: Work, **regularisers: float) -> Runner:
    """The public layer in training, where the weights are others at each call, as after an
    optimiser's step.
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
    """Measure in this process, as it is; the arguments are those of `bench.measure.measure`, of
    which `modes` is not looked at.
    """
    rows: list[RegularisedRow] = []
    with torch_threads(threads):
        for layer in layers:
            if layer == "own":
                continue
            for shape in shapes or (QUICK_GRID if quick else GRID):
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
    work = make_work(layer, "training", shape, threads)
    named = [name for name in REGULARISERS if layer != "RNN" or name != "recurrent_dropout"]
    runners = {"": ours(work)} | {name: ours(work, **{name: REGULARISERS[name]}) for name in named}
    first = {name: timed(runner.call)[0] for name, runner in runners.items()}
    # A cost of a few hundredths is told from nothing by many rounds.
    samples, calls = by_turns(
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
