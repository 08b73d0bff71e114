"""Sizes as letters, the closed list of operations, and the graph of one step.

Dimensions, everywhere in this package: B batch, T time, I input, H hidden, G gates, L layers, D
directions, V vocabulary.
"""

import ast
import functools
import math
import numbers
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..errors import CellError, SizeError


def _of_sizes(method):
    """Take what can be read as a size; whatever else stands beside a size has to say itself what it
    makes of that.
    """

    @functools.wraps(method)
    def arithmetic(self, other):
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
        CellError: The text is no such expression.

    Example:
        >>> Size("4*H") + Size("H - P")
        5*H - P
        >>> Size("4*H + I").at({"H": 2, "I": 3})
        11
    """

    __slots__ = ("terms",)

    def __init__(self, given):
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
                    f"{given!r} is no size: write letters and whole numbers, such as 'H' or '4*H'"
                ) from None
        else:
            raise CellError(
                f"{given!r} is no size: write letters and whole numbers, such as 'H' or '4*H'"
            )

    @classmethod
    def _read(cls, tree):
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
    def __add__(self, other):
        total = dict(self.terms)
        for letters, count in other.terms:
            total[letters] = total.get(letters, 0) + count
        return Size(total)

    @_of_sizes
    def __mul__(self, other):
        total = {}
        for a, m in self.terms:
            for b, n in other.terms:
                letters = tuple(sorted(a + b))
                total[letters] = total.get(letters, 0) + m * n
        return Size(total)

    @_of_sizes
    def __sub__(self, other):
        return self + other * -1

    def __eq__(self, other):
        return isinstance(other, Size) and self.terms == other.terms

    def __hash__(self):
        return hash(self.terms)

    def parts(self, count: int) -> "Size | None":
        """The size of each of `count` equal parts, or None where it does not divide."""
        if any(n % count for _, n in self.terms):
            return None
        return Size({letters: n // count for letters, n in self.terms})

    def at(self, sizes: Mapping[str, int]) -> int:
        """The number of units, given what each letter stands for."""
        return sum(n * math.prod(sizes[letter] for letter in letters) for letters, n in self.terms)

    def solve(self, units: int, sizes: Mapping[str, int]) -> tuple[str, int] | None:
        """The one letter that is not known yet and its value, or None where there is no such
        letter.

        Args:
            units: How many units there are.
            sizes: The letters already known.
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
        """The letter, where it is one letter or a multiple of one."""
        letters = self.terms[0][0] if len(self.terms) == 1 else ()
        return letters[0] if len(letters) == 1 else None

    @property
    def letters(self) -> set[str]:
        """The letters it is made of."""
        return {letter for letters, _ in self.terms for letter in letters}

    def __str__(self):
        words = []
        # A size that begins with a minus would not read back.
        for letters, n in sorted(self.terms, key=lambda term: term[1] < 0):
            factors = ([str(abs(n))] if abs(n) != 1 or not letters else []) + list(letters)
            words.append(("- " if n < 0 else "+ ") + "*".join(factors))
        return " ".join(words).removeprefix("+ ") or "0"

    __repr__ = __str__


ONE = Size(1)


@dataclass(frozen=True)
class Op:
    """One pointwise operation: how many values it takes and how it is written."""

    arity: int
    text: str
    latex: str


# The closed list. Besides these there are the leaves (input, state, weight, number), the product
# with a weight, split and concat (slice, concat), and the sums over units (sum, mean).
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
    """One value of a step: an operation on other nodes. Compared by identity; equal nodes are made
    once.

    Attributes:
        op: A name in `POINTWISE`, or one of input, state, weight, number, product, slice, concat,
            pad, broadcast, sum, mean, and in backward graphs gradient (what comes in from outside
            the step).
        args: The nodes it is made of.
        value: What the op needs besides: a name; a number; (weight, transposed) of a product;
            (start, stop) of a slice; the start of a pad (zeros around its argument); "mean" of a
            broadcast that also divides by its size.
        size: How many units it has.
    """

    __slots__ = ("op", "args", "value", "size")

    def __init__(self, op, args, value, size):
        self.op, self.args, self.value, self.size = op, args, value, size

    def __repr__(self):
        return f"<{self.op} {self.value if self.value is not None else ''} [{self.size}]>"


class Builder:
    """Makes nodes; the same operation on the same nodes gives the same node. Iterating gives them
    in the order they were made.
    """

    def __init__(self):
        self._known: dict[tuple, Node] = {}

    def node(self, op, args=(), value=None, size=ONE) -> Node:
        """The node of this operation, argument nodes, value and size; see `Node`."""
        # As text, -0.0 is another number than 0.0.
        key = (op, tuple(args), repr(value), size)
        if key not in self._known:
            self._known[key] = Node(op, tuple(args), value, size)
        return self._known[key]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._known.values())

    def number(self, value: float) -> Node:
        """A number, of size 1."""
        return self.node("number", value=float(value))

    def pointwise(self, op: str, *args: Node) -> Node:
        """One of `POINTWISE` on values of one size; a value of size 1 goes with any.

        Raises:
            SizeError: The sizes differ.
        """
        sizes = {a.size for a in args} - {ONE}
        if len(sizes) > 1:
            raise SizeError(" and ".join(map(str, sizes)))
        return self.node(op, args, None, sizes.pop() if sizes else ONE)

    def slice(self, arg: Node, start: Size, stop: Size) -> Node:
        """The units of a value from start up to stop."""
        return (
            arg
            if (start, stop) == (Size(0), arg.size)
            else self.node("slice", (arg,), (start, stop), stop - start)
        )


