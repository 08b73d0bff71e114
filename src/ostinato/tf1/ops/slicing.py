"""Private: slices of tensors, and `tensor[...]`."""

import numbers
import sys
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant, constant_value, constant_value_as_shape
from ..core.conversion import apply
from ..core.dtypes import DTYPES
from ..core.graph import name_scope
from ..core.registry import define
from ..core.shape import Dimension, TensorShape
from ..core.shapes_of import base_dtype
from ..core.tensors import IndexedSlices, Operand, Operation, Tensor, TensorLike
from . import elementwise, filling, joining
from .masks import boolean_mask

__all__ = ["MASKS", "slice_by_masks", "slice", "strided_slice", "strided_slice_grad"]

_Range = slice
_INT64 = DTYPES["int64"]
MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _check_lists(of: str, *bounds: Tensor) -> None:
    for t in bounds:
        if t.shape.ndims not in (None, 1):
            raise SizeError(f"{of} was given {t}: give a list with a number for each dimension")


# Slice


def _sliced(op: Operation) -> list:
    x, begin, asked = op.inputs
    _check_lists("tf.slice", begin, asked)
    dtype, count = base_dtype(x), begin.shape[0].value
    lengths = constant_value(asked)
    if lengths is None:
        known = constant_value_as_shape(asked)
        length = known.ndims if known.sizes is not None else x.shape.ndims
        if known.sizes is None and length is not None:
            known = TensorShape([None] * length)
        return [(dtype, known)]
    starts = constant_value_as_shape(begin)
    if x.shape.sizes is None:
        return [(dtype, [None if n == -1 else int(n) for n in lengths])]
    if len(x.shape) != len(lengths) or count not in (None, len(lengths)):
        raise SizeError(
            f"tf.slice of {x} was given {len(lengths)} sizes: give a start and a size for each "
            "dimension"
        )
    sizes: list[int | None] = []
    known_starts = [None] * len(lengths) if starts.sizes is None else starts.sizes
    for whole, start, n in zip(x.shape.sizes, known_starts, lengths.tolist()):
        if whole is not None and start is not None and start + max(n, 0) > whole:
            raise SizeError(
                f"tf.slice of {x} from {starts} in sizes {lengths.tolist()}: the end is not within "
                "the tensor; give smaller sizes"
            )
        rest = None if whole is None or start is None else whole - start
        sizes.append(rest if n == -1 else n)
    return [(dtype, sizes)]


