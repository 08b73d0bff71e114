"""Private: wrappers of cells: stacked cells, residual and highway connections, projections,
embeddings and attention.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import InputError, SizeError
from . import arithmetic
from .cells import ACTIVATIONS, Layer, refuse
from .graph import (
    DType,
    DTypeLike,
    Initializer,
    Operation,
    StateLike,
    Tensor,
    TensorFlowGraph,
    TensorShape,
    VariableScope,
    get_default_graph,
)
from .session import InvalidArgumentError
from .steps import (
    RNNCell,
    Step,
    check_cell,
    dimensions,
    flatten,
    mask_outputs,
    number,
    stepwise,
    variable_maker,
    whole,
)
from .variables import constant_initializer, random_uniform_initializer

__all__ = [
    "AttentionCellWrapper",
    "DeviceWrapper",
    "EmbeddingWrapper",
    "HighwayWrapper",
    "InputProjectionWrapper",
    "MultiRNNCell",
    "OutputProjectionWrapper",
    "ResidualWrapper",
]


@contextmanager
def _within(graph: TensorFlowGraph, cell: "MultiRNNCell | _Wrapper", name: str) -> Iterator[None]:
    """Enter the variable scope of a cell that is not a layer; the first call stores it in
    `cell.scope`.
    """
    # TensorFlow opens the current scope again, so the names of operations contain its name twice.
    with graph.open_variable_scope(graph.variable_scope):
        if cell.scope is None:
            with graph.open_variable_scope(None, default_name=name) as cell.scope:
                pass
        with graph.again(cell.scope):
            yield


class MultiRNNCell(RNNCell):
    """Stacked cells: each cell takes the output of the cell before.

    Args:
        cells: The cells, from the input to the output.
        state_is_tuple: False to concatenate all states to one.
    """

    def __init__(self, cells: Sequence[RNNCell], state_is_tuple: bool = True):
        if not isinstance(cells, (list, tuple)) or not cells:
            raise InputError(f"MultiRNNCell was given {cells!r}: give it a list of cells")
        for cell in cells:
            check_cell(cell, "MultiRNNCell")
            if not state_is_tuple and isinstance(cell.state_size, tuple):
                raise InputError(
                    f"MultiRNNCell(state_is_tuple=False) was given {type(cell).__name__} with a "
                    "tuple of states: create that cell with state_is_tuple=False too"
                )
        for below, cell in zip(cells, cells[1:]):
            if cell.input_dims != (1 + len(dimensions(below.output_size)),):
                raise InputError(
                    f"MultiRNNCell was given {type(cell).__name__} above {type(below).__name__}, "
                    "whose output has other dimensions than its input: give it matching cells"
                )
        self.cells, self.joined = list(cells), not state_is_tuple
        sizes = tuple(c.state_size for c in cells)
        self.state_size = sum(sizes) if self.joined else sizes
        self.output_size, self.of_indices, self.input_dims = (
            cells[-1].output_size,
            cells[0].of_indices,
            cells[0].input_dims,
        )
        self.counted = not self.joined and all(c.counted for c in cells)
        self.scope: VariableScope | None = None

    def zero_state(self, batch_size: int | Tensor, dtype: DTypeLike) -> StateLike:
        with get_default_graph().name_scope("MultiRNNCellZeroState"):
            return (
                super().zero_state(batch_size, dtype)
                if self.joined
                else tuple(c.zero_state(batch_size, dtype) for c in self.cells)
            )

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        sizes = [len(flatten(c.state_size)) for c in self.cells]
        steps = []
        with _within(graph, self, "multi_rnn_cell"):
            for i, cell in enumerate(self.cells):
                with graph.open_variable_scope(f"cell_{i}"):
                    if self.joined:
                        graph.record("Slice(begin size)")
                    steps.append(cell.trace(graph, input_size, dtype))
                input_size = cell.output_size
            states = (
                [graph.record("concat(axis)").last]
                if self.joined
                else [op for s in steps for op in s.states]
            )

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
    # The largest number of input tensors of the wrapped cell, and of their dimensions.
    most_inputs, most_dims = 1, 2

    def __init__(self, cell: RNNCell):
        check_cell(cell, type(self).__name__)
        if len(cell.input_dims) > self.most_inputs or max(cell.input_dims) > self.most_dims:
            raise InputError(
                f"{type(self).__name__} was given {type(cell).__name__}, whose input is not a "
                f"vector: that is not provided by ostinato.tf1; use the cell without the wrapper"
            )
        self.cell, self.state_size, self.output_size, self.of_indices = (
            cell,
            cell.state_size,
            cell.output_size,
            cell.of_indices,
        )
        self.input_dims, self.counted = cell.input_dims, self.counted and cell.counted
        self.scope: VariableScope | None = None
        self.variable_map: dict = {}
        # In TensorFlow 1.13 a layer that is an attribute of a wrapper creates resource variables.
        if isinstance(cell, Layer):
            cell.resource = True

    def zero_state(self, batch_size: int | Tensor, dtype: DTypeLike) -> StateLike:
        with get_default_graph().name_scope(f"{type(self).__name__}ZeroState"):
            return self.cell.zero_state(batch_size, dtype)


class ResidualWrapper(_Wrapper):
    """A residual connection: the input of a cell is added to its output.

    Args:
        cell: The cell; its output has the size of its input.
    """

    most_dims = 5

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        if input_size != self.output_size:
            raise SizeError(
                f"ResidualWrapper: an input of size {input_size} cannot be added to an output of "
                f"size {self.output_size}; make them equal"
            )
        step = self.cell.trace(graph, input_size, dtype)
        op = graph.record("add").last

        def advance(run, x, states, lengths):
            output, new = step.advance(run, x, states, lengths)
            return mask_outputs(x + output, lengths), new

        return Step(advance, op, step.states, step.reads)


class DeviceWrapper(_Wrapper):
    """A cell with a device, which is accepted for compatibility and ignored.

    Args:
        cell: The cell.
        device: The device in TensorFlow.
    """

    most_inputs, most_dims = 2, 5

    def __init__(self, cell: RNNCell, device: object):
        super().__init__(cell)

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        return self.cell.trace(graph, input_size, dtype)


_LINEAR = "MatMul[Enter] BiasAdd[Enter]"


def _linear(run, x: torch.Tensor, kernel, bias) -> torch.Tensor:
    """x @ kernel + bias with the values of two variables; x may have several leading dimensions."""
    product = arithmetic.accumulate(None, x.reshape(-1, x.shape[-1]), run[kernel.read])
    return product.view(*x.shape[:-1], -1) + run[bias.read]


class HighwayWrapper(_Wrapper):
    """A highway connection: a gate mixes the input of a cell with its output.

    Source: Srivastava, Greff and Schmidhuber, Highway Networks (2015).

    Args:
        cell: The cell; its output has the size of its input.
        couple_carry_transform_gates: Whether the gate of the output is 1 minus the gate of the
            input; False for two gates.
        carry_bias_init: The initial bias of the input's gate; the other gate starts with its
            negative.
    """

    def __init__(
        self, cell: RNNCell, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0
    ):
        super().__init__(cell)
        self.coupled, self.carry_bias_init = (
            couple_carry_transform_gates,
            number(self, "carry_bias_init", carry_bias_init),
        )

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        if input_size != self.output_size:
            raise SizeError(
                f"HighwayWrapper: an input of size {input_size} cannot be mixed with an output of "
                f"size {self.output_size}; make them equal"
            )
        step = self.cell.trace(graph, input_size, dtype)
        declared = {}
        for name, begin in (("carry", self.carry_bias_init), ("transform", -self.carry_bias_init)):
            declared |= {
                f"{name}_w": ([input_size, input_size], None),
                f"{name}_b": ([input_size], constant_initializer(begin)),
            }
        gate = "${0}_w ${0}_b xw_plus_b(MatMul[Enter])[Enter] Sigmoid"
        other = "sub(x)" if self.coupled else gate.format("transform")
        op = graph.record(
            f"{gate.format('carry')} {other} mul mul add",
            variable_maker(self.variable_map, declared, dtype),
        ).last

        def advance(run, x, states, lengths):
            output, new = step.advance(run, x, states, lengths)
            carry, *transform = [
                arithmetic.sigmoid(
                    _linear(run, x, self.variable_map[f"{name}_w"], self.variable_map[f"{name}_b"])
                )
                for name in ("carry", "transform")
                if f"{name}_w" in self.variable_map
            ]
            return mask_outputs(
                x * carry + output * (transform[0] if transform else 1 - carry), lengths
            ), new

        return Step(
            advance, op, step.states, [*step.reads, *(v.read for v in self.variable_map.values())]
        )


class _Projection(_Wrapper):
    def __init__(self, cell: RNNCell, activation: Callable | str | None):
        super().__init__(cell)
        if activation not in [*ACTIVATIONS]:
            raise InputError(
                f"{type(self).__name__}(activation={activation!r}): give tf.nn.tanh, tf.nn.relu or "
                "tf.nn.sigmoid, or None for no activation"
            )
        self.activation_name = "" if activation is None else ACTIVATIONS[activation][1]

    def _project(
        self, graph: TensorFlowGraph, rows: int, columns: int, dtype
    ) -> tuple[Operation, Callable]:
        declared = {
            "kernel": ([rows, columns], None),
            "bias": ([columns], constant_initializer(0.0)),
        }
        op = graph.record(
            f"$kernel $bias {_LINEAR} {self.activation_name}",
            variable_maker(self.variable_map, declared, dtype),
        ).last
        functions = {
            "": lambda v: v,
            "Tanh": arithmetic.tanh,
            "Sigmoid": arithmetic.sigmoid,
            "Relu": torch.relu,
        }
        return op, lambda run, x: functions[self.activation_name](
            _linear(run, x, self.variable_map["kernel"], self.variable_map["bias"])
        )

    def _reads(self, step: Step) -> list[Tensor]:
        return [*step.reads, *(v.read for v in self.variable_map.values())]


class InputProjectionWrapper(_Projection):
    """A cell with a projection of its input.

    Args:
        cell: The cell.
        num_proj: The size of the projected input.
        activation: Its activation: tf.nn.tanh, tf.nn.relu, tf.nn.sigmoid, or None.
        input_size: Accepted for compatibility; ignored.
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    def __init__(
        self,
        cell: RNNCell,
        num_proj: int,
        activation: Callable | str | None = None,
        input_size: int | tuple[int, ...] | TensorShape | None = None,
        reuse: bool | str | None = None,
    ):
        refuse("InputProjectionWrapper", reuse=reuse)
        super().__init__(cell, activation)
        self.num_proj = whole(self, "num_proj", num_proj)

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        with _within(graph, self, "input_projection_wrapper"):
            _, project = self._project(graph, input_size, self.num_proj, dtype)
            step = self.cell.trace(graph, self.num_proj, dtype)

        def advance(run, x, states, lengths):
            return step.advance(run, project(run, x), states, lengths)

        return Step(advance, step.output, step.states, self._reads(step))


