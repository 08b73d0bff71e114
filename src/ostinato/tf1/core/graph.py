"""Private: the graph: operations with types, inputs and attributes, named and numbered as in
TensorFlow 1.

TensorFlow 1 derives the seed of a random operation from the number of operations in the graph.
Therefore every function of ostinato.tf1 adds the operations that TensorFlow 1.13.1 adds, in its
order. `registry.py` says what an operation of each type computes.
"""

import numbers
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...errors import ArgumentTypeError, InputError, OstinatoError
from .dtypes import DType, as_dtype
from .shape import TensorShape, as_shape

if TYPE_CHECKING:
    from .control_flow import ControlFlowContext

__all__ = [
    "Graph",
    "GraphKeys",
    "IndexedSlices",
    "NotProvided",
    "Operand",
    "Operation",
    "Tensor",
    "TensorLike",
    "add_to_collection",
    "add_to_collections",
    "apply",
    "colocate_with",
    "container",
    "control_dependencies",
    "convert_to_tensor",
    "device",
    "get_collection",
    "get_collection_ref",
    "get_default_graph",
    "get_default_session",
    "init_scope",
    "name_scope",
    "on_top",
    "op_scope",
    "reset_default_graph",
    "session_for",
    "set_random_seed",
]

TensorLike = Any  # a tensor, a variable, an array, a number or nested lists of numbers


class NotProvided(OstinatoError, AttributeError):
    """A name of TensorFlow that ostinato.tf1 does not provide."""


class GraphKeys:
    """Names of the standard collections of a graph."""

    GLOBAL_VARIABLES = VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    TRAIN_OP = "train_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"


class Operand:
    """Base class of tensors and variables, which may stand in arithmetic. The operators are set by
    `ops/math.py`.
    """

    __array_priority__ = 100
    dtype: DType
    shape: TensorShape

    if TYPE_CHECKING:
        __add__: Callable[[Any, Any], "Tensor"]
        __radd__: Callable[[Any, Any], "Tensor"]
        __sub__: Callable[[Any, Any], "Tensor"]
        __rsub__: Callable[[Any, Any], "Tensor"]
        __mul__: Callable[[Any, Any], "Tensor"]
        __rmul__: Callable[[Any, Any], "Tensor"]
        __truediv__: Callable[[Any, Any], "Tensor"]
        __rtruediv__: Callable[[Any, Any], "Tensor"]
        __floordiv__: Callable[[Any, Any], "Tensor"]
        __mod__: Callable[[Any, Any], "Tensor"]
        __pow__: Callable[[Any, Any], "Tensor"]
        __matmul__: Callable[[Any, Any], "Tensor"]
        __neg__: Callable[[Any], "Tensor"]
        __invert__: Callable[[Any], "Tensor"]
        __and__: Callable[[Any, Any], "Tensor"]
        __or__: Callable[[Any, Any], "Tensor"]
        __lt__: Callable[[Any, Any], "Tensor"]
        __le__: Callable[[Any, Any], "Tensor"]
        __gt__: Callable[[Any, Any], "Tensor"]
        __ge__: Callable[[Any, Any], "Tensor"]
        __getitem__: Callable[[Any, Any], "Tensor"]

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return self.shape


