"""A linear-chain conditional random field: learned scores of tags after tags.

Shapes: B rows, T steps, C tags.
"""

import torch
from torch import Tensor, nn

from ..errors import SizeError
from .lengths import within

__all__ = ["LinearChainCRF"]

# The smallest probability of a step relative to the best, to take a logarithm of.
_LEAST = 1e-300


class LinearChainCRF(nn.Module):
    """Scores of whole sequences of tags: the sum of a score for each tag in its step (from a
    network) and a learned score for each pair of tags that follow each other.

    Sums run in float64. Steps after the end of a row do not count; a row of length 0 has one
    sequence, the empty one.

    Args:
        tags: C.
        allowed: (C + 1, C + 1) bool: whether tag j may follow tag i. Row C is the start of a
            sequence and column C its end. None allows all.

    Attributes:
        transitions: The learned scores, (C + 1, C + 1), at first 0.

    Raises:
        SizeError: `allowed` has another shape.

    Source:
        Lafferty, McCallum and Pereira, Conditional Random Fields (2001), sections 3 and 4.

    Example:
        >>> crf = LinearChainCRF(2)
        >>> scores, lengths = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]]), torch.tensor([2])
        >>> crf.best(scores, lengths).tolist()
        [[0, 1]]
        >>> crf.log_likelihood(scores, torch.tensor([[0, 1]]), lengths).exp().item() > 0.6
        True
    """

    forbidden: Tensor | None

    def __init__(self, tags: int, *, allowed: Tensor | None = None):
        super().__init__()
        self.tags = tags
        self.transitions = nn.Parameter(torch.zeros(tags + 1, tags + 1))
        if allowed is not None and allowed.shape != self.transitions.shape:
            raise SizeError(
                f"allowed has shape {tuple(allowed.shape)}; with {tags} tags give "
                f"{tuple(self.transitions.shape)}: a row for the start, a column for the end"
            )
        self.register_buffer("forbidden", None if allowed is None else ~allowed, persistent=False)

    def reset_parameters(self) -> None:
        """Set all scores to 0."""
        nn.init.zeros_(self.transitions)

    def log_likelihood(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Log-probability (B,) of a sequence of tags for each row, float64.

        Args:
            scores: The scores of the tags in each step, (B, T, C).
            tags: (B, T), 0 to C - 1; anything in that range after the end of a row.
            lengths: (B,), 0 to T.
        """
        scores, weights = scores.double(), self._weights()
        inside = within(lengths, scores.shape[1])
        start = tags.new_full((len(tags), 1), self.tags)
        before = torch.cat([start, tags], 1)
        each = scores.gather(2, tags[:, :, None])[:, :, 0] + weights[before[:, :-1], tags]
        end = weights[before.gather(1, lengths[:, None])[:, 0], self.tags]
        chosen = each.masked_fill(~inside, 0).sum(1) + end.masked_fill(lengths == 0, 0)
        return chosen - self.log_partition(scores, lengths)

    def log_partition(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Logarithm (B,) of the summed exponentials of the scores of all sequences, float64; see
        `log_likelihood`.
        """
        scores, weights = scores.double(), self._weights()
        if not scores.shape[1]:
            return scores.new_zeros(len(scores))
        follow = weights[:-1, :-1].exp()
        total = scores[:, 0] + weights[-1, :-1]
        for step in range(1, scores.shape[1]):
            # a product of matrices is many times as fast as a logsumexp over (B, C, C)
            most = total.detach().amax(1, keepdim=True)
            after = ((total - most).exp() @ follow).clamp(min=_LEAST).log() + most
            total = torch.where((step < lengths)[:, None], after + scores[:, step], total)
        return torch.logsumexp(total + weights[:-1, -1], 1).masked_fill(lengths == 0, 0)

    def marginals(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Probability (B, T, C) of each tag in each step, over all sequences, float64; 0 after the
        end of a row. See `log_likelihood`.
        """
        # the derivative of the log-partition by a score is the probability of its tag
        with torch.inference_mode(False), torch.enable_grad():
            scores = scores.detach().clone().double().requires_grad_()
            total = self.log_partition(scores, lengths.clone()).sum()
            return torch.autograd.grad(total, scores)[0] if scores.numel() else scores.detach()

    @torch.no_grad()
    def best(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The sequence of tags (B, T) with the highest score (Viterbi); 0 after the end of a row.
        See `log_likelihood`.
        """
        scores, weights = scores.double(), self._weights()
        steps = scores.shape[1]
        found = torch.zeros(scores.shape[:2], dtype=torch.long, device=scores.device)
        if not steps:
            return found
        total, pointers = scores[:, 0] + weights[-1, :-1], []
        same = torch.arange(self.tags, device=scores.device).expand(len(scores), -1)
        for step in range(1, steps):
            most, before = (total[:, :, None] + weights[:-1, :-1]).max(1)
            valid = (step < lengths)[:, None]
            total = torch.where(valid, most + scores[:, step], total)
            pointers.append(torch.where(valid, before, same))
        tag = (total + weights[:-1, -1]).argmax(1)
        found[:, -1] = tag
        for step in range(steps - 2, -1, -1):
            tag = pointers[step].gather(1, tag[:, None])[:, 0]
            found[:, step] = tag
        return found.masked_fill(~within(lengths, steps), 0)

    def _weights(self) -> Tensor:
        """The scores of tags after tags in float64, -inf where a tag may not follow."""
        weights = self.transitions.double()
        return (
            weights if self.forbidden is None else weights.masked_fill(self.forbidden, -torch.inf)
        )
