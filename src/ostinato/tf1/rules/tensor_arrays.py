"""Private: the gradients of arrays of tensors in loops."""

from typing import Any

from ...errors import InputError
from ..core.dtypes import DType
from ..core.registry import gradient
from ..core.tensors import Operation, Tensor
from ..ops.tensor_arrays import TensorArray

__all__: list[str] = []


def _gradient_array(op: Operation, dtype: DType, flow: Tensor, source: Tensor) -> TensorArray:
    """The array of the gradients of the array that an operation reads or writes."""
    array = TensorArray(dtype, handle=op.inputs[0], flow=flow)
    return array.grad(source=_source(source), flow=flow)


def _source(tensor: Tensor) -> str:
    # Each call of `gradients` has arrays of its own: they are named by its scope.
    names = tensor.name.split("/")
    places = [i for i, n in enumerate(names) if n.startswith("gradients")]
    if not places:
        raise InputError(
            f"Expected op/tensor name to start with gradients (excluding scope), got: {tensor.name}"
        )
    return "/".join(names[: places[-1] + 1])


@gradient("TensorArrayReadV3")
def _read_gradient(op: Operation, grad: Tensor) -> list:
    array = _gradient_array(op, op.attrs["dtype"], op.inputs[2], grad)
    return [None, None, array.write(op.inputs[1], grad).flow]


@gradient("TensorArrayWriteV3")
def _write_gradient(op: Operation, flow: Tensor) -> list:
    array = _gradient_array(op, op.attrs["T"], flow, flow)
    return [None, None, array.read(op.inputs[1]), flow]


@gradient("TensorArrayGatherV3")
def _gather_gradient(op: Operation, grad: Tensor) -> list:
    array = _gradient_array(op, op.attrs["dtype"], op.inputs[2], grad)
    return [None, None, array.scatter(op.inputs[1], grad).flow]


@gradient("TensorArrayScatterV3")
def _scatter_gradient(op: Operation, flow: Tensor) -> list:
    array = _gradient_array(op, op.attrs["T"], flow, flow)
    return [None, None, array.gather(op.inputs[1]), flow]


@gradient("TensorArrayConcatV3")
def _concat_gradient(op: Operation, grad: Tensor, _: Any) -> list:
    array = _gradient_array(op, op.attrs["dtype"], op.inputs[1], grad)
    return [None, array.split(grad, lengths=op.outputs[1]).flow]


@gradient("TensorArraySplitV3")
def _split_gradient(op: Operation, flow: Tensor) -> list:
    array = _gradient_array(op, op.attrs["T"], flow, flow)
    return [None, array.concat(), None, flow]
