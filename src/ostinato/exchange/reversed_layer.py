"""A layer that runs from the end of each row to its start."""

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..nn.lengths import read_lengths
from ..nn.recurrent import Recurrent

__all__ = ["ReversedLayer"]


class ReversedLayer(nn.Module):
    """A layer of one direction, from each row's last valid step to its first.

    Args:
        layer: The layer, which is not bidirectional.

    Raises:
        InputError: The layer is bidirectional.

    Example:
        >>> import torch, ostinato
        >>> from ostinato.exchange.reversed_layer import ReversedLayer
        >>> layer = ReversedLayer(ostinato.Recurrent("gru", 3, 5))
        >>> output, h = layer(torch.zeros(4, 6, 3), lengths=[6, 2, 0, 5])
        >>> output.shape
        torch.Size([4, 6, 5])
    """

    def __init__(self, layer: Recurrent):
        super().__init__()
        if layer.bidirectional:
            raise InputError(
                f"ReversedLayer was given {layer}, which has both directions; give it a layer with "
                "bidirectional=False"
            )
        self.layer = layer

    def reset_parameters(self) -> None:
        """Initialise the parameters of the layer."""
        self.layer.reset_parameters()

    def forward(self, x: Tensor, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Run over sequences.

        Args:
            x: (B, T, I) if the layer has batch_first, else (T, B, I).
            state: The state after each row's last valid step, as the layer takes it.
            lengths: Valid steps of each row: B whole numbers from 0 to T.

        Returns:
            The output, laid out as `x`, with 0 past a row's end, and the state at each row's first
            step, as the layer returns it.

        Raises:
            InputError: `x` does not have three dimensions.
        """
        if not isinstance(x, Tensor) or x.dim() != 3:
            raise InputError(
                f"ReversedLayer was given {type(x).__name__} of shape "
                f"{tuple(getattr(x, 'shape', ()))}; give it a tensor (B, T, I), or without "
                "batch_first (T, B, I)"
            )
        axis = 1 if self.layer.batch_first else 0
        steps, batch = x.shape[axis], x.shape[1 - axis]
        time = torch.arange(steps, device=x.device)[:, None].expand(steps, batch)
        if lengths is None:
            order = steps - 1 - time
        else:
            counts = read_lengths(lengths, steps, batch, x.device)
            order = torch.where(time < counts, counts - 1 - time, time)
        order = (order.T if axis else order)[..., None]
        output, ends = self.layer(_reordered(x, axis, order), state, lengths)
        return _reordered(output, axis, order), ends


def _reordered(x: Tensor, axis: int, order: Tensor) -> Tensor:
    return x.gather(axis, order.expand_as(x))
