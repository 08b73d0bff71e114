"""Types that take a call over: subclasses of Tensor and other types with a `__torch_function__`,
tensors whose numbers are not in their memory, and torch's tools that record a call."""

import warnings

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils._pytree import tree_map

import ostinato
from ostinato.errors import ArgumentTypeError, TracingError
from ostinato.nn.attention import Bahdanau, Luong
from ostinato.nn.conv_lstm import ConvLSTM

KINDS = ("RNN", "LSTM", "GRU")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def pair(kind, **more):
    """torch.nn's layer and ours with the same weights."""
    theirs, ours = (getattr(library, kind)(3, 6, **more) for library in (nn, ostinato))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def every(result):
    """All tensors of a result."""
    output, ends = result
    return [
        output.data if isinstance(output, PackedSequence) else output,
        *(ends if isinstance(ends, tuple) else [ends]),
    ]


def states(kind):
    s = torch.randn(2, 1, 4, 6)
    return (s[0], s[1]) if kind == "LSTM" else s[0]


# ---------------------------------------------------------------- other types


class Named(torch.Tensor):
    """A subclass as most are: the same memory, and torch's own way to keep the type."""


class Wrapped(torch.Tensor):
    """A subclass without memory, which stands for another tensor."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            dtype=inner.dtype,
            device=inner.device,
            requires_grad=inner.requires_grad,
        )

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        def unwrapped(t):
            return t.inner if isinstance(t, cls) else t

        found = func(*tree_map(unwrapped, args), **tree_map(unwrapped, kwargs or {}))
        return tree_map(lambda t: cls(t) if isinstance(t, torch.Tensor) else t, found)


class Duck:
    """Not a tensor, but what torch's functions take for one."""

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        def unwrapped(t):
            return t.inner if isinstance(t, cls) else t

        found = func(*tree_map(unwrapped, args), **tree_map(unwrapped, kwargs or {}))
        return tree_map(lambda t: cls(t) if isinstance(t, torch.Tensor) else t, found)


class Liar:
    """Not a tensor, though `isinstance` says so."""

    shape, dtype, device, is_cpu, layout = (
        torch.Size((5, 4, 3)),
        torch.float32,
        torch.device("cpu"),
        True,
        torch.strided,
    )
    __class__ = torch.Tensor

    def dim(self):
        return 3

    def data_ptr(self):
        return 8


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("where", ["input", "state", "weight"])
def test_a_subclass_is_kept_as_torch_nn_keeps_it(kind, where, batch_first, close):
    theirs, ours = pair(kind, batch_first=batch_first)
    x, state = torch.randn((4, 5, 3) if batch_first else (5, 4, 3)), states(kind)
    for _ in range(3):
        ours(x), ours(x, state)
    if where == "weight":
        for layer in (theirs, ours):
            layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0.detach().as_subclass(Named))
    if where == "input":
        x = x.as_subclass(Named)
    if where == "state":
        state = (
            tuple(s.as_subclass(Named) for s in state)
            if kind == "LSTM"
            else state.as_subclass(Named)
        )
    for _ in range(3):
        results = [layer(x, state) for layer in (theirs, ours)]
        for wanted, found in zip(*map(every, results), strict=True):
            assert type(found) is type(wanted) is Named
            close(found.as_subclass(torch.Tensor), wanted.as_subclass(torch.Tensor))
        wanted, found = (
            torch.autograd.grad(result[0].sin().sum(), [*layer.parameters()])
            for layer, result in zip((theirs, ours), results)
        )
        for left, right in zip(found, wanted):
            close(left.as_subclass(torch.Tensor), right.as_subclass(torch.Tensor))


def test_a_packed_sequence_of_a_subclass_is_kept(kind, close):
    theirs, ours = pair(kind)
    packed = pack_sequence([torch.randn(n, 3) for n in (5, 3, 1)])
    packed = packed._replace(data=packed.data.as_subclass(Named))
    for wanted, found in zip(every(theirs(packed)), every(ours(packed)), strict=True):
        assert type(found) is type(wanted)
        close(found.as_subclass(torch.Tensor), wanted.as_subclass(torch.Tensor))


