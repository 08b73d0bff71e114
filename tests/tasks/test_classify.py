"""Many to one: labels of texts and of sequences of numbers; and, through it, what all tasks
share.
"""

import json
import re

import numpy as np
import pytest
import torch

from ostinato.data.files import read_json
from ostinato.errors import InputError
from ostinato.tasks import Classifier, load
from ostinato.tasks.options import options_in_use
from ostinato.tasks.task import Examples
from runs import without_time

SMALL = {
    "linear": False,
    "hidden": 8,
    "embedding": 8,
    "epochs": 30,
    "patience": 0,
    "batch": 8,
    "learning_rate": 0.02,
}
WORDS = {"good": "+", "fine": "+", "좋다": "+", "bad": "-", "poor": "-", "나쁘다": "-"}
TEXTS = [f"it is {word} {end}" for word in WORDS for end in ("now", "today", "here", "")]
LABELS = [WORDS[text.split()[2]] for text in TEXTS]


def table(path, texts=TEXTS, labels=LABELS):
    path.write_text(
        "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in zip(labels, texts)),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file, the directory of a model of it, and the task."""
    directory = tmp_path_factory.mktemp("classify")
    file = table(directory / "data.tsv")
    return (
        file,
        directory / "model",
        Classifier(**SMALL).fit(file, out=directory / "model", threads=1),
    )


# ---------------------------------------------------------------- what it learns


def test_the_report_has_labels_confusion_and_examples(trained):
    file, directory, task = trained
    parts = task.report_parts(task.read(([*["it is good"] * 3, "나쁘다"], ["+", "+", "-", "-"])))
    (names, confusion), examples = parts["confusion"], parts["examples"]
    assert names == ["+", "-"] and np.asarray(confusion).tolist() == [[2, 0], [1, 1]]
    (wrong,) = examples["Most confident errors"]
    assert (wrong["true label"], wrong["predicted"], wrong["input"]) == (
        "-",
        "+",
        "it is good",
    ) and len(examples["Least confident correct predictions"]) == 3
    assert parts["labels"].keys() == {"+", "-"}
    assert {*parts["baselines"]} <= {"always +", "always -"}
    report = (directory / "report.html").read_text(encoding="utf-8")
    assert "Most confident errors" in report or "Least confident correct predictions" in report


def test_the_report_says_which_weights_were_kept_the_later_of_equals(tmp_path, monkeypatch):
    from ostinato.training import report

    kept = []
    monkeypatch.setattr(
        report, "write_report", lambda path, content: kept.append(content.best_step)
    )
    task = Classifier(**SMALL | {"epochs": None, "learning_rate": 1e-5}, steps=4).fit(
        (TEXTS, LABELS), out=tmp_path / "m", threads=1
    )
    lines = task.result.history
    assert len({line["accuracy"] for line in lines}) == 1 and kept == [4]
    assert task.result.metrics["nats"] == pytest.approx(lines[-1]["nats"]) != lines[0]["nats"]


def test_words_that_decide_are_learned(trained):
    file, _, task = trained
    assert task.evaluate(file)["accuracy"] == 1.0
    assert [answer["label"] for answer in task.predict_dicts(["it is good", "나쁘다"])] == [
        "+",
        "-",
    ]


def test_probabilities_are_in_order_and_add_up(trained):
    (answer,) = trained[2].predict_dicts(["it is poor"])
    assert answer["label"] == next(iter(answer["probabilities"])) == "-"
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert [*answer["probabilities"].values()] == sorted(
        answer["probabilities"].values(), reverse=True
    )


def test_which_way_a_curve_turns_is_learned_from_numbers():
    random = np.random.default_rng(0)
    rows = [
        sign * np.linspace(0, 1, steps) + random.normal(0, 0.05, steps)
        for steps in (5, 9, 7, 12) * 8
        for sign in (1, -1)
    ]
    labels = ["up", "down"] * 32
    task = Classifier(**SMALL, bidirectional=False).fit((rows, labels), threads=1)
    assert task.evaluate((rows, labels))["accuracy"] > 0.95
    assert task.predict_dicts([np.linspace(0, 1, 6)])[0]["label"] == "up"


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm_projected", "min_gru"])
def test_any_cell_can_be_taken(cell):
    task = Classifier(**SMALL | {"cell": cell, "epochs": 2, "layers": 2}).fit(
        (TEXTS, LABELS), threads=1
    )
    assert len(task.predict_dicts(["good"])) == 1


@pytest.mark.parametrize("tokens", ["word", "character", "byte-pair"])
def test_text_is_read_as_tokens_of_any_kind(tokens):
    size = 300 if tokens == "byte-pair" else 100
    task = Classifier(**SMALL | {"tokens": tokens, "vocabulary_size": size}).fit(
        (TEXTS, LABELS), threads=1
    )
    assert task.vocabulary.kind == tokens and task.evaluate((TEXTS, LABELS))["accuracy"] > 0.9


def test_words_are_read_by_their_characters_where_tokens_are_words():
    random = np.random.default_rng(0)
    endings = {"+": ("ing", "는다"), "-": ("est", "다가")}
    labels = ["+", "-"] * 60
    texts = [
        "".join(random.choice(list("bcdfgh가나라마"), 4)) + random.choice(endings[label])
        for label in labels
    ]
    spelled, plain = (
        Classifier(**SMALL | {"spelling": on, "epochs": 60}).fit(
            (texts[:80], labels[:80]), threads=1
        )
        for on in (True, False)
    )
    new = texts[80:], labels[80:]
    assert spelled.evaluate(new)["accuracy"] > 0.9 > 0.75 > plain.evaluate(new)["accuracy"]
    assert spelled.options.characters == "grapheme" and plain.metadata.letters is None


def test_capital_letters_are_small_ones_of_a_word_and_not_of_its_spelling():
    task = Classifier(**SMALL | {"epochs": 1}).fit((TEXTS + ["IT"], [*LABELS, "+"]), threads=1)
    (small, _, _), (large, spelled, _) = task.encode(task.read((["it", "IT"], ["+", "+"])))
    assert task.options.lowercase and small.tolist() == large.tolist()
    assert (
        Classifier(**SMALL | {"epochs": 1, "lowercase": False})
        .fit((TEXTS + ["IT"], [*LABELS, "+"]), threads=1)
        .vocabulary.encode(["IT"])[0]
        != small
    )


def test_a_model_from_before_words_were_spelled_is_read(trained, tmp_path):
    task = Classifier(**SMALL | {"spelling": False, "lowercase": False}).fit(
        (TEXTS, LABELS), out=tmp_path / "m", threads=1
    )
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    for name in (
        "spelling",
        "characters",
        "character_embedding",
        "character_hidden",
        "ensemble",
        "unlabelled",
        "unlabelled_text",
        "unlabelled_epochs",
        "unlabelled_dropout",
    ):
        del config["options"][name]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert load(tmp_path / "m").predict_dicts(TEXTS) == task.predict_dicts(TEXTS)


@pytest.mark.parametrize("tokens", ["word", "character"])
def test_a_file_read_in_tiny_chunks_gives_the_same_model(trained, monkeypatch, tokens):
    file, _, _ = trained
    whole = Classifier(**SMALL | {"tokens": tokens, "epochs": 3}).fit(file, test=file, threads=1)
    monkeypatch.setattr("ostinato.data.text.CHUNK", 50)
    monkeypatch.setattr("ostinato.data.disk.ROWS_AT_ONCE", 3)
    chunked = Classifier(**SMALL | {"tokens": tokens, "epochs": 3}).fit(file, test=file, threads=1)
    assert len(chunked.read(file)["x"].starts) > 6
    assert without_time(chunked.result) == without_time(whole.result)


def test_an_empty_text_has_an_answer(trained):
    assert trained[2].predict_dicts([""])[0]["label"] in "+-"


def test_an_answer_does_not_depend_on_the_rows_next_to_it(trained):
    alone, together = (
        trained[2].predict_dicts(["it is good"])[0],
        trained[2].predict_dicts(["it is good", "a b c d e f g h " * 5, ""])[0],
    )
    assert alone["probabilities"]["+"] == pytest.approx(together["probabilities"]["+"], abs=1e-5)


def test_class_weights_have_rare_labels_found():
    texts, labels = TEXTS + ["it is good now"] * 200, LABELS + ["+"] * 200
    plain, weighted = (
        Classifier(**SMALL | {"epochs": 1, "class_weights": on}).fit((texts, labels), threads=1)
        for on in (False, True)
    )
    found = [
        sum(
            a["probabilities"]["-"]
            for a in task.predict_dicts(["it is bad", "나쁘다", "it is poor"])
        )
        for task in (plain, weighted)
    ]
    assert found[1] > found[0]


def test_torchs_layers_start_from_the_same_weights():
    ours, theirs = (
        Classifier(
            **SMALL | {"epochs": 1, "dropout": 0.0, "word_dropout": 0.0, "engine": engine}
        ).fit((TEXTS, LABELS), threads=1)
        for engine in (None, "torch")
    )
    for one, other in zip(ours.predict_dicts(TEXTS), theirs.predict_dicts(TEXTS)):
        assert one["probabilities"]["+"] == pytest.approx(other["probabilities"]["+"], abs=1e-3)


def test_an_ensemble_answers_with_the_mean_of_its_models_probabilities(tmp_path):
    task = Classifier(**SMALL | {"epochs": 2, "ensemble": 3}).fit(
        (TEXTS, LABELS), out=tmp_path / "m", threads=1
    )
    *inputs, labels = task.collate(task.encode(task.read((TEXTS, LABELS))))
    with torch.no_grad():
        each = torch.stack([member(*inputs) for member in task.members])
        loss, count = task.loss((*inputs, labels))
    assert len({tuple(scores.flatten().tolist()) for scores in each}) == 3
    given = [
        [answer["probabilities"][label] for label in "+-"] for answer in task.predict_dicts(TEXTS)
    ]
    np.testing.assert_allclose(given, each.double().softmax(2).mean(0), atol=2e-6)
    # a model learns to be right by itself, not to make up for what the others say
    one_by_one = [
        torch.nn.functional.cross_entropy(scores, labels, label_smoothing=0.1, reduction="sum")
        for scores in each
    ]
    torch.testing.assert_close((loss, count), (torch.stack(one_by_one).mean(), len(labels)))
    assert load(tmp_path / "m").predict_dicts(TEXTS) == task.predict_dicts(TEXTS)


def test_an_ensemble_is_told_by_its_first_model(tmp_path):
    task = Classifier(**SMALL | {"epochs": 2, "ensemble": 2}).fit((TEXTS, LABELS), threads=1)
    inside, (first, _) = task.inside(["it is good"]), task.members
    *inputs, _ = task.collate(task.encode(task.read(["it is good"], labelled=False)))
    label = task.metadata.labels.index(task.predict_dicts(["it is good"])[0]["label"])
    assert inside.layer is first.recurrent and inside.explained.endswith("by the first of 2 models")
    assert inside.output_of(inside.x[0]).item() == pytest.approx(
        first(*inputs)[0, label].item(), abs=1e-6
    )


def test_an_ensemble_reads_a_row_the_same_next_to_longer_ones():
    task = Classifier(**SMALL | {"epochs": 2, "ensemble": 2}).fit((TEXTS, LABELS), threads=1)
    alone, together = (
        task.predict_dicts(["it is good"])[0],
        task.predict_dicts(["it is good", "a b c d e f g h " * 5, ""])[0],
    )
    assert alone["probabilities"]["+"] == pytest.approx(together["probabilities"]["+"], abs=1e-5)


def test_an_ensemble_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path):
    file, options = trained[0], SMALL | {"epochs": 3, "ensemble": 2}
    whole = Classifier(**options).fit(file, threads=1)
    with pytest.raises(breaking.error):
        Classifier(**options).fit(
            file, out=tmp_path / "m", threads=1, checkpoint_seconds=0.0, watcher=breaking(4)
        )
    again = Classifier(**options).fit(file, out=tmp_path / "m", resume=True, threads=1)
    assert without_time(again.result) == without_time(whole.result)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name


