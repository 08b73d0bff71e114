"""Private: properties of a time series found from its values (season, trend, power), and its
dates.
"""

import calendar
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

import numpy as np

from ..errors import InputError
from .records import Range
from .text import compose

# Supported date formats. Formats with the day or the month first are ambiguous, so neither is
# supported.
FORMATS = (
    "%Y-%m-%d",
    "%Y-%m",
    "%Y",
    "%Y/%m/%d",
    "%Y/%m",
    "%Y.%m.%d",
    "%Y%m%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y년 %m월",
    "%Y년 %m월 %d일",
)


@dataclass(frozen=True)
class Clock:
    """The format of dates, one of `FORMATS`, and their step: months on a day of the month, or
    seconds.
    """

    format: Literal[FORMATS]
    months: Annotated[int, Range(0, 120_000)]
    day: Annotated[int, Range(0, 31)]
    seconds: Annotated[float, Range(0, 4e11)]

    def __post_init__(self):
        if bool(self.months) == bool(self.seconds) or bool(self.months) != bool(self.day):
            raise InputError("a clock has either 'months' and a 'day', or 'seconds'")


# Relative rounding error of a value, with a margin for sums and differences.
ROUNDED = 1e-14
# Number of steps over which the level of a series is taken as constant.
PART = 12


def series_of(
    data, columns: list[str] | None = None, time: str | None = None
) -> tuple[list[str], np.ndarray, list[str] | None]:
    """Column names, values (T, F) float64 and times of a series in memory.

    Args:
        data: (T,) or (T, F) numbers, or a dict of columns.
        columns: The columns of a dict to use; None for all but the time.
        time: The time column of a dict; None for the first column of text or dates, if there is
            one.

    Raises:
        InputError: A column does not exist, is not numeric, or has a number that is not finite.

    Example:
        >>> series_of({"when": ["2024-01", "2024-02"], "sold": [3, 4]})
        (['sold'], array([[3.],
               [4.]]), ['2024-01', '2024-02'])
    """
    names, times = None, None
    if isinstance(data, dict):
        given = {compose(str(name)): list(column) for name, column in data.items()}
        missing = next(
            (name for name in [*(columns or []), time] if name is not None and name not in given),
            None,
        )
        if missing is not None:
            raise InputError(
                f"the given series has no column {missing!r}; it has {', '.join(map(repr, given))}"
            )
        time = time or next(
            (
                name
                for name, column in given.items()
                if column and isinstance(column[0], (str, date, np.datetime64))
            ),
            None,
        )
        names, times = (
            columns or [name for name in given if name != time],
            None if time is None else list(map(_written, given[time])),
        )
        lengths = {name: len(column) for name, column in given.items()}
        if not names or len(set(lengths.values())) > 1:
            raise InputError(
                f"the given series has columns of these lengths: {lengths}; give one or more "
                "numeric columns of the same length"
            )
        data = list(zip(*(given[name] for name in names)))
    try:
        values = np.asarray(data, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the given series is not numeric ({error}); give an array, or a dict of columns"
        ) from error
    if values.ndim not in (1, 2) or not values.size:
        raise InputError(
            f"the given series has the shape {values.shape}; give (T,), or (T, F) for F columns"
        )
    values = values.reshape(len(values), -1)
    names = names or [str(k) for k in range(values.shape[1])]
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"step {bad[0][0] + 1} of the given series has {values[tuple(bad[0])]} in the column "
            f"{names[bad[0][1]]!r}; fill the gap, or remove the steps before it"
        )
    return names, values, times


def _written(time) -> str:
    """A time as text in one of the `FORMATS`, which have no nanoseconds."""
    return str(
        time.astype("datetime64[us]")
        if isinstance(time, np.datetime64) and time.dtype == "datetime64[ns]"
        else time
    )


def power_of(values: np.ndarray) -> float:
    """The power transform of values (T, F) that makes changes independent of the level: 1, 0.5, or
    0 for the logarithm.

    The result is 1 if a value is negative, if no other power is clearly better, or for fewer than
    48 steps. It is not 0 if a value is 0.

    Source:
        Guerrero 1993, "Time-series analysis supported by power transformations", section 2, with
        three powers, parts of 12 steps, and the mean absolute change as the measure of variation.

    Example:
        >>> growing = np.exp(0.01 * np.arange(200)) * (1.5 + np.sin(np.arange(200)))
        >>> power_of(growing[:, None]), power_of(growing[:, None] ** 2)
        (0.0, 0.0)
        >>> power_of(np.arange(1.0, 200)[:, None])
        1.0
    """
    count = len(values) // PART
    if (values < 0).any() or count < 4:
        return 1.0
    parts = values[len(values) - count * PART :].reshape(count, PART, -1)
    level, change = parts.mean(1), np.abs(np.diff(parts, axis=1)).mean(1)
    powers = (1.0, 0.5, 0.0) if (values > 0).all() else (1.0, 0.5)
    uneven = {
        power: np.mean([_unevenness(*column, power) for column in zip(level.T, change.T)])
        for power in powers
    }
    best = min(uneven, key=uneven.get)
    return best if uneven[best] < 0.8 * uneven[1.0] else 1.0


def _unevenness(level: np.ndarray, change: np.ndarray, power: float) -> float:
    """Coefficient of variation of the transformed change over parts of the series."""
    relative = change[level > 0] / level[level > 0] ** (1 - power)
    return relative.std() / relative.mean() if relative.any() else 0.0


