"""The language model: options, training into a directory, and writing from it."""

import json
import math
from dataclasses import asdict

import pytest
import torch

from ostinato.cells.classic import CELLS
from ostinato.data.batching import EvaluationText
from ostinato.data.files import read_tensors, write_json, write_tensors
from ostinato.data.text import characters
from ostinato.errors import InputError
from ostinato.tasks import Generator, load
from ostinato.tasks.generate import GenerateOptions, LanguageModel, measure
from runs import without_time

TEXT = "되풀이되는 가락을 오스티나토라고 한다. An ostinato is a phrase that repeats.\n" * 40
SMALL = {"hidden": 15, "embedding": 7, "batch": 4, "sequence_length": 16, "steps": 24}


@pytest.fixture(scope="module")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(text_file, tmp_path_factory):
    """A model directory, and how its training ended."""
    out = tmp_path_factory.mktemp("trained") / "model"
    return out, train(text_file, out, **SMALL).result


def train(
    text,
    out=None,
    *,
    resume=False,
    given=frozenset(),
    checkpoint_seconds=10.0,
    watcher=None,
    **options,
):
    """A generator that has learned from a text."""
    return Generator(**options).fit(
        text,
        out=out,
        resume=resume,
        given=given,
        threads=1,
        checkpoint_seconds=checkpoint_seconds,
        watcher=watcher,
    )


