"""Private: the gradients of operations that make, reshape, cut and fill arrays."""

from typing import Any

from ...errors import InputError
from ..core.conversion import apply
from ..core.registry import gradient
from ..core.tensors import Operation, Tensor
from ..ops import arrays, math
from ..ops.slicing import MASKS, slice_by_masks

__all__: list[str] = []


# Shapes


@gradient("Identity", "IdentityN", "PlaceholderWithDefault")
def _identity_gradient(op: Operation, *grads: Any) -> list:
    return list(grads)


@gradient("PreventGradient")
def _no_gradient(op: Operation, grad: Any) -> list:
    raise InputError(f"{op.name} has no gradient: {op.attrs['message']}")


# Filled arrays


@gradient("Fill")
def _fill_gradient(op: Operation, grad: Any) -> list:
    return [None, math.reduce_sum(grad)]


@gradient("BroadcastTo")
def _broadcast_to_gradient(op: Operation, grad: Any) -> list:
    sizes = arrays.shape_internal(op.inputs[0])
    _, axes = arrays.broadcast_gradient_args(op.inputs[1], sizes)
    return [arrays.reshape(math.reduce_sum(grad, axis=axes, keepdims=True), sizes), None]


# Reshaping


def _as_input(op: Operation, grad: Any) -> Tensor:
    return arrays.reshape(grad, arrays.shape_internal(op.inputs[0]))


@gradient("Reshape", "ExpandDims")
def _reshape_gradient(op: Operation, grad: Any) -> list:
    return [_as_input(op, grad), None]


@gradient("Squeeze")
def _squeeze_gradient(op: Operation, grad: Any) -> list:
    return [_as_input(op, grad)]


@gradient("Transpose")
def _transpose_gradient(op: Operation, grad: Any) -> list:
    return [arrays.transpose(grad, arrays.invert_permutation(op.inputs[1])), None]


# Reversing


@gradient("ReverseV2")
def _reverse_gradient(op: Operation, grad: Any) -> list:
    return [arrays.reverse(grad, op.inputs[1]), None]


@gradient("ReverseSequence")
def _reverse_sequence_gradient(op: Operation, grad: Any) -> list:
    back = arrays.reverse_sequence(
        grad, op.inputs[1], seq_axis=op.attrs["seq_dim"], batch_axis=op.attrs["batch_dim"]
    )
    return [back, None]


# Slices


@gradient("Slice")
def _slice_gradient(op: Operation, grad: Any) -> list:
    x, begin, _ = op.inputs
    count = arrays.rank(x)
    size = arrays.shape(op.outputs[0])
    column = arrays.stack([count, 1])
    before = arrays.reshape(begin, column)
    after = arrays.reshape(arrays.shape(x) - size - begin, column)
    return [arrays.pad(grad, arrays.concat([before, after], 1)), None, None]


@gradient("StridedSlice")
def _strided_slice_gradient(op: Operation, grad: Any) -> list:
    x, begin, end, strides = op.inputs
    sizes = arrays.shape(x, out_type=begin.dtype)
    masks = {m: op.attrs[m] for m in MASKS}
    return [arrays.strided_slice_grad(sizes, begin, end, strides, grad, masks), None, None, None]


@gradient("StridedSliceGrad")
def _strided_slice_grad_gradient(op: Operation, grad: Any) -> list:
    masks = {m: op.attrs[m] for m in MASKS}
    return [None, None, None, None, slice_by_masks(grad, op.inputs[1:4], masks)]


# Padding


@gradient("Tile")
def _tile_gradient(op: Operation, grad: Any) -> list:
    x, times = op.inputs
    # Each dimension becomes two, the repetition and the size; the first one is summed over.
    pairs = arrays.stack([times, arrays.shape(x)])
    halves = arrays.reshape(arrays.transpose(pairs), [-1])
    axes = math.range(0, arrays.size(halves), 2)
    result = math.reduce_sum(arrays.reshape(grad, halves), axes)
    result.set_shape(x.shape)
    return [result, None]


@gradient("Pad", "PadV2")
def _pad_gradient(op: Operation, grad: Any) -> list:
    x, paddings = op.inputs[:2]
    before = arrays.slice(paddings, [0, 0], arrays.stack([arrays.rank(x), 1]))
    begin = arrays.reshape(before, [-1])
    result = arrays.slice(grad, begin, arrays.shape(x))
    return [result, *[None] * (len(op.inputs) - 1)]


@gradient("MirrorPad")
def _mirror_pad_gradient(op: Operation, grad: Any) -> list:
    inputs, attrs = {"input": grad, "paddings": op.inputs[1]}, {"mode": op.attrs["mode"]}
    return [apply("MirrorPadGrad", inputs, attrs=attrs).outputs[0], None]


@gradient("MirrorPadGrad")
def _mirror_pad_gradient_gradient(op: Operation, grad: Any) -> list:
    return [arrays.mirror_pad(grad, op.inputs[1], op.attrs["mode"]), None]


# Matrices


@gradient("Diag")
def _diag_gradient(op: Operation, grad: Any) -> list:
    return [arrays.diag_part(grad)]


@gradient("DiagPart")
def _diag_part_gradient(op: Operation, grad: Any) -> list:
    return [arrays.diag(grad)]


@gradient("MatrixDiag")
def _matrix_diag_gradient(op: Operation, grad: Any) -> list:
    return [arrays.matrix_diag_part(grad)]


@gradient("MatrixDiagPart")
def _matrix_diag_part_gradient(op: Operation, grad: Any) -> list:
    shape = op.inputs[0].shape[-2:]
    if shape.is_fully_defined() and shape.sizes[0] == shape.sizes[1]:  # type: ignore[index]
        return [arrays.matrix_diag(grad)]
    return [arrays.matrix_set_diag(arrays.zeros_like(op.inputs[0]), grad)]


@gradient("MatrixSetDiag")
def _matrix_set_diag_gradient(op: Operation, grad: Any) -> list:
    whole = op.inputs[0].shape.merge_with(grad.shape)
    diagonal = op.inputs[1].shape
    batch, matrix = whole[:-2].merge_with(diagonal[:-1]), whole[-2:]
    if batch.is_fully_defined() and matrix.is_fully_defined():
        sizes: Any = [*batch.as_list(), min(matrix.as_list())]  # type: ignore[type-var]
    else:
        shape, rank = arrays.shape(grad), arrays.rank(grad)
        before = arrays.slice(shape, [0], [rank - 2])
        last = math.reduce_min(arrays.slice(shape, [rank - 2], [2]))
        sizes = arrays.concat([before, [last]], 0)
    zeros = arrays.zeros(sizes, grad.dtype)
    return [arrays.matrix_set_diag(grad, zeros), arrays.matrix_diag_part(grad)]


@gradient("MatrixBandPart")
def _matrix_band_part_gradient(op: Operation, grad: Any) -> list:
    _, lower, upper = op.inputs
    return [arrays.matrix_band_part(grad, lower, upper), None, None]


# Choices


@gradient("Select")
def _select_gradient(op: Operation, grad: Any) -> list:
    condition, x, _ = op.inputs
    nothing = arrays.zeros_like(x)
    return [None, arrays.where(condition, grad, nothing), arrays.where(condition, nothing, grad)]
