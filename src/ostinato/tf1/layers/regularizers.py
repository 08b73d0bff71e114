"""Private: the regularizers of tf.contrib.layers."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.graph import get_default_graph, name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import Tensor
from ..ops import math, nn

__all__ = [
    "apply_regularization",
    "l1_l2_regularizer",
    "l1_regularizer",
    "l2_regularizer",
    "sum_regularizer",
]


def _none(_: Any) -> None:
    return None


def _check(scale: Any, function: str) -> None:
    if isinstance(scale, numbers.Integral):
        raise InputError(f"scale cannot be an integer: {scale}; write {function}({float(scale)})")
    if isinstance(scale, numbers.Real) and scale < 0.0:
        raise InputError(f"Setting a scale less than 0 on a regularizer: {scale}: give 0.1")


def _regularizer(scale: Any, scope: str | None, name: str, penalty: Callable) -> Callable:
    _check(scale, name)
    if scale == 0.0:
        return _none

    def regularizer(weights: Any) -> Tensor:
        with name_scope(scope, name) as opened:
            factor = convert_to_tensor(scale, weights.dtype.base_dtype, "scale")
            return math.multiply(factor, penalty(weights), name=opened)

    return regularizer


def l1_regularizer(scale: float, scope: str | None = None) -> Callable:
    """A function of a variable: `scale` times the sum of absolute values.

    Args:
        scale: A float from 0 on.
        scope: The name scope.

    Raises:
        InputError: The scale is negative, or a whole number.
    """
    return _regularizer(
        scale, scope, "l1_regularizer", lambda weights: math.reduce_sum(math.abs(weights))
    )


def l2_regularizer(scale: float, scope: str | None = None) -> Callable:
    """A function of a variable: `scale` times half the sum of squares; see `l1_regularizer`."""
    return _regularizer(scale, scope, "l2_regularizer", nn.l2_loss)


def l1_l2_regularizer(
    scale_l1: float = 1.0, scale_l2: float = 1.0, scope: str | None = None
) -> Callable:
    """The sum of `l1_regularizer` and `l2_regularizer`."""
    for scale in (scale_l1, scale_l2):
        _check(scale, "l1_l2_regularizer")
    opened = scope or "l1_l2_regularizer"
    if scale_l1 == 0.0:
        return l2_regularizer(scale_l2, opened)
    if scale_l2 == 0.0:
        return l1_regularizer(scale_l1, opened)
    both: Any = sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope=opened)
    return both


def sum_regularizer(regularizer_list: Sequence, scope: str | None = None) -> Callable | None:
    """The sum of regularizers; some may be None."""
    regularizers = [r for r in regularizer_list if r is not None]
    if not regularizers:
        return None

    def regularizer(weights: Any) -> Tensor | None:
        with name_scope(scope, "sum_regularizer") as opened:
            found = [r(weights) for r in regularizers]
            found = [t for t in found if t is not None]
            return math.add_n(found, name=opened) if found else None

    return regularizer


def apply_regularization(regularizer: Callable, weights_list: Sequence | None = None) -> Tensor:
    """The sum of a regularizer over variables, which joins the regularization losses.

    Args:
        regularizer: A function of a variable.
        weights_list: The variables; None for the collection of weights.

    Raises:
        InputError: No variables are given, and the collection is empty.
    """
    graph = get_default_graph()
    weights = weights_list or graph.get_collection(GraphKeys.WEIGHTS)
    if not weights:
        raise InputError("No weights to regularize: give weights_list")
    with name_scope("get_regularization_penalty") as scope:
        penalties = [regularizer(w) for w in weights]
        penalties = [constant(0.0) if p is None else p for p in penalties]
        total = math.add_n(penalties, name=scope)
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
        return total
