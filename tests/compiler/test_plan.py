"""The planner: what runs before, in and after the loop, its phases, what is kept, and values cut so
that units stand side by side.
"""

import math

import pytest
import torch

from odd_cells import doubled, parts, reduced, transposed
from ostinato import cell, concat, split, state, tanh, weight
from ostinato import sum as sum_units
from ostinato.cells.classic import CELLS
from ostinato.compiler.gradient import derive
from ostinato.compiler.plan import Plan
from ostinato.engines.reference import MATHS, evaluate
from ostinato.language.graph import ONE, Builder, Graph, Size, Weight, walk

SIZES = {"I": 3, "H": 5, "P": 2, "V": 4}
ROWS = 3
F64 = torch.float64


@cell
def read_out(x, h, *, W=weight("H", "I"), U=weight("H", "H"), V=weight("V", "H")):
    """An output that no state needs."""
    h = tanh(W @ x + U @ h)
    return V @ h, h


@cell
def gated_input(x, h, *, A=weight("H", "I"), W=weight("H", "H")):
    """A product of a product of the input, whose gradient does not come from the state."""
    return W @ tanh(A @ x) + 0.5 * h


OWN = {c.name: c for c in (parts, transposed, reduced, read_out, gated_input, doubled)}
EVERY = [(name, ahead) for name in (*CELLS, *OWN) for ahead in (True, False)]


def plan_of(name, ahead=True):
    graph = (CELLS | OWN)[name].graph
    return Plan(graph, {letter: SIZES[letter] for letter in graph.letters}, ahead=ahead)


def programs(plan):
    return {"infer": plan.infer, "train": plan.train, "backward": plan.backward}


def products(program):
    """The weights that a loop multiplies by, with its phase."""
    return sorted(
        {(g.level, *ref[:2]) for g in program.groups for v in g.products for ref in v.ref}
    )


def values(program):
    return walk(
        v
        for g in program.groups
        for v in (*(s[0] for s in g.stores), *(s[0] for s in g.sums), *g.products)
    )


# ---------------------------------------------------------------- what runs where


@pytest.mark.parametrize(
    "name, forward, backward",
    [
        ("elman", [(0, "U")], [(1, "U")]),
        ("lstm", [(0, "U")], [(1, "U")]),
        ("lstm_peephole", [(0, "U")], [(1, "U")]),
        ("lstm_projected", [(0, "U"), (1, "R")], [(1, "R"), (2, "U")]),
        ("lstm_full", [(0, "U"), (1, "R")], [(1, "R"), (2, "U")]),
        ("gru", [(0, "U")], [(1, "U")]),
        ("gru_original", [(0, "U_rz"), (1, "U_n")], [(1, "U_n"), (2, "U_rz")]),
        ("min_gru", [], []),
        ("layer_norm_lstm", [(0, "U")], [(5, "U")]),
    ],
)
def test_products_of_a_state_are_in_the_loop_and_those_of_the_input_before_it(
    name, forward, backward
):
    plan = plan_of(name)
    assert [(n.value, n.args[0].op) for n in plan.before] == [(("W", False), "input")]
    assert plan.before_backward == []
    assert (
        products(plan.infer)
        == products(plan.train)
        == [(phase, weight, False) for phase, weight in forward]
    )
    assert products(plan.backward) == [(phase, weight, True) for phase, weight in backward]


@pytest.mark.parametrize(
    "name, forward, backward",
    [
        ("elman", 1, 2),
        ("lstm", 1, 2),
        ("lstm_peephole", 1, 2),
        ("lstm_projected", 2, 3),
        ("lstm_full", 2, 3),
        ("gru", 1, 2),
        ("gru_original", 2, 3),
        ("min_gru", 1, 1),
        ("layer_norm_lstm", 5, 6),
    ],
)
def test_a_phase_ends_where_a_product_or_a_sum_over_units_is_waited_for(name, forward, backward):
    plan = plan_of(name)
    assert [program.phases for program in programs(plan).values()] == [forward, forward, backward]


