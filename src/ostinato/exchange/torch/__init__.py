"""torch: models as modules of plain torch, and torch.nn's layers and `state_dict`s as Ostinato's
layers.
"""

import keyword
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...data.files import write_files, write_tensors
from ...errors import InputError, TensorError
from ...nn.recurrent import Recurrent
from ...nn.torch_modules import from_module
from ..results import TOLERANCES
from .file import TorchFile, layer_file
from .proof import check_layer
from .state import read

if TYPE_CHECKING:
    from ...tasks.task import Task

__all__ = ["from_module", "read", "write"]


def write(model: "Recurrent | Task", path: Path) -> list[Path]:
    """Write a layer or a trained task as a module of plain torch: a Python file and its weights.

    The Python file has the equations of the cell as code of torch, printed from the cell. It needs
    torch 2.2 or later and the file of weights, `NAME.safetensors`. It is run in a fresh process and
    compared with the model first. Nothing is written if they differ.

    The file of a task has the whole model: its method `predict` takes texts, or sequences of
    numbers, and returns what `predict` of the task returns.

    Args:
        model: A layer, in float32 or float64; or a trained classifier, tagger, frame tagger,
            forecaster or generator.
        path: The Python file to write, `NAME.py`, where NAME can be imported.

    Returns:
        The files that were written.

    Raises:
        InputError: It is another model, or the path cannot be used.
        TensorError: Its dtype is neither float32 nor float64.
        EngineError: The file computes something else than the model.

    Example:
        >>> import os, tempfile
        >>> import ostinato
        >>> from ostinato.exchange import torch
        >>> layer = ostinato.Recurrent("min_gru", 3, 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = torch.write(layer, os.path.join(folder, "min_gru.py"))
        ...     sorted(os.listdir(folder))
        ['min_gru.py', 'min_gru.safetensors']
    """
    path = _checked_path(path)
    tasks = sys.modules.get("ostinato.tasks.task")
    if tasks is not None and isinstance(model, tasks.Task):
        from .task_proof import check_task
        from .tasks import task_file

        return _proved(task_file(model), path, lambda folder: check_task(model, folder, path.stem))
    if not isinstance(model, Recurrent):
        raise InputError(
            f"torch.write was given a {type(model).__name__}; give a layer: ostinato.RNN, LSTM, "
            "GRU or Recurrent, or a trained task"
        )
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    if dtype not in TOLERANCES:
        raise TensorError(
            f"the weights are {dtype}; torch files are written in float32 or float64: write "
            "layer.float()"
        )
    file = layer_file(model, dtype)
    return _proved(file, path, lambda folder: check_layer(model, dtype, folder, path.stem))


def _proved(file: TorchFile, path: Path, check: Callable[[Path], None]) -> list[Path]:
    """Write a file to a temporary folder, check it there, and write it to its place."""
    text, weights = file.text(path.stem), path.with_suffix(".safetensors")
    with tempfile.TemporaryDirectory(prefix="ostinato-") as directory:
        folder = Path(directory)
        (folder / path.name).write_text(text, encoding="utf-8")
        write_tensors(folder / weights.name, file.tensors, file.settings)
        check(folder)
        content = (folder / weights.name).read_bytes()
    write_files({weights: content, path: text.encode()})
    return [path, weights]


def _checked_path(path: Path) -> Path:
    """The path of a Python file whose name can be imported and is not that of another module."""
    path = Path(path)
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise InputError(
            f"{str(path)!r}: write the path of a Python file whose name can be imported, such as "
            "'layer.py'"
        )
    if name in sys.stdlib_module_names or name in ("torch", "numpy"):
        raise InputError(
            f"{str(path)!r}: a file of this name would take the place of the module {name}; choose "
            "another name"
        )
    return path
