"""The graph: named operations in TensorFlow 1's order and under its names, tensors that stand for
values, and scopes.

TensorFlow 1 derives the seed of a random op from how many operations the graph already has. So the
graph here holds every operation that TensorFlow 1.13.1 would put into it, by name; a call's
operations are written down as a *recipe*:

    transpose                 one operation concat(values_0 axis)     operations inside its name
    scope before it MatMul[Enter]             operations inside its name scope after it, which exist
    only within a loop or, as Switch, a branch Assert{Const Assert}      a name scope that is no
    operation itself Add=c                     a mark, by which the caller finds the operation again
    $kernel                   no operation: the caller makes a variable here

Names are made unique as TensorFlow does, so a recipe may say `Const` twice. Values are computed by
`Computation`s, which know nothing of names.
"""

import functools
import itertools
import numbers
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import InputError, OstinatoError
from . import random


class NotProvided(OstinatoError, AttributeError):
    """Something of TensorFlow that this module does not have."""


class DType:
    """The kind of number that a tensor holds.

    Attributes:
        name: As TensorFlow names it.
        torch, as_numpy_dtype: The same in torch and NumPy.
        is_floating: Whether it holds fractions.
    """

    def __init__(self, name: str):
        self.name = name
        self.torch: torch.dtype = getattr(torch, name)
        self.as_numpy_dtype, self.is_floating = np.dtype(name).type, self.torch.is_floating_point

    def __repr__(self):
        return f"tf.{self.name}"

    def __str__(self):
        return f"<dtype: {self.name!r}>"


DTYPES = {name: DType(name) for name in ("float32", "float64", "int32", "int64", "bool")}


def as_dtype(given) -> DType:
    """A dtype from a DType, its name, or NumPy's.

    Raises:
        InputError: There is no such dtype here.
    """
    # TensorFlow's float is of 32 bits, where NumPy's is of 64.
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
    """Sizes known before the program runs; None where one is known only then."""

    @property
    def ndims(self) -> int:
        """How many dimensions."""
        return len(self)

    def as_list(self) -> list[int | None]:
        """The sizes."""
        return list(self)

    def is_fully_defined(self) -> bool:
        """Whether every size is known."""
        return None not in self

    def __str__(self):
        inner = ", ".join("?" if d is None else str(d) for d in self)
        return f"({inner},)" if len(self) == 1 else f"({inner})"

    def __repr__(self):
        return f"TensorShape({self})"


class Operation:
    """An operation by its name and number; what computes its values, if anything does, is the
    tensors' business.

    Attributes:
        name: As TensorFlow 1 names it.
        graph: The graph that it is in.
        outputs: The tensors that it gives, where this module computes them.
        seeds: For a random op, its seed and seed2.
    """

    def __init__(self, graph: "Graph", name: str):
        self.graph, self.name = graph, name
        self.outputs: list[Tensor] = []
        self.seeds: tuple[int, int] | None = None
        self.effect: Computation | None = None
        graph.operations.append(self)
        self._id = len(graph.operations)

    def computed(
        self, dtype: DType, shape, inputs: Sequence["Tensor"], function: Callable
    ) -> "Tensor":
        """Its output, computed from tensors.

        Args:
            dtype, shape: The output's.
            inputs: The tensors that it is computed from.
            function: From their values, as torch tensors, to its own.
        """
        return Tensor(
            self, dtype, shape, Computation(inputs, lambda run, *values: (function(*values),))
        )

    def run(self, feed_dict=None, session=None) -> None:
        """Run it for its effect, in the session given or the default one."""
        session_for(session, f"{self.name}.run()").run(self, feed_dict)

    def __repr__(self):
        return f"<tf.Operation {self.name!r}>"


class Computation:
    """How some tensors get their values in a run.

    Args:
        inputs: The tensors needed first.
        function: Takes the run and the inputs' values, returns a tuple of torch tensors.
        sources: For gradients, the tensors with respect to which they are.
    """

    __slots__ = ("inputs", "function", "sources")

    def __init__(
        self, inputs: Sequence["Tensor"], function: Callable, sources: Sequence["Tensor"] = ()
    ):
        self.inputs, self.function, self.sources = tuple(inputs), function, tuple(sources)


