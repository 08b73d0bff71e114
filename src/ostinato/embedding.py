"""The embedding that tasks use."""

from torch import nn


class Embedding(nn.Embedding):
    """An embedding whose numbers are drawn with a standard deviation, those of the padding too.

    Args:
        count: Rows.
        units: Numbers of a row.
        std: The standard deviation.
        padding_idx: The row that gets no gradient.
    """

    def __init__(self, count: int, units: int, *, std: float, padding_idx: int | None = None):
        self._std = std  # nn.Embedding draws the numbers while it is made
        super().__init__(count, units, padding_idx)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.normal_(self.weight, std=self._std)
