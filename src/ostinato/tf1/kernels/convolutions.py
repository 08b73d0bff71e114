"""Private: convolutions as products of matrices, in an order of sums that does not depend on the
processor. It is not TensorFlow's order, so that the last digits may differ.

Arrays have their channels last: inputs (B, *S, C), kernels (*W, C, D) and results (B, *R, D).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .products import matmul

__all__ = ["Window", "convolve", "input_gradient", "kernel_gradient"]

# The most numbers of patches that are copied at a time.
_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Window:
    """How a kernel moves over an input; each has a number for each dimension.

    Attributes:
        strides: The steps.
        dilations: The distances of the kernel's numbers in the input.
        padding: The numbers of zeros before and after the input.
    """

    strides: Sequence[int]
    dilations: Sequence[int]
    padding: Sequence[tuple[int, int]]

    def padded(self, x: np.ndarray) -> np.ndarray:
        """The input with its zeros."""
        return np.pad(x, [(0, 0), *self.padding, (0, 0)])

    def patches(self, x: np.ndarray, width: Sequence[int]) -> np.ndarray:
        """The numbers under the kernel, a view (B, *R, *W, C) of an input with its zeros."""
        spans = [gap * (w - 1) + 1 for gap, w in zip(self.dilations, width)]
        found = sliding_window_view(x, spans, tuple(range(1, len(spans) + 1)))
        steps = [slice(None, None, n) for n in (*self.strides, 1, *self.dilations)]
        return np.moveaxis(found[(slice(None), *steps)], len(spans) + 1, -1)


def _rows(images: int, numbers: int) -> Iterator[slice]:
    """Images of a batch that are computed together, each with a number of numbers."""
    step = max(1, _NUMBERS // max(numbers, 1))
    return (slice(start, start + step) for start in range(0, images, step))


def convolve(x: np.ndarray, kernel: np.ndarray, window: Window) -> np.ndarray:
    """The convolution of an input and a kernel."""
    *width, channels, depth = kernel.shape
    patches = window.patches(window.padded(x), width)
    space = patches.shape[1 : 1 + len(width)]
    terms, places = math.prod(width) * x.shape[-1], math.prod(space)
    weights = kernel.reshape(math.prod(width) * channels, depth)
    y = np.empty((len(x), *space, depth), x.dtype)
    for rows in _rows(len(x), places * terms):
        part = patches[rows]
        products = matmul(part.reshape(len(part) * places, terms), weights)
        y[rows] = products.reshape(len(part), *space, depth)
    return y


def kernel_gradient(
    x: np.ndarray, shape: Sequence[int], grad: np.ndarray, window: Window
) -> np.ndarray:
    """The gradient of the kernel.

    Args:
        x: The input.
        shape: The shape of the kernel.
        grad: The gradient of the result.
        window: How the kernel moves.
    """
    *width, channels, depth = shape
    patches = window.patches(window.padded(x), width)
    terms, places = math.prod(width) * channels, math.prod(grad.shape[1:-1])
    total = np.zeros((terms, depth), grad.dtype)
    for rows in _rows(len(x), places * terms):
        part = patches[rows].reshape(-1, terms)
        total += matmul(part, grad[rows].reshape(len(part), depth), transpose_a=True)
    return total.reshape(shape)


def input_gradient(
    shape: Sequence[int], kernel: np.ndarray, grad: np.ndarray, window: Window
) -> np.ndarray:
    """The gradient of the input.

    Args:
        shape: The shape of the input.
        kernel: The kernel.
        grad: The gradient of the result.
        window: How the kernel moves.
    """
    *width, channels, depth = kernel.shape
    weights, space = kernel.reshape(-1, depth), grad.shape[1:-1]
    sizes = [n + before + after for n, (before, after) in zip(shape[1:-1], window.padding)]
    total = np.zeros((shape[0], *sizes, channels), grad.dtype)
    for rows in _rows(len(grad), math.prod(space) * len(weights)):
        part = grad[rows]
        patches = matmul(part.reshape(-1, depth), weights, transpose_b=True)
        patches = patches.reshape(len(part), *space, *width, channels)
        for place in np.ndindex(*width):
            covered = [
                slice(gap * k, gap * k + step * (n - 1) + 1, step)
                for gap, k, step, n in zip(window.dilations, place, window.strides, space)
            ]
            at = (slice(None),) * (len(width) + 1)
            total[(rows, *covered)] += patches[(*at, *place)]
    inside = [slice(before, before + n) for n, (before, _) in zip(shape[1:-1], window.padding)]
    return np.ascontiguousarray(total[(slice(None), *inside)])
