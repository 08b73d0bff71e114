"""Functions of tf.nn: values against NumPy, and gradients against finite differences."""

import itertools

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from ostinato.tf1 import ctc
from ostinato.tf1.core.sparse import SparseTensor
from ostinato.tf1.ops import nn

X = np.random.default_rng(0).normal(size=(3, 5))


@pytest.fixture(autouse=True)
def _graph():
    tf.set_random_seed(1)


def _run(*tensors, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tensors[0] if len(tensors) == 1 else list(tensors), feed)


def _check_gradient(function, x=X):
    """A gradient against finite differences, in float64."""
    held = tf.placeholder(tf.float64, x.shape)
    weights = np.random.default_rng(1).normal(size=function(held).shape.as_list())
    total = tf.reduce_sum(function(held) * weights)
    gradient = tf.gradients(total, held)[0]
    with tf.Session() as sess:
        found = sess.run(gradient, {held: x})
        expected = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[place] = 1e-6
            above, below = (sess.run(total, {held: x + s}) for s in (step, -step))
            expected[place] = (above - below) / 2e-6
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


FUNCTIONS = {
    "relu": (nn.relu, lambda x: np.maximum(x, 0)),
    "relu6": (nn.relu6, lambda x: np.clip(x, 0, 6)),
    "elu": (nn.elu, lambda x: np.where(x < 0, np.expm1(x), x)),
    "softplus": (nn.softplus, lambda x: np.log1p(np.exp(x))),
    "softsign": (nn.softsign, lambda x: x / (1 + np.abs(x))),
    "leaky_relu": (nn.leaky_relu, lambda x: np.where(x < 0, 0.2 * x, x)),
    "crelu": (nn.crelu, lambda x: np.maximum(np.concatenate([x, -x], -1), 0)),
    "softmax": (nn.softmax, _softmax),
    "softmax over rows": (lambda x: nn.softmax(x, axis=0), lambda x: _softmax(x, 0)),
    "log_softmax": (nn.log_softmax, lambda x: np.log(_softmax(x))),
    "l2_normalize": (
        lambda x: nn.l2_normalize(x, 1),
        lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name):
    function, expected = FUNCTIONS[name]
    np.testing.assert_allclose(_run(function(tf.constant(X))), expected(X), atol=1e-9)
    _check_gradient(function)


@pytest.mark.parametrize("function", [nn.selu, nn.elu, nn.softplus])
def test_second_gradients(function):
    _check_gradient(lambda x: tf.gradients(function(x), x)[0])


def test_softmax_of_three_dimensions_is_of_the_last():
    x = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(_run(nn.softmax(tf.constant(x))), _softmax(x), rtol=1e-6)


def test_cross_entropies_agree_with_each_other():
    labels = np.array([4, 0, 2])
    sparse = nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=X)
    dense = nn.softmax_cross_entropy_with_logits(labels=np.eye(5)[labels], logits=X)
    expected = -np.log(_softmax(X))[np.arange(3), labels]
    for found in _run(sparse, dense):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_sparse_cross_entropy_takes_more_dimensions():
    logits = tf.placeholder(tf.float64, [None, None, 5])
    labels = tf.placeholder(tf.int32, [None, None])
    loss = nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    x = np.stack([X, X + 1])
    classes = np.array([[4, 0, 2], [1, 1, 1]])
    found = _run(loss, feed={logits: x, labels: classes})
    expected = -np.log(np.take_along_axis(_softmax(x), classes[..., None], -1))[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.softmax_cross_entropy_with_logits_v2(labels=_softmax(X), logits=x),
        lambda x: nn.softmax_cross_entropy_with_logits_v2(labels=_softmax(X, 0), logits=x, axis=0),
        lambda x: nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 0, 4], logits=x),
        lambda x: nn.sigmoid_cross_entropy_with_logits(labels=_softmax(X), logits=x),
        lambda x: nn.weighted_cross_entropy_with_logits(_softmax(X), x, 3.0),
        lambda x: nn.moments(x, [0])[1],
        lambda x: nn.batch_normalization(x, *nn.moments(x, [0]), 0.5, 2.0, 1e-3),
        lambda x: tf.reshape(nn.l2_loss(x), [1]),
        lambda x: nn.bias_add(tf.constant(X), x[0]),
        lambda x: nn.top_k(x, 2).values,
    ],
)
def test_gradients(function):
    _check_gradient(function)


