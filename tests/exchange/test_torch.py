"""Layers as plain torch: the results of a written file are those of the layer."""

import copy
import random
import types

import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.cells import CELLS
from ostinato.errors import EngineError, InputError, TensorError
from ostinato.exchange import torch as exchange
from ostinato.exchange.results import BATCHES
from ostinato.exchange.torch import cells as torch_cells
from ostinato.exchange.torch import proof as torch_proof
from ostinato.exchange.torch.file import layer_file
from ostinato.language.graph import POINTWISE
from random_cells import Body, made
from tolerances import TOLERANCES
from written_style import check_style

B, T, I, H = 4, 5, 3, 4


def layer_of(cell, layers: int = 1, bidirectional: bool = False, **others) -> ostinato.Recurrent:
    cell = CELLS[cell] if isinstance(cell, str) else cell
    letters = cell.graph.letters | cell.graph.output.size.letters
    sizes = dict.fromkeys(letters - {"I", "H"}, 4)
    torch.manual_seed(0)
    return ostinato.Recurrent(
        cell, I, H, layers, bidirectional=bidirectional, sizes=sizes, **others
    ).eval()


def written(layer) -> tuple[str, torch.nn.Module]:
    """The text of a written layer, and the layer of that text."""
    dtype = next((p.dtype for p in layer.parameters()), torch.float32)
    file = layer_file(layer, dtype)
    text = file.text("layer")
    module = types.ModuleType("layer")
    module.__file__ = "layer.py"
    exec(compile(text, "layer.py", "exec"), vars(module))  # noqa: S102 - the text is our own
    found = module.build()
    found.load_state_dict(file.tensors)
    return text, found.eval()


def inputs_of(layer, lengths=(T, 2, 0, 3)):
    """Random inputs and states, with lengths."""
    letters = layer._letters(0)
    lead = (B, T) if layer.batch_first else (T, B)
    dtype = next((p.dtype for p in layer.parameters()), torch.float32)
    x = tuple(
        torch.randn(*lead, size.at(letters), dtype=dtype)
        for size in layer.cell.graph.inputs.values()
    )
    # numbers that the states of every cell may have
    states = tuple(torch.rand(s.shape, dtype=dtype) for s in layer.initial_state(B))
    return x if len(x) > 1 else x[0], states, torch.tensor(lengths)


def check_written(layer, *, gradients: bool = False) -> str:
    """Compare a written layer with the reference engine."""
    text, module = written(layer)
    torch.manual_seed(1)
    layer = copy.deepcopy(layer)
    layer.engine, layer.precision = "reference", None
    x, states, lengths = inputs_of(layer)
    for state, counts in ((states, lengths), (None, None)):
        found, wanted = (
            module(x, state, counts),
            ostinato.Recurrent.forward(layer, x, state, counts),
        )
        assert type(found[1]) is type(wanted[1])
        results = [[y, *(e if isinstance(e, tuple) else (e,))] for y, e in (found, wanted)]
        for a, b in zip(*results, strict=True):
            tolerance = TOLERANCES[a.dtype]
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    if gradients:
        random_ = [torch.randn_like(one) for one in results[0]]
        for one, of in zip(results, (module, layer)):
            parameters = [*of.parameters()] or [torch.zeros((), requires_grad=True)]
            loss = sum((a * b).sum() for a, b in zip(one, random_)) + 0 * parameters[0].sum()
            for p, gradient in zip(
                parameters, torch.autograd.grad(loss, parameters, materialize_grads=True)
            ):
                p.grad = gradient
        code = torch_cells.cell_code(layer.graph, "Cell")
        names = {
            f"cells.{k}.{code.weights[weight]}": names
            for k, run in enumerate(layer._runs)
            for weight, names in layer._parts[run]
        }
        for name, parameter in module.named_parameters():
            if "initial" in name:
                continue
            for own in names[name]:
                wanted = layer.get_parameter(own).grad
                torch.testing.assert_close(parameter.grad, wanted, rtol=1e-9, atol=1e-9)
    return text


def test_a_written_file_computes_any_cell(tmp_path):
    texts = [check_written(layer_of(name, 1, True)) for name in CELLS]
    check_style(tmp_path, texts)


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_a_written_file_computes_any_stack_of_its_cell(name, layers, bidirectional):
    for batch_first in (False, True):
        layer = layer_of(name, layers, bidirectional, batch_first=batch_first, dtype=torch.float64)
        check_written(layer, gradients=True)


@pytest.mark.parametrize("name", ["lstm", "gru", "lru", "layer_norm_lstm", "phased_lstm", "slstm"])
def test_gradients_are_those_of_the_layer(name):
    check_written(layer_of(name, 2, True, dtype=torch.float64), gradients=True)


@pytest.mark.parametrize(
    "layer",
    [
        ostinato.RNN(I, H, 2, bidirectional=True),
        ostinato.RNN(I, H, nonlinearity="relu", bias=False, batch_first=True),
        ostinato.LSTM(I, H, 2, bidirectional=True),
        ostinato.LSTM(I, H, proj_size=2, dtype=torch.float64),
        ostinato.GRU(I, H, 2, bias=False, bidirectional=True),
        ostinato.Recurrent("lstm", I, H, zoneout=0.1),
        ostinato.Recurrent("gru", I, H, 2, dropout=0.5, learned_state=True),
    ],
    ids=lambda layer: f"{type(layer).__name__}({layer.extra_repr()})",
)
def test_a_layer_of_any_options_is_written(layer, tmp_path):
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("initial"):
                parameter.normal_()
    check_style(tmp_path, [check_written(layer.eval())])


