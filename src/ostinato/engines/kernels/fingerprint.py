"""Private: a 64-bit fingerprint of memory, which tells whether weights have changed since they were
packed.

Torch counts only the changes that it makes itself: not those through `.data`, NumPy, DLPack or
another process. Reading the memory sees all of them. The weights of one call are read once, at
about the speed of memory.

The memory is cut into blocks of 64 vectors. In a block every 64-bit number is mixed with a key of
its place by a product of its two halves, as XXH3 does
(https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md); the blocks' results are mixed with
the number of the block and added up, so that threads may share the blocks in any way.
"""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

from llvmlite import ir
from torch import Tensor

from . import jit
from .builder import I32, I64, PTR, Code, Target
from .job_list import Job, JobList, Relocation, ReusableList, Word
from .tuning import LONG_SPAN

# Numbers of 32 bits in a vector, and vectors in a block.
VECTOR, BLOCK = 16, 64
# Odd 64-bit constants: binary digits of the golden ratio, and those that SplitMix64 and MurmurHash3
# mix with.
GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Span(NamedTuple):
    """Memory to read: its address, and how many numbers of 32 bits there are."""

    address: Word
    numbers: int


def span(w: Tensor) -> Span:
    """The memory of a tensor of float32 or float64, from its first number to its last, gaps between
    them included.
    """
    if w.is_contiguous():
        return Span(w.data_ptr(), w.numel() * w.element_size() // 4)
    last = (
        sum((size - 1) * stride for size, stride in zip(w.shape, w.stride())) if w.numel() else -1
    )
    return Span(w.data_ptr(), (last + 1) * w.element_size() // 4)


class _FingerprintCode(Code):
    """The code. Its words: where each thread's part of the fingerprint is written; how many spans;
    and two words for each.
    """

    def __init__(self, target: Target):
        super().__init__(32, target)
        self._pairs = ir.VectorType(I64, VECTOR // 2)
        self.enter(("out", "spans"))
        b, i64 = self.b, self.i64
        carried = [i64(0), i64(0)]
        with self.loop(0, self.given["spans"], carried=carried) as k:
            place = b.add(i64(2), b.mul(k, i64(2)))
            address, numbers = (
                self.word(self.words, place),
                self.word(self.words, b.add(place, i64(1))),
            )
            blocks = b.sdiv(b.add(numbers, i64(VECTOR * BLOCK - 1)), i64(VECTOR * BLOCK))
            first, last = self._share(blocks)
            found, before = carried
            inner = [found]
            with self.loop(first, last, carried=inner) as block:
                start = b.mul(block, i64(VECTOR * BLOCK))
                many = self.min64(b.sub(numbers, start), i64(VECTOR * BLOCK))
                inner[0] = b.add(
                    inner[0],
                    self._block(
                        self.at(b.inttoptr(address, PTR), start), many, b.add(before, block)
                    ),
                )
            carried[:] = inner[0], b.add(before, blocks)
        b.store(
            carried[0], b.gep(b.inttoptr(self.given["out"], PTR), [self.thread], source_etype=I64)
        )
        b.ret_void()
        self.text = str(self.module)

    def _share(self, blocks):
        """This thread's blocks. Most memory has but one, for which nothing has to be divided: it is
        the last thread's.
        """
        b, i64 = self.b, self.i64
        with b.if_else(b.icmp_signed("<=", blocks, i64(1))) as (one, several):
            with one:
                mine = b.icmp_signed("==", self.thread, b.sub(self.threads, i64(1)))
                end, single = b.select(mine, blocks, i64(0)), b.block
            with several:
                shared, divided = self.share(blocks), b.block
        found = []
        for alone, part in ((i64(0), shared[0]), (end, shared[1])):
            found.append(b.phi(I64))
            found[-1].add_incoming(alone, single)
            found[-1].add_incoming(part, divided)
        return found

    def _block(self, memory, numbers, which):
        """The result of a block: its address, how many numbers it has, and its own number."""
        b, i64 = self.b, self.i64
        pairs, whole = b.and_(numbers, i64(-2 * VECTOR)), b.and_(numbers, i64(-VECTOR))
        start = self._filled(b.mul(which, self._number(MIX_1)))
        keys = ir.Constant(
            self._pairs, [_signed((k + 1) * GOLDEN % (1 << 64)) for k in range(VECTOR // 2)]
        )
        # Two sums, for an addition takes longer than it takes to begin the next.
        carried = [start, ir.Constant(self._pairs, None), keys]
        with self.vectors_of(VECTOR):
            with self.loop(0, pairs, 2 * VECTOR, carried=carried) as k:
                self._mix(carried, 0, self.load(self.at(memory, k)))
                self._mix(carried, 1, self.load(self.at(memory, b.add(k, i64(VECTOR)))))
            with self.loop(pairs, whole, VECTOR, carried=carried) as k:
                self._mix(carried, 0, self.load(self.at(memory, k)))
            # Past the last number there is 0.
            rest = b.sub(numbers, whole)
            with self.loop(
                whole,
                b.select(b.icmp_signed(">", rest, i64(0)), b.add(whole, i64(1)), whole),
                carried=carried,
            ) as k:
                self._mix(carried, 1, self.load(self.at(memory, k), self.below(rest)))
        # An odd factor for each place, so that sums exchanged between places count; then one number
        # that depends on all of their bits.
        factors = ir.Constant(
            self._pairs, [_signed((2 * k + 1) * MIX_2 % (1 << 64)) for k in range(VECTOR // 2)]
        )
        sums = b.mul(b.add(carried[0], carried[1]), factors)
        total = b.add(numbers, b.mul(which, self._number(GOLDEN)))
        while (count := sums.type.count) > 1:
            lower, upper = (
                ir.Constant(ir.VectorType(I32, count // 2), [*range(half, half + count // 2)])
                for half in (0, count // 2)
            )
            sums = b.add(b.shuffle_vector(sums, sums, lower), b.shuffle_vector(sums, sums, upper))
        return self._stirred(b.add(total, b.extract_element(sums, ir.Constant(I32, 0))))

    def _mix(self, carried, which: int, vector):
        """Add one vector to one of the two sums. The keys, which are carried after the sums, become
        those of the next vector.
        """
        b, keys = self.b, carried[2]
        numbers = b.bitcast(vector, self._pairs)
        keyed = b.xor(numbers, keys)
        low, high = b.and_(keyed, self._all(0xFFFFFFFF)), b.lshr(keyed, self._all(32))
        swapped = b.shuffle_vector(
            numbers,
            numbers,
            ir.Constant(ir.VectorType(I32, VECTOR // 2), [k ^ 1 for k in range(VECTOR // 2)]),
        )
        carried[which] = b.add(carried[which], b.add(swapped, b.mul(low, high)))
        carried[2] = b.add(keys, self._all(MIX_2))

    def _stirred(self, x):
        """A number each of whose bits depends on all bits of another."""
        b, i64 = self.b, self.i64
        x = b.mul(b.xor(x, b.lshr(x, i64(30))), self._number(MIX_1))
        x = b.mul(b.xor(x, b.lshr(x, i64(27))), self._number(MIX_2))
        return b.xor(x, b.lshr(x, i64(31)))

    def _number(self, number: int):
        return self.i64(_signed(number))

    def _all(self, number: int):
        return ir.Constant(self._pairs, [_signed(number)] * (VECTOR // 2))

    def _filled(self, scalar):
        """A vector of the same 64-bit number."""
        with self.vectors_of(VECTOR // 2):
            return self.splat(scalar)


def _signed(number: int) -> int:
    """An unsigned 64-bit number as the signed one of the same bits."""
    return number - (number >> 63 << 64)


def threads_for(spans: Sequence[Span], threads: int) -> int:
    """The number of threads to read with, of `threads` that there are."""
    return threads if _bytes(spans) >= LONG_SPAN else 1


def _bytes(spans: Sequence[Span]) -> int:
    return 4 * sum(s.numbers for s in spans)


def job(spans: Sequence[Span], out: Word, threads: int) -> Job:
    """The job that reads memory on several threads. Each writes its part of the fingerprint, 8
    bytes, from the address `out` on.
    """
    return Job(
        jit.made(_FingerprintCode), [out, len(spans), *(word for s in spans for word in s)], threads
    )


class MemoryReader:
    """Reads the same memory again and again.

    Args:
        spans: The memory.
        threads: The number of threads that there are.
    """

    def __init__(self, spans: Sequence[Span], threads: int):
        self._threads = threads_for(spans, threads)
        self._jobs = JobList([job(spans, Relocation("out"), self._threads)])
        self._parts = ctypes.c_int64 * self._threads
        self._short = _bytes(spans) < LONG_SPAN
        # Lists, and where each has the parts written; as many as threads of Python have read at
        # the same time.
        self._idle: list[tuple[ReusableList, ctypes.Array]] = []

    def __call__(self) -> int:
        """The fingerprint."""
        try:
            jobs, parts = self._idle.pop()
        except IndexError:
            parts = self._parts()
            jobs = ReusableList(self._jobs, {"out": ctypes.addressof(parts)})
        if self._short:
            jobs.start()
        else:
            jobs.run(())
        found = sum(parts) % (1 << 64)
        self._idle.append((jobs, parts))
        return found


def fingerprint(spans: Sequence[Span], threads: int) -> int:
    """The fingerprint of memory, read by `threads` threads at most."""
    return MemoryReader(spans, threads)()
