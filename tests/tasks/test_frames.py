"""Many to many, aligned: a label for each frame of a clip."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ostinato.errors import InputError
from ostinato.inspection import gradients
from ostinato.tasks import FrameTagger, load
from places import SHARED
from runs import without_time

DATA = SHARED / "data"
# the name of the baseline
POSITION = "the most frequent label at each position of a clip"
SMALL = {
    "hidden": 8,
    "layers": 1,
    "epochs": 30,
    "patience": 0,
    "batch": 8,
    "learning_rate": 0.02,
    "dropout": 0.0,
}


def clip(random, runs):
    """A clip and its labels: low, high, and rest, which looks as low does and comes after high
    only.
    """
    levels = {"low": 0.0, "high": 5.0, "rest": 0.0}
    labels = [label for label, count in runs for _ in range(count)]
    return random.normal([[levels[label], 1000.0] for label in labels], [0.3, 50.0]).astype(
        np.float32
    ), labels


def clips(count, seed=0):
    random = np.random.default_rng(seed)
    found = [
        clip(random, zip(("low", "high", "rest"), random.integers(2, 5, 3))) for _ in range(count)
    ]
    return [x for x, _ in found], [labels for _, labels in found]


CLIPS, LABELS = clips(40)
SLOTS = ["low", "high", "rest"]


def arrays(path, **more):
    """An npz file of 20 clips of 8 frames."""
    random = np.random.default_rng(1)
    found = [
        clip(random, zip(SLOTS, counts))
        for counts in [(2, 3, 3), (3, 3, 2), (4, 2, 2), (2, 2, 4)] * 5
    ]
    slot = np.array([[SLOTS.index(label) for label in labels] for _, labels in found], np.uint8)
    np.savez(
        path,
        x=np.stack([x for x, _ in found]),
        slot=slot,
        slots=np.array(SLOTS),
        loud=np.where(slot == 1, "yes", "no"),
        names=np.array([f"clip{k}" for k in range(20)]),
        **more,
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file with parts, the directory of a model of one, and the task."""
    directory = tmp_path_factory.mktemp("frames")
    file = arrays(directory / "clips.npz", train=np.arange(16), test=np.arange(16, 20))
    part = f"{file}:train"
    return (
        file,
        directory / "model",
        FrameTagger(**SMALL).fit(part, test=f"{file}:test", out=directory / "model", threads=1),
    )


# ---------------------------------------------------------------- what it learns


def test_a_label_follows_from_the_frames_around():
    task = FrameTagger(**SMALL).fit((CLIPS, LABELS), threads=1)
    assert task.evaluate(clips(10, seed=5))["accuracy"] > 0.9
    (answer,) = task.predict_dicts(
        [np.array([[0, 1000]] * 3 + [[5, 1000]] * 2 + [[0, 1000]] * 4, np.float32)]
    )
    assert task.shown(answer) == "low×3 high×2 rest×4"


def test_a_model_that_reads_one_way_cannot_see_what_comes():
    one = FrameTagger(**SMALL | {"bidirectional": False, "epochs": 2}).fit(
        (CLIPS, LABELS), threads=1
    )
    rows = one.encode(one.read([CLIPS[0], CLIPS[0][:3]], labelled=False))
    with torch.no_grad():
        scores = one.scores(one.collate(rows))
    torch.testing.assert_close(scores[:3], scores[-3:])


def test_numbers_of_any_size_are_read_alike():
    wide = [x * [1e6, 1e-3] for x in CLIPS]
    plain, scaled = (
        FrameTagger(**SMALL | {"epochs": 2}).fit((x, LABELS), threads=1).evaluate((x, LABELS))
        for x in (CLIPS, wide)
    )
    assert plain["nats"] == pytest.approx(scaled["nats"], abs=1e-2)


def test_a_number_that_never_changes_does_no_harm():
    still = [np.pad(x, ((0, 0), (0, 1)), constant_values=7) for x in CLIPS]
    assert np.isfinite(
        FrameTagger(**SMALL | {"epochs": 1}).fit((still, LABELS), threads=1).result.metrics["nats"]
    )


