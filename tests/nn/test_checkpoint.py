"""Keeping every k-th state: the same results and gradients as with all states, in less memory."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from odd_cells import faded, parts, read_out, timed, transposed
from ostinato import GRU, LSTM, RNN, Recurrent, cell, engines, tanh, weight
from ostinato.cells.classic import CELLS
from ostinato.errors import EngineError, InputError
from ostinato.nn import checkpoint


@cell
def scaled(x, h, c, *, W=weight("H", "I")):
    """One state that never changes, and one that nothing reads."""
    return tanh(W @ x) * c, c


EVERY_CELL = CELLS | {c.name: c for c in (timed, read_out, scaled, faded, parts, transposed)}
LENGTHS = [7, 0, 3, 1, 6, 4]


def pair(name, every, size=3, **options):
    """A layer without and with checkpoints, on the same weights."""
    graph = EVERY_CELL[name].graph
    sizes = {letter: 2 for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}}
    plain = Recurrent(EVERY_CELL[name], size, size, sizes=sizes, **options)
    kept = copy.deepcopy(plain)
    kept.checkpoint = every
    return plain, kept


def given_to(layer, batch, steps, dtype=torch.float64):
    """Inputs and states for a layer."""
    graph, letters = layer.cell.graph, {"I": layer.input_size, "H": layer.hidden_size} | layer.sizes
    runs = layer.num_layers * layer.num_directions
    return (
        [
            torch.randn(batch, steps, size.at(letters), dtype=dtype)
            for size in graph.inputs.values()
        ],
        [torch.randn(runs, batch, size.at(letters), dtype=dtype) for size in graph.states.values()],
    )


def results(layer, inputs, states=None, lengths=None):
    """The output, the final states, and the gradients of all that was given and of all
    parameters.
    """
    inputs = [x.detach().requires_grad_() for x in inputs]
    states = None if states is None else [s.detach().requires_grad_() for s in states]
    output, ends = layer(tuple(inputs), states, lengths=lengths)
    ends = ends if isinstance(ends, tuple) else (ends,)
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (v * torch.randn(v.shape, generator=generator, dtype=torch.float64).to(v.dtype)).sum()
        for v in (output, *ends)
    )
    leaves = [*inputs, *(states or ()), *layer.parameters()]
    return [
        output.detach(),
        *(e.detach() for e in ends),
        *torch.autograd.grad(total, leaves, materialize_grads=True),
    ]


def equal(found, wanted):
    """Equal but for the order in which float64 numbers are added up."""
    assert len(found) == len(wanted)
    for left, right in zip(found, wanted):
        assert left.shape == right.shape
        assert (left - right).abs().max() <= 1e-12 * max(1.0, right.abs().max())


@pytest.fixture
def scans(monkeypatch):
    """The steps of each run of an engine, as they come."""
    steps, scan = [], engines.scan
    monkeypatch.setattr(
        engines,
        "scan",
        lambda graph, **given: (steps.append(len(given["inputs"][0])), scan(graph, **given))[1],
    )
    return steps


# ---------------------------------------------------------------- the same results


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("name", EVERY_CELL)
def test_every_cell_has_the_same_results_and_gradients(name, lengths, bidirectional, engine):
    plain, kept = pair(name, 3, bidirectional=bidirectional, engine=engine, dtype=torch.float64)
    inputs, states = given_to(plain, len(LENGTHS), max(LENGTHS))
    equal(results(kept, inputs, states, lengths), results(plain, inputs, states, lengths))


@pytest.mark.parametrize("name", ["lstm", "gru_original", "layer_norm_lstm", "timed"])
def test_float32_is_as_near_the_truth_as_without(name, engine, close):
    plain, kept = pair(
        name, 3, num_layers=2, bidirectional=True, engine=engine, dtype=torch.float64
    )
    inputs, states = given_to(plain, len(LENGTHS), max(LENGTHS))
    wanted = results(plain, inputs, states, LENGTHS)
    for left, right in zip(
        results(kept.float(), [x.float() for x in inputs], [s.float() for s in states], LENGTHS),
        wanted,
        strict=True,
    ):
        assert left.dtype == torch.float32
        close(left, right, torch.float32)


@pytest.mark.parametrize("lengths", [None, [0, 1, 0.5, 0.9, 0]], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "steps, every",
    [
        (1, 1),
        (1, True),
        (2, 1),
        (2, True),
        (3, 2),
        (5, 1),
        (5, 4),
        (5, 5),
        (5, 6),
        (6, 2),
        (6, 3),
        (7, 2),
        (7, 3),
        (10, True),
        (13, 5),
    ],
)
def test_any_number_of_steps_is_cut_into_any_segments(steps, every, lengths, engine):
    plain, kept = pair("lstm", every, bidirectional=True, engine=engine, dtype=torch.float64)
    lengths = lengths and [round(part * steps) for part in lengths]
    inputs, states = given_to(plain, 5, steps)
    equal(results(kept, inputs, states, lengths), results(plain, inputs, states, lengths))


def test_rows_that_all_end_early_and_rows_of_no_steps(engine):
    plain, kept = pair("gru", 2, bidirectional=True, engine=engine, dtype=torch.float64)
    inputs, states = given_to(plain, 3, 7)
    for lengths in ([0, 0, 0], [1, 0, 2], [2, 2, 2]):
        equal(results(kept, inputs, states, lengths), results(plain, inputs, states, lengths))


def test_padding_is_not_read(engine):
    _, kept = pair("lstm", 3, bidirectional=True, engine=engine, dtype=torch.float64)
    (x,), states = given_to(kept, len(LENGTHS), max(LENGTHS))
    past = (torch.arange(max(LENGTHS)) >= torch.tensor(LENGTHS)[:, None])[..., None]
    found = results(kept, [x.masked_fill(past, torch.nan)], states, LENGTHS)
    equal(found, results(kept, [x], states, LENGTHS))
    assert (found[0][past.expand_as(found[0])] == 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learned_state": True},
        {"names": {"U": ("U_a", "U_b"), "b": ()}},
        {"num_layers": 3},
        {"batch_first": False},
    ],
    ids=str,
)
def test_every_kind_of_layer_has_the_same_gradients(options, engine):
    plain, kept = pair("lstm", 2, engine=engine, dtype=torch.float64, **options)
    inputs, states = given_to(plain, 5, 5)
    for given in (None, states):
        equal(results(kept, inputs, given), results(plain, inputs, given))


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_torch_nns_layers_take_it(layer, close):
    theirs, mine = (
        getattr(nn, layer.__name__)(3, 4, 2, bidirectional=True).double(),
        layer(3, 4, 2, bidirectional=True, checkpoint=2).double(),
    )
    mine.load_state_dict(theirs.state_dict())
    inputs = [torch.randn(7, 2, 3, dtype=torch.float64)]

    def of(module):
        x = inputs[0].clone().requires_grad_()
        output, _ = module(x)
        return [
            output.detach(),
            *torch.autograd.grad(output.square().sum(), [x, *module.parameters()]),
        ]

    for left, right in zip(of(mine), of(theirs), strict=True):
        close(left, right)


def test_dropout_between_layers_drops_the_same():
    plain, kept = pair("gru", 2, num_layers=3, dropout=0.5, dtype=torch.float64)
    inputs, states = given_to(plain, 4, 7)
    found = []
    for layer in (plain, kept):
        torch.manual_seed(3)
        found.append(results(layer, inputs, states))
    equal(*found)


def test_a_packed_sequence_and_one_sequence_alone():
    plain, kept = pair("gru", 2, dtype=torch.float64)
    rows = [torch.randn(n, 3, dtype=torch.float64) for n in (5, 2, 7)]
    found = []
    for layer in (plain, kept):
        packed, alone = layer(pack_sequence(rows, enforce_sorted=False))[0].data, layer(rows[2])[0]
        found.append(
            [
                packed.detach(),
                alone.detach(),
                *torch.autograd.grad(packed.sum() + alone.square().sum(), list(layer.parameters())),
            ]
        )
    equal(*found)


# ---------------------------------------------------------------- what is asked for


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, h, c: y.square().sum(),
        lambda y, h, c: h.sum(),
        lambda y, h, c: c.square().sum(),
        lambda y, h, c: y[:, 1].sum(),
    ],
    ids=["output", "h", "c", "one step"],
)
def test_any_part_of_the_result_can_be_the_loss(loss, engine):
    plain, kept = pair("lstm", 2, engine=engine, dtype=torch.float64)
    (x,), states = given_to(plain, 4, 7)
    leaves = [x.requires_grad_(), *(s.requires_grad_() for s in states)]
    found = []
    for layer in (plain, kept):
        output, (h, c) = layer(x, states)
        found.append(torch.autograd.grad(loss(output, h, c), [*leaves, *layer.parameters()]))
    equal(*found)


@pytest.mark.parametrize("wanted", ["x", "state", "W_l0", "U_l0"])
def test_only_the_gradients_asked_for_are_made(wanted, engine, monkeypatch):
    plain, kept = pair("gru", 3, engine=engine, dtype=torch.float64)
    (x,), (h,) = given_to(plain, 4, 7)
    asked, grad = [], torch.autograd.grad
    found = []
    for layer in (plain, kept):
        layer.requires_grad_(False)
        leaf = {"x": x, "state": h}.get(wanted)
        leaf = (getattr(layer, wanted) if leaf is None else leaf).requires_grad_()
        output, _ = layer(x, h)
        with monkeypatch.context() as patch:
            patch.setattr(
                torch.autograd,
                "grad",
                lambda outputs, inputs, *others, **more: (
                    asked.append([t.shape for t in inputs]),
                    grad(outputs, inputs, *others, **more),
                )[1],
            )
            output.square().sum().backward()
        found.append([leaf.grad])
        leaf.grad = None
    equal(*found)
    weights = [getattr(kept, wanted).shape] if wanted in ("W_l0", "U_l0") else []
    inputs = [[torch.Size([steps, 4, 3])] if wanted == "x" else [] for steps in (1, 3, 3)]
    states = [[h.shape[1:]], [h.shape[1:]], [h.shape[1:]] if wanted == "state" else []]
    assert asked == [i + s + weights for i, s in zip(inputs, states)]


def test_without_gradients_it_is_one_run(scans, engine):
    _, kept = pair("lstm", 2, engine=engine)
    x = torch.randn(4, 7, 3)
    with torch.no_grad():
        kept(x.requires_grad_())
    kept.requires_grad_(False)(x.detach())
    assert scans == [7, 7]


def test_a_short_sequence_is_one_run(scans):
    _, kept = pair("lstm", 7)
    kept(torch.randn(4, 7, 3))[0].sum().backward()
    kept(torch.randn(4, 2, 3))[0].sum().backward()
    assert scans == [7, 2]


def test_segments_run_once_forward_and_once_backward(scans):
    _, kept = pair("lstm", 4, bidirectional=True)
    output, _ = kept(torch.randn(2, 10, 3))
    assert scans == [4, 4, 2, 2, 4, 4], "the reverse direction begins at the end"
    scans.clear()
    output.sum().backward()
    assert sorted(scans) == [2, 2, 4, 4, 4, 4]


def test_it_can_be_changed_later(scans):
    module, x = GRU(3, 5), torch.randn(6, 2, 3)
    for _ in range(3):
        module(x)
    scans.clear()
    module.checkpoint = 2
    module(x)
    assert scans == [2, 2, 2]


def test_true_is_about_the_square_root(scans):
    _, kept = pair("gru", True)
    kept(torch.randn(1, 50, 3))
    assert scans == [7] * 7 + [1]


def test_a_frozen_layer_passes_gradients_down(engine):
    plain, kept = pair("gru", 2, engine=engine, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    equal(
        *[
            torch.autograd.grad(layer.requires_grad_(False)(x)[0].square().sum(), [x])
            for layer in (plain, kept)
        ]
    )


def test_backward_twice_wants_a_kept_graph():
    _, kept = pair("lstm", 2)
    loss = kept(torch.randn(2, 5, 3))[0].sum()
    loss.backward(retain_graph=True)
    first = kept.W_l0.grad.clone()
    loss.backward()
    assert torch.equal(kept.W_l0.grad, 2 * first)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_a_weight_changed_before_backward_is_an_error():
    _, kept = pair("lstm", 2)
    loss = kept(torch.randn(2, 5, 3))[0].sum()
    with torch.no_grad():
        kept.U_l0.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_an_output_may_be_changed_before_backward(engine):
    plain, kept = pair("lstm", 2, engine=engine)
    x = torch.randn(2, 5, 3)
    wanted = torch.autograd.grad(plain(x)[0].sum(), list(plain.parameters()))
    output, _ = kept(x)
    loss = output.sum()
    with torch.no_grad():
        output.zero_()
    for left, right in zip(torch.autograd.grad(loss, list(kept.parameters())), wanted, strict=True):
        torch.testing.assert_close(left, right)


# ---------------------------------------------------------------- finite differences


def functional(layer, inputs, states, lengths):
    """The layer as a function of its inputs, states and parameters, for gradcheck."""
    names = [name for name, _ in layer.named_parameters()]
    a, b = len(inputs), len(inputs) + len(states)

    def run(*leaves):
        output, ends = torch.func.functional_call(
            layer, dict(zip(names, leaves[b:])), (leaves[:a], leaves[a:b], lengths)
        )
        return output, *ends

    return run, tuple(v.detach().requires_grad_() for v in (*inputs, *states, *layer.parameters()))


@pytest.mark.parametrize("lengths", [None, [3, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("name", ["lstm", "gru_original", "timed", "read_out"])
def test_gradients_are_finite_differences(name, lengths, engine):
    _, kept = pair(name, 2, size=2, bidirectional=True, engine=engine, dtype=torch.float64)
    assert torch.autograd.gradcheck(*functional(kept, *given_to(kept, 3, 3), lengths))


@pytest.mark.parametrize("lengths", [None, [3, 0, 2]], ids=["full", "ragged"])
@pytest.mark.parametrize("name", ["lstm", "timed"])
def test_second_gradients_are_finite_differences(name, lengths, engine):
    _, kept = pair(name, 2, size=2, bidirectional=True, engine=engine, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(
        *functional(kept, *given_to(kept, 3, 3), lengths), fast_mode=True
    )


def test_first_gradients_with_a_graph_are_the_same(engine):
    plain, kept = pair("lstm", 2, engine=engine, dtype=torch.float64)
    (x,), _ = given_to(plain, 4, 7)
    equal(
        *[
            torch.autograd.grad(
                layer(x)[0].square().sum(), list(layer.parameters()), create_graph=graph
            )
            for layer, graph in ((kept, True), (plain, False))
        ]
    )


# ---------------------------------------------------------------- torch's other modes


def test_autocast_around_backward_changes_nothing(engine):
    plain, kept = pair("gru", 2, engine=engine)
    x = torch.randn(2, 5, 3)
    wanted = torch.autograd.grad(kept(x)[0].square().sum(), list(kept.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = kept(x)
        found = torch.autograd.grad(output.square().sum(), list(kept.parameters()))
    assert output.dtype == torch.float32
    for left, right in zip(found, wanted, strict=True):
        assert torch.equal(left, right)


def test_torch_func_goes_through_it():
    plain, kept = pair("gru", 2, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64)

    def gradient(layer):
        def loss(x):
            return (
                torch.func.functional_call(layer, dict(layer.named_parameters()), (x,))[0]
                .square()
                .sum()
            )

        return torch.func.grad(loss)(x)

    equal([gradient(kept)], [gradient(plain)])


def test_half_precision_is_the_reference_engines(close):
    plain, kept = pair("gru", 2, dtype=torch.bfloat16)
    x = torch.randn(2, 5, 3, dtype=torch.bfloat16)
    for left, right in zip(results(kept, [x]), results(plain, [x]), strict=True):
        assert left.dtype == torch.bfloat16
        close(left, right)
    kept.engine = "cpu"
    with pytest.raises(EngineError, match="engine='cpu' cannot run this"):
        kept(x)


def test_no_rows_and_no_steps(engine):
    for batch, steps in ((0, 5), (3, 0), (0, 0)):
        _, kept = pair("lstm", True, engine=engine)
        output, ends = kept(torch.randn(batch, steps, 3))
        assert output.shape == (batch, steps, 3) and all(end.shape == (1, batch, 3) for end in ends)
    _, kept = pair("lstm", 2, engine=engine)
    kept(torch.randn(0, 5, 3, requires_grad=True))[0].sum().backward()
    assert all((p.grad == 0).all() for p in kept.parameters())


# ---------------------------------------------------------------- memory


def saved_bytes(layer, x):
    """The memory between forward and backward, each block of memory counted once."""
    seen = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: (
            seen.__setitem__(t.untyped_storage().data_ptr(), t.untyped_storage().nbytes()),
            t,
        )[1],
        lambda t: t,
    ):
        kept = layer(x)
    assert kept[0].requires_grad
    return sum(seen.values())


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_input_weights_and_every_kth_state_are_kept(lengths, engine):
    batch, steps, units, every = 4, 60, 8, 10
    layer = Recurrent("lstm", units, units, engine=engine, checkpoint=every)
    x = torch.randn(batch, steps, units)
    given = x.nbytes + sum(p.nbytes for p in layer.parameters())
    states = 2 * batch * units * 4
    # One for each segment, and the initial ones as they were given.
    assert saved_bytes(layer, x) == given + (steps // every + 1) * states
    layer.checkpoint = None
    assert saved_bytes(layer, x) > given + steps * states


@pytest.mark.parametrize("batch_first", [False, True])
def test_an_inputs_gradient_is_laid_out_as_the_input(batch_first, engine):
    """Else torch would copy it into `grad`."""
    layer = Recurrent("lstm", 3, 4, batch_first=batch_first, engine=engine, checkpoint=2)
    x = torch.randn(5, 6, 3, requires_grad=True)
    strides = []
    x.register_hook(lambda d: strides.append(d.stride()))
    layer(x)[0].sum().backward()
    assert strides == [x.stride()]


MEASURED = """
import sys
import torch
from pathlib import Path

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])

