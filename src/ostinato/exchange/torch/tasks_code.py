"""Private: the models of written torch files: what the tasks do before and after their networks.
Their source is copied to the file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...data.text import compose
from ...nn.lengths import within
from ...tasks.linear_model import mean_of
from .text_code import (
    UNKNOWN_TOKEN,
    Graphemes,
    TextTokens,
    WordSpelling,
    number_rows,
    word_spans,
)

__all__ = ["FrameLabeller", "NumbersClassifier", "TextClassifier", "TextWriter", "WordTagger"]

# Rows that are computed at a time.
BATCH = 64


def read_settings(path: Path) -> dict[str, Any]:
    """The labels, tokens and scales of a model, which the file of weights has as metadata."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return json.loads(json.loads(file.read(size))["__metadata__"]["json"])


def padded(rows: list[Tensor], filler: float = 0) -> tuple[Tensor, Tensor]:
    """Rows (T, F), padded to one length of at least 1, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    whole = rows[0].new_full((len(rows), max(1, int(lengths.max())), *rows[0].shape[1:]), filler)
    for k, row in enumerate(rows):
        whole[k, : len(row)] = row
    return whole, lengths


def batches_of(rows: list) -> Iterator[list]:
    """Rows in groups of `BATCH`."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


class NumberRows:
    """Turns sequences of numbers into the inputs of a network.

    Args:
        settings: "units", "mean", "scale", "bytes" (the model was trained on uint8) and
            "standardise".
    """

    def __init__(self, settings: dict[str, Any]):
        self.units, self.bytes = settings["units"], settings["bytes"]
        self.standardise = settings.get("standardise", False)
        self.mean, self.scale = (torch.tensor(settings[name]) for name in ("mean", "scale"))

    def row(self, given: Any) -> Tensor:
        """A sequence (T, F) or (T,), scaled: (T, F)."""
        row = torch.as_tensor(given)
        if (
            row.numel()
            and (row.dtype is torch.uint8) != self.bytes
            and not (self.bytes and not row.is_floating_point())
        ):
            raise ValueError(
                f"a sequence has the dtype {row.dtype}; the model was trained on "
                + ("whole numbers from 0 to 255" if self.bytes else "numbers that are not uint8")
            )
        row = row.float().reshape(len(row), -1 if row.numel() else self.units)
        if row.shape[1] != self.units:
            raise ValueError(f"a sequence has {row.shape[1]} numbers per step, not {self.units}")
        row = ((row / 255 if self.bytes else row) - self.mean) / self.scale
        if self.standardise and len(row):
            row = (row - row.mean(0)) / (row.var(0, correction=0) + 1e-6).sqrt()
        return row


class NumbersClassifier(nn.Module):
    """Predicts a label for each sequence of numbers.

    Args:
        network: The network.
        settings: "labels" in the order of the network's scores, "order" (the places of the sorted
            labels), and those of `NumberRows`.
    """

    def __init__(self, network: nn.Module, settings: dict[str, Any]):
        super().__init__()
        self.network: Any = network
        self.settings, self.rows = settings, NumberRows(settings)

    def scores(self, rows: list[Any]) -> Tensor:
        """Scores (B, C) of some rows."""
        inputs = [self.rows.row(row) for row in rows]
        scores, linear = self.network(*padded(inputs)), self.network.linear
        if linear is None or not linear.weight > 0:
            return scores
        return mean_of(scores, linear(inputs), float(linear.weight))

    @torch.no_grad()
    def probabilities(self, rows: list[Any]) -> Tensor:
        """Probabilities (N, C), float64, in the order of the network's scores."""
        found = [torch.zeros(0, len(self.settings["labels"]), dtype=torch.float64)]
        return torch.cat([*found, *(self.scores(b).double().softmax(1) for b in batches_of(rows))])

    def predict_proba(self, rows: list[Any]) -> Tensor:
        """The probability of each label, in ascending order of the labels: (N, C), float64."""
        return self.probabilities(rows)[:, self.settings["order"]]

    def predict(self, rows: list[Any]) -> list[Any]:
        """The most probable label of each row.

        Args:
            rows: Sequences (T,) or (T, F) each: tensors, arrays or lists of numbers.
        """
        return [self.settings["labels"][k] for k in self.probabilities(rows).argmax(1).tolist()]


class TextClassifier(NumbersClassifier):
    """Predicts a label for each text.

    Args:
        network: The network.
        settings: "labels" and "order" as for `NumbersClassifier`; "kind", "tokens", "merges",
            "lowercase", "graphemes"; "scheme" and "letters" where words have their characters too.
    """

    def __init__(self, network: nn.Module, settings: dict[str, Any]):
        nn.Module.__init__(self)
        self.network, self.settings = network, settings
        graphemes = Graphemes(settings["graphemes"])
        self.tokens = TextTokens(
            settings["kind"],
            settings["tokens"],
            settings["merges"],
            settings["lowercase"],
            graphemes,
        )
        self.spelling = None
        if settings["letters"] is not None:
            self.spelling = WordSpelling(settings["scheme"], settings["letters"], graphemes)

    def scores(self, rows: list[Any]) -> Tensor:
        """Scores (B, C) of some texts."""
        texts = [compose(row) for row in rows]
        inputs = number_rows([self.tokens.encode(text) for text in texts])
        spelled: tuple[Tensor, ...] = ()
        if self.spelling is not None:
            spelled = self.spelling.batch([word_spans(text) for text in texts])
        scores, linear = self.network(*inputs, *spelled), self.network.linear
        if linear is None or not linear.weight > 0:
            return scores
        return mean_of(scores, linear(texts), float(linear.weight))


