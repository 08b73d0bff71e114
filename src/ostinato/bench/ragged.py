"""Rows of unequal lengths: what they cost us beside a full batch, and what torch.nn takes with a
PackedSequence.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import ostinato

from .measure import (
    FULL,
    QUICK,
    alternate,
    compare,
    machine,
    make_workload,
    timed,
    torch_threads,
    tried,
)
from .peers import Runner, Workload, in_torch
from .rows import (
    LAYERS,
    MODES,
    Measurements,
    Shape,
    Times,
    coloured,
    make_table,
    milliseconds,
    times_as_fast,
)

RAGGED_GRID = (Shape(32, 100, 64, 128), Shape(64, 100, 256, 512), Shape(256, 50, 128, 256))
RAGGED_QUICK_GRID = RAGGED_GRID[:1]
# The shortest row, as a part of the longest.
SHORTEST = 0.2
# The most that a step of a ragged batch should take, as a multiple of one of a full batch; and how
# many times as fast as torch.nn with a PackedSequence each layer should be: its LSTM does better
# than the others.
RAGGED_COST_BAR = 1.15
FASTER = {"RNN": 5.0, "GRU": 5.0, "LSTM": 3.0}


@dataclass(frozen=True)
class RaggedRow:
    """One layer in one mode at one shape.

    Attributes:
        layer, mode, shape: As of `rows.Row`.
        valid: The part of all B * T steps that is valid.
        ours: Our time for the ragged batch.
        full: Our time for the same batch where all rows have all steps.
        packed: The time of torch.nn for the ragged batch, packing and padding included.
    """

    layer: str
    mode: str
    shape: Shape
    valid: float
    ours: Times
    full: Times
    packed: Times

    @property
    def cost(self) -> float:
        """What a valid step takes, as a multiple of one of a full batch."""
        return self.ours.median / (self.valid * self.full.median)

    @property
    def ratio(self) -> float:
        """The packed time over ours: above 1 we are faster."""
        return self.packed.median / self.ours.median

    def dump(self) -> dict:
        """As JSON has it."""
        return asdict(self) | {"cost": self.cost, "ratio": self.ratio}

    def line(self) -> str:
        """One line of text, for while the measuring goes on."""
        return (
            f"{self.layer:4} {self.mode:9} {self.shape!s:15} {milliseconds(self.ours.median):>6} "
            f"ms  a step {self.cost:.2f}  "
            f"packed {times_as_fast(self.ratio)}"
        )


@dataclass(frozen=True)
class Ragged(Measurements):
    """All rows, each a `RaggedRow`, and what they were measured on."""

    def table(self) -> list:
        """What to print with rich, one after another, at 80 columns or more."""
        parts = []
        for mode in MODES:
            if rows := [row for row in self.rows if row.mode == mode]:
                parts += [
                    make_table(
                        f"{mode} with rows of unequal lengths",
                        rows,
                        {
                            "layer": lambda row: row.layer,
                            "B,T,I,H": lambda row: str(row.shape),
                            "valid": lambda row: f"{100 * row.valid:.0f}%",
                            "ms": lambda row: milliseconds(row.ours.median),
                            "full ms": lambda row: milliseconds(row.full.median),
                            "a step": lambda row: coloured(
                                f"{row.cost:.2f}", row.cost <= RAGGED_COST_BAR
                            ),
                            "most": lambda _: f"{RAGGED_COST_BAR}",
                            "packed ms": lambda row: milliseconds(row.packed.median),
                            "packed": lambda row: coloured(
                                times_as_fast(row.ratio), row.ratio >= FASTER[row.layer]
                            ),
                            "least": lambda row: times_as_fast(FASTER[row.layer]),
                        },
                    ),
                    "",
                ]
        versions = self.machine["versions"]
        parts += [
            f"{self.machine['processor']}, {self.threads} thread{'s' * (self.threads > 1)} for "
            f"everyone, float32, medians",
            "a step: our time for each valid step, as a multiple of that in our full batch",
            f"packed: torch.nn {versions['torch']} with a PackedSequence; how many times as fast "
            f"we are",
        ]
        return parts


def lengths(shape: Shape) -> Tensor:
    """Whole numbers from a fifth of T to T, uniform, always the same; the first row is the longest,
    for a batch is as long as that.
    """
    found = torch.randint(
        round(SHORTEST * shape.steps),
        shape.steps + 1,
        (shape.batch,),
        generator=torch.Generator().manual_seed(0),
    )
    found[0] = shape.steps
    return found


def ours(work: Workload, valid: Tensor | None) -> Runner:
    """The public layer, with lengths."""
    layer = work.like(ostinato)
    return in_torch(work, lambda x: layer(x, lengths=valid), dict(layer.named_parameters()))


def packed(work: Workload, valid: Tensor) -> Runner:
    """torch.nn's layer as people run it where rows are of unequal lengths."""
    layer = work.like(nn)

    def run(x):
        output, _ = layer(pack_padded_sequence(x, valid, enforce_sorted=False))
        return pad_packed_sequence(output)

    return in_torch(work, run, dict(layer.named_parameters()))


def measure(
    *,
    threads: int,
    quick: bool = False,
    layers: Sequence[str] = LAYERS,
    modes: Sequence[str] = MODES,
    shapes: Sequence[Shape] | None = None,
    watcher: Callable[[RaggedRow | None, str], None] = lambda row, coming: None,
) -> Ragged:
    """Measure in this process, as it is; the arguments are those of `bench.measure.measure`.

    Raises:
        EngineError: torch.nn's numbers are not ours.
    """
    wanted = [
        (layer, mode, shape)
        for layer in layers
        if layer in FASTER
        for mode in modes
        for shape in shapes or (RAGGED_QUICK_GRID if quick else RAGGED_GRID)
    ]
    rows = []
    with torch_threads(threads):
        for k, (layer, mode, shape) in enumerate(wanted):
            watcher(rows[-1] if rows else None, f"{k + 1} of {len(wanted)}: {layer} {mode} {shape}")
            rows.append(_row(layer, mode, shape, threads, *(QUICK if quick else FULL)))
        watcher(rows[-1], "done")
    return Ragged(rows, threads, machine())


def _row(
    layer: str, mode: str, shape: Shape, threads: int, budget: float, fewest: int
) -> RaggedRow:
    work, valid = make_workload(layer, mode, shape, threads), lengths(shape)
    runners = {"ours": ours(work, valid), "full": ours(work, None), "packed": packed(work, valid)}
    first, arrays = {}, {}
    for name, runner in runners.items():
        first[name], result = timed(runner.call)
        arrays[name] = runner.arrays(result)
    compare(
        f"torch.nn with a PackedSequence, {layer} {mode} {shape}",
        arrays.pop("packed"),
        arrays.pop("ours"),
    )
    del arrays, result
    found = alternate(
        runners, {name: tried(runner) for name, runner in runners.items()}, budget, fewest
    )
    times = {name: Times(*taken, first[name], "") for name, taken in found.items()}
    return RaggedRow(layer, mode, shape, int(valid.sum()) / (shape.batch * shape.steps), **times)
