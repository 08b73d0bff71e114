"""Damaged and hostile files of Keras and TensorFlow 1: one error each, in bounded memory and
time.
"""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import keras_files as made
import ostinato
from ostinato.exchange import keras, tf1
from ostinato.exchange.layer_stack import DenseSpec, EmbeddingSpec, LayerStack, RecurrentSpec
from ostinato.tf1.files.bundle import write_bundle

MEMORY, SECONDS = 1 << 30, 10
LSTM = made.recurrent("LSTM", 3)
MODEL = made.model([made.layer("LSTM", "a", **LSTM)], 3)
WEIGHTS = made.weights_of("LSTM", 4, LSTM, np.random.default_rng(0))
OBJECTS = {"lstm/cell": [*WEIGHTS.values()]}


def whole(folder: Path) -> Path:
    return made.legacy(folder / "m.h5", MODEL, {"a": WEIGHTS}, 3)


def cut(size):
    def make(folder):
        path = whole(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(size * len(content)) if size < 1 else size])
        return path

    return make


def changed(change, config=MODEL):
    """A .h5 file whose content is changed with h5py."""

    def make(folder):
        path = made.legacy(folder / "m.h5", config, {"a": WEIGHTS}, 3)
        with h5py.File(path, "r+") as file:
            change(file, file["model_weights/a/a"])
        return path

    return make


def replaced(**arguments):
    """The kernel is another dataset."""

    def change(file, group):
        del group["kernel"]
        group.create_dataset("kernel", **arguments)

    return changed(change)


def configured(text):
    """The configuration is another text."""

    def change(file, group):
        file.attrs["model_config"] = text

    return changed(change)


def external_link(file, group):
    del group["kernel"]
    group["kernel"] = h5py.ExternalLink("/etc/passwd", "/a")


def soft_link(file, group):
    del group["kernel"]
    group["kernel"] = h5py.SoftLink("/model_weights/a/a/kernel")


def cycle(file, group):
    del group["kernel"]
    group["kernel"] = file["model_weights"]


def virtual(file, group):
    layout = h5py.VirtualLayout((4, 12), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (4, 12))
    del group["kernel"]
    group.create_virtual_dataset("kernel", layout)


def many_names(file, group):
    group = file["model_weights"]
    del group.attrs["layer_names"]
    text = h5py.string_dtype()
    group.attrs.create("layer_names", ["x" * 1000] * 2000, dtype=text)
    file["filling"] = np.zeros(1 << 20, np.float32)


def archived(change):
    """A .keras file of other members."""

    def make(folder):
        path = made.archive(folder / "m.keras", MODEL, OBJECTS, 3)
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        change(members)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)
        return path

    return make


def twice(folder):
    path = made.archive(folder / "m.keras", MODEL, OBJECTS, 3)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
        file.writestr("config.json", "{}")
    return path


def bomb(members):
    members["model.weights.h5"] = bytes(100 << 20)


def lying(folder):
    """A member whose header says another size."""
    path = made.archive(folder / "m.keras", MODEL, OBJECTS, 3)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        size = file.getinfo("model.weights.h5").file_size
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (1 << 30).to_bytes(4, "little")))
    return path


def written(content, name="m.h5"):
    def make(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return make


def fifo(folder):
    os.mkfifo(folder / "m.h5")
    return folder / "m.h5"


def nested(depth):
    model = MODEL
    for _ in range(depth):
        model = {"class_name": "Sequential", "config": {"name": "s", "layers": [model]}}
    return model


DAMAGES = {
    "empty": written(b""),
    "8 bytes": cut(8),
    "half": cut(0.5),
    "all but a tenth": cut(0.9),
    "text": written(b"the weights are elsewhere\n"),
    "pickle": written(pickle.dumps({"a": 1})),
    "signature alone": written(b"\x89HDF\r\n\x1a\n" + b"\xff" * 500),
    "zip of nothing": written(b"PK\x03\x04" + b"\0" * 200, "m.keras"),
    "fifo": fifo,
    "directory": lambda folder: folder,
    "missing": lambda folder: folder / "m.h5",
    "external link": changed(external_link),
    "soft link to itself": changed(soft_link),
    "hard link to the root": changed(cycle),
    "virtual dataset": changed(virtual),
    "external storage": replaced(shape=(4, 12), dtype="f4", external=[("/etc/passwd", 0, 192)]),
    "terabytes": replaced(shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1, 1024)),
    "terabytes at once": replaced(shape=(1 << 19, 1 << 19), dtype="f4"),
    "compressed": replaced(data=np.zeros((4, 12), "f4"), compression="gzip"),
    "bomb of chunks": replaced(data=np.zeros((1 << 12, 1 << 12), "f4"), compression="gzip"),
    "never written": replaced(shape=(4, 12), dtype="f4"),
    "rank 3": replaced(data=np.zeros((4, 3, 4), "f4")),
    "rank 0": replaced(data=np.float32(1)),
    "no rows": replaced(data=np.zeros((0, 12), "f4")),
    "whole numbers": replaced(data=np.zeros((4, 12), "i4")),
    "texts": replaced(data=["a"] * 12),
    "NaN": replaced(data=np.full((4, 12), np.nan, "f4")),
    "infinite": replaced(data=np.full((4, 12), np.inf, "f4")),
    "long names": changed(many_names),
    "no configuration": configured(""),
    "JSON list": configured("[]"),
    "JSON nested": configured("[" * 100_000),
    "JSON NaN": configured('{"class_name": NaN}'),
    "no layers": configured(json.dumps({"class_name": "Sequential", "config": {"layers": []}})),
    "layers": configured(json.dumps({"class_name": "Sequential", "config": {"layers": {"a": 1}}})),
    "layer": configured(json.dumps({"class_name": "Sequential", "config": {"layers": [3]}})),
    "many layers": configured(json.dumps(made.model([made.layer("LSTM", f"a{n}", **LSTM) for n in range(2000)], 3))),
    "models in models": configured(json.dumps(nested(50))),
    "units": configured(json.dumps(made.model([made.layer("LSTM", "a", **LSTM | {"units": 1 << 60})], 3))),
    "units as text": configured(json.dumps(made.model([made.layer("LSTM", "a", **LSTM | {"units": "3"})], 3))),
    "path out of the group": configured(json.dumps(made.model([made.layer("LSTM", "../../a", **LSTM)], 3))),
    "version": changed(lambda file, group: file.attrs.modify("keras_version", "9.0")),
    "archive without weights": archived(lambda members: members.pop("model.weights.h5")),
    "archive with other weights": archived(lambda members: members.update({"model.weights.h5": b"0" * 99})),
    "archive with a path": archived(lambda members: members.update({"../../config.json": members.pop("config.json")})),
    "archive bomb": archived(bomb),
    "archive with a configuration of text": archived(lambda members: members.update({"config.json": b"\xff\xfe{"})),
    "archive with a member twice": twice,
    "archive with a lying size": lying,
}  # fmt: skip


