"""Private: comparisons, `where`, conditional computation (`cond`) and tensor arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import InputError, SizeError
from . import operations
from .graph import (
    Computation,
    DTypeLike,
    Operand,
    Operation,
    Tensor,
    TensorLike,
    TensorShape,
    as_dtype,
    get_default_graph,
)
from .operations import merge
from .session import InvalidArgumentError, SessionRun
from .steps import flatten, pack

__all__ = [
    "Inner",
    "TensorArray",
    "cond",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "not_equal",
    "reduce_all",
    "reduce_any",
    "rows",
    "where",
]

_BOOL = as_dtype("bool")


def _asked(default_name: str, function: Callable, sign: str):
    def ask(x, y, name: str | None = None) -> Tensor:
        return operations._binary(name or default_name, x, y, function, _BOOL)

    ask.__doc__ = f"x {sign} y, element by element."
    return ask


equal = _asked("Equal", torch.eq, "==")
not_equal = _asked("NotEqual", torch.ne, "!=")
less = _asked("Less", torch.lt, "<")
less_equal = _asked("LessEqual", torch.le, "<=")
greater = _asked("Greater", torch.gt, ">")
greater_equal = _asked("GreaterEqual", torch.ge, ">=")
logical_and = _asked("LogicalAnd", torch.logical_and, "and")
logical_or = _asked("LogicalOr", torch.logical_or, "or")

for _operator, _function in (
    ("__lt__", less),
    ("__le__", less_equal),
    ("__gt__", greater),
    ("__ge__", greater_equal),
):
    setattr(Operand, _operator, _function)


def logical_not(x: TensorLike, name: str | None = None) -> Tensor:
    """Not x, element by element."""
    return operations._unary(name or "LogicalNot", x, torch.logical_not)


reduce_all = operations._reduction(
    "All", lambda v, axes, keepdims: v.all(tuple(axes), keepdims), of_truth=True
)
reduce_any = operations._reduction(
    "Any", lambda v, axes, keepdims: v.any(tuple(axes), keepdims), of_truth=True
)


def where(condition: TensorLike, x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x where a condition is true, else y.

    Args:
        condition: Booleans of the same shape, or one for each row.
        x, y: Values of the same shape.
        name: The name of the operation.

    Raises:
        SizeError: The shapes do not match.
    """
    condition, x = operations.convert_to_tensor(condition), operations.convert_to_tensor(x)
    y = operations.convert_to_tensor(y, dtype=x.dtype)
    what = f"tf.where of {condition.shape}, {x.shape} and {y.shape}"
    if (
        condition.dtype is not _BOOL
        or len(x.shape) != len(y.shape)
        or len(condition.shape) not in (0, 1, len(x.shape))
    ):
        raise SizeError(
            f"{what}: give a boolean condition, and two values of one shape; for a "
            f"number write tf.ones(shape) * number"
        )
    shape = [merge(m, n, what) for m, n in zip(x.shape, y.shape)]
    for asked, n in zip(condition.shape, shape):
        merge(asked, n, what)
    op = get_default_graph().record(name or "Select").last

    def choose(c, a, b):
        if a.shape != b.shape or c.shape not in ((), a.shape[:1], a.shape):
            raise InvalidArgumentError(
                f"{op.name}: {tuple(c.shape)}, {tuple(a.shape)} and {tuple(b.shape)} in this run: "
                f"feed one shape"
            )
        return torch.where(rows(c, a), a, b)

    return op.computed(x.dtype, shape, [condition, x, y], choose)


