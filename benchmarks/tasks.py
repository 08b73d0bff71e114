"""Train the tasks on real data, as in the results of docs/tasks.md; and compare Ostinato's layers
with torch.nn's in the same loop.

    python benchmarks/tasks.py DATA                      every row, one after the other
    python benchmarks/tasks.py DATA --only translate     only rows whose name begins so
    python benchmarks/tasks.py DATA --compare            small data, three seeds, both libraries

DATA is a directory with `small` and `full` in it. Each row is a run of `ostinato train` with the
options shown.
"""

import argparse
import csv
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ostinato.tasks import task_class

# name: task, data, test data, options, metric
FULL = {
    "classify nsmc": (
        "classify",
        "full/nsmc/train.tsv.gz",
        "full/nsmc/test.tsv.gz",
        {"seconds": 500},
        "accuracy",
    ),
    "classify trec": (
        "classify",
        "small/trec/train.tsv",
        "small/trec/test.tsv",
        {
            "ensemble": 3,
            "hidden": 64,
            "character_hidden": 32,
            "dropout": 0.5,
            "held_out": 0.05,
            "epochs": 16,
            "patience": 0,
            "unlabelled": "full/tatoeba_en_fr/train.tsv.gz",
        },
        "accuracy",
    ),
    "classify hand_gesture": (
        "classify",
        "small/hand_gesture/train.csv",
        "small/hand_gesture/test.csv",
        {"features": 2},
        "accuracy",
    ),
    "classify mnist": (
        "classify",
        "full/mnist/mnist_train.npz",
        "full/mnist/mnist_test.npz",
        {"seconds": 360},
        "accuracy",
    ),
    "generate tinyshakespeare": (
        "generate",
        "full/tinyshakespeare/input.txt",
        None,
        {
            "hidden": 512,
            "dropout": 0.3,
            "sequence_length": 128,
            "learning_rate": 0.008,
            "seconds": 800,
        },
        "nats_per_character",
    ),
    "tag ewt": (
        "tag",
        "full/ud_en_ewt/en_ewt-ud-train.rebuilt.conllu.gz",
        "full/ud_en_ewt/en_ewt-ud-test.conllu.gz",
        {},
        "accuracy",
    ),
    "tag gsd": ("tag", "small/ud_ko_gsd/train.tsv", "small/ud_ko_gsd/test.tsv", {}, "accuracy"),
    "translate tatoeba": (
        "translate",
        "full/tatoeba_en_fr/train.tsv.gz",
        "full/tatoeba_en_fr/test.tsv.gz",
        {"seconds": 1560, "dropout": 0.2},
        "bleu",
    ),
    "caption emoji": ("caption", "emoji:train", "emoji:test", {"caption": "en"}, "chrf"),
    "caption emoji ko": ("caption", "emoji:train", "emoji:test", {"caption": "ko"}, "chrf"),
    "frames grid": (
        "frames",
        "full/grid_s1/grid_s1_pca16.npz:train",
        "full/grid_s1/grid_s1_pca16.npz:test",
        {},
        "accuracy",
    ),
    "transcribe grid": (
        "transcribe",
        "full/grid_s1/grid_s1_pca16.npz:train",
        "full/grid_s1/grid_s1_pca16.npz:test",
        {"label": "word"},
        "word_error_rate",
    ),
    "forecast sunspots": (
        "forecast",
        "small/timeseries/monthly-sunspots.train.csv",
        "small/timeseries/monthly-sunspots.test.csv",
        {},
        "mase",
    ),
    "forecast temperatures": (
        "forecast",
        "small/timeseries/daily-min-temperatures.train.csv",
        "small/timeseries/daily-min-temperatures.test.csv",
        {},
        "mase",
    ),
}
# The same models, with less data or fewer steps, to compare the loop with one layer or the other.
COMPARED = {
    "classify nsmc": (
        "classify",
        "small/nsmc/train.tsv",
        "small/nsmc/test.tsv",
        {"epochs": 4, "patience": 0},
        "accuracy",
    ),
    "classify trec": (
        "classify",
        "small/trec/train.tsv",
        "small/trec/test.tsv",
        {"epochs": 10, "patience": 0},
        "accuracy",
    ),
    "classify hand_gesture": (
        "classify",
        "small/hand_gesture/train.csv",
        "small/hand_gesture/test.csv",
        {"features": 2, "patience": 0},
        "accuracy",
    ),
    "classify mnist": (
        "classify",
        "full/mnist/mnist_train.npz",
        "full/mnist/mnist_test.npz",
        {"steps": 300, "patience": 0},
        "accuracy",
    ),
    "generate tinyshakespeare": (
        "generate",
        "full/tinyshakespeare/input.txt",
        None,
        {"hidden": 256, "sequence_length": 128, "steps": 150},
        "nats_per_character",
    ),
    "tag ewt": (
        "tag",
        "small/ud_en_ewt/train.tsv",
        "small/ud_en_ewt/test.tsv",
        {"epochs": 4, "patience": 0},
        "accuracy",
    ),
    "translate tatoeba": (
        "translate",
        "full/tatoeba_en_fr/train.tsv.gz",
        "small/tatoeba_en_fr/test.tsv",
        {"steps": 400, "patience": 0},
        "bleu",
    ),
    "caption emoji": (
        "caption",
        "emoji:train",
        "emoji:test",
        {"caption": "en", "epochs": 3, "patience": 0},
        "chrf",
    ),
    "frames grid": (
        "frames",
        "full/grid_s1/grid_s1_pca16.npz:train",
        "full/grid_s1/grid_s1_pca16.npz:test",
        {"epochs": 4, "patience": 0},
        "accuracy",
    ),
    "transcribe grid": (
        "transcribe",
        "full/grid_s1/grid_s1_pca16.npz:train",
        "full/grid_s1/grid_s1_pca16.npz:test",
        {"label": "word", "epochs": 4, "patience": 0},
        "word_error_rate",
    ),
    "forecast temperatures": (
        "forecast",
        "small/timeseries/daily-min-temperatures.train.csv",
        "small/timeseries/daily-min-temperatures.test.csv",
        {"patience": 0},
        "mase",
    ),
}


