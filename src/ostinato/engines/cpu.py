"""The CPU engine: plans made into kernels, run on tensors, inside torch's autograd."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import EngineError
from ..graph import Graph
from . import native, reference
from .call import BITS, Call
from .loops import loops

# Shapes whose calls are kept.
KEPT = 512

_calls: OrderedDict[tuple, Call] = OrderedDict()


def _refusal(tensors: list[Tensor]) -> str | None:
    """Why this engine cannot run these tensors; None where it can."""
    target, why = native.host()
    if target is None:
        return why
    dtype = tensors[0].dtype
    if dtype not in BITS:
        return f"a tensor is {dtype}: the cpu engine has float32 and float64"
    for t in tensors:
        if t.dtype is not dtype:
            return "the tensors are of several dtypes"
        if not t.is_cpu:
            return f"a tensor is on {t.device}: the cpu engine works on the CPU's own memory"
    if torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None:
        return "the call is being traced or transformed"
    return None


def _flat(inputs, states, weights) -> tuple[list[Tensor], tuple[int, ...]]:
    """All tensors in one list, and how many each state and weight has there: a state may be None, a weight a sum."""
    tensors, counts = [*inputs], []
    for s in states:
        counts.append(0 if s is None else 1)
        if s is not None:
            tensors.append(s)
    for w in weights:
        if isinstance(w, Tensor):
            tensors.append(w)
            counts.append(1)
        else:
            tensors += w
            counts.append(len(w))
    return tensors, tuple(counts)


def _call(graph: Graph, inputs, states, weights, tensors, counts, lengths, reverse: bool) -> Call:
    first, threads = inputs[0], torch.get_num_threads()
    key = graph, first.dtype, reverse, lengths is None, threads, counts, *[t.shape for t in tensors]
    call = _calls.get(key)
    if call is None:
        sizes = graph.bind(inputs, states, {name: w if isinstance(w, Tensor) else w[0] for name, w in weights.items()})
        steps, rows = first.shape[:2]
        call = Call(loops(graph, sizes, rows=rows, steps=steps, threads=threads), rows, steps, first.dtype, counts, reverse=reverse,
                    ragged=lengths is not None, threads=threads)
        _calls[key] = call
        if len(_calls) > KEPT:
            _calls.popitem(last=False)
    return call


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, call: Call, lengths, *tensors):
        inputs, states, weights = call.split(tensors)
        output, final, kept, packed = call.forward(inputs, states, weights, lengths, keep=True)
        ctx.call, ctx.lengths, ctx.weights, ctx.packed = call, lengths, weights, packed
        ctx.set_materialize_grads(False)
        # To autograd the output must be no view of what is kept, or it could not be changed in place. It is saved, for a change would
        # be one of what backward reads.
        output = output.data
        ctx.save_for_backward(*tensors, *kept, output)
        return output, *final

    @staticmethod
    def backward(ctx, d_output, *d_states):
        call: Call = ctx.call
        saved, needs = ctx.saved_tensors, ctx.needs_input_grad[2:]
        tensors, kept = saved[: len(needs)], saved[len(needs) : -1]
        if not torch.is_grad_enabled():
            return None, None, *call.backward(ctx.weights, kept, ctx.packed, ctx.lengths, d_output, d_states, needs)
        inputs, states, weights = call.split(tensors)
        # A derivative of this derivative is asked for: the reference engine gives one that has derivatives itself.
        output, final = reference.scan(call.graph, inputs=inputs, states=states, weights=weights, lengths=ctx.lengths, reverse=call.reverse)
        roots = [(y, d) for y, d in zip((output, *final), (d_output, *d_states)) if d is not None]
        wanted = [t for t, need in zip(tensors, needs) if need]
        found = iter(torch.autograd.grad([y for y, _ in roots], wanted, [d for _, d in roots], create_graph=True, allow_unused=True))
        return None, None, *(next(found) if need else None for need in needs)


def scan(
    graph: Graph,
    *,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor | None, ...],
    weights: Mapping[str, Tensor | tuple[Tensor, ...]],
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence; the arguments and results are `reference.scan`'s.

    Raises:
        EngineError: This engine cannot run it; the message says why.
    """
    weights = {name: weights[name] for name in graph.weights}
    tensors, counts = _flat(inputs, states, weights.values())
    if why := _refusal(tensors):
        raise EngineError(f"engine='cpu' cannot run this: {why}; leave engine out to have the reference engine run it")
    if lengths is not None:
        lengths = lengths.to("cpu", torch.int64)
    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return scan(graph, inputs=inputs, states=states, weights=weights, lengths=lengths, reverse=reverse)
    if 0 in inputs[0].shape[:2]:
        # No step or no row: there is no loop to run.
        return reference.scan(graph, inputs=inputs, states=states, weights=weights, lengths=lengths, reverse=reverse)
    call = _call(graph, inputs, states, weights, tensors, counts, lengths, reverse)
    if call.once:
        return call.once(tensors)
    if torch.is_grad_enabled():
        for t in tensors:
            if t.requires_grad:
                output, *final = _Scan.apply(call, lengths, *tensors)
                return output, tuple(final)
    with torch.no_grad():
        output, final, *_ = call.forward(*call.split(tensors), lengths, keep=False)
    return output, tuple(final)
