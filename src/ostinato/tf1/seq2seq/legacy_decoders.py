"""Private: decoders that add every step to the graph (tf.contrib.legacy_seq2seq)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.tensors import Tensor
from ..ops import arrays, math, nn
from ..ops.convolution import conv2d
from ..rnn.linear import Linear
from ..state import scopes
from .sizes import size_at

__all__ = [
    "attention_decoder",
    "check_projection",
    "embed_largest",
    "embedding_attention_decoder",
    "embedding_rnn_decoder",
    "rnn_decoder",
]


def embed_largest(embedding: Any, output_projection: Any, update_embedding: bool) -> Callable:
    """A loop function that embeds the id of the largest output.

    Args:
        embedding: The embedding matrix.
        output_projection: The weights and biases that make logits of outputs, or None.
        update_embedding: Whether gradients go through the embedding.
    """

    def loop_function(prev: Tensor, _: int) -> Tensor:
        if output_projection is not None:
            prev = nn.xw_plus_b(prev, output_projection[0], output_projection[1])
        embedded = nn.embedding_lookup(embedding, math.argmax(prev, 1))
        return embedded if update_embedding else arrays.stop_gradient(embedded)

    return loop_function


def check_projection(output_projection: Any, num_symbols: int, dtype: Any, *shapes: Any) -> None:
    """Reject an output projection of another shape.

    Args:
        output_projection: The weights and biases, or the biases alone.
        num_symbols: The number of symbols.
        dtype: The dtype.
        shapes: The shape of each.
    """
    for value, shape in zip(output_projection, shapes):
        found = convert_to_tensor(value, dtype=dtype).shape
        if not found.is_compatible_with(shape):
            raise SizeError(
                f"output_projection has the shape {found} where {tuple(shape)} is expected: give "
                f"weights [size of the output, {num_symbols}] and biases [{num_symbols}]"
            )


def rnn_decoder(
    decoder_inputs: Iterable,
    initial_state: Any,
    cell: Any,
    loop_function: Callable | None = None,
    scope: Any = None,
) -> tuple[list[Tensor], Any]:
    """Run a cell over a list of steps.

    Args:
        decoder_inputs: One (B, I) for each step.
        initial_state: The first state of the cell.
        cell: The cell.
        loop_function: A function of the last output and of the number of the step that returns the
            input of the step; only the first of the inputs is used then. None to use them all.
        scope: The scope of the variables; None for "rnn_decoder".

    Returns:
        The outputs, one (B, output_size) for each step, and the final state.
    """
    with scopes.variable_scope(scope or "rnn_decoder"):
        state, outputs, prev = initial_state, [], None
        for i, x in enumerate(decoder_inputs):
            if loop_function is not None and prev is not None:
                with scopes.variable_scope("loop_function", reuse=True):
                    x = loop_function(prev, i)
            if i > 0:
                scopes.get_variable_scope().reuse_variables()
            output, state = cell(x, state)
            outputs.append(output)
            prev = output
    return outputs, state


def embedding_rnn_decoder(
    decoder_inputs: Sequence,
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> tuple[list[Tensor], Any]:
    """`rnn_decoder` with inputs that are embedded.

    Args:
        decoder_inputs: One (B,) of whole numbers for each step.
        initial_state: The first state of the cell.
        cell: The cell.
        num_symbols: The number of symbols.
        embedding_size: The embedding size.
        output_projection: The weights and biases that make logits of outputs, or None.
        feed_previous: Whether each input but the first is the id of the largest output before.
        update_embedding_for_previous: Whether gradients go through the embedding of such inputs.
        scope: The scope of the variables; None for "embedding_rnn_decoder".

    Returns:
        The outputs, one (B, output_size) for each step, and the final state.
    """
    with scopes.variable_scope(scope or "embedding_rnn_decoder") as entered:
        if output_projection is not None:
            shapes = [None, num_symbols], [num_symbols]
            check_projection(output_projection, num_symbols, entered.dtype, *shapes)
        embedding = scopes.get_variable("embedding", [num_symbols, embedding_size])
        loop_function = None
        if feed_previous:
            loop_function = embed_largest(
                embedding, output_projection, update_embedding_for_previous
            )
        # Each input is embedded in its step.
        embedded = (nn.embedding_lookup(embedding, ids) for ids in decoder_inputs)
        return rnn_decoder(embedded, initial_state, cell, loop_function=loop_function)


class _AttendedStates:
    """The states that an `attention_decoder` attends to.

    Args:
        states: (B, T, size).
        heads: The number of attention heads.
        dtype: The dtype of the variables.
    """

    def __init__(self, states: Tensor, heads: int, dtype: Any):
        self.size, self.steps, self.dtype = states.shape[2].value, size_at(states, 1), dtype
        self.hidden = arrays.reshape(states, [-1, self.steps, 1, self.size])
        self.features, self.vectors = [], []
        for head in range(heads):
            kernel = scopes.get_variable(f"AttnW_{head}", [1, 1, self.size, self.size], dtype=dtype)
            self.features.append(conv2d(self.hidden, kernel, [1, 1, 1, 1], "SAME"))
            self.vectors.append(scopes.get_variable(f"AttnV_{head}", [self.size], dtype=dtype))

    def read(self, query: Any) -> list[Tensor]:
        """The context of each head, (B, size).

        Args:
            query: The state of a cell.
        """
        if nest.is_sequence(query):
            query = arrays.concat(nest.flatten(query), 1)
        contexts = []
        for head, (features, vector) in enumerate(zip(self.features, self.vectors)):
            with scopes.variable_scope(f"Attention_{head}"):
                y = Linear(query, self.size, True)(query)
                y = math.cast(arrays.reshape(y, [-1, 1, 1, self.size]), self.dtype)
                scores = math.reduce_sum(vector * math.tanh(features + y), [2, 3])
                weights = nn.softmax(math.cast(scores, "float32"))
                weights = math.cast(weights, self.dtype)
                weighted = arrays.reshape(weights, [-1, self.steps, 1, 1]) * self.hidden
                context = math.reduce_sum(weighted, [1, 2])
                contexts.append(arrays.reshape(context, [-1, self.size]))
        return contexts


def attention_decoder(
    decoder_inputs: Sequence,
    initial_state: Any,
    attention_states: Tensor,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: Callable | None = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Tensor], Any]:
    """Run a cell over a list of steps, with attention (https://arxiv.org/abs/1412.7449).

    Args:
        decoder_inputs: One (B, I) for each step.
        initial_state: The first state of the cell.
        attention_states: The memory, (B, T, size).
        cell: The cell.
        output_size: The size of the outputs; None for that of the cell.
        num_heads: The number of attention heads.
        loop_function: See `rnn_decoder`.
        dtype: The dtype of the variables; None for that of the scope.
        scope: The scope of the variables; None for "attention_decoder".
        initial_state_attention: Whether the first step attends by the first state; otherwise its
            contexts are 0.

    Returns:
        The outputs, one (B, output_size) for each step, and the final state.

    Raises:
        InputError: The inputs are empty, or the number of heads is below 1.
        SizeError: The size of the memory or of an input is not known.
    """
    if not decoder_inputs:
        raise InputError("Must provide at least 1 input to attention decoder: give one or more")
    if num_heads < 1:
        raise InputError(
            f"With less than 1 heads, use a non-attention decoder: num_heads={num_heads}"
        )
    if attention_states.shape[2].value is None:
        raise SizeError(
            f"Shape[2] of attention_states must be known: {attention_states.shape}: set a shape"
        )
    output_size = cell.output_size if output_size is None else output_size
    with scopes.variable_scope(scope or "attention_decoder", dtype=dtype) as entered:
        dtype = entered.dtype
        rows = arrays.shape(decoder_inputs[0])[0]
        memory = _AttendedStates(attention_states, num_heads, dtype)
        state, outputs, prev = initial_state, [], None
        sizes = arrays.stack([rows, memory.size])
        contexts = [arrays.zeros(sizes, dtype=dtype) for _ in range(num_heads)]
        for context in contexts:
            context.set_shape([None, memory.size])
        if initial_state_attention:
            contexts = memory.read(initial_state)
        for i, x in enumerate(decoder_inputs):
            if i > 0:
                scopes.get_variable_scope().reuse_variables()
            if loop_function is not None and prev is not None:
                with scopes.variable_scope("loop_function", reuse=True):
                    x = loop_function(prev, i)
            size = x.shape.with_rank(2)[1].value
            if size is None:
                raise SizeError(f"Could not infer input size from input: {x.name}: set a shape")
            inputs = [math.cast(part, dtype) for part in (x, *contexts)]
            output, state = cell(Linear(inputs, size, True)(inputs), state)
            if i == 0 and initial_state_attention:
                with scopes.variable_scope(scopes.get_variable_scope(), reuse=True):
                    contexts = memory.read(state)
            else:
                contexts = memory.read(state)
            with scopes.variable_scope("AttnOutputProjection"):
                parts = [math.cast(output, dtype), *contexts]
                output = Linear(parts, output_size, True)(parts)
            prev = output
            outputs.append(output)
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs: Sequence,
    initial_state: Any,
    attention_states: Tensor,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Tensor], Any]:
    """`attention_decoder` with inputs that are embedded.

    Args:
        scope: The scope of the variables; None for "embedding_attention_decoder".
        decoder_inputs, initial_state, cell, num_symbols, embedding_size, output_projection,
        feed_previous, update_embedding_for_previous: See `embedding_rnn_decoder`.
        attention_states, num_heads, output_size, dtype, initial_state_attention: See
            `attention_decoder`.

    Returns:
        The outputs, one (B, output_size) for each step, and the final state.
    """
    output_size = cell.output_size if output_size is None else output_size
    if output_projection is not None:
        check_projection(output_projection[1:], num_symbols, dtype, [num_symbols])
    with scopes.variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        embedding = scopes.get_variable("embedding", [num_symbols, embedding_size])
        loop_function = None
        if feed_previous:
            loop_function = embed_largest(
                embedding, output_projection, update_embedding_for_previous
            )
        embedded = [nn.embedding_lookup(embedding, ids) for ids in decoder_inputs]
        return attention_decoder(
            embedded,
            initial_state,
            attention_states,
            cell,
            output_size=output_size,
            num_heads=num_heads,
            loop_function=loop_function,
            initial_state_attention=initial_state_attention,
        )
