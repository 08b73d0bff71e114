"""Reading sequences: arrays of an npz file, sentences with tags, clips of frames with labels, pictures with captions."""

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .data import compose
from .errors import InputError, near
from .formats import LABELS, listed, read_table, read_unpacked, read_unpacked_text
from .pictures import PICTURES, open_picture, pictures_in, read_frames, read_video, square
from .tables import Labelled

# The columns of CoNLL-U that hold a tag. Source: universaldependencies.org/format.html
CONLLU_TAGS = {"upos": 3, "xpos": 4}
FILES = ("file", "picture", "image", "path", "filename", "file_name")
SENTENCES = ("sentences", "sentence", "texts", "text", "captions", "caption")
CAPTIONS = ("caption", "captions", "text", "description", "title", "en")


# ---------------------------------------------------------------- arrays


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file; text is composed.

    Raises:
        InputError: It is no whole npz file, or it holds pickled objects; the message names the array.
    """
    content = read_unpacked(path)
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise InputError(f"{str(path)!r} ({len(content)} bytes) is cut short or no npz file; "
                         "write it again with numpy.savez_compressed")
    arrays, name = {}, ""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            for name in archive.files:
                array = archive[name]
                if isinstance(array, np.ndarray):
                    arrays[name] = _composed(array) if array.dtype.kind == "U" else array
    except (ValueError, KeyError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error):
            raise InputError(f"{str(path)!r}: the array {name!r} holds Python objects, which are never loaded; "
                             f"save it as numbers or text, for example {name}=numpy.array({name}, dtype=str)") from error
        raise InputError(f"{str(path)!r} is damaged at the array {name!r} ({error}); "
                         "write it again with numpy.savez_compressed") from error
    return arrays


def _composed(array: np.ndarray) -> np.ndarray:
    return np.array([compose(text) for text in array.flat], dtype=str).reshape(array.shape)


def find_array(arrays: dict[str, np.ndarray], path: Path, given: str | None, known: tuple[str, ...]) -> str | None:
    """The name of an array: the one given, else the first of those known that is there, else None.

    Raises:
        InputError: There is none of the name given.
    """
    if given is not None and given not in arrays:
        raise InputError(f"{str(path)!r} has no array {given!r}{near(given, arrays) or ';'} it has {listed(arrays)}")
    return given if given is not None else next((name for name in known if name in arrays), None)


def split_array(arrays: dict[str, np.ndarray], path: Path, name: str) -> list[np.ndarray]:
    """Sequences from one array.

    Args:
        arrays: With `name`: (N, T) or (N, T, ...), what is past T flattened to F. With an array `lengths` (N,) the sequences are
            the first steps of each row, or, where they sum to the length of `name`, lie behind one another in it: (sum, ...).
        path: For messages.
        name: Of the array.

    Returns:
        (T, F) float32 each.

    Raises:
        InputError: The shapes do not fit, or there is a number that is not finite.
    """
    x, lengths = arrays[name], arrays.get("lengths")
    if x.dtype.kind not in "biuf":
        raise InputError(f"{str(path)!r}: {name!r} is of {x.dtype}; it should hold numbers")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        place = ", ".join(map(str, bad[0]))
        raise InputError(f"{str(path)!r}: {name}[{place}] is {x[tuple(bad[0])]}; leave such rows out, or fill them with a number")
    if lengths is not None:
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths.size and lengths.min() < 0):
            raise InputError(f"{str(path)!r}: 'lengths' is of {lengths.dtype}, shape {lengths.shape}; "
                             "it should be whole numbers (N,), 0 or more")
        if x.ndim in (1, 2) and len(x) == lengths.sum():
            flat = x.reshape(len(x), -1)
            return np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
        if x.ndim < 2 or len(x) != len(lengths) or (len(x) and lengths.max() > x.shape[1]):
            raise InputError(f"{str(path)!r}: {name!r} is of shape {x.shape}, and the {len(lengths)} 'lengths' sum to "
                             f"{lengths.sum()}; it should be (N, longest, F), or one behind another, (sum of lengths, F)")
    if x.ndim < 2 or not x.size:
        raise InputError(f"{str(path)!r}: {name!r} is of shape {x.shape}; "
                         "it should be (N, T) or (N, T, F): N sequences of T steps")
    rows = list(x.reshape(*x.shape[:2], -1))
    return rows if lengths is None else [row[:length] for row, length in zip(rows, lengths, strict=True)]


def read_labelled_arrays(path: Path, *, label: str | None = None, columns: list[str] | None = None) -> Labelled:
    """Sequences with labels from an npz file: what `tables.read_labelled` gives for one."""
    arrays = read_arrays(path)
    x = find_array(arrays, path, columns[0] if columns else None, ("x", "X", "data"))
    y = find_array(arrays, path, label, LABELS)
    if x is None:
        raise InputError(f"{str(path)!r} has no array 'x'; it has {listed(arrays)}; name the array of numbers: columns=[...]")
    numbers = split_array(arrays, path, x)
    if arrays[x].dtype == np.uint8:
        numbers = [row / np.float32(255) for row in numbers]
    if y is None:
        return Labelled(None, numbers, None, {"numbers": x})
    labels, names = arrays[y], arrays.get("names")
    if labels.shape != (len(numbers),) or labels.dtype.kind not in "iuU":
        raise InputError(f"{str(path)!r}: {y!r} is of {labels.dtype}, shape {labels.shape}; "
                         f"it should be ({len(numbers)},) whole numbers or text, one for each sequence in {x!r}")
    if names is not None and labels.dtype.kind in "iu":
        if labels.min() < 0 or labels.max() >= len(names):
            raise InputError(f"{str(path)!r}: {y!r} goes from {labels.min()} to {labels.max()}, and there are {len(names)} "
                             "'names'; it should number them from 0")
        labels = names[labels]
    labels = [str(value).strip() for value in labels]
    if "" in labels:
        raise InputError(f"{str(path)!r}: {y}[{labels.index('')}] is an empty label; write one, or take the row out")
    return Labelled(None, numbers, labels, {"numbers": x, "label": y})


# ---------------------------------------------------------------- words with tags


@dataclass(frozen=True)
class Tagged:
    """Sentences: the words of each, the tag of each word (None where the file has none), and which columns were taken."""

    words: list[list[str]]
    tags: list[list[str]] | None
    columns: dict[str, str | list[str]]


def read_tagged(path: Path, *, column: str | int | None = None) -> Tagged:
    """Sentences with a tag for each word: a word in each line, an empty line between sentences.

    A file named .conllu is read as CoNLL-U: comments, ranges of words (3-4) and empty nodes (3.1) are left out. Any other has
    the word, a tab and the tag in a line, or the word alone, where there are no tags yet. Each can be packed with gzip.

    Args:
        path: Of the file.
        column: Of the tags: "upos" (that of CoNLL-U, if not given) or "xpos", or the number of a column, counted from 0.

    Raises:
        InputError: The file cannot be read; a line has too few columns; a word or a tag is empty; the column is not there.
    """
    conllu = str(path).removesuffix(".gz").endswith(".conllu")
    rows = [(number, line.strip(" ").split("\t")) for number, line in enumerate(read_unpacked_text(path).split("\n"), 1)]
    if conllu:
        rows = [row for row in rows if not row[1][0].startswith("#") and "-" not in row[1][0] and "." not in row[1][0]]
    filled = [(number, fields) for number, fields in rows if fields != [""]]
    if not filled:
        raise InputError(f"{str(path)!r} has no words in it, only comments; give a file with a word in each line")
    first, width = filled[0][0], 10 if conllu else len(filled[0][1])
    place = _tag_place(path, column, width, conllu)
    if width == 1 and all(len(fields[0].split()) == 2 for _, fields in filled):
        raise InputError(f"{str(path)!r} has two words in each line and no tab; separate a word and its tag by a tab, "
                         "and write words without tags one in a line")
    sentences, unfilled = [[]], []
    for number, fields in rows:
        if fields == [""]:
            sentences.append([])
            continue
        if len(fields) != width:
            wanted = "CoNLL-U has 10" if conllu else f"line {first} has {width}"
            raise InputError(f"{str(path)!r} line {number} has {len(fields)} columns, and {wanted}; "
                             "separate them by tabs, and sentences by empty lines")
        word, tag = fields[1 if conllu else 0].strip(), fields[place].strip() if place is not None else None
        if not word or tag == "":
            raise InputError(f"{str(path)!r} line {number} has no {'tag' if word else 'word'}; "
                             "write one, or an empty line to end a sentence")
        sentences[-1].append((word, tag))
        if conllu and tag == "_":
            unfilled.append(number)
    sentences = [sentence for sentence in sentences if sentence]
    tagged = place is not None and len(unfilled) < len(filled)
    if tagged and place == CONLLU_TAGS["upos"] and unfilled:
        raise InputError(f"{str(path)!r} line {unfilled[0]} has '_' for its tag, and other lines have one; "
                         "write it, or take the sentence out")
    taken = {"word": "form" if conllu else "0"}
    if tagged:
        taken["tag"] = next((name for name, known in CONLLU_TAGS.items() if conllu and known == place), str(place))
    tags = [[tag for _, tag in sentence] for sentence in sentences] if tagged else None
    return Tagged([[word for word, _ in sentence] for sentence in sentences], tags, taken)


def _tag_place(path: Path, column: str | int | None, width: int, conllu: bool) -> int | None:
    """The number of the column of tags; None where there is but one column."""
    known = CONLLU_TAGS if conllu else {}
    if column is None:
        if width > 2 and not conllu:
            raise InputError(f"{str(path)!r} has {width} columns; say which holds the tags: column=1 to column={width - 1}")
        return known["upos"] if conllu else 1 if width == 2 else None
    place = known.get(str(column).lower(), int(column) if re.fullmatch("[0-9]{1,4}", str(column)) else -1)
    if not 0 < place < width or (conllu and place == 1):
        named = "".join(f"{name!r} or " for name in known)
        raise InputError(f"column={column!r}: {str(path)!r} has {width} columns; give {named}a number of 1 to {width - 1}"
                         + (", but not that of the words, 1" if conllu else ", the words are column 0"))
    return place


# ---------------------------------------------------------------- clips of frames


@dataclass(frozen=True)
class Clips:
    """Clips of frames, with a label for each frame, or with a sentence.

    Attributes:
        clips: (T, F) float32 each.
        labels: (T,) int64 each, numbers of `classes`; None where there are none.
        classes: What each number of a label is called.
        sentences: One of each clip; None where there are none.
        names: Of the clips; None where the file names none.
        columns: Which array was taken for what.
    """

    clips: list[np.ndarray]
    labels: list[np.ndarray] | None
    classes: list[str] | None
    sentences: list[str] | None
    names: list[str] | None
    columns: dict[str, str | list[str]]


def read_clips(path: Path, *, label: str | None = None, part: str | None = None) -> Clips:
    """Clips from an npz file, a folder of pictures that are the frames of one, or a video.

    Args:
        path: The npz file has `x` (or `frames`) as `split_array` reads it, labels as whole numbers or text (N, T), and can have
            what the numbers stand for as a list of text, names of the clips (`names`), and numbers of the clips of a part.
        label: The array of labels, or of sentences; if not given, the first that has a label for each frame, and `sentences`.
        part: "train" or "test": only the clips that the array of that name counts.

    Raises:
        InputError: The file cannot be read; an array is not there, or does not fit the frames.
    """
    path = Path(path)
    if path.suffix != ".npz":
        for name, value in (("label", label), ("part", part)):
            if value is not None:
                raise InputError(f"{name}={value!r}: {str(path)!r} is no npz file, and has no arrays; leave {name} out")
        return Clips([read_frames(path) if path.is_dir() else read_video(path)], None, None, None, [path.name], {})
    arrays = read_arrays(path)
    x = find_array(arrays, path, None, ("x", "X", "frames", "clips", "data"))
    if x is None:
        raise InputError(f"{str(path)!r} has no array 'x' or 'frames'; it has {listed(arrays)}; call the frames x, (N, T, F)")
    clips = split_array(arrays, path, x)
    lengths = [len(clip) for clip in clips]
    # Clips that lie behind one another in one array have labels that do.
    joined = "lengths" in arrays and len(arrays[x]) == sum(lengths) != len(clips)
    count = arrays[x].shape[:1 if joined else 2]
    if label is None:
        fitting = [name for name, array in arrays.items() if array.shape == count and array.dtype.kind in "iuU" and name != x]
        label = next(iter(fitting), None)
    find_array(arrays, path, label, ())
    labels = classes = sentences = None
    spoken = label if label is not None and _is_text(arrays[label], len(clips)) else next(
        (name for name in SENTENCES if name in arrays and _is_text(arrays[name], len(clips))), None)
    if spoken is not None:
        sentences, label = arrays[spoken].tolist(), None if label == spoken else label
    names = [str(name) for name in arrays["names"]] if "names" in arrays and arrays["names"].shape == (len(clips),) else None
    if label is not None:
        numbers, classes = _frame_labels({k: v for k, v in arrays.items() if k != "names" or names is None}, path, label, count)
        rows = np.split(numbers, np.cumsum(lengths)[:-1]) if joined else numbers
        labels = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    if part is not None:
        chosen = arrays[find_array(arrays, path, part, ())]
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not chosen.size or chosen.min() < 0 or chosen.max() >= len(clips):
            raise InputError(f"{str(path)!r}: {part!r} is of {chosen.dtype}, shape {chosen.shape}; "
                             f"it should be a list of numbers of clips, 0 to {len(clips) - 1}")
        clips, labels, sentences, names = (rows and [rows[k] for k in chosen] for rows in (clips, labels, sentences, names))
    taken = {"numbers": x} | ({"label": label} if label else {}) | ({"sentences": spoken} if spoken else {})
    return Clips(clips, labels, classes, sentences, names, taken)


def _is_text(array: np.ndarray, count: int) -> bool:
    return array.dtype.kind == "U" and array.shape == (count,)


def _frame_labels(arrays: dict[str, np.ndarray], path: Path, label: str, count: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """Labels as numbers, of the shape `count`, and what each number is called."""
    labels = arrays[label]
    if labels.shape != count or labels.dtype.kind not in "iuU":
        raise InputError(f"{str(path)!r}: {label!r} is of {labels.dtype}, shape {labels.shape}; "
                         f"it should be {count} whole numbers or text, a label for each frame")
    if labels.dtype.kind == "U":
        classes, numbers = np.unique(labels, return_inverse=True)
        return numbers.reshape(count).astype(np.int64), classes.tolist()
    if labels.min() < 0:
        raise InputError(f"{str(path)!r}: {label!r} has the label {labels.min()}; number labels from 0")
    # What the numbers stand for: the list called as the labels are, else the shortest that is long enough.
    most = int(labels.max())
    lists = {name: array for name, array in arrays.items() if array.dtype.kind == "U" and array.ndim == 1 and len(array) > most}
    named = next((name for name in (f"{label}s", f"{label}_names", "classes") if name in lists), None)
    named = named or min(lists, key=lambda name: len(lists[name]), default=None)
    classes = lists[named].tolist() if named else [str(number) for number in range(most + 1)]
    return labels.astype(np.int64), classes


# ---------------------------------------------------------------- pictures with captions


@dataclass(frozen=True)
class Pictures:
    """Pictures with captions.

    Attributes:
        pictures: (N, H, W, 3) uint8, red, green and blue.
        captions: One of each; None where the file has none.
        names: One of each: of its file, or what else the data call it.
        left_out: How many were left out because their caption is empty.
        columns: Which column or array was taken for what.
    """

    pictures: np.ndarray
    captions: list[str] | None
    names: list[str]
    left_out: int
    columns: dict[str, str | list[str]]


def read_pictures(path: Path, *, caption: str | None = None, picture: str | None = None, folder: Path | None = None,
                  size: int = 32) -> Pictures:
    """Pictures with captions from a table that names files, or an npz file; or without, from one picture or a folder of them.

    Args:
        path: Of the table, the npz file (an array (N, H, W, 3 or 4) uint8 and text (N,)), the picture or the folder.
        caption: The column (or array) of captions.
        picture: The column of files' names (or the array of pictures).
        folder: Where the files that a table names are; beside the table, if not given.
        size: H and W to make of each picture; what is not square gets a white border.

    Raises:
        InputError: The file cannot be read; a column is not there; a picture is missing or broken; no caption is filled.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return _picture_arrays(path, caption, picture, size)
    if path.is_dir() or path.suffix.lower() in PICTURES:
        files = pictures_in(path) if path.is_dir() else [path]
        pictures = np.stack([open_picture(file, lambda opened: square(opened, size)) for file in files])
        return Pictures(pictures, None, [file.name for file in files], 0, {})
    table = read_table(path)
    for name in (caption, picture):
        if name is not None:
            table.column(name)
    picture = picture or table.find(FILES, without=(caption,)) or next(
        (name for name in table.names if table.texts(name)[0].lower().endswith(PICTURES)), None)
    if picture is None:
        raise InputError(f"{str(path)!r} has the columns {listed(table.names)}, none of them of pictures' files; "
                         "name it: picture=...")
    rest = [name for name in table.names if name != picture and not table.is_numeric(name)]
    caption = caption or table.find(CAPTIONS, without=(picture,)) or max(
        rest, key=lambda name: sum(map(len, table.texts(name))), default=None)
    names = table.full_texts(picture, "picture")
    kept, captions = _filled(table.texts(caption) if caption else None, len(names), path, caption)
    place = Path(folder) if folder is not None else path.parent
    missing = next((row for row in kept if not (place / names[row]).is_file()), None)
    if missing is not None:
        raise InputError(f"{table.where(missing)}: there is no picture {str(place / names[missing])!r}; "
                         "mend its name, or say where the pictures are: folder=...")
    pictures = np.stack([open_picture(place / names[row], lambda opened: square(opened, size), f"{table.where(row)}: ")
                         for row in kept])
    taken = {"picture": picture} | ({"caption": caption} if caption else {})
    return Pictures(pictures, captions, [names[row] for row in kept], len(names) - len(kept), taken)


