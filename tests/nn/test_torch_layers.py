"""Layers: every cell on every engine, torch.nn's layers on the same weights, ragged batches,
streams, and arguments.
"""

import copy
import functools
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import ostinato
from odd_cells import faded, read_out, timed
from ostinato import GRU, LSTM, RNN, Recurrent, cell, split, state, tanh, weight
from ostinato import input as further_input
from ostinato.cells import elman
from ostinato.cells.classic import CELLS
from ostinato.errors import ArgumentTypeError, InputError, SizeError, TensorError
from ostinato.language.initialisers import INITIALISERS, initialise

pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported with oneDNN:UserWarning"
)

DTYPES = [torch.float32, torch.float64]
STEPS, LENGTHS = 5, [3, 0, 5, 1]


EVERY_CELL = CELLS | {c.name: c for c in (timed, read_out)}


# One unit has no variance: layer norm divides by sqrt(epsilon) there, and its gradients are
# differences of numbers 300 times too large for float32. A larger epsilon leaves everything else to
# be tested.
AT_ONE_UNIT = {"layer_norm_lstm": {"epsilon": 1.0}}


def make(name, size, **options):
    """A layer of a cell with all its letters at about one size."""
    made = EVERY_CELL[name].with_constants(**AT_ONE_UNIT.get(name, {}) if size == 1 else {})
    letters = {
        letter: (size + 1) // 2
        for letter in (made.graph.letters | made.graph.output.size.letters) - {"I", "H"}
    }
    return Recurrent(made, size, size, sizes=letters, **options)


def padded(layer, lengths, steps=STEPS, dtype=torch.float64):
    """An input and states for a layer; the padding is NaN, which nothing may read."""
    graph, letters = layer.cell.graph, {"I": layer.input_size, "H": layer.hidden_size} | layer.sizes
    past = torch.arange(steps)[None] >= torch.tensor(lengths)[:, None]
    inputs = [
        torch.randn(len(lengths), steps, size.at(letters), dtype=dtype)
        for size in graph.inputs.values()
    ]
    inputs = [x.masked_fill(past[..., None], torch.nan) for x in inputs]
    runs = layer.num_layers * layer.num_directions
    states = [
        torch.randn(runs, len(lengths), size.at(letters), dtype=dtype)
        for size in graph.states.values()
    ]
    return inputs, states


def results(layer, inputs, states, lengths, dtype, weighing=None):
    """Output, states and the gradient of everything, by name.

    Args:
        weighing: What the output and states are weighed with before the sum that is differentiated.
    """
    inputs, states = (
        [v.detach().to(dtype).requires_grad_() for v in values] for values in (inputs, states)
    )
    output, ends = layer(tuple(inputs), tuple(states), lengths)
    ends = ends if isinstance(ends, tuple) else (ends,)
    values = [output, *ends]
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (v * torch.randn(v.shape, generator=generator, dtype=torch.float64).to(dtype)).sum()
        for v in values
    )
    leaves = (
        {f"input {i}": x for i, x in enumerate(inputs)}
        | {f"state {i}": s for i, s in enumerate(states)}
        | dict(layer.named_parameters())
    )
    gradients = torch.autograd.grad(total, list(leaves.values()), materialize_grads=True)
    found = {"output": output} | {f"end {i}": e for i, e in enumerate(ends)}
    return {k: v.detach() for k, v in found.items()} | {
        f"gradient of {k}": g for k, g in zip(leaves, gradients)
    }


@functools.cache
def truth(name, size, num_layers, bidirectional):
    """The layer in float64, what it is given, and what the reference engine makes of it."""
    torch.manual_seed(2)
    layer = make(
        name,
        size,
        num_layers=num_layers,
        bidirectional=bidirectional,
        engine="reference",
        dtype=torch.float64,
    )
    inputs, states = padded(layer, LENGTHS)
    return layer, inputs, states, results(layer, inputs, states, LENGTHS, torch.float64)


# ---------------------------------------------------------------- every cell


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 7, 63])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", EVERY_CELL)
def test_every_cell_agrees_with_the_reference_in_float64(
    name, dtype, size, num_layers, bidirectional, engine, close
):
    layer, inputs, states, wanted = truth(name, size, num_layers, bidirectional)
    layer = copy.deepcopy(layer).to(dtype)
    layer.engine = engine
    found = results(layer, inputs, states, LENGTHS, dtype)
    assert found.keys() == wanted.keys()
    for key, value in found.items():
        assert value.dtype == dtype, key
        close(value, wanted[key])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", EVERY_CELL)
