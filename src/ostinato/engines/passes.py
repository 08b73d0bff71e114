"""Private: the passes of a cell over sequences of one shape, which follow from the shapes alone:
what runs, where its arrays lie, and which gradient each array is.

A pass is a list of stages: work that torch does, for what no kernel does, and then a job list.
Outside the loops a value is (T, B, units).
"""

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..compiler.plan import Program
from ..language.graph import Graph, Node, walk
from . import schedule
from .arena import Arena, Region
from .kernels import bfloat16_pairs, copies, jit, weight_gradient
from .kernels.copies import Copy
from .kernels.job_list import Job, JobList, Relocation, Word
from .kernels.row_product import Rows
from .kernels.tuning import LINE, WORTH_A_THREAD
from .loops import Loop, Loops
from .schedule import Schedule
from .signature import Signature

BITS = {torch.float32: 32, torch.float64: 64}
# The places of two vectors that are added up, as tokens.
_TWO = np.arange(2, dtype=np.int64)


class Kind(enum.Enum):
    """The kinds of tensors of a run."""

    INPUT = "input"
    STATE = "state"
    WEIGHT = "weight"


@dataclass(frozen=True)
class Source:
    """A tensor of a run: an input, an initial state, or a weight or a part of its sum."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True)
class Script:
    """Work that torch does: what it reads (a node, its array, and the part of it), and the nodes to
    compute, in order.
    """

    reads: list[tuple[Node, str, slice | None]]
    nodes: list[Node]


@dataclass(frozen=True, kw_only=True)
class TorchStep:
    """A step of a pass that torch does.

    Attributes:
        script: Computes the nodes.
        arrays: Nodes that jobs read as arrays of these names.
        results: Nodes that are the gradients of these tensors.
    """

    script: Script
    arrays: dict[str, Node] = field(default_factory=dict)
    results: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A stage of a pass: steps of torch, and then jobs that run as one call."""

    steps: list[TorchStep]
    jobs: JobList | None


