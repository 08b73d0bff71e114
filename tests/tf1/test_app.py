"""Flags, files and options of a program."""

import sys

import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError
from ostinato.tf1.app.flags import FlagValues


@pytest.fixture
def flags(monkeypatch):
    values = FlagValues()
    tf.flags.DEFINE_string("data_dir", "data", "where files are", values)
    tf.flags.DEFINE_integer("batch_size", 20, "rows of a step", flag_values=values)
    tf.flags.DEFINE_float("lr", 0.1, "learning rate", flag_values=values)
    tf.flags.DEFINE_boolean("train", True, "whether to train", flag_values=values)
    tf.flags.DEFINE_enum("cell", "lstm", ["lstm", "gru"], "the cell", flag_values=values)
    tf.flags.DEFINE_list("layers", "8,16", "sizes", flag_values=values)
    return values


def test_flags_have_their_defaults_until_the_command_line_changes_them(flags):
    assert flags(["program"]) == ["program"]
    assert (flags.data_dir, flags.batch_size, flags.lr, flags.train) == ("data", 20, 0.1, True)
    line = ["program", "--batch_size=32", "-lr", "0.5", "--notrain", "rest", "--cell", "gru"]
    assert flags(line) == ["program", "rest"]
    assert (flags.batch_size, flags.lr, flags.train, flags.cell) == (32, 0.5, False, "gru")
    assert flags.layers == ["8", "16"] and flags.flag_values_dict()["lr"] == 0.5
    flags.lr = 0.25
    assert flags.lr == 0.25


def test_flags_are_read_when_a_value_is_asked_for(flags, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "--batch_size", "7", "--unknown=1"])
    assert flags.batch_size == 7


