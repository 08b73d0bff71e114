"""What is measured, what comes of it, and how that is shown."""

import math
from dataclasses import asdict, dataclass

# (B, T, I, H)
GRID = ((1, 1, 16, 16), (1, 100, 32, 32), (1, 100, 256, 256), (32, 100, 64, 128), (64, 100, 256, 512), (256, 50, 128, 256),
        (1, 100, 1024, 1024))
# Where a user's own cell is held against the built-in LSTM.
OWN_GRID = ((1, 100, 32, 32), (1, 100, 256, 256), (32, 100, 64, 128), (64, 100, 256, 512))
QUICK_GRID, QUICK_OWN_GRID = ((1, 100, 32, 32), (32, 100, 64, 128)), ((1, 100, 256, 256),)

LAYERS, MODES = ("RNN", "LSTM", "GRU", "own"), ("inference", "training")
PEERS = {"torch": "torch.nn", "onnxruntime": "ONNX Runtime", "jax": "JAX"}
BUILT_IN = "ostinato.LSTM"
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3, "own": 4}

FORMAT = 1


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


@dataclass(frozen=True)
class Row:
    """One layer in one mode at one shape.

    Attributes:
        layer: One of LAYERS; "own" is the user's own cell, whose only peer is the built-in LSTM.
        mode: "inference", or "training": forward, and backward to input and weights.
        shape: (B, T, I, H).
        ours: Our time; its `first` is the first call of such a layer in this process, compiling included.
        warm: Seconds of the first call of a second layer of the same sizes.
        peers: The peers' times, by name.
        share: What part of the measured peak of multiply-adds we reach; None where there is no peak.
    """

    layer: str
    mode: str
    shape: tuple[int, int, int, int]
    ours: Times
    warm: float
    peers: dict[str, Times]
    share: float | None = None

    @property
    def ratios(self) -> dict[str, float]:
        """Each peer's median over ours: above 1 we are faster."""
        return {name: times.median / self.ours.median for name, times in self.peers.items()}

    @property
    def operations(self) -> float:
        """Multiplications and additions of the products alone; backward has twice as many as forward."""
        batch, steps, inputs, hidden = self.shape
        return 2 * batch * steps * GATES[self.layer] * hidden * (inputs + hidden) * (3 if self.mode == "training" else 1)

    @property
    def unsteady(self) -> bool:
        """Whether the middle half of someone's samples spreads over more than a fifth of their median."""
        return any(t.upper - t.lower > 0.2 * t.median for t in (self.ours, *self.peers.values()))

    def dump(self) -> dict:
        """As JSON has it."""
        return asdict(self) | {"ratios": self.ratios}

    def line(self) -> str:
        """One line of text, for while the measuring goes on."""
        ratios = "  ".join(f"{PEERS.get(name, name)} {ratio:.2f}x" for name, ratio in self.ratios.items())
        return f"{self.layer:4} {self.mode:9} {','.join(map(str, self.shape)):15} {milliseconds(self.ours.median):>6} ms  {ratios}"


@dataclass(frozen=True)
class Run:
    """All rows, and what they were measured on.

    Attributes:
        rows: The rows.
        threads: CPU threads of everyone.
        processors: The processors they ran on; None where the system does not say.
        peak: The measured peak, in operations a second on all threads (a multiply-add is two); None without one.
        missing: Peers that were asked for and are not there, each with why.
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


def milliseconds(seconds: float) -> str:
    """With three digits that count."""
    value = 1e3 * seconds
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if 1e-2 < value < 99.5 else f"{value:.0f}" if value > 1 else f"{value:.4f}"


def _ratio(value: float) -> str:
    return f"[{'green' if value >= 1 else 'red'}]{value:.2f}x[/]"


def table(run: Run) -> list:
    """What to print of a run with rich, one after another, at 80 columns or more: tables, and lines that say what they show."""
    from rich.table import Table

    names = [name for name in PEERS if any(name in row.peers for row in run.rows)]
    parts = []

    def draw(title: str, rows: list[Row], first: str, headings: dict, last: tuple = ()):
        drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0))
        drawn.add_column(first, no_wrap=True)
        drawn.add_column("B,T,I,H", no_wrap=True)
        headings = {"ours ms": lambda row: milliseconds(row.ours.median) + "~ "[not row.unsteady]} | headings | {
            "of peak": lambda row: "-" if row.share is None else f"{100 * row.share:.0f}%",
            "first ms": lambda row: milliseconds(row.ours.first), "again": lambda row: milliseconds(row.warm)}
        for heading in headings:
            drawn.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            drawn.add_row(getattr(row, first), ",".join(map(str, row.shape)), *(cell(row) for cell in headings.values()))
        if last:
            drawn.add_row(*last)
        parts.extend([drawn, ""])

    def ratio(name: str):
        return lambda row: _ratio(row.ratios[name]) if name in row.peers else ""

    for mode in MODES:
        rows = [row for row in run.rows if row.mode == mode and row.layer != "own"]
        shown = [name for name in names if any(name in row.peers for row in rows)]
        means = [_ratio(math.exp(sum(map(math.log, found)) / len(found)))
                 for found in ([row.ratios[name] for row in rows if name in row.peers] for name in shown)]
        if rows:
            draw(f"{mode}: how many times as fast as each peer", rows, "layer",
                 {PEERS[name].replace("Runtime", "RT"): ratio(name) for name in shown}, ("", "geometric mean", "", *means))
    if own := [row for row in run.rows if row.layer == "own"]:
        draw(f"a user's own cell (LSTM with peepholes) beside {BUILT_IN}", own, "mode",
             {"LSTM ms": lambda row: milliseconds(row.peers[BUILT_IN].median), "own / LSTM": lambda row: f"{1 / row.ratios[BUILT_IN]:.2f}"})
    versions = run.machine["versions"]
    parts += [f"{run.machine['processor']}, {run.threads} thread{'s' * (run.threads > 1)} for everyone, float32, medians"]
    parts += [f"beside {', '.join(f'{PEERS[name]} {versions[name]}' for name in names)}"] * bool(names)
    parts += [f"{PEERS[name]} is left out: {why}" for name, why in run.missing.items()]
    parts += [f"peak: {run.peak / 1e9:.0f} GFLOP/s, multiply-adds in registers alone on all threads, in this run" if run.peak
              else "peak: none, since the cpu engine does not run here (see: ostinato doctor)"]
    parts += ["first, again: our first call with these sizes (it compiles); a second layer's"]
    parts += ["~ unsteady: half of someone's samples are far apart; was the machine busy?"] * any(row.unsteady for row in run.rows)
    return parts
