"""Private: a cell as a class of plain torch, printed from the graph of its step."""

import builtins
import keyword
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from ...compiler.plan import reached
from ...engines.reference import evaluate
from ...language.equations import ATOM, LOOSE, SIGNED, TERM, Page, Text
from ...language.graph import Graph, Node, Size
from .layers_code import CellModule

__all__ = ["CellCode", "cell_code"]

# Columns of a line, as in the source of this package.
COLUMNS = 100
# How an operation is written: a function of torch, or one of `layers_code`.
FUNCTIONS = {
    "sigmoid": "torch.sigmoid",
    "tanh": "torch.tanh",
    "relu": "torch.relu",
    "exp": "torch.exp",
    "log": "torch.log",
    "sqrt": "torch.sqrt",
    "softplus": "softplus",
    "hard_sigmoid": "hard_sigmoid",
    "floor": "torch.floor",
    "abs": "torch.abs",
    "maximum": "maximum",
    "minimum": "minimum",
    "where": "torch.where",
    "concat": "concat",
    "sum": "total",
    "mean": "mean",
}
# The functions that are not torch's.
OWN_FUNCTIONS = {name for name in FUNCTIONS.values() if "." not in name}
# Operations that are written between their arguments, where a number may stand as it is.
OPERATORS = {"add", "sub", "mul", "div", "less", "neg"}
# Names of the written file that no value of a step may have, and those that look like numbers.
TAKEN = {"self", "torch", "linear", "nn", "float"} | OWN_FUNCTIONS
RESERVED = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "l", "O", "I"} | TAKEN


class _TorchText(Text):
    """Writes equations as code of torch.

    Args:
        of: The object whose attributes are sizes.
    """

    def __init__(self, of: str = "self."):
        self.of = of

    def name(self, name: str, moment: str = "") -> str:
        """A state has its name before the step, and `_t` after its name after the step."""
        return name + ("_t" if moment == "t" else "")

    def number(self, value: float) -> str:
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return super().number(value)

    def size(self, size: Size) -> str:
        words = str(size).split(" ")
        return " ".join(
            word
            if word in "+-"
            else " * ".join(
                f"{self.of}size_{x}" if x.isidentifier() else x for x in word.split("*")
            )
            for word in words
        )

    def operation(self, node: Node, args: list[str]) -> str:
        if node.op in OPERATORS:
            return super().operation(node, args)
        return f"{FUNCTIONS[node.op]}({', '.join(args)})"

    def product(self, name: str, transposed: bool, arg: str) -> str:
        return f"{arg} @ {name}" if transposed else f"linear({arg}, {name})"

    def power(self, base: str, power: int) -> str:
        simple = all(part.isidentifier() for part in base.split("."))
        return f"{base}**{power}" if simple else f"{base} ** {power}"

    def split(self, arg: str, parts: int | list[str]) -> str:
        sizes = "" if isinstance(parts, int) else f"[{', '.join(parts)}]"
        return f"{arg}.split({sizes}, -1)" if sizes else f"{arg}.chunk({parts}, -1)"