class Operation:
    """An operation.

    Attributes:
        graph, name: Its graph and its name in TensorFlow 1.
        type: Its type, such as "MatMul"; see `registry.py`.
        inputs: Its input tensors.
        control_inputs: Operations that run before it.
        attrs: Its attributes, such as `transpose_a`.
        outputs: Its output tensors.
        context: The loop or branch that it is in, or None.
    """

    def __init__(
        self,
        graph: "Graph",
        type: str,  # noqa: A002
        inputs: Sequence["Tensor"],
        name: str,
        attrs: Mapping[str, Any],
        control_inputs: Sequence["Operation"],
    ):
        self.graph, self.name, self.type = graph, name, type
        self.inputs, self.control_inputs = list(inputs), list(control_inputs)
        self.attrs = dict(attrs)
        self.outputs: list[Tensor] = []
        self.context: ControlFlowContext | None = graph.control_flow_context
        self.original_op: Operation | None = None
        self._id = graph.last_id = graph.last_id + 1
        # The place in the user's program that created it, for errors.
        self.device = ""

    def get_attr(self, name: str) -> Any:
        """An attribute.

        Raises:
            InputError: The operation has no such attribute.
        """
        if name not in self.attrs:
            raise InputError(f"Operation {self.name!r} has no attr named {name!r}")
        return self.attrs[name]

    @property
    def op(self) -> "Operation":
        """The operation itself, as for tensors and variables."""
        return self

    @property
    def node_def(self) -> Any:
        """The operation as a NodeDef."""
        from ..files.graph_def import node_def  # files need this module

        return node_def(self)

    @property
    def seeds(self) -> tuple[int, int] | None:
        """For a random operation, its seed and seed2."""
        return (self.attrs["seed"], self.attrs["seed2"]) if "seed2" in self.attrs else None

    def values(self) -> tuple["Tensor", ...]:
        """Its output tensors."""
        return tuple(self.outputs)

    def colocation_groups(self) -> list[bytes]:
        """The names of operations that it would share a device with."""
        return [f"loc:@{self.name}".encode()]

    def add_control_input(self, op: "Operation") -> None:
        """Run another operation before this one."""
        if op not in self.control_inputs:
            self.control_inputs.append(op)

    def add_control_inputs(self, ops: Iterable["Operation"]) -> None:
        """Run other operations before this one."""
        for op in ops:
            self.add_control_input(op)

    def update_input(self, index: int, tensor: "Tensor") -> None:
        """Replace an input."""
        self.inputs[index] = tensor
        self.graph.version += 1

    def run(self, feed_dict: Mapping | None = None, session: Any = None) -> None:
        """Run the operation for its effect, in the given session or the default one."""
        session_for(session, f"{self.name}.run()").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"

    def __str__(self) -> str:
        return f"name: {self.name!r}\nop: {self.type!r}\n" + "".join(
            f"input: {t.name.removesuffix(':0')!r}\n" for t in self.inputs
        )


