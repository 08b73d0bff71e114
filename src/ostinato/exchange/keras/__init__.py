"""Keras 2 and 3: models in .keras, .h5 and .weights.h5 files as layers, and back."""

import io
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...data.files import write_whole
from ...errors import InputError, missing_extra
from ...nn.recurrent import Recurrent
from ..layer_stack import LayerStack, loaded_stack
from ..proof import compare_engines, compare_stacks
from .export import exported, model_config, weights_file
from .files import Hdf5, archive_members, check_file, damaged, json_file, json_object, opened
from .layers import ModelReader
from .models import chain
from .weights import find_weights

__all__ = ["read", "write"]

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
HDF5_START, ZIP_START = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"


def read(path: Path, *, config: Path | None = None) -> LayerStack:
    """Read a model of Keras 2 or 3.

    The model is a chain of Embedding, Masking, SimpleRNN, LSTM, GRU, RNN, Bidirectional, Dense,
    TimeDistributed(Dense) and activation layers. It is read as it runs in inference.

    Args:
        path: A .keras, .h5 or .weights.h5 file.
        config: The configuration of the model, for a file that has only weights: a .json file
            (`model.to_json()`), or a .keras or .h5 file of the same architecture.

    Returns:
        The layers, in evaluation mode. `notes` says what could not be checked.

    Raises:
        InputError: The file is damaged, or has a layer that cannot be read; the message names the
            layer and the reason.
        EngineError: The layers compute something else on another engine.
        MissingExtra: h5py is not installed.

    Source:
        Keras 3.15, keras/src/saving/saving_lib.py and keras/src/legacy/saving.

    Example:
        >>> import os, tempfile, torch
        >>> from ostinato.exchange import keras
        >>> from ostinato.exchange.layer_stack import DenseSpec, LayerStack, RecurrentSpec
        >>> stack = LayerStack({"gru": RecurrentSpec("gru", 3, 5), "dense": DenseSpec(5, 2)})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = keras.write(stack, os.path.join(folder, "model.keras"))
        ...     keras.read(os.path.join(folder, "model.keras"))(torch.zeros(1, 4, 3)).shape
        torch.Size([1, 4, 2])
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "archive":
        members = archive_members(path, MEMBERS)
        model, version = _of_archive(members, str(path))
        with opened(path, members["model.weights.h5"]) as file:
            return _stack(model, version, file, config)
    with opened(path) as file:
        return _stack(*_configuration(file), file, config)


def write(model: LayerStack | Recurrent, path: Path) -> list[Path]:
    """Write layers for Keras 3.

    A .weights.h5 file has the weights for a Keras model of the same layers:
    `model.load_weights(path)`. A .keras file has the layers too: `keras.models.load_model(path)`.
    A layer of several layers becomes several layers of Keras. Before anything is written, the
    content is read again and its results are compared with those of the layers.

    Args:
        model: The layers, of the cells `elman`, `lstm`, `gru` and `gru_original`.
        path: The file, whose name ends in .keras or .weights.h5.

    Returns:
        The file that was written, as the only one of a list.

    Raises:
        InputError: Keras does not have such a layer, or the file cannot be written.
        EngineError: The content gives other results than the layers.
        MissingExtra: h5py is not installed.
    """
    path = Path(path)
    if not path.name.endswith((".keras", ".weights.h5")):
        raise InputError(
            f"{str(path)!r}: unsupported file type; write a name that ends in .keras (layers and "
            "weights) or .weights.h5 (weights)"
        )
    if not isinstance(model, (Recurrent, LayerStack)):
        raise InputError(
            f"keras.write was given a {type(model).__name__}; give layers: a Recurrent or a "
            "LayerStack. Tasks can be written as ONNX, torch and C files"
        )
    stack = LayerStack.of(model)
    if stack.dtype not in (torch.float32, torch.float64):
        raise InputError(f"the weights are {stack.dtype}; write stack.float() first")
    layers = exported(stack)
    config = model_config(stack, layers)
    try:
        weights = weights_file(layers)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    with opened(path, weights, trusted=True) as file:
        again = _stack(json.loads(json.dumps(config)), 3, file, None)
    compare_stacks(stack, again, "the file")
    write_whole(path, weights if path.name.endswith(".h5") else _archive(config, weights))
    return [path]


def _archive(config: dict[str, Any], weights: bytes) -> bytes:
    """The content of a .keras file."""
    content = io.BytesIO()
    metadata = {"keras_version": "3.5.0", "date_saved": "1980-01-01@00:00:00"}
    texts = (json.dumps(metadata).encode(), json.dumps(config).encode(), weights)
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in zip(MEMBERS, texts):
            archive.writestr(zipfile.ZipInfo(name), text)
    return content.getvalue()


def _kind(path: Path) -> str:
    """ "hdf5" or "archive", by the first bytes of the file."""
    check_file(path)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}; check the path") from error
    if start == HDF5_START:
        return "hdf5"
    if start.startswith(ZIP_START):
        return "archive"
    raise damaged(str(path), f"it starts with {start!r}")


def _configuration(file: Hdf5) -> tuple[dict[str, Any] | None, int | None]:
    """The configuration and the version of Keras in an HDF5 file; None where there is none."""
    text = file.text(file.root, "model_config")
    model = None if text is None else json_object(text, file.place)
    version = file.text(file.root, "keras_version")
    return model, _version({"keras_version": version}, model or {})


def _version(metadata: dict[str, Any], model: dict[str, Any]) -> int | None:
    """The number before the first point of Keras's version; None if nothing says it."""
    text = metadata.get("keras_version") or model.get("keras_version")
    if text is None:
        return 3 if "module" in model else None
    number = str(text).split(".")[0]
    if number not in ("1", "2", "3"):
        raise InputError(
            f"the file was written by Keras {str(text)[:40]!r}; Keras 1, 2 and 3 are supported"
        )
    return int(number)


def _of_archive(members: dict[str, bytes], place: str) -> tuple[dict[str, Any], int | None]:
    """The configuration in the members of an archive."""
    model = json_object(members["config.json"], place)
    return model, _version(json_object(members["metadata.json"], place), model)


def _given(path: Path) -> tuple[dict[str, Any], int | None]:
    """The configuration in a file that the argument `config` names."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        model = json_file(path)
        return model, _version({}, model)
    if _kind(path) == "archive":
        return _of_archive(archive_members(path, MEMBERS[:2]), str(path))
    with opened(path) as file:
        found, version = _configuration(file)
    if found is None:
        raise InputError(
            f"config={str(path)!r} has only weights; give a file with the architecture: "
            "model.to_json() in a .json file, or a .keras file"
        )
    return found, version


def _stack(
    model: dict[str, Any] | None, version: int | None, file: Hdf5, config: Path | None
) -> LayerStack:
    """The stack of a configuration and the weights in a file."""
    if config is not None:
        model, of_config = _given(config)
        version = of_config or version
    if model is None:
        raise InputError(
            f"{file.place!r} has only weights, and not which layers use them; give the "
            "architecture too: write model.to_json() to a file, and give it as config= (on the "
            "command line --config)"
        )
    weights = find_weights(file)
    reader = ModelReader(version or 2)
    placed = chain(model)
    weights.check_layers(placed)
    for one in placed:
        reader.add(one.layer, partial(weights.fetch, one))
    weights.check_rest()
    if not reader.parts:
        raise InputError(f"{file.place!r}: the model has no layers that compute anything")
    stack = loaded_stack(reader.parts, reader.weights)
    stack.notes = (*reader.notes, compare_engines(stack, "Keras"))
    return stack
