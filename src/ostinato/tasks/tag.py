"""Many to many, aligned: a tag for each word of a sentence."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .. import measures
from ..data import compose
from ..errors import InputError
from ..examples import Examples
from ..formats import read_unpacked_text
from ..options import LEARNING, MODEL, option
from ..pieces import PAD, SPECIAL, UNKNOWN, Pieces
from ..problem import padded, within
from ..sequences import read_tagged
from .layer import layer_of
from .scores import Scores
from .spelling import WORDS, SpelledWords, Spelling, SpellingOptions, spelled_batch
from .task import Inside, Task


@dataclass(frozen=True)
class TagOptions(SpellingOptions):
    """What can be chosen for a tagger."""

    hidden: int = option(160, "Units of each layer and direction, over the words.", low=1, high=16384)
    least: int = option(2, "How often a word has to be there to have units of its own; others are known by their characters.",
                        panel=WORDS, low=1, high=10**6)
    column: str | None = option(None, "The column of the tags: upos, xpos, or its number, counted from 0.", panel="Columns",
                                found="upos of CoNLL-U, else the second")
    batch: int = option(32, "Sentences of a batch.", panel=LEARNING, low=1, high=65536)
    word_dropout: float = option(0.2, "Rate at which words are taken for unknown ones in training.", panel=LEARNING, low=0,
                                 high=0.9)
    label_smoothing: float = option(0.05, "Part of the certainty that is spread over all tags in learning.", panel=LEARNING,
                                    low=0, high=0.9)
    dropout: float = option(0.4, "Rate of dropout, on the input, between layers and before the readout.", panel=MODEL, low=0,
                            high=0.99)


# ---------------------------------------------------------------- a label for each step


def rows_of(steps, lengths: list[int]) -> list[list]:
    """What is one behind another, as rows of these lengths."""
    ends = np.cumsum([0, *lengths])
    return [steps[start:end] for start, end in zip(ends[:-1], ends[1:])]


def stepwise_loss(task: Task, batch: tuple[torch.Tensor, ...], smoothing: float) -> tuple[torch.Tensor, int]:
    """Summed loss of a batch over its steps, and how many these are."""
    labels = batch[-1]
    return F.cross_entropy(task.scores(batch), labels, reduction="sum", label_smoothing=smoothing), len(labels)


def split_filled(task: Task, every: Examples, column: str) -> tuple[Examples, Examples]:
    """As `Task.split`, without the rows that have no steps: of these nothing can be learned, and nothing measured."""
    return every.take([k for k, row in enumerate(every[column]) if len(row)]).split(task.options.held_out, task.options.seed)


# ---------------------------------------------------------------- the model


class TagModel(SpelledWords):
    """Words, each by itself and by its characters, through layers over all to a score for each tag.

    Args:
        words: Words that have units of their own, with the special ones.
        letters: Characters, with the special ones.
        tags: C.
        options: Sizes and rates.
    """

    def __init__(self, words: int, letters: int, tags: int, options: TagOptions):
        super().__init__(words, letters, options)
        self.recurrent, outputs = layer_of(options, self.units, bidirectional=True)
        self.readout = nn.Linear(outputs, tags)

    def scores(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores (N, C) of all words, sentence after sentence, from what `embedded` gives."""
        output, _ = self.recurrent(x, lengths=lengths)
        return self.readout(self.dropout(output[within(lengths, output.shape[1])]))


# ---------------------------------------------------------------- the task


