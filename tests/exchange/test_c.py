"""Layers as C code: the compiled code computes what the layer computes."""

import numpy as np
import pytest
import torch

import ostinato
from ostinato.cells import CELLS
from ostinato.exchange import c, c_support
from ostinato.exchange.c_compile import find_compiler
from ostinato.language.graph import POINTWISE

I, H = 3, 5


def layer_of(name: str, layers: int, bidirectional: bool, **others) -> ostinato.Recurrent:
    cell = CELLS[name]
    sizes = dict.fromkeys(cell.graph.letters - {"I", "H"}, 4)
    torch.manual_seed(0)
    return ostinato.Recurrent(
        cell, I, H, layers, bidirectional=bidirectional, sizes=sizes, **others
    ).eval()


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("name", ["lstm", "antisymmetric_rnn"])
def test_the_files_are_compared_before_they_are_written(name, weights, tmp_path):
    find_compiler()
    report = c.write(layer_of(name, 2, True), tmp_path / "layer.c", weights=weights)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["layer.c", "layer.h"]
    assert (report.rounding is None) == (weights == "float32")


@pytest.mark.parametrize("op", sorted(POINTWISE))
def test_every_operation_has_an_expression(op):
    assert op in c_support.EXPRESSIONS


def test_int8_numbers_are_within_half_a_step_of_the_weights():
    weight = np.random.default_rng(0).normal(size=(7, 33)).astype(np.float32)
    weight[3] = 0
    whole, scale = c_support.quantised(weight)
    assert (abs(whole * scale[:, None] - weight) <= 0.501 * scale[:, None]).all()
