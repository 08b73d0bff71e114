"""Private: the convolutional LSTMs of tf.contrib.rnn."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..initializers import constant_initializer
from ..ops import arrays, math
from ..ops.convolution import conv1d, conv2d, conv3d
from ..state import scopes
from .cell import KnownCell
from .cells import LSTMStateTuple
from .checks import number

__all__ = [
    "Conv1DLSTMCell",
    "Conv2DLSTMCell",
    "Conv3DLSTMCell",
    "ConvLSTMCell",
]

_CONVOLUTIONS: dict[int, tuple[Callable, Any]] = {
    1: (conv1d, 1),
    2: (conv2d, [1] * 4),
    3: (conv3d, [1] * 5),
}


class ConvLSTMCell(KnownCell):
    """The LSTM with convolutions in place of matrix products, for inputs (batch, spatial sizes,
    channels).

    The order of sums is not TensorFlow's, so the last digits may differ.
    `ostinato.nn.conv_lstm.ConvLSTM` is the same as a torch module.

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

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sequence[int],
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: Any = None,
        name: str = "conv_lstm_cell",
    ):
        kind = type(self).__name__
        if conv_ndims not in _CONVOLUTIONS:
            raise InputError(f"{kind}(conv_ndims={conv_ndims!r}): give 1, 2 or 3")
        if skip_connection:
            raise InputError(
                f"{kind}(skip_connection=True) is not provided by ostinato.tf1, because TensorFlow "
                "fails in its second step: leave skip_connection out"
            )
        for what, sizes, count in (
            ("input_shape", input_shape, conv_ndims + 1),
            ("kernel_shape", kernel_shape, conv_ndims),
        ):
            if not _whole_numbers(sizes) or len(sizes) != count:
                channels = " and the channels" if what == "input_shape" else ""
                raise SizeError(
                    f"{kind}({what}={sizes!r}): give a list of {count} whole numbers above 0, for "
                    f"{conv_ndims} dimension(s){channels}"
                )
        super().__init__(output_channels, None, name)
        self.input_dims = (conv_ndims + 2,)
        self._conv_ndims, self._use_bias = conv_ndims, use_bias
        self._input_shape, self._kernel_shape = list(input_shape), list(kernel_shape)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self.output_size = TensorShape([*self._input_shape[:-1], self._num_units])
        self.state_size = LSTMStateTuple(self.output_size, self.output_size)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        found, wanted = inputs.shape.as_list()[1:], self._input_shape
        if found != wanted:
            raise SizeError(
                f"{type(self).__name__}(input_shape={wanted}) was given an input of "
                f"{tuple(found)}: make them the same"
            )
        c, h = state
        gates = arrays.split(
            value=self._convolved([inputs, h]), num_or_size_splits=4, axis=self._conv_ndims + 1
        )
        i, j, f, o = gates
        kept = math.sigmoid(f + self._forget_bias) * c
        new_c = kept + math.sigmoid(i) * math.tanh(j)
        new_h = math.tanh(new_c) * math.sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h)

    def _convolved(self, args: list[Tensor]) -> Tensor:
        depth, size = sum(x.shape[-1].value for x in args), 4 * self._num_units
        dtype = args[0].dtype
        convolution, strides = _CONVOLUTIONS[self._conv_ndims]
        kernel = scopes.get_variable("kernel", [*self._kernel_shape, depth, size], dtype=dtype)
        joined = arrays.concat(axis=self._conv_ndims + 1, values=args)
        result = convolution(joined, kernel, strides, padding="SAME")
        if not self._use_bias:
            return result
        zeros = constant_initializer(0.0, dtype=dtype)
        return result + scopes.get_variable("biases", [size], dtype=dtype, initializer=zeros)


def _whole_numbers(sizes: Any) -> bool:
    return isinstance(sizes, (list, tuple)) and all(
        isinstance(n, numbers.Integral) and int(n) > 0 for n in sizes
    )


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
