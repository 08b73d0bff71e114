"""Layers under torch's own tools: compiling, checkpoints, gradients of several kinds, recording,
default devices.
"""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx

from ostinato import GRU, LSTM


# Torch's own, where it goes on compiling with what came between two graphs.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("lengths", [None, [5, 2, 0]], ids=str)
def test_a_compiled_model_gives_what_the_model_gives(engine, lengths, close):
    layer = LSTM(2, 3, batch_first=True, engine=engine)
    below, x = nn.Linear(2, 2), torch.randn(3, 5, 2)

    def model(x):
        return layer(below(x).tanh(), lengths=lengths)[0].square()

    compiled = torch.compile(model, backend="eager")
    for _ in range(3):
        found, wanted = compiled(x), model(x)
        close(found, wanted)
        leaves = [*below.parameters(), *layer.parameters()]
        for left, right in zip(
            *(torch.autograd.grad(y.sin().sum(), leaves) for y in (found, wanted)), strict=True
        ):
            close(left, right)
    with torch.no_grad():
        close(compiled(x), wanted)


def test_a_compiled_step_is_a_step(close):
    layer, x = GRU(2, 3), torch.randn(5, 4, 2)
    stream = layer.stream(4)
    step = torch.compile(lambda x: stream.step(x) * 2, backend="eager")
    close(torch.stack([step(one) for one in x]), layer(x)[0] * 2)


@pytest.mark.parametrize("calls", [1, 3], ids=["first call", "prepared"])
@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_layer_under_torchs_checkpoint_learns_as_without(engine, use_reentrant, calls, close):
    layer, x = GRU(3, 4, engine=engine), torch.randn(5, 2, 3, requires_grad=True)
    learned = [x, *layer.parameters()]
    for _ in range(calls):
        found = []
        for output in (
            torch.utils.checkpoint.checkpoint(
                lambda x: layer(x)[0], x, use_reentrant=use_reentrant
            ),
            layer(x)[0],
        ):
            layer.zero_grad()
            x.grad = None
            output.sin().sum().backward()
            found.append([t.grad.clone() for t in learned])
        for mine, wanted in zip(*found):
            close(mine, wanted)


@pytest.mark.parametrize("bias", [True, False])
def test_several_gradients_at_once(engine, bias, close):
    layer, x = GRU(3, 4, bias=bias, engine=engine), torch.randn(5, 2, 3, requires_grad=True)
    learned = [x, *layer.parameters()]
    for _ in range(3):
        y, d = layer(x)[0], torch.randn(3, 5, 2, 4)
        found = torch.autograd.grad(y, learned, d, is_grads_batched=True, retain_graph=True)
        for k in range(3):
            for mine, wanted in zip(
                found, torch.autograd.grad(y, learned, d[k], retain_graph=True)
            ):
                close(mine[k], wanted)


# Torch's own: so it has some of its forward derivatives.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_a_tangent_goes_through_a_frozen_layer(close):
    layer, x, t = GRU(3, 4).requires_grad_(False), torch.randn(5, 2, 3), torch.randn(5, 2, 3)
    for _ in range(3):
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, t))[0]).tangent.clone()
        close(tangent, torch.func.jvp(lambda x: layer(x)[0], (x,), (t,))[1])


@pytest.mark.parametrize("learning", [True, False])
def test_a_tensor_that_has_left_its_transform_is_read_as_it_is(engine, learning, close):
    left = []
    layer, x, h = GRU(3, 4, engine=engine), torch.randn(5, 2, 3), torch.randn(1, 2, 4)
    torch.func.grad(lambda *given: (left.extend(given), given[0].sum())[1], (0, 1))(x, h)
    given, start = left
    wanted, end = layer(x, h)
    for _ in range(3):
        with torch.set_grad_enabled(learning):
            for found, last in (layer(given, start), layer(given, h), layer(x, start)):
                close(found, wanted)
                close(last, end)
            if learning:
                found.sum().backward()


def test_a_recorded_layer_gives_what_the_layer_gives(close):
    layer, x, other = GRU(3, 4), torch.randn(5, 2, 3), torch.randn(5, 2, 3)
    with torch.no_grad():
        close(make_fx(lambda x: layer(x)[0])(x)(other), layer(other)[0])


def test_a_default_device_is_not_where_a_layer_elsewhere_works(engine, close):
    layer, x = LSTM(3, 4, engine=engine), torch.randn(5, 2, 3, requires_grad=True)
    stream = layer.stream(2)
    for _ in range(3):
        wanted = torch.autograd.grad(layer(x, lengths=[5, 2])[1][0].sum() + layer(x)[0].sum(), x)[0]
        step = stream.step(x[0])
        stream.reset()
        with torch.device("meta"):
            close(
                torch.autograd.grad(layer(x, lengths=[5, 2])[1][0].sum() + layer(x)[0].sum(), x)[0],
                wanted,
            )
            with torch.no_grad():
                close(layer(x)[0][0], step)
            close(stream.step(x[0]), step)
        stream.reset()
    GRU(3, 4, device="meta")(torch.empty(5, 2, 3, device="meta"), lengths=[5, 2])
