"""Private: layers as variables of TensorFlow 1's cells, with their scopes."""

from collections.abc import Mapping

import numpy as np
import torch

from ...errors import InputError
from ..cell_weights import cell_arrays, with_forget_bias
from ..layer_specs import RecurrentSpec
from ..layer_stack import LayerStack, RecurrentPart
from .cells import BOTH, CELLS, Tf1Cell, cell_in

__all__ = ["scopes_of", "tf1_cell", "variables_of"]


def tf1_cell(name: str, spec: RecurrentSpec) -> Tf1Cell:
    """The cell of TensorFlow 1 for a layer."""
    cell = {"lstm_projected": "lstm_full"}.get(spec.cell, spec.cell)
    peepholes = spec.cell == "lstm_full" and spec.constants.get("peepholes", True)
    for one in CELLS:
        if one.cell == cell and (
            cell != "lstm_full" or ("peepholes" not in one.constants) == peepholes
        ):
            return one
    known = {one.cell for one in CELLS} | {"lstm_projected"}
    raise InputError(
        f"the layer {name!r} has the cell {spec.cell!r}, which is not a cell of TensorFlow 1's "
        f"checkpoints; these are {', '.join(sorted(known))}"
    )


def scopes_of(stack: LayerStack, names: Mapping[str, str]) -> list[list[str]]:
    """The scopes of the layers of each part."""
    for name in names:
        if name not in stack.names:
            raise InputError(
                f"names has {name!r}, and the layers are {', '.join(map(repr, stack.names))}"
            )
    found: list[list[str]] = []
    cells = [
        tf1_cell(name, part.spec) if isinstance(part, RecurrentPart) else None
        for name, part in stack.named_parts()
    ]
    total = sum(getattr(part.spec, "num_layers", 1) for part in stack.parts)
    place = 0
    for (name, part), cell in zip(stack.named_parts(), cells):
        count = getattr(part.spec, "num_layers", 1)
        both = getattr(part.spec, "bidirectional", False)
        given = names.get(name)
        if (
            given is None
            and cell
            and cell_in(name.replace(BOTH, "fw"), {*cell.variables})
            and "/" in name
        ):
            given = name
        if given is not None:
            if (BOTH in given) != both:
                raise InputError(
                    f"the layer {name!r} has {1 + both} direction(s), and the scope {given!r}"
                    f"{' has no' if both else ' has'} {BOTH}"
                )
            if count > 1:
                raise InputError(
                    f"the layer {name!r} has {count} layers and one scope; write each layer as a "
                    "part of its own"
                )
            found.append([given])
        else:
            scope = cell.scope if cell else ""
            own = []
            for _ in range(count):
                if both:
                    above = (
                        "bidirectional_rnn"
                        if total == 1
                        else f"stack_bidirectional_rnn/cell_{place}/bidirectional_rnn"
                    )
                    own.append(f"{above}/{BOTH}/{scope}")
                else:
                    above = "rnn" if total == 1 else f"rnn/multi_rnn_cell/cell_{place}"
                    own.append(f"{above}/{scope}")
                place += 1
            found.append(own)
    return found


def variables_of(
    name: str, part: RecurrentPart, number: int, direction: int, forget_bias: float
) -> dict[str, np.ndarray]:
    """The variables of a layer and direction, by their names below the scope."""
    spec, layer = part.spec, part.layer
    cell = tf1_cell(name, spec)
    refused = {
        "a learned initial state": spec.learned_state,
        "zoneout": "zoneout" in spec.regularisers,
        "products in bfloat16": spec.precision == "bfloat16",
        "an output other than that of every step": spec.reverse or not spec.sequence,
        "a merge other than concat": spec.merge != "concat",
        "clipped states": any(spec.constants.get(f"{c}_clip") for c in ("cell", "projection")),
        "an activation of its gates": "gate_activation" in spec.constants,
        "an activation other than tanh": cell.cell == "gru" and "activation" in spec.constants,
    }
    for what, there in refused.items():
        if there:
            raise InputError(
                f"the layer {name!r} has {what}, which a checkpoint's cell does not have"
            )
    if any(p.dtype not in (torch.float32, torch.float64) for p in layer.parameters()):
        raise InputError("the weights are not float32 or float64; write stack.float() first")
    own = cell_arrays(layer, number, direction)
    if cell.forget_bias is not None:
        shift = float(spec.constants.get("forget_bias", 0.0) or 0.0) - forget_bias
        if shift:
            own = with_forget_bias(own, spec.hidden_size, shift)
    return cell.from_cell(own)
