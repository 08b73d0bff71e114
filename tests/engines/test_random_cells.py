"""The CPU engine against the reference engine in float64 on random cells: layers in training and in
inference, four calls each.
"""

import random
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from ostinato import Recurrent, engines
from ostinato.engines import loops, passes, reference
from ostinato.language.tracing import Cell
from ostinato.nn.regularisation import additions, recurrent_weights
from random_cells import SMALL, UNITS, Body, made
from tolerances import TOLERANCES

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in engines.doctor()}["cpu"],
    reason="the cpu engine does not run here",
)

# The number of cells; every OFTEN-th is not slow, nor are those that have once failed.
CELLS, OFTEN, FAILED = (
    2000,
    24,
    {2, 89, 173, 190, 461, 664, 889, 970, 981, 1121, 1146, 1346, 1426, 1542, 354, 1014, 1734},
)
CALLS = 4
THRESHOLDS = ("WORTH_A_THREAD", "WORTH_A_MEETING", "WORTH_A_CALL", "FAR")
# Where a comparison is as near as this, rounding may decide it in float32.
NEAR = 1e-4
# Where each operation that is not smooth has its corner: how far its arguments are from there.
CORNERS = {
    "less": lambda a, b: a - b,
    "maximum": lambda a, b: a - b,
    "minimum": lambda a, b: a - b,
    "relu": lambda a: a,
    "abs": lambda a: a,
    "hard_sigmoid": lambda a: a.abs() - 3,
    "floor": lambda a: a - a.round(),
}


@dataclass(frozen=True)
class Case:
    """A layer of a random cell, and how it is called.

    Attributes:
        source: The cell's text.
        options: The layer's arguments.
        rows, steps: B and T.
        ragged: Rows have lengths, which may be 0, and others in each call.
        given: The initial states are given.
        threads: How many may run.
        lowered: Thresholds of the engine that any size is above.
        changed: After which calls the weights change.
        streamed: The layer also runs as a stream, step by step.
    """

    source: str
    cell: Cell
    options: dict
    dtype: torch.dtype
    rows: int
    steps: int
    ragged: bool
    given: bool
    threads: int
    lowered: list[str]
    changed: set[int]
    streamed: bool


def draw_case(number: int) -> Case:
    """A case that follows from its number alone."""
    draw = random.Random(f"cell {number}")
    body = Body(draw)
    cell = made(body.source)
    graph = cell.graph
    units = SMALL if draw.random() < 0.6 else UNITS
    options = {
        "input_size": draw.choice(units),
        "hidden_size": draw.choice(units),
        "num_layers": draw.choice((1, 1, 1, 2, 3)),
        "bidirectional": draw.random() < 0.25,
        "batch_first": draw.random() < 0.5,
        "learned_state": draw.random() < 0.2,
        "sizes": {letter: draw.choice(units) for letter in sorted(graph.letters - {"I", "H"})},
    }
    if options["num_layers"] > 1 and draw.random() < 0.5:
        options["dropout"] = 0.3
    if draw.random() < 0.25:
        options["zoneout"] = {name: 0.3 for name in graph.states if draw.random() < 0.7}
    if draw.random() < 0.2 and additions(graph):
        options["recurrent_dropout"] = 0.25
    if draw.random() < 0.2:
        options["variational"] = 0.25
    if draw.random() < 0.2 and recurrent_weights(graph):
        options["weight_drop"] = 0.25
    if draw.random() < 0.1:
        options["checkpoint"] = 2
    regularised = any(
        name in options for name in ("zoneout", "recurrent_dropout", "variational", "weight_drop")
    )
    rows, steps = draw.choice((1, 1, 2, 3, 4, 5)), draw.choice((1, 2, 3, 4, 5, 7))
    if draw.random() < 0.06 and not regularised:
        rows, steps = draw.choice(((0, steps), (rows, 0)))
    streamed = (
        draw.random() < 0.4 and rows > 0 and len(graph.inputs) == 1 and not options["bidirectional"]
    )
    return Case(
        body.source,
        cell,
        options,
        draw.choice((torch.float32, torch.float64)),
        rows,
        steps,
        draw.random() < 0.4,
        draw.random() < 0.4,
        draw.choice((1, 1, 2, 3)),
        [name for name in THRESHOLDS if draw.random() < 0.4],
        {k for k in range(CALLS) if draw.random() < 0.3},
        streamed,
    )


