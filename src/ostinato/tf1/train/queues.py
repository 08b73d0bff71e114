"""Private: queues that feed a program (tf.train.range_input_producer and others).

TensorFlow fills a queue from threads. Here a queue is filled when it is empty and an element is
asked for, so that a program draws the same elements each time.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.constant import constant
from ..core.conversion import apply, convert_to_tensor
from ..core.defaults import get_default_session
from ..core.dtypes import DTYPES, as_dtype
from ..core.errors import FailedPreconditionError, OutOfRangeError
from ..core.graph import get_default_graph
from ..core.graph_keys import GraphKeys
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Operation, Tensor
from ..files.messages import QueueRunnerDef
from ..ops import arrays, math, random

__all__ = [
    "Coordinator",
    "FIFOQueue",
    "QueueRunner",
    "add_queue_runner",
    "batch",
    "input_producer",
    "limit_epochs",
    "range_input_producer",
    "slice_input_producer",
    "start_queue_runners",
    "string_input_producer",
]


class _Elements:
    """The elements of a queue in a session."""

    def __init__(self) -> None:
        self.waiting: deque[list] = deque()
        self.closed = self.filling = False


def _elements(run: Any, op: Operation) -> _Elements:
    return run.session.resources.setdefault(op, _Elements())


def _enqueue(run: Any, op: Operation, queue: _Elements, *values: Any) -> tuple:
    queue.waiting.append(list(values))
    return ()


def _enqueue_many(run: Any, op: Operation, queue: _Elements, *values: Any) -> tuple:
    queue.waiting.extend([np.asarray(v) for v in row] for row in zip(*values))
    return ()


def _next(run: Any, op: Operation, queue: _Elements) -> list:
    session, name = run.session, op.inputs[0].op.name
    runners = [r for r in op.graph.get_collection(GraphKeys.QUEUE_RUNNERS) if r.queue.name == name]
    while not queue.waiting and not queue.closed:
        if queue.filling or not runners:
            raise FailedPreconditionError(
                f"the queue {name!r} is empty and nothing fills it: enqueue elements first"
            )
        queue.filling = True
        try:
            for runner in runners:
                session.run(runner.enqueue_ops)
        except OutOfRangeError:
            queue.closed = True
        finally:
            queue.filling = False
    if not queue.waiting:
        raise OutOfRangeError(
            f"the queue {name!r} is closed and has no further elements: catch "
            "tf.errors.OutOfRangeError, or give more epochs"
        )
    return queue.waiting.popleft()


def _dequeue(run: Any, op: Operation, queue: _Elements) -> tuple:
    return tuple(_next(run, op, queue))


def _dequeue_many(run: Any, op: Operation, queue: _Elements, n: Any) -> tuple:
    rows = [_next(run, op, queue) for _ in range(int(n))]
    return tuple(np.stack(column) for column in zip(*rows))


def _close(run: Any, op: Operation, queue: _Elements) -> tuple:
    queue.closed = True
    return ()


def _outputs(op: Operation) -> list:
    source = op.inputs[0].op.attrs
    rows = [None] if op.type == "QueueDequeueManyV2" else []
    return [
        (t, as_shape(rows).concatenate(s) if s.ndims is not None else s)
        for t, s in zip(source["component_types"], source["shapes"])
    ]


define("FIFOQueueV2", lambda op: [(DTYPES["resource"], [])], _elements, stateful=True)
define("QueueEnqueueV2", lambda op: [], _enqueue, stateful=True)
define("QueueEnqueueManyV2", lambda op: [], _enqueue_many, stateful=True)
define("QueueDequeueV2", _outputs, _dequeue, stateful=True)
define("QueueDequeueManyV2", _outputs, _dequeue_many, stateful=True)
define(
    "QueueSizeV2",
    lambda op: [(DTYPES["int32"], [])],
    lambda run, op, queue: np.int32(len(queue.waiting)),
    stateful=True,
)
define("QueueCloseV2", lambda op: [], _close, stateful=True)
not_differentiable("QueueDequeueV2", "QueueDequeueManyV2", "QueueSizeV2", "FIFOQueueV2")


class FIFOQueue:
    """A queue.

    Attributes:
        queue_ref: The tensor that stands for the queue.

    Args:
        capacity: Accepted for compatibility.
        dtypes: The dtypes of the parts of an element.
        shapes: Their shapes.
        names, shared_name: Accepted for compatibility.
        name: The name of the operation.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ):
        kinds = [as_dtype(t) for t in (dtypes if isinstance(dtypes, (list, tuple)) else [dtypes])]
        sizes = [TensorShape(None)] * len(kinds) if shapes is None else list(map(as_shape, shapes))
        attrs = {"component_types": kinds, "shapes": sizes, "capacity": capacity}
        self.dtypes, self.shapes = kinds, sizes
        self.queue_ref = get_default_graph().create_op("FIFOQueueV2", [], name, attrs).outputs[0]

    @classmethod
    def _of(cls, op: Operation) -> "FIFOQueue":
        """The queue of an operation that exists already."""
        queue = cls.__new__(cls)
        queue.queue_ref = op.outputs[0]
        queue.dtypes, queue.shapes = op.attrs["component_types"], op.attrs["shapes"]
        return queue

    @property
    def name(self) -> str:
        """The name of the operation."""
        return self.queue_ref.op.name

    def _parts(self, vals: Any) -> list[Tensor]:
        parts = vals if isinstance(vals, (list, tuple)) else [vals]
        return [
            convert_to_tensor(v, t, f"component_{i}")
            for i, (v, t) in enumerate(zip(parts, self.dtypes))
        ]

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Add an element."""
        with get_default_graph().name_scope(name or f"{self.name}_enqueue") as scope:
            parts = self._parts(vals)
            return get_default_graph().create_op("QueueEnqueueV2", [self.queue_ref, *parts], scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Add the rows of tensors."""
        graph = get_default_graph()
        with graph.name_scope(name or f"{self.name}_EnqueueMany") as scope:
            parts = self._parts(vals)
            return graph.create_op("QueueEnqueueManyV2", [self.queue_ref, *parts], scope)

    def dequeue(self, name: str | None = None) -> Any:
        """The next element."""
        op = get_default_graph().create_op(
            "QueueDequeueV2", [self.queue_ref], name or f"{self.name}_Dequeue"
        )
        return op.outputs[0] if len(op.outputs) == 1 else list(op.outputs)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """The next n elements, stacked."""
        op = apply(
            "QueueDequeueManyV2",
            {"handle": self.queue_ref, "n": n},
            name=name or f"{self.name}_DequeueMany",
            dtypes={"n": "int32"},
        )
        return op.outputs[0] if len(op.outputs) == 1 else list(op.outputs)

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements."""
        op = get_default_graph().create_op(
            "QueueSizeV2", [self.queue_ref], name or f"{self.name}_Size"
        )
        return op.outputs[0]

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """Accept no further elements."""
        return get_default_graph().create_op(
            "QueueCloseV2", [self.queue_ref], name or f"{self.name}_Close"
        )


class QueueRunner:
    """Fills a queue.

    Args:
        queue: The queue.
        enqueue_ops: The operations that add elements.
        close_op, cancel_op: Accepted for compatibility.
    """

    def __init__(
        self,
        queue: FIFOQueue,
        enqueue_ops: Sequence[Operation],
        close_op: Any = None,
        cancel_op: Any = None,
    ):
        self.queue, self.enqueue_ops = queue, list(enqueue_ops)
        self.name = queue.name
        # TensorFlow's runner adds operations that close the queue.
        self.close_op = close_op or queue.close()
        self.cancel_op = cancel_op or queue.close(cancel_pending_enqueues=True)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The runner as a QueueRunnerDef."""
        return QueueRunnerDef(
            queue_name=self.queue.name,
            enqueue_op_name=[op.name for op in self.enqueue_ops],
            close_op_name=self.close_op.name,
            cancel_op_name=self.cancel_op.name,
            queue_closed_exception_types=[OutOfRangeError.error_code],
        )

    @classmethod
    def from_proto(cls, queue_runner_def: Any, import_scope: str | None = None) -> "QueueRunner":
        """The runner of a QueueRunnerDef, whose operations were imported.

        Args:
            queue_runner_def: The QueueRunnerDef.
            import_scope: The prefix of the names, with "/"; None for none.
        """

        def element(name: str) -> Any:
            return get_default_graph().as_graph_element(f"{import_scope or ''}{name}")

        return cls(
            FIFOQueue._of(element(queue_runner_def.queue_name)),
            [element(n) for n in queue_runner_def.enqueue_op_name],
            element(queue_runner_def.close_op_name),
            element(queue_runner_def.cancel_op_name),
        )

    def create_threads(
        self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False
    ) -> list:
        """No threads: queues are filled when they are empty."""
        return []


