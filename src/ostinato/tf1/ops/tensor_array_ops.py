"""Private: the operations of TensorArrays, and the arrays of a run."""

from typing import Any

import numpy as np

from ..core.dtypes import DTYPES, DType
from ..core.errors import InvalidArgumentError, UnimplementedError
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor

__all__: list[str] = []

_FLOAT, _HANDLE = DTYPES["float32"], DTYPES["resource"]


# Values of a run


class _Array:
    """The elements of a TensorArray in a run.

    Attributes:
        values: The elements; None for one that is not written, or was cleared.
        block: All elements as one array, where they were written at once and none was cleared.
        shapes: Their shapes; None for one that is not written.
        gradients: The arrays of their gradients by source.
    """

    def __init__(self, op: Operation, size: int, forward: "_Array | None" = None):
        self.op: Operation = op if forward is None else forward.op
        attrs = self.op.attrs
        self.dtype: DType = attrs["dtype"]
        self.element_shape: TensorShape = attrs["element_shape"]
        if forward is not None:
            self.element_shape = forward.element_shape
        # The first element that is written gives the shape of all.
        self.is_shape_open = (
            attrs["identical_element_shapes"] and not self.element_shape.is_fully_defined()
        )
        self.is_gradient = forward is not None
        self.dynamic = attrs["dynamic_size"] and not self.is_gradient
        self.clear_after_read = attrs["clear_after_read"] or self.is_gradient
        self.values: list[np.ndarray | None] = [None] * size
        self.block: np.ndarray | None = None
        self.untouched = True
        self.shapes: list[tuple[int, ...] | None] = [None] * size
        if forward is not None:
            self.shapes = list(forward.shapes)
        self.cleared: set[int] = set()
        self.was_read: set[int] = set()
        self.gradients: dict[str, _Array] = {}

    def error(self, message: str) -> InvalidArgumentError:
        return InvalidArgumentError(None, self.op, f"TensorArray {self.op.name}: {message}")

    def read(self, i: int) -> np.ndarray:
        if not 0 <= i < len(self.values):
            raise self.error(
                f"Tried to read from index {i} but array size is: {len(self.values)}: read an "
                "index below the size"
            )
        if i in self.cleared:
            raise self.error(
                f"Could not read index {i} twice because it was cleared after a previous read "
                "(perhaps try setting clear_after_read = false?)"
            )
        value, shape = self.values[i], self.shapes[i]
        if value is None:
            if shape is None:
                if not self.element_shape.is_fully_defined():
                    raise self.error(
                        f"Could not read from TensorArray index {i}: it was not written, and the "
                        f"element shape {self.element_shape} is not fully defined; write the index "
                        "first, or give element_shape"
                    )
                shape = tuple(self.element_shape.as_list())  # type: ignore[arg-type]
            self.shapes[i] = shape
            value = np.zeros(shape, self.dtype.as_numpy_dtype)
        self.was_read.add(i)
        self.untouched = False
        if self.clear_after_read:
            self.values[i] = self.block = None
            self.cleared.add(i)
        return value

    def rows(self) -> np.ndarray | None:
        """All elements as one array, which does not count as reading; None if one is missing."""
        if self.block is not None:
            return self.block
        shapes = {None if v is None else v.shape for v in self.values}
        return np.stack(self.values) if len(shapes) == 1 and None not in shapes else None  # type: ignore[arg-type]

    def read_block(self) -> np.ndarray | None:
        """Read all elements, if they are one array and none was read yet."""
        block = self.block
        if block is None or self.was_read:
            return None
        self.was_read.update(range(len(block)))
        if self.clear_after_read:
            self.cleared.update(range(len(block)))
            self.values, self.block = [None] * len(block), None
        return block

    def write_block(self, block: np.ndarray) -> bool:
        """Write all elements, if the array has as many, and none was written or read yet."""
        shape = block.shape[1:]
        fits = self.untouched and 0 < len(block) == len(self.values)
        if not fits or not self.element_shape.is_compatible_with(shape):
            return False
        if any(s is not None and s != shape for s in self.shapes):
            return False
        self._close_shape(shape)
        self.untouched, self.block = False, block
        self.values, self.shapes = list(block), [shape] * len(block)
        return True

    def write(self, i: int, value: np.ndarray) -> None:
        if self.dynamic and i >= len(self.values):
            more = [None] * (i + 1 - len(self.values))
            self.values += more
            self.shapes += more
        if not 0 <= i < len(self.values):
            raise self.error(
                f"Tried to write to index {i} but array is not resizeable and size is: "
                f"{len(self.values)}: give a larger size, or dynamic_size=True"
            )
        shape = np.shape(value)
        if not self.element_shape.is_compatible_with(shape):
            raise self.error(
                f"Could not write to index {i} because the value shape is {shape} which is "
                f"incompatible with the TensorArray's inferred element shape: "
                f"{self.element_shape}; give infer_shape=False if the shapes differ"
            )
        self._close_shape(shape)
        if i in self.was_read or i in self.cleared:
            raise self.error(
                f"Could not write to TensorArray index {i} because it has already been read: write "
                "each index once"
            )
        if self.shapes[i] is not None:
            if not self.is_gradient:
                raise self.error(
                    f"Could not write to TensorArray index {i} because it has already been written "
                    "to: write each index once"
                )
            if self.shapes[i] != shape:
                raise self.error(
                    f"Could not aggregate to TensorArray index {i} because the existing shape is "
                    f"{self.shapes[i]} but the new input shape is {shape}: read and write values "
                    "of one shape"
                )
            before = self.values[i]
            value = value if before is None else before + value
        self.values[i], self.shapes[i] = value, shape
        self.block, self.untouched = None, False

    def _close_shape(self, shape: tuple[int, ...]) -> None:
        if self.is_shape_open:
            self.element_shape, self.is_shape_open = TensorShape(shape), False

    def gradient(self, op: Operation, source: str) -> "_Array":
        self.dynamic = False
        if source not in self.gradients:
            self.gradients[source] = _Array(op, len(self.values), self)
        return self.gradients[source]


