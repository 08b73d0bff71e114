"""Private: the charts of a report: their geometry, for the SVG that the template draws."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..errors import InputError
from .metric_names import part_and_name, title
from .reliability import Reliability

# Limits, so that a page stays below a megabyte.
MAX_POINTS = 300
MAX_TOOLTIPS = 100
MAX_BARS = 24
# Lines of at most this many points have a dot for each.
MAX_DOTS = 25
# Translates a text of the page.
Say = Callable[[str], str]


@dataclass(frozen=True)
class Forecast:
    """A series with its forecast.

    Args:
        name: The name of the series.
        past: Values before the forecast, (P,).
        predicted: The forecast, (T,).
        wanted: The actual values, (T,); with them the residuals are drawn too.
        intervals: Name and ends of each prediction interval, such as ("80 % interval", low, high);
            both ends are (T,).
        times: The dates of the P + T steps; None for a series without dates.
    """

    name: str
    past: Sequence[float]
    predicted: Sequence[float]
    wanted: Sequence[float] | None = None
    intervals: Sequence[tuple[str, Sequence[float], Sequence[float]]] = ()
    times: Sequence[datetime] | np.ndarray | None = None


class Chart:
    """An SVG chart: converts data coordinates to pixels and collects what is drawn.

    Args:
        xs, ys: Values to include, at least one finite number each.
        title, x_name: Title, and label of the x axis.
        dates: The x values are days since 1970, as in matplotlib.
        low_y: The lower end of the y axis; by default slightly below the smallest value.
        whole_x: Only whole numbers are named on the x axis.
    """

    width, height, top, bottom, right = 380, 230, 12, 42, 14

    def __init__(
        self,
        xs: Iterable,
        ys: Iterable,
        *,
        title: str,
        x_name: str,
        dates: bool = False,
        low_y: float | None = None,
        whole_x: bool = True,
    ):
        self.title, self.note = title, ""
        # each with its role, which the style sheet colours
        self.paths: list[tuple[str, str]] = []
        self.bands: list[tuple[str, str]] = []
        self.legend: list[tuple[str, str]] = []
        # role, x, y and text of dots; x, width and text of strips; and the bars of a histogram
        self.dots: list[tuple[str, float, float, str]] = []
        self.strips: list[tuple[float, float, str]] = []
        self.bars: list[tuple[float, float, float, float, str]] = []
        self.marked_x: float | None = None
        self.low_x, self.high_x = _range(xs, 0)
        self.low_y, self.high_y = _range([*ys, *([] if low_y is None else [low_y])], 0.06)
        if low_y is not None:
            self.low_y = low_y
        y_ticks = _ticks(self.low_y, self.high_y, 5)
        # a digit is about 7.6 wide at a font size of 13.5
        self.left = 12 + 7.6 * max(len(label) for _, label in y_ticks)
        self.y_ticks = [(self.y(value), label) for value, label in y_ticks]
        if dates:
            x_ticks, self.x_name = _date_ticks(self.low_x, self.high_x)
        else:
            x_ticks, self.x_name = _ticks(self.low_x, self.high_x, 4, whole=whole_x), x_name
        self.x_ticks = [(self.x(value), label, self._anchor(value)) for value, label in x_ticks]

    def x(self, value: float) -> float:
        """The pixel of an x value."""
        part = (value - self.low_x) / (self.high_x - self.low_x)
        return round(self.left + part * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        """The pixel of a y value."""
        part = (self.high_y - value) / (self.high_y - self.low_y)
        return round(self.top + part * (self.height - self.bottom - self.top), 1)

    def _anchor(self, value: float) -> str:
        place = (value - self.low_x) / (self.high_x - self.low_x)
        return "end" if place > 0.9 else "start" if place < 0.05 else "middle"

    def line(self, role: str, name: str, xs: Sequence, ys: Sequence) -> None:
        """Draw a line through the finite points; other points are gaps."""
        path, drawing = [], False
        for x, y in _thinned(list(zip(xs, ys)), MAX_POINTS):
            if known := y is not None and math.isfinite(y):
                # h0 draws a dot for a single point
                path.append(
                    f"{'L' if drawing else 'M'}{self.x(x)},{self.y(y)}{'' if drawing else 'h0'}"
                )
                if len(xs) <= MAX_DOTS:
                    self.dots.append((role, self.x(x), self.y(y), ""))
            drawing = known
        self.paths.append((role, "".join(path)))
        self.legend.append((role, name))

    def band(self, role: str, name: str, xs: Sequence, low: Sequence, high: Sequence) -> None:
        """Fill the area between two lines."""
        there = _thinned(list(zip(xs, low)), MAX_POINTS)
        back = _thinned(list(zip(xs, high)), MAX_POINTS)[::-1]
        corners = "L".join(f"{self.x(x)},{self.y(y)}" for x, y in [*there, *back])
        self.bands.append((role, f"M{corners}Z"))
        self.legend.append((f"{role} filled", name))

    def tooltips(self, xs: Sequence[float], texts: Sequence[str]) -> None:
        """Show a text while the pointer is near an x value; x values are in order."""
        shown = _thinned(list(zip(xs, texts)), MAX_TOOLTIPS)
        places = [self.x(x) for x, _ in shown]
        ends = [self.left, *((a + b) / 2 for a, b in zip(places, places[1:])), self._end]
        for start, end, (_, text) in zip(ends, ends[1:], shown):
            self.strips.append((round(start, 1), round(end - start, 1), text))

    @property
    def _end(self) -> float:
        return self.width - self.right


def _thinned(points: list, count: int) -> list:
    """At most about `count` of the points, including the last."""
    step = -(-len(points) // count) if points else 1
    return points[:-1:step] + points[-1:]


def _range(values: Iterable, margin: float) -> tuple[float, float]:
    """Minimum and maximum of the values plus a margin; never equal."""
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    low, high = min(known), max(known)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = abs(low) / 10 or 0.5
        return low - half, high + half
    return low - margin * (high - low), high + margin * (high - low)


def _ticks(low: float, high: float, count: int, *, whole: bool = False) -> list[tuple[float, str]]:
    """At most `count` + 1 round numbers from low to high, and their labels."""
    step = 10.0 ** math.floor(math.log10((high - low) / count))
    step *= next(factor for factor in (1, 2, 5, 10, 20) if (high - low) / (step * factor) <= count)
    step = max(1.0, step) if whole else step
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    values = [
        k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ] or [low]
    few = max(abs(low), abs(high)) < 1e9 and digits < 7
    return [(value, f"{value + 0.0:,.{digits}f}" if few else f"{value:.6g}") for value in values]


def _date_ticks(low: float, high: float) -> tuple[list[tuple[float, str]], str]:
    """Round dates from low to high with short labels, and what the labels leave out."""
    from matplotlib.dates import AutoDateLocator, num2date

    locator = AutoDateLocator(minticks=3, maxticks=5, tz=UTC)
    with warnings.catch_warnings():
        # between two and three years it takes six months, and warns that five ticks do not fit
        warnings.simplefilter("ignore", UserWarning)
        ticks = locator.tick_values(num2date(low), num2date(high)).tolist()
    values = [value for value in ticks if low <= value <= high] or [low, high]
    dates = [num2date(value) for value in values]
    first, last = f"{num2date(low):%Y-%m-%d}", f"{num2date(high):%Y-%m-%d}"
    if any((date.hour, date.minute, date.second) != (0, 0, 0) for date in dates):
        form, left_out = "%H:%M", first if first == last else f"{first} – {last}"
    elif any(date.day != 1 for date in dates):
        form, left_out = "%m-%d", first[:4] if first[:4] == last[:4] else f"{first} – {last}"
    elif any(date.month != 1 for date in dates):
        form, left_out = "%Y-%m", ""
    else:
        form, left_out = "%Y", ""
    return [(value, date.strftime(form)) for value, date in zip(values, dates)], left_out


def number(value: float | None) -> str:
    """Format a number: integers with commas, others with four significant digits."""
    if value is None:
        return "none"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


# ---------------------------------------------------------------- what is drawn


def curves(
    history: Sequence[Mapping[str, Any]], best_step: int | None, say: Say = str
) -> list[Chart]:
    """A chart for each value of the history; training and validation values of one name share a
    chart.
    """
    steps, charts = [line["step"] for line in history], []
    for stem, group in grouped(history).items():
        chart = Chart(
            steps,
            [value for _, known in group for value in known],
            title=say(title(stem)),
            x_name=say("step"),
        )
        names = {"training": say("training"), "held": say("validation")}
        for role, known in group:
            chart.line(role, names[role], steps, known)
        if best_step is not None and chart.low_x <= best_step <= chart.high_x:
            chart.marked_x = chart.x(best_step)
        chart.tooltips(
            steps,
            [
                f"{say('step')} {step:,}: "
                + ", ".join(f"{names[role]} {_finite(known[k])}" for role, known in group)
                for k, step in enumerate(steps)
            ],
        )
        charts.append(chart)
    return charts


def grouped(history: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, list]]]:
    """The values that share a chart, by name: their roles ("training" or "held") and numbers."""
    stems: dict[str, list[tuple[str, list]]] = {}
    for name in dict.fromkeys(
        key for line in history for key in line if key not in ("step", "seconds")
    ):
        known = [line.get(name) for line in history]
        if any(isinstance(value, (int, float)) and math.isfinite(value) for value in known):
            part, stem = part_and_name(name)
            role = "training" if part == "training" else "held"
            stems.setdefault(stem, []).append((role, known))
    return stems


def _finite(value) -> str:
    return number(value) if value is not None and math.isfinite(value) else "–"


def histogram(lengths: Sequence[int] | np.ndarray, unit: str, say: Say = str) -> Chart | None:
    """Histogram of the lengths; None without any or if all are equal."""
    if not len(lengths):
        return None
    lengths = np.asarray(lengths, np.int64)
    low, high = int(lengths.min()), int(lengths.max())
    if low == high:
        return None
    wide = max(1, -(-(high - low + 1) // MAX_BARS))
    counts = np.bincount((lengths - low) // wide)
    chart = Chart(
        [low, low + wide * len(counts)],
        counts,
        title=f"{say('distribution of lengths')} ({say(unit)})",
        x_name=say(unit),
        low_y=0,
    )
    for k, count in enumerate(counts.tolist()):
        start, end = low + k * wide, low + (k + 1) * wide
        name = f"{start:,}" if wide == 1 else f"{start:,} – {end - 1:,}"
        x, y = chart.x(start), chart.y(count)
        wide_x, high_y = round(chart.x(end) - x - 1, 1), round(chart.y(0) - y, 1)
        chart.bars.append((x, y, wide_x, high_y, f"{name}: {count:,}"))
    return chart


def forecast(one: Forecast, say: Say = str) -> list[Chart]:
    """The chart of a forecast; with actual values, a chart of its residuals too.

    Raises:
        InputError: Parts of the forecast do not fit each other.
    """
    steps = len(one.predicted)
    _check(one, steps)
    # enough of the past to see its course, with the forecast still large
    shown = min(len(one.past), max(3 * steps, 24))
    past = list(one.past)[len(one.past) - shown :]
    xs, names = _times(one, shown)
    ahead, ends = xs[shown:], [end for _, *both in one.intervals for end in both]
    ys = [*past, *one.predicted, *([] if one.wanted is None else one.wanted)]
    chart = Chart(
        xs,
        [*ys, *(value for end in ends for value in end)],
        title=say(one.name),
        x_name=say("step"),
        dates=one.times is not None,
    )
    # the widest first, below the others
    for place, (name, low, high) in enumerate(reversed(one.intervals)):
        chart.band(f"band{len(one.intervals) - place}", say(name), ahead, low, high)
    chart.line("past", say("past"), xs[:shown], past)
    if one.wanted is not None:
        chart.line("training", say("actual"), ahead, one.wanted)
    chart.line("held", say("forecast"), ahead, one.predicted)
    texts = [f"{names[k]}: {number(float(value))}" for k, value in enumerate(past)]
    for k, value in enumerate(one.predicted):
        parts = [f"{say('forecast')} {number(float(value))}"]
        if one.wanted is not None:
            parts.insert(0, f"{say('actual')} {number(float(one.wanted[k]))}")
        for name, low, high in one.intervals:
            parts.append(f"{say(name)} {number(float(low[k]))} – {number(float(high[k]))}")
        texts.append(f"{names[shown + k]}: " + ", ".join(parts))
    chart.tooltips(xs, texts)
    return [chart] if one.wanted is None else [chart, _residuals(one, ahead, names[shown:], say)]


def _check(one: Forecast, steps: int) -> None:
    columns = [("wanted", one.wanted)] + [
        (f"{name} {end}", values)
        for name, low, high in one.intervals
        for end, values in (("low", low), ("high", high))
    ]
    for name, given in columns:
        if given is not None and len(given) != steps:
            raise InputError(
                f"forecast {one.name!r} has {len(given)} values of {name} for {steps} predicted: "
                "give the same number"
            )
    if not steps or not all(map(math.isfinite, one.predicted)):
        problem = "values that are not numbers" if steps else "no values"
        raise InputError(f"forecast {one.name!r} has {problem}: give finite numbers")
    if one.times is not None and len(one.times) != len(one.past) + steps:
        raise InputError(
            f"forecast {one.name!r} has {len(one.times)} times for {len(one.past) + steps} steps: "
            "give one for each past and each predicted value"
        )


def _times(one: Forecast, shown: int) -> tuple[list[float], list[str]]:
    """The x value and the name of each step, from the first past value that is shown."""
    count = shown + len(one.predicted)
    if one.times is None:
        return [float(k) for k in range(count)], [f"{k}" for k in range(count)]
    from matplotlib.dates import date2num

    times = np.asarray(one.times, "datetime64[us]")[len(one.times) - count :]
    days = bool((times == times.astype("datetime64[D]")).all())
    names = np.datetime_as_string(times, "D" if days else "m")
    return date2num(times).tolist(), [name.replace("T", " ") for name in names.tolist()]


def _residuals(one: Forecast, xs: list[float], names: list[str], say: Say) -> Chart:
    """The differences of actual and predicted values."""
    values = np.asarray(one.wanted, float) - np.asarray(one.predicted, float)
    chart = Chart(
        xs,
        [*values, 0.0],
        title=f"{say(one.name)}: {say('residuals (actual minus forecast)')}",
        x_name=say("step"),
        dates=one.times is not None,
    )
    chart.paths.append(("past", f"M{chart.left},{chart.y(0)}H{chart.width - chart.right}"))
    for x, value in _thinned(list(zip(xs, values.tolist())), MAX_POINTS):
        if math.isfinite(value):
            chart.dots.append(("held", chart.x(x), chart.y(value), ""))
    chart.tooltips(xs, [f"{name}: {_finite(value)}" for name, value in zip(names, values.tolist())])
    if np.isfinite(values).all():
        chart.note = (
            f"{say('mean')} {number(float(f'{values.mean():.3g}'))}, "
            f"{say('standard deviation')} {number(float(f'{values.std():.3g}'))}"
        )
    return chart


def reliability_diagram(found: Reliability, say: Say = str) -> Chart:
    """The reliability diagram: fraction of correct predictions by predicted probability."""
    chart = Chart(
        [0, 1],
        [0, 1],
        title=say("reliability diagram"),
        x_name=say("predicted probability"),
        whole_x=False,
    )
    chart.line("past", say("perfect calibration"), [0, 1], [0, 1])
    chart.line("held", say("fraction correct"), found.confidence, found.accuracy)
    chart.dots = [
        (
            "held",
            chart.x(sure),
            chart.y(right),
            f"{say('predicted probability')} {sure:.2f}, {say('fraction correct')} {right:.2f}, "
            f"{say('count')} {count:,}",
        )
        for sure, right, count in zip(found.confidence, found.accuracy, found.counts)
    ]
    return chart
