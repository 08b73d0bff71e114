"""One rule for the numbers of sequences: bytes are divided by 255, wherever they come from, and the
model stores it.
"""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from ostinato.data.annotated import read_clips
from ostinato.data.npz import read_labelled_arrays
from ostinato.data.values import (
    as_trained,
    dtype_of,
    label_of,
    sequence_of,
    to_floats,
)
from ostinato.errors import InputError
from ostinato.tasks import Classifier, FrameTagger, Tagger, Transcriber, load

SMALL = {"hidden": 4, "epochs": 2, "patience": 0, "batch": 8}
DRAWN = np.random.default_rng(0).integers(0, 256, (24, 6, 4), np.uint8)
LABELS = ["dark" if one.mean() < 128 else "light" for one in DRAWN]
FRAMES = [["dark" if frame.mean() < 128 else "light" for frame in one] for one in DRAWN]


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


# The same bytes in every way in that says that they are bytes.
AS_BYTES = {
    "array": lambda x: x,
    "rows": list,
    "big endian": lambda x: x.astype(">u1"),
    "strided": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "by columns": np.asfortranarray,
    "turned": lambda x: x[:, ::-1][:, ::-1],
    "read only": read_only,
    "tensor": torch.from_numpy,
    "tensors": lambda x: [torch.from_numpy(row) for row in x],
    "lists of tensors": lambda x: [list(torch.from_numpy(row)) for row in x],
}
# The same values, in dtypes that do not say so: whole numbers are taken for bytes by a model that
# was trained on bytes.
AS_WHOLE = {
    "lists": lambda x: x.tolist(),
    "int64": lambda x: x.astype(np.int64),
    "int16, big endian": lambda x: x.astype(">i2"),
    "int32 tensor": lambda x: torch.from_numpy(x).int(),
}
# Fractions, or what need not be 0 to 255.
AS_NUMBERS = {
    "float32": lambda x: x.astype(np.float32),
    "float64, 0 to 1": lambda x: x / 255,
    "float16": lambda x: (x / 255).astype(np.float16),
    "bfloat16 tensor": lambda x: torch.from_numpy(x).bfloat16(),
    "with a gradient": lambda x: torch.from_numpy(x).float().requires_grad_(),
    "lists of floats": lambda x: x.astype(float).tolist(),
    "bool": lambda x: x > 128,
}
EVERY = AS_BYTES | AS_WHOLE | AS_NUMBERS


