"""Private: the constants of an ONNX graph, and what it computes from constants: exporters slice,
transpose and join weights by nodes.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .nodes import value_info
from .reader import RANK, OnnxFile

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

__all__ = ["FoldedConstants", "own_domain"]

# Operators whose results do not outgrow their arguments, or whose size is known beforehand.
_FOLDED = frozenset(
    "Identity Transpose Reshape Squeeze Unsqueeze Flatten Slice Split Cast Concat Gather Expand "
    "ConstantOfShape Add Sub Mul Div Neg Shape".split()
)
# Operators that keep a value that is one number everywhere.
_KEEPING = frozenset(
    "Identity Transpose Reshape Squeeze Unsqueeze Flatten Slice Split Concat Gather Expand".split()
)
_KEEPING_ALL = frozenset({"Concat"})  # of these all arguments are values, of others the first


# Maximum nodes that compute constants: each takes about a millisecond.
FOLDED_NODES = 2000


class FoldedConstants:
    """The constants of the main graph of a file, by name; each is computed when it is asked for.

    Args:
        file: The file.

    Raises:
        InputError: The nodes are not in order (an ONNX graph has no cycles), or two have the same
            output.
    """

    def __init__(self, file: OnnxFile):
        self.file = file
        graph = file.model.graph
        self._opsets = [(one.domain, one.version) for one in file.model.opset_import]
        # A graph input with an initialiser is a default: a call may replace it, but rarely does.
        self._tensors: dict[str, TensorProto] = {one.name: one for one in graph.initializer}
        self._values: dict[str, np.ndarray] = {}
        self._producers: dict[str, NodeProto] = {}
        self._constant = set(self._tensors)
        self._nodes_left = FOLDED_NODES
        defined = {one.name for one in graph.input} | self._constant
        defined |= {one.values.name for one in graph.sparse_initializer}
        for node in graph.node:
            for name in node.input:
                if name and name not in defined:
                    raise file.fail(
                        f"node {node.name[:80]!r} ({node.op_type[:40]}) reads {name[:80]!r}, which "
                        "no input, initialiser or earlier node is: a tensor is missing, or the "
                        "graph has a cycle"
                    )
            for name in filter(None, node.output):
                if name in defined:
                    raise file.fail(f"the value {name[:80]!r} is defined twice")
                defined.add(name)
                self._producers[name] = node
            if _is_constant(node) or (
                own_domain(node)
                and node.op_type in _FOLDED
                and all(name in self._constant for name in node.input if name)
                and any(node.input)
            ):
                self._constant |= set(node.output)

    def producer(self, name: str) -> "NodeProto | None":
        """The node that computes a value; None for an input or an initialiser."""
        return self._producers.get(name)

    def is_constant(self, name: str) -> bool:
        """Whether a value is a constant."""
        return name in self._constant

    def value(self, name: str) -> np.ndarray | None:
        """A constant; None for a value that depends on the inputs of the file.

        Raises:
            InputError: It cannot be computed, or would take too much memory.
        """
        if name not in self._constant:
            return None
        for wanted in self._needed(name):
            if wanted in self._tensors:
                self._values[wanted] = self.file.array(self._tensors[wanted], repr(wanted[:80]))
            else:
                self._compute(self._producers[wanted])
        return self._values[name]

    def _needed(self, name: str) -> list[str]:
        """The constants that are not computed yet and that a constant depends on, in order."""
        order, left = list[str](), [name]
        seen = set(self._values)
        while left:
            one = left[-1]
            node = self._producers.get(one)
            new = [a for a in (node.input if node else ()) if a and a not in seen]
            if one not in seen and new:
                left += new
                continue
            left.pop()
            if one not in seen:
                seen |= set(node.output) if node else {one}
                order.append(one)
        return order

    def uniform(self, name: str) -> float | None:
        """The number that all elements of a value are, whatever its shape; None if they differ or
        depend on the inputs.

        Exporters write the initial state as zeros of the batch size of the call.
        """
        numbers, left, seen = set[float](), [name], set[str]()
        while left:
            one = left.pop()
            if one in seen:
                continue
            seen.add(one)
            node = self._producers.get(one)
            if one in self._constant:
                array = self.value(one)
                if array is None or not array.size or array.min() != array.max():
                    return None
                numbers.add(float(array.flat[0]))
            elif node is not None and own_domain(node) and node.op_type == "ConstantOfShape":
                numbers.add(self._fill(node))
            elif node is not None and own_domain(node) and node.op_type in _KEEPING:
                left += node.input if node.op_type in _KEEPING_ALL else node.input[:1]
            else:
                return None
        return numbers.pop() if len(numbers) == 1 else None

    def _fill(self, node: "NodeProto") -> float:
        """The number of a node ConstantOfShape."""
        for attribute in node.attribute:
            if attribute.name == "value":
                value = self.file.array(attribute.t, "the value of ConstantOfShape")
                if value.size != 1:
                    raise self.file.fail("the value of a ConstantOfShape is not one number")
                return float(value.reshape(()))
        return 0.0

    def _compute(self, node: "NodeProto") -> None:
        """Compute the outputs of a node from its arguments, which are known."""
        what = f"node {node.name[:80]!r} ({node.op_type[:40]})"
        arguments = [self._values[name] if name else None for name in node.input]
        if _is_constant(node):
            self._values[node.output[0]] = self._constant_of(node, what)
            return
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise self.file.fail(
                f"its weights are computed by more than {FOLDED_NODES:,} nodes",
                "simplify the model before it is read",
            )
        self.file.take(2 * self._bytes(node, arguments, what), what)
        try:
            found = _evaluate(node, arguments, self._opsets)
        except Exception as error:  # the evaluator raises whatever NumPy and its own code raise
            raise self.file.fail(f"{what} cannot be computed ({error})") from error
        for name, value in zip(node.output, found):
            if name:
                self._values[name] = np.asarray(value)

    def _constant_of(self, node: "NodeProto", what: str) -> np.ndarray:
        """The value of a node Constant."""
        for attribute in node.attribute:
            match attribute.name:
                case "value":
                    return self.file.array(attribute.t, what)
                case "value_float" | "value_floats":
                    numbers = attribute.floats if attribute.name.endswith("s") else attribute.f
                    return np.array(numbers, np.float32)
                case "value_int" | "value_ints":
                    whole = attribute.ints if attribute.name.endswith("s") else attribute.i
                    return np.array(whole, np.int64)
        raise self.file.fail(f"{what} has no value that a weight could have")

    def _bytes(self, node: "NodeProto", arguments: list[np.ndarray | None], what: str) -> int:
        """An upper bound on the bytes of the outputs of a node."""
        arrays = [a for a in arguments if a is not None]
        first = arrays[0]
        width = max(8, *(a.itemsize for a in arrays))
        match node.op_type:
            case "Concat":
                return sum(a.nbytes for a in arrays)
            case "Gather":
                axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
                if not -first.ndim <= axis < first.ndim:
                    raise self.file.fail(f"{what} has the axis {axis} of {first.ndim}")
                others = math.prod(first.shape) // max(1, first.shape[axis])
                return width * others * arrays[-1].size
            case "ConstantOfShape":
                return width * math.prod(self._shape(arrays[-1], what))
            case "Expand" | "Add" | "Sub" | "Mul" | "Div":
                shapes = [a.shape for a in arrays]
                if node.op_type == "Expand":
                    shapes[1:] = [self._shape(arrays[-1], what)]
                ranks = max(map(len, shapes))
                padded = [(1,) * (ranks - len(shape)) + shape for shape in shapes]
                return width * math.prod(max(sizes) for sizes in zip(*padded))
            case _:
                return width * first.size

    def _shape(self, sizes: np.ndarray, what: str) -> tuple[int, ...]:
        """A shape that a node is given as an array."""
        shape = tuple(int(size) for size in sizes.reshape(-1)[: RANK + 1])
        if len(shape) > RANK or min(shape, default=1) < 0:
            raise self.file.fail(f"{what} has the shape {shape}, which no array has")
        return shape


def own_domain(node: "NodeProto") -> bool:
    """Whether an operator is one of ONNX itself."""
    return node.domain in ("", "ai.onnx")


def _is_constant(node: "NodeProto") -> bool:
    return own_domain(node) and node.op_type == "Constant" and len(node.output) == 1


def _evaluate(
    node: "NodeProto", arguments: list[np.ndarray | None], opsets: list[tuple[str, int]]
) -> list[Any]:
    """The outputs of one node, by ONNX's reference implementation."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    given: Mapping[str, np.ndarray] = {
        name: value for name, value in zip(node.input, arguments) if value is not None
    }
    inputs = [value_info(name, value.dtype, value.shape) for name, value in given.items()]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    model = helper.make_model(
        helper.make_graph([node], "constants", inputs, outputs),
        opset_imports=[helper.make_opsetid(*opset) for opset in opsets],
    )
    found = ReferenceEvaluator(model).run(None, dict(given))
    by_name = dict(zip([one.name for one in outputs], found))
    return [by_name.get(name) for name in node.output]
