"""Every way to change a weight, in every memory layout, is seen by the next call, as `torch.nn`
sees it.

A stream sees every change that torch counts, and the others after `refresh()`: `Stream` says so.
"""

import ctypes
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel

from ostinato import LSTM
from ostinato.engines import doctor

pytestmark = pytest.mark.skipif(
    not {name: runs for name, runs, _ in doctor()}["cpu"], reason="the cpu engine does not run here"
)

# The input's weight is square, so that it can be transposed in place: (4 H, I) = (256, 256). It has
# 256 KiB.
INPUT, HIDDEN, NAME = 256, 64, "weight_ih_l0"


@dataclass(frozen=True)
class Way:
    """One way to change a weight.

    Attributes:
        change: Takes the module and the tensor whose numbers are to change.
        counted: Whether torch counts the change, or the tensor has other memory afterwards.
        whole: It replaces the parameter, or works with a contiguous one only.
        plain: It does not work in inference mode.
    """

    change: Callable
    counted: bool = True
    whole: bool = False
    plain: bool = False


WAYS: dict[str, Way] = {}


def way(**about):
    """Add a way to the table, under the function's name."""

    def add(change):
        WAYS[change.__name__.replace("_", " ")] = Way(change, **about)

    return add


def _other(p):
    return torch.randn_like(p) * 0.1


def _optimize(module, p, kind, **settings):
    p.grad = _other(p)
    kind([p], lr=0.5, **settings).step()


@way(plain=True)
def sgd(module, p):
    _optimize(module, p, torch.optim.SGD)


@way(plain=True)
def adam_foreach(module, p):
    _optimize(module, p, torch.optim.Adam, foreach=True)


@way(plain=True)
def adamw_fused(module, p):
    _optimize(module, p, torch.optim.AdamW, fused=True)


@way(plain=True)
def an_optimizer_of_all_parameters(module, p):
    for q in module.parameters():
        q.grad = _other(q)
    torch.optim.RMSprop(module.parameters(), lr=0.01).step()


@way()
def added_in_place(module, p):
    p.add_(0.01)


@way()
def one_number(module, p):
    p[131, 77] += 1.0


@way()
def one_number_by_index_put(module, p):
    p.index_put_((torch.tensor([131]), torch.tensor([77])), torch.tensor(1.5))


@way()
def one_number_of_a_view(module, p):
    p.t()[77, 131] = -1.0


@way()
def two_numbers_exchanged(module, p):
    p[3, 5], p[200, 5] = p[200, 5].item(), p[3, 5].item()


@way()
def rows_exchanged(module, p):
    p.copy_(p.flip(0))


@way()
def all_signs(module, p):
    p.neg_()


@way()
def two_signs(module, p):
    p[7, 100] *= -1
    p[9, 100] *= -1


@way()
def copied(module, p):
    p.copy_(_other(p))


@way()
def zeroed(module, p):
    p.zero_()


@way()
def an_out_argument(module, p):
    torch.mul(p, 0.5, out=p)


@way()
def foreach(module, p):
    torch._foreach_mul_([p], 0.5)


@way()
def masked(module, p):
    p.masked_fill_(p > 0.05, 0.0)


@way()
def clamped(module, p):
    p.clamp_(-0.01, 0.01)


@way()
def initialised(module, p):
    nn.init.xavier_normal_(p)


@way()
def through_detach(module, p):
    p.detach()[10:30] = 0


@way()
def in_another_thread(module, p):
    def work():
        with torch.inference_mode(p.is_inference()), torch.no_grad():
            p.mul_(0.5)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@way(whole=True, plain=True)
def reset_parameters(module, p):
    module.reset_parameters()


@way(counted=False)
def rows_through_data(module, p):
    p.data[10:30].zero_()


@way(counted=False)
def one_number_through_data(module, p):
    p.data[131, 77] += 1.0


@way(counted=False)
def all_numbers_through_data(module, p):
    p.data.copy_(_other(p))


@way(counted=False)
def rows_through_numpy(module, p):
    p.detach().numpy()[10:30] = 0


@way(counted=False)
def one_number_through_numpy(module, p):
    p.detach().numpy()[131, 77] += 1.0


@way(counted=False)
def dlpack(module, p):
    np.from_dlpack(p.detach())
    torch.from_dlpack(p.detach().__dlpack__())[17:19] = 0.25


@way(counted=False)
def its_storage(module, p):
    numbers = torch.empty(0).set_(p.untyped_storage())
    numbers[p.storage_offset() + p.stride(0) * 131] = 2.0


@way(counted=False)
def its_address(module, p):
    ctypes.memset(p.data_ptr(), 0, 8)


@way()
def new_memory_through_data(module, p):
    p.data = _other(p)


