"""Private: activations by name, as equations of a step and as functions of tensors.

An activation of one unit is written once, in the cell language; its function of tensors is traced
from that.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..engines.reference import evaluate
from ..errors import InputError, near
from ..language.graph import Builder, Node, Size, walk
from ..language.operations import (
    clip,
    exp,
    hard_sigmoid,
    identity,
    maximum,
    minimum,
    relu,
    sigmoid,
    softplus,
    tanh,
    where,
)
from ..language.symbols import Vector

__all__ = ["ROWS", "UNITS", "activated", "activation_name", "check_activation"]

# Klambauer et al., Self-Normalizing Neural Networks (2017).
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def elu(x: Vector) -> Vector:
    """x above 0, exp(x) - 1 below. Source: Clevert et al. (2016)."""
    return where(x > 0, x, exp(minimum(x, 0.0)) - 1)


def selu(x: Vector) -> Vector:
    """The scaled elu. Source: Klambauer et al. (2017)."""
    return where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * (exp(minimum(x, 0.0)) - 1))


def softsign(x: Vector) -> Vector:
    """x / (1 + |x|)."""
    return x / (1 + abs(x))


def silu(x: Vector) -> Vector:
    """x * sigmoid(x), also called swish."""
    return x * sigmoid(x)


def mish(x: Vector) -> Vector:
    """x * tanh(softplus(x)). Source: Misra (2019)."""
    return x * tanh(softplus(x))


def relu6(x: Vector) -> Vector:
    """x clipped to 0 and 6."""
    return clip(x, 0.0, 6.0)


def leaky_relu_02(x: Vector) -> Vector:
    """x above 0, 0.2 * x below: the slope of Keras's activation `leaky_relu`."""
    return maximum(x, 0.2 * x)


def hard_silu(x: Vector) -> Vector:
    """x * hard_sigmoid(x), also called hard swish."""
    return x * hard_sigmoid(x)


def hard_tanh(x: Vector) -> Vector:
    """x clipped to -1 and 1."""
    return clip(x, -1.0, 1.0)


def hard_sigmoid_02(x: Vector) -> Vector:
    """0.2 * x + 0.5 clipped to 0 and 1: hard_sigmoid of Keras 1 and 2."""
    return clip(0.2 * x + 0.5, 0.0, 1.0)


def log_sigmoid(x: Vector) -> Vector:
    """log(sigmoid(x))."""
    return -softplus(-x)


# Activations of one unit, which cells can have too.
UNITS: dict[str, Callable[[Vector], Vector]] = {
    "linear": identity,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_02": hard_sigmoid_02,
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "softsign": softsign,
    "silu": silu,
    "hard_silu": hard_silu,
    "hard_tanh": hard_tanh,
    "mish": mish,
    "relu6": relu6,
    "leaky_relu_02": leaky_relu_02,
    "exponential": exp,
    "log_sigmoid": log_sigmoid,
}
# Activations that see all units, or that the cell language does not have.
ROWS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "gelu": F.gelu,
}


def check_activation(name: str) -> None:
    """Raise an InputError unless an activation of this name exists."""
    known = [*UNITS, *ROWS]
    if name not in known:
        raise InputError(
            f"unknown activation {name[:80]!r}{near(name[:80], known)}; the activations are "
            f"{', '.join(known)}"
        )


def activation_name(function: object) -> str | None:
    """The name of an activation of one unit; None if it is not in the table."""
    return next((name for name, one in UNITS.items() if one is function), None)


@functools.cache
def _traced(name: str) -> tuple[Node, Node]:
    """The argument and the result of an activation of one unit."""
    builder = Builder()
    x = builder.node("input", (), "x", Size("H"))
    return x, UNITS[name](Vector(builder, x)).node


def activated(name: str, x: Tensor) -> Tensor:
    """The activation of a tensor, (..., units).

    Example:
        >>> import torch
        >>> activated("hard_sigmoid_02", torch.tensor([-4.0, 0.0, 1.0]))
        tensor([0.0000, 0.5000, 0.7000])
    """
    if name in ROWS:
        return ROWS[name](x)
    argument, result = _traced(name)
    values = {argument: x}
    evaluate(walk([result]), values, {}, {}, like=x)
    return values[result]
