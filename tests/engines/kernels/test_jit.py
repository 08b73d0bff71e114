"""Kernels of this process: what they are compiled for, when they are freed, which threads run them,
and children of a fork.
"""

import _thread
import gc
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import weakref
from array import array
from collections import deque

import llvmlite.binding as llvm
import pytest
import torch
from llvmlite import ir

from ostinato import LSTM, Recurrent, cell, engines, tanh, weight
from ostinato.engines import loops
from ostinato.engines.kernels import jit
from ostinato.engines.kernels.builder import I64, Code
from ostinato.errors import InputError

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in engines.doctor()}["cpu"],
    reason="the cpu engine does not run here",
)


@pytest.fixture
def threads():
    """Set the number of torch's threads; it is put back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=["torch's threads", "threads of our own"])
def pool(request, monkeypatch):
    """Each way to get threads; functions that are made while it is set use it."""
    if request.param == "threads of our own":
        monkeypatch.setattr(jit, "_most_threads", lambda: 0)
    elif not jit._most_threads():
        pytest.skip("torch has no GNU OpenMP here")


# ---------------------------------------------------------------- what kernels are compiled for


@pytest.mark.parametrize("vector_width", jit.TARGETS)
def test_the_vector_width_can_be_forced(vector_width, monkeypatch):
    monkeypatch.setenv("OSTINATO_VECTOR_WIDTH", str(vector_width))
    target, why = jit.host.__wrapped__()
    assert (
        target.vector_width == vector_width
        and f"{vector_width} float32 numbers per vector (OSTINATO_VECTOR_WIDTH)" in why
    )
    assert vector_width == 16 or not target.bfloat16


def test_no_avx512_is_used_with_a_smaller_vector_width(monkeypatch):
    monkeypatch.setattr(jit, "host", lambda: (jit.TARGETS[8], "chosen by a test"))
    assert "+avx512" not in jit._features.__wrapped__()


@pytest.mark.parametrize(
    "variable, value",
    [("OSTINATO_VECTOR_WIDTH", "5"), ("OSTINATO_VECTOR_WIDTH", "x"), ("OSTINATO_BFLOAT16", "yes")],
)
def test_a_target_that_there_is_not_cannot_be_forced(variable, value, monkeypatch):
    monkeypatch.setenv(variable, value)
    jit._bfloat16.cache_clear()
    with pytest.raises(InputError, match=f"{variable}='{value}': it is one of .*, or not set"):
        jit.host.__wrapped__()
        jit._bfloat16.__wrapped__(16)


@pytest.mark.slow
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="these are processors of another kind"
)
@pytest.mark.parametrize(
    "processor", ["x86-64", "x86-64-v3", "x86-64-v4"], ids=["SSE2", "AVX2", "AVX-512"]
)
@pytest.mark.parametrize("vector_width", jit.TARGETS)
def test_code_of_every_width_runs_on_every_processor(vector_width, processor):
    if processor == "x86-64-v4" and not llvm.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no AVX-512")
    code = """
import sys, torch
import llvmlite.binding as llvm
from ostinato.engines.kernels import jit
jit.host()
llvm.get_host_cpu_name, jit._features = lambda: sys.argv[1], lambda: ""
from ostinato import Recurrent

def results(layer, x, engine):
    layer.engine = engine
    layer.zero_grad()
    y, _ = layer(x, lengths=[6, 0, 3, 3, 1, 6, 2])
    y.square().sum().backward()
    return [y.detach(), *(p.grad.clone() for p in layer.parameters())]

for name in ("lstm", "layer_norm_lstm"):
    for dtype, precision in ((torch.float32, None), (torch.float64, None), (torch.float32, "bfloat16")):
        layer, x = Recurrent(name, 5, 37, dtype=dtype, precision=precision), torch.randn(7, 6, 5, dtype=dtype)
        tolerance = 3e-2 if precision else {torch.float32: 1e-5, torch.float64: 1e-10}[dtype]
        for a, b in zip(results(layer, x, "cpu"), results(layer, x, "reference"), strict=True):
            print((a - b).abs().max().item() <= tolerance * max(1, b.abs().max().item()))
