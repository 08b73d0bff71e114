"""Precision and recall of labels, intervals of accuracies, and calibration."""

import numpy as np
import pytest
import torch

from ostinato.errors import InputError
from ostinato.training.reliability import accuracy_interval, calibration, per_label


def test_precision_recall_and_f1_are_those_of_scikit_learn_on_the_rows():
    from sklearn.metrics import f1_score, precision_score, recall_score

    random = np.random.default_rng(0)
    true, predicted = random.integers(0, 5, 200), random.integers(0, 5, 200)
    counts = np.zeros((5, 5), np.int64)
    np.add.at(counts, (true, predicted), 1)
    precision, recall, f1, count = zip(*per_label(counts))
    wanted = [score(true, predicted, average=None) for score in (precision_score, recall_score)]
    np.testing.assert_allclose([precision, recall], wanted, rtol=1e-12)
    np.testing.assert_allclose(f1, f1_score(true, predicted, average=None), rtol=1e-12)
    assert list(count) == np.bincount(true).tolist()


def test_a_label_without_rows_or_predictions_has_no_precision_or_recall():
    assert per_label(np.array([[2, 0, 1], [0, 0, 0], [0, 0, 0]])) == [
        (1.0, 2 / 3, 0.8, 3),
        (None, None, None, 0),
        (0.0, None, 0.0, 0),
    ]


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("size", [1, 30])
def test_the_interval_contains_the_accuracy_about_as_often_as_it_says(accuracy, size):
    """Groups of one, and groups whose items are all right or all wrong."""
    random, groups, runs = np.random.default_rng(1), 60, 2000
    inside = 0
    for _ in range(runs):
        right = size * (random.random(groups) < accuracy)
        low, high = accuracy_interval(right, [size] * groups)
        assert 0 <= low <= right.sum() / size / groups <= high <= 1
        inside += low <= accuracy <= high
    assert inside / runs > 0.92


def test_dependent_words_make_the_interval_wider():
    alone = accuracy_interval([1, 0] * 50, [1] * 100)
    together = accuracy_interval([10, 0] * 5, [10] * 10)
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_the_interval_of_nothing_is_none_and_of_one_is_wide():
    assert accuracy_interval([], []) is None and accuracy_interval([0], [0]) is None
    low, high = accuracy_interval([1], [1])
    assert low < 0.3 and high == 1


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="give one for each group"):
        accuracy_interval([2], [1])
    with pytest.raises(InputError, match=r"probabilities of shape \(1,\) for \(2,\) predictions"):
        calibration([0.5], [True, False])
    with pytest.raises(InputError, match="give one from 0 to 1"):
        calibration([1.5], [True])


def test_the_calibration_error_is_that_of_torchmetrics():
    from torchmetrics.functional.classification import binary_calibration_error

    random = np.random.default_rng(2)
    sure = random.random(500)
    right = random.random(500) < sure**2
    found = calibration(sure, right)
    wanted = binary_calibration_error(torch.from_numpy(sure), torch.from_numpy(right), n_bins=10)
    assert found.error == pytest.approx(float(wanted), abs=1e-5)
    assert sum(found.counts) == 500 and len(found.counts) == 10


def test_probabilities_of_0_and_1_have_a_bin_and_nothing_has_none():
    found = calibration([0.0, 1.0], [False, True])
    assert (found.counts, found.error) == ([1, 1], 0.0)
    assert calibration([], []) is None
