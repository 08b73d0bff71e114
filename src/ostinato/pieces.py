"""Texts as numbers for the tasks that read whole texts: a number for each word, character, or frequent piece of words.

`ostinato.data` has the vocabularies of a language model, in which every character has to have a probability; here a piece that was
not seen in training is UNKNOWN.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .data import byte_pair_tokenizer, compose, drawn, fill_tokenizer
from .errors import InputError
from .options import KINDS
from .records import read_record

# The numbers that every vocabulary begins with: past a text's end; not known; before the first piece; behind the last.
SPECIAL = ("<pad>", "<unknown>", "<start>", "<end>")
PAD, UNKNOWN, START, END = range(4)


class Pieces:
    """A vocabulary of pieces of text, and the way from a text to their numbers and back.

    Args:
        kind: One of `KINDS`. Words are runs of letters, digits and marks, and runs of other signs; characters are grapheme clusters.
        tokenizer: A `tokenizers.Tokenizer`.

    Example:
        >>> pieces = Pieces.of(["한글 is 한글", "is it?"], "word", size=100)
        >>> len(pieces), pieces.encode(["한글 is new"])[0].tolist()
        (8, [5, 4, 1])
    """

    def __init__(self, kind: str, tokenizer):
        self.kind, self.tokenizer = kind, tokenizer

    @classmethod
    def of(cls, texts: Iterable[str], kind: str, *, size: int, least: int = 1, lower: bool = False) -> "Pieces":
        """The vocabulary of some texts.

        Args:
            texts: The texts; see `ostinato.data.drawn`.
            kind: One of `KINDS`.
            size: Pieces at most, the special four among them.
            least: How often a piece has to be there.
            lower: Take capital letters for small ones.

        Raises:
            InputError: Another kind, or a size that byte pairs cannot have.
        """
        from tokenizers import pre_tokenizers, trainers

        if kind not in KINDS:
            raise InputError(f"--pieces {kind}: write one of {', '.join(KINDS)}")
        if kind == "byte-pair":
            if size < 256 + len(SPECIAL):
                raise InputError(f"--vocabulary-size {size}: byte pairs start from the 256 bytes and {len(SPECIAL)} marks; write 260 or more, such as 8000")
            trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=max(2, least), show_progress=False, special_tokens=[*SPECIAL],
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        else:
            trainer = trainers.WordLevelTrainer(vocab_size=size, min_frequency=least, show_progress=False, special_tokens=[*SPECIAL])
        tokenizer = _tokenizer(kind, lower=lower)
        tokenizer.train_from_iterator((compose(text) for text in drawn(texts)), trainer)
        return cls(kind, tokenizer)

    @property
    def lower(self) -> bool:
        """Whether capital letters are taken for small ones."""
        return self.tokenizer.normalizer is not None

    def __len__(self):
        return self.tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The numbers of each text, int32; without START and END."""
        encoded = self.tokenizer.encode_batch([compose(text) for text in texts], add_special_tokens=False)
        return [np.array(one.ids, np.int32) for one in encoded]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of numbers; marks are left out, and words have a space between them."""
        return self.tokenizer.decode([int(n) for n in numbers if n >= len(SPECIAL)], skip_special_tokens=False)

    def spelled(self, numbers: Sequence[int]) -> list[str]:
        """Each number as a person reads it, marks too."""
        return [SPECIAL[n] if n < len(SPECIAL) else self.tokenizer.decode([int(n)], skip_special_tokens=False) for n in numbers]

    def to_json(self) -> dict:
        """What `from_json` reads."""
        return {"kind": self.kind, "tokenizer": json.loads(self.tokenizer.to_str())}

    @classmethod
    def from_json(cls, value: dict, *, path: Path, split: bool = True) -> "Pieces":
        """The vocabulary that `to_json` gave.

        Args:
            value: This.
            path: The file that it came from, for messages.
            split: Texts are split into words; otherwise each is a word.

        Raises:
            InputError: It is none.
        """
        try:
            said = read_record(_Said, value)
            tokenizer = _tokenizer(said.kind, lower=said.tokenizer.get("normalizer") is not None, split=split)
            fill_tokenizer(tokenizer, said.tokenizer, special=SPECIAL)
        except InputError as error:
            raise InputError(f"{str(path)!r} holds no vocabulary ({error}); restore the file, or train the model again") from error
        return cls(said.kind, tokenizer)


@dataclass(frozen=True)
class _Said:
    """The contents of the file of a vocabulary."""

    kind: Literal[KINDS]
    tokenizer: dict[str, object]


def _tokenizer(kind: str, *, lower: bool, split: bool = True):
    """A `tokenizers.Tokenizer` of a kind that has not learned any token yet."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    if kind == "byte-pair":
        tokenizer = byte_pair_tokenizer()
    else:
        tokenizer = Tokenizer(models.WordLevel({}, unk_token=SPECIAL[UNKNOWN]))
        if kind == "character":
            tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Split(Regex(r"\X"), "isolated"), decoders.Fuse()
        elif split:
            tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    # a text that spells a mark, as "<end>", is text
    tokenizer.encode_special_tokens = True
    return tokenizer
