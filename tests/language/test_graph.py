"""Sizes as polynomials of letters, nodes that are made once, the order of a walk, a graph's key,
and what letters stand for.
"""

import random

import pytest
import torch

from ostinato import (
    Recurrent,
    cell,
    concat,
    exp,
    floor,
    maximum,
    mean,
    sigmoid,
    split,
    state,
    tanh,
    weight,
    where,
)
from ostinato import input as further_input
from ostinato import sum as sum_units
from ostinato.cells import CELLS, lstm, lstm_projected
from ostinato.errors import CellError, SizeError
from ostinato.language.graph import ONE, POINTWISE, Builder, Size, walk

# ---------------------------------------------------------------- sizes

SIZES = [
    "0",
    "1",
    "7",
    "H",
    "4*H",
    "H + P",
    "2*H + P + 3",
    "H - P",
    "H*P",
    "2*H*P + H*H - 5",
    "P - 1",
]


@pytest.mark.parametrize(
    "text, printed",
    {
        "H": "H",
        "4*H": "4*H",
        "H*4": "4*H",
        "1*H": "H",
        "H + H": "2*H",
        "2*H - H": "H",
        "H - H": "0",
        "0": "0",
        "0*H": "0",
        "12": "12",
        "P + H": "H + P",
        "I*H": "H*I",
        "H*I + I*H": "2*H*I",
        "H - P": "H - P",
        "P - H": "P - H",
        "H + 3": "3 + H",
        "H - 3": "H - 3",
        "2*(H + P)": "2*H + 2*P",
        "1 - 2*H*P + I - 3": "I - 2 - 2*H*P",
        "(H + 1)*(H - 1)": "H*H - 1",
        "  4*H ": "4*H",
        "hidden_units + 별": "hidden_units + 별",
    }.items(),
)
def test_a_size_is_printed_with_its_terms_in_order(text, printed):
    assert str(Size(text)) == repr(Size(text)) == printed
    assert Size(printed) == Size(text), "what is printed reads back"


@pytest.mark.parametrize(
    "given",
    [
        "H/2",
        "H**2",
        "4H",
        "-H",
        "",
        "H +",
        "f(H)",
        "H.T",
        "2.0*H",
        "'H'",
        2.0,
        None,
        True,
        ("H",),
        [1],
    ],
    ids=repr,
)
def test_an_invalid_size_is_refused(given):
    with pytest.raises(
        CellError, match="is not a size: write letters and whole numbers, such as 'H' or '4\\*H'"
    ) as caught:
        Size(given)
    assert str(caught.value).startswith(repr(given))


@pytest.mark.parametrize("a", SIZES)
@pytest.mark.parametrize("b", SIZES)
def test_arithmetic_of_sizes_is_that_of_their_numbers(a, b):
    at = {"H": 5, "P": 3}
    x, y = Size(a).at(at), Size(b).at(at)
    assert (Size(a) + Size(b)).at(at) == (Size(a) + b).at(at) == x + y
    assert (Size(a) - Size(b)).at(at) == (Size(a) - b).at(at) == x - y
    assert (Size(a) * Size(b)).at(at) == (Size(a) * b).at(at) == x * y


def test_equal_sizes_are_one_key_however_they_are_written():
    assert (
        Size("H + P") == Size("P + H") == Size(Size("H + P"))
        and len({Size("2*H"), Size("H + H"), Size("3*H - H")}) == 1
    )
    assert (
        Size("H") != Size("P")
        and Size("H") != Size("H*H")
        and Size(3) == Size("3")
        and Size(1) == ONE
    )
    assert Size(3) != 3 and Size("H") != "H", "a size is equal to sizes alone"


