"""Private: the variables and parts of variables that a `Saver` saves, with their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core.graph import get_default_graph
from ..core.graph_keys import GraphKeys
from ..core.tensors import Operation, Tensor
from ..ops import arrays
from ..state import ops as state_ops
from ..state.partitions import PartitionedVariable
from ..state.variables import ResourceVariable, Variable

__all__ = ["SavedItem", "saveable_variables", "saved_items"]

_REFERENCES = ("Variable", "VariableV2")


@dataclass(frozen=True, slots=True)
class SavedItem:
    """A variable, or a part of one, in a checkpoint.

    Attributes:
        name: The name in the checkpoint.
        spec: The slice, for a part of a partitioned variable, or "".
        variable: A reference, the value of a resource variable, or a resource variable.
    """

    name: str
    spec: str
    variable: Any

    def tensor(self) -> Tensor:
        """The tensor to save."""
        if isinstance(self.variable, ResourceVariable):
            return arrays.identity(self.variable.read_value())
        return self.variable

    @property
    def op(self) -> Operation:
        """The operation of the variable."""
        op = self.variable.op
        return op if op.type in (*_REFERENCES, "VarHandleOp") else op.inputs[0].op

    def restore(self, value: Tensor) -> Any:
        """The operation that gives the variable a value."""
        if self.op.type in _REFERENCES:
            fixed = self.variable.shape.is_fully_defined()
            return state_ops.assign_op(self.variable, value, validate_shape=fixed).op
        value = arrays.identity(value)
        self.variable.shape.assert_is_compatible_with(value.shape)
        return state_ops.assign_resource(self.op.outputs[0], value)


def saveable_variables(scope: str | None = None) -> list:
    """The variables that a Saver saves by default."""
    graph = get_default_graph()
    keys = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.SAVEABLE_OBJECTS)
    return [v for key in keys for v in graph.get_collection(key, scope)]


def _element(given: Any) -> Tensor:
    """The reference of a variable, or the value of a resource variable."""
    tensor = getattr(given, "_as_graph_element", lambda: given)()
    if isinstance(tensor, Tensor) and tensor.op.type in (*_REFERENCES, "ReadVariableOp"):
        return tensor
    raise ArgumentTypeError(
        f"Variable to save is not a Variable: {given!r}; give tf.train.Saver a list of variables, "
        "or a dict from names to variables"
    )


def _by_name(given: Any) -> dict[str, Any]:
    """Variables by their names in the checkpoint; a list of parts for a partitioned variable."""
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, (list, tuple, set)):
        raise ArgumentTypeError(
            f"Variables to save should be passed in a dict or a list: {given!r}; write "
            "tf.train.Saver([v]), or tf.train.Saver({'name': v})"
        )
    found: dict[str, Any] = {}
    for v in sorted(given, key=lambda v: v.name):
        info = getattr(v, "_save_slice_info", None)
        value: Any = v
        if isinstance(v, PartitionedVariable):
            name = v.name
        elif info is not None:
            parts = found.setdefault(info.full_name, [])
            if not isinstance(parts, list):
                raise InputError(
                    f"Mixing slices and non-slices with the same name: {info.full_name}; save them "
                    "under different names, with a dict"
                )
            parts.append(v)
            continue
        else:
            value = _element(v)
            op = value.op if value.op.type in _REFERENCES else value.op.inputs[0].op
            name = op.name
        if name in found:
            raise InputError(
                f"At least two variables have the same name: {name}; give tf.train.Saver each "
                "variable once"
            )
        found[name] = value
    return found


def saved_items(given: Any) -> list[SavedItem]:
    """The variables and parts to save, sorted by name."""
    items: list[SavedItem] = []
    for name, value in sorted(_by_name(given).items()):
        if not isinstance(value, (list, tuple, PartitionedVariable)):
            items.append(SavedItem(name, "", _element(value)))
            continue
        for part in value:
            info = getattr(part, "_save_slice_info", None)
            if not isinstance(part, Variable) or info is None:
                raise InputError(
                    f"Slices must all be parts of a partitioned variable: {part!r} is not; give "
                    "the variables by name, in a dict"
                )
            if info.full_name != list(value)[0]._save_slice_info.full_name:
                raise InputError(f"Slices must all be from the same variable: {info.full_name}")
            resource = isinstance(part, ResourceVariable)
            items.append(SavedItem(name, info.spec, part if resource else _element(part)))
    seen: set[tuple[Operation, str]] = set()
    for item in items:
        if (item.op, item.spec) in seen:
            raise InputError(
                f"The same saveable will be restored with two names: {item.name}; give it one name"
            )
        seen.add((item.op, item.spec))
    return items
