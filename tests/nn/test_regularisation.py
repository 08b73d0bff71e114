"""Regularisers: what each drops, what comes of it in the mean, that a seed gives it again, and that
it is off outside training.
"""

import copy
import pickle

import numpy as np
import pytest
import torch

import ostinato
from ostinato.cells import CELLS
from ostinato.errors import InputError, SizeError
from ostinato.nn.regularisation import (
    Regularisation,
    activation_penalty,
    additions,
    recurrent_weights,
    temporal_penalty,
)

EACH = {"recurrent_dropout": 0.3, "variational": 0.3, "zoneout": 0.2, "weight_drop": 0.4}
ALL = EACH | {"zoneout": {"h": 0.1}}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer(cell="lstm", seed=0, **options):
    torch.manual_seed(seed)
    return ostinato.Recurrent(cell, **{"input_size": 5, "hidden_size": 7} | options)


def draws(monkeypatch) -> dict[str, np.ndarray]:
    """The masks of every call, by name."""
    drawn, masks = {}, Regularisation.masks

    def recorded(self, x, letters):
        found = masks(self, x, letters)
        drawn.update(zip(self._masks, (m.double().numpy() for m in found), strict=True))
        return found

    monkeypatch.setattr(Regularisation, "masks", recorded)
    return drawn


def lstm_loop(made, x, *, add=None, read=None, zone=None):
    """An LSTM in NumPy, one row a step, with what each regulariser puts in it."""
    weights = {
        name.removesuffix("_l0"): p.detach().double().numpy() for name, p in made.named_parameters()
    }
    steps, batch, units = x.shape[0], x.shape[1], made.hidden_size
    h, c, outputs = np.zeros((batch, units)), np.zeros((batch, units)), []
    for t in range(steps):
        seen = h if read is None else h * read[t]
        z = x[t] @ weights["W"].T + seen @ weights["U"].T + weights["b"]
        i, f, g, o = np.split(z, 4, axis=-1)
        new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g) * (1.0 if add is None else add[t])
        new_h = sigmoid(o) * np.tanh(new_c)
        if zone is not None:
            new_h, new_c = (
                zone["h"][t] * h + (1 - zone["h"][t]) * new_h,
                zone["c"][t] * c + (1 - zone["c"][t]) * new_c,
            )
        h, c = new_h, new_c
        outputs.append(h)
    return np.stack(outputs)


# ------------------------------------------------------------ what each is


def test_zoneout_keeps_units_of_the_states_as_they_were(monkeypatch):
    drawn, made = (
        draws(monkeypatch),
        layer(zoneout={"h": 0.3, "c": 0.6}, batch_first=False, dtype=torch.float64),
    )
    x = torch.randn(9, 4, 5, dtype=torch.float64)
    output, _ = made(x)
    zone = {name: drawn[f"zoneout of {name}"] for name in "hc"}
    np.testing.assert_allclose(
        output.detach(), lstm_loop(made, x.numpy(), zone=zone), rtol=1e-12, atol=1e-12
    )
    assert set(np.unique(zone["h"])) == {0.0, 1.0}


def test_recurrent_dropout_drops_the_candidate_and_keeps_the_memory(monkeypatch):
    drawn, made = (
        draws(monkeypatch),
        layer(recurrent_dropout=0.5, batch_first=False, dtype=torch.float64),
    )
    x = torch.randn(9, 4, 5, dtype=torch.float64)
    output, _ = made(x)
    (mask,) = drawn.values()
    np.testing.assert_allclose(
        output.detach(), lstm_loop(made, x.numpy(), add=mask / 0.5), rtol=1e-12, atol=1e-12
    )
    assert mask.shape == (9, 4, 7) and (mask != mask[0]).any()


def test_variational_dropout_has_one_mask_for_a_sequence(monkeypatch):
    drawn, made = (
        draws(monkeypatch),
        layer(variational=0.25, batch_first=False, dtype=torch.float64),
    )
    x = torch.randn(9, 4, 5, dtype=torch.float64)
    output, _ = made(x)
    np.testing.assert_allclose(
        output.detach(),
        lstm_loop(made, x.numpy() * drawn["read of x"], read=drawn["read of h"]),
        rtol=1e-12,
        atol=1e-12,
    )
    for mask in drawn.values():
        assert (mask == mask[0]).all() and np.unique(mask).tolist() == pytest.approx([0, 1 / 0.75])


