"""Many to many, aligned: a tag for each word."""

import gzip
import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from ostinato.data.annotated import read_tagged
from ostinato.data.spans import may_follow
from ostinato.errors import InputError
from ostinato.inspection import gradients
from ostinato.tasks import Tagger, load
from places import SHARED
from runs import without_time

DATA = SHARED / "data"
SMALL = {
    "hidden": 8,
    "embedding": 8,
    "character_embedding": 8,
    "character_hidden": 8,
    "epochs": 20,
    "patience": 0,
    "batch": 8,
    "learning_rate": 0.02,
    "dropout": 0.1,
}
# What "can" is, the word before it says; what ends in -ly or 게 is an adverb.
PATTERNS = [
    "the/D can/N opens/V",
    "they/P can/A open/V",
    "나는/P 빠르게/R 열다/V",
    "a/D can/N shuts/V quickly/R",
    "we/P can/A go/V slowly/R",
]
TAGGED = [[tuple(word.rsplit("/", 1)) for word in pattern.split()] for pattern in PATTERNS] * 8
WORDS = [[word for word, _ in row] for row in TAGGED]
TAGS = [[tag for _, tag in row] for row in TAGGED]


def table(path, words=WORDS, tags=TAGS):
    path.write_text(
        "\n".join("".join(f"{w}\t{t}\n" for w, t in zip(*pair)) for pair in zip(words, tags)),
        encoding="utf-8",
    )
    return path


def conllu(path, words, tags, extra=()):
    rows = [
        "\n".join(
            [
                "# text",
                *extra,
                *(
                    "\t".join([str(k), w, "_", t, t.lower(), *"_____"])
                    for k, (w, t) in enumerate(zip(*pair), 1)
                ),
            ]
        )
        for pair in zip(words, tags)
    ]
    path.write_bytes(gzip.compress(("\n\n".join(rows) + "\n").encode()))
    return path


