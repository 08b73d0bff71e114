"""Private: how far labels can be relied on: precision and recall of each, the interval of an
accuracy, and the calibration of probabilities.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..errors import InputError


def label_shares(
    right: int, wrong: int, missed: int
) -> tuple[float | None, float | None, float | None, int]:
    """Precision, recall, F1 and count of a label, as `per_label`.

    Args:
        right, wrong: The number of rows for which it is predicted rightly and wrongly.
        missed: The number of its other rows.

    Example:
        >>> label_shares(3, 1, 0), label_shares(0, 0, 0)
        ((0.75, 1.0, 0.8571428571428571, 3), (None, None, None, 0))
    """
    predicted, count = right + wrong, right + missed
    return (
        right / predicted if predicted else None,
        right / count if count else None,
        2 * right / (predicted + count) if predicted + count else None,
        count,
    )


def per_label(counts: np.ndarray) -> list[tuple[float | None, float | None, float | None, int]]:
    """Precision, recall, F1 and count of each label.

    Args:
        counts: Confusion matrix (C, C): rows are true labels, columns are predicted labels.

    Returns:
        A tuple for each label. Precision is None for a label that was never predicted, recall for
        one that does not occur, F1 if both are missing.

    Example:
        >>> per_label(np.array([[3, 1], [0, 0]]))
        [(1.0, 0.75, 0.8571428571428571, 4), (0.0, None, 0.0, 0)]
    """
    right = counts.diagonal()
    wrong, missed = counts.sum(0) - right, counts.sum(1) - right
    return [*map(label_shares, right.tolist(), wrong.tolist(), missed.tolist())]


def accuracy_interval(
    right: Sequence[int], total: Sequence[int], *, level: float = 0.95
) -> tuple[float, float] | None:
    """A confidence interval of an accuracy: Wilson's score interval.

    Args:
        right: The number of correct predictions in each group, (N,). Rows that are independent are
            groups of one; the words of a sentence, or the frames of a clip, are not independent.
        total: The number of predictions in each group, (N,).
        level: The probability that the interval contains the accuracy.

    Returns:
        Both ends; None without predictions.

    Source:
        Wilson, Journal of the American Statistical Association 22 (1927). For groups, the number of
        predictions is divided by the design effect, the variance over groups relative to that of
        independent predictions: Korn and Graubard, Survey Methodology 24 (1998).

    Example:
        >>> low, high = accuracy_interval([1] * 45 + [0] * 5, [1] * 50)
        >>> f"{low:.3f} {high:.3f}"
        '0.786 0.957'
    """
    hits, sizes = np.asarray(right, np.float64), np.asarray(total, np.float64)
    if hits.shape != sizes.shape or (hits > sizes).any() or (hits < 0).any():
        raise InputError(
            f"{hits.shape} correct counts for {sizes.shape} total counts: give one for each group, "
            "from 0 to its total"
        )
    hits, sizes = hits[sizes > 0], sizes[sizes > 0]
    if not len(sizes):
        return None
    count, share = float(sizes.sum()), float(hits.sum() / sizes.sum())
    if not 0 < share < 1:
        count = float(len(sizes))  # without a variance, a group counts as one prediction
    elif len(sizes) > 1 and (sizes > 1).any():
        # the variance of a ratio over groups
        deviations = hits - share * sizes
        variance = len(sizes) / (len(sizes) - 1) * (deviations**2).sum() / count**2
        count /= max(1.0, variance / (share * (1 - share) / count))
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    # rounding can move an end past the accuracy itself
    return max(0.0, float(min(middle - half, share))), min(1.0, float(max(middle + half, share)))


@dataclass(frozen=True)
class Reliability:
    """How well predicted probabilities agree with the accuracy.

    Attributes:
        confidence: Mean predicted probability of each bin that has predictions.
        accuracy: Fraction of correct predictions of each such bin.
        counts: Number of predictions of each such bin.
        error: The expected calibration error: the mean difference of the two, weighted by counts.
    """

    confidence: list[float]
    accuracy: list[float]
    counts: list[int]
    error: float


def calibration(sure, right, *, bins: int = 10) -> Reliability | None:
    """The reliability of predicted probabilities, in bins of equal width.

    Args:
        sure: The probability of each prediction, (N,), 0 to 1.
        right: Whether each prediction is correct, (N,).
        bins: The number of bins.

    Returns:
        The reliability; None without predictions.

    Source:
        Guo et al., "On calibration of modern neural networks" (2017), section 2.

    Example:
        >>> found = calibration([0.9, 0.9, 0.9, 0.6], [True, True, False, True])
        >>> found.counts, round(found.error, 3)
        ([1, 3], 0.275)
    """
    sure, right = np.asarray(sure, np.float64), np.asarray(right, bool)
    if sure.shape != right.shape or sure.ndim != 1 or not ((0 <= sure) & (sure <= 1 + 1e-6)).all():
        raise InputError(
            f"probabilities of shape {sure.shape} for {right.shape} predictions: give one from 0 "
            "to 1 for each"
        )
    if not len(sure):
        return None
    places = np.minimum((sure * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    used = counts > 0
    confidence = np.bincount(places, sure, bins)[used] / counts[used]
    accuracy = np.bincount(places, right, bins)[used] / counts[used]
    return Reliability(
        confidence.tolist(),
        accuracy.tolist(),
        counts[used].tolist(),
        float((counts[used] * np.abs(confidence - accuracy)).sum() / len(sure)),
    )
