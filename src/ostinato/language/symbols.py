"""Private: symbols: the values that a cell's body sees while it is traced, and the errors for
everything that the cell language does not support.
"""

import linecache
import numbers
import re
import reprlib
import sys
from types import CodeType
from typing import Any, NoReturn

from ..errors import CellError, SizeError
from .graph import MASKS, POINTWISE, Builder, Node, Size

__all__ = ["OPERATIONS", "Matrix", "Symbol", "Vector", "refuse"]

OPERATIONS = (
    "The operations are: W @ x; + - * / and ** (2, 3, 0.5, -1); < and >; sigmoid, tanh, relu, exp, "
    "log, sqrt, softplus, hard_sigmoid, floor, abs, maximum, minimum, where, clip; split, concat; "
    "sum and mean over units."
)
# Their frames may lie between the user's line and the error about it.
LIBRARIES = {"numpy", "torch"}


def location(file: str, line: int) -> str:
    """A line of code as errors name it, with its text where the source is available."""
    source = linecache.getline(file, line).strip()
    return f"{file}, line {line}" + (f": `{source}`" if source else "")


def is_library(module: str) -> bool:
    """Whether a module is this language or a library that was given a symbol, and not the user's
    own code.
    """
    return module.startswith(f"{__package__}.") or module.partition(".")[0] in LIBRARIES


