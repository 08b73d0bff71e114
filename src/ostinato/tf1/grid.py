"""The cells of tf.contrib.grid_rnn: a cell for each dimension, of which that of depth takes the input and gives the output."""

import re

import torch

from .. import cells as equations
from ..errors import InputError
from ..language import Cell, cell, weight
from .cells import BasicLSTMCell, BasicRNNCell, GRUCell, Layer, LSTMCell, PlainLayer, refuse
from .contrib_lstm import scope


class _Grid(PlainLayer):
    counted = False
    # TensorFlow's opens its scope once.
    trace = Layer.trace

    # `inner` is the cell that each dimension has, and `cell` the equations of all together; dimension 0 is that of depth.
    def __init__(self, inner: Layer, cell: Cell, output_is_tuple: bool, state_is_tuple: bool, **refused):
        name = type(self).__name__
        refuse(name, **refused)
        if not state_is_tuple:
            raise InputError(f"{name}(state_is_tuple=False) is not provided by ostinato.tf1: leave state_is_tuple out")
        super().__init__(inner.num_units, None, None, name)
        units, parts = self.num_units, len(inner.order)
        self.inner, self.dimensions = inner, len(cell.states) // parts
        self.equations = cell.with_constants(**{name: inner.equations.constants[name] for name in cell.constants})
        self.output_size = (units,) if output_is_tuple else units
        self.state_size = (inner.state_size,) * self.dimensions
        self.order = tuple(d * parts + i for d in range(self.dimensions) for i in inner.order)
        self.marks = tuple(f"{mark}{d or ''}" for d in range(self.dimensions) for mark in inner.marks)
        # TensorFlow joins the inputs of a dimension's cell; of one dimension there are none.
        join = ("zeros", "concat(concat_dim)", "concat(axis)")[self.dimensions - 1]
        along = " ".join(self._recipe(d) for d in range(1, self.dimensions))
        project = " ".join(f"${name} MatMul{{use}}" for name in self._projections)
        self.recipe = f"Const split(split_dim) {project} {join} {along} {join if along else ''} {self._recipe(0)}"
        self.recipe += "" if output_is_tuple else " concat(concat_dim)"

    @property
    def _projections(self) -> list[str]:
        return ["project_m_0", "project_c_0"][: len(self.inner.order)]

    def _within(self, d: int) -> str:
        return f"recurrent/cell_{d}/{self.inner.base_name}"

    def _recipe(self, d: int) -> str:
        variables = " ".join(f"${self._within(d)}/{name}" for name, *_ in self.inner.declared)
        inside = re.sub("=(.)", rf"=\g<1>{d or ''}", self.inner.recipe)
        return scope(f"recurrent/cell_{d}", scope(self.inner.base_name, f"{variables} {inside}"))

    def declare(self, input_size: int) -> dict[str, tuple]:
        rows = self.dimensions * self.num_units
        projections = {name: ([input_size, self.num_units], None) for name in self._projections}
        return projections | {
            f"{self._within(d)}/{name}": ([n or rows for n in shape], initializer)
            for d in (*range(1, self.dimensions), 0) for name, shape, initializer in self.inner.declared
        }

    def weights(self, input_size: int, *given) -> dict[str, torch.Tensor]:
        """The equations' weights."""
        count = len(self._projections)
        names = ("V",) if count == 1 else ("V_h", "V_c")
        weights = {name: kernel.T for name, kernel in zip(names, given[:count])}
        for d, kernel, bias in zip((*range(1, self.dimensions), 0), given[count::2], given[count + 1 :: 2]):
            made = self.inner.weights(0, kernel, bias)
            weights |= {f"U_{d}": made["U"], f"b_{d}": made["b"]}
        return weights


class Grid1BasicRNNCell(_Grid):
    """Depth alone, of a simple network: `ostinato.cells.grid1_rnn`.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, state_is_tuple: bool = True, output_is_tuple: bool = True):
        super().__init__(BasicRNNCell(num_units), equations.grid1_rnn, output_is_tuple, state_is_tuple)


class Grid2BasicRNNCell(_Grid):
    """Time and depth, of simple networks: `ostinato.cells.grid2_rnn`.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        tied, non_recurrent_fn: Not provided.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, tied: bool = False, non_recurrent_fn=None, state_is_tuple: bool = True,
                 output_is_tuple: bool = True):
        super().__init__(BasicRNNCell(num_units), equations.grid2_rnn, output_is_tuple, state_is_tuple, tied=tied,
                         non_recurrent_fn=non_recurrent_fn)