@pytest.mark.parametrize(
    "line, message",
    [
        (["--batch_size=many"], "--batch_size=many.*integer"),
        (["--cell=rnn"], "one of lstm, gru"),
        (["--train=maybe"], "give true or false"),
        (["--lr"], "Missing value for flag --lr"),
        (["--epochs=3"], "Unknown command line flag 'epochs'.*--batch_size"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(flags, line, message):
    with pytest.raises(InputError, match=message):
        flags(["program", *line])


def test_a_flag_is_defined_once_and_a_missing_one_is_an_error(flags):
    with pytest.raises(InputError, match="'lr' is defined twice"):
        tf.flags.DEFINE_float("lr", 1.0, "", flag_values=flags)
    with pytest.raises(AttributeError, match="unknown flag 'epochs'"):
        flags.epochs  # noqa: B018
    flags["data_dir"].required, flags["data_dir"].value = True, None
    with pytest.raises(InputError, match="--data_dir must have a value"):
        flags(["program"])


def test_a_program_runs_its_main_function_and_exits():
    called = []
    with pytest.raises(SystemExit) as ended:
        tf.app.run(lambda argv: called.append(argv), ["program", "rest"])
    assert called == [["program", "rest"]] and ended.value.code is None


def test_files_are_read_written_and_listed(tmp_path):
    folder = tmp_path / "a" / "b"
    tf.gfile.MakeDirs(folder)
    with tf.gfile.GFile(folder / "text.txt", "w") as file:
        file.write("하나\n둘\n")
    with tf.gfile.Open(folder / "text.txt") as file:
        assert file.readline() == "하나\n" and file.read() == "둘\n" and file.size() == 11
    with tf.gfile.GFile(folder / "text.txt", "rb") as file:
        assert list(file)[1] == "둘\n".encode()
    tf.gfile.Copy(folder / "text.txt", folder / "copy.txt")
    tf.gfile.Rename(folder / "copy.txt", folder / "other.txt")
    assert tf.gfile.ListDirectory(folder) == ["other.txt", "text.txt"]
    assert tf.gfile.Glob(str(folder / "*.txt")) == [
        str(folder / "other.txt"),
        str(folder / "text.txt"),
    ]
    assert tf.gfile.Stat(folder / "text.txt").length == 11 and tf.gfile.IsDirectory(folder)
    tf.gfile.Remove(folder / "text.txt")
    assert not tf.gfile.Exists(folder / "text.txt")
    with pytest.raises(tf.errors.NotFoundError, match="text.txt; No such file"):
        tf.gfile.GFile(folder / "text.txt").read()
    with pytest.raises(tf.errors.AlreadyExistsError, match="overwrite=True"):
        tf.gfile.Copy(folder / "other.txt", folder / "other.txt")
    tf.gfile.DeleteRecursively(tmp_path / "a")
    assert not tf.gfile.Exists(tmp_path / "a")


def test_options_of_a_session_are_accepted():
    config = tf.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    config.gpu_options.per_process_gpu_memory_fraction = 0.5
    with tf.Session(config=config) as sess, tf.device("/cpu:0"):
        assert sess.run(tf.constant(2) * 3) == 6
    assert config.gpu_options.allow_growth is True and tf.GPUOptions(x=1).x == 1


def test_hyperparameters_are_attributes_of_their_types():
    params = tf.contrib.training.HParams(units=64, lr=0.1, cell="lstm", train=True)
    params.parse("units=128,lr=0.5,train=false")
    assert params.values() == {"units": 128, "lr": 0.5, "cell": "lstm", "train": False}
    assert "units" in params and params.get("depth", 2) == 2
    with pytest.raises(InputError, match="depth"):
        params.parse("depth=3")
    with pytest.raises(InputError, match="reserved: lr"):
        params.add_hparam("lr", 1)


def test_programs_print_the_flags_by_a_hidden_name(flags):
    assert {n: f.value for n, f in getattr(flags, "__flags").items()}["batch_size"] == 20


def test_the_only_device_is_a_cpu():
    (device,) = tf.namespace("python.client.device_lib").list_local_devices()
    assert (device.name, device.device_type) == ("/device:CPU:0", "CPU")
    assert tf.namespace("core.protobuf.rewriter_config_pb2").RewriterConfig().optimizers is not None


def test_the_debugger_can_be_imported_and_says_that_it_is_not_provided():
    debug = tf.namespace("python.debug")
    assert debug.has_inf_or_nan(None, [1.0, float("inf")])
    assert not debug.has_inf_or_nan(None, [1.0, 2.0]) and not debug.has_inf_or_nan(None, ["a"])
    with pytest.raises(tf.NotProvided, match="use tf.Print"):
        debug.LocalCLIDebugWrapperSession(None)


def test_the_projector_file_names_the_embeddings(tmp_path):
    projector = tf.contrib.tensorboard.plugins.projector
    config = projector.ProjectorConfig()
    config.embeddings.add(tensor_name="embedding:0", metadata_path="words.tsv")
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        projector.visualize_embeddings(writer, config)
    assert (tmp_path / "projector_config.pbtxt").read_text() == (
        'embeddings {\n  tensor_name: "embedding:0"\n  metadata_path: "words.tsv"\n}\n'
    )
    with pytest.raises(InputError, match="give a tf.summary.FileWriter"):
        projector.visualize_embeddings(None, config)


def test_variables_are_counted_and_printed(capsys):
    tf.reset_default_graph()
    tf.get_variable("w", [3, 2])
    tf.get_variable("b", [])
    analyze = tf.contrib.slim.model_analyzer.analyze_vars
    assert analyze(tf.trainable_variables()) == (7, 28) and not capsys.readouterr().out
    analyze(tf.trainable_variables(), print_info=True)
    shown = capsys.readouterr().out.splitlines()
    assert shown[3:] == [
        "w:0 (float32_ref 3x2) [6, bytes: 24]",
        "b:0 (float32_ref) [1, bytes: 4]",
        "Total size of variables: 7",
        "Total bytes of variables: 28",
    ]
