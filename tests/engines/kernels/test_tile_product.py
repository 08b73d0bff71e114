"""Rows times packed weights, tile by tile, compared with torch's product."""

import ctypes

import pytest
import torch

from ostinato.engines import doctor
from ostinato.engines.kernels import jit, tile_product

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)
KINDS = {"rows": ctypes.c_void_p, "sums": ctypes.c_void_p, "weights": ctypes.c_void_p}


@pytest.mark.parametrize("bits, dtype", [(32, torch.float32), (64, torch.float64)])
@pytest.mark.parametrize("chunk, height", [(1, 1), (5, 1), (1, 12), (2, 12), (2, 6), (3, 9)])
def test_every_number_of_rows_and_units_is_multiplied(bits, dtype, chunk, height, close):
    target, _ = jit.host()
    made = tile_product.Product(bits, target, chunk, height)
    compiled = jit.Compiled(made.text, made.name)
    multiply = ctypes.CFUNCTYPE(
        None, *(KINDS.get(name, ctypes.c_int64) for name in tile_product.ARGUMENTS)
    )(compiled.address)
    vector_width, start, gap = target.vector_width * 32 // bits, 2, 3 * target.vector_width
    for count in (1, 2, 3, 4, 7, 11, 12, 13, 25):
        for depth in (0, 1, 3, 4, 9):
            weights, x = (
                torch.randn(depth, chunk, vector_width, dtype=dtype),
                torch.randn(count, start + depth, dtype=dtype),
            )
            before = torch.randn(count, chunk * gap, dtype=dtype)
            sums, rows = before.clone(), torch.tensor([row.data_ptr() for row in x])
            # Every second vector's sums go on from what is there, and those of the others may be
            # anything.
            old = 0b10101 & (1 << chunk) - 1
            for v in range(1, chunk, 2):
                sums[:, v * gap : v * gap + vector_width] = torch.nan
            multiply(
                rows.data_ptr(),
                start,
                count,
                sums.data_ptr(),
                sums.shape[1],
                gap,
                old,
                weights.data_ptr(),
                depth,
            )
            made_now = torch.einsum("rk,kvl->rvl", x[:, start:], weights)
            for v in range(chunk):
                there = before[:, v * gap : v * gap + vector_width] if old >> v & 1 else 0.0
                close(sums[:, v * gap : v * gap + vector_width], made_now[:, v] + there)
                rest = slice(v * gap + vector_width, (v + 1) * gap)
                assert torch.equal(sums[:, rest], before[:, rest])


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("one_row", [False, True])
def test_the_sums_of_a_tile_fit_the_registers(registers, one_row):
    for parts in range(1, 9):
        for units in (1, 15, 16, 17, 64, 100, 512):
            vectors = tile_product.choose_vectors(parts, units, 16, registers, one_row=one_row)
            tile = tile_product.choose_tile(parts, vectors, registers, one_row=one_row)
            assert 1 <= tile.chunk * tile.rows <= registers - 4 or tile == tile_product.Tile(
                vectors, 1, 1
            )
            assert parts * vectors % tile.chunk == 0


def test_there_is_code_for_any_number_of_rows():
    assert (
        tile_product.heights(12) == (12, 8, 4, 1)
        and tile_product.heights(6) == (6, 4, 2, 1)
        and tile_product.heights(1) == (1,)
    )


@pytest.mark.parametrize(
    "cells, wanted", [([3], 1), ([0, 1, 2], 1), ([0, 2, 4], 2), ([0, 1, 3], None)]
)
def test_vectors_lie_evenly_or_not(cells, wanted):
    assert tile_product.gap(cells) == wanted


def test_products_that_lie_unevenly_are_made_vector_by_vector(close):
    from ostinato import Recurrent, cell, split, tanh, weight

    # The state multiplies the first, third and fourth part, and one vector holds each, so that no
    # order of parts is even for all.
    @cell
    def uneven(
        x,
        h,
        *,
        W=weight("2*H", "I"),
        V=weight("2*H", "I"),
        U=weight("3*H", "H"),
        R=weight("2*H", "H"),
    ):
        a, b = split(W @ x, 2)
        c, d = split(V @ tanh(x), 2)
        e, f, g = split(U @ h, 3)
        k, m = split(R @ tanh(h), 2)
        return tanh(a + e + k) + tanh(b) * tanh(c + f) + tanh(d + g + m)

    layer, x = (
        Recurrent(uneven, 6, 9, dtype=torch.float64),
        torch.randn(5, 4, 6, dtype=torch.float64),
    )
    results = []
    for engine in ("cpu", "reference"):
        layer.engine = engine
        layer.zero_grad()
        layer(x)[0].square().sum().backward()
        results.append([layer(x)[0], *(p.grad for p in layer.parameters())])
    for mine, wanted in zip(*results, strict=True):
        close(mine, wanted)
