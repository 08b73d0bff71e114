"""Private: sparse tensors."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, SizeError
from .constant import constant_value_as_shape
from .conversion import convert_to_tensor
from .dtypes import DType
from .graph import Graph, name_scope
from .shape import TensorShape
from .tensors import Operation, Tensor, TensorLike

__all__ = [
    "SparseTensor",
    "SparseTensorValue",
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
