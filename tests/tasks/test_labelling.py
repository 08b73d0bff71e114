"""Rows with several labels: losses, means and metrics against other libraries; from data to saved
models.
"""

import json

import numpy as np
import polars
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import cross_val_score

from ostinato.errors import InputError
from ostinato.tasks import Classifier, load
from ostinato.tasks.classify_model import ClassifyEnsemble
from ostinato.tasks.labelling import LabelSets, OneLabel, labelling
from ostinato.tasks.linear_model import best_weight, pairs
from ostinato.tasks.metadata import ClassifyMetadata
from ostinato.tasks.ngrams import NGrams
from ostinato.tasks.options import ClassifyOptions
from ostinato.tasks.random_kernels import RandomKernels, kernel_sizes
from ostinato.training.metrics import label_sets, set_counts

SMALL = {
    "multi_label": True,
    "hidden": 8,
    "embedding": 8,
    "spelling": False,
    "steps": 60,
    "patience": 0,
    "learning_rate": 0.03,
    "dropout": 0.0,
    "word_dropout": 0.0,
}
WORDS = {"news": ["vote", "law"], "sport": ["ball", "goal"], "tech": ["chip", "code"]}


def rows(count, seed=0):
    """Texts, and the labels of the words in them."""
    random = np.random.default_rng(seed)
    sets = [[name for name in WORDS if random.random() < 0.4] for _ in range(count)]
    return [" ".join(["the", *(random.choice(WORDS[name]) for name in one)]) for one in sets], sets


TEXTS, SETS = rows(80)
MATRIX = np.array([[int(name in one) for name in WORDS] for one in SETS])


@pytest.fixture(scope="module")
def trained():
    return Classifier(**SMALL).fit(TEXTS, SETS, threads=1)


def of(options=None, rows=10):
    metadata = ClassifyMetadata(["a", "b", "c"], [2, 5, 9], {}, None, rows=rows)
    return labelling(metadata, ClassifyOptions(multi_label=True, **(options or {})))


