"""Random operations: TensorFlow 1.13.1's numbers and seeds, and initial values of variables."""

import json

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from ostinato.tf1.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    Identity,
    Orthogonal,
    RandomNormal,
    UniformUnitScaling,
    VarianceScaling,
    he_normal,
    lecun_uniform,
    xavier_initializer,
)
from ostinato.tf1.keras import initializers as keras_initializers
from recordings import GOLDEN

TRAINING = GOLDEN / "training"
RECORDED = (
    "random_ops",
    "random_ops_large",
    "random_multinomial",
    "random_shuffle",
    "random_other",
)


@pytest.fixture(autouse=True)
def _graph():
    tf.set_random_seed(777)


def _value(tensor, runs=1):
    with tf.Session() as sess:
        return [sess.run(tensor) for _ in range(runs)][-1]


@pytest.mark.skipif(not TRAINING.is_dir(), reason=f"the recordings are not there: {TRAINING}")
@pytest.mark.parametrize("name", RECORDED)
def test_draws_are_tensorflows_to_the_bit(name):
    cases = json.loads((TRAINING / "index.json").read_text())["cases"]
    (case,) = (c for c in cases if c["name"] == name)
    space = {"tf": tf, "np": np}
    exec(case["program"], space)
    found = [(op.name, op.seeds) for op in tf.get_default_graph().get_operations() if op.seeds]
    assert found == [(r["name"], (r["seed"], r["seed2"])) for r in case["random_ops"]]
    recorded = np.load(TRAINING / case["file"])
    with tf.Session() as sess:
        for run in range(case["runs"]):
            for key, value in sess.run({k: space[k] for k in case["fetch"]}).items():
                np.testing.assert_array_equal(value, recorded[f"runs/{key}"][run], key)


def test_an_operation_with_its_own_seed_does_not_depend_on_the_others():
    first = _value(tf.random_normal([3], seed=5))
    tf.reset_default_graph()
    tf.set_random_seed(777)
    tf.random_normal([4])
    np.testing.assert_array_equal(_value(tf.random_normal([3], seed=5)), first)


def test_runs_of_a_session_draw_on_and_new_sessions_begin_again():
    x = tf.random_uniform([4])
    assert (_value(x, 2) != _value(x)).all()
    np.testing.assert_array_equal(_value(x), _value(x))


def test_graphs_without_a_seed_differ():
    tf.set_random_seed(None)
    x = tf.random_normal([4])
    assert x.op.inputs[0].op.inputs[0].op.seeds == (0, 0)
    assert (_value(x) != _value(x)).all()


def test_whole_numbers_stay_in_their_limits():
    x = _value(tf.random_uniform([1000], -3, 4, dtype=tf.int64))
    assert x.dtype == np.int64
    assert set(x.tolist()) == set(range(-3, 4))


def test_truncated_normal_has_no_number_beyond_two_standard_deviations():
    x = _value(tf.truncated_normal([5000], mean=1.0, stddev=3.0))
    assert np.abs(x - 1).max() <= 6
    assert abs(x.std() - 3 * 0.8796) < 0.05


def test_gamma_and_poisson_have_their_means():
    gamma = _value(tf.random_gamma([400], [0.5, 1.0, 4.0], beta=2.0))
    assert gamma.shape == (400, 3)
    np.testing.assert_allclose(gamma.mean(0), [0.25, 0.5, 2.0], atol=0.15)
    poisson = _value(tf.random_poisson([2.0, 20.0], [400], dtype=tf.int32))
    np.testing.assert_allclose(poisson.mean(0), [2, 20], atol=0.8)


def test_multinomial_never_draws_an_impossible_class():
    draws = _value(tf.multinomial([[0.0, -1e9, 0.0]], 200))
    assert set(draws.ravel().tolist()) == {0, 2}


def test_random_crop_is_a_part_of_the_tensor():
    part = _value(tf.random_crop(tf.reshape(tf.range(20), [4, 5]), [2, 3]))
    np.testing.assert_array_equal(part - part[0, 0], [[0, 1, 2], [5, 6, 7]])


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: tf.random_uniform([2], dtype=tf.int32), "maxval"),
        (lambda: tf.random_uniform([2], dtype=tf.bool), "dtype"),
        (lambda: tf.random_normal([2], dtype=tf.int32), "float"),
        (lambda: tf.random_normal([2], seed="a"), "seed"),
    ],
)
def test_wrong_arguments_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()


def test_an_empty_range_is_an_error_of_the_run():
    with pytest.raises(SizeError, match="minval < maxval"):
        _value(tf.random_uniform([2], 3, 3, dtype=tf.int32))


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (6, 3), (2, 3, 4), (40, 24)])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_orthogonal_matrices_are_orthogonal(shape, dtype):
    x = _value(Orthogonal(gain=2.0)(shape, dtype)).reshape(-1, shape[-1])
    product = x @ x.T if x.shape[0] < x.shape[1] else x.T @ x
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize(
    "make, variance",
    [
        (lambda: VarianceScaling(2.0, "fan_in", "untruncated_normal"), 2 / 300),
        (lambda: VarianceScaling(2.0, "fan_out"), 2 / 200),
        (lambda: GlorotUniform(), 2 / 500),
        (lambda: GlorotNormal(), 2 / 500),
        (lambda: he_normal(), 2 / 300),
        (lambda: lecun_uniform(), 1 / 300),
        (lambda: xavier_initializer(), 1 / 250),
        (lambda: UniformUnitScaling(), 1 / 300),
    ],
)
def test_variances_are_those_of_the_formulas(make, variance):
    x = _value(make()([300, 200], dtype=tf.float32))
    assert abs(x.var() / variance - 1) < 0.03


def test_initializers_of_keras_have_their_own_defaults():
    assert keras_initializers.RandomNormal().stddev == 0.05
    assert RandomNormal().stddev == 1.0
    assert keras_initializers.get("uniform").get_config()["maxval"] == 0.05
    copy = VarianceScaling.from_config(he_normal(3).get_config())
    assert (copy.scale, copy.seed) == (2.0, 3)
    with pytest.raises(InputError, match="Unknown initializer"):
        keras_initializers.get("zero_point")


def test_a_constant_initializer_repeats_the_last_number():
    x = _value(Constant([1.0, 2.0])([2, 2]))
    np.testing.assert_array_equal(x, [[1, 2], [2, 2]])


def test_an_identity_initializer_makes_matrices_only():
    np.testing.assert_array_equal(_value(Identity(3.0)([2, 2])), 3 * np.eye(2))
    with pytest.raises(SizeError, match="2D"):
        Identity()([2])
