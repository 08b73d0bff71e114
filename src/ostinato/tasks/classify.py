"""Many to one: labels for texts, or for sequences of numbers (sensor data, rows of an image)."""

import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..data.batching import mean_and_scale, padded
from ..data.disk import Concatenation, LazySequence, StoredRows, chunked
from ..data.examples import Examples, pair_of
from ..data.label_sets import combination_among, flat, has_sets, sets_in_memory
from ..data.memory import is_frame, one_label_each, several_labels
from ..data.text import compose, given_text
from ..data.values import (
    as_trained,
    dtype_of,
    label_kind,
    label_of,
    labels_as_given,
    sequence_of,
)
from ..data.vocabulary import PAD, SPECIAL, UNKNOWN, Vocabulary, sample_texts
from ..data.word_vectors import read_word_vectors, vector_size
from ..errors import InputError
from .classify_model import ClassifyEnsemble, ClassifyModel
from .labelling import LabelSets, OneLabel, labelling
from .linear_model import LinearModel
from .metadata import ClassifyMetadata, KernelSizes, Unlabelled
from .nearest_neighbour import nearest_labels
from .ngrams import NGrams, feature_count
from .options import ClassifyOptions
from .random_kernels import RandomKernels, kernel_sizes
from .saved import CHECKPOINT, Compared
from .scores import Scores, SetScores
from .spelling import Spelling, spelled_batch
from .task import WATCHED_ROWS, Inside, Task, batches

__all__ = ["Classifier", "ClassifyEnsemble", "ClassifyModel"]

# Training steps for sequences of numbers, at least; fewer for sequences longer than LONG.
LEAST_STEPS, LONG = 400, 400
# Rows that are used to compare sequences as they are and standardised.
COMPARED_ROWS = 500
# Sequences are standardised if the cross-entropy is below this share of that without.
GAIN = 0.95
# Added to the deviation of a sequence, relative to that of all sequences.
LEAST_DEVIATION = 1e-3


# The number of labels that `predict` shows at a terminal.
SHOWN_LABELS = 3