class Value:
    """What an expression can be made of: tensors and variables. `operations.py` gives it + - * / @
    and indexing.
    """

    __array_priority__ = 100
    __hash__ = object.__hash__

    @property
    def graph(self) -> "Graph":
        """The graph that it is in."""
        return self.op.graph

    def get_shape(self) -> TensorShape:
        """The shape, as far as it is known."""
        return self.shape

    def __bool__(self):
        raise TypeError(
            f"{self} has no value before it is run: `if` cannot ask it; run it first, sess.run(...)"
        )

    def __iter__(self):
        raise TypeError(
            f"{self} cannot be looped over before it is run; run it first, sess.run(...), or use "
            f"tf.unstack"
        )

    def __len__(self):
        raise TypeError(
            f"len() of {self} is not known before it is run; ask .shape for what is known"
        )


class Tensor(Value):
    """What stands for a value of a graph until a session runs it.

    Attributes:
        op: The operation that it comes from.
        dtype, shape: What is known of it beforehand.
    """

    def __init__(self, op: Operation, dtype: DType, shape, computation: Computation, slot: int = 0):
        self.op, self.dtype, self.shape = op, dtype, TensorShape(shape)
        self.computation, self.slot, self.index = computation, slot, len(op.outputs)
        op.outputs.append(self)

    @property
    def name(self) -> str:
        """The operation's name and the number of the output."""
        return f"{self.op.name}:{self.index}"

    def eval(self, feed_dict=None, session=None) -> np.ndarray:
        """Its value.

        Args:
            feed_dict: Values for placeholders.
            session: The session to run in; None for the default one (`with tf.Session():`, or an
                InteractiveSession).
        """
        return session_for(session, f"{self.name}.eval()").run(self, feed_dict)

    def __str__(self):
        return f'Tensor("{self.name}", shape={self.shape}, dtype={self.dtype.name})'

    def __repr__(self):
        return f"<tf.Tensor {self.name!r} shape={self.shape} dtype={self.dtype.name}>"


def session_for(session, call: str):
    """The session given, or the default one.

    Raises:
        InputError: There is neither.
    """
    if session is None and not sessions:
        raise InputError(
            f"{call} needs a session: write it inside `with tf.Session():`, or pass session=sess"
        )
    return sessions[-1] if session is None else session


_CLOSING = {"(": ")", "[": "]", "{": "}"}


