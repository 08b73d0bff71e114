"""Private: changes of the shape and the order of dimensions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value, constant_value_as_shape
from ..core.conversion import apply, convert_to_tensor
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shapes_of import (
    axes_of,
    axis_of,
    base_dtype,
    index_dtypes,
    like_first,
)
from ..core.tensors import Operation, Tensor, TensorLike
from . import joining, shapes

__all__ = [
    "expand_dims",
    "invert_permutation",
    "matrix_transpose",
    "reshape",
    "squeeze",
    "transpose",
]


def _reshaped(op: Operation) -> list:
    x, asked = op.inputs
    known = constant_value_as_shape(asked)
    if known.sizes is None:
        return [(base_dtype(x), None)]
    shape_, count = list(known.sizes), x.shape.num_elements()
    rest = int(np.prod([n for n in shape_ if n is not None], dtype=np.int64))
    free = shape_.count(None)
    if x.shape.sizes is None or free > 1:
        return [(base_dtype(x), shape_)]
    if count is not None:
        if free == 0 and rest != count or free == 1 and rest and count % rest:
            value = constant_value(asked)
            wanted = known.as_list() if value is None else value.reshape(-1).tolist()
            raise SizeError(
                f"tf.reshape was given {count} numbers, {x.shape}, for the shape {wanted}: give a "
                "shape of the same size"
            )
        if free == 1 and rest:
            shape_[shape_.index(None)] = count // rest
    return [(base_dtype(x), shape_)]


def _reshape(op: Operation, x: np.ndarray, asked: np.ndarray) -> np.ndarray:
    wanted = asked.tolist()
    try:
        return np.reshape(x, wanted)
    except ValueError:
        raise ValueError(
            f"tf.reshape was given {np.size(x)} numbers for the shape {wanted}"
        ) from None


define("Reshape", _reshaped, _reshape)


def reshape(tensor: TensorLike, shape: Any, name: str | None = None) -> Tensor:
    """Change the shape of a tensor.

    Args:
        tensor: The tensor.
        shape: Whole numbers or scalar tensors, or one tensor; one may be -1, for the remaining
            size.
        name: The name of the operation.

    Raises:
        SizeError: The shape has another number of elements.
    """
    inputs = {"tensor": tensor, "shape": shape}
    return apply("Reshape", inputs, name=name, dtypes=index_dtypes(shape=shape)).outputs[0]


def _expanded(op: Operation) -> list:
    x, axis = op.inputs[0], constant_value(op.inputs[1])
    if x.shape.sizes is None or axis is None:
        return [(base_dtype(x), None)]
    sizes = list(x.shape.sizes)
    sizes.insert(axis_of(axis, len(sizes) + 1, "tf.expand_dims"), 1)
    return [(base_dtype(x), sizes)]


define("ExpandDims", _expanded, lambda op, x, axis: np.expand_dims(x, axis.item()))


def expand_dims(
    input: TensorLike,  # noqa: A002
    axis: Any = None,
    name: str | None = None,
    dim: Any = None,
) -> Tensor:
    """Insert a dimension of size 1.

    Args:
        input: The tensor.
        axis: The number of the new dimension.
        name: The name of the operation.
        dim: Another name of `axis`.
    """
    axis = dim if axis is None else axis
    if axis is None:
        raise InputError("tf.expand_dims was given no axis: give the number of the new dimension")
    inputs = {"input": input, "dim": axis}
    return apply("ExpandDims", inputs, name=name, dtypes=index_dtypes(dim=axis)).outputs[0]


def _squeezed(op: Operation) -> list:
    x, asked = op.inputs[0], op.attrs["squeeze_dims"]
    if x.shape.sizes is None or not asked and None in x.shape.sizes:
        return [(base_dtype(x), None)]
    sizes = x.shape.sizes
    axes = axes_of(asked, len(sizes), "tf.squeeze") if asked else range(len(sizes))
    if asked and any(sizes[i] not in (None, 1) for i in axes):
        raise SizeError(
            f"tf.squeeze({x}, axis={asked}): a dimension there is not 1; give dimensions of size 1"
        )
    taken = [i for i in axes if asked or sizes[i] == 1]
    return [(base_dtype(x), [n for i, n in enumerate(sizes) if i not in taken])]


define("Squeeze", _squeezed, lambda op, x: np.squeeze(x, tuple(op.attrs["squeeze_dims"]) or None))


def squeeze(
    input: TensorLike,  # noqa: A002
    axis: int | Sequence[int] | None = None,
    name: str | None = None,
    squeeze_dims: int | Sequence[int] | None = None,
) -> Tensor:
    """Remove dimensions of size 1.

    Args:
        input: The tensor.
        axis: The dimension or dimensions; None for all of size 1.
        name: The name of the operation.
        squeeze_dims: Another name of `axis`.
    """
    axis = squeeze_dims if axis is None else axis
    axes = [] if axis is None else list(axis) if isinstance(axis, (list, tuple)) else [axis]
    return apply("Squeeze", {"input": input}, name=name, attrs={"squeeze_dims": axes}).outputs[0]


def _transposed(op: Operation) -> list:
    x, asked = op.inputs
    perm, count = constant_value(asked), asked.shape[0].value
    if x.shape.sizes is None and (count is None or perm is None and count < 2):
        return [(base_dtype(x), None)]
    length = len(x.shape) if x.shape.sizes is not None else count
    if perm is None:
        return [(base_dtype(x), [None] * length)]  # type: ignore[operator]
    perm = perm.tolist()
    if sorted(perm) != list(range(length)):  # type: ignore[arg-type]
        raise SizeError(
            f"tf.transpose of {x} was given perm={perm!r}: give each number from 0 to "
            f"{length - 1} once"  # type: ignore[operator]
        )
    sizes = [None] * len(perm) if x.shape.sizes is None else [x.shape.sizes[p] for p in perm]
    return [(base_dtype(x), sizes)]


define("Transpose", _transposed, lambda op, x, perm: np.array(np.transpose(x, perm), order="C"))


def transpose(
    a: TensorLike, perm: Any = None, name: str | None = "transpose", conjugate: bool = False
) -> Tensor:
    """Permute the dimensions.

    Args:
        a: The tensor.
        perm: The number of the old dimension, for each new one; None reverses them.
        name: The name of the operation.
        conjugate: Accepted for compatibility.
    """
    with name_scope(name, "transpose") as scope:
        if perm is None:
            a = convert_to_tensor(a, name="a")
            if a.shape.ndims:
                perm = list(range(a.shape.ndims))[::-1]
            else:
                count = apply("Rank", {"input": a}).outputs[0]
                last = count - 1
                ends = {"start": 0, "limit": count, "delta": 1}
                perm = last - apply("Range", ends, same=tuple(ends)).outputs[0]
        inputs = {"x": a, "perm": perm}
        return apply("Transpose", inputs, name=scope, dtypes=index_dtypes(perm=perm)).outputs[0]


def matrix_transpose(
    a: TensorLike, name: str | None = "matrix_transpose", conjugate: bool = False
) -> Tensor:
    """Swap the last two dimensions."""
    with name_scope(name, "matrix_transpose"):
        a = convert_to_tensor(a, name="a")
        count: Any = a.shape.ndims
        if count is None:
            count = shapes.rank(a)
            ends = {"start": 0, "limit": count - 2, "delta": 1}
            before = apply("Range", ends, same=tuple(ends)).outputs[0]
            perm: Any = joining.concat((before, [count - 1, count - 2]), 0)
        elif count < 2:
            raise SizeError(f"tf.matrix_transpose was given {a}: give at least 2 dimensions")
        else:
            perm = [*range(count - 2), count - 1, count - 2]
        return transpose(a, perm)


def _inverted(op: Operation, x: np.ndarray) -> np.ndarray:
    inverse = np.empty_like(x)
    inverse[x] = np.arange(len(x), dtype=x.dtype)
    return inverse


define("InvertPermutation", like_first, _inverted)
not_differentiable("InvertPermutation")


def invert_permutation(x: TensorLike, name: str | None = None) -> Tensor:
    """The permutation that undoes another one."""
    return apply("InvertPermutation", {"x": x}, name=name, dtypes=index_dtypes(x=x)).outputs[0]
