"""Private: resource variables."""

from typing import Any

from ...errors import SizeError
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DType
from ..core.graph import control_dependencies, name_scope
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Operation, Tensor, TensorLike
from ..ops import arrays
from . import ops
from .initial_values import initialized_first
from .variable_type import Variable

__all__ = ["ResourceVariable", "is_resource_variable"]


class ResourceVariable(Variable):
    """A resource variable; see `Variable`.

    Attributes:
        handle: The tensor that stands for the variable.
    """

    def _create(self, scope: str, initial_value: Any, dtype: DType | None, fixed: bool) -> None:
        with name_scope("Initializer"):
            given = initial_value() if callable(initial_value) else initial_value
            value = convert_to_tensor(given, dtype, "initial_value")
        called = scope.removesuffix("/")
        shape = self._keep_initial_value(value, called, fixed)
        self._dtype, self._shape = value.dtype.base_dtype, shape
        self.handle = ops.handle_op(shape, self._dtype, scope, called)
        with name_scope("IsInitialized"):
            self._is_initialized = ops.is_initialized_op(self.handle)
        with name_scope("Assign") as name:
            self._initializer = ops.assign_resource(
                self.handle, initialized_first(value, self), name
            )
        with name_scope("Read"):
            self._element = self._read()
            self._cached = None if self.caching_device is None else arrays.identity(self._element)

    @property
    def op(self) -> Operation:
        return self.handle.op

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The dtype."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The static shape."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape."""
        self._shape = self._shape.merge_with(as_shape(shape))

    def _ref(self) -> Tensor:
        return self.handle

    def _as_graph_element(self) -> Tensor:
        return self._element

    def _read(self) -> Tensor:
        return ops.read_resource(self.handle, self._dtype)

    def value(self) -> Tensor:
        return self._read() if self._cached is None else self._cached

    def read_value(self) -> Tensor:
        with name_scope("Read"):
            value = self._read()
        return arrays.identity(value)

    def sparse_read(self, indices: TensorLike, name: str | None = None) -> Tensor:
        """Some rows of its value.

        Args:
            indices: The numbers of the rows.
            name: The name of the operation.
        """
        with name_scope("Gather" if name is None else name) as scope:
            rows = ops.gather_resource(self.handle, indices, self._dtype, scope)
        return arrays.identity(rows)

    def _changed(self, op: Operation, read_value: bool) -> Any:
        return _ChangedVariable(self, op) if read_value else op

    def assign(
        self,
        value: TensorLike,
        use_locking: bool | None = None,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        tensor = convert_to_tensor(value, self._dtype)
        if not self._shape.is_compatible_with(tensor.shape):
            raise SizeError(
                f"Assign of shape {tensor.shape} to {self.op.name}, which has shape "
                f"{self._shape}: give it that shape"
            )
        return self._changed(ops.assign_resource(self.handle, tensor, name), read_value)

    def assign_add(
        self,
        delta: TensorLike,
        use_locking: bool | None = None,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        tensor = convert_to_tensor(delta, self._dtype)
        op = ops.assign_resource(self.handle, tensor, name, "AssignAddVariableOp")
        return self._changed(op, read_value)

    def assign_sub(
        self,
        delta: TensorLike,
        use_locking: bool | None = None,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        tensor = convert_to_tensor(delta, self._dtype)
        op = ops.assign_resource(self.handle, tensor, name, "AssignSubVariableOp")
        return self._changed(op, read_value)

    def _scatter(
        self, kind: str, indices: TensorLike, updates: TensorLike, name: str | None = None
    ) -> Any:
        tensor = convert_to_tensor(updates, self._dtype)
        op = ops.scatter_op(f"Resource{kind}", self.handle, indices, tensor, name=name)
        return self._changed(op, True)


class _ChangedVariable(ResourceVariable):
    """A resource variable after an operation has changed it: whoever reads it runs the operation
    first.
    """

    def __init__(self, variable: ResourceVariable, change: Operation):
        self.handle, self._change = variable.handle, change
        self._dtype, self._shape = variable.dtype, variable.shape
        self._initializer, self._initial_value = variable.initializer, variable.initial_value
        self.trainable, self.constraint, self.caching_device = False, None, None
        self._cached = None
        self._element = self.read_value()

    @property
    def op(self) -> Operation:
        return self._change

    @property
    def name(self) -> str:
        return self._change.name

    def _read(self) -> Tensor:
        with control_dependencies([self._change]):
            return super()._read()

    def read_value(self) -> Tensor:
        with control_dependencies([self._change]):
            return super().read_value()


def is_resource_variable(variable: Any) -> bool:
    """Whether a value is a resource variable."""
    return isinstance(variable, ResourceVariable)
