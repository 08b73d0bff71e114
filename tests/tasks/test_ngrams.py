"""The linear model of texts."""

import numpy as np
import pytest
import torch

from ostinato.tasks import Classifier, load
from ostinato.tasks.ngrams import NGrams, feature_count

KIND = {"good": 2, "bad": 0, "plain": 1}
SENTENCES = [f"{word} {noun}" for word in KIND for noun in ("film", "cast", "plot", "영화", "배우")]
LABELS = np.array([KIND[sentence.split()[0]] for sentence in SENTENCES])
SMALL = {"hidden": 4, "embedding": 4, "character_embedding": 4, "character_hidden": 4, "epochs": 2}


@pytest.mark.parametrize("kinds", [[0, 1, 2], [0, 2], [1]])
@pytest.mark.parametrize("labels", [3, 5])
def test_words_decide_and_labels_without_rows_are_improbable(kinds, labels):
    rows = [row for row, kind in zip(SENTENCES, LABELS) if kind in kinds] * 4
    wanted = np.array([kind for kind in LABELS if kind in kinds] * 4)
    model = NGrams(labels, 4096)
    model.fit(rows, wanted, seed=1)
    found = model(rows)
    assert found.shape == (len(rows), labels) and found.dtype == torch.float64
    torch.testing.assert_close(found.exp().sum(1), torch.ones(len(rows), dtype=torch.float64))
    assert found.argmax(1).tolist() == wanted.tolist()
    assert model(["새 good", "etwas bad"][: len(kinds) - 1]).shape == (
        min(2, len(kinds) - 1),
        labels,
    )


@pytest.mark.parametrize("present", [[0, 1], [0], [1]])
def test_two_labels_have_one_row_of_weights(present):
    texts = [f"{'yes' if label else 'no'} {k}" for k in range(20) for label in present]
    labels = np.array([label for _ in range(20) for label in present])
    model = NGrams(2, 4096)
    model.fit(texts, labels, seed=1)
    assert model.coefficients.shape == (1, 8192)
    assert model(texts).argmax(1).tolist() == labels.tolist()


def test_probabilities_do_not_depend_on_the_rows_next_to_a_row(monkeypatch):
    model = NGrams(3, 4096)
    model.fit(SENTENCES * 4, np.tile(LABELS, 4), seed=1)
    whole = model(SENTENCES)
    monkeypatch.setattr("ostinato.tasks.ngrams.TEXTS_AT_ONCE", 2)
    torch.testing.assert_close(model(SENTENCES), whole)
    again = NGrams(3, 4096)
    again.fit(SENTENCES * 4, np.tile(LABELS, 4), seed=1)
    torch.testing.assert_close(again(SENTENCES), whole)
    assert model([]).shape == (0, 3) and torch.isfinite(model(["", " ", "?"])).all()


def test_texts_past_the_limit_are_left_out_of_the_fit(monkeypatch):
    monkeypatch.setattr("ostinato.tasks.ngrams.CHARACTERS", 300)
    model = NGrams(3, 4096)
    model.fit(SENTENCES * 100, np.tile(LABELS, 100), seed=1)
    assert model(SENTENCES).shape == (len(SENTENCES), 3)
    model.fit(["long " * 100] * 3, np.array([0, 1, 2]), seed=1)
    assert torch.isfinite(model(["long"])).all()


def test_the_number_of_features_is_bounded():
    assert feature_count(["a"], 2) == 1 << 12
    assert feature_count(["a" * 10**6], 2) == 1 << 20
    assert 1000 * 2 * feature_count(["a" * 10**6], 1000) <= 1 << 23


def test_a_classifier_of_texts_trains_it_next_to_its_network(tmp_path):
    texts = [f"{sentence} {k}" for k in range(8) for sentence in SENTENCES]
    labels = [str(label) for label in LABELS] * 8
    task = Classifier(**SMALL).fit(texts, labels, out=tmp_path / "m", threads=1)
    network, linear = task.result.compared
    assert linear.name == "linear model of n-grams" and linear.value == 1.0
    assert network.weight + linear.weight == pytest.approx(1) and linear.weight >= 0.5
    # two epochs teach the network nothing
    assert task.result.metrics["accuracy"] == 1.0
    assert load(tmp_path / "m").predict_dicts(SENTENCES) == task.predict_dicts(SENTENCES)
    # decomposed text is composed text
    assert task.predict_dicts(["good 영화"]) == task.predict_dicts(["good 영화"])
    alone = Classifier(**SMALL, linear=False).fit(texts, labels, threads=1)
    assert not alone.result.compared and alone.model.linear is None
