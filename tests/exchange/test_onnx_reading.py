"""RNN, LSTM and GRU nodes of ONNX files as layers: their results are those of ONNX Runtime, of ONNX's
reference implementation, or recorded ones.
"""

import functools
import random

import numpy as np
import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.cells import CELLS
from ostinato.errors import EngineError, InputError, MissingExtra
from ostinato.exchange import onnx as exchange
from ostinato.exchange.activations import UNITS
from ostinato.exchange.onnx import node_proof as onnx_node_proof
from ostinato.exchange.onnx import operators as onnx_operators
from ostinato.exchange.onnx.cells import ACTIVATIONS, Activation
from ostinato.exchange.onnx.operators import DEFAULTS, GATES, NATIVE, native, of_node
from ostinato.exchange.reversed_layer import ReversedLayer

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

B, T, I, H = 3, 6, 4, 5
WITH_NUMBERS = {name for name, kind in ACTIVATIONS.items() if kind.alpha}


def arrays_of(op, directions=1, *, bias=True, peepholes=False, dtype=np.float32, seed=0):
    """Random W, R, B and P of a node."""
    draw, gates = np.random.default_rng(seed), GATES[op]
    shapes = {"W": (gates * H, I), "R": (gates * H, H)}
    shapes |= {"B": (2 * gates * H,)} if bias else {}
    shapes |= {"P": (3 * H,)} if peepholes else {}
    return {k: draw.normal(0, 0.4, (directions, *v)).astype(dtype) for k, v in shapes.items()}


