"""Learning from texts that have no labels, before labels are learned: what reads a text foretells
each of its words.

Source: Dai and Le, Semi-supervised Sequence Learning (2015); in both directions as Peters et al.,
    Deep contextualized word representations (2018).
"""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..data.disk import parts, taken
from ..data.examples import Examples
from ..data.files import specs_of, write_tensors
from ..data.readers import read_texts
from ..data.vocabulary import PAD, UNKNOWN, Pieces
from ..errors import InputError
from ..training import loop as training
from .restore import read_weights
from .saved import is_helper
from .task import Rows, Task

CHECKPOINT, WEIGHTS = "pretraining.safetensors", "pretrained.safetensors"
# Pieces that a right one is told from at a step, in place of all.
DRAWN = 1024
# Rows of scores of all pieces that are in memory at a time.
TOGETHER = 1024


def texts_of(options) -> Examples:
    """The texts of `--unlabelled`, each that is there more than once only once.

    Args:
        options: Those of a classifier.

    Raises:
        InputError: As `tables.read_texts`.
    """
    texts, column = read_texts(Path(options.unlabelled), text=options.unlabelled_text)
    # by hashes of 64 bits: the texts need not fit in memory
    _, firsts = np.unique(np.fromiter(map(hash, texts), np.int64, len(texts)), return_index=True)
    return Examples(
        {"x": texts, "label": None}, source=options.unlabelled, about={"text": column}
    ).take(np.sort(firsts))


def check_texts(texts: Examples, pieces: Pieces) -> None:
    """An InputError where there are not two texts of two pieces or more, to learn from one and to
    measure on the other.
    """
    longer = (row for some in parts(texts["x"]) for row in pieces.encode(some) if len(row) > 1)
    count = len([*islice(longer, 2)])
    if count < 2:
        raise InputError(
            f"--unlabelled {texts.source}: {count} of its {len(texts)} texts "
            f"{'has' if count == 1 else 'have'} two pieces or more; "
            "two such are the fewest that can be learned from: give more"
        )


