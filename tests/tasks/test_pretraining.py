"""Texts without labels: a classifier learns to predict words before it learns
labels.
"""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from ostinato.data.files import read_tensors
from ostinato.data.vocabulary import UNKNOWN
from ostinato.errors import InputError
from ostinato.tasks import Classifier, load
from ostinato.tasks import pretraining as pretraining_module
from ostinato.tasks.pretraining import (
    PRETRAINED_WEIGHTS,
    PRETRAINING_CHECKPOINT,
    PretrainingModel,
    pretrain,
    texts_of,
)
from runs import without_time

SMALL = {
    "hidden": 8,
    "embedding": 8,
    "character_hidden": 4,
    "epochs": 3,
    "patience": 0,
    "batch": 8,
    "learning_rate": 0.02,
    "unlabelled_epochs": 3.0,
}
TEXTS = [
    f"it is {word} {end}"
    for word in ("good", "fine", "bad", "poor")
    for end in ("now", "today", "here", "")
] * 2
LABELS = ["+"] * 8 + ["-"] * 8 + ["+"] * 8 + ["-"] * 8
PLAIN = [
    f"the {a} is {b} and {c} too"
    for a in ("dog", "cat", "cow", "소")
    for b in ("big", "small", "red")
    for c in ("old", "young", "good")
]


@pytest.fixture
def plain(write):
    """A file of texts, one in a line."""
    return str(write("plain.txt", "\n".join(PLAIN) + "\n"))


def pretraining_model(**options):
    """The pretraining model of a classifier whose training lasted one step, with a batch of
    texts.
    """
    task = Classifier(**SMALL | {"epochs": None, "steps": 1, "dropout": 0.0} | options).fit(
        (TEXTS + PLAIN, LABELS + ["+"] * len(PLAIN)), threads=1
    )
    *batch, _ = task.collate(
        task.encode(
            task.read(
                ["the dog is red and old", "it is", "so", "the unheard cow is good"], labelled=False
            )
        )
    )
    return PretrainingModel(task.model, np.ones(len(task.vocabulary))).eval(), batch


# ---------------------------------------------------------------- what it learns


