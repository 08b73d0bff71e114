"""Private: losses of lists of steps (tf.contrib.legacy_seq2seq)."""

from collections.abc import Callable, Sequence

from ...errors import InputError
from ..core.graph import name_scope
from ..core.tensors import Tensor
from ..ops import arrays, math, nn

__all__ = ["sequence_loss", "sequence_loss_by_example"]


def sequence_loss_by_example(
    logits: Sequence,
    targets: Sequence,
    weights: Sequence,
    average_across_timesteps: bool = True,
    softmax_loss_function: Callable | None = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross-entropy of each row.

    Args:
        logits: Unnormalised log-probabilities, one (B, C) for each step.
        targets: The classes, one (B,) for each step.
        weights: The weights, one (B,) for each step.
        average_across_timesteps: Whether the sum over time is divided by the weights.
        softmax_loss_function: A function of `labels` and `logits` that returns the loss of each
            row; None for the sparse softmax cross-entropy.
        name: The name scope.

    Returns:
        (B,).

    Raises:
        InputError: The lists differ in length.
    """
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise InputError(
            "Lengths of logits, weights, and targets must be the same "
            f"{len(logits)}, {len(weights)}, {len(targets)}: give one of each for each step"
        )
    with name_scope(name, "sequence_loss_by_example"):
        losses = []
        for step, classes, weight in zip(logits, targets, weights):
            if softmax_loss_function is None:
                classes = arrays.reshape(classes, [-1])
                loss = nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=step)
            else:
                loss = softmax_loss_function(labels=classes, logits=step)
            losses.append(loss * weight)
        total = math.add_n(losses)
        if average_across_timesteps:
            total = total / (math.add_n(weights) + 1e-12)
        return total


def sequence_loss(
    logits: Sequence,
    targets: Sequence,
    weights: Sequence,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable | None = None,
    name: str | None = None,
) -> Tensor:
    """The sum of the weighted cross-entropy of all rows, ().

    Args:
        average_across_batch: Whether it is divided by the number of rows.
        logits, targets, weights, average_across_timesteps, softmax_loss_function, name: See
            `sequence_loss_by_example`.
    """
    with name_scope(name, "sequence_loss"):
        by_row = sequence_loss_by_example(
            logits,
            targets,
            weights,
            average_across_timesteps=average_across_timesteps,
            softmax_loss_function=softmax_loss_function,
        )
        cost = math.reduce_sum(by_row)
        if not average_across_batch:
            return cost
        return cost / math.cast(arrays.shape(targets[0])[0], cost.dtype)
