"""Private: readers of the tasks' data files, by the options of the task. Nothing here imports
torch.
"""

import hashlib
import itertools
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data.annotated import (
    Clips,
    columns_of_spaces,
    is_conllu,
    read_clips,
    read_pictures,
    read_tagged,
)
from ..data.disk import LazySequence, StoredRows, chunked, stored_words
from ..data.examples import Examples
from ..data.files import check_kind
from ..data.media import SIDE
from ..data.readers import read_labelled, read_pairs
from ..data.separated import read_lines
from ..data.series import Series, read_series
from ..data.series_columns import SeriesOptions
from ..data.summary import DataSummary
from ..data.tables import check_not_empty
from ..data.text import characters, read_chunks, read_text
from ..data.values import label_text
from ..errors import InputError
from ..options import Options
from .metadata import ForecastMetadata, Metadata
from .options import (
    DECIMAL_MARKS,
    CaptionOptions,
    ClassifyOptions,
    ForecastOptions,
    FrameOptions,
    GenerateOptions,
    TagOptions,
    TranscribeOptions,
    TranslateOptions,
)

_PART = re.compile(r"(.+\.npz):(\w+)")


def read_examples(
    task: str,
    data: str | Path,
    options: Options,
    *,
    labelled: bool = True,
    metadata: Metadata | None = None,
) -> Examples:
    """Read the examples in a file.

    Args:
        task: The command-line name of the task.
        data: The path of the file.
        options: The options of the task.
        labelled: Labels (or targets) are required.
        metadata: The metadata of a trained model; None before training.

    Raises:
        InputError: The file cannot be read, or lacks what the task needs.
    """
    return _READERS[task](data, options, labelled, metadata)


def check_path(data: str | Path) -> None:
    """Check that a file exists and is not empty, without reading it.

    Raises:
        InputError: The file does not exist, is empty, or cannot be read.
    """
    check_not_empty(_path_and_part(data)[0])


