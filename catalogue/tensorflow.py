"""The pages docs/tf1-names.md and docs/tf1-names.ko.md: the names that ostinato.tf1 provides."""

from pathlib import Path

from ostinato.data.files import write_whole
from ostinato.tf1.core.dtypes import DTYPES
from ostinato.tf1.names import ALIASES, INSTEAD
from ostinato.tf1.namespaces import TABLE

PAGES = {"en": "tf1-names.md", "ko": "tf1-names.ko.md"}
INTERNAL = ("resource", "variant")  # dtypes of handles

ENGLISH = {
    "top": "# TensorFlow 1 names\n\n[한국어](tf1-names.ko.md)\n\nThe names of TensorFlow 1.13.1 "
    "that `ostinato.tf1` provides; `python -m catalogue docs` writes this page from the code. "
    "[Running TensorFlow 1 code](tf1.md) says how to run a program.",
    "head": "| namespace | names |\n|---|---|",
    "dtypes": "dtypes",
    "aliases": "## Other namespaces with the same names\n\n| namespace | names of |\n|---|---|",
    "instead": "## Names that are not provided\n\nEvery other name raises an error that gives the "
    "nearest provided name. For these it says:\n\n| name | error |\n|---|---|",
}
KOREAN = {
    "top": "# TensorFlow 1의 이름\n\n[English](tf1-names.md)\n\n`ostinato.tf1`에 있는 TensorFlow "
    "1.13.1의 이름입니다. 이 페이지는 `python -m catalogue docs`가 코드에서 만듭니다. 프로그램을 "
    "실행하는 방법은 [TensorFlow 1 코드 실행하기](tf1.ko.md)를 보세요.",
    "head": "| 이름 공간 | 이름 |\n|---|---|",
    "dtypes": "dtype",
    "aliases": "## 같은 이름이 있는 다른 이름 공간\n\n| 이름 공간 | 어디의 이름인가 |\n|---|---|",
    "instead": "## 없는 이름\n\n그 밖의 이름을 쓰면 가장 가까운 이름을 알려 주는 오류가 납니다. "
    "다음 이름에는 이렇게 알려 줍니다.\n\n| 이름 | 오류 |\n|---|---|",
}


def page(language: str) -> str:
    """One of the pages, as Markdown.

    Args:
        language: "en" or "ko".
    """
    words = {"en": ENGLISH, "ko": KOREAN}[language]
    kinds = [f"`{name}`" for name in DTYPES if name not in INTERNAL]
    rows = [f"| {words['dtypes']} | {', '.join(kinds)} |"]
    for within, names in TABLE.items():
        shown = ", ".join(f"`{n}`" for n in sorted(names, key=str.lower))
        rows.append(f"| `{within}` | {shown} |")
    aliases = [f"| `{name}` | `{other}` |" for name, other in ALIASES.items()]
    instead = [f"| `{name}` | {text} |" for name, text in INSTEAD.items()]
    parts = [
        words["top"],
        "\n".join([words["head"], *rows]),
        "\n".join([words["aliases"], *aliases]),
        "\n".join([words["instead"], *instead]),
    ]
    return "\n\n".join(parts) + "\n"


def write_pages(folder: Path) -> list[Path]:
    """Write both pages into a directory; returns their paths."""
    paths = [folder / name for name in PAGES.values()]
    for language, path in zip(PAGES, paths):
        write_whole(path, page(language).encode())
    return paths
