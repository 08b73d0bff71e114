"""The CPU engine: plans made into kernels, run on tensors, inside torch's autograd."""

import weakref
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import EngineError
from ..language.graph import Graph
from . import batched, memory, reference, traced
from .call import Call
from .kernels import jit
from .kernels.job_list import together
from .loops import loops
from .passes import BITS
from .prepared import Prepared
from .ready import Ready, Steps

# Shapes of a graph whose calls are kept.
KEPT = 512

# The calls of each graph, for as long as somebody uses the graph.
_calls: weakref.WeakKeyDictionary[Graph, OrderedDict[tuple, Call]] = weakref.WeakKeyDictionary()


def _refusal(graph: Graph, tensors: list[Tensor]) -> str | None:
    """Why this engine cannot run these tensors; None where it can."""
    target, why = jit.host()
    if target is None:
        return why
    dtype = tensors[0].dtype
    if dtype not in BITS:
        return f"a tensor is {dtype}: the cpu engine has float32 and float64"
    for t in tensors:
        if t.dtype is not dtype and not (graph.bits and t.dtype is torch.uint8):
            return "the tensors are of several dtypes"
        if not t.is_cpu:
            return f"a tensor is on {t.device}: the cpu engine works on the CPU's own memory"
        if not memory.is_dense(t):
            return (
                f"a tensor ({type(t).__name__}, {t.layout}) does not have its numbers in "
                f"memory "
                f"of its own"
            )
    if traced():
        return "the call is being traced or transformed"
    return None