@pytest.mark.parametrize(
    "size, count, each",
    [
        ("4*H", 4, "H"),
        ("4*H", 2, "2*H"),
        ("4*H", 3, None),
        ("H", 1, "H"),
        ("H", 2, None),
        ("4*H + 2*P", 2, "2*H + P"),
        ("4*H + P", 2, None),
        ("6", 3, "2"),
        ("7", 3, None),
        ("4*H - 2*P", 2, "2*H - P"),
        ("2*H*P", 2, "H*P"),
    ],
)
def test_equal_parts_are_whole_or_none(size, count, each):
    assert Size(size).parts(count) == (each and Size(each))


@pytest.mark.parametrize(
    "size, units, known, found",
    [
        ("H", 5, {}, ("H", 5)),
        ("4*H", 20, {}, ("H", 5)),
        (
            "4*H",
            21,
            {},
            ("H", 5),
        ),  # what does not divide is found out when the size is worked out again
        ("H + P", 8, {"H": 5}, ("P", 3)),
        ("2*H + 3*P + 1", 20, {"H": 5}, ("P", 3)),
        ("H - P", 2, {"H": 5}, ("P", 3)),
        ("H*P", 15, {"H": 5}, ("P", 3)),
        ("2*H*P + H", 35, {"H": 5}, ("P", 3)),
        ("H + P", 8, {}, None),
        ("H*P", 15, {}, None),
        ("H", 5, {"H": 5}, None),
        ("7", 7, {}, None),
        ("H*H", 25, {}, None),
        ("H*P", 15, {"H": 0}, None),
    ],
)
def test_the_one_unknown_letter_is_solved_for(size, units, known, found):
    assert Size(size).solve(units, known) == found


def test_letters_are_those_of_all_terms():
    assert (
        Size("2*H*P + I - 3").letters == {"H", "P", "I"}
        and Size(4).letters == set()
        and Size("H - H").letters == set()
    )


# ---------------------------------------------------------------- nodes


def test_the_same_operation_on_the_same_nodes_is_one_node():
    builder = Builder()
    x, h = builder.node("input", (), "x", Size("H")), builder.node("state", (), "h", Size("H"))
    assert builder.node("input", (), "x", Size("H")) is x and builder.number(2) is builder.number(
        2.0
    )
    assert builder.pointwise("add", x, h) is builder.pointwise("add", x, h)
    assert builder.node("product", [x], ("W", False), Size("P")) is builder.node(
        "product", (x,), ("W", False), Size("P")
    )
    others = [
        builder.pointwise("add", h, x),
        builder.pointwise("sub", x, h),
        builder.node("product", (x,), ("W", True), Size("P")),
        builder.node("product", (x,), ("V", False), Size("P")),
        builder.node("product", (x,), ("W", False), Size("Q")),
    ]
    assert len({builder.pointwise("add", x, h), *others}) == 6
    assert Builder().number(2) is not builder.number(2), "each builder has its own"
    assert [str(builder.number(zero).value) for zero in (0.0, -0.0, 0)] == ["0.0", "-0.0", "0.0"]


def test_a_builder_gives_its_nodes_in_the_order_they_were_made():
    builder = Builder()
    made = [builder.number(3), builder.node("state", (), "h", Size("H")), builder.number(1)]
    made.append(builder.pointwise("mul", made[1], made[0]))
    builder.number(3)
    assert list(builder) == made


@pytest.mark.parametrize("op", [op for op in POINTWISE if POINTWISE[op].arity > 1])
def test_a_pointwise_node_has_the_size_of_its_arguments_and_one_unit_goes_with_any(op):
    builder = Builder()
    wide, other, narrow = (
        builder.node("input", (), name, Size(size))
        for name, size in (("x", "H"), ("y", "P"), ("z", 1))
    )
    arity = POINTWISE[op].arity
    assert builder.pointwise(op, *[wide] * arity).size == Size("H")
    assert (
        builder.pointwise(op, *[narrow] * (arity - 1), wide).size
        == builder.pointwise(op, wide, *[narrow] * (arity - 1)).size
        == Size("H")
    )
    assert builder.pointwise(op, *[narrow] * arity).size == ONE
    with pytest.raises(SizeError, match="^(H and P|P and H)$"):
        builder.pointwise(op, *[wide] * (arity - 1), other)


