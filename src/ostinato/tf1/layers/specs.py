"""Private: what a layer expects of its inputs."""

from collections.abc import Mapping
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.shape import TensorShape

__all__ = ["InputSpec", "check_inputs"]


class InputSpec:
    """The dtype and the shape that a layer expects of an input.

    Args:
        dtype: The dtype, or None.
        shape: The shape, with None for any size, or None.
        ndim, max_ndim, min_ndim: The number of dimensions, or its limits.
        axes: Sizes by axis.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int] | None = None,
    ):
        self.dtype, self.shape = dtype, shape
        self.ndim = ndim if shape is None else len(shape)
        self.max_ndim, self.min_ndim, self.axes = max_ndim, min_ndim, dict(axes or {})

    def difference(self, shape: TensorShape) -> str | None:
        """A few words on what does not fit, or None."""
        sizes = shape.sizes
        if sizes is None:
            limits = (self.ndim, self.max_ndim, self.min_ndim)
            return None if limits == (None, None, None) else "a known number of dimensions"
        if self.ndim is not None and len(sizes) != self.ndim:
            return f"ndim={self.ndim}, found ndim={len(sizes)}"
        if self.max_ndim is not None and len(sizes) > self.max_ndim:
            return f"max_ndim={self.max_ndim}, found ndim={len(sizes)}"
        if self.min_ndim is not None and len(sizes) < self.min_ndim:
            return f"min_ndim={self.min_ndim}, found ndim={len(sizes)}"
        for axis, size in self.axes.items():
            if size is not None and sizes[int(axis)] not in (size, None):
                return f"axis {axis} of input shape to have value {size} but got shape {shape}"
        if self.shape is not None and not shape.is_compatible_with(TensorShape(self.shape)):
            return f"shape={tuple(TensorShape(self.shape).as_list())}, found shape={shape}"
        return None

    def __repr__(self) -> str:
        given = {k: v for k, v in vars(self).items() if v not in (None, {})}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in given.items())})"


def check_inputs(spec: Any, inputs: Any, layer: str) -> None:
    """Check the inputs of a layer.

    Args:
        spec: An InputSpec, or a list of them; None for no check.
        inputs: The inputs.
        layer: The name of the layer, for errors.

    Raises:
        SizeError: An input does not fit.
        InputError: The number of inputs differs.
    """
    if not spec:
        return
    flat = nest.flatten(inputs)
    specs = nest.flatten(spec)
    if len(flat) != len(specs):
        raise InputError(
            f"Layer {layer} expects {len(specs)} inputs, but it received {len(flat)} input tensors"
        )
    for i, (x, wanted) in enumerate(zip(flat, specs)):
        if wanted is None or not hasattr(x, "shape"):
            continue
        problem = wanted.difference(TensorShape(x.shape))
        if problem:
            raise SizeError(
                f"Input {i} of layer {layer} is incompatible with the layer: expected {problem}; "
                f"give {x} another shape"
            )
