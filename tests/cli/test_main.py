"""The command line: what it prints, and that wrong input gives one clear error, exit code 2 and
nothing half-written.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import torch

from ostinato import bench
from ostinato.cli.main import main
from ostinato.tasks import TASKS

TEXT = "되풀이되는 가락을 오스티나토라고 한다. An ostinato is a phrase that repeats.\n" * 40
SMALL = [
    "--hidden",
    "15",
    "--embedding",
    "7",
    "--batch",
    "4",
    "--sequence-length",
    "16",
    "--steps",
    "6",
    "--threads",
    "1",
]


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(text_file, tmp_path_factory):
    """A trained model's directory."""
    from ostinato.tasks import Generator

    out = tmp_path_factory.mktemp("cli") / "model"
    Generator(hidden=15, embedding=7, batch=4, sequence_length=16, steps=6).fit(
        text_file, out=out, threads=1
    )
    return out


# ---------------------------------------------------------------- what works


def test_training_shows_its_numbers_and_what_to_do_next(ostinato, text_file, tmp_path):
    code, out, err = ostinato("train", "generate", text_file, "--out", "model", *SMALL)
    assert code == 0
    lines = [line for line in err.splitlines() if line.startswith("step ")]
    form = (
        r"step +\d+  loss \d\.\d{3}  \d\.\d\d bits  val \d\.\d{3} bits/char  [\dk]+ char/s  "
        r"\d+:\d\d left"
    )
    assert len(lines) == 6 and all(re.fullmatch(form, line) and len(line) <= 80 for line in lines)
    rows = round(len(TEXT) * 0.9)
    form = (
        rf"{rows:,} characters, 6 steps, \d+ s; evaluated on {len(TEXT) - rows} "
        rf"characters:\nbits per character +\d\.\d{{4}}\nnats per .*\nperplexity .*\n"
        r"(warning: .*\n)?\n"
    )
    assert re.match(form, out) and len(out) > 500
    assert out.endswith(
        "\nmodel     model\nreport    model/report.html\nuse       ostinato generate "
        "model\nevaluate  ostinato evaluate model DATA\n"
    )
    assert (tmp_path / "model" / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in (tmp_path / "model").iterdir() if path.name.startswith(".")]


def test_training_continues_with_resume(ostinato, text_file):
    first = ostinato("train", "generate", text_file, "--out", "model", *SMALL)
    again = ostinato("train", "generate", text_file, "--out", "model", *SMALL, "--resume")
    assert first[0] == again[0] == 0 and first[1] == again[1]


@pytest.mark.parametrize("words", [[], ["train"]], ids=["ostinato", "ostinato train"])
def test_a_command_alone_shows_its_help_and_nothing_else(ostinato, words):
    code, out, err = ostinato(*words)
    assert code == 2 and "Usage: " in out and err == ""


def test_generating_starts_with_the_prompt_and_goes_by_the_seed(ostinato, model):
    code, out, err = ostinato(
        "generate",
        model,
        "--prompt",
        "가락",
        "--length",
        "63",
        "--temperature",
        "0.5",
        "--seed",
        "3",
    )
    assert (code, err) == (0, "") and out.startswith("가락") and len(out) == 2 + 63 + 1
    assert (
        ostinato(
            "generate",
            model,
            "--prompt",
            "가락",
            "--length",
            "63",
            "--temperature",
            "0.5",
            "--seed",
            "3",
        )[1]
        == out
    )


def test_a_search_writes_the_same_text_each_time(ostinato, model):
    code, out, _ = ostinato("generate", model, "--prompt", "가락", "--length", "9", "--beams", "4")
    assert (
        code == 0
        and len(out) == 2 + 9 + 1
        and ostinato("generate", model, "--prompt", "가락", "--length", "9", "--beams", "4")[1]
        == out
    )


