"""The text that `ostinato train` prints as "use " works as it is printed, for each task: at a
terminal, with lines, and with no input.
"""

import json
import os
import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from ostinato.tasks import TASKS, load

STEPS = ["--steps", "2", "--hidden", "4", "--threads", "1", "--batch", "4"]
TEXTS = ["one two", "three four"] * 10
DATES = [f"20{10 + k // 12}-{k % 12 + 1:02d}" for k in range(60)]


def _npz(path, **arrays):
    np.savez(path, x=np.random.default_rng(0).random((20, 6, 2)).astype(np.float32), **arrays)
    return path


def _pictures(path):
    for number in range(20):
        Image.new("RGB", (8, 8), (12 * number, 0, 0)).save(path / f"{number}.png")
    (path / "table.csv").write_text(
        "file,caption\n" + "".join(f"{k}.png,{text}\n" for k, text in enumerate(TEXTS))
    )
    return path / "table.csv"


def _text(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# Data of each task in a folder, more options, a line to answer, and what a person at a terminal is
# asked for.
MADE = {
    "classify": (
        lambda folder: _text(folder / "x.tsv", "label\ttext\n" + "a\tone\nb\ttwo\n" * 10),
        [],
        "one",
        "a text",
    ),
    "tag": (
        lambda folder: _text(folder / "x.tsv", "the\tD\ndog\tN\n\n" * 20),
        [],
        "the dog",
        "a sentence",
    ),
    "translate": (
        lambda folder: _text(folder / "x.tsv", "".join(f"{text}\t{text}\n" for text in TEXTS)),
        [],
        "one two",
        "a sentence",
    ),
    "generate": (
        lambda folder: _text(folder / "x.txt", "abc def " * 60),
        ["--sequence-length", "8"],
        None,
        None,
    ),
    "forecast": (
        lambda folder: _text(
            folder / "x.csv",
            "month,sold\n" + "".join(f"{when},{10 + k % 5}\n" for k, when in enumerate(DATES)),
        ),
        ["--horizon", "3"],
        "10 11 12",
        None,
    ),
    "frames": (
        lambda folder: _npz(folder / "x.npz", label=np.array([["a", "b"] * 3] * 20)),
        [],
        "x.npz",
        "the path of an npz file",
    ),
    "transcribe": (
        lambda folder: _npz(folder / "x.npz", sentence=np.array(TEXTS)),
        [],
        "x.npz",
        "the path of an npz file",
    ),
    "caption": (_pictures, [], "0.png", "the path of a picture"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """For each task the directory of its run and the words that it printed as "use ", trained
    when they are first asked for.
    """
    made = {}

    def of(name, ostinato):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            data, options, _, _ = MADE[name]
            path = data(folder)
            code, printed, told = ostinato(
                "train", name, path, "--out", folder / "the model", *STEPS, *options
            )
            assert code == 0, told
            line = next(line for line in printed.splitlines() if line.startswith("use "))
            made[name] = folder, shlex.split(line)[2:]
        return made[name]

    return of


@pytest.fixture
def at_terminal(monkeypatch, capsys):
    """Run a command line at a real terminal, where these lines and Ctrl-D are typed: code, printed,
    told.
    """
    pty = pytest.importorskip("pty")
    from ostinato.cli.main import main

    def run(*words, typed=""):
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, typed.encode() + b"\x04")
            with os.fdopen(terminal, "r") as stdin:
                monkeypatch.setattr(sys, "argv", ["ostinato", *map(str, words)])
                monkeypatch.setattr(sys, "stdin", stdin)
                with pytest.raises(SystemExit) as end:
                    main()
        finally:
            os.close(keyboard)
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


def test_every_task_is_here():
    assert MADE.keys() == set(TASKS)


@pytest.mark.parametrize("name", MADE)
def test_the_command_as_printed_answers_or_asks_at_a_terminal(
    name, models, ostinato, at_terminal, monkeypatch
):
    folder, words = models(name, ostinato)
    monkeypatch.chdir(folder)
    _, _, line, asked = MADE[name]
    code, printed, told = at_terminal(*words, typed="" if asked is None else f"{line}\n")
    assert code == 0 and printed.strip()
    if asked is None:
        assert told == ""
    else:
        assert (
            told
            == f"reading from the keyboard: {load(words[1]).line_is} per line; Ctrl-D ends the "
            "input\n> > \n"
            and asked in told
        )
        assert len(printed.splitlines()) >= 1 and ostinato(*words, given=f"{line}\n")[0] == 0


@pytest.mark.parametrize("name", MADE)
def test_with_lines_it_answers_each_and_with_none_it_says_nothing_but_a_series_goes_on(
    name, models, ostinato, monkeypatch
):
    folder, words = models(name, ostinato)
    _, _, line, _ = MADE[name]
    if words[0] == "predict":
        code, printed, told = ostinato(
            *words, given=f"{folder / line if line[-4:] in ('.npz', '.png') else line}\n"
        )
        assert code == 0 and printed.strip() and told == ""
    code, printed, told = ostinato(*words, given="")
    assert (code, told) == (0, "") and (printed.strip() != "") == (name in ("forecast", "generate"))


def test_a_series_is_continued_with_its_dates_for_as_many_steps_as_are_wanted(
    models, ostinato, at_terminal
):
    _, words = models("forecast", ostinato)
    task = load(words[1])
    for steps, wanted in (
        (None, ["2015-01", "2015-02", "2015-03"]),
        (2, ["2015-01", "2015-02"]),
        (14, None),
    ):
        more = [] if steps is None else ["--steps", steps]
        code, printed, _ = ostinato(*words, *more)
        lines = [line.split("\t") for line in printed.splitlines()]
        assert (
            code == 0
            and len(lines) == (steps or 3)
            and (wanted is None or [line[0] for line in lines] == wanted)
        )
        assert [float(line[1]) for line in lines] == pytest.approx(
            [answer["value"] for answer in task.predict_dicts(steps=steps)], rel=1e-4
        )
        assert at_terminal(*words, *more)[1] == printed
    code, printed, _ = ostinato(*words, "--json", "--steps", "1")
    assert code == 0 and json.loads(printed) == task.predict_dicts(steps=1)[0]


def test_a_file_and_lines_are_continued_for_as_many_steps_as_are_wanted(models, ostinato):
    folder, words = models("forecast", ostinato)
    code, printed, _ = ostinato(*words, folder / "x.csv", "--steps", "5")
    assert code == 0 and [line.split("\t")[0] for line in printed.splitlines()] == [
        f"2015-0{k}" for k in range(1, 6)
    ]
    code, printed, _ = ostinato(*words, "--steps", "2", given="10 11 12\n13 14\n")
    assert code == 0 and [line.split("\t")[0] for line in printed.splitlines()] == [
        "2015-04",
        "2015-05",
        "2015-03",
        "2015-04",
    ]
    # what is named is read, and not taken for nothing
    assert ostinato(*words, "-", given="")[:2] == (0, "")


@pytest.mark.parametrize(
    "steps, message",
    [
        ("0", "steps 0: write a whole number from 1 to 10000"),
        ("-2", "steps -2: write"),
        ("10001", "steps 10001: write"),
        ("1.5", "1.5"),
        ("ten", "ten"),
        ("9" * 5000, "write a whole number"),
    ],
)
def test_steps_that_cannot_be_are_one_error(models, ostinato, steps, message):
    _, words = models("forecast", ostinato)
    code, printed, told = ostinato(*words, f"--steps={steps}")
    assert (code, printed) == (2, "") and message in told and "Traceback" not in told


@pytest.mark.parametrize("name", sorted(set(MADE) - {"forecast", "generate"}))
def test_steps_are_for_series_alone(name, models, ostinato):
    _, words = models(name, ostinato)
    code, _, told = ostinato(*words, "--steps", "3", given="")
    assert (
        code == 2
        and f"is a model of `ostinato train {name}`, which does not forecast; leave --steps out"
        in " ".join(told.split())
    )


def test_a_person_is_asked_for_as_many_numbers_as_a_step_has(ostinato, at_terminal, tmp_path):
    np.savez(
        tmp_path / "x.npz",
        x=np.random.default_rng(0).random((20, 3, 2)),
        y=np.array(["a", "b"] * 10),
    )
    assert ostinato("train", "classify", tmp_path / "x.npz", "--out", "m", *STEPS)[0] == 0
    code, printed, told = at_terminal("predict", "m", typed="1 2 3 4\n")
    assert (
        code == 0
        and printed.strip() in ("a", "b")
        and "the numbers of a sequence, 2 for each step, per line" in told
    )
