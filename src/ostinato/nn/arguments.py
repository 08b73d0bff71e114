"""What a layer is given, read: a cell, whole numbers, truth values, tables and rates; with an error
where it cannot be used.
"""

import numbers
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from ..cells import CELLS
from ..errors import ArgumentTypeError, InputError, near
from ..language.tracing import Cell


def find_cell(given) -> Cell:
    """A cell, or the one of that name."""
    if isinstance(given, Cell):
        return given
    if isinstance(given, str):
        if given in CELLS:
            return CELLS[given]
        raise InputError(
            f"cell={given!r} is no cell's name{near(given, CELLS)}; the cells are "
            f"{', '.join(sorted(CELLS))}"
        )
    if callable(given) and hasattr(given, "__name__"):
        raise ArgumentTypeError(
            f"cell={given.__name__} is a plain function: write @cell above its def"
        )
    raise ArgumentTypeError(
        f"cell={given!r} is no cell: write a name, such as 'lstm', or a function with @cell "
        f"above it"
    )


def whole(name: str, given) -> int:
    """A whole number above 0."""
    return at_least(name, given, 1, "a whole number above 0")


def at_least(name: str, given, least: int, wanted: str) -> int:
    """A whole number of any type, not below the least one; `wanted` is what an error asks for."""
    if not isinstance(given, numbers.Integral) or isinstance(given, bool):
        raise ArgumentTypeError(f"{name}={given!r}: write {wanted}")
    if given < least:
        raise InputError(f"{name}={given!r}: write {wanted}")
    return int(given)


def number(name: str, given, wanted: str) -> float:
    """A real number of any type; `wanted` is what an error asks for."""
    if not isinstance(given, numbers.Real) or isinstance(given, bool):
        raise ArgumentTypeError(f"{name}={given!r}: write {wanted}")
    return float(given)


def segment(given) -> int | bool | None:
    """The steps from one kept state to the next, True to choose them, None to keep all."""
    if given is None or isinstance(given, bool):
        return given or None
    return at_least(
        "checkpoint",
        given,
        1,
        "after how many steps a state is kept, a whole number above 0; or True for about the "
        "square root of the steps there are, or None to keep all states",
    )


def is_tensor(given) -> bool:
    """Whether it is a tensor by its real type: `isinstance` also accepts an object whose
    `__class__` only says so.
    """
    return issubclass(type(given), Tensor)


def as_tensor(given, device) -> Tensor:
    """The result of torch.as_tensor, which crashes for an object that only says that it is a
    tensor.
    """
    if isinstance(given, Tensor) and not is_tensor(given):
        raise ArgumentTypeError(
            f"given was {type(given).__name__}, which says that it is a tensor and is not: give a "
            f"tensor or a list"
        )
    return torch.as_tensor(given, device=device)


def table(name: str, given, example: str) -> dict:
    """A dict; an empty one for None."""
    if not isinstance(given, Mapping | None):
        raise ArgumentTypeError(f"{name}={given!r}: write a dict, such as {name}={example}")
    return dict(given or {})


def truth(name: str, given) -> bool:
    """True or False."""
    if not isinstance(given, bool):
        raise ArgumentTypeError(f"{name}={given!r}: write True or False")
    return given


def rate(name: str, given) -> float:
    """A rate to drop at, from 0 to below 1."""
    wanted = "the rate to drop at, from 0 to below 1 (it is no rate to keep)"
    if not 0 <= number(name, given, wanted) < 1:
        raise InputError(f"{name}={given!r}: write {wanted}")
    return float(given)


def between_layers(given, num_layers: int) -> float:
    """The rate of dropout between layers, from 0 to 1; a warning where there is nothing between."""
    wanted = "the rate to drop at, from 0 to 1"
    if not 0 <= number("dropout", given, wanted) <= 1:
        raise InputError(f"dropout={given!r}: write {wanted}")
    if given and num_layers == 1:
        warnings.warn(
            f"dropout={given} is between layers and num_layers is 1, so it does nothing; write "
            f"nn.Dropout after the layer, "
            "or more layers",
            stacklevel=4,
        )
    return float(given)
