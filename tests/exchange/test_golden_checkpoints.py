"""Models of Keras and TensorFlow 1 with recorded outputs: each is read in each of its forms, or
refused with a reason.
"""

import json

import numpy as np
import pytest
import torch

from ostinato.errors import InputError
from ostinato.exchange import keras
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
        with pytest.raises(InputError, match="is a directory; give"):
            keras.read(folder / form)
        return
    # a file with weights alone takes the architecture from another form
    config = folder / "model.keras" if form == "model.weights.h5" else None
    stack = keras.read(folder / form, config=config)
    recorded = outputs(name)
    x = torch.from_numpy(recorded["x"])
    agrees(stack(x), recorded["y"])
