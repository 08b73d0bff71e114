"""Private: the LSTMs of tf.contrib.rnn over windows of the input, which run over the frequencies of
a sound as well as over time.
"""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.graph import get_default_graph
from ..core.tensors import Tensor
from ..initializers import zeros_initializer
from ..ops import arrays, math, nn
from ..state import scopes
from .cell import KnownCell
from .cells import clip
from .checks import bound, number, refuse, whole

__all__ = [
    "BidirectionalGridLSTMCell",
    "GridLSTMCell",
    "TimeFreqLSTMCell",
]


def _tuple_of(kind: str, names: Sequence[str], size: int) -> Any:
    """A named tuple of sizes."""
    return namedtuple(kind, names)(*[size] * len(names))  # type: ignore[misc,arg-type]


def _window(x: Tensor, start: int, size: int) -> Tensor:
    return arrays.slice(x, [0, start], [-1, size])


def _gates(x: Tensor, kernel: Any, bias: Any) -> list[Tensor]:
    """The gates i, j, f and o."""
    value = nn.bias_add(math.matmul(x, kernel), bias)
    return arrays.split(value=value, num_or_size_splits=4, axis=1)


class GridLSTMCell(KnownCell):
    """LSTMs over time and over windows of the input.

    Args:
        num_units: The size of each state.
        use_peepholes: Whether all gates see both cell states.
        share_time_frequency_weights: Whether both LSTMs use the same weights.
        cell_clip: The bound to which both cell states are clipped; None for no clipping.
        initializer: Accepted and ignored, as in TensorFlow.
        num_unit_shards: 1; sharded weights are not supported.
        forget_bias: A constant added to the forget gates.
        feature_size: The size of a window.
        frequency_skip: The distance from one window to the next.
        num_frequency_blocks: A list with one number, the number of windows.
        start_freqindex_list, end_freqindex_list, couple_input_forget_gates: Not supported.
        state_is_tuple: True; False is not supported.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Sequence[int] | None = None,
        start_freqindex_list: object = None,
        end_freqindex_list: object = None,
        couple_input_forget_gates: bool = False,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ):
        refuse(
            "GridLSTMCell",
            start_freqindex_list=start_freqindex_list,
            end_freqindex_list=end_freqindex_list,
            couple_input_forget_gates=couple_input_forget_gates,
        )
        if num_unit_shards != 1:
            raise InputError(
                "GridLSTMCell(num_unit_shards=...): sharded weights are not provided; leave it out"
            )
        if not state_is_tuple:
            raise InputError(
                "GridLSTMCell(state_is_tuple=False) is not provided by ostinato.tf1: leave "
                "state_is_tuple out"
            )
        if not isinstance(num_frequency_blocks, (list, tuple)) or len(num_frequency_blocks) != 1:
            raise InputError(
                f"GridLSTMCell(num_frequency_blocks={num_frequency_blocks!r}): give a list of one "
                "number, how many windows there are"
            )
        if not feature_size or not frequency_skip:
            raise InputError(
                f"GridLSTMCell(feature_size={feature_size!r}, frequency_skip={frequency_skip!r}): "
                "give both, such as 3 and 1"
            )
        super().__init__(num_units, reuse)
        self._windows = whole(self, "num_frequency_blocks", num_frequency_blocks[0])
        self._feature_size = whole(self, "feature_size", feature_size)
        self._skip = whole(self, "frequency_skip", frequency_skip)
        self._peepholes = use_peepholes
        # The LSTM over frequencies, and that over time.
        self._kinds = ("freq",) if share_time_frequency_weights else ("freq", "time")
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._cell_clip = bound(self, "cell_clip", cell_clip)
        names = [f"state_f{k:02d}_b00_{part}" for k in range(self._windows) for part in "cm"]
        self.state_size = _tuple_of("GridLSTMStateTuple", names, num_units)
        self.output_size = num_units * len(names)

    def _features(self, x: Tensor, offset: int = 0) -> list[Tensor]:
        """The windows of an input, which is padded with 0 where they begin later or earlier."""
        size = x.shape[1].value
        count = (size - self._feature_size) // self._skip + 1
        if count != self._windows:
            raise SizeError(
                f"{type(self).__name__}(feature_size={self._feature_size}, "
                f"frequency_skip={self._skip}) has {count} window(s) in an input of size {size}: "
                f"give num_frequency_blocks=[{count}]"
            )
        if offset:
            zeros = [0, 0, max(-offset, 0), max(offset, 0)]
            x = arrays.pad(x, constant(zeros, shape=[2, 2], dtype="int32"), "CONSTANT")
        start = max(offset, 0)
        return [_window(x, start + k * self._skip, self._feature_size) for k in range(count)]

    def _variables(self, windows: list[Tensor]) -> tuple[dict, dict]:
        """The kernel and the bias of each LSTM, and its peepholes by gate and cell state."""
        units, dtype = self._num_units, windows[0].dtype
        rows = windows[0].shape[1].value + 2 * units
        linears, diagonals = {}, {}
        for kind in self._kinds:
            kernel = scopes.get_variable(f"W_{kind[0]}_0_0", [rows, 4 * units], dtype=dtype)
            bias = scopes.get_variable(
                f"B_{kind[0]}_0", shape=[4 * units], initializer=zeros_initializer(), dtype=dtype
            )
            linears[kind] = kernel, bias
        for kind in self._kinds if self._peepholes else ():
            for gate in "FIO":
                for of in "ft":
                    diagonals[kind, gate, of] = scopes.get_variable(
                        f"W_{gate}_diag_{kind}{of}_0", shape=[units], dtype=dtype
                    )
        return linears, diagonals

    def _compute(
        self, windows: list[Tensor], state: Any, rows: Any, prefix: str
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs and the new states of a step over all windows."""
        linears, diagonals = self._variables(windows)
        dtype = windows[0].dtype

        def gate(kind: str, name: str, value: Tensor, c_freq: Tensor, c_time: Tensor) -> Tensor:
            if diagonals:
                kind = kind if len(self._kinds) > 1 else "freq"
                value = value + diagonals[kind, name, "f"] * c_freq
                value = value + diagonals[kind, name, "t"] * c_time
            return math.sigmoid(value)

        m_freq = arrays.zeros([rows, self._num_units], dtype)
        c_freq = arrays.zeros([rows, self._num_units], dtype)
        outputs, states = [], []
        for k, window in enumerate(windows):
            c_time = getattr(state, f"{prefix}_f{k:02d}_b00_c")
            m_time = getattr(state, f"{prefix}_f{k:02d}_b00_m")
            x = arrays.concat([window, m_time, m_freq], 1)
            gates = {kind: _gates(x, *linear) for kind, linear in linears.items()}
            gates.setdefault("time", gates["freq"])

            def cell(kind: str, c: Tensor, both: tuple, gates: dict = gates) -> Tensor:
                i, j, f, _ = gates[kind]
                i = gate(kind, "I", i, *both)
                f = gate(kind, "F", f + self._forget_bias, *both)
                return clip(f * c + i * math.tanh(j), self._cell_clip)

            both = c_freq, c_time
            c_freq, c_time = cell("freq", c_freq, both), cell("time", c_time, both)
            m_freq = gate("freq", "O", gates["freq"][3], c_freq, c_time) * math.tanh(c_freq)
            m_time = gate("time", "O", gates["time"][3], c_freq, c_time) * math.tanh(c_time)
            states += [c_time, m_time]
            outputs += [m_time, m_freq]
        return outputs, states

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        rows = inputs.shape[0].value or arrays.shape(inputs)[0]
        outputs, states = self._compute(self._features(inputs), state, rows, "state")
        new_state = type(self.state_size)(*states)
        return arrays.concat(outputs, 1), new_state


