"""."""

import codecs
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from ..errors import InputError
from ..options import KINDS
from .records import Distinct, Length, read_record
from .text import characters, compose

# Characters that pieces of text are learned from at most.
LEARNED = 20_000_000


# ---------------------------------------------------------------- vocabularies


def drawn(texts: Iterable[str]) -> Iterator[str]:
    """The texts that pieces are learned from: all; or, where these have more than `LEARNED`
    characters, about so many, always the same.

    Args:
        texts: They are gone through twice.
    """
    size, random = sum(map(len, texts)), np.random.default_rng(0)
    return (text for text in texts if size <= LEARNED or random.random() < LEARNED / size)


class CharacterVocabulary:
    """One number for each character.

    Args:
        tokens: The characters, in the order of their numbers.
    """

    kind = "character"

    def __init__(self, tokens: list[str]):
        self.tokens = list(tokens)
        self.numbers = {token: number for number, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> "CharacterVocabulary":
        """The vocabulary of texts, in code point order."""
        found = set()
        for text in texts:
            found.update(characters(text))
        return cls(sorted(found))

    def __len__(self):
        return len(self.tokens)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a composed text, int32.

        Raises:
            InputError: A character that is not in the vocabulary.
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
                f"{shown}: not in the text that the model was trained on, so it has no number for "
                f"it; leave it out, "
                "or train with --vocabulary byte-pair, which can spell anything"
            ) from None

    def decoder(self) -> "Decoder":
        """What turns numbers back into text, one at a time."""
        return Decoder(self.tokens.__getitem__, whole=True)

    def to_json(self) -> dict:
        """What `vocabulary_from_json` reads."""
        return {"kind": self.kind, "tokens": self.tokens}


class BytePairVocabulary:
    """One number for each frequent piece of text, learned from a text; any other text is spelled by
    its bytes.

    Args:
        tokenizer: A byte-level byte-pair `tokenizers.Tokenizer`.
    """

    kind = "byte-pair"

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        alphabet = _byte_letters()
        tokens = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
        self.pieces = [bytes(alphabet[letter] for letter in token) for token in tokens]

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> "BytePairVocabulary":
        """The vocabulary of `size` pieces of texts.

        Raises:
            InputError: The texts do not have so many different pieces.
        """
        from tokenizers import trainers

        tokenizer = byte_pair_tokenizer()
        trainer = trainers.BpeTrainer(
            vocab_size=size, show_progress=False, initial_alphabet=sorted(_byte_letters())
        )
        tokenizer.train_from_iterator(
            (line for text in drawn(texts) for line in text.splitlines(keepends=True)), trainer
        )
        if tokenizer.get_vocab_size() != size:
            raise InputError(
                f"--vocabulary-size {size}: this text gives {tokenizer.get_vocab_size()} pieces "
                f"and no more; "
                f"write --vocabulary-size {tokenizer.get_vocab_size()} or less"
            )
        return cls(tokenizer)

    def __len__(self):
        return len(self.pieces)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a composed text, int32."""
        lines = text.splitlines(keepends=True)
        return np.fromiter(
            (number for line in self.tokenizer.encode_batch(lines) for number in line.ids), np.int32
        )

    def decoder(self) -> "Decoder":
        """What turns numbers back into text, one at a time."""
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        return Decoder(lambda number: utf8.decode(self.pieces[number]), whole=False)

    def to_json(self) -> dict:
        """What `vocabulary_from_json` reads."""
        return {"kind": self.kind, "tokenizer": json.loads(self.tokenizer.to_str())}


def byte_pair_tokenizer():
    """A `tokenizers.Tokenizer` for byte pairs, which has not learned any yet."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    return tokenizer


