"""Private: activation functions."""

from collections.abc import Callable

import numpy as np

from ..core.conversion import apply, convert_to_tensor
from ..core.graph import name_scope
from ..core.registry import define
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import elementwise as kernels
from . import elementwise, joining
from .inference import like_first

__all__ = [
    "crelu",
    "elu",
    "leaky_relu",
    "log_sigmoid",
    "relu",
    "relu6",
    "selu",
    "softplus",
    "softsign",
]


def _function(name: str, op_type: str, kernel: Callable, doc: str, kinds: str = "f") -> Callable:
    define(op_type, like_first(kinds), lambda op, x: kernel(x))

    def function(features: TensorLike, name: str | None = None) -> Tensor:
        return apply(op_type, {"features": features}, name=name).outputs[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, element by element."
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


def _leaky(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.maximum(x * x.dtype.type(op.attrs["alpha"]), x)


define("LeakyRelu", like_first("f"), _leaky)


def leaky_relu(features: TensorLike, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """`alpha` * x below 0, x above, element by element."""
    with name_scope(name, "LeakyRelu") as scope:
        features = convert_to_tensor(features, name="features")
        if features.dtype.is_integer:
            features = elementwise.to_float(features)
        attrs = {"alpha": float(alpha)}
        return apply("LeakyRelu", {"features": features}, name=scope, attrs=attrs).outputs[0]


def crelu(features: TensorLike, name: str | None = None, axis: int = -1) -> Tensor:
    """relu(x) and relu(-x), joined along an axis."""
    with name_scope(name, "CRelu") as scope:
        features = convert_to_tensor(features, name="features")
        return relu(joining.concat([features, -features], axis, name=scope))


def log_sigmoid(x: TensorLike, name: str | None = None) -> Tensor:
    """log(sigmoid(x)), element by element."""
    with name_scope(name, "LogSigmoid") as scope:
        x = convert_to_tensor(x, name="x")
        return elementwise.negative(softplus(-x), name=scope)
