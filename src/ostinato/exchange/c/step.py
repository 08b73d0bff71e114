"""Private: one step of a cell as C statements, printed from the plan that the kernels come from."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ...compiler.plan import Group, Plan, Program, Value, reached
from ...engines.reference import evaluate
from ...language.graph import ONE, POINTWISE, Builder, Graph, Node, Weight
from .support import KEYWORDS, Support, bare, identifier, literal

# Pointwise operations that call functions of <math.h>, and how many.
CALLS = {"sigmoid": 1, "tanh": 1, "exp": 1, "log": 1, "sqrt": 1, "softplus": 2}
# The names of C functions that a step calls: no variable has them.
C_FUNCTIONS = "memcpy memset expf tanhf logf log1pf sqrtf floorf fabsf INFINITY NAN".split()
# An expression with more characters becomes a variable.
LONG = 60


def folded(
    graph: Graph, weights: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> tuple[Graph, dict[str, Tensor]]:
    """The step with all that depends on weights and numbers alone computed.

    Args:
        graph: The cell's step.
        weights: The weights by name, in float64.
        sizes: What each letter stands for.

    Returns:
        A graph of the same step, in which such values are numbers or weights, and all weights.
    """
    nodes = graph.nodes
    varying = reached({n for n in nodes if n.op in ("input", "state")}, nodes)
    like = next(iter(weights.values()), torch.empty(0, dtype=torch.float64))
    values: dict[Node, Tensor] = {}
    evaluate([n for n in nodes if n not in varying], values, weights, sizes, like=like)
    builder, new, every = Builder(), dict[Node, Node](), dict(weights)
    for node in nodes:
        part = node.op == "slice" and node.args[0].op == "weight"
        if node in varying or part or node.op == "weight" and node.size != ONE:
            arguments = [new[a] for a in node.args]
            new[node] = builder.node(node.op, arguments, node.value, node.size)
        elif node.size == ONE:
            new[node] = builder.number(float(values[node].reshape(())))
        else:
            name = unused(graph.labels.get(node, "constant"), every)
            every[name] = values[node].to(like).expand(node.size.at(sizes))
            new[node] = builder.node("weight", (), name, node.size)
    declared = {n.value: Weight((n.size,)) for n in new.values() if n.op == "weight"}
    step = replace(
        graph,
        weights=declared | graph.weights,
        output=new[graph.output],
        new_states=tuple(new[n] for n in graph.new_states),
        labels={new[n]: label for n, label in graph.labels.items() if n in new},
        builder=builder,
    )
    return step, every


def unused(name: str, taken: Container[str]) -> str:
    """The name, with a number after it if it is taken."""
    if name not in taken:
        return name
    return next(new for k in range(1, 1 << 30) if (new := f"{name}_{k}") not in taken)


@dataclass
class StepCode:
    """One step of a cell as C statements.

    Attributes:
        lines: The statements.
        stack: Bytes of its variables.
        multiplications: Multiplications and divisions.
        calls: Calls of functions of <math.h>.
        vectors, matrices: The names of the weights that are read.
    """

    lines: list[str] = field(default_factory=list)
    stack: int = 0
    multiplications: int = 0
    calls: int = 0
    vectors: dict[str, None] = field(default_factory=dict)
    matrices: dict[str, None] = field(default_factory=dict)


class StepPrinter:
    """Prints one step of a cell.

    Args:
        graph: The step; see `folded`.
        sizes: What each letter stands for.
        support: The helper functions of the file.
        inputs: The C expression of each input.
        states: The C expression of each state, which the step updates.
        weights: The C name of each weight's table.
        output: The C expression of the output.
    """

    def __init__(
        self,
        graph: Graph,
        sizes: Mapping[str, int],
        support: Support,
        *,
        inputs: Mapping[str, str],
        states: Mapping[str, str],
        weights: Mapping[str, str],
        output: str,
    ):
        self.graph, self.sizes, self.support = graph, sizes, support
        self.states, self.weights, self.output = states, weights, output
        self.plan = Plan(graph, sizes, ahead=False)
        self.program = self.plan.infer
        self.buffers = {f"input {name}": text for name, text in inputs.items()}
        self.buffers |= {f"state {name}": text for name, text in states.items()}
        self.buffers |= {f"weight {name}": text for name, text in weights.items()}
        self.code = StepCode()
        names = [*inputs.values(), *(f"next_{identifier(n)}" for n in graph.states)]
        self._taken = {*names, output, "state", "scratch", "sums", "j", *C_FUNCTIONS}
        self.labels: dict[Value, str] = {}
        for node, label in graph.labels.items():
            segments = self.plan.segments(node) if node.args else ()
            if len(segments) == 1:
                self.labels.setdefault(segments[0], identifier(label).lstrip("_") or "v")

    def print(self) -> StepCode:
        """Print the whole step."""
        self._declare()
        groups = self.program.groups
        for place, group in enumerate(groups):
            self._group(group)
            last = place + 1 == len(groups) or groups[place + 1].level > group.level
            for slot, units in self.program.finished_sums(group.level) if last else ():
                if units != 1:
                    self.code.multiplications += 1
                    self.code.lines.append(f"sums[{slot}] /= {units}.0;")
        self._finish()
        return self.code

    # ------------------------------------------------------------ memory

    def _declare(self) -> None:
        """The variables that live through the step."""
        code, lines = self.code, self.code.lines
        for name, size in self.graph.states.items():
            new = f"next_{identifier(name)}"
            self.buffers[f"next {name}"] = new
            lines.append(f"float {new}[{size.at(self.sizes)}];")
            code.stack += 4 * size.at(self.sizes)
        for name, kind, each in (("scratch", "float", 4), ("sum", "double", 8)):
            if name in self.program.buffers:
                width = self.program.buffers[name].width
                self.buffers[name] = "sums" if name == "sum" else name
                start = " = {0.0}" if name == "sum" else ""
                lines.append(f"{kind} {self.buffers[name]}[{width}]{start};")
                code.stack += each * width
        if not self.plan.after and not self.plan.output_state:
            self.buffers[self.plan.stream(self.graph.output)] = self.output

    def _finish(self) -> None:
        """Write the output, if no group has, and the new states."""
        plan, lines = self.plan, self.code.lines
        if plan.after:
            node = plan.graph.output
            cuts = plan.cuts[node]
            for start, stop, value in zip(cuts, cuts[1:], plan.segments(node)):
                index = "j" if stop - start > 1 else ""
                source = self._leaf(value, wide=value.size > 1)
                lines += _loop([f"{_at(self.output, start, index)} = {source};"], stop - start)
        elif plan.output_state:
            lines.append(self._copy(self.output, plan.output_state))
        lines += [self._copy(text, name) for name, text in self.states.items()]

    def _copy(self, target: str, state: str) -> str:
        units = self.graph.states[state].at(self.sizes)
        return f"memcpy({target}, next_{identifier(state)}, {units} * sizeof(float));"

    # ------------------------------------------------------------ products

    def _group(self, group: Group) -> None:
        """Print the work on all units of one size within one phase."""
        self._variables: dict[Value, str] = {}
        self._products: dict[Value, tuple[str, int]] = {}
        self._local = set(self._taken)
        before, inside = list[str](), list[str]()
        for run in _contiguous(group.products):
            rows = sum(p.size for p in run)
            name = self._name("product")
            for k, product in enumerate(run):
                self._products[product] = (name, k * product.size)
            before.append(f"float {name}[{rows}] = {{0.0f}};")
            before += self._multiply(name, run[0], rows)
            self.code.stack += 4 * rows
        self._before, self._inside, self._size = before, inside, group.size
        uses = _uses(group, self.program)
        self._shared = {v for v, count in uses.items() if count > 1}
        for value, slot in group.sums:
            inside.append(f"sums[{slot}] += {bare(self._value(value, group))};")
        for value, buffer, offset in group.stores:
            text = bare(self._value(value, group))
            inside.append(f"{_at(self.buffers[buffer], offset, self._index)} = {text};")
        body = [*before, *_loop(inside, group.size)]
        self.code.lines += ["{", *(f"    {line}" for line in body), "}"]

    def _multiply(self, name: str, product: Value, rows: int) -> Iterator[str]:
        """The statements of products that stand one after another, the first one given."""
        for argument, (weight, transposed, row, column) in zip(product.args, product.ref):
            buffer, offset = self.program.row(argument)
            pointer = self._pointer(buffer, offset)
            if buffer == "sum":  # a double
                total = self._name("total")
                yield f"const float {total} = (float)sums[{offset}];"
                pointer = f"&{total}"
            self.code.multiplications += rows * argument.size
            self.code.matrices[weight] = None
            shape = tuple(size.at(self.sizes) for size in self.graph.weights[weight].shape)
            yield self.support.multiply(
                name,
                self.weights[weight],
                shape=(shape[0], shape[1]),
                block=(rows, row, column),
                argument=(pointer, argument.size),
                transposed=transposed,
            )

    # ------------------------------------------------------------ expressions

    @property
    def _index(self) -> str:
        return "j" if self._size > 1 else ""

    def _value(self, value: Value, group: Group) -> str:
        """The C expression of a value in a group's loop."""
        if value in self._variables:
            return self._variables[value]
        home = self.program.place(value, group)
        if home is not None or value.op == "number":
            return self._leaf(value, home, wide=value.size > 1)
        if value in self._products:
            name, offset = self._products[value]
            return _at(name, offset, self._index)
        arguments = [self._value(a, group) for a in value.args]
        if value.op == "widen":
            return arguments[0]
        assert value.op in POINTWISE, value
        self._count(value)
        text = self.support.expression(value.op, *arguments)
        hoisted = value.size == 1 and self._size > 1
        if value in self._shared or hoisted or len(text) > LONG or value in self.labels:
            name = self._name(self.labels.get(value, "v"))
            target = self._before if hoisted else self._inside
            target.append(f"const float {name} = {bare(text)};")
            text = self._variables[value] = name
        return text

    def _leaf(self, value: Value, home: tuple[str, int] | None = None, *, wide: bool) -> str:
        """A number, or a value that lies in memory."""
        if value.op == "number":
            return literal(value.ref)
        buffer, offset = home or value.ref
        text = _at(self._memory(buffer), offset, "j" if wide else "")
        return f"(float){text}" if buffer == "sum" else text

    def _memory(self, buffer: str) -> str:
        kind, _, name = buffer.partition(" ")
        if kind == "weight":
            self.code.vectors[name] = None
        return self.buffers[buffer]

    def _pointer(self, buffer: str, offset: int) -> str:
        text = self._memory(buffer)
        return f"{text} + {offset}" if offset else text

    def _count(self, value: Value) -> None:
        units = value.size
        self.code.multiplications += units * (value.op in ("mul", "div"))
        self.code.calls += units * CALLS.get(value.op, 0)

    def _name(self, name: str) -> str:
        """A name for a variable of a group."""
        name = unused(name if name not in KEYWORDS else f"{name}_", self._local)
        self._local.add(name)
        return name


