"""Private: sets along the last dimension."""

from typing import Any

import numpy as np

from ..core.conversion import apply
from ..core.dtypes import DTYPES
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.sparse import SparseTensor
from ..core.tensors import Operation, TensorLike

__all__ = ["set_difference"]


def _outputs(op: Operation) -> list:
    a = op.inputs[0]
    rank = a.shape.ndims
    long = DTYPES["int64"]
    kind = a.dtype.base_dtype
    return [(long, [None, rank]), (kind, TensorShape([None])), (long, [rank])]


def _difference(op: Operation, a: np.ndarray, b: np.ndarray) -> tuple:
    places: list[Any] = []
    values: list[Any] = []
    longest = 0
    for row in np.ndindex(a.shape[:-1]):
        found = np.setdiff1d(a[row], b[row])
        places += [(*row, i) for i in range(len(found))]
        values += found.tolist()
        longest = max(longest, len(found))
    indices = np.array(places, np.int64).reshape(-1, a.ndim)
    shape = np.array([*a.shape[:-1], longest], np.int64)
    return indices, np.array(values, a.dtype), shape


define("DenseToDenseSetOperation", _outputs, _difference)
not_differentiable("DenseToDenseSetOperation")


def set_difference(a: TensorLike, b: TensorLike) -> SparseTensor:
    """The elements of the rows of `a` that are not in those of `b`, sorted.

    Args:
        a, b: (..., N) and (..., M).
    """
    attrs = {"set_operation": "a-b", "validate_indices": True}
    inputs = {"set1": a, "set2": b}
    op = apply("DenseToDenseSetOperation", inputs, attrs=attrs, same=("set1", "set2"))
    return SparseTensor(*op.outputs)
