"""Private: sparse tensors."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, SizeError
from .constant import constant_value_as_shape
from .dtypes import DType, DTypeLike, as_dtype
from .graph import Graph, Operation, Tensor, TensorLike, apply, convert_to_tensor, name_scope
from .registry import define, gradient
from .shape import TensorShape

__all__ = [
    "SparseTensor",
    "SparseTensorValue",
    "sparse_placeholder",
    "sparse_tensor_to_dense",
    "sparse_to_dense",
]


class SparseTensorValue(NamedTuple):
    """The value of a sparse tensor; see `SparseTensor`."""

    indices: np.ndarray
    values: np.ndarray
    dense_shape: np.ndarray


class SparseTensor:
    """A tensor that gives some of its elements; the others have one default value.

    Attributes:
        indices: The places of the elements, (N, dimensions), int64.
        values: The elements, (N,).
        dense_shape: The shape, (dimensions,), int64.

    Raises:
        SizeError: The numbers of places and of elements differ.
    """

    def __init__(self, indices: TensorLike, values: TensorLike, dense_shape: TensorLike):
        with name_scope(None, "SparseTensor"):
            self.indices = convert_to_tensor(indices, "int64", "indices")
            self.values = convert_to_tensor(values, name="values")
            self.dense_shape = convert_to_tensor(dense_shape, "int64", "dense_shape")
        places = self.indices.shape.with_rank(2)
        elements = self.values.shape.with_rank(1)
        dimensions = self.dense_shape.shape.with_rank(1)
        if not (
            places[0].is_compatible_with(elements[0])
            and places[1].is_compatible_with(dimensions[0])
        ):
            raise SizeError(
                f"SparseTensor was given indices of shape {places}, values of shape {elements} and "
                f"dense_shape of shape {dimensions}: give one row of indices for each value, with "
                "one number for each dimension"
            )

    @property
    def dtype(self) -> DType:
        """The dtype of the elements."""
        return self.values.dtype

    @property
    def op(self) -> Operation:
        """The operation of the elements."""
        return self.values.op

    @property
    def graph(self) -> Graph:
        """The graph of the elements."""
        return self.values.graph

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return constant_value_as_shape(self.dense_shape)

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return self.shape

    def with_values(self, values: Tensor) -> "SparseTensor":
        """A sparse tensor with other elements in the same places."""
        return SparseTensor(self.indices, values, self.dense_shape)

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        """The value in a session; see `Tensor.eval`."""
        parts = self.fetch_parts()
        return self.fetch_value([t.eval(feed_dict, session) for t in parts])

    def fetch_parts(self) -> list[Tensor]:
        """The tensors that a session computes where this is fetched."""
        return [self.indices, self.values, self.dense_shape]

    @staticmethod
    def fetch_value(values: list) -> SparseTensorValue:
        """The value made of those of `fetch_parts`."""
        return SparseTensorValue(*values)

    def feed_parts(self, value: Any) -> Iterator[tuple[Tensor, Any]]:
        """The tensors and values that a session is fed where a value is fed for this.

        Raises:
            InputError: It is not a triple of arrays.
        """
        if not isinstance(value, (tuple, list)) or len(value) != 3:
            raise InputError(
                f"feed_dict has for {self} a value that is not sparse: feed (indices, values, "
                f"dense_shape), or a tf.SparseTensorValue"
            )
        yield from zip(self.fetch_parts(), value)

    def __str__(self) -> str:
        return (
            f"SparseTensor(indices={self.indices}, values={self.values}, "
            f"dense_shape={self.dense_shape})"
        )

    __repr__ = __str__


def sparse_placeholder(
    dtype: DTypeLike, shape: Any = None, name: str | None = None
) -> SparseTensor:
    """A sparse tensor whose value is fed in each run.

    Args:
        dtype: The dtype of its elements.
        shape: The shape; a size that is None is fed too.
        name: The name of the operations, with "/shape", "/values" and "/indices".
    """
    from ..ops.arrays import placeholder

    def named(part: str) -> str | None:
        return None if name is None else f"{name}/{part}"

    rank = None if shape is None else shape.shape[0] if isinstance(shape, Tensor) else len(shape)
    if shape is None or (not isinstance(shape, Tensor) and None in list(shape)):
        sizes = placeholder("int64", [rank], name=named("shape"))
    else:
        sizes = convert_to_tensor(shape, "int64", named("shape"))
    values = placeholder(as_dtype(dtype), [None], name=named("values"))
    indices = placeholder("int64", [None, rank], name=named("indices"))
    return SparseTensor(indices, values, sizes)


def _dense(
    op: Operation, indices: np.ndarray, shape: np.ndarray, values: np.ndarray, default: Any
) -> np.ndarray:
    sizes = tuple(int(n) for n in shape)
    places = indices.reshape(-1, len(sizes)) if indices.ndim < 2 else indices
    if places.size and ((places < 0) | (places >= shape)).any():
        raise ValueError(f"indices {places.tolist()} are out of bounds of the shape {sizes}")
    if op.attrs["validate_indices"] and len(places) > 1:
        rows = [tuple(row) for row in places.tolist()]
        if any(b <= a for a, b in zip(rows, rows[1:])):
            raise ValueError(f"indices {rows} are repeated or out of order")
    result = np.full(sizes, default, values.dtype)
    result[tuple(places.T)] = values
    return result


define(
    "SparseToDense",
    lambda op: [(op.inputs[2].dtype.base_dtype, constant_value_as_shape(op.inputs[1]))],
    _dense,
)


def sparse_to_dense(
    sparse_indices: TensorLike,
    output_shape: TensorLike,
    sparse_values: TensorLike,
    default_value: TensorLike = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A tensor with values in given places and a default value elsewhere.

    Args:
        sparse_indices: The places, (N, dimensions), or (N,) for a vector.
        output_shape: The shape of the result.
        sparse_values: The values, (N,), or one for all places.
        default_value: The default value.
        validate_indices: Whether the places must be sorted and different.
        name: The name of the operation.
    """
    kind = getattr(sparse_values, "dtype", None)
    inputs = {
        "sparse_indices": sparse_indices,
        "output_shape": output_shape,
        "sparse_values": sparse_values,
        "default_value": default_value,
    }
    place_kind = {"output_shape": getattr(sparse_indices, "dtype", None), "default_value": kind}
    attrs = {"validate_indices": validate_indices}
    dtypes = {k: v for k, v in place_kind.items() if v is not None}
    return apply("SparseToDense", inputs, name=name, attrs=attrs, dtypes=dtypes).outputs[0]


@gradient("SparseToDense")
def _dense_gradient(op: Operation, grad: Tensor) -> list:
    from ..ops import arrays, math

    to_values = arrays.gather_nd(grad, op.inputs[0])
    to_default = math.reduce_sum(grad) - math.reduce_sum(to_values)
    return [None, None, to_values, to_default]


def sparse_tensor_to_dense(
    sp_input: SparseTensor,
    default_value: TensorLike = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A sparse tensor as a tensor; see `sparse_to_dense`.

    Raises:
        InputError: It is not sparse.
    """
    if not isinstance(sp_input, SparseTensor):
        raise InputError(f"Input must be a SparseTensor, not {sp_input!r}")
    return sparse_to_dense(
        sp_input.indices,
        sp_input.dense_shape,
        sp_input.values,
        default_value,
        validate_indices,
        name,
    )
