"""Private: TensorFlow functions of the elements of a dataset.

A function is called once, with placeholders, in a graph of its own, which is run for each element.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import InputError
from ..core import nest
from ..core.constant import constant, constant_value
from ..core.conversion import convert_to_tensor
from ..core.executor import SessionPlan
from ..core.graph import Graph, get_default_graph
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Operation, Tensor
from ..ops import arrays

__all__ = ["Element", "ElementFunction", "flat_shapes"]

Element = list[np.ndarray]  # the values of a structure, in order


class _FunctionGraph(Graph):
    """The graph of a function that is called for each element. Constants of the program may stand
    in it; other tensors may not.
    """

    def create_op(
        self,
        type: str,  # noqa: A002
        inputs: Any = (),
        name: str | None = None,
        attrs: Any = None,
    ) -> Operation:
        return super().create_op(type, [self._own(t) for t in inputs], name, attrs)

    def _own(self, tensor: Tensor) -> Tensor:
        if tensor.graph is self:
            return tensor
        value = constant_value(tensor)
        if value is None:
            raise InputError(
                f"the function of a dataset uses {tensor}, whose value changes from run to run: "
                "use constants, or apply the function to the iterator's next element"
            )
        with self.as_default():
            return constant(value)


class ElementFunction:
    """A TensorFlow function on one element."""

    def __init__(self, function: Callable, types: Any, shapes: Any):
        self.graph = _FunctionGraph()
        self.graph.seed = get_default_graph().seed
        with self.graph.as_default():
            flat = zip(nest.flatten(types), flat_shapes(types, shapes))
            self.inputs = [arrays.placeholder(t, s) for t, s in flat]
            given = nest.pack_sequence_as(types, self.inputs)
            plain = isinstance(given, tuple) and not hasattr(given, "_fields")
            result = function(*given) if plain else function(given)
            if isinstance(result, list):
                result = tuple(result)
            self.structure = nest.map_structure(convert_to_tensor, result)
            self.outputs = nest.flatten(self.structure)
        self.plan = SessionPlan(self.outputs, self.inputs)

    def __call__(self, session: Any, element: Element) -> Element:
        return self.plan.run(session, dict(zip(self.inputs, element)))


def flat_shapes(types: Any, shapes: Any) -> list[TensorShape]:
    if not nest.is_sequence(types):
        return [as_shape(shapes)]
    parts = [types[k] for k in sorted(types)] if isinstance(types, dict) else types
    below = [shapes[k] for k in sorted(shapes)] if isinstance(shapes, dict) else shapes
    return [s for t, n in zip(parts, below) for s in flat_shapes(t, n)]