def checkpoint(folder: Path) -> Path:
    tf1.write(ostinato.LSTM(4, 3), folder / "model.ckpt")
    return folder / "model.ckpt"


def file_of(end, change):
    """A checkpoint one of whose files has another content."""

    def make(folder):
        path = checkpoint(folder)
        file = Path(f"{path}.{end}")
        content = change(file.read_bytes())
        file.unlink() if content is None else file.write_bytes(content)
        return path

    return make


def variables(**arrays):
    def make(folder):
        named = {"kernel": np.zeros((7, 12), "f4"), "bias": np.zeros(12, "f4")} | arrays
        write_bundle(
            str(folder / "model.ckpt"),
            [(f"rnn/lstm_cell/{name}", "", array) for name, array in named.items()],
        )
        return folder / "model.ckpt"

    return make


DATA = "data-00000-of-00001"
CHECKPOINTS = {
    "missing": lambda folder: folder / "model.ckpt",
    "no checkpoint in the directory": lambda folder: folder,
    "index cut": file_of("index", lambda content: content[: len(content) // 2]),
    "index empty": file_of("index", lambda content: b""),
    "index of zeros": file_of("index", lambda content: bytes(len(content))),
    "index is a pickle": file_of("index", lambda content: pickle.dumps(content)),
    "data cut": file_of(DATA, lambda content: content[:-9]),
    "data changed": file_of(DATA, lambda content: b"\1" + content[1:]),
    "data missing": file_of(DATA, lambda content: None),
    "rank 3": variables(kernel=np.zeros((7, 3, 4), "f4")),
    "rank 0": variables(bias=np.float32(1)),
    "too few rows": variables(kernel=np.zeros((3, 12), "f4")),
    "not four gates": variables(kernel=np.zeros((7, 13), "f4"), bias=np.zeros(13, "f4")),
    "nothing": variables(kernel=np.zeros((0, 0), "f4"), bias=np.zeros(0, "f4")),
    "texts": variables(kernel=np.full((7, 12), b"a", object)),
    "whole numbers": variables(kernel=np.zeros((7, 12), "i4")),
    "NaN": variables(kernel=np.full((7, 12), np.nan, "f4")),
    "one file of zeros": written(bytes(1000), "model.ckpt"),
}


@pytest.fixture(scope="module")
def worker():
    path = Path(__file__).with_name("damaged_worker.py")
    with subprocess.Popen(
        [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def read(reader: str, file: Path):
            process.stdin.write(f"{reader}\t{file}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, "the process ended"
            return json.loads(answer)

        yield read
        process.stdin.close()


def refused(answer):
    error, seconds, memory = answer
    assert error.startswith("InputError: ") and "\n" not in error and len(error) < 1500, error
    assert seconds < SECONDS and memory < MEMORY


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_of_keras_is_one_error(name, worker, tmp_path):
    refused(worker("keras", DAMAGES[name](tmp_path)))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_damaged_checkpoint_is_one_error(name, worker, tmp_path):
    refused(worker("tf1", CHECKPOINTS[name](tmp_path)))


def test_files_that_are_not_damaged_are_read(worker, tmp_path):
    assert worker("keras", whole(tmp_path))[0] == "nothing"
    assert worker("keras", made.archive(tmp_path / "m.keras", MODEL, OBJECTS, 3))[0] == "nothing"
    assert worker("tf1", checkpoint(tmp_path))[0] == "nothing"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_of_a_file_are_an_error_or_another_model(seed, worker, tmp_path):
    stack = LayerStack(
        {"e": EmbeddingSpec(7, 4), "a": RecurrentSpec("gru", 4, 3), "d": DenseSpec(3, 2)}
    )
    keras.write(stack, tmp_path / "m.keras")
    rng = np.random.default_rng(seed)
    for path in (whole(tmp_path), tmp_path / "m.keras"):
        content = path.read_bytes()
        for _ in range(60):
            broken = bytearray(content)
            for place in rng.integers(0, len(content), rng.integers(1, 9)):
                broken[place] = rng.integers(0, 256)
            path.write_bytes(broken)
            error, seconds, memory = worker("keras", path)
            assert error == "nothing" or error.startswith("InputError: "), error
            assert seconds < SECONDS and memory < MEMORY