@way()
def a_copy_with_one_change_through_data(module, p):
    q = p.data.clone()
    q[131, 77] += 1.0
    p.data = q


@way()
def transposed_through_data(module, p):
    p.data = p.data.T


@way(plain=True)
def transposed_in_place(module, p):
    p.t_()


@way(plain=True)
def set_to_other_memory(module, p):
    p.set_(_other(p))


@way(whole=True, plain=True)
def a_vector_to_parameters(module, p):
    vector = nn.utils.parameters_to_vector(module.parameters())
    nn.utils.vector_to_parameters(vector * 0.5, module.parameters())


@way(plain=True)
def averaged(module, p):
    averages = AveragedModel(nn.Identity())
    averages.module = nn.ParameterList([p])
    averages.n_averaged += 1
    averages.update_parameters(nn.ParameterList([_other(p)]))


@way(whole=True)
def a_new_parameter(module, p):
    setattr(module, NAME, nn.Parameter(_other(p)))


@way(whole=True)
def a_new_transposed_parameter(module, p):
    setattr(module, NAME, nn.Parameter(_other(p).T))


@way(whole=True)
def registered_again(module, p):
    delattr(module, NAME)
    module.register_parameter(NAME, nn.Parameter(_other(p)))


@way(whole=True)
def loaded(module, p):
    module.load_state_dict(LSTM(INPUT, HIDDEN).state_dict())


@way(whole=True)
def loaded_by_assignment(module, p):
    module.load_state_dict(LSTM(INPUT, HIDDEN).state_dict(), assign=True)


@way(whole=True)
def loaded_transposed_by_assignment(module, p):
    state = LSTM(INPUT, HIDDEN).state_dict()
    module.load_state_dict(state | {NAME: state[NAME].T.contiguous().T}, assign=True)


@way(whole=True, plain=True)
def swapped(module, p):
    torch.utils.swap_tensors(p, nn.Parameter(_other(p)))


@way(whole=True)
def parametrized_(module, p):
    parametrize.register_parametrization(module, NAME, nn.Tanh())


@way(whole=True, plain=True)
def weight_norm(module, p):
    parametrizations.weight_norm(module, NAME)
    getattr(module.parametrizations, NAME).original0.data.mul_(0.5)


@way(whole=True, plain=True)
def pruned(module, p):
    prune.random_unstructured(module, NAME, 0.5)


@way(whole=True, plain=True)
def pruned_for_good(module, p):
    prune.random_unstructured(module, NAME, 0.5)
    prune.remove(module, NAME)


# ------------------------------------------------------------ how the weights lie in memory


def contiguous(module):
    return getattr(module, NAME)


def transposed(module):
    for name, p in [*module.named_parameters()]:
        if p.dim() == 2:
            setattr(module, name, nn.Parameter(p.detach().T.contiguous().T))
    return getattr(module, NAME)


def strided(module):
    for name, p in [*module.named_parameters()]:
        doubled = torch.stack((p.detach(), torch.full_like(p, torch.nan)), -1)
        setattr(module, name, nn.Parameter(doubled[..., 0]))
    return getattr(module, NAME)


def part_of_a_larger_one(module):
    for name, p in [*module.named_parameters()]:
        if p.dim() == 2:
            larger = torch.full((p.shape[0], 5 * p.shape[1]), torch.nan)
            larger[:, 7 : 7 + p.shape[1]] = p.detach()
            setattr(module, name, nn.Parameter(larger[:, 7 : 7 + p.shape[1]]))
    return getattr(module, NAME)


class Halved(nn.Module):
    def forward(self, w):
        return 0.5 * w


def parametrized(module):
    parametrize.register_parametrization(module, NAME, Halved())
    return getattr(module.parametrizations, NAME).original


def tied(module):
    """The change is made through another layer, which has the same memory as another parameter."""
    other = LSTM(INPUT, HIDDEN)
    setattr(other, NAME, nn.Parameter(getattr(module, NAME).detach()))
    return getattr(other, NAME)


LAYOUTS = [contiguous, transposed, strided, part_of_a_larger_one, parametrized, tied]


# ------------------------------------------------------------ the test


def wanted(module, x, state=None):
    """The result of torch.nn with the weights as they are now, and the gradient of x."""
    with torch.inference_mode(False), torch.enable_grad():
        peer, x = nn.LSTM(INPUT, HIDDEN), x.clone().requires_grad_()
        with torch.no_grad():
            for name, p in peer.named_parameters():
                p.copy_(getattr(module, name))
        output, _ = peer(x, state and tuple(s.clone() for s in state))
        return output.detach(), torch.autograd.grad(output.sum(), x)[0]


def training(module, x, close):
    def call():
        given = x.clone().requires_grad_()
        output, _ = module(given)
        return output, torch.autograd.grad(output.sum(), given)[0]

    for _ in range(3):
        call()
    yield
    for _ in range(3):
        for found, truth in zip(call(), wanted(module, x), strict=True):
            close(found, truth)


