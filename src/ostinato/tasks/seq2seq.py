"""From a sequence or a picture to another sequence: encoders, and the decoder with attention that
translate and caption share.

An encoder is called with what a task has for input and gives `memory, mask, summary`: places (B, S,
units) to look at, which of them there are (B, S) or None for all, and the whole as one row (B,
units) that the decoder starts from.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batching import within
from ..data.media import SIDE
from ..data.vocabulary import END, PAD, START
from ..errors import InputError, SizeError
from ..nn.attention import Bahdanau, Luong
from ..nn.embedding import embeddings
from ..nn.torch_baseline import make_layer
from ..options import ATTENTIONS
from .beam_search import Hypothesis, beam_search

# Logits that are in memory at a time: 16 MB in float32, which the cache holds and the allocator
# uses again. Less makes the products slow.
LOGITS = 2**22


# ---------------------------------------------------------------- encoders


class _Reader(nn.Module):
    """What encoders of sequences share: a recurrent layer and what it gives; `steps(x)` makes its
    input.
    """

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
        """Memory (B, T, units of the output), mask (B, T) and the uppermost layer's last states, of
        inputs and their lengths.
        """
        return self.read(self.dropout(self.steps(x)), lengths)

    def read(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, from what the layer is given: (B, T, embedding)."""
        memory, states = self.recurrent(x, lengths=lengths)
        directions = 1 + self.recurrent.bidirectional
        summary = torch.cat([s[-directions:].transpose(0, 1).flatten(1) for s in states], 1)
        return memory, within(lengths, x.shape[1]), summary


