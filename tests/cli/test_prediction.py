"""The command predict: what it prints in a pipe and at a terminal, and the files it writes; the
help of all commands.
"""

import json
import re
import shlex
import sys

import polars
import pytest

from ostinato.cli.command_examples import EXAMPLES
from ostinato.cli.main import app
from ostinato.tasks import Classifier, Forecaster, FrameTagger, Tagger, load

TEXTS, LABELS = ["it is good", "it is bad", "it is so so"] * 8, ["좋음", "bad", "mid"] * 8


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The directories of a classifier, a tagger and a forecaster."""
    folder = tmp_path_factory.mktemp("models")
    small = {"hidden": 4, "embedding": 4, "steps": 3}
    Classifier(**small).fit(TEXTS, LABELS, out=folder / "classify", threads=1)
    words = [["a", "dog"], ["the", "cat"]] * 6
    Tagger(**small).fit(words, [["DET", "NOUN"]] * 12, out=folder / "tag", threads=1)
    series = [float(k % 7) for k in range(60)]
    Forecaster(hidden=4, steps=3).fit(series, out=folder / "forecast", threads=1)
    return folder


@pytest.fixture
def terminal(monkeypatch):
    """Standard output is a terminal."""
    from ostinato.cli import prediction

    class Stream:
        def __getattr__(self, name):
            return getattr(sys.stdout, name)

        def isatty(self):
            return True

    class Sys:
        stdout = Stream()

        def __getattr__(self, name):
            return getattr(sys, name)

    monkeypatch.setattr(prediction, "sys", Sys())


def test_a_pipe_has_a_label_a_line_and_a_terminal_has_probabilities(models, ostinato, terminal):
    code, printed, _ = ostinato("predict", models / "classify", given="it is good\nit is bad\n")
    assert code == 0
    for line in printed.splitlines():
        found = re.findall(r"(좋음|bad|mid) +(\d\.\d\d)", line)
        assert len(found) == 3 and sum(float(share) for _, share in found) == pytest.approx(
            1, abs=0.02
        )
        assert [share for _, share in found] == sorted((s for _, s in found), reverse=True)


def test_a_pipe_has_a_label_alone(models, ostinato):
    code, printed, _ = ostinato("predict", models / "classify", given="it is good\n")
    assert code == 0 and printed.strip() in LABELS


def test_uncertain_tags_have_their_confidence_at_a_terminal(models, ostinato, terminal):
    code, printed, _ = ostinato("predict", models / "tag", given="a dog\n")
    assert code == 0 and re.fullmatch(r"a/\w+( \(0\.\d\d\))? dog/\w+( \(0\.\d\d\))?\n", printed)


@pytest.mark.parametrize("of_file", [False, True])
def test_json_repeats_the_row_and_the_input(models, ostinato, tmp_path, of_file):
    (tmp_path / "new.csv").write_text("text\nit is good\nit is bad\n", encoding="utf-8")
    words = ["predict", models / "classify", *(["new.csv"] if of_file else []), "--json"]
    code, printed, _ = ostinato(*words, given="" if of_file else "it is good\nit is bad\n")
    rows = [json.loads(line) for line in printed.splitlines()]
    assert code == 0
    assert [(row["row"], row["input"]) for row in rows] == [(1, "it is good"), (2, "it is bad")]
    assert all(row["label"] in LABELS and len(row["probabilities"]) == 3 for row in rows)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_predictions_are_written_to_a_file_of_each_kind(models, ostinato, tmp_path, kind):
    (tmp_path / "new.csv").write_text("text\nit is good\n나쁘다\n", encoding="utf-8")
    code, printed, _ = ostinato("predict", models / "classify", "new.csv", "-o", f"p.{kind}")
    assert code == 0 and printed == f"2 rows: p.{kind}\n"
    read = {"csv": polars.read_csv, "jsonl": polars.read_ndjson, "parquet": polars.read_parquet}
    frame = read[kind](f"p.{kind}")
    wanted = load(models / "classify").predict_dicts(["it is good", "나쁘다"])
    assert frame["input"].to_list() == ["it is good", "나쁘다"]
    assert frame["label"].to_list() == [answer["label"] for answer in wanted]
    if kind != "jsonl":
        assert frame["probability_좋음"].to_list() == [a["probabilities"]["좋음"] for a in wanted]


def test_tags_are_written_as_a_table_and_as_conllu(models, ostinato, tmp_path):
    for name in ("t.csv", "t.conllu", "t.parquet"):
        assert ostinato("predict", models / "tag", "-o", name, given="a dog\nthe cat\n")[0] == 0
    table = polars.read_csv("t.csv")
    assert table["words"].to_list() == ["a dog", "the cat"]
    assert polars.read_parquet("t.parquet")["words"].to_list() == [["a", "dog"], ["the", "cat"]]
    again = load(models / "tag").read(tmp_path / "t.conllu")
    assert again["words"][1] == ["the", "cat"]
    assert " ".join(again["tags"][0]) == table["tags"][0]


def test_a_forecast_is_written_with_its_intervals(models, ostinato):
    assert ostinato("predict", models / "forecast", "--steps", "5", "-o", "f.csv")[0] == 0
    assert polars.read_csv("f.csv").shape[0] == 5
    frame = load(models / "forecast").predict_frame(steps=5)
    assert frame["value"].to_list() == pytest.approx(polars.read_csv("f.csv")["value"].to_list())


def test_a_data_frame_of_predictions_is_of_the_library_of_the_input(models):
    import pandas

    task = load(models / "classify")
    assert isinstance(task.predict_frame(TEXTS[:2]), polars.DataFrame)
    frame = task.predict_frame(pandas.DataFrame({"text": TEXTS[:2]}))
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 2
    assert frame["probability"].max() == frame.filter(like="probability_").max(axis=None)


def test_frames_have_a_confidence():
    clips, labels = [[[0.0], [1.0]], [[1.0], [0.0]]] * 6, [["off", "on"], ["on", "off"]] * 6
    task = FrameTagger(hidden=4, layers=1, steps=3).fit(clips, labels, threads=1)
    (answer,) = task.predict_dicts([[[0.0], [1.0], [0.5]]])
    assert len(answer["confidence"]) == 3 and all(0.5 <= c <= 1 for c in answer["confidence"])


@pytest.mark.parametrize(
    "words, message",
    [
        ("-o p.txt", "--out p.txt: unsupported file type '.txt'; write a file that ends in .csv"),
        ("-o p.conllu", "unsupported file type '.conllu'"),
        ("-o none/p.csv", "the directory 'none' does not exist"),
        ("-o p.csv --json", "--json with --out p.csv: one output is enough"),
        ("--threads 0", "--threads 0: write a whole number from 1"),
    ],
)
def test_an_output_that_cannot_be_is_one_error_and_nothing_is_written(
    models, ostinato, tmp_path, words, message
):
    code, printed, told = ostinato("predict", models / "classify", *words.split(), given="good\n")
    assert (code, printed) == (2, "") and message in told and not [*tmp_path.iterdir()]


def test_a_wrong_line_leaves_an_old_file_of_predictions(models, ostinato, tmp_path):
    (tmp_path / "p.csv").write_text("old")
    code, _, told = ostinato("predict", models / "forecast", "-", "-o", "p.csv", given="one\n")
    assert code == 2 and "line 1 of standard input" in told
    assert (tmp_path / "p.csv").read_text() == "old" and len([*tmp_path.iterdir()]) == 1


def test_threads_are_set(models, ostinato, monkeypatch):
    import torch

    found = []
    monkeypatch.setattr(torch, "set_num_threads", found.append)
    assert ostinato("predict", models / "classify", "--threads", "1", given="good\n")[0] == 0
    assert found == [1]


def test_a_picture_is_only_written_when_it_is_asked_for(models, ostinato, tmp_path):
    code, printed, _ = ostinato("inspect", models / "classify", "it is good")
    assert code == 0 and "good" in printed and not [*tmp_path.iterdir()]
    code, _, told = ostinato("inspect", models / "classify", "it is good", "-o", "s.jpg")
    assert code == 2 and "write a file that ends in .png" in told


def test_words_are_coloured_by_their_gradient():
    from ostinato.cli.coloured import by_gradient

    text = by_gradient(["it", "good", "so"], [0.0, 2.0, 1.0])
    assert text.plain == "it good so"
    colours = [str(span.style).rsplit("#", 1)[1] for span in text.spans]
    assert colours[0] == "ffffff" and colours[1] == "d55e00" and colours[2] not in colours[:2]
    assert by_gradient(["a"], [0.0]).plain == "a" and by_gradient([], []).plain == ""


def test_options_that_do_not_apply_are_not_shown(models, ostinato):
    code, printed, _ = ostinato("info", models / "classify")
    assert code == 0 and "--tokens" in printed and "--character-hidden" in printed
    assert "--features" not in printed and "--unlabelled" not in printed
    series = [[0.0, 1.0], [1.0, 0.0]] * 8
    Classifier(hidden=4, steps=2, linear=False).fit(series, ["a", "b"] * 8, out="m", threads=1)
    code, printed, _ = ostinato("info", "m")
    assert code == 0 and "--hidden" in printed
    for name in (
        "tokens",
        "embedding",
        "spelling",
        "vocabulary-size",
        "word-dropout",
        "unlabelled",
    ):
        assert f"--{name}" not in printed


# ---------------------------------------------------------------- help


def test_train_comes_first_and_every_command_has_examples(ostinato):
    code, printed, _ = ostinato("--help")
    commands = printed.split("Commands")[1]
    assert code == 0 and commands.index(" train ") < min(
        commands.index(f" {name} ") for name in ("predict", "bench", "demo", "generate")
    )
    for command, examples in EXAMPLES.items():
        code, printed, _ = ostinato(*command.split(), "--help")
        assert code == 0 and examples[0].split("|")[0].strip() in " ".join(printed.split())


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_has_only_options_that_exist(line):
    import typer

    command = typer.main.get_command(app)
    words = shlex.split(line.split("|")[-1])[1:]
    while hasattr(command, "commands"):
        name = words[0] if words and words[0] in command.commands else None
        if name is None:
            break
        command, words = command.commands[words.pop(0)], words
    known = {option for parameter in command.params for option in parameter.opts}
    assert words is not None and {word for word in words if word.startswith("-")} <= known
