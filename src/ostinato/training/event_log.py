"""Private: the history of a run as event files for TensorBoard, which the extra `tensorboard`
installs.
"""

import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..errors import missing_extra
from .metric_names import part_and_name

# The names of event files begin so.
EVENT_FILES = "events.out.tfevents."


def check_tensorboard() -> None:
    """Check that TensorBoard is installed, without importing it.

    Raises:
        MissingExtra: It is not.
    """
    if find_spec("tensorboard") is None:
        error = ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
        raise missing_extra(error) or error


class EventLog:
    """Writes the lines of a history as scalars, each under `training/` or `validation/`.

    The event files of an interrupted run are replaced by one that begins with the whole history, so
    that no line is missing and none is there twice.

    Args:
        directory: The directory of the event files.
        history: The lines so far.
    """

    def __init__(self, directory: Path, history: Sequence[Mapping[str, float | None]]):
        check_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        for old in directory.glob(f"{EVENT_FILES}*"):
            old.unlink()
        seconds = (history[-1]["seconds"] or 0.0) if history else 0.0
        self.start = time.time() - seconds
        self.writer = SummaryWriter(str(directory))
        for line in history:
            self.add(line)

    def add(self, line: Mapping[str, float | None]) -> None:
        """Write a line of the history."""
        for name, value in line.items():
            if name in ("step", "seconds") or value is None:
                continue
            tag = "/".join(part_and_name(name))
            when = self.start + (line["seconds"] or 0.0)
            self.writer.add_scalar(tag, value, line["step"], when)
        self.writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self.writer.close()