def test_a_label_unseen_in_training_counts_as_wrong_and_is_counted(trained):
    found = trained[2].evaluate((["it is good", "it is bad", "it is so"], ["+", "-", "?"]))
    assert found["accuracy"] == pytest.approx(2 / 3) and found["labels_unseen"] == 1


# ---------------------------------------------------------------- what all tasks share


def test_a_directory_gives_the_same_answers(trained, tmp_path):
    _, out, task = trained
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.safetensors",
        "config.json",
        "history.csv",
        "model.safetensors",
        "report.html",
        "vocabulary.json",
    ]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "always " in page and "Longest" in page and "Rarest label: " in page
    assert load(out).predict_dicts(TEXTS) == task.predict_dicts(TEXTS)
    task.save(tmp_path / "again")
    assert load(tmp_path / "again").predict_dicts(TEXTS) == task.predict_dicts(TEXTS)


def test_the_configuration_says_everything_and_reproduces_the_run(trained, ostinato):
    _, out, task = trained
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (
        config["options"]["tokens"] == "word"
        and config["found"] == ["characters", "lowercase", "tokens", "word_dropout"]
        and config["options"]["epochs"] == 30
    )
    assert ostinato("train", "--config", out / "config.json", "--out", "again")[0] == 0
    assert without_time(load("again").result) == without_time(task.result)


