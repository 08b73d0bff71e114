"""Private: the report of a run: an HTML page with its metrics, curves, errors and options."""

import io
import itertools
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..data.files import write_whole
from ..errors import InputError
from . import charts
from .charts import Forecast, number
from .metric_names import higher_is_better, title
from .reliability import calibration, per_label
from .wording import translator

# Limits of a page, so that it stays below a megabyte and readable.
MAX_CHARTS = 24
MAX_LABELS = 30
MAX_CLASSES = 20
MAX_PAIRS = 20
MAX_TOKENS = 40
MAX_MAPS = 6
MAX_ROWS = 30
MAX_LETTERS = 300
MAX_OPTIONS = 100
MAX_PICTURES = 60
MAX_PIXELS = 192
MAX_PICTURE_BYTES = 300_000


@dataclass(frozen=True)
class RunReport:
    """The content of a report; a part that is empty is left out of the page.

    Args:
        title: The title of the page.
        task: A short description of the task.
        when: Date and time as text.
        metrics: Value by name; None for a metric without a value.
        baselines: The metrics of each baseline, by its name, such as "always yes"; the model is
            expected to be better than the first.
        intervals: The ends of the 95 % interval of a metric, by the name of the metric.
        details: Tables of numbers that are shown after the metrics: rows as dicts with the same
            columns, by heading.
        commands: Description and command line of each command.
        python: The same as Python code.
        options: Name, value and source: "given", "found" (chosen from the data) or "default".
        data: Facts on the data by name: rows, labels, vocabulary.
        understood: Name and text of each line about how the data was read.
        lengths: The lengths of the rows, for a histogram.
        length_unit: The unit of a length.
        labels: The number of rows of each label.
        history: Lines with "step", "seconds" and other values; `training_x`, `held_out_x` and `x`
            share a chart.
        best_step: The step of the best weights.
        confusion: Labels, and a confusion matrix (C, C): rows are true labels, columns are
            predicted labels. Precision and recall of each label are computed from it.
        per_label: Labels, and precision, recall, F1 and count of each; by default those of the
            confusion matrix.
        calibration: The probability of each prediction (N,), and whether it is correct (N,).
        attention: Input tokens, output tokens and weights (outputs, inputs) of each map.
        forecasts: Forecasts to draw.
        examples: Rows as dicts with the same columns, by heading.
        pictures: Rows of pictures: uint8 arrays (H, W), (H, W, 3) or (H, W, 4), each with a
            caption, or with a text of the report and the values for its "{}".
        language: "en" or "ko".
    """

    title: str
    task: str = ""
    when: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    details: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    commands: Sequence[tuple[str, str]] = ()
    python: str = ""
    options: Sequence[tuple[str, Any, str]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    understood: Sequence[tuple[str, str]] = ()
    lengths: Sequence[int] = ()
    length_unit: str = "steps"
    labels: Mapping[str, int] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    best_step: int | None = None
    confusion: tuple[Sequence[str], Any] | None = None
    per_label: tuple[Sequence[str], Sequence[tuple]] | None = None
    calibration: tuple[Any, Any] | None = None
    attention: Sequence[tuple[Sequence[str], Sequence[str], Any]] = ()
    forecasts: Sequence[Forecast] = ()
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    pictures: Sequence[Sequence[tuple[Any, str | tuple[str, ...]]]] = ()
    language: str = "en"


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
    say, forecasts = translator(content.language), content.forecasts[:MAX_CHARTS]
    reader.filters |= {"shown": _shown, "number": number, "language": _language, "words": _words}
    reader.globals |= {"say": say}
    found = calibration(*content.calibration) if content.calibration else None
    page = reader.get_template("report.html").render(
        report=content,
        cards=_cards(content),
        options=_options(content.options),
        labels=_label_bars(content.labels),
        lengths=charts.histogram(content.lengths, content.length_unit, say),
        curves=charts.curves(content.history, content.best_step, say),
        confusion=_confusion(content.confusion),
        per_label=_per_label(content),
        reliability=charts.reliability_diagram(found, say) if found else None,
        calibration_error=found.error if found else None,
        attention=[_attention(*one) for one in content.attention[:MAX_MAPS]],
        maps=len(content.attention),
        forecasts=[chart for one in forecasts for chart in charts.forecast(one, say)],
        series=(len(forecasts), len(content.forecasts)),
        details=_tables(content.details),
        examples=_tables(content.examples),
        pictures=_pictures(content.pictures, say),
    )
    write_whole(path, page.encode("utf-8", "replace"))


# ---------------------------------------------------------------- words and numbers


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def _shown(value) -> str:
    """Format a table value: numbers as in `_number`, long text is cut."""
    from ..data.text import characters

    if isinstance(value, (float, np.floating)):
        return number(float(value)) if math.isfinite(value) else str(value)
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
    """Each metric with its interval, its baselines and whether it is better than each."""
    cards = []
    for name, value in content.metrics.items():
        higher = higher_is_better(name)
        compared = [
            SimpleNamespace(
                name=named, value=base[name], verdict=_verdict(value, base[name], higher)
            )
            for named, base in content.baselines.items()
            if base.get(name) is not None
        ]
        card = SimpleNamespace(
            name=title(name),
            value=value,
            interval=content.intervals.get(name),
            baselines=compared,
            direction={True: "higher is better", False: "lower is better"}.get(higher, ""),
        )
        cards.append(card)
    return cards


def _verdict(value: float | None, base: float, higher: bool | None) -> str:
    if value is None or higher is None:
        return ""
    if value == base:
        return "equal"
    return "better" if (value > base) == higher else "worse"


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
        short = all(len(label) <= 3 for label in labels)
        return SimpleNamespace(
            labels=labels, rows=list(zip(labels, cells)), pairs=None, short=short
        )
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


def _per_label(content: RunReport) -> SimpleNamespace | None:
    """Precision, recall, F1 and count of the most frequent labels."""
    given = content.per_label
    if given is None and content.confusion is not None:
        labels, counts = content.confusion
        given = labels, per_label(np.asarray(counts, np.int64))
    if given is None or not any(one[3] for one in given[1]):
        return None
    labels, each = list(map(_shown, given[0])), given[1]
    rows = sorted(
        ((label, one[:3], one[3]) for label, one in zip(labels, each)), key=lambda row: -row[-1]
    )
    return SimpleNamespace(rows=rows[:MAX_LABELS], count=len(rows))


def _tables(given: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[SimpleNamespace]:
    return [_table(name, rows) for name, rows in given.items() if rows]


def _table(name: str, rows) -> SimpleNamespace:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    values = [[row.get(key) for key in columns] for row in rows[:MAX_ROWS]]
    cells = [
        [(_shown(value), isinstance(value, (int, float, np.number))) for value in row]
        for row in values
    ]
    return SimpleNamespace(name=name, columns=columns, rows=cells, count=len(rows))


def _pictures(given, say: Callable[..., str]) -> SimpleNamespace:
    """Rows of pictures as PNG data URIs, up to the size limit."""
    from PIL import Image

    rows: list[list[tuple[str, str]]] = [[] for _ in given]
    used, count = 0, sum(map(len, given))
    pictures = ((row, *one) for row, ones in enumerate(given) for one in ones)
    for row, picture, caption in itertools.islice(pictures, MAX_PICTURES):
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
        said = caption if isinstance(caption, str) else say(*caption)
        rows[row].append((text, _shown(said)))
    rows = [row for row in rows if row]
    return SimpleNamespace(rows=rows, shown=sum(map(len, rows)), count=count)