@pytest.mark.parametrize("other", [Wrapped, Duck])
def test_a_type_without_memory_of_its_own_gets_its_own_type_back(kind, other, close):
    theirs, ours = pair(kind)
    ours.requires_grad_(False)
    x, state = torch.randn(5, 4, 3), states(kind)
    wrapped = tuple(map(other, state)) if kind == "LSTM" else other(state)
    for _ in range(4):
        ours(x, state)
        for wanted, found in zip(
            every(theirs(x, state)), every(ours(other(x), wrapped)), strict=True
        ):
            assert type(found) is other
            close(found.inner, wanted)


def test_a_stream_keeps_a_subclass(close):
    layer, x = ostinato.GRU(3, 6), torch.randn(4, 3)
    stream, plain = layer.stream(4), layer.stream(4)
    for _ in range(3):
        found, wanted = stream.step(x.as_subclass(Named)), plain.step(x)
        assert type(found) is Named and type(wanted) is torch.Tensor
        close(found.as_subclass(torch.Tensor), wanted)


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # torch reads it of weights
def test_a_subclass_that_works_in_a_mode_of_its_own_is_not_read_as_memory(kind):
    ours = getattr(ostinato, kind)(3, 6)
    for _ in range(3):
        ours(torch.randn(5, 4, 3))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = mode.from_tensor(torch.randn(5, 4, 3))
    for _ in range(3):
        assert ours(fake)[0].shape == (5, 4, 6) and type(ours(fake)[0]) is type(fake)
        with mode:
            assert type(ours(fake)[0]) is type(fake)


