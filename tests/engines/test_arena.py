"""Arenas: where the arrays of a pass lie, for torch and for job lists."""

import torch

from ostinato.engines.arena import Arena, Region
from ostinato.engines.kernels.job_list import Relocation
from ostinato.engines.kernels.tuning import LINE


def arena() -> Arena:
    found = Arena(torch.float64)
    found.add(Region.SCRATCH, {"barrier": (1,), "state h": (2, 3, 5)})
    found.add(Region.SAVED, {"kept": (4, 3, 7)})
    found.add_own(Region.OUTPUT, {"forward 0": (4, 3, 5)})
    found.add_own(Region.ARGUMENT, {"input x": (4, 3, 6)})
    return found


def test_arrays_of_a_region_lie_one_after_another_at_whole_cache_lines():
    found = arena()
    assert found.address("barrier") == Relocation("scratch", 0)
    assert found.address("state h") == Relocation("scratch", 8 * LINE)
    assert found.sizes == {Region.SCRATCH: LINE + 2 * LINE, Region.SAVED: 6 * LINE}


def test_what_has_memory_of_its_own_begins_it():
    found = arena()
    assert found.address("forward 0") == Relocation("output", 0)
    assert found.address("input x") == Relocation("input x", 0)


def test_an_array_as_a_tensor_is_the_memory_at_its_address():
    found = arena()
    scratch, x = torch.randn(3 * LINE, dtype=torch.float64), torch.randn(4, 3, 6)
    memories = {"scratch": scratch, "input x": x}
    h, address = found.array("state h", memories), found.address("state h")
    assert h.shape == (2, 3, 5)
    assert h.data_ptr() == scratch.data_ptr() + address.offset
    assert found.array("input x", memories) is x


def test_two_arenas_share_regions():
    found, other = arena(), Arena(torch.float64)
    other.share(found, {Region.SAVED, Region.OUTPUT})
    assert [*other.places] == ["kept", "forward 0"]
    assert other.sizes == {Region.SCRATCH: 0, Region.SAVED: found.sizes[Region.SAVED]}
    assert "state h" not in other and "kept" in other
