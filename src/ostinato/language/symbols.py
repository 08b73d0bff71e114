"""Symbols: what a cell's body sees in place of values, and the words in which it is told what it
cannot do with them.
"""

import linecache
import numbers
import re
import reprlib
import sys
from types import CodeType
from typing import NoReturn

from ..errors import CellError, SizeError
from .graph import MASKS, POINTWISE, Builder, Node, Size

OPERATIONS = (
    "The operations are: W @ x; + - * / and ** (2, 3, 0.5, -1); < and >; sigmoid, tanh, relu, exp, "
    "log, sqrt, softplus, "
    "hard_sigmoid, floor, abs, maximum, minimum, where, clip; split, concat; sum and mean over "
    "units."
)
# Code that stands between a person's line and the message about it.
LIBRARIES = {"numpy", "torch"}


def place(file: str, line: int) -> str:
    """A line of code as errors name it, with its text where the source can be had."""
    source = linecache.getline(file, line).strip()
    return f"{file}, line {line}" + (f": `{source}`" if source else "")


def is_between(module: str) -> bool:
    """Whether a module is this language or a library that a symbol was given to, rather than the
    person's own.
    """
    return module.startswith(f"{__package__}.") or module.partition(".")[0] in LIBRARIES


def line() -> str:
    """Where the person's code stands: the innermost line that is neither this language's nor a
    library's.
    """
    frame = sys._getframe(1)
    while frame.f_back and is_between(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return place(frame.f_code.co_filename, frame.f_lineno)


def head(code: CodeType) -> str:
    """The line with a function's name: the code of a decorated function starts at its
    decorators.
    """
    first = code.co_firstlineno
    lines = (
        (number, linecache.getline(code.co_filename, number).lstrip())
        for number in range(first, first + 9)
    )
    return place(
        code.co_filename,
        next((number for number, text in lines if text.startswith(("def ", "async def "))), first),
    )


def refuse(problem: str, mend: str, at: str | None = None) -> NoReturn:
    """Say what cannot be read, where, and what to write instead."""
    raise CellError(f"{at or line()}\n  {problem}\n  {mend}") from None


def words(node: Node, depth: int = 0) -> str:
    """A short reading of an expression for error messages."""
    if node.op in ("input", "state", "weight"):
        return node.value
    if node.op == "number":
        return f"{node.value:g}"
    if depth > 3:
        return "..."
    args = [words(a, depth + 1) for a in node.args]
    if node.op == "product":
        name, transposed = node.value
        inner = args[0] if not node.args[0].args else f"({args[0]})"
        return f"{name}{'.T' if transposed else ''} @ {inner}"
    if node.op in POINTWISE:
        return POINTWISE[node.op].text.format(
            *(f"({a})" if n.op in ("add", "sub") else a for n, a in zip(node.args, args))
        )
    return f"{node.op}({', '.join(args)})"


def _refused(sign):
    def ours(self, other):
        refuse(f"{self} {sign} {reprlib.repr(other)} is not in the language.", OPERATIONS)

    def theirs(self, other):
        refuse(f"{reprlib.repr(other)} {sign} {self} is not in the language.", OPERATIONS)

    return ours, theirs


class Symbol:
    """What stands for a value while a cell is read. What is not in the language is refused by
    name.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __repr__(self):
        return str(self)

    def __format__(self, spec):
        return str(self)

    def __bool__(self):
        refuse(
            f"a step cannot branch on {self}: its value is not known while the cell is read.",
            "Write where(condition, a, b); for the builtins min and max write minimum(a, b) and "
            "maximum(a, b).",
        )

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        refuse(f"{self} has no `.{name}`.", OPERATIONS)

    def __call__(self, *args, **kwargs):
        refuse(
            f"{self} is no function.",
            "Write * to multiply; where a weight or a state has the name of an operation, rename "
            "it.",
        )

    __mod__, __rmod__ = _refused("%")
    __floordiv__, __rfloordiv__ = _refused("//")
    __and__, __rand__ = _refused("&")
    __or__, __ror__ = _refused("|")
    __xor__, __rxor__ = _refused("^")

    def __getitem__(self, index, *assigned):
        refuse(
            f"{self} cannot be indexed with [{index!r}].",
            'Write `a, b = split(z, 2)`, or split(z, ("H", "P")) for unequal parts.',
        )

    __setitem__ = __getitem__

    def __iter__(self):
        refuse(
            f"{self} cannot be unpacked or looped over.",
            "Write `a, b = split(z, 2)`; over units there are ostinato.sum(z) and "
            "ostinato.mean(z).",
        )

    def __len__(self):
        refuse(
            f"{self} has no len().",
            "Sizes are letters: use mean(z), or give the number as a constant of the cell.",
        )

    def __float__(self):
        refuse(
            f"{self} is not a number: its value is not known while the cell is read.", OPERATIONS
        )

    __int__ = __index__ = __complex__ = __float__

    def __eq__(self, other):
        refuse(
            f"{self} cannot be compared with == or !=.",
            "Write where(a < b, ...) or where(a > b, ...).",
        )

    __ne__ = __eq__

    def __le__(self, other):
        refuse(
            "<= and >= are not in the language.",
            "Write a < b, or where(b < a, y, x) for where(a <= b, x, y).",
        )

    __ge__ = __le__

    def __array__(self, *args, **kwargs):
        refuse(f"NumPy cannot work on {self}.", OPERATIONS)

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        # A NumPy number on the left of an operator comes here, on the left of a comparison as an
        # array without dimensions.
        known = {
            "add": "add",
            "subtract": "sub",
            "multiply": "mul",
            "divide": "div",
            "less": "less",
            "greater": "less",
        }
        if isinstance(self, Vector) and method == "__call__" and ufunc.__name__ in known:
            args = [
                a if isinstance(a, Symbol) or getattr(a, "shape", None) != () else a.item()
                for a in args
            ]
            return self._pointwise(
                known[ufunc.__name__], *(args[::-1] if ufunc.__name__ == "greater" else args)
            )
        refuse(f"numpy.{ufunc.__name__} is not in the language.", OPERATIONS)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        refuse(
            f"torch's {getattr(function, '__name__', function)} is not in the language.", OPERATIONS
        )


class Matrix(Symbol):
    """A weight of two dimensions; all that it does is `W @ x` and `W.T @ x`."""

    __slots__ = ("builder", "name", "shape", "transposed")

    def __init__(
        self, builder: Builder, name: str, shape: tuple[Size, ...], transposed: bool = False
    ):
        self.builder, self.name, self.shape, self.transposed = builder, name, shape, transposed

    def __str__(self):
        return (
            f"weight {self.name}{'.T' if self.transposed else ''} ({self.shape[0]} x "
            f"{self.shape[1]})"
        )

    @property
    def T(self):
        return Matrix(self.builder, self.name, self.shape[::-1], not self.transposed)

    def __matmul__(self, other):
        if not isinstance(other, Vector):
            refuse(
                f"{self} @ {reprlib.repr(other)} is not in the language: a weight multiplies a "
                f"vector of this step.",
                f"Write {self.name} @ x; two products are written {self.name} @ (U @ x).",
            )
        node, (rows, columns) = other.value("@").node, self.shape
        if node.size != columns:
            given = words(node) if not node.args else f"({words(node)})"
            declared = f'"{node.size}", "{rows}"' if self.transposed else f'"{rows}", "{node.size}"'
            name = f"{self.name}.T" if self.transposed else self.name
            refuse(
                f"{name} is {rows} x {columns}, and `{words(node)}` has {node.size} units: {name} "
                f"@ {given} needs {columns}.",
                f"Declare {self.name}=weight({declared}), or give it a vector of {columns}.",
            )
        return Vector(
            self.builder, self.builder.node("product", (node,), (self.name, self.transposed), rows)
        )

    def only_products(self, *others) -> NoReturn:
        """Refuse what is no product."""
        refuse(
            f"{self} is a matrix: it can only multiply a vector.",
            f"Write {self.name} @ x; for a weight a unit declare "
            f'{self.name}=weight("{self.shape[0]}").',
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = (
        __neg__
    ) = only_products
    __pow__ = __rpow__ = __lt__ = __gt__ = __le__ = __ge__ = __abs__ = __rmatmul__ = __getitem__ = (
        __iter__
    ) = only_products


def _both_ways(op):
    return lambda self, other: self._pointwise(
        op, self, other
    ), lambda self, other: self._pointwise(op, other, self)


class Vector(Symbol):
    """A value of one step: an input, a state, a weight of one dimension, or what was made of
    them.
    """

    __slots__ = ("builder", "node")

    def __init__(self, builder: Builder, node: Node):
        self.builder, self.node = builder, node

    def __str__(self):
        return f"`{words(self.node)}` ({self.node.size})"

    @property
    def is_mask(self) -> bool:
        """Whether this is a comparison, which only `where` takes."""
        return self.node.op in MASKS

    def value(self, what: str) -> "Vector":
        """Itself, unless it is a comparison."""
        if self.is_mask:
            refuse(
                f"{what} was given {self}, which is a comparison and no number.",
                "Write where(condition, 1.0, 0.0) to make one.",
            )
        return self

    def _pointwise(self, op, *args):
        nodes = []
        for a in args:
            if isinstance(a, Matrix):
                a.only_products()
            elif isinstance(a, Vector):
                # `{} * {}` is said as `*`, `exp({})` as `exp()`
                nodes.append(
                    a.node
                    if op == "where" and not nodes
                    else a.value(re.sub("[{}, ]", "", POINTWISE[op].text)).node
                )
            elif isinstance(a, numbers.Real) and not isinstance(a, bool):
                nodes.append(self.builder.number(a))
            else:
                refuse(
                    f"{reprlib.repr(a)} ({type(a).__name__}) cannot be used in a step.",
                    "Use numbers and the values of this step; declare what is learned as a weight, "
                    "and what is given as an input.",
                )
        if op == "div" and nodes[1].op == "number" and not nodes[1].value:
            refuse(
                f"`{words(nodes[0])}` is divided by the number 0.",
                "Divide by another number, or by a value of this step.",
            )
        try:
            return Vector(self.builder, self.builder.pointwise(op, *nodes))
        except SizeError:
            parts = ", ".join(f"`{words(n)}` has {n.size} units" for n in nodes if n.op != "number")
            refuse(
                f"sizes do not match: {parts}.",
                "Give both the same size; a size of 1 goes with any.",
            )

    __add__, __radd__ = _both_ways("add")
    __sub__, __rsub__ = _both_ways("sub")
    __mul__, __rmul__ = _both_ways("mul")
    __truediv__, __rtruediv__ = _both_ways("div")
    __lt__, __gt__ = _both_ways("less")

    def __neg__(self):
        return self._pointwise("neg", self)

    def __abs__(self):
        return self._pointwise("abs", self)

    def __matmul__(self, other):
        if isinstance(other, Matrix):
            refuse(
                f"{self} @ {other}: the weight stands on the left.",
                f"Write {other.name} @ {words(self.node)}.",
            )
        refuse(
            f"{self} @ {reprlib.repr(other)}: only a weight of two sizes multiplies with @.",
            'Write * for a product unit by unit, or declare W=weight("H", "I").',
        )

    def __rmatmul__(self, other):
        refuse(
            f"{reprlib.repr(other)} @ {self}: only a declared weight multiplies.",
            'Declare W=weight("H", "I") after the `*` and write W @ x.',
        )

    def __pow__(self, power):
        match power:
            case Symbol():
                pass
            case 2:
                return self * self
            case 3:
                return self * self * self
            case 0.5:
                return self._pointwise("sqrt", self)
            case -1:
                return 1.0 / self
        refuse(
            f"{self} ** {power!r} is not in the language.",
            "Powers are 2, 3, 0.5 and -1; write exp(p * log(x)) for others.",
        )

    def __rpow__(self, base):
        refuse(
            f"{base!r} ** {self} is not in the language.",
            f"Write exp(z * p) with p = log({base!r}), worked out by math.log.",
        )