def probabilities(task, x) -> np.ndarray:
    return np.array(
        [
            [answer["probabilities"][name] for name in ("dark", "light")]
            for answer in task.predict_dicts(x)
        ]
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("values") / "train.npz"
    np.savez(path, x=DRAWN, y=np.array(LABELS))
    return path


@pytest.fixture(scope="module")
def of_bytes(file):
    """A model of an npz file of bytes, and what it answers for that file."""
    task = Classifier(**SMALL).fit(file, out=file.parent / "model", threads=1)
    return task, probabilities(task, file)


def test_a_model_of_bytes_from_a_file_is_that_of_the_same_bytes_from_memory(of_bytes):
    task, wanted = of_bytes
    for name, made in AS_BYTES.items():
        other = Classifier(**SMALL).fit((made(DRAWN), LABELS), threads=1)
        assert other.metadata.mean == task.metadata.mean and other.metadata.dtype == "uint8", name
        assert np.array_equal(probabilities(other, made(DRAWN)), wanted), name
    assert max(task.metadata.mean) < 1 < 255 * max(task.metadata.mean)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_of_bytes_answers_the_same_for_every_way_in_or_says_what_to_give(of_bytes, name):
    task, wanted = of_bytes
    given = EVERY[name](DRAWN)
    if name in AS_NUMBERS:
        with pytest.raises(
            InputError,
            match=r"the numbers are \w+, and the model was trained on uint8 \(0 to 255, divided by "
            r"255\); give uint8",
        ):
            task.predict_dicts(given)
    else:
        assert np.array_equal(probabilities(task, given), wanted)


@pytest.mark.parametrize("name", AS_WHOLE | AS_NUMBERS)
def test_a_model_of_other_numbers_reads_all_of_them_as_they_are_and_refuses_bytes(name, tmp_path):
    given = (AS_WHOLE | AS_NUMBERS)[name](DRAWN)
    values = np.array(
        given.detach().float().numpy() if isinstance(given, torch.Tensor) else given, np.float32
    )
    task = Classifier(**SMALL).fit((given, LABELS), threads=1)
    assert task.metadata.dtype != "uint8" and np.array_equal(
        np.stack(task.read(given, labelled=False)["x"]), values
    )
    wanted = probabilities(task, given)
    for other in (values, values.astype(np.float64), values.tolist(), torch.from_numpy(values)):
        assert np.array_equal(probabilities(task, other), wanted)
    np.savez(tmp_path / "x.npz", x=values)
    assert np.array_equal(probabilities(task, tmp_path / "x.npz"), wanted)
    with pytest.raises(
        InputError,
        match=r"the numbers are uint8, which is divided by 255, and the model was trained on \w+ "
        r"numbers, which are not scaled; give numbers in the units of the training data, for "
        r"example x.astype",
    ):
        task.predict_dicts(DRAWN)


def test_files_tables_and_lines_follow_the_same_rule(of_bytes, tmp_path, ostinato):
    task, wanted = of_bytes
    table = tmp_path / "x.csv"
    table.write_text("".join(",".join(map(str, row.reshape(-1))) + "\n" for row in DRAWN))
    wide = Classifier(**SMALL, features=4)
    assert wide.read(table, labelled=False).dtype == "text"
    np.savez(tmp_path / "whole.npz", x=DRAWN.astype(np.int32))
    np.savez(tmp_path / "part.npz", x=(DRAWN / 255).astype(np.float32))
    assert np.array_equal(probabilities(task, tmp_path / "whole.npz"), wanted)
    with pytest.raises(
        InputError, match="part.npz: the numbers are float32, and the model was trained on uint8"
    ):
        task.predict_dicts(tmp_path / "part.npz")
    line = " ".join(map(str, DRAWN[0].reshape(-1)))
    assert np.array_equal(probabilities(task, task.line(line)), wanted[:1])
    with pytest.raises(InputError, match="the numbers are float64"):
        task.predict_dicts(task.line(line.replace(" ", ".5 ", 1)))
    code, printed, _ = ostinato(
        "predict", task_directory(of_bytes, tmp_path), "--json", given=line + "\n"
    )
    assert (
        code == 0
        and json.loads(printed)["probabilities"]
        == task.predict_dicts(DRAWN[:1])[0]["probabilities"]
    )


def task_directory(of_bytes, tmp_path):
    of_bytes[0].save(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_table_is_read_by_a_model_of_bytes_by_its_values(tmp_path):
    wide = DRAWN[:, :, :1].copy()
    task = Classifier(**SMALL).fit((wide, LABELS), threads=1)
    table = tmp_path / "x.csv"
    names = ",".join("abcdef") + "\n"
    table.write_text(names + "\n".join(",".join(map(str, row.reshape(-1))) for row in wide))
    assert np.array_equal(probabilities(task, table), probabilities(task, wide))
    for bad in ("256", "0.5", "-1"):
        table.write_text(
            names
            + ",".join([bad, *map(str, wide[0].reshape(-1)[1:])])
            + "\n"
            + ",".join(map(str, wide[1].reshape(-1)))
        )
        with pytest.raises(
            InputError,
            match=f"sequence 1 has {bad}, and the model was trained on uint8; give whole numbers "
            "from 0 to 255",
        ):
            task.predict_dicts(table)


def test_the_rule_is_stored_printed_and_told(of_bytes, file, ostinato, tmp_path):
    assert (
        json.loads((file.parent / "model" / "config.json").read_text())["metadata"]["dtype"]
        == "uint8"
    )
    assert np.array_equal(probabilities(load(file.parent / "model"), DRAWN), of_bytes[1])
    code, _, told = ostinato(
        "train", "classify", file, "--out", tmp_path / "m", "--steps", 2, "--hidden", 4
    )
    assert code == 0 and "numbers uint8, divided by 255" in told
    assert "numbers uint8, divided by 255" in ostinato("info", tmp_path / "m")[1]
    np.savez(tmp_path / "part.npz", x=(DRAWN / 255).astype(np.float32), y=np.array(LABELS))
    assert (
        "numbers float32, not scaled"
        in ostinato(
            "train",
            "classify",
            tmp_path / "part.npz",
            "--out",
            tmp_path / "n",
            "--steps",
            2,
            "--hidden",
            4,
        )[2]
    )


def test_a_model_that_does_not_store_the_rule_refuses_bytes_alone(of_bytes):
    task = Classifier(**SMALL).fit((DRAWN / 255, LABELS), threads=1)
    wanted = probabilities(task, DRAWN / 255)
    task.metadata = replace(task.metadata, dtype=None)
    assert np.array_equal(probabilities(task, DRAWN / 255), wanted) and task.scaling() == ""
    with pytest.raises(
        InputError,
        match="trained on data of unknown dtype, by an earlier version of ostinato; train it again",
    ):
        task.predict_dicts(DRAWN)


def test_rows_of_bytes_and_of_other_numbers_are_not_mixed():
    mixed = [*DRAWN[:12], *(DRAWN[12:] / 255)]
    with pytest.raises(
        InputError,
        match="row 13 is float64, and the rows before it are uint8; uint8 is divided by 255 and "
        "other dtypes are not",
    ):
        Classifier(**SMALL).fit((mixed, LABELS))
    assert dtype_of([None, np.dtype(np.int32), None, np.dtype(np.float32)], "row") == "float64"
    assert dtype_of([None, None], "row") is None
    # an empty row has no units
    assert Classifier().read(([[], *DRAWN[:2]], LABELS[:3])).dtype == "uint8"


# ---------------------------------------------------------------- clips


def frames_file(path, x):
    np.savez(path, x=x, label=np.array(FRAMES))
    return path


@pytest.mark.parametrize("name", EVERY)
def test_clips_follow_the_rule(name, tmp_path):
    task = FrameTagger(**SMALL).fit(frames_file(tmp_path / "clips.npz", DRAWN), threads=1)
    other = FrameTagger(**SMALL).fit((DRAWN, FRAMES), threads=1)
    assert (
        task.metadata.mean == other.metadata.mean
        and task.metadata.dtype == "uint8"
        and "divided" in task.scaling()
    )
    given = EVERY[name](DRAWN)
    if name in AS_NUMBERS:
        with pytest.raises(InputError, match="and the model was trained on uint8"):
            task.predict_dicts(given)
        with pytest.raises(InputError, match="the numbers are uint8, which is divided by 255"):
            FrameTagger(**SMALL).fit((given, FRAMES), threads=1).predict(tmp_path / "clips.npz")
    else:
        scores = [
            task.scores(task.collate(list(task.encode(task.read(x, labelled=False)))))
            for x in (given, DRAWN)
        ]
        assert torch.equal(*scores)


def test_transcribe_follows_the_rule(tmp_path):
    words = [" ".join(dict.fromkeys(row)) for row in FRAMES]
    np.savez(tmp_path / "clips.npz", x=DRAWN, sentence=np.array(words))
    options = SMALL | {"epochs": 1, "embedding": 4, "tokens": "word", "layers": 1}
    tasks = [
        Transcriber(**options).fit(data, threads=1)
        for data in (tmp_path / "clips.npz", (DRAWN, words))
    ]
    one, other = (task.predict_dicts(DRAWN[:3]) for task in tasks)
    assert one == other and tasks[0].metadata.dtype == "uint8" and "divided" in tasks[0].scaling()
    with pytest.raises(InputError, match="and the model was trained on uint8"):
        tasks[0].predict(DRAWN[:3] / 255)


def test_pictures_are_for_models_of_bytes_and_of_numbers_from_0_to_1(tmp_path):
    from PIL import Image

    grey = np.random.default_rng(0).integers(0, 256, (12, 5, 32, 32), np.uint8)
    labels = [["a", "b", "a", "b", "b"]] * 12
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, picture in enumerate(grey[0]):
        Image.fromarray(picture).save(folder / f"{number}.png")
    of_bytes = FrameTagger(**SMALL).fit((grey, labels), threads=1)
    of_parts = FrameTagger(**SMALL).fit(((grey / 255).astype(np.float32), labels), threads=1)
    assert read_clips(folder).dtype == "pixels"
    for task, wanted in ((of_bytes, grey[:1]), (of_parts, grey[:1] / 255)):
        found, right = (
            next(iter(task.encode(task.read(data, labelled=False))))[0] for data in (folder, wanted)
        )
        assert np.allclose(found, right, atol=1e-5)
    for other in (grey.astype(np.float32), (grey / 127.5 - 1).astype(np.float32)):
        with pytest.raises(
            InputError,
            match="pixels are read as 0 to 1, and the training frames have other values",
        ):
            FrameTagger(**SMALL).fit((other, labels), threads=1).predict(folder)


# ---------------------------------------------------------------- other dtypes, and labels


@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "uint16",
        ">u2",
        "int16",
        ">i2",
        "int32",
        "uint64",
        "int64",
        "bool",
        "float16",
        ">f4",
        "float32",
        ">f8",
        "float64",
    ],
)
def test_a_file_and_memory_give_the_same_numbers_for_every_dtype(dtype, tmp_path):
    x = (np.random.default_rng(1).random((3, 5, 2)) * 100).astype(dtype)
    np.savez(tmp_path / "x.npz", x=x, other=np.asfortranarray(x))
    for name in ("x", "other"):
        found = read_labelled_arrays(tmp_path / "x.npz", columns=[name])
        memory = Classifier().read(x, labelled=False)
        assert found.dtype == memory.dtype == np.dtype(dtype).name
        assert all(
            np.array_equal(a, b) and a.dtype == b.dtype == np.float32
            for a, b in zip(found.numbers, memory["x"], strict=True)
        )
        assert np.array_equal(np.stack(memory["x"]), x.astype(np.float32))


