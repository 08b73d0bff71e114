"""Reading pictures and videos."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from .disk import StoredArray
from .files import read_blocks, read_bytes
from .values import to_floats

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (
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
# Pixels of each side of a picture, as a model reads it.
SIDE = 32


# ---------------------------------------------------------------- frames of a clip


def read_video(path: Path, *, size: tuple[int, int] = (32, 32), every: int = 1) -> np.ndarray:
    """The frames of a video, grey, the way up that players show them.

    One frame is decoded at a time, and H*W bytes of each are in a temporary file until all are
    read.

    Args:
        path: Of the video.
        size: H, W of a frame, which is squeezed to that.
        every: Take each frame (1), or each second one (2), ...

    Returns:
        (T, H*W) float32, 0 (black) to 1 (white).

    Raises:
        InputError: The file is missing, no video that can be read, or ends before its header says;
            or `every` is not 1 or more.
    """
    if every < 1:
        raise InputError(f"every={every}: it should be 1 (each frame) or more")
    return floats(stored_video(Path(path), size, every))


def stored_video(path: Path, size: tuple[int, int] = (32, 32), every: int = 1) -> StoredArray:
    """The frames of `read_video`, (T, H*W) uint8."""
    import av

    if path.suffix.lower() not in VIDEOS:
        raise InputError(
            f"{str(path)!r} is of no kind that is read as clips; "
            f"give an npz file, a folder of pictures, or a video: {', '.join(VIDEOS)}"
        )
    if not next(read_blocks(path, 1), b""):
        raise InputError(f"{str(path)!r} has nothing in it (0 bytes); give a video")
    frames, count, ended, corrupt = StoredArray(np.uint8, (size[0] * size[1],)), 0, 0.0, False
    try:
        with open(path, "rb") as file, av.open(file) as video:
            if not video.streams.video:
                kinds = ", ".join(stream.type for stream in video.streams)
                raise InputError(f"{str(path)!r} has no pictures in it, only {kinds}; give a video")
            # all streams: sound may go on after the last picture
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
            f"{str(path)!r} ({path.stat().st_size} bytes) is cut short or no video "
            f"({error.strerror}); "
            "see if a player shows it, and write it again"
        ) from error
    if not len(frames):
        raise InputError(f"{str(path)!r} has no frames; give a video of one or more")
    # headers count the time of the last frame or do not
    if corrupt or missing > max(0.5, 2 * ended / count):
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is cut short: it ends after {ended:.1f} "
            f"s, and says that "
            f"it is {missing + ended:.1f} s long; get it again, or write what there is anew"
        )
    return frames


def stored_frames(folder: Path, size: tuple[int, int] = (32, 32)) -> StoredArray:
    """The pictures in a folder as the frames of a clip, as those of `stored_video`."""
    frames = StoredArray(np.uint8, (size[0] * size[1],))
    for path in pictures_in(folder):
        frames.extend(open_picture(path, lambda picture: _grey(picture, size)))
    return frames


def floats(frames: StoredArray) -> np.ndarray:
    """(T, H*W) float32, 0 to 1, from frames of bytes."""
    return to_floats(frames[:])


def _grey(picture, size: tuple[int, int]) -> np.ndarray:
    """A Pillow image as (H*W,) uint8, the way up it was taken."""
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(picture).convert("L").resize(size[::-1])).reshape(-1)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, 2.png before 10.png."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".")
    ]
    if not found:
        raise InputError(
            f"{str(folder)!r} has no pictures in it; give a folder with files that end in "
            f"{', '.join(PICTURES)}"
        )
    # Every second piece of a name is its digits.
    return sorted(
        found,
        key=lambda path: [
            int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", path.name))
        ],
    )


def open_picture(path: Path, use: Callable, where: str = ""):
    """What `use` makes of a picture; `where` begins the message if it is broken."""
    from PIL import Image

    content = read_bytes(path)
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return use(picture)
    # Pillow raises SyntaxError for some broken PNG files
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{where}{str(path)!r} ({len(content)} bytes) is broken or no picture "
            f"({type(error).__name__}); "
            "replace the file, or take it out"
        ) from error


# ---------------------------------------------------------------- pictures


def square(picture, size: int) -> np.ndarray:
    """A Pillow image, or an array (H, W, 3 or 4) uint8, as (size, size, 3) uint8, the way up it was
    taken, on white.
    """
    from PIL import Image, ImageOps

    if isinstance(picture, np.ndarray):
        if picture.shape == (size, size, 3):
            return picture
        picture = Image.fromarray(picture)
    picture = ImageOps.exif_transpose(picture).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert(
        "RGB"
    )
    return np.asarray(ImageOps.pad(picture, (size, size), color="white"))