@pytest.mark.parametrize("step", [1, 7, 8, 30])
def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path, step):
    file, _, whole = trained
    with pytest.raises(breaking.error):
        Classifier(**SMALL).fit(
            file, out=tmp_path / "m", threads=1, checkpoint_seconds=0.0, watcher=breaking(step)
        )
    again = Classifier(**SMALL).fit(file, out=tmp_path / "m", resume=True, threads=1)
    assert without_time(again.result) == without_time(whole.result)


def test_a_test_set_is_measured_and_never_chosen_by(trained):
    file, _, whole = trained
    task = Classifier(**SMALL).fit(file, test=(["it is good"], ["-"]), threads=1)
    assert (
        task.result.history[-1]["accuracy"] == whole.result.history[-1]["accuracy"]
        and task.result.held_out_rows == 1
    )
    assert task.result.metrics["accuracy"] == 0.0


def test_options_are_as_scikit_learn_has_them():
    task = Classifier(hidden=7)
    assert (
        task.get_params()["hidden"] == 7
        and task.set_params(hidden=9) is task
        and task.options.hidden == 9
    )
    assert repr(task) == "Classifier(hidden=9)"
    with pytest.raises(InputError, match="unknown option: did you mean .*hidden"):
        task.set_params(hiden=3)


def test_a_file_whose_name_is_not_utf8_is_learned_from(tmp_path):
    name = tmp_path / "a\udcff.tsv"
    Classifier(**SMALL | {"epochs": 1}).fit(table(name), out=tmp_path / "m", threads=1)
    assert read_json(tmp_path / "m/config.json")["data"] == str(name)


