"""Private: the convolutional LSTMs of tf.contrib.rnn. They run step by step on torch operations,
because the cell language has no convolution.
"""

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..errors import InputError, SizeError
from ..nn.conv_lstm import convolve, step
from . import arithmetic
from .cells import LSTMStateTuple, PlainLayer
from .contrib_lstm import SPLIT
from .graph import Initializer, TensorShape
from .steps import number, stepwise
from .variables import constant_initializer

__all__ = [
    "Conv1DLSTMCell",
    "Conv2DLSTMCell",
    "Conv3DLSTMCell",
    "ConvLSTMCell",
]

# TensorFlow 1.13.1's operations of a convolution in one, two and three dimensions; see `graph.py`.
_CONVOLUTIONS = {
    1: "conv1d{{ExpandDims(dim) ExpandDims(dim)[Enter] Conv2D Squeeze}}",
    2: "Conv2D{use}",
    3: "Conv3D{use}",
}


class ConvLSTMCell(PlainLayer):
    """The LSTM with convolutions in place of matrix products, for inputs (batch, spatial sizes,
    channels).

    It runs step by step on torch operations, without a cell of `ostinato.cells`;
    `ostinato.nn.conv_lstm.ConvLSTM` is the same as a torch module. The order of sums is torch's, so
    the last digits may differ from TensorFlow's.

    Args:
        conv_ndims: The number of spatial dimensions: 1, 2 or 3.
        input_shape: The shape of the input of a step: its spatial sizes and channels.
        output_channels: The channels of each state and of the output.
        kernel_shape: The size of the kernel in each dimension.
        use_bias: Whether there is a bias.
        skip_connection: Not supported; TensorFlow fails in the second step.
        forget_bias: A constant added to the forget gate.
        initializers: Accepted and ignored, as in TensorFlow.
        name: The scope of its variables.

    Source: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for Precipitation
        Nowcasting (2015), arXiv:1506.04214, without its peepholes, as in TensorFlow.
    """

    order = (0, 1)
    marks = ("c", "h")

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sequence[int],
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: Initializer = None,
        name: str = "conv_lstm_cell",
    ):
        kind = type(self).__name__
        if conv_ndims not in _CONVOLUTIONS:
            raise InputError(f"{kind}(conv_ndims={conv_ndims!r}): give 1, 2 or 3")
        if skip_connection:
            raise InputError(
                f"{kind}(skip_connection=True) is not provided by ostinato.tf1, because TensorFlow "
                f"fails in its second step: leave skip_connection out"
            )
        for what, sizes, count in (
            ("input_shape", input_shape, conv_ndims + 1),
            ("kernel_shape", kernel_shape, conv_ndims),
        ):
            whole = isinstance(sizes, (list, tuple)) and all(
                isinstance(n, numbers.Integral) and n > 0 for n in sizes
            )
            if not whole or len(sizes) != count:
                raise SizeError(
                    f"{kind}({what}={sizes!r}): give a list of {count} whole numbers above 0, for "
                    f"{conv_ndims} "
                    f"dimension(s){' and the channels' if what == 'input_shape' else ''}"
                )
        super().__init__(output_channels, None, None, name)
        self.input_dims = (conv_ndims + 2,)
        self.input_shape, self.kernel_shape = tuple(input_shape), tuple(kernel_shape)
        self.output_size = TensorShape((*self.input_shape[:-1], output_channels))
        self.state_size = LSTMStateTuple(self.output_size, self.output_size)
        self.forget_bias, self.use_bias = number(self, "forget_bias", forget_bias), use_bias
        bias = "$biases add{use}" if use_bias else ""
        self.recipe = (
            f"$kernel concat(axis) {_CONVOLUTIONS[conv_ndims]} {bias} {SPLIT} add(y) Sigmoid "
            f"mul{{taken}} Sigmoid Tanh mul add=c Tanh Sigmoid mul=h"
        )

    def declare(self, input_size: Any) -> dict[str, tuple]:
        if input_size != self.input_shape:
            raise SizeError(
                f"{type(self).__name__}(input_shape={list(self.input_shape)}) was given an input "
                f"of {input_size}: make them the same"
            )
        units = 4 * self.num_units
        declared = {
            "kernel": ([*self.kernel_shape, self.input_shape[-1] + self.num_units, units], None)
        }
        return declared | (
            {"biases": ([units], constant_initializer(0.0))} if self.use_bias else {}
        )

    def weights(
        self, input_size: Any, kernel: torch.Tensor, bias: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The kernel in the layout of torch, and the bias."""
        return {
            "kernel": kernel.movedim((-1, -2), (0, 1)),
            "bias": kernel.new_zeros(kernel.shape[-1]) if bias is None else bias,
        }

    def scan(
        self,
        x: torch.Tensor,
        states: list[torch.Tensor],
        weights: Mapping[str, torch.Tensor],
        lengths: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        def once(run, x, states, left):
            c, h = states
            gates = (
                convolve(torch.cat([x, h], -1).movedim(-1, 1), weights["kernel"]).movedim(1, -1)
                + weights["bias"]
            )
            i, g, f, o = gates.chunk(4, -1)
            h, c = step(
                (i, f + self.forget_bias, g, o), c, sigmoid=arithmetic.sigmoid, tanh=arithmetic.tanh
            )
            return h, [c, h]

        return stepwise(None, x, states, lengths, once)


class Conv1DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` in one dimension.

    Args:
        name: The scope of its variables.
        kwargs: The other arguments of `ConvLSTMCell`.
    """

    def __init__(self, name: str = "conv_1d_lstm_cell", **kwargs: Any):
        super().__init__(1, name=name, **kwargs)


class Conv2DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` in two dimensions.

    Args:
        name: The scope of its variables.
        kwargs: The other arguments of `ConvLSTMCell`.
    """

    def __init__(self, name: str = "conv_2d_lstm_cell", **kwargs: Any):
        super().__init__(2, name=name, **kwargs)


class Conv3DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` in three dimensions.

    Args:
        name: The scope of its variables.
        kwargs: The other arguments of `ConvLSTMCell`.
    """

    def __init__(self, name: str = "conv_3d_lstm_cell", **kwargs: Any):
        super().__init__(3, name=name, **kwargs)
