"""Sentences with tags, clips, and pictures are read as they are written, and what is wrong in one
is named.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ostinato.data.annotated import read_clips, read_pictures, read_tagged
from ostinato.data.npz import read_arrays, read_labelled_arrays
from ostinato.data.readers import read_labelled
from ostinato.errors import InputError
from places import SHARED

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="../shared/data is missing next to this checkout"
)

CONLLU = """# text = 나는 don't 간다
1\t나는\t나\tPRON\tnpp\t_\t0\troot\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t1\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
3.1\tgone\tgo\tVERB\tVBN\t_\t_\t_\t_\t_

# text = 가
1\t가\t가\tVERB\tpvg\t_\t0\troot\t_\t_
"""


@pytest.fixture
def save(tmp_path):
    """Write an npz file of some arrays; give its path."""

    def save(**arrays) -> Path:
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return save


# ---------------------------------------------------------------- arrays


def test_text_in_arrays_is_composed(save):
    assert read_arrays(save(names=np.array([["e\u0301", "한글"]])))["names"].tolist() == [
        ["é", "한글"]
    ]
    assert read_arrays(save(names=np.array([], dtype="U3")))["names"].shape == (0,)


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize("saved", [np.savez, np.savez_compressed])
def test_arrays_of_any_kind_and_order_are_what_was_saved(tmp_path, monkeypatch, saved, block):
    monkeypatch.setattr("ostinato.data.disk.BLOCK_BYTES", block)
    arrays = {
        "rows": np.arange(24.0).reshape(4, 3, 2),
        "columns": np.asfortranarray(np.arange(24, dtype=np.int8).reshape(4, 3, 2)),
        "one": np.array(7),
        "none": np.zeros((0, 3)),
        "flat": np.zeros((3, 0)),
        "text": np.array([["a", "bcd"], ["", "가"]]).T,
        "big": np.arange(5, dtype=">i4"),
        "fields": np.zeros(2, [("é", int)]),
    }
    saved(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (
            found[name].shape == array.shape
            and found[name].dtype == array.dtype
            and np.array_equal(np.asarray(found[name]), array)
        )


def test_composed_text_may_be_longer_than_what_was_written(save):
    assert read_arrays(save(x=np.array(["\u0958"])))["x"].tolist() == ["\u0915\u093c"]


def test_an_array_of_less_than_it_says_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        content = io.BytesIO()
        np.save(content, np.arange(9))
        archive.writestr("x.npy", content.getvalue()[:-8])
    with pytest.raises(InputError, match="is damaged at the array 'x' .the file ends 9 rows early"):
        read_arrays(tmp_path / "a.npz")


def test_pickled_objects_are_never_loaded(save):
    with pytest.raises(
        InputError,
        match=r"'names' contains Python objects, which are never loaded; .*array\(names, "
        r"dtype=str\)",
    ):
        read_arrays(save(x=np.zeros(2), names=np.array(["a", None], dtype=object)))


def test_an_npz_file_that_is_not_whole_is_refused(save, write):
    content = save(x=np.arange(999)).read_bytes()
    for broken in (content[:999], b"PK", b"\x80\x04N."):
        with pytest.raises(
            InputError, match=rf"b\.npz' \({len(broken)} bytes\) is truncated or not an npz file"
        ):
            read_arrays(write("b.npz", broken))
    with pytest.raises(InputError, match=r"b\.npz' is damaged at the array 'x' \(Bad CRC"):
        read_arrays(write("b.npz", content[:2000] + b"\xff" + content[2001:]))
    with pytest.raises(InputError, match=r"is empty \(0 bytes\)"):
        read_arrays(write("b.npz", b""))


@pytest.mark.parametrize(
    "x, lengths, shapes",
    [
        (np.zeros((2, 3)), None, [(3, 1), (3, 1)]),
        (np.zeros((2, 3, 4)), None, [(3, 4)] * 2),
        (np.zeros((2, 3, 4, 5)), None, [(3, 20)] * 2),
        (np.zeros((2, 3, 4)), [3, 0], [(3, 4), (0, 4)]),
        (np.zeros((5, 4)), [3, 2], [(3, 4), (2, 4)]),
        (np.zeros(5), [1, 4], [(1, 1), (4, 1)]),
        (np.zeros((2, 3)), [1, 3], [(1, 1), (3, 1)]),
    ],
)
def test_sequences_come_from_one_array(save, x, lengths, shapes):
    arrays = {"x": x} if lengths is None else {"x": x, "lengths": np.array(lengths)}
    data = read_labelled_arrays(save(**arrays))
    assert [row.shape for row in data.numbers] == shapes and {
        row.dtype for row in data.numbers
    } == {np.dtype(np.float32)}
    assert data.labels is None


def test_labels_are_text_or_numbers_with_names_or_without(save):
    x = np.zeros((2, 3))
    assert read_labelled(save(x=x, y=np.array([2, 0]))).labels == ["2", "0"]
    assert read_labelled(save(x=x, label=np.array(["한", " b "]))).labels == ["한", "b"]
    path = save(q=x, y=np.array([1, 0]), names=np.array(["no", "yes"]))
    assert read_labelled(path, columns=["q"], label="y").labels == ["yes", "no"]


@pytest.mark.parametrize(
    "arrays, given, message",
    [
        (
            {"z": np.zeros((2, 3))},
            {},
            r"has no array 'x'; it has 'z'; name the array of numbers: columns=",
        ),
        ({"x": np.zeros((2, 3))}, {"label": "lab"}, "has no array 'lab'; it has 'x'"),
        ({"x": np.array(["a"])}, {}, "'x' has dtype <U1; it should be numeric"),
        ({"x": np.array([[0, np.nan]])}, {}, r"x\[0, 1\] is nan; remove such rows"),
        ({"x": np.array([[1e300, 0]])}, {}, r"x\[0, 0\] is inf"),
        ({"x": np.zeros(3)}, {}, r"'x' has shape \(3,\); it should be \(N, T\) or \(N, T, F\)"),
        ({"x": np.zeros((0, 3))}, {}, r"'x' has shape \(0, 3\)"),
        (
            {"x": np.zeros((2, 3)), "lengths": np.array([4, 1])},
            {},
            r"'x' has shape \(2, 3\), and the 2 'lengths' sum to 5",
        ),
        (
            {"x": np.zeros((2, 3)), "lengths": np.array([-1, 3])},
            {},
            r"'lengths' has dtype int64 and shape \(2,\); it should be integers",
        ),
        (
            {"x": np.zeros((2, 3)), "y": np.zeros(3, int)},
            {},
            r"'y' has dtype int64 and shape \(3,\); it should be \(2,\) integers",
        ),
        (
            {"x": np.zeros((2, 3)), "y": np.array([1, 2]), "names": np.array(["a", "b"])},
            {},
            "'y' ranges from 1 to 2, and .* 2 'names'",
        ),
        ({"x": np.zeros((2, 3)), "y": np.array(["a", " "])}, {}, r"y\[1\] is an empty label"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(save, arrays, given, message):
    with pytest.raises(InputError, match=message):
        read_labelled(save(**arrays), **given)


# ---------------------------------------------------------------- words with tags


@pytest.mark.parametrize("name", ["a.tsv", "a.txt.gz"])
def test_words_have_tags_next_to_them(write, name):
    data = read_tagged(write(name, "\nI\tPRON\r\ngo\tVERB\n \n\n가\tVERB"))
    assert data.words == [["I", "go"], ["가"]] and data.tags == [["PRON", "VERB"], ["VERB"]]
    assert data.columns == {"word": "0", "tag": "1"}


def test_words_need_no_tags(write):
    data = read_tagged(write("a.txt", "#\nI\ngo\n\ne\u0301\n"))
    assert (
        data.words == [["#", "I", "go"], ["é"]]
        and data.tags is None
        and data.columns == {"word": "0"}
    )


def test_tags_of_more_columns_are_chosen(write):
    data = read_tagged(write("a.tsv", "I\tPRON\tO\ngo\tVERB\tB\n"), column=2)
    assert data.tags == [["O", "B"]] and data.columns["tag"] == "2"


@pytest.mark.parametrize(
    "column, tags",
    [
        (None, [["PRON", "AUX", "PART"], ["VERB"]]),
        ("XPOS", [["npp", "VBP", "RB"], ["pvg"]]),
        ("7", [["root", "aux", "advmod"], ["root"]]),
    ],
)
def test_conllu_leaves_out_comments_ranges_and_empty_nodes(write, column, tags):
    for name in ("a.conllu", "a.conllu.gz"):
        data = read_tagged(write(name, CONLLU), column=column)
        assert data.words == [["나는", "do", "n't"], ["가"]] and data.tags == tags
    assert data.columns == {"word": "form", "tag": {None: "upos", "XPOS": "xpos", "7": "7"}[column]}


def test_conllu_whose_tags_are_not_written_yet_has_none(write):
    assert read_tagged(write("a.conllu", CONLLU), column=5).tags is None


@pytest.mark.parametrize(
    "name, content, column, message",
    [
        ("a.tsv", "", None, r"is empty: it has no text \(0 bytes\)"),
        ("a.conllu", "# only\n", None, "has only comments and no words"),
        (
            "a.tsv",
            "I\tPRON\ngo\n",
            None,
            "line 2 has 1 columns, and line 1 has 2; separate columns by tabs",
        ),
        (
            "a.tsv",
            "I\tPRON\n\tVERB\n",
            None,
            "line 2 has no word; write it, or an empty line to end",
        ),
        ("a.tsv", "I\tPRON\ngo\t\n", None, "line 2 has no tag"),
        (
            "a.tsv",
            "a\tb\tc\n",
            None,
            "has 3 columns .*; name the column of the tags: --column 1 to --column 2",
        ),
        (
            "a.tsv",
            "a\tb\n",
            2,
            "column=2: .* has 2 columns; give a number of 1 to 1, the words are column 0",
        ),
        ("a.tsv", "a\tb\n", "upos", "column='upos'"),
        ("a.conllu", "1\tI\tI\tPRON\n", None, "line 1 has 4 columns, and CoNLL-U has 10"),
        ("a.conllu", CONLLU, "pos", "column='pos': .* give 'upos' or 'xpos' or a number"),
        ("a.conllu", CONLLU, 1, "but not 1, the column of the words"),
        (
            "a.conllu",
            CONLLU.replace("AUX", "_"),
            None,
            "line 4 has '_' as its tag, and other lines have tags",
        ),
        ("a.tsv", "I\tPRON\n가\tVERB\n".encode("euc-kr"), None, r"is not UTF-8: byte 7 \(line 2\)"),
    ],
)
def test_sentences_that_are_broken_are_refused(write, name, content, column, message):
    with pytest.raises(InputError, match=message):
        read_tagged(write(name, content), column=column)


# ---------------------------------------------------------------- clips of frames


GRID = {
    "x": np.arange(24, dtype=np.int8).reshape(3, 4, 2),
    "slot": np.array([[0, 0, 1, 1]] * 3, np.uint8),
    "word": np.array([[0, 0, 2, 2]] * 3),
    "names": np.array(["p", "q", "r"]),
    "vocab": np.array(["a", "b", "c"]),
    "slots": np.array(["sil", "verb"]),
    "train": np.array([2, 0]),
    "test": np.array([1]),
}


def test_clips_have_labels_and_what_they_are_called(save):
    data = read_clips(save(**GRID))
    assert (
        [clip.shape for clip in data.clips] == [(4, 2)] * 3
        and data.clips[0].dtype == np.float32
        and data.clips[2].max() == 23
    )
    assert (
        data.labels[0].tolist() == [0, 0, 1, 1]
        and data.labels[0].dtype == np.int64
        and data.classes == ["sil", "verb"]
    )
    assert data.names == ["p", "q", "r"] and data.columns == {"numbers": "x", "label": "slot"}
    assert read_clips(save(**GRID), label="word").classes == ["a", "b", "c"]


def test_a_part_of_the_clips_can_be_read(save):
    data = read_clips(save(**GRID), part="train")
    assert data.names == ["r", "p"] and data.clips[0].max() == 23 and len(data.labels) == 2
    assert read_clips(save(**GRID), part="test").names == ["q"]


def test_clips_need_no_labels_and_labels_no_names(save):
    data = read_clips(save(frames=np.zeros((2, 3, 4, 5), np.uint8)))
    assert data.clips[0].shape == (3, 20) and data.labels is data.classes is data.names is None
    assert read_clips(save(x=np.zeros((1, 3, 2)), y=np.array([[0, 2, 1]]))).classes == [
        "0",
        "1",
        "2",
    ]
    text = read_clips(save(x=np.zeros((1, 3, 2)), y=np.array([["b", "a", "b"]])))
    assert text.classes == ["a", "b"] and text.labels[0].tolist() == [1, 0, 1]


def test_clips_of_other_lengths_keep_their_labels(save):
    padded = read_clips(
        save(x=np.zeros((2, 3, 2)), y=np.array([[0, 1, 2], [2, 1, 0]]), lengths=np.array([1, 3]))
    )
    joined = read_clips(
        save(x=np.zeros((4, 2)), y=np.array([0, 2, 1, 0]), lengths=np.array([1, 3]))
    )
    for data in (padded, joined):
        assert [labels.tolist() for labels in data.labels] == [[0], [2, 1, 0]] and [
            len(clip) for clip in data.clips
        ] == [1, 3]


@pytest.mark.parametrize(
    "changed, given, message",
    [
        (
            {"x": None},
            {},
            r"has no array 'x' or 'frames'; it has 'slot', .*; name the array of frames 'x'",
        ),
        ({}, {"label": "slott"}, "has no array 'slott': did you mean 'slot'"),
        (
            {},
            {"label": "train"},
            r"'train' has dtype int64 and shape \(2,\); it should be \(3, 4\) integers or text",
        ),
        ({"test": None}, {"part": "test"}, "has no array 'test'"),
        (
            {"test": np.array([3])},
            {"part": "test"},
            r"'test' has dtype int64 and shape \(1,\); it should be a list .*, 0 to 2",
        ),
        ({"slot": np.full((3, 4), -1)}, {}, "'slot' has the label -1; number the labels from 0"),
        ({"x": np.full((3, 4, 2), np.inf)}, {}, r"x\[0, 0, 0\] is inf"),
    ],
)
def test_clips_that_do_not_fit_are_refused(save, changed, given, message):
    arrays = {name: array for name, array in {**GRID, **changed}.items() if array is not None}
    with pytest.raises(InputError, match=message):
        read_clips(save(**arrays), **given)


def test_a_folder_of_pictures_is_one_clip_in_order(tmp_path):
    for number in (10, 2, 1):
        Image.new("RGB", (8, 4), (number * 25,) * 3).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (clip,) = read_clips(tmp_path).clips
    assert (
        clip.shape == (3, 1024)
        and clip.dtype == np.float32
        and np.allclose(clip[:, 0] * 255, [25, 50, 250])
    )
    (tmp_path / "f3.png").write_bytes((tmp_path / "f2.png").read_bytes()[:40])
    with pytest.raises(
        InputError,
        match=r"f3\.png' \(40 bytes\) is damaged or not a picture .*; replace the file, or remove "
        r"it",
    ):
        read_clips(tmp_path)
    with pytest.raises(
        InputError, match="part='train': .* is not an npz file and has no arrays; leave part out"
    ):
        read_clips(tmp_path, part="train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError,
        match=r"empty' has no pictures; give a folder with files that end in \.png",
    ):
        read_clips(tmp_path / "empty")


# ---------------------------------------------------------------- pictures with captions


@pytest.fixture
def album(write, tmp_path):
    """A table of two pictures, one of them wide and one transparent, and of one without a
    caption.
    """
    Image.new("RGB", (16, 8), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "none.png")
    return write(
        "a.tsv",
        "file\ten\tko\nred.png\tred thing\t빨강\nnone.png\tnothing at all\t없음\nred.png\t \t또\n",
    )


def test_pictures_are_squares_on_white(album):
    data = read_pictures(album, size=8)
    assert (
        data.pictures.shape == (2, 8, 8, 3)
        and data.pictures.dtype == np.uint8
        and (data.pictures[1] == 255).all()
    )
    assert data.pictures[0][4, 4].tolist() == [255, 0, 0] and data.pictures[0][0, 0].tolist() == [
        255,
        255,
        255,
    ]
    assert (data.captions, data.names, data.left_out) == (
        ["red thing", "nothing at all"],
        ["red.png", "none.png"],
        1,
    )
    assert data.columns == {"picture": "file", "caption": "en"}


def test_captions_and_pictures_can_be_named(album, write, tmp_path):
    assert read_pictures(album, caption="ko").captions == ["빨강", "없음", "또"]
    (tmp_path / "b").mkdir()
    other = write("b/a.csv", "what,where\nred,red.png\n")
    assert read_pictures(other, folder=tmp_path).columns == {"picture": "where", "caption": "what"}
    assert read_pictures(other, folder=tmp_path, picture="where", caption="what").captions == [
        "red"
    ]


def test_pictures_need_no_captions(album, write, tmp_path):
    assert read_pictures(write("b.txt", "red.png\nnone.png\n")).captions is None
    assert read_pictures(tmp_path).names == ["none.png", "red.png"]
    assert read_pictures(tmp_path / "red.png").pictures.shape == (1, 32, 32, 3)


def test_pictures_can_be_an_array(save):
    arrays = {"x": np.zeros((2, 4, 4, 3), np.uint8), "hexcode": np.array(["a", "b"])}
    arrays |= {"en": np.array(["x", ""]), "ko": np.array(["가", "나"])}
    data = read_pictures(save(**arrays), size=4)
    assert (data.captions, data.names, data.left_out, len(data.pictures)) == (["x"], ["a"], 1, 1)
    assert read_pictures(save(**arrays), caption="ko").pictures.shape == (2, 32, 32, 3)
    clear = read_pictures(save(x=np.zeros((1, 4, 4, 4), np.uint8)))
    assert (clear.pictures[0] == 255).all() and clear.captions is None and clear.names == ["0"]


@pytest.mark.parametrize(
    "content, given, message",
    [
        (
            "file\ten\nblue.png\tblue\n",
            {},
            r"a\.tsv' line 2: the picture .*blue\.png' does not exist; fix its name, or .*: "
            r"folder=",
        ),
        (
            "file\ten\nred.png\tred\nbad.png\tbad\n",
            {},
            r"a\.tsv' line 3: .*bad\.png' \(5 bytes\) is damaged or not a picture",
        ),
        ("file\ten\n\tred\n", {}, "line 2: the picture in the column 'file' is empty"),
        ("what\ten\na\tred\n", {}, "none with names of picture files; name it: picture="),
        ("file\ten\nred.png\tred\n", {"caption": "fr"}, "has no column 'fr'; it has 'file', 'en'"),
        ("file\ten\nred.png\tred\n", {"picture": "f"}, "has no column 'f'"),
        (
            "file\ten\nred.png\t\n",
            {},
            "every caption in 'en' is empty; write captions, or name another",
        ),
    ],
)
def test_pictures_that_are_missing_or_broken_are_refused(album, write, content, given, message):
    write("bad.png", "words")
    with pytest.raises(InputError, match=message):
        read_pictures(write("a.tsv", content), **given)


@pytest.mark.parametrize(
    "arrays, given, message",
    [
        ({"y": np.zeros(2)}, {}, "has no array 'x' or 'pictures'; it has 'y'; name it: picture="),
        (
            {"x": np.zeros((2, 4, 4, 3))},
            {},
            r"'x' has dtype float64 and shape \(2, 4, 4, 3\); it should be \(N, H, W, 3\) uint8",
        ),
        (
            {"x": np.zeros((2, 4, 4, 3), np.uint8), "en": np.array(["a"])},
            {"caption": "en"},
            r"'en' has dtype <U1 and shape \(1,\); .* \(2,\) text",
        ),
        (
            {"x": np.zeros((2, 4, 4, 3), np.uint8)},
            {"caption": "en"},
            "has no array 'en'; it has 'x'",
        ),
    ],
)
def test_arrays_that_are_not_pictures_are_refused(save, arrays, given, message):
    with pytest.raises(InputError, match=message):
        read_pictures(save(**arrays), **given)


# ---------------------------------------------------------------- real files


@needs_data
@pytest.mark.parametrize(
    "name, count, tags",
    [
        ("full/ud_en_ewt/en_ewt-ud-train.rebuilt.conllu.gz", 12_544, 17),
        ("full/ud_en_ewt/en_ewt-ud-dev.conllu.gz", 2001, 17),
        ("full/ud_en_ewt/en_ewt-ud-test.conllu.gz", 2077, 17),
        ("small/ud_en_ewt/train.tsv", 1500, 17),
        ("small/ud_ko_gsd/test.tsv", 250, None),
        ("small/ud_en_atis/test.tsv", 300, None),
    ],
)
def test_real_sentences(name, count, tags):
    data = read_tagged(DATA / name)
    assert len(data.words) == len(data.tags) == count and all(
        map(lambda a, b: len(a) == len(b), data.words, data.tags)
    )
    assert tags is None or len({tag for sentence in data.tags for tag in sentence}) == tags


@needs_data
def test_real_clips():
    for part, count in (("train", 800), ("test", 195)):
        data = read_clips(DATA / "full/grid_s1/grid_s1_pca16.npz", part=part)
        assert (
            len(data.clips) == len(data.labels) == count
            and data.clips[0].shape == (75, 16)
            and data.classes[0] == "sil"
        )
    words = read_clips(DATA / "full/grid_s1/grid_s1_pca16.npz", label="word")
    assert len(words.clips) == 995 and len(words.classes) == 53
    assert read_clips(DATA / "small/grid_s1/frames8x16.npz").clips[0].shape == (75, 128)


@needs_data
def test_real_pictures():
    data = read_pictures(DATA / "full/emoji/emoji32_rgb.npz", caption="ko")
    assert data.pictures.shape == (3569, 32, 32, 3) and len(data.captions) == 3569
    assert data.columns == {"picture": "x", "caption": "ko"}
    small = read_pictures(DATA / "small/emoji/train.tsv")
    assert (
        small.pictures.shape == (120, 32, 32, 3)
        and small.captions[0] == "person surfing"
        and small.left_out == 0
    )
    with pytest.raises(
        InputError,
        match=r"captions\.tsv' line 2: the picture .* does not exist; .*give the directory of the "
        "pictures: folder=",
    ):
        read_pictures(DATA / "full/emoji/captions.tsv")
