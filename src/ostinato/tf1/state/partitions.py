"""Private: variables that are stored in parts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from ...errors import InputError
from ..core.conversion import convert_to_tensor, register_conversion
from ..core.dtypes import DType, as_dtype
from ..core.graph import name_scope
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Operand, Tensor
from ..ops import arrays
from .variables import Variable

__all__ = [
    "PartitionInfo",
    "PartitionedVariable",
    "fixed_size_partitioner",
    "partitions_of",
    "slices_of",
]

# Takes the shape and the dtype of a variable, and returns the number of parts of each dimension.
Partitioner = Callable[..., Sequence[int]]


class PartitionInfo:
    """The place of a part, for initializers.

    Attributes:
        full_shape: The shape of the whole variable.
        var_offset: The first index of the part in each dimension.
    """

    def __init__(self, full_shape: Sequence[int], var_offset: Sequence[int]):
        self.full_shape, self.var_offset = list(full_shape), list(var_offset)


def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Partitioner:
    """A partitioner for `get_variable` that makes parts of about one size.

    Args:
        num_shards: The number of parts.
        axis: The dimension that is divided.
    """

    def partitioner(shape: TensorShape, **unused: Any) -> list[int]:
        partitions = [1] * len(shape)
        size: Any = shape.as_list()[axis]
        partitions[axis] = min(num_shards, size)
        return partitions

    return partitioner


def partitions_of(partitioner: Partitioner, shape: Any, dtype: Any) -> list[int]:
    """The number of parts of each dimension of a variable.

    Raises:
        InputError: The shape is not known, or the partitioner's answer does not fit it.
    """
    known = as_shape(shape)
    if not known.is_fully_defined() or not known.ndims:
        raise InputError(
            f"Shape of a new partitioned variable must be fully defined and have at least one "
            f"dimension, but instead was {known}: give every size"
        )
    partitions = partitioner(shape=known, dtype=as_dtype(dtype))
    fits = (
        isinstance(partitions, (list, tuple))
        and len(partitions) == known.ndims
        and all(p >= 1 for p in partitions)
        and sum(p > 1 for p in partitions) <= 1
    )
    if not fits:
        raise InputError(
            f"The partitioner returned {partitions!r} for a variable of shape {known}: return one "
            "number for each dimension, at least 1, and more than 1 for one dimension at most"
        )
    return list(partitions)


def slices_of(shape: Sequence[int], partitions: Sequence[int]) -> Iterator[tuple[list, list]]:
    """The offset and the shape of each part; the first parts are the larger ones."""
    axis = next((i for i, p in enumerate(partitions) if p > 1), 0)
    count = partitions[axis]
    size, larger = divmod(shape[axis], count)
    offset = [0] * len(shape)
    for i in range(count):
        part = list(shape)
        part[axis] = size + (i < larger)
        yield list(offset), part
        offset[axis] += part[axis]


class PartitionedVariable(Operand):
    """A variable in parts. As a tensor it is the parts joined.

    Attributes:
        name, dtype, shape: Those of the whole variable.

    Args:
        name: The name of the whole variable.
        shape: Its shape.
        dtype: Its dtype.
        variable_list: The parts.
        partitions: The number of parts of each dimension.
    """

    def __init__(
        self,
        name: str,
        shape: Any,
        dtype: Any,
        variable_list: Sequence[Variable],
        partitions: Sequence[int],
    ):
        self.name, self.shape = name, as_shape(shape)
        self.dtype: DType = as_dtype(dtype)
        self._parts, self.partitions = list(variable_list), list(partitions)

    def _partition_axes(self) -> list[int]:
        """The dimension that is divided, in a list."""
        return [i for i, p in enumerate(self.partitions) if p > 1] or [0]

    def as_tensor(self) -> Tensor:
        """The parts joined."""
        if len(self._parts) == 1:
            with name_scope(None):
                return arrays.identity(self._parts[0], name=self.name)
        with name_scope(f"{self.name}/ConcatPartitions/"):
            joined = arrays.concat(self._parts, self._partition_axes()[0])
        with name_scope(None):
            return arrays.identity(joined, name=self.name)

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None) -> list:
        """Tensors that give each part its place of a value when they are run."""
        tensor = convert_to_tensor(value, self.dtype.base_dtype)
        places = slices_of(self.shape.as_list(), self.partitions)  # type: ignore[arg-type]
        return [
            part.assign(arrays.slice(tensor, offset, shape), use_locking)
            for part, (offset, shape) in zip(self._parts, places)
        ]

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._parts)

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self} has no value before it is run: it cannot be used in `if`")

    def __repr__(self) -> str:
        return (
            f"<tf.PartitionedVariable {self.name!r} shape={self.shape} dtype={self.dtype.name} "
            f"in {len(self._parts)} parts>"
        )


register_conversion(
    PartitionedVariable,
    lambda variable, dtype=None, name=None, **_: convert_to_tensor(variable.as_tensor(), dtype),
)
