"""Tag sentences with `ostinato train tag` and with sklearn-crfsuite, on the same files.

    python benchmarks/tag.py TRAIN TEST                  defaults, three seeds
    python benchmarks/tag.py DATA/atis --seeds 1         a folder with train/ and test/

TRAIN and TEST are files that `ostinato train tag` reads: a word, a tab and a tag in each line. A
folder has a sentence in each line of seq.in and its tags in the same line of seq.out; the data of
https://github.com/MiuLab/SlotGated-SLU (ATIS and SNIPS, with spans as tags) has this form. It needs
sklearn-crfsuite, whose features here are those of its tutorial: the word, its last letters, its
case, and the same for its neighbours.
"""

import argparse
import statistics
import time
from pathlib import Path

from ostinato.data.annotated import read_tagged
from ostinato.tasks import Tagger
from ostinato.training import metrics


def read(path: Path, part: str) -> tuple[list[list[str]], list[list[str]]]:
    """Words and tags of a file, or of a part of a folder."""
    if path.is_dir():
        words, tags = (
            [line.split() for line in (path / part / name).read_text().splitlines() if line.strip()]
            for name in ("seq.in", "seq.out")
        )
        return words, tags
    found = read_tagged(path)
    return list(found.words), list(found.tags)


def features(words: list[str]) -> list[dict]:
    """The features of each word of a sentence, as in the tutorial of sklearn-crfsuite."""

    def of(place: int, name: str) -> dict:
        if not 0 <= place < len(words):
            return {f"{name}outside": True}
        word = words[place]
        return {
            f"{name}lower": word.lower(),
            f"{name}title": word.istitle(),
            f"{name}upper": word.isupper(),
            f"{name}digit": word.isdigit(),
        }

    return [
        {"bias": 1.0, "last3": word[-3:], "last2": word[-2:]}
        | of(place, "")
        | of(place - 1, "-1:")
        | of(place + 1, "+1:")
        for place, word in enumerate(words)
    ]


def crfsuite(train, test) -> list[list[str]]:
    """The tags that sklearn-crfsuite predicts."""
    from sklearn_crfsuite import CRF

    crf = CRF(algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=100, all_possible_transitions=True)
    crf.fit([features(row) for row in train[0]], train[1])
    return [list(row) for row in crf.predict([features(row) for row in test[0]])]


def ostinato(train, test, seed: int, options: dict) -> list[list[str]]:
    """The tags that a model with default options predicts."""
    return Tagger(seed=seed, **options).fit(*train).predict(test[0])


def shown(values: list[float]) -> str:
    """The mean, and the values."""
    return f"{statistics.mean(values):.4f} ({', '.join(f'{value:.4f}' for value in values)})"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-transitions", action="store_true", help="train without the CRF")
    given = parser.parse_args()
    train, test = read(given.train, "train"), read(given.test or given.train, "test")
    options = {"transitions": False} if given.no_transitions else {}
    runs = {"sklearn-crfsuite": [lambda: crfsuite(train, test)]} | {
        "ostinato": [
            lambda seed=seed: ostinato(train, test, seed, options)
            for seed in range(1, given.seeds + 1)
        ]
    }
    print(f"{len(train[0]):,} training and {len(test[0]):,} test sentences")
    for name, each in runs.items():
        found, start = [], time.process_time()
        for run in each:
            found.append(metrics.tagging(run(), test[1]))
        seconds = (time.process_time() - start) / len(each)
        for metric in found[0]:
            print(f"{name:18}{metric:12}{shown([one[metric] for one in found])}")
        print(f"{name:18}seconds of processor time: {seconds:.0f}", flush=True)


if __name__ == "__main__":
    main()
