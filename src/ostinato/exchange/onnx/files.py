"""Private: the ONNX files of a task, and the comparison of their results with the task's own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..results import ResultComparison
from .nodes import Constants, Nodes, Ports
from .session import session_of

__all__ = ["AnyTask", "Run", "OnnxTaskFile", "compare", "run_task", "text_metadata"]

# A trained `ostinato.tasks.Task`; its model is a module of torch, whose parts have no static types.
AnyTask: TypeAlias = Any
# Runs a file of a task, by its part: the outputs for some inputs.
Run = Callable[[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]]
# Largest error of a result, relative to the largest number; both sides round in float32.
TOLERANCE = 2e-5


@dataclass
class OnnxTaskFile:
    """One ONNX file of a task.

    Attributes:
        part: The name of the part; "" for a task of one file.
        metadata: What the user of the file needs in addition, as JSON values.
        out, ports: The nodes, and the inputs and outputs.
    """

    part: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    out: Nodes = field(default_factory=lambda: Nodes(Constants(np.dtype(np.float32))))
    ports: Ports = field(init=False)

    def __post_init__(self):
        self.ports = Ports(self.out)

    def content(self, task: AnyTask) -> bytes:
        """The content of the file."""
        metadata = {
            "task": task.name,
            **({"part": self.part} if self.part else {}),
            **self.metadata,
            "options": task.options.to_json(),
        }
        texts = {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in metadata.items()
        }
        return self.ports.model(f"ostinato_{task.name}", texts).SerializeToString()


def text_metadata(task: AnyTask) -> dict[str, Any]:
    """The vocabulary of a task: its kind, and the tokens in the order of their numbers.

    A vocabulary of byte pairs also has its merges, in order; a token is then a text of the letters
    by which byte-level tokenizers write bytes.
    """
    saved = task.vocabulary.to_json()
    found: dict[str, Any] = {"token_kind": saved["kind"]}
    if "tokens" in saved:
        return found | {"tokens": saved["tokens"]}
    model = saved["tokenizer"]["model"]
    found["tokens"] = sorted(model["vocab"], key=model["vocab"].get)
    if "merges" in model:
        found["merges"] = model["merges"]
    if getattr(task.vocabulary, "lowercase", False):
        found["lowercase"] = True
    return found


def run_task(contents: Mapping[str, bytes]) -> Run:
    """A function that runs the files of a task in ONNX Runtime."""
    sessions = {part: session_of(content) for part, content in contents.items()}

    def run(part: str, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [one.name for one in sessions[part].get_outputs()]
        return dict(zip(names, sessions[part].run(names, dict(feeds))))

    return run


def compare(name: str, found: np.ndarray, wanted: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Raise an error unless a result of a file is that of the task.

    Args:
        name: The name of the result.
        found: The result of the file.
        wanted: The result of the task.
        tolerance: Largest error, relative to the largest number; 0 for equal numbers.

    Raises:
        EngineError: The results differ.
    """
    ResultComparison("ONNX Runtime", tolerance).check(repr(name), found, wanted)