@dataclass(frozen=True)
class StepsProduct:
    """A product for all steps at once: its node, how to get its argument, and the code."""

    node: Node
    script: Script
    rows: Rows


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A loop as one shape runs it.

    Attributes:
        loop: The loop.
        threads: How many run it.
        tasks: The number of shares of the rows.
        when: Which task runs which rows, where all rows are equally long.
        products: The products before the loop, by array.
        arena: Where the arrays lie.
        clear: How many numbers of the scratch memory, the first ones, are 0 at first.
    """

    loop: Loop
    threads: int
    tasks: int
    when: Schedule | None
    products: dict[str, StepsProduct]
    arena: Arena
    clear: int

    @property
    def users(self) -> list[Loop | Rows]:
        """The loops and products that read packed matrices, in the order of their jobs."""
        return [*(product.rows for product in self.products.values()), self.loop]


@dataclass(frozen=True, kw_only=True)
class Forward(Pass):
    """A forward pass.

    Attributes:
        streamed: The states whose arrays have all T + 1 steps; the others' have two, in turn.
        own: The array, if any, whose part is the cell's output; it has memory of its own.
        output: How to get the output.
        cleared: Past a row's end the output is 0.
        begin: Clears memory and writes the initial states.
        sums: For each vector that is the sum of two tensors the job that adds them up.
        body: The torch steps and the jobs of each stage, but for those of `begin`, `sums`, `end`.
        end: Copies the final states out.
        stages: All that runs.
    """

    streamed: frozenset[str]
    own: str | None
    output: Script
    cleared: bool
    begin: list[Copy]
    sums: dict[str, Job]
    body: list[tuple[list[TorchStep], list[Job]]]
    end: list[Copy]
    stages: list[Stage]


@dataclass(kw_only=True)
class Gradients:
    """The gradients that are asked for, by name, and how to get each.

    Attributes:
        made: Of inputs whose gradient is an array of the loop: the array.
        products: Of inputs whose gradient is a product of arrays of the loop.
        matrices: Pairs each, whose outer products add up to it.
        vectors: What adds up to it.
        added: The array in which the loop has added it up, by task.
        states: The array that has it.
        others: The nodes of inputs that torch computes.
        script: Computes the nodes of `others`, and those of `operands`.
        operands: Nodes of `matrices` and `vectors` that are in no array, by the name of the array
            that they become.
        shapes: Those of the gradients of `matrices`, `vectors` and `added`.
        paired: Arrays of tokens two by two, for products of bfloat16, and their units.
        stages: All that runs.
        arena: Where the arrays lie.
    """

    made: dict[str, str] = field(default_factory=dict)
    products: dict[str, StepsProduct] = field(default_factory=dict)
    matrices: dict[str, list[tuple[Node, Node]]] = field(default_factory=dict)
    vectors: dict[str, Node] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    others: dict[str, Node] = field(default_factory=dict)
    script: Script = field(default_factory=lambda: Script([], []))
    operands: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    paired: dict[str, int] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    arena: Arena


class Passes:
    """The passes of a cell over sequences of one shape.

    Args:
        loops: The cell at its sizes.
        signature: The shape.
        sources: For each tensor of a run what it is, or is a part of.

    Attributes:
        names: The names of the sources: "input x", "state h", "weight W".
        inputs: The names of the inputs.
        vectors: The names of the weights of one dimension, as sources and in the graph.
        units: The units of each state.
    """

    def __init__(self, loops: Loops, signature: Signature, sources: list[Source]):
        self.loops, self.plan, self.sources = loops, loops.plan, sources
        self.names = [str(source) for source in sources]
        self.graph: Graph = loops.plan.graph
        self.rows, self.steps, self.dtype = signature.rows, signature.steps, signature.dtype
        self.reverse, self.ragged = signature.reverse, signature.ragged
        self.threads = signature.threads
        self.inputs = [f"input {name}" for name in self.graph.inputs]
        self.vectors = [
            (f"weight {name}", name) for name, w in self.graph.weights.items() if len(w.shape) == 1
        ]
        self._narrow = signature.narrow
        self._bits = 16 if self._narrow else BITS[self.dtype]
        # The numbers of the tasks, which are not more than these.
        self._shares = np.arange(max(self.rows, self.threads))
        self._scripts: dict[tuple, Script] = {}
        self._passes: dict[str, Pass] = {}

    # ------------------------------------------------------------ the passes

    @property
    def infer(self) -> Forward:
        """Forward that keeps nothing."""
        return self._passes.get("infer") or self._make(
            "infer", lambda: self._forward("infer", frozenset())
        )

    @property
    def train(self) -> Forward:
        """Forward that keeps what backward reads."""
        return self._passes.get("train") or self._make("train", self._train)

    @property
    def backward(self) -> Pass:
        return self._passes.get("backward") or self._make("backward", self._backward)

    def _make(self, name: str, make: Callable[[], Pass]) -> Pass:
        # A property that is cached would hold a lock of its own meanwhile, which a fork could take
        # along.
        with jit.making:
            if name not in self._passes:
                self._passes[name] = make()
            return self._passes[name]

    def _train(self) -> Forward:
        backward, wanted = self.backward, self._all
        scripts = [
            wanted.script,
            *(p.script for p in (*wanted.products.values(), *backward.products.values())),
        ]
        read = {place for script in scripts for _, place, _ in script.reads}
        read |= {
            found[0] for n in _operands(wanted.vectors, wanted.matrices) if (found := self._held(n))
        }
        read |= {b.storage for b in self.plan.backward.buffers.values()}
        return self._forward("train", read & (self._there("train") | {"kept"}))

    def _backward(self) -> Pass:
        loop, threads, tasks, when = self._run("backward")
        products = self._products(
            self.plan.before_backward, self._there("train") | {"gradient output"}
        )
        added = {f"gradient {name}" for name in self.graph.states}
        added |= {f"added {name}" for name in self.plan.added}
        shapes = self._shapes(loop.program, tasks, products, added | self._backward_streams)
        clear = {name: shape for name, shape in shapes.items() if name in added}
        others = {name: shape for name, shape in shapes.items() if name not in clear}
        scratch = self._scratch(loop, tasks, threads, products | self._all.products)
        arena = Arena(self.dtype)
        return Pass(
            loop=loop,
            threads=threads,
            tasks=tasks,
            when=when,
            products=products,
            arena=arena,
            clear=self._lay_out(arena, clear, others, scratch),
        )

    def _forward(self, kind: str, kept: frozenset[str]) -> Forward:
        loop, threads, tasks, when = self._run(kind)
        products = self._products(self.plan.before, frozenset(self.inputs))
        filled = {f"state {name}" for name in self.graph.states} | {"kept"}
        shapes = self._shapes(loop.program, tasks, products, filled | self._forward_streams)
        output = self.script((self.graph.output,), self._there(kind))
        own = (
            output.reads[0][1]
            if not output.nodes and output.reads[0][1] not in self.inputs
            else None
        )
        if own and shapes[own][-1] != self.graph.output.size.at(self.plan.sizes):
            own = None  # a product that was made before the loop, whose rows are padded
        sums = {
            place: (self.graph.weights[name].shape[0].at(self.plan.sizes),)
            for place, name in self.vectors
            if self.names.count(place) == 2
        }
        arena = Arena(self.dtype)
        arena.add_own(Region.ARGUMENT, self._arguments)
        if own:
            arena.add_own(Region.OUTPUT, {own: shapes.pop(own)})
        arena.add(Region.SAVED, {name: shapes.pop(name) for name in sorted(kept & shapes.keys())})
        clear = self._lay_out(
            arena, {}, shapes | sums, self._scratch(loop, tasks, threads, products)
        )
        bare = Pass(
            loop=loop,
            threads=threads,
            tasks=tasks,
            when=when,
            products=products,
            arena=arena,
            clear=clear,
        )
        body = self._body(bare)
        # What lies past a row's last step is not to be cleared where it is the state after that, or
        # the one that a reverse row begins with.
        part = output.reads[0][2] if own else None
        stays = part is not None and not part.start and (not self.reverse or own in self.names)
        cleared = own is not None and self.ragged and not stays
        if cleared:
            body[-1][1].append(self._clear(*self._row(output.reads[0][1:], arena)))
        streamed = frozenset(
            b.storage for b in loop.program.buffers.values() if b.rows in ("before", "after")
        )
        begin = [self._zeros(bare), *(self._initial(name, arena, streamed) for name in self.units)]
        end = [self._final(name, arena, streamed) for name in self.units]
        return Forward(
            **vars(bare),
            streamed=streamed,
            own=own,
            output=output,
            cleared=cleared,
            begin=begin,
            sums=(adding := {place: self._sum(place, arena) for place in sums}),
            body=body,
            end=end,
            stages=_stages(begin, [*adding.values()], body, end),
        )

    def _run(self, kind: str) -> tuple[Loop, int, int, Schedule | None]:
        threads, shared = self.loops.split(kind, self.rows, self.steps, self.threads)
        tasks = 1 if shared else self.rows if self.plan.ahead else threads
        loop = self.loops.loop(kind, self._bits, one_row=self.rows <= tasks, shared_units=shared)
        return (
            loop,
            threads,
            tasks,
            None if self.ragged else schedule.even(self.rows, self.steps, tasks, self.reverse),
        )

    def _scratch(
        self, loop: Loop, tasks: int, threads: int, products: Mapping[str, StepsProduct]
    ) -> dict[str, int]:
        """How many numbers a loop, and the products before and after it, need for themselves."""
        most = max((product.rows.scratch for product in products.values()), default=0)
        return loop.scratch(self.rows, tasks, threads) | {"rounded rows": self.threads * most}

    def _lay_out(
        self,
        arena: Arena,
        clear: Mapping[str, tuple[int, ...]],
        others: Mapping[str, tuple[int, ...]],
        scratch: Mapping[str, int],
    ) -> int:
        """Lay out the scratch memory, in which what is 0 at first comes first; the number of
        numbers that are.
        """
        own = {name: (size,) for name, size in scratch.items()}
        partial = {name: own.pop(name) for name in ("partial",) if name in own}
        arena.add(Region.SCRATCH, {"barrier": (LINE,)} | {**clear} | partial)
        size = arena.sizes[Region.SCRATCH]
        arena.add(Region.SCRATCH, {**others} | own)
        return size

    def _shapes(
        self,
        program: Program,
        tasks: int,
        products: Mapping[str, StepsProduct],
        filled: Collection[str],
    ) -> dict[str, tuple[int, ...]]:
        """The shapes of the products before a loop, and of the arrays that the loop fills."""
        first = {
            "token": self.steps,
            "before": self.steps + 1,
            "after": self.steps + 1,
            "old": 2,
            "new": 2,
        }
        shapes = {
            b.storage: (first[b.rows], self.rows, b.width)
            for b in program.buffers.values()
            if b.rows in first
        }
        shapes |= {
            b.storage: (tasks, b.width) for b in program.buffers.values() if b.rows == "added"
        }
        shapes = {name: shape for name, shape in shapes.items() if name in filled}
        return shapes | {
            place: (self.steps, self.rows, self.plan.width(p.node)) for place, p in products.items()
        }

    @cached_property
    def _arguments(self) -> dict[str, tuple[int, ...]]:
        """The shapes of what a call gives: inputs, the gradient of the output, and vectors."""
        units = {place: size for place, size in zip(self.inputs, self.graph.inputs.values())} | {
            "gradient output": self.graph.output.size
        }
        shapes = {
            place: (self.steps, self.rows, size.at(self.plan.sizes))
            for place, size in units.items()
        }
        return shapes | {
            place: (self.graph.weights[name].shape[0].at(self.plan.sizes),)
            for place, name in self.vectors
        }

    @cached_property
    def units(self) -> dict[str, int]:
        """The units of each state."""
        return {name: size.at(self.plan.sizes) for name, size in self.graph.states.items()}

    def _products(self, nodes: list[Node], there: frozenset[str]) -> dict[str, StepsProduct]:
        products: dict[str, StepsProduct] = {}
        for n in nodes:
            products[self.plan.stream(n)] = self._product(n, there | frozenset(products))
        return products

    def _product(self, node: Node, there: frozenset[str]) -> StepsProduct:
        sizes = self.plan.sizes
        rows = self.loops.rows(
            *node.value, node.size.at(sizes), node.args[0].size.at(sizes), self._bits
        )
        return StepsProduct(node, self.script(node.args, there), rows)

    # ------------------------------------------------------------ the jobs

    def _zeros(self, this: Pass) -> Copy:
        """Clears the beginning of the scratch memory."""
        return Copy(
            to=Relocation(Region.SCRATCH.value), source=0, bytes=this.clear * self.dtype.itemsize
        )

    def _sum(self, place: str, arena: Arena) -> Job:
        """Adds up the two tensors of a vector."""
        parts = Relocation(f"first {place}"), Relocation(f"distance {place}")
        out, (units,) = arena.address(place), arena.shape(place)
        two = _TWO.ctypes.data, len(_TWO)
        return weight_gradient.total(BITS[self.dtype], out, units, parts, two, 1)

    def _state(self, units: int) -> dict[str, Any]:
        """The rows of a state to be copied: all as one where they are in order."""
        size = units * self.dtype.itemsize
        return {"rows": self.rows, "bytes": size} if self.ragged else {"bytes": self.rows * size}

    def _initial(self, name: str, arena: Arena, streamed: frozenset[str]) -> Copy:
        """Writes an initial state into its array."""
        place, units = f"state {name}", self.units[name]
        source = Relocation(f"initial {name}") if place in self.names else 0
        to, size = arena.address(place), self.rows * units * self.dtype.itemsize
        index: dict[str, Any] = {}
        if place not in streamed:
            index = {"source_index": Relocation("order")} if self.ragged else {}
        elif self.reverse and self.ragged:
            index = {"to_index": Relocation("ends")}
        else:
            to, index = to + (self.steps * size if self.reverse else 0), {}
        return Copy(to=to, source=source, **self._state(units), **index)

    def _final(self, name: str, arena: Arena, streamed: frozenset[str]) -> Copy:
        """Copies a state after each row's last step out of its array."""
        place, units = f"state {name}", self.units[name]
        source, size = arena.address(place), self.rows * units * self.dtype.itemsize
        index: dict[str, Any]
        if place not in streamed:
            index = {"source_index": Relocation("last"), "to_index": Relocation("order")}
            if not self.ragged:
                source, index = source + self.steps % 2 * size, {}
        elif self.reverse:
            index = {}
        elif self.ragged:
            index = {"source_index": Relocation("ends")}
        else:
            source, index = source + self.steps * size, {}
        return Copy(to=Relocation(f"final {name}"), source=source, **self._state(units), **index)

    def _body(self, this: Pass) -> list[tuple[list[TorchStep], list[Job]]]:
        """The products before the loop, and the loop: a stage ends where torch has to read what the
        jobs have made.
        """
        body: list[tuple[list[TorchStep], list[Job]]] = [([], [])]
        for k, (place, product) in enumerate(this.products.items()):
            if product.script.nodes:
                if body[-1][1]:
                    body.append(([], []))
                body[-1][0].append(_argument(place, product))
            body[-1][1].append(self._job(product, this.arena, place, k))
        numbers = this.when.numbers if this.when else {}
        known = [numbers.get(name, Relocation(name)) for name in ("table", "tokens")]
        packs = [Relocation(f"pack {len(this.products) + k}") for k in range(len(this.loop.packs))]
        words = this.loop.words(
            schedule.words(self.rows, this.tasks, self.reverse, *known), this.arena.address, packs
        )
        body[-1][1].append(Job(this.loop.function, words, this.threads, waits=True))
        return body

    def _job(self, product: StepsProduct, arena: Arena, place: str, pack: int) -> Job:
        """A product for all steps at once, into an array."""
        units, rows = product.node.args[0].size.at(self.plan.sizes), product.rows
        argument: tuple[Word, int] = Relocation(f"argument {place}"), units
        if not product.script.nodes:
            argument = self._row(product.script.reads[0][1:], arena)
        words = rows.words(
            arena.address(place),
            arena.shape(place)[-1],
            *argument,
            self.steps * self.rows,
            Relocation(f"pack {pack}"),
            arena.address("rounded rows"),
        )
        made = not product.script.nodes and product.script.reads[0][1] not in self._arguments
        return Job(rows.function, words, self._many(rows.depth * rows.width), waits=made)

    def _clear(self, address: Word, width: int) -> Job:
        """Sets to 0 what is past a row's end."""
        others = Relocation("others"), Relocation("other count")
        return weight_gradient.clear(self._bits, address, width, others, self._many(width))

    def _many(self, multiply_adds: int) -> int:
        """The threads that a number of multiply-adds for each token is worth."""
        return self.threads if multiply_adds * self.steps * self.rows >= WORTH_A_THREAD else 1

    def _row(self, held: tuple[str, slice | None], arena: Arena) -> tuple[Word, int]:
        """The address of what is held for the first token, and how many numbers further it is for
        the next.
        """
        (place, part), width = held, arena.shape(held[0])[-1]
        start = part.start or 0 if part else 0
        return arena.address(place) + start * self.rows * width * self.dtype.itemsize, width

    def _list_jobs(self, found: Gradients) -> None:
        """List the jobs of a backward pass."""
        this, sizes, arena = self.backward, self.plan.sizes, found.arena
        arena.share(self.train.arena, {Region.SAVED, Region.OUTPUT})
        arena.share(this.arena, {Region.SCRATCH})
        arena.add_own(Region.ARGUMENT, self._arguments)
        arena.add_own(
            Region.ARGUMENT, {place: this.arena.shape(place) for place in found.made.values()}
        )
        arena.add_own(
            Region.ARGUMENT,
            {
                f"gradient of {name}": (self.steps, self.rows, product.rows.width)
                for name, product in found.products.items()
            },
        )
        body, after = self._body(replace(this, arena=arena)), []
        if self.ragged:
            body[-1][1].extend(
                self._clear(arena.address(place), arena.shape(place)[-1])
                for place in found.made.values()
            )
        before = sum(len(user.packs) for user in this.users)
        for k, (name, product) in enumerate(found.products.items()):
            after.append(self._job(product, arena, f"gradient of {name}", before + k))
        names = {node: name for name, node in found.operands.items()}

        def operand(node: Node) -> tuple[Word, int]:
            if node in names:
                return Relocation(names[node]), node.size.at(sizes)
            return self._row(self._held(node), arena)

        tokens = Relocation("all"), Relocation("count")
        two_by_two: dict[Node, str] = {}
        rounds, sums = [], []
        paired = self._narrow and jit.host()[0].bfloat16

        def factor(node: Node) -> tuple[Word, int]:
            if not paired:
                return operand(node)
            units = node.size.at(sizes)
            if node not in two_by_two:
                two_by_two[node] = name = f"pairs {len(two_by_two)}"
                found.paired[name] = units
                rounds.append(
                    bfloat16_pairs.pairs(
                        Relocation(name), units, operand(node), tokens, self._many(units)
                    )
                )
            return Relocation(two_by_two[node]), units

        summed = (Relocation("places"), Relocation("half")) if paired else tokens
        for name, node in found.vectors.items():
            units = node.size.at(sizes)
            out = Relocation(f"gradient of {name}")
            after.append(
                weight_gradient.total(
                    self._bits, out, units, operand(node), tokens, self._many(units)
                )
            )
        for name, place in found.added.items():
            units, out = arena.shape(place)[-1], Relocation(f"gradient of {name}")
            shares = self._shares.ctypes.data, this.tasks
            after.append(
                weight_gradient.total(
                    self._bits, out, units, (arena.address(place), units), shares, 1
                )
            )
        for name, factors in found.matrices.items():
            for k, (g, a) in enumerate(factors):
                rows, columns = g.size.at(sizes), a.size.at(sizes)
                sums.append(
                    weight_gradient.outer(
                        self._bits,
                        Relocation(f"gradient of {name}"),
                        rows,
                        columns,
                        factor(g),
                        factor(a),
                        summed,
                        self._many(rows * columns),
                        more=k > 0,
                    )
                )
        waiting = [after + rounds, sums] if rounds else [after + sums]
        after = [replace(job, waits=k == 0) for jobs in waiting for k, job in enumerate(jobs)]
        begin, end = [self._zeros(this)], []
        order = Relocation("order") if self.ragged else 0
        for name, units in self.units.items():
            to, size = arena.address(f"gradient {name}"), self._state(units)
            for turn in (0, 1):
                begin.append(
                    Copy(
                        to=to + turn * self.rows * units * self.dtype.itemsize,
                        source=Relocation(f"gradient of final {name}"),
                        source_index=order,
                        **size,
                    )
                )
            if f"state {name}" in found.states:
                end.append(
                    Copy(
                        to=Relocation(f"gradient of state {name}"),
                        source=to,
                        to_index=order,
                        **size,
                    )
                )
        last: list[Stage] = []
        step = TorchStep(script=found.script, arrays=found.operands, results=found.others)
        if found.script.nodes:
            last = [Stage([step], JobList(after) if after else None)]
        else:
            body[-1][1].extend(after)
            last = [Stage([step], None)] if found.others else []
        found.stages = _stages(begin, [], body, end) + last

    # ------------------------------------------------------------ what lies where

    @cached_property
    def _places(self) -> dict[Node, list[str]]:
        """The arrays in which each node may lie for all steps at once."""
        graph, plan, node = self.graph, self.plan, self.graph.builder.node
        places: dict[Node, list[str]] = {
            node("gradient", (), "output", graph.output.size): ["gradient output"]
        }
        places |= {
            node("input", (), name, size): [f"input {name}"] for name, size in graph.inputs.items()
        }
        places |= {
            node("state", (), name, size): [f"state {name}"] for name, size in graph.states.items()
        }
        for name, new in zip(graph.states, graph.new_states):
            if new in plan.looped:
                places.setdefault(new, []).append(f"next {name}")
        for n in (
            *plan.before,
            *plan.before_backward,
            *plan.forward_streams,
            *plan.backward_streams,
        ):
            places.setdefault(n, []).append(plan.stream(n))
        return places

    def _there(self, kind: str) -> frozenset[str]:
        """The places that are filled once a loop, "infer" or "train", has run."""
        program = getattr(self.plan, kind)
        there = {*self.inputs, *(self.plan.stream(n) for n in self.plan.before)}
        there |= program.buffers.keys() & self._forward_streams
        for name in self.graph.states:
            if any(
                b.storage == f"state {name}" and b.rows in ("before", "after")
                for b in program.buffers.values()
            ):
                there |= {f"state {name}", f"next {name}"}
        return frozenset(there)

    @cached_property
    def _done(self) -> frozenset[str]:
        """The places that are filled once the backward loop has run."""
        streams = (*self.plan.before_backward, *self.plan.backward_streams)
        return self._there("train") | {"gradient output", *map(self.plan.stream, streams)}

    def _held(self, node: Node) -> tuple[str, slice | None] | None:
        """The array and its part that hold a node once the backward loop has run."""
        place = next((place for place in self._places.get(node, ()) if place in self._done), None)
        return self._part(place) if place else None

    def _part(self, place: str) -> tuple[str, slice | None]:
        """The array of a place, and which of its T + 1 steps are meant where it is a state's."""
        return self._steps_of.get(place, (place, None))

    @cached_property
    def _steps_of(self) -> dict[str, tuple[str, slice]]:
        """For a state before, and after, each step: its array, and the part of the steps there."""
        before, after = slice(0, -1), slice(1, None)
        if self.reverse:
            before, after = after, before
        places = {}
        for name in self.graph.states:
            places[f"state {name}"] = f"state {name}", before
            places[f"next {name}"] = f"state {name}", after
        return places

    @cached_property
    def _forward_streams(self) -> frozenset[str]:
        """The arrays that a forward loop fills for all steps, besides those of states."""
        return frozenset(map(self.plan.stream, self.plan.forward_streams))

    @cached_property
    def _backward_streams(self) -> frozenset[str]:
        """The arrays that the backward loop fills for all steps."""
        return frozenset(map(self.plan.stream, self.plan.backward_streams))

    # ---------------------------------------- what torch computes, and what is asked for

    def script(self, targets: Iterable[Node], there: frozenset[str]) -> Script:
        """How to compute nodes from what lies there."""
        key = tuple(targets), there
        if key not in self._scripts:
            lies = {
                n: place
                for n, places in self._places.items()
                if (place := next((place for place in places if place in there), None))
            }
            nodes = walk(key[0], ends=lies)
            self._scripts[key] = Script(
                [(n, *self._part(lies[n])) for n in nodes if n in lies],
                [n for n in nodes if n not in lies],
            )
        return self._scripts[key]

    def gradients(self, needs: tuple[bool, ...]) -> Gradients:
        """How to get the gradients of those tensors that need one."""
        with jit.making:
            found = self._gradients(needs)
            self._list_jobs(found)
        return found

    @cached_property
    def _all(self) -> Gradients:
        """All gradients, without the jobs."""
        return self._gradients((True,) * len(self.names))

    def _gradients(self, needs: tuple[bool, ...]) -> Gradients:
        derived, sizes, found = (
            self.plan.derived,
            self.plan.sizes,
            Gradients(arena=Arena(self.dtype)),
        )
        for source in dict.fromkeys(s for s, need in zip(self.sources, needs) if need):
            kind, name, full = source.kind, source.name, str(source)
            if kind is Kind.INPUT and name in self.plan.graph.given:
                continue
            if kind is Kind.INPUT:
                node = derived.inputs[name]
                held = self._held(node)
                place = held[0] if held else None
                if place in self._backward_streams and place not in found.made.values():
                    found.made[full] = place
                elif node.op == "product" and not held and self._held(node.args[0]):
                    found.products[full] = self._product(node, self._done)
                else:
                    found.others[full] = node
            elif kind is Kind.STATE:
                found.states[full] = f"gradient {name}"
            elif name in self.plan.added:
                found.added[full] = f"added {name}"
                found.shapes[full] = (self.plan.added[name].size.at(sizes),)
            elif name in derived.vectors:
                found.vectors[full] = derived.vectors[name]
            else:
                found.matrices[full] = derived.products[name]
        loose = dict.fromkeys(
            n for n in _operands(found.vectors, found.matrices) if not self._held(n)
        )
        found.script = self.script([*found.others.values(), *loose], self._done)
        found.operands = {f"operand {k}": n for k, n in enumerate(loose)}
        found.shapes |= {name: (node.size.at(sizes),) for name, node in found.vectors.items()}
        found.shapes |= {
            name: tuple(n.size.at(sizes) for n in pairs[0])
            for name, pairs in found.matrices.items()
        }
        return found


def _stages(
    begin: list[Copy],
    sums: list[Job],
    body: list[tuple[list[TorchStep], list[Job]]],
    end: list[Copy],
) -> list[Stage]:
    """All stages of a pass, with what comes before and after its body."""
    lists = [[*jobs] for _, jobs in body]
    lists[0][:0] = copies.job(begin, waits=False), *sums
    if end:
        lists[-1].append(copies.job(end, waits=True))
    return [Stage(steps, JobList(jobs)) for (steps, _), jobs in zip(body, lists)]


def _argument(place: str, product: StepsProduct) -> TorchStep:
    """Computes the argument of a product."""
    return TorchStep(script=product.script, arrays={f"argument {place}": product.node.args[0]})


def _operands(vectors, matrices) -> Iterator[Node]:
    yield from vectors.values()
    yield from (n for pairs in matrices.values() for pair in pairs for n in pair)