def _filled(captions: list[str] | None, count: int, path: Path, name: str | None) -> tuple[list[int], list[str] | None]:
    """The rows whose caption is not empty, and their captions."""
    if captions is None:
        return list(range(count)), None
    captions = [caption.strip() for caption in captions]
    kept = [row for row, caption in enumerate(captions) if caption]
    if not kept:
        raise InputError(f"{str(path)!r}: every caption in {name!r} is empty; write them, or name another: caption=...")
    return kept, [captions[row] for row in kept]


def _picture_arrays(path: Path, caption: str | None, picture: str | None, size: int) -> Pictures:
    arrays = read_arrays(path)
    x = find_array(arrays, path, picture, ("x", "X", "pictures", "images"))
    if x is None:
        raise InputError(f"{str(path)!r} has no array 'x' or 'pictures'; it has {listed(arrays)}; name it: picture=...")
    pixels = arrays[x]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (3, 4) or not pixels.size:
        raise InputError(f"{str(path)!r}: {x!r} is of {pixels.dtype}, shape {pixels.shape}; "
                         "it should be (N, H, W, 3) uint8, 0 to 255")
    texts = [name for name, array in arrays.items() if array.dtype.kind == "U" and array.shape == pixels.shape[:1]]
    caption = caption or next((name for name in CAPTIONS if name in texts), None)
    find_array(arrays, path, caption, ())
    if caption is not None and caption not in texts:
        raise InputError(f"{str(path)!r}: {caption!r} is of {arrays[caption].dtype}, shape {arrays[caption].shape}; "
                         f"it should be ({len(pixels)},) text, a caption for each picture")
    kept, captions = _filled(arrays[caption].tolist() if caption else None, len(pixels), path, caption)
    naming = next((name for name in ("names", "name", "file", "hexcode") if name in texts), None)
    names = arrays[naming].tolist() if naming else [str(row) for row in range(len(pixels))]
    pictures = np.stack([square(one, size) for one in pixels[kept]])
    taken = {"picture": x} | ({"caption": caption} if caption else {})
    return Pictures(pictures, captions, [names[row] for row in kept], len(pixels) - len(kept), taken)
