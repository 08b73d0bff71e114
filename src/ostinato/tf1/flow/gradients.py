"""Private: tf.gradients: walks the graph from ys back to xs, and builds gradients of operations."""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from .. import rules  # noqa: F401  # those of all other operations
from ..core.constant import constant
from ..core.dtypes import DTYPES, DType
from ..core.graph import get_default_graph
from ..core.registry import differentiable, gradient_rule
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays, math
from . import flow_gradients  # noqa: F401  # the rules of branches and loops
from .contexts import WhileContext, inside, is_loop_switch
from .flow_ops import is_exit, is_switch, tuple_of
from .loop_gradients import LoopGradients, loop_gradients_of, zeros_like_outside_loop
from .slices import as_indexed_slices_list, convert_to_tensor_or_slices

__all__ = ["AggregationMethod", "UnconnectedGradients", "gradients"]

Gradient = Tensor | IndexedSlices
# Dtypes that no gradient passes.
_STOPPED = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string".split()


class UnconnectedGradients(Enum):
    """The gradient of an x that no y depends on: None, or zeros."""

    NONE = "none"
    ZERO = "zero"


class AggregationMethod:
    """How to add the gradients of a tensor that several operations use."""

    ADD_N = DEFAULT = 0
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list:
    """The gradients of the sum of ys.

    Args:
        ys: A tensor, or a list of tensors.
        xs: Tensors or variables.
        grad_ys: The gradient of each y, or None for ones.
        name: The name of the operations.
        colocate_gradients_with_ops: Accepted for compatibility: there is one device.
        gate_gradients: Whether the gradients of an operation's inputs wait for one another.
        aggregation_method: How to add gradients; see `AggregationMethod`.
        stop_gradients: Tensors that no gradient passes.
        unconnected_gradients: "none" or "zero", for an x that no y depends on.

    Returns:
        For each x a tensor, IndexedSlices for rows that were looked up, or None.

    Raises:
        InputError: An argument is invalid, or an operation has no gradient.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> x = tf.constant(3.0)
        >>> with tf.Session() as sess:
        ...     print(sess.run(tf.gradients(x * x, x)[0]))
        6.0
    """
    try:
        unconnected = UnconnectedGradients(unconnected_gradients)
    except ValueError:
        raise InputError(
            f"Unknown value for unconnected_gradients: {unconnected_gradients!r}: give 'none' or "
            "'zero'"
        ) from None
    if aggregation_method not in (None, 0, 1, 2):
        raise InputError(
            f"Invalid aggregation_method specified {aggregation_method!r}: give one of "
            "tf.AggregationMethod"
        )
    ys, xs = _as_list(ys), _as_list(xs)
    grad_ys = [None] * len(ys) if grad_ys is None else _as_list(grad_ys)
    graph = get_default_graph()
    with graph.name_scope(name):
        graph.unique_name("uid")
        ys = [convert_to_tensor_or_slices(y, name="y") for y in ys]
        xs = [_source(x) for x in xs]
        walk = _Walk(
            ys,
            xs,
            _default_grad_ys(grad_ys, ys),
            [t.op for t in _as_list(stop_gradients or [])],
            gate_gradients,
            aggregation_method or AggregationMethod.DEFAULT,
        )
        walk.run()
        return [walk.gradient_of(x, unconnected) for x in xs]


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _source(x: Any) -> Gradient:
    # The gradient of a variable is that of its handle or reference.
    handle = getattr(x, "handle", None)
    if isinstance(handle, Tensor) and handle.dtype == DTYPES["resource"]:
        return handle
    return convert_to_tensor_or_slices(x, name="x", as_ref=True)


def _default_grad_ys(grad_ys: Sequence, ys: Sequence) -> list:
    if len(grad_ys) != len(ys):
        raise SizeError(f"Passed {len(grad_ys)} grad_ys for {len(ys)} ys: give one for each")
    given = [
        g if g is None else convert_to_tensor_or_slices(g, name=f"grad_y_{i}")
        for i, g in enumerate(grad_ys)
    ]
    found: list = []
    for i, (grad, y) in enumerate(zip(given, ys)):
        if grad is None:
            if y.dtype.base_dtype.name in ("string", "bool", "resource", "variant"):
                raise ArgumentTypeError(
                    f"Tensor {y} with type {y.dtype.name} must be numeric to obtain a default "
                    "gradient: give ys of numbers"
                )
            sizes = arrays.shape(y)
            one = constant(1, dtype=y.dtype.base_dtype, name=f"grad_ys_{i}")
            found.append(arrays.fill(sizes, one))
            continue
        if y.dtype.is_floating != grad.dtype.is_floating and not grad.dtype.is_integer:
            raise InputError(
                f"Gradient type {grad.dtype.name} generated for tensor {y} with type "
                f"{y.dtype.name} must be real: give numbers"
            )
        if isinstance(grad, IndexedSlices):
            shape = grad.dense_shape
            found.append(
                IndexedSlices(
                    arrays.identity(grad.values, name=f"grad_ys_{i}_values"),
                    arrays.identity(grad.indices, name=f"grad_ys_{i}_indices"),
                    None if shape is None else arrays.identity(shape, name=f"grad_ys_{i}_shape"),
                )
            )
        else:
            found.append(arrays.identity(grad, name=f"grad_ys_{i}"))
    return found


