"""Operations on values of different sizes: every pair of kinds of values, of 1 and of H units, on
both engines.
"""

from itertools import product

import pytest
import torch

from ostinato import engines
from ostinato.engines import loops, passes
from ostinato.language.graph import Graph
from random_cells import made

F64 = torch.float64
# Each kind of value, of 1 unit and of H. Two of a kind are made of different weights, so that
# nothing is the same value.
KINDS = {
    "product of x": ("Wx1_{} @ x", "WxH_{} @ x"),
    "product of h": ("Wh1_{} @ h", "WhH_{} @ h"),
    "product of a weight": ("Wb1_{} @ b_{}", "WbH_{} @ b_{}"),
    "read": ("d", "h"),
    "slice": ("s1", "sH"),
    "reduction": ("mean(h * b_{})", "(h * sum(0.1 * h * b_{}))"),
    "weight": ("b1_{}", "b_{}"),
}
SHAPES = {
    "Wx1": (1, "I"),
    "WxH": ("H", "I"),
    "Wh1": (1, "H"),
    "WhH": ("H", "H"),
    "Wb1": (1, "H"),
    "WbH": ("H", "H"),
    "b1": (1,),
    "b": ("H",),
}
OPERATIONS = {
    "+": "{} + {}",
    "-": "{} - {}",
    "*": "({}) * ({})",
    "maximum": "maximum({}, {})",
    "where": "where({0} < {1}, {0}, 0.5 * ({1}))",
}
VALUES = [(kind, units) for kind in KINDS for units in ("1", "H")]
PAIRS = [*product(VALUES, VALUES)]
UNITS = (3, 16, 17)


def graph_of(operation: str, pairs) -> Graph:
    """A cell whose output is `tanh(a op b)` of each pair, end to end."""
    left = [KINDS[kind][units == "H"].replace("{}", "l") for (kind, units), _ in pairs]
    right = [KINDS[kind][units == "H"].replace("{}", "r") for _, (kind, units) in pairs]
    lines = [
        f"v{k} = tanh({OPERATIONS[operation].format(a, b)})"
        for k, (a, b) in enumerate(zip(left, right))
    ]
    text = "\n".join(lines)
    weights = [
        f"{name}_{side}=weight{shape!r}"
        for name, shape in SHAPES.items()
        for side in "lr"
        if f"{name}_{side}" in text
    ]
    whole = [f"v{k}" for k, ((_, a), (_, b)) in enumerate(pairs) if "H" in (a, b)]
    single = [f"v{k}" for k in range(len(pairs)) if f"v{k}" not in whole]
    # What the pairs come to goes on in the states, so that gradients come back through time.
    h = "0.5 * h + 0.1 * (" + " + ".join(whole + single + ["WxH_s @ x"]) + ")"
    body = [
        "s1, sH = split(s, (1, 'H'))",
        *lines,
        f"h = {h}",
        "d = tanh(d + mean(h))",
        "s = tanh(concat(d, h) - 0.5 * s)",
    ]
    head = (
        f"def drawn(x, h=state(), d=state(1), s=state('1 + H'), *, WxH_s=weight('H', 'I'), "
        f"{', '.join(weights)}):"
    )
    return made(
        "\n    ".join([head, *body, f"return concat({', '.join([*whole, *single, 'h'])}), h, d, s"])
    ).graph


def tensors_of(graph: Graph, units: int) -> dict[str, torch.Tensor]:
    draw, sizes = torch.Generator().manual_seed(units), {"I": 5, "H": units}
    found = {
        f"input {n}": torch.randn(3, 2, s.at(sizes), generator=draw, dtype=F64)
        for n, s in graph.inputs.items()
    }
    found |= {
        f"state {n}": torch.randn(2, s.at(sizes), generator=draw, dtype=F64)
        for n, s in graph.states.items()
    }
    for name, w in graph.weights.items():
        shape = [s.at(sizes) for s in w.shape]
        found[f"weight {name}"] = torch.randn(shape, generator=draw, dtype=F64) * (
            shape[1] ** -0.5 if len(shape) == 2 else 1.0
        )
    return found


def run(graph: Graph, tensors: dict[str, torch.Tensor], engine: str) -> tuple[torch.Tensor, ...]:
    output, ends = engines.scan(
        graph,
        engine=engine,
        inputs=(tensors["input x"],),
        states=tuple(tensors[f"state {n}"] for n in graph.states),
        weights={n: tensors[f"weight {n}"] for n in graph.weights},
    )
    return output, *ends


def differentiated(
    graph: Graph, tensors: dict[str, torch.Tensor], engine: str
) -> dict[str, torch.Tensor]:
    leaves = {name: t.clone().requires_grad_() for name, t in tensors.items()}
    results = run(graph, leaves, engine)
    draw = torch.Generator().manual_seed(0)
    total = sum((v * torch.randn(v.shape, generator=draw, dtype=F64)).sum() for v in results)
    gradients = torch.autograd.grad(total, [*leaves.values()])
    return {f"result {k}": v.detach() for k, v in enumerate(results)} | {
        f"gradient of {name}": d for name, d in zip(leaves, gradients)
    }


def shares() -> list:
    """Of each operation all pairs, cut into cells; those that are not slow are of every kind of
    value on either side.
    """
    found = []
    for number, (operation, units) in enumerate(product(OPERATIONS, UNITS)):
        for share in range(len(VALUES)):
            pairs = [(a, VALUES[(k + share) % len(VALUES)]) for k, a in enumerate(VALUES)]
            often = (
                share == (3 * number) % len(VALUES)
                or operation == "+"
                and share == 2 * (number + 1)
            )
            found.append(
                pytest.param(
                    operation,
                    units,
                    pairs,
                    id=f"{operation} H={units} share {share}",
                    marks=[] if often else [pytest.mark.slow],
                )
            )
    return found


@pytest.mark.parametrize("ahead", [False, True], ids=["all in the loop", "products ahead"])
@pytest.mark.parametrize("operation, units, pairs", shares())
def test_both_engines_agree_on_values_of_different_sizes(
    operation, units, pairs, ahead, threads, nan_memory, monkeypatch, close
):
    if ahead:
        monkeypatch.setattr(loops, "WORTH_A_CALL", 1)
        monkeypatch.setattr(passes, "WORTH_A_THREAD", 1)
        threads(2)
    graph = graph_of(operation, pairs)
    tensors = tensors_of(graph, units)
    wanted, found = (differentiated(graph, tensors, engine) for engine in ("reference", "cpu"))
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        close(value, wanted[name])


def test_the_shares_are_all_pairs():
    found = {
        (values[0], units, pair)
        for values in (p.values for p in shares())
        for units, pairs in [values[1:]]
        for pair in pairs
    }
    assert len(found) == len(OPERATIONS) * len(UNITS) * len(PAIRS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_reference_engines_gradients_are_finite_differences(operation):
    graph = graph_of(
        operation, [(a, VALUES[(3 * k + 1) % len(VALUES)]) for k, a in enumerate(VALUES)]
    )
    tensors = tensors_of(graph, 3)
    names = [*tensors]
    assert torch.autograd.gradcheck(
        lambda *given: run(graph, dict(zip(names, given)), "reference"),
        [t.requires_grad_() for t in tensors.values()],
        fast_mode=True,
    )
