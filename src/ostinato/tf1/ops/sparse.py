"""Private: sparse tensors from values that are fed, and as tensors."""

from typing import Any

import numpy as np

from ...errors import InputError
from ..core.constant import constant_value_as_shape
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTypeLike, as_dtype
from ..core.registry import define
from ..core.sparse import SparseTensor
from ..core.tensors import Operation, Tensor, TensorLike
from . import arrays

__all__ = ["sparse_placeholder", "sparse_tensor_to_dense", "sparse_to_dense"]


def sparse_placeholder(
    dtype: DTypeLike, shape: Any = None, name: str | None = None
) -> SparseTensor:
    """A sparse tensor whose value is fed in each run.

    Args:
        dtype: The dtype of its elements.
        shape: The shape; a size that is None is fed too.
        name: The name of the operations, with "/shape", "/values" and "/indices".
    """

    def named(part: str) -> str | None:
        return None if name is None else f"{name}/{part}"

    rank = None if shape is None else shape.shape[0] if isinstance(shape, Tensor) else len(shape)
    if shape is None or (not isinstance(shape, Tensor) and None in list(shape)):
        sizes = arrays.placeholder("int64", [rank], name=named("shape"))
    else:
        sizes = convert_to_tensor(shape, "int64", named("shape"))
    values = arrays.placeholder(as_dtype(dtype), [None], name=named("values"))
    indices = arrays.placeholder("int64", [None, rank], name=named("indices"))
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
