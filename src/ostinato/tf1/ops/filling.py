"""Private: filled tensors and broadcasting."""

import functools
import numbers
import operator
from typing import Any

import numpy as np

from ...errors import SizeError
from ..core.constant import constant, constant_value_as_shape
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES, DType, DTypeLike, as_dtype
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.shapes_of import (
    base_dtype,
    broadcast_shapes,
    index_dtypes,
    like_first,
)
from ..core.tensors import Operand, Operation, Tensor, TensorLike
from . import reshaping, shapes

__all__ = [
    "broadcast_dynamic_shape",
    "broadcast_gradient_args",
    "broadcast_static_shape",
    "broadcast_to",
    "fill",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

# From this number of elements on, TensorFlow fills an array in the run instead of storing it in
# the graph.
_LARGE = 1000
_INT32 = DTYPES["int32"]


define(
    "Fill",
    lambda op: [(base_dtype(op.inputs[1]), constant_value_as_shape(op.inputs[0]))],
    lambda op, dims, value: np.full(dims, value, op.outputs[0].dtype.as_numpy_dtype),
)
define(
    "BroadcastTo",
    lambda op: [(base_dtype(op.inputs[0]), constant_value_as_shape(op.inputs[1]))],
    lambda op, x, dims: np.array(np.broadcast_to(x, tuple(dims))),
)


def _zeros_of(kind: DType) -> Any:
    return False if kind.is_bool else b"" if kind == DTYPES["string"] else 0


define(
    "ZerosLike",
    like_first,
    lambda op, x: np.full(np.shape(x), _zeros_of(op.outputs[0].dtype), np.asarray(x).dtype),
)
define("OnesLike", like_first, lambda op, x: np.ones(np.shape(x), np.asarray(x).dtype))
not_differentiable("ZerosLike", "OnesLike")


def fill(dims: Any, value: TensorLike, name: str | None = None) -> Tensor:
    """A tensor of one value.

    Args:
        dims: The sizes; some may be scalar tensors.
        value: The value.
        name: The name of the operation.
    """
    inputs = {"dims": dims, "value": value}
    return apply("Fill", inputs, name=name, dtypes=index_dtypes(dims=dims)).outputs[0]


def _filled(default_name: str, value_of: Any) -> Any:
    def fill_with(shape: Any, dtype: DTypeLike = "float32", name: str | None = None) -> Tensor:
        kind = as_dtype(dtype).base_dtype
        with name_scope(name, default_name) as scope:
            if not isinstance(shape, Tensor):
                small = _constant_if_small(value_of(kind), shape, kind, scope, default_name)
                if small is not None:
                    return small
                if _has_tensors(shape):
                    shape = convert_to_tensor(shape, _INT32)
                else:
                    shape = constant(_plain_sizes(shape), name="shape_as_tensor")
            if shape.shape.sizes in ((), None):
                shape = reshaping.reshape(shape, [-1])
            return fill(shape, constant(value_of(kind), kind), name=scope)

    fill_with.__name__ = fill_with.__qualname__ = default_name
    fill_with.__doc__ = f"""A tensor of {default_name}.

    Args:
        shape: The sizes; some may be scalar tensors.
        dtype: The dtype.
        name: The name of the operation.
    """
    return fill_with


def _plain_sizes(given: Any) -> np.ndarray:
    sizes = TensorShape(given).as_list()
    if None in sizes:
        raise SizeError(f"the shape {given} is not fully known: use tf.shape(x)")
    wide = any(n > np.iinfo(np.int32).max for n in sizes)  # type: ignore[operator]
    return np.array(sizes, np.int64 if wide else np.int32)


def _has_tensors(given: Any) -> bool:
    if isinstance(given, (list, tuple)):
        return any(_has_tensors(n) for n in given)
    return isinstance(given, Operand)


def _constant_if_small(value: Any, given: Any, kind: DType, name: str, of: str) -> Tensor | None:
    """A constant of few known elements; else None."""
    several = isinstance(given, (list, tuple, np.ndarray, TensorShape))
    sizes = list(given) if several else [given]
    if _has_tensors(sizes):
        # TensorFlow multiplies the sizes and compares the product, which adds operations where
        # some of them are tensors.
        _ = functools.reduce(operator.mul, sizes) < _LARGE
        return None
    known = [getattr(n, "value", n) for n in sizes]
    if any(
        isinstance(n, bool)
        or not isinstance(n, (numbers.Integral, type(None)))
        or n is not None
        and n < 0
        for n in known
    ):
        raise SizeError(
            f"tf.{of} was given {given!r}: give whole numbers from 0 on, or scalar tensors, such "
            "as tf.shape(x)[0]"
        )
    # A single number is not taken for a shape of one size.
    if not several or None in known or int(np.prod(known, dtype=np.int64)) >= _LARGE:  # type: ignore[arg-type]
        return None
    array = np.full(known, value, kind.as_numpy_dtype)  # type: ignore[arg-type]
    return constant(array, kind, name=name)


zeros = _filled("zeros", _zeros_of)
ones = _filled("ones", lambda kind: True if kind.is_bool else 1)


def zeros_like(
    tensor: TensorLike,
    dtype: DTypeLike | None = None,
    name: str | None = None,
    optimize: bool = True,
) -> Tensor:
    """Zeros in the shape of a tensor.

    Args:
        tensor: The tensor.
        dtype: The dtype; None for the tensor's.
        name: The name of the operation.
        optimize: Whether a known shape makes it a constant.
    """
    with name_scope(name, "zeros_like") as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        kind = base_dtype(tensor) if dtype is None else as_dtype(dtype).base_dtype
        if optimize and tensor.shape.is_fully_defined() and kind != DTYPES["variant"]:
            return zeros(tensor.shape, kind, name=scope)
        if kind != base_dtype(tensor):
            return zeros(shapes.shape_internal(tensor, optimize=optimize), kind, name=scope)
        return apply("ZerosLike", {"x": tensor}, name=scope).outputs[0]


def ones_like(
    tensor: TensorLike,
    dtype: DTypeLike | None = None,
    name: str | None = None,
    optimize: bool = True,
) -> Tensor:
    """Ones in the shape of a tensor; see `zeros_like`."""
    with name_scope(name, "ones_like") as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        sizes = shapes.shape_internal(tensor, optimize=optimize)
        kind = base_dtype(tensor) if dtype is None else as_dtype(dtype).base_dtype
        result = ones(sizes, kind, name=scope)
        result.set_shape(tensor.shape)
        return result


# Broadcasting


def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The shape that two known shapes are broadcast to."""
    return broadcast_shapes(TensorShape(shape_x), TensorShape(shape_y), "broadcast_static_shape")


def _broadcast_args(op: Operation) -> list:
    lengths = [t.shape[0].value for t in op.inputs]
    known = None if None in lengths else max(lengths)  # type: ignore[type-var]
    return [(base_dtype(op.inputs[0]), [known])]


define(
    "BroadcastArgs",
    _broadcast_args,
    lambda op, a, b: np.array(np.broadcast_shapes(tuple(a), tuple(b)), a.dtype),
)
not_differentiable("BroadcastArgs")


def broadcast_dynamic_shape(shape_x: TensorLike, shape_y: TensorLike) -> Tensor:
    """The shape that two shapes, given as tensors, are broadcast to."""
    s0, s1 = convert_to_tensor(shape_x), convert_to_tensor(shape_y)
    return apply("BroadcastArgs", {"s0": s0, "s1": s1}, same=("s0", "s1")).outputs[0]


def _reduced_axes(op: Operation, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For both tensors the dimensions to sum over in the gradient of a broadcast."""
    first, second = a.tolist(), b.tolist()
    if first == second:
        return np.empty(0, a.dtype), np.empty(0, a.dtype)
    np.broadcast_shapes(tuple(first), tuple(second))
    n = max(len(first), len(second))
    first, second = ([1] * (n - len(s)) + s for s in (first, second))
    pairs = list(enumerate(zip(first, second)))
    return (
        np.array([i for i, (x, y) in pairs if x == 1], a.dtype),
        np.array([i for i, (x, y) in pairs if y == 1], a.dtype),
    )


define(
    "BroadcastGradientArgs",
    lambda op: [(base_dtype(op.inputs[0]), [None])] * 2,
    _reduced_axes,
)
not_differentiable("BroadcastGradientArgs")


def broadcast_gradient_args(
    s0: TensorLike, s1: TensorLike, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The dimensions over which the gradients of two operands are summed.

    Args:
        s0, s1: The shapes of the operands.
        name: The name of the operation.
    """
    op = apply("BroadcastGradientArgs", {"s0": s0, "s1": s1}, name=name, same=("s0", "s1"))
    return op.outputs[0], op.outputs[1]


def broadcast_to(input: TensorLike, shape: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """Repeat a tensor along dimensions of size 1, to a shape."""
    inputs = {"input": input, "shape": shape}
    return apply("BroadcastTo", inputs, name=name, dtypes=index_dtypes(shape=shape)).outputs[0]