def run(x, d):
    x.grad = None
    layer(x)[0].backward(d)

kind, steps = sys.argv[1], int(sys.argv[2])
if kind == "torch":
    layer = torch.nn.LSTM(64, 128, batch_first=True)
else:
    from ostinato import LSTM
    layer = LSTM(64, 128, batch_first=True, checkpoint=True)
run(torch.randn(64, 32, 64, requires_grad=True), torch.randn(64, 32, 128))
given = torch.randn(64, steps, 64, requires_grad=True), torch.randn(64, steps, 128)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
run(*given)
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(),
    reason="the peak of memory is read from Linux's /proc",
)
def test_the_peak_of_memory_is_a_third_of_torch_nns():
    peaks = {
        kind: int(
            subprocess.run(
                [sys.executable, "-c", MEASURED, kind, "1000"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for kind in ("torch", "ostinato")
    }
    # Output and input's gradient there must be.
    assert 64 * 1000 * (64 + 128) * 4 < peaks["ostinato"] < peaks["torch"] / 3


# ---------------------------------------------------------------- the argument


@pytest.mark.parametrize("wrong", [-1, 0, 2.5, "yes", [3], float("nan")], ids=str)
@pytest.mark.parametrize(
    "make",
    [
        lambda k: Recurrent("gru", 2, 3, checkpoint=k),
        lambda k: RNN(2, 3, checkpoint=k),
        lambda k: LSTM(2, 3, checkpoint=k),
        lambda k: GRU(2, 3, checkpoint=k),
    ],
    ids=["Recurrent", "RNN", "LSTM", "GRU"],
)
def test_a_wrong_checkpoint_is_refused(make, wrong):
    with pytest.raises(
        InputError,
        match=r"checkpoint=.*: write after how many steps a state is kept, a whole number above 0; "
        r"or True",
    ):
        make(wrong)


def test_what_was_given_is_kept_and_shown():
    assert (
        Recurrent("gru", 2, 3).checkpoint is None
        and Recurrent("gru", 2, 3, checkpoint=False).checkpoint is None
    )
    assert repr(Recurrent("gru", 2, 3, checkpoint=False)) == "Recurrent(gru, 2, 3)"
    assert repr(Recurrent("gru", 2, 3, checkpoint=True)) == "Recurrent(gru, 2, 3, checkpoint=True)"
    assert repr(LSTM(2, 3, checkpoint=20)) == "LSTM(2, 3, checkpoint=20)"
    layer = LSTM(2, 3, checkpoint=4)
    assert copy.deepcopy(layer).checkpoint == pickle.loads(pickle.dumps(layer)).checkpoint == 4
    assert list(layer.state_dict()) == list(LSTM(2, 3).state_dict())


def test_a_stream_takes_no_notice(close):
    layer, x = Recurrent("lstm", 2, 3, checkpoint=2), torch.randn(1, 5, 2)
    stream = layer.stream()
    close(torch.stack([stream.step(x[:, t]) for t in range(5)], 1), layer(x)[0])


def test_a_scan_by_itself():
    graph = CELLS["elman"].graph
    weights = {
        "W": torch.randn(4, 3, requires_grad=True),
        "U": (torch.randn(4, 4, requires_grad=True), torch.randn(4, 4)),
        "b": torch.zeros(4),
    }
    given = dict(inputs=(torch.randn(9, 2, 3),), states=(None,), weights=weights)
    leaves = [weights["W"], weights["U"][0]]
    for scan in (engines.scan, lambda graph, **given: checkpoint.scan(graph, every=4, **given)):
        output, (h,) = scan(graph, **given)
        torch.testing.assert_close(output[-1], h)
        found = torch.autograd.grad(output.sum(), leaves)
        if scan is engines.scan:
            wanted = found
    torch.testing.assert_close(found, wanted)
