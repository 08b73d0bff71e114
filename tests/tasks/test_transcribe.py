"""Clips with sentences, from a file to a model that writes what a clip says."""

import json

import numpy as np
import pytest

from ostinato.errors import InputError
from ostinato.tasks import Transcriber, load

WORDS = ["sil", "가다", "오다", "서다"]
SMALL = {
    "hidden": 24,
    "layers": 1,
    "embedding": 16,
    "tokens": "word",
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "learning_rate": 0.02,
    "epochs": 25,
    "batch": 16,
    "patience": 0,
}


def clips(count, seed=0):
    """Clips of 12 frames in which two words are said with silence around, each frame a number for
    its word and one of noise.
    """
    random, rows = np.random.default_rng(seed), []
    for _ in range(count):
        first, second = random.permutation([1, 2, 3])[:2]
        rows.append(
            np.repeat(
                [0, first, second, 0], [random.integers(1, 4), 4, 3, 0] + np.array([0, 0, 0, 5])
            )[:11]
        )
    rows = [np.pad(row, (0, 12 - len(row))) for row in rows]
    x = [
        np.stack([row + random.normal(0, 0.1, 12), random.normal(0, 1, 12)], 1).astype(np.float32)
        for row in rows
    ]
    return (
        x,
        np.array(rows),
        [" ".join(WORDS[k] for k in dict.fromkeys(row[row > 0])) for row in rows],
    )


X, FRAMES, SENTENCES = clips(120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file with parts, the directory of a model of one, and the task."""
    directory = tmp_path_factory.mktemp("transcribe")
    file = directory / "clips.npz"
    np.savez(
        file,
        x=np.stack(X),
        word=FRAMES,
        words=np.array(WORDS),
        train=np.arange(100),
        test=np.arange(100, 120),
    )
    return (
        file,
        directory / "model",
        Transcriber(**SMALL).fit(
            f"{file}:train", test=f"{file}:test", out=directory / "model", threads=1
        ),
    )


def test_the_runs_of_words_are_the_sentence(trained):
    task = trained[2]
    assert task.read(f"{trained[0]}:train")["target"][:5] == SENTENCES[:5]
    assert (
        task.result.metrics["word_error_rate"] < 0.2
        and list(task.result.metrics)[0] == "word_error_rate"
    )
    x, _, wanted = clips(20, seed=7)
    assert task.evaluate((x, wanted))["word_error_rate"] < 0.2


def test_sentences_can_be_an_array_of_text(tmp_path):
    np.savez(
        tmp_path / "clips.npz",
        x=np.stack(X[:20]),
        sentence=np.array(SENTENCES[:20]),
        loud=FRAMES[:20],
    )
    assert Transcriber().read(tmp_path / "clips.npz")["target"] == SENTENCES[:20]
    assert Transcriber(label="sentence").read(tmp_path / "clips.npz").about == {
        "numbers": "x",
        "sentences": "sentence",
    }


def test_a_directory_gives_the_same_answers(trained):
    file, out, task = trained
    assert load(out).predict_dicts(f"{file}:test") == task.predict_dicts(f"{file}:test")
    assert np.shape(task.predict_dicts(X[:1])[0]["attention"])[1] == 12


def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path):
    file, _, whole = trained
    data = {"X": f"{file}:train", "test": f"{file}:test", "out": tmp_path / "m", "threads": 1}
    with pytest.raises(breaking.error):
        Transcriber(**SMALL).fit(**data, checkpoint_seconds=0.0, watcher=breaking(30))
    again = Transcriber(**SMALL).fit(**data, resume=True)
    assert again.result.metrics == whole.result.metrics and again.result.steps == whole.result.steps


def test_the_report_shows_where_it_looked(trained):
    page = (trained[1] / "report.html").read_text(encoding="utf-8")
    assert "Lowest chrF" in page and "word error rate" in page
    long = [np.zeros((100, 2), np.float32)]
    sources, targets, weights = trained[2].report_parts(trained[2].read((long, ["가다"])))[
        "attention"
    ][0]
    assert (
        sources[:2] == ["1", "4"]
        and weights.shape == (len(targets), len(sources))
        and weights.sum(1) == pytest.approx([1] * len(targets), abs=1e-3)
    )


def test_the_command_line_writes_what_is_said(trained, ostinato):
    file, out, task = trained
    code, printed, err = ostinato("predict", out, f"{file}:test")
    assert code == 0 and printed.splitlines() == [
        answer["text"] for answer in task.predict_dicts(f"{file}:test")
    ], err
    assert json.loads(ostinato("evaluate", out, f"{file}:test", "--json")[1]) == task.result.metrics


@pytest.mark.parametrize(
    "data, message",
    [
        ((X[:2], ["a"]), "2 clips and 1 sentences; give a sentence for each clip"),
        (([[[0.0]], [[1.0], [np.nan]]], ["a", "b"]), "clip 2 has nan or infinity in frame 2"),
        (
            ([[[0.0]], [[1.0, 2.0]], [[1.0]]], ["a", "b", "c"]),
            "clip . has . numbers per frame, and another has .",
        ),
    ],
)
def test_clips_that_nothing_can_be_learned_from_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        Transcriber(**SMALL).fit(data)


def test_a_file_without_sentences_is_refused(tmp_path):
    np.savez(tmp_path / "bare.npz", x=np.zeros((4, 3, 2)))
    with pytest.raises(
        InputError, match="bare.npz' has no sentences; give an npz file with an array of text"
    ):
        Transcriber().read(tmp_path / "bare.npz")
