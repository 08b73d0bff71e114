"""A directory of layers: what is written is read, and damaged files are one error each."""

import json

import pytest
import torch

import ostinato
from ostinato import cell, weight
from ostinato.cells import CELLS
from ostinato.errors import InputError
from ostinato.exchange.activations import softsign
from ostinato.exchange.directory import read_layers, write_layers
from ostinato.exchange.layer_stack import (
    ActivationSpec,
    DenseSpec,
    EmbeddingSpec,
    LayerStack,
    MaskingSpec,
    RecurrentSpec,
)
from ostinato.tasks.saved import is_layers


def inputs(stack):
    if stack.takes_ids:
        return torch.tensor([[1, 0, 3], [2, 4, 0]])
    return torch.randn(2, 3, stack.input_size, dtype=stack.dtype)


def same(stack, directory):
    """Write and read a stack; its outputs and descriptions stay."""
    write_layers(directory, stack)
    found = read_layers(directory)
    for part in [*stack.parts, *found.parts]:
        if hasattr(part, "layer"):
            part.layer.engine = "reference"  # which compiles nothing
    x = inputs(stack)
    assert torch.equal(found(x), stack.eval()(x))
    assert found.specs() == stack.specs() and found.notes == stack.notes
    assert is_layers(directory) and not found.training
    return found


@pytest.mark.parametrize("name", [n for n, c in CELLS.items() if len(c.graph.inputs) == 1])
def test_every_cell_is_written_and_read(name, tmp_path):
    sizes = CELLS[name].graph.letters - {"I", "H"}
    layer = ostinato.Recurrent(
        name, 4, 4, 2, bidirectional=name != "intersection", sizes=dict.fromkeys(sizes, 4)
    )
    same(LayerStack({name: layer}), tmp_path / "layers")


