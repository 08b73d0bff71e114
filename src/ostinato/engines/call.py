"""One call of the CPU engine: what is allocated, what runs, and what comes out of it.

What is known from the shapes alone is worked out once, so that a call costs little more than its kernel. Outside the loops
a value is (T, B, units).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..graph import Graph, Node
from . import memory, reference, schedule
from .loops import Loop, Loops, Scratch
from .schedule import Schedule

BITS = {torch.float32: 32, torch.float64: 64}


@dataclass(frozen=True)
class _Pass:
    """A loop as one shape runs it.

    Attributes:
        loop: The loop.
        threads, tasks: How many run it.
        when: Who runs what, where all rows are equally long.
        scratch: What `Loop.run` takes.
        there: The places that are filled once it has run.
    """

    loop: Loop
    threads: int
    tasks: int
    when: Schedule | None
    scratch: Scratch
    there: frozenset[str]


@dataclass(frozen=True)
class _Script:
    """Work outside the loops: what it reads (a node, its place, and its part of the array), and the nodes to compute, in order."""

    reads: list[tuple[Node, str, slice | None]]
    nodes: list[Node]


class Call:
    """A cell run over sequences of one shape.

    Args:
        loops: The cell at its sizes.
        rows: B.
        steps: T.
        dtype: Of everything.
        reverse: Go from each row's last valid step to its first.
        ragged: Rows may end early.
        threads: How many may run.
    """

    def __init__(self, loops: Loops, rows: int, steps: int, dtype: torch.dtype, *, reverse: bool, ragged: bool, threads: int):
        self.loops, self.plan = loops, loops.plan
        self.graph: Graph = loops.plan.graph
        self.rows, self.steps, self.dtype = rows, steps, dtype
        self.reverse, self.ragged, self.threads = reverse, ragged, threads
        self.sizes = loops.plan.sizes
        self._tokens = steps * rows
        self._passes: dict[str, _Pass] = {}
        self._scripts: dict[tuple, _Script] = {}

    # ------------------------------------------------------------ what is known from the shapes

    def _pass(self, kind: str) -> _Pass:
        if kind not in self._passes:
            threads, shared = self.loops.split(kind, self.rows, self.steps, self.threads)
            tasks = 1 if shared else threads
            loop = self.loops.loop(kind, BITS[self.dtype], one_row=self.rows <= tasks, shared_units=shared)
            when = None if self.ragged else schedule.even(self.rows, self.steps, tasks, self.reverse)
            there = self._went_back if kind == "backward" else self._there(kind)
            self._passes[kind] = _Pass(loop, threads, tasks, when, loop.scratch(self.rows, threads), there)
        return self._passes[kind]

    @cached_property
    def _places(self) -> dict[Node, list[str]]:
        """The arrays in which each node may lie for all steps at once."""
        graph, plan, node = self.graph, self.plan, self.graph.builder.node
        places: dict[Node, list[str]] = {node("gradient", (), "output", graph.output.size): ["gradient output"]}
        places |= {node("input", (), name, size): [f"input {name}"] for name, size in graph.inputs.items()}
        places |= {node("state", (), name, size): [f"state {name}"] for name, size in graph.states.items()}
        for name, new in zip(graph.states, graph.new_states):
            if new in plan.stateful:
                places.setdefault(new, []).append(f"next {name}")
        for n in (*plan.before, *plan.before_backward, *plan.forward_streams, *plan.backward_streams):
            places.setdefault(n, []).append(plan.stream(n))
        return places

    def _there(self, kind: str) -> frozenset[str]:
        """The places that are filled once a loop, "infer" or "train", has run."""
        program = getattr(self.plan, kind)
        there = {f"input {name}" for name in self.graph.inputs} | {self.plan.stream(n) for n in self.plan.before}
        there |= {name for name in program.buffers if name.startswith("forward ")}
        for name in self.graph.states:
            if any(b.storage == f"state {name}" and b.rows in ("before", "after") for b in program.buffers.values()):
                there |= {f"state {name}", f"next {name}"}
        return frozenset(there)

    @cached_property
    def _inputs(self) -> frozenset[str]:
        return frozenset(f"input {name}" for name in self.graph.inputs)

    @cached_property
    def _trained(self) -> frozenset[str]:
        return self._there("train") | {"gradient output"}

    @cached_property
    def _went_back(self) -> frozenset[str]:
        """The places that are filled once the backward loop has run."""
        return self._trained | {self.plan.stream(n) for n in (*self.plan.before_backward, *self.plan.backward_streams)}

    @cached_property
    def needed(self) -> list[str]:
        """The arrays of forward that backward reads."""
        derived = self.plan.derived
        targets = [*derived.inputs.values(), *(n for pairs in derived.products.values() for pair in pairs for n in pair),
                   *(n for name, n in derived.vectors.items() if name not in self.plan.added)]
        reads = [*self._script(targets, self._went_back).reads, *self._script(self.plan.before_backward, self._trained).reads]
        needed = {place for _, place, _ in reads} | {b.storage for b in self.plan.backward.buffers.values()}
        return sorted(needed & (self._there("train") | {"kept"}))

    def _script(self, targets: Iterable[Node], there: frozenset[str]) -> _Script:
        """How to compute nodes from what lies there."""
        key = tuple(targets), there
        if key not in self._scripts:
            reads, nodes, seen, stack = [], [], set(), [(n, False) for n in reversed(key[0])]
            while stack:
                n, ready = stack.pop()
                if ready:
                    nodes.append(n)
                elif n not in seen:
                    seen.add(n)
                    place = next((place for place in self._places.get(n, ()) if place in there), None)
                    if place:
                        reads.append((n, *self._part(place)))
                    else:
                        stack.append((n, True))
                        stack.extend((a, False) for a in reversed(n.args))
            self._scripts[key] = _Script(reads, nodes)
        return self._scripts[key]

    # ------------------------------------------------------------ work outside the loops

    def _part(self, place: str) -> tuple[str, slice | None]:
        """The array of a place, and which of its T + 1 steps are meant where it is a state's."""
        kind, _, name = place.partition(" ")
        if kind not in ("state", "next"):
            return place, None
        return f"state {name}", slice(1, None) if (kind == "next") != self.reverse else slice(0, -1)

    def _evaluate(self, script: _Script, arrays: Mapping[str, Tensor], weights) -> dict[Node, Tensor]:
        values = {}
        for node, place, part in script.reads:
            values[node] = arrays[place] if part is None else arrays[place][part]
        if script.nodes:
            reference.evaluate(script.nodes, values, weights, self.sizes)
        return values

    def _wide(self, value: Tensor, node: Node) -> Tensor:
        """A value for all steps and rows, of which it may have but one."""
        return value if value.dim() == 3 else value.expand(self.steps, self.rows, node.size.at(self.sizes))

    def _matrix(self, value: Tensor, node: Node) -> Tensor:
        """A value with a row for each step and row of the batch."""
        return self._wide(value, node).reshape(self._tokens, -1)

    def _valid(self, lengths: Tensor) -> Tensor:
        return (torch.arange(self.steps)[:, None] < lengths)[..., None]

    def _new(self, shape: tuple[int, ...]) -> Tensor:
        """An array that a loop writes: what no step writes must be 0 where rows end early."""
        return memory.zeros(shape, self.dtype) if self.ragged else memory.empty(shape, self.dtype)

    def _run(self, this: _Pass, when: Schedule, arrays: dict[str, Tensor], weights):
        """Run a loop; what `arrays` lacks is made here."""
        given = []
        for place in this.loop.storages:
            if place not in arrays:
                name = place.removeprefix("weight ")
                arrays[place] = (weights[name].contiguous() if name != place else
                                 self._new((self.steps, self.rows, this.loop.program.buffers[place].width)))
            given.append(arrays[place])
        this.loop.run(when, given, this.scratch, weights, this.threads)

    # ------------------------------------------------------------ forward

    def forward(self, inputs, states, weights: Mapping[str, Tensor], lengths: Tensor | None, *, keep: bool):
        """Run the loop.

        Args:
            inputs: (T, B, units) each.
            states: The initial states, (B, units) each.
            weights: By name.
            lengths: Valid steps of each row; None where all are T.
            keep: Keep what backward needs.

        Returns:
            The output (T, B, units), the final states (B, units) each, and the arrays that `needed` names, if they are kept.
        """
        kind, graph = "train" if keep else "infer", self.graph
        this = self._pass(kind)
        when = this.when or schedule.ragged(self.rows, self.steps, this.tasks, self.reverse, lengths)
        buffers = this.loop.program.buffers
        if keep and self.ragged:
            valid = self._valid(lengths)
            inputs = [torch.where(valid, x, 0.0) for x in inputs]
        arrays = {f"input {name}": x.contiguous() for name, x in zip(graph.inputs, inputs)}
        for node, place, (argument,), script, (name, transposed) in self._before:
            rows = self._matrix(self._evaluate(script, arrays, weights)[argument], argument)
            matrix = weights[name] if transposed else weights[name].t()
            product = memory.empty((self.steps, self.rows, matrix.shape[1]), self.dtype)
            torch.mm(rows, matrix, out=product.view(self._tokens, -1))
            arrays[place] = product
        for name, s in zip(graph.states, states):
            buffer = buffers.get(f"next {name}") or buffers[f"state {name}"]
            if buffer.rows in ("after", "before"):
                stream = arrays[f"state {name}"] = self._new((self.steps + 1, self.rows, buffer.width))
                if lengths is None or not self.reverse:
                    stream[-1 if self.reverse else 0].copy_(s)
                else:
                    stream[lengths, torch.arange(self.rows)] = s
            else:
                pair = arrays[f"state {name}"] = memory.empty((2, self.rows, buffer.width), self.dtype)
                pair[0] = s if when.order is None else s[when.order]
        self._run(this, when, arrays, weights)
        output = self._output(this, arrays, weights, lengths)
        final = tuple(self._final(arrays[f"state {name}"], f"state {name}" in this.there, when, lengths) for name in graph.states)
        return output, final, [arrays[name] for name in self.needed] if keep else []

    @cached_property
    def _before(self):
        """The products before the loop: node, place, arguments, how to get them, and the weight."""
        return [(n, self.plan.stream(n), n.args, self._script(n.args, self._inputs), n.value) for n in self.plan.before]

    def _output(self, this: _Pass, arrays, weights, lengths) -> Tensor:
        node = self.graph.output
        result = self._wide(self._evaluate(self._script((node,), this.there), arrays, weights)[node], node)
        if lengths is not None and (self.plan.after or self.reverse):
            result = torch.where(self._valid(lengths), result, 0.0)
        return result

    def _final(self, array: Tensor, streamed: bool, when: Schedule, lengths: Tensor | None) -> Tensor:
        if streamed:
            if lengths is None or self.reverse:
                return array[0 if self.reverse else -1].clone()
            return array[lengths, torch.arange(self.rows)]
        if when.order is None:
            return array[self.steps % 2].clone()
        result = torch.empty_like(array[0])
        result[when.order] = array[lengths[when.order] % 2, torch.arange(self.rows)]
        return result

    # ------------------------------------------------------------ backward

    def backward(self, kept: list[Tensor], weights: Mapping[str, Tensor], lengths: Tensor | None, d_output: Tensor | None, d_states,
                 wanted: frozenset[str]) -> dict[str, Tensor]:
        """Run the backward loop and what comes after it.

        Args:
            kept: The arrays that `forward` kept.
            weights, lengths: As for `forward`.
            d_output: The gradient of the outputs, (T, B, size of the output); None for 0.
            d_states: The gradients of the final states, (B, size) or None each.
            wanted: Names of the inputs and weights whose gradient is asked for, and of the states, as "state NAME".

        Returns:
            The gradients by name: of inputs and weights, and of the initial states under "state NAME".
        """
        plan, graph, derived = self.plan, self.graph, self.plan.derived
        this = self._pass("backward")
        when = this.when or schedule.ragged(self.rows, self.steps, this.tasks, self.reverse, lengths)
        buffers = this.loop.program.buffers
        arrays = dict(zip(self.needed, kept, strict=True))
        if d_output is None:
            d_output = memory.zeros((self.steps, self.rows, graph.output.size.at(self.sizes)), self.dtype)
        elif lengths is not None:
            d_output = torch.where(self._valid(lengths), d_output, 0.0)
        arrays["gradient output"] = d_output.contiguous()
        if plan.before_backward:
            values = self._evaluate(self._script(plan.before_backward, self._trained), arrays, weights)
            for n in plan.before_backward:
                arrays[plan.stream(n)] = self._wide(values[n], n).contiguous()
        pairs = {}
        for name, d, size in zip(graph.states, d_states, graph.states.values()):
            if f"gradient {name}" in buffers or f"earlier {name}" in buffers:
                if d is None:
                    pair = memory.zeros((2, self.rows, size.at(self.sizes)), self.dtype)
                else:
                    d = d if when.order is None else d[when.order]
                    pair = torch.stack([d, d])
                arrays[f"gradient {name}"] = pairs[name] = pair
        for name in plan.added:
            arrays[f"added {name}"] = memory.zeros((this.tasks, derived.vectors[name].size.at(self.sizes)), self.dtype)
        self._run(this, when, arrays, weights)

        result = {}
        for name, pair in pairs.items():
            if f"state {name}" in wanted:
                d = pair[0]
                result[f"state {name}"] = d if when.order is None else torch.empty_like(d).index_copy_(0, when.order, d)
        targets = {name: [n] for name, n in derived.inputs.items() if name in wanted}
        targets |= {name: [n for pair in pairs for n in pair] for name, pairs in derived.products.items() if name in wanted}
        targets |= {name: [n] for name, n in derived.vectors.items() if name in wanted and name not in plan.added}
        values = self._evaluate(self._script((n for nodes in targets.values() for n in nodes), this.there), arrays, weights)
        for name, nodes in targets.items():
            if name in derived.inputs:
                result[name] = self._wide(values[nodes[0]], nodes[0])
            elif name in derived.vectors:
                result[name] = self._matrix(values[nodes[0]], nodes[0]).sum(0)
            else:
                total = None
                for g, a in derived.products[name]:
                    g, a = self._matrix(values[g], g).t(), self._matrix(values[a], a)
                    total = torch.mm(g, a) if total is None else total.addmm_(g, a)
                result[name] = total
        for name in wanted & plan.added.keys():
            added = arrays[f"added {name}"]
            result[name] = added.sum(0) if this.tasks > 1 else added.view(-1)
        return result