def file_of(path, op, arrays, inputs=("X",), *, nodes=(), opset=18, states=None, **attributes):
    """Write a file with one recurrent node, its weights being initialisers.

    Args:
        inputs: The inputs of the file, of "X", "sequence_lens", "initial_h" and "initial_c".
        nodes: Nodes before it.
        states: Constant initial states by name.
    """
    tensors = arrays | (states or {})
    places = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    made = {name for node in nodes for name in node.output}
    names = [n if n in {*inputs, *tensors, *made} else "" for n in places]
    names = names if op == "LSTM" else names[:6]
    outputs = ["Y", "Y_h", "Y_c"] if op == "LSTM" else ["Y", "Y_h"]
    node = onnx.helper.make_node(op, names, outputs, **{"hidden_size": H} | attributes)
    kinds = {"sequence_lens": onnx.TensorProto.INT32}
    dtype = onnx.helper.np_dtype_to_tensor_dtype(arrays.get("W", np.float32(0)).dtype)
    graph = onnx.helper.make_graph(
        [*nodes, node],
        "g",
        [onnx.helper.make_tensor_value_info(n, kinds.get(n, dtype), None) for n in inputs],
        [onnx.helper.make_tensor_value_info(n, dtype, None) for n in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9
    )
    onnx.save(model, path)
    return model


def only(path):
    (layer,) = exchange.read(path).values()
    return layer


def run_layer(layer, x, states=None, lengths=None):
    """Y, (T, D, B, H), and the final states, for inputs with time first."""
    inner = layer.layer if isinstance(layer, ReversedLayer) else layer
    x = torch.from_numpy(x)
    states = None if states is None else tuple(map(torch.from_numpy, states))
    with torch.no_grad():
        y, ends = layer(x.transpose(0, 1) if inner.batch_first else x, states, lengths)
    y = y.transpose(0, 1) if inner.batch_first else y
    ends = (ends,) if isinstance(ends, Tensor) else ends
    y = y.unflatten(-1, (inner.num_directions, -1)).transpose(1, 2)
    return [one.numpy() for one in (y, *ends)]


def check_with_runtime(path, op, directions, tolerance=1e-5, seed=7):
    """Read a file with the inputs X, sequence_lens and states, and compare it with ONNX Runtime."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(T, B, I)).astype(np.float32)
    lengths = np.array([T, 1, 4], np.int32)
    names = ["initial_h", "initial_c"][: 2 if op == "LSTM" else 1]
    states = [draw.normal(size=(directions, B, H)).astype(np.float32) for _ in names]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"X": x, "sequence_lens": lengths} | dict(zip(names, states)))
    layer = only(path)
    for mine, right in zip(run_layer(layer, x, states, torch.from_numpy(lengths)), wanted):
        np.testing.assert_allclose(mine, right, rtol=tolerance, atol=tolerance)
    return layer


FREE = ("X", "sequence_lens", "initial_h", "initial_c")


def inputs_of(op):
    return FREE if op == "LSTM" else FREE[:3]


# ---------------------------------------------------------------- recorded results of ONNX


@functools.cache
def recorded():
    """ONNX's own tests of these operators by name: a model, inputs and outputs each."""
    from onnx.backend.test.case import node
    from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: F401 - they add to the list

    return {
        case.name: case for case in node._NodeTestCases if case.model.graph.node[0].op_type in GATES
    }


RECORDED = [
    *(f"test_lstm_{n}" for n in ("defaults", "with_initial_bias", "with_peepholes", "batchwise")),
    *(f"test_lstm_{n}" for n in ("reverse", "bidirectional")),
    *(f"test_gru_{n}" for n in ("defaults", "with_initial_bias", "seq_length", "batchwise")),
    *(f"test_gru_{n}" for n in ("reverse", "bidirectional")),
    *(f"test_simple_rnn_{n}" for n in ("defaults", "with_initial_bias", "batchwise")),
    *(f"test_simple_rnn_{n}" for n in ("reverse", "bidirectional")),
    "test_rnn_seq_length",
]


def test_all_recorded_results_of_onnx_are_compared():
    assert {*recorded()} <= {*RECORDED}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_result_of_onnx_is_that_of_the_layer(name, tmp_path):
    if name not in recorded():
        pytest.skip("this version of onnx does not have it")
    case = recorded()[name]
    ((inputs, outputs),) = case.data_sets
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    node = model.graph.node[0]
    given = {info.name: array for info, array in zip(case.model.graph.input, inputs)}
    constant = {n: given[n] for k, n in enumerate(node.input) if n and k in (1, 2, 3, 7)}
    for info in [one for one in model.graph.input if one.name in constant]:
        model.graph.input.remove(info)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, n) for n, array in constant.items()
    )
    onnx.save(model, tmp_path / "node.onnx")
    layer = only(tmp_path / "node.onnx")
    inner = layer.layer if isinstance(layer, ReversedLayer) else layer
    layout = next((a.i for a in node.attribute if a.name == "layout"), 0)
    assert inner.batch_first == bool(layout)
    roles = dict(zip(["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c"], node.input))
    x = given[roles["X"]]
    states = [given[roles[n]] for n in ("initial_h", "initial_c") if roles.get(n) in given]
    lengths = given.get(roles.get("sequence_lens"))
    found = run_layer(
        layer,
        x.swapaxes(0, 1) if layout else x,
        states or None,
        None if lengths is None else torch.from_numpy(lengths).long(),
    )
    if layout:
        found = [found[0].transpose(2, 0, 1, 3), *(s.swapaxes(0, 1) for s in found[1:])]
    mine = dict(zip(["Y", "Y_h", "Y_c"], found))
    wanted = [n for n, output in zip(mine, node.output) if output]
    assert len(wanted) == len(outputs)
    for output_name, right in zip(wanted, outputs):
        np.testing.assert_allclose(mine[output_name], right, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- all attributes, on ONNX Runtime


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "op, cell, peepholes, attributes",
    [
        ("RNN", "elman", False, {}),
        ("LSTM", "lstm", False, {}),
        ("LSTM", "lstm_peephole", True, {}),
        ("GRU", "gru_original", False, {}),
        ("GRU", "gru", False, {"linear_before_reset": 1}),
    ],
)
def test_a_node_is_the_cell_of_the_catalogue(
    op, cell, peepholes, attributes, bias, direction, tmp_path
):
    directions = 2 if direction == "bidirectional" else 1
    arrays = arrays_of(op, directions, bias=bias, peepholes=peepholes)
    path = tmp_path / "node.onnx"
    file_of(path, op, arrays, inputs_of(op), direction=direction, **attributes)
    layer = check_with_runtime(path, op, directions)
    inner = layer.layer if direction == "reverse" else layer
    assert isinstance(layer, ReversedLayer) == (direction == "reverse")
    assert inner.cell is CELLS[cell]
    assert any("b_l0" in name for name, _ in inner.named_parameters()) == bias


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("op", GATES)
def test_every_activation_is_that_of_onnx_runtime(op, name, tmp_path):
    numbers = {}
    if name in WITH_NUMBERS:
        uses = len(DEFAULTS[op])
        numbers = {"activation_alpha": [0.3] * uses}
        numbers |= {"activation_beta": [0.4] * uses} if ACTIVATIONS[name].beta else {}
    names = [name.lower() if op == "LSTM" else name] * len(DEFAULTS[op])
    if name == "Softplus" and op != "RNN":
        names[0] = "Sigmoid"  # a gate without a bound
    path = tmp_path / "node.onnx"
    file_of(
        path,
        op,
        arrays_of(op),
        inputs_of(op),
        activations=names,
        **numbers,
    )
    check_with_runtime(path, op, 1, 1e-4)


