"""Models of one task are compared in a table that fits a terminal."""

import json
import shutil

import pytest

from ostinato.cli.main import main
from test_layout import loaded_after


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from ostinato.tasks import Classifier

    out = tmp_path_factory.mktemp("compare") / "model"
    texts = (["good film"] * 8 + ["나쁘다"] * 8, ["+"] * 8 + ["-"] * 8)
    Classifier(hidden=4, embedding=4, steps=2, spelling=False).fit(texts, out=out, threads=1)
    return out


@pytest.fixture
def models(trained, tmp_path, monkeypatch):
    """Copies of a model; each has some fields of its config.json changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def copies(*changes: dict) -> list[str]:
        for number, change in enumerate(changes):
            shutil.copytree(trained, f"model{number}")
            path = tmp_path / f"model{number}" / "config.json"
            content = json.loads(path.read_text(encoding="utf-8"))
            for name, value in change.items():
                part, _, key = name.rpartition(".")
                place = content
                for step in filter(None, part.split(".")):
                    place = place[step]
                place[key] = value
            path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return [f"model{number}" for number in range(len(changes))]

    return copies


@pytest.fixture
def compared(monkeypatch, capsys):
    """The exit code, output and error of `ostinato compare`."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["ostinato", "compare", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    return run


def row(text: str, name: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(name + " "))
    return line.removeprefix(name).split()


def test_the_table_has_the_options_that_differ_and_marks_the_best_metrics(models, compared):
    accuracies = [0.5, 0.9, 0.7]
    found = compared(
        *models(
            *(
                {"options.layers": layers, "result.metrics.accuracy": accuracy}
                for layers, accuracy in zip((1, 2, 3), accuracies)
            )
        )
    )
    code, text, error = found
    assert (code, error) == (0, "") and max(map(len, text.splitlines())) <= 80
    assert row(text, "--layers") == ["1", "2", "3"] and "--hidden" not in text
    assert row(text, "accuracy") == ["0.5", "0.9*", "0.7"]
    assert len(set(row(text, "parameters"))) == 1 and "note" not in text


def test_many_models_are_several_tables_and_one_best(models, compared):
    names = models(*({"result.metrics.accuracy": k / 16} for k in range(7)))
    _, text, _ = compared(*names)
    lines = [line for line in text.splitlines() if line.startswith("accuracy")]
    assert len(lines) == 2 and text.count("0.375*") == 1 and "0.1875*" not in text
    assert all(name in text for name in names) and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "change, said",
    [
        ({"digest": "0"}, "trained on different data"),
        ({"test": "a.csv"}, "evaluated on other data (--test)"),
        ({"options.seed": 7}, "evaluated on other rows of the data"),
        ({"result.held_out_rows": 5}, "evaluated on other rows of the data"),
        ({"digest": None}, "is not known"),
        # a run that was stopped after its first weights
        ({"result": None}, "is not known"),
    ],
)
def test_metrics_that_do_not_compare_have_a_note_and_no_best(models, compared, change, said):
    code, text, _ = compared(*models({"result.metrics.accuracy": 0.2}, change))
    assert code == 0 and "*" not in text and "note: " in text and said in text


def test_json_has_each_model_with_its_numbers(models, compared):
    names = models({"options.layers": 2}, {"options.language": "ko"})
    _, text, _ = compared(*names, "--json")
    found = json.loads(text)
    assert [one["model"] for one in found["models"]] == names
    assert [one["options"] for one in found["models"]] == [{"--layers": 2}, {"--layers": 1}]
    assert found["task"] == "classify" and found["models"][0]["metrics"]["accuracy"] is not None
    assert found["models"][0]["run"]["steps"] == 2 and found["notes"] == []


def test_one_model_and_a_missing_model_are_refused(models, compared, tmp_path):
    (name,) = models({})
    code, text, error = compared(name)
    assert code == 2 and text == "" and "give two or more model directories" in error
    code, text, error = compared(name, str(tmp_path / "nowhere"))
    assert (
        code == 2 and text == "" and "'" + str(tmp_path / "nowhere") + "' does not exist" in error
    )


def test_models_of_two_tasks_are_refused(models, compared, tmp_path):
    from ostinato.tasks import Generator

    Generator(hidden=4, embedding=4, batch=2, sequence_length=8, steps=1).fit(
        ["abc " * 100], out=tmp_path / "other", threads=1
    )
    code, text, error = compared(*models({}), "other")
    assert (code, text) == (2, "") and error.count("\n") == 1
    assert "'model0' is a model of `ostinato train classify` and 'other' of" in error
    assert "compare models of one task" in error


def test_comparing_imports_no_torch():
    assert "torch" not in loaded_after("import ostinato.cli.compare")
