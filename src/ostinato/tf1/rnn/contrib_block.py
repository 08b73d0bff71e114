"""Private: the cells of tf.contrib.rnn that are one operation, and those that run over whole
sequences, time first.
"""

from typing import Any

from ...errors import InputError, SizeError
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..initializers import constant_initializer
from ..layers.base import Layer
from ..ops import arrays, math
from .block_ops import block_lstm, gru_block_cell, lstm_block_cell
from .cell import LayerRNNCell
from .cells import LSTMStateTuple
from .checks import bound, check_cell, check_rows, check_state, input_parts, number, whole
from .dynamic import check_lengths, dynamic_rnn, reverse
from .static import static_rnn

__all__ = [
    "FusedRNNCell",
    "FusedRNNCellAdaptor",
    "GRUBlockCell",
    "GRUBlockCellV2",
    "LSTMBlockCell",
    "LSTMBlockFusedCell",
    "TimeReversedFusedRNN",
]


def _lstm_variables(layer: Any, depth: int) -> dict[str, Any]:
    """The variables of an LSTM, by the name of the operation's input."""
    units = layer._num_units
    found = {
        "w": layer.add_variable("kernel", [depth + units, 4 * units]),
        "b": layer.add_variable("bias", [4 * units], initializer=constant_initializer(0.0)),
    }
    if layer._use_peephole:
        for gate in "ifo":
            found[f"wc{gate}"] = layer.add_variable(f"w_{gate}_diag", [units])
    return found


def _peepholes(layer: Any, dtype: Any) -> dict[str, Any]:
    """Peepholes of 0 for an LSTM without them."""
    if layer._use_peephole:
        return {}
    return dict.fromkeys(("wci", "wcf", "wco"), arrays.zeros([layer._num_units], dtype=dtype))


