"""Private: layers of tf.keras that join several inputs."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..ops import arrays, math
from . import arithmetic
from .engine import Layer

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class _Merge(Layer):
    """A layer of a list of inputs, element by element."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, (list, tuple)) or len(input_shape) < 2:
            raise InputError(
                f"A merge layer should be called on a list of at least 2 inputs: {self.name} was "
                f"given {input_shape}; write {type(self).__name__}()([a, b])"
            )
        self.built = True

    def call(self, inputs: Sequence) -> Tensor:
        ranks = [x.shape.ndims for x in inputs]
        if None not in ranks:
            # Inputs with fewer dimensions get more after the batch.
            widened = []
            for x in inputs:
                for _ in range(max(ranks) - x.shape.ndims):
                    x = arrays.expand_dims(x, 1)
                widened.append(x)
            inputs = widened
        return self._merged(inputs)

    def _merged(self, inputs: Sequence) -> Tensor:
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None or all(m is None for m in mask):
            return None
        masks = [arrays.expand_dims(m, 0) for m in mask if m is not None]
        return math.reduce_all(arrays.concat(masks, 0), axis=0, keepdims=False)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(max((TensorShape(s).as_list() for s in input_shape), key=len))


class Add(_Merge):
    """The sum of the inputs."""

    def _merged(self, inputs: Sequence) -> Tensor:
        output = inputs[0]
        for x in inputs[1:]:
            output = output + x
        return output


class Subtract(_Merge):
    """The first of two inputs without the second."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) != 2:
            raise InputError(
                f"A `Subtract` layer should be called on exactly 2 inputs, not {len(input_shape)}"
            )

    def _merged(self, inputs: Sequence) -> Tensor:
        return inputs[0] - inputs[1]


class Multiply(_Merge):
    """The product of the inputs."""

    def _merged(self, inputs: Sequence) -> Tensor:
        output = inputs[0]
        for x in inputs[1:]:
            output = output * x
        return output


class Average(Add):
    """The mean of the inputs."""

    def _merged(self, inputs: Sequence) -> Tensor:
        return super()._merged(inputs) / len(inputs)


class Maximum(_Merge):
    """The largest of the inputs."""

    def _merged(self, inputs: Sequence) -> Tensor:
        output = inputs[0]
        for x in inputs[1:]:
            output = math.maximum(output, x)
        return output


class Minimum(_Merge):
    """The smallest of the inputs."""

    def _merged(self, inputs: Sequence) -> Tensor:
        output = inputs[0]
        for x in inputs[1:]:
            output = math.minimum(output, x)
        return output


class Concatenate(_Merge):
    """The inputs joined along an axis.

    Args:
        axis: The axis.
        **kwargs: `name`.
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Sequence) -> Tensor:
        return arithmetic.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None or all(m is None for m in mask):
            return None
        masks = []
        for x, m in zip(inputs, mask):
            if m is None:
                m = arrays.ones_like(x, dtype="bool")
            elif m.shape.ndims < x.shape.ndims:
                m = arrays.expand_dims(m, -1)
            masks.append(m)
        joined = arrays.concat(masks, axis=self.axis)
        return math.reduce_all(joined, axis=-1, keepdims=False)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        shapes = [TensorShape(s).as_list() for s in input_shape]
        sizes: list[Any] = [s[self.axis] for s in shapes]
        output = shapes[0]
        output[self.axis] = None if None in sizes else sum(sizes)
        return TensorShape(output)


class Dot(_Merge):
    """The product of two inputs along an axis of each.

    Args:
        axes: The axis, or that of each input.
        normalize: Whether the inputs are divided by their lengths along it.
        **kwargs: `name`.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize

    def call(self, inputs: Sequence) -> Tensor:
        x, y = inputs
        axes = [self.axes] * 2 if isinstance(self.axes, int) else list(self.axes)
        axes = [a % t.shape.ndims for a, t in zip(axes, inputs)]
        if self.normalize:
            x, y = (arithmetic.l2_normalize(t, axis=a) for t, a in zip(inputs, axes))
        if {x.shape.ndims, y.shape.ndims} - {2, 3}:
            raise InputError(f"Dot was given {x} and {y}: give two or three dimensions")
        plain = [t.shape.ndims == 2 for t in (x, y)]
        if plain[0]:
            x, axes[0] = arrays.expand_dims(x, 1), axes[0] + 1
        if plain[1]:
            y, axes[1] = arrays.expand_dims(y, 1), axes[1] + 1
        output = math.matmul(x, y, transpose_a=axes[0] == 1, transpose_b=axes[1] == 2)
        if all(plain):
            return arrays.squeeze(output, [1])
        return arrays.squeeze(output, [1 if plain[0] else 2]) if any(plain) else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


def _function(kind: type, called: str) -> Callable:
    def merge(inputs: Sequence, **kwargs: Any) -> Tensor:
        return kind(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = called
    merge.__doc__ = f"{kind.__doc__.split(chr(10))[0].removesuffix('.')}; see `{kind.__name__}`."  # type: ignore[union-attr]
    return merge


add = _function(Add, "add")
subtract = _function(Subtract, "subtract")
multiply = _function(Multiply, "multiply")
average = _function(Average, "average")
maximum = _function(Maximum, "maximum")
minimum = _function(Minimum, "minimum")


def concatenate(inputs: Sequence, axis: int = -1, **kwargs: Any) -> Tensor:
    """The inputs joined along an axis; see `Concatenate`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence, axes: Any, normalize: bool = False, **kwargs: Any) -> Tensor:
    """The product of two inputs along an axis of each; see `Dot`."""
    return Dot(axes, normalize=normalize, **kwargs)(inputs)
