"""Private: functions that need branches and checks."""

from typing import Any

import numpy as np

from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.tensors import Tensor, TensorLike
from ..ops import arrays, math
from ..ops.random import random_uniform
from .checks import Assert
from .control_flow import cond
from .flow_ops import with_dependencies

__all__ = ["random_crop", "zero_fraction"]


def random_crop(
    value: TensorLike, size: TensorLike, seed: int | None = None, name: str | None = None
) -> Tensor:
    """A part of a tensor at a random place.

    Args:
        value: The tensor.
        size: The shape of the part.
        seed: The seed of the operation; None for the graph's.
        name: The name of the operation.
    """
    with name_scope(name, "random_crop") as scope:
        value = convert_to_tensor(value, name="value")
        size = convert_to_tensor(size, "int32", "size")
        shape = arrays.shape(value)
        message = ["Need value.shape >= size, got ", shape, size]
        check = Assert(math.reduce_all(shape >= size), message, summarize=1000)
        checked: Any = with_dependencies([check], shape)
        limit = checked - size + 1
        offset = random_uniform(
            arrays.shape(checked), dtype=size.dtype, maxval=size.dtype.max, seed=seed
        )
        return arrays.slice(value, offset % limit, size, name=scope)


def zero_fraction(value: TensorLike, name: str | None = None) -> Tensor:
    """The part of elements that are 0.

    Args:
        value: A tensor of numbers.
        name: The name of the scope of the operations.
    """

    def nonzero(dtype: str) -> Tensor:
        with name_scope("count_nonzero"):
            zero = arrays.zeros([], dtype=value.dtype)
            found = math.cast(math.not_equal(value, zero), dtype)
            return math.reduce_sum(found, name="nonzero_count")

    with name_scope(name, "zero_fraction"):
        value = convert_to_tensor(value, name="value")
        size = arrays.size(value, out_type="int64")
        # TensorFlow counts in int32 where that suffices.
        count = cond(
            size <= np.iinfo(np.int32).max,
            true_fn=lambda: math.cast(nonzero("int32"), "int64"),
            false_fn=lambda: nonzero("int64"),
        )
        with name_scope("counts_to_fraction"):
            zeros = math.cast(size - count, "float32")
            fraction = zeros / math.cast(size, "float32")
        return arrays.identity(fraction, "fraction")
