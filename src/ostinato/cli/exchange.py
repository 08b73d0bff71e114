"""Private: the commands export and import: models for other tools, and models from them."""

import importlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from ..errors import InputError, near
from ..options import flag
from .tasks import DIRECTORY, number

# The package with one module for each format.
PACKAGE = "ostinato.exchange"


@dataclass(frozen=True)
class ModelFormat:
    """A format of models: the module `ostinato.exchange.NAME` writes and reads it.

    Attributes:
        title: Its name in messages.
        suffixes: The ends of the names of its files, by which `ostinato import` finds it.
    """

    title: str
    suffixes: tuple[str, ...] = ()


FORMATS = {
    "onnx": ModelFormat("ONNX", (".onnx",)),
    "torch": ModelFormat("torch", (".safetensors", ".pt", ".pth")),
    "c": ModelFormat("C"),
    "keras": ModelFormat("Keras", (".keras", ".h5", ".hdf5")),
    "tf1": ModelFormat("TensorFlow 1", (".index", ".ckpt", ".meta")),
}


def export_model(
    directory: Annotated[Path, DIRECTORY],
    to: Annotated[
        str,
        Option(
            metavar="FORMAT",
            help=f"Format to write: {', '.join(FORMATS)}.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        Option(help="File to write; some models have several files.", show_default=False),
    ],
    network_only: Annotated[
        bool,
        Option(
            "--network-only",
            help="Write the network alone, without the models that classify and forecast combine "
            "with it.",
        ),
    ] = False,
    weights: Annotated[
        str | None,
        Option(
            metavar="KIND",
            help="C: float32, or int8 for matrices in a quarter of the memory.",
            show_default="float32",
        ),
    ] = None,
    name: Annotated[
        str | None,
        Option(help="C: beginning of the names of functions.", show_default="name of the file"),
    ] = None,
    no_check: Annotated[
        bool, Option("--no-check", help="C: write without compiling and comparing the code.")
    ] = False,
):
    """Write a model for another tool: ONNX, torch, C, Keras or TensorFlow 1."""
    kind = _format(to, "--to")
    write = _function(kind, "write")
    options: dict[str, Any] = {"network_only": True} if network_only else {}
    options |= {"weights": weights} if weights is not None else {}
    options |= {"name": name} if name is not None else {}
    options |= {"check": False} if no_check else {}
    _check_options(write, options, f"--to {kind}")
    model = _model(directory)
    written = write(model, out, **options)
    for path in written if isinstance(written, list) else written.files:
        typer.echo(f"written: {path}")
    if (rounding := getattr(written, "rounding", None)) is not None:
        typer.echo(f"largest difference of a result that int8 weights make: {rounding:.2g}")


def import_model(
    file: Annotated[
        Path,
        Argument(metavar="FILE", help="Model file of another tool.", show_default=False),
    ],
    out: Annotated[
        Path, Option(help="Output directory, new or empty, for the layers.", show_default=False)
    ],
    source: Annotated[
        str | None,
        Option(
            "--from",
            metavar="FORMAT",
            help="Format of the file: onnx, torch, keras or tf1.",
            show_default="found by the name of the file",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        Option(
            help="Keras: file with the architecture, for a file with weights alone: "
            "model.to_json() in a .json file, or a .keras file.",
            show_default=False,
        ),
    ] = None,
    scope: Annotated[
        str | None,
        Option(help="TensorFlow 1: read only the cells below this scope.", show_default=False),
    ] = None,
    cell: Annotated[
        str | None,
        Option(
            help="TensorFlow 1: class of the cells, such as BasicLSTMCell.",
            show_default="found by the names of the scopes",
        ),
    ] = None,
    forget_bias: Annotated[
        float | None,
        number(float, "TensorFlow 1: forget bias of the LSTM cells.", show_default="1"),
    ] = None,
    activation: Annotated[
        str | None,
        Option(help="TensorFlow 1: activation of the cells.", show_default="tanh"),
    ] = None,
    averages: Annotated[
        bool,
        Option("--averages", help="TensorFlow 1: read the moving averages of the variables."),
    ] = False,
):
    """Read the layers of a model of another tool, and write them to a directory."""
    from ..tasks.saved import check_new

    name = _format_of(file) if source is None else _format(source, "--from")
    # of ONNX files `read` gives the recurrent layers alone
    read = _function(name, "read_stack" if name == "onnx" else "read")
    given = {
        "config": config,
        "scope": scope,
        "cell": cell,
        "forget_bias": forget_bias,
        "activation": activation,
        "averages": averages or None,
    }
    options = {option: value for option, value in given.items() if value is not None}
    _check_options(read, options, f"--from {name}")
    check_new(out, False)
    found = read(file, **options)

    from ..exchange.directory import write_layers

    stack = _stack(found, file)
    write_layers(out, stack)
    typer.echo(f"written: {out}")
    for note in getattr(stack, "notes", ()):
        typer.echo(f"note: {note}")


def _stack(found: Any, file: Path) -> Any:
    """Layers as `write_layers` takes them: a stack, a layer, or the only one of several."""
    if not isinstance(found, dict):
        return found
    if len(found) == 1:
        return next(iter(found.values()))
    from ..exchange.layer_stack import LayerStack

    try:
        return LayerStack(found)
    except ValueError as error:
        raise InputError(
            f"{str(file)!r} has the layers {', '.join(found)}, which are not one row of layers "
            f"({error}); read them with Python: ostinato.exchange"
        ) from error


def _check_options(function: Callable[..., Any], options: dict[str, Any], what: str) -> None:
    """Raise an error if a format does not have one of the given options."""
    for name in options:
        if name not in inspect.signature(function).parameters:
            shown = "--no-check" if name == "check" else flag(name)
            raise InputError(f"{shown} is not an option of {what}; leave it out")


def _format(name: str, option: str) -> str:
    """The name of a format, checked."""
    if name not in FORMATS:
        raise InputError(
            f"{option} {name}: unknown format{near(name, FORMATS)}; write one of "
            f"{', '.join(FORMATS)}"
        )
    return name


def _format_of(file: Path) -> str:
    """The format of a file, by its name."""
    for name, one in FORMATS.items():
        if file.name.lower().endswith(one.suffixes or "\0"):
            return name
    # the prefix of a checkpoint, or its directory
    if os.path.isfile(f"{file}.index") or os.path.isfile(file / "checkpoint"):
        return "tf1"
    raise InputError(
        f"{str(file)!r}: the name does not say which format the file has; add --from with one of "
        f"{', '.join(name for name, one in FORMATS.items() if one.suffixes)}"
    )


def _function(name: str, what: str) -> Callable[..., Any]:
    """The function `write` or `read` of a format."""
    found = getattr(importlib.import_module(f"{PACKAGE}.{name}"), what, None)
    if found is None:
        raise InputError(f"{FORMATS[name].title} files cannot be read by this version")
    return found


def _model(directory: Path) -> Any:
    """The trained task or the layers in a directory."""
    from ..exchange.directory import read_layers
    from ..tasks import load
    from ..tasks.saved import is_layers

    return read_layers(directory) if is_layers(directory) else load(directory)