@pytest.mark.parametrize("spelling", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_token_is_predicted_from_one_side_alone(spelling, bidirectional):
    model, (x, lengths, *spelled) = pretraining_model(
        spelling=spelling, bidirectional=bidirectional
    )
    rows = [row[:count].tolist() for row, count in zip(x, lengths)]
    row, place = rows[0], 3
    found, right = model(x, x, lengths, *spelled)
    # a word that is not known is read and not predicted
    assert sum(row.count(UNKNOWN) for row in rows) >= 2
    assert right.tolist() == [
        n for row in rows for n in row[1:] + row[:-1] * bidirectional if n != UNKNOWN
    ]
    changed = [x.clone(), *(part.clone() for part in spelled)]
    changed[0][0, place] = x[0, 0]
    if spelling:
        changed[1][0, place] = spelled[0][0, 0]
    other, _ = model(changed[0], x, lengths, *changed[1:])
    same = (found == other).all(1)
    # forwards the changed word is read by the direction that predicts those behind it, backwards by
    # what predicts those before it
    count = len(row) - 1
    assert same[:count].tolist() == [True] * place + [False] * (count - place)
    if bidirectional:
        assert same[count : 2 * count].tolist() == [False] * place + [True] * (count - place)


def test_among_all_tokens_drawn_or_not_the_nats_are_the_same():
    model, (x, *others) = pretraining_model()
    predicted, right = model(x, x, *others)
    torch.testing.assert_close(model.sampled_nats(predicted, right), model.nats(predicted, right))


def test_how_likely_a_piece_is_drawn_is_known(monkeypatch):
    monkeypatch.setattr(pretraining_module, "SAMPLED_TOKENS", 5)
    model, _ = pretraining_model()
    model = PretrainingModel(
        type(
            "Reader",
            (),
            {
                "recurrent": model.recurrent,
                "dropout": model.dropout,
                "words": model.embedding,
                "embedded": None,
            },
        ),
        np.arange(len(model.bias)),
    )
    torch.manual_seed(0)
    count = 4000
    drawn = (
        sum(
            torch.zeros(len(model.bias)).index_fill(
                0, torch.multinomial(model.often, 5, replacement=True), 1.0
            )
            for _ in range(count)
        )
        / count
    )
    expected = model._log_sampled(torch.arange(len(model.bias))).exp()
    assert (
        float(
            ((drawn - expected).abs() / (expected * (1 - expected) / count).sqrt().clamp(min=1e-9))[
                1:
            ].max()
        )
        < 4
    )


def test_words_known_from_plain_texts_alone_are_told_apart(write):
    random = np.random.default_rng(0)
    groups = {"+": [f"p{k}" for k in range(12)], "-": [f"q{k}" for k in range(12)]}
    before, behind = (
        {"+": ("sun", "sea", "may"), "-": ("rain", "fog", "ice")},
        {"+": ("warm", "soft"), "-": ("cold", "hard")},
    )
    # of the words that decide, labelled texts have a third
    labels = ["+", "-"] * 40
    texts = [f"we say {random.choice(groups[label][:4])} here" for label in labels]
    new = [(f"we say {word} here", label) for label, words in groups.items() for word in words[4:]]
    plain = [
        f"{one} {word} {other}"
        for label, words in groups.items()
        for word in words
        for one in before[label]
        for other in behind[label]
    ]
    options = {
        **SMALL,
        "hidden": 16,
        "embedding": 16,
        "spelling": False,
        "epochs": 10,
        "dropout": 0.1,
        "word_dropout": 0.0,
        "unlabelled_epochs": 20.0,
        # which knows the labels by the letters of the words
        "linear": False,
    }
    file = str(write("plain.txt", "\n".join(plain)))
    after, alone = (
        Classifier(**options, unlabelled=given)
        .fit((texts, labels), threads=1)
        .evaluate((*zip(*new),))["accuracy"]
        for given in (file, None)
    )
    assert after > 0.9 > 0.75 > alone


def test_the_vocabulary_is_that_of_both(plain):
    task = Classifier(**SMALL, unlabelled=plain).fit((TEXTS, LABELS), threads=1)
    assert (
        {"dog", "poor"} <= set(task.vocabulary.tokenizer.get_vocab())
        and "소" in task.metadata.letters
        and task.metadata.unlabelled.texts == len(PLAIN)
    )
    assert {"dog", "소"}.isdisjoint(
        Classifier(**SMALL).fit((TEXTS, LABELS), threads=1).vocabulary.tokenizer.get_vocab()
    )


def test_a_text_that_is_there_again_is_read_once(write):
    path = str(
        write(
            "plain.tsv",
            "source\ttarget\n" + "".join(f"{text}\tx\n" for text in PLAIN[:3] + PLAIN[1:4]),
        )
    )
    assert list(texts_of(Classifier(unlabelled=path).options)["x"]) == PLAIN[:4]
    assert list(texts_of(Classifier(unlabelled=path, unlabelled_text="target").options)["x"]) == [
        "x"
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"tokens": "character"},
        {"tokens": "byte-pair", "vocabulary_size": 270},
        {"bidirectional": False, "layers": 2},
        {"cell": "lstm_projected"},
        {"engine": "torch"},
    ],
)
def test_any_reader_of_texts_learns_so(plain, tmp_path, options):
    task = Classifier(**SMALL | {"epochs": 1} | options, unlabelled=plain).fit(
        (TEXTS, LABELS), out=tmp_path / "m", threads=1
    )
    history = json.loads(pretraining_history(tmp_path / "m"))
    assert history[-1]["nats_per_token"] < history[0]["nats_per_token"]
    assert load(tmp_path / "m").predict_dicts(TEXTS) == task.predict_dicts(TEXTS)


def pretraining_history(out):
    return json.dumps(read_tensors(out / PRETRAINING_CHECKPOINT)[1]["progress"]["history"])


# ---------------------------------------------------------------- the run


def test_models_of_an_ensemble_begin_with_what_the_first_has_learned(plain, tmp_path):
    task = Classifier(**SMALL, ensemble=2, unlabelled=plain).fit(
        (TEXTS, LABELS), out=tmp_path / "m", threads=1
    )
    # from there each learned by itself
    assert not any(map(torch.equal, *(member.recurrent.parameters() for member in task.members)))
    pretrain(task, texts_of(task.options), tmp_path / "m")
    saved, _ = read_tensors(tmp_path / "m" / PRETRAINED_WEIGHTS)
    for member in task.members:
        for name, weights in member.state_dict().items():
            assert torch.equal(weights, saved[name]) != name.startswith("readout."), name


