"""Many to one: a label for a text, or for a sequence of numbers (sensor rows, the rows of a picture)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .. import measures
from ..errors import InputError
from ..examples import Examples
from ..options import LEARNING, MODEL, Options, option
from ..pieces import KINDS, PAD, UNKNOWN, Pieces
from ..problem import padded, within
from ..tables import read_labelled
from .layer import layer_of
from .scores import Scores, measured
from .task import Inside, Task

TEXT = "Texts"


@dataclass(frozen=True)
class ClassifyOptions(Options):
    """What can be chosen for a classifier."""

    hidden: int = option(128, "Units of each layer and direction.", low=1, high=16384)
    bidirectional: bool = option(True, "Read in both directions.")
    embedding: int = option(128, "Units that stand for a word or character.", panel=TEXT, low=1, high=16384)
    pieces: str | None = option(None, "word, character or byte-pair.", panel=TEXT, among=KINDS, found="words; byte pairs from 20,000 rows")
    vocabulary_size: int = option(16000, "Pieces at most.", panel=TEXT, low=8, high=1_000_000)
    lower: bool = option(False, "Take capital letters for small ones.", panel=TEXT)
    text: str | None = option(None, "The column of the text.", panel="Columns", found="by its name or its values")
    label: str | None = option(None, "The column of the label.", panel="Columns", found="by its name")
    features: int | None = option(None, "Numbers of a step, where a row is a whole sequence.", panel="Columns", low=1, high=10**6, found="1")
    label_smoothing: float = option(0.1, "Part of the certainty that is spread over all labels in learning.", panel=LEARNING, low=0, high=0.9)
    class_weights: bool = option(False, "Have each label count the same in learning, however rare.", panel=LEARNING)
    word_dropout: float = option(0.05, "Rate at which pieces are taken for unknown ones in training.", panel=LEARNING, low=0, high=0.9)
    dropout: float = option(0.4, "Rate of dropout, on the input, between layers and before the readout.", panel=MODEL, low=0, high=0.99)


class ClassifyModel(nn.Module):
    """A sequence to a score for each label: layers, then the greatest and the mean output of all steps and the last state.

    Args:
        inputs: V pieces where the input is text, else F numbers of a step.
        labels: C.
        options: Sizes and rates.
        text: The input is text.
    """

    def __init__(self, inputs: int, labels: int, options: ClassifyOptions, *, text: bool):
        super().__init__()
        self.embedding = nn.Embedding(inputs, options.embedding, padding_idx=PAD) if text else None
        if text:
            nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = nn.Dropout(options.dropout)
        self.recurrent, units = layer_of(options, options.embedding if text else inputs, bidirectional=options.bidirectional)
        self.readout = nn.Linear(3 * units, labels)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores (B, C) of x: (B, T) numbers of pieces or (B, T, F) numbers; rows of length 0 are read as nothing."""
        return self.scores(self.embedded(x), lengths)

    def embedded(self, x: torch.Tensor) -> torch.Tensor:
        """What the layers are given: (B, T, units)."""
        return x if self.embedding is None else self.dropout(self.embedding(x))

    def scores(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores (B, C) of what `embedded` gives."""
        output, state = self.recurrent(x, lengths=lengths)
        inside = within(lengths, output.shape[1])[:, :, None]
        # outputs past the end are 0 already
        mean = output.sum(1) / lengths.clamp(min=1)[:, None]
        most = output.masked_fill(~inside, -torch.inf).amax(1).where(lengths[:, None] > 0, 0.0)
        h = state[0]
        last = h[-2:].transpose(0, 1).flatten(1) if self.recurrent.bidirectional else h[-1]
        return self.readout(self.dropout(torch.cat([most, mean, last], 1)))


class Classifier(Task):
    """Learns labels of texts or of sequences of numbers.

    Data is a CSV, TSV, JSONL or Parquet file with a label column (see `ostinato.tables.read_labelled`), an npz file with `x` and `y`,
    or a pair in memory: a list of texts, or of arrays (T,) or (T, F), and a list of labels.

    Args:
        options: Those of `ClassifyOptions`, by name.

    Example:
        >>> from ostinato.tasks import Classifier
        >>> texts, labels = ["good", "fine", "bad", "poor"] * 8, ["+", "+", "-", "-"] * 8
        >>> model = Classifier(hidden=8, embedding=8, epochs=40, patience=0).fit((texts, labels))
        >>> model.predict(["good"])[0]["label"]
        '+'
    """

    name, Options, goal, higher = "classify", ClassifyOptions, "accuracy", True
    summary = "Many to one: a label for a text, or for a sequence of numbers."
    data = "CSV, TSV, JSONL or Parquet (also .gz) with a label, or npz with x and y."

    def read(self, data, *, labelled=True):
        if isinstance(data, (str, Path)):
            found = read_labelled(Path(data), text=self.options.text, label=self.options.label, features=self.options.features)
            if labelled and found.labels is None:
                raise InputError(f"{str(data)!r} has no column of labels ({found.columns}); name it with --label")
            columns = {"x": found.texts if found.texts is not None else found.numbers, "label": found.labels}
            return Examples(columns, source=str(data), about=found.columns)
        x, labels = data if labelled else (data, None)
        x = [row if isinstance(row, str) else np.asarray(row, np.float32).reshape(len(row), -1) for row in x]
        return Examples({"x": x, "label": None if labels is None else [str(label) for label in labels]}, source="the given rows")

    @property
    def is_text(self) -> bool:
        """Whether it reads texts, not numbers."""
        return self.knows["units"] is None

    def line(self, text):
        if self.is_text:
            return [text]
        try:
            numbers = np.array([float(word) for word in text.replace(",", " ").split()], np.float32)
        except ValueError:
            raise InputError(f"{text!r} is no row of numbers; write them with commas or spaces between") from None
        if len(numbers) % self.knows["units"]:
            raise InputError(f"{len(numbers)} numbers do not divide into steps of {self.knows['units']}; write whole steps one after another")
        return [numbers.reshape(-1, self.knows["units"])]

    def prepare(self, learned, every):
        labels = sorted(set(every["label"]))
        if len(labels) < 2:
            raise InputError(f"{every.source}: all {len(every)} rows have the label {labels[0]!r}; a classifier needs two labels or more to tell apart")
        counts = [every["label"].count(label) for label in labels]
        text = isinstance(learned["x"][0], str)
        self.knows = {"labels": labels, "counts": counts, "columns": every.about, "units": None if text else int(learned["x"][0].shape[1])}
        if not text:
            steps = np.concatenate([row for row in learned["x"] if len(row)])
            self.knows |= {"mean": steps.mean(0).tolist(), "scale": np.maximum(steps.std(0), 1e-6).tolist()}
            return {}
        kind = self.options.pieces or ("byte-pair" if len(learned) >= 20_000 else "word")
        self.pieces = Pieces.of(learned["x"], kind, size=self.options.vocabulary_size, least=2 if len(learned) > 1000 else 1, lower=self.options.lower)
        return {"pieces": kind}

    def build(self):
        return ClassifyModel(len(self.pieces) if self.is_text else self.knows["units"], len(self.knows["labels"]), self.options, text=self.is_text)

    def encode(self, examples):
        if any(isinstance(row, str) != self.is_text for row in examples["x"]):
            raise InputError(f"{examples.source}: the model reads {'texts' if self.is_text else 'numbers'}, and this has {'numbers' if self.is_text else 'texts'}")
        if self.is_text:
            rows = self.pieces.encode(examples["x"])
        else:
            for number, row in enumerate(examples["x"]):
                if row.shape[1] != self.knows["units"]:
                    raise InputError(f"{examples.source}: row {number + 1} has {row.shape[1]} numbers a step, and the model learned from {self.knows['units']}")
            mean, scale = (np.array(self.knows[name], np.float32) for name in ("mean", "scale"))
            rows = [(row - mean) / scale for row in examples["x"]]
        numbers = {label: k for k, label in enumerate(self.knows["labels"])}
        labels = examples["label"] or [None] * len(rows)
        # -1: a label that was not there in training, which no answer can be
        return [(row, numbers.get(label, -1)) for row, label in zip(rows, labels)]

    def collate(self, rows):
        x, lengths = padded([row for row, _ in rows], PAD)
        return x, lengths, torch.tensor([label for _, label in rows])

    def loss(self, batch):
        x, lengths, labels = batch
        if self.is_text and self.model.training and self.options.word_dropout:
            x = x.masked_fill((torch.rand(x.shape, device=x.device) < self.options.word_dropout) & (x != PAD), UNKNOWN)
        weights = torch.tensor([sum(self.knows["counts"]) / len(self.knows["counts"]) / n for n in self.knows["counts"]],
                               device=x.device) if self.options.class_weights else None
        return F.cross_entropy(self.model(x, lengths), labels, weights, reduction="sum",
                               label_smoothing=self.options.label_smoothing), len(labels)

    def scores(self, batch) -> torch.Tensor:
        """Scores (B, C) of the rows of a batch."""
        return self.model(*batch[:2])

    def measuring(self):
        return Scores(self)

    def measures(self, examples):
        return measured(*Scores.of(self, self.encode(examples)))

    def answers(self, examples):
        scores, _ = Scores.of(self, self.encode(examples))
        found = []
        for row in torch.softmax(scores.double(), 1):
            order = torch.argsort(row, descending=True, stable=True).tolist()
            found.append({"label": self.knows["labels"][order[0]], "probabilities": {self.knows["labels"][k]: round(float(row[k]), 6) for k in order}})
        return found

    def inside(self, data):
        examples = self.read(data, labelled=False)
        (row, _), = self.encode(examples)
        if not len(row):
            raise InputError("an empty input has no steps to look at; give some")
        x, lengths, _ = self.collate([(row, -1)])
        label = self.knows["labels"].index(self.answers(examples)[0]["label"])
        tokens = self.pieces.spelled(row) if self.is_text else [" ".join(f"{n:.2g}" for n in step) for step in examples["x"][0]]
        return Inside(self.model.recurrent, self.model.embedded(x).detach(), tokens,
                      lambda x: self.model.scores(x[None], lengths)[0, label], f"score of {self.knows['labels'][label]}")

    def report_parts(self, examples):
        names, encoded = self.knows["labels"], self.encode(examples)
        scores, labels = Scores.of(self, encoded)
        probabilities = torch.softmax(scores.double(), 1)
        sure, given = probabilities.max(1)
        rows = [{"right": label, "given": names[g], "sure": f"{s:.2f}", "input": self._shown_input(x), "length": self.length(row)}
                for label, g, s, x, row in zip(examples["label"], given.tolist(), sure.tolist(), examples["x"], encoded)]
        order = torch.argsort(sure, descending=True, stable=True).tolist()
        wrong, right = ([k for k in order if (rows[k]["right"] == rows[k]["given"]) == well] for well in (False, True))
        seen = labels >= 0
        counts = dict(zip(names, self.knows["counts"]))
        least, most = (end(counts, key=counts.get) for end in (min, max))
        return {
            "baseline": {"accuracy": sum(row["right"] == most for row in rows) / len(rows)}, "baseline_name": f"always {most}",
            "labels": counts, "lengths": [row["length"] for row in rows], "length_of": "pieces" if self.is_text else "steps",
            "confusion": (names, measures.confusion(given[seen], labels[seen], len(names))),
            "examples": {name: [rows[k] for k in chosen[:10]] for name, chosen in (
                ("Wrong, the surest first", wrong), ("Right, the least sure first", right[::-1]),
                ("Longest", sorted(order, key=lambda k: -rows[k]["length"])),
                (f"Of the rarest label, {least}", [k for k in order if rows[k]["right"] == least])) if chosen}}

    def _shown_input(self, x) -> str:
        text = x if isinstance(x, str) else f"{x.shape[0]} steps of {x.shape[1]}: {np.array2string(x.reshape(-1)[:8], precision=2, separator=', ')}"
        return text if len(text) <= 200 else text[:199] + "…"
