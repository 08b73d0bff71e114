"""Private: static shapes of results, and checks of axes and sizes."""

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import SizeError
from .dtypes import DType
from .shape import TensorShape
from .tensors import Operand, Operation, Tensor

__all__ = [
    "axes_of",
    "axis_of",
    "base_dtype",
    "broadcast_shapes",
    "index_dtypes",
    "like_first",
    "merge_shapes",
    "merge_sizes",
    "shape_of",
]


def merge_sizes(a: int | None, b: int | None, what: str) -> int | None:
    """Merge two sizes that must agree.

    Raises:
        SizeError: Both are known and differ.
    """
    if a is not None and b is not None and a != b:
        raise SizeError(f"{what}: {a} and {b} differ; make them the same size")
    return b if a is None else a


def merge_shapes(shapes: Iterable[TensorShape], what: str) -> TensorShape:
    """Merge shapes that must agree.

    Raises:
        SizeError: Sizes or numbers of dimensions differ.
    """
    merged = TensorShape(None)
    for shape in shapes:
        if merged.sizes is None or shape.sizes is None:
            merged = shape if merged.sizes is None else merged
            continue
        if len(merged) != len(shape):
            raise SizeError(f"{what}: {merged} and {shape} have different numbers of dimensions")
        merged = TensorShape([merge_sizes(m, n, what) for m, n in zip(merged.sizes, shape.sizes)])
    return merged


def broadcast_shapes(a: TensorShape, b: TensorShape, what: str) -> TensorShape:
    """The shape of an elementwise operation on two tensors.

    Args:
        a, b: Their shapes.
        what: The name of the operation, for errors.

    Raises:
        SizeError: The shapes do not match.
    """
    if a.sizes is None or b.sizes is None:
        return TensorShape(None)
    rank = max(len(a), len(b))
    padded = [(1,) * (rank - len(s)) + s for s in (a.sizes, b.sizes)]
    return TensorShape([_broadcast_sizes(m, n, what) for m, n in zip(*padded)])


def _broadcast_sizes(m: int | None, n: int | None, what: str) -> int | None:
    if m == 1:
        return n
    if n == 1:
        return m
    if m is None or n is None:
        # An unknown size is 1 or the other one, unless the other one is 0.
        return (m or n) or None
    return merge_sizes(m, n, what)


def shape_of(given: Any, of: str) -> TensorShape:
    """Validate a shape.

    Args:
        given: The sizes, or a single size; None for a size that is known only in a run.
        of: The name of the function, for errors.

    Raises:
        SizeError: A size is not a whole number, 0 or more.
    """
    if isinstance(given, TensorShape):
        return given
    sizes = list(given) if isinstance(given, (tuple, list, np.ndarray)) else [given]
    values = [getattr(n, "value", n) for n in sizes]
    if any(
        n is not None and (isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0)
        for n in values
    ):
        raise SizeError(
            f"{of} was given the shape {given!r}: give whole numbers from 0 on, such as [2, 3]"
        )
    return TensorShape(values)


def axis_of(given: Any, rank: int, of: str) -> int:
    """The number of a dimension, counted from the first one.

    Args:
        given: The number, or an array of one; a negative number counts from the end.
        rank: The number of dimensions.
        of: The name of the function, for errors.

    Raises:
        SizeError: The dimension does not exist.
    """
    given = getattr(given, "value", given)
    if isinstance(given, np.ndarray) and given.size == 1:
        given = given.item()
    if (
        isinstance(given, (bool, np.bool_))
        or not isinstance(given, numbers.Integral)
        or not -rank <= int(given) < rank
    ):
        raise SizeError(
            f"{of} was given the axis {given!s} of {rank} dimension(s): give a whole number from "
            f"{-rank} to {rank - 1}"
        )
    return int(given) % rank


def axes_of(axis: int | Sequence[int] | None, rank: int, of: str) -> list[int]:
    """Dimensions in order: one, several, or all for None; see `axis_of`."""
    if axis is None:
        return list(range(rank))
    several = isinstance(axis, (tuple, list)) or isinstance(axis, np.ndarray) and axis.ndim > 0
    return sorted(axis_of(i, rank, of) for i in (axis if several else [axis]))  # type: ignore[union-attr]


def base_dtype(tensor: Tensor) -> DType:
    """The dtype of a tensor's value; that of a variable has no "_ref"."""
    return tensor.dtype.base_dtype


def like_first(op: Operation) -> list[tuple[DType, TensorShape]]:
    """One output, of the dtype and the shape of the first input; see `registry.define`."""
    return [(op.inputs[0].dtype.base_dtype, op.inputs[0].shape)]


def index_dtypes(default: str = "int32", **arguments: Any) -> dict[str, str]:
    """The dtypes of arguments that may be int32 or int64 tensors; numbers become `default`."""
    return {name: default for name, v in arguments.items() if not isinstance(v, Operand)}
