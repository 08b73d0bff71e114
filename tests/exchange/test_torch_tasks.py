"""Trained tasks as plain torch: a written file predicts what its task predicts."""

import importlib.util
import json
import random
import sys

import numpy as np
import pytest
import torch

from ostinato.errors import EngineError, InputError
from ostinato.exchange import torch as exchange
from ostinato.exchange.torch import proof as torch_proof
from ostinato.exchange.torch import tasks as torch_tasks
from ostinato.exchange.torch import text_code as torch_text_code
from ostinato.exchange.torch.tasks import grapheme_table
from ostinato.tasks import Classifier, Forecaster, FrameTagger, Generator, Tagger, Translator
from ostinato.tasks.ngrams import NGrams
from written_style import check_style

QUICK = {"hidden": 8, "steps": 4, "patience": 0, "engine": "reference"}
WORDS = ["good film é", "bad film!", "fine CAST 한글", "poor cast, it's"] * 8
MOODS = ["+", "-", "+", "-"] * 8
SENTENCES = [["the", "dog"], ["a", "cat"], ["Dogs", "bark", "é"]] * 8
ODD = [
    "good bad",
    "",
    "ünknown Wörds 漢字 👨‍👩‍👧 x",
    "it's  a\tTEST, no?",
    "हिन्दी क्ष <pad>",
    "a" * 50,
]


def numbers_of(random_, rows=24):
    return [random_.normal(k % 2, 1, (int(random_.integers(1, 9)), 2)) for k in range(rows)]


def classifier_of_numbers(**options):
    rows = numbers_of(np.random.default_rng(0))
    return Classifier(**QUICK | options).fit(rows, [10 * (k % 2) + 2 for k in range(len(rows))])


def classifier_of_pixels():
    rows = [np.full((4, 3), 200 * (k % 2), np.uint8) for k in range(16)]
    return Classifier(**QUICK).fit(rows, [bool(k % 2) for k in range(16)])


def classifier_of_texts(**options):
    task = Classifier(**QUICK | {"embedding": 8} | options).fit(WORDS, MOODS)
    if task.model.linear is not None:
        # both models count
        task.model.linear.weight.fill_(0.4)
    return task


def tagger(tags, **options):
    return Tagger(**QUICK | {"embedding": 8} | options).fit(SENTENCES, tags * 8)


def frame_tagger():
    clips = [[[0.0], [0.0], [1.0], [1.0]], [[1.0], [1.0], [0.0], [0.0]]] * 8
    labels = [["off", "off", "on", "on"], ["on", "on", "off", "off"]] * 8
    return FrameTagger(**QUICK).fit((clips, labels))


def generator(**options):
    options = {"hidden": 8, "batch": 4, "sequence_length": 16, "steps": 10} | options
    return Generator(**options).fit(["가나다 abc\n" * 60])


def forecaster(columns=1, **options):
    steps = np.arange(60)[:, None] + np.arange(columns)
    values = 10 + np.sin(steps * 2 * np.pi / 8) + 0.01 * steps
    return Forecaster(**QUICK | {"horizon": 4} | options).fit(
        values if columns > 1 else values[:, 0]
    )


TASKS = {
    "numbers": classifier_of_numbers,
    "numbers, standardised": lambda: classifier_of_numbers(standardise=True, cell="gru"),
    "numbers, without kernels": lambda: classifier_of_numbers(
        linear=False, standardise=False, engine="torch"
    ),
    "pixels": classifier_of_pixels,
    "texts": classifier_of_texts,
    "texts, characters": lambda: classifier_of_texts(tokens="character"),
    "texts, byte pairs": lambda: classifier_of_texts(tokens="byte-pair", vocabulary_size=300),
    "texts, whole words": lambda: classifier_of_texts(spelling=False, linear=False),
    "tags": lambda: tagger([["D", "N"], ["D", "N"], ["N", "V", "X"]]),
    "spans": lambda: tagger([["O", "B-x"], ["O", "B-x"], ["B-x", "I-x", "O"]]),
    "frames": frame_tagger,
    "series": forecaster,
    "two columns": lambda: forecaster(2, power=0, season=8, lags=3),
    "characters": generator,
    "byte pairs": lambda: generator(vocabulary="byte-pair", vocabulary_size=262),
}
QUICKLY = ["numbers, without kernels", "spans"]


