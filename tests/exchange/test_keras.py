"""Keras models: files of both layouts give what Keras's equations give, and come back unchanged."""

import json
import re

import numpy as np
import pytest
import torch

import keras_files as made
import ostinato
from ostinato.cells import CELLS
from ostinato.errors import InputError
from ostinato.exchange import keras
from ostinato.exchange.keras import files as keras_files
from ostinato.exchange.keras.tables import CELLS as KERAS_CELLS
from ostinato.exchange.layer_stack import (
    ActivationSpec,
    DenseSpec,
    EmbeddingSpec,
    LayerStack,
    MaskingSpec,
    RecurrentSpec,
)
from places import ROOT

B, T, I, H = 3, 5, 4, 3
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]], bool)
LAYERS = {
    "SimpleRNN": ("SimpleRNN", {}),
    "SimpleRNN relu": ("SimpleRNN", {"activation": "relu", "use_bias": False}),
    "LSTM": ("LSTM", {}),
    "LSTM hard": ("LSTM", {"recurrent_activation": "hard_sigmoid", "activation": "softsign"}),
    "LSTM without bias": ("LSTM", {"use_bias": False}),
    "GRU": ("GRU", {}),
    "GRU reset before": ("GRU", {"reset_after": False, "recurrent_activation": "hard_sigmoid"}),
    "GRU without bias": ("GRU", {"use_bias": False, "activation": "elu"}),
    "GRU before without bias": ("GRU", {"use_bias": False, "reset_after": False}),
}
LAYOUTS = ("h5", "keras", "weights", "legacy weights", "older weights")
SNAKES = {"SimpleRNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}


@pytest.fixture(autouse=True)
def _without_a_rehearsal(monkeypatch):
    """These files are not damaged; test_damaged_keras.py reads files with it."""
    monkeypatch.setattr(keras_files, "_rehearse", lambda path, content: None)


def x_of(rng):
    return rng.normal(size=(B, T, I)).astype(np.float32)


def written(folder, layout, config, named, objects, version):
    """Read a model of one of the layouts.

    Args:
        named: The weights of each layer by name.
        objects: The weights of each object in order.
    """
    (folder / "model.json").write_text(json.dumps(config))
    match layout:
        case "h5":
            return keras.read(made.legacy(folder / "m.h5", config, named, version))
        case "keras":
            return keras.read(made.archive(folder / "m.keras", config, objects, version))
        case "legacy weights":
            path = made.legacy(folder / "m.h5", None, named, version)
        case "older weights":
            top = "_layer_checkpoint_dependencies"
            path = made.by_object(folder / "m.weights.h5", objects, top)
        case _:
            path = made.by_object(folder / "m.weights.h5", objects)
    return keras.read(path, config=folder / "model.json")


def agrees(stack, x, wanted, close):
    close(stack(torch.from_numpy(x)), torch.from_numpy(wanted).to(stack.dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("version", [2, 3])
def test_layers_of_every_layout_compute_what_keras_computes(layout, version, tmp_path, close):
    rng = np.random.default_rng(0)
    for number, (kind, changes) in enumerate(LAYERS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        config = made.recurrent(kind, H, **changes)
        w = made.weights_of(kind, I, config, rng)
        model = made.model([made.layer(kind, "a", **config)], version)
        objects = {f"{SNAKES[kind]}/cell": [*w.values()]}
        stack = written(folder, layout, model, {"a": w}, objects, version)
        x = x_of(rng)
        agrees(stack, x, made.run(kind, config, w, version, x), close)
        assert "could not be compared" in stack.notes[-1]


@pytest.mark.parametrize("layout", ["h5", "keras"])
@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
def test_both_directions_with_a_mask_compute_what_keras_computes(
    layout, sequence, merge, tmp_path, close
):
    rng = np.random.default_rng(1)
    config = made.recurrent("GRU", H, return_sequences=sequence)
    ways = [made.weights_of("GRU", I, config, rng) for _ in range(2)]
    model = made.model(
        [
            made.layer("Masking", "m", mask_value=0.0),
            made.layer(
                "Bidirectional", "b", layer=made.layer("GRU", "gru", **config), merge_mode=merge
            ),
        ],
        3,
    )
    named = {
        f"{way}_gru/gru_cell/{name}": array
        for way, w in zip(("forward", "backward"), ways)
        for name, array in w.items()
    }
    objects = {
        f"bidirectional/{way}_layer/cell": [*w.values()]
        for way, w in zip(("forward", "backward"), ways)
    }
    stack = written(tmp_path, layout, model, {"m": {}, "b": named}, objects, 3)
    x = x_of(rng) * MASK[..., None]
    outputs = [
        made.run("GRU", config, w, 3, x, MASK, backwards=bool(k), zero=sequence)
        for k, w in enumerate(ways)
    ]
    outputs[1] = outputs[1][:, ::-1] if sequence else outputs[1]
    first, second = outputs if sequence else [one[:, -1] for one in outputs]
    wanted = {
        "concat": np.concatenate([first, second], -1),
        "sum": first + second,
        "ave": (first + second) / 2,
        "mul": first * second,
    }
    agrees(stack, x, wanted[merge], close)


@pytest.mark.parametrize("layout", ["h5", "keras"])
def test_a_text_model_computes_what_keras_computes(layout, tmp_path, close):
    rng = np.random.default_rng(2)
    entries = rng.normal(size=(7, I)).astype(np.float32)
    lstm = made.recurrent("LSTM", H)
    w = made.weights_of("LSTM", I, lstm, rng)
    kernel, bias = rng.normal(size=(H, 2)).astype(np.float32), np.ones(2, np.float32)
    model = made.model(
        [
            made.layer("InputLayer", "input", batch_input_shape=[None, T], dtype="int32"),
            made.layer("Embedding", "e", input_dim=7, output_dim=I, mask_zero=True),
            made.layer("Dropout", "drop", rate=0.5),
            made.layer("LSTM", "l", **lstm),
            made.layer(
                "TimeDistributed",
                "t",
                layer=made.layer("Dense", "d", units=2, activation="softmax", use_bias=True),
            ),
        ],
        2,
    )
    named = {
        "e": {"embeddings": entries},
        "drop": {},
        "l": w,
        "t": {"kernel": kernel, "bias": bias},
    }
    objects = {
        "embedding": [entries],
        "lstm/cell": [*w.values()],
        "time_distributed/layer": [kernel, bias],
    }
    stack = written(tmp_path, layout, model, named, objects, 2)
    ids = rng.integers(1, 7, (B, T)) * MASK
    hidden = made.run("LSTM", lstm, w, 2, entries[ids], MASK)
    agrees(stack, ids, made.ACTIVATIONS["softmax"](hidden @ kernel + bias), close)


@pytest.mark.parametrize("layout", ["h5", "keras"])
def test_cells_on_each_other_and_backwards_layers_compute_what_keras_computes(
    layout, tmp_path, close
):
    rng = np.random.default_rng(3)
    cells = [("LSTM", made.recurrent("LSTM", 4)), ("GRU", made.recurrent("GRU", H))]
    w = [made.weights_of(kind, I, config, rng) for kind, config in cells]
    back = made.recurrent("SimpleRNN", 2, go_backwards=True, return_sequences=False)
    last = made.weights_of("SimpleRNN", H, back, rng)
    given = [made.layer(f"{kind}Cell", kind, **config) for kind, config in cells]
    stacked = made.layer("StackedRNNCells", "s", cells=given)
    model = made.model(
        [
            made.layer("RNN", "rnn", cell=stacked, return_sequences=True),
            made.layer("SimpleRNN", "back", **back),
        ],
        3,
    )
    named = {f"{n}/{name}": a for n, one in enumerate(w) for name, a in one.items()}
    objects = {
        "rnn/cell/cells/lstm_cell": [*w[0].values()],
        "rnn/cell/cells/gru_cell": [*w[1].values()],
        "simple_rnn/cell": [*last.values()],
    }
    stack = written(tmp_path, layout, model, {"rnn": named, "back": last}, objects, 3)
    x = x_of(rng)
    y = x
    for (kind, config), one in zip(cells, w):
        y = made.run(kind, config, one, 3, y)
    agrees(stack, x, made.run("SimpleRNN", back, last, 3, y, backwards=True)[:, -1], close)


@pytest.mark.parametrize(("kind", "plain", "gates"), [("CuDNNLSTM", "LSTM", 4), ("CuDNNGRU", "GRU", 3)])  # fmt: skip
def test_layers_for_cudnn_compute_what_cudnn_computes(kind, plain, gates, tmp_path, close):
    rng = np.random.default_rng(4)
    # cuDNN's matrices: rows are units of the gate, columns units of the input
    own, states = rng.normal(size=(gates, H, I)), rng.normal(size=(gates, H, H))
    biases = rng.normal(size=(2, gates * H))
    stored = {
        "kernel": np.hstack([w.reshape(I, H) for w in own]),
        "recurrent_kernel": np.hstack([*states]),
        "bias": biases.reshape(-1),
    }
    stored = {name: array.astype(np.float32) for name, array in stored.items()}
    model = made.model([made.layer(kind, "c", units=H, return_sequences=True)], 2)
    stack = keras.read(made.legacy(tmp_path / "m.h5", model, {"c": stored}, 2))
    w = {
        "kernel": np.hstack([w.T for w in own]).astype(np.float32),
        "recurrent_kernel": np.hstack([w.T for w in states]).astype(np.float32),
        "bias": (biases if plain == "GRU" else biases.sum(0)).astype(np.float32),
    }
    x = x_of(rng)
    agrees(stack, x, made.run(plain, made.recurrent(plain, H), w, 2, x), close)


def functional(masks=False, **changes):
    """The configuration of a Functional model of Keras 3: ids to an LSTM."""

    def tensor(name, output=0):
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, output]}}

    def node(*args, **kwargs):
        return [{"args": list(args), "kwargs": kwargs}]

    layers = [
        made.layer("InputLayer", "i", batch_shape=[None, T]) | {"inbound_nodes": []},
        made.layer("Embedding", "e", input_dim=7, output_dim=I, mask_zero=True)
        | {"inbound_nodes": node(tensor("i"))},
        made.layer("NotEqual", "n") | {"inbound_nodes": node(tensor("i"), changes.get("id", 0))},
        made.layer("LSTM", "l", **made.recurrent("LSTM", H))
        | {
            "inbound_nodes": node(
                tensor("e", changes.get("output", 0)),
                mask=tensor("n"),
                training=changes.get("training"),
                **({"initial_state": [tensor("e")]} if "state" in changes else {}),
            )
        },
    ]
    if "branch" in changes:
        layers.append(
            made.layer("LSTM", "other", **made.recurrent("LSTM", H))
            | {"inbound_nodes": node(tensor("e"))}
        )
    config = {"name": "f", "layers": layers, "input_layers": [["i", 0, 0]]}
    config["output_layers"] = changes.get("ends", [["l", 0, 0]])
    return {"module": "keras", "class_name": "Functional", "config": config}


def functional_weights(rng):
    entries = rng.normal(size=(7, I)).astype(np.float32)
    w = made.weights_of("LSTM", I, made.recurrent("LSTM", H), rng)
    return {"e": {"embeddings": entries}, "l": w}


def test_a_functional_model_computes_what_keras_computes(tmp_path, close):
    rng = np.random.default_rng(5)
    w = functional_weights(rng)
    stack = keras.read(made.legacy(tmp_path / "m.h5", functional(), w, 3))
    ids = rng.integers(1, 7, (B, T)) * MASK
    x = w["e"]["embeddings"][ids]
    agrees(stack, ids, made.run("LSTM", made.recurrent("LSTM", H), w["l"], 3, x, MASK), close)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": 1}, "'l' .LSTM. cannot be read: its mask is not that of the layers before it"),
        ({"output": 1}, "'e' .Embedding. cannot be read: an output of it other than the first"),
        ({"training": True}, "its call has training=True"),
        ({"state": True}, "its call has initial_state"),
        ({"branch": True}, "'other' .LSTM. cannot be read: it is not between the input and"),
        ({"ends": [["l", 0, 0], ["e", 0, 0]]}, "1 inputs and 2 outputs"),
        ({"ends": [["q", 0, 0]]}, "are not one chain"),
    ],
)
def test_a_functional_model_that_is_not_a_chain_is_refused(changes, message, tmp_path):
    w = functional_weights(np.random.default_rng(5))
    path = made.legacy(tmp_path / "m.h5", functional(**changes), w, 3)
    with pytest.raises(InputError, match=message):
        keras.read(path)


