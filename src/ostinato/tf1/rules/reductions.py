"""Private: the gradients of sums, products and extremes."""

import numpy as np

from ..core.constant import constant, constant_value
from ..core.registry import gradient
from ..core.tensors import Operation, Tensor, TensorLike
from ..ops import arrays, math

__all__: list[str] = []


# Reductions


def reduced_shape(input_shape: TensorLike, axes: TensorLike) -> Tensor:
    """The shape after a reduction that keeps the reduced dimensions.

    Args:
        input_shape: The sizes before it.
        axes: The dimensions; negative ones count from the end.
    """
    input_shape = math.to_int32(input_shape)
    axes = math.to_int32(axes)
    rank = arrays.size(input_shape)
    axes = (axes + rank) % rank
    count = arrays.shape(axes)
    return arrays.dynamic_stitch([math.range(rank), axes], [input_shape, arrays.fill(count, 1)])


def _repeats(sizes: Tensor, reduced: Tensor) -> Tensor:
    # 0 / 0 is 0
    return sizes // math.maximum(reduced, 1)


# Operations whose values TensorFlow's Python functions know before a run. Other constants, which
# only its C++ functions compute, do not shorten the gradient of a sum.
_KNOWN = {"Const", "Shape", "Size", "Rank", "Range", "Cast", "ConcatV2", "Pack", "Fill"}


def _sum_gradient_of(op: Operation, grad: Tensor) -> Tensor:
    """The gradient of a sum."""
    x, axes = op.inputs
    rank = x.shape.ndims
    over = constant_value(axes) if rank is not None and axes.op.type in _KNOWN else None
    if over is not None and np.array_equal(over, np.arange(rank)):  # type: ignore[arg-type]
        grad = arrays.reshape(grad, [1] * rank)  # type: ignore[operator]
        known = x.shape.is_fully_defined()
        sizes = constant(x.shape.as_list(), dtype="int32") if known else arrays.shape(x)
        return arrays.tile(grad, sizes)
    sizes = arrays.shape(x)
    reduced = reduced_shape(sizes, axes)
    repeats = _repeats(sizes, reduced)
    return arrays.tile(arrays.reshape(grad, reduced), repeats)


@gradient("Sum")
def _sum_gradient(op: Operation, grad: Tensor) -> list:
    return [_sum_gradient_of(op, grad), None]


@gradient("Mean")
def _mean_gradient(op: Operation, grad: Tensor) -> list:
    total = _sum_gradient_of(op, grad)
    (x, _), y = op.inputs, op.outputs[0]
    dtype = total.dtype.base_dtype
    if x.shape.is_fully_defined() and y.shape.is_fully_defined():
        count = x.shape.num_elements() // max(y.shape.num_elements(), 1)  # type: ignore
        factor = constant(count, dtype=dtype)
    else:
        sizes = arrays.shape(x), arrays.shape(y)
        factor = _repeats(*(math.reduce_prod(s) for s in sizes))
    return [math.truediv(total, math.cast(factor, dtype)), None]


@gradient("Max", "Min")
def _extreme_gradient(op: Operation, grad: Tensor) -> list:
    """The gradient is shared among equal extremes."""
    x, axes = op.inputs
    reduced = reduced_shape(arrays.shape(x), axes)
    y = arrays.reshape(op.outputs[0], reduced)
    grad = arrays.reshape(grad, reduced)
    chosen = math.cast(math.equal(y, x), grad.dtype.base_dtype)
    count = arrays.reshape(math.reduce_sum(chosen, axes), reduced)
    return [math.div(chosen, count) * grad, None]


@gradient("Prod")
def _prod_gradient(op: Operation, grad: Tensor) -> list:
    """The derivative by a factor is the product of those before it and of those after it: a
    quotient would fail where a factor is 0.
    """
    x, axes = op.inputs
    sizes = arrays.shape(x)
    flat_axes = arrays.reshape(axes, [-1])
    reduced = reduced_shape(sizes, axes)
    repeats = _repeats(sizes, reduced)
    grad = arrays.tile(arrays.reshape(grad, reduced), repeats)
    rank = arrays.rank(x)
    over = math.cast((flat_axes + rank) % rank, "int32")
    others, _ = arrays.setdiff1d(math.range(0, rank), over)
    order = arrays.concat([over, others], 0)
    factors = math.reduce_prod(arrays.gather(sizes, over))
    columns = math.reduce_prod(arrays.gather(sizes, others))
    moved = arrays.transpose(x, order)
    moved_shape = arrays.shape(moved)
    matrix = arrays.reshape(moved, (factors, columns))
    before = math.cumprod(matrix, axis=0, exclusive=True)
    after = math.cumprod(matrix, axis=0, exclusive=True, reverse=True)
    y = arrays.reshape(before * after, moved_shape)
    result = grad * arrays.transpose(y, arrays.invert_permutation(order))
    return [arrays.reshape(result, sizes), None]


# Cumulative sums


@gradient("Cumsum")
def _cumsum_gradient(op: Operation, grad: Tensor) -> list:
    exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
    return [math.cumsum(grad, op.inputs[1], exclusive=exclusive, reverse=not reverse), None]


@gradient("Cumprod")
def _cumprod_gradient(op: Operation, grad: Tensor) -> list:
    x, axis = op.inputs
    exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
    product = math.cumprod(x, axis, exclusive=exclusive, reverse=reverse)
    total = math.cumsum(product * grad, axis, exclusive=exclusive, reverse=not reverse)
    return [total / x, None]
