"""Private: the description of a directory of layers, for the command info."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..tasks.saved import CONFIG

if TYPE_CHECKING:
    from ..exchange.layer_specs import RecurrentSpec, Spec

__all__ = ["show_layers"]


def show_layers(directory: Path, *, json: bool) -> None:
    """Print the layers in a directory, after a check of its files.

    Args:
        directory: The directory.
        json: Print its config.json.
    """
    from ..exchange.directory import read_layers

    stack = read_layers(directory)
    if json:
        typer.echo((directory / CONFIG).read_text(encoding="utf-8").rstrip())
        return
    count = len(stack.parts)
    typer.echo(f"{count} layer{'s' * (count != 1)} of `ostinato import`")
    for name, part in stack.named_parts():
        typer.echo(f"{name:24} {describe(part.spec)}")
    typer.echo(f"{'parameters':24} {sum(p.numel() for p in stack.parameters()):,}")
    typer.echo(f"{'dtype':24} {str(stack.dtype).removeprefix('torch.')}")
    for note in stack.notes:
        typer.echo(f"note: {note}")


def describe(spec: "Spec") -> str:
    """A layer in a line."""
    from ..exchange.layer_specs import ActivationSpec, DenseSpec, EmbeddingSpec, MaskingSpec

    match spec:
        case EmbeddingSpec():
            mask = "" if spec.mask_value is None else f", id {spec.mask_value} is skipped"
            return f"embedding, {spec.entries:,} ids, {spec.units} units{mask}"
        case MaskingSpec():
            return f"mask, steps of {spec.value:g} are skipped"
        case DenseSpec():
            return f"dense, {spec.input_size} to {spec.output_size} units, {spec.activation}"
        case ActivationSpec():
            return f"activation, {spec.activation}"
        case _:
            return _recurrent(spec)


def _recurrent(spec: "RecurrentSpec") -> str:
    words = [f"recurrent, {spec.cell}", f"{spec.input_size} to {spec.hidden_size} units"]
    words += [f"{name}={value}" for name, value in spec.constants.items()]
    words += [f"{spec.num_layers} layers"] if spec.num_layers > 1 else []
    words += [f"both directions, {spec.merge}"] if spec.bidirectional else []
    words += ["backwards"] if spec.reverse else []
    words += ["the last step alone"] if not spec.sequence else []
    return ", ".join(words)
