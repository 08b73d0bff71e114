"""Private: compares forecasts of one column on rolling origins, and chooses their weights and the
widths of the intervals.
"""

from dataclasses import dataclass

import numpy as np

from .forecast_candidates import METHODS, FittedMethods, fit_candidates

__all__ = [
    "RECENT_STEPS",
    "MethodWeights",
    "RollingOrigins",
    "described",
    "few_errors",
    "independent_errors",
    "known_errors",
    "quantile_place",
    "recent_size",
    "rolling_origins",
    "select",
    "towards_naive",
]

# Number of parts at the end of a series that are forecast from the values before them.
FOLDS = 5
# Fewest values that a forecast is fitted to.
MIN_FITTED = 16
# Most values, from the end of a series, that the forecasts are fitted to.
FITTED_VALUES = 2000
# Weights are errors to the power of -SHARPNESS; those above TOLERANCE times the smallest get none.
SHARPNESS, TOLERANCE = 8, 1.2
# Steps ahead on both sides over which errors are averaged.
SMOOTHED_STEPS = 1
# Standard errors of a gain over the naive methods from which on it is certain.
CERTAIN = 2.0
# Level of the intervals whose width `scale` corrects for the number of errors.
LEVEL = 0.8
# Number of quantiles of the standardised errors.
QUANTILES = 200
# The naive methods, which the combination must not be worse than.
NAIVE = 2
# The network is compared on one part only, the part that chose its best step: its error there is
# taken to be larger by this factor, and its weight is at most this, unless only the network reads
# further columns.
NETWORK_ERROR, NETWORK_WEIGHT = 1.1, 0.5
# Recent errors widen or narrow the intervals: those of the last RECENT_STEPS steps, with half the
# weight after each HALF_LIFE steps, and the usual error with the weight of USUAL_STEPS steps.
RECENT_STEPS, HALF_LIFE, USUAL_STEPS = 32, 4, 2


@dataclass(frozen=True)
class RollingOrigins:
    """Forecasts from many origins, and what came.

    Attributes:
        predicted: The forecasts of all methods but the network, (7, O, H); nan if a method could
            not be fitted.
        wanted: The values, (O, H); nan after the end of the series.
        held_out: Number of origins, at the end, that lie in the held-out part.
    """

    predicted: np.ndarray
    wanted: np.ndarray
    held_out: int


@dataclass(frozen=True)
class MethodWeights:
    """The weights of the methods and the widths of the intervals.

    Attributes:
        weights: The weight of each of `METHODS` at each step ahead, (8, H).
        scale: Usual absolute error at each step ahead, divided by the size of the recent errors
            (see `recent_size`), and wider where few errors are independent, (H,).
        errors: Quantiles of the absolute errors divided by `scale` and the size of the recent
            errors, (`QUANTILES`,).
        usual: Usual absolute error at each step ahead of the methods but the network, (H,).
    """

    weights: np.ndarray
    scale: np.ndarray
    errors: np.ndarray
    usual: np.ndarray


def rolling_origins(
    y: np.ndarray, season: int, held: int, horizon: int
) -> tuple[FittedMethods, RollingOrigins]:
    """Forecast the last parts of a series, each by methods fitted to the values before it.

    Args:
        y: The series (T,); the end of a long one is enough.
        season: The season length.
        held: Number of values in each part; the last part is the held-out part.
        horizon: H, number of steps ahead.

    Returns:
        The methods fitted to all values but the held-out part, and the forecasts.

    Source:
        Tashman 2000, "Out-of-sample tests of forecasting accuracy: an analysis and review".
    """
    count = len(y)
    starts = [count - k * held for k in range(FOLDS, 0, -1)]
    starts = [start for start in starts if start >= MIN_FITTED or start == count - held]
    found = []
    for start, end in zip(starts, [*starts[1:], count]):
        fitted = fit_candidates(y[:start], season)
        found.append(fitted.forecasts(y, np.arange(start, end), horizon))
    padded = np.concatenate([y, np.full(horizon, np.nan)])
    wanted = np.stack([padded[origin : origin + horizon] for origin in range(starts[0], count)])
    return fitted, RollingOrigins(np.concatenate(found, 1), wanted, held)


