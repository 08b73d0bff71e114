"""Private: sums and others over segments of rows, and counts of numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.constant import constant, constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DType, DTypeLike, as_dtype
from ..core.errors import InvalidArgumentError
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.shapes_of import index_dtypes
from ..core.tensors import Operation, Tensor, TensorLike
from . import arithmetic, elementwise, filling, reductions, reshaping, shapes
from .inference import checked

__all__ = [
    "bincount",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
]


def _gather_rows(
    op: Operation, data: np.ndarray, ids: np.ndarray, count: int, function: Any, start: Any
) -> np.ndarray:
    """Combine the rows of each segment, one after another.

    Args:
        op: The operation.
        data: The rows, (N, ...).
        ids: The segment of each row, (N,); rows of negative segments are left out.
        count: The number of segments.
        function: The ufunc that combines two rows.
        start: The value of a segment without rows.
    """
    if ids.size and int(ids.max()) >= count:
        raise InvalidArgumentError(
            None,
            op,
            f"{op.name}: segment_ids has {int(ids.max())}, which is out of range [0, {count})",
        )
    result = np.full((count, *data.shape[1:]), start, data.dtype)
    used = ids >= 0
    if not np.all(used):
        data, ids = data[used], ids[used]
    function.at(result, ids, data)
    return result


def _lowest(dtype: np.dtype) -> Any:
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _highest(dtype: np.dtype) -> Any:
    return np.finfo(dtype).max if dtype.kind == "f" else np.iinfo(dtype).max


# The ufunc that combines rows, and the value of an unsorted segment without rows.
_COMBINATIONS: dict[str, tuple[Any, Callable]] = {
    "Sum": (np.add, lambda dtype: 0),
    "Prod": (np.multiply, lambda dtype: 1),
    "Max": (np.maximum, _lowest),
    "Min": (np.minimum, _highest),
}


def _segment(function: str, combination: str, noun: str) -> Callable:
    """Define an operation on sorted segments."""
    type_ = f"Segment{combination}"
    ufunc, neutral = _COMBINATIONS["Sum" if combination == "Mean" else combination]

    def outputs(op: Operation) -> list[tuple[DType, Any]]:
        dtype = checked(op, "iuf" if combination in ("Max", "Min") else "iufc")
        shape = op.inputs[0].shape
        return [(dtype, TensorShape([None]).concatenate(shape[1:] if shape else None))]

    def compute(op: Operation, data: np.ndarray, ids: np.ndarray) -> np.ndarray:
        if np.any(ids < 0) or np.any(np.diff(ids) < 0):
            raise InvalidArgumentError(
                None, op, f"{op.name}: segment ids must be >= 0 and not decreasing: {ids}"
            )
        count = int(ids[-1]) + 1 if ids.size else 0
        result = _gather_rows(op, data, ids, count, ufunc, neutral(data.dtype))
        rows = np.bincount(ids, minlength=count).reshape(-1, *[1] * (data.ndim - 1))
        if combination == "Mean":
            return (result / np.maximum(rows, 1).astype(data.dtype)).astype(data.dtype)
        # A segment without rows is 0, and 1 for a product.
        return np.where(rows > 0, result, data.dtype.type(combination == "Prod"))

    define(type_, outputs, compute)

    def segment(data: TensorLike, segment_ids: TensorLike, name: str | None = None) -> Tensor:
        given = {"data": data, "segment_ids": segment_ids}
        return apply(type_, given, name=name).outputs[0]

    segment.__name__ = segment.__qualname__ = function
    segment.__doc__ = f"""The {noun} of the rows of each segment.

    Args:
        data: The rows, (N, ...).
        segment_ids: The segment of each row, (N,), not decreasing.
        name: The name of the operation.
    """
    return segment


segment_sum = _segment("segment_sum", "Sum", "sum")
segment_mean = _segment("segment_mean", "Mean", "mean")
segment_prod = _segment("segment_prod", "Prod", "product")
segment_max = _segment("segment_max", "Max", "maximum")
segment_min = _segment("segment_min", "Min", "minimum")


def _unsorted(function: str, combination: str, noun: str) -> Callable:
    type_ = f"UnsortedSegment{combination}"
    ufunc, neutral = _COMBINATIONS[combination]

    def outputs(op: Operation) -> list[tuple[DType, Any]]:
        dtype = checked(op, "iuf" if combination in ("Max", "Min") else "iufc")
        data, ids, count = op.inputs
        known = constant_value(count)
        if data.shape.ndims is None or ids.shape.ndims is None:
            return [(dtype, TensorShape(None))]
        rows = TensorShape([None if known is None else int(known)])
        return [(dtype, rows.concatenate(data.shape[ids.shape.ndims :]))]

    def compute(op: Operation, data: np.ndarray, ids: np.ndarray, count: np.ndarray) -> np.ndarray:
        if data.shape[: ids.ndim] != ids.shape:
            raise InvalidArgumentError(
                None,
                op,
                f"{op.name}: data.shape = {data.shape} does not start with segment_ids.shape = "
                f"{ids.shape}",
            )
        rows = data.reshape(ids.size, *data.shape[ids.ndim :])
        flat = ids.reshape(-1)
        return _gather_rows(op, rows, flat, int(count), ufunc, neutral(data.dtype))

    define(type_, outputs, compute)

    def segment(
        data: TensorLike,
        segment_ids: TensorLike,
        num_segments: TensorLike,
        name: str | None = None,
    ) -> Tensor:
        return apply(
            type_,
            {"data": data, "segment_ids": segment_ids, "num_segments": num_segments},
            name=name,
            dtypes=index_dtypes(num_segments=num_segments),
        ).outputs[0]

    segment.__name__ = segment.__qualname__ = function
    segment.__doc__ = f"""The {noun} of the rows of each segment.

    Args:
        data: The rows, (N, ...).
        segment_ids: The segment of each row, (N,), in any order; negative ones are left out. It
            may have more dimensions, with which the dimensions of `data` begin.
        num_segments: The number of segments.
        name: The name of the operation.
    """
    return segment


unsorted_segment_sum = _unsorted("unsorted_segment_sum", "Sum", "sum")
unsorted_segment_prod = _unsorted("unsorted_segment_prod", "Prod", "product")
unsorted_segment_max = _unsorted("unsorted_segment_max", "Max", "maximum")
unsorted_segment_min = _unsorted("unsorted_segment_min", "Min", "minimum")


def _rows_of_segments(data: Tensor, segment_ids: Tensor, num_segments: TensorLike) -> Tensor:
    """The number of rows of each segment, at least 1, with the dimensions of the sums."""
    ones = filling.ones(shapes.shape(segment_ids), dtype=data.dtype.base_dtype)
    counts = unsorted_segment_sum(ones, segment_ids, num_segments)
    further = len(data.shape) - len(segment_ids.shape)
    counts = reshaping.reshape(counts, [num_segments] + [1] * further)
    return arithmetic.maximum(counts, 1)


def unsorted_segment_mean(
    data: TensorLike, segment_ids: TensorLike, num_segments: TensorLike, name: str | None = None
) -> Tensor:
    """The mean of the rows of each segment; see `unsorted_segment_sum`."""
    with name_scope(name, "UnsortedSegmentMean"):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        counts = _rows_of_segments(data, segment_ids, num_segments)
        return unsorted_segment_sum(data, segment_ids, num_segments) / counts


def unsorted_segment_sqrt_n(
    data: TensorLike, segment_ids: TensorLike, num_segments: TensorLike, name: str | None = None
) -> Tensor:
    """The sum of the rows of each segment, divided by the square root of their number; see
    `unsorted_segment_sum`.
    """
    with name_scope(name, "UnsortedSegmentSqrtN"):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        counts = _rows_of_segments(data, segment_ids, num_segments)
        total = unsorted_segment_sum(data, segment_ids, num_segments)
        return total / elementwise.sqrt(counts)


# Counts


def _bincount_outputs(op: Operation) -> list[tuple[DType, Any]]:
    size = constant_value(op.inputs[1])
    return [(op.inputs[2].dtype.base_dtype, [None if size is None else int(size)])]


def _bincount(op: Operation, arr: np.ndarray, size: np.ndarray, weights: np.ndarray) -> np.ndarray:
    flat = arr.reshape(-1)
    kept = flat < size
    shares = weights.reshape(-1)[kept] if weights.size else np.ones(int(kept.sum()), weights.dtype)
    result = np.zeros(int(size), weights.dtype)
    np.add.at(result, flat[kept], shares)
    return result


define("Bincount", _bincount_outputs, _bincount)
not_differentiable("Bincount")


def bincount(
    arr: TensorLike,
    weights: TensorLike = None,
    minlength: TensorLike = None,
    maxlength: TensorLike = None,
    dtype: DTypeLike = "int32",
) -> Tensor:
    """How often each whole number from 0 on occurs.

    Args:
        arr: Whole numbers from 0 on.
        weights: What each of them counts; None for 1.
        minlength, maxlength: The least and the largest size of the result.
        dtype: The dtype of the result without weights.
    """
    with name_scope("bincount"):
        arr = convert_to_tensor(arr, name="arr", dtype="int32")
        filled = reductions.reduce_prod(shapes.shape(arr)) > 0
        size = elementwise.cast(filled, "int32") * (reductions.reduce_max(arr) + 1)
        if minlength is not None:
            least = convert_to_tensor(minlength, name="minlength", dtype="int32")
            size = arithmetic.maximum(least, size)
        if maxlength is not None:
            most = convert_to_tensor(maxlength, name="maxlength", dtype="int32")
            size = arithmetic.minimum(most, size)
        if weights is not None:
            shares = convert_to_tensor(weights, name="weights")
            return unsorted_segment_sum(shares, arr, size)
        none = constant(np.zeros(0, as_dtype(dtype).as_numpy_dtype))
        return apply("Bincount", {"arr": arr, "size": size, "weights": none}).outputs[0]
