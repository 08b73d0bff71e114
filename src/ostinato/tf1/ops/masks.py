"""Private: one-hot vectors, masks and choices by a condition."""

from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.constant import constant, constant_value
from ..core.dtypes import DTYPES, DType, DTypeLike, as_dtype
from ..core.graph import (
    Operand,
    Operation,
    Tensor,
    TensorLike,
    apply,
    convert_to_tensor,
    name_scope,
)
from ..core.registry import define, gradient, not_differentiable
from ..core.shape import TensorShape
from ..core.shapes_of import (
    axis_of,
    base_dtype,
    index_dtypes,
    merge_shapes,
)
from . import arrays, math

__all__ = [
    "boolean_mask",
    "one_hot",
    "sequence_mask",
    "where",
]

_INT64 = DTYPES["int64"]


# OneHot and SequenceMask


def _one_hot_shape(op: Operation) -> list:
    indices, depth, on_value, _ = op.inputs
    sizes = indices.shape.sizes
    if sizes is None:
        return [(base_dtype(on_value), None)]
    known = constant_value(depth)
    axis = axis_of(op.attrs["axis"], len(sizes) + 1, "tf.one_hot")
    n = None if known is None else int(known)
    return [(base_dtype(on_value), [*sizes[:axis], n, *sizes[axis:]])]


def _one_hot(
    op: Operation, indices: np.ndarray, depth: np.ndarray, on_value: Any, off_value: Any
) -> np.ndarray:
    asked = np.expand_dims(indices, op.attrs["axis"])
    axis = op.attrs["axis"] % asked.ndim
    numbers = np.arange(int(depth)).reshape([-1] + [1] * (asked.ndim - 1 - axis))
    kind = op.outputs[0].dtype.as_numpy_dtype
    return np.where(asked == numbers, on_value, off_value).astype(kind)


define("OneHot", _one_hot_shape, _one_hot)
not_differentiable("OneHot")


def one_hot(
    indices: TensorLike,
    depth: TensorLike,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: DTypeLike | None = None,
    name: str | None = None,
) -> Tensor:
    """One-hot vectors.

    Args:
        indices: The place of the one in each vector; none where it is not within the depth.
        depth: The size of the vectors.
        on_value: The value at the place; None for 1.
        off_value: The other values; None for 0.
        axis: The new dimension; None for the last one.
        dtype: The dtype; None for that of the values, or float32.
        name: The name of the operation.
    """
    with name_scope(name, "one_hot") as scope:
        found: DType | None = None if dtype is None else as_dtype(dtype).base_dtype
        for what, value in (("on_value", on_value), ("off_value", off_value)):
            if value is None:
                continue
            kind = base_dtype(convert_to_tensor(value))
            if found is not None and kind != found:
                raise ArgumentTypeError(
                    f"tf.one_hot was given {what}={value!r} of {kind.name} where {found.name} is "
                    "expected: give both values, and dtype, of one dtype"
                )
            found = kind
        found = found or DTYPES["float32"]
        if on_value is None:
            on_value = convert_to_tensor(1, found, "on_value")
        if off_value is None:
            off_value = convert_to_tensor(0, found, "off_value")
        inputs = {
            "indices": indices,
            "depth": depth,
            "on_value": on_value,
            "off_value": off_value,
        }
        attrs = {"axis": -1 if axis is None else axis}
        dtypes = {"depth": "int32", **index_dtypes("int64", indices=indices)}
        same = ("on_value", "off_value")
        op = apply("OneHot", inputs, name=scope, attrs=attrs, dtypes=dtypes, same=same)
        return op.outputs[0]


def sequence_mask(
    lengths: TensorLike,
    maxlen: TensorLike | None = None,
    dtype: DTypeLike = "bool",
    name: str | None = None,
) -> Tensor:
    """A mask that is True up to the length of each sequence.

    Args:
        lengths: The lengths, (...).
        maxlen: The size of the new last dimension; None for the largest length.
        dtype: The dtype of the mask.
        name: The name of the operation.
    """
    with name_scope(name, "SequenceMask"):
        lengths = convert_to_tensor(lengths)
        if maxlen is None:
            maxlen = math.reduce_max(lengths)
        else:
            maxlen = convert_to_tensor(maxlen)
        if maxlen.shape.ndims not in (None, 0):
            raise SizeError(f"tf.sequence_mask was given maxlen={maxlen}: give one number")
        kind = base_dtype(maxlen)
        ends = {"start": constant(0, kind), "limit": maxlen, "delta": constant(1, kind)}
        steps = apply("Range", ends).outputs[0]
        rows = arrays.expand_dims(lengths, -1)
        result = steps < apply("Cast", {"x": rows}, attrs={"DstT": kind}).outputs[0]
        return result if dtype is None else math.cast(result, dtype)


# Where and masks


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


@gradient("Select")
def _select_gradient(op: Operation, grad: Any) -> list:
    condition, x, _ = op.inputs
    nothing = arrays.zeros_like(x)
    return [None, where(condition, grad, nothing), where(condition, nothing, grad)]


def boolean_mask(
    tensor: TensorLike,
    mask: TensorLike,
    name: str | None = "boolean_mask",
    axis: int | None = None,
) -> Tensor:
    """The rows or elements of a tensor where a mask is true.

    Args:
        tensor: The tensor.
        mask: Booleans, in the shape of some of its dimensions.
        name: The name of the operation.
        axis: The first dimension of the mask; None for 0.
    """
    with name_scope(name, "boolean_mask"):
        tensor = convert_to_tensor(tensor, name="tensor")
        mask = convert_to_tensor(mask, name="mask")
        count, whole = mask.shape.ndims, tensor.shape
        if not count:
            raise SizeError(
                f"tf.boolean_mask was given the mask {mask}: give one with a known number of "
                "dimensions, 1 or more"
            )
        axis = 0 if axis is None else axis
        end = axis + count
        whole[axis:end].assert_is_compatible_with(mask.shape)
        leading = apply(
            "Prod",
            {"input": arrays.shape(tensor)[axis:end], "reduction_indices": [0]},
            attrs={"keep_dims": False},
        ).outputs[0]
        sizes = [arrays.shape(tensor)[:axis], [leading], arrays.shape(tensor)[end:]]
        tensor = arrays.reshape(tensor, arrays.concat(sizes, 0))
        first = whole[axis:end].num_elements()
        tensor.set_shape(whole[:axis].concatenate([first]).concatenate(whole[end:]))
        mask = arrays.reshape(mask, [-1])
        return arrays.gather(tensor, arrays.squeeze(where(mask), axis=[1]), axis=axis)
