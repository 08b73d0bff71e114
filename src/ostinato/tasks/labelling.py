"""Private: the labels of a classifier: one for each row, or any number of independent labels."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.label_sets import flat
from ..data.values import label_numbers
from ..training import metrics
from .linear_model import best_weight, mean_of, pairs
from .metadata import ClassifyMetadata
from .options import ClassifyOptions


class OneLabel:
    """Each row has one label: probabilities of labels add up to 1.

    Args:
        metadata: The labels, and the number of rows of each.
        options: The options of the classifier.
    """

    goal = "accuracy"
    independent = False

    def __init__(self, metadata: ClassifyMetadata, options: ClassifyOptions):
        self.metadata, self.options = metadata, options
        self.names = metadata.labels

    # ------------------------------------------------------------ numbers

    def numbers(self, labels: Sequence, source: str) -> np.ndarray:
        """The number of each row's label, (N,); -1 for a label that did not occur in training."""
        known = label_numbers(self.names, labels, source)
        return np.array([known.get(label, -1) for label in labels], np.int64)

    def stored(self, labels: Sequence | None, source: str) -> Iterator[np.ndarray]:
        """The labels of each row, as int32, as they are stored before its numbers; of rows without
        labels too.
        """
        if labels is None:
            return repeat(np.array([-1], np.int32))
        return (np.array([number], np.int32) for number in self.numbers(labels, source))

    def split(self, stored: np.ndarray) -> tuple[int, np.ndarray]:
        """The label and the numbers of a stored row."""
        return int(stored[:1].view(np.int32)[0]), stored[1:]

    def target(self, labels: Iterable) -> Tensor:
        """The labels of a batch: (B,)."""
        return torch.tensor(list(labels))

    # ------------------------------------------------------------ scores

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch, summed over its rows."""
        weights = None
        if self.options.class_weights:
            counts = torch.tensor(self.metadata.counts, device=scores.device)
            weights = counts.sum() / len(counts) / counts
        smoothing = self.options.label_smoothing
        return F.cross_entropy(scores, target, weights, reduction="sum", label_smoothing=smoothing)

    def mean(self, network: Tensor, linear: Tensor, weight: float) -> Tensor:
        """The scores of the weighted mean of two models' probabilities, (N, C) float64."""
        return mean_of(network, linear, weight)

    def best_weight(
        self, network: Tensor, linear: Tensor, numbers: np.ndarray, *, prefer_linear: bool
    ) -> float:
        """The weight of the linear model; `numbers` are the labels of the held-out rows."""
        wanted = torch.from_numpy(numbers)
        return best_weight(network, linear, wanted, prefer_linear=prefer_linear)

    def value(self, scores: Tensor, numbers: np.ndarray) -> float | None:
        """The metric by which models are compared."""
        return float((scores.argmax(1).numpy() == numbers).mean())

    def value_of_given(self, given: np.ndarray, numbers: np.ndarray) -> float | None:
        """The same of predicted labels."""
        return float((given == numbers).mean())

    def probabilities(self, scores: Tensor) -> Tensor:
        """The probability of each label, (N, C) float64."""
        return torch.softmax(scores.double(), 1)

    def answer(self, probabilities: np.ndarray) -> dict:
        """The prediction for a row, from the probability of each label (C,)."""
        each = _most_probable_first(self.names, probabilities)
        return {"label": next(iter(each)), "probabilities": each}


class LabelSets(OneLabel):
    """Each row has any number of labels: the probabilities of labels are independent."""

    goal = "micro_f1"
    independent = True

    def numbers(self, labels, source):
        """(N, C) of 0 and 1: the labels of each row that occurred in training."""
        found = np.zeros((len(labels), 1 + len(self.names)), np.int64)
        for row, numbers in enumerate(self._numbers(labels, source)):
            found[row, numbers] = 1
        return found[:, :-1]

    def _numbers(self, labels: Sequence, source: str) -> Iterator[list[int]]:
        """The numbers of each row's labels; -1 for a label that did not occur in training."""
        known = label_numbers(self.names, flat(labels), source)
        return ([known.get(label, -1) for label in row] for row in labels)

    def stored(self, labels, source):
        if labels is None:
            return repeat(np.array([0], np.int32))
        return (np.array([len(row), *row], np.int32) for row in self._numbers(labels, source))

    def split(self, stored):
        end = 1 + int(stored[:1].view(np.int32)[0])
        return stored[1:end].view(np.int32), stored[end:]

    def target(self, labels):
        """(B, C + 1): 1 for each label of a row, and the number of labels that did not occur in
        training.
        """
        found = torch.zeros(len(labels := list(labels)), 1 + len(self.names))
        for row, numbers in zip(found, labels):
            for number in numbers.tolist():
                row[number] += 1
        return found

    def loss(self, scores, target):
        counts = torch.tensor(self.metadata.counts, device=scores.device, dtype=scores.dtype)
        shares = counts / self.metadata.rows
        # smoothed towards the share of the label, which keeps its mean probability
        smoothing = self.options.label_smoothing
        wanted = (1 - smoothing) * target[:, :-1].to(scores.dtype) + smoothing * shares
        weights = (1 - shares) / shares if self.options.class_weights else None
        each = F.binary_cross_entropy_with_logits(
            scores, wanted, pos_weight=weights, reduction="sum"
        )
        return each / len(self.names)

    def mean(self, network, linear, weight):
        logs = mean_of(pairs(network), pairs(linear), weight)
        return logs[..., 1] - logs[..., 0]

    def best_weight(self, network, linear, numbers, *, prefer_linear):
        wanted = torch.from_numpy(numbers)
        return best_weight(pairs(network), pairs(linear), wanted, prefer_linear=prefer_linear)

    def chosen(self, probabilities: np.ndarray) -> np.ndarray:
        """Which labels are predicted, bool, from the probability of each, of the same shape."""
        return probabilities >= self.options.threshold

    def value(self, scores, numbers):
        return self.value_of_given(self.chosen(self.probabilities(scores).numpy()), numbers)

    def value_of_given(self, given, numbers):
        return metrics.label_sets(metrics.set_counts(given, numbers))["micro_f1"]

    def probabilities(self, scores):
        return torch.sigmoid(scores.double())

    def answer(self, probabilities):
        each = _most_probable_first(self.names, probabilities)
        order = np.argsort(-probabilities, kind="stable")
        labels = [self.names[k] for k in order[self.chosen(probabilities[order])]]
        return {"labels": labels, "probabilities": each}


def labelling(metadata: ClassifyMetadata, options: ClassifyOptions) -> OneLabel:
    """How the labels of a classifier are learned and predicted."""
    return (OneLabel if metadata.rows is None else LabelSets)(metadata, options)


def _most_probable_first(names: Sequence[str], probabilities: np.ndarray) -> dict[str, float]:
    order = np.argsort(-probabilities, kind="stable")
    return {names[k]: round(float(probabilities[k]), 6) for k in order}
