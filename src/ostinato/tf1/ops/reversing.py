"""Private: reversed tensors and sequences."""

from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value
from ..core.conversion import apply
from ..core.registry import define
from ..core.shapes_of import (
    axes_of,
    axis_of,
    base_dtype,
    index_dtypes,
    like_first,
    merge_sizes,
)
from ..core.tensors import Operation, Tensor, TensorLike

__all__ = [
    "reverse",
    "reverse_sequence",
    "reverse_v2",
]


def _reversed(op: Operation, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.flip(x, tuple(axes.tolist()))


def _reversed_shape(op: Operation) -> list:
    x, axes = op.inputs
    known = constant_value(axes)
    if known is not None and x.shape.sizes is not None:
        axes_of(known.tolist(), len(x.shape), "tf.reverse")
    return like_first(op)


define("ReverseV2", _reversed_shape, _reversed)


def reverse(tensor: TensorLike, axis: Any, name: str | None = None) -> Tensor:
    """Reverse some dimensions.

    Args:
        tensor: The tensor.
        axis: The dimensions, as a list.
        name: The name of the operation.
    """
    inputs = {"tensor": tensor, "axis": axis}
    return apply("ReverseV2", inputs, name=name, dtypes=index_dtypes(axis=axis)).outputs[0]


reverse_v2 = reverse


def _reversed_sequences(op: Operation) -> list:
    x, lengths = op.inputs
    batch, steps = op.attrs["batch_dim"], op.attrs["seq_dim"]
    if x.shape.sizes is None:
        return like_first(op)
    sizes = list(x.shape.sizes)
    axis_of(steps, len(sizes), "tf.reverse_sequence")
    along = axis_of(batch, len(sizes), "tf.reverse_sequence")
    if batch == steps:
        raise SizeError(f"tf.reverse_sequence was given {batch} twice: give two dimensions")
    what = f"tf.reverse_sequence of {x} with the lengths {lengths}"
    sizes[along] = merge_sizes(sizes[along], lengths.shape[0].value, what)
    return [(base_dtype(x), sizes)]


def _reverse_sequence(op: Operation, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    steps, batch = op.attrs["seq_dim"], op.attrs["batch_dim"]
    total = x.shape[steps]
    if len(lengths) != x.shape[batch] or np.any(lengths > total) or np.any(lengths < 0):
        raise ValueError(f"the lengths {lengths.tolist()} for {x.shape[batch]} rows of {total}")
    time = np.arange(total)
    length = lengths.reshape(-1, 1)
    # (batch, time)
    order = np.where(time < length, length - 1 - time, time)
    if steps < batch:
        order = order.T
    places = [1] * x.ndim
    places[steps], places[batch] = total, len(lengths)
    return np.take_along_axis(x, order.reshape(places), steps)


define("ReverseSequence", _reversed_sequences, _reverse_sequence)


def reverse_sequence(
    input: TensorLike,  # noqa: A002
    seq_lengths: TensorLike,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Reverse each sequence up to its length.

    Args:
        input: The sequences.
        seq_lengths: Their lengths, (B,).
        seq_axis: The dimension of the steps.
        batch_axis: The dimension of the sequences; None for 0.
        name: The name of the operation.
        seq_dim, batch_dim: Other names of the two.
    """
    steps = seq_dim if seq_axis is None else seq_axis
    batch = batch_dim if batch_axis is None else batch_axis
    if steps is None:
        raise InputError("tf.reverse_sequence was given no seq_axis: give the axis of the steps")
    inputs = {"input": input, "seq_lengths": seq_lengths}
    attrs = {"seq_dim": steps, "batch_dim": batch or 0}
    dtypes = index_dtypes("int64", seq_lengths=seq_lengths)
    return apply("ReverseSequence", inputs, name=name, attrs=attrs, dtypes=dtypes).outputs[0]