"""
    assert set(
        printed(code, processor, OSTINATO_VECTOR_WIDTH=str(vector_width), OSTINATO_BFLOAT16="0")
    ) == {"True"}


# ---------------------------------------------------------------- when compiled code is freed


@pytest.fixture
def compiled(monkeypatch):
    """The kernels that have been compiled since, as far as they are still there; tiles, which all
    kernels call, stay.
    """
    alive, init = weakref.WeakSet(), jit.Compiled.__init__

    def made(self, text, *names):
        init(self, text, *names)
        if names == ("run",):
            alive.add(self)

    monkeypatch.setattr(jit.Compiled, "__init__", made)
    monkeypatch.setattr(loops, "_last", deque(maxlen=2))
    return alive


def new_cell(factor):
    """A cell that no other test has."""

    @cell
    def made(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(W @ x + factor * (U @ h))

    return made


def use(layer):
    """Run a layer in every way: training and inference, first and made ready, and a stream."""
    x = torch.randn(4, 3, layer.input_size)
    for _ in range(3):
        layer(x)[0].square().sum().backward()
        with torch.no_grad():
            layer(x)
    stream = layer.stream(2)
    for _ in range(3):
        stream.step(torch.randn(2, layer.input_size))


def test_the_kernels_of_deleted_cells_are_freed(compiled, monkeypatch):
    closed, close = [], llvm.ExecutionEngine.close
    monkeypatch.setattr(
        llvm.ExecutionEngine, "close", lambda engine: (closed.append(engine.closed), close(engine))
    )
    use(Recurrent(new_cell(0.4), 3, 5))
    counts = []
    gc.disable()  # references are enough
    try:
        for k in range(8):
            use(Recurrent(new_cell(0.5 + k), 3, 5))
            counts.append(len(compiled))
    finally:
        gc.enable()
    # those of the last two are kept
    assert counts[2:] == [counts[2]] * 6
    assert closed.count(False) >= 12


def test_the_kernels_of_deleted_layers_of_one_cell_have_a_bound(compiled, monkeypatch):
    monkeypatch.setattr(engines.cpu, "EXECUTABLES", 6)
    counts, cell = [], new_cell(0.35)
    for units in range(5, 20):
        use(Recurrent(cell, 3, units))
        counts.append(len(compiled))
    assert max(counts[6:]) <= max(counts[:6])


def test_layers_that_are_there_keep_their_kernels(compiled):
    layers = [Recurrent(new_cell(0.1 * k), 3, 5) for k in range(6)]
    for layer in layers:
        use(layer)
    before = set(compiled)
    for layer in layers:
        use(layer)
    assert set(compiled) == before


def test_equal_cells_share_their_kernels(compiled):
    first = Recurrent(new_cell(0.25), 3, 5)
    use(first)
    before = set(compiled)
    second = Recurrent(new_cell(0.25), 3, 5)
    use(second)
    assert set(compiled) == before
    del first
    use(second)
    assert set(compiled) == before


@pytest.mark.parametrize("calls", [1, 3], ids=["first", "prepared"])
def test_backward_keeps_the_kernels_of_a_deleted_cell(calls, compiled, close):
    layer, x = Recurrent(new_cell(0.75), 3, 5), torch.randn(4, 3, 3, requires_grad=True)
    layer.engine = "reference"
    (wanted,) = torch.autograd.grad(layer(x)[0].square().sum(), x)
    layer.engine = None
    for _ in range(calls):
        y, _ = layer(x)
    mine = list(compiled)
    del layer
    for k in range(4):
        use(Recurrent(new_cell(2.0 + k), 3, 5))
    gc.collect()
    assert all(found in compiled for found in mine)
    close(torch.autograd.grad(y.square().sum(), x)[0], wanted)


def test_cells_are_made_used_and_deleted_by_several_threads(compiled, threads, close):
    threads(2)
    x = torch.randn(4, 3, 3)

    def run(k):
        found = []
        for turn in range(6):
            layer = Recurrent(new_cell(3.0 + k + turn / 8), 3, 5)
            use(layer)
            y, _ = layer(x)
            layer.engine = "reference"
            found.append((y, layer(x)[0]))
        return found

    for found in side_by_side([lambda k=k: run(k) for k in range(4)]):
        for mine, wanted in found:
            close(mine, wanted)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="/proc is missing")
def test_two_hundred_deleted_cells_take_no_more_memory_than_one_hundred():
    code = """
import torch
from ostinato import Recurrent, cell, sigmoid, split, tanh, weight

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

