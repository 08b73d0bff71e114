"""The mean of a network and a linear model, and the weight of each."""

import pytest
import torch

from ostinato.tasks.linear_model import best_weight, mean_of

LABELS = torch.arange(200) % 2


def scores(right: float, sure: float = 2.0) -> torch.Tensor:
    """Scores that are right for this share of the rows, spaced evenly."""
    wrong = torch.arange(200) * right % 1 + right < 1
    rows = torch.nn.functional.one_hot(torch.where(wrong, 1 - LABELS, LABELS), 2)
    return sure * rows.double()


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_mean_is_that_of_probabilities(weight):
    one, other = torch.randn(5, 3), torch.randn(5, 3).double()
    wanted = (1 - weight) * one.double().softmax(1) + weight * other.softmax(1)
    torch.testing.assert_close(mean_of(one, other, weight).exp(), wanted)


@pytest.mark.parametrize(
    "network, linear, low, high",
    [
        (0.95, 0.5, 0.0, 0.3),
        (0.5, 0.95, 0.7, 1.0),
        (0.9, 0.9, 0.3, 0.7),
    ],
)
def test_the_better_model_has_more_weight(network, linear, low, high):
    assert low <= best_weight(scores(network), scores(linear), LABELS) <= high


@pytest.mark.parametrize("rows, weight", [(200, 0.5), (40, 0.5), (20, 0.6), (1, 0.6)])
def test_without_evidence_the_weight_is_the_default(rows, weight):
    one = scores(0.8)[:rows]
    assert best_weight(one, one, LABELS[:rows]) == weight


@pytest.mark.parametrize("rows", [3, 7])
def test_a_surer_model_has_no_more_weight_where_both_are_right(rows):
    sure, less = (scores(1.0, factor)[:rows] for factor in (6.0, 2.0))
    assert best_weight(sure, less, LABELS[:rows]) == best_weight(less, sure, LABELS[:rows]) == 0.6


def test_few_rows_do_not_save_a_linear_model_that_is_wrong_on_each():
    one = scores(1.0)[:5]
    assert best_weight(one, -one, LABELS[:5]) <= 0.2 and best_weight(-one, one, LABELS[:5]) >= 0.8


@pytest.mark.parametrize("rows", [1, 20, 200])
def test_without_evidence_a_preferred_linear_model_is_used_alone(rows):
    one = scores(0.8)[:rows]
    assert best_weight(one, one, LABELS[:rows], prefer_linear=True) == 1.0


@pytest.mark.parametrize("many", [1, 5])
@pytest.mark.parametrize("seed", range(3))
def test_a_preferred_linear_model_has_the_largest_weight_within_a_nat_of_all_rows(many, seed):
    random = torch.Generator().manual_seed(seed)
    one, other = torch.randn(2, 200, 2, generator=random).double()
    one += scores(1.0, 1.5)
    other += scores(1.0, 1.0)
    one, other, labels = one.repeat(many, 1), other.repeat(many, 1), LABELS.repeat(many)
    steps = [k / 10 for k in range(11)]
    each = [
        float(
            -((1 - w) * one.softmax(1) + w * other.softmax(1))[range(len(labels)), labels]
            .log()
            .sum()
        )
        for w in steps
    ]
    wanted = max(w for w, nats in zip(steps, each) if nats <= min(each) + 1)
    assert best_weight(one, other, labels, prefer_linear=True) == wanted < 1


def test_a_network_that_is_clearly_better_is_used_next_to_a_preferred_linear_model():
    good, bad = scores(0.95), scores(0.6)
    assert best_weight(good, bad, LABELS, prefer_linear=True) <= 0.3
    assert best_weight(bad, good, LABELS, prefer_linear=True) == 1.0


def test_a_model_that_is_certain_and_wrong_has_no_weight():
    certain = torch.where(scores(1.0) > 0, -torch.inf, 0.0)
    assert best_weight(certain, scores(0.9), LABELS) == 1.0