def random_layer(seed: int):
    return layer_of(
        made(Body(random.Random(seed)).source), 1 + seed % 2, bool(seed % 3), dtype=torch.float64
    )


def test_a_written_file_computes_random_cells(tmp_path):
    check_style(tmp_path, [check_written(random_layer(seed), gradients=True) for seed in range(8)])


@pytest.mark.slow
def test_a_written_file_computes_many_random_cells(tmp_path):
    check_style(
        tmp_path, [check_written(random_layer(seed), gradients=True) for seed in range(8, 200)]
    )


@pytest.mark.parametrize("op", sorted(POINTWISE))
def test_every_operation_can_be_written(op):
    assert op in torch_cells.FUNCTIONS or op in torch_cells.OPERATORS


def test_names_of_the_file_are_not_names_of_a_step():
    @ostinato.cell
    def odd(
        x,
        mean=ostinato.state(),
        l=ostinato.state("P"),  # noqa: E741
        *,
        forward=ostinato.weight("H", "I"),
        training=ostinato.weight("P", "H"),
        size_H=ostinato.weight("H"),
    ):
        torch = ostinato.tanh(forward @ x + size_H)
        linear = torch * mean + ostinato.mean(l)
        concat = training @ linear
        total = ostinato.maximum(concat, 0.5)
        return linear, ostinato.where(total < l, 0.25, 0.5)

    check_written(layer_of(odd, 2, True, dtype=torch.float64), gradients=True)


def test_states_that_do_not_depend_on_states_and_empty_sequences():
    @ostinato.cell
    def delayed(x, h=ostinato.state("I"), c=ostinato.state(1), *, b=ostinato.weight("H")):
        return b, x, ostinato.sum(x) * c

    layer = layer_of(delayed)
    check_written(layer)
    _, module = written(layer)
    output, (h, c) = module(torch.zeros(2, 0, I))
    assert (output.shape, h.shape, c.shape) == ((2, 0, H), (1, 2, I), (1, 2, 1))


# ---------------------------------------------------------------- writing


def test_files_are_written_once_they_have_been_run_in_a_fresh_process(tmp_path):
    layer = layer_of("min_gru", 1, True)
    files = exchange.write(layer, tmp_path / "min_gru.py")
    assert files == [tmp_path / "min_gru.py", tmp_path / "min_gru.safetensors"]
    assert {*files} == {*tmp_path.iterdir()}


def test_weights_without_their_python_file_are_not_left_behind(tmp_path):
    (tmp_path / "layer.py").mkdir()
    with pytest.raises(InputError, match="cannot write .*layer.py"):
        exchange.write(layer_of("min_gru"), tmp_path / "layer.py")
    assert [*tmp_path.iterdir()] == [tmp_path / "layer.py"]


def test_nothing_is_written_where_the_results_differ(tmp_path, monkeypatch):
    layer = layer_of("min_gru")
    good = [[torch.zeros(b, t, H).tolist(), torch.zeros(1, b, H).tolist()] for b, t in BATCHES]
    for results, why in ((good, "differs from the model's"), ([[[0.0], [0.0]]], "the shape")):
        monkeypatch.setattr(torch_proof, "run", lambda *given, found=results: found)
        with pytest.raises(EngineError, match=f"{why} .* nothing has been written"):
            exchange.write(layer, tmp_path / "layer.py")
        assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_file_that_cannot_be_run_is_not_written(tmp_path, monkeypatch):
    for function, why in (("torch.tanh", "differs"), ("torch.sigmoidal", "no attribute 'sigmoi")):
        monkeypatch.setitem(torch_cells.FUNCTIONS, "sigmoid", function)
        with pytest.raises(EngineError, match=why):
            exchange.write(layer_of("min_gru"), tmp_path / "layer.py")
        assert not [*tmp_path.iterdir()]


def test_bad_arguments_are_refused(tmp_path):
    layer = ostinato.LSTM(I, H)
    with pytest.raises(InputError, match="was given a LSTM; give a layer: ostinato.RNN, LSTM"):
        exchange.write(torch.nn.LSTM(I, H), tmp_path / "layer.py")
    with pytest.raises(TensorError, match="torch.float16; .* write layer.float"):
        exchange.write(ostinato.LSTM(I, H).half(), tmp_path / "layer.py")
    for name in ("layer.pt", "my-layer.py", "class.py", "layer", "2.py"):
        with pytest.raises(InputError, match="a Python file whose name can be imported"):
            exchange.write(layer, tmp_path / name)
    for name in ("json.py", "torch.py"):
        with pytest.raises(InputError, match="would take the place of the module"):
            exchange.write(layer, tmp_path / name)


def test_tensors_of_a_file_are_read_without_safetensors(tmp_path):
    from ostinato.data.files import write_tensors
    from ostinato.exchange.torch.layers_code import read_tensors

    tensors: dict[str, Tensor] = {
        "a": torch.randn(2, 3, dtype=torch.float64),
        "b": torch.zeros(0, 4),
        "c": torch.tensor(3, dtype=torch.int64),
        "d": torch.tensor([True, False]),
        "e": torch.randn(3).bfloat16(),
    }
    write_tensors(tmp_path / "some.safetensors", tensors)
    found = read_tensors(tmp_path / "some.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor) and found[name].dtype is tensor.dtype