class OutputProjectionWrapper(_Projection):
    """A cell with a projection of its output; its state is not projected.

    Args:
        cell: The cell.
        output_size: The size of the output.
        activation: Its activation: tf.nn.tanh, tf.nn.relu, tf.nn.sigmoid, or None.
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    def __init__(
        self,
        cell: RNNCell,
        output_size: int,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
    ):
        refuse("OutputProjectionWrapper", reuse=reuse)
        super().__init__(cell, activation)
        self.output_size = whole(self, "output_size", output_size)

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        with _within(graph, self, "output_projection_wrapper"):
            step = self.cell.trace(graph, input_size, dtype)
            op, project = self._project(graph, self.cell.output_size, self.output_size, dtype)

        def advance(run, x, states, lengths):
            output, new = step.advance(run, x, states, lengths)
            return mask_outputs(project(run, output), lengths), new

        return Step(advance, op, step.states, self._reads(step))


class EmbeddingWrapper(_Wrapper):
    """A cell with an embedding: its input consists of integers, (B, 1).

    Args:
        cell: The cell.
        embedding_classes: The number of classes; inputs are below it.
        embedding_size: The embedding size.
        initializer: The initializer of the vectors; None for the scope's, or else uniform within
            sqrt(3).
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    counted = False

    def __init__(
        self,
        cell: RNNCell,
        embedding_classes: int,
        embedding_size: int,
        initializer: Initializer = None,
        reuse: bool | str | None = None,
    ):
        refuse("EmbeddingWrapper", reuse=reuse)
        super().__init__(cell)
        self.of_indices = True
        self.embedding_classes = whole(self, "embedding_classes", embedding_classes)
        self.embedding_size, self.initializer = (
            whole(self, "embedding_size", embedding_size),
            initializer,
        )

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        if input_size != 1:
            raise SizeError(
                f"EmbeddingWrapper was given an input of size {input_size}: give it one whole "
                f"number per step, (batch, time, 1)"
            )
        with _within(graph, self, "embedding_wrapper"):
            bound = math.sqrt(3)
            begin = (
                self.initializer
                or graph.variable_scope.initializer
                or random_uniform_initializer(-bound, bound)
            )
            declared = {"embedding": ([self.embedding_classes, self.embedding_size], begin)}
            after = "[Enter Identity]" if graph.loop else " embedding_lookup{Identity}"
            graph.record(
                f"$embedding Reshape(shape) embedding_lookup(axis){after}",
                variable_maker(self.variable_map, declared, dtype),
            )
            step = self.cell.trace(graph, self.embedding_size, dtype)

        def advance(run, x, states, lengths):
            numbers, table = x[..., 0].long(), run[self.variable_map["embedding"].read]
            if numbers.numel() and not 0 <= numbers.min() <= numbers.max() < len(table):
                raise InvalidArgumentError(
                    f"EmbeddingWrapper was given the numbers {numbers.min()} to {numbers.max()}: "
                    f"give whole numbers from 0 to {len(table) - 1}, or more embedding_classes"
                )
            return step.advance(run, torch.nn.functional.embedding(numbers, table), states, lengths)

        return Step(
            advance,
            step.output,
            step.states,
            [*step.reads, *(v.read for v in self.variable_map.values())],
        )


