"""Private: kernels that go over the tokens of a batch: the gradients of weights, which add up over
all steps and rows, and clearing those past a row's end.

Of a matrix it is a sum of outer products, out[m, n] = sum of d[k, m] * x[k, n]; of a vector, out[n]
= sum of d[k, n]; k goes over a list of tokens, so that what rows that end early have not is passed
over. One kernel does for all sizes. The result is cut into tiles of rows times vectors whose sums
fit the registers, and the k into stretches that fit the caches; threads share out the tiles. What a
tile takes of a stretch is put side by side before: where rows are a power of two apart, a
first-level cache holds but a few of them.
"""

from llvmlite import ir

from . import jit
from .builder import I32, I64, PTR, Code, Target
from .job_list import Job, Word
from .tile_product import CACHE_LINE, UNROLL, choose_tile, heights

# The words of the kernels: addresses, of the tokens' list too; how many tokens; rows and columns of
# the result; numbers from one token to the next in d and x; 1 where it goes on from the sums that
# are there.
OUTER_WORDS = ("out", "d", "x", "tokens", "count", "rows", "columns", "d_width", "x_width", "more")
CLEAR_WORDS = ("out", "tokens", "count", "width")
TOTAL_WORDS = ("out", "d", "tokens", "count", "columns", "d_width")
# How many k a tile takes before the next tile takes the same.
STRETCH = 192
# Columns of x that all tiles take before the next ones: with a stretch's tokens they fit the
# second-level cache.
PANEL = 128
# From the k whose row is stored to the one whose row is fetched: as many more tokens the list
# has, for these to be read.
AHEAD = 8
VECTORS = 2
# Columns of d that are stored at once, about: what a line of memory has is read while it is
# near.
GROUP = 48
# Vectors whose columns are added up at once.
COLUMNS = 8