def _slice(op: Operation, x: np.ndarray, begin: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    parts = []
    for whole, start, n in zip(x.shape, begin.tolist(), lengths.tolist()):
        end = whole if n == -1 else start + n
        if not 0 <= start <= end <= whole:
            raise ValueError(f"a slice from {start} to {end} of {whole}")
        parts.append(_Range(start, end))
    return x[tuple(parts)]


define("Slice", _sliced, _slice)


def slice(  # noqa: A001
    input_: TensorLike, begin: Any, size: Any, name: str | None = None
) -> Tensor:
    """A part of a tensor.

    Args:
        input_: The tensor.
        begin: The first number in each dimension.
        size: The size in each dimension; -1 for all that is left.
        name: The name of the operation.
    """
    inputs = {"input": input_, "begin": begin, "size": size}
    return apply("Slice", inputs, name=name, same=("begin", "size")).outputs[0]


# StridedSlice


# A range whose bounds are known only in a run.
_UNKNOWN = _Range(None, None, 0)


def _parts(
    op: Operation, begin: np.ndarray | None, end: np.ndarray | None, strides: np.ndarray
) -> list:
    """The index as NumPy writes it. Before a run some bounds are None: then a range of unknown
    length is `_UNKNOWN`, and a single number is 0.
    """
    masks = {m: op.attrs[m] for m in MASKS}
    parts: list[Any] = []
    for i, stride in enumerate(strides.tolist()):
        bit = 1 << i
        from_first, to_last = masks["begin_mask"] & bit, masks["end_mask"] & bit
        if masks["ellipsis_mask"] & bit:
            parts.append(Ellipsis)
        elif masks["new_axis_mask"] & bit:
            parts.append(None)
        elif masks["shrink_axis_mask"] & bit:
            if stride != 1:
                raise SizeError("a single number has a stride: leave it out")
            parts.append(0 if begin is None else int(begin[i]))
        elif not stride:
            raise SizeError("a slice has the stride 0: give another number")
        elif (begin is None or end is None) and not (from_first and to_last):
            parts.append(_UNKNOWN)
        else:
            start = None if from_first else int(begin[i])  # type: ignore[index]
            stop = None if to_last else int(end[i])  # type: ignore[index]
            parts.append(_Range(start, stop, stride))
    return parts


def _cut(op: Operation) -> list:
    x, *bounds = op.inputs
    _check_lists("tf.strided_slice", *bounds)
    dtype = base_dtype(x)
    begin, end, strides = (constant_value(t) for t in bounds)
    if x.shape.sizes is None or strides is None:
        return [(dtype, None)]
    parts = _parts(op, begin, end, strides)
    sizes, named = x.shape.sizes, [p for p in parts if p is not None and p is not Ellipsis]
    if len(named) > len(sizes):
        raise SizeError(f"{len(named)} indices of {len(sizes)} dimensions")
    left = len(sizes) - len(named)
    result: list[int | None] = []
    axis = 0
    for p in parts if Ellipsis in parts else [*parts, Ellipsis]:
        if p is None:
            result.append(1)
        elif p is Ellipsis:
            result += sizes[axis : axis + left]
            axis += left
        else:
            n = sizes[axis]
            if isinstance(p, _Range):
                result.append(None if n is None or p is _UNKNOWN else len(range(*p.indices(n))))
            elif n is not None and begin is not None and not -n <= p < n:
                raise SizeError(f"slice index {p} of dimension {axis} out of bounds")
            axis += 1
    return [(dtype, result)]


def _strided_slice(op: Operation, x: np.ndarray, *bounds: np.ndarray) -> Any:
    return x[tuple(_parts(op, *bounds))]


def _strided_slice_grad(
    op: Operation, shape: np.ndarray, begin: Any, end: Any, strides: Any, dy: np.ndarray
) -> np.ndarray:
    whole = np.zeros(shape, np.asarray(dy).dtype)
    whole[tuple(_parts(op, begin, end, strides))] = dy
    return whole


define("StridedSlice", _cut, _strided_slice)
define(
    "StridedSliceGrad",
    lambda op: [(base_dtype(op.inputs[4]), constant_value_as_shape(op.inputs[0]))],
    _strided_slice_grad,
)


def strided_slice(
    input_: TensorLike,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """A part of a tensor, with steps.

    Args:
        input_: The tensor.
        begin, end: The first number and the one after the last, in each dimension.
        strides: The step in each dimension; None for 1.
        begin_mask, end_mask: Bits of the dimensions whose `begin` or `end` is ignored.
        ellipsis_mask: The bit of the place that stands for all dimensions that are left.
        new_axis_mask: Bits of places that add a dimension of size 1.
        shrink_axis_mask: Bits of dimensions that a single number takes away.
        var: Accepted for compatibility.
        name: The name of the operation.
    """
    if strides is None:
        strides = filling.ones_like(begin)
    masks = (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return slice_by_masks(input_, [begin, end, strides], dict(zip(MASKS, masks)), name)


def slice_by_masks(
    x: TensorLike, bounds: list, masks: dict[str, int], name: str | None = None
) -> Tensor:
    """`strided_slice` with begin, end and strides in a list, and the masks in a dict."""
    begin, end, strides = bounds
    inputs = {"input": x, "begin": begin, "end": end, "strides": strides}
    same = ("begin", "end", "strides")
    return apply("StridedSlice", inputs, name=name, attrs=masks, same=same).outputs[0]


def strided_slice_grad(
    shape: TensorLike,
    begin: TensorLike,
    end: TensorLike,
    strides: TensorLike,
    dy: TensorLike,
    masks: dict[str, int],
    name: str | None = None,
) -> Tensor:
    """Zeros in a shape, with a tensor in place of the part that `strided_slice` takes."""
    inputs = {"shape": shape, "begin": begin, "end": end, "strides": strides, "dy": dy}
    same = ("shape", "begin", "end", "strides")
    return apply("StridedSliceGrad", inputs, name=name, attrs=masks, same=same).outputs[0]


# tensor[...]


def _is_number(part: Any) -> bool:
    if isinstance(part, Operand) and not isinstance(part, IndexedSlices):
        return part.dtype.is_integer and part.shape.ndims in (None, 0)
    if isinstance(part, np.ndarray):
        return part.ndim == 0 and part.dtype.kind in "iu"
    return isinstance(part, (numbers.Integral, Dimension)) and not isinstance(part, bool)


def _is_mask(index: Any) -> bool:
    dtype = getattr(index, "dtype", None)
    return (
        isinstance(index, bool)
        or isinstance(index, (Tensor, np.ndarray))
        and (dtype == (np.bool_ if isinstance(index, np.ndarray) else DTYPES["bool"]))
    )


def _getitem(x: Operand, index: Any) -> Tensor:
    if not isinstance(x, Tensor):
        x = x.value()  # type: ignore[attr-defined]  # of a variable
    if _is_mask(index):
        return boolean_mask(x, index)
    parts = index if isinstance(index, (list, tuple)) else (index,)
    begin: list = []
    end: list = []
    strides: list = []
    masks = dict.fromkeys(MASKS, 0)
    for i, p in enumerate(parts):
        start, stop, stride = 0, 0, 1
        bounds = (p.start, p.stop, p.step) if isinstance(p, _Range) else (p,)
        if (
            p is not None
            and p is not Ellipsis
            and not all(b is None or _is_number(b) for b in bounds)
        ):
            raise InputError(
                f"{x} was indexed with {index!r}: use whole numbers, slices of them, ... and None"
            )
        if isinstance(p, _Range):
            if p.start is None:
                masks["begin_mask"] |= 1 << i
            if p.stop is None or not isinstance(p.stop, Operand) and p.stop == sys.maxsize:
                masks["end_mask"] |= 1 << i
            else:
                stop = p.stop
            start = 0 if p.start is None else p.start
            stride = 1 if p.step is None else p.step
        elif p is Ellipsis:
            masks["ellipsis_mask"] |= 1 << i
        elif p is None:
            masks["new_axis_mask"] |= 1 << i
        else:
            start, stop = p, p + 1
            masks["shrink_axis_mask"] |= 1 << i
        for bound, values in ((start, begin), (stop, end), (stride, strides)):
            values.append(bound if isinstance(bound, Operand) else int(bound))
    with name_scope(None, "strided_slice") as scope:
        if parts:
            limits = [joining.stack(begin), joining.stack(end), joining.stack(strides)]
            if any(t.dtype == _INT64 for t in limits):
                limits = [elementwise.cast(t, _INT64) for t in limits]
        else:
            limits = [constant([], DTYPES["int32"])] * 3
        try:
            return slice_by_masks(x, limits, masks, scope)
        except SizeError as error:
            raise SizeError(
                f"{x} was indexed with {index!r} ({error}): use numbers that are within its shape"
            ) from None


setattr(Operand, "__getitem__", _getitem)  # noqa: B010 (a type checker sees the declaration)
