"""Private: the nodes of an ONNX graph, and one step of a cell as such nodes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language.graph import Node

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

# The version of ONNX's operators, and the file format's: onnx 1.14 and ONNX Runtime 1.15 have them.
OPSET, IR_VERSION = 18, 9

# The ONNX operators of the pointwise operations.
OPERATORS: dict[str, str] = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "neg": "Neg",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "softplus": "Softplus",
    "floor": "Floor",
    "abs": "Abs",
    "maximum": "Max",
    "minimum": "Min",
    "less": "Less",
    "where": "Where",
}


@dataclass
class Constants:
    """The constants of a model and the names that are taken, shared by a graph and its subgraphs.

    Attributes:
        dtype: The dtype of numbers, float32 or float64.
        tensors: The constants.
    """

    dtype: np.dtype
    tensors: "list[TensorProto]" = field(default_factory=list)
    _taken: dict[str, int] = field(default_factory=dict)
    _known: dict[bytes, str] = field(default_factory=dict)

    def unique(self, name: str) -> str:
        """The name, with a number after it if it is taken."""
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        return name if not count else self.unique(f"{name}_{count}")

    def add(self, array: np.ndarray, name: str = "constant") -> str:
        """The name of a constant with these values; equal ones are stored once."""
        from onnx import numpy_helper

        array = np.asarray(array, order="C")
        key = repr((array.dtype.str, array.shape)).encode() + array.tobytes()
        if key not in self._known:
            self._known[key] = self.unique(name)
            self.tensors.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def number(self, value: float) -> str:
        """The name of a number of the model's dtype."""
        return self.add(np.array(value, self.dtype), "number")

    def whole(self, *values: int) -> str:
        """The name of a vector of int64 numbers."""
        return self.add(np.array(values, np.int64), "sizes")