def inference(module, x, close):
    for _ in range(3):
        module(x)
    yield
    for _ in range(3):
        close(module(x)[0], wanted(module, x)[0])


def streaming(module, x, close, *, refresh: bool):
    stream = module.stream(x.shape[1])
    for _ in range(3):
        stream.step(x[0])
    state = stream.state
    yield
    if refresh:
        stream.refresh()
    truth = wanted(module, x, state)[0]
    for k in range(3):
        close(stream.step(x[k]), truth[k])


def cases():
    """Each way, with the layouts in which torch allows it."""
    for name, made in WAYS.items():
        for layout in ["contiguous"] if made.whole else [layout.__name__ for layout in LAYOUTS]:
            yield name, layout
        if not made.plain and not made.whole:
            yield name, "inference mode"


@pytest.mark.parametrize("name, layout", [*cases()])
def test_every_change_of_a_weight_is_seen(name, layout, close):
    made, by_inference = WAYS[name], layout == "inference mode"
    layouts = {f.__name__: f for f in LAYOUTS}
    x = torch.randn(5, 2, INPUT)
    with torch.inference_mode(by_inference):
        module = LSTM(INPUT, HIDDEN)
        p = layouts.get(layout, contiguous)(module)
    refresh = layout == "tied" or not (made.counted or by_inference)
    checks = [streaming(module, x, close, refresh=refresh), inference(module, x, close)] + [
        training(module, x, close)
    ] * (not by_inference)
    run(checks)
    with torch.inference_mode(by_inference), torch.no_grad():
        before = getattr(module, NAME).clone()
        made.change(module, p)
        assert not torch.equal(before, getattr(module, NAME)) or layout == "tied"
    run(checks)


def run(checks):
    """Let each check go on to where the weights change, or to its end."""
    for check in checks:
        with torch.set_grad_enabled(check.__name__ == "training"):
            next(check, None)


def test_a_change_by_another_process_is_seen(tmp_path, close):
    file = tmp_path / "weight"
    np.random.default_rng(0).normal(0, 0.1, INPUT * 4 * HIDDEN).astype(np.float32).tofile(file)
    x, module = torch.randn(5, 2, INPUT), LSTM(INPUT, HIDDEN)
    shared = torch.from_file(str(file), shared=True, size=INPUT * 4 * HIDDEN).view(
        4 * HIDDEN, INPUT
    )
    setattr(module, NAME, nn.Parameter(shared))
    checks = [
        streaming(module, x, close, refresh=True),
        inference(module, x, close),
        training(module, x, close),
    ]
    run(checks)
    code = (
        f"import numpy as np; np.memmap({str(file)!r}, np.float32, 'r+', shape=({4 * HIDDEN}, "
        f"{INPUT}))[10:30] = 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not shared[10:30].any()
    run(checks)


@pytest.mark.parametrize("training_", [True, False])
def test_other_weights_by_functional_call_are_seen(training_, close):
    x, module = torch.randn(5, 2, INPUT), LSTM(INPUT, HIDDEN)
    with torch.set_grad_enabled(training_):
        for _ in range(3):
            module(x)
        for _ in range(3):
            other = LSTM(INPUT, HIDDEN)
            found = torch.func.functional_call(module, dict(other.named_parameters()), (x,))[0]
            close(found.detach(), wanted(other, x)[0])
            close(module(x)[0].detach(), wanted(module, x)[0])


@pytest.mark.parametrize("dtype", [torch.half, torch.double])
def test_a_layer_is_converted_by_swapping_its_parameters(dtype, close):
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        module, x = LSTM(5, 6), torch.randn(3, 2, 5)
        stream = module.stream(2)
        for _ in range(3):
            module(x)[0].sum().backward()
            stream.step(x[0])
            with torch.no_grad():
                module(x)
        module.zero_grad()
        wanted = module(x)[0].detach()
        module.to(dtype)
        assert all(p.dtype is dtype for p in module.parameters())
        close(
            module(x.to(dtype))[0].float(),
            wanted,
            torch.half if dtype is torch.half else torch.float32,
        )
        module.load_state_dict(LSTM(5, 6).to(dtype).state_dict())
        module(x.to(dtype))
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def test_a_stream_whose_weights_are_of_another_dtype_goes_on_after_refresh(close):
    module = LSTM(5, 6)
    stream, xs = module.stream(2), torch.randn(4, 2, 5)
    for x in xs[:2]:
        stream.step(x)
    module.double()
    stream.state = tuple(s.double() for s in stream.state)
    close(
        torch.stack([stream.step(x.double()) for x in xs[2:]]),
        module(xs.double())[0][2:].detach(),
        torch.float32,
    )
