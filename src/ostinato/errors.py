"""The few errors a person can meet, each named for what went wrong.

Every message repeats what was given, says what was wanted, and shows the mend.
"""

import difflib
from collections.abc import Iterable


class OstinatoError(Exception):
    """What all errors of this package have in common; the command line prints it and exits with
    2.
    """


class CellError(OstinatoError):
    """A cell's equations cannot be read: the message names the line."""


class SizeError(OstinatoError, ValueError, RuntimeError):
    """Sizes or shapes that do not fit each other; torch raises a RuntimeError for them."""


class InputError(OstinatoError, ValueError):
    """A file, an option or an argument that cannot be used."""


class ArgumentTypeError(InputError, TypeError):
    """An argument of the wrong type, as a float where a whole number is wanted."""


class TensorError(InputError, RuntimeError):
    """Tensors whose number, dtype, device or memory layout does not fit."""


class EngineError(OstinatoError, RuntimeError):
    """An engine cannot run what was asked of it."""


class TracingError(OstinatoError, RuntimeError):
    """A tool of torch would record a call with the sizes of its example fixed, or cannot record it
    at all.
    """


class MissingExtra(OstinatoError, ImportError):
    """Packages are not installed that a part of Ostinato needs."""


# The packages of each extra, by the names that they are imported under; pyproject.toml has the
# versions.
EXTRAS = {
    "tasks": (
        "lightning typer rich tokenizers safetensors regex matplotlib filelock polars PIL "
        "torchmetrics sacrebleu jinja2"
    ).split(),
    "video": ["av"],
    "bench": ["onnx", "onnxruntime", "jax", "keras"],
}


def missing_extra(error: ModuleNotFoundError) -> MissingExtra | None:
    """The error that says which extra to install; None where the module belongs to no extra.

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
    "bench": "the libraries that `ostinato bench` compares with",
}


def near(given: str, known: Iterable[str]) -> str:
    """The words of an error message that name what was probably meant, or none."""
    matches = difflib.get_close_matches(given, list(known), 1)
    return f": did you mean {matches[0]!r}?" if matches else ""


def shown(given) -> str:
    """A value as an error message repeats it: in about 60 characters, however large it is.

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
