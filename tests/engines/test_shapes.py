"""The CPU engine against the reference engine on 1,000 random cases: cells, sizes, rows, steps,
lengths and numbers of threads.
"""

import random
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import odd_cells
from ostinato import engines
from ostinato.cells.classic import CELLS
from ostinato.engines import loops, passes
from ostinato.language.graph import Graph

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in engines.doctor()}["cpu"],
    reason="the cpu engine does not run here",
)

# One unit has no variance, by whose root layer norm divides: its gradients are differences of
# numbers too large for float32 there, and with few units nearly so. A larger epsilon leaves
# everything else to be tested. Another cell here would change which case a number is.
EVERY_CELL = CELLS | {
    name: getattr(odd_cells, name)
    for name in ("parts", "transposed", "reduced", "timed", "read_out", "faded")
}
EVERY_CELL["layer_norm_lstm"] = CELLS["layer_norm_lstm"].with_constants(epsilon=1.0)

# Its state is about the square of the state before: few steps from small numbers on it is out of
# float32's range.
LONGEST, SCALE = {"reduced": 3}, {"reduced": 0.1}
# Odd ones, whole vectors of every width, and one more and one less.
UNITS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70)
ROWS = (1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 17, 24, 25, 31, 40)

# From what sizes on threads share the work, and how: a case may be told that any size is enough.
THRESHOLDS = ("WORTH_A_THREAD", "WORTH_A_MEETING", "WORTH_A_CALL", "FAR")

# The number of cases that share a cell, its sizes and its dtype, and with them most kernels, whose
# making takes the time.
CASES, SHARING = 1000, 5
# Every case with this distance is not slow, nor are those that have once failed.
OFTEN, FAILED = 25, {143, 518}


@dataclass(frozen=True)
class Case:
    """The arguments of the run.

    Attributes:
        graph: The cell's.
        lengths: Valid steps of each row; None where all rows have all.
        shapes: Of each tensor that is given, by its name: "input x", "state h", and "weight W 0",
            "weight W 1" for a sum of two.
        wanted: The tensors whose gradients are asked for.
        lowered: The thresholds that any size is above.
    """

    graph: Graph
    dtype: torch.dtype
    rows: int
    steps: int
    lengths: list[int] | None
    reverse: bool
    threads: int
    shapes: dict[str, tuple[int, ...]]
    wanted: list[str]
    lowered: list[str]


