"""The plan as text: its figures are those worked out by hand, what it says is kept is what the
engine keeps, and it reads well.
"""

import doctest

import pytest
import torch

import ostinato
from ostinato import cell, mean, split, state, tanh, weight
from ostinato.cells import CELLS
from ostinato.compiler.plan import Plan
from ostinato.engines import cpu, doctor, loops
from ostinato.engines.arena import Region
from ostinato.engines.plan_text import Report, plan_text
from ostinato.engines.signature import Run
from ostinato.errors import InputError, SizeError
from ostinato.nn.recurrent import Recurrent

I, H, P = 6, 10, 4


@cell
def read_out(x, h, *, W=weight("H", "I"), U=weight("H", "H"), V=weight("V", "H"), b=weight("V")):
    """An output that no state needs."""
    h = tanh(W @ x + U @ h)
    return V @ h + b, h


def sizes_of(graph):
    return {letter: {"I": I, "H": H, "P": P}[letter] for letter in graph.letters}


def report(name):
    return Report(Plan(CELLS[name].graph, sizes_of(CELLS[name].graph)))


def figures(parts):
    return [(part.title.strip(), *part.figures) for part in parts]


# ---------------------------------------------------------------- figures


def test_the_figures_of_lstm_are_those_of_its_equations():
    lstm = report("lstm")
    assert figures(lstm.forward) == [
        ("before the loop", 4 * H * I, 4 * H * I, I, 4 * H),
        # Reads U, b; h, c, W x. Writes h, c, four gates and tanh(c).
        ("in the loop", 4 * H * H, 4 * H * H + 4 * H, H + H + 4 * H, 2 * H + 5 * H),
    ]
    assert figures(lstm.backward) == [
        # Reads four gates, tanh(c), dh, d(output), dc, c, and the sum db. Writes dc, the gradient
        # of the gates, and db.
        ("in the loop, phase 1 of 2", 0, 0, 5 * H + 4 * H + 4 * H, H + 4 * H + 4 * H),
        ("in the loop, phase 2 of 2", 4 * H * H, 4 * H * H, 4 * H, H),
        # dx, dW and dU, from the gradient of the gates, x and h.
        ("after the loop", 4 * H * I + 4 * H * I + 4 * H * H, 4 * H * I, 4 * H + I + H, I),
    ]
    assert sum(count for _, count in lstm.kept) == I + 2 * H + 5 * H


def test_the_figures_of_gru_are_those_of_its_equations():
    gru = report("gru")
    assert figures(gru.forward) == [
        ("before the loop", 3 * H * I, 3 * H * I, I, 3 * H),
        # Reads U, b, d; h, W x. Writes h, z, n, r and the part of U h that r multiplies.
        ("in the loop", 3 * H * H, 3 * H * H + 3 * H + 3 * H, H + 3 * H, H + 4 * H),
    ]
    assert figures(gru.backward) == [
        # Reads one part of d; z, n, r, a part of U h, dh, d(output), h, and the sums db, dd. Writes
        # two gradients of gates, db, dd.
        ("in the loop, phase 1 of 2", 0, H, 4 * H + 3 * H + 6 * H, 6 * H + 6 * H),
        # Reads the gradient of the gates, z, dh, d(output), for dh has a part without a product.
        ("in the loop, phase 2 of 2", 3 * H * H, 3 * H * H, 3 * H + 3 * H, H),
        # The gradients of W's and of U's products differ.
        ("after the loop", 3 * H * I + 3 * H * I + 3 * H * H, 3 * H * I, 3 * H + 3 * H + I + H, I),
    ]
    assert sum(count for _, count in gru.kept) == I + H + 4 * H


@pytest.mark.parametrize("name", CELLS)
def test_a_product_is_made_once_forward_and_twice_backward(name):
    graph, found = CELLS[name].graph, report(name)
    work = loops.multiply_adds(graph, sizes_of(graph))
    assert sum(part.multiply_adds for part in found.forward) == work
    assert sum(part.multiply_adds for part in found.backward) == 2 * work


@pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)
@pytest.mark.parametrize(
    "name", ["elman", "lstm", "gru", "gru_original", "lstm_projected", "min_gru"]
)
def test_what_is_said_to_be_kept_is_what_the_engine_keeps(name, monkeypatch):
    monkeypatch.setattr(loops, "WORTH_A_CALL", 0)
    graph, steps, rows = CELLS[name].graph, 3, 2
    layer = Recurrent(name, I, H, sizes={"P": P} if "P" in graph.letters else None)
    weights, inputs, states = (
        layer.cell_weights(0),
        (torch.randn(steps, rows, I),),
        (None,) * len(graph.states),
    )
    run = Run.of(graph, inputs=inputs, states=states, weights=weights)
    monkeypatch.setattr(torch, "get_num_threads", lambda: rows)
    compiled, _ = cpu.compile_runs(graph, [run], ragged=False, narrow=False, batch_first=False)
    (executable,) = compiled.executables
    train, places = executable.first, executable.first.arena.places
    saved = {name for name, place in places.items() if place.region is Region.SAVED}
    arrays = {*executable.passes.inputs, *saved, train.own} - {None}
    # An array of a state has a step more, for the one before the first; a product's row may have
    # more numbers than units.
    units = {name: place.shape[-1] for name, place in places.items()}
    units |= {
        place: product.node.size.at(executable.sizes) for place, product in train.products.items()
    }
    assert sum(units[place] for place in arrays) == sum(count for _, count in report(name).kept)


def test_bytes_are_those_of_the_dtype():
    single, double = (
        CELLS["gru"].plan({"I": I, "H": H}, dtype=dtype).splitlines()
        for dtype in (torch.float32, torch.float64)
    )
    line = next(k for k, line in enumerate(single) if "before the loop" in line)
    assert single[line].split()[3:] == [
        str(n) for n in (3 * H * I, 4 * 3 * H * I, 4 * I, 4 * 3 * H)
    ]
    assert double[line].split()[3:] == [
        f"{n:,}" for n in (3 * H * I, 8 * 3 * H * I, 8 * I, 8 * 3 * H)
    ]
    assert f"  kept for backward: {4 * (I + 5 * H)} bytes" in single
    assert CELLS["gru"].plan({"I": I, "H": H}).splitlines() == single


# ---------------------------------------------------------------- words


def test_the_plan_of_min_gru_is_this_page():
    assert (
        CELLS["min_gru"].plan({"I": 3, "H": 2})
        == """\
min_gru, H=2, I=3, torch.float32: one step of one row
weights are read once for all rows, and outside the loop once for all steps
linear in the state: the coefficients are made of inputs and weights alone
for one row a thread, 83,334 or more steps; others have all products in the loop
                            multiply-adds weight bytes  bytes read bytes written
forward
  before the loop                      12           48          12            16
    multiplies W x_t
  in the loop                           0           16          24            16
    makes h_t
  in all                               12           64          36            32
  kept for backward: 44 bytes
    x_t 12, h_t 8, W x_t 16, z 8
backward
  in the loop                           0            8          56            40
    makes dh_{t-1}, d(W x_t + b), db
  after the loop                       24           48          28            12
    multiplies W.T d(W x_t + b)
    makes dx_t, dW
  in all                               24           56          84            52"""
    )


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_prints_in_80_columns(name):
    page = CELLS[name].plan(dict.fromkeys(CELLS[name].graph.letters, 1024))
    assert max(map(len, page.splitlines())) <= 80
    assert page.count("  in all") == 2
    found = report(name)
    assert page.count("  in the loop") == sum(
        "in the loop" in part.title for part in (*found.forward, *found.backward)
    )


@pytest.mark.parametrize(
    "name, products",
    [
        (
            "lstm_projected",
            [
                "W x_t",
                "U h_{t-1}",
                "R (sigmoid(o) * tanh(c_t))",
                "R.T dh_t",
                "U.T d(W x_t + U h_{t-1} + b)",
                "W.T d(W x_t + U h_{t-1} + b)",
            ],
        ),
        ("gru", ["W x_t", "U h_{t-1}", "U.T d(U h_{t-1} + d)", "W.T d(W x_t + b)"]),
        (
            "gru_original",
            [
                "W x_t",
                "U_rz h_{t-1}",
                "U_n (r * h_{t-1})",
                "U_n.T d(xn + U_n (r * h_{t-1}))",
                "U_rz.T d(U_rz h_{t-1})",
                "W.T d(W x_t + b)",
            ],
        ),
    ],
)
def test_products_are_named_in_the_order_in_which_they_are_made(name, products):
    found = report(name)
    assert [p for part in (*found.forward, *found.backward) for p in part.multiplies] == products