class Tensor(Operand):
    """A symbolic tensor, whose value a session computes.

    Attributes:
        op: The operation that computes it.
        value_index: The number of the output.
        dtype, shape: The static dtype and shape.
    """

    def __init__(self, op: Operation, value_index: int, dtype: DType, shape: TensorShape):
        self.op, self.value_index, self.dtype, self.shape = op, value_index, dtype, shape

    @property
    def name(self) -> str:
        """The operation's name and the number of the output."""
        return f"{self.op.name}:{self.value_index}"

    @property
    def graph(self) -> "Graph":
        """The graph of the tensor."""
        return self.op.graph

    @property
    def device(self) -> str:
        """The device, "": there is only one."""
        return self.op.device

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape.

        Raises:
            SizeError: The shape is another one.
        """
        self.shape = self.shape.merge_with(as_shape(shape))

    def consumers(self) -> list[Operation]:
        """The operations that it is an input of."""
        return [o for o in self.graph.operations if any(t is self for t in o.inputs)]

    def eval(self, feed_dict: Mapping | None = None, session: Any = None) -> np.ndarray:
        """The value of the tensor in a session.

        Args:
            feed_dict: Values for placeholders.
            session: The session to run in; None for the default one (`with tf.Session():`, or an
                InteractiveSession).
        """
        return session_for(session, f"{self.name}.eval()").run(self, feed_dict)

    def __bool__(self) -> NoReturn:
        raise ArgumentTypeError(
            f"{self} has no value before it is run: it cannot be used in `if`; run it first, "
            "sess.run(...)"
        )

    def __iter__(self) -> NoReturn:
        raise ArgumentTypeError(
            f"{self} cannot be looped over before it is run; run it first, sess.run(...), or use "
            f"tf.unstack"
        )

    def __len__(self) -> NoReturn:
        raise ArgumentTypeError(
            f"len() of {self} is not known before it is run; see .shape for the known sizes"
        )

    def __array__(self, *args: Any, **named: Any) -> NoReturn:
        raise ArgumentTypeError(
            f"{self} has no value before it is run: it is not an array; run it first, sess.run(...)"
        )

    def __str__(self) -> str:
        shape = "" if self.shape.sizes is None else f", shape={self.shape}"
        return f'Tensor("{self.name}"{shape}, dtype={self.dtype.name})'

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={self.shape} dtype={self.dtype.name}>"


class IndexedSlices(Operand):
    """Some rows of a tensor, such as the gradient of an embedding.

    Attributes:
        values: The rows, (N, ...).
        indices: Their numbers, (N,).
        dense_shape: The shape of the whole tensor, as a tensor, or None.
    """

    def __init__(self, values: Tensor, indices: Tensor, dense_shape: Tensor | None = None):
        self.values, self.indices, self.dense_shape = values, indices, dense_shape
        self.shape = TensorShape(None)

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """The dtype of the rows."""
        return self.values.dtype

    @property
    def op(self) -> Operation:
        """The operation of the rows."""
        return self.values.op

    @property
    def name(self) -> str:
        """The name of the rows."""
        return self.values.name

    @property
    def graph(self) -> "Graph":
        """The graph of the rows."""
        return self.values.graph

    def __str__(self) -> str:
        return f"IndexedSlices(indices={self.indices}, values={self.values})"


# A scope as TensorFlow accepts it.
_SCOPE_NAME = re.compile(r"^[A-Za-z0-9_.\-/\\>]*$")
_FIRST_NAME = re.compile(r"^[A-Za-z0-9.]")


class Graph:
    """The operations, collections and seed of a program (tf.Graph).

    Attributes:
        seed: The seed set by `tf.set_random_seed`, or None.
        operations: Every operation, in order.
        last_id: The number of operations so far.
        version: Changes with every change to the graph.
        control_flow_context: The loop or branch to which operations are added, or None.
        finalized: Whether the graph is closed to new operations.
    """

    def __init__(self) -> None:
        self.seed: int | None = None
        self.operations: list[Operation] = []
        self.last_id = self.version = 0
        self.control_flow_context: ControlFlowContext | None = None
        self.finalized = False
        self.collections: dict[Any, list] = {}
        # What a module keeps for one graph: the variable store, names of layers.
        self.kept: dict[str, Any] = {}
        self._by_name: dict[str, Operation] = {}
        self._scope, self._used = "", dict[str, int]()
        self._control_stack: list[_ControlDependencies] = []
        self.placeholders: list[Tensor] = []

    # Operations

    def create_op(
        self,
        type: str,  # noqa: A002
        inputs: Sequence[Tensor] = (),
        name: str | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> Operation:
        """Add an operation. Its outputs are as `registry.py` says.

        Args:
            type: The type of the operation.
            inputs: Its inputs.
            name: Its name in the current scope, made unique; with "/" at the end, the exact name;
                None for the type.
            attrs: Its attributes.

        Raises:
            EngineError: The graph is finalized.
        """
        from .registry import definition  # the registry needs the types of this module

        if self.finalized:
            raise InputError("Graph is finalized and cannot be modified.")
        kind = definition(type)
        name = name[:-1] if name and name.endswith("/") else self.unique_name(name or type)
        for t in inputs:
            if t.graph is not self:
                raise InputError(
                    f"{t} is of another graph than the operation {name!r}: create both in one "
                    "graph, after tf.reset_default_graph() or inside `with graph.as_default():`"
                )
        control = self._control_inputs_for({t.op for t in inputs})
        op = Operation(self, type, inputs, name, attrs or {}, control)
        for i, (dtype, shape) in enumerate(kind.outputs(op)):
            op.outputs.append(Tensor(op, i, dtype, as_shape(shape)))
        self.operations.append(op)
        self._by_name[name] = op
        self.version += 1
        for entry in self._control_stack:
            entry.seen.add(op)
        if op.context is not None:
            op.context.add_op(op)
        elif any(t.op.context is not None for t in op.inputs):
            from .contexts import check_input  # contexts need this module

            for t in op.inputs:
                check_input(op, t.op)
        return op

    def get_operations(self) -> list[Operation]:
        """Every operation, in order."""
        return list(self.operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation of a name.

        Raises:
            KeyError: No operation has that name.
        """
        if name not in self._by_name:
            raise InputError(
                f"The name {name!r} refers to an Operation not in the graph: "
                "graph.get_operations() lists them"
            )
        return self._by_name[name]

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor of a name such as `rnn/transpose_1:0`.

        Raises:
            InputError: No operation has that name, or that output.
        """
        op_name, _, index = name.partition(":")
        if not index.isdigit():
            raise InputError(
                f"The name {name!r} looks like the name of an Operation, not of a Tensor: write "
                f"'{op_name}:0'"
            )
        op = self._by_name.get(op_name)
        if op is None:
            raise InputError(
                f"The name {name!r} refers to a Tensor which does not exist. The operation, "
                f"{op_name!r}, does not exist in the graph; graph.get_operations() lists them"
            )
        if int(index) >= len(op.outputs):
            raise InputError(
                f"The name {name!r} refers to a Tensor which does not exist: {op_name!r} has "
                f"{len(op.outputs)} output(s)"
            )
        return op.outputs[int(index)]

    def as_graph_element(
        self, given: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Tensor | Operation:
        """The tensor or operation for itself, a variable or a name."""
        if isinstance(given, str):
            return (
                self.get_tensor_by_name(given)
                if ":" in given
                else self.get_operation_by_name(given)
            )
        element = getattr(given, "_as_graph_element", lambda: given)()
        if not isinstance(element, (Tensor, Operation)):
            raise InputError(f"{given!r} ({type(given).__name__}) is not a tensor or operation")
        if element.graph is not self:
            raise InputError(
                f"{element} is not in this session's graph: create the session after the graph "
                "(after tf.reset_default_graph()), or with tf.Session(graph=...)"
            )
        return element

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """The graph as a GraphDef; with `add_shapes` static shapes are attributes."""
        from ..files.graph_def import as_graph_def  # files need this module

        return as_graph_def(self, from_version, add_shapes)

    def finalize(self) -> None:
        """Close the graph to new operations."""
        self.finalized = True

    def as_default(self) -> AbstractContextManager:
        """Make this the default graph inside a `with`."""
        return on_top(graphs, self)

    # Names

    @property
    def scope(self) -> str:
        """The current name scope, without "/" at its end."""
        return self._scope

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """An unused name in the current scope, which is reserved unless `mark_as_used` is False."""
        name = f"{self._scope}/{name}" if self._scope else name
        # Names that differ only in case count as the same.
        key = base = name.lower()
        i = self._used.get(key, 0)
        if mark_as_used:
            self._used[key] = i + 1
        if i:
            while key in self._used:
                key = f"{base}_{i}"
                i += 1
            if mark_as_used:
                self._used[key] = 1
            name = f"{name}_{i - 1}"
        return name

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Add a prefix to names: a new prefix, an existing one (`"a/b/"`), or none (None)."""
        if (
            name
            and not _SCOPE_NAME.match(name)
            or name
            and not self._scope
            and not (_FIRST_NAME.match(name))
        ):
            raise InputError(
                f"{name!r} is not a valid scope name: use letters, digits and _ . - /, and begin "
                "with a letter, a digit or a period"
            )
        old = self._scope
        self._scope = (
            "" if not name else name[:-1] if name.endswith("/") else self.unique_name(name)
        )
        try:
            yield f"{self._scope}/" if self._scope else ""
        finally:
            self._scope = old

    # Collections

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Add a value to a collection."""
        self.collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Add a value to several collections."""
        for name in [names] if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list:
        """The values of a collection, of those whose names begin with `scope`."""
        found = list(self.collections.get(name, []))
        if scope is None:
            return found
        begins = re.compile(scope)
        return [v for v in found if hasattr(v, "name") and begins.match(v.name)]

    def get_collection_ref(self, name: Any) -> list:
        """The list of a collection itself."""
        return self.collections.setdefault(name, [])

    def get_all_collection_keys(self) -> list:
        """The names of all collections."""
        return [k for k in self.collections if isinstance(k, str)]

    def clear_collection(self, name: Any) -> None:
        """Empty a collection."""
        self.collections.pop(name, None)

    # Control dependencies

    def control_dependencies(self, control_inputs: Any) -> AbstractContextManager:
        """Run operations before all that are created inside a `with`; None for no dependencies,
        and outside of loops and branches.
        """
        if control_inputs is None:
            return _ControlDependencies(self, None)
        found: list[Operation] = []
        for given in control_inputs:
            if isinstance(given, IndexedSlices):
                given = given.op
            element = self.as_graph_element(given)
            op = element.op
            if op not in found:
                found.append(op)
        return _ControlDependencies(self, found)

    def _control_inputs_for(self, input_ops: set[Operation]) -> list[Operation]:
        # An operation whose input was created inside the same `with` depends on it anyway.
        found: list[Operation] = []
        for entry in self._control_stack:
            if not any(op in entry.seen for op in input_ops):
                found += [c for c in entry.control_inputs if c not in input_ops and c not in found]
        return found

    def device(self, device_name_or_function: Any) -> AbstractContextManager:
        """Accepted for compatibility: there is one device."""
        return nullcontext()

    def colocate_with(self, op: Any, ignore_existing: bool = False) -> AbstractContextManager:
        """Accepted for compatibility: there is one device."""
        return nullcontext()

    def container(self, container_name: str) -> AbstractContextManager:
        """Accepted for compatibility: a session has one set of variables."""
        return nullcontext()

    @contextmanager
    def gradient_override_map(self, op_type_map: Mapping[str, str]) -> Iterator[None]:
        """Not supported.

        Raises:
            NotProvided: Always.
        """
        raise NotProvided("Graph.gradient_override_map is not provided: gradients have one rule")
        yield


