"""Private: files (tf.gfile)."""

import glob
import os
import shutil
from collections.abc import Iterator
from typing import Any

from ..core.errors import AlreadyExistsError, NotFoundError

__all__ = [
    "Copy",
    "DeleteRecursively",
    "Exists",
    "FastGFile",
    "GFile",
    "Glob",
    "IsDirectory",
    "ListDirectory",
    "MakeDirs",
    "MkDir",
    "Open",
    "Remove",
    "Rename",
    "Stat",
    "Walk",
]

# The functions have the names and arguments of TensorFlow 1.13.1.
# ruff: noqa: N802


class GFile:
    """A file. It is opened when it is first read or written, as in TensorFlow.

    Args:
        name: The path.
        mode: "r", "w", "a", "r+", "w+" or "a+", with "b" for bytes.
    """

    def __init__(self, name: str | os.PathLike, mode: str = "r"):
        self.name, self.mode = os.fspath(name), mode
        self._opened: Any = None

    @property
    def _file(self) -> Any:
        if self._opened is None:
            try:
                self._opened = open(
                    self.name, self.mode, encoding=None if "b" in self.mode else "utf-8"
                )
            except FileNotFoundError:
                raise NotFoundError(
                    f"{self.name}; No such file or directory: give the path of a file"
                ) from None
        return self._opened

    def read(self, n: int = -1) -> Any:
        """The next n characters or bytes; all for -1."""
        return self._file.read(n)

    def readline(self) -> Any:
        """The next line, with its end."""
        return self._file.readline()

    def readlines(self) -> list:
        """All lines, with their ends."""
        return self._file.readlines()

    def write(self, file_content: Any) -> None:
        """Write text, or bytes."""
        if isinstance(file_content, bytes) and "b" not in self.mode:
            file_content = file_content.decode()
        self._file.write(file_content)

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Move to a position."""
        self._file.seek(position if offset is None else offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def size(self) -> int:
        """The number of bytes of the file."""
        return os.path.getsize(self.name)

    def flush(self) -> None:
        """Write what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __iter__(self) -> Iterator:
        return iter(self._file)

    def __next__(self) -> Any:
        return next(self._file)

    def next(self) -> Any:
        """The next line."""
        return next(self)

    def __enter__(self) -> "GFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


FastGFile = Open = GFile


def _found(path: Any) -> str:
    path = os.fspath(path)
    if not os.path.exists(path):
        raise NotFoundError(f"{path}; No such file or directory: give a path that exists")
    return path


def Exists(filename: Any) -> bool:
    """Whether a file or directory exists."""
    return os.path.exists(filename)


def IsDirectory(dirname: Any) -> bool:
    """Whether a path is a directory."""
    return os.path.isdir(dirname)


def Glob(filename: Any) -> list[str]:
    """The files that match a pattern, or any of several."""
    patterns = filename if isinstance(filename, (list, tuple)) else [filename]
    return [path for pattern in patterns for path in sorted(glob.glob(os.fspath(pattern)))]


def MkDir(dirname: Any) -> None:
    """Create a directory."""
    os.mkdir(dirname)


def MakeDirs(dirname: Any) -> None:
    """Create a directory and those above it, if they do not exist."""
    os.makedirs(dirname, exist_ok=True)


def Remove(filename: Any) -> None:
    """Remove a file."""
    os.remove(_found(filename))


def DeleteRecursively(dirname: Any) -> None:
    """Remove a directory with everything in it."""
    shutil.rmtree(_found(dirname))


def _free(path: Any, overwrite: bool) -> str:
    if not overwrite and os.path.exists(path):
        raise AlreadyExistsError(f"{path}: file already exists; write overwrite=True to replace it")
    return os.fspath(path)


def Rename(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Rename a file or directory."""
    os.replace(_found(oldname), _free(newname, overwrite))


def Copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copy a file."""
    shutil.copyfile(_found(oldpath), _free(newpath, overwrite))


def ListDirectory(dirname: Any) -> list[str]:
    """The names in a directory."""
    return sorted(os.listdir(_found(dirname)))


def Stat(filename: Any) -> Any:
    """The state of a file: `length` in bytes, `mtime_nsec` and `is_directory`."""
    return _Stat(os.stat(_found(filename)), os.path.isdir(filename))


class _Stat:
    def __init__(self, found: os.stat_result, is_directory: bool):
        self.length, self.mtime_nsec = found.st_size, found.st_mtime_ns
        self.is_directory = is_directory


def Walk(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """The directories below a directory, each with the names of its directories and files."""
    return iter(os.walk(top, topdown=in_order))
