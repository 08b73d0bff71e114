"""Private: dtypes and shapes of the results of operations on one or two tensors."""

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ..core.dtypes import DTYPES, DType
from ..core.shapes_of import broadcast_shapes
from ..core.tensors import Operation

__all__ = ["checked", "like_first", "of_two"]


def checked(op: Operation, kinds: str, called: str | None = None) -> DType:
    """The dtype of an operation's first input, which must be of one of the kinds.

    Args:
        op: The operation.
        kinds: The letters of NumPy's kinds.
        called: The name of the function, for the error; None for the type of the operation.

    Raises:
        InputError: The dtype is of another kind.
    """
    x = op.inputs[0]
    dtype = x.dtype.base_dtype
    if dtype.kind not in kinds:
        wanted = (
            "bool: compare first, x > 0"
            if kinds == "b"
            else f"{'numbers' if 'i' in kinds else 'floats'}: write tf.cast(x, tf.float32)"
        )
        raise InputError(f"{called or op.type} was given {x}: give it {wanted}")
    return dtype


def like_first(kinds: str = "biufcO", dtype: str | None = None) -> Callable:
    """An output of the shape of the first input, and of its dtype unless another one is given."""

    def outputs(op: Operation) -> list[tuple[DType, Any]]:
        found = checked(op, kinds)
        return [(found if dtype is None else DTYPES[dtype], op.inputs[0].shape)]

    return outputs


def of_two(kinds: str = "biufcO", dtype: str | None = None) -> Callable:
    """An output of the shape that two inputs are broadcast to; see `like_first`."""

    def outputs(op: Operation) -> list[tuple[DType, Any]]:
        found = checked(op, kinds)
        x, y = op.inputs
        shape = broadcast_shapes(x.shape, y.shape, op.name)
        return [(found if dtype is None else DTYPES[dtype], shape)]

    return outputs
