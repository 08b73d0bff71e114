"""A stack of layers: masks with holes, both directions, activations, and sizes that do not fit."""

import math

import pytest
import torch
from torch.nn import functional as F

import ostinato
from ostinato.errors import InputError, SizeError, TensorError
from ostinato.exchange.activations import ROWS, UNITS, activated
from ostinato.exchange.layer_stack import (
    ActivationSpec,
    DenseSpec,
    EmbeddingSpec,
    LayerStack,
    MaskingSpec,
    RecurrentSpec,
)

# torch's own functions, and plain formulas where it has none.
TORCHS = {
    "linear": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "hard_sigmoid": lambda x: F.relu6(x + 3) / 6,
    "hard_sigmoid_02": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "silu": F.silu,
    "hard_silu": F.hardswish,
    "hard_tanh": F.hardtanh,
    "mish": F.mish,
    "relu6": F.relu6,
    "leaky_relu_02": lambda x: F.leaky_relu(x, 0.2),
    "exponential": torch.exp,
    "log_sigmoid": F.logsigmoid,
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
}
MASK = torch.tensor(
    [
        [True, True, True, True, True],
        [True, True, False, False, False],
        [False, False, True, True, True],
        [False, True, False, True, False],
        [False, False, False, False, False],
    ]
)


def test_every_activation_has_a_reference():
    assert TORCHS.keys() == UNITS.keys() | ROWS.keys()


@pytest.mark.parametrize("name", TORCHS)
def test_an_activation_computes_what_torch_computes(name, close):
    x = torch.cat([torch.linspace(-9, 9, 181), torch.tensor([-60.0, 0.0, 60.0])]).double()
    close(activated(name, x), TORCHS[name](x))


# `make slow` has all of them
SOME = ("hard_sigmoid", "elu", "leaky_relu_02")


@pytest.mark.parametrize(
    "name", [n if n in SOME else pytest.param(n, marks=pytest.mark.slow) for n in UNITS]
)
def test_a_cell_with_an_activation_is_the_same_on_both_engines(name, close):
    spec = RecurrentSpec(
        "lstm", 3, 5, constants={"activation": name, "gate_activation": "hard_sigmoid_02"}
    )
    stack = LayerStack({"lstm": spec})
    x = torch.randn(2, 6, 3) / 4
    fast = stack(x)
    stack.parts[0].layer.engine = "reference"
    close(fast, stack.double()(x.double()).float())


def plainly(layer, x, mask, *, reverse, zero):
    """The output of one direction, step by step for each row: a skipped step leaves the state and
    the output as they are.
    """
    rows = []
    for row, valid in zip(x, mask):
        state, output, found = None, torch.zeros(layer.output_size), []
        order = range(len(row) - 1, -1, -1) if reverse else range(len(row))
        for t in order:
            if valid[t]:
                result, state = layer(row[None, t : t + 1], state)
                output = result[0, 0]
            found.append(output if valid[t] or not zero else torch.zeros_like(output))
        rows.append(torch.stack(found))
    return torch.stack(rows)


@pytest.mark.parametrize("masked", ["zero", "hold"])
@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_a_mask_with_holes_skips_steps_in_one_direction(masked, sequence, reverse, close):
    spec = RecurrentSpec("gru", 3, 4, sequence=sequence, reverse=reverse, masked=masked)
    stack = LayerStack({"mask": MaskingSpec(0.0), "gru": spec})
    x = torch.randn(5, 5, 3) * MASK[..., None]
    wanted = plainly(
        stack.parts[1].layer, x, MASK, reverse=reverse, zero=sequence and masked == "zero"
    )
    close(stack(x), wanted if sequence else wanted[:, -1])


@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul"])
@pytest.mark.parametrize("masked", ["zero", "hold"])
@pytest.mark.parametrize("sequence", [True, False])
def test_a_mask_with_holes_skips_steps_in_both_directions(merge, masked, sequence, close):
    spec = RecurrentSpec(
        "lstm", 3, 4, bidirectional=True, merge=merge, sequence=sequence, masked=masked
    )
    stack = LayerStack({"mask": MaskingSpec(0.0), "lstm": spec})
    layer = stack.parts[1].layer
    ways = []
    for end in ("", "_reverse"):
        one = ostinato.Recurrent("lstm", 3, 4)
        one.load_state_dict({f"{w}_l0": getattr(layer, f"{w}_l0{end}") for w in "WUb"})
        ways.append(one)
    x = torch.randn(5, 5, 3) * MASK[..., None]
    zero = sequence and masked == "zero"
    forward = plainly(ways[0], x, MASK, reverse=False, zero=zero)
    backward = plainly(ways[1], x, MASK, reverse=True, zero=zero)
    if sequence:
        pair = forward, backward.flip(1)
    else:
        pair = forward[:, -1], backward[:, -1]
    wanted = {
        "concat": torch.cat(pair, -1),
        "sum": pair[0] + pair[1],
        "ave": (pair[0] + pair[1]) / 2,
        "mul": pair[0] * pair[1],
    }
    close(stack(x), wanted[merge])


