"""ONNX: layers and trained tasks written as files that ONNX Runtime and other tools run, and layers
from such files.

A cell that ONNX's operators RNN, LSTM and GRU compute becomes such an operator; every other cell
becomes a Scan over its equations.
"""

import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...data.files import write_whole
from ...errors import EngineError, InputError, TensorError, missing_extra
from ...nn.recurrent import Recurrent
from .layers import add_layer, final, initial
from .nodes import Constants, Nodes, Ports
from .reading import read
from .stacks import read_stack

if TYPE_CHECKING:
    from onnx import ModelProto

    from ...tasks.task import Task

__all__ = ["read", "read_stack", "write"]

# Largest error of the file, relative to the largest number, by dtype.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
# A cell may enlarge rounding errors: the error of the file may be this many times the layer's own.
ROUNDING = 4
# Sizes (B, T) of the batches on which a file is compared with its layer.
PROOFS = ((3, 7), (1, 1))


def write(
    model: "Recurrent | Task",
    path: Path,
    *,
    lengths: bool = True,
    states: bool = True,
    network_only: bool = False,
) -> list[Path]:
    """Write a layer or a trained task as an ONNX file, in evaluation mode.

    The file is run with ONNX Runtime on random inputs and compared with the model first. Nothing is
    written if they differ.

    Of a layer, the inputs of the file have the names of the cell's inputs (for most cells `x`), (B,
    T, I) with batch_first, else (T, B, I); B and T are free. Further ones are `lengths`, (B,)
    int64, and `initial_h` for the state `h` (and so for each state), (L * D, B, units). The outputs
    are `output`, with 0 past a row's end, and `final_h`.

    The page `docs/exchange.md` has the inputs and outputs of each task. Translate, transcribe and
    caption have two files: with the path NAME.onnx, NAME.encoder.onnx, and NAME.decoder.onnx for
    one step of the decoder.

    Args:
        model: The layer or the task, in float32; a layer may be in float64.
        path: The file to write.
        lengths: Of a layer: have the input `lengths`.
        states: Of a layer: have the initial states as inputs; without, they are 0 or the learned
            ones.
        network_only: Of a classifier or a forecaster: write the network alone, without the other
            models that its answers combine with the network's. The metadata then has the entry
            `network_only`.

    Returns:
        The files that were written.

    Raises:
        InputError: It is not a layer or a trained task, or the file cannot be written.
        TensorError: Its dtype is neither float32 nor float64.
        EngineError: The file computes something else than the model.
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> import os, tempfile
        >>> import ostinato
        >>> from ostinato.exchange import onnx
        >>> layer = ostinato.LSTM(3, 5, batch_first=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = onnx.write(layer, os.path.join(folder, "layer.onnx"))
        ...     os.listdir(folder)
        ['layer.onnx']
    """
    try:
        if isinstance(model, Recurrent):
            if network_only:
                raise InputError("network_only is for a task, and this is a layer; leave it out")
            return _write_layer(model, path, lengths=lengths, states=states)
        if _is_task(model):
            if not lengths or not states:
                raise InputError("lengths and states are for a layer, and this is a task")
            from .tasks import write_task

            return write_task(model, path, network_only=network_only)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    raise InputError(
        f"onnx.write was given a {type(model).__name__}; give a layer: ostinato.RNN, LSTM, GRU or "
        "Recurrent, or a trained task"
    )


def _is_task(model: object) -> bool:
    """Whether a model is a task; the tasks are imported only if they have been before."""
    module: Any = sys.modules.get("ostinato.tasks.task")
    return module is not None and isinstance(model, module.Task)


def _write_layer(layer: Recurrent, path: Path, *, lengths: bool, states: bool) -> list[Path]:
    dtype = next((p.dtype for p in layer.parameters()), torch.float32)
    if dtype not in TOLERANCES:
        raise TensorError(
            f"the weights are {dtype}; ONNX files are written in float32 or float64: write "
            "layer.float()"
        )
    content = _model(layer, dtype, lengths=lengths, states=states).SerializeToString()
    _prove(layer, dtype, content, lengths=lengths, states=states)
    write_whole(path, content)
    return [Path(path)]


# ---------------------------------------------------------------- the model


