"""Private: one or several time series from a table: the rows in order, with missing dates and
values refused or filled. Files, data frames, dictionaries and arrays are read in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .clock import Clock, regular_clock, steps_between
from .disk import StoredArray
from .number_formats import NumberFormat
from .series_columns import (
    SeriesOptions,
    SeriesTable,
    TimeColumn,
    codes_of,
    identity_columns,
    time_column,
)
from .series_dates import check_dates, date_form
from .series_gaps import filled, rows_of
from .series_numbers import blocks_of, columns_to_forecast, number_format
from .series_tables import by_step, wide_dates
from .summary import ColumnUse, DataSummary
from .tables import Table, read_table

_EPOCH_NAMES = {
    "%s": "Unix seconds",
    "%L": "Unix milliseconds",
    "%U": "Unix microseconds",
    "%N": "Unix nanoseconds",
}


@dataclass(frozen=True)
class Series:
    """One or several time series.

    Attributes:
        values: (N, F) float64. The rows of one series stand together, in the order of time.
        names: The names of the F columns.
        times: The time of each row as text; None without times.
        dates: The date of each row, datetime64[us]; None if the times are not dates.
        series: The series of each row; None for one series.
        known: (N, K) float64, columns that are known in advance; None without such columns.
        known_names: The names of the K columns.
        clock: The step of the dates; None without regular dates.
        identity: The columns that tell series apart.
        summary: What was understood.
    """

    values: StoredArray
    names: list[str]
    times: Sequence[str] | None
    dates: StoredArray | None
    series: list[str] | None
    known: StoredArray | None
    known_names: list[str]
    clock: Clock | None
    identity: list[str]
    summary: DataSummary


def read_series(path: Path, options: SeriesOptions = SeriesOptions()) -> Series:
    """Read one or several time series from a file; a step in each row.

    Args:
        path: The table. If its header has dates, such as years, a row is a whole series.
        options: What is known of the table.

    Raises:
        InputError: The file cannot be read; a column does not exist; a date or a number cannot be
            read, can be read in two ways, or is missing.
    """
    return series_from(read_table(path, header=options.header), repr(str(path)), options)


def series_from(table: Table, source: str, options: SeriesOptions) -> Series:
    """As `read_series`, from a table.

    Args:
        table: The table.
        source: Its name in messages.
        options: What is known of the table.
    """
    wide = wide_dates(table) if options.named and options.time is None else []
    found = SeriesTable(by_step(table, wide, options.identity) if wide else table, source, options)
    if wide:
        found.notes.append(f"each row is a series with {len(wide)} steps, {wide[0]} to {wide[-1]}")
    known = list(options.known)
    taken = [*(options.columns or []), *known, *(options.identity or [])]
    for name in [*taken, *([options.time] if options.time else [])]:
        _check_column(found, name)
    time = time_column(found, taken)
    if time is not None:
        check_dates(found, time)
    identity = identity_columns(found, time, [*(options.columns or []), *known])
    used = {*identity, *known, *(time.columns if time else [])}
    names = options.columns or columns_to_forecast(found, used)
    formats = {name: _format(found, name) for name in [*names, *known]}
    labels = _labels(found, identity)
    codes = np.zeros(len(found.table), np.int64) if labels is None else codes_of(labels)
    if int(codes.max(initial=0)) == 0 and not options.series:
        labels, identity = None, []
    form, moments = None, time.numbers if time else None
    if time is not None and time.read.forms:
        groups = [np.flatnonzero(codes == code) for code in range(int(codes.max()) + 1)]
        form, moments = date_form(found, time, groups)
    order = _order(found, time, moments, codes)
    values = StoredArray(np.float64, (len(formats),))
    gaps = False
    for block in blocks_of(found, list(formats), formats):
        gaps |= bool(np.isnan(block).any())
        values.extend(block)
    clock, missing = options.clock, False
    if form is not None:
        assert moments is not None
        ends = np.flatnonzero(np.diff(codes[order])) + 1
        parts = np.split(moments[order], ends)
        clock = clock or regular_clock(parts, form)
        missing = clock is not None and any((steps_between(one, clock) > 1).any() for one in parts)
        if clock is None and len(order) > 1:
            found.notes.append("the dates have no regular step: steps are called +1, +2, ...")
    texts: Sequence[str] | None = time.texts if time else None
    dates = moments if form is not None else None
    if gaps or missing or not (order == np.arange(len(order))).all():
        rows = rows_of(labels, codes, order, values, texts, dates)
        rows = filled(found, rows, names, known, clock if form is not None else None)
        values = StoredArray(np.float64, (len(formats),))
        for one in rows:
            values.extend(one.values)
        texts = None if texts is None else [text for one in rows for text in one.texts or []]
        dates = None if dates is None else np.concatenate([one.dates for one in rows])
        labels = labels and [one.name for one in rows for _ in range(len(one.values))]
    uses = _uses(found, time, form, clock, identity, labels, names, known, formats, texts, dates)
    return Series(
        _part(values, 0, len(names)),
        names,
        texts,
        None if dates is None else _stored(dates),
        labels,
        _part(values, len(names), len(formats)) if known else None,
        known,
        clock,
        identity,
        _summary(found, uses, len(values)),
    )


def _stored(dates: np.ndarray) -> StoredArray:
    """An array as a stored array."""
    stored = StoredArray(dates.dtype)
    stored.extend(dates)
    return stored


def _part(values: StoredArray, start: int, stop: int) -> StoredArray:
    """Some columns of an array."""
    if (start, stop) == (0, values.row[0]):
        return values
    part = StoredArray(values.dtype, (stop - start,))
    for block in values.blocks():
        part.extend(block[:, start:stop])
    return part


def _check_column(found: SeriesTable, name: str) -> None:
    if name not in found.table.schema and found.in_memory:
        has = ", ".join(map(repr, found.table.names))
        raise InputError(f"{found.source} has no column {name!r}; it has {has}")
    found.table.column(name)


def _format(found: SeriesTable, name: str) -> NumberFormat | None:
    form = number_format(found, name)
    if isinstance(form, str) and not form.startswith("text"):
        raise InputError(
            f"{found.source}: the column {name!r} {form}; name the decimal mark: --decimal comma "
            "or --decimal point"
        )
    return None if isinstance(form, str) else form


# ---------------------------------------------------------------- series and their order


def _labels(found: SeriesTable, identity: list[str]) -> list[str] | None:
    """The series of each row."""
    if not identity:
        return None
    columns = [found.texts(name) for name in identity]
    for name, column in zip(identity, columns):
        empty = next((row for row, text in enumerate(column) if not text), None)
        if empty is not None:
            raise InputError(
                f"{found.line(empty)}: the column {name!r}, which names the series, is empty; "
                "write the name, or remove the row"
            )
    return [" / ".join(parts) for parts in zip(*columns)]


def _order(
    found: SeriesTable, time: TimeColumn | None, moments: np.ndarray | None, codes: np.ndarray
) -> np.ndarray:
    """The rows by series and time."""
    by_series = np.argsort(codes, kind="stable")
    if moments is None or time is None:
        return by_series
    order = np.lexsort((moments, codes))
    same = codes[order][1:] == codes[order][:-1]
    twice = np.flatnonzero(same & (moments[order][1:] == moments[order][:-1]))
    if len(twice):
        first, second = sorted(order[twice[0] : twice[0] + 2].tolist())
        raise InputError(
            f"{found.line(second)}: the time {time.texts[second]!r} in the column {time.name!r} "
            f"occurs before, in {found.line(first)}; keep one row for each time"
            + ("" if found.options.identity else ", or name the series with --id COLUMN")
        )
    if not (order == by_series).all():
        ends = np.flatnonzero(np.diff(codes[by_series])) + 1
        newest = np.concatenate([part[::-1] for part in np.split(by_series, ends)])
        found.notes.append(
            "the newest row is first: the rows are reversed"
            if (order == newest).all()
            else "the rows are sorted by time"
        )
    return order


# ---------------------------------------------------------------- the summary


def _uses(
    found: SeriesTable,
    time: TimeColumn | None,
    form: str | None,
    clock: Clock | None,
    identity: list[str],
    labels: list[str] | None,
    names: list[str],
    known: list[str],
    formats: dict[str, NumberFormat | None],
    texts: Sequence[str] | None,
    dates: np.ndarray | None,
) -> list[ColumnUse]:
    """The use of each column."""
    uses = []
    if time is not None and texts:
        detail = " to ".join(_first_and_last(time, labels, texts, dates))
        if form is None:
            detail += ", not dates: steps are called +1, +2, ..."
        else:
            detail += f", {_EPOCH_NAMES[form]}" if form in _EPOCH_NAMES else ""
            detail += f", step {clock}" if clock else ""
        uses.append(ColumnUse("time", time.columns, detail))
    if identity:
        count = len({*(labels or [])})
        uses.append(ColumnUse("series", identity, f"{count:,} series"))
    for role, some in (("forecast", names), ("known", known)):
        kinds = dict.fromkeys(str(formats[name] or "") for name in some)
        for kind in kinds:
            columns = [name for name in some if str(formats[name] or "") == kind]
            uses.append(ColumnUse(role, columns, kind))
    return uses


def _first_and_last(
    time: TimeColumn,
    labels: list[str] | None,
    texts: Sequence[str],
    dates: np.ndarray | None,
) -> tuple[str, str]:
    """The first time and the last time of all series."""
    if labels is None:
        return texts[0], texts[-1]
    starts = [k for k in range(len(texts)) if not k or labels[k] != labels[k - 1]]
    ends = [*(k - 1 for k in starts[1:]), -1]
    firsts, lasts = ([texts[k] for k in rows] for rows in (starts, ends))
    # the rows of each series are in order, but text is not in the order of time
    if dates is not None:
        firsts, lasts = (
            [text for _, text in sorted(zip(dates[rows], some))]
            for rows, some in ((starts, firsts), (ends, lasts))
        )
    elif time.numbers is not None:
        firsts, lasts = sorted(firsts, key=float), sorted(lasts, key=float)
    return firsts[0], lasts[-1]


def _summary(found: SeriesTable, uses: list[ColumnUse], count: int) -> DataSummary:
    return found.table.summary(*uses, left_out=found.left_out, rows=count, unit="steps").with_note(
        *found.notes
    )
