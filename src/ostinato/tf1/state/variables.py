"""Private: variables: tf.Variable."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.dtypes import DType, DTypeLike, as_dtype
from ..core.graph import (
    Graph,
    GraphKeys,
    IndexedSlices,
    Operand,
    Operation,
    Tensor,
    TensorLike,
    control_dependencies,
    convert_to_tensor,
    get_default_graph,
    init_scope,
    name_scope,
    register_conversion,
    session_for,
)
from ..core.shape import TensorShape, as_shape, unknown_shape
from ..ops import arrays
from . import ops
from .initial_values import initialized_first

__all__ = [
    "RefVariable",
    "ResourceVariable",
    "SaveSliceInfo",
    "Variable",
    "VariableAggregation",
    "VariableSynchronization",
    "assign",
    "assign_add",
    "assign_sub",
    "disable_resource_variables",
    "enable_resource_variables",
    "is_resource_variable",
    "scatter_add",
    "scatter_sub",
    "scatter_update",
]


class VariableSynchronization:
    """Accepted for compatibility: there is one device."""

    AUTO, NONE, ON_WRITE, ON_READ = range(4)


class VariableAggregation:
    """Accepted for compatibility: there is one device."""

    NONE, SUM, MEAN, ONLY_FIRST_REPLICA, ONLY_FIRST_TOWER = 0, 1, 2, 3, 3


class SaveSliceInfo:
    """The place of a variable in the partitioned variable that it is a part of.

    Attributes:
        full_name: The name of the whole variable.
        full_shape: Its shape.
        var_offset: The first index of the part in each dimension.
        var_shape: The shape of the part.
    """

    def __init__(
        self,
        full_name: str,
        full_shape: Sequence[int],
        var_offset: Sequence[int],
        var_shape: Sequence[int],
    ):
        self.full_name, self.full_shape = full_name, list(full_shape)
        self.var_offset, self.var_shape = list(var_offset), list(var_shape)

    @property
    def spec(self) -> str:
        """The place as checkpoints name it, such as "7 4 0,3:0,4"."""
        places = ":".join(f"{o},{n}" for o, n in zip(self.var_offset, self.var_shape))
        return f"{' '.join(map(str, self.full_shape))} {places}"


_resource_by_default = [False]


def enable_resource_variables() -> None:
    """Create resource variables where no scope says otherwise."""
    _resource_by_default[0] = True


def disable_resource_variables() -> None:
    """Create reference variables where no scope says otherwise, which is the default."""
    _resource_by_default[0] = False


def _uses_resource(wanted: bool | None) -> bool:
    if wanted is None:
        from .scopes import get_variable_scope  # scopes create variables

        wanted = get_variable_scope().use_resource
    return _resource_by_default[0] if wanted is None else bool(wanted)


class Variable(Operand):
    """A variable, whose value a session keeps.

    Attributes:
        initializer: The operation that gives it its initial value.
        initial_value: The initial value.
        trainable: Whether `tf.trainable_variables()` lists it.
        constraint: The function that an optimizer applies to it after each step, or None.

    Args:
        initial_value: A number, an array or a tensor, or a function without arguments that returns
            one; a variable in a loop or branch needs a function.
        trainable: Whether `tf.trainable_variables()` lists it.
        collections: The collections that list it; None for the global variables.
        validate_shape: Whether the shape is fixed.
        caching_device, variable_def, import_scope: Accepted for compatibility; ignored.
        name: The name; None for `Variable`.
        dtype: The dtype; None for the initial value's.
        expected_shape: Accepted for compatibility; ignored.
        constraint: A function of the value that returns the value to use instead.
        use_resource: Whether it is a resource variable, whose readers never see a later change;
            None for the default of the variable scope.
        synchronization, aggregation: Accepted for compatibility; ignored.

    Raises:
        InputError: There is no initial value, or it has another dtype or no known shape.
    """

    trainable: bool
    _save_slice_info: SaveSliceInfo | None = None

    def __new__(cls, *args: Any, **named: Any) -> "Variable":
        if cls is Variable:
            resource = _uses_resource(args[11] if len(args) > 11 else named.get("use_resource"))
            return object.__new__(ResourceVariable if resource else RefVariable)
        return object.__new__(cls)

    def __init__(
        self,
        initial_value: TensorLike | Callable[[], TensorLike] = None,
        trainable: bool | None = True,
        collections: Sequence[Any] | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: DTypeLike | None = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Callable | None = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ):
        if initial_value is None:
            raise InputError(
                "initial_value must be specified: give tf.Variable a number, an array, a tensor "
                "or a function, such as tf.Variable(tf.zeros([2, 3]))"
            )
        if constraint is not None and not callable(constraint):
            raise InputError(
                f"The `constraint` argument must be a callable, not {constraint!r}: give a "
                "function of the value, or leave it out"
            )
        keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else collections
        if not isinstance(keys, (list, tuple, set)):
            raise InputError(
                f"collections argument to Variable constructor must be a list, tuple, or set. Got "
                f"{keys!r}: write collections=[{keys!r}]"
            )
        self.trainable = trainable is None or bool(trainable)
        self.constraint, self.caching_device = constraint, caching_device
        keys = list(keys)
        if self.trainable and GraphKeys.TRAINABLE_VARIABLES not in keys:
            keys.append(GraphKeys.TRAINABLE_VARIABLES)
        wanted = None if dtype is None else as_dtype(dtype).base_dtype
        with init_scope(), name_scope(name, "Variable") as scope:
            self._create(scope, initial_value, wanted, validate_shape)
            get_default_graph().add_to_collections(keys, self)

    def _create(self, scope: str, initial_value: Any, dtype: DType | None, fixed: bool) -> None:
        raise NotImplementedError

    def _keep_initial_value(self, value: Tensor, called: str, fixed: bool) -> TensorShape:
        """Store the initial value; returns the shape of the variable."""
        if value.op.context is not None:
            raise InputError(
                f"Initializer for variable {called} is from inside a control-flow construct, such "
                "as a loop or conditional. When creating a variable inside a loop or conditional, "
                "use a lambda as the initializer."
            )
        if fixed and not value.shape.is_fully_defined():
            raise SizeError(
                f"initial_value must have a shape specified: {value}: give every size, or write "
                "validate_shape=False"
            )
        self._initial_value = value
        return value.shape if fixed else unknown_shape()

    # Its parts

    @property
    def op(self) -> Operation:
        """The operation of the variable."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name, with `:0` as in TensorFlow."""
        return f"{self.op.name}:0"

    @property
    def graph(self) -> Graph:
        """The graph of the variable."""
        return self.op.graph

    @property
    def device(self) -> str:
        """The device, "": there is only one."""
        return ""

    @property
    def initializer(self) -> Operation:
        """The operation that gives it its initial value."""
        return self._initializer

    @property
    def initial_value(self) -> Tensor:
        """The initial value."""
        return self._initial_value

    @property
    def _shared_name(self) -> str:
        return self.op.name

    def _set_save_slice_info(self, info: SaveSliceInfo) -> None:
        self._save_slice_info = info

    def _get_save_slice_info(self) -> SaveSliceInfo | None:
        return self._save_slice_info

    def _ref(self) -> Tensor:
        """The reference or the handle."""
        raise NotImplementedError

    def _as_graph_element(self) -> Tensor:
        raise NotImplementedError

    # Its value

    def value(self) -> Tensor:
        """The tensor of its value."""
        raise NotImplementedError

    def read_value(self) -> Tensor:
        """A new tensor of its value, which is read when it is needed."""
        raise NotImplementedError

    def is_initialized(self, name: str | None = None) -> Tensor:
        """Whether it has a value."""
        return ops.is_initialized_op(self._ref(), name)

    def initialized_value(self) -> Tensor:
        """Its value, or its initial value as long as it has none."""
        from ..core.control_flow import cond  # branches are built of variables' values too

        with init_scope():
            return cond(self.is_initialized(), self.read_value, lambda: self.initial_value)

    def eval(self, session: Any = None) -> np.ndarray:
        """The value in a session, by default the default session."""
        return session_for(session, f"{self.name}.eval()").run(self._as_graph_element())

    def load(self, value: TensorLike, session: Any = None) -> None:
        """Give it a value in a session.

        Args:
            value: The value, of the same shape.
            session: None for the default session.

        Raises:
            SizeError: The shape differs.
        """
        array = np.asarray(value)
        if not self.shape.is_compatible_with(array.shape):
            raise SizeError(
                f"{self.name}.load was given shape {TensorShape(array.shape)}; the variable has "
                f"{self.shape}: give it that shape"
            )
        run = session_for(session, f"{self.name}.load").run
        run(self._initializer, {self._initializer.inputs[1]: value})

    def assign(
        self,
        value: TensorLike,
        use_locking: bool | None = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """A tensor that gives the variable a value when it is run.

        Args:
            value: The value, of the same shape.
            use_locking: Accepted for compatibility; ignored.
            name: The name of the operation.
            read_value: Whether to return the new value and not the operation.

        Raises:
            SizeError: The shape differs.
        """
        raise NotImplementedError

    def assign_add(
        self,
        delta: TensorLike,
        use_locking: bool | None = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """A tensor that adds to the variable when it is run; see `assign`."""
        raise NotImplementedError

    def assign_sub(
        self,
        delta: TensorLike,
        use_locking: bool | None = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """A tensor that subtracts from the variable when it is run; see `assign`."""
        raise NotImplementedError

    def _scatter(
        self, kind: str, indices: TensorLike, updates: TensorLike, name: str | None = None
    ) -> Any:
        raise NotImplementedError

    def scatter_add(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """A tensor that adds to some rows when it is run."""
        return self._scatter("ScatterAdd", *_slices(sparse_delta, "scatter_add"), name)

    def scatter_sub(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """A tensor that subtracts from some rows when it is run."""
        return self._scatter("ScatterSub", *_slices(sparse_delta, "scatter_sub"), name)

    def scatter_update(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """A tensor that gives some rows new values when it is run."""
        return self._scatter("ScatterUpdate", *_slices(sparse_delta, "scatter_update"), name)

    def __iter__(self) -> NoReturn:
        raise TypeError("'Variable' object is not iterable: use tf.unstack(variable)")

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self} has no value before it is run: it cannot be used in `if`; run it first, "
            "sess.run(...)"
        )

    def __repr__(self) -> str:
        return f"<tf.Variable {self.name!r} shape={self.shape} dtype={self.dtype.name}>"


def _slices(given: Any, call: str) -> tuple[Tensor, Tensor]:
    if not isinstance(given, IndexedSlices):
        raise ArgumentTypeError(
            f"sparse_delta is not IndexedSlices: {given!r}; write {call}(tf.IndexedSlices(values, "
            f"indices)), or tf.{call}(variable, indices, updates)"
        )
    return given.indices, given.values


class RefVariable(Variable):
    """A reference variable, which is TensorFlow 1's default; see `Variable`."""

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

    def _scatter(
        self, kind: str, indices: TensorLike, updates: TensorLike, name: str | None = None
    ) -> Tensor:
        return ops.scatter_op(kind, self._variable, indices, updates, False, name).outputs[0]


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


def _value_of(
    variable: Variable, dtype: Any = None, name: str | None = None, *, as_ref: bool = False
) -> Tensor:
    if dtype is not None and as_dtype(dtype).base_dtype != variable.dtype.base_dtype:
        raise InputError(
            f"Incompatible type conversion requested to type {as_dtype(dtype).name!r} for variable "
            f"of type {variable.dtype.name!r}: write tf.cast({variable.op.name}, "
            f"tf.{as_dtype(dtype).base_dtype.name})"
        )
    return variable._ref() if as_ref else variable.value()


register_conversion(Variable, _value_of)


def _reference_of(ref: Any, call: str) -> Tensor:
    if isinstance(ref, RefVariable):
        return ref._ref()
    if isinstance(ref, Tensor) and ref.dtype.is_ref_dtype:
        return ref
    raise ArgumentTypeError(
        f"tf.{call} was given {ref!r}: give it a variable, such as tf.get_variable(...) returns"
    )


def assign(
    ref: Any,
    value: TensorLike,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """A tensor that gives a variable a value when it is run.

    Args:
        ref: The variable.
        value: The value.
        validate_shape: Whether it must have the variable's shape; None for yes.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operation.
    """
    if is_resource_variable(ref):
        return ref.assign(value, name=name)
    return ops.assign_op(_reference_of(ref, "assign"), value, validate_shape, use_locking, name)


def assign_add(
    ref: Any, value: TensorLike, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """A tensor that adds to a variable when it is run; see `assign`."""
    if is_resource_variable(ref):
        return ref.assign_add(value)
    reference = _reference_of(ref, "assign_add")
    return ops.update_op("AssignAdd", reference, value, use_locking, name)


def assign_sub(
    ref: Any, value: TensorLike, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """A tensor that subtracts from a variable when it is run; see `assign`."""
    if is_resource_variable(ref):
        return ref.assign_sub(value)
    reference = _reference_of(ref, "assign_sub")
    return ops.update_op("AssignSub", reference, value, use_locking, name)


def _scattered(kind: str, call: str) -> Callable:
    def scatter(
        ref: Any,
        indices: TensorLike,
        updates: TensorLike,
        use_locking: bool = False,
        name: str | None = None,
    ) -> Any:
        if is_resource_variable(ref):
            return ref._scatter(kind, indices, updates, name)
        reference = _reference_of(ref, call)
        return ops.scatter_op(kind, reference, indices, updates, use_locking, name).outputs[0]

    scatter.__name__ = scatter.__qualname__ = call
    return scatter


scatter_add = _scattered("ScatterAdd", "scatter_add")
scatter_add.__doc__ = "A tensor that adds to some rows of a variable when it is run."
scatter_sub = _scattered("ScatterSub", "scatter_sub")
scatter_sub.__doc__ = "A tensor that subtracts from some rows of a variable when it is run."
scatter_update = _scattered("ScatterUpdate", "scatter_update")
scatter_update.__doc__ = "A tensor that gives some rows of a variable new values when it is run."
