"""The processor's peak: multiply-adds that stay in registers."""

import ctypes
import time

from ..engines import native

# Long enough that waking the threads does not count.
SECONDS = 0.01
UNROLLED = 4


def _module(lanes: int, sums: int, openmp: bool) -> str:
    """LLVM code of `run(words, thread, threads)`: `sums` chains of multiply-adds, as long as the first word says."""
    vector = f"<{lanes} x float>"

    def splat(value: float) -> str:
        return f"<{', '.join([f'float {value:.1f}'] * lanes)}>"

    lines = [
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
        "define void @run(ptr %words, i64 %thread, i64 %threads) {", "entry:",
        "  %count = load i64, ptr %words", "  br label %loop", "loop:", "  %i = phi i64 [0, %entry], [%next, %loop]"]
    # Each chain starts elsewhere, or they would be made one; each step of it takes it half of the way to 1.
    lines += [f"  %s{k}.0 = phi {vector} [{splat(k + 2)}, %entry], [%s{k}.{UNROLLED}, %loop]" for k in range(sums)]
    lines += [f"  %s{k}.{n + 1} = call {vector} @llvm.fma.v{lanes}f32({vector} %s{k}.{n}, {vector} {splat(0.5)}, {vector} {splat(0.5)})"
              for n in range(UNROLLED) for k in range(sums)]
    lines += ["  %next = add i64 %i, 1", "  %more = icmp ult i64 %next, %count", "  br i1 %more, label %loop, label %done", "done:"]
    lines += [f"  %t{k + 1} = fadd {vector} {f'%t{k}' if k else splat(0.0)}, %s{k}.{UNROLLED}" for k in range(sums)]
    lines += [
        "  %which = add i64 %thread, 1", "  %place = getelementptr [64 x i8], ptr %words, i64 %which",
        f"  store {vector} %t{sums}, ptr %place, align 8", "  ret void", "}"]
    if openmp:
        lines += [
            "declare i32 @omp_get_thread_num()", "declare i32 @omp_get_num_threads()", "define void @team(ptr %words) {",
            "  %t = call i32 @omp_get_thread_num()", "  %n = call i32 @omp_get_num_threads()", "  %t64 = sext i32 %t to i64",
            "  %n64 = sext i32 %n to i64", "  call void @run(ptr %words, i64 %t64, i64 %n64)", "  ret void", "}"]
    return "\n".join(lines)


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
            self._function = native.Function(_module(target.lanes, sums, native.openmp() is not None))
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
