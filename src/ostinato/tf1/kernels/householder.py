"""Private: the QR decomposition, by Householder reflections in TensorFlow 1.13.1's order."""

import numpy as np

from .products import ordered_dots, register_dots

__all__ = ["qr"]


def _reflect(
    v: np.ndarray, scale: np.floating, dots: np.ndarray, first: np.ndarray, rest: np.ndarray
) -> None:
    """Reflect columns, in place.

    Args:
        v: The vector (M,), after its first number, which is 1.
        scale: Twice the inverse square of the vector's length.
        dots: The products of v and the columns' rest, (N,).
        first: The columns' first numbers (N,).
        rest: The others (M, N).
    """
    dots = dots + first
    first -= scale * dots
    rest -= (scale * v)[:, None] * dots


def qr(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors of a matrix: one with orthonormal columns, and an upper triangular one.

    In float32 they have TensorFlow's digits if there are up to 32 columns; larger matrices differ
    by up to 5e-7.

    Args:
        matrix: (M, N), float32 or float64.

    Returns:
        (M, min(M, N)) and (min(M, N), N).

    Source: Eigen, HouseholderQR.h and HouseholderSequence.h.
    """
    a = np.array(matrix)
    rows, columns = a.shape
    count = min(rows, columns)
    scales = np.zeros(count, a.dtype)
    for k in range(count):
        below = a[k + 1 :, k].copy()
        # One square after another.
        square = np.add.accumulate(below * below)[-1] if len(below) else a.dtype.type(0)
        if square <= np.finfo(a.dtype).tiny:
            a[k + 1 :, k] = 0
            continue
        first = a[k, k]
        length = np.sqrt(first * first + square)
        length = -length if first >= 0 else length
        below /= first - length
        scales[k] = (length - first) / length
        a[k, k], a[k + 1 :, k] = length, below
        rest = a[k + 1 :, k + 1 :]
        _reflect(below, scales[k], ordered_dots(below, rest), a[k, k + 1 :], rest)
    q = np.eye(rows, count, dtype=a.dtype)
    for k in reversed(range(count)):
        below, rest = a[k + 1 :, k].copy(), q[k + 1 :]
        _reflect(below, scales[k], register_dots(below, rest), q[k], rest)
    return q, np.triu(a[:count])