@pytest.mark.parametrize("options", [{"zoneout": 0.5}, {"variational": 0.5}, {"weight_drop": 0.5}])
def test_random_masks_are_drawn_in_training_without_gradients_too(options):
    made, x = layer(**options), torch.randn(1, 9, 5)
    with torch.no_grad():
        found = [made(x)[0] for _ in range(4)]
        assert all(not torch.equal(a, b) for a, b in zip(found, found[1:]))
        made.eval()
        still = [made(x)[0] for _ in range(3)]
        assert torch.equal(still[0], still[1]) and torch.equal(still[0], still[2])
        made.train()
        assert not torch.equal(made(x)[0], made(x)[0])


def test_weight_drop_drops_numbers_of_the_recurrent_matrices_alone():
    made = layer(weight_drop=0.5)
    before = made.cell_weights(0)
    after = made._regularisation.weights(before)
    assert after["W"] is before["W"] and after["b"] is before["b"]
    kept = after["U"] != 0
    assert 0.3 < kept.double().mean() < 0.7 and torch.equal(
        after["U"][kept], (before["U"] * 2)[kept]
    )


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("lstm", ["U"]),
        ("gru_original", ["U_rz", "U_n"]),
        ("elman", ["U"]),
        ("lstm_projected", ["U", "R"]),
        ("min_gru", []),
    ],
)
def test_the_matrices_that_multiply_states_are_told_from_the_graph(cell, names):
    assert recurrent_weights(CELLS[cell].graph) == names


@pytest.mark.parametrize(
    "cell",
    [
        "lstm",
        "gru",
        "gru_original",
        "lstm_peephole",
        "layer_norm_lstm",
        "ugrnn",
        "janet",
        "slstm",
        "indy_gru",
        "li_gru",
        "cornn",
    ],
)
def test_a_candidate_is_an_activation(cell):
    assert {node.op for node in additions(CELLS[cell].graph)} <= {"tanh", "relu"} and len(
        additions(CELLS[cell].graph)
    ) == 1


@pytest.mark.parametrize("cell", ["min_gru", "min_lstm", "sru"])
def test_a_candidate_without_an_activation_is_a_product(cell):
    (node,) = additions(CELLS[cell].graph)
    assert node.op == "slice" and node.args[0].op in ("product", "add")


@pytest.mark.parametrize("cell", ["elman", "ind_rnn", "cfn"])
def test_what_keeps_its_state_within_a_product_or_an_activation_alone_has_no_addition(cell):
    assert additions(CELLS[cell].graph) == []


@ostinato.cell
def clipped(x, h, *, W=ostinato.weight("H", "I"), a=0.5):
    h = ostinato.clip(a * h + W @ x, -1, 1)
    return h


def test_a_users_cell_has_its_addition_within_a_clip():
    (node,) = additions(clipped.graph)
    assert node.op == "product"


@ostinato.cell
def divided(x, h, *, W=ostinato.weight("H", "I"), V=ostinato.weight("H", "I")):
    h = (h + W @ x) / (1.5 + (V @ x) * (V @ x))
    return h


def test_a_divisor_is_not_an_addition():
    (node,) = additions(divided.graph)
    assert node.op == "product" and node.value[0] == "W"
    output, _ = layer(divided, recurrent_dropout=0.9)(torch.randn(4, 20, 5))
    assert output.isfinite().all()


# ---------------- on both engines, whatever else is asked


