"""Private: variables, their initializers, and variable scopes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch

from ..errors import InputError, SizeError
from .graph import (
    Computation,
    DType,
    DTypeLike,
    Initializer,
    Operand,
    Operation,
    ScopeLike,
    Tensor,
    TensorLike,
    TensorShape,
    VariableScope,
    as_dtype,
    get_default_graph,
    session_for,
)
from .operations import constant, convert_to_tensor, shape_of
from .random import glorot_limit
from .shapes import ones, random_uniform, zeros

__all__ = [
    "AUTO_REUSE",
    "Variable",
    "constant_initializer",
    "get_variable",
    "get_variable_scope",
    "global_variables",
    "global_variables_initializer",
    "glorot_uniform_initializer",
    "ones_initializer",
    "random_uniform_initializer",
    "trainable_variables",
    "variable_scope",
    "variables_initializer",
    "zeros_initializer",
]

AUTO_REUSE = "auto"


class Variable(Operand):
    """A variable, whose value a session keeps.

    Attributes:
        op, name, dtype, shape: See `Tensor`.
        initializer: The operation that initializes it.
        read: The tensor that reads its value.
        trainable: Whether `tf.trainable_variables()` lists it.

    Args:
        initial_value: A number, an array or a tensor.
        trainable: Whether `tf.trainable_variables()` lists it.
        name: The name; None for `Variable`.
        dtype: The dtype; None for the initial value's.

    Raises:
        InputError: The initial value is a tensor of another dtype.
    """

    def __init__(
        self,
        initial_value: TensorLike,
        trainable: bool = True,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        graph = get_default_graph()
        with graph.name_scope(name or "Variable") as scope:
            initial_value = convert_to_tensor(initial_value, dtype=dtype, name="initial_value")
            self._record(scope, initial_value, trainable, graph.variable_scope.use_resource)

    @classmethod
    def _named(
        cls,
        name: str,
        shape: TensorShape | None,
        dtype: DType | None,
        initializer: Initializer,
        trainable: bool,
        resource: bool,
    ) -> "Variable":
        variable = cls.__new__(cls)
        graph = get_default_graph()
        with graph.name_scope(None), graph.name_scope(name) as scope:
            if callable(initializer):
                with graph.name_scope("Initializer"):
                    initial_value = cast(Tensor, initializer(shape, dtype=dtype))
            else:
                initial_value = convert_to_tensor(initializer, dtype=dtype, name="initial_value")
            variable._record(scope, initial_value, trainable, resource)
        return variable

    def _record(self, scope: str, initial_value: Tensor, trainable: bool, resource: bool):
        graph = get_default_graph()
        self.trainable, self.dtype, self.shape, self.initial_value = (
            trainable,
            initial_value.dtype,
            initial_value.shape,
            initial_value,
        )
        self.resource = resource
        self.op = Operation(graph, scope[:-1])
        if resource:
            marks = graph.record(
                f"IsInitialized{{VarIsInitializedOp}} Assign=assign Read{{ReadVariableOp=read "
                f"{'Identity' if graph.cached else ''}}}"
            )
        else:
            marks = graph.record("Assign=assign read=read")
        self.initializer = marks["assign"]
        self.initializer.effect = Computation(
            [initial_value], lambda run, value: self._store(run.session, value)
        )
        self.read = Tensor(
            marks["read"],
            self.dtype,
            self.shape,
            Computation([], lambda run: (run.session.value(self),)),
        )
        graph.variables.append(self)

    def _fits(self, call: str, shape) -> None:
        if len(shape) != len(self.shape) or any(
            None not in (m, n) and m != n for m, n in zip(self.shape, shape)
        ):
            raise SizeError(
                f"{self.name}.{call} was given shape {TensorShape(shape)}; the variable has "
                f"{self.shape}: give it that shape"
            )

    def _store(self, session, value: torch.Tensor) -> tuple[torch.Tensor]:
        self._fits("assign", value.shape)
        session.variables[self] = value.detach().clone()
        return (value,)

    @property
    def name(self) -> str:
        """The name, with `:0` as in TensorFlow."""
        return f"{self.op.name}:0"

    def value(self) -> Tensor:
        """The tensor that reads its value."""
        return self.read

    def eval(self, session: Any = None) -> np.ndarray:
        """The value in a session, by default the default session."""
        return self.read.eval(session=session)

    def load(self, value: TensorLike, session: Any = None) -> None:
        """Assign a value in a session.

        Args:
            value: The value, of the same shape.
            session: None for the default session.

        Raises:
            SizeError: The shape differs.
        """
        array = np.asarray(value, self.dtype.as_numpy_dtype)
        self._fits("load", array.shape)
        self._store(session_for(session, f"{self.name}.load"), torch.from_numpy(array))

    def assign(self, value: TensorLike) -> Tensor:
        """A tensor that assigns a value to the variable when it is run.

        Raises:
            SizeError: The shape differs.
        """
        with self.graph.name_scope("Assign") as scope:
            tensor = convert_to_tensor(value, dtype=self.dtype, name="value")
            self._fits("assign", tensor.shape)
            op = Operation(self.graph, scope[:-1])
        return Tensor(
            op,
            self.dtype,
            self.shape,
            Computation([tensor], lambda run, v: self._store(run.session, v)),
        )

    def __repr__(self) -> str:
        kind = self.dtype.name if self.resource else f"{self.dtype.name}_ref"
        return f"<tf.Variable {self.name!r} shape={self.shape} dtype={kind}>"


class glorot_uniform_initializer:
    """The default initializer: uniform within sqrt(6 / (rows + columns)).

    Args:
        seed: The seed of the operation; None for the graph's.
    """

    def __init__(self, seed: int | None = None, dtype: DTypeLike = "float32"):
        self.seed, self.dtype = seed, dtype

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: object = None
    ) -> Tensor:
        limit = glorot_limit(tuple(shape))
        return random_uniform(shape, -limit, limit, dtype=dtype or self.dtype, seed=self.seed)


class random_uniform_initializer:
    """Initializer with uniform numbers between two bounds.

    Args:
        minval, maxval: The bounds; None for an upper bound of 1.
        seed: The seed of the operation; None for the graph's.
    """

    def __init__(
        self,
        minval: float = 0.0,
        maxval: float | None = None,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
    ):
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, dtype

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: object = None
    ) -> Tensor:
        return random_uniform(
            shape, self.minval, self.maxval, dtype=dtype or self.dtype, seed=self.seed
        )


class zeros_initializer:
    """Initializer with zeros."""

    def __init__(self, dtype: DTypeLike = "float32"):
        self.dtype = dtype

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: object = None
    ) -> Tensor:
        return zeros(shape, dtype=dtype or self.dtype)


class ones_initializer:
    """Initializer with ones."""

    def __init__(self, dtype: DTypeLike = "float32"):
        self.dtype = dtype

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: object = None
    ) -> Tensor:
        return ones(shape, dtype=dtype or self.dtype)


class constant_initializer:
    """Initializer with a constant number or array.

    Args:
        value: The number or array.
    """

    def __init__(self, value: TensorLike = 0.0, dtype: DTypeLike = "float32"):
        self.value, self.dtype = value, dtype

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: object = None
    ) -> Tensor:
        return constant(self.value, dtype=dtype or self.dtype, shape=shape)


def get_variable(
    name: str,
    shape: Any = None,
    dtype: DTypeLike | None = None,
    initializer: Initializer = None,
    trainable: bool = True,
    use_resource: bool | None = None,
) -> Variable:
    """A variable in the current variable scope: a new one, or an existing one if the scope reuses
    variables.

    Args:
        name: The name in the scope.
        shape: The sizes; None if the initializer is a value.
        dtype: The dtype; None for the dtype of a value, or else tf.float32.
        initializer: A function of a shape, or a value; None for the scope's, or else
            glorot_uniform, or zeros for integers.
        trainable: Whether `tf.trainable_variables()` lists it.
        use_resource: Whether it is a resource variable; None for the default of the scope.

    Raises:
        InputError: It exists and the scope does not reuse variables, or the other way round; or a
            value has another dtype.
        SizeError: It has another shape, or a shape was given together with a value.
    """
    graph = get_default_graph()
    scope = graph.variable_scope
    full = f"{scope.name}/{name}" if scope.name else name
    initializer = scope.initializer if initializer is None else initializer
    of_value = (
        initializer is not None and not callable(initializer) and not isinstance(initializer, str)
    )
    kind = None if dtype is None and of_value else as_dtype(dtype or "float32")
    sizes = None if shape is None else shape_of(shape, f"get_variable({name!r})")
    found = next((v for v in graph.variables if v.op.name == full), None)
    if found is not None:
        if not scope.reuse:
            raise InputError(
                f"Variable {full} already exists, disallowed: a second use of its weights needs "
                "tf.variable_scope(..., reuse=True); other weights need another scope; a program "
                "run again in the same process needs tf.reset_default_graph() first"
            )
        if sizes is not None and sizes != found.shape:
            raise SizeError(
                f"Variable {full} exists with shape {found.shape} and was requested with {sizes}: "
                f"request its own shape"
            )
        if kind is not None and kind is not found.dtype:
            raise InputError(
                f"Variable {full} exists with dtype {found.dtype.name} and was requested with "
                f"{kind.name}: write dtype={found.dtype!r}"
            )
        return found
    if scope.reuse is True:
        raise InputError(
            f"Variable {full} does not exist, and the scope has reuse=True: create it first, or "
            f"write reuse=tf.AUTO_REUSE"
        )
    if isinstance(initializer, str):
        raise InputError(
            f"get_variable({name!r}) was given the initializer {initializer!r}: give one of tf, "
            f"such as tf.glorot_uniform_initializer(), or a value"
        )
    if of_value:
        if sizes is not None:
            raise SizeError(
                f"get_variable({name!r}) was given shape {sizes} and a value as initializer, which "
                "has its own: leave shape out, or give tf.constant_initializer(value)"
            )
    elif sizes is None or None in sizes:
        raise InputError(
            f"get_variable({name!r}) was given "
            f"{'no shape' if sizes is None else f'the shape {sizes}'}: give a fully known "
            "shape=[...], or a value as initializer"
        )
    elif initializer is None:
        assert kind is not None, "only a value has no dtype here"
        initializer = glorot_uniform_initializer() if kind.is_floating else zeros_initializer()
    elif isinstance(initializer, type):
        initializer = initializer()
    resource = scope.use_resource if use_resource is None else use_resource
    return Variable._named(full, sizes, kind, initializer, trainable, resource)


@contextmanager
def variable_scope(
    name_or_scope: ScopeLike,
    default_name: str | None = None,
    initializer: Initializer = None,
    reuse: bool | str | None = None,
    use_resource: bool | None = None,
) -> Iterator[VariableScope]:
    """Name variables and operations below a scope inside a `with`.

    Args:
        name_or_scope: A name, an existing scope, or None for `default_name`, with a number if it is
            in use.
        default_name: The name for None.
        initializer: The default initializer of the variables.
        reuse: True to use existing variables, tf.AUTO_REUSE to use or create them.
        use_resource: Whether variables are resource variables.
    """
    if name_or_scope is None and default_name is None:
        raise InputError("tf.variable_scope(None) needs default_name='...', or give it a name")
    with get_default_graph().open_variable_scope(
        name_or_scope,
        default_name=default_name,
        reuse=reuse,
        initializer=initializer,
        use_resource=use_resource,
    ) as scope:
        yield scope


def get_variable_scope() -> VariableScope:
    """The current variable scope."""
    return get_default_graph().variable_scope


def global_variables(scope: str | None = None) -> list[Variable]:
    """Every variable of the default graph, in order.

    Args:
        scope: A regular expression that the start of the names must match; None for all.
    """
    return [v for v in get_default_graph().variables if re.match(scope or "", v.name)]


def trainable_variables(scope: str | None = None) -> list[Variable]:
    """The trainable variables, in order.

    Args:
        scope: A regular expression that the start of the names must match; None for all.
    """
    return [v for v in global_variables(scope) if v.trainable]


def variables_initializer(var_list: list[Variable], name: str = "init") -> Operation:
    """The operation that initializes variables.

    Args:
        var_list: The variables.
        name: The name of the operation.
    """
    variables = list(var_list)
    op = get_default_graph().record(name).last

    def store(run, *values):
        for v, value in zip(variables, values):
            v._store(run.session, value)
        return ()

    op.effect = Computation([v.initial_value for v in variables], store)
    return op


def global_variables_initializer() -> Operation:
    """The operation that initializes every variable of the default graph."""
    return variables_initializer(global_variables())
