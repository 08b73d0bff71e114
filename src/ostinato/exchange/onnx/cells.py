"""Private: what ONNX's RNN, LSTM and GRU compute with any activations, clipping and coupled gates,
as cells.

Source:
    github.com/onnx/onnx, docs/Operators.md: RNN, GRU and LSTM.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ...language.operations import (
    clip,
    exp,
    identity,
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

__all__ = ["ACTIVATIONS", "Activation", "onnx_gru", "onnx_gru_original", "onnx_lstm", "onnx_rnn"]


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


def _bounded(limit: float | None) -> Callable[[Vector], Vector]:
    """The function that clips to a distance of `limit` from 0; None for no limit."""
    return identity if limit is None else lambda x: clip(x, -limit, limit)


@cell
def onnx_rnn(
    x,
    h,
    *,
    W=weight("H", "I"),
    U=weight("H", "H"),
    b=weight("H"),
    activations=(tanh,),
    limit=None,
):
    """ONNX's RNN, with its activation function f and `limit` for clip."""
    (f,) = activations
    return f(_bounded(limit)(W @ x + U @ h + b))


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
    limit=None,
    coupled=False,
    peepholes=False,
):
    """ONNX's LSTM, with its activation functions f, g and h, `limit` for clip and `coupled` for
    input_forget.

    As in ONNX Runtime, clip is for the gates and the candidate, and h sees the cell state itself.
    """
    (f_, g_, h_), bounded = activations, _bounded(limit)
    i, f, g, o = split(W @ x + U @ h + b, 4)
    if peepholes:
        i = i + p_i * c
        f = f + p_f * c
    i = f_(bounded(i))
    c = (1 - i if coupled else f_(bounded(f))) * c + i * g_(bounded(g))
    if peepholes:
        o = o + p_o * c
    return f_(bounded(o)) * h_(c), c


@cell
def onnx_gru(
    x,
    h,
    *,
    W=weight("3*H", "I"),
    U=weight("3*H", "H"),
    b=weight("3*H"),
    d=weight("3*H"),
    activations=(sigmoid, tanh),
    limit=None,
):
    """ONNX's GRU with linear_before_reset=1, with its activation functions f and g."""
    (f, g), bounded = activations, _bounded(limit)
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz, hn = split(U @ h + d, 3)
    r, z = f(bounded(xr + hr)), f(bounded(xz + hz))
    return (1 - z) * g(bounded(xn + r * hn)) + z * h


@cell
def onnx_gru_original(
    x,
    h,
    *,
    W=weight("3*H", "I"),
    U_rz=weight("2*H", "H"),
    U_n=weight("H", "H"),
    b=weight("3*H"),
    activations=(sigmoid, tanh),
    limit=None,
):
    """ONNX's GRU with linear_before_reset=0, with its activation functions f and g."""
    (f, g), bounded = activations, _bounded(limit)
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz = split(U_rz @ h, 2)
    r, z = f(bounded(xr + hr)), f(bounded(xz + hz))
    return (1 - z) * g(bounded(xn + U_n @ (r * h))) + z * h