def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Let a runner fill its queue."""
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None,
    coord: Any = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list:
    """No threads: queues are filled when they are empty.

    Raises:
        InputError: No session is given or entered.
    """
    if (sess or get_default_session()) is None:
        raise InputError(
            "start_queue_runners needs a session: write it inside `with tf.Session():`, or pass "
            "sess"
        )
    return []


class Coordinator:
    """Stops the threads of a program; here there are none."""

    def __init__(self, clean_stop_exception_types: Any = None):
        self._stop = False
        self._types = clean_stop_exception_types or (OutOfRangeError,)

    def should_stop(self) -> bool:
        """Whether `request_stop` was called."""
        return self._stop

    def request_stop(self, ex: BaseException | None = None) -> None:
        """Ask to stop. An error is raised again, unless it is the end of the elements."""
        self._stop = True
        if isinstance(ex, BaseException) and not isinstance(ex, self._types):
            raise ex

    def clear_stop(self) -> None:
        """Take the request back."""
        self._stop = False

    def join(self, threads: Any = None, *args: Any, **named: Any) -> None:
        """Return at once."""

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Whether `request_stop` was called."""
        return self._stop

    @contextmanager
    def stop_on_exception(self) -> Any:
        """Ask to stop where the body of a `with` fails."""
        try:
            yield
        except Exception as error:
            self.request_stop(error)


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """A tensor that can be computed a number of times, and then raises OutOfRangeError.

    Args:
        tensor: The tensor.
        num_epochs: The number; None for no limit.
        name: The name scope.
    """
    if num_epochs is None:
        return tensor
    from ..state.variables import RefVariable  # variables need this package

    with get_default_graph().name_scope(name or "limit_epochs") as scope:
        epochs = RefVariable(
            constant(0, DTYPES["int64"]),
            name="epochs",
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )
        counter = epochs.count_up_to(num_epochs)
        with get_default_graph().control_dependencies([counter]):
            return arrays.identity(tensor, name=scope)


