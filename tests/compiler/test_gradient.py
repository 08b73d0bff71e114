"""The derived backward graph equals autograd of the reference step, for every op and every cell."""

import pytest
import torch

from odd_cells import parts, reduced, transposed
from ostinato import cell, floor, state, tanh, weight, where
from ostinato import sum as sum_units
from ostinato.cells import CELLS
from ostinato.compiler.gradient import RULES, derive
from ostinato.engines.reference import evaluate
from ostinato.language.graph import (
    MASKS,
    ONE,
    POINTWISE,
    Builder,
    Graph,
    Size,
    Weight,
    walk,
)

SIZES = {"I": 3, "H": 4, "P": 2}
ROWS = 5


def check(graph, close, leaves=None):
    """Compare every gradient of one step with autograd's.

    Args:
        graph: The step.
        close: The fixture.
        leaves: Values for some inputs and states, by name.
    """
    leaves = leaves or {}

    def leaf(name, size):
        given = leaves.get(name)
        return (
            torch.randn(ROWS, size.at(SIZES), dtype=torch.float64) if given is None else given
        ).requires_grad_()

    inputs = {name: leaf(name, size) for name, size in graph.inputs.items()}
    states = {name: leaf(name, size) for name, size in graph.states.items()}
    weights = {
        name: torch.randn([s.at(SIZES) for s in w.shape], dtype=torch.float64).requires_grad_()
        for name, w in graph.weights.items()
    }
    values = {n: (inputs | states)[n.value] for n in graph.nodes if n.op in ("input", "state")}
    evaluate(graph.nodes, values, weights, SIZES)

    ends = [(graph.builder.node("gradient", (), "output", graph.output.size), graph.output)]
    ends += [
        (graph.builder.node("gradient", (), name, size), new)
        for (name, size), new in zip(graph.states.items(), graph.new_states)
    ]
    upstream = {g: torch.randn(ROWS, node.size.at(SIZES), dtype=torch.float64) for g, node in ends}
    total = sum((values[node] * upstream[g]).sum() for g, node in ends)
    every = inputs | states | weights
    wanted = dict(
        zip(every, torch.autograd.grad(total, list(every.values()), materialize_grads=True))
    )

    backward = derive(graph)
    known = {n: v.detach() for n, v in values.items()} | upstream
    roots = [*backward.inputs.values(), *backward.states.values(), *backward.vectors.values()]
    roots += [n for pairs in backward.products.values() for pair in pairs for n in pair]
    evaluate(walk(roots), known, {k: w.detach() for k, w in weights.items()}, SIZES)

    def rows(node):
        return known[node].expand(ROWS, node.size.at(SIZES))

    for name, node in (backward.inputs | backward.states).items():
        close(rows(node), wanted[name])
    for name, node in backward.vectors.items():
        close(rows(node).sum(0), wanted[name])
    matrices = [name for name, w in graph.weights.items() if len(w.shape) == 2]
    assert set(backward.products) == set(matrices)
    for name in matrices:
        close(sum(rows(g).T @ rows(arg) for g, arg in backward.products[name]), wanted[name])


@pytest.mark.parametrize("name", CELLS)
def test_backward_of_a_cell_is_autograds(name, close):
    check(CELLS[name].graph, close)


@pytest.mark.parametrize(
    "constants",
    [
        {"peepholes": False},
        {"cell_clip": 0.3},
        {"cell_clip": 0.3, "projection_clip": 0.2, "forget_bias": 1.0},
    ],
    ids=str,
)
def test_backward_of_a_cell_with_its_parts_on_and_off_is_autograds(constants, close):
    check(CELLS["lstm_full"].with_constants(**constants).graph, close)


def test_every_pointwise_op_has_one_rule():
    assert set(RULES) == set(POINTWISE)


def step_of(op, sizes):
    """A step that is one pointwise op: of the input x, the state h, and a weight a unit, each of
    the size given.
    """
    builder = Builder()
    kinds = [("input", "x"), ("state", "h"), ("weight", "w")]
    leaves = [builder.node(kind, (), name, size) for (kind, name), size in zip(kinds, sizes)]
    args = leaves[: POINTWISE[op].arity]
    if op == "where":
        args = [builder.pointwise("less", args[0], builder.number(0.0)), *leaves[1:3]]
    out = builder.pointwise(op, *args)
    if op in MASKS:
        out = builder.pointwise("where", out, leaves[0], leaves[2])
    # The last term keeps every leaf in the graph, and gives each a second way to be reached.
    out = builder.pointwise(
        "add",
        out,
        builder.pointwise("mul", builder.pointwise("mul", leaves[0], leaves[1]), leaves[2]),
    )
    new = out if out.size == sizes[1] else builder.pointwise("mul", leaves[1], leaves[1])
    return Graph(
        op, {"x": sizes[0]}, {"h": sizes[1]}, {"w": Weight((sizes[2],))}, out, (new,), {}, builder
    )


WIDE = Size("H")


@pytest.mark.parametrize(
    "sizes",
    [(WIDE, WIDE, WIDE), (ONE, WIDE, WIDE), (WIDE, ONE, WIDE), (ONE, ONE, WIDE), (ONE, ONE, ONE)],
    ids=str,
)
@pytest.mark.parametrize("op", POINTWISE)
def test_backward_of_an_op_is_autograds(op, sizes, close):
    positive = (
        {"x": torch.rand(ROWS, sizes[0].at(SIZES), dtype=torch.float64) + 0.1}
        if op in ("log", "sqrt")
        else {}
    )
    check(step_of(op, sizes), close, positive)


@pytest.mark.parametrize(
    "op", ["relu", "abs", "maximum", "minimum", "where", "less", "hard_sigmoid", "floor"]
)
def test_backward_at_a_kink_is_autograds(op, close):
    edges = torch.tensor([0.0, -0.0, 3.0, -3.0], dtype=torch.float64).repeat(ROWS, 1)
    check(step_of(op, (WIDE, WIDE, WIDE)), close, {"x": edges, "h": edges.clone()})


@pytest.mark.parametrize("op", ["sigmoid", "tanh", "softplus", "hard_sigmoid", "relu"])
def test_backward_far_out_is_autograds(op, close):
    far = torch.tensor([-800.0, -40.0, 41.0, 800.0], dtype=torch.float64).repeat(ROWS, 1)
    check(step_of(op, (WIDE, WIDE, WIDE)), close, {"x": far})


@cell
def narrow_result(x, h=state(1), *, v=weight("I")):
    """A state of one unit made of a sum over more."""
    return tanh(sum_units(v * x) + h), h + 1.0


@cell
def stateless_weight(x, h, *, w=weight("H"), W=weight("H", "I")):
    """A state that does not reach itself: its gradient is 0."""
    return w * tanh(W @ x)


@cell
def switched(x, h, *, W=weight("H", "I"), U=weight("H", "H"), S=weight(1, "I")):
    """Matrices that no gradient reaches: below a floor, and in a condition."""
    return where(S @ x > 0, floor(U @ h) + W @ x, 0.5 * h)


@pytest.mark.parametrize(
    "made",
    [parts, transposed, reduced, narrow_result, stateless_weight, switched],
    ids=lambda c: c.name,
)
def test_backward_of_split_concat_products_and_sums_is_autograds(made, close):
    check(made.graph, close)
