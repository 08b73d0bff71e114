"""Private: reference variables, which TensorFlow 1 creates by default."""

from typing import Any

from ..core.conversion import convert_to_tensor
from ..core.dtypes import DType
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor, TensorLike
from ..ops import arrays
from . import ops
from .initial_values import initialized_first
from .variable_type import Variable

__all__ = ["RefVariable"]


class RefVariable(Variable):
    """A reference variable: who has read it sees a later change too; see `Variable`."""

    def _create(self, scope: str, initial_value: Any, dtype: DType | None, fixed: bool) -> None:
        if callable(initial_value):
            with name_scope("Initializer"):
                value = convert_to_tensor(initial_value(), dtype, "initial_value")
        else:
            value = convert_to_tensor(initial_value, dtype, "initial_value")
        shape = self._keep_initial_value(value, scope, fixed)
        self._variable = ops.variable_op(shape, value.dtype.base_dtype, scope)
        self._initializer = ops.assign_op(
            self._variable, initialized_first(value, self), validate_shape=fixed
        ).op
        self._snapshot = arrays.identity(self._variable, name="read")

    @property
    def op(self) -> Operation:
        return self._variable.op

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The dtype, such as tf.float32_ref; `dtype.base_dtype` is that of its value."""
        return self._variable.dtype

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The static shape."""
        return self._variable.shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape."""
        self._variable.set_shape(shape)
        self._snapshot.set_shape(shape)

    def _ref(self) -> Tensor:
        return self._variable

    _as_graph_element = _ref

    def value(self) -> Tensor:
        return self._snapshot

    def read_value(self) -> Tensor:
        return arrays.identity(self._variable, name="read")

    def assign(
        self,
        value: TensorLike,
        use_locking: bool | None = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        result = ops.assign_op(self._variable, value, None, use_locking, name)
        return result if read_value else result.op

    def assign_add(
        self,
        delta: TensorLike,
        use_locking: bool | None = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        result = ops.update_op("AssignAdd", self._variable, delta, use_locking, name)
        return result if read_value else result.op

    def assign_sub(
        self,
        delta: TensorLike,
        use_locking: bool | None = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        result = ops.update_op("AssignSub", self._variable, delta, use_locking, name)
        return result if read_value else result.op

    def count_up_to(self, limit: int) -> Tensor:
        """The value, to which 1 is added when it is computed; OutOfRangeError at the limit."""
        return ops.count_up_to_op(self._variable, limit)

    def _scatter(
        self, kind: str, indices: TensorLike, updates: TensorLike, name: str | None = None
    ) -> Tensor:
        return ops.scatter_op(kind, self._variable, indices, updates, False, name).outputs[0]
