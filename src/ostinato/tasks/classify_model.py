"""Private: the networks of a classifier."""

import math

import torch
from torch import nn

from ..data.vocabulary import PAD
from ..nn.embedding import embeddings
from ..nn.lengths import within
from .layer import layer_of
from .linear_model import LinearModel, pairs
from .options import ClassifyOptions
from .spelling import SpelledWords


class ClassifyModel(nn.Module):
    """Sequence classifier: recurrent layers, then max pooling, mean pooling and the last output.

    Args:
        inputs: Vocabulary size V for texts, otherwise F numbers per step.
        labels: C.
        options: Sizes and rates.
        text: The input is text.
        letters: Number of characters, including special tokens, if words are also represented by
            their characters; otherwise 0.
    """

    def __init__(
        self, inputs: int, labels: int, options: ClassifyOptions, *, text: bool, letters: int = 0
    ):
        super().__init__()
        self.words = SpelledWords(inputs, letters, options) if letters else None
        self.embedding = (
            embeddings((inputs, options.embedding), std=0.1, padding_idx=PAD)[0]
            if text and not letters
            else None
        )
        self.dropout = nn.Dropout(options.dropout)
        self.linear: LinearModel | None = None
        units = options.embedding if text else inputs
        units = self.words.units if self.words is not None else units
        self.recurrent, units = layer_of(options, units, bidirectional=options.bidirectional)
        self.readout = nn.Linear(3 * units, labels)

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor, *spelled: torch.Tensor
    ) -> torch.Tensor:
        """Scores (B, C) of x: (B, T) token numbers or (B, T, F) numbers; rows may have length 0.

        Args:
            x: The input.
            lengths: (B,).
            spelled: The output of `spelled_batch`, if words are represented by their characters.
        """
        return self.scores(self.embedded(x, *spelled), lengths)

    def embedded(self, x: torch.Tensor, *spelled: torch.Tensor) -> torch.Tensor:
        """The input of the recurrent layers: (B, T, units)."""
        if self.words:
            return self.words.embedded(x, *spelled)
        return x if self.embedding is None else self.dropout(self.embedding(x))

    def scores(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores (B, C) from the output of `embedded`."""
        output, _ = self.recurrent(x, lengths=lengths)
        inside = within(lengths, output.shape[1])[:, :, None]
        # outputs after the end are already 0
        mean = output.sum(1) / lengths.clamp(min=1)[:, None]
        most = output.masked_fill(~inside, -torch.inf).amax(1).where(lengths[:, None] > 0, 0.0)
        # the last output of each direction; that of the reverse one is at the first step
        ahead = output.shape[2] // (2 if self.recurrent.bidirectional else 1)
        end = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, ahead)
        last = torch.cat([output[..., :ahead].gather(1, end)[:, 0], output[:, 0, ahead:]], 1)
        return self.readout(self.dropout(torch.cat([most, mean, last], 1)))


class ClassifyEnsemble(nn.Module):
    """Ensemble of models with different initial weights; averages their probabilities.

    Args:
        members: K models.
        independent: A row may have several labels; the scores are log-odds.

    Source: Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty
        Estimation using Deep Ensembles (2017), without its adversarial training.
    """

    def __init__(self, members: list[ClassifyModel], *, independent: bool = False):
        super().__init__()
        self.independent = independent
        self.members = nn.ModuleList(members)
        self.linear: LinearModel | None = None

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor, *spelled: torch.Tensor
    ) -> torch.Tensor:
        """Scores (B, C): the logarithm of the mean probability, or its log-odds; arguments as for
        `ClassifyModel`.
        """
        return self.mean([member(x, lengths, *spelled) for member in self.members])

    def mean(self, scores: list[torch.Tensor]) -> torch.Tensor:
        """The result of `forward` from the scores of each member."""
        each = torch.stack(scores)
        if self.independent:
            logs = pairs(each).log_softmax(-1).logsumexp(0)
            return logs[..., 1] - logs[..., 0]
        return each.log_softmax(2).logsumexp(0) - math.log(len(self.members))
