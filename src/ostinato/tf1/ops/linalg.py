"""Private: decompositions of matrices, and identity matrices."""

import numpy as np

from ...errors import InputError
from ..core.conversion import apply
from ..core.dtypes import DTYPES, DTypeLike
from ..core.graph import name_scope
from ..core.registry import define
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import householder
from . import arrays, math

__all__ = ["eye", "qr"]


def _qr_outputs(op: Operation) -> list:
    (x,) = op.inputs
    dtype = x.dtype.base_dtype
    if x.shape.sizes is None:
        return [(dtype, None), (dtype, None)]
    *batch, rows, columns = x.shape.with_rank_at_least(2).as_list()
    known = rows is not None and columns is not None
    inner = min(rows, columns) if known else None  # type: ignore[type-var]
    if op.attrs["full_matrices"]:
        inner = rows
    return [(dtype, [*batch, rows, inner]), (dtype, [*batch, inner, columns])]


def _qr(op: Operation, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if op.attrs["full_matrices"]:
        q, r = np.linalg.qr(x, "complete")
        return q, r
    found = [householder.qr(m) for m in x.reshape(-1, *x.shape[-2:])]
    inner = min(x.shape[-2:])
    q = np.array([q for q, _ in found]).reshape(*x.shape[:-1], inner)
    r = np.array([r for _, r in found]).reshape(*x.shape[:-2], inner, x.shape[-1])
    return q, r


define("Qr", _qr_outputs, _qr)


def qr(
    input: TensorLike,  # noqa: A002
    full_matrices: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The QR decomposition of matrices.

    Args:
        input: (..., M, N).
        full_matrices: Whether the first factor is (M, M); otherwise it is (M, min(M, N)).
        name: The name of the operation.
    """
    attrs = {"full_matrices": full_matrices}
    q, r = apply("Qr", {"input": input}, name=name, attrs=attrs).outputs
    return q, r


def eye(
    num_rows: TensorLike,
    num_columns: TensorLike | None = None,
    batch_shape: TensorLike | None = None,
    dtype: DTypeLike = DTYPES["float32"],
    name: str | None = None,
) -> Tensor:
    """Identity matrices.

    Args:
        num_rows, num_columns: The size; None for a square matrix.
        batch_shape: The shape of the batch of matrices; None for one matrix.
        dtype: The dtype.
        name: The name of the scope of the operations.

    Raises:
        InputError: A size is negative.
    """
    columns = num_rows if num_columns is None else num_columns
    with name_scope(name, "eye"):
        square = num_columns is None or columns is num_rows
        if any(isinstance(t, Tensor) for t in (num_rows, columns, batch_shape)):
            batch = arrays.reshape(batch_shape or np.zeros(0, np.int32), [-1])
            size = math.minimum(num_rows, columns)
            diagonal = arrays.ones(arrays.concat([batch, [size]], 0), dtype)
            shape: TensorLike = arrays.concat([batch, [num_rows, columns]], 0)
        else:
            if num_rows < 0 or columns < 0:
                raise InputError(f"tf.eye({num_rows}, {columns}): give sizes from 0 on")
            square = square or num_rows == columns
            outer = [] if batch_shape is None else TensorShape(batch_shape).as_list()
            diagonal = arrays.ones([*outer, min(num_rows, columns)], dtype)
            shape = [*outer, num_rows, columns]
        if square:
            return arrays.matrix_diag(diagonal)
        return arrays.matrix_set_diag(arrays.zeros(shape, dtype), diagonal)