def select(
    rolled: RollingOrigins,
    network: np.ndarray | None = None,
    origins: np.ndarray | None = None,
    most: float = NETWORK_WEIGHT,
) -> MethodWeights:
    """Choose the weights and the widths.

    Args:
        rolled: The forecasts of the other methods.
        network: Forecasts of the network from some origins of the held-out part, (N, H).
        origins: The numbers of these origins in the held-out part, (N,).
        most: The largest weight of the network.

    Source:
        Bates and Granger 1969, "The combination of forecasts", section 4, with a power of the
        absolute error; intervals: Lei et al. 2018, "Distribution-free predictive inference for
        regression", algorithm 2 and section 5.2, errors divided by their local size.
    """
    with np.errstate(invalid="ignore"):
        errors = np.abs(rolled.predicted - rolled.wanted)
    size = np.stack([_mean_by_step(one) for one in errors])
    predicted = np.concatenate([rolled.predicted, np.full((1, *rolled.wanted.shape), np.nan)])
    if network is not None:
        # the network has forecast only the held-out part: its error there, as a multiple of those
        # of the other methods at the same origins, is carried over to all origins
        place = errors.shape[1] - rolled.held_out + origins
        own = _mean_by_step(np.abs(network - rolled.wanted[place]))
        others = np.stack([_mean_by_step(one[place]) for one in errors])
        usable = np.isfinite(size).all(1) & (np.arange(len(size)) >= NAIVE)
        ratio = own / np.maximum(others[usable].mean(0), 1e-300)
        size = np.concatenate([size, [NETWORK_ERROR * ratio * size[usable].mean(0)]])
        predicted[-1, place] = network
    else:
        size = np.concatenate([size, np.full((1, size.shape[1]), np.inf)])
    size = np.where(np.isfinite(size), size, np.inf)
    weights = weights_of(size)
    size[-1] = np.inf
    share = np.minimum(weights[-1], most)
    capped = (1 - share) * weights_of(size) + _last(share, weights)
    weights = np.where(weights[-1] > share, capped, weights)
    weights = towards_naive(weights, predicted, rolled.wanted)
    floor = 1e-12 * np.nanmax(np.abs(rolled.wanted)) + 1e-300
    known = known_errors(rolled.predicted, rolled.wanted, weights)
    # nan if the network has all the weight
    usual = np.fmax(_mean_by_step(known, around=0), floor)
    error = _left_out_errors(predicted, rolled, weights[-1]) / recent_size(known, usual)[:-1]
    scale = np.maximum(np.maximum.accumulate(_mean_by_step(error, around=0)), floor)
    apart = np.maximum(1.0, independent_errors(np.isfinite(error).sum(0)))
    quantiles = _quantiles(error / scale, apart.mean())
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    wider = few_errors(LEVEL, apart)
    more = [(few_errors(level, apart) / wider).mean() for level in levels]
    return MethodWeights(weights, scale * wider, quantiles * np.maximum.accumulate(more), usual)


