"""Classify sequences of numbers with default options, next to the models that it combines and its
baseline.

    python benchmarks/classify.py                       every set, seeds 1 to 3
    python benchmarks/classify.py --only GunPoint ArrowHead --seeds 1
    python benchmarks/classify.py --data ../shared/data --threads 2

The UCR and UEA sets are those that the packages aeon, sktime and tslearn contain; nothing is
downloaded. ECG200 is in none of them, so OSULeaf, ACSF1 and Trace are used as well. hand_gesture
and MNIST (800 rows) are read from --data. Each set has its own training and test part.
"""

import argparse
import importlib.util
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from ostinato.tasks import Classifier
from ostinato.tasks.nearest_neighbour import nearest_labels

# The accuracy to reach, where there is one.
UCR = {
    "GunPoint": 0.97,
    "ArrowHead": 0.78,
    "ItalyPowerDemand": 0.965,
    "BasicMotions": 1.0,
    "JapaneseVowels": 0.98,
    "OSULeaf": None,
    "ACSF1": None,
    "Trace": None,
}
# Accuracies of the network alone before there were other models, the mean of seeds 1 to 3.
EARLIER = {"hand_gesture": 0.973, "mnist": 0.917}

Rows = tuple[list[np.ndarray], list[str]]


def read_ts(path: Path) -> Rows:
    """The sequences (T, F) and the labels of a .ts file without missing values."""
    rows, labels = [], []
    lines = iter(path.read_text(encoding="utf-8", errors="replace").splitlines())
    for line in lines:
        if line.strip().lower() == "@data":
            break
    for line in filter(str.strip, lines):
        *channels, label = line.strip().split(":")
        rows.append(np.stack([np.array(one.split(","), np.float32) for one in channels], 1))
        labels.append(label)
    return rows, labels


def packaged(name: str) -> tuple[Rows, Rows] | None:
    """The training and the test part of a set in an installed package; None without one."""
    for package in ("aeon", "sktime"):
        found = importlib.util.find_spec(package)
        if found and found.submodule_search_locations:
            place = Path(found.submodule_search_locations[0]) / "datasets/data" / name
            parts = [place / f"{name}_{part}.ts" for part in ("TRAIN", "TEST")]
            if all(part.exists() for part in parts):
                return read_ts(parts[0]), read_ts(parts[1])
    found = importlib.util.find_spec("tslearn")
    if found and found.submodule_search_locations:
        path = Path(found.submodule_search_locations[0]) / ".cached_datasets" / f"{name}.npz"
        if path.exists():
            arrays = np.load(path)
            return tuple(
                ([*arrays[f"X_{part}"].astype(np.float32)], [*map(str, arrays[f"y_{part}"])])
                for part in ("train", "test")
            )
    return None


def shared(name: str, data: Path) -> tuple[Rows, Rows] | None:
    """The training and the test part of hand_gesture or mnist; None without the files."""
    if name == "mnist":
        files = [data / f"small/mnist/{part}.npz" for part in ("train", "test")]
        if all(file.exists() for file in files):
            return tuple(([*x["x"]], [*map(str, x["y"])]) for x in map(np.load, files))
        return None
    files = [data / f"small/hand_gesture/{part}.csv" for part in ("train", "test")]
    if not all(file.exists() for file in files):
        return None
    tables = [np.loadtxt(file, delimiter=",", dtype=np.float32) for file in files]
    return tuple(
        ([row[1:].reshape(-1, 2) for row in table], [str(int(row[0])) for row in table])
        for table in tables
    )


def measured(train: Rows, test: Rows, *, seed: int, threads: int) -> dict[str, float]:
    """The accuracy on the test part of the classifier, of its models and of the baseline."""
    began = time.perf_counter()
    task = Classifier(seed=seed).fit(train, threads=threads)
    seconds = time.perf_counter() - began
    linear, found = task.model.linear, {}
    chosen = float(linear.weight)
    for name, weight in (("ostinato", chosen), ("network", 0.0), ("kernels", 1.0)):
        with torch.no_grad():
            linear.weight.fill_(weight)
        found[name] = task.evaluate(test)["accuracy"]
    nearest = nearest_labels(train[0], np.array(train[1]), test[0])
    return found | {
        "1-NN": float((nearest == np.array(test[1])).mean()),
        "weight": chosen,
        "seconds": seconds,
        "kernels s": task.result.compared[1].seconds,
        "1-NN s": task.result.compared[2].seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", default=[*UCR, *EARLIER])
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    columns = ("ostinato", "network", "kernels", "1-NN", "weight", "seconds", "kernels s", "1-NN s")
    print(f"{'mean of seeds':18}" + "".join(f"{one:>11}" for one in columns) + f"{'wanted':>11}")
    for name in given.only:
        parts = shared(name, given.data) if name in EARLIER else packaged(name)
        if parts is None:
            print(f"{name:18} in no installed package, or not in {given.data}")
            continue
        runs = [measured(*parts, seed=seed, threads=given.threads) for seed in given.seeds]
        means = {one: statistics.fmean(run[one] for run in runs) for one in columns}
        wanted = (UCR | EARLIER).get(name)
        print(
            f"{name:18}"
            + "".join(
                f"{means[one]:11.4f}" if k < 4 else f"{means[one]:11.2f}"
                for k, one in enumerate(columns)
            )
            + ("" if wanted is None else f"{wanted:11.3f}"),
            flush=True,
        )


if __name__ == "__main__":
    main()
