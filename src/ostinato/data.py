"""Reading text: from a file to characters, from characters to numbers, from numbers to batches.

A character here is what a reader calls one: a grapheme cluster (Unicode Annex 29), after composition to NFC, so that a Korean
syllable, an accented letter or a family of emoji is one, however the file spells it.
"""

import codecs
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import regex

from .errors import InputError
from .files import read_blocks
from .records import Distinct, Length, read_record

# Bytes of a file that are in memory at a time.
CHUNK = 1 << 20
# Characters that pieces of text are learned from at most.
LEARNED = 20_000_000
# Code points that can be a part of a longer grapheme cluster; in a text without any, each code point is one character.
_JOINING = regex.compile(r"[\r\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=L}\p{GCB=V}\p{GCB=T}"
                         r"\p{GCB=Regional_Indicator}]")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


# ---------------------------------------------------------------- text


def read_text(path: Path) -> str:
    """The text of a UTF-8 file or pipe, composed (NFC), with line ends as "\\n".

    Raises:
        InputError: The file is missing, a directory, empty, or not UTF-8; the message says where.
    """
    return "".join(read_chunks(path, once=True))


def read_chunks(path: Path, *, size: int | None = None, packed: bool = False, once: bool = False) -> Iterator[str]:
    """What `read_text` gives, chunk by chunk.

    Args:
        path: Of the file.
        size: Bytes that are read at a time; `CHUNK`, if not given.
        packed: It is a gzip file.
        once: As for `files.read_blocks`.

    Yields:
        Text that ends with a line, or, where the chunk holds no line's end, with a character.
    """
    kept, empty, count = "", True, 0

    def blocks() -> Iterator[bytes]:
        nonlocal count
        for block in read_blocks(path, size or CHUNK, packed=packed, once=once):
            count += len(block)
            yield block

    for text in _decoded(blocks(), path, packed):
        text = kept + text
        # what follows a line's end, or a whole character, is no part of it
        end = text.rfind("\n") + 1 or len(text) - len((regex.findall(r"\X", text) or [""])[-1])
        text, kept = text[:end], text[end:]
        empty = empty and not text.strip()
        yield compose(text)
    if empty and not kept.strip():
        raise InputError(f"{str(path)!r} has no text in it ({count} bytes{' unpacked' * packed}); "
                         "give a text to learn from")
    yield compose(kept)


def _decoded(blocks: Iterable[bytes], path: Path, packed: bool) -> Iterator[str]:
    """The text of blocks of UTF-8, without the mark that some programs begin it with."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, lines, head, started = 0, 0, None, False
    for block in chain(blocks, [b""]):
        head = head or block[:3]
        kept, _ = decoder.getstate()
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
            line = lines + error.object.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{str(path)!r} is not UTF-8: byte {before - len(kept) + error.start} (line {line}) "
                f"is 0x{error.object[error.start]:02x}"
                + (f", and it starts as {encoding} does" if encoding else "")
                + "; write it as UTF-8, for example: " + (f"zcat {path} | " if packed else "")
                + f"iconv -f {encoding or 'ENCODING'} -t utf-8 {'' if packed else f'{path} '}> utf8.txt") from error
        yield text if started else text.removeprefix("\ufeff")
        started = started or text != ""
        before, lines = before + len(block), lines + block.count(b"\n")


def compose(text: str) -> str:
    """A text as the models read it: NFC, line ends as "\\n"."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def given_text(text: str, of: str = "") -> str:
    """A text that comes from Python or from the command line, as `compose` gives it; `of` is what the message begins with.

    Raises:
        InputError: It is no text, or cannot be written as UTF-8.
    """
    if not isinstance(text, str):
        raise InputError(f"{of}{text!r} is no text; write one, or \"\" for an empty one")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"{of}{text!r}: it is not UTF-8; write it in a UTF-8 terminal, or leave it out")
    return compose(text)


def characters(text: str) -> list[str]:
    """The characters of a composed text.

    Example:
        >>> characters(compose("한글 e\\u0301"))
        ['한', '글', ' ', 'é']
    """
    return regex.findall(r"\X", text) if _JOINING.search(text) else list(text)


# ---------------------------------------------------------------- vocabularies