def rows(condition: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A condition for each row, broadcast to the elements of the rows."""
    return condition.view(*condition.shape, *[1] * (like.dim() - condition.dim()))


class Inner:
    """Tensors that are computed any number of times within a computation: a branch, or the body of
    a loop.

    Args:
        results: The tensors.
        given: The tensors that get values from the computation.
        start: The number of operations before the inner ones.

    Attributes:
        taken: The tensors that are needed from outside. They are computed first, and gradients of
            variables flow through them.
    """

    def __init__(self, results: Sequence[Tensor], given: Sequence[Tensor], start: int):
        self.results, self.given, self.taken = list(results), list(given), []
        reads = {v.read for v in get_default_graph().variables}
        seen, stack = set(given), list(results)
        while stack:
            tensor = stack.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if tensor.op._id <= start or tensor in reads:
                self.taken.append(tensor)
            else:
                stack += tensor.computation.inputs

    def run(self, run: SessionRun, outside: Sequence) -> Callable:
        """A function that computes the results from values of `given`.

        Args:
            run: The outer run.
            outside: The values of the tensors in `taken`.
        """
        held: dict[Tensor, Any] = dict(zip(self.taken, outside))
        unknown: dict[Tensor, Any] = dict.fromkeys(self.given)
        inner = SessionRun(
            run.session,
            held | unknown,
            [t.computation for t in self.results if t not in held],
        )

        def compute(values: Sequence) -> list:
            inner.values.clear()
            inner.feeds = held | dict(zip(self.given, values))
            for c in inner.order:
                inner.values[c] = inner.call(c)
            return [inner[t] for t in self.results]

        return compute


def cond(pred: TensorLike, true_fn: Callable, false_fn: Callable, name: str | None = None) -> Any:
    """One of two values; only the chosen one is computed.

    The number of TensorFlow's operations for this is unknown here: later random operations need
    their own seeds.

    Args:
        pred: A boolean tensor without dimensions.
        true_fn, false_fn: Functions that return a tensor or a structure of tensors; both are called
            once, to add them to the graph.
        name: The name of the operation.
    """
    if not callable(true_fn) or not callable(false_fn):
        raise InputError("tf.cond needs two functions: write tf.cond(pred, lambda: x, lambda: y)")
    graph = get_default_graph()
    graph.uncounted = graph.uncounted or "tf.cond"
    pred = operations.convert_to_tensor(pred)
    with graph.name_scope(name or "cond"):
        start, branches = len(graph.operations), []
        for branch in (true_fn, false_fn):
            value = branch()
            branches.append([operations.convert_to_tensor(v) for v in flatten(value)])
        if [t.dtype for t in branches[0]] != [t.dtype for t in branches[1]]:
            raise InputError(
                f"tf.cond: one function gives {branches[0]} and the other {branches[1]}: give "
                f"values of one dtype"
            )
        yes, no = (Inner(tensors, [], start) for tensors in branches)

        def choose(run, asked, *outside):
            split = len(yes.taken)
            chosen, values = (yes, outside[:split]) if asked else (no, outside[split:])
            return tuple(chosen.run(run, values)([]))

        computation = Computation([pred, *yes.taken, *no.taken], choose)
        made = []
        for i, (a, b) in enumerate(zip(*branches)):
            shape = [n if n == m else None for n, m in zip(a.shape, b.shape)]
            made.append(Tensor(graph.record("Merge").last, a.dtype, shape, computation, i))
    return pack(value, made)


class TensorArray:
    """An array of tensors, which a loop reads and writes by index.

    Args:
        dtype: The dtype of the tensors.
        size: The number of tensors; writing past the end adds more.
        dynamic_size, clear_after_read, tensor_array_name, infer_shape: Accepted for compatibility;
            ignored.
        element_shape: The shape of each tensor; None to take it from the first tensor that is
            written, which must then come before any read.
        flow, shape: Specific to Ostinato: the value that holds the tensors, and the shape of each.
    """

    def __init__(
        self,
        dtype: DTypeLike,
        size: int | Tensor | None = None,
        dynamic_size: object = None,
        clear_after_read: object = None,
        tensor_array_name: str | None = None,
        infer_shape: bool = True,
        element_shape: Sequence[int | None] | None = None,
        *,
        flow: Tensor | None = None,
        shape: Any = None,
    ):
        graph = get_default_graph()
        graph.uncounted = graph.uncounted or "tf.TensorArray"
        self.dtype, self.shape = as_dtype(dtype), element_shape if shape is None else shape
        if flow is None:
            size = operations.convert_to_tensor(0 if size is None else size)
            flow = graph.record("TensorArray").last.computed(
                self.dtype, (), [size], lambda n: (None,) * int(n)
            )
        self.flow = flow

    def _with(self, shape, inputs, function) -> "TensorArray":
        op = get_default_graph().record("TensorArrayWriteV3").last
        shape = (
            shape
            if self.shape is None
            else TensorShape(n if n == m else None for n, m in zip(shape, self.shape))
        )
        return TensorArray(
            self.dtype,
            flow=op.computed(self.dtype, (), [self.flow, *inputs], function),
            shape=shape,
        )

    def write(self, index: TensorLike, value: TensorLike) -> "TensorArray":
        """The array with one tensor replaced.

        Args:
            index: The index.
            value: The tensor.
        """
        value = operations.convert_to_tensor(value, dtype=self.dtype)

        def put(held, i, v):
            held = list(held) + [None] * (int(i) + 1 - len(held))
            held[int(i)] = v
            return tuple(held)

        return self._with(value.shape, [operations.convert_to_tensor(index), value], put)

    def unstack(self, value: TensorLike) -> "TensorArray":
        """An array with the parts of a tensor along its first dimension."""
        value = operations.convert_to_tensor(value, dtype=self.dtype)
        return self._with(TensorShape(value.shape[1:]), [value], lambda held, v: v.unbind(0))

    def read(self, index: TensorLike) -> Tensor:
        """The tensor at an index."""

        def get(held, i):
            if not 0 <= i < len(held) or held[int(i)] is None:
                raise InvalidArgumentError(
                    f"TensorArray of {len(held)} was read at {int(i)}, where nothing was written: "
                    f"read written indices only, or check first, tf.cond(...)"
                )
            return held[int(i)]

        return self._read(
            "TensorArrayReadV3", self.shape, [operations.convert_to_tensor(index)], get
        )

    def stack(self) -> Tensor:
        """All tensors along a new first dimension."""

        def put(held):
            if not held or any(v is None for v in held):
                raise InvalidArgumentError(
                    f"TensorArray.stack() of {len(held)} tensors, and not all were written: write "
                    f"them first"
                )
            return torch.stack(held)

        return self._read(
            "TensorArrayGatherV3", None if self.shape is None else (None, *self.shape), [], put
        )

    def size(self) -> Tensor:
        """The number of tensors."""
        op = get_default_graph().record("TensorArraySizeV3").last
        return op.computed(
            as_dtype("int32"),
            (),
            [self.flow],
            lambda held: torch.tensor(len(held), dtype=torch.int32),
        )

    def _read(self, name: str, shape, inputs, function) -> Tensor:
        if shape is None:
            raise InputError(
                f"{name}: the shape of this TensorArray is unknown, because nothing was written: "
                f"write or unstack first"
            )
        op: Operation = get_default_graph().record(name).last
        return op.computed(self.dtype, shape, [self.flow, *inputs], function)
