"""Private: the means by which all kernels are written: LLVM code by llvmlite, on vectors of one
processor's width.
"""

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

I1, I8, I16, I32, I64, PTR, VOID = (
    ir.IntType(1),
    ir.IntType(8),
    ir.IntType(16),
    ir.IntType(32),
    ir.IntType(64),
    ir.PointerType(),
    ir.VoidType(),
)


@dataclass(frozen=True)
class Target:
    """The processor that code is made for.

    Attributes:
        vector_width: float32 numbers of a vector.
        registers: The number of vector registers.
        bfloat16: It uses instructions that multiply pairs of bfloat16 numbers.
    """

    vector_width: int
    registers: int
    bfloat16: bool = False


def rounded_width(units: int, target: Target) -> int:
    """How many float32 numbers a row of rounded factors takes; see `Code.round_row`."""
    whole = -(-units // target.vector_width) * target.vector_width
    return whole // 2 if target.bfloat16 else whole


class Code:
    """A module under construction.

    Args:
        bits: 32 or 64: float32 or float64; 16: float32, and products of bfloat16.
        target: The processor.

    Attributes:
        b: Where code is added.
        factors: Bits of what is multiplied by a matrix. Where these are 16, packed weights are
            pairs of bfloat16, each in place of a float32.
        paired: One instruction multiplies such pairs, so that all factors are pairs. Otherwise
            factors of 16 bits are float32 numbers that are rounded, and pairs of weights are taken
            apart.
    """

    def __init__(self, bits: int, target: Target):
        self.factors, self.bits, self.target = bits, max(bits, 32), target
        self.paired = bits == 16 and target.bfloat16
        self.bytes, self.vector_width = self.bits // 8, target.vector_width * 32 // self.bits
        self.elem = ir.FloatType() if self.bits == 32 else ir.DoubleType()
        self.vec = ir.VectorType(self.elem, self.vector_width)
        self.module = ir.Module("kernel")

    def enter(self, words: Iterable[str], *, openmp: bool = False):
        """Begin the function `run(words, thread, threads)`, which every thread calls.

        Args:
            words: The names of the 64-bit words that its first argument points to, as far as they
                have names; `given` has them.
            openmp: Also make `parallel(words)`, which the threads of OpenMP enter.
        """
        run = ir.Function(self.module, ir.FunctionType(VOID, [PTR, I64, I64]), "run")
        if openmp:
            parallel = ir.Function(self.module, ir.FunctionType(VOID, [PTR]), "parallel")
            which = self.intrinsic("omp_get_thread_num", I32, [])
            count = self.intrinsic("omp_get_num_threads", I32, [])
            b = ir.IRBuilder(parallel.append_basic_block())
            b.call(
                run,
                [parallel.args[0], b.sext(b.call(which, []), I64), b.sext(b.call(count, []), I64)],
            )
            b.ret_void()
        self.b = ir.IRBuilder(run.append_basic_block())
        self.words, self.thread, self.threads = run.args
        self.given = {name: self.word(self.words, k) for k, name in enumerate(words)}

    @contextmanager
    def vectors_of(self, vector_width: int):
        """Meanwhile vectors have this width; the compiler cuts them into the processor's."""
        before = self.vector_width, self.vec
        self.vector_width, self.vec = vector_width, ir.VectorType(self.elem, vector_width)
        try:
            yield
        finally:
            self.vector_width, self.vec = before

    def wider(self, times: int):
        """Meanwhile a vector is that many of the processor's: their instructions stand side by
        side.
        """
        return self.vectors_of(times * self.vector_width)

    def i64(self, n: int):
        return ir.Constant(I64, n)

    def intrinsic(self, name, result, args):
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, args), name)

    @contextmanager
    def loop(self, start, stop, step=1, carried=None):
        """for (i = start; i < stop; i += step). What the list `carried` holds goes from turn to
        turn, and is there afterwards.
        """
        b, carried = self.b, [] if carried is None else carried
        start, stop, step = (self.i64(n) if isinstance(n, int) else n for n in (start, stop, step))
        entry, head = b.block, b.append_basic_block("head")
        body, end = b.append_basic_block("body"), b.append_basic_block("end")
        b.branch(head)
        b.position_at_end(head)
        i, phis = b.phi(I64), [b.phi(value.type) for value in carried]
        for phi, before in zip((i, *phis), (start, *carried)):
            phi.add_incoming(before, entry)
        b.cbranch(b.icmp_signed("<", i, stop), body, end)
        b.position_at_end(body)
        carried[:] = phis
        yield i
        for phi, after in zip((i, *phis), (b.add(i, step), *carried)):
            phi.add_incoming(after, b.block)
        b.branch(head)
        b.position_at_end(end)
        carried[:] = phis

    def share(self, count):
        """This thread's part of a number of things: the first, and the one behind its last."""
        b = self.b
        return tuple(
            b.sdiv(b.mul(count, k), self.threads)
            for k in (self.thread, b.add(self.thread, self.i64(1)))
        )

    def meet(self, counter, goal):
        """Count this thread in, and wait until the count reaches the goal."""
        b = self.b
        b.atomic_rmw("add", counter, self.i64(1), "acq_rel")
        head, wait, end = (
            b.append_basic_block("meet"),
            b.append_basic_block("wait"),
            b.append_basic_block("met"),
        )
        start = b.block
        b.branch(head)
        b.position_at_end(head)
        spins = b.phi(I64)
        spins.add_incoming(self.i64(1), start)
        seen = b.load_atomic(counter, "acquire", 8, typ=I64)
        b.cbranch(b.icmp_signed(">=", seen, goal), end, wait)
        b.position_at_end(wait)
        # A thread that waits long gives its processor to one that may have lost it.
        with b.if_then(
            b.icmp_signed("==", b.and_(spins, self.i64(511)), self.i64(0)), likely=False
        ):
            b.call(self.intrinsic("sched_yield", I32, []), [])
        spins.add_incoming(b.add(spins, self.i64(1)), b.block)
        b.branch(head)
        b.position_at_end(end)

    def at(self, pointer, units):
        """The address `units` elements further."""
        return self.b.gep(
            pointer,
            [units if not isinstance(units, int) else self.i64(units)],
            source_etype=self.elem,
        )

    def word(self, pointer, index):
        index = self.i64(index) if isinstance(index, int) else index
        return self.b.load(self.b.gep(pointer, [index], source_etype=I64), typ=I64)

    def splat(self, scalar):
        """A vector of the same number, of any type, in all places."""
        nothing = ir.Constant(ir.VectorType(scalar.type, self.vector_width), ir.Undefined)
        one = self.b.insert_element(nothing, scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(
            one,
            nothing,
            ir.Constant(ir.VectorType(I32, self.vector_width), [0] * self.vector_width),
        )

    def below(self, many):
        """A mask of the first `many` places: all where there are more, none for 0 or less."""
        vector_width = ir.Constant(
            ir.VectorType(I64, self.vector_width), list(range(self.vector_width))
        )
        return self.b.icmp_signed("<", vector_width, self.splat(many))

    def parts(self, vector, times: int):
        """The vectors of the processor's width that a wider one consists of."""
        nothing = ir.Constant(vector.type, ir.Undefined)
        masks = [
            ir.Constant(
                ir.VectorType(I32, self.vector_width),
                [*range(k * self.vector_width, (k + 1) * self.vector_width)],
            )
            for k in range(times)
        ]
        return (
            [self.b.shuffle_vector(vector, nothing, mask) for mask in masks]
            if times > 1
            else [vector]
        )

    def constant(self, number):
        return ir.Constant(self.vec, [float(number)] * self.vector_width)

    def fma(self, a, b, c):
        name = f"llvm.fma.v{self.vector_width}f{self.bits}"
        return self.b.call(self.intrinsic(name, self.vec, [self.vec] * 3), [a, b, c])

    # llvmlite has no type for bfloat16, but LLVM still takes whole numbers in its place, as its
    # first instructions for it had them.

    def multiply_add(self, a, b, c):
        """c plus, in each lane, the product of two factors; of two pairs the dot product."""
        if not self.paired:
            return self.fma(a, b, c)
        pairs = ir.VectorType(I32, self.vector_width)
        dot = self.intrinsic(
            f"llvm.x86.avx512bf16.dpbf16ps.{self.vector_width * 32}",
            self.vec,
            [self.vec, pairs, pairs],
        )
        return self.b.call(dot, [c, self.b.bitcast(a, pairs), self.b.bitcast(b, pairs)])

    def half(self, vector, second: bool):
        """Of a vector of pairs of bfloat16 the first or the second of each pair, as float32."""
        bits = self.b.bitcast(vector, ir.VectorType(I32, self.vector_width))
        return self.b.bitcast(
            self.b.and_(bits, self._bits(0xFFFF0000))
            if second
            else self.b.shl(bits, self._bits(16)),
            self.vec,
        )

    def to_bfloat16(self, vector):
        """The numbers of a vector of float32, rounded, in half its length; only for targets with
        `bfloat16`.
        """
        half = ir.VectorType(I16, self.vector_width)
        return self.b.call(
            self.intrinsic(
                f"llvm.x86.avx512bf16.cvtneps2bf16.{self.vector_width * 32}", half, [self.vec]
            ),
            [vector],
        )

    def nearest_bfloat16(self, vector):
        """The nearest bfloat16 numbers, as float32, by whole-number arithmetic; halves go to the
        even neighbour.
        """
        b, upper = self.b, self._bits(0xFFFF0000)
        bits = b.bitcast(vector, upper.type)
        odd = b.and_(b.lshr(bits, self._bits(16)), self._bits(1))
        nearest = b.and_(b.add(bits, b.add(odd, self._bits(0x7FFF))), upper)
        # The rounding could carry NaN over to another number.
        nan = b.and_(b.or_(bits, self._bits(1 << 22)), upper)
        return b.bitcast(b.select(b.fcmp_unordered("uno", vector, vector), nan, nearest), self.vec)

    def _bits(self, number: int):
        """A vector of the same 32 bits."""
        return ir.Constant(ir.VectorType(I32, self.vector_width), [number] * self.vector_width)

    def round_row(self, row, out, units):
        """Write a row's units as factors of 16 bits: whole vectors, with 0 past the last unit; see
        `rounded_width`.
        """
        b = self.b
        with self.loop(0, units, self.vector_width) as k:
            numbers = self.load(self.at(row, k), self.below(b.sub(units, k)))
            if self.paired:
                b.store(
                    self.to_bfloat16(numbers), b.gep(out, [k], source_etype=I16), align=self.bytes
                )
            else:
                self.store(self.nearest_bfloat16(numbers), self.at(out, k))

    def min64(self, a, b):
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def load(self, address, mask=None):
        """A vector; where the mask is off, 0."""
        if mask is None:
            return self.b.load(address, typ=self.vec, align=self.bytes)
        name = f"llvm.masked.load.v{self.vector_width}f{self.bits}.p0"
        load = self.intrinsic(name, self.vec, [PTR, I32, mask.type, self.vec])
        return self.b.call(load, [address, ir.Constant(I32, self.bytes), mask, self.constant(0.0)])

    def load_bytes(self, address, mask=None):
        """A vector of whole numbers of a byte each; where the mask is off, 0."""
        kind = ir.VectorType(I8, self.vector_width)
        if mask is None:
            found = self.b.load(address, typ=kind, align=1)
        else:
            load = self.intrinsic(
                f"llvm.masked.load.v{self.vector_width}i8.p0", kind, [PTR, I32, mask.type, kind]
            )
            found = self.b.call(load, [address, ir.Constant(I32, 1), mask, ir.Constant(kind, None)])
        return self.b.uitofp(found, self.vec)

    def store(self, value, address, mask=None):
        """Write a vector, where the mask is on."""
        if mask is None:
            self.b.store(value, address, align=self.bytes)
            return
        name = f"llvm.masked.store.v{self.vector_width}f{self.bits}.p0"
        store = self.intrinsic(name, VOID, [self.vec, PTR, I32, mask.type])
        self.b.call(store, [value, address, ir.Constant(I32, self.bytes), mask])

    def fetch(self, address, *, write: bool = False):
        """Have a line of memory brought to the first-level cache, to be read or written."""
        fetch = self.intrinsic("llvm.prefetch.p0", VOID, [PTR, I32, I32, I32])
        # for reading or writing, to be kept, data
        self.b.call(
            fetch, [address, ir.Constant(I32, int(write)), ir.Constant(I32, 3), ir.Constant(I32, 1)]
        )
