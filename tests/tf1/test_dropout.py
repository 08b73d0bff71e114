"""Dropout in `ostinato.tf1`: programs give TensorFlow 1.13.1's numbers, draws included; what is
dropped, and for how long.
"""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from tf1_programs import X, agrees, steps

rnn = tf.contrib.rnn
ONCE = {"variational_recurrent": True, "dtype": tf.float32}
EVERYWHERE = {
    "input_keep_prob": 0.7,
    "output_keep_prob": 0.5,
    "state_keep_prob": 0.6,
    "input_size": tf.TensorShape([4]),
    **ONCE,
}


@pytest.fixture(autouse=True)
def _graph():
    tf.set_random_seed(1)


def _dynamic(cell, lengths=None):
    return tf.nn.dynamic_rnn(cell, X, lengths, dtype=tf.float32)


def _static(cell, lengths=None):
    return tf.nn.static_rnn(cell, steps(), sequence_length=lengths, dtype=tf.float32)


def _normed(units=5, keep=0.5, **options):
    return rnn.LayerNormBasicLSTMCell(units, dropout_keep_prob=keep, **options)


def _everywhere(cell, **options):
    return rnn.DropoutWrapper(cell, **{**EVERYWHERE, **options})


def _called(cell, count):
    outputs, state = [], cell.zero_state(3, tf.float32)
    for t in range(count):
        output, state = cell(tf.constant(X[:, t]), state)
        outputs.append(output)
    return outputs, state


def _two():
    return rnn.MultiRNNCell([rnn.BasicLSTMCell(5), rnn.GRUCell(3)])


def _c_alone(state):
    return rnn.LSTMStateTuple(True, False) if isinstance(state, rnn.LSTMStateTuple) else True


def _all_but_the_first(state):
    return (
        (False, True)
        if isinstance(state, tuple) and not isinstance(state, rnn.LSTMStateTuple)
        else True
    )


def _visited(cell, visitor, **options):
    return rnn.DropoutWrapper(
        cell, state_keep_prob=0.6, dropout_state_filter_visitor=visitor, **options
    )


PROGRAMS = {
    "of what is added": lambda: _dynamic(_normed()),
    "of what is added, a seed": lambda: _dynamic(_normed(keep=0.7, dropout_prob_seed=3)),
    "of what is added, not normalised": lambda: _dynamic(_normed(layer_norm=False)),
    "of what is added, relu": lambda: _dynamic(_normed(activation=tf.nn.relu)),
    "of what is added, lengths": lambda: _dynamic(_normed(), [4, 0, 3]),
    "of what is added, a list": lambda: _static(_normed()),
    "of what is added, a list with lengths": lambda: _static(_normed(), [2, 0, 1]),
    "of what is added, two layers": lambda: _dynamic(rnn.MultiRNNCell([_normed(), _normed(3)])),
    "of what is added, in dropout": lambda: _dynamic(
        rnn.DropoutWrapper(_normed(), output_keep_prob=0.5), [4, 0, 3]
    ),
    "of what is added, one step": lambda: _called(_normed(), 1),
    "once, output": lambda: _dynamic(
        rnn.DropoutWrapper(rnn.GRUCell(5), output_keep_prob=0.5, **ONCE)
    ),
    "once, everywhere": lambda: _dynamic(_everywhere(rnn.BasicLSTMCell(5))),
    "once, a seed": lambda: _dynamic(_everywhere(rnn.BasicLSTMCell(5), seed=9)),
    "once, lengths": lambda: _dynamic(
        _everywhere(rnn.LSTMCell(5, num_proj=3), input_size=4), [6, 0, 3]
    ),
    "once, two layers in it": lambda: _dynamic(_everywhere(_two())),
    "once, nothing": lambda: _dynamic(rnn.DropoutWrapper(rnn.GRUCell(5), **ONCE)),
    "once, a list": lambda: _static(_everywhere(rnn.GRUCell(5))),
    "once, a list with lengths": lambda: _static(_everywhere(rnn.BasicLSTMCell(5)), [2, 0, 1]),
    "once, steps": lambda: _called(_everywhere(rnn.GRUCell(5)), 2),
    "once, a grid": lambda: _dynamic(_everywhere(tf.contrib.grid_rnn.Grid2LSTMCell(4)), [6, 0, 3]),
    "once, pictures": lambda: tf.nn.dynamic_rnn(
        _everywhere(
            rnn.Conv2DLSTMCell(input_shape=[3, 3, 1], output_channels=2, kernel_shape=[3, 3]),
            input_size=tf.TensorShape([3, 3, 1]),
        ),
        tf.constant(np.random.RandomState(5).randn(2, 4, 3, 3, 1).astype(np.float32)),
        [4, 2],
        dtype=tf.float32,
    ),
    "once, both directions": lambda: tf.nn.bidirectional_dynamic_rnn(
        _everywhere(rnn.GRUCell(5)), _everywhere(rnn.GRUCell(5)), X, [6, 0, 3], dtype=tf.float32
    ),
    "every state": lambda: _dynamic(_visited(rnn.BasicLSTMCell(5), lambda state: True)),
    "no state": lambda: _dynamic(_visited(rnn.BasicLSTMCell(5), lambda state: False)),
    "c alone": lambda: _dynamic(_visited(rnn.BasicLSTMCell(5), _c_alone, seed=4)),
    "the second layer's": lambda: _dynamic(_visited(_two(), _all_but_the_first, seed=4)),
    "the second layer's, once": lambda: _dynamic(_visited(_two(), _all_but_the_first, **ONCE)),
}

