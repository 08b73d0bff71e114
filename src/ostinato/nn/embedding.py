"""The embedding that tasks use."""

from torch import nn


class Embedding(nn.Embedding):
    """An embedding whose numbers, those of the padding too, have a standard deviation of their own.

    Attributes:
        std: The standard deviation; None for torch.nn's start.
    """

    std: float | None = None

    def reset_parameters(self) -> None:
        if self.std is None:
            super().reset_parameters()
        else:
            nn.init.normal_(self.weight, std=self.std)


def embeddings(*shapes: tuple[int, int], std: float, padding_idx: int) -> list[Embedding]:
    """Embeddings of these rows and units; all are made before the first is drawn, so a seed gives
    the numbers that it always gave.
    """
    made = [Embedding(*shape, padding_idx) for shape in shapes]
    for embedding in made:
        embedding.std = std
        embedding.reset_parameters()
    return made
