"""Private: the command predict: from a file, from lines of standard input, or at a prompt."""

import json as json_text
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, count, repeat
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from ..errors import InputError
from ..tasks.saved import read_model
from .tasks import DIRECTORY, check_counts, number, read_for, use_threads


def predict(
    directory: Annotated[Path, DIRECTORY],
    file: Annotated[
        str | None,
        Argument(
            metavar="[FILE or -]",
            help="Data to predict for; - or nothing: lines of standard input. A model of `train "
            "forecast` continues its training series if there are none.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write the predictions to a .csv, .jsonl or .parquet file (models of `train tag` "
            "also .conllu).",
            show_default="none",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        number(
            int,
            "Number of steps to forecast (models of `train forecast` only).",
            show_default="--horizon of the training",
        ),
    ] = None,
    json: Annotated[
        bool,
        Option("--json", help="Print a JSON object per line, with the input and all details."),
    ] = False,
    threads: Annotated[
        int | None, number(int, "Number of CPU threads.", show_default="all cores")
    ] = None,
):
    """Predict with a trained model, one line per input line, or continue a time series.

    At a terminal, a prompt asks for each line, and `classify` shows the three most probable labels
    with their probabilities. In a pipe, a line has the prediction alone.
    """
    check_counts(threads=threads)
    path = None if file in (None, "-") else Path(str(file))
    if out is not None:
        if json:
            raise InputError(
                f"--json with --out {out}: one output is enough; leave one of them out"
            )
    saved = read_model(directory, device="cpu", mixed_precision=False)
    if out is not None:
        from ..tasks.predictions import check_output

        check_output(out, saved.config.task)
    examples = None if path is None else read_for(saved, path, labelled=False)
    from ..tasks.restore import restored  # imports torch

    task: Any = restored(saved, directory)
    use_threads(threads)
    if steps is not None and not task.continues:
        raise InputError(
            f"--steps {steps}: {str(directory)!r} is a model of `ostinato train {task.name}`, "
            "which does not forecast; leave --steps out"
        )
    answer = partial(task.predict_dicts, **({} if steps is None else {"steps": steps}))
    keyboard = sys.stdin.isatty()
    found: Iterable[tuple[dict, dict]]
    if examples is not None:
        answers = answer(examples)
        # a forecast has several predictions for a series
        found = zip(repeat({}) if task.continues else task.inputs(examples), answers)
    elif file is None and task.continues and keyboard:
        found = zip(repeat({}), answer())
    else:
        if keyboard:
            print(
                f"reading from the keyboard: {task.line_is} per line; Ctrl-D ends the input",
                file=sys.stderr,
                flush=True,
            )
        lines = _lines(keyboard)
        first = next(lines, None)
        if first is None and file is None and task.continues:
            found = zip(repeat({}), answer())
        else:
            found = _of_lines(task, answer, chain([] if first is None else [first], lines))
    if out is not None:
        from ..tasks.predictions import write_predictions

        answers = [given | one for given, one in found]
        write_predictions(out, answers, task)
        typer.echo(f"{len(answers):,} rows: {out}")
        return
    shown = task.shown_at_terminal if sys.stdout.isatty() else task.shown
    for given, one in found:
        if json:
            print(json_text.dumps(given | one, ensure_ascii=False), flush=True)
        else:
            print(shown(one), flush=True)


def _of_lines(task, answer, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[dict, dict]]:
    """The inputs and predictions of lines of standard input."""
    for place, line in lines:
        try:
            found = answer(task.line(line))
        except InputError as error:
            raise InputError(f"line {place} of standard input: {error}") from error
        # a forecast has several predictions for its line
        yield from zip(repeat({} if task.continues else {"row": place, "input": line}), found)


def _lines(prompted: bool) -> Iterator[tuple[int, str]]:
    """The lines of standard input with their line numbers; with a prompt before each."""
    stdin: Any = sys.stdin
    stdin.reconfigure(encoding="utf-8-sig", errors="strict")
    try:
        for number in count(1):
            if prompted:
                print("> ", end="", file=sys.stderr, flush=True)
            line = stdin.readline()
            if not line:
                break
            yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not UTF-8 ({error}); write it as UTF-8, for example: iconv -f "
            "ENCODING -t utf-8"
        ) from error
    if prompted:
        print(file=sys.stderr, flush=True)
