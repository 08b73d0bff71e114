"""Private: embeddings with a chosen standard deviation."""

from torch import nn

__all__ = ["Embedding", "embeddings"]


class Embedding(nn.Embedding):
    """An embedding with normal weights of a chosen standard deviation, padding included.

    Attributes:
        std: The standard deviation; None for the initialisation of torch.nn.
    """

    std: float | None = None

    def reset_parameters(self) -> None:
        if self.std is None:
            super().reset_parameters()
        else:
            nn.init.normal_(self.weight, std=self.std)


def embeddings(*shapes: tuple[int, int], std: float, padding_idx: int) -> list[Embedding]:
    """Several embeddings. All are created before the first is initialised, so that the weights for
    a seed do not depend on this class.

    Args:
        shapes: For each embedding, the number of entries and the embedding size.
        std: The standard deviation of the weights.
        padding_idx: The index of the padding.
    """
    modules = [Embedding(*shape, padding_idx) for shape in shapes]
    for embedding in modules:
        embedding.std = std
        embedding.reset_parameters()
    return modules
