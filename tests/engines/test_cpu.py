"""The CPU engine apart from its results: packed weights, threads, memory, errors, first calls."""

import gc
import threading
import time
import weakref

import llvmlite.binding as llvm
import pytest
import torch

from odd_cells import delayed, doubled, stepped
from ostinato import GRU, LSTM, Recurrent, cell, engines, tanh, weight
from ostinato.cells.classic import CELLS
from ostinato.compiler.plan import Plan
from ostinato.engines import doctor, loops, memory, reference, schedule
from ostinato.engines.kernels.builder import Target
from ostinato.engines.kernels.time_loop import Kernel
from ostinato.errors import EngineError

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)


@pytest.fixture
def threads():
    """Set the number of torch's threads; it is put back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def both(layer, x, **others):
    """A layer's output by the CPU engine and by the reference."""
    results = []
    for engine in ("cpu", "reference"):
        layer.engine = engine
        results.append(layer(x, **others)[0])
    return results


# ---------------------------------------------------------------- packed weights


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.add_(1.0),
        lambda w: w.data.add_(1.0),
        lambda w: w.data.copy_(torch.zeros(w.shape)),
    ],
    ids=["in place", "in place through .data", "copied through .data"],
)
@pytest.mark.parametrize("units", [3, 80])
def test_a_changed_weight_is_seen(units, change, close):
    layer, x = Recurrent("gru", 4, units), torch.randn(2, 3, 4)
    before = layer(x)[0].detach()
    with torch.no_grad():
        change(layer.U_l0)
    mine, wanted = both(layer, x)
    close(mine, wanted)
    assert not torch.equal(mine, before)


def test_a_weight_set_to_new_memory_is_seen(close):
    layer, x = LSTM(4, 5), torch.randn(3, 2, 4)
    layer(x)
    layer.weight_hh_l0.data = torch.randn(20, 5)
    close(*both(layer, x))


