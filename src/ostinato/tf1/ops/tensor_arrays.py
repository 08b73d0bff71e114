"""Private: arrays of tensors that loops read and write (tf.TensorArray)."""

from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.constant import constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DType, as_dtype
from ..core.graph import control_dependencies, name_scope
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor
from . import arrays, math, tensor_array_ops  # noqa: F401  # the types of the operations

__all__ = ["TensorArray", "with_flow"]

_SIZE = {"size": "int32"}


class TensorArray:
    """An array of tensors, whose elements are written and read once each, in loops too.

    Args:
        dtype: The dtype of the elements.
        size: The number of elements, ().
        dynamic_size: Whether writing past the end makes the array larger.
        clear_after_read: Whether an element can be read once only.
        tensor_array_name: A name, recorded in the graph.
        handle, flow: Of an existing array, in place of a size.
        infer_shape: Whether all elements have the shape of the first one.
        element_shape: The shape of an element.
        colocate_with_first_write_call: Accepted for compatibility.
        name: The name of the operation.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> array = tf.TensorArray(tf.float32, size=2).write(0, 1.0).write(1, 2.0)
        >>> with tf.Session() as sess:
        ...     print(sess.run(array.stack()))
        [1. 2.]
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Tensor | None = None,
        flow: Tensor | None = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ):
        if handle is None and size is None:
            raise InputError("Size must be provided if handle is not provided: give size")
        if handle is not None:
            if not isinstance(handle, Tensor) or flow is None:
                raise ArgumentTypeError(
                    f"tf.TensorArray was given the handle {handle!r} and the flow {flow!r}: give "
                    "those of another TensorArray, or give size"
                )
            others = {
                "tensor_array_name": tensor_array_name,
                "size": size,
                "element_shape": element_shape,
                "dynamic_size": dynamic_size,
                "clear_after_read": clear_after_read,
            }
            for argument, value in others.items():
                if value is not None:
                    raise InputError(
                        f"Cannot provide both a handle and {argument} at the same time: give one"
                    )
        self._dtype = as_dtype(dtype)
        self._infer_shape = infer_shape or element_shape is not None
        # The shape of the elements, as far as it is known; shared by the arrays after each write.
        self._element_shape = [] if element_shape is None else [TensorShape(element_shape)]
        with name_scope(name, "TensorArray") as scope:
            if handle is not None:
                self._handle, self._flow = handle, flow
                return
            attrs = {
                "dtype": self._dtype,
                "element_shape": TensorShape(element_shape),
                "identical_element_shapes": bool(infer_shape),
                "dynamic_size": bool(dynamic_size),
                "clear_after_read": clear_after_read is None or bool(clear_after_read),
                "tensor_array_name": tensor_array_name or "",
            }
            op = apply("TensorArrayV3", {"size": size}, name=scope, attrs=attrs, dtypes=_SIZE)
            self._handle, self._flow = op.outputs

    @property
    def dtype(self) -> DType:
        """The dtype of the elements."""
        return self._dtype

    @property
    def handle(self) -> Tensor:
        """The array itself."""
        return self._handle

    @property
    def flow(self) -> Tensor:
        """A tensor on which everything depends that has been written so far."""
        return self._flow  # type: ignore[return-value]

    def _next(self, flow: Tensor) -> "TensorArray":
        array = TensorArray(self._dtype, handle=self._handle, flow=flow)
        array._infer_shape, array._element_shape = self._infer_shape, self._element_shape
        return array

    def _merge_element_shape(self, shape: TensorShape) -> None:
        if not self._element_shape:
            self._element_shape.append(shape)
            return
        if not shape.is_compatible_with(self._element_shape[0]):
            raise SizeError(
                f"Inconsistent shapes: saw {shape} but expected {self._element_shape[0]} (and "
                "infer_shape=True): give infer_shape=False if the shapes differ"
            )
        self._element_shape[0] = self._element_shape[0].merge_with(shape)

    def _known_shape(self) -> TensorShape:
        return self._element_shape[0] if self._element_shape else TensorShape(None)

    def identity(self) -> "TensorArray":
        """The array after whatever the current control dependencies are."""
        return self._next(arrays.identity(self._flow))

    def grad(self, source: str, flow: Tensor | None = None, name: str | None = None) -> Any:
        """The array of the gradients of the elements.

        Args:
            source: The call of `gradients` that it belongs to.
            flow: The flow that it depends on; None for that of the array.
            name: The name of the operation.
        """
        flow = self._flow if flow is None else flow
        with name_scope(name, "TensorArrayGrad"):
            op = apply(
                "TensorArrayGradV3",
                {"handle": self._handle, "flow_in": flow},
                name=name,
                attrs={"source": source},
            )
            with control_dependencies([op.outputs[0]]):
                flow = arrays.identity(flow, name="gradient_flow")
            result = TensorArray(
                self._dtype, handle=op.outputs[0], flow=flow, infer_shape=self._infer_shape
            )
            result._element_shape = self._element_shape
            return result

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """An element.

        Args:
            index: Its number, ().
            name: The name of the operation.
        """
        op = apply(
            "TensorArrayReadV3",
            {"handle": self._handle, "index": index, "flow_in": self._flow},
            name=name,
            attrs={"dtype": self._dtype},
            dtypes={"index": "int32"},
        )
        op.outputs[0].set_shape(self._known_shape())
        return op.outputs[0]

    def write(self, index: Any, value: Any, name: str | None = None) -> "TensorArray":
        """The array after an element was written.

        Args:
            index: Its number, ().
            value: The element.
            name: The name of the operation.
        """
        with name_scope(name, "TensorArrayWrite"):
            value = self._element(value)
            if self._infer_shape:
                self._merge_element_shape(value.shape)
            op = apply(
                "TensorArrayWriteV3",
                {"handle": self._handle, "index": index, "value": value, "flow_in": self._flow},
                name=name,
                attrs={"T": value.dtype.base_dtype},
                dtypes={"index": "int32"},
            )
            return self._next(op.outputs[0])

    def _element(self, value: Any) -> Tensor:
        value = convert_to_tensor(value, name="value")
        if value.dtype.base_dtype != self._dtype.base_dtype:
            raise InputError(
                f"TensorArray dtype is {self._dtype.name} but Op is trying to write dtype "
                f"{value.dtype.name}: use tf.cast"
            )
        return value

    def stack(self, name: str | None = None) -> Tensor:
        """All elements as one tensor, (size, ...)."""
        with name_scope(name, "TensorArrayStack"):
            return self.gather(math.range(0, self.size()), name=name)

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """Some elements as one tensor.

        Args:
            indices: Their numbers, (N,).
            name: The name of the operation.
        """
        shape = self._known_shape()
        op = apply(
            "TensorArrayGatherV3",
            {"handle": self._handle, "indices": indices, "flow_in": self._flow},
            name=name,
            attrs={"dtype": self._dtype, "element_shape": shape},
            dtypes={"indices": "int32"},
        )
        op.outputs[0].set_shape(TensorShape([None]).concatenate(shape))
        return op.outputs[0]

    def concat(self, name: str | None = None) -> Tensor:
        """All elements joined along their first axis."""
        rest = self._known_shape()[1:]
        op = apply(
            "TensorArrayConcatV3",
            {"handle": self._handle, "flow_in": self._flow},
            name=name,
            attrs={"dtype": self._dtype, "element_shape_except0": rest},
        )
        op.outputs[0].set_shape(TensorShape([None]).concatenate(rest))
        return op.outputs[0]

    def unstack(self, value: Any, name: str | None = None) -> "TensorArray":
        """The array with the rows of a tensor as its elements.

        Args:
            value: The tensor, (size, ...).
            name: The name of the operation.
        """
        with name_scope(name, "TensorArrayUnstack"):
            count = arrays.shape(value)[0]  # type: ignore[index]
            return self.scatter(indices=math.range(0, count), value=value, name=name)

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> "TensorArray":
        """The array with the rows of a tensor as some of its elements.

        Args:
            indices: The numbers of the elements, (N,).
            value: The tensor, (N, ...).
            name: The name of the operation.
        """
        with name_scope(name, "TensorArrayScatter"):
            value = self._element(value)
            if self._infer_shape:
                self._merge_element_shape(value.shape[1:])
            op = apply(
                "TensorArrayScatterV3",
                {"handle": self._handle, "indices": indices, "value": value, "flow_in": self._flow},
                name=name,
                attrs={"T": value.dtype.base_dtype},
                dtypes={"indices": "int32"},
            )
            return self._next(op.outputs[0])

    def split(self, value: Any, lengths: Any, name: str | None = None) -> "TensorArray":
        """The array with the parts of a tensor as its elements.

        Args:
            value: The tensor, (N, ...).
            lengths: The number of rows of each part, (size,).
            name: The name of the operation.
        """
        with name_scope(name, "TensorArraySplit"):
            value = self._element(value)
            lengths = math.to_int64(lengths)
            known = constant_value(lengths)
            if self._infer_shape and value.shape.sizes is not None and known is not None:
                if known.max() == known.min():
                    self._merge_element_shape(
                        TensorShape([int(known[0])]).concatenate(value.shape[1:])
                    )
            op = apply(
                "TensorArraySplitV3",
                {"handle": self._handle, "value": value, "lengths": lengths, "flow_in": self._flow},
                name=name,
                attrs={"T": value.dtype.base_dtype},
            )
            return self._next(op.outputs[0])

    def size(self, name: str | None = None) -> Tensor:
        """The number of elements, ()."""
        inputs = {"handle": self._handle, "flow_in": self._flow}
        return apply("TensorArraySizeV3", inputs, name=name).outputs[0]

    def close(self, name: str | None = None) -> Operation:
        """An operation that does nothing: a run frees its arrays."""
        return apply("TensorArrayCloseV3", {"handle": self._handle}, name=name)


def with_flow(array: TensorArray, flow: Tensor) -> TensorArray:
    """An array at another point of the data flow, such as inside of a loop."""
    return array._next(flow)
