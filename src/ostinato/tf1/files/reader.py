"""Private: reading checkpoints without a graph (tf.train.NewCheckpointReader and others)."""

import os
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.dtypes import DType
from ..core.errors import NotFoundError
from .bundle import Bundle, index_path
from .bundle_v1 import BundleV1
from .checkpoint_state import latest_checkpoint
from .protobuf import ENUMS

__all__ = [
    "CheckpointReader",
    "NewCheckpointReader",
    "contrib_list_variables",
    "contrib_load_checkpoint",
    "contrib_load_variable",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "open_checkpoint",
]


def open_checkpoint(prefix: Any) -> Bundle | BundleV1:
    """The checkpoint of a path, of format V2 or V1.

    Raises:
        NotFoundError: There is none.
        DataLossError: It is damaged.
    """
    path = prefix.decode() if isinstance(prefix, bytes) else os.fspath(prefix)
    if os.path.lexists(index_path(path)):
        return Bundle(path)
    if os.path.isfile(path):
        return BundleV1(path)
    raise NotFoundError(
        f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
        f"{path}: give the path that Saver.save returned, such as 'model.ckpt-10'; tf.train."
        "latest_checkpoint(directory) finds it"
    )


class CheckpointReader:
    """Reads a checkpoint.

    Args:
        filepattern: Its path, as `Saver.save` returned it.
    """

    def __init__(self, filepattern: Any):
        self._checkpoint = open_checkpoint(filepattern)

    def has_tensor(self, tensor_str: str) -> bool:
        """Whether the checkpoint holds a tensor."""
        return _name(tensor_str) in self._checkpoint

    def get_tensor(self, tensor_str: str) -> Any:
        """The value of a tensor.

        Raises:
            NotFoundError: The checkpoint does not hold it.
            DataLossError: Its bytes are damaged.
        """
        return np.array(self._checkpoint.get(_name(tensor_str)))[()]

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """The shape of each tensor."""
        return {name: list(saved.shape) for name, saved in self._checkpoint.saved.items()}

    def get_variable_to_dtype_map(self) -> dict[str, DType | None]:
        """The dtype of each tensor; None for one that is not supported."""
        return {name: saved.dtype for name, saved in self._checkpoint.saved.items()}

    def debug_string(self) -> bytes:
        """A line for each tensor, with its dtype and shape."""
        return "".join(
            f"{name} ({ENUMS['DataType'].get(saved.number, saved.number)}) "
            f"[{','.join(map(str, saved.shape))}]\n"
            for name, saved in sorted(self._checkpoint.saved.items())
        ).encode()


def _name(given: str | bytes) -> str:
    return given.decode() if isinstance(given, bytes) else given


def NewCheckpointReader(filepattern: Any) -> CheckpointReader:  # noqa: N802
    """A CheckpointReader."""
    return CheckpointReader(filepattern)


def load_checkpoint(ckpt_dir_or_file: Any) -> CheckpointReader:
    """A reader of a checkpoint.

    Args:
        ckpt_dir_or_file: Its path, or a directory, whose latest checkpoint is read.

    Raises:
        InputError: The directory has no checkpoint.
    """
    path = ckpt_dir_or_file
    if os.path.isdir(path):
        path = latest_checkpoint(path)
        if path is None:
            raise InputError(
                f"Couldn't find 'checkpoint' file or checkpoints in given directory "
                f"{ckpt_dir_or_file}: give the path of a checkpoint"
            )
    return CheckpointReader(path)


def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """The name and shape of each variable of a checkpoint, by name."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file: Any, name: str) -> Any:
    """The value of a variable of a checkpoint."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


# tf.contrib.framework has the same functions with arguments of other names.


def contrib_load_checkpoint(filepattern: Any) -> CheckpointReader:
    """See `load_checkpoint`."""
    return load_checkpoint(filepattern)


def contrib_list_variables(checkpoint_dir: Any) -> list[tuple[str, list[int]]]:
    """See `list_variables`."""
    return list_variables(checkpoint_dir)


def contrib_load_variable(checkpoint_dir: Any, name: str) -> Any:
    """See `load_variable`."""
    return load_variable(checkpoint_dir, name)
