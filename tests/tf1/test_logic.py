"""Comparisons, `where`, `cond` and TensorArray do what TensorFlow's do."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError


def run(*values):
    return tf.Session().run(list(values) if len(values) > 1 else values[0])


def test_comparisons_are_numpys():
    a, b = np.array([1, 2, 3], np.int32), np.array([3, 2, 1], np.int32)
    x, y = tf.constant(a), tf.constant(b)
    wanted = [a < b, a <= b, a > b, a >= b, a == b, a != b]
    named = [
        ask(x, y)
        for ask in (tf.less, tf.less_equal, tf.greater, tf.greater_equal, tf.equal, tf.not_equal)
    ]
    for signs in ([x < y, x <= y, x > y, x >= y, tf.equal(a, y), tf.not_equal(x, b)], named):
        assert [s.dtype for s in signs] == [tf.bool] * 6 and np.array_equal(run(*signs), wanted)
    assert run(2 < x).tolist() == [False, False, True]


def test_truth_values_are_joined_and_asked_of_all_or_any():
    a, b = tf.constant([[True, False], [True, True]]), tf.constant([[True, True], [False, True]])
    assert run(tf.logical_and(a, b)).tolist() == [[True, False], [False, True]]
    assert run(tf.logical_or(a, b)).tolist() == [[True, True], [True, True]]
    assert run(tf.logical_not(a)).tolist() == [[False, True], [False, False]]
    assert run(tf.reduce_all(a)) == np.False_ and run(tf.reduce_any(a)) == np.True_
    assert run(tf.reduce_all(a, axis=1)).tolist() == [False, True] and run(
        tf.reduce_any(a, 0)
    ).tolist() == [True, True]


def test_where_chooses_elements_or_rows():
    x, y = tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.zeros([2, 2])
    assert run(tf.where(x > 2.0, x, y)).tolist() == [[0, 0], [3, 4]]
    assert run(tf.where([True, False], x, y)).tolist() == [[1, 2], [0, 0]]
    assert run(tf.tile(x, [1, 2])).tolist() == [[1, 2, 1, 2], [3, 4, 3, 4]]


def test_cond_computes_one_branch_and_gradients_go_through_it():
    w = tf.get_variable("w", [2], initializer=tf.ones_initializer())
    asked = tf.placeholder(tf.bool, [], name="asked")
    array = tf.TensorArray(tf.float32, size=1).unstack(tf.ones([1, 2]))
    value = tf.cond(asked, lambda: w * 3.0, lambda: w * array.read(5))
    (slope,) = tf.gradients(value, w)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert np.array_equal(sess.run([value, slope], {asked: True}), [[3, 3], [3, 3]])
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="read from index 5 but array size is: 1"
        ):
            sess.run(value, {asked: False})


def test_cond_gives_values_put_together_as_the_functions_give_them():
    a, (b, c) = tf.cond(tf.constant(False), lambda: (1.0, (2.0, 3)), lambda: (4.0, (5.0, 6)))
    assert run(a, b, c) == [4, 5, 6] and c.dtype is tf.int32


def test_an_array_is_written_read_and_stacked_and_the_one_before_stays():
    array = tf.TensorArray(tf.float32, size=2, dynamic_size=True)
    one = array.write(0, [1.0, 2.0]).write(1, [3.0, 4.0])
    two = one.write(2, [5.0, 6.0])
    assert run(one.size(), two.size()) == [2, 3]
    assert run(two.stack()).tolist() == [
        [1, 2],
        [3, 4],
        [5, 6],
    ] and two.stack().shape.as_list() == [None, 2]
    assert run(two.read(tf.constant(1))).tolist() == [3, 4]
    # As in TensorFlow, what was not written is 0 once the shape is known.
    assert run(array.write(1, [3.0, 4.0]).stack()).tolist() == [[0, 0], [3, 4]]


MISTAKES = {
    "values instead of functions": (
        lambda: tf.cond(tf.constant(True), 1.0, 2.0),
        r"1\.0 for true_fn: give a function",
    ),
    "branches of two kinds": (
        lambda: tf.cond(tf.constant(True), lambda: 1.0, lambda: 2),
        "must have the same type: float32, int32",
    ),
    "another kind of number": (
        lambda: tf.TensorArray(tf.float32, 1).write(0, tf.constant(1)),
        "dtype is float32 but Op is trying to write dtype int32",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, match = MISTAKES[mistake]
    with pytest.raises(InputError, match=match):
        make()