@pytest.mark.parametrize("name", CELLS)
def test_only_layer_norm_sums_over_units(name):
    sums = [len(g.sums) for g in plan_of(name).infer.groups]
    # The means of W x, U h and c, then those of their squares; four gates have a sum each.
    assert sums == ([4 + 4, 4 + 4, 1, 1, 0] if name == "layer_norm_lstm" else [0] * len(sums))


@pytest.mark.parametrize("name", CELLS)
def test_a_short_run_has_all_products_in_the_loop(name):
    plan = plan_of(name, ahead=False)
    assert plan.before == plan.before_backward == []
    assert not plan.after
    assert {weight for _, weight, _ in products(plan.infer)} == {
        w for w, shape in plan.graph.weights.items() if len(shape.shape) == 2
    }


def test_an_output_that_no_state_needs_is_made_after_the_loop():
    plan = plan_of("read_out")
    assert plan.after
    assert products(plan.infer) == products(plan.train) == [(0, "U", False)]
    # What it is made of is there for every step.
    assert plan.infer.buffers["next h"].rows == "after"
    assert plan_of("read_out", ahead=False).infer.buffers["forward 0"].rows == "token"


def test_a_gradient_that_waits_for_no_state_is_multiplied_before_the_backward_loop():
    plan = plan_of("read_out")
    (product,) = plan.before_backward
    assert product.value == ("V", True)
    assert products(plan.backward) == [(1, "U", True)]


def test_a_product_of_a_product_of_the_input_is_before_the_loop():
    assert [n.value[0] for n in plan_of("gated_input").before] == ["A", "W"]


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_weights_of_one_dimension_are_added_up_in_the_loop(name):
    plan = plan_of(name)
    vectors = [weight for weight, w in plan.graph.weights.items() if len(w.shape) == 1]
    assert list(plan.added) == vectors
    assert {b for b, buffer in plan.backward.buffers.items() if buffer.rows == "added"} == {
        f"added {v}" for v in vectors
    }


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize("name, ahead", EVERY)
def test_a_loop_without_backward_keeps_nothing(name, ahead):
    plan = plan_of(name, ahead)
    written = {buffer for g in plan.infer.groups for _, buffer, _ in g.stores}
    output = {
        plan.stream(n)
        for n in plan.infer_streams
        if not (n is plan.graph.output and plan.output_state)
    }
    assert written - {"scratch"} == {f"next {s}" for s in plan.graph.states} | output
    # Two rows are enough for a state that is not the output.
    for s in plan.graph.states:
        streamed = s == plan.output_state or s in plan.infer_state_streams
        assert plan.infer.buffers[f"next {s}"].rows == ("after" if streamed else "new")


@pytest.mark.parametrize(
    "name, kept, streams",
    [
        ("elman", [], "h"),
        ("lstm", ["sigmoid", "sigmoid", "sigmoid", "tanh", "tanh"], "ch"),
        ("lstm_peephole", ["sigmoid", "sigmoid", "sigmoid", "tanh", "tanh"], "ch"),
        ("gru", ["product", "sigmoid", "sigmoid", "tanh"], "h"),
        ("min_gru", ["sigmoid"], "h"),
        # What a product in the loop reads, the state with its reset gate and what is projected, is
        # there for the gradients after the loop.
        ("gru_original", ["sigmoid", "sigmoid", "tanh"], "h"),
        ("lstm_projected", ["sigmoid", "sigmoid", "sigmoid", "tanh", "tanh"], "ch"),
    ],
)
def test_forward_keeps_results_that_cost_much_and_nothing_else(name, kept, streams):
    plan = plan_of(name)
    assert plan.train.buffers.keys() >= {f"state {s}" for s in streams}
    assert sorted(v.op for v in plan.kept) == kept
    assert {v.size for v in plan.kept} <= {SIZES["H"]}
    for s in plan.graph.states:
        assert plan.train.buffers[f"next {s}"].rows == ("after" if s in streams else "new")


