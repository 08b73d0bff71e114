"""Private: properties of a time series found from its values: season, trend, power."""

import numpy as np

from .clock import Clock

# Relative rounding error of a value, with a margin for sums and differences.
ROUNDED = 1e-14
# Number of steps over which the level of a series is taken as constant.
PART = 12


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


# Season length of each step of dates: months, and seconds.
SEASONS = {
    "months": {1: 12, 2: 6, 3: 4},
    "seconds": {900: 96, 1800: 48, 3600: 24, 86400: 7, 7 * 86400: 52},
}


def clock_season(clock: Clock) -> int:
    """The season length that a step of dates suggests; 1 if it suggests none.

    Example:
        >>> clock_season(Clock("%Y-%m", months=1, day=1, seconds=0))
        12
    """
    if clock.business:
        return 5
    if clock.months:
        return SEASONS["months"].get(clock.months, 1)
    return SEASONS["seconds"].get(int(clock.seconds), 1)


def has_season(y: np.ndarray, season: int) -> bool:
    """Whether the changes of a column of y (T, F) are correlated with those a season before.

    Source:
        Assimakopoulos and Nikolopoulos 2000, "The theta model: a decomposition approach to
        forecasting", the test of seasonality at 90 %, here of the changes and not of the values.

    Example:
        >>> has_season(np.sin(np.arange(60) * 2 * np.pi / 12)[:, None], 12)
        True
        >>> has_season(np.random.default_rng(0).normal(size=60).cumsum()[:, None], 12)
        False
    """
    change = np.diff(y, axis=0)
    change = change - change.mean(0)
    count, size = len(change), (change**2).sum(0)
    if count <= season + 1:
        return False
    size = np.where(size > 0, size, 1.0)
    alike = np.stack(
        [(change[lag:] * change[: count - lag]).sum(0) / size for lag in range(1, season + 1)]
    )
    limit = 1.645 * np.sqrt((1 + 2 * (alike[:-1] ** 2).sum(0)) / count)
    return bool((alike[-1] > limit).any())
