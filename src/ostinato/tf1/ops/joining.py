"""Private: joining and splitting tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant, constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES, DType, as_dtype
from ..core.graph import get_default_graph, name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import Dimension, TensorShape
from ..core.shapes_of import (
    axis_of,
    base_dtype,
    index_dtypes,
    merge_shapes,
    merge_sizes,
)
from ..core.tensors import IndexedSlices, Operand, Operation, Tensor, TensorLike
from . import elementwise
from .shapes import identity

__all__ = [
    "concat",
    "concat_offset",
    "pack_list",
    "split",
    "stack",
    "unstack",
]

_INT32 = DTYPES["int32"]


# Concat


def _joined(op: Operation) -> list:
    *tensors, last = op.inputs
    dtype, axis = base_dtype(tensors[0]), constant_value(last)
    ranks = [len(t.shape.sizes) for t in tensors if t.shape.sizes is not None]
    if not ranks:
        return [(dtype, None)]
    if axis is None:
        return [(dtype, [None] * ranks[0])]
    along = axis_of(axis, ranks[0], "tf.concat")
    what = f"tf.concat along {along} of {', '.join(str(t.shape) for t in tensors)}"
    total: int | None = 0
    rest = []
    for t in tensors:
        if t.shape.sizes is None:
            total = None
            continue
        n = t.shape.sizes[along] if along < len(t.shape) else None
        total = None if total is None or n is None else total + n
        rest.append(TensorShape([None if i == along else m for i, m in enumerate(t.shape.sizes)]))
    sizes = merge_shapes(rest, what).as_list()
    sizes[along] = total
    return [(dtype, sizes)]


define("ConcatV2", _joined, lambda op, *values: np.concatenate(values[:-1], int(values[-1])))


def concat(values: Any, axis: Any, name: str | None = "concat") -> Tensor:
    """Concatenate tensors along a dimension.

    Args:
        values: The tensors, whose other sizes must agree.
        axis: The dimension.
        name: The name of the operation.
    """
    if not isinstance(values, (list, tuple)):
        if not isinstance(values, (Operand, np.ndarray)):
            raise InputError(
                f"tf.concat was given {values!r}: give it a list of tensors, then the axis"
            )
        values = [values]
    name = name or "concat"
    if len(values) == 1:
        with name_scope(name) as scope:
            convert_to_tensor(axis, _INT32, "concat_dim").shape.assert_is_compatible_with([])
            return identity(values[0], name=scope)
    inputs = {"values*": list(values), "axis": axis}
    op = apply("ConcatV2", inputs, name=name, dtypes=index_dtypes(axis=axis), same=("values*",))
    return op.outputs[0]


def _offsets(op: Operation, axis: np.ndarray, *shapes: np.ndarray) -> tuple:
    offsets, start = [], 0
    for s in shapes:
        offset = np.zeros_like(s)
        offset[int(axis)] = start
        start += s[int(axis)]
        offsets.append(offset)
    return tuple(offsets)


define("ConcatOffset", lambda op: [(_INT32, t.shape) for t in op.inputs[1:]], _offsets)
not_differentiable("ConcatOffset")


def concat_offset(concat_dim: TensorLike, shape: Sequence, name: str | None = None) -> list[Tensor]:
    """Where each tensor begins in their concatenation.

    Args:
        concat_dim: The dimension.
        shape: The shapes of the tensors.
        name: The name of the operation.
    """
    inputs = {"concat_dim": concat_dim, "shape*": list(shape)}
    dtypes = {"concat_dim": "int32", "shape*": "int32"}
    return apply("ConcatOffset", inputs, name=name, dtypes=dtypes).outputs


# Stack


def _packed(op: Operation) -> list:
    shapes = [t.shape for t in op.inputs]
    merged = merge_shapes(shapes, f"tf.stack of {', '.join(map(str, shapes))}")
    if merged.sizes is None:
        return [(base_dtype(op.inputs[0]), None)]
    sizes = merged.as_list()
    sizes.insert(axis_of(op.attrs["axis"], len(sizes) + 1, "tf.stack"), len(op.inputs))
    return [(base_dtype(op.inputs[0]), sizes)]


define("Pack", _packed, lambda op, *values: np.stack(values, op.attrs["axis"]))


def _dtype_within(value: Any) -> DType | None:
    """The dtype of the first tensor in nested lists, or None."""
    if isinstance(value, (list, tuple)):
        return next((d for d in map(_dtype_within, value) if d is not None), None)
    return base_dtype(value) if _is_dense(value) else None


def _is_dense(value: Any) -> bool:
    return isinstance(value, Operand) and not isinstance(value, IndexedSlices)


def pack_list(value: Sequence, dtype: Any = None, name: str | None = None) -> Tensor:
    """A list with tensors in it as one tensor.

    Args:
        value: Tensors, numbers and lists of them.
        dtype: The dtype; None for that of the first tensor.
        name: The name of the operation; None for "packed".
    """
    inferred = _dtype_within(value)
    if inferred is None:
        raise InputError(f"{value!r} is not a list of tensors and numbers")
    kind = inferred if dtype is None else as_dtype(dtype).base_dtype
    if kind != inferred:
        value = _with_dtype(value, kind)
    return _pack(value, kind, name or "packed")


def _with_dtype(value: Any, kind: DType) -> Any:
    if isinstance(value, (list, tuple)):
        return [_with_dtype(v, kind) for v in value]
    return (
        elementwise.cast(value, kind) if _is_dense(value) and base_dtype(value) != kind else value
    )


def _pack(value: Sequence, kind: DType, name: str) -> Any:
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        elements: list = []
        for i, v in enumerate(value):
            if _is_dense(v) and base_dtype(v) != kind:
                raise InputError(
                    f"{v} has dtype {v.dtype.name} in a list where {kind.name} is expected: write "
                    f"tf.cast(x, tf.{kind.name})"
                )
            elements.append(_pack(v, kind, str(i)) if isinstance(v, (list, tuple)) else v)
        if not any(_is_dense(v) for v in elements):
            return elements
        tensors = [
            convert_to_tensor(v) if _is_dense(v) else constant(v, kind, name=str(i))
            for i, v in enumerate(elements)
        ]
        return graph.create_op("Pack", tensors, scope, {"axis": 0, "N": len(tensors)}).outputs[0]


def stack(values: Any, axis: int = 0, name: str | None = "stack") -> Tensor:
    """Stack tensors of one shape along a new dimension.

    Args:
        values: The tensors; numbers alone become a constant.
        axis: The number of the new dimension.
        name: The name of the operation.
    """
    if not isinstance(values, (Operand, np.ndarray)) and not (
        isinstance(values, (list, tuple)) and values
    ):
        raise InputError(f"tf.stack was given {values!r}: give it a list of tensors")
    name = name or "stack"
    if axis == 0:
        try:
            return convert_to_tensor(values, name=name)
        except (TypeError, ValueError):
            # The elements are converted one by one below.
            if isinstance(values, Operand):
                raise
    if isinstance(values, Operand):
        values = unstack(values)
    first = convert_to_tensor(values[0], name=name).shape
    if first.ndims is not None:
        axis_of(axis, first.ndims + 1, "tf.stack")
    attrs = {"axis": axis, "N": len(values)}
    op = apply("Pack", {"values*": list(values)}, name=name, attrs=attrs, same=("values*",))
    return op.outputs[0]


def _unpacked(op: Operation) -> list:
    (x,) = op.inputs
    count, sizes = op.attrs["num"], None
    if x.shape.sizes is not None:
        sizes = list(x.shape.sizes)
        axis = axis_of(op.attrs["axis"], len(sizes), "tf.unstack")
        merge_sizes(sizes[axis], count, f"tf.unstack of {x} along {axis} in {count} parts")
        del sizes[axis]
    return [(base_dtype(x), sizes)] * count


def _unpack(op: Operation, x: np.ndarray) -> tuple:
    axis, count = op.attrs["axis"], op.attrs["num"]
    if x.shape[axis] != count:
        raise ValueError(f"{x.shape[axis]} parts along {axis} where {count} are expected")
    return tuple(np.moveaxis(x, axis, 0))


define("Unpack", _unpacked, _unpack)


def unstack(
    value: TensorLike, num: int | None = None, axis: int = 0, name: str | None = "unstack"
) -> list[Tensor]:
    """Unstack a tensor along a dimension.

    Args:
        value: The tensor.
        num: The number of parts; None to take it from the static shape, which must then be known.
        axis: The dimension.
        name: The name of the operation.

    Raises:
        SizeError: The number of parts is unknown or wrong.
    """
    if num is None:
        value = convert_to_tensor(value)
        if value.shape.ndims is not None:
            num = value.shape.sizes[axis_of(axis, value.shape.ndims, "tf.unstack")]
        if num is None:
            raise SizeError(
                f"tf.unstack of {value} along {axis}: that size is not known; give num, or a "
                f"placeholder with a fixed size"
            )
    attrs = {"num": int(num), "axis": axis}
    return apply("Unpack", {"value": value}, name=name or "unstack", attrs=attrs).outputs


# Split


def _split_sizes(op: Operation) -> list:
    axis, x = constant_value(op.inputs[0]), op.inputs[1]
    count, sizes = op.attrs["num_split"], x.shape.sizes
    if sizes is None or axis is None:
        return [(base_dtype(x), None if sizes is None else [None] * len(sizes))] * count
    parts, along = list(sizes), axis_of(axis, len(sizes), "tf.split")
    whole = parts[along]
    if whole is not None and whole % count:
        raise SizeError(
            f"tf.split of {x} along {along} in {count} parts: {whole} is not divisible by {count}"
        )
    parts[along] = None if whole is None else whole // count
    return [(base_dtype(x), parts)] * count


def _split(op: Operation, axis: np.ndarray, x: np.ndarray) -> tuple:
    return tuple(np.split(x, op.attrs["num_split"], int(axis)))


def _split_v_sizes(op: Operation) -> list:
    x, asked, last = op.inputs
    axis, lengths = constant_value(last), constant_value(asked)
    count, sizes = op.attrs["num_split"], x.shape.sizes
    if sizes is None or axis is None:
        return [(base_dtype(x), None if sizes is None else [None] * len(sizes))] * count
    along = axis_of(axis, len(sizes), "tf.split")
    known: list[int | None] = [None] * count
    if lengths is not None:
        known = _lengths(lengths.tolist(), sizes[along], f"tf.split of {x} along {along}")
    return [(base_dtype(x), [*sizes[:along], n, *sizes[along + 1 :]]) for n in known]


def _lengths(given: list, whole: int | None, what: str) -> list:
    """The length of each part; one may be given as -1, for the rest."""
    free = given.count(-1)
    rest = None if whole is None else whole - sum(n for n in given if n != -1)
    if free > 1 or rest is not None and (rest < 0 or not free and rest):
        raise SizeError(f"{what} in parts of {given}: the whole has {whole}; give parts of it")
    return [rest if n == -1 else n for n in given]


def _split_v(op: Operation, x: np.ndarray, asked: np.ndarray, axis: np.ndarray) -> tuple:
    along = int(axis)
    lengths = _lengths(asked.tolist(), x.shape[along], f"tf.split along {along}")
    return tuple(np.split(x, np.cumsum(lengths)[:-1], along))


define("Split", _split_sizes, _split)
define("SplitV", _split_v_sizes, _split_v)


def split(
    value: TensorLike,
    num_or_size_splits: Any,
    axis: Any = 0,
    num: int | None = None,
    name: str | None = "split",
) -> list[Tensor]:
    """Split a tensor along a dimension.

    Args:
        value: The tensor.
        num_or_size_splits: The number of equal parts, or the size of each part.
        axis: The dimension.
        num: The number of parts, where it is not known from the sizes.
        name: The name of the operation.
    """
    if isinstance(value, int) and isinstance(axis, Operand):
        raise InputError(
            f"tf.split was given the dimension {value} first, as before TensorFlow 1.0: write "
            f"tf.split(x, {num_or_size_splits}, {value})"
        )
    name = name or "split"
    sizes = convert_to_tensor(num_or_size_splits)
    if isinstance(num_or_size_splits, (int, Dimension)):
        inputs = {"split_dim": axis, "value": value}
        attrs = {"num_split": int(num_or_size_splits)}
        return apply("Split", inputs, name=name, attrs=attrs, dtypes={"split_dim": "int32"}).outputs
    if sizes.shape.ndims == 0:
        raise InputError(
            f"tf.split was given {num_or_size_splits!r} as the sizes of the parts: give a number, "
            "or a list of sizes"
        )
    if num is None and sizes.shape.sizes is not None:
        num = sizes.shape.sizes[0]
    if num is None:
        raise SizeError(
            f"tf.split was given the sizes {num_or_size_splits!r}: their number is not known; "
            "give num"
        )
    inputs = {"value": value, "size_splits": sizes, "split_dim": axis}
    attrs = {"num_split": num}
    return apply("SplitV", inputs, name=name, attrs=attrs, dtypes={"split_dim": "int32"}).outputs
