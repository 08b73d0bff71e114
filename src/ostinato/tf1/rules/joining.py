"""Private: the gradients of operations that join, split and gather parts."""

from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from ..core.constant import constant, constant_value
from ..core.dtypes import DTYPES
from ..core.registry import gradient
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays, math
from ..ops.partitions import halves

__all__: list[str] = []


# Joins


# With more inputs than this, the gradient of Concat is one Split instead of slices.
_MANY = 16


@gradient("ConcatV2")
def _concat_gradient(op: Operation, grad: Any) -> list:
    *inputs, axis = op.inputs
    if len(inputs) == 1:
        return [grad, None]
    if isinstance(grad, IndexedSlices):
        return [*_concat_slices_gradient(inputs, axis, grad), None]
    if axis.op.type == "Const" and _context(axis.op) is not _context(grad.op):
        # A constant of another loop or branch is made again in this one.
        axis = constant(constant_value(axis), axis.dtype)
    along = axis % arrays.rank(inputs[0])
    sizes = _shapes(inputs)
    if len(sizes) > _MANY:
        lengths = arrays.squeeze(arrays.slice(arrays.stack(sizes, axis=1), [along, 0], [1, -1]))
        return [*arrays.split(grad, lengths, along), None]
    offsets = arrays.concat_offset(along, sizes)
    return [*(arrays.slice(grad, begin, size) for begin, size in zip(offsets, sizes)), None]


def _context(op: Operation) -> Any:
    """The loop or branch that the output of an operation belongs to."""
    context = op.context
    return context.outer if context is not None and op.type in ("Exit", "RefExit") else context


def _shapes(tensors: Sequence[Tensor]) -> list[Tensor]:
    sizes = []
    for t in tensors:
        sizes.append(arrays.shape(t))
        if sizes[-1].op.type != "Const":
            return arrays.shape_n(tensors)
    return sizes


def _concat_slices_gradient(inputs: list, axis: Tensor, grad: IndexedSlices) -> list:
    """The gradient of rows: each input gets its part of them."""
    along = axis % arrays.rank(inputs[0])
    known = constant_value(axis)
    if known is None or known < 0 and inputs[0].shape.ndims is None:
        raise InputError(
            "the gradient of tf.concat is IndexedSlices: give the axis as a number, from 0 on"
        )
    if known < 0:
        # TensorFlow asks for the rank again, which adds a constant.
        known = known % int(constant_value(arrays.rank(inputs[0])))  # type: ignore[arg-type]
    sizes = [arrays.shape(t) for t in inputs]
    parts = []
    if known > 0:
        length = arrays.shape(sizes[0])
        mask = arrays.concat(
            [
                arrays.zeros(arrays.expand_dims(along, 0), "int32"),
                [1],
                arrays.zeros(length - along - 1, "int32"),
            ],
            0,
        )
        begin = arrays.zeros(length, "int32")
        for size in sizes:
            rest = arrays.concat([[-1], arrays.slice(size, [1], [-1])], 0)
            parts.append(IndexedSlices(arrays.slice(grad.values, begin, rest), grad.indices, size))
            begin = math.add(begin, size * mask)
        return parts
    start = constant(0, dtype=grad.indices.dtype)
    for size in sizes:
        count = arrays.gather(size, along)
        if count.dtype != grad.indices.dtype:
            count = math.cast(count, grad.indices.dtype)
        end = start + count
        within = math.logical_and(grad.indices >= start, grad.indices < end)
        chosen = arrays.squeeze(arrays.where(within), axis=[1])
        indices = arrays.gather(grad.indices, chosen) - start
        parts.append(IndexedSlices(arrays.gather(grad.values, chosen), indices, size))
        start = end
    return parts


@gradient("Pack")
def _pack_gradient(op: Operation, grad: Any) -> list:
    return arrays.unstack(grad, num=op.attrs["N"], axis=op.attrs["axis"])


@gradient("Unpack")
def _unpack_gradient(op: Operation, *grads: Any) -> list:
    return [arrays.stack(list(grads), axis=op.attrs["axis"])]


@gradient("Split")
def _split_gradient(op: Operation, *grads: Any) -> list:
    return [None, arrays.concat(list(grads), op.inputs[0])]


@gradient("SplitV")
def _split_v_gradient(op: Operation, *grads: Any) -> list:
    return [arrays.concat(list(grads), op.inputs[2]), None, None]


# Gathers


_INT64 = DTYPES["int64"]


@gradient("GatherV2")
def _gather_gradient(op: Operation, grad: Any) -> list:
    params, indices, axis = op.inputs
    sizes = math.to_int32(arrays.shape(params, out_type=_INT64))
    count = arrays.expand_dims(arrays.size(indices), 0)
    known = constant_value(axis)
    if known is not None and known == 0:
        values = arrays.reshape(grad, arrays.concat([count, sizes[1:]], 0))
        return [IndexedSlices(values, arrays.reshape(indices, count), sizes), None, None]
    # The dimension of the rows goes first, and back.
    outer = sizes[:axis]
    outer_count = arrays.size(outer)
    inner = sizes[axis:][1:]
    inner_count = arrays.size(inner)
    outer_axes = math.range(outer_count)
    inner_axes = math.range(outer_count + 1, outer_count + 1 + inner_count)
    values = arrays.reshape(grad, arrays.concat([outer, count, inner], 0))
    indices = arrays.reshape(indices, count)
    first = arrays.concat([[outer_count], outer_axes, inner_axes], 0)
    rows = arrays.transpose(values, first)
    summed = math.unsorted_segment_sum(rows, indices, sizes[axis])
    back = arrays.concat([outer_axes + 1, [0], inner_axes], 0)
    return [arrays.transpose(summed, back), None, None]


@gradient("GatherNd")
def _gather_nd_gradient(op: Operation, grad: Any) -> list:
    params, indices = op.inputs
    sizes = arrays.shape(params, out_type=indices.dtype)
    if indices.shape.ndims == 2 and indices.shape[1].value == 1:
        return [IndexedSlices(grad, arrays.squeeze(indices, axis=-1), sizes), None]
    return [arrays.scatter_nd(indices, grad, sizes), None]


@gradient("ScatterNd")
def _scatter_nd_gradient(op: Operation, grad: Any) -> list:
    return [None, arrays.gather_nd(grad, op.inputs[0]), None]


# Partitions


@gradient("DynamicPartition")
def _dynamic_partition_gradient(op: Operation, *grads: Any) -> list:
    data, partitions = op.inputs
    sizes = arrays.shape(partitions)
    places = arrays.reshape(math.range(math.reduce_prod(sizes)), sizes)
    divided = arrays.dynamic_partition(places, partitions, op.attrs["num_partitions"])
    whole = arrays.parallel_dynamic_stitch(divided, list(grads))
    return [arrays.reshape(whole, arrays.shape(data)), None]


@gradient("DynamicStitch", "ParallelDynamicStitch")
def _dynamic_stitch_gradient(op: Operation, grad: Any) -> list:
    indices, _ = halves(op.inputs)
    if isinstance(grad, IndexedSlices):
        rows = arrays.shape(op.outputs[0])[0]
        grad = math.unsorted_segment_sum(grad.values, grad.indices, rows)
    return [None] * len(indices) + [arrays.gather(grad, places) for places in indices]


# Sparse tensors


@gradient("SparseToDense")
def _dense_gradient(op: Operation, grad: Tensor) -> list:
    to_values = arrays.gather_nd(grad, op.inputs[0])
    to_default = math.reduce_sum(grad) - math.reduce_sum(to_values)
    return [None, None, to_values, to_default]
