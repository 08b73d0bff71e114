"""Private: rows of a tensor divided among several tensors, and put together again."""

from collections.abc import Sequence

import numpy as np

from ...errors import SizeError
from ..core.constant import constant_value
from ..core.conversion import apply
from ..core.registry import define
from ..core.shape import TensorShape
from ..core.shapes_of import base_dtype, merge_shapes
from ..core.tensors import Operation, Tensor, TensorLike

__all__ = ["halves", "dynamic_partition", "dynamic_stitch", "parallel_dynamic_stitch"]


def _divided(op: Operation) -> list:
    data, partitions = op.inputs
    count, rank = op.attrs["num_partitions"], partitions.shape.ndims
    sizes = None
    if rank is not None and data.shape.sizes is not None:
        sizes = [None, *data.shape.sizes[rank:]]
    return [(base_dtype(data), sizes)] * count


def _divide(op: Operation, data: np.ndarray, partitions: np.ndarray) -> tuple:
    count = op.attrs["num_partitions"]
    if np.any(partitions < 0) or np.any(partitions >= count):
        raise ValueError(f"partitions {partitions.tolist()}: give numbers from 0 to {count - 1}")
    return tuple(data[partitions == i] for i in range(count))


define("DynamicPartition", _divided, _divide)


def dynamic_partition(
    data: TensorLike, partitions: TensorLike, num_partitions: int, name: str | None = None
) -> list[Tensor]:
    """Divide the rows of a tensor among several tensors.

    Args:
        data: The tensor.
        partitions: The number of the tensor that each row goes to.
        num_partitions: The number of tensors.
        name: The name of the operation.
    """
    inputs, attrs = {"data": data, "partitions": partitions}, {"num_partitions": num_partitions}
    dtypes = {"partitions": "int32"}
    return apply("DynamicPartition", inputs, name=name, attrs=attrs, dtypes=dtypes).outputs


def halves(values: Sequence) -> tuple[Sequence, Sequence]:
    middle = len(values) // 2
    return values[:middle], values[middle:]


def _stitched(op: Operation) -> list:
    indices, data = halves(op.inputs)
    rests = []
    for places, d in zip(indices, data):
        if places.shape.sizes is not None and d.shape.sizes is not None:
            rank = len(places.shape)
            prefix = TensorShape(d.shape.sizes[:rank])
            if not prefix.is_compatible_with(places.shape):
                raise SizeError(
                    f"tf.dynamic_stitch was given {places} for {d}: give an index for each row"
                )
            rests.append(TensorShape(d.shape.sizes[rank:]))
    rest = merge_shapes(rests, "tf.dynamic_stitch") if rests else TensorShape(None)
    known = [constant_value(t) for t in indices]
    count = None
    if all(v is not None for v in known):
        count = 1 + max((int(v.max()) for v in known if v.size), default=-1)  # type: ignore[union-attr]
    return [(base_dtype(data[0]), TensorShape([count]).concatenate(rest))]


def _stitch(op: Operation, *values: np.ndarray) -> np.ndarray:
    indices, data = halves(values)
    count = 1 + max((int(v.max()) for v in indices if v.size), default=-1)
    whole = np.zeros((count, *data[0].shape[indices[0].ndim :]), data[0].dtype)
    for places, d in zip(indices, data):
        whole[places] = d
    return whole


define("DynamicStitch", _stitched, _stitch)
define("ParallelDynamicStitch", _stitched, _stitch)


def _stitching(kind: str, indices: Sequence, data: Sequence, name: str | None) -> Tensor:
    inputs = {"indices*": list(indices), "data*": list(data)}
    dtypes = {"indices*": "int32"}
    return apply(kind, inputs, name=name, dtypes=dtypes, same=("data*",)).outputs[0]


def dynamic_stitch(indices: Sequence, data: Sequence, name: str | None = None) -> Tensor:
    """Put rows of several tensors into one.

    Args:
        indices: For each tensor, the number that each row gets.
        data: The tensors; the last one counts where a number is used twice.
        name: The name of the operation.
    """
    return _stitching("DynamicStitch", indices, data, name)


def parallel_dynamic_stitch(indices: Sequence, data: Sequence, name: str | None = None) -> Tensor:
    """See `dynamic_stitch`."""
    return _stitching("ParallelDynamicStitch", indices, data, name)
