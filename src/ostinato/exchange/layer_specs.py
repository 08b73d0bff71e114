"""Descriptions of the layers of a `LayerStack`, as config.json has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from ..cells import CELLS
from ..data.records import Range
from ..errors import CellError, InputError, near, shown
from ..language.tracing import Cell
from ..nn.recurrent import Recurrent
from .activations import UNITS, activation_name

__all__ = [
    "ActivationSpec",
    "DenseSpec",
    "EmbeddingSpec",
    "MaskingSpec",
    "RecurrentSpec",
    "Spec",
    "cell_of",
]

Units = Annotated[int, Range(1, 1 << 24)]
Value = float | bool | str | None
MERGES = ("concat", "sum", "ave", "mul")


@dataclass(frozen=True)
class EmbeddingSpec:
    """An embedding of ids, (B, T) to (B, T, units).

    Attributes:
        entries: Number of ids.
        units: Embedding size.
        mask_value: The id whose steps the recurrent layers skip; None for no mask.
    """

    entries: Units
    units: Units
    mask_value: Annotated[int, Range(0, 1 << 24)] | None = None


@dataclass(frozen=True)
class MaskingSpec:
    """A mask: the recurrent layers skip the steps whose units all have one value.

    Attributes:
        value: The value.
    """

    value: float = 0.0


@dataclass(frozen=True)
class RecurrentSpec:
    """A recurrent layer; the first fields are arguments of `Recurrent`.

    Attributes:
        cell: The name of a cell in `ostinato.cells.CELLS`.
        input_size, hidden_size, num_layers, bidirectional, batch_first, learned_state, precision:
            As in `Recurrent`.
        sizes: The units of each further letter of the cell.
        constants: The constants of the cell that are not its defaults; functions by name.
        names: The names of the parameters that add up to a weight, where they are not the cell's.
        regularisers: `dropout`, `zoneout` and the other rates of `Recurrent`.
        merge: How the outputs of two directions are put together.
        reverse: Run from the last step to the first. The output is in that order too.
        sequence: Return the output of every step; otherwise only that of the last one.
        masked: The output of a step that the mask skips: "zero", or "hold" for that of the step
            before.
    """

    cell: str
    input_size: Units
    hidden_size: Units
    num_layers: Annotated[int, Range(1, 256)] = 1
    bidirectional: bool = False
    batch_first: bool = True
    learned_state: bool = False
    precision: Literal["float32", "bfloat16"] | None = None
    sizes: dict[str, Units] = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    regularisers: dict[str, float | dict[str, float]] = field(default_factory=dict)
    merge: Literal["concat", "sum", "ave", "mul"] = "concat"
    reverse: bool = False
    sequence: bool = True
    masked: Literal["zero", "hold"] = "zero"

    @classmethod
    def of(cls, layer: Recurrent) -> "RecurrentSpec":
        """The description of a layer.

        Raises:
            InputError: Its cell is not in the catalogue, or has a function that has no name here.
        """
        return cls(
            layer.cell.name,
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            bidirectional=layer.bidirectional,
            batch_first=layer.batch_first,
            learned_state=layer.learned_state,
            precision=layer.precision,  # type: ignore[arg-type]
            sizes=dict(layer.sizes),
            constants=_constants_of(layer.cell),
            names={
                weight: list(names)
                for weight, names in layer.names.items()
                if tuple(names) != (weight,)
            },
            regularisers={
                name: dict(rate) if isinstance(rate, Mapping) else rate
                for name, rate in (layer.regularisers | {"dropout": layer.dropout}).items()
                if rate
            },
        )


@dataclass(frozen=True)
class DenseSpec:
    """A linear layer with an activation, applied to every step.

    Attributes:
        input_size, output_size: The sizes.
        bias: Whether it has a bias.
        activation: The name of its activation.
    """

    input_size: Units
    output_size: Units
    bias: bool = True
    activation: str = "linear"


@dataclass(frozen=True)
class ActivationSpec:
    """An activation alone.

    Attributes:
        activation: Its name.
    """

    activation: str


Spec: TypeAlias = EmbeddingSpec | MaskingSpec | RecurrentSpec | DenseSpec | ActivationSpec


def _constants_of(cell: Cell) -> dict[str, Value]:
    """The constants of a cell of the catalogue that are not its defaults, functions by name."""
    known = CELLS.get(cell.name)
    if known is None or known.function is not cell.function:
        raise InputError(
            f"the cell {cell.name!r} is not in the catalogue, so a directory of layers cannot name "
            f"it; use a layer with one of {', '.join(sorted(CELLS))}"
        )
    found: dict[str, Value] = {}
    for name, value in cell.constants.items():
        if value == known.constants[name]:
            continue
        named = activation_name(value) if callable(value) else value
        if callable(value) and named is None:
            raise InputError(
                f"the cell {cell.name!r} has {name}={value!r}, which has no name in files; use one "
                f"of {', '.join(UNITS)}"
            )
        found[name] = named
    return found


def cell_of(spec: RecurrentSpec) -> Cell:
    """The cell of a recurrent layer.

    Raises:
        InputError: The cell or a constant does not exist, or the constants cannot be used.
    """
    if spec.cell not in CELLS:
        raise InputError(
            f"unknown cell {spec.cell[:80]!r}{near(spec.cell[:80], CELLS)}; the cells are "
            f"{', '.join(sorted(CELLS))}"
        )
    cell, given = CELLS[spec.cell], dict(spec.constants)
    for name, value in given.items():
        if name not in cell.constants:
            raise InputError(
                f"the cell {cell.name!r} has no constant {name[:80]!r}"
                f"{near(name[:80], cell.constants)}; it has {', '.join(cell.constants) or 'none'}"
            )
        if callable(cell.constants[name]) != isinstance(value, str):
            raise InputError(
                f"the constant {name!r} of the cell {cell.name!r} is {shown(value)}; it should be "
                + ("the name of an activation" if callable(cell.constants[name]) else "a number")
            )
        if isinstance(value, str):
            if value not in UNITS:
                raise InputError(
                    f"{name}={value[:80]!r} of the cell {cell.name!r} is not an activation of one "
                    f"unit{near(value[:80], UNITS)}; these are {', '.join(UNITS)}"
                )
            given[name] = UNITS[value]  # type: ignore[assignment]
    try:
        return cell.with_constants(**given) if given else cell
    except CellError as error:
        raise InputError(f"the constants {spec.constants} cannot be used: {error}") from error
