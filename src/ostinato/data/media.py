"""Private: reading pictures and videos."""

import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from .disk import StoredArray
from .files import read_blocks, read_bytes
from .values import to_floats

PICTURE_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jfif",
    ".gif",
    ".bmp",
    ".webp",
    ".avif",
    ".tif",
    ".tiff",
)
# Pictures that are refused by name: leaving one out of a clip would shift its labels.
OTHER_PICTURES = (".heic", ".heif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".nef", ".tga")
VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".avi",
    ".mkv",
    ".webm",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".ogv",
    ".gif",
)
# Side of a picture in pixels, as a model reads it.
SIDE = 32


# ---------------------------------------------------------------- frames of a clip


def read_video(path: Path, *, size: tuple[int, int] = (32, 32), every: int = 1) -> np.ndarray:
    """Read the frames of a video in grey, rotated as players show them.

    Frames are decoded one at a time and kept in a temporary file, H*W bytes each.

    Args:
        path: The video.
        size: H, W; frames are resized to this size.
        every: Keep every n-th frame; 1 keeps all.

    Returns:
        (T, H*W) float32, 0 (black) to 1 (white).

    Raises:
        InputError: The file is missing, is not a readable video, or is shorter than its header
            says; or `every` is less than 1.
    """
    if every < 1:
        raise InputError(f"every={every}: write 1 (each frame) or more")
    return floats(stored_video(Path(path), size, every))


def stored_video(path: Path, size: tuple[int, int] = (32, 32), every: int = 1) -> StoredArray:
    """The frames of `read_video` as (T, H*W) uint8 in a temporary file."""
    import av

    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(
            f"{str(path)!r} has an unsupported file type; give an npz file, a folder of pictures, "
            f"or a video: {', '.join(VIDEO_SUFFIXES)}"
        )
    if not next(read_blocks(path, 1), b""):
        raise InputError(f"{str(path)!r} is empty (0 bytes); give a video")
    frames, count, ended, corrupt = StoredArray(np.uint8, (size[0] * size[1],)), 0, 0.0, False
    try:
        with open(path, "rb") as file, av.open(file) as video:
            if not video.streams.video:
                kinds = ", ".join(stream.type for stream in video.streams)
                raise InputError(f"{str(path)!r} has no video stream, only {kinds}; give a video")
            # all streams, because sound may continue after the last picture
            for packet in video.demux():
                time = packet.dts if packet.pts is None else packet.pts
                if time is not None:
                    ended = max(ended, float((time + (packet.duration or 0)) * packet.time_base))
                corrupt = corrupt or packet.is_corrupt
                for frame in packet.decode() if packet.stream == video.streams.video[0] else ():
                    if count % every == 0:
                        frames.extend(
                            _grey(frame.to_image().rotate(frame.rotation, expand=True), size)
                        )
                    count += 1
            missing = ((video.start_time or 0) + (video.duration or 0)) / av.time_base - ended
    except av.error.FFmpegError as error:
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is truncated or not a video "
            f"({error.strerror}); check that a player shows it, and export it again"
        ) from error
    if not len(frames):
        raise InputError(f"{str(path)!r} has no frames; give a video with one frame or more")
    # some headers include the duration of the last frame, others do not
    if corrupt or missing > max(0.5, 2 * ended / count):
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is truncated: it ends after {ended:.1f} "
            f"s, and its header says {missing + ended:.1f} s; download it again, or export the "
            "part that is there"
        )
    return frames


def stored_frames(folder: Path, size: tuple[int, int] = (32, 32)) -> StoredArray:
    """The pictures in a folder as the frames of a clip, as in `stored_video`."""
    frames = StoredArray(np.uint8, (size[0] * size[1],))
    for path in pictures_in(folder):
        frames.extend(open_picture(path, lambda picture: _grey(picture, size)))
    return frames


def floats(frames: StoredArray) -> np.ndarray:
    """(T, H*W) float32, 0 to 1, from frames of bytes."""
    return to_floats(frames[:])


def _grey(picture, size: tuple[int, int]) -> np.ndarray:
    """Convert a Pillow image to (H*W,) uint8 in grey, on white, rotated as its EXIF data says."""
    from PIL import ImageOps

    picture = _on_white(ImageOps.exif_transpose(picture))
    return np.asarray(picture.convert("L").resize(size[::-1])).reshape(-1)


def _on_white(picture):
    """A Pillow image with white in place of its transparent pixels."""
    from PIL import Image

    if (
        picture.mode not in ("RGBA", "LA", "PA", "RGBa", "La")
        and "transparency" not in picture.info
    ):
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder in natural order: 2.png before 10.png.

    Raises:
        InputError: The folder has no pictures, or has a picture of a type that is not read.
    """
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    other = min((path for path in files if path.suffix.lower() in OTHER_PICTURES), default=None)
    if other is not None:
        raise InputError(
            f"{str(other)!r} is a picture of a type that is not read ({other.suffix}); convert the "
            f"pictures in {str(folder)!r} to PNG, or move this file elsewhere"
        )
    found = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    if not found:
        raise InputError(
            f"{str(folder)!r} has no pictures; give a folder with files that end in "
            f"{', '.join(PICTURE_SUFFIXES)}"
        )
    # Every second part of a name is a number.
    return sorted(
        found,
        key=lambda path: [
            int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", path.name))
        ],
    )


def find_picture(folder: Path, name: str) -> Path | None:
    """The file of a picture, whichever Unicode form its name has on disk; None if it is missing."""
    forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    return next((folder / form for form in forms if (folder / form).is_file()), None)


def open_picture(path: Path, use: Callable, where: str = ""):
    """Open a picture and return `use(picture)`; `where` is the start of an error message."""
    from PIL import Image

    content = read_bytes(path)
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return use(picture)
    # Pillow raises SyntaxError for some broken PNG files
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{where}{str(path)!r} ({len(content)} bytes) is damaged or not a picture "
            f"({type(error).__name__}); replace the file, or remove it"
        ) from error


# ---------------------------------------------------------------- pictures


def square(picture, size: int) -> np.ndarray:
    """Convert a Pillow image or an array (H, W, 3 or 4) uint8 to (size, size, 3) uint8 on white."""
    from PIL import Image, ImageOps

    if isinstance(picture, np.ndarray):
        if picture.shape == (size, size, 3):
            return picture
        picture = Image.fromarray(picture)
    picture = _on_white(ImageOps.exif_transpose(picture)).convert("RGB")
    return np.asarray(ImageOps.pad(picture, (size, size), color="white"))
