"""The commands export and import: one clear error for what a format cannot do."""

import re

import pytest

from ostinato.cli import exchange
from ostinato.cli.main import main
from ostinato.errors import InputError


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from ostinato.tasks import Classifier

    out = tmp_path_factory.mktemp("exchange") / "model"
    rows = ([[0.0, 1.0, 0.0]] * 8 + [[1.0, 0.0, 1.0]] * 8, ["+"] * 8 + ["-"] * 8)
    Classifier(hidden=4, steps=2, linear=False).fit(rows, out=out, threads=1)
    return out


@pytest.fixture
def run(monkeypatch, capsys):
    """The exit code, output and error of a command."""

    def of(*words):
        monkeypatch.setattr("sys.argv", ["ostinato", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    return of


def test_an_unknown_format_is_one_error(run, trained, tmp_path):
    code, printed, error = run("export", trained, "--to", "onx", "--out", tmp_path / "a.onnx")
    assert (code, printed) == (2, "")
    assert error == (
        "error: --to onx: unknown format: did you mean 'onnx'?; write one of onnx, torch, c, "
        "keras, tf1\n"
    )
    code, _, error = run("import", "model.bin", "--out", tmp_path / "layers")
    assert code == 2 and "'model.bin': the name does not say which format the file has" in error
    code, _, error = run("import", "a.bin", "--from", "hdf", "--out", tmp_path / "layers")
    assert code == 2 and "--from hdf: unknown format" in error
    assert not list(tmp_path.iterdir())


def test_a_format_without_a_reader_is_one_error():
    with pytest.raises(InputError, match="C files cannot be read by this version"):
        exchange._function("c", "read")


def test_a_directory_without_a_model_is_one_error(run, tmp_path):
    for words in (["missing"], [tmp_path]):
        code, printed, error = run("export", *words, "--to", "onnx", "--out", tmp_path / "a.onnx")
        assert (code, printed) == (2, "") and error.startswith("error: ")
        assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.ONNX", "onnx"),
        ("b.safetensors", "torch"),
        ("c.weights.h5", "keras"),
        ("d.keras", "keras"),
        ("model.ckpt-10.index", "tf1"),
    ],
)
def test_the_name_of_a_file_says_its_format(file, name, tmp_path):
    assert exchange._format_of(tmp_path / file) == name


@pytest.fixture
def layers(tmp_path):
    from ostinato import LSTM
    from ostinato.exchange import keras, tf1

    keras.write(LSTM(4, 3, bidirectional=True), tmp_path / "m.keras")
    keras.write(LSTM(4, 3, bidirectional=True), tmp_path / "m.weights.h5")
    tf1.write(LSTM(4, 3), tmp_path / "model.ckpt-7")
    return tmp_path


def test_models_of_keras_and_tensorflow_1_are_imported_described_and_exported(run, layers):
    for number, words in enumerate(
        [
            ["m.keras"],
            ["m.weights.h5", "--config", layers / "m.keras"],
            ["model.ckpt-7", "--forget-bias", "1.0"],
            ["model.ckpt-7.index", "--scope", "rnn", "--cell", "LSTMCell"],
        ]
    ):
        out = layers / str(number)
        code, printed, error = run("import", layers / words[0], *words[1:], "--out", out)
        assert (code, error) == (0, ""), error
        assert printed.startswith(f"written: {out}\nnote: ") and "could not be compared" in printed
        code, printed, error = run("info", out)
        assert code == 0 and "1 layer of `ostinato import`" in printed
        assert "recurrent, lstm, 4 to 3 units" in printed and "note: " in printed
        code, printed, _ = run("info", out, "--json")
        assert code == 0 and '"format": "ostinato layers"' in printed
    code, printed, error = run("export", layers / "0", "--to", "keras", "--out", layers / "b.keras")
    assert code == 0 and (layers / "b.keras").exists(), error
    code, printed, error = run("export", layers / "0", "--to", "tf1", "--out", layers / "b.ckpt")
    assert code == 0 and printed.count("written: ") == 2, error