def test_a_slice_of_all_units_is_the_value_itself():
    builder = Builder()
    x = builder.node("input", (), "x", Size("2*H"))
    assert builder.slice(x, Size(0), Size("2*H")) is x
    part = builder.slice(x, Size("H"), Size("2*H"))
    assert (part.op, part.args, part.value, part.size) == (
        "slice",
        (x,),
        (Size("H"), Size("2*H")),
        Size("H"),
    )


def test_a_node_is_shown_with_its_value_and_size():
    builder = Builder()
    x = builder.node("input", (), "x", Size("2*H"))
    assert repr(x) == "<input x [2*H]>" and repr(builder.pointwise("tanh", x)) == "<tanh  [2*H]>"
    assert repr(builder.number(0)) == "<number 0.0 [1]>"


# ---------------------------------------------------------------- walks


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_gives_each_node_once_after_its_arguments(seed):
    made, builder = random.Random(seed), Builder()
    nodes = [builder.node("input", (), name, Size("H")) for name in "xyz"]
    for _ in range(60):
        nodes.append(
            builder.pointwise(made.choice(["add", "mul", "sub"]), *made.choices(nodes, k=2))
        )
    roots = made.choices(nodes, k=4)
    walked = walk(roots)
    place = {n: i for i, n in enumerate(walked)}
    needed, left = set(), list(roots)
    while left:
        node = left.pop()
        needed.add(node)
        left += [a for a in node.args if a not in needed]
    assert len(place) == len(walked) and set(walked) == needed
    assert all(place[a] < place[n] for n in walked for a in n.args)


def test_a_walk_goes_from_left_to_right():
    builder = Builder()
    c, a, b = (builder.node("input", (), name, Size("H")) for name in "cab")
    first, second = builder.pointwise("sub", a, b), builder.pointwise("neg", c)
    assert walk([first, second]) == [a, b, first, c, second]
    assert walk([second, first]) == [c, second, a, b, first]
    assert walk([]) == []


def test_a_walk_takes_a_chain_of_any_length():
    builder = Builder()
    end = builder.node("state", (), "h", Size("H"))
    for _ in range(20_000):
        end = builder.pointwise("neg", end)
    assert len(walk([end])) == 20_001


# ---------------------------------------------------------------- keys


