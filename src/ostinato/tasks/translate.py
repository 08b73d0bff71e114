"""Many to many, not aligned: translates a sentence into another."""

import torch

from ..data.disk import Concatenation
from ..data.examples import Examples, pair_of
from ..data.text import given_text
from ..errors import InputError
from .options import TranslateOptions
from .sentences import SentenceTask
from .seq2seq import TextEncoder
from .task import Inside

__all__ = ["Translator"]


class Translator(SentenceTask):
    """Writes a sentence for a sentence: in another language, another style, or as pronunciation.

    Data is a TSV, CSV, JSONL or Parquet file of pairs (see `ostinato.data.readers.read_pairs`), or
    a pair in memory: a list of source sentences and a list of target sentences. Both share one
    vocabulary.

    Args:
        options: The options of `TranslateOptions`, by name.

    Example:
        >>> from ostinato.tasks import Translator
        >>> numbers = ["1", "2", "1 2", "2 1"] * 16
        >>> words = ["one", "two", "one two", "two one"] * 16
        >>> model = Translator(
        ...     hidden=16, embedding=16, tokens="word", epochs=30, learning_rate=0.02, patience=0
        ... )
        >>> model.fit((numbers, words)).predict(["2 1"])[0]
        'two one'
    """

    name, Options, goal, higher_is_better = "translate", TranslateOptions, "bleu", True
    line_is = "a sentence"

    def given_rows(self, data, labelled):
        sources, targets = (
            pair_of(data, "sentences and what is to be written for each")
            if labelled
            else (data, None)
        )
        sources, targets = (
            [given_text(str(text)) for text in texts] if texts is not None else None
            for texts in (sources, targets)
        )
        if targets is not None and len(sources) != len(targets):
            raise InputError(
                f"{len(sources)} sentences and {len(targets)} to be written; give one for each"
            )
        return Examples({"x": sources, "target": targets, "name": None}, source="the given pairs")

    def words(self, learned):
        return Concatenation(learned["x"], learned["target"])

    def epochs(self, rows):
        return max(6, min(40, 600_000 / rows))

    def encoder(self):
        options = self.options
        return TextEncoder(
            len(self.vocabulary),
            embedding=options.embedding,
            hidden=options.hidden,
            layers=options.layers,
            cell=options.cell,
            dropout=options.dropout,
            engine=options.engine,
        )

    def sources(self, examples):
        return self.numbers(examples["x"])

    def shown_source(self, x, name):
        return x

    def attention_parts(self, examples, written, order):
        # sentences short enough to draw
        chosen = [
            k
            for k in order[::-1]
            if 4 <= len(written[k].tokens) <= 20 and written[k].attention.numel()
        ][:4]
        sources = dict(zip(chosen, self.vocabulary.encode([examples["x"][k] for k in chosen])))
        return {
            "attention": [
                (
                    self.vocabulary.spelled(sources[k]),
                    self.vocabulary.spelled(written[k].tokens),
                    written[k].attention.numpy(),
                )
                for k in chosen
            ]
        }

    def inside(self, data):
        (source,) = self.sources(self.read(data, labelled=False))
        if not len(source):
            raise InputError("an empty input has no steps to look at; give some")
        x, lengths = self.encoder_inputs([source])
        encoder = self.model.encoder
        ((best,),) = self.model.decode(
            x,
            lengths,
            beams=self.options.beams,
            length=self.options.length,
            length_norm=self.options.length_norm,
        )
        target = torch.tensor([best.tokens], dtype=torch.int64)
        return Inside(
            encoder.recurrent,
            encoder.steps(x).detach(),
            self.vocabulary.spelled(source),
            lambda x: (
                -self.model.loss_from_encoded(
                    encoder.read(x[None], lengths), target, torch.tensor([len(best.tokens)])
                )[0]
            ),
            f"log-probability of {self.vocabulary.decode(best.tokens)!r}",
        )
