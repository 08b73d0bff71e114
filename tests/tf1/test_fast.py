"""The fast arithmetic: close to TensorFlow's digits, and recurrent loops run by the CPU engine."""

from collections.abc import Iterator

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato import engines
from ostinato.errors import InputError, OstinatoError
from ostinato.tf1.core import nest

BATCH, STEPS, INPUTS, UNITS = 5, 7, 3, 4
CELLS = tf.nn.rnn_cell


@pytest.fixture(autouse=True)
def graph() -> Iterator[None]:
    tf.set_random_seed(7)
    yield
    tf.set_arithmetic("tensorflow")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list:
    """The graphs that the engine was called with."""
    found: list = []
    scan = engines.scan

    def counted(graph, **arguments):
        found.append(graph)
        return scan(graph, **arguments)

    monkeypatch.setattr(engines, "scan", counted)
    return found


def values(fetches, feeds, arithmetic):
    tf.set_arithmetic(arithmetic)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feeds)


def assert_close(fetches, feeds) -> list:
    """The fast values, which are close to the exact ones."""
    exact = nest.flatten(values(fetches, feeds, "tensorflow"))
    fast = nest.flatten(values(fetches, feeds, "fast"))
    for a, b in zip(exact, fast, strict=True):
        size = np.abs(a).max() if np.size(a) else 1.0
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5 * size + 1e-7)
    return fast


def numbers(*shape) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def trained_input() -> tf.Tensor:
    """Inputs (B, T, I) that depend on a variable, with an unknown number of rows."""
    x = tf.placeholder(tf.float32, [None, STEPS, INPUTS], name="x")
    return x * tf.get_variable("scale", [INPUTS], initializer=tf.ones_initializer())


def loss_of(outputs, state) -> tf.Tensor:
    parts = [tf.reduce_mean(tf.square(t)) for t in nest.flatten(outputs)]
    return tf.add_n(parts + [tf.reduce_mean(tf.sin(t)) for t in nest.flatten(state)])


def fetched(outputs, state) -> list:
    loss = loss_of(outputs, state)
    grads = tf.gradients(loss, tf.trainable_variables())
    return [outputs, state, loss, [g for g in grads if g is not None]]


class Own(CELLS.RNNCell):
    """A user's cell, of operations that the engine has."""

    state_size = (UNITS, UNITS)
    output_size = UNITS + 1

    def call(self, inputs, state):
        h, c = state
        both = tf.layers.dense(tf.concat([inputs, h, c], 1), 3 * UNITS, name="both")
        a, b, d = tf.split(both, [UNITS, UNITS, UNITS], 1)
        scale = tf.get_variable("scale", [UNITS], initializer=tf.ones_initializer())
        gain = tf.get_variable("gain", [], initializer=tf.ones_initializer())
        h = tf.exp(-tf.square(a)) * scale + tf.nn.relu(b) * (1.0 - gain * tf.sigmoid(d))
        c = tf.clip_by_value(tf.maximum(c, d) / 2.0, -1.0, 1.0) + tf.tanh(both[:, 1:5])
        return tf.concat([h, c[:, :1]], 1), (h, c)


class Foreign(CELLS.RNNCell):
    """A user's cell with an operation that the engine has not."""

    state_size = output_size = UNITS

    def call(self, inputs, state):
        new = tf.atan(tf.layers.dense(tf.concat([inputs, state], 1), UNITS))
        return new, new


ENGINE = {
    "BasicRNNCell": lambda: CELLS.BasicRNNCell(UNITS),
    "BasicLSTMCell": lambda: CELLS.BasicLSTMCell(UNITS),
    "GRUCell": lambda: CELLS.GRUCell(UNITS),
    "LSTMCell with peepholes, projection and clipping": lambda: CELLS.LSTMCell(
        UNITS, use_peepholes=True, cell_clip=0.4, num_proj=3, proj_clip=0.3
    ),
    "MultiRNNCell": lambda: CELLS.MultiRNNCell([CELLS.BasicLSTMCell(UNITS), CELLS.GRUCell(5)]),
    "states in one tensor": lambda: CELLS.MultiRNNCell(
        [CELLS.BasicLSTMCell(UNITS, state_is_tuple=False), CELLS.GRUCell(5)], state_is_tuple=False
    ),
    "ResidualWrapper": lambda: CELLS.ResidualWrapper(CELLS.GRUCell(INPUTS)),
    "DropoutWrapper": lambda: CELLS.DropoutWrapper(
        CELLS.BasicLSTMCell(UNITS), input_keep_prob=0.8, output_keep_prob=0.5, seed=2
    ),
    "tf.keras LSTMCell": lambda: tf.keras.layers.LSTMCell(UNITS),
    "tf.keras GRUCell": lambda: tf.keras.layers.GRUCell(UNITS),
    "UGRNNCell": lambda: tf.contrib.rnn.UGRNNCell(UNITS),
    "NASCell": lambda: tf.contrib.rnn.NASCell(UNITS),
    "IndRNNCell": lambda: tf.contrib.rnn.IndRNNCell(UNITS),
    "a user's cell": Own,
}
ORDINARY = {
    "LayerNormBasicLSTMCell": lambda: tf.contrib.rnn.LayerNormBasicLSTMCell(UNITS),
    "LSTMBlockCell": lambda: tf.contrib.rnn.LSTMBlockCell(UNITS),
    "AttentionCellWrapper": lambda: tf.contrib.rnn.AttentionCellWrapper(CELLS.GRUCell(UNITS), 2),
    "a user's cell": Foreign,
}


