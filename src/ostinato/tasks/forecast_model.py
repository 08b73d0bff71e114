"""The model of a forecaster, a linear regression and layers beside it, and what can be chosen for it."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError
from ..options import LEARNING, Options, option
from .layer import layer_of

SERIES = "The series"
# Changes that the regression reads at most, where the option does not say.
LAGS = 24
# Steps that can be forecast at most.
FARTHEST = 10_000
# How many quantiles of the held-out errors a model keeps.
KEPT = 200


@dataclass(frozen=True)
class ForecastOptions(Options):
    """What can be chosen for a forecaster."""

    hidden: int = option(32, "Units of each layer.", low=1, high=16384)
    dropout: float = option(0.5, "Rate of dropout, between layers and before the readout.", low=0, high=0.99)
    horizon: int = option(12, "Steps that `predict` forecasts, and that the measures named horizon look ahead.", panel=SERIES, low=1, high=FARTHEST)
    window: int | None = option(None, "Steps that are read for a forecast.", panel=SERIES, low=2, high=100_000, found="two seasons")
    season: int | None = option(None, "Steps after which the series is like itself; 1: none.", panel=SERIES, low=1, high=100_000,
                                found="by autocorrelation")
    power: float | None = option(None, "Learn this power of the values; 0: their logarithms.", panel=SERIES, low=0, high=1,
                                 found="0, 0.5 or 1, by how the series varies with its level")
    difference: bool | None = option(None, "Read the changes from step to step and not the level.", panel=SERIES, found="if the level moves away")
    lags: int | None = option(None, "Last changes that the linear regression reads; 0: no regression.", panel=SERIES, low=0, high=10_000,
                              found=f"{LAGS}, or what the series is long enough for")
    columns: str | None = option(None, "What is forecast: names, with commas between.", panel=SERIES, found="all columns of numbers")
    time: str | None = option(None, "The column that says when.", panel=SERIES, found="a first column of dates")
    batch: int = option(32, "Windows of a batch.", panel=LEARNING, low=1, high=65536)
    learning_rate: float = option(2e-3, "The highest of the schedule.", panel=LEARNING, low=1e-9, high=10)
    held_out: float = option(0.15, "Part of the series, its end, that is kept to measure on.", panel=LEARNING, low=0.001, high=0.9)

    def __post_init__(self):
        super().__post_init__()
        twice = next((name for place, name in enumerate(self.names or ()) if name in self.names[:place]), None)
        if twice is not None:
            raise InputError(f"--columns {self.columns}: {twice!r} is there twice; name each column once")

    @property
    def names(self) -> list[str] | None:
        """The columns that are named."""
        return [name.strip() for name in self.columns.split(",")] if self.columns else None


class _NoChange(nn.Linear):
    """A readout that starts at 0: the naive forecast."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class ForecastModel(nn.Module):
    """A linear regression and layers beside it, at every step the next change of each column: its median and the logarithm of its scale.

    The median is the sum of both; the regression is not trained. Source: Lai et al. 2018, "Modeling long- and short-term temporal
    patterns with deep neural networks", section 3.6, where the two are trained together.

    Args:
        inputs: I, numbers of a step that the layers read.
        further: Numbers of a step that the regression alone reads, after those.
        columns: F.
        options: Sizes and rates.
    """

    def __init__(self, inputs: int, further: int, columns: int, options: ForecastOptions):
        super().__init__()
        self.inputs = inputs
        # weights and, last, what is added; no change until `regress`
        self.register_buffer("regression", torch.empty(columns, inputs + further + 1))
        self.recurrent, units = layer_of(options, inputs)
        self.dropout = nn.Dropout(options.dropout)
        self.readout = _NoChange(units, 2 * columns)
        # Quantiles of the held-out errors over the scale; those of a Laplace distribution until there are any.
        self.register_buffer("errors", torch.empty(KEPT, columns))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the regression and the errors to those of a model that has not been trained; parameters are those of the parts."""
        self.regression.zero_()
        self.errors.copy_(-torch.log1p(-_places(KEPT))[:, None].expand_as(self.errors))

    def forward(self, x: torch.Tensor, state=None):
        """Medians and scales (B, T, F) from x (B, T, I and further), in steps of the usual size; and the state."""
        median, scale, state = self.beside(x[..., :self.inputs], state)
        return median + nn.functional.linear(x, self.regression[:, :-1], self.regression[:, -1]), scale, state

    def beside(self, x: torch.Tensor, state=None):
        """What the layers add to the medians of the regression, and scales, (B, T, F) from x (B, T, I); and the state."""
        output, state = self.recurrent(x, state)
        median, log_scale = self.readout(self.dropout(output)).double().chunk(2, -1)
        return median, log_scale.clamp(-7, 7).exp(), state

    def regress(self, pairs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Take the regression from changes (N, F) that followed on inputs (N, I and further), some after others, by least squares.

        Source: Hoerl and Kennard 1970, "Ridge regression", equation 2.1, with k = 1: inputs are of the size of 1.
        """
        columns, units = self.regression.shape
        left, right = torch.eye(units, dtype=torch.float64), torch.zeros(units, columns, dtype=torch.float64)
        for x, change in pairs:
            x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
            left += x.T @ x
            right += x.T @ change.double()
        self.regression.copy_(torch.linalg.solve(left, right).T)

    def calibrate(self, errors: torch.Tensor) -> None:
        """Take the size of intervals from errors over scale, (N, F), of what was not learned from.

        Source: split conformal prediction, Lei et al. 2018, "Distribution-free predictive inference for regression", algorithm 2.
        """
        count = len(errors)
        # one of N + 1 values is beyond the N errors; past the greatest of them none is known
        places = (torch.ceil(_places(KEPT) * (count + 1)).long() - 1).clamp(0, count - 1)
        self.errors.copy_(errors.sort(0).values[places.to(errors.device)])

    def width(self, level: float) -> torch.Tensor:
        """(F,) Half of the interval that has a next value with this probability, in scales."""
        return self.errors[min(KEPT - 1, round(level * KEPT - 0.5))].double()


def _places(count: int) -> torch.Tensor:
    """The middles of so many equal parts of 0 to 1."""
    return (torch.arange(count) + 0.5) / count