def variants():
    """Cells that differ from one another in one thing each."""

    @cell
    def plain(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(W @ x + U @ h) * 0.5

    @cell
    def another_number(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(W @ x + U @ h) * 0.25

    @cell
    def another_op(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return sigmoid(W @ x + U @ h) * 0.5

    @cell
    def another_order(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(U @ h + W @ x) * 0.5

    @cell
    def another_transpose(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(W @ x + U.T @ h) * 0.5

    @cell
    def another_weight(x, h, *, W=weight("H", "I"), V=weight("H", "H")):
        return tanh(W @ x + V @ h) * 0.5

    @cell
    def another_input_size(
        x=further_input("J"), h=state(), *, W=weight("H", "J"), U=weight("H", "H")
    ):
        return tanh(W @ x + U @ h) * 0.5

    @cell
    def another_state_size(x, h=state("P"), *, W=weight("P", "I"), U=weight("P", "P")):
        return tanh(W @ x + U @ h) * 0.5

    @cell
    def another_input_name(y, h, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(W @ y + U @ h) * 0.5

    @cell
    def another_input_that_is_not_read(
        x, t=further_input(1), h=state(), *, W=weight("H", "I"), U=weight("H", "H")
    ):
        return tanh(W @ x + U @ h) * 0.5

    @cell
    def another_output(x, h, *, W=weight("H", "I"), U=weight("H", "H")):
        new = tanh(W @ x + U @ h)
        return new, new * 0.5

    @cell
    def another_state(x, h, c, *, W=weight("H", "I"), U=weight("H", "H")):
        return tanh(W @ x + U @ h) * 0.5, c

    @cell
    def its_states_exchanged(x, h, c, *, W=weight("H", "I"), U=weight("H", "H")):
        new = tanh(W @ x + U @ h) * 0.5
        return new, c, new

    return [c for c in locals().values()]


def test_graphs_that_differ_in_one_thing_have_different_keys():
    keys = [*(c.graph.key for c in variants()), *(c.graph.key for c in CELLS.values())]
    assert len(set(keys)) == len(keys)


def test_splits_at_other_places_have_different_keys():
    keys = []
    for parts in [("H", "P", "H"), ("P", "H", "H"), ("H", "H", "P")]:

        @cell
        def cut(x, h, *, W=weight("2*H + P", "I")):
            vectors = [p for p in split(W @ x, parts) if p.node.size == Size("H")]
            return vectors[0] * vectors[1] + h

        keys.append(cut.graph.key)
    assert len(set(keys)) == 3


def test_equal_graphs_have_equal_keys_whatever_is_called_what_in_between():
    @cell
    def one(x, h, *, W=weight("2*H", "I"), U=weight("2*H", "H"), b=weight("2*H", init=1.0)):
        a, z = split(W @ x + U @ h + b, 2)
        unused = tanh(a * 3)  # noqa: F841
        return sigmoid(a) * z

    @cell
    def other(x, h, *, b=weight("H + H"), U=weight("H*2", "H"), W=weight("2*H", "I")):
        gates = W @ x + U @ h + b
        return sigmoid(split(gates, ("H", "H"))[0]) * split(gates, 2)[1]

    assert one.graph.key == other.graph.key
    assert [(n.op, n.value, n.size) for n in one.graph.nodes] == [
        (n.op, n.value, n.size) for n in other.graph.nodes
    ]


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_traced_again_has_the_same_key(name):
    assert CELLS[name].with_constants().graph.key == CELLS[name].graph.key


# ---------------------------------------------------------------- what letters stand for


@cell
def lettered(
    x,
    t=further_input("J"),
    h=state(),
    c=state("P"),
    *,
    W=weight("2*H + K", "I"),
    v=weight("J*P + K"),
):
    """A cell whose letters stand alone, in multiples, in sums and in products."""
    a, b, k = split(W @ x, ("H", "H", "K"))
    return a * b + h + mean(k), c + mean(t) + mean(v)


AT = {"I": 2, "J": 3, "H": 4, "P": 5, "K": 6}
SHAPES = {"x": (7, 2), "t": (7, 3), "h": (7, 4), "c": (7, 5), "W": (14, 2), "v": (21,)}


def bind(graph, **shapes):
    """The values of the letters of a graph for tensors of these shapes; None for a state that is
    not given.
    """
    made = {name: shape if shape is None else torch.zeros(shape) for name, shape in shapes.items()}
    return graph.bind(
        *([made[name] for name in names] for names in (graph.inputs, graph.states)),
        {name: made[name] for name in graph.weights},
    )


@pytest.mark.parametrize(
    "left_out",
    [{}, {"c": None}, {"h": None}],
    ids=["all states given", "P solved for", "K and then H solved for"],
)
def test_letters_are_read_off_the_tensors(left_out):
    assert bind(lettered.graph, **SHAPES | left_out) == AT


@pytest.mark.parametrize("lead", [(), (7,), (6, 7)], ids=str)
def test_only_the_last_size_of_inputs_and_states_counts(lead):
    assert (
        bind(lettered.graph, **SHAPES | {name: (*lead, SHAPES[name][-1]) for name in "xthc"}) == AT
    )


@pytest.mark.parametrize("name", CELLS)
def test_a_cells_letters_are_told_by_its_weights_and_inputs(name):
    graph, at = CELLS[name].graph, {"I": 3, "H": 5, "P": 2}
    shapes = {name: (1, size.at(at)) for name, size in graph.inputs.items()}
    shapes |= {name: tuple(s.at(at) for s in w.shape) for name, w in graph.weights.items()}
    assert bind(graph, **shapes, **dict.fromkeys(graph.states)) == {
        letter: at[letter] for letter in graph.letters
    }


@pytest.mark.parametrize(
    "wrong, match",
    [
        (
            {"W": (14, 3)},
            r"^weight 'W' of cell 'lettered' is \(14, 3\); it should be \(2\*H \+ K, I\) = \(14, "
            r"2\) with H=4, I=2, J=3, K=6, P=5$",
        ),
        (
            {"W": (15, 2)},
            r"^weight 'v' of cell 'lettered' is \(21,\); it should be \(J\*P \+ K\) = \(22,\) with",
        ),
        (
            {"W": (14,)},
            r"^weight 'W' of cell 'lettered' is \(14,\); it should be \(2\*H \+ K, I\) = \(14, 2\)",
        ),
        (
            {"v": (20,)},
            r"^weight 'v' of cell 'lettered' is \(20,\); it should be \(J\*P \+ K\) = \(21,\)",
        ),
        (
            {"v": (21, 1)},
            r"^weight 'v' of cell 'lettered' is \(21, 1\); it should be \(J\*P \+ K\) = \(21,\)",
        ),
        (
            {"h": None, "c": None},
            "^cell 'lettered': the tensors do not tell what H, K, P is: give one of its inputs, "
            "states or weights that letter as its size$",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_refused(wrong, match):
    with pytest.raises(SizeError, match=match):
        bind(lettered.graph, **SHAPES | wrong)


@pytest.mark.parametrize(
    "wrong, match",
    [
        (
            {"U": (20, 6)},
            r"^weight 'U' of cell 'lstm' is \(20, 6\); it should be \(4\*H, H\) = \(20, 5\) with "
            r"H=5, I=3$",
        ),
        (
            {"W": (21, 3)},
            r"^weight 'W' of cell 'lstm' is \(21, 3\); it should be \(4\*H, I\) = \(20, 3\)",
        ),
        (
            {"x": (1, 4)},
            r"^weight 'W' of cell 'lstm' is \(20, 3\); it should be \(4\*H, I\) = \(20, 4\) with "
            r"H=5, I=4$",
        ),
        ({"c": (1, 6)}, r"^state 'c' of cell 'lstm' is \(6,\); it should be \(H\) = \(5,\)"),
    ],
)
def test_the_tensor_that_differs_from_those_before_it_is_named(wrong, match):
    shapes = {"x": (1, 3), "h": (1, 5), "c": (1, 5), "W": (20, 3), "U": (20, 5), "b": (20,)}
    with pytest.raises(SizeError, match=match):
        bind(lstm.graph, **shapes | wrong)


def test_an_input_of_a_fixed_size_is_refused_with_another():
    @cell
    def paired(x=further_input(2), h=state("2*H")):
        return h + mean(x)

    assert bind(paired.graph, x=(7, 2), h=(7, 8)) == {"H": 4}
    with pytest.raises(
        SizeError,
        match=r"^input 'x' of cell 'paired' is \(3,\); it should be \(2\) = \(2,\) with H=4$",
    ):
        bind(paired.graph, x=(7, 3), h=(7, 8))
    with pytest.raises(
        SizeError,
        match=r"^state 'h' of cell 'paired' is \(9,\); it should be \(2\*H\) = \(8,\) with H=4$",
    ):
        bind(paired.graph, x=(7, 2), h=(7, 9))


def test_a_graph_knows_its_letters_and_keeps_what_its_body_named():
    assert lettered.graph.letters == set(AT) and lstm_projected.graph.letters == {"H", "I", "P"}
    assert list(lettered.graph.labels.values()) == ["a", "b", "k"]
    assert set(lettered.graph.nodes) <= set(lettered.graph.builder)


# ---------------------------------------------------------------- linear in the state

# Nothing goes from step to step in the grids of one dimension, and a function of nothing is linear
# too.
LINEAR = {"min_gru", "min_lstm", "qrnn", "rg_lru", "lru", "sru", "grid1_lstm", "grid1_rnn"}


def test_the_cells_that_are_linear_in_their_state_are_recognised():
    assert {name for name, made in CELLS.items() if made.graph.is_linear} == LINEAR


def ends(layer, x, states):
    with torch.no_grad():
        return torch.cat(layer(x, states)[1], -1)


@pytest.mark.parametrize("name", [name for name in CELLS if name not in {"qrnn", "phased_lstm"}])
def test_what_is_recognised_as_linear_is_so_in_numbers_and_nothing_else_is(name):
    graph = CELLS[name].graph
    sizes = {letter: 3 for letter in graph.letters | graph.output.size.letters}
    layer = Recurrent(
        name,
        3,
        3,
        sizes={k: v for k, v in sizes.items() if k not in "IH"},
        engine="reference",
        dtype=torch.float64,
    )
    torch.manual_seed(5)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    first, second = (
        [torch.randn(1, 4, size.at(sizes), dtype=torch.float64) for size in graph.states.values()]
        for _ in range(2)
    )
    between = [0.25 * a + 0.75 * b for a, b in zip(first, second, strict=True)]
    off = ends(layer, x, between) - 0.25 * ends(layer, x, first) - 0.75 * ends(layer, x, second)
    assert (off.abs().max() < 1e-12) == graph.is_linear


@pytest.mark.parametrize(
    "linear, written",
    [
        (True, lambda g, h, m, U: (g * h + m, m - h)),
        (True, lambda g, h, m, U: (U @ concat(g * h, m) / (1 + g * g), -m / 3)),
        (True, lambda g, h, m, U: (where(g < 0, h, 2 * m), mean(h) * g + sum_units(m))),
        # m holds what the input was, so that it is as good as an input
        (True, lambda g, h, m, U: (sigmoid(m) * h + m * g, tanh(g))),
        (False, lambda g, h, m, U: (sigmoid(m) * h, m + g)),
        (False, lambda g, h, m, U: (h * h, m)),
        (False, lambda g, h, m, U: (g / h, m)),
        (False, lambda g, h, m, U: (abs(h), m)),
        (False, lambda g, h, m, U: (floor(h), m)),
        (False, lambda g, h, m, U: (where(h < 0, g, g + 1), m)),
        (False, lambda g, h, m, U: (h, maximum(m, g))),
        # a comparison of late inputs is one of inputs, and m comes later still
        (True, lambda g, h, m, U: (where(m < 0, h, g), exp(g))),
    ],
)
def test_a_step_is_linear_where_no_state_meets_a_state_or_a_function(linear, written):
    @cell
    def step(x, h, m, *, W=weight("H", "I"), U=weight("H", "2*H"), spare=None):
        return written(W @ x, h, m, U)

    assert step.graph.is_linear == linear


def test_what_was_an_input_several_steps_ago_is_as_good_as_one():
    @cell
    def delayed(x, h, last=state("I"), before=state("I"), *, W=weight("H", "I")):
        return h * sigmoid(W @ before), x, last

    @cell
    def circular(x, h, last, before, *, W=weight("H", "I")):
        return h * sigmoid(before) + W @ x, before, last

    assert delayed.graph.is_linear and not circular.graph.is_linear


def test_the_output_may_be_anything_where_the_states_are_linear():
    @cell
    def squashed(x, h, *, W=weight("H", "I")):
        h = 0.5 * h + W @ x
        return tanh(h * h), h

    assert squashed.graph.is_linear
