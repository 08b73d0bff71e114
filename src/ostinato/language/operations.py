"""The operations of the cell language."""

import numbers
import reprlib

from ..errors import CellError
from .graph import ONE, POINTWISE, Size
from .symbols import Matrix, Vector, line, refuse, words

# ---------------------------------------------------------------- operations


FUNCTIONS = [
    *(name for name, op in POINTWISE.items() if op.text.startswith(name)),
    "clip",
    "split",
    "concat",
    "sum",
    "mean",
]
# torch's names for operations that it calls otherwise.
IN_TORCH = {"softplus": "nn.functional.softplus", "hard_sigmoid": "nn.functional.hardsigmoid"}


def _vector(x, name: str, example: str) -> Vector:
    if isinstance(x, Matrix):
        x.only_products()
    if not isinstance(x, Vector):
        refuse(
            f"{name}() was given {reprlib.repr(x)}, which is no value of a step.",
            f"Write {example}.",
        )
    return x.value(f"{name}()")


def _operation(op: str, *args):
    vector = next((a for a in args if isinstance(a, Vector)), None)
    if vector is None:
        for a in args:
            if isinstance(a, Matrix):
                a.only_products()
        given = ", ".join(reprlib.repr(a) for a in args)
        if all(isinstance(a, numbers.Real) for a in args):
            refuse(
                f"{op}({given}) has only numbers.",
                "Work it out beforehand, with Python's math module.",
            )
        kinds = ", ".join(type(a).__name__ for a in args)
        refuse(
            f"{op}() was given {given} ({kinds}): it works on the values of a step, inside a cell.",
            f"Call it in a function under @cell; for tensors there is "
            f"torch.{IN_TORCH.get(op, op)}.",
        )
    return vector._pointwise(op, *args)


def sigmoid(x):
    """1 / (1 + exp(-x)), unit by unit."""
    return _operation("sigmoid", x)


def tanh(x):
    """The hyperbolic tangent, unit by unit."""
    return _operation("tanh", x)


def relu(x):
    """x where it is above 0, else 0."""
    return _operation("relu", x)


def exp(x):
    """e to the power x, unit by unit."""
    return _operation("exp", x)


def log(x):
    """The natural logarithm, unit by unit."""
    return _operation("log", x)


def sqrt(x):
    """The square root, unit by unit."""
    return _operation("sqrt", x)


def softplus(x):
    """log(1 + exp(x)), unit by unit."""
    return _operation("softplus", x)


def hard_sigmoid(x):
    """x / 6 + 1/2 held within 0 and 1 (torch.nn.functional.hardsigmoid's line), unit by unit."""
    return _operation("hard_sigmoid", x)


def floor(x):
    """The largest whole number that is not above x, unit by unit; its gradient is 0. `z - floor(z)`
    is z modulo 1.
    """
    return _operation("floor", x)


def maximum(a, b):
    """The larger of two, unit by unit; where they are equal the gradient goes to the first."""
    return _operation("maximum", a, b)


def minimum(a, b):
    """The smaller of two, unit by unit; where they are equal the gradient goes to the first."""
    return _operation("minimum", a, b)


def where(condition, a, b):
    """a where the condition (`x < y`, `x > y`) holds, else b; no gradient goes to the condition."""
    if not (isinstance(condition, Vector) and condition.is_mask):
        refuse(
            f"where() was given {reprlib.repr(condition)} as its condition.",
            "Write where(a < b, x, y).",
        )
    return condition._pointwise("where", condition, a, b)


def clip(x, low, high):
    """x held within low and high."""
    return minimum(
        maximum(_vector(x, "clip", "clip(z, low, high) with a value of this step"), low), high
    )


def identity(x):
    """x itself: an activation that does nothing."""
    return x


def _reduction(op, x):
    x = _vector(x, op, f"{op}(z) with a value of this step: it is the {op} over its units")
    return x if x.node.size == ONE else Vector(x.builder, x.builder.node(op, (x.node,)))


def sum_units(x):
    """The sum over units: a value of size 1, which goes with any size."""
    return _reduction("sum", x)


def mean(x):
    """The mean over units: a value of size 1, which goes with any size."""
    return _reduction("mean", x)


def split(x, parts):
    """Cut a value into parts.

    Args:
        x: The value.
        parts: How many equal parts, or the size of each as letters: ("H", "H", "P").

    Returns:
        The parts, in order.

    Raises:
        CellError: The parts are not the whole.
    """
    x = _vector(x, "split", "split(W @ x, 4)")
    size = x.node.size
    if isinstance(parts, numbers.Integral) and not isinstance(parts, bool) and parts > 0:
        each = size.parts(parts)
        if each is None:
            refuse(
                f"`{words(x.node)}` has {size} units, which do not make {parts} equal parts.",
                f'Declare its weights with "{parts}*H" rows, or give the size of each part: '
                f'split(z, ("H", "P")).',
            )
        sizes = [each] * parts
    elif isinstance(parts, (tuple, list)) and parts:
        sizes = [_size(p) for p in parts]
        total = sum(sizes, Size(0))
        if total != size:
            refuse(
                f"`{words(x.node)}` has {size} units, and the parts ({', '.join(map(str, sizes))}) "
                f"have {total}.",
                "Make the parts add up.",
            )
    else:
        refuse(f"split() was given {parts!r} parts.", 'Write split(z, 4), or split(z, ("H", "P")).')
    pieces, start = [], Size(0)
    for part in sizes:
        pieces.append(Vector(x.builder, x.builder.slice(x.node, start, start + part)))
        start = start + part
    return tuple(pieces)


def concat(*values):
    """Join values end to end."""
    vectors = [_vector(v, "concat", "concat(x, h) with values of this step") for v in values]
    if len(vectors) < 2:
        refuse(
            f"concat() was given {len(vectors)} value(s).", "Write concat(x, h) with two or more."
        )
    total = sum((v.node.size for v in vectors), Size(0))
    builder = vectors[0].builder
    return Vector(builder, builder.node("concat", tuple(v.node for v in vectors), None, total))


def _size(given) -> Size:
    """A size as a person writes it, at least one unit."""
    try:
        size = Size(given)
    except CellError as error:
        raise CellError(f"{line()}\n  {error}") from None
    if all(count <= 0 for _, count in size.terms):
        refuse(
            f"{given!r} is no size: it has no units.",
            "Write letters and whole numbers above 0, such as 'H' or '4*H'.",
        )
    return size
