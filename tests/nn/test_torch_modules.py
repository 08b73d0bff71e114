"""RNN, LSTM and GRU on the module inputs and error inputs that torch ships for its own, and what
else torch tests of a module.
"""

import copy
import pickle
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import ostinato
from ostinato.errors import OstinatoError, SizeError, TensorError

pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported with oneDNN:UserWarning"
)

KINDS = ("RNN", "LSTM", "GRU")
DTYPES = (torch.float32, torch.float64)

# In a process of its own, because importing torch's test code freezes torch.backends. Of
# expecttest, which may not be installed, that code needs the name of a base class only.
SHIPPED = """
import pickle, sys, types, unittest
try:
    import expecttest
except ModuleNotFoundError:
    sys.modules["expecttest"] = types.SimpleNamespace(TestCase=unittest.TestCase)
import torch
from torch.testing._internal.common_modules import module_db
found = {}
for info in module_db:
    kind = info.module_cls.__name__
    if info.module_cls not in (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU):
        continue
    packed = {} if kind == "LSTM" else {"with_packed_sequence": True}
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.float64):
        given = info.module_inputs_func(info, "cpu", dtype, False, True, **packed)
        found[kind, dtype, "inputs"] = [
            (one.constructor_input.args, one.constructor_input.kwargs, one.forward_input.args, one.forward_input.kwargs) for one in given]
        found[kind, dtype, "errors"] = [
            (one.module_error_input.constructor_input.args, one.module_error_input.constructor_input.kwargs,
             one.module_error_input.forward_input.args if one.module_error_input.forward_input else (),
             one.error_on.name, one.error_type.__name__)
            for one in info.module_error_inputs_func(info, "cpu", dtype, False, True)]
sys.stdout.buffer.write(pickle.dumps(found))
"""


@dataclass
class Given:
    """The arguments of a module and of a call."""

    args: tuple
    kwargs: dict
    inputs: tuple
    named: dict


@pytest.fixture(scope="session")
def shipped():
    """The inputs that torch ships, by the name of the module, the dtype, and "inputs" or
    "errors".
    """
    run = subprocess.run([sys.executable, "-c", SHIPPED], capture_output=True, timeout=300)
    if run.returncode:
        pytest.skip(f"torch's test code cannot be imported: {run.stderr.decode().splitlines()[-1]}")
    return pickle.loads(run.stdout)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def pair(kind, given, dtype=torch.float64, **more):
    """torch.nn's module and ours with the same weights."""
    theirs = getattr(nn, kind)(*given.args, **given.kwargs, dtype=dtype)
    ours = getattr(ostinato, kind)(*given.args, **given.kwargs, dtype=dtype, **more)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def tensors(value) -> list[torch.Tensor]:
    """The tensors of inputs or results."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, PackedSequence):
        return [value.data]
    return [t for one in value if one is not None for t in tensors(one)]


def leaves(value):
    """Inputs whose tensors are leaves that want gradients."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_()
    if isinstance(value, PackedSequence):
        return value._replace(data=leaves(value.data))
    return tuple(map(leaves, value)) if isinstance(value, tuple) else value