def test_what_was_found_from_other_data_is_found_again(tmp_path):
    korean, english = [
        (["좋다 정말", "나쁘다 정말"] * 5, ["+", "-"] * 5),
        (["good", "bad"] * 5, ["+", "-"] * 5),
    ]
    small = {**SMALL, "epochs": None, "tokens": "word"}
    task = Classifier(**small, steps=2).fit(korean, threads=1)
    assert (
        task.options.characters == "jamo"
        and task.fit(english, out=tmp_path / "m", threads=1).options.characters == "grapheme"
    )
    # what was given is given, though it could have been found
    assert json.loads((tmp_path / "m/config.json").read_text(encoding="utf-8"))["found"] == [
        "characters",
        "lowercase",
        "word_dropout",
    ]
    assert (
        task.set_params(steps=1).fit(korean, threads=1).options.characters == "jamo"
        and task.result.steps == 1
    )
    # a task without a budget finds one, and can be given another
    task = Classifier(**small | {"hidden": 2}).fit(
        (["a"] * 5 + ["b"] * 5, [1] * 5 + [2] * 5), threads=1
    )
    assert task.options.epochs == 30 and task.set_params(steps=1).get_params()["epochs"] is None


def test_files_to_answer_need_no_labels_and_no_names(write, tmp_path):
    rows = "".join(f"{text}\t{label}\n" for text, label in zip(TEXTS, LABELS))
    task = Classifier(**SMALL | {"epochs": 1}, text="tweet", label="mood").fit(
        write("a.tsv", "tweet\tmood\n" + rows), threads=1
    )
    wanted = task.predict_dicts(["good", "10"])
    for content in (
        "tweet\tmood\ngood\t\n10\t\n",
        "tweet\ngood\n10\n",
        "good\n10\n",
        "n\ttweet\n1\tgood\n2\t10\n",
    ):
        assert task.predict_dicts(write("b.tsv", content)) == wanted
    with pytest.raises(InputError, match="has no column 'tweet'; it has 'n', 'body'"):
        task.predict_dicts(write("b.tsv", "n\tbody\n1\tgood\n"))
    with pytest.raises(InputError, match="has no column 'mood'"):
        task.evaluate(write("b.tsv", "tweet\ngood\n"))


