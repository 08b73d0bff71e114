"""The convolutional LSTM is the paper's equations, on pictures and lines, with lengths, states and
gradients.
"""

import pytest
import torch
from torch.nn import functional as F

from ostinato import LSTM
from ostinato.errors import ArgumentTypeError, InputError, SizeError, TensorError
from ostinato.nn.conv_lstm import ConvLSTM, convolve


def layer(*args, seed=0, **options):
    torch.manual_seed(seed)
    return ConvLSTM(*args, **options).double()


def said(weights, x, peepholes):
    """Equation 3 of the paper, a step at a time, on pictures with a kernel of odd size."""
    H = weights["U"].shape[1]
    h = c = x.new_zeros(x.shape[0], H, *x.shape[3:])
    outputs = []
    for t in range(x.shape[1]):
        gate = {}
        for k, name in enumerate("ifgo"):
            own = slice(k * H, (k + 1) * H)
            gate[name] = F.conv2d(
                x[:, t], weights["W"][own], weights["b"][own], padding="same"
            ) + F.conv2d(h, weights["U"][own], padding="same")
        p = weights["p"] if peepholes else (0, 0, 0)
        i, f = torch.sigmoid(gate["i"] + p[0] * c), torch.sigmoid(gate["f"] + p[1] * c)
        c = f * c + i * torch.tanh(gate["g"])
        h = torch.sigmoid(gate["o"] + p[2] * c) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs, 1), h, c


@pytest.mark.parametrize("peepholes", [False, True])
def test_it_is_the_papers_equations(peepholes):
    net = layer(2, 3, (3, 5), peepholes=peepholes)
    x = torch.randn(2, 4, 2, 5, 6, dtype=torch.float64)
    output, (h, c) = net(x)
    for ours, wanted in zip((output, h, c), said(net.state_dict(), x, peepholes), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-12)


