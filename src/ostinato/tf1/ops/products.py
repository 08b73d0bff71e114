"""Private: products of matrices and tensors."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DType
from ..core.graph import name_scope
from ..core.registry import define
from ..core.shape import TensorShape
from ..core.shapes_of import merge_sizes
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import products as kernels
from . import choices, comparisons, indexing, joining, ranges, reductions, reshaping, shapes
from .inference import checked

__all__ = ["batch_mat_mul", "mat_mul", "matmul", "matvec", "tensordot"]


def _mat_mul_outputs(op: Operation) -> list[tuple[DType, Any]]:
    dtype = checked(op, "iufc", "tf.matmul")
    a, b = (t.shape for t in op.inputs)
    if a.ndims not in (None, 2) or b.ndims not in (None, 2):
        raise SizeError(
            f"tf.matmul was given shapes {a} and {b}: give it two matrices; use tf.reshape for "
            "other numbers of dimensions"
        )
    rows, inner = a.sizes or (None, None)
    below, columns = b.sizes or (None, None)
    if op.attrs["transpose_a"]:
        rows, inner = inner, rows
    if op.attrs["transpose_b"]:
        below, columns = columns, below
    merge_sizes(inner, below, f"{op.name} of {a} and {b}")
    return [(dtype, [rows, columns])]


def _mat_mul(op: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    transpose_a, transpose_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    inner, below = a.shape[not transpose_a], b.shape[transpose_b]
    merge_sizes(inner, below, f"{op.name} of {a.shape} and {b.shape} in this run")
    return kernels.matmul(a, b, transpose_a, transpose_b)


define("MatMul", _mat_mul_outputs, _mat_mul)


def _batch_outputs(op: Operation) -> list[tuple[DType, Any]]:
    dtype = checked(op, "iufc", "tf.matmul")
    x, y = (t.shape for t in op.inputs)
    if x.sizes is None or y.sizes is None:
        return [(dtype, TensorShape(None))]
    rows, inner = x.sizes[-2:]
    below, columns = y.sizes[-2:]
    if op.attrs["adj_x"]:
        rows, inner = inner, rows
    if op.attrs["adj_y"]:
        below, columns = columns, below
    merge_sizes(inner, below, f"{op.name} of {x} and {y}")
    batch = TensorShape(x.sizes[:-2]).merge_with(y.sizes[:-2])
    return [(dtype, batch.concatenate([rows, columns]))]


def _batch(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return kernels.batch_matmul(x, y, op.attrs["adj_x"], op.attrs["adj_y"])


define("BatchMatMul", _batch_outputs, _batch)


def mat_mul(
    a: TensorLike,
    b: TensorLike,
    transpose_a: bool = False,
    transpose_b: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of two matrices, in an operation MatMul; see `matmul`."""
    attrs = {"transpose_a": bool(transpose_a), "transpose_b": bool(transpose_b)}
    return apply("MatMul", {"a": a, "b": b}, name=name, attrs=attrs, same=("a", "b")).outputs[0]


def batch_mat_mul(
    x: TensorLike,
    y: TensorLike,
    adj_x: bool = False,
    adj_y: bool = False,
    name: str | None = None,
) -> Tensor:
    """The products of matrices (..., M, K) and (..., K, N), in an operation BatchMatMul.

    Args:
        x, y: The matrices.
        adj_x, adj_y: Whether to transpose them first.
        name: The name of the operation.
    """
    attrs = {"adj_x": bool(adj_x), "adj_y": bool(adj_y)}
    given = {"x": x, "y": y}
    return apply("BatchMatMul", given, name=name, attrs=attrs, same=("x", "y")).outputs[0]


