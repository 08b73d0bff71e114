"""Private: an ONNX file that is one row of layers, as a `LayerStack`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...errors import EngineError, InputError, missing_extra
from ...nn.recurrent import Recurrent
from ..layer_specs import ActivationSpec, DenseSpec, EmbeddingSpec, RecurrentSpec
from ..layer_stack import LayerStack, RecurrentPart
from ..proof import random_inputs
from .folding import FoldedConstants
from .nodes import IR_VERSION
from .reader import OnnxFile, read_file
from .reading import RecurrentNode, read_nodes
from .session import session_of

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["read_stack"]

# Operators that change the layout of a sequence and not its numbers.
_LAYOUT = frozenset("Transpose Squeeze Unsqueeze Reshape Identity Cast Flatten Dropout".split())
_PICKED = frozenset({"Gather", "Slice"})
_ACTIVATIONS = {
    "Relu": "relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Softplus": "softplus",
}
# Operators by which a file computes the shape of a reshape.
_SIZES = frozenset("Shape Gather Concat Unsqueeze Squeeze Slice Cast Identity Constant".split())
# Maximum nodes of a row, and of the sizes in it.
NODES, SIZES = 200, 200
# The batch on which a file and its layers are compared, where the file does not fix it.
B, T = 3, 5
TOLERANCE = 1e-5


@dataclasses.dataclass
class OnnxRow:
    """The layers of a file from its output back to its input, while they are read.

    Attributes:
        parts: The layers, the last one first: a description and the weights by name, or None for
            those of the layer.
        nodes: The nodes of the row, the last one first, for a file of these alone.
        activation, bias: What follows the dense layer that comes next.
        picked: Whether one step of a sequence is taken.
    """

    parts: list[tuple[str, Any, dict[str, np.ndarray] | Recurrent]]
    nodes: "list[NodeProto]"
    activation: str = ""
    bias: np.ndarray | None = None
    picked: bool = False


def read_stack(path: Path) -> LayerStack:
    """Read an ONNX file that is one row of layers.

    The layers are embeddings, RNN, LSTM and GRU nodes, dense layers and activations, one after
    another, from the input of the file to its first output. The row is run with ONNX Runtime and
    compared with the layers. Initial states of the file are taken as 0 unless they are constants.

    Args:
        path: The file.

    Returns:
        The layers, in evaluation mode. They take (B, T, I), whatever the layout of the file is.

    Raises:
        InputError: The file is not an ONNX file, or not such a row; the message names the node.
        EngineError: ONNX Runtime computes something else than the layers.
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> import os, tempfile
        >>> import ostinato
        >>> from ostinato.exchange import onnx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "layer.onnx")
        ...     written = onnx.write(ostinato.GRU(3, 5, num_layers=2), path)
        ...     onnx.read_stack(path).names
        ('GRU_0', 'GRU_1')
    """
    try:
        file = read_file(path)
        found = {name: one for one in read_nodes(file) for name in one.node.output if name}
        constants = FoldedConstants(file)
        row, source = _row(file, constants, found)
        _check_other_inputs(file, constants, found, row, source)
        parts = {name: spec for name, spec, _ in reversed(row.parts)}
        try:
            stack = LayerStack(parts).eval()
        except ValueError as error:
            raise _not_a_row(file, str(error)) from error
        _load(stack, row)
        _prove(file, constants, found, row, source, stack)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    return stack


def _not_a_row(file: OnnxFile, why: str) -> InputError:
    return file.fail(
        f"it is not one row of layers: {why}",
        "read its recurrent layers alone with ostinato.exchange.onnx.read in Python",
    )


def _row(
    file: OnnxFile, constants: FoldedConstants, found: dict[str, RecurrentNode]
) -> tuple[OnnxRow, str]:
    """The row that ends at the first output, and the name of the input at its start."""
    inputs = {one.name for one in file.model.graph.input}
    if not file.model.graph.output:
        raise _not_a_row(file, "it has no output")
    row, name = OnnxRow([], []), file.model.graph.output[0].name
    for _ in range(NODES):
        node = constants.producer(name)
        if node is None:
            if name in inputs and not row.activation and row.bias is None:
                return row, name
            raise _not_a_row(file, f"its row begins at {name[:80]!r}, which is not an input")
        row.nodes.append(node)
        name = _previous(file, constants, found.get(name), node, name, row)
    raise _not_a_row(file, f"it has more than {NODES} nodes in a row")


def _previous(
    file: OnnxFile,
    constants: FoldedConstants,
    recurrent: RecurrentNode | None,
    node: "NodeProto",
    output: str,
    row: OnnxRow,
) -> str:
    """Add a node to a row, and return the value that it reads."""
    op, inputs = node.op_type, [*node.input]
    place = f"{op}_{len(row.parts)}"
    if recurrent is not None:
        _flush(row, place)
        layer = recurrent.layer
        if not isinstance(layer, Recurrent):
            raise _not_a_row(file, f"{recurrent.name!r} runs in the reverse direction alone")
        last = output != node.output[0]
        if row.picked and not last and layer.bidirectional:
            raise _not_a_row(file, f"it takes one step of the two directions of {recurrent.name!r}")
        try:
            spec = dataclasses.replace(RecurrentSpec.of(layer), sequence=not (last or row.picked))
        except InputError as error:
            raise _not_a_row(file, str(error)) from error
        row.parts.append((recurrent.name, spec, layer))
        row.picked = False
        return inputs[0]
    if op in _ACTIVATIONS and not row.activation and row.bias is None:
        row.activation = _ACTIVATIONS[op]
        return inputs[0]
    if op in ("Add", "MatMul", "Gemm"):
        return _dense(file, constants, node, row, place)
    table = constants.value(inputs[0]) if op == "Gather" else None
    if table is not None and table.ndim == 2:
        _flush(row, place)
        row.parts.append((place, EmbeddingSpec(*table.shape), {"weight": table}))
        return inputs[1]
    if op == "Where" and len(inputs) == 3:
        return inputs[1]  # a mask of lengths
    if op in _LAYOUT or op in _PICKED or op == "Concat":
        row.picked = row.picked or op in _PICKED
        return inputs[0]
    raise _not_a_row(
        file, f"node {node.name[:80]!r} ({op[:40]}) is none of the layers that it reads"
    )


def _check_other_inputs(
    file: OnnxFile,
    constants: FoldedConstants,
    found: dict[str, RecurrentNode],
    row: OnnxRow,
    source: str,
) -> None:
    """Check what the row reads besides the input: lengths and initial states that are inputs of the
    file, and masks of these lengths.

    Raises:
        InputError: They are something else.
    """
    lengths = set[str]()
    masks = [node for node in row.nodes if node.op_type == "Where"]
    for node in row.nodes:
        if not any(name in found for name in node.output):
            continue
        what = f"{found[node.output[0] or node.output[1]].name!r}"
        for place, name in enumerate(node.input):
            if place not in (4, 5, 6) or not name:
                continue
            origin = _origins(constants, name)
            if place == 4 and (not origin or source in origin):
                raise _not_a_row(file, f"the lengths of {what} are not an input")
            if place == 4:
                lengths |= origin
            elif source in origin:
                raise _not_a_row(file, f"the initial state of {what} depends on {source!r}")
    for node in masks:
        origin = _origins(constants, node.input[0])
        if not origin or not origin <= lengths or constants.uniform(node.input[2]) != 0:
            raise _not_a_row(file, f"node {node.name[:80]!r} (Where) is not a mask of lengths")


def _origins(constants: FoldedConstants, name: str) -> set[str]:
    """The inputs of the file that a value depends on by more than their shapes."""
    found, seen, left = set[str](), set[str](), [name]
    while left:
        one = left.pop()
        if not one or one in seen or constants.is_constant(one):
            continue
        seen.add(one)
        node = constants.producer(one)
        if node is None:
            found.add(one)
        elif node.op_type != "Shape":
            left += node.input
    return found


def _flush(row: OnnxRow, place: str) -> None:
    """Add an activation that follows no dense layer."""
    if row.activation:
        row.parts.append((f"{row.activation}_{place}", ActivationSpec(row.activation), {}))
        row.activation = ""


def _dense(
    file: OnnxFile, constants: FoldedConstants, node: "NodeProto", row: OnnxRow, place: str
) -> str:
    """Add a dense layer, or the bias of one, and return the value that it reads."""
    values = [constants.value(name) for name in node.input]
    known = [k for k, value in enumerate(values) if value is not None]
    data = next((name for name, value in zip(node.input, values) if value is None), "")
    if not known or not data:
        raise _not_a_row(file, f"node {node.name[:80]!r} ({node.op_type}) joins two values")
    if node.op_type == "Add":
        bias = values[known[0]]
        if row.bias is not None or bias is None or bias.ndim > 1:
            raise _not_a_row(
                file, f"node {node.name[:80]!r} (Add) is not the bias of a dense layer"
            )
        row.bias = bias
        return data
    weight = values[1]
    if weight is None or weight.ndim != 2:
        raise _not_a_row(file, f"node {node.name[:80]!r} ({node.op_type}) has no constant matrix")
    flags = {one.name: one.i for one in node.attribute}
    weight = weight if flags.get("transB") else weight.T
    bias = values[2] if len(values) > 2 else row.bias
    if bias is not None and bias.shape not in ((), (1,), weight.shape[:1]):
        raise _not_a_row(file, f"the bias of {node.name[:80]!r} is {bias.shape}")
    arrays = {"weight": weight}
    if bias is not None:
        arrays["bias"] = np.broadcast_to(bias, weight.shape[:1])
    spec = DenseSpec(weight.shape[1], weight.shape[0], bias is not None, row.activation or "linear")
    row.parts.append((place, spec, arrays))
    row.activation, row.bias = "", None
    return data


def _load(stack: LayerStack, row: OnnxRow) -> None:
    """Copy the weights of a row into its layers."""
    with torch.no_grad():
        for (_, part), (_, _, weights) in zip(stack.named_parts(), reversed(row.parts)):
            if isinstance(weights, Recurrent) and isinstance(part, RecurrentPart):
                part.layer.load_state_dict(weights.state_dict())
            elif isinstance(weights, dict):
                for name, array in weights.items():
                    getattr(part, name).copy_(torch.from_numpy(np.array(array)))


# ---------------------------------------------------------------- the proof


def _prove(
    file: OnnxFile,
    constants: FoldedConstants,
    found: dict[str, RecurrentNode],
    row: OnnxRow,
    source: str,
    stack: LayerStack,
) -> None:
    """Run the row with ONNX Runtime and compare it with the layers, in either layout.

    Raises:
        EngineError: The results differ in both layouts.
    """
    content, target = _row_model(file, constants, found, row, source)
    x = random_inputs(stack, B, T)
    with torch.no_grad():
        wanted = stack(x).numpy()
    errors = []
    for time_first in (False, True):
        given = (x.transpose(0, 1) if time_first else x).contiguous().numpy()
        try:
            result = _run(content, source, target, given)
        except Exception as error:  # the classes of ONNX Runtime's errors are not public
            errors.append(str(error)[:200])
            continue
        for one in (result, result.swapaxes(0, 1) if result.ndim == 3 else result):
            if one.shape == wanted.shape:
                apart = float(np.abs(one - wanted).max(initial=0.0))
                if apart <= TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0.0))):
                    return
                errors.append(f"its results differ by {apart:.2g}")
            else:
                errors.append(f"its result is {one.shape}, and that of the layers {wanted.shape}")
    raise EngineError(
        f"{str(file.path)!r}: ONNX Runtime does not give the results of the layers "
        f"({'; '.join(dict.fromkeys(errors))}); read its recurrent layers alone with "
        "ostinato.exchange.onnx.read in Python"
    )


def _row_model(
    file: OnnxFile,
    constants: FoldedConstants,
    found: dict[str, RecurrentNode],
    row: OnnxRow,
    source: str,
) -> tuple[bytes, str]:
    """A file of the row alone, without lengths and with the initial states of the layers, and the
    name of its output.

    It has no node whose memory is not bounded by that of its arguments.
    """
    import onnx
    from onnx import helper, numpy_helper

    nodes, tensors = list[onnx.NodeProto](), dict[str, np.ndarray]()

    def keep(node: "NodeProto", names: list[str], depth: int = 0) -> None:
        for name in names:
            if not name or name == source or name in tensors or name in made:
                continue
            array = constants.value(name)
            if array is not None:
                tensors[name] = array
                continue
            other = constants.producer(name)
            if other is None or other.op_type not in _SIZES or len(made) > SIZES or depth > 50:
                raise _not_a_row(file, f"{node.name[:80]!r} reads {name[:80]!r}")
            if other.op_type == "Concat" and len(other.input) > 8 or depth > 12:
                raise _not_a_row(file, f"{other.name[:80]!r} joins too many sizes")
            keep(other, [*other.input], depth + 1)
            made.update(other.output)
            nodes.append(other)

    made: set[str] = set()
    for original in reversed(row.nodes):
        node = onnx.NodeProto()
        node.CopyFrom(original)
        recurrent = next((found[name] for name in original.output if name in found), None)
        if recurrent is not None and isinstance(recurrent.layer, Recurrent):
            del node.input[4:]
            if recurrent.layer.learned_state:
                node.input.extend([""] * (4 - len(node.input) + 1))
                for k, state in enumerate(recurrent.layer.initial_state(B)):
                    tensors[f"{node.output[0]}/initial{k}"] = state.detach().numpy()
                    node.input.append(f"{node.output[0]}/initial{k}")
            if len(original.input) > 7 and original.input[7]:
                node.input.extend([""] * (7 - len(node.input)) + [original.input[7]])
        elif node.op_type == "Where":
            node.CopyFrom(helper.make_node("Identity", [original.input[1]], [original.output[0]]))
        keep(node, [*node.input])
        made.update(name for name in node.output if name)
        nodes.append(node)
    target = file.model.graph.output[0].name
    given = next(one for one in file.model.graph.input if one.name == source)
    graph = helper.make_graph(
        nodes,
        "row",
        [helper.make_tensor_value_info(source, given.type.tensor_type.elem_type, None)],
        [helper.make_empty_tensor_value_info(target)],
        [numpy_helper.from_array(np.array(a, order="C"), name) for name, a in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=file.model.opset_import, ir_version=IR_VERSION)
    return model.SerializeToString(), target


def _run(content: bytes, source: str, target: str, x: np.ndarray) -> np.ndarray:
    """The output of a file for an input."""
    session = session_of(content)
    (given,) = session.get_inputs()
    dtype = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}.get(given.type, np.float32)
    return session.run([target], {source: x.astype(dtype)})[0]