def test_a_language_model_is_measured_asked_told_of_and_looked_into_as_any(
    ostinato, model, text_file, tmp_path
):
    code, out, _ = ostinato("evaluate", model, text_file)
    assert code == 0 and re.match(
        r"bits per character +\d\.\d{4}\nnats per character +\d\.\d{4}\nperplexity +\d+\.\d{4}\n$",
        out,
    )
    assert ostinato("evaluate", model, text_file, "--threads", "1")[:2] == (0, out)
    assert torch.get_num_threads() == 1
    code, out, _ = ostinato("predict", model, given="가락\n\n")
    assert code == 0 and out.count("\n") == 2
    code, out, _ = ostinato("info", model)
    assert code == 0 and "(character)" in out and "characters in 6 steps" in out
    assert ostinato("inspect", model, "가락", "-o", "states.png")[0] == 0
    assert (tmp_path / "states.png").exists()


def test_characters_come_one_at_a_time(model):
    command = [sys.executable, "-m", "ostinato", "generate", str(model), "--length", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first = process.stdout.read(10)
        running = process.poll() is None
        # the reader goes away: no complaint
        process.stdout.close()
        errors = process.stderr.read()
    assert len(first) == 10 and running and errors == b"" and process.returncode == 0


def test_doctor_says_which_engines_run_here_and_why(ostinato):
    from ostinato import engines

    code, out, _ = ostinato("doctor")
    assert code == 0 and all(name in out for name, _, _ in engines.doctor())


def test_the_demo_trains_on_the_language_reference(ostinato, tmp_path, monkeypatch):
    import pydoc_data.topics

    monkeypatch.setattr(pydoc_data.topics, "topics", {"a": TEXT, "b": "The " + TEXT})
    code, out, _ = ostinato("demo", "--steps", "2", "--threads", "1", "--compare")
    assert code == 0 and "of the Python language reference, the last 10 % held out" in out
    ours, theirs, difference = re.search(
        r"ostinato +([\d.]+) bits.*\ntorch.nn.LSTM +([\d.]+) bits.*\ndifference +([-+\d.]+) %", out
    ).groups()
    assert abs(float(difference)) < 2 and float(ours) == pytest.approx(float(theirs), rel=0.02)
    assert (tmp_path / "demo" / "text.txt").read_text(encoding="utf-8").count("\n") > 50
    (tmp_path / "demo" / "model" / "mine.txt").write_text("mine")
    code, out, err = ostinato("demo", "--steps", "1", "--threads", "1")
    assert (
        code == 2
        and "demo/model: the directory is not empty; it does not contain a run" in err
        and (tmp_path / "demo/model/mine.txt").exists()
    )


def test_help_and_version_are_quick_and_name_the_commands(ostinato):
    code, out, _ = ostinato("--help")
    assert code == 0 and all(
        name in out for name in ("train", "generate", "demo", "doctor", "bench")
    )
    code, out, _ = ostinato("train", "generate", "--help")
    assert (
        code == 0
        and "--sequence-length" in out
        and "--checkpoint-seconds" not in out
        and max(map(len, out.splitlines())) <= 80
    )
    assert "(all cores)" in out and "(10)" in out
    assert re.fullmatch(r"ostinato \d+\.\d+\.\d+\n", ostinato("--version")[1])


def test_bench_is_called_with_its_options(ostinato, monkeypatch):
    command = create_autospec(bench.command)
    monkeypatch.setattr(bench, "command", command)
    assert ostinato("bench")[0] == 0
    others = {
        "save_ratios": None,
        "compare": None,
        "roofline": None,
        "ragged": False,
        "memory": False,
        "regularisers": False,
    }
    command.assert_called_once_with(
        threads=None, quick=False, json=None, only=None, peers=None, **others
    )
    assert (
        ostinato(
            "bench",
            "--quick",
            "--threads",
            "2",
            "--json",
            "b.json",
            "--only",
            "LSTM",
            "--only",
            "training",
            "--peers",
            "jax",
            "--save-ratios",
            "new.json",
            "--compare",
            "old.json",
        )[0]
        == 0
    )
    command.assert_called_with(
        threads=2,
        quick=True,
        json=Path("b.json"),
        only=["LSTM", "training"],
        peers=["jax"],
        **others | {"save_ratios": Path("new.json"), "compare": Path("old.json")},
    )
    for words, given in [
        ("--roofline a.png", {"roofline": Path("a.png")}),
        ("--ragged", {"ragged": True}),
        ("--memory", {"memory": True}),
        ("--regularisers", {"regularisers": True}),
    ]:
        assert ostinato("bench", *words.split())[0] == 0
        command.assert_called_with(
            threads=None, quick=False, json=None, only=None, peers=None, **others | given
        )
    command.return_value = False
    assert ostinato("bench", "--compare", "old.json") == (1, "", "")


@pytest.mark.parametrize(
    "called, shown",
    [
        ("ostinato", "ostinato"),
        ("/usr/local/bin/ostinato", "ostinato"),
        (".venv/bin/ostinato", ".venv/bin/ostinato"),
        ("HERE/.venv/bin/ostinato", ".venv/bin/ostinato"),
        ("/anywhere/ostinato/__main__.py", "python -m ostinato"),
    ],
)
def test_hints_name_the_program_as_it_was_called(monkeypatch, capsys, tmp_path, called, shown):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", [called.replace("HERE", str(tmp_path)), "generate", "m", "--length", "many"]
    )
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.endswith(f"; see: {shown} generate --help\n")