def test_an_empty_clip_has_no_labels(trained):
    assert [
        answer["labels"]
        for answer in trained[2].predict_dicts([np.zeros((0, 2)), np.zeros((2, 2)), []])
    ][::2] == [[], []]
    assert trained[2].shown({"labels": []}) == ""
    FrameTagger(**SMALL | {"epochs": 1, "batch": 1}).fit(
        (CLIPS[:4] + [[]] * 2, LABELS[:4] + [[]] * 2), threads=1
    )


def test_a_score_does_not_depend_on_the_clips_next_to_it(trained, close):
    task = trained[2]
    alone, together = (
        task.encode(task.read(x, labelled=False))
        for x in (CLIPS[:1], [CLIPS[0], np.ones((30, 2)), []])
    )
    with torch.no_grad():
        close(
            task.scores(task.collate(together))[: len(CLIPS[0])], task.scores(task.collate(alone))
        )


def test_padding_changes_no_gradient():
    task = FrameTagger(**SMALL | {"epochs": 1}).fit((CLIPS, LABELS), threads=1)
    x, lengths, labels = task.collate(task.encode(task.read((CLIPS, LABELS))))
    found = []
    for wider in (x, torch.nn.functional.pad(x, (0, 0, 0, 9))):
        task.model.zero_grad()
        loss, count = task.loss((wider, lengths, labels))
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in task.model.parameters()]))
    assert count == sum(map(len, LABELS))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm_projected", "min_gru"])
def test_any_cell_can_be_taken(cell):
    task = FrameTagger(**SMALL | {"cell": cell, "epochs": 1, "layers": 2}).fit(
        (CLIPS, LABELS), threads=1
    )
    assert len(task.predict_dicts(CLIPS[:1])[0]["labels"]) == len(CLIPS[0])


def test_torchs_layers_learn_the_same():
    ours, theirs = (
        FrameTagger(**SMALL | {"epochs": 2, "engine": engine}).fit((CLIPS, LABELS), threads=1)
        for engine in (None, "torch")
    )
    one, other = ([entry["nats"] for entry in task.result.history] for task in (ours, theirs))
    assert one == pytest.approx(other, abs=1e-3)


# ---------------------------------------------------------------- files and runs


def test_the_clips_of_a_part_are_taken(trained):
    file, _, task = trained
    assert (
        task.result.rows + task.result.held_out_rows == 14 + 4
        and task.metadata.labels == sorted(SLOTS)
    )
    assert task.evaluate(f"{file}:test") == task.result.metrics
    assert [answer["clip"] for answer in task.predict_dicts(f"{file}:test")] == [
        "clip16",
        "clip17",
        "clip18",
        "clip19",
    ]
    assert len(task.predict_dicts(file)) == 20


def test_another_array_of_labels_can_be_chosen(trained):
    task = FrameTagger(**SMALL | {"epochs": 1, "label": "loud"}).fit(
        f"{trained[0]}:train", threads=1
    )
    assert task.metadata.labels == ["no", "yes"]


def test_a_directory_gives_the_same_answers(trained, tmp_path):
    file, out, task = trained
    assert "report.html" in {path.name for path in out.iterdir()}
    assert load(out).predict_dicts(file) == task.predict_dicts(file)
    task.save(tmp_path / "again")
    assert load(tmp_path / "again").predict_dicts(CLIPS) == task.predict_dicts(CLIPS)


@pytest.mark.parametrize("step", [1, 5, 50])
def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path, step):
    file, _, whole = trained
    data = {"X": f"{file}:train", "test": f"{file}:test", "out": tmp_path / "m", "threads": 1}
    with pytest.raises(breaking.error):
        FrameTagger(**SMALL).fit(**data, checkpoint_seconds=0.0, watcher=breaking(step))
    again = FrameTagger(**SMALL).fit(**data, resume=True)
    assert without_time(again.result) == without_time(whole.result)


