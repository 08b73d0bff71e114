"""Private: TensorFlow 1's arithmetic: tanh, sigmoid, and the order of sums, on which the last
printed digit depends.

In float32 it follows the Linux wheel of TensorFlow 1.13.1 on an x86-64 CPU with AVX. In float64 it
is torch's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engines import reference
from ..language.graph import Graph, Node

__all__ = [
    "MATHS",
    "accumulate",
    "pass_gradient",
    "scan",
    "sigmoid",
    "tanh",
]

# Eigen's float32 tanh: an odd polynomial of degree 13 over an even one of degree 6, highest power
# first, the argument clipped to 9. Source: Eigen 3.3, generic_fast_tanh_float, as TensorFlow
# 1.13.1 was built with it.
_TANH_BOUND = 9.0
_TANH_NUMERATOR = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_DENOMINATOR = (
    1.19825839466702e-06,
    1.18534705686654e-04,
    2.26843463243900e-03,
    4.89352518554385e-03,
)

# Eigen's float32 sigmoid for a whole AVX register of eight numbers, less the 0.5 that is added: an
# odd polynomial of degree 9 over an even one of degree 10, the argument clipped to 18. The
# elements at the end of an array that do not fill a register are computed one by one, with expf.
# Source: Eigen 3.3, scalar_logistic_op<float>.
_REGISTER = 8
_SIGMOID_BOUND = 18.0
_SIGMOID_NUMERATOR = (
    4.37031012579801e-11,
    1.15627324459942e-07,
    6.08574864600143e-05,
    8.51377133304701e-03,
    2.48287947061529e-01,
)
_SIGMOID_DENOMINATOR = (
    6.10247389755681e-13,
    5.76102136993427e-09,
    6.29106785017040e-06,
    1.70198817374094e-03,
    1.16817656904453e-01,
    9.93151921023180e-01,
)


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    total = torch.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total = total * x + c
    return total


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if x.dtype == torch.float32:
            held = x.clamp(-_TANH_BOUND, _TANH_BOUND)
            square = held * held
            y = held * _polynomial(square, _TANH_NUMERATOR) / _polynomial(square, _TANH_DENOMINATOR)
        else:
            y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (dy,), (y,) = gradients, ctx.saved_tensors
        return dy * (1 - y * y)


class _Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # exp in float64, rounded once: the float32 that C's expf returns, on every machine.
        y = 1 / (1 + torch.exp(-x.double()).to(x.dtype))
        if x.dtype == torch.float32:
            whole = x.numel() // _REGISTER * _REGISTER
            flat = x.reshape(-1)[:whole]
            held = flat.clamp(-_SIGMOID_BOUND, _SIGMOID_BOUND)
            square = held * held
            rational = (
                held
                * _polynomial(square, _SIGMOID_NUMERATOR)
                / _polynomial(square, _SIGMOID_DENOMINATOR)
                + 0.5
            )
            y = torch.cat([rational.clamp(0, 1), y.reshape(-1)[whole:]]).view(x.shape)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (dy,), (y,) = gradients, ctx.saved_tensors
        return dy * y * (1 - y)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent as TensorFlow 1 computes it: in float32 within 7 * 2**-24 of the exact
    value; in float64 it is torch's.

    Args:
        x: float32 or float64, any shape.
    """
    return _Tanh.apply(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) as TensorFlow 1 computes it: in float32 within 4 * 2**-24 of the exact
    value.

    Args:
        x: float32 or float64, any shape.
    """
    return _Sigmoid.apply(x)


MATHS = {"tanh": tanh, "sigmoid": sigmoid}


def pass_gradient(bound: Callable) -> Callable:
    """Clip a value without clipping its gradient, as in TensorFlow's LSTMBlockCell.

    Args:
        bound: torch.minimum or torch.maximum.
    """
    return lambda value, limit: bound(value, limit).detach() + (value - value.detach())


# Up to this number of terms are added one after another, each product and each sum rounded, as
# Eigen does within one block of its matrix product. Longer sums are torch's: their order depends on
# Eigen's block sizes, and so on the size of the CPU's caches.
_LONGEST_SUM = 256


class _Accumulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, start: Tensor, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(x, kernel)
        total = start.numpy().copy()
        rows = kernel.contiguous().numpy()
        for k, column in enumerate(np.ascontiguousarray(x.numpy().T)):
            total += column[:, None] * rows[k]
        return torch.from_numpy(total)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (dy,) = gradients
        x, kernel = ctx.saved_tensors
        return dy, dy @ kernel.T, x.T @ dy


def accumulate(start: Tensor | None, x: Tensor, kernel: Tensor) -> Tensor:
    """start + x @ kernel, with the sum continued from start.

    Args:
        start: (B, N); None for zeros.
        x: (B, K).
        kernel: (K, N).
    """
    if x.dtype != torch.float32 or len(kernel) > _LONGEST_SUM:
        return x @ kernel if start is None else start + x @ kernel
    start = x.new_zeros(len(x), kernel.shape[1]) if start is None else start
    return _Accumulate.apply(start, x, kernel)


def _has_product(node: Node) -> bool:
    return node.op == "product" or node.op in ("add", "slice") and any(map(_has_product, node.args))


class _Evaluation:
    """The values of one step, computed on demand.

    If a cell adds several products, TensorFlow concatenates their factors and computes one product
    with one running sum; other terms are added afterwards. So `W @ x + b + U @ h` is summed as the
    terms of x, then of h, then b.
    """

    def __init__(
        self,
        values: dict[Node, Tensor],
        weights: Mapping[str, Tensor],
        sizes: Mapping[str, int],
        maths: Mapping[str, Callable],
    ):
        self.values, self.weights, self.sizes, self.maths = values, weights, sizes, maths

    def __getitem__(self, node: Node) -> Tensor:
        if node not in self.values:
            if node.op == "product" or node.op == "add" and all(map(_has_product, node.args)):
                self.values[node] = self._sum(node)
            else:
                for a in node.args:
                    self[a]
                reference.evaluate([node], self.values, self.weights, self.sizes, self.maths)
        return self.values[node]

    def _sum(self, node: Node) -> Tensor:
        terms = list(self._terms(node, slice(0, node.size.at(self.sizes))))
        total: Tensor | None = None
        for term, part in terms:
            if term.op == "product":
                name, transposed = term.value
                kernel = self.weights[name] if transposed else self.weights[name].T
                total = accumulate(total, self[term.args[0]], kernel[:, part])
        for term, part in terms:
            if term.op != "product":
                value = self[term]
                assert total is not None, "a sum has a product"
                total = total + (value if value.shape[-1] == 1 else value[..., part])
        assert total is not None, "a sum has a product"
        return total

    def _terms(self, node: Node, part: slice):
        """The terms of a sum, each with the range of its units that is used."""
        if node.op == "add":
            for a in node.args:
                yield from self._terms(a, part)
        elif node.op == "slice" and _has_product(node):
            start = node.value[0].at(self.sizes)
            yield from self._terms(node.args[0], slice(part.start + start, part.stop + start))
        else:
            yield node, part


def scan(
    graph: Graph,
    inputs: Tensor | tuple[Tensor, ...],
    states: Sequence[Tensor],
    weights: Mapping[str, Tensor],
    lengths: Tensor | None,
    maths: Mapping[str, Callable] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Run a cell over a sequence in TensorFlow's arithmetic.

    Args:
        graph: The cell's step.
        inputs: The input (T, B, I), or a tuple for a cell with several inputs.
        states: The initial states, each (B, its size).
        weights: The weights by name.
        lengths: The valid steps of each row, (B,), from 0 to T; None if all are T.
        maths: Replacements of operations, by name.

    Returns:
        The outputs (T, B, size of the output), 0 past a row's end, and the states after each row's
        last valid step.
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    sizes = graph.bind(inputs, states, weights)
    nodes, states, outputs = graph.nodes, list(states), []
    for t, here in enumerate(zip(*inputs)):
        given = dict(zip(graph.inputs, here)) | dict(zip(graph.states, states))
        leaves = {n: given[n.value] for n in nodes if n.op in ("input", "state")}
        values = _Evaluation(leaves, weights, sizes, {**reference.MATHS, **MATHS, **(maths or {})})
        output, new = values[graph.output], [values[n] for n in graph.new_states]
        if lengths is not None:
            valid = (t < lengths)[:, None]
            output = torch.where(valid, output, 0.0)
            new = [torch.where(valid, n, s) for n, s in zip(new, states)]
        outputs.append(output)
        states = new
    if not outputs:
        return inputs[0].new_zeros(0, inputs[0].shape[1], graph.output.size.at(sizes)), states
    return torch.stack(outputs), states
