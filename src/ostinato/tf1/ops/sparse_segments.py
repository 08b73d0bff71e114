"""Private: sums and means of rows that are looked up by number."""

from collections.abc import Callable

import numpy as np

from ..core.conversion import apply
from ..core.registry import define
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor, TensorLike

__all__ = ["sparse_segment_mean", "sparse_segment_sqrt_n", "sparse_segment_sum"]


def _outputs(op: Operation) -> list:
    data = op.inputs[0]
    rest = TensorShape(None) if data.shape.ndims is None else data.shape[1:]
    return [(data.dtype.base_dtype, TensorShape([None]).concatenate(rest))]


def _divisors(op_type: str, segments: np.ndarray, count: int) -> np.ndarray:
    """The number that the sum of each segment is divided by."""
    rows = np.maximum(np.bincount(segments, minlength=count), 1).astype(np.float64)
    if op_type.startswith("SparseSegmentSum"):
        return np.ones(count)
    return np.sqrt(rows) if "SqrtN" in op_type else rows


def _sum(op: Operation, data: np.ndarray, indices: np.ndarray, segments: np.ndarray) -> np.ndarray:
    count = int(segments[-1]) + 1 if segments.size else 0
    total = np.zeros((count, *data.shape[1:]), data.dtype)
    np.add.at(total, segments, data[indices])
    shape = (-1, *[1] * (data.ndim - 1))
    return total / _divisors(op.type, segments, count).astype(data.dtype).reshape(shape)


def _grad(
    op: Operation, grad: np.ndarray, indices: np.ndarray, segments: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    shape = (-1, *[1] * (grad.ndim - 1))
    scaled = grad / _divisors(op.type, segments, len(grad)).astype(grad.dtype).reshape(shape)
    result = np.zeros((int(rows), *grad.shape[1:]), grad.dtype)
    np.add.at(result, indices, scaled[segments])
    return result


def _function(op_type: str, doc: str) -> Callable:
    define(op_type, _outputs, _sum)

    def function(
        data: TensorLike, indices: TensorLike, segment_ids: TensorLike, name: str | None = None
    ) -> Tensor:
        inputs = {"data": data, "indices": indices, "segment_ids": segment_ids}
        return apply(op_type, inputs, name=name, dtypes={"segment_ids": "int32"}).outputs[0]

    function.__doc__ = f"""{doc}

    Args:
        data: Rows, (N, ...).
        indices: The numbers of the rows, (M,).
        segment_ids: The number of the segment of each of them, (M,), sorted.
        name: The name of the operation.
    """
    return function


sparse_segment_sum = _function("SparseSegmentSum", "The sum of the rows of each segment.")
sparse_segment_mean = _function("SparseSegmentMean", "The mean of the rows of each segment.")
sparse_segment_sqrt_n = _function(
    "SparseSegmentSqrtN",
    "The sum of the rows of each segment, divided by the root of their number.",
)
for _type in ("SparseSegmentMeanGrad", "SparseSegmentSqrtNGrad"):
    define(_type, _outputs, _grad)
