"""Kernels on threads: which run them, several callers at once, and children of a fork."""

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from array import array

import pytest
import torch
from llvmlite import ir

from ostinato import LSTM, Recurrent, engines
from ostinato.engines import native
from ostinato.engines.code import I64, Code

pytestmark = pytest.mark.skipif(not {name: runs for name, runs, _ in engines.doctor()}["cpu"], reason="the cpu engine does not run here")


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
        monkeypatch.setattr(native, "_most_threads", lambda: 0)
    elif not native._most_threads():
        pytest.skip("torch has no GNU OpenMP here")


# ---------------------------------------------------------------- which threads run a kernel


class _Who(Code):
    """Each thread waits until all are there, then writes down who it is. The words: who has come, and a place for each."""

    def __init__(self):
        target, _ = native.host()
        super().__init__(64, target)
        self.enter((), openmp=native.openmp() is not None)
        me = self.b.call(ir.Function(self.module, ir.FunctionType(I64, []), "pthread_self"), [])
        self.meet(self.words, self.threads)
        self.b.store(me, self.b.gep(self.words, [self.b.add(self.thread, self.i64(1))], source_etype=I64))
        self.b.ret_void()
        self.text = str(self.module)


@pytest.mark.skipif(os.name != "posix", reason="there is no pthread_self")
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_as_many_threads_as_asked_for_run_a_kernel_at_once(pool, count):
    function, words = native.Function(_Who().text), array("q", [0] * 10)
    for _ in range(3):
        words[0] = 0
        function(words.buffer_info()[0], count)
        who = [*words[1:]]
        assert len(set(who[:count])) == count and 0 not in who[:count] and not any(who[count:])


def test_changing_torchs_number_of_threads_changes_how_many_run_a_layer(threads, monkeypatch):
    counts, call = [], native.Function.__call__
    monkeypatch.setattr(native.Function, "__call__", lambda function, words, count: (counts.append(count), call(function, words, count)))
    layer, x = LSTM(64, 128), torch.randn(20, 8, 64)
    for count in (1, 2, 3, 1, 2):
        threads(count)
        counts.clear()
        layer(x)[0].sum().backward()
        assert set(counts) == {count}


def test_threads_of_our_own_stay_for_the_next_run(monkeypatch):
    monkeypatch.setattr(native, "_idle", [])
    seen = []
    for _ in range(5):
        native._run_on_workers(lambda words, thread, count: seen.append(threading.get_ident()), 0, 3)
    assert len(seen) == 15 and len(set(seen)) == 3 == len(native._idle)


def test_runs_at_once_have_threads_each_of_its_own():
    met = threading.Barrier(6, timeout=30)
    callers = [threading.Thread(target=native._run_on_workers, args=(lambda words, thread, count: met.wait(), 0, 3)) for _ in range(2)]
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
            native._run_on_workers(run, 0, 2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert at_work == []


# ---------------------------------------------------------------- several Python threads at once


def results(layer, x):
    """The output of inference and of training, and all gradients."""
    with torch.no_grad():
        inferred, _ = layer(x)
    output, _ = layer(x)
    return [inferred, output.detach(), *torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])]


def side_by_side(works):
    """What the works return, each run by a Python thread of its own, all begun at once."""
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
@pytest.mark.parametrize("cell, rows, inputs, units", [
    ("lstm", 6, 37, 59), ("lstm", 30, 61, 131), ("gru_original", 1, 29, 261), ("layer_norm_lstm", 9, 35, 67), ("lstm", 5, 297, 295),
])
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


def printed(code, **environment):
    """What Python code prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=120)
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

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


# Under OMP_DYNAMIC OpenMP may give fewer threads than are asked for, and threads of our own run kernels.
@fork
@pytest.mark.parametrize("dynamic", ["false", "true"], ids=["torch's threads", "threads of our own"])
def test_a_child_runs_a_layer_on_threads_as_its_parent_has(dynamic):
    code = BEGIN + """
child(same)
child(lambda: (child(same), same())[1])
print(same())
"""
    assert printed(code, OMP_DYNAMIC=dynamic) == ["True"] * 4


@fork
def test_a_child_of_another_python_thread_runs_a_layer():
    code = BEGIN + """
runner = threading.Thread(target=lambda: (same(), child(same), print(same(), flush=True)))
runner.start()
runner.join()
"""
    assert printed(code) == ["True"] * 2


@fork
def test_a_fork_while_kernels_are_made_keeps_no_child_waiting():
    code = BEGIN + """
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
    assert printed(code) == ["True"] * 10


@fork
def test_workers_of_a_data_loader_run_a_layer():
    code = BEGIN + """
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
    assert printed(code) == ["True"] * 6


# ---------------------------------------------------------------- OpenMP's settings


@pytest.mark.parametrize("environment", [{"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true"}, {"OMP_NUM_THREADS": "1"}], ids=str)
def test_an_openmp_of_fewer_threads_keeps_none_waiting(environment):
    code = BEGIN + """
torch.set_num_threads(4)
found = results(layer)
torch.set_num_threads(1)
print(*(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(found, results(layer), strict=True)))
"""
    assert printed(code, **environment) == ["True"] * 6