def test_rows_of_numbers_to_answer_need_no_labels(write, tmp_path):
    rows = np.random.default_rng(0).normal(size=(12, 4)).round(3).tolist()
    lines = [",".join(map(str, row)) for row in rows]
    task = Classifier(**SMALL | {"epochs": 1}).fit(
        write("a.csv", "".join(f"{k % 2},{line}\n" for k, line in enumerate(lines))), threads=1
    )
    wanted = task.predict_dicts([np.array(row) for row in rows])
    assert (
        task.predict_dicts(write("b.csv", "\n".join(lines)))
        == task.predict_dicts(write("c.csv", "".join(f"1,{line}\n" for line in lines)))
        == wanted
    )
    np.savez(tmp_path / "d.npz", x=np.array(rows), y=["?"] * 11)
    assert task.predict_dicts(tmp_path / "d.npz") == wanted


def test_examples_are_split_the_same_way_by_the_same_seed():
    examples = Examples({"x": [*range(100)], "label": None}, source="here")
    (one, held), (other, _) = examples.split(0.2, 3), examples.split(0.2, 3)
    assert (
        one["x"] == other["x"] and sorted(one["x"] + held["x"]) == [*range(100)] and len(held) == 20
    )
    assert examples.split(0.2, 4)[1]["x"] != held["x"] and examples.digest() != one.digest()
    assert held["x"] == sorted(np.random.default_rng([3, 7]).permutation(100)[:20].tolist())


def test_the_command_line_trains_answers_and_tells(ostinato, tmp_path):
    file = table(tmp_path / "data.tsv")
    words = [
        "--hidden",
        "8",
        "--embedding",
        "8",
        "--epochs",
        "12",
        "--batch",
        "8",
        "--learning-rate",
        "0.02",
        "--patience",
        "0",
        "--threads",
        "1",
    ]
    code, out, err = ostinato("train", "classify", file, "--out", "m", *words)
    assert code == 0 and re.search(
        r"^22 rows, 36 steps, \d+ s; evaluated on 2 rows:\naccuracy ", out, re.M
    ), out + err
    assert "tokens word" in err.replace("\n", " ") and re.search(
        r"^step +\d+  loss \d\.\d{3}  val accuracy \d\.\d{3}  [\dk]+ row/s  \d+:\d\d left$",
        err,
        re.M,
    )
    code, out, _ = ostinato("evaluate", "m", file, "--json")
    assert code == 0 and json.loads(out)["accuracy"] == load("m").evaluate(file)["accuracy"]
    code, out, _ = ostinato("predict", "m", given="it is good\n나쁘다\n\n")
    assert code == 0 and len(out.splitlines()) == 3 and set(out.split()) <= {"+", "-"}
    code, out, _ = ostinato("predict", "m", file, "--json")
    assert code == 0 and [json.loads(line)["label"] for line in out.splitlines()] == [
        a["label"] for a in load("m").predict_dicts(TEXTS)
    ]
    code, out, _ = ostinato("info", "m")
    assert code == 0 and "classify" in out and "--hidden" in out and "accuracy" in out


# ---------------------------------------------------------------- word vectors


