"""Private: the results of a layer on random inputs, and comparisons with those of another tool."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import EngineError
from ..nn.recurrent import Recurrent

__all__ = [
    "BATCHES",
    "ResultComparison",
    "LayerArguments",
    "ROUNDING",
    "TOLERANCES",
    "check_calls",
    "comparable",
    "exact_copy",
    "layer_results",
    "random_calls",
    "states_of",
]

# Largest error, relative to the largest number, by dtype.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
# A cell may enlarge rounding errors: the error may be this many times the layer's own.
ROUNDING = 4
# Sizes (B, T) of the batches of a comparison.
BATCHES = ((3, 7), (1, 1))


@dataclass(frozen=True)
class ResultComparison:
    """The comparison of results with those of a model.

    Attributes:
        source: What gives the results, as an error names it.
        tolerance: Largest error, relative to the largest number and at least to 1; 0 for equal
            numbers.
        model: What gives the right results.
        outcome: What an error says at its end.
    """

    source: str
    tolerance: float
    model: str = "model"
    outcome: str = "nothing has been written"

    def check(self, name: str, found: Any, own: Any, exact: Any = None) -> None:
        """Raise an error unless a result is as near to the exact one as the model's own is.

        Args:
            name: The name of the result.
            found: The result.
            own: The result of the model.
            exact: The result of the model in float64; None if it is not known, for a comparison
                with `own`.

        Raises:
            EngineError: The error is larger than the tolerance, and than four times the rounding
                error of the model.
        """
        found, own = np.asarray(found, np.float64), np.asarray(own, np.float64)
        exact = own if exact is None else np.asarray(exact, np.float64)
        if found.shape != exact.shape:
            raise EngineError(
                f"{self.source} gives {name} the shape {found.shape}, and the {self.model} "
                f"{exact.shape}; {self.outcome}"
            )
        # infinite numbers on both sides cannot be compared: their difference is nan, an error
        with np.errstate(invalid="ignore"):
            error, rounding = (float(np.abs(one - exact).max(initial=0.0)) for one in (found, own))
        limit = self.limit(exact, rounding)
        if not error <= limit:
            raise EngineError(
                f"{self.source}'s {name} differs from the {self.model}'s by {error:.2g}, more than "
                f"{limit:.2g}; {self.outcome}"
            )

    def limit(self, exact: np.ndarray, rounding: float = 0.0) -> float:
        """The largest error that is allowed, for a rounding error of the model."""
        largest = float(np.abs(exact).max(initial=0.0))
        return max(self.tolerance * max(1.0, largest), ROUNDING * rounding)


def comparable(layer: Recurrent) -> Recurrent:
    """A copy of a layer for comparisons: on the CPU, in evaluation mode, without bfloat16."""
    layer = copy.deepcopy(layer).cpu().eval()
    layer.precision = None
    return layer


def exact_copy(layer: Recurrent) -> Recurrent:
    """A copy of a layer that computes in float64 with the reference engine."""
    layer = comparable(layer).double()
    layer.engine = "reference"
    return layer


@dataclass(frozen=True)
class LayerArguments:
    """The arguments of a call of a layer.

    Attributes:
        inputs: The inputs by name, in the layout of the layer.
        states: The initial states; None for those of the layer.
        lengths: (B,); None for rows of full length.
    """

    inputs: dict[str, Tensor]
    states: tuple[Tensor, ...] | None
    lengths: Tensor | None


def random_calls(
    layer: Recurrent, dtype: torch.dtype, *, lengths: bool = True, states: bool = True
) -> Iterator[LayerArguments]:
    """Random calls of a layer; a row of the first one has length 0.

    Args:
        layer: The layer.
        dtype: The dtype of inputs and states.
        lengths: Give lengths.
        states: Give initial states.
    """
    random = torch.Generator().manual_seed(0)
    letters = layer._letters(0)
    for batch, steps in BATCHES:
        lead = (batch, steps) if layer.batch_first else (steps, batch)
        inputs = {
            name: torch.randn(*lead, size.at(letters), generator=random, dtype=dtype)
            for name, size in layer.graph.inputs.items()
        }
        # numbers that the states of every cell may have, those that it divides by included
        shapes = [s.shape for s in layer.initial_state(batch)]
        given = tuple(torch.rand(shape, generator=random, dtype=dtype) for shape in shapes)
        counts = torch.randint(0, steps + 1, (batch,), generator=random)
        counts[0] = 0 if batch > 1 else steps
        yield LayerArguments(inputs, given if states else None, counts if lengths else None)


def layer_results(layer: Recurrent, dtype: torch.dtype, call: LayerArguments) -> list[np.ndarray]:
    """The output and the final states of a layer, computed in a dtype."""
    x = tuple(one.to(dtype) for one in call.inputs.values())
    states = None if call.states is None else tuple(one.to(dtype) for one in call.states)
    with torch.no_grad():
        output, ends = Recurrent.forward(layer, x[0] if len(x) == 1 else x, states, call.lengths)
    return [one.numpy() for one in (output, *states_of(ends))]


def check_calls(
    comparison: ResultComparison,
    layer: Recurrent,
    dtype: torch.dtype,
    names: Sequence[str],
    results: Iterable[tuple[LayerArguments, Sequence[Any]]],
) -> None:
    """Compare the results of calls with those of a layer in a dtype, and in float64.

    Args:
        comparison: The comparison.
        layer: The layer.
        dtype: The dtype of the results.
        names: The names of the output and of the final states.
        results: Each call, and the output and the final states that it gave.

    Raises:
        EngineError: The results differ.
    """
    own_layer, exact_layer = comparable(layer), exact_copy(layer)
    for call, found in results:
        own = layer_results(own_layer, dtype, call)
        exact = layer_results(exact_layer, torch.float64, call)
        for name, of_file, of_layer, right in zip(names, found, own, exact, strict=True):
            comparison.check(name, of_file, of_layer, right)


def states_of(ends: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The final states that a layer returns, as a tuple for any cell."""
    return (ends,) if isinstance(ends, Tensor) else ends
