"""Private: TensorFlow 1's recurrent cells, with its names, shapes and gate orders of weights. The
equations are those of `ostinato.cells`.

This module has no equations. A class names a cell of `ostinato.cells`, converts TensorFlow's
variables to the weights of that cell, and lists the operations that TensorFlow 1.13.1 adds to the
graph for one step. Their number determines the seeds of later operations.
"""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .. import cells as equations
from .. import language
from ..errors import InputError, SizeError
from ..language.tracing import Cell
from . import arithmetic, operations
from .graph import DType, DTypeLike, Initializer, Marks, TensorFlowGraph, VariableScope, as_dtype
from .session import SessionRun
from .steps import RNNCell, Step, bound, flatten, number, variable_maker, whole
from .variables import Variable, constant_initializer, zeros_initializer

__all__ = [
    "ACTIVATIONS",
    "BasicLSTMCell",
    "BasicRNNCell",
    "GRUCell",
    "LSTMCell",
    "LSTMLayer",
    "LSTMStateTuple",
    "Layer",
    "PlainLayer",
    "reorder_gates",
    "refuse",
]

LSTMStateTuple = namedtuple("LSTMStateTuple", ("c", "h"))
LSTMStateTuple.__doc__ = (
    "The state of an LSTM: the cell state c and the output h, in TensorFlow's order."
)

# TensorFlow's LSTM kernel stacks i, j, f, o; Ostinato's i, f, g, o, where g is j. TensorFlow's GRU
# gates r, u are Ostinato's r, z.
_LSTM_ORDER = (0, 2, 1, 3)

# The names of the LSTM's other variables in the equations; a projection is transposed.
_LSTM_NAMES = {"w_f_diag": "p_f", "w_i_diag": "p_i", "w_o_diag": "p_o", "projection/kernel": "R"}

# The valid values of `activation=`, with the operation of the cell language and TensorFlow's name.
ACTIVATIONS = {
    None: (language.tanh, "Tanh"),
    operations.tanh: (language.tanh, "Tanh"),
    operations.relu: (language.relu, "Relu"),
    operations.sigmoid: (language.sigmoid, "Sigmoid"),
}


def reorder_gates(weight: torch.Tensor) -> torch.Tensor:
    """The weight of an LSTM in Ostinato's order of gates, i, f, g, o (units first), from
    TensorFlow's weight (units last).
    """
    weight = torch.cat([weight.chunk(4, -1)[i] for i in _LSTM_ORDER], -1)
    return weight.T if weight.dim() == 2 else weight


def refuse(of: str, **given: Any) -> None:
    """Reject options that are not supported, unless they are None, False or 0.

    Args:
        of: The name of the cell.
        given: The options by name.
    """
    for name, value in given.items():
        if value not in (None, False, 0):
            raise InputError(
                f"{of}({name}={value!r}) is not provided by ostinato.tf1: leave {name} out"
            )


