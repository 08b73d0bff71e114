"""Private: vocabularies: words, characters and byte pairs as numbers, and back to text."""

import codecs
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from ..errors import InputError
from ..options import TOKEN_KINDS
from .records import Distinct, Length, read_record
from .text import characters, compose

# Maximum number of characters to learn tokens from.
LEARNED_CHARACTERS = 20_000_000


# ---------------------------------------------------------------- vocabularies


def sample_texts(texts: Iterable[str]) -> Iterator[str]:
    """The texts to learn a vocabulary from: all, or a fixed random sample of about
    `LEARNED_CHARACTERS` characters.

    Args:
        texts: The texts; they are read twice.
    """
    size, random = sum(map(len, texts)), np.random.default_rng(0)
    return (
        text
        for text in texts
        if size <= LEARNED_CHARACTERS or random.random() < LEARNED_CHARACTERS / size
    )


class CharacterVocabulary:
    """A number for each character.

    Args:
        tokens: The characters in the order of their numbers.
    """

    kind = "character"

    def __init__(self, tokens: list[str]):
        self.tokens = list(tokens)
        self.numbers = {token: number for number, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> "CharacterVocabulary":
        """Build the vocabulary of texts, in code point order."""
        found = set()
        for text in texts:
            found.update(characters(text))
        return cls(sorted(found))

    def __len__(self):
        return len(self.tokens)

    def encode(self, text: str) -> np.ndarray:
        """Encode a composed text as int32 numbers.

        Raises:
            InputError: A character is not in the vocabulary.
        """
        found = characters(text)
        try:
            return np.fromiter((self.numbers[c] for c in found), np.int32, len(found))
        except KeyError:
            unseen = list(dict.fromkeys(c for c in found if c not in self.numbers))
            shown = ", ".join(map(repr, unseen[:5])) + (
                f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
            )
            raise InputError(
                f"{shown}: not in the vocabulary, because the training text does not contain it; "
                "leave it out, or train with --vocabulary byte-pair, which can encode any text"
            ) from None

    def decoder(self) -> "Decoder":
        """A decoder from numbers to text, one number at a time."""
        return Decoder(self.tokens.__getitem__, whole=True)

    def to_json(self) -> dict:
        """The vocabulary as `vocabulary_from_json` reads it."""
        return {"kind": self.kind, "tokens": self.tokens}


class BytePairVocabulary:
    """A number for each learned byte-pair token; any other text is encoded by its bytes.

    Args:
        tokenizer: A byte-level byte-pair `tokenizers.Tokenizer`.
    """

    kind = "byte-pair"

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        alphabet = _byte_letters()
        tokens = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
        self.token_bytes = [bytes(alphabet[letter] for letter in token) for token in tokens]

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> "BytePairVocabulary":
        """Learn a vocabulary of `size` tokens from texts.

        Raises:
            InputError: The texts have too few different tokens.
        """
        from tokenizers import trainers

        tokenizer = byte_pair_tokenizer()
        trainer = trainers.BpeTrainer(
            vocab_size=size, show_progress=False, initial_alphabet=sorted(_byte_letters())
        )
        tokenizer.train_from_iterator(
            (line for text in sample_texts(texts) for line in text.splitlines(keepends=True)),
            trainer,
        )
        if tokenizer.get_vocab_size() != size:
            raise InputError(
                f"--vocabulary-size {size}: this text only gives {tokenizer.get_vocab_size()} "
                f"tokens; write --vocabulary-size {tokenizer.get_vocab_size()} or less"
            )
        return cls(tokenizer)

    def __len__(self):
        return len(self.token_bytes)

    def encode(self, text: str) -> np.ndarray:
        """Encode a composed text as int32 numbers."""
        lines = text.splitlines(keepends=True)
        return np.fromiter(
            (number for line in self.tokenizer.encode_batch(lines) for number in line.ids), np.int32
        )

    def decoder(self) -> "Decoder":
        """A decoder from numbers to text, one number at a time."""
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        return Decoder(lambda number: utf8.decode(self.token_bytes[number]), whole=False)

    def to_json(self) -> dict:
        """The vocabulary as `vocabulary_from_json` reads it."""
        return {"kind": self.kind, "tokenizer": json.loads(self.tokenizer.to_str())}


def byte_pair_tokenizer():
    """An untrained byte-pair `tokenizers.Tokenizer`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    return tokenizer


def fill_tokenizer(tokenizer, saved: dict, *, special: Sequence[str] = ()) -> None:
    """Copy the vocabulary of a serialised tokenizer of the same kind into a tokenizer.

    Only the vocabulary is copied. A serialised tokenizer could also pad each text to a million
    tokens, or search it with a pattern that never ends. A tokenizer with any other settings is
    refused.

    Args:
        tokenizer: A `tokenizers.Tokenizer` of the expected kind.
        saved: The other tokenizer, as `Tokenizer.to_str` serialises it.
        special: The tokens that the vocabulary begins with.

    Raises:
        InputError: The tokenizer is of another kind, or its vocabulary is invalid.
    """
    from tokenizers import models

    ours = json.loads(tokenizer.to_str())
    for name in (
        "normalizer",
        "pre_tokenizer",
        "decoder",
        "post_processor",
        "truncation",
        "padding",
    ):
        if name not in saved or not _agrees(saved[name], ours[name]):
            raise InputError(f"its {name!r} is not that of an ostinato vocabulary")
    model = saved.get("model")
    own = {
        name: value
        for name, value in ours["model"].items()
        if name not in ("vocab", "merges", "unk_token")
    }
    if not isinstance(model, dict) or not _agrees(model, own):
        raise InputError("its 'model' is not that of an ostinato vocabulary")
    vocabulary = model.get("vocab")
    if (
        not isinstance(vocabulary, dict)
        or not all(type(number) is int for number in vocabulary.values())
        or sorted(vocabulary.values()) != [*range(len(vocabulary))]
        or [*sorted(vocabulary, key=vocabulary.get)[: len(special)]] != [*special]
    ):
        raise InputError(
            "its 'vocab' does not number the tokens from 0, with the special tokens first"
        )
    if own["type"] == "WordLevel":
        tokenizer.model = models.WordLevel(vocabulary, unk_token=tokenizer.model.unk_token)
    else:
        merges = model.get("merges")
        if not isinstance(merges, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
            for pair in merges
        ):
            raise InputError("its 'merges' are not pairs of tokens")
        if {first + second for first, second in merges} != {
            token for token in vocabulary if len(token) > 1
        } - {*special}:
            raise InputError("its 'merges' do not produce the tokens of its 'vocab'")
        try:
            tokenizer.model = models.BPE(
                vocab=vocabulary, merges=[(first, second) for first, second in merges]
            )
        # tokenizers raises a bare Exception for a pair that is not in the vocabulary
        except Exception as error:
            raise InputError(f"its 'merges' cannot be used ({error})") from error
    if saved.get("added_tokens"):
        tokenizer.add_special_tokens([*special])


def _agrees(saved, ours) -> bool:
    """Whether a part of a serialised tokenizer equals the expected part; other versions of
    tokenizers may have more or fewer settings.
    """
    if not isinstance(ours, dict) or not isinstance(saved, dict):
        return type(saved) is type(ours) and saved == ours
    return all(
        _agrees(saved[name], ours[name]) if name in saved else name != "type" for name in ours
    )


class Decoder:
    """Decodes numbers to characters one number at a time; a character is returned once it is
    complete.

    Args:
        text_of: Function from a number to the text it adds.
        whole: Each number is one whole character.
    """

    def __init__(self, text_of, *, whole: bool):
        self.text_of, self.whole, self.kept = text_of, whole, ""

    def feed(self, number: int) -> list[str]:
        """The characters that are complete after this number."""
        text = self.text_of(number)
        if self.whole:
            return [text]
        # The next text can still extend the last character: by an accent, or an emoji of a family.
        *done, self.kept = characters(self.kept + text) or [""]
        return done


def _byte_letters() -> dict[str, int]:
    """The letter by which byte-level tokenizers write each byte.

    Source:
        GPT-2's encoder.py, bytes_to_unicode (2019).
    """
    printed = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


def make_vocabulary(kind: str, size: int, *, learned_from: Iterable[str], every: Iterable[str]):
    """Build the vocabulary of a text for a language model.

    Args:
        kind: One of `VOCABULARIES`.
        size: Number of tokens of a byte-pair vocabulary.
        learned_from: The training part of the text, in chunks; byte pairs are learned from it
            alone.
        every: The whole text, in chunks. All its characters are in a character vocabulary, so that
            each has a probability and bits per character include all of them.
    """
    return (
        CharacterVocabulary.of(every)
        if kind == "character"
        else BytePairVocabulary.of(learned_from, size)
    )


def vocabulary_from_json(value: dict, *, path: Path):
    """Restore the vocabulary that `to_json` returned.

    Raises:
        InputError: The value is not a vocabulary; the message names its file.
    """
    try:
        if value.get("kind") == "character":
            return CharacterVocabulary(read_record(_CharacterFile, value).tokens)
        saved = read_record(_BytePairFile, value).tokenizer
        tokenizer = byte_pair_tokenizer()
        fill_tokenizer(tokenizer, saved)
        letters, tokens = _byte_letters(), tokenizer.get_vocab()
        if not (
            letters.keys() <= tokens.keys()
            and all(letter in letters for token in tokens for letter in token)
        ):
            raise InputError("its 'vocab' does not consist of tokens over all bytes")
        return BytePairVocabulary(tokenizer)
    except InputError as error:
        raise InputError(
            f"{str(path)!r} is not a vocabulary ({error}); restore the file, or train the model "
            "again"
        ) from error


@dataclass(frozen=True)
class _CharacterFile:
    """The contents of the file of a `CharacterVocabulary`."""

    kind: Literal["character"]
    tokens: Annotated[list[Annotated[str, Length(1)]], Length(1), Distinct()]


@dataclass(frozen=True)
class _BytePairFile:
    """The contents of the file of a `BytePairVocabulary`."""

    kind: Literal["byte-pair"]
    tokenizer: dict[str, object]


# The special tokens that every vocabulary starts with: padding, unknown, start, end.
SPECIAL = ("<pad>", "<unknown>", "<start>", "<end>")
PAD, UNKNOWN, START, END = range(4)


class Vocabulary:
    """A vocabulary of tokens: encodes texts as numbers and decodes them.

    Args:
        kind: One of `TOKEN_KINDS`. Words are runs of letters, digits and marks, or runs of other
            signs; characters are grapheme clusters.
        tokenizer: A `tokenizers.Tokenizer`.

    Example:
        >>> vocabulary = Vocabulary.of(["한글 is 한글", "is it?"], "word", size=100)
        >>> len(vocabulary), vocabulary.encode(["한글 is new"])[0].tolist()
        (8, [5, 4, 1])
    """

    def __init__(self, kind: str, tokenizer):
        self.kind, self.tokenizer = kind, tokenizer

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        kind: str,
        *,
        size: int,
        min_count: int = 1,
        lowercase: bool = False,
    ) -> "Vocabulary":
        """Learn a vocabulary from texts.

        Args:
            texts: The texts; see `ostinato.data.vocabulary.sample_texts`.
            kind: One of `TOKEN_KINDS`.
            size: Maximum number of tokens, including the four special ones.
            min_count: Minimum count of a token.
            lowercase: Convert texts to lower case.

        Raises:
            InputError: The kind is unknown, or byte pairs cannot have this size.
        """
        from tokenizers import pre_tokenizers, trainers

        if kind not in TOKEN_KINDS:
            raise InputError(f"--tokens {kind}: write one of {', '.join(TOKEN_KINDS)}")
        if kind == "byte-pair":
            if size < 256 + len(SPECIAL):
                raise InputError(
                    f"--vocabulary-size {size}: byte pairs start from the 256 bytes and "
                    f"{len(SPECIAL)} special tokens; write 260 or more, such as 8000"
                )
            trainer = trainers.BpeTrainer(
                vocab_size=size,
                min_frequency=max(2, min_count),
                show_progress=False,
                special_tokens=[*SPECIAL],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            )
        else:
            trainer = trainers.WordLevelTrainer(
                vocab_size=size,
                min_frequency=min_count,
                show_progress=False,
                special_tokens=[*SPECIAL],
            )
        tokenizer = _tokenizer(kind, lowercase=lowercase)
        tokenizer.train_from_iterator((compose(text) for text in sample_texts(texts)), trainer)
        return cls(kind, tokenizer)

    @property
    def lowercase(self) -> bool:
        """Whether texts are converted to lower case."""
        return self.tokenizer.normalizer is not None

    def __len__(self):
        return self.tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The numbers of each text, int32, without START and END."""
        encoded = self.tokenizer.encode_batch(
            [compose(text) for text in texts], add_special_tokens=False
        )
        return [np.array(one.ids, np.int32) for one in encoded]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of numbers, without special tokens; words are separated by spaces."""
        return self.tokenizer.decode(
            [int(n) for n in numbers if n >= len(SPECIAL)], skip_special_tokens=False
        )

    def spelled(self, numbers: Sequence[int]) -> list[str]:
        """The text of each number, including special tokens."""
        return [
            SPECIAL[n]
            if n < len(SPECIAL)
            else self.tokenizer.decode([int(n)], skip_special_tokens=False)
            for n in numbers
        ]

    def to_json(self) -> dict:
        """The vocabulary as `from_json` reads it."""
        return {"kind": self.kind, "tokenizer": json.loads(self.tokenizer.to_str())}

    @classmethod
    def from_json(cls, value: dict, *, path: Path, split: bool = True) -> "Vocabulary":
        """Restore the vocabulary that `to_json` returned.

        Args:
            value: The parsed JSON.
            path: The file it came from, for messages.
            split: Texts are split into words; otherwise each text is one word.

        Raises:
            InputError: The value is not a vocabulary.
        """
        try:
            saved = read_record(_VocabularyFile, value)
            tokenizer = _tokenizer(
                saved.kind, lowercase=saved.tokenizer.get("normalizer") is not None, split=split
            )
            fill_tokenizer(tokenizer, saved.tokenizer, special=SPECIAL)
        except InputError as error:
            raise InputError(
                f"{str(path)!r} is not a vocabulary ({error}); restore the file, or train the "
                "model again"
            ) from error
        return cls(saved.kind, tokenizer)


@dataclass(frozen=True)
class _VocabularyFile:
    """The contents of the file of a vocabulary."""

    kind: Literal[TOKEN_KINDS]
    tokenizer: dict[str, object]


def _tokenizer(kind: str, *, lowercase: bool, split: bool = True):
    """An untrained `tokenizers.Tokenizer` of a kind."""
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
    )

    if kind == "byte-pair":
        tokenizer = byte_pair_tokenizer()
    else:
        tokenizer = Tokenizer(models.WordLevel({}, unk_token=SPECIAL[UNKNOWN]))
        if kind == "character":
            tokenizer.pre_tokenizer, tokenizer.decoder = (
                pre_tokenizers.Split(Regex(r"\X"), "isolated"),
                decoders.Fuse(),
            )
        elif split:
            tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    # a text that contains a special token such as "<end>" is text
    tokenizer.encode_special_tokens = True
    return tokenizer
