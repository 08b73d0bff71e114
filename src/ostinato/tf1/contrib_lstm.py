"""Private: the LSTMs of tf.contrib.rnn, with TensorFlow's variables and the equations of
`ostinato.cells`, as in `cells.py`.

TensorFlow 1.13.1 has WeightNormLSTMCell only in tensorflow.contrib.rnn.python.ops.rnn_cell.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from .. import cells as equations
from ..errors import InputError, SizeError
from ..nn.regularisation import Regularisation
from . import arithmetic, operations
from .cells import LSTMCell, LSTMLayer, PlainLayer, refuse, reorder_gates
from .dropout import DROPOUT, keep_mask, keep_probability
from .graph import DTypeLike, Initializer, Marks, TensorFlowGraph, TensorShape
from .session import SessionRun
from .steps import bound, count_steps, number, whole
from .variables import (
    constant_initializer,
    random_uniform_initializer,
    zeros_initializer,
)

__all__ = [
    "CLIP",
    "CoupledInputForgetGateLSTMCell",
    "GLSTMCell",
    "IndyLSTMCell",
    "LINEAR",
    "LSTMBlockCell",
    "LayerNormBasicLSTMCell",
    "PEEPHOLE",
    "SPLIT",
    "STRIDED",
    "WeightNormLSTMCell",
    "scope",
]

# Parts of recipes; `{{` and `}}` become braces when the recipe is formatted.
SPLIT = "Const split(split_dim)"
LINEAR = "MatMul{use} BiasAdd{use}"
CLIP = "clip_by_value(Minimum(y) y)"
PEEPHOLE = "{read} mul[Enter] add"
STRIDED = "strided_slice(stack stack_1 stack_2)"


def scope(name: str, inside: str) -> str:
    """The recipe of a name scope."""
    return f"{name}{{{{{inside}}}}}"


def _norm(name: str, mark: str = "") -> str:
    """The variables and operations of tf.contrib.layers.layer_norm."""
    moments = scope(
        "moments",
        "mean(reduction_indices) StopGradient SquaredDifference variance(reduction_indices)",
    )
    batchnorm = scope("batchnorm", f"add(y) Rsqrt mul{{use}} mul mul sub{{use}} add{mark}")
    return f"${name}/gamma ${name}/beta {scope(f'{name}_1', f'{moments} {batchnorm}')}"


class LayerNormBasicLSTMCell(PlainLayer, LSTMLayer):
    """The LSTM with layer normalisation of each gate and of the cell state:
    `ostinato.cells.layer_norm_basic_lstm`.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        layer_norm: False for no normalisation: `ostinato.cells.lstm`.
        norm_gain, norm_shift: The initial gains and shifts.
        dropout_keep_prob: The probability, above 0 and up to 1, of keeping what a step adds to the
            cell state.
        dropout_prob_seed: The seed of the dropout; None for the graph's.
        input_size: Accepted for compatibility; ignored.
        reuse: Whether to use variables that exist already.

    Source: Semeniuta, Severyn and Barth, Recurrent Dropout without Memory Loss (2016),
        arXiv:1603.05118, for the dropout.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: int | tuple[int, ...] | TensorShape | None = None,
        activation: Callable | str | None = None,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: float = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | str | None = None,
    ):
        super().__init__(num_units, activation, reuse, "layer_norm_basic_lstm_cell")
        self.keep, self.seed = (
            keep_probability(self, "dropout_keep_prob", dropout_keep_prob),
            dropout_prob_seed,
        )
        if self.keep < 1 and activation is operations.sigmoid:
            raise InputError(
                "LayerNormBasicLSTMCell(activation=tf.nn.sigmoid, "
                f"dropout_keep_prob={dropout_keep_prob!r}) is not provided by ostinato.tf1: give "
                "tf.nn.tanh or tf.nn.relu, or leave the dropout out"
            )
        self._states(num_units, True)
        cell = equations.layer_norm_basic_lstm if layer_norm else equations.lstm
        self.equations = cell.with_constants(
            forget_bias=number(self, "forget_bias", forget_bias), activation=self.activation
        )
        self.graph = self.equations.graph
        if self.keep < 1:
            self.graph = Regularisation(self.graph, recurrent_dropout=1 - self.keep).in_training
        gates = ("input", "transform", "forget", "output")
        if layer_norm:
            begins = {
                "gamma": constant_initializer(number(self, "norm_gain", norm_gain)),
                "beta": constant_initializer(number(self, "norm_shift", norm_shift)),
            }
            more = [
                (f"{name}/{part}", [num_units], begin)
                for name in (*gates, "state")
                for part, begin in begins.items()
            ]
            bias, norms, state = "", " ".join(map(_norm, gates)), f"add {_norm('state', '=c')}"
        else:
            more, bias, norms, state = (
                [("bias", [4 * num_units], None)],
                "$bias BiasAdd{use}",
                "",
                "add=c",
            )
        self.declared = [("kernel", [None, 4 * num_units], None), *more]
        act = self.activation_name
        candidate = f"{act} {scope('dropout', DROPOUT)}" if self.keep < 1 else act
        self.recipe = (
            f"concat(axis) $kernel MatMul{{use}} {bias} {SPLIT} {norms} {candidate} add(y) Sigmoid "
            f"mul Sigmoid mul {state} {act} Sigmoid mul=h"
        )

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, kernel: torch.Tensor, *more: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        if len(more) == 1:
            return super().weights(input_size, kernel, *more)
        kernel, gamma, beta = reorder_gates(kernel), torch.cat(more[:8:2]), torch.cat(more[1:8:2])
        return {
            "W": kernel[:, :input_size],
            "U": kernel[:, input_size:],
            "gain": reorder_gates(gamma),
            "b": reorder_gates(beta),
            "gain_c": more[8],
            "b_c": more[9],
        }

    def record(
        self, graph: TensorFlowGraph, recipe: str, variable: Callable[[str], object] | None
    ) -> Marks:
        if self.keep == 1:
            return graph.record(recipe, variable)
        return graph.random_uniform(recipe, self.seed, variable)

    def inputs(
        self, run: SessionRun, marks: Marks, x: torch.Tensor, lengths: torch.Tensor | None
    ) -> Any:
        if self.keep == 1:
            return x
        shape = len(x[0]), self.num_units
        masks = x.new_zeros(len(x), *shape)
        for t in range(count_steps(x, lengths)):
            masks[t], _ = keep_mask(run, marks, self.keep, shape, x.dtype)
        return x, masks

    def scan(
        self,
        x: torch.Tensor,
        states: list[torch.Tensor],
        weights: Mapping[str, torch.Tensor],
        lengths: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        return arithmetic.scan(self.graph, x, states, weights, lengths)


class CoupledInputForgetGateLSTMCell(PlainLayer, LSTMLayer):
    """The LSTM with the input gate 1 - f: `ostinato.cells.coupled_lstm` or
    `coupled_lstm_projected`.

    Args:
        num_units: The size of the cell state.
        use_peepholes: Whether the gates see the cell state.
        initializer: Accepted and ignored, as in TensorFlow.
        num_proj: The size of the projected output; None for no projection.
        proj_clip: The bound to which the projected output is clipped; None for no clipping.
        forget_bias: A constant added to the forget gate.
        state_is_tuple: False to concatenate c and h to one state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        layer_norm: False; normalisation is not supported.
        num_unit_shards, num_proj_shards: 1; sharded weights are not supported.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Initializer = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
    ):
        if (num_unit_shards, num_proj_shards) != (1, 1):
            raise InputError(
                "CoupledInputForgetGateLSTMCell(num_unit_shards=..., num_proj_shards=...): sharded "
                "weights are not provided; leave both out"
            )
        refuse("CoupledInputForgetGateLSTMCell", layer_norm=layer_norm)
        super().__init__(num_units, activation, reuse, "coupled_input_forget_gate_lstm_cell")
        self._states(num_proj or num_units, state_is_tuple)
        constants = {
            "forget_bias": number(self, "forget_bias", forget_bias),
            "peepholes": use_peepholes,
            "activation": self.activation,
        }
        if num_proj:
            constants["projection_clip"] = bound(self, "proj_clip", proj_clip)
        self.equations = (
            equations.coupled_lstm_projected if num_proj else equations.coupled_lstm
        ).with_constants(**constants)
        self.declared = [
            ("W_0", [None, 3 * num_units], None),
            ("B", [3 * num_units], zeros_initializer()),
        ]
        if use_peepholes:
            self.declared += [("W_F_diag", [num_units], None), ("W_O_diag", [num_units], None)]
        if num_proj:
            self.declared += [("W_P_0", [num_units, num_proj], None)]
        diagonals, peephole = ("$W_F_diag $W_O_diag", PEEPHOLE) if use_peepholes else ("", "")
        output = (
            "mul"
            if not num_proj
            else f"mul $W_P_0 MatMul{{use}} {'' if proj_clip is None else CLIP}".rstrip()
        )
        cut, join = (
            ("Slice(begin size) Slice(begin size)", "concat(axis)=state")
            if self.joined
            else ("", "")
        )
        act = self.activation_name
        self.recipe = (
            f"{cut} $W_0 $B concat(axis) {LINEAR} {SPLIT} {diagonals} add(y) {peephole} Sigmoid "
            f"mul sub(x) {act} mul add=c {peephole} Sigmoid {act} {output}=h {join}"
        )

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, kernel: torch.Tensor, bias: torch.Tensor, *more: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        # TensorFlow's gates are j, f, o; Ostinato's f, g, o, where g is j.
        kernel, bias = (
            torch.cat([w.chunk(3, -1)[i] for i in (1, 0, 2)], -1) for w in (kernel, bias)
        )
        names = {"W_F_diag": "p_f", "W_O_diag": "p_o", "W_P_0": "R"}
        others = {
            names[name]: w.T if w.dim() > 1 else w for (name, *_), w in zip(self.declared[2:], more)
        }
        return {"W": kernel[:input_size].T, "U": kernel[input_size:].T, "b": bias, **others}


class IndyLSTMCell(LSTMLayer):
    """The independent LSTM, whose units see only their own states: `ostinato.cells.indy_lstm`.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        kernel_initializer: The initializer of the input kernel; None for the scope's, or else
            glorot_uniform.
        bias_initializer: The initializer of the bias; None for 0.
        name: The scope of its variables; None for `indy_lstm_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        kernel_initializer: Initializer = None,
        bias_initializer: Initializer = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(num_units, activation, reuse, name or "indy_lstm_cell", dtype)
        self._states(num_units, True)
        self.equations = equations.indy_lstm.with_constants(
            forget_bias=number(self, "forget_bias", forget_bias), activation=self.activation
        )
        self.begins = (
            kernel_initializer,
            zeros_initializer() if bias_initializer is None else bias_initializer,
        )
        self.recipe = (
            "$kernel_w $kernel_u $bias Const MatMul{use} Tile(multiples) mul{use} add BiasAdd{use} "
            "Const split Const "
            f"Add Sigmoid Mul Sigmoid {self.activation_name} Mul Add=c {self.activation_name} "
            f"Sigmoid Mul=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        size, (kernel, bias) = 4 * self.num_units, self.begins
        return {
            "kernel_w": ([input_size, size], kernel),
            "kernel_u": ([1, size], random_uniform_initializer(-1, 1)),
            "bias": ([size], bias),
        }

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, kernel: torch.Tensor, diagonal: torch.Tensor, bias: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        return {
            "W": reorder_gates(kernel),
            "u": reorder_gates(diagonal[0]),
            "b": reorder_gates(bias),
        }


class GLSTMCell(PlainLayer, LSTMLayer):
    """The LSTM in groups; each group sees its part of the input and of the output:
    `ostinato.cells.lstm` or `lstm_full`.

    The matrices are block diagonal and are multiplied as full matrices: groups save weights but not
    time.

    Args:
        num_units: The size of the cell state.
        initializer: The initializer of the kernels; None for the scope's, or else glorot_uniform.
        num_proj: The size of the projected output; None for no projection.
        number_of_groups: The number of groups. It divides the sizes of the input, the state and the
            output.
        forget_bias: A constant added to the forget gate.
        activation: tf.nn.tanh. Other activations, which TensorFlow applies to the output only, are
            not supported.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Initializer = None,
        num_proj: int | None = None,
        number_of_groups: int = 1,
        forget_bias: float = 1.0,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
    ):
        refuse("GLSTMCell", activation=None if activation is operations.tanh else activation)
        super().__init__(num_units, activation, reuse, "glstm_cell")
        self._states(num_proj or num_units, True)
        self.initializer, self.groups, self.projected = (
            initializer,
            whole(self, "number_of_groups", number_of_groups),
            bool(num_proj),
        )
        self._share("num_units", num_units)
        self._share("num_proj", self.output_size)
        cell = equations.lstm_full.with_constants(peepholes=False) if num_proj else equations.lstm
        self.equations = cell.with_constants(forget_bias=number(self, "forget_bias", forget_bias))

        def group(i):
            slices = f"GLSTM_group{i}_input_generation(begin size)"
            return scope(
                f"group{i}",
                f"{slices} {slices} concat(axis) $group{i}/kernel MatMul{{use}} {SPLIT}",
            )

        groups = " ".join(map(group, range(number_of_groups)))
        gates = scope(
            "glstm_cell",
            f"{groups} $bias_i $bias_j $bias_f $bias_o "
            f"{' '.join(['concat(axis) BiasAdd{use}'] * 4)}",
        )
        output = (
            f"mul {scope('projection', '$projection/kernel MatMul{use}=h')}"
            if num_proj
            else "mul=h"
        )
        self.recipe = f"{gates} add(y) Sigmoid mul Sigmoid Tanh mul add=c Sigmoid Tanh {output}"

    def _share(self, what: str, units: int) -> int:
        if units % self.groups:
            raise SizeError(
                f"GLSTMCell(number_of_groups={self.groups}): {what} is {units}, which is not a "
                f"multiple of it; give a multiple"
            )
        return units // self.groups

    def declare(self, input_size: int) -> dict[str, tuple]:
        rows = self._share("the size of the input", input_size) + self.output_size // self.groups
        kernels = {
            f"group{i}/kernel": ([rows, 4 * self.num_units // self.groups], self.initializer)
            for i in range(self.groups)
        }
        biases = {f"bias_{gate}": ([self.num_units], constant_initializer(0.0)) for gate in "ijfo"}
        projection = {"projection/kernel": ([self.num_units, self.output_size], self.initializer)}
        return kernels | biases | (projection if self.projected else {})

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, *given: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        kernels, biases, more = (
            given[: self.groups],
            given[self.groups : self.groups + 4],
            given[self.groups + 4 :],
        )
        share = input_size // self.groups

        def blocks(rows):
            gates = zip(*(kernel[rows].chunk(4, 1) for kernel in kernels))
            return reorder_gates(torch.cat([torch.block_diag(*gate) for gate in gates], 1))

        weights = {
            "W": blocks(slice(share)),
            "U": blocks(slice(share, None)),
            "b": reorder_gates(torch.cat(biases)),
        }
        return weights | ({"R": more[0].T} if more else {})


class WeightNormLSTMCell(PlainLayer, LSTMLayer):
    """The LSTM with weight normalisation of its two matrices, with a gain for each unit of a gate:
    `ostinato.cells.lstm` or `lstm_peephole`.

    Args:
        num_units: The size of each state.
        norm: False for an LSTM without normalisation.
        use_peepholes: Whether the gates see the cell state.
        cell_clip: The bound to which the cell state is clipped; None for no clipping.
        initializer: The initializer of the weights other than the bias; None for the scope's, or
            else glorot_uniform.
        num_proj: None; a projection is not supported.
        proj_clip: Accepted for compatibility; ignored.
        forget_bias: A constant added to the forget gate.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        norm: bool = True,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        forget_bias: float = 1.0,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
    ):
        refuse("WeightNormLSTMCell", num_proj=num_proj)
        super().__init__(num_units, activation, reuse, "wn_lstm_cell")
        self._states(num_units, True)
        cell = equations.lstm_peephole if use_peepholes else equations.lstm
        self.equations = cell.with_constants(
            forget_bias=number(self, "forget_bias", forget_bias),
            cell_clip=bound(self, "cell_clip", cell_clip),
            activation=self.activation,
        )
        self.norm, size, within = norm, 4 * num_units, "wn_lstm_cell"
        norms = [(f"{within}/norm_{i}", [size], initializer) for i in (0, 1)] if norm else []
        diagonals = (
            [(f"{within}/w_{gate}_diag", [num_units], initializer) for gate in "fio"]
            if use_peepholes
            else []
        )
        bias = (f"{within}/bias", [size], constant_initializer(0.0))
        self.declared = [(f"{within}/kernel", [None, size], initializer), *norms, bias, *diagonals]
        normalise = "l2_normalize(Square Sum(reduction_indices) Maximum(y) Rsqrt) mul"
        normalised = " ".join(f"{STRIDED} ${name} {normalise}" for name, *_ in norms) + (
            " concat(axis)" if norm else ""
        )
        linear = (
            f"${within}/kernel {normalised} concat(axis) MatMul{{use}} ${within}/bias "
            f"BiasAdd{{use}}"
        )
        peephole, act = PEEPHOLE if use_peepholes else "", self.activation_name
        made = " ".join(f"${name}" for name, *_ in diagonals)
        held = "add=c" if cell_clip is None else f"add {CLIP}=c"
        self.recipe = (
            f"{scope(within, linear)} {SPLIT} {made} add(y) {peephole} Sigmoid mul {peephole} "
            f"Sigmoid {act} mul {held} {peephole} Sigmoid {act} mul=h"
        )

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, kernel: torch.Tensor, *more: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        if self.norm:
            gains, more = more[:2], more[2:]
            # tf.nn.l2_normalize clips the squared length to at least 1e-12.
            parts = zip((kernel[:input_size], kernel[input_size:]), gains)
            kernel = torch.cat(
                [part / part.square().sum(0).clamp(min=1e-12).sqrt() * gain for part, gain in parts]
            )
        bias, *diagonals = more
        return super().weights(input_size, kernel, bias) | dict(
            zip(("p_f", "p_i", "p_o"), diagonals)
        )


class LSTMBlockCell(LSTMCell):
    """TensorFlow's LSTM in one operation: `ostinato.cells.lstm` or `lstm_peephole`.

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

    maths = {
        "minimum": arithmetic.pass_gradient(torch.minimum),
        "maximum": arithmetic.pass_gradient(torch.maximum),
    }

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: DTypeLike | None = None,
        reuse: bool | str | None = None,
        name: str = "lstm_cell",
    ):
        super().__init__(
            num_units,
            use_peephole,
            cell_clip,
            forget_bias=forget_bias,
            reuse=reuse,
            name=name,
            dtype=dtype,
        )
        # Both states are results of the one operation.
        self.marks = ("h", "h")
        kernel, _, *diagonals = self.declared
        # Here w_i_diag comes before w_f_diag.
        self.declared = [
            kernel,
            ("bias", [4 * num_units], constant_initializer(0.0)),
            *diagonals[1::-1],
            *diagonals[2:],
        ]
        count = 5 if use_peephole else 2
        self.recipe = (
            f"{'' if use_peephole else 'zeros'} "
            f"LSTMBlockCell({'{read} ' * count})[{'Enter ' * count}]=h"
        )