def test_labels_outside_of_the_classes_are_an_error():
    loss = nn.sparse_softmax_cross_entropy_with_logits(labels=[5, 0, 0], logits=X)
    with pytest.raises(ValueError, match="outside the valid range"):
        _run(loss)


def test_dropout_keeps_the_mean_and_broadcasts_its_mask():
    x = tf.ones([50, 40])
    kept, rows = _run(nn.dropout(x, 0.8), nn.dropout(x, 0.5, noise_shape=[50, 1]))
    assert set(np.unique(kept)) == {0, np.float32(1) / np.float32(0.8)}
    assert abs(kept.mean() - 1) < 0.05
    assert (rows == rows[:, :1]).all()
    assert nn.dropout(x, 1.0) is x


@pytest.mark.parametrize(
    "wrong, error, words",
    [
        (lambda: nn.dropout(X), InputError, "rate"),
        (lambda: nn.dropout(X, 0.0), InputError, "keep_prob"),
        (lambda: nn.dropout(X, 0.5, rate=0.5), InputError, "both"),
        (lambda: nn.dropout([1], 0.5), InputError, "floating"),
        (lambda: nn.softmax_cross_entropy_with_logits(X, X), InputError, "named"),
        (
            lambda: nn.sparse_softmax_cross_entropy_with_logits(labels=[[1]], logits=X),
            SizeError,
            "Rank mismatch",
        ),
        (
            lambda: nn.sigmoid_cross_entropy_with_logits(labels=X[:2], logits=X),
            SizeError,
            "same shape",
        ),
        (lambda: nn.embedding_lookup([], [1]), InputError, "param"),
        (lambda: nn.embedding_lookup([X, X], [1], "odd"), InputError, "strategy"),
        (lambda: nn.top_k(X, 6), SizeError, "k = 6"),
        (lambda: nn.bias_add(X, [1.0]), SizeError, "bias"),
    ],
)
def test_wrong_arguments_are_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_a_split_embedding_gives_the_rows_of_the_whole(strategy):
    whole = np.arange(14.0).reshape(7, 2)
    ids = np.array([[6, 0, 3], [3, 1, 5]])
    parts = [whole[i::3] for i in range(3)] if strategy == "mod" else np.split(whole, [3, 5])
    parts = [tf.constant(p) for p in parts]
    rows = nn.embedding_lookup(parts, ids, partition_strategy=strategy)
    gradient = tf.gradients(rows * rows, parts[0])[0]
    found, of_first = _run(rows, tf.convert_to_tensor(gradient))
    np.testing.assert_array_equal(found, whole[ids])
    assert of_first.shape == (3, 2)
    uses = np.bincount(ids.ravel(), minlength=7)[:, None] * 2 * whole
    np.testing.assert_array_equal(of_first, uses[::3] if strategy == "mod" else uses[:3])


def test_max_norm_cuts_long_rows():
    rows = _run(nn.embedding_lookup(np.array([[3.0, 4.0], [0.3, 0.4]]), [0, 1], max_norm=1.0))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.3, 0.4]])


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_lookups_combine_rows(combiner, weighted):
    table = np.arange(8.0).reshape(4, 2)
    places = np.array([[0, 0], [0, 1], [1, 0]], np.int64)
    ids = SparseTensor(places, np.array([1, 3, 2], np.int64), [2, 2])
    weights = np.array([1.0, 3.0, 2.0]) if weighted else np.ones(3)
    given = SparseTensor(places, weights, [2, 2]) if weighted else None
    found = _run(nn.embedding_lookup_sparse(tf.constant(table), ids, given, combiner=combiner))
    first = weights[0] * table[1] + weights[1] * table[3]
    scale = {
        "sum": (1, 1),
        "mean": (weights[:2].sum(), weights[2]),
        "sqrtn": (np.sqrt((weights[:2] ** 2).sum()), weights[2]),
    }[combiner]
    np.testing.assert_allclose(found, [first / scale[0], weights[2] * table[2] / scale[1]])


