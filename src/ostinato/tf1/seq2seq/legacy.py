"""Private: sequence-to-sequence models of lists of steps (tf.contrib.legacy_seq2seq)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core import nest
from ..core.dtypes import as_dtype
from ..core.graph import name_scope
from ..core.tensors import Tensor
from ..flow.control_flow import cond
from ..ops import arrays, nn
from ..rnn.cell import RNNCell
from ..rnn.static import static_rnn
from ..rnn.wrappers import EmbeddingWrapper, OutputProjectionWrapper
from ..state import scopes
from .legacy_decoders import (
    check_projection,
    embed_largest,
    embedding_attention_decoder,
    embedding_rnn_decoder,
    rnn_decoder,
)
from .legacy_loss import sequence_loss, sequence_loss_by_example
from .sizes import size_at

__all__ = [
    "basic_rnn_seq2seq",
    "embedding_attention_seq2seq",
    "embedding_rnn_seq2seq",
    "embedding_tied_rnn_seq2seq",
    "model_with_buckets",
    "one2many_rnn_seq2seq",
    "tied_rnn_seq2seq",
]


def _copied(cell: Any) -> Any:
    """A copy of a cell that has no variables yet, with the same options.

    TensorFlow 1.13.1 fails where a model is built twice with one cell, as for buckets. Here, as in
    TensorFlow 1.0, the second copy is like the first.

    Raises:
        InputError: The cell was used elsewhere before.
    """
    unused = getattr(cell, "_unused", None)
    if unused is None:
        if getattr(cell, "built", False):
            raise InputError(
                f"{type(cell).__name__} was used already, so that it cannot be copied for the "
                "encoder: create a new cell for each call"
            )
        # Not setattr: a layer that is an attribute of another one makes resource variables.
        unused = cell.__dict__["_unused"] = copy.deepcopy(cell)
    return copy.deepcopy(unused)


def _either(feed_previous: Any, decoder: Callable, count: int) -> tuple[list, list]:
    """The outputs and the parts of the final state of a decoder, by a truth value that is known in
    a run.

    Args:
        feed_previous: The truth value, ().
        decoder: A function of a truth value that returns outputs and the final state.
        count: The number of steps.
    """

    def branch(value: bool) -> list:
        reuse = None if value else True
        with scopes.variable_scope(scopes.get_variable_scope(), reuse=reuse):
            outputs, state = decoder(value)
            return outputs + nest.flatten(state)

    both = cond(feed_previous, lambda: branch(True), lambda: branch(False))
    return both[:count], both[count:]


def _like(structure: Any, parts: list) -> Any:
    return nest.pack_sequence_as(structure, parts) if nest.is_sequence(structure) else parts[0]


def basic_rnn_seq2seq(
    encoder_inputs: Sequence,
    decoder_inputs: Sequence,
    cell: Any,
    dtype: Any = "float32",
    scope: Any = None,
) -> tuple[list[Tensor], Any]:
    """An encoder and a decoder with cells of one kind and variables of their own.

    Args:
        encoder_inputs, decoder_inputs: One (B, I) for each step.
        cell: The cell of the decoder; the encoder has a copy.
        dtype: The dtype of the state.
        scope: The scope of the variables; None for "basic_rnn_seq2seq".

    Returns:
        The outputs of the decoder, one (B, output_size) for each step, and its final state.
    """
    with scopes.variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(_copied(cell), encoder_inputs, dtype=as_dtype(dtype))
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Sequence,
    decoder_inputs: Sequence,
    cell: Any,
    loop_function: Callable | None = None,
    dtype: Any = "float32",
    scope: Any = None,
) -> tuple[list[Tensor], Any]:
    """An encoder and a decoder with the same variables.

    Args:
        encoder_inputs, decoder_inputs: One (B, I) for each step.
        cell: The cell.
        loop_function: See `rnn_decoder`.
        dtype: The dtype of the state.
        scope: The scope of the variables; None for "tied_rnn_seq2seq".

    Returns:
        The outputs of the decoder, one (B, output_size) for each step, and its final state.
    """
    with scopes.variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=as_dtype(dtype), scope=scope)
        scopes.get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function=loop_function, scope=scope)


def embedding_rnn_seq2seq(
    encoder_inputs: Sequence,
    decoder_inputs: Sequence,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Tensor], Any]:
    """An encoder and a decoder of symbols, with an embedding each.

    Args:
        encoder_inputs, decoder_inputs: One (B,) of whole numbers for each step.
        cell: The cell of the decoder; the encoder has a copy.
        num_encoder_symbols, num_decoder_symbols: The numbers of symbols.
        embedding_size: The embedding size.
        output_projection: The weights and biases that make logits of outputs; None for a projection
            of its own.
        feed_previous: Whether each input of the decoder but the first is the id of the largest
            output before; a truth value, or a tensor.
        dtype: The dtype of the state; None for that of the scope.
        scope: The scope of the variables; None for "embedding_rnn_seq2seq".

    Returns:
        The outputs of the decoder, one (B, num_decoder_symbols) for each step, or (B, output_size)
        with `output_projection`; and its final state.
    """
    with scopes.variable_scope(scope or "embedding_rnn_seq2seq") as entered:
        if dtype is not None:
            entered.set_dtype(as_dtype(dtype))
        dtype = entered.dtype
        encoder = EmbeddingWrapper(
            _copied(cell), embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        _, encoder_state = static_rnn(encoder, encoder_inputs, dtype=dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)

        def decoder(feed: bool, update_embedding: bool = False) -> tuple[list[Tensor], Any]:
            return embedding_rnn_decoder(
                decoder_inputs,
                encoder_state,
                cell,
                num_decoder_symbols,
                embedding_size,
                output_projection=output_projection,
                feed_previous=feed,
                update_embedding_for_previous=update_embedding,
            )

        if isinstance(feed_previous, bool):
            return decoder(feed_previous, update_embedding=True)
        outputs, parts = _either(feed_previous, decoder, len(decoder_inputs))
        return outputs, _like(encoder_state, parts)


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Sequence,
    decoder_inputs: Sequence,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Tensor], Any]:
    """An encoder and a decoder of symbols with the same variables and the same embedding.

    Args:
        num_symbols: The number of symbols.
        num_decoder_symbols: The number of symbols of the outputs; None for `num_symbols`.
        scope: The scope of the variables; None for "embedding_tied_rnn_seq2seq".
        encoder_inputs, decoder_inputs, cell, embedding_size, output_projection, feed_previous,
        dtype: See `embedding_rnn_seq2seq`.

    Returns:
        The outputs of the decoder, one for each step, and its final state.
    """
    with scopes.variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        if output_projection is not None:
            shapes = [None, num_symbols], [num_symbols]
            check_projection(output_projection, num_symbols, dtype, *shapes)
        embedding = scopes.get_variable("embedding", [num_symbols, embedding_size], dtype=dtype)
        encoded = [nn.embedding_lookup(embedding, ids) for ids in encoder_inputs]
        decoded = [nn.embedding_lookup(embedding, ids) for ids in decoder_inputs]
        if output_projection is None:
            size = num_symbols if num_decoder_symbols is None else num_decoder_symbols
            cell = OutputProjectionWrapper(cell, size)

        def decoder(feed: bool, update_embedding: bool = False) -> tuple[list[Tensor], Any]:
            loop_function = None
            if feed:
                loop_function = embed_largest(embedding, output_projection, update_embedding)
            return tied_rnn_seq2seq(
                encoded, decoded, cell, loop_function=loop_function, dtype=dtype
            )

        if isinstance(feed_previous, bool):
            return decoder(feed_previous, update_embedding=True)
        outputs, parts = _either(feed_previous, decoder, len(decoder_inputs))
        # The state of zeros shows the structure; TensorFlow makes it too.
        return outputs, _like(cell.zero_state(size_at(encoder_inputs[0], 0), dtype), parts)


def embedding_attention_seq2seq(
    encoder_inputs: Sequence,
    decoder_inputs: Sequence,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Tensor], Any]:
    """An encoder and a decoder of symbols, which attends to the outputs of the encoder.

    Args:
        num_heads: The number of attention heads.
        scope: The scope of the variables; None for "embedding_attention_seq2seq".
        initial_state_attention: Whether the first step attends by the first state; otherwise its
            contexts are 0.
        encoder_inputs, decoder_inputs, cell, num_encoder_symbols, num_decoder_symbols,
        embedding_size, output_projection, feed_previous, dtype: See `embedding_rnn_seq2seq`.

    Returns:
        The outputs of the decoder, one for each step, and its final state.
    """
    with scopes.variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        encoder = EmbeddingWrapper(
            _copied(cell), embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        encoder_outputs, encoder_state = static_rnn(encoder, encoder_inputs, dtype=dtype)
        steps = [arrays.reshape(o, [-1, 1, cell.output_size]) for o in encoder_outputs]
        memory = arrays.concat(steps, 1)
        output_size = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            output_size = num_decoder_symbols

        def decoder(feed: bool, update_embedding: bool = False) -> tuple[list[Tensor], Any]:
            return embedding_attention_decoder(
                decoder_inputs,
                encoder_state,
                memory,
                cell,
                num_decoder_symbols,
                embedding_size,
                num_heads=num_heads,
                output_size=output_size,
                output_projection=output_projection,
                feed_previous=feed,
                update_embedding_for_previous=update_embedding,
                initial_state_attention=initial_state_attention,
            )

        if isinstance(feed_previous, bool):
            return decoder(feed_previous, update_embedding=True)
        outputs, parts = _either(feed_previous, decoder, len(decoder_inputs))
        return outputs, _like(encoder_state, parts)


def one2many_rnn_seq2seq(
    encoder_inputs: Sequence,
    decoder_inputs_dict: Mapping[Any, Sequence],
    enc_cell: Any,
    dec_cells_dict: Mapping[Any, Any],
    num_encoder_symbols: int,
    num_decoder_symbols_dict: Mapping[Any, int],
    embedding_size: int,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[dict, dict]:
    """One encoder and several decoders of symbols, by name (https://arxiv.org/abs/1511.06114).

    Args:
        decoder_inputs_dict, dec_cells_dict, num_decoder_symbols_dict: The inputs, the cell and the
            number of symbols of each decoder.
        enc_cell: The cell of the encoder.
        scope: The scope of the variables; None for "one2many_rnn_seq2seq".
        encoder_inputs, num_encoder_symbols, embedding_size, feed_previous, dtype: See
            `embedding_rnn_seq2seq`.

    Returns:
        The outputs and the final states of the decoders.

    Raises:
        ArgumentTypeError: A cell is something else.
        InputError: The names of cells and inputs differ.
    """
    for argument, cell in (("enc_cell", enc_cell), *dec_cells_dict.items()):
        if not isinstance(cell, RNNCell):
            raise ArgumentTypeError(
                f"{argument} is not an RNNCell: {cell!r}: give tf.nn.rnn_cell.GRUCell(num_units)"
            )
    if set(dec_cells_dict) != set(decoder_inputs_dict):
        raise InputError(
            f"keys of dec_cells_dict {sorted(dec_cells_dict)} != keys of decoder_inputs_dict "
            f"{sorted(decoder_inputs_dict)}: give one cell for each decoder"
        )
    outputs, states = {}, {}
    with scopes.variable_scope(scope or "one2many_rnn_seq2seq", dtype=dtype) as entered:
        encoder = EmbeddingWrapper(
            enc_cell, embedding_classes=num_encoder_symbols, embedding_size=embedding_size
        )
        _, encoder_state = static_rnn(encoder, encoder_inputs, dtype=entered.dtype)
        for name, inputs in decoder_inputs_dict.items():
            symbols = num_decoder_symbols_dict[name]
            with scopes.variable_scope(f"one2many_decoder_{name}"):
                cell = OutputProjectionWrapper(dec_cells_dict[name], symbols)

                def decoder(
                    feed: bool, inputs: Any = inputs, cell: Any = cell, symbols: int = symbols
                ) -> tuple[list[Tensor], Any]:
                    return embedding_rnn_decoder(
                        inputs, encoder_state, cell, symbols, embedding_size, feed_previous=feed
                    )

                if isinstance(feed_previous, bool):
                    outputs[name], states[name] = decoder(feed_previous)
                else:
                    outputs[name], parts = _either(feed_previous, decoder, len(inputs))
                    states[name] = _like(encoder_state, parts)
    return outputs, states


def model_with_buckets(
    encoder_inputs: Sequence,
    decoder_inputs: Sequence,
    targets: Sequence,
    weights: Sequence,
    buckets: Sequence[tuple[int, int]],
    seq2seq: Callable,
    softmax_loss_function: Callable | None = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list, list]:
    """A model for each of several pairs of lengths, all with the same variables.

    Args:
        encoder_inputs, decoder_inputs, targets, weights: One tensor for each step.
        buckets: The lengths of encoder and decoder, the longest ones last.
        seq2seq: A function of the encoder's and the decoder's inputs that returns outputs and a
            state.
        softmax_loss_function: See `sequence_loss_by_example`.
        per_example_loss: Whether the losses are (B,), and not ().
        name: The name scope.

    Returns:
        The outputs and the losses, one for each bucket.

    Raises:
        InputError: A list is shorter than the last bucket.
    """
    longest = buckets[-1]
    given = {
        "encoder_inputs": (encoder_inputs, longest[0]),
        "targets": (targets, longest[1]),
        "weights": (weights, longest[1]),
    }
    for argument, (steps, length) in given.items():
        if len(steps) < length:
            raise InputError(
                f"Length of {argument} ({len(steps)}) must be at least that of last bucket "
                f"({length}): give {length} steps"
            )
    loss_function = sequence_loss_by_example if per_example_loss else sequence_loss
    outputs, losses = [], []
    with name_scope(name, "model_with_buckets"):
        for i, bucket in enumerate(buckets):
            reuse = True if i > 0 else None
            with scopes.variable_scope(scopes.get_variable_scope(), reuse=reuse):
                found, _ = seq2seq(encoder_inputs[: bucket[0]], decoder_inputs[: bucket[1]])
                outputs.append(found)
                loss = loss_function(
                    found,
                    targets[: bucket[1]],
                    weights[: bucket[1]],
                    softmax_loss_function=softmax_loss_function,
                )
                losses.append(loss)
    return outputs, losses
