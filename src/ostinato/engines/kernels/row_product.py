"""Private: products of many rows by one matrix, for all steps at once: before the loop, or after
it.

A loop over a single row would read all weights of such a product at every step; here a register
tile's worth of rows uses what is read.
"""

import functools

from . import jit, tile_product
from .builder import I64, PTR, Code, Target, rounded_width
from .job_list import Word
from .packing import Packer
from .tile_product import NEAR, UNROLL, Pack, Tile, choose_tile

# The words: where the result and the rows are; how many rows, and numbers from one to the next in
# each; the rows' units, and chunks of the result's; the packed matrix; where rows are rounded, if
# they are.
WORDS = ("out", "x", "count", "out_width", "x_width", "depth", "chunks", "packed", "rounded")
# Rows that take a chunk of weights before the next ones do.
STRETCH = 192


class _RowsCode(Code):
    """The code for one form of tile."""

    def __init__(self, bits: int, target: Target, tile: Tile):
        super().__init__(bits, target)
        self.enter(WORDS)
        b, given, i64 = self.b, self.given, self.i64
        out, x, packed, rounded = (
            b.inttoptr(given[name], PTR) for name in ("out", "x", "packed", "rounded")
        )
        depth = given["depth"]
        if bits == 16:
            # Each thread rounds a stretch's rows for itself, and multiplies pairs; `each` is as of
            # `rounded_width`.
            each = b.lshr(
                b.and_(b.add(depth, i64(self.vector_width - 1)), i64(-self.vector_width)),
                i64(int(self.paired)),
            )
            rounded, depth = (
                self.at(rounded, b.mul(b.mul(self.thread, i64(STRETCH)), each)),
                b.lshr(b.add(depth, i64(1)), i64(1)),
            )
        multiply = self.intrinsic(
            tile_product.name(bits, target, tile.chunk, tile.rows), *tile_product.SIGNATURE
        )
        lines = b.alloca(I64, STRETCH)
        width = i64(tile.chunk * self.vector_width)
        # Weights of this many units stay in the first-level cache.
        share = i64(
            max(UNROLL, NEAR // (tile.chunk * self.vector_width * self.bytes) // UNROLL * UNROLL)
        )
        first, last = self.share(given["chunks"])
        with self.loop(0, given["count"], STRETCH) as start:
            count = self.min64(b.sub(given["count"], start), i64(STRETCH))
            with self.loop(0, count) as m:
                row = self.at(x, b.mul(b.add(start, m), given["x_width"]))
                if bits == 16:
                    exact, row = row, self.at(rounded, b.mul(m, each))
                    self.round_row(exact, row, given["depth"])
                b.store(b.ptrtoint(row, I64), b.gep(lines, [m], source_etype=I64))
            rows = self.at(out, b.mul(start, given["out_width"]))
            with self.loop(first, last) as chunk:
                weights = self.at(packed, b.mul(chunk, b.mul(depth, width)))
                sums = self.at(rows, b.mul(chunk, width))
                with self.loop(0, depth, share) as k:
                    units = self.min64(b.sub(depth, k), share)
                    going_on = b.select(b.icmp_signed(">", k, i64(0)), i64(-1), i64(0))
                    b.call(
                        multiply,
                        [
                            lines,
                            k,
                            count,
                            sums,
                            given["out_width"],
                            i64(self.vector_width),
                            going_on,
                            self.at(weights, b.mul(k, width)),
                            units,
                        ],
                    )
        b.ret_void()
        self.text = str(self.module)


@functools.cache
def _made(bits: int, target: Target, tile: Tile) -> jit.Compiled:
    tile_product.make(bits, target, tile.chunk, tile.rows)
    return jit.Compiled(_RowsCode(bits, target, tile).text, "run")


class Rows:
    """A product, out = x @ W.T, of a matrix W (or W.T).

    Args:
        weight: The matrix's name.
        transposed: Multiply by W.T instead.
        size, depth: Units of the result and of x.
        bits: As of `Code`.

    Attributes:
        function: The compiled function.
        packs: The one matrix that it wants packed, and `pack` packs it.
        width: Numbers of a row of the result: its units, and some more for the last vectors.
        scratch: Numbers that each thread needs to round rows.
    """

    def __init__(self, weight: str, transposed: bool, size: int, depth: int, bits: int):
        target, _ = jit.host()
        vector_width = target.vector_width * 32 // max(bits, 32)
        vectors = min(2, -(-size // vector_width))
        tile = choose_tile(1, vectors, target.registers, one_row=False)
        tile = Tile(tile.chunk, tile.chunk, tile.rows)
        self.packs = [
            Pack(((weight, transposed, 0, 0),), size, depth, tile, vector_width, bits == 16)
        ]
        self.pack = Packer(self.packs)
        self.depth, self.chunks = depth, self.packs[0].blocks
        self.width = self.chunks * tile.chunk * vector_width
        self.scratch = STRETCH * rounded_width(depth, target) if bits == 16 else 0
        self.function = _made(bits, target, tile)

    def words(
        self,
        out: Word,
        out_width: int,
        x: Word,
        x_width: int,
        count: int,
        packed: Word,
        rounded: Word,
    ) -> list[Word]:
        """The words of `function` for `count` rows; those of the result are `width` numbers apart
        or more.
        """
        return [out, x, count, out_width, x_width, self.depth, self.chunks, packed, rounded]