def bits(result):
    return result.metrics["bits_per_character"]


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    "options, message",
    [
        ({"vocabulary": "words"}, r"--vocabulary words: Write one of character, byte-pair"),
        (
            {"vocabulary_size": 256},
            r"--vocabulary-size 256: write a whole number from 257 to 1000000, such as 1024",
        ),
        ({"hidden": 0}, r"--hidden 0: write a whole number from 1 to 16384, such as 256"),
        (
            {"sequence_length": 0},
            r"--sequence-length 0: write a whole number from 1 to 65536, such as 64",
        ),
        (
            {"learning_rate": math.nan},
            r"--learning-rate nan: write a number from 1e-09 to 10, such as 0.01",
        ),
        ({"held_out": 1}, r"--held-out 1: write a number from 0.001 to 0.9, such as 0.1"),
        ({"seconds": 0}, r"--seconds 0: write a number from 0.1 to 1e\+09$"),
        (
            {"steps": 5, "epochs": 2, "seconds": 1},
            r"--epochs 2 and --steps 5 and --seconds 1: a run has only one length; keep one of "
            r"them",
        ),
        (
            {"engine": "torch", "cell": "min_gru"},
            r"--engine torch with --cell min_gru: torch.nn only has elman, lstm, gru",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Generator(**options).fit(["a text"])


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_every_cell_makes_a_language_model_whose_state_carries_over(cell):
    torch.manual_seed(0)
    model = LanguageModel(11, GenerateOptions(cell=cell, hidden=7, layers=2, embedding=3)).eval()
    numbers = torch.randint(11, (3, 8))
    logits, state = model(numbers)
    assert logits.shape == (3, 8, 11)
    first, carried = model(numbers[:, :5])
    second, end = model(numbers[:, 5:], carried)
    torch.testing.assert_close(torch.cat([first, second], 1), logits)
    torch.testing.assert_close(end, state)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_torchs_layer_starts_as_the_same_network(cell, layers):
    models = []
    for engine in (None, "torch"):
        torch.manual_seed(3)
        models.append(
            LanguageModel(
                11, GenerateOptions(cell=cell, hidden=7, layers=layers, embedding=3, engine=engine)
            )
        )
    numbers = torch.randint(11, (3, 8))
    (logits, state), (torch_logits, torch_state) = (model(numbers) for model in models)
    torch.testing.assert_close(logits, torch_logits)
    torch.testing.assert_close(state, torch_state)
    ours, theirs = (
        sum(p.numel() for p in model.parameters() if p.requires_grad) for model in models
    )
    assert ours == theirs


def test_torchs_layer_in_the_same_loop_ends_with_the_same_bits(trained, text_file, tmp_path):
    _, ours = trained
    theirs = train(text_file, tmp_path / "torch", engine="torch", **SMALL)
    assert theirs.result.steps == ours.steps
    assert bits(theirs.result) == pytest.approx(bits(ours), rel=0.02)
    assert "".join(load(tmp_path / "torch").stream(length=9)) == "".join(theirs.stream(length=9))


# ---------------------------------------------------------------- training into a directory


def test_a_directory_holds_the_model_its_options_and_the_result(trained):
    out, result = trained
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.safetensors",
        "config.json",
        "history.csv",
        "learning_curve.png",
        "model.safetensors",
        "report.html",
        "vocabulary.json",
    ]
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (
        config["options"] == asdict(GenerateOptions(**SMALL))
        and config["result"]["metrics"] == result.metrics
    )
    assert result.steps == 24 and (result.rows, result.held_out_rows) == (
        round(len(TEXT) * 0.9),
        len(TEXT) - round(len(TEXT) * 0.9),
    )
    assert not result.stopped_early and bits(result) < result.history[0]["held_out_bits"]
    assert "Generated text" in (out / "report.html").read_text(encoding="utf-8")


def test_the_result_is_what_the_saved_model_reaches(trained, tmp_path):
    out, result = trained
    task = load(out)
    held_out = "".join(characters(TEXT)[round(len(TEXT) * 0.9) :])
    nats = measure(task.model, EvaluationText(task.vocabulary.encode(held_out)))
    wanted = {
        "bits_per_character": nats / math.log(2),
        "nats_per_character": nats,
        "perplexity": math.exp(nats),
    }
    assert result.metrics == pytest.approx(wanted, rel=1e-6)
    (tmp_path / "held_out.txt").write_text(held_out, encoding="utf-8")
    assert (
        task.evaluate(tmp_path / "held_out.txt")
        == task.evaluate([held_out])
        == pytest.approx(wanted, rel=1e-6)
    )


def test_the_same_seed_trains_the_same_model_and_another_another(trained, text_file, tmp_path):
    out, result = trained
    again, other = (
        train(text_file, tmp_path / "again", **SMALL),
        train([TEXT[:100], TEXT[100:]], seed=2, **SMALL),
    )
    assert bits(again.result) == bits(result) != bits(other.result)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        out / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("epochs, wanted", [(1, 1), (None, 10)])
def test_epochs_are_readings_of_the_text_ten_where_nothing_is_said(epochs, wanted):
    small = {name: value for name, value in SMALL.items() if name != "steps"}
    result = train([TEXT[:500]], epochs=epochs, patience=0, **small).result
    assert result.steps == math.ceil(wanted * 450 / 64)


def test_byte_pairs_count_bits_by_the_character(text_file, tmp_path):
    out = tmp_path / "m"
    result = train(text_file, out, vocabulary="byte-pair", vocabulary_size=300, **SMALL).result
    task = load(out)
    held_out = "".join(characters(TEXT)[round(len(TEXT) * 0.9) :])
    numbers = task.vocabulary.encode(held_out)
    assert len(numbers) < len(held_out)
    nats = measure(task.model, EvaluationText(numbers))
    assert bits(result) == pytest.approx(
        nats / math.log(2) * len(numbers) / len(held_out), rel=1e-6
    )
    assert result.metrics["perplexity"] == pytest.approx(math.exp(nats), rel=1e-6)
    assert len(characters("".join(task.stream("사과 zebra", length=40, seed=1)))) == 40
    assert 0 < len(characters("".join(task.stream("사과 zebra", length=40, beams=3)))) <= 40


@pytest.mark.parametrize(
    "options, size", [({}, 37), ({"vocabulary": "byte-pair", "vocabulary_size": 300}, 300)]
)
def test_a_text_read_in_tiny_chunks_gives_the_same_model(
    text_file, tmp_path, monkeypatch, options, size
):
    whole = train(text_file, tmp_path / "whole", **SMALL | options)
    monkeypatch.setattr("ostinato.data.text.CHUNK", size)
    monkeypatch.setattr("ostinato.data.encoding.HEAD", 4)
    chunked = train(text_file, tmp_path / "chunked", **SMALL | options)
    assert (
        without_time(chunked.result) == without_time(whole.result)
        and len([*chunked.read(text_file)]) > 10
    )
    assert (tmp_path / "chunked" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "Ω가락",
            "'Ω': not in the vocabulary, .* or train with --vocabulary byte-pair",
        ),
        ("가", "'the given text' is too short to evaluate: 1 characters; give a longer text"),
    ],
)
def test_a_text_that_cannot_be_measured_on_is_refused(trained, text, message):
    with pytest.raises(InputError, match=message):
        load(trained[0]).evaluate([text])


