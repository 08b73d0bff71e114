"""Layers: names of variables, sharing, values against NumPy, and training."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import ArgumentTypeError, InputError, SizeError
from ostinato.tf1.layers import contrib, convolution, core, normalization
from ostinato.tf1.layers.arg_scopes import arg_scope
from ostinato.tf1.layers.base import BaseLayer, Layer
from ostinato.tf1.layers.optimize import optimize_loss
from ostinato.tf1.layers.regularizers import (
    apply_regularization,
    l1_l2_regularizer,
    l1_regularizer,
    l2_regularizer,
)
from ostinato.tf1.ops.normalization import fused_batch_norm

X = np.float32(np.random.default_rng(0).normal(size=(6, 4)))


@pytest.fixture(autouse=True)
def _graph():
    tf.set_random_seed(1)


def _run(*tensors, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tensors[0] if len(tensors) == 1 else list(tensors), feed)


def _names():
    return [v.op.name for v in tf.global_variables()]


def test_dense_is_a_product_and_a_bias():
    y = core.dense(X, 3, activation=tf.tanh, bias_initializer=tf.constant_initializer(0.5))
    found, (kernel, bias) = _run(y, tf.global_variables())
    np.testing.assert_allclose(found, np.tanh(X @ kernel + bias), rtol=1e-5)
    assert (bias == 0.5).all()


def test_dense_of_three_dimensions_is_of_the_last():
    x = tf.placeholder(tf.float32, [None, None, 4])
    y = core.dense(x, 2)
    assert y.shape.as_list() == [None, None, 2]
    found, kernel = _run(y, tf.global_variables()[0], feed={x: X.reshape(2, 3, 4)})
    np.testing.assert_allclose(found.reshape(6, 2), X @ kernel, atol=1e-5)


def test_layers_are_numbered_and_share_in_a_scope_that_reuses():
    core.dense(X, 2)
    core.dense(X, 2)
    with tf.variable_scope("a"):
        core.dense(X, 2, name="b")
    with tf.variable_scope("a", reuse=True):
        core.dense(X, 2, name="b")
    assert _names() == [
        f"{scope}/{v}" for scope in ("dense", "dense_1", "a/b") for v in ("kernel", "bias")
    ]


def test_a_layer_keeps_its_variables():
    layer = core.Dense(2)
    first, second = layer(X), layer(X)
    np.testing.assert_array_equal(*_run(first, second))
    assert [w.op.name for w in layer.weights] == ["dense/kernel", "dense/bias"]
    assert layer.count_params() == 10
    assert layer.scope_name == "dense"


def test_layers_of_keras_are_named_by_the_name_scope():
    class Scale(BaseLayer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", shape=[1], initializer="ones")
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.factor

    with tf.name_scope("outer"):
        found = Scale()(X)
    Scale(name="mine")(X)
    np.testing.assert_array_equal(_run(found), X)
    assert _names() == ["outer/scale/factor", "mine/factor"]


def test_untrainable_layers_leave_their_variables_alone():
    core.dense(X, 2, trainable=False)
    assert not tf.trainable_variables()
    assert len(tf.global_variables()) == 2


def test_regularizers_add_losses_once():
    for reuse in (None, True):
        core.dense(X, 2, kernel_regularizer=l2_regularizer(0.1), name="d", reuse=reuse)
    (loss,) = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    found, kernel = _run(loss, tf.global_variables()[0])
    np.testing.assert_allclose(found, 0.05 * (kernel**2).sum(), rtol=1e-5)


def test_a_custom_layer_has_losses_and_updates():
    class Counted(Layer):
        def call(self, inputs):
            self.add_loss(tf.reduce_sum(inputs))
            self.add_update(tf.no_op())
            return inputs

    layer = Counted()
    layer(X)
    assert len(layer.losses) == 1
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == layer.updates


def test_dropout_depends_on_training():
    training = tf.placeholder(tf.bool, [])
    y = core.dropout(X, 0.5, training=training)
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(y, {training: False}), X)
        assert (sess.run(y, {training: True}) == 0).any()


def test_flatten_keeps_the_first_dimension():
    x = tf.placeholder(tf.float32, [None, 2, 3])
    assert core.flatten(x).shape.as_list() == [None, 6]
    assert contrib.flatten(x).shape.as_list() == [None, 6]


@pytest.mark.parametrize(
    "wrong, error, words",
    [
        (lambda: core.Dense("a"), ArgumentTypeError, "units"),
        (lambda: core.Dense(2, unknown=1), ArgumentTypeError, "unknown"),
        (lambda: core.dense(tf.constant([1.0]), 2), SizeError, "min_ndim"),
        (lambda: core.dense(tf.placeholder(tf.float32, [2, None]), 2), SizeError, "last dimension"),
        (lambda: core.dense([[1.0]], 2), InputError, "tensor"),
        (lambda: contrib.fully_connected(X, 2.5), ArgumentTypeError, "num_outputs"),
        (lambda: contrib.embed_sequence([1]), InputError, "vocab size"),
        (lambda: contrib.layer_norm(X, begin_norm_axis=2), SizeError, "begin_norm_axis"),
        (lambda: l2_regularizer(1), InputError, "integer"),
        (lambda: l1_regularizer(-0.1), InputError, "less than 0"),
        (lambda: optimize_loss(tf.constant(1.0), None, 0.1, "Best"), InputError, "Best"),
    ],
)
def test_wrong_arguments_are_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


# tf.contrib.layers


def test_fully_connected_has_relu_weights_and_biases():
    y = contrib.fully_connected(X, 3, variables_collections={"weights": ["mine"]})
    found, (weights, biases) = _run(y, tf.global_variables())
    np.testing.assert_allclose(found, np.maximum(X @ weights + biases, 0), rtol=1e-5, atol=1e-6)
    assert _names() == ["fully_connected/weights", "fully_connected/biases"]
    assert [v.op.name for v in tf.get_collection("mine")] == ["fully_connected/weights"]
    assert len(tf.get_collection(tf.GraphKeys.MODEL_VARIABLES)) == 2


def test_arg_scope_sets_defaults():
    with arg_scope([contrib.fully_connected], activation_fn=None, scope="fc") as scope:
        y = contrib.fully_connected(X, 2)
    with arg_scope(scope):
        z = contrib.fully_connected(X, 2, reuse=True)
    np.testing.assert_array_equal(*_run(y, z))
    assert y.op.type == "BiasAdd"
    with pytest.raises(InputError, match="add_arg_scope"), arg_scope([tf.tanh], name="a"):
        pass


def test_layer_norm_has_mean_0_and_variance_1():
    y = contrib.layer_norm(X.reshape(2, 3, 4), begin_norm_axis=-1)
    found = _run(y)
    np.testing.assert_allclose(found.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(found.var(-1), 1, rtol=1e-4)


@pytest.mark.parametrize("unique", [False, True])
def test_embedded_sequences_are_rows_of_the_variable(unique):
    ids = np.array([[1, 4], [4, 0]])
    y = contrib.embed_sequence(ids, 5, 3, unique=unique)
    found, table = _run(y, tf.global_variables()[0])
    np.testing.assert_array_equal(found, table[ids])


def test_one_hot_encoding():
    np.testing.assert_array_equal(_run(contrib.one_hot_encoding([2, 0], 3)), np.eye(3)[[2, 0]])


def test_regularizers_are_sums():
    w = tf.constant([[1.0, -2.0]])
    both = l1_l2_regularizer(0.5, 0.1)
    found = _run(both(w), apply_regularization(l1_regularizer(1.0), [w, w]))
    np.testing.assert_allclose(found, [1.5 + 0.25, 6.0], rtol=1e-6)
    assert l2_regularizer(0.0)(w) is None


# Batch normalization


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (1, 2, 3, 4)])
@pytest.mark.parametrize("layer", [normalization.batch_normalization, normalization.batch_norm])
def test_batch_normalization_trains_and_keeps_averages(shape, layer):
    x = X.reshape(shape)
    contrib_layer = layer is normalization.batch_norm
    named = {"is_training" if contrib_layer else "training": True}
    rest = {"decay" if contrib_layer else "momentum": 0.75}
    y = layer(tf.constant(x), **named, **rest)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    mean, variance = tf.global_variables()[-2:]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run(y).reshape(-1, 4)
        sess.run(updates)
        averages = sess.run([mean, variance])
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(found.var(0), 1, rtol=5e-2)
    by_one = len(shape) == 4 or contrib_layer and len(shape) == 2
    np.testing.assert_allclose(averages[0], 0.25 * X.mean(0), atol=1e-5)
    np.testing.assert_allclose(averages[1], 0.75 + 0.25 * X.var(0, ddof=int(by_one)), rtol=1e-4)


def test_batch_normalization_uses_the_averages_otherwise():
    y = normalization.batch_normalization(tf.constant(X), epsilon=0.0)
    np.testing.assert_allclose(_run(y), X, rtol=1e-5)


def test_the_gradient_of_fused_normalization_is_that_of_the_plain_one():
    x = tf.constant(X)
    image = tf.reshape(x, [1, 2, 3, 4])
    weights = tf.constant(np.float32(np.random.default_rng(1).normal(size=(6, 4))))
    ones = np.ones(4, np.float32)
    fused = tf.reshape(fused_batch_norm(image, ones, 0 * ones)[0], [6, 4])
    plain = tf.nn.batch_normalization(x, *tf.nn.moments(x, [0]), None, None, 1e-3)
    first, second = (tf.gradients(y * weights, x)[0] for y in (fused, plain))
    a, b = _run(first, second)
    np.testing.assert_allclose(a, b, atol=1e-5)


# Convolutions


def test_conv1d_is_a_sum_over_a_window():
    y = convolution.conv1d(X.reshape(2, 3, 4), 5, 2, use_bias=False)
    found, kernel = _run(y, tf.global_variables()[0])
    x = X.reshape(2, 3, 4)
    expected = x[:, :-1] @ kernel[0] + x[:, 1:] @ kernel[1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_pooling_of_images(padding):
    x = np.arange(20.0, dtype=np.float32).reshape(1, 4, 5, 1)
    y = convolution.max_pooling2d(x, 2, 2, padding)
    z = convolution.average_pooling2d(x, 2, 2, padding)
    largest, mean = _run(y, z)
    wide = padding == "same"
    last = [[9], [19]] if wide else []
    expected = np.array([[6, 8], [16, 18]])
    np.testing.assert_array_equal(
        largest[0, ..., 0], np.hstack([expected, last]) if wide else expected
    )
    np.testing.assert_array_equal(mean[0, :, :2, 0], expected - 3)


def test_max_pooling_of_sequences():
    y = convolution.max_pooling1d(X.reshape(1, 6, 4), 2, 2)
    np.testing.assert_array_equal(_run(y)[0], X.reshape(3, 2, 4).max(1))


# Training


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", tf.train.RMSPropOptimizer])
def test_optimize_loss_trains(optimizer):
    step = tf.train.get_or_create_global_step()
    y = contrib.linear(X, 1)
    loss = tf.reduce_mean(tf.square(y - X[:, :1]))
    train = optimize_loss(loss, step, 0.05, optimizer, clip_gradients=5.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = [sess.run(train) for _ in range(60)]
        assert sess.run(step) == 60
    assert values[-1] < 0.5 * values[0]
