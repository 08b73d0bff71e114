"""Private: an executable: a cell compiled for one signature, forward and backward.

The first run with a signature compiles, and every run takes the same job lists: it gives out
memory, writes down addresses, and jumps. Several executables, as those of the two directions of a
layer, can run side by side.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor

from ..language.graph import Graph, Node
from . import memory, precision, reference, schedule
from .arena import Arena, Region
from .kernels import job_list, weight_gradient
from .kernels.tuning import SMALL
from .loops import Loops
from .passes import Kind, Passes, Script, Source, Stage, StepsProduct, TorchStep
from .schedule import Tokens
from .signature import Signature
from .torch_internals import batched
from .weight_cache import PackedWeights

SCRATCH, SAVED, OUTPUT = (region.value for region in (Region.SCRATCH, Region.SAVED, Region.OUTPUT))


class Packs(NamedTuple):
    """Packed weights, which are there for as long as this is held, the addresses of the matrices
    of each direction, and the backward pass that follows, if one does.
    """

    held: PackedWeights
    forward: list[int]
    backward: list[int]
    follows: "_GradientPass | None"


class Frame:
    """One pass that is about to run, or has run.

    Args:
        executable: Whose it is.
        arena: Where its arrays lie.
        stages: What runs.
        tensors: Those of the run.
        memories: The memory of each region and argument, by name.
        numbers: The numbers of the job lists besides the addresses of `memories`.
        held: What lies at those.
    """

    def __init__(
        self,
        executable: "Executable",
        arena: Arena,
        stages: Sequence[Stage],
        tensors: Sequence[Tensor],
        memories: dict[str, Tensor],
        numbers: dict[str, int],
        held: object,
    ):
        self.executable, self.arena, self.stages = executable, arena, stages
        self.tensors, self.memories, self._held = tensors, memories, held
        self.numbers = numbers
        numbers.update(zip(memories, map(Tensor.data_ptr, memories.values())))
        self.results: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] | None = None

    def add(self, name: str, tensor: Tensor) -> None:
        """Take a tensor as the memory of an argument."""
        self.memories[name] = tensor
        self.numbers[name] = tensor.data_ptr()

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights by name."""
        if self._weights is None:
            self._weights = self.executable.weights(self.tensors)
        return self._weights

    def evaluate(self, script: Script) -> dict[Node, Tensor]:
        """The nodes of a script, computed by torch."""
        executable, values = self.executable, {}
        for node, name, part in script.reads:
            whole, units = self.arena.array(name, self.memories), node.size.at(executable.sizes)
            whole = whole.to(executable.dtype) if whole.dtype is torch.uint8 else whole
            if part is not None:
                whole = whole.narrow(0, part.start or 0, executable.steps)
            values[node] = whole if whole.shape[-1] == units else whole[..., :units]
        if script.nodes:
            # Of constants alone there is nothing else to be like.
            reference.evaluate(
                script.nodes,
                values,
                self.weights,
                executable.sizes,
                executable.maths,
                torch.empty(0, dtype=executable.dtype, device="cpu"),
            )
        return values

    def take(self, step: TorchStep) -> None:
        """Do a step of torch: what it computes becomes arrays, and results."""
        values = self.evaluate(step.script)
        for name, node in step.arrays.items():
            self.add(name, self.executable.wide(values[node], node).contiguous())
        for name, node in step.results.items():
            self.results[name] = self.executable.separate(
                values[node], node, [*self.memories.values(), *self.weights.values()]
            )


def run(frames: Sequence[Frame]) -> None:
    """Run passes side by side, stage by stage."""
    if len(frames) == 1:
        (frame,) = frames
        for stage in frame.stages:
            for step in stage.steps:
                frame.take(step)
            if stage.jobs is not None:
                stage.jobs.run(frame.numbers)
        return
    for stages in zip_longest(*[frame.stages for frame in frames]):
        lists = []
        for frame, stage in zip(frames, stages):
            if stage is not None:
                for step in stage.steps:
                    frame.take(step)
                if stage.jobs is not None:
                    lists.append((stage.jobs, frame.numbers))
        if lists:
            job_list.run(lists)


