"""Regularisers of a recurrent layer: zoneout, recurrent and variational dropout, weight drop;
activation and temporal penalties.

Those that draw random masks inside the loop are the cell's own graph with a factor more, and the
masks are further inputs: every engine runs it, for every cell. Without them, and outside training,
a layer runs the graph that it has anyway.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from .. import engines
from ..engines.reference import summed
from ..errors import InputError, SizeError, near
from ..language.graph import Builder, Graph, Node, Size, walk
from .arguments import rate
from .lengths import read_lengths

__all__ = ["Regularisation", "activation_penalty", "temporal_penalty"]

# What a sum of new and kept things is made of; a maximum or minimum too, where it is a clip: one
# side is a number.
MIXING = {"add", "sub", "neg", "mul", "div", "slice", "concat", "where"}
# What an addition ends with, if with anything; other functions make gates.
ACTIVATIONS = {"tanh", "relu"}
# What a product may read a state through and still read that state.
READING = {"mul", "slice", "concat"}
EMPTY: Mapping = MappingProxyType({})


class Regularisation:
    """The random part of a layer in training; made by the layer, from its arguments of the
    same names.

    Args:
        graph: The cell's step.
        recurrent_dropout: Rate at which units of what a step adds to a state that it also keeps are
            dropped, with a new mask at every step.
        variational: Rate at which units that products read, of the layer's input and of states, are
            dropped, with one mask for a whole sequence.
        zoneout: Rate at which units of a state stay as they were, of all states or by the state's
            name.
        weight_drop: Rate at which numbers of the matrices that multiply states are dropped, with a
            new mask at every call.

    Attributes:
        at_rest: The step outside training: zoneout has the mean of its random choice.
        in_training: The step in training, whose further inputs are masks.

    Raises:
        InputError: A rate is none, or the cell has nothing that it could be for.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        recurrent_dropout: float = 0.0,
        variational: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        weight_drop: float = 0.0,
    ):
        self.recurrent_dropout = rate("recurrent_dropout", recurrent_dropout)
        self.variational, self.weight_drop = (
            rate("variational", variational),
            rate("weight_drop", weight_drop),
        )
        self.zoneout = _rates(graph, zoneout)
        self._matrices = recurrent_weights(graph) if self.weight_drop else []
        if self.weight_drop and not self._matrices:
            raise InputError(
                f"weight_drop={weight_drop}: no weight of cell {graph.name!r} multiplies a state; "
                f"leave weight_drop out"
            )
        # Of each mask its size, the part of it that is not 0, and whether it is the same at all
        # steps.
        self._masks: dict[str, tuple[Size, float, bool]] = {}
        self._asked: tuple[tuple, tuple] = ((), ())
        self.at_rest = _zoned_out(graph, self.zoneout, None) if self.zoneout else graph
        changed = graph
        if self.recurrent_dropout:
            changed = self._dropping(changed)
        if self.variational:
            changed = self._reading_less(changed)
        if self.zoneout:
            self._masks |= {
                f"zoneout of {name}": (graph.states[name], one, False)
                for name, one in self.zoneout.items()
            }
            changed = _zoned_out(changed, self.zoneout, "zoneout of {}")
        self.in_training = changed
        self._masks = {
            name: self._masks[name] for name in changed.inputs if name not in graph.inputs
        }

    # ------------------------------------------------------------ the step in training

    def _dropping(self, graph: Graph) -> Graph:
        found = additions(graph)
        if not found:
            raise InputError(
                f"recurrent_dropout={self.recurrent_dropout}: no step of cell {graph.name!r} adds "
                f"to a state that it keeps, so there is "
                "nothing to drop without losing memory; write zoneout=... or variational=..."
            )
        names = {node: f"dropout {k}" for k, node in enumerate(found)}
        self._masks |= {
            name: (node.size, 1 - self.recurrent_dropout, False) for node, name in names.items()
        }
        return _copied(
            graph,
            dropped={
                node: (name, 1 / (1 - self.recurrent_dropout)) for node, name in names.items()
            },
        )

    def _reading_less(self, graph: Graph) -> Graph:
        below = next(iter(graph.inputs))
        read = {
            node.value: node
            for n in graph.nodes
            if n.op == "product"
            for node in _read(n.args[0])
            if node.op == "state" or node.value == below
        }
        self._masks |= {
            f"read of {name}": (node.size, 1 - self.variational, True)
            for name, node in read.items()
        }
        return _copied(graph, read={node: f"read of {name}" for name, node in read.items()})

    # ------------------------------------------------------------ what is drawn

    def masks(self, x: Tensor, letters: Mapping[str, int]) -> tuple[Tensor, ...]:
        """The further inputs of `in_training`, (T, B, units) each, of 0 where something is dropped
        (or goes on, for zoneout), else 1; where one is the same at all steps, what makes up for the
        dropped ones.

        Args:
            x: The layer's input, (T, B, I).
            letters: What each letter stands for.
        """
        steps, batch = x.shape[:2]
        key, (asked, wanted) = (steps, batch, *letters.values()), self._asked
        if asked != key:
            wanted = tuple(
                [
                    (
                        (steps, batch, size.at(letters)),
                        part,
                        1 / part if once else 1.0,
                        once,
                        not once,
                    )
                    for size, part, once in self._masks.values()
                ]
            )
            self._asked = key, wanted
        return tuple(_drawn(x, wanted))

    def weights(
        self, weights: Mapping[str, Tensor | tuple[Tensor, ...]]
    ) -> dict[str, Tensor | tuple[Tensor, ...]]:
        """The weights, with numbers dropped of those that multiply states."""
        whole = {name: summed(weights[name]) for name in self._matrices}
        part = 1 - self.weight_drop
        masks = (
            _drawn(
                next(iter(whole.values())),
                tuple([(tuple(w.shape), part, 1 / part) for w in whole.values()]),
            )
            if whole
            else ()
        )
        return {**weights} | {name: w * mask for (name, w), mask in zip(whole.items(), masks)}


