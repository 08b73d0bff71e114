"""What translate, caption and transcribe share: an encoder of what is given, and a decoder with
attention that writes a sentence.
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

# While a run goes on, sentences are written for so many held-out rows at most, one beam each; the
# nats are of all rows watched.
WRITTEN = 500
# Rows that are written for at once: a step of the decoder is one small product, which more rows
# make worth its call.
DECODED_AT_ONCE = 128


class SentenceTask(Task):
    """A task whose answer is a sentence. Its examples have the columns `x`, `target` and `name`.

    Besides what a task has, such a one has `encoder`, `sources` and `encoder_inputs`, which say what they
    are below.
    """

    Options: type[SentenceOptions] = SentenceOptions
    # Examples that were measured last, and what was written for them: the report is of the same.
    _latest: tuple[Examples | None, Sequence[Hypothesis]] = (None, [])

    def encoder(self) -> nn.Module:
        """The encoder of what is given, from `options`, `metadata` and `pieces`; see
        `ostinato.tasks.seq2seq`.
        """
        raise NotImplementedError

    def sources(self, examples: Examples) -> Sequence[np.ndarray]:
        """What is given in each row, as numbers."""
        raise NotImplementedError

    def encoder_inputs(self, sources: list[np.ndarray]) -> tuple[torch.Tensor, ...]:
        """These as what the encoder is called with."""
        return padded(sources, PAD)

    def positions(self, source: np.ndarray) -> int:
        """How many places the encoder makes of what is given, for attention to look at."""
        return len(source)

    def shown_source(self, x, name: str | None) -> str:
        """What was given, for a line of the report."""
        raise NotImplementedError

    def words(self, learned: Examples) -> Sequence[str]:
        """The texts that the vocabulary is made from."""
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
        # and one for the end
        return {} if options.length else {"length": longest + longest // 4 + 2}

    def check(self):
        if self.vocabulary is None or self.options.length is None:
            raise InputError("it has no vocabulary, or no option 'length'")
        if (self.vocabulary.kind, self.vocabulary.lowercase) != (self.options.tokens, False):
            raise InputError("its vocabulary is not that of the option 'pieces'")

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
        """The numbers of the pieces of each text."""
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
        """The measures of sentences beside the right ones, the goal first."""
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
            # without the places past the row's own end, which are there for longer rows beside it
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
                "given": self.shown_source(examples["x"][k], names[k]),
                "right": wanted[k],
                "written": texts[k],
            }

        # chrF of each alone says how near it is; words are too few in one sentence
        near = [
            metrics.translation([text], [right])["chrf"] or 0.0
            for text, right in zip(texts[:WRITTEN], wanted)
        ]
        order = sorted(range(len(near)), key=near.__getitem__)
        longest = nlargest(5, range(len(wanted)), key=lambda k: len(wanted[k]))
        kinds = {
            "The most wrong": order[:10],
            "The most right": [k for k in order[::-1] if texts[k] == wanted[k]][:10],
            "Longest": longest,
        }
        return {
            "examples": {name: [row(k) for k in found] for name, found in kinds.items()},
            "lengths": [len(one.tokens) for one in written],
            "length_unit": "pieces written",
        } | self.attention_parts(examples, written, order)

    def attention_parts(
        self, examples: Examples, written: Sequence[Hypothesis], order: list[int]
    ) -> dict:
        """The parts of the report that show where the model looked as it wrote.

        Args:
            examples: What was given.
            written: What was written.
            order: The numbers of some rows, the most wrong first.
        """
        raise NotImplementedError


class _Written:
    """Gathers the nats of rows, and the sentences written for the first of them."""

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

    def result(self):
        return self.task.sentence_metrics(self.texts, self.wanted) | {
            "nats_per_token": self.nats / max(1, self.count)
        }


def _stored(one: Hypothesis) -> np.ndarray:
    """A sentence as numbers: its score, whether it ended, the shape (T, S) of its attention, its T
    pieces, and the attention.
    """
    attention = one.attention.cpu().double().numpy()
    return np.concatenate(
        [[one.score, one.ended, *attention.shape], one.tokens, attention.reshape(-1)]
    )


def _hypothesis(stored: np.ndarray) -> Hypothesis:
    """What `_stored` was given."""
    score, ended, count, places = float(stored[0]), bool(stored[1]), int(stored[2]), int(stored[3])
    tokens, attention = np.split(stored[4:], [count])
    return Hypothesis(
        tokens.astype(int).tolist(),
        score,
        ended,
        torch.from_numpy(attention.reshape(count, places)).float(),
    )