def test_a_ragged_batch_is_each_row_alone(name, bidirectional, engine, close):
    layer = make(
        name, 4, num_layers=2, bidirectional=bidirectional, engine=engine, dtype=torch.float64
    )
    inputs, states = padded(layer, LENGTHS)
    output, ends = layer(tuple(inputs), tuple(states), LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = tuple(x[row : row + 1, :length] for x in inputs)
        wanted, wanted_ends = layer(alone, tuple(s[:, row : row + 1] for s in states))
        close(output[row : row + 1, :length], wanted)
        assert (output[row, length:] == 0).all()
        for end, wanted_end in zip(ends, wanted_ends):
            close(end[:, row : row + 1], wanted_end)
    empty = LENGTHS.index(0)
    for end, start in zip(ends, states):
        assert torch.equal(end[:, empty], start[:, empty])


def functional(layer, inputs, states, lengths):
    """The layer as a function of its inputs, states and parameters, for gradcheck."""
    names, parameters = zip(*layer.named_parameters())
    count = len(inputs)

    def run(*leaves):
        given = (
            leaves[:count],
            leaves[count : count + len(states)],
            dict(zip(names, leaves[count + len(states) :])),
        )
        output, ends = torch.func.functional_call(layer, given[2], (given[0], given[1], lengths))
        return output, *ends

    return run, tuple(v.detach().requires_grad_() for v in (*inputs, *states, *parameters))


@pytest.mark.parametrize("name", EVERY_CELL)
def test_gradients_are_finite_differences(name, engine):
    layer = make(name, 2, engine=engine, dtype=torch.float64)
    inputs, states = padded(layer, [3, 0, 2], steps=3)
    inputs = [x.nan_to_num() for x in inputs]
    assert torch.autograd.gradcheck(*functional(layer, inputs, states, [3, 0, 2]))


@pytest.mark.parametrize("name", EVERY_CELL)
def test_second_gradients_are_finite_differences(name, engine):
    layer = make(name, 2, bidirectional=True, engine=engine, dtype=torch.float64)
    inputs, states = padded(layer, [3, 0, 2], steps=3)
    inputs = [x.nan_to_num() for x in inputs]
    assert torch.autograd.gradgradcheck(
        *functional(layer, inputs, states, [3, 0, 2]), fast_mode=True
    )


# ---------------------------------------------------------------- torch.nn's layers


DROP_INS = {
    "RNN tanh": (nn.RNN, RNN, {}),
    "RNN relu": (nn.RNN, RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, LSTM, {}),
    "LSTM projected": (nn.LSTM, LSTM, {"proj_size": 3}),
    "GRU": (nn.GRU, GRU, {}),
}
drop_ins = pytest.mark.parametrize("theirs, ours, options", DROP_INS.values(), ids=DROP_INS)


def pair(theirs, ours, options, *, engine=None, **more):
    """torch.nn's layer and ours, with the same weights."""
    a, b = theirs(4, 5, **options, **more), ours(4, 5, **options, **more, engine=engine)
    b.load_state_dict(a.state_dict())
    return a, b


def listed(state):
    return [*state] if isinstance(state, tuple) else [state]


def random_state(layer, batch, dtype=torch.float64):
    """An initial state in torch.nn's form."""
    runs = layer.num_layers * (1 + layer.bidirectional)
    sizes = [layer.proj_size or layer.hidden_size] + (
        [layer.hidden_size] if "LSTM" in type(layer).__name__ else []
    )
    made = tuple(torch.randn(runs, batch, size, dtype=dtype) for size in sizes)
    return made if len(made) > 1 else made[0]


def gradients(values, leaves):
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (v * torch.randn(v.shape, generator=generator, dtype=torch.float64).to(v.dtype)).sum()
        for v in values
    )
    return torch.autograd.grad(total, leaves)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"bias": False},
        {"batch_first": True},
        {"num_layers": 3},
        {"num_layers": 2, "bidirectional": True, "batch_first": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@drop_ins
def test_drop_ins_equal_torch_nn(theirs, ours, options, more, dtype, engine, close):
    a, b = pair(theirs, ours, options, **more, dtype=dtype, engine=engine)
    x = torch.randn(6, 3, 4, dtype=dtype, requires_grad=True)
    for given in (None, random_state(a, 6 if a.batch_first else 3, dtype)):
        wanted, found = a(x, given), b(x, given)
        assert type(found[1]) is type(wanted[1])
        for left, right in zip(
            [found[0], *listed(found[1])], [wanted[0], *listed(wanted[1])], strict=True
        ):
            close(left, right)
        for left, right in zip(
            gradients([found[0], *listed(found[1])], [x, *b.parameters()]),
            gradients([wanted[0], *listed(wanted[1])], [x, *a.parameters()]),
            strict=True,
        ):
            close(left, right)


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@drop_ins
def test_drop_ins_equal_torch_nn_on_packed_sequences(
    theirs, ours, options, bidirectional, enforce_sorted, engine, close
):
    a, b = pair(
        theirs,
        ours,
        options,
        num_layers=2,
        bidirectional=bidirectional,
        dtype=torch.float64,
        engine=engine,
    )
    lengths = [6, 4, 4, 1] if enforce_sorted else [4, 1, 6, 4]
    x = torch.randn(6, 4, 4, dtype=torch.float64, requires_grad=True)
    given = random_state(a, 4)
    wanted, found = (
        layer(pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted), given)
        for layer in (a, b)
    )
    assert isinstance(found[0], PackedSequence)
    assert torch.equal(found[0].batch_sizes, wanted[0].batch_sizes)
    for left, right in (
        (found[0].sorted_indices, wanted[0].sorted_indices),
        (found[0].unsorted_indices, wanted[0].unsorted_indices),
    ):
        assert (left is None and right is None) or torch.equal(left, right)
    lefts, rights = [found[0].data, *listed(found[1])], [wanted[0].data, *listed(wanted[1])]
    for left, right in zip(lefts, rights, strict=True):
        close(left, right)
    for left, right in zip(
        gradients(lefts, [x, *b.parameters()]), gradients(rights, [x, *a.parameters()]), strict=True
    ):
        close(left, right)
    unpacked, ends = b(x, given, lengths)
    assert all((unpacked[length:, row] == 0).all() for row, length in enumerate(lengths))
    for left, right in zip(listed(ends), listed(wanted[1]), strict=True):
        close(left, right)


@drop_ins
def test_drop_ins_take_one_sequence_alone(theirs, ours, options, close):
    a, b = pair(theirs, ours, options, num_layers=2, batch_first=True, dtype=torch.float64)
    x = torch.randn(6, 4, dtype=torch.float64)
    given = tuple(s[:, 0] for s in listed(random_state(a, 1)))
    given = given if len(given) > 1 else given[0]
    for wanted, found in ((a(x), b(x)), (a(x, given), b(x, given))):
        for left, right in zip(
            [found[0], *listed(found[1])], [wanted[0], *listed(wanted[1])], strict=True
        ):
            close(left, right)


