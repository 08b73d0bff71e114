"""Private: the graph: operations with TensorFlow 1's names in its order, symbolic tensors, and
scopes.

TensorFlow 1 derives the seed of a random operation from the number of operations in the graph.
Therefore this graph contains every operation that TensorFlow 1.13.1 would add, by name. The
operations of a call are written as a *recipe*:

    transpose                 one operation
    concat(values_0 axis)     operations in its name scope before it
    MatMul[Enter]             operations in its name scope after it; they exist only in a loop or,
                              as Switch, in a branch
    Assert{Const Assert}      a name scope that is not an operation
    Add=c                     a mark, by which the caller finds the operation
    $kernel                   no operation: the caller creates a variable here

Names are made unique as in TensorFlow, so a recipe may contain `Const` twice. Values are computed
by `Computation`s, independently of names.
"""

import functools
import itertools
import numbers
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
import torch

from ..errors import InputError, OstinatoError
from . import random

__all__ = [
    "Computation",
    "DTYPES",
    "DType",
    "DTypeLike",
    "Initializer",
    "Marks",
    "NotProvided",
    "Operand",
    "Operation",
    "Tensor",
    "ScopeLike",
    "StateLike",
    "TensorFlowGraph",
    "TensorLike",
    "TensorShape",
    "VariableScope",
    "as_dtype",
    "get_default_graph",
    "on_top",
    "reset_default_graph",
    "session_for",
    "set_random_seed",
]


# Types of arguments that TensorFlow accepts in several forms.
TensorLike = Any  # a tensor, a variable, an array, a number or nested lists of numbers
StateLike = Any  # a tensor or nested tuples of tensors
Initializer = Any  # an initializer, its class, a tensor or an array; None for the default


class NotProvided(OstinatoError, AttributeError):
    """A name of TensorFlow that ostinato.tf1 does not provide."""


class DType:
    """The dtype of a tensor.

    Attributes:
        name: The name in TensorFlow.
        torch, as_numpy_dtype: The dtype in torch and in NumPy.
        is_floating: Whether it is a floating-point dtype.
    """

    def __init__(self, name: str):
        self.name = name
        self.torch: torch.dtype = getattr(torch, name)
        self.as_numpy_dtype, self.is_floating = np.dtype(name).type, self.torch.is_floating_point

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"


DTypeLike = DType | str | type
DTYPES = {name: DType(name) for name in ("float32", "float64", "int32", "int64", "bool")}


def as_dtype(given: Any) -> DType:
    """The DType for a DType, a name or a NumPy dtype.

    Raises:
        InputError: The dtype is not supported.
    """
    # `float` is float32 in TensorFlow and float64 in NumPy.
    given = (
        {float: "float32", "float": "float32", "double": "float64"}.get(given, given)
        if isinstance(given, (type, str))
        else given
    )
    name = (
        np.dtype(given).name
        if isinstance(given, type)
        else given
        if isinstance(given, str)
        else getattr(given, "name", None)
    )
    if name not in DTYPES:
        raise InputError(
            f"dtype {given!r} is not provided: use one of {', '.join('tf.' + n for n in DTYPES)}"
        )
    return DTYPES[name]


class TensorShape(tuple):
    """A static shape; a size that is known only in a run is None."""

    @property
    def ndims(self) -> int:
        """The number of dimensions."""
        return len(self)

    def as_list(self) -> list[int | None]:
        """The sizes."""
        return list(self)

    def is_fully_defined(self) -> bool:
        """Whether every size is known."""
        return None not in self

    def __str__(self) -> str:
        inner = ", ".join("?" if d is None else str(d) for d in self)
        return f"({inner},)" if len(self) == 1 else f"({inner})"

    def __repr__(self) -> str:
        return f"TensorShape({self})"


class Operation:
    """An operation, with its name and number. Its values, if it has any, are computed by its
    tensors.

    Attributes:
        name: The name in TensorFlow 1.
        graph: The graph of the operation.
        outputs: Its output tensors, if this module computes them.
        seeds: For a random op, its seed and seed2.
    """

    def __init__(self, graph: "TensorFlowGraph", name: str):
        self.graph, self.name = graph, name
        self.outputs: list[Tensor] = []
        self.seeds: tuple[int, int] | None = None
        self.effect: Computation | None = None
        graph.operations.append(self)
        self._id = len(graph.operations)

    def computed(
        self, dtype: DType, shape: Any, inputs: Sequence["Tensor"], function: Callable
    ) -> "Tensor":
        """The output of the operation, computed from tensors.

        Args:
            dtype, shape: The dtype and the shape of the output.
            inputs: The tensors that it depends on.
            function: Takes their values as torch tensors and returns the value of the output.
        """
        return Tensor(
            self, dtype, shape, Computation(inputs, lambda run, *values: (function(*values),))
        )

    def run(self, feed_dict: Mapping | None = None, session: Any = None) -> None:
        """Run the operation for its effect, in the given session or the default one."""
        session_for(session, f"{self.name}.run()").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r}>"