class AttentionCellWrapper(_Wrapper):
    """A cell with attention over its last outputs, weighted by its new state.

    Source: Cheng, Dong and Lapata, Long Short-Term Memory-Networks for Machine Reading (2016).

    Args:
        cell: The cell.
        attn_length: The number of past outputs.
        attn_size: The size of the output; None for the cell's.
        attn_vec_size: The size of the attention vectors; None for `attn_size`.
        input_size: The size of the cell's input; None for the size of the input.
        state_is_tuple: True; False is not supported.
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    counted = False

    def __init__(
        self,
        cell: RNNCell,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | str | None = None,
    ):
        refuse("AttentionCellWrapper", reuse=reuse)
        super().__init__(cell)
        if not state_is_tuple:
            raise InputError(
                "AttentionCellWrapper(state_is_tuple=False) is not provided by ostinato.tf1: leave "
                "it out"
            )
        self.attn_length = whole(self, "attn_length", attn_length)
        self.output_size = whole(self, "attn_size", attn_size or cell.output_size)
        self.attn_vec_size = whole(self, "attn_vec_size", attn_vec_size or self.output_size)
        self.input_size = input_size and whole(self, "input_size", input_size)
        self.state_size = (cell.state_size, self.output_size, self.output_size * attn_length)

    def zero_state(self, batch_size: int | Tensor, dtype: DTypeLike) -> StateLike:
        return RNNCell.zero_state(self, batch_size, dtype)

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        size, compared, sizes = self.output_size, self.attn_vec_size, flatten(self.cell.state_size)
        given = self.input_size or input_size
        declared = {
            "attention/attn_w": ([1, 1, size, compared], None),
            "attention/attn_v": ([compared], None),
        }
        for within, rows, columns in (
            ("", input_size + size, given),
            ("attention/", sum(sizes), compared),
            ("attn_output_projection/", self.cell.output_size + size, size),
        ):
            declared |= {
                f"{within}kernel": ([rows, columns], None),
                f"{within}bias": ([columns], constant_initializer(0.0)),
            }
        make = variable_maker(self.variable_map, declared, dtype)
        with _within(graph, self, "attention_cell_wrapper"):
            graph.record(f"Reshape(shape) $kernel $bias Const concat {_LINEAR}", make)
            step = self.cell.trace(graph, given, dtype)
            marks = graph.record(
                f"concat({'axis' if len(sizes) > 1 else 'concat_dim'}) "
                f"attention{{$attention/attn_w $attention/attn_v "
                f"Reshape(shape) Conv2D[Enter] $attention/kernel $attention/bias {_LINEAR} "
                f"Reshape(shape) add Tanh mul[Enter] "
                "Sum(reduction_indices) Softmax Reshape(shape) mul Sum(reduction_indices) "
                "Reshape(shape)=attended "
                "Slice(begin size)} attn_output_projection{"
                f"$attn_output_projection/kernel $attn_output_projection/bias Const concat "
                f"{_LINEAR}=output}} ExpandDims(dim) "
                "concat(axis) Reshape(shape)=kept",
                make,
            )

        def linear(run, within, *parts):
            return _linear(
                run,
                torch.cat(parts, -1),
                self.variable_map[f"{within}kernel"],
                self.variable_map[f"{within}bias"],
            )

        def once(run, x, states, left):
            *states, attended, keep_mask = states
            value, new = step.advance(run, linear(run, "", x, attended)[None], states, left)
            past = keep_mask.view(-1, self.attn_length, size)
            features = (
                past @ run[self.variable_map["attention/attn_w"].read][0, 0]
                + linear(run, "attention/", *new)[:, None]
            )
            scores = (
                run[self.variable_map["attention/attn_v"].read] * arithmetic.tanh(features)
            ).sum(-1)
            attended = (torch.softmax(scores, -1)[..., None] * past).sum(1)
            output = linear(run, "attn_output_projection/", value[0], attended)
            return output, [*new, attended, torch.cat([keep_mask[:, size:], output], -1)]

        def advance(run, x, states, lengths):
            return stepwise(run, x, states, lengths, once)

        return Step(
            advance,
            marks["output"],
            [*step.states, marks["attended"], marks["kept"]],
            [*step.reads, *(v.read for v in self.variable_map.values())],
        )