def fill_tokenizer(tokenizer, said: dict, *, special: Sequence[str] = ()) -> None:
    """Give a tokenizer the vocabulary of another one of the same kind, of which JSON says what
    `Tokenizer.to_str` gives.

    Nothing else is taken from there: a tokenizer can also say to pad each text to a million tokens,
    or to search it for a pattern that takes forever. Where it says anything that ours does not, it
    is not one of ours.

    Args:
        tokenizer: A `tokenizers.Tokenizer` of the kind that is wanted.
        said: Of the other one.
        special: The tokens that it begins with.

    Raises:
        InputError: It is of another kind, or its vocabulary cannot be used.
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
        if name not in said or not _agrees(said[name], ours[name]):
            raise InputError(f"its {name!r} is not that of a vocabulary of ours")
    model = said.get("model")
    own = {
        name: value
        for name, value in ours["model"].items()
        if name not in ("vocab", "merges", "unk_token")
    }
    if not isinstance(model, dict) or not _agrees(model, own):
        raise InputError("its 'model' is not that of a vocabulary of ours")
    vocabulary = model.get("vocab")
    if (
        not isinstance(vocabulary, dict)
        or not all(type(number) is int for number in vocabulary.values())
        or sorted(vocabulary.values()) != [*range(len(vocabulary))]
        or [*sorted(vocabulary, key=vocabulary.get)[: len(special)]] != [*special]
    ):
        raise InputError("its 'vocab' does not number tokens from 0 on, the special ones first")
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
            raise InputError("its 'merges' do not make the tokens of its 'vocab'")
        try:
            tokenizer.model = models.BPE(
                vocab=vocabulary, merges=[(first, second) for first, second in merges]
            )
        # tokenizers raises a bare Exception for a pair that is not in the vocabulary
        except Exception as error:
            raise InputError(f"its 'merges' cannot be used ({error})") from error
    if said.get("added_tokens"):
        tokenizer.add_special_tokens([*special])


def _agrees(said, ours) -> bool:
    """Whether what JSON says of a part of a tokenizer is what ours has; another version of
    tokenizers may know more settings or fewer.
    """
    if not isinstance(ours, dict) or not isinstance(said, dict):
        return type(said) is type(ours) and said == ours
    return all(_agrees(said[name], ours[name]) if name in said else name != "type" for name in ours)


class Decoder:
    """Numbers to characters, one number at a time, giving each character when it is sure to be
    whole.

    Args:
        text_of: The text that a number adds.
        whole: Each number is one whole character.
    """

    def __init__(self, text_of, *, whole: bool):
        self.text_of, self.whole, self.kept = text_of, whole, ""

    def feed(self, number: int) -> list[str]:
        """The characters that are whole once this number is known."""
        text = self.text_of(number)
        if self.whole:
            return [text]
        # What comes next can still belong to the last character: an accent, the next emoji of a
        # family.
        *done, self.kept = characters(self.kept + text) or [""]
        return done


def _byte_letters() -> dict[str, int]:
    """The letter by which byte-level tokenizers write each byte. Source: GPT-2's encoder.py,
    bytes_to_unicode (2019).
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
    """The vocabulary of a text.

    Args:
        kind: One of `VOCABULARIES`.
        size: How many pieces a byte-pair vocabulary has.
        learned_from: The part that is trained on, in chunks; byte pairs are learned from it alone.
        every: This part and the rest, in chunks. All its characters have numbers, so that each has
            a probability and bits per character leave none out.
    """
    return (
        CharacterVocabulary.of(every)
        if kind == "character"
        else BytePairVocabulary.of(learned_from, size)
    )


def vocabulary_from_json(value: dict, *, path: Path):
    """The vocabulary that `to_json` gave.

    Raises:
        InputError: It is no vocabulary; the message names the file it came from.
    """
    try:
        if value.get("kind") == "character":
            return CharacterVocabulary(read_record(_Characters, value).tokens)
        said = read_record(_BytePairs, value).tokenizer
        tokenizer = byte_pair_tokenizer()
        fill_tokenizer(tokenizer, said)
        letters, tokens = _byte_letters(), tokenizer.get_vocab()
        if not (
            letters.keys() <= tokens.keys()
            and all(letter in letters for token in tokens for letter in token)
        ):
            raise InputError("its 'vocab' does not spell all bytes, and nothing else")
        return BytePairVocabulary(tokenizer)
    except InputError as error:
        raise InputError(
            f"{str(path)!r} holds no vocabulary ({error}); restore the file, or train the model "
            f"again"
        ) from error