def untold(answers):
    """Predictions without their confidence."""
    return [{name: answer[name] for name in ("words", "tags")} for answer in answers]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file, the directory of a model of it, and the task."""
    directory = tmp_path_factory.mktemp("tag")
    file = table(directory / "data.tsv")
    return file, directory / "model", Tagger(**SMALL).fit(file, out=directory / "model", threads=1)


# ---------------------------------------------------------------- what it learns


def test_a_tag_follows_from_the_words_around(trained):
    file, _, task = trained
    assert task.evaluate(file) == {"accuracy": 1.0, "unseen_accuracy": None}
    assert untold(task.predict_dicts(["they can open", ["the", "can"]])) == [
        {"words": ["they", "can", "open"], "tags": ["P", "A", "V"]},
        {"words": ["the", "can"], "tags": ["D", "N"]},
    ]


def test_an_unseen_word_is_known_by_its_characters_and_measured_apart(trained):
    words, tags = (
        [["they", "can", "shut", "badly"], ["나는", "크게", "열다"]],
        [["P", "A", "V", "R"], ["P", "R", "V"]],
    )
    found = trained[2].evaluate((words, tags))
    assert found["unseen_accuracy"] > 0.6 and found["accuracy"] > 0.8


def test_capital_letters_make_no_word_unseen(trained):
    assert trained[2].evaluate(([["The", "can"]], [["D", "N"]]))["unseen_accuracy"] is None


def test_a_rare_word_has_no_units_of_its_own_but_is_seen():
    task, often = (
        Tagger(**SMALL | {"epochs": 1, "held_out": 0.001, "min_count": least}).fit(
            (WORDS, TAGS), threads=1
        )
        for least in (2, 50)
    )
    # with the four special ones
    assert (
        task.metadata.embedded
        == len(task.vocabulary)
        == 4 + len({word for row in WORDS for word in row})
    )
    assert often.metadata.embedded == 4 and len(often.vocabulary) == len(task.vocabulary)
    assert often.evaluate((WORDS, TAGS))["unseen_accuracy"] is None
    assert all(
        row[0].tolist() == [1] * len(row[0]) for row in often.encode(often.read((WORDS, TAGS)))
    )


@pytest.mark.parametrize(
    "words, characters, letters",
    [
        (["학생이", "갔다"], "jamo", "ᆨ"),
        (["can", "갔다"], "grapheme", "n"),
    ],
)
def test_korean_is_read_in_the_letters_of_its_syllables(words, characters, letters):
    task = Tagger(**SMALL | {"epochs": 1}).fit(([words] * 8, [["N", "V"]] * 8), threads=1)
    assert task.options.characters == characters and letters in task.metadata.letters
    graphemes = Tagger(**SMALL | {"epochs": 1, "characters": "grapheme"}).fit(
        ([words] * 8, [["N", "V"]] * 8), threads=1
    )
    assert "갔" in graphemes.metadata.letters


def test_a_decomposed_word_is_the_composed_one(trained):
    decomposed = ["나는 빠르게"]
    assert trained[2].predict_dicts(decomposed)[0] == trained[2].predict_dicts(["나는 빠르게"])[0]


def test_spans_are_measured_where_tags_mark_them():
    words, tags = (
        [["I", "saw", "New", "York"], ["Kim", "saw", "me"]] * 8,
        [["O", "O", "B-LOC", "I-LOC"], ["B-PER", "O", "O"]] * 8,
    )
    found = Tagger(**SMALL | {"epochs": 60}).fit((words, tags), threads=1).evaluate((words, tags))
    assert list(found) == ["span_f1", "accuracy", "unseen_accuracy"] and found["span_f1"] == 1.0


# "new" begins or continues a place; the tags of two sentences depend on the word after it.
SPANS = {
    "IOB2": ["O O B-LOC I-LOC", "B-PER O O B-LOC I-LOC", "B-LOC I-LOC B-PER O"],
    "IOB1": ["O O I-LOC I-LOC", "I-PER O O I-LOC I-LOC", "I-LOC B-LOC I-PER O"],
    "BIOES": ["O O B-LOC E-LOC", "S-PER O O B-LOC E-LOC", "B-LOC E-LOC S-PER O"],
}
PLACES = ["we saw new york", "kim left for new jersey", "new york kim stayed"]


@pytest.mark.parametrize("scheme", SPANS)
@pytest.mark.parametrize("transitions", [True, False])
def test_predicted_spans_keep_to_the_scheme_of_the_training_data(scheme, transitions):
    words = [row.split() for row in PLACES] * 8
    tags = [row.split() for row in SPANS[scheme]] * 8
    task = Tagger(**SMALL | {"transitions": transitions}).fit(words, tags, threads=1)
    assert task.metadata.scheme == scheme and (task.model.crf is not None) == transitions
    draw = np.random.default_rng(1)
    vocabulary = sorted({word for row in words for word in row} | {"etwas", "서울"})
    found = task.predict_dicts([draw.choice(vocabulary, 12).tolist() for _ in range(200)])
    pairs = {pair for one in found for pair in pairwise(["O", *one["tags"], "O"])}
    if transitions:
        assert len(pairs) > 2 and all(may_follow(*pair, scheme) for pair in pairs)
    sure = [value for one in found for value in one["confidence"]]
    assert len(sure) == 200 * 12 and 0 < min(sure) < max(sure) <= 1


def test_the_weights_with_the_best_span_f1_are_kept():
    words = [row.split() for row in PLACES] * 8
    task = Tagger(**SMALL).fit(words, [row.split() for row in SPANS["IOB2"]] * 8, threads=1)
    assert task.goal == "span_f1" and task.result.metrics["span_f1"] == max(
        line["span_f1"] for line in task.result.history
    )
    assert task.score(words, [row.split() for row in SPANS["IOB2"]] * 8) == 1.0


def test_held_out_rows_without_spans_have_no_span_f1():
    words = [["we", "saw", "it"]] * 20 + [["new", "york"]]
    task = Tagger(**SMALL).fit(
        words, [["O"] * 3] * 20 + [["B-LOC", "I-LOC"]], test=(words[:3], [["O"] * 3] * 3), threads=1
    )
    assert list(task.result.metrics) == ["span_f1", "accuracy", "unseen_accuracy"]
    found = task.evaluate(words[:3], [["O"] * 3] * 3)
    assert found["accuracy"] == 1.0 and found["span_f1"] is None


def test_a_model_with_transitions_is_restored_and_resumed(tmp_path, breaking):
    words, tags = [row.split() for row in PLACES] * 8, [row.split() for row in SPANS["IOB2"]] * 8
    whole = Tagger(**SMALL).fit((words, tags), threads=1)
    with pytest.raises(breaking.error):
        Tagger(**SMALL).fit(
            (words, tags), out=tmp_path / "m", threads=1, checkpoint_seconds=0, watcher=breaking(7)
        )
    again = Tagger(**SMALL).fit((words, tags), out=tmp_path / "m", resume=True, threads=1)
    assert without_time(again.result) == without_time(whole.result)
    assert load(tmp_path / "m").predict_dicts(words[:3]) == again.predict_dicts(words[:3])


def test_predictions_are_written_as_conllu(trained, tmp_path):
    task = trained[2]
    answers = task.predict_dicts(["they can open", "나는 빠르게"])
    (tmp_path / "a.conllu").write_text("".join(task.conllu(answers)), encoding="utf-8")
    found = read_tagged(tmp_path / "a.conllu", column="xpos")
    assert list(found.words) == [answer["words"] for answer in answers]
    assert list(found.tags) == [answer["tags"] for answer in answers]
    first = (tmp_path / "a.conllu").read_text(encoding="utf-8").splitlines()[0].split("\t")
    assert first[9] == f"Confidence={answers[0]['confidence'][0]}"
    universal = Tagger(**SMALL | {"epochs": 1}).fit([["a", "b"]] * 8, [["DET", "NOUN"]] * 8)
    (sentence,) = universal.conllu([{"words": ["a b"], "tags": ["NOUN"], "confidence": [0.5]}])
    assert sentence == "1\ta b\t_\tNOUN\t_\t_\t_\t_\t_\tConfidence=0.5\n\n"
    with pytest.raises(InputError, match=r"word 'a\\tb' has a tab or a line break"):
        list(universal.conllu([{"words": ["a\tb"], "tags": ["NOUN"], "confidence": [0.5]}]))


def test_an_empty_sentence_has_no_tags(trained):
    assert trained[2].predict_dicts([""]) == [{"words": [], "tags": [], "confidence": []}]
    assert trained[2].predict_dicts(["", "they can", ""])[1]["tags"] == ["P", "A"]
    assert trained[2].predict_dicts([]) == []
    Tagger(**SMALL | {"epochs": 1, "batch": 1}).fit(
        (WORDS[:5] + [[]] * 3, TAGS[:5] + [[]] * 3), threads=1
    )


def test_words_that_spell_marks_are_words(trained):
    ((numbers, spelled, _),) = trained[2].encode(
        trained[2].read(["<pad> <unknown> <start>"], labelled=False)
    )
    assert numbers.tolist() == [1, 1, 1] and len(set(spelled)) == 3


def test_a_word_is_spelled_once_however_often_it_is_there(trained):
    rows = trained[2].encode(trained[2].read((WORDS, TAGS)))
    *_, spelled, lengths, tags = trained[2].collate(rows)
    assert len(spelled) == 1 + len({word for row in WORDS for word in row}) and len(tags) == sum(
        map(len, WORDS)
    )
    assert lengths[0] == 0


def test_a_score_does_not_depend_on_the_sentences_next_to_it(trained, close):
    task = trained[2]
    alone, together = (
        task.encode(task.read(rows, labelled=False))
        for rows in (["they can"], ["they can", "a b c d e f g h " * 5, ""])
    )
    with torch.no_grad():
        close(task.scores(task.collate(together))[:2], task.scores(task.collate(alone)))


def test_padding_changes_no_gradient(trained):
    task = Tagger(**SMALL | {"epochs": 1, "dropout": 0.0, "word_dropout": 0.0}).fit(
        (WORDS, TAGS), threads=1
    )
    words, places, lengths, spelled, spelled_lengths, tags = task.collate(
        task.encode(task.read((WORDS, TAGS)))
    )
    found = []
    for more in (0, 9):
        wider = [torch.nn.functional.pad(one, (0, more)) for one in (words, places, spelled)]
        task.model.zero_grad()
        loss, count = task.loss((*wider[:2], lengths, wider[2], spelled_lengths, tags))
        loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in task.model.parameters()]))
    assert count == sum(map(len, WORDS))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm_projected", "min_gru"])
def test_any_cell_can_be_taken(cell):
    task = Tagger(**SMALL | {"cell": cell, "epochs": 1, "layers": 2}).fit((WORDS, TAGS), threads=1)
    assert len(task.predict_dicts(["the can"])[0]["tags"]) == 2


def test_torchs_layers_learn_the_same():
    still = SMALL | {"epochs": 2, "dropout": 0.0, "word_dropout": 0.0}
    ours, theirs = (
        Tagger(**still, engine=engine).fit((WORDS, TAGS), threads=1) for engine in (None, "torch")
    )
    one, other = ([entry["nats"] for entry in task.result.history] for task in (ours, theirs))
    assert one == pytest.approx(other, abs=1e-3)


# ---------------------------------------------------------------- files and runs


def test_a_directory_gives_the_same_answers(trained, tmp_path):
    _, out, task = trained
    assert "report.html" in {path.name for path in out.iterdir()}
    assert load(out).predict_dicts(WORDS) == task.predict_dicts(WORDS)
    task.save(tmp_path / "again")
    assert load(tmp_path / "again").predict_dicts(["나는 크게 badly"]) == task.predict_dicts(
        ["나는 크게 badly"]
    )


@pytest.mark.parametrize("step", [1, 5, 50])
def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path, step):
    file, _, whole = trained
    with pytest.raises(breaking.error):
        Tagger(**SMALL).fit(
            file, out=tmp_path / "m", threads=1, checkpoint_seconds=0.0, watcher=breaking(step)
        )
    again = Tagger(**SMALL).fit(file, out=tmp_path / "m", resume=True, threads=1)
    assert without_time(again.result) == without_time(whole.result)


def test_a_file_read_in_tiny_chunks_gives_the_same_model(trained, monkeypatch):
    file, _, whole = trained
    monkeypatch.setattr("ostinato.data.text.CHUNK", 50)
    monkeypatch.setattr("ostinato.data.disk.ROWS_AT_ONCE", 3)
    chunked = Tagger(**SMALL).fit(file, threads=1)
    assert without_time(chunked.result) == without_time(whole.result) and chunked.predict_dicts(
        file
    ) == whole.predict_dicts(WORDS)


def test_conllu_is_read_and_its_other_tags_can_be_chosen(tmp_path):
    file = conllu(
        tmp_path / "data.conllu.gz", WORDS, TAGS, extra=["\t".join(["1-2", "theycan", *"________"])]
    )
    upos, xpos = (
        Tagger(**SMALL | {"epochs": 1, "column": column}).fit(file, threads=1)
        for column in (None, "xpos")
    )
    assert upos.metadata.tags == sorted("ADNPRV") and xpos.metadata.tags == sorted("adnprv")
    assert upos.metadata.columns == {"word": "form", "tag": "upos"}
    assert [answer["words"] for answer in xpos.predict_dicts(file)] == WORDS


def test_files_without_tags_are_tagged(trained, tmp_path):
    (tmp_path / "words.tsv").write_text("they\ncan\n\nthe\ncan\n", encoding="utf-8")
    (tmp_path / "lines.txt").write_text("they can\n\nthe can\n", encoding="utf-8")
    assert [answer["words"] for answer in trained[2].predict_dicts(tmp_path / "words.tsv")] == [
        ["they", "can"],
        ["the", "can"],
    ]
    assert [answer["words"] for answer in trained[2].predict_dicts(tmp_path / "lines.txt")] == [
        ["they", "can"],
        [],
        ["the", "can"],
    ]
    chosen = Tagger(**SMALL | {"epochs": 1, "column": "1"}).fit(trained[0], threads=1)
    assert len(chosen.predict_dicts(tmp_path / "words.tsv")) == 2


def test_the_command_line_trains_tags_and_tells(ostinato, tmp_path):
    file = table(tmp_path / "data.tsv")
    words = [
        word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    code, out, err = ostinato("train", "tag", file, "--out", "m", "--threads", 1, *words)
    assert code == 0 and "36 rows, 100 steps" in out and "unseen accuracy" in out, out + err
    assert "characters grapheme" in err.replace("\n", " ")
    lines = ostinato("predict", "m", given="they can open\n\n나는 빠르게\n")[1]
    assert lines == "they/P can/A open/V\n\n나는/P 빠르게/R\n"
    assert ostinato("predict", "m", file)[1].splitlines() == PATTERNS * 8
    code, out, _ = ostinato("predict", "m", "--json", given="the can\n")
    assert code == 0 and untold([json.loads(out)]) == [
        {"words": ["the", "can"], "tags": ["D", "N"]}
    ]
    assert json.loads(ostinato("evaluate", "m", file, "--json")[1])["accuracy"] == 1.0


def test_the_report_has_what_went_wrong_and_what_is_rare(trained):
    _, out, task = trained
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "always V" in page and "Rarest tag: " in page and "Longest" in page
    parts = task.report_parts(task.read((WORDS[:5] + [["they", "can"]], TAGS[:5] + [["P", "?"]])))
    (wrong,) = parts["examples"]["Most confident errors"]
    assert 0 < float(wrong.pop("probability")) <= 1
    assert wrong == {
        "true tag": "?",
        "predicted": "A",
        "word": "can",
        "seen in training": "yes",
        "sentence": "they [can]",
    }
    assert parts["confusion"][1].sum() == sum(map(len, WORDS[:5])) + 1


def test_the_layer_over_the_words_can_be_looked_into(trained):
    inside = trained[2].inside(["they can open"])
    assert (
        inside.tokens == ["they", "can", "open"]
        and inside.x.shape == (1, 3, 24)
        and "lowest confidence" in inside.explained
    )
    assert gradients(inside.output_of, inside.x[0]).shape == (3,)


def test_the_tag_that_is_looked_into_is_the_predicted_one():
    task = Tagger(**SMALL | {"transitions": True}).fit(
        WORDS, [[tag for _, tag in row] for row in TAGGED], threads=1
    )
    with torch.no_grad():
        # no tag but A may end a sentence, whatever the network says
        for tag in set(task.metadata.tags) - {"A"}:
            task.model.crf.transitions[task.metadata.tags.index(tag), -1] = -1e4
    (answer,) = task.predict_dicts(["can"])
    assert answer["tags"] == ["A"]
    assert task.inside(["can"]).explained.startswith("score of A for 'can'")


def test_words_in_square_brackets_are_words_to_be_looked_at(trained, ostinato):
    code, printed, err = ostinato("inspect", trained[1], "they [bold] can [/b]")
    assert (code, err) == (0, "") and "[bold]" in printed and "[/b]" in printed


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "data, message",
    [
        (
            ([["a", "b"]] * 2, [["x", "x"]] * 2),
            "the given sentences: all words have the tag 'x'; a tagger needs two tags or more",
        ),
        (
            ([[], []], [[], []]),
            "the given sentences: 0 samples; at least two are needed for training",
        ),
        (
            ([["a"], ["b"]], [["x"]]),
            "2 sentences and 1 rows of tags; give a row of tags for each sentence",
        ),
        (
            ([["a"], ["b", "c"]], [["x"], ["y"]]),
            "sentence 2 has 2 words and 1 tags; give a tag for each word",
        ),
        (([["a"], ["b", ""]], [["x"], ["y", "z"]]), "sentence 2: word 2 is empty; leave it out"),
        (
            ([["a"], ["b", "\udcff"]], [["x"], ["y", "z"]]),
            r"'\\udcff': the text is not valid UTF-8",
        ),
        (([["a"], ["b", None]], [["x"], ["y", "z"]]), "None is not text"),
        (([["a"]], [["x"]]), "the given sentences: 1 sample; at least two are needed for training"),
    ],
)
def test_data_that_nothing_can_be_learned_from_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        Tagger(**SMALL).fit(data)


def test_tags_unseen_in_training_count_as_wrong_and_are_counted(trained):
    found = trained[2].evaluate(([["they", "can", "open"]], [["P", "A", "?"]]))
    assert found["accuracy"] == pytest.approx(2 / 3) and found["labels_unseen"] == 1


def test_a_file_without_tags_is_refused_where_they_are_wanted(trained, tmp_path):
    (tmp_path / "words.tsv").write_text("they\ncan\n", encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"words.tsv' has words and no tags; write a tab and the tag after each word",
    ):
        trained[2].evaluate(tmp_path / "words.tsv")
    with pytest.raises(InputError, match="column='lemma': .* has 2 columns"):
        Tagger(**SMALL | {"column": "lemma"}).fit(trained[0])


def test_an_empty_sentence_cannot_be_looked_into(trained):
    with pytest.raises(
        InputError, match="an empty sentence has no words to inspect; give a longer sentence"
    ):
        trained[2].inside([""])


@pytest.mark.parametrize(
    "words, message",
    [
        ("train tag none.tsv --out m", "none.tsv' does not exist"),
        ("train tag FILE --out m --characters jamos", "--characters jamos: did you mean jamo"),
        ("train tag FILE --out m --column 7", "column='7': .* has 2 columns"),
        (
            "train tag FILE --out MODEL --resume --min-count 3",
            "--min-count 3 with --resume: the run in '.*' has --min-count 2",
        ),
    ],
)
def test_wrong_input_is_one_error(trained, ostinato, tmp_path, words, message):
    file, out, _ = trained
    code, printed, err = ostinato(
        *({"FILE": file, "MODEL": out}.get(word, word) for word in words.split())
    )
    assert code == 2 and printed == "" and err.startswith("error: ") and "Traceback" not in err
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(InputError, match=message):
        raise InputError(err)


# ---------------------------------------------------------------- real data


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_korean_words_are_tagged_from_two_readings_of_a_treebank():
    file = DATA / "small" / "ud_ko_gsd" / "train.tsv"
    task = Tagger(hidden=48, embedding=32, character_hidden=32, epochs=6).fit(file, threads=1)
    assert (
        task.options.characters == "jamo"
        and task.evaluate(file.with_name("test.tsv"))["accuracy"] > 0.6
    )