def test_top_k_and_in_top_k():
    x = np.array([[1.0, 3.0, 3.0, 2.0]])
    values, indices = _run(*nn.top_k(x, 3))
    np.testing.assert_array_equal(values, [[3, 3, 2]])
    np.testing.assert_array_equal(indices, [[1, 2, 3]])
    x = np.float32(X)
    inside = _run(nn.in_top_k(x, np.argsort(-x, 1)[:, 1].astype(np.int32), 2))
    assert inside.all()


def test_zero_fraction_counts_zeros():
    assert _run(tf.nn.zero_fraction([0.0, 1.0, 0.0, 2.0])) == 0.5


def test_sparse_tensors_are_fed_fetched_and_made_dense():
    x = tf.sparse_placeholder(tf.float32)
    dense = tf.sparse_tensor_to_dense(x, default_value=-1.0)
    value = tf.SparseTensorValue(np.array([[0, 1], [1, 0]]), np.array([5.0, 6.0]), np.array([2, 2]))
    with tf.Session() as sess:
        found, back = sess.run([dense, x], {x: value})
    np.testing.assert_array_equal(found, [[-1, 5], [6, -1]])
    np.testing.assert_array_equal(back.values, value.values)


# Connectionist temporal classification


def _paths(labels, steps, classes):
    """The paths that give the labels, where equal neighbours are merged and blanks left out."""
    for path in itertools.product(range(classes), repeat=steps):
        merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if [c for c in merged if c != classes - 1] == labels:
            yield path


def _sparse_labels(rows):
    places = [[b, i] for b, row in enumerate(rows) for i in range(len(row))]
    values = np.array([c for row in rows for c in row], np.int32)
    return SparseTensor(np.array(places, np.int64), values, [len(rows), max(map(len, rows))])


def test_the_loss_is_the_sum_over_all_paths():
    logits = np.random.default_rng(3).normal(size=(4, 2, 3)).astype(np.float32)
    rows, lengths = [[0, 0], [1]], np.array([4, 3], np.int32)
    x = tf.constant(logits)
    loss = ctc.ctc_loss(_sparse_labels(rows), x, lengths)
    found, gradient = _run(loss, tf.gradients(loss, x)[0])
    for b, labels in enumerate(rows):
        y = _softmax(logits[: lengths[b], b].astype(np.float64))
        total = sum(
            np.prod(y[np.arange(len(y)), list(p)]) for p in _paths(labels, int(lengths[b]), 3)
        )
        np.testing.assert_allclose(found[b], -np.log(total), rtol=1e-5)
    assert not gradient[3, 1].any()
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-6)


def test_decoders_agree_on_clear_inputs():
    best = np.array([[0, 0, 2, 1], [2, 1, 1, 2]]).T
    logits = 9 * np.eye(3, dtype=np.float32)[best]
    lengths = np.array([4, 4], np.int32)
    greedy = ctc.ctc_greedy_decoder(logits, lengths)[0][0]
    beams = ctc.ctc_beam_search_decoder(logits, lengths, merge_repeated=False)[0][0]
    first, second = (tf.sparse_tensor_to_dense(d, default_value=-1) for d in (greedy, beams))
    for found in _run(first, second):
        np.testing.assert_array_equal(found, [[0, 1], [1, -1]])


def test_labels_longer_than_the_input_are_an_error_or_ignored():
    logits = np.zeros((2, 1, 3), np.float32)
    labels = _sparse_labels([[0, 1, 0]])
    with pytest.raises(ValueError, match="Not enough time"):
        _run(ctc.ctc_loss(labels, logits, [2]))
    ignored = ctc.ctc_loss(labels, logits, [2], ignore_longer_outputs_than_inputs=True)
    assert _run(ignored) == 0


def test_edit_distance_counts_changes():
    a = _sparse_labels([[1, 2, 3], [1]])
    b = _sparse_labels([[1, 3], [2, 2, 1]])
    np.testing.assert_array_equal(_run(tf.edit_distance(a, b, normalize=False)), [1, 2])
