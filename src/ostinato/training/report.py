"""Private: the report of a run: an HTML page with its metrics, curves, errors and options."""

import io
import math
import warnings
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..data.files import write_whole
from ..errors import InputError
from .metrics import HIGHER_IS_BETTER

# Limits of a page, so that it stays below a megabyte and readable.
MAX_POINTS = 300
MAX_BARS = 24
MAX_LABELS = 30
MAX_CLASSES = 20
MAX_PAIRS = 20
MAX_TOKENS = 40
MAX_MAPS = 8
MAX_ROWS = 30
MAX_LETTERS = 300
MAX_OPTIONS = 100
MAX_PICTURES = 60
MAX_PIXELS = 192
MAX_PICTURE_BYTES = 400_000
# Titles of curves whose names in the history are short.
CURVE_TITLES = {"bits": "bits per character"}


@dataclass(frozen=True)
class Forecast:
    """A series with its forecast.

    Args:
        name: The name of the series.
        past: Values before the forecast, (P,).
        predicted: The forecast, (T,).
        wanted: The actual values, (T,).
        low, high: The ends of the interval, (T,).
        interval: The name of the interval, such as "80 % interval".
        times: P + T names of the steps.
    """

    name: str
    past: Sequence[float]
    predicted: Sequence[float]
    wanted: Sequence[float] | None = None
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    interval: str = "interval"
    times: Sequence[str] | None = None


