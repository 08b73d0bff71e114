"""Tokens two by two as pairs of bfloat16, compared with torch's rounding."""

import pytest
import torch

from ostinato.engines.kernels import bfloat16_pairs, jit, job_list

target, why = jit.host()
pytestmark = pytest.mark.skipif(
    not (target and target.bfloat16),
    reason=f"no pairs are made for bfloat16 instructions here: {why}",
)


def paired(x, listed, threads=1):
    """(two by two, units, 2) in bfloat16, of the rows of x that are listed."""
    out = torch.full((-(-len(listed) // 2), x.shape[1]), torch.nan)
    tokens = torch.tensor([*listed, 0])
    job = bfloat16_pairs.pairs(
        out.data_ptr(),
        x.shape[1],
        (x.data_ptr(), x.stride(0)),
        (tokens.data_ptr(), len(listed)),
        threads,
    )
    job_list.JobList([job]).run({})
    return out.view(torch.bfloat16).unflatten(1, (x.shape[1], 2))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count, units", [(1, 1), (2, 16), (3, 15), (6, 33), (7, 300), (500, 257)])
def test_two_tokens_stand_side_by_side(count, units, threads):
    x = torch.randn(count, units) * 10.0 ** torch.randint(-20, 20, (count, units))
    x[0, 0], x[-1, -1] = torch.inf, -1e-3
    both = paired(x, range(count), threads)
    assert torch.equal(both[:, :, 0], x[::2].bfloat16())
    assert torch.equal(both[: count // 2, :, 1], x[1::2].bfloat16())
    assert not both[count // 2 :, :, 1].any()


def test_halves_go_to_the_even_neighbour_and_nan_stays():
    row = paired(torch.tensor([[1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8), torch.nan]]), [0])[0, :, 0]
    assert row[:3].tolist() == [1.0, 1 + 2**-6, -1.0] and row[3].isnan()


def test_only_the_tokens_that_are_listed_and_their_units_are_taken():
    x = torch.randn(9, 40)
    x[0], x[:, :3], x[:, 23:] = torch.nan, torch.nan, torch.nan
    both, listed = paired(x[:, 3:23], [8, 1, 1, 4, 5]), x[[8, 1, 1, 4, 5], 3:23].bfloat16()
    assert torch.equal(both[:, :, 0], listed[::2]) and torch.equal(both[:2, :, 1], listed[1::2])
