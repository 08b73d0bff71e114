"""Private: checks of what is given to cells and to the functions that run them."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..ops import math, nn

__all__ = [
    "activation_of",
    "bound",
    "check_cell",
    "check_dtypes",
    "check_rows",
    "check_state",
    "input_parts",
    "is_known",
    "keep_probability",
    "number",
    "pack_inputs",
    "refuse",
    "sizes_of",
    "whole",
]

_ACTIVATIONS: dict[str, Callable] = {
    "linear": lambda x: x,
    "relu": nn.relu,
    "sigmoid": math.sigmoid,
    "tanh": math.tanh,
}

_RANKS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def activation_of(
    cell: object, given: Any, default: Callable | None = math.tanh, *, names: bool = True
) -> Any:
    """The activation function that was given to a cell.

    Args:
        cell: The cell.
        given: A function, its name, or None for the default.
        default: The function for None; None if there is to be no activation.
        names: Whether names are accepted.

    Raises:
        InputError: It is not a function.
    """
    if given is None or callable(given):
        return given or default
    if names and isinstance(given, str) and given in _ACTIVATIONS:
        return _ACTIVATIONS[given]
    none = ", or None for no activation" if default is None else ""
    raise InputError(
        f"{type(cell).__name__}(activation={given!r}): give tf.nn.tanh, tf.nn.relu, tf.nn.sigmoid "
        f"or another function of a tensor{none}"
    )


def refuse(of: str, **given: Any) -> None:
    """Reject options that are not supported, unless they are None, False or 0.

    Args:
        of: The name of the cell.
        given: The options by name.
    """
    for name, value in given.items():
        if value not in (None, False, 0):
            raise InputError(
                f"{of}({name}={value!r}) is not provided by ostinato.tf1: leave {name} out"
            )


def number(cell: object, name: str, given: Any) -> float:
    """Validate a number given to a cell.

    Args:
        cell: The cell.
        name: The name of the argument.
        given: The argument.

    Raises:
        InputError: It is not a number.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise InputError(f"{type(cell).__name__}({name}={given!r}): give a number")
    return given  # type: ignore[return-value]  # a whole number stays one


def bound(cell: object, name: str, given: Any) -> float | None:
    """Validate a bound given to a cell: a number, 0 or more, or None for no bound.

    Args:
        cell, name, given: See `number`.

    Raises:
        InputError: It is neither of them.
    """
    if given is not None and number(cell, name, given) < 0:
        raise InputError(
            f"{type(cell).__name__}({name}={given!r}): give a number, 0 or more, or leave it "
            "out for no bound"
        )
    return given


def keep_probability(cell: object, name: str, given: Any) -> float:
    """Validate a keep probability.

    Args:
        cell, name, given: See `number`.

    Raises:
        InputError: It is not a number above 0 and up to 1.
    """
    if not 0 < number(cell, name, given) <= 1:
        raise InputError(
            f"{type(cell).__name__}({name}={given!r}): give a number above 0 and up to 1"
        )
    return float(given)


def whole(cell: object, name: str, given: object, fix: str = "") -> int:
    """Validate a size given to a cell.

    Args:
        cell, name, given: See `number`.
        fix: An alternative fix, for the error.

    Raises:
        SizeError: It is not a whole number above 0.
    """
    given = getattr(given, "value", given)  # a size of a static shape
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
        raise SizeError(
            f"{type(cell).__name__}({name}={given!r}): give a whole number, 1 or more{fix}"
        )
    return int(given)


def is_known(cell: object) -> bool:
    """Whether a cell is one of this package, whose inputs and states can be checked before it is
    called; a program's own cell may take anything.
    """
    return getattr(cell, "input_dims", None) is not None


def check_cell(cell: object, of: str) -> None:
    """Reject values that are not cells.

    Args:
        cell: The value.
        of: The name of the function, for errors.
    """
    has = [hasattr(cell, name) for name in ("output_size", "state_size")]
    begins = hasattr(cell, "get_initial_state") or hasattr(cell, "zero_state")
    if isinstance(cell, type) or not (all(has) and begins and callable(cell)):
        raise InputError(
            f"{of} was given {cell!r} ({type(cell).__name__}): give it a cell, such as "
            "tf.nn.rnn_cell.BasicLSTMCell(num_units=2)"
        )


