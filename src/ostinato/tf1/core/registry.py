"""Private: what operations of each type are: their outputs, their values, and their gradients.

A type is defined next to the function that creates its operations, in `ops/`:

    define("MatMul", outputs=_product_outputs, compute=_product)

The gradient of an operation is made of operations, as in TensorFlow. It is one rule for each type.
The rules use the functions of `ops/`; therefore they are in a package of their own, `rules/`:

    @gradient("MatMul")
    def _mat_mul_gradient(op, grad): ...

`flow/gradients.py` walks the graph.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...errors import EngineError
from .dtypes import DType
from .tensors import Operation

__all__ = [
    "Definition",
    "define",
    "definition",
    "differentiable",
    "gradient",
    "gradient_rule",
    "known",
    "not_differentiable",
]

# The dtype and the shape of each output.
Outputs = Callable[[Operation], Iterable[tuple[DType, Any]]]


@dataclass(slots=True)
class Definition:
    """A type of operation.

    Attributes:
        type: Its name.
        outputs: Takes an operation and returns the dtype and the shape of each output.
        compute: Takes the operation and the values of its inputs, and returns the value of the
            output, or a tuple of several or none. A stateful one takes the run first. None for
            operations that only control the flow; see `executor.py`.
        stateful: Whether an operation may give another value each time, so that it is not a
            constant.
        takes_references: Whether it takes variables themselves, as an Assign does, where other
            operations take their values.
    """

    type: str
    outputs: Outputs
    compute: Callable | None = None
    stateful: bool = False
    takes_references: bool = False


_DEFINITIONS: dict[str, Definition] = {}
# A rule takes the operation and the gradient of each output (None where nothing depends on it),
# and returns the gradient of each input, or None for those that have none. It is None for types
# that no gradient passes.
_RULES: dict[str, Callable | None] = {}


def define(
    type: str,  # noqa: A002
    outputs: Outputs,
    compute: Callable | None = None,
    *,
    stateful: bool = False,
    takes_references: bool = False,
) -> None:
    """Define a type of operation; see `Definition`."""
    assert type not in _DEFINITIONS, type
    _DEFINITIONS[type] = Definition(type, outputs, compute, stateful, takes_references)


def gradient(*types: str) -> Callable:
    """Decorate the function that builds the gradient of operations of some types."""

    def register(function: Callable) -> Callable:
        for name in types:
            _RULES[name] = function
        return function

    return register


def not_differentiable(*types: str) -> None:
    """Say that no gradient passes operations of some types."""
    for name in types:
        _RULES[name] = None


def differentiable(type: str) -> bool:  # noqa: A002
    """True if the gradient of a type is known."""
    return type in _RULES


def gradient_rule(type: str) -> Callable | None:  # noqa: A002
    """The rule of a differentiable type; None where no gradient passes."""
    return _RULES[type]


def definition(type: str) -> Definition:  # noqa: A002
    """The definition of a type.

    Raises:
        EngineError: The type is not defined.
    """
    if type not in _DEFINITIONS:
        raise EngineError(
            f"operations of type {type!r} are not provided: ostinato.tf1 has those of recurrent "
            "programs; see docs/tf1.md"
        )
    return _DEFINITIONS[type]


def known(type: str) -> bool:  # noqa: A002
    """Whether a type is defined."""
    return type in _DEFINITIONS
