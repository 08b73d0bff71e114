"""Private: forecasts of one column without a network: last value, seasonal naive, exponential
smoothing and autoregressions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

__all__ = ["AUTOREGRESSIONS", "METHODS", "FittedMethods", "fit_candidates", "max_lag"]

# Each autoregression: whether it predicts changes, and whether it predicts seasonal differences.
AUTOREGRESSIONS = ((False, False), (True, False), (False, True), (True, True))
# The forecasts that are compared, in the order of their numbers; the network is the last.
METHODS = (
    "last value",
    "seasonal naive",
    "exponential smoothing",
    "autoregression",
    "autoregression of changes",
    "autoregression of seasonal differences",
    "autoregression of changes of seasonal differences",
    "network",
)
# Parameters of exponential smoothing: level, trend, damping, seasonal, and whether there is a
# season.
SMOOTHING = 5
# Values of each parameter that are tried; the seasonal ones are multiplied by 1 - level.
LEVELS = (0.02, 0.08, 0.18, 0.32, 0.5, 0.7, 0.9, 1.0)
TRENDS = (
    (0.0, 1.0),
    *product((0.02, 0.1, 0.3), (0.8, 0.9, 0.97)),
    (0.02, 1.0),
    (0.1, 1.0),
)
SEASONALS = (0.0, 0.03, 0.12, 0.3)
# Relative ridge of the least squares: only against singular matrices.
RIDGE = 1e-6
# Most lags of an autoregression.
MAX_LAG = 200
# Origins whose forecasts are computed at a time.
ORIGINS_AT_ONCE = 4096
# Steps beyond three seasons that a seasonal difference needs.
SEASONAL_MARGIN = 8


@dataclass(frozen=True)
class FittedMethods:
    """Fitted forecasts of one column.

    Attributes:
        season: The season length; 1 without a season.
        smoothing: The parameters of exponential smoothing, (`SMOOTHING`,).
        autoregressions: The weights of lag 1, 2, ... and the constant, of each of
            `AUTOREGRESSIONS`: (4, lags + 1); nan where a series is too short for it.
    """

    season: int
    smoothing: np.ndarray
    autoregressions: np.ndarray

    @property
    def past(self) -> int:
        """Number of values before an origin that the forecasts read."""
        return self.autoregressions.shape[1] + self.season + 1

    def forecasts(self, y: np.ndarray, origins: np.ndarray, steps: int) -> np.ndarray:
        """Forecasts from several origins.

        Args:
            y: The series, (T,).
            origins: The number of known values of each forecast, increasing, (O,).
            steps: Number of steps ahead.

        Returns:
            The forecasts of all `METHODS` but the network, (7, O, steps).
        """
        # rows of known values, for some origins at a time
        rows = [
            self._linear(_known(y, origins[start : start + ORIGINS_AT_ONCE], self.past), steps)
            for start in range(0, len(origins), ORIGINS_AT_ONCE)
        ]
        smoothed = _smoothed(y, self.smoothing, self.season, origins, steps)
        found = np.concatenate(rows, 1)
        return np.concatenate([found[:2], smoothed[None], found[2:]])

    def _linear(self, known: np.ndarray, steps: int) -> np.ndarray:
        """The forecasts of all methods but exponential smoothing after known values (O, past)."""
        ahead = np.arange(steps) % self.season
        return np.stack(
            [
                np.repeat(known[:, -1:], steps, 1),
                known[:, self.past - self.season + ahead],
                *(
                    _continued(known, weights, change, self.season if seasonal else 0, steps)
                    for weights, (change, seasonal) in zip(self.autoregressions, AUTOREGRESSIONS)
                ),
            ]
        )


def _known(y: np.ndarray, origins: np.ndarray, count: int) -> np.ndarray:
    """The last values before each origin, (O, count); nan before the start of the series."""
    places = origins[:, None] - np.arange(count, 0, -1)
    return np.where(places >= 0, y[np.maximum(places, 0)], np.nan)


def fit_candidates(y: np.ndarray, season: int, lags: int | None = None) -> FittedMethods:
    """Fit all forecasts to a series (T,).

    Args:
        y: The series.
        season: The season length; 1 without a season.
        lags: Lags of the result, at least `max_lag`; the rest are zero.
    """
    lags = max_lag(len(y), season) if lags is None else lags
    return FittedMethods(
        season,
        _fit_smoothing(y, season),
        np.stack(
            [
                _fit_autoregression(y, change, season if seasonal else 0, season, lags)
                for change, seasonal in AUTOREGRESSIONS
            ]
        ),
    )


# ---------------------------------------------------------------- exponential smoothing


def _fit_smoothing(y: np.ndarray, season: int) -> np.ndarray:
    """The parameters on a grid with the smallest absolute errors one step ahead, (`SMOOTHING`,).

    Source:
        Gardner 1985, "Exponential smoothing: the state of the art", the damped trend and the
        additive season. The grid takes the place of an optimiser: one pass over the series scores
        all parameters.
    """
    smallest, best = np.inf, np.zeros(SMOOTHING)
    for seasonal in (True, False) if season > 1 and len(y) >= 2 * season + 4 else (False,):
        grid = np.array(
            [
                (level, trend, damping, gain * (1 - level), seasonal)
                for level, (trend, damping), gain in product(
                    LEVELS, TRENDS, SEASONALS if seasonal else (0.0,)
                )
            ]
        )
        period = season if seasonal else 1
        errors = _grid_errors(y, grid, period, min(len(y) // 2, 2 * period + 2))
        chosen = int(errors.argmin())
        # a season has more starting values to fit
        size = errors[chosen] * (1 + min(0.3, season / (2 * len(y))) * seasonal)
        if size < smallest:
            smallest, best = size, grid[chosen]
    return best


def _start(y: np.ndarray, season: int) -> tuple[float, float, np.ndarray]:
    """Level before the first value, slope, and season, from up to three seasons."""
    if season == 1:
        return float(y[0]), 0.0, np.zeros(1)
    count = min(3, len(y) // season)
    if not count:
        return float(y[0]), 0.0, np.zeros(season)
    parts = np.asarray(y[: count * season], float).reshape(count, season)
    level = parts.mean(1)
    slope = (level[-1] - level[0]) / ((count - 1) * season) if count > 1 else 0.0
    place = np.arange(season) - (season - 1) / 2
    shape = (parts - level[:, None] - slope * place).mean(0)
    return float(level[0] - slope * (season + 1) / 2), float(slope), shape - shape.mean()


def _grid_errors(y: np.ndarray, grid: np.ndarray, season: int, first: int) -> np.ndarray:
    """Sum of absolute errors one step ahead of each row of the grid, (P,), after `first` values."""
    gain, trend, damping, seasonal, _ = grid.T
    start = _start(y, season)
    level, slope = np.full(len(grid), start[0]), np.where(trend > 0, start[1], 0.0)
    shape = np.tile(start[2][:, None], (1, len(grid)))
    size, drift = np.zeros(len(grid)), gain * trend
    for k, value in enumerate(y.tolist()):
        slope = damping * slope
        level = level + slope
        error = value - level - shape[k % season]
        if k >= first:
            size += np.abs(error)
        level, slope = level + gain * error, slope + drift * error
        if season > 1:
            shape[k % season] += seasonal * error
    return size


def _smoothed(
    y: np.ndarray, parameters: np.ndarray, season: int, origins: np.ndarray, steps: int
) -> np.ndarray:
    """Forecasts of exponential smoothing from each origin, (O, steps)."""
    gain, trend, damping, seasonal, has_season = parameters.tolist()
    season = season if has_season else 1
    level, slope, shape = _start(y[: 3 * season], season)
    shape, slope = shape.tolist(), slope if trend > 0 else 0.0
    damped = np.cumsum(damping ** np.arange(1, steps + 1))
    ahead, found, position = np.arange(steps), [], 0
    for origin in origins.tolist():
        for value in y[position:origin].tolist():
            level += damping * slope
            error = value - level - shape[position % season]
            level, slope = level + gain * error, damping * slope + gain * trend * error
            shape[position % season] += seasonal * error
            position += 1
        found.append(level + damped * slope + np.array(shape)[(origin + ahead) % season])
    return np.array(found).reshape(len(origins), steps)


# ---------------------------------------------------------------- autoregression


def max_lag(count: int, season: int) -> int:
    """The largest lag of the autoregressions of a series of `count` values."""
    return max(0, min(max(24, 2 * season + 1), MAX_LAG, count // 3))


def _lag_sets(count: int, season: int) -> list[list[int]]:
    """The sets of lags that are compared."""
    sets = [list(range(1, p + 1)) for p in range(min(max(24, 2 * season), MAX_LAG, count // 4) + 1)]
    if season > 1:
        around = (season - 1, season, season + 1, 2 * season - 1, 2 * season, 2 * season + 1)
        for p, some in product((1, 2, 3, 4), (around, (season,))):
            far = [lag for lag in some if p < lag <= max_lag(count, season)]
            if far:
                sets.append([*range(1, p + 1), *far])
    return sets


def _fit_autoregression(
    y: np.ndarray, change: bool, difference: int, season: int, lags: int
) -> np.ndarray:
    """Weights of the lags and the constant, (lags + 1,), by least squares; nan if the series is
    too short.

    Source:
        Hurvich and Tsai 1989, "Regression and time series model selection in small samples", for
        the criterion that chooses the lags.
    """
    if difference and (difference == 1 or len(y) < 3 * difference + SEASONAL_MARGIN):
        return np.full(lags + 1, np.nan)
    z = _differences(y, change, difference)
    # two differences leave no trend, and a constant would make one
    constant = not (change and difference)
    mean, size = (z.mean() if constant else 0.0), z.std()
    if not size > 0:
        return np.concatenate([np.zeros(lags), [mean]])
    z = (z - mean) / size
    sets = _lag_sets(len(z), season)
    longest = max(max(one, default=0) for one in sets)
    x, wanted = _lagged(z, range(1, longest + 1), constant)
    left, right, total, count = x.T @ x, x.T @ wanted, wanted @ wanted, len(wanted)
    best = None
    for one in sets:
        used = [lag - 1 for lag in one] + ([longest] if constant else [])
        if count - len(used) < 3:
            continue
        inside = left[np.ix_(used, used)]
        weights = _solved(inside, right[used])
        rest = total - 2 * weights @ right[used] + weights @ inside @ weights
        rest = max(rest, 1e-12 * total, 1e-300)
        criterion = count * np.log(rest / count) + 2 * len(used) * count / (count - len(used) - 1)
        if best is None or criterion < best[0]:
            best = criterion, one
    if best is None:
        return np.full(lags + 1, np.nan)
    # fitted again to all values that these lags allow
    x, wanted = _lagged(z, best[1], constant)
    weights = _solved(x.T @ x, x.T @ wanted)
    found = np.zeros(lags + 1)
    if constant:
        found[-1], weights = weights[-1], weights[:-1]
    for lag, weight in zip(best[1], weights):
        found[lag - 1] = weight
    found = _stable(found)
    found[-1] = size * found[-1] + mean * (1 - found[:-1].sum())
    return found if constant else np.append(found[:-1], 0.0)


def _stable(weights: np.ndarray) -> np.ndarray:
    """The weights, shrunk so that the forecasts do not grow exponentially."""
    used = np.flatnonzero(weights[:-1])
    if not len(used):
        return weights
    polynomial = np.concatenate([[1.0], -weights[: used[-1] + 1]])
    root = np.abs(np.roots(polynomial)).max()
    if root <= 1:
        return weights
    shrunk = weights.copy()
    shrunk[:-1] /= root ** np.arange(1, len(weights))
    return shrunk


def _solved(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not len(right):
        return np.zeros(0)
    ridge = RIDGE * max(np.trace(left) / len(left), 1e-300)
    return np.linalg.solve(left + ridge * np.eye(len(left)), right)


def _lagged(z: np.ndarray, lags: Sequence[int], constant: bool) -> tuple[np.ndarray, np.ndarray]:
    """Columns of lagged values, and of ones; and the values they predict."""
    first = max(lags, default=0)
    columns = [z[first - lag : len(z) - lag] for lag in lags]
    columns += [np.ones(len(z) - first)] if constant else []
    return np.stack(columns, 1) if columns else np.zeros((len(z) - first, 0)), z[first:]


def _differences(y: np.ndarray, change: bool, season: int) -> np.ndarray:
    """Seasonal differences, or changes, or both, along the last axis."""
    y = y[..., season:] - y[..., :-season] if season else y
    return np.diff(y, axis=-1) if change else y


def _continued(
    known: np.ndarray, weights: np.ndarray, change: bool, season: int, steps: int
) -> np.ndarray:
    """Forecasts of an autoregression after the known values (O, past): (O, steps)."""
    used = np.flatnonzero(weights[:-1])
    reach = int(used[-1]) + 1 if len(used) else 0
    z = _differences(known, change, season)
    z = np.concatenate([z[:, z.shape[1] - reach :], np.zeros((len(known), steps))], 1)
    for k in range(reach, reach + steps):
        z[:, k] = z[:, k - used - 1] @ weights[used] + weights[-1]
    ahead = z[:, reach:]
    if change:
        last = known[:, -1] - known[:, -1 - season] if season else known[:, -1]
        ahead = last[:, None] + np.cumsum(ahead, 1)
    if season:
        whole = np.concatenate([known[:, known.shape[1] - season :], ahead], 1)
        for k in range(season, season + steps):
            whole[:, k] += whole[:, k - season]
        ahead = whole[:, season:]
    return ahead
