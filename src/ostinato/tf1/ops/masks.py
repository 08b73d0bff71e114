"""Private: one-hot vectors and masks."""

from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, SizeError
from ..core.constant import constant, constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES, DType, DTypeLike, as_dtype
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shapes_of import (
    axis_of,
    base_dtype,
    index_dtypes,
)
from ..core.tensors import Operation, Tensor, TensorLike
from . import choices, elementwise, indexing, joining, reductions, reshaping, shapes

__all__ = [
    "boolean_mask",
    "one_hot",
    "sequence_mask",
]


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
            maxlen = reductions.reduce_max(lengths)
        else:
            maxlen = convert_to_tensor(maxlen)
        if maxlen.shape.ndims not in (None, 0):
            raise SizeError(f"tf.sequence_mask was given maxlen={maxlen}: give one number")
        kind = base_dtype(maxlen)
        ends = {"start": constant(0, kind), "limit": maxlen, "delta": constant(1, kind)}
        steps = apply("Range", ends).outputs[0]
        rows = reshaping.expand_dims(lengths, -1)
        result = steps < apply("Cast", {"x": rows}, attrs={"DstT": kind}).outputs[0]
        return result if dtype is None else elementwise.cast(result, dtype)


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
            {"input": shapes.shape(tensor)[axis:end], "reduction_indices": [0]},
            attrs={"keep_dims": False},
        ).outputs[0]
        sizes = [shapes.shape(tensor)[:axis], [leading], shapes.shape(tensor)[end:]]
        tensor = reshaping.reshape(tensor, joining.concat(sizes, 0))
        first = whole[axis:end].num_elements()
        tensor.set_shape(whole[:axis].concatenate([first]).concatenate(whole[end:]))
        mask = reshaping.reshape(mask, [-1])
        return indexing.gather(tensor, reshaping.squeeze(choices.where(mask), axis=[1]), axis=axis)