class _ControlDependencies(AbstractContextManager):
    def __init__(self, graph: Graph, control_inputs: list[Operation] | None):
        self.graph, self.control_inputs = graph, control_inputs or []
        self.new_stack = control_inputs is None
        self.seen: set[Operation] = set()

    def __enter__(self) -> "_ControlDependencies":
        if self.new_stack:
            self.old_stack, self.graph._control_stack = self.graph._control_stack, []
            self.old_context = self.graph.control_flow_context
            self.graph.control_flow_context = None
        self.graph._control_stack.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        self.graph._control_stack.remove(self)
        if self.new_stack:
            self.graph._control_stack = self.old_stack
            self.graph.control_flow_context = self.old_context


# Stacks of defaults, the current one last; the stack of graphs is never empty.
graphs: list[Graph] = [Graph()]
sessions: list = []


@contextmanager
def on_top(stack: list, value: Any) -> Iterator:
    """Make a graph or a session the default inside a `with`."""
    stack.append(value)
    try:
        yield value
    finally:
        if value in stack:
            # the last one: a value may be on the stack more than once
            del stack[len(stack) - 1 - stack[::-1].index(value)]


def get_default_graph() -> Graph:
    """The graph to which operations are added."""
    return graphs[-1]


def get_default_session() -> Any:
    """The default session, or None."""
    return sessions[-1] if sessions else None


