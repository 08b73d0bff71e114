"""Private: the peak rate of the processor (multiply-adds in registers), and the measurement of
rates.
"""

import ctypes
import time
from collections.abc import Sequence

from ..engines.kernels import jit
from ..engines.kernels.builder import Code, Target

# Long enough for the start of the threads to be negligible.
SECONDS = 0.01
UNROLLED = 4
# Bytes of the words that each thread has for itself.
CACHE_LINE_BYTES = 64


class Turns(Code):
    """LLVM code of `run(words, thread, threads)`, which repeats something as often as the first
    word says.
    """

    def end(self, sums):
        """Add up the results and store them, so that the compiler does not remove the work."""
        total = self.constant(0.0)
        for one in sums:
            total = self.b.fadd(total, one)
        place = self.b.mul(
            self.b.add(self.thread, self.i64(1)), self.i64(CACHE_LINE_BYTES // self.bytes)
        )
        self.store(total, self.at(self.words, place))
        self.b.ret_void()
        self.text = str(self.module)


class _Chains(Turns):
    """`sums` chains of multiply-adds."""

    def __init__(self, target: Target, sums: int, *, openmp: bool):
        super().__init__(32, target)
        self.enter(["count"], openmp=openmp)
        # Each chain has another start value, otherwise the compiler would merge them; each step
        # moves it half of the way to 1.
        chains = [self.constant(k + 2) for k in range(sums)]
        half = self.constant(0.5)
        with self.loop(0, self.given["count"], carried=chains):
            for _ in range(UNROLLED):
                chains[:] = [self.fma(chain, half, half) for chain in chains]
        self.end(chains)


class Rate:
    """The rate of some work on all threads, measured at each call; the best is kept.

    Args:
        text: The kernel, an LLVM module; its first word is the number of turns of each thread. It
            may write a cache line per thread, after the first line.
        threads: Number of threads.
        words: Further words of the kernel.
        work: The work of all threads together in one turn.
    """

    def __init__(self, text: str, threads: int, words: Sequence[int], work: int):
        self.threads, self.best = threads, 0.0
        self._function, self._work = jit.Function(text), work
        self._words = (ctypes.c_int64 * (CACHE_LINE_BYTES // 8 * (threads + 1)))(1, *words)
        # One thread determines the number of turns: several could take long only by waiting for
        # each other.
        while self._least(1) < SECONDS:
            self._words[0] *= 2

    def _least(self, threads: int) -> float:
        """The shortest time of a few calls in seconds."""
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            self._function(self._words, threads)
            taken.append(time.perf_counter() - start)
        return min(taken)

    def __call__(self) -> None:
        """Measure again."""
        self.best = max(self.best, self._work * self._words[0] / self._least(self.threads))


class Peak(Rate):
    """Operations per second of multiply-adds in registers; `best` is None if no kernel runs here.

    Args:
        threads: Number of threads.
    """

    def __init__(self, threads: int):
        self.best, (target, _) = None, jit.host()
        if target:
            # Enough chains to hide the latency of a multiply-add, and few enough for the registers.
            sums = 24 if target.registers >= 32 else 12
            text = _Chains(target, sums, openmp=jit.openmp() is not None).text
            super().__init__(text, threads, (), 2 * target.vector_width * sums * UNROLLED * threads)

    def __call__(self) -> None:
        if self.best is not None:
            super().__call__()
