"""Metrics are what the definitions say, and what has no value is None."""

import math

import numpy as np
import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF
from torchmetrics.functional.classification import multiclass_f1_score

from ostinato.data.disk import StoredArray
from ostinato.errors import InputError
from ostinato.training.metric_names import HIGHER_IS_BETTER
from ostinato.training.metrics import (
    bleu_tokens,
    classification,
    confusion,
    forecasting,
    has_spans,
    label_sets,
    language,
    set_counts,
    spans,
    tagging,
    translation,
)


def test_every_measure_has_its_direction():
    found = [
        classification(torch.eye(3), [0, 1, 2]),
        label_sets(set_counts(np.eye(2), np.eye(2))),
        language(1.0, 1, 1),
        translation(["a"], ["a"]),
        tagging([["B-X"]], [["B-X"]], words=[["a"]], known=set()),
        forecasting([1.0], [1.0], [1, 2], low=[0], high=[2]),
    ]
    assert [name for one in found for name in one] == [
        "accuracy",
        "macro_f1",
        "nats",
        "micro_f1",
        "macro_f1",
        "exact_match",
        "bits_per_character",
        "nats_per_character",
        "perplexity",
        "bleu",
        "chrf",
        "exact_match",
        "word_error_rate",
        "accuracy",
        "span_f1",
        "unseen_accuracy",
        "mae",
        "rmse",
        "mase",
        "coverage",
        "width",
    ]
    assert {name for one in found for name in one} == HIGHER_IS_BETTER.keys()


# ---------------------------------------------------------------- labels


def test_classification_is_what_torch_and_torchmetrics_have():
    scores, labels = torch.randn(200, 5), torch.randint(0, 5, (200,))
    found = classification(scores, labels)
    assert found["accuracy"] == (scores.argmax(1) == labels).double().mean()
    assert found["macro_f1"] == pytest.approx(
        multiclass_f1_score(scores, labels, num_classes=5).item(), abs=1e-6
    )
    assert found["nats"] == pytest.approx(
        torch.nn.functional.cross_entropy(scores, labels).item(), abs=1e-6
    )


def test_probabilities_and_their_scores_measure_the_same():
    scores, labels = torch.randn(50, 3).double(), torch.randint(0, 3, (50,))
    assert classification(scores.softmax(1), labels, probabilities=True) == pytest.approx(
        classification(scores, labels)
    )


def test_a_probability_of_nothing_is_many_nats_and_not_infinitely_many():
    assert classification([[1.0, 0.0]], [1], probabilities=True)["nats"] == pytest.approx(
        708.4, abs=0.1
    )


def test_labels_that_are_nowhere_do_not_count_in_f1():
    assert classification([[9.0, 0, 0], [0, 9, 0]], [0, 1])["macro_f1"] == 1
    assert classification([[9.0, 0], [9, 0]], [0, 0])["macro_f1"] == 1
    assert classification([[1.0], [1.0]], [0, 0]) == {"accuracy": 1, "macro_f1": 1, "nats": 0}


@pytest.mark.parametrize("scores", [[], torch.zeros(0, 3)])
def test_no_rows_have_no_metrics(scores):
    assert classification(scores, []) == {"accuracy": None, "macro_f1": None, "nats": None}


def test_a_row_of_the_confusion_is_a_right_label():
    assert confusion([1, 1, 2, 0], [0, 0, 2, 0], 3).tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert confusion([], [], 2).tolist() == [[0, 0], [0, 0]]


def test_classification_refuses_what_does_not_fit():
    with pytest.raises(
        InputError, match=r"scores of shape \(2, 3\) with labels of shape \(3,\): give \(N, C\)"
    ):
        classification(torch.zeros(2, 3), [0, 1, 2])
    with pytest.raises(InputError, match="scores of row 2 are not finite .nan or infinity."):
        classification([[0.0, 1], [math.nan, 0]], [0, 1])
    with pytest.raises(InputError, match="label -1 with 2 labels: labels are 0 to 1"):
        classification([[0.0, 1]], [-1])
    with pytest.raises(InputError, match="give .N,. and .N,."):
        confusion([0, 1], [0], 2)


# ---------------------------------------------------------------- tags