def _bytes(graph: Graph, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs, of which some are bytes to kernels."""
    if not graph.bits:
        return inputs
    return tuple(
        x if name not in graph.bits else x.to(torch.uint8) for name, x in zip(graph.inputs, inputs)
    )


def _flat(inputs, states, weights) -> tuple[list[Tensor], tuple[int, ...]]:
    """All tensors in one list, and how many each state and weight has there: a state may be None, a
    weight a sum.
    """
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


def _call(
    graph: Graph,
    inputs,
    states,
    weights,
    tensors,
    counts,
    lengths,
    reverse: bool,
    threads: int,
    narrow: bool = False,
) -> Call:
    first = inputs[0]
    mine = _calls.get(graph)
    if mine is None:
        mine = _calls.setdefault(graph, OrderedDict())
    key = (
        first.dtype,
        narrow,
        reverse,
        lengths is None,
        threads,
        counts,
        *[t.shape for t in tensors],
    )
    call = mine.get(key)
    if call is None:
        sizes = graph.bind(
            inputs,
            states,
            {name: w if isinstance(w, Tensor) else w[0] for name, w in weights.items()},
        )
        steps, rows = first.shape[:2]
        call = Call(
            loops(graph, sizes, rows=rows, steps=steps, threads=threads),
            rows,
            steps,
            first.dtype,
            counts,
            reverse=reverse,
            ragged=lengths is not None,
            threads=threads,
            narrow=narrow,
        )
        mine[key] = call
        if len(mine) > KEPT:
            mine.popitem(last=False)
    return call


class _Scan(torch.autograd.Function):
    """Calls side by side: of several, each has its part of the tensors, and gives its output and
    final states.
    """

    @staticmethod
    def forward(ctx, calls: tuple[Call, ...], lengths, *tensors):
        given = [call.split(part) for call, part in zip(calls, _parts(calls, tensors))]
        found = together(
            [call.forward(*parts, lengths, keep=True) for call, parts in zip(calls, given)]
        )
        ctx.calls, ctx.lengths, ctx.weights = calls, lengths, [weights for *_, weights in given]
        ctx.kept = [len(kept) for *_, kept in found]
        ctx.set_materialize_grads(False)
        # To autograd an output must be no view of what is kept, or it could not be changed in
        # place. It is saved, for a change would be one of what backward reads.
        outputs = [output.data for output, *_ in found]
        ctx.save_for_backward(
            *tensors, *(tensor for *_, kept in found for tensor in kept), *outputs
        )
        return tuple(
            result for output, (_, final, _) in zip(outputs, found) for result in (output, *final)
        )

    @staticmethod
    def backward(ctx, *gradients):
        calls, lengths, needs = ctx.calls, ctx.lengths, ctx.needs_input_grad[2:]
        # Once, for torch.utils.checkpoint gives them once.
        saved = ctx.saved_tensors
        tensors, kept = saved[: len(needs)], iter(saved[len(needs) :])
        each = iter(gradients)
        given = [(next(each), [next(each) for _ in call.states]) for call in calls]
        if not (torch.is_grad_enabled() or batched(gradients)):
            works = [
                call.backward(weights, [next(kept) for _ in range(count)], lengths, *d, part)
                for call, weights, count, d, part in zip(
                    calls, ctx.weights, ctx.kept, given, _parts(calls, needs)
                )
            ]
            return None, None, *(d for found in together(works) for d in found)
        found = []
        for call, part, needed, d in zip(
            calls, _parts(calls, tensors), _parts(calls, needs), given
        ):
            found += call.derived(part, lengths, *d, needed)
        return None, None, *found


def _parts(calls: Sequence[Call], values: Sequence) -> list[Sequence]:
    """What of the values belongs to each call."""
    parts, start = [], 0
    for call in calls:
        parts.append(values[start : start + call.count])
        start += call.count
    return parts


def scans(
    graph: Graph, runs: Sequence[dict], lengths: Tensor | None = None, narrow: bool = False
) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """Run a cell over several sequences side by side.

    Args:
        graph: The cell.
        runs: `inputs`, `states`, `weights` and `reverse` of each, as for `reference.scan`.
        lengths: As for `reference.scan`, of all.
        narrow: Round the factors of products to bfloat16, as `precision.MATHS` does.

    Returns:
        What `reference.scan` returns, of each.

    Raises:
        EngineError: This engine cannot run it; the message says why.
    """
    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return scans(graph, runs, lengths, narrow)
    # Each has its share of the threads, at least one, as far as they go.
    threads = torch.get_num_threads()
    side_by_side = min(len(runs), threads)
    calls, tensors = [], []
    for run in runs:
        inputs, states, weights = (
            _bytes(graph, run["inputs"]),
            run["states"],
            {name: run["weights"][name] for name in graph.weights},
        )
        mine, counts = _flat(inputs, states, weights.values())
        if why := _refusal(graph, mine):
            raise EngineError(
                f"engine='cpu' cannot run this: {why}; leave engine out to have the reference "
                f"engine run it"
            )
        if 0 in inputs[0].shape[:2]:
            # No step or no row: there is no loop to run.
            return [reference.scan(graph, lengths=lengths, **run) for run in runs]
        calls.append(
            _call(
                graph,
                inputs,
                states,
                weights,
                mine,
                counts,
                lengths,
                run["reverse"],
                threads // side_by_side,
                narrow,
            )
        )
        tensors += mine
    if lengths is not None:
        lengths = lengths.to("cpu", torch.int64)
    if side_by_side < len(runs):
        return [found for run in runs for found in scans(graph, [run], lengths, narrow)]
    if torch.is_grad_enabled() and any([t.requires_grad for t in tensors]):
        results = _Scan.apply(tuple(calls), lengths, *tensors)
        each = 1 + len(graph.states)
        return [(results[k], results[k + 1 : k + each]) for k in range(0, len(results), each)]
    found = together(
        [
            call.forward(*call.split(part), lengths, keep=False)
            for call, part in zip(calls, _parts(calls, tensors))
        ]
    )
    return [(output, tuple(final)) for output, final, _ in found]


def _one(
    graph: Graph, inputs, states, weights, lengths: Tensor | None, reverse: bool, narrow: bool
) -> tuple[Call, list[Tensor]] | None:
    """The call of one run, and its tensors; None where this engine cannot run it. Arguments as for
    `scans`.
    """
    weights = {name: weights[name] for name in graph.weights}
    tensors, counts = _flat(inputs, states, weights.values())
    if _refusal(graph, tensors) or 0 in inputs[0].shape[:2]:
        return None
    return _call(
        graph,
        inputs,
        states,
        weights,
        tensors,
        counts,
        lengths,
        reverse,
        torch.get_num_threads(),
        narrow,
    ), tensors


def make_ready(
    graph: Graph,
    inputs,
    states,
    weights,
    lengths: Tensor | None,
    reverse: bool,
    narrow: bool,
    batch_first: bool,
) -> Ready | None:
    """Inference for inputs of these shapes with these weights, made ready; None where it is not
    worth it. Arguments as for `scans` and `Ready`."""
    found = _one(graph, inputs, states, weights, lengths, reverse, narrow)
    return Ready(*found, batch_first) if found and Ready.can_be(found[0]) else None


def make_prepared(
    graph: Graph,
    inputs,
    states,
    weights,
    lengths: Tensor | None,
    reverse: bool,
    parameters: Sequence[Tensor],
    narrow: bool,
    batch_first: bool,
) -> Prepared | None:
    """Training for inputs of these shapes, (T, B, units) each, prepared; None where it cannot be.
    Arguments as for `scans` and `Prepared`.
    """
    found = _one(graph, inputs, states, weights, lengths, reverse, narrow)
    return (
        Prepared(found[0], parameters, batch_first) if found and Prepared.can_be(found[0]) else None
    )


def make_steps(
    graph: Graph, x: Tensor, states, weights, parameters: Sequence[Tensor], narrow: bool
) -> Steps | None:
    """Stacked layers made ready for single steps; None where this engine cannot, or it is not worth
    it.

    Args:
        graph: The cell, of one input.
        x: An input, (B, units).
        states, weights: Of each layer, as for `scans`.
        parameters: All tensors that there are in `weights`.
        narrow: As for `scans`.
    """
    layers = []
    for mine, given in zip(states, weights):
        found = _one(graph, (x[None],), mine, given, None, False, narrow)
        if not found or not Ready.can_be(found[0]):
            return None
        layers.append(found)
        x = x.new_empty(x.shape[0], graph.output.size.at(found[0].sizes))
    made = Steps(layers, parameters)
    made.begin(states)
    return made
