"""tf.metrics: sums over batches, against NumPy."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import SizeError

LABELS = np.array([[1, 0, 2, 2], [0, 0, 1, 2]], np.int64)
GUESSES = np.array([[1, 0, 1, 2], [0, 2, 0, 2]], np.int64)
WEIGHTS = np.array([[1, 0.5, 2, 1], [0, 1, 1, 3]], np.float32)


def _after_both_rows(metric, labels, guesses, weights=None):
    """The value before the first row, the updates of both rows, and the value after them."""
    fed = [tf.placeholder(labels.dtype, [None]), tf.placeholder(guesses.dtype, [None])]
    fed += [tf.placeholder(tf.float32, [None])] if weights is not None else []
    value, update = metric(*fed)
    rows = zip(labels, guesses, weights) if weights is not None else zip(labels, guesses)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        first = sess.run(value)
        updates = [sess.run(update, dict(zip(fed, row))) for row in rows]
        return first, updates, sess.run(value)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    "name, of",
    [
        ("accuracy", lambda e: e == 0),
        ("mean_absolute_error", abs),
        ("mean_squared_error", np.square),
        ("root_mean_squared_error", np.square),
    ],
)
def test_a_mean_is_over_all_rows_so_far(name, of, weights):
    root = np.sqrt if name.startswith("root") else lambda x: x
    errors, w = of(GUESSES - LABELS), np.ones_like(WEIGHTS) if weights is None else weights
    exact = name == "accuracy"
    labels, guesses = (a if exact else np.float32(a) for a in (LABELS, GUESSES))
    first, updates, last = _after_both_rows(getattr(tf.metrics, name), labels, guesses, weights)
    wanted = [root((w * errors)[:n].sum() / w[:n].sum()) for n in (1, 2)]
    assert first == 0 and last == updates[1]
    assert updates == pytest.approx(wanted)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_counts_of_true_and_false_cases_give_precision_and_recall(weights):
    labels, guesses = LABELS > 0, GUESSES > 0
    w = np.ones_like(WEIGHTS) if weights is None else weights
    found = {}
    for name in ("true_positives", "false_positives", "false_negatives", "true_negatives"):
        found[name] = _after_both_rows(getattr(tf.metrics, name), labels, guesses, weights)[2]
    assert found == {
        "true_positives": (w * (labels & guesses)).sum(),
        "false_positives": (w * (~labels & guesses)).sum(),
        "false_negatives": (w * (labels & ~guesses)).sum(),
        "true_negatives": (w * (~labels & ~guesses)).sum(),
    }
    for name, other in (("precision", "false_positives"), ("recall", "false_negatives")):
        value = _after_both_rows(getattr(tf.metrics, name), labels, guesses, weights)[2]
        assert value == np.float32(found["true_positives"]) / np.float32(
            found["true_positives"] + found[other]
        )


def test_variables_are_local_and_names_are_tensorflows():
    value, update = tf.metrics.accuracy([[1], [2]], [1, 2], metrics_collections=["m"])
    assert [v.name for v in tf.local_variables()] == ["accuracy/total:0", "accuracy/count:0"]
    assert not tf.global_variables() and tf.get_collection("m") == [value]
    assert (value.name, update.name) == ("accuracy/value:0", "accuracy/update_op:0")


def test_predictions_of_another_shape_are_an_error():
    with pytest.raises(SizeError, match="one prediction for each label"):
        tf.metrics.accuracy(tf.ones([3]), tf.ones([2]))


@pytest.mark.parametrize("shape", [None, (2, 4), (2, 4, 1)])
@pytest.mark.parametrize("known", [True, False])
def test_weights_may_have_a_last_dimension_more_or_less(shape, known):
    labels, guesses = np.float32(LABELS)[..., None], np.float32(GUESSES)[..., None]
    weights = np.float32(0.5) if shape is None else WEIGHTS.reshape(shape)
    fed = [tf.placeholder(tf.float32, v.shape if known else None) for v in (guesses, weights)]
    updates = [
        tf.metrics.mean_absolute_error(labels, *fed)[1],
        tf.metrics.mean_absolute_error(labels[..., 0], fed[0], fed[1])[1],
        tf.metrics.mean(fed[0], fed[1])[1],
    ]
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        found = sess.run(updates, dict(zip(fed, (guesses, weights))))
    each = WEIGHTS if shape else np.full_like(WEIGHTS, 0.5)
    error = (each * abs(LABELS - GUESSES)).sum() / each.sum()
    assert found == pytest.approx([error, error, (each * GUESSES).sum() / each.sum()])


@pytest.mark.parametrize("count", [tf.metrics.true_positives, tf.metrics.precision])
def test_weights_that_would_repeat_predictions_are_an_error(count):
    with pytest.raises(SizeError, match="one for each prediction"):
        count(LABELS[0] > 0, GUESSES[0] > 0, np.ones([3, 2, 4], np.float32))
