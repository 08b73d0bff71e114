"""A directory of layers: config.json and model.safetensors, for models that are not tasks."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch

from ..data.files import listing, make_directory, read_json, write_json, write_tensors
from ..data.files import specs_of as tensor_specs
from ..data.records import Length, read_record, to_json
from ..errors import InputError, OstinatoError, shown
from ..nn.recurrent import Recurrent
from ..tasks.restore import read_weights
from ..tasks.saved import CONFIG, LAYERS_FORMAT, WEIGHTS
from .layer_stack import (
    ActivationSpec,
    DenseSpec,
    EmbeddingSpec,
    LayerStack,
    MaskingSpec,
    RecurrentSpec,
    Spec,
)

__all__ = ["read_layers", "write_layers"]

VERSION = 1
# The description of a part, by the name of its kind.
KINDS: dict[str, type] = {
    "embedding": EmbeddingSpec,
    "masking": MaskingSpec,
    "recurrent": RecurrentSpec,
    "dense": DenseSpec,
    "activation": ActivationSpec,
}
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
# Largest number of layers and directions of a file, all parts together: each has modules and
# parameters that take memory whatever their size is.
MOST_LAYERS = 1024
_RESTORE = "restore the file, or import the model again"


@dataclass(frozen=True)
class PartRecord:
    """A part of config.json.

    Attributes:
        kind: A name in `KINDS`.
        name: Its name.
        options: The fields of its description.
    """

    kind: Literal["embedding", "masking", "recurrent", "dense", "activation"]
    name: Annotated[str, Length(1, 1000)]
    options: dict[str, object]


@dataclass(frozen=True)
class LayersConfig:
    """The contents of config.json.

    Attributes:
        format, version: `LAYERS_FORMAT` and `VERSION`.
        parts: The layers, in order.
        dtype: The dtype of the parameters.
        notes: The notes of the stack.
    """

    format: str
    version: int
    parts: Annotated[list[PartRecord], Length(1, MOST_LAYERS)]
    dtype: Literal["float32", "float64", "float16", "bfloat16"] = "float32"
    notes: list[str] = field(default_factory=list)


def write_layers(directory: Path, stack: LayerStack | Recurrent) -> None:
    """Write layers to a directory.

    Args:
        directory: The directory, new or empty.
        stack: The layers; a `Recurrent` becomes a stack of one.

    Raises:
        InputError: The directory is not empty or cannot be written, a cell is not in the catalogue,
            or a weight is not finite.

    Example:
        >>> import os, tempfile, ostinato
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_layers(os.path.join(folder, "layers"), ostinato.GRU(3, 5))
        ...     read_layers(os.path.join(folder, "layers")).names
        ('gru',)
    """
    directory = Path(directory)
    stack = LayerStack.of(stack)
    if not isinstance(stack, LayerStack):
        raise InputError(
            f"write_layers was given a {type(stack).__name__}; give a LayerStack or a layer"
        )
    if os.path.lexists(directory) and (not os.path.isdir(directory) or listing(directory)):
        raise InputError(f"{str(directory)!r} exists and is not empty; give a new directory")
    dtypes = {str(p.dtype).removeprefix("torch.") for p in stack.parameters()}
    if len(dtypes) > 1 or not dtypes <= DTYPES.keys():
        raise InputError(
            f"the weights are {', '.join(sorted(dtypes))}; give all of them one dtype: write "
            "stack.float()"
        )
    for name, parameter in stack.named_parameters():
        if not parameter.isfinite().all():
            raise InputError(f"the weight {name!r} has values that are not finite: fix them first")
    kinds = {record: kind for kind, record in KINDS.items()}
    parts = [
        {"kind": kinds[type(spec)], "name": name, "options": to_json(spec)}
        for name, spec in stack.specs().items()
    ]
    made = not os.path.isdir(directory)
    make_directory(directory)
    try:
        write_tensors(directory / WEIGHTS, stack.state_dict())
        write_json(
            directory / CONFIG,
            {"format": LAYERS_FORMAT, "version": VERSION, "parts": parts}
            | ({"dtype": dtypes.pop()} if dtypes else {})
            | ({"notes": list(stack.notes)} if stack.notes else {}),
        )
    except (OstinatoError, OSError):
        with contextlib.suppress(OSError):
            (directory / WEIGHTS).unlink(missing_ok=True)
            if made:
                directory.rmdir()
        raise


def read_layers(directory: Path) -> LayerStack:
    """Read the layers in a directory, in evaluation mode.

    Raises:
        InputError: A file is missing or damaged, or the files do not fit each other.
    """
    directory = Path(directory)
    path = directory / CONFIG
    if not os.path.isdir(directory):
        raise InputError(
            f"the directory {str(directory)!r} does not exist; give the --out of `ostinato import`"
        )
    content = read_json(path)
    if content.get("format") != LAYERS_FORMAT:
        raise InputError(
            f"{str(path)!r} has format {shown(content.get('format'))}; it should be "
            f"{LAYERS_FORMAT!r}: give the --out of `ostinato import`"
        )
    if type(content.get("version")) is not int or content["version"] != VERSION:
        raise InputError(
            f"{str(path)!r} has format version {shown(content.get('version'))} and this version of "
            f"ostinato reads {VERSION}; use the version that wrote it, or import the model again"
        )
    try:
        config = read_record(LayersConfig, content)
        described = _described(config)
        skeleton = LayerStack(described, device="meta", dtype=DTYPES[config.dtype])
    except (OstinatoError, RuntimeError, OverflowError) as error:
        raise InputError(f"{str(path)!r} cannot be used: {error}; {_RESTORE}") from error
    tensors = read_weights(directory / WEIGHTS, tensor_specs(skeleton.state_dict()))
    stack = LayerStack(described, notes=config.notes, dtype=DTYPES[config.dtype])
    stack.load_state_dict(tensors)
    return stack.eval()


def _described(config: LayersConfig) -> dict[str, Spec]:
    """The descriptions of the parts by name."""
    found: dict[str, Spec] = {}
    layers = 0
    for place, part in enumerate(config.parts):
        if part.name in found:
            raise InputError(f"two parts have the name {part.name[:80]!r}")
        spec = read_record(KINDS[part.kind], part.options, field=f"parts[{place}].options")
        if isinstance(spec, RecurrentSpec):
            layers += spec.num_layers * (1 + spec.bidirectional)
            if max((len(spec.sizes), len(spec.constants), len(spec.names))) > 100:
                raise InputError(f"the part {part.name[:80]!r} has too many options")
        if layers > MOST_LAYERS:
            raise InputError(f"it has more than {MOST_LAYERS:,} recurrent layers")
        found[part.name] = spec
    return found
