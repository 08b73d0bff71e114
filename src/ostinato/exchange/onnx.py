"""ONNX: layers written as files that ONNX Runtime and other tools run.

A cell that ONNX's operators RNN, LSTM and GRU compute becomes such an operator; every other cell
becomes a Scan over its equations.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..compiler.plan import reached
from ..data.files import write_whole
from ..engines.reference import summed
from ..errors import EngineError, InputError, TensorError, missing_extra
from ..language.graph import Graph
from ..nn.recurrent import Recurrent
from .onnx_nodes import Constants, Nodes, StepValue, add_step, full_value
from .onnx_operators import Native, native

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

__all__ = ["write"]

# The version of ONNX's operators, and the file format's: onnx 1.14 and ONNX Runtime 1.15 have them.
OPSET, IR_VERSION = 18, 9
# Largest error of the file, relative to the largest number, by dtype.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
# A cell may enlarge rounding errors: the error of the file may be this many times the layer's own.
ROUNDING = 4
# Sizes (B, T) of the batches on which a file is compared with its layer.
PROOFS = ((3, 7), (1, 1))


def write(layer: Recurrent, path: Path, *, lengths: bool = True, states: bool = True) -> None:
    """Write a layer as an ONNX file, in evaluation mode.

    The file is run with ONNX Runtime on random inputs and compared with the layer first. Nothing is
    written if they differ.

    The inputs of the file have the names of the cell's inputs (for most cells `x`), (B, T, I) with
    batch_first, else (T, B, I); B and T are free. Further ones are `lengths`, (B,) int64, and
    `initial_h` for the state `h` (and so for each state), (L * D, B, units). The outputs are
    `output`, with 0 past a row's end, and `final_h`.

    Args:
        layer: The layer, in float32 or float64.
        path: The file to write.
        lengths: Have the input `lengths`.
        states: Have the initial states as inputs; without, they are 0 or the learned ones.

    Raises:
        InputError: It is not a layer, or the file cannot be written.
        TensorError: Its dtype is neither float32 nor float64.
        EngineError: The file computes something else than the layer.
        MissingExtra: onnx or onnxruntime is not installed.

    Example:
        >>> import os, tempfile
        >>> import ostinato
        >>> from ostinato.exchange import onnx
        >>> layer = ostinato.LSTM(3, 5, batch_first=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     onnx.write(layer, os.path.join(folder, "layer.onnx"))
        ...     os.listdir(folder)
        ['layer.onnx']
    """
    if not isinstance(layer, Recurrent):
        raise InputError(
            f"onnx.write was given a {type(layer).__name__}; give a layer: ostinato.RNN, LSTM, GRU "
            "or Recurrent"
        )
    dtype = next((p.dtype for p in layer.parameters()), torch.float32)
    if dtype not in TOLERANCES:
        raise TensorError(
            f"the weights are {dtype}; ONNX files are written in float32 or float64: write "
            "layer.float()"
        )
    try:
        content = _model(layer, dtype, lengths=lengths, states=states).SerializeToString()
        _prove(layer, dtype, content, lengths=lengths, states=states)
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    write_whole(path, content)


# ---------------------------------------------------------------- the model


def _model(layer: Recurrent, dtype: torch.dtype, *, lengths: bool, states: bool) -> "ModelProto":
    """The ONNX model of a layer."""
    import onnx
    from onnx import helper

    graph = layer.graph
    constants = Constants(np.dtype(str(dtype).removeprefix("torch.")))
    reserved = [name(state) for state in graph.states for name in (_initial, _final)]
    for name in (*graph.inputs, "lengths", "output", *reserved):
        constants.unique(name)
    out = Nodes(constants)
    letters = layer._letters(0)
    lead = ["batch", "time"] if layer.batch_first else ["time", "batch"]
    inputs = [
        _info(name, constants.dtype, [*lead, size.at(letters)])
        for name, size in graph.inputs.items()
    ]
    inputs += [_info("lengths", np.dtype(np.int64), ["batch"])] if lengths else []
    units = {name: size.at(letters) for name, size in graph.states.items()}
    runs = layer.num_layers * layer.num_directions
    if states:
        inputs += [
            _info(_initial(name), constants.dtype, [runs, "batch", n]) for name, n in units.items()
        ]

    in_time = [
        out.add("Transpose", name, perm=[1, 0, 2]) if layer.batch_first else name
        for name in graph.inputs
    ]
    valid = _valid(out, in_time[0]) if lengths else None
    x, *further = in_time
    ends_of_runs: list[list[str]] = []
    for number in range(layer.num_layers):
        runs_of_layer = [number * layer.num_directions + k for k in range(layer.num_directions)]
        given = [_initial_states(out, layer, run, x, states=states) for run in runs_of_layer]
        arrays = [_arrays(layer, number, k) for k in range(layer.num_directions)]
        # ONNX Runtime's own operators compute in float32 only
        operator = native(graph) if dtype is torch.float32 else None
        if operator:
            x, found = _add_native(out, operator, layer, x, arrays, given, valid)
        else:
            scans = [
                _add_scan(
                    out,
                    graph,
                    layer._letters(number),
                    [x, *further],
                    weights,
                    initial,
                    valid,
                    reverse=bool(k),
                )
                for k, (weights, initial) in enumerate(zip(arrays, given))
            ]
            outputs = [output for output, _ in scans]
            x = out.add("Concat", *outputs, axis=-1) if len(outputs) > 1 else outputs[0]
            found = [
                [out.add("Unsqueeze", final, constants.whole(0)) for final in finals]
                for _, finals in scans
            ]
        ends_of_runs += found
    perm = [1, 0, 2] if layer.batch_first else [0, 1, 2]
    out.nodes.append(helper.make_node("Transpose", [x], ["output"], perm=perm))
    results = [_info("output", constants.dtype, [*lead, layer.output_size])]
    for place, (name, n) in enumerate(units.items()):
        out.nodes.append(
            helper.make_node("Concat", [end[place] for end in ends_of_runs], [_final(name)], axis=0)
        )
        results.append(_info(_final(name), constants.dtype, [runs, "batch", n]))
    model = helper.make_model(
        helper.make_graph(out.nodes, graph.name, inputs, results, constants.tensors),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="ostinato",
    )
    helper.set_model_props(
        model,
        {
            "cell": graph.name,
            "equations": str(layer.cell),
            "layers": str(layer.num_layers),
            "directions": str(layer.num_directions),
            "batch_first": str(layer.batch_first).lower(),
        },
    )
    onnx.checker.check_model(model)
    return model


def _initial(state: str) -> str:
    return f"initial_{state}"


def _final(state: str) -> str:
    return f"final_{state}"


def _info(name: str, dtype: np.dtype, shape: Sequence[int | str | None]) -> "ValueInfoProto":
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


def _arrays(layer: Recurrent, number: int, direction: int) -> dict[str, np.ndarray]:
    """The cell's weights of one layer and direction."""
    with torch.no_grad():
        weights = layer.cell_weights(number, direction)
        return {name: summed(weight).detach().cpu().numpy() for name, weight in weights.items()}


def _valid(out: Nodes, x_TBI: str) -> str:
    """Whether a step is inside its row, (T, B, 1)."""
    zero, one = (out.constants.add(np.array(number, np.int64), "number") for number in (0, 1))
    steps = out.add("Gather", out.add("Shape", x_TBI, start=0, end=1), zero, axis=0, name="steps")
    time = out.add("Range", zero, steps, one, name="time")
    time = out.add("Unsqueeze", time, out.constants.whole(1))
    return out.add(
        "Unsqueeze", out.add("Less", time, "lengths"), out.constants.whole(2), name="valid"
    )


def _initial_states(
    out: Nodes, layer: Recurrent, run: int, x_TBI: str, *, states: bool
) -> list[str]:
    """The names of the initial states of a layer and direction, (B, units) each."""
    place = out.constants.add(np.array(run, np.int64), "number")
    if states:
        return [out.add("Gather", _initial(name), place, axis=0) for name in layer.graph.states]
    batch = out.add("Shape", x_TBI, start=1, end=2, name="batch_size")
    learned = layer.initial_state(1)
    return [
        out.expand(
            out.constants.add(state[run, 0].detach().cpu().numpy(), _initial(name)),
            batch,
            state.shape[-1],
        )
        for name, state in zip(layer.graph.states, learned)
    ]


# ---------------------------------------------------------------- ONNX's own operators


def _add_native(
    out: Nodes,
    operator: Native,
    layer: Recurrent,
    x_TBI: str,
    arrays: Sequence[Mapping[str, np.ndarray]],
    given: Sequence[Sequence[str]],
    valid: str | None,
) -> tuple[str, list[list[str]]]:
    """Add a layer as one operator: its output (T, B, units), and the final states of each
    direction, (1, B, units) each.
    """
    constants, states = out.constants, list(layer.graph.states)
    # W, R, B and P of all directions
    packed = zip(*(operator.tensors(weights) for weights in arrays))
    w, r, b, p = ("" if part[0] is None else constants.add(np.stack(part)) for part in packed)
    initial = [
        out.add(
            "Concat", *(out.add("Unsqueeze", one, constants.whole(0)) for one in of_state), axis=0
        )
        for of_state in zip(*given)
    ]
    lengths = ""
    if valid:
        # an operator need not accept a length of 0; its results for such a row are replaced below
        at_least_one = out.add("Max", "lengths", constants.whole(1))
        lengths = out.add("Cast", at_least_one, to=6)  # int32
    inputs = [x_TBI, w, r, b, lengths, *initial, *([p] if p else [])]
    y, *finals = out.add_many(
        operator.op,
        inputs,
        ["y", *(_final(name) for name in states)],
        hidden_size=layer.hidden_size,
        direction="bidirectional" if layer.bidirectional else "forward",
        **operator.attributes(layer.num_directions),
    )
    # (T, D, B, H) to (T, B, D * H)
    y = out.add("Transpose", y, perm=[0, 2, 1, 3])
    y = out.add("Reshape", y, constants.whole(0, 0, -1))
    if valid:
        y = out.add("Where", valid, y, constants.number(0.0))
        empty = out.add("Less", "lengths", constants.whole(1))
        empty = out.add("Unsqueeze", empty, constants.whole(1))
        finals = [out.add("Where", empty, *pair) for pair in zip(initial, finals)]
    rows = [
        [
            out.add("Slice", final, constants.whole(k), constants.whole(k + 1), constants.whole(0))
            for final in finals
        ]
        for k in range(layer.num_directions)
    ]
    return y, rows


# ---------------------------------------------------------------- any cell


def _add_scan(
    out: Nodes,
    graph: Graph,
    sizes: Mapping[str, int],
    inputs: Sequence[str],
    weights: Mapping[str, np.ndarray],
    initial: Sequence[str],
    valid: str | None,
    *,
    reverse: bool,
) -> tuple[str, list[str]]:
    """Add one direction of a layer as a Scan: its output (T, B, units), and its final states,
    (B, units) each.

    What sees no state is computed for all steps before the loop. In the reverse direction the steps
    past a row's end come first, and leave the states as they are.
    """
    from onnx import helper

    nodes, constants = graph.nodes, out.constants
    named = {name: constants.add(array, name) for name, array in weights.items()}
    stateful = reached({n for n in nodes if n.op == "state"}, nodes)
    given = dict(zip(graph.inputs, inputs))
    values = {n: StepValue(given[n.value], True) for n in nodes if n.op == "input"}
    before = [n for n in nodes if n not in stateful]
    add_step(out, before, values, named, sizes, graph.labels, inputs[0])

    results = [*graph.new_states, graph.output]
    loop = [n for n in nodes if n in stateful and n.op != "state"]
    read = dict.fromkeys(
        a for a in [*(a for n in loop for a in n.args), *results] if a not in stateful
    )
    scanned = [n for n in read if values[n].full]
    body, inside = Nodes(constants), {n: values[n] for n in read if not values[n].full}
    arguments, columns = [], []

    def argument(name: str, dtype: np.dtype, units: int) -> str:
        unique = constants.unique(name)
        arguments.append(_info(unique, dtype, ["batch", units]))
        return unique

    old = [argument(name, constants.dtype, size.at(sizes)) for name, size in graph.states.items()]
    by_name = dict(zip(graph.states, old))
    inside |= {n: StepValue(by_name[n.value], True) for n in nodes if n.op == "state"}
    if valid:
        mask = argument("valid", np.dtype(bool), 1)
        columns.append(valid)
    for n in scanned:
        dtype = np.dtype(bool) if n.op == "less" else constants.dtype
        inside[n] = StepValue(argument(graph.labels.get(n, n.op), dtype, n.size.at(sizes)), True)
        columns.append(values[n].name)
    add_step(body, loop, inside, named, sizes, graph.labels, old[0])

    ends = []
    units = [size.at(sizes) for size in [*graph.states.values(), graph.output.size]]
    otherwise = [*old, constants.number(0.0)]
    for node, width, before_step in zip(results, units, otherwise):
        result = full_value(body, node, inside[node], sizes, width, old[0])
        if valid:
            end = body.add("Where", mask, result, before_step, name="result")
        else:
            end = body.add("Identity", result, name="result")
        ends.append(_info(end, constants.dtype, ["batch", width]))
    step = helper.make_graph(body.nodes, f"{graph.name}_step", arguments, ends)
    *finals, output = out.add_many(
        "Scan",
        [*initial, *columns],
        [*(_final(name) for name in graph.states), "outputs"],
        body=step,
        num_scan_inputs=len(columns),
        scan_input_directions=[int(reverse)] * len(columns),
        scan_output_directions=[int(reverse)],
    )
    return output, finals


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
            given |= {_initial(name): s for name, s in zip(layer.graph.states, state)}
        counts = None
        if lengths:
            counts = torch.randint(0, steps + 1, (batch,), generator=random)
            counts[0] = 0 if batch > 1 else steps
            given["lengths"] = counts
        own = _results(layer, dtype, x, state, counts)
        exact = _results(exact_layer, torch.float64, x, state, counts)
        found = session.run(None, {name: value.numpy() for name, value in given.items()})
        names = ["output", *map(_final, layer.graph.states)]
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