def run(module, given):
    """The tensors that a call gives, then the gradients of all inputs and parameters."""
    inputs = leaves(given.inputs)
    found = tensors(module(*inputs, **given.named))
    generator = torch.Generator().manual_seed(1)
    loss = sum((t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum() for t in found)
    return [*found, *torch.autograd.grad(loss, [*tensors(inputs), *module.parameters()])]


def in_batches(given):
    """The same with three rows, where there is one sequence without a batch."""
    if any(isinstance(x, PackedSequence) for x in given.inputs):
        return given
    x, *state = given.inputs
    along = 0 if given.kwargs.get("batch_first") else 1
    states = [tuple(torch.stack([s, 2 * s, -s], 1) for s in tensors(one)) for one in state]
    return Given(
        given.args,
        given.kwargs,
        (torch.stack([x, 2 * x, -x], along), *(s if len(s) > 1 else s[0] for s in states)),
        given.named,
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_states_and_gradients_are_those_of_torch_nn(kind, dtype, engine, shipped, close):
    given = [Given(*one) for one in shipped[kind, dtype, "inputs"]]
    assert len(given) >= 16
    # A call with a batch takes another way from its third time on.
    for one, modes in [(one, (True, False)) for one in given] + [
        (in_batches(one), (True, True, True, False)) for one in given
    ]:
        theirs, ours = pair(kind, one, dtype, engine=engine)
        wanted = run(theirs, one)
        for training in modes:
            found = run(ours.train(training), one)
            assert len(found) == len(wanted)
            for left, right in zip(found, wanted):
                assert left.dtype == right.dtype
                close(left, right)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_of_the_classes_that_torch_nn_raises(kind, dtype, shipped):
    errors = shipped[kind, dtype, "errors"]
    assert len(errors) >= 14
    for args, kwargs, inputs, where, name in errors:
        make = getattr(ostinato, kind)
        assert where in ("CONSTRUCTION_ERROR", "FORWARD_ERROR")
        if where == "FORWARD_ERROR":
            module = make(*args, **kwargs)
        with pytest.raises(OstinatoError) as caught:
            make(*args, **kwargs) if where == "CONSTRUCTION_ERROR" else module(*inputs)
        assert name in [each.__name__ for each in type(caught.value).__mro__], (args, kwargs, name)


# ---------------------------------------------------------------- errors that torch does not list

X, H = torch.randn(5, 4, 3), torch.zeros(1, 4, 6)


def states(kind, *shape, **more):
    s = torch.zeros(*shape, **more)
    return (s, s) if kind == "LSTM" else s


MAKING = {
    "input_size None": lambda K: K(None, 6),
    "hidden_size None": lambda K: K(3, None),
    "hidden_size -1": lambda K: K(3, -1),
    "num_layers 1.5": lambda K: K(3, 6, 1.5),
    "num_layers '1'": lambda K: K(3, 6, "1"),
    "num_layers None": lambda K: K(3, 6, None),
    "bias None": lambda K: K(3, 6, bias=None),
    "dropout 2": lambda K: K(3, 6, 2, dropout=2),
    "dropout -1": lambda K: K(3, 6, 2, dropout=-1),
    "dropout 'a'": lambda K: K(3, 6, 2, dropout="a"),
    "dropout True": lambda K: K(3, 6, 2, dropout=True),
    "dropout None": lambda K: K(3, 6, 2, dropout=None),
    "dropout []": lambda K: K(3, 6, 2, dropout=[]),
    "proj_size 10": lambda K: K(3, 6, proj_size=10),
    "proj_size 6": lambda K: K(3, 6, proj_size=6),
    "proj_size -1": lambda K: K(3, 6, proj_size=-1),
    "proj_size 1.5": lambda K: K(3, 6, proj_size=1.5),
    "proj_size '1'": lambda K: K(3, 6, proj_size="1"),
}
CALLS = {
    "an input of other units": lambda m, kind: m(X[..., :2]),
    "an input of one dimension": lambda m, kind: m(X[0, 0]),
    "an input of four dimensions": lambda m, kind: m(X[None]),
    "an input of no dimension": lambda m, kind: m(X[0, 0, 0]),
    "an input of another dtype": lambda m, kind: m(X.double()),
    "an input of whole numbers": lambda m, kind: m(X.long()),
    "an input of truth values": lambda m, kind: m(X > 0),
    "a complex input": lambda m, kind: m(X.cfloat()),
    "an input on another device": lambda m, kind: m(X.to("meta")),
    "a sparse input": lambda m, kind: m(X.to_sparse()),
    "a packed input without units": lambda m, kind: m(pack_sequence([X[0, :, 0]])),
    "a state of another batch": lambda m, kind: m(X, states(kind, 1, 3, 6)),
    "a state of other layers": lambda m, kind: m(X, states(kind, 2, 4, 6)),
    "a state of other units": lambda m, kind: m(X, states(kind, 1, 4, 5)),
    "a state without layers": lambda m, kind: m(X, states(kind, 4, 6)),
    "a state of four dimensions": lambda m, kind: m(X, states(kind, 1, 1, 4, 6)),
    "a state with a batch for one sequence": lambda m, kind: m(X[:, 0], states(kind, 1, 1, 6)),
    "a vector for the state of one sequence": lambda m, kind: m(X[:, 0], states(kind, 6)),
    "a state of other layers for one sequence": lambda m, kind: m(X[:, 0], states(kind, 2, 6)),
    "a state of another dtype": lambda m, kind: m(X, states(kind, 1, 4, 6, dtype=torch.float64)),
    "a state on another device": lambda m, kind: m(X, states(kind, 1, 4, 6, device="meta")),
    "three states": lambda m, kind: m(X, (H, H, H)),
    "two states of unequal units": lambda m, kind: m(X, (H, H[..., :5])),
    "no input": lambda m, kind: m(),
    "None for an input": lambda m, kind: m(None),
    "a list for an input": lambda m, kind: m(X.tolist()),
    "an array for an input": lambda m, kind: m(X.numpy()),
    "a number for a state": lambda m, kind: m(X, 0),
    "a text for a state": lambda m, kind: m(X, "ab"),
    "None for one of two states": lambda m, kind: m(X, (H, None)),
}
# What torch meets by accident where it looks for an attribute or an item of a thing of the wrong
# type.
ACCIDENTS = (AttributeError, IndexError)


def caught(call):
    with pytest.raises(Exception) as found:
        call()
    return found.value


@pytest.mark.parametrize("given", MAKING)
@pytest.mark.parametrize("kind", KINDS)
def test_arguments_that_torch_nn_refuses_are_refused_by_its_class(kind, given):
    theirs, ours = (
        caught(lambda: MAKING[given](getattr(library, kind))) for library in (nn, ostinato)
    )
    assert isinstance(ours, type(theirs)) and isinstance(ours, OstinatoError)


@pytest.mark.parametrize("calls", [0, 3], ids=["first call", "prepared"])
@pytest.mark.parametrize("given", CALLS)
@pytest.mark.parametrize("kind", KINDS)
def test_calls_that_torch_nn_refuses_are_refused_by_its_class(kind, given, calls):
    theirs, ours = getattr(nn, kind)(3, 6), getattr(ostinato, kind)(3, 6)
    for _ in range(calls):
        ours(X), ours(X, states(kind, 1, 4, 6))
    wanted, found = (caught(lambda: CALLS[given](module, kind)) for module in (theirs, ours))
    assert isinstance(
        found, (TypeError, TensorError) if isinstance(wanted, ACCIDENTS) else type(wanted)
    )


def test_packed_sequences_that_do_not_fit_are_refused(kind):
    made = getattr(ostinato, kind)(3, 6)
    for call in (
        lambda: made(pack_sequence([X[0, :, :2]])),
        lambda: made(pack_sequence([X[0]]), states(kind, 1, 2, 6)),
    ):
        with pytest.raises(SizeError):
            call()


# ---------------------------------------------------------------- what torch tests of every module


def test_a_module_is_made_on_the_device_and_of_the_dtype_asked_for(kind):
    for dtype in (torch.float16, torch.bfloat16, *DTYPES):
        made = getattr(ostinato, kind)(3, 6, 2, bidirectional=True, device="meta", dtype=dtype)
        assert all(p.is_meta and p.dtype == dtype for p in made.parameters())
    with torch.device("meta"):
        assert all(p.is_meta for p in getattr(ostinato, kind)(3, 6).parameters())


def test_a_module_that_ran_is_copied_pickled_and_loaded(kind, tmp_path, close):
    made = getattr(ostinato, kind)(3, 6, 2, bidirectional=True)
    for _ in range(3):
        wanted = made(X)[0]
    torch.save(made, tmp_path / "module.pt")
    loaded = torch.load(tmp_path / "module.pt", weights_only=False)
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), loaded):
        assert repr(other) == repr(made)
        assert {p.data_ptr() for p in other.parameters()}.isdisjoint(
            p.data_ptr() for p in made.parameters()
        )
        close(other(X)[0], wanted)


