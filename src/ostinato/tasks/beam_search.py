"""Beam search over a model that writes one token at a time, for a batch of rows."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError

__all__ = ["Hypothesis", "beam_search", "penalty"]


@dataclass(frozen=True)
class Hypothesis:
    """A sequence found by beam search.

    Attributes:
        tokens: The tokens, without start and end.
        score: Log-probability, including the end token, divided by `penalty` of the length.
        ended: The model ended the sequence; otherwise it was cut at the maximum length.
        attention: Attention weights (T, S) of each token; None for a model without attention.
    """

    tokens: list[int]
    score: float
    ended: bool
    attention: Tensor | None = None


def penalty(steps: int, length_norm: float) -> float:
    """Length penalty: the divisor of a log-probability, so that long sequences can compete.

    Source: Wu et al., Google's Neural Machine Translation System (2016), equation 14.
    """
    return ((5 + steps) / 6) ** length_norm


@torch.no_grad()
def beam_search(
    states,
    step: Callable,
    *,
    batch: int,
    start: int | Tensor,
    end: int | None,
    length: int,
    beams: int = 5,
    length_norm: float = 0.6,
    best: int = 1,
    dimension: int = 0,
) -> list[list[Hypothesis]]:
    """Find the most probable sequences of each row; with one beam, greedy decoding.

    A row is done when no unfinished sequence can score better than the finished ones. Ties are
    broken by the earlier beam and the smaller token. The result of a row does not depend on the
    other rows.

    Args:
        states: Initial states: a tensor of B rows, a tuple of such tensors (or of tuples), or None.
        step: `step(tokens (N,), states)` returns log-probabilities (N, V), new states, and
            attention weights (N, S) or None. N is B at the first step, then B times up to `beams`:
            the beams of row 0, of row 1, ...
        batch: B.
        start: The start token, or one per row (B,).
        end: The end token; None if there is none.
        length: Maximum number of tokens, including the end token.
        beams: K, number of sequences kept per row.
        length_norm: 0 compares log-probabilities; larger values favour long sequences; see
            `penalty`.
        best: Number of sequences to return per row, at most K.
        dimension: The dimension of the rows in a state tensor: 0, or 1 for states of `Recurrent`,
            (L, B, H).

    Returns:
        The sequences of each row, best first: `best` of them, or as many as exist.

    Raises:
        InputError: An argument is out of range, or a log-probability is NaN.

    Example:
        >>> import torch
        >>> from ostinato.tasks.beam_search import beam_search
        >>> table = torch.tensor([[0.1, 0.5, 0.4], [0.8, 0.1, 0.1], [0.9, 0.0, 0.1]]).log()
        >>> beam_search(None, lambda tokens, _: (table[tokens], None, None), batch=1, start=0,
        ...     end=0, length=4)[0][0].tokens
        [1]
    """
    for name, given, low in (("beams", beams, 1), ("length", length, 1), ("best", best, 1)):
        if isinstance(given, bool) or not isinstance(given, int) or given < low:
            raise InputError(f"{name}={given!r}: write a whole number from {low}")
    if best > beams:
        raise InputError(
            f"best={best} of beams={beams}: a search keeps one sequence per beam; write "
            f"beams={best}"
        )
    if not 0 <= length_norm <= 10:
        raise InputError(f"length_norm={length_norm!r}: write a number from 0 to 10, such as 0.6")
    tokens = torch.full((batch,), start) if isinstance(start, int) else start
    if not batch:
        return []
    scores, trail, finished = None, [], None
    for number in range(1, length + 1):
        found, states, weights = step(tokens.flatten(), states)
        if found.isnan().any():
            raise InputError(
                "the model gives log-probabilities that are not numbers (nan); train it again with "
                "a smaller learning rate"
            )
        vocabulary = found.shape[1]
        total = found.view(batch, -1, vocabulary) + (0.0 if scores is None else scores[:, :, None])
        width = total.shape[1]
        scores, places = _greatest(total.flatten(1), min(beams, width * vocabulary))
        parents, tokens = places // vocabulary, places % vocabulary
        trail.append(
            (
                parents,
                tokens,
                None if weights is None else weights.view(batch, width, weights.shape[1]),
            )
        )
        # finished sequences are not continued; at the last step all are finished
        ended = (
            torch.ones_like(tokens, dtype=torch.bool)
            if number == length
            else tokens == end
            if end is not None
            else None
        )
        if ended is not None:
            finished = _kept(finished, scores, ended, number, penalty(number, length_norm), best)
            scores = scores.masked_fill(ended, -torch.inf)
            # log-probabilities only decrease: the best possible score of a sequence is its current
            # log-probability divided by the penalty of the maximum length
            beaten = finished[0][:, -1:] >= scores / penalty(length, length_norm)
            if number == length or (finished[0].shape[1] == best and beaten.all()):
                break
        states = _chosen(
            states,
            (parents + width * torch.arange(batch, device=parents.device)[:, None]).flatten(),
            dimension,
        )
    return _traced(trail, finished, end)


def _greatest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest values of each row and their positions, in descending order; ties by
    position.
    """
    found, places = values.topk(count, 1)
    # topk breaks ties arbitrarily: sort its result, and select again where there are ties
    places, order = places.sort(1)
    found, order = found.gather(1, order).sort(dim=1, descending=True, stable=True)
    places = places.gather(1, order)
    least = found[:, -1:]
    choice = ((values >= least).sum(1) > count) & (least[:, 0] > -torch.inf)
    if choice.any():
        again, where = values[choice].sort(dim=1, descending=True, stable=True)
        found[choice], places[choice] = again[:, :count], where[:, :count]
    return found, places


def _kept(finished, scores: Tensor, ended: Tensor, number: int, over: float, best: int):
    """The best finished sequences so far: score, step and beam, (B, up to `best`) each."""
    new = (scores / over).masked_fill(~ended, -torch.inf)
    beams = torch.arange(new.shape[1], device=new.device).expand_as(new)
    now = (new, torch.full_like(beams, number - 1), beams)
    before_and_now = [torch.cat(pair, 1) for pair in zip(finished, now)] if finished else now
    order = before_and_now[0].sort(dim=1, descending=True, stable=True).indices[:, :best]
    return tuple(each.gather(1, order) for each in before_and_now)


def _chosen(states, rows: Tensor, dimension: int):
    """Select and reorder the rows of states."""
    if states is None:
        return None
    if isinstance(states, Tensor):
        return states.index_select(dimension, rows)
    return tuple(_chosen(each, rows, dimension) for each in states)


def _traced(trail, finished, end) -> list[list[Hypothesis]]:
    """Trace the finished sequences back from their last step to their first."""
    steps = [(parents.tolist(), tokens.tolist(), weights) for parents, tokens, weights in trail]
    rows = []
    for row, of_row in enumerate(zip(*(each.tolist() for each in finished))):
        rows.append([])
        for score, last, beam in zip(*of_row):
            if score == -float("inf"):
                continue
            tokens, looks = [], []
            for parents, chosen, weights in reversed(steps[: last + 1]):
                tokens.append(chosen[row][beam])
                beam = parents[row][beam]
                looks.append(weights[row, beam] if weights is not None else None)
            tokens, looks = tokens[::-1], looks[::-1]
            ended = tokens[-1] == end
            kept = len(tokens) - ended
            attention = None if looks[0] is None else torch.stack(looks)[:kept]
            rows[-1].append(Hypothesis(tokens[:kept], score, ended, attention))
    return rows
