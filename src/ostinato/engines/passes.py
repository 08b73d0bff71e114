"""What a cell's passes over sequences of one shape are, known from the shapes alone: what runs,
where its arrays lie, what comes of it.

Each pass, forward or backward, has one block of memory in which its arrays have their places;
forward has another one for what backward reads. Work that no kernel does is left to torch, as
scripts. Outside the loops a value is (T, B, units).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from ..compiler.plan import Program
from ..language.graph import Graph, Node, walk
from . import schedule
from .kernels import bfloat16_pairs, jit, weight_gradient
from .kernels.job_list import WORTH_A_THREAD, Bases, Job, Work
from .kernels.row_product import Rows
from .loops import Loop, Loops
from .schedule import Schedule

BITS = {torch.float32: 32, torch.float64: 64}
# Numbers of which an array's place in a block is a multiple: a cache line's.
LINE = 16


@dataclass(frozen=True)
class Script:
    """Work that torch does: what it reads (a node, its array, and the part of it), and the nodes to
    compute, in order.
    """

    reads: list[tuple[Node, str, slice | None]]
    nodes: list[Node]


@dataclass(frozen=True)
class Product:
    """A product for all steps at once: its node, how to get its argument, and the code."""

    node: Node
    script: Script
    rows: Rows


@dataclass(frozen=True)
class Block:
    """Memory for several arrays: where each begins, in numbers, and how many numbers it has."""

    places: dict[str, int]
    size: int

    @classmethod
    def of(cls, sizes: Mapping[str, int]) -> "Block":
        places, size = {}, 0
        for name, count in sizes.items():
            places[name] = size
            size += -(-count // LINE) * LINE
        return cls(places, size)


@dataclass(frozen=True)
class Pass:
    """A loop as one shape runs it.

    Attributes:
        loop: The loop.
        threads: How many run it.
        tasks: In how many shares the rows are.
        when: Who runs what, where all rows are equally long.
        products: The products before the loop, by array.
        shapes: Those of all arrays that it fills.
        block: What is needed during the pass alone.
        clear: How many of its numbers, the first ones, are to be 0.
        kept: What backward reads.
    """

    loop: Loop
    threads: int
    tasks: int
    when: Schedule | None
    products: dict[str, Product]
    shapes: dict[str, tuple[int, ...]]
    block: Block
    clear: int
    kept: Block = Block({}, 0)

    @property
    def users(self) -> list[Loop | Rows]:
        """Those who want packed matrices, in the order of their jobs."""
        return [*(product.rows for product in self.products.values()), self.loop]


@dataclass(frozen=True)
class Stage:
    """Jobs that run at once, and the products among them whose arguments torch works out before, by
    array.
    """

    arguments: dict[str, Product]
    work: Work


@dataclass(frozen=True)
class Forward(Pass):
    """A forward pass.

    Attributes:
        streamed: The states whose arrays have all T + 1 steps; the others' have two, in turn.
        own: The array, if any, whose part is the cell's output; it has memory of its own.
        output: How to get the output.
        cleared: Past a row's end it is 0.
        stages: The jobs.
    """

    streamed: frozenset[str] = frozenset()
    own: str | None = None
    output: Script | None = None
    cleared: bool = False
    stages: list[Stage] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """The gradients asked for, by name, and how to get each.

    Attributes:
        made: Of inputs that the loop makes: its array.
        products: Of inputs that are products of what the loop has made.
        matrices: Pairs each, whose outer products add up to it.
        vectors: What adds up to it.
        added: The array in which the loop has added it up, by task.
        states: The array that has it.
        others: The nodes of inputs that torch works out.
        script: Computes the nodes of `others`, and those of `operands`.
        operands: Nodes of `matrices` and `vectors` that are in no array, by the name that they are
            given.
        stages: The jobs: all of them, or where the script has nodes those before it.
        after: Those after it.
        shapes: Those of the gradients of `matrices`, `vectors` and `added`.
        paired: Arrays of tokens two by two, for products of bfloat16, and their units.
    """

    made: dict[str, str]
    products: dict[str, Product]
    matrices: dict[str, list[tuple[Node, Node]]]
    vectors: dict[str, Node]
    added: dict[str, str]
    states: dict[str, str]
    others: dict[str, Node]
    script: Script
    operands: dict[str, Node]
    stages: list[Stage]
    after: list[Work]
    shapes: dict[str, tuple[int, ...]]
    paired: dict[str, int] = field(default_factory=dict)


class Passes:
    """The passes of a cell over sequences of one shape.

    Args:
        loops: The cell at its sizes.
        rows: B.
        steps: T.
        dtype: Of everything.
        names: What each tensor is that may need a gradient, or is a part of: "input x", "state h",
            "weight W".
        reverse: Go from each row's last valid step to its first.
        ragged: Rows may end early.
        threads: How many may run.
        narrow: The factors of products are rounded to bfloat16.
    """

    def __init__(
        self,
        loops: Loops,
        rows: int,
        steps: int,
        dtype: torch.dtype,
        names: list[str],
        *,
        reverse: bool,
        ragged: bool,
        threads: int,
        narrow: bool,
    ):
        self.loops, self.plan, self.names = loops, loops.plan, names
        self.graph: Graph = loops.plan.graph
        self.rows, self.steps, self.dtype = rows, steps, dtype
        self.reverse, self.ragged, self.threads = reverse, ragged, threads
        self.inputs = [f"input {name}" for name in self.graph.inputs]
        self.vectors = [
            (f"weight {name}", name) for name, w in self.graph.weights.items() if len(w.shape) == 1
        ]
        self._bits, self._narrow = 16 if narrow else BITS[dtype], narrow
        # The numbers of the tasks, which are at most so many.
        self._shares = np.arange(max(rows, threads))
        self._scripts: dict[tuple, Script] = {}
        self._asked: dict[tuple[bool, ...], Wanted] = {}
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
        shapes = self._shapes(
            loop.program, tasks, products, ("gradient ", "added ", "backward ", "before_backward ")
        )
        # a product before the loop may be all that reads it
        shapes.pop("gradient output", None)
        clear = {
            name: math.prod(shape)
            for name, shape in shapes.items()
            if name.startswith(("gradient ", "added "))
        }
        sizes = {name: math.prod(shape) for name, shape in shapes.items() if name not in clear}
        scratch = self._scratch(loop, tasks, threads, products | self._all.products)
        return Pass(
            loop, threads, tasks, when, products, shapes, *self._block(clear, sizes, scratch)
        )

    def _forward(self, kind: str, kept: frozenset[str]) -> Forward:
        loop, threads, tasks, when = self._run(kind)
        products = self._products(self.plan.before, frozenset(self.inputs))
        shapes = self._shapes(
            loop.program, tasks, products, ("before ", "state ", "forward ", "kept")
        )
        output = self.script((self.graph.output,), self._there(kind))
        own = (
            output.reads[0][1]
            if not output.nodes and output.reads[0][1] not in self.inputs
            else None
        )
        if own and shapes[own][-1] != self.graph.output.size.at(self.plan.sizes):
            own = None  # a product that was made before the loop, whose rows are padded
        sizes = {name: math.prod(shape) for name, shape in shapes.items() if name != own}
        held = Block.of({name: sizes.pop(name) for name in sorted(kept & sizes.keys())})
        block, clear = self._block({}, sizes, self._scratch(loop, tasks, threads, products))
        streamed = frozenset(
            b.storage for b in loop.program.buffers.values() if b.rows in ("before", "after")
        )
        bare = Pass(loop, threads, tasks, when, products, shapes, block, clear, held)
        bases = Bases()
        at = self._addresses(bases, bare, own)
        stages = self._stages(bases, bare, at, self._given | shapes)
        # What lies past a row's last step is not to be cleared where it is the state after that, or
        # the one that a reverse row begins with.
        part = output.reads[0][2] if own else None
        stays = part is not None and not part.start and (not self.reverse or own in self.names)
        cleared = own is not None and self.ragged and not stays
        if cleared:
            place, width = self._row(output.reads[0][1:], at, shapes)
            stages[-1][1].append(self._clear(bases, place, width))
        stages = [Stage(arguments, Work(jobs, bases)) for arguments, jobs in stages]
        return Forward(
            loop,
            threads,
            tasks,
            when,
            products,
            shapes,
            block,
            clear,
            held,
            streamed,
            own,
            output,
            cleared,
            stages,
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
        self, loop: Loop, tasks: int, threads: int, products: Mapping[str, Product]
    ) -> dict[str, int]:
        """How many numbers a loop, and the products before and after it, need for themselves."""
        most = max((product.rows.scratch for product in products.values()), default=0)
        return loop.scratch(self.rows, tasks, threads) | {"rounded rows": self.threads * most}

    def _block(
        self, clear: dict[str, int], sizes: dict[str, int], scratch: dict[str, int]
    ) -> tuple[Block, int]:
        """The block, in which comes first what is 0 at first; and how many numbers that is."""
        clear = (
            {"barrier": LINE}
            | clear
            | {name: size for name, size in scratch.items() if name == "partial"}
        )
        return Block.of(
            clear | sizes | {name: size for name, size in scratch.items() if name not in clear}
        ), Block.of(clear).size

    def _shapes(
        self, program: Program, tasks: int, products: Mapping[str, Product], kinds: tuple[str, ...]
    ) -> dict[str, tuple[int, ...]]:
        """Those of the arrays of some kinds."""
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
        shapes |= {
            place: (self.steps, self.rows, self.plan.width(p.node)) for place, p in products.items()
        }
        return {name: shape for name, shape in shapes.items() if name.startswith(kinds)}

    @cached_property
    def _given(self) -> dict[str, tuple[int, ...]]:
        """The shapes of what is given."""
        units = {place: size for place, size in zip(self.inputs, self.graph.inputs.values())} | {
            "gradient output": self.graph.output.size
        }
        return {
            place: (self.steps, self.rows, size.at(self.plan.sizes))
            for place, size in units.items()
        }

    def _products(self, nodes: list[Node], there: frozenset[str]) -> dict[str, Product]:
        products = {}
        for n in nodes:
            products[self.plan.stream(n)] = self._product(n, there | frozenset(products))
        return products

    def _product(self, node: Node, there: frozenset[str]) -> Product:
        sizes = self.plan.sizes
        rows = self.loops.rows(
            *node.value, node.size.at(sizes), node.args[0].size.at(sizes), self._bits
        )
        return Product(node, self.script(node.args, there), rows)

    # ------------------------------------------------------------ the jobs

    def _addresses(
        self, bases: Bases, this: Pass, own: str | None, made: Iterable[str] = ()
    ) -> dict[str, int]:
        """Where all arrays will lie: those of the blocks, what is given, and those that have memory
        of their own.
        """
        at = {
            place: bases[place]
            for place in (*self.inputs, *(place for place, _ in self.vectors), "gradient output")
        }
        for name, block in (("block", this.block), ("kept", this.kept)):
            at |= {
                place: bases[name] + start * self.dtype.itemsize
                for place, start in block.places.items()
            }
        return at | {place: bases[place] for place in (*made, *([own] if own else ()))}

    def _stages(
        self, bases: Bases, this: Pass, at: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
    ) -> list[tuple[dict, list[Job]]]:
        """The products before the loop, and the loop: a stage ends where torch has to read what the
        jobs have made.
        """
        stages: list[tuple[dict[str, Product], list[Job]]] = [({}, [])]
        for k, (place, product) in enumerate(this.products.items()):
            if product.script.nodes:
                if stages[-1][1]:
                    stages.append(({}, []))
                stages[-1][0][place] = product
            stages[-1][1].append(self._job(product, bases, at, shapes, place, k))
        known = (
            (this.when.table, this.when.tokens) if this.when else (bases["table"], bases["tokens"])
        )
        packs = [bases[f"pack {len(this.products) + k}"] for k in range(len(this.loop.packs))]
        words = this.loop.words(
            schedule.words(self.rows, this.tasks, self.reverse, *known), at, packs
        )
        stages[-1][1].append(
            Job(this.loop.function, words, this.threads, waits=bool(stages[-1][1]))
        )
        return stages

    def _job(self, product: Product, bases: Bases, at, shapes, place: str, pack: int) -> Job:
        """A product for all steps at once, into an array."""
        units, rows = product.node.args[0].size.at(self.plan.sizes), product.rows
        argument = bases[f"argument {place}"], units
        if not product.script.nodes:
            argument = self._row(product.script.reads[0][1:], at, shapes)
        words = rows.words(
            at[place],
            shapes[place][-1],
            *argument,
            self.steps * self.rows,
            bases[f"pack {pack}"],
            at["rounded rows"],
        )
        made = not product.script.nodes and product.script.reads[0][1] not in self._given
        return Job(rows.function, words, self._many(rows.depth * rows.width), waits=made)

    def _clear(self, bases: Bases, place: int, width: int) -> Job:
        """Sets to 0 what is past a row's end."""
        return weight_gradient.clear(
            self._bits, place, width, (bases["others"], bases["other count"]), self._many(width)
        )

    def _many(self, multiply_adds: int) -> int:
        """The threads that so many multiply-adds for a token are worth."""
        return self.threads if multiply_adds * self.steps * self.rows >= WORTH_A_THREAD else 1

    def _row(self, held: tuple[str, slice | None], at, shapes) -> tuple[int, int]:
        """The address of what is held for the first token, and how many numbers further it is for
        the next.
        """
        (place, part), width = held, shapes[held[0]][-1]
        return at[place] + (
            part.start or 0 if part else 0
        ) * self.rows * width * self.dtype.itemsize, width

    def _finish(self, wanted: Wanted):
        """List the jobs of a backward pass."""
        this, forward, bases, sizes = self.backward, self.train, Bases(), self.plan.sizes
        ends = {
            place: (self.steps, self.rows, product.rows.width)
            for place, product in wanted.products.items()
        }
        shapes = self._given | forward.shapes | this.shapes | ends
        at = self._addresses(bases, this, forward.own, [*wanted.made.values(), *ends])
        at |= {
            place: bases["kept"] + start * self.dtype.itemsize
            for place, start in forward.kept.places.items()
        }
        stages, after = self._stages(bases, this, at, shapes), []
        if self.ragged:
            stages[-1][1].extend(
                self._clear(bases, at[place], this.shapes[place][-1])
                for place in wanted.made.values()
            )
        for place, product in wanted.products.items():
            after.append(
                self._job(
                    product,
                    bases,
                    at,
                    shapes,
                    place,
                    sum(len(user.packs) for user in this.users) + len(after),
                )
            )
        names = {node: name for name, node in wanted.operands.items()}

        def operand(node: Node) -> tuple[int, int]:
            return (
                (bases[names[node]], node.size.at(sizes))
                if node in names
                else self._row(self._held(node), at, shapes)
            )

        tokens, two_by_two, rounds, sums = (bases["all"], bases["count"]), {}, [], []
        paired = self._narrow and jit.host()[0].bfloat16

        def factor(node: Node) -> tuple[int, int]:
            if not paired:
                return operand(node)
            units = node.size.at(sizes)
            if node not in two_by_two:
                two_by_two[node] = name = f"pairs {len(two_by_two)}"
                wanted.paired[name] = units
                rounds.append(
                    bfloat16_pairs.pairs(
                        bases[name], units, operand(node), tokens, self._many(units)
                    )
                )
            return bases[two_by_two[node]], units

        summed = (bases["places"], bases["half"]) if paired else tokens
        for name, node in wanted.vectors.items():
            units = node.size.at(sizes)
            after.append(
                weight_gradient.total(
                    self._bits,
                    bases[f"gradient of {name}"],
                    units,
                    operand(node),
                    tokens,
                    self._many(units),
                )
            )
        for name, place in wanted.added.items():
            units = this.shapes[place][-1]
            shares = self._shares.ctypes.data, this.tasks
            after.append(
                weight_gradient.total(
                    self._bits, bases[f"gradient of {name}"], units, (at[place], units), shares, 1
                )
            )
        for name, factors in wanted.matrices.items():
            for k, (g, a) in enumerate(factors):
                rows, columns = g.size.at(sizes), a.size.at(sizes)
                threads = self._many(rows * columns)
                found = bases[f"gradient of {name}"]
                sums.append(
                    weight_gradient.outer(
                        self._bits,
                        found,
                        rows,
                        columns,
                        factor(g),
                        factor(a),
                        summed,
                        threads,
                        more=k > 0,
                    )
                )
        waiting = [after + rounds, sums] if rounds else [after + sums]
        after = [replace(job, waits=k == 0) for jobs in waiting for k, job in enumerate(jobs)]
        if wanted.script.nodes:
            wanted.after.extend([Work(after, bases)] if after else [])
        else:
            stages[-1][1].extend(after)
        wanted.stages.extend(Stage(arguments, Work(jobs, bases)) for arguments, jobs in stages)

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
        there |= {name for name in program.buffers if name.startswith("forward ")}
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
        kind, _, name = place.partition(" ")
        if kind not in ("state", "next"):
            return place, None
        return f"state {name}", slice(1, None) if (kind == "next") != self.reverse else slice(0, -1)

    # ---------------------------------------- what torch works out, and what is wanted

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

    def wanted(self, needs: tuple[bool, ...]) -> Wanted:
        """How to get the gradients of those tensors that need one."""
        if needs not in self._asked:
            with jit.making:
                found = self._wanted(needs)
                self._finish(found)
                self._asked[needs] = found
        return self._asked[needs]

    @cached_property
    def _all(self) -> Wanted:
        """All gradients, without the jobs."""
        return self._wanted((True,) * len(self.names))

    def _wanted(self, needs: tuple[bool, ...]) -> Wanted:
        derived = self.plan.derived
        made, products, matrices, vectors, added, states, others, shapes = (
            {},
            {},
            {},
            {},
            {},
            {},
            {},
            {},
        )
        for full in dict.fromkeys(name for name, need in zip(self.names, needs) if need):
            kind, _, name = full.partition(" ")
            if kind == "input" and name in self.plan.graph.given:
                continue
            if kind == "input":
                node = derived.inputs[name]
                held = self._held(node)
                if held and held[0].startswith("backward ") and held[0] not in made.values():
                    made[full] = held[0]
                elif node.op == "product" and not held and self._held(node.args[0]):
                    products[f"d {full}"] = self._product(node, self._done)
                else:
                    others[full] = node
            elif kind == "state":
                states[full] = f"gradient {name}"
            elif name in self.plan.added:
                added[full] = f"added {name}"
                shapes[full] = (self.plan.added[name].size.at(self.plan.sizes),)
            elif name in derived.vectors:
                vectors[full] = derived.vectors[name]
            else:
                matrices[full] = derived.products[name]
        loose = dict.fromkeys(n for n in _operands(vectors, matrices) if not self._held(n))
        script = self.script([*others.values(), *loose], self._done)
        operands = {f"operand {k}": n for k, n in enumerate(loose)}
        shapes |= {name: (node.size.at(self.plan.sizes),) for name, node in vectors.items()}
        shapes |= {
            name: tuple(n.size.at(self.plan.sizes) for n in pairs[0])
            for name, pairs in matrices.items()
        }
        return Wanted(
            made,
            products,
            matrices,
            vectors,
            added,
            states,
            others,
            script,
            operands,
            [],
            [],
            shapes,
        )


def _operands(vectors, matrices) -> Iterator[Node]:
    yield from vectors.values()
    yield from (n for pairs in matrices.values() for pair in pairs for n in pair)
