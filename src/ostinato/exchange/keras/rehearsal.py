"""Private: a program that reads the groups and attributes of an HDF5 file, without this package.

The HDF5 library may loop for ever, crash, or take any memory, on a damaged file, so a process that
may end goes first: `python rehearsal.py SECONDS MEMORY [FILE]`, with the content on standard input
without FILE. It ends with the code `TOO_MUCH_MEMORY` if it needs more than MEMORY bytes and twice
the size of the file.
"""

import io
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

TOO_MUCH_MEMORY = 3
# Groups and datasets that are read at most.
OBJECTS = 20_000


def main() -> None:
    import h5py

    seconds, memory = int(sys.argv[1]), int(sys.argv[2])
    path = sys.argv[3] if len(sys.argv) > 3 else None
    content = b"" if path else sys.stdin.buffer.read()
    memory += 2 * (os.stat(path).st_size if path else len(content))
    before = _peak()
    space = _address_space() + 2 * memory
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    file = _tried(h5py.File, path or io.BytesIO(content), "r")
    waiting, count = [] if file is None else [file], 0
    while waiting and count < OBJECTS:
        one, count = waiting.pop(), count + 1
        for name in _tried(list, one.attrs) or ():
            _tried(one.attrs.__getitem__, name)
        if not isinstance(one, h5py.Group):
            _tried(getattr, one, "shape")
            _tried(getattr, one, "dtype")
            continue
        for name in _tried(list, one) or ():
            if isinstance(_tried(one.get, name, None, False, True), h5py.HardLink):
                found = _tried(one.__getitem__, name)
                waiting += [] if found is None else [found]
    if _peak() - before > memory:
        sys.exit(TOO_MUCH_MEMORY)


def _tried(read: Callable[..., Any], *args: Any) -> Any:
    """The result of a function, or None: the next process reports errors where they happen."""
    try:
        return read(*args)
    except Exception as error:
        if isinstance(error, MemoryError) or "alloc" in str(error).lower():
            sys.exit(TOO_MUCH_MEMORY)
        return None


def _peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _address_space() -> int:
    """The address space of this process in bytes, or 4 GiB where it is not known."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 4 << 30


if __name__ == "__main__":
    main()