class _TorchPage(Page):
    """The code of one graph: a step, and what does not depend on its states.

    Args:
        graph: The graph of a step.
        weights: The name of the attribute of each weight.
    """

    style: _TorchText

    def __init__(self, graph: Graph, weights: Mapping[str, str]):
        super().__init__(graph, _TorchText())
        nodes = self.nodes
        self.stateful = reached({n for n in nodes if n.op == "state"}, nodes)
        self.leaves = {
            n: f"self.{weights[n.value]}" if n.op == "weight" else argument(n.value)
            for n in nodes
            if n.op in ("input", "state", "weight")
        }
        self.weights = weights
        self.constants = self._constants()
        results = [graph.output, *graph.new_states]
        read = [*(a for n in nodes if n in self.stateful for a in n.args), *results]
        # values of all steps that a step reads, in the order in which they are computed
        before = {a for a in read if a not in self.stateful and a.op not in ("number", "weight")}
        before = {n for n in before if n not in self.constants}
        for n in nodes:
            if n in before and n not in self.lines and n not in self.leaves:
                wanted = n.op == "product" and n.args[0] in self.leaves and n.args[0].op == "input"
                self.lines[n] = self._new(
                    f"{n.value[0]}_{n.args[0].value}" if wanted else graph.labels.get(n, "s")
                )
        self.before = [n for n in nodes if n in before]
        for n in results:
            if n.args and n not in self.lines and n not in self.constants:
                self.lines[n] = self._new("s")
        self._shorten()

    def _name(self) -> None:
        self.taken |= RESERVED
        super()._name()

    def _constants(self) -> dict[Node, float]:
        """The values of the nodes that depend on numbers alone."""
        values: dict[Node, torch.Tensor] = {}
        for n in self.nodes:
            if n.op == "number" or (n.args and all(a in values for a in n.args)):
                try:
                    evaluate([n], values, {}, {}, like=torch.zeros((), dtype=torch.float64))
                except (RuntimeError, IndexError):
                    continue  # a reduction or a part of a number
        return {n: value.item() for n, value in values.items() if value.dim() == 0}

    def write(self, node: Node, place: int = LOOSE, named: bool = True) -> str:
        if node in self.constants:
            value = self.constants[node]
            text = repr(value) if isinstance(value, bool) else self.style.number(value)
            return f"({text})" if text.startswith("-") and place > SIGNED else text
        if not named or (node not in self.lines and node not in self.leaves):
            if node.op == "product":
                (name, transposed) = node.value
                weight = f"self.{self.weights[name]}"
                own = TERM if transposed else ATOM
                arg = self._tensor(node.args[0], TERM if transposed else LOOSE)
                text = self.style.product(weight, transposed, arg)
                return text if own >= place else f"({text})"
            if node.op not in OPERATORS and self._power(node) is None and node.op != "slice":
                if node.op == "where":
                    condition, *values = node.args
                    texts = [self._tensor(condition)]
                    numbers = all(v in self.constants for v in values)
                    texts += [self._tensor(v) if numbers else self.write(v) for v in values]
                elif node.op in ("maximum", "minimum"):
                    texts = [self.write(a) for a in node.args]
                else:
                    texts = [self._tensor(a) for a in node.args]
                return self.style.operation(node, texts)
        return super().write(node, place, named)

    def _tensor(self, node: Node, place: int = LOOSE) -> str:
        """An argument that has to be a tensor."""
        text = self.write(node, LOOSE if node in self.constants else place)
        return f"self.number({text})" if node in self.constants else text

    # ------------------------------------------------------------ lines

    def _shorten(self) -> None:
        """Give names to parts of expressions whose lines would be too long."""
        room = COLUMNS - 8
        while True:
            long = next(
                (
                    n
                    for n in self.lines
                    if n.op != "slice"
                    and len(f"{self.lines[n]} = {self.write(n, named=False)}") > room
                ),
                None,
            ) or next((n for n in self._wholes() if len(self._split_line(n)) > room), None)
            if long is None:
                return
            parts = [a for a in self._inside(long) if len(self.write(a)) <= room - 8]
            if not parts:
                return
            chosen = max(parts, key=lambda a: (len(self.write(a)), -self.nodes.index(a)))
            self.lines[chosen] = self._new("s")

    def _wholes(self) -> Iterable[Node]:
        return [self._whole(cut) for cut in self.cuts]

    @staticmethod
    def _whole(cut: list) -> Node:
        return next(p for p in cut if isinstance(p, Node)).args[0]

    def _split_line(self, whole: Node) -> str:
        return max(
            (" = ".join(self._split(cut)) for cut in self.cuts if self._whole(cut) is whole),
            key=len,
        )

    def _inside(self, node: Node) -> list[Node]:
        """The parts of an expression that can have a name."""
        found: list[Node] = []
        rest = [node] if node not in self.lines else list(node.args)
        while rest:
            one = rest.pop()
            named = one in self.lines or one in self.leaves or one in self.constants
            if named or not one.args:
                continue
            found.append(one)
            rest += one.args
        return found

    def _split(self, cut: list) -> tuple[str, str]:
        arg = self._whole(cut)
        sizes = [p.size if isinstance(p, Node) else p for p in cut]
        parts = len(cut) if len(set(sizes)) == 1 else [self.style.size(size) for size in sizes]
        names = [self.lines[p] if isinstance(p, Node) else "_" for p in cut]
        left = ", ".join(names) if len(names) > 1 else f"({names[0]},)"
        return left, self.style.split(self._tensor(arg, ATOM), parts)

    def code(self, *, in_step: bool) -> list[str]:
        """The lines of a step, or of what is computed before for all steps."""
        first = {next(p for p in cut if isinstance(p, Node)): cut for cut in self.cuts}
        inside = {*self.nodes}
        found = []
        for n in self.graph.builder:
            if n in first:
                whole = self._whole(first[n])
                used = any(part in inside for part in first[n])
                if (whole in self.stateful) == in_step and whole in inside and used:
                    found.append(" = ".join(self._split(first[n])))
            elif n in self.lines and n.op != "slice" and n in inside:
                if (n in self.stateful) == in_step:
                    found.append(f"{self.lines[n]} = {self.write(n, named=False)}")
        return found

    def result(self, node: Node) -> str:
        """The name of a result, as a tensor."""
        return self._tensor(node)


