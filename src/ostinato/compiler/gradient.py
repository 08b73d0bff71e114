"""The gradient of a cell: a table with one rule per op, and one reverse walk over the graph. The
result is a graph of the backward step.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from ..language.graph import ONE, Builder, Graph, Node, Size

__all__ = ["Backward", "RULES", "derive"]


@dataclass(frozen=True, eq=False)
class Backward:
    """The backward step of a cell.

    Its leaves are nodes of the forward graph and nodes of op `gradient`. The node `output` is the
    gradient of the step's output; the node with the name of a state is the gradient of its new
    value, which comes from the following step.

    Attributes:
        states: The gradient of each previous state, by name.
        inputs: The gradient of each input that gets one, by name.
        products: For each weight of two dimensions, the pairs (gradient of the result, argument)
            whose outer products add up to the weight's gradient; the pair is swapped for a
            transposed weight. A weight without a gradient has a pair of zeros.
        vectors: For each weight of one dimension, its gradient for one row and step.
    """

    graph: Graph
    states: dict[str, Node]
    inputs: dict[str, Node]
    products: dict[str, list[tuple[Node, Node]]] = field(default_factory=dict)
    vectors: dict[str, Node] = field(default_factory=dict)


class _Algebra:
    """Arithmetic on nodes that simplifies products with 0 and 1, and sums with 0."""

    def __init__(self, builder: Builder):
        self.builder = builder
        self.zero, self.one = builder.number(0.0), builder.number(1.0)

    def __getattr__(self, op: str) -> Callable[..., Node]:
        return lambda *args: self.builder.pointwise(op, *args)

    def mul(self, a: Node, b: Node) -> Node:
        if self.zero in (a, b):
            return self.zero
        if self.one in (a, b):
            return b if a is self.one else a
        return self.builder.pointwise("mul", a, b)

    def add(self, a: Node, b: Node) -> Node:
        if self.zero in (a, b):
            return b if a is self.zero else a
        return self.builder.pointwise("add", a, b)


# One rule for each pointwise op. From the algebra m, the gradient g of the result, the result y and
# the arguments, it computes the gradient of each argument (None for no gradient).
RULES: dict[str, Callable[..., tuple[Node | None, ...]]] = {
    "add": lambda m, g, y, a, b: (g, g),
    "sub": lambda m, g, y, a, b: (g, m.neg(g)),
    "mul": lambda m, g, y, a, b: (m.mul(g, b), m.mul(g, a)),
    "div": lambda m, g, y, a, b: (m.div(g, b), m.neg(m.mul(m.div(g, b), y))),
    "neg": lambda m, g, y, a: (m.neg(g),),
    "sigmoid": lambda m, g, y, a: (m.mul(g, m.mul(y, m.sub(m.one, y))),),
    "tanh": lambda m, g, y, a: (m.mul(g, m.sub(m.one, m.mul(y, y))),),
    "relu": lambda m, g, y, a: (m.where(m.less(m.zero, a), g, m.zero),),
    "exp": lambda m, g, y, a: (m.mul(g, y),),
    "log": lambda m, g, y, a: (m.div(g, a),),
    "sqrt": lambda m, g, y, a: (m.div(g, m.add(y, y)),),
    "softplus": lambda m, g, y, a: (m.mul(g, m.sigmoid(a)),),
    "hard_sigmoid": lambda m, g, y, a: (
        m.where(m.less(m.abs(a), m.builder.number(3.0)), m.mul(g, m.builder.number(1 / 6)), m.zero),
    ),
    "floor": lambda m, g, y, a: (None,),
    "abs": lambda m, g, y, a: (
        m.where(m.less(a, m.zero), m.neg(g), m.where(m.less(m.zero, a), g, m.zero)),
    ),
    "maximum": lambda m, g, y, a, b: (
        m.where(m.less(a, b), m.zero, g),
        m.where(m.less(a, b), g, m.zero),
    ),
    "minimum": lambda m, g, y, a, b: (
        m.where(m.less(b, a), m.zero, g),
        m.where(m.less(b, a), g, m.zero),
    ),
    "where": lambda m, g, y, condition, a, b: (
        None,
        m.where(condition, g, m.zero),
        m.where(condition, m.zero, g),
    ),
    "less": lambda m, g, y, a, b: (None, None),
}


def derive(graph: Graph) -> Backward:
    """The backward step of a graph.

    Args:
        graph: A cell's step.

    Returns:
        The gradients of the previous states, the inputs and the weights, as nodes of the same
        builder.
    """
    builder = graph.builder
    m = _Algebra(builder)
    # The gradient of each node, by size: a value of 1 unit is broadcast to other sizes.
    gradients: dict[Node, dict[Size, Node]] = {}

    def accumulate(node: Node, g: Node | None) -> None:
        """Add g to the gradient of a node."""
        if g is None or g is m.zero or node.op == "number":
            return
        parts = gradients.setdefault(node, {})
        parts[g.size] = m.add(parts[g.size], g) if g.size in parts else g

    def gradient(node: Node) -> Node | None:
        """The gradient of a node; it is summed over units where the node was broadcast."""
        parts = []
        for size, g in gradients.get(node, {}).items():
            if node.size == ONE and size != ONE:
                g = builder.node("sum", (g,))
            elif node.size != ONE and size == ONE:
                g = builder.node("broadcast", (g,), None, node.size)
            parts.append(g)
        return functools.reduce(m.add, parts) if parts else None

    accumulate(graph.output, builder.node("gradient", (), "output", graph.output.size))
    for (name, size), node in zip(graph.states.items(), graph.new_states):
        accumulate(node, builder.node("gradient", (), name, size))

    products: dict[str, list[tuple[Node, Node]]] = {}
    for node in reversed(graph.nodes):
        g = gradient(node)
        if g is None:
            continue
        if node.op == "product":
            (arg,), (name, transposed) = node.args, node.value
            accumulate(arg, builder.node("product", (g,), (name, not transposed), arg.size))
            products.setdefault(name, []).append((arg, g) if transposed else (g, arg))
        elif node.op == "slice":
            (arg,), (start, _) = node.args, node.value
            accumulate(arg, builder.node("pad", (g,), start, arg.size))
        elif node.op == "concat":
            start = Size(0)
            for arg in node.args:
                accumulate(arg, builder.slice(g, start, start + arg.size))
                start = start + arg.size
        elif node.op == "sum":
            accumulate(node.args[0], builder.node("broadcast", (g,), None, node.args[0].size))
        elif node.op == "mean":
            (arg,) = node.args
            # A sum over the same units becomes a mean in one operation: only then is the mean of
            # equal numbers exact.
            whole = g.op == "sum" and g.args[0].size == arg.size
            g = builder.node("mean", g.args) if whole else g
            accumulate(arg, builder.node("broadcast", (g,), None if whole else "mean", arg.size))
        elif node.args:
            for arg, part in zip(node.args, RULES[node.op](m, g, node, *node.args)):
                accumulate(arg, part)

    def of_leaf(kind: str, name: str, size: Size) -> Node:
        return gradient(builder.node(kind, (), name, size)) or builder.node(
            "broadcast", (m.zero,), None, size
        )

    vectors = {
        name: of_leaf("weight", name, w.shape[0])
        for name, w in graph.weights.items()
        if len(w.shape) == 1
    }
    for name, w in graph.weights.items():
        if len(w.shape) == 2 and name not in products:
            rows, columns = (builder.node("broadcast", (m.zero,), None, size) for size in w.shape)
            products[name] = [(rows, columns)]
    return Backward(
        graph,
        {name: of_leaf("state", name, size) for name, size in graph.states.items()},
        {
            name: of_leaf("input", name, size)
            for name, size in graph.inputs.items()
            if name not in graph.given
        },
        products,
        vectors,
    )
