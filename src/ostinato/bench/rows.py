"""Private: rows of the benchmark, their results, and the tables that show them."""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple


class Shape(NamedTuple):
    """B, T, I, H, and L layers in D directions."""

    batch: int
    steps: int
    inputs: int
    hidden: int
    layers: int = 1
    directions: int = 1

    @property
    def single(self) -> bool:
        """True for one layer in one direction."""
        return self.layers == self.directions == 1

    def __str__(self):
        return ",".join(map(str, self[:4])) + "*" * (not self.single)


# A shape with one step is a step of a stream, without training.
GRID = (
    Shape(1, 1, 16, 16),
    Shape(1, 100, 32, 32),
    Shape(1, 100, 256, 256),
    Shape(1, 100, 1024, 1024),
    Shape(8, 200, 64, 64),
    Shape(32, 100, 64, 128),
    Shape(64, 100, 256, 512),
    Shape(256, 50, 128, 256),
    Shape(128, 256, 512, 512),
    Shape(32, 100, 128, 256, 2, 2),
)
OWN_GRID = (Shape(1, 100, 32, 32), Shape(32, 100, 64, 128))
QUICK_GRID, QUICK_OWN_GRID = (Shape(32, 100, 64, 128),), (Shape(1, 100, 32, 32),)

MODES = ("inference", "training")
PEERS = {"torch": "torch.nn", "onnxruntime": "ONNX Runtime", "jax": "JAX", "keras": "Keras"}
BUILT_IN, LOOP = "ostinato.LSTM", "torch loop"
# User-defined cells: maximum time relative to the built-in LSTM.
OWN_CELL_BARS = {"peephole LSTM": 1.1, "original GRU": 1.3, "layer-norm LSTM": 1.6}
# Minimum speed-up of each over the same cell in a Python loop.
LOOP_BAR = 10.0
LAYERS = ("RNN", "LSTM", "GRU", "own")
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3, "peephole LSTM": 4, "original GRU": 3, "layer-norm LSTM": 4}

RUN_FORMAT = 2


@dataclass(frozen=True)
class Times:
    """Seconds per call.

    Attributes:
        median, lower, upper: Median and quartiles of the samples.
        samples: Number of samples.
        calls: Calls per sample.
        first: Seconds of the first call, including compilation.
        setting: The fastest setting of the library, which is timed.
    """

    median: float
    lower: float
    upper: float
    samples: int
    calls: int
    first: float
    setting: str

    @property
    def uncertainty(self) -> float:
        """Relative standard error of the median: 1.2533 s / sqrt(n) for n normal samples, whose
        quartiles are 1.349 s apart.
        """
        return 1.2533 / 1.349 * (self.upper - self.lower) / math.sqrt(self.samples) / self.median


@dataclass(frozen=True)
class Row:
    """One layer in one mode at one shape.

    Attributes:
        layer: RNN, LSTM or GRU; or one of OWN_CELL_BARS, which is compared with the built-in LSTM
            and a Python loop.
        mode: "inference", or "training": forward, and backward to input and weights.
        shape: The sizes.
        ours: Our time; its `first` is the first call of such a layer in this process, including
            compilation.
        warm: Seconds of the first call of a second layer of the same sizes.
        peers: Times of the other libraries by name.
        share: The fraction of the measured peak of multiply-adds that is reached; None without a
            peak.
    """

    layer: str
    mode: str
    shape: Shape
    ours: Times
    warm: float
    peers: dict[str, Times]
    share: float | None = None

    @property
    def ratios(self) -> dict[str, float]:
        """Median of each library divided by ours: above 1 Ostinato is faster."""
        return {name: times.median / self.ours.median for name, times in self.peers.items()}

    @property
    def best(self) -> float | None:
        """The ratio of the fastest library; None without another library."""
        return min(self.ratios.values(), default=None)

    @property
    def operations(self) -> int:
        """Multiplications and additions of the matrix products; backward has twice as many as
        forward.
        """
        batch, steps, inputs, hidden, layers, directions = self.shape
        above = directions * hidden
        units = directions * hidden * (inputs + hidden + (layers - 1) * (above + hidden))
        return 2 * batch * steps * GATES[self.layer] * units * (3 if self.mode == "training" else 1)

    @property
    def unsteady(self) -> bool:
        """Whether the interquartile range of a library is larger than a fifth of its median."""
        return any(t.upper - t.lower > 0.2 * t.median for t in (self.ours, *self.peers.values()))

    def dump(self) -> dict:
        """The row as JSON."""
        return asdict(self) | {"ratios": self.ratios, "best": self.best}

    def line(self) -> str:
        """One line of text, printed during the measurement."""
        ratios = "  ".join(
            f"{PEERS.get(name, name)} {times_as_fast(ratio)}" for name, ratio in self.ratios.items()
        )
        return (
            f"{self.layer:4} {self.mode:9} {self.shape!s:15} {milliseconds(self.ours.median):>6} "
            f"ms  {ratios}"
        )


@dataclass(frozen=True)
class BenchmarkRun:
    """All rows, and the machine.

    Attributes:
        rows: The rows.
        threads: CPU threads of each library.
        processors: The processors of the process; None if the system does not say.
        peak: The measured peak in operations per second on all threads (a multiply-add counts as
            two); None without one.
        missing: Requested libraries and settings that are not available, each with the reason.
        machine: The processor, the system, and the versions of all libraries.
    """

    rows: list[Row]
    threads: int
    processors: list[int] | None
    peak: float | None
    missing: dict[str, str]
    machine: dict

    def dump(self) -> dict:
        """The run as JSON."""
        return {"format": RUN_FORMAT} | asdict(self) | {"rows": [row.dump() for row in self.rows]}


