"""Private: the gradients of reductions of segments."""

from ..core.constant import constant
from ..core.conversion import apply
from ..core.registry import gradient
from ..core.tensors import Operation, Tensor
from ..ops import arrays, math

__all__: list[str] = []


# Segments of rows


@gradient("SegmentSum")
def _segment_sum_gradient(op: Operation, grad: Tensor) -> list:
    return [arrays.gather(grad, op.inputs[1]), None]


@gradient("SegmentMean")
def _segment_mean_gradient(op: Operation, grad: Tensor) -> list:
    data, ids = op.inputs
    rank = arrays.rank(data)
    shape = arrays.shape(ids)
    ones_shape = arrays.concat([shape, arrays.fill(arrays.expand_dims(rank - 1, 0), 1)], 0)
    ones = arrays.fill(ones_shape, constant(1, dtype=grad.dtype.base_dtype))
    scaled = math.div(grad, math.segment_sum(ones, ids))
    return [arrays.gather(scaled, ids), None]


@gradient("SegmentMax", "SegmentMin")
def _segment_extreme_gradient(op: Operation, grad: Tensor) -> list:
    data, ids = op.inputs
    zeros = arrays.zeros_like(data, dtype=data.dtype.base_dtype)
    chosen = math.equal(data, arrays.gather(op.outputs[0], ids))
    count = math.segment_sum(math.cast(chosen, grad.dtype.base_dtype), ids)
    shared = arrays.gather(math.div(grad, count), ids)
    return [arrays.where(chosen, shared, zeros), None]


def _gather_used(rows: Tensor, clipped: Tensor, used: Tensor | None, ids: Tensor) -> tuple:
    """The row of each segment id, and zeros for negative ids.

    Args:
        rows: The rows.
        clipped: The segment ids, 0 for negative ones.
        used: Whether each number of the result is of a segment; None to compute it.
        ids: The segment ids.

    Returns:
        The rows, and `used`.
    """
    gathered = arrays.gather(rows, clipped)
    if used is None:
        used = math.greater_equal(ids, 0)
        for _ in range(len(gathered.shape) - len(used.shape)):
            used = arrays.expand_dims(used, -1)
        used = used & arrays.ones_like(gathered, dtype="bool")
    zeros = arrays.zeros_like(gathered)
    return arrays.where(used, gathered, zeros), used


def _clipped(ids: Tensor) -> Tensor:
    return math.maximum(ids, arrays.zeros_like(ids))


@gradient("UnsortedSegmentSum")
def _unsorted_sum_gradient(op: Operation, grad: Tensor) -> list:
    ids = op.inputs[1]
    rows, _ = _gather_used(grad, _clipped(ids), None, ids)
    return [rows, None, None]


@gradient("UnsortedSegmentMax", "UnsortedSegmentMin")
def _unsorted_extreme_gradient(op: Operation, grad: Tensor) -> list:
    data, ids, num_segments = op.inputs
    clipped = _clipped(ids)
    extremes, used = _gather_used(op.outputs[0], clipped, None, ids)
    chosen = math.logical_and(math.equal(data, extremes), used)
    count = math.unsorted_segment_sum(math.cast(chosen, grad.dtype.base_dtype), ids, num_segments)
    shared, _ = _gather_used(math.div(grad, count), clipped, used, ids)
    zeros = arrays.zeros_like(shared)
    return [arrays.where(chosen, shared, zeros), None, None]


@gradient("UnsortedSegmentProd")
def _unsorted_prod_gradient(op: Operation, grad: Tensor) -> list:
    """The product of a segment is divided by each factor. Where one factor is 0, only that one has
    a derivative, the product of the others; where several are, none has.
    """
    data, ids, num_segments = op.inputs
    is_zero = math.equal(data, 0)
    zeros = math.unsorted_segment_sum(math.cast(is_zero, "int32"), ids, num_segments)
    several = math.greater(zeros, 1)
    grad = arrays.where(several, arrays.zeros_like(grad), grad)
    others = arrays.where(is_zero, arrays.ones_like(data), data)
    product = math.unsorted_segment_prod(others, ids, num_segments)
    clipped = _clipped(ids)
    whole = arrays.gather(op.outputs[0], clipped)
    without_zero = arrays.gather(product, clipped)
    derivative = arrays.where(is_zero, without_zero, whole / data)
    rows, _ = _gather_used(grad, clipped, None, ids)
    return [rows * derivative, None, None]


# Segments of chosen rows


@gradient("SparseSegmentSum")
def _sum_gradient(op: Operation, grad: Tensor) -> list:
    rows = arrays.shape(op.inputs[0])[0]
    gathered = arrays.gather(grad, op.inputs[2])
    return [math.unsorted_segment_sum(gathered, op.inputs[1], rows), None, None]


@gradient("SparseSegmentMean", "SparseSegmentSqrtN")
def _mean_gradient(op: Operation, grad: Tensor) -> list:
    rows = arrays.shape(op.inputs[0])[0]
    inputs = {
        "grad": grad,
        "indices": op.inputs[1],
        "segment_ids": op.inputs[2],
        "output_dim0": rows,
    }
    return [apply(f"{op.type}Grad", inputs).outputs[0], None, None]
