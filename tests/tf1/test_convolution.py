"""The convolutional LSTMs give TensorFlow 1.13.1's numbers, those of its seeds included."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from ostinato.tf1.kernels import convolutions
from tf1_programs import X, agrees

rnn = tf.contrib.rnn
NUMBERS = np.random.RandomState(5)
SHAPES = {1: (2, 4, 5, 2), 2: (2, 4, 5, 3, 2), 3: (2, 3, 3, 4, 2, 2)}
PICTURES = {d: NUMBERS.randn(*shape).astype(np.float32) for d, shape in SHAPES.items()}


def _cell(d, channels=3, kernel=None, of=None, **options):
    shape = list(PICTURES[d].shape[2:]) if of is None else of
    options = {
        "input_shape": shape,
        "output_channels": channels,
        "kernel_shape": kernel or [3] * d,
        **options,
    }
    return (
        rnn.ConvLSTMCell(**options)
        if "conv_ndims" in options
        else getattr(rnn, f"Conv{d}DLSTMCell")(**options)
    )


def _dynamic(cell, d, lengths=None):
    return tf.nn.dynamic_rnn(cell, tf.constant(PICTURES[d]), lengths, dtype=tf.float32)


def _static(d, lengths=None):
    steps = [tf.constant(PICTURES[d][:, t]) for t in range(3)]
    return tf.nn.static_rnn(_cell(d), steps, sequence_length=lengths, dtype=tf.float32)


def _call(d):
    cell = _cell(d)
    return cell(tf.constant(PICTURES[d][:, 0]), cell.zero_state(2, tf.float32))


# Of TensorFlow 1.13.1, run on these very programs under the graph seed 777; see
# `tf1_programs.measure`.
PROGRAMS = {
    "a line": (lambda: _dynamic(_cell(1), 1), (151, 6.2337999, 173.4083)),
    "a line, lengths": (lambda: _dynamic(_cell(1), 1, [4, 1]), (174, 1.2402738, 27.80087)),
    "a line, a list of steps": (lambda: _static(1), (102, 1.7890712, 26.1832)),
    "a line, one step": (lambda: _call(1), (54, 0.96987385, 9.920562)),
    "a line, no bias": (
        lambda: _dynamic(_cell(1, kernel=[2], use_bias=False, forget_bias=0.5), 1),
        (145, 4.2645597, 47.00961),
    ),
    "pictures": (lambda: _dynamic(_cell(2), 2), (146, 13.688404, 805.5714)),
    "pictures, lengths": (lambda: _dynamic(_cell(2), 2, [4, 1]), (169, 7.2770672, 510.0854)),
    "pictures, a list of steps": (lambda: _static(2), (87, 9.6721916, 732.368)),
    "pictures, a list of steps, lengths": (lambda: _static(2, [2, 1]), (226, 5.7030363, 259.5403)),
    "pictures, one step": (lambda: _call(2), (49, 3.0392969, 82.94762)),
    "pictures, an even kernel": (
        lambda: _dynamic(_cell(2, kernel=[2, 4]), 2),
        (146, 12.491009, 831.0632),
    ),
    "pictures, by the general name": (
        lambda: _dynamic(_cell(2, kernel=[1, 3], conv_ndims=2), 2),
        (146, 16.906843, 823.6313),
    ),
    "bodies": (lambda: _dynamic(_cell(3), 3), (146, 9.6862688, 1010.42)),
    "bodies, lengths": (lambda: _dynamic(_cell(3), 3, [3, 1]), (169, 6.328793, 541.4644)),
    "bodies, one step": (lambda: _call(3), (49, 4.678299, 207.1744)),
    "two above each other": (
        lambda: _dynamic(
            rnn.MultiRNNCell([_cell(2), _cell(2, channels=2, kernel=[1, 3], of=[5, 3, 3])]), 2
        ),
        (208, 7.7688408, 565.1029),
    ),
    "a residual": (
        lambda: _dynamic(rnn.ResidualWrapper(_cell(2, channels=2)), 2, [4, 1]),
        (170, 150.10789, 3126.536),
    ),
    "dropout": (
        lambda: _dynamic(rnn.DropoutWrapper(_cell(2, channels=2), output_keep_prob=0.5), 2),
        (163, 12.57564, 1202.962),
    ),
    "both directions": (
        lambda: tf.nn.bidirectional_dynamic_rnn(
            _cell(2, channels=2),
            _cell(2, channels=2),
            tf.constant(PICTURES[2]),
            [4, 2],
            dtype=tf.float32,
        ),
        (341, 18.890556, 1126.096),
    ),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(*PROGRAMS[name])


def test_variables_and_states_are_tensorflows():
    outputs, state = _dynamic(_cell(2), 2)
    assert [(v.name, v.shape.as_list()) for v in tf.global_variables()] == [
        ("rnn/conv_2d_lstm_cell/kernel:0", [3, 3, 5, 12]),
        ("rnn/conv_2d_lstm_cell/biases:0", [12]),
    ]
    assert (
        outputs.shape.as_list() == [2, 4, 5, 3, 3]
        and state._fields == ("c", "h")
        and state.c.shape.as_list() == [2, 5, 3, 3]
    )


def test_a_batch_of_unknown_size_runs():
    x = tf.placeholder(tf.float32, [None, 4, 5, 3, 2])
    outputs, state = tf.nn.dynamic_rnn(_cell(2), x, dtype=tf.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values, last = sess.run([outputs, state], {x: PICTURES[2]})
    assert outputs.shape.as_list() == [None, 4, 5, 3, 3] and np.array_equal(values[:, -1], last.h)


MISTAKES = {
    "a skip connection": (
        lambda: _cell(2, skip_connection=True),
        InputError,
        r"skip_connection=True\).*fails in its second step",
    ),
    "four dimensions": (
        lambda: _cell(2, conv_ndims=4),
        InputError,
        r"conv_ndims=4\): give 1, 2 or 3",
    ),
    "a shape without channels": (
        lambda: _cell(2, of=[5, 3]),
        SizeError,
        r"input_shape=\[5, 3\].*list of 3 whole numbers.*channels",
    ),
    "a kernel of one number": (
        lambda: _cell(2, kernel=3),
        SizeError,
        r"kernel_shape=3\): give a list of 2",
    ),
    "another input": (
        lambda: _dynamic(_cell(2, of=[5, 4, 2]), 2),
        SizeError,
        r"input_shape=\[5, 4, 2\]\) was given an input of \(5, 3, 2\)",
    ),
    "vectors": (
        lambda: tf.nn.dynamic_rnn(_cell(2), tf.constant(X), dtype=tf.float32),
        SizeError,
        r"\(3, 6, 4\): give them five dimensions, \(batch, time, sizes, sizes, channels\)",
    ),
    "a state of another shape": (
        lambda: tf.nn.dynamic_rnn(
            _cell(2), PICTURES[2], initial_state=_cell(2, channels=2).zero_state(2, tf.float32)
        ),
        SizeError,
        r"a state of \(2, 5, 3, 2\) where size \(5, 3, 3\)",
    ),
    "a highway": (
        lambda: rnn.HighwayWrapper(_cell(2)),
        InputError,
        "HighwayWrapper was given Conv2DLSTMCell, whose input is not a vector",
    ),
    "a vector cell above": (
        lambda: rnn.MultiRNNCell([_cell(2), rnn.GRUCell(3)]),
        InputError,
        "GRUCell above Conv2DLSTMCell",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()


# Convolutions of tf.nn, against their definition


def _defined(x, kernel, padding, strides, dilations):
    """The convolution of (B, *S, C) with (*W, C, D), in float64, one result at a time."""
    *width, _, depth = kernel.shape
    spans = [gap * (w - 1) + 1 for gap, w in zip(dilations, width)]
    sizes = [-(-n // step) for n, step in zip(x.shape[1:-1], strides)]
    before = [(0, 0)] * len(width)
    if padding == "SAME":
        more = [
            max((r - 1) * step + span - n, 0)
            for r, step, span, n in zip(sizes, strides, spans, x.shape[1:-1])
        ]
        before = [(n // 2, n - n // 2) for n in more]
    else:
        sizes = [(n - span) // step + 1 for n, span, step in zip(x.shape[1:-1], spans, strides)]
    x = np.pad(np.float64(x), [(0, 0), *before, (0, 0)])
    y = np.zeros((len(x), *sizes, depth))
    for at in np.ndindex(*sizes):
        part = x[
            (
                slice(None),
                *(
                    slice(step * i, step * i + span, gap)
                    for step, i, span, gap in zip(strides, at, spans, dilations)
                ),
            )
        ]
        y[(slice(None), *at)] = np.tensordot(part, np.float64(kernel), len(width) + 1)
    return y


KINDS = [
    (d, padding, strides, dilations)
    for d in (2, 3)
    for padding in ("SAME", "VALID")
    for strides, dilations in (
        ([1, 1, 1], [1, 1, 1]),
        ([2, 1, 3], [1, 1, 1]),
        ([1, 1, 1], [2, 1, 1]),
    )
]


@pytest.mark.parametrize("arithmetic", ["tensorflow", "fast"])
@pytest.mark.parametrize("first", [False, True])
def test_convolutions_and_their_gradients_follow_the_definition(first, arithmetic, monkeypatch):
    """A convolution is linear in both arguments, so that its gradients in the direction of other
    arguments are products with the convolutions of these.
    """
    monkeypatch.setattr(convolutions, "_NUMBERS", 500)  # several parts of a batch
    tf.set_arithmetic(arithmetic)
    try:
        for d, padding, strides, dilations in KINDS:
            _compare_with_definition(d, padding, strides[:d], dilations[:d], first)
    finally:
        tf.set_arithmetic("tensorflow")


def _compare_with_definition(d, padding, strides, dilations, first):
    def last(array):
        return np.moveaxis(array, 1, -1) if first else array

    numbers = np.random.RandomState(7)
    x, other_x = numbers.randn(2, 3, *[7, 5, 6][:d], 4).astype(np.float32)
    kernel, other_kernel = numbers.randn(2, *[3, 2, 2][:d], 4, 9).astype(np.float32)
    wanted = _defined(x, kernel, padding, strides, dilations)
    dy = numbers.randn(*wanted.shape).astype(np.float32)
    given = [np.moveaxis(v, -1, 1) if first else v for v in (x, dy)]
    tensors = tf.constant(given[0]), tf.constant(kernel)
    one = [1, 1] if first else [1]
    names = {2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}[d]
    convolve = tf.nn.conv2d if d == 2 else tf.nn.conv3d
    y = convolve(
        *tensors,
        strides=one + strides + ([] if first else [1]),
        padding=padding,
        data_format=names[first],
        dilations=one + dilations + ([] if first else [1]),
    )
    with tf.Session() as sess:
        found, (dx, dk) = sess.run([y, tf.gradients(y, tensors, given[1])])
    assert y.shape == found.shape
    np.testing.assert_allclose(last(found), wanted, atol=2e-4)
    by_x = (_defined(other_x, kernel, padding, strides, dilations) * dy).sum()
    by_kernel = (_defined(x, other_kernel, padding, strides, dilations) * dy).sum()
    size = float(np.abs(dy).sum())
    assert (np.float64(last(dx)) * other_x).sum() == pytest.approx(by_x, abs=1e-5 * size)
    assert (np.float64(dk) * other_kernel).sum() == pytest.approx(by_kernel, abs=1e-5 * size)


def test_an_empty_batch_has_an_empty_convolution():
    x = tf.placeholder(tf.float32, [None, 4, 4, 2])
    kernel = tf.ones([3, 3, 2, 5])
    y = tf.nn.conv2d(x, kernel, [1, 1, 1, 1], "SAME")
    found = tf.Session().run([y, *tf.gradients(y, [x, kernel])], {x: np.zeros((0, 4, 4, 2))})
    assert [v.shape for v in found] == [(0, 4, 4, 5), (0, 4, 4, 2), (3, 3, 2, 5)]
    assert not found[2].any()
