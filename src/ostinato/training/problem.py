"""What training wants of a task: batches by their number, a loss, and a measure; and rows of
unequal lengths as batches.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


class Problem:
    """What is learned, from which batches, and what a run is measured by: a task's own; this class
    says what one has.

    Attributes:
        model: The model.
        goal: The measurement that says which weights are best and when nothing gets better.
        higher_is_better: Whether more of it is better.
        unit: What `rate` counts, for the terminal.
        rate: How many of these a step takes, on average.
        steps_per_epoch: In how many steps all is read once.
    """

    model: torch.nn.Module
    goal: str
    higher_is_better: bool
    unit: str
    rate: float
    steps_per_epoch: float

    def batch(self, step: int, process: int = 0, processes: int = 1) -> tuple[Tensor, ...]:
        """The batch of a step, or a process's part of it; it follows from the numbers alone."""
        raise NotImplementedError

    def loss(
        self, batch: tuple[Tensor, ...], carried
    ) -> tuple[Tensor, int | Tensor, tuple[Tensor, ...]]:
        """Summed loss, what it is to be divided by, and the state to carry to the next batch: ()
        where there is none.

        Args:
            batch: What `batch` gives.
            carried: What the step before returned, detached; None at the first.
        """
        raise NotImplementedError

    def held_out(self) -> Iterable[tuple[Tensor, ...]]:
        """The batches to measure on."""
        raise NotImplementedError

    def evaluator(self):
        """Something with `add(batch)`, for each of these, and then `result() -> dict` with the goal
        in it; the model is in evaluation mode.
        """
        raise NotImplementedError

    def trained(self, loss: float) -> dict[str, float]:
        """What a line of the history says of the training between two measurements, from its mean
        loss.
        """
        return {"training_loss": loss}

    def shown(self, loss: float) -> str:
        """A loss as the terminal shows it."""
        return f"loss {loss:.3f}"
