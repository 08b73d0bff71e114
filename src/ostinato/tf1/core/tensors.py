"""Private: operations and tensors, which a graph consists of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...errors import ArgumentTypeError, InputError
from .defaults import session_for
from .dtypes import DType
from .shape import TensorShape, as_shape

if TYPE_CHECKING:
    from ..flow.contexts import ControlFlowContext
    from .graph import Graph

__all__ = [
    "IndexedSlices",
    "Operand",
    "Operation",
    "Tensor",
    "TensorLike",
]

TensorLike = Any  # a tensor, a variable, an array, a number or nested lists of numbers


class Operand:
    """Base class of tensors and variables, which may stand in arithmetic. The operators are set by
    `ops/operators.py`.
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
            self.graph.version += 1

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

    def __deepcopy__(self, memory: dict) -> "Operation":
        return self  # it is part of its graph; copies of layers use it too

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

    def __deepcopy__(self, memory: dict) -> "Tensor":
        return self

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
    def device(self) -> str:
        """The device, "": there is only one."""
        return self.op.device

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
