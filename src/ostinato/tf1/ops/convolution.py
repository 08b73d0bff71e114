"""Private: convolutions in one, two and three dimensions.

The order of sums is not TensorFlow's, so that the last digits may differ; see
`kernels/convolutions.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value_as_shape
from ..core.conversion import apply, convert_to_tensor
from ..core.graph import name_scope
from ..core.registry import define
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import convolutions
from . import arrays

__all__ = ["channels_first", "conv1d", "conv2d", "conv3d", "window_of"]

_FIRST = ("NCHW", "NCDHW", "NCW")  # formats with the channels before the sizes


def channels_first(op: Operation) -> bool:
    """Whether a convolution has the channels before the sizes."""
    return op.attrs["data_format"] in _FIRST


def _of_space(op: Operation, name: str) -> list[int]:
    """An attribute that has a number for each dimension, for the spatial ones."""
    numbers = list(op.attrs[name])
    return numbers[2:] if channels_first(op) else numbers[1:-1]


def _size_after(op: Operation, size: int | None, kernel: int | None, step: int, gap: int) -> Any:
    """The size of a dimension of the result."""
    if size is None or kernel is None:
        return None
    if op.attrs["padding"] == "SAME":
        return -(-size // step)
    left = size - gap * (kernel - 1)
    if left < 1:
        raise SizeError(
            f"{op.name}: a kernel of size {kernel} does not fit in an input of size {size}: use "
            "padding='SAME', or a smaller kernel"
        )
    return -(-left // step)


def _outputs(op: Operation) -> list:
    x, kernel = op.inputs
    rank = len(op.attrs["strides"])
    sizes, weights = x.shape.with_rank(rank).sizes, kernel.shape.with_rank(rank).sizes
    if sizes is None:
        return [(x.dtype.base_dtype, [None] * rank)]
    weights = weights or (None,) * rank
    first = channels_first(op)
    depth = sizes[1] if first else sizes[-1]
    if None not in (depth, weights[-2]) and depth != weights[-2]:
        raise SizeError(
            f"{op.name}: the input {x.shape} has {depth} channels and the kernel {kernel.shape} is "
            f"for {weights[-2]}: make them the same"
        )
    space = [
        _size_after(op, *given)
        for given in zip(
            sizes[2:] if first else sizes[1:-1],
            weights[:-2],
            _of_space(op, "strides"),
            _of_space(op, "dilations"),
        )
    ]
    shape = [sizes[0], weights[-1], *space] if first else [sizes[0], *space, weights[-1]]
    return [(x.dtype.base_dtype, shape)]


def window_of(op: Operation, space: Sequence[int], kernel: Sequence[int]) -> convolutions.Window:
    """How the kernel of a convolution moves.

    Args:
        op: The convolution, or one of its gradients.
        space: The sizes of the input without batch and channels.
        kernel: Those of the kernel.
    """
    strides, dilations = _of_space(op, "strides"), _of_space(op, "dilations")
    padding = [(0, 0)] * len(space)
    if op.attrs["padding"] == "SAME":
        for i, size in enumerate(space):
            span = dilations[i] * (kernel[i] - 1) + 1
            total = max((-(-size // strides[i]) - 1) * strides[i] + span - size, 0)
            padding[i] = (total // 2, total - total // 2)
    return convolutions.Window(strides, dilations, padding)


def _channels_last(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 1, -1) if channels_first(op) else x


def _as_format(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if channels_first(op) else x


def _convolution(op: Operation, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    x = _channels_last(op, x)
    window = window_of(op, x.shape[1:-1], kernel.shape[:-2])
    return _as_format(op, convolutions.convolve(x, kernel, window))


def _input_gradient(
    op: Operation, sizes: np.ndarray, kernel: np.ndarray, grad: np.ndarray
) -> np.ndarray:
    shape = sizes.tolist()
    if channels_first(op):
        shape = [shape[0], *shape[2:], shape[1]]
    window = window_of(op, shape[1:-1], kernel.shape[:-2])
    found = convolutions.input_gradient(shape, kernel, _channels_last(op, grad), window)
    return _as_format(op, found)


def _kernel_gradient(
    op: Operation, x: np.ndarray, sizes: np.ndarray, grad: np.ndarray
) -> np.ndarray:
    x, shape = _channels_last(op, x), sizes.tolist()
    window = window_of(op, x.shape[1:-1], shape[:-2])
    return convolutions.kernel_gradient(x, shape, _channels_last(op, grad), window)


def _of_sizes(index: int) -> Any:
    """The output has the sizes that an input gives."""
    return lambda op: [(op.inputs[2].dtype.base_dtype, constant_value_as_shape(op.inputs[index]))]


define("Conv2D", _outputs, _convolution)
define("Conv2DBackpropInput", _of_sizes(0), _input_gradient)
define("Conv2DBackpropFilter", _of_sizes(1), _kernel_gradient)
define("Conv3D", _outputs, _convolution)
define("Conv3DBackpropInputV2", _of_sizes(0), _input_gradient)
define("Conv3DBackpropFilterV2", _of_sizes(1), _kernel_gradient)


def _apply(
    op_type: str,
    x: TensorLike,
    kernel: TensorLike,
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilations: Sequence[int] | None,
    name: str | None,
) -> Tensor:
    rank = len(data_format)
    for what, numbers in (("strides", strides), ("dilations", dilations or [1] * rank)):
        if len(numbers) != rank:
            raise SizeError(
                f"{op_type} was given {what}={numbers!r}: give a list of {rank} numbers"
            )
    if padding not in ("SAME", "VALID"):
        raise InputError(f"{op_type} was given padding={padding!r}: give 'SAME' or 'VALID'")
    attrs = {
        "strides": list(strides),
        "padding": padding,
        "data_format": data_format,
        "dilations": list(dilations or [1] * rank),
    }
    given = {"input": x, "filter": kernel}
    return apply(op_type, given, name=name, attrs=attrs, same=("input", "filter")).outputs[0]


def conv2d(
    input: TensorLike,  # noqa: A002
    filter: TensorLike,  # noqa: A002
    strides: Sequence[int],
    padding: str,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Sequence[int] = [1, 1, 1, 1],  # noqa: B006  TensorFlow's default; it is not changed
    name: str | None = None,
) -> Tensor:
    """A convolution over two dimensions.

    Args:
        input: (B, height, width, channels), or (B, channels, height, width).
        filter: (height, width, channels, channels of the result).
        strides: The step in each dimension of the input.
        padding: "SAME" for zeros around the input, or "VALID".
        use_cudnn_on_gpu: Accepted for compatibility; ignored.
        data_format: "NHWC", or "NCHW" for channels before the sizes.
        dilations: The distance of the kernel's numbers in each dimension of the input.
        name: The name of the operation.
    """
    return _apply("Conv2D", input, filter, strides, padding, data_format, dilations, name)


def conv3d(
    input: TensorLike,  # noqa: A002
    filter: TensorLike,  # noqa: A002
    strides: Sequence[int],
    padding: str,
    data_format: str = "NDHWC",
    dilations: Sequence[int] | None = None,
    name: str | None = None,
) -> Tensor:
    """A convolution over three dimensions; see `conv2d`.

    Args:
        input: (B, depth, height, width, channels), or (B, channels, depth, height, width).
        filter: (depth, height, width, channels, channels of the result).
        strides, padding, dilations, name: See `conv2d`.
        data_format: "NDHWC", or "NCDHW" for channels before the sizes.
    """
    return _apply("Conv3D", input, filter, strides, padding, data_format, dilations, name)


def conv1d(
    value: TensorLike,
    filters: TensorLike,
    stride: int,
    padding: str,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """A convolution over one dimension.

    Args:
        value: (B, width, channels), or (B, channels, width).
        filters: (width, channels, channels of the result).
        stride: The step.
        padding: "SAME" for zeros around the input, or "VALID".
        use_cudnn_on_gpu: Accepted for compatibility; ignored.
        data_format: "NWC", or "NCW" for channels before the size.
        name: The name of the operation.
    """
    if data_format not in (None, "NWC", "NHWC", "NCW", "NCHW"):
        raise InputError(f"conv1d was given data_format={data_format!r}: give 'NWC' or 'NCW'")
    first = data_format in ("NCW", "NCHW")
    axis = 2 if first else 1
    with name_scope(name, "conv1d"):
        value, filters = convert_to_tensor(value), convert_to_tensor(filters)
        value = arrays.expand_dims(value, axis)
        filters = arrays.expand_dims(filters, 0)
        strides = [1, 1, 1, stride] if first else [1, 1, stride, 1]
        result = conv2d(value, filters, strides, padding, data_format="NCHW" if first else "NHWC")
        return arrays.squeeze(result, [axis])
