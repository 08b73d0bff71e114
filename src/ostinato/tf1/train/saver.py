"""Private: saving variables to checkpoints and restoring them (tf.train.Saver)."""

import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, InputError
from ..app import logging
from ..core.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from ..core.graph import name_scope
from ..core.session import Session
from ..files.checkpoint_state import (
    checkpoint_exists,
    get_checkpoint_mtimes,
    get_checkpoint_state,
    latest_checkpoint,
    meta_graph_filename,
    remove_checkpoint,
    update_checkpoint_state,
)
from ..files.messages import SaverDef
from ..flow.flow_ops import group, with_dependencies
from ..ops import arrays
from .save_ops import restore_tensors, save_slices, save_tensors
from .saved_items import SavedItem, saveable_variables, saved_items

__all__ = [
    "Saver",
    "checkpoint_exists",
    "get_checkpoint_state",
    "latest_checkpoint",
]


class Saver:
    """Saves variables to checkpoints and restores them. Its operations are created with it.

    Attributes:
        saver_def: The names of its operations, as a SaverDef.

    Args:
        var_list: Variables, or a dict from names in the checkpoint to variables; None for all.
        reshape, sharded: Must be False.
        max_to_keep: The number of checkpoints to keep; 0 or None for all.
        keep_checkpoint_every_n_hours: Every how many hours a checkpoint is kept for good.
        name: The name scope of its operations; None for `save`.
        restore_sequentially: Accepted for compatibility; ignored.
        saver_def: The operations of another Saver, of an imported graph.
        builder: Accepted for compatibility; ignored.
        defer_build: Whether to create the operations only in `build()`.
        allow_empty: Whether there may be no variables.
        write_version: The format of checkpoints: tf.train.SaverDef.V2 or V1.
        pad_step_number: Whether names of checkpoints have the step with eight digits.
        save_relative_paths: Whether the file `checkpoint` has relative paths.
        filename: The default path.

    Raises:
        InputError: The graph has no variables, or two have one name.

    Example:
        >>> import tempfile
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> v = tf.Variable([1.0, 2.0], name="v")
        >>> saver = tf.train.Saver()
        >>> with tempfile.TemporaryDirectory() as directory, tf.Session() as sess:
        ...     sess.run(v.initializer)
        ...     path = saver.save(sess, directory + "/model.ckpt", global_step=10)
        ...     tf.train.list_variables(path)
        [('v', [2])]
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = SaverDef.V2,  # type: ignore[attr-defined]
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ):
        if defer_build and var_list:
            raise InputError(
                "If `var_list` is provided then build cannot be deferred. Either set "
                "defer_build=False or var_list=None."
            )
        if reshape or sharded:
            raise InputError(
                f"tf.train.Saver was given {'reshape' if reshape else 'sharded'}=True, which is "
                "not provided: leave it out (checkpoints in several files are read without it)"
            )
        if write_version not in (1, 2):
            raise InputError(f"write_version={write_version!r}: give tf.train.SaverDef.V2 or V1")
        self._var_list, self._name, self._filename = var_list, name, filename
        self._max_to_keep, self._hours = max_to_keep or 0, keep_checkpoint_every_n_hours
        self._allow_empty, self._write_version = allow_empty, write_version
        self._pad_step_number, self._relative = pad_step_number, save_relative_paths
        self.saver_def = saver_def
        self._is_built = self._is_empty = False
        self._last: list[tuple[str, float]] = []
        self._to_delete: list[tuple[str, float]] = []
        if not defer_build:
            self.build()

    # Its operations

    def build(self) -> None:
        """Create the operations."""
        if self._is_built:
            return
        self._is_built = True
        if self.saver_def is None:
            variables = saveable_variables() if self._var_list is None else self._var_list
            if not variables:
                if not self._allow_empty:
                    raise InputError(
                        "No variables to save: create the variables before tf.train.Saver()"
                    )
                self._is_empty = True
                return
            self._var_list = variables
            self.saver_def = self._build(saved_items(variables))
        elif self._name:
            # The operations of an imported graph are in a scope.
            for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
                setattr(self.saver_def, field, f"{self._name}/{getattr(self.saver_def, field)}")
        self._write_version = self.saver_def.version or self._write_version
        self._next_kept = time.time() + self.saver_def.keep_checkpoint_every_n_hours * 3600

    def _build(self, items: Sequence[SavedItem]) -> Any:
        with name_scope(self._name, "save"):
            filename = arrays.placeholder_with_default(
                self._filename or "model", shape=(), name="filename"
            )
            filename = arrays.placeholder_with_default(filename, shape=(), name="Const")
            names, specs = [i.name for i in items], [i.spec for i in items]
            tensors = [i.tensor() for i in items]
            save = save_tensors if self._write_version == 2 else save_slices
            saved = with_dependencies([save(filename, names, specs, tensors)], filename)
            dtypes = [t.dtype for t in tensors]
            values = restore_tensors(filename, names, specs, dtypes)
            assigned = [item.restore(value) for item, value in zip(items, values)]
            restore = group(*assigned, name="restore_all")
        return SaverDef(
            filename_tensor_name=filename.name,
            save_tensor_name=saved.name,
            restore_op_name=restore.name,
            max_to_keep=self._max_to_keep,
            keep_checkpoint_every_n_hours=self._hours,
            version=self._write_version,
        )

    def as_saver_def(self) -> Any:
        """The names of its operations, as a SaverDef."""
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The names of its operations, as a SaverDef; None outside of `export_scope`."""
        if export_scope is None:
            return self.saver_def
        scope = f"{export_scope}/"
        if not self.saver_def.filename_tensor_name.startswith(scope):
            return None
        found = SaverDef.FromString(self.saver_def.SerializeToString())
        for field in ("filename_tensor_name", "save_tensor_name", "restore_op_name"):
            setattr(found, field, getattr(found, field).removeprefix(scope))
        return found

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> "Saver":
        """A Saver of the operations that a SaverDef names."""
        return Saver(saver_def=saver_def, name=import_scope)

    # The checkpoints that it saved

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that it keeps, the oldest first."""
        return [path for path, _ in self._last]

    def set_last_checkpoints(self, last_checkpoints: Sequence[str]) -> None:
        """Set the checkpoints that it keeps, the oldest first."""
        self._last = [(path, np.inf) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Any) -> None:
        """Set the checkpoints that it keeps, each with its time, the oldest first."""
        self._last = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Sequence[str]) -> None:
        """Keep existing checkpoints, the oldest first."""
        found = [p for p in checkpoint_paths if checkpoint_exists(p)]
        self._last = list(zip(found, get_checkpoint_mtimes(found)))

    def _record(self, path: str) -> None:
        limit = self.saver_def.max_to_keep
        if not limit:
            return
        self._last = [entry for entry in self._last if entry[0] != path]
        self._last.append((path, time.time()))
        if len(self._last) > limit:
            self._to_delete.append(self._last.pop(0))

    def _delete_old(self, suffix: str) -> None:
        if not self._to_delete:
            return
        path, saved = self._to_delete.pop(0)
        if saved > self._next_kept:
            self._next_kept += self.saver_def.keep_checkpoint_every_n_hours * 3600
            return
        try:
            remove_checkpoint(path, self._write_version, suffix)
        except OSError as error:
            logging.warning("Ignoring: %s", error)

    # Saving and restoring

    def save(
        self,
        sess: Any,
        save_path: str,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
    ) -> str | None:
        """Save the variables.

        Args:
            sess: The session.
            save_path: The path of the checkpoint.
            global_step: A number, or the tensor of one, which is added to the path.
            latest_filename: The file that lists the checkpoints; None for "checkpoint".
            meta_graph_suffix: The end of the name of the file with the graph.
            write_meta_graph: Whether to write the graph too.
            write_state: Whether to write the file that lists the checkpoints.
            strip_default_attrs: Accepted for compatibility; ignored.

        Returns:
            The path of the checkpoint, for `restore`.

        Raises:
            InputError: The path cannot be used, or its directory does not exist.
            FailedPreconditionError: A variable has no value.
        """
        if not self._is_built:
            raise InputError("`build()` should be called before save if defer_build==True")
        latest_filename = latest_filename or "checkpoint"
        if os.path.split(latest_filename)[0]:
            raise InputError(
                f"'latest_filename' must not contain path components: {latest_filename!r}; it is "
                "in the directory of save_path"
            )
        if not isinstance(sess, Session):
            raise ArgumentTypeError(f"'sess' must be a Session; {sess!r}: give tf.Session()")
        save_path = os.fspath(save_path)
        path = save_path
        if global_step is not None:
            if not isinstance(global_step, (int, np.integer)):
                global_step = int(sess.run(global_step))
            path += f"-{global_step:08d}" if self._pad_step_number else f"-{global_step}"
        elif os.path.basename(save_path) == latest_filename:
            raise InputError(
                f"'latest_filename' collides with 'save_path': {latest_filename!r} and "
                f"{save_path!r}: give another save_path"
            )
        if not self._is_empty:
            self._write(sess, path, save_path)
            if write_state:
                self._record(path)
                update_checkpoint_state(
                    os.path.dirname(save_path),
                    path,
                    self.last_checkpoints,
                    latest_filename,
                    save_relative_paths=self._relative,
                )
                self._delete_old(meta_graph_suffix)
        if write_meta_graph:
            with sess.graph.as_default():
                self.export_meta_graph(meta_graph_filename(path, meta_graph_suffix))
        return None if self._is_empty else path

    def _write(self, sess: Any, path: str, save_path: str) -> None:
        names = self.saver_def
        try:
            sess.run(names.save_tensor_name, {names.filename_tensor_name: path})
        except (FailedPreconditionError, NotFoundError):
            directory = os.path.dirname(save_path)
            if directory and not os.path.isdir(directory):
                raise InputError(
                    f"Parent directory of {save_path} doesn't exist, can't save: create it, "
                    f"os.makedirs({directory!r})"
                ) from None
            raise

    def restore(self, sess: Any, save_path: str | None) -> None:
        """Give the variables the values of a checkpoint.

        Args:
            sess: The session.
            save_path: The path, as `save` returned it.

        Raises:
            InputError: The checkpoint does not exist.
            NotFoundError: It does not hold one of the variables.
            InvalidArgumentError: A variable has another shape or dtype in it.
            DataLossError: It is damaged.
        """
        if self._is_empty:
            return
        if save_path is None:
            raise InputError(
                "Can't load save_path when it is None: tf.train.latest_checkpoint found no "
                "checkpoint in its directory; give the path that save() returned"
            )
        save_path = save_path.decode() if isinstance(save_path, bytes) else os.fspath(save_path)
        if not checkpoint_exists(save_path):
            raise InputError(
                f"The passed save_path is not a valid checkpoint: {save_path}; give the path that "
                "save() returned, such as 'model.ckpt-10', without '.index' or '.meta'"
            )
        logging.info("Restoring parameters from %s", save_path)
        names = self.saver_def
        try:
            sess.run(names.restore_op_name, {names.filename_tensor_name: save_path})
        except NotFoundError as error:
            reason = "a Variable name or other graph key that is missing"
            raise NotFoundError(None, error.op, _failed(reason, error)) from error
        except InvalidArgumentError as error:
            reason = "a mismatch between the current graph and the graph"
            raise InvalidArgumentError(None, error.op, _failed(reason, error)) from error

    def export_meta_graph(
        self,
        filename: str | None = None,
        collection_list: Iterable[str] | None = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
    ) -> Any:
        """The default graph as a MetaGraphDef, which is written to a file if one is given."""
        from ..files.meta_graph import export_meta_graph  # it needs this module

        return export_meta_graph(
            filename,
            saver_def=self.saver_def,
            collection_list=collection_list,
            as_text=as_text,
            export_scope=export_scope,
            clear_devices=clear_devices,
        )


def _failed(reason: str, error: Exception) -> str:
    return (
        f"Restoring from checkpoint failed. This is most likely due to {reason} from the "
        "checkpoint. Please ensure that you have not altered the graph expected based on the "
        f"checkpoint. Original error:\n\n{error}"
    )
