"""Sequences in temporary files are as those in memory."""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.disk import (
    ChunkedSequence,
    Concatenation,
    LazySequence,
    StoredArray,
    StoredNumbers,
    StoredRows,
    stored_texts,
)
from ostinato.errors import InputError
from ostinato.tasks import TASKS

ROWS = [np.arange(count, dtype=np.int32) + 10 * count for count in (3, 0, 1, 7, 0)]


@pytest.mark.parametrize(
    "place", [slice(None), slice(2, 5), slice(-3, None), slice(5, 2), slice(0, 99)]
)
def test_numbers_are_read_by_their_places(place):
    numbers = StoredNumbers(np.int16)
    for part in ([5, 6], [], range(7, 20)):
        numbers.extend(part)
    wanted = np.arange(5, 20, dtype=np.int16)[place]
    assert (
        len(numbers) == 15
        and numbers[place].dtype == np.int16
        and numbers[place].tolist() == wanted.tolist()
    )


@pytest.mark.parametrize("together", [2, 256])
def test_rows_of_any_length_come_back(monkeypatch, together):
    monkeypatch.setattr("ostinato.data.disk.ROWS_AT_ONCE", together)
    rows = StoredRows(np.int32, lambda row: row.tolist())
    rows.extend(ROWS[:2])
    rows.extend([])
    rows.extend(iter(ROWS[2:]))
    wanted = [row.tolist() for row in ROWS]
    assert list(rows) == wanted and len(rows) == 5 and [rows[k] for k in range(5)] == wanted
    assert (
        rows[1:4] == wanted[1:4]
        and rows[-2] == wanted[-2]
        and rows[::-2] == wanted[::-2]
        and rows[4:1] == []
    )
    with pytest.raises(IndexError):
        rows[5]


def test_a_chunk_is_read_once_for_all_its_items():
    loaded = []
    items = ChunkedSequence(
        [0, 2, 2, 5], lambda chunk: loaded.append(chunk) or [[0, 1], [], [2, 3, 4]][chunk]
    )
    assert [items[k] for k in range(5)] == [0, 1, 2, 3, 4] and loaded == [0, 2]
    assert items == [0, 1, 2, 3, 4] != items[:4] and items[-1] == 4 and items[1:4] == [1, 2, 3]
    taken = items.take([4, 0, 3])
    assert (
        taken == [4, 0, 3]
        and taken[1] == 0
        and taken[1:] == [0, 3]
        and taken.take(np.array([2])) == [3]
        and taken != [4, 0, 2]
    )