def test_lengths_and_the_mask_of_an_embedding_are_combined(close):
    stack = LayerStack(
        {
            "embedding": EmbeddingSpec(6, 3, mask_value=0),
            "rnn": RecurrentSpec("elman", 3, 4, sequence=False),
            "dense": DenseSpec(4, 2, activation="softmax"),
        }
    )
    ids = torch.tensor([[1, 0, 2, 5], [3, 4, 5, 0]])
    found = stack(ids, lengths=[3, 2])
    alone = torch.cat([stack(torch.tensor([[1, 2]])), stack(torch.tensor([[3, 4]]))])
    close(found, alone)
    close(found.sum(-1), torch.ones(2))


def test_a_stack_takes_layers_in_either_layout(close):
    first = ostinato.LSTM(3, 4, bidirectional=True)
    second = ostinato.GRU(8, 5, batch_first=True)
    stack = LayerStack({"a.b/c": first, "values": second})
    x = torch.randn(2, 6, 3)
    wanted = second(first(x.transpose(0, 1))[0].transpose(0, 1))[0]
    close(stack(x), wanted)
    assert stack.names == ("a.b/c", "values") and stack.input_size == 3


def test_a_gradient_reaches_every_weight_of_a_masked_stack():
    stack = LayerStack(
        {
            "embedding": EmbeddingSpec(6, 3, mask_value=0),
            "gru": RecurrentSpec("gru", 3, 4, bidirectional=True, merge="sum", masked="hold"),
            "activation": ActivationSpec("elu"),
            "dense": DenseSpec(4, 2),
        }
    )
    stack(torch.tensor([[1, 0, 2, 5], [3, 4, 5, 0]])).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in stack.parameters())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "no layers"),
        ({"a": DenseSpec(3, 4), "b": DenseSpec(5, 4)}, "'b' takes 5 units and the layer before"),
        ({"a": DenseSpec(3, 4), "b": EmbeddingSpec(5, 4)}, "'b' is not the first"),
        ({"a": DenseSpec(3, 4, activation="tan")}, "unknown activation 'tan'"),
        ({"a": RecurrentSpec("lstn", 3, 4)}, "unknown cell 'lstn': did you mean 'lstm'"),
        ({"a": RecurrentSpec("lstm", 3, 4, constants={"bias": 1.0})}, "no constant 'bias'"),
        (
            {"a": RecurrentSpec("lstm", 3, 4, constants={"activation": 1.0})},
            "name of an activation",
        ),
        ({"a": RecurrentSpec("lstm", 3, 4, constants={"activation": "softmax"})}, "not an activ"),
        ({"a": RecurrentSpec("lstm", 3, 4, constants={"forget_bias": "tanh"})}, "a number"),
        ({"a": RecurrentSpec("lstm", 3, 4, merge="sum")}, "two directions"),
        ({"a": RecurrentSpec("lstm", 3, 4, bidirectional=True, reverse=True)}, "not both"),
        ({"a": RecurrentSpec("lstm", 3, 4, regularisers={"speed": 1.0})}, "regularisers speed"),
        ({"a": RecurrentSpec("lstm_projected", 3, 4)}, "sizes"),
        (
            {"a": RecurrentSpec("gru", 3, 4, sequence=False), "b": RecurrentSpec("gru", 4, 4)},
            "returns only its last step",
        ),
        ({"a": torch.nn.Linear(3, 4)}, "is a Linear"),
    ],
)
def test_parts_that_do_not_fit_are_one_error(parts, message):
    with pytest.raises((InputError, SizeError), match=message):
        LayerStack(parts)


def test_inputs_that_do_not_fit_are_one_error():
    ids = LayerStack({"a": EmbeddingSpec(6, 3), "b": RecurrentSpec("gru", 3, 4)})
    with pytest.raises(
        InputError, match="the ids go from 2 to 6; the embedding has entries 0 to 5"
    ):
        ids(torch.tensor([[2, 6]]))
    with pytest.raises(TensorError, match="give whole numbers"):
        ids(torch.zeros(2, 3))
    numbers = LayerStack({"a": MaskingSpec(), "b": RecurrentSpec("gru", 3, 4)})
    with pytest.raises(TensorError, match="write x.to"):
        numbers(torch.zeros(2, 4, 3, dtype=torch.float64))
    with pytest.raises(SizeError, match=r"a mask was given \(2, 3\)"):
        numbers(torch.zeros(2, 3))
    with pytest.raises(SizeError):
        numbers(torch.zeros(2, 4, 3), lengths=[5, 1])
