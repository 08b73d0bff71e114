"""Private: variable scopes, which name and share variables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from ...errors import ArgumentTypeError, InputError
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DTYPES, DTypeLike, as_dtype
from ..core.graph import get_default_graph, name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import TensorLike
from .store import VariableStore, store_of

__all__ = [
    "AUTO_REUSE",
    "VariableScope",
    "get_local_variable",
    "get_variable",
    "get_variable_scope",
    "no_regularizer",
    "variable_op_scope",
    "variable_scope",
]


class _Reuse:
    def __repr__(self) -> str:
        return "tf.AUTO_REUSE"


AUTO_REUSE: Final = _Reuse()
# The defaults that a scope hands to the variables and scopes in it.
_DEFAULTS = (
    "initializer",
    "regularizer",
    "caching_device",
    "partitioner",
    "custom_getter",
    "dtype",
    "use_resource",
    "constraint",
)


def _set(default: str) -> Callable:
    def setter(self: "VariableScope", value: Any) -> None:
        setattr(self, default, value)

    setter.__name__ = setter.__qualname__ = f"set_{default}"
    setter.__doc__ = f"Set the default {default} of variables in the scope."
    return setter


class VariableScope:
    """A variable scope: a prefix of names, and defaults for the variables in it.

    Attributes:
        name: The prefix, without "/" at its end.
        original_name_scope: The name scope that was opened with it, with "/" at its end.
        reuse: True to use existing variables only, AUTO_REUSE to use or create them, otherwise
            False or None.
        initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource,
        constraint: See `tf.get_variable`.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Callable | None = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        custom_getter: Callable | None = None,
        name_scope: str = "",
        dtype: DTypeLike = DTYPES["float32"],
        use_resource: bool | None = None,
        constraint: Callable | None = None,
    ):
        self.reuse, self.name, self.original_name_scope = reuse, name, name_scope
        self.initializer, self.regularizer = initializer, regularizer
        self.caching_device, self.partitioner = caching_device, partitioner
        self.custom_getter, self.constraint = custom_getter, constraint
        self.dtype, self.use_resource = as_dtype(dtype), use_resource

    set_initializer = _set("initializer")
    set_regularizer = _set("regularizer")
    set_caching_device = _set("caching_device")
    set_partitioner = _set("partitioner")
    set_custom_getter = _set("custom_getter")
    set_dtype = _set("dtype")
    set_use_resource = _set("use_resource")

    def reuse_variables(self) -> None:
        """Use existing variables from now on."""
        self.reuse = True

    def get_collection(self, name: Any) -> list:
        """The values of a collection whose names begin with the scope's."""
        return get_default_graph().get_collection(name, f"{self.name}/" if self.name else "")

    def trainable_variables(self) -> list:
        """The trainable variables in the scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list:
        """The global variables in the scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list:
        """The local variables in the scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: DTypeLike | None = None,
        initializer: Any = None,
        regularizer: Callable | None = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Sequence | None = None,
        caching_device: Any = None,
        partitioner: Callable | None = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Callable | None = None,
        constraint: Callable | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        """A variable of a store in this scope; see `tf.get_variable`."""
        if not isinstance(name, str):
            raise ArgumentTypeError(f"get_variable was given the name {name!r}: give a string")
        of_value = initializer is not None and not callable(initializer)
        # Names of variables depend on variable scopes only.
        with name_scope(None):
            if dtype is not None and of_value and not isinstance(initializer, str):
                given = convert_to_tensor(initializer).dtype.base_dtype
                if given != as_dtype(dtype).base_dtype:
                    raise InputError(
                        f"Initializer type {given.name!r} and explicit dtype "
                        f"{as_dtype(dtype).name!r} don't match: leave dtype out, or convert the "
                        "value"
                    )
            return store.get_variable(
                f"{self.name}/{name}" if self.name else name,
                shape=shape,
                dtype=self.dtype if dtype is None else as_dtype(dtype),
                initializer=self.initializer if initializer is None else initializer,
                regularizer=self.regularizer if regularizer is None else regularizer,
                reuse=self.reuse if reuse is None else reuse,
                trainable=trainable,
                collections=collections,
                caching_device=self.caching_device if caching_device is None else caching_device,
                partitioner=self.partitioner if partitioner is None else partitioner,
                validate_shape=validate_shape,
                use_resource=self.use_resource if use_resource is None else use_resource,
                custom_getter=self.custom_getter if custom_getter is None else custom_getter,
                constraint=self.constraint if constraint is None else constraint,
                synchronization=synchronization,
                aggregation=aggregation,
            )


def get_variable_scope() -> VariableScope:
    """The current variable scope."""
    store = store_of(get_default_graph())
    if store.scope is None:
        store.scope = VariableScope(False)
    return store.scope


def get_variable(
    name: str,
    shape: Any = None,
    dtype: DTypeLike | None = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool | None = None,
    collections: Sequence | None = None,
    caching_device: Any = None,
    partitioner: Callable | None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable | None = None,
    constraint: Callable | None = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Any:
    """A variable in the current variable scope: a new one, or an existing one if the scope reuses
    variables.

    Args:
        name: The name in the scope.
        shape: The sizes; None if the initializer is a value.
        dtype: The dtype; None for the dtype of a value, or else the scope's, tf.float32.
        initializer: A function of a shape, its class, or a value; None for the scope's, or else
            glorot_uniform, or zeros for whole numbers.
        regularizer: A function of the variable, whose result joins the regularization losses; None
            for the scope's.
        trainable: Whether `tf.trainable_variables()` lists it; None for yes.
        collections: The collections that list it; None for the global variables.
        caching_device: Accepted for compatibility.
        partitioner: A function of shape and dtype that returns the number of parts of each
            dimension, such as `tf.fixed_size_partitioner(3)`; None for the scope's.
        validate_shape: Whether the shape is fixed.
        use_resource: Whether it is a resource variable; None for the default of the scope.
        custom_getter: A function (getter, name, *args, **kwargs) that makes the variable with the
            getter; None for the scope's.
        constraint: A function that an optimizer applies to the value after each step; None for the
            scope's.
        synchronization, aggregation: Accepted for compatibility; ignored.

    Raises:
        InputError: It exists and the scope does not reuse variables, or the other way round; or a
            value has another dtype.
        SizeError: It has another shape, or a shape was given together with a value.
    """
    return get_variable_scope().get_variable(
        store_of(get_default_graph()),
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=collections,
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: DTypeLike | None = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool | None = False,
    collections: Sequence | None = None,
    **named: Any,
) -> Any:
    """`get_variable` for a local variable, which is not trained and not saved."""
    return get_variable(
        name,
        shape,
        dtype,
        initializer,
        regularizer,
        trainable=False,
        collections=[*(collections or ()), GraphKeys.LOCAL_VARIABLES],
        **named,
    )


def no_regularizer(_: TensorLike) -> None:
    """A regularizer that adds no loss, where a scope has another one."""


def _unused_name(store: VariableStore, prefix: str) -> str:
    outer = get_variable_scope().name
    full = f"{outer}/{prefix}" if outer else prefix
    if not store.opened.get(full):
        return prefix
    number = 1
    while store.opened.get(f"{full}_{number}"):
        number += 1
    return f"{prefix}_{number}"


def _getter_of(outer: Callable | None, inner: Callable | None) -> Callable | None:
    """A custom getter in a scope that has one calls it as its getter."""
    if outer is None or inner is None:
        return inner or outer

    def both(getter: Callable, *args: Any, **named: Any) -> Any:
        return inner(lambda *a, **n: outer(getter, *a, **n), *args, **named)

    return both


@contextmanager
def _open(
    name_or_scope: "str | VariableScope",
    opened_name_scope: str | None,
    reuse: Any,
    defaults: dict[str, Any],
) -> Iterator[VariableScope]:
    """Make a variable scope the current one, without a name scope."""
    store = store_of(get_default_graph())
    outer, counts = get_variable_scope(), dict(store.opened)
    shared = isinstance(name_or_scope, VariableScope)
    base: Any = name_or_scope if shared else outer
    if shared:
        name, name_of = base.name, base.original_name_scope
        reuse = reuse or base.reuse
    else:
        name = f"{outer.name}/{name_or_scope}" if outer.name else str(name_or_scope)
        name_of = str(name_or_scope) if opened_name_scope is None else opened_name_scope
        reuse = reuse or outer.reuse
    inherited = {
        default: getattr(base, default) if defaults.get(default) is None else defaults[default]
        for default in _DEFAULTS
    }
    inherited["custom_getter"] = _getter_of(base.custom_getter, defaults.get("custom_getter"))
    scope = VariableScope(reuse, name, name_scope=name_of, **inherited)
    store.open(name)
    store.scope = scope
    try:
        yield scope
    finally:
        if shared:
            store.opened = counts
        else:
            store.close_below(name)
        store.scope = outer


@contextmanager
def variable_scope(
    name_or_scope: "str | VariableScope | None",
    default_name: str | None = None,
    values: Any = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    caching_device: Any = None,
    partitioner: Callable | None = None,
    custom_getter: Callable | None = None,
    reuse: Any = None,
    dtype: DTypeLike | None = None,
    use_resource: bool | None = None,
    constraint: Callable | None = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:
    """Name variables and operations below a scope inside a `with`.

    Args:
        name_or_scope: A name, an existing scope, or None for `default_name`, with a number if it is
            in use.
        default_name: The name for None.
        values: Accepted for compatibility; ignored.
        initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource,
        constraint: Defaults of the variables in the scope; see `tf.get_variable`.
        reuse: True to use existing variables, tf.AUTO_REUSE to use or create them.
        auxiliary_name_scope: Whether operations are named below the scope too.

    Raises:
        InputError: Neither a name nor a default name was given, or `reuse` is something else.
    """
    if name_or_scope is None and default_name is None:
        raise ArgumentTypeError(
            "If default_name is None then name_or_scope is required: tf.variable_scope(None) needs "
            "default_name='...', or give it a name"
        )
    if not isinstance(name_or_scope, (str, VariableScope, type(None))):
        raise ArgumentTypeError(
            f"VariableScope: name_or_scope must be a string or VariableScope, not "
            f"{name_or_scope!r}: give a name, or a scope from `with ... as scope`"
        )
    if not (reuse is None or isinstance(reuse, bool) or reuse is AUTO_REUSE):
        raise InputError(
            f"The reuse parameter must be True or False or None, not {reuse!r}: write reuse=True "
            "or reuse=tf.AUTO_REUSE"
        )
    if not isinstance(auxiliary_name_scope, bool):
        raise ArgumentTypeError(
            "The auxiliary_name_scope must be `True` or `False`, while get "
            f"{auxiliary_name_scope!r}"
        )
    defaults = {
        "initializer": initializer,
        "regularizer": regularizer,
        "caching_device": caching_device,
        "partitioner": partitioner,
        "custom_getter": custom_getter,
        "dtype": dtype,
        "use_resource": use_resource,
        "constraint": constraint,
    }
    graph = get_default_graph()
    reuse = reuse or None
    if name_or_scope is None:
        if reuse:
            raise InputError(
                f"reuse={reuse!r} cannot be used without a name_or_scope: give the scope a name"
            )
        opened = default_name
    elif isinstance(name_or_scope, VariableScope):
        opened = name_or_scope.name.rsplit("/", 1)[-1]
    else:
        opened = name_or_scope
    names: Any = nullcontext(None)
    if not auxiliary_name_scope:
        names = name_scope(f"{graph.scope}/" if graph.scope else None)
    elif opened:
        names = name_scope(opened)
    with names as entered:
        inner: Any = name_or_scope
        if inner is None:
            inner = _unused_name(store_of(graph), str(default_name))
        with _open(inner, entered, reuse, defaults) as scope:
            yield scope


@contextmanager
def variable_op_scope(
    values: Any,
    name_or_scope: "str | VariableScope | None",
    default_name: str | None = None,
    **named: Any,
) -> Iterator[VariableScope]:
    """`variable_scope` with the arguments in another order."""
    with variable_scope(name_or_scope, default_name, values, **named) as scope:
        yield scope