def _drawn(like: Tensor, masks: tuple[tuple, ...]) -> list[Tensor]:
    """Masks, each with the fields of `dropout_masks.Mask`: its shape, the probability of what is
    not 0 (to 1/65,536), what that is, whether it is the same along the first size, and whether it
    is of bytes where it can be; by torch's seed."""
    if not masks:
        return []
    if like.is_cpu and not engines.traced() and engines.can_draw(like.dtype):
        return engines.draw(masks, like.dtype, int(torch.randint(2**63 - 1, (), device="cpu")))
    found = []
    for shape, part, one, *kind in masks:
        drawn = like.new_empty((1, *shape[1:]) if kind and kind[0] else shape).bernoulli_(part)
        found.append((drawn.mul_(one) if one != 1 else drawn).expand(shape))
    return found


# ---------------------------------------------------------------- what a graph says of itself


def recurrent_weights(graph: Graph) -> list[str]:
    """The matrices that multiply something that depends on a state."""
    depends: set[Node] = set()
    for n in graph.nodes:
        if n.op == "state" or any(a in depends for a in n.args):
            depends.add(n)
    return [
        name
        for name in graph.weights
        if any(
            n.op == "product" and n.value[0] == name and n.args[0] in depends for n in graph.nodes
        )
    ]


def additions(graph: Graph) -> list[Node]:
    """The additions of a step to states that it also keeps: the candidate of an LSTM, a GRU, and of
    whatever else has one.

    A new state that keeps the old one is a mixture of it, of gates and of additions. An addition is
    an activation, or a part of the mixture with no gate and no state in it; something was
    multiplied with a weight for it. What holds its old state only within products or activations
    keeps nothing, as Elman's network.

    Example:
        >>> from ostinato.cells import elman, gru, lstm
        >>> [[node.op for node in additions(cell.graph)] for cell in (lstm, gru, elman)]
        [['tanh'], ['tanh'], []]
    """
    found: dict[Node, None] = {}
    for name, new in zip(graph.states, graph.new_states):
        parts = _mixed(new)
        if any(n.op == "state" and n.value == name for n in parts):
            linear = _linear(parts)
            additions = (
                n
                for n in parts
                if n.op in ACTIVATIONS
                or n in linear
                and not any(n in m.args and m in linear for m in parts)
            )
            found |= dict.fromkeys(
                n for n in additions if any(below.op == "product" for below in walk([n]))
            )
    return list(found)


