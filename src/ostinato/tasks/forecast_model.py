"""Private: the model of a forecaster: a linear regression plus recurrent layers that predict its
residual.
"""

from collections.abc import Iterable

import torch
from torch import nn

from .layer import layer_of
from .options import ForecastOptions

# Number of quantiles of the held-out errors in a model.
QUANTILES = 200


class _ZeroReadout(nn.Linear):
    """An output layer with zero weights at the start: the naive forecast."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class ForecastModel(nn.Module):
    """Predicts the median and the scale of the next change of each column, at every step.

    The median is the sum of a linear regression, which is fitted before training, and the output of
    recurrent layers.

    Args:
        inputs: I, numbers per step that the recurrent layers read.
        further: Numbers per step that only the regression reads, after those.
        columns: F.
        options: Sizes and rates.

    Source:
        Lai et al. 2018, "Modeling long- and short-term temporal patterns with deep neural
        networks", section 3.6, where both parts are trained together.
    """

    def __init__(self, inputs: int, further: int, columns: int, options: ForecastOptions):
        super().__init__()
        self.inputs = inputs
        # weights, and the bias last; zero until `regress`
        self.register_buffer("regression", torch.empty(columns, inputs + further + 1))
        self.recurrent, units = layer_of(options, inputs)
        self.dropout = nn.Dropout(options.dropout)
        self.readout = _ZeroReadout(units, 2 * columns)
        # Quantiles of the held-out errors divided by the scale; those of a Laplace distribution
        # until `calibrate`.
        self.register_buffer("errors", torch.empty(QUANTILES, columns))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset the regression and the error quantiles to those of an untrained model."""
        self.regression.zero_()
        self.errors.copy_(-torch.log1p(-_places(QUANTILES))[:, None].expand_as(self.errors))

    def forward(self, x: torch.Tensor, state=None):
        """Medians and scales (B, T, F) from x (B, T, I and more), in units of the usual change, and
        the state.
        """
        median, scale, state = self.residual(x[..., : self.inputs], state)
        return (
            median + nn.functional.linear(x, self.regression[:, :-1], self.regression[:, -1]),
            scale,
            state,
        )

    def residual(self, x: torch.Tensor, state=None):
        """Residual medians and scales (B, T, F) from x (B, T, I), and the state."""
        output, state = self.recurrent(x, state)
        median, log_scale = self.readout(self.dropout(output)).double().chunk(2, -1)
        return median, log_scale.clamp(-7, 7).exp(), state

    def regress(self, pairs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Fit the regression by least squares to batches of inputs (N, I and more) and changes (N,
        F).

        Source:
            Hoerl and Kennard 1970, "Ridge regression", equation 2.1, with k = 1; the inputs have
            size 1.
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
        """Fit the interval widths to held-out errors divided by the predicted scale, (N, F).

        Source: split conformal prediction, Lei et al. 2018, "Distribution-free predictive inference
            for regression", algorithm 2.
        """
        count = len(errors)
        # one of N + 1 values is larger than the N errors, but nothing is known beyond the largest
        places = (torch.ceil(_places(QUANTILES) * (count + 1)).long() - 1).clamp(0, count - 1)
        self.errors.copy_(errors.sort(0).values[places.to(errors.device)])

    def width(self, level: float) -> torch.Tensor:
        """Half the width of the interval with this probability, in scales: (F,)."""
        return self.errors[min(QUANTILES - 1, round(level * QUANTILES - 0.5))].double()


def _places(count: int) -> torch.Tensor:
    """The centres of `count` equal parts of 0 to 1."""
    return (torch.arange(count) + 0.5) / count
