"""Copies of rows: in order, by an index on either side, zeros, and none where a sum is not 0."""

import pytest
import torch

from ostinato.engines import doctor
from ostinato.engines.kernels import copies
from ostinato.engines.kernels.copies import Copy
from ostinato.engines.kernels.job_list import JobList, Relocation, ReusableList

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)


def copied(out, **about):
    JobList([copies.job([Copy(to=out.data_ptr(), **about)], waits=False)]).run({})
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_copied_in_order_and_by_indices(dtype):
    x, order = torch.randn(5, 3, dtype=dtype), torch.tensor([3, 0, 4, 1, 2])
    width = 3 * dtype.itemsize
    rows = {"source": x.data_ptr(), "rows": 5, "bytes": width}
    index = order.data_ptr()
    assert torch.equal(copied(torch.empty(5, 3, dtype=dtype), **rows), x)
    found = copied(torch.empty(5, 3, dtype=dtype), **rows, source_index=index)
    assert torch.equal(found, x[order])
    found = copied(torch.empty(5, 3, dtype=dtype), **rows, to_index=index)
    assert torch.equal(found[order], x)
    found = copied(torch.empty(5, 3, dtype=dtype), **rows, to_index=index, source_index=index)
    assert torch.equal(found, x)


def test_without_a_source_there_are_zeros():
    found = copied(torch.ones(4, 2), source=0, rows=2, bytes=8, to_index=0)
    assert found.tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]


def test_nothing_is_copied_where_the_numbers_do_not_add_up_to_0():
    out, sums = torch.zeros(2), torch.tensor([3, -1, -2])
    copy = Copy(to=Relocation("out"), source=torch.ones(2).data_ptr(), bytes=8)
    job = copies.job([copy], numbers=sums.data_ptr(), count=3, waits=False)
    reusable = ReusableList(JobList([job]), {})
    sums[0] = 4
    reusable.run([out.data_ptr()])
    assert reusable.words[reusable.last] == 1 and not out.any()
    sums[0] = 3
    reusable.run([out.data_ptr()])
    assert reusable.words[reusable.last] == 0 and out.all()
