"""Private: the model of a written forecaster. Its source is copied to the file."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import nn

from ...tasks.forecast_series import SeriesReader, SeriesSteps, learned_values

__all__ = ["SeriesForecaster"]


def record_of(values: dict[str, Any]) -> Any:
    """Values as attributes."""
    return SimpleNamespace(**values)


class SeriesForecaster(nn.Module):
    """Continues a series: the weighted mean of a network and of statistical methods.

    Args:
        network: The networks, the other methods and their weights.
        settings: "names" of the columns, "series" with their scales and ends, "horizon", and the
            sizes of the inputs.
    """

    def __init__(self, network: nn.Module, settings: dict[str, Any]):
        super().__init__()
        self.network: Any = network
        # two names, because the methods of the task have the second one
        self.settings = self.metadata = record_of(settings)
        self.reader = SeriesReader(self.metadata)

    def predict(self, values: Any = None, steps: int | None = None, series: int = 0) -> np.ndarray:
        """The next values: (steps,), or (steps, F) for several columns.

        Args:
            values: The values of a series that follow its training part, (T,) or (T, F). Without
                it, the training series are continued, one after the other.
            steps: Number of steps; the horizon of the training by default.
            series: The number of the series that the values belong to.
        """
        numbers = [series] if values is not None else range(len(self.settings.series))
        found = [self.forecast(values, steps, number)[0] for number in numbers]
        point = np.concatenate(found)
        return point if len(self.settings.names) > 1 else point.reshape(-1)

    def forecast(
        self, values: Any = None, steps: int | None = None, series: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next values (steps, F) of one series, and the lower and upper ends of their 80 % and
        95 % intervals, (2, steps, F) each; arguments as for `predict`.
        """
        settings = self.settings
        record = record_of(settings.series[series])
        columns = len(settings.names)
        if values is None:
            y = np.array(record.start)
        else:
            given = np.asarray(values, float).reshape(-1, columns)
            every = np.concatenate([np.array(record.past), given])
            y = learned_values(every, settings.power, "the series")[-settings.kept :]
        one = SeriesSteps(record, series, y, None, np.zeros((len(y), 0)), 0)
        places = [(series, column) for column in range(columns)]
        methods = SimpleNamespace(
            network=self.network.final,
            fitted={place: self.network.fitted(place, settings.season) for place in places},
            selection={place: self.network.selection(place) for place in places},
        )
        ends = self._forecasts(methods, one, np.array([len(y)]), steps or settings.horizon)
        return ends[0][0], ends[1][:, 0], ends[2][:, 0]

    def _forecasts(self, *arguments: Any) -> Any:
        raise NotImplementedError

    def _ahead_of(self, one: SeriesSteps, steps: int) -> list:
        """The dates of the next steps, which this model does not read."""
        return []
