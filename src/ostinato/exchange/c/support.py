"""Private: what C code of several layers shares: helper functions, tables of weights, literals."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError, near

# Each pointwise operation as a C expression; NAME is the prefix of the file's own functions.
EXPRESSIONS = {
    "add": "({} + {})",
    "sub": "({} - {})",
    "mul": "({} * {})",
    "div": "({} / {})",
    "neg": "(-{})",
    "sigmoid": "NAME_sigmoid({})",
    "tanh": "tanhf({})",
    "relu": "NAME_relu({})",
    "exp": "expf({})",
    "log": "logf({})",
    "sqrt": "sqrtf({})",
    "softplus": "NAME_softplus({})",
    "hard_sigmoid": "NAME_hard_sigmoid({})",
    "floor": "floorf({})",
    "abs": "fabsf({})",
    "maximum": "NAME_maximum({}, {})",
    "minimum": "NAME_minimum({}, {})",
    "less": "({} < {} ? 1.0f : 0.0f)",
    "where": "({} != 0.0f ? {} : {})",
}
# The helper functions. A NaN passes through each, as it does in the layer.
FUNCTIONS = {
    "sigmoid": """\
static float NAME_sigmoid(float a)
{
    return 1.0f / (1.0f + expf(-a));
}
""",
    "relu": """\
static float NAME_relu(float a)
{
    return a < 0.0f ? 0.0f : a;
}
""",
    "softplus": """\
static float NAME_softplus(float a)
{
    return a > 40.0f ? a : log1pf(expf(a));
}
""",
    "hard_sigmoid": """\
static float NAME_hard_sigmoid(float a)
{
    const float b = a / 6.0f + 0.5f;
    return b < 0.0f ? 0.0f : b > 1.0f ? 1.0f : b;
}
""",
    "maximum": """\
static float NAME_maximum(float a, float b)
{
    return a < b ? b : a;
}
""",
    "minimum": """\
static float NAME_minimum(float a, float b)
{
    return b < a ? b : a;
}
""",
    "multiply": """\
/* y += W x, where the columns of W follow one another, `stride` numbers apart */
static void NAME_multiply(float *y, int rows, const float *table, int stride,
                          const float *x, int columns)
{
    int i, j;
    for (i = 0; i < columns; i++)
        for (j = 0; j < rows; j++)
            y[j] += table[i * stride + j] * x[i];
}
""",
    "multiply_transposed": """\
/* y += W^T x, of the same table */
static void NAME_multiply_transposed(float *y, int rows, const float *table, int stride,
                                     const float *x, int columns)
{
    int i, j;
    for (j = 0; j < rows; j++) {
        float total = 0.0f;
        for (i = 0; i < columns; i++)
            total += table[j * stride + i] * x[i];
        y[j] += total;
    }
}
""",
    "multiply_int8": """\
/* y += W x, where the rows of W follow one another, each with its scale */
static void NAME_multiply_int8(float *y, int rows, const int8_t *table, const float *scale,
                               int stride, const float *x, int columns)
{
    int i, j;
    for (j = 0; j < rows; j++) {
        float total = 0.0f;
        for (i = 0; i < columns; i++)
            total += (float)table[j * stride + i] * x[i];
        y[j] += scale[j] * total;
    }
}
""",
    "multiply_transposed_int8": """\
/* y += W^T x, of the same table */
static void NAME_multiply_transposed_int8(float *y, int rows, const int8_t *table,
                                          const float *scale, int stride, const float *x,
                                          int columns)
{
    int i, j;
    for (i = 0; i < columns; i++) {
        const float scaled = scale[i] * x[i];
        for (j = 0; j < rows; j++)
            y[j] += (float)table[i * stride + j] * scaled;
    }
}
""",
}
WEIGHTS = ("float32", "int8")
# Words that a C or C++ compiler reads as its own, of those that are Python names.
KEYWORDS = frozenset(
    "alignas alignof auto bool case catch char class const constexpr decltype default delete do "
    "double else enum explicit export extern false float for friend goto if inline int long "
    "mutable namespace new noexcept nullptr operator private protected public register restrict "
    "return short signed sizeof static struct switch template this throw true try typedef typeid "
    "typename union unsigned using virtual void volatile wchar_t while and not or xor asm main "
    "bitand bitor compl and_eq or_eq xor_eq not_eq thread_local static_assert".split()
)


def identifier(name: str) -> str:
    """A name of a cell as a C identifier: other characters than a-z, 0-9 and _ by their numbers.

    Example:
        >>> identifier("W_x"), identifier("β")
        ('W_x', 'u3b2')
    """
    return "".join(c if re.match(r"[A-Za-z0-9_]", c) else f"u{ord(c):x}" for c in name)


def check_prefix(name: str) -> str:
    """The name that a file's functions begin with.

    Raises:
        InputError: It is not a C identifier.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in KEYWORDS or len(name) > 60:
        raise InputError(
            f"{name!r} cannot begin the names of C functions; choose another file name, or name= "
            "(--name): letters, digits and _, a letter first, no word of C, at most 60 characters"
        )
    return name


def literal(value: float) -> str:
    """A number as a C literal of type float.

    Example:
        >>> literal(0.1), literal(3), literal(-float("inf"))
        ('0.1f', '3.0f', '-INFINITY')
    """
    with np.errstate(over="ignore"):
        number = np.float32(value)
    if np.isnan(number):
        return "NAN"
    if np.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    text = str(number)
    return f"{text}f" if re.search(r"[.e]", text) else f"{text}.0f"


