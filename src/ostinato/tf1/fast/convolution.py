"""Private: convolutions and their gradients by torch."""

from collections.abc import Callable, Sequence

import torch

from ..core.tensors import Operation
from ..ops.convolution import channels_first, window_of

__all__ = ["FUNCTIONS"]


def _from(op: Operation, x: torch.Tensor) -> torch.Tensor:
    """An input in torch's order of dimensions, with the channels first."""
    return x if channels_first(op) else x.movedim(-1, 1)


def _to(op: Operation, x: torch.Tensor) -> torch.Tensor:
    return (x if channels_first(op) else x.movedim(1, -1)).contiguous()


def _kernel(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.movedim((-1, -2), (0, 1))


def _padded(x: torch.Tensor, padding: Sequence[tuple[int, int]]) -> torch.Tensor:
    return torch.nn.functional.pad(x, [n for pair in reversed(padding) for n in pair])


def _convolution(op: Operation, x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor | None:
    x, weight = _from(op, x), _kernel(kernel)
    if x.shape[1] != weight.shape[1]:
        return None
    window = window_of(op, x.shape[2:], weight.shape[2:])
    function = getattr(torch.nn.functional, f"conv{x.dim() - 2}d")
    x = _padded(x, window.padding)
    return _to(op, function(x, weight, stride=window.strides, dilation=window.dilations))


def _backward(
    op: Operation, x: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor, wanted: list[bool]
) -> tuple:
    """The gradients of the input without its padding, and of the kernel, where they are wanted."""
    window = window_of(op, x.shape[2:], weight.shape[2:])
    zeros = [0] * len(window.padding)
    dx, dw, _ = torch.ops.aten.convolution_backward(
        grad,
        _padded(x, window.padding),
        weight,
        None,
        window.strides,
        zeros,
        window.dilations,
        False,
        zeros,
        1,
        [*wanted, False],
    )
    if dx is not None:
        for axis, (before, _) in enumerate(window.padding, 2):
            dx = dx.narrow(axis, before, x.shape[axis])
    return dx, dw


def _input_gradient(
    op: Operation, sizes: torch.Tensor, kernel: torch.Tensor, grad: torch.Tensor
) -> torch.Tensor:
    x = _from(op, torch.zeros(sizes.tolist()))
    return _to(op, _backward(op, x, _kernel(kernel), _from(op, grad), [True, False])[0])


def _kernel_gradient(
    op: Operation, x: torch.Tensor, sizes: torch.Tensor, grad: torch.Tensor
) -> torch.Tensor:
    weight = _kernel(torch.zeros(sizes.tolist()))
    _, dw = _backward(op, _from(op, x), weight, _from(op, grad), [False, True])
    return dw.movedim((0, 1), (-1, -2)).contiguous()


# See `kernels.py`.
FUNCTIONS: dict[str, Callable] = {
    "Conv2D": _convolution,
    "Conv2DBackpropInput": _input_gradient,
    "Conv2DBackpropFilter": _kernel_gradient,
    "Conv3D": _convolution,
    "Conv3DBackpropInputV2": _input_gradient,
    "Conv3DBackpropFilterV2": _kernel_gradient,
}
