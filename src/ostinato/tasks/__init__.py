"""Tasks on top of the layers: train a model on a file, evaluate it, and predict with it.

Each task is a class with `fit`, `evaluate`, `predict` and `save`. `load` restores a model that
`save` or the command line wrote.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import missing_extra
from .options import TASKS

if TYPE_CHECKING:
    from .caption import Captioner
    from .classify import Classifier
    from .forecast import Forecaster
    from .frames import FrameTagger
    from .generate import Generator
    from .tag import Tagger
    from .task import Task
    from .transcribe import Transcriber
    from .translate import Translator

__all__ = [
    "TASKS",
    "Captioner",
    "Classifier",
    "Forecaster",
    "FrameTagger",
    "Generator",
    "Tagger",
    "Transcriber",
    "Translator",
    "load",
    "task_class",
]


def task_class(name: str) -> "type[Task]":
    """The class of a task by its command-line name. Importing it imports torch.

    Raises:
        MissingExtra: The packages of the extra `tasks` are not installed.
    """
    try:
        module = importlib.import_module(f".{TASKS[name].module}", __package__)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    return getattr(module, TASKS[name].class_name)


def load(directory: Path) -> "Task":
    """Load the trained task in a directory.

    Raises:
        InputError: The directory has no complete model; the message says what is missing or
            damaged.
    """
    from .saved import read_model

    directory = Path(directory)
    saved = read_model(directory, device="cpu", mixed_precision=False)
    from .restore import (
        restored,  # imports torch, after the directory has been checked
    )

    return restored(saved, directory)


def __getattr__(name: str):
    for task, listing in TASKS.items():
        if name == listing.class_name:
            return task_class(task)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
