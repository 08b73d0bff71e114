"""One call of the CPU engine: what is allocated, what runs, and what comes out of it.

What is known from the shapes alone is worked out once, so that a call costs little more than its kernel. Outside the loops
a value is (T, B, units).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from ..graph import Graph, Node, walk
from . import memory, once, outer, reference, schedule
from .loops import Loop, Loops, Packed, Scratch, multiply_adds
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
        made: The places that it fills and nothing else does, with their shapes.
        output: How to get the cell's output once a forward loop has run.
    """

    loop: Loop
    threads: int
    tasks: int
    when: Schedule | None
    scratch: Scratch
    there: frozenset[str]
    made: list[tuple[str, tuple[int, ...]]]
    output: "_Script | None"


@dataclass(frozen=True)
class _Script:
    """Work outside the loops: what it reads (a node, its place, and its part of the array), and the nodes to compute, in order."""

    reads: list[tuple[Node, str, slice | None]]
    nodes: list[Node]


@dataclass(frozen=True)
class _Wanted:
    """The gradients asked for, by name, and how to get them once the backward loop has run.

    Attributes:
        script: Computes all nodes that are named here.
        inputs, vectors: A node each: the gradient, or what is to be added up over all steps and rows.
        products: Pairs of nodes each, whose outer products are to be added up.
        added: The place of a gradient that the loop has added up, by task.
        states: The place of a state's gradient.
    """

    script: _Script
    inputs: list[tuple[str, Node]]
    vectors: list[tuple[str, Node]]
    products: list[tuple[str, list[tuple[Node, Node]]]]
    added: list[tuple[str, str]]
    states: list[tuple[str, str]]


