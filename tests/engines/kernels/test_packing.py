"""Weights in the order in which tiles read them, compared with the order written out."""

import numpy as np
import pytest
import torch

from ostinato.engines import memory
from ostinato.engines.kernels import jit, packing
from ostinato.engines.kernels.tile_product import Pack, Tile

pytestmark = pytest.mark.skipif(
    jit.host()[0] is None, reason=f"the cpu engine does not run here: {jit.host()[1]}"
)


def written_out(pack: Pack, weights: dict[str, np.ndarray]) -> list[float]:
    """Block by block, chunk by chunk, column by column: the chunk's vectors; a unit that is not
    there is 0.
    """
    numbers, vectors = [], pack.tile.vectors
    cells = [(part, v) for part in range(len(pack.parts)) for v in range(vectors)]
    for block in range(pack.blocks):
        for start in range(0, len(cells), pack.tile.chunk):
            for column in range(pack.depth):
                for part, v in cells[start : start + pack.tile.chunk]:
                    name, transposed, row, first = pack.parts[part]
                    matrix = weights[name].T if transposed else weights[name]
                    for unit in range(
                        (block * vectors + v) * pack.vector_width,
                        (block * vectors + v + 1) * pack.vector_width,
                    ):
                        numbers.append(
                            matrix[row + unit, first + column] if unit < pack.size else 0.0
                        )
    return numbers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    "parts, vectors, chunk",
    [(1, 1, 1), (1, 4, 2), (4, 2, 2), (4, 2, 4), (4, 2, 8), (3, 3, 3), (2, 4, 1)],
)
def test_every_number_is_where_its_tile_reads_it(parts, vectors, chunk, dtype):
    vector_width = jit.host()[0].vector_width * 4 // dtype.itemsize
    size, depth = 2 * vectors * vector_width + 3, 5
    weights = {
        "W": torch.randn(size * 2 + 1, depth + 2, dtype=dtype),
        "U": torch.randn(depth + 1, size * 2, dtype=dtype),
    }
    where = [("W", False, 1, 2), ("U", True, 0, 1), ("W", False, size, 0), ("U", True, size - 1, 0)]
    pack = Pack(tuple(where[:parts]), size, depth, Tile(vectors, chunk, 1), vector_width)
    packed, (first, second) = packing.Packer([pack, pack])(weights, memory.empty)
    wanted, second = (
        written_out(pack, {name: w.double().numpy() for name, w in weights.items()}),
        (second - first) // packed.itemsize,
    )
    assert packed.data_ptr() == first
    assert (
        packed[: len(wanted)].tolist() == packed[second : second + len(wanted)].tolist() == wanted
    )


@pytest.mark.parametrize("depth", [4, 5])
@pytest.mark.parametrize("transposed", [False, True])
def test_columns_stand_in_pairs_where_products_are_of_bfloat16(transposed, depth):
    vector_width, size = jit.host()[0].vector_width, 11
    weight = torch.randn(size + 2, depth + 1)
    part = weight[2:, 1:].to(torch.bfloat16)
    pack = Pack((("W", transposed, 2, 1),), size, depth, Tile(1, 1, 1), vector_width, narrow=True)
    packer = packing.Packer([pack])
    # a matrix that lies otherwise in memory has jobs of its own
    for given in (
        (weight.T if transposed else weight),
        (weight.T if transposed else weight).contiguous(),
        (weight.T if transposed else weight),
    ):
        packed, _ = packer({"W": given}, memory.empty)
        pairs = (
            packed[: pack.blocks * pack.turns * vector_width]
            .view(torch.bfloat16)
            .view(pack.blocks, pack.turns, vector_width, 2)
        )
        found = pairs.permute(0, 2, 1, 3).reshape(pack.blocks * vector_width, -1)
        assert torch.equal(found[:size, :depth], part)
        assert not found[size:].any() and not found[:, depth:].any()


# A pack has as much memory as its whole vectors take, which are more than the weight's units where
# these do not fill the last one.
@pytest.mark.parametrize("vector_width", [4, 8, 16])
@pytest.mark.parametrize("name", ["W", "out"])
def test_a_weight_may_lie_in_memory_otherwise_than_before(name, vector_width, compile_for):
    compile_for(jit.TARGETS[vector_width])
    weights = torch.randn(41, 20)
    pack = Pack(((name, False, 0, 0),), 41, 20, Tile(1, 1, 1), vector_width)
    packer, wanted = packing.Packer([pack]), written_out(pack, {name: weights.numpy()})
    for given in (weights, weights.T.contiguous().T, weights.repeat(1, 2)[:, :20]):
        packed, _ = packer({name: given}, memory.empty)
        assert packed[: len(wanted)].tolist() == wanted