@dataclass(frozen=True)
class _Characters:
    """The contents of the file of a `CharacterVocabulary`."""

    kind: Literal["character"]
    tokens: Annotated[list[Annotated[str, Length(1)]], Length(1), Distinct()]


@dataclass(frozen=True)
class _BytePairs:
    """The contents of the file of a `BytePairVocabulary`."""

    kind: Literal["byte-pair"]
    tokenizer: dict[str, object]


# The numbers that every vocabulary begins with: past a text's end; not known; before the first
# piece; behind the last.
SPECIAL = ("<pad>", "<unknown>", "<start>", "<end>")
PAD, UNKNOWN, START, END = range(4)


class Pieces:
    """A vocabulary of pieces of text, and the way from a text to their numbers and back.

    Args:
        kind: One of `KINDS`. Words are runs of letters, digits and marks, and runs of other signs;
            characters are grapheme clusters.
        tokenizer: A `tokenizers.Tokenizer`.

    Example:
        >>> pieces = Pieces.of(["한글 is 한글", "is it?"], "word", size=100)
        >>> len(pieces), pieces.encode(["한글 is new"])[0].tolist()
        (8, [5, 4, 1])
    """

    def __init__(self, kind: str, tokenizer):
        self.kind, self.tokenizer = kind, tokenizer

    @classmethod
    def of(
        cls, texts: Iterable[str], kind: str, *, size: int, least: int = 1, lower: bool = False
    ) -> "Pieces":
        """The vocabulary of some texts.

        Args:
            texts: The texts; see `ostinato.data.vocabulary.drawn`.
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
                raise InputError(
                    f"--vocabulary-size {size}: byte pairs start from the 256 bytes and "
                    f"{len(SPECIAL)} marks; write 260 or more, such as 8000"
                )
            trainer = trainers.BpeTrainer(
                vocab_size=size,
                min_frequency=max(2, least),
                show_progress=False,
                special_tokens=[*SPECIAL],
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            )
        else:
            trainer = trainers.WordLevelTrainer(
                vocab_size=size, min_frequency=least, show_progress=False, special_tokens=[*SPECIAL]
            )
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
        encoded = self.tokenizer.encode_batch(
            [compose(text) for text in texts], add_special_tokens=False
        )
        return [np.array(one.ids, np.int32) for one in encoded]

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of numbers; marks are left out, and words have a space between them."""
        return self.tokenizer.decode(
            [int(n) for n in numbers if n >= len(SPECIAL)], skip_special_tokens=False
        )

    def spelled(self, numbers: Sequence[int]) -> list[str]:
        """Each number as a person reads it, marks too."""
        return [
            SPECIAL[n]
            if n < len(SPECIAL)
            else self.tokenizer.decode([int(n)], skip_special_tokens=False)
            for n in numbers
        ]

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
            tokenizer = _tokenizer(
                said.kind, lower=said.tokenizer.get("normalizer") is not None, split=split
            )
            fill_tokenizer(tokenizer, said.tokenizer, special=SPECIAL)
        except InputError as error:
            raise InputError(
                f"{str(path)!r} holds no vocabulary ({error}); restore the file, or train the "
                f"model again"
            ) from error
        return cls(said.kind, tokenizer)


@dataclass(frozen=True)
class _Said:
    """The contents of the file of a vocabulary."""

    kind: Literal[KINDS]
    tokenizer: dict[str, object]


def _tokenizer(kind: str, *, lower: bool, split: bool = True):
    """A `tokenizers.Tokenizer` of a kind that has not learned any token yet."""
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
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    # a text that spells a mark, as "<end>", is text
    tokenizer.encode_special_tokens = True
    return tokenizer