def random_attributes(draw, op, directions):
    """Attributes of a node, and whether it has peepholes."""
    names = [draw.choice([*ACTIVATIONS]) for _ in DEFAULTS[op]] * directions
    # gates without a bound grow a state beyond all numbers
    if op != "RNN":
        names[:: len(DEFAULTS[op])] = [draw.choice(["Sigmoid", "HardSigmoid", "Tanh"])] * directions
    found = {}
    if draw.random() < 0.7:
        found["activations"] = names
        # numbers in the order of the functions that have them, the same in both directions
        for kind in ("alpha", "beta"):
            each = names[: len(DEFAULTS[op])]
            of_one = [
                round(draw.uniform(0.1, 0.6), 2) for n in each if getattr(ACTIVATIONS[n], kind)
            ]
            if of_one:
                found[f"activation_{kind}"] = of_one * directions
    if draw.random() < 0.4:
        found["clip"] = draw.choice([0.2, 0.7, 3.0])
    if op == "GRU" and draw.random() < 0.5:
        found["linear_before_reset"] = 1
    if op == "LSTM" and draw.random() < 0.3:
        found["input_forget"] = 1
    return found, op == "LSTM" and draw.random() < 0.4


def check_random_node(seed, path):
    draw = random.Random(seed)
    op = draw.choice([*GATES])
    direction = draw.choice(["forward", "reverse", "bidirectional"])
    directions = 2 if direction == "bidirectional" else 1
    attributes, peepholes = random_attributes(draw, op, directions)
    arrays = arrays_of(op, directions, bias=draw.random() < 0.8, peepholes=peepholes, seed=seed)
    file_of(path, op, arrays, inputs_of(op), direction=direction, **attributes)
    check_with_runtime(path, op, directions, 1e-4, seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_node_with_random_attributes_is_that_of_onnx_runtime(seed, tmp_path):
    check_random_node(seed, tmp_path / "node.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 300))
def test_more_nodes_with_random_attributes_are_those_of_onnx_runtime(seed, tmp_path):
    check_random_node(seed, tmp_path / "node.onnx")


def test_the_general_cells_have_the_equations_of_the_catalogue():
    for one in NATIVE:
        names = (one.activation,) if one.activation else DEFAULTS[one.op]
        found = of_node(
            one.op,
            tuple(map(Activation, names)),
            peepholes=bool(one.peepholes),
            linear_before_reset=bool(one.linear_before_reset),
        )
        assert found is one
    other = of_node("LSTM", tuple(map(Activation, DEFAULTS["LSTM"])), limit=3.0)
    assert native(other.cell.graph) is None and "minimum" in other.cell.equations()


@pytest.mark.parametrize("one", NATIVE, ids=lambda one: one.cell.name)
def test_reading_weights_is_the_inverse_of_writing_them(one):
    torch.manual_seed(0)
    layer = ostinato.Recurrent(one.cell, I, H)
    weights = {k: v.detach().numpy() for k, v in layer.cell_weights(0).items()}
    found = one.weights(*one.tensors(weights))
    assert found.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)


# ---------------------------------------------------------------- dtypes, layouts, states


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("op", GATES)
def test_weights_keep_their_dtype_and_float16_becomes_float32(op, dtype, tmp_path):
    arrays = arrays_of(op, dtype=dtype)
    file_of(tmp_path / "node.onnx", op, arrays)
    layer = only(tmp_path / "node.onnx")
    wanted = torch.float32 if dtype is np.float16 else getattr(torch, dtype.__name__)
    assert {p.dtype for p in layer.parameters()} == {wanted}
    assert np.isin(layer.W_l0.detach().numpy(), arrays["W"]).all()


def test_bfloat16_weights_become_float32(tmp_path):
    model = file_of(tmp_path / "node.onnx", "RNN", arrays_of("RNN"))
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        bits = (array.view(np.uint32) >> 16).astype(np.uint16)
        tensor.data_type, tensor.raw_data = onnx.TensorProto.BFLOAT16, bits.tobytes()
    onnx.save(model, tmp_path / "node.onnx")
    layer = only(tmp_path / "node.onnx")
    np.testing.assert_allclose(layer.W_l0.detach().numpy(), arrays_of("RNN")["W"][0], rtol=2**-7)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_layout_1_is_that_of_the_reference_implementation(op, direction, tmp_path):
    # ONNX Runtime does not have layout 1; the reference implementation has no lengths
    from onnx.reference import ReferenceEvaluator

    directions = 2 if direction == "bidirectional" else 1
    inputs = ("X", "initial_h", "initial_c") if op == "LSTM" else ("X", "initial_h")
    path = tmp_path / "node.onnx"
    model = file_of(path, op, arrays_of(op, directions), inputs, direction=direction, layout=1)
    draw = np.random.default_rng(3)
    x = draw.normal(size=(B, T, I)).astype(np.float32)
    states = [draw.normal(size=(B, directions, H)).astype(np.float32) for _ in inputs[1:]]
    wanted = ReferenceEvaluator(model).run(None, dict(zip(inputs, [x, *states])))
    layer = only(path)
    found = run_layer(
        layer, x.swapaxes(0, 1), [np.ascontiguousarray(s.swapaxes(0, 1)) for s in states]
    )
    np.testing.assert_allclose(found[0].transpose(2, 0, 1, 3), wanted[0], atol=1e-5)
    for mine, right in zip(found[1:], wanted[1:]):
        np.testing.assert_allclose(mine.swapaxes(0, 1), right, atol=1e-5)


def test_constant_initial_states_are_learned_states(tmp_path):
    draw = np.random.default_rng(0)
    row = draw.normal(size=(2, 1, H)).astype(np.float32)
    states = {"initial_h": np.repeat(row, B, 1), "initial_c": row * 2}
    states["initial_c"] = np.repeat(states["initial_c"], B, 1)
    path = tmp_path / "node.onnx"
    file_of(path, "LSTM", arrays_of("LSTM", 2), states=states, direction="bidirectional")
    layer = only(path)
    assert layer.learned_state
    x = draw.normal(size=(T, B, I)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for mine, right in zip(run_layer(layer, x), session.run(None, {"X": x})):
        np.testing.assert_allclose(mine, right, atol=1e-5)


def test_initial_states_of_zeros_are_not_parameters(tmp_path):
    zeros = {"initial_h": np.zeros((1, B, H), np.float32)}
    file_of(tmp_path / "node.onnx", "GRU", arrays_of("GRU"), states=zeros)
    assert not only(tmp_path / "node.onnx").learned_state


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_initial_states_of_the_batch_size_of_a_call_are_read(value, tmp_path):
    make = onnx.helper.make_node
    number = onnx.numpy_helper.from_array(np.array([value], np.float32))
    nodes = [
        make("Shape", ["X"], ["batch"], start=1, end=2),
        make("Concat", ["one", "batch", "units"], ["shape"], axis=0),
        make("ConstantOfShape", ["shape"], ["filled"], value=number),
        make("Identity", ["filled"], ["initial_h"]),
    ]
    sizes = {"one": np.array([1]), "units": np.array([H])}
    path = tmp_path / "node.onnx"
    file_of(path, "RNN", arrays_of("RNN") | sizes, nodes=nodes)
    layer = only(path)
    x = np.random.default_rng(0).normal(size=(T, B, I)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for mine, right in zip(run_layer(layer, x), session.run(None, {"X": x})):
        np.testing.assert_allclose(mine, right, atol=1e-5)
    assert layer.learned_state == bool(value)


# ---------------------------------------------------------------- weights that nodes compute


def test_weights_that_a_file_computes_from_constants_are_read(tmp_path):
    make, arrays = onnx.helper.make_node, arrays_of("LSTM")
    w, r, b = (arrays[name][0] for name in "WRB")
    whole = {n: np.array(v) for n, v in {"zero": [0], "two": [2], "end": [99], "one": [1]}.items()}
    stored = {
        # W as tf.keras stores it, (I, 4 * H), and R in two halves
        "kernel": np.ascontiguousarray(w.T).astype(np.float64),
        "upper": r[: 2 * H],
        "lower": r[2 * H :],
        "biases": np.concatenate([[9, 9], b]).astype(np.float32),
        "half": np.array(0.5, np.float32),
    }
    nodes = [
        make("Cast", ["kernel"], ["single"], to=1),
        make("Transpose", ["single"], ["rows"], perm=[1, 0]),
        make("Unsqueeze", ["rows", "zero"], ["W"]),
        make("Concat", ["upper", "lower"], ["joined"], axis=0),
        make("Constant", [], ["shape"], value_ints=[1, 4 * H, H]),
        make("Reshape", ["joined", "shape"], ["R"]),
        make("Slice", ["biases", "two", "end", "zero"], ["cut"]),
        make("Mul", ["cut", "half"], ["halved"]),
        make("Add", ["halved", "halved"], ["doubled"]),
        make("Expand", ["doubled", "one"], ["expanded"]),
        make("Identity", ["expanded"], ["same"]),
        make("Unsqueeze", ["same", "zero"], ["B"]),
    ]
    path = tmp_path / "node.onnx"
    file_of(path, "LSTM", stored | whole, FREE, nodes=nodes)
    check_with_runtime(path, "LSTM", 1)


def test_weights_in_nodes_and_defaults_of_inputs_are_read(tmp_path):
    model = file_of(tmp_path / "node.onnx", "GRU", arrays_of("GRU"), FREE[:3])
    tensor = model.graph.initializer.pop(0)
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [tensor.name], value=tensor))
    other = model.graph.initializer[0]
    model.graph.input.append(
        onnx.helper.make_tensor_value_info(other.name, other.data_type, other.dims)
    )
    onnx.save(model, tmp_path / "node.onnx")
    check_with_runtime(tmp_path / "node.onnx", "GRU", 1)


def test_external_data_in_the_folder_is_read(tmp_path):
    model = file_of(tmp_path / "node.onnx", "LSTM", arrays_of("LSTM"), FREE)
    onnx.save(
        model,
        tmp_path / "node.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (tmp_path / "weights.bin").stat().st_size
    check_with_runtime(tmp_path / "node.onnx", "LSTM", 1)


# ---------------------------------------------------------------- other exporters


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "kind, options",
    [
        ("RNN", {"nonlinearity": "relu", "bias": False}),
        ("LSTM", {}),
        ("LSTM", {"num_layers": 2, "bidirectional": True}),
        ("GRU", {"bidirectional": True}),
    ],
)
def test_the_layers_of_torchs_exporter_are_read(kind, options, batch_first, tmp_path):
    torch.manual_seed(0)
    model = getattr(torch.nn, kind)(I, H, batch_first=batch_first, **options).eval()
    x = torch.randn(B, T, I)
    path = tmp_path / "model.onnx"
    axes = {"x": {0: "batch", 1: "time"}}
    torch.onnx.export(model, x, path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    layers = exchange.read(path)
    assert len(layers) == options.get("num_layers", 1)
    y = torch.randn(B, T, I)
    wanted = model(y)[0]
    with torch.no_grad():
        y = y.transpose(0, 1) if batch_first else y
        for layer in layers.values():
            y = layer(y)[0]
        y = y.transpose(0, 1) if batch_first else y
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [one.cell.name for one in NATIVE] + ["relu"])
def test_a_layer_that_was_written_is_read(name, tmp_path):
    torch.manual_seed(0)
    cell = NATIVE[1].cell if name == "relu" else CELLS[name]
    layer = ostinato.Recurrent(cell, I, H, 2, bidirectional=True, batch_first=False).eval()
    exchange.write(layer, tmp_path / "layer.onnx")
    layers = exchange.read(tmp_path / "layer.onnx")
    assert [one.cell for one in layers.values()] == [cell, cell]
    lengths, x = torch.tensor([T, 0, 2]), torch.randn(T, B, I)
    wanted = layer(x, lengths=lengths)[0]
    y = x
    for one in layers.values():
        y = one(y, lengths=lengths)[0]
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- what is refused


def test_a_file_of_a_scan_says_what_it_has(tmp_path):
    exchange.write(ostinato.Recurrent("min_gru", I, H), tmp_path / "layer.onnx")
    with pytest.raises(InputError, match="no RNN, LSTM or GRU node; it has Scan, which cannot"):
        exchange.read(tmp_path / "layer.onnx")


@pytest.mark.parametrize(
    "attributes, match",
    [
        ({"activations": ["Tanh"]}, "has 1 activations and should have 3"),
        ({"activations": ["Tanh", "Tanh", "Swish"]}, "activation 'Swish'; ONNX has"),
        ({"activations": ["Sigmoid", "ScaledTanh", "Tanh"]}, "ScaledTanh without its alpha"),
        (
            {"activations": ["Sigmoid", "Elu", "Tanh"], "activation_alpha": [0.0, 0.5]},
            "more values of activation_alpha",
        ),
        ({"clip": -1.0}, "clip=-1.0; it should be above 0"),
        ({"direction": "sideways"}, "direction='sideways'; ONNX has"),
        ({"layout": 2}, "layout=2; ONNX has 0 and 1"),
        ({"hidden_size": 7}, "hidden_size=7, and its R the shape"),
        ({"hidden_sizes": 7}, "did you mean 'hidden_size'"),
        ({"direction": "bidirectional"}, "W of node 'LSTM_0' .* should be \\(2, 20, 4\\)"),
    ],
)
def test_a_node_that_is_wrong_is_refused(attributes, match, tmp_path):
    file_of(tmp_path / "node.onnx", "LSTM", arrays_of("LSTM"), **attributes)
    with pytest.raises(InputError, match=match):
        exchange.read(tmp_path / "node.onnx")


def test_directions_with_other_activations_are_refused(tmp_path):
    names = ["Tanh", "Relu"]
    path = tmp_path / "node.onnx"
    file_of(path, "RNN", arrays_of("RNN", 2), direction="bidirectional", activations=names)
    with pytest.raises(InputError, match="other activations in the reverse direction"):
        exchange.read(path)


def test_weights_that_depend_on_inputs_are_refused(tmp_path):
    arrays = arrays_of("GRU")
    path = tmp_path / "node.onnx"
    file_of(path, "GRU", arrays, ("X", "extra"), nodes=[])
    model = onnx.load(path)
    model.graph.node.insert(0, onnx.helper.make_node("Mul", ["W", "extra"], ["scaled"]))
    model.graph.node[1].input[1] = "scaled"
    onnx.save(model, path)
    with pytest.raises(InputError, match="takes its W from 'scaled', which depends on the inputs"):
        exchange.read(path)


def test_an_initial_state_that_differs_between_rows_is_refused(tmp_path):
    states = {"initial_h": np.random.default_rng(0).normal(size=(1, B, H)).astype(np.float32)}
    file_of(tmp_path / "node.onnx", "RNN", arrays_of("RNN"), states=states)
    with pytest.raises(InputError, match="differs between the rows of a batch"):
        exchange.read(tmp_path / "node.onnx")


def test_a_node_in_a_body_is_refused(tmp_path):
    path = tmp_path / "node.onnx"
    model = file_of(path, "RNN", arrays_of("RNN"))
    node = model.graph.node.pop()
    out = [onnx.helper.make_tensor_value_info("Y", 1, None)]
    body = onnx.helper.make_graph([node], "body", [], out)
    flag = onnx.numpy_helper.from_array(np.array(True), "flag")
    model.graph.initializer.append(flag)
    branch = onnx.helper.make_node("If", ["flag"], ["Y"], then_branch=body, else_branch=body)
    branch.name = "choice"
    model.graph.node.append(branch)
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"\(RNN\) in the body of If 'choice'"):
        exchange.read(path)