@dataclass(frozen=True)
class RunReport:
    """The content of a report; a part that is empty is left out of the page.

    Args:
        title: The title of the page.
        task: A short description of the task.
        when: Date and time as text.
        metrics: Value by name; None for a metric without a value.
        baseline: The metrics of a baseline, by the same names.
        baseline_name: The name of the baseline, such as "most frequent label".
        commands: Description and command line of each command.
        python: The same as Python code.
        options: Name, value and source: "given", "found" (chosen from the data) or "default".
        data: Facts on the data by name: rows, labels, vocabulary.
        lengths: The lengths of the rows, for a histogram.
        length_unit: The unit of a length.
        labels: The number of rows of each label.
        history: Lines with "step", "seconds" and other values; `training_x`, `held_out_x` and `x`
            share a chart.
        best_step: The step of the best weights.
        confusion: Labels, and a confusion matrix (C, C): rows are true labels, columns are
            predicted labels.
        attention: Input tokens, output tokens and weights (outputs, inputs) of each map.
        forecasts: Forecasts to draw.
        examples: Rows as dicts with the same columns, by heading.
        pictures: uint8 arrays (H, W), (H, W, 3) or (H, W, 4), each with a caption.
    """

    title: str
    task: str = ""
    when: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    baseline: Mapping[str, float | None] = field(default_factory=dict)
    baseline_name: str = "baseline"
    commands: Sequence[tuple[str, str]] = ()
    python: str = ""
    options: Sequence[tuple[str, Any, str]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    lengths: Sequence[int] = ()
    length_unit: str = "steps"
    labels: Mapping[str, int] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    best_step: int | None = None
    confusion: tuple[Sequence[str], Any] | None = None
    attention: Sequence[tuple[Sequence[str], Sequence[str], Any]] = ()
    forecasts: Sequence[Forecast] = ()
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    pictures: Sequence[tuple[Any, str]] = ()


def write_report(path: Path, content: RunReport) -> None:
    """Write a report as one HTML file without scripts that works offline.

    Args:
        path: The file to write.
        content: The content.

    Raises:
        InputError: Parts do not fit each other, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "report.html"
        >>> write_report(page, RunReport("Film reviews", metrics={"accuracy": 0.84}))
        >>> "Film reviews" in page.read_text(encoding="utf-8")
        True
    """
    from jinja2 import Environment, FileSystemLoader

    # not PackageLoader, which requires the package to be imported in the usual way
    reader = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    reader.filters |= {"shown": _shown, "number": _number, "language": _language, "words": _words}
    page = reader.get_template("report.html").render(
        report=content,
        cards=_cards(content),
        options=_options(content.options),
        labels=_label_bars(content.labels),
        lengths=_histogram(content.lengths, content.length_unit),
        curves=_curves(content),
        confusion=_confusion(content.confusion),
        attention=[_attention(*one) for one in content.attention[:MAX_MAPS]],
        maps=len(content.attention),
        forecasts=[_forecast(one) for one in content.forecasts],
        tables=[_table(name, rows) for name, rows in content.examples.items() if rows],
        pictures=_pictures(content.pictures),
    )
    write_whole(path, page.encode("utf-8", "replace"))


# ---------------------------------------------------------------- words and numbers


def _number(value) -> str:
    """Format a number: integers with commas, others with four significant digits."""
    if value is None:
        return "none"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def _shown(value) -> str:
    """Format a table value: numbers as in `_number`, long text is cut."""
    from ..data.text import characters

    if isinstance(value, (float, np.floating)):
        return _number(float(value)) if math.isfinite(value) else str(value)
    if isinstance(value, (list, tuple)):
        value = " ".join(map(_shown, value[:MAX_LETTERS]))
    text = "" if value is None else str(value)
    # a character usually has a few code points; a text of combining marks only is cut too
    cut = characters(text[: 10 * MAX_LETTERS])
    return text if len(text) <= MAX_LETTERS else "".join(cut[:MAX_LETTERS]) + "…"


def _language(text: str) -> str:
    """The language of a text, so that a browser chooses the right letter forms, or ""."""
    text = str(text)
    if any("\uac00" <= letter <= "\ud7af" or "\u1100" <= letter <= "\u11ff" for letter in text):
        return "ko"
    if any("\u3040" <= letter <= "\u30ff" for letter in text):
        return "ja"
    return "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in text) else ""


def _token(text: str) -> str:
    return {" ": "␣", "\n": "↵", "\t": "⇥", "": "∅"}.get(text, _shown(text)[:24])


# ---------------------------------------------------------------- tables


def _cards(content: RunReport) -> list[SimpleNamespace]:
    """Each metric with its baseline and which of them is better."""
    found = []
    for name, value in content.metrics.items():
        higher_is_better, base = HIGHER_IS_BETTER.get(name), content.baseline.get(name)
        verdict = ""
        if None not in (higher_is_better, base, value):
            verdict = (
                "equal"
                if value == base
                else "better"
                if (value > base) == higher_is_better
                else "worse"
            )
        direction = {True: "higher is better", False: "lower is better"}.get(higher_is_better, "")
        found.append(
            SimpleNamespace(
                name=_words(name), value=value, base=base, verdict=verdict, direction=direction
            )
        )
    return found


def _options(options) -> SimpleNamespace:
    """Options that were set or chosen, and those at their defaults."""
    rows = [(_words(name), _shown(value), origin) for name, value, origin in options[:MAX_OPTIONS]]
    left = [row for row in rows if row[2] == "default"]
    return SimpleNamespace(chosen=[row for row in rows if row[2] != "default"], left=left)


def _label_bars(labels: Mapping[str, int]) -> SimpleNamespace | None:
    """The most frequent labels with their counts and bar lengths in percent."""
    if not labels:
        return None
    order = sorted(labels.items(), key=lambda pair: -pair[1])
    most = max(order[0][1], 1)
    bars, rest = (
        [(name, count, round(100 * count / most, 1)) for name, count in order[:MAX_LABELS]],
        order[MAX_LABELS:],
    )
    return SimpleNamespace(bars=bars, rest=len(rest), rest_count=sum(count for _, count in rest))


def _confusion(given) -> SimpleNamespace | None:
    """A heat map for few labels; for many labels, the most frequent confusions."""
    if given is None:
        return None
    labels, counts = list(map(_shown, given[0])), np.asarray(given[1], np.int64)
    if counts.shape != (len(labels), len(labels)):
        raise InputError(
            f"confusion of {len(labels)} labels with counts of shape {counts.shape}: give a row "
            "and a column for each label"
        )
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    if len(labels) <= MAX_CLASSES:
        # the square root makes rare confusions visible
        cells = [list(zip(*row)) for row in zip(counts.tolist(), np.sqrt(share).round(2).tolist())]
        return SimpleNamespace(labels=labels, rows=list(zip(labels, cells)), pairs=None)
    wrong = counts - np.diag(np.diag(counts))
    worst = [
        divmod(int(k), len(labels))
        for k in np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]
    ]
    pairs = [
        (labels[i], labels[j], int(wrong[i, j]), round(100 * float(share[i, j]), 1))
        for i, j in worst
        if wrong[i, j]
    ]
    return SimpleNamespace(labels=labels, rows=None, pairs=pairs)