def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue of the rows of a tensor.

    Args:
        input_tensor: The tensor.
        num_epochs: The number of times that each row is given; None for no limit.
        shuffle: Whether the rows are shuffled in each epoch.
        seed: The seed of the order.
        element_shape, capacity, shared_name, summary_name, name, cancel_op: As in TensorFlow.
    """
    with get_default_graph().name_scope(name or "input_producer"):
        tensor = convert_to_tensor(input_tensor, name="input_tensor")
        shape = tensor.shape[1:].merge_with(TensorShape(element_shape))
        if shuffle:
            tensor = random.random_shuffle(tensor, seed=seed)
        tensor = limit_epochs(tensor, num_epochs)
        queue = FIFOQueue(
            capacity, [tensor.dtype.base_dtype], [shape], name=name or "input_producer"
        )
        enqueue = queue.enqueue_many([tensor])
        add_queue_runner(QueueRunner(queue, [enqueue], cancel_op=cancel_op))
        if summary_name is not None:
            from .. import summary  # summaries need variables, which need this package

            size = math.cast(queue.size(), DTYPES["float32"])
            summary.scalar(summary_name, size * (1.0 / capacity))
        return queue


def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> FIFOQueue:
    """A queue of the numbers from 0 to limit - 1; see `input_producer`."""
    with get_default_graph().name_scope(name or "input_producer"):
        numbers = math.range(limit)
        full = f"fraction_of_{capacity}_full"
        return input_producer(
            numbers, [], num_epochs, shuffle, seed, capacity, shared_name, full, name
        )


def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> FIFOQueue:
    """A queue of texts; see `input_producer`."""
    with get_default_graph().name_scope(name or "input_producer"):
        texts = convert_to_tensor(string_tensor, dtype=DTYPES["string"])
        full = f"fraction_of_{capacity}_full"
        return input_producer(
            texts, [], num_epochs, shuffle, seed, capacity, shared_name, full, name, cancel_op
        )


def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """A row of each tensor; the rows are taken from a queue of their numbers."""
    with get_default_graph().name_scope(name or "input_producer"):
        tensors = [convert_to_tensor(t) for t in tensor_list]
        queue = range_input_producer(
            arrays.shape(tensors[0])[0], num_epochs, shuffle, seed, capacity, shared_name
        )
        index = queue.dequeue()
        return [arrays.gather(t, index) for t in tensors]


def batch(
    tensors: Any,
    batch_size: int,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    name: str | None = None,
    **ignored: Any,
) -> Any:
    """Tensors of several runs, stacked.

    Args:
        tensors: A tensor or several, each for one element.
        batch_size: The number of elements.
        enqueue_many: Whether the tensors hold several elements.
        num_threads, capacity, name, ignored: As in TensorFlow.
    """
    several = isinstance(tensors, (list, tuple))
    parts = [convert_to_tensor(t) for t in (tensors if several else [tensors])]
    with get_default_graph().name_scope(name or "batch"):
        shapes = [p.shape[1:] if enqueue_many else p.shape for p in parts]
        queue = FIFOQueue(capacity, [p.dtype.base_dtype for p in parts], shapes)
        enqueue = queue.enqueue_many(parts) if enqueue_many else queue.enqueue(parts)
        add_queue_runner(QueueRunner(queue, [enqueue] * num_threads))
        found = queue.dequeue_many(batch_size)
        for t in found if isinstance(found, list) else [found]:
            t.set_shape(TensorShape([batch_size]).concatenate(t.shape[1:]))
        return found if several and isinstance(found, list) else [found] if several else found
