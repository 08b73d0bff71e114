"""Cells of a program's own, nested states, convolutions and operations of whole steps; and every
operation of recorded programs with cells has TensorFlow 1.13.1's type and name, in its order.
"""

import numpy as np
import pytest
import torch

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from tf1_programs import X, steps

rnn = tf.contrib.rnn


class Counter(tf.nn.rnn_cell.RNNCell):
    """A simple network with nested states; one of them counts the steps."""

    def __init__(self, units):
        super().__init__()
        self._units = units

    @property
    def state_size(self):
        return {"h": self._units, "more": [self._units, tf.TensorShape([])]}

    @property
    def output_size(self):
        return (self._units, tf.TensorShape([2, 1]))

    def call(self, inputs, state):
        kernel = tf.get_variable("w", [inputs.shape[1], self._units])
        h = tf.tanh(tf.matmul(inputs, kernel) + state["h"])
        before, count = state["more"]
        outputs = h, tf.reshape(tf.tile(h[:, :1], [1, 2]), [-1, 2, 1])
        return outputs, {"h": h, "more": [before + h, count + 1.0]}


def _counted(lengths=None):
    first = {"h": tf.ones([3, 5]), "more": [tf.zeros([3, 5]), tf.zeros([])]}
    return tf.nn.dynamic_rnn(Counter(5), X, lengths, initial_state=first, dtype=tf.float32)


def test_a_cell_of_ones_own_may_have_nested_states_and_outputs():
    tf.set_random_seed(2)  # a kernel with which no number below is near 0
    (h, doubled), state = _counted([6, 0, 3])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        h, doubled, state, kernel = sess.run([h, doubled, state, tf.trainable_variables()[0]])
    assert doubled.shape == (3, 6, 2, 1) and np.array_equal(doubled[..., 0, 0], h[..., 0])
    # A scalar is not of one row: it counts all steps.
    assert state["more"][1] == 6 and np.array_equal(state["h"][1], np.ones(5))
    assert not h[1].any() and not h[2, 3:].any()
    np.testing.assert_allclose(h[2, 0], np.tanh(X[2, 0] @ kernel + 1), rtol=1e-5)
    np.testing.assert_allclose(state["more"][0], h.sum(1), rtol=1e-5)


def test_a_cell_of_ones_own_lists_its_variables():
    cell = Counter(5)
    assert cell.variables == []
    tf.nn.dynamic_rnn(cell, X, initial_state=cell.zero_state(3, tf.float32), dtype=tf.float32)
    assert [v.name for v in cell.trainable_variables] == ["rnn/counter/w:0"]


class Plain(tf.nn.rnn_cell.RNNCell):
    """A cell that overrides the call, and does not initialise its base class."""

    def __init__(self, units):
        self._units = units

    state_size = property(lambda self: self._units)
    output_size = property(lambda self: self._units)

    def __call__(self, inputs, state, scope=None):
        with tf.variable_scope(scope or type(self).__name__):
            h = tf.tanh(tf.matmul(inputs, tf.get_variable("w", [4, self._units])) + state)
        return h, h


def test_a_cell_that_overrides_the_call_runs_everywhere():
    cells = tf.nn.rnn_cell.MultiRNNCell([Plain(5), tf.nn.rnn_cell.GRUCell(3)])
    dynamic, last = tf.nn.dynamic_rnn(cells, X, dtype=tf.float32)
    names = [v.name for v in tf.global_variables()]
    assert names[0] == "rnn/multi_rnn_cell/cell_0/Plain/w:0" and len(names) == 5
    with tf.variable_scope("rnn", reuse=True) as scope:
        static, _ = tf.nn.static_rnn(cells, steps(count=6), dtype=tf.float32, scope=scope)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        dynamic, last, static = sess.run([dynamic, last, static])
    assert np.array_equal(dynamic, np.stack(static, 1)) and np.array_equal(dynamic[:, -1], last[1])


def test_a_layer_inside_a_wrapper_makes_resource_variables_as_in_tensorflow():
    tf.nn.dynamic_rnn(rnn.ResidualWrapper(rnn.GRUCell(4)), X, dtype=tf.float32)
    kinds = {op.type for op in tf.get_default_graph().get_operations()}
    assert "VarHandleOp" in kinds and "VariableV2" not in kinds


def test_weights_may_be_partitioned():
    partitioner = tf.fixed_size_partitioner(2)
    with tf.variable_scope("parts", partitioner=partitioner):
        outputs, _ = tf.nn.dynamic_rnn(rnn.LSTMCell(5), X, dtype=tf.float32)
    names = [v.op.name for v in tf.global_variables()]
    assert names[:2] == [f"parts/rnn/lstm_cell/kernel/part_{i}" for i in range(2)]
    gradients = tf.gradients(outputs, tf.trainable_variables())
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert all(np.abs(g).sum() > 0 for g in sess.run(gradients))


def _same_results(make, other, recurrent):
    """The outputs, states and gradients of two cells with the same weights."""
    found = []
    for name, cell in (("a", make), ("b", other)):
        with tf.variable_scope(name):
            outputs, state = recurrent(cell)
            variables = tf.trainable_variables(name)
            gradients = tf.gradients([tf.square(outputs), state], variables)
            found.append([outputs, state, variables, gradients])
    (_, _, first, _), (_, _, second, _) = found
    order = {v.op.name.rpartition("/")[2] + str(v.shape): v for v in first}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for v in second:
            v.load(sess.run(order[v.op.name.rpartition("/")[2] + str(v.shape)]), sess)
        results = [sess.run([f[0], f[1]]) for f in found]
        named = [{v.op.name[2:]: g for v, g in zip(f[2], f[3])} for f in found]
        return *results, *(sess.run(n) for n in named)


