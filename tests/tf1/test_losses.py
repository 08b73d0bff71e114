"""tf.losses, sampled losses and conditional random fields: values against NumPy."""

import itertools

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from ostinato.tf1 import crf, losses, sampling
from ostinato.tf1.kernels import candidates, random

_RNG = np.random.default_rng(0)
LABELS, LOGITS = (np.float32(_RNG.uniform(0, 1, (4, 3))) for _ in range(2))
WEIGHTS = np.array([[1.0], [0.0], [0.5], [2.0]], np.float32)


@pytest.fixture(autouse=True)
def _graph():
    tf.set_random_seed(1)


def _run(*tensors, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tensors[0] if len(tensors) == 1 else list(tensors), feed)


def _log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


ERROR = LOGITS - LABELS
VALUES = {
    "absolute_difference": np.abs(ERROR),
    "mean_squared_error": ERROR**2,
    "huber_loss": np.where(np.abs(ERROR) < 1, ERROR**2 / 2, np.abs(ERROR) - 0.5),
    "hinge_loss": np.maximum(1 - (2 * LABELS - 1) * LOGITS, 0),
    "log_loss": -LABELS * np.log(LOGITS) - (1 - LABELS) * np.log(1 - LOGITS),
    "sigmoid_cross_entropy": np.log1p(np.exp(LOGITS)) - LABELS * LOGITS,
    "softmax_cross_entropy": -(LABELS * _log_softmax(LOGITS)).sum(1),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    found = _run(getattr(losses, name)(LABELS, LOGITS))
    np.testing.assert_allclose(found, VALUES[name].mean(), rtol=1e-5)


REDUCTIONS = {
    losses.Reduction.SUM: lambda x, w: (x * w).sum(),
    losses.Reduction.MEAN: lambda x, w: (x * w).sum() / (w + 0 * x).sum(),
    losses.Reduction.SUM_OVER_BATCH_SIZE: lambda x, w: (x * w).sum() / x.size,
    losses.Reduction.SUM_BY_NONZERO_WEIGHTS: lambda x, w: (x * w).sum() / (w + 0 * x != 0).sum(),
    losses.Reduction.NONE: lambda x, w: x * w,
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("static", [True, False])
def test_reductions(reduction, static):
    x = tf.placeholder(tf.float32, [4, 3] if static else [None, 3])
    w = tf.placeholder(tf.float32, [4, 1] if static else [None, 1])
    loss = losses.compute_weighted_loss(x, w, reduction=reduction)
    found = _run(loss, feed={x: LOGITS, w: WEIGHTS})
    np.testing.assert_allclose(found, REDUCTIONS[reduction](LOGITS, WEIGHTS), rtol=1e-5)


def _declared(value, how):
    """A placeholder for a value, with its shape, the number of its dimensions, or neither."""
    sizes = {"the shape": value.shape, "the rank": [None] * value.ndim, "nothing": None}
    return tf.placeholder(value.dtype.name, sizes[how])


KNOWN = ("the shape", "the rank", "nothing")


@pytest.mark.parametrize("of_logits", KNOWN)
@pytest.mark.parametrize("extra", ["labels", "weights", "labels and weights", "none"])
def test_labels_and_weights_may_have_a_last_dimension_of_1_more(extra, of_logits):
    """Classes (B,) or (B, 1), weights of one number, (B,) or (B, 1)."""
    classes, rows = np.array([2, 0, 1, 1]), WEIGHTS[:, 0]
    wanted = -(rows * _log_softmax(LOGITS)[np.arange(4), classes]).sum() / 3
    if "labels" in extra:
        classes = classes[:, None]
    if "weights" in extra:
        rows = rows[:, None]
    fetches, feed = [], {}
    for of_labels, of_weights in itertools.product(KNOWN, KNOWN):
        given = zip((classes, LOGITS, rows), (of_labels, of_logits, of_weights))
        tensors = [_declared(value, how) for value, how in given]
        feed |= dict(zip(tensors, (classes, LOGITS, rows)))
        fetches.append(losses.sparse_softmax_cross_entropy(*tensors))
    np.testing.assert_allclose(_run(*fetches, feed=feed), wanted, rtol=1e-5)


def test_a_last_dimension_of_another_size_is_not_taken_away():
    labels = tf.placeholder(tf.int32)
    loss = losses.sparse_softmax_cross_entropy(labels, LOGITS)
    with pytest.raises(InputError, match="2"):
        _run(loss, feed={labels: np.zeros((4, 2))})
    with pytest.raises(SizeError, match="2"):
        losses.sparse_softmax_cross_entropy(np.zeros((4, 2), np.int32), LOGITS)


def test_no_weight_gives_the_loss_0():
    assert _run(losses.mean_squared_error(LABELS, LOGITS, weights=0.0)) == 0


def test_losses_are_collected_with_those_of_regularizers():
    first = losses.mean_squared_error(LABELS, LOGITS)
    losses.mean_squared_error(LABELS, LOGITS, loss_collection=None)
    tf.get_variable("w", [2], regularizer=lambda w: tf.reduce_sum(w * w))
    assert losses.get_losses() == [first]
    total, one, penalty = _run(losses.get_total_loss(), first, losses.get_regularization_loss())
    np.testing.assert_allclose(total, one + penalty, rtol=1e-6)


def test_label_smoothing_moves_labels():
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    found = _run(losses.softmax_cross_entropy(labels, LOGITS, label_smoothing=0.3))
    smooth = labels * 0.7 + 0.1
    expected = -(smooth * _log_softmax(LOGITS)).sum(1).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "wrong, error, words",
    [
        (lambda: losses.mean_squared_error(None, LOGITS), InputError, "labels"),
        (lambda: losses.mean_squared_error(LABELS[:2], LOGITS), SizeError, "incompatible"),
        (lambda: losses.mean_squared_error(LABELS, LOGITS, WEIGHTS[:2]), SizeError, "broadcast"),
        (lambda: losses.mean_squared_error(LABELS, LOGITS, WEIGHTS[:, 0]), SizeError, "broadcast"),
        (lambda: losses.cosine_distance(LABELS, LOGITS), InputError, "axis"),
        (
            lambda: losses.mean_squared_error(LABELS, LOGITS, reduction="half"),
            InputError,
            "ReductionKey",
        ),
    ],
)
def test_wrong_arguments_are_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


# Sampled losses


def test_log_uniform_draws_are_unique_and_frequent_classes_come_more_often():
    sampler = sampling.log_uniform_candidate_sampler([[0], [7]], 1, 6, True, 50)
    counts = np.zeros(50)
    with tf.Session() as sess:
        for _ in range(200):
            drawn, true_expected, expected = sess.run(list(sampler))
            assert len(set(drawn.tolist())) == 6
            counts[drawn] += 1
    assert counts[0] > counts[5] > counts[40]
    assert true_expected.shape == (2, 1)
    assert (0 < expected).all()


def test_uniform_draws_with_repetition_are_expected_as_often():
    classes, true_expected, expected = _run(
        *sampling.uniform_candidate_sampler([[3]], 1, 20, False, 10)
    )
    assert set(classes.tolist()) <= set(range(10))
    np.testing.assert_allclose([*expected, true_expected[0, 0]], 2.0)


def test_fixed_unigrams_are_drawn_by_their_weights():
    sampler = sampling.fixed_unigram_candidate_sampler(
        [[1]], 1, 500, False, 4, unigrams=[1, 2, 1], num_reserved_ids=1
    )
    counts = np.bincount(_run(sampler.sampled_candidates), minlength=4) / 500
    np.testing.assert_allclose(counts, [0, 0.25, 0.5, 0.25], atol=0.08)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300])
