"""Packed weights, and whether weights have changed since they were packed or seen."""

import gc

import pytest
import torch

from ostinato.engines import doctor
from ostinato.engines.kernels.copies import Copy
from ostinato.engines.kernels.job_list import JobList, Relocation, ReusableList
from ostinato.engines.weight_cache import WeightCache, WeightGuard

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)


def changed(guard) -> bool:
    """Whether the jobs of a guard find that the weights have changed."""
    out = torch.zeros(2)
    copy = Copy(to=Relocation("out"), source=torch.ones(2).data_ptr(), bytes=8)
    reusable = ReusableList(JobList([guard.reading(), guard.copying([copy])]), {})
    reusable.run([out.data_ptr()])
    found = bool(reusable.words[reusable.last])
    assert found is not bool(out.all())
    return found


def test_weights_are_found_until_a_number_changes():
    cache, w = WeightCache(), torch.randn(30, 40)
    packed = cache.find([w], 1)
    assert cache.find([w], 1) is packed and cache.find([w], 2) is packed
    assert cache.find([w.clone()], 1) is not packed
    assert cache.find([w.t()], 1) is not packed
    w.data[3, 7] += 1
    assert cache.find([w], 1) is not packed


def test_an_entry_goes_with_the_memory_of_its_weights():
    cache, w = WeightCache(), torch.randn(30, 40)
    cache.find([w], 1)
    assert len(cache.entries) == 1
    del w
    gc.collect()
    assert not cache.entries


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(7,), (30, 40), (400, 300)], ids=str)
def test_a_guard_finds_a_change_of_any_number(shape, threads):
    w = torch.randn(shape)
    guard = WeightGuard([w], threads, every_number=True)
    assert guard.holds([w]) and not changed(guard)
    before = w.flatten()[-1].item()
    w.view(-1).data[-1] += 1
    assert guard.holds([w]) and changed(guard)
    w.view(-1).data[-1] = before
    assert not changed(guard)


def test_a_guard_holds_for_the_same_tensors_in_the_same_layout_alone():
    w, b = torch.nn.Parameter(torch.randn(5, 5)), torch.nn.Parameter(torch.randn(5))
    guard = WeightGuard([w, b], 1, every_number=True)
    assert guard.holds([w, b])
    assert not guard.holds([w]) and not guard.holds([w, torch.nn.Parameter(b.data)])
    w.data = w.data.T
    assert not guard.holds([w, b])


def test_a_guard_of_samples_counts_the_changes_that_torch_makes():
    w = torch.randn(300, 300)
    guard = WeightGuard([w], 1, every_number=False)
    assert guard.holds([w])
    w[7, 9] += 1
    assert not guard.holds([w])
