"""The model of a forecaster, a linear regression and layers beside it, and what can be chosen for
it.
"""

from collections.abc import Iterable

import torch
from torch import nn

from .layer import layer_of
from .options import ForecastOptions

# How many quantiles of the held-out errors a model keeps.
QUANTILES = 200


class _ZeroReadout(nn.Linear):
    """A readout that starts at 0: the naive forecast."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class ForecastModel(nn.Module):
    """A linear regression and layers beside it, at every step the next change of each column: its
    median and the logarithm of its scale.

    The median is the sum of both; the regression is not trained. Source: Lai et al. 2018, "Modeling
    long- and short-term temporal patterns with deep neural networks", section 3.6, where the two
    are trained together.

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
        self.readout = _ZeroReadout(units, 2 * columns)
        # Quantiles of the held-out errors over the scale; those of a Laplace distribution until
        # there are any.
        self.register_buffer("errors", torch.empty(QUANTILES, columns))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the regression and the errors to those of a model that has not been trained;
        parameters are those of the parts.
        """
        self.regression.zero_()
        self.errors.copy_(-torch.log1p(-_places(QUANTILES))[:, None].expand_as(self.errors))

    def forward(self, x: torch.Tensor, state=None):
        """Medians and scales (B, T, F) from x (B, T, I and further), in steps of the usual size;
        and the state.
        """
        median, scale, state = self.residual(x[..., : self.inputs], state)
        return (
            median + nn.functional.linear(x, self.regression[:, :-1], self.regression[:, -1]),
            scale,
            state,
        )

    def residual(self, x: torch.Tensor, state=None):
        """What the layers add to the medians of the regression, and scales, (B, T, F) from x (B, T,
        I); and the state.
        """
        output, state = self.recurrent(x, state)
        median, log_scale = self.readout(self.dropout(output)).double().chunk(2, -1)
        return median, log_scale.clamp(-7, 7).exp(), state

    def regress(self, pairs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Take the regression from changes (N, F) that followed on inputs (N, I and further), some
        after others, by least squares.

        Source: Hoerl and Kennard 1970, "Ridge regression", equation 2.1, with k = 1: inputs are of
            the size of 1.
        """
        columns, units = self.regression.shape
        left, right = (
            torch.eye(units, dtype=torch.float64),
            torch.zeros(units, columns, dtype=torch.float64),
        )
        for x, change in pairs:
            x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
            left += x.T @ x
            right += x.T @ change.double()
        self.regression.copy_(torch.linalg.solve(left, right).T)

    def calibrate(self, errors: torch.Tensor) -> None:
        """Take the size of intervals from errors over scale, (N, F), of what was not learned from.

        Source: split conformal prediction, Lei et al. 2018, "Distribution-free predictive inference
            for regression", algorithm 2.
        """
        count = len(errors)
        # one of N + 1 values is beyond the N errors; past the greatest of them none is known
        places = (torch.ceil(_places(QUANTILES) * (count + 1)).long() - 1).clamp(0, count - 1)
        self.errors.copy_(errors.sort(0).values[places.to(errors.device)])

    def width(self, level: float) -> torch.Tensor:
        """(F,) Half of the interval that has a next value with this probability, in scales."""
        return self.errors[min(QUANTILES - 1, round(level * QUANTILES - 0.5))].double()


def _places(count: int) -> torch.Tensor:
    """The middles of so many equal parts of 0 to 1."""
    return (torch.arange(count) + 0.5) / count
