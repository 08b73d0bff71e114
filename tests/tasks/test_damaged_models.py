"""A damaged model directory or checkpoint is one error, whatever the damage: exit code 2, one
message, little memory, soon, and no signal.

An exit code of 0 is right only where what comes out is what the undamaged directory gives.
"""

import json
import os
import queue
import random
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import pytest

from damage import Damage, damages
from ostinato.tasks import TASKS, task_class
from places import ROOT

if not Path("/proc/self/clear_refs").exists():
    pytest.skip("the memory of a process is measured through /proc", allow_module_level=True)

# Seconds of the processor, which other processes do not take; and seconds in which a command that
# waits for something is given up.
SECONDS, WAITING = 10, 60
MEMORY, MESSAGE = 1 << 30, 2000
WORDS = ["가나", "나 다", "다 가 나", "bc", "b a", "가 b c a"]
STEPS = 3


def _lines(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _texts(path: Path) -> Path:
    return _lines(
        path / "t.tsv", ["label\ttext", *(f"{'xy'[k % 2]}\t{WORDS[k % 6]}" for k in range(18))]
    )


def _pairs(path: Path) -> Path:
    return _lines(path / "t.tsv", [f"{word}\t{word[::-1]}" for word in WORDS * 3])


def _npz(path: Path, **arrays) -> Path:
    np.savez(path / "x.npz", **arrays)
    return path / "x.npz"


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def _dates(path: Path) -> Path:
    return _lines(
        path / "s.csv",
        [
            "month,sold",
            *(f"{2000 + k // 12}-{k % 12 + 1:02},{k % 12 + np.sin(k):.3f}" for k in range(96)),
        ],
    )


def _clips(path: Path) -> Path:
    return _npz(
        path,
        x=_numbers(12, 5, 2),
        word=np.arange(60).reshape(12, 5) % 3,
        words=np.array(["a", "b", "c"]),
    )


# The task, what makes its data in a directory, and its options, of models that differ in what their
# files hold.
MODELS = {
    "classify": ("classify", _texts, {"embedding": 4}),
    "classify numbers": (
        "classify",
        lambda path: _npz(path, x=_numbers(12, 5, 2), y=np.arange(12) % 2),
        {"ensemble": 2},
    ),
    "classify with texts": (
        "classify",
        _texts,
        {"embedding": 4, "unlabelled": "t.tsv", "unlabelled_epochs": 1.0, "batch": 8},
    ),
    "classify stopped among texts": (
        "classify",
        _texts,
        {"embedding": 4, "unlabelled": "t.tsv", "unlabelled_epochs": 5.0, "batch": 8},
    ),
    "tag": (
        "tag",
        lambda path: _lines(
            path / "t.txt",
            (
                line
                for word in WORDS * 3
                for line in (*(f"{one}\t{one in 'abc'}" for one in word.split()), "")
            ),
        ),
        {},
    ),
    "frames": ("frames", _clips, {}),
    "forecast": (
        "forecast",
        lambda path: _lines(
            path / "s.csv", ["a,b", *(f"{np.sin(k):.3f},{k % 4}" for k in range(60))]
        ),
        {"horizon": 3},
    ),
    "forecast with dates": ("forecast", _dates, {"horizon": 3}),
    "translate": ("translate", _pairs, {"embedding": 4, "vocabulary_size": 262}),
    "transcribe": ("transcribe", _clips, {"embedding": 4, "label": "word", "tokens": "character"}),
    "generate": (
        "generate",
        lambda path: _lines(path / "t.txt", WORDS * 20),
        {"embedding": 4, "batch": 2, "sequence_length": 5},
    ),
    "generate byte pairs": (
        "generate",
        lambda path: _lines(path / "t.txt", WORDS * 40),
        {
            "embedding": 4,
            "batch": 2,
            "sequence_length": 5,
            "vocabulary": "byte-pair",
            "vocabulary_size": 258,
        },
    ),
    "caption": (
        "caption",
        lambda path: _npz(
            path,
            x=np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8),
            caption=np.array((WORDS * 2)[:8]),
        ),
        {"embedding": 4, "hidden": 4, "tokens": "character"},
    ),
}


def test_every_task_is_here():
    assert {task for task, _, _ in MODELS.values()} == {*TASKS}


