"""Private: a plan as text: what runs before, in and after the time loop, in which phases, what is
kept for backward, and what each part costs.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Integral

import torch

from ..compiler.plan import Group, Plan, Program, Value
from ..errors import InputError, SizeError
from ..language.equations import ATOM, Page, Text
from ..language.graph import Graph, Node
from .loops import WORTH_A_CALL, multiply_adds
from .passes import BITS

WIDTH = 80
HEAD = (
    f"{'':<27} {'multiply-adds':>13} {'weight bytes':>12} {'bytes read':>11} {'bytes written':>13}"
)
ROW = "{:<27} {:>13,} {:>12,} {:>11,} {:>13,}"


@dataclass
class Part:
    """One part of the work.

    Attributes:
        title: Where it runs.
        multiply_adds: Of its products.
        weights: Numbers of weights that it reads.
        read: Numbers of arrays that it reads.
        written: Numbers of arrays that it writes; the gradient of a weight, written once for all
            steps, is not counted unless the loop adds it up.
        multiplies: Its products.
        makes: Its results.
    """

    title: str
    multiply_adds: int = 0
    weights: int = 0
    read: int = 0
    written: int = 0
    multiplies: list[str] = field(default_factory=list)
    makes: list[str] = field(default_factory=list)

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """Its numbers, in the order of the columns."""
        return self.multiply_adds, self.weights, self.read, self.written


def plan_text(graph: Graph, sizes: Mapping[str, int], *, dtype: torch.dtype = torch.float32) -> str:
    """The CPU engine's plan of a cell, as a person reads it; see `Cell.plan`.

    Args:
        graph: A cell's step.
        sizes: What each letter stands for, whole numbers above 0.
        dtype: torch.float32 or torch.float64.

    Raises:
        SizeError: A letter is missing or too many, or is not a whole number above 0.
        InputError: The engine has no such dtype.

    Example:
        >>> from ostinato.cells import elman
        >>> print(plan_text(elman.graph, {"I": 3, "H": 2}).splitlines()[0])
        elman, H=2, I=3, torch.float32: one step of one row
    """
    _check(graph, sizes, dtype)
    plan, each = Plan(graph, sizes), dtype.itemsize
    report = Report(plan)
    letters = ", ".join(f"{letter}={units}" for letter, units in sorted(sizes.items()))
    page = [
        *textwrap.wrap(
            f"{graph.name}, {letters}, {dtype}: one step of one row", 80, subsequent_indent="  "
        ),
        "weights are read once for all rows, and outside the loop once for all steps",
    ]
    if graph.is_linear:
        page.append("linear in the state: the coefficients are made of inputs and weights alone")
    if plan.before or plan.before_backward or plan.late or plan.late_backward:
        least = math.ceil(WORTH_A_CALL / max(1, multiply_adds(graph, sizes)))
        steps = f", {least:,} or more steps" if least > 1 else ""
        page.append(f"for one row a thread{steps}; others have all products in the loop")
    page.append(HEAD)
    for name, parts in (("forward", report.forward), ("backward", report.backward)):
        page.append(name)
        total = Part(
            "  in all", *(sum(numbers) for numbers in zip(*(part.figures for part in parts)))
        )
        for part in [*parts, total]:
            products, *numbers = part.figures
            page.append(ROW.format(part.title, products, *(n * each for n in numbers)))
            page += _listed("    multiplies ", part.multiplies) + _listed("    makes ", part.makes)
        if name == "forward":
            page.append(
                f"  kept for backward: {sum(count for _, count in report.kept) * each:,} bytes"
            )
            page += _listed("    ", [f"{what} {count * each:,}" for what, count in report.kept])
    return "\n".join(page)


def _listed(verb: str, what: Iterable[str]) -> list[str]:
    # Only the commas of the list may end a line.
    text = ", ".join(item.replace(" ", "\0") for item in what)
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=verb,
        subsequent_indent=" " * len(verb),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def _check(graph: Graph, sizes: Mapping[str, int], dtype):
    wanted = sorted(graph.letters | graph.output.size.letters)
    if not isinstance(sizes, Mapping) or sorted(sizes) != wanted:
        known = sizes if isinstance(sizes, Mapping) else {}
        example = ", ".join(f'"{letter}": {known.get(letter, 8)!r}' for letter in wanted)
        raise SizeError(
            f"cell {graph.name!r} was given the sizes {sizes!r}; its letters are "
            f"{', '.join(wanted)}: write {{{example}}}"
        )
    for letter, units in sizes.items():
        if not isinstance(units, Integral) or isinstance(units, bool) or units < 1:
            raise SizeError(
                f"cell {graph.name!r} was given {letter}={units!r}: write a whole number above 0"
            )
    graph.check_units(sizes)
    if dtype not in BITS:
        raise InputError(
            f"dtype={dtype!r}: the plan is the CPU engine's; write {' or '.join(map(str, BITS))}"
        )


class Report:
    """The work of a plan for one step of one row of the batch in training, with all gradients.

    Args:
        plan: The plan.

    Attributes:
        forward, backward: What runs before the loop, each of the loop's phases, and what runs after
            it; without those that do nothing.
        kept: What forward keeps for backward, and how many numbers that is.
    """

    def __init__(self, plan: Plan):
        self.plan, graph = plan, plan.graph
        self.graph = graph
        self._page, self._forward = Page(graph, Text()), set(plan.forward_nodes)
        self._size = {n: n.size.at(plan.sizes) for n in (*plan.forward_nodes, *plan.backward_nodes)}
        backward = plan.backward
        self._gradients = self._name_gradients()
        self._names = self._name_values()

        there = {f"input {name}" for name in graph.inputs}
        before, _ = self._outside("before", plan.before, there)
        storages = {
            b.storage for b in plan.train.buffers.values() if b.rows in ("token", "before", "after")
        }
        there |= {plan.stream(n) for n in plan.before} | {
            name for name in storages if name.startswith(("forward ", "state "))
        }
        after, _ = self._outside(
            "after", [graph.output], there, makes=[self._page.write(graph.output)]
        )
        self.forward = [
            p for p in (before, *self._loop(plan.train), after) if p.multiply_adds or p.written
        ]
        left = {place: n.size.at(plan.sizes) for n, place in self._held(there).items()}

        there.add("gradient output")
        before, reads = self._outside("before", plan.before_backward, there)
        after, more = self._after(
            there | {plan.stream(n) for n in (*plan.before_backward, *plan.backward_streams)}
        )
        self.backward = [
            p for p in (before, *self._loop(backward), after) if p.multiply_adds or p.written
        ]

        reads = reads | more | {b.storage for b in backward.buffers.values()}
        self.kept = [
            (self._buffer(place), width) for place, width in left.items() if place in reads
        ]
        self.kept += [(self._value(v), v.size) for v in plan.kept]

    # ------------------------------------------------------------ names

    def _name_gradients(self) -> dict[Node, str]:
        """Gradients by what they are of; that of a sum's term is the sum's."""
        derived, names, users = self.plan.derived, {}, {}
        for n in self.plan.forward_nodes:
            for a in n.args:
                users.setdefault(a, []).append(n)
        ends = {self.graph.output, *self.graph.new_states}
        for n in self.plan.forward_nodes:
            if n.op == "product":
                (arg,), (name, transposed) = n.args, n.value
                pairs = [
                    pair[::-1] if transposed else pair for pair in derived.products.get(name, [])
                ]
                while (
                    n not in ends
                    and len(users[n]) == 1
                    and users[n][0].op == "add"
                    and users[n][0].size == n.size
                ):
                    (n,) = users[n]
                names |= {g: f"d{self._page.write(n, ATOM)}" for g, a in pairs if a is arg}
        others = {f"d{name}": n for name, n in derived.vectors.items()} | {
            f"d{name}_t": n for name, n in derived.inputs.items()
        }
        return {n: name for name, n in others.items()} | names

    def _name_values(self) -> dict[Value, str]:
        """The forward values by the equations' names for them, or by the parts of these."""
        names: dict[Value, str] = {}
        for n in sorted(self.plan.forward_nodes, key=lambda n: n not in self._page.lines):
            parts, cuts = self.plan.segments(n), self.plan.cuts[n]
            for v, start, stop in zip(parts, cuts, cuts[1:]):
                names.setdefault(
                    v,
                    self._page.write(n)
                    if len(parts) == 1
                    else f"{self._page.write(n, ATOM)}[{start}:{stop}]",
                )
        return names

    def _value(self, v: Value) -> str:
        return self._names[v]

    def _buffer(self, name: str) -> str:
        """The name of a buffer for a reader."""
        kind, _, which = name.partition(" ")
        match kind:
            case "input" | "state" | "next":
                return f"{which}_t"
            case "earlier":
                return f"d{which}_{{t-1}}"
            case "added":
                return f"d{which}"
            case "before":
                return self._page.write(self.plan.before[int(which)])
            case "forward":
                return self._page.write(self.plan.forward_streams[int(which)])
            case "backward":
                return self._gradients.get(self.plan.backward_streams[int(which)], "a gradient")
        return "what later phases need"

    def _products(self, nodes: Iterable[Node]) -> list[str]:
        """Products as they stand in the equations; in the backward graph, of gradients."""
        return [
            self._page.write(n, named=False)
            if n in self._forward
            else self._page.style.product(*n.value, self._gradients[n.args[0]])
            for n in nodes
        ]

    # ------------------------------------------------------------ outside the loop

    def _outside(
        self, when: str, targets: Iterable[Node], there: set[str], makes: Iterable[str] = ()
    ) -> tuple[Part, set[str]]:
        """The part that makes nodes of the arrays that lie there, and which of these it reads."""
        held = self._held(there)
        targets = list(dict.fromkeys(targets))
        seen, stack = set(), targets[:]
        while stack:
            n = stack.pop()
            if n not in seen:
                seen.add(n)
                stack += () if n in held else n.args
        reads = [n for n in seen if n in held]
        products = [n for n in self._size if n in seen and n not in held and n.op == "product"]
        weights = {
            n.value[0] if n.op == "product" else n.value
            for n in seen
            if n in products or n.op == "weight"
        }
        sizes = [
            math.prod(size.at(self.plan.sizes) for size in self.graph.weights[name].shape)
            for name in weights
        ]
        part = Part(
            f"  {when} the loop",
            sum(self._size[n] * self._size[n.args[0]] for n in products),
            sum(sizes),
            sum(self._size[n] for n in reads),
            sum(self._size[n] for n in targets if n not in held),
            self._products(products),
            list(makes),
        )
        return part, {held[n] for n in reads}

    def _after(self, there: set[str]) -> tuple[Part, set[str]]:
        """The work after the backward loop: the gradients of inputs and weights."""
        derived, inputs = self.plan.derived, self.plan.derived.inputs
        pairs = [pair for pairs in derived.products.values() for pair in pairs]
        vectors = {name: n for name, n in derived.vectors.items() if name not in self.plan.added}
        makes = [
            *(f"d{name}_t" for name in inputs),
            *(f"d{name}" for name in (*derived.products, *vectors)),
        ]
        part, reads = self._outside(
            "after",
            [*inputs.values(), *(n for pair in pairs for n in pair), *vectors.values()],
            there,
            makes,
        )
        part.multiply_adds += sum(self._size[g] * self._size[a] for g, a in pairs)
        return part, reads

    def _held(self, there: set[str]) -> dict[Node, str]:
        """The nodes that lie in these arrays for all steps at once, and where."""
        graph, plan, node = self.graph, self.plan, self.graph.builder.node
        places = [(node("gradient", (), "output", graph.output.size), "gradient output")]
        places += [
            (node("input", (), name, size), f"input {name}") for name, size in graph.inputs.items()
        ]
        places += [
            (node("state", (), name, size), f"state {name}") for name, size in graph.states.items()
        ]
        places += [
            (new, f"state {name}")
            for name, new in zip(graph.states, graph.new_states)
            if new in plan.looped
        ]
        places += [
            (n, plan.stream(n))
            for n in (
                *plan.before,
                *plan.before_backward,
                *plan.forward_streams,
                *plan.backward_streams,
            )
        ]
        held: dict[Node, str] = {}
        for n, place in places:
            if place in there:
                held.setdefault(n, place)
        return held

    # ------------------------------------------------------------ in the loop

    def _loop(self, program: Program) -> list[Part]:
        """The phases of a loop."""
        backward = program is self.plan.backward
        nodes = [
            n
            for n in (self.plan.backward_nodes if backward else self.plan.forward_nodes)
            if n.op == "product"
        ]
        recalled = self.plan.recalled if backward else {}
        uses = [(n, {recalled.get(v, v) for v in self.plan.segments(n.args[0])}) for n in nodes]
        parts = []
        for k in range(program.phases):
            groups = [g for g in program.groups if g.level == k]
            part = Part(
                "  in the loop"
                + (f", phase {k + 1} of {program.phases}" if program.phases > 1 else "")
            )
            made = [
                (a, ref[:2]) for g in groups for v in g.products for a, ref in zip(v.args, v.ref)
            ]
            part.multiplies = self._products(
                n for n, args in uses if any(a in args and ref == n.value for a, ref in made)
            )
            self._count(part, groups, program)
            self._say(part, groups, program)
            parts.append(part)
        return parts

    def _count(self, part: Part, groups: list[Group], program: Program):
        """Count a phase's multiply-adds, and what it reads and writes, each place once."""
        reads: dict[tuple[str, int], int] = {}
        blocks: dict[tuple, int] = {}
        for g in groups:
            for v in g.products:
                for a, ref in zip(v.args, v.ref):
                    part.multiply_adds += v.size * a.size
                    blocks[ref] = v.size * a.size
                    reads[program.row(a)] = a.size
            seen, stack = set(), [v for v, *_ in g.stores] + [v for v, _ in g.sums]
            while stack:
                v = stack.pop()
                if v in seen:
                    continue
                seen.add(v)
                if place := program.place(v, g):
                    reads[place] = v.size
                elif v not in g.products:
                    stack += v.args
            reads |= {
                (buffer, offset): v.size
                for v, buffer, offset in g.stores
                if program.buffers[buffer].rows == "added"
            }
            part.written += sum(v.size for v, *_ in g.stores)
        part.written += len(program.finished_sums(groups[0].level))
        fixed = sum(
            size for (buffer, _), size in reads.items() if program.buffers[buffer].rows == "fixed"
        )
        part.weights = fixed + sum(blocks.values())
        part.read = sum(reads.values()) - fixed

    def _say(self, part: Part, groups: list[Group], program: Program):
        """Name what a phase makes, but for what it keeps."""
        spans: dict[str, list[list[int]]] = {}
        passed = []
        for v, buffer, offset in sorted((s for g in groups for s in g.stores), key=lambda s: s[2]):
            if buffer == "scratch" and v in self._names:
                passed.append(self._names[v])
            elif buffer != "kept":
                known = spans.setdefault(buffer, [])
                if known and known[-1][1] == offset:
                    known[-1][1] += v.size
                else:
                    known.append([offset, offset + v.size])
        for buffer in (name for name in program.buffers if name in spans):
            for start, stop in (
                spans[buffer] if buffer != "scratch" else [[0, program.buffers[buffer].width]]
            ):
                whole = (start, stop) == (0, program.buffers[buffer].width)
                part.makes.append(self._buffer(buffer) + ("" if whole else f"[{start}:{stop}]"))
        part.makes += passed
        if sums := len(program.finished_sums(groups[0].level)):
            part.makes.append(f"{sums} sum{'s' * (sums > 1)} over units")