# ---------------------------------------------------------------- what does not


def latin(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"one\ntwo\ncaf\xe9\n" * 1000)


def empty(tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")


def short(tmp_path):
    (tmp_path / "short.txt").write_text("short")


def occupied(tmp_path):
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "mine.txt").write_text("mine")


def blocked(tmp_path):
    (tmp_path / "blocked").write_text("a file")


def nothing(tmp_path):
    pass


WRONG_TRAINING = [
    (nothing, "nowhere.txt --out m", "nowhere.txt' does not exist; check the path"),
    (nothing, ". --out m", "'.' is a directory; give the path of a file in it"),
    (
        empty,
        "empty.txt --out m",
        r"'empty.txt' is empty: it has no text \(0 bytes\); give a file with text",
    ),
    (
        latin,
        "latin.txt --out m",
        r"'latin.txt' is not UTF-8: byte 11 \(line 3\) is 0xe9; write it as UTF-8, for example: "
        r"iconv",
    ),
    (
        short,
        "short.txt --out m",
        r"'short.txt' has 5 characters; 32 streams of 64 .* take 2286 at least: .* write --batch 4",
    ),
    (nothing, "TEXT", "Missing option '--out'"),
    (nothing, "--out m", "Missing argument 'DATA'"),
    (nothing, "TEXT --out m --cell lstmm", r"--cell lstmm: did you mean lstm\? Write one of .*gru"),
    (
        nothing,
        "TEXT --out m --vocabulary word",
        "--vocabulary word: Write one of character, byte-pair",
    ),
    (
        nothing,
        "TEXT --out m --hidden 0",
        "--hidden 0: write a whole number from 1 to 16384, such as 256",
    ),
    (nothing, "TEXT --out m --hidden -3", "--hidden -3: write a whole number"),
    (
        nothing,
        "TEXT --out m --hidden many",
        "Invalid value for '--hidden': 'many'; write a whole number; see: ostinato train generate "
        "--help",
    ),
    (
        nothing,
        "TEXT --out m --layers 0",
        "--layers 0: write a whole number from 1 to 64, such as 1",
    ),
    (nothing, "TEXT --out m --batch 0", "--batch 0: write a whole number"),
    (nothing, "TEXT --out m --sequence-length -64", "--sequence-length -64: write a whole number"),
    (
        nothing,
        "TEXT --out m --learning-rate 0",
        "--learning-rate 0.0: write a number from 1e-09 to 10, such as 0.01",
    ),
    (
        nothing,
        "TEXT --out m --dropout 1.5",
        "--dropout 1.5: write a number from 0 to 0.99, such as 0",
    ),
    (
        nothing,
        "TEXT --out m --held-out 0",
        "--held-out 0.0: write a number from 0.001 to 0.9, such as 0.1",
    ),
    (
        nothing,
        "TEXT --out m --epochs 2 --seconds 5",
        "--epochs 2 and --seconds 5: a run has only one length; keep one of them",
    ),
    (nothing, "TEXT --out m --threads 0", "--threads 0: write a whole number from 1 to 1024"),
    (
        nothing,
        "TEXT --out m --batch 10000",
        r"'.*text.txt' has \d+ characters; 10000 streams of 64",
    ),
    (
        nothing,
        "TEXT --out m --vocabulary byte-pair --vocabulary-size 50000",
        r"--vocabulary-size 50000: this text only gives \d+ tokens",
    ),
    (nothing, "TEXT --out m --epoch 3", r"No such option: --epoch.*--epochs"),
    (
        occupied,
        "TEXT --out occupied",
        "--out occupied: the directory is not empty; it does not contain a run; give another --out",
    ),
    (
        occupied,
        "TEXT --out occupied --resume",
        "--out occupied: the directory is not empty; it does not contain a run",
    ),
    (
        blocked,
        "TEXT --out blocked",
        "--out blocked: a file of that name exists; give a new or empty directory",
    ),
    (
        blocked,
        "TEXT --out blocked/m",
        r"--out blocked/m: cannot create this directory \(Not a directory\); give a writable",
    ),
    (
        nothing,
        "TEXT --out MODEL",
        "the directory is not empty; give another --out, or add --resume to continue the run in it",
    ),
    (
        nothing,
        "TEXT --out MODEL --resume --hidden 99",
        r"--hidden 99 with --resume: the run in '.*' has --hidden 15; leave the option out",
    ),
    (latin, "short2.txt --out MODEL --resume", "short2.txt' does not exist"),
]


