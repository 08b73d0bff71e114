"""Cells that use little of what they are given, and letters that stand only in sums: on both
engines, in every kind of layer.
"""

import copy
import cProfile
import pickle

import pytest
import torch

from ostinato import (
    Recurrent,
    cell,
    concat,
    engines,
    mean,
    sigmoid,
    split,
    state,
    tanh,
    weight,
    where,
)
from ostinato import input as further_input
from ostinato.engines import loops
from ostinato.errors import SizeError
from ostinato.language.graph import Size

# ---------------------------------------------------------------- cells


@cell
def state_alone(x, h):
    return tanh(1 - h)


@cell
def state_kept(x, h):
    return h


@cell
def numbers_alone(x, h):
    return where(h < 0, 0.5, 0.5)


@cell
def swapped(x, h, c):
    return c, h


@cell
def input_alone(x, h=state("I")):
    return x


@cell
def part_of_the_input(x, h):
    a, _ = split(x, ("1", "I - 1"))
    return a, sigmoid(h)


@cell
def weight_alone(x, h, *, b=weight("H")):
    return b


@cell
def weight_out(x, h, *, b=weight(1), U=weight("H", "H")):
    return b, tanh(U @ h)


@cell
def weight_multiplied(x, h, *, U=weight("H", "H"), b=weight("H")):
    return tanh(U @ b)


@cell
def state_multiplied(x, h, *, U=weight("H", "H")):
    return tanh(U @ h)


@cell
def second_input_alone(x, t=further_input("J"), h=state("J")):
    return 0.5 * h + t


@cell
def product_out(x, h, *, V=weight("P", "I"), U=weight("H", "H")):
    """Its output is a product that no step waits for."""
    return V @ x, tanh(1 + U @ h)


UNUSED = [
    state_alone,
    state_kept,
    numbers_alone,
    swapped,
    input_alone,
    part_of_the_input,
    weight_alone,
    weight_out,
    weight_multiplied,
    state_multiplied,
    second_input_alone,
    product_out,
]


@cell
def summed(x, h=state("H + P"), *, W=weight("H + P", "I")):
    p, q = split(tanh(W @ x + h), ("H", "P"))
    return concat(q, p)


@cell
def summed_without_weights(x, h=state("H + P")):
    p, q = split(h, ("P", "H"))
    return 0.5 * concat(q, p) + mean(x)


@cell
def multiplied(x, h=state("H*K"), *, w=weight("H*K")):
    return 0.5 * h * w + mean(x)


@cell
def only_in_a_split(x, h=state("H"), *, w=weight("H")):
    p, q = split(h, ("Q", "H - Q"))
    return 0.5 * concat(q, p) + w * mean(x)


@cell
def only_in_the_state(x, h=state("K")):
    return 0.5 * tanh(mean(x) - h)


@cell
def only_in_the_output(x, h, *, U=weight("H", "H")):
    return concat(h, x, h), tanh(U @ h + mean(x))


SUMS = [
    summed,
    summed_without_weights,
    multiplied,
    only_in_a_split,
    only_in_the_state,
    only_in_the_output,
]

LAYERS = {
    "plain": {},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "learned state": {"learned_state": True},
    "zoneout": {"zoneout": 0.25},
    "checkpoint": {"checkpoint": 2},
}


def layer(made, engine, dtype, **options):
    letters = {letter: 2 for letter in made.graph.letters - {"I", "H"}}
    built = Recurrent(made, 5, 5, sizes=letters, engine=engine, dtype=dtype, **options)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in built.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=draw, dtype=torch.float64))
    return built


