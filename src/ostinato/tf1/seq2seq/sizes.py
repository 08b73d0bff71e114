"""Private: sizes of tensors and of outputs, which may be known only in a run."""

from typing import Any

from ...errors import ArgumentTypeError
from ..core import nest
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..layers.base import Layer
from ..ops import arrays
from ..rnn.cell import join_sizes, static_sizes
from ..rnn.dynamic import transpose_batch_time

__all__ = ["batch_major", "check_layer", "output_size_of", "size_at", "zero_rows"]


def size_at(x: Tensor, axis: int) -> Any:
    """A size of a tensor: a number if it is static, or else a tensor."""
    static = x.shape[axis].value
    return arrays.shape(x)[axis] if static is None else static


def batch_major(x: Tensor) -> Tensor:
    """A tensor with its first two dimensions swapped; unchanged if it has fewer."""
    ndims = x.shape.ndims
    return x if ndims is not None and ndims < 2 else transpose_batch_time(x)


def zero_rows(size: Any, rows: Any, dtype: Any) -> Any:
    """Zeros for each row of a batch.

    Args:
        size: The size or shape of a row, or a structure of them.
        rows: The number of rows, a number or a tensor.
        dtype: The dtype, or a structure of dtypes like `size`.
    """

    def zeros(size: Any, dtype: Any) -> Tensor:
        result = arrays.zeros(join_sizes(rows, size), dtype=dtype)
        result.set_shape(static_sizes(rows, size))
        return result

    if not nest.is_sequence(dtype):
        return nest.map_structure(lambda s: zeros(s, dtype), size)
    return nest.map_structure(zeros, size, dtype)


def check_layer(layer: Any, argument: str) -> None:
    """Reject values that are neither a layer of tf.layers nor None.

    Args:
        layer: The value.
        argument: The name of the argument, for errors.
    """
    if layer is not None and not isinstance(layer, Layer):
        raise ArgumentTypeError(
            f"{argument} must be a Layer, received: {layer!r} ({type(layer).__name__}): give "
            "tf.layers.Dense(units), or None"
        )


def output_size_of(cell: Any, output_layer: Layer | None) -> Any:
    """The size of a cell's output after an output layer."""
    if output_layer is None:
        return cell.output_size
    shapes = nest.map_structure(
        lambda size: TensorShape([None]).concatenate(TensorShape(size)), cell.output_size
    )
    shape = output_layer.compute_output_shape(shapes)  # type: ignore[attr-defined]
    return nest.map_structure(lambda s: s[1:], shape)
