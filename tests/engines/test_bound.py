"""Short inferences and streams, whose executables are bound to weights: the same numbers, and nothing
old after a change.
"""

import copy
import pickle
import threading
import weakref

import pytest
import torch
from torch import nn

import ostinato
from ostinato import LSTM, Recurrent, engines
from ostinato.engines import doctor
from ostinato.errors import SizeError
from readiness import executables, forget, kinds

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)
CELLS = ["elman", "lstm", "gru", "gru_original", "min_gru", "layer_norm_lstm", "lstm_projected"]


def layer(cell="gru", *sizes, **others):
    return Recurrent(
        cell, *sizes or (6, 9), sizes={"P": 4} if cell == "lstm_projected" else None, **others
    )


def slow(module, x, *state):
    """The result of a call whose arguments are checked."""
    forget(module)
    return module(x, *state)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_second_call_gives_what_the_first_gave(cell, batch_first, threads, close):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    module = layer(cell, batch_first=batch_first)
    with torch.no_grad():
        for shape in ((1, 7, 6), (7, 1, 6), (3, 7, 6), (300, 200, 6)):
            xs = torch.randn(3, *shape)
            wanted = [slow(module, x) for x in xs]
            for _ in range(2):
                for x, (y, states) in zip(xs, wanted):
                    output, final = module(x)
                    for a, b in zip((output, *final), (y, *states), strict=True):
                        assert a.shape == b.shape
                        close(a, b)
            assert kinds(module) == [["bound"]]
    torch.set_num_threads(before)


def test_what_is_given_is_not_changed_by_a_later_call():
    module, x = LSTM(4, 5), torch.randn(6, 1, 4)
    with torch.inference_mode():
        module(x)
        output, (h, c) = module(x)
        kept = [t.clone() for t in (output, h, c)]
        output_2, _ = module(x + 1)
        assert all(map(torch.equal, (output, h, c), kept)) and not torch.equal(output, output_2)
        output.zero_()
        assert torch.equal(h, kept[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda module: module.weight_hh_l0.add_(1.0),
        lambda module: module.bias_ih_l0.data.add_(1.0),
        lambda module: setattr(module.weight_hh_l0, "data", torch.randn(20, 5)),
        lambda module: setattr(module, "weight_hh_l0", nn.Parameter(torch.randn(20, 5))),
        lambda module: module.load_state_dict(LSTM(4, 5).state_dict()),
        lambda module: nn.utils.parametrize.register_parametrization(
            module, "weight_hh_l0", nn.Tanh()
        ),
        lambda module: nn.utils.parametrize.register_parametrization(
            module, "bias_hh_l0", nn.Sigmoid()
        ),
    ],
    ids=[
        "in place",
        "through .data",
        "new memory",
        "new parameter",
        "loaded",
        "parametrized",
        "the last one parametrized",
    ],
)
def test_changed_weights_are_seen_by_calls_and_streams(change, close):
    module, x = LSTM(4, 5), torch.randn(6, 1, 4)
    stream = module.stream()
    with torch.no_grad():
        for _ in range(3):
            module(x)
            stream.step(x[0])
        state = stream.state
        change(module)
        found, output = module(x)[0], stream.step(x[0])
        module.engine = "reference"
        close(found, slow(module, x)[0])
        close(output, module(x[:1], state)[0][0])


def test_a_change_between_the_stretches_of_a_long_weight_is_seen(close):
    module, x = LSTM(40, 50), torch.randn(6, 1, 40)
    with torch.no_grad():
        module(x)
        before = module(x)[0]
        module.weight_hh_l0[3, 11] += 1.0
        found = module(x)[0]
        module.engine = "reference"
        close(found, slow(module, x)[0])
    assert (found != before).any()


def test_a_layer_made_in_inference_mode_is_bound(close):
    with torch.inference_mode():
        module, x = LSTM(40, 50), torch.randn(6, 1, 40)
        found, stream = [module(x)[0] for _ in range(3)], module.stream()
        steps = torch.stack([stream.step(row).clone() for row in x])
        assert torch.equal(found[0], found[2])
        close(steps, found[0])


def stepped(stream, x, times):
    return [stream.step(x[k]).clone() for k in range(times)]


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))],
    ids=["copied", "pickled"],
)
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_stream_is_copied_and_pickled_with_its_state(copied, steps, close):
    module, x = LSTM(4, 5, num_layers=2), torch.randn(6, 2, 4)
    holder = nn.Module()
    holder.layer, holder.stream = module, module.stream(2)
    stepped(holder.stream, x, steps)
    other = copied(holder)
    assert other.stream.layer is other.layer
    wanted = stepped(holder.stream, x, 6)
    for y, found in zip(wanted, stepped(other.stream, x, 6), strict=True):
        close(found, y)
    with torch.no_grad():
        other.layer.weight_hh_l0.zero_()
    close(holder.stream.step(x[0]), module(torch.cat((x[:steps], x, x[:1])))[0][-1].detach())


@pytest.mark.parametrize("learned_state", [False, True])
def test_a_stream_has_a_copy_of_the_state_that_it_is_given(learned_state, close):
    module, x = Recurrent("lstm", 4, 5, learned_state=learned_state), torch.randn(2, 4)
    stream, given = module.stream(2), tuple(torch.randn(1, 2, 5) for _ in range(2))
    stream.state = given
    wanted = [s.clone() for s in given]
    for s in given:
        s.zero_()
    for s, y in zip(stream.state, wanted, strict=True):
        assert torch.equal(s, y)
    stream.reset()
    begun = [s.clone() for s in stream.state]
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1.0)
    for s, y in zip(stream.state, begun, strict=True):
        assert torch.equal(s, y)
    stream.step(x)
    taken = stream.state
    kept = [s.clone() for s in taken]
    stream.step(x)
    for s, y in zip(taken, kept, strict=True):
        assert torch.equal(s, y)