def test_a_layer_that_differs_from_the_node_is_not_returned(tmp_path, monkeypatch):
    file_of(tmp_path / "node.onnx", "GRU", arrays_of("GRU"))
    wrong = [
        onnx_operators.replace(one, gates=(0, 1, 2)) if one.op == "GRU" else one for one in NATIVE
    ]
    monkeypatch.setattr(onnx_operators, "NATIVE", wrong)
    with pytest.raises(EngineError, match="Y differs from the layer's .* the node is not read"):
        exchange.read(tmp_path / "node.onnx")


def test_names_of_nodes_are_the_names_of_layers(tmp_path):
    model = file_of(tmp_path / "node.onnx", "GRU", arrays_of("GRU"))
    model.graph.node[0].name = "encoder"
    onnx.save(model, tmp_path / "node.onnx")
    assert [*exchange.read(tmp_path / "node.onnx")] == ["encoder"]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    file_of(tmp_path / "node.onnx", "GRU", arrays_of("GRU"))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="onnxruntime is not installed"):
        exchange.read(tmp_path / "node.onnx")


def test_the_proof_runs_each_length(tmp_path):
    assert max(onnx_node_proof.LENGTHS) == onnx_node_proof.T and min(onnx_node_proof.LENGTHS) == 1


@pytest.mark.parametrize(
    "op, names, numbers, constants",
    [
        ("RNN", ["Sigmoid"], {}, {"activation": "sigmoid"}),
        (
            "RNN",
            ["Affine"],
            {"activation_alpha": [1.0], "activation_beta": [0.0]},
            {"activation": "linear"},
        ),
        (
            "LSTM",
            ["HardSigmoid", "Relu", "Relu"],
            {},
            {"gate_activation": "hard_sigmoid_02", "activation": "relu"},
        ),
        (
            "GRU",
            ["HardSigmoid", "Tanh"],
            {"activation_alpha": [0.2], "activation_beta": [0.5]},
            {"gate_activation": "hard_sigmoid_02"},
        ),
        ("LSTM", ["Sigmoid", "Elu", "Elu"], {}, {"activation": "elu"}),
        ("LSTM", ["Sigmoid", "Softsign", "Softsign"], {}, {"activation": "softsign"}),
    ],
)
def test_named_activations_are_constants_of_the_catalogues_cells(
    op, names, numbers, constants, tmp_path
):
    path = tmp_path / "node.onnx"
    file_of(path, op, arrays_of(op), inputs_of(op), activations=names, **numbers)
    layer = check_with_runtime(path, op, 1)
    known = CELLS[layer.cell.name]
    changed = {k: v for k, v in layer.cell.constants.items() if v != known.constants[k]}
    assert changed == {k: UNITS[v] for k, v in constants.items()}