def _mixed(new: Node) -> list[Node]:
    """The nodes of a mixture, arguments first; its gates, activations and products are ends."""

    def mixing(n: Node) -> bool:
        return (
            n.op in MIXING
            or n.op in ("maximum", "minimum")
            and any(a.op == "number" for a in n.args)
        )

    parts, stack = set(), [new]
    while stack:
        n = stack.pop()
        if n not in parts:
            parts.add(n)
            # A divisor is a gate: dropped, it would be divided by 0.
            stack += (
                [a for k, a in enumerate(n.args) if n.op != "div" or k == 0 or a.op == "number"]
                if mixing(n)
                else []
            )
    return [n for n in walk([new]) if n in parts]


def _linear(parts: list[Node]) -> set[Node]:
    """Of a mixture's nodes those that hold neither a state nor a gate nor an activation."""
    found: set[Node] = set()
    for n in parts:
        if (
            n.op in ("product", "weight", "number", "input")
            or n.args
            and n.op in MIXING
            and all(a in found for a in n.args)
        ):
            found.add(n)
    return found


def _read(argument: Node) -> Iterator[Node]:
    """The states and inputs that a product of this argument reads."""
    if argument.op in ("state", "input"):
        yield argument
    elif argument.op in READING:
        for a in argument.args:
            yield from _read(a)


# ---------------------------------------------------------------- graphs with masks in them


def _copied(
    graph: Graph,
    *,
    dropped: Mapping[Node, tuple[str, float]] = EMPTY,
    read: Mapping[Node, str] = EMPTY,
) -> Graph:
    """The graph with units dropped.

    Args:
        graph: The step.
        dropped: For nodes, the name of the mask, of 0 and 1, and the number that makes up for what
            is dropped, wherever they are used.
        read: For states and inputs, the name of the mask, which itself makes up for that, where a
            product reads them.
    """
    builder, made = Builder(), {}
    inputs = dict(graph.inputs)

    def mask(node: Node, name: str) -> Node:
        inputs[name] = node.size
        return builder.node("input", (), name, node.size)

    def seen(node: Node) -> Node:
        """A node as a product reads it."""
        if node in read:
            return builder.pointwise("mul", made[node], mask(node, read[node]))
        if node.op in READING and any(_read(node)):
            return builder.node(node.op, tuple(seen(a) for a in node.args), node.value, node.size)
        return made[node]

    for n in graph.nodes:
        args = tuple(seen(a) if n.op == "product" else made[a] for a in n.args)
        made[n] = builder.node(n.op, args, n.value, n.size)
        if n in dropped:
            name, more = dropped[n]
            made[n] = builder.pointwise(
                "mul", made[n], builder.pointwise("mul", mask(n, name), builder.number(more))
            )
    labels = {made[n]: label for n, label in graph.labels.items() if n in made}
    return Graph(
        graph.name,
        inputs,
        graph.states,
        graph.weights,
        made[graph.output],
        tuple(made[n] for n in graph.new_states),
        labels,
        builder,
        _given(graph, inputs),
        graph.constant | {*read.values()},
        graph.bits | {name for name, _ in dropped.values()},
        graph.known,
    )


def _zoned_out(graph: Graph, rates: Mapping[str, float], mask: str | None) -> Graph:
    """The graph whose new states are, unit by unit, the old ones: where a mask (named so, with the
    state in it) is 1, or by the rate.
    """
    graph = _copied(graph)
    builder, inputs, new_states, output = graph.builder, dict(graph.inputs), [], graph.output
    for (name, size), new in zip(graph.states.items(), graph.new_states):
        zoned = new
        if name in rates:
            old, stays = builder.node("state", (), name, size), builder.number(rates[name])
            if mask is not None:
                inputs[mask.format(name)] = size
                stays = builder.node("input", (), mask.format(name), size)
            zoned = builder.pointwise(
                "add", new, builder.pointwise("mul", stays, builder.pointwise("sub", old, new))
            )
        new_states.append(zoned)
        output = zoned if output is new else output
    return Graph(
        graph.name,
        inputs,
        graph.states,
        graph.weights,
        output,
        tuple(new_states),
        graph.labels,
        builder,
        _given(graph, inputs),
        graph.constant,
        graph.bits | (inputs.keys() - graph.inputs.keys()),
        graph.known,
    )