def reset_default_graph() -> None:
    """Start a new default graph, without operations, variables and a seed.

    Raises:
        InputError: Inside `with graph.as_default()` or `with tf.Session()`.
    """
    if len(graphs) > 1:
        raise InputError(
            "tf.reset_default_graph() inside `with graph.as_default()` or `with tf.Session()`: "
            "call it outside the `with`"
        )
    graphs[0] = Graph()


def set_random_seed(seed: int | None) -> None:
    """Set the seed of the default graph. Later random operations derive their seeds from it and
    from their number.

    Args:
        seed: A whole number, or None for a different seed in each run.

    Raises:
        InputError: It is neither of them.
    """
    if seed is not None and not isinstance(seed, numbers.Integral):
        raise InputError(f"tf.set_random_seed({seed!r}): give a whole number, such as 777")
    graphs[-1].seed = None if seed is None else int(seed)


def session_for(session: Any, call: str) -> Any:
    """The given session, or the default one.

    Raises:
        InputError: No session is given or open.
    """
    if session is None and not sessions:
        raise InputError(
            f"{call} needs a session: write it inside `with tf.Session():`, or pass session=sess"
        )
    return sessions[-1] if session is None else session


# Functions on the default graph


@contextmanager
def name_scope(name: str | None, default_name: str | None = None, values: Any = None) -> Iterator:
    """Add a prefix to the names of operations.

    Args:
        name: The prefix; None for `default_name`.
        default_name: See `name`.
        values: Accepted for compatibility.
    """
    with graphs[-1].name_scope(default_name if name is None else name) as scope:
        yield scope


@contextmanager
def op_scope(values: Any, name: str | None, default_name: str | None = None) -> Iterator:
    """`name_scope` with the arguments in another order."""
    with name_scope(name, default_name, values) as scope:
        yield scope


def control_dependencies(control_inputs: Any) -> AbstractContextManager:
    """Run operations before all that are created inside a `with`."""
    return graphs[-1].control_dependencies(control_inputs)


def colocate_with(op: Any, ignore_existing: bool = False) -> AbstractContextManager:
    """Accepted for compatibility: there is one device."""
    return nullcontext()


@contextmanager
def init_scope() -> Iterator[None]:
    """Create operations outside of loops, branches and control dependencies."""
    graph = graphs[-1]
    scope = graph.scope
    with graph.control_dependencies(None), graph.name_scope(f"{scope}/" if scope else None):
        yield


# Converters of other types to tensors, by type; `convert_to_tensor` tries them in order.
_CONVERTERS: list[tuple[type, Callable]] = []


def register_conversion(kind: type, function: Callable) -> None:
    """Convert values of a type by function(value, dtype, name) in `convert_to_tensor`."""
    _CONVERTERS.append((kind, function))