def _contiguous(products: Sequence[Value]) -> list[list[Value]]:
    """Products of the same arguments and columns, whose rows follow one another."""
    kinds: dict[tuple, list[Value]] = {}
    for product in products:
        columns = tuple((weight, turned, column) for weight, turned, _, column in product.ref)
        kinds.setdefault((tuple(map(id, product.args)), columns, product.size), []).append(product)
    runs: list[list[Value]] = []
    for alike in kinds.values():
        last: Value | None = None
        for product in sorted(alike, key=lambda p: [part[2] for part in p.ref]):
            rows = [part[2] for part in product.ref]
            if last is not None and rows == [part[2] + last.size for part in last.ref]:
                runs[-1].append(product)
            else:
                runs.append([product])
            last = product
    return runs


def _uses(group: Group, program: Program) -> dict[Value, int]:
    """How often each value of a group is used in it."""
    uses: dict[Value, int] = {}
    stack = [v for v, *_ in group.stores] + [v for v, _ in group.sums]
    while stack:
        value = stack.pop()
        uses[value] = uses.get(value, 0) + 1
        found = value.op == "number" or value in group.products or program.place(value, group)
        if uses[value] == 1 and not found:
            stack += value.args
    return uses


def _at(name: str, offset: int, index: str) -> str:
    """An element of an array.

    Example:
        >>> _at("h", 0, "j"), _at("h", 5, "j"), _at("h", 5, "")
        ('h[j]', 'h[5 + j]', 'h[5]')
    """
    return f"{name}[{' + '.join(filter(None, [str(offset) * bool(offset), index])) or 0}]"


def _loop(lines: list[str], units: int) -> list[str]:
    """Statements for each unit, j."""
    if units == 1 or not lines:
        return lines
    return [f"for (j = 0; j < {units}; j++) {{", *(f"    {line}" for line in lines), "}"]
