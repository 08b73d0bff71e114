"""Private: turning a kernel's text into a function of this process, and running it on threads."""

import ctypes
import functools
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable

import llvmlite.binding as llvm

from ...errors import InputError
from .builder import Target

# Processors, as LLVM names them, on which AVX512_BF16 multiplies faster than float32 instructions
# do: AMD's Zen 4 and Zen 5. On Intel's, whose fast bfloat16 unit is AMX, it was measured to be
# slower (Emerald Rapids).
FAST_BFLOAT16 = ("znver4", "znver5")
# What kernels are compiled for on processors of each number of float32 numbers per vector.
TARGETS = {4: Target(4, 32), 8: Target(8, 16), 16: Target(16, 32)}


@functools.cache
def host() -> tuple[Target | None, str]:
    """The target that kernels are compiled for, and why; None where the processor has no vector
    unit that kernels use.

    Two environment variables force another target, so that tests can run the code of other
    processors. They do not make anything faster.

    - OSTINATO_VECTOR_WIDTH=4, 8 or 16: float32 numbers per vector. Below 16 the compiler uses no
      AVX-512 either. Vectors that are wider than the processor's are split by the compiler.
    - OSTINATO_BFLOAT16=0 uses no bfloat16 instructions; 1 uses them even where they are not known
        to be faster.

    Raises:
        InputError: A variable has another value, or asks for instructions that the processor does
            not have.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features, name = llvm.get_host_cpu_features(), llvm.get_host_cpu_name()
    vector_width, unit = 0, ""
    if features.get("avx512f") and features.get("avx512vl"):
        vector_width, unit = 16, "AVX-512"
    elif features.get("avx2") and features.get("fma"):
        vector_width, unit = 8, "AVX2 and FMA"
    elif features.get("neon") or llvm.get_default_triple().startswith(("aarch64", "arm64")):
        vector_width, unit = 4, "NEON"
    forced = _forced("OSTINATO_VECTOR_WIDTH", [str(n) for n in TARGETS])
    if not vector_width:
        return None, f"{name} has neither AVX2 with FMA, nor AVX-512, nor NEON"
    why = f"{name}: {unit}, {forced or vector_width} float32 numbers per vector"
    why += " (OSTINATO_VECTOR_WIDTH)" if forced else ""
    target = TARGETS[int(forced or vector_width)]
    return Target(target.vector_width, target.registers, _bfloat16(target.vector_width)[0]), why


@functools.cache
def _bfloat16(vector_width: int) -> tuple[bool, str]:
    """Whether kernels of this vector width use the instructions for products of bfloat16 numbers,
    and why.
    """
    forced, name = _forced("OSTINATO_BFLOAT16", ["0", "1"]), llvm.get_host_cpu_name()
    has = llvm.get_host_cpu_features().get("avx512bf16")
    if not has or vector_width != 16:
        why = (
            "AVX512_BF16 needs 16 numbers per vector"
            if has
            else f"{name} does not have AVX512_BF16"
        )
        if forced == "1":
            raise InputError(f"OSTINATO_BFLOAT16=1: {why}; leave it out")
        return False, why
    if forced:
        return forced == "1", f"OSTINATO_BFLOAT16={forced}"
    if name in FAST_BFLOAT16:
        return True, f"it is faster on {name}"
    return False, f"AVX512_BF16 is not known to be faster on {name}"


def bfloat16_products() -> str:
    """How products of `precision="bfloat16"` are computed, and why."""
    target, _ = host()
    used, why = _bfloat16(target.vector_width)
    return (
        f"{'multiplied by AVX512_BF16' if used else 'rounded, and multiplied in float32'} ({why})"
    )


def _forced(variable: str, allowed: list[str]) -> str | None:
    """The value of an environment variable; None where it is not set, or empty."""
    given = os.environ.get(variable)
    if given and given not in allowed:
        raise InputError(f"{variable}={given!r}: it is one of {', '.join(allowed)}, or not set")
    return given or None


@functools.cache
def _features() -> str:
    """The processor's features that the compiler may use."""
    features = llvm.get_host_cpu_features()
    if host()[0].vector_width < 16:
        for name in features:
            features[name] &= not name.startswith(("avx512", "avx10", "amx", "evex"))
    return ",".join(filter(None, (features.flatten(), "-prefer-256-bit" if features else "")))


def _machine() -> llvm.TargetMachine:
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=3
    )


# What emits machine code. Each compiler that loads it takes possession of a machine of its own.
_emitter = functools.cache(_machine)


# Held by a thread that makes kernels, and by one that forks: a child has that thread alone, and
# must not find a kernel half made.
making = threading.RLock()
# Compilers of code that nobody uses any more: they are closed by whoever holds `making` next.
_unused: deque[llvm.ExecutionEngine] = deque()