def test_files_are_gone_with_their_sequence(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    numbers = StoredNumbers(np.int8)
    numbers.extend([1])
    file = numbers._file
    assert [*tmp_path.iterdir()] == [] and not file.closed
    del numbers
    gc.collect()
    assert file.closed


def test_a_full_disk_is_one_error(monkeypatch):
    numbers = StoredNumbers(np.int8)
    with open("/dev/full", "w+b", buffering=0) as full:
        monkeypatch.setattr(numbers, "_file", full)
        with pytest.raises(
            InputError,
            match="cannot write a temporary file in '.*': No space left on device; free some space "
            "there, or .*TMPDIR=",
        ):
            numbers.extend([1])


@pytest.mark.parametrize("rows", [range(2, 9), [2, 3, 5, 6], [0, 9, 4], [7, 6, 5], []])
def test_items_of_some_places_are_read_together_where_they_are_near(rows):
    numbers = StoredArray(np.int16, (2,))
    numbers.extend(np.arange(20).reshape(10, 2))
    wanted = [[2 * k, 2 * k + 1] for k in rows]
    for whole in (
        numbers,
        LazySequence(10, lambda k: numbers[k]),
        ChunkedSequence([0, 4, 10], lambda chunk: [*numbers[4 * chunk : [4, 10][chunk]]]),
    ):
        found = whole.take(rows)
        assert [[*row] for row in found] == wanted == [[*row] for row in found[:]] and [
            [*row] for row in found[1:]
        ] == wanted[1:]
        assert [[*found[k]] for k in range(len(found))] == wanted and len(found) == len(rows)


def test_an_array_is_read_by_rows_and_taken_as_a_whole(monkeypatch):
    monkeypatch.setattr("ostinato.data.disk.BLOCK_BYTES", 13)
    wanted = np.arange(24, dtype=np.float64).reshape(4, 3, 2)
    array = StoredArray(np.float64, (3, 2))
    for part in (wanted[:1], wanted[1], wanted[2:]):
        array.extend(part)
    assert (array.shape, array.ndim, array.size, len(array), array.dtype) == (
        (4, 3, 2),
        3,
        24,
        4,
        np.float64,
    )
    assert (
        array.tolist() == wanted.tolist()
        and np.array_equal(np.asarray(array, np.int64), wanted)
        and np.array_equal(array[::-2], wanted[::-2])
    )
    assert (
        np.array_equal(np.stack(list(array)), wanted)
        and [len(block) for block in array.blocks()] == [1] * 4
        and array[-1].flags.writeable
    )
    assert array[3:1].shape == (0, 3, 2) and np.array_equal(
        array.numbers.mapped(), wanted.reshape(-1)
    )
    with pytest.raises(IndexError):
        array[4]


def test_sequences_stand_one_behind_another():
    both = Concatenation(["a"], stored_texts(["나", ""]), [])
    assert (
        both == ["a", "나", ""]
        and both[-1] == ""
        and both[1:] == ["나", ""]
        and both.take([2, 0]) == ["", "a"]
    )
    with pytest.raises(IndexError):
        both[3]


# ---------------------------------------------------------------- files larger than memory

# A whole run of two steps, first on a small file and then on a large one, in a process of its own:
# prints the peak of memory after each. Not ru_maxrss: that is at least what the process had that
# started it. What is read, written and compared at a time is little, so that a small file has
# several times that.
RUNNING = """
import json, re, sys
from pathlib import Path
from ostinato.data import disk, text
from ostinato.training import metrics
from ostinato.tasks import caption, forecast, sentences, task_class
text.CHUNK = disk.BLOCK_BYTES = 1 << 16
metrics.STEPS_AT_ONCE = forecast.STATISTICS_VALUES = 1 << 10
sentences.DECODED_AT_ONCE = sentences.WRITTEN = 16
caption.COMPARED = 64
name, options, *paths = sys.argv[1:]
for path in paths:
    task_class(name)(**json.loads(options)).fit(path, threads=1)
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
"""


def _lines(path, count, line):
    path.write_text("".join(line(k) for k in range(count)), encoding="utf-8")


def _words(k):
    return " ".join(
        f"{word}{k % 97 % base}"
        for word, base in zip(
            ("the", "music", "이", "영화는", "재미있고", "is", "good"), (3, 5, 7, 11, 13, 17, 19)
        )
    )


def _minutes(k):
    return f"{np.datetime64('2000-01-01T00:00') + k}".replace("T", " ")


def _npz(path, count, arrays):
    drawn = np.random.default_rng(0)
    made = {
        "x": lambda: drawn.normal(size=(count, 20, 20)).astype(np.float32),
        "label": lambda: drawn.integers(0, 5, (count, 20), np.uint8),
        "sentence": lambda: np.array([_words(k) for k in range(count)]),
        "pictures": lambda: drawn.integers(0, 255, (count, 32, 32, 3), np.uint8),
        "caption": lambda: np.array([_words(k) for k in range(count)]),
    }
    np.savez(path, **{name: made[name]() for name in arrays})


SENTENCES = {
    "hidden": 4,
    "embedding": 4,
    "beams": 1,
    "length": 3,
    "vocabulary_size": 300,
    "batch": 64,
}
# What the peak may grow by at most, as a part of what the file grows by: rows that were objects in
# memory took 25 to 55 times it. A forecast's windows have 26 numbers for each of the file's.
SHARE, SHARES = 1.0, {"forecast": 4.0}
# Of each task: options, a file's kind, the writer of a file of a number of rows, and the numbers.
LARGE = {
    "classify": (
        {"hidden": 4, "embedding": 4, "batch": 32, "vocabulary_size": 400},
        "tsv",
        lambda path, count: _lines(
            path, count, lambda k: f"{_words(k)}\t{k % 2}\n" if k else "text\tlabel\n"
        ),
        100_000,
    ),
    "tag": (
        {"hidden": 4, "embedding": 4, "character_embedding": 4, "character_hidden": 4, "batch": 32},
        "txt",
        lambda path, count: _lines(
            path,
            count,
            lambda k: "".join(f"{word}\t{word[0]}\n" for word in _words(k).split()) + "\n",
        ),
        60_000,
    ),
    "generate": (
        {"hidden": 4, "embedding": 4, "batch": 8, "sequence_length": 16},
        "txt",
        lambda path, count: _lines(path, count, lambda k: f"{_words(k)}\n"),
        100_000,
    ),
    "translate": (
        SENTENCES,
        "tsv",
        lambda path, count: _lines(path, count, lambda k: f"{_words(k)}\t{_words(k + 1)}\n"),
        50_000,
    ),
    "forecast": (
        {"hidden": 4, "season": 1, "window": 4, "batch": 64},
        "csv",
        lambda path, count: _lines(
            path,
            count,
            lambda k: f"{_minutes(k)},{10 + np.sin(k / 30):.6f}\n" if k else "time,value\n",
        ),
        160_000,
    ),
    "frames": (
        {"hidden": 4, "layers": 1, "batch": 64},
        "npz",
        lambda path, count: _npz(path, count, arrays=["x", "label"]),
        4000,
    ),
    "transcribe": (
        SENTENCES | {"layers": 1, "tokens": "word"},
        "npz",
        lambda path, count: _npz(path, count, arrays=["x", "sentence"]),
        4000,
    ),
    "caption": (
        SENTENCES | {"tokens": "word"},
        "npz",
        lambda path, count: _npz(path, count, arrays=["pictures", "caption"]),
        5000,
    ),
}


def test_every_task_is_run_on_large_files():
    assert set(LARGE) == set(TASKS)


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="the peak of memory is read from /proc, which is not there",
)
@pytest.mark.parametrize("name", LARGE)
def test_memory_grows_by_a_part_of_what_the_file_grows_by(tmp_path, name):
    options, kind, write, count = LARGE[name]
    paths = [tmp_path / f"{many}.{kind}" for many in (count // 10, count)]
    for path, many in zip(paths, (count // 10, count)):
        write(path, many)
    # the first run is not counted: what it loads and compiles stays
    command = [
        sys.executable,
        "-c",
        RUNNING,
        name,
        json.dumps(options | {"steps": 2}),
        *map(str, [paths[0], *paths]),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    (_, *peaks), sizes = (
        [int(line) for line in run.stdout.split()],
        [path.stat().st_size for path in paths],
    )
    assert peaks[1] - peaks[0] < SHARES.get(name, SHARE) * (sizes[1] - sizes[0])
