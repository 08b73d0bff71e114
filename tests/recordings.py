"""Runs the recorded cases of TensorFlow's cells on `ostinato.tf1`, and compares."""

import json

import numpy as np

import ostinato.tf1 as tf
from ostinato.tf1.core import nest
from places import SHARED

GOLDEN = SHARED / "golden"

# The largest difference, and the largest as a part of the largest number of the array. Both have to
# hold.
TOLERANCES = {"f32": 1e-5, "f64": 1e-12}


def read(name):
    return json.loads((GOLDEN / name).read_text()) if GOLDEN.is_dir() else None


def make_cell(kind, options):
    options = dict(options)
    if kind == "MultiRNNCell":
        return tf.nn.rnn_cell.MultiRNNCell(
            [make_cell(o.pop("cell"), o) for o in map(dict, options["cells"])]
        )
    if kind in ("ResidualWrapper", "DropoutWrapper"):
        inner = dict(options.pop("cell", None) or options.pop("cell_"))
        return getattr(tf.nn.rnn_cell, kind)(make_cell(inner.pop("cell"), inner), **options)
    activation = options.pop("activation", None)
    return getattr(tf.nn.rnn_cell, kind)(
        activation=activation and getattr(tf.nn, activation), **options
    )


def run(case, precision, make=make_cell, folder=GOLDEN):
    """A case run with the cells that `make(name, options)` gives: the results by the names that the
    recording has, and the recording's own.
    """
    recorded = np.load(folder / case["file"])
    dtype = {"f32": tf.float32, "f64": tf.float64}[precision]
    held = lambda name: tf.constant(recorded[name], dtype=dtype)  # noqa: E731
    names = case["state"]
    both = [make(case["cell"], case["hyperparameters"]) for _ in case["outputs"]]
    x = held("x")
    given = case["initial_state"] == "given"
    initial = {n: held(f"init/{n}") for n in names} if given else {}
    count = len(names) // len(both)
    states = [
        nest.pack_sequence_as(
            c.state_size, [initial[n] for n in names[i * count : (i + 1) * count]]
        )
        if given
        else None
        for i, c in enumerate(both)
    ]
    lengths = case["sequence_length"]
    options = {"sequence_length": lengths, "dtype": dtype, "time_major": case["time_major"]}
    if case["call"] == "bidirectional_dynamic_rnn":
        outputs, finals = tf.nn.bidirectional_dynamic_rnn(
            *both, x, initial_state_fw=states[0], initial_state_bw=states[1], **options
        )
    else:
        output, finals = tf.nn.dynamic_rnn(both[0], x, initial_state=states[0], **options)
        outputs = nest.flatten(output)
    results = dict(zip(case["outputs"], outputs))
    results |= {f"final/{n}": f for n, f in zip(names, nest.flatten(finals), strict=True)}
    terms = [
        tf.reduce_sum(
            t * held(f"R1/{n}" if n in case["outputs"] else f"R2/{n.removeprefix('final/')}")
        )
        for n, t in results.items()
    ]
    loss = terms[0]
    for term in terms[1:]:
        loss = loss + term
    weights = {v.op.name: v for v in tf.trainable_variables()}
    assert [[n, list(v.shape)] for n, v in weights.items()] == case["weights"]
    by = (
        {"x": x}
        | {f"init/{n}": t for n, t in initial.items()}
        | {f"w/{n}": v for n, v in weights.items()}
    )
    results |= {"loss": loss} | {
        f"grad/{n}": g for n, g in zip(by, tf.gradients(loss, list(by.values())))
    }
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for n, v in weights.items():
            v.load(recorded[f"w/{n}"])
        return sess.run(results), {
            k.removeprefix(f"{precision}/"): recorded[k]
            for k in recorded
            if k.startswith(precision)
        }


def agrees(results, wanted, precision):
    """Assert that results are the recorded ones: outputs, final states, the loss and every
    gradient.
    """
    assert set(results) == set(wanted)
    for key, value in wanted.items():
        assert results[key].shape == value.shape and results[key].dtype == value.dtype, key
        off, largest = np.abs(results[key] - value).max(), np.abs(value).max()
        allowed = TOLERANCES[precision] * min(1.0, largest)
        assert off <= allowed, f"{key} is off by {off:.3g}, allowed {allowed:.3g}"
        assert not np.any(results[key][value == 0]), f"{key}: padding is exactly 0"
