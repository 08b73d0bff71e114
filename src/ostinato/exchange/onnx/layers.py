"""Private: layers as nodes of an ONNX graph: operators of ONNX, or a Scan over the equations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...compiler.plan import reached
from ...language.graph import Graph
from ...nn.recurrent import Recurrent
from ..cell_weights import cell_arrays
from .nodes import Nodes, StepValue, add_step, full_value, value_info
from .operators import Native, native

__all__ = ["LayerNodes", "add_layer", "final", "initial"]


def initial(state: str) -> str:
    """The name of the initial value of a state."""
    return f"initial_{state}"


def final(state: str) -> str:
    """The name of the final value of a state."""
    return f"final_{state}"


@dataclass(frozen=True)
class LayerNodes:
    """The results of a layer in an ONNX graph, by their names.

    Attributes:
        output: The output, laid out as the input.
        finals: The final value of each state, (L * D, B, units) each, by the name of the state.
    """

    output: str
    finals: dict[str, str]


def add_layer(
    out: Nodes,
    layer: Recurrent,
    inputs: Sequence[str],
    *,
    lengths: str | None = None,
    states: Mapping[str, str] | None = None,
) -> LayerNodes:
    """Add a layer in evaluation mode to a graph.

    Args:
        out: The graph; its dtype of numbers is that of the layer.
        layer: The layer.
        inputs: The inputs of the cell, (B, T, I) with batch_first, else (T, B, I).
        lengths: The lengths (B,) int64; None if all steps of all rows are valid.
        states: The initial value of each state, (L * D, B, units) each, by the name of the state;
            None for 0 or the learned ones.
    """
    graph = layer.graph
    in_time = [
        out.add("Transpose", name, perm=[1, 0, 2]) if layer.batch_first else name for name in inputs
    ]
    valid = _valid(out, in_time[0], lengths) if lengths else None
    x, *further = in_time
    ends_of_runs: list[list[str]] = []
    for number in range(layer.num_layers):
        runs_of_layer = [number * layer.num_directions + k for k in range(layer.num_directions)]
        given = [_initial_states(out, layer, run, x, states) for run in runs_of_layer]
        arrays = [cell_arrays(layer, number, k) for k in range(layer.num_directions)]
        # ONNX Runtime's own operators compute in float32 only
        operator = native(graph) if out.constants.dtype == np.float32 else None
        if operator:
            x, found = _add_native(out, operator, layer, x, arrays, given, valid, lengths)
        else:
            scans = [
                _add_scan(
                    out,
                    graph,
                    layer._letters(number),
                    [x, *further],
                    weights,
                    before,
                    valid,
                    reverse=bool(k),
                )
                for k, (weights, before) in enumerate(zip(arrays, given))
            ]
            outputs = [output for output, _ in scans]
            x = out.add("Concat", *outputs, axis=-1) if len(outputs) > 1 else outputs[0]
            found = [
                [out.add("Unsqueeze", end, out.constants.whole(0)) for end in ends]
                for _, ends in scans
            ]
        ends_of_runs += found
    return LayerNodes(
        out.add("Transpose", x, perm=[1, 0, 2]) if layer.batch_first else x,
        {
            name: out.add("Concat", *(end[place] for end in ends_of_runs), axis=0, name=final(name))
            for place, name in enumerate(graph.states)
        },
    )


def _valid(out: Nodes, x_TBI: str, lengths: str) -> str:
    """Whether a step is inside its row, (T, B, 1)."""
    zero, one = (out.constants.add(np.array(number, np.int64), "number") for number in (0, 1))
    steps = out.add("Gather", out.add("Shape", x_TBI, start=0, end=1), zero, axis=0, name="steps")
    time = out.add("Range", zero, steps, one, name="time")
    time = out.add("Unsqueeze", time, out.constants.whole(1))
    return out.add(
        "Unsqueeze", out.add("Less", time, lengths), out.constants.whole(2), name="valid"
    )


def _initial_states(
    out: Nodes, layer: Recurrent, run: int, x_TBI: str, states: Mapping[str, str] | None
) -> list[str]:
    """The names of the initial states of a layer and direction, (B, units) each."""
    place = out.constants.add(np.array(run, np.int64), "number")
    if states is not None:
        return [out.add("Gather", states[name], place, axis=0) for name in layer.graph.states]
    batch = out.add("Shape", x_TBI, start=1, end=2, name="batch_size")
    learned = layer.initial_state(1)
    return [
        out.expand(
            out.constants.add(state[run, 0].detach().cpu().numpy(), initial(name)),
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
    lengths: str | None,
) -> tuple[str, list[list[str]]]:
    """Add a layer as one operator: its output (T, B, units), and the final states of each
    direction, (1, B, units) each.
    """
    constants, states = out.constants, list(layer.graph.states)
    # W, R, B and P of all directions
    packed = zip(*(operator.tensors(weights) for weights in arrays))
    w, r, b, p = ("" if part[0] is None else constants.add(np.stack(part)) for part in packed)
    before = [
        out.add(
            "Concat", *(out.add("Unsqueeze", one, constants.whole(0)) for one in of_state), axis=0
        )
        for of_state in zip(*given)
    ]
    row_lengths = ""
    if valid and lengths:
        # an operator need not accept a length of 0; its results for such a row are replaced below
        at_least_one = out.add("Max", lengths, constants.whole(1))
        row_lengths = out.add("Cast", at_least_one, to=6)  # int32
    inputs = [x_TBI, w, r, b, row_lengths, *before, *([p] if p else [])]
    y, *finals = out.add_many(
        operator.op,
        inputs,
        ["y", *(final(name) for name in states)],
        hidden_size=layer.hidden_size,
        direction="bidirectional" if layer.bidirectional else "forward",
        **operator.attributes(layer.num_directions),
    )
    # (T, D, B, H) to (T, B, D * H)
    y = out.add("Transpose", y, perm=[0, 2, 1, 3])
    y = out.add("Reshape", y, constants.whole(0, 0, -1))
    if valid and lengths:
        y = out.add("Where", valid, y, constants.number(0.0))
        empty = out.add("Less", lengths, constants.whole(1))
        empty = out.add("Unsqueeze", empty, constants.whole(1))
        finals = [out.add("Where", empty, *pair) for pair in zip(before, finals)]
    rows = [
        [
            out.add("Slice", end, constants.whole(k), constants.whole(k + 1), constants.whole(0))
            for end in finals
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
    before_first: Sequence[str],
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
        arguments.append(value_info(unique, dtype, ["batch", units]))
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
        ends.append(value_info(end, constants.dtype, ["batch", width]))
    step = helper.make_graph(body.nodes, f"{graph.name}_step", arguments, ends)
    *finals, output = out.add_many(
        "Scan",
        [*before_first, *columns],
        [*(final(name) for name in graph.states), "outputs"],
        body=step,
        num_scan_inputs=len(columns),
        scan_input_directions=[int(reverse)] * len(columns),
        scan_output_directions=[int(reverse)],
    )
    return output, finals