@pytest.mark.parametrize(
    "more", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}], ids=str
)
@drop_ins
def test_drop_ins_start_as_torch_nn_from_the_same_seed(theirs, ours, options, more):
    torch.manual_seed(3)
    a = theirs(4, 5, **options, **more)
    torch.manual_seed(3)
    b = ours(4, 5, **options, **more)
    assert list(a.state_dict()) == list(b.state_dict())
    for left, right in zip(a.state_dict().values(), b.state_dict().values()):
        assert torch.equal(left, right)
    assert [[w.shape for w in ws] for ws in a.all_weights] == [
        [w.shape for w in ws] for ws in b.all_weights
    ]
    torch.manual_seed(3)
    b.reset_parameters()
    for left, right in zip(a.state_dict().values(), b.state_dict().values()):
        assert torch.equal(left, right)


@drop_ins
def test_drop_ins_give_their_weights_back(theirs, ours, options):
    more = {"num_layers": 2, "bidirectional": True}
    a, b = theirs(4, 5, **options, **more), ours(4, 5, **options, **more)
    assert not any(a.load_state_dict(b.state_dict(), strict=True))
    for left, right in zip(a.state_dict().values(), b.state_dict().values()):
        assert torch.equal(left, right)


@drop_ins
def test_drop_ins_drop_what_torch_nn_drops(theirs, ours, options, close):
    a, b = pair(
        theirs, ours, options, num_layers=3, bidirectional=True, dropout=0.4, dtype=torch.float64
    )
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    torch.manual_seed(3)
    wanted = a(x)[0]
    torch.manual_seed(3)
    close(b(x)[0], wanted)
    close(b.eval()(x)[0], a.eval()(x)[0])
    assert torch.equal(b(x)[0], b(x)[0])


def test_drop_ins_take_torch_nns_positional_arguments():
    for a, b in (
        (
            nn.RNN(2, 3, 2, "relu", False, True, 0.1, True),
            RNN(2, 3, 2, "relu", False, True, 0.1, True),
        ),
        (nn.LSTM(2, 3, 2, False, True, 0.1, True, 2), LSTM(2, 3, 2, False, True, 0.1, True, 2)),
        (nn.GRU(2, 3, 2, False, True, 0.1, True), GRU(2, 3, 2, False, True, 0.1, True)),
    ):
        for name in (
            "input_size",
            "hidden_size",
            "num_layers",
            "bias",
            "batch_first",
            "dropout",
            "bidirectional",
            "proj_size",
        ):
            assert getattr(a, name) == getattr(b, name), name
    assert RNN(2, 3, nonlinearity="relu").nonlinearity == "relu"
    assert not LSTM(2, 3).batch_first and Recurrent("lstm", 2, 3).batch_first
    assert LSTM(2, 3).flatten_parameters() is None
    assert repr(LSTM(2, 3, num_layers=2, proj_size=1)) == "LSTM(2, 3, proj_size=1, num_layers=2)"


@pytest.mark.parametrize("batch", [1, 3])
@drop_ins
def test_drop_ins_without_biases_equal_torch_nn_call_after_call(
    theirs, ours, options, batch, close
):
    a, b = pair(theirs, ours, options, bias=False)
    x = torch.randn(6, batch, 4)
    for _ in range(4):
        (output, ends), (wanted, theirs_ends) = b(x), a(x)
        for left, right in zip(
            [output, *listed(ends)], [wanted, *listed(theirs_ends)], strict=True
        ):
            close(left, right)
        for left, right in zip(
            gradients([output], [*b.parameters()]),
            gradients([wanted], [*a.parameters()]),
            strict=True,
        ):
            close(left, right)
    stream = b.stream(batch)
    with torch.no_grad():
        for _ in range(4):
            close(b(x)[0], wanted)
        close(torch.stack([stream.step(step) for step in x]), wanted)


def test_sizes_are_whole_numbers_of_any_kind():
    module = LSTM(np.int64(2), np.int32(5), np.int64(2), proj_size=np.int64(3))
    assert repr(module) == "LSTM(2, 5, proj_size=3, num_layers=2)"
    assert module.stream(np.int64(4)).step(torch.zeros(4, 2)).shape == (4, 3)


def test_a_layout_that_is_changed_is_taken_up(close):
    module, x = GRU(4, 5), torch.randn(3, 3, 4)
    for _ in range(3):
        module(x)
    module.batch_first = True
    close(module(x)[0], module(x, lengths=[3, 3, 3])[0])


def test_a_keyword_of_torch_nns_forward_works():
    layer = GRU(2, 3)
    x, h = torch.randn(4, 1, 2), torch.randn(1, 1, 3)
    assert torch.equal(layer(input=x, hx=h)[0], layer(x, h)[0])


# ---------------------------------------------------------------- lengths


@pytest.mark.parametrize(
    "lengths",
    [
        [3, 0, 5, 1],
        (3, 0, 5, 1),
        torch.tensor([3, 0, 5, 1]),
        torch.tensor([3, 0, 5, 1], dtype=torch.int32),
        torch.tensor([3.0, 0.0, 5.0, 1.0]),
        torch.tensor([3, 0, 5, 1], dtype=torch.uint8),
    ],
    ids=lambda value: str(getattr(value, "dtype", type(value).__name__)),
)
def test_lengths_are_read_from_any_whole_numbers(lengths):
    layer = Recurrent("gru", 2, 3)
    x = torch.randn(4, 5, 2)
    assert torch.equal(layer(x, lengths=lengths)[0], layer(x, lengths=LENGTHS)[0])


