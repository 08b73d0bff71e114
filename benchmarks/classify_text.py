"""Classify texts with `ostinato train classify` and with TF-IDF models of scikit-learn.

    python benchmarks/classify_text.py DATA                     TREC and NSMC, three seeds
    python benchmarks/classify_text.py DATA --more FOLDER       and the sets in another folder
    python benchmarks/classify_text.py DATA --only trec --seeds 1

DATA is a directory with `small/trec` and `small/nsmc` in it. FOLDER has files of a label, a space
and a text in each line, such as rt-polarity.all, subj.all and custrev.all of
https://github.com/harvardnlp/sent-conv-torch (film reviews, subjectivity, reviews of products); a
random tenth of each is the test part. All runs use the default options and the same rows.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from ostinato.tasks import Classifier

Rows = tuple[list[str], list[str]]


def table(path: Path) -> Rows:
    """Texts and labels of a tab-separated file with a header."""
    header, *rows = (
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line
    )
    text, label = header.index("text"), header.index("label")
    return [row[text] for row in rows], [row[label] for row in rows]


def divided(path: Path) -> tuple[Rows, Rows]:
    """A file of labels and texts as training part and test part, a random tenth."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().split("\n")
    # a line without a text is left out
    rows = [row for row in (line.split(" ", 1) for line in lines) if len(row) == 2]
    random.Random(0).shuffle(rows)
    test, train = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    return tuple(
        ([text for _, text in part], [label for label, _ in part]) for part in (train, test)
    )


def sets(data: Path, more: Path | None) -> Iterator[tuple[str, Rows, Rows]]:
    """The name, the training part and the test part of each set."""
    for name in ("trec", "nsmc"):
        folder = data / "small" / name
        yield name, table(folder / "train.tsv"), table(folder / "test.tsv")
    for path in sorted(more.glob("*.all")) if more else ():
        yield path.stem, *divided(path)


def tfidf() -> dict:
    """TF-IDF models of scikit-learn by name."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    def words():
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)

    def both():
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        return make_union(words(), characters)

    return {
        f"tf-idf {name}, {kind}": make_pipeline(vectors(), model())
        for name, vectors in (("words", words), ("words and characters", both))
        for kind, model in (
            ("logistic regression", lambda: LogisticRegression(C=10, max_iter=1000)),
            ("LinearSVC", LinearSVC),
        )
    }


def shown(name: str, accuracies: list[float], seconds: float) -> None:
    """Print a row."""
    each = ", ".join(f"{one:.3f}" for one in accuracies) if len(accuracies) > 1 else ""
    print(f"  {name:50}{statistics.mean(accuracies):.4f}  {seconds:7.1f} s  {each}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--more", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for name, train, test in sets(given.data, given.more):
        if not name.startswith(given.only):
            continue
        print(f"{name}: {len(train[0]):,} rows, {len(test[0]):,} test rows")
        for label, model in tfidf().items():
            start = time.process_time()
            accuracy = model.fit(*train).score(*test)
            shown(label, [accuracy], time.process_time() - start)
        found, start = {"ostinato": [], "ostinato --no-linear": []}, time.process_time()
        for seed in range(1, given.seeds + 1):
            task = Classifier(seed=seed).fit(*train)
            found["ostinato"].append(task.evaluate(*test)["accuracy"])
            # the same network, without the linear model
            task.model.linear.weight.zero_()
            found["ostinato --no-linear"].append(task.evaluate(*test)["accuracy"])
        seconds = (time.process_time() - start) / given.seeds
        for label, accuracies in found.items():
            shown(label, accuracies, seconds)


if __name__ == "__main__":
    main()
