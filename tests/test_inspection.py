"""Inspection shows what the layer computes: states, gates by their names, saturation, pictures, and
how far gradients reach.
"""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from torch import nn

import odd_cells
import ostinato
from ostinato import cell, sigmoid, tanh, weight
from ostinato.cells.classic import CELLS, elman, gru, lstm, lstm_peephole, min_gru
from ostinato.errors import InputError, SizeError
from ostinato.inspection import (
    fonts,
    gradients,
    inspect_layer,
    named_gates,
    vanishing,
    vanishing_picture,
)

ODD = [getattr(odd_cells, name) for name in ("parts", "transposed", "reduced", "timed", "read_out")]
RNN, LSTM, GRU = (kind(3, 5) for kind in (ostinato.RNN, ostinato.LSTM, ostinato.GRU))
PNG = b"\x89PNG\r\n"


def make_layer(a_cell, **others):
    letters = (a_cell.graph.letters | a_cell.graph.output.size.letters) - {"I", "H"}
    return ostinato.Recurrent(a_cell, 3, 5, sizes={letter: 4 for letter in letters}, **others)


def sequence(a_cell, steps=6):
    inputs = (
        torch.randn(steps, 3),
        *(torch.randn(steps, 1) for _ in list(a_cell.graph.inputs)[1:]),
    )
    return inputs if len(inputs) > 1 else inputs[0]


# ---------------------------------------------------------------- states and gates


@pytest.mark.parametrize("a_cell", [*CELLS.values(), *ODD], ids=lambda c: c.name)
def test_the_states_are_those_of_the_layer(a_cell, close):
    layer, x = make_layer(a_cell), sequence(a_cell)
    steps = inspect_layer(layer, x)
    output, states = layer(x)
    for name, state in zip(a_cell.graph.states, states):
        close(torch.tensor(steps[f"{name}_l0"][-1]), state[0].double(), torch.float32)
    shown = steps.values.get("output_l0", steps[f"{next(iter(a_cell.graph.states))}_l0"])
    close(torch.tensor(shown), output.double(), torch.float32)
    assert len(steps) == 6 and all(len(value) == 6 for value in steps.values.values())


def test_a_gate_called_output_is_not_the_output(close):
    @cell
    def gated(x, h, *, W=weight("H", "I"), U=weight("H", "H"), V=weight("H", "H")):
        output = tanh(W @ x + U @ h)
        h = 0.5 * output
        return V @ h + 1.0, h

    layer, x = ostinato.Recurrent(gated, 3, 5, num_layers=2), torch.randn(6, 3)
    steps, (output, (h,)) = inspect_layer(layer, x), layer(x)
    close(torch.tensor(steps["output__l1"]), output.double(), torch.float32)
    for k in range(2):
        close(torch.tensor(steps[f"h_l{k}"][-1]), h[k].double(), torch.float32)
        close(
            torch.tensor(steps[f"output_l{k}"]), torch.tensor(2 * steps[f"h_l{k}"]), torch.float32
        )


def test_layers_and_directions_are_those_of_the_layer(close):
    layer, x = (
        ostinato.GRU(3, 5, 2, bidirectional=True, batch_first=True, dropout=0.5),
        torch.randn(4, 7, 3),
    )
    steps = inspect_layer(layer, x, lengths=[7, 4, 0, 5], row=1)
    output, h = layer.eval()(x, lengths=[7, 4, 0, 5])
    assert steps.runs == ("_l0", "_l0_reverse", "_l1", "_l1_reverse") and len(steps) == 4
    close(
        torch.tensor(np.hstack([steps["h_l1"], steps["h_l1_reverse"]])),
        output[1, :4].double(),
        torch.float32,
    )
    for k, run in enumerate(steps.runs):
        close(
            torch.tensor(steps[f"h{run}"][0 if "reverse" in run else -1]),
            h[k, 1].double(),
            torch.float32,
        )