class Outer(Code):
    """The code for a matrix.

    Args:
        bits: As of `Code`; with 16, where `Code.paired`, each token is two, as `pairs.pairs` makes
            them. Elsewhere the numbers are rounded here.
        target: The processor.

    Attributes:
        text: The LLVM module.
    """

    def __init__(self, bits: int, target: Target):
        super().__init__(bits, target)
        self.enter(OUTER_WORDS)
        self.tile = choose_tile(1, VECTORS, target.registers, one_row=False)
        self.out, self.d, self.x, self.tokens = (
            self.b.inttoptr(self.given[name], PTR) for name in ("out", "d", "x", "tokens")
        )
        self.row = self.b.alloca(I64)
        # A stretch of a group's columns of d, and of a panel's of x, each tile by tile; a tile's
        # last row is written with whole vectors.
        self.group, self.apart = (
            max(1, GROUP // self.tile.rows),
            STRETCH * self.tile.rows + self.vector_width,
        )
        self.of_d, self.of_x = (
            self.b.inttoptr(self.b.ptrtoint(self.b.alloca(self.elem, size), I64), PTR)
            for size in (self.group * self.apart, STRETCH * PANEL)
        )
        self._build()
        self.text = str(self.module)

    def _build(self):
        b, given, i64, width = self.b, self.given, self.i64, VECTORS * self.vector_width
        high = self.group * self.tile.rows
        groups = b.sdiv(b.add(given["rows"], i64(high - 1)), i64(high))
        with (
            self.loop(0, given["count"], STRETCH) as start,
            self.loop(0, given["columns"], PANEL) as panel,
        ):
            self.start, self.depth = start, self.min64(b.sub(given["count"], start), i64(STRETCH))
            more = b.or_(
                b.icmp_signed(">", start, i64(0)), b.icmp_signed("!=", given["more"], i64(0))
            )
            columns = self.min64(b.sub(given["columns"], panel), i64(PANEL))
            across = b.sdiv(b.add(columns, i64(width - 1)), i64(width))
            with self.loop(0, across) as tile:
                n = b.mul(tile, i64(width))
                self._put(
                    self.x,
                    "x_width",
                    b.add(panel, n),
                    b.sub(columns, n),
                    self._columns_of(tile),
                    [0],
                    width,
                )
            # Tiles go down a group before the next columns come, so that what is stored of x
            # stays near.
            of_group = b.mul(across, i64(self.group))
            first, last = self.share(b.mul(groups, of_group))
            with self.loop(first, last) as tile:
                top, turn = b.mul(b.sdiv(tile, of_group), i64(high)), b.srem(tile, of_group)
                with b.if_then(
                    b.or_(b.icmp_signed("==", turn, i64(0)), b.icmp_signed("==", tile, first))
                ):
                    self._put(
                        self.d,
                        "d_width",
                        top,
                        b.sub(given["rows"], top),
                        self.of_d,
                        [k * self.apart for k in range(self.group)],
                        self.tile.rows,
                    )
                turn, down = b.sdiv(turn, i64(self.group)), b.srem(turn, i64(self.group))
                m, n = b.add(top, b.mul(down, i64(self.tile.rows))), b.mul(turn, i64(width))
                height = self.min64(b.sub(given["rows"], m), i64(self.tile.rows))
                d, x = self.at(self.of_d, b.mul(down, i64(self.apart))), self._columns_of(turn)
                left = b.sub(columns, n)
                n = b.add(panel, n)
                with b.if_else(b.icmp_signed(">=", left, i64(width))) as (whole, part):
                    with whole:
                        self._tiles(m, height, n, d, x, more, None)
                    with part:
                        self._tiles(m, height, n, d, x, more, left)
        b.ret_void()

    def _columns_of(self, tile):
        """Where a tile's columns of x are put."""
        return self.at(self.of_x, self.b.mul(tile, self.i64(STRETCH * VECTORS * self.vector_width)))

    def _put(self, array, apart: str, place, units, out, tiles: list[int], width: int):
        """Put some units of the stretch's tokens in order, for tiles of `width` of them: where each
        begins, one token's lie side by side, and then the next one's; past the last unit there is
        0."""
        b = self.b
        parts = [
            (tile * width + unit, begin + unit)
            for tile, begin in enumerate(tiles)
            for unit in range(0, width, self.vector_width)
        ]
        inside = [self.below(b.sub(units, self.i64(unit))) for unit, _ in parts]
        with b.if_else(b.icmp_signed(">=", units, self.i64(parts[-1][0] + self.vector_width))) as (
            whole,
            part,
        ):
            for way, masks in ((whole, [None] * len(parts)), (part, inside)):
                with way, self.loop(0, self.depth) as k:
                    at = b.add(self.start, k)
                    row, later = (
                        self.at(
                            array,
                            b.add(b.mul(self.word(self.tokens, token), self.given[apart]), place),
                        )
                        for token in (at, b.add(at, self.i64(AHEAD)))
                    )
                    stored = self.at(out, b.mul(k, self.i64(width)))
                    for unit in range(0, len(tiles) * width, CACHE_LINE // self.bytes):
                        self.fetch(self.at(later, unit))
                    for (unit, begin), mask in zip(parts, masks):
                        numbers = self.load(self.at(row, unit), mask)
                        rounds = self.factors == 16 and not self.paired
                        self.store(
                            self.nearest_bfloat16(numbers) if rounds else numbers,
                            self.at(stored, begin),
                        )

    def _tiles(self, m, height, n, d, x, more, columns):
        """The rows from m on: as many as a tile has, or tiles of fewer to the last."""
        b, i64, row = self.b, self.i64, self.row
        b.store(i64(0), row)
        masks = [None] * VECTORS
        if columns is not None:
            masks = [self.below(b.sub(columns, i64(v * self.vector_width))) for v in range(VECTORS)]
        for fewer in heights(self.tile.rows):
            with self.loop(b.load(row, typ=I64), b.sub(height, i64(fewer - 1)), fewer) as here:
                self._tile(b.add(m, here), n, self.at(d, here), x, more, fewer, masks)
                b.store(b.add(here, i64(fewer)), row)

    def _tile(self, m, n, d, x, more, height, masks):
        b, given, i64 = self.b, self.given, self.i64
        places = [
            self.at(
                self.at(self.out, b.add(b.mul(b.add(m, i64(r)), given["columns"]), n)),
                v * self.vector_width,
            )
            for r in range(height)
            for v in range(VECTORS)
        ]
        sums = [
            b.select(more, self.load(place, masks[j % VECTORS]), self.constant(0.0))
            for j, place in enumerate(places)
        ]

        def add(k):
            of_d, of_x = (
                self.at(d, b.mul(k, i64(self.tile.rows))),
                self.at(x, b.mul(k, i64(VECTORS * self.vector_width))),
            )
            vectors = [self.load(self.at(of_x, v * self.vector_width)) for v in range(VECTORS)]
            for r in range(height):
                one = self.splat(b.load(self.at(of_d, r), typ=self.elem))
                for j, vector in enumerate(vectors, r * VECTORS):
                    sums[j] = self.multiply_add(one, vector, sums[j])

        rounds = b.and_(self.depth, i64(-UNROLL))
        with self.loop(0, rounds, UNROLL, carried=sums) as k:
            for u in range(UNROLL):
                add(b.add(k, i64(u)))
        with self.loop(rounds, self.depth, carried=sums) as k:
            add(k)
        for j, (place, total) in enumerate(zip(places, sums)):
            self.store(total, place, masks[j % VECTORS])


class Total(Code):
    """The code for a vector; arguments and attributes as `Outer`'s."""

    def __init__(self, bits: int, target: Target):
        super().__init__(bits, target)
        self.enter(TOTAL_WORDS)
        b, given, i64 = self.b, self.given, self.i64
        self.out, self.d, self.tokens = (
            b.inttoptr(given[name], PTR) for name in ("out", "d", "tokens")
        )
        vectors = b.sdiv(
            b.add(given["columns"], i64(self.vector_width - 1)), i64(self.vector_width)
        )
        first, last = self.share(vectors)
        left = b.srem(b.sub(last, first), i64(COLUMNS))
        whole = b.sub(last, left)
        with self.loop(first, whole, COLUMNS) as v:
            self._columns(v, COLUMNS)
        with self.loop(whole, last) as v:
            self._columns(v, 1)
        b.ret_void()
        self.text = str(self.module)

    def _columns(self, vector, many: int):
        """Add up some vectors of columns; past the last column nothing is read or written."""
        b, given = self.b, self.given
        n = b.mul(vector, self.i64(self.vector_width))
        masks = [
            self.below(b.sub(given["columns"], b.add(n, self.i64(j * self.vector_width))))
            for j in range(many)
        ]
        sums = [self.constant(0.0)] * many
        with self.loop(0, given["count"], carried=sums) as k:
            row = self.at(self.d, b.add(b.mul(self.word(self.tokens, k), given["d_width"]), n))
            for j in range(many):
                sums[j] = b.fadd(sums[j], self.load(self.at(row, j * self.vector_width), masks[j]))
        for j in range(many):
            self.store(sums[j], self.at(self.at(self.out, n), j * self.vector_width), masks[j])


class Clear(Code):
    """The code that sets tokens to 0; arguments and attributes as `Outer`'s."""

    def __init__(self, bits: int, target: Target):
        super().__init__(bits, target)
        self.enter(CLEAR_WORDS)
        b, given = self.b, self.given
        first, last = self.share(given["count"])
        out, tokens = (b.inttoptr(given[name], PTR) for name in ("out", "tokens"))
        size, fill = (
            b.mul(given["width"], self.i64(self.bytes)),
            self.intrinsic("memset", PTR, [PTR, I32, I64]),
        )
        with self.loop(first, last) as k:
            b.call(
                fill,
                [
                    self.at(out, b.mul(self.word(tokens, k), given["width"])),
                    ir.Constant(I32, 0),
                    size,
                ],
            )
        b.ret_void()
        self.text = str(self.module)


def outer(
    bits: int,
    out: Word,
    rows: int,
    columns: int,
    d: tuple[Word, int],
    x: tuple[Word, int],
    tokens: tuple[Word, Word],
    threads: int,
    *,
    more: bool = False,
) -> Job:
    """The job that makes the sum of the outer products of d and x.

    Args:
        bits: As of `Outer`.
        out: The address of the result.
        rows, columns: The result's: the units of d and of x.
        d, x: The address of the first token's units, and how many numbers further the next one's
            are.
        tokens: The address of the tokens' numbers, int64, and `AHEAD` more; and how many there are.
        threads: How many run.
        more: Add to what `out` has.
    """
    return Job(
        jit.made(Outer, bits), [out, d[0], x[0], *tokens, rows, columns, d[1], x[1], more], threads
    )


def total(
    bits: int, out: Word, columns: int, d: tuple[Word, int], tokens: tuple[Word, Word], threads: int
) -> Job:
    """The job that makes the sum of d, which has `columns` units; arguments as for `outer`."""
    return Job(jit.made(Total, bits), [out, d[0], *tokens, columns, d[1]], threads)


def clear(bits: int, out: Word, width: int, tokens: tuple[Word, Word], threads: int) -> Job:
    """The job that sets tokens to 0, which have `width` numbers each; arguments as for `outer`."""
    return Job(jit.made(Clear, bits), [out, *tokens, width], threads)
