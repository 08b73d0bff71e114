"""Layers as ONNX files: the results of ONNX Runtime are those of the layer."""

import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

import ostinato
from ostinato.cells import CELLS
from ostinato.errors import EngineError, InputError, MissingExtra, TensorError
from ostinato.exchange import onnx
from ostinato.exchange.onnx import nodes as onnx_nodes
from ostinato.exchange.onnx.operators import native
from ostinato.language.graph import POINTWISE
from places import ROOT
from random_cells import Body, made

onnxruntime = pytest.importorskip("onnxruntime")

B, T, I, H = 4, 6, 3, 5


def layer_of(name: str, layers: int, bidirectional: bool, **others) -> ostinato.Recurrent:
    cell = CELLS[name]
    sizes = dict.fromkeys(cell.graph.letters - {"I", "H"}, 4)
    torch.manual_seed(0)
    return ostinato.Recurrent(
        cell, I, H, layers, bidirectional=bidirectional, sizes=sizes, **others
    ).eval()


def inputs_of(layer, lengths=(T, 2, 0, 5)):
    """Random inputs and states, with lengths."""
    letters = layer._letters(0)
    lead = (B, T) if layer.batch_first else (T, B)
    dtype = next(layer.parameters()).dtype
    given = {
        name: torch.randn(*lead, size.at(letters), dtype=dtype)
        for name, size in layer.cell.graph.inputs.items()
    }
    # of a normaliser or a stabiliser, too, numbers from 0 to 1 are ordinary states
    states = tuple(torch.rand(s.shape, dtype=dtype) for s in layer.initial_state(B))
    return given, states, torch.tensor(lengths)


def run_file(path, given: dict[str, Tensor]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {k: v.numpy() for k, v in given.items()})))


def check_file(layer, path, tolerance=1e-5):
    """Write a layer, and compare the file with it on inputs that the writer did not see."""
    onnx.write(layer, path)
    torch.manual_seed(1)
    given, states, lengths = inputs_of(layer)
    names = list(layer.cell.graph.states)
    found = run_file(
        path, given | {f"initial_{n}": s for n, s in zip(names, states)} | {"lengths": lengths}
    )
    x = tuple(given.values())
    with torch.no_grad():
        output, ends = ostinato.Recurrent.forward(layer, x if len(x) > 1 else x[0], states, lengths)
    ends = (ends,) if isinstance(ends, Tensor) else ends
    for name, wanted in zip(["output", *(f"final_{n}" for n in names)], (output, *ends)):
        np.testing.assert_allclose(found[name], wanted.numpy(), rtol=tolerance, atol=tolerance)
    return found


