"""Private: the interface between training and a task: batches by step number, a loss, and a
metric.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


class Problem:
    """Interface of a training problem; a task implements it.

    Attributes:
        model: The model.
        goal: The name of the validation metric that selects the best weights and stops early.
        higher_is_better: Whether higher values of the metric are better.
        unit: The unit of `rate`, for the terminal.
        rate: Mean number of units per step.
        steps_per_epoch: Number of steps per epoch.
    """

    model: torch.nn.Module
    goal: str
    higher_is_better: bool
    unit: str
    rate: float
    steps_per_epoch: float

    def batch(self, step: int, process: int = 0, processes: int = 1) -> tuple[Tensor, ...]:
        """The batch of a step, or the share of one process; depends only on the arguments."""
        raise NotImplementedError

    def loss(
        self, batch: tuple[Tensor, ...], carried
    ) -> tuple[Tensor, int | Tensor, tuple[Tensor, ...]]:
        """Summed loss, the number to divide it by, and the state to carry to the next batch (()
        without one).

        Args:
            batch: The result of `batch`.
            carried: The detached state of the previous step; None at the first.
        """
        raise NotImplementedError

    def held_out(self) -> Iterable[tuple[Tensor, ...]]:
        """The validation batches."""
        raise NotImplementedError

    def evaluator(self):
        """An object with `add(batch)` and `result() -> dict`, which has the goal; the model is in
        evaluation mode.

        `add` returns the summed loss of the batch and the number to divide it by, as for training;
        None if the result has the loss.
        """
        raise NotImplementedError

    def trained(self, loss: float) -> dict[str, float]:
        """The training entries of a line of the history, from the mean loss since the last one."""
        return {"training_loss": loss}

    def shown(self, loss: float) -> str:
        """A loss as shown in the terminal."""
        return f"loss {loss:.3f}"
