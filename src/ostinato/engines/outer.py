"""Sums of outer products: the gradient of a weight, out[m, n] = sum of d[k, m] * x[k, n] over all steps and rows k.

One kernel does for all sizes. The result is cut into tiles of rows times vectors whose sums fit the registers, and the k into
stretches that fit the caches; threads share out the tiles. What a tile takes of d and x lies side by side in each of their rows,
so nothing is packed or transposed.
"""

import functools
from array import array
from collections.abc import Iterable

import torch
from llvmlite import ir
from torch import Tensor

from . import native
from .code import I32, I64, PTR, Code, Target
from .product import choose_tile, heights

# The words of the kernel: addresses; how many k, and rows and columns of the result; 1 where it goes on from the sums that are there.
WORDS = ("out", "d", "x", "count", "rows", "columns", "more")
# How many k a tile takes before the next tile takes the same.
STRETCH = 192
# Columns of x that all tiles take before the next ones.
PANEL = 256
# From the k whose rows are multiplied to the one whose rows are fetched.
AHEAD = 8
VECTORS = 2
# Multiply-adds below which a second thread costs more than it brings.
WORTH_A_THREAD = 200_000


class Outer(Code):
    """The code.

    Args:
        bits: 32 or 64: float32 or float64.
        target: The processor.
        openmp: Also make `team(words)`.

    Attributes:
        text: The LLVM module.
    """

    def __init__(self, bits: int, target: Target, *, openmp: bool):
        super().__init__(bits, target)
        self.enter(WORDS, openmp=openmp)
        self.tile = choose_tile(1, VECTORS, target.registers, one_row=False)
        self.out, self.d, self.x = (self.b.inttoptr(self.given[name], PTR) for name in ("out", "d", "x"))
        self.row = self.b.alloca(I64)
        self._build()
        self.text = str(self.module)

    def _build(self):
        b, given, i64, width = self.b, self.given, self.i64, VECTORS * self.lanes
        down = b.sdiv(b.add(given["rows"], i64(self.tile.rows - 1)), i64(self.tile.rows))
        with self.loop(0, given["count"], STRETCH) as k, self.loop(0, given["columns"], PANEL) as panel:
            stop = self.min64(b.add(k, i64(STRETCH)), given["count"])
            more = b.or_(b.icmp_signed(">", k, i64(0)), b.icmp_signed("!=", given["more"], i64(0)))
            columns = self.min64(b.sub(given["columns"], panel), i64(PANEL))
            across = b.sdiv(b.add(columns, i64(width - 1)), i64(width))
            first, last = (b.sdiv(b.mul(b.mul(down, across), thread), self.threads) for thread in (self.thread, b.add(self.thread, i64(1))))
            with self.loop(first, last) as tile:
                m = b.mul(b.sdiv(tile, across), i64(self.tile.rows))
                n = b.mul(b.srem(tile, across), i64(width))
                left = b.sub(columns, n)
                n = b.add(panel, n)
                with b.if_else(b.icmp_signed(">=", left, i64(width))) as (whole, part):
                    with whole:
                        self._tiles(m, n, k, stop, more, None)
                    with part:
                        self._tiles(m, n, k, stop, more, left)
        b.ret_void()

    def _tiles(self, m, n, k, stop, more, columns):
        """The rows from m on: as many as a tile has, or tiles of fewer to the last."""
        b, i64, row = self.b, self.i64, self.row
        b.store(m, row)
        masks = [None] * VECTORS
        if columns is not None:
            lanes = ir.Constant(ir.VectorType(I32, self.lanes), list(range(self.lanes)))
            for v in range(VECTORS):
                many = b.trunc(b.sub(columns, i64(v * self.lanes)), I32)
                masks[v] = b.icmp_signed("<", lanes, self.splat(many))
        end = self.min64(b.add(m, i64(self.tile.rows)), self.given["rows"])
        for height in heights(self.tile.rows):
            with self.loop(b.load(row, typ=I64), b.sub(end, i64(height - 1)), height) as here:
                self._tile(here, n, k, stop, more, height, masks)
                b.store(b.add(here, i64(height)), row)

    def _tile(self, m, n, k, stop, more, height, masks):
        b, given = self.b, self.given
        places = [self.at(self.at(self.out, b.add(b.mul(b.add(m, self.i64(r)), given["columns"]), n)), v * self.lanes)
                  for r in range(height) for v in range(VECTORS)]
        sums = [b.select(more, self.load(place, masks[j % VECTORS]), self.constant(0.0)) for j, place in enumerate(places)]
        with self.loop(k, stop, carried=sums) as at:
            d, x = self.at(self.d, b.add(b.mul(at, given["rows"]), m)), self.at(self.x, b.add(b.mul(at, given["columns"]), n))
            self.fetch(self.at(d, b.mul(given["rows"], self.i64(AHEAD))))
            for v in range(VECTORS):
                self.fetch(self.at(self.at(x, b.mul(given["columns"], self.i64(AHEAD))), v * self.lanes))
            of_x = [self.load(self.at(x, v * self.lanes), masks[v]) for v in range(VECTORS)]
            for r in range(height):
                one = self.splat(b.load(self.at(d, r), typ=self.elem))
                for j, vector in enumerate(of_x, r * VECTORS):
                    sums[j] = self.fma(one, vector, sums[j])
        for j, (place, total) in enumerate(zip(places, sums)):
            self.store(total, place, masks[j % VECTORS])


@functools.cache
def _function(bits: int, target: Target) -> native.Function:
    return native.Function(Outer(bits, target, openmp=native.openmp() is not None).text)


def sum_outer(pairs: Iterable[tuple[Tensor, Tensor]], *, threads: int) -> Tensor:
    """The sum of d.T @ x over pairs (d, x).

    Args:
        pairs: One or more; (K, M) and (K, N) each, float32 or float64 as all are. K may differ from pair to pair.
        threads: How many may run.

    Returns:
        The sum, (M, N).
    """
    out, (target, _) = None, native.host()
    for d, x in pairs:
        (count, rows), columns = d.shape, x.shape[1]
        d, x, more = d.contiguous(), x.contiguous(), out is not None
        if out is None:
            out = torch.empty((rows, columns), dtype=d.dtype)
        words = array("q", (out.data_ptr(), d.data_ptr(), x.data_ptr(), count, rows, columns, more))
        _function(d.element_size() * 8, target)(words.buffer_info()[0], threads if count * rows * columns >= WORTH_A_THREAD else 1)
    return out
