"""Private: the RNN, LSTM and GRU nodes of an ONNX file as layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...errors import missing_extra, near, shown
from ...nn.recurrent import Recurrent, suffix
from ..reversed_layer import ReversedLayer
from .cells import ACTIVATIONS, Activation
from .folding import FoldedConstants, own_domain
from .node_proof import prove_node
from .operators import DEFAULTS, GATES, Native, NodeWeights, of_node
from .reader import OnnxFile, read_file

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto

__all__ = ["RecurrentNode", "read", "read_nodes"]

# Maximum recurrent nodes of a file: each is run with ONNX Runtime.
NODES = 500
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_NUMBERS = {np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)}
# The attributes of each operator with their kinds (onnx.proto, AttributeType).
_FLOAT, _INT, _STRING, _FLOATS, _STRINGS = 1, 2, 3, 6, 8
_ATTRIBUTES = {
    "activations": _STRINGS,
    "activation_alpha": _FLOATS,
    "activation_beta": _FLOATS,
    "clip": _FLOAT,
    "direction": _STRING,
    "hidden_size": _INT,
    "input_forget": _INT,
    "layout": _INT,
    "linear_before_reset": _INT,
    "output_sequence": _INT,
}
# Operators with a recurrence that have their own equations or quantised weights.
_OTHERS = {"Scan", "Loop", "DynamicQuantizeLSTM", "AttnLSTM"}


@dataclass(frozen=True)
class RecurrentNode:
    """A node of a file and the layer that it is.

    Attributes:
        name: Its name in the dict of `read`.
        node: The node.
        layer: The layer.
    """

    name: str
    node: "NodeProto"
    layer: Recurrent | ReversedLayer


def read(path: Path) -> dict[str, Recurrent | ReversedLayer]:
    """Read the RNN, LSTM and GRU nodes of an ONNX file as layers.

    Each node is run with ONNX Runtime on random inputs, states and lengths and compared with its
    layer. The other nodes of the file are not read.

    A layer has the cell of the catalogue with the node's equations, or else a cell that
    `layer.cell.equations()` prints: with other activation functions, clipping or coupled gates. It
    has the node's layout: (T, B, I), or (B, T, I) for `layout=1`. Initial states that are constants
    become learned states. Initial states that the file computes, or has as inputs, are given to the
    layer by its caller.

    Args:
        path: The file. Data outside the file is read from its folder only.

    Returns:
        The layers in the order of the graph, by the name of their node; "LSTM_0" for the first
        recurrent node if it has no name, and so on. A node with direction="reverse" is a
        `ReversedLayer`.

    Raises:
        InputError: The file is not an ONNX file, has no such node, or has one that cannot be read:
            in the body of another node, with weights that are not constants, or damaged.
        EngineError: ONNX Runtime computes something else than the layer.
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> import os, tempfile
        >>> import ostinato
        >>> from ostinato.exchange import onnx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "layer.onnx")
        ...     files = onnx.write(ostinato.GRU(3, 5), path)
        ...     onnx.read(path)
        {'GRU_0': Recurrent(gru, 3, 5, batch_first=False)}
    """
    try:
        return {one.name: one.layer for one in read_nodes(read_file(path))}
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error


def read_nodes(file: OnnxFile) -> list[RecurrentNode]:
    """The recurrent nodes of a file, in order, each compared with ONNX Runtime.

    Raises:
        InputError: There is none, or one cannot be read.
        EngineError: ONNX Runtime computes something else than a layer.
    """
    inside = next(_in_bodies(file.model), None)
    if inside:
        raise file.fail(
            f"the node {inside} cannot be read as a layer of its own",
            "export the model without loops, branches and functions around recurrent layers",
        )
    found = [node for node in file.model.graph.node if _is_recurrent(node)]
    if not found:
        others = sorted({n.op_type for n in file.model.graph.node if n.op_type in _OTHERS})
        raise file.fail(
            "it has no RNN, LSTM or GRU node"
            + (f"; it has {', '.join(others)}, which cannot be read" * bool(others)),
            "export the model with its recurrent layers as such nodes",
        )
    if len(found) > NODES:
        raise file.fail(f"it has {len(found):,} recurrent nodes; the limit is {NODES}", "split it")
    constants, nodes = FoldedConstants(file), list[RecurrentNode]()
    names = {node.name for node in found}
    twice = len(names) < len(found)
    for number, node in enumerate(found):
        name = node.name if node.name and not twice else f"{node.op_type}_{number}"
        nodes.append(RecurrentNode(name, node, _read_node(file, constants, node, name)))
    return nodes


def _is_recurrent(node: "NodeProto") -> bool:
    return own_domain(node) and node.op_type in GATES


def _in_bodies(model: Any) -> Iterator[str]:
    """The recurrent nodes inside bodies of other nodes and inside functions, as text."""
    left: list[tuple[str, GraphProto]] = []

    def inner(nodes: Any) -> None:
        for node in nodes:
            for attribute in node.attribute:
                graphs = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
                left.extend((f"{node.op_type[:40]} {node.name[:80]!r}", one) for one in graphs)

    for function in model.functions:
        for node in function.node:
            if _is_recurrent(node):
                yield f"{node.name[:80]!r} ({node.op_type}) in the function {function.name[:80]!r}"
        inner(function.node)
    inner(model.graph.node)
    while left:
        where, graph = left.pop()
        for node in graph.node:
            if _is_recurrent(node):
                yield f"{node.name[:80]!r} ({node.op_type}) in the body of {where}"
        inner(graph.node)


# ---------------------------------------------------------------- one node


def _read_node(
    file: OnnxFile, constants: FoldedConstants, node: "NodeProto", name: str
) -> Recurrent | ReversedLayer:
    """The layer of a node.

    Raises:
        InputError: It cannot be read.
        EngineError: ONNX Runtime computes something else.
    """
    what = f"node {name[:80]!r} ({node.op_type})"
    given = _attributes(file, node, what)
    direction = given.get("direction", "forward")
    if direction not in _DIRECTIONS:
        # the default of GRU and RNN in the first version of the operators is misspelt
        if direction != "foward":
            raise file.fail(f"{what} has direction={shown(direction)}; ONNX has {[*_DIRECTIONS]}")
        direction = "forward"
    layout = given.get("layout", 0)
    if layout not in (0, 1):
        raise file.fail(f"{what} has layout={layout}; ONNX has 0 and 1")
    weights = _weights(file, constants, node, given, _DIRECTIONS[direction], what)
    activations = _activations(file, node.op_type, given, _DIRECTIONS[direction], what)
    limit = given.get("clip")
    if limit is not None and not 0 < limit < np.inf:
        raise file.fail(f"{what} has clip={limit}; it should be above 0, or absent")
    native = of_node(
        node.op_type,
        activations,
        limit=limit,
        coupled=bool(given.get("input_forget", 0)),
        peepholes=weights.p is not None,
        linear_before_reset=bool(given.get("linear_before_reset", 0)),
    )
    layer = _layer(native, weights, batch_first=layout == 1)
    file.take(sum(p.nbytes for p in layer.parameters()), what)
    prove_node(layer, node.op_type, weights, given, activations, direction, what)
    return ReversedLayer(layer) if direction == "reverse" else layer


def _attributes(file: OnnxFile, node: "NodeProto", what: str) -> dict[str, Any]:
    """The attributes of a node by name.

    Raises:
        InputError: One is not an attribute of the operator, or of the wrong kind.
    """
    found = {}
    for one in node.attribute:
        name = one.name
        if _ATTRIBUTES.get(name) != one.type:
            raise file.fail(
                f"{what} has an attribute {name[:80]!r} of kind {one.type}, which the operator "
                f"does not have{near(name[:80], _ATTRIBUTES)}"
            )
        found[name] = _content(one)
    return found


def _content(one: "AttributeProto") -> Any:
    """The value of an attribute; text that is not UTF-8 with signs in place of its bytes."""
    match one.type:
        case 1:
            return one.f
        case 2:
            return one.i
        case 3:
            return one.s.decode("utf-8", "replace")
        case 6:
            return [*one.floats]
        case _:
            return [text.decode("utf-8", "replace") for text in one.strings]


def _activations(
    file: OnnxFile, op: str, given: dict[str, Any], directions: int, what: str
) -> tuple[Activation, ...]:
    """The activation functions of a node, the same for both directions.

    The numbers alpha and beta are taken in order by the functions that have them.

    Raises:
        InputError: A name is unknown, there are too many or too few names or numbers, or the
            directions differ.
    """
    each = len(DEFAULTS[op])
    names = given.get("activations") or [*DEFAULTS[op]] * directions
    if op == "RNN" and len(names) == 2 and directions == 1:
        names = names[:1]  # ONNX's own default has a name for each of two directions
    if len(names) != each * directions:
        raise file.fail(f"{what} has {len(names)} activations and should have {each * directions}")
    known = {name.lower(): name for name in ACTIVATIONS}
    alphas, betas = (list(given.get(f"activation_{one}", [])) for one in ("alpha", "beta"))
    found = []
    for name in names:
        if name.lower() not in known:
            raise file.fail(f"{what} has the activation {shown(name)}; ONNX has {[*ACTIVATIONS]}")
        kind, numbers = ACTIVATIONS[known[name.lower()]], []
        for place, (has, values) in enumerate(((kind.alpha, alphas), (kind.beta, betas))):
            if has and not values and kind.defaults is None:
                raise file.fail(
                    f"{what} has the activation {name} without its {('alpha', 'beta')[place]}, "
                    "whose default differs between tools",
                    "write activation_alpha and activation_beta into the node",
                )
            default = kind.defaults[place] if kind.defaults else 0.0
            numbers.append(values.pop(0) if has and values else default if has else 0.0)
        # files have float32 numbers: 0.2 and not 0.20000000298
        numbers = [float(str(np.float32(number))) for number in numbers]
        if not np.isfinite(numbers).all():
            raise file.fail(f"{what} has the activation {name} with the numbers {numbers}")
        found.append(Activation(known[name.lower()], *numbers))
    if any(alphas) or any(betas):
        raise file.fail(
            f"{what} has more values of activation_alpha or activation_beta than its activations "
            f"{names} use",
            "write one value for each activation that has one, in order",
        )
    if directions == 2 and found[:each] != found[each:]:
        raise file.fail(
            f"{what} has other activations in the reverse direction than in the forward one",
            "write it as two nodes, one for each direction",
        )
    return tuple(found[:each])


# ---------------------------------------------------------------- weights


def _weights(
    file: OnnxFile,
    constants: FoldedConstants,
    node: "NodeProto",
    given: dict[str, Any],
    directions: int,
    what: str,
) -> NodeWeights:
    """The weights of a node.

    Raises:
        InputError: They are not constants, or their shapes or dtypes are wrong.
    """
    gates, states = GATES[node.op_type], 2 if node.op_type == "LSTM" else 1
    names = [*node.input, *[""] * 8][:8]

    def constant(place: int, letter: str) -> np.ndarray | None:
        if not names[place]:
            return None
        array = constants.value(names[place])
        if array is None:
            raise file.fail(
                f"{what} takes its {letter} from {names[place][:80]!r}, which depends on the "
                "inputs of the file: it has no weights to read",
                "export the model with its weights as initialisers",
            )
        return _checked(file, array, f"{letter} of {what}")

    w, r = constant(1, "W"), constant(2, "R")
    if w is None or r is None:
        raise file.fail(f"{what} has no W or no R")
    units = r.shape[-1] if r.ndim == 3 else 0
    stated = given.get("hidden_size", units)
    if units < 1 or stated != units:
        raise file.fail(f"{what} has hidden_size={stated}, and its R the shape {r.shape}")
    features = w.shape[-1]
    b = constant(3, "B")
    p = constant(7, "P") if node.op_type == "LSTM" else None
    for letter, array, shape in (
        ("W", w, (directions, gates * units, features)),
        ("R", r, (directions, gates * units, units)),
        ("B", b, (directions, 2 * gates * units)),
        ("P", p, (directions, 3 * units)),
    ):
        if array is not None and (array.shape != shape or 0 in shape):
            raise file.fail(f"{letter} of {what} is {array.shape} and should be {shape}")
        if array is not None and array.dtype != w.dtype:
            raise file.fail(f"{letter} of {what} is {array.dtype}, and W is {w.dtype}")
    initial = [
        _initial(file, constants, name, given.get("layout", 0), (directions, units), what)
        for name in names[5 : 5 + states]
    ]
    return NodeWeights(w, r, b, p, initial)


def _checked(file: OnnxFile, array: np.ndarray, what: str) -> np.ndarray:
    """An array of finite numbers, float16 as float32: a sum of two biases would be rounded.

    Raises:
        InputError: Its dtype is another one, or a number is not finite.
    """
    if array.dtype not in _NUMBERS:
        raise file.fail(f"{what} is {array.dtype}; weights are float16, float32 or float64")
    if not np.isfinite(array).all():
        raise file.fail(f"{what} has values that are not finite")
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _initial(
    file: OnnxFile,
    constants: FoldedConstants,
    name: str,
    layout: int,
    shape: tuple[int, int],
    what: str,
) -> np.ndarray | None:
    """A constant initial state, (D, H); None if it is 0 or not a constant.

    Raises:
        InputError: Its shape is wrong, or the rows of a batch have different ones.
    """
    if not name:
        return None
    uniform = constants.uniform(name)
    if uniform is not None:
        return np.full(shape, uniform) if uniform else None
    producer = constants.producer(name)
    if producer is not None and producer.op_type == "Expand" and constants.value(name) is None:
        name = producer.input[0]
    array = constants.value(name)
    if array is None:
        return None
    array = _checked(file, array, f"the initial state of {what}")
    if layout and array.ndim == 3:
        array = array.swapaxes(0, 1)
    if array.ndim != 3 or (array.shape[0], array.shape[2]) != shape or not array.shape[1]:
        raise file.fail(
            f"the initial state of {what} is {array.shape} and should be (D, B, H) = "
            f"({shape[0]}, B, {shape[1]})"
        )
    if not (array == array[:, :1]).all():
        raise file.fail(
            f"the initial state of {what} is a constant that differs between the rows of a batch",
            "make it an input of the model, and give it to the layer at each call",
        )
    return array[:, 0]


def _layer(native: Native, weights: NodeWeights, *, batch_first: bool) -> Recurrent:
    """The layer with these weights."""
    directions, rows, features = weights.w.shape
    learned = any(one is not None for one in weights.initial)
    layer = Recurrent(
        native.cell,
        features,
        weights.r.shape[-1],
        bidirectional=directions == 2,
        batch_first=batch_first,
        learned_state=learned,
        names={} if weights.b is not None else _without_bias(native),
        dtype=getattr(torch, str(weights.w.dtype)),
    )
    b = np.zeros((directions, 2 * rows), weights.w.dtype) if weights.b is None else weights.b
    with torch.no_grad():
        for k in range(directions):
            p = None if weights.p is None else weights.p[k]
            arrays = native.weights(weights.w[k], weights.r[k], b[k], p)
            for name, states in zip(native.cell.graph.states, weights.initial):
                if learned and states is not None:
                    arrays[f"initial_{name}"] = states[k]
            for name, array in arrays.items():
                parameter = getattr(layer, name + suffix(0, k), None)
                if parameter is not None:
                    parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return layer.eval()


def _without_bias(native: Native) -> dict[str, tuple[str, ...]]:
    """The names of the parameters of a layer whose biases stay 0."""
    return {name: () for name in ("b", native.state_bias) if name}