@pytest.mark.parametrize(
    "options", [*({name: rate} for name, rate in EACH.items()), ALL], ids=[*EACH, "all"]
)
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_original", "lstm_peephole", "ugrnn"])
def test_both_engines_agree_with_the_same_seed(cell, options):
    results = []
    for engine in ("cpu", "reference"):
        made = layer(cell, num_layers=2, bidirectional=True, engine=engine, **options)
        x = torch.randn(3, 6, 5, requires_grad=True)
        output, _ = made(x, lengths=[6, 2, 4])
        output.square().sum().backward()
        results.append([output, x.grad, *(p.grad for p in made.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6)


def test_the_two_directions_draw_masks_of_their_own():
    made = layer(zoneout=0.5, bidirectional=True)
    with torch.no_grad():
        for name, p in made.named_parameters():
            if name.endswith("_reverse"):
                p.copy_(getattr(made, name.removesuffix("_reverse")))
        output, _ = made(torch.randn(1, 1, 5))
    assert not torch.equal(output[..., :7], output[..., 7:])


def test_less_memory_gives_the_same_gradients():
    found = []
    for checkpoint in (None, 3):
        made = layer(checkpoint=checkpoint, **ALL)
        x = torch.randn(2, 10, 5)
        made(x)[0].square().sum().backward()
        found.append([p.grad for p in made.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [ostinato.RNN, ostinato.GRU, ostinato.LSTM])
def test_torch_named_layers_take_them(make):
    made = make(5, 7, zoneout=0.2, weight_drop=0.1)
    assert (
        repr(made) == f"{make.__name__}(5, 7, zoneout=0.2, weight_drop=0.1)"
        and made.state_dict().keys() == make(5, 7).state_dict().keys()
    )
    made(torch.randn(3, 2, 5))[0].sum().backward()


def test_a_given_state_and_a_learned_one_are_taken():
    made = layer(learned_state=True, **ALL)
    output, _ = made(torch.randn(2, 3, 5))
    output.sum().backward()
    assert made.initial_h_l0.grad.abs().sum() > 0 and made.initial_c_l0.grad.abs().sum() > 0


@ostinato.cell
def unlike(
    x,
    h,
    c=ostinato.state("P"),
    *,
    W=ostinato.weight("H", "I"),
    V=ostinato.weight("P", "I"),
    U=ostinato.weight("H", "P"),
    R=ostinato.weight("P", "H"),
):
    c = 0.5 * c + ostinato.tanh(V @ x + R @ h)
    h = 0.5 * h + ostinato.tanh(W @ x + U @ c)
    return h, c


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_masks_of_states_of_unlike_sizes_go_where_they_belong(engine):
    made = layer(
        unlike,
        sizes={"P": 3},
        engine=engine,
        recurrent_dropout=0.3,
        variational=0.3,
        zoneout={"c": 0.2},
    )
    output, (h, c) = made(torch.randn(2, 4, 5))
    (output.sum() + c.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters())


def test_a_copy_and_a_pickle_are_the_same_layer():
    made, x = layer(**ALL), torch.randn(2, 4, 5)
    results = []
    for one in (made, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        torch.manual_seed(3)
        results.append(one(x)[0])
        assert repr(one) == repr(made)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes_are_taken(dtype):
    made = layer(dtype=dtype, **ALL)
    made(torch.randn(2, 4, 5, dtype=dtype))[0].sum().backward()
    assert made.U_l0.grad.dtype == dtype


# ------------------------------------------------------------ random masks


@pytest.mark.parametrize(
    "options", [*({name: rate} for name, rate in EACH.items()), ALL], ids=[*EACH, "all"]
)
def test_a_seed_gives_the_same_run_again(options):
    made, x = layer(num_layers=2, **options), torch.randn(3, 6, 5)

    def run(seed):
        torch.manual_seed(seed)
        made.zero_grad()
        output, _ = made(x)
        output.square().sum().backward()
        return [output.detach(), *(p.grad.clone() for p in made.parameters())]

    first, again, other = run(1), run(1), run(2)
    assert all(map(torch.equal, first, again)) and not torch.equal(first[0], other[0])


@pytest.mark.parametrize(
    "options",
    [{name: EACH[name]} for name in EACH if name != "zoneout"],
    ids=[name for name in EACH if name != "zoneout"],
)
def test_outside_training_it_is_as_if_it_were_not_there(options):
    made, plain, x = layer(num_layers=2, **options), layer(num_layers=2), torch.randn(3, 6, 5)
    made.eval()
    with torch.no_grad():
        assert torch.equal(made(x)[0], plain(x)[0]) and made.graph is plain.graph
    stream, one = made.stream(3), plain.stream(3)
    assert all(torch.equal(stream.step(x[:, t]), one.step(x[:, t])) for t in range(6))


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_outside_training_zoneout_goes_the_mean_part_of_the_way_and_draws_nothing(engine):
    made, x = (
        layer(zoneout={"h": 0.3, "c": 0.6}, engine=engine, batch_first=False).eval(),
        torch.randn(6, 3, 5),
    )
    zone = {"h": np.full((6, 1, 1), 0.3), "c": np.full((6, 1, 1), 0.6)}
    state = torch.get_rng_state()
    with torch.no_grad():
        found = [made(x)[0] for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), state)
    for output in found:
        np.testing.assert_allclose(
            output, lstm_loop(made, x.double().numpy(), zone=zone), rtol=1e-5, atol=1e-6
        )
    stream = made.stream(3)
    for t in range(6):
        torch.testing.assert_close(stream.step(x[t]), found[0][t], rtol=1e-5, atol=1e-6)


@ostinato.cell
def linear(x, h, *, W=ostinato.weight("H", "I"), U=ostinato.weight("H", "H"), a=0.5):
    return a * h + W @ x + U @ h


@pytest.mark.parametrize("name", EACH)
def test_the_mean_over_many_draws_is_what_comes_out_outside_training(name):
    # of a cell in which all is linear, so that the mean goes through it; 20,000 rows are 20,000
    # draws, of weights they are one
    made = layer(linear, input_size=3, hidden_size=4, **{name: EACH[name]})
    rows = 1 if name == "weight_drop" else 20_000
    x, h = torch.randn(1, 1, 3).expand(rows, -1, -1), (torch.randn(1, 1, 4).expand(-1, rows, -1),)
    with torch.no_grad():
        found = torch.cat([made(x, h)[0] for _ in range(20_000 // rows)])[:, 0]
        wanted = made.eval()(x, h)[0][0, 0]
    error = found.std(0) / len(found) ** 0.5
    assert (error > 0).all() and ((found.mean(0) - wanted).abs() < 4.5 * error).all()


# ------------------------------------------------------------ penalties


@pytest.mark.parametrize("batch, steps", [(0, 5), (3, 0), (0, 0)])
@pytest.mark.parametrize(
    "options", [*({name: rate} for name, rate in EACH.items()), ALL], ids=[*EACH, "all"]
)
@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_without_a_row_or_a_step_gradients_are_zero(engine, options, batch, steps):
    for more in (
        {},
        {"num_layers": 2, "bidirectional": True, "dropout": 0.5},
        {"checkpoint": True},
        {"learned_state": True},
    ):
        layer = ostinato.Recurrent("lstm", 3, 4, engine=engine, **options, **more)
        runs = layer.num_layers * layer.num_directions
        state = tuple(torch.randn(runs, batch, 4, requires_grad=True) for _ in range(2))
        x = torch.randn(batch, steps, 3, requires_grad=True)
        for given in (None, state):
            for lengths in (None, [0] * batch):
                for _ in range(3):
                    output, ends = layer(x, given, lengths)
                    assert output.shape == (batch, steps, 4 * layer.num_directions)
                    (output.sum() + sum(end.sum() for end in ends)).backward()
                assert x.grad.shape == x.shape and all(
                    not p.grad.any()
                    for name, p in layer.named_parameters()
                    if "initial" not in name
                )
        assert all(torch.equal(end, s) for end, s in zip(ends, state))
        assert layer.eval()(x)[0].shape == output.shape


def test_penalties_are_means_over_valid_steps():
    output = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    lengths = [5, 1, 3]
    rows = [output[b, :n] for b, n in enumerate(lengths)]
    activation = torch.cat(rows).square().mean()
    temporal = torch.cat([row.diff(dim=0) for row in rows]).square().mean()
    torch.testing.assert_close(activation_penalty(output, lengths), activation)
    torch.testing.assert_close(temporal_penalty(output, lengths), temporal)
    torch.testing.assert_close(
        temporal_penalty(output.transpose(0, 1), lengths, batch_first=False), temporal
    )
    assert torch.autograd.gradcheck(
        lambda y: temporal_penalty(y, lengths) + activation_penalty(y, lengths), output
    )


@pytest.mark.parametrize("penalty", [activation_penalty, temporal_penalty])
def test_penalties_of_nothing_are_zero(penalty):
    assert penalty(torch.randn(2, 3, 4), [0, 0]) == 0 and penalty(torch.randn(2, 0, 4)) == 0


def test_penalties_want_a_layers_output():
    with pytest.raises(SizeError, match=r"the output is \(3, 4\); it should be a layer's"):
        activation_penalty(torch.zeros(3, 4))
    with pytest.raises(SizeError, match="lengths go from 1 to 9"):
        temporal_penalty(torch.zeros(2, 4, 3), [1, 9])


# ------------------------------------------------------------ bad arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zoneout": 1.0}, r"zoneout\['h'\]=1.0: write the rate to drop at, from 0 to below 1"),
        (
            {"zoneout": {"g": 0.1}},
            r"zoneout=\{'g': 0.1\} has 'g'; the states of cell 'lstm' are h, c",
        ),
        ({"zoneout": {"c": "much"}}, r"zoneout\['c'\]='much': write the rate"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout=-0.1: write the rate"),
        ({"variational": True}, "variational=True: write the rate"),
        (
            {"weight_drop": 2},
            r"weight_drop=2: write the rate to drop at, from 0 to below 1 \(it is not the rate to "
            r"keep\)",
        ),
        (
            {"cell": "elman", "recurrent_dropout": 0.1},
            "no step of cell 'elman' adds to a state that it keeps",
        ),
        ({"cell": "min_gru", "weight_drop": 0.1}, "no weight of cell 'min_gru' multiplies a state"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        layer(**options)
