"""Private: conversions between tensors and IndexedSlices."""

from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from ..core.conversion import convert_to_tensor, register_conversion
from ..core.dtypes import DTYPES, as_dtype
from ..core.tensors import IndexedSlices, Tensor
from ..ops import arrays, math

__all__ = ["as_indexed_slices", "as_indexed_slices_list", "convert_to_tensor_or_slices"]


def convert_to_tensor_or_slices(
    value: Any, dtype: Any = None, name: str | None = None, *, as_ref: bool = False
) -> Tensor | IndexedSlices:
    """A value as a tensor, but IndexedSlices as they are; see `convert_to_tensor`."""
    if isinstance(value, IndexedSlices):
        return value
    return convert_to_tensor(value, dtype, name, as_ref=as_ref)


def as_indexed_slices(value: Tensor | IndexedSlices, optimize: bool = True) -> IndexedSlices:
    """A tensor as IndexedSlices that have each of its rows.

    Args:
        value: A tensor; IndexedSlices are returned as they are.
        optimize: Whether a known shape becomes a constant.
    """
    if isinstance(value, IndexedSlices):
        return value
    shape = arrays.shape_internal(value, optimize=optimize)
    rows = math.range(0, shape[0])  # type: ignore[index]
    return IndexedSlices(value, rows, shape)


def as_indexed_slices_list(values: Sequence, optimize: bool = True) -> list[IndexedSlices]:
    """Tensors as IndexedSlices whose indices have one dtype."""
    slices = [as_indexed_slices(v, optimize) for v in values]
    if len({s.indices.dtype.base_dtype.name for s in slices}) == 1:
        return slices
    wide = DTYPES["int64"]
    return [
        s
        if s.indices.dtype.base_dtype == wide
        else IndexedSlices(s.values, math.cast(s.indices, wide), s.dense_shape)
        for s in slices
    ]


def _as_tensor(
    value: IndexedSlices, dtype: Any = None, name: str | None = None, **_: Any
) -> Tensor:
    if dtype is not None and as_dtype(dtype).base_dtype != value.dtype.base_dtype:
        raise InputError(
            f"{value} has dtype {value.dtype.name} where {as_dtype(dtype).name} is expected: "
            f"cast its values"
        )
    if value.dense_shape is None:
        raise InputError(
            f"Tensor conversion requested for IndexedSlices without dense_shape: {value}: give "
            "dense_shape"
        )
    rows = value.dense_shape[0]  # type: ignore[index]
    return math.unsorted_segment_sum(value.values, value.indices, rows, name=name)


register_conversion(IndexedSlices, _as_tensor)