def has_trend(y: np.ndarray) -> bool:
    """Whether the first and the last third of a column of (T, F) differ by more than their
    deviation.

    Example:
        >>> has_trend(np.arange(30.0)[:, None]), has_trend(np.sin(np.arange(30.0))[:, None])
        (True, False)
    """
    first, _, last = np.array_split(y, 3)
    return bool(
        (np.abs(first.mean(0) - last.mean(0)) > 1.5 * (first.std(0) + last.std(0)) / 2).any()
    )


def divisor(size: np.ndarray, y: np.ndarray) -> list[float]:
    """Divisors that scale columns of y (T, F) of this size (F,) to 1; 1 if the size is only
    rounding error.
    """
    return np.where(size > ROUNDED * np.abs(y).max(0), size, 1.0).tolist()


def season_of(y: np.ndarray, difference: bool = False) -> int:
    """Season length of a series (T, F): the lag with the highest autocorrelation after its first
    negative value; 1 without a season.

    Args:
        y: The series.
        difference: Use the changes of the series.

    Example:
        >>> season_of(np.sin(np.arange(120) * 2 * np.pi / 12)[:, None])
        12
        >>> season_of(np.arange(50.0)[:, None], True)
        1
    """
    # smaller deviations are rounding errors
    least = ROUNDED * np.abs(y).max(0)
    y = np.diff(y, axis=0) if difference else y
    y = y - y.mean(0)
    count = len(y)
    y = y[:, y.std(0) > least]
    if not y.size:
        return 1
    alike = np.fft.irfft(np.abs(np.fft.rfft(y, 2 * count, axis=0)) ** 2, axis=0)[: count // 3 + 1]
    alike = (alike / alike[0] * count / (count - np.arange(len(alike)))[:, None]).mean(1)
    below = np.flatnonzero(alike < 0)
    start = int(below[0]) if len(below) else len(alike)
    # the first of the nearly highest peaks: one season, not two
    most = alike[start:].max(initial=0.0)
    if most < max(0.2, 4 / np.sqrt(count)):
        return 1
    lag = start + int(np.flatnonzero(alike[start:] >= 0.9 * most)[0])
    while lag + 1 < len(alike) and alike[lag + 1] > alike[lag]:
        lag += 1
    return lag


# ---------------------------------------------------------------- dates


def date_of(text: str, form: str, source: str) -> datetime:
    """Parse a date in one of the `FORMATS`."""
    try:
        return datetime.strptime(text.strip(), form)
    except ValueError:
        raise InputError(
            f"{source}: {text!r} is not in the training date format; write it as "
            f"{datetime(2024, 12, 31).strftime(form)!r}"
        ) from None


def dates_of(times: Iterable[str], form: str, source: str) -> Iterator[datetime]:
    """Parse the dates of a series and check that they increase.

    Raises:
        InputError: A date is not in the format, or not later than the one before.
    """
    before = earlier = None
    for number, text in enumerate(times, 1):
        when = date_of(text, form, source)
        if before is not None and when <= before:
            raise InputError(
                f"{source}: the time of step {number}, {text!r}, is not later than the one before "
                f"it, {earlier!r}; sort the rows by time, with one row per time"
            )
        yield when
        before, earlier = when, text


def clock_of(times: Sequence[str], source: str) -> Clock | None:
    """Format and step of the dates of a series; None if the times are not dates or have no regular
    step.

    Raises:
        InputError: A date is not later than the one before.

    Example:
        >>> clock_of(["2024-01", "2024-02", "2024-03"], "here")
        Clock(format='%Y-%m', months=1, day=1, seconds=0)
    """
    form = next((form for form in FORMATS if _all_dates(times, form)), None)
    if form is None or len(times) < 2:
        return None
    # counts of each step from date to date, in months and in seconds; and the days of the month,
    # with the last day of that month
    months, seconds, days, before = Counter(), Counter(), set(), None
    for when in dates_of(times, form, source):
        days.add((when.day, calendar.monthrange(when.year, when.month)[1]))
        if before is not None:
            months[12 * (when.year - before.year) + when.month - before.month] += 1
            # with more different steps, none can be frequent enough
            if len(seconds) <= 1 + 0.05 * len(times):
                seconds[(when - before).total_seconds()] += 1
        before = when
    day, usual = max(day for day, _ in days), 0.95 * (len(times) - 1)
    if all(one == min(day, last) for one, last in days):
        step, often = months.most_common(1)[0]
        if step and often >= usual:
            return Clock(form, months=step, day=day, seconds=0)
    step, often = seconds.most_common(1)[0]
    return Clock(form, months=0, day=0, seconds=step) if often >= usual else None


def _all_dates(times: Sequence[str], form: str) -> bool:
    try:
        for text in times:
            datetime.strptime(text.strip(), form)
    except ValueError:
        return False
    return True


def date_after(when: datetime, clock: Clock, steps: int) -> datetime:
    """The date `steps` steps after a date.

    Raises:
        InputError: The date is after the year 9999.
    """
    try:
        if not clock.months:
            return when + timedelta(seconds=clock.seconds * steps)
        year, month = divmod(12 * when.year + when.month - 1 + clock.months * steps, 12)
        return when.replace(
            year=year, month=month + 1, day=min(clock.day, calendar.monthrange(year, month + 1)[1])
        )
    except (OverflowError, ValueError):
        raise InputError(
            f"the date {steps} steps after {when.strftime(clock.format)} is after the year 9999; "
            "forecast fewer steps"
        ) from None


def cycles_of(clock: Clock, count: int) -> list[str]:
    """The calendar cycles to use as inputs: longer than a step, and covered at least twice by
    `count` steps.
    """
    step = clock.seconds or clock.months * 30.4 * 86400
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
