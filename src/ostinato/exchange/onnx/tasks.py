"""Private: trained tasks as ONNX files, compared with the task before they are written."""

import importlib
from pathlib import Path
from typing import Any

from ...data.files import write_files
from ...errors import InputError
from .files import AnyTask, run_task

__all__ = ["write_task"]

# The module that writes each task: it has the functions `files` and `check`.
MODULES = {
    "classify": "classify",
    "tag": "tags",
    "frames": "tags",
    "forecast": "forecast",
    "generate": "sentences",
    "translate": "sentences",
    "transcribe": "sentences",
    "caption": "sentences",
}
# Tasks whose answer is a mean of the network and other models.
COMBINED = ("classify", "forecast")


def write_task(task: AnyTask, path: Path, *, network_only: bool) -> list[Path]:
    """Write the files of a task, and return their paths; see `onnx.write`."""
    task._require_model()
    if network_only and task.name not in COMBINED:
        raise InputError(
            f"network_only is for models that combine the network with other models, "
            f"{' and '.join(COMBINED)}; leave it out for `{task.name}`"
        )
    module: Any = importlib.import_module(f".{MODULES[task.name]}", __package__)
    device, training = next(task.model.parameters()).device, task.model.training
    try:
        task.model.cpu().eval()
        files = module.files(task, network_only=network_only)
        contents = {file.part: file.content(task) for file in files}
        module.check(task, run_task(contents), network_only=network_only)
    finally:
        task.model.to(device).train(training)
    # an encoder without its decoder cannot be used
    placed = {path_of(Path(path), part): content for part, content in contents.items()}
    write_files(placed)
    return [*placed]


def path_of(path: Path, part: str) -> Path:
    """The file of a part: NAME.onnx for a task of one file, else NAME.PART.onnx."""
    if not part:
        return path
    if not path.name or path.name == "..":
        raise InputError(f"{str(path)!r} is not the name of a file; give one such as model.onnx")
    return path.with_name(f"{path.name.removesuffix('.onnx')}.{part}.onnx")