def test_a_short_text_is_refused_with_the_sizes_that_would_do(text_file, tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("짧은 글", encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"'.*short.txt' has 4 characters; 32 streams of 64 and the held-out part take 2286 "
        r"at "
        r"least: give a longer",
    ):
        train(short, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_directory_that_is_not_empty_is_left_alone(trained, text_file, tmp_path):
    out, _ = trained
    with pytest.raises(
        InputError, match="the directory is not empty; give another --out, or add --resume"
    ):
        train(text_file, out, **SMALL)
    (tmp_path / "mine.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(
            InputError,
            match="the directory is not empty; it does not contain a run; give another --out",
        ):
            train(text_file, tmp_path, **SMALL, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(InputError, match="a file of that name exists"):
        train(text_file, tmp_path / "mine.txt", **SMALL)
    with pytest.raises(InputError, match="cannot create this directory"):
        train(text_file, tmp_path / "mine.txt" / "below", **SMALL)


# ---------------------------------------------------------------- going on


def test_a_run_continues_with_its_own_options_where_none_are_given(
    trained, text_file, tmp_path, breaking
):
    _, whole = trained
    with pytest.raises(breaking.error):
        train(text_file, tmp_path / "m", **SMALL, checkpoint_seconds=0, watcher=breaking(11))
    result = train(text_file, tmp_path / "m", resume=True, checkpoint_seconds=0).result
    assert result.metrics == whole.metrics and result.steps == 24
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == (
        trained[0] / "model.safetensors"
    ).read_bytes()


def test_other_options_or_another_text_do_not_go_on(trained, text_file, tmp_path):
    out, _ = trained
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(
        InputError,
        match=r"--hidden 64 with --resume: the run in '.*' has --hidden 15; leave the option out",
    ):
        train(text_file, out, hidden=64, resume=True, given=frozenset({"hidden"}))
    with pytest.raises(
        InputError,
        match=r"--seconds 3 with --resume: the run in '.*' was started without --seconds",
    ):
        train(text_file, out, seconds=3, resume=True, given=frozenset({"seconds"}))
    other = tmp_path / "other.txt"
    other.write_text(TEXT + "!", encoding="utf-8")
    with pytest.raises(
        InputError,
        match="--resume: the data differs from that of the run in '.*'; give that data, or start a "
        "new "
        "run",
    ):
        train(other, out, **SMALL, resume=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_resume_of_a_finished_run_gives_its_result_again(trained, text_file):
    out, result = trained
    assert train(text_file, out, resume=True).result == result


def test_resume_with_nothing_begun_begins(text_file, tmp_path):
    out = tmp_path / "m"
    out.mkdir()
    (out / "vocabulary.json").write_text("{}")
    (out / ".config.json.unfinished").write_text("{")
    assert train(text_file, out, **SMALL, resume=True).result.steps == 24


# ---------------------------------------------------------------- writing


def test_text_is_written_by_the_seed_and_comes_as_it_is_drawn(trained):
    writer = load(trained[0])
    texts = ["".join(writer.stream("가락", length=63, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and all(len(characters(text)) == 63 for text in texts)
    endless = writer.stream("가락", length=10**9, seed=1)
    assert "".join(next(endless) for _ in range(63)) == texts[0]
    assert list(writer.stream(length=0)) == []


def test_streamed_text_follows_the_probabilities_of_the_whole(trained):
    writer = load(trained[0])
    text = "An ostinato "
    numbers = torch.from_numpy(writer.vocabulary.encode(text)).long()
    logits, _ = writer.model(numbers[None])
    likeliest = writer.vocabulary.tokens[int(logits[0, -1].argmax())]
    assert next(writer.stream(text, temperature=0.001)) == likeliest


def test_a_search_finds_likelier_text_than_is_drawn(trained):
    task = load(trained[0])
    prompt = "An ostinato "

    def read(text):
        numbers = torch.from_numpy(task.vocabulary.encode(prompt + text)).long()
        return task.model(numbers[None, :-1])[0][0, len(prompt) - 1 :], numbers[len(prompt) :]

    (greedy, taken), (searched, found) = (
        read("".join(task.stream(prompt, length=12, beams=beams))) for beams in (1, 8)
    )
    assert len(taken) == len(found) == 12 and torch.equal(greedy.argmax(1), taken)
    nats = torch.nn.functional.cross_entropy
    assert nats(searched, found) <= nats(greedy, taken)


def test_an_answer_is_what_follows_the_prompt(trained, tmp_path):
    task = load(trained[0])
    answers = task.predict_dicts(["가락", "An "])
    assert [answer["text"] for answer in answers] == [
        "".join(task.stream(prompt, length=200)) for prompt in ("가락", "An ")
    ]
    (tmp_path / "prompts.txt").write_text("가락\nAn \n", encoding="utf-8")
    assert task.predict_dicts(tmp_path / "prompts.txt") == answers and "\n" not in task.shown(
        {"text": "a\nb"}
    )
    # a line is what a line's end ends, and nothing else does
    (tmp_path / "prompts.txt").write_text("a\u2028b\x0cc\n\nd", encoding="utf-8")
    assert task.read(tmp_path / "prompts.txt", labelled=False)["prompt"] == [
        "a\u2028b\x0cc",
        "",
        "d",
    ]


def test_a_look_inside_is_at_the_prompt_and_what_comes_next(trained):
    inside = load(trained[0]).inside(["가\n"])
    assert (
        inside.x.shape == (1, 2, 7)
        and inside.tokens == ["가", "\\n"]
        and inside.output_of(inside.x[0]).shape == ()
    )
    assert inside.explained.endswith("as the next token")


def test_a_prompt_is_composed_as_the_text_was(trained):
    writer = load(trained[0])
    decomposed = "\u1100\u1161\u1105\u1161\u11a8"
    assert "".join(writer.stream(decomposed, length=20, seed=1)) == "".join(
        writer.stream("가락", length=20, seed=1)
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"length": -1},
            "--length -1: write the number of characters to generate, 0 or more, such as 500",
        ),
        (
            {"temperature": 0.0},
            "--temperature 0: write a number from 0.001 to 100; 0.01 takes the most probable token "
            "almost always",
        ),
        ({"temperature": -1.0}, "--temperature -1: "),
        ({"temperature": math.nan}, "--temperature nan: "),
        ({"seed": -5}, "--seed -5: write a whole number from 0 to"),
        ({"beams": 0}, "--beams 0: write a whole number from 1 to 1000, such as 5"),
        (
            {"prompt": "Ω"},
            "'Ω': not in the vocabulary, .* leave it out, or train with --vocabulary byte-pair",
        ),
        ({"prompt": "a\udcff"}, r"--prompt 'a\\udcff': the text is not valid UTF-8"),
    ],
)
def test_writing_with_what_cannot_be_used_is_refused_at_once(trained, arguments, message):
    with pytest.raises(InputError, match=message):
        load(trained[0]).stream(**arguments)


def copied(out, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in out.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def change(path, **changes):
    config = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, config | changes)


def test_a_model_that_is_not_whole_is_refused(trained, tmp_path):
    with pytest.raises(
        InputError, match="the model directory '.*nowhere' does not exist; give the --out"
    ):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=".*config.json' does not exist"):
        load(tmp_path)
    out = copied(trained[0], tmp_path)
    config, weights = out / "config.json", out / "model.safetensors"
    whole = config.read_bytes()
    for changes, message in (
        (
            {"format": "cake recipe"},
            "has format 'cake recipe' and task 'generate'; it should be 'ostinato task' and one "
            "of .*generate",
        ),
        (
            {"version": 7},
            "has format version 7 and this version of ostinato reads 1; use the version that wrote "
            "it",
        ),
        ({"options": {"hidden": "many"}}, r"has options that cannot be used \(--hidden many"),
        ({"options": {"colour": "red"}}, "has options that cannot be used"),
        (
            {"options": asdict(GenerateOptions(**SMALL | {"hidden": 16}))},
            "'.*model.safetensors' does not fit '.*config.json'",
        ),
    ):
        change(config, **changes)
        with pytest.raises(InputError, match=message):
            load(out)
        config.write_bytes(whole)
    config.write_bytes(whole[:50])
    with pytest.raises(
        InputError, match=r"'.*config.json' is not valid JSON: .* at line \d, column \d+"
    ):
        load(out)
    config.write_bytes(b"[1]")
    with pytest.raises(InputError, match="contains a list; it should contain a JSON object"):
        load(out)
    config.write_bytes(whole)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(
        InputError, match=r"model.safetensors' \(1000 bytes\) is truncated or damaged"
    ):
        load(out)
    weights.unlink()
    with pytest.raises(
        InputError,
        match="has no model yet; resume it: the same `ostinato train generate` command with "
        "--resume",
    ):
        load(out)


def test_a_pickle_in_place_of_the_weights_is_not_run(trained, tmp_path):
    out, ran = copied(trained[0], tmp_path), tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return open, (str(ran), "w")

    torch.save({"embedding.weight": Evil()}, out / "model.safetensors")
    with pytest.raises(InputError, match="is truncated or damaged"):
        load(out)
    assert not ran.exists()


def test_weights_that_are_not_numbers_are_refused(trained, tmp_path):
    out = copied(trained[0], tmp_path)
    tensors, _ = read_tensors(out / "model.safetensors")
    write_tensors(
        out / "model.safetensors", {name: tensor * math.nan for name, tensor in tensors.items()}
    )
    with pytest.raises(
        InputError,
        match=r"model.safetensors': '.*' has values that are not finite; restore the file",
    ):
        load(out)
    write_tensors(
        out / "model.safetensors",
        {name: torch.full_like(tensor, 1e38) for name, tensor in tensors.items()},
    )
    with pytest.raises(InputError, match="the model's output is not finite"):
        list(load(out).stream("가락", length=3))
