"""Private: the LSTMs of tf.contrib.rnn over windows of the input, which run over the frequencies of
a sound as well as over time.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .. import cells as equations
from ..cells.contrib import frequency_lstm
from ..errors import InputError, SizeError
from . import arithmetic
from .cells import PlainLayer, refuse, reorder_gates
from .contrib_lstm import CLIP, SPLIT, scope
from .graph import Initializer, ScopeLike, StateLike
from .steps import Placed, bound, number, stepwise, whole
from .variables import zeros_initializer

__all__ = [
    "BidirectionalGridLSTMCell",
    "GridLSTMCell",
    "SLICE",
    "TimeFreqLSTMCell",
]

SLICE = "Slice(begin size)"


class GridLSTMCell(PlainLayer):
    """LSTMs over time and over windows of the input: `ostinato.cells.contrib.frequency_lstm`.

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
        num_frequency_blocks: A list with one number, the number of windows, 2 or more.
        start_freqindex_list, end_freqindex_list, couple_input_forget_gates: Not supported.
        state_is_tuple: True; False is not supported.
        reuse: Whether to use variables that exist already.
    """

    joins_state = False

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Sequence[int] | None = None,
        start_freqindex_list: object = None,
        end_freqindex_list: object = None,
        couple_input_forget_gates: bool = False,
        state_is_tuple: bool = True,
        reuse: bool | str | None = None,
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
        super().__init__(num_units, None, reuse, "grid_lstm_cell")
        windows = self.windows = whole(self, "num_frequency_blocks", num_frequency_blocks[0])
        self.feature_size, self.skip = (
            whole(self, "feature_size", feature_size),
            whole(self, "frequency_skip", frequency_skip),
        )
        self.peepholes, self.ends = (
            use_peepholes,
            ("f",) if share_time_frequency_weights else ("f", "t"),
        )
        self.constants = {
            "forget_bias": number(self, "forget_bias", forget_bias),
            "cell_clip": bound(self, "cell_clip", cell_clip),
        }
        names = [f"state_f{k:02d}_b00_{part}" for k in range(windows) for part in "cm"]
        self.state_size = namedtuple("GridLSTMStateTuple", names)(*[num_units] * 2 * windows)
        self.output_size = 2 * num_units * windows
        self._number(windows)
        self.recipe = f"{f'{SLICE} ' * windows} {self._direction(0)} concat(axis)=h"

    def _number(self, windows: int):
        # States are c and m of each window; the equations have h, which is m, before c.
        self.marks = tuple(f"{part}{k}" for k in range(windows) for part in "cm")
        self.order = tuple(i ^ 1 for i in range(2 * windows))

    def _direction(self, first: int, within: str = "") -> str:
        """The variables and operations of all windows; the marks of their states start at the
        number `first`.
        """
        made = [
            name for end in self.ends for name in (f"W_{end}_0_0", f"B_{end}_0")
        ] + self._peepholes
        steps = " ".join(self._recipe(k, first + k) for k in range(self.windows))
        return f"{' '.join(f'${within}{name}' for name in made)} zeros zeros {steps}"

    @property
    def _peepholes(self) -> list[str]:
        names = {"f": "freq", "t": "time"}
        names = [
            f"W_{gate}_diag_{names[end]}{of}_0"
            for end in self.ends
            for gate in "FIO"
            for of in "ft"
        ]
        return names if self.peepholes else []

    def _recipe(self, k: int, mark: int) -> str:
        # A variable enters the loop where it is used first.
        def peephole(end):
            entered = "" if k or end not in self.ends else "[Enter]"
            return f"mul{entered} add mul{entered} add" if self.peepholes else ""

        linear = f"MatMul{'' if k else '[Enter]'} BiasAdd{'' if k else '[Enter]'} {SPLIT}"
        clip = CLIP if self.constants["cell_clip"] is not None else ""
        cells = [
            f"{peephole(end)} Sigmoid add(y) {peephole(end)} Sigmoid mul Tanh mul add {clip}"
            for end in "ft"
        ]
        outputs = [f"{peephole(end)} Sigmoid Tanh mul" for end in "ft"]
        linears = " ".join([linear] * len(self.ends))
        return (
            f"concat(axis) {linears} {cells[0]} {cells[1].rstrip()}=c{mark} {outputs[0]} "
            f"{outputs[1]}=m{mark}"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        windows = (input_size - self.feature_size) // self.skip + 1
        if windows != self.windows:
            raise SizeError(
                f"{type(self).__name__}(feature_size={self.feature_size}, "
                f"frequency_skip={self.skip}) has {windows} window(s) in an input of size "
                f"{input_size}: give num_frequency_blocks=[{windows}]"
            )
        self.equations = frequency_lstm(
            input_size,
            feature_size=self.feature_size,
            frequency_skip=self.skip,
            peepholes=self.peepholes,
            shared=len(self.ends) == 1,
            **self.constants,
        )
        rows, size = self.feature_size + 2 * self.num_units, 4 * self.num_units
        declared = {}
        for end in self.ends:
            declared |= {
                f"W_{end}_0_0": ([rows, size], None),
                f"B_{end}_0": ([size], zeros_initializer()),
            }
        return declared | {name: ([self.num_units], None) for name in self._peepholes}

    def weights(self, input_size: int, *given: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        weights = {}
        for end, kernel, bias in zip(self.ends, given[::2], given[1::2]):
            W, U, V = reorder_gates(kernel).split(
                [self.feature_size, self.num_units, self.num_units], 1
            )
            weights |= {
                f"W_{end}": W,
                f"U_{end}": U,
                f"V_{end}": V,
                f"b_{end}": reorder_gates(bias),
            }
        names = (
            [f"p_{gate}{of}_{end}" for end in self.ends for gate in "fio" for of in "ft"]
            if self.peepholes
            else []
        )
        return weights | dict(zip(names, given[2 * len(self.ends) :]))


class BidirectionalGridLSTMCell(GridLSTMCell):
    """LSTMs over time and over windows of the input, in both directions: two
    `ostinato.cells.contrib.frequency_lstm`.

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

    counted = False

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        share_time_frequency_weights: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int | None = None,
        num_frequency_blocks: Sequence[int] | None = None,
        start_freqindex_list: object = None,
        end_freqindex_list: object = None,
        couple_input_forget_gates: bool = False,
        backward_slice_offset: int = 0,
        reuse: bool | str | None = None,
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
        self.base_name, self.offset, windows = (
            "bidirectional_grid_lstm_cell",
            int(backward_slice_offset),
            self.windows,
        )
        names = [f"{way}_{name}" for way in ("fwd", "bwd") for name in self.state_size._fields]
        self.state_size = namedtuple("BidirectionalGridLSTMStateTuple", names)(
            *[num_units] * len(names)
        )
        self.output_size *= 2
        self._number(2 * windows)
        slices = f"{SLICE} " * windows
        ways = " ".join(
            scope(way, self._direction(first, f"{way}/"))
            for way, first in (("fwd", 0), ("bwd", windows))
        )
        self.recipe = (
            f"{slices} {f'Const Pad {slices}' if self.offset else ''} {ways} concat(axis)=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        declared = super().declare(input_size)
        size = self.feature_size
        self.backwards = frequency_lstm(
            self.windows * size,
            feature_size=size,
            frequency_skip=size,
            peepholes=self.peepholes,
            shared=len(self.ends) == 1,
            **self.constants,
        )
        return {
            f"{way}/{name}": value for way in ("fwd", "bwd") for name, value in declared.items()
        }

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, *given: torch.Tensor
    ) -> dict[str, dict]:
        """The weights of the equations of both directions."""
        half = len(given) // 2
        return {
            "fwd": super().weights(input_size, *given[:half]),
            "bwd": super().weights(input_size, *given[half:]),
        }

    def scan(
        self,
        x: torch.Tensor,
        states: list[torch.Tensor],
        weights: Mapping[str, Any],
        lengths: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        padded = torch.nn.functional.pad(x, (max(-self.offset, 0), max(self.offset, 0)))
        starts = [max(self.offset, 0) + k * self.skip for k in reversed(range(self.windows))]
        x_back = torch.cat([padded[..., start : start + self.feature_size] for start in starts], -1)
        half = len(states) // 2
        runs = (
            (self.equations, x, states[:half], "fwd"),
            (self.backwards, x_back, states[half:], "bwd"),
        )
        (output, new), (output_back, new_back) = (
            arithmetic.scan(cell.graph, given, before, weights[way], lengths)
            for cell, given, before, way in runs
        )
        return torch.cat([output, output_back], -1), [*new, *new_back]


class TimeFreqLSTMCell(PlainLayer):
    """An LSTM over windows of the input; each window sees the output of the window below:
    `ostinato.cells.lstm` or `lstm_peephole`.

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

    marks = ("state",)
    joins_state = False

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer = None,
        num_unit_shards: int = 1,
        forget_bias: float = 1.0,
        feature_size: int | None = None,
        frequency_skip: int = 1,
        reuse: bool | str | None = None,
    ):
        if num_unit_shards != 1:
            raise InputError(
                "TimeFreqLSTMCell(num_unit_shards=...): sharded weights are not provided; "
                "leave it out"
            )
        super().__init__(num_units, None, reuse, "time_freq_lstm_cell")
        cell = equations.lstm_peephole if use_peepholes else equations.lstm
        self.equations = cell.with_constants(
            forget_bias=number(self, "forget_bias", forget_bias),
            cell_clip=bound(self, "cell_clip", cell_clip),
        )
        self.peepholes, self.clip = use_peepholes, "" if cell_clip is None else CLIP
        self.feature_size, self.skip = (
            whole(self, "feature_size", feature_size),
            whole(self, "frequency_skip", frequency_skip),
        )
        self._fit(1)

    def _fit(self, windows: int):
        self.windows, self.state_size, self.output_size = (
            windows,
            2 * self.num_units * windows,
            self.num_units * windows,
        )

    def _windows(self, input_size: int) -> int:
        return max(0, (input_size - self.feature_size) // self.skip + 1)

    def place(self, inputs: Any, state: StateLike, scope: ScopeLike = None) -> Placed:
        depth = getattr(inputs, "shape", (None,))[-1]
        if isinstance(depth, int):
            self._fit(self._windows(depth) or 1)
        try:
            return super().place(inputs, state, scope)
        finally:
            self._fit(1)

    def _recipe(self, k: int) -> str:
        entered = "" if k else "[Enter]"
        peephole = f"mul{entered} add" if self.peepholes else ""
        last = k == self.windows - 1
        join = " ".join(
            f"concat(axis){mark if last else ''}" for mark in ("=state", "=h")[: 2 if k else 1]
        )
        return (
            f"{SLICE} {SLICE} concat(axis) MatMul{entered} BiasAdd{entered} {SPLIT} add(y) "
            f"{peephole} Sigmoid mul {peephole} Sigmoid Tanh mul add {self.clip} {peephole} "
            f"Sigmoid Tanh {'mul=h' if self.windows == 1 else 'mul'} {join}"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        if (windows := self._windows(input_size)) != self.windows:
            raise SizeError(
                f"TimeFreqLSTMCell(feature_size={self.feature_size}, frequency_skip={self.skip}) "
                f"has {windows} window(s) in an input of size {input_size} and is run over "
                f"sequences with one alone: make it feature_size={input_size}, or call it for each "
                f"step with a state of size {2 * self.num_units * windows}"
            )
        rows, size = self.feature_size + 2 * self.num_units, 4 * self.num_units
        diagonals = [f"W_{gate}_diag" for gate in "FIO"] if self.peepholes else []
        declared = {"W_0": ([rows, size], None), "B": ([size], zeros_initializer())}
        declared |= {name: ([self.num_units], None) for name in diagonals}
        steps = " ".join(map(self._recipe, range(windows)))
        self.recipe = (
            f"{f'{SLICE} ' * windows} {' '.join(f'${name}' for name in declared)} zeros {steps}"
        )
        return declared

    def weights(
        self, input_size: int, kernel: torch.Tensor, bias: torch.Tensor, *diagonals: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations. The previous output of a window is part of its input, and
        the output of the window below is its state h.
        """
        kernel, rows = reorder_gates(kernel), self.feature_size + self.num_units
        return {"W": kernel[:, :rows], "U": kernel[:, rows:], "b": reorder_gates(bias)} | dict(
            zip(("p_f", "p_i", "p_o"), diagonals)
        )

    def scan(
        self,
        x: torch.Tensor,
        states: list[torch.Tensor],
        weights: Mapping[str, torch.Tensor],
        lengths: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        def once(run, x, states, left):
            parts = states[0].split(self.num_units, -1)
            below, outputs, new = torch.zeros_like(parts[0]), [], []
            for k, (c, before) in enumerate(zip(parts[::2], parts[1::2])):
                window = x[:, k * self.skip : k * self.skip + self.feature_size]
                x_window = torch.cat([window, before], -1)[None]
                _, (below, c) = arithmetic.scan(
                    self.equations.graph, x_window, [below, c], weights, None
                )
                outputs.append(below)
                new += [c, below]
            return torch.cat(outputs, -1), [torch.cat(new, -1)]

        return stepwise(None, x, states, lengths, once)
