"""The operations of the cell language."""

import numbers
import reprlib
from collections.abc import Sequence
from typing import Any

from ..errors import CellError
from .graph import ONE, POINTWISE, Size
from .symbols import Matrix, Vector, describe, refuse, user_location

__all__ = [
    "clip",
    "concat",
    "exp",
    "floor",
    "hard_sigmoid",
    "identity",
    "log",
    "maximum",
    "mean",
    "minimum",
    "relu",
    "sigmoid",
    "softplus",
    "split",
    "sqrt",
    "sum_units",
    "tanh",
    "where",
]

# The names of the operations, for the errors about a misspelt one.
FUNCTIONS = [
    *(name for name, op in POINTWISE.items() if op.text.startswith(name)),
    "clip",
    "split",
    "concat",
    "sum",
    "mean",
]
# torch's names of operations, where they differ.
IN_TORCH = {"softplus": "nn.functional.softplus", "hard_sigmoid": "nn.functional.hardsigmoid"}


def _vector(x: object, name: str, example: str) -> Vector:
    if isinstance(x, Matrix):
        x.only_products()
    if not isinstance(x, Vector):
        refuse(
            f"{name}() was given {reprlib.repr(x)}, which is not a value of a step.",
            f"Write {example}.",
        )
    return x.numeric(f"{name}()")


def _operation(op: str, *args: object) -> Vector:
    vector = next((a for a in args if isinstance(a, Vector)), None)
    if vector is None:
        for a in args:
            if isinstance(a, Matrix):
                a.only_products()
        given = ", ".join(reprlib.repr(a) for a in args)
        if all(isinstance(a, numbers.Real) for a in args):
            refuse(
                f"{op}({given}) has only numbers.",
                "Compute it beforehand, with Python's math module.",
            )
        kinds = ", ".join(type(a).__name__ for a in args)
        refuse(
            f"{op}() was given {given} ({kinds}): it works on the values of a step, inside a cell.",
            f"Call it in a function under @cell; for tensors use torch.{IN_TORCH.get(op, op)}.",
        )
    return vector.pointwise(op, *args)


def sigmoid(x: Vector) -> Vector:
    """1 / (1 + exp(-x)), unit by unit."""
    return _operation("sigmoid", x)


def tanh(x: Vector) -> Vector:
    """The hyperbolic tangent, unit by unit."""
    return _operation("tanh", x)


def relu(x: Vector) -> Vector:
    """max(x, 0), unit by unit."""
    return _operation("relu", x)


def exp(x: Vector) -> Vector:
    """e to the power x, unit by unit."""
    return _operation("exp", x)


def log(x: Vector) -> Vector:
    """The natural logarithm, unit by unit."""
    return _operation("log", x)


def sqrt(x: Vector) -> Vector:
    """The square root, unit by unit."""
    return _operation("sqrt", x)


def softplus(x: Vector) -> Vector:
    """log(1 + exp(x)), unit by unit."""
    return _operation("softplus", x)


def hard_sigmoid(x: Vector) -> Vector:
    """x / 6 + 1/2 clipped to 0 and 1 (as torch.nn.functional.hardsigmoid), unit by unit."""
    return _operation("hard_sigmoid", x)


def floor(x: Vector) -> Vector:
    """The largest integer that is not above x, unit by unit. Its gradient is 0; `z - floor(z)` is z
    modulo 1.
    """
    return _operation("floor", x)


def maximum(a: Vector | float, b: Vector | float) -> Vector:
    """The larger of two values, unit by unit. Where they are equal, the gradient goes to the
    first.
    """
    return _operation("maximum", a, b)


def minimum(a: Vector | float, b: Vector | float) -> Vector:
    """The smaller of two values, unit by unit. Where they are equal, the gradient goes to the
    first.
    """
    return _operation("minimum", a, b)