def test_gates_are_what_the_equations_say(close):
    layer, x = ostinato.LSTM(3, 5), torch.randn(4, 3)
    steps, h, c = inspect_layer(layer, x), torch.zeros(5), torch.zeros(5)
    for t in range(4):
        whole = (
            layer.weight_ih_l0 @ x[t] + layer.bias_ih_l0 + layer.weight_hh_l0 @ h + layer.bias_hh_l0
        )
        i, f, g, o = whole.chunk(4)
        wanted = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
        c = wanted["f"] * c + wanted["i"] * wanted["g"]
        h = wanted["o"] * c.tanh()
        for name, value in {**wanted, "h": h, "c": c}.items():
            close(torch.tensor(steps[f"{name}_l0"][t]), value.double(), torch.float32)


def test_a_learned_state_is_where_it_starts(close):
    layer = ostinato.Recurrent("min_gru", 3, 5, learned_state=True)
    nn.init.constant_(layer.initial_h_l0, 7.0)
    _, (h,) = layer(torch.zeros(1, 3))
    close(
        torch.tensor(inspect_layer(layer, torch.zeros(1, 3))["h_l0"][0]),
        h[0].double(),
        torch.float32,
    )


def test_bfloat16_rounds_here_too(close):
    layer, x = (
        ostinato.Recurrent("lstm", 3, 5, engine="reference", precision="bfloat16"),
        torch.randn(6, 3),
    )
    close(torch.tensor(inspect_layer(layer, x)["h_l0"]), layer(x)[0].double(), torch.float32)


def test_looking_changes_nothing():
    layer, equations, key = ostinato.LSTM(3, 5), lstm.equations(), lstm.graph.key
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    nodes = len(list(lstm.graph.builder))
    inspect_layer(layer, torch.randn(4, 3, requires_grad=True))
    assert (lstm.equations(), lstm.graph.key, len(list(lstm.graph.builder))) == (
        equations,
        key,
        nodes,
    ) and layer.training
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


@cell
def unnamed(x, h, *, W=weight("2*H", "I"), U=weight("H", "H")):
    a, b = ostinato.split(W @ x, 2)
    return sigmoid(a + b) * h + tanh(U @ h) * tanh(a) + sigmoid(a)


@pytest.mark.parametrize(
    "a_cell, wanted",
    [
        (elman, ["h"]),
        (elman.with_constants(activation=ostinato.relu), []),
        (lstm, [*"ifgo"]),
        (lstm.with_constants(forget_bias=1.0), [*"ifgo"]),
        (lstm_peephole, [*"ifgo"]),
        (CELLS["lstm_full"], [*"ifgo"]),
        (CELLS["layer_norm_lstm"], [*"ifgo"]),
        (gru, [*"rzn"]),
        (min_gru, ["z"]),
        (odd_cells.faded, []),
        (unnamed, ["a", "sigmoid(a + b)", "sigmoid(a)", "tanh(U h_{t-1})"]),
    ],
)
def test_gates_have_the_names_of_the_equations(a_cell, wanted):
    assert sorted(named_gates(a_cell.graph)) == sorted(wanted)


def test_gates_stand_in_the_order_of_the_equations():
    assert [*named_gates(lstm.graph)] == [*"ifgo"] and [*named_gates(gru.graph)] == [*"rzn"]


def test_saturation_is_the_share_at_each_end():
    layer = ostinato.LSTM(1, 2)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        layer.bias_ih_l0.copy_(torch.tensor([9, -9, 9, 9, 9, -9, 0, 0.0]))
    saturation = inspect_layer(layer, torch.zeros(3, 1)).saturation
    assert saturation == {
        "i_l0": (0.5, 0.5),
        "f_l0": (0.0, 1.0),
        "g_l0": (0.5, 0.5),
        "o_l0": (0.0, 0.0),
    }