def user_location() -> str:
    """The user's line: the innermost one that is neither this language's nor a library's."""
    frame = sys._getframe(1)
    while frame.f_back and is_library(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return location(frame.f_code.co_filename, frame.f_lineno)


def definition_location(code: CodeType) -> str:
    """The line with the `def` of a function; the code of a decorated one starts at its
    decorators.
    """
    first = code.co_firstlineno
    lines = (
        (number, linecache.getline(code.co_filename, number).lstrip())
        for number in range(first, first + 9)
    )
    return location(
        code.co_filename,
        next((number for number, text in lines if text.startswith(("def ", "async def "))), first),
    )


def refuse(problem: str, fix: str, at: str | None = None) -> NoReturn:
    """Raise an error that says what is not supported, where, and what to write instead.

    Args:
        problem: What was given, and why it cannot be used.
        fix: What to write instead.
        at: The location; None for the user's line.

    Raises:
        CellError: Always.
    """
    raise CellError(f"{at or user_location()}\n  {problem}\n  {fix}") from None


def describe(node: Node, depth: int = 0) -> str:
    """An expression as error messages show it, cut off below a depth of 3."""
    if node.op in ("input", "state", "weight"):
        return node.value
    if node.op == "number":
        return f"{node.value:g}"
    if depth > 3:
        return "..."
    args = [describe(a, depth + 1) for a in node.args]
    if node.op == "product":
        name, transposed = node.value
        inner = args[0] if not node.args[0].args else f"({args[0]})"
        return f"{name}{'.T' if transposed else ''} @ {inner}"
    if node.op in POINTWISE:
        return POINTWISE[node.op].text.format(
            *(f"({a})" if n.op in ("add", "sub") else a for n, a in zip(node.args, args))
        )
    return f"{node.op}({', '.join(args)})"


def _unsupported(sign: str) -> tuple[Any, Any]:
    """The two methods of a binary operator that the language does not have."""

    def operator(self: "Symbol", other: object) -> NoReturn:
        refuse(f"{self} {sign} {reprlib.repr(other)} is not in the language.", OPERATIONS)

    def reflected(self: "Symbol", other: object) -> NoReturn:
        refuse(f"{reprlib.repr(other)} {sign} {self} is not in the language.", OPERATIONS)

    return operator, reflected


class Symbol:
    """A symbolic value, which stands for a number or a tensor while a cell is traced. It rejects by
    name every operation that is not in the language.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return str(self)

    def __bool__(self) -> NoReturn:
        refuse(
            f"a step cannot branch on {self}: its value is not known while the cell is traced.",
            "Write where(condition, a, b); for the builtins min and max write minimum(a, b) and "
            "maximum(a, b).",
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        refuse(f"{self} has no `.{name}`.", OPERATIONS)

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        refuse(
            f"{self} is not callable.",
            "Write * to multiply; if a weight or a state has the name of an operation, rename it.",
        )

    __mod__, __rmod__ = _unsupported("%")
    __floordiv__, __rfloordiv__ = _unsupported("//")
    __and__, __rand__ = _unsupported("&")
    __or__, __ror__ = _unsupported("|")
    __xor__, __rxor__ = _unsupported("^")

    def __getitem__(self, index: object, /, *assigned: object) -> NoReturn:
        refuse(
            f"{self} cannot be indexed with [{index!r}].",
            'Write `a, b = split(z, 2)`, or split(z, ("H", "P")) for unequal parts.',
        )

    __setitem__ = __getitem__

    def __iter__(self) -> NoReturn:
        refuse(
            f"{self} cannot be unpacked or looped over.",
            "Write `a, b = split(z, 2)`; to reduce over units, write ostinato.sum(z) or "
            "ostinato.mean(z).",
        )

    def __len__(self) -> NoReturn:
        refuse(
            f"{self} has no len().",
            "Sizes are letters: use mean(z), or pass the number as a constant of the cell.",
        )

    def __float__(self) -> NoReturn:
        refuse(
            f"{self} is not a number: its value is not known while the cell is traced.", OPERATIONS
        )

    __int__ = __index__ = __complex__ = __float__

    def __eq__(self, other: object) -> NoReturn:
        refuse(
            f"{self} cannot be compared with == or !=.",
            "Write where(a < b, ...) or where(a > b, ...).",
        )

    __ne__ = __eq__

    def __le__(self, other: object, /) -> NoReturn:
        refuse(
            "<= and >= are not in the language.",
            "Write a < b, or where(b < a, y, x) for where(a <= b, x, y).",
        )

    __ge__ = __le__

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        refuse(f"NumPy cannot compute with {self}.", OPERATIONS)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> "Vector":
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
            operands = [
                a if isinstance(a, Symbol) or getattr(a, "shape", None) != () else a.item()
                for a in args
            ]
            return self.pointwise(
                known[ufunc.__name__],
                *(operands[::-1] if ufunc.__name__ == "greater" else operands),
            )
        refuse(f"numpy.{ufunc.__name__} is not in the language.", OPERATIONS)

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> NoReturn:
        refuse(
            f"torch's {getattr(function, '__name__', function)} is not in the language.", OPERATIONS
        )


class Matrix(Symbol):
    """A weight of two dimensions, which supports `W @ x` and `W.T @ x` only."""

    __slots__ = ("builder", "name", "shape", "transposed")

    def __init__(
        self, builder: Builder, name: str, shape: tuple[Size, ...], transposed: bool = False
    ):
        self.builder, self.name, self.shape, self.transposed = builder, name, shape, transposed

    def __str__(self) -> str:
        return (
            f"weight {self.name}{'.T' if self.transposed else ''} ({self.shape[0]} x "
            f"{self.shape[1]})"
        )

    @property
    def T(self) -> "Matrix":
        """The transpose."""
        return Matrix(self.builder, self.name, self.shape[::-1], not self.transposed)

    def __matmul__(self, other: object) -> "Vector":
        if not isinstance(other, Vector):
            refuse(
                f"{self} @ {reprlib.repr(other)} is not in the language: a weight multiplies a "
                f"vector of this step.",
                f"Write {self.name} @ x; two products are written {self.name} @ (U @ x).",
            )
        node, (rows, columns) = other.numeric("@").node, self.shape
        if node.size != columns:
            given = describe(node) if not node.args else f"({describe(node)})"
            declared = f'"{node.size}", "{rows}"' if self.transposed else f'"{rows}", "{node.size}"'
            name = f"{self.name}.T" if self.transposed else self.name
            refuse(
                f"{name} is {rows} x {columns}, and `{describe(node)}` has {node.size} units: "
                f"{name} @ {given} needs {columns}.",
                f"Declare {self.name}=weight({declared}), or multiply a vector of {columns} units.",
            )
        return Vector(
            self.builder, self.builder.node("product", (node,), (self.name, self.transposed), rows)
        )

    def only_products(self, *others: object) -> NoReturn:
        """Reject every operation but a product."""
        refuse(
            f"{self} is a matrix: it can only multiply a vector.",
            f"Write {self.name} @ x; for one weight per unit declare "
            f'{self.name}=weight("{self.shape[0]}").',
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = (
        __neg__
    ) = only_products
    __pow__ = __rpow__ = __lt__ = __gt__ = __le__ = __ge__ = __abs__ = __rmatmul__ = __getitem__ = (
        __iter__
    ) = only_products


class Vector(Symbol):
    """A value of one step: an input, a state, a weight of one dimension, or a result computed from
    them.
    """

    __slots__ = ("builder", "node")

    def __init__(self, builder: Builder, node: Node):
        self.builder, self.node = builder, node

    def __str__(self) -> str:
        return f"`{describe(self.node)}` ({self.node.size})"

    @property
    def is_mask(self) -> bool:
        """Whether this is a comparison, which only `where` accepts."""
        return self.node.op in MASKS

    def numeric(self, operation: str) -> "Vector":
        """This value, or an error if it is a comparison.

        Args:
            operation: The operation that needs a number, for the error.

        Raises:
            CellError: It is a comparison.
        """
        if self.is_mask:
            refuse(
                f"{operation} was given {self}, which is a comparison and not a number.",
                "Write where(condition, 1.0, 0.0) to convert it.",
            )
        return self

    def pointwise(self, op: str, *args: object) -> "Vector":
        """A pointwise operation of the language on values and numbers of the step."""
        nodes = []
        for a in args:
            if isinstance(a, Matrix):
                a.only_products()
            elif isinstance(a, Vector):
                # errors show `{} * {}` as `*`, and `exp({})` as `exp()`
                nodes.append(
                    a.node
                    if op == "where" and not nodes
                    else a.numeric(re.sub("[{}, ]", "", POINTWISE[op].text)).node
                )
            elif isinstance(a, numbers.Real) and not isinstance(a, bool):
                nodes.append(self.builder.number(float(a)))
            else:
                refuse(
                    f"{reprlib.repr(a)} ({type(a).__name__}) cannot be used in a step.",
                    "Use numbers and the values of this step; declare learned values as weights "
                    "and given values as inputs.",
                )
        if op == "div" and nodes[1].op == "number" and not nodes[1].value:
            refuse(
                f"`{describe(nodes[0])}` is divided by the number 0.",
                "Divide by another number, or by a value of this step.",
            )
        try:
            return Vector(self.builder, self.builder.pointwise(op, *nodes))
        except SizeError:
            parts = ", ".join(
                f"`{describe(n)}` has {n.size} units" for n in nodes if n.op != "number"
            )
            refuse(
                f"sizes do not match: {parts}.",
                "Give both the same size; a size of 1 broadcasts to any.",
            )

    def __add__(self, other: object) -> "Vector":
        return self.pointwise("add", self, other)

    def __radd__(self, other: object) -> "Vector":
        return self.pointwise("add", other, self)

    def __sub__(self, other: object) -> "Vector":
        return self.pointwise("sub", self, other)

    def __rsub__(self, other: object) -> "Vector":
        return self.pointwise("sub", other, self)

    def __mul__(self, other: object) -> "Vector":
        return self.pointwise("mul", self, other)

    def __rmul__(self, other: object) -> "Vector":
        return self.pointwise("mul", other, self)

    def __truediv__(self, other: object) -> "Vector":
        return self.pointwise("div", self, other)

    def __rtruediv__(self, other: object) -> "Vector":
        return self.pointwise("div", other, self)

    def __lt__(self, other: object) -> "Vector":
        return self.pointwise("less", self, other)

    def __gt__(self, other: object) -> "Vector":
        return self.pointwise("less", other, self)

    def __neg__(self) -> "Vector":
        return self.pointwise("neg", self)

    def __abs__(self) -> "Vector":
        return self.pointwise("abs", self)

    def __matmul__(self, other: object) -> NoReturn:
        if isinstance(other, Matrix):
            refuse(
                f"{self} @ {other}: the weight must be on the left.",
                f"Write {other.name} @ {describe(self.node)}.",
            )
        refuse(
            f"{self} @ {reprlib.repr(other)}: only a weight of two dimensions multiplies with @.",
            'Write * for a product unit by unit, or declare W=weight("H", "I").',
        )

    def __rmatmul__(self, other: object) -> NoReturn:
        refuse(
            f"{reprlib.repr(other)} @ {self}: only a declared weight multiplies with @.",
            'Declare W=weight("H", "I") after the `*` and write W @ x.',
        )

    def __pow__(self, power: object) -> "Vector":
        match power:
            case Symbol():
                pass
            case 2:
                return self * self
            case 3:
                return self * self * self
            case 0.5:
                return self.pointwise("sqrt", self)
            case -1:
                return 1.0 / self
        refuse(
            f"{self} ** {power!r} is not in the language.",
            "Powers are 2, 3, 0.5 and -1; write exp(p * log(x)) for others.",
        )

    def __rpow__(self, base: object) -> NoReturn:
        refuse(
            f"{base!r} ** {self} is not in the language.",
            f"Write exp(z * p) with p = log({base!r}), computed with math.log.",
        )
