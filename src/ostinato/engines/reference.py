"""Private: the reference engine: a graph run with torch ops, on any device and dtype, to any order
of derivative. The truth in all tests.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..compiler.plan import reached
from ..language.graph import POINTWISE, Graph, Node, Size

# Each op as torch computes it. Where two values are equal, maximum and minimum give the first one
# the gradient, as `gradient.RULES` do.
MATHS: dict[str, Callable] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    # Above 40 log(1 + exp(x)) is x in float64 too, and exp(x) has not yet overflowed in float32.
    "softplus": lambda x: F.softplus(x, threshold=40.0),
    # F.hardsigmoid takes 1/6 as a float32 in its float64 kernels, which puts it off by 1e-8.
    "hard_sigmoid": lambda x: torch.where(
        x.abs() < 3, x / 6 + 0.5, (x.detach() / 6 + 0.5).clamp(0, 1)
    ),
    "floor": torch.floor,
    "abs": torch.abs,
    "maximum": lambda a, b: torch.where(a < b, b, a),
    "minimum": lambda a, b: torch.where(b < a, b, a),
    "where": torch.where,
    "less": torch.lt,
    "product": torch.matmul,
}


class _Mean(torch.autograd.Function):
    """The mean over units, in the place of every unit: of equal numbers that number, and its
    gradient likewise.

    This map is symmetric, so that its derivative is itself.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        units = x.shape[-1]
        mean = x.sum(-1, keepdim=True) / units
        # What equal numbers differ by from their rounded mean is the same small multiple of their
        # last place.
        rest = (x - mean).sum(-1, keepdim=True) / units
        return torch.where(mean.isfinite(), mean + rest, mean).expand_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Mean.apply(gradient)

    @staticmethod
    def jvp(ctx, tangent: Tensor) -> Tensor:
        return _Mean.apply(tangent)


def evaluate(
    nodes: Iterable[Node],
    values: dict[Node, Tensor],
    weights: Mapping[str, Tensor],
    sizes: Mapping[str, int],
    maths: Mapping[str, Callable] = MATHS,
    like: Tensor | None = None,
) -> None:
    """Compute nodes in order, into `values`.

    Args:
        nodes: The nodes to compute, arguments first.
        values: The leaves, each with its units last; what is computed is added. A node already
            there is not computed again.
        weights: The weights by name.
        sizes: What each letter stands for.
        maths: The function of each pointwise op and of the product.
        like: Has the dtype and the device of numbers; a weight or a value, if not given. Without
            either it has to be given.
    """
    if like is None:
        like = next(iter(weights.values())) if weights else next(iter(values.values()))
    # Where a mean meets as many units as it is of, it has the width of these, and with it its
    # gradient: see `_Mean`.
    means: dict[tuple[Node, Size], Tensor] = {}
    for node in nodes:
        if node in values:
            continue
        args = [
            means.get((a, node.size), values[a]) if node.op in POINTWISE else values[a]
            for a in node.args
        ]
        match node.op:
            case "number":
                result = like.new_full((), node.value)
            case "weight":
                result = weights[node.value]
            case "product":
                name, transposed = node.value
                result = maths["product"](args[0], weights[name] if transposed else weights[name].T)
            case "slice":
                start, stop = (s.at(sizes) for s in node.value)
                result = args[0][..., start:stop]
            case "concat":
                lead = torch.broadcast_shapes(*(a.shape[:-1] for a in args))
                result = torch.cat([a.expand(*lead, a.shape[-1]) for a in args], -1)
            case "sum":
                result = args[0].sum(-1, keepdim=True)
            case "mean":
                wide = means[node, node.args[0].size] = _Mean.apply(args[0])
                result = wide[..., :1]
            case "broadcast":
                size = node.size.at(sizes)
                result = (args[0] / size if node.value == "mean" else args[0]).expand(
                    *args[0].shape[:-1], size
                )
            case "pad":
                start, total = node.value.at(sizes), node.size.at(sizes)
                result = F.pad(args[0], (start, total - start - args[0].shape[-1]))
            case op:
                result = maths[op](*args)
        values[node] = result


def summed(weight: Tensor | tuple[Tensor, ...]) -> Tensor:
    """A weight as one tensor; a tuple stands for the sum of what is in it."""
    return weight if isinstance(weight, Tensor) else sum(weight[1:], weight[0])


