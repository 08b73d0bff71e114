"""Private: base class of translate, caption and transcribe: an encoder, and a decoder with
attention.
"""

from collections.abc import Sequence
from dataclasses import replace
from heapq import nlargest

import numpy as np
import torch
from torch import nn

from ..data.batching import padded
from ..data.disk import LazySequence, StoredRows, chunked
from ..data.examples import Examples
from ..data.vocabulary import PAD, Vocabulary
from ..errors import InputError
from ..training import metrics
from .beam_search import Hypothesis
from .metadata import SentenceMetadata
from .options import SentenceOptions
from .seq2seq import EncoderDecoder
from .task import Task

# Maximum number of held-out rows to write sentences for during training, with greedy decoding; the
# cross-entropy uses all validation rows.
WRITTEN = 500
# Rows decoded at a time. A decoder step is one small product, so more rows make it more efficient.
DECODED_AT_ONCE = 128


class SentenceTask(Task):
    """Base class of tasks that write a sentence. Examples have the columns `x`, `target` and
    `name`.

    A subclass defines `encoder`, `sources` and `encoder_inputs`.
    """

    Options: type[SentenceOptions] = SentenceOptions
    # The examples evaluated last and their sentences, reused by the report.
    _latest: tuple[Examples | None, Sequence[Hypothesis]] = (None, [])

    def encoder(self) -> nn.Module:
        """Create the encoder from `options`, `metadata` and `vocabulary`; see
        `ostinato.tasks.seq2seq`.
        """
        raise NotImplementedError

    def sources(self, examples: Examples) -> Sequence[np.ndarray]:
        """The input of each row, as numbers."""
        raise NotImplementedError

    def encoder_inputs(self, sources: list[np.ndarray]) -> tuple[torch.Tensor, ...]:
        """The arguments of the encoder for these inputs."""
        return padded(sources, PAD)

    def positions(self, source: np.ndarray) -> int:
        """Number of positions in the encoder's output for an input, for attention."""
        return len(source)

    def shown_source(self, x, name: str | None) -> str:
        """The input as text, for a row of the report."""
        raise NotImplementedError

    def words(self, learned: Examples) -> Sequence[str]:
        """The texts to learn the vocabulary from."""
        return learned["target"]

    def prepare(self, learned, every):
        options, texts = self.options, self.words(learned)
        self.vocabulary = Vocabulary.of(
            texts,
            options.tokens,
            size=options.vocabulary_size,
            min_count=2 if len(texts) > 1000 else 1,
        )
        self.metadata = SentenceMetadata(every.about)
        longest = max(
            len(row) for some in chunked(learned["target"]) for row in self.vocabulary.encode(some)
        )
        # one more for the end token
        return {} if options.length else {"length": longest + longest // 4 + 2}

    def check(self):
        if self.vocabulary is None or self.options.length is None:
            raise InputError("it has no vocabulary, or no option 'length'")
        if (self.vocabulary.kind, self.vocabulary.lowercase) != (self.options.tokens, False):
            raise InputError("its vocabulary does not match the option 'tokens'")

    def build(self):
        options = self.options
        return EncoderDecoder(
            self.encoder(),
            len(self.vocabulary),
            embedding=options.embedding,
            hidden=options.hidden,
            layers=options.layers,
            cell=options.cell,
            attention=options.attention,
            dropout=options.dropout,
            label_smoothing=options.label_smoothing,
            scheduled_sampling=options.scheduled_sampling,
            engine=options.engine,
        )

    def encode(self, examples):
        sources, targets = (
            self.sources(examples),
            self.numbers(examples["target"] or [""] * len(examples)),
        )
        return LazySequence(len(examples), lambda k: (sources[k], targets[k]))

    def numbers(self, texts: Sequence[str]) -> StoredRows:
        """The token numbers of each text."""
        rows = StoredRows(np.int32)
        for some in chunked(texts):
            rows.extend(self.vocabulary.encode(some))
        return rows

    def length(self, row):
        return sum(map(len, row))

    def collate(self, rows):
        return *self.encoder_inputs([source for source, _ in rows]), *padded(
            [target for _, target in rows], PAD
        )

    def loss(self, batch):
        return self.model.loss(batch)

    def evaluator(self):
        return _Written(self)

    def sentence_metrics(
        self, written: Sequence[str], wanted: Sequence[str]
    ) -> dict[str, float | None]:
        """The metrics of written sentences, the goal first."""
        found = metrics.translation(written, wanted)
        return {self.goal: found.pop(self.goal)} | found

    @torch.no_grad()
    def decoded(self, examples: Examples) -> Sequence[Hypothesis]:
        """The best sentence for each row."""
        self.model.eval()
        options, sources = self.options, self.sources(examples)
        found = StoredRows(np.float64, _hypothesis, _stored)
        order = np.argsort(np.fromiter(map(len, sources), np.int32, len(sources)), kind="stable")
        for start in range(0, len(order), DECODED_AT_ONCE):
            rows = [sources[k] for k in order[start : start + DECODED_AT_ONCE]]
            best = self.model.decode(
                *self.encoder_inputs(rows),
                beams=options.beams,
                length=options.length,
                length_norm=options.length_norm,
            )
            # without the padding that longer rows of the batch require
            found.extend(
                replace(first, attention=first.attention[:, : self.positions(row)])
                for row, (first, *_) in zip(rows, best)
            )
        return found.take(np.argsort(order))

    def compute_metrics(self, examples):
        written = self.decoded(examples)
        self._latest = examples, written
        return self.sentence_metrics(self._texts(written), examples["target"])

    def _texts(self, written: Sequence[Hypothesis]) -> LazySequence:
        return LazySequence(len(written), lambda k: self.vocabulary.decode(written[k].tokens))

    def answers(self, examples):
        names = examples["name"] or [None] * len(examples)
        return [
            {
                "text": self.vocabulary.decode(one.tokens),
                "score": round(one.score, 4),
                "tokens": self.vocabulary.spelled(one.tokens),
                "attention": [
                    [round(weight, 3) for weight in step] for step in one.attention.tolist()
                ],
            }
            | ({"name": name} if name else {})
            for one, name in zip(self.decoded(examples), names)
        ]

    def report_parts(self, examples):
        latest, written = self._latest
        if latest is not examples:
            written = self.decoded(examples)
        texts, wanted = self._texts(written), examples["target"]
        names = examples["name"] or [None] * len(examples)

        def row(k: int) -> dict:
            return {
                "source": self.shown_source(examples["x"][k], names[k]),
                "target": wanted[k],
                "output": texts[k],
            }

        # chrF shows how close a sentence is; a single sentence has too few words for BLEU
        near = [
            metrics.translation([text], [right])["chrf"] or 0.0
            for text, right in zip(texts[:WRITTEN], wanted)
        ]
        order = sorted(range(len(near)), key=near.__getitem__)
        longest = nlargest(5, range(len(wanted)), key=lambda k: len(wanted[k]))
        kinds = {
            "Lowest chrF": order[:10],
            "Exact matches": [k for k in order[::-1] if texts[k] == wanted[k]][:10],
            "Longest": longest,
        }
        return {
            "examples": {name: [row(k) for k in found] for name, found in kinds.items()},
            "lengths": [len(one.tokens) for one in written],
            "length_unit": "tokens written",
        } | self.attention_parts(examples, written, order)

    def attention_parts(
        self, examples: Examples, written: Sequence[Hypothesis], order: list[int]
    ) -> dict:
        """The parts of the report that show the attention.

        Args:
            examples: The examples.
            written: The written sentences.
            order: Row numbers, the worst sentence first.
        """
        raise NotImplementedError


class _Written:
    """Accumulates the cross-entropy of all rows, and the sentences written for the first of
    them.
    """

    def __init__(self, task: SentenceTask):
        self.task, self.nats, self.count, self.texts, self.wanted = task, 0.0, 0, [], []

    def add(self, batch):
        task = self.task
        nats, count = task.model.loss(batch)
        self.nats, self.count = self.nats + float(nats), self.count + count
        rows = WRITTEN - len(self.texts)
        if rows > 0:
            *given, targets, lengths = (part[:rows] for part in batch)
            found = task.model.decode(*given, beams=1, length=task.options.length)
            self.texts += [task.vocabulary.decode(best[0].tokens) for best in found]
            self.wanted += [
                task.vocabulary.decode(row[:length].tolist())
                for row, length in zip(targets.cpu(), lengths)
            ]
        return nats, count

    def result(self):
        return self.task.sentence_metrics(self.texts, self.wanted) | {
            "nats_per_token": self.nats / max(1, self.count)
        }


def _stored(one: Hypothesis) -> np.ndarray:
    """A hypothesis as numbers: score, whether it ended, the shape (T, S) of its attention, the T
    tokens, the attention.
    """
    attention = one.attention.cpu().double().numpy()
    return np.concatenate(
        [[one.score, one.ended, *attention.shape], one.tokens, attention.reshape(-1)]
    )


def _hypothesis(stored: np.ndarray) -> Hypothesis:
    """The hypothesis that `_stored` encoded."""
    score, ended, count, places = float(stored[0]), bool(stored[1]), int(stored[2]), int(stored[3])
    tokens, attention = np.split(stored[4:], [count])
    return Hypothesis(
        tokens.astype(int).tolist(),
        score,
        ended,
        torch.from_numpy(attention.reshape(count, places)).float(),
    )
