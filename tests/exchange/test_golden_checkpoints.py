"""Models of Keras and TensorFlow 1 with recorded outputs: each is read in each of its forms, or
refused with a reason.
"""

import json

import numpy as np
import pytest
import torch

from ostinato.errors import InputError
from ostinato.exchange import keras, tf1
from places import ROOT

GOLDEN = ROOT.parent / "shared" / "golden" / "checkpoints"
INDEX = json.loads((GOLDEN / "index.json").read_text()) if GOLDEN.is_dir() else {}
KERAS = [
    (model["dir"], form)
    for kind in ("keras3", "tf_keras")
    for model in INDEX.get(kind, [])
    for form in model["files"]
]

pytestmark = pytest.mark.skipif(not INDEX, reason="../shared/golden/checkpoints is not there")


def outputs(name):
    """The recorded inputs and outputs of a model."""
    with np.load(GOLDEN / name / "io.npz") as file:
        return dict(file)


def agrees(found, wanted):
    """Equal to 1e-6, relative to the larger of 1 and the number."""
    assert found.shape == wanted.shape
    error = np.abs(found.detach().numpy() - wanted) / np.maximum(1, np.abs(wanted))
    assert error.max() < 1e-6


@pytest.mark.parametrize(("name", "form"), KERAS)
def test_a_keras_model_equals_its_recorded_outputs(name, form):
    folder = GOLDEN / name
    if not (folder / form).exists():
        pytest.skip("the index says that this form was not kept")
    if form == "saved_model":
        with pytest.raises(InputError, match="is a SavedModel, which has no arch"):
            keras.read(folder / form)
        return
    # a file with weights alone takes the architecture from another form
    config = folder / "model.keras" if form == "model.weights.h5" else None
    stack = keras.read(folder / form, config=config)
    recorded = outputs(name)
    x = torch.from_numpy(recorded["x"])
    agrees(stack(x), recorded["y"])


@pytest.mark.parametrize("model", INDEX.get("tf1", []), ids=lambda model: model["name"])
def test_a_tensorflow_1_checkpoint_equals_its_recorded_outputs(model):
    recorded = outputs(model["dir"])
    stack = tf1.read(GOLDEN / model["prefix"])
    assert {name.rsplit("/", 1)[0] for name in model["variables"]} >= {
        name for name in stack.names if "gru" not in name
    }
    x, lengths = torch.from_numpy(recorded["x"]), recorded["sequence_length"]
    agrees(stack(x, lengths=lengths), recorded["outputs"])
    finals = []
    for part in stack.parts:
        x, states = part.layer(x, None, lengths)
        finals += states[::-1]  # TensorFlow's state is (c, h)
    for number, state in enumerate(finals):
        agrees(state[0], recorded[f"final/{number}"])


@pytest.mark.parametrize("prefix", ["adam_v1/model.ckpt-10", "adam_v2/model.ckpt-10", "partitioned/part"])  # fmt: skip
def test_slots_of_optimizers_in_a_recorded_checkpoint_are_left_out(prefix):
    stack = tf1.read(GOLDEN.parent / "training" / "checkpoints" / prefix)
    assert stack.names == ("rnn/basic_lstm_cell",)
    assert stack.specs()[stack.names[0]].constants == {"forget_bias": 1.0}