def module_at(path):
    """The module of a written file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_here(folder, name, code, given):
    """Run a written file in this process, as `torch_proof.run` does in a fresh one."""
    results = []
    given = json.loads(json.dumps(given))
    module = module_at(folder / f"{name}.py")
    exec(code, {"module": module, "given": given, "results": results, "torch": torch})  # noqa: S102
    return json.loads(json.dumps(results))


def check_predictions(task, path):
    """Compare a written file with its task on inputs that the writer did not see."""
    model = module_at(path).load()
    numbers = np.random.default_rng(5)
    if isinstance(task, Generator):
        for prompt in ("", "가나", "abc "):
            wanted = task.generate(prompt, length=30, seed=3)
            assert model.generate(prompt, length=30, seed=3) == wanted
        assert model.predict(["가"]) == task.predict(["가"])
        return
    if isinstance(task, Forecaster):
        values = np.random.default_rng(0).uniform(8, 12, (9, len(task.metadata.names)))
        values = values if len(task.metadata.names) > 1 else values[:, 0]
        for given in (None, values):
            found, wanted = model.predict(given, 6), task.predict(given, 6)
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
        return
    if isinstance(task, Tagger):
        rows = [*ODD, "the cat", ["Dogs", "bark"]]
    elif isinstance(task, FrameTagger):
        rows = [[[1.0], [0.0], [0.0]], [[0.3]]]
    elif task.is_text:
        rows = ODD
    elif task.metadata.dtype == "uint8":
        rows = [numbers.integers(0, 255, (k, 3)).astype(np.uint8) for k in range(6)]
    else:
        rows = numbers_of(numbers)
    found, wanted = model.predict(rows), task.predict(rows)
    assert found == (wanted.tolist() if isinstance(wanted, np.ndarray) else wanted)
    if isinstance(task, Classifier):
        np.testing.assert_allclose(
            model.predict_proba(rows).numpy(), task.predict_proba(rows), atol=1e-5
        )


@pytest.mark.parametrize("name", QUICKLY)
def test_a_written_file_predicts_what_its_task_predicts(name, tmp_path, monkeypatch):
    monkeypatch.setattr(torch_proof, "run", run_here)
    task = TASKS[name]()
    path, weights = exchange.write(task, tmp_path / "model.py")
    check_predictions(task, path)
    text = path.read_text(encoding="utf-8")
    assert {path, weights} == {*tmp_path.iterdir()} - {tmp_path / "__pycache__"}
    assert "ostinato" not in text.replace("ostinato train", "")
    (tmp_path / "style").mkdir()
    check_style(tmp_path / "style", [text])


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_written_file_of_a_task_needs_torch_alone(name, tmp_path):
    task = TASKS[name]()
    path, _ = exchange.write(task, tmp_path / "model.py")
    check_predictions(task, path)
    (tmp_path / "style").mkdir()
    check_style(tmp_path / "style", [path.read_text(encoding="utf-8")])


def test_nothing_is_written_where_the_predictions_differ(tmp_path, monkeypatch):
    def wrong(folder, name, code, given):
        return [[["O"] * len(row.split()) for row in given]]

    monkeypatch.setattr(torch_proof, "run", wrong)
    with pytest.raises(EngineError, match="predicts .* and the model .* nothing has been written"):
        exchange.write(TASKS["tags"](), tmp_path / "model.py")
    assert not [*tmp_path.iterdir()]


def test_tasks_without_a_model_and_other_tasks_are_refused(tmp_path):
    sets = Classifier(**QUICK | {"embedding": 8, "multi_label": True, "linear": False})
    with pytest.raises(InputError, match="multi_label=True yet; write it as ONNX"):
        exchange.write(sets.fit(WORDS, [[mood, "all"] for mood in MOODS]), tmp_path / "model.py")
    with pytest.raises(InputError, match="a Classifier without a model; call fit first"):
        exchange.write(Classifier(), tmp_path / "model.py")
    task = Translator()
    task.model = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match="cannot write a Translator yet; it writes layers, and"):
        exchange.write(task, tmp_path / "model.py")


# ---------------------------------------------------------------- texts


def test_characters_are_grapheme_clusters():
    regex = pytest.importorskip("regex")
    graphemes, draw = torch_text_code.Graphemes(grapheme_table()), random.Random(0)
    kinds = {}
    for first, last, kind in grapheme_table():
        kinds.setdefault(kind, []).extend((first, last))
    kinds |= {"LV": [0xAC00], "LVT": [0xAC01], "": [ord("a"), ord("é")]}
    for _ in range(3000):
        some = (draw.choice(kinds[draw.choice([*kinds])]) for _ in range(draw.randint(1, 7)))
        text = "".join(map(chr, some))
        assert graphemes.split(text) == regex.findall(r"\X", text), text.encode("unicode_escape")


def test_words_and_byte_words_are_those_of_the_tokenizers():
    from tokenizers import pre_tokenizers

    words, pairs = pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters, draw = torch_text_code.byte_letters(), random.Random(0)
    parts = [*"ab1  '\n\t.,é가ⅷ²١\u3000\x85\u0301\u200d😀१Ⓐ_", "'s", "'ll", "'ve"]
    for _ in range(3000):
        text = "".join(draw.choices(parts, k=draw.randint(1, 9)))
        assert torch_text_code.word_spans(text) == [w for w, _ in words.pre_tokenize_str(text)]
        found = ["".join(letters[b] for b in w.encode()) for w in torch_text_code.byte_words(text)]
        assert found == [w for w, _ in pairs.pre_tokenize_str(text)], repr(text)


@pytest.mark.slow
def test_every_letter_of_unicode_is_split_as_the_tokenizers_split_it():
    import unicodedata

    from tokenizers import normalizers, pre_tokenizers

    words, lower = pre_tokenizers.Whitespace(), normalizers.Lowercase()
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.category(letter) in ("Cn", "Cs"):
            continue
        wanted = [w for w, _ in words.pre_tokenize_str(f"a{letter}")]
        assert torch_text_code.word_spans(f"a{letter}") == wanted, hex(code)
        assert torch_text_code.lower_letters(letter) == lower.normalize_str(letter), hex(code)


def test_the_hash_of_n_grams_is_that_of_scikit_learn():
    utils = pytest.importorskip("sklearn.utils")
    for text in ("", "a", "ab", "abc", "abcd", "a b é", "가나다라", "x" * 37):
        wanted = utils.murmurhash3_32(text.encode(), 0)
        assert torch_text_code.murmur_hash(text.encode()) == wanted


def test_the_scores_of_n_grams_are_those_of_the_task():
    own, written = NGrams(2, 4096), torch_text_code.NGramScores(4096, 1)
    torch.manual_seed(0)
    for buffer in own.buffers():
        buffer.uniform_(0.5, 2)
    written.load_state_dict(own.state_dict())
    np.testing.assert_allclose(written(ODD).numpy(), own(ODD).numpy(), atol=1e-9)


def test_every_module_of_the_tasks_that_is_copied_is_tested():
    names = {cls.__name__ for cls in torch_tasks.COPIED}
    assert {"ClassifyModel", "TagModel", "FrameModel", "LanguageModel"} <= names
