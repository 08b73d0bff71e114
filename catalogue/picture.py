"""The picture of the cells: what each costs, and what it comes to."""

import math
from pathlib import Path

import numpy as np

from ostinato.data.files import write_whole
from ostinato.training.figures import figure_bytes

from .counts import FAMILIES
from .measured import Measured

# Of a task's result: what the axis says, whether more is better, what is marked, and what distance
# from the best is hardly one.
RESULTS = {
    "classify": ("accuracy", True, (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 1), 0.02),
    "generate": (
        "nats per character, lower is better",
        False,
        (1.5, 2, 2.1, 2.2, 2.3, 2.4, 2.5, 3, 3.5, 4, 5),
        0.1,
    ),
}
MULTIPLES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
# Okabe and Ito's blue, vermilion and green, which the colour-blind tell apart
MARKS = {"classic": ("#0072b2", "o"), "contrib": ("#d55e00", "s"), "research": ("#009e73", "^")}
# A label is looked a place for in ever wider rings around its point, in these directions:
# sixteenths of a turn, the sides first.
AROUND = (0, 8, 1, 15, 7, 9, 2, 14, 6, 10, 3, 13, 5, 11, 4, 12)
# In points (72 to an inch): from a mark to its label at least and at most, from ring to ring,
# and around a mark.
NEAR, FAR, RING, MARK = 5, 200, 3, 4


def draw(measured: Measured, path: Path) -> None:
    """Write the picture as an SVG file; see `picture`."""
    write_whole(path, figure_bytes(picture(measured), "svg"))


def picture(measured: Measured):
    """A panel for each task, with a named point for each cell: its training time relative
    to the LSTM's, and its result.

    The better result is higher up, on an axis that is the wider the nearer it is to the best. Cells
    without one are left out.

    Args:
        measured: Times, and what was learned in each task of `RESULTS`.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    # one above the other, or a phone would show them too small; 72, so that a pixel is a point
    figure = Figure(
        figsize=(5.2, 6.5 * len(RESULTS)), dpi=72, layout="constrained", facecolor="white"
    )
    panels = figure.subplots(len(RESULTS), 1, sharex=True)
    for axes, (task, (said, more, marked, near)) in zip(panels, RESULTS.items()):
        points = _points(measured, task)
        for family, (colour, mark) in MARKS.items():
            mine = [points[name] for name in FAMILIES[family] if name in points]
            axes.plot(
                *np.reshape(mine, (-1, 2)).T,
                mark,
                color=colour,
                markersize=4.5,
                fillstyle="none",
                label=family,
                zorder=3,
            )
        axes.set(
            xscale="log",
            title=task,
            xlabel="training time relative to the LSTM's",
            ylabel=said,
        )
        axes.set_yscale(
            "function", functions=_widening([value for _, value in points.values()], more, near)
        )
        axes.margins(0.15, 0.08)
        for axis, wanted, unit in ((axes.xaxis, MULTIPLES, "x"), (axes.yaxis, marked, "")):
            low, high = axis.get_view_interval()
            seen = [value for value in wanted if low < value < high]
            axis.set_ticks(seen, [f"{value:g}{unit}" for value in seen])
            axis.set_minor_locator(NullLocator())
        if not more:
            axes.invert_yaxis()
        axes.tick_params(labelbottom=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        frameon=False,
        ncols=len(MARKS),
        loc="outside upper center",
    )
    figure.draw_without_rendering()
    # all stays where it is: labels are placed among it
    figure.set_layout_engine("none")
    for axes, task in zip(panels, RESULTS):
        axes.autoscale(False)
        _label(axes, _points(measured, task))
    return figure


def _widening(values: list[float], more: bool, near: float):
    """How an axis is made wider towards the best of some values, where most of them are; and the
    way back.
    """
    best, sign = (max, min)[not more](values, default=0.0), -1 if more else 1

    def forward(value):
        # margins end before the logarithm does; matplotlib asks for more
        return sign * np.log(np.maximum(sign * (value - best) + near, near / 100))

    def back(width):
        return best + sign * (np.exp(sign * width) - near)

    return forward, back


def _points(measured: Measured, task: str) -> dict[str, tuple[float, float]]:
    """By cell, its training time relative to the LSTM's, and its result, where it has both."""
    return {
        name: (measured.times.relative_to_lstm(name), value)
        for name, value in measured.learned[task].values.items()
        if value is not None and name in measured.times.seconds
    }


def _label(axes, points: dict[str, tuple[float, float]]) -> None:
    """Write names next to their points, where they cover neither each other nor points."""
    from matplotlib.transforms import Bbox

    inside, back = axes.get_window_extent(), axes.transData.inverted().transform
    places = {name: axes.transData.transform(point) for name, point in points.items()}
    taken = [Bbox.from_bounds(x - MARK, y - MARK, 2 * MARK, 2 * MARK) for x, y in places.values()]
    for name, (x, y) in places.items():
        weight = "bold" if name == "lstm" else "normal"
        label = axes.text(
            *points[name], name, ha="center", va="center", fontsize=7, fontweight=weight, zorder=4
        )
        box = label.get_window_extent()
        width, height = box.width / 2 + 1, box.height / 2
        rings = (
            _label_box(x, y, width, height, radius, turn)
            for radius in range(NEAR, FAR, RING)
            for turn in AROUND
        )
        chosen = next(
            (one for one in rings if _is_within(one, inside) and not one.count_overlaps(taken)),
            _label_box(x, y, width, height, NEAR, 0),
        )
        taken.append(chosen)
        label.set_position(back(((chosen.x0 + chosen.x1) / 2, (chosen.y0 + chosen.y1) / 2)))
        end = np.clip((x, y), chosen.min, chosen.max)
        if math.dist(end, (x, y)) > NEAR + 1:
            axes.plot(*zip(points[name], back(end)), color="#999999", linewidth=0.6, zorder=2)


def _label_box(x: float, y: float, width: float, height: float, radius: float, turn: int):
    """A box of twice this width and height, so far from a point in a direction."""
    from matplotlib.transforms import Bbox

    u, v = (
        x + math.cos(turn * math.pi / 8) * (radius + width),
        y + math.sin(turn * math.pi / 8) * (radius + height),
    )
    return Bbox.from_extents(u - width, v - height, u + width, v + height)


def _is_within(box, other) -> bool:
    return other.x0 < box.x0 and box.x1 < other.x1 and other.y0 < box.y0 and box.y1 < other.y1