def test_the_table_has_a_row_for_each_step():
    steps = inspect_layer(ostinato.GRU(3, 5), torch.randn(3, 3))
    rows = steps.table(["가", "나", "다"])
    assert [(row["step"], row["token"]) for row in rows] == [(0, "가"), (1, "나"), (2, "다")]
    gates = [f"{what} {gate}_l0" for gate in "rzn" for what in ("mean", "saturated")]
    assert [*rows[0]] == ["step", "token", *gates, "norm h_l0"]
    assert rows[1]["mean z_l0"] == pytest.approx(steps["z_l0"][1].mean())
    assert rows[2]["norm h_l0"] == pytest.approx(np.sqrt((steps["h_l0"][2] ** 2).sum()))
    assert "token" not in steps.table()[0]


# ---------------------------------------------------------------- pictures


def test_pictures_are_drawn_whatever_the_tokens(tmp_path):
    steps = inspect_layer(ostinato.LSTM(3, 5, bidirectional=True), torch.randn(5, 3))
    steps.picture(tmp_path / "steps.png", ["한글", " ", "a$b^", "\n", "👩‍👩‍👧"])
    assert (tmp_path / "steps.png").read_bytes().startswith(PNG)
    inspect_layer(make_layer(odd_cells.reduced), torch.randn(130, 3)).picture(tmp_path / "long.png")
    assert (tmp_path / "long.png").read_bytes().startswith(PNG)


def test_svg_holds_the_tokens_as_text():
    steps = inspect_layer(ostinato.RNN(3, 5), torch.randn(3, 3))
    drawn = steps.svg(["한글", "<b>", "$x_1$"])
    words = [
        element.text
        for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"한글", "<b>", "$x_1$", "h_l0"} <= set(words)
    assert drawn == steps.svg(["한글", "<b>", "$x_1$"])


def test_fonts_are_looked_for_beyond_the_first():
    assert fonts("abc é") == (["DejaVu Sans"], set())
    # of the fonts that come with matplotlib only STIX has this one
    families, missing = fonts("a\u2adc")
    assert families[0] == "DejaVu Sans" and len(families) == 2 and not missing
    assert fonts("\U000f1234\ufdd0")[1] == {"\U000f1234", "\ufdd0"}


# ---------------------------------------------------------------- gradients


def test_gradients_are_those_of_finite_differences():
    layer, x = ostinato.GRU(2, 4).double(), torch.randn(5, 2, dtype=torch.float64)
    found = gradients(lambda x: layer(x)[0][-1].sum(), x)
    for t in range(5):
        differences = []
        for i in range(2):
            nudge = torch.zeros_like(x)
            nudge[t, i] = 1e-6
            differences.append(
                (layer(x + nudge)[0][-1].sum() - layer(x - nudge)[0][-1].sum()).item() / 2e-6
            )
        assert found[t] == pytest.approx(np.hypot(*differences), rel=1e-5)


def test_gradients_fade_in_elman_and_less_in_lstm():
    curves = vanishing(steps=60, seeds=2)
    assert [*curves] == ["elman", "lstm"] and all(curve.shape == (60,) for curve in curves.values())
    rate = {name: (curve[50] / curve[10]) ** (1 / 40) for name, curve in curves.items()}
    assert rate["elman"] < 0.7 < 0.8 < rate["lstm"] < 1


def test_a_higher_forget_bias_carries_further():
    low, high = (
        vanishing(["lstm"], 40, seeds=1, forget_bias=bias)["lstm"][-1] for bias in (0.0, 5.0)
    )
    assert high > 1e4 * low


def test_vanishing_takes_any_cell_and_leaves_the_seed():
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    first = vanishing([odd_cells.transposed, "lstm_projected"], 5, seeds=1)
    assert torch.rand(1) == wanted and [*first] == ["transposed", "lstm_projected"]
    assert np.array_equal(
        first["transposed"], vanishing([odd_cells.transposed], 5, seeds=1)["transposed"]
    )


def test_the_curves_are_drawn(tmp_path):
    vanishing_picture(tmp_path / "own.png", {f"{k}": 0.5 ** np.arange(9) for k in range(9)})
    vanishing_picture(tmp_path / "usual.png")
    assert (tmp_path / "own.png").read_bytes().startswith(PNG) and (
        tmp_path / "usual.png"
    ).read_bytes().startswith(PNG)


