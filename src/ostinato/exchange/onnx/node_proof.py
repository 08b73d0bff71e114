"""Private: a node of an ONNX file next to the layer that was read from it, on the same inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import EngineError
from ...nn.recurrent import Recurrent
from ..results import TOLERANCES, ResultComparison, comparable, exact_copy, states_of
from ..reversed_layer import ReversedLayer
from .cells import ACTIVATIONS, Activation
from .nodes import IR_VERSION, OPSET, value_info
from .operators import NodeWeights
from .session import session_of

__all__ = ["prove_node"]

# Sizes of the batch, and the lengths of its rows. ONNX Runtime does not take lengths of 0.
T, LENGTHS = 7, [7, 3, 1]


def prove_node(
    layer: Recurrent,
    op: str,
    weights: NodeWeights,
    given: Mapping[str, Any],
    activations: tuple[Activation, ...],
    direction: str,
    what: str,
) -> None:
    """Run a node with ONNX Runtime, and its layer, on random inputs, states and lengths.

    ONNX Runtime computes these operators in float32 and with time first.

    Args:
        layer: The layer; for the direction "reverse" without its reversal.
        op: The operator.
        weights: The weights of the node.
        given: Its attributes.
        activations: Its activation functions, with their numbers.
        direction: Its direction.
        what: How an error names it.

    Raises:
        EngineError: The results differ, or ONNX Runtime does not run the node.
    """
    random = torch.Generator().manual_seed(0)
    directions, _, features = weights.w.shape
    units, batch = weights.r.shape[-1], len(LENGTHS)
    x = torch.randn(T, batch, features, generator=random)
    names = ["initial_h", "initial_c"][: len(layer.graph.states)]
    states = [torch.rand(directions, batch, units, generator=random) for _ in names]
    lengths = torch.tensor(LENGTHS, dtype=torch.int32)
    found = _run_node(
        op,
        weights,
        _attributes(op, given, activations, direction, units, directions),
        dict(zip(["X", "sequence_lens", *names], [x, lengths, *states])),
        what,
    )
    own, exact = (_run_layer(layer, dtype, direction, x, states, lengths) for dtype in _DTYPES)
    comparison = ResultComparison(
        f"{what}: ONNX Runtime", TOLERANCES[torch.float32], "layer", "the node is not read"
    )
    for name, of_node, of_layer, right in zip(["Y", "Y_h", "Y_c"], found, own, exact):
        comparison.check(name, of_node, of_layer, right)


_DTYPES = (torch.float32, torch.float64)


def _attributes(
    op: str,
    given: Mapping[str, Any],
    activations: tuple[Activation, ...],
    direction: str,
    units: int,
    directions: int,
) -> dict[str, Any]:
    """The attributes of the node, with all numbers of its activations stated."""
    kept = ("clip", "input_forget", "linear_before_reset")
    found: dict[str, Any] = {name: given[name] for name in kept if name in given}
    found |= {"direction": direction, "hidden_size": units}
    both = activations * directions
    found["activations"] = [one.name for one in both]
    # ONNX Runtime's RNN takes a number for each direction, LSTM and GRU for each function with one
    alphas = [one.alpha for one in both if op == "RNN" or ACTIVATIONS[one.name].alpha]
    betas = [one.beta for one in both if op == "RNN" or ACTIVATIONS[one.name].beta]
    if any(ACTIVATIONS[one.name].alpha for one in both):
        found |= {"activation_alpha": alphas}
    if any(ACTIVATIONS[one.name].beta for one in both):
        found |= {"activation_beta": betas}
    return found


def _run_node(
    op: str,
    weights: NodeWeights,
    attributes: Mapping[str, Any],
    inputs: Mapping[str, Tensor],
    what: str,
) -> list[np.ndarray]:
    """The outputs of the node: Y and the final states."""
    from onnx import helper, numpy_helper

    tensors = {"W": weights.w, "R": weights.r, "B": weights.b, "P": weights.p}
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
        for name, array in tensors.items()
        if array is not None
    ]
    places = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    known = {*inputs, *(one.name for one in constants)}
    names = ["Y", "Y_h", "Y_c"][: len(inputs) - 1]
    node = helper.make_node(
        op, [name if name in known else "" for name in places], names, **attributes
    )
    if op != "LSTM":
        del node.input[6:]
    arrays = {name: value.numpy() for name, value in inputs.items()}
    graph = helper.make_graph(
        [node],
        "node",
        [value_info(name, array.dtype, array.shape) for name, array in arrays.items()],
        [value_info(name, np.dtype(np.float32), None) for name in names],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    try:
        return session_of(model.SerializeToString()).run(names, arrays)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # the classes of its errors are not public
        raise EngineError(f"{what}: ONNX Runtime does not run it ({error})") from error


def _run_layer(
    layer: Recurrent,
    dtype: torch.dtype,
    direction: str,
    x: Tensor,
    states: list[Tensor],
    lengths: Tensor,
) -> list[np.ndarray]:
    """The same outputs of the layer, computed in a dtype: Y, (T, D, B, H), and the final states."""
    layer = exact_copy(layer) if dtype is torch.float64 else comparable(layer).to(dtype)
    module = ReversedLayer(layer) if direction == "reverse" else layer
    state = tuple(one.to(dtype) for one in states)
    x = x.to(dtype)
    with torch.no_grad():
        y, ends = module(x.transpose(0, 1) if layer.batch_first else x, state, lengths)
    y = y.transpose(0, 1) if layer.batch_first else y
    y = y.unflatten(-1, (layer.num_directions, -1)).transpose(1, 2)
    return [one.numpy() for one in (y, *states_of(ends))]
