"""Private: variable-length batches: validation of lengths, the mask of valid steps, and conversion
of packed sequences.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..errors import ArgumentTypeError, InputError, SizeError, TensorError, TracingError
from .arguments import as_tensor, is_tensor

__all__ = ["pack", "read_lengths", "unpack", "within"]


def read_lengths(given: Any, steps: int, batch: int, device: torch.device | str) -> Tensor:
    """Lengths as a tensor of whole numbers on a device.

    Args:
        given: The lengths as they were passed: a tensor or a list.
        steps: T, the largest valid length.
        batch: B, the number of lengths.
        device: The device of the input.

    Raises:
        ArgumentTypeError: They cannot be converted to a tensor.
        SizeError: Their number is not B, or one is below 0 or above T.
        TensorError: They are booleans or complex numbers.
        InputError: They are not whole numbers.
        TracingError: torch.export records the call.
    """
    fix = f"write {batch} whole number(s) from 0 to {steps}, the valid steps of each row"
    try:
        lengths = given if is_tensor(given) else as_tensor(given, "cpu")
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentTypeError(f"lengths={given!r} cannot be read: {fix}") from None
    if lengths.shape != (batch,):
        raise SizeError(
            f"lengths has the shape {tuple(lengths.shape)} and the batch has {batch} row(s): {fix}"
        )
    if lengths.dtype == torch.bool or lengths.is_complex():
        raise TensorError(
            f"lengths are {lengths.dtype}: {fix}"
            + ("; of a mask take mask.sum(1)" if lengths.dtype == torch.bool else "")
        )
    if batch:
        if lengths.is_floating_point() and not (lengths == lengths.round()).all():
            raise InputError(f"lengths={lengths.tolist()} are not whole: {fix}")
        low, high = (end.item() for end in lengths.aminmax())
        if isinstance(low, (torch.SymInt, torch.SymFloat)):
            raise TracingError(
                "a layer was called with lengths by torch.export, which records the call without "
                "their values: call it without lengths, or write a file whose inputs have lengths "
                "by ostinato.exchange, as in ostinato.exchange.onnx.write(layer, path)"
            )
        if low < 0 or high > steps:
            raise SizeError(
                f"lengths go from {low} to {high} and the sequences have {steps} step(s): {fix}"
            )
    return lengths.to(device, torch.long)


def unpack(inputs: tuple[Any, ...], lengths: object) -> tuple[tuple[Tensor, ...], Tensor]:
    """Unpack inputs to (T, B, units), in their order before packing.

    Args:
        inputs: The packed sequence of each input.
        lengths: The `lengths` argument of the call, which must be None.

    Returns:
        The inputs, and their lengths.

    Raises:
        InputError: Lengths were given too, or not all inputs are packed with the same lengths.
    """
    if lengths is not None:
        raise InputError(
            "lengths were given with a PackedSequence, which has its own: leave lengths out"
        )
    if not all(
        isinstance(i, PackedSequence) and torch.equal(i.batch_sizes, inputs[0].batch_sizes)
        for i in inputs
    ):
        raise InputError(
            "the inputs are not all packed with the same lengths: pack all of them, or pack none "
            "and give lengths"
        )
    unpacked = [pad_packed_sequence(packed) for packed in inputs]
    return tuple(padded for padded, _ in unpacked), unpacked[0][1]


def pack(output_TBO: Tensor, like: PackedSequence) -> PackedSequence:
    """Pack an output (T, B, units) in the same way as the input."""
    if like.sorted_indices is not None:
        output_TBO = output_TBO.index_select(1, like.sorted_indices)
    valid = torch.arange(output_TBO.shape[1], device="cpu") < like.batch_sizes[:, None]
    return PackedSequence(
        output_TBO[valid.to(output_TBO.device)],
        like.batch_sizes,
        like.sorted_indices,
        like.unsorted_indices,
    )


def within(lengths: Tensor, steps: int) -> Tensor:
    """Mask of the valid steps of each row: (B, steps) bool.

    Args:
        lengths: (B,).
        steps: T.
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]