class TextEncoder(_Reader):
    """Tokens to a memory: `encoder(tokens (B, T) int64, lengths (B,))`.

    Args:
        vocabulary: V.
        embedding: Units that stand for a token.
        hidden: H of each direction.
        layers: L.
        cell: A name in `ostinato.cells.CELLS`.
        bidirectional: Read in both directions.
        dropout: Rate on the embeddings and between layers.
        engine: "cpu", "reference", "torch" (torch.nn's layer), or None to choose.
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


class FramesEncoder(_Reader):
    """Sequences of numbers to a memory: `encoder(x (B, T, F), lengths (B,))`.

    Args:
        features: F, numbers of a step.
        embedding: Units that they are projected to.
        hidden, layers, cell, bidirectional, dropout, engine: As of `TextEncoder`.
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
    """Pictures to a memory of 8 x 8 places: `encoder(pictures (B, 32, 32, 3))`, uint8 or numbers
    from 0 to 1.

    Args:
        units: Of a place.
        dropout: Rate on the places.
    """

    SIZE, PLACES = SIDE, 64

    def __init__(self, *, units: int, dropout: float = 0.0):
        super().__init__()
        self.output_size, self.summary_size = units, 4 * units
        # a norm of each picture alone: what one gives does not depend on those beside it
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
        # what attention tells places of like content apart by
        self.places = nn.Parameter(torch.empty(self.PLACES, units))
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the places' own numbers again; those of the layers are the layers' own."""
        nn.init.normal_(self.places, std=0.1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, None, Tensor]:
        """Memory (B, 64, units), places from left to right and then down, None, and the mean of
        each quarter (B, 4 * units).
        """
        if pictures.shape[1:] != (self.SIZE, self.SIZE, 3):
            raise SizeError(
                f"the pictures are {tuple(pictures.shape)}; they should be (batch, {self.SIZE}, "
                f"{self.SIZE}, 3), "
                f"red, green and blue: read them with read_pictures(..., size={self.SIZE})"
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
    """An embedding of rows whose length is about 1, as the readout that it also is wants them."""
    return embeddings((vocabulary, units), std=units**-0.5, padding_idx=PAD)[0]


# ---------------------------------------------------------------- encoder and decoder


class EncoderDecoder(nn.Module):
    """An encoder, and a decoder that writes tokens while it looks at the encoder's memory.

    In training the decoder's layers run over all targets in one call, and so does the attention
    after them, because no input is fed from it; the readout, which costs most, is for valid tokens
    alone. Its weights are those of the targets' embedding.

    Args:
        encoder: `TextEncoder`, `FramesEncoder` or `PictureEncoder`, or what is called as these and
            has `output_size` and `summary_size`.
        vocabulary: V of the targets, whose first numbers are those of
            `ostinato.data.vocabulary.SPECIAL`.
        embedding: Units of a target token.
        hidden: H of the decoder.
        layers: L of the decoder.
        cell: A name in `ostinato.cells.CELLS`.
        attention: "luong" (general) or "bahdanau" (additive); either asks with the decoder's
            output.
        dropout: Rate on the embeddings, between layers and before the readout.
        label_smoothing: Part of the certainty that is spread over all tokens in training.
        sampling: Rate at which target inputs are the model's own guesses in training.
        engine: "cpu", "reference", "torch" (torch.nn's layer), or None to choose.

    Source: Luong, Pham and Manning (2015), section 3; readout and embedding are one as in Press and
        Wolf, Using the Output
    Embedding to Improve Language Models (2017); guesses of a first pass for all steps at once as in
    Mihaylova and Martins, Scheduled Sampling for Transformers (2019), and Duckworth et al.,
    Parallel Scheduled Sampling (2019).

    Raises:
        InputError: An argument that cannot be used.

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
        sampling: float = 0.0,
        engine: str | None = None,
    ):
        super().__init__()
        if attention not in ATTENTIONS:
            raise InputError(f"attention={attention!r}: write one of {', '.join(ATTENTIONS)}")
        for name, rate in (("label_smoothing", label_smoothing), ("sampling", sampling)):
            if not 0 <= rate < 1:
                raise InputError(f"{name}={rate!r}: write a rate from 0 to below 1")
        self.encoder, self.label_smoothing, self.sampling = encoder, label_smoothing, sampling
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
        """Set the bias of the scores to 0; other parameters are those of the parts."""
        nn.init.zeros_(self.bias)

    def loss(self, batch: Sequence[Tensor]) -> tuple[Tensor, int]:
        """How well targets are foretold, each token from those before it.

        Args:
            batch: What the encoder is called with; then targets (B, T) int64, without START and
                END, and their lengths (B,).

        Returns:
            The sum over tokens, END among them, in nats (smoothed in training), and how many tokens
            these are.
        """
        *inputs, targets, lengths = batch
        return self.foretold(self.encoder(*inputs), targets, lengths)

    def foretold(
        self, encoded: tuple[Tensor, Tensor | None, Tensor], targets: Tensor, lengths: Tensor
    ) -> tuple[Tensor, int]:
        """What `loss` gives, from what the encoder gave."""
        memory, mask, summary = encoded
        written = torch.cat([targets.new_full((len(targets), 1), START), targets], 1)
        inside = within(lengths + 1, written.shape[1])
        following = F.pad(targets, (0, 1)).scatter(1, lengths[:, None].to(targets.device), END)
        seen = memory, mask, self.attention.keys(memory), self._start(summary), lengths + 1, inside
        if self.training and self.sampling:
            with torch.no_grad():
                guesses = torch.zeros_like(written)
                guesses[inside] = F.linear(
                    self._features(written, *seen), self.embedding.weight, self.bias
                ).argmax(1)
                # what step t guesses stands where the target of step t would be read, and START
                # stays
                own = (torch.rand(targets.shape, device=targets.device) < self.sampling) & inside[
                    :, 1:
                ]
                written = torch.cat([written[:, :1], torch.where(own, guesses[:, :-1], targets)], 1)
        features = self._features(written, *seen)
        smoothing = self.label_smoothing if self.training else 0.0
        # it mixes its operands in place, which autocast would make of two dtypes
        with torch.autocast(features.device.type, enabled=False):
            nats = ReadoutNats.apply(
                features.to(self.bias.dtype),
                self.embedding.weight,
                self.bias,
                following[inside],
                smoothing,
            )
        return nats, len(features)

    def _start(self, summary: Tensor) -> tuple[Tensor, ...]:
        """The states (L, B, units) that the decoder starts from."""
        states = (
            torch.tanh(self.bridge(summary))
            .unflatten(1, (self.recurrent.num_layers, -1))
            .transpose(0, 1)
        )
        return tuple(s.contiguous() for s in states.split(self._state_units, 2))

    def _features(self, written, memory, mask, keys, states, lengths, inside) -> Tensor:
        """What the readout sees of all tokens that are inside, one row after another."""
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
        """The likeliest targets; put the model into evaluation mode before.

        Args:
            inputs: What the encoder is called with.
            beams: K; 1 takes the likeliest token at each step.
            length: Tokens at most, END among them.
            length_norm: How much long targets are favoured; see
                `ostinato.tasks.beam_search.penalty`.
            best: How many targets of a row to give.

        Returns:
            For each row its targets, the best first: tokens without START and END, score, and
            attention (T, S).
        """
        memory, mask, summary = self.encoder(*inputs)
        keys, batch = self.attention.keys(memory), len(memory)

        def step(tokens, states):
            output, states = self.recurrent(self.embedding(tokens)[:, None], states)
            # a row's beams are to the attention what steps are in training, so that its memory is
            # there once
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


class ReadoutNats(torch.autograd.Function):
    """Cross-entropy of a readout, summed: that of `F.cross_entropy(F.linear(x, weight, bias),
    labels, reduction="sum")`.

    `ReadoutNats.apply(x (N, E), weight (V, E), bias (V,), labels (N,), smoothing)`. The logits of
    all rows are never there at
    once: of a few rows at a time it takes the loss and the gradients together, and keeps these
        alone.

    Source: Hsu et al., Liger Kernel: Efficient Triton Kernels for LLM Training (2024), section 3.2,
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
            # of the likeliest token the probability is never 0
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
