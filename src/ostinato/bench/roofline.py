"""Private: the roofline model: the limit of the processor for each row, by arithmetic and by memory
traffic, and the fraction that is reached.

The work and bytes of a row follow from a simple model (`traffic`). The limits are measured: the
peak rate, and the rates at which all threads together read each cache level and memory.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..data.files import write_whole
from ..engines.kernels import jit
from ..engines.kernels.builder import PTR, Target
from ..errors import EngineError
from ..training.figures import figure_bytes
from .measure import measure as measure_rows
from .measure import processors
from .peak import CACHE_LINE_BYTES, Rate, Turns
from .rows import GATES, LAYERS, MODES, BenchmarkRun, Row, make_table, milliseconds

# Half of a cache is read, because other processes use some of it; for memory, this multiple of the
# last cache, so that little of it is cached.
HALF, BEYOND = 0.5, 4
# Sizes of the caches if the system does not report them: name, bytes, shared by all threads.
UNTOLD = (("L1", 32 << 10, False), ("L2", 512 << 10, False), ("L3", 16 << 20, True))
# Vectors read in one turn; each has a sum of its own, so that no addition waits for another.
SUMS = 8
MEMORY = "memory"


@dataclass(frozen=True)
class Cache:
    """A cache, or memory, as seen by one thread.

    Attributes:
        name: L1, L2, ..., or memory.
        size: Bytes; None for memory.
        sharing: Number of our threads that share it.
        rate: Bytes per second that all threads together read from it; 0 until measured.
    """

    name: str
    size: int | None
    sharing: int
    rate: float = 0.0


@dataclass(frozen=True)
class Point:
    """A row in the roofline.

    Attributes:
        row: The row.
        bytes: Bytes by `traffic`.
        level: The cache level of the weights that a step reads.
        limit: Operations per second that peak and level allow.
        binds: The binding limit: "peak", or the name of the level.
    """

    row: Row
    bytes: float
    level: str
    limit: float
    binds: str

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.row.operations / self.bytes

    @property
    def rate(self) -> float:
        """Operations per second that are reached."""
        return self.row.operations / self.row.ours.median

    @property
    def share(self) -> float:
        """The rate divided by the limit."""
        return self.rate / self.limit


@dataclass(frozen=True)
class Roofline:
    """The result of the measurement.

    Attributes:
        run: Our times and the peak.
        caches: The caches from the nearest to memory, with their rates.
        detected: Whether the system reported the sizes of the caches.
    """

    run: BenchmarkRun
    caches: list[Cache]
    detected: bool

    @property
    def points(self) -> list[Point]:
        return [point(row, self.run.threads, self.run.peak, self.caches) for row in self.run.rows]

    def dump(self) -> dict:
        """The result as JSON."""
        points = [
            {
                "layer": p.row.layer,
                "mode": p.row.mode,
                "shape": p.row.shape,
                "seconds": p.row.ours.median,
                "operations": p.row.operations,
                "bytes": p.bytes,
                "level": p.level,
                "limit": p.limit,
                "binds": p.binds,
                "share": p.share,
            }
            for p in self.points
        ]
        return {
            "threads": self.run.threads,
            "peak": self.run.peak,
            "caches": [asdict(c) for c in self.caches],
            "detected": self.detected,
            "points": points,
            "machine": self.run.machine,
        }

    def table(self) -> list:
        """Renderables for rich, for 80 columns or more."""
        parts = []
        for mode in MODES:
            if points := [p for p in self.points if p.row.mode == mode]:
                parts += [
                    make_table(
                        f"{mode}: binding limit, and the fraction of it that is reached",
                        points,
                        {
                            "layer": lambda p: p.row.layer,
                            "B,T,I,H": lambda p: str(p.row.shape),
                            "ms": lambda p: milliseconds(p.row.ours.median) + "~" * p.row.unsteady,
                            "GFLOP/s": lambda p: f"{p.rate / 1e9:.3g}",
                            "FLOP/byte": lambda p: f"{p.intensity:.2g}",
                            "weights": lambda p: p.level,
                            "binds": lambda p: p.binds,
                            "limit": lambda p: f"{p.limit / 1e9:.0f}",
                            "of it": lambda p: f"{100 * p.share:.0f}%",
                        },
                    ),
                    "",
                ]
        rates = ", ".join(f"{c.name} {c.rate / 1e9:.0f}" for c in self.caches)
        sizes = ", ".join(f"{c.name} {c.size >> 10}" for c in self.caches if c.size)
        parts += [
            f"{self.run.machine['processor']}, {self.run.threads} "
            f"thread{'s' * (self.run.threads > 1)}, float32, medians",
            f"peak: {self.run.peak / 1e9:.0f} GFLOP/s; read rates of all threads together, in "
            "GB/s:",
            rates,
            f"caches, in KiB: {sizes}"
            + ("" if self.detected else " (typical sizes; the system does not report them)"),
            "weights: cache level of the weights that a step reads; limit: GFLOP/s, the peak,",
            "or FLOP/byte times the rate of that level, whichever is lower",
        ]
        parts += ["* two layers, both directions"] * any(
            not p.row.shape.single for p in self.points
        )
        parts += ["~ unsteady: the samples vary a lot; was the machine busy?"] * any(
            p.row.unsteady for p in self.points
        )
        return parts


# ---------------------------------------------------------------- the model


def traffic(row: Row, threads: int) -> tuple[float, float, bool]:
    """Bytes that a call moves, bytes of the weights that a step reads, and whether every thread
    reads them all.

    With as many rows as threads or more, each thread has rows of its own and reads all weights at
    every step. With fewer rows, each thread reads its part of the weights. With at most one row per
    thread, the input product is computed for all steps at once: a step reads only the recurrent
    weights, and the others are read once. Training does this twice, forward and backward.
    Activations are read or written once by each use: in inference the input and the output; in
    training the input, the output and their equivalents three times each (forward, backward, weight
    gradients), and the gates and their gradients twice.
    """
    batch, steps, inputs, hidden, layers, directions = row.shape
    gates, training = GATES[row.layer] * hidden, row.mode == "training"
    ahead, every = batch <= threads, batch >= threads
    moved, largest = 0, 0
    for units in [inputs] * directions + [directions * hidden] * (directions * (layers - 1)):
        step, once = (gates * hidden, gates * units) if ahead else (gates * (hidden + units), 0)
        activations = 3 * (units + hidden) + 4 * gates if training else units + hidden
        moved += (1 + training) * (
            steps * step * (threads if every else 1) + once
        ) + steps * batch * activations
        largest = max(largest, step)
    return 4.0 * moved, 4.0 * largest, every


def point(row: Row, threads: int, peak: float, caches: Sequence[Cache]) -> Point:
    """The position of a row in the roofline."""
    moved, weights, every = traffic(row, threads)
    level = next(
        c
        for c in caches
        if c.size is None or weights * (1 if every else c.sharing / threads) <= c.size
    )
    reading = row.operations / moved * level.rate
    return Point(
        row, moved, level.name, min(peak, reading), "peak" if peak <= reading else level.name
    )


# ---------------------------------------------------------------- measuring


class _Reads(Turns):
    """Each thread reads its part of some memory."""

    def __init__(self, target: Target, *, openmp: bool):
        super().__init__(32, target)
        # number of repetitions; start of the memory; numbers per thread
        self.enter(["count", "start", "part"], openmp=openmp)
        b, part = self.b, self.given["part"]
        mine = self.at(b.inttoptr(self.given["start"], PTR), b.mul(self.thread, part))
        sums = [self.constant(0.0)] * SUMS
        with self.loop(0, self.given["count"], carried=sums):
            with self.loop(0, part, SUMS * self.vector_width, carried=sums) as k:
                place = self.at(mine, k)
                sums[:] = [
                    b.fadd(total, self.load(self.at(place, v * self.vector_width)))
                    for v, total in enumerate(sums)
                ]
        self.end(sums)


class Reading(Rate):
    """The rate in bytes per second at which all threads read, each from a part of its own.

    Args:
        threads: Number of threads.
        part: Bytes that each thread reads repeatedly.
    """

    def __init__(self, threads: int, part: int):
        target, _ = jit.host()
        turn = SUMS * target.vector_width * 4
        part = max(part // turn, 1) * turn
        # Ones, because pages that were never written all map to one page of zeros.
        self._memory = np.ones((part * threads + CACHE_LINE_BYTES) // 4, np.float32)
        start = self._memory.ctypes.data + -self._memory.ctypes.data % CACHE_LINE_BYTES
        super().__init__(
            _Reads(target, openmp=jit.openmp() is not None).text,
            threads,
            (start, part // 4),
            part * threads,
        )


def read_caches(
    processors: Sequence[int] | None, threads: int, root: Path = Path("/sys/devices/system/cpu")
) -> tuple[list[Cache], bool]:
    """The caches of these processors and memory, and whether the system reported them."""
    found = []
    for index in (
        sorted((root / f"cpu{processors[0]}" / "cache").glob("index*")) if processors else []
    ):
        level, kind, size, shared = (
            (index / name).read_text().strip()
            for name in ("level", "type", "size", "shared_cpu_list")
        )
        if kind != "Instruction":
            number, unit = (size[:-1], size[-1]) if size[-1].isalpha() else (size, "")
            sharing = len(_numbers(shared) & set(processors[:threads]))
            found.append(
                Cache(f"L{level}", int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[unit], sharing)
            )
    detected = bool(found)
    found = found or [Cache(name, size, threads if shared else 1) for name, size, shared in UNTOLD]
    return [*sorted(found, key=lambda c: c.name), Cache(MEMORY, None, threads)], detected


def _numbers(text: str) -> set[int]:
    """The numbers of a list such as 0-3,8."""
    ends = [part.split("-") for part in text.split(",")]
    return {n for first, *last in ends for n in range(int(first), int((last or [first])[0]) + 1)}


def reading_of(cache: Cache, caches: Sequence[Cache], threads: int) -> Reading:
    """The measurement of the rate of a cache or of memory."""
    if cache.size:
        return Reading(threads, int(HALF * cache.size / cache.sharing))
    return Reading(threads, BEYOND * max(c.size // c.sharing for c in caches if c.size))


def measure(
    *,
    threads: int,
    quick: bool = False,
    layers: Sequence[str] = LAYERS,
    modes: Sequence[str] = MODES,
    shapes: Sequence | None = None,
    watcher: Callable[[Row | None, str], None] = lambda row, coming: None,
) -> Roofline:
    """Measure in this process; arguments as for `bench.measure.measure`.

    Raises:
        EngineError: No kernel runs here.
    """
    target, why = jit.host()
    if target is None:
        raise EngineError(
            f"the roofline is measured by kernels, and none runs here: {why}; see: ostinato doctor"
        )
    caches, detected = read_caches(processors(), threads)
    readings = [reading_of(cache, caches, threads) for cache in caches]

    def watch(row: Row | None, coming: str):
        for reading in readings:
            reading()
        watcher(row, coming)

    run = measure_rows(
        threads=threads,
        quick=quick,
        layers=[name for name in layers if name != "own"],
        modes=modes,
        peers=(),
        shapes=shapes,
        watcher=watch,
    )
    return Roofline(
        run,
        [replace(cache, rate=reading.best) for cache, reading in zip(caches, readings)],
        detected,
    )


# ---------------------------------------------------------------- the picture

# A label is placed on rings around its points: the directions in sixteenths of a turn, right and
# left first; and the number of rings it moves outwards rather than cover a line.
AROUND, FARTHER = (0, 8, 15, 1, 9, 7, 14, 2, 10, 6, 13, 3, 11, 5, 12, 4), 8
# Okabe and Ito's blue, vermilion and green, which are safe for colour blindness
MARKS = {"RNN": ("#0072b2", "o"), "LSTM": ("#d55e00", "s"), "GRU": ("#009e73", "^")}


def draw(found: Roofline, path: Path) -> None:
    """Draw the roofline with a point for each row as a PNG file: a panel per mode, and a label per
    shape.
    """
    write_whole(path, figure_bytes(picture(found)))


def picture(found: Roofline):
    """The drawing as a matplotlib figure, with all labels placed."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    points, run = found.points, found.run
    shown = [mode for mode in MODES if any(p.row.mode == mode for p in points)]
    # not pyplot, which keeps figures and looks for a display
    figure = Figure(
        figsize=(1 + 6.5 * len(shown), 6.5), dpi=150, layout="constrained", facecolor="white"
    )
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    left, right = min(p.intensity for p in points) / 6, max(p.intensity for p in points) * 6
    for axes, mode in zip(panels, shown):
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(left, right),
            ylim=(min(p.rate for p in points) / 3e9, run.peak * 3 / 1e9),
            title=mode,
            xlabel="operations a byte (FLOP/byte)",
        )
        for cache in found.caches:
            ridge = run.peak / cache.rate
            axes.plot(
                [left, ridge],
                [left * cache.rate / 1e9, run.peak / 1e9],
                color="#999999",
                linewidth=1,
                zorder=1,
            )
        axes.plot(
            [run.peak / max(c.rate for c in found.caches), right],
            [run.peak / 1e9] * 2,
            color="#333333",
            linewidth=1.5,
            zorder=1,
        )
        for layer, (colour, mark) in MARKS.items():
            mine = [p for p in points if p.row.mode == mode and p.row.layer == layer]
            if mine:
                axes.plot(
                    [p.intensity for p in mine],
                    [p.rate / 1e9 for p in mine],
                    mark,
                    color=colour,
                    markersize=6,
                    label=layer,
                    markerfacecolor="none",
                    markeredgewidth=1.5,
                    zorder=3,
                )
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set_ylabel("GFLOP/s")
    stacked = "; * two layers, both directions" * any(not p.row.shape.single for p in points)
    figure.suptitle(
        f"{run.machine['processor']}, {run.threads} thread{'s' * (run.threads > 1)}, float32; "
        f"labels are B,T,I,H{stacked}",
        fontsize=10,
    )
    figure.draw_without_rendering()
    for axes, mode in zip(panels, shown):
        _label(axes, found, [p for p in points if p.row.mode == mode])
    return figure


