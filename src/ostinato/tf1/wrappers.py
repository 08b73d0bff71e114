"""Cells made of cells: several one above the other, a cell with its input added, a cell with dropout."""

import hashlib
from collections.abc import Callable, Sequence

import torch

from ..errors import InputError, SizeError
from .cells import Layer, LSTMStateTuple, RNNCell, Step, check_cell, flatten
from .graph import Graph, Operation, Tensor, VariableScope, get_default_graph


class MultiRNNCell(RNNCell):
    """Several cells, each of which takes the output of the one before.

    Args:
        cells: The cells, the first one's input first.
        state_is_tuple: False to keep all states in one.
    """

    def __init__(self, cells: Sequence[RNNCell], state_is_tuple: bool = True):
        if not cells:
            raise InputError("MultiRNNCell was given no cells: give it a list of them")
        for cell in cells:
            check_cell(cell, "MultiRNNCell")
            if not state_is_tuple and isinstance(cell.state_size, tuple):
                raise InputError(f"MultiRNNCell(state_is_tuple=False) was given {type(cell).__name__} with a tuple of states: make that with "
                                 "state_is_tuple=False too")
        self.cells, self.joined = list(cells), not state_is_tuple
        sizes = tuple(c.state_size for c in cells)
        self.state_size = sum(sizes) if self.joined else sizes
        self.output_size = cells[-1].output_size
        self.scope: VariableScope | None = None

    def zero_state(self, batch_size: int | Tensor, dtype):
        with get_default_graph().name_scope("MultiRNNCellZeroState"):
            return super().zero_state(batch_size, dtype) if self.joined else tuple(c.zero_state(batch_size, dtype) for c in self.cells)

    def trace(self, graph: Graph, input_size: int, dtype) -> Step:
        sizes = [len(flatten(c.state_size)) for c in self.cells]
        steps = []
        # TensorFlow opens the scope that it is in once more, which puts its name into the operations' names a second time.
        with graph.open_variable_scope(graph.variable_scope):
            if self.scope is None:
                with graph.open_variable_scope(None, default_name="multi_rnn_cell") as self.scope:
                    pass
            with graph.again(self.scope):
                for i, cell in enumerate(self.cells):
                    with graph.open_variable_scope(f"cell_{i}"):
                        if self.joined:
                            graph.record("Slice(begin size)")
                        steps.append(cell.trace(graph, input_size, dtype))
                    input_size = cell.output_size
                states = [graph.record("concat(axis)").last] if self.joined else [op for s in steps for op in s.states]

        def advance(run, x, states, lengths):
            if self.joined:
                states = list(states[0].split([c.state_size for c in self.cells], -1))
            new, start = [], 0
            for step, size in zip(steps, sizes):
                x, after = step.advance(run, x, states[start : start + size], lengths)
                new += after
                start += size
            return x, [torch.cat(new, -1)] if self.joined else new

        return Step(advance, steps[-1].output, states, [r for s in steps for r in s.reads])


class _Wrapper(RNNCell):
    def __init__(self, cell: RNNCell):
        check_cell(cell, type(self).__name__)
        self.cell, self.state_size, self.output_size = cell, cell.state_size, cell.output_size
        # In 1.13 a cell with weights that becomes an attribute of a wrapper makes variables of the newer kind.
        if isinstance(cell, Layer):
            cell.resource = True

    def zero_state(self, batch_size: int | Tensor, dtype):
        with get_default_graph().name_scope(f"{type(self).__name__}ZeroState"):
            return self.cell.zero_state(batch_size, dtype)


