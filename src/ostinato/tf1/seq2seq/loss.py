"""Private: the loss of sequences (tf.contrib.seq2seq.sequence_loss)."""

from collections.abc import Callable

from ...errors import ArgumentTypeError, SizeError
from ..core.graph import name_scope
from ..core.tensors import Operand, Tensor, TensorLike
from ..ops import arrays, math, nn

__all__ = ["sequence_loss"]

_RANKS = {
    "logits": "[batch_size x sequence_length x logits]",
    "targets": "[batch_size x sequence_length]",
    "weights": "[batch_size x sequence_length]",
}


def sequence_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable | None = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross-entropy of sequences.

    Args:
        logits: Unnormalised log-probabilities, (B, T, C).
        targets: The classes, (B, T).
        weights: The weight of each step of each row, (B, T): 0 past its end.
        average_across_timesteps: Whether the loss is summed over time and divided by the weights.
        average_across_batch: Whether it is summed over the batch and divided by the weights.
        softmax_loss_function: A function of `labels` and `logits` that returns the loss of each
            step; None for the sparse softmax cross-entropy.
        name: The name scope.

    Returns:
        The loss, (); (B,) or (T,) if it is averaged across one dimension only; (B, T) if across
        none.

    Raises:
        ArgumentTypeError: An argument is not a tensor.
        SizeError: An argument has another number of dimensions.
    """
    given: dict[str, TensorLike] = {"logits": logits, "targets": targets, "weights": weights}
    for argument, value in given.items():
        if not isinstance(value, Operand):
            raise ArgumentTypeError(
                f"sequence_loss: {argument} must be a tensor, not {type(value).__name__}: write "
                f"tf.constant({argument})"
            )
        if value.shape.ndims != (3 if argument == "logits" else 2):
            raise SizeError(
                f"{argument.capitalize()} must be a {_RANKS[argument]} tensor, not of shape "
                f"{value.shape}: reshape it"
            )
    with name_scope(name, "sequence_loss"):
        classes = arrays.shape(logits)[2]
        flat = arrays.reshape(logits, [-1, classes])
        labels = arrays.reshape(targets, [-1])
        function = softmax_loss_function or nn.sparse_softmax_cross_entropy_with_logits
        loss = function(labels=labels, logits=flat)
        loss = loss * arrays.reshape(weights, [-1])
        if average_across_timesteps and average_across_batch:
            loss = math.reduce_sum(loss)
            return loss / (math.reduce_sum(weights) + 1e-12)
        rows, steps = arrays.shape(logits)[0], arrays.shape(logits)[1]
        loss = arrays.reshape(loss, [rows, steps])
        if not average_across_timesteps and not average_across_batch:
            return loss
        axis = [1] if average_across_timesteps else [0]
        loss = math.reduce_sum(loss, axis=axis)
        return loss / (math.reduce_sum(weights, axis=axis) + 1e-12)
