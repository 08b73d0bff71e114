"""Private: label scores accumulated over batches, and their metrics."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from ..data.disk import StoredArray, StoredNumbers, StoredSequence
from ..training import metrics
from ..training.reliability import accuracy_interval, label_shares
from .task import Task, batches


class Scores:
    """Accumulates predictions and labels over batches in temporary files, as there may be more than
    fit in memory.

    Args:
        task: A task whose `scores` returns (N, C) for the N labelled items of a batch, and whose
            `scores_and_loss` returns the same with the result of `loss`; the last element of the
            batch is their labels (N,).

    Attributes:
        given: The predicted label of each item, as a number.
        sure: The probability of the prediction.
        labels: The true label; -1 if it did not occur in training or is not known.
        confusion: Confusion matrix (C, C): rows are true labels, columns are predictions.
    """

    def __init__(self, task: Task):
        self.task, self.confusion, self.unseen = task, np.zeros((0, 0), np.int64), 0
        self.given, self.labels, self.sure, self._logs = (
            StoredNumbers(dtype) for dtype in (np.int32, np.int32, np.float64, np.float64)
        )

    @classmethod
    @torch.no_grad()
    def of(cls, task: Task, rows: StoredSequence) -> "Scores":
        """The scores of encoded rows, in order."""
        task.model.eval()
        found = cls(task)
        for batch in batches(task, rows):
            found.take(task.scores(batch), batch)
        return found

    def add(self, batch):
        """Add a batch, and return its loss."""
        scores, loss = self.task.scores_and_loss(batch)
        self.take(scores, batch)
        return loss

    def take(self, scores: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> None:
        """Add a batch with the result of the task's `scores`."""
        self.count(scores.double().cpu(), batch[-1].cpu())

    def count(
        self, scores: torch.Tensor, labels: torch.Tensor, given: torch.Tensor | None = None
    ) -> None:
        """Add items.

        Args:
            scores: (N, C) float64.
            labels: True labels (N,), or -1.
            given: Predicted labels (N,); by default those with the best scores.
        """
        given = scores.argmax(1) if given is None else given
        seen = labels >= 0
        metrics.check_scores(scores[seen], before=len(self._logs))
        logs = torch.log_softmax(scores, 1)
        counts = metrics.confusion(given[seen], labels[seen], scores.shape[1])
        self.confusion = counts if not len(self.given) else self.confusion + counts
        self.unseen += int((~seen).sum())
        self._logs.extend(logs[seen, labels[seen]].numpy())
        self.given.extend(given.numpy())
        self.labels.extend(labels.numpy())
        self.sure.extend(logs.gather(1, given[:, None])[:, 0].exp().numpy())

    def result(self) -> dict[str, float | None]:
        """Accuracy, macro F1 and cross-entropy. Items with a label that did not occur in
        training (-1) count as errors, and their number is reported.
        """
        found = metrics.classified(self.confusion, self._logs[:])
        if not self.unseen:
            return found
        right = (found["accuracy"] or 0.0) * len(self._logs)
        return found | {"accuracy": right / len(self.labels), "labels_unseen": self.unseen}

    def report_parts(self, lengths: Sequence[int] | None = None) -> dict:
        """Calibration and the interval of the accuracy, for a report.

        Args:
            lengths: The number of items in each row; None for rows of one item.
        """
        right = self.given[:] == self.labels[:]
        sizes = np.ones(len(right), np.int64) if lengths is None else np.asarray(lengths, np.int64)
        rows = np.repeat(np.arange(len(sizes)), sizes)
        hits = np.bincount(rows, right, len(sizes))
        return {
            "calibration": (self.sure[:], right),
            "intervals": {"accuracy": accuracy_interval(hits, sizes)},
        }


class SetScores:
    """As `Scores`, for rows with any number of labels.

    Args:
        task: A classifier whose labels are `LabelSets`.

    Attributes:
        probabilities: The probability of each label, (N, C).
        wanted: 1 for each true label of a row, and the number of those that did not occur in
            training, (N, C + 1).
    """

    def __init__(self, task: Task):
        self.task, labels = task, len(task.metadata.labels)
        self.probabilities = StoredArray(np.float64, (labels,))
        self.wanted = StoredArray(np.int32, (labels + 1,))
        self.counts, self.unseen, self.nats = np.zeros((labels + 1, 3), np.int64), 0, 0.0

    def add(self, batch):
        """Add a batch, and return its loss."""
        scores, loss = self.task.scores_and_loss(batch)
        self.count(scores.double().cpu(), batch[-1].cpu())
        return loss

    def count(self, scores: torch.Tensor, wanted: torch.Tensor) -> None:
        """Add rows.

        Args:
            scores: Log-odds (N, C) float64.
            wanted: (N, C + 1), as `wanted`.
        """
        metrics.check_scores(scores, before=len(self.probabilities))
        known, probabilities = wanted[:, :-1].double(), torch.sigmoid(scores)
        given = self.task.labelling.chosen(probabilities.numpy())
        counts = metrics.set_counts(given, known.numpy())
        counts[-1, 0] = int(_all_right(given, wanted.numpy()).sum())
        self.counts += counts
        self.unseen += int(wanted[:, -1].sum())
        self.nats += float(F.binary_cross_entropy_with_logits(scores, known, reduction="sum"))
        self.probabilities.extend(probabilities.numpy())
        self.wanted.extend(wanted.numpy().astype(np.int32))

    def result(self) -> dict[str, float | None]:
        """Micro and macro F1, exact match, and the mean cross-entropy of a label. Labels that did
        not occur in training count as missed, and their number is reported.
        """
        found = metrics.label_sets(self.counts, self.unseen)
        count = len(self.probabilities) * (len(self.counts) - 1)
        found |= {"nats": self.nats / count if count else None}
        return found | ({"labels_unseen": self.unseen} if self.unseen else {})

    @property
    def given(self) -> np.ndarray:
        """The predicted labels, (N, C) bool."""
        return self.task.labelling.chosen(self.probabilities[:])

    @property
    def right(self) -> np.ndarray:
        """Whether all labels of each row are right, (N,)."""
        return _all_right(self.given, self.wanted[:])

    def report_parts(self) -> dict:
        """Calibration, the interval of the exact match and the shares of each label, for a
        report.
        """
        probabilities, wanted = self.probabilities[:], self.wanted[:]
        given = self.task.labelling.chosen(probabilities)
        right = _all_right(given, wanted)
        shares = [label_shares(*counts) for counts in self.counts[:-1].tolist()]
        return {
            "per_label": (self.task.metadata.labels, shares),
            # the probability of each decision, "yes" or "no"
            "calibration": (
                np.where(given, probabilities, 1 - probabilities).reshape(-1),
                (given == wanted[:, :-1].astype(bool)).reshape(-1),
            ),
            "intervals": {"exact_match": accuracy_interval(right.tolist(), [1] * len(right))},
        }


def _all_right(given: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Whether all labels of each row are right, (N,): not of a row with a label that did not occur
    in training.
    """
    return (given == wanted[:, :-1].astype(bool)).all(1) & (wanted[:, -1] == 0)
