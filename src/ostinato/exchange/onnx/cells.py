"""Private: ONNX's activation functions and clipping, and its LSTM with any of them and with coupled
gates.

Source:
    github.com/onnx/onnx, docs/Operators.md: RNN, GRU and LSTM.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ...language.operations import (
    clip,
    exp,
    minimum,
    relu,
    sigmoid,
    softplus,
    split,
    tanh,
    where,
)
from ...language.symbols import Vector
from ...language.tracing import cell, weight

__all__ = ["ACTIVATIONS", "Activation", "Bounded", "onnx_lstm"]


def _line(x: Vector, slope: float, shift: float) -> Vector:
    """slope * x + shift, without operations that change nothing."""
    scaled = x if slope == 1 else slope * x
    return scaled + shift if shift else scaled


def _elu(x: Vector, scale: float) -> Vector:
    """x above 0, scale * (exp(x) - 1) below."""
    return where(x > 0, x, _line(exp(minimum(x, 0.0)) - 1, scale, 0.0))


@dataclass(frozen=True)
class ActivationKind:
    """An activation function of ONNX.

    Attributes:
        function: The function of a value, alpha and beta.
        alpha: Whether it has the number alpha.
        beta: Whether it has the number beta.
        defaults: Alpha and beta where a file does not state them; None where the operators'
            documentation has no default, or where tools differ.
    """

    function: Callable[[Vector, float, float], Vector]
    alpha: bool = False
    beta: bool = False
    defaults: tuple[float, float] | None = (0.0, 0.0)


# ONNX Runtime takes alpha of ThresholdedRelu as 0 where it is not stated, and ONNX's operator as 1.
ACTIVATIONS = {
    "Relu": ActivationKind(lambda x, a, b: relu(x)),
    "Tanh": ActivationKind(lambda x, a, b: tanh(x)),
    "Sigmoid": ActivationKind(lambda x, a, b: sigmoid(x)),
    "Softsign": ActivationKind(lambda x, a, b: x / (1 + abs(x))),
    "Softplus": ActivationKind(lambda x, a, b: softplus(x)),
    "Affine": ActivationKind(_line, True, True, None),
    "LeakyRelu": ActivationKind(lambda x, a, b: where(x < 0.0, a * x, x), True, False, (0.01, 0.0)),
    "ThresholdedRelu": ActivationKind(lambda x, a, b: where(x > a, x, 0.0), True, False, None),
    "ScaledTanh": ActivationKind(lambda x, a, b: a * tanh(b * x), True, True, None),
    "HardSigmoid": ActivationKind(
        lambda x, a, b: clip(_line(x, a, b), 0.0, 1.0), True, True, (0.2, 0.5)
    ),
    "Elu": ActivationKind(lambda x, a, b: _elu(x, a), True, False, (1.0, 0.0)),
}


@dataclass(frozen=True)
class Activation:
    """An activation function with its numbers, for values of a step.

    Attributes:
        name: A name of `ACTIVATIONS`.
        alpha: The first number, 0 for a function without.
        beta: The second one.
    """

    name: str
    alpha: float = 0.0
    beta: float = 0.0

    def __call__(self, x: Vector) -> Vector:
        return ACTIVATIONS[self.name].function(x, self.alpha, self.beta)


@dataclass(frozen=True)
class Bounded:
    """An activation function of values that are clipped first: clip of ONNX.

    Attributes:
        function: The activation function.
        limit: The largest distance from 0; None for no limit.
    """

    function: Callable[[Vector], Vector]
    limit: float | None = None

    def __call__(self, x: Vector) -> Vector:
        return self.function(x if self.limit is None else clip(x, -self.limit, self.limit))


@cell
def onnx_lstm(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    p_i=weight("H"),
    p_f=weight("H"),
    p_o=weight("H"),
    activations=(sigmoid, tanh, tanh),
    coupled=False,
    peepholes=False,
):
    """ONNX's LSTM, with its activation functions f, g and h, and `coupled` for input_forget."""
    f_, g_, h_ = activations
    i, f, g, o = split(W @ x + U @ h + b, 4)
    if peepholes:
        i = i + p_i * c
        f = f + p_f * c
    i = f_(i)
    c = (1 - i if coupled else f_(f)) * c + i * g_(g)
    if peepholes:
        o = o + p_o * c
    return f_(o) * h_(c), c
