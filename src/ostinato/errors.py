"""The errors of this package, named by their cause.

Every message repeats what was given, says what was expected, and shows how to fix it.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ArgumentTypeError",
    "CellError",
    "EngineError",
    "InputError",
    "OstinatoError",
    "SizeError",
    "TensorError",
    "TracingError",
    "near",
    "shown",
]


class OstinatoError(Exception):
    """Base class of all errors of this package; the command line prints them and exits with 2."""


class CellError(OstinatoError):
    """A cell's equations are invalid; the message names the line."""


class SizeError(OstinatoError, ValueError, RuntimeError):
    """Sizes or shapes that do not match. It is a RuntimeError too, as in torch."""


class InputError(OstinatoError, ValueError):
    """An invalid file, option or argument."""


class ArgumentTypeError(InputError, TypeError):
    """An argument of the wrong type, such as a float in place of a whole number."""


class TensorError(InputError, RuntimeError):
    """Tensors of the wrong number, dtype, device or memory layout."""


class EngineError(OstinatoError, RuntimeError):
    """An engine does not support the call."""


class TracingError(OstinatoError, RuntimeError):
    """A tracing tool of torch cannot record the call, or would fix the sizes of its example."""


def near(given: str, known: Iterable[str]) -> str:
    """The suggestion of an error message for a misspelt name; empty if no known name is close."""
    matches = difflib.get_close_matches(given, list(known), 1)
    return f": did you mean {matches[0]!r}?" if matches else ""


def shown(given: object) -> str:
    """A value as an error message repeats it, in at most about 60 characters.

    Example:
        >>> shown("a"), shown([1, 2]), shown(10 ** 5000)
        ("'a'", 'a list of 2', 'a whole number of more than 1000 digits')
    """
    if isinstance(given, (list, dict)):
        return f"{'a list' if isinstance(given, list) else 'an object'} of {len(given)}"
    if isinstance(given, int) and given.bit_length() > 3300:
        return "a whole number of more than 1000 digits"
    text = repr(given[:80] if isinstance(given, str) else given)
    return text if len(text) <= 60 else text[:59] + "…"
