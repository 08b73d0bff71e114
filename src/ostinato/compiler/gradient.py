"""The graph of one backward step: one rule for each op, one reverse walk, and the result is a graph
again.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from ..language.graph import ONE, Builder, Graph, Node, Size


@dataclass(frozen=True, eq=False)
class Backward:
    """One backward step of a cell.

    Its leaves are nodes of the forward graph and nodes of op `gradient`: `output` is what reaches
    the step's output from outside, and each state's name is what reaches its new value from the
    step after.

    Attributes:
        states: The gradient of each previous state, by name.
        inputs: The gradient of each input that one goes to, by name.
        products: For each weight of two dimensions, the pairs (gradient of the result, argument)
            whose outer products add up to the weight's gradient; a pair's order is swapped for a
            transposed weight. Of one that no gradient reaches, a pair of zeros.
        vectors: For each weight of one dimension, its gradient at one row and step.
    """

    graph: Graph
    states: dict[str, Node]
    inputs: dict[str, Node]
    products: dict[str, list[tuple[Node, Node]]] = field(default_factory=dict)
    vectors: dict[str, Node] = field(default_factory=dict)


class _Algebra:
    """Arithmetic on nodes that leaves out what a 0 or a 1 makes idle."""

    def __init__(self, builder: Builder):
        self.builder = builder
        self.zero, self.one = builder.number(0.0), builder.number(1.0)

    def __getattr__(self, op) -> Callable[..., Node]:
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


# One rule for each pointwise op: given the algebra m, the gradient g of the result, the result y
# and the arguments, the gradient of each argument (None where there is none).
RULES: dict[str, Callable] = {
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
        The gradients of the previous states, the inputs and the weights, as nodes over the same
        builder.
    """
    builder = graph.builder
    m = _Algebra(builder)
    # What has reached each node, by its size: a value of 1 unit is used at other sizes too.
    reached: dict[Node, dict[Size, Node]] = {}

    def give(node: Node, g: Node | None):
        """Add g to what has reached a node."""
        if g is None or g is m.zero or node.op == "number":
            return
        parts = reached.setdefault(node, {})
        parts[g.size] = m.add(parts[g.size], g) if g.size in parts else g

    def gradient(node: Node) -> Node | None:
        """All that has reached a node, summed over units where the node was spread over them."""
        parts = []
        for size, g in reached.get(node, {}).items():
            if node.size == ONE and size != ONE:
                g = builder.node("sum", (g,))
            elif node.size != ONE and size == ONE:
                g = builder.node("broadcast", (g,), None, node.size)
            parts.append(g)
        return functools.reduce(m.add, parts) if parts else None

    give(graph.output, builder.node("gradient", (), "output", graph.output.size))
    for (name, size), node in zip(graph.states.items(), graph.new_states):
        give(node, builder.node("gradient", (), name, size))

    products: dict[str, list[tuple[Node, Node]]] = {}
    for node in reversed(graph.nodes):
        g = gradient(node)
        if g is None:
            continue
        if node.op == "product":
            (arg,), (name, transposed) = node.args, node.value
            give(arg, builder.node("product", (g,), (name, not transposed), arg.size))
            products.setdefault(name, []).append((arg, g) if transposed else (g, arg))
        elif node.op == "slice":
            (arg,), (start, _) = node.args, node.value
            give(arg, builder.node("pad", (g,), start, arg.size))
        elif node.op == "concat":
            start = Size(0)
            for arg in node.args:
                give(arg, builder.slice(g, start, start + arg.size))
                start = start + arg.size
        elif node.op == "sum":
            give(node.args[0], builder.node("broadcast", (g,), None, node.args[0].size))
        elif node.op == "mean":
            (arg,) = node.args
            # A sum over as many units is divided at once, for only then is the mean of equal
            # numbers exact.
            whole = g.op == "sum" and g.args[0].size == arg.size
            g = builder.node("mean", g.args) if whole else g
            give(arg, builder.node("broadcast", (g,), None if whole else "mean", arg.size))
        elif node.args:
            for arg, part in zip(node.args, RULES[node.op](m, g, node, *node.args)):
                give(arg, part)

    def of_leaf(kind, name, size):
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
            products[name] = [
                tuple(builder.node("broadcast", (m.zero,), None, size) for size in w.shape)
            ]
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
