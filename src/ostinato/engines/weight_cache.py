"""Private: weights in the order in which kernels read them, and whether weights have changed since.

Torch counts only the changes that it makes itself, so all memory of the weights is read, as
`kernels.fingerprint` describes. A call either reads it before it runs (`WeightCache`), or while it
runs, with the same job list (`WeightGuard`): then its results count only if nothing has changed.
"""

import ctypes
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from torch import Tensor

from . import memory
from .kernels import copies, fingerprint, jit
from .kernels.copies import Copy
from .kernels.fingerprint import Span
from .kernels.job_list import Job
from .kernels.packing import Packer
from .kernels.tile_product import Pack
from .kernels.tuning import PACKED_WEIGHTS, SHORT


class User(Protocol):
    """Code that reads packed matrices."""

    packs: list[Pack]
    pack: Packer


class Users:
    """Several users as one.

    Attributes:
        packs: Their matrices, in order; `pack` packs them.
    """

    def __init__(self, users: Sequence[User]):
        self.packs = [pack for user in users for pack in user.packs]
        self.pack = Packer(self.packs)


class PackedWeights:
    """The matrices of some weights in the order in which kernels read them.

    Args:
        weights: The weights.
        readers: Read their memory, by the number of threads.
        fingerprint: Of their memory.
        on_release: Called when the memory of one of these is released.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        readers: dict[int, fingerprint.MemoryReader],
        fingerprint: int,
        on_release: Callable,
    ):
        self.readers, self.fingerprint = readers, fingerprint
        # To the memory, for torch.utils.swap_tensors refuses a parameter that has weak references.
        self._memory = [weakref.ref(w.untyped_storage(), on_release) for w in weights]
        self._packs: dict[User, tuple[Tensor | None, list[int]]] = {}

    def addresses(self, user: User, names: Iterable[str], weights: Iterable[Tensor]) -> list[int]:
        """The addresses of the packed matrices of a user, which are packed here if they are not
        yet, of the weights with these names.
        """
        found = self._packs.get(user)
        if found is None:
            # Another thread may do the same meanwhile: all use those of the first.
            packed = user.pack(dict(zip(names, weights)), memory.empty)
            found = self._packs.setdefault(user, packed)
        return found[1]


class WeightCache:
    """The packed weights of a plan, by where the weights lie in memory."""

    def __init__(self):
        self.entries: OrderedDict[tuple, PackedWeights] = OrderedDict()

    def find(self, weights: Sequence[Tensor], threads: int) -> PackedWeights:
        """The packed form of these matrices, from scratch where a number has changed.

        Args:
            weights: The matrices.
            threads: How many may read them.
        """
        key = tuple([(w.data_ptr(), w.stride()) for w in weights])
        found = self.entries.get(key)
        readers = found.readers if found else {}
        reader = readers.get(threads)
        if reader is None:
            spans = [fingerprint.span(w) for w in weights]
            reader = readers[threads] = fingerprint.MemoryReader(spans, threads)
        now = reader()
        if found is None or found.fingerprint != now:
            entries = self.entries  # a callback that held the cache would keep it alive
            found = PackedWeights(weights, readers, now, lambda _: entries.pop(key, None))
            with jit.making:
                self.entries[key] = found
                if len(self.entries) > PACKED_WEIGHTS:
                    self.entries.popitem(last=False)
        return found


class WeightGuard:
    """Weights as they are now, and the jobs by which a later call finds out whether they still are.

    Args:
        weights: All tensors that the weights are sums of.
        threads: How many may read them.
        every_number: Read every number of each. Else a weight of more than `SHORT` bytes whose
            changes torch counts is known by that count and by samples of its numbers.
    """

    def __init__(self, weights: Sequence[Tensor], threads: int, *, every_number: bool):
        self._spans, self._counted = [], []
        self._seen = [(w, w.data_ptr()) for w in weights]
        # The same memory may be read in another order after `p.data = p.data.T`. A single step asks
        # only where that leaves the shape as it is.
        asked = [
            w
            for w in weights
            if every_number or len(set(w.shape)) < w.dim() or not w.is_contiguous()
        ]
        self._contiguous = [w for w in asked if w.is_contiguous()]
        self._strided = [(w, w.stride()) for w in asked if not w.is_contiguous()]
        for w in weights:
            whole = fingerprint.span(w)
            if every_number or 4 * whole.numbers <= SHORT or w.is_inference():
                self._spans.append(whole)
            else:
                self._spans += _samples(whole)
                self._counted.append((w, w._version))
        # The fingerprint of the weights, subtracted from 0, and behind it the parts that threads
        # find in a call: their sum is to be 0.
        self._threads = fingerprint.threads_for(self._spans, threads)
        self._sum = (ctypes.c_int64 * (1 + self._threads))(
            -fingerprint.fingerprint(self._spans, threads)
        )

    def holds(self, weights: Collection[Tensor]) -> bool:
        """Whether these are the same tensors in the same memory, with the same layout. Whether
        their numbers are the same is found out by the jobs.
        """
        if len(weights) != len(self._seen):
            return False
        for w, (known, at) in zip(weights, self._seen):
            if w is not known or w.data_ptr() != at:
                return False
        for w in self._contiguous:
            if not w.is_contiguous():
                return False
        for w, strides in self._strided:
            if w.stride() != strides:
                return False
        for w, then in self._counted:
            if w._version != then:
                return False
        return True

    def reading(self) -> Job:
        """The job that reads the memory of the weights."""
        return fingerprint.job(self._spans, ctypes.addressof(self._sum) + 8, self._threads)

    def copying(self, rows: Iterable[Copy]) -> Job:
        """The job that copies rows if the numbers that `reading` has read are as they were. The
        first of its words is 0 then.
        """
        return copies.job(
            rows, numbers=ctypes.addressof(self._sum), count=len(self._sum), waits=True
        )


def _samples(whole: Span) -> list[Span]:
    """Sixteen samples of a sixteenth of `SHORT` bytes each, from the beginning to the end."""
    each = SHORT // 16 // 4
    apart = (whole.numbers - each) // 15
    return [Span(whole.address + 4 * apart * k, each) for k in range(16)]