_FLOW = np.float32(0.0)


def _create(run: Any, op: Operation, size: Any) -> tuple[Any, Any]:
    if size < 0:
        raise InvalidArgumentError(None, op, f"Size should be >= 0: the size is {int(size)}")
    return _Array(op, int(size)), _FLOW


def _write(run: Any, op: Operation, array: _Array, index: Any, value: Any, flow: Any) -> Any:
    array.write(int(index), value)
    return flow


def _scatter(run: Any, op: Operation, array: _Array, indices: Any, value: Any, flow: Any) -> Any:
    if len(indices) != len(value):
        raise array.error(
            f"Expected len(indices) == values.shape[0], but saw: {len(indices)} vs. {len(value)}: "
            "give an index for each row"
        )
    if not (_is_range(indices) and array.write_block(value)):
        for i, row in zip(indices, value):
            array.write(int(i), row)
    return flow


def _is_range(indices: np.ndarray) -> bool:
    return bool((indices == np.arange(len(indices))).all())


def _split(run: Any, op: Operation, array: _Array, value: Any, lengths: Any, flow: Any) -> Any:
    if lengths.sum() != len(value):
        raise array.error(
            "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is "
            f"{lengths.sum()} and value's shape is: {value.shape}"
        )
    if not array.dynamic and len(array.values) != len(lengths):
        raise array.error(
            f"TensorArray's size is not equal to the size of lengths ({len(array.values)} vs. "
            f"{len(lengths)}), and the TensorArray is not marked as dynamically resizeable"
        )
    for i, rows in enumerate(np.split(value, np.cumsum(lengths)[:-1]) if len(lengths) else ()):
        array.write(i, rows)
    return flow


