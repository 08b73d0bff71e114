"""Private: the QR decomposition, by Householder reflections."""

from collections.abc import Callable

import numpy as np

__all__ = ["qr"]

# Sums over more rows than this are not in TensorFlow's order (Eigen sums registers), which costs
# the last digits.
_MOST_ROWS = 32


def _one_by_one(v: np.ndarray, a: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[1:], a.dtype)
    for x, row in zip(v, a):
        total = total + x * row
    return total


def _at_once(v: np.ndarray, a: np.ndarray) -> np.ndarray:
    return v @ a


def _reflect(a: np.ndarray, v: np.ndarray, tau: np.generic, product: Callable) -> None:
    """Apply the reflection I - tau (1, v)(1, v)' to the rows of a."""
    along = product(v, a[1:]) + a[0]
    a[0] = a[0] - tau * along
    a[1:] = a[1:] - (tau * v)[:, None] * along


def qr(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors of a matrix: one with orthonormal columns, and an upper triangular one.

    Args:
        matrix: (M, N), float32 or float64.

    Returns:
        (M, min(M, N)) and (min(M, N), N).
    """
    a = np.array(matrix)
    kind = a.dtype.type
    rows, columns = a.shape
    count = min(rows, columns)
    product = _one_by_one if rows <= _MOST_ROWS else _at_once
    factors = []
    for k in range(count):
        head, below = a[k, k], a[k + 1 :, k].copy()
        tail = product(below, below[:, None])[0] if below.size else kind(0)
        if tail <= np.finfo(kind).tiny:
            tau, beta = kind(0), head
            below = np.zeros_like(below)
        else:
            beta = np.sqrt(head * head + tail)
            beta = -beta if head >= 0 else beta
            below = below / (head - beta)
            tau = (beta - head) / beta
        factors.append((below, tau))
        a[k, k], a[k + 1 :, k] = beta, 0
        _reflect(a[k:, k + 1 :], below, tau, product)
    q = np.eye(rows, count, dtype=kind)
    for k in reversed(range(count)):
        _reflect(q[k:, k:], *factors[k], product)
    return q, np.triu(a[:count])
