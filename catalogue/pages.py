"""The pages of the cells, as Markdown with a picture."""

import inspect
from collections.abc import Mapping
from pathlib import Path

from ostinato.cells import CELLS
from ostinato.data.files import write_whole
from ostinato.language.tracing import Cell
from ostinato.options import ONE_INPUT

from .counts import FAMILIES, OTHER, SHAPE, parameters, work
from .measured import FILE, MODES, Measured, read
from .picture import draw
from .trained import TASKS
from .words import ENGLISH, IN_KOREAN, KOREAN, RECIPES

PAGES = {"en": "cells.md", "ko": "cells.ko.md"}
PICTURE = "cells.svg"
NOTHING = Measured()


def described(cell: Cell) -> tuple[list[str], str]:
    """A cell's docstring: the paragraphs about it, and its source, each on one line.

    Example:
        >>> from ostinato.cells import min_gru
        >>> paragraphs, source = described(min_gru)
        >>> paragraphs
        ['Minimal GRU: the gate and the candidate see only the input.']
        >>> source
        'Feng et al., Were RNNs All We Needed? (2024).'
    """
    text, _, source = inspect.getdoc(cell.function).partition("Source: ")
    return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")], " ".join(
        source.split()
    )


def page(language: str, measured: Measured = NOTHING) -> str:
    """One of the pages, as Markdown.

    Args:
        language: "en" or "ko".
        measured: What was measured.
    """
    words, times, learned = (
        {"en": ENGLISH, "ko": KOREAN}[language],
        measured.times,
        measured.learned,
    )
    rows, steps, inputs, hidden = times.shape if times else SHAPE
    legend = [
        words["legend"].format(B=rows, T=steps, I=inputs, H=hidden, other=OTHER),
        words["measured"].format(**vars(times)) if times else words["unmeasured"],
        *(
            words[task].format(
                **learned[task].options,
                rows=learned[task].rows,
                test_rows=learned[task].test_rows,
                one=1 / learned[task].test_rows,
            )
            for task in TASKS
            if task in learned
        ),
        words["results"] if learned else words["untrained"],
    ]
    parts = [f"# {words['title']}", words["other"], *words["intro"], f"## {words['all']}"]
    parts.append("\n".join(f"- {line}" for line in legend))
    if is_drawn(measured):
        parts += [f"![{words['alt']}]({PICTURE})", words["caption"]]
    parts.append(_table(words, measured))
    for family, cells in FAMILIES.items():
        parts.append(f"## {words[family]}")
        for name, made in cells.items():
            parts += _entry(name, made, language, words)
    parts.append(f"## {words['recipes']}")
    for (title, text), code in zip(words["recipe"], RECIPES, strict=True):
        parts += [f"### {title}", text, f"```python\n{code}```"]
    return "\n\n".join([*parts, "```text\nTrue\n```"]) + "\n"


def is_drawn(measured: Measured) -> bool:
    """Whether there is all that the picture shows."""
    return measured.times is not None and all(task in measured.learned for task in TASKS)


def _table(words: Mapping, measured: Measured) -> str:
    """All cells, one a line."""
    times = measured.times
    lines = [
        f"| {' | '.join(words['columns'])} |",
        "|---|---|" + "---:|" * (len(words["columns"]) - 2),
    ]
    for name, made in CELLS.items():
        timed = [
            value for mode in MODES for value in (times.shown(name, mode) if times else ["-", "-"])
        ]
        cells = [
            f"[`{name}`](#{name})",
            f"`{parameters(made.graph)}`",
            f"{work(made.graph, times.shape if times else SHAPE):,}",
            words["yes"] if made.graph.is_linear else "",
            *timed,
            *(_result(words, name, measured, task) for task in TASKS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _result(words: Mapping, name: str, measured: Measured, task: str) -> str:
    """The result of a cell in a task, or the reason why there is none."""
    if name not in ONE_INPUT:
        return words["inputs"]
    if task not in measured.learned or name not in measured.learned[task].values:
        return "-"
    value = measured.learned[task].values[name]
    return words["diverged"] if value is None else f"{value:.3f}"


def _entry(name: str, made: Cell, language: str, words: Mapping) -> list[str]:
    """All that is said of one cell."""
    paragraphs, source = described(made)
    if language == "ko":
        paragraphs = IN_KOREAN[name].split("\n\n")
    latex = [
        "<details><summary>LaTeX</summary>",
        f"```latex\n{made.equations('latex')}\n```",
        "</details>",
    ]
    return [
        f"### `{name}`",
        *paragraphs,
        words["source"].format(source),
        f"```text\n{made.equations()}\n```",
        *latex,
    ]


def write_pages(folder: Path, file: Path = FILE) -> list[Path]:
    """Write both pages, and the picture where there is one.

    Args:
        folder: The directory for them.
        file: The file of `measure` and `train`; without one the pages say that
            nothing was measured.

    Raises:
        InputError: The directory cannot be written, or `file` is not a file of measurements.
    """
    measured = read(file)
    pages = {folder / name: page(language, measured) for language, name in PAGES.items()}
    for path, text in pages.items():
        write_whole(path, text.encode())
    if not is_drawn(measured):
        return list(pages)
    draw(measured, folder / PICTURE)
    return [*pages, folder / PICTURE]