@functools.cache
def _parse(recipe: str) -> tuple:
    """A recipe's operations: name, mark, what comes before it and after it in its scope, and
    whether it is a scope alone.
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


class Marks(dict):
    """The operations of a recipe that bear a mark, by mark; `last` is the last one outside any
    bracket.
    """

    last: Operation


@dataclass
class VariableScope:
    """Where variables are named, and how they begin.

    Attributes:
        name: The prefix of its variables' names.
        original_name_scope: The name scope in which it was first opened.
        reuse: True to find variables that exist, False to make new ones, "auto" for either.
        initializer: What begins a variable that names no initialiser; None for glorot_uniform.
        use_resource: Whether variables are of TensorFlow's newer kind, which takes more operations.
    """

    name: str
    original_name_scope: str
    reuse: bool | str = False
    initializer: Callable | Tensor | None = None
    use_resource: bool = False

    def reuse_variables(self) -> None:
        """From now on find variables that exist, and make none, in this scope and those opened
        below it.
        """
        self.reuse = True


class Graph:
    """A program's operations, variables and seed.

    Attributes:
        seed: What `tf.set_random_seed` was given, or None.
        operations: Every operation, in order.
        variables: Every variable, in order.
        variable_scope: The scope that variables are named in now.
        loop: How what is recorded now takes values from outside: "Enter" in the body of a loop,
            "Switch" in a branch, else "".
        captures: How many values the next recipe's first operation takes from outside a branch.
        cached: Whether it reads the newer kind of variables once for all, as what runs cells over
            sequences has it.
        uncounted: The call after which the number of operations is not TensorFlow's any more, or
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

    def as_default(self):
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
                f"{name!r} is in no operation of this graph; graph.get_operations() lists them"
            )
        if not index.isdigit() or int(index) >= len(op.outputs):
            raise InputError(
                f"{name!r} has no value: write 'name:0'; operations inside a loop are kept for "
                f"their names and numbers only"
            )
        return op.outputs[int(index)]

    def unique_name(self, name: str) -> str:
        """A name in the current scope that is not in use yet; it is in use from now on."""
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
        """Put a prefix before names: a new one, an old one again (`"a/b/"`), or none at all
        (None).
        """
        old = self._scope
        self._scope = (
            "" if not name else name[:-1] if name.endswith("/") else self.unique_name(name)
        )
        try:
            yield f"{self._scope}/" if self._scope else ""
        finally:
            self._scope = old

    def record(self, recipe: str, variable: Callable[[str], object] | None = None) -> Marks:
        """Add a recipe's operations in the current scope.

        Args:
            recipe: See the top of this file.
            variable: Makes a variable of a name that the recipe has.
        """
        marks, inside, taken, self.captures = Marks(), self.loop, self.captures, 0

        def add(nodes, constant=False):
            nonlocal taken
            op = None
            for name, mark, before, after, scope_only in nodes:
                if name[0] == "$":
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

        marks.last = add(_parse(recipe))
        return marks

    def computed(
        self, recipe: str, dtype: DType, shape, inputs: Sequence[Tensor], function: Callable
    ) -> Tensor:
        """Record a recipe whose last operation is computed from tensors.

        Args:
            recipe: See the top of this file.
            dtype, shape, inputs, function: See `Operation.computed`.
        """
        return self.record(recipe).last.computed(dtype, shape, inputs, function)

    def random_uniform(
        self, recipe: str, seed: int | None, variable: Callable[[str], object] | None = None
    ) -> Marks:
        """Record a recipe with one operation marked `random`, and give that one its seeds.

        Args:
            recipe, variable: See `record`.
            seed: The operation's own seed, or None.

        Raises:
            InputError: The seed depends on a number of operations that is not known.
        """
        if seed is None and self.seed is not None and self.uncounted:
            raise InputError(
                f"a random operation after {self.uncounted}: its seed depends on how many "
                f"operations TensorFlow 1 puts in there, which "
                f"is not known here. Make it before {self.uncounted}, or give its initialiser a "
                f"seed of its own"
            )
        marks = self.record(recipe, variable)
        # TensorFlow asks for the seed when the bounds exist and the operation itself does not.
        marks["random"].seeds = random.op_seeds(self.seed, seed, marks["random"]._id - 1)
        return marks

    @contextmanager
    def open_variable_scope(
        self,
        name_or_scope: "str | VariableScope | None",
        *,
        default_name: str | None = None,
        reuse=None,
        initializer=None,
        use_resource=None,
    ) -> Iterator[VariableScope]:
        """Put a prefix before variables' names, and open a name scope with it.

        Args:
            name_or_scope: A name below the current scope, or a scope to open again; None for a new
                name like `default_name`.
            default_name: See there; it gets a number where it is taken.
            reuse, initializer, use_resource: See `VariableScope`; None for what the outer scope
                has.
        """
        outer, opened = self.variable_scope, dict(self._opened)
        if isinstance(name_or_scope, VariableScope):
            given, full = name_or_scope, name_or_scope.name
            name_scope = full.rsplit("/", 1)[-1]
        else:
            given, name_scope = outer, name_or_scope or default_name
            name = name_or_scope or self._unopened(default_name)
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
        """Go back into a variable scope under the very name scope in which it was first opened."""
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


# The last of each is the default one; below all others there is always a graph.
graphs: list[Graph] = [Graph()]
sessions: list = []


@contextmanager
def on_top(stack: list, value) -> Iterator:
    """Make a graph or a session the default inside a `with`."""
    stack.append(value)
    try:
        yield value
    finally:
        if value in stack:
            stack.remove(value)


def get_default_graph() -> Graph:
    """The graph that operations go to."""
    return graphs[-1]


def reset_default_graph() -> None:
    """Start a new default graph: no operations, no variables, and no seed.

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
    """Set the default graph's seed; random operations made from now on get theirs from it and from
    their number.

    Args:
        seed: A whole number, or None for numbers that nobody knows beforehand.

    Raises:
        InputError: It is neither.
    """
    if seed is not None and not isinstance(seed, numbers.Integral):
        raise InputError(f"tf.set_random_seed({seed!r}): give a whole number, such as 777")
    graphs[-1].seed = None if seed is None else int(seed)