class Classifier(Task):
    """Predicts labels of texts or of sequences of numbers.

    Data is a CSV, TSV, JSONL or Parquet file with a label column (see
    `ostinato.data.readers.read_labelled`), an npz file with `x` and `y`, or a pair in memory: a
    list of texts or of arrays (T,) or (T, F), and a list of labels. Numbers of uint8 are divided by
    255, other dtypes are used unchanged. A model trained on uint8 accepts other integers from 0 to
    255, but no floats.

    With `multi_label=True`, each row has any number of labels: a list of labels for each row, or an
    indicator matrix (N, C) of 0 and 1.

    Args:
        options: The options of `ClassifyOptions`, by name.

    Example:
        >>> from ostinato.tasks import Classifier
        >>> texts, labels = ["good", "fine", "bad", "poor"] * 8, ["+", "+", "-", "-"] * 8
        >>> model = Classifier(hidden=8, embedding=8, epochs=40, patience=0).fit(texts, labels)
        >>> model.predict(["good", "poor"]).tolist()
        ['+', '-']
        >>> model.classes_.tolist(), model.predict_proba(["good"]).shape
        (['+', '-'], (1, 2))
    """

    name, Options, higher_is_better = "classify", ClassifyOptions, True
    # Between the labels of a row, in lines and tables of predictions.
    list_separator = "|"
    # The unlabelled texts, between reading them for the vocabulary and pretraining.
    _unlabelled: Examples | None = None
    # The pretrained word vectors, between reading them for the options and training.
    _vectors: dict[str, np.ndarray] | None = None

    @property
    def goal(self) -> str:
        """The metric that selects the best weights."""
        return LabelSets.goal if self.options.multi_label else OneLabel.goal

    @property
    def labelling(self) -> OneLabel:
        """How labels are learned and predicted."""
        return labelling(self.metadata, self.options)

    def given_rows(self, data, labelled):
        x, labels = (
            pair_of(data, "texts, or sequences of numbers, and a label for each")
            if labelled
            else (data, None)
        )
        if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "biuf":
            raise InputError(
                f"the data is an array of shape {x.shape}, and each row should be a sequence. "
                "Reshape your data: x.reshape(1, -1) is one sequence"
            )
        read = [
            (given_text(row), None)
            if isinstance(row, str)
            else sequence_of(row, f"row {number}", "step")
            for number, row in enumerate(x, 1)
        ]
        x, dtype = [row for row, _ in read], dtype_of((dtype for _, dtype in read), "row")
        if len({isinstance(row, str) for row in x}) > 1:
            raise InputError("the given rows are texts and numbers; give only one of the two")
        # an empty row need not have the right number of features
        units = (self.metadata.units if self.metadata else None) or next(
            (row.shape[1] for row in x if len(row) and not isinstance(row, str)), 1
        )
        x = [row if len(row) or isinstance(row, str) else row.reshape(0, units) for row in x]
        kind = names = None
        if labels is not None:
            labels, kind, names = self._labels_in_memory(labels)
            if len(labels) != len(x):
                raise InputError(
                    f"{len(x)} rows and {len(labels)} labels; give a label for each row"
                )
        return Examples(
            {"x": x, "label": labels},
            source="the given rows",
            about={"label": names} if names else None,
            dtype=dtype,
            label_kind=kind,
        )

    def _labels_in_memory(self, labels) -> tuple[list, str, list[str] | None]:
        """The labels, or the sets of labels, of rows in memory, and their kind; and the labels of
        the columns of an indicator matrix.
        """
        if self.options.multi_label:
            return sets_in_memory(labels)
        if has_sets(labels):
            raise several_labels(
                labels, ", or multi_label=True to predict several labels for each row"
            )
        labels = one_label_each(labels)
        kind = label_kind(labels)
        return (
            [
                label_of(label, f"the label of row {number}")
                for number, label in enumerate(labels, 1)
            ],
            kind,
            None,
        )

    def targets(self, y):
        # a frame of several columns is an indicator matrix
        return y if is_frame(y) and len(y.columns) > 1 else super().targets(y)

    @property
    def is_text(self) -> bool:
        """Whether the input is text."""
        return self.metadata.units is None

    @property
    def line_is(self):
        return (
            "a text"
            if self.is_text
            else f"the numbers of a sequence, {self.metadata.units} for each step,"
        )

    def line(self, text):
        if self.is_text:
            return [text]
        words = text.replace(",", " ").split()
        try:
            # integers may be the bytes that a model was trained on
            numbers = np.array(
                list(map(int if all(word.isdecimal() for word in words) else float, words))
            )
        except ValueError:
            raise InputError(
                f"{text!r} is not a row of numbers; separate numbers by commas or spaces"
            ) from None
        if len(numbers) % self.metadata.units:
            raise InputError(
                f"{len(numbers)} numbers do not divide into steps of {self.metadata.units}; write "
                "complete steps"
            )
        return [numbers.reshape(-1, self.metadata.units)]

    def split(self, every):
        return every.split(self.options.held_out, self.options.seed, by="label")

    def prepare(self, learned, every):
        sets = bool(self.options.multi_label)
        counts = Counter(flat(every["label"]) if sets else every["label"])
        columns = every.about.get("label")
        labels = columns if sets and isinstance(columns, list) else sorted(counts)
        # in memory; a file has its columns of 0 and 1 described in its metadata
        matrix = labels is columns and every.summary is None
        self._check_labels(every, labels, counts)
        first = learned["x"][0]
        text = isinstance(first, str)
        self.metadata = ClassifyMetadata(
            labels,
            [counts[label] for label in labels],
            {} if matrix else every.about,
            None,
            dtype=every.dtype,
            label_kind=every.label_kind or "text",
            rows=len(every) if sets else None,
            indicators=matrix,
        )
        if not text:
            if self.options.vectors is not None:
                raise InputError(
                    f"--vectors {self.options.vectors}: the rows of {every.source} are numbers, "
                    "and word vectors require texts; leave it out"
                )
            if self.options.unlabelled is not None:
                raise InputError(
                    f"--unlabelled {self.options.unlabelled}: the rows of {every.source} are "
                    "numbers, and pretraining requires texts; leave it out"
                )
            self._check_units(learned, first.shape[1])
            self.metadata = replace(
                self.metadata, units=int(first.shape[1]), **mean_and_scale(learned["x"])
            )
            rows, steps = len(learned), max(1, max(map(len, learned["x"])))
            # of few rows, an epoch has few steps
            least = max(LEAST_STEPS // 4, LEAST_STEPS * min(1.0, LONG / steps))
            epochs = least / math.ceil(rows / self.options.batch)
            found: dict[str, object] = {"epochs": max(self.epochs(rows), epochs)}
            if self.options.standardise is None:
                found["standardise"] = self._gains_by_standardising(learned)
            if self.options.linear:
                self.metadata = replace(self.metadata, kernels=kernel_sizes(rows, steps))
            return found
        if self.options.linear:
            features = feature_count(learned["x"], len(labels), independent=sets)
            self.metadata = replace(self.metadata, ngrams=features)
        texts, more = learned["x"], None
        found = self._vector_options()
        if self.options.unlabelled is not None:
            from .pretraining import check_texts, texts_of

            self._unlabelled = more = texts_of(self.options)
            self.metadata = replace(
                self.metadata, unlabelled=Unlabelled(len(more), more.about, more.digest())
            )
            texts = Concatenation(texts, more["x"])
        large = len(learned) >= 20_000 and self.options.vectors is None
        kind = self.options.tokens or ("byte-pair" if large else "word")
        spelled, least = kind == "word" and self.options.spelling, 2 if len(texts) > 1000 else 1
        lowercase = self.options.lowercase if self.options.lowercase is not None else spelled
        self.vocabulary = Vocabulary.of(
            texts, kind, size=self.options.vocabulary_size, min_count=least, lowercase=lowercase
        )
        if more:
            check_texts(more, self.vocabulary)
        found |= {"tokens": kind, "lowercase": lowercase}
        if self.options.vectors is not None:
            self._vectors = self._read_vectors(lowercase)
        if self.options.word_dropout is None:
            # a word replaced by the unknown token is still represented by its characters
            found["word_dropout"] = 0.2 if spelled else 0.05
        if not spelled:
            return found
        words = Counter(word for _, words in self._words(sample_texts(texts)) for word in words)
        spelling = Spelling.of(words, self.options.characters, min_count=least)
        self.metadata = replace(self.metadata, letters=spelling.letters)
        return found | {"characters": spelling.scheme}

    def _check_labels(self, every: Examples, labels: list[str], counts: Counter) -> None:
        """Raise an error unless the labels can be learned as the options say."""
        if len(labels) < 2:
            only = f"the label {labels[0]!r}" if labels else "no label"
            raise InputError(
                f"{every.source}: all {len(every)} rows have {only}; a classifier needs two labels "
                "or more"
            )
        missing = [label for label in labels if not counts[label]]
        if missing:
            raise InputError(
                f"{every.source}: no row has the label {missing[0]!r}; leave its column out"
            )
        combined = combination_among(labels) if self.options.multi_label is None else None
        if combined is not None:
            raise InputError(
                f"{every.source}: the label {combined!r} consists of other labels; write "
                "--multi-label to predict each of them, or --no-multi-label to take every "
                "combination as one label"
            )

    def _vector_options(self) -> dict:
        """The options that follow from the file of word vectors."""
        path = self.options.vectors
        if path is None:
            return {}
        if self.options.tokens not in (None, "word"):
            raise InputError(
                f"--vectors {path} with --tokens {self.options.tokens}: the vectors are of words; "
                "write --tokens word, or leave out --vectors"
            )
        return {"embedding": vector_size(Path(path))}

    def _read_vectors(self, lowercase: bool) -> dict[str, np.ndarray]:
        """The pretrained vectors of the words in the vocabulary."""
        words = self.vocabulary.tokenizer.get_vocab().keys() - set(SPECIAL)
        found = read_word_vectors(Path(self.options.vectors), words, lowercase=lowercase)
        if not found:
            raise InputError(
                f"--vectors {self.options.vectors}: the file has a vector for none of the "
                f"{len(words):,} words of the data; give vectors of the same language"
            )
        return found

    @torch.no_grad()
    def _set_vectors(self) -> None:
        """Copy the pretrained word vectors into the embeddings."""
        # a resumed run has not called `prepare`
        found, self._vectors = self._vectors or self._read_vectors(self.options.lowercase), None
        numbers = self.vocabulary.tokenizer.get_vocab()
        for member in self.members:
            table = member.words.words if member.words else member.embedding
            for word, vector in found.items():
                table.weight[numbers[word]] = torch.from_numpy(vector).to(table.weight)

    def _gains_by_standardising(self, learned: Examples) -> bool:
        """Whether a linear model of random kernels is better if each sequence is standardised."""
        count = min(len(learned), COMPARED_ROWS)
        chosen = np.random.default_rng([self.options.seed, 22]).permutation(len(learned))[:count]
        some = learned.take(np.sort(chosen))
        # the option is not known yet, so these are not standardised
        labels, rows = (
            self.labelling.numbers(some["label"], some.source),
            self._linear_rows(some)[:],
        )
        sizes = kernel_sizes(len(rows), max(1, max(map(len, rows))), features=2000)
        nats = []
        for form in (rows, [standardised(row) for row in rows]):
            model = self._kernels(sizes)
            nats.append(model.fit(form, labels, seed=self.options.seed))
        return nats[1] < GAIN * nats[0]

    def check(self):
        if self.is_text != (self.vocabulary is not None):
            raise InputError(
                "it reads numbers and has a vocabulary, or reads text and has no vocabulary"
            )
        if self.is_text and (self.vocabulary.kind, self.vocabulary.lowercase) != (
            self.options.tokens,
            self.options.lowercase,
        ):
            raise InputError("its vocabulary does not match the options 'tokens' and 'lowercase'")
        if self.metadata.letters is not None and self.options.characters is None:
            raise InputError("it has 'letters', but the option 'characters' is missing")
        if bool(self.options.multi_label) != (self.metadata.rows is not None):
            raise InputError("the option 'multi_label' and the 'rows' of the metadata do not match")
        if (self.options.unlabelled is None) != (self.metadata.unlabelled is None):
            raise InputError("the option 'unlabelled' and the metadata do not match")

    def build(self):
        # a model saved by an older version has no characters
        letters = (
            len(SPECIAL) + len(self.metadata.letters) if self.metadata.letters is not None else 0
        )
        members = [
            ClassifyModel(
                len(self.vocabulary) if self.is_text else self.metadata.units,
                len(self.metadata.labels),
                self.options,
                text=self.is_text,
                letters=letters,
            )
            for _ in range(self.options.ensemble)
        ]
        model = members[0]
        if len(members) > 1:
            model = ClassifyEnsemble(members, independent=self.labelling.independent)
        model.linear = self._linear_model()
        return model

    def _linear_model(self) -> LinearModel | None:
        """The linear model next to the network, not fitted yet; None for a model without one."""
        metadata = self.metadata
        if metadata.ngrams is not None:
            independent = self.labelling.independent
            return NGrams(len(metadata.labels), metadata.ngrams, independent=independent)
        return None if metadata.kernels is None else self._kernels(metadata.kernels)

    def _kernels(self, sizes: KernelSizes) -> RandomKernels:
        metadata, independent = self.metadata, self.labelling.independent
        return RandomKernels(metadata.units, len(metadata.labels), sizes, independent=independent)

    def _linear_rows(self, examples: Examples, encoded: Sequence | None = None) -> Sequence:
        """The rows as the linear model reads them.

        Args:
            examples: The rows.
            encoded: The result of `encode`, if they have been encoded already.
        """
        if self.is_text:
            return LazySequence(len(examples), lambda k: compose(examples["x"][k]))
        encoded = self.encode(examples) if encoded is None else encoded
        return LazySequence(len(encoded), lambda k: encoded[k][0])

    @torch.no_grad()
    def combine(self, learned, watched, *, seconds):
        linear, labels = self.model.linear, self.labelling
        if linear is None:
            return []
        watched = watched.take(range(min(WATCHED_ROWS, len(watched))))
        wanted, encoded = labels.numbers(watched["label"], watched.source), self.encode(watched)
        started = time.perf_counter()
        rows = self._linear_rows(learned)
        numbers = labels.numbers(learned["label"], learned.source)
        linear.fit(rows, numbers, seed=self.options.seed)
        others = self._linear_rows(watched, encoded)[:]
        scores = linear(others)
        fitting = time.perf_counter() - started
        started = time.perf_counter()
        network = torch.cat([self.scores(batch) for batch in batches(self, encoded)])
        used = seconds + time.perf_counter() - started
        weight = labels.best_weight(network, scores, wanted, prefer_linear=linear.preferred)
        linear.weight.fill_(weight)
        found = [
            ("network", labels.value(network, wanted), used, 1 - weight),
            (linear.name, labels.value(scores, wanted), fitting, weight),
        ]
        if not self.is_text:
            started = time.perf_counter()
            nearest = nearest_labels(rows, numbers, others)
            used = time.perf_counter() - started
            found.append(("nearest neighbour", labels.value_of_given(nearest, wanted), used, None))
        return [
            Compared(name, self.goal, value, round(used, 2), weight)
            for name, value, used, weight in found
        ]

    def refit(self, every):
        numbers = self.labelling.numbers(every["label"], every.source)
        self.model.linear.fit(self._linear_rows(every), numbers, seed=self.options.seed)

    def _scored(
        self, examples: Examples, encoded: Sequence
    ) -> Iterator[tuple[tuple[torch.Tensor, ...], torch.Tensor]]:
        """The batches, and the scores (B, C) of the network and the linear model together."""
        self.model.eval()
        linear, start = self.model.linear, 0
        rows = self._linear_rows(examples, encoded) if linear and linear.weight > 0 else None
        for batch in batches(self, encoded):
            scores = self.scores(batch)
            if rows is not None:
                some = rows[start : start + len(scores)]
                scores = self.labelling.mean(scores, linear(some), float(linear.weight))
            start += len(scores)
            yield batch, scores

    @torch.no_grad()
    def all_scores(self, examples: Examples, encoded: Sequence) -> Scores | SetScores:
        """The scores of all rows, in order.

        Args:
            examples: The rows.
            encoded: The result of `encode`.
        """
        found = self.evaluator()
        for batch, scores in self._scored(examples, encoded):
            scores = scores.double().cpu()
            found.count(scores, batch[-1].cpu())
        return found

    def pretrain(self, out, **run):
        if self.options.vectors is not None and not os.path.lexists(out / CHECKPOINT):
            self._set_vectors()
        if self.options.unlabelled is None:
            return 0.0
        from .pretraining import pretrain, texts_of

        # a resumed run has not called `prepare`
        texts, self._unlabelled = self._unlabelled or texts_of(self.options), None
        return pretrain(self, texts, out, **run)

    @property
    def members(self) -> list[ClassifyModel]:
        """The models of the ensemble, or the only model."""
        return [*self.model.members] if isinstance(self.model, ClassifyEnsemble) else [self.model]

    def _words(self, texts) -> Iterator[tuple[np.ndarray, list[str]]]:
        """The token numbers and the words of each text."""
        for some in chunked(texts):
            some = [compose(text) for text in some]
            for text, one in zip(
                some, self.vocabulary.tokenizer.encode_batch(some, add_special_tokens=False)
            ):
                yield np.array(one.ids, np.int32), [text[start:end] for start, end in one.offsets]

    def encode(self, examples):
        labels = self.labelling.stored(examples["label"], examples.source)
        if any(isinstance(row, str) != self.is_text for row in examples["x"]):
            raise InputError(
                f"{examples.source}: the model reads {'texts' if self.is_text else 'numbers'}, and "
                f"the data has {'numbers' if self.is_text else 'texts'}"
            )
        if self.metadata.letters is not None:
            return self._spelled(examples["x"], labels)
        if self.is_text:
            rows = StoredRows(np.int32, self._labelled)
            encoded = (
                row for some in chunked(examples["x"]) for row in self.vocabulary.encode(some)
            )
        else:
            self._check_units(examples, self.metadata.units)
            mean, scale = (
                np.array(numbers, np.float32)
                for numbers in (self.metadata.mean, self.metadata.scale)
            )
            rows = StoredRows(np.float32, lambda row: self._labelled(row, len(mean)))
            given = as_trained(examples["x"], examples.dtype, self.metadata.dtype, examples.source)
            encoded = ((row - mean) / scale for row in given)
            if self.options.standardise:
                encoded = map(standardised, encoded)
        for some in chunked(zip(labels, encoded)):
            rows.extend(_with_label(label, row) for label, row in some)
        return rows

    def _spelled(self, texts, labels) -> StoredRows:
        """Rows with token numbers, the characters of each word, and the label."""
        spelling = Spelling(self.options.characters, self.metadata.letters)

        def row_of(stored: np.ndarray):
            row, label = self._labelled(stored)
            count = int(row[0])
            numbers, lengths, letters = np.split(row[1:], [count, 2 * count])
            content, ends = letters.tobytes(), np.cumsum([0, *lengths * letters.itemsize]).tolist()
            return numbers, [content[start:end] for start, end in zip(ends, ends[1:])], label

        def stored(label: np.ndarray, numbers: np.ndarray, words: list[str]) -> np.ndarray:
            spelled = [spelling.spell(word) for word in words]
            lengths = np.array([len(word) // numbers.itemsize for word in spelled], np.int32)
            return _with_label(
                label,
                np.concatenate(
                    [
                        np.array([len(words)], np.int32),
                        numbers,
                        lengths,
                        np.frombuffer(b"".join(spelled), np.int32),
                    ]
                ),
            )

        rows = StoredRows(np.int32, row_of)
        for some in chunked(zip(labels, self._words(texts))):
            rows.extend(stored(label, *row) for label, row in some)
        return rows

    def _labelled(self, stored: np.ndarray, *units: int) -> tuple:
        """A row and its label from the storage format; the row is (T, units) if `units` is
        given.
        """
        label, row = self.labelling.split(stored)
        return row.reshape(-1, *units), label

    def _check_units(self, examples: Examples, units: int):
        for number, row in enumerate(examples["x"], 1):
            if row.shape[1] != units:
                raise InputError(
                    f"{examples.source}: row {number} has {row.shape[1]} numbers per step, and the "
                    f"model was trained on {units}"
                )

    def collate(self, rows):
        x, *spelled, labels = zip(*rows)
        return (
            *padded(x, PAD),
            *(spelled_batch(spelled[0]) if spelled else ()),
            self.labelling.target(labels),
        )

    def loss(self, batch):
        x, *others, target = batch
        rate = self.options.word_dropout
        return self._mean_loss(
            [member(self.with_unknown(x, rate), *others) for member in self.members], target
        )

    def _mean_loss(
        self, each: list[torch.Tensor], target: torch.Tensor
    ) -> tuple[torch.Tensor, int]:
        """The result of `loss` from the scores of each member."""
        # members are trained independently, because an ensemble gains from their differences
        losses = [self.labelling.loss(scores, target) for scores in each]
        return torch.stack(losses).sum() / len(losses), len(target)

    def scores_and_loss(self, batch) -> tuple[torch.Tensor, tuple[torch.Tensor, int]]:
        """The results of `scores` and `loss` in evaluation, from one call of each member."""
        *given, target = batch
        each = [member(*given) for member in self.members]
        scores = self.model.mean(each) if isinstance(self.model, ClassifyEnsemble) else each[0]
        return scores, self._mean_loss(each, target)

    def with_unknown(self, x: torch.Tensor, rate: float) -> torch.Tensor:
        """Token numbers with some replaced by UNKNOWN at this rate, in training only (word
        dropout).
        """
        if not (self.is_text and self.model.training and rate):
            return x
        return x.masked_fill((torch.rand(x.shape, device=x.device) < rate) & (x != PAD), UNKNOWN)

    def scores(self, batch) -> torch.Tensor:
        """Scores (B, C) of the rows of a batch."""
        return self.model(*batch[:-1])

    def evaluator(self):
        return SetScores(self) if self.labelling.independent else Scores(self)

    def compute_metrics(self, examples):
        return self.all_scores(examples, self.encode(examples)).result()

    @torch.no_grad()
    def probabilities(self, examples: Examples) -> np.ndarray:
        """The probability of each label for each row: (N, C) float64, in the order of the
        metadata's labels.
        """
        rows = [
            self.labelling.probabilities(scores).cpu().numpy()
            for _, scores in self._scored(examples, self.encode(examples))
        ]
        return np.concatenate(rows) if rows else np.zeros((0, len(self.metadata.labels)))

    def answers(self, examples):
        return [self.labelling.answer(row) for row in self.probabilities(examples)]

    def shown(self, answer):
        return answer["label"] if "label" in answer else self.list_separator.join(answer["labels"])

    def shown_at_terminal(self, answer):
        width = min(30, max(map(len, self.metadata.labels)))
        count = max(SHOWN_LABELS, len(answer.get("labels", ())))
        top = [*answer["probabilities"].items()][:count]
        return "   ".join(f"{label:{width}} {share:.2f}" for label, share in top)

    # ------------------------------------------------------------ scikit-learn interface

    @property
    def classes_(self) -> np.ndarray:
        """The labels in ascending order, with the dtype of those given to `fit`; text if they were
        read from a file. Those of an indicator matrix are in the order of its columns.
        """
        self._require_model()
        return labels_as_given(self.metadata.labels, self.metadata.label_kind)[self._order]

    @property
    def _order(self) -> np.ndarray:
        """The numbers of the labels in the order of `classes_`."""
        labels = labels_as_given(self.metadata.labels, self.metadata.label_kind)
        return np.arange(len(labels)) if self.metadata.indicators else np.argsort(labels)

    def values(self, answers):
        kind = self.metadata.label_kind
        if not self.labelling.independent:
            found = [answer["label"] for answer in answers]
            return labels_as_given(found, kind).astype(self.classes_.dtype)
        sets = [answer["labels"] for answer in answers]
        if not self.metadata.indicators:
            return [labels_as_given(one, kind).tolist() for one in sets]
        names = self.metadata.labels
        return np.array([[int(name in one) for name in names] for one in sets]).reshape(
            -1, len(names)
        )

    def predict(self, X) -> np.ndarray | list[list]:
        """Predict the label of each row.

        Args:
            X: A path, or texts or sequences of numbers in memory.

        Returns:
            (N,) labels, with the dtype of those given to `fit`. With `multi_label`, a list of
            labels for each row, the most probable first; or an indicator matrix (N, C) if `fit` was
            given one.
        """
        return self.values(self.predict_dicts(X))

    def predict_proba(self, X) -> np.ndarray:
        """Predict the probability of each label.

        Args:
            X: As for `predict`.

        Returns:
            (N, C) float64 in the order of `classes_`; each row adds up to 1, except with
            `multi_label`.
        """
        self._require_model()
        return self.probabilities(self.read(X, labelled=False))[:, self._order]

    def inside(self, data):
        examples = self.read(data, labelled=False)
        (row,) = self.encode(examples)
        if not len(row[0]):
            raise InputError("an empty input has no steps to inspect; give a longer input")
        x, lengths, *spelled, _ = self.collate([row])
        (answer,) = self.answers(examples)
        label = self.metadata.labels.index(next(iter(answer["probabilities"])))
        tokens = (
            self.vocabulary.spelled(row[0])
            if self.is_text
            else [" ".join(f"{n:.2g}" for n in step) for step in examples["x"][0]]
        )
        model, *others = self.members
        of = f" by the first of {1 + len(others)} models" if others else ""
        return Inside(
            model.recurrent,
            model.embedded(x, *spelled).detach(),
            tokens,
            lambda x: model.scores(x[None], lengths)[0, label],
            f"score of {self.metadata.labels[label]}{of}",
        )

    def report_parts(self, examples):
        from .classify_report import report_parts

        return report_parts(self, examples)


def standardised(row: np.ndarray) -> np.ndarray:
    """A sequence (T, F) with a mean of 0 and a deviation of 1 in each column.

    A column that hardly changes, compared with a deviation of 1 in all sequences, stays small.

    Example:
        >>> standardised(np.array([[1.0, 5.0], [3.0, 5.0]])).round(2).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    if not len(row):
        return row
    return (row - row.mean(0)) / np.sqrt(row.var(0) + LEAST_DEVIATION**2)


def _with_label(label: np.ndarray, row: np.ndarray) -> np.ndarray:
    """A row in storage format: the bits of its label, (K,) int32, then its numbers."""
    return np.concatenate([label.view(row.dtype), row.reshape(-1)])
