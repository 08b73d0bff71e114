"""The report of a run and its main picture, from training or from data."""

import re
from string import printable as ASCII

import numpy as np
import pytest

from ostinato.errors import InputError
from ostinato.tasks import Classifier, Forecaster, Generator, load
from ostinato.training import plots
from ostinato.training.figures import fonts

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
    korean = not fonts("혼동 행렬 손실 정확도")[1]
    matrix, curves = (
        (["혼동 행렬"], ["손실", "정확도"])
        if korean
        else (["Confusion matrix"], ["loss", "accuracy"])
    )
    assert titles(model.plot()) == titles(model.plot(*TEXTS)) == matrix
    figure = load(out).plot()
    assert titles(figure)[:2] == curves
    lines = figure.axes[0].get_lines()
    assert lines[0].get_ydata() == pytest.approx(
        [line["training_loss"] for line in model.result.history]
    )
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_figure_is_in_english_where_no_font_has_its_letters(classifier, monkeypatch):
    _, out = classifier
    monkeypatch.setattr(plots, "fonts", lambda text: (["DejaVu Sans"], set(text) - {*ASCII}))
    figure = load(out).plot()
    assert titles(figure)[:2] == ["loss", "accuracy"]
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


def test_the_report_of_a_forecast_has_its_errors_by_step_and_how_the_data_was_read(tmp_path):
    file, days = tmp_path / "판매.csv", np.arange("2001-01-01", "2001-05-01", dtype="M8[D]")
    lines = [f"{day},{k % 7 + k % 3}" for k, day in enumerate(days)]
    file.write_text("\n".join(["날짜,판매량", *lines]), encoding="utf-8")
    task = Forecaster(hidden=4, steps=4, season=7, horizon=8, language="ko")
    model = task.fit(file, out=tmp_path / "model", threads=1)
    (rows,), found = model._content.details.values(), model.result.metrics
    assert [row["step ahead"] for row in rows] == [1, 2, 4, 8]
    for row in rows:
        step, *errors = row.values()
        names = (f"step_{step}_{naive}mase" for naive in ("", "naive_", "seasonal_naive_"))
        assert errors == [found[name] for name in names]
    assert {"mase", "mae", "coverage_80", "horizon_mase"} <= model._content.metrics.keys()
    assert not re.search("naive|step_", " ".join(model._content.metrics))
    page = (tmp_path / "model" / "report.html").read_text(encoding="utf-8")
    assert "예측: 판매.csv" in page and "2001-01-01 ~ 2001-04-30, 간격 하루" in page
    assert "120스텝; 첫 줄은 열 이름" in page and "the first line" not in page
    assert not re.search("naive|step ", page)


def test_a_language_model_draws_its_curves_and_a_model_without_any_says_so():
    model = Generator(hidden=4, embedding=4, batch=2, sequence_length=8, steps=12).fit(
        ["abc " * 100]
    )
    assert titles(model.plot()) == ["bits per character"]
    with pytest.raises(InputError, match="no model yet"):
        Classifier().plot()
