"""Private: the gradients of functions of each element."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.constant import constant
from ..core.conversion import apply
from ..core.graph import control_dependencies
from ..core.registry import define, gradient
from ..core.tensors import Operation, Tensor
from ..kernels import elementwise as kernels
from ..ops import arrays, math
from ..ops.inference import like_first

__all__: list[str] = []


def _gradient_of_result(
    type: str,  # noqa: A002
    kernel: Callable,
) -> Callable:
    """Define the operation that computes a gradient from the result y of a function, and dy."""
    define(type, like_first("fc"), lambda op, y, dy: kernel(y, dy))

    def function(y: Tensor, dy: Tensor) -> Tensor:
        return apply(type, {"y": y, "dy": dy}, same=("y", "dy")).outputs[0]

    return function


def _half(x: np.ndarray) -> Any:
    return x.dtype.type(0.5)


_tanh_grad = _gradient_of_result("TanhGrad", kernels.tanh_grad)
_sigmoid_grad = _gradient_of_result("SigmoidGrad", kernels.sigmoid_grad)
_sqrt_grad = _gradient_of_result("SqrtGrad", lambda y, dy: _half(y) * dy / y)
_rsqrt_grad = _gradient_of_result("RsqrtGrad", lambda y, dy: -_half(y) * ((dy * y) * (y * y)))
_reciprocal_grad = _gradient_of_result("ReciprocalGrad", lambda y, dy: -(dy * (y * y)))


@gradient("Floor", "Ceil", "Round", "Rint")
def _step_gradient(op: Operation, grad: Tensor) -> list:
    return [None]


@gradient("Neg")
def _neg_gradient(op: Operation, grad: Tensor) -> list:
    return [-grad]


@gradient("Abs")
def _abs_gradient(op: Operation, grad: Tensor) -> list:
    return [grad * math.sign(op.inputs[0])]


@gradient("Sign")
def _sign_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[0]
    return [arrays.zeros(arrays.shape(x), dtype=x.dtype.base_dtype)]


@gradient("Square")
def _square_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[0]
    with control_dependencies([grad]):
        two = constant(2.0, dtype=x.dtype.base_dtype)
        return [math.multiply(grad, math.multiply(x, two))]


@gradient("Sqrt")
def _sqrt_gradient(op: Operation, grad: Tensor) -> list:
    return [_sqrt_grad(op.outputs[0], grad)]


@gradient("SqrtGrad")
def _sqrt_grad_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        scaled = grad / op.inputs[0]
        return [-scaled * op.outputs[0], 0.5 * scaled]


@gradient("Rsqrt")
def _rsqrt_gradient(op: Operation, grad: Tensor) -> list:
    return [_rsqrt_grad(op.outputs[0], grad)]


@gradient("RsqrtGrad")
def _rsqrt_grad_gradient(op: Operation, grad: Tensor) -> list:
    y, dy = op.inputs
    with control_dependencies([grad]):
        return [-1.5 * grad * dy * math.square(y), _rsqrt_grad(y, grad)]


@gradient("Reciprocal", "Inv")
def _reciprocal_gradient(op: Operation, grad: Tensor) -> list:
    return [_reciprocal_grad(op.outputs[0], grad)]


@gradient("ReciprocalGrad")
def _reciprocal_grad_gradient(op: Operation, grad: Tensor) -> list:
    y, dy = op.inputs
    with control_dependencies([grad]):
        return [grad * -2.0 * dy * y, _reciprocal_grad(y, grad)]


@gradient("Tanh")
def _tanh_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [_tanh_grad(op.outputs[0], grad)]


@gradient("TanhGrad")
def _tanh_grad_gradient(op: Operation, grad: Tensor) -> list:
    y, dy = op.inputs
    with control_dependencies([grad]):
        return [grad * -2.0 * dy * y, _tanh_grad(y, grad)]


@gradient("Sigmoid")
def _sigmoid_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [_sigmoid_grad(op.outputs[0], grad)]


@gradient("SigmoidGrad")
def _sigmoid_grad_gradient(op: Operation, grad: Tensor) -> list:
    y, dy = op.inputs
    with control_dependencies([grad]):
        product = grad * dy
        return [product - 2.0 * product * y, _sigmoid_grad(y, grad)]


@gradient("Exp")
def _exp_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [grad * op.outputs[0]]


@gradient("Asinh")
def _asinh_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [grad / math.cosh(op.outputs[0])]


@gradient("Acosh")
def _acosh_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [grad / math.sinh(op.outputs[0])]


@gradient("Cos")
def _cos_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [-grad * math.sin(op.inputs[0])]


def _one(x: Tensor) -> Tensor:
    return constant(1, dtype=x.dtype.base_dtype)


def _less_square(x: Tensor) -> Tensor:
    # 1 - x * x; TensorFlow makes the square first
    squared = math.square(x)
    return math.subtract(_one(x), squared)


def _one_and_square(x: Tensor) -> Tensor:
    squared = math.square(x)
    return math.add(_one(x), squared)


@gradient("Acos")
def _acos_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        inverse = math.reciprocal(math.sqrt(_less_square(op.inputs[0])))
        return [-grad * inverse]


# The derivatives of functions f whose gradient is grad * f'(x), as functions of x.
_DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "Asin": lambda x: math.reciprocal(math.sqrt(_less_square(x))),
    "Atan": lambda x: math.reciprocal(_one_and_square(x)),
    "Atanh": lambda x: math.reciprocal(_less_square(x)),
    "Cosh": lambda x: math.sinh(x),
    "Expm1": lambda x: math.exp(x),
    "Lgamma": lambda x: math.digamma(x),
    "Log": lambda x: math.reciprocal(x),
    "Log1p": lambda x: math.reciprocal(1 + x),
    "Sin": lambda x: math.cos(x),
    "Sinh": lambda x: math.cosh(x),
    "Tan": lambda x: math.square(math.reciprocal(math.cos(x))),
}


@gradient(*_DERIVATIVES)
def _derivative_gradient(op: Operation, grad: Tensor) -> list:
    with control_dependencies([grad]):
        return [grad * _DERIVATIVES[op.type](op.inputs[0])]


@gradient("Erf", "Erfc")
def _erf_gradient(op: Operation, grad: Tensor) -> list:
    factor = 2 / np.sqrt(np.pi)
    scale = constant(factor if op.type == "Erf" else -factor, dtype=grad.dtype.base_dtype)
    with control_dependencies([grad]):
        return [grad * scale * math.exp(-math.square(op.inputs[0]))]


@gradient("Cast")
def _cast_gradient(op: Operation, grad: Tensor) -> list:
    source = op.inputs[0].dtype.base_dtype
    return [math.cast(grad, source) if source.kind in "fc" and grad.dtype.kind in "fc" else None]


@gradient("CheckNumerics")
def _check_numerics_gradient(op: Operation, grad: Tensor) -> list:
    message = "Not a number (NaN) or infinity (Inf) values detected in gradient. "
    return [math.check_numerics(grad, message + op.attrs["message"])]
