"""Private: a linear model of the outputs of random convolutional kernels, for sequences of numbers.

Every sequence is convolved with small fixed kernels at several dilations. A feature is the share of
steps at which an output exceeds a threshold. A ridge regression predicts the label from the
features.

Source:
    Dempster, Petitjean and Webb, ROCKET (2020); Dempster, Schmidt and Webb, MiniRocket (2021);
    Tan, Dempster, Bergmeir and Webb, MultiRocket (2022), for the differences. Here sequences may
    have different lengths, and the threshold is a ramp instead of a step, so that rounding does not
    change a feature.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.batching import padded
from ..nn.lengths import within
from .linear_model import LinearModel, best_sharpness
from .metadata import KernelSizes

# All kernels of 9 steps with three weights of 2 and six of -1.
WIDTH = 9
TRIPLES = list(combinations(range(WIDTH), 3))
# The sequence itself, and its differences from step to step.
VIEWS = 2
# Number of features and of dilations, at most.
FEATURES, DILATIONS = 10_000, 8
# A ridge regression of more rows is not worth its time; the network learns from all of them.
FITTED_ROWS = 10_000
# Rows and steps to choose thresholds from.
SAMPLED_ROWS, SAMPLED_STEPS = 256, 20_000
# Numbers of a convolution that are computed at a time: they should fit in the cache.
NUMBERS_AT_ONCE = 1 << 18
# Width of the ramp, relative to the interquartile range of an output; and its minimum, for inputs
# with a deviation of 1.
RAMP, LEAST_RAMP = 0.02, 2e-3
PENALTIES = np.logspace(-3, 4, 15)
SHARPNESS = np.logspace(-0.5, 2, 26)


def kernel_sizes(rows: int, steps: int, *, features: int = FEATURES) -> KernelSizes:
    """Dilations up to the length of a sequence, and the number of thresholds.

    Args:
        rows: Number of training rows.
        steps: Length of the longest sequence.
        features: Number of features of few and short sequences; many or long ones have fewer.

    Example:
        >>> kernel_sizes(50, 150)
        KernelSizes(dilations=[1, 2, 3, 5, 8, 12, 18], thresholds=9)
    """
    most = np.log2(max(1.0, (steps - 1) / (WIDTH - 1)))
    dilations = np.unique((2 ** np.linspace(0, most, DILATIONS) + 1e-9).astype(int)).tolist()
    rows = min(rows, FITTED_ROWS)
    features = min(features, max(2000, 20_000_000 // rows), 10_000_000_000 // (rows * steps + 1))
    return KernelSizes(dilations, max(1, round(features / (VIEWS * len(dilations) * len(TRIPLES)))))


class RandomKernels(LinearModel):
    """Ridge regression on features of random convolutional kernels.

    Args:
        units: F, numbers per step.
        labels: C.
        sizes: Dilations and number of thresholds.
        independent: A row may have several labels.
    """

    name = "random kernels"
    channels: Tensor
    thresholds: Tensor
    ramps: Tensor
    coefficients: Tensor
    intercept: Tensor

    def __init__(self, units: int, labels: int, sizes: KernelSizes, *, independent: bool = False):
        super().__init__()
        self.independent = independent
        self.dilations = sizes.dilations
        outputs = (VIEWS, len(sizes.dilations), len(TRIPLES))
        self.register_buffer("channels", torch.zeros(*outputs, units))
        self.register_buffer("thresholds", torch.zeros(*outputs, sizes.thresholds))
        self.register_buffer("ramps", torch.ones(outputs))
        self.register_buffer("coefficients", torch.zeros(self.thresholds.numel(), labels))
        self.register_buffer("intercept", torch.zeros(labels))

    def reset_parameters(self) -> None:
        """Forget what `fit` has learned."""
        super().reset_parameters()
        self.ramps.fill_(1)

    def fit(self, rows: Sequence, labels: np.ndarray, *, seed: int) -> float:
        random = np.random.default_rng([seed, 21])
        fitted = np.sort(random.permutation(len(rows))[:FITTED_ROWS])
        self._draw([rows[k] for k in fitted[:: -(-len(fitted) // SAMPLED_ROWS)]], random)
        coefficients, intercept, nats = ridge(
            self.features([rows[k] for k in fitted]).double().numpy(),
            labels[fitted],
            len(self.intercept),
        )
        self.coefficients = torch.from_numpy(coefficients).float()
        self.intercept = torch.from_numpy(intercept).float()
        return nats

    def forward(self, rows: Sequence) -> Tensor:
        scores = self.features(rows).double() @ self.coefficients.double() + self.intercept
        return scores if self.independent else scores.log_softmax(1)

    def features(self, rows: Sequence[np.ndarray]) -> Tensor:
        """Shares of steps, (N, features) float32; all are 0 for a row without steps."""
        longest = max((len(row) for row in rows), default=1)
        size = max(1, NUMBERS_AT_ONCE // (len(TRIPLES) * max(1, longest)))
        found = torch.zeros(len(rows), *self.thresholds.shape)
        for start in range(0, len(rows), size):
            x, lengths = padded(list(rows[start : start + size]))
            for view, dilation, output, inside in self._outputs(x, lengths):
                ramp = self.ramps[view, dilation][:, None]
                output = (output / ramp).masked_fill(~inside[:, None], -torch.inf)
                starts = self.thresholds[view, dilation] / ramp - 0.5
                part = found[start : start + size, view, dilation]
                for k in range(starts.shape[1]):
                    part[..., k] = (output - starts[:, k, None]).clamp_(0, 1).sum(2)
                part /= inside.sum(1).clamp(min=1)[:, None, None]
        return found.flatten(1)

    def _outputs(self, x: Tensor, lengths: Tensor) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """The outputs (B, kernels, T) of each view and dilation, and the mask (B, T) of its steps.

        Args:
            x: (B, T, F), 0 after the end of a row.
            lengths: (B,).
        """
        kernels = torch.full((len(TRIPLES), 1, WIDTH), -1.0)
        for kernel, places in zip(kernels, TRIPLES):
            kernel[0, list(places)] = 2.0
        for view in range(VIEWS):
            if view:
                lengths = (lengths - 1).clamp(min=0)
                x = F.pad(x[:, 1:] - x[:, :-1], (0, 0, 0, 1))
            inside = within(lengths, x.shape[1])
            x = x * inside[:, :, None]
            for number, dilation in enumerate(self.dilations):
                # from the length on, all taps but the middle one are outside
                dilation = min(dilation, x.shape[1])
                mixed = self.channels[view, number] @ x.transpose(1, 2)
                output = F.conv1d(
                    mixed,
                    kernels,
                    dilation=dilation,
                    padding=dilation * (WIDTH // 2),
                    groups=len(TRIPLES),
                )
                yield view, number, output, inside

    def _draw(self, rows: list[np.ndarray], random: np.random.Generator) -> None:
        """Draw the channels of each kernel, and choose its thresholds from its outputs on rows."""
        units = self.channels.shape[-1]
        self.channels = torch.zeros_like(self.channels)
        for channels in self.channels.flatten(0, -2):
            count = int(2 ** random.uniform(0, np.log2(min(units, WIDTH) + 1)))
            channels[torch.from_numpy(random.choice(units, min(count, units), replace=False))] = 1.0
        self.thresholds, self.ramps = (
            torch.zeros_like(self.thresholds),
            torch.full_like(self.ramps, LEAST_RAMP),
        )
        # quantiles that are evenly distributed over all kernels, as in MiniRocket
        golden = (np.sqrt(5) - 1) / 2
        quantiles = np.arange(1, self.thresholds.numel() + 1) * golden % 1
        quantiles = torch.from_numpy(quantiles.reshape(self.thresholds.shape))
        for view, dilation, output, inside in self._outputs(*padded(rows)):
            values = output.transpose(1, 2)[inside]
            if len(values) > SAMPLED_STEPS:
                values = values[torch.from_numpy(random.permutation(len(values))[:SAMPLED_STEPS])]
            if not len(values):
                continue
            values = values.sort(0).values.T
            places = (quantiles[view, dilation] * len(values[0])).long()
            self.thresholds[view, dilation] = values.gather(1, places)
            low, high = (values[:, int(q * (len(values[0]) - 1))] for q in (0.25, 0.75))
            self.ramps[view, dilation] = (RAMP * (high - low)).clamp(min=LEAST_RAMP)


def ridge(x: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Ridge regression of the labels, with probabilities.

    The penalty, and a factor that turns outputs into scores for a softmax, have the smallest
    cross-entropy over rows that are left out one by one; their outputs follow from one
    decomposition.

    Args:
        x: Features (N, P) float64; overwritten.
        labels: (N,), from 0 to C - 1; or (N, C) of 0 and 1.
        count: C.

    Returns:
        Coefficients (P, C), intercept (C,), and the cross-entropy of the rows that were left out.

    Source:
        Leaving one row out: Allen, The Relationship between Variable Selection and Data
        Augmentation and a Method for Prediction (1974).

    Example:
        >>> x = np.array([[0.0], [1], [5], [6]])
        >>> coefficients, intercept, _ = ridge(x.copy(), np.array([0, 0, 1, 1]), 2)
        >>> (x @ coefficients + intercept).argmax(1)
        array([0, 0, 1, 1])
    """
    rows = len(x)
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-2)
    x -= centre
    x /= scale
    present = labels[:, None] == np.arange(count) if labels.ndim == 1 else labels == 1
    targets = np.where(present, 1.0, -1.0)
    means = targets.mean(0)
    # x = u sqrt(squares) v'
    if x.shape[0] <= x.shape[1]:
        squares, u = np.linalg.eigh(x @ x.T)
    else:
        squares, v = np.linalg.eigh(x.T @ x)
        u = x @ v / np.sqrt(np.maximum(squares, 1e-12 * max(squares[-1], 1e-300)))
    squares = np.maximum(squares, 0)
    rotated = u.T @ targets
    # probabilities of 1 would need infinite scores
    choices = 2 if labels.ndim == 2 else count
    doubt = (choices - 1) / choices / (rows + 2)
    best = (np.inf, PENALTIES[-1], SHARPNESS[0])
    for penalty in PENALTIES:
        shrunk = squares / (squares + penalty)
        outputs = means + u @ (shrunk[:, None] * rotated)
        leverage = 1 / rows + (u**2) @ shrunk
        left_out = targets - (targets - outputs) / np.maximum(1 - leverage, 1e-9)[:, None]
        nats, sharpness = best_sharpness(left_out, labels, SHARPNESS, doubt=doubt)
        if nats < best[0]:
            best = (nats, penalty, sharpness)
    nats, penalty, sharpness = best
    coefficients = x.T @ (u @ (rotated / (squares + penalty)[:, None])) * sharpness
    coefficients /= scale[:, None]
    return coefficients, sharpness * means - centre @ coefficients, float(nats)
