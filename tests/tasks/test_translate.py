"""Pairs of sentences, from a file to a model that writes one for the other."""

import json
import random

import pytest
import torch

from ostinato.errors import InputError
from ostinato.inspection import gradients
from ostinato.tasks import Translator, load
from runs import without_time

WORDS = {"1": "하나", "2": "둘", "3": "셋", "4": "넷"}
SMALL = {
    "hidden": 24,
    "embedding": 16,
    "tokens": "word",
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "learning_rate": 0.02,
    "epochs": 25,
    "batch": 16,
    "patience": 0,
}


def pairs(count, seed=0):
    """Digits, and their Korean names from the last to the first."""
    drawn = random.Random(seed)
    digits = [drawn.choices([*WORDS], k=drawn.randint(1, 5)) for _ in range(count)]
    return [" ".join(row) for row in digits], [
        " ".join(WORDS[digit] for digit in row[::-1]) for row in digits
    ]


PAIRS = pairs(240)


def table(path, count, seed):
    path.write_text(
        "source\ttarget\n"
        + "".join(f"{given}\t{wanted}\n" for given, wanted in zip(*pairs(count, seed))),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file to learn from, one to measure on, the directory of the model, and the task."""
    directory = tmp_path_factory.mktemp("translate")
    file, test = table(directory / "pairs.tsv", 240, 0), table(directory / "test.tsv", 30, 1)
    return (
        file,
        test,
        directory / "model",
        Translator(**SMALL).fit(file, test=test, out=directory / "model", threads=1),
    )


# ---------------------------------------------------------------- what it learns


@pytest.mark.parametrize("attention", ["luong", "bahdanau"])
def test_a_sentence_is_written_that_stands_the_other_way_round(attention):
    task = Translator(**SMALL | {"attention": attention}).fit(PAIRS, threads=1)
    measured = task.evaluate(pairs(40, seed=5))
    assert measured["bleu"] > 90 and measured["exact_match"] > 0.8 and list(measured)[0] == "bleu"
    assert task.predict_dicts(["1 2 3"])[0]["text"] == "셋 둘 하나"


def test_attention_looks_at_the_word_that_is_written(trained):
    (answer,) = trained[3].predict_dicts(["1 4 2 3"])
    weights = torch.tensor(answer["attention"])
    assert answer["tokens"] == ["셋", "둘", "넷", "하나"] and weights.shape == (4, 4)
    assert weights.sum(1).tolist() == pytest.approx([1] * 4, abs=0.01)


def test_what_is_written_does_not_depend_on_the_rows_next_to_it(trained):
    task = trained[3]
    (alone,) = task.predict_dicts(["2 1"])
    together = task.predict_dicts(["1 2 3 4 1", "2 1", ""])[1]
    assert together["text"] == alone["text"] and together["attention"] == alone["attention"]


def test_an_empty_sentence_is_answered(trained):
    assert isinstance(trained[3].predict_dicts([""])[0]["text"], str)


def test_torchs_layers_learn_the_same():
    ours, theirs = (
        Translator(**SMALL | {"epochs": 2, "engine": engine}).fit(PAIRS, threads=1)
        for engine in (None, "torch")
    )
    one, other = (
        [entry["nats_per_token"] for entry in task.result.history] for task in (ours, theirs)
    )
    assert one == pytest.approx(other, abs=1e-3)


def test_scheduled_sampling_and_other_cells_and_layers_can_be_taken():
    task = Translator(
        **SMALL
        | {
            "epochs": 1,
            "scheduled_sampling": 0.3,
            "cell": "gru",
            "layers": 2,
            "tokens": "byte-pair",
            "vocabulary_size": 300,
        }
    )
    assert isinstance(task.fit(PAIRS, threads=1).predict_dicts(["1"])[0]["text"], str)


# ---------------------------------------------------------------- files and runs


def test_a_directory_gives_the_same_answers(trained, tmp_path):
    _, test, out, task = trained
    assert load(out).predict_dicts(["1 2", "4 3 2"]) == task.predict_dicts(["1 2", "4 3 2"])
    assert load(out).evaluate(test) == task.result.metrics
    task.save(tmp_path / "again")
    assert load(tmp_path / "again").predict_dicts(["3"]) == task.predict_dicts(["3"])


@pytest.mark.parametrize("step", [1, 40])
def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path, step):
    file, test, _, whole = trained
    data = {"X": file, "test": test, "out": tmp_path / "m", "threads": 1}
    with pytest.raises(breaking.error):
        Translator(**SMALL).fit(**data, checkpoint_seconds=0.0, watcher=breaking(step))
    assert without_time(Translator(**SMALL).fit(**data, resume=True).result) == without_time(
        whole.result
    )


def test_the_report_has_attention_maps_and_sentences(trained):
    page = (trained[2] / "report.html").read_text(encoding="utf-8")
    assert "Lowest chrF" in page and "넷" in page and page.count("<table") > 3
    maps = trained[3].report_parts(trained[3].read(trained[1]))["attention"]
    assert maps and all(
        weights.shape == (len(target), len(source)) for source, target, weights in maps
    )


def test_the_encoder_can_be_looked_into(trained):
    inside = trained[3].inside(["1 2 3"])
    assert (
        inside.tokens == ["1", "2", "3"] and inside.explained == "log-probability of '셋 둘 하나'"
    )
    assert gradients(inside.output_of, inside.x[0]).shape == (3,)


def test_the_command_line_trains_writes_and_tells(ostinato, tmp_path):
    file, test = table(tmp_path / "pairs.tsv", 240, 0), table(tmp_path / "test.tsv", 30, 1)
    words = [
        word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    code, out, err = ostinato(
        "train", "translate", file, "--test", test, "--out", "m", "--threads", 1, *words
    )
    assert code == 0 and "evaluated on 30 pairs:\nbleu" in out, out + err
    assert ostinato("predict", "m", given="1 2\n3\n")[1].splitlines() == ["둘 하나", "셋"]
    assert json.loads(ostinato("predict", "m", "--json", given="4\n")[1])["text"] == "넷"
    assert json.loads(ostinato("evaluate", "m", test, "--json")[1]) == load("m").result.metrics


# ---------------------------------------------------------------- what is refused


def test_a_test_file_that_cannot_be_used_is_told_before_training(tmp_path):
    (tmp_path / "one.tsv").write_text("just\nwords\n", encoding="utf-8")
    with pytest.raises(InputError, match="one.tsv' has one column; pairs need two"):
        Translator(**SMALL).fit(PAIRS, test=tmp_path / "one.tsv", out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "data, message",
    [
        ((["a", "b"], ["x"]), "2 sentences and 1 to be written; give one for each"),
        ((["a"], ["x"]), "the given pairs: 1 sample; at least two are needed for training"),
    ],
)
def test_pairs_that_nothing_can_be_learned_from_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        Translator(**SMALL).fit(data)


@pytest.mark.parametrize(
    "content, message",
    [
        ("only\nsentences\nhere\n", "has one column; pairs need two"),
        ("source\ttarget\na\tb\nc\t\n", "line 3.*target sentence"),
        (b"a\tb\nc\t\xff\n", "is not UTF-8"),
        ("", "is empty: it has no text|is empty"),
    ],
)
def test_wrong_files_are_one_error(ostinato, write, tmp_path, content, message):
    write("pairs.tsv", content)
    code, printed, err = ostinato("train", "translate", "pairs.tsv", "--out", "m")
    assert (
        code == 2 and printed == "" and err.startswith("error: ") and not (tmp_path / "m").exists()
    )
    with pytest.raises(InputError, match=message):
        raise InputError(err)


def test_an_empty_input_cannot_be_looked_into(trained):
    with pytest.raises(InputError, match="an empty input has no steps to look at"):
        trained[3].inside([""])


def test_what_is_not_utf8_cannot_be_translated(trained):
    for use in (trained[3].inside, trained[3].predict_dicts):
        with pytest.raises(InputError, match=r"'a \\udcff': the text is not valid UTF-8"):
            use(["a \udcff"])