@dataclass(frozen=True)
class CellCode:
    """The code of a cell.

    Attributes:
        name: The name of its class.
        text: The class.
        functions: The functions of `layers_code` that it calls.
        weights: The attribute of each of the cell's weights.
    """

    name: str
    text: str
    functions: frozenset[str]
    weights: Mapping[str, str]


def cell_code(graph: Graph, name: str, fixed: frozenset[str] = frozenset()) -> CellCode:
    """The class of a cell.

    Args:
        graph: The graph of its step.
        name: The name of the class.
        fixed: The weights that have no parameters and are 0.
    """
    page = _TorchPage(graph, {w: _attribute(w) for w in graph.weights})
    lines = [
        f"class {name}(CellModule):",
        f'    """One layer of the cell {graph.name}, in one direction:',
        "",
    ]
    for line in Page(graph, Text()).text().replace("\\", "/").splitlines():
        width = COLUMNS - 4
        lines += textwrap.wrap(
            line, width, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False
        )
    lines += ['    """', "", *_constructor(page, fixed)]
    inputs = [f"{argument(x)}: Tensor" for x in graph.inputs]
    lines += ["", *call("    def before(", ["self", *inputs], ") -> tuple[Tensor, ...]:")]
    lines += ['        """The values that do not depend on the states, for all steps at once."""']
    lines += [f"        {line}" for line in page.code(in_step=False)]
    names = [page.result(n) for n in page.before]
    lines += call("        return (", names, ",)" if len(names) == 1 else ")")
    given = [f"{x}: Tensor" for x in (*names, *map(argument, graph.states))]
    lines += [
        "",
        *call("    def step(", ["self", *given], ") -> tuple[Tensor, tuple[Tensor, ...]]:"),
    ]
    lines += ['        """The output and the new states of a step."""']
    lines += [f"        {line}" for line in page.code(in_step=True)]
    new = [page.result(n) for n in graph.new_states]
    last = f"        return {page.result(graph.output)}, ({', '.join(new)}{',' * (len(new) == 1)})"
    if len(last) > COLUMNS:
        lines += call("        new = (", new, ")")
        last = f"        return {page.result(graph.output)}, new"
    text = "\n".join([*lines, last])
    functions = {f for f in OWN_FUNCTIONS if f"{f}(" in text}
    return CellCode(name, text, frozenset(functions), page.weights)


def _constructor(page: _TorchPage, fixed: frozenset[str]) -> list[str]:
    """The lines of `__init__`."""
    graph, style = page.graph, _TorchText(of="")
    letters = letters_of(graph)
    lines = call("    def __init__(", ["self", *(f"size_{x}: int" for x in letters)], "):")
    lines += ["        super().__init__()", *(f"        self.size_{x} = size_{x}" for x in letters)]
    lines.append(f"        self.output_size = {style.size(graph.output.size)}")
    states = [style.size(size) for size in graph.states.values()]
    lines += call("        self.state_sizes = (", states, ",)" if len(states) == 1 else ")")
    for weight, declared in graph.weights.items():
        shape, attribute = ", ".join(map(style.size, declared.shape)), page.weights[weight]
        made = (
            f'self.register_buffer("{attribute}", torch.zeros({shape}))'
            if weight in fixed
            else f"self.{attribute} = nn.Parameter(torch.empty({shape}))"
        )
        lines.append(f"        {made}")
    return lines


def letters_of(graph: Graph) -> list[str]:
    """The letters that the constructor of a cell takes the sizes of."""
    sizes = [graph.output.size, *graph.states.values()]
    return sorted(graph.letters.union(*(size.letters for size in sizes)))


def argument(name: str) -> str:
    """The name of an input or a state as an argument."""
    return f"{name}_" if name in TAKEN | {"l", "O", "I"} else name


def call(head: str, items: list[str], tail: str) -> list[str]:
    """A call or a list on one line, or with a line for each item if it is too long."""
    line = f"{head}{', '.join(items)}{tail}"
    if len(line) <= COLUMNS:
        return [line]
    indent = " " * (len(head) - len(head.lstrip()))
    return [head, *(f"{indent}    {item}," for item in items), f"{indent}{tail.lstrip(',')}"]


def _attribute(name: str) -> str:
    """The name of a weight as an attribute of a module."""
    own = {"output_size", "state_sizes"}
    taken = name in own or name.startswith("size_") or hasattr(CellModule(), name)
    return f"{name}_" if taken else name