@pytest.mark.parametrize("name, ahead", EVERY)
def test_nothing_is_kept_twice(name, ahead):
    plan = plan_of(name, ahead)
    stored = [
        v
        for g in plan.train.groups
        for v, buffer, _ in g.stores
        if buffer != "scratch" and v.op not in ("number", "widen")
    ]
    kept = set(plan.kept)
    assert len(kept) == len(plan.kept)
    assert all(stored.count(v) == 1 for v in kept)


@pytest.mark.parametrize("name, ahead", EVERY)
def test_backward_works_no_costly_result_of_forward_out_again(name, ahead):
    plan = plan_of(name, ahead)
    forward = {v for n in plan.forward_nodes for v in plan.segments(n)}
    again = [v for v in values(plan.backward) if v in forward]
    assert not {v.op for v in again} & {
        "sigmoid",
        "tanh",
        "exp",
        "log",
        "softplus",
        "product",
        "sum",
    }


# ---------------------------------------------------------------- lowering


def test_gates_are_cut_so_that_they_stand_side_by_side():
    plan = plan_of("lstm")
    (sum_of_gates,) = {n.args[0] for n in plan.forward_nodes if n.op == "slice"}
    assert plan.cuts[sum_of_gates] == [0, 5, 10, 15, 20]
    assert {n: len(plan.segments(n)) for n in plan.before} == {plan.before[0]: 4}
    assert [v.ref for v in plan.segments(plan.before[0])] == [("before 0", 5 * k) for k in range(4)]
    (product,) = (n for n in plan.forward_nodes if n.op == "product" and n not in plan.before)
    assert [(v.ref, v.size) for v in plan.segments(product)] == [
        ((("U", False, 5 * k, 0),), 5) for k in range(4)
    ]


def test_a_value_is_split_where_any_value_of_its_expression_is():
    plan = plan_of("parts")
    nodes = {n.op: n for n in plan.forward_nodes}
    assert plan.cuts[plan.before[0]] == [0, 5, 7, 12]
    assert plan.cuts[nodes["concat"]] == [0, 5, 7]
    # A concat is not stored: the product has a block of columns for each part.
    (product,) = plan.segments(
        next(n for n in plan.forward_nodes if n.op == "product" and n not in plan.before)
    )
    assert product.ref == (("U", False, 0, 0), ("U", False, 0, 5))
    assert [a.op for a in product.args] == ["read", "mul"]


def test_a_split_across_a_concat_cuts_both():
    @cell
    def crossing(x, h, c=state("P"), *, w=weight("H + P")):
        a, b = split(concat(h, c) * w + sum_units(x), ("P", "H"))
        return tanh(b), tanh(a)

    plan = Plan(crossing.graph, {"I": 3, "H": 5, "P": 2})
    (joined,) = (n for n in plan.forward_nodes if n.op == "concat")
    assert plan.cuts[joined] == [0, 2, 5, 7]
    assert [(v.ref, v.size) for v in plan.segments(joined)] == [
        (("state h", 0), 2),
        (("state h", 2), 3),
        (("state c", 0), 2),
    ]
    assert [v.size for v in plan.segments(crossing.graph.new_states[0])] == [3, 2]


def test_a_slice_is_its_part_and_a_pad_is_zeros_around_it():
    plan = plan_of("gru")
    pads = [n for n in plan.backward_nodes if n.op == "pad"]
    # The gradients of r and z are one value for W and for U; that of n is not.
    assert len(pads) == 4
    for n in pads:
        start = n.value.at(plan.sizes)
        inside = dict(zip(plan.cuts[n], plan.segments(n)))
        assert inside.pop(start) is plan.segments(n.args[0])[0]
        assert {(v.op, v.ref) for v in inside.values()} == {("number", 0.0)}
    for n in plan.forward_nodes:
        if n.op == "slice":
            assert set(plan.segments(n)) <= set(plan.segments(n.args[0]))