# Of TensorFlow 1.13.1, run on these very programs under the graph seed 777; see
# `tf1_programs.measure`.
RECORDED = {
    "of what is added": (274, 30.274822, 758.3344),
    "of what is added, a seed": (274, 27.379034, 851.5878),
    "of what is added, not normalised": (166, 6.3165851, 204.1385),
    "of what is added, relu": (274, 40.167465, 4241.303),
    "of what is added, lengths": (297, 16.578957, 320.5086),
    "of what is added, a list": (372, 21.372465, 716.184),
    "of what is added, a list with lengths": (538, 12.602291, 207.2706),
    "of what is added, two layers": (464, 35.368629, 879.1448),
    "of what is added, in dropout": (314, 19.752836, 447.4434),
    "of what is added, one step": (168, 17.786835, 480.5448),
    "once, output": (187, 6.9342546, 210.481),
    "once, everywhere": (214, 3.54533, 184.6916),
    "once, a seed": (214, 16.37462, 1307.094),
    "once, lengths": (251, 1.2435794, 61.61898),
    "once, two layers in it": (292, 6.4734449, 1003.777),
    "once, nothing": (180, 3.91469, 69.02377),
    "once, a list": (191, 7.1620245, 427.0256),
    "once, a list with lengths": (342, 0.29719844, 2.51656),
    "once, steps": (157, 2.4480987, 123.8989),
    "once, a grid": (355, 19.302086, 833.0951),
    "once, pictures": (233, 2.6459224, 88.89695),
    "once, both directions": (470, 19.3596, 2318.968),
    "every state": (181, 7.7106695, 1093.469),
    "no state": (153, 4.3624959, 162.7379),
    "c alone": (167, 5.8407607, 473.6908),
    "the second layer's": (228, 2.75969, 119.8431),
    "the second layer's, once": (261, 2.9243488, 82.24635),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(PROGRAMS[name], RECORDED[name])


def test_probabilities_are_rounded_to_float32_as_in_tensorflow():
    cell = rnn.DropoutWrapper(
        rnn.BasicRNNCell(50), output_keep_prob=0.7, variational_recurrent=True, dtype=tf.float64
    )
    with tf.variable_scope("zeros", initializer=tf.zeros_initializer()):
        outputs, _ = cell(tf.ones([1, 4], dtype=tf.float64), cell.zero_state(1, tf.float64))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        tf.global_variables()[1].load(np.full(50, np.arctanh(0.5)))
        found = set(sess.run(outputs).ravel())
    # 0.7 itself is 2e-8 of that away.
    assert sorted(found) == pytest.approx([0.0, 0.5 / np.float64(np.float32(0.7))], rel=1e-12)


def _wrapped_runs(make, run):
    """The results of a run of a cell, and of two runs of the wrapped cell, with the same
    weights.
    """
    cell = rnn.BasicLSTMCell(60)
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        plain, other = run(cell), run(make(cell))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(plain), sess.run(other), sess.run(other)


def test_one_mask_a_run_is_the_same_at_all_steps_and_rows_and_another_one_in_the_next_run():
    plain, *runs = _wrapped_runs(
        lambda cell: rnn.DropoutWrapper(cell, output_keep_prob=0.25, **ONCE),
        lambda cell: _dynamic(cell)[0],
    )
    masks = [np.round(outputs / plain, 4) for outputs in runs]
    assert all(
        np.array_equal(mask, np.broadcast_to(mask[0, 0], mask.shape))
        and set(mask[0, 0]) == {0.0, 4.0}
        for mask in masks
    )
    assert not np.array_equal(*masks)


def test_one_mask_a_run_keeps_the_mean():
    cell = rnn.DropoutWrapper(rnn.BasicRNNCell(2000), output_keep_prob=0.25, **ONCE)
    with tf.variable_scope("ones", initializer=tf.ones_initializer()):
        outputs, _ = cell(tf.ones([1, 4]), cell.zero_state(1, tf.float32))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        mean = np.mean([sess.run(outputs).mean() for _ in range(20)])
    # 40,000 numbers of 0 or 4 with a mean of 1: the standard error is sqrt(3 / 40000).
    assert abs(mean - np.tanh(4)) < 4 * np.sqrt(3 / 40000)


def test_one_mask_a_run_drops_h_and_not_c():
    plain, dropped, _ = _wrapped_runs(
        lambda cell: rnn.DropoutWrapper(cell, state_keep_prob=0.5, **ONCE),
        lambda cell: _called(cell, 1)[1],
    )
    mask = np.round(dropped.h / plain.h, 4)
    assert np.array_equal(dropped.c, plain.c) and np.array_equal(
        mask, np.broadcast_to(mask[0], mask.shape)
    )
    assert set(mask[0]) == {0.0, 2.0}


def test_one_mask_a_run_drops_the_same_units_of_the_input_at_all_steps():
    x = tf.constant(np.ones((2, 5, 50), np.float32))
    cell = rnn.DropoutWrapper(rnn.GRUCell(3), input_keep_prob=0.5, input_size=50, **ONCE)
    outputs, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    (slope,) = tf.gradients(outputs, x)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        seen = sess.run(slope) != 0
    assert (
        np.array_equal(seen, np.broadcast_to(seen[0, 0], seen.shape)) and 0 < seen[0, 0].sum() < 50
    )


def test_recurrent_dropout_drops_what_is_added_to_the_memory_and_not_the_memory():
    kinds = {"plain": {}, "dropped": {"dropout_keep_prob": 0.5}}
    found = {}
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        for name, options in kinds.items():
            cell = rnn.LayerNormBasicLSTMCell(200, layer_norm=False, **options)
            for c in (0.0, 1.0):
                state = rnn.LSTMStateTuple(tf.ones([3, 200]) * c, tf.zeros([3, 200]))
                found[name, c] = cell(tf.constant(X[:, 0]), state)[1].c
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run(found)
    added, kept = found["plain", 0.0], found["plain", 1.0] - found["plain", 0.0]
    masks = []
    for c in (0.0, 1.0):
        mask = (found["dropped", c] - kept * c) / added > 1
        np.testing.assert_allclose(found["dropped", c], kept * c + 2 * added * mask, atol=1e-6)
        # 600 draws of a half: the standard deviation of the share is sqrt(1 / 2400).
        assert abs(mask.mean() - 0.5) < 4 * np.sqrt(1 / 2400)
        masks.append(mask)
    # Each step of each row has a mask of its own.
    assert not np.array_equal(*masks) and not np.array_equal(*masks[0][:2])


def _wrapped(**options):
    return rnn.DropoutWrapper(rnn.BasicLSTMCell(4), **options)


MISTAKES = {
    "no probability": (
        lambda: _wrapped(state_keep_prob="0.5"),
        InputError,
        r"DropoutWrapper\(state_keep_prob='0\.5'\): give a number",
    ),
    "more than all": (
        lambda: _wrapped(output_keep_prob=1.5),
        InputError,
        r"output_keep_prob=1\.5\).*above 0",
    ),
    "a tensor of several probabilities": (
        lambda: _wrapped(output_keep_prob=tf.constant([0.5])),
        InputError,
        "output_keep_prob=.*give a number",
    ),
    "no dtype": (
        lambda: _wrapped(variational_recurrent=True),
        InputError,
        r"dtype=None.*give dtype=tf\.float32",
    ),
    "a dtype of whole numbers": (
        lambda: _wrapped(variational_recurrent=True, dtype=tf.int32),
        InputError,
        r"dtype=tf\.int32.*give dtype=tf\.float32",
    ),
    "no size of the input": (
        lambda: _wrapped(input_keep_prob=0.5, **ONCE),
        InputError,
        r"input_size=None.*such as input_size=4",
    ),
    "an input of nothing": (
        lambda: _wrapped(input_keep_prob=0.5, input_size=0, **ONCE),
        InputError,
        r"input_size=0\).*such as",
    ),
    "an unknown size of the input": (
        lambda: _wrapped(input_keep_prob=0.5, input_size=tf.TensorShape([None]), **ONCE),
        InputError,
        r"input_size=TensorShape.*such as",
    ),
    "words for a seed": (
        lambda: _dynamic(_normed(dropout_prob_seed="3")),
        InputError,
        "was given the seed '3': give a whole number",
    ),
    "another size of the input": (
        lambda: _dynamic(_wrapped(input_keep_prob=0.5, input_size=3, **ONCE)),
        SizeError,
        r"input_size=\(3,\)\) was given an input of size 4: make it input_size=4",
    ),
    "another dtype": (
        lambda: _dynamic(
            _wrapped(output_keep_prob=0.5, variational_recurrent=True, dtype=tf.float64)
        ),
        InputError,
        r"dtype=tf\.float64\) was given an input of float32",
    ),
    "no visitor": (
        lambda: _wrapped(dropout_state_filter_visitor=True),
        InputError,
        "visitor=True.*give a function of a state",
    ),
    "a visitor that answers nothing": (
        lambda: _dynamic(_visited(rnn.BasicLSTMCell(4), lambda state: None)),
        InputError,
        r"visitor returned None for LSTMStateTuple.*True or False",
    ),
    "a visitor that answers too little": (
        lambda: _dynamic(_visited(rnn.BasicLSTMCell(4), lambda state: (True,))),
        InputError,
        r"returned \(True,\) for.*each part",
    ),
    "a visitor with a tuple for one state": (
        lambda: _dynamic(_visited(rnn.GRUCell(4), lambda state: (True,))),
        InputError,
        r"returned \(True,\) for <tf\.Tensor",
    ),
    "nothing kept of what is added": (
        lambda: _normed(keep=0),
        InputError,
        r"LayerNormBasicLSTMCell\(dropout_keep_prob=0\).*above 0",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()


def _at(keep, what, feed, **options):
    """The outputs of a GRU that drops by a probability, under seeds of its own."""
    tf.reset_default_graph()
    given = tf.placeholder(tf.float32, []) if keep is None else keep
    cell = rnn.DropoutWrapper(rnn.GRUCell(5), seed=3, **{f"{what}_keep_prob": given}, **options)
    with tf.variable_scope("seeded", initializer=tf.random_uniform_initializer(-1, 1, seed=4)):
        outputs, _ = _dynamic(cell, [6, 0, 3])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [sess.run(outputs, {given: p}) if keep is None else sess.run(outputs) for p in feed]


@pytest.mark.parametrize("options", [{}, {**ONCE, "input_size": 4}])
@pytest.mark.parametrize("what", ["input", "output", "state"])
def test_a_probability_may_be_fed(what, options):
    whole, half, again = _at(None, what, [1.0, 0.5, 1.0], **options)
    np.testing.assert_allclose(whole, _at(1.0, what, [None], **options)[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(whole, again)
    assert (half != whole).any()
    np.testing.assert_allclose(
        _at(None, what, [0.5], **options)[0],
        _at(0.5, what, [None], **options)[0],
        rtol=1e-6,
        atol=1e-7,
    )
    if what == "output" and not options:
        dropped = half[whole != 0] == 0
        assert 0.2 < dropped.mean() < 0.8
        np.testing.assert_allclose(half[half != 0], 2 * whole[half != 0], rtol=1e-6)


def test_a_probability_that_is_a_tensor_is_one_number():
    for tensor in (tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [])):
        with pytest.raises((InputError, SizeError)):
            _dynamic(rnn.DropoutWrapper(rnn.GRUCell(5), output_keep_prob=tensor))
