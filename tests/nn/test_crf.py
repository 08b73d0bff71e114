"""Conditional random fields, against sums over all sequences of tags."""

import itertools

import pytest
import torch

from ostinato.errors import SizeError
from ostinato.nn.crf import LinearChainCRF

TAGS, STEPS = 3, 4
LENGTHS = torch.tensor([4, 1, 0, 3, 2])


def drawn(*, forbidden=0, scale=1.0):
    """A CRF with drawn scores of tags after tags, and scores of tags in each step."""
    draw = torch.Generator().manual_seed(4)
    allowed = torch.ones(TAGS + 1, TAGS + 1, dtype=torch.bool)
    places = torch.randperm(TAGS * TAGS, generator=draw)[:forbidden]
    allowed[places // TAGS, places % TAGS] = False
    crf = LinearChainCRF(TAGS, allowed=allowed)
    with torch.no_grad():
        crf.transitions.copy_(torch.randn(TAGS + 1, TAGS + 1, generator=draw))
    return crf, scale * torch.randn(len(LENGTHS), STEPS, TAGS, generator=draw)


def every_sequence(crf, scores, length):
    """All sequences of a row and their scores, one by one."""
    weights = crf.transitions.detach().double()
    if crf.forbidden is not None:
        weights = weights.masked_fill(crf.forbidden, -torch.inf)
    for tags in itertools.product(range(TAGS), repeat=length):
        path = [TAGS, *tags, TAGS]
        after = sum(float(weights[a, b]) for a, b in itertools.pairwise(path)) if tags else 0.0
        yield tags, after + sum(float(scores[k, tag]) for k, tag in enumerate(tags))


CASES = pytest.mark.parametrize("forbidden, scale", [(0, 1.0), (3, 1.0), (0, 300.0), (3, 30.0)])


@CASES
def test_the_probabilities_of_all_sequences_are_those_of_their_scores(forbidden, scale):
    crf, scores = drawn(forbidden=forbidden, scale=scale)
    totals = crf.log_partition(scores, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        listed = list(every_sequence(crf, scores[row], length))
        wanted = torch.logsumexp(torch.tensor([score for _, score in listed]).double(), 0)
        torch.testing.assert_close(totals[row].detach(), wanted, rtol=1e-6, atol=1e-6)
        for tags, score in listed:
            padded = torch.zeros(1, STEPS, dtype=torch.long)
            padded[0, :length] = torch.tensor(tags, dtype=torch.long)
            found = crf.log_likelihood(scores[row : row + 1], padded, LENGTHS[row : row + 1])
            torch.testing.assert_close(
                found[0].detach(), torch.tensor(score).double() - wanted, rtol=1e-5, atol=1e-5
            )


@CASES
def test_the_best_sequence_has_the_highest_score(forbidden, scale):
    crf, scores = drawn(forbidden=forbidden, scale=scale)
    found = crf.best(scores, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        best, _ = max(every_sequence(crf, scores[row], length), key=lambda one: one[1])
        assert tuple(found[row].tolist()) == (*best, *[0] * (STEPS - length))


@CASES
def test_marginals_add_up_the_sequences_with_a_tag(forbidden, scale):
    crf, scores = drawn(forbidden=forbidden, scale=scale)
    found = crf.marginals(scores, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        listed = list(every_sequence(crf, scores[row], length))
        weights = torch.softmax(torch.tensor([score for _, score in listed]).double(), 0)
        wanted = torch.zeros(STEPS, TAGS, dtype=torch.float64)
        for (tags, _), weight in zip(listed, weights):
            wanted[range(length), list(tags)] += weight
        torch.testing.assert_close(found[row], wanted, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_that_of_finite_differences():
    crf, scores = drawn(forbidden=2)
    tags = crf.best(scores, LENGTHS)

    def loss(scores, transitions):
        return torch.func.functional_call(
            _Likelihood(crf), {"crf.transitions": transitions}, (scores, tags, LENGTHS)
        )

    transitions = crf.transitions.detach().double().requires_grad_()
    assert torch.autograd.gradcheck(loss, (scores.double().requires_grad_(), transitions))


class _Likelihood(torch.nn.Module):
    def __init__(self, crf):
        super().__init__()
        self.crf = crf

    def forward(self, *given):
        return self.crf.log_likelihood(*given)


def test_marginals_are_computed_where_gradients_are_off():
    crf, scores = drawn()
    wanted = crf.marginals(scores, LENGTHS)
    with torch.inference_mode():
        found = crf.marginals(scores * 1, LENGTHS)
    torch.testing.assert_close(found, wanted)


def test_rows_without_steps_have_one_sequence():
    crf, _ = drawn()
    lengths = torch.zeros(2, dtype=torch.long)
    for steps in (0, 2):
        scores, tags = torch.zeros(2, steps, TAGS), torch.zeros(2, steps, dtype=torch.long)
        assert crf.log_likelihood(scores, tags, lengths).tolist() == [0.0, 0.0]
        assert crf.best(scores, lengths).tolist() == tags.tolist()
        assert not crf.marginals(scores, lengths).any()


def test_scores_after_the_end_of_a_row_change_nothing():
    crf, scores = drawn()
    tags = crf.best(scores, LENGTHS)
    wanted = crf.log_likelihood(scores, tags, LENGTHS)
    after = torch.arange(STEPS) >= LENGTHS[:, None]
    other = scores.masked_fill(after[..., None], 7.0)
    assert torch.equal(crf.log_likelihood(other, tags.masked_fill(after, 2), LENGTHS), wanted)


def test_allowed_of_another_shape_is_refused():
    with pytest.raises(SizeError, match=r"allowed has shape \(3, 3\); with 3 tags give \(4, 4\)"):
        LinearChainCRF(3, allowed=torch.ones(3, 3, dtype=torch.bool))