class Compiled:
    """The machine code of an LLVM module, which is freed with this object: whoever may call a
    function of it has to hold it.

    Args:
        text: The module.
        names: The functions whose addresses are wanted.

    Attributes:
        address: Of the first function.
    """

    def __init__(self, text: str, *names: str):
        with making:
            _close_unused()
            target, why = host()
            if target is None:
                raise RuntimeError(why)
            module = llvm.parse_assembly(text, llvm.create_context())
            module.verify()
            # The passes of an optimiser, run here, take as long again and find nothing in a
            # kernel's code. A compiler that is given the module itself keeps what it used to emit
            # the code, some 700 KiB; one that loads the code keeps 50.
            code = _emitter().emit_object(module)
            nothing = llvm.parse_assembly("", llvm.create_context())
            engine = llvm.create_mcjit_compiler(nothing, _machine())
            engine.remove_module(nothing)
            engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            engine.finalize_object()
            self._addresses = {name: engine.get_function_address(name) for name in names}
            weakref.finalize(self, _free, engine).atexit = False
        self.address = self._addresses[names[0]]

    def __getitem__(self, name: str) -> int:
        """The address of a function."""
        return self._addresses[name]


def _free(engine: llvm.ExecutionEngine) -> None:
    """Close a compiler whose code nobody uses any more, here or, while another thread makes
    kernels, a little later.
    """
    _unused.append(engine)
    if making.acquire(blocking=False):
        try:
            _close_unused()
        finally:
            making.release()


def _close_unused() -> None:
    while _unused:
        _unused.popleft().close()


def made(kind: type, *arguments) -> Compiled:
    """Code for this processor with the function `run`, compiled once and kept: there is a fixed
    number of such kinds.

    Args:
        kind: A kind of `code.Code`, whose last argument is the processor.
        arguments: Those before.
    """
    target, _ = host()
    return _made(kind, arguments, target)


@functools.cache
def _made(kind: type, arguments: tuple, target: Target) -> Compiled:
    return Compiled(kind(*arguments, target).text, "run")


def publish(name: str, address: int) -> None:
    """Let modules that are compiled from now on call a function by its name."""
    llvm.add_symbol(name, address)


class Function:
    """A compiled kernel.

    Args:
        text: An LLVM module with the functions `run(words, thread, threads)` and, where there is
            OpenMP, `parallel(words)`.
    """

    def __init__(self, text: str):
        names = ["run", "parallel"] if openmp() else ["run"]
        self._compiled = found = Compiled(text, *names)
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
            found["run"]
        )
        self._parallel, self._most = found[names[-1]], _most_threads()
        # Without letting other Python threads run meanwhile, which costs a tenth of a short call.
        self._short = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
            found["run"]
        )

    def short(self, words: int) -> Callable[[], None]:
        """The same on this thread, as a function without arguments, for a call of microseconds: no
        other Python thread runs meanwhile.
        """
        return functools.partial(self._short, words, 0, 1)

    def __call__(self, words: int, threads: int):
        """Run on a number of threads; at the address `words` are the kernel's arguments."""
        if threads == 1:
            self._run(words, 0, 1)
        elif threads <= self._most:
            openmp()(self._parallel, words, threads, 0)
        else:
            _run_on_workers(self._run, words, threads)


@functools.cache
def openmp():
    """torch's own pool of threads, where torch runs on GNU OpenMP: entering it costs microseconds,
    and no thread of ours competes with torch's. None elsewhere."""
    try:
        library = ctypes.CDLL(None)
        enter = library.GOMP_parallel
        _ = library.omp_get_thread_num, library.omp_get_num_threads, library.omp_pause_resource_all
    except (AttributeError, OSError, TypeError):  # TypeError: on Windows no library stands for all
        return None
    enter.argtypes, enter.restype = (
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint],
        None,
    )
    return enter


@functools.cache
def _most_threads() -> int:
    """How many threads that pool is sure to have if they are asked for (OMP_THREAD_LIMIT,
    OMP_DYNAMIC): of fewer, some would wait for ever.
    """
    library = ctypes.CDLL(None) if openmp() else None
    return library.omp_get_thread_limit() if library and not library.omp_get_dynamic() else 0


# ---------------- threads of our own, where OpenMP is missing

# Where each thread that has nothing to do waits for work.
_idle: list[queue.SimpleQueue] = []


def _work(todo: queue.SimpleQueue):
    while True:
        done, function, *given = todo.get()
        function(*given)
        done.set()


def _worker() -> queue.SimpleQueue:
    """Where a thread waits that nobody else has: those of one run may wait for each other, and none
    of them for another run.
    """
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
    """Run on other threads alone: an interrupt (Ctrl-C) stops Python's main thread only, and that
    waits until they are done with its memory.
    """
    todo, done = _worker(), threading.Event()
    try:
        todo.put((done, _run_together, run, words, threads))
        done.wait()
    finally:
        done.wait()
        _idle.append(todo)


# ---------------------------------------------------------------- fork


def _before_fork():
    """Make no kernel meanwhile, and end the threads of GNU OpenMP's pool: a child has none of them,
    and would wait for them for ever.
    """
    making.acquire()
    if openmp():
        ctypes.CDLL(None).omp_pause_resource_all(
            1
        )  # 1: omp_pause_soft, which keeps torch.set_num_threads


def _in_child():
    making.release()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=making.release, after_in_child=_in_child
    )
