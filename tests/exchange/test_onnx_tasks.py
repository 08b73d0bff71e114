"""Trained tasks as ONNX files: the answers of ONNX Runtime are those of the task."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from ostinato.errors import EngineError, InputError
from ostinato.exchange import onnx
from ostinato.exchange.onnx.proof import padded_numbers
from places import ROOT

onnxruntime = pytest.importorskip("onnxruntime")
sys.path.insert(0, str(ROOT / "examples"))
import run_onnx  # noqa: E402

sys.path.pop(0)

from ostinato.tasks import (  # noqa: E402
    Captioner,
    Classifier,
    Forecaster,
    FrameTagger,
    Generator,
    Tagger,
    Transcriber,
    Translator,
)

# A process in which neither ostinato nor torch can be imported.
ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ostinato", "torch"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, {examples!r})
import json, run_onnx
answers = [run_onnx.main(path, rows) for path, rows in json.load(sys.stdin)]
assert not {{"ostinato", "torch"}} & sys.modules.keys()
print(json.dumps(answers))
"""


# Kernels are not compiled for models of a few steps.
QUICK = {"engine": "reference"}


def waves(count: int, seed: int, units: int = 2) -> tuple[list[np.ndarray], list[str]]:
    """Sequences of three kinds, and their labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    rows = [
        np.sin(np.arange(random.integers(6, 20))[:, None] * (0.3 + 0.5 * label))
        * np.arange(1, units + 1)
        + 0.2 * random.normal(size=units)
        for label in labels
    ]
    return rows, [f"kind {label}" for label in labels]


def sentences(count: int, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences of words with tags that mark spans."""
    random = np.random.default_rng(seed)
    parts = [
        (["the", "dog"], ["O", "B-A"]),
        (["New", "York"], ["B-L", "I-L"]),
        (["barks", "at"], ["O", "O"]),
        (["Seoul"], ["B-L"]),
        (["서울", "에서"], ["B-L", "O"]),
        (["cats"], ["B-A"]),
    ]
    rows, tags = [], []
    for _ in range(count):
        chosen = [parts[k] for k in random.integers(0, len(parts), random.integers(1, 5))]
        rows.append([word for words, _ in chosen for word in words])
        tags.append([tag for _, tags_of in chosen for tag in tags_of])
    return rows, tags


