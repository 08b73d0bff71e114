"""The compiled loops of a plan, with the weights as they want them packed."""

import ctypes
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..graph import Graph
from ..plan import Plan, Program
from . import memory, native
from .kernel import Kernel, Pack
from .schedule import Schedule

# Multiply-adds below which a second thread costs more than it brings.
WORTH_A_THREAD = 200_000
# Multiply-adds a step from which threads share the units of one row, meeting at every phase.
WORTH_A_MEETING = 60_000
# Multiply-adds from which a product is worth a call outside the loop.
WORTH_A_CALL = 1_000_000
# Numbers of a weight that are compared, besides its version, to see that it has not changed.
LOOKED_AT = 512
# Packed sets of weights that a loop keeps.
KEPT = 64


@dataclass(frozen=True)
class Scratch:
    """Memory that a run needs for itself: numbers, where each part begins (bytes), and whether it must be 0 at first."""

    size: int
    offsets: tuple[int, ...]
    clear: bool


class Loop:
    """One compiled loop and the packed weights it uses.

    Attributes:
        storages: The arrays that `run` is given, in order.
    """

    def __init__(self, program: Program, bits: int, *, descending: bool, one_row: bool, shared_units: bool):
        target, _ = native.host()
        self.program = program
        self.shared_units = shared_units
        self.kernel = Kernel(program, bits, target, descending=descending, one_row=one_row, shared_units=shared_units,
                             openmp=native.openmp() is not None)
        self.function = native.Function(self.kernel.text)
        self.storages = [name for name in self.kernel.storages if name not in self.kernel.scratch]
        self._weights = list(dict.fromkeys(part[0] for pack in self.kernel.packs for part in pack.parts))
        self._packed: OrderedDict[tuple[int, ...], _Packed] = OrderedDict()
        self._lock = threading.RLock()

    def packed(self, weights: Mapping[str, Tensor]) -> "_Packed":
        """The kernel's matrices, packed anew only where a weight has changed."""
        used = [weights[name] for name in self._weights]
        key = tuple(map(id, used))
        with self._lock:
            found = self._packed.get(key)
        if found is None or not found.holds(used):
            found = _Packed(used, [_pack(pack, weights) for pack in self.kernel.packs], lambda _: self._packed.pop(key, None))
            with self._lock:
                self._packed[key] = found
                if len(self._packed) > KEPT:
                    self._packed.popitem(last=False)
        return found

    def scratch(self, rows: int, threads: int) -> Scratch:
        """How much memory of its own a run needs, and what lies where in it."""
        offsets, total = [], 0
        for name, width in self.kernel.scratch.items():
            offsets.append(total * self.kernel.bytes)
            total += -(-width * rows * (threads if name == "aside" and self.shared_units else 1) // 16) * 16
        return Scratch(total, tuple(offsets), clear="partial" in self.kernel.scratch)

    def run(self, when: Schedule, arrays: list[Tensor], scratch: Scratch, weights: Mapping[str, Tensor], threads: int):
        """Run all steps; `arrays` are those of `storages`."""
        block = memory.empty((scratch.size,), arrays[0].dtype)
        if scratch.clear:
            block.zero_()
        start = block.data_ptr()
        packed = self.packed(weights)
        barrier = (ctypes.c_int64 * 8)()
        words = [*when.words, ctypes.addressof(barrier), *[a.data_ptr() for a in arrays], *[start + at for at in scratch.offsets],
                 *packed.addresses]
        self.function((ctypes.c_int64 * len(words))(*words), threads)


class _Packed:
    """Packed weights, and how to tell that they are still those of these tensors; `gone` is called when one of these is no more."""

    def __init__(self, used: list[Tensor], tensors: list[Tensor], gone: Callable):
        self.tensors = tensors
        self.addresses = [t.data_ptr() for t in tensors]
        self._seen = []
        for w in used:
            look = w.detach()
            if w.numel() > LOOKED_AT:
                look = look.as_strided((LOOKED_AT,), (w.numel() // LOOKED_AT,)) if w.is_contiguous() else look[:1]
            self._seen.append((weakref.ref(w, gone), w.data_ptr(), _version(w), look, look.clone()))

    def holds(self, used: list[Tensor]) -> bool:
        # Torch's version misses a change made through `.data`, so numbers are looked at too.
        return all(ref() is w and w.data_ptr() == address and _version(w) == version and torch.equal(look, copy)
                   for w, (ref, address, version, look, copy) in zip(used, self._seen))


def _version(w: Tensor) -> int | None:
    return None if w.is_inference() else w._version


def _pack(pack: Pack, weights: Mapping[str, Tensor]) -> Tensor:
    tile, lanes, blocks = pack.tile, pack.lanes, pack.blocks
    # A chunk is some vectors of one part, or all vectors of some parts.
    together, inside = max(1, tile.chunk // tile.vectors), min(tile.chunk, tile.vectors)
    pieces = tile.vectors // inside
    dtype = weights[pack.parts[0][0]].dtype
    packed = memory.empty((blocks, len(pack.parts) // together, pieces, pack.depth, together, inside, lanes), dtype)
    missing = blocks * tile.vectors * lanes - pack.size
    for k, (name, transposed, row, column) in enumerate(pack.parts):
        matrix = weights[name].detach()
        part = (matrix.T if transposed else matrix)[row : row + pack.size, column : column + pack.depth]
        if missing:
            part = F.pad(part, (0, 0, 0, missing))
        cut = part.unflatten(0, (blocks, pieces, inside, lanes)).permute(0, 1, 4, 2, 3)
        packed[:, k // together, :, :, k % together].copy_(cut)
    return packed


class Loops:
    """A plan with its compiled loops, made as they are first needed."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self._loops: dict[tuple, Loop] = {}
        self._lock = threading.RLock()

    def loop(self, kind: str, bits: int, *, one_row: bool, shared_units: bool) -> Loop:
        key = kind, bits, one_row, shared_units
        with self._lock:
            if key not in self._loops:
                self._loops[key] = Loop(getattr(self.plan, kind), bits, descending=kind == "backward", one_row=one_row,
                                        shared_units=shared_units)
            return self._loops[key]

    def split(self, kind: str, rows: int, steps: int, threads: int) -> tuple[int, bool]:
        """How many threads run a loop, and whether they share units rather than rows."""
        program: Program = getattr(self.plan, kind)
        work = _multiply_adds(program)
        if threads == 1 or work * rows * steps < WORTH_A_THREAD:
            return 1, False
        if rows < threads and work * rows >= WORTH_A_MEETING and not any(g.sums for g in program.groups):
            return threads, True
        return min(threads, rows), False


def _multiply_adds(program: Program) -> int:
    """Multiply-adds of one row and step; a pointwise operation counts as a few."""
    products = sum(v.size * a.size for g in program.groups for v in g.products for a in v.args)
    return products + sum(20 * g.size for g in program.groups)


_made: dict[tuple, Loops] = {}
_making = threading.Lock()


def loops(graph: Graph, sizes: Mapping[str, int], tokens: int) -> Loops:
    """The plan and the kernels of a graph at these sizes, for so many steps times rows; made once in a process."""
    work = sum(n.size.at(sizes) * n.args[0].size.at(sizes) for n in graph.nodes if n.op == "product")
    ahead = tokens * work >= WORTH_A_CALL
    key = graph.key, tuple(sorted(sizes.items())), ahead
    with _making:
        if key not in _made:
            _made[key] = Loops(Plan(graph, sizes, ahead=ahead))
        return _made[key]