@pytest.mark.parametrize(
    "row, message",
    [
        (
            [1j, 2],
            "row 1 is not an array of numbers .its dtype is complex128.; give steps with the "
            "same number of values",
        ),
        (["1", "2"], "row 1 is not an array of numbers .its dtype is <U1."),
        (np.array(["2024-01-01"], "datetime64[D]"), "its dtype is datetime64"),
        ([1e300, 1.0], "row 1 has nan or infinity in step 1"),
        ([None, 1.0], "row 1 has nan or infinity in step 1"),
        (
            [[1.0, 2.0], [1.0]],
            "row 1 is not an array of numbers .*; give steps with the same number of values",
        ),
    ],
)
def test_what_holds_no_numbers_is_one_error_without_a_warning(row, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=message):
            Classifier().read([row], labelled=False)


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1],
        ["0", " 1 "],
        np.array([0, 1]),
        torch.tensor([0, 1]),
        [np.int8(0), np.array(1)],
        [torch.tensor(0), torch.tensor(1)],
    ],
)
def test_labels_of_any_kind_are_those_of_a_file(labels, tmp_path):
    np.savez(tmp_path / "x.npz", x=DRAWN[:2], y=np.array([0, 1]))
    wanted = list(Classifier().read(tmp_path / "x.npz")["label"])
    assert Classifier().read((DRAWN[:2], labels))["label"] == wanted == ["0", "1"]
    assert FrameTagger().read((DRAWN[:1, :2], [labels]))["labels"] == [wanted]
    assert Tagger().read(([["a", "b"]], [labels]))["tags"] == [wanted]


@pytest.mark.parametrize("label", ["", " ", None, float("nan")])
def test_an_empty_label_is_refused_as_in_a_file(label):
    with pytest.raises(
        InputError,
        match="the label of row 2 is .*, an empty label; write a label, or remove the row",
    ):
        Classifier().read((["x", "y"], ["a", label]))


def test_a_label_is_composed():
    assert label_of("가".encode().decode(), "it") == label_of("\u1100\u1161", "it") == "가"


def test_bytes_stay_what_they_are_where_both_sides_are_bytes():
    row, dtype = sequence_of(np.uint8([0, 255]), "it", "step")
    assert (
        row.tolist() == [[0.0], [1.0]] and dtype == np.uint8 and to_floats(np.uint8([255]))[0] == 1
    )
    assert as_trained([row], "uint8", "uint8", "here") == [row] and as_trained(
        [row], None, "uint8", "here"
    ) == [row]
