"""Private: the tensors of a beam search, with beams as rows or in a dimension of their own."""

from dataclasses import dataclass
from typing import Any

from ...errors import SizeError
from ..core.constant import constant_value, constant_value_as_shape
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray

__all__ = ["Beams"]


@dataclass(frozen=True)
class Beams:
    """The sizes and the constants of a search."""

    batch_size: Tensor
    width: int
    end_token: Tensor
    length_penalty_weight: Any
    coverage_penalty_weight: Any

    @property
    def static_rows(self) -> int | None:
        """The batch size, where it is known."""
        value = constant_value(self.batch_size)
        return None if value is None else int(value)

    def merge(self, t: Any, size: Any) -> Any:
        """(B, beam width, ...) as (B * beam width, ...); anything else unchanged.

        Args:
            t: A tensor.
            size: The size or shape of a row.
        """
        if isinstance(t, TensorArray) or _rank(t) < 2:
            return t
        sizes, rows = arrays.shape(t), self.static_rows
        joined = arrays.concat(([self.batch_size * self.width], sizes[2:]), 0)
        result = arrays.reshape(t, joined)
        first = TensorShape([None if rows is None else rows * self.width])
        result.set_shape(first.concatenate(_shape(size)))
        return result

    def split(self, t: Any, size: Any) -> Any:
        """(B * beam width, ...) as (B, beam width, ...); numbers unchanged.

        Args:
            t: A tensor.
            size: The size or shape of a row.
        """
        if isinstance(t, TensorArray) or _rank(t) < 1:
            return t
        sizes = arrays.shape(t)
        joined = arrays.concat(([self.batch_size, self.width], sizes[1:]), 0)
        result = arrays.reshape(t, joined)
        wanted = TensorShape([self.static_rows, self.width]).concatenate(_shape(size))
        if not result.shape.is_compatible_with(wanted):
            raise SizeError(
                "Unexpected behavior when reshaping between beam width and batch size. The "
                f"reshaped tensor has shape: {result.shape}. We expected it to have shape "
                f"(batch_size, beam_width, depth) == {wanted}. Perhaps you forgot to create a "
                "zero_state with batch_size=encoder_batch_size * beam_width?"
            )
        result.set_shape(wanted)
        return result

    def chosen(
        self, t: Tensor, indices: Tensor, count: Any, sizes: list, name: str | None = None
    ) -> Tensor:
        """Values of each row, by indices.

        Args:
            t: (B, count, ...).
            indices: (B, beam width).
            count: The number of values in a row.
            sizes: The shape of the values in which rows are not separate.
            name: The name scope.
        """
        with name_scope(name, "tensor_gather_helper"):
            offsets = arrays.expand_dims(math.range(self.batch_size) * count, 1)
            flat = arrays.reshape(indices + offsets, [-1])
            values = arrays.gather(arrays.reshape(t, sizes), flat)
            dims = 1 + len(sizes)
            result = arrays.reshape(values, arrays.shape(t)[:dims], name="output")
            static = TensorShape([self.static_rows]).concatenate(t.shape[1:dims])
            result.set_shape(static)
            return result

    def chosen_state(self, t: Any, indices: Tensor) -> Any:
        """A state of the beams that go on."""
        sizes = [self.batch_size * self.width, -1]
        if isinstance(t, TensorArray) or _rank(t) < len(sizes):
            return t
        return self.chosen(t, indices, self.width, sizes)


def _rank(t: Tensor) -> int:
    if t.shape.ndims is None:
        raise SizeError(f"Expected tensor ({t}) to have known rank, but ndims == None: set a shape")
    return t.shape.ndims


def _shape(size: Any) -> TensorShape:
    return constant_value_as_shape(size) if isinstance(size, Tensor) else TensorShape(size)