def train(k):
    @cell
    def made(x, h, *, W=weight("2*H", "I"), U=weight("2*H", "H")):
        z, n = split(W @ x + U @ h, 2)
        return sigmoid(z) * h + (1 + k / 1000) * tanh(n)
    layer, x = Recurrent(made, 8, 16), torch.randn(4, 6, 8)
    for _ in range(3):
        layer(x)[0].square().sum().backward()
        with torch.no_grad():
            layer(x)

for k in range(201):
    if k in (0, 100, 200):
        print(resident())
    train(k)
"""
    first, middle, last = map(int, printed(code, OMP_NUM_THREADS="1"))
    # a cell took 1.6 MB and more
    assert last - middle < 20, (first, middle, last)


# ---------------------------------------------------------------- which threads run a kernel


class _Who(Code):
    """Each thread waits until all are there, then writes down who it is. The words: who has come,
    and a place for each.
    """

    def __init__(self):
        target, _ = jit.host()
        super().__init__(64, target)
        self.enter((), openmp=jit.openmp() is not None)
        me = self.b.call(ir.Function(self.module, ir.FunctionType(I64, []), "pthread_self"), [])
        self.meet(self.words, self.threads)
        self.b.store(
            me, self.b.gep(self.words, [self.b.add(self.thread, self.i64(1))], source_etype=I64)
        )
        self.b.ret_void()
        self.text = str(self.module)


@pytest.mark.skipif(os.name != "posix", reason="pthread_self is missing")
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_as_many_threads_as_asked_for_run_a_kernel_at_once(pool, count):
    function, words = jit.Function(_Who().text), array("q", [0] * 10)
    for _ in range(3):
        words[0] = 0
        function(words.buffer_info()[0], count)
        who = [*words[1:]]
        assert len(set(who[:count])) == count and 0 not in who[:count] and not any(who[count:])


def test_changing_torchs_number_of_threads_changes_how_many_run_a_layer(threads, monkeypatch):
    counts, call = [], jit.Function.__call__
    monkeypatch.setattr(
        jit.Function,
        "__call__",
        lambda function, words, count: (counts.append(count), call(function, words, count)),
    )
    layer, x = LSTM(64, 128), torch.randn(20, 8, 64)
    for count in (1, 2, 3, 1, 2):
        threads(count)
        counts.clear()
        layer(x)[0].sum().backward()
        assert set(counts) == {count}


def test_threads_of_our_own_stay_for_the_next_run(monkeypatch):
    monkeypatch.setattr(jit, "_idle", [])
    seen = []
    for _ in range(5):
        jit._run_on_workers(lambda words, thread, count: seen.append(threading.get_ident()), 0, 3)
    assert len(seen) == 15 and len(set(seen)) == 3 == len(jit._idle)


def test_runs_at_once_have_threads_each_of_its_own():
    met = threading.Barrier(6, timeout=30)
    callers = [
        threading.Thread(
            target=jit._run_on_workers, args=(lambda words, thread, count: met.wait(), 0, 3)
        )
        for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not met.broken


def test_an_interrupt_waits_until_no_thread_is_at_work():
    at_work = []

    def run(words, thread, count):
        at_work.append(thread)
        if thread == 1:
            _thread.interrupt_main()
        time.sleep(0.1)
        at_work.remove(thread)

    # a program that was started in the background may ignore interrupts
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            jit._run_on_workers(run, 0, 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert at_work == []


# ---------------------------------------------------------------- several Python threads at once


def results(layer, x):
    """The output of inference and of training, and all gradients."""
    with torch.no_grad():
        inferred, _ = layer(x)
    output, _ = layer(x)
    return [
        inferred,
        output.detach(),
        *torch.autograd.grad(output.square().sum(), [x, *layer.parameters()]),
    ]


def side_by_side(works):
    """The results of the functions, each run by a Python thread of its own, all begun at once."""
    found, begin = [None] * len(works), threading.Barrier(len(works))

    def run(k):
        begin.wait()
        found[k] = works[k]()

    workers = [threading.Thread(target=run, args=(k,)) for k in range(len(works))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


@pytest.fixture
def hasty():
    """Python goes from one thread to the next as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# Sizes that no other test has, so that the first calls of all threads want the same kernels made.
