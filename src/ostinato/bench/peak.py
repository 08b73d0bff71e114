"""The processor's peak: multiply-adds that stay in registers."""

import ctypes
import time

from ..engines import native
from ..engines.code import Code, Target

# Long enough that waking the threads does not count.
SECONDS = 0.01
UNROLLED = 4
# Bytes of the words that each thread has to itself.
LINE = 64


class _Chains(Code):
    """LLVM code of `run(words, thread, threads)`: `sums` chains of multiply-adds, as long as the first word says."""

    def __init__(self, target: Target, sums: int, *, openmp: bool):
        super().__init__(32, target)
        self.enter(["count"], openmp=openmp)
        # Each chain starts elsewhere, or they would be made one; each step of it takes it half of the way to 1.
        chains = [self.constant(k + 2) for k in range(sums)]
        half = self.constant(0.5)
        with self.loop(0, self.given["count"], carried=chains):
            for _ in range(UNROLLED):
                chains[:] = [self.fma(chain, half, half) for chain in chains]
        total = self.constant(0.0)
        for chain in chains:
            total = self.b.fadd(total, chain)
        place = self.b.mul(self.b.add(self.thread, self.i64(1)), self.i64(LINE // self.bytes))
        self.store(total, self.at(self.words, place))
        self.b.ret_void()
        self.text = str(self.module)


class Peak:
    """Measures the peak as often as it is called, and remembers the best; `best` is None where there is no kernel to run.

    Args:
        threads: Threads that multiply at once.
    """

    def __init__(self, threads: int):
        self.threads, self.best = threads, None
        target, _ = native.host()
        self._function = None
        if target:
            # Enough chains to hide a multiply-add's latency, and few enough for the registers.
            sums = 24 if target.registers >= 32 else 12
            self._function = native.Function(_Chains(target, sums, openmp=native.openmp() is not None).text)
            self._operations = 2 * target.lanes * sums * UNROLLED * threads
            self._words = (ctypes.c_int64 * (8 * (threads + 1)))(1000)
            # Not one call alone, which may have had to wait for its threads.
            while min(self._call() for _ in range(3)) < SECONDS:
                self._words[0] *= 2

    def _call(self) -> float:
        start = time.perf_counter()
        self._function(self._words, self.threads)
        return time.perf_counter() - start

    def __call__(self) -> None:
        """Measure once more."""
        if self._function:
            rate = self._operations * self._words[0] / min(self._call() for _ in range(3))
            self.best = max(rate, self.best or 0.0)
