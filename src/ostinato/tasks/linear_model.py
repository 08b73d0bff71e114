"""Private: a linear model trained next to the network of a classifier, and the mean of the two."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

# Weights of the linear model that are compared, from the network alone to the linear model alone.
WEIGHTS = tuple(k / 10 for k in range(11))
# Without evidence for another weight, both models count the same. With fewer held-out rows than
# FEW_ROWS the linear model counts more: the network's weights were chosen by these few rows, and
# the penalty of a linear model by leaving out each training row.
EVEN, MORE, FEW_ROWS = 0.5, 0.6, 40
# The weight of a linear model that is preferred.
ALONE = 1.0


class LinearModel(nn.Module):
    """Interface of a model that is trained next to the network of a classifier.

    Its weights are buffers: they are saved and checked with the network's, and the optimizer does
    not change them. Their shapes depend on the arguments of the constructor only.

    Attributes:
        name: Its name in tables.
        weight: Its weight in the mean with the network, a float32 tensor of shape (): 0 for the
            network alone, 1 for this model alone.
        preferred: This model is used alone unless held-out rows are evidence for the network.
    """

    name: str
    preferred = False
    weight: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.zeros(()))

    def reset_parameters(self) -> None:
        """Forget what `fit` has learned."""
        for buffer in self.buffers(recurse=False):
            buffer.zero_()

    def fit(self, rows: Sequence, labels: np.ndarray, *, seed: int) -> float:
        """Fit the model; the same arguments give the same model.

        Args:
            rows: N rows: texts, or (T, F) float32 each.
            labels: (N,) int, from 0 to C - 1; a label may be missing. (N, C) of 0 and 1 if a row
                may have several labels.
            seed: Seed of the random numbers.

        Returns:
            The cross-entropy of rows that were not learned from, as far as the fit computes it.
        """
        raise NotImplementedError

    def forward(self, rows: Sequence) -> Tensor:
        """Log-probabilities (N, C) float64 of N rows; log-odds if a row may have several labels."""
        raise NotImplementedError


def pairs(scores: Tensor) -> Tensor:
    """Log-odds (...) as scores of "no" and "yes": (..., 2)."""
    return torch.stack([torch.zeros_like(scores), scores], -1)


def best_sharpness(
    scores: np.ndarray, labels: np.ndarray, factors: Iterable[float], *, doubt: float
) -> tuple[float, float]:
    """The factor of scores with the smallest cross-entropy, and that cross-entropy before it.

    Args:
        scores: (N, C) scores of rows that were not learned from.
        labels: (N,) int; or (N, C) of 0 and 1, and the scores are log-odds.
        factors: The factors to compare.
        doubt: The probability of another label than that of a row; without it, rows that are all
            right would make the scores infinite.

    Example:
        >>> scores, labels = np.array([[1.0, 0], [0, 1], [1, 0]]), np.array([0, 1, 1])
        >>> best_sharpness(scores, labels, [0.1, 1, 10], doubt=0.0)[1]
        1
    """
    if labels.ndim == 2:
        scores = np.stack([np.zeros_like(scores), scores], -1)
    found = []
    for factor in factors:
        logs = factor * scores
        logs = logs - np.logaddexp.reduce(logs, axis=-1, keepdims=True)
        each = np.take_along_axis(logs, labels[..., None], -1)[..., 0]
        others = (logs.sum(-1) - each) / (logs.shape[-1] - 1)
        found.append((-float(((1 - doubt) * each + doubt * others).mean()), factor))
    return min(found)


def mean_of(network: Tensor, linear: Tensor, weight: float) -> Tensor:
    """The logarithm of the weighted mean of two models' probabilities, (..., C) float64.

    Args:
        network, linear: Scores (..., C) of each.
        weight: The weight of the linear model, 0 to 1.

    Example:
        >>> even, sure = torch.zeros(1, 2), torch.tensor([[0.0, -torch.inf]])
        >>> mean_of(even, sure, 0.5).exp().tolist()
        [[0.75, 0.25]]
    """
    shares = torch.tensor([1 - weight, weight], dtype=torch.float64).log()
    logs = [scores.double().log_softmax(-1) for scores in (network, linear)]
    return torch.logaddexp(logs[0] + shares[0], logs[1] + shares[1])


def best_weight(
    network: Tensor, linear: Tensor, labels: Tensor, *, prefer_linear: bool = False
) -> float:
    """The weight of the linear model in the mean with the network.

    The weight with the smallest cross-entropy on held-out rows is uncertain if they are few. Of all
    weights whose cross-entropy is within one standard error of the smallest, plus one nat divided
    by the number of rows, the one nearest to a default is taken: 0.5, or 0.6 with few rows. The nat
    is for an error that none of the rows shows: if both models are right on each, the standard
    error is too small.

    If the linear model is preferred, it is the largest weight whose log-likelihood, summed over the
    held-out rows, is at most one nat below that of the best weight. The network's weights were
    chosen by the same rows, so the network would otherwise count too much.

    Args:
        network, linear: Scores (N, C) of held-out rows; or (N, L, 2) of each of L labels.
        labels: Their labels (N,), or (N, L) of 0 and 1.
        prefer_linear: The linear model is preferred.

    Source: The rule of one standard error: Breiman, Friedman, Olshen and Stone, Classification and
        Regression Trees (1984), section 3.4.3, here for paired differences. Intervals of
        log-likelihood: Edwards, Likelihood (1972).

    Example:
        >>> scores, labels = torch.tensor([[2.0, 0], [0, 2]] * 50), torch.tensor([0, 1] * 50)
        >>> best_weight(scores, -scores, labels), best_weight(-scores, scores, labels)
        (0.0, 1.0)
        >>> best_weight(scores, scores, labels)
        0.5
        >>> best_weight(scores, scores, labels, prefer_linear=True)
        1.0
    """
    nats = torch.stack(
        [
            -mean_of(network, linear, w).gather(-1, labels[..., None]).flatten(1).sum(1)
            for w in WEIGHTS
        ]
    )
    best = nats[nats.mean(1).argmin()]
    more = nats - best
    if prefer_linear:
        default, errors = ALONE, [0.0] * len(WEIGHTS)
    else:
        default = EVEN if len(labels) >= FEW_ROWS else MORE
        errors = (more.std(1, correction=0) / len(labels) ** 0.5).tolist()
    nat = 1 / len(labels)
    means = more.mean(1).tolist()
    as_good = [w for w, mean, error in zip(WEIGHTS, means, errors) if mean <= error + nat]
    return min(as_good, key=lambda w: abs(w - default))
