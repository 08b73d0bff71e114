"""The gradients of weights, added up over tokens, compared with torch's."""

import pytest
import torch

from ostinato.engines import doctor
from ostinato.engines.kernels import job_list, weight_gradient
from ostinato.engines.kernels.builder import Target

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)

# Below, at and past a tile, a vector, a stretch of k and a panel of columns.
SIZES = [
    (1, 1, 1),
    (5, 7, 3),
    (weight_gradient.STRETCH + 1, 13, 37),
    (2 * weight_gradient.STRETCH, 48, 64),
    (33, 1, weight_gradient.PANEL + 17),
    (300, 63, 2 * weight_gradient.PANEL),
]


BITS = {torch.float32: 32, torch.float64: 64}


def tokens(numbers) -> torch.Tensor:
    return torch.tensor([*numbers, *[0] * weight_gradient.AHEAD])


def sum_outer(pairs, listed, threads=1):
    """The sum over pairs of (d, x), whose rows may be parts of longer ones."""
    (d, x), *_ = pairs
    out = torch.full((d.shape[1], x.shape[1]), torch.nan, dtype=d.dtype)
    jobs = [
        weight_gradient.outer(
            BITS[d.dtype],
            out.data_ptr(),
            *out.shape,
            (d.data_ptr(), d.stride(0)),
            (x.data_ptr(), x.stride(0)),
            (listed.data_ptr(), len(listed) - weight_gradient.AHEAD),
            threads,
            more=k > 0,
        )
        for k, (d, x) in enumerate(pairs)
    ]
    job_list.JobList(jobs).run({})
    return out


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("count, rows, columns", SIZES)
def test_a_sum_of_outer_products_is_a_product(count, rows, columns, dtype, threads, close):
    d, x = (
        torch.randn(count, rows, dtype=torch.float64),
        torch.randn(count, columns, dtype=torch.float64),
    )
    close(sum_outer([(d.to(dtype), x.to(dtype))], tokens(range(count)), threads), d.T @ x, dtype)


def test_several_pairs_add_up(close):
    pairs = [(torch.randn(90, 20), torch.randn(90, 35)) for _ in range(3)]
    close(sum_outer(pairs, tokens(range(90)), threads=2), sum(d.T @ x for d, x in pairs))


def test_only_the_tokens_that_are_listed_count_and_rows_may_be_parts_of_longer_ones(close):
    d, x = torch.randn(50, 40)[:, 3:20], torch.randn(50, 60)[:, 9:]
    listed = [0, 3, 4, 17, 49]
    d[1] = torch.nan
    close(sum_outer([(d, x)], tokens(listed)), d[listed].T @ x[listed])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("count, columns", [(1, 1), (7, 16), (30, 127), (90, 300)])
def test_a_total_is_a_sum_over_tokens(count, columns, dtype, threads, close):
    d = torch.randn(count + 1, columns + 5, dtype=torch.float64).to(dtype)[:, 5:]
    d[0], listed = torch.nan, tokens(range(1, count + 1))
    out = torch.full((columns + 1,), 7.0, dtype=dtype)
    job = weight_gradient.total(
        BITS[dtype],
        out.data_ptr(),
        columns,
        (d.data_ptr(), d.stride(0)),
        (listed.data_ptr(), count),
        threads,
    )
    job_list.JobList([job]).run({})
    close(out[:-1], d[1:].sum(0))
    assert out[-1] == 7


@pytest.mark.parametrize(
    "target", [Target(4, 32), Target(8, 16), Target(16, 32)], ids=["NEON", "AVX2", "AVX-512"]
)
def test_the_code_of_every_width_agrees(target, compile_for, close):
    compile_for(target)
    d, x = torch.randn(70, 29), torch.randn(70, 43)
    close(sum_outer([(d, x)], tokens(range(70)), threads=2), d.T @ x)


@pytest.mark.parametrize("threads", [1, 3])
def test_tokens_are_cleared_and_no_others(threads):
    out, listed = torch.ones(9, 7), torch.tensor([0, 4, 8])
    job = weight_gradient.clear(32, out.data_ptr(), 7, (listed.data_ptr(), 3), threads)
    job_list.JobList([job]).run({})
    assert out.sum(1).tolist() == [0, 7, 7, 7, 0, 7, 7, 7, 0]