def convert_to_tensor(
    value: TensorLike,
    dtype: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
    *,
    as_ref: bool = False,
) -> Tensor:
    """Convert a value to a tensor: a tensor itself, the value of a variable, or a constant.

    Args:
        value: The value.
        dtype: The dtype it must have; None for its own.
        name: The name of the constant.
        preferred_dtype: The dtype to try first where `dtype` is None.
        as_ref: For a variable, the variable itself and not its value.

    Raises:
        InputError: It is a tensor of another dtype.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        if wanted is not None and wanted.base_dtype != value.dtype.base_dtype:
            raise InputError(
                f"{value} has dtype {value.dtype.name} where {wanted.name} is expected: "
                f"write tf.cast(x, tf.{wanted.base_dtype.name})"
            )
        return value
    for kind, function in _CONVERTERS:
        if isinstance(value, kind):
            named = {"as_ref": True} if as_ref else {}
            return function(value, dtype=wanted, name=name, **named)
    from .constant import constant, packs  # constants are operations, which need this module

    if wanted is None and preferred_dtype is not None:
        try:
            return constant(value, dtype=preferred_dtype, name=name or "Const")
        except (InputError, TypeError, ValueError):
            pass
    if packs(value):
        from ..ops.arrays import pack_list  # a list with tensors in it is packed

        return pack_list(value, wanted, name)
    return constant(value, dtype=wanted, name=name or "Const")


def apply(
    type: str,  # noqa: A002
    inputs: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    attrs: Mapping[str, Any] | None = None,
    dtypes: Mapping[str, Any] | None = None,
    same: Sequence[str] = (),
) -> Operation:
    """Add an operation, as TensorFlow's generated functions do: convert the inputs in a name scope
    of the operation, each under the name of its argument.

    Args:
        type: The type of the operation.
        inputs: Values by argument; a list of values is converted element by element, under the
            names argument_0, argument_1 and so on.
        name: The name of the operation; None for its type.
        attrs: Its attributes.
        dtypes: The dtypes that some arguments must have, by argument.
        same: Arguments that must have one dtype: that of the first one that is a tensor, or, if
            none is, of the first one.

    Returns:
        The operation; see its `outputs`.
    """
    graph = get_default_graph()
    dtypes = dict(dtypes or {})
    found: list[Tensor] = []
    with graph.name_scope(name or type) as scope:
        shared: DType | None = None
        for argument, value in (inputs or {}).items():
            wanted = dtypes.get(argument)
            in_same = argument in same
            if in_same and shared is not None:
                wanted = shared
            preferred = None
            if isinstance(value, (list, tuple)) and argument.endswith("*"):
                stem = argument[:-1]
                if in_same and shared is None:
                    shared = next(
                        (v.dtype.base_dtype for v in value if isinstance(v, Operand)), None
                    )
                    wanted = wanted or shared
                for i, v in enumerate(value):
                    t = convert_to_tensor(v, wanted, f"{stem}_{i}")
                    if in_same and shared is None:
                        shared = wanted = t.dtype.base_dtype
                    found.append(t)
                continue
            if in_same and shared is None and wanted is None and not isinstance(value, Operand):
                others = (v for a, v in (inputs or {}).items() if a in same)
                preferred = next(
                    (v.dtype.base_dtype for v in others if isinstance(v, Operand)), None
                )
            t = convert_to_tensor(value, wanted if wanted is not None else preferred, argument)
            if in_same and shared is None:
                shared = t.dtype.base_dtype
            found.append(t)
        return graph.create_op(type, found, scope, attrs)


def add_to_collection(name: Any, value: Any) -> None:
    """Add a value to a collection of the default graph."""
    graphs[-1].add_to_collection(name, value)


def add_to_collections(names: Any, value: Any) -> None:
    """Add a value to several collections of the default graph."""
    graphs[-1].add_to_collections(names, value)


def get_collection(key: Any, scope: str | None = None) -> list:
    """The values of a collection, of those whose names begin with `scope`."""
    return graphs[-1].get_collection(key, scope)


def get_collection_ref(key: Any) -> list:
    """The list of a collection itself."""
    return graphs[-1].get_collection_ref(key)


def device(device_name_or_function: Any) -> AbstractContextManager:
    """Accepted for compatibility: there is one device."""
    return nullcontext()


def container(container_name: str) -> AbstractContextManager:
    """Accepted for compatibility: a session has one set of variables."""
    return nullcontext()