class Tagger(Task):
    """Learns a tag for each word: parts of speech, names, any labels.

    Data is a file with a word, a tab and its tag in a line and an empty line between sentences, or a CoNLL-U file (see
    `ostinato.sequences.read_tagged`), or a pair in memory: sentences as lists of words, and a list of tags for each.

    Args:
        options: Those of `TagOptions`, by name.

    Example:
        >>> from ostinato.tasks import Tagger
        >>> sentences, tags = [["the", "dog"], ["a", "cat"], ["dogs", "bark"]] * 8, [["D", "N"], ["D", "N"], ["N", "V"]] * 8
        >>> model = Tagger(hidden=8, embedding=8, epochs=20, patience=0, learning_rate=0.02).fit((sentences, tags))
        >>> model.predict(["the cat"])
        [{'words': ['the', 'cat'], 'tags': ['D', 'N']}]
    """

    name, Options, goal, higher = "tag", TagOptions, "accuracy", True
    summary = "Many to many, aligned: a tag for each word."
    data = "A word, a tab and its tag in a line, an empty line between sentences; or CoNLL-U (.conllu). Also .gz."

    def read(self, data, *, labelled=True):
        if isinstance(data, (str, Path)):
            words, tags, about = self._read_file(Path(data), labelled)
            return Examples({"words": words, "tags": tags}, source=str(data), about=about)
        words, tags = data if labelled else (data, None)
        words = [[compose(word) for word in (row.split() if isinstance(row, str) else row)] for row in words]
        for number, row in enumerate(words, 1):
            if "" in row:
                raise InputError(f"sentence {number}: word {row.index('') + 1} is empty; leave it out")
        if tags is not None:
            tags = [[str(tag) for tag in row] for row in tags]
            if len(tags) != len(words):
                raise InputError(f"{len(words)} sentences and {len(tags)} rows of tags; give a row of tags for each sentence")
            for number, (row, right) in enumerate(zip(words, tags), 1):
                if len(row) != len(right):
                    raise InputError(f"sentence {number} has {len(row)} words and {len(right)} tags; give a tag for each word")
        return Examples({"words": words, "tags": tags}, source="the given sentences")

    def _read_file(self, path: Path, labelled: bool):
        if not labelled and not str(path).removesuffix(".gz").endswith(".conllu"):
            lines = read_unpacked_text(path).rstrip("\n").split("\n")
            if any(" " in line.strip() for line in lines) and not any("\t" in line for line in lines):
                # sentences, one in a line, as standard input has them
                return [line.split() for line in lines], None, {}
        try:
            found = read_tagged(path, column=self.options.column)
        except InputError:
            # to be tagged, words need no such column
            if labelled or self.options.column is None:
                raise
            found = read_tagged(path)
        if labelled and found.tags is None:
            raise InputError(f"{str(path)!r} has words and no tags; write a tab and the tag behind each word, "
                             "or name the column with --column")
        return found.words, found.tags, found.columns

    def line(self, text):
        return [text]

    def shown(self, answer):
        return " ".join(f"{word}/{tag}" for word, tag in zip(answer["words"], answer["tags"]))

    def epochs(self, rows):
        return max(5, min(30, 100_000 / rows))

    def split(self, every):
        return split_filled(self, every, "words")

    def prepare(self, learned, every):
        counts = Counter(tag for row in every["tags"] for tag in row)
        if len(counts) < 2:
            raise InputError(f"{every.source}: all words have the tag {next(iter(counts))!r}; "
                             "a tagger needs two tags or more to tell apart")
        words = Counter(word for row in learned["words"] for word in row)
        spelling = Spelling.of(words, self.options.characters, least=2 if len(learned) >= 1000 else 1)
        lowered = Counter()
        for word, count in words.items():
            lowered[_lowered(word)] += count
        # Of all words, to tell which were never seen; those that are there often enough come first, and have units of their own.
        order = sorted(lowered, key=lambda word: (-lowered[word], word))
        self.pieces = _vocabulary(order)
        self.knows = {"tags": sorted(counts), "counts": [counts[tag] for tag in sorted(counts)], "columns": every.about,
                      "embedded": len(SPECIAL) + sum(count >= self.options.least for count in lowered.values()),
                      "letters": spelling.letters}
        return {"characters": spelling.apart}

    def build(self):
        return TagModel(self.knows["embedded"], len(SPECIAL) + len(self.knows["letters"]), len(self.knows["tags"]), self.options)

    def encode(self, examples):
        spelling = Spelling(self.options.characters, self.knows["letters"])
        spelled = spelling.spell_each(word for row in examples["words"] for word in row)
        numbers = {word: self._number(word) for word in spelled}
        tags = {tag: k for k, tag in enumerate(self.knows["tags"])}
        return [(np.array([numbers[word] for word in row], np.int32), [spelled[word] for word in row],
                 # -1: a tag that was not there in training, or is not known
                 np.array([tags.get(tag, -1) for tag in right] if right is not None else [-1] * len(row), np.int64))
                for row, right in zip(examples["words"], examples["tags"] or [None] * len(examples))]

    def _number(self, word: str) -> int:
        number = self.pieces.tokenizer.token_to_id(_lowered(word))
        # a word that spells a mark, as "<pad>", is a word
        return number if number is not None and len(SPECIAL) <= number < self.knows["embedded"] else UNKNOWN

    def collate(self, rows):
        words, lengths = padded([numbers for numbers, _, _ in rows], PAD)
        places, spelled, spelled_lengths = spelled_batch([spelled for _, spelled, _ in rows])
        tags = torch.from_numpy(np.concatenate([tags for _, _, tags in rows]))
        return words, places, lengths, spelled, spelled_lengths, tags

    def scores(self, batch) -> torch.Tensor:
        """Scores (N, C) of the words of a batch, sentence after sentence."""
        words, places, lengths, spelled, spelled_lengths, _ = batch
        if self.model.training and self.options.word_dropout:
            dropped = torch.rand(words.shape, device=words.device) < self.options.word_dropout
            words = words.masked_fill(dropped & (words != PAD), UNKNOWN)
        return self.model.scores(self.model.embedded(words, places, spelled, spelled_lengths), lengths)

    def loss(self, batch):
        return stepwise_loss(self, batch, self.options.label_smoothing)

    def measuring(self):
        return Scores(self)

    def _tags(self, examples: Examples) -> list[list[str]]:
        scores, _ = Scores.of(self, self.encode(examples))
        return rows_of([self.knows["tags"][k] for k in scores.argmax(1).tolist()], [len(row) for row in examples["words"]])

    def measures(self, examples):
        lowered = [[_lowered(word) for word in row] for row in examples["words"]]
        found = measures.tagging(self._tags(examples), examples["tags"], words=lowered, known=self.pieces.tokenizer.get_vocab())
        unseen = sum(tag not in self.knows["tags"] for row in examples["tags"] for tag in row)
        return found | ({"labels_unseen": unseen} if unseen else {})

    def answers(self, examples):
        # to leave the model alone where there is nothing to read
        tags = self._tags(examples) if len(examples) else []
        return [{"words": words, "tags": row} for words, row in zip(examples["words"], tags)]

    def inside(self, data):
        examples = self.read(data, labelled=False)
        row, = self.encode(examples)
        if not len(row[0]):
            raise InputError("an empty sentence has no words to look at; give some")
        words, places, lengths, spelled, spelled_lengths, _ = self.collate([row])
        x = self.model.embedded(words, places, spelled, spelled_lengths).detach()
        with torch.no_grad():
            scores = self.model.scores(x, lengths)
        at = int(torch.softmax(scores, 1).amax(1).argmin())
        tag, tokens = int(scores[at].argmax()), examples["words"][0]
        return Inside(self.model.recurrent, x, tokens, lambda x: self.model.scores(x[None], lengths)[at, tag],
                      f"score of {self.knows['tags'][tag]} for {tokens[at]!r}, the word that it is least sure of")

    def report_parts(self, examples):
        names, counts = self.knows["tags"], dict(zip(self.knows["tags"], self.knows["counts"]))
        scores, labels = Scores.of(self, self.encode(examples))
        probabilities, seen = torch.softmax(scores.double(), 1), labels >= 0
        sure, given = probabilities.max(1)
        lengths = [len(row) for row in examples["words"]]
        known = self.pieces.tokenizer.get_vocab()
        places = [(row, k, tag) for row, tags in zip(examples["words"], examples["tags"]) for k, tag in enumerate(tags)]
        words = [{"right": right, "given": names[g], "sure": f"{s:.2f}", "word": row[k],
                  "seen in training": "yes" if _lowered(row[k]) in known else "no",
                  "sentence": " ".join([*row[max(0, k - 6):k], f"[{row[k]}]", *row[k + 1:k + 7]])}
                 for (row, k, right), g, s in zip(places, given.tolist(), sure.tolist())]
        order = sorted(range(len(words)), key=lambda k: -float(sure[k]))
        wrong = [k for k in order if words[k]["right"] != words[k]["given"]]
        right = [k for k in reversed(order) if words[k]["right"] == words[k]["given"]]
        most, rarest = max(counts, key=counts.get), min(counts, key=counts.get)
        sentences = sorted(zip(examples["words"], rows_of(words, lengths)), key=lambda pair: -len(pair[0]))[:5]
        longest = [{"words": len(row), "wrong": sum(one["right"] != one["given"] for one in found),
                    "sentence": _cut(" ".join(f"{one['word']}/{one['given']}" for one in found))} for row, found in sentences]
        chosen = {"Wrong, the surest first": wrong,
                  "Wrong, words not seen in training": [k for k in wrong if words[k]["seen in training"] == "no"],
                  "Right, the least sure first": right,
                  f"Of the rarest tag, {rarest}": [k for k in order if words[k]["right"] == rarest]}
        usual = sum(one["right"] == most for one in words) / max(1, len(words))
        return {
            "baseline": {"accuracy": usual}, "baseline_name": f"always {most}",
            "labels": counts, "lengths": lengths, "length_of": "words",
            "confusion": (names, measures.confusion(given[seen], labels[seen], len(names))),
            "examples": {name: [words[k] for k in found[:10]] for name, found in chosen.items() if found} | {"Longest": longest}}


def _lowered(word: str) -> str:
    return compose(word.lower())


def _vocabulary(words: list[str]) -> Pieces:
    """A vocabulary of words that are taken whole, numbered in this order."""
    from tokenizers import Tokenizer, models

    # a word that spells a mark has no units of its own
    numbers = {word: number for number, word in enumerate([*SPECIAL, *(word for word in words if word not in SPECIAL)])}
    return Pieces("word", Tokenizer(models.WordLevel(numbers, unk_token=SPECIAL[UNKNOWN])))


def _cut(text: str) -> str:
    return text if len(text) <= 400 else text[:399] + "…"