def _given(graph: Graph, inputs: Iterable[str]) -> frozenset[str]:
    """The inputs to which no gradient goes, where some have been added to a graph's."""
    return graph.given | (set(inputs) - set(graph.inputs))


# ---------------------------------------------------------------- penalties


def activation_penalty(output: Tensor, lengths=None, *, batch_first: bool = True) -> Tensor:
    """The mean square of a layer's valid outputs: activation regularisation (AR), to be added to a
    loss with a factor such as 2.

    Args:
        output: As the layer gives it: (B, T, units) with batch_first, else (T, B, units).
        lengths: Valid steps of each row, as the layer took them; None where all are.
        batch_first: As the layer has it.

    Returns:
        A number, with its gradient; 0 where no step is valid.

    Raises:
        SizeError: The output has other dimensions.
        InputError: The lengths are none.

    Source: Merity, McCann and Socher, Revisiting Activation Regularization for Language RNNs
        (2017), arXiv:1708.01009.

    Example:
        >>> import torch
        >>> from ostinato.nn.regularisation import activation_penalty
        >>> activation_penalty(torch.tensor([[[1.0], [3.0], [9.0]]]), lengths=[2])
        tensor(5.)
    """
    return _mean_square(*_steps(output, lengths, batch_first))


def temporal_penalty(output: Tensor, lengths=None, *, batch_first: bool = True) -> Tensor:
    """The mean square of what a layer's outputs change by from one valid step to the next: temporal
    activation regularisation (TAR).

    Args:
        output: As the layer gives it: (B, T, units) with batch_first, else (T, B, units).
        lengths: Valid steps of each row, as the layer took them; None where all are.
        batch_first: As the layer has it.

    Returns:
        A number, with its gradient; 0 where no row has two valid steps.

    Raises:
        SizeError: The output has other dimensions.
        InputError: The lengths are none.

    Source: Merity, McCann and Socher (2017), arXiv:1708.01009.

    Example:
        >>> import torch
        >>> from ostinato.nn.regularisation import temporal_penalty
        >>> temporal_penalty(torch.tensor([[[1.0], [3.0], [9.0]]]), lengths=[2])
        tensor(4.)
    """
    output, valid = _steps(output, lengths, batch_first)
    return _mean_square(output.diff(dim=0), valid[1:])


def _steps(output: Tensor, lengths, batch_first: bool) -> tuple[Tensor, Tensor]:
    """The outputs with time first, and which steps (T, B) are valid."""
    if output.dim() != 3:
        raise SizeError(
            f"the output is {tuple(output.shape)}; it should be a layer's, of batch, time and "
            f"units in the order that batch_first says"
        )
    output = output.transpose(0, 1) if batch_first else output
    steps, batch = output.shape[:2]
    if lengths is None:
        return output, output.new_ones(steps, batch, dtype=torch.bool)
    lengths = read_lengths(lengths, steps, batch, output.device)
    return output, torch.arange(steps, device=output.device)[:, None] < lengths.to(output.device)


def _mean_square(values: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid[..., None], values, 0).square().sum() / max(
        1, int(valid.sum()) * values.shape[-1]
    )


# ---------------------------------------------------------------- reading arguments


def _rates(graph: Graph, given) -> dict[str, float]:
    """Zoneout's rate of each state that has one above 0."""
    if not isinstance(given, Mapping):
        given = dict.fromkeys(graph.states, given)
    for name in given:
        if name not in graph.states:
            raise InputError(
                f"zoneout={dict(given)} has {name!r}{near(str(name), graph.states)}; the states of "
                f"cell {graph.name!r} are {', '.join(graph.states)}"
            )
    found = {name: rate(f"zoneout[{name!r}]", one) for name, one in given.items()}
    return {name: one for name, one in found.items() if one}