# ---------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: inspect_layer(nn.LSTM(3, 5), torch.zeros(4, 3)),
            InputError,
            "layer given is LSTM; give an ostinato layer",
        ),
        (lambda: inspect_layer(LSTM, "hello"), SizeError, "was given str; give a sequence"),
        (
            lambda: inspect_layer(LSTM, torch.zeros(3)),
            SizeError,
            r"was given \(3,\); give a sequence",
        ),
        (lambda: inspect_layer(LSTM, torch.zeros(4, 2)), SizeError, r"2 units; it should have 3"),
        (
            lambda: inspect_layer(LSTM, torch.zeros(4, 2, 3), row=2),
            InputError,
            r"row=2: the batch has 2 row\(s\)",
        ),
        (lambda: inspect_layer(LSTM, torch.zeros(0, 3)), InputError, "row 0 has no steps"),
        (
            lambda: inspect_layer(LSTM, torch.zeros(4, 2, 3), lengths=[4, 0], row=1),
            InputError,
            "row 1 has no steps",
        ),
        (
            lambda: inspect_layer(LSTM, torch.zeros(4, 2, 3), lengths=[5, 0]),
            SizeError,
            "lengths go from 0 to 5",
        ),
        (
            lambda: inspect_layer(LSTM, torch.zeros(4, 3))["f"],
            InputError,
            "unknown name 'f'; the names are h_l0",
        ),
        (
            lambda: inspect_layer(GRU, torch.zeros(4, 3))["z_10"],
            InputError,
            "unknown name 'z_10': did you mean 'z_l0'",
        ),
        (
            lambda: inspect_layer(RNN, torch.zeros(4, 3)).table("abc"),
            SizeError,
            r"3 token\(s\) were given and there are 4",
        ),
        (
            lambda: inspect_layer(LSTM, torch.zeros(4, 3)).svg("abc"),
            SizeError,
            r"3 token\(s\) were given",
        ),
        (
            lambda: inspect_layer(RNN, torch.zeros(4, 3)).picture("x.png", "abcde"),
            SizeError,
            r"5 token\(s\) were given",
        ),
        (
            lambda: inspect_layer(RNN, torch.zeros(4, 3)).picture("/nowhere/x"),
            InputError,
            "cannot write '/nowhere/x'",
        ),
        (
            lambda: gradients(torch.sum, torch.zeros(2, 4, 3)),
            SizeError,
            r"the sequence is torch.float32, \(2, 4, 3\); give .* one sequence",
        ),
        (
            lambda: gradients(torch.sum, np.zeros((4, 3))),
            SizeError,
            "the sequence is ndarray; give a floating-point tensor",
        ),
        (
            lambda: gradients(lambda x: x, torch.zeros(4, 3)),
            SizeError,
            r"returned a tensor of shape \(4, 3\); it should return one number",
        ),
        (
            lambda: gradients(lambda x: 1.0, torch.zeros(4, 3)),
            SizeError,
            "returned float; it should return one number",
        ),
        (
            lambda: gradients(lambda x: x.detach().sum(), torch.zeros(4, 3)),
            InputError,
            "has no gradient",
        ),
        (
            lambda: gradients(lambda x: torch.zeros(1, requires_grad=True), torch.zeros(4, 3)),
            InputError,
            "does not depend on x",
        ),
        (
            lambda: vanishing(["lstmm"]),
            InputError,
            "'lstmm', which is not the name of a cell: did you mean 'lstm'",
        ),
        (lambda: vanishing(steps=0), InputError, "steps=0: write a positive integer"),
        (lambda: vanishing(seeds=1.5), InputError, "seeds=1.5: write a positive integer"),
    ],
)
def test_what_cannot_be_done_says_why(call, error, message):
    with pytest.raises(error, match=message):
        call()
