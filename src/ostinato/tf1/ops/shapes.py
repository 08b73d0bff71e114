"""Private: placeholders, identities, and the shapes of tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.constant import constant
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES, DTypeLike, as_dtype
from ..core.errors import InvalidArgumentError
from ..core.graph import get_default_graph, name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.shapes_of import (
    base_dtype,
    like_first,
    shape_of,
)
from ..core.tensors import Operation, Tensor, TensorLike

__all__ = [
    "identity",
    "identity_n",
    "placeholder",
    "placeholder_with_default",
    "prevent_gradient",
    "rank",
    "rank_internal",
    "shape",
    "shape_internal",
    "shape_n",
    "size",
    "size_internal",
    "stop_gradient",
]

_INT32 = DTYPES["int32"]


# Values as they are


def _unchanged(op: Operation, x: Any) -> Any:
    return x


for _type in ("Identity", "StopGradient", "PreventGradient"):
    define(_type, like_first, _unchanged)
define(
    "IdentityN",
    lambda op: [(base_dtype(t), t.shape) for t in op.inputs],
    lambda op, *values: values,
)
# It may be fed, so that its value is not a constant.
define(
    "PlaceholderWithDefault",
    lambda op: [(base_dtype(op.inputs[0]), op.attrs["shape"])],
    lambda run, op, x: x,
    stateful=True,
)
not_differentiable("StopGradient")


def identity(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value under another name."""
    return apply("Identity", {"input": input}, name=name).outputs[0]


def identity_n(input: Sequence, name: str | None = None) -> list[Tensor]:  # noqa: A002
    """The same values under other names."""
    return apply("IdentityN", {"input*": list(input)}, name=name).outputs


def stop_gradient(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value, through which no gradient flows."""
    return apply("StopGradient", {"input": input}, name=name).outputs[0]


def prevent_gradient(input: TensorLike, message: str = "", name: str | None = None) -> Tensor:  # noqa: A002
    """The same value, whose gradient is an error.

    Args:
        input: The value.
        message: The reason, for the error.
        name: The name of the operation.
    """
    op = apply("PreventGradient", {"input": input}, name=name, attrs={"message": message})
    return op.outputs[0]


def _missing(op: Operation) -> None:
    raise InvalidArgumentError(
        None,
        op,
        f"You must feed a value for placeholder tensor {op.name!r} with dtype "
        f"{op.attrs['dtype'].name} and shape {op.attrs['shape']}: sess.run(..., "
        f"feed_dict={{x: value}})",
    )


define("Placeholder", lambda op: [(op.attrs["dtype"], op.attrs["shape"])], _missing)
not_differentiable("Placeholder")


def placeholder(dtype: DTypeLike, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value is fed in each run.

    Args:
        dtype: The dtype.
        shape: The sizes, None for a size that is known only in a run; None if even the number of
            dimensions is known only in a run.
        name: The name of the operation.
    """
    sizes = TensorShape(None) if shape is None else shape_of(shape, "tf.placeholder")
    graph = get_default_graph()
    attrs = {"dtype": as_dtype(dtype).base_dtype, "shape": sizes}
    tensor = graph.create_op("Placeholder", [], name or "Placeholder", attrs).outputs[0]
    graph.placeholders.append(tensor)
    return tensor


def placeholder_with_default(input: TensorLike, shape: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """A tensor that may be fed in a run.

    Args:
        input: Its value where it is not fed.
        shape: The sizes; None for a size that is known only in a run.
        name: The name of the operation.
    """
    sizes = TensorShape(None) if shape is None else shape_of(shape, "tf.placeholder_with_default")
    op = apply("PlaceholderWithDefault", {"input": input}, name=name, attrs={"shape": sizes})
    op.inputs[0].shape.assert_is_compatible_with(sizes)
    return op.outputs[0]


# Sizes of tensors


def _of_sizes(length: Any) -> Any:
    return lambda op: [(op.attrs["out_type"], length(t)) for t in op.inputs]


def _sizes(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.array(np.shape(x), op.attrs["out_type"].as_numpy_dtype)


define("Shape", _of_sizes(lambda t: [t.shape.ndims]), _sizes)
define(
    "ShapeN",
    _of_sizes(lambda t: [t.shape.ndims]),
    lambda op, *values: tuple(_sizes(op, v) for v in values),
)
define(
    "Size",
    _of_sizes(lambda t: []),
    lambda op, x: np.array(np.size(x), op.attrs["out_type"].as_numpy_dtype),
)
define("Rank", lambda op: [(_INT32, [])], lambda op, x: np.array(np.ndim(x), np.int32))
not_differentiable("Shape", "ShapeN", "Size", "Rank")


def shape(input: TensorLike, name: str | None = None, out_type: DTypeLike = "int32") -> Tensor:  # noqa: A002
    """The shape of a tensor; a constant where it is known.

    Args:
        input: The tensor.
        name: The name of the operation.
        out_type: tf.int32 or tf.int64.
    """
    return shape_internal(input, name, True, out_type)


def shape_internal(
    input: TensorLike,  # noqa: A002
    name: str | None = None,
    optimize: bool = True,
    out_type: DTypeLike = "int32",
) -> Tensor:
    """See `shape`; with `optimize=False` it is not a constant."""
    out_type = as_dtype(out_type)
    with name_scope(name, "Shape") as scope:
        tensor = convert_to_tensor(input)
        if optimize and tensor.shape.is_fully_defined():
            return constant(tensor.shape.as_list(), out_type, name=scope)
        return apply("Shape", {"input": input}, name=scope, attrs={"out_type": out_type}).outputs[0]


def shape_n(
    input: Sequence,  # noqa: A002
    out_type: DTypeLike = "int32",
    name: str | None = None,
) -> list[Tensor]:
    """The shapes of several tensors."""
    attrs = {"out_type": as_dtype(out_type)}
    return apply("ShapeN", {"input*": list(input)}, name=name, attrs=attrs).outputs


def size(input: TensorLike, name: str | None = None, out_type: DTypeLike = "int32") -> Tensor:  # noqa: A002
    """The number of elements of a tensor; a constant where it is known."""
    return size_internal(input, name, True, out_type)


def size_internal(
    input: TensorLike,  # noqa: A002
    name: str | None = None,
    optimize: bool = True,
    out_type: DTypeLike = "int32",
) -> Tensor:
    """See `size`; with `optimize=False` it is not a constant."""
    out_type = as_dtype(out_type)
    with name_scope(name, "Size") as scope:
        sizes = convert_to_tensor(input).shape
        if optimize and (sizes.is_fully_defined() or 0 in (sizes.sizes or ())):
            return constant(sizes.num_elements() or 0, out_type, name=scope)
        return apply("Size", {"input": input}, name=scope, attrs={"out_type": out_type}).outputs[0]


def rank(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The number of dimensions of a tensor; a constant where it is known."""
    return rank_internal(input, name)


def rank_internal(input: TensorLike, name: str | None = None, optimize: bool = True) -> Tensor:  # noqa: A002
    """See `rank`; with `optimize=False` it is not a constant."""
    with name_scope(name, "Rank") as scope:
        tensor = convert_to_tensor(input)
        if optimize and tensor.shape.ndims is not None:
            return constant(tensor.shape.ndims, _INT32, name=scope)
        return apply("Rank", {"input": input}, name=scope).outputs[0]
