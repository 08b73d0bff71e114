"""Private: readers of annotated sequences: sentences with tags, clips with labels, pictures with
captions.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .disk import LazySequence, StoredArray, blocks_of, chunked, select, stored_words
from .media import (
    PICTURE_SUFFIXES,
    find_picture,
    floats,
    open_picture,
    pictures_in,
    square,
    stored_frames,
    stored_video,
)
from .npz import find_array, least_and_most, read_arrays, split_array, texts_of
from .separated import read_lines
from .summary import ColumnUse, DataSummary, labels_found
from .tables import kind_of, listed, read_table
from .text import compose
from .values import PIXELS_DTYPE, scaling

# The columns of CoNLL-U that hold a tag. Source: universaldependencies.org/format.html
CONLLU_TAGS = {"upos": 3, "xpos": 4}
# The names of the columns in the first line of a file of words and tags.
WORD_NAMES = frozenset(["word", "words", "token", "tokens", "form", "text", "단어", "토큰", "어절"])
TAG_NAMES = frozenset(
    ["tag", "tags", "label", "labels", "pos", "upos", "xpos", "ner", "ne", "entity", "chunk"]
    + ["태그", "품사", "개체명", "라벨"]
)
# The first word of a document in the files of CoNLL 2003.
DOCUMENT_START = "-DOCSTART-"
FILE_COLUMNS = ("file", "picture", "image", "path", "filename", "file_name")
SENTENCE_COLUMNS = ("sentences", "sentence", "texts", "text", "captions", "caption")
CAPTION_COLUMNS = ("caption", "captions", "text", "description", "title", "en")


# ---------------------------------------------------------------- words with tags


@dataclass(frozen=True)
class Tagged:
    """Sentences with tags.

    Attributes:
        words: The words of each sentence.
        tags: The tag of each word; None if the file has no tags.
        columns: The columns that were used.
        summary: What was understood of the file.
    """

    words: Sequence[list[str]]
    tags: Sequence[list[str]] | None
    columns: dict[str, str | list[str]]
    summary: DataSummary


def read_tagged(path: Path, *, column: str | int | None = None) -> Tagged:
    """Read sentences with a tag per word: a word in each line, an empty line between sentences.

    A file named .conllu is read as CoNLL-U without its comments, word ranges (3-4) and empty nodes
    (3.1). In any other file a line has the word, a tab and the tag, or only the word of an
    untagged text. Columns are separated by spaces if the file has no tabs and all lines have the
    same number of words. A first line with the names of the columns is a header, and lines with
    `-DOCSTART-` are left out. The file can be compressed with gzip.

    Args:
        path: The file.
        column: The column of the tags: "upos" (default in CoNLL-U) or "xpos", a name in the
            header, or a column number, counted from 0.

    Raises:
        InputError: The file cannot be read; a line has too few columns; a word or a tag is empty;
            the column does not exist.
    """
    conllu, notes = is_conllu(path), []
    separator = "\t" if conllu or columns_of_spaces(path) is None else None

    def rows() -> Iterator[tuple[int, list[str]]]:
        """The line number and the fields of each line that is a word or empty."""
        for number, line in enumerate(read_lines(path, notes=notes), 1):
            fields = line.strip(" ").split("\t") if separator else line.split() or [""]
            if conllu and (fields[0].startswith("#") or "-" in fields[0] or "." in fields[0]):
                continue
            if not conllu and fields[0] == DOCUMENT_START:
                if (note := f"lines with {DOCUMENT_START} are left out") not in notes:
                    notes.append(note)
                continue
            yield number, fields

    first, fields = next((row for row in rows() if row[1] != [""]), (0, None))
    if fields is None:
        raise InputError(
            f"{str(path)!r} has only comments and no words; give a file with a word in each line"
        )
    width = 10 if conllu else len(fields)
    names = fields if not conllu and _names_tags(fields) else None
    place = _tag_place(path, column, fields, names, conllu)
    if not separator:
        notes.append("columns are separated by spaces")
    # the first word without a tag, and whether any word has one
    unfilled, filled = None, False

    def sentences() -> Iterator[list[tuple[str, str | None]]]:
        nonlocal unfilled, filled
        begun = []
        for number, fields in rows():
            if names is not None and number == first:
                continue
            if fields == [""]:
                yield begun
                begun = []
                continue
            if len(fields) != width:
                wanted = "CoNLL-U has 10" if conllu else f"line {first} has {width}"
                raise InputError(
                    f"{str(path)!r} line {number} has {len(fields)} columns, and {wanted}; "
                    f"separate columns by {'tabs' if separator else 'spaces'}, and sentences by "
                    "empty lines"
                )
            word, tag = (
                fields[1 if conllu else 0].strip(),
                fields[place].strip() if place is not None else None,
            )
            if not word or tag == "":
                raise InputError(
                    f"{str(path)!r} line {number} has no {'tag' if word else 'word'}; write it, or "
                    "an empty line to end a sentence"
                )
            begun.append((word, tag))
            if conllu and tag == "_":
                unfilled = unfilled or number
            else:
                filled = True
        yield begun

    words, tags = stored_words(), stored_words()
    for some in chunked(sentence for sentence in sentences() if sentence):
        words.extend([word for word, _ in sentence] for sentence in some)
        if place is not None:
            tags.extend([tag for _, tag in sentence] for sentence in some)
    tagged = place is not None and filled
    if tagged and conllu and place == CONLLU_TAGS["upos"] and unfilled:
        raise InputError(
            f"{str(path)!r} line {unfilled} has '_' as its tag, and other lines have tags; write "
            "the tag, or remove the sentence"
        )
    taken: dict[str, str | list[str]] = {"word": "form" if conllu else "0"}
    if not separator:
        taken["separator"], taken["width"] = "spaces", str(width)
    uses = [ColumnUse("words", [names[0] if names else str(taken["word"])])]
    if tagged:
        known = {number: name for name, number in CONLLU_TAGS.items()} if conllu else {}
        taken["tag"] = known.get(place, str(place))
        counts = labels_found((tag for row in tags for tag in row), "tag")
        uses.append(ColumnUse("tags", [names[place] if names else taken["tag"]], counts))
    summary = DataSummary(
        len(words), "sentences", "none" if names is None else "yes", uses, notes=notes
    )
    return Tagged(words, tags if tagged else None, taken, summary)


def is_conllu(path: Path) -> bool:
    """Whether a file is in CoNLL-U, by its name."""
    return kind_of(path) == ".conllu"


def columns_of_spaces(path: Path) -> int | None:
    """The number of columns of a file of words and tags that are separated by spaces; None for a
    file with tabs or with one column.

    Columns are separated by spaces if no line has a tab, and all lines, or nine of ten, have the
    same number of words, two or more.
    """
    widths: Counter[int] = Counter()
    for line in read_lines(path):
        if "\t" in line:
            return None
        if line.strip() and not line.startswith(DOCUMENT_START):
            widths[len(line.split())] += 1
    width, count = widths.most_common(1)[0] if widths else (1, 0)
    return width if width > 1 and 10 * count >= 9 * widths.total() else None


def _names_tags(fields: list[str]) -> bool:
    """Whether the first line names the columns: words, and tags."""
    names = [field.strip().casefold() for field in fields]
    return len(names) > 1 and names[0] in WORD_NAMES and not TAG_NAMES.isdisjoint(names[1:])


def _tag_place(
    path: Path,
    column: str | int | None,
    fields: list[str],
    names: list[str] | None,
    conllu: bool,
) -> int | None:
    """The number of the tag column; None if there is only one column.

    Args:
        path: The file, for messages.
        column: As in `read_tagged`.
        fields: The fields of the first line.
        names: The names of the columns; None without a header.
        conllu: The file is in CoNLL-U.
    """
    known = dict(CONLLU_TAGS) if conllu else {}
    for number, name in enumerate(names or ()):
        known.setdefault(name.strip().lower(), number)
    width = 10 if conllu else len(fields)
    if column is None:
        if width > 2 and not conllu:
            raise InputError(
                f"{str(path)!r} has {width} columns ({listed(fields)}); name the column of the "
                f"tags: --column 1 to --column {width - 1} (the words are column 0), for example "
                f"--column {width - 1} for {fields[-1]!r}"
            )
        return known["upos"] if conllu else 1 if width == 2 else None
    if width == 1:
        raise InputError(
            f"column={column!r}: {str(path)!r} has one column, the words; write the tag after each "
            "word, separated by a tab or a space"
        )
    place = known.get(
        str(column).lower(), int(column) if re.fullmatch("[0-9]{1,4}", str(column)) else -1
    )
    if not 0 < place < width or (conllu and place == 1):
        named = "".join(f"{name!r} or " for name in known if known[name])
        raise InputError(
            f"column={column!r}: {str(path)!r} has {width} columns; give {named}a number of 1 to "
            f"{width - 1}"
            + (", but not 1, the column of the words" if conllu else ", the words are column 0")
        )
    return place


# ---------------------------------------------------------------- clips of frames


@dataclass(frozen=True)
class Clips:
    """Clips of frames, with a label for each frame or with a sentence.

    Attributes:
        clips: (T, F) float32 each.
        labels: (T,) int64 each, indices into `classes`; None without labels.
        classes: The names of the labels.
        sentences: A sentence for each clip; None without sentences.
        names: The names of the clips; None if the file has none.
        columns: The arrays that were used.
        dtype: The dtype of the frames, as in `ostinato.data.values`.
        summary: What was understood of the data; None for a video or a folder.
    """

    clips: Sequence[np.ndarray]
    labels: Sequence[np.ndarray] | None
    classes: list[str] | None
    sentences: Sequence[str] | None
    names: Sequence[str] | None
    columns: dict[str, str | list[str]]
    dtype: str | None = None
    summary: DataSummary | None = None


def read_clips(path: Path, *, label: str | None = None, part: str | None = None) -> Clips:
    """Read clips from an npz file, a folder of pictures (the frames of one clip) or a video.

    Args:
        path: The file or folder. An npz file has `x` (or `frames`) as described in
            `npz.split_array`, and labels (N, T) as integers or text. It can also have the names of
            the labels as a list of text, the names of the clips (`names`), and lists of clip
            numbers for parts of the data.
        label: The array of labels or sentences; by default the first array with a label per frame,
            and `sentences`.
        part: "train" or "test": read only the clips listed in the array of that name.

    Raises:
        InputError: The file cannot be read; an array does not exist or does not fit the frames.
    """
    path = Path(path)
    if path.suffix != ".npz":
        for name, value in (("label", label), ("part", part)):
            if value is not None:
                raise InputError(
                    f"{name}={value!r}: {str(path)!r} is not an npz file and has no arrays; leave "
                    f"{name} out"
                )
        frames = stored_frames(path) if os.path.isdir(path) else stored_video(path)
        return Clips(
            LazySequence(1, lambda _: floats(frames)),
            None,
            None,
            None,
            [compose(path.name)],
            {},
            PIXELS_DTYPE,
        )
    arrays = read_arrays(path)
    x = find_array(arrays, path, None, ("x", "X", "frames", "clips", "data"))
    if x is None:
        raise InputError(
            f"{str(path)!r} has no array 'x' or 'frames'; it has {listed(arrays)}; name the array "
            "of frames 'x', (N, T, F)"
        )
    clips, lengths = split_array(arrays, path, x)
    # concatenated clips have concatenated labels
    joined = "lengths" in arrays and len(arrays[x]) == lengths.sum() != len(clips)
    count = arrays[x].shape[: 1 if joined else 2]
    if label is None:
        fitting = [
            name
            for name, array in arrays.items()
            if array.shape == count and array.dtype.kind in "iuU" and name != x
        ]
        label = next(iter(fitting), None)
    find_array(arrays, path, label, ())
    labels = classes = sentences = None
    spoken = (
        label
        if label is not None and _is_text(arrays[label], len(clips))
        else next(
            (
                name
                for name in SENTENCE_COLUMNS
                if name in arrays and _is_text(arrays[name], len(clips))
            ),
            None,
        )
    )
    if spoken is not None:
        sentences, label = texts_of(arrays[spoken]), None if label == spoken else label
    names = (
        texts_of(arrays["names"])
        if "names" in arrays and arrays["names"].shape == (len(clips),)
        else None
    )
    if label is not None:
        number_of, classes = _frame_labels(
            {k: v for k, v in arrays.items() if k != "names" or names is None}, path, label, count
        )
        of, ends = arrays[label], np.cumsum(lengths)
        labels = LazySequence(
            len(clips),
            lambda k: number_of(
                of[int(ends[k] - lengths[k]) : int(ends[k])] if joined else of[k][: lengths[k]]
            ),
        )
    if part is not None:
        chosen = np.asarray(arrays[find_array(arrays, path, part, ())])
        if (
            chosen.ndim != 1
            or chosen.dtype.kind not in "iu"
            or not chosen.size
            or chosen.min() < 0
            or chosen.max() >= len(clips)
        ):
            raise InputError(
                f"{str(path)!r}: {part!r} has dtype {chosen.dtype} and shape {chosen.shape}; it "
                f"should be a list of clip numbers, 0 to {len(clips) - 1}"
            )
        clips, labels, sentences, names = (
            rows and select(rows, chosen) for rows in (clips, labels, sentences, names)
        )
    columns = (
        {"numbers": x}
        | ({"label": label} if label else {})
        | ({"sentences": spoken} if spoken else {})
    )
    dtype = arrays[x].dtype.name
    uses = [ColumnUse("frames", [x], scaling(dtype))]
    if label:
        counts: Counter[int] = Counter()
        for row in labels or ():
            counts.update(row.tolist())
        found = labels_found({(classes or [])[k]: n for k, n in counts.items()})
        uses.append(ColumnUse("labels", [label], found))
    if spoken:
        uses.append(ColumnUse("sentences", [spoken]))
    used = {x, label, spoken, part, "lengths", "names"}
    unused = {name: "not used" for name in arrays if name not in used}
    summary = DataSummary(len(clips), "clips", columns=uses, left_out=unused)
    return Clips(clips, labels, classes, sentences, names, columns, dtype, summary)


def _is_text(array: np.ndarray, count: int) -> bool:
    return array.dtype.kind == "U" and array.shape == (count,)


def _frame_labels(
    arrays: dict[str, np.ndarray | StoredArray], path: Path, label: str, count: tuple[int, ...]
) -> tuple[Callable[[np.ndarray], np.ndarray], list[str]]:
    """A function from a row of labels to int64 class numbers, and the names of the classes.

    Args:
        arrays: The arrays of the file.
        path: The file, for messages.
        label: The name of the label array.
        count: The shape that the label array must have.
    """
    labels = arrays[label]
    if labels.shape != count or labels.dtype.kind not in "iuU":
        raise InputError(
            f"{str(path)!r}: {label!r} has dtype {labels.dtype} and shape {labels.shape}; it "
            f"should be {count} integers or text, a label for each frame"
        )
    if labels.dtype.kind == "U":
        classes = np.unique(np.concatenate([np.unique(block) for block in blocks_of(labels)]))
        return lambda row: np.searchsorted(classes, row).astype(np.int64), classes.tolist()
    least, most = least_and_most(labels)
    if least < 0:
        raise InputError(
            f"{str(path)!r}: {label!r} has the label {least}; number the labels from 0"
        )
    # Names of the labels: the list named like the labels, otherwise the shortest sufficient list.
    lists = {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind == "U" and array.ndim == 1 and len(array) > most
    }
    named = next(
        (name for name in (f"{label}s", f"{label}_names", "classes") if name in lists), None
    )
    named = named or min(lists, key=lambda name: len(lists[name]), default=None)
    classes = (
        np.asarray(lists[named]).tolist() if named else [str(number) for number in range(most + 1)]
    )
    return lambda row: row.astype(np.int64), classes


# ---------------------------------------------------------------- pictures with captions


@dataclass(frozen=True)
class Pictures:
    """Pictures with captions.

    Attributes:
        pictures: (H, W, 3) uint8 each, red, green and blue.
        captions: A caption for each picture; None if the file has no captions.
        names: A name for each picture: its file, or its name in the data.
        left_out: Number of pictures left out because of an empty caption.
        columns: The columns or arrays that were used.
        summary: What was understood of the data.
    """

    pictures: StoredArray
    captions: Sequence[str] | None
    names: Sequence[str]
    left_out: int
    columns: dict[str, str | list[str]]
    summary: DataSummary


def read_pictures(
    path: Path,
    *,
    caption: str | None = None,
    picture: str | None = None,
    folder: Path | None = None,
    header: bool | None = None,
    size: int = 32,
) -> Pictures:
    """Read pictures, with captions from a table or npz file, or without captions from picture
    files.

    Args:
        path: A table, an npz file (an array (N, H, W, 3 or 4) uint8 and text (N,)), a picture or a
            folder.
        caption: The column (or array) of captions.
        picture: The column of picture files (or the array of pictures).
        folder: The directory of the picture files of a table; by default the directory of the
            table.
        header: Whether the first line of a table names its columns; None to find out.
        size: H and W of each returned picture; a picture that is not square is padded with white.

    Raises:
        InputError: The file cannot be read; a column does not exist; a picture is missing or
            broken; all captions are empty.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return _picture_arrays(path, caption, picture, size)
    # os.path.isdir and not Path.is_dir, which raises for a name that is too long
    of_folder = os.path.isdir(path)
    if of_folder or path.suffix.lower() in PICTURE_SUFFIXES:
        files = pictures_in(path) if of_folder else [path]
        pictures = _squares(
            (open_picture(file, lambda opened: square(opened, size)) for file in files), size
        )
        summary = DataSummary(len(files), "pictures")
        return Pictures(pictures, None, [compose(file.name) for file in files], 0, {}, summary)
    table = read_table(path, header=header)
    for name in (caption, picture):
        if name is not None:
            table.column(name)
    picture = (
        picture
        or table.find(FILE_COLUMNS, without=(caption,))
        or next(
            (
                name
                for name in table.names
                if table.texts(name)[0].lower().endswith(PICTURE_SUFFIXES)
            ),
            None,
        )
    )
    if picture is None:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none with names of picture "
            "files; name it: picture=..."
        )
    rest = [name for name in table.names if name != picture and not table.is_numeric(name)]
    caption = (
        caption
        or table.find(CAPTION_COLUMNS, without=(picture,))
        or table.longest_text_column(rest)
    )
    names = table.nonempty_texts(picture, "picture")
    kept, captions = _filled(table.texts(caption) if caption else None, len(names), path, caption)
    place = Path(folder) if folder is not None else path.parent
    missing = next(
        (row for row, name in zip(kept, select(names, kept)) if not find_picture(place, name)), None
    )
    if missing is not None:
        raise InputError(
            f"{table.where(missing)}: the picture {str(place / names[missing])!r} does not exist; "
            "fix its name, or give the directory of the pictures: folder=..."
        )
    pictures = _squares(
        (
            open_picture(
                find_picture(place, name) or place / name,
                lambda opened: square(opened, size),
                f"{table.where(row)}: ",
            )
            for row, name in zip(kept.tolist(), select(names, kept))
        ),
        size,
    )
    columns = {"picture": picture} | ({"caption": caption} if caption else {})
    uses = [ColumnUse(role, [name]) for role, name in columns.items()]
    summary = table.summary(*uses, rows=len(kept), unit="pictures")
    left_out = len(names) - len(kept)
    if left_out:
        summary = summary.with_note(f"{left_out:,} rows without a caption are left out")
    return Pictures(pictures, captions, select(names, kept), left_out, columns, summary)


