"""Private: the loop of the gradients of a recurrence: which of its results are gradients of what.

`tf.gradients` builds this loop by its rules for operations, so that it needs no reading: it is
recorded for each of its Exits which Enter of the forward loop it gives the gradient of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.executor import ended
from ..core.tensors import Operation, Tensor
from .body import NotARecurrence
from .recurrence import Recurrence

__all__ = ["GradientArray", "GradientLoop", "read_gradient_loop"]


@dataclass(frozen=True)
class GradientArray:
    """The TensorArray of the gradients of another one.

    Attributes:
        handle: The other one, outside of the loop.
        op: The operation that creates it.
    """

    handle: Tensor
    op: Operation


@dataclass
class GradientLoop:
    """The inputs and results of a loop of gradients.

    Attributes:
        output: The gradients of the output, or None if they are not needed.
        inputs: Those of the inputs that are needed, by name.
        states: For the Enters of states, the gradient of their final values, outside of the loop.
        exits: The Exits, each with the Enter whose gradient it gives.
    """

    output: GradientArray | None = None
    inputs: dict[str, GradientArray] = field(default_factory=dict)
    states: dict[Operation, Tensor] = field(default_factory=dict)
    exits: dict[Operation, Operation] = field(default_factory=dict)


# Operations with an effect that a loop of gradients may have.
_ARRAYS = ("TensorArrayReadV3", "TensorArrayWriteV3")


def read_gradient_loop(loop: Any, ops: Sequence[Operation], forward: Recurrence) -> GradientLoop:
    """Read the inputs and results of a loop of gradients.

    Args:
        loop: The loop.
        ops: Its operations that a plan runs.
        forward: The forward loop.

    Raises:
        NotARecurrence: It has other results.
    """
    state = loop.grad_state
    if state.stopped:
        raise NotARecurrence("gradients stop within the loop")
    result = GradientLoop()
    for op in ops:
        if op.type in _ARRAYS:
            _use_array(op, forward, result)
        elif op.type == "Exit":
            if op not in state.sources:
                raise NotARecurrence(f"{op.name} is not a gradient of an Enter")
            result.exits[op] = state.sources[op]
        elif op.type == "Enter" and op in state.sources:
            variable = ended(state.sources[op]).op
            if variable not in forward.variables:
                raise NotARecurrence(f"{op.name} is the gradient of a value that is not computed")
            result.states[forward.variables[variable]] = op.inputs[0]
    _check_exits(forward, result)
    return result


def _use_array(op: Operation, forward: Recurrence, result: GradientLoop) -> None:
    created = op.inputs[0].op
    if created.type != "TensorArrayGradV3" or created.inputs[0].op.type != "Enter":
        raise NotARecurrence(f"{op.name} uses another TensorArray")
    array = GradientArray(created.inputs[0].op.inputs[0], created)
    output = forward.output
    if op.type == "TensorArrayReadV3":
        if output is None or array.handle is not output.handle:
            raise NotARecurrence(f"{op.name} reads another TensorArray")
        result.output = array
        return
    names = [x.name for x in forward.inputs if x.handle is array.handle]
    if not names:
        raise NotARecurrence(f"{op.name} writes another TensorArray")
    result.inputs[names[0]] = array


def _check_exits(forward: Recurrence, result: GradientLoop) -> None:
    """Make sure that there is a value for each Exit."""
    flows = {x.flow for x in forward.inputs}
    flows |= {enter for enter in forward.variables.values() if enter.outputs[0].shape.ndims == 0}
    known = flows | set(forward.states) | {f.enter for f in forward.factors.values()}
    for end, enter in result.exits.items():
        if enter not in known:
            raise NotARecurrence(f"{end.name} is the gradient of {enter.name}")
