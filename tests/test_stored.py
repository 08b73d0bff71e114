"""Sequences in temporary files are as those in memory."""

import gc
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ostinato.errors import InputError
from ostinato.stored import Chunked, StoredNumbers, StoredRows

ROWS = [np.arange(count, dtype=np.int32) + 10 * count for count in (3, 0, 1, 7, 0)]


@pytest.mark.parametrize("place", [slice(None), slice(2, 5), slice(-3, None), slice(5, 2), slice(0, 99)])
def test_numbers_are_read_by_their_places(place):
    numbers = StoredNumbers(np.int16)
    for part in ([5, 6], [], range(7, 20)):
        numbers.extend(part)
    wanted = np.arange(5, 20, dtype=np.int16)[place]
    assert len(numbers) == 15 and numbers[place].dtype == np.int16 and numbers[place].tolist() == wanted.tolist()


@pytest.mark.parametrize("together", [2, 256])
def test_rows_of_any_length_come_back(monkeypatch, together):
    monkeypatch.setattr("ostinato.stored.TOGETHER", together)
    rows = StoredRows(np.int32, lambda row: row.tolist())
    rows.extend(ROWS[:2])
    rows.extend([])
    rows.extend(iter(ROWS[2:]))
    wanted = [row.tolist() for row in ROWS]
    assert list(rows) == wanted and len(rows) == 5 and [rows[k] for k in range(5)] == wanted
    assert rows[1:4] == wanted[1:4] and rows[-2] == wanted[-2] and rows[::-2] == wanted[::-2] and rows[4:1] == []
    with pytest.raises(IndexError):
        rows[5]


def test_a_chunk_is_read_once_for_all_its_items():
    loaded = []
    items = Chunked([0, 2, 2, 5], lambda chunk: loaded.append(chunk) or [[0, 1], [], [2, 3, 4]][chunk])
    assert [items[k] for k in range(5)] == [0, 1, 2, 3, 4] and loaded == [0, 2]
    assert items == [0, 1, 2, 3, 4] != items[:4] and items[-1] == 4 and items[1:4] == [1, 2, 3]
    taken = items.take([4, 0, 3])
    assert taken == [4, 0, 3] and taken[1] == 0 and taken[1:] == [0, 3] and taken.take(np.array([2])) == [3] and taken != [4, 0, 2]


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
        with pytest.raises(InputError, match="cannot write a temporary file in '.*': No space left on device; make room there, or .*TMPDIR="):
            numbers.extend([1])


# What a task does before it trains, in a process of its own. Not ru_maxrss: that is at least what the process had that started it.
READING = """
import re, sys
from pathlib import Path
from ostinato.tasks import task_class
name, path = sys.argv[1:]
task = task_class(name)(**({"pieces": "character", "spelling": False} if name == "classify" else {}))
every = task.read(path)
every.digest()
learned, measured = task.split(every)
task.prepare(learned, every)
task.model = task.build()
task.problem(learned, measured).batch(0)
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc, which is not there")
@pytest.mark.parametrize("name, row", [("classify", "{}\t이 영화는 {} 번 보아도 재미있고 the music is good\n"), ("generate", "{} 되풀이되는 가락 {}\n")])
def test_memory_grows_by_less_than_the_file(tmp_path, name, row):
    sizes, peaks = [], []
    for count in (100_000, 500_000):
        path = tmp_path / f"{count}.tsv"
        path.write_text("label\ttext\n" + "".join(row.format(k % 2, k) for k in range(count)), encoding="utf-8")
        sizes.append(path.stat().st_size)
        peaks.append(int(subprocess.run([sys.executable, "-c", READING, name, path], capture_output=True, text=True, check=True).stdout))
    # rows that were objects in memory took 25 times the file
    assert peaks[1] - peaks[0] < 0.6 * (sizes[1] - sizes[0])
