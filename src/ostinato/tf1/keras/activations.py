"""Private: the activation functions of tf.keras."""

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ..core.tensors import Tensor
from ..ops import math, nn
from . import arithmetic

__all__ = [
    "deserialize",
    "elu",
    "exponential",
    "get",
    "hard_sigmoid",
    "linear",
    "relu",
    "selu",
    "serialize",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

# Klambauer et al., Self-Normalizing Neural Networks (2017).
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946

elu = arithmetic.elu
hard_sigmoid = arithmetic.hard_sigmoid
relu = arithmetic.relu
sigmoid = math.sigmoid
softplus = nn.softplus
softsign = nn.softsign
tanh = math.tanh


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Positive numbers in proportion to exp(x), whose sum along an axis is 1.

    Raises:
        InputError: The input has one dimension.
    """
    rank = x.shape.ndims
    if rank == 2:
        return nn.softmax(x)
    if rank is not None and rank > 2:
        e = math.exp(x - math.reduce_max(x, axis=axis, keepdims=True))
        return e / math.reduce_sum(e, axis=axis, keepdims=True)
    raise InputError(f"Cannot apply softmax to a tensor that is 1D: {x}; give it (batch, size)")


def selu(x: Tensor) -> Tensor:
    """The scaled `elu` of self-normalizing networks."""
    return _SELU_SCALE * arithmetic.elu(x, _SELU_ALPHA)


def exponential(x: Tensor) -> Tensor:
    """exp(x)."""
    return math.exp(x)


def linear(x: Any) -> Any:
    """x itself."""
    return x


_KNOWN: dict[str, Callable] = {
    "elu": elu,
    "exponential": exponential,
    "hard_sigmoid": hard_sigmoid,
    "linear": linear,
    "relu": relu,
    "selu": selu,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": tanh,
}


def get(identifier: Any) -> Callable:
    """The function for itself or its name; None for `linear`.

    Raises:
        InputError: The name is unknown.
    """
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    if identifier not in _KNOWN:
        raise InputError(
            f"Unknown activation function: {identifier!r}; give one of {', '.join(_KNOWN)}, or a "
            "function of a tensor"
        )
    return _KNOWN[identifier]


def serialize(activation: Callable) -> str:
    """The name of a function, for `get`."""
    return activation.__name__


def deserialize(name: str, custom_objects: Any = None) -> Callable:
    """The function of a name.

    Args:
        name: The name.
        custom_objects: Other functions by name.
    """
    return (custom_objects or {}).get(name) or get(name)