class Layer(RNNCell):
    """A cell with its own weights.

    Attributes:
        equations: The cell of `ostinato.cells`, with its constants.
        recipe: The operations of a step. `{use}` stands where a variable is read within an
            operation, `{again}` where it was read before, `{read}` where it is read before an
            operation, and `{taken}` where a state that is not joined to the input is read first.
        marks: The marks of the states in the recipe.
        order: The index of each state of the equations among the states of the cell.
        declared: The variables as (name, shape, initializer). A size of None is the size of the
            input plus the size of the output. If the recipe names no variables, they are created
            before its operations.
        maths: Replacements of operations in the equations, by name.
        joins_state: Whether its first operation takes a state as well as the input.
        shares_name: Whether two such cells in one scope have variables of the same names.

    A subclass defines `weights`, which converts the values of the variables to the weights of the
    equations.
    """

    equations: Cell
    recipe: str
    declared: Sequence[tuple[str, Sequence[int | None], Initializer]]
    weights: Callable[..., Any]
    # Wrappers set it to True for resource variables; None for the default of the scope.
    resource: bool | None = None
    joined = False
    joins_state = True
    shares_name = False
    marks: tuple[str, ...] = ("h",)
    order: tuple[int, ...] = (0,)
    input_size: int | None = None
    maths: dict[str, Callable] | None = None

    def __init__(
        self,
        num_units: int,
        activation: Callable | str | None,
        reuse: bool | str | None,
        name: str,
        dtype: DTypeLike | None = None,
    ):
        if activation not in [*ACTIVATIONS]:
            raise InputError(
                f"{type(self).__name__}(activation={activation!r}): give tf.nn.tanh, tf.nn.relu or "
                f"tf.nn.sigmoid"
            )
        if not isinstance(name, str):
            raise InputError(
                f"{type(self).__name__}(name={name!r}): give a string, the scope of its variables"
            )
        self.activation, self.activation_name = ACTIVATIONS[activation]
        self.state_size = self.output_size = self.num_units = whole(self, "num_units", num_units)
        self.reuse, self.base_name, self.kind = (
            reuse,
            name,
            None if dtype is None else as_dtype(dtype),
        )
        self.scope: VariableScope | None = None
        self.variable_map: dict[str, Variable] = {}

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables of the cell; all are trainable."""
        return list(self.variable_map.values())

    variables = trainable_variables

    @property
    def parts(self) -> list[int]:
        """The sizes of the states in a concatenated state, in TensorFlow's order."""
        return [self.num_units, self.output_size]

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        self.check_dtype(dtype)
        if self.scope is None:
            given = self.base_name if self.reuse or self.shares_name else None
            with graph.open_variable_scope(
                given, default_name=self.base_name, reuse=self.reuse
            ) as self.scope:
                pass
        with graph.again(self.scope):
            if self.input_size not in (None, input_size):
                raise SizeError(
                    f"{self.base_name} has weights for inputs of size {self.input_size} and was "
                    f"given size {input_size}: use another cell object for it"
                )
            self.input_size, declared = input_size, self.declare(input_size)
            variable = variable_maker(self.variable_map, declared, dtype, self.resource)
            first = "" if "$" in self.recipe else " ".join(f"${name}" for name in declared)
            resource = graph.variable_scope.use_resource if self.resource is None else self.resource
            read = "ReadVariableOp" if resource and not graph.cached else ""
            # A branch takes the input and a state from outside where they are joined, and the other
            # states later.
            branch = graph.loop == "Switch"
            graph.captures += branch * self.joins_state
            recipe = self.recipe.format(
                use=f"({read})[Enter]",
                again=f"({read})",
                read=read,
                taken="[Enter]" if branch else "",
            )
            marks = self.record(graph, f"{first} {recipe}", variable)
            left = len(flatten(self.state_size)) - self.joins_state - self.recipe.count("{taken}")
            graph.record("Switch " * (left * branch))
        reads = [self.variable_map[name].read for name in declared]

        def advance(run, x, states, lengths):
            states = list(states[0].split(self.parts, -1)) if self.joined else states
            weights = self.weights(input_size, *(run[r] for r in reads))
            given = self.inputs(run, marks, x, lengths)
            output, new = self.scan(given, [states[i] for i in self.order], weights, lengths)
            new = [new[self.order.index(i)] for i in range(len(new))]
            return output, [torch.cat(new, -1)] if self.joined else new

        return Step(advance, marks["h"], [marks[m] for m in self.marks], reads)

    def check_dtype(self, dtype: DType) -> None:
        """Reject an input of integers, and an input of another dtype than the cell's."""
        if not dtype.is_floating:
            raise InputError(
                f"{type(self).__name__} was given an input of {dtype.name}: give it floats, "
                f"tf.cast(x, tf.float32)"
            )
        if self.kind not in (None, dtype):
            raise InputError(
                f"{type(self).__name__}(dtype={self.kind!r}) was given an input of {dtype.name}: "
                f"make both the same, or leave dtype out"
            )

    def record(self, graph: TensorFlowGraph, recipe: str, variable: Callable) -> Marks:
        """Record the operations."""
        return graph.record(recipe, variable)

    def inputs(
        self, run: SessionRun, marks: Marks, x: torch.Tensor, lengths: torch.Tensor | None
    ) -> Any:
        """The input of the equations."""
        return x

    def scan(
        self,
        x: torch.Tensor,
        states: list[torch.Tensor],
        weights: dict[str, torch.Tensor],
        lengths: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Run the equations over a sequence, as `Step.advance`, with the weights and states of the
        equations in their order.
        """
        return arithmetic.scan(self.equations.graph, x, states, weights, lengths, self.maths)

    def declare(self, input_size: Any) -> dict[str, tuple]:
        """The shape and the initializer of each variable, by name, for an input size."""
        rows = input_size + self.output_size
        return {
            name: ([n or rows for n in shape], initializer)
            for name, shape, initializer in self.declared
        }


class PlainLayer(Layer):
    """A cell that is not a layer in TensorFlow. It opens its outer scope a second time, and its
    variables are never resource variables.
    """

    # A wrapper cannot change it.
    resource = property(lambda self: None, lambda self, value: None)  # pyright: ignore[reportAssignmentType]

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        with graph.open_variable_scope(graph.variable_scope):
            return super().trace(graph, input_size, dtype)


class BasicRNNCell(Layer):
    """The simple (Elman) recurrent network: `ostinato.cells.elman`.

    Args:
        num_units: The size of the state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `basic_rnn_cell`.
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
        super().__init__(num_units, activation, reuse, name or "basic_rnn_cell", dtype)
        self.equations = equations.elman.with_constants(activation=self.activation)
        self.declared = [
            ("kernel", [None, num_units], None),
            ("bias", [num_units], zeros_initializer()),
        ]
        self.recipe = f"concat(axis) MatMul{{use}} BiasAdd{{use}} {self.activation_name}=h"

    def weights(
        self, input_size: int, kernel: torch.Tensor, bias: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        return {"W": kernel[:input_size].T, "U": kernel[input_size:].T, "b": bias}


class GRUCell(Layer):
    """The gated recurrent unit with the reset gate before the product:
    `ostinato.cells.gru_original`.

    Args:
        num_units: The size of the state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        kernel_initializer: The initializer of both kernels; None for the scope's, or else
            glorot_uniform.
        bias_initializer: The initializer of both biases; None for 1 in the gates' and 0 in the
            candidate's.
        name: The scope of its variables; None for `gru_cell`.
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
        super().__init__(num_units, activation, reuse, name or "gru_cell", dtype)
        self.equations = equations.gru_original.with_constants(activation=self.activation)
        self.declared = [
            ("gates/kernel", [None, 2 * num_units], kernel_initializer),
            (
                "gates/bias",
                [2 * num_units],
                constant_initializer(1.0) if bias_initializer is None else bias_initializer,
            ),
            ("candidate/kernel", [None, num_units], kernel_initializer),
            (
                "candidate/bias",
                [num_units],
                zeros_initializer() if bias_initializer is None else bias_initializer,
            ),
        ]
        product = "concat(axis) MatMul{use} BiasAdd{use}"
        self.recipe = (
            f"{product} Sigmoid Const split(split_dim) mul {product} "
            f"{self.activation_name} mul sub(x) mul add=h"
        )

    def weights(
        self,
        input_size: int,
        gates: torch.Tensor,
        gates_bias: torch.Tensor,
        candidate: torch.Tensor,
        candidate_bias: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        return {
            "W": torch.cat([gates[:input_size], candidate[:input_size]], 1).T,
            "U_rz": gates[input_size:].T,
            "U_n": candidate[input_size:].T,
            "b": torch.cat([gates_bias, candidate_bias]),
        }


class LSTMLayer(Layer):
    """A cell with the states c and h, and TensorFlow's four gates."""

    def _states(self, output_size: int, state_is_tuple: bool):
        whole(self, "num_proj", output_size, ", or leave it out for no projection")
        self.output_size, self.joined, self.order = output_size, not state_is_tuple, (1, 0)
        self.state_size = (
            LSTMStateTuple(self.num_units, output_size)
            if state_is_tuple
            else self.num_units + output_size
        )
        self.marks = ("c", "h") if state_is_tuple else ("state",)

    def weights(
        self, input_size: int, kernel: torch.Tensor, bias: torch.Tensor, *more: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        kernel, bias = reorder_gates(kernel), reorder_gates(bias)
        others = {
            _LSTM_NAMES[name]: w.T if w.dim() > 1 else w
            for (name, *_), w in zip(self.declared[2:], more)
        }
        return {"W": kernel[:, :input_size], "U": kernel[:, input_size:], "b": bias, **others}


class BasicLSTMCell(LSTMLayer):
    """The LSTM with a forget gate: `ostinato.cells.lstm`.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        state_is_tuple: False to concatenate c and h to one state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `basic_lstm_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(num_units, activation, reuse, name or "basic_lstm_cell", dtype)
        self._states(num_units, state_is_tuple)
        self.equations = equations.lstm.with_constants(
            forget_bias=number(self, "forget_bias", forget_bias), activation=self.activation
        )
        self.declared = [
            ("kernel", [None, 4 * num_units], None),
            ("bias", [4 * num_units], zeros_initializer()),
        ]
        cut, join = ("Const split", "concat(axis)=state") if self.joined else ("", "")
        multiply = "Mul" if self.joined else "Mul{taken}"
        self.recipe = (
            f"Const {cut} concat(axis) MatMul{{use}} BiasAdd{{use}} Const split Const Add Sigmoid "
            f"{multiply} Sigmoid {self.activation_name} Mul Add=c {self.activation_name} Sigmoid "
            f"Mul=h {join}"
        )


class LSTMCell(LSTMLayer):
    """The LSTM with optional peepholes, clipping and projection: `ostinato.cells.lstm_full`.

    Args:
        num_units: The size of the cell state.
        use_peepholes: Whether the gates see the cell state.
        cell_clip: The bound to which the cell state is clipped; None for no clipping.
        initializer: The initializer of the weights other than the bias; None for the scope's, or
            else glorot_uniform.
        num_proj: The size of the projected output; None for no projection.
        proj_clip: The bound to which the projected output is clipped; None for no clipping.
        forget_bias: A constant added to the forget gate.
        state_is_tuple: False to concatenate c and h to one state.
        activation: tf.nn.tanh (the default), tf.nn.relu or tf.nn.sigmoid.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `lstm_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable | str | None = None,
        reuse: bool | str | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ):
        if num_unit_shards or num_proj_shards:
            raise InputError(
                "LSTMCell(num_unit_shards=..., num_proj_shards=...): sharded weights are not "
                "provided; leave both out"
            )
        super().__init__(num_units, activation, reuse, name or "lstm_cell", dtype)
        self._states(num_proj or num_units, state_is_tuple)
        constants = {
            "forget_bias": number(self, "forget_bias", forget_bias),
            "cell_clip": bound(self, "cell_clip", cell_clip),
            "activation": self.activation,
        }
        if num_proj:
            constants |= {
                "peepholes": use_peepholes,
                "projection_clip": bound(self, "proj_clip", proj_clip),
            }
        cell = (
            equations.lstm_full
            if num_proj
            else equations.lstm_peephole
            if use_peepholes
            else equations.lstm
        )
        self.equations = cell.with_constants(**constants)

        self.declared = [
            ("kernel", [None, 4 * num_units], initializer),
            ("bias", [4 * num_units], zeros_initializer()),
        ]
        if use_peepholes:
            self.declared += [(f"w_{gate}_diag", [num_units], initializer) for gate in "fio"]
        if num_proj:
            self.declared += [("projection/kernel", [num_units, num_proj], initializer)]

        cut, join = (
            ("Slice(begin size) Slice(begin size)", "concat(axis)=state")
            if self.joined
            else ("", "")
        )
        peep = "{read} mul[Enter] add" if use_peepholes else ""
        clip = "clip_by_value(Minimum(y) y)"
        held = "add=c" if cell_clip is None else f"add {clip}=c"
        output = (
            "mul=h"
            if not num_proj
            else "mul MatMul{use}=h"
            if proj_clip is None
            else f"mul MatMul{{use}} {clip}=h"
        )
        self.recipe = (
            f"{cut} concat(axis) MatMul{{use}} BiasAdd{{use}} Const split(split_dim) add(y) {peep} "
            f"Sigmoid mul {peep} Sigmoid {self.activation_name} mul {held} {peep} Sigmoid "
            f"{self.activation_name} {output} {join}"
        )