def drawn(texts: Iterable[str]) -> Iterator[str]:
    """The texts that pieces are learned from: all; or, where these have more than `LEARNED` characters, about so many, always the same.

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
            shown = ", ".join(map(repr, unseen[:5])) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
            raise InputError(f"{shown}: not in the text that the model was trained on, so it has no number for it; leave it out, "
                             "or train with --vocabulary byte-pair, which can spell anything") from None

    def decoder(self) -> "Decoder":
        """What turns numbers back into text, one at a time."""
        return Decoder(self.tokens.__getitem__, whole=True)

    def to_json(self) -> dict:
        """What `vocabulary_from_json` reads."""
        return {"kind": self.kind, "tokens": self.tokens}


class BytePairVocabulary:
    """One number for each frequent piece of text, learned from a text; any other text is spelled by its bytes.

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
        trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=sorted(_byte_letters()))
        tokenizer.train_from_iterator((line for text in drawn(texts) for line in text.splitlines(keepends=True)), trainer)
        if tokenizer.get_vocab_size() != size:
            raise InputError(f"--vocabulary-size {size}: this text gives {tokenizer.get_vocab_size()} pieces and no more; "
                             f"write --vocabulary-size {tokenizer.get_vocab_size()} or less")
        return cls(tokenizer)

    def __len__(self):
        return len(self.pieces)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a composed text, int32."""
        lines = text.splitlines(keepends=True)
        return np.fromiter((number for line in self.tokenizer.encode_batch(lines) for number in line.ids), np.int32)

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
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return tokenizer


def fill_tokenizer(tokenizer, said: dict, *, special: Sequence[str] = ()) -> None:
    """Give a tokenizer the vocabulary of another one of the same kind, of which JSON says what `Tokenizer.to_str` gives.

    Nothing else is taken from there: a tokenizer can also say to pad each text to a million tokens, or to search it for a
    pattern that takes forever. Where it says anything that ours does not, it is not one of ours.

    Args:
        tokenizer: A `tokenizers.Tokenizer` of the kind that is wanted.
        said: Of the other one.
        special: The tokens that it begins with.

    Raises:
        InputError: It is of another kind, or its vocabulary cannot be used.
    """
    from tokenizers import models

    ours = json.loads(tokenizer.to_str())
    for name in ("normalizer", "pre_tokenizer", "decoder", "post_processor", "truncation", "padding"):
        if name not in said or not _agrees(said[name], ours[name]):
            raise InputError(f"its {name!r} is not that of a vocabulary of ours")
    model = said.get("model")
    own = {name: value for name, value in ours["model"].items() if name not in ("vocab", "merges", "unk_token")}
    if not isinstance(model, dict) or not _agrees(model, own):
        raise InputError("its 'model' is not that of a vocabulary of ours")
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not all(type(number) is int for number in vocabulary.values()) \
            or sorted(vocabulary.values()) != [*range(len(vocabulary))] or [*sorted(vocabulary, key=vocabulary.get)[:len(special)]] != [*special]:
        raise InputError("its 'vocab' does not number tokens from 0 on, the special ones first")
    if own["type"] == "WordLevel":
        tokenizer.model = models.WordLevel(vocabulary, unk_token=tokenizer.model.unk_token)
    else:
        merges = model.get("merges")
        if not isinstance(merges, list) or not all(isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
                                                   for pair in merges):
            raise InputError("its 'merges' are not pairs of tokens")
        if {first + second for first, second in merges} != {token for token in vocabulary if len(token) > 1} - {*special}:
            raise InputError("its 'merges' do not make the tokens of its 'vocab'")
        try:
            tokenizer.model = models.BPE(vocab=vocabulary, merges=[(first, second) for first, second in merges])
        # tokenizers raises a bare Exception for a pair that is not in the vocabulary
        except Exception as error:
            raise InputError(f"its 'merges' cannot be used ({error})") from error
    if said.get("added_tokens"):
        tokenizer.add_special_tokens([*special])


def _agrees(said, ours) -> bool:
    """Whether what JSON says of a part of a tokenizer is what ours has; another version of tokenizers may know more settings or fewer."""
    if not isinstance(ours, dict) or not isinstance(said, dict):
        return type(said) is type(ours) and said == ours
    return all(_agrees(said[name], ours[name]) if name in said else name != "type" for name in ours)


class Decoder:
    """Numbers to characters, one number at a time, giving each character when it is sure to be whole.

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
        # What comes next can still belong to the last character: an accent, the next emoji of a family.
        *done, self.kept = characters(self.kept + text) or [""]
        return done


