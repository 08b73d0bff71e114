"""ONNX files that are one row of layers, as a stack: the outputs are those of ONNX Runtime."""

import numpy as np
import pytest
import torch

import ostinato
from ostinato.errors import EngineError, InputError
from ostinato.exchange import onnx as exchange
from ostinato.exchange.directory import read_layers, write_layers

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

V, E, H, C = 11, 4, 5, 3


class Tagger(torch.nn.Module):
    """Embedding, recurrent layers and a label for each step."""

    def __init__(self, kind, **options):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, E)
        self.layer = getattr(torch.nn, kind)(E, H, batch_first=True, **options)
        self.head = torch.nn.Linear(H * (2 if options.get("bidirectional") else 1), C)

    def forward(self, ids):
        return self.head(self.layer(self.embedding(ids))[0])


class LastStep(Tagger):
    """The same with one label for a row."""

    def forward(self, ids):
        return torch.softmax(self.head(torch.relu(self.layer(self.embedding(ids))[0][:, -1])), -1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "model",
    [
        lambda: Tagger("LSTM", num_layers=2),
        lambda: Tagger("GRU", bidirectional=True),
        lambda: LastStep("RNN", nonlinearity="relu"),
        lambda: LastStep("LSTM"),
    ],
    ids=["stacked", "bidirectional", "last step of RNN", "last step of LSTM"],
)
def test_a_model_of_torchs_exporter_is_read(model, tmp_path):
    torch.manual_seed(0)
    model, path = model().eval(), tmp_path / "model.onnx"
    ids = torch.randint(0, V, (3, 5))
    axes = {"ids": {0: "batch", 1: "time"}}
    torch.onnx.export(model, ids, path, dynamo=False, input_names=["ids"], dynamic_axes=axes)
    stack = exchange.read_stack(path)
    write_layers(tmp_path / "layers", stack)
    ids = torch.randint(0, V, (4, 7))
    for one in (stack, read_layers(tmp_path / "layers")):
        torch.testing.assert_close(one.eval()(ids), model(ids), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("options", [{}, {"lengths": False, "states": False}])
def test_a_layer_that_was_written_is_read(options, batch_first, tmp_path):
    torch.manual_seed(0)
    layer = ostinato.Recurrent(
        "lstm", E, H, 2, bidirectional=True, batch_first=batch_first, learned_state=not options
    ).eval()
    exchange.write(layer, tmp_path / "layer.onnx", **options)
    stack = exchange.read_stack(tmp_path / "layer.onnx")
    x = torch.randn(3, 6, E)
    wanted = layer(x if batch_first else x.transpose(0, 1), lengths=[6, 0, 2])[0]
    wanted = wanted if batch_first else wanted.transpose(0, 1)
    torch.testing.assert_close(stack(x, lengths=[6, 0, 2]), wanted, rtol=1e-5, atol=1e-6)


class Decoder(torch.nn.Module):
    """A second layer that starts at the final state of the first one."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.GRU(E, H), torch.nn.GRU(H, H)

    def forward(self, x):
        output, state = self.first(x)
        return self.second(output, state)[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_a_state_of_another_layer_is_not_a_row(tmp_path):
    path, x = tmp_path / "model.onnx", torch.randn(5, 3, E)
    torch.onnx.export(Decoder(), x, path, dynamo=False, input_names=["x"])
    with pytest.raises(InputError, match="the initial state of '/second/GRU' depends on 'x'"):
        exchange.read_stack(path)


def rnn_file(path, nodes, inputs=("X",), **arrays):
    """A file of an RNN and further nodes."""
    draw, make = np.random.default_rng(0), onnx.helper.make_node
    arrays = {k: draw.normal(size=(1, H, H)).astype(np.float32) for k in "WR"} | arrays
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [make(op, read, [output], **more) for op, read, output, more in nodes],
        "g",
        [info(name, onnx.TensorProto.INT32 if name == "n" else 1, None) for name in inputs],
        [info("Y", 1, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), path)


RNN = ("RNN", ["X", "W", "R"], "a", {"hidden_size": H})


@pytest.mark.parametrize(
    "nodes, match",
    [
        (
            [("RNN", ["X", "W", "R", "", "two"], "Y", {"hidden_size": H})],
            "the lengths of 'RNN_0' are not an input",
        ),
        (
            [RNN, ("Less", ["a", "zero"], "c", {}), ("Where", ["c", "a", "zero"], "Y", {})],
            "Where. is not a mask of lengths",
        ),
        ([RNN, ("Exp", ["a"], "Y", {})], "Exp. is none of the layers"),
        ([RNN, ("Add", ["a", "W"], "Y", {})], "Add. is not the bias of a dense layer"),
        ([RNN, ("MatMul", ["a", "a"], "Y", {})], "MatMul. joins two values"),
    ],
)
def test_what_is_not_a_row_of_layers_is_refused(nodes, match, tmp_path):
    small = {"zero": np.zeros(1, np.float32), "two": np.array([2, 2, 2], np.int32)}
    rnn_file(tmp_path / "model.onnx", nodes, **small)
    with pytest.raises(InputError, match=match):
        exchange.read_stack(tmp_path / "model.onnx")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("op", ["Softmax", "Relu"])
def test_an_output_that_is_not_that_of_the_layers_is_refused(op, axis, tmp_path):
    # the first step in place of the last one, and Softmax over steps
    if op == "Softmax":
        nodes = [RNN, ("Squeeze", ["a", "one"], "b", {}), (op, ["b"], "Y", {"axis": axis})]
    else:
        nodes = [RNN, ("Gather", ["a", "first"], "b", {"axis": axis}), (op, ["b"], "Y", {})]
    rnn_file(tmp_path / "model.onnx", nodes, one=np.array([1]), first=np.array(0))
    with pytest.raises(EngineError, match="does not give the results of the layers"):
        exchange.read_stack(tmp_path / "model.onnx")


def test_recurrent_layers_next_to_each_other_are_not_a_row(tmp_path):
    # both read the input, and their sizes would fit one after the other
    draw, make = np.random.default_rng(0), onnx.helper.make_node
    tensors = [
        onnx.numpy_helper.from_array(draw.normal(size=(1, H, H)).astype(np.float32), name)
        for name in ("W", "R", "V", "S")
    ]
    nodes = [
        make("RNN", ["X", "W", "R"], ["a"], hidden_size=H),
        make("RNN", ["X", "V", "S"], ["b"], hidden_size=H),
        make("Add", ["a", "b"], ["Y"]),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [info("X", 1, None)], [info("Y", 1, None)], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    onnx.save(model, tmp_path / "model.onnx")
    assert len(exchange.read(tmp_path / "model.onnx")) == 2
    with pytest.raises(
        InputError, match="not one row of layers: .*Add.*joins two values.*onnx.read"
    ):
        exchange.read_stack(tmp_path / "model.onnx")
