"""Private: where the arrays of a pass lie in memory.

A pass has a few regions of memory, and each of its arrays has a place in one of them:

    scratch    | barrier, and what is 0 at first | further arrays ... |   for the time of the pass
    saved      | what backward reads ... |                                until backward is done
    output     | the array whose part is the cell's output |
    arguments  each array has memory of its own: inputs, vectors, gradients
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .kernels.job_list import Relocation
from .kernels.tuning import LINE


class Region(enum.Enum):
    """The memory that an array is in; the value is the name of its address in job lists. An
    argument's address has the name of its array.
    """

    SCRATCH = "scratch"
    SAVED = "saved"
    OUTPUT = "output"
    ARGUMENT = "argument"


@dataclass(frozen=True)
class Place:
    """The place of an array.

    Attributes:
        region: The memory that it is in.
        offset: Bytes from the beginning of the region.
        shape: Its shape.
    """

    region: Region
    offset: int
    shape: tuple[int, ...]


class Arena:
    """The places of the arrays of a pass.

    Args:
        dtype: Of all arrays.

    Attributes:
        dtype: The dtype.
        places: Each array's place, by its name.
        sizes: Numbers of each region that has several arrays.
    """

    def __init__(self, dtype: torch.dtype):
        self.dtype = dtype
        self.places: dict[str, Place] = {}
        self.sizes = {Region.SCRATCH: 0, Region.SAVED: 0}

    def add(self, region: Region, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Give arrays a place in the scratch memory or in what is saved, one after another."""
        for name, shape in shapes.items():
            self.places[name] = Place(region, self.sizes[region] * self.dtype.itemsize, shape)
            self.sizes[region] += -(-math.prod(shape) // LINE) * LINE

    def add_own(self, region: Region, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Add arrays that have memory of their own: arguments, or the output."""
        for name, shape in shapes.items():
            self.places[name] = Place(region, 0, shape)

    def share(self, other: "Arena", regions: set[Region]) -> None:
        """Have the same places as another arena in some regions."""
        for name, place in other.places.items():
            if place.region in regions:
                self.places[name] = place
        for region in regions & self.sizes.keys():
            self.sizes[region] = other.sizes[region]

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def shape(self, name: str) -> tuple[int, ...]:
        return self.places[name].shape

    def memory(self, name: str) -> str:
        """The name of the memory that an array is in."""
        region = self.places[name].region
        return name if region is Region.ARGUMENT else region.value

    def address(self, name: str) -> Relocation:
        """The address of an array in a job list."""
        return Relocation(self.memory(name), self.places[name].offset)

    def array(self, name: str, memories: Mapping[str, Tensor]) -> Tensor:
        """An array as a tensor, of the memories by name."""
        place, numbers = self.places[name], memories[self.memory(name)]
        if place.region in (Region.ARGUMENT, Region.OUTPUT):
            return numbers
        start = place.offset // self.dtype.itemsize
        return numbers[start : start + math.prod(place.shape)].view(place.shape)
