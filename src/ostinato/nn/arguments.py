"""Private: validation of layer arguments: cells, whole numbers, booleans, dicts and rates."""

import numbers
import warnings
from collections.abc import Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from ..cells import CELLS
from ..errors import ArgumentTypeError, InputError, near
from ..language.tracing import Cell

__all__ = [
    "as_tensor",
    "at_least",
    "between_layers",
    "find_cell",
    "is_tensor",
    "number",
    "rate",
    "segment",
    "table",
    "truth",
    "whole",
]


def find_cell(given: object) -> Cell:
    """A cell, given as itself or by its name.

    Raises:
        InputError: No cell has this name.
        ArgumentTypeError: It is neither a cell nor a name.
    """
    if isinstance(given, Cell):
        return given
    if isinstance(given, str):
        if given in CELLS:
            return CELLS[given]
        raise InputError(
            f"cell={given!r} is not the name of a cell{near(given, CELLS)}; the cells are "
            f"{', '.join(sorted(CELLS))}"
        )
    if callable(given) and hasattr(given, "__name__"):
        raise ArgumentTypeError(
            f"cell={given.__name__} is a plain function: write @cell above its def"
        )
    raise ArgumentTypeError(
        f"cell={given!r} is not a cell: write a name, such as 'lstm', or a function with @cell "
        f"above it"
    )


def whole(name: str, given: object) -> int:
    """An argument that is a whole number above 0."""
    return at_least(name, given, 1, "a whole number above 0")


def at_least(name: str, given: object, least: int, expected: str) -> int:
    """An argument that is a whole number of any type, and not below a bound.

    Args:
        name: The name of the argument, for errors.
        given: The argument.
        least: The bound.
        expected: The valid values, for errors.

    Raises:
        ArgumentTypeError: It is not a whole number.
        InputError: It is below the bound.
    """
    if not isinstance(given, numbers.Integral) or isinstance(given, bool):
        raise ArgumentTypeError(f"{name}={given!r}: write {expected}")
    if int(given) < least:
        raise InputError(f"{name}={given!r}: write {expected}")
    return int(given)


def number(name: str, given: object, expected: str) -> float:
    """An argument that is a real number of any type; errors show the `expected` values."""
    if not isinstance(given, numbers.Real) or isinstance(given, bool):
        raise ArgumentTypeError(f"{name}={given!r}: write {expected}")
    return float(given)


def segment(given: object) -> int | bool | None:
    """The `checkpoint` argument: the steps from one saved state to the next, True to choose them,
    or None to save all states.
    """
    if given is None or isinstance(given, bool):
        return given or None
    return at_least(
        "checkpoint",
        given,
        1,
        "after how many steps a state is kept, a whole number above 0; or True for about the "
        "square root of the steps there are, or None to keep all states",
    )


def is_tensor(given: object) -> TypeGuard[Tensor]:
    """Whether an object is a tensor by its real type. `isinstance` also accepts an object whose
    `__class__` attribute claims to be one.
    """
    return issubclass(type(given), Tensor)


def as_tensor(given: Any, device: torch.device | str | None) -> Tensor:
    """The result of torch.as_tensor, which crashes for an object that only claims to be a tensor.

    Raises:
        ArgumentTypeError: The object only claims to be a tensor.
    """
    if isinstance(given, Tensor) and not is_tensor(given):
        raise ArgumentTypeError(
            f"given was {type(given).__name__}, which claims to be a tensor and is not: give a "
            f"tensor or a list"
        )
    return torch.as_tensor(given, device=device)


def table(name: str, given: object, example: str) -> dict[Any, Any]:
    """An argument that is a dict; an empty one for None."""
    if not isinstance(given, Mapping | None):
        raise ArgumentTypeError(f"{name}={given!r}: write a dict, such as {name}={example}")
    return dict(given or {})


def truth(name: str, given: object) -> bool:
    """An argument that is True or False."""
    if not isinstance(given, bool):
        raise ArgumentTypeError(f"{name}={given!r}: write True or False")
    return given


def rate(name: str, given: object) -> float:
    """An argument that is a drop rate, from 0 to below 1."""
    expected = "the rate to drop at, from 0 to below 1 (it is not the rate to keep)"
    value = number(name, given, expected)
    if not 0 <= value < 1:
        raise InputError(f"{name}={given!r}: write {expected}")
    return value


def between_layers(given: object, num_layers: int) -> float:
    """The rate of dropout between layers, from 0 to 1; a single layer gets a warning."""
    expected = "the rate to drop at, from 0 to 1"
    value = number("dropout", given, expected)
    if not 0 <= value <= 1:
        raise InputError(f"dropout={given!r}: write {expected}")
    if value and num_layers == 1:
        warnings.warn(
            f"dropout={given} applies between layers and num_layers is 1, so it has no effect; add "
            f"nn.Dropout after the layer, or use more layers",
            stacklevel=4,
        )
    return value