def quantised(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as int8 numbers, (rows, columns), and the float32 scale of each row, (rows,).

    The largest number of a row becomes 127 or -127. A row of zeros has the scale 1.
    """
    weight = np.asarray(weight, np.float64)
    largest = np.abs(weight).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    scale = np.where(scale > 0, scale, np.float32(1.0))
    whole = np.rint(weight / scale[:, None].astype(np.float64))
    return np.clip(whole, -127, 127).astype(np.int8), scale


@dataclass
class Support:
    """The helper functions and tables of a C file, collected while its parts are printed.

    Attributes:
        prefix: The beginning of the names of the file's own functions.
        weights: "float32" or "int8": how matrices are stored.
        tables: The definitions of the tables.
        flash: Bytes of the tables.
    """

    prefix: str
    weights: str = "float32"
    tables: list[str] = field(default_factory=list)
    flash: int = 0
    _functions: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            raise InputError(
                f"weights={self.weights!r} is an unknown kind{near(str(self.weights), WEIGHTS)}; "
                f"write one of {', '.join(map(repr, WEIGHTS))}"
            )

    def function(self, name: str) -> str:
        """The C name of a helper function, which the file then has."""
        self._functions[name] = None
        return f"{self.prefix}_{name}"

    def expression(self, op: str, *arguments: str) -> str:
        """A pointwise operation as a C expression."""
        text = EXPRESSIONS[op]
        call = not text.startswith("(")
        text = text.format(*(bare(a) if call else a for a in arguments))
        if op in FUNCTIONS:
            self.function(op)
        return text.replace("NAME_", f"{self.prefix}_")

    def multiply(
        self,
        result: str,
        weight: str,
        *,
        shape: tuple[int, int],
        block: tuple[int, int, int],
        argument: tuple[str, int],
        transposed: bool = False,
    ) -> str:
        """A statement that adds the product of a matrix of `matrix` and a vector to a result.

        Args:
            result: A C pointer to the result.
            weight: The name of the table.
            shape: The rows and columns of the matrix.
            block: The number of results; the first row of the matrix and the first column that are
                used (of its transpose, if transposed).
            argument: A C pointer to the vector, and its length.
            transposed: Multiply with the transpose of the matrix.
        """
        (rows, columns), (results, row, column), (vector, units) = shape, block, argument
        int8 = self.weights == "int8"
        # float32 tables are stored by columns, int8 ones by rows
        stride = columns if int8 else rows
        first, second = (column, row) if transposed != (not int8) else (row, column)
        scale = _plus(f"{weight}_scale", column if transposed else row) + ", " if int8 else ""
        name = f"multiply{'_transposed' * transposed}{'_int8' * int8}"
        table = _plus(weight, first * stride + second)
        return (
            f"{self.function(name)}({result}, {results}, {table}, {scale}{stride}, "
            f"{vector}, {units});"
        )

    def matrix(self, name: str, weight: np.ndarray) -> None:
        """Add a table of a matrix, (rows, columns), for `multiply`."""
        rows, columns = weight.shape
        text = f"{name}: {rows} x {columns}"
        if self.weights == "int8":
            whole, scale = quantised(weight)
            numbers = whole.ravel().astype(str)
            self.table(name, "int8_t", numbers, bytes_each=1, comment=f"{text}, by rows")
            self.vector(f"{name}_scale", scale, f"the scale of each row of {name}")
        else:
            self.vector(name, weight.T.ravel(), f"{text}, by columns")

    def vector(self, name: str, numbers: np.ndarray, comment: str = "") -> None:
        """Add a table of float numbers."""
        literals = map(literal, numbers.ravel())
        self.table(name, "float", literals, bytes_each=4, comment=comment or name)

    def table(
        self, name: str, kind: str, numbers: Iterable[str], *, bytes_each: int, comment: str = ""
    ) -> None:
        """Add a table of numbers, each a C literal; C has no empty tables, which get a 0."""
        content = list(numbers)
        self.flash += bytes_each * len(content)
        content = content or ["0"]
        head = f"/* {comment} */\n" if comment else ""
        self.tables.append(
            f"{head}static const {kind} {name}[{len(content)}] = {{\n{wrapped(content)}\n}};\n"
        )

    def functions(self) -> str:
        """The definitions of the helper functions that were used."""
        used = [text for name, text in FUNCTIONS.items() if name in self._functions]
        return "\n".join(used).replace("NAME_", f"{self.prefix}_")


def _plus(pointer: str, offset: int) -> str:
    return f"{pointer} + {offset}" if offset else pointer


def wrapped(words: list[str], width: int = 96) -> str:
    """Numbers with commas in lines of at most `width` characters after four spaces."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > width:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join([*lines, line]).removesuffix(",")


def is_zero(numbers: np.ndarray) -> bool:
    """Whether all numbers are 0, and none -0, which differs from 0 in a division."""
    return not numbers.any() and not any(math.copysign(1, n) < 0 for n in numbers.ravel())


def bare(text: str) -> str:
    """An expression without parentheses around all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return text[1:-1] if place + 1 == len(text) else text
    return text
