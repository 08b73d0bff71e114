"""Private: activation functions and their gradients."""

from collections.abc import Callable

import numpy as np

from ..core.graph import (
    Operation,
    Tensor,
    TensorLike,
    apply,
    control_dependencies,
    convert_to_tensor,
    name_scope,
)
from ..core.registry import define, gradient
from ..kernels import elementwise as kernels
from . import arrays, math
from .inference import like_first

__all__ = ["crelu", "elu", "leaky_relu", "relu", "relu6", "selu", "softplus", "softsign"]

# Klambauer et al., Self-Normalizing Neural Networks (2017), equation 14.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_SCALE_ALPHA = 1.7580993408473768599402175208123


def _selu_grad(grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    scale, scale_alpha = y.dtype.type(_SELU_SCALE), y.dtype.type(_SELU_SCALE_ALPHA)
    return np.where(y < 0, grad * (y + scale_alpha), grad * scale)


def _softplus_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    return grad / (kernels.exp(-x) + x.dtype.type(1))


def _softsign_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    return grad / np.square(x.dtype.type(1) + np.abs(x))


def _function(name: str, op_type: str, kernel: Callable, doc: str, kinds: str = "f") -> Callable:
    define(op_type, like_first(kinds), lambda op, x: kernel(x))

    def function(features: TensorLike, name: str | None = None) -> Tensor:
        return apply(op_type, {"features": features}, name=name).outputs[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, element by element."
    return function


def _gradient_function(op_type: str, kernel: Callable, second: str, kinds: str = "f") -> Callable:
    """Define the operation that computes a gradient from that of the result and, as `second` says,
    the input (features) or the result (outputs).
    """
    define(op_type, like_first(kinds), lambda op, grad, x: kernel(grad, x))

    def function(gradients: Tensor, x: Tensor) -> Tensor:
        inputs = {"gradients": gradients, second: x}
        return apply(op_type, inputs, same=tuple(inputs)).outputs[0]

    return function


relu = _function("relu", "Relu", lambda x: np.maximum(x, x.dtype.type(0)), "max(x, 0)", "iuf")
relu6 = _function(
    "relu6",
    "Relu6",
    lambda x: np.minimum(np.maximum(x, x.dtype.type(0)), x.dtype.type(6)),
    "min(max(x, 0), 6)",
    "iuf",
)
elu = _function("elu", "Elu", kernels.elu, "exp(x) - 1 below 0, x above")
selu = _function("selu", "Selu", kernels.selu, "The scaled `elu` of self-normalizing networks")
softplus = _function("softplus", "Softplus", kernels.softplus, "log(1 + exp(x))")
softsign = _function(
    "softsign", "Softsign", lambda x: x / (x.dtype.type(1) + np.abs(x)), "x / (1 + |x|)"
)

_relu_grad = _gradient_function("ReluGrad", lambda g, x: g * (x > 0), "features", "iuf")
_relu6_grad = _gradient_function(
    "Relu6Grad", lambda g, x: g * ((x > 0) & (x < 6)), "features", "iuf"
)
_elu_grad = _gradient_function(
    "EluGrad", lambda g, y: np.where(y < 0, (y + y.dtype.type(1)) * g, g), "outputs"
)
_selu_grads = _gradient_function("SeluGrad", _selu_grad, "outputs")
_softplus_grads = _gradient_function("SoftplusGrad", _softplus_grad, "features")
_softsign_grads = _gradient_function("SoftsignGrad", _softsign_grad, "features")


def _leaky(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.maximum(x * x.dtype.type(op.attrs["alpha"]), x)


def _leaky_grad(op: Operation, grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, grad, grad * grad.dtype.type(op.attrs["alpha"]))


define("LeakyRelu", like_first("f"), _leaky)
define("LeakyReluGrad", like_first("f"), _leaky_grad)


def leaky_relu(features: TensorLike, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """`alpha` * x below 0, x above, element by element."""
    with name_scope(name, "LeakyRelu") as scope:
        features = convert_to_tensor(features, name="features")
        if features.dtype.is_integer:
            features = math.to_float(features)
        attrs = {"alpha": float(alpha)}
        return apply("LeakyRelu", {"features": features}, name=scope, attrs=attrs).outputs[0]


def crelu(features: TensorLike, name: str | None = None, axis: int = -1) -> Tensor:
    """relu(x) and relu(-x), joined along an axis."""
    with name_scope(name, "CRelu") as scope:
        features = convert_to_tensor(features, name="features")
        return relu(arrays.concat([features, -features], axis, name=scope))


@gradient("Relu")
def _relu_gradient(op: Operation, grad: Tensor) -> list:
    return [_relu_grad(grad, op.outputs[0])]


@gradient("Relu6")
def _relu6_gradient(op: Operation, grad: Tensor) -> list:
    return [_relu6_grad(grad, op.outputs[0])]


@gradient("Elu")
def _elu_gradient(op: Operation, grad: Tensor) -> list:
    return [_elu_grad(grad, op.outputs[0])]


@gradient("Selu")
def _selu_gradient(op: Operation, grad: Tensor) -> list:
    return [_selu_grads(grad, op.outputs[0])]


@gradient("Softplus")
def _softplus_gradient(op: Operation, grad: Tensor) -> list:
    return [_softplus_grads(grad, op.inputs[0])]


@gradient("Softsign")
def _softsign_gradient(op: Operation, grad: Tensor) -> list:
    return [_softsign_grads(grad, op.inputs[0])]


def _leaky_relu_grad(op: Operation, gradients: Tensor, features: Tensor) -> Tensor:
    inputs = {"gradients": gradients, "features": features}
    return apply("LeakyReluGrad", inputs, attrs={"alpha": op.attrs["alpha"]}).outputs[0]


@gradient("LeakyRelu")
def _leaky_relu_gradient(op: Operation, grad: Tensor) -> list:
    return [_leaky_relu_grad(op, grad, op.inputs[0])]


@gradient("LeakyReluGrad")
def _leaky_relu_grad_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[1]
    return [_leaky_relu_grad(op, grad, x), arrays.zeros_like(x)]


@gradient("ReluGrad")
def _relu_grad_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[1]
    return [_relu_grad(grad, x), arrays.zeros(arrays.shape(x), x.dtype)]


@gradient("Relu6Grad")
def _relu6_grad_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[1]
    return [_relu6_grad(grad, x), arrays.zeros(arrays.shape(x), x.dtype)]


@gradient("EluGrad")
def _elu_grad_gradient(op: Operation, grad: Tensor) -> list:
    first, y = op.inputs
    second = arrays.where(y < 0, grad * first, arrays.zeros(arrays.shape(y), y.dtype))
    return [_elu_grad(grad, y), second]


@gradient("SeluGrad")
def _selu_grad_gradient(op: Operation, grad: Tensor) -> list:
    first, y = op.inputs
    second = arrays.where(y < 0.0, grad * first, arrays.zeros(arrays.shape(y), y.dtype))
    return [_selu_grads(grad, y), second]


@gradient("SoftplusGrad")
def _softplus_grad_gradient(op: Operation, grad: Tensor) -> list:
    first, x = op.inputs
    with control_dependencies([grad]):
        below = _softplus_grads(grad, x)
        return [below, grad * first / (math.exp(-x) + 2.0 + math.exp(x))]
