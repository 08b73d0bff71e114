"""Executables: every call of a signature runs the same one, and gives the same as the first call,
whatever gradient is asked for and whatever happened in between.
"""

import copy
import gc
import threading
import weakref

import pytest
import torch
from torch.nn.utils import prune

import ostinato
from ostinato import GRU, LSTM, Recurrent, engines
from ostinato.engines import cpu, doctor
from ostinato.engines.executable import Executable
from ostinato.engines.loops import _made
from ostinato.errors import InputError, SizeError
from readiness import executables, forget, kinds

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)
CELLS = [
    "elman",
    "lstm",
    "gru",
    "gru_original",
    "lstm_peephole",
    "layer_norm_lstm",
    "min_gru",
    "lstm_projected",
]


def layer(cell="gru", **others):
    return Recurrent(cell, 6, 9, sizes={"P": 4} if cell == "lstm_projected" else None, **others)


def learned(module, x, losses="hy", lengths=None):
    """The output, the states, and the gradients of a loss of the states (h), the output (y) or
    both.
    """
    module.zero_grad()
    x = x.detach().clone().requires_grad_(x.requires_grad)
    y, states = module(x, lengths=lengths)
    states = states if isinstance(states, tuple) else (states,)
    loss = sum(s.sin().sum() for s in states) * ("h" in losses) + y.cos().sum() * ("y" in losses)
    loss.backward()
    return [y, *states, x.grad, *(p.grad for p in module.parameters())]


def first_call(module, *given):
    """A call whose arguments are checked."""
    forget(module)
    return learned(module, *given)


def the_only(module) -> Executable:
    ((executable,),) = executables(module)
    assert executable.signature.backward
    return executable


def repeat(module, x):
    for _ in range(2):
        learned(module, x)
    return the_only(module)


