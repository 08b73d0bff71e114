"""Sequence-to-sequence models: encoders of sequences and pictures, and a decoder with attention.

An encoder returns `memory, mask, summary`: positions (B, S, units) to attend to, a mask of the
valid positions (B, S) or None for all, and a summary (B, units) that initialises the decoder.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.media import SIDE
from ..data.vocabulary import END, PAD, START
from ..errors import InputError, SizeError
from ..nn.attention import Bahdanau, Luong
from ..nn.embedding import embeddings
from ..nn.lengths import within
from ..nn.torch_baseline import make_layer
from ..options import ATTENTIONS
from .beam_search import Hypothesis, beam_search

__all__ = ["EncoderDecoder", "FramesEncoder", "PictureEncoder", "TextEncoder"]

# Logits in memory at a time: 16 MB in float32, which fits in the cache and is reused by the
# allocator. Smaller blocks make the matrix products slow.
LOGITS = 2**22


# ---------------------------------------------------------------- encoders


class _SequenceEncoder(nn.Module):
    """Base class of sequence encoders: a recurrent layer; `steps(x)` computes its input."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        layers: int,
        cell: str,
        bidirectional: bool,
        dropout: float,
        engine: str | None,
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.recurrent = make_layer(
            cell,
            inputs,
            hidden,
            layers,
            bidirectional=bidirectional,
            dropout=dropout,
            engine=engine,
        )
        self.output_size = self.recurrent.output_size
        self.summary_size = sum(s.shape[2] for s in self.recurrent.initial_state(1)) * (
            1 + bidirectional
        )

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Memory (B, T, output size), mask (B, T) and the last states of the top layer, from inputs
        and their lengths.
        """
        return self.read(self.dropout(self.steps(x)), lengths)

    def read(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, from the input of the recurrent layer: (B, T, embedding)."""
        memory, states = self.recurrent(x, lengths=lengths)
        directions = 1 + self.recurrent.bidirectional
        summary = torch.cat([s[-directions:].transpose(0, 1).flatten(1) for s in states], 1)
        return memory, within(lengths, x.shape[1]), summary


class TextEncoder(_SequenceEncoder):
    """Encodes tokens: `encoder(tokens (B, T) int64, lengths (B,))`.

    Args:
        vocabulary: V.
        embedding: Embedding size.
        hidden: H of each direction.
        layers: L.
        cell: A name in `ostinato.cells.CELLS`.
        bidirectional: Use a bidirectional layer.
        dropout: Dropout rate on the embeddings and between layers.
        engine: "cpu", "reference", "torch" (the layer of torch.nn), or None to choose.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        embedding: int,
        hidden: int,
        layers: int = 1,
        cell: str = "lstm",
        bidirectional: bool = True,
        dropout: float = 0.0,
        engine: str | None = None,
    ):
        super().__init__(embedding, hidden, layers, cell, bidirectional, dropout, engine)
        self.embedding = embed(vocabulary, embedding)

    def steps(self, x):
        return self.embedding(x)


class FramesEncoder(_SequenceEncoder):
    """Encodes sequences of numbers: `encoder(x (B, T, F), lengths (B,))`.

    Args:
        features: F, numbers per step.
        embedding: Size of the input projection.
        hidden, layers, cell, bidirectional, dropout, engine: As in `TextEncoder`.
    """

    def __init__(
        self,
        features: int,
        *,
        embedding: int,
        hidden: int,
        layers: int = 1,
        cell: str = "lstm",
        bidirectional: bool = True,
        dropout: float = 0.0,
        engine: str | None = None,
    ):
        super().__init__(embedding, hidden, layers, cell, bidirectional, dropout, engine)
        self.projection = nn.Linear(features, embedding)

    def steps(self, x):
        return self.projection(x)


class PictureEncoder(nn.Module):
    """Encodes pictures as 8 x 8 positions: `encoder(pictures (B, 32, 32, 3))`, uint8 or floats from
    0 to 1.

    Args:
        units: Units per position.
        dropout: Dropout rate on the positions.
    """

    SIZE, PLACES = SIDE, 64

    def __init__(self, *, units: int, dropout: float = 0.0):
        super().__init__()
        self.output_size, self.summary_size = units, 4 * units
        # normalised per picture, so that a result does not depend on the other pictures
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1),
            nn.GroupNorm(4, 32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.ReLU(),
            nn.Conv2d(64, units, 3, padding=1),
            nn.GroupNorm(1, units),
            nn.ReLU(),
        )
        # position embedding, so that attention can distinguish positions with equal content
        self.places = nn.Parameter(torch.empty(self.PLACES, units))
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the position embedding; submodules reset themselves."""
        nn.init.normal_(self.places, std=0.1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, None, Tensor]:
        """Memory (B, 64, units) of positions row by row, None, and the mean of each quarter (B, 4 *
        units).
        """
        if pictures.shape[1:] != (self.SIZE, self.SIZE, 3):
            raise SizeError(
                f"the pictures have shape {tuple(pictures.shape)}; it should be (batch, "
                f"{self.SIZE}, {self.SIZE}, 3), red, green and blue: read them with "
                f"read_pictures(..., size={self.SIZE})"
            )
        numbers = (
            pictures.to(self.places.dtype) / 255 if pictures.dtype == torch.uint8 else pictures
        )
        found = self.layers(2 * numbers.permute(0, 3, 1, 2) - 1)
        return (
            self.dropout(found.flatten(2).transpose(1, 2) + self.places),
            None,
            F.adaptive_avg_pool2d(found, 2).flatten(1),
        )