@dataclass(frozen=True)
class Trained:
    """A model, and a run that was broken off.

    Attributes:
        task: The name of the task.
        data: Its file.
        model, run: The directories.
    """

    task: str
    data: Path
    model: Path
    run: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The `Trained` of a name in `MODELS`, each made once."""
    made = {}

    class Stop(Exception):
        pass

    class Watcher:
        def __init__(self, among_texts: bool):
            self.among_texts = among_texts

        def stepped(self, moment):
            if moment.step == STEPS and (moment.unit == "text") == self.among_texts:
                raise Stop

        def measured(self, entry):
            pass

    def make(name: str) -> Trained:
        if name not in made:
            task, data, options = MODELS[name]
            path = tmp_path_factory.mktemp("models")
            file = data(path)
            options = {"steps": STEPS, "hidden": 3} | options
            if "unlabelled" in options:
                options["unlabelled"] = str(path / options["unlabelled"])
            task_class(task)(**options).fit(file, out=path / "model", threads=1)
            with pytest.raises(Stop):
                task_class(task)(**options).fit(
                    file,
                    out=path / "run",
                    threads=1,
                    checkpoint_seconds=0.0,
                    watcher=Watcher("among texts" in name),
                )
            made[name] = Trained(task, file, path / "model", path / "run")
        return made[name]

    return make


# ---------------------------------------------------------------- processes that run command lines


class Worker:
    """A process that runs command lines, begun again where one ends it."""

    def __init__(self):
        self.process = None

    def run(self, words: list, directory: Path) -> dict:
        """The outcome of a command line; `{"died": ...}` where it did not come to its end."""
        if self.process is None or self.process.poll() is not None:
            # warnings are written, so that they would be a second message
            self.process = subprocess.Popen(
                [sys.executable, "-W", "default", ROOT / "tests" / "damage_worker.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            self._ask(["--version"], directory, 3 * WAITING)
        return self._ask([str(word) for word in words], directory, WAITING)

    def _ask(self, words: list[str], directory: Path, seconds: float) -> dict:
        process = self.process
        process.stdin.write(json.dumps({"words": words, "directory": str(directory)}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], seconds)[0]:
            process.kill()
            process.wait()
            return {"died": f"it ran for more than {seconds:g} s"}
        line = process.stdout.readline()
        return json.loads(line) if line else {"died": f"it ended with the code {process.wait()}"}

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


@pytest.fixture(scope="module")
def each():
    """Call a function for each job, with a worker, several at a time."""
    workers = [Worker() for _ in range(min(4, os.cpu_count() or 1))]

    def run(jobs: list, do) -> list:
        waiting, results = queue.SimpleQueue(), [None] * len(jobs)
        for numbered in enumerate(jobs):
            waiting.put(numbered)

        def work(worker: Worker):
            while True:
                try:
                    number, job = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    results[number] = do(worker, job)
                except Exception as error:
                    results[number] = f"the test itself: {error!r}"

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    yield run
    for worker in workers:
        worker.close()


def fault(result: dict, wanted) -> str | None:
    """The fault in how a command ended on a damaged directory.

    Args:
        result: How.
        wanted: Called where its exit code is 0: whether what came out is what the undamaged
            directory gives.
    """
    if "died" in result:
        return result["died"]
    code, err = result["code"], result["err"]
    if result["seconds"] > SECONDS:
        return f"it took {result['seconds']:.0f} s"
    if result["peak"] > MEMORY:
        return f"it took {result['peak'] >> 20} MiB"
    if "Traceback" in err or "panicked" in err:
        return f"a traceback: {err[-700:]}"
    if code == 0:
        return None if wanted() else f"exit code 0, and another result: {result['out'][:300]!r}"
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    if (
        code != 2
        or len(errors) != 1
        or not err.endswith(errors[0] + "\n")
        or len(errors[0]) > MESSAGE
    ):
        return f"exit code {code}, and {len(errors)} messages: {err[:500]!r}"
    return None


def commands(model: Trained) -> dict[str, list]:
    """The commands that read a model; what the first one prints depends on all that is needed to
    use it.
    """
    first = (
        ["generate", ".", "--seed", "1", "--length", "40"]
        if model.task == "generate"
        else ["predict", ".", model.data]
    )
    return {first[0]: first, "evaluate": ["evaluate", ".", model.data], "info": ["info", "."]}


class Case:
    """A damage to a model or to a run.

    Args:
        name: Of the model.
        trained: The model and the run.
        damage: The damage.
        resumed: It is done to the run, which is resumed.
        command: Otherwise the command that reads the model, of `commands`.
    """

    def __init__(
        self, name: str, trained: Trained, damage: Damage, *, resumed: bool, command: str = ""
    ):
        self.trained, self.damage, self.resumed, self.command = trained, damage, resumed, command
        self.name = f"{name}: {'--resume' if resumed else command}: {damage.name}"

    def fault(self, worker: Worker, place: Path, whole: dict) -> str | None:
        """The fault in how the damaged directory is taken; `whole` is what the undamaged one
        gives.
        """
        directory, victim = place / "damaged", place / "victim"
        shutil.copytree(self.trained.run if self.resumed else self.trained.model, directory)
        victim.write_text("kept")
        try:
            self.damage.do(directory)
            if self.resumed:
                result = worker.run(
                    ["train", self.trained.task, self.trained.data, "--out", ".", "--resume"],
                    directory,
                )
                found = fault(
                    result, lambda: (directory / "model.safetensors").read_bytes() == whole["run"]
                )
            else:
                result = worker.run(commands(self.trained)[self.command], directory)
                found = fault(
                    result, lambda: self.command == "info" or result["out"] == whole[self.command]
                )
            found = found or (None if victim.read_text() == "kept" else "it wrote through a link")
        finally:
            shutil.rmtree(place)
        return found and f"{self.name}: {found}"


def drawn(name: str, one: Trained, count: int, seed: int) -> list[Case]:
    """Damages to a model and a run, as many of each file and part of it as of another."""
    parts = [
        [
            Case(name, one, damage, resumed=False, command=command)
            for damage in found
            for command in commands(one)
        ]
        for found in damages(one.model).values()
    ]
    parts += [
        [Case(name, one, damage, resumed=True) for damage in found]
        for found in damages(one.run).values()
    ]
    random.Random(seed).shuffle(parts)
    for part in parts:
        random.Random(seed).shuffle(part)
    return [*islice((case for row in zip_longest(*parts) for case in row if case), count)]


def check(names: Iterable[str], trained, each, tmp_path: Path, count: int, seed: int = 0) -> int:
    """Fail where a damage to one of these models is not taken as it should be; gives how many
    damages there were.

    Args:
        names: Of the models.
        trained, each: The fixtures.
        tmp_path: A directory.
        count: Damages to each.
        seed: The seed of the choice.
    """
    cases, whole = [case for name in names for case in drawn(name, trained(name), count, seed)], {}

    def undamaged(worker: Worker, name: str):
        one, outputs = trained(name), {}
        for command, words in commands(one).items():
            result = worker.run(words, one.model)
            assert result["code"] == 0 and result["out"], result
            outputs[command] = result["out"]
        shutil.copytree(one.run, tmp_path / name / "run")
        result = worker.run(
            ["train", one.task, one.data, "--out", ".", "--resume"], tmp_path / name / "run"
        )
        assert result["code"] == 0, result
        whole[one.model] = outputs | {
            "run": (tmp_path / name / "run" / "model.safetensors").read_bytes()
        }

    faults = each([*names], undamaged)

    def damaged(worker: Worker, numbered: tuple[int, Case]):
        number, case = numbered
        place = tmp_path / str(number)
        place.mkdir()
        return case.fault(worker, place, whole[case.trained.model])

    faults += each([*enumerate(cases)], damaged) if not any(faults) else []
    faults = [found for found in faults if found]
    assert not faults, f"{len(faults)} of {len(cases)}:\n" + "\n".join(faults)
    return len(cases)


def test_damaged_models_are_one_error(trained, each, tmp_path):
    assert check(["classify", "forecast with dates", "generate"], trained, each, tmp_path, 15) == 45


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_model_of_any_task_is_one_error(trained, each, tmp_path, name):
    count = int(os.environ.get("OSTINATO_DAMAGES", 80))
    assert check([name], trained, each, tmp_path, count, seed=1) == count
