"""Files that may come from a stranger: only regular ones, up to a limit, and tensors only where
their header is what is wanted.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from ostinato.data import files
from ostinato.data.files import (
    Spec,
    difference,
    locked,
    parse_json,
    read_header,
    read_json,
    read_tensors,
    specs_of,
    write_json,
    write_tensors,
    write_whole,
)
from ostinato.errors import InputError
from ostinato.tasks import Generator


@pytest.mark.parametrize("read", [read_json, read_tensors, read_header])
@pytest.mark.parametrize(
    "make, message",
    [
        (os.mkfifo, "is not a regular file"),
        (os.mkdir, "is not a regular file"),
        (lambda path: os.symlink("/dev/zero", path), "is not a regular file"),
        (lambda path: os.symlink(path.name, path), "cannot read"),
        (lambda path: os.symlink("nothing", path), "does not exist"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_not_a_regular_file_is_not_read(tmp_path, read, make, message):
    make(tmp_path / "file")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "file")


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1, "a": 2}', "'a' occurs twice"),
        ('{"a": ' + "9" * 5000 + "}", "a whole number has too many digits"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a": 1', "line 1, column 8"),
        (b"\xff\xfe\xfa", "is not UTF-8"),
    ],
)
def test_json_that_python_alone_would_take_or_break_at_is_refused(text, message):
    with pytest.raises(ValueError, match=message) as refused:
        parse_json(text)
    assert len(str(refused.value)) < 200


def test_a_json_file_has_a_limit_that_holds_when_it_is_written_too(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_json(path, {"a": [*range(10)]})
    monkeypatch.setattr(files, "JSON_VALUES", 5)
    with pytest.raises(InputError, match="11 values are too many for a JSON file"):
        read_json(path)
    with pytest.raises(
        InputError, match="are too many for a JSON file.*write a smaller --vocabulary-size"
    ):
        write_json(tmp_path / "other.json", {"a": [*range(10)]})
    assert not (tmp_path / "other.json").exists()
    monkeypatch.undo()
    os.truncate(path, 1 << 40)
    with pytest.raises(
        InputError, match="1,099,511,627,776 bytes; the limit for such a file is 67,108,864"
    ):
        read_json(path)


def test_no_tensor_is_read_before_its_header_is_taken(tmp_path, monkeypatch):
    import safetensors.torch

    path = tmp_path / "file.safetensors"
    write_tensors(path, {"w": torch.zeros(2, 3)}, {"step": 1})
    assert read_header(path) == ({"w": Spec("F32", (2, 3))}, {"step": 1})
    monkeypatch.setattr(safetensors.torch, "load", lambda content: pytest.fail("it was read"))

    def check(specs):
        raise InputError(difference(specs, specs_of({"w": torch.zeros(3, 2)})))

    with pytest.raises(InputError, match=r"'w' is F32 \(2, 3\) and should be F32 \(3, 2\)"):
        read_tensors(path, check)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_tensors_of_any_dtype_and_shape_are_read_as_they_were(tmp_path, dtype, shape):
    tensors = {"a": torch.ones(shape).to(dtype), "b": torch.zeros(2)}
    write_tensors(tmp_path / "file", tensors)
    found, said = read_tensors(tmp_path / "file")
    assert said == {} and found.keys() == tensors.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
        for name, tensor in tensors.items()
    )
    assert read_header(tmp_path / "file")[0] == specs_of(tensors)


def test_a_link_in_the_place_of_an_unfinished_file_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_text("kept")
    (tmp_path / ".file.unfinished").symlink_to("victim")
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_text() == "kept" and (
        tmp_path / "file"
    ).read_bytes() == b"new"
    assert not (tmp_path / ".file.unfinished").is_symlink()


# ---------------------------------------------------------------- one run in a directory


def test_a_directory_is_locked_for_one_and_free_afterwards(tmp_path):
    with locked(tmp_path):
        with (
            pytest.raises(
                InputError,
                match="another run is training in this directory; wait until it ends, or give "
                "another --out",
            ),
            locked(tmp_path),
        ):
            pytest.fail("it was locked twice")
    assert not [*tmp_path.iterdir()]
    with locked(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        1 / 0
    assert not [*tmp_path.iterdir()]


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from ostinato.data.files import locked\nwith "
        "locked(Path(sys.argv[1])): print(flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(InputError, match="another run is training"), locked(tmp_path):
            pytest.fail("it was locked twice")
        other.send_signal(signal.SIGKILL)
    # what the killed one left does not matter
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with locked(tmp_path):
        pass
    assert not [*tmp_path.iterdir()]


SMALL = {"hidden": 3, "embedding": 3, "batch": 2, "sequence_length": 4, "steps": 6}


class Second:
    """A watcher that begins a second run in the directory of the first."""

    def __init__(self, out, **fit):
        self.out, self.fit, self.error = out, fit, None

    def stepped(self, moment):
        if self.error is None:
            with pytest.raises(InputError) as refused:
                Generator(**SMALL).fit(["가나다 abc\n" * 20], out=self.out, threads=1, **self.fit)
            self.error = str(refused.value)

    def measured(self, entry):
        pass


@pytest.mark.parametrize(
    "resume, message",
    [(True, "another run is training in this directory"), (False, "the directory is not empty")],
)
def test_a_second_run_in_a_directory_is_refused_and_the_first_is_not_disturbed(
    tmp_path, resume, message
):
    second = Second(tmp_path / "m", resume=resume)
    first = Generator(**SMALL).fit(
        ["가나다 abc\n" * 20], out=tmp_path / "m", threads=1, watcher=second
    )
    alone = Generator(**SMALL).fit(["가나다 abc\n" * 20], out=tmp_path / "n", threads=1)
    assert message in second.error
    assert (
        first.result.metrics == alone.result.metrics
        and (tmp_path / "m/model.safetensors").read_bytes()
        == (tmp_path / "n/model.safetensors").read_bytes()
    )
    assert not [path for path in (tmp_path / "m").iterdir() if path.name.startswith(".")]


def test_a_resumed_run_is_locked_too(tmp_path, breaking):
    with pytest.raises(breaking.error):
        Generator(**SMALL).fit(
            ["가나다 abc\n" * 20],
            out=tmp_path / "m",
            threads=1,
            watcher=breaking(3),
            checkpoint_seconds=0.0,
        )
    second = Second(tmp_path / "m", resume=True)
    Generator(**SMALL).fit(
        ["가나다 abc\n" * 20], out=tmp_path / "m", threads=1, resume=True, watcher=second
    )
    assert "another run is training in this directory" in second.error
    assert (
        json.loads((tmp_path / "m/config.json").read_text(encoding="utf-8"))["result"]["steps"] == 6
    )


def test_a_process_that_stops_in_the_middle_of_a_run_can_be_resumed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from ostinato.tasks import Generator\n"
        f"Generator(**{SMALL | {'steps': 100_000}}).fit(['가나다 abc\\n' * 20], "
        f"out=Path(sys.argv[1]), threads=1, checkpoint_seconds=0.0)"
    )
    out = tmp_path / "m"
    with subprocess.Popen([sys.executable, "-c", code, str(out)]) as run:
        while run.poll() is None and not (out / "checkpoint.safetensors").exists():
            time.sleep(0.01)
        with pytest.raises(InputError, match="another run is training in this directory"):
            Generator().fit(["가나다 abc\n" * 20], out=out, resume=True)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL and (out / ".lock").exists()

    class Stop(Exception):
        pass

    class Watcher(Second):
        def stepped(self, moment):
            raise Stop

    with pytest.raises(Stop):
        Generator().fit(["가나다 abc\n" * 20], out=out, resume=True, watcher=Watcher(out))
    assert not (out / ".lock").exists()
