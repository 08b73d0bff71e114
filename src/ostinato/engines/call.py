"""One call of the CPU engine: memory is given out, the jobs run, and what they have made is read.

Forward and backward are each a generator: it gives work to be run (`team.together`), so that
several calls can run side by side.
"""

import ctypes
import math
from collections.abc import Generator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..language.graph import Graph, Node
from . import memory, precision, reference, schedule
from .kernels import weight_gradient
from .loops import Loops, Packed
from .passes import Block, Forward, Pass, Passes, Product, Script
from .schedule import Schedule, Tokens


class Call:
    """A cell run over sequences of one shape.

    Args:
        loops: The cell at its sizes.
        rows: B.
        steps: T.
        dtype: Of everything.
        counts: How many tensors are given for each initial state (0 or 1: without one it is 0) and
            each weight (their sum it is).
        reverse: Go from each row's last valid step to its first.
        ragged: Rows may end early.
        threads: How many may run.
        narrow: The factors of products are rounded to bfloat16.

    Attributes:
        count: How many tensors it takes.
        given: How many are given for each initial state.
        constant: For each input whether it is the same at all steps.
        parts: For each weight the first of the tensors that it is the sum of, and how many these
            are.
        matrices: The weights that are packed.
        moving: The bases whose numbers depend on the rows' lengths, besides those of the tokens
            that are valid.
        passes: What it does.
        states: For each state its array, that of its gradient, and its units.
        maths: How torch does what no kernel does.
    """

    def __init__(
        self,
        loops: Loops,
        rows: int,
        steps: int,
        dtype: torch.dtype,
        counts: tuple[int, ...],
        *,
        reverse: bool,
        ragged: bool,
        threads: int,
        narrow: bool = False,
    ):
        self.loops, self.plan = loops, loops.plan
        self.graph: Graph = loops.plan.graph
        self.rows, self.steps, self.dtype, self._bytes = rows, steps, dtype, dtype.itemsize
        self.reverse, self.ragged, self.threads = reverse, ragged, threads
        self.maths = reference.MATHS | (precision.MATHS if narrow else {})
        self.sizes = loops.plan.sizes
        graph, states = self.graph, len(self.graph.states)
        self.given, of_weights = counts[:states], counts[states:]
        self.states = [
            (f"state {name}", f"gradient {name}", size.at(self.sizes))
            for name, size in graph.states.items()
        ]
        self.matrices = [name for name, w in graph.weights.items() if len(w.shape) == 2]
        self.constant = [name in graph.constant for name in graph.inputs]
        names = [f"input {name}" for name in graph.inputs]
        names += [f"state {name}" for name, count in zip(graph.states, self.given) if count]
        names += [
            f"weight {name}" for name, count in zip(graph.weights, of_weights) for _ in range(count)
        ]
        self.count, first = len(names), len(names) - sum(of_weights)
        self.parts = {
            name: (first + sum(of_weights[:k]), count)
            for k, (name, count) in enumerate(zip(graph.weights, of_weights))
        }
        self.moving = ("table", "tokens", "others", "other count") if ragged else ()
        self.passes = Passes(
            loops,
            rows,
            steps,
            dtype,
            names,
            reverse=reverse,
            ragged=ragged,
            threads=threads,
            narrow=narrow,
        )

    def split(
        self, tensors: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], list[Tensor | None], dict[str, Tensor]]:
        """The inputs, the initial states, and the weights by name, from all tensors in that
        order.
        """
        k, states = len(self.graph.inputs), []
        inputs = tensors[:k]
        for count in self.given:
            states.append(tensors[k] if count else None)
            k += count
        return inputs, states, {name: self.weight(tensors, name) for name in self.parts}

    def weight(self, tensors: Sequence[Tensor], name: str) -> Tensor:
        """A weight, of all tensors as `split` takes them."""
        k, count = self.parts[name]
        return tensors[k] if count == 1 else sum(tensors[k + 1 : k + count], tensors[k])

    # ------------------------------------------------------------ what both directions do

    def begin(
        self, this: Pass, inputs: Sequence[Tensor], weights, users, lengths: Tensor | None
    ) -> "_Memory":
        """The memory of a pass, and the numbers of its bases, as far as both directions have
        them.
        """
        given = _Memory(self.dtype, this, self.packed(weights))
        given.when, given.tokens, moving = self.when(this, lengths)
        given.numbers |= zip(self.moving, moving)
        for place, x in zip(self.passes.inputs, inputs):
            given.add(place, x)
        for place, name in self.passes.vectors:
            given.add(place, weights[name].contiguous())
        k = 0
        for user in users:
            for address in given.packed.addresses(user, weights):
                given.numbers[f"pack {k}"] = address
                k += 1
        return given

    def when(
        self, this: Pass, lengths: Tensor | None
    ) -> tuple[Schedule | None, Tokens | None, list[int]]:
        """Who runs what in a pass, the tokens where these depend on the lengths, and the numbers of
        `moving`; None while lengths are not given.
        """
        if lengths is None:
            return this.when, None, []
        found, tokens = (
            schedule.ragged(self.rows, self.steps, this.tasks, self.reverse, lengths),
            self.tokens(lengths),
        )
        return found, tokens, [found.table, found.tokens, tokens.others, tokens.other_count]

    def packed(self, weights: Mapping[str, Tensor]) -> Packed:
        """The packed form of the weights."""
        return self.loops.packed([weights[name] for name in self.matrices], self.threads)

    def tokens(self, lengths: Tensor | None) -> Tokens:
        """The tokens, those of all rows where there are no lengths."""
        return schedule.tokens(
            self.steps,
            self.rows,
            None if lengths is None else lengths.numpy().tobytes(),
            weight_gradient.AHEAD,
        )

    def _arguments(self, products: Mapping[str, Product], given: "_Memory", weights):
        """Have torch work out arguments of products."""
        for place, product in products.items():
            values, node = self._evaluate(product.script, given, weights), product.node.args[0]
            given.add(f"argument {place}", self._wide(values[node], node).contiguous())

    def _evaluate(self, script: Script, given: "_Memory", weights) -> dict[Node, Tensor]:
        values = {}
        for node, name, part in script.reads:
            whole, units = given.tensor(name), node.size.at(self.sizes)
            whole = whole.to(self.dtype) if whole.dtype is torch.uint8 else whole
            if part is not None:
                whole = whole.narrow(0, part.start or 0, self.steps)
            values[node] = whole if whole.shape[-1] == units else whole[..., :units]
        if script.nodes:
            # Of constants alone there is nothing else to be like.
            reference.evaluate(
                script.nodes,
                values,
                weights,
                self.sizes,
                self.maths,
                torch.empty(0, dtype=self.dtype, device="cpu"),
            )
        return values

    def _wide(self, value: Tensor, node: Node) -> Tensor:
        """A value for all steps and rows, of which it may have but one."""
        return value.expand(self.steps, self.rows, node.size.at(self.sizes))

    def _apart(self, value: Tensor, node: Node, given: Sequence[Tensor]) -> Tensor:
        """A value for all steps and rows that shares no memory with what was given, nor one number
        of its own with another.
        """
        value = self._wide(value, node)
        shared = value.untyped_storage().data_ptr() in {
            t.untyped_storage().data_ptr() for t in given
        }
        return value.clone(memory_format=torch.contiguous_format) if shared else value.contiguous()

    def _valid(self, value: Tensor, lengths: Tensor | None) -> Tensor:
        """A value with 0 past a row's end."""
        return (
            value
            if lengths is None
            else torch.where(
                (torch.arange(self.steps, device="cpu")[:, None] < lengths)[..., None], value, 0.0
            )
        )

    def in_order(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The inputs as kernels read them; of one that is the same at all steps they read the
        first.
        """
        return [
            x
            if constant and x.stride()[1:] == (x.shape[2], 1)
            else memory.contiguous(x[:1] if constant else x)
            for x, constant in zip(inputs, self.constant)
        ]

    # ------------------------------------------------------------ forward

    def forward(
        self,
        inputs: Sequence[Tensor],
        states: Sequence[Tensor | None],
        weights: Mapping[str, Tensor],
        lengths: Tensor | None,
        *,
        keep: bool,
    ) -> Generator[tuple, None, tuple]:
        """Run the loop.

        Args:
            inputs: (T, B, units) each.
            states: The initial states, (B, units) each; None for 0.
            weights: By name.
            lengths: Valid steps of each row; None where all are T.
            keep: Keep what backward needs.

        Returns:
            The output (T, B, units); the final states (B, units) each; and the tensors that
            `backward` takes.
        """
        this = self.passes.train if keep else self.passes.infer
        kept = self.in_order(inputs)
        given = self.begin(this, kept, weights, this.users, lengths)
        if this.kept.size:
            kept.append(memory.empty((this.kept.size,), self.dtype))
            given.add_block("kept", kept[-1], this.kept)
        if this.own:
            kept.append(memory.empty(this.shapes[this.own], self.dtype))
            given.add(this.own, kept[-1])
        for s, (place, _, units) in zip(states, self.states):
            self._start(place, units, s, this, given)
        for stage in this.stages:
            self._arguments(stage.arguments, given, weights)
            yield stage.work.at(given.numbers)
        if this.own:
            part = this.output.reads[0][2]
            output = kept[-1] if part is None else kept[-1].narrow(0, part.start or 0, self.steps)
        else:
            output = self._apart(
                self._evaluate(this.output, given, weights)[self.graph.output],
                self.graph.output,
                (*inputs, *weights.values()),
            )
        if not this.cleared:
            output = self._valid(output, lengths)
        final = [self._end(place, units, this, given) for place, _, units in self.states]
        return output, final, kept

    def _start(self, place: str, units: int, s: Tensor | None, this: Forward, given: "_Memory"):
        """Write an initial state into its array."""
        streamed = place in this.streamed
        if streamed and self.reverse and self.ragged:
            given.when.begin(given.array(place), s)
            return
        size = self.rows * units * self._bytes
        at = given.at(place) + self.ends(place, this)[0] * size
        if s is None:
            ctypes.memset(at, 0, size)
        else:
            self._copy(at, s if streamed else given.when.ordered(s))

    def _end(self, place: str, units: int, this: Forward, given: "_Memory") -> Tensor:
        """A state after each row's last step."""
        streamed = place in this.streamed
        if self.ragged and not (streamed and self.reverse):
            return given.when.ended(given.array(place), streamed=streamed)
        at = given.at(place) + self.ends(place, this)[1] * self.rows * units * self._bytes
        return self._copied(at, (self.rows, units))

    def ends(self, place: str, this: Forward) -> tuple[int, int]:
        """At which steps of its array a state begins, and ends where all rows have T steps."""
        if place in this.streamed:
            return (self.steps, 0) if self.reverse else (0, self.steps)
        return 0, self.steps % 2

    def _copy(self, to: int, s: Tensor):
        s = s.contiguous()
        ctypes.memmove(to, s.data_ptr(), s.numel() * self._bytes)

    def _copied(self, at: int, shape: tuple[int, ...]) -> Tensor:
        """Numbers of an array as a tensor of its own."""
        result = torch.empty(shape, dtype=self.dtype, device="cpu")
        ctypes.memmove(result.data_ptr(), at, math.prod(shape) * self._bytes)
        return result

    # ------------------------------------------------------------ backward

    def backward(
        self,
        weights: Mapping[str, Tensor],
        kept: Sequence[Tensor],
        lengths: Tensor | None,
        d_output: Tensor | None,
        d_states: Sequence[Tensor | None],
        needs: tuple[bool, ...],
    ) -> Generator[tuple, None, list]:
        """Run the backward loop, and add up what it has made.

        Args:
            weights: By name.
            kept: What `forward` gave.
            lengths: As for `forward`.
            d_output: The gradient of the outputs, (T, B, size of the output); None for 0.
            d_states: The gradients of the final states, (B, size) or None each.
            needs: For each of the tensors that `split` took, whether its gradient is asked for.

        Returns:
            Their gradients, None where they are not asked for.
        """
        wanted, this, forward = self.passes.wanted(needs), self.passes.backward, self.passes.train
        count = len(self.passes.inputs)
        given = self.begin(
            this,
            kept[:count],
            weights,
            [*this.users, *(p.rows for p in wanted.products.values())],
            lengths,
        )
        if forward.kept.size:
            given.add_block("kept", kept[count], forward.kept)
        if forward.own:
            given.add(forward.own, kept[-1])
        given.shapes |= forward.shapes
        if d_output is None:
            d_output = torch.zeros(
                (self.steps, self.rows, self.graph.output.size.at(self.sizes)),
                dtype=self.dtype,
                device="cpu",
            )
        given.add("gradient output", memory.contiguous(d_output))
        for (_, place, units), d in zip(self.states, d_states):
            if d is not None:
                for turn in (0, 1):
                    self._copy(
                        given.at(place) + turn * self.rows * units * self._bytes,
                        given.when.ordered(d),
                    )
        tokens = given.tokens = self.tokens(lengths)
        given.numbers |= {"all": tokens.address, "count": tokens.count}
        found = {}
        for name, place in wanted.made.items():
            found[name] = memory.empty(this.shapes[place], self.dtype)
            given.add(place, found[name])
        for place, product in wanted.products.items():
            whole = memory.empty((self.steps, self.rows, product.rows.width), self.dtype)
            given.add(place, whole)
            units = product.node.size.at(self.sizes)
            found[place.removeprefix("d ")] = (
                whole if product.rows.width == units else whole[..., :units]
            )
        if wanted.paired:
            # Outer products have two tokens in place of one, all of them in order.
            half, places = -(-tokens.count // 2), self.tokens(None)
            given.numbers |= {"places": places.address, "half": half}
            for name, units in wanted.paired.items():
                given.add(name, memory.empty((half, units), self.dtype))
        for name, shape in wanted.shapes.items():
            found[name] = (torch.empty if tokens.count else torch.zeros)(
                shape, dtype=self.dtype, device="cpu"
            )
            given.add(f"gradient of {name}", found[name])
        for stage in wanted.stages:
            self._arguments(stage.arguments, given, weights)
            yield stage.work.at(given.numbers)
        values = self._evaluate(wanted.script, given, weights)
        for name, node in wanted.operands.items():
            given.add(name, self._wide(values[node], node).contiguous())
        for work in wanted.after:
            yield work.at(given.numbers)
        for name, node in wanted.others.items():
            found[name] = self._apart(
                values[node], node, (*kept[:count], d_output, *weights.values())
            )
        if lengths is not None:
            for name in (*wanted.others, *(place.removeprefix("d ") for place in wanted.products)):
                found[name] = self._valid(found[name], lengths)
        for name, place in wanted.states.items():
            found[name] = given.when.scattered(
                self._copied(given.at(place), this.shapes[place][1:])
            )
        return [found[name] if need else None for name, need in zip(self.passes.names, needs)]

    def derived(
        self,
        tensors: Sequence[Tensor],
        lengths: Tensor | None,
        d_output: Tensor | None,
        d_states: Sequence[Tensor | None],
        needs: Sequence[bool],
    ) -> list[Tensor | None]:
        """What `backward` gives, as something that has derivatives itself: by the reference engine.

        Args:
            tensors: Those that `split` takes.
            lengths, d_output, d_states, needs: As for `backward`.
        """
        # One tensor may stand in several places, of which each has its own part of the gradient.
        again = torch.is_grad_enabled()
        with torch.enable_grad():
            tensors = [t.view_as(t) if need else t for t, need in zip(tensors, needs)]
            inputs, states, weights = self.split(tensors)
            output, final = reference.scan(
                self.graph,
                inputs=inputs,
                states=states,
                weights=weights,
                lengths=lengths,
                reverse=self.reverse,
                maths=self.maths,
            )
        roots = [(y, d) for y, d in zip((output, *final), (d_output, *d_states)) if d is not None]
        wanted = [t for t, need in zip(tensors, needs) if need]
        found = iter(
            torch.autograd.grad(
                [y for y, _ in roots],
                wanted,
                [d for _, d in roots],
                create_graph=again,
                allow_unused=True,
            )
        )
        return [next(found) if need else None for need in needs]


class _Memory:
    """The arrays of one pass, and the numbers of its bases.

    Attributes:
        memory: The memory of the pass's block.
        numbers: What each base stands for.
        shapes: The shape of each array of a block.
        when: Who runs what.
        tokens: The tokens, where the pass takes them.
        packed: The packed weights.
    """

    when: Schedule | None
    tokens: Tokens | None

    def __init__(self, dtype: torch.dtype, this: Pass, packed: Packed):
        self._bytes, self.shapes, self.packed = dtype.itemsize, this.shapes, packed
        self._blocks, self._tensors, self.numbers = {}, {}, {}
        self.memory = memory.empty((this.block.size,), dtype)
        self.add_block("block", self.memory, this.block)
        ctypes.memset(self.numbers["block"], 0, this.clear * self._bytes)

    def add_block(self, name: str, numbers: Tensor, block: Block):
        self._blocks[name] = numbers, block
        self.numbers[name] = numbers.data_ptr()

    def add(self, name: str, tensor: Tensor):
        """Take a tensor as an array; it is held as long as this is."""
        self._tensors[name] = tensor
        self.numbers[name] = tensor.data_ptr()

    def at(self, place: str) -> int:
        """The address of an array."""
        for name, (_, block) in self._blocks.items():
            if place in block.places:
                return self.numbers[name] + block.places[place] * self._bytes
        return self.numbers[place]

    def array(self, place: str) -> np.ndarray:
        return self.tensor(place).numpy()

    def tensor(self, place: str) -> Tensor:
        """An array as a tensor."""
        if place not in self._tensors:
            numbers, block = next(
                (numbers, block)
                for numbers, block in self._blocks.values()
                if place in block.places
            )
            shape, start = self.shapes[place], block.places[place]
            self._tensors[place] = numbers[start : start + math.prod(shape)].view(shape)
        return self._tensors[place]
