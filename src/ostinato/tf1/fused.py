"""Private: the fused cells of tf.contrib.rnn, which process whole sequences, time first."""

from typing import Any

from ..errors import InputError
from . import operations, shapes
from .contrib_lstm import LSTMBlockCell
from .graph import (
    Computation,
    DTypeLike,
    ScopeLike,
    StateLike,
    Tensor,
    TensorLike,
    VariableScope,
    as_dtype,
    get_default_graph,
)
from .operations import merge
from .rnn import SIZE, dynamic_rnn, reverse
from .static import static_rnn
from .steps import (
    RNNCell,
    check_cell,
    check_state,
    input_depth,
    input_parts,
    pack,
    variable_maker,
)

__all__ = [
    "FusedRNNCell",
    "FusedRNNCellAdaptor",
    "LSTMBlockFusedCell",
    "TimeReversedFusedRNN",
]

# TensorFlow 1.13.1's operations after the fused one; see `graph.py`.
_LAST = "strided_slice(stack stack_1 stack_2)=c strided_slice(stack stack_1 stack_2)=h"
_MASK = (
    "SequenceMask{Const Const Const Range ExpandDims(dim) Cast Less Cast} transpose(perm) "
    "ExpandDims(dim) Tile(multiples) mul=output"
)
_GATHER = (
    "ExpandDims(dim) concat(axis) ExpandDims(dim) concat(axis) range(start limit delta) stack "
    "GatherNd=c range(start limit delta) stack GatherNd=h"
)


class FusedRNNCell:
    """Base class of the fused cells."""

    def __call__(
        self,
        inputs: Any,
        initial_state: StateLike = None,
        dtype: DTypeLike | None = None,
        sequence_length: TensorLike = None,
        scope: ScopeLike = None,
    ) -> tuple[Any, Any]:
        """Add a run over a whole sequence to the graph.

        Args:
            inputs: (T, B, I), or a list of (B, I) for each step.
            initial_state: The initial state; None for zeros.
            dtype: tf.float32 or tf.float64; required without an initial state.
            sequence_length: The valid steps of each row, (B,); None if all are valid.
            scope: The scope of the variables.

        Returns:
            The outputs, (T, B, output_size) or a list like the inputs, and the state after each
            row's last valid step.
        """
        raise NotImplementedError