def walk(roots: Iterable[Node], ends: Container[Node] = ()) -> list[Node]:
    """Every node that the roots need, each once, arguments first; of those in `ends` the arguments
    are not looked at.
    """
    order, seen, stack = [], set(), [(r, False) for r in reversed(list(roots))]
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
    """A weight as a cell declares it: its shape in letters, and how it starts."""

    shape: tuple[Size, ...]
    init: object = None


# What is affine in its arguments, besides a product of which one factor holds no state.
AFFINE = {"add", "sub", "neg", "product", "slice", "concat", "sum", "mean"}


def _degree(node: Node, degrees: Mapping[Node, float], late: Container[str]) -> float:
    """As a polynomial of the states: 0 where none is in it, 1 where it is affine in them, more or
    infinite otherwise.

    Args:
        node: A node of a step.
        degrees: Those of its arguments.
        late: States that are no more than inputs.
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
        output: The output; the first new state where the cell returns no other.
        new_states: The new states, in the order of `states`.
        labels: The names that the cell's body gave to its values, in the order in which it gave
            them.
        builder: What made the nodes.
        given: Inputs that no gradient goes to.
        constant: Inputs of which all steps have the same numbers; no product reads one by itself.
        bits: Inputs that are 0 or 1, one byte each; no product reads one by itself.
        known: What letters stand for that the tensors may not tell.
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
        """The graph as text, the same for equal graphs: what kernels are cached by."""
        nodes = self.nodes
        number = {n: i for i, n in enumerate(nodes)}
        lines = [f"{n.op} {[number[a] for a in n.args]} {n.value} {n.size}" for n in nodes]
        ends = [number[n] for n in (self.output, *self.new_states)]
        kinds = (str(sorted(kind)) for kind in (self.given, self.constant, self.bits))
        return "\n".join([*lines, str(ends), str(self.inputs), str(self.states), *kinds])

    @property
    def is_linear(self) -> bool:
        """Whether every new state is affine in the old ones, with coefficients that inputs and
        weights alone decide.

        Steps of such a cell can be joined in any grouping, as a parallel scan does. A state that
        holds only what earlier inputs decide is no more than an input that comes late.

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

    def bind(self, inputs, states, weights) -> dict[str, int]:
        """What each letter stands for, read off tensors.

        Args:
            inputs: A tensor for each input, units last.
            states: A tensor for each state, units last; None where it is not given.
            weights: The weights by name.

        Raises:
            SizeError: Two tensors disagree, or a letter cannot be told; the message says which and
                what each wants.
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
        pairs = [(size, units) for _, wanted, shape in given for size, units in zip(wanted, shape)]
        sizes = dict(self.known)
        for size, units in pairs:
            if (letter := size.lone_letter) is not None:
                sizes.setdefault(letter, units // size.terms[0][1])
        # What is left are letters that stand only in sums and products.
        left = [(size, units) for size, units in pairs if not size.letters <= sizes.keys()]
        while found := next(filter(None, (size.solve(units, sizes) for size, units in left)), None):
            sizes |= [found]
        if missing := sorted(self.letters - sizes.keys()):
            raise SizeError(
                f"cell {self.name!r}: the tensors do not tell what {', '.join(missing)} is: "
                "give one of its inputs, states or weights that letter as its size"
            )
        for what, wanted, shape in given:
            expected = tuple(size.at(sizes) for size in wanted)
            if expected != tuple(shape):
                letters = ", ".join(f"{k}={v}" for k, v in sorted(sizes.items()))
                raise SizeError(
                    f"{what} of cell {self.name!r} is {tuple(shape)}; it should be "
                    f"({', '.join(map(str, wanted))}) = {expected} with {letters}"
                )
        return sizes

    def check_units(self, sizes: Mapping[str, int]) -> None:
        """Make sure that every value of the step has a unit, whatever is subtracted in its size.

        Args:
            sizes: What each letter stands for.

        Raises:
            SizeError: One has none.
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
        """Every letter that a size of this cell, or of a value of its step, uses."""
        sizes = [*self.declared_sizes, *self.states.values(), *(n.size for n in self.nodes)]
        return frozenset(letter for size in sizes for letter in size.letters)

    @property
    def declared_sizes(self) -> list[Size]:
        """The sizes of all inputs and weights, which every call gives."""
        return [*self.inputs.values(), *(s for w in self.weights.values() for s in w.shape)]