@pytest.mark.parametrize(
    "tags, wanted",
    [
        ("B-A I-A O B-A", [(0, 2, "A"), (3, 4, "A")]),
        ("B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        ("I-A I-A O I-B", [(0, 2, "A"), (3, 4, "B")]),
        ("B-A I-B", [(0, 1, "A"), (1, 2, "B")]),
        ("S-A B-B I-B E-B E-B", [(0, 1, "A"), (1, 4, "B"), (4, 5, "B")]),
        ("S-A I-A", [(0, 1, "A"), (1, 2, "A")]),
        ("U-A B-B L-B", [(0, 1, "A"), (1, 3, "B")]),
        ("B-x-y I-x-y", [(0, 2, "x-y")]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans_are_those_of_conlleval(tags, wanted):
    assert spans(tags.split()) == wanted


def test_span_f1_counts_whole_spans():
    # 2 right of 3 found and 4 wanted: precision 2/3, recall 1/2
    wanted = ["B-A I-A O B-B".split(), "B-A O B-B".split()]
    found = tagging(["B-A I-A O O".split(), "B-A O B-A".split()], wanted)
    assert (
        found["span_f1"] == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
        and found["accuracy"] == 5 / 7
    )
    assert tagging([["O"]], [["B-A"]])["span_f1"] == 0


def test_parts_of_speech_are_not_spans():
    assert (
        not has_spans([["NOUN", "O"]])
        and not has_spans([["O"]])
        and not has_spans([])
        and has_spans([["I-A"]])
    )
    assert tagging([["NOUN"]], [["VERB"]]) == {"accuracy": 0}


def test_unseen_words_are_those_not_known():
    found = tagging(
        [["N", "V", "N"]], [["N", "N", "N"]], words=[["나는", "간다", "집"]], known={"나는"}
    )
    assert found == {"accuracy": 2 / 3, "unseen_accuracy": 1 / 2}
    assert tagging([["N"]], [["N"]], words=[["a"]], known={"a"})["unseen_accuracy"] is None


def test_no_words_have_no_accuracy():
    assert tagging([], []) == tagging([[]], [[]]) == {"accuracy": None}


def test_tagging_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="predicted tags of 1 sentences for the true tags of 2"):
        tagging([["N"]], [["N"], ["N"]])
    with pytest.raises(InputError, match="sentence 2 has 2 words for 1 true tags"):
        tagging([["N"], ["N"]], [["N"], ["N"]], words=[["a"], ["a", "b"]], known=set())


# ---------------------------------------------------------------- text


def test_language_counts_tokens_and_characters_apart():
    wanted = {
        "bits_per_character": 0.5 / math.log(2),
        "nats_per_character": 0.5,
        "perplexity": math.exp(2.5),
    }
    assert language(10.0, 4, 20) == pytest.approx(wanted)


def test_language_without_a_value_is_none():
    assert set(language(0.0, 0, 0).values()) == {None}
    assert language(2.0, 2, 0) == {
        "bits_per_character": None,
        "nats_per_character": None,
        "perplexity": math.e,
    }
    assert language(1e4, 1, 1)["perplexity"] is None
    with pytest.raises(InputError, match="nats sum to nan; train the model again"):
        language(math.nan, 1, 1)


def test_a_right_translation_has_all_there_is():
    lines = ["The cat sat on the mat.", "It is a good day, is it not?"]
    found = translation(lines, [f" {line}" for line in lines])
    assert found == {
        "bleu": 100,
        "chrf": pytest.approx(100),
        "exact_match": 1,
        "word_error_rate": 0,
    }


def test_word_errors_are_edits_over_wanted_words():
    found = translation(["a b c d", "x"], ["a c d e", ""])
    assert found["word_error_rate"] == 3 / 4 and found["exact_match"] == 0


def test_lines_are_measured_as_sacrebleu_scores_them_all_at_once(monkeypatch):
    monkeypatch.setattr("ostinato.data.disk.ROWS_AT_ONCE", 2)
    given = ["the cat sat on a mat", "", "a dog", "no", "나는 밥을 먹었다 지금", "x y"]
    wanted = [
        "the cat sat on the mat",
        "",
        "a dog ran home at night",
        "",
        "나는 밥을 먹는다 지금",
        "x z",
    ]
    found = translation(given, wanted)
    assert (
        found["bleu"] == BLEU(force=True).corpus_score(given, [wanted]).score
        and found["chrf"] == CHRF().corpus_score(given, [wanted]).score
    )
    assert (
        found["exact_match"] == 1 / 6 and found["word_error_rate"] == (1 + 0 + 4 + 1 + 1 + 1) / 18
    )


def test_korean_is_split_into_syllables():
    found = translation(["나는 빵을 먹었다."], ["나는 밥을 먹었다."])
    assert found["bleu"] == pytest.approx(59.46, abs=0.01)
    assert bleu_tokens(["나는 TV를 봤다."]) == bleu_tokens(["我喜欢猫。"]) == "char"
    assert bleu_tokens(["1 2"]) == bleu_tokens([]) == "13a"
    assert (
        translation(["나는 빵을 먹었다."], ["나는 밥을 먹었다."], tokenize="13a")["bleu"]
        != found["bleu"]
    )


def test_a_translation_without_a_value_is_none():
    assert set(translation([], []).values()) == {None}
    found = translation(["big cat"], ["big cat"])
    assert found == {
        "bleu": None,
        "chrf": pytest.approx(100),
        "exact_match": 1,
        "word_error_rate": 0,
    }
    assert translation(["cat"], [""]) == {
        "bleu": None,
        "chrf": None,
        "exact_match": 0,
        "word_error_rate": None,
    }
    assert translation([""], ["one two three four"]) == {
        "bleu": 0,
        "chrf": 0,
        "exact_match": 0,
        "word_error_rate": 1,
    }
    with pytest.raises(InputError, match="1 predicted lines for 2 references"):
        translation(["a"], ["a", "b"])


# ---------------------------------------------------------------- numbers


def test_mase_is_over_the_naive_error_of_the_past():
    # naive errors of the past: 2, 2, 2; of season 2: 0, 0
    past = [1.0, 3, 1, 3]
    assert forecasting([4.0, 4], [3.0, 7], past) == {"mae": 2, "rmse": math.sqrt(5), "mase": 1}
    assert forecasting([4.0, 4], [3.0, 7], past, season=2)["mase"] is None
    assert forecasting([1.0], [3.0], [0, 0, 1, 2], season=2)["mase"] == 2 / 1.5


def test_each_series_is_measured_on_its_own_scale_and_a_constant_one_left_out():
    past = np.array([[0.0, 0, 5], [1, 100, 5], [2, 200, 5]])
    predicted, wanted = np.zeros((4, 2, 3)), np.tile([1.0, 300, 9], (4, 2, 1))
    assert forecasting(predicted, wanted, past)["mase"] == (1 + 3) / 2


def test_a_long_forecast_is_measured_in_parts(monkeypatch):
    drawn = np.random.default_rng(0).normal(size=(4, 50, 2))
    stored = [StoredArray(np.float64, (2,)) for _ in drawn]
    for array, values in zip(stored, drawn):
        array.extend(values)
    wanted = forecasting(*drawn[:2], drawn[1], low=drawn[2], high=drawn[3])
    monkeypatch.setattr("ostinato.training.metrics.STEPS_AT_ONCE", 7)
    assert forecasting(*stored[:2], drawn[1], low=stored[2], high=stored[3]) == pytest.approx(
        wanted, rel=1e-12
    )


def test_an_interval_is_measured_by_what_it_covers():
    found = forecasting([1.0, 1, 1, 1], [0.0, 1, 2, 3], [1.0, 2], low=[0.0] * 4, high=[2.0] * 4)
    assert found["coverage"] == 0.75 and found["width"] == 2


def test_a_forecast_without_a_value_is_none():
    assert set(forecasting([], [], [1.0, 2], low=[], high=[]).values()) == {None}
    assert forecasting([1.0], [1.0], [5.0, 5, 5]) == {"mae": 0, "rmse": 0, "mase": None}
    assert (
        forecasting([1.0], [1.0], [5.0])["mase"] is None
        and forecasting([1.0], [1.0], [])["mase"] is None
    )


@pytest.mark.parametrize(
    "given, said",
    [
        (
            dict(predicted=[1.0], wanted=[1.0, 2], past=[1.0]),
            r"predicted of shape \(1,\) for wanted of shape \(2,\)",
        ),
        (dict(predicted=[math.nan], wanted=[1.0], past=[1.0]), "predicted has nan or infinity"),
        (dict(predicted=[1.0], wanted=[1.0], past=[math.inf]), "past has nan or infinity"),
        (
            dict(predicted=[1.0], wanted=[1.0], past=[[1.0, 2]]),
            r"past of shape \(1, 2\) for wanted of shape \(1,\)",
        ),
        (
            dict(predicted=[1.0], wanted=[1.0], past=[1.0], season=0),
            "season=0: write a positive integer",
        ),
        (dict(predicted=[1.0], wanted=[1.0], past=[1.0], low=[1.0]), "one end of an interval"),
    ],
)
def test_forecasting_refuses_what_does_not_fit(given, said):
    with pytest.raises(InputError, match=said):
        forecasting(**given)
