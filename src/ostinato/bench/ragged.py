"""Private: variable-length batches: their cost compared with a full batch, and torch.nn with a
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
# The shortest row, as a fraction of the longest.
SHORTEST = 0.2
# Maximum cost of a valid step, relative to a step of a full batch; and minimum speed-up over
# torch.nn with a PackedSequence, whose LSTM is faster than its other layers.
RAGGED_COST_BAR = 1.15
FASTER = {"RNN": 5.0, "GRU": 5.0, "LSTM": 3.0}


@dataclass(frozen=True)
class RaggedRow:
    """One layer in one mode at one shape.

    Attributes:
        layer, mode, shape: As in `rows.Row`.
        valid: The fraction of the B * T steps that is valid.
        ours: Our time for the variable-length batch.
        full: Our time for the same batch with full lengths.
        packed: The time of torch.nn for the variable-length batch, including packing and padding.
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
        """Time per valid step, relative to the time per step of a full batch."""
        return self.ours.median / (self.valid * self.full.median)

    @property
    def ratio(self) -> float:
        """The packed time divided by ours: above 1 Ostinato is faster."""
        return self.packed.median / self.ours.median

    def dump(self) -> dict:
        """The row as JSON."""
        return asdict(self) | {"cost": self.cost, "ratio": self.ratio}

    def line(self) -> str:
        """One line of text, printed during the measurement."""
        return (
            f"{self.layer:4} {self.mode:9} {self.shape!s:15} {milliseconds(self.ours.median):>6} "
            f"ms  a step {self.cost:.2f}  packed {times_as_fast(self.ratio)}"
        )


@dataclass(frozen=True)
class Ragged(Measurements):
    """All rows, each a `RaggedRow`, and the machine."""

    def table(self) -> list:
        """Renderables for rich, for 80 columns or more."""
        parts = []
        for mode in MODES:
            if rows := [row for row in self.rows if row.mode == mode]:
                parts += [
                    make_table(
                        f"{mode} with variable-length batches",
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
            f"{self.machine['processor']}, {self.threads} thread{'s' * (self.threads > 1)} per "
            "library, float32, medians",
            "a step: our time per valid step, relative to a full batch",
            f"packed: speed-up over torch.nn {versions['torch']} with a PackedSequence",
        ]
        return parts


def lengths(shape: Shape) -> Tensor:
    """Fixed uniform random lengths from a fifth of T to T; the first row has length T."""
    found = torch.randint(
        round(SHORTEST * shape.steps),
        shape.steps + 1,
        (shape.batch,),
        generator=torch.Generator().manual_seed(0),
    )
    found[0] = shape.steps
    return found


def ours(work: Workload, valid: Tensor | None) -> Runner:
    """The Ostinato layer with lengths."""
    layer = work.like(ostinato)
    return in_torch(work, lambda x: layer(x, lengths=valid), dict(layer.named_parameters()))


def packed(work: Workload, valid: Tensor) -> Runner:
    """The layer of torch.nn with a PackedSequence."""
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
    """Measure in this process; arguments as for `bench.measure.measure`.

    Raises:
        EngineError: torch.nn computes other numbers.
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
