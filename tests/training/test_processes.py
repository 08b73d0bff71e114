"""Training by several processes: the same result as by one with the same batches."""

import json
import subprocess
import sys

import pytest

from ostinato.errors import InputError
from ostinato.tasks import Classifier, load

WORDS = {"good": "+", "fine": "+", "좋다": "+", "bad": "-", "poor": "-", "나쁘다": "-"}


def test_two_processes_end_as_one_with_the_same_batches(tmp_path):
    file = tmp_path / "data.jsonl"
    rows = [
        {"text": f"it is {word} {'now ' * k}", "label": label}
        for word, label in WORDS.items()
        for k in range(6)
    ]
    file.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    for devices in (1, 2):
        words = [
            "--hidden",
            7,
            "--embedding",
            5,
            "--dropout",
            0,
            "--word-dropout",
            0,
            "--epochs",
            6,
            "--batch",
            5,
            "--patience",
            0,
            "--threads",
            1,
        ]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ostinato",
                "train",
                "classify",
                file,
                "--out",
                tmp_path / str(devices),
                *map(str, words),
                "--devices",
                str(devices),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("rows, ") == 1
    one, two = (load(tmp_path / name) for name in "12")
    assert one.result.steps == two.result.steps == 42
    for a, b in zip(
        one.predict_dicts([row["text"] for row in rows]),
        two.predict_dicts([row["text"] for row in rows]),
    ):
        assert a["probabilities"]["+"] == pytest.approx(b["probabilities"]["+"], abs=2e-4)


def test_seconds_and_processes_do_not_go_together(tmp_path):
    with pytest.raises(
        InputError,
        match="9 seconds with 2 processes: they would stop at different steps; write --epochs or "
        "--steps",
    ):
        Classifier(seconds=9.0).fit((["a", "b"] * 4, ["x", "y"] * 4), out=tmp_path / "m", devices=2)
    with pytest.raises(
        InputError,
        match=r"fit\(devices=2, nodes=1\) without out=: the processes share the run's directory; "
        r"give one",
    ):
        Classifier(steps=9).fit((["a", "b"] * 4, ["x", "y"] * 4), devices=2)
