"""What is measured, what comes of it, and how that is shown."""

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
        """Whether it is one layer in one direction."""
        return self.layers == self.directions == 1

    def __str__(self):
        return ",".join(map(str, self[:4])) + "*" * (not self.single)


# One step alone is a step of a stream, and has no training.
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
# Cells as a user would write them: the most of the built-in LSTM's time that each should take.
OWN = {"peephole LSTM": 1.1, "original GRU": 1.3, "layer-norm LSTM": 1.6}
# How many times as fast as the same cell in a Python loop each should be.
LOOP_BAR = 10.0
LAYERS = ("RNN", "LSTM", "GRU", "own")
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3, "peephole LSTM": 4, "original GRU": 3, "layer-norm LSTM": 4}

FORMAT = 2


@dataclass(frozen=True)
class Times:
    """Seconds that a call took.

    Attributes:
        median, lower, upper: The samples' median and quartiles.
        samples: Their number.
        calls: Calls in one sample.
        first: Seconds of the very first call, compiling and all.
        setting: Which of its settings was the fastest, and is timed.
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
        """The standard error of the median, as a part of it: 1.2533 s / sqrt(n) for n normal
        samples, whose quartiles are 1.349 s apart.
        """
        return 1.2533 / 1.349 * (self.upper - self.lower) / math.sqrt(self.samples) / self.median


@dataclass(frozen=True)
class Row:
    """One layer in one mode at one shape.

    Attributes:
        layer: RNN, LSTM or GRU; or one of OWN, whose peers are the built-in LSTM and a Python loop.
        mode: "inference", or "training": forward, and backward to input and weights.
        shape: Its sizes.
        ours: Our time; its `first` is the first call of such a layer in this process, compiling
            included.
        warm: Seconds of the first call of a second layer of the same sizes.
        peers: The peers' times, by name.
        share: What part of the measured peak of multiply-adds we reach; None where there is no
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
        """Each peer's median over ours: above 1 we are faster."""
        return {name: times.median / self.ours.median for name, times in self.peers.items()}

    @property
    def best(self) -> float | None:
        """The ratio of the fastest peer; None where there is no peer."""
        return min(self.ratios.values(), default=None)

    @property
    def operations(self) -> int:
        """Multiplications and additions of the products alone; backward has twice as many as
        forward.
        """
        batch, steps, inputs, hidden, layers, directions = self.shape
        above = directions * hidden
        units = directions * hidden * (inputs + hidden + (layers - 1) * (above + hidden))
        return 2 * batch * steps * GATES[self.layer] * units * (3 if self.mode == "training" else 1)

    @property
    def unsteady(self) -> bool:
        """Whether the middle half of someone's samples spreads over more than a fifth of their
        median.
        """
        return any(t.upper - t.lower > 0.2 * t.median for t in (self.ours, *self.peers.values()))

    def dump(self) -> dict:
        """As JSON has it."""
        return asdict(self) | {"ratios": self.ratios, "best": self.best}

    def line(self) -> str:
        """One line of text, for while the measuring goes on."""
        ratios = "  ".join(
            f"{PEERS.get(name, name)} {times_as_fast(ratio)}" for name, ratio in self.ratios.items()
        )
        return (
            f"{self.layer:4} {self.mode:9} {self.shape!s:15} "
            f"{milliseconds(self.ours.median):>6} ms  {ratios}"
        )


@dataclass(frozen=True)
class Run:
    """All rows, and what they were measured on.

    Attributes:
        rows: The rows.
        threads: CPU threads of everyone.
        processors: The processors they ran on; None where the system does not say.
        peak: The measured peak, in operations a second on all threads (a multiply-add is two); None
            without one.
        missing: Peers, and settings of theirs, that were asked for and are not there, each with
            why.
        machine: The processor, the system, and the version of everything.
    """

    rows: list[Row]
    threads: int
    processors: list[int] | None
    peak: float | None
    missing: dict[str, str]
    machine: dict

    def dump(self) -> dict:
        """As JSON has it."""
        return {"format": FORMAT} | asdict(self) | {"rows": [row.dump() for row in self.rows]}


@dataclass(frozen=True)
class Taken:
    """Rows of one kind, and what they were measured on.

    Attributes:
        rows: Each with a `dump` of its own.
        threads, machine: As of `Run`.
    """

    rows: list
    threads: int
    machine: dict

    def dump(self) -> dict:
        """As JSON has it."""
        return asdict(self) | {"rows": [row.dump() for row in self.rows]}


def milliseconds(seconds: float) -> str:
    """With three digits that count."""
    value = 1e3 * seconds
    return (
        f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"
        if 1e-2 < value < 99.5
        else f"{value:.0f}"
        if value > 1
        else f"{value:.4f}"
    )


