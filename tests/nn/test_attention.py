"""Attention: what it gives, for one step and for all, and what it makes of places that there are
not.
"""

import pytest
import torch

from ostinato.errors import ArgumentTypeError, SizeError
from ostinato.nn.attention import Bahdanau, Luong

KINDS = {"luong": lambda: Luong(3, 4).double(), "bahdanau": lambda: Bahdanau(3, 4, 6).double()}


@pytest.fixture(params=KINDS)
def attention(request):
    return KINDS[request.param]()


def tensors(*shapes):
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_luong_is_its_equation(close):
    attention = KINDS["luong"]()
    q, memory = tensors((2, 3), (2, 5, 4))
    context, weights = attention(q, attention.keys(memory), memory)
    scores = torch.stack(
        [
            torch.stack([q[b] @ attention.key.weight @ memory[b, s] for s in range(5)])
            for b in range(2)
        ]
    )
    close(weights, scores.softmax(1))
    close(context, torch.einsum("bs,bsm->bm", scores.softmax(1), memory))


def test_bahdanau_is_its_equation(close):
    attention = KINDS["bahdanau"]()
    q, memory = tensors((2, 3), (2, 5, 4))
    context, weights = attention(q, attention.keys(memory), memory)
    W, bias, U, v = (
        attention.query.weight,
        attention.query.bias,
        attention.key.weight,
        attention.score.weight[0],
    )
    scores = torch.stack(
        [
            torch.stack([v @ torch.tanh(W @ q[b] + bias + U @ memory[b, s]) for s in range(5)])
            for b in range(2)
        ]
    )
    close(weights, scores.softmax(1))
    close(context, torch.einsum("bs,bsm->bm", scores.softmax(1), memory))


def test_all_steps_at_once_give_what_each_gives(attention, close):
    q, memory = tensors((2, 7, 3), (2, 5, 4))
    keys, mask = attention.keys(memory), torch.arange(5) < torch.tensor([[5], [2]])
    contexts, weights = attention(q, keys, memory, mask)
    for t in range(7):
        context, weight = attention(q[:, t], keys, memory, mask)
        close(contexts[:, t], context)
        close(weights[:, t], weight)


def test_places_that_there_are_not_get_nothing_and_change_nothing(attention, close):
    q, memory = tensors((2, 3), (2, 5, 4))
    mask = torch.tensor([[True, True, True, False, False]] * 2)
    context, weights = attention(q, attention.keys(memory), memory, mask)
    short = memory[:, :3]
    wanted, of_short = attention(q, attention.keys(short), short)
    close(context, wanted)
    close(weights[:, :3], of_short)
    assert (weights[:, 3:] == 0).all()


def test_a_row_without_places_gets_zeros_and_gives_no_nan(attention, close):
    q, memory = tensors((2, 7, 3), (2, 5, 4))
    context, weights = attention(
        q, attention.keys(memory), memory, torch.tensor([[True] * 5, [False] * 5])
    )
    assert (context[1] == 0).all() and (weights[1] == 0).all()
    close(weights[0].sum(1), torch.ones(7, dtype=torch.float64))
    context.sum().backward()
    for tensor in (q, memory, *attention.parameters()):
        assert tensor.grad.isfinite().all()


def test_gradients_are_right(attention):
    q, memory = tensors((2, 2, 3), (2, 3, 4))
    mask = torch.tensor([[True, True, False], [False] * 3])
    assert torch.autograd.gradcheck(
        lambda q, memory: attention(q, attention.keys(memory), memory, mask), (q, memory)
    )


def test_what_does_not_fit_is_refused(attention):
    q, memory = tensors((2, 3), (2, 5, 4))
    keys = attention.keys(memory)
    with pytest.raises(
        SizeError, match=r"a query of \(2, 4\) and a memory of \(2, 5, 4\); it needs \(batch, 3\)"
    ):
        attention(torch.zeros(2, 4, dtype=torch.float64), keys, memory)
    with pytest.raises(
        SizeError, match=r"a mask of torch.bool, \(2, 4\); it needs a boolean mask of \(2, 5\)"
    ):
        attention(q, keys, memory, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ArgumentTypeError, match="given Tensor, Tensor, list; it needs tensors"):
        attention(q, keys, memory.tolist())
    with pytest.raises(SizeError, match="write torch.arange"):
        attention(q, keys, memory, torch.ones(2, 5))


def test_it_shows_its_sizes():
    assert "Luong(\n  3, 4" in repr(Luong(3, 4))