@pytest.mark.parametrize("name", CELLS)
def test_a_file_computes_its_cell(name, tmp_path):
    check_file(layer_of(name, 2, True), tmp_path / "layer.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_a_file_computes_any_stack_of_its_cell(name, layers, bidirectional, tmp_path):
    for batch_first in (False, True):
        check_file(
            layer_of(name, layers, bidirectional, batch_first=batch_first),
            tmp_path / f"{batch_first}.onnx",
        )


@pytest.mark.parametrize(
    "layer",
    [
        ostinato.RNN(I, H, 2, bidirectional=True),
        ostinato.RNN(I, H, nonlinearity="relu", bias=False, batch_first=True),
        ostinato.LSTM(I, H, 2, bidirectional=True),
        ostinato.LSTM(I, H, proj_size=2),
        ostinato.GRU(I, H, 2, bias=False, bidirectional=True),
        ostinato.Recurrent("lstm", I, H, zoneout=0.1),
        ostinato.Recurrent("lstm", I, H, dropout=0.5, num_layers=2, recurrent_dropout=0.2),
        ostinato.Recurrent("gru", I, H, learned_state=True, precision="bfloat16"),
    ],
    ids=lambda layer: f"{type(layer).__name__}({layer.extra_repr()})",
)
def test_a_layer_of_any_options_is_written_in_evaluation_mode(layer, tmp_path):
    training = layer.training
    layer.eval()
    if layer.precision:
        onnx.write(layer, tmp_path / "layer.onnx")  # compared in float32
    else:
        check_file(layer, tmp_path / "layer.onnx")
    assert training


def test_a_float64_file_is_as_exact_as_float64(tmp_path):
    for name in ("lstm", "slstm", "gru"):
        check_file(layer_of(name, 2, True, dtype=torch.float64), tmp_path / f"{name}.onnx", 1e-10)


def random_cell_layer(seed: int) -> ostinato.Recurrent:
    torch.manual_seed(seed)
    cell = made(Body(random.Random(seed)).source)
    return ostinato.Recurrent(
        cell,
        I,
        H,
        1 + seed % 2,
        bidirectional=bool(seed % 3),
        sizes=dict.fromkeys(cell.graph.letters - {"I", "H"}, 4),
        dtype=(torch.float32, torch.float64)[seed // 2 % 2],
    ).eval()


# These have hard sigmoids in float64: the attributes of ONNX's operator are float32.
@pytest.mark.parametrize("seed", [1007, 1015, 1039])
def test_a_file_computes_random_cells(seed, tmp_path):
    # the file is compared with the layer before it is written
    onnx.write(random_cell_layer(seed), tmp_path / "layer.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 300, 10))
def test_a_file_computes_many_random_cells(first, tmp_path):
    for seed in range(first, first + 10):
        onnx.write(random_cell_layer(seed), tmp_path / f"{seed}.onnx")


def test_batch_and_time_are_free(tmp_path):
    layer = layer_of("min_gru", 1, False)
    onnx.write(layer, tmp_path / "layer.onnx", states=False, lengths=False)
    for batch, steps in ((1, 1), (2, 50), (7, 3)):
        x = torch.randn(batch, steps, I)
        found = run_file(tmp_path / "layer.onnx", {"x": x})
        assert list(found) == ["output", "final_h"]
        np.testing.assert_allclose(found["output"], layer(x)[0].detach().numpy(), atol=1e-5)


def test_learned_states_are_in_the_file(tmp_path):
    layer = layer_of("gru", 2, True, learned_state=True)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("initial"):
                parameter.normal_()
    onnx.write(layer, tmp_path / "layer.onnx", states=False, lengths=False)
    x = torch.randn(B, T, I)
    found = run_file(tmp_path / "layer.onnx", {"x": x})
    np.testing.assert_allclose(found["output"], layer(x)[0].detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("op", sorted(POINTWISE))
def test_every_operation_has_an_operator(op):
    assert op in onnx_nodes.OPERATORS or op == "hard_sigmoid"


def test_sizes_that_broadcast_are_written(tmp_path):
    @ostinato.cell
    def gated(
        x,
        h,
        s=ostinato.state(1),
        *,
        W=ostinato.weight("H", "I"),
        v=ostinato.weight(1, "H"),
        b=ostinato.weight("H"),
    ):
        g = ostinato.sigmoid(v @ h + ostinato.sum(b) + ostinato.mean(x))
        s = ostinato.where(g < s, g, 0.5 * s)
        parts = ostinato.concat(g, ostinato.maximum(W @ x, -1.0))
        return g * h + (1 - g) * ostinato.tanh(W @ x) + ostinato.mean(parts), s

    torch.manual_seed(0)
    check_file(ostinato.Recurrent(gated, I, H, 2, bidirectional=True), tmp_path / "layer.onnx")


def test_a_cell_whose_loop_is_empty_is_written(tmp_path):
    @ostinato.cell
    def delayed(x, h, *, W=ostinato.weight("H", "I")):
        return ostinato.tanh(W @ x)

    torch.manual_seed(0)
    check_file(ostinato.Recurrent(delayed, I, H), tmp_path / "layer.onnx")


def test_nothing_is_written_where_the_results_differ(tmp_path, monkeypatch):
    monkeypatch.setitem(onnx_nodes.OPERATORS, "sigmoid", "Tanh")
    with pytest.raises(
        EngineError, match="differs from the layer's by .* nothing has been written"
    ):
        onnx.write(layer_of("min_gru", 1, False), tmp_path / "layer.onnx")
    assert not list(tmp_path.iterdir())


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(InputError, match="was given a LSTM; give a layer: ostinato.RNN, LSTM"):
        onnx.write(torch.nn.LSTM(I, H), tmp_path / "layer.onnx")
    with pytest.raises(TensorError, match="torch.float16; .* write layer.float"):
        onnx.write(ostinato.LSTM(I, H).half(), tmp_path / "layer.onnx")
    with pytest.raises(InputError, match="cannot write .*No such file"):
        onnx.write(ostinato.LSTM(I, H), tmp_path / "nowhere" / "layer.onnx")


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"onnx is not installed.*pip install '.\[onnx\]'"):
        onnx.write(ostinato.LSTM(I, H), tmp_path / "layer.onnx")


@pytest.mark.parametrize("page", ["exchange.md", "exchange.ko.md"])
def test_the_page_says_how_each_cell_is_written(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|$", text, re.M))
    operators = {name: native(cell.graph) for name, cell in CELLS.items()}
    assert rows == {name: one.op if one else "Scan" for name, one in operators.items()}


def test_the_script_of_the_page_runs_without_ostinato(tmp_path):
    page = (ROOT / "docs/exchange.md").read_text(encoding="utf-8")
    script = next(s for s in re.findall(r"```python\n(.*?)```", page, re.S) if "onnxruntime" in s)
    torch.manual_seed(0)
    onnx.write(ostinato.LSTM(3, 5, batch_first=True), tmp_path / "layer.onnx")
    (tmp_path / "run.py").write_text("import sys\nsys.modules['ostinato'] = None\n" + script)
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["(2, 6, 5) (1, 2, 5) (1, 2, 5)", "0.0"]
