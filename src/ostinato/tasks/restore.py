"""Private: restores a trained task from its directory; every file is checked before memory is
allocated.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..data.files import Spec, difference, read_json, read_tensors, specs_of
from ..errors import InputError
from .saved import CONFIG, VOCABULARY, WEIGHTS, Saved

if TYPE_CHECKING:
    from .task import Task


def restored(saved: Saved, directory: Path) -> "Task":
    """The trained task in a directory, from the result of `saved.read_model`.

    Raises:
        InputError: The files are damaged or do not fit each other.
    """
    task = untrained(saved, directory)
    task.result = saved.config.result
    tensors = read_weights(directory / WEIGHTS, specs_of(task.skeleton().state_dict()))
    task.model = task.build()
    task.model.load_state_dict(tensors)
    task.model.eval()
    return task


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the weights in a file into a model.

    Raises:
        InputError: The file is damaged, or its tensors are not those of the model.
    """
    model.load_state_dict(read_weights(path, specs_of(model.state_dict())))


def read_weights(path: Path, wanted: dict[str, Spec]) -> dict[str, torch.Tensor]:
    """Read the tensors in a file and check their names, dtypes and shapes.

    Raises:
        InputError: The file is damaged, or its tensors differ from the expected ones.
    """

    def check(specs: dict[str, Spec]) -> None:
        if why := difference(specs, wanted):
            raise InputError(
                f"{str(path)!r} does not fit {str(path.with_name(CONFIG))!r} ({why}); restore both "
                "from the same run, or train the model again"
            )

    return read_tensors(path, check)[0]


def untrained(saved: Saved, directory: Path) -> "Task":
    """The saved task, without its model.

    Raises:
        InputError: The vocabulary is invalid or does not fit the configuration.
    """
    from . import task_class

    # the options that were chosen from the data are chosen again by another `fit`
    given = saved.options.to_json() | dict.fromkeys(saved.config.found)
    task = task_class(saved.config.task)(**given)
    task.options, task.metadata = saved.options, saved.metadata
    task.summary, task._features = saved.config.summary, saved.config.columns
    if saved.config.vocabulary_size or os.path.lexists(directory / VOCABULARY):
        task.vocabulary = task.vocabulary_from_json(
            read_json(directory / VOCABULARY), path=directory / VOCABULARY
        )
    try:
        if len(task.vocabulary or ()) != saved.config.vocabulary_size:
            raise InputError(
                f"{VOCABULARY} has {len(task.vocabulary or ())} tokens, and 'vocabulary_size' is "
                f"{saved.config.vocabulary_size}"
            )
        task.check()
    except InputError as error:
        raise InputError(
            f"{str(directory / CONFIG)!r} cannot be used: {error}; restore the files, or train the "
            "model again"
        ) from error
    return task