STACKS = {
    "ids": {
        "embedding": EmbeddingSpec(6, 3, mask_value=0),
        "gru": RecurrentSpec("gru_original", 3, 4, constants={"gate_activation": "hard_sigmoid"}),
        "a/b.c": DenseSpec(4, 2, bias=False, activation="softmax"),
    },
    "numbers": {
        "masking": MaskingSpec(-1.0),
        "lstm": RecurrentSpec(
            "lstm", 3, 4, constants={"cell_clip": 0.5, "forget_bias": 1.0}, bidirectional=True,
            merge="ave", masked="hold",
        ),
        "elu": ActivationSpec("elu"),
        "last": RecurrentSpec("elman", 4, 2, reverse=True, sequence=False),
    },
    "of torch": {
        "lstm": ostinato.LSTM(3, 4, 2, bidirectional=True, proj_size=2, dropout=0.1),
        "gru": ostinato.GRU(4, 3, bias=False, batch_first=True, zoneout=0.1),
    },
    "learned": {
        "gru": ostinato.Recurrent(
            CELLS["gru"].with_constants(activation=softsign), 3, 4, learned_state=True
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_stack_is_written_and_read(name, dtype, tmp_path):
    stack = LayerStack(STACKS[name], notes=["a note"]).to(dtype)
    assert same(stack, tmp_path / "layers").dtype == dtype


def test_a_cell_that_a_file_cannot_name_is_refused(tmp_path):
    @cell
    def own(x, h, *, W=weight("H", "I")):
        return W @ x + h

    with pytest.raises(InputError, match="'own' is not in the catalogue"):
        write_layers(tmp_path / "a", ostinato.Recurrent(own, 3, 4))
    scaled = CELLS["lstm"].with_constants(activation=lambda z: 0.5 * z)
    with pytest.raises(InputError, match="which has no name in files"):
        write_layers(tmp_path / "a", ostinato.Recurrent(scaled, 3, 4))
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over_other_files_or_with_weights_that_are_not_finite(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    layer = ostinato.GRU(3, 4)
    with pytest.raises(InputError, match="is not empty"):
        write_layers(tmp_path, layer)
    with torch.no_grad():
        layer.bias_ih_l0[0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        write_layers(tmp_path / "a", layer)
    with pytest.raises(InputError, match="a Linear; give a LayerStack"):
        write_layers(tmp_path / "a", torch.nn.Linear(3, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def options(config, place, **changes):
    config["parts"][place]["options"] |= changes


# A change of config.json, and a part of the error.
DAMAGES = {
    "format": (lambda c: c.update(format="ostinato task"), "has format 'ostinato task'"),
    "version": (lambda c: c.update(version=2), "format version 2"),
    "true version": (lambda c: c.update(version=True), "format version True"),
    "unknown field": (lambda c: c.update(speed=1), "unknown field 'speed'"),
    "no parts": (lambda c: c.update(parts=[]), "a list of 0"),
    "parts": (lambda c: c.update(parts={}), "'parts' is an object of 0"),
    "kind": (lambda c: c["parts"][0].update(kind="conv"), "one of 'embedding'"),
    "name": (lambda c: c["parts"][1].update(name="embedding"), "two parts have the name"),
    "dtype": (lambda c: c.update(dtype="int8"), "'dtype' is 'int8'"),
    "other dtype": (lambda c: c.update(dtype="float64"), "should be F64"),
    "unknown option": (lambda c: options(c, 1, speed=1), "unknown field 'parts"),
    "cell": (lambda c: options(c, 1, cell="lstn"), "unknown cell 'lstn'"),
    "other cell": (lambda c: options(c, 1, cell="elman"), "does not fit"),
    "cell type": (lambda c: options(c, 1, cell=3), "should be text"),
    "zero": (lambda c: options(c, 1, hidden_size=0), "from 1 to"),
    "terabytes": (lambda c: options(c, 1, hidden_size=1 << 24), "layer before it|does not fit"),
    "entries": (lambda c: options(c, 0, entries=1 << 24), "does not fit"),
    "too large": (lambda c: options(c, 0, entries=10**40), "should be a whole number from"),
    "layers": (lambda c: options(c, 1, num_layers=256), "does not fit"),
    "too many layers": (lambda c: options(c, 1, num_layers=10**6), "from 1 to 256"),
    "constant": (lambda c: options(c, 1, constants={"speed": 1}), "no constant 'speed'"),
    "merge": (lambda c: options(c, 1, merge="max"), "one of 'concat'"),
    "mask": (lambda c: options(c, 0, mask_value=-1), "should be"),
    "names": (lambda c: options(c, 1, names={"Q": ["q"]}), "has 'Q'"),
    "odd names": (lambda c: options(c, 1, names={"b": ["a.b"]}), "cannot be used"),
    "precision": (lambda c: options(c, 1, precision="int4"), "should be"),
    "regularisers": (lambda c: options(c, 1, regularisers={"device": 1}), "cannot be used"),
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    stack = LayerStack(
        {
            "embedding": EmbeddingSpec(6, 3, mask_value=0),
            "lstm": RecurrentSpec("lstm", 3, 4),
            "dense": DenseSpec(4, 2),
        }
    )
    write_layers(tmp_path / "layers", stack)
    return tmp_path / "layers"


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_configuration_is_one_error(name, written):
    change, message = DAMAGES[name]
    config = json.loads((written / "config.json").read_text())
    change(config)
    (written / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        read_layers(written)(torch.tensor([[1, 2]]))


def test_damaged_weights_are_one_error(written):
    content = (written / "model.safetensors").read_bytes()
    for size in (0, 7, 100, len(content) - 1):
        (written / "model.safetensors").write_bytes(content[:size])
        with pytest.raises(InputError, match="truncated or damaged"):
            read_layers(written)
    (written / "model.safetensors").unlink()
    with pytest.raises(InputError, match="does not exist"):
        read_layers(written)
    with pytest.raises(InputError, match="give the --out of `ostinato import`"):
        read_layers(written / "none")
