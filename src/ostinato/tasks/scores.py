"""Scores of labels, gathered over batches, and what they come to: for tasks whose answers are
labels, of rows or of their steps.
"""

import numpy as np
import torch

from ..data.disk import Kept, StoredNumbers
from ..training import metrics
from .task import Task, batches


class Scores:
    """Gathers what scores and labels come to, over batches, in temporary files: there can be more
    of them than fit in memory.

    Args:
        task: One whose `scores` gives (N, C) for the N things of a batch that have a label; the
            batch's last part is their labels (N,).

    Attributes:
        given: The label of the highest score of each, a number.
        sure: Its probability.
        labels: The right one, -1 where it was not there in training or is not known.
        confusion: (C, C) counts: a row for each right label, a column for each given one.
    """

    def __init__(self, task: Task):
        self.task, self.confusion, self.unseen = task, np.zeros((0, 0), np.int64), 0
        self.given, self.labels, self.sure, self._logs = (
            StoredNumbers(dtype) for dtype in (np.int32, np.int32, np.float64, np.float64)
        )

    @classmethod
    @torch.no_grad()
    def of(cls, task: Task, rows: Kept) -> "Scores":
        """Those of encoded rows, one behind another."""
        task.model.eval()
        found = cls(task)
        for batch in batches(task, rows):
            found.add(batch)
        return found

    def add(self, batch):
        """Take a batch in."""
        scores, labels = self.task.scores(batch).double().cpu(), batch[-1].cpu()
        given, seen = scores.argmax(1), labels >= 0
        metrics.check_scores(scores[seen], before=len(self._logs))
        logs = torch.log_softmax(scores, 1)
        counts = metrics.confusion(given[seen], labels[seen], scores.shape[1])
        self.confusion = counts if not len(self.given) else self.confusion + counts
        self.unseen += int((~seen).sum())
        self._logs.extend(logs[seen, labels[seen]].numpy())
        self.given.extend(given.numpy())
        self.labels.extend(labels.numpy())
        self.sure.extend(torch.softmax(scores, 1).amax(1).numpy())

    def result(self) -> dict[str, float | None]:
        """Accuracy, macro F1 and nats; what has a label that was not there in training (-1) cannot
        be right, and is counted.
        """
        found = metrics.classified(self.confusion, self._logs[:])
        if not self.unseen:
            return found
        right = (found["accuracy"] or 0.0) * len(self._logs)
        return found | {"accuracy": right / len(self.labels), "labels_unseen": self.unseen}
