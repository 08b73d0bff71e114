"""The processor's peak, multiply-adds that stay in registers, and how a rate is measured."""

import ctypes
import time
from collections.abc import Sequence

from ..engines.kernels import jit
from ..engines.kernels.builder import Code, Target

# Long enough that waking the threads does not count.
SECONDS = 0.01
UNROLLED = 4
# Bytes of the words that each thread has to itself.
LINE = 64


class Turns(Code):
    """LLVM code of `run(words, thread, threads)`, which makes as many turns of something as the
    first word says.
    """

    def end(self, sums):
        """Add up what was made, and write it where nothing else is: what is not wanted would not be
        made at all.
        """
        total = self.constant(0.0)
        for one in sums:
            total = self.b.fadd(total, one)
        place = self.b.mul(self.b.add(self.thread, self.i64(1)), self.i64(LINE // self.bytes))
        self.store(total, self.at(self.words, place))
        self.b.ret_void()
        self.text = str(self.module)


class _Chains(Turns):
    """`sums` chains of multiply-adds."""

    def __init__(self, target: Target, sums: int, *, openmp: bool):
        super().__init__(32, target)
        self.enter(["count"], openmp=openmp)
        # Each chain starts elsewhere, or they would be made one; each step of it takes it half of
        # the way to 1.
        chains = [self.constant(k + 2) for k in range(sums)]
        half = self.constant(0.5)
        with self.loop(0, self.given["count"], carried=chains):
            for _ in range(UNROLLED):
                chains[:] = [self.fma(chain, half, half) for chain in chains]
        self.end(chains)


class Rate:
    """Measures how much of some work all threads do a second, as often as it is called, and
    remembers the best.

    Args: text: The kernel, an LLVM module; its first word says how many turns each thread makes,
        and it may write a line of each
            thread's own behind a first one.
        threads: Threads that work at once.
        words: The kernel's further words.
        work: What all threads do in one turn together.
    """

    def __init__(self, text: str, threads: int, words: Sequence[int], work: int):
        self.threads, self.best = threads, 0.0
        self._function, self._work = jit.Function(text), work
        self._words = (ctypes.c_int64 * (LINE // 8 * (threads + 1)))(1, *words)
        # One thread says how many turns are enough: several may seem to take long where they only
        # wait for each other.
        while self._least(1) < SECONDS:
            self._words[0] *= 2

    def _least(self, threads: int) -> float:
        """The fewest seconds of a few calls."""
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            self._function(self._words, threads)
            taken.append(time.perf_counter() - start)
        return min(taken)

    def __call__(self) -> None:
        """Measure once more."""
        self.best = max(self.best, self._work * self._words[0] / self._least(self.threads))


class Peak(Rate):
    """Operations a second of multiply-adds in registers; `best` is None where there is no kernel to
    run.

    Args:
        threads: Threads that multiply at once.
    """

    def __init__(self, threads: int):
        self.best, (target, _) = None, jit.host()
        if target:
            # Enough chains to hide a multiply-add's latency, and few enough for the registers.
            sums = 24 if target.registers >= 32 else 12
            text = _Chains(target, sums, openmp=jit.openmp() is not None).text
            super().__init__(text, threads, (), 2 * target.vector_width * sums * UNROLLED * threads)

    def __call__(self) -> None:
        if self.best is not None:
            super().__call__()
