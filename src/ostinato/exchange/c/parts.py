"""Private: the parts of a task as C: tables, linear layers, scratch memory."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

import numpy as np
from torch import Tensor

from ...errors import InputError
from ...nn.recurrent import Recurrent
from .code import LayerCode, layer_code
from .support import Support, literal, quantised

__all__ = [
    "ROUNDED_SIZE",
    "AnyTask",
    "CodeListing",
    "Proof",
    "Scratch",
    "TaskCode",
    "filled",
    "numbers_of",
    "quoted",
    "recurrent_of",
]

# A task with a model; `fit` sets attributes that a type checker takes for missing.
AnyTask = Any
# The macro that rounds a size up, and its value.
ROUNDED = "NAME_ROUNDED"
ROUNDED_SIZE = {"ROUNDED(bytes)": "(((size_t)(bytes) + 7u) / 8u * 8u)"}
# The C types of tables.
TYPES = {
    np.dtype(np.float32): "float",
    np.dtype(np.float64): "double",
    np.dtype(np.int8): "signed char",
    np.dtype(np.uint8): "unsigned char",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
    np.dtype(np.int64): "int64_t",
}


def filled(code: str, **values) -> str:
    """Code with values at the places $X.

    Example:
        >>> filled("y[$SIZE]", SIZE=3)
        'y[3]'
    """
    return Template(code).substitute(values)


def quoted(text: bytes) -> str:
    """A C string constant of some bytes.

    Example:
        >>> print(quoted('a"é'.encode()))
        "a\\"\\303\\251"
    """
    found = []
    for byte in text:
        letter = chr(byte)
        # a question mark could begin a trigraph
        found.append(
            letter
            if 32 <= byte < 127 and letter not in '"\\?'
            else f"\\{letter}"
            if letter in '"\\'
            else f"\\{byte:03o}"
        )
    return '"' + "".join(found) + '"'


@dataclass(frozen=True)
class Proof:
    """Inputs of a task, and its results.

    Attributes:
        driver: The function `main` of a C program, which reads the inputs by `get` and writes the
            results by `put`.
        given: The inputs, as the program reads them.
        wanted: The results of the task, float64, in the order in which the program writes them.
        units: The size of the numbers of a result, to which errors are relative; without, the size
            of its largest number, at least 1.
    """

    driver: str
    given: bytes
    wanted: dict[str, np.ndarray]
    units: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskCode:
    """A task as C.

    Attributes:
        listing: Its tables and functions.
        macros: The macros of the header.
        types: The types of the header.
        prototypes: The public functions, each with a comment.
        selftest: The statements of the self-test, which count results in `wrong`.
        expected: The tables of the self-test.
        proof: Inputs and results to compare.
        state: Bytes that the caller keeps between calls.
        stack: Bytes of variables besides those of the recurrent layers.
        title: Lines for the top of the files.
    """

    listing: "CodeListing"
    macros: dict[str, str]
    types: str
    prototypes: str
    selftest: str
    expected: dict[str, np.ndarray]
    proof: Proof
    state: int = 0
    stack: int = 0
    title: tuple[str, ...] = ()


@dataclass
class Scratch:
    """Arrays in the memory that the caller gives, one after another.

    Attributes:
        arrays: The name, C type and number of elements of each array; the number is a C expression.
    """

    arrays: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, kind: str, count: str) -> None:
        """Add an array."""
        self.arrays.append((name, kind, count))

    @property
    def size(self) -> str:
        """The size of all arrays in bytes, a C expression."""
        sizes = [f"{ROUNDED}((size_t)({count}) * sizeof({kind}))" for _, kind, count in self.arrays]
        return " + ".join(sizes) or "0"

    def declared(self) -> str:
        """C code that declares the arrays, in memory that `at` points to."""
        lines = []
        for name, kind, count in self.arrays:
            lines.append(f"    {kind} *{name} = ({kind} *)(void *)at;")
            lines.append(f"    at += {ROUNDED}((size_t)({count}) * sizeof({kind}));")
        return "\n".join(lines)


class CodeListing:
    """C source code that is built part by part.

    Args:
        name: The prefix of the names of the public functions.
        weights: "float32" or "int8": how matrices are stored.

    Attributes:
        support: The tables and functions of recurrent layers.
        layers: The recurrent layers.
        products: Multiplications of linear layers in a step.
    """

    def __init__(self, name: str, weights: str = "float32"):
        self.name, self.support = name, Support(name, weights)
        self.layers: list[LayerCode] = []
        self.products = 0
        self._code: list[str] = []
        self._known: set[str] = set()

    @property
    def int8(self) -> bool:
        """Whether matrices are stored as int8 numbers with a scale for each row."""
        return self.support.weights == "int8"

    @property
    def functions(self) -> str:
        """All functions, those of the layers first."""
        return "\n".join([*(layer.functions for layer in self.layers), *self._code])

    def layer(self, layer: Recurrent, prefix: str) -> LayerCode:
        """Add a recurrent layer."""
        code = layer_code(layer, f"{self.name}_{prefix}", self.support)
        self.layers.append(code)
        return code

    def add(self, code: str, **values) -> None:
        """Add code; NAME in it stands for the prefix, and $X for the value of X. Code that is there
        already is left out.
        """
        code = self.filled(code.strip("\n") + "\n", **values)
        if code not in self._known:
            self._known.add(code)
            self._code.append(code)

    def filled(self, code: str, **values) -> str:
        """Code with the prefix and some values."""
        code = filled(code, **values)
        return re.sub("NAME_(?=[A-Z])", f"{self.name.upper()}_", code).replace("NAME", self.name)

    def function(self, head: str, lines: Iterable[str]) -> None:
        """Add a function.

        Args:
            head: Its declaration, without `static`.
            lines: Its statements, not indented.
        """
        self.add(f"static {head}\n{{\n" + "\n".join(f"    {line}" for line in lines) + "\n}\n")

    def table(self, name: str, values: Sequence | np.ndarray, dtype: type | None = None) -> str:
        """Add a table of numbers, and return its name."""
        array = np.asarray(values, dtype).reshape(-1)
        if array.dtype.kind == "f":
            number = literal if array.dtype == np.float32 else _double
            numbers = [number(value) for value in array.tolist()]
        else:
            suffix = "u" if array.dtype == np.uint32 else ""
            numbers = [f"{value}{suffix}" for value in array.tolist()]
        self.support.table(name, TYPES[array.dtype], numbers, bytes_each=array.itemsize)
        return name

    def texts(self, name: str, texts: Iterable[bytes], *, public: bool = False) -> str:
        """Add a table of strings, and return its name."""
        texts = list(texts)
        lines = ",\n".join(f"    {quoted(text)}" for text in texts)
        self.support.flash += sum(len(text) + 1 + 8 for text in texts)
        static = "" if public else "static "
        self.support.tables.append(
            f"{static}const char *const {name}[{len(texts)}] = {{\n{lines}\n}};\n"
        )
        return name

    def matrix(self, name: str, weight: np.ndarray) -> str:
        """Add a matrix, (rows, columns) float32, and return the C arguments that stand for it."""
        weight = np.ascontiguousarray(weight, np.float32)
        if not self.int8:
            return self.table(name, weight)
        whole, scale = quantised(weight)
        return f"{self.table(name, whole)}, {self.table(f'{name}_scale', scale)}"

    def linear(self, name: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """Add a linear layer, and return a call of it: a format with places for x and y.

        Args:
            name: The name of its tables.
            weight: (outputs, inputs).
            bias: (outputs,).
        """
        outputs, inputs = weight.shape
        self.products += outputs * inputs
        arguments = self.matrix(name, weight)
        biases = self.table(f"{name}_bias", bias, np.float32)
        self.add(_LINEAR8 if self.int8 else _LINEAR)
        return f"linear({arguments}, {biases}, {{x}}, {{y}}, {outputs}, {inputs});"

    def row(self, name: str, weight: np.ndarray) -> str:
        """Add a table of rows, and return a call that copies one: a format with places for the
        number of the row and the place to copy to.
        """
        rows, columns = weight.shape
        arguments = self.matrix(name, weight)
        self.add(_ROW8 if self.int8 else _ROW)
        return f"copy_row({arguments}, {{row}}, {{y}}, {columns});"


def numbers_of(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor."""
    return tensor.detach().cpu().numpy()