def test_classes_are_drawn_from_each_word_of_the_stream_once(count):
    """Words follow each other over the ends of blocks, and the next draw has words of its own."""
    stream = random.RandomStream(5, 9)
    words = random.philox(5, 9, start=0, count=4096)
    found = candidates.sample(stream, candidates.Uniform(2**16), np.zeros((1, 1)), count, False)
    assert found.classes.tolist() == (words[: 2 * count : 2] % 2**16).tolist()
    later = random.philox(5, 9, start=512 * count, count=16)
    again = candidates.sample(stream, candidates.Uniform(2**16), np.zeros((1, 1)), 8, False)
    assert again.classes.tolist() == (later[::2] % 2**16).tolist()


def test_all_classes_make_the_sampled_softmax_the_softmax():
    weights, inputs = _RNG.normal(size=(5, 3)), _RNG.normal(size=(2, 3))
    labels = np.array([[1], [4]])
    everything = sampling.all_candidate_sampler(labels, 1, 5, True)
    loss = sampling.sampled_softmax_loss(
        np.float32(weights),
        np.zeros(5, np.float32),
        labels,
        np.float32(inputs),
        5,
        5,
        sampled_values=everything,
    )
    expected = -_log_softmax(inputs @ weights.T)[np.arange(2), labels[:, 0]]
    np.testing.assert_allclose(_run(loss), expected, rtol=1e-5)


