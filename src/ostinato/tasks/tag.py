"""Many to many, aligned: a tag for each word of a sentence."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from heapq import nlargest, nsmallest
from itertools import chain

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..data.batching import padded
from ..data.disk import LazySequence, StoredNumbers
from ..data.examples import Examples, pair_of
from ..data.spans import OUTSIDE, may_follow, scheme_of
from ..data.text import compose, given_text
from ..data.values import label_numbers, label_of
from ..data.vocabulary import PAD, SPECIAL, UNKNOWN, Vocabulary
from ..errors import InputError
from ..nn.crf import LinearChainCRF
from ..nn.lengths import within
from ..training import metrics
from ..training.wording import translator
from .layer import layer_of
from .metadata import TagMetadata
from .options import TagOptions
from .scores import Scores
from .spelling import REMEMBERED, SpelledWords, Spelling, spelled_batch
from .task import Inside, Task

__all__ = ["TagModel", "Tagger"]

# The smallest probability to take the logarithm of.
LEAST = 1e-300
# A terminal shows confidence below this one.
UNSURE = 0.9
# The universal parts of speech. Source: universaldependencies.org/u/pos
UNIVERSAL_TAGS = set(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)

# ---------------------------------------------------------------- a label for each step


def rows_of(given: StoredNumbers, names: list[str], lengths: Sequence[int]) -> LazySequence:
    """Split concatenated label numbers into rows of label names."""
    ends = np.cumsum([0, *lengths])
    return LazySequence(
        len(lengths),
        lambda k: [names[number] for number in given[int(ends[k]) : int(ends[k + 1])].tolist()],
    )


def stepwise_loss(
    scores: torch.Tensor, labels: torch.Tensor, smoothing: float
) -> tuple[torch.Tensor, int]:
    """Summed loss over the steps of a batch, scores (N, C) and labels (N,), and their number."""
    loss = F.cross_entropy(scores, labels, reduction="sum", label_smoothing=smoothing)
    return loss, len(labels)


def filled(rows: Sequence) -> np.ndarray:
    """The positions of the rows that have steps."""
    return np.flatnonzero(np.fromiter(map(len, rows), np.int32, len(rows)))


def split_filled(task: Task, every: Examples, column: str) -> tuple[Examples, Examples]:
    """As `Task.split`, without empty rows."""
    return every.take(filled(every[column])).split(task.options.held_out, task.options.seed)


# ---------------------------------------------------------------- the model


class TagModel(SpelledWords):
    """Word representations, recurrent layers, a score for each tag, and scores of tags after tags.

    Args:
        words: Number of words with an embedding of their own, including special tokens.
        letters: Number of characters, including special tokens.
        tags: C.
        options: Sizes and rates; `transitions` for a CRF.
        allowed: Whether a tag may follow another, for `LinearChainCRF`.
    """

    def __init__(
        self,
        words: int,
        letters: int,
        tags: int,
        options: TagOptions,
        *,
        allowed: torch.Tensor | None = None,
    ):
        super().__init__(words, letters, options)
        self.recurrent, outputs = layer_of(options, self.units, bidirectional=True)
        self.readout = nn.Linear(outputs, tags)
        self.crf = LinearChainCRF(tags, allowed=allowed) if options.transitions else None

    def scores(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores (N, C) of all words, sentence by sentence, from the output of `embedded`."""
        output, _ = self.recurrent(x, lengths=lengths)
        return self.readout(self.dropout(output[within(lengths, output.shape[1])]))


