"""Random masks: the generator's published numbers, the same for any number of threads, and
what they are in the mean.
"""

import numpy as np
import pytest
import torch

from ostinato.engines import dropout_masks
from ostinato.engines.dropout_masks import Mask
from ostinato.engines.kernels import jit

pytestmark = pytest.mark.skipif(
    jit.host()[0] is None, reason=f"the cpu engine does not run here: {jit.host()[1]}"
)
# Philox4x32-7 of a counter and a key of 0: the first line of that generator in kat_vectors of
# Random123, its authors' library.
OF_NOTHING = [0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48]
LOW = 0xFFFFFFFF


def philox(place: int, seed: int) -> list[int]:
    """The generator in Python's whole numbers, as the paper has it."""
    words, keys = [place & LOW, place >> 32, 0, 0], [seed & LOW, seed >> 32]
    for _ in range(dropout_masks.ROUNDS):
        first, second = (words[k] * factor for k, factor in zip((0, 2), dropout_masks.FACTORS))
        words = [
            second >> 32 ^ words[1] ^ keys[0],
            second & LOW,
            first >> 32 ^ words[3] ^ keys[1],
            first & LOW,
        ]
        keys = [key + step & LOW for key, step in zip(keys, dropout_masks.STEPS)]
    return words


def test_the_generator_gives_its_authors_numbers():
    assert philox(0, 0) == OF_NOTHING


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_draw_is_half_a_word_of_the_generator(dtype):
    part, seed = 0.3, 0x123456789ABCDEF
    words = np.array(
        [philox(place, seed) for place in range(3 * dropout_masks.SIDE_BY_SIDE)], "<u4"
    ).reshape(3, -1, 2, 2)
    # of sixteen places the first two words come first, then the others; each has its lower half
    # before its upper one
    halves = words.swapaxes(1, 2).copy().view("<i2").reshape(-1)
    wanted = halves < round(part * 2**16) - 2**15
    (found,) = dropout_masks.draw((Mask((300,), part),), dtype, seed)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.numpy(), wanted[:300])


@pytest.mark.parametrize("part", [0.001, 0.25, 0.9, 0.9999])
def test_the_share_of_ones_is_the_probability(part):
    count = 1 << 20
    (found,) = dropout_masks.draw((Mask((count,), part),), torch.float32, 7)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    # five standard deviations, and the rounding of the probability
    assert (
        abs(float(found.double().mean()) - part) < 5 * (part * (1 - part) / count) ** 0.5 + 2**-16
    )


def test_any_number_of_threads_draws_the_same():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found += dropout_masks.draw((Mask((70, 33, 41), 0.5),), torch.float32, 3)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    assert found[0].shape == (70, 33, 41)


def test_another_seed_draws_something_else():
    one, other = (
        dropout_masks.draw((Mask((10_000,), 0.5),), torch.float32, seed)[0]
        for seed in (1, 1 + 2**32)
    )
    assert 4700 < int((one != other).sum()) < 5300


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masks_drawn_at_once_are_parts_of_one_draw(dtype):
    masks = Mask((7, 3, 50), 0.75, 1 / 0.75, once=True), Mask((2, 300), 0.2, 4.0), Mask((5,), 0.5)
    same, other, last = dropout_masks.draw(masks, dtype, 11)
    assert (same.shape, other.shape, last.shape) == ((7, 3, 50), (2, 300), (5,))
    assert (
        (same == same[0]).all()
        and same.unique().tolist() == pytest.approx([0, 1 / 0.75])
        and other.unique().tolist() == [0, 4]
    )
    # each begins with a block of its own
    (whole,) = dropout_masks.draw((Mask((9 * dropout_masks.BLOCK,), 0.2),), dtype, 11)
    assert torch.equal(other.view(-1) / 4, whole[2 * dropout_masks.BLOCK :][:600])
    (whole,) = dropout_masks.draw((Mask((9 * dropout_masks.BLOCK,), 0.5),), dtype, 11)
    assert torch.equal(last, whole[7 * dropout_masks.BLOCK :][:5])


def test_a_mask_of_bytes_is_the_one_of_numbers():
    (numbers,) = dropout_masks.draw((Mask((9, 5, 33), 0.3),), torch.float64, 5)
    other, of_bytes = dropout_masks.draw(
        (Mask((20,), 0.5), Mask((9, 5, 33), 0.3, byte=True)), torch.float64, 5
    )
    assert (
        other.dtype == torch.float64
        and of_bytes.dtype == torch.uint8
        and of_bytes.unique().tolist() == [0, 1]
    )
    (alone,) = dropout_masks.draw((Mask((9, 5, 33), 0.3, byte=True),), torch.float32, 5)
    assert torch.equal(alone.double(), numbers)
    # the first block is the other mask's
    assert torch.equal(
        of_bytes.flatten()[: 1485 - dropout_masks.BLOCK], alone.flatten()[dropout_masks.BLOCK :]
    )
