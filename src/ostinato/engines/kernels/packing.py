"""Private: weights put in the order in which a kernel's tiles read them; a training step does it
each time, for they have changed.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from llvmlite import ir
from torch import Tensor
from torch.nn import functional as F

from . import jit
from .builder import I32, PTR, Code, Target
from .job_list import Job, JobList, Relocation
from .tile_product import Pack
from .tuning import LINE, PACKED_LAYOUTS, WORTH_A_THREAD

# The words: addresses; the part's units and depth, and how far these are apart in the weight;
# vectors of a block and of a part of it; and how far blocks, parts and turns are apart in the
# result.
WORDS = (
    "out",
    "weight",
    "size",
    "depth",
    "unit",
    "column",
    "vectors",
    "inside",
    "block",
    "piece",
    "turn",
)


class Packing(Code):
    """The code for one part of a pack: for each vector of units, one column after another; past the
    last unit there is 0.

    Args:
        bits: 32 or 64.
        target: The processor.

    Attributes:
        text: The LLVM module.
    """

    def __init__(self, bits: int, target: Target):
        super().__init__(bits, target)
        self.enter(WORDS)
        b, i64, given = self.b, self.i64, self.given
        out, weight = (b.inttoptr(given[name], PTR) for name in ("out", "weight"))
        whole = b.sdiv(b.add(given["size"], i64(self.vector_width - 1)), i64(self.vector_width))
        vectors = b.mul(
            b.sdiv(b.add(whole, b.sub(given["vectors"], i64(1))), given["vectors"]),
            given["vectors"],
        )
        first, last = self.share(vectors)
        with self.loop(first, last) as vector:
            block, within = b.sdiv(vector, given["vectors"]), b.srem(vector, given["vectors"])
            piece, place = b.sdiv(within, given["inside"]), b.srem(within, given["inside"])
            start = b.add(
                b.mul(block, given["block"]),
                b.add(b.mul(piece, given["piece"]), b.mul(place, i64(self.vector_width))),
            )
            unit, end = b.mul(vector, i64(self.vector_width)), b.sub(given["size"], i64(1))
            inside = self.below(b.sub(given["size"], unit))
            rows = [
                self.at(weight, b.mul(self.min64(b.add(unit, i64(lane)), end), given["unit"]))
                for lane in range(self.vector_width)
            ]
            with self.loop(0, given["depth"]) as k:
                at, numbers = b.mul(k, given["column"]), ir.Constant(self.vec, ir.Undefined)
                for lane, row in enumerate(rows):
                    numbers = b.insert_element(
                        numbers, b.load(self.at(row, at), typ=self.elem), ir.Constant(I32, lane)
                    )
                self.store(
                    b.select(inside, numbers, self.constant(0.0)),
                    self.at(self.at(out, start), b.mul(k, given["turn"])),
                )
        b.ret_void()
        self.text = str(self.module)


class Packer:
    """Puts weights as some packs want them: blocks, chunks of some vectors of one part or of all
    vectors of some parts, turns, vectors, vector_width.

    Args:
        packs: What is wanted.
    """

    def __init__(self, packs: Sequence[Pack]):
        self._packs, self._starts, self._parts, size = packs, [], [], 0
        for pack in packs:
            tile = pack.tile
            together, inside = max(1, tile.chunk // tile.vectors), min(tile.chunk, tile.vectors)
            turn = together * inside * pack.vector_width
            piece = pack.turns * turn
            chunk = tile.vectors // inside * piece
            block = len(pack.parts) // together * chunk
            self._starts.append(size)
            for k, part in enumerate(pack.parts):
                start = size + k // together * chunk + k % together * inside * pack.vector_width
                self._parts.append(
                    (
                        pack,
                        *part,
                        start,
                        [pack.size, pack.turns],
                        [tile.vectors, inside, block, piece, turn],
                    )
                )
            size += -(-pack.blocks * block // LINE) * LINE
        self._size = size
        self._names = [*dict.fromkeys(name for _, name, *_ in self._parts)]
        # The parts whose columns are first joined in pairs.
        self._narrow = {tuple(part): pack for pack, *part, _, _, _ in self._parts if pack.narrow}
        self._lists: dict[tuple, JobList] = {}

    def __call__(
        self, weights: Mapping[str, Tensor], empty: Callable[[tuple[int, ...], torch.dtype], Tensor]
    ) -> tuple[Tensor | None, list[int]]:
        """The packed weights, and where each pack begins; `empty` makes the tensor that they lie
        in.
        """
        if not self._packs:
            return None, []
        given = [weights[name] for name in self._names]
        packed, held = empty((self._size,), given[0].dtype), {}
        for (name, *part), pack in self._narrow.items():
            w = weights[name].detach()
            (transposed, row, column), depth = part, pack.depth
            held[name, *part] = _pairs(
                (w.T if transposed else w)[row : row + pack.size, column : column + depth]
            )
        strides = tuple([w.stride() for w in (*given, *held.values())])
        key = strides, packed.dtype, torch.get_num_threads() if self._size >= WORTH_A_THREAD else 1
        jobs = self._lists.get(key)
        if jobs is None:
            if len(self._lists) >= PACKED_LAYOUTS:
                self._lists.clear()
            jobs = self._lists[key] = self._list(*key)
        at = packed.data_ptr()
        numbers = {"out": at}
        for source, w in zip((*self._names, *held), (*given, *held.values())):
            numbers[f"weight {source}"] = w.data_ptr()
        jobs.run(numbers)
        return packed, [at + start * packed.itemsize for start in self._starts]

    def _list(
        self, strides: tuple[tuple[int, int], ...], dtype: torch.dtype, threads: int
    ) -> JobList:
        """The jobs, for weights with these strides."""
        names, jobs = [*self._names, *self._narrow], []
        apart_of = dict(zip(names, strides))
        for pack, name, transposed, row, column, start, sizes, order in self._parts:
            if pack.narrow:
                source = name, transposed, row, column
                apart, first = apart_of[source], 0
            else:
                source, apart = name, apart_of[name][::-1] if transposed else apart_of[name]
                first = (row * apart[0] + column * apart[1]) * dtype.itemsize
            words = [
                Relocation("out", start * dtype.itemsize),
                Relocation(f"weight {source}", first),
                *sizes,
                *apart,
                *order,
            ]
            jobs.append(Job(jit.made(Packing, 8 * dtype.itemsize), words, threads))
        return JobList(jobs)


def _pairs(part: Tensor) -> Tensor:
    """(units, depth) as (units, depth / 2): two columns of bfloat16 in place of one of float32."""
    if part.shape[1] % 2:
        part = F.pad(part, (0, 1))
    part = part.to(torch.bfloat16)
    if part.stride(0) == 1:
        # Where columns lie in memory one after another this takes half as long as to copy them to
        # rows.
        return torch.stack((part.T[::2], part.T[1::2]), -1).view(torch.float32).squeeze(-1).T
    return part.contiguous().view(torch.float32)