@pytest.mark.parametrize(
    "lengths, error, match",
    [
        (
            [3, -1, 5, 1],
            SizeError,
            "from -1 to 5 and the sequences have 5 step.*write 4 whole number.*from 0 to 5",
        ),
        ([3, 6, 5, 1], SizeError, "from 1 to 6 and the sequences have 5"),
        ([3, 5, 1], SizeError, r"shape \(3,\) and the batch has 4 row.*write 4 whole"),
        ([[3, 5, 1, 2]], SizeError, r"shape \(1, 4\)"),
        (3, SizeError, r"shape \(\)"),
        ([3, 1.5, 5, 1], InputError, "not whole: write 4"),
        ([3, float("nan"), 5, 1], InputError, "not whole"),
        ([3, float("inf"), 5, 1], SizeError, "to inf"),
        ([True, False, True, True], InputError, "torch.bool.*mask.sum"),
        (["3", "1", "2", "2"], InputError, "cannot be read: write 4"),
        ([3, None, 5, 1], InputError, "cannot be read"),
    ],
    ids=str,
)
def test_wrong_lengths_are_refused(lengths, error, match):
    with pytest.raises(error, match=match):
        Recurrent("gru", 2, 3)(torch.randn(4, 5, 2), lengths=lengths)


def test_full_lengths_are_like_no_lengths_given(engine):
    layer = Recurrent(
        "lstm", 2, 3, num_layers=2, bidirectional=True, engine=engine, dtype=torch.float64
    )
    x = torch.randn(4, 5, 2, dtype=torch.float64)
    assert torch.allclose(layer(x, lengths=[5] * 4)[0], layer(x)[0], atol=1e-12)


def test_dropout_leaves_the_padding_at_zero():
    layer = Recurrent("gru", 2, 3, num_layers=2, dropout=0.5)
    output, _ = layer(torch.randn(4, 5, 2), lengths=LENGTHS)
    assert all((output[row, length:] == 0).all() for row, length in enumerate(LENGTHS))


@pytest.mark.parametrize("batch, steps", [(0, 5), (3, 0), (0, 0)])
@pytest.mark.parametrize(
    "make_layer",
    [lambda **k: Recurrent("gru", 2, 3, **k), lambda **k: LSTM(2, 3, batch_first=True, **k)],
    ids=["GRU", "LSTM"],
)
def test_no_rows_and_no_steps_give_no_output(make_layer, batch, steps, engine):
    layer = make_layer(num_layers=2, bidirectional=True, engine=engine)
    for lengths in (None, [0] * batch):
        x = torch.randn(batch, steps, 2, requires_grad=True)
        output, ends = layer(x, lengths=lengths)
        assert output.shape == (batch, steps, 6)
        assert all(end.shape == (4, batch, 3) and (end == 0).all() for end in ends)
        for result in (output, *ends):
            found = torch.autograd.grad(
                result.sum(), [x, *layer.parameters()], retain_graph=True, materialize_grads=True
            )
            assert all((d == 0).all() for d in found)
        output.sum().backward()
        assert (x.grad == 0).all() and all((p.grad == 0).all() for p in layer.parameters())


# ---------------------------------------------------------------- Recurrent


def test_a_packed_sequence_gives_a_packed_sequence_of_any_cell(close):
    layer = Recurrent("lstm_peephole", 2, 3, num_layers=2, bidirectional=True)
    rows = [torch.randn(n, 2) for n in (2, 5, 1)]
    output, ends = layer(pack_sequence(rows, enforce_sorted=False))
    assert isinstance(output, PackedSequence)
    wanted, wanted_ends = layer(
        nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths=[2, 5, 1]
    )
    close(nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0], wanted)
    for end, wanted_end in zip(ends, wanted_ends):
        close(end, wanted_end)


def test_lengths_are_read_whatever_torchs_default_device_is(close):
    layer, x = Recurrent("gru", 2, 3, engine="reference"), torch.randn(3, 5, 2)
    wanted = layer(x, lengths=[5, 2, 3])
    packed = pack_padded_sequence(
        x, torch.tensor([5, 2, 3]), batch_first=True, enforce_sorted=False
    )
    with torch.device("meta"):
        output, (h,) = layer(x, lengths=[5, 2, 3])
        found, _ = layer(packed)
    close(output, wanted[0])
    close(h, wanted[1][0])
    close(found.data, layer(packed)[0].data)


def test_several_inputs_can_be_packed(close):
    layer = Recurrent(timed, 2, 3)
    x, t = torch.randn(3, 5, 2), torch.rand(3, 5, 1)
    packed = tuple(
        pack_padded_sequence(v, [2, 5, 1], batch_first=True, enforce_sorted=False) for v in (x, t)
    )
    output, _ = layer(packed)
    close(
        nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0],
        layer((x, t), lengths=[2, 5, 1])[0],
    )