class Fixed(torch.nn.Module):
    """A model with the same scores for any input."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def forward(self, *_):
        return self.scores


# ---------------------------------------------------------------- formulas


def test_the_kind_of_labels_follows_from_the_metadata():
    assert type(of()) is LabelSets and type(of(rows=None)) is OneLabel


def test_the_loss_is_the_cross_entropy_of_each_label():
    random = np.random.default_rng(0)
    scores, wanted = random.normal(size=(7, 3)), random.integers(0, 2, (7, 4))
    p = 1 / (1 + np.exp(-scores))
    plain = -(wanted[:, :3] * np.log(p) + (1 - wanted[:, :3]) * np.log(1 - p)).sum() / 3
    found = of({"label_smoothing": 0.0}).loss(torch.tensor(scores), torch.tensor(wanted).float())
    assert float(found) == pytest.approx(plain, rel=1e-6)
    y = 0.8 * wanted[:, :3] + 0.2 * np.array([0.2, 0.5, 0.9])
    smooth = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / 3
    found = of({"label_smoothing": 0.2}).loss(torch.tensor(scores), torch.tensor(wanted).float())
    assert float(found) == pytest.approx(smooth, rel=1e-6)
    weights = np.array([8 / 2, 5 / 5, 1 / 9])
    weighted = -(weights * y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / 3
    options = {"label_smoothing": 0.2, "class_weights": True}
    found = of(options).loss(torch.tensor(scores), torch.tensor(wanted).float())
    assert float(found) == pytest.approx(weighted, rel=1e-6)


def test_two_models_are_averaged_in_probabilities():
    one, other = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1)).double()
    for weight in (0.0, 0.3, 1.0):
        mean = torch.sigmoid(of().mean(one, other, weight))
        wanted = (1 - weight) * torch.sigmoid(one) + weight * torch.sigmoid(other)
        torch.testing.assert_close(mean, wanted)
    ensemble = ClassifyEnsemble([Fixed(one), Fixed(other)], independent=True)
    wanted = (torch.sigmoid(one) + torch.sigmoid(other)) / 2
    torch.testing.assert_close(torch.sigmoid(ensemble(None, None)), wanted)


def test_the_weight_goes_to_the_better_model():
    wanted = np.array([[0, 1], [1, 0], [1, 1], [0, 0]] * 30)
    good = torch.tensor(4.0 * wanted - 2)
    assert best_weight(pairs(good), pairs(-good), torch.from_numpy(wanted)) == 0.0
    assert best_weight(pairs(-good), pairs(good), torch.from_numpy(wanted)) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_those_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    given, wanted = random.integers(0, 2, (2, 30, 5))
    found = label_sets(set_counts(given, wanted))
    assert found["micro_f1"] == pytest.approx(f1_score(wanted, given, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(wanted, given, average="macro"))
    assert found["exact_match"] == accuracy_score(wanted, given)


def test_metrics_without_a_value_are_none():
    nothing = np.zeros((0, 2))
    assert {*label_sets(set_counts(nothing, nothing)).values()} == {None}
    empty = label_sets(set_counts(np.zeros((3, 2)), np.zeros((3, 2))))
    assert empty == {"micro_f1": None, "macro_f1": None, "exact_match": 1.0}
    with pytest.raises(InputError, match="shape"):
        set_counts(np.zeros((3, 2)), np.zeros((3, 3)))


def test_linear_models_learn_each_label():
    texts, sets = rows(60, seed=1)
    wanted = np.array([[int(name in one) for name in (*WORDS, "never")] for one in sets])
    model = NGrams(4, 4096, independent=True)
    model.fit(texts, wanted, seed=1)
    assert ((model(texts) > 0).numpy() == wanted).mean() == 1
    random = np.random.default_rng(0)
    x = [
        np.stack([np.sin(np.arange(20) * (1 + a)), np.cos(np.arange(20) * (2 + b))], 1)
        + 0.1 * random.normal(size=(20, 2))
        for a, b, *_ in wanted
    ]
    x = [row.astype(np.float32) for row in x]
    kernels = RandomKernels(2, 2, kernel_sizes(60, 20, features=500), independent=True)
    kernels.fit(x, wanted[:, :2], seed=1)
    assert ((kernels(x) > 0).numpy() == wanted[:, :2]).mean() > 0.97


# ---------------------------------------------------------------- the task


def test_a_classifier_learns_and_predicts_several_labels(trained):
    assert trained.predict(["goal chip", "the", "law"]) == [["sport", "tech"], [], ["news"]] or (
        sorted(trained.predict(["goal chip"])[0]) == ["sport", "tech"]
    )
    probabilities = trained.predict_proba(TEXTS)
    assert trained.classes_.tolist() == [*WORDS] and probabilities.shape == (80, 3)
    assert ((probabilities >= 0.5) == MATRIX).mean() > 0.95
    answer = trained.predict_dicts(["goal chip"])[0]
    assert [*answer] == ["labels", "probabilities"]
    assert trained.shown(answer) == "|".join(answer["labels"])
    metrics = trained.evaluate(TEXTS, SETS)
    assert [*metrics] == ["micro_f1", "macro_f1", "exact_match", "nats"]
    given = (probabilities >= 0.5).astype(int)
    assert metrics["micro_f1"] == pytest.approx(f1_score(MATRIX, given, average="micro"))
    assert metrics["exact_match"] == accuracy_score(MATRIX, given)
    assert trained.result.history[-1]["micro_f1"] is not None


def test_the_threshold_applies_at_once(trained):
    try:
        everything = trained.set_params(threshold=0.001).predict(["goal"])
        nothing = trained.set_params(threshold=0.999).predict(["goal"])
    finally:
        trained.set_params(threshold=0.5)
    assert sorted(everything[0]) == [*WORDS] and nothing == [[]]


def test_labels_that_did_not_occur_in_training_count_as_missed(trained):
    metrics = trained.evaluate(["goal", "law"], [["sport", "art"], ["news", "art", "war"]])
    assert metrics["labels_unseen"] == 3 and metrics["exact_match"] == 0
    assert metrics["micro_f1"] <= 2 * 2 / (2 * 2 + 3)
    with pytest.raises(InputError, match="no label of this data occurred in training"):
        trained.evaluate(["goal"], [["art"]])


def test_a_saved_model_predicts_the_same_and_damaged_metadata_is_refused(trained, tmp_path):
    trained.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert np.array_equal(again.predict_proba(TEXTS[:9]), trained.predict_proba(TEXTS[:9]))
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    for part, change in (
        ("metadata", {"rows": None}),
        ("metadata", {"rows": 3}),
        ("metadata", {"rows": None, "indicators": True}),
        ("metadata", {"rows": -1}),
        ("options", {"multi_label": None}),
        ("options", {"multi_label": "yes"}),
        ("options", {"threshold": 0}),
    ):
        (tmp_path / "m" / "config.json").write_text(
            json.dumps(config | {part: config[part] | change})
        )
        with pytest.raises(InputError):
            load(tmp_path / "m")


def test_a_matrix_of_labels_is_predicted_as_one():
    model = Classifier(**SMALL | {"linear": False, "steps": 20}).fit(TEXTS, MATRIX)
    found = model.predict(TEXTS[:5])
    assert (
        found.shape == (5, 3) and found.dtype == np.int64 and model.classes_.tolist() == [0, 1, 2]
    )
    assert np.array_equal(found, (model.predict_proba(TEXTS[:5]) >= 0.5).astype(int))
    frame = polars.DataFrame(MATRIX[:, ::-1].copy(), schema=[*WORDS][::-1])
    model = Classifier(**SMALL | {"linear": False, "steps": 20}).fit(TEXTS, frame)
    assert model.classes_.tolist() == [*WORDS][::-1]


def test_scikit_learn_scores_several_labels():
    model = Classifier(**SMALL | {"linear": False, "steps": 10})
    assert cross_val_score(model, TEXTS, MATRIX, cv=2).shape == (2,)
    from sklearn.utils import get_tags

    assert get_tags(model).classifier_tags.multi_label and get_tags(model).target_tags.multi_output


@pytest.mark.parametrize("options", [{}, {"ensemble": 2, "class_weights": True, "linear": False}])
def test_sequences_of_numbers_have_several_labels(options):
    random = np.random.default_rng(0)
    x = random.normal(size=(24, 9, 1)) + MATRIX[:24, :1, None] - 2 * MATRIX[:24, 1:2, None]
    small = {"multi_label": True, "hidden": 4, "steps": 4, "patience": 0} | options
    model = Classifier(**small).fit(x, MATRIX[:24, :2])
    assert model.predict(x[:3]).shape == (3, 2)
    names = [one.name for one in model.result.compared]
    assert names == ([] if options else ["network", "random kernels", "nearest neighbour"])


@pytest.mark.parametrize(
    "labels, options, message",
    [
        (SETS, {"multi_label": None}, "lists of labels; .*multi_label=True"),
        (MATRIX, {"multi_label": False}, r"shape \(80, 3\); .*multi_label=True"),
        (["a", "b"] * 40, {}, "labels of row 1 are 'a', not a list"),
        ([["a"]] * 80, {}, "all 80 rows have the label 'a'"),
        ([[]] * 80, {}, "all 80 rows have no label"),
        (MATRIX * [1, 1, 0], {}, "no row has the label '2'"),
        (["|".join(one) or "none" for one in SETS], {"multi_label": None}, "--no-multi-label"),
    ],
)
def test_labels_that_do_not_fit_the_option_are_refused(labels, options, message):
    with pytest.raises(InputError, match=message):
        Classifier(**SMALL | options).fit(TEXTS, labels)


def test_the_command_line_trains_evaluates_and_predicts(ostinato, tmp_path):
    table = "text,topic\n" + "".join(f"{t},{'|'.join(s)}\n" for t, s in zip(TEXTS, SETS))
    (tmp_path / "a.csv").write_text(table)
    small = ("--hidden", 8, "--embedding", 8, "--no-spelling", "--steps", 8, "--label", "topic")
    code, out, err = ostinato("train", "classify", "a.csv", "--out", "m", "--multi-label", *small)
    assert code == 0 and "micro f1" in out and "multi-label" in err, out + err
    assert "rows with several labels: " in err
    code, out, err = ostinato("evaluate", "m", "a.csv", "--json")
    assert code == 0 and json.loads(out)["micro_f1"] > 0.5
    code, out, err = ostinato("predict", "m", "a.csv", "--out", "p.csv")
    written = polars.read_csv(tmp_path / "p.csv")
    assert written.columns == [
        "row",
        "input",
        "labels",
        *(f"probability_{name}" for name in WORDS),
    ]
    code, out, err = ostinato("predict", "m", "a.csv")
    lines = [line or None for line in out.splitlines()]
    assert lines == [text or None for text in written["labels"].to_list()]
    code, out, err = ostinato("info", "m")
    assert code == 0 and "--multi-label" in out and "3 labels" in out
    page = (tmp_path / "m" / "report.html").read_text(encoding="utf-8")
    assert "micro F1" in page and "Confusion matrix" not in page and "precision" in page
    # other formats would take the scores for those of one label
    code, out, err = ostinato("export", "m", "--to", "c", "--out", "model.c")
    assert code == 2 and "ONNX" in err and not (tmp_path / "model.c").exists()
