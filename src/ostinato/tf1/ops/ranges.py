"""Private: sequences of numbers, and sums and products up to each element."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.constant import constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DType, DTypeLike
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shapes_of import axis_of, index_dtypes
from ..core.tensors import Operation, Tensor, TensorLike
from . import elementwise
from .inference import like_first

__all__ = ["cumprod", "cumsum", "lin_space", "linspace", "range"]

# The dtypes of `range`, the widest last.
_WIDTHS = ["int32", "int64", "float32", "float64"]


def _count(start: Any, limit: Any, delta: Any) -> int:
    if delta == 0:
        raise InputError("tf.range was given delta=0: give another number")
    whole = np.asarray(delta).dtype.kind in "iu"
    if whole:
        return max(-(-(int(limit) - int(start)) // int(delta)), 0)
    return max(math.ceil((float(limit) - float(start)) / float(delta)), 0)


def _range_outputs(op: Operation) -> list[tuple[DType, Any]]:
    values = [constant_value(t) for t in op.inputs]
    known = not any(v is None for v in values)
    return [(op.inputs[0].dtype.base_dtype, [_count(*values) if known else None])]


def _range(op: Operation, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
    count = _count(start, limit, delta)
    if start.dtype.kind in "iu":
        return np.arange(count, dtype=start.dtype) * delta + start
    # TensorFlow adds delta again and again.
    steps = np.full(count, delta, start.dtype)
    steps[:1] = start
    return np.cumsum(steps, dtype=start.dtype)


define("Range", _range_outputs, _range)
not_differentiable("Range")


def range(  # noqa: A001
    start: TensorLike,
    limit: TensorLike = None,
    delta: TensorLike = 1,
    dtype: DTypeLike | None = None,
    name: str | None = "range",
) -> Tensor:
    """Numbers from a start up to a limit, which is not included.

    Args:
        start: The first number; with `start` alone, it is the limit, and the first number is 0.
        limit: The limit.
        delta: The step.
        dtype: The dtype; None for the widest dtype of the numbers.
        name: The name of the operation.
    """
    if limit is None:
        start, limit = 0, start
    with name_scope(name, "Range") as scope:
        given = {"start": start, "limit": limit, "delta": delta}
        found = {k: convert_to_tensor(v, dtype=dtype, name=k) for k, v in given.items()}
        if dtype is None:
            kinds = [t.dtype.base_dtype.name for t in found.values()]
            if not set(kinds) <= set(_WIDTHS):
                raise InputError(f"tf.range was given numbers of {kinds}: give one of {_WIDTHS}")
            widest = max(kinds, key=_WIDTHS.index)
            found = {k: elementwise.cast(t, widest) for k, t in found.items()}
        return apply("Range", found, name=scope).outputs[0]


def _lin_space_outputs(op: Operation) -> list[tuple[DType, Any]]:
    count = constant_value(op.inputs[2])
    return [(op.inputs[0].dtype.base_dtype, [None if count is None else int(count)])]


def _lin_space(op: Operation, start: np.ndarray, stop: np.ndarray, num: np.ndarray) -> np.ndarray:
    count = int(num)
    if count < 1:
        raise InputError(f"{op.name}: Requires num > 0: {count}")
    step = (stop - start) / start.dtype.type(max(count - 1, 1))
    return start + step * np.arange(count, dtype=start.dtype)


define("LinSpace", _lin_space_outputs, _lin_space)
not_differentiable("LinSpace")


def lin_space(
    start: TensorLike, stop: TensorLike, num: TensorLike, name: str | None = None
) -> Tensor:
    """Floats at equal distances, from a first to a last one.

    Args:
        start, stop: The first and the last number.
        num: How many.
        name: The name of the operation.
    """
    given = {"start": start, "stop": stop, "num": num}
    return apply(
        "LinSpace", given, name=name, dtypes=index_dtypes(num=num), same=("start", "stop")
    ).outputs[0]


linspace = lin_space


# Sums and products up to each element


def _cumulative(function: str, type: str, kernel: Any, neutral: int, noun: str) -> Callable:  # noqa: A002
    def compute(op: Operation, x: np.ndarray, axis: np.ndarray) -> np.ndarray:
        over = axis_of(axis, x.ndim, op.name)
        if op.attrs["reverse"]:
            x = np.flip(x, over)
        if op.attrs["exclusive"]:
            last = [slice(None)] * x.ndim
            last[over] = slice(0, max(x.shape[over] - 1, 0))
            first = list(x.shape)
            first[over] = min(x.shape[over], 1)
            x = np.concatenate([np.full(first, neutral, x.dtype), x[tuple(last)]], over)
        result = kernel(x, axis=over, dtype=x.dtype)
        return np.flip(result, over) if op.attrs["reverse"] else result

    define(type, like_first("iufc"), compute)

    def cumulative(
        x: TensorLike,
        axis: TensorLike = 0,
        exclusive: bool = False,
        reverse: bool = False,
        name: str | None = None,
    ) -> Tensor:
        with name_scope(name, type) as scope:
            x = convert_to_tensor(x, name="x")
            return apply(
                type,
                {"x": x, "axis": axis},
                name=scope,
                attrs={"exclusive": bool(exclusive), "reverse": bool(reverse)},
                dtypes=index_dtypes(axis=axis),
            ).outputs[0]

    cumulative.__name__ = cumulative.__qualname__ = function
    cumulative.__doc__ = f"""The {noun} of the elements up to each one, along a dimension.

    Args:
        x: The tensor.
        axis: The dimension.
        exclusive: Whether to leave out the element itself.
        reverse: Whether to go from the last element to the first.
        name: The name of the operation.
    """
    return cumulative


cumsum = _cumulative("cumsum", "Cumsum", np.cumsum, 0, "sum")
cumprod = _cumulative("cumprod", "Cumprod", np.cumprod, 1, "product")