def emoji(data: Path, part: str, into: Path) -> Path:
    """Write an npz file of pictures and names: a random tenth of the pictures with a skin tone, or
    all others.
    """
    with open(data / "full/emoji/captions.tsv", encoding="utf-8") as file:
        toned = np.array(
            [
                bool(row["base_hexcode"])
                for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            ]
        )
    arrays = dict(np.load(data / "full/emoji/emoji32_rgb.npz"))
    places = np.random.default_rng(0).permutation(np.flatnonzero(toned))
    held = np.isin(np.arange(len(toned)), places[: len(places) // 10])
    path = into / f"emoji-{part}.npz"
    np.savez(
        path, **{name: array[held if part == "test" else ~held] for name, array in arrays.items()}
    )
    return path


def train(data: Path, row, scratch: Path, **options) -> tuple[dict, float]:
    """The metrics of a row's run, and the seconds of its training."""
    name, learned, test, chosen, _ = row

    def found(path):
        return path and (
            emoji(data, path.removeprefix("emoji:"), scratch)
            if path.startswith("emoji:")
            else str(data / path)
        )

    files = {"unlabelled": found(chosen["unlabelled"])} if "unlabelled" in chosen else {}
    task = task_class(name)(**chosen | files | options).fit(found(learned), test=found(test))
    return task.result.metrics, task.result.seconds


def compare(data: Path, rows: dict, scratch: Path, seeds: int) -> None:
    """Train each row with Ostinato's layers and torch.nn's alternately, and print means, standard
    deviations and the ratio of times.
    """
    print("| | metric | Ostinato | torch.nn | speed-up |\n|---|---|---|---|---|")
    for name, row in rows.items():
        runs = {engine: [] for engine in (None, "torch")}
        for seed in range(1, seeds + 1):
            for engine, found in runs.items():
                metrics, seconds = train(data, row, scratch, engine=engine, seed=seed)
                found.append((metrics[row[4]], seconds))
        words = [
            f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"
            for values in ([value for value, _ in found] for found in runs.values())
        ]
        ours, theirs = (
            statistics.median(seconds for _, seconds in found) for found in runs.values()
        )
        print(
            f"| {name} | {row[4].replace('_', ' ')} | {' | '.join(words)} | {theirs / ours:.2f}x |",
            flush=True,
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    rows = {
        name: row
        for name, row in (COMPARED if given.compare else FULL).items()
        if name.startswith(given.only)
    }
    if not rows:
        sys.exit(
            f"error: no row begins with {given.only!r}; write one of "
            f"{', '.join(COMPARED if given.compare else FULL)}"
        )
    with tempfile.TemporaryDirectory() as scratch:
        if given.compare:
            return compare(given.data, rows, Path(scratch), given.seeds)
        for name, row in rows.items():
            start = time.perf_counter()
            metrics, seconds = train(given.data, row, Path(scratch))
            print(
                json.dumps(
                    {
                        "row": name,
                        "metrics": metrics,
                        "seconds": round(seconds),
                        "wall": round(time.perf_counter() - start),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