def outcomes(built, dtype, *, given, lengths):
    """Results and gradients of three calls in training and three in inference."""
    draw = torch.Generator().manual_seed(2)
    letters = {"I": built.input_size, "H": built.hidden_size} | built.sizes

    def numbers(*shape):
        return torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)

    graph, found = built.cell.graph, []
    runs = built.num_layers * built.num_directions
    for call in range(6):
        torch.manual_seed(call)
        inputs = tuple(
            numbers(3, 4, size.at(letters)).requires_grad_() for size in graph.inputs.values()
        )
        states = (
            tuple(
                numbers(runs, 3, size.at(letters)).requires_grad_()
                for size in graph.states.values()
            )
            if given
            else None
        )
        built.train(call < 3)
        with torch.set_grad_enabled(call < 3):
            output, ends = built(inputs if len(inputs) > 1 else inputs[0], states, lengths)
        found += [output, *ends]
        if call < 3:
            total = sum((v * numbers(*v.shape)).sum() for v in (output, *ends))
            leaves = [*inputs, *(states or ()), *built.parameters()]
            found += torch.autograd.grad(total, leaves, materialize_grads=True)
    return found


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("made", [*UNUSED, *SUMS], ids=lambda made: made.name)
def test_both_engines_agree_on_cells_that_use_little(made, options, nan_memory, close):
    for given, lengths in ((False, None), (True, [4, 0, 2])):
        wanted = outcomes(
            layer(made, "reference", torch.float64, **options),
            torch.float64,
            given=given,
            lengths=lengths,
        )
        for engine, dtype in (
            ("cpu", torch.float32),
            ("cpu", torch.float64),
            ("reference", torch.float32),
        ):
            found = outcomes(
                layer(made, engine, dtype, **options), dtype, given=given, lengths=lengths
            )
            for got, truth in zip(found, wanted, strict=True):
                assert got.dtype == dtype
                close(got, truth)


@pytest.mark.parametrize(
    "made",
    [made for made in (*UNUSED, *SUMS) if len(made.graph.inputs) == 1],
    ids=lambda made: made.name,
)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}], ids=["one layer", "two layers"])
def test_a_stream_of_a_cell_that_uses_little_gives_the_layers_outputs(made, options, engine, close):
    built = layer(made, engine, torch.float64, **options)
    x = torch.randn(3, 5, 5, dtype=torch.float64)
    stream = built.stream(3)
    close(torch.stack([stream.step(x[:, t]) for t in range(5)], 1), built(x)[0])


@pytest.mark.parametrize("made", SUMS, ids=lambda made: made.name)
@pytest.mark.parametrize(
    "again",
    [copy.deepcopy, lambda built: pickle.loads(pickle.dumps(built))],
    ids=["deepcopy", "pickle"],
)
def test_a_copied_layer_knows_what_letters_stand_for(made, again, close):
    built, x = layer(made, None, torch.float32, zoneout=0.5), torch.randn(3, 4, 5)
    copied = again(built.eval())
    close(copied(x)[0], built(x)[0])
    torch.manual_seed(0)
    wanted = built.train()(x)[0]
    torch.manual_seed(0)
    close(copied.train()(x)[0], wanted)


def test_without_a_layer_letters_that_the_tensors_do_not_tell_are_named():
    x = torch.zeros(2, 3, 4)
    with pytest.raises(
        SizeError, match=r"^cell 'summed_without_weights': the tensors do not tell what H, P is: "
    ):
        engines.scan(
            summed_without_weights.graph, inputs=(x,), states=(torch.zeros(3, 5),), weights={}
        )
    with pytest.raises(
        SizeError, match=r"^cell 'only_in_a_split': the tensors do not tell what Q is: "
    ):
        engines.scan(
            only_in_a_split.graph, inputs=(x,), states=(None,), weights={"w": torch.zeros(4)}
        )
    with pytest.raises(
        SizeError, match=r"^cell 'only_in_the_state': the tensors do not tell what K is: "
    ):
        engines.scan(only_in_the_state.graph, inputs=(x,), states=(None,), weights={})