def test_a_folder_of_pictures_and_a_video_are_labelled(tmp_path):
    random = np.random.default_rng(0)
    pictures = [np.full((32, 32), level, np.uint8) for level in (10, 240, 10, 10)]
    folder = tmp_path / "그림"
    folder.mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k}.png")
    first, *others = map(Image.fromarray, pictures)
    first.save(tmp_path / "film.gif", save_all=True, append_images=others, duration=100)
    bright = [random.integers(0, 2, 6) for _ in range(20)]
    x = [np.clip(row[:, None] * 0.9 + random.normal(0.03, 0.01, (6, 1024)), 0, 1) for row in bright]
    task = FrameTagger(**SMALL).fit(
        (x, [["어둡다" if b == 0 else "밝다" for b in row] for row in bright]), threads=1
    )
    (answer,) = task.predict_dicts(folder)
    assert answer.pop("confidence") == pytest.approx([1, 1, 1, 1], abs=0.3)
    assert answer == {"labels": ["어둡다", "밝다", "어둡다", "어둡다"], "clip": "그림"}
    assert task.shown(answer) == "어둡다×1 밝다×1 어둡다×2"
    assert len(task.predict_dicts(tmp_path / "film.gif")[0]["labels"]) in (3, 4)
    (again,) = task.predict_dicts(task.line(f"{folder}\n"))
    assert again["labels"] == answer["labels"]


def test_the_command_line_trains_labels_and_tells(ostinato, tmp_path):
    file = arrays(tmp_path / "clips.npz", train=np.arange(16), test=np.arange(16, 20))
    words = [
        word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    code, out, err = ostinato(
        "train",
        "frames",
        f"{file}:train",
        "--test",
        f"{file}:test",
        "--out",
        "m",
        "--threads",
        1,
        *words,
    )
    assert code == 0 and "14 rows, 60 steps" in out and "evaluated on 4 rows:\naccuracy" in out, (
        out + err
    )
    lines = ostinato("predict", "m", f"{file}:test")[1].splitlines()
    assert len(lines) == 4 and lines[0].startswith("low×")
    assert ostinato("predict", "m", given=f"{file}:test\n")[1].splitlines() == lines
    first = json.loads(ostinato("predict", "m", f"{file}:test", "--json")[1].splitlines()[0])
    assert first["clip"] == "clip16" and len(first["labels"]) == 8
    assert (
        json.loads(ostinato("evaluate", "m", f"{file}:test", "--json")[1])
        == load("m").result.metrics
    )


def test_the_report_evaluates_what_a_place_in_a_clip_alone_says(trained):
    _, out, task = trained
    page = (out / "report.html").read_text(encoding="utf-8")
    assert (
        "the most frequent label at each position of a clip" in page
        and "Lowest accuracy" in page
        and "Longest" in page
    )
    parts = task.report_parts(
        task.read((CLIPS[:3] + [np.zeros((30, 2))], LABELS[:3] + [["low"] * 29 + ["?"]]))
    )
    assert (
        0 < parts["baselines"][POSITION]["accuracy"] < 1
        and parts["examples"]["Longest"][0]["frames"] == 30
    )
    assert parts["confusion"][1].sum() == sum(map(len, LABELS[:3])) + 29


def test_the_layer_can_be_looked_into(trained):
    inside = trained[2].inside(CLIPS[:1])
    assert (
        len(inside.tokens) == len(CLIPS[0]) == inside.x.shape[1]
        and "lowest confidence" in inside.explained
    )
    assert gradients(inside.output_of, inside.x[0]).shape == (len(CLIPS[0]),)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "data, message",
    [
        (
            ([[[0.0]]] * 2, [["x"]] * 2),
            "the given clips: all frames have the label 'x'; two labels or more are needed",
        ),
        (([[], []], [[], []]), "the given clips: 0 samples; at least two are needed for training"),
        (
            ([[[0.0]], [[1.0]]], [["x"]]),
            "2 clips and 1 rows of labels; give a row of labels for each clip",
        ),
        (
            ([[[0.0]], [[1.0], [2.0]]], [["x"], ["y"]]),
            "clip 2 has 2 frames and 1 labels; give a label for each frame",
        ),
        (
            ([[[0.0]], [[1.0, 2.0]]], [["x"], ["y"]]),
            "the given clips: clip . has . numbers per frame, and another has .",
        ),
        (
            ([[[0.0]], [[1.0], [2.0, 3.0]]], [["x"], ["y", "z"]]),
            "clip 2 is not an array of numbers .*; give frames with the same number",
        ),
        (([[[0.0]], 3.0], [["x"], ["y"]]), "clip 2 is 3.0; give frames of numbers"),
        (
            ([[[0.0]], [[1.0], [np.nan]]], [["x"], ["y", "z"]]),
            "clip 2 has nan or infinity in frame 2; replace it by a number",
        ),
        (
            ([[[0.0], [1.0]]], [["x", "y"]]),
            "the given clips: 1 sample; at least two are needed for training",
        ),
    ],
)
def test_clips_that_nothing_can_be_learned_from_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        FrameTagger(**SMALL).fit(data)


