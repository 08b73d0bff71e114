"""The errors of this package, named by their cause.

Every message repeats what was given, says what was expected, and shows how to fix it.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "ArgumentTypeError",
    "CellError",
    "EXTRAS",
    "EngineError",
    "InputError",
    "MissingExtra",
    "OstinatoError",
    "SizeError",
    "TensorError",
    "TracingError",
    "missing_extra",
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


class MissingExtra(OstinatoError, ImportError):
    """A part of Ostinato needs packages that are not installed."""


# The packages of each extra, by their import names; pyproject.toml has the versions.
EXTRAS = {
    "tasks": (
        "lightning typer rich tokenizers safetensors regex matplotlib filelock polars PIL "
        "torchmetrics sacrebleu sklearn jinja2"
    ).split(),
    "video": ["av"],
    "tensorboard": ["tensorboard"],
    "onnx": ["onnx", "onnxruntime"],
    "keras": ["h5py"],
    "bench": ["jax", "keras"],
}


def missing_extra(error: ModuleNotFoundError) -> MissingExtra | None:
    """The error that names the extra to install; None if the module is in no extra.

    Example:
        >>> print(missing_extra(ModuleNotFoundError("", name="polars")))  # doctest: +ELLIPSIS
        the package polars is not installed: it belongs to the extra 'tasks' (the command line ...
    """
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return MissingExtra(
                f"the package {package} is not installed: it belongs to the extra {extra!r} "
                f"({_PURPOSES[extra]}); in a copy of the repository write: pip install '.[{extra}]'"
            )
    return None


_PURPOSES = {
    "tasks": "the command line and the tasks",
    "video": "reading video files",
    "tensorboard": "--log tensorboard",
    "onnx": "ONNX files",
    "keras": "Keras files",
    "bench": "the libraries that `ostinato bench` compares with",
}


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