class Call:
    """A cell run over sequences of one shape.

    Args:
        loops: The cell at its sizes.
        rows: B.
        steps: T.
        dtype: Of everything.
        counts: How many tensors are given for each initial state (0 or 1: without one it is 0) and each weight (their sum it is).
        reverse: Go from each row's last valid step to its first.
        ragged: Rows may end early.
        threads: How many may run.
    """

    def __init__(self, loops: Loops, rows: int, steps: int, dtype: torch.dtype, counts: tuple[int, ...], *, reverse: bool, ragged: bool,
                 threads: int):
        self.loops, self.plan = loops, loops.plan
        self.graph: Graph = loops.plan.graph
        self.rows, self.steps, self.dtype = rows, steps, dtype
        self.reverse, self.ragged, self.threads = reverse, ragged, threads
        self.sizes = loops.plan.sizes
        self._tokens = steps * rows
        # Where all arrays together are short, none needs to be measured.
        units = sum(n.size.at(self.sizes) for n in {*walk([*loops.plan.graph.nodes, *loops.plan.derived.states.values()])})
        short = (steps + 1) * rows * units * dtype.itemsize < memory.LONG
        self._empty = partial(torch.empty if short else memory.empty, dtype=dtype)
        self._zeros = partial(torch.zeros if short else memory.zeros, dtype=dtype)
        self._scripts: dict[tuple, _Script] = {}
        self._asked: dict[tuple[bool, ...], _Wanted] = {}
        graph = self.graph
        self._inputs = [f"input {name}" for name in graph.inputs]
        self._given_states, self._parts = counts[: len(graph.states)], counts[len(graph.states) :]
        self._summed = max(self._parts, default=1) > 1
        self._vectors = [(f"weight {name}", name) for name, w in graph.weights.items() if len(w.shape) == 1]
        self._matrices = [name for name, w in graph.weights.items() if len(w.shape) == 2]

    def split(self, tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], list[Tensor | None], dict[str, Tensor]]:
        """The inputs, the initial states, and the weights by name, from all tensors in that order."""
        k, states, weights = len(self._inputs), [], {}
        inputs = tensors[:k]
        for count in self._given_states:
            states.append(tensors[k] if count else None)
            k += count
        if not self._summed:
            return inputs, states, dict(zip(self.graph.weights, tensors[k:]))
        for name, count in zip(self.graph.weights, self._parts):
            weights[name] = tensors[k] if count == 1 else sum(tensors[k + 1 : k + count], tensors[k])
            k += count
        return inputs, states, weights

    @cached_property
    def once(self) -> Callable | None:
        """The same by torch operations, where those cost less; takes what `forward` takes first."""
        if self.steps > 1 or self.ragged or self.rows * multiply_adds(self.graph, self.sizes) > once.SMALL:
            return None
        step = once.function(self.graph, self.sizes, self._parts, one_row=self.rows == 1)
        # A tensor made in inference mode could not be used outside it.
        with torch.inference_mode(False):
            zeros = [torch.zeros(self.rows, size.at(self.sizes), dtype=self.dtype) for size in self.graph.states.values()]

        def run(tensors):
            k = len(self._inputs)
            given = [*tensors[:k]]
            for count, zero in zip(self._given_states, zeros):
                given.append(tensors[k] if count else zero)
                k += count
            output, *final = step(*given, *tensors[k:])
            return output, tuple(final)

        return run if step else None

    @cached_property
    def _names(self) -> list[str]:
        """What each tensor is, or is a part of."""
        names = [*self._inputs, *(f"state {name}" for name, count in zip(self.graph.states, self._given_states) if count)]
        return names + [f"weight {name}" for name, count in zip(self.graph.weights, self._parts) for _ in range(count)]

    # ------------------------------------------------------------ what is known from the shapes

    @cached_property
    def _infer(self) -> _Pass:
        return self._pass("infer", self._there("infer"))

    @cached_property
    def _train(self) -> _Pass:
        return self._pass("train", self._there("train"))

    @cached_property
    def _backward(self) -> _Pass:
        after = (*self.plan.before_backward, *self.plan.backward_streams)
        return self._pass("backward", self._trained | {self.plan.stream(n) for n in after})

    def _pass(self, kind: str, there: frozenset[str]) -> _Pass:
        threads, shared = self.loops.split(kind, self.rows, self.steps, self.threads)
        tasks = 1 if shared else threads
        loop = self.loops.loop(kind, BITS[self.dtype], one_row=self.rows <= tasks, shared_units=shared)
        when = None if self.ragged else schedule.even(self.rows, self.steps, tasks, self.reverse)
        written = {buffer for group in loop.program.groups for _, buffer, _ in group.stores}
        made = [(place, (self.steps, self.rows, buffer.width)) for place, buffer in loop.program.buffers.items()
                if place in written and place in loop.storages and buffer.rows == "token"]
        output = None if kind == "backward" else self._script((self.graph.output,), there)
        return _Pass(loop, threads, tasks, when, loop.scratch(self.rows, threads), there, made, output)

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
        there = {*self._inputs, *(self.plan.stream(n) for n in self.plan.before)}
        there |= {name for name in program.buffers if name.startswith("forward ")}
        for name in self.graph.states:
            if any(b.storage == f"state {name}" and b.rows in ("before", "after") for b in program.buffers.values()):
                there |= {f"state {name}", f"next {name}"}
        return frozenset(there)

    @cached_property
    def _trained(self) -> frozenset[str]:
        """The places that are filled once backward begins."""
        return self._there("train") | {"gradient output"}

    @cached_property
    def _kept(self) -> list[str]:
        """The arrays of forward that backward reads."""
        wanted = self._wanted((True,) * len(self._names))
        reads = [*wanted.script.reads, *self._before_backward.reads]
        needed = {place for _, place, _ in reads} | {b.storage for b in self.plan.backward.buffers.values()}
        return sorted(needed & (self._there("train") | {"kept"}))

    @cached_property
    def _before(self):
        """The products before the loop: place, argument, how to get that from the inputs and earlier products, and the weight."""
        there, products = frozenset(self._inputs), []
        for n in self.plan.before:
            products.append((self.plan.stream(n), n.args[0], self._script(n.args, there), n.value))
            there |= {self.plan.stream(n)}
        return products

    @cached_property
    def _before_backward(self) -> _Script:
        return self._script(self.plan.before_backward, self._trained)

    @cached_property
    def _state_arrays(self) -> dict[str, list[tuple[str, bool, tuple[int, ...]]]]:
        """For each forward loop: the array of each state, whether it holds all steps (or two in turn), and its shape."""
        arrays = {}
        for kind in ("infer", "train"):
            buffers, arrays[kind] = getattr(self.plan, kind).buffers, []
            for name in self.graph.states:
                buffer = buffers.get(f"next {name}") or buffers[f"state {name}"]
                streamed = buffer.rows in ("after", "before")
                arrays[kind].append((f"state {name}", streamed, (self.steps + 1 if streamed else 2, self.rows, buffer.width)))
        return arrays

    def _wanted(self, needs: tuple[bool, ...]) -> _Wanted:
        """How to get the gradients of those tensors that need one."""
        if needs not in self._asked:
            derived, inputs, vectors, products, added, states = self.plan.derived, {}, {}, {}, {}, {}
            for full in dict.fromkeys(name for name, need in zip(self._names, needs) if need):
                kind, _, name = full.partition(" ")
                if kind == "input":
                    inputs[full] = derived.inputs[name]
                elif kind == "state":
                    states[full] = f"gradient {name}"
                elif name in self.plan.added:
                    added[full] = f"added {name}"
                elif name in derived.vectors:
                    vectors[full] = derived.vectors[name]
                else:
                    products[full] = derived.products[name]
            targets = [*inputs.values(), *vectors.values(), *(n for pairs in products.values() for pair in pairs for n in pair)]
            script = self._script(targets, self._backward.there)
            self._asked[needs] = _Wanted(script, *(list(d.items()) for d in (inputs, vectors, products, added, states)))
        return self._asked[needs]

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

    def _part(self, place: str) -> tuple[str, slice | None]:
        """The array of a place, and which of its T + 1 steps are meant where it is a state's."""
        kind, _, name = place.partition(" ")
        if kind not in ("state", "next"):
            return place, None
        return f"state {name}", slice(1, None) if (kind == "next") != self.reverse else slice(0, -1)

    # ------------------------------------------------------------ work outside the loops

    def _evaluate(self, script: _Script, arrays: Mapping[str, Tensor], weights) -> dict[Node, Tensor]:
        values = {node: arrays[place] if part is None else arrays[place][part] for node, place, part in script.reads}
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
        return self._zeros(shape) if self.ragged else self._empty(shape)

    def _run(self, this: _Pass, when: Schedule, arrays: dict[str, Tensor], packed: Packed, weights):
        """Run a loop, making the arrays that it alone fills."""
        for place, name in self._vectors:
            arrays[place] = weights[name].contiguous()
        for place, shape in this.made:
            arrays[place] = self._new(shape)
        this.loop.run(when, [arrays[place] for place in this.loop.storages], this.scratch, packed.addresses(this.loop, weights), self.dtype,
                      this.threads)

    # ------------------------------------------------------------ forward

    def forward(self, inputs: Sequence[Tensor], states: Sequence[Tensor | None], weights: Mapping[str, Tensor], lengths: Tensor | None, *,
                keep: bool):
        """Run the loop.

        Args:
            inputs: (T, B, units) each.
            states: The initial states, (B, units) each; None for 0.
            weights: By name.
            lengths: Valid steps of each row; None where all are T.
            keep: Keep what backward needs.

        Returns:
            The output (T, B, units); the final states (B, units) each; and what `backward` takes besides: arrays, if they are
            kept, and the packed weights.
        """
        this = self._train if keep else self._infer
        when = this.when or schedule.ragged(self.rows, self.steps, this.tasks, self.reverse, lengths)
        if keep and self.ragged:
            valid = self._valid(lengths)
            inputs = [torch.where(valid, x, 0.0) for x in inputs]
        packed = self.loops.packed([weights[name] for name in self._matrices])
        arrays = {place: x.contiguous() for place, x in zip(self._inputs, inputs)}
        for place, argument, script, (name, transposed) in self._before:
            rows = self._matrix(self._evaluate(script, arrays, weights)[argument], argument)
            matrix = weights[name] if transposed else weights[name].t()
            product = self._empty((self.steps, self.rows, matrix.shape[1]))
            torch.mm(rows, matrix, out=product.view(self._tokens, -1))
            arrays[place] = product
        state_arrays = self._state_arrays["train" if keep else "infer"]
        for s, (place, streamed, shape) in zip(states, state_arrays):
            if self.ragged and s is None:
                array = self._zeros(shape)
            elif not streamed:
                array = self._empty(shape)
                array[0] = 0.0 if s is None else s if when.order is None else s[when.order]
            else:
                array = self._new(shape)
                if lengths is None or not self.reverse:
                    array[-1 if self.reverse else 0] = 0.0 if s is None else s
                else:
                    array[lengths, torch.arange(self.rows)] = s
            arrays[place] = array
        self._run(this, when, arrays, packed, weights)
        output = self._output(this, arrays, weights, lengths)
        final = [self._final(arrays[place], streamed, when, lengths) for place, streamed, _ in state_arrays]
        return output, final, [arrays[name] for name in self._kept] if keep else [], packed

    def _output(self, this: _Pass, arrays, weights, lengths) -> Tensor:
        node = self.graph.output
        result = self._wide(self._evaluate(this.output, arrays, weights)[node], node)
        if lengths is not None and (self.plan.after or self.reverse):
            result = torch.where(self._valid(lengths), result, 0.0)
        return result

    def _final(self, array: Tensor, streamed: bool, when: Schedule, lengths: Tensor | None) -> Tensor:
        if streamed:
            if lengths is None or self.reverse:
                return torch.select_copy(array, 0, 0 if self.reverse else -1)
            return array[lengths, torch.arange(self.rows)]
        if when.order is None:
            return torch.select_copy(array, 0, self.steps % 2)
        result = torch.empty_like(array[0])
        result[when.order] = array[lengths[when.order] % 2, torch.arange(self.rows)]
        return result

    # ------------------------------------------------------------ backward

    def backward(self, weights: Mapping[str, Tensor], kept: Sequence[Tensor], packed: Packed, lengths: Tensor | None,
                 d_output: Tensor | None, d_states: Sequence[Tensor | None], needs: tuple[bool, ...]) -> list[Tensor | None]:
        """Run the backward loop and what comes after it.

        Args:
            weights: By name.
            kept, packed: What `forward` gave.
            lengths: As for `forward`.
            d_output: The gradient of the outputs, (T, B, size of the output); None for 0.
            d_states: The gradients of the final states, (B, size) or None each.
            needs: For each of the tensors that `split` took, whether its gradient is asked for.

        Returns:
            Their gradients, None where they are not asked for.
        """
        plan, graph, this = self.plan, self.graph, self._backward
        when = this.when or schedule.ragged(self.rows, self.steps, this.tasks, self.reverse, lengths)
        wanted = self._wanted(needs)
        arrays = dict(zip(self._kept, kept))
        if d_output is None:
            d_output = self._zeros((self.steps, self.rows, graph.output.size.at(self.sizes)))
        elif lengths is not None:
            d_output = torch.where(self._valid(lengths), d_output, 0.0)
        arrays["gradient output"] = d_output.contiguous()
        if plan.before_backward:
            values = self._evaluate(self._before_backward, arrays, weights)
            for n in plan.before_backward:
                arrays[plan.stream(n)] = self._wide(values[n], n).contiguous()
        for (name, size), d in zip(graph.states.items(), d_states):
            if d is None:
                pair = self._zeros((2, self.rows, size.at(self.sizes)))
            else:
                d = d if when.order is None else d[when.order]
                pair = torch.stack([d, d])
            arrays[f"gradient {name}"] = pair
        for name in plan.added:
            arrays[f"added {name}"] = self._zeros((this.tasks, plan.derived.vectors[name].size.at(self.sizes)))
        self._run(this, when, arrays, packed, weights)

        found = {}
        values = self._evaluate(wanted.script, arrays, weights)
        for name, node in wanted.inputs:
            found[name] = self._wide(values[node], node)
        for name, node in wanted.vectors:
            rows = self._matrix(values[node], node)
            found[name] = rows.sum(0) if len(rows) > 1 else rows.view(-1)
        for name, pairs in wanted.products:
            matrices = [(self._matrix(values[g], g), self._matrix(values[a], a)) for g, a in pairs]
            found[name] = outer.sum_outer(matrices, threads=self.threads)
        for name, place in wanted.added:
            found[name] = arrays[place].sum(0) if this.tasks > 1 else arrays[place].view(-1)
        for name, place in wanted.states:
            d = arrays[place][0]
            found[name] = d if when.order is None else torch.empty_like(d).index_copy_(0, when.order, d)
        return [found[name] if need else None for name, need in zip(self._names, needs)]
