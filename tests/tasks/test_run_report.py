"""The report of a run and its main picture, from training or from data."""

import re

import numpy as np
import pytest

from ostinato.errors import InputError
from ostinato.tasks import Classifier, Forecaster, Generator, load

TEXTS = (["좋은 영화"] * 9 + ["나쁘다"] * 9, ["긍정"] * 9 + ["부정"] * 9)
CLASSIFIER = dict(hidden=4, embedding=4, steps=12, spelling=False)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    out = tmp_path_factory.mktemp("plot") / "model"
    return Classifier(**CLASSIFIER, language="ko").fit(TEXTS, out=out, threads=1), out


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def test_the_report_of_a_run_has_both_losses_on_one_measure_and_the_reliability(classifier):
    model, out = classifier
    page = (out / "report.html").read_text(encoding="utf-8")
    # a model that has learned nothing yet has losses near each other
    for line in model.result.history:
        assert 0.3 < line["held_out_loss"] / line["training_loss"] < 3
    assert model._content.intervals["accuracy"] is not None
    assert len(model._content.calibration[0]) == model.result.held_out_rows
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert {"지표", "학습 곡선", "혼동 행렬", "레이블별 성능", "보정", "데이터"} <= {*headings}
    assert not re.search("[A-Za-z]", "".join(headings))
    assert '<html lang="ko">' in page


def test_a_classifier_draws_its_confusion_matrix_and_a_loaded_one_its_curves(classifier):
    model, out = classifier
    assert titles(model.plot()) == titles(model.plot(*TEXTS)) == ["혼동 행렬"]
    figure = load(out).plot()
    assert titles(figure)[:2] == ["손실", "정확도"]
    lines = figure.axes[0].get_lines()
    assert lines[0].get_ydata() == pytest.approx(
        [line["training_loss"] for line in model.result.history]
    )
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_forecaster_draws_its_forecasts_over_dates(tmp_path):
    months = [f"{2000 + k // 12}-{k % 12 + 1:02}-01" for k in range(72)]
    data = {"day": months, "rain": (10 + np.sin(np.arange(72.0) * np.pi / 6)).tolist()}
    model = Forecaster(hidden=4, steps=6).fit(data, out=tmp_path / "model", threads=1)
    figure = model.plot()
    ahead, one_step = figure.axes[:2]
    assert ahead.get_title() == "rain, the next 12 steps" and "one step" in one_step.get_title()
    past = ahead.get_lines()[0].get_xdata()
    assert past[-1] == np.datetime64("2005-12-01")
    assert [text.get_text() for text in ahead.get_legend().get_texts()] == [
        "95 % interval",
        "80 % interval",
        "past",
        "forecast",
    ]
    page = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    assert "2005-12-01: " in page and "80 % interval" in page and "residuals" in page


def test_a_language_model_draws_its_curves_and_a_model_without_any_says_so():
    model = Generator(hidden=4, embedding=4, batch=2, sequence_length=8, steps=12).fit(
        ["abc " * 100]
    )
    assert titles(model.plot()) == ["bits per character"]
    with pytest.raises(InputError, match="no model yet"):
        Classifier().plot()