class WordTagger(nn.Module):
    """Predicts a tag for each word of a sentence.

    Args:
        network: The network.
        settings: "tags", "words" (those with an embedding, in order), "scheme", "letters" and
            "graphemes".
    """

    def __init__(self, network: nn.Module, settings: dict[str, Any]):
        super().__init__()
        self.network: Any = network
        self.tags = settings["tags"]
        graphemes = Graphemes(settings["graphemes"])
        self.spelling = WordSpelling(settings["scheme"], settings["letters"], graphemes)
        self.numbers = {word: number for number, word in enumerate(settings["words"], 4)}

    def number(self, word: str) -> int:
        """The number of a word."""
        return self.numbers.get(compose(word.lower()), UNKNOWN_TOKEN)

    @torch.no_grad()
    def predict(self, sentences: list[Any]) -> list[list[str]]:
        """The tags of the words of each sentence.

        Args:
            sentences: Texts, which are split at spaces, or lists of words.
        """
        rows = [row.split() if isinstance(row, str) else row for row in sentences]
        rows = [[compose(word) for word in row] for row in rows]
        return [tags for some in batches_of(rows) for tags in self.batch(some)]

    def batch(self, rows: list[list[str]]) -> list[list[str]]:
        """The tags of some sentences."""
        words, lengths = number_rows([[self.number(word) for word in row] for row in rows])
        places, *spelled = self.spelling.batch(rows)
        flat = self.network.scores(self.network.embedded(words, places, *spelled), lengths)
        if self.network.crf is None:
            best = flat.double().argmax(1).split(lengths.tolist())
        else:
            inside = within(lengths, words.shape[1])
            scores = flat.new_zeros(*inside.shape, flat.shape[1])
            scores = scores.masked_scatter(inside[..., None], flat)
            best = self.network.crf.best(scores, lengths)[inside].split(lengths.tolist())
        return [[self.tags[k] for k in row.tolist()] for row in best]


class FrameLabeller(nn.Module):
    """Predicts a label for each frame of a clip.

    Args:
        network: The network.
        settings: "labels", and those of `NumberRows`.
    """

    def __init__(self, network: nn.Module, settings: dict[str, Any]):
        super().__init__()
        self.network, self.labels, self.rows = network, settings["labels"], NumberRows(settings)

    @torch.no_grad()
    def predict(self, clips: list[Any]) -> list[list[str]]:
        """The labels of the frames of each clip, (T, F) numbers."""
        found: list[list[str]] = []
        for some in batches_of(clips):
            inputs, lengths = padded([self.rows.row(clip) for clip in some])
            best = self.network(inputs, lengths).double().argmax(1).split(lengths.tolist())
            found += [[self.labels[k] for k in row.tolist()] for row in best]
        return found


class TextWriter(nn.Module):
    """Continues a text, one token at a time.

    Args:
        network: The network.
        settings: "kind", "tokens", "merges" and "graphemes".
    """

    def __init__(self, network: nn.Module, settings: dict[str, Any]):
        super().__init__()
        self.network, self.kind = network, settings["kind"]
        self.graphemes = Graphemes(settings["graphemes"])
        self.tokens = TextTokens(
            self.kind, settings["tokens"], settings["merges"], False, self.graphemes
        )

    def encode(self, prompt: str) -> list[int]:
        """The numbers of the tokens of a prompt; without one, of a line end."""
        numbers = self.tokens.numbers
        start = "\n" if self.kind != "character" or "\n" in numbers else self.tokens.tokens[0]
        text = compose(prompt) or start
        if self.kind == "byte-pair":
            lines = text.splitlines(keepends=True)
            return [number for line in lines for number in self.tokens.encode(line)]
        letters = self.graphemes.split(text)
        unknown = [letter for letter in letters if letter not in numbers]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not in the vocabulary; leave it out")
        return [numbers[letter] for letter in letters]

    def draw(self, prompt: str, temperature: float, random: torch.Generator) -> Iterator[int]:
        """The numbers of the next tokens, without end."""
        read, state = torch.tensor([self.encode(prompt)]), None
        while True:
            with torch.no_grad():
                logits, state = self.network(read, state)
            shares = torch.softmax(logits[0, -1].double() / temperature, 0)
            read = torch.multinomial(shares, 1, generator=random)[None]
            yield int(read)

    def generate(
        self, prompt: str = "", length: int = 500, temperature: float = 0.8, seed: int = 0
    ) -> str:
        """The text after a prompt: `length` characters.

        Args:
            prompt: The text to continue.
            length: Number of characters.
            temperature: 1 draws from the probabilities of the model; lower values favour probable
                tokens.
            seed: Seed of the random numbers.
        """
        numbers: list[int] = []
        for number in self.draw(prompt, temperature, torch.Generator().manual_seed(seed)):
            if self.kind == "character" and len(numbers) == length:
                return "".join(self.tokens.tokens[n] for n in numbers)
            numbers.append(number)
            if self.kind == "byte-pair":
                # the last character may not be complete
                text = self.graphemes.split(self.tokens.decode(numbers, special=0))
                if len(text) > length:
                    return "".join(text[:length])
        return ""

    def predict(self, prompts: list[str]) -> list[str]:
        """The text after each prompt, 200 characters each."""
        return [self.generate(prompt, length=200) for prompt in prompts]
