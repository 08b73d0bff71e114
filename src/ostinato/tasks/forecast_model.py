"""Private: the model of a forecaster: networks of a linear regression plus recurrent layers that
predict its residual, and what the other methods and the intervals need.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from .forecast_candidates import AUTOREGRESSIONS, METHODS, SMOOTHING, FittedMethods
from .forecast_selection import QUANTILES, MethodWeights
from .layer import layer_of
from .options import ForecastOptions


class _ZeroReadout(nn.Linear):
    """An output layer with zero weights at the start: the naive forecast."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class ForecastNetwork(nn.Module):
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
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset the regression to that of an untrained model."""
        self.regression.zero_()

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


class ForecastModel(nn.Module):
    """Two networks, the other methods, and their weights.

    `network` learns without the held-out part, which chooses its weights and compares it with the
    other methods. `final` is trained in the same steps on the whole series, and forecasts.

    Args:
        inputs, further, columns: As for `ForecastNetwork`.
        series: S, number of series.
        lags: Lags of the autoregressions.
        horizon: H, number of steps ahead that are compared.
        options: Sizes and rates.
    """

    def __init__(
        self,
        inputs: int,
        further: int,
        columns: int,
        *,
        series: int,
        lags: int,
        horizon: int,
        options: ForecastOptions,
    ):
        super().__init__()
        self.network = ForecastNetwork(inputs, further, columns, options)
        self.final = ForecastNetwork(inputs, further, columns, options)
        sizes = {
            "smoothing": (SMOOTHING,),
            "autoregressions": (len(AUTOREGRESSIONS), lags + 1),
            "weights": (len(METHODS), horizon),
            "scale": (horizon,),
            "errors": (QUANTILES,),
            "usual": (horizon,),
        }
        for name, size in sizes.items():
            empty = torch.empty(series, columns, *size, dtype=torch.float64)
            self.register_buffer(name, empty)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset the other methods; all weight is on the network."""
        for one in (self.smoothing, self.autoregressions, self.weights):
            one.zero_()
        self.weights[:, :, -1] = 1
        for one in (self.scale, self.errors, self.usual):
            one.fill_(1)

    @torch.no_grad()
    def keep(self, place: tuple[int, int], fitted: FittedMethods) -> None:
        """Store the fitted methods of a series and column."""
        self.smoothing[place] = torch.from_numpy(fitted.smoothing)
        self.autoregressions[place] = torch.from_numpy(np.nan_to_num(fitted.autoregressions))

    @torch.no_grad()
    def choose(self, place: tuple[int, int], selection: MethodWeights) -> None:
        """Store the weights and interval widths of a series and column."""
        for name in ("weights", "scale", "errors", "usual"):
            getattr(self, name)[place] = torch.from_numpy(getattr(selection, name))

    def fitted(self, place: tuple[int, int], season: int) -> FittedMethods:
        """The stored methods of a series and column."""
        return FittedMethods(
            season,
            self.smoothing[place].cpu().numpy(),
            self.autoregressions[place].cpu().numpy(),
        )

    def selection(self, place: tuple[int, int]) -> MethodWeights:
        """The stored weights and interval widths of a series and column."""
        return MethodWeights(
            *(
                getattr(self, name)[place].cpu().numpy()
                for name in ("weights", "scale", "errors", "usual")
            )
        )