class Executable:
    """A cell compiled for one signature.

    Args:
        loops: The cell at its sizes.
        signature: What it is compiled for.

    Attributes:
        loops, signature: As given.
        graph, sizes, rows, steps, dtype: Those of the signature.
        count: The number of tensors that a run takes; the weights begin with `first_weight`.
        parts: For each weight the first of the tensors that it is the sum of, and their number.
        passes: What it does.
        first: The forward pass.
        state_names: The names in job lists of the final states, and of the initial ones.
        pack_names: The names of the packed matrices of forward in job lists.
        kept_names: The names of the memories that the backward pass reads.
        small: It runs as one job list, in little memory: see `bound.BoundExecutable`.
        maths: How torch does what no kernel does.
    """

    def __init__(self, loops: Loops, signature: Signature):
        self.loops, self.signature = loops, signature
        self.graph: Graph = loops.plan.graph
        self.sizes, graph = loops.plan.sizes, loops.plan.graph
        self.rows, self.steps, self.dtype = signature.rows, signature.steps, signature.dtype
        self.maths = reference.MATHS | (precision.MATHS if signature.narrow else {})
        states = len(graph.states)
        given, of_weights = signature.counts[:states], signature.counts[states:]
        sources = [Source(Kind.INPUT, name) for name in graph.inputs]
        sources += [Source(Kind.STATE, name) for name, count in zip(graph.states, given) if count]
        self.first_weight = len(sources)
        self.parts: dict[str, tuple[int, int]] = {}
        for name, count in zip(graph.weights, of_weights):
            self.parts[name] = len(sources), count
            sources += [Source(Kind.WEIGHT, name)] * count
        self.count = len(sources)
        self.passes = Passes(loops, signature, sources)
        self._compile()

    def _compile(self):
        """Compile the forward pass, and look up what a run needs."""
        signature, graph, passes = self.signature, self.graph, self.passes
        this = self.first = passes.train if signature.backward else passes.infer
        self._matrices = [name for name, w in graph.weights.items() if len(w.shape) == 2]
        self._inputs = len(graph.inputs)
        self._constant = [name in graph.constant for name in graph.inputs]
        given = zip(graph.states, signature.counts)
        self._initial = [f"initial {name}" for name, count in given if count]
        self._final = [f"final {name}" for name in graph.states]
        self.state_names = [*self._final, *self._initial]
        # One row lies in memory as it should, whatever the order of its two first sizes.
        self.turned = signature.batch_first and self.rows > 1
        self.make_final = [
            memory.maker((1, self.rows, size.at(self.sizes)), self.dtype)
            for size in graph.states.values()
        ]
        sizes = this.arena.sizes
        shapes = {SAVED: (sizes[Region.SAVED],), SCRATCH: (sizes[Region.SCRATCH],)}
        shapes = {name: shape for name, shape in shapes.items() if shape[0]}
        if this.own:
            shapes = {OUTPUT: this.arena.shape(this.own), **shapes}
            self.output_view = self._output_view()
        self.makers = {name: memory.maker(shape, self.dtype) for name, shape in shapes.items()}
        by_torch = any(stage.steps for stage in this.stages)
        # Torch reads the first input as (T, B, units).
        self._viewed = by_torch or bool(this.output.nodes) or not this.own
        plain = len(this.stages) == 1 and not self._viewed
        # What torch computes may look at the memory of the run.
        self._scratch = memory.ScratchMemory(_bytes(this.arena)) if plain else None
        if self._scratch:
            self.makers[SCRATCH] = self._scratch.take
        # What `kept_names` has comes first: `results` takes it from there.
        self._names = [*passes.inputs, *self.makers, *self._final, *self._initial]
        self._makers = [*self.makers.values(), *self.make_final]
        self.kept_names = [*passes.inputs, *(name for name in self.makers if name != SCRATCH)]
        self._tokens = schedule.tokens(self.steps, self.rows, None, weight_gradient.AHEAD)
        self.small = plain and (this.cleared or not signature.ragged) and _bytes(this.arena) < SMALL
        self._users = self.loops.users(this.users)
        self.pack_names = [f"pack {k}" for k in range(len(self._users.packs))]
        self._backward: dict[tuple[bool, ...], _GradientPass] = {}

    def _output_view(self) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """The part of its array that the output is: its shape, its strides, and the number where it
        begins.
        """
        this = self.first
        part, (_, rows, width) = this.output.reads[0][2], this.arena.shape(this.own)
        shape, apart = (self.steps, rows, width), (rows * width, width, 1)
        if self.signature.batch_first:
            shape, apart = (rows, self.steps, width), (width, rows * width, 1)
        return shape, apart, (part.start or 0 if part else 0) * rows * width

    # ------------------------------------------------------------ what is given

    def weight(self, tensors: Sequence[Tensor], name: str) -> Tensor:
        """A weight, of all tensors of a run."""
        k, count = self.parts[name]
        return tensors[k] if count == 1 else sum(tensors[k + 1 : k + count], tensors[k])

    def weights(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """All weights by name."""
        return {name: self.weight(tensors, name) for name in self.parts}

    def in_order(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The inputs as kernels read them; of one that is the same at all steps they read the
        first.
        """
        if self.turned:
            inputs = inputs[0].transpose(0, 1), *inputs[1:]
        if True not in self._constant:
            return [*map(memory.contiguous, inputs)]
        return [
            x
            if constant and x.stride()[1:] == (x.shape[2], 1)
            else memory.contiguous(x[:1] if constant else x)
            for x, constant in zip(inputs, self._constant)
        ]

    def pack(self, tensors: Sequence[Tensor], needs: tuple[bool, ...] | None = None) -> Packs:
        """The packed weights of forward, and of the backward pass to the tensors that need a
        gradient.
        """
        weights = [self.weight(tensors, name) for name in self._matrices]
        packed = self.loops.weights.find(weights, self.signature.threads)
        follows = None if needs is None else self._to(needs)
        user = follows.both if follows else self._users
        addresses = packed.addresses(user, self._matrices, weights)
        first = len(self.pack_names)
        return Packs(packed, addresses[:first], addresses[first:], follows)

    def _add_vectors(
        self, tensors: Sequence[Tensor], memories: dict[str, Tensor]
    ) -> dict[str, int]:
        """Add the vectors that forward reads to its memories; gives the distance between two that
        it adds up.
        """
        distances = {}
        for place, name in self.passes.vectors:
            if place not in self.first.sums:
                memories[place] = self.weight(tensors, name).contiguous()
                continue
            k, _ = self.parts[name]
            first, other = tensors[k].contiguous(), tensors[k + 1].contiguous()
            distance = other.data_ptr() - first.data_ptr()
            if distance % self.dtype.itemsize:
                other = other.clone()
                distance = other.data_ptr() - first.data_ptr()
            memories[f"first {place}"], memories[f"second {place}"] = first, other
            distances[f"distance {place}"] = distance // self.dtype.itemsize
        return distances

    def when(self, tasks: int, lengths: Tensor) -> tuple[dict[str, int], object]:
        """The numbers of the job lists that depend on the lengths of the rows, and what lies at
        them.
        """
        when = schedule.ragged(self.rows, self.steps, tasks, self.signature.reverse, lengths)
        tokens = self.tokens(lengths)
        return {**when.numbers, **tokens.numbers}, (when, tokens)

    def tokens(self, lengths: Tensor | None) -> Tokens:
        """The tokens, those of all rows where no lengths are given."""
        if lengths is None:
            return self._tokens
        return schedule.tokens(
            self.steps, self.rows, lengths.numpy().tobytes(), weight_gradient.AHEAD
        )

    # ------------------------------------------------------------ forward

    def forward(self, tensors: Sequence[Tensor], lengths: Tensor | None, packs: Packs) -> Frame:
        """The forward pass, ready to run.

        Args:
            tensors: The inputs, the initial states and the weights, as the signature has them.
            lengths: Valid steps of each row, where rows may end early.
            packs: The packed weights.
        """
        this, k = self.first, self._inputs
        arrays = self.in_order(tensors[:k])
        arrays += [make() for make in self._makers]
        if self._initial:
            arrays += [s.contiguous() for s in tensors[k : self.first_weight]]
        memories = dict(zip(self._names, arrays))
        numbers = self._add_vectors(tensors, memories)
        held = None
        if lengths is not None:
            moving, held = self.when(this.tasks, lengths)
            numbers |= moving
        numbers.update(zip(self.pack_names, packs.forward))
        if self._viewed:
            memories[self.passes.inputs[0]] = self._in_time(memories[self.passes.inputs[0]])
        return Frame(self, this.arena, this.stages, tensors, memories, numbers, (held, packs))

    def results(
        self, frame: Frame, lengths: Tensor | None
    ) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor]]:
        """The output, laid out as the first input, the final states (1, B, units) each, and the
        memory that the backward pass reads, of a forward pass that has run.
        """
        this, batch_first = self.first, self.signature.batch_first
        if this.own:
            output = frame.memories[OUTPUT].as_strided(*self.output_view)
        else:
            node = self.graph.output
            value = frame.evaluate(this.output)[node]
            output = self.separate(value, node, [*frame.tensors, *frame.weights.values()])
            output = output.transpose(0, 1) if batch_first else output
        if not this.cleared and lengths is not None:
            output = self._valid(output, lengths, batch_first=batch_first)
        if self._scratch:
            self._scratch.give(frame.memories[SCRATCH])
        arrays, first = [*frame.memories.values()], self._inputs + len(self.makers)
        return output, arrays[first : first + len(self._final)], arrays[: len(self.kept_names)]

    def wide(self, value: Tensor, node: Node) -> Tensor:
        """A value for all steps and rows, even if it has but one."""
        return value.expand(self.steps, self.rows, node.size.at(self.sizes))

    def separate(self, value: Tensor, node: Node, others: Sequence[Tensor]) -> Tensor:
        """A value for all steps and rows that shares no memory with other tensors, nor one number
        of its own with another.
        """
        value = self.wide(value, node)
        shared = value.untyped_storage().data_ptr() in {
            t.untyped_storage().data_ptr() for t in others
        }
        return value.clone(memory_format=torch.contiguous_format) if shared else value.contiguous()

    def _valid(self, value: Tensor, lengths: Tensor, *, batch_first: bool = False) -> Tensor:
        """A value with 0 past a row's end."""
        valid = torch.arange(self.steps, device="cpu")[:, None] < lengths
        return torch.where((valid.T if batch_first else valid)[..., None], value, 0.0)

    def _in_time(self, x: Tensor) -> Tensor:
        """A tensor whose numbers lie in order of time, as (T, B, units)."""
        return x if x.shape[1] == self.rows else x.view(self.steps, self.rows, -1)

    # ------------------------------------------------------------ backward

    def _to(self, needs: tuple[bool, ...]) -> "_GradientPass":
        """The backward pass to the tensors that need a gradient."""
        found = self._backward.get(needs)
        if found is None:
            # Another thread may do the same meanwhile: all use that of the first.
            found = self._backward.setdefault(needs, _GradientPass(self, needs))
        return found

    def backward(
        self,
        tensors: Sequence[Tensor],
        kept: Sequence[Tensor],
        lengths: Tensor | None,
        packs: Packs,
        d_output: Tensor | None,
        d_states: Sequence[Tensor | None],
    ) -> Frame:
        """The backward pass, ready to run.

        Args:
            tensors, lengths: As for `forward`.
            kept: The memory that it reads; see `results`.
            packs: The packed weights, and which gradients are asked for.
            d_output: The gradient of the output; None for 0.
            d_states: The gradients of the final states, (1, B, units) or None each.
        """
        this, asked = self.passes.backward, packs.follows
        assert asked is not None
        memories = dict(zip(self.kept_names, kept))
        if d_output is None:
            shape = self.steps, self.rows, self.graph.output.size.at(self.sizes)
            d_output = torch.zeros(shape, dtype=self.dtype, device="cpu")
        elif self.turned:
            d_output = d_output.transpose(0, 1)
        memories["gradient output"] = memory.contiguous(d_output)
        memories.update(zip(asked.makers, [make() for make in asked.makers.values()]))
        if asked.viewed:
            for name in (self.passes.inputs[0], "gradient output"):
                memories[name] = self._in_time(memories[name])
        for place, name in asked.vectors:
            memories[place] = self.weight(tensors, name).contiguous()
        tokens, held = self.tokens(lengths), None
        numbers = {**tokens.numbers}
        if lengths is not None:
            moving, held = self.when(this.tasks, lengths)
            numbers |= moving
        for name, d in zip(self._final, d_states):
            if d is None:
                numbers[f"gradient of {name}"] = 0
            else:
                memories[f"gradient of {name}"] = d.contiguous()
        if not tokens.count:
            # Jobs that go through the tokens write nothing.
            for name in asked.gradients.shapes:
                memories[f"gradient of {name}"].zero_()
        if asked.gradients.paired:
            # Outer products have two tokens in place of one, all of them in order.
            half = -(-tokens.count // 2)
            numbers |= {"places": self._tokens.numbers["all"], "half": half}
            for name, units in asked.gradients.paired.items():
                memories[name] = memory.empty((half, units), self.dtype)
        numbers.update(zip(asked.pack_names, packs.backward))
        gradients = asked.gradients
        return Frame(
            self, gradients.arena, gradients.stages, tensors, memories, numbers, (held, packs)
        )

    def gradients(
        self, frame: Frame, asked: "_GradientPass", lengths: Tensor | None
    ) -> list[Tensor | None]:
        """The gradients of the tensors of a backward pass that has run; None for those that are not
        asked for.
        """
        memories, names = frame.memories, self.passes.names
        found = [memories[place] if place else None for place in asked.places]
        for k, units in asked.narrower:
            found[k] = found[k][..., :units]
        if frame.results:
            for k, name in enumerate(names):
                found[k] = frame.results.get(name, found[k]) if asked.needs[k] else None
        if lengths is not None:
            for name in (*asked.products, *frame.results):
                k = names.index(name)
                found[k] = self._valid(found[k], lengths)
        found[0] = self._turn(found[0])
        if asked.scratch:
            asked.scratch.give(memories[SCRATCH])
        return found

    def derived(
        self,
        tensors: Sequence[Tensor],
        lengths: Tensor | None,
        d_output: Tensor | None,
        d_states: Sequence[Tensor | None],
        needs: Sequence[bool],
    ) -> list[Tensor | None]:
        """The result of `gradients` as something that has derivatives itself: by the reference
        engine. Arguments as for `backward`.
        """
        # One tensor may stand in several places: each has its own part of the gradient.
        again, k = torch.is_grad_enabled(), self._inputs
        with torch.enable_grad():
            tensors = [t.view_as(t) if need else t for t, need in zip(tensors, needs)]
            each = iter(tensors[k:])
            x, *others = tensors[:k]
            output, final = reference.scan(
                self.graph,
                inputs=(self._turn(x), *others),
                states=tuple(
                    next(each) if count else None
                    for _, count in zip(self.graph.states, self.signature.counts)
                ),
                weights=self.weights(tensors),
                lengths=lengths,
                reverse=self.signature.reverse,
                maths=self.maths,
            )
        given = [self._turn(d_output), *(None if d is None else d[0] for d in d_states)]
        roots = [(y, d) for y, d in zip((output, *final), given) if d is not None]
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

    def _turn(self, x: Tensor | None) -> Tensor | None:
        """A tensor laid out as the first input with time first, or the other way round."""
        return x.transpose(0, 1) if x is not None and self.signature.batch_first else x


class _GradientPass:
    """The backward pass of an executable to those tensors that need a gradient.

    Attributes:
        needs: For each tensor whether its gradient is asked for.
        gradients: How to get each gradient.
        both: The users of packed matrices of forward and backward, as one.
        pack_names: The names of the packed matrices in job lists.
        makers: Make the scratch memory, and that of each result, by name.
        places: For each tensor the name of the memory of its gradient; None where it is not asked
            for, or torch computes it.
        products: The gradients that are products, by the tensor.
        narrower: The tensors whose gradient is a part of that memory, and the units of the part.
        vectors: The vectors that the loop reads.
        viewed: Torch does some of the work.
        scratch: The scratch memory, where the next run may use it again.
    """

    def __init__(self, executable: Executable, needs: tuple[bool, ...]):
        self.needs = needs
        passes, dtype = executable.passes, executable.dtype
        this, found = passes.backward, passes.gradients(needs)
        self.gradients = found
        users = [*this.users, *(p.rows for p in found.products.values())]
        self.both = executable.loops.users([*executable.first.users, *users])
        self.pack_names = [f"pack {k}" for k in range(sum(len(user.packs) for user in users))]
        self.products: dict[str, StepsProduct] = found.products
        others = {
            name: f"gradient of {name}" for name in (*self.products, *found.shapes, *found.states)
        }
        loose = [others[name] for name in self.products]
        results, arena = found.made | others, found.arena
        self.places = [results.get(n) if need else None for n, need in zip(passes.names, needs)]
        units = {n: p.node.size.at(executable.sizes) for n, p in self.products.items()}
        self.narrower = [
            (passes.names.index(name), units[name])
            for name, product in self.products.items()
            if product.rows.width != units[name]
        ]
        self.makers = {
            place: memory.maker(arena.shape(place), dtype)
            for place in (*found.made.values(), *loose)
        }
        shapes = found.shapes | {
            name: this.arena.shape(place)[1:] for name, place in found.states.items()
        }
        self.makers |= {
            f"gradient of {name}": memory.maker(shape, dtype, lasting=True)
            for name, shape in shapes.items()
        }
        read = {name for stage in found.stages if stage.jobs for name in stage.jobs.places}
        self.vectors = [(place, name) for place, name in passes.vectors if place in read]
        self.viewed = any(stage.steps for stage in found.stages)
        self.scratch = None if self.viewed else memory.ScratchMemory(_bytes(arena))
        size = arena.sizes[Region.SCRATCH]
        self.makers[SCRATCH] = self.scratch.take if self.scratch else memory.maker((size,), dtype)


def _bytes(arena: Arena) -> int:
    """Bytes of the scratch memory of a pass."""
    return arena.sizes[Region.SCRATCH] * arena.dtype.itemsize


class _AutogradFunction(torch.autograd.Function):
    """Executables for autograd, side by side: each takes its part of the tensors, and gives its
    output and its final states.
    """

    @staticmethod
    def forward(ctx, executables: tuple[Executable, ...], lengths: Tensor | None, *tensors):
        needs, start = ctx.needs_input_grad[2:], 0
        ctx.parts, ctx.packs, frames = [], [], []
        for e in executables:
            part = slice(start, start + e.count)
            start = part.stop
            packs = e.pack(tensors[part], needs[part])
            frames.append(e.forward(tensors[part], lengths, packs))
            ctx.parts.append(part)
            ctx.packs.append(packs)
        run(frames)
        ctx.executables, ctx.lengths = executables, lengths
        ctx.set_materialize_grads(False)
        saved, outputs = [*tensors], []
        results: list[Tensor] = []
        for e, frame in zip(executables, frames):
            output, final, kept = e.results(frame, lengths)
            saved += kept
            # To autograd an output must be no view of what is kept, or it could not be changed in
            # place. It is saved, for a change would be one of what backward reads.
            output = output.data
            outputs.append(output)
            results.append(output)
            results += final
        ctx.save_for_backward(*saved, *outputs)
        return tuple(results)

    @staticmethod
    def backward(ctx, *gradients):
        executables, parts, lengths = ctx.executables, ctx.parts, ctx.lengths
        # Once, for torch.utils.checkpoint gives them once.
        needs, saved, found = ctx.needs_input_grad[2:], ctx.saved_tensors, []
        each = 1 + len(executables[0].make_final)
        given = [gradients[k : k + each] for k in range(0, len(gradients), each)]
        if torch.is_grad_enabled() or batched(gradients):
            for e, part, (d_output, *d_states) in zip(executables, parts, given):
                found += e.derived(saved[part], lengths, d_output, d_states, needs[part])
            return None, None, *found
        packs, ctx.packs = ctx.packs or [None] * len(executables), None
        frames, asked, start = [], [], len(needs)
        for e, part, pack, (d_output, *d_states) in zip(executables, parts, packs, given):
            kept = saved[start : start + len(e.kept_names)]
            start += len(kept)
            pack = pack or e.pack(saved[part], needs[part])
            asked.append(pack.follows)
            frames.append(e.backward(saved[part], kept, lengths, pack, d_output, d_states))
        run(frames)
        for e, frame, follows in zip(executables, frames, asked):
            found += e.gradients(frame, follows, lengths)
        return None, None, *found


# `Function.apply` without what it does for transforms of functions, under which no executable runs.
_apply = super(torch.autograd.Function, _AutogradFunction).apply


def execute(
    executables: Sequence[Executable], parts: Sequence[Sequence[Tensor]], lengths: Tensor | None
) -> list[tuple[Tensor, Sequence[Tensor]]]:
    """Run executables side by side.

    Args:
        executables: Of signatures that differ in the direction alone.
        parts: The tensors of each.
        lengths: Valid steps of each row; None where all are T.

    Returns:
        Of each the output, laid out as its first input, and the final states, (1, B, units) each.
    """
    if executables[0].signature.backward:
        tensors = parts[0] if len(parts) == 1 else [t for part in parts for t in part]
        results = _apply(executables, lengths, *tensors)
        each = 1 + len(executables[0].make_final)
        return [(results[k], results[k + 1 : k + each]) for k in range(0, len(results), each)]
    frames = [e.forward(part, lengths, e.pack(part)) for e, part in zip(executables, parts)]
    run(frames)
    return [e.results(frame, lengths)[:2] for e, frame in zip(executables, frames)]
