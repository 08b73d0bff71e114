"""Private: the variables of TensorFlow 1's recurrent cells as weights of cells of the catalogue.

Source:
    TensorFlow 1.13.1, python/ops/rnn_cell_impl.py, contrib/rnn and contrib/cudnn_rnn: kernels are
    (input + state, gates * units), with the gates i, g, f, o of LSTM and r, z of GRU.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError

__all__ = ["BOTH", "CELLS", "Tf1Cell", "cell_in"]

# The scopes of both directions of a layer, in the name of its part.
BOTH = "{fw,bw}"


@dataclass(frozen=True)
class VariableBlock:
    """A part of a variable that is a part of a weight.

    Attributes:
        variable: The name of the variable below the scope of the cell.
        weight: The name of the weight of the cell.
        gates: The gates of the weight that it has, in the order of the variable.
        columns: "input" or "state" for those rows of a kernel; "" for a whole variable.
    """

    variable: str
    weight: str
    gates: tuple[int, ...] = (0,)
    columns: str = ""


def _kernel(
    variable: str, gates: tuple[int, ...], state: str, state_gates: tuple[int, ...]
) -> tuple[VariableBlock, VariableBlock]:
    """A kernel that multiplies the input and the state."""
    return (
        VariableBlock(variable, "W", gates, "input"),
        VariableBlock(variable, state, state_gates, "state"),
    )


LSTM_GATES = (0, 2, 1, 3)
_LSTM = (*_kernel("kernel", LSTM_GATES, "U", LSTM_GATES), VariableBlock("bias", "b", LSTM_GATES))
_PEEPHOLES = tuple(VariableBlock(f"w_{gate}_diag", f"p_{gate}") for gate in "ifo")
_PROJECTION = (VariableBlock("projection/kernel", "R"),)


def _gru(kernels: tuple[str, str], biases: tuple[str, str]) -> tuple[VariableBlock, ...]:
    """The blocks of a GRU with variables of these names, of the gates and of the candidate."""
    return (
        *_kernel(kernels[0], (0, 1), "U_rz", (0, 1)),
        *_kernel(kernels[1], (2,), "U_n", (0,)),
        VariableBlock(biases[0], "b", (0, 1)),
        VariableBlock(biases[1], "b", (2,)),
    )


@dataclass(frozen=True)
class Tf1Cell:
    """A cell of TensorFlow 1.

    Attributes:
        name: The name of its class.
        scope: The scope that it makes.
        cell: The name of the cell in the catalogue.
        blocks: The parts of its variables.
        constants: Constants of the cell that it always has.
        forget_bias: Its default forget bias; None if it has none.
    """

    name: str
    scope: str
    cell: str
    blocks: tuple[VariableBlock, ...]
    constants: Mapping[str, float | bool] = field(default_factory=dict)
    forget_bias: float | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of its variables, in order."""
        return tuple(dict.fromkeys(block.variable for block in self.blocks))

    @property
    def bias(self) -> str:
        """The name of the variable whose length tells the number of units."""
        return next(b.variable for b in self.blocks if b.weight == "b")

    def sizes(self, shapes: Mapping[str, tuple[int, ...]], scope: str) -> tuple[int, int, int]:
        """The sizes of the input, of the units and of the output.

        Raises:
            InputError: The shapes do not fit each other.
        """
        first = next(b for b in self.blocks if b.variable == self.bias)
        kernel = shapes[self.blocks[0].variable]
        if len(shapes[self.bias]) != 1 or len(kernel) != 2:
            raise _unlike(scope, self, shapes)
        units = shapes[self.bias][0] // len(first.gates)
        output = units
        if "projection/kernel" in self.variables:
            output = shapes["projection/kernel"][-1] if shapes["projection/kernel"] else 0
        inputs = kernel[0] - output
        if min(inputs, units, output) < 1 or dict(shapes) != self._shapes(inputs, units, output):
            raise _unlike(scope, self, shapes)
        return inputs, units, output

    def _shapes(self, inputs: int, units: int, output: int) -> dict[str, tuple[int, ...]]:
        """The shapes of all variables."""
        found: dict[str, tuple[int, ...]] = {}
        for block in self.blocks:
            columns = len(block.gates) * units
            if block.weight == "R":
                found[block.variable] = (units, output)
            elif block.weight[0] == "p" or block.weight in "bd":
                found[block.variable] = (columns,)
            else:
                rows = {"input": inputs, "state": output}
                own = [b.columns for b in self.blocks if b.variable == block.variable]
                found[block.variable] = (sum(rows[c] for c in own), columns)
        return found

    def to_cell(self, variables: Mapping[str, np.ndarray], inputs: int) -> dict[str, np.ndarray]:
        """The cell's weights from the variables.

        Args:
            variables: The variables by name.
            inputs: The size of the input.
        """
        parts: dict[str, dict[int, np.ndarray]] = {}
        for block in self.blocks:
            array = np.asarray(variables[block.variable]).T
            if block.columns:
                own = [b.columns for b in self.blocks if b.variable == block.variable]
                if len(own) == 2:
                    array = array[:, :inputs] if block.columns == "input" else array[:, inputs:]
            for gate, part in zip(block.gates, np.split(array, len(block.gates))):
                parts.setdefault(block.weight, {})[gate] = part
        if "d" in parts:  # a bias of the state that only the last gate has
            parts["d"] |= {gate: np.zeros_like(parts["d"][2]) for gate in (0, 1)}
        return {
            weight: np.concatenate([own[gate] for gate in sorted(own)])
            for weight, own in parts.items()
        }

    def from_cell(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The variables from the cell's weights: the inverse of `to_cell`."""
        own = dict(weights)
        if "d" in own:
            shared = 2 * len(own["d"]) // 3
            own["b"] = own["b"] + np.concatenate([own["d"][:shared], 0 * own["d"][shared:]])
        counts = {
            weight: sum(len(b.gates) for b in self.blocks if b.weight == weight) for weight in own
        } | {"d": 3}
        found: dict[str, list[np.ndarray]] = {}
        for block in self.blocks:
            parts = np.split(own[block.weight], counts[block.weight])
            rows = np.concatenate([parts[gate] for gate in block.gates])
            found.setdefault(block.variable, []).append(rows)
        return {name: np.concatenate(parts, axis=-1).T for name, parts in found.items()}


def _unlike(scope: str, cell: Tf1Cell, shapes: Mapping[str, tuple[int, ...]]) -> InputError:
    sizes = ", ".join(f"{name} {list(shape)[:9]}" for name, shape in shapes.items())
    return InputError(
        f"the variables of {scope[:80]!r} have the shapes {sizes}, which no {cell.name} has"
    )


_FULL = (*_LSTM, *_PEEPHOLES, *_PROJECTION)
_NO_PEEPHOLES = {"peepholes": False}
# The first cell whose variables are all there is taken; those with more variables come first.
CELLS = [
    Tf1Cell("LSTMCell", "lstm_cell", "lstm_full", _FULL, forget_bias=1.0),
    Tf1Cell("LSTMCell", "lstm_cell", "lstm_full", (*_LSTM, *_PROJECTION), _NO_PEEPHOLES, 1.0),
    Tf1Cell("LSTMCell", "lstm_cell", "lstm_peephole", (*_LSTM, *_PEEPHOLES), forget_bias=1.0),
    Tf1Cell("LSTMCell", "lstm_cell", "lstm", _LSTM, forget_bias=1.0),
    Tf1Cell(
        "GRUCell",
        "gru_cell",
        "gru_original",
        _gru(("gates/kernel", "candidate/kernel"), ("gates/bias", "candidate/bias")),
    ),
    Tf1Cell("GRUBlockCell", "gru_cell", "gru_original", _gru(("w_ru", "w_c"), ("b_ru", "b_c"))),
    Tf1Cell(
        "CudnnCompatibleGRUCell",
        "cudnn_compatible_gru_cell",
        "gru",
        (
            *_kernel("gates/kernel", (0, 1), "U", (0, 1)),
            VariableBlock("candidate/input_projection/kernel", "W", (2,), "input"),
            VariableBlock("candidate/hidden_projection/kernel", "U", (2,), "state"),
            VariableBlock("gates/bias", "b", (0, 1)),
            VariableBlock("candidate/input_projection/bias", "b", (2,)),
            VariableBlock("candidate/hidden_projection/bias", "d", (2,)),
        ),
    ),
    Tf1Cell(
        "BasicRNNCell",
        "basic_rnn_cell",
        "elman",
        (*_kernel("kernel", (0,), "U", (0,)), VariableBlock("bias", "b")),
    ),
]  # fmt: skip
# Scopes in which a kernel and a bias are those of a cell and not of a dense layer.
SCOPES = {
    "lstm": re.compile(r"((basic_|cudnn_compatible_)?lstm_cell|lstm_fused_cell)(_\d+)?"),
    "elman": re.compile(r"(basic_rnn_cell|rnn_cell)(_\d+)?"),
}  # fmt: skip


def cell_in(scope: str, names: set[str], given: str | None = None) -> Tf1Cell | None:
    """The cell whose variables are in a scope; None if there is none.

    Args:
        scope: The scope.
        names: The names of the variables in it, below the scope.
        given: The class of the cells, for a scope whose name does not say it.
    """
    last = scope.rsplit("/", 1)[-1]
    for cell in CELLS:
        if not set(cell.variables) <= names:
            continue
        kind = "lstm" if cell.cell.startswith("lstm") else cell.cell
        if given is not None:
            aliases = {cell.name} | (
                {"BasicLSTMCell", "LSTMBlockCell"} if kind == "lstm" else set()
            )
            if given in aliases:
                return cell
        elif kind not in SCOPES or SCOPES[kind].fullmatch(last):
            return cell
    return None
