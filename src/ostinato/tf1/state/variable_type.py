"""Private: the class of variables, tf.Variable."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.defaults import session_for
from ..core.dtypes import DType, DTypeLike, as_dtype
from ..core.graph import Graph, get_default_graph, init_scope, name_scope
from ..core.graph_keys import GraphKeys
from ..core.shape import TensorShape, unknown_shape
from ..core.tensors import IndexedSlices, Operand, Operation, Tensor, TensorLike
from . import ops

__all__ = [
    "SaveSliceInfo",
    "Variable",
    "VariableAggregation",
    "VariableSynchronization",
    "disable_resource_variables",
    "enable_resource_variables",
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
        InputError: The initial value is missing, or it has another dtype or no known shape.
    """

    trainable: bool
    # The classes of reference and of resource variables.
    kinds: tuple[type["Variable"], type["Variable"]]
    _save_slice_info: SaveSliceInfo | None = None
    _initializer: Operation
    _initial_value: Tensor

    def __new__(cls, *args: Any, **named: Any) -> "Variable":
        if cls is Variable:
            resource = _uses_resource(args[11] if len(args) > 11 else named.get("use_resource"))
            return object.__new__(cls.kinds[resource])
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
        """True if the variable has a value."""
        return ops.is_initialized_op(self._ref(), name)

    def initialized_value(self) -> Tensor:
        """Its value, or its initial value as long as it has none."""
        from ..flow.control_flow import cond  # branches are built of variables' values too

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