def embed(vocabulary: int, units: int) -> nn.Embedding:
    """An embedding whose rows have a norm of about 1, because it is also the output layer."""
    return embeddings((vocabulary, units), std=units**-0.5, padding_idx=PAD)[0]


# ---------------------------------------------------------------- encoder and decoder


class EncoderDecoder(nn.Module):
    """An encoder, and a decoder that writes tokens while it attends to the encoder's memory.

    In training, the decoder's layers run over all targets in one call, and the attention after them
    as well, because no input is fed back. The output layer, the most expensive part, runs on valid
    tokens only. Its weights are tied to the target embedding.

    Args:
        encoder: `TextEncoder`, `FramesEncoder`, `PictureEncoder`, or a module with the same
            interface and the attributes `output_size` and `summary_size`.
        vocabulary: V of the targets; its first tokens are those of
            `ostinato.data.vocabulary.SPECIAL`.
        embedding: Embedding size of a target token.
        hidden: H of the decoder.
        layers: L of the decoder.
        cell: A name in `ostinato.cells.CELLS`.
        attention: "luong" (general) or "bahdanau" (additive); the query is the decoder's output.
        dropout: Dropout rate on the embeddings, between layers and before the output layer.
        label_smoothing: Label smoothing: probability shared by all tokens in training.
        scheduled_sampling: Rate of decoder inputs that are the model's own predictions in training.
        engine: "cpu", "reference", "torch" (the layer of torch.nn), or None to choose.

    Source:
        Luong, Pham and Manning (2015), section 3; tied embedding as in Press and Wolf, Using the
        Output Embedding to Improve Language Models (2017); scheduled sampling in one pass over all
        steps as in Mihaylova and Martins, Scheduled Sampling for Transformers (2019), and Duckworth
        et al., Parallel Scheduled Sampling (2019).

    Raises:
        InputError: An argument is out of range.

    Example:
        >>> import torch
        >>> from ostinato.tasks.seq2seq import EncoderDecoder, TextEncoder
        >>> model = EncoderDecoder(TextEncoder(20, embedding=8, hidden=8), 30, embedding=8,
        ...     hidden=16)
        >>> x, lengths = torch.randint(4, 20, (2, 5)), torch.tensor([5, 3])
        >>> nats, count = model.loss((x, lengths, torch.randint(4, 30, (2, 6)), torch.tensor([4,
        ...     6])))
        >>> count
        12
        >>> best = model.eval().decode(x, lengths, length=9)[0][0]
        >>> best.attention.shape == (len(best.tokens), 5)
        True
    """

    def __init__(
        self,
        encoder: nn.Module,
        vocabulary: int,
        *,
        embedding: int,
        hidden: int,
        layers: int = 1,
        cell: str = "lstm",
        attention: str = "luong",
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        scheduled_sampling: float = 0.0,
        engine: str | None = None,
    ):
        super().__init__()
        if attention not in ATTENTIONS:
            raise InputError(f"attention={attention!r}: write one of {', '.join(ATTENTIONS)}")
        for name, rate in (
            ("label_smoothing", label_smoothing),
            ("scheduled_sampling", scheduled_sampling),
        ):
            if not 0 <= rate < 1:
                raise InputError(f"{name}={rate!r}: write a rate from 0 to below 1")
        self.encoder, self.label_smoothing, self.scheduled_sampling = (
            encoder,
            label_smoothing,
            scheduled_sampling,
        )
        self.embedding = embed(vocabulary, embedding)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = make_layer(cell, embedding, hidden, layers, dropout=dropout, engine=engine)
        self._state_units = [s.shape[2] for s in self.recurrent.initial_state(1)]
        self.bridge = nn.Linear(encoder.summary_size, layers * sum(self._state_units))
        units = self.recurrent.output_size
        places = encoder.output_size
        self.attention = (
            Luong(units, places) if attention == "luong" else Bahdanau(units, places, hidden)
        )
        self.combine = nn.Linear(places + units, embedding)
        self.bias = nn.Parameter(torch.empty(vocabulary))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the output bias to 0; submodules reset themselves."""
        nn.init.zeros_(self.bias)

    def loss(self, batch: Sequence[Tensor]) -> tuple[Tensor, int]:
        """Cross-entropy of the targets, each token predicted from those before it.

        Args:
            batch: The arguments of the encoder, then targets (B, T) int64 without START and END,
                and their lengths (B,).

        Returns:
            The sum over all tokens including END, in nats (with label smoothing in training), and
            the number of tokens.
        """
        *inputs, targets, lengths = batch
        return self.loss_from_encoded(self.encoder(*inputs), targets, lengths)

    def loss_from_encoded(
        self, encoded: tuple[Tensor, Tensor | None, Tensor], targets: Tensor, lengths: Tensor
    ) -> tuple[Tensor, int]:
        """As `loss`, from the output of the encoder."""
        memory, mask, summary = encoded
        written = torch.cat([targets.new_full((len(targets), 1), START), targets], 1)
        inside = within(lengths + 1, written.shape[1])
        following = F.pad(targets, (0, 1)).scatter(1, lengths[:, None].to(targets.device), END)
        seen = memory, mask, self.attention.keys(memory), self._start(summary), lengths + 1, inside
        if self.training and self.scheduled_sampling:
            with torch.no_grad():
                guesses = torch.zeros_like(written)
                guesses[inside] = F.linear(
                    self._features(written, *seen), self.embedding.weight, self.bias
                ).argmax(1)
                # the prediction of step t replaces the target that would be read after it; START
                # stays
                own = (
                    torch.rand(targets.shape, device=targets.device) < self.scheduled_sampling
                ) & inside[:, 1:]
                written = torch.cat([written[:, :1], torch.where(own, guesses[:, :-1], targets)], 1)
        features = self._features(written, *seen)
        smoothing = self.label_smoothing if self.training else 0.0
        # the function mixes its operands in place, and autocast would give them two dtypes
        with torch.autocast(features.device.type, enabled=False):
            nats = LinearCrossEntropy.apply(
                features.to(self.bias.dtype),
                self.embedding.weight,
                self.bias,
                following[inside],
                smoothing,
            )
        return nats, len(features)

    def _start(self, summary: Tensor) -> tuple[Tensor, ...]:
        """The initial states of the decoder, (L, B, units) each."""
        states = (
            torch.tanh(self.bridge(summary))
            .unflatten(1, (self.recurrent.num_layers, -1))
            .transpose(0, 1)
        )
        return tuple(s.contiguous() for s in states.split(self._state_units, 2))

    def _features(self, written, memory, mask, keys, states, lengths, inside) -> Tensor:
        """The inputs of the output layer for all valid tokens, row by row."""
        output, _ = self.recurrent(self.dropout(self.embedding(written)), states, lengths)
        context, _ = self.attention(output, keys, memory, mask)
        return self._combined(output[inside], context[inside])

    def _combined(self, output, context):
        return self.dropout(torch.tanh(self.combine(torch.cat([context, output], -1))))

    @torch.no_grad()
    def decode(
        self,
        *inputs: Tensor,
        beams: int = 5,
        length: int = 60,
        length_norm: float = 0.6,
        best: int = 1,
    ) -> list[list[Hypothesis]]:
        """Find the most probable targets by beam search; set the model to evaluation mode first.

        Args:
            inputs: The arguments of the encoder.
            beams: K; 1 is greedy decoding.
            length: Maximum number of tokens, including END.
            length_norm: Larger values favour long targets; see
                `ostinato.tasks.beam_search.penalty`.
            best: Number of targets to return per row.

        Returns:
            The targets of each row, best first: tokens without START and END, score, and attention
            (T, S).
        """
        memory, mask, summary = self.encoder(*inputs)
        keys, batch = self.attention.keys(memory), len(memory)

        def step(tokens, states):
            output, states = self.recurrent(self.embedding(tokens)[:, None], states)
            # the beams of a row are passed as steps, so that its memory exists only once
            output = output.view(batch, -1, output.shape[2])
            context, weights = self.attention(output, keys, memory, mask)
            logits = F.linear(
                self._combined(output, context).flatten(0, 1), self.embedding.weight, self.bias
            )
            return logits.log_softmax(1), states, weights.flatten(0, 1)

        start = torch.full((batch,), START, device=memory.device)
        return beam_search(
            self._start(summary),
            step,
            batch=batch,
            start=start,
            end=END,
            length=length,
            beams=beams,
            length_norm=length_norm,
            best=best,
            dimension=1,
        )


class LinearCrossEntropy(torch.autograd.Function):
    """Fused output layer and cross-entropy: `F.cross_entropy(F.linear(x, weight, bias), labels,
    reduction="sum")`.

    `LinearCrossEntropy.apply(x (N, E), weight (V, E), bias (V,), labels (N,), smoothing)`. The
    logits of all rows never exist at once: loss and gradients are computed for a few rows at a
    time, and only the gradients are kept.

    Source:
        Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training (2024), section 3.2,
        "FusedLinearCrossEntropy".
    """

    @staticmethod
    def forward(ctx, x, weight, bias, labels, smoothing):
        vocabulary = len(weight)
        nats = x.new_zeros(())
        learn = any(ctx.needs_input_grad)
        if learn:
            dx, dweight, dbias = (
                torch.empty_like(x),
                torch.zeros_like(weight),
                torch.zeros_like(bias),
            )
        rows = max(1, LOGITS // vocabulary)
        for k in range(0, len(x), rows):
            chunk, chosen = x[k : k + rows], labels[k : k + rows, None]
            logits = torch.addmm(bias, chunk, weight.t())
            known = logits.gather(1, chosen).sum()
            p = logits.softmax(1)
            # the probability of the most probable token is never 0
            normaliser = (logits.amax(1) - p.amax(1).log()).sum()
            nats += normaliser - (1 - smoothing) * known
            if smoothing:
                nats -= smoothing * (chunk.sum(0) @ weight.mean(0) + len(chunk) * bias.mean())
            if learn:
                p.scatter_add_(1, chosen, torch.full_like(chosen, smoothing - 1, dtype=p.dtype))
                if smoothing:
                    p -= smoothing / vocabulary
                torch.mm(p, weight, out=dx[k : k + rows])
                dweight.addmm_(p.t(), chunk)
                dbias += p.sum(0)
        if learn:
            ctx.save_for_backward(dx, dweight, dbias)
        return nats

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dnats):
        dx, dweight, dbias = ctx.saved_tensors
        return dx * dnats, dweight * dnats, dbias * dnats, None, None