class TagScores(Scores):
    """Accumulates predictions, and finds the best tags of whole sentences for a model with a CRF.

    Attributes:
        lengths: The number of words of each sentence.
    """

    def __init__(self, task: "Tagger"):
        super().__init__(task)
        self.lengths = StoredNumbers(np.int32)

    def take(self, scores, batch):
        crf, lengths = self.task.model.crf, batch[2]
        self.lengths.extend(lengths.cpu().numpy())
        if crf is None:
            super().take(scores, batch)
            return
        scores = rows_of_words(scores, lengths)
        inside = within(lengths, scores.shape[1])
        self.count(
            crf.marginals(scores, lengths)[inside].clamp(min=LEAST).log().cpu(),
            batch[-1].cpu(),
            crf.best(scores, lengths)[inside].cpu(),
        )

    def result(self):
        """As `Scores.result`; with the span F1 first if the tags mark spans."""
        found, metadata = super().result(), self.task.metadata
        if metadata.scheme is None:
            return found
        # -1 is the last name: a tag that did not occur in training
        names = [*metadata.tags, "?"]
        given, right = (
            rows_of(numbers, names, self.lengths[:].tolist())
            for numbers in (self.given, self.labels)
        )
        return {"span_f1": metrics.tagging(given, right, spanned=True)["span_f1"]} | found