def _byte_letters() -> dict[str, int]:
    """The letter by which byte-level tokenizers write each byte. Source: GPT-2's encoder.py, bytes_to_unicode (2019)."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(256 + place): byte for place, byte in enumerate(others)}


def make_vocabulary(kind: str, size: int, *, learned_from: Iterable[str], every: Iterable[str]):
    """The vocabulary of a text.

    Args:
        kind: One of `VOCABULARIES`.
        size: How many pieces a byte-pair vocabulary has.
        learned_from: The part that is trained on, in chunks; byte pairs are learned from it alone.
        every: This part and the rest, in chunks. All its characters have numbers, so that each has a probability and bits per
            character leave none out.
    """
    return CharacterVocabulary.of(every) if kind == "character" else BytePairVocabulary.of(learned_from, size)


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
        if not (letters.keys() <= tokens.keys() and all(letter in letters for token in tokens for letter in token)):
            raise InputError("its 'vocab' does not spell all bytes, and nothing else")
        return BytePairVocabulary(tokenizer)
    except InputError as error:
        raise InputError(f"{str(path)!r} holds no vocabulary ({error}); restore the file, or train the model again") from error


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


# ---------------------------------------------------------------- batches


class Lanes:
    """A text as B readers who go through it side by side, each from its own place, all round the text.

    The batch of a step follows from the step's number alone, so a run can go on from any step; and each row goes on where it
    stopped, so states can be carried from one batch to the next (truncated back-propagation through time).

    Args:
        numbers: The text, encoded: an array, or `ostinato.stored.StoredNumbers`.
        batch: B, readers.
        length: T, how far each reads in a step.

    Example:
        >>> x, y = Lanes(np.arange(10, dtype=np.int32), batch=2, length=3).at(1)
        >>> x.tolist(), y.tolist()
        ([[3, 4, 5], [8, 9, 0]], [[4, 5, 6], [9, 0, 1]])
    """

    def __init__(self, numbers, *, batch: int, length: int):
        self.numbers, self.batch, self.length = numbers, batch, length
        self.starts = np.arange(batch) * (len(numbers) // batch)

    @property
    def steps_per_epoch(self) -> float:
        """In how many steps all the text is read once."""
        return len(self.numbers) / (self.batch * self.length)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and the targets of a step, (B, T) int64 each."""
        read = np.stack([self._read(start + step * self.length) for start in self.starts.tolist()])
        return read[:, :-1], read[:, 1:]

    def _read(self, start: int) -> np.ndarray:
        """What a reader who is at a place reads in a step, and the number that comes next."""
        start, wanted = start % len(self.numbers), self.length + 1
        read = self.numbers[start:start + wanted]
        if len(read) < wanted:
            # round again, as often as it takes
            read = np.concatenate([read, np.resize(self.numbers[:wanted], wanted - len(read))])
        return read.astype(np.int64)


class HeldOut:
    """A text to be measured on: each of its numbers but the first is predicted once, in pieces with the state carried over.

    Args:
        numbers: The text, encoded: an array, or `ostinato.stored.StoredNumbers`.
        lane: How long one reader's part should be at least; shorter ones measure a model with less to go on.
        lanes: How many readers there are at most.
        length: T of the pieces.
    """

    # What marks a target that is past the end; torch's cross_entropy leaves it out by default.
    NOTHING = -100

    def __init__(self, numbers, *, lane: int = 2048, lanes: int = 32, length: int = 256):
        self.numbers, self.length = numbers, length
        self.count = len(numbers) - 1
        self.batch = max(1, min(lanes, self.count // lane))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pieces in order: inputs and targets, (B, T) int64 each."""
        steps = -(-self.count // self.batch)
        for start in range(0, steps, self.length):
            width = min(self.length, steps - start)
            x, y = (np.full((self.batch, width), filler, np.int64) for filler in (0, self.NOTHING))
            for lane in range(self.batch):
                place = lane * steps + start
                read = self.numbers[place:place + width + 1]
                x[lane, :max(0, len(read) - 1)], y[lane, :max(0, len(read) - 1)] = read[:-1], read[1:]
            yield x, y