@pytest.mark.parametrize("step", [1, 5, 9, 10, 13])
@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_run_broken_off_ends_as_one_that_was_not(
    plain, breaking, write, tmp_path, step, ensemble
):
    file = write(
        "data.tsv",
        "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in zip(LABELS, TEXTS)),
    )
    # 4 steps an epoch: texts are predicted in 9, labels learned in 16
    options = SMALL | {
        "ensemble": ensemble,
        "unlabelled": plain,
        "epochs": 4,
        "unlabelled_epochs": 2.2,
    }
    whole = Classifier(**options).fit(file, threads=1)
    with pytest.raises(breaking.error):
        Classifier(**options).fit(
            file, out=tmp_path / "m", threads=1, checkpoint_seconds=0.0, watcher=breaking(step)
        )
    again = Classifier(**options).fit(file, out=tmp_path / "m", resume=True, threads=1)
    assert without_time(again.result) == without_time(whole.result)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name


def test_a_model_needs_its_plain_texts_no_more(plain, write, ostinato, tmp_path):
    file = write(
        "data.tsv",
        "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in zip(LABELS, TEXTS)),
    )
    words = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    code, out, err = ostinato(
        "train", "classify", file, "--out", "m", "--unlabelled", plain, "--threads", "1", *words
    )
    assert code == 0, err
    assert re.search(
        r"^step +\d+  loss \d\.\d{3}  val nats per token \d\.\d{3}  \d+ text/s", err, re.M
    ) and re.search(r"accuracy \d\.\d{3}", err)
    (tmp_path / "plain.txt").unlink()
    assert ostinato("predict", "m", given="it is good\n")[1].strip() in "+-"
    assert (
        ostinato("evaluate", "m", file)[0]
        == ostinato("info", "m")[0]
        == ostinato("inspect", "m", "it is good")[0]
        == 0
    )
    with open(plain, "w") as changed:
        changed.write("other texts\nthan those")
    code, _, err = ostinato(
        "train", "classify", file, "--out", "m", "--unlabelled", plain, "--resume", *words
    )
    assert code == 2 and re.search(
        "--resume: the texts of --unlabelled .*plain.txt are not those of the run", err
    )


def test_two_processes_end_as_one_with_the_same_batches(plain, write, tmp_path):
    file = write(
        "data.tsv",
        "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in zip(LABELS, TEXTS)),
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
            4,
            "--batch",
            5,
            "--patience",
            0,
            "--threads",
            1,
            "--unlabelled",
            plain,
            "--unlabelled-dropout",
            0,
            "--devices",
            devices,
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
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("rows, ") == 1
    one, two = (load(tmp_path / name) for name in "12")
    for a, b in zip(one.predict_dicts(TEXTS), two.predict_dicts(TEXTS)):
        assert a["probabilities"]["+"] == pytest.approx(b["probabilities"]["+"], abs=2e-4)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "options, message",
    [
        ({"unlabelled": "none.txt"}, "none.txt' does not exist"),
        (
            {"unlabelled": "numbers.csv"},
            "'numbers.csv' has the columns 'a', 'b', none with texts; name one",
        ),
        (
            {"unlabelled": "pair.tsv", "unlabelled_text": "body"},
            "'pair.tsv' has no column 'body'.*'source'",
        ),
        (
            {"unlabelled": "words.txt"},
            "--unlabelled words.txt: 1 of its 4 texts has two tokens or more; pretraining needs "
            "at least two such texts: give more",
        ),
        (
            {"unlabelled": "pair.tsv", "layers": 2},
            "--unlabelled with --layers 2: an upper bidirectional layer .*; write --layers 1 or "
            "--no-bidirectional",
        ),
    ],
)
def test_texts_that_nothing_can_be_learned_from_are_refused(
    write, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    write("numbers.csv", "a,b\n1,2\n3,4\n")
    write("pair.tsv", "source\ttarget\na b\tc d\ne f\tg h\n")
    write("words.txt", "one\ntwo words\n\nthree\n")
    with pytest.raises(InputError, match=message):
        Classifier(**SMALL | options).fit((TEXTS, LABELS), out=tmp_path / "m", threads=1)
    assert not (tmp_path / "m").exists()


def test_rows_of_numbers_have_nothing_to_learn_from_texts(plain):
    with pytest.raises(
        InputError,
        match="--unlabelled .*plain.txt: the rows of the given rows are numbers, and "
        "pretraining requires texts; leave it out",
    ):
        Classifier(**SMALL, unlabelled=plain).fit(
            ([np.zeros(3), np.ones(3)] * 5, ["a", "b"] * 5), threads=1
        )