def laid_out(t, how):
    """The same numbers in another order in memory."""
    if how == "strided":
        return torch.stack([t, torch.full_like(t, torch.nan)], -1)[..., 0]
    if how == "turned":
        return t.permute(*reversed(range(t.dim()))).contiguous().permute(*reversed(range(t.dim())))
    raise ValueError(how)


@pytest.mark.parametrize("how", ["strided", "turned"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_inputs_states_and_gradients_may_lie_in_memory_in_any_order(
    kind, batch_first, how, engine, close
):
    theirs, ours = pair(kind, Given((3, 6, 2), {"batch_first": batch_first}, (), {}), engine=engine)
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    state = states(kind, 2, 5 if batch_first else 4, 6, dtype=torch.float64)
    state = tuple(torch.randn_like(s) for s in state) if kind == "LSTM" else torch.randn_like(state)
    d = torch.randn(5, 4, 6, dtype=torch.float64)
    for _ in range(3):
        found = []
        for module, change in ((theirs, lambda t: t), (ours, lambda t: laid_out(t, how))):
            given = [change(t).requires_grad_() for t in (x, *tensors(state))]
            assert change(x).is_contiguous() == (module is theirs)
            output, ends = module(given[0], tuple(given[1:]) if kind == "LSTM" else given[1])
            leaves = [*given, *module.parameters()]
            found.append([output, *tensors(ends), *torch.autograd.grad(output, leaves, change(d))])
        for left, right in zip(*found, strict=True):
            close(left, right)


def test_training_and_evaluation_differ_where_there_is_dropout(kind):
    made = getattr(ostinato, kind)(3, 6, 2, dropout=0.5)
    assert not torch.equal(made(X)[0], made.eval()(X)[0])
    assert torch.equal(made(X)[0], made(X)[0])
    assert not torch.equal(made.train()(X)[0], made(X)[0])


def test_a_packed_sequence_may_come_again_and_again(kind, engine, close):
    theirs, ours = pair(kind, Given((3, 6), {"batch_first": True}, (), {}), engine=engine)
    for lengths in ([5, 4, 1, 2], [1, 5, 5, 3], [5, 4, 1, 2], [5, 4, 1, 2]):
        x = pack_padded_sequence(
            X.double().transpose(0, 1), lengths, batch_first=True, enforce_sorted=False
        )
        (wanted, ends), (found, mine) = theirs(x), ours(x)
        close(found.data, wanted.data)
        for left, right in zip(tensors(mine), tensors(ends), strict=True):
            close(left, right)


def test_results_may_be_changed_in_place(kind):
    made = getattr(ostinato, kind)(3, 6)
    with torch.no_grad():
        for _ in range(3):
            first = made(X)[0]
            kept = first.clone()
            first.zero_()
            assert torch.equal(made(X)[0], kept)