@pytest.mark.parametrize("peepholes", [False, True])
def test_an_lstm_in_one_operation_is_the_lstm(peepholes):
    a, b, da, db = _same_results(
        rnn.LSTMCell(5, use_peepholes=peepholes),
        rnn.LSTMBlockCell(5, use_peephole=peepholes),
        lambda cell: tf.nn.dynamic_rnn(cell, X, [6, 0, 3], dtype=tf.float32),
    )
    np.testing.assert_allclose(a[0], b[0], atol=1e-6)
    assert set(da) == set(db)
    for name, value in da.items():
        np.testing.assert_allclose(db[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def _convolved(x, kernel, **options):
    function = {3: tf.nn.conv1d, 4: tf.nn.conv2d, 5: tf.nn.conv3d}[x.ndim]
    x, kernel = tf.constant(x), tf.constant(kernel)
    y = function(x, kernel, **options)
    weights = tf.constant(np.random.RandomState(2).randn(*y.shape.as_list()).astype(np.float32))
    gradients = tf.gradients(tf.reduce_sum(y * weights), [x, kernel])
    return tf.Session().run([y, *gradients, weights])


@pytest.mark.parametrize("space", [1, 2, 3])
@pytest.mark.parametrize("step", [1, 2])
def test_convolutions_and_their_gradients_are_torchs(space, step):
    numbers = np.random.RandomState(1)
    x = numbers.randn(2, *[5, 6, 4][:space], 3).astype(np.float32)
    kernel = numbers.randn(*[3, 2, 3][:space], 3, 4).astype(np.float32)
    strides = {"stride": step} if space == 1 else {"strides": [1, *[step] * space, 1]}
    y, dx, dw, weights = _convolved(x, kernel, padding="VALID", **strides)
    given = torch.tensor(x).movedim(-1, 1).requires_grad_()
    weight = torch.tensor(kernel).movedim((-1, -2), (0, 1)).requires_grad_()
    wanted = getattr(torch.nn.functional, f"conv{space}d")(given, weight, stride=step)
    wanted = wanted.movedim(1, -1)
    gradients = torch.autograd.grad((wanted * torch.tensor(weights)).sum(), [given, weight])
    np.testing.assert_allclose(y, wanted.detach(), atol=1e-5)
    np.testing.assert_allclose(dx, gradients[0].movedim(1, -1), atol=1e-5)
    np.testing.assert_allclose(dw, gradients[1].movedim((0, 1), (-1, -2)), atol=1e-5)


@pytest.mark.parametrize("size, width, step", [(5, 3, 1), (6, 2, 1), (7, 3, 2), (6, 4, 3)])
def test_the_padding_same_is_tensorflows(size, width, step):
    x = np.arange(1.0, size + 1, dtype=np.float32).reshape(1, size, 1)
    y, dx, _, _ = _convolved(x, np.ones((width, 1, 1), np.float32), padding="SAME", stride=step)
    count = -(-size // step)
    total = max((count - 1) * step + width - size, 0)
    padded = np.pad(x.ravel(), (total // 2, total - total // 2))
    assert y.ravel().tolist() == [padded[i * step :][:width].sum() for i in range(count)]
    assert dx.shape == x.shape


def test_channels_may_come_first_and_kernels_may_have_gaps():
    numbers = np.random.RandomState(1)
    x, kernel = numbers.randn(2, 7, 6, 3), numbers.randn(3, 2, 3, 4)
    x, kernel = x.astype(np.float32), kernel.astype(np.float32)
    last = _convolved(x, kernel, strides=[1, 1, 1, 1], padding="SAME", dilations=[1, 2, 2, 1])
    first = _convolved(
        np.moveaxis(x, -1, 1).copy(),
        kernel,
        strides=[1, 1, 1, 1],
        padding="SAME",
        data_format="NCHW",
        dilations=[1, 1, 2, 2],
    )
    np.testing.assert_allclose(np.moveaxis(first[0], 1, -1), last[0], atol=1e-5)


MISTAKES = {
    "a kernel for other channels": (
        lambda: tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 2, 5]), [1] * 4, "SAME"),
        SizeError,
        r"\(1, 4, 4, 3\) has 3 channels and the kernel \(2, 2, 2, 5\) is for 2",
    ),
    "a kernel that is too large": (
        lambda: tf.nn.conv1d(tf.ones([1, 2, 3]), tf.ones([4, 3, 5]), 1, "VALID"),
        SizeError,
        "a kernel of size 4 does not fit in an input of size 2",
    ),
    "padding of another kind": (
        lambda: tf.nn.conv1d(tf.ones([1, 2, 3]), tf.ones([1, 3, 5]), 1, "ZERO"),
        InputError,
        "padding='ZERO': give 'SAME' or 'VALID'",
    ),
    "strides for another number of dimensions": (
        lambda: tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 3, 5]), [1, 1], "SAME"),
        SizeError,
        r"strides=\[1, 1\]: give a list of 4",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()


def test_lengths_that_are_a_sum_of_floats_are_whole_numbers():
    tf.reset_default_graph()
    x = tf.constant(np.float32([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]]))
    lengths = tf.reduce_sum(tf.reduce_max(tf.sign(x), 2), 1)
    cell = tf.nn.rnn_cell.GRUCell(2)
    outputs, _ = tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        zeros = (sess.run(outputs) == 0).all(2)
    assert zeros.tolist() == [[False, False, True], [False, True, True]]
