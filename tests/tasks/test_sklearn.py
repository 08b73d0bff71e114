"""The tasks as estimators of scikit-learn, and data in memory: arrays, lists, and frames of pandas
and polars.
"""

import io
import pickle

import numpy as np
import pandas
import polars
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import ostinato
from ostinato.errors import InputError
from ostinato.tasks import Classifier, Forecaster, FrameTagger, Tagger, Translator, load

TINY = {"hidden": 4, "steps": 6, "patience": 0, "batch": 256, "learning_rate": 0.05}
TINY |= {"linear": False, "standardise": False}
# The checks that a classifier of sequences cannot pass, each with its reason.
EXPECTED = {
    "check_n_features_in_after_fitting": "a row is a sequence, and sequences of other lengths than "
    "those of the training data are valid inputs",
    "check_classifiers_train": "its last part requires an error for rows of another length; "
    "test_two_clusters_are_separated has its other parts",
}
RANDOM = np.random.default_rng(3)
Y = np.arange(40) % 2
# Rising and falling sequences of 6 steps.
X = np.linspace(-1, 1, 6) * np.where(Y, 1, -1)[:, None] + RANDOM.normal(0, 0.1, (40, 6))


@pytest.fixture(scope="module")
def trained():
    return Classifier(**TINY).fit(X, Y, threads=1)


# ---------------------------------------------------------------- estimators


