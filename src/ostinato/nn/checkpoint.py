"""Private: training in less memory: of a sequence's states every k-th is kept, and those between
are made again.

The sequence is cut into segments of k steps. Forward runs one after another and keeps nothing but
the state that each starts at. Backward takes them from last to first: it runs a segment again, now
with all that its gradients need, and lets that go before the next.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .. import engines
from ..engines.reference import summed
from ..language.graph import Graph


class _Segments:
    """A sequence in segments.

    Args:
        graph, lengths, reverse, engine, precision: As for `engines.scan`.
        steps: T.
        every: Steps of a segment; the last one may have fewer.

    Attributes:
        spans: The steps of each segment, in the order in which they run.
    """

    def __init__(
        self,
        graph: Graph,
        steps: int,
        every: int,
        lengths: Tensor | None,
        reverse: bool,
        engine: str | None,
        precision: str | None,
    ):
        self.graph, self.lengths, self.reverse, self.engine, self.precision = (
            graph,
            lengths,
            reverse,
            engine,
            precision,
        )
        self.spans = [slice(start, min(start + every, steps)) for start in range(0, steps, every)]
        if reverse:
            self.spans.reverse()

    def split(self, values: Sequence) -> tuple[Sequence, Sequence, Sequence]:
        """The parts of values that belong to the inputs, the states and the weights."""
        states = len(self.graph.inputs)
        weights = states + len(self.graph.states)
        return values[:states], values[states:weights], values[weights:]

    def run(
        self,
        inputs: Sequence[Tensor],
        states: Sequence[Tensor],
        weights: Sequence[Tensor],
        first: int = 0,
    ) -> tuple[Tensor, ...]:
        """Run the cell over the inputs, the first of them that of step `first`: the
        outputs, and the final states.
        """
        lengths = self.lengths
        if lengths is not None:
            # In reverse too: a row that ends before these steps keeps its state, and one that ends
            # among them starts there.
            lengths = (lengths - first).clamp(0, inputs[0].shape[0])
        output, ends = engines.scan(
            self.graph,
            inputs=tuple(inputs),
            states=tuple(states),
            weights=dict(zip(self.graph.weights, weights)),
            lengths=lengths,
            reverse=self.reverse,
            engine=self.engine,
            precision=self.precision,
        )
        return output, *ends


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, segments: _Segments, output_size: int, *tensors):
        inputs, states, weights = segments.split(tensors)
        output = inputs[0].new_empty(*inputs[0].shape[:2], output_size)
        starts = [s.new_empty(len(segments.spans), *s.shape) for s in states]
        for k, span in enumerate(segments.spans):
            for start, s in zip(starts, states):
                start[k] = s
            output[span], *states = segments.run(
                [x[span] for x in inputs], states, weights, span.start
            )
        ctx.segments = segments
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *starts)
        return output, *states

    @staticmethod
    def backward(ctx, *d_results):
        segments: _Segments = ctx.segments
        saved, needs = ctx.saved_tensors, ctx.needs_input_grad[2:]
        tensors, starts = saved[: len(needs)], saved[len(needs) :]
        with engines.full_precision(tensors[0].device.type):
            if not torch.is_grad_enabled():
                return None, None, *_backward(segments, tensors, starts, d_results, needs)
            # A derivative of this derivative is asked for: torch derives one from the sequence as a
            # whole.
            results = segments.run(*segments.split(tensors))
            return None, None, *_gradients(results, d_results, tensors, needs, create_graph=True)


def _backward(segments: _Segments, tensors, starts, d_results, needs) -> list[Tensor | None]:
    """The gradients of all tensors that need one, segment by segment."""
    # An input's gradient is laid out as the input is, or torch would copy it where it is kept.
    totals = [torch.zeros_like(t) if need else None for t, need in zip(tensors, needs)]
    leaves = [t.detach().requires_grad_(need) for t, need in zip(tensors, needs)]
    d_output, *d_states = d_results
    for k in reversed(range(len(segments.spans))):
        d_states = _one_segment(segments, k, leaves, starts, d_output, d_states, totals)
    d_inputs, _, d_weights = segments.split(totals)
    _, state_needs, _ = segments.split(needs)
    return [*d_inputs, *(d if need else None for d, need in zip(d_states, state_needs)), *d_weights]


def _one_segment(
    segments: _Segments, k: int, leaves, starts, d_output, d_states, totals
) -> Sequence[Tensor | None]:
    """Add a segment's gradients to the totals, and return those of the state that it starts at; all
    else is let go here.
    """
    span = segments.spans[k]
    inputs, states, weights = segments.split(leaves)
    inputs = [x.detach()[span].requires_grad_(x.requires_grad) for x in inputs]
    states = [start[k].requires_grad_(k > 0 or s.requires_grad) for start, s in zip(starts, states)]
    with torch.enable_grad():
        results = segments.run(inputs, states, weights, span.start)
    given = [*inputs, *states, *weights]
    found = _gradients(
        results,
        (None if d_output is None else d_output[span], *d_states),
        given,
        [t.requires_grad for t in given],
    )
    d_inputs, d_states, d_weights = segments.split(found)
    input_totals, _, weight_totals = segments.split(totals)
    for total, d in zip(input_totals, d_inputs):
        if d is not None:
            total[span] = d
    for total, d in zip(weight_totals, d_weights):
        if d is not None:
            total.add_(d)
    return d_states


def _gradients(
    results, d_results, tensors, needs, *, create_graph: bool = False
) -> list[Tensor | None]:
    """The gradients of those tensors that need one; None for the others, and where nothing depends
    on a tensor.
    """
    roots = [(y, d) for y, d in zip(results, d_results) if d is not None and y.requires_grad]
    if not roots:
        return [None] * len(tensors)
    outputs, d_outputs = zip(*roots)
    wanted = [t for t, need in zip(tensors, needs) if need]
    found = iter(
        torch.autograd.grad(
            outputs, wanted, d_outputs, create_graph=create_graph, allow_unused=True
        )
    )
    return [next(found) if need else None for need in needs]


def scan(
    graph: Graph,
    *,
    every: int | bool,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor | None, ...],
    weights: Mapping[str, Tensor | tuple[Tensor, ...]],
    lengths: Tensor | None = None,
    reverse: bool = False,
    engine: str | None = None,
    precision: str | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence; where gradients will be asked for, keep every k-th state only.

    Args:
        every: k; True for about the square root of the number of steps.
        graph, inputs, states, weights, lengths, reverse, engine, precision: As for `engines.scan`.

    Returns:
        The outputs (T, B, size of the output) and the final states, each (B, its size).

    Raises:
        EngineError, InputError: As for `engines.scan`.
    """
    steps, batch = inputs[0].shape[:2]
    if every is True:
        every = max(1, round(steps**0.5))
    weights = {name: summed(weights[name]) for name in graph.weights}
    trained = torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in (*inputs, *states, *weights.values())
    )
    if steps <= every or not trained or engines.traced():
        return engines.scan(
            graph,
            inputs=inputs,
            states=states,
            weights=weights,
            lengths=lengths,
            reverse=reverse,
            engine=engine,
            precision=precision,
        )
    sizes = graph.bind(inputs, states, weights)
    states = [
        inputs[0].new_zeros(batch, size.at(sizes)) if s is None else s
        for s, size in zip(states, graph.states.values())
    ]
    output, *ends = _Checkpointed.apply(
        _Segments(graph, steps, every, lengths, reverse, engine, precision),
        graph.output.size.at(sizes),
        *inputs,
        *states,
        *weights.values(),
    )
    return output, tuple(ends)
