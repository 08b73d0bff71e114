"""Private: slots: variables that an optimizer or an average keeps for each variable."""

from typing import Any

from ..core.tensors import Tensor
from ..initializers import Zeros
from ..ops import arrays
from ..state.scopes import get_variable, get_variable_scope, variable_scope
from ..state.variables import RefVariable, ResourceVariable, SaveSliceInfo, Variable

__all__ = ["create_slot", "create_slot_with_initializer", "create_zeros_slot"]


def _create(primary: Any, name: str, value: Any, shape: Any, dtype: Any, fixed: bool) -> Variable:
    kinds = {ResourceVariable: True, RefVariable: False}
    resource = next((r for kind, r in kinds.items() if isinstance(primary, kind)), None)
    with variable_scope(None, f"{primary.op.name}/{name}"):
        scope = get_variable_scope()
        partitioner, scope.partitioner = scope.partitioner, None
        slot = get_variable(
            "",
            initializer=value,
            trainable=False,
            use_resource=resource,
            shape=shape if callable(value) else None,
            dtype=dtype,
            validate_shape=fixed,
        )
        scope.partitioner = partitioner
    info = getattr(primary, "_save_slice_info", None)
    if info is not None:
        # The slot of a part is the same part of the slot of the whole variable.
        last = slot.op.name.removeprefix(f"{primary.op.name}/")
        slot._set_save_slice_info(
            SaveSliceInfo(
                f"{info.full_name}/{last}", info.full_shape, info.var_offset, info.var_shape
            )
        )
    return slot


def create_slot(primary: Any, val: Tensor, name: str) -> Variable:
    """A slot that starts with a tensor's value.

    Args:
        primary: The variable.
        val: The initial value.
        name: The name of the slot below the variable's.
    """
    return _create(primary, name, val, None, None, val.shape.is_fully_defined())


def create_slot_with_initializer(
    primary: Any, initializer: Any, shape: Any, dtype: Any, name: str
) -> Variable:
    """A slot of a shape and a dtype with an initializer; see `create_slot`."""
    return _create(primary, name, initializer, shape, dtype, shape.is_fully_defined())


def create_zeros_slot(primary: Any, name: str, dtype: Any = None) -> Variable:
    """A slot of zeros of the variable's shape; see `create_slot`."""
    kind = (primary.dtype if dtype is None else dtype).base_dtype
    shape = primary.get_shape()
    if shape.is_fully_defined():
        return create_slot_with_initializer(primary, Zeros(kind), shape, kind, name)
    value = primary.initialized_value() if isinstance(primary, Variable) else primary
    return create_slot(primary, arrays.zeros(arrays.shape(value), dtype=kind), name)
