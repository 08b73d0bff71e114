"""Private: functions of single numbers, over arrays of any shape.

In float32, whole registers of eight numbers of the flat array are Eigen's, and the last
size % 8 numbers the C library's; see `registers`. Other dtypes are NumPy's.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import libm, registers
from .loops import address, compiled

__all__ = [
    "cos",
    "elu",
    "exp",
    "exp_rows",
    "expf",
    "expm1",
    "log",
    "log1p",
    "logf",
    "power",
    "rsqrt",
    "selu",
    "sigmoid",
    "sigmoid_grad",
    "sin",
    "softplus",
    "sqrt",
    "tanh",
    "tanh_grad",
]


def _apply(name: str, x: np.ndarray, columns: int) -> np.ndarray:
    """A function of `registers` over rows of float32 numbers."""
    loops = compiled()
    if loops is None:
        return apply_numpy(name, x, columns)
    x, y = np.ascontiguousarray(x), np.empty(x.shape, np.float32)
    if x.size:
        loops[name](address(x), address(y), x.size // columns, columns)
    return y


def apply_numpy(name: str, x: np.ndarray, columns: int) -> np.ndarray:
    """The same by NumPy."""
    function, m = registers.FUNCTIONS[name], registers.NUMPY
    if not x.size:
        return np.empty_like(x)
    rows = np.reshape(x, (-1, columns))
    whole = columns // 8 * 8
    parts = np.ascontiguousarray(rows[:, :whole]), np.ascontiguousarray(rows[:, whole:])
    with np.errstate(all="ignore"):
        found = [f(m, p) for f, p in zip(function, parts)]
    return np.concatenate(found, axis=1).reshape(x.shape)


def _unary(name: str, other: Callable) -> Callable[[Any], np.ndarray]:
    def function(x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype == np.float32:
            return _apply(name, x, x.size)
        with np.errstate(all="ignore"):
            return other(x)

    function.__name__ = name
    function.__doc__ = f"{name} of each number.\n\nArgs:\n    x: Any shape, floating point."
    return function


exp = _unary("exp", np.exp)
expm1 = _unary("expm1", np.expm1)
log = _unary("log", np.log)
log1p = _unary("log1p", np.log1p)
sin = _unary("sin", np.sin)
cos = _unary("cos", np.cos)
sqrt = _unary("sqrt", np.sqrt)
rsqrt = _unary("rsqrt", lambda x: 1 / np.sqrt(x))
tanh = _unary("tanh", np.tanh)
sigmoid = _unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)))
# The C library's functions for every number.
expf = _unary("expf", np.exp)
logf = _unary("logf", np.log)


def exp_rows(x: np.ndarray) -> np.ndarray:
    """exp of each number, where each row of the last axis is an array of its own.

    Args:
        x: (..., C).
    """
    return _apply("exp", x, x.shape[-1]) if x.dtype == np.float32 else exp(x)


def power(x: Any, y: Any) -> np.ndarray:
    """x to the power of y; their shapes broadcast."""
    x, y = np.asarray(x), np.asarray(y)
    with np.errstate(all="ignore"):
        return libm.powf(x, y) if x.dtype == np.float32 else np.asarray(np.power(x, y))


def softplus(x: Any) -> np.ndarray:
    """log(1 + exp(x))."""
    x = np.asarray(x)
    bound = np.asarray(math.log(np.finfo(x.dtype).eps) + 2, x.dtype)
    power = exp(x)
    return np.where(x > -bound, x, np.where(x < bound, power, log(power + 1)))


def elu(x: Any) -> np.ndarray:
    """x where it is positive, else exp(x) - 1."""
    x = np.asarray(x)
    return np.where(x < 0, exp(x) - 1, x)


def selu(x: Any) -> np.ndarray:
    """The scaled elu of Klambauer et al., Self-Normalizing Neural Networks (2017)."""
    x = np.asarray(x)
    scale, scale_alpha = (np.asarray(c, x.dtype) for c in (1.0507009873554805, 1.7580993408473769))
    return np.where(x < 0, scale_alpha * (exp(x) - 1), scale * x)


def sigmoid_grad(y: Any, dy: Any) -> np.ndarray:
    """The gradient of sigmoid.

    Args:
        y: sigmoid(x), any shape.
        dy: The gradient of y, the same shape.
    """
    y, dy = np.asarray(y), np.asarray(dy)
    found = np.asarray(dy * (y * (1 - y)))
    rest = y.size % 8
    if y.dtype == np.float32 and rest:
        last, gradient = y.reshape(-1)[-rest:], dy.reshape(-1)[-rest:]
        found.reshape(-1)[-rest:] = (gradient * last) * (1 - last)
    return found


def tanh_grad(y: Any, dy: Any) -> np.ndarray:
    """The gradient of tanh.

    Args:
        y: tanh(x), any shape.
        dy: The gradient of y, the same shape.
    """
    return np.asarray(dy * (1 - y * y))
