"""Private: choices by a condition: tf.where."""

from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.shapes_of import (
    base_dtype,
    merge_shapes,
)
from ..core.tensors import Operand, Operation, Tensor, TensorLike

__all__ = ["where"]

_INT64 = DTYPES["int64"]


def _found(op: Operation) -> list:
    return [(_INT64, [None, op.inputs[0].shape.ndims])]


define("Where", _found, lambda op, x: np.argwhere(x))


not_differentiable("Where")


def _selected(op: Operation) -> list:
    condition, x, y = op.inputs
    what = f"tf.where of {condition.shape}, {x.shape} and {y.shape}"
    if condition.dtype.base_dtype != DTYPES["bool"]:
        raise InputError(f"{what}: the condition is {condition}: compare first, x > 0")
    asked, ranks = condition.shape, {s.ndims for s in (x.shape, y.shape)} - {None}
    if len(ranks) > 1 or ranks and asked.ndims not in (None, 0, 1, *ranks):
        raise SizeError(
            f"{what}: give a boolean condition, and two values of one shape; for a number write "
            "tf.ones(shape) * number"
        )
    shape = merge_shapes([x.shape, y.shape], what)
    if asked.sizes and shape.sizes is not None:
        if len(asked) != len(shape):
            row = TensorShape([asked.sizes[0]] + [None] * (len(shape) - 1))
            shape = merge_shapes([shape, row], what) if shape.sizes else shape
        else:
            shape = merge_shapes([shape, asked], what)
    return [(base_dtype(x), shape)]


def _select(op: Operation, condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
    c = np.asarray(condition)
    shape = np.shape(x)
    if np.shape(y) != shape or c.shape not in ((), shape[:1], shape):
        raise ValueError(f"tf.where of {c.shape}, {shape} and {np.shape(y)}")
    if not c.ndim:
        return x if c else y
    return np.where(c.reshape(c.shape + (1,) * (len(shape) - c.ndim)), x, y)


define("Select", _selected, _select)


def where(
    condition: TensorLike,
    x: TensorLike | None = None,
    y: TensorLike | None = None,
    name: str | None = None,
) -> Tensor:
    """x where a condition is true, else y; or the places where it is true.

    Args:
        condition: Booleans of the same shape, or one for each row.
        x, y: Values of the same shape; None for the places, (N, dimensions).
        name: The name of the operation.

    Raises:
        SizeError: The shapes do not match.
    """
    if x is None and y is None:
        with name_scope(name, "Where") as scope:
            condition = convert_to_tensor(condition, name="condition", preferred_dtype="bool")
            return apply("Where", {"input": condition}, name=scope).outputs[0]
    if x is None or y is None:
        raise InputError("tf.where was given one of x and y: give both, or none of them")
    inputs = {"condition": condition, "t": x, "e": y}
    dtypes = {} if isinstance(condition, Operand) else {"condition": "bool"}
    return apply("Select", inputs, name=name, dtypes=dtypes, same=("t", "e")).outputs[0]
