"""raw_rnn gives TensorFlow 1.13.1's numbers, and what a program feeds it is what runs."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError
from tf1_programs import X, measure

raw_rnn = tf.nn.raw_rnn


def _seeded():
    return tf.variable_scope("outer", initializer=tf.random_uniform_initializer(-0.5, 0.5, seed=7))


def _reading(make, lengths):
    """The program of raw_rnn's documentation: dynamic_rnn said with it."""
    with _seeded():
        cell, lengths = make(5), np.array(lengths, np.int32)
        array = tf.TensorArray(dtype=tf.float32, size=6).unstack(tf.constant(X.transpose(1, 0, 2)))

        def loop_fn(time, cell_output, cell_state, loop_state):
            state = cell.zero_state(3, tf.float32) if cell_output is None else cell_state
            over = time >= lengths
            following = tf.cond(
                tf.reduce_all(over),
                lambda: tf.zeros([3, 4], dtype=tf.float32),
                lambda: array.read(time),
            )
            return over, following, state, cell_output, None

        outputs, state, _ = raw_rnn(cell, loop_fn)
        return outputs.stack(), state


def _feeding():
    """Its output is its next input, something else is put out, and the loop has a state."""
    with _seeded():
        cell, kernel = tf.nn.rnn_cell.GRUCell(4), tf.get_variable("out", [4, 2])

        def loop_fn(time, cell_output, cell_state, loop_state):
            if cell_output is None:
                return (
                    tf.zeros([3], dtype=tf.bool),
                    tf.constant(X[:, 0]),
                    tf.ones([3, 4]),
                    tf.zeros([2]),
                    tf.constant(0.0),
                )
            over = tf.tile(tf.reshape(time >= 4, [1]), [3])
            return (
                over,
                cell_output,
                cell_state,
                tf.matmul(cell_output, kernel),
                loop_state + tf.reduce_sum(cell_output),
            )

        outputs, state, total = raw_rnn(cell, loop_fn)
        return outputs.stack(), state, total


# Of TensorFlow 1.13.1, run on these very programs: the sum of the squares of all results, and that
# of its gradients. The number of operations is another one here, which the initialiser's own seed
# makes up for.
PROGRAMS = {
    "a GRU that reads": (
        lambda: _reading(tf.nn.rnn_cell.GRUCell, [6, 0, 3]),
        (1.1266675, 6.236935),
    ),
    "an LSTM that reads": (
        lambda: _reading(tf.nn.rnn_cell.BasicLSTMCell, [4, 1, 3]),
        (1.9434756, 19.06807),
    ),
    "a GRU that feeds itself": (_feeding, (240.68071, 335506.6)),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers(name):
    build, recorded = PROGRAMS[name]
    assert measure(build)[1:] == pytest.approx(recorded, rel=1e-4)


def test_it_gives_what_dynamic_rnn_gives():
    outputs, state = _reading(tf.nn.rnn_cell.GRUCell, [6, 0, 3])
    with tf.variable_scope("outer/rnn", reuse=True) as scope:
        wanted, last = tf.nn.dynamic_rnn(
            tf.nn.rnn_cell.GRUCell(5), X, [6, 0, 3], dtype=tf.float32, scope=scope
        )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        outputs, state, wanted, last = sess.run([outputs, state, wanted, last])
    assert np.array_equal(outputs.transpose(1, 0, 2), wanted) and np.array_equal(state, last)


def test_the_loops_state_may_be_an_array_and_a_random_operation_draws_in_each_step():
    cell = tf.nn.rnn_cell.BasicRNNCell(2)

    def loop_fn(time, cell_output, cell_state, seen):
        if cell_output is None:
            seen = tf.TensorArray(tf.float32, 0, dynamic_size=True)
            return tf.zeros([1], dtype=tf.bool), tf.zeros([1, 1]), tf.zeros([1, 2]), None, seen
        noise = tf.random_uniform([1, 1], seed=3)
        return (
            tf.reshape(time >= 3, [1]),
            noise,
            cell_state,
            cell_output,
            seen.write(time - 1, noise),
        )

    _, _, seen = raw_rnn(cell, loop_fn)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        noise, count = sess.run([seen.stack(), seen.size()])
    assert count == 3 and len(np.unique(noise)) == 3


def test_a_loop_that_is_over_before_it_begins_puts_nothing_out():
    def loop_fn(time, cell_output, cell_state, loop_state):
        state = tf.ones([2, 4]) if cell_state is None else cell_state
        return tf.ones([2], dtype=tf.bool), tf.zeros([2, 3]), state, cell_output, None

    outputs, state, _ = raw_rnn(tf.nn.rnn_cell.GRUCell(4), loop_fn)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert (
            sess.run(outputs.size()) == 0 and sess.run(state).tolist() == np.ones([2, 4]).tolist()
        )
        assert sess.run(outputs.stack()).shape == (0, 2, 4)


def _returning(first, later):
    def loop_fn(time, cell_output, cell_state, loop_state):
        return first if cell_output is None else later

    return lambda: raw_rnn(tf.nn.rnn_cell.GRUCell(4), loop_fn)


MISTAKES = {
    "no function": (
        lambda: raw_rnn(tf.nn.rnn_cell.GRUCell(4), None),
        "loop_fn=None: give it a function",
    ),
    "no cell": (lambda: raw_rnn(4, lambda *_: None), "raw_rnn was given 4"),
    "nothing returned": (_returning(None, None), "loop_fn returned None: return a tuple of five"),
    "something else in the loop": (
        lambda: _returning(
            (tf.zeros([2], dtype=tf.bool), tf.zeros([2, 3]), tf.zeros([2, 4]), None, None),
            (
                tf.zeros([2], dtype=tf.bool),
                tf.zeros([2, 3]),
                (tf.zeros([2, 4]),) * 2,
                tf.zeros([2, 4]),
                None,
            ),
        )(),
        "another structure in a step of the loop than in the first call",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, match = MISTAKES[mistake]
    with pytest.raises(InputError, match=match):
        make()
