"""Private: the regular step from one date of a series to the next, and the calendar."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import numpy as np

from ..errors import InputError
from .dates import is_form, write_date
from .records import Length, Range

SECONDS_OF_DAY = 86400
# Steps that are shown by a name.
_STEP_NAMES = {
    "months": {1: "1 month", 3: "1 quarter", 12: "1 year"},
    "seconds": {1: "1 second", 60: "1 minute", 3600: "1 hour", 86400: "1 day", 604800: "1 week"},
}


@dataclass(frozen=True)
class Clock:
    """The form of dates and their step: months on a day of the month, seconds, or business days.

    Attributes:
        format: A form, as in the module's description.
        months, day: Months of a step, and the day of the month; 0 for a step in seconds.
        seconds: Seconds of a step; 0 for a step in months.
        business: A step is a day from Monday to Friday; `seconds` is that of a day.
    """

    format: Annotated[str, Length(2, 80)]
    months: Annotated[int, Range(0, 120_000)]
    day: Annotated[int, Range(0, 31)]
    seconds: Annotated[float, Range(0, 4e11)]
    business: bool = False

    def __post_init__(self):
        if not is_form(self.format):
            raise InputError(f"{self.format!r} is not a form of dates; write one such as %Y-%m-%d")
        if bool(self.months) == bool(self.seconds) or bool(self.months) != bool(self.day):
            raise InputError("a clock has either 'months' and a 'day', or 'seconds'")
        if self.business and self.seconds != SECONDS_OF_DAY:
            raise InputError("a clock of business days has the 'seconds' of a day")

    def __str__(self):
        """The step in words, for messages."""
        if self.business:
            return "1 business day"
        if self.months:
            return _STEP_NAMES["months"].get(self.months, f"{self.months} months")
        for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
            if self.seconds % size == 0 and self.seconds not in _STEP_NAMES["seconds"]:
                return f"{self.seconds // size:g} {unit}s"
        return _STEP_NAMES["seconds"].get(self.seconds, f"{self.seconds:g} seconds")


def regular_clock(series: Sequence[np.ndarray], form: str) -> Clock | None:
    """The step that more than half of the dates of these series have, if all others are multiples
    of it; None without such a step.

    Args:
        series: Increasing dates, datetime64[us], one array for each series.
        form: The form of the dates.
    """
    series = [dates for dates in series if len(dates) > 1]
    if not series:
        return None
    every = np.concatenate(series)
    days, months = every.astype("M8[D]"), every.astype("M8[M]")
    of_month = (days - months.astype("M8[D]")).astype(int) + 1
    last = ((months + 1).astype("M8[D]") - months.astype("M8[D]")).astype(int)
    day = int(of_month.max())
    one_time = len(np.unique(every - days)) == 1
    if one_time and (of_month == np.minimum(day, last)).all():
        gaps = np.concatenate([np.diff(dates.astype("M8[M]")).astype(int) for dates in series])
        step = _usual(gaps)
        if step and (gaps % step == 0).all():
            return Clock(form, months=step, day=day, seconds=0)
    gaps = np.concatenate([np.diff(dates).astype(int) for dates in series])
    if one_time and _only_business_days(days):
        steps = np.concatenate(
            [np.busday_count(one[:-1], one[1:]) for one in (d.astype("M8[D]") for d in series)]
        )
        if _usual(steps) == 1:
            return Clock(form, months=0, day=0, seconds=SECONDS_OF_DAY, business=True)
    step = _usual(gaps)
    # a few may be off, such as those of days of 23 hours
    if step and (gaps % step == 0).mean() >= 0.95:
        return Clock(form, months=0, day=0, seconds=step / 1e6)
    return None


def _usual(gaps: np.ndarray) -> int:
    """The step that more than half of the gaps have; 0 without one."""
    steps, counts = np.unique(gaps, return_counts=True)
    return int(steps[counts.argmax()]) if 2 * counts.max() > len(gaps) else 0


def _only_business_days(days: np.ndarray) -> bool:
    """Whether days from Monday to Friday stand before and after at least one weekend."""
    week = ((days.astype(int) + 3) // 7).astype(int)
    return bool(np.is_busday(days).all()) and week.min() < week.max()


def steps_between(dates: np.ndarray, clock: Clock) -> np.ndarray:
    """Number of steps from each date to the next, 1 if none is missing.

    Example:
        >>> day = Clock("%Y-%m-%d", months=0, day=0, seconds=86400, business=True)
        >>> days = ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-10"]
        >>> steps_between(np.array(days, "datetime64[us]"), day).tolist()
        [1, 1, 2]
    """
    if clock.business:
        days = dates.astype("M8[D]")
        steps = np.busday_count(days[:-1], days[1:])
    elif clock.months:
        steps = np.diff(dates.astype("M8[M]")).astype(int) // clock.months
    else:
        steps = np.rint(np.diff(dates).astype(int) / (clock.seconds * 1e6)).astype(int)
    return np.maximum(steps, 1)


def date_after(when: datetime, clock: Clock, steps: int) -> datetime:
    """The date `steps` steps after a date.

    Raises:
        InputError: The date is after the year 9999.

    Example:
        >>> day = Clock("%Y-%m-%d", months=0, day=0, seconds=86400, business=True)
        >>> date_after(datetime(2024, 1, 5), day, 1)
        datetime.datetime(2024, 1, 8, 0, 0)
    """
    try:
        if clock.business:
            weeks, days = divmod(min(when.weekday(), 4) + steps, 5)
            monday = when - timedelta(days=when.weekday())
            return monday + timedelta(days=7 * weeks + days)
        if not clock.months:
            return when + timedelta(seconds=clock.seconds * steps)
        year, month = divmod(12 * when.year + when.month - 1 + clock.months * steps, 12)
        return when.replace(
            year=year, month=month + 1, day=min(clock.day, calendar.monthrange(year, month + 1)[1])
        )
    except (OverflowError, ValueError):
        raise InputError(
            f"the date {steps} steps after {write_date(when, clock.format)} is after the year "
            "9999; forecast fewer steps"
        ) from None


def cycles_of(clock: Clock, count: int) -> list[str]:
    """The calendar cycles to use as inputs: longer than a step, and covered at least twice by
    `count` steps.
    """
    step = (clock.seconds or clock.months * 30.4 * SECONDS_OF_DAY) * (1.4 if clock.business else 1)
    return [
        name
        for name, seconds in (("year", 365.25 * 86400), ("week", 7 * 86400), ("day", 86400))
        if 2 * step <= seconds <= step * count / 2
    ]


def calendar_features(dates: list[datetime], cycles: list[str]) -> np.ndarray:
    """Sine and cosine of the position of each date in each cycle: (T, 2 C)."""
    days = np.array(
        [
            [when.timetuple().tm_yday, when.weekday(), when.hour / 24 + when.minute / 1440]
            for when in dates
        ]
    )
    place = {
        "year": (days[:, 0] - 1 + days[:, 2]) / 365.25,
        "week": (days[:, 1] + days[:, 2]) / 7,
        "day": days[:, 2],
    }
    return (
        np.stack([wave(2 * np.pi * place[name]) for name in cycles for wave in (np.sin, np.cos)], 1)
        if cycles
        else np.zeros((len(dates), 0))
    )
