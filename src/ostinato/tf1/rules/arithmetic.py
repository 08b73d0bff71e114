"""Private: the gradients of arithmetic with two arguments."""

from typing import Any

from ..core.graph import control_dependencies
from ..core.registry import gradient
from ..core.tensors import Operation, Tensor
from ..ops import arrays, math

__all__: list[str] = []


# Arithmetic


class BroadcastGradient:
    """Sums the gradient of a broadcast result to the shapes of the two arguments."""

    def __init__(self, x: Tensor, y: Tensor):
        self._shapes = arrays.shape(x), arrays.shape(y)
        self._axes = arrays.broadcast_gradient_args(*self._shapes)

    def _total(self, grad: Tensor, i: int, negative: bool = False) -> Tensor:
        total = math.reduce_sum(grad, self._axes[i])
        return arrays.reshape(-total if negative else total, self._shapes[i])

    def x(self, grad: Tensor) -> Tensor:
        """The gradient of the first argument."""
        return self._total(grad, 0)

    def y(self, grad: Tensor, negative: bool = False) -> Tensor:
        """The gradient of the second argument, negated after the sum if asked for."""
        return self._total(grad, 1, negative)


def _same_known_shapes(*tensors: Any) -> bool:
    first = tensors[0].shape
    return first.is_fully_defined() and all(
        isinstance(t, Tensor) and t.shape == first for t in tensors
    )


@gradient("Add")
def _add_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    if _same_known_shapes(x, y, grad):
        return [grad, grad]
    sums = BroadcastGradient(x, y)
    return [sums.x(grad), sums.y(grad)]


@gradient("Sub")
def _subtract_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    if _same_known_shapes(x, y, grad):
        return [grad, -grad]
    sums = BroadcastGradient(x, y)
    return [sums.x(grad), sums.y(grad, negative=True)]


@gradient("Mul")
def _multiply_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    if _same_known_shapes(x, y, grad) and grad.dtype.base_dtype.name in ("int32", "float32"):
        return [math.multiply(grad, y), math.multiply(grad, x)]
    sums = BroadcastGradient(x, y)
    return [sums.x(math.multiply(grad, y)), sums.y(math.multiply(x, grad))]


# The division that the gradient of a division is made of.
_DIVISIONS = {"RealDiv": math.realdiv, "Div": math.div, "DivNoNan": math.div_no_nan}


@gradient(*_DIVISIONS)
def _division_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    divided = _DIVISIONS[op.type]
    sums = BroadcastGradient(x, y)
    return [sums.x(divided(grad, y)), sums.y(grad * divided(divided(-x, y), y))]


@gradient("FloorDiv", "TruncateDiv")
def _whole_division_gradient(op: Operation, grad: Tensor) -> list:
    return [None, None]


@gradient("FloorMod")
def _floor_mod_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    sums = BroadcastGradient(x, y)
    quotient = math.floor_div(x, y)
    return [sums.x(grad), sums.y(grad * math.negative(quotient))]


@gradient("Pow")
def _pow_gradient(op: Operation, grad: Tensor) -> list:
    (x, y), z = op.inputs, op.outputs[0]
    sums = BroadcastGradient(x, y)
    of_x = sums.x(grad * y * math.pow(x, y - 1))
    positive = x > 0
    safe = arrays.where(positive, x, arrays.ones_like(x))
    log_x = arrays.where(positive, math.log(safe), arrays.zeros_like(x))
    return [of_x, sums.y(grad * z * log_x)]


@gradient("Maximum", "Minimum")
def _extreme_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    compare = math.greater_equal if op.type == "Maximum" else math.less_equal
    # TensorFlow makes the shapes of the arguments before the zeros.
    shapes = arrays.shape(x), arrays.shape(y)
    zeros = arrays.zeros(arrays.shape(grad), grad.dtype.base_dtype)
    chosen = compare(x, y)
    axes = arrays.broadcast_gradient_args(*shapes)
    parts = arrays.where(chosen, grad, zeros), arrays.where(chosen, zeros, grad)
    return [
        arrays.reshape(math.reduce_sum(part, over), shape)
        for part, over, shape in zip(parts, axes, shapes)
    ]


@gradient("SquaredDifference")
def _squared_difference_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    sums = BroadcastGradient(x, y)
    with control_dependencies([grad]):
        of_x = math.scalar_mul(2.0, grad) * (x - y)
    return [sums.x(of_x), -sums.y(of_x)]


@gradient("Atan2")
def _atan2_gradient(op: Operation, grad: Tensor) -> list:
    y, x = op.inputs
    with control_dependencies([grad]):
        scaled = grad / (math.square(x) + math.square(y))
        return [x * scaled, -y * scaled]


@gradient("Xlogy", "Xdivy")
def _zero_times_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    sums = BroadcastGradient(x, y)
    kind = x.dtype.base_dtype
    with control_dependencies([grad]):
        not_zero = math.not_equal(x, math.cast(0.0, kind))
        used = math.cast(not_zero, kind)
        if op.type == "Xlogy":
            of_x, of_y = math.xlogy(used, y), math.xdivy(x, y)
        else:
            of_x = math.xdivy(used, y)
            of_y = math.xdivy(math.negative(x), y**2)
        return [sums.x(of_x * grad), sums.y(of_y * grad)]


@gradient("AddN", "AccumulateNV2")
def _add_n_gradient(op: Operation, grad: Tensor) -> list:
    return [grad] * len(op.inputs)


# Matrix products


@gradient("MatMul")
def _mat_mul_gradient(op: Operation, grad: Tensor) -> list:
    a, b = op.inputs
    transposed = op.attrs["transpose_a"], op.attrs["transpose_b"]
    if transposed == (False, False):
        return [math.mat_mul(grad, b, transpose_b=True), math.mat_mul(a, grad, transpose_a=True)]
    if transposed == (False, True):
        return [math.mat_mul(grad, b), math.mat_mul(grad, a, transpose_a=True)]
    if transposed == (True, False):
        return [math.mat_mul(b, grad, transpose_b=True), math.mat_mul(a, grad)]
    return [math.mat_mul(b, grad, True, True), math.mat_mul(grad, a, True, True)]


@gradient("BatchMatMul")
def _batch_gradient(op: Operation, grad: Tensor) -> list:
    x, y = op.inputs
    transposed = op.attrs["adj_x"], op.attrs["adj_y"]
    if transposed == (False, False):
        return [math.matmul(grad, y, adjoint_b=True), math.matmul(x, grad, adjoint_a=True)]
    if transposed == (False, True):
        return [math.matmul(grad, y), math.matmul(grad, x, adjoint_a=True)]
    if transposed == (True, False):
        return [math.matmul(y, grad, adjoint_b=True), math.matmul(x, grad)]
    return [
        math.matmul(y, grad, adjoint_a=True, adjoint_b=True),
        math.matmul(grad, x, adjoint_a=True, adjoint_b=True),
    ]
