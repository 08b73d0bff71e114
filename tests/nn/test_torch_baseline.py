"""The torch.nn baseline of a layer: the same numbers, gradients and form of the results."""

import pytest
import torch

from ostinato import GRU, LSTM, RNN, Recurrent
from ostinato.cells import lstm
from ostinato.errors import InputError, SizeError
from ostinato.nn.torch_baseline import TorchBaseline, make_layer, torch_baseline

CELLS = ("elman", "lstm", "gru")
LENGTHS = {
    "none": None,
    "full": [5, 5, 5],
    "ragged": [2, 5, 3],
    "with an empty row": [3, 0, 5],
    "all empty": [0, 0, 0],
}


def pair(cell, **others):
    layer = Recurrent(cell, 3, 4, **others).double()
    return layer, torch_baseline(layer)


def states_of(layer, batch=3):
    return tuple(torch.randn_like(s).requires_grad_() for s in layer.initial_state(batch))


def same(found, wanted, close):
    """Assert that outputs and states are as near as they should be, and of one form."""
    (output, ends), (wanted_output, states) = found, wanted
    close(output, wanted_output)
    assert type(ends) is type(states) and len(ends) == len(states)
    for end, state in zip(ends, states):
        close(end, state)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("cell", CELLS)
def test_output_states_and_gradients_are_those_of_our_layer(cell, bidirectional, lengths, close):
    layer, baseline = pair(cell, num_layers=2, bidirectional=bidirectional)
    x, given = torch.randn(3, 5, 3, dtype=torch.float64, requires_grad=True), states_of(layer)
    found = []
    for module in (layer, baseline):
        output, ends = module(x, given, lengths)
        total = (output * torch.arange(output.numel()).reshape(output.shape)).sum() + sum(
            s.square().sum() for s in ends
        )
        found.append((output, *ends, *torch.autograd.grad(total, (x, *given))))
    for ours, theirs in zip(*found, strict=True):
        close(theirs, ours)


@pytest.mark.parametrize("cell", CELLS)
def test_without_a_state_both_start_from_zero(cell, close):
    layer, baseline = pair(cell)
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    for lengths in LENGTHS.values():
        same(baseline(x, lengths=lengths), layer(x, lengths=lengths), close)


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_of_learning_changes_both_alike(cell, close):
    layer, baseline = pair(cell)
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    for module in (layer, baseline):
        optimiser = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], 0.1)
        module(x)[0].square().sum().backward()
        optimiser.step()
    close(baseline(x)[0], layer(x)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_both_have_as_many_parameters_to_learn(cell):
    layer, baseline = pair(cell, num_layers=2, bidirectional=True)
    ours, theirs = (
        sum(p.numel() for p in module.parameters() if p.requires_grad)
        for module in (layer, baseline)
    )
    assert ours == theirs


def test_the_baseline_has_weights_of_its_own():
    layer, baseline = pair("lstm")
    before = layer.W_l0.clone()
    with torch.no_grad():
        baseline.layer.weight_ih_l0.zero_()
    assert torch.equal(layer.W_l0, before)


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
@pytest.mark.parametrize("batch_first", [False, True])
def test_layers_under_torchs_names_have_baselines_that_return_the_same_form(
    kind, batch_first, close
):
    layer = kind(3, 4, batch_first=batch_first).double()
    baseline = torch_baseline(layer)
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    lengths = [1, 0, 3] if batch_first else [1, 0, 3, 2, 3]
    same(baseline(x, lengths=lengths), layer(x, lengths=lengths), close)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_gives_what_the_whole_sequence_gives(cell, close):
    layer, baseline = pair(cell)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    stream = baseline.stream(2)
    close(torch.stack([stream.step(x[:, t]) for t in range(5)], 1), layer(x)[0])
    for ours, theirs in zip(stream.state, layer(x)[1]):
        close(ours, theirs)


def test_what_a_task_asks_a_layer_for_is_there():
    layer, baseline = pair("gru", num_layers=2, bidirectional=True)
    for name in (
        "input_size",
        "hidden_size",
        "num_layers",
        "bidirectional",
        "batch_first",
        "output_size",
    ):
        assert getattr(baseline, name) == getattr(layer, name)
    assert [s.shape for s in baseline.initial_state(7)] == [s.shape for s in layer.initial_state(7)]


def test_a_layer_is_made_by_the_name_of_its_engine():
    assert isinstance(make_layer("lstm", 3, 4, engine="torch"), TorchBaseline)
    assert make_layer("lstm", 3, 4, engine="reference").engine == "reference"
    assert make_layer("lstm_projected", 3, 4).output_size == 2
    assert (
        make_layer("gru", 3, 4, 2, dropout=0.5).dropout == 0.5
        and make_layer("gru", 3, 4, dropout=0.5).dropout == 0
    )


def test_what_torch_has_no_layer_for_is_refused():
    with pytest.raises(
        InputError,
        match="engine='torch' does not support the cell 'min_gru': torch.nn has elman, lstm, gru",
    ):
        torch_baseline(Recurrent("min_gru", 3, 4))
    with pytest.raises(
        InputError, match="engine='torch' does not support the cell 'lstm' with other constants"
    ):
        torch_baseline(Recurrent(lstm.with_constants(forget_bias=1.0), 3, 4))
    with pytest.raises(InputError, match="learned_state=True: torch.nn's layers start from 0"):
        torch_baseline(Recurrent("lstm", 3, 4, learned_state=True))
    with pytest.raises(
        InputError, match="bidirectional=True: the reverse direction starts at the last step"
    ):
        torch_baseline(Recurrent("lstm", 3, 4, bidirectional=True)).stream()
    with pytest.raises(SizeError, match="lengths go from 1 to 9 and the sequences have 5"):
        pair("lstm")[1](torch.zeros(2, 5, 3, dtype=torch.float64), lengths=[1, 9])
