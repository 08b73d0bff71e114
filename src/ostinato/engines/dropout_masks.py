"""Private: random masks, drawn on the layer's threads: a library's generator, on one thread, takes
a tenth of a training step's time and more.

What is drawn at a place comes of the seed and the place alone, so that neither the processor nor
the number of threads changes it.
"""

import functools
import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

import torch
from llvmlite import ir
from torch import Tensor

from . import memory
from .kernels import jit
from .kernels.builder import I8, I16, I32, I64, PTR, Code, Target
from .kernels.job_list import Job, JobList, Relocation
from .kernels.tuning import WORTH_A_THREAD
from .passes import BITS

# The words of the kernel: where a mask goes; the blocks drawn before it, and how many it has; the
# seed; the probability of what is not 0, in 65,536ths; and what that is: the lower and the upper
# half of a float64.
WORDS = ("out", "before", "blocks", "seed", "most", "low", "high")
# Numbers that go through the generator side by side, whatever the processor's vectors are, and
# draws that come of each.
SIDE_BY_SIDE, DRAWS = 16, 8
BLOCK = SIDE_BY_SIDE * DRAWS
# Philox4x32: the rounds, what two of the four words are multiplied by, and what is added to the two
# words of the key after each round.
ROUNDS, FACTORS, STEPS = 7, (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)


class Mask(NamedTuple):
    """A mask to be drawn.

    Attributes:
        shape: Its shape.
        part: The probability of what is not 0, from 0 to below 1, which is taken to 1/65,536.
        one: What is not 0.
        once: Along the first size all is the same.
        byte: It is of bytes, 0 and 1.
    """

    shape: tuple[int, ...]
    part: float
    one: float = 1.0
    once: bool = False
    byte: bool = False

    @property
    def count(self) -> int:
        """Numbers to be drawn."""
        return math.prod(self.shape[self.once :])


class Draw(Code):
    """The code: the words of a counter-based generator, each cut in two, and each half held against
    the probability.

    Source: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011), whose
        Philox4x32-7 this is.

    Args:
        bits: 32 or 64, of the masks; or 8, of those of bytes.
        target: The processor.

    Attributes:
        text: The LLVM module.
    """

    def __init__(self, bits: int, target: Target):
        super().__init__(max(bits, 32), target)
        self.enter(WORDS)
        b, given, many = self.b, self.given, 4 * SIDE_BY_SIDE
        out = b.inttoptr(given["out"], PTR)
        kind = I8 if bits == 8 else self.elem
        halves, draws = ir.VectorType(I16, many), ir.VectorType(kind, many)
        least = ir.Constant(I32, 1 << 15)  # halves have a sign
        one = b.bitcast(b.or_(given["low"], b.shl(given["high"], self.i64(32))), ir.DoubleType())
        with self.vectors_of(many):
            most = self.splat(b.trunc(b.sub(b.trunc(given["most"], I32), least), I16))
            one = self.splat(
                one
                if bits == 64
                else b.fptrunc(one, self.elem)
                if bits == 32
                else ir.Constant(I8, 1)
            )
        first, last = self.share(given["blocks"])
        with self.loop(first, last) as block:
            words = self._words_of(b.mul(b.add(given["before"], block), self.i64(SIDE_BY_SIDE)))
            for k in (0, 1):
                pair = b.or_(
                    b.and_(words[2 * k], self._all(0xFFFFFFFF)),
                    b.shl(words[2 * k + 1], self._all(32)),
                )
                drawn = b.select(
                    b.icmp_signed("<", b.bitcast(pair, halves), most), one, ir.Constant(draws, None)
                )
                place = b.add(b.mul(block, self.i64(BLOCK)), self.i64(k * many))
                b.store(drawn, b.gep(out, [place], source_etype=kind), align=bits // 8)
        b.ret_void()
        self.text = str(self.module)

    def _words_of(self, place) -> list:
        """The random words for places one after another: four words each, in the lower halves of
        numbers.
        """
        b, low = self.b, self._all(0xFFFFFFFF)
        with self.vectors_of(SIDE_BY_SIDE):
            places = b.add(self.splat(place), ir.Constant(low.type, list(range(SIDE_BY_SIDE))))
            words, keys = (
                [places, b.lshr(places, self._all(32)), self._all(0), self._all(0)],
                [self.given["seed"], b.lshr(self.given["seed"], self.i64(32))],
            )
            for _ in range(ROUNDS):
                whole, other = (
                    b.mul(b.and_(words[k], low), self._all(factor))
                    for k, factor in zip((0, 2), FACTORS)
                )
                words = [
                    b.xor(b.xor(b.lshr(product, self._all(32)), word), self.splat(key))
                    for product, word, key in (
                        (other, words[1], keys[0]),
                        (whole, words[3], keys[1]),
                    )
                ]
                words = [words[0], other, words[1], whole]
                keys = [b.add(key, self.i64(step)) for key, step in zip(keys, STEPS)]
        return words

    def _all(self, number: int):
        return ir.Constant(ir.VectorType(I64, SIDE_BY_SIDE), [number] * SIDE_BY_SIDE)


class _Masks:
    """Masks that are drawn at once: the jobs, and where each lies in their memory."""

    def __init__(self, masks: Sequence[Mask], dtype: torch.dtype, threads: int):
        # Without a row or a step there are masks of no numbers, and a kind of them has memory of
        # size 0.
        jobs, before, self.views, self.sizes = [], 0, [], {}
        for mask in (Mask(*mask) for mask in masks):
            blocks, most = -(-mask.count // BLOCK), min(round(mask.part * 2**16), 2**16 - 1)
            one, kind = (
                struct.unpack("<2I", struct.pack("<d", mask.one)),
                torch.uint8 if mask.byte else dtype,
            )
            start = self.sizes.setdefault(kind, 0)
            words = [
                Relocation(str(kind), start * kind.itemsize),
                before,
                blocks,
                Relocation("seed"),
                most,
                *one,
            ]
            # A draw costs about as much as ten multiply-adds.
            jobs.append(
                Job(
                    jit.made(Draw, 8 * kind.itemsize),
                    words,
                    threads if 10 * mask.count >= WORTH_A_THREAD else 1,
                )
            )
            apart = [math.prod(mask.shape[k + 1 :]) for k in range(len(mask.shape))]
            self.views.append((kind, mask.shape, [0, *apart[1:]] if mask.once else apart, start))
            self.sizes[kind] += blocks * BLOCK
            before += blocks
        self._jobs = JobList(jobs)

    def draw(self, seed: int) -> list[Tensor]:
        drawn = {kind: memory.empty((size,), kind) for kind, size in self.sizes.items()}
        self._jobs.run(
            {"seed": seed} | {str(kind): numbers.data_ptr() for kind, numbers in drawn.items()}
        )
        return [drawn[kind].as_strided(*view) for kind, *view in self.views]


# Of one layer's training there is one list, and one for each shape of a batch.
_masks = functools.lru_cache(maxsize=256)(_Masks)


def can_draw(dtype: torch.dtype) -> bool:
    """Whether there is code for masks of this dtype on this processor."""
    return dtype in BITS and jit.host()[0] is not None


def draw(masks: tuple[Mask | tuple, ...], dtype: torch.dtype, seed: int) -> list[Tensor]:
    """Masks.

    Args:
        masks: What each is; a tuple has the same as a `Mask`.
        dtype: float32 or float64.
        seed: From 0 to 2^63 - 1.
    """
    return _masks(masks, dtype, torch.get_num_threads()).draw(seed)
