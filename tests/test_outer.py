"""The gradient of a weight, summed over all steps and rows, beside torch's product."""

import pytest
import torch

from ostinato.engines import doctor, native, outer
from ostinato.engines.code import Target

pytestmark = pytest.mark.skipif(not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here")

# Below, at and past a tile, a vector, a stretch of k and a panel of columns.
SIZES = [(1, 1, 1), (5, 7, 3), (outer.STRETCH + 1, 13, 37), (2 * outer.STRETCH, 48, 64), (33, 1, outer.PANEL + 17), (300, 63, 2 * outer.PANEL)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("count, rows, columns", SIZES)
def test_a_sum_of_outer_products_is_a_product(count, rows, columns, dtype, threads, monkeypatch, close):
    monkeypatch.setattr(outer, "WORTH_A_THREAD", 0)
    d, x = torch.randn(count, rows, dtype=torch.float64), torch.randn(count, columns, dtype=torch.float64)
    close(outer.sum_outer([(d.to(dtype), x.to(dtype))], threads=threads), d.T @ x, dtype)


def test_several_pairs_add_up(close):
    pairs = [(torch.randn(k, 20), torch.randn(k, 35)) for k in (3, 250, 40)]
    close(outer.sum_outer(pairs, threads=2), sum(d.T @ x for d, x in pairs))


def test_what_is_no_rows_of_memory_is_taken_too(close):
    d, x = torch.randn(20, 50).T, torch.randn(50, 60)[:, ::2]
    close(outer.sum_outer([(d, x)], threads=1), d.T @ x)


@pytest.mark.parametrize("target", [Target(4, 32), Target(8, 16)], ids=["NEON", "AVX2"])
def test_the_code_of_every_width_agrees(target, monkeypatch, close):
    if native.host()[0].lanes < target.lanes:
        pytest.skip(f"this processor has {native.host()[0].lanes} float32 lanes")
    monkeypatch.setattr(native, "host", lambda: (target, "chosen by a test"))
    d, x = torch.randn(70, 29), torch.randn(70, 43)
    close(outer.sum_outer([(d, x)], threads=2), d.T @ x)