def sizes_of(size: Any) -> tuple[int | None, ...]:
    """The dimensions of a part of a state, from its number of units or its shape."""
    return TensorShape(size).sizes or ()


def check_state(cell: Any, state: Any) -> None:
    """Reject a state without the structure and the sizes of the cell's states."""
    if not is_known(cell):
        return
    sizes, parts = nest.flatten(cell.state_size), nest.flatten(state)
    if len(parts) != len(sizes):
        raise SizeError(
            f"{type(cell).__name__} was given a state of {len(parts)} part(s): give it the "
            f"structure of cell.zero_state(batch_size, dtype), {cell.state_size!r}"
        )
    for part, size in zip(parts, sizes):
        shape = getattr(part, "shape", None)
        known = getattr(shape, "sizes", shape)
        wanted = sizes_of(size)
        if known is None or size is None:
            continue
        own = tuple(known)[1:]
        if len(own) != len(wanted) or any(
            None not in (n, m) and n != m for n, m in zip(own, wanted)
        ):
            raise SizeError(
                f"{type(cell).__name__} was given a state of {TensorShape(shape)} where size "
                f"{size} is expected: {cell.state_size!r}"
            )


def input_parts(cell: Any, inputs: Any, leading: Sequence[str], of: str) -> list[Tensor]:
    """The tensors of an input: one, or several for a cell with several inputs.

    Args:
        cell: The cell.
        inputs: The inputs.
        leading: The names of its first dimensions, before its sizes.
        of: The name of the function, for errors.
    """
    dims = getattr(cell, "input_dims", None)
    if dims is not None and len(dims) > 1:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != len(dims):
            raise InputError(
                f"{of} was given {inputs!r}: {type(cell).__name__} needs a tuple of {len(dims)} "
                "for each step, (time, input)"
            )
    # An array may be given as nested lists.
    one = dims is not None and len(dims) == 1
    parts = [convert_to_tensor(part) for part in ([inputs] if one else nest.flatten(inputs))]
    if dims is None:
        return parts
    for x, count in zip(parts, dims):
        wanted = count - 1 + len(leading)
        if x.shape.ndims is not None and x.shape.ndims != wanted:
            sizes = ["size"] if count == 2 else ["sizes"] * (count - 2) + ["channels"]
            raise SizeError(
                f"{of} was given inputs of shape {x.shape}: give them {_RANKS[wanted]} dimensions, "
                f"({', '.join([*leading, *sizes])})"
            )
        _check_depth(cell, x, count)
    return parts


def pack_inputs(cell: Any, inputs: Any, parts: Sequence) -> Any:
    """Tensors in the structure of an input.

    Args:
        cell, inputs: See `input_parts`.
        parts: A tensor for each one that `input_parts` returned.
    """
    one = is_known(cell) and len(cell.input_dims) == 1
    return parts[0] if one else nest.pack_sequence_as(inputs, parts)


def _check_depth(cell: Any, x: Tensor, count: int) -> None:
    if x.shape.sizes is None or None in x.shape.sizes[len(x.shape.sizes) - count + 1 :]:
        raise SizeError(
            f"{type(cell).__name__} was given {x}: its last size must be known; give the "
            "placeholder a fixed size"
        )


def check_dtypes(cell: Any, parts: Sequence[TensorLike], dtype: Any, of: str) -> None:
    """Reject an input of another dtype than the state is to have, for a cell that joins both."""
    x = parts[-1]
    if dtype is None or not is_known(cell) or getattr(cell, "of_indices", False):
        return
    if x.dtype.base_dtype != dtype.base_dtype:
        raise InputError(
            f"{of} was given inputs of {x.dtype.name} and dtype=tf.{dtype.name}: make the inputs "
            f"np.{dtype.name}, or the dtype tf.{x.dtype.name}"
        )


def check_rows(size: int | None, other: int | None, of: str) -> int | None:
    """The known one of two sizes that have to be the same.

    Args:
        size, other: The sizes; None if unknown.
        of: What they are sizes of, for the error.

    Raises:
        SizeError: They differ.
    """
    if None not in (size, other) and size != other:
        raise SizeError(f"{of}: {size} and {other} differ")
    return other if size is None else size