def test_no_input_is_held(close):
    module = LSTM(4, 5, batch_first=True)
    x = torch.randn(3, 6, 4)
    with torch.no_grad():
        for _ in range(3):
            module(x)
        assert kinds(module) == [["bound"]]
        gone = weakref.ref(x)
        del x
        assert gone() is None


def test_shapes_that_alternate_are_bound():
    module = LSTM(4, 5)
    with torch.no_grad():
        for _ in range(2):
            for steps in (3, 4, 5):
                module(torch.randn(steps, 2, 4))
    assert kinds(module) == [["bound"]] * 3


def test_gradients_are_not_lost():
    module, x = LSTM(4, 5), torch.randn(6, 1, 4)
    with torch.no_grad():
        module(x)
        module(x)
    assert module(x)[0].requires_grad


def test_a_layer_that_has_been_called_is_copied_and_pickled(close):
    module, x = LSTM(4, 5), torch.randn(6, 1, 4)
    with torch.no_grad():
        wanted = module(x)[0]
        for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            close(other(x)[0], wanted)
            module.weight_ih_l0.mul_(1.0)
            close(other(x)[0], wanted)


def test_threads_at_once(close):
    module, xs = LSTM(4, 5), torch.randn(8, 6, 1, 4)
    with torch.no_grad():
        wanted = [slow(module, x)[0] for x in xs]
    found = [[] for _ in xs]

    def work(k):
        with torch.no_grad():
            for _ in range(100):
                found[k].append(module(xs[k])[0])

    workers = [threading.Thread(target=work, args=(k,)) for k in range(len(xs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for outputs, y in zip(found, wanted):
        assert len(outputs) == 100
        for output in outputs:
            close(output, y)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_of_stacked_layers_gives_what_the_layer_gives(cell, threads, close):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    module, x = (
        layer(cell, 6, 200 if threads > 1 else 9, num_layers=1 if cell == "lstm_projected" else 3),
        torch.randn(2, 8, 6),
    )
    stream, out = module.stream(2), torch.empty(2, module.output_size)
    with torch.no_grad():
        wanted, states = slow(module, x)
    for t in range(8):
        close(stream.step(x[:, t], out) if t % 2 else stream.step(x[:, t]), wanted[:, t])
    for a, b in zip(stream.state, states, strict=True):
        close(a, b)
    stream.reset([1])
    again = stream.step(x[:, 0])
    close(again[1], wanted[1, 0])
    torch.set_num_threads(before)


def test_the_output_is_written_where_it_is_wanted():
    module, x, out = LSTM(4, 5), torch.randn(1, 4), torch.empty(1, 5)
    stream = module.stream()
    for _ in range(3):
        assert stream.step(x, out) is out
    kept = out.clone()
    other = stream.step(x)
    assert torch.equal(out, kept) and not torch.equal(other, out)
    with pytest.raises(SizeError, match=r"\(1, 6\); it wants a tensor of \(1, 5\)"):
        stream.step(x, torch.empty(1, 6))


def test_nothing_is_bound_twice(monkeypatch, close):
    made = []
    for name in ("bind", "compile_step"):
        make = getattr(engines, name)
        monkeypatch.setattr(
            engines, name, lambda *given, make=make: (made.append(make.__name__), make(*given))[1]
        )
    module, x = ostinato.GRU(4, 5), torch.randn(3, 6, 4).transpose(0, 1)
    large, wide = ostinato.GRU(4, 5), torch.randn(2, 40_000, 4)
    stream = module.stream(3)
    with torch.no_grad():
        wanted = slow(module, x)[0]
        for _ in range(4):
            close(module(x)[0], wanted)
            large(wide)
        for t in range(6):
            close(stream.step(x[t]), wanted[t])
            assert not x[t].is_contiguous()
    assert made == ["bind", "compile_step"]
    assert kinds(large) == [["inference"]]
    with torch.no_grad():
        assert module.double()(x.double())[0].dtype == torch.float64
        module(x.double())
    assert [kind[1] for kind in module._accepted.kinds] == [torch.float32, torch.float64]


def test_a_change_by_another_thread_between_reading_and_running_is_seen(monkeypatch, close):
    module, x = LSTM(4, 5), torch.randn(6, 1, 4)
    with torch.no_grad():
        for _ in range(3):
            module(x)
        ((bound,),) = executables(module)
        # Each time that the weights have been read they change once more.
        bind, changes = bound._bind, []

        def change():
            bind()
            if len(changes) < 3:
                changes.append(module.weight_hh_l0.data.add_(0.1))

        monkeypatch.setattr(bound, "_bind", change)
        module.weight_hh_l0.data.add_(0.1)
        for _ in range(4):
            found = module(x)[0]
        module.engine = "reference"
        close(found, module(x)[0])
        assert len(changes) == 3


def test_what_is_of_another_kind_is_taken_by_the_long_way(close):
    module = ostinato.GRU(4, 5)
    stream, x = module.stream(), torch.randn(1, 8)
    for _ in range(3):
        state = stream.state
        close(stream.step(x[:, ::2]), module(x[None, :, ::2].contiguous(), state)[0][0])
    with pytest.raises(SizeError):
        stream.step(torch.randn(1, 5))
    with pytest.raises(SizeError):
        stream.step(torch.randn(2, 4))