def _is_trainable(dtype: DType) -> bool:
    return dtype.base_dtype.name not in _STOPPED


class _Walk:
    """One call of `gradients`: the operations between ys and xs, and the gradients so far.

    An operation is ready once all gradients of its outputs are known. The Switch of a loop
    variable is ready twice: when the gradient of its exit is known, and when that of the body is.
    """

    def __init__(
        self,
        ys: Sequence[Tensor],
        xs: Sequence[Tensor],
        grad_ys: Sequence[Gradient],
        stop_gradient_ops: Sequence[Operation],
        gate_gradients: bool,
        aggregation_method: int,
    ):
        self.gate_gradients, self.aggregation_method = gate_gradients, aggregation_method
        # For each output of an operation the gradients so far; once added, the gradient.
        self.grads: dict[Operation, list] = {}
        self.pending: dict[Operation, int] = {}
        self.queue: deque[Operation] = deque()
        self.from_ops = [x.op for x in xs]
        to_ops = [y.op for y in ys]
        reached = _reached(self.from_ops)
        reachable = {op for op in to_ops if op in reached}
        self.loops = self._find_way(to_ops, reached)
        for y, grad in zip(ys, grad_ys):
            self._add(y, grad)
        started: set[Operation] = set()
        for op in to_ops:
            if not self.pending.get(op) and op not in started and op in reachable:
                started.add(op)
                self.queue.append(op)
        if self.loops is not None:
            for end in self.loops.unused_exits(self.pending, started):
                if _is_trainable(end.dtype):
                    self._add(end, self.loops.zeros_for_exit(end))
                    self.queue.append(end.op)
        if self.loops is not None:
            self.loops.stop(stop_gradient_ops)
        self.stop_ops = set(stop_gradient_ops) | {
            op for op in self.from_ops if not any(self.pending.get(t.op) for t in op.inputs)
        }

    def _find_way(self, to_ops: list[Operation], reached: set) -> LoopGradients | None:
        between: list[Operation] = []
        queue = deque(to_ops)
        while queue:
            op = queue.popleft()
            if op in reached:
                between.append(op)
                reached.remove(op)
                queue.extend(t.op for t in op.inputs)
        between_set = set(between)
        loops = loop_gradients_of(between, between_set)
        for op in between:
            for t in op.inputs:
                if t.op in between_set:
                    self.pending[t.op] = self.pending.get(t.op, 0) + 1
        return loops

    def run(self) -> None:
        """Build the gradients."""
        while self.queue:
            op = self.queue.popleft()
            with inside(self._loop_of(op, before=True)):
                grads = self._added(op)
            has_grads = any(g is not None for g in grads)
            rule = self._rule(op) if has_grads and op not in self.stop_ops else None
            with inside(self._loop_of(op, before=False)):
                self._check_loop_variable(op)
                results: Iterable = [None] * len(op.inputs)
                if rule is not None and has_grads:
                    results = self._apply(op, rule, grads)
                for tensor, result in zip(op.inputs, results):
                    if result is not None:
                        self._set_shape(op, tensor, result)
                        self._add(tensor, result)
            self._count_down(op)
        if self.loops is not None:
            self.loops.finish()

    def _loop_of(self, op: Operation, before: bool) -> WhileContext | None:
        return None if self.loops is None else self.loops.context_of(op, before)

    def gradient_of(self, x: Gradient, unconnected: UnconnectedGradients) -> Gradient | None:
        """The gradient of an x, after the walk."""
        x = x.values if isinstance(x, IndexedSlices) else x
        grads = self.grads.get(x.op)
        if grads:
            return grads[x.value_index]
        if unconnected is UnconnectedGradients.NONE:
            return None
        resource = x.dtype == DTYPES["resource"]
        return arrays.zeros_like(x, dtype=DTYPES["float32"] if resource else x.dtype)

    def _add(self, tensor: Gradient, grad: Gradient) -> None:
        tensor = tensor.values if isinstance(tensor, IndexedSlices) else tensor
        grads = self.grads.setdefault(tensor.op, [[] for _ in tensor.op.outputs])
        if isinstance(grads[tensor.value_index], list):
            grads[tensor.value_index].append(grad)
        else:
            # the second gradient of the Switch of a loop variable
            grads[tensor.value_index] = grad

    def _added(self, op: Operation) -> list:
        """The gradient of each output of an operation, or None."""
        grads = self.grads.get(op) or [[] for _ in op.outputs]
        for i, terms in enumerate(grads):
            if isinstance(terms, list):
                grads[i] = self._sum(op, terms) if terms else None
        return grads

    def _sum(self, op: Operation, terms: list) -> Gradient:
        if len(terms) == 1:
            return terms[0]
        if not all(isinstance(t, Tensor) for t in terms):
            slices = [_flat_slices(s) for s in as_indexed_slices_list(terms)]
            return IndexedSlices(
                arrays.concat([s.values for s in slices], axis=0),
                arrays.concat([s.indices for s in slices], axis=0),
                slices[0].dense_shape,
            )
        method = self.aggregation_method
        if method == AggregationMethod.DEFAULT:
            return math.add_n(terms)
        known = any(t.shape.is_fully_defined() for t in terms)
        if method == AggregationMethod.EXPERIMENTAL_ACCUMULATE_N and len(terms) > 2 and known:
            return math.accumulate_n(terms)
        with op.graph.name_scope(f"{op.name}_gradient_sum"):
            total = terms[0]
            for term in terms[1:]:
                total = math.add_n([total, term])
            return total

    def _rule(self, op: Operation) -> Any:
        if not op.inputs:
            return None
        if not differentiable(op.type):
            raise InputError(
                f"No gradient defined for operation '{op.name}' (op type: {op.type}): stop the "
                "gradient before it with tf.stop_gradient"
            )
        return gradient_rule(op.type)

    def _apply(self, op: Operation, rule: Any, grads: list) -> list:
        for i, grad in enumerate(grads):
            if grad is None and _is_trainable(op.outputs[i].dtype):
                if self.loops is not None:
                    grads[i] = self.loops.zeros_like(op, i)
                else:
                    grads[i] = zeros_like_outside_loop(op, i)
        with op.graph.name_scope(f"{op.name}_grad"):
            results = _as_list(rule(op, *grads))
            assert len(results) == len(op.inputs), (op.type, len(results), len(op.inputs))
            if self.gate_gradients and sum(r is not None for r in results) > 1:
                results = tuple_of(results)
        return results

    @staticmethod
    def _set_shape(op: Operation, tensor: Tensor, grad: Gradient) -> None:
        if not isinstance(grad, Tensor) or tensor.dtype == DTYPES["resource"]:
            return
        try:
            grad.set_shape(tensor.shape)
        except SizeError:
            raise SizeError(
                "Incompatible shapes between op input and calculated input gradient. Forward "
                f"operation: {op.name}. Original input shape: {tensor.shape}. Calculated input "
                f"gradient shape: {grad.shape}"
            ) from None

    def _check_loop_variable(self, op: Operation) -> None:
        if (
            is_switch(op)
            and op.context is not None
            and op.context.is_loop
            and (op.context is op.graph.control_flow_context)
        ):
            seen: set[Operation] = set()
            queue = deque([op])
            while queue and queue[0] not in self.from_ops:
                current = queue.popleft()
                if current not in seen:
                    seen.add(current)
                    queue.extend(t.op for t in current.inputs)
            raise InputError(
                "Cannot compute gradient inside while loop with respect to op "
                f"'{queue[0].name if queue else op.name}'. We do not support taking the gradient "
                "wrt or through the initial value of a loop variable. Gradients can be computed "
                "through loop invariants or wrt the input parameters to the loop body"
            )

    def _count_down(self, op: Operation) -> None:
        """Queue the operations that are ready after the gradient of an operation."""
        for tensor in op.inputs:
            source = tensor.op
            left = self.pending[source] = self.pending.get(source, 0) - 1
            ready = left == 0
            if self.loops is not None and not ready:
                ready = left > 0 and is_loop_switch(source)
            if not ready:
                continue
            if self.loops is not None and is_exit(source):
                self._end_loop(tensor)
            else:
                self.queue.append(source)

    def _end_loop(self, end: Tensor) -> None:
        """Queue the exits of a loop once the gradients of all of them are known."""
        assert self.loops is not None
        state = self.loops.state_of(end.op, before=False)
        assert state is not None
        state.deferred_exits.append(end)
        state.pending_exits_count -= 1
        if state.pending_exits_count:
            return
        used = False
        for exited in state.deferred_exits:
            if any(len(terms) for terms in self.grads.get(exited.op, ())):
                used = True
                self.queue.append(exited.op)
            else:
                state.unused_exits.append(exited)
        for exited in state.unused_exits:
            if used and _is_trainable(exited.dtype):
                self._add(exited, self.loops.zeros_for_exit(exited))
            self.queue.append(exited.op)


def _flat_slices(slices: IndexedSlices) -> IndexedSlices:
    if isinstance(slices.values, Tensor):
        return slices
    inner = _flat_slices(slices.values)
    return IndexedSlices(
        inner.values, arrays.gather(slices.indices, inner.indices), inner.dense_shape
    )


def _reached(from_ops: Iterable[Operation]) -> set[Operation]:
    """The operations that depend on some operations by tensors that have gradients."""
    consumers: dict[Tensor, list[Operation]] = {}
    for op in get_default_graph().operations:
        for t in op.inputs:
            consumers.setdefault(t, []).append(op)
    reached: set[Operation] = set()
    queue = deque(from_ops)
    while queue:
        op = queue.popleft()
        if op not in reached:
            reached.add(op)
            for t in op.outputs:
                if _is_trainable(t.dtype):
                    queue.extend(consumers.get(t, ()))
    return reached
