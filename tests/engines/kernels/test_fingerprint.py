"""The fingerprint of memory: equal for equal numbers, another one after any change, however threads
share the work.
"""

import pytest
import torch

from ostinato.engines import doctor
from ostinato.engines.kernels.fingerprint import BLOCK, VECTOR, fingerprint, span

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)
WHOLE = VECTOR * BLOCK
SIZES = (0, 1, VECTOR - 1, VECTOR, VECTOR + 1, WHOLE - 1, WHOLE, WHOLE + 1, 3 * WHOLE + 7, 70_000)


def of(*tensors, threads=1):
    return fingerprint([span(t) for t in tensors], threads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_it_depends_on_the_numbers_alone(size, dtype):
    a = torch.randn(size + 1, dtype=dtype)
    found = of(a[:size])
    assert found == of(a[:size].clone()) == of(a[:size], threads=2) == of(a[:size], threads=5)
    a[size] += 1
    assert found == of(a[:size])


@pytest.mark.parametrize("size", [size for size in SIZES if size])
def test_every_change_of_one_number_gives_another(size):
    a = torch.randn(size)
    seen = {of(a)}
    for place in {0, size // 3, size // 2, size - 1}:
        for value in (
            0.0,
            a[place].item() + 1,
            -a[place].item(),
            a[place].nextafter(torch.tensor(9e9)).item(),
            float("nan"),
        ):
            b = a.clone()
            b[place] = value
            seen.add(of(b))
    assert len(seen) == 1 + 5 * len({0, size // 3, size // 2, size - 1})


def test_changes_that_a_sum_or_a_product_would_not_see_are_seen():
    a = torch.randn(300, 100)
    seen = {
        of(a),
        of(-a),
        of(a.flip(0)),
        of(a.flip(1)),
        of(a.roll(1, 0)),
        of(a.roll(VECTOR, 1)),
        of(a.roll(1, 1)),
    }
    flat = a.view(-1)
    generator = torch.Generator().manual_seed(0)
    pairs = {
        tuple(sorted(torch.randint(flat.numel(), (2,), generator=generator).tolist()))
        for _ in range(1000)
    }
    for i, j in pairs:
        for first, second in ((flat[j], flat[i]), (-flat[i], -flat[j]), (flat[i] * 2, flat[j] * 2)):
            b = flat.clone()
            b[i], b[j] = first, second
            seen.add(of(b))
    assert len(seen) == 7 + 3 * len(pairs)


def test_where_one_tensor_ends_and_the_next_begins_counts():
    a = torch.randn(4 * WHOLE)
    assert len({of(a), of(a[WHOLE:], a[:WHOLE]), of(a[:7], a[7:]), of(a[7:], a[:7])}) == 4
    zeros = torch.zeros(50)
    assert len({of(zeros[:k]) for k in range(50)}) == 50


def test_a_span_is_all_memory_from_the_first_number_to_the_last():
    a = torch.randn(40, 30, dtype=torch.float64)
    for part in (
        a,
        a.T,
        a[:, ::3],
        a[5:9, 2:7],
        a[3],
        a[:, 4],
        a[:0],
        a[2, 2].reshape(1).expand(6),
    ):
        found = span(part)
        assert found.address == part.data_ptr()
        last = max(
            (
                sum(i * s for i, s in zip(place, part.stride()))
                for place in torch.ones(part.shape).nonzero().tolist()
            ),
            default=-1,
        )
        assert found.numbers == 2 * (last + 1)


def test_numbers_between_those_of_a_strided_tensor_do_not_hide_a_change():
    larger = torch.randn(64, 50)
    part = larger[:, 3:40:2]
    before = of(part)
    part[63, 18] += 1
    assert of(part) != before