@dataclass(frozen=True)
class Measurements:
    """Rows of one kind, and the machine.

    Attributes:
        rows: The rows, each with a method `dump`.
        threads, machine: As in `BenchmarkRun`.
    """

    rows: list
    threads: int
    machine: dict

    def dump(self) -> dict:
        """The rows as JSON."""
        return asdict(self) | {"rows": [row.dump() for row in self.rows]}


def milliseconds(seconds: float) -> str:
    """Milliseconds with three significant digits."""
    value = 1e3 * seconds
    return (
        f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"
        if 1e-2 < value < 99.5
        else f"{value:.0f}"
        if value > 1
        else f"{value:.4f}"
    )


def times_as_fast(ratio: float) -> str:
    """A ratio followed by x, in five characters."""
    return f"{ratio:.{2 if ratio < 9.995 else 1 if ratio < 99.95 else 0}f}x"


def coloured(text: str, good: bool) -> str:
    """Green if the bar is met, red if it is missed."""
    return f"[{'green' if good else 'red'}]{text}[/]"


def _ratio(value: float | None) -> str:
    return "" if value is None else coloured(times_as_fast(value), value >= 1)


def _mean(values: list[float]) -> float | None:
    """Geometric mean; None of no values."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def make_table(title: str, rows: list, columns: dict, words: int = 2):
    """A table for rich.

    Args:
        title: The title.
        rows: The rows.
        columns: By heading, a function from a row to the text of its cell.
        words: Number of text columns from the left; the others are numeric.
    """
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for place, heading in enumerate(columns):
        table.add_column(heading, justify="left" if place < words else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table


# The last columns of the tables of a run.
_LAST_COLUMNS = {
    "peak": lambda row: "-" if row.share is None else f"{100 * row.share:.0f}%",
    "first": lambda row: milliseconds(row.ours.first),
    "again": lambda row: milliseconds(row.warm),
}


def _bar(text: str, good: bool) -> str:
    return coloured(text + "!" * (not good), good)


def _ours(row: Row) -> str:
    return milliseconds(row.ours.median) + "~" * row.unsteady


def table(run: BenchmarkRun) -> list:
    """Renderables of a run for rich, for 80 columns or more: tables, and lines that explain
    them.
    """
    parts = []
    for mode in MODES:
        if rows := [row for row in run.rows if row.mode == mode and row.layer not in OWN_CELL_BARS]:
            names = [name for name in PEERS if any(name in row.peers for row in rows)]
            ratios = {"best": lambda row: row.best} | {
                PEERS[name].split()[0]: lambda row, name=name: row.ratios.get(name)
                for name in names
            }
            shown = make_table(
                f"{mode}: speed-up over the best library, and over each",
                rows,
                {"layer": lambda row: row.layer, "B,T,I,H": lambda row: str(row.shape), "ms": _ours}
                | {
                    heading: lambda row, ratio=ratio: _ratio(ratio(row))
                    for heading, ratio in ratios.items()
                }
                | _LAST_COLUMNS,
            )
            means = (
                [value for value in map(ratio, rows) if value is not None]
                for ratio in ratios.values()
            )
            shown.add_row("", "geometric mean", "", *(_ratio(_mean(found)) for found in means))
            parts += [shown, ""]
    if own := [row for row in run.rows if row.layer in OWN_CELL_BARS]:
        parts += [
            make_table(
                f"own cells: time relative to {BUILT_IN}, and speed-up over a Python loop",
                own,
                {
                    "cell": lambda row: row.layer,
                    "mode": lambda row: row.mode,
                    "B,T,I,H": lambda row: str(row.shape),
                    "ms": _ours,
                    "of LSTM": lambda row: _bar(
                        f"{1 / row.ratios[BUILT_IN]:.2f}",
                        1 / row.ratios[BUILT_IN] <= OWN_CELL_BARS[row.layer],
                    ),
                    "loop": lambda row: _bar(
                        times_as_fast(row.ratios[LOOP]), row.ratios[LOOP] >= LOOP_BAR
                    ),
                }
                | _LAST_COLUMNS,
                words=3,
            ),
            "",
            f"own cells should take {', '.join(map(str, OWN_CELL_BARS.values()))} of the LSTM's "
            "time at most, in this order,",
            f"and be at least {LOOP_BAR:g} times as fast as the loop; ! marks a missed target",
        ]
    versions = run.machine["versions"]
    compared = [name for name in PEERS if any(name in row.peers for row in run.rows)]
    parts += [
        f"{run.machine['processor']}, {run.threads} thread{'s' * (run.threads > 1)} per library, "
        "float32, medians"
    ]
    parts += [
        f"compared with {', '.join(f'{PEERS[name]} {versions[name]}' for name in compared)}"
    ] * bool(compared)
    parts += [f"{PEERS.get(name, name)} is left out: {why}" for name, why in run.missing.items()]
    parts += [
        f"peak: {run.peak / 1e9:.0f} GFLOP/s, multiply-adds in registers on all threads, in this "
        "run"
        if run.peak
        else "peak: none, since the cpu engine does not run here (see: ostinato doctor)"
    ]
    parts += [
        "first, again: ms of our first call (it compiles), and of a second layer's first call"
    ]
    parts += ["T = 1 is a step of a stream: the state is passed in and returned"] * any(
        row.shape.steps == 1 for row in run.rows
    )
    parts += ["* two layers, both directions"] * any(not row.shape.single for row in run.rows)
    parts += ["~ unsteady: the samples of a library vary a lot; was the machine busy?"] * any(
        row.unsteady for row in run.rows
    )
    return parts