def towards_naive(weights: np.ndarray, predicted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Weights (M, H) that move to the better naive forecast where the gain over it is uncertain.

    A mean gain of `CERTAIN` standard errors or more keeps all the weights, a smaller one keeps a
    share in proportion. A combination that is worse than a naive forecast gives way to it.

    Args:
        weights: The weights of `METHODS` at each step ahead, (M, H).
        predicted: The forecasts of the methods, (M, O, H); nan for those that do not exist.
        wanted: The values, (O, H).
    """
    naive = np.abs(predicted[:NAIVE] - wanted)
    size = np.stack([_mean_by_step(one) for one in naive])
    better = np.where(np.isfinite(size), size, np.inf).argmin(0)
    steps = np.arange(weights.shape[1])
    gain = _around(naive[better, :, steps].T - np.abs(combined(predicted, weights) - wanted))
    count = np.isfinite(gain).sum(0)
    mean = np.where(count, np.nansum(gain, 0) / np.maximum(count, 1), 0.0)
    variance = np.nansum((gain - mean) ** 2, 0) / np.maximum(count, 1)
    # gains h steps ahead overlap unless their origins are h steps apart
    apart = count / (steps + 1)
    kept, before = np.zeros(len(steps)), 0.0
    for step in steps:
        if apart[step] > 1:
            noise = CERTAIN * np.sqrt(variance[step] / apart[step])
            before = float(min(max(0.0, mean[step]) / max(noise, 1e-300), 1.0))
        # too few origins are so far before the end
        kept[step] = before
    alone = np.arange(len(weights))[:, None] == better
    return kept * weights + (1 - kept) * alone


def few_errors(level: float, independent: np.ndarray) -> np.ndarray:
    """How much wider an interval is whose width comes from a number of independent errors: the
    quantile of Student's t divided by that of the normal distribution.

    Example:
        >>> few_errors(0.8, np.array([2, 10, 1000])).round(2).tolist()
        [1.47, 1.07, 1.0]
    """
    from scipy.special import ndtri, stdtrit

    return stdtrit(independent, 0.5 + level / 2) / ndtri(0.5 + level / 2)


def independent_errors(count: np.ndarray) -> np.ndarray:
    """How many independent errors have a mean size that is as certain as that of overlapping ones.

    Forecasts h steps ahead from origins k steps apart share the values of h - k steps: their errors
    have the correlation 1 - k / h, and their squares the square of it.

    Args:
        count: Number of consecutive origins at each step ahead, (H,).

    Source:
        Bayley and Hammersley 1946, "The effective number of independent observations in an
        autocorrelated time series", the number for a variance.

    Example:
        >>> independent_errors(np.array([99, 99, 99])).round(1).tolist()
        [99.0, 66.0, 46.9]
    """
    return count / _overlap(len(count))


def _overlap(horizon: int) -> np.ndarray:
    """The sum of the correlations of squared errors at each step ahead, (H,)."""
    steps = np.arange(1, horizon + 1)
    return (2 * steps**2 + 1) / (3 * steps)


def _last(share: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A share in the last row of weights, and zero in the others."""
    return share * (np.arange(len(weights)) == len(weights) - 1)[:, None]


def _left_out_errors(
    predicted: np.ndarray, rolled: RollingOrigins, share: np.ndarray
) -> np.ndarray:
    """Absolute errors (O, H) of combinations whose weights come from the other parts.

    The weights of all parts fit the errors of each part too well for its errors to be those of
    later values. The share of the network is that of all parts: it has forecast only the last one.

    Args:
        predicted: The forecasts of all methods, (M, O, H).
        rolled: The forecasts of the methods but the network.
        share: The weight of the network at each step ahead, (H,).
    """
    count = len(rolled.wanted)
    parts = (count - 1 - np.arange(count)) // rolled.held_out
    errors = np.full(rolled.wanted.shape, np.nan)
    for part in range(parts[0] + 1):
        own = parts == part
        rest = ~own if parts[0] else own
        wanted, others = rolled.wanted[rest], predicted[:, rest].copy()
        others[-1] = np.nan
        with np.errstate(invalid="ignore"):
            size = np.stack([_mean_by_step(one) for one in np.abs(others - wanted)])
        weights = weights_of(np.where(np.isfinite(size), size, np.inf))
        weights = (1 - share) * towards_naive(weights, others, wanted) + _last(share, weights)
        errors[own] = np.abs(combined(predicted[:, own], weights) - rolled.wanted[own])
    return errors


def known_errors(predicted: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Absolute errors (O, H) of the weighted mean of all methods but the network.

    Args:
        predicted: Their forecasts, (7, O, H).
        wanted: The values, (O, H).
        weights: The weights of `METHODS` at each of these steps ahead or more, (8, H and more).
    """
    return np.abs(combined(predicted, weights[:-1, : wanted.shape[1]]) - wanted)


def recent_size(errors: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """The size of the errors that are known at each origin and after the last, (T + 1, H); 1 is the
    usual size.

    The size at a step ahead is that of the errors at this step, or of those one step ahead if that
    is larger: errors far ahead show a drift, those one step ahead a change that is new.

    Args:
        errors: Absolute errors of the forecasts from consecutive origins, (T, H); nan where there
            is none.
        usual: The usual error at each step ahead, (H,).

    Example:
        >>> errors = np.array([[2.0], [2.0], [2.0], [6.0]])
        >>> recent_size(errors, np.array([2.0]))[:, 0].round(2).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.39]
    """
    count, horizon = errors.shape
    sizes = np.empty((count + 1, horizon))
    for step, overlap in enumerate(_overlap(horizon)):
        # the error of a forecast is known when its value is
        unknown = min(step, count)
        known = np.concatenate(
            [np.full(RECENT_STEPS + unknown, np.nan), errors[: count - unknown, step]]
        )
        last = np.lib.stride_tricks.sliding_window_view(known, RECENT_STEPS)
        exist = np.isfinite(last)
        share = exist * 0.5 ** (np.arange(RECENT_STEPS)[::-1] / HALF_LIFE) / overlap
        sums = (share * np.where(exist, last, 0.0)).sum(1) / usual[step]
        sizes[:, step] = (sums + USUAL_STEPS) / (share.sum(1) + USUAL_STEPS)
    return np.maximum(sizes, sizes[:, :1])


def weights_of(size: np.ndarray) -> np.ndarray:
    """Weights (M, H) from the mean absolute error of each method at each step ahead, (M, H); inf
    for a method that cannot be used.

    Example:
        >>> weights_of(np.array([[1.0], [1.1], [2.0], [np.inf]])).round(2).ravel().tolist()
        [0.68, 0.32, 0.0, 0.0]
    """
    relative = size / np.maximum(size.min(0), 1e-300)
    weights = np.where(relative <= TOLERANCE, np.maximum(relative, 1.0) ** -SHARPNESS, 0.0)
    return weights / weights.sum(0)


def combined(predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean (O, H) of the forecasts (M, O, H) that exist; nan where none does."""
    exist = np.isfinite(predicted)
    share = weights[:, None] * exist
    total = share.sum(0)
    with np.errstate(invalid="ignore"):
        return (share * np.where(exist, predicted, 0.0)).sum(0) / np.where(total > 0, total, np.nan)


def described(weights: np.ndarray) -> str:
    """The methods of weights (M,), for a person.

    Example:
        >>> described(np.array([0.0, 0, 0.3, 0, 0, 0, 0, 0.7]))
        'network 0.70, exponential smoothing 0.30'
    """
    order = [k for k in np.argsort(-weights, kind="stable") if weights[k] >= 0.005]
    if len(order) == 1:
        return METHODS[order[0]]
    return ", ".join(f"{METHODS[k]} {weights[k]:.2f}" for k in order)


def quantile_place(level: float) -> int:
    """The number of the quantile of the errors that an interval of a level reaches.

    Example:
        >>> quantile_place(0.8), quantile_place(0.95), quantile_place(1.0)
        (160, 190, 199)
    """
    return min(QUANTILES - 1, round(level * QUANTILES - 0.5))


def _mean_by_step(error: np.ndarray, around: int = SMOOTHED_STEPS) -> np.ndarray:
    """Mean of absolute errors (O, H) at each step ahead, averaged with the steps around it; nan for
    forecasts that do not exist.
    """
    exist = np.isfinite(error)
    counts, sums = exist.sum(0), np.where(exist, error, 0.0).sum(0)
    horizon = len(sums)
    mean = np.full(horizon, np.nan)
    for step in range(horizon):
        near = slice(max(0, step - around), step + around + 1)
        reached = counts[near] > 0
        if counts[step] and reached.any():
            mean[step] = (sums[near][reached] / counts[near][reached]).mean()
        elif step:
            # no origin is so far before the end
            mean[step] = mean[step - 1]
    return mean


def _around(gains: np.ndarray) -> np.ndarray:
    """Numbers (O, H) averaged with those of the steps around, where they exist."""
    padded = np.pad(gains, ((0, 0), (SMOOTHED_STEPS, SMOOTHED_STEPS)), constant_values=np.nan)
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * SMOOTHED_STEPS + 1, axis=1)
    exist = np.isfinite(near)
    mean = np.where(exist, near, 0.0).sum(2) / np.maximum(exist.sum(2), 1)
    return np.where(np.isfinite(gains), mean, np.nan)


def _quantiles(errors: np.ndarray, independent: float) -> np.ndarray:
    """Quantiles of absolute errors, at the centres of `QUANTILES` equal parts of 0 to 1.

    Args:
        errors: The errors; nan is left out.
        independent: N, number of errors that do not overlap. The next one is larger than all of
            them as often as once in N + 1, so that the quantiles are (N + 1) / N times as far.
    """
    errors = np.sort(errors[np.isfinite(errors)])
    places = (np.arange(QUANTILES) + 0.5) / QUANTILES * (1 + 1 / independent)
    # nothing is known beyond the largest
    ranks = np.ceil(places * len(errors)).astype(int) - 1
    return errors[np.clip(ranks, 0, len(errors) - 1)]
