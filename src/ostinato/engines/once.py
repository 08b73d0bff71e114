"""One small step as straight-line torch code.

A kernel's calls, forward and backward, cost about as much as a dozen torch operations, so a sequence of one small step is run
by these where they are no more. The code is a Python function made from the graph, in which a sum takes in its products:
W @ x + b is one operation, and so are a + b * c and (1 - z) * a + z * b. A single row is a vector, whose products torch derives with
fewer operations than a matrix's. torch derives the gradients.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch.nn import functional as F

from ..graph import Graph, Node, walk
from .reference import MATHS

# Multiply-adds from which a kernel is worth its call.
SMALL = 50_000
# Operations that torch runs and derives in the time of a kernel's two calls.
FEW = 12


def function(graph: Graph, sizes: Mapping[str, int], counts: tuple[int, ...], *, one_row: bool) -> Callable | None:
    """The step of a graph as a function of tensors, or None where it has too many operations or one that is not known here.

    Args:
        graph: The step.
        sizes: What each letter stands for.
        counts: How many tensors each weight is the sum of.
        one_row: B is 1.

    Returns:
        A function of the inputs, (1, B, units) each, the states, (B, units) each, and all weights' tensors, which returns the output,
        (1, B, units), and the new states, (B, units) each, as new tensors.
    """
    return _function(graph, tuple(sorted(sizes.items())), counts, one_row)


@cache
def _function(graph, sizes, counts, one_row) -> Callable | None:
    writer = _Writer(graph, dict(sizes), counts, one_row)
    ends = dict(zip(graph.new_states, graph.states.values()))
    if any(n.size != size for n, size in ends.items()) or any(not _changes(n) for n in (graph.output, *ends)):
        return None
    try:
        returned = [writer.name(n) for n in (graph.output, *graph.new_states)]
    except KeyError:
        return None
    if len(writer.lines) > FEW:
        return None
    # Two results must not share memory, nor a result and what was given.
    returned = [f"{r}.clone()" if r in writer.given or r in returned[:k] else r for k, r in enumerate(returned)]
    if one_row:
        shapes = "1, 1, -1", *["1, -1"] * len(graph.states)
        returned = [f"{r}.view({shape})" for r, shape in zip(returned, shapes)]
    else:
        returned[0] += ".unsqueeze(0)"
    rows = [f"input_{name} = input_{name}.{'reshape(-1)' if one_row else 'squeeze(0)'}" for name in graph.inputs]
    rows += [f"state_{name} = state_{name}.reshape(-1)" for name in graph.states if one_row]
    given = ", ".join([f"input_{name}" for name in graph.inputs] + [f"state_{name}" for name in graph.states]
                      + [f"weight_{name}_{k}" for name, count in zip(graph.weights, counts) for k in range(count)])
    text = f"def step({given}):\n" + "".join(f"    {line}\n" for line in [*rows, *writer.lines, f"return {', '.join(returned)},"])
    names = {"torch": torch, "linear": F.linear} | {f"maths_{op}": f for op, f in MATHS.items()}
    exec(text, names)
    return names["step"]


def _changes(node: Node) -> bool:
    """Whether a node depends on an input or a state, and so has a value for each row."""
    return any(n.op in ("input", "state") for n in walk([node]))


class _Writer:
    """Writes the code: `lines`, one operation each."""

    def __init__(self, graph: Graph, sizes, counts, one_row: bool):
        self.graph, self.sizes, self.one_row = graph, sizes, one_row
        self.lines: list[str] = []
        self.given: set[str] = set()
        self._names: dict[Node, str] = {}
        self._uses = Counter(a for n in graph.nodes for a in n.args) + Counter((graph.output, *graph.new_states))
        self._parts = {name: [f"weight_{name}_{k}" for k in range(count)] for name, count in zip(graph.weights, counts)}
        self._slices: dict[Node, list[Node]] = {}
        for n in graph.nodes:
            if n.op == "slice":
                self._slices.setdefault(n.args[0], []).append(n)

    def name(self, node: Node) -> str:
        """The variable that holds a node; the code that makes it is written first.

        Raises:
            KeyError: There is no code for it.
        """
        if node not in self._names:
            self._names[node] = self._write(node)
        return self._names[node]

    def _new(self, code: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {code}")
        return name

    def _write(self, n: Node) -> str:
        match n.op:
            case "input" | "state":
                self.given.add(f"{n.op}_{n.value}")
                return f"{n.op}_{n.value}"
            case "number":
                return repr(float(n.value))
            case "weight" | "product" | "add":
                return self._sum(n)
            case "slice":
                return self._cut(n)
            case "sub" | "mul" | "div":
                a, b = map(self.name, n.args)
                return self._new(f"{a} {dict(sub='-', mul='*', div='/')[n.op]} {b}")
            case op if op in MATHS and not any(a.op == "number" for a in n.args):
                return self._new(f"maths_{op}({', '.join(map(self.name, n.args))})")
        raise KeyError(n.op)

    def _cut(self, n: Node) -> str:
        """Slices that make up their whole are cut at once."""
        whole = n.args[0]
        spans = {tuple(s.at(self.sizes) for s in part.value): part for part in self._slices[whole]}
        ends = [stop for _, stop in sorted(spans)]
        variable = self.name(whole)
        if [start for start, _ in sorted(spans)] != [0, *ends[:-1]] or ends[-1] != whole.size.at(self.sizes):
            return self._new("{}[..., {}:{}]".format(variable, *(s.at(self.sizes) for s in n.value)))
        names = [f"v{len(self.lines)}_{k}" for k in range(len(spans))]
        self.lines.append(f"{', '.join(names)} = {variable}.split({[stop - start for start, stop in sorted(spans)]}, -1)")
        self._names |= {spans[span]: name for span, name in zip(sorted(spans), names)}
        return self._names[n]

    def _sum(self, n: Node) -> str:
        """All that is added up here, as few operations as can be."""
        terms, stack = [], [n]
        while stack:
            m = stack.pop()
            if m.op == "add" and (m is n or self._uses[m] == 1 and m not in self._names):
                stack.extend(reversed(m.args))
            else:
                terms.append(m)
        free = [m for m in terms if self._uses[m] == 1 or m is n]
        vectors = [(part, m.size) for m in terms if m.op == "weight" for part in self._parts[m.value]]
        products = [m for m in free if m.op == "product"]
        muls = [m for m in free if m.op == "mul" and not any(a.op == "number" for a in m.args)]
        others = [m for m in terms if m.op != "weight" and m not in products and m not in muls]
        if any(m is n for m in others):
            raise KeyError(n.op)
        total = None
        for product in products:
            argument = self.name(product.args[0])
            weight, transposed = product.value
            matrix = f"({' + '.join(self._parts[weight])}){'.t()' if transposed else ''}"
            # The sum so far takes the vector's place, where there is one.
            bias = None if self.one_row and total else next((vector for vector in vectors if vector[1] == product.size), None)
            if bias:
                vectors.remove(bias)
            if self.one_row:
                bias = total or (bias and bias[0])
                total = self._new(f"torch.addmv({bias}, {matrix}, {argument})" if bias else f"torch.mv({matrix}, {argument})")
                continue
            made = self._new(f"linear({argument}, {matrix}{f', {bias[0]}' if bias else ''})")
            total = made if total is None else self._new(f"{total} + {made}")
        for more in [*map(self.name, others), *(part for part, _ in vectors)]:
            total = more if total is None else self._new(f"{total} + {more}")
        if total is None and len(muls) == 2 and (blend := self._blend(*muls) or self._blend(*muls[::-1])):
            return blend
        for m in muls:
            if total is None:
                total = self.name(m)
            else:
                a, b = map(self.name, m.args)
                total = self._new(f"torch.addcmul({total}, {a}, {b})")
        return total

    def _blend(self, first: Node, second: Node) -> str | None:
        """(1 - z) * a + z * b."""
        for rest, a in (first.args, first.args[::-1]):
            for z, b in (second.args, second.args[::-1]):
                if rest.op == "sub" and rest.args[0].op == "number" and rest.args[0].value == 1 and rest.args[1] is z and a.size == b.size == z.size:
                    return self._new(f"torch.lerp({self.name(a)}, {self.name(b)}, {self.name(z)})")
        return None
