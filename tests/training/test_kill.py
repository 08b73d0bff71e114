"""A run of any task that is killed in the middle (kill -9) and gone on with ends with the numbers
of one that was not.

Every task is killed once by `pytest -m slow`; one of them in every run of the tests.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ostinato.tasks import TASKS
from ostinato.training.checkpoint import read_checkpoint
from runs import untimed

STEPS = 300


def _words(count, seed=0):
    drawn = random.Random(seed)
    return [
        " ".join(drawn.choices(["가", "나", "다", "라"], k=drawn.randint(2, 6)))
        for _ in range(count)
    ]


def _npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def _text(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _frames(path):
    drawn = np.random.default_rng(0)
    return _npz(
        path / "clips.npz",
        x=drawn.normal(size=(60, 10, 3)),
        word=drawn.integers(0, 3, (60, 10)),
        words=np.array(["a", "b", "c"]),
    )


# What makes a task's data in a directory, and options by which a run takes some seconds.
RUNS = {
    "classify": (
        lambda path: _text(
            path / "t.tsv", ["label\ttext", *(f"{'xy'['가' in row]}\t{row}" for row in _words(300))]
        ),
        ["--hidden", 32],
    ),
    "tag": (
        lambda path: _text(
            path / "t.txt",
            [
                line
                for row in _words(200)
                for line in (*(f"{word}\t{word in '가나'}" for word in row.split()), "")
            ],
        ),
        ["--hidden", 16],
    ),
    "frames": (_frames, ["--hidden", 16]),
    "forecast": (
        lambda path: _text(
            path / "s.csv", ["value", *(f"{np.sin(k / 3) + k % 5:.4f}" for k in range(400))]
        ),
        [],
    ),
    "translate": (
        lambda path: _text(path / "t.tsv", [f"{row}\t{row[::-1]}" for row in _words(300)]),
        ["--hidden", 16, "--vocabulary-size", 270],
    ),
    "transcribe": (_frames, ["--hidden", 16, "--label", "word"]),
    "generate": (lambda path: _text(path / "t.txt", _words(2000)), ["--hidden", 32]),
    "caption": (
        lambda path: _npz(
            path / "p.npz",
            x=np.random.default_rng(0).integers(0, 255, (80, 32, 32, 3), dtype=np.uint8),
            caption=np.array(_words(80)),
        ),
        ["--hidden", 16, "--vocabulary-size", 270],
    ),
}


def test_every_task_is_here():
    assert set(RUNS) == set(TASKS)


@pytest.mark.parametrize(
    "task",
    [pytest.param(name, marks=[] if name == "generate" else [pytest.mark.slow]) for name in RUNS],
)
def test_a_killed_run_ends_with_the_numbers_of_one_that_was_not(task, tmp_path):
    make, options = RUNS[task]
    command = [
        sys.executable,
        "-m",
        "ostinato",
        "train",
        task,
        str(make(tmp_path)),
        "--threads",
        "1",
        "--steps",
        str(STEPS),
        "--patience",
        "0",
        "--checkpoint-seconds",
        "0",
        *map(str, options),
    ]

    errors = tmp_path / "errors.txt"

    def run(out, *more):
        with open(errors, "w") as file:
            return subprocess.Popen(
                [*command, "--out", str(tmp_path / out), *more],
                stdout=subprocess.DEVNULL,
                stderr=file,
            )

    def result(out):
        found = json.loads((tmp_path / out / "config.json").read_text(encoding="utf-8"))["result"]
        return (
            found["metrics"],
            found["steps"],
            untimed(found["history"]),
            (tmp_path / out / "model.safetensors").read_bytes(),
        )

    checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
    with run("killed") as killed:
        while killed.poll() is None and not (
            checkpoint.exists() and read_checkpoint(checkpoint)[0].step >= 5
        ):
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL, errors.read_text()
    assert 5 <= read_checkpoint(checkpoint)[0].step < STEPS and "result" not in json.loads(
        (tmp_path / "killed" / "config.json").read_text(encoding="utf-8")
    )
    for out in ("killed", "whole"):
        with run(out, *["--resume"] * (out == "killed")) as again:
            pass
        assert again.returncode == 0, errors.read_text()
    assert result("killed") == result("whole")
    assert not [name for name in os.listdir(tmp_path / "killed") if name.startswith(".")]
