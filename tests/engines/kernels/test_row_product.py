"""Products of many rows by one matrix, compared with torch's."""

import pytest
import torch

from ostinato.engines import doctor, memory
from ostinato.engines.kernels import job_list, row_product

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "count, depth, size",
    [(1, 1, 1), (7, 5, 3), (13, 33, 50), (row_product.STRETCH + 5, 300, 64), (30, 16, 127)],
)
def test_rows_times_a_matrix(count, depth, size, transposed, bits, threads, close):
    dtype = {32: torch.float32, 64: torch.float64}[bits]
    x, weight = (
        torch.randn(count, depth + 2, dtype=dtype)[:, 2:],
        torch.randn(size, depth, dtype=dtype),
    )
    product = row_product.Rows("W", transposed, size, depth, bits)
    packed, _ = product.pack({"W": weight.T.contiguous() if transposed else weight}, memory.empty)
    out = torch.full((count, product.width + 1), 7.0, dtype=dtype)
    words = product.words(
        out.data_ptr(), out.stride(0), x.data_ptr(), x.stride(0), count, packed.data_ptr(), 0
    )
    job_list.JobList([job_list.Job(product.function, words, threads)]).run({})
    close(out[:, :size], x @ weight.T)
    assert (out[:, -1] == 7).all()