class Foretelling(nn.Module):
    """What reads texts for a classifier, and what foretells pieces from it: from the outputs of the
    forward direction the piece after each, from those of the reverse one the piece before. A
    piece's score is the product of what is foretold and what stands for the piece, as it is read.

    Args:
        reader: A `ClassifyModel` for texts of one layer, or of one direction: an upper layer of two
            would be given what it should foretell.
        counts: (V,), how often each piece is there.
    """

    def __init__(self, reader: nn.Module, counts: np.ndarray):
        super().__init__()
        # not the reader itself, whose readout has no part in this
        self.recurrent, self.dropout, self.read = reader.recurrent, reader.dropout, reader.embedded
        self.embedding = reader.words or reader.embedding
        self.directions = 1 + reader.recurrent.bidirectional
        self.foretell = nn.ModuleList(
            nn.Linear(reader.recurrent.output_size // self.directions, self.pieces.embedding_dim)
            for _ in range(self.directions)
        )
        self.bias = nn.Parameter(torch.empty(self.pieces.num_embeddings))
        self._counts = counts
        self.register_buffer(
            "often", torch.empty(len(counts), dtype=torch.float64), persistent=False
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the bias to 0, and compute again how often each piece is drawn; other parameters are
        those of the parts.
        """
        nn.init.zeros_(self.bias)
        # Source of the power: Mikolov et al., Distributed Representations of Words and Phrases and
        # their Compositionality (2013), section 2.2.
        often = torch.from_numpy(self._counts.astype(np.float64)) ** 0.75
        self.often.copy_(often / often.sum())

    @property
    def pieces(self) -> nn.Embedding:
        """What stands for each piece."""
        return getattr(self.embedding, "words", self.embedding)

    def forward(
        self, given: torch.Tensor, x: torch.Tensor, lengths: torch.Tensor, *spelled: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is foretold, (N, units of a piece), and the N pieces that are right, row by row:
        those that have one before or behind them, and are known.

        Args:
            given: (B, T), the numbers of the pieces that are read.
            x: (B, T), those that are foretold.
            lengths: (B,).
            spelled: What `spelled_batch` gives, where words are read by their characters.
        """
        output, _ = self.recurrent(self.read(given, *spelled), lengths=lengths)
        ahead, *behind = self.dropout(output).chunk(self.directions, 2)
        foretold, right = [self.foretell[0](ahead[:, :-1])], [x[:, 1:]]
        if behind:
            # past a row's end there is nothing that could be foretold
            foretold.append(self.foretell[1](behind[0][:, 1:]))
            right.append(x[:, :-1].where(x[:, 1:] != PAD, PAD))
        foretold, right = (torch.cat(parts, 1).flatten(0, 1) for parts in (foretold, right))
        known = (right != PAD) & (right != UNKNOWN)
        return foretold[known], right[known]

    def nats(self, foretold: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Summed -log of the probability of the right pieces among all."""
        return sum(
            (
                F.cross_entropy(some @ self.pieces.weight.T + self.bias, pieces, reduction="sum")
                for some, pieces in zip(foretold.split(TOGETHER), right.split(TOGETHER))
            ),
            foretold.new_zeros(()),
        )

    def drawn_nats(self, foretold: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """The same among the right one and some that are drawn, each as likely as it is there;
        scores make up for how likely that was.

        Source: Jean, Cho, Memisevic and Bengio, On Using Very Large Target Vocabulary for Neural
            Machine Translation (2015), section 3.
        """
        others = torch.multinomial(self.often, DRAWN, replacement=True).unique()
        own = (foretold * self.pieces(right)).sum(1) + self.bias[right] - self._log_drawn(right)
        scores = (
            foretold @ self.pieces.weight[others].T + self.bias[others] - self._log_drawn(others)
        )
        scores = torch.cat(
            [own[:, None], scores.masked_fill(others == right[:, None], -torch.inf)], 1
        )
        return F.cross_entropy(scores, torch.zeros_like(right), reduction="sum")

    def _log_drawn(self, pieces: torch.Tensor) -> torch.Tensor:
        """The logarithm of the probability that a piece is among those drawn."""
        return torch.log(-torch.expm1(DRAWN * torch.log1p(-self.often[pieces]))).to(self.bias.dtype)


class Texts(Rows):
    """The problem: texts of two pieces or more.

    Args:
        task: A classifier.
        reader: The model of it that learns.
        texts: The texts, of which `check_texts` has nothing to say.
    """

    def __init__(self, task: Task, reader: nn.Module, texts: Examples):
        encoded = task.encode(texts)
        lengths = np.fromiter(map(task.length, encoded), np.int32, len(encoded))
        longer = Examples({"x": taken(encoded, np.flatnonzero(lengths > 1))}, source=texts.source)
        learned, measured = (
            part["x"] for part in longer.split(task.options.held_out, task.options.seed)
        )
        super().__init__(
            task, learned, measured, np.fromiter(map(task.length, learned), np.int32, len(learned))
        )
        counts = np.zeros(len(task.pieces))
        for row in learned:
            np.add.at(counts, row[0], 1)
        self.model, self.goal, self.higher, self.unit = (
            Foretelling(reader, counts),
            "nats_per_piece",
            False,
            "text",
        )

    def loss(self, batch, carried):
        x, lengths, *spelled, _ = batch
        # half as many as where labels are learned, from fewer texts
        given = self.task.with_unknown(x, self.task.options.word_dropout / 2)
        foretold, right = self.model(given, x, lengths, *spelled)
        # of a batch of texts of which nothing is known there is nothing to learn
        return self.model.drawn_nats(foretold, right), max(1, len(right)), ()

    def measuring(self):
        return _Nats(self.model)


class _Nats:
    """How well pieces are foretold, over batches."""

    def __init__(self, model: Foretelling):
        self.model, self.nats, self.count = model, 0.0, 0

    @torch.no_grad()
    def add(self, batch):
        x, lengths, *spelled, _ = batch
        foretold, right = self.model(x, x, lengths, *spelled)
        self.nats, self.count = (
            self.nats + float(self.model.nats(foretold, right)),
            self.count + len(right),
        )

    def result(self) -> dict[str, float | None]:
        return {"nats_per_piece": self.nats / self.count if self.count else None}


def pretrain(task: Task, texts: Examples, out: Path, **run) -> float:
    """Have all models of a classifier begin with what the first of them has learned from its
    `--unlabelled` texts.

    Args:
        task: A classifier, with its model.
        texts: Those of `texts_of`.
        out: The directory of the run; `CHECKPOINT` and `WEIGHTS` are in it afterwards.
        run: Of `ostinato.training.loop.fit`, those that say how it runs.

    Returns:
        Seconds that it took.

    Raises:
        InputError: The texts are not those that the run in `out` was begun with.
    """
    options = task.options
    if texts.digest() != task.knows.unlabelled.digest:
        raise InputError(
            f"--resume: the texts of --unlabelled {options.unlabelled} are not those of the run in "
            f"{str(out)!r}; give those texts, "
            "or start anew with another --out"
        )
    first, *_ = task.members
    problem = Texts(task, first, texts)
    budget = training.Budget(int(np.ceil(options.unlabelled_epochs * problem.steps_per_epoch)))
    _set_dropout(first, options.unlabelled_dropout)
    progress = training.fit(
        problem,
        budget=budget,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        clip=options.clip,
        patience=0,
        checkpoint=out / CHECKPOINT,
        keep_best=lambda: write_tensors(out / WEIGHTS, first.state_dict()),
        **run,
    )
    _set_dropout(first, options.dropout)
    # a process that helped another one is given that one's weights when training begins
    if not is_helper():
        found = read_weights(out / WEIGHTS, specs_of(first.state_dict()))
        learned = {
            name: weights for name, weights in found.items() if not name.startswith("readout.")
        }
        for member in task.members:
            member.load_state_dict(learned, strict=False)
    # a run that was killed here and goes on draws the same
    torch.manual_seed(options.seed)
    return progress.seconds


def _set_dropout(reader: nn.Module, rate: float) -> None:
    """Change the rate of dropout on what a reader is given and on what it gives."""
    for module in reader.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
