"""Tasks over the layers: from a person's file to a trained model, and from the model to answers.

Each is a class with `fit`, `evaluate`, `predict` and `save`; `load` gives back what `save`, or the command line, wrote.
"""

import importlib

# Each task's module and class, by its name on the command line.
TASKS = {
    "classify": ("classify", "Classifier"), "tag": ("tag", "Tagger"), "frames": ("frames", "FrameTagger"), "forecast": ("forecast", "Forecaster"),
    "translate": ("translate", "Translator"), "transcribe": ("transcribe", "Transcriber"), "generate": ("generate", "Generator"),
    "caption": ("caption", "Captioner"),
}

__all__ = ["TASKS", "load", "task_class", *(name for _, name in TASKS.values())]


def task_class(name: str) -> type:
    """The class of a task, by its name on the command line."""
    module, found = TASKS[name]
    return getattr(importlib.import_module(f".{module}", __package__), found)


def __getattr__(name: str):
    if name == "load":
        from .task import load

        return load
    for task, (_, found) in TASKS.items():
        if name == found:
            return task_class(task)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
