"""Batches of unequal lengths: reading lengths, and torch's packed sequences."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..errors import ArgumentTypeError, InputError, SizeError, TensorError
from .arguments import as_tensor, is_tensor


def read_lengths(given, steps: int, batch: int, device) -> Tensor:
    """Lengths as whole numbers on the device of the input."""
    mend = f"write {batch} whole number(s) from 0 to {steps}, the valid steps of each row"
    try:
        lengths = given if is_tensor(given) else as_tensor(given, "cpu")
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentTypeError(f"lengths={given!r} cannot be read: {mend}") from None
    if lengths.shape != (batch,):
        raise SizeError(
            f"lengths has the shape {tuple(lengths.shape)} and the batch has {batch} row(s): {mend}"
        )
    if lengths.dtype == torch.bool or lengths.is_complex():
        raise TensorError(
            f"lengths are {lengths.dtype}: {mend}"
            + ("; of a mask take mask.sum(1)" if lengths.dtype == torch.bool else "")
        )
    if batch:
        if lengths.is_floating_point() and not (lengths == lengths.round()).all():
            raise InputError(f"lengths={lengths.tolist()} are not whole: {mend}")
        low, high = (end.item() for end in lengths.aminmax())
        if low < 0 or high > steps:
            raise SizeError(
                f"lengths go from {low} to {high} and the sequences have {steps} step(s): {mend}"
            )
    return lengths.to(device, torch.long)


def unpack(inputs, lengths) -> tuple[tuple[Tensor, ...], Tensor]:
    """Packed inputs as (T, B, units), in the order before they were sorted, and their lengths."""
    if lengths is not None:
        raise InputError(
            "lengths were given with a PackedSequence, which has its own: leave lengths out"
        )
    if not all(
        isinstance(i, PackedSequence) and torch.equal(i.batch_sizes, inputs[0].batch_sizes)
        for i in inputs
    ):
        raise InputError(
            "of several inputs some are packed and some are not, or they have other lengths: pack "
            "all, or none and give lengths"
        )
    padded, lengths = zip(*map(pad_packed_sequence, inputs))
    return padded, lengths[0]


def pack(output_TBO: Tensor, like: PackedSequence) -> PackedSequence:
    """The output packed as the input was."""
    if like.sorted_indices is not None:
        output_TBO = output_TBO.index_select(1, like.sorted_indices)
    valid = torch.arange(output_TBO.shape[1], device="cpu") < like.batch_sizes[:, None]
    return PackedSequence(
        output_TBO[valid.to(output_TBO.device)],
        like.batch_sizes,
        like.sorted_indices,
        like.unsorted_indices,
    )
