"""ONNX: layers and trained tasks written as files that ONNX Runtime and other tools run, and layers
from such files.

A cell that ONNX's operators RNN, LSTM and GRU compute becomes such an operator; every other cell
becomes a Scan over its equations.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...data.files import write_whole
from ...errors import InputError, TensorError, missing_extra
from ...nn.recurrent import Recurrent
from ..results import TOLERANCES, LayerArguments, ResultComparison, check_calls, random_calls
from .layers import add_layer, final, initial
from .nodes import Constants, Nodes, Ports
from .reading import read
from .session import session_of
from .stacks import read_stack

if TYPE_CHECKING:
    from onnx import ModelProto

    from ...tasks.task import Task

__all__ = ["read", "read_stack", "write"]


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
    session = session_of(content)

    def run(call: LayerArguments) -> list:
        given = dict(call.inputs)
        if call.states is not None:
            given |= {initial(name): s for name, s in zip(layer.graph.states, call.states)}
        if call.lengths is not None:
            given["lengths"] = call.lengths
        return session.run(None, {name: value.numpy() for name, value in given.items()})

    calls = random_calls(layer, dtype, lengths=lengths, states=states)
    names = [repr(name) for name in ("output", *map(final, layer.graph.states))]
    comparison = ResultComparison("ONNX Runtime", TOLERANCES[dtype], model="layer")
    check_calls(comparison, layer, dtype, names, ((call, run(call)) for call in calls))