def _label(axes, found: Roofline, points: list[Point]):
    """Write the names of the roofs on them, and those of the shapes next to their points, without
    overlaps.
    """
    from matplotlib.transforms import Bbox

    place, inside = axes.transData.transform, axes.get_window_extent()
    taken = [
        Bbox.from_bounds(x - 7, y - 7, 14, 14)
        for x, y in place([(p.intensity, p.rate / 1e9) for p in points])
    ]
    taken.append(axes.get_legend().get_window_extent())
    roofs = [place(line.get_xydata()) for line in axes.get_lines() if line.get_marker() == "None"]
    roofs = [
        Bbox.from_extents(*point, *point).padded(2)
        for (start, *_, end) in roofs
        for point in np.linspace(start, end, 200)
    ]
    style = {
        "ha": "center",
        "va": "center",
        "fontsize": 8,
        "zorder": 4,
        "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1},
    }

    def write(
        text: str, options: Sequence[tuple[float, float]], neighbours: Sequence[Bbox] = (), **others
    ):
        """Write the text at the first of these positions (pixels) where it covers nothing, or
        where it covers least, and return that position in data coordinates. It may cover one of
        the `neighbours` rather than move far away.
        """
        label = axes.text(*axes.transData.inverted().transform(options[0]), text, **style, **others)
        box, found = label.get_window_extent().padded(2), []
        for k, (x, y) in enumerate(options):
            moved = Bbox.from_bounds(x - box.width / 2, y - box.height / 2, box.width, box.height)
            outside = not (
                inside.x0 < moved.x0
                and moved.x1 < inside.x1
                and inside.y0 < moved.y0
                and moved.y1 < inside.y1
            )
            covered = 1000 * (outside + moved.count_overlaps(taken)) + FARTHER * (
                moved.count_overlaps(neighbours) > 0
            )
            found.append((covered + k // len(AROUND), k, moved, (x, y)))
        *_, moved, chosen = min(found)
        taken.append(moved)
        at = axes.transData.inverted().transform(chosen)
        label.set_position(at)
        return at

    peak, (left, right), bottom = found.run.peak / 1e9, axes.get_xlim(), axes.get_ylim()[0]
    x, y = place((right, peak))
    write(f"peak {peak:.0f} GFLOP/s", [(x - k, y) for k in range(70, 500, 5)], color="#333333")
    for cache in found.caches:
        rate = cache.rate / 1e9
        low = max(left, bottom / rate)
        start, end = place([(low, low * rate), (peak / rate, peak)])
        angle = math.degrees(math.atan2(*(end - start)[::-1]))
        write(
            f"{cache.name} {rate:.0f} GB/s",
            [start + (end - start) * k / 100 for k in range(2, 99)],
            color="#666666",
            rotation=angle,
        )
    for shape in dict.fromkeys(p.row.shape for p in points):
        mine = [(p.intensity, p.rate / 1e9) for p in points if p.row.shape == shape]
        x, y = place(mine).mean(0)
        ring = [
            (x + 1.6 * r * math.cos(a * math.pi / 8), y + r * math.sin(a * math.pi / 8))
            for r in range(18, 300, 4)
            for a in AROUND
        ]
        at = write(str(shape), ring, roofs, color="#111111")
        for end in mine:
            axes.plot(*zip(at, end), color="#aaaaaa", linewidth=0.7, zorder=2)
