"""Private: pretraining of a classifier as a language model on unlabelled texts.

Source:
    Dai and Le, Semi-supervised Sequence Learning (2015); in both directions as Peters et al., Deep
    contextualized word representations (2018).
"""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..data.disk import chunked, select
from ..data.examples import Examples
from ..data.files import specs_of, write_tensors
from ..data.readers import read_texts
from ..data.vocabulary import PAD, UNKNOWN, Vocabulary
from ..errors import InputError
from ..training import loop as training
from .restore import read_weights
from .saved import is_helper
from .task import RowProblem, Task

PRETRAINING_CHECKPOINT, PRETRAINED_WEIGHTS = "pretraining.safetensors", "pretrained.safetensors"
# Number of sampled tokens in the sampled softmax.
SAMPLED_TOKENS = 1024
# Rows of scores over the whole vocabulary in memory at a time.
SCORES_AT_ONCE = 1024


def texts_of(options) -> Examples:
    """The texts of `--unlabelled`, without duplicates.

    Args:
        options: The options of a classifier.

    Raises:
        InputError: As `readers.read_texts`.
    """
    texts, column = read_texts(Path(options.unlabelled), text=options.unlabelled_text)
    # by 64-bit hashes, because the texts need not fit in memory
    _, firsts = np.unique(np.fromiter(map(hash, texts), np.int64, len(texts)), return_index=True)
    return Examples(
        {"x": texts, "label": None}, source=options.unlabelled, about={"text": column}
    ).take(np.sort(firsts))


def check_texts(texts: Examples, vocabulary: Vocabulary) -> None:
    """Check that two texts have two tokens or more: one to train on and one to validate on.

    Raises:
        InputError: There are fewer.
    """
    longer = (
        row for some in chunked(texts["x"]) for row in vocabulary.encode(some) if len(row) > 1
    )
    count = len([*islice(longer, 2)])
    if count < 2:
        raise InputError(
            f"--unlabelled {texts.source}: {count} of its {len(texts)} texts "
            f"{'has' if count == 1 else 'have'} two tokens or more; pretraining needs at least two "
            "such texts: give more"
        )