def test_options_of_another_format_and_tasks_are_one_error(run, layers, trained):
    out = layers / "out"
    code, _, error = run("import", layers / "m.keras", "--scope", "rnn", "--out", out)
    assert code == 2 and "--scope is not an option of --from keras; leave it out" in error
    code, _, error = run("import", layers / "m.weights.h5", "--out", out)
    assert code == 2 and "--config" in error
    code, _, error = run("import", layers / "model.ckpt-7", "--forget-bias", "one", "--out", out)
    assert code == 2 and "write a number" in error
    for name in ("keras", "tf1"):
        code, _, error = run("export", trained, "--to", name, "--out", layers / "task.keras")
        assert code == 2 and "was given a Classifier; give layers" in error
    assert not out.exists() and not (layers / "task.keras").exists()


def test_an_import_never_writes_into_a_used_directory(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, error = run("import", "a.onnx", "--from", "onnx", "--out", tmp_path)
    assert code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_task_is_exported_as_onnx(run, trained, tmp_path):
    pytest.importorskip("onnxruntime")
    code, printed, error = run("export", trained, "--to", "onnx", "--out", tmp_path / "a.onnx")
    assert (code, printed, error) == (0, f"written: {tmp_path / 'a.onnx'}\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    code, _, error = run(
        "export", trained, "--to", "onnx", "--out", tmp_path / "b.onnx", "--network-only"
    )
    assert (code, error) == (0, "")


def test_an_option_of_another_format_is_one_error(run, trained, tmp_path, monkeypatch):
    from ostinato.exchange import onnx

    monkeypatch.setattr(onnx, "write", lambda model, path: None)
    code, _, error = run(
        "export", trained, "--to", "onnx", "--out", tmp_path / "a.onnx", "--network-only"
    )
    assert code == 2
    assert error == "error: --network-only is not an option of --to onnx; leave it out\n"


def test_layers_are_imported_and_exported(run, tmp_path):
    pytest.importorskip("onnxruntime")
    import ostinato
    from ostinato.exchange import onnx

    onnx.write(ostinato.GRU(3, 5, batch_first=True), tmp_path / "a.onnx")
    code, printed, error = run("import", tmp_path / "a.onnx", "--out", tmp_path / "layers")
    assert (code, printed, error) == (0, f"written: {tmp_path / 'layers'}\n", "")
    assert (tmp_path / "layers" / "config.json").exists()


def test_an_onnx_file_that_is_not_one_row_of_layers_is_one_error(run, tmp_path):
    pytest.importorskip("onnxruntime")
    import ostinato
    from ostinato.exchange import onnx

    onnx.write(ostinato.Recurrent("min_gru", 3, 5), tmp_path / "a.onnx")
    code, printed, error = run("import", tmp_path / "a.onnx", "--out", tmp_path / "layers")
    assert (code, printed) == (2, "") and error.count("\n") == 1
    assert "it has Scan, which cannot be read" in error
    (tmp_path / "b.onnx").write_bytes(b"not ONNX")
    code, printed, error = run("import", tmp_path / "b.onnx", "--out", tmp_path / "layers")
    assert (code, printed) == (2, "") and "damaged or not an ONNX file" in error
    assert not (tmp_path / "layers").exists()


def test_a_layer_is_exported_to_c_with_its_options(run, tmp_path):
    import ostinato
    from ostinato.exchange.directory import write_layers
    from ostinato.exchange.layer_stack import DenseSpec, LayerStack

    gru = ostinato.Recurrent("gru", 3, 4)
    write_layers(tmp_path / "layers", LayerStack({"gru": gru}))
    words = ["export", tmp_path / "layers", "--to", "c", "--out", tmp_path / "out.c"]
    code, printed, error = run(*words, "--weights", "int8", "--name", "net")
    assert (code, error) == (0, "")
    assert re.fullmatch(
        rf"written: {tmp_path}/net.c\nwritten: {tmp_path}/net.h\n"
        r"largest difference of a result that int8 weights make: \S+\n",
        printed,
    )
    code, printed, _ = run(*words, "--no-check")
    assert code == 0 and (tmp_path / "out.h").is_file()
    code, _, error = run(*words, "--weights", "int4")
    assert code == 2 and "weights='int4'" in error and "Traceback" not in error
    words[3] = "torch"
    for option in (["--weights", "int8"], ["--no-check"]):
        code, _, error = run(*words, *option)
        assert code == 2 and error.startswith(f"error: {option[0]} is not an option of --to torch")

    stack = LayerStack({"gru": gru, "dense": DenseSpec(4, 2)})
    write_layers(tmp_path / "more", stack)
    code, _, error = run("export", tmp_path / "more", "--to", "c", "--out", tmp_path / "more.c")
    assert code == 2 and "written of one recurrent layer, and these are recurrent, dense" in error