def _labelled_rows(
    data: str | Path, options: ClassifyOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """Texts or sequences of numbers with labels, for `classify`."""
    path, known = Path(data), metadata.columns if metadata else {}
    # by the names of the training columns, if they have names
    numbers = known.get("numbers")
    named = (
        isinstance(numbers, list)
        and path.suffix.lower() not in (".npz", ".ts", ".arff")
        and not all(map(str.isdecimal, numbers))
    )
    found = read_labelled(
        path,
        text=options.text,
        label=options.label,
        columns=numbers if named else None,
        features=options.features,
        header=options.header,
        like=None if labelled else known,
        trained=known or None,
        required=labelled,
        several=bool(options.multi_label),
    )
    if labelled and found.labels is None:
        raise InputError(
            f"{str(data)!r} has no labels (it has {found.columns}); name the array of them 'y', or "
            "name it with --label in training"
        )
    columns = {
        "x": found.texts if found.texts is not None else found.numbers,
        "label": found.labels,
    }
    return Examples(
        columns,
        source=str(data),
        about=found.columns,
        dtype=found.dtype,
        summary=found.summary,
    )


def _tagged_sentences(
    data: str | Path, options: TagOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """Sentences with a tag for each word, for `tag`."""
    path = Path(data)
    known = metadata.columns if metadata else {}
    # a file with the columns of the training data, and not with a sentence in each line
    spaced = "separator" in known and known.get("width") == str(columns_of_spaces(path))
    if not labelled and not is_conllu(path) and not spaced:
        words = _sentences(path)
        if words is not None:
            return Examples({"words": words, "tags": None}, source=str(data))
    try:
        found = read_tagged(path, column=options.column)
    except InputError:
        # words to be tagged need no tag column
        if labelled or options.column is None:
            raise
        found = read_tagged(path)
    if labelled and found.tags is None:
        raise InputError(
            f"{str(path)!r} has words and no tags; write a tab and the tag after each word, or "
            "name the column with --column"
        )
    return Examples(
        {"words": found.words, "tags": found.tags},
        source=str(data),
        about=found.columns,
        summary=found.summary,
    )


def _sentences(path: Path) -> StoredRows | None:
    """The words of each line, if a line is a sentence as on standard input: some lines have several
    words and none has a tab.
    """

    def lines() -> Iterator[str]:
        # trailing empty lines are ignored
        empty = 0
        for line in read_lines(path):
            if line:
                yield from [""] * empty
                yield line
            empty = 0 if line else empty + 1

    rows, several = stored_words(), False
    for some in chunked(lines()):
        if any("\t" in line for line in some):
            return None
        several = several or any(" " in line.strip() for line in some)
        rows.extend(line.split() for line in some)
    return rows if several else None


def _frames(
    data: str | Path, options: FrameOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """Clips with a label for each frame, for `frames`."""
    clips = _clips_from(data, label=options.label, labelled=labelled)
    if labelled and clips.labels is None:
        raise InputError(
            f"{str(data)!r} has no frame labels; give an npz file with x and an array of labels "
            "(clips, frames)"
        )
    classes = [label_text(name) for name in clips.classes or ()]
    labels = (
        LazySequence(len(clips.labels), lambda k: [classes[number] for number in clips.labels[k]])
        if labelled
        else None
    )
    return Examples(
        {"clips": clips.clips, "labels": labels, "names": clips.names},
        source=str(data),
        about=clips.columns,
        dtype=clips.dtype,
        summary=clips.summary,
    )


def _transcripts(
    data: str | Path, options: TranscribeOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """Clips with a sentence for each, for `transcribe`."""
    clips = _clips_from(data, label=options.label, labelled=labelled)
    if not labelled:
        targets = None
    elif clips.sentences is not None:
        targets = clips.sentences
    elif clips.labels is not None:
        silence = set(options.silence.split())
        targets = LazySequence(
            len(clips.labels),
            lambda k: " ".join(
                word
                for word, _ in itertools.groupby(
                    clips.classes[number] for number in clips.labels[k]
                )
                if word not in silence
            ),
        )
    else:
        raise InputError(
            f"{str(data)!r} has no sentences; give an npz file with an array of text, a sentence "
            "for each clip, or of a word for each frame"
        )
    return Examples(
        {"x": clips.clips, "target": targets, "name": clips.names},
        source=str(data),
        about=clips.columns,
        dtype=clips.dtype,
        summary=clips.summary,
    )


def _clips_from(data: str | Path, *, label: str | None, labelled: bool) -> Clips:
    """Read the clips of a file, or of a part of it: "clips.npz:train" has the clips listed in the
    array `train`.

    Args:
        data: The path, and the part.
        label: The array of labels or sentences.
        labelled: Labels or sentences are required.
    """
    path, part = _path_and_part(data)
    if labelled and part is None and _has_parts(path):
        raise InputError(
            f"{str(data)!r} has lists of training and test clips; write {data}:train or {data}:test"
        )
    return read_clips(path, label=label if labelled else None, part=part)


def _path_and_part(data: str | Path) -> tuple[Path, str | None]:
    found = _PART.fullmatch(str(data))
    return (Path(found[1]), found[2]) if found else (Path(data), None)


def _has_parts(path: Path) -> bool:
    check_kind(path)
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"train.npy", "test.npy"} <= set(archive.namelist())


def _steps(
    data: str | Path, options: ForecastOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """A series, for `forecast`."""
    return series_examples(
        read_series(Path(data), series_options(options, metadata, labelled)), str(data)
    )


def series_options(
    options: ForecastOptions, metadata: ForecastMetadata | None, labelled: bool
) -> SeriesOptions:
    """How a series is read for `forecast`.

    Args:
        options: The options of the task.
        metadata: The metadata of a trained model; None before training.
        labelled: The values are needed, so rows that have only known columns are left out.
    """
    found = SeriesOptions(
        columns=options.names,
        time=options.time,
        identity=options.id_names,
        known=options.known_names,
        fill=options.fill,
        date_format=options.date_format,
        decimal=DECIMAL_MARKS[options.decimal] if options.decimal else None,
        header=options.header,
    )
    if metadata is None:
        return found
    records = getattr(metadata, "series", [])
    return replace(
        found,
        columns=metadata.names,
        clock=metadata.clock,
        trained=True,
        series=[record.name for record in records if record.name is not None],
        future=not labelled,
    )


def series_examples(found: Series, source: str) -> Examples:
    """The examples of one or several series."""
    return Examples(
        {
            "values": found.values,
            "time": found.times,
            "date": found.dates,
            "series": found.series,
            "known": found.known,
        },
        source=source,
        about={
            "names": found.names,
            "known": found.known_names,
            "id": found.identity,
            "clock": found.clock,
        },
        summary=found.summary,
    )


def _sentence_pairs(
    data: str | Path, options: TranslateOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """Pairs of sentences, for `translate`."""
    found = read_pairs(
        Path(data),
        source=options.source,
        target=options.target,
        header=options.header,
        answered=labelled,
    )
    if labelled and found.targets is None:
        raise InputError(
            f"{str(data)!r} has one column; pairs need two: the source, and after a tab the target"
        )
    return Examples(
        {"x": found.sources, "target": found.targets if labelled else None, "name": None},
        source=str(data),
        about=found.columns,
        summary=found.summary,
    )


def _captions(
    data: str | Path, options: CaptionOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """Pictures with a caption for each, for `caption`."""
    caption = options.caption if labelled else None
    picture = options.picture if labelled or Path(data).suffix == ".npz" else None
    found = read_pictures(
        Path(data),
        caption=caption,
        picture=picture,
        folder=options.folder and Path(options.folder),
        header=options.header if labelled else None,
        size=SIDE,
    )
    if labelled and found.captions is None:
        raise InputError(
            f"{str(data)!r} has no captions; name the column or array of them with --caption"
        )
    return Examples(
        {"x": found.pictures, "target": found.captions if labelled else None, "name": found.names},
        source=str(data),
        about=found.columns,
        summary=found.summary,
    )


def _text_or_prompts(
    data: str | Path, options: GenerateOptions, labelled: bool, metadata: Metadata | None
) -> Examples:
    """A text, or a prompt in each line where no text is wanted, for `generate`."""
    if labelled:
        notes: list[str] = []
        text = TextExamples(read_chunks(Path(data), once=True, notes=notes), source=str(data))
        text.summary = DataSummary(len(text), "characters", notes=notes)
        return text
    # a prompt per line, as on standard input
    return Examples(
        {"prompt": read_text(Path(data)).removesuffix("\n").split("\n")}, source=str(data)
    )


class TextExamples(Examples):
    """A text in a temporary file; its rows are characters.

    Args:
        chunks: The text in chunks, or another `TextExamples` that contains this part.
        source: The origin of the text.
        part: A range of characters; the whole text by default.
    """

    def __init__(self, chunks: Iterable[str], *, source: str, part: range | None = None):
        super().__init__({}, source=source)
        if isinstance(chunks, TextExamples):
            self.chunks, self.starts = chunks.chunks, chunks.starts
        else:
            self.chunks, self.starts = StoredRows(np.uint8, lambda row: row.tobytes().decode()), [0]
            for chunk in chunks:
                self.chunks.extend([np.frombuffer(chunk.encode(), np.uint8)])
                self.starts.append(self.starts[-1] + len(characters(chunk)))
        self.part = part if part is not None else range(self.starts[-1])

    def __len__(self):
        return len(self.part)

    def __iter__(self) -> Iterator[str]:
        """The chunks."""
        for number, (start, end) in enumerate(zip(self.starts[:-1], self.starts[1:])):
            inside = range(max(start, self.part.start), min(end, self.part.stop))
            if len(inside) == end - start:
                yield self.chunks[number]
            elif inside:
                yield "".join(
                    characters(self.chunks[number])[inside.start - start : inside.stop - start]
                )

    def digest(self) -> str:
        hashed = hashlib.sha256()
        for chunk in self:
            hashed.update(chunk.encode())
        return hashed.hexdigest()

    def split(self, part: float, seed: int) -> tuple["TextExamples", "TextExamples"]:
        """Split off the end of the text."""
        boundary = round(len(self) * (1 - part))
        return tuple(
            TextExamples(self, source=self.source, part=some)
            for some in (self.part[:boundary], self.part[boundary:])
        )


# The reader of each task, by its name on the command line.
_READERS: dict[str, Callable[..., Examples]] = {
    "classify": _labelled_rows,
    "tag": _tagged_sentences,
    "frames": _frames,
    "forecast": _steps,
    "translate": _sentence_pairs,
    "transcribe": _transcripts,
    "generate": _text_or_prompts,
    "caption": _captions,
}