def test_nce_loss_trains():
    weights = tf.get_variable("w", [20, 4])
    biases = tf.get_variable("b", [20], initializer=tf.zeros_initializer())
    inputs = tf.constant(np.float32(_RNG.normal(size=(3, 4))))
    loss = tf.reduce_mean(sampling.nce_loss(weights, biases, [[1], [2], [5]], inputs, 6, 20))
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = [sess.run([loss, train])[0] for _ in range(40)]
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])


# Conditional random fields

UNARY = np.float32(_RNG.normal(size=(3, 4, 3)))
TRANSITIONS = np.float32(_RNG.normal(size=(3, 3)))
LENGTHS = np.array([4, 2, 1], np.int32)


def _score(unary, tags):
    steps = sum(unary[t, tag] for t, tag in enumerate(tags))
    return steps + sum(TRANSITIONS[a, b] for a, b in itertools.pairwise(tags))


def _sequences(row):
    return list(itertools.product(range(3), repeat=int(LENGTHS[row])))


def test_the_norm_is_the_sum_over_all_sequences():
    found = _run(crf.crf_log_norm(UNARY, LENGTHS, TRANSITIONS))
    expected = [
        np.log(sum(np.exp(_score(UNARY[b], tags)) for tags in _sequences(b))) for b in range(3)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_decoding_finds_the_best_sequence():
    tags, scores = _run(*crf.crf_decode(UNARY, TRANSITIONS, LENGTHS))
    for b, length in enumerate(LENGTHS):
        best = max(_sequences(b), key=lambda t: _score(UNARY[b], t))
        assert tuple(tags[b, :length]) == best
        np.testing.assert_allclose(scores[b], _score(UNARY[b], best), rtol=1e-5)
        plain, score = crf.viterbi_decode(UNARY[b, :length], TRANSITIONS)
        assert tuple(plain) == best
        np.testing.assert_allclose(score, scores[b], rtol=1e-5)


def test_the_likelihoods_of_all_sequences_add_up_to_1():
    tags = np.array(list(itertools.product(range(3), repeat=2)), np.int32)
    unary = np.repeat(UNARY[:1, :2], len(tags), 0)
    lengths = np.full(len(tags), 2, np.int32)
    found, _ = crf.crf_log_likelihood(unary, tags, lengths, tf.constant(TRANSITIONS))
    np.testing.assert_allclose(np.exp(_run(found)).sum(), 1, rtol=1e-5)


def test_one_step_needs_no_transition():
    score, norm = _run(
        crf.crf_sequence_score(UNARY[:, :1], LENGTHS[:, None] % 3, [1, 1, 0], TRANSITIONS),
        crf.crf_log_norm(UNARY[:, :1], [1, 1, 0], TRANSITIONS),
    )
    np.testing.assert_allclose(score, [UNARY[0, 0, 1], UNARY[1, 0, 2], 0], rtol=1e-6)
    assert norm[2] == 0


def test_permitted_tags_are_summed():
    allowed = np.zeros((3, 4, 3), bool)
    allowed[..., 1] = True
    found = _run(crf.crf_multitag_sequence_score(UNARY, allowed, LENGTHS, TRANSITIONS))
    expected = [_score(UNARY[b], (1,) * int(n)) for b, n in enumerate(LENGTHS)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