@pytest.mark.parametrize("spelling", [True, False])
def test_words_start_from_their_pretrained_vectors(tmp_path, spelling):
    (tmp_path / "v.txt").write_text("3 2\nGood 9 8\n좋다 7 6\nother 5 4\n", encoding="utf-8")
    still = SMALL | {"learning_rate": 1e-9, "weight_decay": 0.0, "epochs": 1, "ensemble": 2}
    task = Classifier(**still, vectors=str(tmp_path / "v.txt"), spelling=spelling, lowercase=True)
    task.fit(TEXTS, LABELS, out=tmp_path / "m", threads=1)
    assert task.options.embedding == 2
    assert options_in_use(task.options, task.metadata)["vectors"] == str(tmp_path / "v.txt")
    numbers = task.vocabulary.tokenizer.get_vocab()
    for member in task.members:
        table = member.words.words if spelling else member.embedding
        for word, vector in {"good": [9.0, 8.0], "좋다": [7.0, 6.0]}.items():
            assert table.weight[numbers[word]].tolist() == pytest.approx(vector, abs=1e-5)
        assert table.weight[numbers["poor"]].abs().max() < 1
    (tmp_path / "v.txt").unlink()
    assert load(tmp_path / "m").predict_dicts(TEXTS) == task.predict_dicts(TEXTS)


