"""Every cell there is, in every way a layer runs one: the compiled engine gives the reference's
numbers and gradients.
"""

import pytest
import torch

from ostinato import Recurrent, cell, engines, sigmoid, split, tanh, weight
from ostinato.cells import CELLS
from ostinato.engines import loops

RUNS = {name: runs for name, runs, _ in engines.doctor()}
pytestmark = pytest.mark.skipif(not RUNS["cpu"], reason="the cpu engine does not run here")

# One unit has no variance, by whose root layer norm divides; a larger epsilon leaves everything
# else to be tested.
EVERY = {
    name: made.with_constants(epsilon=1.0) if "layer_norm" in name else made
    for name, made in CELLS.items()
}
# Shorter openings have slopes so steep that float32's rounding of the phase shows.
EVERY["phased_lstm"] = CELLS["phased_lstm"].with_constants(r_on=0.9)
SIZES = (1, 7, 63)
ROWS, LENGTHS = 4, [5, 0, 9, 2]
STEPS = max(LENGTHS)


def cases(*turns):
    """Every cell at every size; in turn, one of these sizes is in every test run, and all else is
    slow.
    """
    return [
        pytest.param(
            name,
            size,
            marks=[] if size == turns[place % len(turns)] else [pytest.mark.slow],
            id=f"{name} {size}",
        )
        for place, name in enumerate(EVERY)
        for size in SIZES
    ]


ROWS_OF_ANY_LENGTHS, ALONE, STREAMS = (
    cases(7, 1, 1, 7, 1, 63),
    cases(None, 1, None, None, 7),
    cases(None, None, 7),
)


def made(name, size, rows=ROWS, **more):
    """A layer as it starts, and its inputs; what is past a row's end is NaN, which nothing may
    read.
    """
    graph = EVERY[name].graph
    letters = graph.letters | graph.output.size.letters
    layer = Recurrent(
        EVERY[name], size, size, sizes=dict.fromkeys(letters - {"I", "H"}, size), **more
    )
    inputs = []
    for units in graph.inputs.values():
        x = torch.randn(rows, STEPS, units.at(dict.fromkeys(letters | {"I"}, size)))
        for row, length in enumerate(LENGTHS[:rows]):
            x[row, length:] = torch.nan
        inputs.append(x)
    return layer, tuple(inputs)


def run(layer, inputs, engine, dtype):
    """The output, the states after it, and the gradients of a weighed sum of these to inputs and
    parameters, by name.
    """
    layer = layer.to(dtype)
    layer.engine = engine
    inputs = tuple(x.to(dtype).requires_grad_() for x in inputs)
    output, states = layer(
        inputs if len(inputs) > 1 else inputs[0], lengths=LENGTHS[: len(inputs[0])]
    )
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (v * torch.randn(v.shape, generator=generator).to(dtype)).sum() for v in (output, *states)
    )
    leaves = {f"input {k}": x for k, x in enumerate(inputs)} | dict(layer.named_parameters())
    gradients = torch.autograd.grad(total, list(leaves.values()), materialize_grads=True)
    found = (
        {"output": output}
        | {f"state {k}": s for k, s in enumerate(states)}
        | dict(zip(leaves, gradients, strict=True))
    )
    return {name: value.detach() for name, value in found.items()}


def agrees(layer, inputs, close):
    found = run(layer, inputs, "cpu", torch.float32)
    wanted = run(layer, inputs, "reference", torch.float64)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert value.dtype == torch.float32 and value.isfinite().all(), name
        close(value, wanted[name])


@pytest.mark.parametrize("name, size", ROWS_OF_ANY_LENGTHS)
def test_rows_of_any_lengths_have_the_references_numbers_and_gradients(name, size, close):
    agrees(*made(name, size), close)


@pytest.mark.parametrize("name, size", ALONE)
def test_a_row_alone_with_its_products_made_outside_the_loop_has_the_references_numbers(
    name, size, close, monkeypatch
):
    monkeypatch.setattr(loops, "WORTH_A_CALL", 1)
    agrees(*made(name, size, rows=1), close)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", EVERY)
def test_two_layers_in_both_directions_have_the_references_numbers_and_gradients(name, size, close):
    agrees(*made(name, size, num_layers=2, bidirectional=True), close)


@pytest.mark.parametrize("name, size", STREAMS)
def test_a_stream_of_single_steps_gives_what_the_whole_sequence_gives(name, size, close):
    layer, inputs = made(name, size, num_layers=2)
    inputs = tuple(x.nan_to_num() for x in inputs)
    layer.engine = "reference"
    with torch.no_grad():
        wanted, states = layer(inputs if len(inputs) > 1 else inputs[0])
    layer.engine = "cpu"
    stream = layer.stream(ROWS)
    for t in range(STEPS):
        step = tuple(x[:, t] for x in inputs)
        close(stream.step(step if len(step) > 1 else step[0]), wanted[:, t])
    for state, end in zip(stream.state, states, strict=True):
        close(state, end)


def test_every_cell_is_in_the_normal_run_and_every_size_is():
    quick = [case.values for case in ROWS_OF_ANY_LENGTHS if not case.marks]
    assert [name for name, _ in quick] == list(CELLS) and {size for _, size in quick} == set(SIZES)


@cell
def offset(x, h, *, V=weight("H", "I"), a=weight("H"), W=weight("H", "H"), U=weight("2*H", "H")):
    """`a` is read in the backward loop, and its gradient, which needs a product, is made after
    that.
    """
    z, y = split(U @ h, 2)
    v = V @ x + a
    return sigmoid(y) * v, tanh(z + W @ v)


def test_a_gradient_does_not_lie_where_backward_reads_the_weight(close, monkeypatch):
    monkeypatch.setattr(loops, "WORTH_A_CALL", 1)
    agrees(Recurrent(offset, 7, 7), (torch.randn(1, 9, 7),), close)
