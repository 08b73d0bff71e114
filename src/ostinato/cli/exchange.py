"""Private: the commands export and import: models for other tools, and models from them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from ..errors import InputError, near
from .tasks import DIRECTORY

# The package with one module for each format.
PACKAGE = "ostinato.exchange"
# The entry "format" of the config.json of a directory of layers.
LAYERS_FORMAT = "ostinato layers"


@dataclass(frozen=True)
class ModelFormat:
    """A format of models: the module `ostinato.exchange.NAME` writes and reads it.

    Attributes:
        title: Its name in messages.
        suffixes: The ends of the names of its files, by which `ostinato import` finds it.
        export_options, import_options: The options of the commands that it takes, which are the
            arguments of the functions `write` and `read` of the module.
    """

    title: str
    suffixes: tuple[str, ...] = ()
    export_options: tuple[str, ...] = ()
    import_options: tuple[str, ...] = ()


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
        Option(help="File to write; a format may write several files.", show_default=False),
    ],
):
    """Write a model for another tool: ONNX, torch, C, Keras or TensorFlow 1."""
    write = _function(_format(to, "--to"), "write")
    files = write(_model(directory), out)
    for path in files or [out]:
        typer.echo(f"written: {path}")


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
):
    """Read the layers of a model of another tool, and write them to a directory."""
    from ..tasks.saved import check_new

    name = _format_of(file) if source is None else _format(source, "--from")
    read = _function(name, "read")
    check_new(out, False)
    stack = read(file)
    importlib.import_module(f"{PACKAGE}.directory").write_layers(out, stack)
    typer.echo(f"written: {out}")


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
    raise InputError(
        f"{str(file)!r}: the name does not say which format the file has; add --from with one of "
        f"{', '.join(name for name, one in FORMATS.items() if one.suffixes)}"
    )


def _function(name: str, what: str) -> Callable[..., Any]:
    """The function `write` or `read` of a format."""
    try:
        found = getattr(importlib.import_module(f"{PACKAGE}.{name}"), what, None)
    except ModuleNotFoundError as error:
        if error.name != f"{PACKAGE}.{name}":
            raise
        found = None
    if found is None:
        done = "written" if what == "write" else "read"
        raise InputError(f"{FORMATS[name].title} files cannot be {done} by this version")
    return found


def _model(directory: Path) -> Any:
    """The trained task or the layers in a directory."""
    from ..data.files import read_json
    from ..tasks import load
    from ..tasks.saved import CONFIG

    if (directory / CONFIG).is_file() and read_json(directory / CONFIG).get(
        "format"
    ) == LAYERS_FORMAT:
        return importlib.import_module(f"{PACKAGE}.directory").read_layers(directory)
    return load(directory)