def test_a_masked_tensor_gives_an_error_and_not_what_lies_in_memory(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it is a prototype
        x = torch.masked.masked_tensor(torch.randn(5, 4, 3), torch.rand(5, 4, 3) > 0.5)
        for library in (nn, ostinato):
            with pytest.raises((TypeError, RuntimeError, ValueError)):
                getattr(library, kind)(3, 6)(x)


LIES = {
    "an input": lambda: ostinato.GRU(3, 6)(Liar()),
    "an input of a prepared layer": lambda: prepared()(Liar()),
    "a state": lambda: ostinato.GRU(3, 6)(torch.randn(5, 4, 3), Liar()),
    "a state of a prepared layer": lambda: prepared()(torch.randn(5, 4, 3), Liar()),
    "a state of a sequence alone": lambda: ostinato.GRU(3, 6)(torch.randn(5, 3), Liar()),
    "lengths": lambda: ostinato.GRU(3, 6)(torch.randn(5, 4, 3), lengths=Liar()),
    "rows to reset": lambda: ostinato.GRU(3, 6).stream(4).reset(Liar()),
    "a step": lambda: ostinato.GRU(3, 6).stream(4).step(Liar()),
    "a step's output": lambda: ostinato.GRU(3, 6).stream(4).step(torch.randn(4, 3), Liar()),
    "a stream's state": lambda: setattr(ostinato.GRU(3, 6).stream(4), "state", Liar()),
    "pictures": lambda: ConvLSTM(1, 2, 3)(Liar()),
    "states of pictures": lambda: ConvLSTM(1, 2, 3)(torch.zeros(2, 3, 1, 4, 4), (Liar(), Liar())),
    "a query": lambda: Luong(3, 4)(Liar(), torch.zeros(5, 6, 3), torch.zeros(5, 6, 4)),
    "a memory": lambda: Bahdanau(3, 4, 5)(torch.zeros(5, 3), torch.zeros(5, 6, 3), Liar()),
}


def prepared():
    layer = ostinato.GRU(3, 6)
    for _ in range(3):
        layer(torch.randn(5, 4, 3)), layer(torch.randn(5, 4, 3), torch.randn(1, 4, 6))
    return layer


@pytest.mark.parametrize("lie", LIES)
def test_what_only_says_that_it_is_a_tensor_is_refused(lie):
    assert isinstance(Liar(), torch.Tensor)
    with pytest.raises(ArgumentTypeError, match="Liar|cannot be read"):
        LIES[lie]()


# ---------------- numbers that are not in memory as they are

# Contiguous, unlike most: a tensor of one number is so in any case.
NUMBERS = {
    "negative": lambda *shape: torch._neg_view(torch.randn(shape)),
    "zero": lambda *shape: torch._efficientzerotensor(shape),
}


def plain(t):
    return torch.empty(t.shape).copy_(t)


@pytest.mark.parametrize("learning", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_the_numbers_are_read_and_not_the_memory(kind, numbers, learning, engine, close):
    ours = getattr(ostinato, kind)(3, 6, engine=None if engine == "cpu" else engine).requires_grad_(
        learning
    )
    make = NUMBERS[numbers]
    for _ in range(4):
        x, h, d = make(5, 4, 3), make(1, 4, 6), make(5, 4, 6)
        given = (h, h) if kind == "LSTM" else h
        same = tuple(map(plain, given)) if kind == "LSTM" else plain(given)
        for found, wanted in ((ours(x), ours(plain(x))), (ours(x, given), ours(plain(x), same))):
            for left, right in zip(every(found), every(wanted)):
                close(left, right)
            if learning:
                for left, right in zip(
                    *(
                        torch.autograd.grad(r[0], [*ours.parameters()], e)
                        for r, e in ((found, d), (wanted, plain(d)))
                    )
                ):
                    close(left, right)


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_step_reads_the_numbers_and_not_the_memory(numbers, close):
    layer = ostinato.LSTM(3, 6, 2)
    stream, same = layer.stream(4), layer.stream(4)
    for _ in range(4):
        x = NUMBERS[numbers](4, 3)
        close(stream.step(x), same.step(plain(x)))
    h = NUMBERS[numbers](2, 4, 6)
    stream.state, same.state = (h, h), (plain(h), plain(h))
    close(stream.step(x), same.step(plain(x)))


def test_weights_are_read_and_not_their_memory(kind, close):
    theirs, ours = pair(kind)
    for layer in (theirs, ours):
        for name, p in [*layer.named_parameters()]:
            setattr(layer, name, nn.Parameter(torch._neg_view(p.detach())))
    x = torch.randn(5, 4, 3)
    for _ in range(4):
        for left, right in zip(every(ours(x)), every(theirs(x)), strict=True):
            close(left, right)


# ---------------------------------------------------------------- torch's tools


class Model(nn.Module):
    """A layer between two others."""

    def __init__(self, layer, units=6):
        super().__init__()
        self.below, self.layer, self.above = nn.Linear(3, 3), layer, nn.Linear(units, 2)

    def forward(self, x):
        output, _ = self.layer(self.below(x))
        return self.above(output)


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = ConvLSTM(1, 2, 3)

    def forward(self, x):
        return self.layer(x)[0]


class Attending(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, query, memory):
        return self.attention(query, self.attention.keys(memory), memory)[0]


X = torch.randn(5, 4, 3)
LAYERS = {
    "RNN": (lambda: Model(ostinato.RNN(3, 6)), (X,)),
    "LSTM": (lambda: Model(ostinato.LSTM(3, 6, 2)), (X,)),
    "GRU": (lambda: Model(ostinato.GRU(3, 6, bidirectional=True), 12), (X,)),
    "Recurrent": (lambda: Model(ostinato.Recurrent("min_gru", 3, 6)), (X,)),
    "ConvLSTM": (Pictures, (torch.randn(2, 3, 1, 4, 4),)),
}
ATTENTIONS = {
    "Luong": (lambda: Attending(Luong(3, 4)), (torch.randn(2, 7, 3), torch.randn(2, 5, 4))),
    "Bahdanau": (
        lambda: Attending(Bahdanau(3, 4, 6)),
        (torch.randn(2, 7, 3), torch.randn(2, 5, 4)),
    ),
}
ALL = LAYERS | ATTENTIONS


@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("calls", [0, 3], ids=["first call", "prepared"])
@pytest.mark.parametrize("name", LAYERS)
def test_jit_trace_is_refused_with_what_to_do(name, calls):
    make, given = LAYERS[name]
    model = make()
    for learning in (True, False):
        with torch.set_grad_enabled(learning):
            for _ in range(calls):
                model(*given)
            with pytest.raises(
                TracingError,
                match=r"number of steps of its example.*write torch.export.export\(model, args, "
                r"strict=False\)",
            ):
                torch.jit.trace(model, given)


@pytest.mark.filterwarnings(
    "ignore:`torch.jit.*is deprecated:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)
def test_jit_trace_of_a_step_is_refused():
    stream = ostinato.GRU(3, 6).stream(4)
    for _ in range(3):
        with pytest.raises(TracingError, match="Stream.step"):
            torch.jit.trace(lambda x: stream.step(x), X[0])
        stream.step(X[0])


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:You are using the legacy:UserWarning"
)
@pytest.mark.parametrize("name", LAYERS)
def test_the_old_export_to_onnx_is_refused_with_what_to_do(name, tmp_path):
    make, given = LAYERS[name]
    with pytest.raises(TracingError, match="dynamo=False"):
        torch.onnx.export(make(), given, tmp_path / "model.onnx", dynamo=False)


@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ALL)
def test_jit_script_is_refused_with_what_to_do(name):
    with pytest.raises(TracingError, match=r"torch.jit.script was given \w+, .*write torch.export"):
        torch.jit.script(ALL[name][0]())


@pytest.mark.parametrize("name", ALL)
def test_a_symbolic_trace_has_the_layer_as_one_node(name, close):
    make, given = ALL[name]
    model = make()
    traced = torch.fx.symbolic_trace(model)
    layers = [
        node
        for node in traced.graph.nodes
        if node.op == "call_module" and node.target in ("layer", "attention")
    ]
    assert len(layers) == 1
    other = [torch.cat([x, x, x], 0 if name in KINDS else 1) for x in given]  # more steps
    for _ in range(3):
        close(traced(*other), model(*other))


@pytest.mark.parametrize("name", ALL)
def test_a_symbolic_trace_of_the_layer_itself_is_refused(name):
    model = ALL[name][0]()
    with pytest.raises(TracingError, match="itself: give it a module that calls it"):
        torch.fx.symbolic_trace(model.attention if name in ATTENTIONS else model.layer)


# Torch's own, where it goes on compiling with what came between two graphs.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "Recurrent"])
def test_a_graph_without_breaks_is_refused_with_what_to_do(name, close):
    make, given = LAYERS[name]
    model = make()
    torch._dynamo.reset()
    with pytest.raises(Exception, match="kernels of its own.*leave out fullgraph=True"):
        torch.compile(model, fullgraph=True, backend="eager")(*given)
    torch._dynamo.reset()
    with pytest.raises(Exception, match="for torch.export.export write strict=False"):
        torch.export.export(model, given, strict=True)
    torch._dynamo.reset()
    close(torch.compile(model, backend="eager")(*given), model(*given))


@pytest.mark.parametrize("name", ["ConvLSTM", *ATTENTIONS])
def test_what_runs_on_torchs_operations_is_compiled_as_one_graph(name, close):
    make, given = ALL[name]
    model = make()
    torch._dynamo.reset()
    close(torch.compile(model, fullgraph=True, backend="eager")(*given), model(*given))


@pytest.mark.parametrize("name", ALL)
def test_an_exported_program_gives_what_the_layer_gives_and_refuses_other_sizes(name, close):
    make, given = ALL[name]
    model = make().eval()
    program = torch.export.export(model, given, strict=False).module()
    other = [torch.randn_like(x) for x in given]
    close(program(*other), model(*other))
    if name in LAYERS:
        longer = [torch.cat([x, x], 0 if name != "ConvLSTM" else 1) for x in given]
        with pytest.raises(Exception, match="[Gg]uard|expected|shape"):
            program(*longer)
