"""Models of tf.keras learn, evaluate, predict, and save their weights."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import EngineError, InputError, OstinatoError, SizeError

keras = tf.keras
layers = tf.keras.layers


@pytest.fixture(autouse=True)
def _new_graph():
    keras.backend.clear_session()
    tf.set_random_seed(777)
    np.random.seed(777)


def sums(rows=128, steps=5):
    """Sequences of numbers, and their sums."""
    x = np.random.RandomState(0).rand(rows, steps, 1).astype(np.float32)
    return x, x.sum(1)


def small_model(units=8):
    return keras.Sequential([layers.LSTM(units, input_shape=(5, 1)), layers.Dense(1)])


def line():
    """A model w x + b with the weights 1, 2 and 0."""
    model = keras.Sequential([layers.Dense(1, input_shape=(2,))])
    model.set_weights([np.array([[1.0], [2.0]]), np.array([0.0])])
    return model


LINE_X = np.array([[1.0, 0.0], [0.5, -1.0], [2.0, 1.0]], np.float32)
LINE_Y = np.array([[0.0], [1.0], [2.0]], np.float32)


def gradients_of(w, b):
    """The gradients of the mean squared error of `line`."""
    difference = LINE_X @ w + b - LINE_Y
    return 2 * LINE_X.T @ difference / 3, 2 * difference.mean(0)


# Learning


def test_a_recurrent_model_learns_the_sum_of_a_sequence():
    x, y = sums()
    model = small_model()
    model.compile(optimizer=keras.optimizers.Adam(0.03), loss="mse", metrics=["mae"])
    history = model.fit(x, y, epochs=40, batch_size=32, verbose=0, validation_split=0.25)
    losses = history.history["loss"]
    assert losses[-1] < 0.05 < 1 < losses[0] and history.history["val_loss"][-1] < 0.1
    assert set(history.history) == {
        "loss",
        "mean_absolute_error",
        "val_loss",
        "val_mean_absolute_error",
    }
    loss, error = model.evaluate(x, y, verbose=0)
    predicted = model.predict(x)
    np.testing.assert_allclose(loss, ((predicted - y) ** 2).mean(), rtol=1e-4)
    np.testing.assert_allclose(error, np.abs(predicted - y).mean(), rtol=1e-4)


def test_a_classifier_of_masked_texts_learns():
    ids = np.random.RandomState(1).randint(1, 9, (96, 6))
    ids[:, 4:] = 0
    labels = (ids[:, 0] > 4).astype(int)
    model = keras.Sequential(
        [
            layers.Embedding(9, 4, mask_zero=True),
            layers.Bidirectional(layers.GRU(6)),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(ids, labels, epochs=10, verbose=0)
    assert model.evaluate(ids, labels, verbose=0)[1] == 1.0
    np.testing.assert_array_equal(model.predict(ids).argmax(-1), labels)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, decay=0.1),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.RMSprop(0.1, rho=0.8),
        lambda: keras.optimizers.Adagrad(0.1),
        lambda: keras.optimizers.Adadelta(0.5),
        lambda: keras.optimizers.Adam(0.1),
        lambda: keras.optimizers.Adam(0.1, amsgrad=True),
        lambda: keras.optimizers.Adamax(0.1),
    ],
)
def test_an_optimizer_follows_its_equations(make):
    model, optimizer = line(), make()
    model.compile(optimizer, "mse")
    for _ in range(3):
        model.train_on_batch(LINE_X, LINE_Y)
    kind, numbers = type(optimizer).__name__, optimizer.get_config()
    w, b = np.array([[1.0], [2.0]]), np.array([0.0])
    state = [[np.zeros(p.shape) for _ in range(3)] for p in (w, b)]
    for t in range(1, 4):
        gradients = gradients_of(w, b)
        w, b = (stepped(kind, numbers, t, p, g, s) for p, g, s in zip((w, b), gradients, state))
    for found, wanted in zip(model.get_weights(), (w, b)):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def stepped(kind, n, t, p, g, state):
    """A parameter after step t of an optimizer of Keras; the state changes."""
    rate = n["lr"] / (1 + n["decay"] * (t - 1))
    m, v, largest = state
    if kind == "SGD":
        m[:] = n["momentum"] * m - rate * g
        return p + (n["momentum"] * m - rate * g if n["nesterov"] else m)
    if kind == "RMSprop":
        v[:] = n["rho"] * v + (1 - n["rho"]) * g**2
        return p - rate * g / (np.sqrt(v) + n["epsilon"])
    if kind == "Adagrad":
        v += g**2
        return p - rate * g / (np.sqrt(v) + n["epsilon"])
    if kind == "Adadelta":
        v[:] = n["rho"] * v + (1 - n["rho"]) * g**2
        change = g * np.sqrt(m + n["epsilon"]) / np.sqrt(v + n["epsilon"])
        m[:] = n["rho"] * m + (1 - n["rho"]) * change**2
        return p - rate * change
    m[:] = n["beta_1"] * m + (1 - n["beta_1"]) * g
    if kind == "Adamax":
        v[:] = np.maximum(n["beta_2"] * v, np.abs(g))
        return p - rate / (1 - n["beta_1"] ** t) * m / (v + n["epsilon"])
    v[:] = n["beta_2"] * v + (1 - n["beta_2"]) * g**2
    rate *= np.sqrt(1 - n["beta_2"] ** t) / (1 - n["beta_1"] ** t)
    largest[:] = np.maximum(largest, v) if n["amsgrad"] else v
    return p - rate * m / (np.sqrt(largest) + n["epsilon"])


def test_a_large_gradient_is_clipped():
    model = line()
    model.compile(keras.optimizers.SGD(1.0, clipvalue=0.01), "mse")
    before = model.get_weights()
    model.train_on_batch(LINE_X * 100, LINE_Y)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_allclose(np.abs(a - b), 0.01, rtol=1e-4)


def test_an_optimizer_of_tf_train_trains_a_model():
    model = line()
    model.compile(tf.train.GradientDescentOptimizer(0.1), "mse")
    model.train_on_batch(LINE_X, LINE_Y)
    grad_w, grad_b = gradients_of(np.array([[1.0], [2.0]]), np.array([0.0]))
    w, b = model.get_weights()
    np.testing.assert_allclose(w, [[1.0], [2.0]] - 0.1 * grad_w, rtol=1e-5)
    np.testing.assert_allclose(b, -0.1 * grad_b, rtol=1e-5)


def test_the_layers_of_a_model_can_be_trained_with_sess_run():
    x = tf.placeholder(tf.float32, [None, 5, 1])
    y = tf.placeholder(tf.float32, [None, 1])
    model = small_model()
    loss = tf.reduce_mean(tf.square(model(x) - y))
    train = tf.train.AdamOptimizer(0.03).minimize(loss)
    feed = dict(zip((x, y), sums()))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, train], feed)[0] for _ in range(40)]
    assert losses[-1] < losses[0] / 4


def test_the_loss_of_masked_steps_does_not_count():
    x = np.array([[[1.0], [2.0]], [[3.0], [0.0]]], np.float32)
    model = keras.Sequential(
        [layers.Masking(input_shape=(2, 1)), layers.TimeDistributed(layers.Dense(1))]
    )
    model.set_weights([np.array([[1.0]]), np.array([1.0])])
    model.compile("sgd", "mse", metrics=["mse"])
    # The masked step counts in the number of elements, but not in the metric's.
    found = model.evaluate(x, np.zeros([2, 2, 1]), verbose=0)
    np.testing.assert_allclose(found, [(4 + 9 + 16) / 4, (4 + 9 + 16) / 3], rtol=1e-6)


@pytest.mark.parametrize("weights", ["sample_weight", "class_weight"])
def test_weights_of_rows_scale_the_loss(weights):
    model = line()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    y = np.array([0, 1, 1])
    row_weights = np.array([1.0, 3.0, 3.0])
    given = row_weights if weights == "sample_weight" else {0: 1.0, 1: 3.0}
    found = model.train_on_batch(LINE_X, y, **{weights: given})
    difference = (LINE_X @ [[1.0], [2.0]])[:, 0] - y
    np.testing.assert_allclose(found, (difference**2 * row_weights).mean(), rtol=1e-6)


@pytest.mark.parametrize(
    "loss, activation, wanted",
    [
        ("categorical_crossentropy", "softmax", lambda y, p: -(y * np.log(p)).sum(-1).mean()),
        (
            "binary_crossentropy",
            "sigmoid",
            lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
        ),
        ("mae", None, lambda y, p: np.abs(y - p).mean()),
        ("hinge", None, lambda y, p: np.maximum(1 - y * p, 0).mean()),
        ("logcosh", None, lambda y, p: np.log(np.cosh(y - p)).mean()),
        ("poisson", "softplus", lambda y, p: (p - y * np.log(p + 1e-7)).mean()),
        (lambda y, p: tf.reduce_sum(y - p, -1), None, lambda y, p: (y - p).sum(-1).mean()),
    ],
)
def test_losses_are_those_of_numpy(loss, activation, wanted):
    model = keras.Sequential([layers.Dense(3, activation=activation, input_shape=(2,))])
    model.compile("sgd", loss)
    x, y = np.random.rand(4, 2), np.eye(3)[[0, 2, 1, 0]]
    found = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(found, wanted(y, model.predict(x)), rtol=1e-5)


@pytest.mark.parametrize(
    "loss, units, y",
    [
        ("categorical_crossentropy", 3, np.eye(3)[[0, 2, 1, 0]]),
        ("sparse_categorical_crossentropy", 3, np.array([0, 2, 1, 0])),
        ("binary_crossentropy", 1, np.array([0, 1, 1, 0])),
    ],
)
def test_accuracy_depends_on_the_loss(loss, units, y):
    activation = "sigmoid" if units == 1 else "softmax"
    model = keras.Sequential([layers.Dense(units, activation=activation, input_shape=(2,))])
    model.compile("sgd", loss, metrics=["accuracy"])
    x = np.random.randn(4, 2)
    classes = model.predict_classes(x).reshape(-1)
    right = classes == (y.argmax(-1) if y.ndim > 1 else y)
    assert model.metrics_names == ["loss", "acc"]
    assert model.evaluate(x, y, verbose=0)[1] == pytest.approx(right.mean())


# Models


def test_a_model_with_several_inputs_and_outputs():
    first, second = keras.Input((3,), name="first"), keras.Input((2,), name="second")
    joined = layers.concatenate([first, second])
    a = layers.Dense(1, name="a")(joined)
    b = layers.Dense(2, activation="softmax", name="b")(joined)
    model = keras.Model([first, second], [a, b])
    model.compile(
        "sgd",
        {"a": "mse", "b": "categorical_crossentropy"},
        metrics={"b": "acc"},
        loss_weights={"a": 0.5, "b": 2.0},
    )
    x = {"first": np.random.rand(4, 3), "second": np.random.rand(4, 2)}
    y = [np.random.rand(4, 1), np.eye(2)[[0, 1, 1, 0]]]
    total, loss_a, loss_b, _ = model.evaluate(x, y, verbose=0)
    assert model.metrics_names == ["loss", "a_loss", "b_loss", "b_acc"]
    assert total == pytest.approx(0.5 * loss_a + 2 * loss_b, rel=1e-5)
    assert [p.shape for p in model.predict(x)] == [(4, 1), (4, 2)]


def test_an_encoder_gives_its_states_to_a_decoder():
    source, target = layers.Input((None, 3)), layers.Input((None, 3))
    _, h, c = layers.LSTM(4, return_state=True)(source)
    decoder = layers.LSTM(4, return_sequences=True, return_state=True)
    outputs, _, _ = decoder(target, initial_state=[h, c])
    model = keras.Model([source, target], layers.Dense(3, activation="softmax")(outputs))
    model.compile("rmsprop", "categorical_crossentropy")
    x = np.random.rand(4, 5, 3)
    y = np.eye(3)[np.random.randint(0, 3, (4, 6))]
    losses = model.fit([x, y], y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    # The decoder alone, with states that are inputs.
    states = [layers.Input((4,)), layers.Input((4,))]
    stepper = keras.Model([target, *states], decoder(target, initial_state=states))
    zeros = np.zeros([1, 4])
    output, h, _ = stepper.predict([np.zeros([1, 1, 3]), zeros, zeros])
    np.testing.assert_array_equal(output[:, 0], h)


def test_a_layer_that_is_shared_has_its_weights_once():
    x, y = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(2)
    model = keras.Model([x, y], layers.subtract([shared(x), shared(y)]))
    assert len(model.weights) == 2
    a = np.random.rand(3, 4)
    np.testing.assert_array_equal(model.predict([a, a]), np.zeros([3, 2]))
    with pytest.raises(InputError, match="multiple inbound nodes"):
        shared.output  # noqa: B018


def test_a_model_is_a_layer():
    inner = small_model()
    x = keras.Input((5, 1))
    model = keras.Model(x, layers.Activation("tanh")(inner(x)))
    data = sums(4)[0]
    np.testing.assert_allclose(model.predict(data), np.tanh(inner.predict(data)), rtol=1e-5)
    assert model.weights == inner.weights


def test_a_class_of_a_model_learns():
    class Summing(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = layers.GRU(6)
            self.out = layers.Dense(1)

        def call(self, inputs):
            return self.out(self.rnn(inputs))

    x, y = sums()
    model = Summing()
    model.compile(keras.optimizers.Adam(0.03), "mse")
    losses = model.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4 and len(model.weights) == 5


def test_layers_without_an_input_shape_are_built_by_the_data():
    model = keras.Sequential([layers.SimpleRNN(3), layers.Dense(1)])
    with pytest.raises(InputError, match="not yet been built"):
        model.summary()
    model.compile("sgd", "mse")
    x, y = sums(8)
    model.fit(x, y, verbose=0)
    assert model.predict(x).shape == (8, 1) and model.count_params() == 19


def test_the_last_layer_can_be_replaced():
    model = small_model()
    model.pop()
    model.add(layers.Dense(3))
    assert model.output_shape == (None, 3) and len(model.layers) == 2


def test_a_configuration_makes_the_same_layers():
    normal = keras.initializers.RandomNormal(stddev=0.1)
    model = keras.Sequential(
        [
            layers.LSTM(3, activation="relu", input_shape=(5, 1)),
            layers.Dense(2, kernel_initializer=normal),
        ]
    )
    again = keras.Sequential.from_config(model.get_config())
    lstm, dense = again.layers
    assert lstm.units == 3 and lstm.activation is keras.activations.relu
    assert dense.kernel_initializer.stddev == 0.1
    again.set_weights(model.get_weights())
    x = sums(3)[0]
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_stateful_layer_begins_where_the_last_batch_ended():
    model = keras.Sequential([layers.LSTM(3, batch_input_shape=(2, 2, 1), stateful=True)])
    whole = keras.Sequential([layers.LSTM(3, input_shape=(4, 1))])
    whole.set_weights(model.get_weights())
    x = np.random.rand(2, 4, 1)
    model.predict(x[:, :2], batch_size=2)
    second = model.predict(x[:, 2:], batch_size=2)
    np.testing.assert_allclose(second, whole.predict(x), rtol=1e-5)
    model.reset_states()
    first = model.predict(x[:, :2], batch_size=2)
    with pytest.raises(SizeError, match="batch size 2"):
        model.predict(np.zeros([4, 2, 1]), batch_size=4)
    model.layers[0].reset_states([np.zeros([2, 3])] * 2)
    np.testing.assert_array_equal(first, model.predict(x[:, :2], batch_size=2))


def test_the_summary_lists_layers_and_counts():
    lines = []
    small_model().summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "lstm (LSTM)" in text and "(None, 8)" in text and "Total params: 329" in text


# Weights


def test_saved_weights_give_the_same_predictions(tmp_path):
    x, y = sums(16)
    model = small_model()
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    wanted = model.predict(x)
    path = str(tmp_path / "weights")
    model.save_weights(path)
    model.save_weights(str(tmp_path / "second"))
    assert tf.train.list_variables(path)[0] == (
        "layer_with_weights-0/cell/bias/.ATTRIBUTES/VARIABLE_VALUE",
        [32],
    )
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "second")
    keras.backend.clear_session()
    again = small_model()
    assert not np.array_equal(again.predict(x), wanted)
    again.load_weights(path)
    np.testing.assert_array_equal(again.predict(x), wanted)


def test_weights_of_a_saver_are_found_by_their_names(tmp_path):
    model = small_model()
    x = sums(4)[0]
    wanted = model.predict(x)
    path = tf.train.Saver(model.weights).save(
        keras.backend.get_session(), str(tmp_path / "model.ckpt")
    )
    keras.backend.clear_session()
    again = small_model()
    again.load_weights(path)
    np.testing.assert_array_equal(again.predict(x), wanted)
    with pytest.raises(InputError, match="of another model"):
        small_model().load_weights(path)
    keras.backend.clear_session()
    with pytest.raises(InputError, match="whose shape is"):
        small_model(4).load_weights(path)


def test_nested_and_bidirectional_weights_have_tensorflows_names(tmp_path):
    inner = keras.Sequential([layers.Bidirectional(layers.GRU(2), input_shape=(5, 1))])
    x = keras.Input((5, 1))
    model = keras.Model(x, layers.Dense(1)(inner(x)))
    path = str(tmp_path / "weights")
    model.save_weights(path)
    names = [
        name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        for name, _ in tf.train.list_variables(path)
    ]
    assert "layer_with_weights-0/layer_with_weights-0/forward_layer/cell/kernel" in names
    assert "layer_with_weights-1/kernel" in names and len(names) == 8


def test_weights_can_be_read_and_set():
    model = line()
    np.testing.assert_array_equal(model.get_weights()[0], [[1.0], [2.0]])
    model.layers[0].set_weights([np.zeros([2, 1]), np.ones([1])])
    np.testing.assert_array_equal(model.predict(LINE_X), np.ones([3, 1]))
    with pytest.raises(InputError, match="expecting 2 weights"):
        model.set_weights([np.zeros([2, 1])])
    with pytest.raises(SizeError, match="shape"):
        model.set_weights([np.zeros([3, 1]), np.ones([1])])


def test_a_layer_may_begin_with_given_weights():
    table = np.arange(6.0).reshape(3, 2)
    model = keras.Sequential([layers.Embedding(3, 2, weights=[table], input_length=2)])
    np.testing.assert_array_equal(model.predict(np.array([[2, 0]])), table[None, [2, 0]])
    weights = layers.Bidirectional(layers.GRU(2), input_shape=(5, 1))
    first = keras.Sequential([weights])
    again = layers.Bidirectional(layers.GRU(2), weights=first.get_weights(), input_shape=(5, 1))
    x = sums(3)[0]
    np.testing.assert_array_equal(keras.Sequential([again]).predict(x), first.predict(x))


def test_layers_of_tf_layers_join_a_model():
    model = keras.Sequential([layers.GRU(3, input_shape=(5, 1)), tf.layers.Dense(2)])
    lines = []
    model.summary(print_fn=lines.append)
    assert any("dense_1 (Dense)" in line for line in lines)
    assert len(model.weights) == 5 and model.predict(sums(3)[0]).shape == (3, 2)


def test_models_compute_in_the_default_dtype():
    keras.backend.set_floatx("float64")
    try:
        model = small_model()
        model.compile("adam", "mse")
        model.fit(*sums(8), verbose=0)
        assert model.predict(sums(8)[0]).dtype == np.float64
    finally:
        keras.backend.set_floatx("float32")


def test_hdf5_is_refused(tmp_path):
    model = small_model()
    for call in (model.save_weights, model.load_weights):
        with pytest.raises(InputError, match="TensorFlow checkpoint"):
            call(str(tmp_path / "weights.h5"))
    with pytest.raises(EngineError, match="save_weights"):
        model.save(str(tmp_path / "model.h5"))
    with pytest.raises(InputError, match="save_weights_only=True"):
        keras.callbacks.ModelCheckpoint("model.h5")


# Callbacks and generators


def test_callbacks_stop_save_and_report(tmp_path):
    x, y = sums(32)
    model = small_model()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    seen = []
    stop = keras.callbacks.EarlyStopping("loss", patience=2)
    save = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "w-{epoch}"), "loss", save_best_only=True, save_weights_only=True
    )
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    history = model.fit(x, y, epochs=9, verbose=0, callbacks=[stop, save, watch], shuffle=False)
    assert seen == history.epoch == [0, 1, 2] and stop.stopped_epoch == 2
    assert (tmp_path / "w-1.index").exists() and not (tmp_path / "w-2.index").exists()


def test_a_schedule_sets_the_learning_rate():
    model = line()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    rates = []
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    report = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: rates.append(keras.backend.get_value(model.optimizer.lr))
    )
    model.fit(LINE_X, LINE_Y, epochs=2, verbose=0, callbacks=[schedule, report])
    np.testing.assert_allclose(rates, [0.1, 0.05], rtol=1e-6)


@pytest.mark.parametrize(
    "cooldown, wanted", [(0, [1.0, 1.0, 0.5, 0.25, 0.2]), (2, [1.0, 1.0, 0.5, 0.5, 0.25])]
)
def test_a_plateau_reduces_the_learning_rate_and_the_history_has_it(cooldown, wanted, capsys):
    model = line()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    # The loss is worse after each epoch, since the steps are far too long.
    plateau = keras.callbacks.ReduceLROnPlateau(
        "up", factor=0.5, patience=1, min_lr=0.2, cooldown=cooldown, verbose=1
    )
    worse = keras.callbacks.LambdaCallback(on_epoch_end=lambda i, logs: logs.update(up=float(i)))
    found = model.fit(LINE_X, LINE_Y, epochs=5, verbose=0, callbacks=[worse, plateau])
    rates = found.history["lr"]
    # The rate of an epoch is that of its steps, not that of the next one.
    np.testing.assert_allclose(rates, wanted, rtol=1e-6)
    assert "reducing learning rate to 0.5." in capsys.readouterr().out


def test_a_schedule_adds_the_learning_rate_to_the_metrics_of_later_callbacks(tmp_path):
    model = line()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    written = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    found = model.fit(LINE_X, LINE_Y, epochs=3, verbose=0, callbacks=[schedule, written])
    assert found.history["lr"] == [0.5, 0.25, 0.125]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,lr" and [r.rsplit(",", 1)[1] for r in lines[1:]] == [
        "0.5",
        "0.25",
        "0.125",
    ]


def test_a_generator_gives_the_batches():
    x, y = sums(32)

    def batches():
        while True:
            for i in range(0, 32, 8):
                yield x[i : i + 8], y[i : i + 8]

    class Rows(keras.utils.Sequence):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return x[index * 8 : index * 8 + 8], y[index * 8 : index * 8 + 8]

    model = small_model()
    model.compile(keras.optimizers.Adam(0.03), "mse")
    history = model.fit_generator(batches(), steps_per_epoch=4, epochs=3, verbose=0)
    more = model.fit_generator(Rows(), epochs=3, verbose=0, validation_data=(x, y))
    assert more.history["loss"][-1] < history.history["loss"][0]
    assert model.evaluate_generator(Rows()) == pytest.approx(
        model.evaluate(x, y, verbose=0), rel=1e-5
    )
    np.testing.assert_allclose(
        model.predict_generator(batches(), steps=4), model.predict(x), rtol=1e-6
    )
    with pytest.raises(InputError, match="steps_per_epoch"):
        model.fit_generator(batches())


def test_progress_is_printed(capsys):
    model = line()
    model.compile("sgd", "mse")
    model.fit(LINE_X, LINE_Y, epochs=2, verbose=2)
    assert "Epoch 2/2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda m: m.fit(LINE_X, LINE_Y), "compile"),
        (lambda m: m.compile("adamm", "mse"), "optimizer"),
        (lambda m: m.compile("adam", "msee"), "Unknown loss"),
        (lambda m: m.compile("adam"), "no loss"),
        (lambda m: m.compile("adam", "mse", metrics=["acuracy"]), "Unknown metric"),
        (lambda m: (m.compile("sgd", "mse"), m.fit(LINE_X[:, :1], LINE_Y)), "expected"),
        (lambda m: (m.compile("sgd", "mse"), m.fit(LINE_X, LINE_Y[:2])), "samples"),
        (lambda m: (m.compile("sgd", "mse"), m.fit(LINE_X, np.ones([3, 2]))), "expected"),
        (lambda m: (m.compile("sgd", "mse"), m.fit(LINE_X)), "no targets"),
        (lambda m: (m.compile("sgd", "mse"), m.fit(tf.ones([3, 2]), LINE_Y)), "NumPy"),
        (lambda m: m.add(3), "instance of class Layer"),
        (lambda m: m.get_layer("x"), "No such layer"),
        (lambda m: keras.Model(tf.ones([2, 2]), m.output), "output of a layer"),
        (lambda m: keras.Model(keras.Input((2,)), m.output), "disconnected"),
    ],
)
def test_wrong_calls_are_explained(wrong, message):
    with pytest.raises(OstinatoError, match=message):
        wrong(line())


# Data


def test_sequences_are_padded():
    pad = keras.preprocessing.sequence.pad_sequences
    np.testing.assert_array_equal(pad([[1], [2, 3]]), [[0, 1], [2, 3]])
    post = pad([[1], [2, 3, 4]], maxlen=2, padding="post", truncating="post", value=9)
    np.testing.assert_array_equal(post, [[1, 9], [2, 3]])
    assert pad([[[1.0, 2.0]], []], dtype="float32").shape == (2, 1, 2)
    with pytest.raises(InputError, match="'pre' or 'post'"):
        pad([[1]], padding="left")


def test_a_tokenizer_numbers_words_by_frequency():
    tokenizer = keras.preprocessing.text.Tokenizer(num_words=4, oov_token="?")
    tokenizer.fit_on_texts(["b a b", "b c! A"])
    assert tokenizer.word_index == {"?": 1, "b": 2, "a": 3, "c": 4}
    assert tokenizer.texts_to_sequences(["a b c d"]) == [[3, 2, 1, 1]]
    np.testing.assert_array_equal(
        tokenizer.texts_to_matrix(["b b a"], mode="count"), [[0, 0, 2, 1]]
    )
    assert tokenizer.sequences_to_texts([[2, 3]]) == ["b a"]


def test_classes_become_vectors():
    np.testing.assert_array_equal(keras.utils.to_categorical([[1], [0]]), [[0, 1], [1, 0]])
    assert keras.utils.to_categorical([[0, 1]], 3).shape == (1, 2, 3)
    with pytest.raises(InputError, match="num_classes"):
        keras.utils.to_categorical([3], 2)
