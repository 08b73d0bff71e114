"""Small files in the layouts of Keras 2 and 3, and Keras's equations in NumPy."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np


def logistic(x):
    return 1 / (1 + np.exp(-x))


# Keras's activations, from its documentation.
ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": logistic,
    "relu": lambda x: np.maximum(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "hard_sigmoid 2": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "hard_sigmoid 3": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}


def function(name: str, version: int):
    return ACTIVATIONS[f"{name} {version}" if name == "hard_sigmoid" else name]


def layer(kind: str, name: str, **config) -> dict:
    return {"class_name": kind, "config": {"name": name, "trainable": True} | config}


def recurrent(kind: str, units: int, **config) -> dict:
    """The arguments of a recurrent layer, with Keras 3's defaults."""
    own = {"units": units, "activation": "tanh", "use_bias": True, "return_sequences": True}
    own |= {} if kind == "SimpleRNN" else {"recurrent_activation": "sigmoid"}
    own |= {"reset_after": True} if kind == "GRU" else {}
    return own | config


def weights_of(kind: str, inputs: int, config: dict, rng) -> dict[str, np.ndarray]:
    """Random weights of a recurrent layer."""
    columns = GATES[kind] * config["units"]
    shapes = {"kernel": (inputs, columns), "recurrent_kernel": (config["units"], columns)}
    if config["use_bias"]:
        shapes["bias"] = (2, columns) if config.get("reset_after") else (columns,)
    return {name: rng.normal(size=shape).astype(np.float32) / 2 for name, shape in shapes.items()}


def step(kind: str, config: dict, w: dict, version: int, x, states):
    """One step of Keras's SimpleRNN, LSTM or GRU: the new states, the output first."""
    act = function(config["activation"], version)
    if kind == "SimpleRNN":
        (h,) = states
        return [act(x @ w["kernel"] + h @ w["recurrent_kernel"] + w.get("bias", 0))]
    gate = function(config["recurrent_activation"], version)
    if kind == "LSTM":
        h, c = states
        z = x @ w["kernel"] + h @ w["recurrent_kernel"] + w.get("bias", 0)
        i, f, g, o = np.split(z, 4, -1)
        c = gate(f) * c + gate(i) * act(g)
        return [gate(o) * act(c), c]
    (h,) = states
    units = h.shape[-1]
    bias = w.get("bias", np.zeros((2, 3 * units)))
    if not config["reset_after"]:
        bias = np.stack([bias if bias.ndim == 1 else bias[0], np.zeros(3 * units)])
    xz, xr, xh = np.split(x @ w["kernel"] + bias[0], 3, -1)
    kz, kr, kh = np.split(w["recurrent_kernel"], 3, -1)
    bz, br, bh = np.split(bias[1], 3)
    z, r = gate(xz + h @ kz + bz), gate(xr + h @ kr + br)
    inner = r * (h @ kh + bh) if config["reset_after"] else (r * h) @ kh
    return [z * h + (1 - z) * act(xh + inner)]


def run(kind, config, w, version, x, mask=None, *, backwards=False, zero=False):
    """Keras's recurrent layer over a batch, (B, T, I) to (B, T, units), in float64."""
    w = {name: array.astype(np.float64) for name, array in w.items()}
    steps = range(x.shape[1])[:: -1 if backwards else 1]
    states = [np.zeros((len(x), config["units"]))] * (2 if kind == "LSTM" else 1)
    output, found = np.zeros((len(x), config["units"])), []
    for t in steps:
        new = step(kind, config, w, version, x[:, t].astype(np.float64), states)
        valid = np.ones(len(x), bool) if mask is None else mask[:, t]
        states = [np.where(valid[:, None], n, s) for n, s in zip(new, states)]
        output = np.where(valid[:, None], new[0], output)
        found.append(np.where(valid[:, None], output, 0) if zero else output)
    return np.stack(found, 1)


def model(layers: list[dict], version: int) -> dict:
    found = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
    return found | ({"module": "keras"} if version == 3 else {"keras_version": "2.11.0"})


# ---------------------------------------------------------------- layouts


def legacy(path: Path, config: dict | None, weights: dict, version: int) -> Path:
    """A .h5 file: the weights of each layer by their names, {layer: {name: array}}."""
    end = ":0" if version < 3 else ""
    with h5py.File(path, "w") as file:
        root = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            root = file.create_group("model_weights")
        for group in {file, root}:
            group.attrs["keras_version"] = {1: "1.2.2", 2: "2.11.0", 3: "3.5.0"}[version]
            group.attrs["backend"] = "tensorflow"
        root.attrs["layer_names"] = [name.encode() for name in weights]
        for name, arrays in weights.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{one}{end}".encode() for one in arrays]
            for one, array in arrays.items():
                group[f"{name}/{one}{end}"] = array
    return path


def by_object(path, weights: dict, top: str = "layers"):
    """A .weights.h5 file: the weights of each object in order, {path: [array]}."""
    with h5py.File(path, "w") as file:
        for place, arrays in weights.items():
            group = file.require_group(f"{top}/{place}/vars")
            for number, array in enumerate(arrays):
                group[str(number)] = array
    return path


def archive(path: Path, config: dict, weights: dict, version: int) -> Path:
    """A .keras file."""
    part = by_object(path.with_suffix(".weights.h5"), weights)
    metadata = {"keras_version": "3.5.0" if version == 3 else "2.13.1"}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", json.dumps(metadata))
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", part.read_bytes())
    part.unlink()
    return path
