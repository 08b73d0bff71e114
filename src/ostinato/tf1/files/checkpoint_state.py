"""Private: the file `checkpoint` of a directory, which names its latest checkpoints, and the files
of a checkpoint.
"""

import glob
import os
from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from ..app import logging
from .bundle import data_path, index_path, replacing
from .messages import CheckpointState
from .protobuf import Malformed
from .table import open_regular
from .text_format import from_text, to_text

__all__ = [
    "checkpoint_exists",
    "generate_checkpoint_state_proto",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "latest_checkpoint",
    "meta_graph_filename",
    "remove_checkpoint",
    "update_checkpoint_state",
]

# A state file is a few lines; a larger file is another one.
_LARGEST = 1 << 24


def _text(path: Any) -> str:
    return path.decode() if isinstance(path, bytes) else os.fspath(path)


def _state_path(directory: Any, latest_filename: str | None) -> str:
    return os.path.join(_text(directory), latest_filename or "checkpoint")


def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> CheckpointState:  # type: ignore[valid-type]
    """The content of a file `checkpoint`; see `update_checkpoint_state`."""
    paths = list(all_model_checkpoint_paths or [])
    times = list(all_model_checkpoint_timestamps or [])
    if not paths or paths[-1] != model_checkpoint_path:
        paths.append(model_checkpoint_path)
    if times and len(times) != len(paths):
        raise InputError(
            f"all_model_checkpoint_timestamps has {len(times)} times for {len(paths)} checkpoints: "
            "give one for each, or none"
        )

    def relative(path: str) -> str:
        # Next to the file, whatever the current directory is.
        if os.path.isabs(save_dir) or os.path.isabs(path):
            return path
        return os.path.relpath(path, save_dir or ".")

    return CheckpointState(
        model_checkpoint_path=relative(model_checkpoint_path),
        all_model_checkpoint_paths=[relative(p) for p in paths],
        all_model_checkpoint_timestamps=times,
        last_preserved_timestamp=last_preserved_timestamp,
    )


def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
    *,
    save_relative_paths: bool = False,
) -> None:
    """Write the file `checkpoint` of a directory.

    Args:
        save_dir: The directory.
        model_checkpoint_path: The latest checkpoint.
        all_model_checkpoint_paths: All checkpoints, the oldest first.
        latest_filename: The name of the file; None for "checkpoint".
        all_model_checkpoint_timestamps: When each was saved, in seconds since 1970.
        last_preserved_timestamp: When the last one that is kept for good was saved.
        save_relative_paths: Whether paths are relative to the directory.

    Raises:
        InputError: The file would overwrite the checkpoint.
        NotFoundError: The directory cannot be written to.
    """
    state_path = _state_path(save_dir, latest_filename)
    if save_relative_paths:
        inside = os.path.relpath if os.path.isabs(model_checkpoint_path) else None

        def relative(path: str) -> str:
            return inside(path, save_dir) if inside and os.path.isabs(path) else path

        model_checkpoint_path = relative(model_checkpoint_path)
        all_model_checkpoint_paths = [relative(p) for p in all_model_checkpoint_paths or []]
    state = generate_checkpoint_state_proto(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )
    if state_path == state.model_checkpoint_path:  # type: ignore[attr-defined]
        raise InputError(
            f"Save path {model_checkpoint_path!r} conflicts with path used for checkpoint state. "
            "Please use a different save path."
        )
    with replacing(state_path) as file:
        file.write(to_text(state).encode())  # type: ignore[arg-type]


def get_checkpoint_state(
    checkpoint_dir: Any, latest_filename: str | None = None
) -> CheckpointState | None:  # type: ignore[valid-type]
    """The content of the file `checkpoint` of a directory, its paths made usable from the current
    directory; None if there is none or it cannot be read.

    Args:
        checkpoint_dir: The directory.
        latest_filename: The name of the file; None for "checkpoint".

    Raises:
        InputError: The file names no checkpoint.
    """
    path = _state_path(checkpoint_dir, latest_filename)
    if not os.path.isfile(path):
        return None
    try:
        file, _ = open_regular(path)
        with file:
            content = file.read(_LARGEST).decode()
        state = from_text(CheckpointState, content)
    except (UnicodeDecodeError, Malformed) as error:
        logging.warning("%s: %s", path, error)
        logging.warning("%s: Checkpoint ignored", path)
        return None
    if not state.model_checkpoint_path:
        raise InputError(
            f"Invalid checkpoint state loaded from {checkpoint_dir}: {path} has no "
            "model_checkpoint_path; delete it and restore a checkpoint by its path"
        )
    directory = _text(checkpoint_dir)
    paths = [os.path.join(directory, p) for p in state.all_model_checkpoint_paths]
    state.model_checkpoint_path = os.path.join(directory, state.model_checkpoint_path)
    state.ClearField("all_model_checkpoint_paths")
    state.all_model_checkpoint_paths.extend(paths)
    return state


def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """The path of the latest checkpoint of a directory, or None.

    Args:
        checkpoint_dir: The directory.
        latest_filename: The name of the file that names it; None for "checkpoint".
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    path = state.model_checkpoint_path  # type: ignore[attr-defined]
    if checkpoint_exists(path):
        return path
    logging.error("Couldn't match files for checkpoint %s", path)
    return None


def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there is a checkpoint, of format V2 or V1.

    Args:
        checkpoint_prefix: Its path, as `Saver.save` returned it.
    """
    prefix = _text(checkpoint_prefix)
    return os.path.isfile(index_path(prefix)) or os.path.isfile(prefix)


def get_checkpoint_mtimes(checkpoint_prefixes: Sequence[str]) -> list[float]:
    """When each checkpoint was written, in seconds since 1970."""
    times = []
    for prefix in checkpoint_prefixes:
        for path in (index_path(prefix), prefix):
            if os.path.isfile(path):
                times.append(os.stat(path).st_mtime)
                break
    return times


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """The file of the graph of a checkpoint."""
    return f"{checkpoint_filename}.{meta_graph_suffix}"


def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = 2, meta_graph_suffix: str = "meta"
) -> None:
    """Delete the files of a checkpoint.

    Args:
        checkpoint_prefix: Its path, as `Saver.save` returned it.
        checkpoint_format_version: 2, or 1.
        meta_graph_suffix: The end of the name of its graph.
    """
    names = [meta_graph_filename(checkpoint_prefix, meta_graph_suffix)]
    if checkpoint_format_version == 2:
        pattern = data_path(glob.escape(checkpoint_prefix)).replace(
            "00000-of-00001", "?????-of-?????"
        )
        names += [index_path(checkpoint_prefix), *glob.glob(pattern)]
    else:
        names.append(checkpoint_prefix)
    for name in names:
        if os.path.isfile(name):
            os.unlink(name)
