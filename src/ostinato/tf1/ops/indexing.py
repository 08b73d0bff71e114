"""Private: rows and elements of tensors by index, by condition and by length."""

from collections import namedtuple
from typing import Any

import numpy as np

from ...errors import SizeError
from ..core.constant import constant_value, constant_value_as_shape
from ..core.conversion import apply
from ..core.dtypes import DTypeLike, as_dtype
from ..core.registry import define, not_differentiable
from ..core.shapes_of import (
    axis_of,
    base_dtype,
)
from ..core.tensors import Operand, Operation, Tensor, TensorLike

__all__ = [
    "check_indices",
    "gather",
    "gather_nd",
    "list_diff",
    "scatter_nd",
    "setdiff1d",
    "unique",
    "unique_with_counts",
]


# Gather


def _gathered(op: Operation) -> list:
    params, indices, last = op.inputs
    dtype, axis = base_dtype(params), constant_value(last)
    sizes, rows = params.shape.sizes, indices.shape.sizes
    if sizes is None or rows is None:
        return [(dtype, None)]
    if axis is None:
        return [(dtype, [None] * (len(sizes) + len(rows) - 1))]
    along = axis_of(axis, len(sizes), "tf.gather")
    return [(dtype, [*sizes[:along], *rows, *sizes[along + 1 :]])]


def _gather(op: Operation, params: np.ndarray, indices: np.ndarray, axis: np.ndarray) -> np.ndarray:
    check_indices(indices, params.shape[int(axis)])
    return np.take(params, indices, int(axis))


def check_indices(indices: np.ndarray, count: int) -> None:
    """Raise an IndexError where an index is not a number from 0 to count - 1."""
    wrong = (indices < 0) | (indices >= count)
    if np.any(wrong):
        place = np.argwhere(wrong)[0].tolist()
        raise IndexError(f"indices{place} = {indices[tuple(place)]} is not in [0, {count})")


define("GatherV2", _gathered, _gather)


def gather(
    params: TensorLike,
    indices: TensorLike,
    validate_indices: bool | None = None,
    name: str | None = None,
    axis: Any = 0,
) -> Tensor:
    """Rows of a tensor.

    Args:
        params: The tensor.
        indices: The numbers of the rows.
        validate_indices: Accepted for compatibility.
        name: The name of the operation.
        axis: The dimension of the rows.
    """
    if not isinstance(axis, Operand) and axis == 0 and hasattr(params, "sparse_read"):
        return params.sparse_read(indices, name=name)  # a resource variable
    inputs = {"params": params, "indices": indices, "axis": axis}
    return apply("GatherV2", inputs, name=name).outputs[0]


def _gathered_nd(op: Operation) -> list:
    params, indices = op.inputs
    rows = indices.shape.sizes
    depth = rows[-1] if rows else None
    if rows is None or depth is None or params.shape.sizes is None:
        return [(base_dtype(params), None)]
    if depth > len(params.shape):
        raise SizeError(f"tf.gather_nd of {params} was given indices of {depth} dimensions")
    return [(base_dtype(params), [*rows[:-1], *params.shape.sizes[depth:]])]


def _places(indices: np.ndarray, shape: tuple) -> tuple:
    for i in range(indices.shape[-1]):
        check_indices(indices[..., i], shape[i])
    return tuple(np.moveaxis(indices, -1, 0))


define(
    "GatherNd",
    _gathered_nd,
    lambda op, params, indices: np.array(params[_places(indices, params.shape)]),
)


def gather_nd(params: TensorLike, indices: TensorLike, name: str | None = None) -> Tensor:
    """Elements or parts of a tensor.

    Args:
        params: The tensor.
        indices: The place of each one, (..., dimensions).
        name: The name of the operation.
    """
    return apply("GatherNd", {"params": params, "indices": indices}, name=name).outputs[0]


def _scattered(
    op: Operation, indices: np.ndarray, updates: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    whole = np.zeros(shape, np.asarray(updates).dtype)
    np.add.at(whole, _places(indices, whole.shape), updates)
    return whole


define(
    "ScatterNd",
    lambda op: [(base_dtype(op.inputs[1]), constant_value_as_shape(op.inputs[2]))],
    _scattered,
)


def scatter_nd(
    indices: TensorLike, updates: TensorLike, shape: TensorLike, name: str | None = None
) -> Tensor:
    """Zeros with values added at some places.

    Args:
        indices: The place of each value, (..., dimensions).
        updates: The values.
        shape: The shape of the result.
        name: The name of the operation.
    """
    inputs = {"indices": indices, "updates": updates, "shape": shape}
    return apply("ScatterNd", inputs, name=name, same=("indices", "shape")).outputs[0]


# Unique values


def _distinct(op: Operation, x: np.ndarray) -> tuple:
    kind = op.attrs["out_idx"].as_numpy_dtype
    values, first, number, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    results = (values[order], rank[number.reshape(-1)].astype(kind), counts[order].astype(kind))
    return results[: len(op.outputs)]


def _distinct_shapes(op: Operation) -> list:
    (x,) = op.inputs
    return [(base_dtype(x), [None]), (op.attrs["out_idx"], x.shape)]


define("Unique", _distinct_shapes, _distinct)
define(
    "UniqueWithCounts",
    lambda op: [*_distinct_shapes(op), (op.attrs["out_idx"], [None])],
    _distinct,
)
not_differentiable("Unique", "UniqueWithCounts")

Unique = namedtuple("Unique", ["y", "idx"])
UniqueWithCounts = namedtuple("UniqueWithCounts", ["y", "idx", "count"])


def unique(x: TensorLike, out_idx: DTypeLike = "int32", name: str | None = None) -> Unique:
    """The distinct values of a vector, in the order in which they appear.

    Returns:
        The values, and for each element the number of its value.
    """
    attrs = {"out_idx": as_dtype(out_idx)}
    return Unique(*apply("Unique", {"x": x}, name=name, attrs=attrs).outputs)


def unique_with_counts(
    x: TensorLike, out_idx: DTypeLike = "int32", name: str | None = None
) -> UniqueWithCounts:
    """`unique`, and how often each value appears."""
    attrs = {"out_idx": as_dtype(out_idx)}
    return UniqueWithCounts(*apply("UniqueWithCounts", {"x": x}, name=name, attrs=attrs).outputs)


def _difference(op: Operation, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (places,) = np.nonzero(~np.isin(x, y))
    return x[places], places.astype(op.attrs["out_idx"].as_numpy_dtype)


define(
    "ListDiff",
    lambda op: [(base_dtype(op.inputs[0]), [None]), (op.attrs["out_idx"], [None])],
    _difference,
)
not_differentiable("ListDiff")

ListDiff = namedtuple("ListDiff", ["out", "idx"])


def setdiff1d(
    x: TensorLike, y: TensorLike, index_dtype: DTypeLike = "int32", name: str | None = None
) -> ListDiff:
    """The values of one vector that are not in another, and their places."""
    attrs = {"out_idx": as_dtype(index_dtype)}
    op = apply("ListDiff", {"x": x, "y": y}, name=name, attrs=attrs, same=("x", "y"))
    return ListDiff(*op.outputs)


list_diff = listdiff = setdiff1d
