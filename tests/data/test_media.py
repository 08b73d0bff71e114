"""Videos and folders of pictures are read as players show them, and what cannot be read is
named.
"""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from ostinato.data.annotated import read_clips
from ostinato.data.media import read_video
from ostinato.errors import InputError


def test_a_picture_taken_with_the_camera_turned_is_turned_back(tmp_path):
    picture, exif = (
        Image.fromarray(np.repeat(np.uint8([[255, 0]]), 8, 0).repeat(8, 1)),
        Image.Exif(),
    )
    exif[0x0112] = 6  # to be shown a quarter to the right
    picture.save(tmp_path / "1.png", exif=exif)
    frame = read_clips(tmp_path).clips[0].reshape(32, 32)
    assert frame[0].min() > 0.9 and frame[-1].max() < 0.1


def film(
    path,
    values=(0, 64, 128, 192, 255),
    *,
    codec="mjpeg",
    pixels="yuvj420p",
    times=None,
    size=(48, 64),
    options=None,
):
    """A video of a number of grey frames, whose right half is black, at thousandths of a second; 10
    in a second if not given.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = size
        stream.pix_fmt, stream.codec_context.time_base = pixels, Fraction(1, 1000)
        for k, value in enumerate(values):
            picture = np.full((*size, 3), value, np.uint8)
            picture[:, size[1] // 2 :] = 0
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = (times[k] if times else 100 * k), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def video(tmp_path):
    return film(tmp_path / "a.avi")


def test_a_video_is_grey_frames(video):
    frames = read_video(video, size=(6, 8), every=2)
    assert frames.shape == (3, 48) and frames.dtype == np.float32
    left, right = np.split(frames.reshape(3, 6, 8), 2, 2)
    assert (
        np.abs(left[:, :, :3] - np.array([0, 128, 255]).reshape(3, 1, 1) / 255).max() < 0.03
        and right[:, :, 1:].max() < 0.03
    )
    assert read_clips(video).clips[0].shape == (5, 1024)


@pytest.mark.parametrize(
    "name, made",
    [
        ("한글 이름.mkv", {}),
        ("A.MP4", {"codec": "mpeg4", "pixels": "yuv420p"}),
        ("a.webm", {"codec": "libvpx", "pixels": "yuv420p"}),
        ("a.mkv", {"times": [0, 5, 900, 910, 7000]}),
        ("b.mkv", {"codec": "ffv1", "pixels": "yuv420p", "size": (17, 33)}),
        ("c.mkv", {"codec": "ffv1", "pixels": "gray10le"}),
        ("d.mkv", {"codec": "ffv1", "pixels": "yuva420p", "size": (16, 16)}),
    ],
)
def test_every_frame_of_a_video_is_read_whatever_its_time_size_and_name(tmp_path, name, made):
    frames = read_clips(film(tmp_path / name, **made)).clips[0].reshape(5, 32, 32)
    assert (
        np.abs(frames[:, 16, 2] - np.array([0, 64, 128, 192, 255]) / 255).max() < 0.04
        and frames[:, :, 30:].max() < 0.04
    )


@pytest.mark.parametrize(
    "matrix, white",
    [
        ((0, 65536, 0, -65536, 0, 0), "top"),
        ((0, -65536, 0, 65536, 0, 0), "bottom"),
        ((-65536, 0, 0, 0, -65536, 0), "right"),
    ],
)
def test_a_video_taken_with_the_camera_turned_is_turned_back(tmp_path, matrix, white):
    content = bytearray(film(tmp_path / "a.mp4", codec="mpeg4", pixels="yuv420p").read_bytes())
    # the track's header, version 0. Source: ISO/IEC 14496-12, 8.3.2
    place = content.index(b"tkhd") + 44
    content[place : place + 24] = struct.pack(">6i", *matrix)
    (tmp_path / "b.mp4").write_bytes(content)
    last = read_video(tmp_path / "b.mp4")[-1].reshape(32, 32)
    sides = {"top": last[2], "bottom": last[-3], "left": last[:, 2], "right": last[:, -3]}
    assert max(sides, key=lambda side: sides[side].mean()) == white and sides[white].min() > 0.9


@pytest.mark.parametrize(
    "name, made, part, message",
    [
        (
            "a.mkv",
            {},
            0.5,
            r"is truncated: it ends after \S+ s, and its header says 4\.0 s; download it again",
        ),
        (
            "a.mp4",
            {"codec": "mpeg4", "pixels": "yuv420p", "options": {"movflags": "faststart"}},
            0.8,
            "is truncated",
        ),
        ("b.mp4", {"codec": "mpeg4", "pixels": "yuv420p"}, 0.8, "is truncated or not a video"),
    ],
)
def test_a_video_that_is_cut_short_is_refused_and_not_read_in_part(
    tmp_path, name, made, part, message
):
    whole = film(tmp_path / name, [0, 255] * 20, **made)
    assert len(read_video(whole)) == 40
    content = whole.read_bytes()
    whole.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=message):
        read_video(whole)


def test_sound_may_go_on_after_the_last_picture(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        pictures, sound = (
            container.add_stream("mjpeg", rate=10),
            container.add_stream("pcm_s16le", rate=8000, layout="mono"),
        )
        pictures.height, pictures.width, pictures.pix_fmt = 16, 16, "yuvj420p"
        container.mux(
            pictures.encode(
                av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            )
        )
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 24000), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux([*pictures.encode(), *sound.encode(frame), *sound.encode()])
    assert read_video(tmp_path / "a.mkv").shape == (1, 1024)


def test_another_file_than_a_video_is_refused(video, write, tmp_path):
    with pytest.raises(InputError, match=r"every=0: write 1 \(each frame\) or more"):
        read_video(video, every=0)
    with pytest.raises(InputError, match="does not exist"):
        read_video(tmp_path / "b.avi")
    with pytest.raises(InputError, match=r"b\.mp4' \(5 bytes\) is truncated or not a video"):
        read_video(write("b.mp4", "words"))
    with pytest.raises(
        InputError,
        match=r"b\.csv' has an unsupported file type; give an npz file, .*, or a video",
    ):
        read_clips(write("b.csv", "words"))
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(
        InputError, match=r"sound\.mkv' has no video stream, only audio; give a video"
    ):
        read_video(tmp_path / "sound.mkv")
    with pytest.raises(InputError, match=r"c\.mp4' is empty \(0 bytes\); give a video"):
        read_video(write("c.mp4", b""))