def one_error(result, message):
    code, out, err = result
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("error: ") == 1 and "Traceback" not in err
    assert re.search(message, err, re.S), err


def tree(directory):
    return {
        str(path.relative_to(directory)): path.is_file() and path.read_bytes()
        for path in directory.rglob("*")
    }


@pytest.mark.parametrize(
    "prepare, words, message", WRONG_TRAINING, ids=[words for _, words, _ in WRONG_TRAINING]
)
def test_wrong_training_input_is_one_error_and_nothing_is_written(
    ostinato, text_file, model, tmp_path, prepare, words, message
):
    prepare(tmp_path)
    before = tree(tmp_path), tree(model)
    words = [{"TEXT": text_file, "MODEL": model}.get(word, word) for word in words.split()]
    one_error(ostinato("train", "generate", *words), message)
    assert (tree(tmp_path), tree(model)) == before


WRONG_GENERATING = [
    ("nowhere", "the model directory 'nowhere' does not exist; give the --out of `ostinato train`"),
    ("MODEL --temperature 0", "--temperature 0: write a number from 0.001 to 100"),
    ("MODEL --temperature -1", "--temperature -1: "),
    (
        "MODEL --temperature hot",
        "Invalid value for '--temperature': 'hot'; write a number; see: ostinato generate --help",
    ),
    (
        "MODEL --length -1",
        "--length -1: write the number of characters to generate, 0 or more, such as 500",
    ),
    ("MODEL --prompt Ω", "'Ω': not in the vocabulary"),
    ("MODEL --seed -1", "--seed -1: write a whole number"),
    ("MODEL extra", r"unexpected extra argument.*\(extra\)"),
    ("", "Missing argument 'DIR'"),
]


@pytest.mark.parametrize(
    "words, message", WRONG_GENERATING, ids=[words for words, _ in WRONG_GENERATING]
)
def test_wrong_generating_input_is_one_error(ostinato, model, words, message):
    one_error(
        ostinato("generate", *({"MODEL": model}.get(word, word) for word in words.split())), message
    )


def test_a_model_of_another_task_writes_no_text(ostinato):
    from ostinato.tasks import Classifier

    Classifier(steps=1, hidden=3, embedding=3).fit(
        (["a", "b"] * 4, ["x", "y"] * 4), out=Path("c"), threads=1
    )
    one_error(
        ostinato("generate", "c"),
        "'c' is a model of `ostinato train classify`; use it with `ostinato predict`",
    )