def same(found, wanted, close):
    for a, b in zip(found, wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape
            close(a, b)


@pytest.mark.parametrize("losses", ["y", "h", "hy"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_repeated_call_gives_what_others_give(cell, batch_first, threads, losses, close):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    for shape in ((1, 7), (7, 1), (4, 5)):
        module, x = layer(cell, batch_first=batch_first), torch.randn(*shape, 6, requires_grad=True)
        wanted = first_call(module, x, losses)
        repeat(module, x)
        same(learned(module, x, losses), wanted, close)
        module.engine = "reference"
        same(learned(module, x, losses), wanted, close)
    torch.set_num_threads(before)


# From nothing at all to everything, in any order, as a tensor or as numbers.
LENGTHS = [
    [3, 5, 1, 4],
    torch.tensor([5, 5, 5, 5]),
    [0, 0, 0, 0],
    torch.tensor([2, 0, 5, 1], dtype=torch.int32),
    [5, 4, 3, 2],
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_rows_of_unequal_lengths(cell, bidirectional, batch_first, threads, close):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    module = layer(cell, batch_first=batch_first, bidirectional=bidirectional)
    plain = copy.deepcopy(module)
    plain.engine = "reference"
    x = torch.randn(*((4, 5) if batch_first else (5, 4)), 6, requires_grad=True)
    for _ in range(2):
        learned(module, x, lengths=LENGTHS[0])
        with torch.inference_mode():
            module(x, lengths=LENGTHS[0])
    runs = module.num_directions
    assert kinds(module) == [["training"] * runs, ["bound"] * runs]
    for lengths in LENGTHS:
        same(learned(module, x, lengths=lengths), learned(plain, x, lengths=lengths), close)
        with torch.inference_mode():
            (y, states), (wanted, others) = (m(x, lengths=lengths) for m in (module, plain))
        same(
            [y, *(states if isinstance(states, tuple) else [states])],
            [wanted, *(others if isinstance(others, tuple) else [others])],
            close,
        )
    assert kinds(module) == [["training"] * runs, ["bound"] * runs]
    torch.set_num_threads(before)


@pytest.mark.parametrize("lengths", [[3, 5, 1, 4], [0, 0, 0, 0]])
def test_what_is_learned_of_rows_that_end_early_can_be_asked_for_in_part_and_has_a_gradient(
    lengths, close
):
    module = LSTM(6, 9, batch_first=True, dtype=torch.float64)
    plain = copy.deepcopy(module)
    plain.engine = "reference"
    module.weight_ih_l0.requires_grad_(False)
    x = torch.randn(4, 5, 6, dtype=torch.float64)
    for _ in range(2):
        learned(module, x, lengths=lengths)
    wanted = learned(plain, x, lengths=lengths)
    wanted[4] = None  # of weight_ih_l0
    same(learned(module, x, lengths=lengths), wanted, close)
    x.requires_grad_()
    found = []
    for m in (module, plain):
        (first,) = torch.autograd.grad(m(x, lengths=lengths)[0].sin().sum(), x, create_graph=True)
        found.append(
            torch.autograd.grad(first.square().sum(), [x, m.weight_hh_l0], allow_unused=True)
        )
    same(*found, close)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "regularisers", [{"zoneout": 0.3}, {"variational": 0.4, "weight_drop": 0.5}]
)
def test_masks_are_the_same_where_rows_end_early(regularisers, bias, close):
    module, x = (
        LSTM(6, 9, bias=bias, batch_first=True, **regularisers),
        torch.randn(4, 5, 6, requires_grad=True),
    )
    for _ in range(2):
        learned(module, x, lengths=LENGTHS[0])
    the_only(module)
    torch.manual_seed(3)
    found = learned(module, x, lengths=[1, 2, 0, 5])
    forget(module)
    torch.manual_seed(3)
    same(found, learned(module, x, lengths=[1, 2, 0, 5]), close)


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize(
    "lengths", [[3, 5, 1], [3, 5, 1, 6], [3, -1, 1, 4], [True] * 4, [0.5, 1, 2, 3]]
)
def test_a_repeated_call_refuses_lengths_that_cannot_be(lengths, learns):
    module, x = layer("gru", batch_first=True), torch.randn(4, 5, 6, requires_grad=learns)
    with torch.set_grad_enabled(learns):
        for _ in range(2):
            module(x, lengths=LENGTHS[0])
        assert kinds(module)
        with pytest.raises((InputError, SizeError), match="write 4 whole"):
            module(x, lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [3, 5, 1, 4]])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize(
    "others",
    [
        {"num_layers": 3},
        {"bias": False},
        {"num_layers": 2, "bias": False},
        {"bidirectional": True},
        {"num_layers": 2, "bidirectional": True, "bias": False},
    ],
    ids=str,
)
def test_layers_one_above_another_and_in_both_directions_and_without_biases(
    kind, others, batch_first, lengths, close
):
    module = kind(6, 9, batch_first=batch_first, **others)
    plain = copy.deepcopy(module)
    plain.engine = "reference"
    x = torch.randn(*((4, 5) if batch_first else (5, 4)), 6, requires_grad=True)
    for _ in range(4):
        same(learned(module, x, lengths=lengths), learned(plain, x, lengths=lengths), close)
        with torch.no_grad():
            for a, b in zip(
                module(x, lengths=lengths)[0], plain(x, lengths=lengths)[0], strict=True
            ):
                close(a, b)
    runs = module.num_layers * module.num_directions
    assert kinds(module) == [["training"] * runs, ["bound"] * runs]
    with torch.no_grad():
        for m in (module, plain):
            [*m.parameters()][-1].mul_(1.5)
        for _ in range(4):
            close(module(x, lengths=lengths)[0], plain(x, lengths=lengths)[0])
    same(learned(module, x, lengths=lengths), learned(plain, x, lengths=lengths), close)
    for m in (module, plain):
        [*m.parameters()][0].requires_grad_(False)
    same(learned(module, x, lengths=lengths), learned(plain, x, lengths=lengths), close)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("lengths", [None, [3, 5, 0, 4], [0, 0, 0, 0]])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_states_that_are_given(cell, batch_first, lengths, threads, bidirectional, close):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    module = layer(cell, batch_first=batch_first, bidirectional=bidirectional)
    plain = copy.deepcopy(module)
    plain.engine = "reference"
    x = torch.randn(*((4, 5) if batch_first else (5, 4)), 6)
    for _ in range(4):
        state = tuple(torch.randn_like(s) for s in module.initial_state(4))
        found = []
        for m in (module, plain):
            begin = tuple(s.clone().requires_grad_() for s in state)
            y, ends = m(x, begin, lengths)
            ends = ends if isinstance(ends, tuple) else (ends,)
            loss = y.cos().sum() + sum(s.sin().sum() for s in ends)
            found.append([y, *ends, *torch.autograd.grad(loss, [*begin, *m.parameters()])])
            with torch.no_grad():
                y, ends = m(x, state, lengths)
                found[-1] += [y, *(ends if isinstance(ends, tuple) else (ends,))]
        same(*found, close)
    # A reverse run whose output is its state writes what is past a row's end the longer way.
    assert (
        kinds(module) == [["training"], ["bound"]]
        or bidirectional
        and (lengths is not None or kinds(module) == [["training"] * 2, ["bound"] * 2])
    )
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_long_sequence_is_learned_a_part_at_a_time(kind, close):
    module = kind(6, 9, num_layers=2, batch_first=True)
    plain = copy.deepcopy(module)
    plain.engine = "reference"
    parts = torch.randn(6, 4, 5, 6)
    found = []
    for m in (module, plain):
        state, made = None, []
        for x in parts:
            y, state = m(x, state)
            made.append(y)
        y = torch.cat(made, 1)
        found.append([y, *torch.autograd.grad(y.cos().sum(), [*m.parameters()])])
    same(*found, close)
    # The first part begins without a state.
    assert kinds(module) == [["training"] * 2] * 2
    with pytest.raises(
        SizeError, match=r"it should be \(layers \* directions, batch, units\) = \(2, 4, 9\)"
    ):
        module(parts[0], module.initial_state(3))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_dropout_between_layers_draws_the_same(batch_first, bidirectional, close):
    module = LSTM(
        6, 9, num_layers=3, dropout=0.4, batch_first=batch_first, bidirectional=bidirectional
    )
    x = torch.randn(4, 5, 6, requires_grad=True)
    for _ in range(2):
        learned(module, x)
        with torch.no_grad():
            module(x)
    runs = 3 * module.num_directions
    assert kinds(module) == [["training"] * runs, ["bound"] * runs]
    torch.manual_seed(3)
    found = learned(module, x)
    torch.manual_seed(3)
    same(found, first_call(module, x), close)
    module.eval()
    with torch.no_grad():
        wanted = module(x)[0]
        for _ in range(3):
            close(module(x)[0], wanted)
    assert kinds(module)[-1] == ["bound"] * runs


REGULARISED = [
    {"zoneout": 0.3},
    {"zoneout": {"h": 0.2}, "recurrent_dropout": 0.3},
    {"variational": 0.4},
    {"weight_drop": 0.5},
    {"zoneout": 0.2, "recurrent_dropout": 0.3, "variational": 0.4, "weight_drop": 0.5},
]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("regularisers", REGULARISED)
def test_a_repeated_call_draws_the_same_masks(regularisers, batch_first, close):
    for make in (lambda **others: layer("lstm", **others), lambda **others: LSTM(6, 9, **others)):
        module, x = (
            make(batch_first=batch_first, **regularisers),
            torch.randn(4, 5, 6, requires_grad=True),
        )
        repeat(module, x)
        torch.manual_seed(1)
        found = [learned(module, x) for _ in range(2)]
        torch.manual_seed(1)
        wanted = [first_call(module, x) for _ in range(2)]
        same([*found[0], *found[1]], [*wanted[0], *wanted[1]], close)
        assert not torch.equal(found[0][0], found[1][0])
        module.eval()
        still = first_call(module, x)
        for _ in range(3):
            same(learned(module, x), still, close)
        assert kinds(module)[-1] == ["training"]


def test_a_gradient_has_a_gradient_with_masks_too(close):
    module, x = (
        layer("gru", zoneout=0.3, variational=0.3, dtype=torch.float64),
        torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True),
    )
    repeat(module, x)
    found = []
    for engine in (None, "reference"):
        module.engine = engine
        torch.manual_seed(1)
        (d,) = torch.autograd.grad(module(x)[0].sin().sum(), x, create_graph=True)
        found.append([d, *torch.autograd.grad(d.square().sum(), [x, *module.parameters()])])
    same(*found, close)


def test_a_repeated_call_looks_up_nothing(monkeypatch):
    module, x = layer(), torch.randn(3, 5, 6)
    repeat(module, x)
    monkeypatch.setattr(engines, "run_all", lambda *a, **k: pytest.fail("it was looked up"))
    learned(module, x)


@pytest.mark.parametrize("cell", ["lstm", "gru", "layer_norm_lstm"])
def test_only_the_gradients_asked_for_are_made(cell, close):
    module, x = layer(cell), torch.randn(3, 5, 6, requires_grad=True)
    repeat(module, x)
    whole, alone = learned(module, x), learned(module, x.detach())
    assert sum(a is None for a in alone) == 1
    same(
        [a for a in alone if a is not None],
        [w for a, w in zip(alone, whole) if a is not None],
        close,
    )
    for name, p in module.named_parameters():
        p.requires_grad_(False)
        module.zero_grad(set_to_none=True)
        found = learned(module, x)
        assert p.grad is None, name
        same(
            [f for f in found if f is not None],
            [w for f, w in zip(found, whole) if f is not None],
            close,
        )
        p.requires_grad_(True)
    for p in module.parameters():
        p.requires_grad_(False)
    assert not module(x.detach())[0].requires_grad


def test_two_calls_and_their_gradients_cross(close):
    module = layer("lstm")
    x, z = torch.randn(2, 3, 5, 6).unbind()
    repeat(module, x)
    wanted = [learned(module, x), learned(module, z)]
    module.zero_grad()
    first, second = module(x)[0], module(z)[0]
    assert torch.equal(first, wanted[0][0]) and torch.equal(second, wanted[1][0])
    second.sum().backward()
    alone = [p.grad.clone() for p in module.parameters()]
    first.sum().backward()
    both = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module(torch.cat([x, z]))[0].sum().backward()
    for p, mine, one in zip(module.parameters(), both, alone):
        close(mine, p.grad)
        assert not torch.equal(mine, one)


def test_a_graph_that_is_kept_is_gone_back_through_twice(close):
    module, x = layer(), torch.randn(3, 5, 6)
    repeat(module, x)
    module.zero_grad()
    loss = module(x)[0].square().sum()
    loss.backward(retain_graph=True)
    once = [p.grad.clone() for p in module.parameters()]
    loss.backward()
    for p, g in zip(module.parameters(), once):
        close(p.grad, 2 * g)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_gradient_has_a_gradient(batch_first, bidirectional, close):
    module = GRU(6, 9, batch_first=batch_first, bidirectional=bidirectional, dtype=torch.float64)
    x = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    found = []
    for engine in (None, None, None, "reference"):
        module.engine = engine
        y, h = module(x)
        (d,) = torch.autograd.grad(y.sin().sum() + h.cos().sum(), x, create_graph=True)
        found.append([d, *torch.autograd.grad(d.square().sum(), [x, *module.parameters()])])
    assert ["training"] * module.num_directions in kinds(module)
    for mine in found[:3]:
        same(mine, found[3], close)


def test_a_weight_in_two_places_has_both_parts_of_its_gradient(close):
    module = Recurrent("elman", 6, 6, dtype=torch.float64)
    module.U_l0 = module.W_l0
    x, found = torch.randn(3, 5, 6, dtype=torch.float64), []
    for engine in (None, None, None, "reference"):
        module.engine = engine
        (d,) = torch.autograd.grad(module(x)[0].sin().sum(), module.W_l0, create_graph=True)
        found.append([d, *torch.autograd.grad(d.square().sum(), module.W_l0)])
    for mine in found[:3]:
        same(mine, found[3], close)


def test_a_weight_is_read_as_it_is_now(close):
    module, x = LSTM(6, 9), torch.randn(5, 3, 6, requires_grad=True)
    repeat(module, x)
    torch.optim.SGD(module.parameters(), lr=0.5).step()
    same(learned(module, x), first_call(copy.deepcopy(module), x), close)
    module.weight_hh_l0.data.mul_(0.5)
    same(learned(module, x), first_call(copy.deepcopy(module), x), close)
    module.double()
    same(learned(module, x.double()), first_call(copy.deepcopy(module), x.double()), close)
    module.float()
    same(learned(module, x), first_call(copy.deepcopy(module), x), close)


@pytest.mark.parametrize("what", ["the output", "the input", "a weight"])
def test_what_backward_reads_is_not_to_be_changed(what):
    module, x = layer(), torch.randn(3, 5, 6)
    repeat(module, x)
    y, _ = module(x)
    loss = y.sum()
    with torch.no_grad():
        {"the output": y, "the input": x, "a weight": module.U_l0}[what].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_no_state_is_changed_with_the_output():
    module, x = LSTM(6, 9), torch.randn(5, 3, 6)
    repeat(module, x)
    y, (h, c) = module(x)
    assert torch.equal(y[-1:], h)
    before = h.clone()
    with torch.no_grad():
        y.zero_()
    assert torch.equal(h, before)


def test_many_threads_train_one_layer(close):
    module = GRU(6, 9)
    xs = torch.randn(8, 5, 3, 6)
    repeat(module, xs[0])
    wanted = [torch.autograd.grad(module(x)[0].sin().sum(), [*module.parameters()]) for x in xs]
    found = [[] for _ in xs]

    def train(k):
        for _ in range(20):
            found[k].append(
                torch.autograd.grad(module(xs[k])[0].sin().sum(), [*module.parameters()])
            )

    threads = [threading.Thread(target=train, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, mine in enumerate(found):
        assert len(mine) == 20
        for gradients in mine:
            same(gradients, wanted[k], close)


def test_other_calls_go_another_way(close):
    module, x = GRU(6, 9), torch.randn(5, 3, 6)
    executable = repeat(module, x)
    y, h = module(x)
    for given in ((x, torch.zeros(1, 3, 9)), (x, None, [5, 5, 5])) * 3:
        close(module(*given)[0], y)
    with torch.no_grad():
        close(module(x)[0], y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(x)[0].dtype == torch.float32
    close(
        torch.func.functional_call(
            module, {name: p * 1 for name, p in module.named_parameters()}, (x,)
        )[0],
        y,
    )
    close(torch.vmap(lambda x: module(x[:, None])[0][:, 0], 1, 1)(x), y)
    assert executable in [e for own in executables(module) for e in own]


def test_packed_weights_that_have_changed_are_let_go():
    module = LSTM(6, 9)
    mine = tuple((w.data_ptr(), w.stride()) for w in (module.weight_ih_l0, module.weight_hh_l0))
    alive = weakref.WeakSet()
    for _ in range(4):
        for steps in (3, 4, 5):
            with torch.no_grad():
                module.weight_hh_l0.mul_(1.01)
            learned(module, torch.randn(steps, 2, 6))
            caches = [loops.weights.entries for loops in _made.values()]
            alive.update(entries[mine] for entries in caches if mine in entries)
    assert kinds(module) == [["training"]] * 3
    gc.collect()
    assert len(alive) == 1
    del module
    gc.collect()
    assert not alive


def test_a_weight_that_is_pruned_is_not_a_parameter_any_more(close):
    module, x = Recurrent("gru_original", 9, 9), torch.randn(4, 5, 9)
    repeat(module, x)
    prune.l1_unstructured(module, next(iter(dict(module.named_parameters()))), amount=0.5)
    y, _ = module(x)
    module.engine = "reference"
    close(y, module(x)[0])


def test_a_signature_is_compiled_once(monkeypatch):
    compiled = []
    compile_ = Executable._compile
    monkeypatch.setattr(Executable, "_compile", lambda e: (compiled.append(e), compile_(e))[1])
    module = GRU(6, 9)
    for _ in range(2):
        for steps in range(3, 9):
            learned(module, torch.randn(steps, 2, 6))
    assert [e.steps for e in compiled] == [*range(3, 9)]
    forget(module)
    learned(module, torch.randn(5, 2, 6))
    assert len(compiled) == 6
    copied = copy.deepcopy(module)
    learned(copied, torch.randn(5, 2, 6))
    assert executables(copied) == [[compiled[2]]]


@pytest.mark.parametrize("learns", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize(
    "others",
    [
        {},
        {"num_layers": 2, "bidirectional": True},
        {"lengths": [3, 5, 1, 4]},
        {"batch_first": True},
    ],
    ids=str,
)
def test_every_call_of_a_signature_runs_the_same_executable(others, learns, monkeypatch, close):
    lengths = others.pop("lengths", None) if (others := {**others}) else None
    module, x = LSTM(6, 9, **others), torch.randn(5, 4, 6)
    x = x.transpose(0, 1).contiguous() if module.batch_first else x
    ran: list[list[Executable]] = []
    forward = Executable.forward
    monkeypatch.setattr(
        Executable, "forward", lambda e, *given: (ran[-1].append(e), forward(e, *given))[1]
    )
    bound = engines.bound.BoundExecutable.__call__
    monkeypatch.setattr(
        engines.bound.BoundExecutable,
        "__call__",
        lambda b, *given: (ran[-1].append(b.executable), bound(b, *given))[1],
    )
    outputs = []
    with torch.set_grad_enabled(learns):
        for _ in range(4):
            ran.append([])
            outputs.append(module(x, lengths=lengths)[0])
    runs = module.num_layers * module.num_directions
    assert [len(each) for each in ran] == [runs] * 4
    assert all(each == ran[0] for each in ran[1:])
    assert all(e.signature.backward is learns for e in ran[0])
    for output in outputs[1:]:
        assert torch.equal(output, outputs[0])


def test_a_stream_runs_the_executable_of_one_step(monkeypatch, close):
    ran: list[Executable] = []
    forward = Executable.forward
    monkeypatch.setattr(
        Executable, "forward", lambda e, *given: (ran.append(e), forward(e, *given))[1]
    )
    module, x = LSTM(9, 9, num_layers=2), torch.randn(3, 2, 9)
    stream = module.stream(2)
    output = [stream.step(x[0])]
    # The first step looks the executables up; the layers are alike, and have the same one.
    assert len(ran) == 2 and ran[0] is ran[1]
    for step in x[1:]:
        output.append(stream.step(step))
        assert stream._compiled.executables == ran and len(ran) == 2
    with torch.no_grad():
        close(torch.stack(output), module(x)[0])


def test_an_executable_is_forgotten_when_others_have_come(monkeypatch):
    monkeypatch.setattr(cpu, "EXECUTABLES", 3)
    monkeypatch.setattr(cpu, "_executables", weakref.WeakKeyDictionary())
    module = GRU(6, 9)
    for steps in (3, 4, 5, 3, 6, 3):
        forget(module)
        learned(module, torch.randn(steps, 2, 6))
    kept = cpu._executables[module.cell.graph]
    assert [signature.steps for signature in kept] == [5, 6, 3]


def test_calls_that_need_to_be_checked_each_time_are_not_accepted():
    module = Recurrent("lstm", 6, 9, checkpoint=2)
    for _ in range(3):
        learned(module, torch.randn(3, 5, 6))
    assert not kinds(module)
    module = ostinato.LSTM(6, 9, learned_state=True)
    for _ in range(3):
        learned(module, torch.randn(3, 5, 6))
    assert not kinds(module)


def test_large_directions_run_side_by_side(threads):
    threads(2)
    module = LSTM(64, 100, bidirectional=True)
    with torch.no_grad():
        for _ in range(3):
            for rows, steps in ((2, 10), (64, 80)):
                module(torch.randn(steps, rows, 64))
    assert kinds(module) == [["bound"] * 2, ["inference"] * 2]
    layers = [layer for accepted in module._accepted.kinds.values() for layer in accepted.layers]
    assert [layer.side_by_side for layer in layers] == [False, True]
    assert [e.signature.threads for layer in layers for e in layer.executables] == [2, 2, 1, 1]
