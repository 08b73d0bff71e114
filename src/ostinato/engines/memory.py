"""Private: memory for long arrays, used again from call to call.

Memory fresh from the system costs a page fault for every page, which is a tenth to a fifth of a
training step's time. What a tensor made here lies in comes back when the last tensor that looks at
it is gone. What then lies idle goes back to the system as other sizes are asked for, so that a
program never holds much more than it once used at a time.
"""

import contextlib
import functools
import gc
import math
import os
import sys
import threading
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .kernels.tuning import LONG


def _physical() -> int:
    """Bytes of memory of this machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


# Bytes that lie idle at most.
IDLE = max(1 << 29, _physical() // 8)

# Bytes of the tensor whose parts others are made like.
BLANK = 1 << 20

# What numpy calls them.
KINDS = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
    torch.uint8: np.dtype(np.uint8),
}
# Types of tensors whose operations are torch's own.
OWN = frozenset((Tensor, torch.nn.Parameter))
_NOTHING = contextlib.nullcontext()
_idle: list[tuple[np.ndarray, int]] = []
# Short scratch memory that lies idle, by its bytes, which are a power of 2: of each size as much as
# was ever in use at a time.
_scratch: dict[int, list[Tensor]] = {}
_lock = threading.RLock()


def _in_child():
    """A child of a fork has none of the threads that may hold the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of float32, float64 or bytes whose numbers are not set."""
    size = math.prod(shape) * dtype.itemsize
    if size < LONG:
        return torch.empty(shape, dtype=dtype, device="cpu")
    # What is made in inference mode could not be kept for a gradient.
    inference = torch.is_inference_mode_enabled()
    with torch.inference_mode(False) if inference else _NOTHING:
        block = take(size)
        lent = _Lent(shape, KINDS[dtype], block[0])
        lent.block = block
        return torch.from_numpy(lent)


def maker(
    shape: tuple[int, ...], dtype: torch.dtype, *, lasting: bool = False
) -> Callable[[], Tensor]:
    """Makes tensors as `empty` does, short ones in half its time; what lasts, as a weight's
    gradient may, is given no memory that is lent.
    """
    size = math.prod(shape) * dtype.itemsize
    if size >= LONG and not lasting:
        return functools.partial(empty, shape, dtype)
    # To torch a tensor like another is less work than a shape to be read, and least a contiguous
    # one; what lies in its memory does not matter.
    if size <= BLANK:
        return functools.partial(torch.empty_like, _blank()[:size].view(dtype).view(shape))
    like = torch.empty(1, dtype=dtype, device="cpu").expand(shape)
    return functools.partial(torch.empty_like, like, memory_format=torch.contiguous_format)


@functools.cache
def _blank() -> Tensor:
    """Bytes that nobody reads or writes, so that the system gives no memory for them."""
    with torch.inference_mode(False):
        return torch.empty(BLANK, dtype=torch.uint8, device="cpu")


class ScratchMemory:
    """Scratch memory, which runs use one after another, whatever they run.

    Args:
        size: Bytes that a run needs.
    """

    def __init__(self, size: int):
        # Long memory is lent, and comes back by itself.
        self._short = size < LONG
        if self._short:
            size = 1 << (size - 1).bit_length()
        self._make = maker((size,), torch.uint8)
        self._idle = _scratch.setdefault(size, []) if self._short else []

    def take(self) -> Tensor:
        """Memory whose bytes are not set."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give(self, block: Tensor) -> None:
        """Give memory back that nobody looks at any more."""
        if self._short:
            self._idle.append(block)


def contiguous(x: Tensor) -> Tensor:
    """A tensor, copied where its numbers do not lie in order, or are not what lies there (see
    `is_dense`).
    """
    if x.is_contiguous() and not (x.is_neg() or x._is_zerotensor()):
        return x
    return empty(tuple(x.shape), x.dtype).copy_(x)


def is_dense(t: Tensor) -> bool:
    """Whether a tensor's numbers are those that lie in its memory.

    A subclass with a `__torch_dispatch__` may have no memory, or another tensor's. Of torch's own
    tensors sparse ones have their numbers elsewhere, some negative views (`z.conj().imag`) have
    them with the other sign, and tangents of 0 have none.
    """
    own = (
        type(t) in OWN
        or issubclass(type(t), Tensor)
        and type(t).__torch_dispatch__ is Tensor.__torch_dispatch__
    )
    return own and t.layout is torch.strided and not (t.is_neg() or t._is_zerotensor())


@contextlib.contextmanager
def no_collecting():
    """No garbage collection meanwhile: one that goes through all objects of a program with torch
    takes a tenth of a second.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def release() -> None:
    """Give what lies idle back to the system."""
    with _lock:
        _idle.clear()
        for blocks in _scratch.values():
            blocks.clear()


class _Lent(np.ndarray):
    """An array of a block that is lent: a tensor of it holds this for as long as something looks at
    it, and then the block comes back.
    """

    __slots__ = ("block",)

    def __del__(self, ending=sys.is_finalizing):
        if not ending():
            give(self.block)


def take(size: int) -> tuple[np.ndarray, int]:
    """A block of `size` bytes or more, and its address; `give` it back if it is long."""
    if size < LONG:
        return _fresh(size)
    with _lock:
        best, least = None, 2 * size + 1
        for k, (block, _) in enumerate(_idle):
            if size <= block.nbytes < least:
                best, least = k, block.nbytes
        if best is not None:
            return _idle.pop(best)
        freed = 0
        while _idle and freed < size:
            freed += _idle.pop(0)[0].nbytes
    return _fresh(-(-size // LONG) * LONG)


def _fresh(size: int) -> tuple[np.ndarray, int]:
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    block = raw[start : start + size]
    return block, block.ctypes.data


def give(block: tuple[np.ndarray, int]) -> None:
    """Give a block back that nobody looks at any more."""
    with _lock:
        _idle.append(block)
        while sum(idle.nbytes for idle, _ in _idle) > IDLE:
            _idle.pop(0)