def _zeroed(output_TBO: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    if lengths is None:
        return output_TBO
    time = torch.arange(len(output_TBO))[:, None]
    return torch.where((time < lengths)[..., None], output_TBO, 0.0)


class ResidualWrapper(_Wrapper):
    """A cell whose input is added to its output.

    Args:
        cell: The cell; its output is as large as its input.
    """

    def trace(self, graph: Graph, input_size: int, dtype) -> Step:
        if input_size != self.output_size:
            raise SizeError(
                f"ResidualWrapper: an input of size {input_size} cannot be added to an output of size {self.output_size}; make them equal"
            )
        step = self.cell.trace(graph, input_size, dtype)
        op = graph.record("add").last

        def advance(run, x, states, lengths):
            output, new = step.advance(run, x, states, lengths)
            return _zeroed(x + output, lengths), new

        return Step(advance, op, step.states, step.reads)


class DropoutWrapper(_Wrapper):
    """A cell with dropout on its input, its output and its new state, with TensorFlow's own draws.

    The state c of an LSTMStateTuple is never dropped.

    Args:
        cell: The cell.
        input_keep_prob, output_keep_prob, state_keep_prob: How much is kept, above 0 and up to 1.
        seed: A seed of its own; None for the graph's.
    """

    def __init__(
        self,
        cell: RNNCell,
        input_keep_prob: float = 1.0,
        output_keep_prob: float = 1.0,
        state_keep_prob: float = 1.0,
        variational_recurrent: bool = False,
        input_size=None,
        dtype=None,
        seed: int | None = None,
    ):
        super().__init__(cell)
        if variational_recurrent:
            raise InputError("DropoutWrapper(variational_recurrent=True) is not provided: leave it out, for a new draw in each step")
        for name, p in (("input", input_keep_prob), ("output", output_keep_prob), ("state", state_keep_prob)):
            if isinstance(p, Tensor) or not 0 < p <= 1:
                raise InputError(f"DropoutWrapper({name}_keep_prob={p!r}): give a number above 0 and up to 1")
        self.input_keep_prob, self.output_keep_prob, self.state_keep_prob = input_keep_prob, output_keep_prob, state_keep_prob
        self.seed = seed
        get_default_graph().record("DropoutWrapperInit{Const Const Const}")

    def _dropout(self, graph: Graph, keep: float, what: str, index: int) -> tuple[Operation, Callable]:
        own = None
        if self.seed is not None:
            digest = hashlib.md5(f"{self.seed}{what}_{index}".encode(), usedforsecurity=False).hexdigest()
            own = int(digest[:8], 16) & 0x7FFFFFFF
        marks = graph.random_uniform(
            "dropout{rate Shape sub(x) random_uniform(min max RandomUniform=random sub mul) add Floor truediv mul=result}", own
        )

        def drop(run, value):
            kept = 1 - torch.tensor(1 - keep, dtype=value.dtype)
            return value / kept * torch.floor(kept + run.uniform(marks["random"], value.shape, value.dtype))

        return marks["result"], drop

    def _dropped(self, size) -> list[bool]:
        if isinstance(size, LSTMStateTuple):
            return [False, True]
        return [d for s in size for d in self._dropped(s)] if isinstance(size, tuple) else [True]

    def trace(self, graph: Graph, input_size: int, dtype) -> Step:
        keep = lambda run, value: value  # noqa: E731
        drop_input = drop_output = keep
        if self.input_keep_prob < 1:
            _, drop_input = self._dropout(graph, self.input_keep_prob, "input", 0)
        step = self.cell.trace(graph, input_size, dtype)
        output, states = step.output, list(step.states)
        drop_states = [keep] * len(states)
        if self.state_keep_prob < 1:
            for i, dropped in enumerate(self._dropped(self.state_size)):
                if dropped:
                    states[i], drop_states[i] = self._dropout(graph, self.state_keep_prob, "state", i)
        if self.output_keep_prob < 1:
            output, drop_output = self._dropout(graph, self.output_keep_prob, "output", 0)

        def advance(run, x, states, lengths):
            # TensorFlow draws in each step that it makes, and makes none past the longest row.
            steps = len(x) if lengths is None else min(len(x), max([1, *lengths.tolist()]))
            outputs = []
            for t in range(steps):
                left = None if lengths is None else (lengths - t).clamp(0, 1)
                value, new = step.advance(run, drop_input(run, x[t])[None], states, left)
                new = [drop(run, n) for drop, n in zip(drop_states, new)]
                outputs.append(_zeroed(drop_output(run, value[0])[None], left))
                states = new if left is None else [torch.where(left[:, None] > 0, n, s) for n, s in zip(new, states)]
            return torch.cat([*outputs, x.new_zeros(len(x) - steps, x.shape[1], self.output_size)]), states

        return Step(advance, output, states, step.reads)
