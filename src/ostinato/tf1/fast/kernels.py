"""Private: operations of float32 numbers by torch, in place of the exact ones.

Values of other dtypes, and those that an exact operation would reject, go to the exact operation.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..core.registry import definition
from ..core.tensors import Operation
from . import convolution

__all__ = ["as_array", "as_tensor", "kernel"]


def as_tensor(x: Any) -> torch.Tensor:
    """A tensor of an array's memory; of a copy if that cannot be written to, or runs backwards."""
    x = np.asarray(x)
    if not x.flags.writeable or any(step < 0 for step in x.strides):
        x = x.copy()
    return torch.from_numpy(x)


def as_array(x: torch.Tensor) -> np.ndarray:
    """The array of a tensor's memory."""
    return x.detach().numpy()


def _mat_mul(op: Operation, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor | None:
    a = a.T if op.attrs["transpose_a"] else a
    b = b.T if op.attrs["transpose_b"] else b
    return a @ b if a.shape[1] == b.shape[0] else None


def _batch_mat_mul(op: Operation, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor | None:
    a = a.mT if op.attrs["adj_x"] else a
    b = b.mT if op.attrs["adj_y"] else b
    fits = a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
    return a @ b if fits else None


def _reduced(function: Callable) -> Callable:
    def compute(op: Operation, x: torch.Tensor, axes: torch.Tensor) -> torch.Tensor | None:
        over = axes.reshape(-1).tolist()
        if not x.numel() or not over or not all(-x.dim() <= axis < x.dim() for axis in over):
            return None
        return function(x, over, keepdim=op.attrs["keep_dims"])

    return compute


def _bias_add_grad(op: Operation, grad: torch.Tensor) -> torch.Tensor | None:
    if op.attrs.get("data_format") == "NCHW" or not grad.numel():
        return None
    return grad.reshape(-1, grad.shape[-1]).sum(0)


def _cross_entropy(op: Operation, logits: torch.Tensor, labels: torch.Tensor) -> tuple | None:
    if logits.shape != labels.shape:
        return None
    log = torch.log_softmax(logits, -1)
    return -(labels * log).sum(-1), log.exp() - labels


def _sparse_cross_entropy(
    op: Operation, logits: torch.Tensor, labels: torch.Tensor
) -> tuple | None:
    if not labels.numel() or not (0 <= labels.min() and labels.max() < logits.shape[1]):
        return None
    log = torch.log_softmax(logits, -1)
    chosen = labels.long()[:, None]
    backwards = log.exp()
    backwards.scatter_add_(1, chosen, torch.full_like(chosen, -1, dtype=log.dtype))
    return -log.gather(1, chosen)[:, 0], backwards


def _of(function: Callable) -> Callable:
    return lambda op, x: function(x)


# For each type a function of the operation and tensors, which returns the result, or None to leave
# it to the exact operation.
_FUNCTIONS: dict[str, Callable] = {
    "MatMul": _mat_mul,
    "BatchMatMul": _batch_mat_mul,
    "BiasAddGrad": _bias_add_grad,
    "Sum": _reduced(torch.sum),
    "Mean": _reduced(torch.mean),
    "Softmax": lambda op, x: torch.softmax(x, -1) if x.numel() else None,
    "LogSoftmax": lambda op, x: torch.log_softmax(x, -1) if x.numel() else None,
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
    "Transpose": lambda op, x, order: x.permute(order.tolist()),
    "Exp": _of(torch.exp),
    "Expm1": _of(torch.expm1),
    "Log": _of(torch.log),
    "Log1p": _of(torch.log1p),
    "Sqrt": _of(torch.sqrt),
    "Rsqrt": _of(torch.rsqrt),
    "Sin": _of(torch.sin),
    "Cos": _of(torch.cos),
    "Erf": _of(torch.erf),
    "Tanh": _of(torch.tanh),
    "Sigmoid": _of(torch.sigmoid),
    "TanhGrad": lambda op, y, dy: dy * (1 - y * y),
    "SigmoidGrad": lambda op, y, dy: dy * y * (1 - y),
    "Elu": _of(torch.nn.functional.elu),
    "L2Loss": lambda op, x: torch.dot(x.reshape(-1), x.reshape(-1)) / 2,
    **convolution.FUNCTIONS,
}


@functools.cache
def kernel(type: str) -> Callable | None:  # noqa: A002
    """The function that computes an operation of a type; see `Definition.compute`."""
    exact, function = definition(type).compute, _FUNCTIONS.get(type)
    if function is None or exact is None:
        return exact

    def compute(op: Operation, *values: Any) -> Any:
        if op.outputs[0].dtype.name == "float32":
            result = function(op, *map(as_tensor, values))
            if isinstance(result, tuple):
                return tuple(map(as_array, result))
            if result is not None:
                return as_array(result)
        return exact(op, *values)

    return compute