@pytest.mark.parametrize("name, ahead", EVERY)
def test_idle_arithmetic_is_left_out(name, ahead):
    for program in programs(plan_of(name, ahead)).values():
        for v in values(program):
            zeros = [a.op == "number" and a.ref == 0.0 for a in v.args]
            assert not (v.op in ("add", "mul") and any(zeros)), v
            assert not (v.op == "sub" and zeros[1]), v
            assert not (v.op == "neg" and v.args[0].op == "number"), v


@pytest.mark.parametrize(
    "op, given, left", [("add", 0.0, "h"), ("sub", 0.0, "h"), ("mul", 0.0, 0.0)]
)
def test_a_zero_is_not_worked_with(op, given, left):
    builder = Builder()
    h = builder.node("state", (), "h", Size("H"))
    new = builder.pointwise(op, h, builder.number(given))
    (v,) = Plan(
        Graph("idle", {"x": ONE}, {"h": Size("H")}, {}, new, (new,), {}, builder), {"H": 5}
    ).segments(new)
    assert (v.op, v.ref) == (("read", ("state h", 0)) if left == "h" else ("number", 0.0))


def test_the_same_operation_on_the_same_values_is_one_value():
    builder = Builder()
    whole = builder.node("state", (), "h", Size("2*H"))
    h = Size("H")
    left, right = (
        builder.slice(whole, Size(0), h),
        builder.slice(builder.slice(whole, Size(0), h + h), Size(0), h),
    )
    new = builder.node(
        "concat", (builder.pointwise("tanh", left), builder.pointwise("tanh", right)), None, h + h
    )
    plan = Plan(
        Graph("same", {"x": ONE}, {"h": h + h}, {"w": Weight((h,))}, new, (new,), {}, builder),
        {"H": 5},
    )
    assert len(plan.segments(new)) == 2
    assert len(set(plan.segments(new))) == 1


# ---------------------------------------------------------------- programs


@pytest.mark.parametrize("name, ahead", EVERY)
def test_products_of_a_phase_take_what_is_complete(name, ahead):
    for program in programs(plan_of(name, ahead)).values():
        for g in program.groups:
            for v in g.products:
                assert v.size == g.size
                for a in v.args:
                    fixed = a.op == "read" and program.buffers[a.ref[0]].rows == "fixed"
                    assert (
                        (a.op == "read" and not fixed)
                        or a in program.homes
                        and program.levels[a] < g.level
                    )


@pytest.mark.parametrize("name, ahead", EVERY)
def test_each_product_is_made_once(name, ahead):
    for program in programs(plan_of(name, ahead)).values():
        made = [v for g in program.groups for v in g.products]
        assert len(made) == len(set(made))
        # of what a product is given twice a kernel would take one weight's part alone
        assert all(len(v.args) == len(set(v.args)) for v in made)


