"""Private: the other cells of tf.contrib.rnn, with TensorFlow's variables and the equations of
`ostinato.cells`, as in `cells.py`.

TensorFlow 1.13.1 has MinimalRNNCell and CFNCell only in tensorflow.contrib.rnn.python.ops.rnn_cell.
"""

from collections.abc import Callable
from typing import Any

import torch

from .. import cells as equations
from ..errors import InputError, SizeError
from ..language.tracing import cell, state, weight
from . import operations
from .cells import BasicRNNCell, GRUCell, Layer, LSTMLayer, PlainLayer
from .contrib_lstm import LINEAR, SPLIT, STRIDED, scope
from .graph import DTypeLike, Initializer
from .steps import number
from .variables import (
    constant_initializer,
    ones_initializer,
    random_uniform_initializer,
    zeros_initializer,
)

__all__ = [
    "CFNCell",
    "GRUBlockCell",
    "GRUBlockCellV2",
    "IndRNNCell",
    "IndyGRUCell",
    "IntersectionRNNCell",
    "MinimalRNNCell",
    "NASCell",
    "SRUCell",
    "UGRNNCell",
]


@cell
def _nas_projected(
    x,
    h=state("P"),
    c=state("H"),
    *,
    W=weight("8*H", "I"),
    U=weight("8*H", "P"),
    b=weight("8*H"),
    R=weight("P", "H"),
):
    """`ostinato.cells.nas` with its output projected to P units.

    Source: as `ostinato.cells.nas`; tf.contrib.rnn.NASCell(num_proj=...).
    """
    m, c = equations.nas.function(x, h, c, W=W, U=U, b=b)
    return R @ m, c


class NASCell(PlainLayer, LSTMLayer):
    """The cell found by neural architecture search, with an optional projection:
    `ostinato.cells.nas`.

    Args:
        num_units: The size of the cell state.
        num_proj: The size of the projected output; None for no projection.
        use_biases: Whether there are biases.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_biases: bool = False,
        reuse: bool | str | None = None,
    ):
        super().__init__(num_units, None, reuse, "nas_cell")
        self._states(self.num_units if num_proj is None else num_proj, True)
        self.equations = equations.nas if num_proj is None else _nas_projected
        self.projected, self.use_biases = num_proj is not None, use_biases
        bias = "$bias BiasAdd{use}" if use_biases else ""
        output = "Tanh $projection_weights MatMul{use}=h" if self.projected else "Tanh=h"
        self.recipe = (
            f"$recurrent_kernel $kernel MatMul{{use}} MatMul{{use}} {bias} {SPLIT} {SPLIT} add "
            "Sigmoid add Relu add Sigmoid mul Relu add Tanh add Sigmoid add Tanh add Sigmoid mul "
            f"Tanh add Tanh mul Tanh add Sigmoid add{{taken}} Tanh mul=c add Tanh mul {output}"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        size = 8 * self.num_units
        bias = {"bias": ([size], zeros_initializer())} if self.use_biases else {}
        projection = (
            {"projection_weights": ([self.num_units, self.output_size], None)}
            if self.projected
            else {}
        )
        return (
            {
                "recurrent_kernel": ([self.output_size, size], None),
                "kernel": ([input_size, size], None),
            }
            | bias
            | projection
        )

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_size: int, recurrent: torch.Tensor, kernel: torch.Tensor, *more: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        bias = more[0] if self.use_biases else recurrent.new_zeros(8 * self.num_units)
        return {"W": kernel.T, "U": recurrent.T, "b": bias} | (
            {"R": more[-1].T} if self.projected else {}
        )


class UGRNNCell(PlainLayer):
    """The update gate network: `ostinato.cells.ugrnn`.

    Args:
        num_units: The size of the state.
        initializer: The initializer of the kernel; None for the scope's, or else glorot_uniform.
        forget_bias: A constant added to the gate.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Initializer = None,
        forget_bias: float = 1.0,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
    ):
        super().__init__(num_units, activation, reuse, "ugrnn_cell")
        self.equations = equations.ugrnn.with_constants(
            forget_bias=number(self, "forget_bias", forget_bias), activation=self.activation
        )
        self.declared = [
            ("kernel", [None, 2 * num_units], initializer),
            ("bias", [2 * num_units], constant_initializer(0.0)),
        ]
        self.recipe = scope(
            "ugrnn_cell",
            f"concat(axis) $kernel $bias {LINEAR} {SPLIT} {self.activation_name} add(y) Sigmoid "
            "mul sub(x) mul add=h",
        )

    weights = BasicRNNCell.weights