class Computation:
    """Computes the values of some tensors in a run.

    Args:
        inputs: The tensors that it depends on.
        function: Takes the run and the values of the inputs, and returns a tuple of torch tensors.
        sources: For gradients, the tensors with respect to which they are taken.
    """

    __slots__ = ("inputs", "function", "sources")

    def __init__(
        self, inputs: Sequence["Tensor"], function: Callable, sources: Sequence["Tensor"] = ()
    ):
        self.inputs, self.function, self.sources = tuple(inputs), function, tuple(sources)


class Operand:
    """Base class of tensors and variables, the operands of expressions. `operations.py` adds the
    operators + - * / @ and indexing.
    """

    op: "Operation"
    dtype: DType
    shape: TensorShape
    __array_priority__ = 100
    if TYPE_CHECKING:
        # `operations.py`, `logic.py` and `shapes.py` define the operators.
        def __add__(self, other: TensorLike, /) -> "Tensor": ...
        def __radd__(self, other: TensorLike, /) -> "Tensor": ...
        def __sub__(self, other: TensorLike, /) -> "Tensor": ...
        def __rsub__(self, other: TensorLike, /) -> "Tensor": ...
        def __mul__(self, other: TensorLike, /) -> "Tensor": ...
        def __rmul__(self, other: TensorLike, /) -> "Tensor": ...
        def __truediv__(self, other: TensorLike, /) -> "Tensor": ...
        def __rtruediv__(self, other: TensorLike, /) -> "Tensor": ...
        def __matmul__(self, other: TensorLike, /) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __lt__(self, other: TensorLike, /) -> "Tensor": ...
        def __le__(self, other: TensorLike, /) -> "Tensor": ...
        def __gt__(self, other: TensorLike, /) -> "Tensor": ...
        def __ge__(self, other: TensorLike, /) -> "Tensor": ...
        def __getitem__(self, index: Any, /) -> "Tensor": ...

    __hash__ = object.__hash__

    @property
    def graph(self) -> "TensorFlowGraph":
        """The graph of the value."""
        return self.op.graph

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return self.shape

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self} has no value before it is run: it cannot be used in `if`; run it first, "
            "sess.run(...)"
        )

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"{self} cannot be looped over before it is run; run it first, sess.run(...), or use "
            f"tf.unstack"
        )

    def __len__(self) -> NoReturn:
        raise TypeError(
            f"len() of {self} is not known before it is run; see .shape for the known sizes"
        )


class Tensor(Operand):
    """A symbolic tensor, whose value a session computes.

    Attributes:
        op: The operation that computes it.
        dtype, shape: The static dtype and shape.
    """

    def __init__(
        self, op: Operation, dtype: DType, shape: Any, computation: Computation, slot: int = 0
    ):
        self.op, self.dtype, self.shape = op, dtype, TensorShape(shape)
        self.computation, self.slot, self.index = computation, slot, len(op.outputs)
        op.outputs.append(self)

    @property
    def name(self) -> str:
        """The operation's name and the number of the output."""
        return f"{self.op.name}:{self.index}"

    def eval(self, feed_dict: Mapping | None = None, session: Any = None) -> np.ndarray:
        """The value of the tensor in a session.

        Args:
            feed_dict: Values for placeholders.
            session: The session to run in; None for the default one (`with tf.Session():`, or an
                InteractiveSession).
        """
        return session_for(session, f"{self.name}.eval()").run(self, feed_dict)

    def __str__(self) -> str:
        return f'Tensor("{self.name}", shape={self.shape}, dtype={self.dtype.name})'

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={self.shape} dtype={self.dtype.name}>"


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


_CLOSING = {"(": ")", "[": "]", "{": "}"}


@functools.cache
def _parse(recipe: str) -> tuple:
    """The operations of a recipe: name, mark, the operations before and after it in its scope, and
    whether it is only a scope.
    """
    tokens = re.findall(r"=?[^\s(){}\[\]=]+|[(){}\[\]]", recipe)

    def nodes(end=None):
        found = []
        while tokens and (name := tokens.pop(0)) != end:
            inside = {}
            while tokens and tokens[0] in _CLOSING:
                bracket = tokens.pop(0)
                inside[bracket] = nodes(_CLOSING[bracket])
            mark = tokens.pop(0)[1:] if tokens and tokens[0][0] == "=" else ""
            found.append(
                (
                    name,
                    mark,
                    inside.get("(", inside.get("{", ())),
                    inside.get("[", ()),
                    "{" in inside,
                )
            )
        return tuple(found)

    return nodes()