@cell
def _grid2_gru(x, h_0, h_1, *, V=weight("H", "I"), W_0=weight("3*H", "H"), W_1=weight("3*H", "H"), U_0=weight("2*H", "H"),
               U_1=weight("2*H", "H"), U_n_0=weight("H", "H"), U_n_1=weight("H", "H"), b_0=weight("3*H"), b_1=weight("3*H")):
    """Grid of two dimensions, time (1) and then depth (0), of GRUs; what both carry on is the state of time.

    Source: as `ostinato.cells.grid1_rnn`; tf.contrib.grid_rnn.Grid2GRUCell.
    """
    gru = equations.gru_original.function
    h_0 = V @ x
    h_1 = gru(h_0, h_1, W=W_1, U_rz=U_1, U_n=U_n_1, b=b_1)
    return gru(h_0, h_1, W=W_0, U_rz=U_0, U_n=U_n_0, b=b_0), h_1


class Grid2GRUCell(_Grid):
    """Time and depth, of GRUs: `ostinato.cells.gru_original` in a grid as `ostinato.cells.grid2_rnn` is.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        tied, non_recurrent_fn: Not provided.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, tied: bool = False, non_recurrent_fn=None, state_is_tuple: bool = True,
                 output_is_tuple: bool = True):
        super().__init__(GRUCell(num_units), _grid2_gru, output_is_tuple, state_is_tuple, tied=tied,
                         non_recurrent_fn=non_recurrent_fn)

    def weights(self, input_size: int, project, *given) -> dict[str, torch.Tensor]:
        """The equations' weights."""
        weights = {"V": project.T}
        for d, own in ((1, given[:4]), (0, given[4:])):
            made = self.inner.weights(self.num_units, *own)
            weights |= {f"W_{d}": made["W"], f"U_{d}": made["U_rz"], f"U_n_{d}": made["U_n"], f"b_{d}": made["b"]}
        return weights


class Grid1BasicLSTMCell(_Grid):
    """Depth alone, of an LSTM: `ostinato.cells.grid1_lstm`.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        forget_bias: What is added to the forget gates as they run.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, forget_bias: float = 1.0, state_is_tuple: bool = True, output_is_tuple: bool = True):
        super().__init__(BasicLSTMCell(num_units, forget_bias=forget_bias), equations.grid1_lstm, output_is_tuple,
                         state_is_tuple)


class Grid2BasicLSTMCell(_Grid):
    """Time and depth, of LSTMs: `ostinato.cells.grid2_lstm`.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        tied, non_recurrent_fn: Not provided.
        forget_bias: What is added to the forget gates as they run.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, tied: bool = False, non_recurrent_fn=None, forget_bias: float = 1.0,
                 state_is_tuple: bool = True, output_is_tuple: bool = True):
        super().__init__(BasicLSTMCell(num_units, forget_bias=forget_bias), equations.grid2_lstm, output_is_tuple,
                         state_is_tuple, tied=tied, non_recurrent_fn=non_recurrent_fn)


class Grid1LSTMCell(_Grid):
    """Depth alone, of an LSTM: `ostinato.cells.grid1_lstm`.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        use_peepholes: Not provided.
        forget_bias: What is added to the forget gates as they run.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, use_peepholes: bool = False, forget_bias: float = 1.0, state_is_tuple: bool = True,
                 output_is_tuple: bool = True):
        super().__init__(LSTMCell(num_units, forget_bias=forget_bias), equations.grid1_lstm, output_is_tuple, state_is_tuple,
                         use_peepholes=use_peepholes)


class Grid2LSTMCell(_Grid):
    """Time and depth, of LSTMs: `ostinato.cells.grid2_lstm`.

    Args:
        num_units: The size of each state, of the output and of what the input is projected to.
        tied, non_recurrent_fn: Not provided.
        use_peepholes: Not provided.
        forget_bias: What is added to the forget gates as they run.
        state_is_tuple: True; states in one are not provided.
        output_is_tuple: Whether the output is a tuple of one.
    """

    cell = equations.grid2_lstm

    def __init__(self, num_units: int, tied: bool = False, non_recurrent_fn=None, use_peepholes: bool = False,
                 forget_bias: float = 1.0, state_is_tuple: bool = True, output_is_tuple: bool = True):
        super().__init__(LSTMCell(num_units, forget_bias=forget_bias), self.cell, output_is_tuple, state_is_tuple,
                         tied=tied, non_recurrent_fn=non_recurrent_fn, use_peepholes=use_peepholes)


class Grid3LSTMCell(Grid2LSTMCell):
    """Two dimensions and depth, of LSTMs: `ostinato.cells.grid3_lstm`. What it is given is as of `Grid2LSTMCell`."""

    cell = equations.grid3_lstm