@pytest.mark.parametrize(
    "name, content, message",
    [
        (
            "config.json",
            b'{"format": "ost',
            r"config.json' is not valid JSON: .* at line 1, column \d+; restore the file, or train",
        ),
        (
            "config.json",
            b'{"format": "ostinato task", "task": "generate", "version": 2}',
            "has format version 2 and this version of ostinato reads 1",
        ),
        (
            "config.json",
            b'{"format": "ostinato task", "task": "generate", "version": 1, "options": {"hidden": '
            b'-1}, "metadata": {}, "vocabulary_size": 0}',
            "options that cannot be used",
        ),
        (
            "config.json",
            lambda whole: whole.replace(b'"stopped_early"', b'"stopped"'),
            "config.json' cannot be used: unknown field 'result.stopped': did you mean "
            "'stopped_early'.*; restore the file",
        ),
        ("config.json", b"{}", "has format None and task None"),
        ("vocabulary.json", b'{"kind": "character"}', "vocabulary.json' is not a vocabulary"),
        (
            "model.safetensors",
            b"\x10\x00\x00",
            r"model.safetensors' \(3 bytes\) is truncated or damaged",
        ),
        ("model.safetensors", None, "has no model yet; resume it"),
        ("vocabulary.json", None, ".*vocabulary.json' does not exist"),
    ],
)
def test_a_damaged_model_is_one_error(ostinato, model, tmp_path, name, content, message):
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(
            content((model / name).read_bytes()) if callable(content) else content
        )
    one_error(ostinato("generate", "."), message)


@pytest.mark.parametrize(
    "words, message",
    [
        ("--threads 0", "--threads 0: write a whole number from 1 to "),
        (
            "--threads two",
            "Invalid value for '--threads': 'two'; write a whole number; see: ostinato bench "
            "--help",
        ),
        ("--only cake", "--only cake: write one of RNN, LSTM, GRU, own, inference, training"),
        ("--peers cudnn", "--peers cudnn: write one of torch, onnxruntime, jax, keras"),
        (
            "--json nowhere/b.json",
            "--json nowhere/b.json: 'nowhere' is not a writable directory; give a file in a "
            "writable directory",
        ),
    ],
)
def test_wrong_benchmark_input_is_one_error(ostinato, tmp_path, words, message):
    one_error(ostinato("bench", *words.split()), message)
    assert not list(tmp_path.iterdir())


def test_a_run_is_done_again_or_begun_but_not_both(ostinato, model, text_file, tmp_path):
    one_error(
        ostinato("train", "--config", model / "config.json", "generate", text_file, "--out", "m"),
        "--config before generate: .*give one of the two",
    )
    one_error(
        ostinato("train", "--out", "m", "generate", text_file, "--out", "n"),
        "--out before generate",
    )
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_one_error(ostinato, text_file):
    one_error(
        ostinato("train", "generate", text_file, "--out", "m" * 300),
        "cannot create this directory .File name too long",
    )
    one_error(ostinato("info", "m" * 300), "the model directory 'm+' does not exist")
    one_error(ostinato("predict", "m" * 300), "the model directory 'm+' does not exist")
    for suffix in ("", ".onnx", ".safetensors", ".h5", ".keras", ".index"):
        words = [] if suffix else ["--from", "tf1"]
        one_error(ostinato("import", "m" * 300 + suffix, *words, "--out", "layers"), "m+")
    one_error(ostinato("import", "m" * 300, "--out", "layers"), "does not say which format")
    for name in ("onnx", "torch", "c", "keras", "tf1"):
        one_error(ostinato("export", "m" * 300, "--to", name, "--out", "x"), "'m+'")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing")
def test_an_output_without_room_is_one_error(model):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ostinato", "info", str(model)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (
        done.returncode == 2
        and done.stderr.startswith("error: cannot write standard output: No space left")
        and done.stderr.count("\n") == 1
    )


