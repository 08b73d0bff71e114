"""A single small step, run by torch operations where they cost less than a kernel's calls."""

import pytest
import torch

from ostinato import cells
from ostinato.engines import once, reference

CELLS = ["elman", "lstm", "lstm_peephole", "lstm_projected", "lstm_full", "gru", "gru_original", "min_gru"]


def tensors(graph, sizes, parts, rows):
    inputs = [torch.randn(1, rows, size.at(sizes), dtype=torch.float64, requires_grad=True) for size in graph.inputs.values()]
    states = [torch.randn(rows, size.at(sizes), dtype=torch.float64, requires_grad=True) for size in graph.states.values()]
    weights = {name: tuple(torch.randn(*[size.at(sizes) for size in w.shape], dtype=torch.float64, requires_grad=True) for _ in range(parts))
               for name, w in graph.weights.items()}
    return inputs, states, weights


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_the_step_and_its_gradients_are_the_references(name, parts, rows, close, monkeypatch):
    monkeypatch.setattr(once, "FEW", 100)
    graph = getattr(cells, name).graph
    sizes = {letter: 3 + 2 * k for k, letter in enumerate(sorted(graph.letters))}
    inputs, states, weights = tensors(graph, sizes, parts, rows)
    once._function.cache_clear()
    step = once.function(graph, sizes, (parts,) * len(weights), one_row=rows == 1)
    once._function.cache_clear()
    flat = [part for w in weights.values() for part in w]
    output, *new = step(*inputs, *states, *flat)
    wanted, ends = reference.scan(graph, inputs=tuple(inputs), states=tuple(states), weights=weights)
    given = [*inputs, *states, *flat]
    for y, w in zip((output, *new), (wanted, *ends), strict=True):
        close(y, w)
        here, there = (torch.autograd.grad((t * t).sum(), given, retain_graph=True, allow_unused=True) for t in (y, w))
        for a, b in zip(here, there, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                close(a, b)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("name", CELLS)
def test_results_share_no_memory(name, rows, monkeypatch):
    monkeypatch.setattr(once, "FEW", 100)
    graph = getattr(cells, name).graph
    sizes = dict.fromkeys(graph.letters, 3)
    inputs, states, weights = tensors(graph, sizes, 1, rows)
    once._function.cache_clear()
    results = once.function(graph, sizes, (1,) * len(weights), one_row=rows == 1)(*inputs, *states, *[part for w in weights.values() for part in w])
    once._function.cache_clear()
    addresses = [t.data_ptr() for t in (*results, *inputs, *states)]
    assert len(set(addresses)) == len(addresses)


def test_a_cell_of_many_operations_or_with_sums_over_units_is_left_to_the_kernel():
    for cell in (cells.lstm_peephole, cells.layer_norm_lstm):
        graph = cell.graph
        assert once.function(graph, dict.fromkeys(graph.letters, 3), (1,) * len(graph.weights), one_row=True) is None