class IntersectionRNNCell(PlainLayer):
    """The intersection network: `ostinato.cells.intersection`, or `intersection_projected` where
    the input has another size.

    Args:
        num_units: The size of the state and of the output.
        num_in_proj: Any size above 0: an input of another size than `num_units` is projected to
            `num_units`.
        initializer: The initializer of the kernels; None for the scope's, or else glorot_uniform.
        forget_bias: A constant added to both gates.
        y_activation: tf.nn.relu (the default), tf.nn.tanh or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
    """

    marks = ("state",)

    def __init__(
        self,
        num_units: int,
        num_in_proj: int | None = None,
        initializer: Initializer = None,
        forget_bias: float = 1.0,
        y_activation: Callable | str | None = operations.relu,
        reuse: bool | str | None = None,
    ):
        super().__init__(num_units, y_activation, reuse, "intersection_rnn_cell")
        self.num_in_proj, self.initializer, self.forget_bias = (
            num_in_proj,
            initializer,
            number(self, "forget_bias", forget_bias),
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        units, first = self.num_units, {}
        if input_size != units and not self.num_in_proj:
            raise SizeError(
                f"IntersectionRNNCell(num_units={units}) was given an input of size {input_size}: "
                f"make it num_in_proj={units}, or give an input of size {units}"
            )
        if input_size != units:
            first = {
                "in_projection/kernel": ([input_size, units], self.initializer),
                "in_projection/bias": ([units], constant_initializer(0.0)),
            }
        cell = equations.intersection_projected if first else equations.intersection
        self.equations = cell.with_constants(
            forget_bias=self.forget_bias, activation=self.activation
        )
        project = (
            scope("in_projection", f"$in_projection/kernel $in_projection/bias {LINEAR}")
            if first
            else ""
        )
        self.recipe = scope(
            "intersection_rnn_cell",
            f"{project} concat(axis) $kernel $bias {LINEAR} {' '.join([STRIDED] * 4)} Tanh "
            f"{self.activation_name} add(y) Sigmoid add(y) Sigmoid mul sub(x) mul add=state mul "
            "sub(x) mul add=h",
        )
        return first | {
            "kernel": ([2 * units, 4 * units], self.initializer),
            "bias": ([4 * units], constant_initializer(0.0)),
        }

    def weights(self, input_size: int, *given: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        *first, kernel, bias = given
        projection = {"V": first[0].T, "a": first[1]} if first else {}
        return {
            **projection,
            "W": kernel[: self.num_units].T,
            "U": kernel[self.num_units :].T,
            "b": bias,
        }


class SRUCell(Layer):
    """The simple recurrent unit: `ostinato.cells.sru`.

    Args:
        num_units: The size of the state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `sru_cell`.
    """

    marks = ("c",)

    def __init__(
        self,
        num_units: int,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        name: str | None = None,
    ):
        super().__init__(num_units, activation, reuse, name or "sru_cell")
        self.equations = equations.sru.with_constants(activation=self.activation)
        self.recipe = (
            f"$kernel $bias MatMul{{use}} {SPLIT} concat(axis) BiasAdd{{use}} Sigmoid {SPLIT} mul "
            f"sub(x) mul add=c {self.activation_name} mul sub(x) mul add=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        return {
            "kernel": ([input_size, 4 * self.num_units], None),
            "bias": ([2 * self.num_units], constant_initializer(0.0)),
        }

    def weights(
        self, input_size: int, kernel: torch.Tensor, bias: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        return {"W": kernel.T, "b": bias}


class IndRNNCell(Layer):
    """The independently recurrent network: `ostinato.cells.ind_rnn`.

    Args:
        num_units: The size of the state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `ind_rnn_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(num_units, activation, reuse, name or "ind_rnn_cell", dtype)
        self.equations = equations.ind_rnn.with_constants(activation=self.activation)
        self.recipe = (
            f"$kernel_w $kernel_u $bias MatMul{{use}} mul{{use}} add BiasAdd{{use}} "
            f"{self.activation_name}=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        units = self.num_units
        return {
            "kernel_w": ([input_size, units], None),
            "kernel_u": ([1, units], random_uniform_initializer(-1, 1)),
            "bias": ([units], zeros_initializer()),
        }

    def weights(
        self, input_size: int, kernel: torch.Tensor, diagonal: torch.Tensor, bias: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        return {"W": kernel.T, "u": diagonal[0], "b": bias}


class IndyGRUCell(Layer):
    """The independent GRU, whose units see only their own state: `ostinato.cells.indy_gru`.

    Args:
        num_units: The size of the state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        kernel_initializer: The initializer of both input kernels; None for the scope's, or else
            glorot_uniform.
        bias_initializer: The initializer of both biases; None for 1 in the gates' and 0 in the
            candidate's.
        name: The scope of its variables; None for `indy_gru_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        kernel_initializer: Initializer = None,
        bias_initializer: Initializer = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(num_units, activation, reuse, name or "indy_gru_cell", dtype)
        self.equations = equations.indy_gru.with_constants(activation=self.activation)
        self.begins = kernel_initializer, bias_initializer
        self.recipe = (
            "$gates/kernel_w $gates/kernel_u $gates/bias $candidate/kernel $candidate/kernel_u "
            f"$candidate/bias MatMul{{use}} Tile(multiples) mul{{use}} add BiasAdd{{use}} Sigmoid "
            f"{SPLIT} mul MatMul{{use}} mul{{use}} add BiasAdd{{use}} {self.activation_name} mul "
            "sub(x) mul add=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        units, (kernel, bias), diagonal = (
            self.num_units,
            self.begins,
            random_uniform_initializer(-1, 1),
        )
        return {
            "gates/kernel_w": ([input_size, 2 * units], kernel),
            "gates/kernel_u": ([1, 2 * units], diagonal),
            "gates/bias": ([2 * units], constant_initializer(1.0) if bias is None else bias),
            "candidate/kernel": ([input_size, units], kernel),
            "candidate/kernel_u": ([1, units], diagonal),
            "candidate/bias": ([units], zeros_initializer() if bias is None else bias),
        }

    def weights(self, input_size: int, *given: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        kernel, diagonal, bias = (torch.cat(pair, -1) for pair in zip(given[:3], given[3:]))
        return {"W": kernel.T, "u": diagonal[0], "b": bias}


class _Units(Layer):
    """A cell whose activation and initializers may be given by name."""

    def __init__(
        self,
        units: int,
        activation: Callable | str | None,
        kernel_initializer: Initializer,
        bias_initializer: Initializer,
        name: str,
        dtype: DTypeLike | None,
    ):
        named = {name: getattr(operations, name) for name in ("tanh", "relu", "sigmoid")}
        super().__init__(
            units,
            named.get(activation, activation) if isinstance(activation, str) else activation,
            None,
            name,
            dtype,
        )
        self.kernel_initializer = (
            None if kernel_initializer == "glorot_uniform" else kernel_initializer
        )
        self.bias_initializer = (
            ones_initializer() if bias_initializer == "ones" else bias_initializer
        )


class MinimalRNNCell(_Units):
    """The minimal network: `ostinato.cells.minimal_rnn`.

    Args:
        units: The size of the state.
        activation: "tanh", "relu" or "sigmoid", or tf.nn's function.
        kernel_initializer, bias_initializer: The initializers: "glorot_uniform" and "ones", or
            initializers of `tf`.
        name: The scope of its variables; None for `minimal_rnn_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        units: int,
        activation: Callable | str | None = "tanh",
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "ones",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(
            units,
            activation,
            kernel_initializer,
            bias_initializer,
            name or "minimal_rnn_cell",
            dtype,
        )
        self.equations = equations.minimal_rnn.with_constants(activation=self.activation)
        self.recipe = (
            f"$kernel $bias Const split({{read}} split_dim)[Enter] MatMul {self.activation_name} "
            f"concat(axis) MatMul "
            "BiasAdd{use} Sigmoid mul sub(x) mul add=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        units = self.num_units
        return {
            "kernel": ([input_size + 2 * units, units], self.kernel_initializer),
            "bias": ([units], self.bias_initializer),
        }

    def weights(
        self, input_size: int, kernel: torch.Tensor, bias: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        V, W, U = kernel.T.split([input_size, self.num_units, self.num_units], 1)
        return {"V": V, "W": W, "U": U, "b": bias}


class CFNCell(_Units):
    """The chaos-free network: `ostinato.cells.cfn`.

    Args:
        units, activation, kernel_initializer, bias_initializer, dtype: See `MinimalRNNCell`.
        name: The scope of its variables; None for `cfn_cell`.
    """

    def __init__(
        self,
        units: int,
        activation: Callable | str | None = "tanh",
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "ones",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(
            units, activation, kernel_initializer, bias_initializer, name or "cfn_cell", dtype
        )
        self.equations = equations.cfn.with_constants(activation=self.activation)
        act = self.activation_name
        self.recipe = (
            f"$kernel $recurrent_kernel $bias Const split({{read}} split_dim)[Enter] MatMul{{use}} "
            f"MatMul add BiasAdd{{use}} Sigmoid {SPLIT} MatMul {act} mul sub(x) {act} mul add=h"
        )

    def declare(self, input_size: int) -> dict[str, tuple]:
        units = self.num_units
        return {
            "kernel": ([input_size, 3 * units], self.kernel_initializer),
            "recurrent_kernel": ([units, 2 * units], self.kernel_initializer),
            "bias": ([2 * units], self.bias_initializer),
        }

    def weights(
        self, input_size: int, kernel: torch.Tensor, recurrent: torch.Tensor, bias: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        return {"W": kernel.T, "U": recurrent.T, "b": bias}


class GRUBlockCellV2(GRUCell):
    """TensorFlow's GRU in one operation: `ostinato.cells.gru_original`.

    Args:
        num_units: The size of the state.
        cell_size: The older name of `num_units`; give one of both.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables.
    """

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | str | None = None,
        name: str = "gru_cell",
    ):
        if (num_units is None) == (cell_size is None):
            raise InputError(
                f"{type(self).__name__}(num_units={num_units!r}, cell_size={cell_size!r}): give "
                f"num_units alone"
            )
        units: Any = cell_size if num_units is None else num_units
        super().__init__(units, reuse=reuse, name=name)
        self.declared = [
            *self.declared[:-1],
            ("candidate/bias", [units], constant_initializer(0.0)),
        ]
        self.recipe = "GRUBlockCell({read} {read} {read} {read})[Enter Enter Enter Enter]=h"


class GRUBlockCell(GRUBlockCellV2):
    """`GRUBlockCellV2` with other variable names.

    Args:
        num_units, cell_size, reuse, name: See `GRUBlockCellV2`.
    """

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | str | None = None,
        name: str = "gru_cell",
    ):
        super().__init__(num_units, cell_size, reuse, name)
        self.declared = [
            (new, shape, initializer)
            for new, (_, shape, initializer) in zip(("w_ru", "b_ru", "w_c", "b_c"), self.declared)
        ]