def test_word_vectors_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "v.txt").write_text("Wort 1 2\n", encoding="utf-8")
    vectors = SMALL | {"vectors": str(tmp_path / "v.txt")}
    with pytest.raises(InputError, match="has a vector for none of the .* words of the data"):
        Classifier(**vectors).fit(TEXTS, LABELS, threads=1)
    with pytest.raises(InputError, match="with --tokens character: the vectors are of words"):
        Classifier(**vectors, tokens="character").fit(TEXTS, LABELS, threads=1)
    with pytest.raises(InputError, match="the rows of the given rows are numbers"):
        Classifier(**vectors).fit([np.zeros((3, 1))] * 8, ["a", "b"] * 4, threads=1)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "data, message",
    [
        (
            (["a", "b"], ["x", "x"]),
            r"all 2 rows have the label 'x'; a classifier needs two labels or more",
        ),
        ((["a"], ["x"]), r"the given rows: 1 sample; at least two are needed for training"),
        ((["a", "b"], ["x"]), r"2 rows and 1 labels; give a label for each row"),
        ((["a", None], ["x", "y"]), r"row 2 is None; give steps of numbers, \(T, F\)"),
        ((["a", "\ud800"], ["x", "y"]), r"'\\ud800': the text is not valid UTF-8"),
        (
            ["a", "b", "c"],
            r"the data is a sequence of 3 items; give a pair: texts, or sequences of numbers, and "
            r"a label for "
            r"each",
        ),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        Classifier(**SMALL).fit(data)


NUMBERS = np.random.default_rng(0).normal(size=(24, 3))
SIGNS = [str(int(row[0] > 0)) for row in NUMBERS]


@pytest.mark.parametrize(
    "data, message",
    [
        ((NUMBERS, SIGNS[:-1]), "24 rows and 23 labels; give a label for each row"),
        (
            NUMBERS,
            "requires y to be passed, but the target y is None; give labels",
        ),
        ([NUMBERS, SIGNS, SIGNS], "the data is a sequence of 3 items; give a pair"),
        (
            (["good", NUMBERS[0]] * 8, ["x", "y"] * 8),
            "the given rows are texts and numbers; give only one of the two",
        ),
        (
            (np.where(NUMBERS > 1, np.nan, NUMBERS), SIGNS),
            "row [0-9]+ has nan or infinity in step [1-3]; replace it by a number",
        ),
        (
            ([["a"]] * 24, SIGNS),
            r"row 1 is not an array of numbers \(.*; give steps with the same number of values, "
            r"\(T, F\)",
        ),
        (([1.0] * 24, SIGNS), r"row 1 is 1.0; give steps of numbers, \(T, F\)"),
    ],
)
def test_rows_in_memory_that_cannot_be_used_are_one_error(data, message):
    with pytest.raises(InputError, match=message):
        Classifier(**SMALL).fit(data)


def test_labels_are_of_any_kind_and_rows_of_numbers_can_be_empty():
    numbers, signs = torch.from_numpy(NUMBERS), torch.tensor([int(sign) for sign in SIGNS])
    task = Classifier(**SMALL | {"epochs": 1}).fit(([*numbers, []], [*signs, 0]), threads=1)
    assert task.metadata.labels == ["0", "1"] and task.predict_dicts(task.line(""))[0]["label"] in (
        "0",
        "1",
    )
    with pytest.raises(InputError, match="row 1 has nan or infinity in step 2"):
        task.predict_dicts(task.line("1 nan 2"))


def test_a_model_of_a_table_of_numbers_reads_its_columns_by_their_names(tmp_path):
    def write(name, *columns, head=True):
        given = {
            "sign": SIGNS,
            "a": NUMBERS[:, 0],
            "b": NUMBERS[:, 1],
            "c": NUMBERS[:, 2],
            "d": NUMBERS[:, 0],
        }
        lines = [",".join(columns)] * head + [
            ",".join(map(str, row)) for row in zip(*(given[one] for one in columns))
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / name

    whole = write("whole.csv", "sign", "a", "b", "c")
    task = Classifier(**SMALL | {"epochs": 2}, label="sign").fit(whole, threads=1)
    wanted = task.predict_dicts(whole)
    assert (
        wanted
        == task.predict_dicts(NUMBERS.astype(np.float32))
        == task.predict_dicts(write("other.csv", "c", "d", "b", "a"))
    )
    assert task.evaluate(write("labelled.csv", "c", "sign", "a", "b")) == task.evaluate(whole)
    with pytest.raises(InputError, match="fewer.csv' has no column 'b'; it has 'a', 'c'"):
        task.predict_dicts(write("fewer.csv", "a", "c"))
    # without names: as many numbers as were learned from are without a label
    task = Classifier(**SMALL | {"epochs": 2}).fit(
        write("headless.csv", "sign", "a", "b", "c", head=False), threads=1
    )
    assert (
        task.predict_dicts(write("unlabelled.csv", "a", "b", "c", head=False))
        == task.predict_dicts(tmp_path / "headless.csv")
        == wanted
    )


def test_a_run_without_a_directory_cannot_be_gone_on_with():
    with pytest.raises(
        InputError, match="fit.resume=True. without out=: give the directory of the run to resume"
    ):
        Classifier(**SMALL).fit((TEXTS, LABELS), resume=True)


def test_an_unknown_option_is_refused():
    with pytest.raises(
        InputError, match=r"Classifier\(hiden=...\): unknown option: did you mean .hidden."
    ):
        Classifier(hiden=3)


def test_what_is_not_trained_cannot_be_used(tmp_path):
    for use in (
        lambda: Classifier().predict_dicts(["a"]),
        lambda: Classifier().evaluate((["a"], ["b"])),
        lambda: Classifier().save(tmp_path / "m"),
    ):
        with pytest.raises(
            InputError, match="Classifier: the task has no model yet; call fit first"
        ):
            use()


def test_numbers_given_to_a_model_of_texts_are_refused(trained):
    with pytest.raises(InputError, match="the model reads texts, and the data has numbers"):
        trained[2].predict_dicts([np.zeros(3)])


def test_steps_of_another_size_are_refused():
    task = Classifier(**SMALL | {"epochs": 1}).fit(
        ([np.zeros((3, 2)), np.ones((3, 2))] * 5, ["a", "b"] * 5), threads=1
    )
    with pytest.raises(
        InputError, match="row 1 has 3 numbers per step, and the model was trained on 2"
    ):
        task.predict_dicts([np.zeros((4, 3))])
    with pytest.raises(InputError, match="'1 two' is not a row of numbers"):
        task.line("1 two")
    with pytest.raises(InputError, match="3 numbers do not divide into steps of 2"):
        task.line("1, 2, 3")
    assert task.line("1, 2 3,4")[0].tolist() == [[1, 2], [3, 4]]


def damage(path, content):
    path.write_bytes(content(path.read_bytes()))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("config.json", lambda b: b[:-9], "is not valid JSON"),
        (
            "config.json",
            lambda b: b.replace(b'"classify"', b'"clarify"'),
            "has format 'ostinato task' and task 'clarify'",
        ),
        (
            "config.json",
            lambda b: b.replace(b'"version": 1', b'"version": 9'),
            "has format version 9 and this version of ostinato reads 1",
        ),
        (
            "config.json",
            lambda b: b.replace(b'"hidden": 8', b'"hidden": -8'),
            "has options that cannot be used .*--hidden -8",
        ),
        (
            "config.json",
            lambda b: b.replace(b'"hidden": 8', b'"hidden": 9'),
            "model.safetensors' does not fit '.*config.json'",
        ),
        (
            "config.json",
            lambda b: b.replace(b'"ensemble": 1', b'"ensemble": 2'),
            "model.safetensors' does not fit '.*config.json'",
        ),
        ("vocabulary.json", lambda b: b"{}", "is not a vocabulary"),
        (
            "model.safetensors",
            lambda b: b[:-9],
            r"model.safetensors' \(\d+ bytes\) is truncated or damaged",
        ),
    ],
)
def test_a_damaged_model_is_one_error(trained, ostinato, tmp_path, name, content, message):
    trained[2].save(tmp_path / "m")
    damage(tmp_path / "m" / name, content)
    code, out, err = ostinato("predict", "m", given="good\n")
    assert (
        code == 2 and out == "" and err.startswith("error: ") and re.search(message, err, re.S)
    ), err