class Calls:
    """The same calls for any engine and dtype: numbers are drawn in float64, from the case and a
    seed.

    Args:
        case: What is run.
        seed: Of the numbers.
    """

    def __init__(self, case: Case, seed: int):
        self.case, self.seed = case, seed

    def layer(self, engine: str, dtype: torch.dtype) -> Recurrent:
        layer = Recurrent(self.case.cell, engine=engine, dtype=dtype, **self.case.options)
        self.set_weights(layer, 0)
        return layer

    def set_weights(self, layer: Recurrent, call: int):
        """Write the weights of a call in place."""
        draw = torch.Generator().manual_seed(1000 * self.seed + 100 + call)
        with torch.no_grad():
            for p in layer.parameters():
                # As wide as keeps a product about as large as its argument; rounded, for float32
                # has the same numbers.
                scale = 0.5 if p.dim() == 1 else p.shape[1] ** -0.5
                p.copy_((torch.randn(p.shape, generator=draw, dtype=torch.float64) * scale).float())

    def given(
        self, layer: Recurrent, call: int, dtype: torch.dtype
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...] | None, Tensor | None]:
        """The inputs, the states and the lengths of a call."""
        case, draw = self.case, torch.Generator().manual_seed(1000 * self.seed + 500 + call)

        def numbers(*shape):
            return torch.randn(shape, generator=draw, dtype=torch.float64).float().to(dtype)

        lead = (case.rows, case.steps) if layer.batch_first else (case.steps, case.rows)
        letters = {"I": layer.input_size, "H": layer.hidden_size} | layer.sizes
        runs = layer.num_layers * layer.num_directions
        inputs = tuple(numbers(*lead, size.at(letters)) for size in case.cell.graph.inputs.values())
        states = (
            tuple(
                0.5 * numbers(runs, case.rows, size.at(letters))
                for size in case.cell.graph.states.values()
            )
            if case.given
            else None
        )
        lengths = (
            torch.randint(case.steps + 1, (case.rows,), generator=draw) if case.ragged else None
        )
        return inputs, states, lengths

    def training(self, layer: Recurrent, call: int, dtype: torch.dtype) -> dict[str, Tensor]:
        """Output, final states and every gradient, by name."""
        inputs, states, lengths = self.given(layer, call, dtype)
        torch.manual_seed(call)
        leaves = {f"input {k}": x for k, x in enumerate(inputs)} | {
            f"state {k}": s for k, s in enumerate(states or ())
        }
        for leaf in leaves.values():
            leaf.requires_grad_()
        leaves |= dict(layer.named_parameters())
        output, ends = layer(inputs if len(inputs) > 1 else inputs[0], states, lengths)
        found = {"output": output} | {f"end {k}": end for k, end in enumerate(ends)}
        draw = torch.Generator().manual_seed(call)
        total = sum(
            (v * torch.randn(v.shape, generator=draw, dtype=torch.float64).to(dtype)).sum()
            for v in found.values()
        )
        gradients = torch.autograd.grad(total, [*leaves.values()], materialize_grads=True)
        return {name: v.detach() for name, v in found.items()} | {
            f"gradient of {name}": d for name, d in zip(leaves, gradients, strict=True)
        }

    def inference(self, layer: Recurrent, call: int, dtype: torch.dtype) -> dict[str, Tensor]:
        inputs, states, lengths = self.given(layer, call, dtype)
        with torch.no_grad():
            output, ends = layer(inputs if len(inputs) > 1 else inputs[0], states, lengths)
        return {"output": output} | {f"end {k}": end for k, end in enumerate(ends)}

    def run(self, engine: str, dtype: torch.dtype) -> list[dict[str, Tensor]]:
        """The results of all calls: in training, then in inference, with other weights in
        between.
        """
        layer, found = self.layer(engine, dtype), []
        for call in range(2 * CALLS):
            layer.train(call < CALLS)
            found.append((self.training if call < CALLS else self.inference)(layer, call, dtype))
            if call % CALLS in self.case.changed:
                self.set_weights(layer, 1 + call)
        return [*found, self.stream(layer, dtype)] if self.case.streamed else found

    def stream(self, layer: Recurrent, dtype: torch.dtype) -> dict[str, Tensor]:
        """The outputs of a stream, step by step, with other weights from the third step on."""
        stream, draw = layer.stream(self.case.rows), torch.Generator().manual_seed(self.seed)
        found = {}
        for step in range(5):
            x = (
                torch.randn(self.case.rows, layer.input_size, generator=draw, dtype=torch.float64)
                .float()
                .to(dtype)
            )
            found[f"step {step}"] = stream.step(x).clone()
            if step == 2:
                self.set_weights(layer, -1)
        return found