@pytest.mark.parametrize(
    "cell, rows, inputs, units",
    [
        ("lstm", 6, 37, 59),
        ("lstm", 30, 61, 131),
        ("gru_original", 1, 29, 261),
        ("layer_norm_lstm", 9, 35, 67),
        ("lstm", 5, 297, 295),
    ],
)
def test_eight_python_threads_get_what_one_gets(cell, rows, inputs, units, threads, hasty):
    threads(2)
    layer, other = Recurrent(cell, inputs, units), Recurrent(cell, inputs, units)
    given = [torch.randn(rows, 5, inputs, requires_grad=True) for _ in range(8)]
    optimiser = torch.optim.SGD(other.parameters(), 0.01)

    def train():
        """Change the weights of another layer of the same kernels meanwhile."""
        for _ in range(5):
            optimiser.zero_grad()
            other(given[0].detach())[0].square().sum().backward()
            optimiser.step()

    for _ in range(4):
        *found, _ = side_by_side([lambda x=x: results(layer, x) for x in given] + [train])
        for mine, x in zip(found, given):
            for value, wanted in zip(mine, results(layer, x), strict=True):
                assert torch.equal(value, wanted)
        with torch.no_grad():
            for p in layer.parameters():
                p.mul_(1.1)


# ---------------------------------------------------------------- children of a fork


def printed(code, *arguments, **environment):
    """The text that Python code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


BEGIN = """
import os, signal, threading, torch
from ostinato import LSTM, Recurrent
torch.set_num_threads(2)
layer, x = LSTM(64, 128), torch.randn(30, 8, 64)

def results(layer):
    with torch.no_grad():
        inferred, _ = layer(x)
    output, _ = layer(x)
    return [inferred, output.detach(), *torch.autograd.grad(output.square().sum(), list(layer.parameters()))]

def child(work):
    '''Print what the work gives in a child, or the signal that has ended it: it has 20 seconds.'''
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        print(work(), flush=True)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if status:
        print("status", status, flush=True)

def same():
    return torch.get_num_threads() == 2 and all(map(torch.equal, results(layer), wanted))

wanted = results(layer)
"""

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is missing")


# Under OMP_DYNAMIC OpenMP may give fewer threads than are asked for, and threads of our own run
# kernels.
@fork
@pytest.mark.parametrize(
    "dynamic", ["false", "true"], ids=["torch's threads", "threads of our own"]
)
def test_a_child_runs_a_layer_on_threads_as_its_parent_has(dynamic):
    code = (
        BEGIN
        + """
child(same)
child(lambda: (child(same), same())[1])
print(same())
"""
    )
    assert printed(code, OMP_DYNAMIC=dynamic) == ["True"] * 4


@fork
def test_a_child_of_another_python_thread_runs_a_layer():
    code = (
        BEGIN
        + """
runner = threading.Thread(target=lambda: (same(), child(same), print(same(), flush=True)))
runner.start()
runner.join()
"""
    )
    assert printed(code) == ["True"] * 2


@fork
def test_a_fork_while_kernels_are_made_keeps_no_child_waiting():
    code = (
        BEGIN
        + """
stop = threading.Event()

def make():
    units = 5
    while not stop.is_set():
        units += 1
        Recurrent("elman", 3, units)(torch.zeros(1, 2, 3))[0].sum().backward()

maker = threading.Thread(target=make)
maker.start()
for units in range(40, 50):
    child(lambda: bool(Recurrent("elman", 4, units)(torch.ones(1, 2, 4))[0].sum().isfinite()) and same())
stop.set()
maker.join()
"""
    )
    assert printed(code) == ["True"] * 10


@fork
def test_workers_of_a_data_loader_run_a_layer():
    code = (
        BEGIN
        + """
class Outputs(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, k):
        with torch.no_grad():
            return layer(x * k)[0]

loader = torch.utils.data.DataLoader(Outputs(), num_workers=2, multiprocessing_context="fork", timeout=30,
                                     worker_init_fn=lambda k: torch.set_num_threads(2))
with torch.no_grad():
    for k, (output,) in enumerate(loader):
        print(torch.equal(output, layer(x * k)[0]))
"""
    )
    assert printed(code) == ["True"] * 6


# ---------------------------------------------------------------- OpenMP's settings


@pytest.mark.parametrize(
    "environment",
    [{"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true"}, {"OMP_NUM_THREADS": "1"}],
    ids=str,
)
def test_an_openmp_of_fewer_threads_keeps_none_waiting(environment):
    code = (
        BEGIN
        + """
torch.set_num_threads(4)
found = results(layer)
torch.set_num_threads(1)
print(*(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(found, results(layer), strict=True)))
"""
    )
    assert printed(code, **environment) == ["True"] * 6