def _squares(pictures: Iterable[np.ndarray], size: int) -> StoredArray:
    """Store square pictures of one size in a temporary file."""
    stored = StoredArray(np.uint8, (size, size, 3))
    for picture in pictures:
        stored.extend(picture)
    return stored


def _filled(
    captions: Sequence[str] | None, count: int, path: Path, name: str | None
) -> tuple[np.ndarray, Sequence[str] | None]:
    """The rows with a caption that is not empty, and their captions."""
    if captions is None:
        return np.arange(count), None
    kept = np.flatnonzero(np.fromiter((caption.strip() != "" for caption in captions), bool, count))
    if not len(kept):
        raise InputError(
            f"{str(path)!r}: every caption in {name!r} is empty; write captions, or name another "
            "column: caption=..."
        )
    filled = select(captions, kept)
    return kept, LazySequence(len(kept), lambda k: filled[k].strip())


def _picture_arrays(path: Path, caption: str | None, picture: str | None, size: int) -> Pictures:
    arrays = read_arrays(path)
    x = find_array(arrays, path, picture, ("x", "X", "pictures", "images"))
    if x is None:
        raise InputError(
            f"{str(path)!r} has no array 'x' or 'pictures'; it has {listed(arrays)}; name it: "
            "picture=..."
        )
    pixels = arrays[x]
    if (
        pixels.dtype != np.uint8
        or pixels.ndim != 4
        or pixels.shape[3] not in (3, 4)
        or not pixels.size
    ):
        raise InputError(
            f"{str(path)!r}: {x!r} has dtype {pixels.dtype} and shape {pixels.shape}; it should be "
            "(N, H, W, 3) uint8, 0 to 255"
        )
    texts = [
        name
        for name, array in arrays.items()
        if array.dtype.kind == "U" and array.shape == pixels.shape[:1]
    ]
    caption = caption or next((name for name in CAPTION_COLUMNS if name in texts), None)
    find_array(arrays, path, caption, ())
    if caption is not None and caption not in texts:
        raise InputError(
            f"{str(path)!r}: {caption!r} has dtype {arrays[caption].dtype} and shape "
            f"{arrays[caption].shape}; it should be ({len(pixels)},) text, a caption for each "
            "picture"
        )
    kept, captions = _filled(
        texts_of(arrays[caption]) if caption else None, len(pixels), path, caption
    )
    naming = next((name for name in ("names", "name", "file", "hexcode") if name in texts), None)
    names = texts_of(arrays[naming]) if naming else LazySequence(len(pixels), str)
    pictures = _squares((square(one, size) for one in select(pixels, kept)), size)
    columns = {"picture": x} | ({"caption": caption} if caption else {})
    uses = [ColumnUse(role, [name]) for role, name in columns.items()]
    unused = {name: "not used" for name in arrays if name not in (x, caption, naming)}
    summary = DataSummary(len(kept), "pictures", columns=uses, left_out=unused)
    left_out = len(pixels) - len(kept)
    if left_out:
        summary = summary.with_note(f"{left_out:,} pictures without a caption are left out")
    return Pictures(pictures, captions, select(names, kept), left_out, columns, summary)