LSTM = made.recurrent("LSTM", H)
REFUSED = {
    "class": (made.layer("Conv1D", "a", filters=3), "'a' .Conv1D. cannot be read: layers of this"),
    "own activation": (
        made.layer("LSTM", "a", **LSTM | {"activation": "my_function"}),
        "the activation 'my_function' is not supported",
    ),
    "function": (
        made.layer("LSTM", "a", **LSTM | {"activation": {"class_name": "function", "module": "m", "config": "tanh"}}),
        "is not supported",
    ),
    "softmax cell": (
        made.layer("LSTM", "a", **LSTM | {"recurrent_activation": "softmax"}),
        "recurrent_activation is softmax, which cells do not have",
    ),
    "time major": (made.layer("LSTM", "a", **LSTM, time_major=True), "time_major is true"),
    "units": (made.layer("LSTM", "a", **LSTM | {"units": 4}), "kernel is .4, 12., and should be"),
    "no units": (made.layer("LSTM", "a", **LSTM | {"units": None}), "units is None"),
    "old names": (made.layer("LSTM", "a", units=H), "its configuration has no activation"),
    "no bias": (made.layer("LSTM", "a", **LSTM | {"use_bias": False}), "has the weight 'a/bias'"),
    "merge": (
        made.layer("Bidirectional", "a", layer=made.layer("LSTM", "l", **LSTM), merge_mode=None),
        "merge_mode is None",
    ),
    "bidirectional of a stack": (
        made.layer(
            "Bidirectional", "a", layer=made.layer("RNN", "r", cell=made.layer("StackedRNNCells", "s", cells=[])),
        ),
        "'a' .Bidirectional. cannot be read: of the layer in it",
    ),
    "time distributed": (
        made.layer("TimeDistributed", "a", layer=made.layer("LSTM", "l", **LSTM)),
        "only a Dense layer",
    ),
    "custom cell": (made.layer("RNN", "a", cell=made.layer("MyCell", "m", units=3)), "of a cell in it"),
    "quantized": (
        made.layer("Dense", "a", units=3, quantization_config={"mode": "int8"}),
        "its weights are quantized",
    ),
    "axis": (made.layer("Softmax", "a", axis=1), "only its default arguments"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_cannot_be_read_is_refused_with_its_name_and_the_reason(name, tmp_path):
    layer, message = REFUSED[name]
    w = made.weights_of("LSTM", I, LSTM, np.random.default_rng(0))
    path = made.legacy(tmp_path / "m.h5", made.model([layer], 3), {"a": w}, 3)
    with pytest.raises(InputError, match=message):
        keras.read(path)


def test_weights_without_an_architecture_are_refused_with_what_to_give(tmp_path):
    w = made.weights_of("LSTM", I, LSTM, np.random.default_rng(0))
    for path in (
        made.legacy(tmp_path / "a.h5", None, {"a": w}, 2),
        made.by_object(tmp_path / "a.weights.h5", {"lstm/cell": [*w.values()]}),
    ):
        with pytest.raises(InputError, match="has only weights.*model.to_json.*config="):
            keras.read(path)
        with pytest.raises(InputError, match="has only weights; give a file with the arch"):
            keras.read(path, config=path)


def test_weights_of_other_layers_than_the_architectures_are_refused(tmp_path):
    w = made.weights_of("LSTM", I, LSTM, np.random.default_rng(0))
    (tmp_path / "m.json").write_text(
        json.dumps(made.model([made.layer("LSTM", "a", **LSTM | {"units": H})], 2))
    )
    objects = {"lstm/cell": [*w.values()], "dense": [w["kernel"]]}
    for path in (
        made.legacy(tmp_path / "a.h5", None, {"a": w, "dense": w}, 2),
        made.by_object(tmp_path / "a.weights.h5", objects),
    ):
        with pytest.raises(InputError, match="weights of a layer 'dense', which the archit"):
            keras.read(path, config=tmp_path / "m.json")


def test_a_large_configuration_is_refused_before_it_is_read(tmp_path, monkeypatch):
    w = made.weights_of("LSTM", I, LSTM, np.random.default_rng(0))
    path = made.legacy(tmp_path / "a.h5", None, {"a": w}, 2)
    with open(tmp_path / "m.json", "wb") as file:
        file.truncate((1 << 26) + 1)  # takes no room on the disk
    monkeypatch.setattr(keras_files, "read_bytes", None)
    with pytest.raises(InputError, match="m.json' .* 67,108,865 bytes, and the limit is 67,108"):
        keras.read(path, config=tmp_path / "m.json")


def test_what_is_left_out_is_said(tmp_path):
    config = LSTM | {"stateful": True, "return_state": True, "dtype": "mixed_float16"}
    w = made.weights_of("LSTM", I, LSTM, np.random.default_rng(0))
    model = made.model([made.layer("LSTM", "a", **config)], 2)
    notes = keras.read(made.legacy(tmp_path / "m.h5", model, {"a": w}, 2)).notes
    assert [note.split(":")[0] for note in notes[:3]] == ["a"] * 3
    assert "mixed_float16" in notes[0] and "stateful" in notes[1] and "return_state" in notes[2]


# ---------------------------------------------------------------- export

torch.manual_seed(3)
STACKS = {
    "lstm": {"a": ostinato.LSTM(4, 5, 2, bidirectional=True)},
    "gru": {"a": ostinato.GRU(4, 5, 2), "d": DenseSpec(5, 3, activation="softmax")},
    "gru without bias": {"a": ostinato.GRU(4, 5, bias=False)},
    "relu": {"a": ostinato.RNN(4, 5, nonlinearity="relu", bidirectional=True)},
    "gru_original": {
        "a/b": RecurrentSpec(
            "gru_original", 4, 5, constants={"gate_activation": "hard_sigmoid", "activation": "elu"}
        ),
        "d": DenseSpec(5, 2, bias=False),
    },
    "forget bias": {
        "a": RecurrentSpec("lstm", 4, 5, constants={"forget_bias": 1.5}),
        "b": RecurrentSpec(
            "lstm", 5, 3, sequence=False, names={"b": []}, constants={"forget_bias": -1.0}
        ),
    },
    "embedding": {
        "e": EmbeddingSpec(7, 4, mask_value=0),
        "a": RecurrentSpec("gru", 4, 5, 2, bidirectional=True, merge="ave"),
        "r": RecurrentSpec("elman", 5, 3, masked="zero"),
        "d": DenseSpec(3, 2),
        "x": ActivationSpec("silu"),
    },
    "mask": {
        "m": MaskingSpec(0.0),
        "a": RecurrentSpec("lstm", 4, 5, masked="hold"),
        "b": RecurrentSpec("lstm", 5, 3, reverse=True, masked="hold"),
        "c": RecurrentSpec("gru", 3, 2, sequence=False),
    },
    "reverse": {
        "a": RecurrentSpec("lstm", 4, 5, 2, reverse=True),
        "c": RecurrentSpec("lstm", 5, 4, bidirectional=True, sequence=False, merge="mul"),
    },
    "float64": {"a": ostinato.LSTM(4, 5, dtype=torch.float64)},
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_is_written_and_read(name, tmp_path, close):
    dtype = torch.float64 if name == "float64" else None
    stack = LayerStack(STACKS[name], dtype=dtype)
    keras.write(stack, tmp_path / "m.keras")
    keras.write(stack, tmp_path / "m.weights.h5")
    x = torch.randint(0, 7, (B, T)) if stack.takes_ids else torch.randn(B, T, I, dtype=stack.dtype)
    x[MASK == 0] = 0
    wanted = stack(x)
    close(keras.read(tmp_path / "m.keras")(x), wanted)
    close(keras.read(tmp_path / "m.weights.h5", config=tmp_path / "m.keras")(x), wanted)


@pytest.mark.parametrize("cell", KERAS_CELLS, ids=lambda cell: cell.cell)
def test_the_tables_of_gates_are_inverse_to_each_other(cell):
    rng = np.random.default_rng(6)
    config = made.recurrent(cell.layer, H, reset_after=cell.reset_after)
    w = made.weights_of(cell.layer, I, config, rng)
    found = cell.to_cell(w)
    assert found.keys() == CELLS[cell.cell].graph.weights.keys()
    back = cell.from_cell(found)
    assert [*back] == [*w] and all(np.array_equal(back[name], w[name]) for name in w)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ostinato.LSTM(3, 4, proj_size=2), "does not have the cell 'lstm_projected'"),
        (ostinato.Recurrent("lstm", 3, 4, learned_state=True), "its initial state is learned"),
        (ostinato.GRU(3, 4, zoneout=0.1), "zoneout"),
        (ostinato.GRU(3, 4, precision="bfloat16"), "rounds products to bfloat16"),
        (ostinato.Recurrent(CELLS["lstm"].with_constants(cell_clip=1.0), 3, 4), "does not clip"),
        (ostinato.GRU(3, 4, dtype=torch.bfloat16), "write stack.float"),
        (torch.nn.LSTM(3, 4), "was given a LSTM; give layers"),
        (LayerStack({"e": EmbeddingSpec(5, 3, mask_value=2)}), "masks the id 2"),
        (LayerStack({"d": DenseSpec(5, 3, activation="hard_sigmoid_02")}), "does not have the act"),
        (
            LayerStack(
                {
                    "m": MaskingSpec(),
                    "a": RecurrentSpec("gru", 3, 4, bidirectional=True, masked="hold"),
                }
            ),
            "use masked='zero'",
        ),
    ],
)
def test_what_keras_does_not_have_is_refused_and_nothing_is_written(model, message, tmp_path):
    with pytest.raises(InputError, match=message):
        keras.write(model, tmp_path / "m.keras")
    with pytest.raises(InputError, match="write a name that ends in .keras"):
        keras.write(ostinato.GRU(3, 4), tmp_path / "m.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_keras_computes_the_same_from_written_files(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    peer = pytest.importorskip("keras")
    stack = LayerStack(STACKS[name], dtype=torch.float64 if name == "float64" else None)
    keras.write(stack, tmp_path / "m.keras")
    keras.write(stack, tmp_path / "m.weights.h5")
    x = torch.randint(0, 7, (B, T)) if stack.takes_ids else torch.randn(B, T, I, dtype=stack.dtype)
    x[MASK == 0] = 0
    wanted = stack(x).detach().numpy()
    model = peer.models.load_model(tmp_path / "m.keras")
    assert np.abs(model.predict(x.numpy(), verbose=0) - wanted).max() < 1e-6
    model.load_weights(tmp_path / "m.weights.h5")
    assert np.abs(model.predict(x.numpy(), verbose=0) - wanted).max() < 1e-6


@pytest.mark.parametrize("page", ["exchange.md", "exchange.ko.md"])
def test_the_examples_of_the_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    shared: dict = {}
    for code in re.findall(
        r"^```python\n(.*?)^```", text[text.index("\n## Keras\n") :], re.M | re.S
    ):
        exec(code, shared)
    assert shared["model"].names == ("rnn/lstm_cell",) and shared["output"].shape == (1, 4, 2)