def test_an_output_that_no_state_needs_is_made_after_the_loop():
    found = Report(Plan(read_out.graph, {"I": I, "H": H, "V": 3}))
    *_, after = found.forward
    assert (after.title, after.multiplies, after.makes) == ("  after the loop", ["V h_t"], ["y_t"])
    assert after.figures == (3 * H, 3 * H + 3, H, 3)
    before, *_ = found.backward
    assert (before.title, before.multiplies) == ("  before the loop", ["V.T dy_t"])
    assert before.figures == (3 * H, 3 * H, 3, H)


@pytest.mark.parametrize(
    "units, wanted",
    [
        (10, "for one row a thread, 6,250 or more steps; others"),
        (1000, "for one row a thread; others"),
    ],
)
def test_it_says_which_runs_have_this_plan(units, wanted):
    assert CELLS["elman"].plan({"I": 6, "H": units}).splitlines()[2].startswith(wanted)


def test_a_cell_that_has_nothing_ahead_has_this_plan_always():
    @cell
    def plain(x, h, *, U=weight("H", "H"), w=weight("H")):
        return tanh(U @ h + w) * mean(x)

    assert "thread" not in plain.plan({"I": 6, "H": 7})


# ---------------------------------------------------------------- layers


def test_a_layers_plan_is_its_cells():
    layer = ostinato.LSTM(I, H, proj_size=P, dtype=torch.float64)
    assert layer.plan() == CELLS["lstm_projected"].plan(
        {"I": I, "H": H, "P": P}, dtype=torch.float64
    )


def test_layers_of_one_size_have_one_plan():
    assert Recurrent("gru", H, H, num_layers=2).plan() == CELLS["gru"].plan({"I": H, "H": H})


@pytest.mark.parametrize("layers, title", [(2, "layer 1"), (4, "layers 1 to 3")])
def test_layers_above_have_a_plan_of_their_own_where_their_input_differs(layers, title):
    first, above = (CELLS["gru"].plan({"I": units, "H": H}) for units in (I, 2 * H))
    assert (
        Recurrent("gru", I, H, num_layers=layers, bidirectional=True).plan()
        == f"layer 0: {first}\n\n{title}: {above}"
    )


@pytest.mark.parametrize("name, line", [("min_gru", 1), ("qrnn", 1), ("lstm", 0), ("gru", 0)])
def test_a_cell_that_is_linear_in_its_state_is_said_to_be(name, line):
    page = CELLS[name].plan({"I": 6, "H": 4}).splitlines()
    assert (
        page.count("linear in the state: the coefficients are made of inputs and weights alone")
        == line
    )


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "sizes, message",
    [
        (
            {"I": 6},
            r"""cell 'elman' was given the sizes \{'I': 6\}; its letters are H, I: write \{"H": 8, "I": 6\}""",
        ),
        ({"I": 6, "H": 5, "P": 2}, r"""its letters are H, I: write \{"H": 5, "I": 6\}"""),
        (64, r"""was given the sizes 64; its letters are H, I: write \{"H": 8, "I": 8\}"""),
        ({"I": 6, "H": 0}, "cell 'elman' was given H=0: write a whole number above 0"),
        ({"I": 6.0, "H": 2}, r"was given I=6\.0: write a whole number above 0"),
        ({"I": True, "H": 2}, "was given I=True: write a whole number above 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(SizeError, match=message):
        CELLS["elman"].plan(sizes)


def test_a_size_that_leaves_no_units_is_refused():
    @cell
    def halved(x, h=state("H - P"), p=state("P"), *, W=weight("H", "I")):
        a, b = split(W @ x, ("H - P", "P"))
        return a + h, b * p

    with pytest.raises(
        SizeError,
        match="cell 'halved' has a value of H - P units, and with H=3, P=5 that is -2: it needs at "
        "least 1",
    ):
        halved.plan({"I": 6, "H": 3, "P": 5})


@pytest.mark.parametrize(
    "dtype, name", [(torch.float16, "torch.float16"), ("float32", "'float32'")]
)
def test_a_dtype_that_the_engine_does_not_have_is_refused(dtype, name):
    with pytest.raises(
        InputError,
        match=rf"dtype={name}: the plan is the CPU engine's; write torch\.float32 or "
        rf"torch\.float64",
    ):
        CELLS["elman"].plan({"I": 6, "H": 2}, dtype=dtype)


@pytest.mark.parametrize(
    "documented",
    [plan_text, ostinato.language.tracing.Cell.plan, Recurrent.plan],
    ids=lambda f: f.__qualname__,
)
def test_its_examples_run(documented, capsys):
    doctest.run_docstring_examples(documented, {"plan_text": plan_text})
    assert capsys.readouterr().out == ""
