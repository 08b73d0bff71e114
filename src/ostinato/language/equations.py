"""The equations of a cell, printed from its graph as text or as LaTeX for MathJax and KaTeX.

A state is `h_{t-1}` before the step and `h_t` after it, an input is `x_t`, and a product with a
weight is `W x_t`. Each value that the cell's body assigned to a name gets a line, in the order of
assignment; other values are written where they are used.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from ..errors import InputError
from .graph import ONE, POINTWISE, Graph, Node, Size

__all__ = ["STYLES", "Latex", "Page", "Text", "equations"]

GREEK = {
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
}
# Precedence levels, from loose to tight. An expression looser than its context gets parentheses.
LOOSE, COMPARISON, SUM, SIGNED, TERM, POWER, PRODUCT, ATOM = range(8)
# For each op that is not written as a function call: its level, and the level of each argument.
LEVELS = {
    "less": (COMPARISON, SUM, SUM),
    "add": (SUM, SUM, TERM),
    "sub": (SUM, SUM, TERM),
    "neg": (SIGNED, POWER),
    "mul": (TERM, SIGNED, POWER),
    "div": (TERM, SIGNED, POWER),
}
MOMENTS = {"input": "t", "state": "t-1", "weight": ""}
# An unnamed expression with this number of operations gets a name if it is used twice.
BIG = 2


class Text:
    """Writes equations as text, close to the code of the cell."""

    levels = LEVELS

    def name(self, name: str, moment: str = "") -> str:
        """A name at a moment: "t", "t-1", or "" for values within a step."""
        return name + {"": "", "t": "_t", "t-1": "_{t-1}"}[moment]

    def number(self, value: float) -> str:
        """A number, in the shortest form that reads back exactly."""
        return repr(value) if repr(value) == "-0.0" else repr(value).removesuffix(".0")

    def size(self, size: Size) -> str:
        """A size in letters."""
        return str(size)

    def operation(self, node: Node, args: list[str]) -> str:
        """An operation on arguments that are already written."""
        return (
            POINTWISE[node.op].text.format(*args)
            if node.op in POINTWISE
            else f"{node.op}({', '.join(args)})"
        )

    def product(self, name: str, transposed: bool, arg: str) -> str:
        """A product of a weight and a vector."""
        return f"{name}.T {arg}" if transposed else f"{name} {arg}"

    def power(self, base: str, power: int) -> str:
        """A square or a cube."""
        return f"{base} ** {power}"

    def split(self, arg: str, parts: int | list[str]) -> str:
        """A value split into equal parts, or into parts of these sizes."""
        return f"split({arg}, {parts if isinstance(parts, int) else '(' + ', '.join(parts) + ')'})"

    def page(self, lines: Iterable[tuple[str, str]]) -> str:
        """All equations, each given as its left and right side."""
        return "\n".join(f"{left} = {right}" for left, right in lines)


class Latex(Text):
    """Writes equations as one LaTeX `aligned` environment."""

    # Numerator and denominator of a fraction need no parentheses.
    levels = LEVELS | {"div": (POWER, LOOSE, LOOSE)}

    def _word(self, word: str) -> str:
        if word in GREEK:
            return rf"\{word}"
        if len(word) == 1 and word.isascii() or word.isdigit():
            return word
        return rf"\mathrm{{{word}}}" if word.isascii() else rf"\text{{{word}}}"

    def name(self, name: str, moment: str = "") -> str:
        words = [word for word in name.split("_") if word]
        if not words:
            return r"\_"
        if match := re.fullmatch(r"([^\W\d]+)(\d+)", words[0]):
            words[:1] = match.groups()
        below = ",".join([*map(self._word, words[1:]), *filter(None, [moment])])
        return self._word(words[0]) + (f"_{{{below}}}" if below else "")

    def number(self, value: float) -> str:
        digits, _, power = super().number(value).partition("e")
        if not power:
            return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\mathrm{nan}"}.get(
                digits, digits
            )
        return (rf"{digits} \cdot " if digits != "1" else "") + f"10^{{{int(power)}}}"

    def size(self, size: Size) -> str:
        return re.sub(r"[^\W\d]\w*", lambda match: self._word(match[0]), str(size)).replace(
            "*", r" \, "
        )

    def operation(self, node: Node, args: list[str]) -> str:
        if node.op == "concat":
            return "[" + r";\; ".join(args) + "]"
        if node.op == "mul" and any(a.op == "number" or a.size == ONE for a in node.args):
            return r"{} \cdot {}".format(*args)
        return (
            POINTWISE[node.op].latex.format(*args)
            if node.op in POINTWISE
            else rf"\operatorname{{{node.op}}}({', '.join(args)})"
        )

    def product(self, name: str, transposed: bool, arg: str) -> str:
        return rf"{name}^{{\top}} {arg}" if transposed else f"{name} {arg}"

    def power(self, base: str, power: int) -> str:
        return f"{base}^{{{power}}}"

    def split(self, arg: str, parts: int | list[str]) -> str:
        return (
            rf"\operatorname{{split}}({arg},\; "
            rf"{parts if isinstance(parts, int) else '(' + ', '.join(parts) + ')'})"
        )

    def page(self, lines: Iterable[tuple[str, str]]) -> str:
        return "\n".join(
            [
                r"\begin{aligned}",
                " \\\\\n".join(f"{left} &= {right}" for left, right in lines),
                r"\end{aligned}",
            ]
        )


STYLES: dict[str, type[Text]] = {"text": Text, "latex": Latex}


def equations(graph: Graph, style: str = "text") -> str:
    """The equations of a graph.

    Args:
        graph: The step of a cell.
        style: "text", or "latex" for an aligned environment.

    Raises:
        InputError: Unknown style.

    Example:
        >>> from ostinato.cells import min_gru
        >>> print(equations(min_gru.graph))
        z_1, n = split(W x_t + b, 2)
        z = sigmoid(z_1)
        h_t = (1 - z) * h_{t-1} + z * n
    """
    if style not in STYLES:
        raise InputError(f"style={style!r}: the styles are {', '.join(map(repr, STYLES))}")
    return Page(graph, STYLES[style]()).text()


class Page:
    """The equations of one graph in one style.

    Attributes:
        style: The style.
        leaves: The names of inputs, states and weights.
        lines: The names of the values that have their own line.
    """

    def __init__(self, graph: Graph, style: Text):
        self.graph, self.style = graph, style
        self.nodes = graph.nodes
        self.leaves = {n: style.name(n.value, MOMENTS[n.op]) for n in self.nodes if n.op in MOMENTS}
        self.lines: dict[Node, str] = {}
        self.cuts = self._cuts()
        times = [*graph.inputs, *graph.states]
        self.taken = {
            *times,
            *(f"{name}_t" for name in times),
            *graph.weights,
            *POINTWISE,
            "split",
            "concat",
            "sum",
            "mean",
        }
        self._name()

    def _new(self, preferred: str, moment: str = "") -> str:
        """A name that is not used yet: the preferred one, with a number if necessary."""
        name, count = preferred, 0
        while name in self.taken:
            count += 1
            name = f"{preferred}_{count}"
        self.taken.add(name)
        return self.style.name(name, moment)

    def _name(self) -> None:
        """Choose the values with their own line, and their names."""
        graph, labels = self.graph, self.graph.labels
        for state, new in zip(graph.states, graph.new_states):
            if new.args and new not in self.lines:
                self.lines[new] = self.style.name(state, "t")
        if graph.output.args and graph.output not in self.lines:
            self.lines[graph.output] = self._new(labels.get(graph.output, "y"), "t")

        # A square uses its base once, and a split uses the value that it splits once.
        uses = Counter(
            a
            for n in self.nodes
            if n.op != "slice"
            for a in (set(n.args) if n.op == "mul" else n.args)
        )
        uses.update(next(p for p in cut if isinstance(p, Node)).args[0] for cut in self.cuts)
        parts = {part for cut in self.cuts for part in cut if isinstance(part, Node)}
        named = {
            n: name
            for n, name in labels.items()
            if (n in uses or n in parts) and n not in self.lines
        }
        # The name `_` is for parts that are not used.
        named = {n: name for n, name in named.items() if name != "_"}
        self.lines |= {
            n: self.style.name("_")
            for n in parts
            if not (n in uses or n in named or n in self.lines)
        }
        last = {name: n for n, name in named.items()}
        # A name that was assigned several times belongs to its last value. Earlier values are
        # written where they are used, or get a number.
        for name, n in last.items():
            self.lines[n] = self._new(name)
        for n, name in named.items():
            if n not in self.lines and (n in parts or uses[n] > 1):
                self.lines[n] = self._new(name)
        for cut in self.cuts:
            for count, part in enumerate(cut, 1):
                if isinstance(part, Node) and part not in self.lines:
                    whole = part.args[0]
                    self.lines[part] = self._new(
                        f"{whole.value if whole.op in MOMENTS else labels.get(whole, 's')}_{count}"
                    )
        self.taken.add("s")
        for n in self.nodes:
            if n.args and n not in self.lines and uses[n] > 1 and self._operations(n) >= BIG:
                self.lines[n] = self._new("s")

    def _operations(self, node: Node) -> int:
        """The number of operations in an expression as it is written."""
        return 1 + sum(self._operations(a) for a in node.args if a.args and a not in self.lines)

    def _cuts(self) -> list[list[Node | Size]]:
        """The slices, grouped into splits that have a used or named part. A split is the list of
        its parts in order; a size stands for a gap.
        """
        used, one = set(self.nodes), dict.fromkeys(self.graph.letters, 1)
        whole: dict[Node, list[Node]] = {}
        for n in self.graph.builder:
            if n.op == "slice" and n.args[0] in used:
                whole.setdefault(n.args[0], []).append(n)
        cuts = []
        for arg, slices in whole.items():
            slices.sort(key=lambda n: tuple(s.at(one) for s in n.value))
            # Parts that overlap come from several splits of one value.
            while slices:
                cut: list[Node | Size] = []
                others: list[Node] = []
                end = Size(0)
                for part in slices:
                    start, stop = part.value
                    if start.at(one) < end.at(one):
                        others.append(part)
                        continue
                    cut += [part] if start == end else [start - end, part]
                    end = stop
                if any(part in used or part in self.graph.labels for part in cut):
                    cuts.append(cut if end == arg.size else [*cut, arg.size - end])
                slices = others
        return cuts

    def text(self) -> str:
        """All equations."""
        return self.style.page(self._equations())

    def _equations(self) -> Iterator[tuple[str, str]]:
        first = {next(p for p in cut if isinstance(p, Node)): cut for cut in self.cuts}
        for n in self.graph.builder:
            if n in first:
                yield self._split(first[n])
            elif n in self.lines and n.op != "slice":
                yield self.lines[n], self.write(n, LOOSE, named=False)
        for state, new in zip(self.graph.states, self.graph.new_states):
            if self.lines.get(new) != self.style.name(state, "t"):
                yield self.style.name(state, "t"), self.write(new, LOOSE)
        if self.graph.output not in self.lines or self.graph.output in self.graph.new_states[1:]:
            if self.graph.output is not self.graph.new_states[0]:
                yield self._new("y", "t"), self.write(self.graph.output, LOOSE)

    def _split(self, cut: list[Node | Size]) -> tuple[str, str]:
        arg = next(p for p in cut if isinstance(p, Node)).args[0]
        sizes = [p.size if isinstance(p, Node) else p for p in cut]
        parts = len(cut) if len(set(sizes)) == 1 else [self.style.size(size) for size in sizes]
        names = [self.lines[p] if isinstance(p, Node) else self.style.name("_") for p in cut]
        return ", ".join(names), self.style.split(self.write(arg, LOOSE), parts)

    def write(self, node: Node, place: int = LOOSE, named: bool = True) -> str:
        """An expression of the step, in parentheses if the context needs them.

        Args:
            node: The expression.
            place: The level of the context, from LOOSE to ATOM.
            named: Whether to write the name of the expression, if it has one.
        """
        if named and (node in self.lines or node in self.leaves):
            return self.lines.get(node) or self.leaves[node]
        style, own = self.style, ATOM
        if node.op == "number":
            text = style.number(node.value)
        elif node.op == "product":
            (name, transposed), own = node.value, PRODUCT
            text = style.product(style.name(name), transposed, self.write(node.args[0], PRODUCT))
        elif power := self._power(node):
            own, text = POWER, style.power(self.write(node.args[-1], ATOM), power)
        else:
            own, *places = style.levels.get(node.op, (ATOM, *[LOOSE] * len(node.args)))
            text = style.operation(node, [self.write(a, p) for a, p in zip(node.args, places)])
        if text.startswith("-"):
            own = min(own, SIGNED)
        return text if own >= place else f"({text})"

    def _power(self, node: Node) -> int | None:
        if node.op != "mul":
            return None
        a, b = node.args
        if a is b:
            return 2
        return 3 if a.op == "mul" and a.args == (b, b) and a not in self.lines else None
