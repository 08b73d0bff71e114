"""The speed ratios that `ostinato bench --save-ratios` recorded, and how the pictures are drawn."""

import json
import math
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RATIOS = HERE.parents[1] / "benchmarks" / "ratios.json"
INK, FAINT, LINE = "#1f2328", "#656d76", "#d0d7de"
BLUE, VERMILION, GREEN, PURPLE, AMBER = "#0072b2", "#d55e00", "#009e73", "#a23b72", "#b07d00"
# Text becomes outlines, so that a picture looks the same with every reader's fonts.
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "ostinato",
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "cm",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "xtick.color": FAINT,
    "ytick.color": INK,
}


def ratios() -> dict[tuple[str, str, str], dict[str, float]]:
    """By layer, mode and shape: how many times as fast as each peer Ostinato was."""
    rows = json.loads(RATIOS.read_text(encoding="utf-8"))["rows"]
    found = {}
    for row, peers in rows.items():
        named, mode = next(
            (row.split(f" {mode} "), mode) for mode in ("inference", "training") if mode in row
        )
        found[named[0], mode, named[1]] = {peer: value for peer, (value, _) in peers.items()}
    return found


def mean(values: list[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def canvas(width: int, height: int) -> Figure:
    """A white figure of this size, in pixels."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, name: str) -> None:
    """Write a figure next to the scripts, as an SVG file."""
    figure.savefig(HERE / name, format="svg", metadata={"Date": None})


def style():
    """The settings under which a picture is drawn and saved."""
    return rc_context(STYLE)
