"""Private: the graph: operations with types, inputs and attributes, named and numbered as in
TensorFlow 1.

TensorFlow 1 derives the seed of a random operation from the number of operations in the graph.
Therefore every function of ostinato.tf1 adds the operations that TensorFlow 1.13.1 adds, in its
order. `registry.py` says what an operation of each type computes.
"""

import numbers
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ...errors import EngineError, InputError
from .defaults import on_top
from .errors import NotProvided, UnknownName
from .registry import definition
from .shape import as_shape
from .tensors import IndexedSlices, Operation, Tensor

if TYPE_CHECKING:
    from ..flow.contexts import ControlFlowContext

__all__ = [
    "Graph",
    "add_to_collection",
    "add_to_collections",
    "colocate_with",
    "container",
    "control_dependencies",
    "device",
    "get_collection",
    "get_collection_ref",
    "get_default_graph",
    "init_scope",
    "name_scope",
    "op_scope",
    "reset_default_graph",
    "set_random_seed",
]


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
        if self.finalized:
            raise self._closed(f"the operation {name or type!r} ({type}) was added")
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
            from ..flow.contexts import check_input  # contexts need this module

            for t in op.inputs:
                check_input(op, t.op)
        return op

    def get_operations(self) -> list[Operation]:
        """Every operation, in order."""
        return list(self.operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation of a name.

        Raises:
            UnknownName: No operation has that name.
            InputError: It is the name of a tensor.
        """
        if not isinstance(name, str) or ":" in name:
            raise InputError(
                f"{name!r} is not the name of an Operation: give a name such as 'rnn/transpose_1', "
                "or get a tensor with graph.get_tensor_by_name('rnn/transpose_1:0')"
            )
        return self._named(name, f"The name {name!r} refers to an Operation which does not exist.")

    def _named(self, name: str, found: str) -> Operation:
        if name not in self._by_name:
            raise UnknownName(
                f"{found} The operation, {name!r}, does not exist in the graph: give one of "
                "[op.name for op in graph.get_operations()]"
            )
        return self._by_name[name]

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor of a name such as `rnn/transpose_1:0`.

        Raises:
            UnknownName: No operation has that name, or that output.
            InputError: It is not the name of a tensor.
        """
        op_name, _, index = name.partition(":") if isinstance(name, str) else (name, "", "")
        if not index.isdecimal():
            raise InputError(
                f"The name {name!r} looks like the name of an Operation, not of a Tensor: write "
                f"'{op_name}:0'"
            )
        found = f"The name {name!r} refers to a Tensor which does not exist."
        op = self._named(op_name, found)
        if int(index) >= len(op.outputs):
            raise UnknownName(
                f"{found} The operation, {op_name!r}, has {len(op.outputs)} output(s): give a "
                "number below that"
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

    def _closed(self, change: str) -> EngineError:
        return EngineError(
            f"Graph is finalized and cannot be modified: {change} after graph.finalize(); build "
            "the whole graph before that"
        )

    def finalize(self) -> None:
        """Close the graph to new operations and collections."""
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
        """Add a value to a collection.

        Raises:
            EngineError: The graph is finalized.
        """
        if self.finalized:
            raise self._closed(f"{value} was added to the collection {name!r}")
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


# The default graphs, the current one last; never empty.
graphs: list[Graph] = [Graph()]


def get_default_graph() -> Graph:
    """The graph to which operations are added."""
    return graphs[-1]


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
