"""The pages docs/cells.md and docs/tf1-names.md, made from the code, in English and Korean, and the
measurements that the first one shows.

    python -m catalogue docs          write the pages and a picture into the directory docs
    python -m catalogue measure       time every cell; write benchmarks/cells.json for the pages
    python -m catalogue train DATA    train every cell on the data in a directory and write that
                                      file; resume after an interruption; `--only CELL` trains one
                                      cell again
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ostinato.errors import InputError, OstinatoError

from . import tensorflow
from .measured import FILE, measure
from .pages import write_pages
from .trained import train


def main(words: Sequence[str]) -> int:
    """Run `python -m catalogue`, with what follows it; gives the exit code."""
    try:
        match list(words):
            case ["docs", *folder] if len(folder) < 2:
                into = Path(*folder or ["docs"])
                print("\n".join(map(str, [*write_pages(into), *tensorflow.write_pages(into)])))
            case ["measure", *path] if len(path) < 2:
                measure(Path(*path or [FILE]))
            case ["train", data]:
                train(FILE, Path(data))
            case ["train", data, "--only", name]:
                train(FILE, Path(data), only=name)
            case _:
                raise InputError(
                    f"python -m catalogue {' '.join(words)}: write docs [DIRECTORY] to make the "
                    "pages, measure [FILE.json] to time the cells, or train DATA [--only CELL] to "
                    "train them"
                )
    except OstinatoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
