"""Private: comparisons and logic, element by element."""

from collections.abc import Callable

import numpy as np

from ..core.conversion import apply
from ..core.registry import define, not_differentiable
from ..core.tensors import Tensor, TensorLike
from .inference import like_first, of_two

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


def _function(
    name: str,
    type: str,  # noqa: A002
    kernel: Callable,
    sign: str,
    kinds: str,
) -> Callable:
    define(type, of_two(kinds, "bool"), lambda op, x, y: np.asarray(kernel(x, y), np.bool_))
    not_differentiable(type)

    def function(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
        return apply(type, {"x": x, "y": y}, name=name, same=("x", "y")).outputs[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"x {sign} y, element by element."
    return function


equal = _function("equal", "Equal", np.equal, "==", "biufcO")
not_equal = _function("not_equal", "NotEqual", np.not_equal, "!=", "biufcO")
less = _function("less", "Less", np.less, "<", "iuf")
less_equal = _function("less_equal", "LessEqual", np.less_equal, "<=", "iuf")
greater = _function("greater", "Greater", np.greater, ">", "iuf")
greater_equal = _function("greater_equal", "GreaterEqual", np.greater_equal, ">=", "iuf")
logical_and = _function("logical_and", "LogicalAnd", np.logical_and, "and", "b")
logical_or = _function("logical_or", "LogicalOr", np.logical_or, "or", "b")

define("LogicalNot", like_first("b"), lambda op, x: np.logical_not(x))
not_differentiable("LogicalNot")


def logical_not(x: TensorLike, name: str | None = None) -> Tensor:
    """Not x, element by element."""
    return apply("LogicalNot", {"x": x}, name=name).outputs[0]


def logical_xor(x: TensorLike, y: TensorLike, name: str = "LogicalXor") -> Tensor:
    """x or y, but not both, element by element."""
    either = logical_or(x, y)
    return logical_and(either, logical_not(logical_and(x, y)), name=name)
