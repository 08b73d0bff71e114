"""torch's own exporters on layers and on a task's model: equal results, or one error that names
ostinato.exchange.
"""

import pytest
import torch

import ostinato
from ostinato.errors import TracingError
from ostinato.tasks.classify import ClassifyModel, ClassifyOptions

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Head(torch.nn.Module):
    """A layer and a linear layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer, torch.nn.Linear(layer.output_size, 2)

    def forward(self, x):
        return self.head(self.layer(x)[0])


class Labels(torch.nn.Module):
    """A classifier of numbers, with lengths of its own."""

    def __init__(self):
        super().__init__()
        options = ClassifyOptions(hidden=6, layers=1)
        self.model = ClassifyModel(3, 2, options, text=False)

    def forward(self, x):
        return self.model(x, torch.full((x.shape[0],), x.shape[1]))


MODELS = {
    "LSTM": lambda: Head(ostinato.LSTM(3, 5, batch_first=True, bidirectional=True)),
    "Recurrent": lambda: Head(ostinato.Recurrent("min_gru", 3, 5, learned_state=True)),
    "task": Labels,
}


def model_and_input(name):
    torch.manual_seed(0)
    torch._dynamo.reset()
    return MODELS[name]().eval(), torch.randn(4, 6, 3)


@pytest.mark.parametrize("name", ["LSTM", "Recurrent"])
def test_export_gives_equal_results_with_its_own_check_of_sizes(name):
    model, x = model_and_input(name)
    program = torch.export.export(model, (x,), strict=False).module()
    other = torch.randn_like(x)
    torch.testing.assert_close(program(other), model(other), rtol=1e-5, atol=1e-5)
    with pytest.raises(Exception, match="[Gg]uard|expected|shape"):
        program(torch.randn(4, 9, 3))


def test_export_of_lengths_names_ostinato_exchange():
    model, x = model_and_input("task")
    with pytest.raises(Exception, match=r"called with lengths by torch.export.*ostinato\.exchange"):
        torch.export.export(model, (x,), strict=False)


@pytest.mark.parametrize("name", MODELS)
def test_a_symbolic_trace_gives_equal_results(name):
    model, x = model_and_input(name)
    traced = torch.fx.symbolic_trace(model)
    for batch, steps in ((4, 6), (3, 9)):
        other = torch.randn(batch, steps, 3)
        torch.testing.assert_close(traced(other), model(other))


@pytest.mark.parametrize(
    "export",
    [
        lambda model, x: torch.export.export(model, (x,), strict=True),
        lambda model, x: torch.compile(model, fullgraph=True, backend="eager")(x),
        lambda model, x: torch.jit.trace(model, x),
        lambda model, x: torch.jit.script(model),
        lambda model, x: torch.onnx.export(model, (x,), "none.onnx", dynamo=False),
    ],
    ids=["export strict", "compile fullgraph", "jit.trace", "jit.script", "onnx dynamo=False"],
)
@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_work_names_ostinato_exchange(name, export, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, x = model_and_input(name)
    with pytest.raises(Exception, match=r"ostinato\.exchange"):
        export(model, x)
    torch._dynamo.reset()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["LSTM", "Recurrent"])
def test_the_new_export_to_onnx_gives_equal_results_and_has_fixed_sizes(name, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x = model_and_input(name)
    path = tmp_path / "model.onnx"
    torch.onnx.export(model, (x,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    found = torch.from_numpy(session.run(None, {given.name: x.numpy()})[0])
    torch.testing.assert_close(found, model(x), rtol=1e-5, atol=1e-5)
    assert given.shape == [4, 6, 3]


@pytest.mark.parametrize("batch_first", [True, False])
def test_steps_that_are_dynamic_are_refused_in_the_new_export_to_onnx(batch_first, monkeypatch):
    # a file of such an export took any number of steps and gave results of its example's
    model, x = Head(ostinato.GRU(3, 5, batch_first=batch_first)).eval(), torch.randn(4, 6, 3)
    steps = {int(batch_first): torch.export.Dim.AUTO}
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    with pytest.raises(TracingError, match=r"dynamic time dimension.*ostinato\.exchange\.onnx"):
        torch.export.export(model, (x,), strict=False, dynamic_shapes={"x": steps})