def test_unknown_commands_are_one_error(ostinato):
    one_error(ostinato("trian"), "No such command 'trian'")
    one_error(ostinato("train", "cake"), "No such command 'cake'")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_parent_that_cannot_be_written_is_one_error(ostinato, text_file, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    one_error(
        ostinato("train", "generate", text_file, "--out", "closed/m"),
        r"--out closed/m: cannot create this directory \(Permission denied\)",
    )


def test_an_error_in_a_real_process_has_no_traceback(model):
    done = subprocess.run(
        [sys.executable, "-m", "ostinato", "generate", str(model), "--temperature", "0"],
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and done.stdout == ""
        and done.stderr.count("\n") == 1
        and done.stderr.startswith("error: --temperature 0:")
    )


def test_the_files_of_a_model_say_what_they_are(model):
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert (config["format"], config["version"], config["task"]) == ("ostinato task", 1, "generate")


# ---------------------------------------------------------------- what needs no torch

# Runs command lines, one after another, in a process that has not imported torch. It ends at the
# first one that imports it.
WITHOUT_TORCH = """
import contextlib, io, json, sys
from ostinato.cli.main import main
ended = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["ostinato", *words]
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    out.flush()
    imported = sorted({"torch", "lightning"} & {*sys.modules})
    ended.append([code, imported, bool(out.buffer.getvalue()), err.getvalue()])
    if imported:
        break
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A table that a classifier can be trained on, and the directory of such a classifier."""
    from ostinato.tasks import Classifier

    directory = tmp_path_factory.mktemp("labelled")
    path = directory / "rows.csv"
    path.write_text("text,label\n" + "good,yes\nbad,no\n" * 8)
    Classifier(steps=1, hidden=3, embedding=3).fit(path, out=directory / "model", threads=1)
    return path, directory / "model"


NEEDS_NO_TORCH = [
    ("", 2),
    ("--help", 0),
    ("-h", 0),
    ("--version", 0),
    ("train", 2),
    ("train --help", 0),
    ("trian", 2),
    ("--hlep", 2),
    *(
        (f"{command} --help", 0)
        for command in (
            "evaluate",
            "predict",
            "info",
            "inspect",
            "generate",
            "demo",
            "doctor",
            "bench",
        )
    ),
    *((f"train {task} --help", 0) for task in TASKS),
    *((f"train {task} nowhere.csv --out m", 2) for task in TASKS),
    *((f"train {task} ROWS", 2) for task in TASKS),
    ("train classify ROWS --out m --label nolabel", 2),
    ("train classify ROWS --out m --text notext", 2),
    ("train classify ROWS --out m --test nowhere.csv", 2),
    ("train classify ROWS --out MODEL", 2),
    ("train classify ROWS --out m --cell lstmm", 2),
    ("train classify ROWS --out m --hidden many", 2),
    ("train classify ROWS --out m --hidden 0", 2),
    ("train classify ROWS --out m --threads 0", 2),
    ("train forecast ROWS --out m --columns nocolumn", 2),
    ("train forecast ROWS --out m --time notime", 2),
    ("train translate ROWS --out m --source nosource", 2),
    ("train translate ROWS --out m --target notarget", 2),
    ("train tag ROWS --out m", 2),
    ("train frames ROWS --out m", 2),
    ("train transcribe ROWS --out m", 2),
    ("train caption ROWS --out m --caption nocaption", 2),
    ("train --config nowhere.json --out m", 2),
    ("train --config nowhere.json", 2),
    ("info MODEL", 0),
    ("info MODEL --json", 0),
    ("info nowhere", 2),
    ("info .", 2),
    ("evaluate nowhere ROWS", 2),
    ("evaluate MODEL ROWS --threads 0", 2),
    ("evaluate MODEL ROWS --threads many", 2),
    ("evaluate MODEL nowhere.csv", 2),
    ("evaluate MODEL", 2),
    ("evaluate MODEL .", 2),
    ("predict nowhere", 2),
    ("predict MODEL nowhere.csv", 2),
    ("inspect nowhere text", 2),
    ("generate nowhere", 2),
    ("bench --only cake", 2),
    ("bench --threads 0", 2),
    ("demo --steps 0", 2),
    ("demo --threads 0", 2),
    ("demo --seconds many", 2),
    *((f"train {task} {'x' * 300} --out m", 2) for task in TASKS),
]


def test_what_needs_no_torch_does_not_import_it(labelled, tmp_path):
    rows, directory = labelled
    lines = [
        [{"ROWS": str(rows), "MODEL": str(directory)}.get(word, word) for word in words.split()]
        for words, _ in NEEDS_NO_TORCH
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, json.dumps(lines)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    ended = json.loads(done.stdout)
    for (words, wanted), (code, imported, shown, errors) in zip(NEEDS_NO_TORCH, ended):
        assert (code, imported) == (wanted, []), (words, errors)
        # a command alone shows its help
        helped = code == 0 or words in ("", "train")
        assert (
            shown == helped
            and errors.count("\n") == (not helped)
            and errors.count("error: ") == (not helped)
        ), (words, errors)
    assert len(ended) == len(NEEDS_NO_TORCH) and not list(tmp_path.iterdir())


def test_help_takes_little_time():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom ostinato.cli.main import main\ntry:\n    main()\n"
            "finally:\n    print(time.process_time(), file=sys.stderr)",
            "--help",
        ],
        capture_output=True,
        text=True,
    )
    # the processor's seconds, 0.2 is usual; importing torch alone takes more
    assert float(done.stderr) < 1


