"""Private: the cells of tf.contrib.grid_rnn, with a cell for each dimension. The cell in depth
takes the input and returns the output.
"""

import re
from typing import Any

import torch

from .. import cells as equations
from ..errors import InputError
from ..language.tracing import Cell, cell, weight
from .cells import (
    BasicLSTMCell,
    BasicRNNCell,
    GRUCell,
    Layer,
    LSTMCell,
    PlainLayer,
    refuse,
)
from .contrib_lstm import scope
from .steps import number

__all__ = [
    "Grid1BasicLSTMCell",
    "Grid1BasicRNNCell",
    "Grid1LSTMCell",
    "Grid2BasicLSTMCell",
    "Grid2BasicRNNCell",
    "Grid2GRUCell",
    "Grid2LSTMCell",
    "Grid3LSTMCell",
]


class _Grid(PlainLayer):
    counted, shares_name = False, True
    # TensorFlow opens the scope of this cell only once.
    trace = Layer.trace

    # `inner` is the cell of each dimension, and `cell` has the equations of all dimensions;
    # dimension 0 is depth.
    def __init__(
        self,
        inner: Layer,
        cell: Cell,
        output_is_tuple: bool,
        state_is_tuple: bool,
        tied: bool = False,
        non_recurrent_fn: object = None,
    ):
        name, parts = type(self).__name__, len(inner.order)
        refuse(name, non_recurrent_fn=non_recurrent_fn)
        if not state_is_tuple and parts == 1:
            raise InputError(
                f"{name}(state_is_tuple=False) is not provided by ostinato.tf1, because TensorFlow "
                f"fails: leave state_is_tuple out"
            )
        super().__init__(inner.num_units, None, None, name)
        self.inner, self.equations, self.dimensions, self.tied = (
            inner,
            cell,
            len(cell.states) // parts,
            tied,
        )
        self.joined, units = not state_is_tuple, self.num_units
        self.output_size = (units,) if output_is_tuple else units
        self.order = tuple(d * parts + i for d in range(self.dimensions) for i in inner.order)
        self.state_size = sum(self.parts) if self.joined else (inner.state_size,) * self.dimensions
        marks = tuple(f"{mark}{d or ''}" for d in range(self.dimensions) for mark in inner.marks)
        self.marks = ("state",) if self.joined else marks
        # TensorFlow concatenates the inputs of a dimension's cell; a single dimension has none.
        join = ("zeros", "concat(concat_dim)", "concat(axis)")[self.dimensions - 1]
        cut = " ".join(["Slice(begin size)"] * len(self.order)) if self.joined else ""
        along = " ".join(self._recipe(d) for d in self._turns[:-1])
        project = " ".join(f"${name} MatMul{{use}}" for name in self._projections)
        self.recipe = (
            f"{cut} Const split(split_dim) {project} {join} {along} "
            f"{join if along else ''} {self._recipe(0)}"
        )
        self.recipe += ("" if output_is_tuple else " concat(concat_dim)") + (
            " concat(axis)=state" if self.joined else ""
        )

    @property
    def parts(self) -> list[int]:
        return [self.num_units] * len(self.order)

    @property
    def _turns(self) -> tuple[int, ...]:
        """The dimensions in the order in which they run."""
        return *range(1, self.dimensions), 0

    @property
    def _projections(self) -> list[str]:
        return ["project_m_0", "project_c_0"][: len(self.inner.order)]

    def _within(self, d: int) -> str:
        return "recurrent" if self.tied else f"recurrent/cell_{d}"

    def _recipe(self, d: int) -> str:
        variables = " ".join(
            f"${self._within(d)}/{self.inner.base_name}/{name}" for name, *_ in self.inner.declared
        )
        inside = re.sub("=(.)", rf"=\g<1>{d or ''}", self.inner.recipe)
        if self.tied and d != self._turns[0]:
            # The first dimension creates the weights and takes them into the loop.
            variables, inside = "", inside.replace("{use}", "{again}").replace("[Enter]", "")
        return scope(self._within(d), scope(self.inner.base_name, f"{variables} {inside}"))

    def declare(self, input_size: int) -> dict[str, tuple]:
        rows = self.dimensions * self.num_units
        projections = {name: ([input_size, self.num_units], None) for name in self._projections}
        return projections | {
            f"{self._within(d)}/{self.inner.base_name}/{name}": (
                [n or rows for n in shape],
                initializer,
            )
            for d in self._turns
            for name, shape, initializer in self.inner.declared
        }

    def weights(self, input_size: int, *given: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights of the equations, from the values of the variables."""
        count, each = len(self._projections), len(self.inner.declared)
        names = ("V",) if count == 1 else ("V_h", "V_c")
        weights = {name: kernel.T for name, kernel in zip(names, given[:count])}
        for turn, d in enumerate(self._turns):
            start = count if self.tied else count + turn * each
            weights |= {
                f"{name}_{d}": w for name, w in self.of_one(*given[start : start + each]).items()
            }
        return weights

    def of_one(self, *given: Any) -> dict[str, torch.Tensor]:
        """The weights of the equations of one dimension."""
        made = self.inner.weights(0, *given)
        peepholes = [made[f"p_{gate}"] for gate in "ifo" if f"p_{gate}" in made]
        return {"U": made["U"], "b": made["b"]} | ({"p": torch.cat(peepholes)} if peepholes else {})


class Grid1BasicRNNCell(_Grid):
    """Simple network in depth only: `ostinato.cells.grid1_rnn`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        state_is_tuple: True; TensorFlow fails with False.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, state_is_tuple: bool = True, output_is_tuple: bool = True):
        super().__init__(
            BasicRNNCell(num_units), equations.grid1_rnn, output_is_tuple, state_is_tuple
        )