def matmul(
    a: TensorLike,
    b: TensorLike,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of two matrices, or of two tensors (..., M, K) and (..., K, N) of matrices.

    Args:
        a, b: The matrices.
        transpose_a, transpose_b: Whether to transpose them first.
        adjoint_a, adjoint_b: The same, since complex numbers are not supported.
        a_is_sparse, b_is_sparse: Not supported.
        name: The name of the operation.

    Raises:
        SizeError: The sizes do not match.
        InputError: Sparse factors are asked for, or a matrix is to be transposed twice.
    """
    for letter, twice in ("a", transpose_a and adjoint_a), ("b", transpose_b and adjoint_b):
        if twice:
            raise InputError(
                f"tf.matmul: Only one of transpose_{letter} and adjoint_{letter} can be True."
            )
    if a_is_sparse or b_is_sparse:
        raise InputError("tf.matmul(a_is_sparse=True) is not provided: leave a_is_sparse out")
    first, second = transpose_a or adjoint_a, transpose_b or adjoint_b
    with name_scope(name, "MatMul") as scope:
        a, b = convert_to_tensor(a, name="a"), convert_to_tensor(b, name="b")
        if all(t.shape.ndims is None or t.shape.ndims > 2 for t in (a, b)):
            return batch_mat_mul(a, b, first, second, name=scope)
        return mat_mul(a, b, first, second, name=scope)


def matvec(
    a: TensorLike,
    b: TensorLike,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of a matrix (..., M, K) and a vector (..., K); see `matmul`."""
    with name_scope(name, "MatVec"):
        column = reshaping.expand_dims(b, axis=-1)
        product = matmul(
            a,
            column,
            transpose_a=transpose_a,
            adjoint_a=adjoint_a,
            a_is_sparse=a_is_sparse,
            b_is_sparse=b_is_sparse,
        )
        return reshaping.squeeze(product, axis=-1)


# Sums over any dimensions


def _pair_of_axes(a: Tensor, axes: Any) -> tuple[Any, Any]:
    """The dimensions of each of two tensors that are summed over."""
    rank = a.shape.ndims
    if isinstance(axes, numbers.Integral):
        count = int(axes)
        if count < 0 or rank is not None and count > rank:
            raise InputError(
                f"tf.tensordot was given axes={count}: 'axes' must be at least 0 and not larger "
                f"than the number of dimensions of {a}"
            )
        if rank is not None:
            last = list(range(rank - count, rank))
            return last, list(range(count))
        found = shapes.rank(a)
        return ranges.range(found - count, found, dtype="int32"), ranges.range(count, dtype="int32")
    if not isinstance(axes, (list, tuple)):
        both = convert_to_tensor(axes, name="axes", dtype="int32")
        return both[0], both[1]
    if len(axes) != 2:
        raise InputError(
            f"tf.tensordot was given axes={axes!r}: 'axes' must be an integer or have length 2."
        )
    first, second = ([i] if isinstance(i, numbers.Integral) else i for i in axes)
    if len(first) != len(second):
        raise InputError(
            f"tf.tensordot: Different number of contraction axes 'a' and 'b', {len(first)} != "
            f"{len(second)}."
        )
    return first, second


def _as_matrix(x: Tensor, axes: Any, rows_first: bool) -> tuple[Tensor, Any, list | None]:
    """A tensor as a matrix of its other dimensions and the ones to sum over.

    Args:
        x: The tensor.
        axes: The dimensions to sum over.
        rows_first: Whether the other dimensions are the rows; else they are the columns.

    Returns:
        The matrix, and the sizes of the other dimensions: as they are for the result's shape, and
        as far as they are known.
    """
    order: Any
    sizes: Any
    rank = x.shape.ndims
    if rank is not None and isinstance(axes, (list, tuple)):
        summed = [i if i >= 0 else i + rank for i in axes]
        free = [i for i in range(rank) if i not in summed]
        known = [x.shape.as_list()[i] for i in free]
        if x.shape.is_fully_defined():
            parts = (free, summed) if rows_first else (summed, free)
            sizes = [TensorShape([x.shape[i] for i in part]).num_elements() for part in parts]
            order = parts[0] + parts[1]
            return reshaping.reshape(reshaping.transpose(x, order), sizes), known, known
        axes = convert_to_tensor(summed, dtype="int32", name="axes")
        others = convert_to_tensor(free, dtype="int32", name="free")
        shape = shapes.shape(x)
    else:
        known = None
        shape = shapes.shape(x)
        count = shapes.rank(x)
        axes = convert_to_tensor(axes, dtype="int32", name="axes")
        axes = choices.where(comparisons.greater_equal(axes, 0), axes, axes + count)
        others, _ = indexing.setdiff1d(ranges.range(count), axes)
    free_sizes = indexing.gather(shape, others)
    summed_sizes = indexing.gather(shape, axes)
    outer, inner = reductions.reduce_prod(free_sizes), reductions.reduce_prod(summed_sizes)
    order = joining.concat([others, axes] if rows_first else [axes, others], 0)
    sizes = joining.stack([outer, inner] if rows_first else [inner, outer])
    return reshaping.reshape(reshaping.transpose(x, order), sizes), free_sizes, known


def tensordot(
    a: TensorLike, b: TensorLike, axes: int | Sequence, name: str | None = None
) -> Tensor:
    """The sum over some dimensions of the products of two tensors.

    Args:
        a, b: The tensors.
        axes: How many last dimensions of `a` and first ones of `b` to sum over; or a list of two:
            the dimensions of `a` and those of `b`.
        name: The name of the operation.

    Raises:
        InputError: `axes` is another value.
    """
    with name_scope(name, "Tensordot") as scope:
        a, b = convert_to_tensor(a, name="a"), convert_to_tensor(b, name="b")
        first, second = _pair_of_axes(a, axes)
        left, left_sizes, left_known = _as_matrix(a, first, True)
        right, right_sizes, right_known = _as_matrix(b, second, False)
        product = matmul(left, right)
        if isinstance(left_sizes, list) and isinstance(right_sizes, list):
            return reshaping.reshape(product, left_sizes + right_sizes, name=scope)
        left_sizes = convert_to_tensor(left_sizes, dtype="int32")
        right_sizes = convert_to_tensor(right_sizes, dtype="int32")
        whole = joining.concat([left_sizes, right_sizes], 0)
        result = reshaping.reshape(product, whole, name=scope)
        if left_known is not None and right_known is not None:
            result.set_shape(left_known + right_known)
        return result
