"""Scores of labels, gathered over batches, and what they come to: for tasks whose answers are labels, of rows or of their steps."""

import numpy as np
import torch

from .. import measures
from .task import Task, batches


class Scores:
    """Gathers scores and labels over batches.

    Args:
        task: One whose `scores` gives (N, C) for the N things of a batch that have a label; the batch's last part is their labels (N,).
    """

    def __init__(self, task: Task):
        # not as tensors: many small ones between the large ones of each batch leave the heap in pieces that nothing fits into
        self.task, self.count, self.scores, self.labels = task, 0, bytearray(), bytearray()

    @classmethod
    @torch.no_grad()
    def of(cls, task: Task, rows: list) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (N, C) and labels (N,), -1 where there is none, of encoded rows, one behind another."""
        task.model.eval()
        found = cls(task)
        for batch in batches(task, rows):
            found.add(batch)
        return found.stacked()

    def add(self, batch):
        """Take a batch in."""
        scores = self.task.scores(batch)
        self.count = scores.shape[1]
        self.scores += scores.float().cpu().numpy().tobytes()
        self.labels += batch[-1].cpu().numpy().tobytes()

    def stacked(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (N, C) and labels (N,)."""
        labels = torch.from_numpy(np.frombuffer(self.labels, np.int64))
        return torch.from_numpy(np.frombuffer(self.scores, np.float32)).reshape(len(labels), self.count), labels

    def result(self) -> dict[str, float | None]:
        """What `measured` gives."""
        return measured(*self.stacked())


def measured(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, float | None]:
    """Accuracy, macro F1 and nats; what has a label that was not there in training (-1) cannot be right, and is counted."""
    seen = labels >= 0
    found = measures.classification(scores[seen], labels[seen])
    if seen.all():
        return found
    right = (found["accuracy"] or 0.0) * int(seen.sum())
    return found | {"accuracy": right / len(labels), "labels_unseen": int((~seen).sum())}