def test_what_info_says_is_what_the_model_says(ostinato, labelled):
    from ostinato.tasks import load

    _, directory = labelled
    task, (code, out, _) = load(directory), ostinato("info", directory)
    assert code == 0 and re.search(rf"^parameters +{task.size:,}$", out, re.M)
    assert re.search(rf"^tokens +{len(task.vocabulary):,} \({task.vocabulary.kind}\)$", out, re.M)


@pytest.mark.parametrize(
    "name, change",
    [
        ("config.json", {"parameters": "many"}),
        ("config.json", {"parameters": -1}),
        ("config.json", {"vocabulary_size": [1]}),
        ("config.json", {"vocabulary_size": True}),
        ("vocabulary.json", {"kind": None}),
        ("vocabulary.json", {"kind": ["word"]}),
    ],
)
def test_info_of_a_damaged_directory_is_one_error(ostinato, labelled, tmp_path, name, change):
    _, directory = labelled
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = json.loads((tmp_path / name).read_text(encoding="utf-8")) | change
    (tmp_path / name).write_text(json.dumps(damaged), encoding="utf-8")
    one_error(
        ostinato("info", "."), f"{name}' (cannot be used|contains a).* restore the file, or train"
    )


# ---------------------------------------------------------------- files that are not regular files


@pytest.fixture
def pipe(tmp_path):
    """Make a named pipe into which a text is written once, as by another command."""
    writers = []

    def make(name, text):
        path = tmp_path / name
        os.mkfifo(path)
        writers.append(threading.Thread(target=path.write_text, args=(text,), daemon=True))
        writers[-1].start()
        return path

    yield make
    for path in tmp_path.iterdir():
        if path.is_fifo():  # let a writer end that nobody has read
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    for writer in writers:
        writer.join(5)


def test_a_text_may_come_from_a_pipe(ostinato, pipe, tmp_path):
    code, out, _ = ostinato("train", "generate", pipe("text", TEXT), "--out", "piped", *SMALL)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert code == 0 and ostinato("train", "generate", "text.txt", "--out", "read", *SMALL)[0] == 0
    assert (tmp_path / "piped" / "model.safetensors").read_bytes() == (
        tmp_path / "read" / "model.safetensors"
    ).read_bytes()
    assert ostinato("evaluate", "read", pipe("others", TEXT)) == ostinato(
        "evaluate", "read", "text.txt"
    )
    assert ostinato("predict", "read", pipe("prompts", "가락\n되풀이\n"))[1].count("\n") == 2