def recurrent_of(module) -> Recurrent:
    """The recurrent layer of a task.

    Raises:
        InputError: The layer is the torch.nn baseline.
    """
    if not isinstance(module, Recurrent):
        raise InputError(
            "the model was trained with --engine torch, the torch.nn baseline, which is not "
            "written as C; train it without --engine"
        )
    return module


def _double(value: float) -> str:
    """A number as a C literal of type double."""
    return repr(value) if np.isfinite(value) else literal(value)


_LINEAR = """
/* y = weight x + bias */
static void linear(const float *weight, const float *bias, const float *x, float *y, int outputs,
                   int inputs)
{
    int i, j;
    for (i = 0; i < outputs; i++) {
        float sum = 0.0f;
        for (j = 0; j < inputs; j++)
            sum += weight[(long)i * inputs + j] * x[j];
        y[i] = sum + bias[i];
    }
}
"""
_LINEAR8 = """
/* y = weight x + bias, with a scale for each row of the weight */
static void linear(const signed char *weight, const float *scale, const float *bias,
                   const float *x, float *y, int outputs, int inputs)
{
    int i, j;
    for (i = 0; i < outputs; i++) {
        float sum = 0.0f;
        for (j = 0; j < inputs; j++)
            sum += (float)weight[(long)i * inputs + j] * x[j];
        y[i] = sum * scale[i] + bias[i];
    }
}
"""
_ROW = """
/* y = a row of a table */
static void copy_row(const float *table, int row, float *y, int columns)
{
    int j;
    for (j = 0; j < columns; j++)
        y[j] = table[(long)row * columns + j];
}
"""
_ROW8 = """
/* y = a row of a table, with a scale for each row */
static void copy_row(const signed char *table, const float *scale, int row, float *y, int columns)
{
    int j;
    for (j = 0; j < columns; j++)
        y[j] = (float)table[(long)row * columns + j] * scale[row];
}
"""