def watched(monkeypatch) -> list[float]:
    """How near to a corner anything comes in the reference engine, from now on; what is at one
    exactly is so in every dtype.
    """
    least = [1.0]

    def watching(op, function):
        def run(*args):
            away = CORNERS[op](*args).detach().abs()
            least[0] = (
                min(least[0], torch.where(away > 0, away, 1.0).min().item())
                if away.numel()
                else least[0]
            )
            return function(*args)

        return run

    for op in CORNERS:
        monkeypatch.setitem(reference.MATHS, op, watching(op, reference.MATHS[op]))
    return least


def steady(calls: Calls, wanted: list[dict[str, Tensor]]) -> bool:
    """Whether the reference engine itself stays well within float32's tolerance: where it does not,
    rounding grows with the steps.
    """
    found = calls.run("reference", torch.float32)
    return all(
        (got[name].double() - truth[name]).abs().max()
        <= TOLERANCES[torch.float32] / 4 * max(1.0, truth[name].abs().max())
        for got, truth in zip(found, wanted, strict=True)
        for name in truth
        if truth[name].numel()
    )


def dropped(x: Tensor, p: float) -> Tensor:
    """Dropout between layers whose masks are the same in every dtype."""
    return x * (torch.rand(x.shape, dtype=torch.float64) >= p).to(x.dtype) / (1 - p)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, marks=[pytest.mark.slow] if n % OFTEN and n not in FAILED else [])
        for n in range(CELLS)
    ],
)
def test_a_random_cell_agrees_with_the_reference_in_float64(
    number, threads, nan_memory, monkeypatch, close
):
    case = draw_case(number)
    for name in case.lowered:
        monkeypatch.setattr(loops, name, 1)
        monkeypatch.setattr(passes, name, 1, raising=name == "WORTH_A_THREAD")
    monkeypatch.setattr("torch.nn.functional.dropout", dropped)
    dtype = case.dtype
    threads(1)
    with monkeypatch.context() as during:
        least = watched(during)
        for seed in range(4):
            least[0], calls = 1.0, Calls(case, seed)
            wanted = calls.run("reference", torch.float64)
            if least[0] > NEAR and (dtype is torch.float64 or steady(calls, wanted)):
                break
        else:
            # Of this many comparisons one is always near, or rounding grows from step to step;
            # float64 has digits to spare.
            dtype = torch.float64
    threads(case.threads)
    found = calls.run("cpu", dtype)
    for call, (mine, truth) in enumerate(zip(found, wanted, strict=True)):
        assert mine.keys() == truth.keys()
        for name, value in mine.items():
            assert value.dtype == dtype
            try:
                close(value, truth[name])
            except AssertionError as error:
                raise AssertionError(
                    f"call {call}, {name}: {error}\n{case}\n{case.source}"
                ) from None
