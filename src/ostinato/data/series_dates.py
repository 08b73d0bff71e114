"""Private: the dates of time series: their form, and what makes them ambiguous."""

import re
from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .clock import regular_clock, steps_between
from .dates import STYLED, column_dates, date_of, read_date, styled
from .series_columns import SeriesTable, TimeColumn, is_ordered

__all__ = ["check_dates", "date_form"]

# Maximum number of days between dates without years; months are further apart.
MAX_DAYS = 27


def check_dates(found: SeriesTable, time: TimeColumn) -> None:
    """Raise an error for the first row that is not a date."""
    bad = time.read.bad
    if bad is None or not time.read.forms:
        return
    text, form = time.texts[bad], time.read.forms[0]
    clock = found.options.clock
    if clock is not None and form == clock.format:
        date_of(text, form, found.line(bad))
    example = next((other for other in time.texts if read_date(other, form)), "")
    empty = "it is empty" if not text else f"{text!r} is not a date"
    remedy = "remove the row" if bad == len(time.texts) - 1 else "fix it, or remove the row"
    raise InputError(
        f"{found.line(bad)}: {empty} in the time column {time.name!r}, whose dates are "
        f"written like {example!r}; {remedy}"
    )


def date_form(
    found: SeriesTable, time: TimeColumn, groups: Sequence[np.ndarray]
) -> tuple[str, np.ndarray]:
    """The form of the dates, and the dates as datetime64[us].

    Args:
        found: The table.
        time: Its time.
        groups: The rows of each series.

    Raises:
        InputError: The dates can be read in two ways.
    """
    first, dates = time.read.forms[0], time.read.dates
    forms = [form for form in time.read.forms if sorted(form) == sorted(first)]
    chosen = found.options.date_format or found.options.clock
    if not chosen and _are_days_of_months(time.texts, forms[0], groups):
        raise InputError(
            f"{found.source}: {time.texts[0]!r} in the time column {time.name!r} may be the month "
            f"and the year, {dates[first][0].item():%B %Y}, or the month and the day; write the "
            f'year of each date too, or name the form: --date-format "{first}"'
        )
    if len(forms) > 1:
        regular = [form for form in forms if _is_regular(dates[form], groups, form)]
        if len(regular) != 1:
            text = next(
                (text for text in time.texts if len({read_date(text, f) for f in forms}) > 1), ""
            )
            readings = " or ".join(
                f"{read_date(text, form):%Y-%m-%d} ({form})" for form in regular or forms
            )
            raise InputError(
                f"{found.source}: {text!r} in the time column {time.name!r} may be {readings}; "
                f'name the form: --date-format "{forms[0]}"'
            )
        found.notes.append(
            f"{time.texts[0]!r} is read as {read_date(time.texts[0], regular[0]):%Y-%m-%d}, "
            "because the dates then have a regular step"
        )
        forms = regular
    form = forms[0]
    if not chosen:
        form = styled(form, time.texts[:STYLED])
    return form, dates[forms[0]]


def _are_days_of_months(texts: Sequence[str], form: str, groups: Sequence[np.ndarray]) -> bool:
    """Whether months with years of two digits are days of a year in order, such as Jan-01, Jan-02,
    at most `MAX_DAYS` apart.
    """
    if sorted(re.findall(r"%(\w)", form)) != ["b", "y"]:
        return False
    # in a leap year; the form has no year, so that the year before and after are the same
    leap = 366
    days = column_dates([f"{text} 2024" for text in texts], form.replace("%y", "%d") + " %Y")
    if days.bad is not None:
        return False
    places = days.dates[days.forms[0]].astype("M8[D]").astype(int)
    gaps = np.concatenate([np.diff(places[rows]) % leap for rows in groups])
    forward, backward = gaps, (leap - gaps) % leap
    return len(gaps) > 0 and any(
        bool(((steps > 0) & (steps <= MAX_DAYS)).all()) for steps in (forward, backward)
    )


def _is_regular(dates: np.ndarray, groups: Sequence[np.ndarray], form: str) -> bool:
    """Whether the dates of each series are in order, with a regular step and without gaps."""
    series = [dates[rows] for rows in groups]
    if not all(is_ordered(one.astype(np.int64)) for one in series if len(one) > 1):
        return False
    series = [np.sort(one) for one in series]
    clock = regular_clock(series, form)
    return clock is not None and all((steps_between(one, clock) == 1).all() for one in series)