def _attention(sources, targets, weights) -> SimpleNamespace:
    weights = np.asarray(weights, np.float64)
    if weights.shape != (len(targets), len(sources)):
        raise InputError(
            f"attention of {len(targets)} targets on {len(sources)} sources with weights of shape "
            f"{weights.shape}: give (targets, sources)"
        )
    cut = max(len(sources), len(targets)) > MAX_TOKENS
    parts = np.nan_to_num(weights[:MAX_TOKENS, :MAX_TOKENS]).clip(0, 1).round(2).tolist()
    rows = list(zip(map(_token, targets[:MAX_TOKENS]), parts))
    return SimpleNamespace(
        sources=[_token(token) for token in sources[:MAX_TOKENS]], rows=rows, cut=cut
    )


def _table(name: str, rows) -> SimpleNamespace:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_shown(row.get(key)) for key in columns] for row in rows[:MAX_ROWS]]
    return SimpleNamespace(name=name, columns=columns, rows=cells, count=len(rows))


def _pictures(given) -> SimpleNamespace:
    """Pictures as PNG data URIs, up to the size limit."""
    from PIL import Image

    found, used = [], 0
    for picture, caption in given[:MAX_PICTURES]:
        shape = (
            picture.shape
            if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.size
            else ()
        )
        if len(shape) != 2 and (len(shape) != 3 or shape[2] not in (3, 4)):
            kind = (
                f"{picture.dtype} of shape {picture.shape}"
                if isinstance(picture, np.ndarray)
                else type(picture).__name__
            )
            raise InputError(
                f"a picture is {kind}: give uint8 of shape (H, W), (H, W, 3) or (H, W, 4)"
            )
        image, content = Image.fromarray(picture), io.BytesIO()
        image.thumbnail((MAX_PIXELS, MAX_PIXELS))
        image.save(content, "PNG", optimize=True)
        text = b64encode(content.getvalue()).decode()
        used += len(text)
        if used > MAX_PICTURE_BYTES:
            break
        found.append((text, _shown(caption)))
    return SimpleNamespace(shown=found, count=len(given))


# ---------------------------------------------------------------- charts


