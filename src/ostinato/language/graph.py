"""Sizes in letters, the list of operations, and the graph of one step.

Dimensions, everywhere in this package: B batch, T time, I input, H hidden, G gates, L layers, D
directions, V vocabulary.
"""

import ast
import functools
import math
import numbers
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import CellError, SizeError

__all__ = ["ONE", "POINTWISE", "Builder", "Graph", "Node", "Op", "Size", "Weight", "walk"]


def _of_sizes(method: Callable[["Size", "Size"], "Size"]) -> Callable[["Size", object], "Size"]:
    """Convert the other operand to a size. Other types get NotImplemented, so that Python asks
    them.
    """

    @functools.wraps(method)
    def arithmetic(self: "Size", other: object) -> "Size":
        return (
            method(self, Size(other))
            if isinstance(other, (Size, str, numbers.Integral))
            else NotImplemented
        )

    return arithmetic


class Size:
    """A number of units as a polynomial of letters: `4*H`, `H + P`, `1`.

    Args:
        given: An int, another Size, or text made of letters, whole numbers, `+`, `-` and `*`.

    Raises:
        CellError: The text is not such an expression.

    Example:
        >>> Size("4*H") + Size("H - P")
        5*H - P
        >>> Size("4*H + I").at({"H": 2, "I": 3})
        11
    """

    __slots__ = ("terms",)
    terms: tuple[tuple[tuple[str, ...], int], ...]

    def __init__(self, given: Any):
        if isinstance(given, Size):
            self.terms = given.terms
        elif isinstance(given, dict):
            self.terms = tuple(sorted((k, v) for k, v in given.items() if v))
        elif isinstance(given, numbers.Integral) and not isinstance(given, bool):
            self.terms = (((), int(given)),) if given else ()
        elif isinstance(given, str):
            try:
                self.terms = self._read(ast.parse(given.strip(), mode="eval").body).terms
            except (SyntaxError, TypeError, ValueError):
                raise CellError(
                    f"{given!r} is not a size: write letters and whole numbers, such as 'H' "
                    f"or '4*H'"
                ) from None
        else:
            raise CellError(
                f"{given!r} is not a size: write letters and whole numbers, such as 'H' or '4*H'"
            )

    @classmethod
    def _read(cls, tree: ast.expr) -> "Size":
        match tree:
            case ast.Name(id=name):
                return cls({(name,): 1})
            case ast.Constant(value=int(number)):
                return cls(number)
            case ast.BinOp(left=a, op=ast.Add(), right=b):
                return cls._read(a) + cls._read(b)
            case ast.BinOp(left=a, op=ast.Sub(), right=b):
                return cls._read(a) - cls._read(b)
            case ast.BinOp(left=a, op=ast.Mult(), right=b):
                return cls._read(a) * cls._read(b)
        raise TypeError(tree)

    @_of_sizes
    def __add__(self, other: "Size") -> "Size":
        total = dict(self.terms)
        for letters, count in other.terms:
            total[letters] = total.get(letters, 0) + count
        return Size(total)

    @_of_sizes
    def __mul__(self, other: "Size") -> "Size":
        total: dict[tuple[str, ...], int] = {}
        for a, m in self.terms:
            for b, n in other.terms:
                letters = tuple(sorted(a + b))
                total[letters] = total.get(letters, 0) + m * n
        return Size(total)

    @_of_sizes
    def __sub__(self, other: "Size") -> "Size":
        return self + other * -1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def parts(self, count: int) -> "Size | None":
        """The size of each of `count` equal parts, or None if the size is not divisible."""
        if any(n % count for _, n in self.terms):
            return None
        return Size({letters: n // count for letters, n in self.terms})

    def at(self, sizes: Mapping[str, int]) -> int:
        """The number of units, given the value of each letter."""
        return sum(n * math.prod(sizes[letter] for letter in letters) for letters, n in self.terms)

    def solve(self, units: int, sizes: Mapping[str, int]) -> tuple[str, int] | None:
        """The one unknown letter and its value, or None if there is not exactly one.

        Args:
            units: The number of units.
            sizes: The values of the known letters.
        """
        unknown = [
            (letters, n)
            for letters, n in self.terms
            if not all(letter in sizes for letter in letters)
        ]
        if len(unknown) != 1:
            return None
        ((letters, n),) = unknown
        letter, *more = (letter for letter in letters if letter not in sizes)
        each = n * math.prod(sizes[known] for known in letters if known in sizes)
        rest = units - Size({k: v for k, v in self.terms if k != letters}).at(sizes)
        return None if more or not each else (letter, rest // each)

    @property
    def lone_letter(self) -> str | None:
        """The letter, if the size is one letter or a multiple of one."""
        letters = self.terms[0][0] if len(self.terms) == 1 else ()
        return letters[0] if len(letters) == 1 else None

    @property
    def letters(self) -> set[str]:
        """The letters in it."""
        return {letter for letters, _ in self.terms for letter in letters}

    def __str__(self) -> str:
        words = []
        # Negative terms go last: a size that begins with a minus cannot be read back.
        for letters, n in sorted(self.terms, key=lambda term: term[1] < 0):
            factors = ([str(abs(n))] if abs(n) != 1 or not letters else []) + list(letters)
            words.append(("- " if n < 0 else "+ ") + "*".join(factors))
        return " ".join(words).removeprefix("+ ") or "0"

    __repr__ = __str__


ONE = Size(1)


@dataclass(frozen=True)
class Op:
    """A pointwise operation: its number of arguments, and its notation as text and as LaTeX."""

    arity: int
    text: str
    latex: str


# All pointwise operations. The other ops are the leaves (input, state, weight, number), the product
# with a weight, split and concat (slice, concat), and the reductions over units (sum, mean).
POINTWISE = {
    "add": Op(2, "{} + {}", "{} + {}"),
    "sub": Op(2, "{} - {}", "{} - {}"),
    "mul": Op(2, "{} * {}", r"{} \odot {}"),
    "div": Op(2, "{} / {}", r"\frac{{{}}}{{{}}}"),
    "neg": Op(1, "-{}", "-{}"),
    "sigmoid": Op(1, "sigmoid({})", r"\sigma({})"),
    "tanh": Op(1, "tanh({})", r"\tanh({})"),
    "relu": Op(1, "relu({})", r"\operatorname{{relu}}({})"),
    "exp": Op(1, "exp({})", r"\exp({})"),
    "log": Op(1, "log({})", r"\log({})"),
    "sqrt": Op(1, "sqrt({})", r"\sqrt{{{}}}"),
    "softplus": Op(1, "softplus({})", r"\operatorname{{softplus}}({})"),
    "hard_sigmoid": Op(1, "hard_sigmoid({})", r"\sigma_{{\mathrm{{hard}}}}({})"),
    "floor": Op(1, "floor({})", r"\lfloor {} \rfloor"),
    "abs": Op(1, "abs({})", r"\lvert {} \rvert"),
    "maximum": Op(2, "maximum({}, {})", r"\max({}, {})"),
    "minimum": Op(2, "minimum({}, {})", r"\min({}, {})"),
    "less": Op(2, "{} < {}", "{} < {}"),
    "where": Op(3, "where({}, {}, {})", r"\operatorname{{where}}({}, {}, {})"),
}
MASKS = {"less"}


class Node:
    """One value of a step: an operation on other nodes. Nodes are compared by identity, because
    equal nodes are created only once.

    Attributes:
        op: A name in `POINTWISE`, or one of input, state, weight, number, product, slice, concat,
            pad, broadcast, sum, mean, and in backward graphs gradient (which enters from outside
            the step).
        args: The argument nodes.
        value: The parameter of the op: a name; a number; (weight, transposed) of a product; (start,
            stop) of a slice; the start of a pad (zeros around its argument); "mean" of a broadcast
            that also divides by its size.
        size: The number of units.
    """

    __slots__ = ("op", "args", "value", "size")

    def __init__(self, op: str, args: tuple["Node", ...], value: Any, size: Size):
        self.op, self.args, self.value, self.size = op, args, value, size

    def __repr__(self) -> str:
        return f"<{self.op} {self.value if self.value is not None else ''} [{self.size}]>"


class Builder:
    """Creates nodes, and returns the same node for the same operation on the same nodes. Iterating
    over it gives all nodes in the order of creation.
    """

    def __init__(self) -> None:
        self._known: dict[tuple, Node] = {}

    def node(self, op: str, args: Iterable[Node] = (), value: Any = None, size: Size = ONE) -> Node:
        """The node with this operation, arguments, value and size; see `Node`."""
        # repr tells -0.0 from 0.0.
        key = (op, tuple(args), repr(value), size)
        if key not in self._known:
            self._known[key] = Node(op, tuple(args), value, size)
        return self._known[key]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._known.values())

    def number(self, value: float) -> Node:
        """A constant number, of size 1."""
        return self.node("number", value=float(value))

    def pointwise(self, op: str, *args: Node) -> Node:
        """An operation in `POINTWISE` on values of one size; values of size 1 broadcast.

        Raises:
            SizeError: The sizes differ.
        """
        sizes = {a.size for a in args} - {ONE}
        if len(sizes) > 1:
            raise SizeError(" and ".join(map(str, sizes)))
        return self.node(op, args, None, sizes.pop() if sizes else ONE)

    def slice(self, arg: Node, start: Size, stop: Size) -> Node:
        """The units of a value from start to stop, without stop."""
        return (
            arg
            if (start, stop) == (Size(0), arg.size)
            else self.node("slice", (arg,), (start, stop), stop - start)
        )


def walk(roots: Iterable[Node], ends: Container[Node] = ()) -> list[Node]:
    """Every node that the roots depend on, once, arguments first. The arguments of nodes in `ends`
    are not visited.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(r, False) for r in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if node not in ends:
                stack.extend((a, False) for a in reversed(node.args) if a not in seen)
    return order


@dataclass(frozen=True)
class Weight:
    """A declared weight: its shape in letters, and its initialiser."""

    shape: tuple[Size, ...]
    init: object = None


# Ops that are affine in their arguments. So is a product with one factor that has no state in it.
AFFINE = {"add", "sub", "neg", "product", "slice", "concat", "sum", "mean"}


def _degree(node: Node, degrees: Mapping[Node, float], late: Container[str]) -> float:
    """The degree of a node as a polynomial in the states: 0 if it contains none, 1 if it is affine
    in them, more or infinite otherwise.

    Args:
        node: A node of a step.
        degrees: The degrees of its arguments.
        late: States that depend on earlier inputs only.
    """
    args = [degrees[a] for a in node.args]
    if node.op == "state":
        return node.value not in late
    if not any(args):
        return 0
    if node.op in AFFINE:
        return max(args)
    if node.op == "mul":
        return sum(args)
    if node.op == "div" and not args[1]:
        return args[0]
    if node.op == "where" and not args[0]:
        return max(args)
    return math.inf


@dataclass(frozen=True, eq=False)
class Graph:
    """One step of a cell: from the inputs and the previous states to the output and the new states.

    Attributes:
        name: The cell's name.
        inputs: The size of each input, by name.
        states: The size of each state, by name.
        weights: The weights that the step uses, by name.
        output: The output, which is the first new state unless the cell returns another one.
        new_states: The new states, in the order of `states`.
        labels: The names that the cell's body assigned to values, in the order of assignment.
        builder: The builder of the nodes.
        given: Inputs that get no gradient.
        constant: Inputs with the same values in all steps; none is a direct argument of a product.
        bits: Inputs that are 0 or 1, one byte each; none is a direct argument of a product.
        known: Values of letters that cannot be inferred from the tensors.
    """

    name: str
    inputs: dict[str, Size]
    states: dict[str, Size]
    weights: dict[str, Weight]
    output: Node
    new_states: tuple[Node, ...]
    labels: dict[Node, str] = field(repr=False)
    builder: Builder = field(repr=False)
    given: frozenset[str] = frozenset()
    constant: frozenset[str] = frozenset()
    bits: frozenset[str] = frozenset()
    known: Mapping[str, int] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Node]:
        """Every node of the step, arguments first."""
        return walk((self.output, *self.new_states))

    @property
    def key(self) -> str:
        """The graph as text, the same for equal graphs: the key of the kernel cache."""
        nodes = self.nodes
        number = {n: i for i, n in enumerate(nodes)}
        lines = [f"{n.op} {[number[a] for a in n.args]} {n.value} {n.size}" for n in nodes]
        ends = [number[n] for n in (self.output, *self.new_states)]
        kinds = (str(sorted(kind)) for kind in (self.given, self.constant, self.bits))
        return "\n".join([*lines, str(ends), str(self.inputs), str(self.states), *kinds])

    @property
    def is_linear(self) -> bool:
        """Whether every new state is affine in the old ones, with coefficients that depend on
        inputs and weights only.

        Steps of such a cell can be combined in any grouping, as in a parallel scan. A state that
        depends only on earlier inputs counts as a delayed input.

        Example:
            >>> from ostinato.cells import lstm, min_gru
            >>> min_gru.graph.is_linear, lstm.graph.is_linear
            (True, False)
        """
        late: set[str] = set()
        while True:
            degrees: dict[Node, float] = {}
            for node in self.nodes:
                degrees[node] = _degree(node, degrees, late)
            more = {
                name
                for name, node in zip(self.states, self.new_states, strict=True)
                if not degrees[node]
            } - late
            if not more:
                return max(degrees[node] for node in self.new_states) <= 1
            late |= more

    def bind(
        self, inputs: Sequence[Any], states: Sequence[Any], weights: Mapping[str, Any]
    ) -> dict[str, int]:
        """The value of each letter, inferred from the shapes of tensors.

        Args:
            inputs: A tensor for each input, units last.
            states: A tensor for each state, units last; None for a state that is not given.
            weights: The weights by name.

        Raises:
            SizeError: Two tensors disagree, or a letter cannot be inferred. The message says which,
                and which shape was expected.
        """
        given = [
            (f"input {name!r}", (size,), x.shape[-1:])
            for (name, size), x in zip(self.inputs.items(), inputs, strict=True)
        ]
        given += [
            (f"state {name!r}", (size,), s.shape[-1:])
            for (name, size), s in zip(self.states.items(), states, strict=True)
            if s is not None
        ]
        given += [
            (f"weight {name!r}", w.shape, tuple(weights[name].shape))
            for name, w in self.weights.items()
        ]
        pairs = [(size, n) for _, declared, shape in given for size, n in zip(declared, shape)]
        sizes = dict(self.known)
        for size, units in pairs:
            if (letter := size.lone_letter) is not None:
                sizes.setdefault(letter, units // size.terms[0][1])
        # The other letters occur only in sums and products.
        unsolved = [(size, units) for size, units in pairs if not size.letters <= sizes.keys()]
        while solved := next(filter(None, (s.solve(units, sizes) for s, units in unsolved)), None):
            sizes |= [solved]
        if missing := sorted(self.letters - sizes.keys()):
            raise SizeError(
                f"cell {self.name!r}: the tensors do not tell what {', '.join(missing)} is: "
                "give one of its inputs, states or weights that letter as its size"
            )
        for what, declared, shape in given:
            expected = tuple(size.at(sizes) for size in declared)
            if expected != tuple(shape):
                letters = ", ".join(f"{k}={v}" for k, v in sorted(sizes.items()))
                raise SizeError(
                    f"{what} of cell {self.name!r} is {tuple(shape)}; it should be "
                    f"({', '.join(map(str, declared))}) = {expected} with {letters}"
                )
        return sizes

    def check_units(self, sizes: Mapping[str, int]) -> None:
        """Make sure that every value of the step has at least one unit; a size may subtract
        letters.

        Args:
            sizes: The value of each letter.

        Raises:
            SizeError: A value has no units.
        """
        every = [*self.declared_sizes, *self.states.values(), *(n.size for n in self.nodes)]
        for size in every:
            if (units := size.at(sizes)) < 1:
                letters = ", ".join(f"{letter}={sizes[letter]}" for letter in sorted(size.letters))
                raise SizeError(
                    f"cell {self.name!r} has a value of {size} units, and with {letters} that is "
                    f"{units}: it needs at least 1"
                )

    @functools.cached_property
    def letters(self) -> frozenset[str]:
        """Every letter in the sizes of this cell and of the values of its step."""
        sizes = [*self.declared_sizes, *self.states.values(), *(n.size for n in self.nodes)]
        return frozenset(letter for size in sizes for letter in size.letters)

    @property
    def declared_sizes(self) -> list[Size]:
        """The sizes of all inputs and weights, which are known in every call."""
        return [*self.inputs.values(), *(s for w in self.weights.values() for s in w.shape)]