class LSTMBlockFusedCell(FusedRNNCell):
    """TensorFlow's LSTM over a whole sequence in one operation: `ostinato.cells.lstm` or
    `lstm_peephole`.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        cell_clip: The bound to which the cell state is clipped; gradients ignore the clipping. None
            for no clipping.
        use_peephole: Whether the gates see the cell state.
        reuse: Whether to use variables that exist already.
        dtype: The dtype of the input; None to accept any.
        name: The scope of its variables.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | str | None = None,
        dtype: DTypeLike | None = None,
        name: str = "lstm_fused_cell",
    ):
        self.cell = LSTMBlockCell(
            num_units, forget_bias, cell_clip, use_peephole, dtype, reuse, name
        )
        self.num_units, self.peephole = num_units, use_peephole
        self.scope: VariableScope | None = None

    @property
    def trainable_variables(self) -> list:
        """The variables of the cell; all are trainable."""
        return self.cell.trainable_variables

    variables = trainable_variables

    def __call__(
        self,
        inputs: Any,
        initial_state: StateLike = None,
        dtype: DTypeLike | None = None,
        sequence_length: TensorLike = None,
        scope: ScopeLike = None,
    ) -> tuple[Any, Any]:
        if initial_state is None and dtype is None:
            raise InputError(
                "LSTMBlockFusedCell was given neither initial_state nor dtype: give "
                "dtype=tf.float32"
            )
        graph, cell, listed = get_default_graph(), self.cell, isinstance(inputs, list)
        (x,) = input_parts(
            cell, shapes.stack(inputs) if listed else inputs, ["time", "batch"], type(self).__name__
        )
        steps, batch, _ = x.shape
        depth: Any = input_depth([x], cell)
        kind = x.dtype
        cell.check_dtype(kind)
        if dtype is not None and as_dtype(dtype) is not kind:
            raise InputError(
                f"LSTMBlockFusedCell was given inputs of {kind.name} and "
                f"dtype={as_dtype(dtype)!r}: make both the same"
            )
        if self.scope is None:
            with graph.open_variable_scope(
                cell.base_name if cell.reuse else None,
                default_name=cell.base_name,
                reuse=cell.reuse,
            ) as self.scope:
                pass
        with graph.again(self.scope):
            declared = cell.declare(depth)
            graph.record(
                " ".join(f"${name}" for name in declared),
                variable_maker(cell.variable_map, declared, kind),
            )
            graph.record(f"{SIZE if batch is None else ''} {SIZE if steps is None else ''}")
            if initial_state is None:
                zeros = graph.record("stack zeros(Const)").last
                zeros = zeros.computed(
                    kind,
                    (batch, self.num_units),
                    [x],
                    lambda v: v.new_zeros(v.shape[1], self.num_units),
                )
                initial_state = (zeros, zeros)
            states = [operations.convert_to_tensor(s) for s in check_state(cell, initial_state)]
            lengths = (
                None if sequence_length is None else operations.convert_to_tensor(sequence_length)
            )
            for t in (*states, *([] if lengths is None else [lengths])):
                batch = merge(
                    batch,
                    t.shape[0],
                    f"LSTMBlockFusedCell: rows of the input {x.shape}, the state and the lengths",
                )
            graph.record(
                f"{'' if self.peephole else 'zeros'} "
                f"{'ToInt64(x)' if lengths is None else 'Const Max ToInt64'}"
            )
            output = graph.record("BlockLSTM").last
            if lengths is None:
                marks = graph.record(_LAST)
            else:
                output = graph.record(_MASK)["output"]
                marks = graph.record(_GATHER)
        reads = [v.read for v in cell.trainable_variables]

        def run_all(run, x, c, h, *rest):
            weights = cell.weights(depth, *(run[r] for r in reads))
            valid = None if lengths is None else rest[0].long().clamp(0, len(x))
            outputs, (h, c) = cell.scan(x, [h, c], weights, valid)
            return outputs, c, h

        computation = Computation(
            [x, *states, *([] if lengths is None else [lengths]), *reads], run_all
        )
        outputs = Tensor(output, kind, (steps, batch, self.num_units), computation)
        final = [
            Tensor(marks[name], kind, (batch, self.num_units), computation, i)
            for i, name in ((1, "c"), (2, "h"))
        ]
        return shapes.unstack(outputs) if listed else outputs, pack(cell.state_size, final)


class FusedRNNCellAdaptor(FusedRNNCell):
    """Runs any cell over whole sequences.

    Args:
        cell: The cell.
        use_dynamic_rnn: Whether to use dynamic_rnn or static_rnn.
    """

    def __init__(self, cell: RNNCell, use_dynamic_rnn: bool = False):
        check_cell(cell, "FusedRNNCellAdaptor")
        self.cell, self.dynamic = cell, use_dynamic_rnn

    def __call__(
        self,
        inputs: Any,
        initial_state: StateLike = None,
        dtype: DTypeLike | None = None,
        sequence_length: TensorLike = None,
        scope: ScopeLike = None,
    ) -> tuple[Any, Any]:
        given = {
            "initial_state": initial_state,
            "dtype": dtype,
            "sequence_length": sequence_length,
            "scope": scope,
        }
        listed = isinstance(inputs, list)
        if self.dynamic:
            outputs, state = dynamic_rnn(
                self.cell, shapes.stack(inputs) if listed else inputs, time_major=True, **given
            )
            return shapes.unstack(outputs) if listed else outputs, state
        outputs, state = static_rnn(
            self.cell, inputs if listed else shapes.unstack(inputs), **given
        )
        return outputs if listed else shapes.stack(outputs), state


class TimeReversedFusedRNN(FusedRNNCell):
    """A fused cell that runs backwards, from each row's last valid step.

    Args:
        cell: The fused cell.
    """

    def __init__(self, cell: FusedRNNCell):
        if not isinstance(cell, FusedRNNCell):
            raise InputError(
                f"TimeReversedFusedRNN was given {cell!r}: give it a cell over whole sequences, "
                "such as tf.contrib.rnn.FusedRNNCellAdaptor(cell)"
            )
        self.cell = cell

    def __call__(
        self,
        inputs: Any,
        initial_state: StateLike = None,
        dtype: DTypeLike | None = None,
        sequence_length: TensorLike = None,
        scope: ScopeLike = None,
    ) -> tuple[Any, Any]:
        outputs, state = self.cell(
            self._turned(inputs, sequence_length), initial_state, dtype, sequence_length, scope
        )
        return self._turned(outputs, sequence_length), state

    def _turned(self, x, lengths):
        # TensorFlow reverses the whole list, with or without lengths.
        return x[::-1] if isinstance(x, list) else reverse(get_default_graph(), x, lengths, True)
