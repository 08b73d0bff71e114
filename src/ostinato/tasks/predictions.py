"""Private: predictions as a table: a data frame, or a CSV, JSON lines, Parquet or CoNLL-U file.

Nothing here imports torch.
"""

import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.files import write_whole
from ..errors import InputError

if TYPE_CHECKING:
    import polars

    from .task import Task

# The file types that predictions are written as.
TYPES = (".csv", ".jsonl", ".parquet")
TAG_TYPE = ".conllu"


def row_of(answer: dict) -> dict[str, Any]:
    """A prediction as a row of a table: each probability is a column.

    Example:
        >>> row_of({"label": "+", "probabilities": {"+": 0.75, "-": 0.25}})
        {'label': '+', 'probability': 0.75, 'probability_+': 0.75, 'probability_-': 0.25}
    """
    row = {name: value for name, value in answer.items() if name != "probabilities"}
    probabilities = answer.get("probabilities")
    if not probabilities:
        return row
    each = {f"probability_{label}": probabilities[label] for label in sorted(probabilities)}
    # independent probabilities have no sum, so the largest says little
    best = {} if "labels" in answer else {"probability": max(probabilities.values())}
    return row | best | each


def frame_of(answers: Sequence[dict]) -> "polars.DataFrame":
    """Predictions as a data frame, a row for each."""
    import polars

    return polars.DataFrame([row_of(answer) for answer in answers], infer_schema_length=None)


def check_output(path: Path, task: str) -> None:
    """Raise an error unless predictions of a task can be written to a file of this type.

    Args:
        path: The file.
        task: The command-line name of the task.
    """
    types = (*TYPES, TAG_TYPE) if task == "tag" else TYPES
    if path.suffix not in types:
        raise InputError(
            f"--out {path}: unsupported file type {path.suffix!r}; write a file that ends in "
            f"{', '.join(types)}"
        )
    if not path.parent.is_dir():
        raise InputError(
            f"--out {path}: the directory {str(path.parent)!r} does not exist; create it first"
        )


def write_predictions(path: Path, answers: Sequence[dict], task: "Task") -> None:
    """Write predictions to a file, whole or not at all; the type is that of its name.

    Args:
        path: The file, as `check_output` requires it.
        answers: The result of `predict_dicts`, with inputs.
        task: The task that predicted.

    Raises:
        InputError: The file cannot be written.
    """
    if path.suffix == TAG_TYPE:
        content = "".join(task.conllu(answers)).encode()
    elif path.suffix == ".jsonl":
        content = json_lines(answers).encode()
    else:
        frame, stored = frame_of(answers), io.BytesIO()
        if path.suffix == ".csv":
            _as_text(frame, task.list_separator).write_csv(stored)
        else:
            frame.write_parquet(stored)
        content = stored.getvalue()
    write_whole(path, content)


def json_lines(answers: Iterable[dict]) -> str:
    """A JSON object per line."""
    return "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)


def _as_text(frame: "polars.DataFrame", separator: str) -> "polars.DataFrame":
    """A frame whose lists are text: items with a separator between them, and JSON for nested
    lists.
    """
    import polars

    def text(values: list | None) -> str | None:
        if values is None:
            return None
        nested = any(isinstance(value, (list, dict)) for value in values)
        return (
            json.dumps(values, ensure_ascii=False) if nested else separator.join(map(str, values))
        )

    return frame.with_columns(
        polars.Series(name, [text(values) for values in frame[name].to_list()], polars.String)
        for name, dtype in frame.schema.items()
        if dtype == polars.List
    )
