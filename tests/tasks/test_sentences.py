"""Tasks that write sentences survive an empty one: written by the model, or wanted, or both."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ostinato.data.vocabulary import END
from ostinato.tasks import Captioner, Transcriber, Translator, load, seq2seq
from ostinato.tasks.sentences import _hypothesis, _stored

SMALL = {
    "hidden": 4,
    "embedding": 4,
    "layers": 1,
    "steps": 4,
    "batch": 8,
    "patience": 0,
    "learning_rate": 1e-6,
}
TEXTS = ["one two", "three four"] * 10
random = np.random.default_rng(0)
CLIPS = [random.random((steps, 2)).astype(np.float32) for steps in (5, 7) * 10]
PICTURES = random.integers(0, 256, (20, 8, 8, 3), np.uint8)
TASKS = {
    "translate": (Translator, TEXTS),
    "translate nothing": (Translator, ["", "three four"] * 10),
    "caption": (Captioner, PICTURES),
    "transcribe": (Transcriber, CLIPS),
    "transcribe nothing": (Transcriber, [np.zeros((0, 2), np.float32), CLIPS[0]] * 10),
}
WANTED = {"sentences": TEXTS, "some empty": ["", "three four"] * 10, "all empty": [""] * 20}


@pytest.fixture
def silent(monkeypatch):
    """Every model begins, and with a tiny learning rate ends, as one that writes nothing."""
    begin = seq2seq.EncoderDecoder.__init__

    def init(self, *given, **options):
        begin(self, *given, **options)
        with torch.no_grad():
            self.bias[END] = 60.0

    monkeypatch.setattr(seq2seq.EncoderDecoder, "__init__", init)


@pytest.mark.parametrize("tokens", ["word", "character", "byte-pair"])
@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("name", TASKS)
def test_a_model_that_writes_nothing_is_measured_told_and_used(
    silent, name, wanted, tokens, tmp_path
):
    kind, x = TASKS[name]
    right = WANTED[wanted]
    task = kind(**SMALL, tokens=tokens).fit((x, right), out=tmp_path / "m", threads=1)
    found = task.evaluate((x, right))
    assert found["exact_match"] == right.count("") / 20
    assert (found["word_error_rate"], found["chrf"]) == (
        (None, None) if wanted == "all empty" else (1.0, 0.0)
    )
    assert (tmp_path / "m" / "report.html").stat().st_size > 1000 and len(task.result.history) == 4
    answers = load(tmp_path / "m").predict_dicts(x[:4])
    assert [answer["text"] for answer in answers] == [""] * 4 and all(
        answer["tokens"] == answer["attention"] == [] for answer in answers
    )
    assert [task.shown(answer) for answer in answers] == [""] * 4 and json.loads(
        json.dumps(answers)
    ) == answers
    assert task.predict_dicts(x[:0]) == []


@pytest.mark.parametrize("name", ["translate", "caption", "transcribe"])
def test_a_model_that_writes_nothing_is_resumed_with_the_same_numbers(
    silent, name, breaking, tmp_path
):
    kind, x = TASKS[name]
    whole = kind(**SMALL).fit((x, TEXTS), out=tmp_path / "whole", threads=1)
    with pytest.raises(breaking.error):
        kind(**SMALL).fit(
            (x, TEXTS),
            out=tmp_path / "broken",
            threads=1,
            checkpoint_seconds=0.0,
            watcher=breaking(3),
        )
    for _ in range(2):
        again = kind(**SMALL).fit((x, TEXTS), out=tmp_path / "broken", threads=1, resume=True)
        assert (
            again.result.metrics == whole.result.metrics
            and (tmp_path / "broken" / "report.html").is_file()
        )


def test_the_command_line_survives_empty_sentences(silent, tmp_path, ostinato):
    np.savez(
        tmp_path / "clips.npz",
        x=np.stack([CLIPS[0]] * 20),
        word=np.array([["sil"] * 5, ["a", "a", "sil", "b", "b"]] * 10),
    )
    (tmp_path / "pairs.tsv").write_text("".join(f"{text}\t{text}\n" for text in TEXTS))
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "pictures.csv").write_text(
        "file,caption\n" + "".join(f"pictures/{k}.png,{text}\n" for k, text in enumerate(TEXTS))
    )
    options = [
        word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    for task, data, given in (
        ("transcribe", "clips.npz", "clips.npz"),
        ("translate", "pairs.tsv", "pairs.tsv"),
        ("caption", "pictures.csv", "pictures"),
    ):
        code, printed, told = ostinato("train", task, data, "--out", task, *options)
        assert (code, "Traceback" in told) == (0, False), told
        assert "use " in printed
        code, printed, told = ostinato("predict", task, given)
        assert (code, printed, told) == (0, "\n" * 20, "")
        code, printed, _ = ostinato("evaluate", task, data, "--json")
        assert code == 0 and json.loads(printed)["word_error_rate"] == 1.0
    assert ostinato("predict", "translate", given="one two\n\n") == (0, "\n\n", "")
    code, _, told = ostinato("inspect", "translate", "one two", "--out", "x.png")
    assert (code, told) == (0, "") and (tmp_path / "x.png").is_file()


def test_a_stored_sentence_keeps_the_shape_of_its_attention():
    from ostinato.tasks.beam_search import Hypothesis

    for shape in ((0, 0), (0, 5), (3, 0), (3, 5)):
        one = Hypothesis(list(range(shape[0])), -1.5, True, torch.rand(shape))
        found = _hypothesis(_stored(one))
        assert (found.tokens, found.score, found.ended) == (
            one.tokens,
            one.score,
            one.ended,
        ) and torch.equal(found.attention, one.attention)


def test_the_report_draws_what_was_written_where_some_sentences_are_empty(silent):
    task = Transcriber(**SMALL).fit((CLIPS, TEXTS), threads=1)
    examples = task.read((CLIPS, TEXTS))
    with torch.no_grad():
        task.model.bias[END] = 0.0
        task.model.bias[4:] = 30.0
    written = task.decoded(examples)
    assert any(one.tokens for one in written)
    task._latest = None, []
    assert 0 < len(task.report_parts(examples)["attention"]) <= 3