class LSTMBlockCell(LayerRNNCell):
    """TensorFlow's LSTM in one operation.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        cell_clip: The bound to which the cell state is clipped; gradients ignore the clipping. None
            for no clipping.
        use_peephole: Whether the gates see the cell state.
        dtype: The dtype of the input; None to accept any.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str = "lstm_cell",
    ):
        super().__init__(num_units, reuse, name, dtype)
        limit = bound(self, "cell_clip", cell_clip)
        self._use_peephole = use_peephole
        self._options: dict[str, Any] = {
            "forget_bias": number(self, "forget_bias", forget_bias),
            "cell_clip": -1 if limit is None else limit,
            "use_peephole": use_peephole,
        }
        self.state_size = LSTMStateTuple(num_units, num_units)

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        self._weights_of_op = _lstm_variables(self, TensorShape(input_shape)[-1].value)
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        zeros = _peepholes(self, inputs.dtype)
        cs_prev, h_prev = state
        given = {"x": inputs, "cs_prev": cs_prev, "h_prev": h_prev, **self._weights_of_op, **zeros}
        cs, h = lstm_block_cell(**self._options, **given)
        return h, LSTMStateTuple(cs, h)


class GRUBlockCell(LayerRNNCell):
    """TensorFlow's GRU in one operation.

    Args:
        num_units: The size of the state.
        cell_size: The older name of `num_units`; give one of both.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables.
    """

    _names = ("w_ru", "b_ru", "w_c", "b_c")

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | None = None,
        name: str = "gru_cell",
    ):
        if (num_units is None) == (cell_size is None):
            raise InputError(
                f"{type(self).__name__}(num_units={num_units!r}, cell_size={cell_size!r}): give "
                "num_units alone"
            )
        units: Any = cell_size if num_units is None else num_units
        super().__init__(units, reuse, name)

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, rows = self._num_units, TensorShape(input_shape)[-1].value + self._num_units
        w_ru, b_ru, w_c, b_c = self._names
        ones, zeros = constant_initializer(1.0), constant_initializer(0.0)
        self._weights_of_op = {
            "w_ru": self.add_variable(w_ru, [rows, 2 * units]),
            "b_ru": self.add_variable(b_ru, [2 * units], initializer=ones),
            "w_c": self.add_variable(w_c, [rows, units]),
            "b_c": self.add_variable(b_c, [units], initializer=zeros),
        }
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        new = gru_block_cell(x=inputs, h_prev=state, **self._weights_of_op)
        return new, new


class GRUBlockCellV2(GRUBlockCell):
    """`GRUBlockCell` with the variable names of `GRUCell`.

    Args:
        num_units, cell_size, reuse, name: See `GRUBlockCell`.
    """

    _names = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")


class FusedRNNCell:
    """Base class of the cells that run over whole sequences."""

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: TensorLike = None,
        scope: Any = None,
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


class LSTMBlockFusedCell(FusedRNNCell, Layer):
    """TensorFlow's LSTM over a whole sequence in one operation.

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

    input_dims: tuple[int, ...] | None = (2,)

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ):
        Layer.__init__(self, _reuse=reuse, name=name, dtype=dtype)
        self._num_units = whole(self, "num_units", num_units)
        self._given_dtype = None if dtype is None else as_dtype(dtype)
        limit = bound(self, "cell_clip", cell_clip)
        self._use_peephole = use_peephole
        self._options: dict[str, Any] = {
            "forget_bias": number(self, "forget_bias", forget_bias),
            "cell_clip": -1 if limit is None else limit,
            "use_peephole": use_peephole,
        }

    @property
    def num_units(self) -> int:
        """The size of each state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        self._weights_of_op = _lstm_variables(self, TensorShape(input_shape)[-1].value)
        self.built = True

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: TensorLike = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        if initial_state is None and dtype is None:
            raise InputError(
                "LSTMBlockFusedCell was given neither initial_state nor dtype: give "
                "dtype=tf.float32"
            )
        listed = isinstance(inputs, list)
        (x,) = input_parts(
            self, arrays.stack(inputs) if listed else inputs, ["time", "batch"], type(self).__name__
        )
        self._check(x, initial_state, dtype, sequence_length)
        outputs, state = Layer.__call__(
            self,
            x,
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            scope=scope,
        )
        return arrays.unstack(outputs) if listed else outputs, state

    def _check(self, x: Tensor, initial_state: Any, dtype: Any, lengths: Any) -> None:
        kind = x.dtype.base_dtype
        if self._given_dtype not in (None, kind):
            raise InputError(
                f"LSTMBlockFusedCell(dtype={self._given_dtype!r}) was given an input of "
                f"{kind.name}: make both the same, or leave dtype out"
            )
        if dtype is not None and as_dtype(dtype) != kind:
            raise InputError(
                f"LSTMBlockFusedCell was given inputs of {kind.name} and "
                f"dtype={as_dtype(dtype)!r}: make both the same"
            )
        if initial_state is not None:
            if not isinstance(initial_state, (tuple, list)) or len(initial_state) != 2:
                raise SizeError(
                    f"LSTMBlockFusedCell was given the state {initial_state!r}: give it a tuple "
                    "of c and h"
                )
            check_state(self, initial_state)
        if lengths is not None:
            check_lengths(lengths)

    @property
    def state_size(self) -> Any:
        """The size of each state."""
        return LSTMStateTuple(self._num_units, self._num_units)

    def call(
        self,
        inputs: Tensor,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: TensorLike = None,
    ) -> tuple[Tensor, Any]:
        """The whole sequence."""
        units = self._num_units
        static_steps, static_rows = inputs.shape.as_list()[:2]
        rows = arrays.shape(inputs)[1] if static_rows is None else static_rows
        steps = arrays.shape(inputs)[0] if static_steps is None else static_steps
        if initial_state is None:
            zeros = arrays.zeros(arrays.stack([rows, units]), dtype=dtype)
            initial_state = zeros, zeros
        c, h = (convert_to_tensor(s) for s in initial_state)
        dtype = c.dtype.base_dtype
        longest: Any = steps
        lengths = None
        if sequence_length is not None:
            lengths = convert_to_tensor(sequence_length)
        for t in (c, h, *([] if lengths is None else [lengths])):
            check_rows(
                static_rows,
                t.shape[0].value,
                f"LSTMBlockFusedCell: rows of the input {inputs.shape}, the state and the lengths",
            )
        zeros = _peepholes(self, dtype)
        if lengths is not None:
            longest = math.reduce_max(lengths)
        given: dict[str, Any] = {"x": inputs, "cs_prev": c, "h_prev": h}
        given["seq_len_max"] = math.to_int64(longest)
        states, outputs = block_lstm(**self._options, **given, **self._weights_of_op, **zeros)
        if lengths is None:
            return outputs, LSTMStateTuple(states[-1], outputs[-1])
        mask = arrays.transpose(arrays.sequence_mask(lengths, steps, dtype=dtype), [1, 0])
        outputs = outputs * arrays.tile(arrays.expand_dims(mask, -1), [1, 1, units])
        # The state before the first step is there for rows of length 0.
        all_states = arrays.concat([arrays.expand_dims(c, 0), states], 0)
        all_outputs = arrays.concat([arrays.expand_dims(h, 0), outputs], 0)
        last = [_rows_at(x, lengths, rows) for x in (all_states, all_outputs)]
        return outputs, LSTMStateTuple(*last)


def _rows_at(x: Tensor, steps: Tensor, rows: Any) -> Tensor:
    """Each row of x (T, B, ...) at its own step."""
    return arrays.gather_nd(x, arrays.stack([steps, math.range(rows)], axis=1))


class FusedRNNCellAdaptor(FusedRNNCell):
    """Runs any cell over whole sequences.

    Args:
        cell: The cell.
        use_dynamic_rnn: Whether to use dynamic_rnn or static_rnn.
    """

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False):
        check_cell(cell, "FusedRNNCellAdaptor")
        self._cell, self._use_dynamic_rnn = cell, use_dynamic_rnn

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: TensorLike = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        given = {
            "initial_state": initial_state,
            "dtype": dtype,
            "sequence_length": sequence_length,
            "scope": scope,
        }
        listed = isinstance(inputs, list)
        if self._use_dynamic_rnn:
            x = arrays.stack(inputs) if listed else inputs
            outputs, state = dynamic_rnn(self._cell, x, time_major=True, **given)
            return arrays.unstack(outputs) if listed else outputs, state
        steps = inputs if listed else arrays.unstack(inputs)
        listed_outputs, state = static_rnn(self._cell, steps, **given)
        return listed_outputs if listed else arrays.stack(listed_outputs), state


class TimeReversedFusedRNN(FusedRNNCell):
    """A cell over whole sequences that runs backwards, from each row's last valid step.

    Args:
        cell: The cell over whole sequences.
    """

    def __init__(self, cell: FusedRNNCell):
        if not isinstance(cell, FusedRNNCell):
            raise InputError(
                f"TimeReversedFusedRNN was given {cell!r}: give it a cell over whole sequences, "
                "such as tf.contrib.rnn.FusedRNNCellAdaptor(cell)"
            )
        self._cell = cell

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: TensorLike = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        turned = _turned(inputs, sequence_length)
        outputs, state = self._cell(turned, initial_state, dtype, sequence_length, scope)
        return _turned(outputs, sequence_length), state


def _turned(x: Any, lengths: TensorLike) -> Any:
    # TensorFlow reverses the whole list, with or without lengths.
    return x[::-1] if isinstance(x, list) else reverse(x, lengths, time_major=True)
