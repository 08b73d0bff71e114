"""Private: products of rows by packed weights, in register tiles: the part of every loop that takes
the time.

The code is made once in a process for each form of tile, and all kernels call it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from . import jit
from .builder import I64, PTR, VOID, Code, Target

# Bytes of packed weights that stay in the first-level cache while the rows go by, and of one line
# of it.
NEAR, CACHE_LINE = 16384, 64
# Vectors of all parts in a block, about: pointwise work takes up that many of a row at once.
BLOCK = 8
# Units of an argument that a turn of the innermost loop takes.
UNROLL = 4
# What the function takes: the addresses of the arguments' rows, the first unit of them to take, and
# how many rows; where row 0's sums are stored, numbers from row to row there, and from vector to
# vector; bits that say which vectors' sums go on from what is there; the chunk's weights; and how
# many units to take.
ARGUMENTS = {
    "rows": PTR,
    "start": I64,
    "count": I64,
    "sums": PTR,
    "stride": I64,
    "gap": I64,
    "old": I64,
    "weights": PTR,
    "depth": I64,
}
SIGNATURE = VOID, list(ARGUMENTS.values())


@dataclass(frozen=True)
class Tile:
    """How a product of a row by a matrix is cut.

    Attributes:
        vectors: Vectors of units in a block.
        chunk: Vectors (of any of the parts) whose sums are in registers at once.
        rows: Rows whose sums are in registers at once.
    """

    vectors: int
    chunk: int
    rows: int


@dataclass(frozen=True)
class Pack:
    """A matrix that a kernel wants packed: blocks of units, chunks of vectors, the argument's
    units, vectors, vector_width.

    Attributes:
        parts: (weight, transposed, first row, first column) of each block that is multiplied by the
            same argument.
        size: Rows of each part (units of the result).
        depth: Columns (units of the argument).
        tile: How it is cut.
        vector_width: Units of a vector.
        narrow: Columns stand in pairs of bfloat16 in place of one float32; an odd depth's last has
            0 next to it.
    """

    parts: tuple[tuple[str, bool, int, int], ...]
    size: int
    depth: int
    tile: Tile
    vector_width: int
    narrow: bool = False

    @property
    def blocks(self) -> int:
        return -(-self.size // (self.tile.vectors * self.vector_width))

    @property
    def turns(self) -> int:
        """Columns, or pairs of them, that are multiplied one after another."""
        return -(-self.depth // 2) if self.narrow else self.depth


def choose_vectors(
    parts: int, units: int, vector_width: int, registers: int, *, one_row: bool
) -> int:
    """Vectors in a block of units: as many as give a good tile, and pad the units least."""
    vectors = -(-units // vector_width)
    if one_row:
        options = range(1, max(1, min(vectors, (12 if registers <= 16 else 16) // parts)) + 1)
        return min(options, key=lambda v: (-(-vectors // v) * v - vectors, -v))
    options = range(1, min(vectors, BLOCK) + 1)
    return min(
        options,
        key=lambda v: (
            (-(-vectors // v) * v - vectors) / vectors > 0.02,
            _loads(choose_tile(parts, v, registers, one_row=False)),
            abs(parts * v - BLOCK),
        ),
    )


def choose_tile(parts: int, vectors: int, registers: int, *, one_row: bool) -> Tile:
    """The tile that needs the fewest loads a multiply-add among those whose sums fit the
    registers.
    """
    chunks = [
        c
        for c in range(1, parts * vectors + 1)
        if vectors % c == 0 or c % vectors == 0 and parts % (c // vectors) == 0
    ]
    if one_row:
        return Tile(vectors, max(c for c in chunks if c <= max(registers - 4, 1)), 1)
    budget = registers - 4
    tiles = [Tile(vectors, c, min(budget // c, 12)) for c in chunks if c <= 4]
    return min(tiles, key=lambda t: (_loads(t), t.chunk))


def heights(rows: int) -> tuple[int, ...]:
    """The numbers of rows that there are tiles for: all code that is made takes time to compile,
    and thirds fill up most rests.
    """
    return tuple(dict.fromkeys((rows, max(2 * rows // 3, 1), max(rows // 3, 1), 1)))


def _loads(tile: Tile) -> float:
    """Loads a multiply-add, counting what does not hide behind the multiply-adds: few sums leave
    those waiting for each other.
    """
    sums = tile.chunk * tile.rows
    return max((tile.chunk + tile.rows) / sums, 0.67) * max(1.0, 8 / sums)


def gap(cells: Sequence[int]) -> int | None:
    """How far apart the vectors of a chunk lie where they are stored; None if not evenly."""
    gaps = {b - a for a, b in zip(cells, cells[1:])} or {1}
    return gaps.pop() if len(gaps) == 1 else None


class Product(Code):
    """The code of one form of tile, as a function of `ARGUMENTS`.

    Args:
        bits: As of `Code`; with 16 a pair of weights counts as a unit in `start` and `depth`.
        target: The processor.
        chunk, rows: As of `Tile`.

    Attributes:
        name: The function's.
        text: The LLVM module.
    """

    def __init__(self, bits: int, target: Target, chunk: int, rows: int):
        super().__init__(bits, target)
        self.name, self.chunk, self.height = name(bits, target, chunk, rows), chunk, rows
        # Numbers of a row that go with one packed weight: a pair of weights that is taken apart has
        # two.
        self.each = 2 if bits == 16 and not self.paired else 1
        function = ir.Function(self.module, ir.FunctionType(*SIGNATURE), self.name)
        self.b = ir.IRBuilder(function.append_basic_block())
        self.given = dict(zip(ARGUMENTS, function.args))
        self._build()
        self.text = str(self.module)

    def _build(self):
        """Go over the rows, a tile at a time; where fewer are left than the tile has, the last is
        taken several times.
        """
        b, count = self.b, self.given["count"]
        bits = [
            b.icmp_signed("!=", b.and_(self.given["old"], self.i64(1 << v)), self.i64(0))
            for v in range(self.chunk)
        ]
        last = b.sub(count, self.i64(1))
        entry, head, end = b.block, b.append_basic_block("rows"), b.append_basic_block("done")
        b.branch(head)
        b.position_at_end(head)
        m = b.phi(I64)
        m.add_incoming(self.i64(0), entry)
        left = b.sub(count, m)
        sizes = heights(self.height)
        for height, less in zip(sizes, [*sizes[1:], 0]):
            piece, smaller = (
                b.append_basic_block(f"rows{height}"),
                b.append_basic_block("fewer") if less else end,
            )
            b.cbranch(b.icmp_signed(">", left, self.i64(less)), piece, smaller)
            b.position_at_end(piece)
            self._tile(
                [self.min64(b.add(m, self.i64(r)), last) if r else m for r in range(height)], bits
            )
            m.add_incoming(b.add(m, self.i64(height)), b.block)
            b.branch(head)
            b.position_at_end(smaller)
        b.ret_void()

    def _tile(self, places, old):
        b, given = self.b, self.given
        start = b.mul(given["start"], self.i64(self.each))
        rows = [
            self.at(b.inttoptr(self.word(given["rows"], place), PTR), start) for place in places
        ]
        rows_of_sums = [self.at(given["sums"], b.mul(place, given["stride"])) for place in places]
        addresses = [
            self.at(sums, b.mul(self.i64(v), given["gap"]))
            for sums in rows_of_sums
            for v in range(self.chunk)
        ]
        sums = [
            b.select(going_on, self.load(address), self.constant(0.0))
            for going_on, address in zip(old * len(rows), addresses)
        ]
        for total, address in zip(self._multiply(sums, rows), addresses):
            self.store(total, address)

    def _multiply(self, sums: list, rows: list) -> list:
        """Add rows times packed weights to the sums: depth goes by, all rows and vectors at
        once.
        """
        b, depth, width, count = (
            self.b,
            self.given["depth"],
            self.chunk * self.vector_width,
            len(sums),
        )
        # Few sums leave the multiply-adds waiting for each other: use several sets, added up at the
        # end.
        sets = max(1, min(UNROLL, 8 // count))
        sums = sums + [self.constant(0.0)] * (count * (sets - 1))
        # What comes next in memory is wanted next, once all rows have gone by: they have it
        # fetched.
        share = b.mul(depth, self.i64(width)) if len(rows) > 1 else None

        def add(k, first):
            """Add the products of unit k to the set of sums that begins there."""
            line = self.at(self.given["weights"], b.mul(k, self.i64(width)))
            weights = (
                []
                if self.each == 2
                else [self.load(self.at(line, v * self.vector_width)) for v in range(self.chunk)]
            )
            if share is not None:
                for unit in range(0, width, CACHE_LINE // self.bytes):
                    self.fetch(self.at(self.at(line, unit), share))
            if self.each == 2:
                add_pairs(k, line, first)
                return
            for r, row in enumerate(rows):
                a = self.splat(b.load(self.at(row, k), typ=self.elem))
                for place, w in enumerate(weights, first + r * self.chunk):
                    sums[place] = self.multiply_add(a, w, sums[place])

        def add_pairs(k, line, first):
            """Add the products of two units by pairs of weights, which are taken apart where they
            are used: the registers do not suffice for all.
            """
            units = [b.add(b.mul(k, self.i64(2)), self.i64(half)) for half in (0, 1)]

            def weight(v, half):
                return self.half(self.load(self.at(line, v * self.vector_width)), half == 1)

            def multiply(row, half, vectors, start):
                a = self.splat(b.load(self.at(row, units[half]), typ=self.elem))
                for place, w in enumerate(vectors, start):
                    sums[place] = self.multiply_add(a, w, sums[place])

            if len(rows) == 1:
                for v in range(self.chunk):
                    for half in (0, 1):
                        multiply(rows[0], half, [weight(v, half)], first + v)
                return
            for half in (0, 1):
                vectors = [weight(v, half) for v in range(self.chunk)]
                for r, row in enumerate(rows):
                    multiply(row, half, vectors, first + r * self.chunk)

        rounds = b.and_(depth, self.i64(-UNROLL))
        with self.loop(0, rounds, UNROLL, carried=sums) as k:
            for u in range(UNROLL):
                add(b.add(k, self.i64(u)), u % sets * count)
        while len(sums) > count:
            sums[:count] = [
                b.fadd(total, more) for total, more in zip(sums, sums[count : 2 * count])
            ]
            del sums[count : 2 * count]
        with self.loop(rounds, depth, carried=sums) as k:
            add(k, 0)
        return sums


def name(bits: int, target: Target, chunk: int, rows: int) -> str:
    """The name of the function of a tile."""
    pairs = "_pairs" * (bits == 16 and target.bfloat16)
    return f"product_f{bits}{pairs}_{target.vector_width}_{target.registers}_{chunk}x{rows}"


# Kernels call these functions by their addresses, so they are kept: there is a fixed number of
# forms of tiles.
@functools.cache
def make(bits: int, target: Target, chunk: int, rows: int) -> jit.Compiled:
    """Compile the function of a tile, if it is not there yet, so that kernels can call it by its
    name.
    """
    product = Product(bits, target, chunk, rows)
    compiled = jit.Compiled(product.text, product.name)
    jit.publish(product.name, compiled.address)
    return compiled