class BidirectionalGridLSTMCell(GridLSTMCell):
    """LSTMs over time and over windows of the input, in both directions.

    Args:
        num_units: The size of each state.
        use_peepholes, share_time_frequency_weights, cell_clip: See `GridLSTMCell`.
        initializer, num_unit_shards, forget_bias: See `GridLSTMCell`.
        feature_size, frequency_skip, num_frequency_blocks: See `GridLSTMCell`.
        start_freqindex_list, end_freqindex_list, couple_input_forget_gates: Not supported.
        backward_slice_offset: The offset of the windows of the backward direction; values past the
            end are 0.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Sequence[int] | None = None,
        start_freqindex_list: object = None,
        end_freqindex_list: object = None,
        couple_input_forget_gates: bool = False,
        backward_slice_offset: int = 0,
        reuse: bool | None = None,
    ):
        super().__init__(
            num_units,
            use_peepholes,
            share_time_frequency_weights,
            cell_clip,
            initializer,
            num_unit_shards,
            forget_bias,
            feature_size,
            frequency_skip,
            num_frequency_blocks,
            start_freqindex_list,
            end_freqindex_list,
            couple_input_forget_gates,
            reuse=reuse,
        )
        self._offset = int(backward_slice_offset)
        names = [f"{way}_{name}" for way in ("fwd", "bwd") for name in self.state_size._fields]
        self.state_size = _tuple_of("BidirectionalGridLSTMStateTuple", names, num_units)
        self.output_size *= 2

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        rows = inputs.shape[0].value or arrays.shape(inputs)[0]
        forwards = self._features(inputs)
        backwards = self._features(inputs, self._offset) if self._offset else forwards
        outputs, states = [], []
        for way, windows in (("fwd", forwards), ("bwd", backwards[::-1])):
            with scopes.variable_scope(way):
                output, new = self._compute(windows, state, rows, f"{way}_state")
            outputs += output
            states += new
        return arrays.concat(outputs, 1), type(self.state_size)(*states)


class TimeFreqLSTMCell(KnownCell):
    """An LSTM over windows of the input; each window sees the output of the window below.

    For each window, the output has `num_units` and the state twice `num_units`. TensorFlow declares
    the sizes of one window and can only run one window over sequences; so does this class. With
    several windows, call it step by step, or use static_rnn with an initial state of zeros, (batch,
    2 * num_units * windows).

    Args:
        num_units: The size of the cell state of a window.
        use_peepholes: Whether the gates see the cell state.
        cell_clip: The bound to which the cell state is clipped; None for no clipping.
        initializer: Accepted and ignored, as in TensorFlow.
        num_unit_shards: 1; sharded weights are not supported.
        forget_bias: A constant added to the forget gate.
        feature_size: The size of a window.
        frequency_skip: The distance from one window to the next.
        reuse: Whether to use variables that exist already.

    Source: Sainath and Li, Modeling Time-Frequency Patterns with LSTM vs. Convolutional
        Architectures for LVCSR Tasks (2016).
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int = 1,
        reuse: bool | None = None,
    ):
        if num_unit_shards != 1:
            raise InputError(
                "TimeFreqLSTMCell(num_unit_shards=...): sharded weights are not provided; leave it "
                "out"
            )
        super().__init__(num_units, reuse)
        self._peepholes = use_peepholes
        self._cell_clip = bound(self, "cell_clip", cell_clip)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._feature_size = whole(self, "feature_size", feature_size)
        self._skip = whole(self, "frequency_skip", frequency_skip)
        self.state_size = 2 * self._num_units

    def _count(self, size: int) -> int:
        return max(0, (size - self._feature_size) // self._skip + 1)

    def _checked(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        # A step has the state of all windows.
        inputs, declared = convert_to_tensor(inputs), self.state_size
        sizes = inputs.shape.sizes
        windows = self._count(sizes[-1]) if sizes and sizes[-1] is not None else 1
        if windows > 1 and get_default_graph().control_flow_context is not None:
            size = sizes[-1]
            raise SizeError(
                f"TimeFreqLSTMCell(feature_size={self._feature_size}, frequency_skip={self._skip}) "
                f"has {windows} window(s) in an input of size {size} and is run over sequences "
                f"with one alone: make it feature_size={size}, or call it for each step with a "
                f"state of size {declared * windows}"
            )
        self.state_size = declared * max(windows, 1)
        try:
            return super()._checked(inputs, state)
        finally:
            self.state_size = declared

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        units, dtype = self._num_units, inputs.dtype
        windows = [
            _window(inputs, k * self._skip, self._feature_size)
            for k in range(self._count(inputs.shape[1].value))
        ]
        rows = self._feature_size + 2 * units
        kernel = scopes.get_variable("W_0", [rows, 4 * units], dtype=dtype)
        bias = scopes.get_variable(
            "B", shape=[4 * units], initializer=zeros_initializer(), dtype=dtype
        )
        diagonals = {}
        if self._peepholes:
            diagonals = {
                name: scopes.get_variable(f"W_{name}_diag", shape=[units], dtype=dtype)
                for name in "FIO"
            }

        def gate(name: str, value: Tensor, c: Tensor) -> Tensor:
            return math.sigmoid(value + diagonals[name] * c if diagonals else value)

        count = inputs.shape[0].value or arrays.shape(inputs)[0]
        below = arrays.zeros([count, units], dtype)
        output: Any = None
        new_state: Any = None
        for k, window in enumerate(windows):
            c_prev = _window(state, 2 * k * units, units)
            m_prev = _window(state, (2 * k + 1) * units, units)
            i, j, f, o = _gates(arrays.concat([window, m_prev, below], 1), kernel, bias)
            kept = gate("F", f + self._forget_bias, c_prev) * c_prev
            c = clip(kept + gate("I", i, c_prev) * math.tanh(j), self._cell_clip)
            below = m = gate("O", o, c) * math.tanh(c)
            if output is None:
                new_state, output = arrays.concat([c, m], 1), m
            else:
                new_state = arrays.concat([new_state, c, m], 1)
                output = arrays.concat([output, m], 1)
        return output, new_state