def test_a_further_input_goes_to_every_layer(close):
    layer = Recurrent(timed, 2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    x, t = torch.randn(4, 5, 2, dtype=torch.float64), torch.rand(4, 5, 1, dtype=torch.float64)
    output, (h,) = layer((x, t))
    lower, upper = (
        Recurrent(timed, 2, 3, bidirectional=True, dtype=torch.float64),
        Recurrent(timed, 6, 3, bidirectional=True, dtype=torch.float64),
    )
    weights = layer.state_dict()
    lower.load_state_dict({k: v for k, v in weights.items() if "_l0" in k})
    upper.load_state_dict({k.replace("_l1", "_l0"): v for k, v in weights.items() if "_l1" in k})
    between, (h_lower,) = lower((x, t))
    wanted, (h_upper,) = upper((between, t))
    close(output, wanted)
    close(h, torch.cat([h_lower, h_upper]))


def test_batch_first_is_a_transposition():
    a, b = (
        Recurrent(timed, 2, 3, num_layers=2),
        Recurrent(timed, 2, 3, num_layers=2, batch_first=False),
    )
    b.load_state_dict(a.state_dict())
    x, t = torch.randn(4, 5, 2), torch.rand(4, 5, 1)
    (left, (h,)), (right, (k,)) = (
        a((x, t), lengths=LENGTHS),
        b((x.transpose(0, 1), t.transpose(0, 1)), lengths=LENGTHS),
    )
    assert torch.equal(left, right.transpose(0, 1)) and torch.equal(h, k)


def test_an_output_that_is_not_a_state_is_what_the_next_layer_takes():
    layer = Recurrent(read_out, 2, 3, num_layers=2, bidirectional=True, sizes={"Y": 5})
    output, (h,) = layer(torch.randn(4, 6, 2))
    assert (
        output.shape == (4, 6, 10)
        and h.shape == (4, 4, 3)
        and layer.W_l1.shape == (3, 10)
        and layer.output_size == 10
    )


def test_a_cell_without_weights_runs():
    layer = Recurrent(faded, 2, 1)
    output, (h,) = layer(torch.ones(1, 3, 2, dtype=torch.float64))
    assert output[0, :, 0].tolist() == [1.0, 1.5, 1.75] and h.dtype == torch.float64


def test_weights_have_the_cells_names():
    layer = Recurrent("gru_original", 2, 3, num_layers=2, bidirectional=True)
    stems = ["W", "U_rz", "U_n", "b"]
    assert list(layer.state_dict()) == [
        f"{w}{s}" for s in ("_l0", "_l0_reverse", "_l1", "_l1_reverse") for w in stems
    ]
    assert layer.W_l0.shape == (9, 2) and layer.W_l1.shape == (9, 6)


def test_names_make_a_weight_of_several_parameters(close):
    layer = Recurrent("lstm", 2, 3, names={"W": ("kernel",), "b": ("bias_ih", "bias_hh")})
    assert list(layer.state_dict()) == ["kernel_l0", "U_l0", "bias_ih_l0", "bias_hh_l0"]
    assert layer.cell_weights(0)["b"] == (layer.bias_ih_l0, layer.bias_hh_l0)


def test_the_initial_state_can_be_learned():
    layer = Recurrent("lstm_projected", 2, 3, num_layers=2, sizes={"P": 2}, learned_state=True)
    assert layer.initial_h_l1.shape == (2,) and layer.initial_c_l1.shape == (3,)
    x = torch.randn(4, 5, 2)
    start = layer(x, lengths=[0] * 4)[1]
    assert all((s == 0).all() for s in start)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("initial"):
                parameter.normal_()
    output, (h, c) = layer(x, lengths=LENGTHS)
    assert torch.equal(h[1, 1], layer.initial_h_l1) and torch.equal(c[0, 1], layer.initial_c_l0)
    output.sum().backward()
    assert layer.initial_h_l0.grad.abs().min() > 0
    given = tuple(torch.zeros(2, 4, n) for n in (2, 3))
    assert not torch.equal(layer(x, given)[0], layer(x)[0])
    layer.reset_parameters()
    assert torch.equal(layer(x, given)[0], layer(x)[0])


def test_one_state_can_be_given_bare():
    layer, x, h = Recurrent("gru", 2, 3), torch.randn(4, 5, 2), torch.randn(1, 4, 3)
    assert torch.equal(layer(x, h)[0], layer(x, (h,))[0])


def test_one_sequence_alone_has_no_batch(close):
    layer = Recurrent("lstm", 2, 3, num_layers=2)
    x = torch.randn(5, 2)
    output, (h, c) = layer(x)
    wanted, (h_batch, c_batch) = layer(x[None])
    assert output.shape == (5, 3) and h.shape == c.shape == (2, 3)
    close(output, wanted[0])
    close(layer(x, (h, c))[0], layer(x[None], (h_batch, c_batch))[0][0])


# ---------------------------------------------------------------- initialisers


def with_start(how):
    @cell
    def started(x, h, *, W=weight("2*H", "I", init=how), U=weight("H", "H")):
        a, b = ostinato.split(W @ x, 2)
        return tanh(a + b + U @ h)

    return started


@pytest.mark.parametrize(
    "how, holds",
    {
        "uniform": lambda w: w.abs().max() <= 0.25 and w.std() > 0.1,
        "normal": lambda w: 0.2 < w.std() < 0.3,
        "zeros": lambda w: (w == 0).all(),
        "ones": lambda w: (w == 1).all(),
        "glorot": lambda w: 0.9 * (6 / 40) ** 0.5 < w.abs().max() <= (6 / 40) ** 0.5,
        "he": lambda w: 0.4 < w.std() < 0.6,
        "orthogonal": lambda w: torch.allclose(w.T @ w, torch.eye(8), atol=1e-5),
        "identity": lambda w: torch.equal(w, torch.eye(8).repeat(4, 1)),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_initialisers_do_what_their_names_say(how, holds):
    assert holds(Recurrent(with_start(how), 8, 16).W_l0)


def test_every_initialiser_is_tested():
    marks = next(
        m for m in test_initialisers_do_what_their_names_say.pytestmark if m.name == "parametrize"
    )
    assert {how for how, _ in marks.args[1]} == set(INITIALISERS)


def test_a_number_and_a_function_start_a_weight():
    assert (Recurrent(with_start(0.5), 2, 3).W_l0 == 0.5).all()
    assert torch.equal(
        Recurrent(with_start(lambda shape: torch.arange(12.0).reshape(shape)), 2, 3).W_l0,
        torch.arange(12.0).reshape(6, 2),
    )
    layer = Recurrent("layer_norm_lstm", 2, 3)
    assert (layer.gain_c_l0 == 1).all() and (layer.b_c_l0 == 0).all()


def test_an_initialiser_that_gives_another_shape_is_refused():
    with pytest.raises(
        InputError,
        match=r"init of weight 'W_l0' returned the shape \(2, 2\); it should be \(6, 2\)",
    ):
        Recurrent(with_start(lambda shape: torch.zeros(2, 2)), 2, 3)


def test_an_initialiser_of_matrices_is_refused_for_a_vector():
    @cell
    def shifted(x, h, *, b=weight("H", init="orthogonal")):
        return tanh(h + b)

    with pytest.raises(InputError, match="is a vector of 3: orthogonal needs two dimensions"):
        Recurrent(shifted, 3, 3)


def test_a_start_that_is_nothing_of_the_kind_is_refused():
    with pytest.raises(
        InputError,
        match=r"weight 'W_l0' has init=\[1\]: write a number, a function of the shape, or one of "
        r"uniform",
    ):
        initialise(torch.empty(2, 3), [1], name="W_l0", hidden_size=3)


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("name", EVERY_CELL)
def test_a_stream_equals_the_layer(name, engine, close):
    layer = make(name, 4, num_layers=2, dropout=0.5, engine=engine, dtype=torch.float64).eval()
    inputs, _ = padded(layer, [STEPS] * 3)
    stream = layer.stream(3)
    steps = [stream.step(tuple(x[:, t] for x in inputs)) for t in range(STEPS)]
    wanted, ends = layer(tuple(inputs))
    close(torch.stack(steps, 1), wanted)
    for end, wanted_end in zip(stream.state, ends):
        close(end, wanted_end)
    assert not steps[0].requires_grad


@drop_ins
def test_a_stream_of_a_drop_in_keeps_its_form_of_state(theirs, ours, options, close):
    layer = ours(4, 5, **options)
    x = torch.randn(6, 2, 4)
    stream = layer.stream(2)
    _, halfway = layer(x[:3])
    stream.state = halfway
    close(torch.stack([stream.step(step) for step in x[3:]]), layer(x[3:], halfway)[0])
    assert type(stream.state) is type(layer(x)[1])


def test_a_stream_starts_at_the_learned_state_and_follows_the_weights(close):
    layer = Recurrent("gru", 2, 3, learned_state=True)
    nn.init.normal_(layer.initial_h_l0)
    stream, x = layer.stream(), torch.randn(1, 1, 2)
    close(stream.step(x[:, 0]), layer(x)[0][:, 0])
    layer.load_state_dict({k: v + 0.1 for k, v in layer.state_dict().items()})
    stream.reset()
    close(stream.step(x[:, 0]), layer(x)[0][:, 0])


@pytest.mark.parametrize(
    "rows",
    [[0, 2], torch.tensor([2, 0]), torch.tensor([True, False, True]), [True, False, True]],
    ids=str,
)
def test_rows_of_a_stream_are_reset_alone(rows):
    stream = Recurrent("lstm", 2, 3, num_layers=2).stream(3)
    stream.step(torch.randn(3, 2))
    before = stream.state
    stream.reset(rows)
    for old, new in zip(before, stream.state):
        assert (new[:, [0, 2]] == 0).all() and torch.equal(new[:, 1], old[:, 1])
    stream.reset([])
    assert torch.equal(stream.state[0][:, 1], before[0][:, 1])
    stream.reset(1)
    assert all((s == 0).all() for s in stream.state)


def test_wrong_uses_of_a_stream_are_refused():
    layer = Recurrent("gru", 2, 3)
    with pytest.raises(
        InputError, match="bidirectional=True: .* make the layer with bidirectional=False"
    ):
        Recurrent("gru", 2, 3, bidirectional=True).stream()
    with pytest.raises(InputError, match="batch_size=0: write a whole number above 0"):
        layer.stream(0)
    stream = layer.stream(2)
    with pytest.raises(
        SizeError, match=r"given \(3, 2\); it wants \(batch, units\) with a batch of 2"
    ):
        stream.step(torch.randn(3, 2))
    with pytest.raises(SizeError, match=r"given \(2, 5, 2\).*x\[:, t\]"):
        stream.step(torch.randn(2, 5, 2))
    with pytest.raises(SizeError, match="has 2|should have 2"):
        stream.step(torch.randn(2, 3))
    with pytest.raises(ArgumentTypeError, match="given str"):
        stream.step("ab")
    with pytest.raises(InputError, match=r"reset\(rows=\[2\]\): the rows are 0 to 1"):
        stream.reset([2])
    with pytest.raises(SizeError, match=r"state 'h' is \(1, 3, 3\)"):
        stream.state = torch.zeros(1, 3, 3)


# ---------------------------------------------------------------- modules


@pytest.fixture(params=["Recurrent", "LSTM"])
def module(request):
    return {
        "Recurrent": lambda: Recurrent(elman, 2, 3, num_layers=2, dropout=0.1),
        "LSTM": lambda: LSTM(2, 3, batch_first=True),
    }[request.param]()


def test_a_copy_and_a_pickle_are_the_same_layer(module):
    x = torch.randn(4, 5, 2)
    module.eval()
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x)[0], module(x)[0])
        with torch.no_grad():
            next(other.parameters()).add_(1)
        assert not torch.equal(other(x)[0], module(x)[0])


def test_a_saved_state_dict_loads(module):
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    assert not any(module.load_state_dict(saved))


def test_a_layer_goes_to_another_dtype_and_device(module):
    assert module.double()(torch.randn(4, 5, 2).double())[0].dtype == torch.float64
    assert module.to("meta").eval() is module and next(module.parameters()).is_meta


def test_a_layer_trains_in_a_model(module):
    class Last(nn.Module):
        def forward(self, result):
            return result[0][:, -1]

    model = nn.Sequential(module, Last(), nn.Linear(3, 1))
    x = torch.randn(16, 5, 2)
    wanted = x.sum((1, 2))[:, None]
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (model(x) - wanted).square().mean()
        loss.backward()
        assert nn.utils.clip_grad_norm_(model.parameters(), 1.0).isfinite()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_autocast_keeps_the_dtype_of_the_weights(module, close):
    module.eval()
    x = torch.randn(4, 5, 2)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = module(x)
        half, _ = module(x.bfloat16())
    assert output.dtype == half.dtype == torch.float32
    close(output, module(x)[0])
    close(half, output, torch.bfloat16)


def test_autocast_takes_states_of_its_own_dtype(module, close):
    module.eval()
    x = torch.randn(4, 5, 2)
    _, state = module(x)
    halves = tuple(s.bfloat16() for s in state)
    with torch.autocast("cpu", torch.bfloat16):
        output, ends = module(x, halves)
    assert {v.dtype for v in (output, *ends)} == {torch.float32}
    close(output, module(x, tuple(s.float() for s in halves))[0])


def test_parametrised_weights_work():
    layer = parametrizations.weight_norm(LSTM(2, 3), "weight_hh_l0")
    layer(torch.randn(4, 1, 2))[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original0.grad is not None


def test_a_layer_says_what_it_is():
    assert repr(Recurrent("gru", 2, 3)) == "Recurrent(gru, 2, 3)"
    assert repr(
        Recurrent("lstm_projected", 2, 3, num_layers=2, sizes={"P": 2}, batch_first=False)
    ) == ("Recurrent(lstm_projected, 2, 3, num_layers=2, sizes={'P': 2}, batch_first=False)")
    assert repr(Recurrent("gru", 2, 3).stream(4)) == "Stream(batch_size=4) of Recurrent(gru, 2, 3)"


# ---------------------------------------------------------------- wrong arguments


def plain(x, h):
    return h


@cell
def halved(x, h=state("H - P"), p=state("P"), *, W=weight("H", "I")):
    """A state of what another leaves."""
    a, b = split(W @ x, ("H - P", "P"))
    return a + h, b * p


@pytest.mark.parametrize(
    "wrong, error, match",
    [
        (
            lambda: Recurrent("lstmm", 2, 3),
            InputError,
            "cell='lstmm' is not the name of a cell: did you mean 'lstm'.*; the cells are",
        ),
        (
            lambda: Recurrent(plain, 2, 3),
            InputError,
            "cell=plain is a plain function: write @cell above",
        ),
        (lambda: Recurrent(3, 2, 3), InputError, "cell=3 is not a cell: write a name"),
        (lambda: Recurrent("gru", 0, 3), InputError, "input_size=0: write a whole number above 0"),
        (lambda: Recurrent("gru", 2, 3.0), InputError, r"hidden_size=3.0: write a whole"),
        (lambda: Recurrent("gru", 2, 3, -1), InputError, "num_layers=-1: write a whole"),
        (
            lambda: Recurrent("gru", 2, 3, bidirectional=2),
            InputError,
            "bidirectional=2: write True or False",
        ),
        (
            lambda: Recurrent("gru", 2, 3, batch_first=None),
            InputError,
            "batch_first=None: write True or False",
        ),
        (
            lambda: Recurrent("gru", 2, 3, 2, dropout=1.5),
            InputError,
            "dropout=1.5: write the rate to drop at, from 0 to 1",
        ),
        (
            lambda: Recurrent("gru", 2, 3, 2, dropout="0.5"),
            InputError,
            "dropout='0.5': write the rate",
        ),
        (
            lambda: Recurrent("lstm_projected", 2, 3),
            SizeError,
            r"given sizes={}; besides I .* it has P: write sizes={'P': 3}",
        ),
        (lambda: Recurrent("gru", 2, 3, sizes={"P": 3}), SizeError, "no letters: leave sizes out"),
        (
            lambda: Recurrent("lstm_projected", 2, 3, sizes={"P": 0}),
            InputError,
            r"sizes\['P'\]=0: write a whole",
        ),
        (
            lambda: Recurrent(halved, 2, 3, sizes={"P": 3}),
            SizeError,
            "cell 'halved' has a value of H - P units, and with H=3, P=3 that is 0",
        ),
        (
            lambda: Recurrent("gru", 2, 3, sizes=3),
            InputError,
            r"sizes=3: write a dict, such as sizes={",
        ),
        (
            lambda: Recurrent("gru", 2, 3, names={"w": ("a",)}),
            InputError,
            "has 'w', and the weights of cell 'gru' are W, U, b, d",
        ),
        (
            lambda: RNN(2, 3, nonlinearity="gelu"),
            InputError,
            "nonlinearity='gelu': write 'tanh' or 'relu'",
        ),
        (lambda: RNN(2, 3, bias=1), InputError, "bias=1: write True or False"),
        (
            lambda: LSTM(2, 3, proj_size=3),
            InputError,
            r"proj_size=3: write a whole number from 1 to .*\(hidden_size=3\)",
        ),
        (lambda: LSTM(2, "3"), InputError, "hidden_size='3': write a whole"),
    ],
)
def test_wrong_arguments_of_a_layer_are_refused(wrong, error, match):
    with pytest.raises(error, match=match):
        wrong()


def test_a_further_input_of_size_I_is_refused_where_I_changes():
    @cell
    def doubled(x, y=further_input("I"), h=state(), *, W=weight("H", "I")):
        return tanh(W @ (x + y)) + h

    with pytest.raises(
        SizeError,
        match="input 'y' of cell 'doubled' has I units, and I is 2 in the first layer and 3",
    ):
        Recurrent(doubled, 2, 3, 2)
    assert Recurrent(doubled, 3, 3, 2)((torch.randn(1, 4, 3),) * 2)[0].shape == (1, 4, 3)


def test_dropout_of_one_layer_warns():
    for make_layer in (lambda: Recurrent("gru", 2, 3, dropout=0.5), lambda: GRU(2, 3, dropout=0.5)):
        with pytest.warns(UserWarning, match="num_layers is 1, so it has no effect"):
            make_layer()


X, T = torch.randn(4, 5, 2), torch.randn(4, 5, 1)


@pytest.mark.parametrize(
    "name, given, error, match",
    [
        (
            "gru",
            (torch.randn(4, 5, 3),),
            SizeError,
            r"input 'x' is \(4, 5, 3\), so 3 units; it should have 2 \(I\)",
        ),
        (
            "gru",
            (torch.randn(2),),
            SizeError,
            r"given \(2,\); it wants \(batch, time, units\), or \(time, units\).*batch_first=True",
        ),
        ("gru", (torch.randn(1, 4, 5, 2),), SizeError, r"given \(1, 4, 5, 2\)"),
        ("gru", ([[1.0, 2.0]],), InputError, r"given list: write layer\(x\) with tensors"),
        ("gru", ((),), InputError, r"given 0 input\(s\) and has 1 \(x\)"),
        (
            "gru",
            (X.double(),),
            InputError,
            r"input 'x' is torch.float64 and the weights are torch.float32: write "
            r"x.to\(torch.float32\)",
        ),
        ("gru", (X.long(),), InputError, "input 'x' is torch.int64"),
        (
            "gru",
            (X.to("meta"),),
            InputError,
            r"input 'x' is on meta and the weights are on cpu: write layer.to\('meta'\)",
        ),
        (
            "gru",
            ((X, T),),
            InputError,
            r"cell 'gru' was given 2 input\(s\) and has 1 \(x\): write layer\(x\)",
        ),
        (
            "timed",
            (X,),
            InputError,
            r"cell 'timed' was given 1 input\(s\) and has 2 \(x, t\): write layer\(\(x, t\)\)",
        ),
        (
            "timed",
            ((X, T[:, :4]),),
            SizeError,
            r"input 't' is \(4, 4, 1\) and the first one \(4, 5, 2\): batch and time",
        ),
        ("timed", ((X, T[0]),), SizeError, r"given \(4, 5, 2\), \(5, 1\)"),
        (
            "timed",
            ((X, X),),
            SizeError,
            r"input 't' is \(4, 5, 2\), so 2 units; it should have 1 \(1\)",
        ),
        (
            "gru",
            (X, torch.zeros(4, 1, 3)),
            SizeError,
            r"state 'h' is \(4, 1, 3\); it should be .* = \(1, 4, 3\), whatever batch_first",
        ),
        (
            "lstm",
            (X, torch.zeros(1, 4, 3)),
            TensorError,
            r"state given is 1 tensor\(s\); cell 'lstm' wants a tuple of 2 tensor\(s\), \(h, c\)",
        ),
        ("lstm", (X, (torch.zeros(1, 4, 3),)), TensorError, r"state given is 1 tensor\(s\)"),
        (
            "gru",
            (X, 0),
            InputError,
            r"state given is int; cell 'gru' wants a tuple of 1 tensor\(s\), \(h,\)",
        ),
        (
            "gru",
            (X, torch.zeros(1, 4, 3).double()),
            InputError,
            r"state 'h' is torch.float64 on cpu .* write state.to\('cpu', torch.float32\)",
        ),
        (
            "gru",
            (X[0], torch.zeros(1, 1, 3)),
            SizeError,
            r"state given is \(1, 1, 3\); with an input of \(time, units\) it should be \(layers",
        ),
        (
            "lstm",
            (X[0], (torch.zeros(3), torch.zeros(3))),
            SizeError,
            r"state given is \(3,\), \(3,\); with an input",
        ),
        (
            "gru",
            (pack_sequence([X[0]]), None, [5]),
            InputError,
            "lengths were given with a PackedSequence",
        ),
        (
            "timed",
            ((pack_sequence([X[0]]), T),),
            InputError,
            "the inputs are not all packed with the same lengths: pack all of them",
        ),
    ],
)
def test_wrong_arguments_of_a_call_are_refused(name, given, error, match):
    with pytest.raises(error, match=match):
        Recurrent(EVERY_CELL[name], 2, 3)(*given)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_outputs_as_large_as_the_input_grow_with_every_layer_of_two_directions(
    engine, num_layers, close
):
    torch.manual_seed(1)
    layer = Recurrent("intersection", 3, 5, num_layers, bidirectional=True, engine=engine)
    x = torch.randn(2, 4, 3)
    output, (h,) = layer(x)
    assert output.shape[2] == layer.output_size == 3 * 2**num_layers and h.shape == (
        2 * num_layers,
        2,
        5,
    )
    torch.manual_seed(1)
    close(
        output,
        Recurrent("intersection", 3, 5, num_layers, bidirectional=True, engine="reference")(x)[0],
    )
