"""Calls that skip the checks: tensors that begin or cease to need a gradient are seen."""

import copy
import itertools

import pytest
import torch

from ostinato import GRU, LSTM, Recurrent

B, T = 4, 6
LAYERS = {
    "small": lambda: GRU(3, 5),
    "large": lambda: GRU(64, 128),
    "two layers": lambda: LSTM(3, 5, num_layers=2),
    "both directions": lambda: LSTM(3, 5, bidirectional=True),
    "learned state": lambda: Recurrent("gru", 3, 5, batch_first=False, learned_state=True),
}


def gradients(layer, x, state, leaves):
    """The gradients of those leaves that need one; None where the output has no derivative."""
    output, final = layer(x, state)
    final = final if isinstance(final, tuple) else (final,)
    total = sum(y.square().sum() for y in (output, *final))
    asked = [t for t in leaves if t.requires_grad]
    assert total.requires_grad is bool(asked)
    return torch.autograd.grad(total, asked) if asked else None


@pytest.mark.parametrize("lengths", [None, [6, 0, 3, 1]], ids=["full", "ragged"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_tensor_may_begin_and_cease_to_need_a_gradient(name, lengths, close):
    layer = LAYERS[name]().requires_grad_(False)
    reference = copy.deepcopy(layer)
    reference.engine = "reference"
    rows = layer.num_layers * layer.num_directions
    states = [torch.randn(rows, B, layer.hidden_size) for _ in layer.cell.graph.states]
    x = torch.randn(T, B, layer.input_size)
    state = None if layer.learned_state else tuple(states) if len(states) > 1 else states[0]
    given = [] if state is None else states
    pairs = [*zip(layer.parameters(), reference.parameters()), (x, x), *zip(given, given)]

    def compare():
        ours, wanted = (
            gradients(
                lambda x, state, of=of: of(x, state, lengths=lengths),
                x,
                state,
                [p[k] for p in pairs],
            )
            for k, of in enumerate((layer, reference))
        )
        assert (ours is None) is (wanted is None)
        for d, want in zip(ours or (), wanted or ()):
            close(d, want)

    compare()
    compare()
    for pair, needed in itertools.product(pairs, (True, False)):
        for t in pair:
            t.requires_grad_(needed)
        compare()
        compare()
        with torch.no_grad():
            assert not layer(x, state, lengths=lengths)[0].requires_grad


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_was_frozen_learns_once_it_is_unfrozen(name):
    layer = LAYERS[name]().requires_grad_(False)
    x = torch.randn(T, B, layer.input_size)
    before = [layer(x)[0] for _ in range(3)][-1]
    layer.requires_grad_(True)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    layer(x)[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
    optimizer.step()
    assert not torch.equal(layer(x)[0], before)