def test_on_one_place_it_is_the_lstm():
    net, lstm = layer(4, 3, 1, dimensions=1), LSTM(4, 3, batch_first=True).double()
    weights = {name: w.detach() for name, w in net.named_parameters()}
    lstm.load_state_dict(
        {
            "weight_ih_l0": weights["W"][..., 0],
            "weight_hh_l0": weights["U"][..., 0],
            "bias_ih_l0": weights["b"],
            "bias_hh_l0": torch.zeros(12, dtype=torch.float64),
        }
    )
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    wanted, _ = lstm(x)
    torch.testing.assert_close(net(x[..., None])[0][..., 0], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dimensions, kernel", [(1, 3), (1, 2), (2, (2, 3)), (2, 4)])
def test_lengths_end_rows_and_the_rest_is_what_each_row_gives_alone(dimensions, kernel):
    net = layer(2, 3, kernel, dimensions=dimensions)
    places = (5, 4)[:dimensions]
    x, lengths = torch.randn(3, 4, 2, *places, dtype=torch.float64), torch.tensor([4, 0, 2])
    state = tuple(torch.randn(3, 3, *places, dtype=torch.float64) for _ in "hc")
    output, (h, c) = net(x, state, lengths)
    assert output.shape == (3, 4, 3, *places)
    for row, n in enumerate(lengths.tolist()):
        alone, (h_row, c_row) = net(x[row : row + 1, :n], tuple(s[row : row + 1] for s in state))
        torch.testing.assert_close(output[row : row + 1, :n], alone)
        torch.testing.assert_close((h[row], c[row]), (h_row[0], c_row[0]))
        assert not output[row, n:].any()


def test_time_may_come_first():
    net = layer(1, 2, 3, dimensions=1)
    other = layer(1, 2, 3, dimensions=1, batch_first=False)
    x = torch.randn(2, 4, 1, 5, dtype=torch.float64)
    assert torch.equal(net(x)[0], other(x.transpose(0, 1))[0].transpose(0, 1))


@pytest.mark.parametrize("peepholes", [False, True])
def test_gradients_are_finite_differences(peepholes):
    net = layer(1, 2, 2, peepholes=peepholes)
    x = torch.randn(2, 2, 1, 1, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(2, 2, 1, 2, dtype=torch.float64, requires_grad=True) for _ in "hc")
    names, parameters = zip(*net.named_parameters())

    def run(x, h, c, *weights):
        output, (h, c) = torch.func.functional_call(
            net, dict(zip(names, weights)), (x, (h, c), torch.tensor([2, 1]))
        )
        return output, h, c

    assert torch.autograd.gradcheck(run, (x, *state, *parameters))


def test_a_convolution_keeps_the_places_with_kernels_of_any_size():
    x = torch.arange(4.0).view(1, 1, 4)
    assert convolve(x, torch.tensor([[[1.0, 10.0]]])).tolist() == [[[10, 21, 32, 3]]]
    assert convolve(x, torch.tensor([[[1.0, 10.0, 100.0]]]), torch.tensor([1.0])).tolist() == [
        [[101, 211, 322, 33]]
    ]


def test_nothing_to_run_over_gives_nothing_and_the_state_back():
    output, (h, c) = layer(1, 2, 3)(torch.zeros(3, 0, 1, 4, 4, dtype=torch.float64))
    assert output.shape == (3, 0, 2, 4, 4) and not h.any() and not c.any()


@pytest.mark.parametrize("batch, steps", [(0, 5), (3, 0), (0, 0)])
def test_without_a_row_or_a_step_gradients_are_zero(batch, steps):
    made = layer(1, 2, 3, peepholes=True)
    x = torch.zeros(batch, steps, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    h, c = (torch.randn(batch, 2, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    for state in (None, (h, c)):
        for lengths in (None, [0] * batch):
            output, ends = made(x, state, lengths)
            for result in (output, *ends):
                found = torch.autograd.grad(
                    result.sum(), [x, *made.parameters()], retain_graph=True, materialize_grads=True
                )
                assert not any(d.any() for d in found)
            output.sum().backward()


def test_parameters_start_again_within_the_same_bound():
    made = ConvLSTM(3, 5, (2, 3), peepholes=True)
    before = [p.clone() for p in made.parameters()]
    made.reset_parameters()
    for p, old in zip(made.parameters(), before, strict=True):
        assert not torch.equal(p, old) and p.abs().max() <= 1 / 30**0.5 and p.requires_grad


X = torch.zeros(2, 3, 1, 4, 4, dtype=torch.float64)
MISTAKES = {
    "three dimensions": (
        lambda: ConvLSTM(1, 2, 3, dimensions=3),
        InputError,
        r"dimensions=3\): write 1",
    ),
    "a kernel with a size missing": (
        lambda: ConvLSTM(1, 2, (3,)),
        SizeError,
        r"kernel_size=\(3,\)\).*for each dimension, here 2, or one",
    ),
    "no channels": (
        lambda: ConvLSTM(0, 2, 3),
        InputError,
        "input_channels=0: write a whole number above 0",
    ),
    "another number of channels": (
        lambda: layer(2, 2, 3)(X),
        SizeError,
        r"\(2, 3, 1, 4, 4\): give it \(B, T, 2, places, places\)",
    ),
    "a line for pictures": (
        lambda: layer(1, 2, 3)(X[..., 0]),
        SizeError,
        r"give it \(B, T, 1, places, places\)",
    ),
    "a state of another shape": (
        lambda: layer(1, 2, 3)(X, (X[:, 0], X[:, 0])),
        SizeError,
        r"give both the shape \(2, 2, 4, 4\)",
    ),
    "lengths beyond the end": (
        lambda: layer(1, 2, 3)(X, lengths=torch.tensor([4, 1])),
        SizeError,
        r"from 1 to 4 and the sequences have 3 step\(s\): write 2 whole number",
    ),
    "lengths for other rows": (
        lambda: layer(1, 2, 3)(X, lengths=torch.tensor([1])),
        SizeError,
        r"\(1,\) and the batch has 2 row\(s\): write 2 whole number",
    ),
    "lengths between two steps": (
        lambda: layer(1, 2, 3)(X, lengths=[1.5, 3.0]),
        InputError,
        r"\[1.5, 3.0\] are not whole",
    ),
    "places that are truth values": (
        lambda: layer(1, 2, 3, batch_first=1),
        ArgumentTypeError,
        "batch_first=1: write True or False",
    ),
    "a list": (
        lambda: layer(1, 2, 3)(X.tolist()),
        ArgumentTypeError,
        r"given list: give it x, or x and \(h, c\)",
    ),
    "one state": (
        lambda: layer(1, 2, 3)(X, (X,)),
        ArgumentTypeError,
        "given Tensor, Tensor: give it x, or x and",
    ),
    "another dtype": (
        lambda: layer(1, 2, 3)(X.float()),
        TensorError,
        r"x of torch.float32 .*write x.to\('cpu', torch.float64\)",
    ),
    "a state elsewhere": (
        lambda: layer(1, 2, 3)(X, (X.to("meta"),) * 2),
        TensorError,
        "h of torch.float64 on meta",
    ),
    "a kernel size that is not whole": (
        lambda: layer(1, 2, 3.0),
        ArgumentTypeError,
        "kernel_size=3.0: write a whole number above 0",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()
