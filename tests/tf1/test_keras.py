"""Cells and layers of tf.keras add TensorFlow 1.13.1's operations and give its numbers."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, OstinatoError, SizeError
from ostinato.tf1.core.errors import NotProvided

layers = tf.keras.layers
X = np.random.RandomState(3).rand(2, 3, 4).astype(np.float32)


@pytest.fixture(autouse=True)
def _new_graph():
    tf.keras.backend.clear_session()
    tf.reset_default_graph()


def close(got, wanted):
    tolerance = {"float32": 1e-5, "float64": 1e-12}.get(wanted.dtype.name, 0)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def evaluated(*fetches, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = [sess.run(f, feed) for f in fetches]
    return found if len(found) > 1 else found[0]


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("options", [{}, {"reset_after": True}], ids=["before", "after"])
def test_both_implementations_of_the_gru_agree(implementation, options):
    layer = layers.GRU(3, implementation=implementation, **options)
    other = layers.GRU(3, implementation=3 - implementation, **options)
    x = tf.constant(X)
    one, two = layer(x), other(x)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for v, w in zip(other.weights, layer.weights):
            v.load(sess.run(w), sess)
        np.testing.assert_allclose(sess.run(one), sess.run(two), rtol=1e-5)


def test_layers_are_numbered_by_the_graph():
    names = [layers.LSTM(2).name, layers.LSTM(2).name, layers.Dense(1).name]
    tf.reset_default_graph()
    assert [*names, layers.LSTM(2).name] == ["lstm", "lstm_1", "dense", "lstm"]


def test_a_mask_keeps_the_output_and_the_state():
    x = np.concatenate([X, np.zeros_like(X)], 1)
    masked = layers.Masking()(tf.constant(x))
    output, h, c = layers.LSTM(2, return_sequences=True, return_state=True)(masked)
    outputs, last = evaluated(output, h)
    np.testing.assert_array_equal(outputs[:, 3:], np.repeat(outputs[:, 2:3], 3, 1))
    np.testing.assert_array_equal(last, outputs[:, 2])


def test_a_mask_backwards_skips_the_first_steps():
    tf.set_random_seed(5)
    layer = layers.SimpleRNN(2, go_backwards=True)
    mask = tf.constant([[True, True, False]] * 2)
    changed = X.copy()
    changed[:, 2] = 7
    with_mask, other = layer(tf.constant(X), mask=mask), layer(tf.constant(changed), mask=mask)
    np.testing.assert_array_equal(*evaluated(with_mask, other))


def test_an_unrolled_layer_takes_a_mask():
    ids = tf.constant([[1, 2, 0], [3, 0, 0]])
    x = layers.Embedding(4, 3, mask_zero=True)(ids)
    tf.set_random_seed(1)
    loop = layers.GRU(2, return_sequences=True)
    flat = layers.GRU(2, return_sequences=True, unroll=True)
    one, two = loop(x), flat(x)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for v, w in zip(flat.weights, loop.weights):
            v.load(sess.run(w), sess)
        np.testing.assert_allclose(sess.run(one), sess.run(two), rtol=1e-6)


def test_time_major_inputs_are_turned():
    batch_first = layers.RNN(layers.GRUCell(2), return_sequences=True)
    time_first = layers.RNN(layers.GRUCell(2), return_sequences=True, time_major=True)
    both = [batch_first(tf.constant(X)), time_first(tf.constant(X.swapaxes(0, 1)))]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for v, w in zip(time_first.weights, batch_first.weights):
            v.load(sess.run(w), sess)
        one, two = sess.run(both)
    np.testing.assert_array_equal(one, two.swapaxes(0, 1))


@pytest.mark.parametrize("kind", ["BasicLSTMCell", "GRUCell", "BasicRNNCell"])
def test_a_cell_of_tf_nn_is_a_cell_of_keras_too(kind):
    cell = getattr(tf.nn.rnn_cell, kind)(3)
    output, *states = layers.RNN(cell, return_state=True)(tf.constant(X))
    h = states[-1]
    np.testing.assert_array_equal(*evaluated(output, h))


@pytest.mark.parametrize("run", ["dynamic_rnn", "static_rnn"])
def test_a_loop_of_tf_nn_runs_cells_of_keras(run):
    cell = layers.StackedRNNCells([layers.GRUCell(2), layers.LSTMCell(3)])
    x = tf.constant(X) if run == "dynamic_rnn" else tf.unstack(tf.constant(X), axis=1)
    outputs, (gru, lstm) = getattr(tf.nn, run)(cell, x, dtype=tf.float32)
    last = outputs[:, -1] if run == "dynamic_rnn" else outputs[-1]
    np.testing.assert_array_equal(*evaluated(last, lstm[0]))
    assert gru.shape.as_list() == [2, 2]


def test_dropout_is_off_unless_the_learning_phase_is_fed():
    x = tf.ones([3, 4])
    output = layers.Dropout(0.5)(x)
    phase = tf.keras.backend.learning_phase()
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(output), np.ones([3, 4]))
        assert set(sess.run(output, {phase: True}).ravel()) == {0.0, 2.0}


def test_recurrent_dropout_draws_one_mask_for_all_steps():
    layer = layers.SimpleRNN(
        40,
        activation=None,
        recurrent_initializer="zeros",
        kernel_initializer="ones",
        dropout=0.5,
        return_sequences=True,
    )
    output = evaluated(layer(tf.ones([2, 5, 1]), training=True))
    assert (output == output[:, :1]).all() and set(output.ravel()) <= {0.0, 2.0}


def test_bidirectional_copies_the_layer():
    layer = layers.Bidirectional(layers.LSTM(2, return_sequences=True), merge_mode=None)
    forward, backward = layer(tf.constant(X))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        weights = layer.weights
        for v, w in zip(weights[3:], weights[:3]):
            v.load(sess.run(w), sess)
        one, two = sess.run([forward, layer.backward_layer.call(tf.constant(X[:, ::-1]))])
    np.testing.assert_allclose(one, two, rtol=1e-6)
    assert [w.op.name.split("/")[1] for w in weights] == ["forward_lstm"] * 3 + [
        "backward_lstm"
    ] * 3


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave", "concat"])
def test_bidirectional_joins_the_outputs(merge_mode):
    layer = layers.Bidirectional(layers.GRU(2), merge_mode=merge_mode)
    joined = layer(tf.constant(X))
    parts = [part.call(tf.constant(X)) for part in (layer.forward_layer, layer.backward_layer)]
    found, a, b = evaluated(joined, *parts)
    wanted = {"sum": a + b, "mul": a * b, "ave": (a + b) / 2, "concat": np.hstack([a, b])}
    np.testing.assert_allclose(found, wanted[merge_mode], rtol=1e-6)


@pytest.mark.parametrize("rows", [None, 2])
def test_time_distributed_is_the_layer_on_every_step(rows):
    inner = layers.Dense(3, activation="softmax")
    x = tf.placeholder(tf.float32, [rows, 3, 4])
    output = layers.TimeDistributed(inner)(x)
    step = inner.call(x[:, 1])
    found, one = evaluated(output, step, feed={x: X})
    assert output.shape.as_list() == [rows, 3, 3]
    np.testing.assert_allclose(found[:, 1], one, rtol=1e-6)


@pytest.mark.parametrize(
    "make, wanted",
    [
        (lambda x: layers.Flatten()(x), X.reshape(2, 12)),
        (lambda x: layers.Reshape((4, 3))(x), X.reshape(2, 4, 3)),
        (lambda x: layers.Permute((2, 1))(x), X.swapaxes(1, 2)),
        (lambda x: layers.Lambda(lambda v: v * 2)(x), X * 2),
        (lambda x: layers.Activation("relu")(-x), np.zeros_like(X)),
        (lambda x: layers.RepeatVector(3)(x[:, 0]), np.repeat(X[:, :1], 3, 1)),
        (lambda x: layers.GlobalMaxPooling1D()(x), X.max(1)),
        (lambda x: layers.GlobalAveragePooling1D()(x), X.mean(1)),
        (lambda x: layers.MaxPooling1D(3)(x), X.max(1, keepdims=True)),
        (lambda x: layers.Concatenate()([x, x]), np.concatenate([X, X], -1)),
        (lambda x: layers.Add()([x, x, x]), X + X + X),
        (lambda x: layers.Subtract()([x, x]), X - X),
        (lambda x: layers.Multiply()([x, x]), X * X),
        (lambda x: layers.Average()([x, x]), X),
        (lambda x: layers.Maximum()([x, -x]), X),
        (lambda x: layers.Dot(axes=2)([x, x]), X @ X.swapaxes(1, 2)),
        (lambda x: layers.dot([x, x], axes=1), X.swapaxes(1, 2) @ X),
        (lambda x: layers.Dot(axes=1)([x[:, 0], x[:, 0]]), (X[:, 0] ** 2).sum(1, keepdims=True)),
    ],
)
def test_layers_without_variables_give_what_numpy_gives(make, wanted):
    np.testing.assert_allclose(evaluated(make(tf.constant(X))), wanted, rtol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_a_convolution_of_sequences_is_a_sum_over_steps(padding):
    layer = layers.Conv1D(5, 3, padding=padding)
    output = layer(tf.constant(X))
    found, kernel = evaluated(output, layer.kernel)
    before = {"valid": 0, "same": 1, "causal": 2}[padding]
    x = np.pad(X, [(0, 0), (before, {"same": 1}.get(padding, 0)), (0, 0)])
    steps = x.shape[1] - 2
    wanted = [np.einsum("btc,tcf->bf", x[:, t : t + 3], kernel) for t in range(steps)]
    np.testing.assert_allclose(found, np.stack(wanted, 1), rtol=1e-5, atol=1e-6)


def test_batch_normalization_uses_the_batch_in_training_and_averages_otherwise():
    layer = layers.BatchNormalization()
    x = tf.constant(X[:, 0])
    trained, other = layer(x, training=True), layer(x, training=False)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(trained).mean(0), np.zeros(4), atol=1e-6)
        np.testing.assert_allclose(sess.run(other), X[:, 0] / np.sqrt(1 + 1e-3), rtol=1e-6)
        sess.run(layer.updates)
        np.testing.assert_allclose(sess.run(layer.moving_mean), 0.01 * X[:, 0].mean(0), rtol=1e-4)


def test_the_functions_of_the_backend_give_what_numpy_gives():
    K = tf.keras.backend  # noqa: N806
    x = tf.constant(X)
    wanted = {
        K.dot(x, tf.ones([4, 2])): X @ np.ones([4, 2]),
        K.mean(x, axis=-1): X.mean(-1),
        K.std(x): X.std(),
        K.clip(x, 0.2, 0.4): X.clip(0.2, 0.4),
        K.reverse(x, 1): X[:, ::-1],
        K.hard_sigmoid(x * 10 - 5): (0.2 * (X * 10 - 5) + 0.5).clip(0, 1),
        K.relu(x - 0.5, alpha=0.1, max_value=0.3): np.where(
            X > 0.5, (X - 0.5).clip(max=0.3), 0.1 * (X - 0.5)
        ),
        K.switch(x[:, :, 0] > 0.5, x, -x): np.where(X[:, :, :1] > 0.5, X, -X),
        K.permute_dimensions(x, (1, 0, 2)): X.swapaxes(0, 1),
        K.arange(4): np.arange(4),
    }
    for tensor, value in wanted.items():
        np.testing.assert_allclose(evaluated(tensor), value, rtol=1e-5, atol=1e-6)


def test_a_function_of_the_backend_runs_updates():
    K = tf.keras.backend  # noqa: N806
    v, x = K.variable([1.0, 2.0]), K.placeholder([2])
    step = K.function([x], [v * x], [(v, v + x)])
    np.testing.assert_array_equal(step([[3.0, 4.0]])[0], [3.0, 8.0])
    np.testing.assert_array_equal(K.get_value(v), [4.0, 6.0])
    K.set_value(v, [0.0, 1.0])
    np.testing.assert_array_equal(K.batch_get_value([v])[0], [0.0, 1.0])


def test_a_constraint_and_a_regularizer_belong_to_the_variable():
    layer = layers.Dense(2, kernel_regularizer="l2", kernel_constraint="max_norm")
    layer(tf.constant(X))
    (loss,) = layer.losses
    found, kernel = evaluated(loss, layer.kernel)
    np.testing.assert_allclose(found, 0.01 * (kernel**2).sum(), rtol=1e-6)
    assert layer.kernel.constraint is layer.kernel_constraint


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: layers.LSTM(2)(X), "tf.constant"),
        (lambda: layers.LSTM(2)(tf.ones([2, 3])), "ndim=3"),
        (lambda: layers.RNN(3), "LSTMCell"),
        (lambda: layers.LSTM(2, activation="tanhh"), "Unknown activation"),
        (lambda: layers.LSTM(2, bogus=1), "bogus"),
        (lambda: layers.Bidirectional(layers.Dense(2)), "recurrent layer"),
        (lambda: layers.TimeDistributed(3), "give it a layer"),
        (lambda: layers.Dense(2)(tf.placeholder(tf.float32, [3, None])), "last dimension"),
        (lambda: layers.LSTM(2, stateful=True)(tf.placeholder(tf.float32, [None, 3, 4])), "batch"),
        (lambda: layers.LSTM(2, unroll=True)(tf.placeholder(tf.float32, [2, None, 4])), "unroll"),
        (lambda: layers.GRU(2)(tf.ones([2, 3, 4]), initial_state=[tf.ones([2, 2])] * 2), "states"),
        (lambda: layers.Add()([tf.ones([2])]), "at least 2"),
        (lambda: layers.Permute((1, 3)), "once"),
        (lambda: layers.Input(), "shape"),
    ],
)
def test_wrong_arguments_are_explained(wrong, message):
    with pytest.raises((InputError, SizeError, OstinatoError), match=message):
        wrong()


def test_names_that_are_missing_are_explained():
    with pytest.raises(NotProvided, match="tf.keras.layers.LSTM"):
        layers.LSTMM  # noqa: B018