def scan(
    graph: Graph,
    *,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor | None, ...],
    weights: Mapping[str, Tensor | tuple[Tensor, ...]],
    lengths: Tensor | None = None,
    reverse: bool = False,
    maths: Mapping[str, Callable] | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence.

    Args:
        graph: The cell's step.
        inputs: One tensor for each input, each (T, B, its size).
        states: The initial states, each (B, its size); None for zeros.
        weights: The weights by name; a tuple stands for the sum of what is in it.
        lengths: Valid steps of each row, (B,), integers from 0 to T; None where all rows are T
            long.
        reverse: Go from each row's last valid step to its first.
        maths: Functions to put in place of torch's for some ops, by op.

    Returns:
        The outputs (T, B, size of the output), 0 past a row's end, and the final states, each (B,
        its size): those after the row's last valid step, the initial ones where the length is 0.
    """
    given = [
        *inputs,
        *(s for s in states if s is not None),
        *(t for w in weights.values() for t in ([w] if isinstance(w, Tensor) else w)),
    ]
    output, final = _scan(
        graph, inputs, states, weights, lengths, reverse, MATHS | dict(maths or {})
    )
    # A new state may be an input, or an initial state.
    ends = [s.clone() for s in final]
    if torch.is_grad_enabled() and any(t.requires_grad for t in given):
        output, *ends = (_attached(result, given) for result in (output, *ends))
    return output, tuple(ends)


def _attached(result: Tensor, given: list[Tensor]) -> Tensor:
    """A result for autograd: one that depends on nothing that was given has gradients of 0, as any
    other result of a scan has.
    """
    return (
        result
        if result.requires_grad
        else result + sum(t.reshape(-1)[:0].sum() for t in given if t.requires_grad)
    )


def _scan(
    graph: Graph, inputs, states, weights, lengths, reverse, functions
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The results of `scan`, as torch's autograd knows them."""
    weights = {name: summed(weight) for name, weight in weights.items()}
    sizes = graph.bind(inputs, states, weights)
    inputs = tuple(
        x.to(inputs[0].dtype) if name in graph.bits else x for name, x in zip(graph.inputs, inputs)
    )
    steps, batch = inputs[0].shape[:2]
    states = tuple(
        inputs[0].new_zeros(batch, size.at(sizes)) if s is None else s
        for s, size in zip(states, graph.states.values())
    )
    time = torch.arange(steps, device=inputs[0].device)[:, None]
    if lengths is not None:
        lengths = lengths.to(inputs[0].device)
        valid = (time < lengths)[..., None]
        inputs = tuple(torch.where(valid, x, 0.0) for x in inputs)
    if reverse:
        ends = steps if lengths is None else lengths
        order = torch.where(time < ends, ends - 1 - time, time).expand(steps, batch)[..., None]
        inputs = tuple(x.gather(0, order.expand_as(x)) for x in inputs)

    # What sees no state is computed for all steps at once.
    nodes = graph.nodes
    stateful = reached({n for n in nodes if n.op == "state"}, nodes)
    timed = reached({n for n in nodes if n.op == "input"}, nodes)
    values = {n: inputs[list(graph.inputs).index(n.value)] for n in nodes if n.op == "input"}
    # A step may use neither a weight nor an input.
    like = next(iter(weights.values()), inputs[0])
    evaluate([n for n in nodes if n not in stateful], values, weights, sizes, functions, like)
    loop = [n for n in nodes if n in stateful]
    outputs = []
    for t in range(steps):
        here = {n: v[t] if n in timed else v for n, v in values.items()}
        here |= {n: states[list(graph.states).index(n.value)] for n in loop if n.op == "state"}
        evaluate(loop, here, weights, sizes, functions, like)
        output = here[graph.output].expand(batch, -1)
        new = tuple(here[n].expand_as(s) for n, s in zip(graph.new_states, states))
        if lengths is not None:
            output = torch.where(valid[t], output, 0.0)
            new = tuple(torch.where(valid[t], n, s) for n, s in zip(new, states))
        outputs.append(output)
        states = new
    if not outputs:
        # 0, of no numbers of each tensor: their gradients are 0, as they are where there are steps
        # and no rows.
        nothing = torch.cat(
            [t.reshape(-1)[:0] for t in (*inputs, *states, *weights.values())]
        ).sum()
        return nothing.expand(0, batch, graph.output.size.at(sizes)), tuple(
            s + nothing for s in states
        )
    output_TBO = torch.stack(outputs)
    return output_TBO.gather(0, order.expand_as(output_TBO)) if reverse else output_TBO, states
