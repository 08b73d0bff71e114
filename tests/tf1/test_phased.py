"""PhasedLSTMCell gives TensorFlow 1.13.1's numbers, those of its seeds included."""

import numpy as np
import pytest
import torch

import ostinato.tf1 as tf
from ostinato.cells import phased_lstm
from ostinato.engines import reference
from ostinato.errors import InputError, SizeError
from tf1_programs import TIMES, X, agrees, steps

rnn = tf.contrib.rnn
WIDE = {"period_init_max": 10.0, "ratio_on": 0.4}


def _run(cell, times=TIMES, x=X):
    return tf.nn.dynamic_rnn(cell, (tf.constant(times), tf.constant(x)), dtype=tf.float32)


def _dynamic(lengths=None, **options):
    return tf.nn.dynamic_rnn(
        rnn.PhasedLSTMCell(5, **options),
        (tf.constant(TIMES), tf.constant(X)),
        lengths,
        dtype=tf.float32,
    )


def _call():
    cell = rnn.PhasedLSTMCell(5, **WIDE)
    return cell((tf.constant(TIMES[:, 0]), tf.constant(X[:, 0])), cell.zero_state(3, tf.float32))


# Of TensorFlow 1.13.1, run on these very programs under the graph seed 777; see
# `tf1_programs.measure`.
PROGRAMS = {
    "as it is": (_dynamic, (263, 0.10495457, 11.53328)),
    "often open": (lambda: _dynamic(**WIDE), (263, 1.7953393, 117.9575)),
    "lengths": (lambda: _dynamic([6, 0, 3], **WIDE), (286, 1.4807723, 109.586)),
    "peepholes and a leak": (
        lambda: _dynamic(use_peepholes=True, leak=0.01, **WIDE),
        (263, 1.6822517, 111.077),
    ),
    "a ratio that is not trained": (
        lambda: _dynamic(trainable_ratio_on=False, **WIDE),
        (263, 1.7953393, 40.6124),
    ),
    "a list of steps": (
        lambda: tf.nn.static_rnn(rnn.PhasedLSTMCell(5, **WIDE), steps(TIMES, X), dtype=tf.float32),
        (246, 0.53264797, 4.698472),
    ),
    "one step": (_call, (138, 0.062711351, 0.3372862)),
    "both directions": (
        lambda: tf.nn.bidirectional_dynamic_rnn(
            rnn.PhasedLSTMCell(5),
            rnn.PhasedLSTMCell(5),
            (tf.constant(TIMES), tf.constant(X)),
            [6, 0, 3],
            dtype=tf.float32,
        ),
        (576, 0.078033686, 10.69948),
    ),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(*PROGRAMS[name])


def test_variables_are_tensorflows_and_the_ratio_is_trained_if_that_is_asked():
    _dynamic(trainable_ratio_on=False)
    names = [v.name.removeprefix("rnn/phased_lstm_cell/") for v in tf.global_variables()]
    linear = [
        f"{name}/{part}:0"
        for name in ("mask_gates", "new_input", "output_gate")
        for part in ("kernel", "bias")
    ]
    assert names == [*linear, "period:0", "phase:0", "ratio_on:0"]
    assert [v.name for v in tf.trainable_variables()] == [v.name for v in tf.global_variables()][
        :-1
    ]


def test_without_peepholes_it_is_the_cell_of_the_language():
    outputs, _ = _dynamic(ratio_on=0.25, period_init_max=10.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = {
            v.name.rpartition("phased_lstm_cell/")[2]: tf.convert_to_tensor(v)
            for v in tf.global_variables()
        }
        ours, values = sess.run([outputs, values])
    t = {name.removesuffix(":0"): torch.from_numpy(np.array(v)) for name, v in values.items()}
    kernel = torch.cat(
        [t["mask_gates/kernel"], t["new_input/kernel"], t["output_gate/kernel"]], 1
    ).T
    weights = {"W": kernel[:, :4], "U": kernel[:, 4:], "tau": t["period"], "s": t["phase"]}
    weights["b"] = torch.cat([t["mask_gates/bias"], t["new_input/bias"], t["output_gate/bias"]])
    weights |= {f"p_{gate}": torch.zeros(5) for gate in "ifo"}
    x, times = (torch.from_numpy(v).transpose(0, 1) for v in (X, TIMES))
    graph = phased_lstm.with_constants(r_on=0.25).graph
    theirs, _ = reference.scan(graph, inputs=(x, times), states=(None, None), weights=weights)
    np.testing.assert_allclose(ours, theirs.transpose(0, 1).numpy(), atol=1e-6)


def test_times_may_be_of_more_digits_than_the_input():
    late = TIMES.astype(np.float64) + 1.6e9
    given = {"exact": late, "rounded": late.astype(np.float32)}
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        outputs = {
            name: _run(rnn.PhasedLSTMCell(5, **WIDE), times)[0] for name, times in given.items()
        }
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = sess.run(outputs)
    assert values["exact"].dtype == np.float32 and not np.allclose(
        values["exact"], values["rounded"], atol=1e-3
    )


MISTAKES = {
    "no times": (
        lambda: tf.nn.dynamic_rnn(rnn.PhasedLSTMCell(5), tf.constant(X), dtype=tf.float32),
        InputError,
        r"PhasedLSTMCell needs a tuple of 2 for each step, \(time, input\)",
    ),
    "several times a step": (
        lambda: tf.nn.dynamic_rnn(
            rnn.PhasedLSTMCell(5), (tf.constant(X), tf.constant(X)), dtype=tf.float32
        ),
        InputError,
        "times of size 4: give one number",
    ),
    "times without a dimension": (
        lambda: _run(rnn.PhasedLSTMCell(5), TIMES[..., 0]),
        SizeError,
        r"\(3, 6\): give them three dimensions",
    ),
    "times of other steps": (
        lambda: _run(rnn.PhasedLSTMCell(5), TIMES[:, :2]),
        SizeError,
        "2 and 6 differ",
    ),
    "a period of words": (
        lambda: rnn.PhasedLSTMCell(5, period_init_max="10"),
        InputError,
        r"period_init_max='10'\): give a number",
    ),
    "a part of words": (
        lambda: rnn.PhasedLSTMCell(5, ratio_on="half"),
        InputError,
        r"ratio_on='half'\): give a number",
    ),
    "a period of nothing": (
        lambda: rnn.PhasedLSTMCell(5, period_init_min=0.0),
        InputError,
        r"period_init_min=0\.0.*above 0",
    ),
    "a wrapper that wants a vector": (
        lambda: rnn.ResidualWrapper(rnn.PhasedLSTMCell(4)),
        InputError,
        "ResidualWrapper was given PhasedLSTMCell, whose input is not a vector",
    ),
    "a place above another cell": (
        lambda: rnn.MultiRNNCell([rnn.GRUCell(4), rnn.PhasedLSTMCell(4)]),
        InputError,
        "PhasedLSTMCell above GRUCell",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()
