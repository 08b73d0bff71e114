"""Private: repetition and padding of tensors."""

from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value, constant_value_as_shape
from ..core.conversion import apply
from ..core.registry import define
from ..core.shapes_of import (
    base_dtype,
    index_dtypes,
)
from ..core.tensors import Operand, Operation, Tensor, TensorLike

__all__ = [
    "mirror_pad",
    "pad",
    "tile",
]

# Tile


def _tiled(op: Operation) -> list:
    x, times = op.inputs
    known = constant_value_as_shape(times)
    if x.shape.sizes is None or known.sizes is None:
        length = len(known) if known.sizes is not None else x.shape.ndims
        return [(base_dtype(x), None if length is None else [None] * length)]
    if len(known) != len(x.shape):
        raise SizeError(
            f"tf.tile of {x} was given multiples={known}: give a number for each dimension"
        )
    pairs = zip(x.shape.sizes, known.sizes)
    return [(base_dtype(x), [None if None in (m, n) else m * n for m, n in pairs])]  # type: ignore[operator]


define("Tile", _tiled, lambda op, x, times: np.tile(x, times))


def tile(input: TensorLike, multiples: Any, name: str | None = None) -> Tensor:  # noqa: A002
    """Repeat a tensor along each dimension."""
    inputs = {"input": input, "multiples": multiples}
    return apply("Tile", inputs, name=name, dtypes=index_dtypes(multiples=multiples)).outputs[0]


# Pad


def _margins(tensor: Tensor) -> list[np.ndarray | None] | None:
    """The numbers of elements before and after each dimension, or None if they are not known."""
    known = constant_value(tensor)
    if known is not None:
        return list(known)
    return [constant_value(t) for t in tensor.op.inputs] if tensor.op.type == "Pack" else None


def _widened(tensor: Tensor, paddings: Tensor, sign: int) -> list:
    """The tensor's dtype and shape with paddings added (sign 1) or removed (sign -1)."""
    sizes, margins = tensor.shape.sizes, _margins(paddings)
    if sizes is None:
        length = paddings.shape[0].value
        return [(base_dtype(tensor), None if length is None else [None] * length)]
    if margins is None:
        return [(base_dtype(tensor), [None] * len(sizes))]
    if len(margins) != len(sizes):
        raise SizeError(
            f"tf.pad of {tensor} was given {len(margins)} paddings: give one for each dimension"
        )
    result = [
        None if n is None or m is None else n + sign * int(m.sum()) for n, m in zip(sizes, margins)
    ]
    return [(base_dtype(tensor), result)]


def _padded(op: Operation) -> list:
    return _widened(op.inputs[0], op.inputs[1], 1)


def _pad(op: Operation, x: np.ndarray, paddings: np.ndarray, value: Any = 0) -> np.ndarray:
    return np.pad(x, paddings, constant_values=value)


def _mirror(op: Operation, x: np.ndarray, paddings: np.ndarray) -> np.ndarray:
    return np.pad(x, paddings, mode=op.attrs["mode"].lower())


def _inner(op: Operation) -> list:
    return _widened(op.inputs[0], op.inputs[1], -1)


def _fold(op: Operation, x: np.ndarray, paddings: np.ndarray) -> np.ndarray:
    """The sum over the copies of each element in a mirrored tensor."""
    sizes = [n - int(m.sum()) for n, m in zip(x.shape, paddings)]
    numbers = np.arange(int(np.prod(sizes))).reshape(sizes)
    copies = np.pad(numbers, paddings, mode=op.attrs["mode"].lower())
    total = np.zeros(numbers.size, x.dtype)
    np.add.at(total, copies.reshape(-1), x.reshape(-1))
    return total.reshape(sizes)


define("Pad", _padded, _pad)
define("PadV2", _padded, _pad)
define("MirrorPad", _padded, _mirror)
define("MirrorPadGrad", _inner, _fold)


def pad(
    tensor: TensorLike,
    paddings: TensorLike,
    mode: str = "CONSTANT",
    name: str | None = None,
    constant_values: Any = 0,
) -> Tensor:
    """Add elements before and after each dimension.

    Args:
        tensor: The tensor.
        paddings: The numbers of elements before and after, (dimensions, 2).
        mode: "CONSTANT", "REFLECT" (mirrored without the edge) or "SYMMETRIC" (with it).
        name: The name of the operation.
        constant_values: The value of the new elements.
    """
    mode = mode.upper()
    if mode in ("REFLECT", "SYMMETRIC"):
        return mirror_pad(tensor, paddings, mode, name)
    if mode != "CONSTANT":
        raise InputError(f"tf.pad(mode={mode!r}): give CONSTANT, REFLECT or SYMMETRIC")
    inputs: dict[str, Any] = {"input": tensor, "paddings": paddings}
    dtypes = index_dtypes(paddings=paddings)
    if isinstance(constant_values, Operand) or constant_values != 0:
        inputs["constant_values"] = constant_values
        same = ("input", "constant_values")
        return apply("PadV2", inputs, name=name, dtypes=dtypes, same=same).outputs[0]
    return apply("Pad", inputs, name=name, dtypes=dtypes).outputs[0]


def mirror_pad(
    input: TensorLike,  # noqa: A002
    paddings: TensorLike,
    mode: str,
    name: str | None = None,
) -> Tensor:
    """See `pad`."""
    inputs, dtypes = {"input": input, "paddings": paddings}, index_dtypes(paddings=paddings)
    return apply("MirrorPad", inputs, name=name, attrs={"mode": mode}, dtypes=dtypes).outputs[0]
