"""The cells over whole sequences give TensorFlow 1.13.1's numbers, those of their seeds
included.
"""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from tf1_programs import X, agrees

rnn = tf.contrib.rnn
X_TBI = X.transpose(1, 0, 2)


def _fused(lengths=None, state=None, **options):
    return rnn.LSTMBlockFusedCell(5, **options)(
        tf.constant(X_TBI), state, None if state else tf.float32, lengths
    )


def _reversed(lengths=None):
    return rnn.TimeReversedFusedRNN(rnn.LSTMBlockFusedCell(5))(
        tf.constant(X_TBI), dtype=tf.float32, sequence_length=lengths
    )


def _adapted(lengths=None, dynamic=False):
    cell = rnn.FusedRNNCellAdaptor(rnn.GRUCell(5), use_dynamic_rnn=dynamic)
    return cell(tf.constant(X_TBI), dtype=tf.float32, sequence_length=lengths)


# Of TensorFlow 1.13.1, run on these very programs under the graph seed 777; see
# `tf1_programs.measure`.
PROGRAMS = {
    "as it is": (_fused, (30, 2.5724335, 78.63592)),
    "lengths": (lambda: _fused([6, 0, 3]), (60, 1.7826953, 39.25852)),
    "peepholes, clipped": (
        lambda: _fused(use_peephole=True, cell_clip=0.05, forget_bias=0.5),
        (59, 0.093126848, 1.388143),
    ),
    "a state": (lambda: _fused(state=(tf.ones([3, 5]), tf.ones([3, 5]))), (29, 12.18481, 748.4573)),
    "backwards": (_reversed, (34, 5.2559438, 335.8538)),
    "backwards, lengths": (lambda: _reversed([6, 0, 3]), (64, 1.9401251, 50.19915)),
    "a GRU": (_adapted, (153, 5.7700224, 141.0286)),
    "a GRU in a loop, lengths": (
        lambda: _adapted([6, 0, 3], dynamic=True),
        (155, 3.9242601, 83.20279),
    ),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(*PROGRAMS[name])


def test_a_list_of_steps_gives_a_list():
    cells = [
        rnn.LSTMBlockFusedCell(5),
        rnn.FusedRNNCellAdaptor(rnn.GRUCell(5)),
        rnn.FusedRNNCellAdaptor(rnn.GRUCell(5), True),
    ]
    for i, cell in enumerate(cells):
        with tf.variable_scope(f"s{i}", reuse=tf.AUTO_REUSE):
            whole, last = cell(tf.constant(X_TBI), dtype=tf.float32)
            listed, end = cell([tf.constant(x) for x in X_TBI], dtype=tf.float32)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            whole, listed, last, end = sess.run([whole, listed, last, end])
        assert (
            isinstance(listed, list) and np.array_equal(whole, listed) and np.array_equal(last, end)
        )
    backwards = rnn.TimeReversedFusedRNN(cells[0])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        turned, alone = sess.run(
            [
                cell([tf.constant(x) for x in steps], dtype=tf.float32)[0]
                for cell, steps in ((backwards, X_TBI), (cells[0], X_TBI[::-1]))
            ]
        )
    assert np.array_equal(turned, alone[::-1])


def test_sizes_that_are_known_only_later_run_and_weights_are_used_again():
    x, cell = tf.placeholder(tf.float32, [None, None, 4]), rnn.LSTMBlockFusedCell(5)
    first, _ = cell(x, dtype=tf.float32, sequence_length=tf.placeholder(tf.int32, [None], name="n"))
    again, _ = cell(x, dtype=tf.float32)
    assert len(cell.trainable_variables) == len(
        tf.global_variables()
    ) == 2 and first.shape.as_list() == [None, None, 5]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first, again = sess.run([first, again], {x: X_TBI, "n:0": [6, 0, 3]})
    valid = np.arange(6)[:, None, None] < np.array([6, 0, 3])[:, None]
    assert np.array_equal(first, np.where(valid, again, 0))


MISTAKES = {
    "neither a state nor a dtype": (
        lambda: rnn.LSTMBlockFusedCell(5)(tf.constant(X_TBI)),
        InputError,
        r"give dtype=tf\.float32",
    ),
    "one step": (
        lambda: rnn.LSTMBlockFusedCell(5)(tf.constant(X_TBI[0]), dtype=tf.float32),
        SizeError,
        r"LSTMBlockFusedCell was given inputs of shape \(3, 4\): give them three dimensions, "
        r"\(time, batch, size\)",
    ),
    "another dtype than the input's": (
        lambda: rnn.LSTMBlockFusedCell(5)(tf.constant(X_TBI), dtype=tf.float64),
        InputError,
        r"inputs of float32 and dtype=tf\.float64",
    ),
    "a cell of another dtype": (
        lambda: rnn.LSTMBlockFusedCell(5, dtype=tf.float64)(tf.constant(X_TBI), dtype=tf.float32),
        InputError,
        "an input of float32",
    ),
    "lengths for other rows": (lambda: _fused([1]), SizeError, "3 and 1 differ"),
    "a state of another size": (
        lambda: _fused(state=(tf.ones([3, 4]), tf.ones([3, 4]))),
        SizeError,
        r"\(3, 4\) where size 5",
    ),
    "no cell": (lambda: rnn.FusedRNNCellAdaptor(5), InputError, "FusedRNNCellAdaptor was given 5"),
    "a cell of steps backwards": (
        lambda: rnn.TimeReversedFusedRNN(rnn.GRUCell(5)),
        InputError,
        r"FusedRNNCellAdaptor\(cell\)",
    ),
    "a fused cell in a loop": (
        lambda: tf.nn.dynamic_rnn(rnn.LSTMBlockFusedCell(5), X, dtype=tf.float32),
        InputError,
        "give it a cell",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()
