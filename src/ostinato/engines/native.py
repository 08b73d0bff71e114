"""Turning a kernel's text into a function of this process, and running it on threads."""

import ctypes
import functools
import os
import queue
import threading
from collections.abc import Callable

import llvmlite.binding as llvm

from .code import Target


@functools.cache
def host() -> tuple[Target | None, str]:
    """This processor as a kernel's target, and why; None where it has no vector unit that the kernels use."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    name = llvm.get_host_cpu_name()
    if features.get("avx512f") and features.get("avx512vl"):
        bfloat16 = bool(features.get("avx512bf16"))
        return Target(16, 32, bfloat16), f"{name}: AVX-512{' with BF16' * bfloat16}, 16 float32 lanes"
    if features.get("avx2") and features.get("fma"):
        return Target(8, 16), f"{name}: AVX2 and FMA, 8 float32 lanes"
    if features.get("neon") or llvm.get_default_triple().startswith(("aarch64", "arm64")):
        return Target(4, 32), f"{name}: NEON, 4 float32 lanes"
    return None, f"{name} has neither AVX2 with FMA, nor AVX-512, nor NEON"


def no_bfloat16() -> str | None:
    """Why this processor has no products of bfloat16 numbers; None where it has."""
    target, why = host()
    if target is None or target.bfloat16:
        return None if target else why
    return f"this processor has no instructions for products of bfloat16 numbers, AVX512_BF16 ({why})"


@functools.cache
def _machine() -> llvm.TargetMachine:
    features = llvm.get_host_cpu_features().flatten()
    if features:
        features += ",-prefer-256-bit"
    return llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3)


# Held by a thread that makes kernels, and by one that forks: a child has that thread alone, and must not find a kernel half made.
making = threading.RLock()
_alive: list = []


def compiled(text: str, *names: str) -> dict[str, int]:
    """Compile an LLVM module: the addresses of its functions of these names, which stay for as long as the process."""
    with making:
        target, why = host()
        if target is None:
            raise RuntimeError(why)
        module = llvm.parse_assembly(text)
        module.verify()
        # The passes of an optimiser, run here, take as long again and find nothing in a kernel's code.
        engine = llvm.create_mcjit_compiler(module, _machine())
        engine.finalize_object()
        _alive.append(engine)
        return {name: engine.get_function_address(name) for name in names}


def made(kind: type, *arguments) -> int:
    """The address of the function `run` of code for this processor, compiled once.

    Args:
        kind: A kind of `code.Code`, whose last argument is the processor.
        arguments: Those before.
    """
    target, _ = host()
    return _made(kind, arguments, target)


@functools.cache
def _made(kind: type, arguments: tuple, target: Target) -> int:
    return compiled(kind(*arguments, target).text, "run")["run"]


def publish(name: str, address: int) -> None:
    """Let modules that are compiled from now on call a function by its name."""
    llvm.add_symbol(name, address)


class Function:
    """A compiled kernel.

    Args:
        text: An LLVM module with the functions `run(words, thread, threads)` and, where there is OpenMP, `team(words)`.
    """

    def __init__(self, text: str):
        found = compiled(text, "run", *["team"] * bool(openmp()))
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(found["run"])
        self._team, self._most = found.get("team"), _most_threads()
        # Without letting other Python threads run meanwhile, which costs a tenth of a short call.
        self._short = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(found["run"])

    def short(self, words: int) -> Callable[[], None]:
        """The same on this thread, as a function without arguments, for a call of microseconds: no other Python thread runs meanwhile."""
        return functools.partial(self._short, words, 0, 1)

    def __call__(self, words: int, threads: int):
        """Run on so many threads; at the address `words` are the kernel's arguments."""
        if threads == 1:
            self._run(words, 0, 1)
        elif threads <= self._most:
            openmp()(self._team, words, threads, 0)
        else:
            _run_on_workers(self._run, words, threads)


@functools.cache
def openmp():
    """torch's own pool of threads, where torch runs on GNU OpenMP: entering it costs microseconds, and no thread of ours
    competes with torch's. None elsewhere."""
    try:
        library = ctypes.CDLL(None)
        enter = library.GOMP_parallel
        _ = library.omp_get_thread_num, library.omp_get_num_threads, library.omp_pause_resource_all
    except (AttributeError, OSError, TypeError):  # TypeError: on Windows no library stands for all
        return None
    enter.argtypes, enter.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return enter


@functools.cache
def _most_threads() -> int:
    """How many threads that pool is sure to have if they are asked for (OMP_THREAD_LIMIT, OMP_DYNAMIC): of fewer, some would wait for ever."""
    library = ctypes.CDLL(None) if openmp() else None
    return library.omp_get_thread_limit() if library and not library.omp_get_dynamic() else 0


# ---------------------------------------------------------------- threads of our own, where there is no OpenMP

# Where each thread that has nothing to do waits for work.
_idle: list[queue.SimpleQueue] = []


def _work(todo: queue.SimpleQueue):
    while True:
        done, function, *given = todo.get()
        function(*given)
        done.set()


def _worker() -> queue.SimpleQueue:
    """Where a thread waits that nobody else has: those of one run may wait for each other, and none of them for another run."""
    try:
        return _idle.pop()
    except IndexError:
        todo = queue.SimpleQueue()
        threading.Thread(target=_work, args=(todo,), name="ostinato", daemon=True).start()
        return todo


def _run_together(run, words: int, threads: int):
    """Run on this thread and others."""
    others = [(_worker(), threading.Event()) for _ in range(1, threads)]
    for k, (todo, done) in enumerate(others, 1):
        todo.put((done, run, words, k, threads))
    run(words, 0, threads)
    for todo, done in others:
        done.wait()
        _idle.append(todo)


def _run_on_workers(run, words: int, threads: int):
    """Run on other threads alone: an interrupt (Ctrl-C) stops Python's main thread only, and that waits until they are done with its memory."""
    todo, done = _worker(), threading.Event()
    try:
        todo.put((done, _run_together, run, words, threads))
        done.wait()
    finally:
        done.wait()
        _idle.append(todo)


# ---------------------------------------------------------------- fork


def _before_fork():
    """Make no kernel meanwhile, and end the threads of GNU OpenMP's pool: a child has none of them, and would wait for them for ever."""
    making.acquire()
    if openmp():
        ctypes.CDLL(None).omp_pause_resource_all(1)  # 1: omp_pause_soft, which keeps torch.set_num_threads


def _in_child():
    making.release()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=making.release, after_in_child=_in_child)
