"""The CPU engine: plans made into kernels, run on tensors, inside torch's autograd."""

from collections import OrderedDict

import torch
from torch import Tensor

from ..graph import Graph
from . import native, reference
from .call import BITS, Call
from .loops import loops

# Shapes whose calls are kept.
KEPT = 512

_calls: OrderedDict[tuple, Call] = OrderedDict()


def refusal(inputs, states, weights) -> str | None:
    """Why this engine cannot run these tensors; None where it can."""
    target, why = native.host()
    if target is None:
        return why
    tensors = (*inputs, *states, *weights.values())
    dtype = tensors[0].dtype
    if dtype not in BITS:
        return f"a tensor is {dtype}: the cpu engine has float32 and float64"
    for t in tensors:
        if not t.is_cpu:
            return f"a tensor is on {t.device}: the cpu engine works on the CPU's own memory"
        if t.dtype != dtype:
            return "the tensors are of several dtypes"
    if inputs[0].shape[0] == 0 or inputs[0].shape[1] == 0:
        return "there is no step or no row to run"
    if torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None:
        return "the call is being traced or transformed"
    return None


def _call(graph: Graph, inputs, states, weights: dict[str, Tensor], lengths, reverse: bool) -> Call:
    first, threads = inputs[0], torch.get_num_threads()
    key = (graph, first.dtype, reverse, lengths is not None, threads,
           *[t.shape for t in inputs], *[t.shape for t in states], *[t.shape for t in weights.values()])
    call = _calls.get(key)
    if call is None:
        sizes = graph.bind(inputs, states, weights)
        call = Call(loops(graph, sizes, first.shape[0] * first.shape[1]), first.shape[1], first.shape[0], first.dtype, reverse=reverse, ragged=lengths is not None,
                    threads=threads)
        _calls[key] = call
        if len(_calls) > KEPT:
            _calls.popitem(last=False)
    return call


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, graph, lengths, reverse, *tensors):
        inputs, states, weights = _unflatten(graph, tensors)
        call = _call(graph, inputs, states, weights, lengths, reverse)
        output, final, kept = call.forward(inputs, states, weights, lengths, keep=True)
        ctx.call, ctx.graph, ctx.lengths, ctx.reverse = call, graph, lengths, reverse
        ctx.set_materialize_grads(False)
        # The output is saved too: changing it in place would change what backward reads.
        ctx.save_for_backward(*tensors, *kept, output)
        return output, *final

    @staticmethod
    def backward(ctx, d_output, *d_states):
        graph: Graph = ctx.graph
        names = [*graph.inputs, *(f"state {name}" for name in graph.states), *graph.weights]
        tensors, kept = ctx.saved_tensors[: len(names)], ctx.saved_tensors[len(names) : -1]
        inputs, states, weights = _unflatten(graph, tensors)
        needs = ctx.needs_input_grad[3:]
        if torch.is_grad_enabled():
            # A derivative of this derivative is asked for: the reference engine gives one that has derivatives itself.
            output, final = reference.scan(graph, inputs=inputs, states=states, weights=weights, lengths=ctx.lengths, reverse=ctx.reverse)
            roots = [(y, d) for y, d in zip((output, *final), (d_output, *d_states)) if d is not None]
            wanted = [t for t, need in zip(tensors, needs) if need]
            found = iter(torch.autograd.grad([y for y, _ in roots], wanted, [d for _, d in roots], create_graph=True, allow_unused=True))
            return None, None, None, *(next(found) if need else None for need in needs)
        wanted = frozenset(name for name, need in zip(names, needs) if need)
        found = ctx.call.backward(kept, weights, ctx.lengths, d_output, d_states, wanted)
        return None, None, None, *(found.get(name) if need else None for name, need in zip(names, needs))


def _unflatten(graph: Graph, tensors):
    a, b = len(graph.inputs), len(graph.inputs) + len(graph.states)
    return tensors[:a], tensors[a:b], dict(zip(graph.weights, tensors[b:], strict=True))


def scan(
    graph: Graph,
    *,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor, ...],
    weights: dict[str, Tensor],
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence; the arguments and results are `reference.scan`'s."""
    weights = {name: weights[name] for name in graph.weights}
    if lengths is not None:
        lengths = lengths.to("cpu", torch.int64)
    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return scan(graph, inputs=inputs, states=states, weights=weights, lengths=lengths, reverse=reverse)
    tensors = (*inputs, *states, *weights.values())
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        output, *final = _Scan.apply(graph, lengths, reverse, *tensors)
        return output, tuple(final)
    with torch.no_grad():
        call = _call(graph, inputs, states, weights, lengths, reverse)
        output, final, _ = call.forward(inputs, states, weights, lengths, keep=False)
    return output, final
