"""Private: the baseline of sequences of numbers: the label of the nearest training sequence."""

from collections.abc import Sequence

import numpy as np

# Sequences are resampled to the median length, or to this one if that is shorter.
LONGEST = 512
# Training rows that are compared.
ROWS = 10_000


def nearest_labels(
    rows: Sequence[np.ndarray], labels: np.ndarray, others: Sequence[np.ndarray]
) -> np.ndarray:
    """The label of the row with the smallest Euclidean distance to each of the others.

    Args:
        rows: Training rows, (T, F) each; lengths may differ, so rows are resampled to one length.
        labels: Their labels, (N,).
        others: M rows.

    Returns:
        (M,) labels.

    Example:
        >>> low, high = np.zeros((3, 1)), np.ones((5, 1))
        >>> nearest_labels([low, high], np.array([0, 1]), [high - 0.1, low[:0]]).tolist()
        [1, 0]
    """
    from sklearn.neighbors import KNeighborsClassifier

    rows = rows[:ROWS]
    steps = int(np.clip(np.median([len(row) for row in rows]), 1, LONGEST))
    nearest = KNeighborsClassifier(1).fit(_resampled(rows, steps), labels[: len(rows)])
    return nearest.predict(_resampled(others, steps))


def _resampled(rows: Sequence[np.ndarray], steps: int) -> np.ndarray:
    """Rows (T, F) at evenly distributed steps, (N, steps F) float32; 0 for a row without steps."""
    found = np.zeros((len(rows), steps, rows[0].shape[1]), np.float32)
    for row, resampled in zip(rows, found):
        if len(row):
            places = np.linspace(0, len(row) - 1, steps)
            for unit in range(row.shape[1]):
                resampled[:, unit] = np.interp(places, np.arange(len(row)), row[:, unit])
    return found.reshape(len(rows), -1)