def _model(layer: Recurrent, dtype: torch.dtype, *, lengths: bool, states: bool) -> "ModelProto":
    """The ONNX model of a layer."""
    graph = layer.graph
    out = Nodes(Constants(np.dtype(str(dtype).removeprefix("torch."))))
    number = out.constants.dtype
    letters = layer._letters(0)
    lead = ["batch", "time"] if layer.batch_first else ["time", "batch"]
    units = {name: size.at(letters) for name, size in graph.states.items()}
    runs = layer.num_layers * layer.num_directions
    ports = Ports(out)
    for name, size in graph.inputs.items():
        ports.add_input(name, number, [*lead, size.at(letters)])
    if lengths:
        ports.add_input("lengths", np.dtype(np.int64), ["batch"])
    if states:
        for name, n in units.items():
            ports.add_input(initial(name), number, [runs, "batch", n])
    ports.reserve("output", *map(final, units))
    found = add_layer(
        out,
        layer,
        list(graph.inputs),
        lengths="lengths" if lengths else None,
        states={name: initial(name) for name in units} if states else None,
    )
    ports.add_output("output", found.output, number, [*lead, layer.output_size])
    for name, n in units.items():
        ports.add_output(final(name), found.finals[name], number, [runs, "batch", n])
    return ports.model(
        graph.name,
        {
            "cell": graph.name,
            "equations": layer.cell.equations(),
            "layers": str(layer.num_layers),
            "directions": str(layer.num_directions),
            "batch_first": str(layer.batch_first).lower(),
        },
    )


# ---------------------------------------------------------------- the proof


def _prove(
    layer: Recurrent, dtype: torch.dtype, content: bytes, *, lengths: bool, states: bool
) -> None:
    """Run a file and its layer on random inputs.

    Raises:
        EngineError: The results differ.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    # the file rounds nothing to bfloat16
    layer = copy.deepcopy(layer).cpu().eval()
    layer.precision = None
    exact_layer = copy.deepcopy(layer).double()
    exact_layer.engine = "reference"
    random = torch.Generator().manual_seed(0)
    letters = layer._letters(0)
    for batch, steps in PROOFS:
        lead = (batch, steps) if layer.batch_first else (steps, batch)
        given: dict[str, Tensor] = {
            name: torch.randn(*lead, size.at(letters), generator=random, dtype=dtype)
            for name, size in layer.graph.inputs.items()
        }
        x = tuple(given.values())
        state = None
        if states:
            shapes = [s.shape for s in layer.initial_state(batch)]
            # numbers that the states of every cell may have, those that it divides by included
            state = tuple(torch.rand(shape, generator=random, dtype=dtype) for shape in shapes)
            given |= {initial(name): s for name, s in zip(layer.graph.states, state)}
        counts = None
        if lengths:
            counts = torch.randint(0, steps + 1, (batch,), generator=random)
            counts[0] = 0 if batch > 1 else steps
            given["lengths"] = counts
        own = _results(layer, dtype, x, state, counts)
        exact = _results(exact_layer, torch.float64, x, state, counts)
        found = session.run(None, {name: value.numpy() for name, value in given.items()})
        names = ["output", *map(final, layer.graph.states)]
        for name, of_file, of_layer, right in zip(names, found, own, exact):
            _compare(name, of_file, of_layer, right, TOLERANCES[dtype])


def _results(layer: Recurrent, dtype: torch.dtype, x, state, lengths) -> list[np.ndarray]:
    """The output and the final states of a layer, computed in a dtype."""
    x = tuple(one.to(dtype) for one in x)
    state = None if state is None else tuple(one.to(dtype) for one in state)
    with torch.no_grad():
        output, ends = Recurrent.forward(layer, x[0] if len(x) == 1 else x, state, lengths)
    return [one.numpy() for one in (output, *((ends,) if isinstance(ends, Tensor) else ends))]


def _compare(
    name: str, found: np.ndarray, layer: np.ndarray, exact: np.ndarray, tolerance: float
) -> None:
    """Raise an error unless a result is as near to the exact one as the layer's is.

    Args:
        name: The name of the result.
        found: The result of the file.
        layer: The result of the layer.
        exact: The result of the layer in float64.
        tolerance: Largest error, relative to the largest number.
    """
    if layer.shape != found.shape:
        raise EngineError(
            f"ONNX Runtime gives {name!r} the shape {found.shape}, and the layer {layer.shape}; "
            "nothing has been written"
        )
    error, own = (float(np.abs(one - exact).max(initial=0.0)) for one in (found, layer))
    limit = max(tolerance * max(1.0, float(np.abs(exact).max(initial=0.0))), ROUNDING * own)
    if not error <= limit:
        raise EngineError(
            f"ONNX Runtime's {name!r} differs from the layer's by {error:.2g}, more than "
            f"{limit:.2g}; nothing has been written"
        )
