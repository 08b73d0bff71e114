"""The convolutional LSTM, for sequences of images or other data on a grid.

The cell language has no convolution, so this layer is not a cell. It runs torch operations, step by
step, on any device, and torch's autograd differentiates it. The convolution of the input, which
does not depend on the state, is computed for all steps at once.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import engines
from ..errors import ArgumentTypeError, InputError, SizeError, TensorError
from . import overrides
from .arguments import is_tensor, truth, whole
from .lengths import read_lengths

__all__ = ["ConvLSTM", "convolve", "step"]

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution with the output size of its input, padded with zeros. If the number of zeros is
    odd, one more is added at the end.

    Args:
        x: (B, channels, places in each dimension).
        kernel: (output channels, channels, size in each dimension).
        bias: (output channels,); None for no bias.
    """
    padding = [
        n
        for size in reversed(kernel.shape[2:])
        for n in ((size - 1) // 2, size - 1 - (size - 1) // 2)
    ]
    return _CONVOLUTIONS[x.dim() - 2](F.pad(x, padding), kernel, bias)


def step(
    gates: Sequence[Tensor],
    c: Tensor,
    peepholes: Sequence[Tensor] | Tensor | None = None,
    *,
    sigmoid: Callable[[Tensor], Tensor] = torch.sigmoid,
    tanh: Callable[[Tensor], Tensor] = torch.tanh,
) -> tuple[Tensor, Tensor]:
    """One step of the LSTM, from the gates before their activations: equation 3.

    Args:
        gates: i, f, g, o, each with the shape of c.
        c: The previous cell state.
        peepholes: The peephole weights of i, f and o; None for no peepholes.
        sigmoid, tanh: The activations.

    Returns:
        (h, c) after the step.
    """
    i, f, g, o = gates
    if peepholes is not None:
        i, f = i + peepholes[0] * c, f + peepholes[1] * c
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    o = o if peepholes is None else o + peepholes[2] * c
    return sigmoid(o) * tanh(c), c


class ConvLSTM(nn.Module):
    """LSTM with convolutions in place of matrix products. It runs torch operations, step by step.

    Args:
        input_channels: Channels of the input.
        hidden_channels: Channels of each state and of the output.
        kernel_size: The size of both kernels: a number, or one for each dimension.
        dimensions: The number of spatial dimensions: 1 or 2.
        peepholes: Whether the gates see the cell state, with one weight for each channel. The paper
            has a weight for each channel and place.
        batch_first: Whether inputs are (B, T, ...) or (T, B, ...).

    Source: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for Precipitation
        Nowcasting (2015), arXiv:1506.04214, equation 3.

    Example:
        >>> import torch
        >>> from ostinato.nn.conv_lstm import ConvLSTM
        >>> layer = ConvLSTM(1, 4, kernel_size=3, dimensions=2)
        >>> output, (h, c) = layer(torch.zeros(2, 5, 1, 8, 8), lengths=torch.tensor([5, 3]))
        >>> output.shape, h.shape
        (torch.Size([2, 5, 4, 8, 8]), torch.Size([2, 4, 8, 8]))
    """

    def __init__(
        self,
        input_channels: int,
        hidden_channels: int,
        kernel_size: int | Sequence[int],
        *,
        dimensions: int = 2,
        peepholes: bool = False,
        batch_first: bool = True,
    ):
        super().__init__()
        if dimensions not in (1, 2):
            raise InputError(
                f"ConvLSTM(dimensions={dimensions!r}): write 1 for sequences of vectors, or 2 for "
                f"images"
            )
        sizes = (
            tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size,) * dimensions
        )
        if len(sizes) != dimensions:
            raise SizeError(
                f"ConvLSTM(kernel_size={kernel_size!r}): give a whole number above 0 for each "
                f"dimension, here {dimensions}, or one"
            )
        sizes = tuple([whole("kernel_size", size) for size in sizes])
        self.input_channels = whole("input_channels", input_channels)
        self.hidden_channels = hidden_channels = whole("hidden_channels", hidden_channels)
        self.dimensions, self.batch_first = dimensions, truth("batch_first", batch_first)
        self.W = nn.Parameter(torch.empty(4 * hidden_channels, input_channels, *sizes))
        self.U = nn.Parameter(torch.empty(4 * hidden_channels, hidden_channels, *sizes))
        self.b = nn.Parameter(torch.empty(4 * hidden_channels))
        self.p = (
            nn.Parameter(torch.empty(3, hidden_channels, *[1] * dimensions)) if peepholes else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all parameters again, uniformly within 1 / sqrt(n), where n is the number of
        terms in one value of the convolution of the state.
        """
        bound = 1 / math.sqrt(self.U[0].numel())
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    __prepare_scriptable__ = overrides.refuse_script

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over a batch of sequences.

        Args:
            x: (B, T, input_channels, places), or (T, B, ...) without `batch_first`.
            state: (h, c), each (B, hidden_channels, places); None for zeros.
            lengths: Valid steps of each row, (B,), from 0 to T; None if all are valid.

        Returns:
            The output, laid out as x, with 0 past a row's end, and (h, c) after each row's last
            valid step.

        Raises:
            SizeError: Sizes do not match.
            InputError: Lengths are not whole numbers.
            ArgumentTypeError: An argument of the wrong type.
            TensorError: A tensor of another dtype or device than the weights.
            TracingError: torch.jit.trace or torch.jit.script is given a module with the layer.
        """
        overrides.refuse_trace("ConvLSTM()", x, time=1)
        others = overrides.overriding(x, state, lengths)
        if (
            others
            and (result := overrides.taken_over(ConvLSTM.forward, others, self, x, state, lengths))
            is not None
        ):
            return result  # pyright: ignore[reportReturnType] (a node of a traced graph)
        given = (
            (x,)
            if state is None
            else (x, *state)
            if isinstance(state, (tuple, list))
            else (x, state)
        )
        if not all(map(is_tensor, given)) or len(given) not in (1, 3):
            names = ", ".join(type(t).__name__ for t in given)
            raise ArgumentTypeError(
                f"ConvLSTM was given {names}: give it x, or x and (h, c), which are tensors"
            )
        for name, t in zip(("x", "h", "c"), given):
            if (
                t.device != self.W.device
                or t.dtype != self.W.dtype
                and not engines.autocast_is_on(t.device.type)
            ):
                raise TensorError(
                    f"ConvLSTM was given {name} of {t.dtype} on {t.device}, and its weights are "
                    f"{self.W.dtype} on {self.W.device}: write {name}.to({str(self.W.device)!r}, "
                    f"{self.W.dtype})"
                )
        if x.dim() != 3 + self.dimensions or x.shape[2] != self.input_channels:
            expected = ["B", "T", str(self.input_channels), *["places"] * self.dimensions]
            raise SizeError(
                f"ConvLSTM was given x of shape {tuple(x.shape)}: give it ({', '.join(expected)})"
            )
        x = x.transpose(0, 1) if self.batch_first else x
        steps, batch, places = x.shape[0], x.shape[1], x.shape[3:]
        shape = (batch, self.hidden_channels, *places)
        h, c = (x.new_zeros(shape), x.new_zeros(shape)) if state is None else state
        if h.shape != shape or c.shape != shape:
            raise SizeError(
                f"ConvLSTM was given states of {tuple(h.shape)} and {tuple(c.shape)}: give both "
                f"the shape {shape}"
            )
        if lengths is not None:
            lengths = read_lengths(lengths, steps, batch, x.device)
        outputs = []
        from_input = (
            convolve(x.flatten(0, 1), self.W, self.b).unflatten(0, (steps, batch)) if steps else x
        )
        for t in range(steps):
            new_h, new_c = step((from_input[t] + convolve(h, self.U)).chunk(4, 1), c, self.p)
            if lengths is not None:
                valid = (t < lengths).view(batch, *[1] * (1 + self.dimensions))
                outputs.append(torch.where(valid, new_h, 0.0))
                new_h, new_c = torch.where(valid, new_h, h), torch.where(valid, new_c, c)
            else:
                outputs.append(new_h)
            h, c = new_h, new_c
        if outputs:
            output = torch.stack(outputs)
        else:
            # A sum over no elements of each tensor, which gives every tensor a gradient of 0, as a
            # batch without rows does.
            zero = torch.cat([t.reshape(-1)[:0] for t in (x, h, c, *self.parameters())]).sum()
            h, c = h + zero, c + zero
            output = zero.expand(0, *shape)
        return output.transpose(0, 1) if self.batch_first else output, (h, c)
