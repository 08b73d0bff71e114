"""Private: missing dates and values of time series, refused or filled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ..errors import InputError
from .clock import Clock, date_after, steps_between
from .dates import write_date
from .disk import StoredArray
from .series_columns import SeriesTable

_FILL_HINT = "--fill linear, --fill previous or --fill zero"


@dataclass
class SeriesRows:
    """The rows of one series while they are filled.

    Attributes:
        name: The name of the series, for messages; "" for one series.
        values: (n, F + K) float64.
        places: The row of the table of each row; -1 if it was filled in.
        texts: The time of each row; None without times.
        dates: The date of each row, datetime64[us]; None if the times are not dates.
        future: Number of rows at the end that have only known columns.
    """

    name: str
    values: np.ndarray
    places: np.ndarray
    texts: list[str] | None
    dates: np.ndarray | None
    future: int = 0


def rows_of(
    labels: list[str] | None,
    codes: np.ndarray,
    order: np.ndarray,
    values: StoredArray,
    texts: Sequence[str] | None,
    dates: np.ndarray | None,
) -> list[SeriesRows]:
    """The rows of each series."""
    every, times = values[:], None if texts is None else list(texts)
    parts = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    return [
        SeriesRows(
            labels[rows[0]] if labels else "",
            every[rows],
            rows,
            None if times is None else [times[row] for row in rows.tolist()],
            None if dates is None else dates[rows],
        )
        for rows in parts
    ]


def filled(
    found: SeriesTable,
    rows: list[SeriesRows],
    names: list[str],
    known: list[str],
    clock: Clock | None,
) -> list[SeriesRows]:
    """The rows with missing dates and values filled, and without future rows unless wanted."""
    fill, columns = found.options.fill, len(names)
    places: dict[str, list[str]] = {"dates": [], "values": []}
    left = 0
    for one in rows:
        ends = ~np.isnan(one.values[:, :columns]).all(1)
        last = int(np.flatnonzero(ends).max(initial=-1)) + 1
        # a known value makes it a future row, in which other known values may be missing
        if not np.isnan(one.values[last:, columns:]).all():
            one.future = len(one.values) - last
        if one.future and not found.options.future:
            left += one.future
            one.values, one.places = one.values[:last], one.places[:last]
            one.texts, one.future = one.texts and one.texts[:last], 0
            one.dates = None if one.dates is None else one.dates[:last]
    rows = [one for one in rows if len(one.values)]
    if not rows:
        raise InputError(f"{found.source} has no values in {', '.join(names)}; give some")
    if left:
        found.notes.append(f"{left:,} rows at the end without values are left out")
    if fill is None:
        _refuse_missing(found, rows, [*names, *known], columns, clock)
        return rows
    for one in rows:
        if clock is not None and one.dates is not None:
            places["dates"] += _insert_dates(found, one, clock)
        places["values"] += _fill_values(found, one, columns, fill)
    for what, some in places.items():
        if some:
            found.notes.append(
                f"{len(some):,} missing {what} are filled ({fill}), the first {some[0]}"
            )
    return rows


def _refuse_missing(
    found: SeriesTable, rows: list[SeriesRows], names: list[str], columns: int, clock: Clock | None
) -> None:
    """Raise an error for the first missing value, or the first missing date."""
    bad = [
        (int(one.places[row]), place)
        for one in rows
        for row, place in np.argwhere(np.isnan(one.values)).tolist()
        if place >= columns or row < len(one.values) - one.future
    ]
    if bad:
        row, place = min(bad)
        text = found.texts(names[place])[row]
        given = "missing" if not text or found.in_memory else repr(text)
        raise InputError(
            f"{found.line(row)}: the value in the column {names[place]!r} is {given}, not a finite "
            f"number; fix the value, remove the row, or fill it: {_FILL_HINT}"
        )
    if clock is None:
        return
    for one in rows:
        assert one.dates is not None
        steps = steps_between(one.dates, clock)
        if (steps > 1).any():
            place = int((steps > 1).argmax())
            before = one.dates[place].item()
            absent = write_date(date_after(before, clock, 1), clock.format)
            of = f" of the series {one.name!r}" if one.name else ""
            count = int((steps - 1).sum())
            raise InputError(
                f"{found.line(int(one.places[place + 1]))}: the date {absent}{of} is missing (the "
                f"step is {clock}; {count:,} {'date is' if count == 1 else 'dates are'} missing); "
                f"add the rows, or fill them: {_FILL_HINT}"
            )


def _insert_dates(found: SeriesTable, one: SeriesRows, clock: Clock) -> list[str]:
    """Insert rows without values for the missing dates, and return those dates."""
    dates = one.dates
    assert dates is not None
    steps = steps_between(dates, clock)
    count = int((steps - 1).sum())
    if count > len(dates):
        raise InputError(
            f"{found.source}: {count:,} dates are missing between {len(dates):,} rows (the step is "
            f"{clock}); too many to fill: add rows, or start after the gap"
        )
    inserted: list[str] = []
    texts: list[str] = []
    every: list[datetime] = []
    for place, text in enumerate(one.texts or []):
        texts.append(text)
        every.append(dates[place].item())
        for step in range(1, int(steps[place]) if place < len(steps) else 1):
            every.append(date_after(dates[place].item(), clock, step))
            texts.append(write_date(every[-1], clock.format))
            inserted.append(texts[-1])
    places = np.cumsum([0, *steps])
    values = np.full((len(texts), one.values.shape[1]), np.nan)
    values[places] = one.values
    rows = np.full(len(texts), -1)
    rows[places] = one.places
    one.texts, one.values, one.places = texts, values, rows
    one.dates = np.array(every, dates.dtype)
    return inserted


def _fill_values(found: SeriesTable, one: SeriesRows, columns: int, fill: str) -> list[str]:
    """Fill the missing values of a series, and return the times of the rows of the table that had
    one.
    """
    missing = np.isnan(one.values)
    missing[len(one.values) - one.future :, :columns] = False
    for place in range(one.values.shape[1]):
        gaps = np.flatnonzero(missing[:, place])
        there = np.flatnonzero(~np.isnan(one.values[:, place]))
        if not len(gaps):
            continue
        if fill == "zero":
            one.values[gaps, place] = 0.0
            continue
        if not len(there) or gaps[0] < there[0]:
            row = max(0, int(one.places[gaps[0]]))
            raise InputError(
                f"{found.line(row)}: the first value of a series is missing, so --fill {fill} has "
                "nothing to fill it from; remove the rows before the first value, or write --fill "
                "zero"
            )
        # a column that is known in advance, such as a holiday, keeps its values
        if fill == "linear" and place < columns:
            one.values[gaps, place] = np.interp(gaps, there, one.values[there, place])
        else:
            before = there[np.searchsorted(there, gaps) - 1]
            one.values[gaps, place] = one.values[before, place]
    rows = np.flatnonzero(missing.any(1) & (one.places >= 0)).tolist()
    return [one.texts[row] if one.texts else found.line(int(one.places[row])) for row in rows]
