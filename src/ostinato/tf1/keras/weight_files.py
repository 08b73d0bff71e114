"""Private: the variables of models of tf.keras in TensorFlow checkpoints.

As in TensorFlow 1.13, a variable has the name of the attributes that lead to it from the model,
such as `layer_with_weights-0/cell/kernel`.
"""

import os
from collections.abc import Iterator
from typing import Any

from ...errors import InputError
from ..files.reader import load_checkpoint
from ..layers.base_layer import BaseLayer
from ..train.saver import Saver
from . import backend

__all__ = ["load", "names_in_file", "save"]

_END = "/.ATTRIBUTES/VARIABLE_VALUE"


def _paths(layer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The variables of a layer or model, with the attributes that lead to them."""
    if getattr(layer, "_map", None) is not None:
        for i, inner in enumerate([below for below in layer.layers if below.weights]):
            yield from _paths(inner, f"{prefix}layer_with_weights-{i}/")
        return
    for name, value in vars(layer).items():
        if name.startswith("_"):
            continue
        several = isinstance(value, (list, tuple))
        for i, v in enumerate(value if several else [value]):
            path = f"{prefix}{name}/{i}" if several else f"{prefix}{name}"
            if isinstance(v, BaseLayer):
                yield from _paths(v, f"{path}/")
            elif hasattr(v, "initializer") and hasattr(v, "assign"):
                yield path, v


def names_in_file(model: Any) -> dict[str, Any]:
    """The variables of a model by their names in a checkpoint."""
    # Where several attributes lead to a variable, the last one counts: a Bidirectional has its
    # forward layer as `layer` too.
    paths = {id(v): path + _END for path, v in _paths(model, "")}
    return {paths.get(id(v), v.op.name): v for v in model.weights}


def _checked(filepath: Any) -> str:
    path = os.fspath(filepath)
    if path.endswith((".h5", ".keras", ".hdf5")):
        raise InputError(
            f"{path!r} is HDF5, which ostinato.tf1 does not read or write: use a TensorFlow "
            "checkpoint, model.save_weights('weights'), a path without .h5"
        )
    return path


def save(model: Any, filepath: Any, overwrite: bool, save_format: Any) -> None:
    """Save the variables of a model; see `Network.save_weights`."""
    path = _checked(filepath)
    if save_format not in (None, "tf", "tensorflow"):
        raise InputError(f"save_format={save_format!r}: give 'tf', a TensorFlow checkpoint")
    if not model.weights:
        raise InputError(
            "the model has no variables yet: call it, fit it, or give its first layer an "
            "input_shape before saving weights"
        )
    if not overwrite and os.path.exists(f"{path}.index"):
        raise InputError(f"{path!r} exists: give another path, or overwrite=True")
    session = backend.get_session()
    if model._saver is None:
        with session.graph.as_default():
            model._saver = Saver(names_in_file(model), max_to_keep=1, save_relative_paths=True)
    # Earlier files are the user's: the saver is not to remove them.
    model._saver.set_last_checkpoints_with_time([])
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    model._saver.save(session, path, write_meta_graph=False)


def load(model: Any, filepath: Any, by_name: bool) -> None:
    """Read the variables of a model; see `Network.load_weights`."""
    path = _checked(filepath)
    if by_name:
        raise InputError(
            "load_weights(by_name=True) is for HDF5 files, which ostinato.tf1 does not read: leave "
            "by_name out"
        )
    if not model.weights:
        raise InputError(
            "the model has no variables yet: call it, fit it, or give its first layer an "
            "input_shape before loading weights"
        )
    reader = load_checkpoint(path)
    values, missing = [], []
    for name, v in names_in_file(model).items():
        saved = next((n for n in (name, v.op.name) if reader.has_tensor(n)), None)
        if saved is None:
            missing.append(v.op.name)
        else:
            values.append((v, reader.get_tensor(saved)))
    if missing:
        raise InputError(
            f"{path!r} has no {', '.join(missing)}: it is of another model; make the same layers"
        )
    for v, value in values:
        if tuple(v.shape.as_list()) != value.shape:
            raise InputError(
                f"{path!r} has shape {value.shape} for {v.op.name}, whose shape is {v.shape}: it "
                "is of a model of other sizes"
            )
    backend.batch_set_value(values)