def rows_of_words(flat: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Values (N, C) of words, sentence by sentence, as (B, T, C), with 0 after the end of a row."""
    inside = within(lengths, int(lengths.max()))
    return flat.new_zeros(*inside.shape, flat.shape[1]).masked_scatter(inside[..., None], flat)


# ---------------------------------------------------------------- the task


class Tagger(Task):
    """Predicts a tag for each word: parts of speech, named entities, or other labels.

    Data is a file with a word, a tab and a tag per line and an empty line between sentences, a
    CoNLL-U file (see `ostinato.data.annotated.read_tagged`), or a pair in memory: sentences as
    lists of words, and a list of tags for each.

    Args:
        options: The options of `TagOptions`, by name.

    Example:
        >>> from ostinato.tasks import Tagger
        >>> sentences, tags = [["the", "dog"], ["a", "cat"], ["dogs", "bark"]] * 8, [["D", "N"],
        ...     ["D", "N"], ["N", "V"]] * 8
        >>> model = Tagger(hidden=8, embedding=8, epochs=20, patience=0,
        ...     learning_rate=0.02).fit(sentences, tags)
        >>> model.predict(["the cat"])
        [['D', 'N']]
    """

    name, Options, higher_is_better = "tag", TagOptions, True
    line_is = "a sentence"
    vocabulary_from_json = staticmethod(partial(Vocabulary.from_json, split=False))

    @property
    def goal(self):
        """The metric that selects the best weights: the span F1 where tags mark spans."""
        return "span_f1" if self.metadata and self.metadata.scheme else "accuracy"

    def given_rows(self, data, labelled):
        words, tags = pair_of(data, "sentences and their tags") if labelled else (data, None)
        words = [
            [given_text(word) for word in (row.split() if isinstance(row, str) else row)]
            for row in words
        ]
        for number, row in enumerate(words, 1):
            if "" in row:
                raise InputError(
                    f"sentence {number}: word {row.index('') + 1} is empty; leave it out"
                )
        if tags is not None:
            tags = [
                [label_of(tag, f"a tag of sentence {number}") for tag in row]
                for number, row in enumerate(tags, 1)
            ]
            if len(tags) != len(words):
                raise InputError(
                    f"{len(words)} sentences and {len(tags)} rows of tags; give a row of tags for "
                    "each sentence"
                )
            for number, (row, right) in enumerate(zip(words, tags), 1):
                if len(row) != len(right):
                    raise InputError(
                        f"sentence {number} has {len(row)} words and {len(right)} tags; give a tag "
                        "for each word"
                    )
        return Examples({"words": words, "tags": tags}, source="the given sentences")

    def values(self, answers):
        return [answer["tags"] for answer in answers]

    def shown(self, answer):
        return " ".join(f"{word}/{tag}" for word, tag in zip(answer["words"], answer["tags"]))

    def shown_at_terminal(self, answer):
        sure = (f" ({share:.2f})" if share < UNSURE else "" for share in answer["confidence"])
        rows = zip(answer["words"], answer["tags"], sure)
        return " ".join(f"{word}/{tag}{share}" for word, tag, share in rows)

    def epochs(self, rows):
        return max(5, min(30, 100_000 / rows))

    def split(self, every):
        return split_filled(self, every, "words")

    def prepare(self, learned, every):
        counts = Counter(tag for row in every["tags"] for tag in row)
        if len(counts) < 2:
            raise InputError(
                f"{every.source}: all words have the tag {next(iter(counts))!r}; a tagger needs "
                "two tags or more"
            )
        words = Counter(word for row in learned["words"] for word in row)
        spelling = Spelling.of(
            words, self.options.characters, min_count=2 if len(learned) >= 1000 else 1
        )
        lowered = Counter()
        for word, count in words.items():
            lowered[_lowered(word)] += count
        # All words are in the vocabulary, to know which were seen in training. The frequent ones
        # come first and have embeddings.
        order = sorted(lowered, key=lambda word: (-lowered[word], word))
        self.vocabulary = _vocabulary(order)
        self.metadata = TagMetadata(
            sorted(counts),
            counts=[counts[tag] for tag in sorted(counts)],
            columns=every.about,
            letters=spelling.letters,
            embedded=len(SPECIAL)
            + sum(count >= self.options.min_count for count in lowered.values()),
            scheme=scheme_of(every["tags"]),
        )
        given = self.options.transitions
        return {
            "characters": spelling.scheme,
            "transitions": self.metadata.scheme is not None if given is None else given,
        }

    def check(self):
        if self.vocabulary is None or self.options.characters is None:
            raise InputError("it has no vocabulary, or no option 'characters'")
        if (self.vocabulary.kind, self.vocabulary.lowercase) != ("word", False) or not len(
            SPECIAL
        ) <= self.metadata.embedded <= len(self.vocabulary):
            raise InputError("its vocabulary is not one of words, with the 'embedded' ones first")

    def build(self):
        return TagModel(
            self.metadata.embedded,
            len(SPECIAL) + len(self.metadata.letters),
            len(self.metadata.tags),
            self.options,
            allowed=_allowed(self.metadata),
        )

    def encode(self, examples):
        spelling = Spelling(self.options.characters, self.metadata.letters)
        number = lru_cache(maxsize=REMEMBERED)(self._number)
        given = chain.from_iterable(examples["tags"] or ())
        tags = label_numbers(self.metadata.tags, given, examples.source)

        def row_of(k: int):
            row = examples["words"][k]
            # -1: a tag that did not occur in training, or is not known
            right = (
                [-1] * len(row)
                if examples["tags"] is None
                else [tags.get(tag, -1) for tag in examples["tags"][k]]
            )
            return (
                np.array([number(word) for word in row], np.int32),
                [spelling.spell(word) for word in row],
                np.array(right, np.int64),
            )

        return LazySequence(len(examples), row_of)

    def _number(self, word: str) -> int:
        number = self.vocabulary.tokenizer.token_to_id(_lowered(word))
        # a word that equals a special token such as "<pad>" is a word
        return (
            number
            if number is not None and len(SPECIAL) <= number < self.metadata.embedded
            else UNKNOWN
        )

    def collate(self, rows):
        words, lengths = padded([numbers for numbers, _, _ in rows], PAD)
        places, spelled, spelled_lengths = spelled_batch([spelled for _, spelled, _ in rows])
        tags = torch.from_numpy(np.concatenate([tags for _, _, tags in rows]))
        return words, places, lengths, spelled, spelled_lengths, tags

    def scores(self, batch) -> torch.Tensor:
        """Scores (N, C) of the words of a batch, sentence by sentence."""
        words, places, lengths, spelled, spelled_lengths, _ = batch
        if self.model.training and self.options.word_dropout:
            dropped = torch.rand(words.shape, device=words.device) < self.options.word_dropout
            words = words.masked_fill(dropped & (words != PAD), UNKNOWN)
        return self.model.scores(
            self.model.embedded(words, places, spelled, spelled_lengths), lengths
        )

    def loss(self, batch):
        return self.scores_and_loss(batch)[1]

    def scores_and_loss(self, batch) -> tuple[torch.Tensor, tuple[torch.Tensor, int]]:
        """The results of `scores` and `loss`, from one call of the model."""
        scores, lengths, tags = self.scores(batch), batch[2], batch[-1]
        if self.model.crf is None:
            return scores, stepwise_loss(scores, tags, self.options.label_smoothing)
        rows, right = (rows_of_words(flat, lengths) for flat in (scores, tags[:, None]))
        likelihoods = self.model.crf.log_likelihood(rows, right[..., 0], lengths)
        return scores, (-likelihoods.sum(), len(tags))

    def evaluator(self):
        return TagScores(self)

    def _tags(self, examples: Examples, scores: Scores) -> LazySequence:
        return rows_of(scores.given, self.metadata.tags, [len(row) for row in examples["words"]])

    def compute_metrics(self, examples):
        lowered = LazySequence(
            len(examples), lambda k: [_lowered(word) for word in examples["words"][k]]
        )
        tags = self._tags(examples, TagScores.of(self, self.encode(examples)))
        found = metrics.tagging(
            tags,
            examples["tags"],
            words=lowered,
            known=self.vocabulary.tokenizer.get_vocab(),
            spanned=self.metadata.scheme is not None,
        )
        found = {self.goal: found[self.goal]} | found
        known = set(self.metadata.tags)
        unseen = sum(tag not in known for row in examples["tags"] for tag in row)
        return found | ({"labels_unseen": unseen} if unseen else {})

    def answers(self, examples):
        # the model is not called without input
        if not len(examples):
            return []
        scores = TagScores.of(self, self.encode(examples))
        ends = np.cumsum([0, *map(len, examples["words"])]).tolist()
        return [
            {
                "words": words,
                "tags": tags,
                "confidence": scores.sure[start:end].round(4).tolist(),
            }
            for words, tags, start, end in zip(
                examples["words"], self._tags(examples, scores), ends, ends[1:]
            )
        ]

    def conllu(self, answers: Iterable[dict]) -> Iterator[str]:
        """Predictions as CoNLL-U, a string for each sentence.

        The column of the tags is UPOS if all tags are universal parts of speech, otherwise XPOS.
        The column MISC has their confidence.

        Args:
            answers: The result of `predict_dicts`.

        Raises:
            InputError: A word has a tab or a line break.

        Source:
            universaldependencies.org/format.html
        """
        universal = set(self.metadata.tags) <= UNIVERSAL_TAGS
        for answer in answers:
            rows = zip(answer["words"], answer["tags"], answer["confidence"])
            lines = []
            for number, (word, tag, sure) in enumerate(rows, 1):
                if set(word) & set("\t\n\r"):
                    raise InputError(
                        f"word {word!r} has a tab or a line break, which CoNLL-U cannot have; "
                        "remove it, or write another format"
                    )
                upos, xpos = (tag, "_") if universal else ("_", tag)
                misc = f"Confidence={sure}"
                lines.append("\t".join([str(number), word, "_", upos, xpos, *"____", misc]))
            if lines:
                yield "\n".join(lines) + "\n\n"

    def inside(self, data):
        examples = self.read(data, labelled=False)
        (row,) = self.encode(examples)
        if not len(row[0]):
            raise InputError("an empty sentence has no words to inspect; give a longer sentence")
        words, places, lengths, spelled, spelled_lengths, _ = self.collate([row])
        x = self.model.embedded(words, places, spelled, spelled_lengths).detach()
        # with a CRF, the tag and its confidence depend on the whole sentence
        scores = TagScores.of(self, [row])
        at = int(scores.sure[:].argmin())
        tag, tokens = int(scores.given[:][at]), examples["words"][0]
        return Inside(
            self.model.recurrent,
            x,
            tokens,
            lambda x: self.model.scores(x[None], lengths)[at, tag],
            f"score of {self.metadata.tags[tag]} for {tokens[at]!r}, the word with the lowest "
            "confidence",
        )

    def report_parts(self, examples):
        names, counts = self.metadata.tags, dict(zip(self.metadata.tags, self.metadata.counts))
        scores = TagScores.of(self, self.encode(examples))
        given, known, lengths = (
            self._tags(examples, scores),
            self.vocabulary.tokenizer.get_vocab(),
            [len(row) for row in examples["words"]],
        )
        most, rarest = max(counts, key=counts.get), min(counts, key=counts.get)
        say = translator(self.options.language)

        def words() -> Iterator[tuple[float, tuple[int, int], str, str, str]]:
            """For each word: the probability of its tag, its sentence and position, the word,
            the true tag and the predicted tag.
            """
            places = (
                (k, place, *one)
                for k, rows in enumerate(zip(examples["words"], examples["tags"], given))
                for place, one in enumerate(zip(*rows))
            )
            sure = (
                number
                for start in range(0, len(scores.sure), 1024)
                for number in scores.sure[start : start + 1024].tolist()
            )
            return ((number, (k, place), *one) for number, (k, place, *one) in zip(sure, places))

        def row(one) -> dict:
            sure, (k, place), word, right, tag = one
            sentence = examples["words"][k]
            return {
                "true tag": right,
                "predicted": tag,
                "probability": f"{sure:.2f}",
                "word": word,
                "seen in training": say("yes" if _lowered(word) in known else "no"),
                "sentence": " ".join(
                    [
                        *sentence[max(0, place - 6) : place],
                        f"[{word}]",
                        *sentence[place + 1 : place + 7],
                    ]
                ),
            }

        def surest(wanted: Callable[[str, str, str], bool]) -> list[dict]:
            return [
                row(one)
                for one in nlargest(
                    10, (one for one in words() if wanted(*one[2:])), key=lambda one: one[0]
                )
            ]

        chosen = {
            "Most confident errors": surest(lambda word, right, tag: right != tag),
            "Errors on words not seen in training": surest(
                lambda word, right, tag: right != tag and _lowered(word) not in known
            ),
            "Least confident correct predictions": [
                row(one)
                for one in nsmallest(
                    10,
                    (one for one in words() if one[3] == one[4]),
                    key=lambda one: (one[0], (-one[1][0], -one[1][1])),
                )
            ],
            f"Rarest tag: {rarest}": surest(lambda word, right, tag: right == rarest),
        }
        longest = [
            {
                "words": lengths[k],
                "errors": sum(a != b for a, b in zip(examples["tags"][k], given[k])),
                "sentence": _cut(
                    " ".join(f"{word}/{tag}" for word, tag in zip(examples["words"][k], given[k]))
                ),
            }
            for k in nlargest(5, range(len(lengths)), key=lengths.__getitem__)
        ]
        usual = sum(tag == most for row in examples["tags"] for tag in row) / max(1, sum(lengths))
        return {
            "baselines": {f"always {most}": {"accuracy": usual}},
            "labels": counts,
            "lengths": lengths,
            "length_unit": "words",
            "confusion": (names, scores.confusion),
            "examples": {name: found for name, found in chosen.items() if found}
            | {"Longest": longest},
        } | scores.report_parts(lengths)


def _lowered(word: str) -> str:
    return compose(word.lower())


def _allowed(metadata: TagMetadata) -> torch.Tensor | None:
    """Whether a tag may follow another in the scheme of the tags, for `LinearChainCRF`."""
    if metadata.scheme in (None, "free"):
        return None
    edge = [*metadata.tags, OUTSIDE]
    return torch.tensor(
        [[may_follow(before, tag, metadata.scheme) for tag in edge] for before in edge],
        device="cpu",
    )


def _vocabulary(words: list[str]) -> Vocabulary:
    """A vocabulary of whole words, numbered in this order."""
    from tokenizers import Tokenizer, models

    # a word that equals a special token has no embedding of its own
    numbers = {
        word: number
        for number, word in enumerate([*SPECIAL, *(word for word in words if word not in SPECIAL)])
    }
    return Vocabulary("word", Tokenizer(models.WordLevel(numbers, unk_token=SPECIAL[UNKNOWN])))


def _cut(text: str) -> str:
    return text if len(text) <= 400 else text[:399] + "…"