class _Chart:
    """Geometry of an SVG chart: converts data coordinates to pixels and collects the drawn
    elements.

    Args:
        xs, ys: Values to include, at least one finite number each.
        title, x_name: Title, and label of the x axis.
        x_labels: Names of the integer x values.
        base: A value that the y axis must include.
    """

    width, height, top, bottom, right = 380, 230, 12, 42, 14

    def __init__(
        self,
        xs,
        ys,
        *,
        title: str,
        x_name: str,
        x_labels: Sequence[str] | None = None,
        base: float | None = None,
    ):
        self.title, self.x_name = title, x_name
        self.paths, self.marks, self.bands, self.bars, self.legend, self.kept = (
            [],
            [],
            [],
            [],
            [],
            None,
        )
        self.low_x, self.high_x = _range(xs, 0)
        self.low_y, self.high_y = _range([*ys, *([] if base is None else [base])], 0.06)
        if base is not None:
            self.low_y = base
        rungs = _ticks(self.low_y, self.high_y, 5)
        # a digit is about 7.6 wide at a font size of 13.5
        self.left = 12 + 7.6 * max(len(label) for _, label in rungs)
        self.y_ticks = [(self.y(value), label) for value, label in rungs]
        marked = _ticks(self.low_x, self.high_x, 4, whole=True)
        if x_labels is not None:
            last = len(x_labels) - 1
            marked = [(k, str(x_labels[k])[:12]) for k in sorted({0, last // 2, last})]
        self.x_ticks = [(self.x(value), label, self._anchor(value)) for value, label in marked]

    def x(self, value: float) -> float:
        return round(
            self.left
            + (value - self.low_x)
            / (self.high_x - self.low_x)
            * (self.width - self.left - self.right),
            1,
        )

    def y(self, value: float) -> float:
        return round(
            self.top
            + (self.high_y - value)
            / (self.high_y - self.low_y)
            * (self.height - self.bottom - self.top),
            1,
        )

    def _anchor(self, value: float) -> str:
        place = (value - self.low_x) / (self.high_x - self.low_x)
        return "end" if place > 0.9 else "start" if place < 0.05 else "middle"

    def line(self, role: str, name: str, xs, ys) -> None:
        """Draw a line through the finite points; other points are gaps."""
        path, drawing = [], False
        for x, y in _thinned(xs, ys):
            if known := y is not None and math.isfinite(y):
                # h0 draws a dot for a single point
                path.append(
                    f"{'L' if drawing else 'M'}{self.x(x)},{self.y(y)}{'' if drawing else 'h0'}"
                )
                if len(xs) <= 25:
                    self.marks.append((role, self.x(x), self.y(y)))
            drawing = known
        self.paths.append((role, "".join(path)))
        self.legend.append((role, name))

    def band(self, role: str, name: str, xs, low, high) -> None:
        """Fill the area between two lines."""
        there, back = _thinned(xs, low), _thinned(xs, high)[::-1]
        self.bands.append(
            (role, "M" + "L".join(f"{self.x(x)},{self.y(y)}" for x, y in [*there, *back]) + "Z")
        )
        self.legend.append((f"{role} filled", name))


def _thinned(xs, ys) -> list[tuple]:
    """At most about `MAX_POINTS` of the points, including the last."""
    pairs = list(zip(xs, ys))
    step = -(-len(pairs) // MAX_POINTS) if pairs else 1
    return pairs[:-1:step] + pairs[-1:]


def _range(values, margin: float) -> tuple[float, float]:
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


def _curves(content: RunReport) -> list[_Chart]:
    """A chart for each value of the history; training and validation values of one name share a
    chart.
    """
    lines, stems = content.history, {}
    for name in dict.fromkeys(
        key for line in lines for key in line if key not in ("step", "seconds")
    ):
        known = [line.get(name) for line in lines]
        if any(isinstance(value, (int, float)) and math.isfinite(value) for value in known):
            role = "training" if name.startswith("training_") else "held"
            stems.setdefault(name.removeprefix("training_").removeprefix("held_out_"), []).append(
                (role, known)
            )
    steps, charts = [line["step"] for line in lines], []
    for stem, group in stems.items():
        chart = _Chart(
            steps,
            [value for _, known in group for value in known],
            title=CURVE_TITLES.get(stem, _words(stem)),
            x_name="step",
        )
        for role, known in group:
            chart.line(role, "training" if role == "training" else "validation", steps, known)
        if content.best_step is not None and chart.low_x <= content.best_step <= chart.high_x:
            chart.kept = chart.x(content.best_step)
        charts.append(chart)
    return charts


def _histogram(lengths, length_unit: str) -> _Chart | None:
    """Histogram of the lengths."""
    if not len(lengths):
        return None
    lengths = np.asarray(lengths, np.int64)
    low, high = int(lengths.min()), int(lengths.max())
    wide = max(1, -(-(high - low + 1) // MAX_BARS))
    counts = np.bincount((lengths - low) // wide)
    ends, title = [low, low + wide * len(counts)], f"distribution of lengths ({length_unit})"
    chart = _Chart(ends, counts, title=title, x_name=length_unit, base=0)
    for k, count in enumerate(counts.tolist()):
        x, end = chart.x(low + k * wide), chart.x(low + (k + 1) * wide)
        name = (
            f"{low + k * wide:,}"
            if wide == 1
            else f"{low + k * wide:,} to {low + (k + 1) * wide - 1:,}"
        )
        chart.bars.append(
            (
                x,
                chart.y(count),
                round(end - x - 1, 1),
                round(chart.y(0) - chart.y(count), 1),
                f"{name}: {count:,}",
            )
        )
    return chart


def _forecast(one: Forecast) -> _Chart:
    steps = len(one.predicted)
    for name in ("wanted", "low", "high"):
        given = getattr(one, name)
        if given is not None and len(given) != steps:
            raise InputError(
                f"forecast {one.name!r} has {len(given)} values of {name} for {steps} predicted: "
                "give the same number"
            )
    if not steps or not all(map(math.isfinite, one.predicted)):
        what = "values that are not numbers" if steps else "no values"
        raise InputError(f"forecast {one.name!r} has {what}: give finite numbers")
    # enough of the past to see its course, with the forecast still large
    shown = min(len(one.past), max(3 * steps, 24))
    past = list(one.past)[len(one.past) - shown :]
    begin, ends = len(one.past) - shown, [end for end in (one.low, one.high) if end is not None]
    x_labels = None if one.times is None else list(one.times)[begin:]
    ahead = list(range(shown, shown + steps))
    ys = [
        *past,
        *one.predicted,
        *([] if one.wanted is None else one.wanted),
        *(value for end in ends for value in end),
    ]
    chart = _Chart(
        [0, shown + steps - 1],
        ys,
        title=one.name,
        x_name="" if x_labels else "step",
        x_labels=x_labels,
    )
    if len(ends) == 2:
        chart.band("held", one.interval, ahead, *ends)
    chart.line("past", "past", range(shown), past)
    if one.wanted is not None:
        chart.line("training", "actual", ahead, one.wanted)
    chart.line("held", "forecast", ahead, one.predicted)
    return chart


# ---------------------------------------------------------------- a picture file


def learning_curve(history: list[dict], path: Path, *, title: str) -> None:
    """Draw bits per character over steps, for training and validation, as a PNG file.

    Args:
        history: Lines with "step", "seconds", "training_bits" and "held_out_bits".
        path: The file to write.
        title: The title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    steps = [entry["step"] for entry in history]
    # Okabe and Ito's blue and vermilion, which are safe for colour blindness
    lines = (
        ("training_bits", "training", "#0072b2", "s"),
        ("held_out_bits", "validation", "#d55e00", "o"),
    )
    for name, label, colour, mark in lines:
        axes.plot(
            steps,
            [entry[name] for entry in history],
            color=colour,
            marker=mark,
            markersize=4,
            label=label,
        )
    best = min(history, key=lambda entry: entry["held_out_bits"])
    axes.annotate(
        f"{best['held_out_bits']:.3f}",
        (best["step"], best["held_out_bits"]),
        xytext=(0, -9),
        textcoords="offset points",
        ha="center",
        va="top",
        color="#d55e00",
        fontweight="bold",
    )
    axes.set(xlabel="step", ylabel="bits per character", xlim=(0, None))
    axes.margins(y=0.12)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    write_whole(path, figure_bytes(figure))


def figure_bytes(figure, form: str = "png") -> bytes:
    """A figure as PNG or SVG; does not use pyplot, which keeps figures in memory and looks for a
    display.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    with (
        warnings.catch_warnings(),
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "ostinato"}),
    ):
        if form == "svg":
            # text is rendered with the fonts of the viewer
            warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
    return content.getvalue()