@pytest.mark.parametrize("lengths", [None, [3, 0, 5, 1, 2], [7, 9, 1, 2, 3]])
@pytest.mark.parametrize("name", ENGINE)
def test_a_cell_is_run_by_the_engine_with_its_gradients(name, lengths, calls):
    x = trained_input()
    n = None if lengths is None else tf.constant(lengths)
    fetches = fetched(*tf.nn.dynamic_rnn(ENGINE[name](), x, n, dtype=tf.float32))
    assert_close(fetches, {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 1


@pytest.mark.parametrize("rows", [1, BATCH])
@pytest.mark.parametrize("name", ["BasicLSTMCell", "DropoutWrapper", "a user's cell"])
def test_a_known_number_of_rows(name, rows, calls):
    x = tf.constant(numbers(rows, STEPS, INPUTS))
    n = tf.constant([3, 0, 5, 1, 2][:rows])
    assert_close(fetched(*tf.nn.dynamic_rnn(ENGINE[name](), x, n, dtype=tf.float32)), {})
    assert len(calls) == 1


def test_a_state_that_no_step_reads(calls):
    class Sum(CELLS.RNNCell):
        state_size = (UNITS, UNITS)
        output_size = UNITS

        def call(self, inputs, state):
            new = tf.tanh(tf.layers.dense(tf.concat([inputs, state[0]], 1), UNITS))
            return new * 2.0, (new, new * new)

    outputs, state = tf.nn.dynamic_rnn(Sum(), trained_input(), dtype=tf.float32)
    feeds = {"x:0": numbers(BATCH, STEPS, INPUTS)}
    assert_close(fetched(outputs, state), feeds)
    assert len(calls) == 1
    assert_close(fetched(outputs, state[0]), feeds)
    assert_close(fetched(outputs, ()), feeds)


@pytest.mark.parametrize("name", ORDINARY)
def test_other_cells_run_as_ordinary_loops(name, calls):
    x = trained_input()
    n = tf.constant([3, 0, 5, 1, 2])
    fetches = fetched(*tf.nn.dynamic_rnn(ORDINARY[name](), x, n, dtype=tf.float32))
    assert_close(fetches, {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert not calls


def test_every_elementwise_operation_of_constants_is_that_of_the_operation(calls):
    unary = [tf.negative, tf.sigmoid, tf.tanh, tf.nn.relu, tf.exp, tf.log, tf.sqrt, tf.rsqrt]
    unary += [tf.nn.softplus, tf.abs, tf.floor, tf.square]
    binary = [tf.add, tf.subtract, tf.multiply, tf.divide, tf.div, tf.maximum, tf.minimum]
    binary += [tf.squared_difference]

    class OfConstants(CELLS.RNNCell):
        state_size = INPUTS
        output_size = INPUTS * (len(unary) + len(binary) + 2)

        def call(self, inputs, state):
            a, b = tf.constant(0.7), tf.constant(2.5)
            values = [f(a) for f in unary] + [f(a, b) for f in binary]
            values += [tf.squared_difference(b, tf.square(a)), tf.rsqrt(tf.square(b))]
            outputs = tf.concat([inputs * value for value in values], 1)
            return outputs, inputs + 0.5 * state

    fetches = fetched(*tf.nn.dynamic_rnn(OfConstants(), trained_input(), dtype=tf.float32))
    assert_close(fetches, {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 1


@pytest.mark.parametrize("lengths", [None, [3, 0, 5, 1, 2]])
def test_both_directions_are_run_by_the_engine(lengths, calls):
    outputs, states = tf.nn.bidirectional_dynamic_rnn(
        CELLS.LSTMCell(UNITS), CELLS.GRUCell(UNITS), trained_input(), lengths, dtype=tf.float32
    )
    assert_close(fetched(outputs, states), {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 2


def test_a_stack_of_loops_passes_gradients_from_one_to_the_other(calls):
    x = trained_input()
    for i in range(2):
        with tf.variable_scope(f"layer_{i}"):
            x, state = tf.nn.dynamic_rnn(CELLS.GRUCell(UNITS), x, dtype=tf.float32)
    assert_close(fetched(x, state), {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 2


@pytest.mark.parametrize("layer", [tf.keras.layers.LSTM, tf.keras.layers.SimpleRNN])
def test_a_layer_of_keras_is_run_by_the_engine(layer, calls):
    outputs = layer(UNITS, return_sequences=True)(trained_input())
    assert_close(fetched(outputs, ()), {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 1


def test_sequences_of_any_length_and_batch_size(calls):
    x = tf.placeholder(tf.float32, [None, None, INPUTS])
    fetches = fetched(*tf.nn.dynamic_rnn(CELLS.GRUCell(UNITS), x, dtype=tf.float32))
    for batch, steps in ((1, 1), (3, 9), (4, 2)):
        assert_close(fetches, {x: numbers(batch, steps, INPUTS)})
    assert len(calls) == 3
    # Without steps or rows there is nothing to call the engine for.
    outputs, state = fetches[:2]
    assert_close([outputs, state], {x: numbers(0, 3, INPUTS)})
    assert len(calls) == 3


def test_gradients_of_inputs_and_of_initial_states(calls):
    x = tf.placeholder(tf.float32, [STEPS, BATCH, INPUTS])
    first = tf.placeholder(tf.float32, [BATCH, UNITS])
    state = CELLS.LSTMStateTuple(first, first * 2.0)
    cell = CELLS.BasicLSTMCell(UNITS)
    outputs, last = tf.nn.dynamic_rnn(cell, x, initial_state=state, time_major=True)
    grads = tf.gradients(loss_of(outputs[2:4], last.c), [x, first])
    assert_close(grads, {x: numbers(STEPS, BATCH, INPUTS), first: numbers(BATCH, UNITS)})
    assert len(calls) == 1


@pytest.mark.parametrize("wanted", ["outputs", "state"])
def test_only_what_is_fetched_is_computed(wanted, calls):
    outputs, state = tf.nn.dynamic_rnn(CELLS.GRUCell(UNITS), trained_input(), dtype=tf.float32)
    result = outputs if wanted == "outputs" else state
    grads = tf.gradients(tf.reduce_sum(result * result), tf.trainable_variables())
    assert_close([result, grads], {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert_close([result], {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 2


def test_two_gradients_of_one_loop_in_one_run(calls):
    outputs, state = tf.nn.dynamic_rnn(CELLS.GRUCell(UNITS), trained_input(), dtype=tf.float32)
    xs = tf.trainable_variables()
    both = [tf.gradients(tf.reduce_sum(outputs[:, 1]), xs), tf.gradients(state, xs)]
    assert_close(both, {"x:0": numbers(BATCH, STEPS, INPUTS)})
    assert len(calls) == 1


def test_gradients_that_stop_in_the_loop_take_the_ordinary_loop(calls):
    kept = []

    class Kept(CELLS.BasicRNNCell):
        def call(self, inputs, state):
            kept.append(state)
            return super().call(inputs, state)

    outputs, _ = tf.nn.dynamic_rnn(Kept(UNITS), trained_input(), dtype=tf.float32)
    grads = tf.gradients(outputs, tf.trainable_variables(), stop_gradients=kept[:1])
    whole = tf.gradients(outputs, tf.trainable_variables())
    feeds = {"x:0": numbers(BATCH, STEPS, INPUTS)}
    stopped = assert_close(grads, feeds)
    assert not calls
    assert not np.allclose(stopped[1], assert_close(whole, feeds)[1])
    assert len(calls) == 1


def test_loops_that_are_not_recurrences_are_ordinary(calls):
    total = tf.while_loop(lambda s: s < 10.0, lambda s: s * 2.0, [tf.constant(1.0)])
    rows = tf.map_fn(lambda v: tf.tanh(v) * 2.0, tf.constant(numbers(4, 3)))
    scanned = tf.scan(lambda a, v: a * 0.5 + v, tf.constant(numbers(4, 3)))
    nested = tf.while_loop(
        lambda i, s: i < 3,
        lambda i, s: (i + 1, tf.map_fn(lambda v: v + 1.0, s)),
        [0, tf.constant(numbers(4, 3))],
    )
    assert_close([total, rows, scanned, nested[1]], {})
    assert not calls


def test_a_loop_that_begins_at_another_step_is_ordinary(calls):
    start = tf.placeholder(tf.int32, [])
    x = tf.TensorArray(tf.float32, 4, clear_after_read=False).unstack(numbers(4, 2, 3))
    w = tf.constant(numbers(3, 3))
    _, last = tf.while_loop(
        lambda i, s: i < 4,
        lambda i, s: (i + 1, tf.tanh(tf.matmul(s, w) + x.read(i))),
        [start, tf.zeros([2, 3])],
    )
    assert_close([last], {start: 0})
    assert len(calls) == 1
    assert_close([last], {start: 2})
    assert len(calls) == 1


def test_another_number_of_steps_than_elements(calls):
    end = tf.placeholder(tf.int32, [])
    w = tf.get_variable("w", [3, 3])
    x = tf.TensorArray(tf.float32, 4).unstack(numbers(4, 2, 3))
    _, last, written = tf.while_loop(
        lambda i, *_: i < end,
        lambda i, s, out: (
            i + 1,
            tf.tanh(tf.matmul(s, w) + x.read(i)),
            out.write(i, s + 1.0),
        ),
        [0, tf.zeros([2, 3]), tf.TensorArray(tf.float32, 4, element_shape=[2, 3])],
    )
    outputs = written.stack()
    fetches = [last, outputs, tf.gradients(loss_of(outputs, last), w)]
    for steps in (4, 2):
        assert_close(fetches, {end: steps})
    assert len(calls) == 2
    assert_close(fetches, {end: 0})
    assert len(calls) == 2


def test_float64_is_computed_as_ever(calls):
    x = tf.constant(np.float64(numbers(BATCH, STEPS, INPUTS)))
    outputs, state = tf.nn.dynamic_rnn(CELLS.GRUCell(UNITS), x, dtype=tf.float64)
    fetches = fetched(outputs, state)
    exact = nest.flatten(values(fetches, {}, "tensorflow"))
    for a, b in zip(exact, nest.flatten(values(fetches, {}, "fast")), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not calls


def test_operations_are_close_to_the_exact_ones():
    x = tf.constant(numbers(3, 8) * 2)
    y = tf.constant(np.abs(numbers(3, 8)) + 0.1)
    labels = tf.nn.softmax(x)
    results = [f(x) for f in (tf.exp, tf.expm1, tf.tanh, tf.sigmoid, tf.sin, tf.cos, tf.erf)]
    results += [f(y) for f in (tf.log, tf.log1p, tf.sqrt, tf.rsqrt)]
    results += [labels, tf.nn.log_softmax(x), tf.nn.elu(x), tf.nn.l2_loss(x)]
    results += [tf.matmul(x, y, transpose_b=True), tf.matmul(x, y, transpose_a=True)]
    results += [tf.matmul(x[None], y[None], transpose_b=True), tf.transpose(x)]
    results += [tf.reduce_sum(x, 0), tf.reduce_mean(x, 1, keepdims=True), tf.reduce_sum(x)]
    losses = [
        tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=y),
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 0, 7], logits=y),
        tf.nn.bias_add(x, tf.constant(numbers(8))),
    ]
    grads = [tf.gradients(r, [x, y], unconnected_gradients="zero") for r in results + losses]
    assert_close([results, losses, grads], {})


def test_errors_are_those_of_the_exact_operations():
    labels = tf.placeholder(tf.int32, [2])
    logits = tf.placeholder(tf.float32, [2, None])
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    product = tf.matmul(logits, tf.ones([3, 2]))
    feeds = {labels: [0, 5], logits: np.ones((2, 4))}
    for fetch in (loss, product):
        messages = []
        for arithmetic in ("tensorflow", "fast"):
            with pytest.raises(OstinatoError) as caught:
                values(fetch, feeds, arithmetic)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_training_goes_the_same_way(calls):
    x, y = tf.constant(numbers(BATCH, STEPS, INPUTS)), tf.constant([0, 1, 2, 0, 1])
    outputs, _ = tf.nn.dynamic_rnn(CELLS.BasicLSTMCell(UNITS), x, dtype=tf.float32)
    logits = tf.layers.dense(outputs[:, -1], 3)
    loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
    train = tf.train.AdamOptimizer(0.05).minimize(loss)
    losses = {}
    for arithmetic in ("tensorflow", "fast"):
        tf.set_arithmetic(arithmetic)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            losses[arithmetic] = [session.run([loss, train])[0] for _ in range(30)]
    np.testing.assert_allclose(losses["fast"], losses["tensorflow"], rtol=1e-3)
    assert losses["fast"][-1] < 0.5 * losses["fast"][0]
    assert len(calls) == 30


def test_a_session_follows_the_arithmetic_that_is_set(calls):
    outputs, _ = tf.nn.dynamic_rnn(
        CELLS.GRUCell(UNITS), numbers(BATCH, STEPS, INPUTS), dtype=tf.float32
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(outputs)
        assert not calls
        tf.set_arithmetic("fast")
        session.run(outputs)
        session.run(outputs)
        assert len(calls) == 2
        assert calls[0] is calls[1]


def test_other_arithmetics_are_refused():
    with pytest.raises(InputError, match="'tensorflow' for TensorFlow's digits, or 'fast'"):
        tf.set_arithmetic("exact")
