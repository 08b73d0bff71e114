"""Private: sums, means, softmax and cross entropies in the order of TensorFlow 1.13.1.

A float32 sum along the last axis has eight accumulators, as many as an AVX register has numbers.
Along another axis one term is added after another. Other dtypes are summed by NumPy.

Source: Eigen of December 2018, TensorReduction.h; TensorFlow 1.13.1, reduction_ops_common.cc,
    xent_op.h, sparse_xent_op.h and softmax_op_functor.h.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from .elementwise import exp, exp_rows, log, logf
from .loops import address, compiled

__all__ = [
    "bias_add_grad",
    "l2_loss",
    "log_softmax",
    "max",
    "mean",
    "softmax",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
    "sum",
    "sum_registers",
]

_REGISTER = 8
# Longer sums are split in two (Eigen's tree reduction).
_LONGEST = 1024 * _REGISTER


def sum_registers(rows: np.ndarray) -> np.ndarray:
    """The sums of rows of whole registers.

    Args:
        rows: float32, (R, C); C is a multiple of eight.
    """
    registers = rows.reshape(len(rows), rows.shape[1] // _REGISTER, _REGISTER)
    accumulators = np.add.reduce(registers, axis=1, initial=np.float32(0))
    four = accumulators[:, :4] + accumulators[:, 4:]
    return (four[:, 0] + four[:, 2]) + (four[:, 1] + four[:, 3])


def _sum_rows(rows: np.ndarray, first: int = 0) -> np.ndarray:
    """The sums of rows along the last axis.

    Args:
        rows: float32, (R, C), each contiguous.
        first: The place of the first number in the array that the row is in: a long row is split
            where a register of the array begins.
    """
    count = rows.shape[1]
    if count > _LONGEST:
        half = -(-count // 2)
        left = min(_REGISTER * -(-(first + half) // _REGISTER) - first, count)
        total = np.float32(0) + _sum_rows(rows[:, :left], first)
        return total + _sum_rows(rows[:, left:], first + left) if left < count else total
    loops = compiled()
    if loops is None:
        return sum_rows_numpy(rows)
    total = np.empty(len(rows), np.float32)
    loops["sums"](address(rows), address(total), len(rows), count, rows.strides[0] // 4)
    return total


def sum_rows_numpy(rows: np.ndarray) -> np.ndarray:
    """The sums of rows that are not split."""
    whole = rows.shape[1] // _REGISTER * _REGISTER
    rest = np.zeros(len(rows), np.float32)
    for column in rows.T[whole:]:
        rest = rest + column
    return rest + sum_registers(rows[:, :whole]) if whole else rest


def _sum_last(x: np.ndarray) -> np.ndarray:
    """The sums along the last axis of float32 numbers (R, C)."""
    rows, count = x.shape
    if count <= _LONGEST or count % _REGISTER == 0:
        return _sum_rows(x)
    return np.concatenate([_sum_rows(x[r : r + 1], r * count) for r in range(rows)])


def _sum_first(x: np.ndarray) -> np.ndarray:
    """The sums along the first axis, one row after another."""
    if x[0].size < _REGISTER:  # NumPy would reduce few columns in another order
        return np.add.accumulate(x, axis=0)[-1] + x.dtype.type(0)
    return np.add.reduce(x, axis=0, initial=x.dtype.type(0))


def _runs(shape: Sequence[int], reduced: set[int]) -> tuple[list[int], list[bool]]:
    """The sizes of runs of axes that are all reduced, or all kept, and which they are. An axis of
    size 1 belongs to the run before it.
    """
    sizes: list[int] = []
    kinds: list[bool] = []
    for i, size in enumerate(shape):
        if size == 1:
            continue
        kind = i in reduced
        if kinds and kinds[-1] == kind:
            sizes[-1] *= size
        else:
            sizes.append(size)
            kinds.append(kind)
    return sizes, kinds


def sum(x: Any, axes: Sequence[int], keepdims: bool = False) -> np.ndarray:  # noqa: A001
    """The sum of an array.

    Args:
        x: Any shape and dtype.
        axes: The axes that are summed; negative ones count from the last.
        keepdims: Whether they stay, with size 1.
    """
    x = np.asarray(x)
    reduced = {axis % x.ndim for axis in axes} if x.ndim else set()
    if x.dtype != np.float32 or not x.size:
        return np.asarray(np.sum(x, axis=tuple(sorted(reduced)), keepdims=keepdims, dtype=x.dtype))
    shape = [
        1 if i in reduced else n for i, n in enumerate(x.shape) if keepdims or i not in reduced
    ]
    sizes, kinds = _runs(x.shape, reduced)
    x = np.ascontiguousarray(x).reshape(sizes)
    if kinds in ([], [False]):
        total = x.copy()
    elif kinds == [True]:
        total = _sum_last(x[None])
    elif kinds == [True, False]:
        total = _sum_first(x)
    elif kinds == [False, True]:
        total = _sum_last(x)
    elif kinds == [False, True, False]:
        total = _sum_first(np.ascontiguousarray(x.swapaxes(0, 1)))
    elif kinds == [True, False, True]:
        # The last axis is the outer loop.
        ordered = np.ascontiguousarray(x.transpose(2, 0, 1))
        total = _sum_first(ordered.reshape(-1, sizes[1]))
    else:
        kept = [i for i, kind in enumerate(kinds) if not kind]
        order = kept + [i for i, kind in enumerate(kinds) if kind]
        rows = int(np.prod([sizes[i] for i in kept]))
        total = _sum_last(np.ascontiguousarray(x.transpose(order)).reshape(rows, -1))
    return total.reshape(shape)


def mean(x: Any, axes: Sequence[int], keepdims: bool = False) -> np.ndarray:
    """The mean of an array; the arguments are those of `sum`."""
    x = np.asarray(x)
    total = sum(x, axes, keepdims)
    count = x.size // total.size if total.size else 0
    with np.errstate(all="ignore"):
        if x.dtype.kind in "iu":  # towards 0
            quotient = np.abs(total) // np.abs(count) if count else total * 0
            return (np.sign(total) * quotient).astype(x.dtype)
        return np.asarray(total / x.dtype.type(count))


def max(x: Any, axes: Sequence[int], keepdims: bool = False) -> np.ndarray:  # noqa: A001
    """The largest number; the arguments are those of `sum`."""
    x = np.asarray(x)
    axis = tuple({a % x.ndim for a in axes}) if x.ndim else ()
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return np.asarray(np.max(x, axis=axis, keepdims=keepdims, initial=x.dtype.type(lowest)))


def bias_add_grad(x: Any) -> np.ndarray:
    """The sum over all but the last axis, row after row, even if there is one column.

    Args:
        x: (..., C).
    """
    x = np.asarray(x)
    if x.dtype != np.float32 or not x.size:
        return sum(x, range(x.ndim - 1))
    return _sum_first(np.ascontiguousarray(x).reshape(-1, x.shape[-1]))


def l2_loss(x: Any) -> np.ndarray:
    """Half the sum of squares.

    Args:
        x: Any shape, floating point.
    """
    x = np.asarray(x)
    return np.asarray(sum(x * x, range(x.ndim)) * x.dtype.type(0.5))


# ---------------------------------------------------------------- softmax


def _shifted(logits: Any) -> np.ndarray:
    logits = np.asarray(logits)
    if logits.ndim != 2:
        raise SizeError(f"logits of shape {logits.shape}: give (B, C)")
    return logits - max(logits, (1,), keepdims=True) if logits.size else logits


def softmax(logits: Any) -> np.ndarray:
    """The softmax along the last axis.

    Args:
        logits: (B, C), floating point.
    """
    powers = exp(_shifted(logits))
    return powers * (1 / sum(powers, (1,), keepdims=True)) if powers.size else powers


def log_softmax(logits: Any) -> np.ndarray:
    """The logarithm of the softmax along the last axis.

    Args:
        logits: (B, C), floating point.
    """
    shifted = _shifted(logits)
    return shifted - log(sum(exp_rows(shifted), (1,), keepdims=True)) if shifted.size else shifted


def softmax_cross_entropy(logits: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """The cross entropy of probabilities, and the gradient of the logits.

    Args:
        logits, labels: (B, C), the same dtype.

    Returns:
        The loss (B,) and the gradient (B, C).
    """
    shifted, labels = _shifted(logits), np.asarray(labels)
    if not shifted.size:
        return np.zeros(len(shifted), shifted.dtype), shifted
    totals = sum(exp_rows(shifted), (1,), keepdims=True)
    loss = sum(labels * (log(totals) - shifted), (1,))
    return loss, exp(shifted) / totals - labels


def sparse_softmax_cross_entropy(logits: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """The cross entropy of classes, and the gradient of the logits.

    Args:
        logits: (B, C).
        labels: Whole numbers from 0 to C - 1, (B,).

    Returns:
        The loss (B,) and the gradient (B, C).

    Raises:
        InputError: A label is not a class.
    """
    shifted, labels = _shifted(logits), np.asarray(labels)
    if not shifted.size:
        return np.zeros(len(shifted), shifted.dtype), shifted
    wrong = labels[(labels < 0) | (labels >= shifted.shape[1])]
    if len(wrong):
        raise InputError(
            f"Received a label value of {wrong[0]} which is outside the valid range of "
            f"[0, {shifted.shape[1]}). Label values: {' '.join(map(str, labels.tolist()))}"
        )
    rows = np.arange(len(labels))
    totals = sum(exp_rows(shifted), (1,), keepdims=True)
    loss = logf(totals)[:, 0] - shifted[rows, labels]
    gradient = exp(shifted) / totals
    gradient[rows, labels] -= 1
    return loss, gradient