def test_a_file_with_parts_is_learned_from_by_part(trained):
    with pytest.raises(
        InputError,
        match="has lists of training and test clips; write .*clips.npz:train or .*:test",
    ):
        FrameTagger(**SMALL).fit(trained[0])
    with pytest.raises(InputError, match="clips.npz' has no array 'tset': did you mean 'test'"):
        trained[2].evaluate(f"{trained[0]}:tset")


def test_frames_without_labels_are_refused_where_they_are_wanted(trained, tmp_path):
    np.savez(tmp_path / "bare.npz", x=np.zeros((3, 4, 2)))
    with pytest.raises(
        InputError,
        match=r"bare.npz' has no frame labels; give an npz file with x and an array of labels "
        r"\(clips, "
        r"frames\)",
    ):
        trained[2].evaluate(tmp_path / "bare.npz")
    assert [answer["labels"][0] for answer in trained[2].predict_dicts(tmp_path / "bare.npz")][
        0
    ] in SLOTS


def test_frames_of_another_size_are_refused(trained):
    with pytest.raises(
        InputError,
        match="the given clips: clip 2 has 3 numbers per frame, and the model was trained on 2",
    ):
        trained[2].predict_dicts([np.zeros((4, 2)), np.zeros((4, 3))])


def test_labels_unseen_in_training_count_as_wrong_and_are_counted(trained):
    wanted = trained[2].predict_dicts(CLIPS[:1])[0]["labels"]
    found = trained[2].evaluate((CLIPS[:1], [["?"] + wanted[1:]]))
    assert found["accuracy"] == pytest.approx(1 - 1 / len(wanted)) and found["labels_unseen"] == 1


def test_an_empty_clip_cannot_be_looked_into(trained):
    with pytest.raises(
        InputError, match="an empty clip has no frames to inspect; give a longer clip"
    ):
        trained[2].inside([np.zeros((0, 2))])


@pytest.mark.parametrize(
    "words, message",
    [
        ("train frames none.npz --out m", "none.npz' does not exist"),
        (
            "train frames FILE:train --out m --label slut",
            "has no array 'slut': did you mean 'slot'",
        ),
        ("predict MODEL none.npz:test", "none.npz' does not exist"),
    ],
)
def test_wrong_input_is_one_error(trained, ostinato, tmp_path, words, message):
    file, out, _ = trained
    code, printed, err = ostinato(
        *(word.replace("FILE", str(file)).replace("MODEL", str(out)) for word in words.split())
    )
    assert code == 2 and printed == "" and err.startswith("error: ") and "Traceback" not in err
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(InputError, match=message):
        raise InputError(err)


# ---------------------------------------------------------------- real data


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_lips_are_read_better_than_the_clock():
    data = DATA / "small" / "grid_s1"
    task = FrameTagger(hidden=48, epochs=12).fit(data / "pca16_train.npz", threads=1)
    found, (wanted,) = task.evaluate(data / "pca16_test.npz"), [task.read(data / "pca16_test.npz")]
    assert found["accuracy"] > task.report_parts(wanted)["baselines"][POSITION]["accuracy"]