@pytest.mark.parametrize(
    "words, message",
    [
        ("train classify none.tsv --out m", "none.tsv' does not exist"),
        (
            "train classify FILE --out m --hidden 0",
            "--hidden 0: write a whole number from 1 to 16384",
        ),
        (
            "train classify FILE --out m --ensemble 0",
            "--ensemble 0: write a whole number from 1 to 64",
        ),
        (
            "train classify FILE --out m --hidden x",
            "Invalid value for '--hidden': 'x'; write a whole number",
        ),
        (
            "train classify FILE --out m --tokens letters",
            "--tokens letters: .*[Ww]rite one of word, character, byte-pair",
        ),
        ("train classify FILE --out m --text body", "body"),
        (
            "train classify FILE --out MODEL",
            "the directory is not empty; give another --out, or add --resume",
        ),
        (
            "train classify FILE --out MODEL --resume --hidden 9",
            "--hidden 9 with --resume: the run in '.*' has --hidden 8",
        ),
        ("train --out m", "ostinato train without a task: give --config RUN.json and --out DIR"),
        ("train --config FILE --out m", "is not valid JSON"),
        ("evaluate none FILE", "the model directory 'none' does not exist"),
        ("predict MODEL none.tsv", "none.tsv' does not exist"),
    ],
)
def test_wrong_input_is_one_error_and_nothing_is_written(
    trained, ostinato, tmp_path, words, message
):
    file, out, _ = trained
    code, printed, err = ostinato(
        *({"FILE": file, "MODEL": out}.get(word, word) for word in words.split())
    )
    assert (
        code == 2
        and printed == ""
        and err.startswith("error: ")
        and "Traceback" not in err
        and re.search(message, err, re.S)
    ), err
    assert [*tmp_path.iterdir()] == []


def test_a_line_that_is_not_utf8_is_one_error(trained, ostinato):
    code, _, err = ostinato("predict", trained[1], given=b"good\n" + b"\xff\n")
    assert code == 2 and "standard input is not UTF-8" in err


def test_data_of_another_run_is_refused(trained, tmp_path):
    _, out, _ = trained
    with pytest.raises(InputError, match="--resume: the data differs from that of the run"):
        Classifier(**SMALL).fit(
            table(tmp_path / "other.tsv", TEXTS[1:], LABELS[1:]), out=out, resume=True
        )


def test_padding_changes_no_gradient():
    task = Classifier(**SMALL | {"epochs": 1, "dropout": 0.0, "word_dropout": 0.0}).fit(
        (TEXTS, LABELS), threads=1
    )
    rows = task.encode(task.read((TEXTS, LABELS)))
    x, lengths, places, *spelled, labels = task.collate(rows)
    found = []
    for more in (0, 9):
        task.model.zero_grad()
        wider, further = (torch.nn.functional.pad(numbers, (0, more)) for numbers in (x, places))
        loss, _ = task.loss((wider, lengths, further, *spelled, labels))
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in task.model.parameters()]))
    torch.testing.assert_close(*found)