def test_a_layer_refuses_tensors_that_are_not_of_its_sizes(engine):
    built = layer(summed, engine, None)
    with pytest.raises(
        SizeError, match=r"^state 'h' is \(1, 3, 6\); it should be .* = \(1, 3, 7\)"
    ):
        built(torch.zeros(3, 4, 5), (torch.zeros(1, 3, 6),))
    with torch.no_grad():
        built.W_l0.data = torch.zeros(8, 5)
    with pytest.raises(
        SizeError,
        match=r"^weight 'W' of cell 'summed' is \(8, 5\); it should be \(H \+ P, I\) = \(7, 5\) "
        r"with H=5, I=5, P=2$",
    ):
        built(torch.zeros(3, 4, 5))


def test_a_size_knows_its_one_letter():
    found = {text: Size(text).lone_letter for text in ("H", "4*H", "H + P", "H*K", "H + 1")}
    assert (
        found == {"H": "H", "4*H": "H", "H + P": None, "H*K": None, "H + 1": None}
        and Size(3).lone_letter is None
    )


# ---------------- results share no memory with what was given


@pytest.mark.parametrize(
    "made",
    [state_kept, swapped, input_alone, part_of_the_input, weight_out, product_out],
    ids=lambda made: made.name,
)
def test_results_and_gradients_may_be_changed_in_place(made, engine):
    built = layer(made, engine, torch.float32)
    x = torch.randn(3, 4, 5, requires_grad=True)
    before = [t.detach().clone() for t in (x, *built.parameters())]
    for _ in range(4):
        x.grad = None
        output, ends = built(x)
        d = torch.ones_like(output)
        output.backward(d)
        with torch.no_grad():
            again, _ = built(x)
        for result in (output, again, *ends, x.grad):
            if result is not None:
                result.data.fill_(7.0)
        assert (d == 1).all()
        assert all(map(torch.equal, before, (x, *built.parameters())))


def test_a_cell_can_be_made_while_cprofile_runs():
    with cProfile.Profile() as profile:
        made = cell(state_alone.function)
        made.equations()
    profile.create_stats()
    assert any(function == "equations" for _, _, function in profile.stats), "the profiler goes on"


def test_a_stream_reads_its_input_wherever_it_is_used(monkeypatch, close):
    @cell
    def twice(x, h=state("I"), *, W=weight("I", "I"), U=weight("I", "I")):
        return tanh(W @ x + U @ h) + 0.5 * x

    monkeypatch.setattr(
        loops, "WORTH_A_CALL", 1
    )  # a product of its own reads the input, and so does the loop
    built, x = layer(twice, "cpu", torch.float64), torch.randn(1, 5, 5, dtype=torch.float64)
    stream = built.stream(1)
    close(torch.stack([stream.step(x[:, t]) for t in range(5)], 1), built(x)[0])


# ---------------------------------------------------------------- masks of one unit


@cell
def narrow_memory(
    x, h=state("H"), c=state(1), *, W=weight("H", "I"), V=weight(1, "H"), U=weight(1, "I")
):
    """The state of one unit meets all units of the other, and its candidate is of one unit too."""
    c = 0.5 * c + 0.5 * tanh(U @ x + V @ h)
    return tanh(W @ x + c * h) * (1 - c), c


@pytest.mark.parametrize(
    "options",
    [
        {"zoneout": {"c": 0.5}},
        {"recurrent_dropout": 0.5},
        {"variational": 0.5},
        {"zoneout": 0.5, "recurrent_dropout": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("units", [3, 16, 33])
def test_masks_of_one_unit_reach_all_units(units, options, nan_memory, close):
    found = []
    for engine in ("reference", "cpu"):
        torch.manual_seed(0)
        built = Recurrent(narrow_memory, 5, units, engine=engine, dtype=torch.float64, **options)
        x = torch.randn(4, 6, 5, dtype=torch.float64, requires_grad=True)
        for _ in range(3):
            output, ends = built(x)
            results = [output, *ends]
            found.append(
                [
                    *results,
                    *torch.autograd.grad(
                        sum(r.square().sum() for r in results), [x, *built.parameters()]
                    ),
                ]
            )
    for wanted, got in zip(found[:3], found[3:], strict=True):
        for a, b in zip(got, wanted, strict=True):
            close(a, b)
