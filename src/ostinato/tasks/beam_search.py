"""Beam search: the likeliest sequences of a model that writes one token at a time, for many rows at
once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class Hypothesis:
    """A sequence that a search found.

    Attributes:
        tokens: What was written, without start and end.
        score: Its log-probability, end included, over `penalty` of its length.
        ended: The model ended it; without, it was cut at the greatest length.
        attention: (T, S), where the model looked for each token; None for a model without.
    """

    tokens: list[int]
    score: float
    ended: bool
    attention: Tensor | None = None


def penalty(steps: int, length_norm: float) -> float:
    """What a log-probability is divided by, so that long sequences are not held to be worse for
    being long.

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
    """The likeliest sequences of each row; one beam takes the likeliest token at each step.

    A row is done when no sequence that is still being written can come before those that have
    ended, whatever it goes on with. Of equal ones the earlier beam and the smaller token come
    first, and a row's result does not depend on the rows beside it.

    Args:
        states: Where the rows start: a tensor of B rows, a tuple of such (or of tuples), or None.
        step: `step(tokens (N,), states)` gives log-probabilities (N, V), the new states and
            attention weights (N, S) or None. N is B at the first step and then B times up to
            `beams`: row 0's beams, row 1's beams, ...
        batch: B.
        start: The token before the first; or one for each row, (B,).
        end: The token that ends a sequence; None where there is none.
        length: Tokens at most, the end among them.
        beams: K, how many sequences a row keeps.
        length_norm: 0 compares sequences by their log-probability, more favours long ones; see
            `penalty`.
        best: How many sequences of a row to give, K at most.
        dimension: Which dimension of a state's tensors is the rows: 0, or 1 for those of
            `Recurrent`, (L, B, H).

    Returns:
        For each row its sequences, the best first: `best` of them, or as many as there are.

    Raises:
        InputError: An argument out of range, or log-probabilities that are no numbers.

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
            f"best={best} of beams={beams}: a search keeps as many sequences as it has beams; "
            f"write beams={best}"
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
                "the model gives log-probabilities that are no numbers (nan); "
                "train it again with a smaller learning rate"
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
        # what has ended is written no further; at the last step all has
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
            # log-probabilities only fall: the most that can come of a sequence is what it has, over
            # the greatest length's penalty
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
    """The greatest values of each row and their places, in falling order; of equal ones the earlier
    come first.
    """
    found, places = values.topk(count, 1)
    # topk takes any of equal ones: put in order those that it took, and take anew where it had a
    # choice
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
    """The best of what had ended and what ends now: its score, its step, its beam, (B, up to
    `best`) each.
    """
    new = (scores / over).masked_fill(~ended, -torch.inf)
    beams = torch.arange(new.shape[1], device=new.device).expand_as(new)
    now = (new, torch.full_like(beams, number - 1), beams)
    before_and_now = [torch.cat(pair, 1) for pair in zip(finished, now)] if finished else now
    order = before_and_now[0].sort(dim=1, descending=True, stable=True).indices[:, :best]
    return tuple(each.gather(1, order) for each in before_and_now)


def _chosen(states, rows: Tensor, dimension: int):
    """States of these rows, in this order."""
    if states is None:
        return None
    if isinstance(states, Tensor):
        return states.index_select(dimension, rows)
    return tuple(_chosen(each, rows, dimension) for each in states)


def _traced(trail, finished, end) -> list[list[Hypothesis]]:
    """The sequences that led to what has ended, read from their last step to their first."""
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