def texts(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts and whether they praise."""
    random = np.random.default_rng(seed)
    good, bad = ["good", "Great!", "fine film", "좋다"], ["bad", "boring,", "poor plot", "나쁘다"]
    labels = random.integers(0, 2, count)
    rows = [
        " ".join(
            [str(random.choice(good if label else bad)), *random.choice(["a", "x1", "the"], 3)]
        )
        for label in labels
    ]
    return rows, ["+" if label else "-" for label in labels]


def written(task, tmp_path, **options) -> str:
    (file,) = onnx.write(task, tmp_path / "model.onnx", **options)
    return str(file)


# ---------------------------------------------------------------- answers


@pytest.fixture(scope="module")
def classifier():
    return Classifier(hidden=4, **QUICK, steps=3).fit(*waves(24, 0))


def test_a_classifier_of_numbers_gives_its_answers(classifier, tmp_path):
    rows, _ = waves(30, 1)
    path = written(classifier, tmp_path)
    assert 0 < float(classifier.model.linear.weight) < 1
    assert run_onnx.main(path, rows) == classifier.predict(rows).tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "layers": 2, "bidirectional": True, "ensemble": 2},
        {"cell": "min_gru", "standardise": True},
        {"cell": "janet", "bidirectional": False},
        {"cell": "gru", "engine": "torch", "layers": 2},
    ],
    ids=str,
)
def test_a_classifier_of_any_options_is_written(options, tmp_path):
    task = Classifier(**(QUICK | options), hidden=4, steps=2, linear=False).fit(*waves(12, 0))
    rows, _ = waves(10, 1)
    assert run_onnx.main(written(task, tmp_path), rows) == task.predict(rows).tolist()


def test_bytes_are_divided_in_the_file(tmp_path):
    rows, labels = waves(12, 0)
    rows = [(100 + 40 * row).astype(np.uint8) for row in rows]
    task = Classifier(hidden=4, **QUICK, steps=2, linear=False).fit(rows, labels)
    assert run_onnx.main(written(task, tmp_path), rows) == task.predict(rows).tolist()


@pytest.mark.parametrize(
    "options",
    [{}, {"spelling": False}, {"ensemble": 2, "characters": "jamo", "cell": "gru"}],
    ids=str,
)
def test_a_classifier_of_texts_gives_its_answers(options, tmp_path):
    task = Classifier(hidden=4, **QUICK, embedding=4, steps=2, **options).fit(*texts(24, 0))
    rows = [*texts(30, 1)[0], "", "unseen words, 새 낱말²"]
    # both models count
    task.model.linear.weight.fill_(0.4)
    path = written(task, tmp_path)
    assert run_onnx.main(path, rows) == task.predict(rows).tolist()


@pytest.mark.parametrize("network_only", [False, True])
@pytest.mark.parametrize("ensemble", [1, 2])
def test_a_classifier_of_several_labels_gives_its_answers(ensemble, network_only, tmp_path):
    rows, labels = waves(24, 0)
    sets = [[label, "all"] if label != labels[0] else [] for label in labels]
    small = {"hidden": 4, "steps": 3, "ensemble": ensemble, "threshold": 0.45, "multi_label": True}
    task = Classifier(**QUICK | small).fit(rows, sets)
    assert task.model.linear.weight > 0
    path = written(task, tmp_path, network_only=network_only)
    if network_only:
        task.model.linear.weight.zero_()
    session, names = onnxruntime.InferenceSession(path), task.metadata.labels
    others, _ = waves(10, 1)
    feeds = {"x": padded_numbers(others, 2), "lengths": np.array([len(row) for row in others])}
    labels, probabilities = session.run(["labels", "probabilities"], feeds)
    np.testing.assert_allclose(probabilities, task.predict_proba(others), atol=1e-5)
    found = [{name for name, yes in zip(names, row) if yes} for row in labels]
    assert found == [set(one) for one in task.predict(others)]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["multi_label"]) and json.loads(metadata["threshold"]) == 0.45


def test_byte_pairs_are_written(tmp_path):
    task = Classifier(
        hidden=4,
        **QUICK,
        embedding=4,
        steps=2,
        tokens="byte-pair",
        vocabulary_size=280,
        linear=False,
    ).fit(*texts(24, 0))
    session = onnxruntime.InferenceSession(written(task, tmp_path))
    metadata = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(metadata["tokens"])) == len(task.vocabulary)
    assert json.loads(metadata["merges"])


@pytest.mark.parametrize("transitions", [True, False])
def test_a_tagger_gives_its_answers(transitions, tmp_path):
    task = Tagger(hidden=4, **QUICK, embedding=4, steps=2, transitions=transitions).fit(
        *sentences(16, 0)
    )
    rows = [*sentences(20, 1)[0], [], ["Unseen", "낱말"]]
    assert (task.model.crf is not None) == transitions
    assert run_onnx.main(written(task, tmp_path), rows) == task.predict(rows)


def test_a_tagger_of_frames_gives_its_answers(tmp_path):
    clips, _ = waves(16, 0)
    labels = [["high" if frame[0] > 0 else "low" for frame in clip] for clip in clips]
    task = FrameTagger(hidden=4, **QUICK, steps=2).fit((clips, labels))
    rows, _ = waves(10, 1)
    assert run_onnx.main(written(task, tmp_path), rows) == task.predict(rows)


@pytest.fixture(scope="module")
def generator():
    text = "one two three four five six seven.\n" * 20
    return Generator(hidden=8, **QUICK, batch=4, sequence_length=16, steps=20, layers=2).fit([text])


def most_probable(task, prompt: str, length: int = 20) -> str:
    """The continuation of a prompt by the most probable token of each step."""
    return "".join(task.stream(prompt, length=length, temperature=0.001, seed=0))


def test_a_language_model_writes_its_text(generator, tmp_path):
    rows = ["one ", "two t", "s"]
    found = run_onnx.main(written(generator, tmp_path), rows)
    assert found == [most_probable(generator, row) for row in rows]


SERIES = 10 + np.sin(np.arange(80) * 2 * np.pi / 6) + 0.2 * np.random.default_rng(0).normal(size=80)


def continued(task, ends: list[np.ndarray]) -> tuple[list, np.ndarray]:
    """The inputs of the script for series that continue the training series, and the forecasts."""
    past = np.array(task.metadata.series[0].past.values)
    rows = [{"values": np.concatenate([past, end.reshape(len(end), -1)])} for end in ends]
    return rows, np.array([task.predict(end, steps=1) for end in ends])


@pytest.mark.parametrize(
    "options", [{}, {"season": 6, "power": 0.5}, {"power": 0.0, "lags": 0}], ids=str
)
def test_a_forecaster_gives_its_answers(options, tmp_path):
    task = Forecaster(hidden=4, **QUICK, steps=4, horizon=3, **options).fit(SERIES[:60])
    rows, wanted = continued(task, [SERIES[60 : 60 + n] for n in (1, 2, 9, 17)])
    found = run_onnx.main(written(task, tmp_path), rows)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_forecaster_of_several_series_and_columns_gives_its_answers(tmp_path):
    random = np.random.default_rng(0)
    days = np.datetime64("2024-01-01") + np.arange(50)
    data = {
        "unique_id": ["a"] * 50 + ["b"] * 50,
        "ds": [*days.astype(str), *days.astype(str)],
        "y": (20 + np.sin(np.arange(100)) + random.normal(size=100)).tolist(),
        "z": random.normal(size=100).cumsum().tolist(),
        "holiday": (np.arange(100) % 7 == 0).astype(float).tolist(),
    }
    task = Forecaster(
        hidden=4,
        **QUICK,
        steps=2,
        horizon=2,
        id="unique_id",
        columns="y,z",
        known="holiday",
        season=7,
    ).fit(data)
    assert task.metadata.calendar and len(task.metadata.series) == 2
    session = onnxruntime.InferenceSession(written(task, tmp_path))
    assert [one.name for one in session.get_inputs()] == ["values", "calendar", "known", "series"]


def test_the_writer_of_sentences_has_two_files(tmp_path):
    pairs = ["1", "2", "1 2", "2 1"] * 8, ["one", "two", "one two", "two one"] * 8
    options = QUICK | {"hidden": 4, "embedding": 4, "steps": 2}
    task = Translator(tokens="word", attention="bahdanau", layers=2, **options).fit(pairs)
    files = onnx.write(task, tmp_path / "model.onnx")
    assert [file.name for file in files] == ["model.encoder.onnx", "model.decoder.onnx"]
    clips = [[[0.0], [1.0], [1.0]], [[1.0], [0.0], [0.0]]] * 8
    task = Transcriber(cell="gru", tokens="word", **options).fit((clips, ["a b", "b a"] * 8))
    assert len(onnx.write(task, tmp_path / "clips")) == 2
    (tmp_path / "other.decoder.onnx").mkdir()
    with pytest.raises(InputError, match="cannot write .*other.decoder.onnx"):
        onnx.write(task, tmp_path / "other")
    assert not (tmp_path / "other.encoder.onnx").exists()
    assert (tmp_path / "clips.decoder.onnx").exists()


def test_a_captioner_is_written(tmp_path):
    pictures = [*np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)]
    task = Captioner(hidden=4, **QUICK, embedding=4, steps=1, batch=4).fit(
        (pictures, ["a b", "c"] * 4)
    )
    assert len(onnx.write(task, tmp_path / "model.onnx")) == 2


# ---------------------------------------------------------------- options and errors


def test_the_network_is_written_alone(classifier, tmp_path):
    session = onnxruntime.InferenceSession(written(classifier, tmp_path, network_only=True))
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["network_only"] == "true" and metadata["linear_model_weight"] == "0.0"
    task = Forecaster(hidden=4, **QUICK, steps=2).fit(SERIES)
    session = onnxruntime.InferenceSession(written(task, tmp_path, network_only=True))
    assert [one.name for one in session.get_outputs()] == ["forecast"]


def test_the_metadata_has_the_labels_and_options(classifier, tmp_path):
    session = onnxruntime.InferenceSession(written(classifier, tmp_path))
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["task"] == "classify"
    assert json.loads(metadata["labels"]) == classifier.metadata.labels
    assert json.loads(metadata["options"])["hidden"] == 4


def test_nothing_is_written_where_the_answers_differ(classifier, tmp_path, monkeypatch):
    from ostinato.exchange.onnx import classify as onnx_classify

    monkeypatch.setattr(onnx_classify, "scaled", lambda out, x, metadata: x)
    with pytest.raises(EngineError, match="'probabilities' differs .* nothing has been written"):
        onnx.write(classifier, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_bad_arguments_are_refused(classifier, generator, tmp_path):
    with pytest.raises(InputError, match="Classifier: the task has no model yet"):
        onnx.write(Classifier(), tmp_path / "model.onnx")
    with pytest.raises(InputError, match="lengths and states are for a layer"):
        onnx.write(classifier, tmp_path / "model.onnx", states=False)
    with pytest.raises(InputError, match="network_only is for models that combine"):
        onnx.write(generator, tmp_path / "model.onnx", network_only=True)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- without ostinato


def test_the_scripts_of_the_page_agree(tmp_path, monkeypatch):
    page = (ROOT / "docs/exchange.md").read_text(encoding="utf-8")
    found = [s for s in re.findall(r"```python\n(.*?)```", page, re.S) if "waves.onnx" in s]
    train, script = found
    monkeypatch.chdir(tmp_path)
    exec(compile(train, "train.py", "exec"), {})
    (tmp_path / "run.py").write_text(
        "import sys\nsys.modules['ostinato'] = sys.modules['torch'] = None\n" + script
    )
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['slow', 'fast'] (2, 2)\n"
    assert done.stdout in page
    assert len(script.splitlines()) <= 30


@pytest.mark.slow
def test_five_tasks_give_their_answers_on_100_rows_without_ostinato(tmp_path):
    numbers = Classifier(hidden=8, epochs=10).fit(*waves(60, 0))
    praise = Classifier(hidden=8, embedding=8, epochs=5).fit(*texts(60, 0))
    tagger = Tagger(hidden=8, embedding=8, epochs=5).fit(*sentences(60, 0))
    words = np.random.default_rng(0).choice(["one", "two", "three", "four"], 400)
    generator = Generator(hidden=16, batch=4, sequence_length=16, steps=60).fit([" ".join(words)])
    random = np.random.default_rng(1)
    series = 10 + np.sin(np.arange(260) / 2) + 0.3 * random.normal(size=260)
    forecaster = Forecaster(hidden=8, steps=30).fit(series[:150])
    rows = {
        "numbers": (numbers, waves(100, 1)[0]),
        "praise": (praise, texts(100, 1)[0]),
        "tagger": (tagger, sentences(100, 1)[0]),
        "generator": (generator, [" ".join(words[k : k + 2]) for k in range(100)]),
    }
    wanted = [task.predict(given) for task, given in list(rows.values())[:3]]
    wanted.append([most_probable(generator, prompt) for prompt in rows["generator"][1]])
    rows["forecaster"], forecasts = continued(
        forecaster, [series[150 : 151 + k] for k in range(100)]
    )
    rows["forecaster"] = forecaster, rows["forecaster"]
    given = []
    for name, (task, inputs) in rows.items():
        (file,) = onnx.write(task, tmp_path / f"{name}.onnx")
        given.append((str(file), inputs))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE.format(examples=str(ROOT / "examples"))],
        input=json.dumps(given, default=lambda array: array.tolist()),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *answers, predicted = json.loads(done.stdout)
    assert answers == [np.asarray(one, object).tolist() for one in wanted]
    np.testing.assert_allclose(predicted, forecasts, rtol=1e-5, atol=1e-5)
