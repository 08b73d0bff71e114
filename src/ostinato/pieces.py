"""Texts as numbers for the tasks that read whole texts: a number for each word, character, or frequent piece of words.

`ostinato.data` has the vocabularies of a language model, in which every character has to have a probability; here a piece that was
not seen in training is UNKNOWN.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .data import compose, drawn
from .errors import InputError
from .options import KINDS

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
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        if kind not in KINDS:
            raise InputError(f"--pieces {kind}: write one of {', '.join(KINDS)}")
        if kind == "byte-pair":
            if size < 256 + len(SPECIAL):
                raise InputError(f"--vocabulary-size {size}: byte pairs start from the 256 bytes and {len(SPECIAL)} marks; write 260 or more, such as 8000")
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
            trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=max(2, least), show_progress=False, special_tokens=[*SPECIAL],
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        else:
            tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL[UNKNOWN]))
            if kind == "word":
                tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
            else:
                tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Split(Regex(r"\X"), "isolated"), decoders.Fuse()
            trainer = trainers.WordLevelTrainer(vocab_size=size, min_frequency=least, show_progress=False, special_tokens=[*SPECIAL])
        if lower:
            tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.train_from_iterator((compose(text) for text in drawn(texts)), trainer)
        # a text that spells a mark, as "<end>", is text
        tokenizer.encode_special_tokens = True
        return cls(kind, tokenizer)

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
    def from_json(cls, value: dict, *, path: Path) -> "Pieces":
        """The vocabulary that `to_json` gave.

        Raises:
            InputError: It is none; the message names the file it came from.
        """
        from tokenizers import Tokenizer

        try:
            kind, tokenizer = value["kind"], Tokenizer.from_str(json.dumps(value["tokenizer"]))
        # tokenizers raises a bare Exception for a tokenizer that it cannot read
        except Exception as error:
            raise InputError(f"{str(path)!r} holds no vocabulary ({error!r}); restore the file, or train the model again") from error
        if kind not in KINDS:
            raise InputError(f"{str(path)!r} holds a vocabulary of kind {kind!r}; it should be one of {', '.join(KINDS)}")
        tokenizer.encode_special_tokens = True
        return cls(kind, tokenizer)