def draw(number: int) -> Case:
    """A case that follows from its number alone."""
    group, cells = number // SHARING, [*EVERY_CELL.values()]
    shared, own = random.Random(f"shared {group}"), random.Random(f"own {number}")
    graph, dtype = (
        cells[group % len(cells)].graph,
        (torch.float32, torch.float64)[group // len(cells) % 2],
    )
    sizes = {
        letter: shared.choice(UNITS) for letter in sorted(graph.letters | graph.output.size.letters)
    }
    rows, steps = own.choice(ROWS), own.randint(1, LONGEST.get(graph.name, 12))
    shapes = {f"input {name}": (steps, rows, size.at(sizes)) for name, size in graph.inputs.items()}
    shapes |= {
        f"state {name}": (rows, size.at(sizes))
        for name, size in graph.states.items()
        if own.random() < 0.6
    }
    for name, weight in graph.weights.items():
        for part in range(own.choice((1, 1, 1, 2))):
            shapes[f"weight {name} {part}"] = tuple(size.at(sizes) for size in weight.shape)
    rate = own.choice((0.0, 0.5))
    wanted = [name for name in shapes if own.random() >= rate] or [*shapes]
    longest = own.choice((steps,) * 8 + (steps // 2, 0))
    lengths = [own.randint(0, longest) for _ in range(rows)] if own.random() < 0.6 else None
    lowered = [name for name in THRESHOLDS if own.random() < 0.5]
    return Case(
        graph,
        dtype,
        rows,
        steps,
        lengths,
        own.random() < 0.5,
        own.randint(1, 4),
        shapes,
        wanted,
        lowered,
    )


def title(number: int) -> str:
    """The number, and what one would want to read of a case that fails."""
    case = draw(number)
    units = "-".join(
        str(shape[-1]) for name, shape in case.shapes.items() if not name.startswith("weight ")
    )
    kinds = ["ragged"] * (case.lengths is not None) + ["reverse"] * case.reverse
    return " ".join(
        [
            f"{number}",
            case.graph.name,
            str(case.dtype).removeprefix("torch."),
            f"B={case.rows} T={case.steps} units={units}",
            *kinds,
            f"threads={case.threads}",
        ]
    )


def given(case: Case, number: int) -> dict[str, Tensor]:
    """The tensors; past a row's end there is NaN, which nothing may read."""
    generator = torch.Generator().manual_seed(number)
    tensors = {}
    for name, shape in case.shapes.items():
        numbers = torch.randn(shape, generator=generator, dtype=torch.float64)
        # Gates that are seldom saturated: of differences of nearly equal numbers float32 has few
        # digits.
        if not name.startswith("weight "):
            numbers *= SCALE.get(case.graph.name, 1.0)
        else:
            numbers *= 0.5 if len(shape) == 1 else max(shape) ** -0.5
        if name.startswith("input ") and case.lengths is not None:
            past = torch.arange(case.steps)[:, None] >= torch.tensor(case.lengths)
            numbers.masked_fill_(past[..., None], torch.nan)
        tensors[name] = numbers.to(case.dtype)
    return tensors


def run(case: Case, tensors: dict[str, Tensor], engine: str) -> dict[str, Tensor]:
    """The output and the final states, by name."""
    graph = case.graph
    weights = {
        name: tuple(t for given, t in tensors.items() if given.startswith(f"weight {name} "))
        for name in graph.weights
    }
    output, ends = engines.scan(
        graph,
        inputs=tuple(tensors[f"input {name}"] for name in graph.inputs),
        states=tuple(tensors.get(f"state {name}") for name in graph.states),
        weights=weights,
        lengths=None if case.lengths is None else torch.tensor(case.lengths),
        reverse=case.reverse,
        engine=engine,
    )
    return {"output": output} | {
        f"end {name}": end for name, end in zip(graph.states, ends, strict=True)
    }


def differentiated(case: Case, tensors: dict[str, Tensor], engine: str) -> dict[str, Tensor]:
    """The output, the final states, and the gradients that are wanted of a weighed sum of those, by
    name.
    """
    leaves = {name: t.detach().requires_grad_(name in case.wanted) for name, t in tensors.items()}
    found = run(case, leaves, engine)
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (v * torch.randn(v.shape, generator=generator, dtype=torch.float64).to(v.dtype)).sum()
        for v in found.values()
    )
    gradients = torch.autograd.grad(
        total, [leaves[name] for name in case.wanted], materialize_grads=True
    )
    return {name: v.detach() for name, v in found.items()} | {
        f"gradient of {name}": d for name, d in zip(case.wanted, gradients)
    }


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(
            n, id=title(n), marks=[pytest.mark.slow] if n % OFTEN and n not in FAILED else []
        )
        for n in range(CASES)
    ],
)
def test_a_random_case_agrees_with_the_reference_in_float64(
    number, threads, nan_memory, monkeypatch, close
):
    case = draw(number)
    for name in case.lowered:
        monkeypatch.setattr(loops, name, 1)
        monkeypatch.setattr(passes, name, 1, raising=name == "WORTH_A_THREAD")
    tensors = given(case, number)
    wanted = differentiated(case, {name: t.double() for name, t in tensors.items()}, "reference")
    threads(case.threads)
    found = differentiated(case, tensors, "cpu")
    assert found.keys() == wanted.keys()
    with torch.inference_mode():
        found |= {f"{name} of inference": v for name, v in run(case, tensors, "cpu").items()}
    for name, value in found.items():
        assert value.dtype == case.dtype, name
        close(value, wanted[name.removesuffix(" of inference")])


def test_the_random_cases_are_of_every_kind():
    cases = [draw(number) for number in range(CASES)]
    forms = {
        (case.graph.name, case.dtype, case.lengths is not None, case.reverse) for case in cases
    }
    counts = {(case.graph.name, case.dtype, case.threads) for case in cases}
    assert len(forms) == len(counts) == len(EVERY_CELL) * 2 * 4