def test_an_optimiser_step_is_seen(close):
    layer, x = LSTM(4, 5), torch.randn(3, 2, 4)
    optimiser = torch.optim.Adam(layer.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        layer(x)[0].square().sum().backward()
        optimiser.step()
        close(*both(layer, x))


def test_packed_weights_go_with_their_weights():
    layer = LSTM(4, 5)
    layer(torch.randn(3, 2, 4))
    kept = weakref.ref(layer.weight_hh_l0)
    del layer
    gc.collect()
    assert kept() is None


def test_weights_that_are_not_rows_of_memory(close):
    graph = CELLS["elman"].graph
    W, U = torch.randn(4, 5).T, torch.randn(10, 5)[::2]
    given = dict(
        inputs=(torch.randn(6, 2, 4),),
        states=(torch.zeros(2, 5),),
        weights={"W": W, "U": U, "b": torch.zeros(10)[::2]},
    )
    close(engines.scan(graph, **given, engine="cpu")[0], reference.scan(graph, **given)[0])


# ---------------------------------------------------------------- threads


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("cell", ["lstm", "gru_original", "layer_norm_lstm"])
def test_any_number_of_threads_gives_the_same(cell, batch, threads, close):
    layer, x = (
        Recurrent(cell, 30, 260, dtype=torch.float64),
        torch.randn(batch, 9, 30, dtype=torch.float64),
    )
    results = []
    for count in (1, 2, 3):
        threads(count)
        layer.zero_grad()
        layer(x)[0].square().sum().backward()
        results.append([layer(x)[0].detach(), *(p.grad for p in layer.parameters())])
    for result in results[1:]:
        for mine, wanted in zip(result, results[0], strict=True):
            close(mine, wanted)


def test_threads_share_the_units_of_few_rows_with_many_weights(close):
    few = loops.loops(CELLS["lstm"].graph, {"I": 300, "H": 300}, rows=5, steps=9, threads=2)
    assert few.split("train", 5, 9, 2) == (2, True) and few.split("train", 13, 9, 2) == (2, False)
    layer, x = (
        Recurrent("lstm", 300, 300, dtype=torch.float64),
        torch.randn(5, 9, 300, dtype=torch.float64),
    )
    close(*both(layer, x, lengths=[9, 0, 4, 7, 1]))


def test_several_python_threads_at_once(close):
    layer, x = LSTM(8, 12), [torch.randn(20, 3, 8) for _ in range(4)]
    wanted = [layer(each)[0].detach() for each in x]
    found = [None] * 4

    def work(k):
        for _ in range(20):
            found[k] = layer(x[k])[0]

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for mine, right in zip(found, wanted):
        close(mine.detach(), right)


@pytest.mark.parametrize("tasks", [2, 3])
def test_rows_are_shared_out_by_their_lengths(tasks):
    lengths = torch.randperm(60)
    order = schedule.ragged(60, 60, tasks, False, lengths).order
    assert sorted(order.tolist()) == list(range(60))
    shares = lengths[order].view(tasks, -1)
    assert (shares.diff() < 0).all()
    assert shares.sum(1).max() - shares.sum(1).min() <= tasks


# ---------------------------------------------------------------- memory and autograd


def test_long_memory_is_used_again_only_when_nobody_looks_at_it():
    size = (memory.LONG // 4 + 1000,)
    memory.release()
    a = memory.empty(size, torch.float32)
    part, address = a[5:10], a.data_ptr()
    del a
    other = memory.empty(size, torch.float32)
    assert other.data_ptr() != address
    del part
    assert memory.empty(size, torch.float32).data_ptr() == address


def test_short_scratch_memory_is_used_by_one_run_after_another():
    memory.release()
    layers = [LSTM(4, 5), GRU(4, 5), LSTM(4, 5)]
    for _ in range(4):
        for layer in layers:
            for steps in (3, 9):
                y, _ = layer(torch.randn(steps, 2, 4, requires_grad=True))
                y.sum().backward()
    idle = [block for blocks in memory._scratch.values() for block in blocks]
    assert 0 < len(idle) <= len({block.numel() for block in idle})
    first = memory.ScratchMemory(900)
    given = [first.take(), memory.ScratchMemory(1000).take()]
    assert given[0].numel() == given[1].numel() == 1024
    assert given[0].data_ptr() != given[1].data_ptr()
    first.give(given[1])
    assert first.take() is given[1]


def test_an_output_changed_in_place_is_an_error_in_backward():
    layer = LSTM(4, 5)
    y, _ = layer(torch.randn(3, 2, 4))
    loss = y.square().sum()
    with torch.no_grad():
        y.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_backward_twice_wants_a_kept_graph():
    layer, x = LSTM(4, 5), torch.randn(3, 2, 4)
    loss = layer(x)[0].sum()
    loss.backward(retain_graph=True)
    first = layer.weight_ih_l0.grad.clone()
    loss.backward()
    assert torch.equal(layer.weight_ih_l0.grad, 2 * first)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@pytest.mark.parametrize("steps", [1, 9])
@pytest.mark.parametrize("cell", CELLS)
def test_a_first_call_in_inference_mode_leaves_nothing_that_training_cannot_use(cell, steps):
    graph = CELLS[cell].graph
    layer = Recurrent(
        cell,
        11,
        19,
        sizes={letter: 5 for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}},
    )
    x = torch.randn(1, steps, 11)
    with torch.inference_mode():
        before, _ = layer(x)
    output, _ = layer(x)
    output.sum().backward()
    torch.testing.assert_close(output, before.clone())


def test_only_the_gradients_asked_for_are_made(close):
    layer, x = LSTM(4, 5), torch.randn(3, 2, 4)
    layer.weight_ih_l0.requires_grad_(False)
    layer(x)[0].sum().backward()
    assert layer.weight_ih_l0.grad is None and layer.weight_hh_l0.grad is not None


# ---------------------------------------------------------------- before the loop


def test_a_product_of_a_product_of_the_input_is_made_of_it(monkeypatch, close):
    @cell
    def deep(x, h, *, A=weight("H", "I"), W=weight("H", "H"), U=weight("H", "H")):
        a = A @ x
        return tanh(W @ tanh(a) + a + U @ h)

    layer, x = Recurrent(deep, 30, 40, engine="cpu"), torch.randn(1, 400, 30)
    made, evaluate = [], reference.evaluate
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(
            reference,
            "evaluate",
            lambda nodes, *others: (made.extend(n.op for n in nodes), evaluate(nodes, *others)),
        )
        layer(x)
    assert made == ["tanh"], "the product has been made, and is not made again"
    close(*both(layer, x))


# ---------------------------------------------------------------- products with the same argument


@pytest.mark.parametrize(
    "worth", [loops.WORTH_A_CALL, 0], ids=["all products in the loop", "some outside it"]
)
def test_what_is_multiplied_twice_counts_twice(worth, monkeypatch, close):
    monkeypatch.setattr(loops, "WORTH_A_CALL", worth)
    layer, x = (
        Recurrent(doubled, 5, 9, dtype=torch.float64),
        torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True),
    )
    ours, theirs = both(layer, x)
    close(ours, theirs)
    gradients = [
        torch.autograd.grad(y.square().sum(), [x, *layer.parameters()], materialize_grads=True)
        for y in (ours, theirs)
    ]
    for d, wanted in zip(*gradients, strict=True):
        close(d, wanted)