def _gather(run: Any, op: Operation, array: _Array, indices: Any, flow: Any) -> Any:
    if not len(indices):
        return np.zeros((0, *_whole_shape(array, op.attrs["element_shape"])), _numpy(op))
    if len(indices) == len(array.values) and _is_range(indices):
        block = array.read_block()
        if block is not None:
            return block
    return np.stack(_rows(array, indices))


def _concat(run: Any, op: Operation, array: _Array, flow: Any) -> Any:
    if not array.values:
        shape = (0, *_whole_shape(array, op.attrs["element_shape_except0"]))
        return np.zeros(shape, _numpy(op)), np.zeros(0, np.int64)
    rows = [array.read(i) for i in range(len(array.values))]
    if any(not r.ndim for r in rows):
        raise array.error("Concat saw a scalar shape but requires at least vectors: use stack()")
    return np.concatenate(rows), np.array([len(r) for r in rows], np.int64)


def _rows(array: _Array, indices: Any) -> list[np.ndarray]:
    rows = [array.read(int(i)) for i in indices]
    for i, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise array.error(
                f"TensorArray has inconsistent shapes. Index 0 has shape: {rows[0].shape} but "
                f"index {i} has shape: {row.shape}; use concat(), or write values of one shape"
            )
    return rows


def _whole_shape(array: _Array, shape: TensorShape) -> Any:
    if not shape.is_fully_defined():
        raise UnimplementedError(
            None,
            array.op,
            f"TensorArray {array.op.name} has size zero, but element shape {shape} is not fully "
            "defined. Currently only static shapes are supported when packing zero-size "
            "TensorArrays: give element_shape",
        )
    return shape.as_list()


def _numpy(op: Operation) -> Any:
    return op.attrs["dtype"].as_numpy_dtype


# Definitions


def _declared_shape(handle: Tensor) -> TensorShape | None:
    """The shape of the elements as it was given to the TensorArray of a handle."""
    op = handle.op
    while op.type != "TensorArrayV3":
        if not op.inputs:
            return None
        op = op.inputs[0].op
    shape = op.attrs["element_shape"]
    return shape if op.attrs["identical_element_shapes"] or shape.is_fully_defined() else None


def _read_outputs(op: Operation) -> list:
    return [(op.attrs["dtype"], _declared_shape(op.inputs[0]))]


def _gather_outputs(op: Operation) -> list:
    shape = _declared_shape(op.inputs[0])
    if shape is None:
        shape = op.attrs["element_shape"]
    return [(op.attrs["dtype"], op.inputs[1].shape.with_rank(1).concatenate(shape))]


def _flow_output(op: Operation) -> list:
    return [(_FLOAT, [])]


_NEW = [(_HANDLE, [2]), (_FLOAT, [])]
define("TensorArrayV3", lambda op: _NEW, _create, stateful=True)
define(
    "TensorArrayGradV3",
    lambda op: _NEW,
    lambda run, op, array, flow: (array.gradient(op, op.attrs["source"]), _FLOW),
    stateful=True,
)
define(
    "TensorArrayReadV3",
    _read_outputs,
    lambda run, op, array, index, flow: array.read(int(index)),
    stateful=True,
)
define("TensorArrayWriteV3", _flow_output, _write, stateful=True)
define("TensorArrayGatherV3", _gather_outputs, _gather, stateful=True)
define("TensorArrayScatterV3", _flow_output, _scatter, stateful=True)
define(
    "TensorArrayConcatV3",
    lambda op: [(op.attrs["dtype"], None), (DTYPES["int64"], [None])],
    _concat,
    stateful=True,
)
define("TensorArraySplitV3", _flow_output, _split, stateful=True)
define(
    "TensorArraySizeV3",
    lambda op: [(DTYPES["int32"], [])],
    lambda run, op, array, flow: np.int32(len(array.values)),
    stateful=True,
)
define("TensorArrayCloseV3", lambda op: [], lambda run, op, array: (), stateful=True)
not_differentiable("TensorArrayV3", "TensorArrayGradV3", "TensorArraySizeV3", "TensorArrayCloseV3")