class Marks(dict[str, Operation]):
    """The marked operations of a recipe, by mark. `last` is the last operation outside any
    bracket.
    """

    last: Operation


@dataclass
class VariableScope:
    """The scope of variable names, with defaults for variables.

    Attributes:
        name: The prefix of its variables' names.
        original_name_scope: The name scope in which it was first opened.
        reuse: True to use existing variables, False to create new ones, "auto" for both.
        initializer: The default initializer; None for glorot_uniform.
        use_resource: Whether variables are resource variables, which add more operations to the
            graph.
    """

    name: str
    original_name_scope: str
    reuse: bool | str = False
    initializer: Callable | Tensor | None = None
    use_resource: bool = False

    def reuse_variables(self) -> None:
        """Use existing variables in this scope and in later inner scopes, and create none."""
        self.reuse = True


ScopeLike = VariableScope | str | None


class TensorFlowGraph:
    """The operations, variables and seed of a program (tf.Graph).

    Attributes:
        seed: The seed set by `tf.set_random_seed`, or None.
        operations: Every operation, in order.
        variables: Every variable, in order.
        variable_scope: The current variable scope.
        loop: The operation by which recorded operations take values from outside: "Enter" in the
            body of a loop, "Switch" in a branch, or else "".
        captures: The number of values that the first operation of the next recipe takes from
            outside a branch.
        cached: Whether resource variables are read only once, as in the functions that run cells
            over sequences.
        uncounted: The first call after which the number of operations differs from TensorFlow's, or
            None.
    """

    def __init__(self):
        self.seed: int | None = None
        self.operations: list[Operation] = []
        self.variables: list = []
        self.variable_scope = VariableScope("", "")
        self.loop, self.captures, self.cached = "", 0, False
        self.uncounted: str | None = None
        self._scope, self._used, self._opened = "", dict[str, int](), dict[str, int]()

    def as_default(self) -> AbstractContextManager:
        """Make this the default graph inside a `with`."""
        return on_top(graphs, self)

    def get_operations(self) -> list[Operation]:
        """Every operation, in order."""
        return list(self.operations)

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor of a name such as `rnn/transpose_1:0`.

        Raises:
            InputError: No operation has that name, or its value is not computed here.
        """
        op_name, _, index = name.partition(":")
        op = next((o for o in self.operations if o.name == op_name), None)
        if op is None:
            raise InputError(
                f"{name!r} is not an operation of this graph; graph.get_operations() lists them"
            )
        if not index.isdigit() or int(index) >= len(op.outputs):
            raise InputError(
                f"{name!r} has no value: write 'name:0'; operations inside a loop have only "
                f"names and numbers"
            )
        return op.outputs[int(index)]

    def unique_name(self, name: str) -> str:
        """Reserve an unused name in the current scope."""
        name = f"{self._scope}/{name}" if self._scope else name
        # Names that differ only in case count as the same.
        key = base = name.lower()
        i = self._used.get(key, 0)
        self._used[key] = i + 1
        if i:
            while key in self._used:
                key = f"{base}_{i}"
                i += 1
            self._used[key] = 1
            name = f"{name}_{i - 1}"
        return name

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Add a prefix to names: a new prefix, an existing one (`"a/b/"`), or none (None)."""
        old = self._scope
        self._scope = (
            "" if not name else name[:-1] if name.endswith("/") else self.unique_name(name)
        )
        try:
            yield f"{self._scope}/" if self._scope else ""
        finally:
            self._scope = old

    def record(self, recipe: str, variable: Callable[[str], object] | None = None) -> Marks:
        """Add the operations of a recipe to the current scope.

        Args:
            recipe: See the top of this file.
            variable: Creates the variable for a name in the recipe.
        """
        marks, inside, taken, self.captures = Marks(), self.loop, self.captures, 0

        def add(nodes: tuple, constant: bool = False) -> Operation | None:
            nonlocal taken
            op = None
            for name, mark, before, after, scope_only in nodes:
                if name[0] == "$":
                    assert variable is not None, recipe
                    variable(name[1:])
                    continue
                with self.name_scope(inside if name == "Enter" else name) as scope:
                    op = add(before, not scope_only)
                    if not scope_only:
                        op = Operation(self, scope[:-1])
                        if mark:
                            marks[mark] = op
                        if taken and not constant and name != "Const":
                            after, taken = taken * _parse("Enter") + after, 0
                    if inside:
                        add(after, True)
            return op

        # An empty recipe has no last operation.
        if (last := add(_parse(recipe))) is not None:
            marks.last = last
        return marks

    def computed(
        self, recipe: str, dtype: DType, shape: Any, inputs: Sequence[Tensor], function: Callable
    ) -> Tensor:
        """Record a recipe, and compute its last operation from tensors.

        Args:
            recipe: See the top of this file.
            dtype, shape, inputs, function: See `Operation.computed`.
        """
        return self.record(recipe).last.computed(dtype, shape, inputs, function)

    def random_uniform(
        self, recipe: str, seed: int | None, variable: Callable[[str], object] | None = None
    ) -> Marks:
        """Record a recipe with one operation marked `random`, and set the seeds of that operation.

        Args:
            recipe, variable: See `record`.
            seed: The seed of the operation, or None.

        Raises:
            InputError: The seed depends on an unknown number of operations.
        """
        if seed is None and self.seed is not None and self.uncounted:
            raise InputError(
                f"a random operation after {self.uncounted}: its seed depends on the number "
                f"of operations that TensorFlow 1 adds there, which is unknown here. Create it "
                f"before {self.uncounted}, or give its initializer a seed"
            )
        marks = self.record(recipe, variable)
        # TensorFlow derives the seed after adding the bounds and before adding the operation.
        marks["random"].seeds = random.op_seeds(self.seed, seed, marks["random"]._id - 1)
        return marks

    @contextmanager
    def open_variable_scope(
        self,
        name_or_scope: "str | VariableScope | None",
        *,
        default_name: str | None = None,
        reuse: bool | str | None = None,
        initializer: Initializer = None,
        use_resource: bool | None = None,
    ) -> Iterator[VariableScope]:
        """Add a prefix to the names of variables, and open a name scope of the same name.

        Args:
            name_or_scope: A name in the current scope, or an existing scope; None for
                `default_name`.
            default_name: The name for None; a number is added if it is in use.
            reuse, initializer, use_resource: See `VariableScope`; None for the outer scope's.
        """
        outer, opened = self.variable_scope, dict(self._opened)
        if isinstance(name_or_scope, VariableScope):
            given, full = name_or_scope, name_or_scope.name
            name_scope = full.rsplit("/", 1)[-1]
        else:
            given, name_scope = outer, name_or_scope or default_name
            name = name_or_scope or self._unopened(cast(str, default_name))
            full = f"{outer.name}/{name}" if outer.name else name
        reuse = reuse or given.reuse
        initializer = given.initializer if initializer is None else initializer
        use_resource = given.use_resource if use_resource is None else use_resource
        self._opened[full] = self._opened.get(full, 0) + 1
        with self.name_scope(name_scope or f"{self._scope}/") as scope:
            original = (
                given.original_name_scope if isinstance(name_or_scope, VariableScope) else scope
            )
            self.variable_scope = VariableScope(full, original, reuse, initializer, use_resource)
            try:
                yield self.variable_scope
            finally:
                self.variable_scope = outer
                if isinstance(name_or_scope, VariableScope):
                    self._opened = opened
                else:
                    for below in self._opened:
                        if below.startswith(f"{full}/"):
                            self._opened[below] = 0

    @contextmanager
    def again(self, scope: VariableScope) -> Iterator[None]:
        """Enter a variable scope again, with the name scope in which it was first opened."""
        outer, self.variable_scope = self.variable_scope, scope
        try:
            with self.name_scope(scope.original_name_scope):
                yield
        finally:
            self.variable_scope = outer

    def _unopened(self, name: str) -> str:
        prefix = f"{self.variable_scope.name}/" if self.variable_scope.name else ""
        if not self._opened.get(prefix + name):
            return name
        return next(
            f"{name}_{i}" for i in itertools.count(1) if not self._opened.get(f"{prefix}{name}_{i}")
        )


# Stacks of defaults, the current one last; the stack of graphs is never empty.
graphs: list[TensorFlowGraph] = [TensorFlowGraph()]
sessions: list = []


@contextmanager
def on_top(stack: list, value: Any) -> Iterator:
    """Make a graph or a session the default inside a `with`."""
    stack.append(value)
    try:
        yield value
    finally:
        if value in stack:
            stack.remove(value)


def get_default_graph() -> TensorFlowGraph:
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
    graphs[0] = TensorFlowGraph()


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
