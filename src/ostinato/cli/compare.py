"""Private: the command compare: options, metrics, time and size of several models in a table."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ..errors import InputError
from ..options import flag
from ..tasks import TASKS
from ..tasks.saved import Saved, read_model
from ..training.metric_names import higher_is_better, title

# Models in a table, so that it fits 80 columns.
SIDE_BY_SIDE = 4
# Options that do not change the model.
_NOT_COMPARED = {"language", "log"}


def compare(
    directories: Annotated[
        list[Path],
        Argument(
            metavar="DIR DIR ...",
            help="Model directories of one task: the --out of `ostinato train`.",
            show_default=False,
        ),
    ],
    json: Annotated[bool, Option("--json", help="Print the output as JSON.")] = False,
):
    """Compare trained models: the options that differ, metrics, time and size."""
    if len(directories) < 2:
        raise InputError(
            f"ostinato compare {directories[0]}: one model; give two or more model directories"
        )
    models = [read_model(one, device="cpu", mixed_precision=False) for one in directories]
    tasks = [saved.config.task for saved in models]
    if len(set(tasks)) > 1:
        other = next(k for k, task in enumerate(tasks) if task != tasks[0])
        raise InputError(
            f"{str(directories[0])!r} is a model of `ostinato train {tasks[0]}` and "
            f"{str(directories[other])!r} of `ostinato train {tasks[other]}`: their metrics "
            "differ; compare models of one task"
        )
    options, sizes, metrics = _options(models), _sizes(models), _metrics(models)
    notes = _notes(models)
    if json:
        found = [
            {"model": str(path)}
            | {
                name: {row: values[k] for row, values in part.items()}
                for name, part in (("options", options), ("run", sizes), ("metrics", metrics))
            }
            for k, path in enumerate(directories)
        ]
        content = {"task": tasks[0], "models": found, "notes": notes}
        typer.echo(json_text.dumps(content, ensure_ascii=False))
        return
    typer.echo(f"{tasks[0]}: {TASKS[tasks[0]].summary}")
    for start in range(0, len(models), SIDE_BY_SIDE):
        shown = slice(start, start + SIDE_BY_SIDE)
        _print(directories[shown], shown, options, sizes, metrics, comparable=not notes)
    for note in notes:
        typer.echo(f"note: {note}")


def _options(models: list[Saved]) -> dict[str, list]:
    """The options that differ, with the value of each model."""
    all_options = [saved.options.to_json() for saved in models]
    values = {name: [options[name] for options in all_options] for name in all_options[0]}
    return {
        flag(name): row
        for name, row in values.items()
        if name not in _NOT_COMPARED and any(value != row[0] for value in row)
    }


def _sizes(models: list[Saved]) -> dict[str, list]:
    unit, results = TASKS[models[0].config.task].unit, [saved.config.result for saved in models]
    return {
        "parameters": [saved.config.parameters for saved in models],
        "steps": [result and result.steps for result in results],
        "seconds": [result and result.seconds for result in results],
        f"{unit} for training": [result and result.rows for result in results],
        f"{unit} for evaluation": [result and result.held_out_rows for result in results],
    }


def _metrics(models: list[Saved]) -> dict[str, list]:
    results = [saved.config.result for saved in models]
    found = [result.metrics if result else {} for result in results]
    names = dict.fromkeys(name for metrics in found for name in metrics)
    return {name: [metrics.get(name) for metrics in found] for name in names}


def _notes(models: list[Saved]) -> list[str]:
    """The reason why the metrics do not compare, if there is one."""
    configs = [saved.config for saved in models]
    if any(config.result is None or config.digest is None for config in configs):
        return [
            "what a model was trained or evaluated on is not known; its metrics may not compare"
        ]
    if len({config.digest for config in configs}) > 1:
        return ["the models were trained on different data; their metrics do not compare"]
    rows = {config.result.held_out_rows for config in configs if config.result}
    split = {(saved.options.held_out, saved.options.seed) for saved in models}
    if len({config.test for config in configs}) > 1:
        rest = "other data (--test)"
    elif len(rows) > 1 or (configs[0].test is None and len(split) > 1):
        rest = "other rows of the data (--held-out or --seed)"
    else:
        return []
    return [
        f"the models were evaluated on {rest}; `ostinato evaluate` compares them on the same data"
    ]


def _print(
    directories: list[Path], shown: slice, *parts: dict[str, list], comparable: bool
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for path in directories:
        table.add_column(str(path), justify="right", overflow="fold")
    for number, part in enumerate(parts):
        if number and table.row_count:
            table.add_section()
            table.add_row("")
        for name, values in part.items():
            best = _best(name, values) if comparable else None
            cells = [
                _cell(value) + ("*" if best is not None and value == best else "")
                for value in values[shown]
            ]
            table.add_row(title(name), *cells)
    Console(highlight=False, markup=False).print(table)
    if comparable and any(_best(name, values) is not None for name, values in parts[-1].items()):
        typer.echo("* best of all models")


def _best(name: str, values: list) -> float | None:
    """The best value of a metric; None if the values do not differ, or none is better."""
    higher = higher_is_better(name)
    known = [value for value in values if value is not None]
    if higher is None or len(set(known)) < 2:
        return None
    return max(known) if higher else min(known)


def _cell(value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
