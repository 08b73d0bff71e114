"""Private: initial values from a checkpoint (tf.train.init_from_checkpoint)."""

from collections.abc import Mapping
from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.graph import get_default_graph
from ..files.checkpoint_state import latest_checkpoint
from ..files.reader import load_checkpoint
from ..state import ops as state_ops
from ..state.collections import global_variables
from ..state.partitions import PartitionedVariable
from ..state.variables import ResourceVariable, Variable
from .save_ops import restore_tensors

__all__ = ["init_from_checkpoint"]


def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Mapping[str, Any]) -> None:
    """Let variables have the values of a checkpoint when they are initialized.

    Args:
        ckpt_dir_or_file: The path of the checkpoint, or a directory, whose latest one is read.
        assignment_map: For names in the checkpoint the variables, or their names; for scopes of the
            checkpoint, such as "old/", the scopes of the variables, such as "new/" ("/": none).

    Raises:
        InputError: A name is not in the checkpoint, or not that of a variable.
        SizeError: A variable has another shape in it.
    """
    reader = load_checkpoint(ckpt_dir_or_file)
    path = latest_checkpoint(ckpt_dir_or_file) or ckpt_dir_or_file
    shapes = reader.get_variable_to_shape_map()
    known = _by_name()
    for saved, given in sorted(assignment_map.items()):
        if saved.endswith("/"):
            for name, variable in _in_scope(saved, given, shapes, known):
                _initialize(path, name, variable, shapes)
            continue
        if saved not in shapes:
            raise InputError(
                f"Tensor {saved} is not found in {ckpt_dir_or_file} checkpoint {sorted(shapes)}: "
                "give a name of the checkpoint, or a scope with '/' at its end"
            )
        variable = given
        if isinstance(given, str):
            variable = known.get(given.removesuffix(":0"))
            if variable is None:
                raise InputError(
                    f"Variable {given} is not found in the graph: tf.global_variables() lists the "
                    "variables"
                )
        _initialize(path, saved, variable, shapes)


def _by_name() -> dict[str, Any]:
    """The variables of the graph, with the parts of partitioned ones in lists."""
    found: dict[str, Any] = {}
    for v in global_variables(None):
        info = v._get_save_slice_info()
        if info is None:
            found[v.op.name] = v
        else:
            found.setdefault(info.full_name, []).append(v)
    return found


def _in_scope(saved: str, scope: Any, shapes: Mapping, known: Mapping) -> list[tuple[str, Any]]:
    if not isinstance(scope, str) or not scope.endswith("/"):
        raise ArgumentTypeError(
            f"Assignment map with scope only name {saved!r} should map to scope only {scope!r}: "
            "write it with '/' at its end"
        )
    before, begin = saved.lstrip("/"), scope.lstrip("/")
    found = [
        (before + name.removeprefix(begin), v)
        for name, v in known.items()
        if name.startswith(begin)
    ]
    missing = [name for name, _ in found if name not in shapes]
    if missing or not found:
        raise InputError(
            f"the scope {scope!r} of the graph has {len(found)} variables, and the scope {saved!r} "
            f"of the checkpoint has not {', '.join(missing[:5]) or 'any of them'}: give the "
            "variables one by one"
        )
    return found


def _initialize(path: Any, saved: str, variable: Any, shapes: Mapping[str, list[int]]) -> None:
    parts = [variable] if isinstance(variable, Variable) else list(variable)
    whole = isinstance(variable, Variable)
    if not whole and not isinstance(variable, (list, tuple, PartitionedVariable)):
        raise ArgumentTypeError(f"{variable!r} is not a variable: give one, or its name")
    for part in parts:
        info = part._get_save_slice_info()
        shape = part.shape.as_list() if info is None else info.full_shape
        if shape != shapes[saved]:
            raise SizeError(
                f"Shape of variable {part.op.name} ({shape}) doesn't match with shape of tensor "
                f"{saved} ({shapes[saved]}) from checkpoint reader: build it with that shape"
            )
        spec = "" if info is None else info.spec
        with get_default_graph().control_dependencies(None):
            dtypes = [part.dtype.base_dtype]
            (value,) = restore_tensors(path, [saved], [spec], dtypes, "checkpoint_initializer")
            value.set_shape(part.shape)
            if isinstance(part, ResourceVariable):
                part._initializer = state_ops.assign_resource(part.handle, value)
            else:
                part._initializer = state_ops.assign_op(part._ref(), value).op
        part._initial_value = value