class Grid2BasicRNNCell(_Grid):
    """Simple networks in time and depth: `ostinato.cells.grid2_rnn`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        state_is_tuple: True; TensorFlow fails with False.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            BasicRNNCell(num_units),
            equations.grid2_rnn,
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


@cell
def _grid2_gru(
    x,
    h_0,
    h_1,
    *,
    V=weight("H", "I"),
    W_0=weight("3*H", "H"),
    W_1=weight("3*H", "H"),
    U_0=weight("2*H", "H"),
    U_1=weight("2*H", "H"),
    U_n_0=weight("H", "H"),
    U_n_1=weight("H", "H"),
    b_0=weight("3*H"),
    b_1=weight("3*H"),
):
    """Grid of GRUs with two dimensions, time (1) and then depth (0). Both update the state of time.

    Source: as `ostinato.cells.grid1_rnn`; tf.contrib.grid_rnn.Grid2GRUCell.
    """
    gru = equations.gru_original.function
    h_0 = V @ x
    h_1 = gru(h_0, h_1, W=W_1, U_rz=U_1, U_n=U_n_1, b=b_1)
    return gru(h_0, h_1, W=W_0, U_rz=U_0, U_n=U_n_0, b=b_0), h_1


class Grid2GRUCell(_Grid):
    """GRUs in time and depth: `ostinato.cells.gru_original` in a grid like
    `ostinato.cells.grid2_rnn`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        state_is_tuple: True; TensorFlow fails with False.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            GRUCell(num_units), _grid2_gru, output_is_tuple, state_is_tuple, tied, non_recurrent_fn
        )

    def of_one(self, *given: Any) -> dict[str, torch.Tensor]:
        """The weights of the equations of one dimension."""
        made = self.inner.weights(self.num_units, *given)
        return {"W": made["W"], "U": made["U_rz"], "U_n": made["U_n"], "b": made["b"]}


class Grid1BasicLSTMCell(_Grid):
    """LSTM in depth only: `ostinato.cells.grid1_lstm`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            BasicLSTMCell(num_units, forget_bias=forget_bias),
            equations.grid1_lstm.with_constants(
                forget_bias=number(self, "forget_bias", forget_bias)
            ),
            output_is_tuple,
            state_is_tuple,
        )


class Grid2BasicLSTMCell(_Grid):
    """LSTMs in time and depth: `ostinato.cells.grid2_lstm`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            BasicLSTMCell(num_units, forget_bias=forget_bias),
            equations.grid2_lstm.with_constants(
                forget_bias=number(self, "forget_bias", forget_bias)
            ),
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


class Grid1LSTMCell(_Grid):
    """LSTM in depth only: `ostinato.cells.grid1_lstm`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        use_peepholes: Whether the gates see the cell state.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            LSTMCell(num_units, use_peepholes, forget_bias=forget_bias),
            equations.grid1_lstm.with_constants(
                forget_bias=number(self, "forget_bias", forget_bias), peepholes=use_peepholes
            ),
            output_is_tuple,
            state_is_tuple,
        )


class Grid2LSTMCell(_Grid):
    """LSTMs in time and depth: `ostinato.cells.grid2_lstm`.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        use_peepholes: Whether the gates see the cell state.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    cell = equations.grid2_lstm

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            LSTMCell(num_units, use_peepholes, forget_bias=forget_bias),
            self.cell.with_constants(
                forget_bias=number(self, "forget_bias", forget_bias), peepholes=use_peepholes
            ),
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


class Grid3LSTMCell(Grid2LSTMCell):
    """LSTMs in two dimensions and depth: `ostinato.cells.grid3_lstm`. Its arguments are those of
    `Grid2LSTMCell`.
    """

    cell = equations.grid3_lstm
