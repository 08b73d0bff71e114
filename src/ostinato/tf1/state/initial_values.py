"""Private: initial values that depend on other variables.

An initial value computed from another variable would fail in a run that initializes both at once.
Therefore its operations are created a second time, with the other variable's initial value as long
as it has no value.
"""

from typing import Any

from ..core.graph_keys import GraphKeys
from ..core.tensors import Operation, Tensor

__all__ = ["initialized_first"]

_VARIABLES = ("VariableV2", "VarHandleOp")
# These need no value of the variable, or, as in TensorFlow, are left alone.
_KEPT = ("IsVariableInitialized", "VarIsInitializedOp", "ReadVariableOp")


def initialized_first(value: Tensor, variable: Any) -> Tensor:
    """An initial value in which other variables are replaced by their initialized values.

    Args:
        value: The initial value of the variable.
        variable: The variable.
    """
    if _has_cycle(value.op):
        return value
    return _InitialCopies(variable).tensor(value)


def _has_cycle(op: Operation) -> bool:
    done: set[Operation] = set()
    path: set[Operation] = set()
    stack: list[tuple[Operation, bool]] = [(op, False)]
    while stack:
        at, leaving = stack.pop()
        if leaving:
            path.discard(at)
            done.add(at)
        elif at in path:
            return True
        elif at not in done:
            path.add(at)
            stack.append((at, True))
            before = [t.op for t in at.inputs] + at.control_inputs
            if any(b in path for b in before):
                return True
            stack += [(b, False) for b in before if b not in done]
    return False


class _InitialCopies:
    def __init__(self, variable: Any):
        self.suffix = variable.name.replace(":", "_")
        self.made: dict[Operation, Operation] = {}

    def tensor(self, tensor: Tensor) -> Tensor:
        op = tensor.op
        if op not in self.made:
            self.made[op] = self._copy(op)
        return self.made[op].outputs[tensor.value_index]

    def _copy(self, op: Operation) -> Operation:
        if op.type in _KEPT:
            return op
        if op.type in _VARIABLES:
            return self._initialized(op)
        inputs = [self.tensor(t) for t in op.inputs]
        if all(new is old for new, old in zip(inputs, op.inputs)):
            return op
        kind = "Switch" if op.type == "RefSwitch" else op.type
        return op.graph.create_op(kind, inputs, f"{op.name}_{self.suffix}", op.attrs)

    @staticmethod
    def _initialized(op: Operation) -> Operation:
        for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES):
            for v in op.graph.get_collection(key):
                if getattr(v, "name", None) == f"{op.name}:0" and hasattr(v, "initialized_value"):
                    return v.initialized_value().op
        return op