# ---------------- outputs that are an old state, and gradients without anything to read


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("odd", [delayed, stepped])
def test_an_old_state_as_output_and_gradients_of_constants(odd, bidirectional, ragged, close):
    layer, x = (
        Recurrent(odd, 4, 4, bidirectional=bidirectional, dtype=torch.float64),
        torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True),
    )
    given = {"lengths": [5, 0, 2]} if ragged else {}
    start = [
        torch.randn(1 + bidirectional, 3, 4, dtype=torch.float64, requires_grad=True)
        for _ in odd.graph.states
    ]
    # Without weights and a state nothing has a gradient.
    for state in [None] * bool(odd.graph.weights) + [start]:
        found = []
        for engine in ("cpu", "reference"):
            layer.engine = engine
            output, states = layer(x, state, **given)
            loss = output.sin().sum() + sum(s.square().sum() for s in states)
            found.append(
                [
                    output,
                    *states,
                    *torch.autograd.grad(
                        loss,
                        [x, *start, *layer.parameters()],
                        materialize_grads=True,
                        allow_unused=True,
                    ),
                ]
            )
        for mine, wanted in zip(*found, strict=True):
            close(mine, wanted)


# ---------------------------------------------------------------- errors and first calls


@pytest.mark.parametrize(
    "given, why",
    [
        (dict(dtype=torch.float16), "float32 and float64"),
        (dict(device="meta"), "CPU's own memory"),
    ],
    ids=["half", "meta"],
)
def test_what_the_engine_cannot_run_is_said(given, why):
    layer = LSTM(2, 3, engine="cpu", **given)
    with pytest.raises(
        EngineError, match=f"engine='cpu' cannot run this: .*{why}.*leave engine out"
    ):
        layer(torch.zeros(4, 1, 2, **given))


@pytest.mark.slow
def test_a_new_shape_of_lstm_compiles_in_half_a_second():
    times = []
    for hidden in (97, 98, 99):
        layer, x = LSTM(61, hidden), torch.randn(10, 16, 61)
        start = time.perf_counter()
        layer(x)[0].sum().backward()
        times.append(time.perf_counter() - start)
    assert sorted(times)[1] < 0.5


# ---------------------------------------------------------------- other processors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["lstm", "layer_norm_lstm", "gru_original"])
@pytest.mark.parametrize(
    "target", [Target(4, 32), Target(8, 16), Target(16, 32)], ids=["NEON", "AVX2", "AVX-512"]
)
def test_kernels_of_every_width_agree(target, name, dtype, compile_for, close):
    compile_for(target)
    layer, x = Recurrent(name, 5, 21, dtype=dtype), torch.randn(7, 6, 5, dtype=dtype)
    results = []
    for engine in ("cpu", "reference"):
        layer.engine = engine
        layer.zero_grad()
        y, ends = layer(x, lengths=[6, 0, 3, 3, 1, 6, 2])
        (y.square().sum() + sum(s.sum() for s in ends)).backward()
        results.append([y, *ends, *(p.grad for p in layer.parameters())])
    for mine, wanted in zip(*results, strict=True):
        close(mine, wanted)


@pytest.mark.parametrize(
    "triple, processor, features, target, multiply",
    [
        ("aarch64-linux-gnu", "neoverse-n1", "+neon", Target(4, 32), "fmla"),
        ("x86_64-linux-gnu", "haswell", "+avx2,+fma", Target(8, 16), "vfmadd"),
        (
            "x86_64-linux-gnu",
            "skylake-avx512",
            "+avx512f,+avx512vl,-prefer-256-bit",
            Target(16, 32),
            "zmm",
        ),
    ],
    ids=["NEON", "AVX2", "AVX-512"],
)
def test_kernels_compile_for_every_processor(triple, processor, features, target, multiply):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    graph = CELLS["lstm"].graph
    plan = Plan(graph, {"I": 20, "H": 40})
    for program in (plan.infer, plan.train, plan.backward):
        kernel = Kernel(
            program,
            32,
            target,
            descending=program is plan.backward,
            one_row=False,
            shared_units=False,
        )
        machine = llvm.Target.from_triple(triple).create_target_machine(
            cpu=processor, features=features, opt=3
        )
        module = llvm.parse_assembly(kernel.text)
        module.triple = triple
        assert multiply in machine.emit_assembly(module)
