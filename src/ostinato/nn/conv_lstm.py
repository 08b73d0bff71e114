"""The convolutional LSTM, for sequences of pictures or of other values that have a place.

The language of cells has no convolution, so this layer is no cell: it runs on torch's operations,
step by step, on any device, and torch's autograd differentiates it. What does not depend on the
state is computed for all steps at once.
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

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution that keeps the places: zeros are put around, one more after than before where
    their number is odd.

    Args:
        x: (B, channels, places in each dimension).
        kernel: (channels of the result, channels, its size in each dimension).
        bias: (channels of the result,); None for none.
    """
    around = [
        n
        for size in reversed(kernel.shape[2:])
        for n in ((size - 1) // 2, size - 1 - (size - 1) // 2)
    ]
    return _CONVOLUTIONS[x.dim() - 2](F.pad(x, around), kernel, bias)


def step(
    gates: Sequence[Tensor],
    c: Tensor,
    peepholes: Sequence[Tensor] | None = None,
    *,
    sigmoid: Callable = torch.sigmoid,
    tanh: Callable = torch.tanh,
) -> tuple[Tensor, Tensor]:
    """One step of the LSTM, from its gates before their functions: equation 3, whatever made their
    sums.

    Args:
        gates: i, f, g, o, each of c's shape.
        c: The cell state before.
        peepholes: The weights by which i, f and o see the cell state; None for none.
        sigmoid, tanh: The functions.

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
    """The LSTM whose products are convolutions. It runs on torch's operations, step by step.

    Args:
        input_channels: Channels of the input.
        hidden_channels: Channels of each state and of the output.
        kernel_size: The size of both kernels: a number, or one for each dimension.
        dimensions: How many dimensions places have: 1 or 2.
        peepholes: Whether the gates see the cell state, by a weight for each channel. The paper has
            one for each place too.
        batch_first: Whether inputs are (B, T, ...) and not (T, B, ...).

    Source: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for Precipitation
        Nowcasting (2015),
    arXiv:1506.04214, equation 3.

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
                f"ConvLSTM(dimensions={dimensions!r}): give 1 for places along a line, or 2 for "
                f"pictures"
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
        """Draw all parameters again, uniformly within 1 over the square root of the numbers that a
        hidden channel is a sum of.
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
            lengths: Valid steps of each row, (B,), from 0 to T; None where all are valid.

        Returns:
            The outputs as x has its dimensions, 0 past a row's end, and (h, c) after each row's
            last valid step.

        Raises:
            SizeError: Sizes do not fit each other.
            InputError: Lengths that are not whole numbers.
            ArgumentTypeError: An argument of the wrong type.
            TensorError: A tensor of another dtype or device than the weights.
            TracingError: torch.jit.trace or torch.jit.script is given a module with the layer.
        """
        overrides.refuse_trace("ConvLSTM()")
        others = overrides.overriding(x, state, lengths)
        if (
            others
            and (found := overrides.taken_over(ConvLSTM.forward, others, self, x, state, lengths))
            is not None
        ):
            return found
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
                    f"{self.W.dtype} on "
                    f"{self.W.device}: write {name}.to({str(self.W.device)!r}, {self.W.dtype})"
                )
        if x.dim() != 3 + self.dimensions or x.shape[2] != self.input_channels:
            wanted = ["B", "T", *([str(self.input_channels)] + ["places"] * self.dimensions)]
            raise SizeError(
                f"ConvLSTM was given x of shape {tuple(x.shape)}: give it ({', '.join(wanted)})"
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
        given = (
            convolve(x.flatten(0, 1), self.W, self.b).unflatten(0, (steps, batch)) if steps else x
        )
        for t in range(steps):
            new_h, new_c = step((given[t] + convolve(h, self.U)).chunk(4, 1), c, self.p)
            if lengths is not None:
                valid = (t < lengths).view(batch, *[1] * (1 + self.dimensions))
                outputs.append(torch.where(valid, new_h, 0.0))
                new_h, new_c = torch.where(valid, new_h, h), torch.where(valid, new_c, c)
            else:
                outputs.append(new_h)
            h, c = new_h, new_c
        if not outputs:
            # 0, of no numbers of each tensor: their gradients are 0, as they are where there are
            # steps and no rows.
            nothing = torch.cat([t.reshape(-1)[:0] for t in (x, h, c, *self.parameters())]).sum()
            h, c = h + nothing, c + nothing
        output = torch.stack(outputs) if outputs else nothing.expand(0, *shape)
        return output.transpose(0, 1) if self.batch_first else output, (h, c)
