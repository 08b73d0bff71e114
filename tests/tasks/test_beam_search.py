"""Beam search, held against trying all sequences there are."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.errors import InputError
from ostinato.tasks.beam_search import _greatest, beam_search, penalty

V, START, END, LENGTH = 4, 0, 3, 4
seeds = st.integers(0, 10**6)


def model(seed, rows=1):
    """The continuation of two tokens, by row: (rows, V, V, V) log-probabilities; some models are
    sure and some are not.
    """
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, V, V, V, generator=random, dtype=torch.float64)
    return (logits * (0.3 + 3 * torch.rand(1, generator=random).double())).log_softmax(-1)


def step_of(table, looks=False):
    """A step whose state is the row and the token before the last one, so that a state in a wrong
    place shows.
    """

    def step(tokens, states):
        row, (before,) = states
        weights = torch.stack([row, before, tokens], 1).double() if looks else None
        return table[row, before, tokens], (row, (tokens,)), weights

    return step


def search(table, **others):
    rows = len(table)
    states = torch.arange(rows), (torch.full((rows,), START),)
    return beam_search(
        states,
        step_of(table, others.pop("looks", False)),
        **({"batch": rows, "start": START, "end": END, "length": LENGTH} | others),
    )


def all_sequences(table, row, length_norm, length=LENGTH):
    """Every sequence that ends, or has the greatest length, as score, tokens and whether it ends;
    the best first.
    """
    found = []
    for steps in range(1, length + 1):
        for tokens in itertools.product(range(V), repeat=steps):
            if END in tokens[:-1] or (steps < length and tokens[-1] != END):
                continue
            written = [START, START, *tokens]
            total = sum(
                table[row, a, b, c].item() for a, b, c in zip(written, written[1:], written[2:])
            )
            found.append(
                (
                    total / ((5 + steps) / 6) ** length_norm,
                    [t for t in tokens if t != END],
                    tokens[-1] == END,
                )
            )
    return sorted(found, key=lambda one: -one[0])


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([0.0, 0.6, 1.0, 3.0]))
def test_a_beam_wide_enough_finds_the_best_of_all_sequences(seed, length_norm):
    table = model(seed, rows=2)
    found = search(table, beams=V**LENGTH, length_norm=length_norm, best=6)
    for row in range(2):
        wanted = all_sequences(table, row, length_norm)
        assert [h.score for h in found[row]] == pytest.approx([score for score, _, _ in wanted[:6]])
        # sequences of the same transitions in another order have the same score, so each is looked
        # up
        scores = {(*tokens, *[END] * ended): score for score, tokens, ended in wanted}
        sequences = [(*h.tokens, *[END] * h.ended) for h in found[row]]
        assert len(set(sequences)) == 6 and [scores[one] for one in sequences] == pytest.approx(
            [h.score for h in found[row]]
        )


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_one_beam_takes_the_likeliest_token_at_each_step(seed):
    table = model(seed)
    tokens, before, last, total = [], START, START, 0.0
    for _ in range(LENGTH):
        before, (last, following) = (
            last,
            (int(table[0, before, last].argmax()), table[0, before, last].max().item()),
        )
        total += following
        tokens.append(last)
        if last == END:
            break
    (hypothesis,) = search(table, beams=1)[0]
    assert hypothesis.tokens == [t for t in tokens if t != END] and hypothesis.ended == (
        tokens[-1] == END
    )
    assert hypothesis.score == pytest.approx(total / penalty(len(tokens), 0.6))


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 5))
def test_what_a_row_gives_does_not_depend_on_the_rows_next_to_it(seed, beams):
    table = model(seed, rows=4)
    together = search(table, beams=beams, best=beams)
    for row in range(4):
        assert together[row] == search(table[row : row + 1], beams=beams, best=beams)[0]


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 5))
def test_stopping_early_changes_nothing(seed, beams):
    table = model(seed, rows=3)
    # a last row that never ends keeps the search going to the greatest length
    endless = torch.full_like(table[:1], -math.log(V - 1))
    endless[..., END] = -torch.inf
    long = {"length": 12, "beams": beams}
    assert search(table, **long) == search(torch.cat([table, endless]), **long)[:3]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.sampled_from([-torch.inf, -2.0, -1.0, 0.0]), min_size=9, max_size=9),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 9),
)
def test_of_equal_values_the_earlier_are_taken_first(rows, count):
    found, places = _greatest(torch.tensor(rows), count)
    for row, values, order in zip(rows, found.tolist(), places.tolist()):
        wanted = sorted(range(9), key=lambda k: -row[k])[:count]
        assert values == [row[k] for k in wanted]
        # of what is impossible it does not matter which
        assert [k for k in order if row[k] > -torch.inf] == [
            k for k in wanted if row[k] > -torch.inf
        ]


def test_where_all_tokens_are_alike_the_smallest_come_first():
    table = torch.full((1, V, V, V), -math.log(V))
    found = search(table, beams=4, length=2, best=4, end=None)[0]
    assert [h.tokens for h in found] == [[0, 0], [0, 1], [0, 2], [0, 3]]


def test_attention_goes_with_the_tokens_that_it_was_for():
    table = model(5, rows=3)
    for row, found in enumerate(search(table, beams=3, best=3, looks=True)):
        for hypothesis in found:
            written = [START, START, *hypothesis.tokens]
            wanted = [[row, a, b] for a, b in zip(written, written[1:])][: len(hypothesis.tokens)]
            assert hypothesis.attention.tolist() == wanted


def test_states_may_have_their_rows_in_the_second_dimension():
    table = model(7, rows=2)

    def step(tokens, states):
        ((row, before),) = states
        return table[row, before, tokens], (torch.stack([row, tokens]),), None

    states = (torch.stack([torch.arange(2), torch.full((2,), START)]),)
    found = beam_search(
        states, step, batch=2, start=START, end=END, length=LENGTH, beams=3, dimension=1
    )
    assert found == search(table, beams=3)


def test_each_row_may_start_with_a_token_of_its_own():
    table = torch.eye(V).roll(1, 1).log()
    found = beam_search(
        None,
        lambda tokens, _: (table[tokens], None, None),
        batch=2,
        start=torch.tensor([1, 2]),
        end=END,
        length=9,
        beams=2,
    )
    assert [[h.tokens for h in row] for row in found] == [[[2]], [[]]]


def test_without_an_end_all_have_the_greatest_length():
    found = search(model(3), end=None, length=6, beams=2, best=2)[0]
    assert [len(h.tokens) for h in found] == [6, 6] and not any(h.ended for h in found)


def test_there_may_be_fewer_sequences_than_asked_for():
    only = torch.full((1, V, V, V), -torch.inf)
    only[..., END] = 0.0
    (hypothesis,) = search(only, beams=3, best=3, looks=True)[0]
    assert (
        hypothesis.tokens == []
        and hypothesis.ended
        and hypothesis.score == 0
        and hypothesis.attention.shape == (0, 3)
    )


def test_no_rows_give_nothing():
    assert search(model(0)[:0]) == []


def test_length_normalisation_is_the_papers():
    assert penalty(1, 0.6) == 1 and penalty(7, 1.0) == 2 and penalty(7, 0.0) == 1


def test_arguments_out_of_range_are_refused():
    for name in ("beams", "length", "best"):
        with pytest.raises(InputError, match=f"{name}=0: write a whole number from 1"):
            search(model(0), **{name: 0})
    with pytest.raises(InputError, match="best=3 of beams=2: .* write beams=3"):
        search(model(0), beams=2, best=3)
    with pytest.raises(
        InputError, match="length_norm=-1: write a number from 0 to 10, such as 0.6"
    ):
        search(model(0), length_norm=-1)
    with pytest.raises(
        InputError, match="not numbers .nan.; train it again with a smaller learning rate"
    ):
        search(model(0) * torch.nan)