@pytest.mark.filterwarnings("ignore:Estimator Classifier does not inherit:UserWarning")
@pytest.mark.parametrize("legacy", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_checks_of_scikit_learn_pass(legacy):
    results = check_estimator(
        Classifier(**TINY | ({} if legacy else {"steps": 2})),
        legacy=legacy,
        on_skip=None,
        on_fail=None,
        expected_failed_checks=EXPECTED,
    )
    assert len(results) > (30 if legacy else 10)
    failed = [(one["check_name"], one["exception"]) for one in results if one["status"] == "failed"]
    assert not failed
    # a check that passes leaves the list
    passed = {one["check_name"] for one in results if one["status"] == "passed"}
    assert not passed & EXPECTED.keys()


def test_two_clusters_are_separated(trained):
    assert trained.score(X, Y) > 0.83 and (trained.predict(X) == Y).mean() > 0.83
    probabilities = trained.predict_proba(X)
    assert probabilities.shape == (40, 2) and np.allclose(probabilities.sum(1), 1)
    assert (trained.classes_[probabilities.argmax(1)] == trained.predict(X)).all()
    assert is_classifier(trained) and trained.n_features_in_ == 6


def test_parameters_are_those_of_the_options_and_are_checked_by_fit():
    import inspect

    assert inspect.signature(Classifier).parameters["hidden"].default == 128
    task = Classifier(hidden=0)
    assert task.hidden == 0 and clone(task).get_params() == task.get_params()
    with pytest.raises(InputError, match="--hidden 0: write a whole number from 1"):
        task.fit(X, Y)
    task.hidden = 5
    assert task.get_params()["hidden"] == task.options.hidden == 5
    with pytest.raises(InputError, match=r"hiden=...\): unknown option: did you mean 'hidden'"):
        Classifier(hiden=3)
    with pytest.raises(NotFittedError, match="no model yet; call fit first"):
        task.predict(X)


def test_parameters_stay_as_given_and_another_fit_chooses_again():
    texts, labels = ["good day", "bad day"] * 10, ["+", "-"] * 10
    task = Classifier(**TINY, embedding=4).fit(texts, labels, threads=1)
    assert task.tokens is None and task.options.tokens == "word"
    assert task.fit(X, Y, threads=1).options.tokens is None and task.vocabulary is None


def test_the_tools_of_scikit_learn_take_a_task():
    longer = Classifier(**TINY | {"hidden": 8, "steps": 20}, dropout=0.0)
    scores = cross_val_score(make_pipeline(StandardScaler(), longer), X, Y, cv=2)
    assert scores.shape == (2,) and scores.min() > 0.7
    short = Classifier(**TINY | {"steps": 2})
    search = GridSearchCV(short, {"hidden": [2, 4]}, cv=2).fit(X, Y)
    assert search.best_params_["hidden"] in (2, 4) and search.predict(X).shape == (40,)


@pytest.mark.slow
def test_a_search_in_several_processes_takes_a_task():
    search = GridSearchCV(Classifier(**TINY), {"hidden": [2, 4]}, cv=2, n_jobs=2).fit(X, Y)
    assert search.best_params_["hidden"] in (2, 4) and len(search.predict(X)) == 40


@pytest.mark.parametrize("linear", [False, True])
def test_a_task_is_copied_with_its_models(trained, tmp_path, linear):
    import joblib

    if linear:
        options = TINY | {"linear": True, "standardise": None}
        trained = Classifier(**options).fit(X, Y, threads=1)
    again = pickle.loads(pickle.dumps(trained))
    assert (again.predict_proba(X) == trained.predict_proba(X)).all()
    assert again.get_params() == trained.get_params() and again.n_features_in_ == 6
    assert again.classes_.dtype == trained.classes_.dtype
    stored = io.BytesIO()
    joblib.dump(clone(trained), stored)
    stored.seek(0)
    assert joblib.load(stored).model is None
    trained.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert (loaded.predict(X) == trained.predict(X)).all()
    assert loaded.get_params() == trained.get_params() and loaded.n_features_in_ == 6


@pytest.mark.parametrize("name", ["Classifier", "Forecaster", "Tagger", "load"])
def test_the_tasks_are_at_the_top_of_the_package(name):
    from ostinato import tasks

    assert getattr(ostinato, name) is getattr(tasks, name) and name in dir(ostinato)


# ---------------------------------------------------------------- data in memory


@pytest.mark.parametrize(
    "labels",
    [
        Y,
        Y.astype(bool),
        Y.astype(float),
        np.where(Y, 2, 10),
        np.where(Y, "up", "down"),
        np.where(Y, "위", "아래").astype(object),
        Y.tolist(),
        pandas.Series(np.where(Y, "up", "down"), dtype="category"),
        polars.Series(np.where(Y, "up", "down")),
        pandas.DataFrame({"label": Y}),
    ],
    ids=["int", "bool", "float", "order", "text", "object", "list", "pandas", "polars", "frame"],
)
def test_predictions_have_the_kind_of_the_labels(labels):
    task = Classifier(**TINY).fit(X, labels, threads=1)
    flat = np.asarray(labels).reshape(-1)
    assert task.classes_.tolist() == sorted(set(flat.tolist()))
    found = task.predict(X)
    assert found.shape == (40,) and (found == flat).mean() > 0.83
    assert found.dtype.kind == {"O": "U", "T": "U"}.get(flat.dtype.kind, flat.dtype.kind)


def frames(data, columns):
    return pandas.DataFrame(data, columns=columns), polars.DataFrame(data, schema=columns)


@pytest.mark.parametrize("kind", [0, 1], ids=["pandas", "polars"])
def test_a_row_of_a_frame_of_numbers_is_a_sequence(kind, tmp_path):
    names = [f"t{k}" for k in range(6)]
    frame = frames(X, names)[kind]
    task = Classifier(**TINY).fit(frame, Y, threads=1)
    wanted = Classifier(**TINY).fit(X, Y, threads=1).predict_proba(X)
    assert (task.predict_proba(frame) == wanted).all()
    assert task.feature_names_in_.tolist() == names
    # a saved model knows them too
    task.save(tmp_path / "m")
    for one in (task, load(tmp_path / "m")):
        assert one.n_features_in_ == 6 and one.feature_names_in_.tolist() == names
        assert (one.predict_proba(frame[names[::-1]]) == wanted).all()
        with pytest.raises(InputError, match="no column 't0', which the model was trained on"):
            one.predict(frame[names[1:]])


@pytest.mark.parametrize("kind", [0, 1], ids=["pandas", "polars"])
def test_a_frame_with_labels_is_read_as_a_table(kind, tmp_path):
    data = {"문장": ["it is good now", "it is bad now"] * 12, "label": ["+", "-"] * 12}
    frame = (pandas.DataFrame(data), polars.DataFrame(data))[kind]
    task = Classifier(**TINY, embedding=4).fit(frame, threads=1)
    polars.DataFrame(data).write_csv(tmp_path / "data.csv")
    same = Classifier(**TINY, embedding=4).fit(tmp_path / "data.csv", threads=1)
    assert task.metadata == same.metadata and task.summary.rows == same.summary.rows == 24
    assert (task.predict(frame) == same.predict(tmp_path / "data.csv")).all()
    assert task.evaluate(frame) == same.evaluate(tmp_path / "data.csv")


def test_a_column_of_texts_is_a_list_of_texts():
    texts, labels = ["it is good", "it is bad"] * 12, ["+", "-"] * 12
    task = Classifier(**TINY, embedding=4).fit(pandas.Series(texts), labels, threads=1)
    wanted = task.predict(texts).tolist()
    for given in (
        pandas.Series(texts),
        polars.Series(texts),
        pandas.DataFrame({"a": texts}),
        polars.DataFrame({"a": texts}),
        np.array(texts),
        np.array(texts, object),
    ):
        assert task.predict(given).tolist() == wanted
    with pytest.raises(InputError, match="columns a, b, and 'a' has text; give one column"):
        task.predict(pandas.DataFrame({"a": texts, "b": 1}))


def test_an_array_of_arrays_has_sequences_of_several_lengths(trained):
    rows = np.empty(3, object)
    rows[:] = [X[0], X[1][:3], X[2][:5]]
    assert trained.predict(rows).tolist() == trained.predict([*rows]).tolist()
    assert trained.predict(X[:, :, None]).tolist() == trained.predict(X).tolist()
    assert trained.predict(X[:, :4]).shape == (40,)


@pytest.mark.parametrize("kind", ["array", "pandas", "polars", "index"])
def test_a_forecaster_takes_a_series_in_any_form(kind):
    values = 10 + np.sin(np.arange(60) * 2 * np.pi / 12)
    days = pandas.date_range("2024-01-01", periods=60, freq="D")
    given = {
        "array": values,
        "pandas": pandas.DataFrame({"day": days, "value": values}),
        "polars": polars.DataFrame({"day": [day.date() for day in days], "value": values}),
        "index": pandas.DataFrame({"value": values}, index=days),
    }[kind]
    task = Forecaster(hidden=4, steps=5, season=12, power=1.0).fit(given, threads=1)
    assert task.predict(steps=4).shape == (4,) and task.predict(given).shape == (12,)
    if kind != "array":
        assert task.predict_dicts(steps=1)[0]["time"].startswith("2024-03-01")
    with pytest.raises(InputError, match="learns from X alone; leave y out"):
        task.fit(given, values)
    assert task.score(given) < 0


def test_rows_of_tags_labels_and_sentences_are_lists():
    tagger = Tagger(hidden=4, embedding=4, steps=4).fit(
        [["a", "dog"], ["the", "cat"]] * 6, [["D", "N"]] * 12, threads=1
    )
    assert [len(row) for row in tagger.predict(["a cat", "dog"])] == [2, 1]
    clips, labels = [[[0.0], [1.0]], [[1.0], [0.0]]] * 6, [["off", "on"], ["on", "off"]] * 6
    frames = FrameTagger(hidden=4, layers=1, steps=4).fit(clips, labels, threads=1)
    assert {type(label) for row in frames.predict(clips) for label in row} == {str}
    pairs = polars.DataFrame({"en": ["one", "two"] * 8, "ko": ["하나", "둘"] * 8})
    translator = Translator(hidden=4, embedding=4, tokens="word", steps=4).fit(pairs, threads=1)
    assert [type(text) for text in translator.predict(["one", "two"])] == [str, str]
    # an option of decoding applies at once, others at the next fit
    translator.set_params(beams=1, hidden=8)
    assert (translator.options.beams, translator.options.hidden) == (1, 4)


def test_a_column_of_labels_is_flattened_with_a_warning():
    with pytest.warns(DataConversionWarning, match="give y.ravel"):
        Classifier(**TINY).fit(X, Y[:, None], threads=1)


@pytest.mark.parametrize(
    "x, y, message",
    [
        (X, None, "requires y to be passed, but the target y is None"),
        (X, Y + 0.5, "Unknown label type: the label 0.5 is a continuous number"),
        (X, np.stack([Y, Y], 1), r"an array of shape \(40, 2\); give one label for each row"),
        (
            X,
            pandas.DataFrame({"a": Y, "b": Y}),
            "labels are a data frame with the columns a, b; give one label for each row",
        ),
        (X, [["a", "b"]] * 40, "labels are lists of labels; give one label for each row"),
        (X + 1j, Y, "Complex data not supported: give real numbers"),
        (X[:, :0], Y, r"0 feature\(s\) \(shape=\(40, 0\)\) while a minimum of 1 is required"),
        (X[:, 0], Y, r"x.reshape\(1, -1\) is one sequence"),
        (X, Y[:3], "40 rows and 3 labels; give a label for each row"),
        (X, np.where(Y, np.nan, 1), "an empty label; write a label"),
    ],
)
def test_wrong_data_in_memory_is_one_error(x, y, message):
    with pytest.raises(InputError, match=message):
        Classifier(**TINY).fit(x, y)


def test_a_sparse_matrix_is_one_error(trained):
    from scipy import sparse

    with pytest.raises(InputError, match="sparse matrix, csr_array; give an array, x.toarray"):
        trained.predict(sparse.csr_array(X))