class Nodes:
    """The nodes of one graph, in order.

    Args:
        constants: Those of the model.
    """

    def __init__(self, constants: Constants):
        self.constants, self.nodes = constants, list["NodeProto"]()

    def add(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, and return the name of the output."""
        (output,) = self.add_many(op, inputs, [name or op.lower()], **attributes)
        return output

    def add_many(
        self, op: str, inputs: Iterable[str], names: Iterable[str], **attributes: Any
    ) -> list[str]:
        """Add a node, and return the names of its outputs."""
        from onnx import helper

        outputs = [self.constants.unique(name) for name in names]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, **attributes))
        return outputs

    def lead(self, full: str) -> str:
        """The shape of a value without its last dimension."""
        return self.add("Shape", full, name="lead", start=0, end=-1)

    def expand(self, value: str, lead: str, units: int) -> str:
        """A value broadcast to (*lead, units)."""
        shape = self.add("Concat", lead, self.constants.whole(units), axis=0, name="shape")
        return self.add("Expand", value, shape)


def value_info(
    name: str, dtype: np.dtype, shape: Sequence[int | str | None] | None
) -> "ValueInfoProto":
    """A value with its dtype and shape (None if it is unknown), as graphs list their inputs and
    outputs.
    """
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


class Ports:
    """The inputs and outputs of a graph, and the model made of them.

    Args:
        out: The nodes of the graph.
    """

    def __init__(self, out: Nodes):
        self.out = out
        self.inputs, self.outputs = list["ValueInfoProto"](), list["ValueInfoProto"]()
        self._reserved = set[str]()

    def reserve(self, *names: str) -> None:
        """Keep names for outputs, before other values can take them."""
        for name in names:
            self.out.constants.unique(name)
        self._reserved.update(names)

    def add_input(self, name: str, dtype: Any, shape: Sequence[int | str | None]) -> str:
        """Add an input, and return its name."""
        self.out.constants.unique(name)
        self.inputs.append(value_info(name, np.dtype(dtype), shape))
        return name

    def add_output(
        self, name: str, value: str, dtype: Any, shape: Sequence[int | str | None]
    ) -> None:
        """Give a value out under a name that was reserved."""
        from onnx import helper

        if name not in self._reserved:
            raise ValueError(f"the name {name!r} is not reserved")
        self.out.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(value_info(name, np.dtype(dtype), shape))

    def model(self, name: str, metadata: Mapping[str, str]) -> "ModelProto":
        """The model, checked.

        Args:
            name: The name of the graph.
            metadata: The metadata of the model.
        """
        import onnx
        from onnx import helper

        read = _read(self.out.nodes)
        tensors = [one for one in self.out.constants.tensors if one.name in read]
        graph = helper.make_graph(self.out.nodes, name, self.inputs, self.outputs, tensors)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="ostinato",
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        return model


def _read(nodes: "Iterable[NodeProto]") -> set[str]:
    """The names of all values that nodes and the graphs in them read."""
    found = set[str]()
    for node in nodes:
        found.update(node.input)
        for attribute in node.attribute:
            found |= {one.name for one in attribute.g.output} | _read(attribute.g.node)
    return found


@dataclass(frozen=True)
class StepValue:
    """A value of a step in an ONNX graph, by its name.

    Attributes:
        name: Its name.
        full: Whether it has the leading dimensions of the sequence, (T, B, units) or (B, units).
            Weights, (units,), and numbers do not.
    """

    name: str
    full: bool


def add_step(
    out: Nodes,
    nodes: Iterable[Node],
    values: dict[Node, StepValue],
    weights: Mapping[str, str],
    sizes: Mapping[str, int],
    labels: Mapping[Node, str],
    like: str,
) -> None:
    """Add the nodes of a step to a graph, and their results to `values`.

    Args:
        out: The graph.
        nodes: The nodes, arguments first; those in `values` are left out.
        values: The values known so far: inputs and states, (..., units) each.
        weights: The name of each of the cell's weights, in the shape of the cell.
        sizes: What each letter stands for.
        labels: The names that the cell gives to values.
        like: A value with the leading dimensions of the full ones.
    """
    lead = None
    for node in nodes:
        if node in values:
            continue
        args = [values[a] for a in node.args]
        names, full = [a.name for a in args], any(a.full for a in args)
        named = {"name": labels.get(node, node.op)}
        match node.op:
            case "number":
                result = out.constants.number(node.value)
            case "weight":
                result = weights[node.value]
            case "product":
                weight, transposed = node.value
                factor = weights[weight]
                if not transposed:
                    factor = out.add("Transpose", factor, perm=[1, 0])
                result = out.add("MatMul", *names, factor, **named)
            case "slice":
                start, stop = (out.constants.whole(s.at(sizes)) for s in node.value)
                result = out.add("Slice", *names, start, stop, out.constants.whole(-1), **named)
            case "concat":
                if full:
                    lead = lead or out.lead(like)
                    names = [
                        a.name if a.full else out.expand(a.name, lead, node_.size.at(sizes))
                        for a, node_ in zip(args, node.args)
                    ]
                result = out.add("Concat", *names, axis=-1, **named)
            case "sum":
                result = out.add("ReduceSum", *names, out.constants.whole(-1), **named)
            case "mean":
                # as in the other engines, the mean of equal numbers is exactly that number
                axis = out.constants.whole(-1)
                mean = out.add("ReduceMean", *names, axis)
                rest = out.add("ReduceMean", out.add("Sub", *names, mean), axis)
                result = out.add("Add", mean, rest, **named)
            case "hard_sigmoid":
                # the attributes of HardSigmoid are float32, also for float64 numbers
                number = out.constants.number
                slope = out.add("Mul", *names, number(1 / 6))
                line = out.add("Add", slope, number(0.5))
                result = out.add("Clip", line, number(0.0), number(1.0), **named)
            case op:
                result = out.add(OPERATORS[op], *names, **named)
        values[node] = StepValue(result, full)


def full_value(
    out: Nodes, node: Node, value: StepValue, sizes: Mapping[str, int], units: int, like: str
) -> str:
    """The name of a value as (..., units), with the leading dimensions of `like`."""
    if value.full and node.size.at(sizes) == units:
        return value.name
    return out.expand(value.name, out.lead(like), units)