def where(condition: Vector, a: Vector | float, b: Vector | float) -> Vector:
    """a where the condition (`x < y`, `x > y`) is true, else b, unit by unit. The condition gets no
    gradient.
    """
    if not (isinstance(condition, Vector) and condition.is_mask):
        refuse(
            f"where() was given {reprlib.repr(condition)} as its condition.",
            "Write where(a < b, x, y).",
        )
    return condition.pointwise("where", condition, a, b)


def clip(x: Vector, low: Vector | float, high: Vector | float) -> Vector:
    """x clipped to the range from low to high, unit by unit."""
    return minimum(
        maximum(_vector(x, "clip", "clip(z, low, high) with a value of this step"), low), high
    )


def identity(x: Vector) -> Vector:
    """x itself: the activation that changes nothing."""
    return x


def _reduction(op: str, x: object) -> Vector:
    x = _vector(x, op, f"{op}(z) with a value of this step: the {op} over its units")
    return x if x.node.size == ONE else Vector(x.builder, x.builder.node(op, (x.node,)))


def sum_units(x: Vector) -> Vector:
    """The sum over units: a value of size 1, which broadcasts to any size."""
    return _reduction("sum", x)


def mean(x: Vector) -> Vector:
    """The mean over units: a value of size 1, which broadcasts to any size."""
    return _reduction("mean", x)


def split(x: Vector, parts: int | Sequence[str | int | Size]) -> tuple[Vector, ...]:
    """Split a value into parts.

    Args:
        x: The value.
        parts: The number of equal parts, or the size of each part in letters: ("H", "H", "P").

    Returns:
        The parts, in order.

    Raises:
        CellError: The sizes of the parts do not add up to the size of the value.
    """
    x = _vector(x, "split", "split(W @ x, 4)")
    size = x.node.size
    if isinstance(parts, numbers.Integral) and not isinstance(parts, bool) and int(parts) > 0:
        parts = int(parts)
        each = size.parts(parts)
        if each is None:
            refuse(
                f"`{describe(x.node)}` has {size} units, which cannot be split into {parts} equal "
                f"parts.",
                f'Declare its weights with "{parts}*H" rows, or give the size of each part: '
                f'split(z, ("H", "P")).',
            )
        sizes = [each] * parts
    elif isinstance(parts, (tuple, list)) and parts:
        sizes = [read_size(p) for p in parts]
        total = sum(sizes, Size(0))
        if total != size:
            refuse(
                f"`{describe(x.node)}` has {size} units, and the parts "
                f"({', '.join(map(str, sizes))}) have {total}.",
                "Make the parts add up.",
            )
    else:
        refuse(f"split() was given {parts!r} parts.", 'Write split(z, 4), or split(z, ("H", "P")).')
    vectors, start = [], Size(0)
    for part in sizes:
        vectors.append(Vector(x.builder, x.builder.slice(x.node, start, start + part)))
        start = start + part
    return tuple(vectors)


def concat(*values: Vector) -> Vector:
    """Concatenate values along their units.

    Args:
        values: Two values or more.
    """
    vectors = [_vector(v, "concat", "concat(x, h) with values of this step") for v in values]
    if len(vectors) < 2:
        refuse(
            f"concat() was given {len(vectors)} value(s).", "Write concat(x, h) with two or more."
        )
    total = sum((v.node.size for v in vectors), Size(0))
    builder = vectors[0].builder
    return Vector(builder, builder.node("concat", tuple(v.node for v in vectors), None, total))


def read_size(given: Any) -> Size:
    """A size as a cell declares it, of one unit or more.

    Raises:
        CellError: It cannot be read, or has no units.
    """
    try:
        size = Size(given)
    except CellError as error:
        raise CellError(f"{user_location()}\n  {error}") from None
    if all(count <= 0 for _, count in size.terms):
        refuse(
            f"{given!r} is not a size: it has no units.",
            "Write letters and whole numbers above 0, such as 'H' or '4*H'.",
        )
    return size