def times_as_fast(ratio: float) -> str:
    """A ratio with an x behind it, in five letters."""
    return f"{ratio:.{2 if ratio < 9.995 else 1 if ratio < 99.95 else 0}f}x"


def held(text: str, good: bool) -> str:
    """Green where a bar is held, red where it is missed."""
    return f"[{'green' if good else 'red'}]{text}[/]"


def _ratio(value: float | None) -> str:
    return "" if value is None else held(times_as_fast(value), value >= 1)


def _mean(values: list[float]) -> float | None:
    """The geometric mean of what there is."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def drawn(title: str, rows: list, columns: dict, words: int = 2):
    """A table for rich.

    Args:
        title: What stands above it.
        rows: What it has a line of each for.
        columns: By heading, what makes of a row the text of its cell.
        words: How many columns there are, from the left, of words; the others are of numbers.
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


# What the tables of a run end with.
_LAST = {
    "peak": lambda row: "-" if row.share is None else f"{100 * row.share:.0f}%",
    "first": lambda row: milliseconds(row.ours.first),
    "again": lambda row: milliseconds(row.warm),
}


def _bar(text: str, good: bool) -> str:
    return held(text + "!" * (not good), good)


def _ours(row: Row) -> str:
    return milliseconds(row.ours.median) + "~" * row.unsteady


def table(run: Run) -> list:
    """What to print of a run with rich, one after another, at 80 columns or more: tables, and lines
    that say what they show.
    """
    parts = []
    for mode in MODES:
        if rows := [row for row in run.rows if row.mode == mode and row.layer not in OWN]:
            names = [name for name in PEERS if any(name in row.peers for row in rows)]
            ratios = {"best": lambda row: row.best} | {
                PEERS[name].split()[0]: lambda row, name=name: row.ratios.get(name)
                for name in names
            }
            shown = drawn(
                f"{mode}: times as fast as the best peer, and as each",
                rows,
                {"layer": lambda row: row.layer, "B,T,I,H": lambda row: str(row.shape), "ms": _ours}
                | {
                    heading: lambda row, ratio=ratio: _ratio(ratio(row))
                    for heading, ratio in ratios.items()
                }
                | _LAST,
            )
            means = (
                [value for value in map(ratio, rows) if value is not None]
                for ratio in ratios.values()
            )
            shown.add_row("", "geometric mean", "", *(_ratio(_mean(found)) for found in means))
            parts += [shown, ""]
    if own := [row for row in run.rows if row.layer in OWN]:
        parts += [
            drawn(
                f"own cells: part of {BUILT_IN}'s time, and times as fast as a Python loop",
                own,
                {
                    "cell": lambda row: row.layer,
                    "mode": lambda row: row.mode,
                    "B,T,I,H": lambda row: str(row.shape),
                    "ms": _ours,
                    "of LSTM": lambda row: _bar(
                        f"{1 / row.ratios[BUILT_IN]:.2f}",
                        1 / row.ratios[BUILT_IN] <= OWN[row.layer],
                    ),
                    "loop": lambda row: _bar(
                        times_as_fast(row.ratios[LOOP]), row.ratios[LOOP] >= LOOP_BAR
                    ),
                }
                | _LAST,
                words=3,
            ),
            "",
            f"own cells should take {', '.join(map(str, OWN.values()))} of the LSTM's time at "
            f"most, in this order,",
            f"and be {LOOP_BAR:g} times as fast as the loop at least; ! is behind what misses that",
        ]
    versions = run.machine["versions"]
    beside = [name for name in PEERS if any(name in row.peers for row in run.rows)]
    parts += [
        f"{run.machine['processor']}, {run.threads} thread{'s' * (run.threads > 1)} for everyone, "
        f"float32, medians"
    ]
    parts += [f"beside {', '.join(f'{PEERS[name]} {versions[name]}' for name in beside)}"] * bool(
        beside
    )
    parts += [f"{PEERS.get(name, name)} is left out: {why}" for name, why in run.missing.items()]
    parts += [
        f"peak: {run.peak / 1e9:.0f} GFLOP/s, multiply-adds in registers alone on all threads, in "
        f"this run"
        if run.peak
        else "peak: none, since the cpu engine does not run here (see: ostinato doctor)"
    ]
    parts += ["first, again: ms of our first call at such sizes (it compiles), of a second layer's"]
    parts += ["one step (T = 1) is a step of a stream: the state is given and returned"] * any(
        row.shape.steps == 1 for row in run.rows
    )
    parts += ["* two layers, both directions"] * any(not row.shape.single for row in run.rows)
    parts += ["~ unsteady: half of someone's samples are far apart; was the machine busy?"] * any(
        row.unsteady for row in run.rows
    )
    return parts
