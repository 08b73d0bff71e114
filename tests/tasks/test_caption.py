"""Pictures with captions, from a file to a model that says what is in one."""

import json

import numpy as np
import pytest
from PIL import Image

from ostinato.errors import InputError
from ostinato.tasks import Captioner, load
from ostinato.tasks.caption import _nearest

COLOURS = {"빨간": (220, 20, 20), "파란": (20, 20, 220), "초록": (20, 180, 20)}
SMALL = {
    "hidden": 16,
    "embedding": 16,
    "tokens": "word",
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "learning_rate": 0.02,
    "epochs": 40,
    "batch": 16,
    "patience": 0,
}


def pictures(count, seed=0):
    """A square of a colour, above or below the middle, and the words for it."""
    random, found, captions = np.random.default_rng(seed), [], []
    for _ in range(count):
        name, above = [*COLOURS][random.integers(3)], bool(random.integers(2))
        picture = np.full((32, 32, 3), 255, np.uint8)
        row, column = random.integers(2, 8) + (0 if above else 15), random.integers(2, 22)
        picture[row : row + 8, column : column + 8] = COLOURS[name]
        found.append(picture)
        captions.append(f"{name} 네모 {'위' if above else '아래'}")
    return found, captions


PICTURES = pictures(120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An npz file, the directory of a model of it, and the task."""
    directory = tmp_path_factory.mktemp("caption")
    file = directory / "pictures.npz"
    np.savez(
        file,
        x=np.stack(PICTURES[0]),
        caption=np.array(PICTURES[1]),
        name=np.array([f"p{k}" for k in range(120)]),
    )
    return (
        file,
        directory / "model",
        Captioner(**SMALL).fit(file, out=directory / "model", threads=1),
    )


def test_what_is_in_a_picture_is_said(trained):
    measured = trained[2].evaluate(pictures(30, seed=3))
    assert measured["chrf"] > 80 and list(measured)[0] == "chrf"


def test_a_caption_looks_at_64_places(trained):
    (answer,) = trained[2].predict_dicts(PICTURES[0][:1])
    assert np.shape(answer["attention"]) == (len(answer["tokens"]), 64)


def test_a_directory_gives_the_same_answers_for_files_and_folders(trained, tmp_path):
    file, out, task = trained
    assert load(out).predict_dicts(PICTURES[0][:3]) == task.predict_dicts(PICTURES[0][:3])
    for k in range(2):
        Image.fromarray(PICTURES[0][k]).save(tmp_path / f"{k}.png")
    texts = [answer["text"] for answer in task.predict_dicts(PICTURES[0][:2])]
    answers = task.predict_dicts(tmp_path)
    assert [answer["text"] for answer in answers] == texts and [
        answer["name"] for answer in answers
    ] == ["0.png", "1.png"]
    assert task.predict_dicts(task.line(f"{tmp_path / '1.png'}\n"))[0]["text"] == texts[1]


def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path):
    file, _, whole = trained
    with pytest.raises(breaking.error):
        Captioner(**SMALL).fit(
            file, out=tmp_path / "m", threads=1, checkpoint_seconds=0.0, watcher=breaking(20)
        )
    again = Captioner(**SMALL).fit(file, out=tmp_path / "m", threads=1, resume=True)
    assert again.result.metrics == whole.result.metrics and again.result.steps == whole.result.steps


def test_the_nearest_picture_is_found_among_many(monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 255, (40, 4, 4, 3), np.uint8)
    monkeypatch.setattr("ostinato.tasks.caption.COMPARED", 7)
    assert _nearest(pictures[[33, 0, 8]], [*pictures, *pictures]) == [33, 0, 8]


def test_the_report_has_the_nearest_pictures_caption_and_what_was_looked_at(trained):
    _, out, task = trained
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "the caption of the most similar training picture" in page and "data:image/png" in page
    parts = task.report_parts(task.read((PICTURES[0][:5], PICTURES[1][:5])))
    assert [*parts["baselines"].values()][0]["exact_match"] > 0.5
    assert len(parts["pictures"]) == 3
    for (_, (form, *said)), *looked_at in parts["pictures"]:
        assert form == "{} (target: {})" and len(said) == 2 and looked_at
    assert all(p.shape == (128, 128, 3) for row in parts["pictures"] for p, _ in row)


def test_the_command_line_reads_a_table_of_files(ostinato, tmp_path):
    for k, picture in enumerate(PICTURES[0][:40]):
        Image.fromarray(picture).save(tmp_path / f"{k}.png")
    (tmp_path / "captions.tsv").write_text(
        "file\tcaption\n" + "".join(f"{k}.png\t{PICTURES[1][k]}\n" for k in range(40)),
        encoding="utf-8",
    )
    words = [
        word
        for name, value in (SMALL | {"epochs": 2}).items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    code, out, err = ostinato(
        "train", "caption", "captions.tsv", "--out", "m", "--threads", 1, *words
    )
    assert code == 0 and "evaluated on 4 pictures:\nchrf" in out, out + err
    code, out, _ = ostinato("predict", "m", "--json", given="3.png\n")
    assert code == 0 and json.loads(out)["name"] == "3.png"


@pytest.mark.parametrize(
    "data, message",
    [
        (([np.zeros((4, 4, 3), np.uint8)], ["a", "b"]), "1 pictures and 2 captions"),
        (
            ([np.zeros((4, 4))], ["a"]),
            r"picture 1 has dtype float64 and shape \(4, 4\); give \(H, W, 3\) uint8",
        ),
    ],
)
def test_pictures_that_nothing_can_be_learned_from_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        Captioner(**SMALL).fit(data)


def test_a_picture_that_is_none_is_one_error(trained, ostinato, write):
    write("0.png", b"no picture")
    write("captions.tsv", "file\tcaption\n0.png\ta\n")
    code, _, err = ostinato("train", "caption", "captions.tsv", "--out", "m")
    assert code == 2 and "captions.tsv' line 2: '" in err and "damaged or not a picture" in err, err
    code, out, err = ostinato("predict", trained[1], given="0.png\n")
    assert (
        code == 2
        and out == ""
        and "line 1 of standard input" in err
        and "damaged or not a picture" in err
    )