def run(program, buffers, weights):
    """Run one step of a loop as its groups say, on a tensor for each buffer; a place that nothing
    has filled is NaN.
    """
    for name, buffer in program.buffers.items():
        buffers.setdefault(name, torch.full((ROWS, buffer.width), math.nan, dtype=F64))

    def at(name, offset, size):
        buffer = buffers[name]
        return (buffer if buffer.dim() == 2 else buffer.expand(ROWS, -1))[:, offset : offset + size]

    partial = torch.zeros(
        ROWS, program.buffers["sum"].width if "sum" in program.buffers else 0, dtype=F64
    )
    for g in program.groups:
        done = {}

        def find(v):
            if v not in done:
                done[v] = make(v)
            return done[v]

        def make(v):
            if v.op == "number":
                return torch.full((ROWS, 1), v.ref, dtype=F64)
            if v.op == "read":
                return at(*v.ref, v.size)
            if v in g.products:
                total = 0.0
                for a, (weight, is_transposed, row, column) in zip(v.args, v.ref):
                    matrix = weights[weight].T if is_transposed else weights[weight]
                    held = a.op == "read" and program.buffers[a.ref[0]].rows != "fixed"
                    given = at(*(a.ref if held else program.homes[a]), a.size)
                    total = total + given @ matrix[row : row + v.size, column : column + a.size].T
                return total
            if v.op in ("sum", "product") or program.levels[v] < g.level and v in program.homes:
                return at(*program.homes[v], v.size)
            return (
                find(v.args[0]).expand(ROWS, v.size)
                if v.op == "widen"
                else MATHS[v.op](*map(find, v.args))
            )

        results = [(find(v), *place) for v, *place in g.stores]
        sums = [(find(v).expand(ROWS, v.size).sum(1), slot) for v, slot in g.sums]
        for result, name, offset in results:
            span = buffers[name][:, offset : offset + result.shape[1]]
            span.copy_(span + result if program.buffers[name].rows == "added" else result)
        for result, slot in sums:
            partial[:, slot] += result
        if g is program.groups[-1] or program.groups[program.groups.index(g) + 1].level > g.level:
            for slot, divisor in program.finished_sums(g.level):
                buffers["sum"][:, slot] = partial[:, slot] / divisor
    return buffers


@pytest.mark.parametrize("name, ahead", EVERY)
def test_one_step_of_the_loops_is_the_step_and_its_backward_step(name, ahead, close):
    plan = plan_of(name, ahead)
    graph, sizes = plan.graph, plan.sizes

    def random(size):
        return torch.randn(ROWS, size.at(sizes), dtype=F64)

    weights = {
        w: torch.randn([s.at(sizes) for s in declared.shape], dtype=F64)
        for w, declared in graph.weights.items()
    }
    leaves = {f"input {n}": random(size) for n, size in graph.inputs.items()}
    leaves |= {f"state {n}": random(size) for n, size in graph.states.items()}
    leaves |= {f"gradient {n}": random(size) for n, size in graph.states.items()}
    leaves["gradient output"] = random(graph.output.size)
    derived = derive(graph)
    nodes = walk([*graph.nodes, *plan.backward_nodes, *derived.states.values()])
    known = {
        n: leaves[f"{n.op} {n.value}"] for n in nodes if n.op in ("input", "state", "gradient")
    }
    evaluate(nodes, known, weights, sizes)

    def wanted(n):
        return known[n].expand(ROWS, n.size.at(sizes))

    vectors = {f"weight {w}": value for w, value in weights.items() if value.dim() == 1}
    filled = (
        leaves
        | vectors
        | {plan.stream(n): wanted(n) for n in (*plan.before, *plan.before_backward)}
    )
    for program in (plan.infer, plan.train):
        made = run(program, dict(filled), weights)
        for s, new in zip(graph.states, graph.new_states):
            close(made[f"next {s}"], wanted(new))
        for n in plan.infer_streams if program is plan.infer else plan.forward_streams:
            if plan.stream(n) in program.buffers:
                close(made[plan.stream(n)], wanted(n))

    # The train loop's leave-behinds, without which the backward loop finds NaN.
    left = {b: made[b] for b in made if b == "kept" or b.split()[0] in ("state", "next", "forward")}
    added = {
        f"added {w}": torch.zeros(ROWS, plan.cuts[n][-1], dtype=F64) for w, n in plan.added.items()
    }
    made = run(plan.backward, filled | left | added, weights)
    for s, n in derived.states.items():
        close(made[f"earlier {s}"], wanted(n))
    for n in plan.backward_streams:
        close(made[plan.stream(n)], wanted(n))
    for w, n in plan.added.items():
        close(made[f"added {w}"], wanted(n))