def test_an_empty_pipe_is_one_error(ostinato, pipe):
    one_error(
        ostinato("train", "generate", pipe("text", ""), "--out", "m"),
        r"text' is empty: it has no text \(0 bytes\)",
    )


def test_a_pipe_that_is_waited_for_is_told(ostinato, tmp_path, monkeypatch):
    from ostinato.cli import progress

    os.mkfifo(tmp_path / "text")
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    writer = threading.Timer(1.0, (tmp_path / "text").write_text, args=("short",))
    writer.start()
    code, _, err = ostinato("train", "generate", "text", "--out", "m")
    assert code == 2 and err.startswith(
        "reading from the pipe 'text' until the writer closes it\nerror: 'text' has 5 characters"
    )


@pytest.mark.parametrize(
    "name",
    [
        "pipe",
        "pipe.csv",
        "pipe.tsv",
        "pipe.csv.gz",
        "pipe.jsonl",
        "pipe.parquet",
        "pipe.npz",
        "pipe.conllu",
        "pipe.mp4",
        "pipe.png",
    ],
)
@pytest.mark.parametrize("task", [task for task in TASKS if task != "generate"])
def test_a_pipe_that_would_be_read_twice_is_refused(ostinato, tmp_path, task, name):
    os.mkfifo(tmp_path / name)
    one_error(
        ostinato("train", task, name, "--out", "m"),
        f"'{re.escape(name)}' is a pipe, which can be read only once.*save it to a file",
    )


def test_a_pipe_as_other_data_is_refused(ostinato, labelled, tmp_path):
    rows, directory = labelled
    os.mkfifo(tmp_path / "pipe.csv")
    for words in (
        ["evaluate", directory, "pipe.csv"],
        ["predict", directory, "pipe.csv"],
        ["train", "classify", rows, "--out", "m", "--test", "pipe.csv"],
        ["train", "classify", rows, "--out", "m", "--unlabelled", "pipe.csv"],
    ):
        one_error(ostinato(*words), "'pipe.csv' is a pipe, which can be read only once")
    one_error(
        ostinato("train", "--config", "pipe.csv", "--out", "m"), "'pipe.csv' is not a regular file"
    )
    os.mkfifo(tmp_path / "config.json")
    one_error(ostinato("info", "."), "'config.json' is not a regular file")


@pytest.mark.parametrize("task", TASKS)
def test_a_device_a_socket_and_a_directory_are_refused(ostinato, tmp_path, task):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        one_error(
            ostinato("train", task, "socket", "--out", "m"),
            "'socket' is a socket; give the path of a file",
        )
    one_error(
        ostinato("train", task, "/dev/zero", "--out", "m"),
        "'/dev/zero' is a device; give the path of a file",
    )
    one_error(
        ostinato("train", task, "/dev/null", "--out", "m"),
        "'/dev/null' is a device; give the path of a file",
    )
    # a folder may be a clip, or pictures
    folder = (
        "has no pictures; give a folder"
        if task in ("frames", "transcribe", "caption")
        else "is a directory; give the path of a file in it"
    )
    one_error(ostinato("train", task, ".", "--out", "m"), f"'.' {folder}")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words, code", [("--version", 0), ("info nowhere", 2)])
def test_a_standard_stream_may_be_closed(closed, words, code):
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m ostinato {words} {closed}', sys.executable],
        capture_output=True,
        text=True,
    )
    assert done.returncode == code and "Traceback" not in done.stderr
    assert bool(done.stderr) == (code == 2 and "2>&-" not in closed)


@pytest.mark.parametrize(
    "words",
    ["--help", "train classify --help", "--version", "info MODEL", "info MODEL --json", "doctor"],
)
def test_a_reader_that_has_gone_is_not_an_error(labelled, words):
    read, write = os.pipe()
    os.close(read)
    words = [str(labelled[1]) if word == "MODEL" else word for word in words.split()]
    done = subprocess.run(
        [sys.executable, "-m", "ostinato", *words], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert done.stderr == ""