class PretrainingModel(nn.Module):
    """Language model on the encoder of a classifier.

    The forward direction predicts the next token, the reverse direction the previous token. The
    score of a token is the dot product of the prediction and the token's embedding.

    Args:
        reader: A `ClassifyModel` for text with one layer or one direction; with more, an upper
            bidirectional layer would already see the token it must predict.
        counts: The count of each token, (V,).
    """

    def __init__(self, reader: nn.Module, counts: np.ndarray):
        super().__init__()
        # not the encoder itself, whose output layer is not used here
        self.recurrent, self.dropout, self.read = reader.recurrent, reader.dropout, reader.embedded
        self.embedding = reader.words or reader.embedding
        self.directions = 1 + reader.recurrent.bidirectional
        self.predictors = nn.ModuleList(
            nn.Linear(
                reader.recurrent.output_size // self.directions, self.token_embedding.embedding_dim
            )
            for _ in range(self.directions)
        )
        self.bias = nn.Parameter(torch.empty(self.token_embedding.num_embeddings))
        self._counts = counts
        self.register_buffer(
            "often", torch.empty(len(counts), dtype=torch.float64), persistent=False
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the bias to 0 and compute the sampling probabilities again; submodules reset
        themselves.
        """
        nn.init.zeros_(self.bias)
        # Source of the exponent: Mikolov et al., Distributed Representations of Words and Phrases
        # and their Compositionality (2013), section 2.2.
        often = torch.from_numpy(self._counts.astype(np.float64)) ** 0.75
        self.often.copy_(often / often.sum())

    @property
    def token_embedding(self) -> nn.Embedding:
        """The embedding of the tokens."""
        return getattr(self.embedding, "words", self.embedding)

    def forward(
        self, given: torch.Tensor, x: torch.Tensor, lengths: torch.Tensor, *spelled: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Predictions (N, embedding size) and the N true tokens, row by row, without unknown
        tokens.

        Args:
            given: Input tokens (B, T).
            x: Tokens to predict, (B, T).
            lengths: (B,).
            spelled: The output of `spelled_batch`, if words are represented by their characters.
        """
        output, _ = self.recurrent(self.read(given, *spelled), lengths=lengths)
        ahead, *behind = self.dropout(output).chunk(self.directions, 2)
        predicted, right = [self.predictors[0](ahead[:, :-1])], [x[:, 1:]]
        if behind:
            # padding has no previous token to predict
            predicted.append(self.predictors[1](behind[0][:, 1:]))
            right.append(x[:, :-1].where(x[:, 1:] != PAD, PAD))
        predicted, right = (torch.cat(parts, 1).flatten(0, 1) for parts in (predicted, right))
        known = (right != PAD) & (right != UNKNOWN)
        return predicted[known], right[known]

    def nats(self, predicted: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Summed cross-entropy over the whole vocabulary, in nats."""
        return sum(
            (
                F.cross_entropy(
                    some @ self.token_embedding.weight.T + self.bias, tokens, reduction="sum"
                )
                for some, tokens in zip(
                    predicted.split(SCORES_AT_ONCE), right.split(SCORES_AT_ONCE)
                )
            ),
            predicted.new_zeros(()),
        )

    def sampled_nats(self, predicted: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Summed cross-entropy over the true token and a sample of tokens (sampled softmax), in
        nats.

        Source:
            Jean, Cho, Memisevic and Bengio, On Using Very Large Target Vocabulary for Neural
            Machine Translation (2015), section 3.
        """
        others = torch.multinomial(self.often, SAMPLED_TOKENS, replacement=True).unique()
        own = (
            (predicted * self.token_embedding(right)).sum(1)
            + self.bias[right]
            - self._log_sampled(right)
        )
        scores = (
            predicted @ self.token_embedding.weight[others].T
            + self.bias[others]
            - self._log_sampled(others)
        )
        scores = torch.cat(
            [own[:, None], scores.masked_fill(others == right[:, None], -torch.inf)], 1
        )
        return F.cross_entropy(scores, torch.zeros_like(right), reduction="sum")

    def _log_sampled(self, tokens: torch.Tensor) -> torch.Tensor:
        """The log-probability that a token is in the sample."""
        return torch.log(-torch.expm1(SAMPLED_TOKENS * torch.log1p(-self.often[tokens]))).to(
            self.bias.dtype
        )


class PretrainingProblem(RowProblem):
    """The training problem of pretraining: texts with two tokens or more.

    Args:
        task: A classifier.
        reader: The model to pretrain.
        texts: Texts that passed `check_texts`.
    """

    def __init__(self, task: Task, reader: nn.Module, texts: Examples):
        encoded = task.encode(texts)
        lengths = np.fromiter(map(task.length, encoded), np.int32, len(encoded))
        longer = Examples({"x": select(encoded, np.flatnonzero(lengths > 1))}, source=texts.source)
        learned, measured = (
            part["x"] for part in longer.split(task.options.held_out, task.options.seed)
        )
        super().__init__(
            task, learned, measured, np.fromiter(map(task.length, learned), np.int32, len(learned))
        )
        counts = np.zeros(len(task.vocabulary))
        for row in learned:
            np.add.at(counts, row[0], 1)
        self.model, self.goal, self.higher_is_better, self.unit = (
            PretrainingModel(reader, counts),
            "nats_per_token",
            False,
            "text",
        )

    def loss(self, batch, carried):
        x, lengths, *spelled, _ = batch
        # half the rate of the training on labels, which has fewer texts
        given = self.task.with_unknown(x, self.task.options.word_dropout / 2)
        predicted, right = self.model(given, x, lengths, *spelled)
        # a batch may have no known tokens, and then no loss
        return self.model.sampled_nats(predicted, right), max(1, len(right)), ()

    def evaluator(self):
        return _PretrainingLoss(self.model)


class _PretrainingLoss:
    """Accumulates the cross-entropy of pretraining over batches."""

    def __init__(self, model: PretrainingModel):
        self.model, self.nats, self.count = model, 0.0, 0

    @torch.no_grad()
    def add(self, batch):
        x, lengths, *spelled, _ = batch
        predicted, right = self.model(x, x, lengths, *spelled)
        self.nats, self.count = (
            self.nats + float(self.model.nats(predicted, right)),
            self.count + len(right),
        )

    def result(self) -> dict[str, float | None]:
        return {"nats_per_token": self.nats / self.count if self.count else None}


def pretrain(task: Task, texts: Examples, out: Path, **run) -> float:
    """Pretrain the first model of a classifier on its unlabelled texts and copy the weights to all.

    Args:
        task: A classifier with its model.
        texts: The result of `texts_of`.
        out: The directory of the run; it will contain `PRETRAINING_CHECKPOINT` and
            `PRETRAINED_WEIGHTS`.
        run: Keyword arguments of `ostinato.training.loop.fit` on how to run.

    Returns:
        The training time in seconds.

    Raises:
        InputError: The texts differ from those that the run in `out` was started with.
    """
    options = task.options
    if texts.digest() != task.metadata.unlabelled.digest:
        raise InputError(
            f"--resume: the texts of --unlabelled {options.unlabelled} are not those of the run in "
            f"{str(out)!r}; give those texts, or start a new run with another --out"
        )
    first, *_ = task.members
    problem = PretrainingProblem(task, first, texts)
    budget = training.Budget(int(np.ceil(options.unlabelled_epochs * problem.steps_per_epoch)))
    _set_dropout(first, options.unlabelled_dropout)
    progress = training.fit(
        problem,
        budget=budget,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        clip=options.clip,
        patience=0,
        checkpoint=out / PRETRAINING_CHECKPOINT,
        save_best=lambda: write_tensors(out / PRETRAINED_WEIGHTS, first.state_dict()),
        **run,
    )
    _set_dropout(first, options.dropout)
    # worker processes get the weights of the first process when training starts
    if not is_helper():
        found = read_weights(out / PRETRAINED_WEIGHTS, specs_of(first.state_dict()))
        learned = {
            name: weights for name, weights in found.items() if not name.startswith("readout.")
        }
        for member in task.members:
            member.load_state_dict(learned, strict=False)
    # a run resumed here uses the same random numbers
    torch.manual_seed(options.seed)
    return progress.seconds


def _set_dropout(reader: nn.Module, rate: float) -> None:
    """Set the dropout rate of all dropout modules."""
    for module in reader.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
