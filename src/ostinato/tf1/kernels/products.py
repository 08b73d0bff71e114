"""Private: matrix products in the order of sums of TensorFlow 1.13.1's MatMul and BatchMatMul.

A product of float32 matrices is Eigen's. A sum runs along K one term after another, except

- the last N % 8 columns of the first M // 4 * 4 rows, which have eight accumulators;
- one row or one column, which is a product of a matrix and a vector;
- long sums, which are added up in blocks of K.

Other dtypes are NumPy's.

Source: Eigen of December 2018, GeneralBlockPanelKernel.h and GeneralMatrixVector.h; TensorFlow
    1.13.1, matmul_op.cc.
"""

from typing import Any

import numpy as np

from ...errors import SizeError
from .loops import address, compiled
from .sums import sum_registers

__all__ = ["batch_matmul", "matmul", "ordered_dots", "register_dots"]

# Bytes of the first-level data cache on which blocks of K depend: the size on the computer on
# which TensorFlow 1.13.1 was recorded. On another the digits of long sums differ.
_CACHE = 49152
# Eigen's tile of a product has 16 x 4 numbers.
_TILE = 16, 4
_REGISTER = 8


def _block(k: int) -> int:
    """The number of terms that are summed from zero before they are added to the result."""
    rows, columns = _TILE
    most = (_CACHE - rows * columns * 4) // ((rows + columns) * 4) // 8 * 8
    if k <= most or k % most == 0:
        return min(k, most)
    return most - 8 * ((most - 1 - k % most) // (8 * (k // most + 1)))


def _vector_block(k: int, step: int) -> int:
    """The same for a matrix, whose rows are `step` numbers apart, that is transposed and multiplied
    by a vector.
    """
    if k < 128:
        return k
    return 16 if step * 4 < 32000 else 4


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> np.ndarray:
    """The product of two matrices.

    Args:
        a: (M, K), or (K, M) with transpose_a.
        b: (K, N), or (N, K) with transpose_b.
        transpose_a, transpose_b: Whether a matrix is transposed first.

    Returns:
        (M, N).
    """
    a, b = np.asarray(a), np.asarray(b)
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    if a.ndim != 2 or b.ndim != 2 or left.shape[1] != right.shape[0]:
        raise SizeError(
            f"matmul was given {a.shape}{' transposed' * transpose_a} and "
            f"{b.shape}{' transposed' * transpose_b}: give (M, K) and (K, N)"
        )
    if a.dtype != np.float32:
        return left @ right
    (m, k), n = left.shape, right.shape[1]
    if not m * n * k:
        return np.zeros((m, n), np.float32)
    if m == 1 and transpose_b:
        return _dots(np.ascontiguousarray(b), left).reshape(m, n)
    if m == 1:
        return _ordered(left, right, _vector_block(k, n))
    if n == 1 and transpose_a:
        column = np.ascontiguousarray(right).reshape(1, k)
        return _ordered(column, a, _vector_block(k, m)).reshape(m, n)
    if n == 1:
        return _dots(np.ascontiguousarray(a), right).reshape(m, n)
    return _product(left, right)


def batch_matmul(x: Any, y: Any, adj_x: bool = False, adj_y: bool = False) -> np.ndarray:
    """The products of matrices in the last two axes.

    Args:
        x: (..., M, K), or (..., K, M) with adj_x.
        y: (..., K, N), or (..., N, K) with adj_y.
        adj_x, adj_y: Whether the matrices are transposed first.

    Returns:
        (..., M, N).
    """
    x, y = np.asarray(x), np.asarray(y)
    left = x.swapaxes(-1, -2) if adj_x else x
    right = y.swapaxes(-1, -2) if adj_y else y
    if x.shape[:-2] != y.shape[:-2] or left.shape[-1] != right.shape[-2]:
        raise SizeError(
            f"matmul was given {x.shape}{' transposed' * adj_x} and "
            f"{y.shape}{' transposed' * adj_y}: give (..., M, K) and (..., K, N)"
        )
    if x.dtype != np.float32:
        return left @ right
    out = np.zeros((*left.shape[:-1], right.shape[-1]), np.float32)
    if left.shape[-1]:
        for i in np.ndindex(*x.shape[:-2]):
            out[i] = _product(left[i], right[i])
    return out


def register_dots(v: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The products of a vector and columns, as Eigen sums them where a column is contiguous.

    Args:
        v: (M,).
        columns: (M, N).
    """
    if v.dtype != np.float32:
        return v @ columns
    return _dots(np.ascontiguousarray(columns.T), v)


def ordered_dots(v: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The same as Eigen sums them where a row is contiguous."""
    if v.dtype != np.float32:
        return v @ columns
    if not columns.size:
        return np.zeros(columns.shape[1], np.float32)
    return _ordered(v[None], columns, _vector_block(*columns.shape))[0]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (m, k), n = a.shape, b.shape[1]
    block = _block(k)
    c = _ordered(a, b, block)
    rows, columns = m // 4 * 4, n % 8
    if rows and columns:
        _last_columns(a[:rows], b[:, -columns:], c[:rows, -columns:], block)
    return c


def _ordered(a: np.ndarray, b: np.ndarray, block: int) -> np.ndarray:
    """a @ b, with each sum one after another within blocks."""
    loops = compiled()
    if loops is None:
        return ordered_numpy(a, b, block)
    (m, k), n = a.shape, b.shape[1]
    b, c = np.ascontiguousarray(b), np.empty((m, n), np.float32)
    row, column = (step // 4 for step in a.strides)
    loops["product"](address(a), address(b), address(c), m, n, k, block, row, column)
    return c


def ordered_numpy(a: np.ndarray, b: np.ndarray, block: int) -> np.ndarray:
    """The same by NumPy."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for start in range(0, len(b), block):
        part = np.zeros_like(total)
        for k in range(start, min(start + block, len(b))):
            part += a[:, k : k + 1] * b[k]
        total += part
    return total


def _last_columns(a: np.ndarray, b: np.ndarray, c: np.ndarray, block: int) -> None:
    """Fill the last columns of a product.

    Args:
        a: (M, K).
        b: (K, columns), part of the matrix.
        c: (M, columns), part of the result.
        block: The number of terms in a block.
    """
    loops = compiled()
    if loops is None:
        c[:] = last_columns_numpy(a, b, block)
        return
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b.T)
    loops["columns"](
        address(a), address(b), address(c), len(a), len(b), b.shape[1], block, c.strides[0] // 4
    )


def last_columns_numpy(a: np.ndarray, b: np.ndarray, block: int) -> np.ndarray:
    """The same by NumPy."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for start in range(0, len(b), block):
        stop = min(start + block, len(b))
        terms = a.T[start:stop, :, None] * b[start:stop, None, :]
        whole, even = len(terms) // 8 * 8, len(terms) // 2 * 2
        accumulators = np.zeros((_REGISTER, *total.shape), np.float32)
        for k in range(0, whole, _REGISTER):
            accumulators += terms[k : k + _REGISTER]
        pair = (accumulators[0:2] + accumulators[2:4]) + (accumulators[4:6] + accumulators[6:8])
        for k in range(whole, even, 2):
            pair += terms[k : k + 2]
        part = pair[0] + pair[1]
        for term in terms[even:]:
            part += term
        total += part
    return total


def _dots(a: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A contiguous matrix (M, K) times a vector (K,)."""
    loops = compiled()
    v = np.ascontiguousarray(v).reshape(-1)
    if loops is None:
        return dots_numpy(a, v)
    c = np.empty(len(a), np.float32)
    loops["dots"](address(a), address(v), address(c), *a.shape)
    return c


def dots_numpy(a: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The same by NumPy."""
    terms = a * v
    whole = len(v) // _REGISTER * _REGISTER
    total = sum_registers(terms[:, :whole])
    for term in terms[:, whole:].T:
        total = total + term
    return total
