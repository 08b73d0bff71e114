"""Private: the report of a run, and its main picture: what all tasks have in common."""

import shlex
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.examples import Examples
from ..errors import InputError
from ..options import flag
from ..training.report import RunReport
from ..training.wording import translator
from .saved import CONFIG, Config, Result
from .task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Forecasts in a figure.
MAX_FORECASTS = 6


def run_report(
    task: Task, result: Result, config: Config, out: Path, measured: Examples
) -> RunReport:
    """The content of the report of a run.

    Args:
        task: The trained task.
        result: The result of the run.
        config: The configuration of the run.
        out: The directory of the run.
        measured: The examples that the trained model was evaluated on.
    """
    standard = type(task).Options()
    say = translator(task.options.language)
    where, name = shlex.quote(str(out)), Path(config.data).name if config.data else None
    parts = {
        "title": f"{say(task.name)}: {name or say('rows in memory')}",
        "task": task.listing.summary,
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "metrics": result.metrics,
        "commands": [
            (task.use_does, f"ostinato {task.listing.use} {where}"),
            ("evaluate on other data", f"ostinato evaluate {where} DATA"),
            (
                "repeat the run",
                f"ostinato train --config {shlex.quote(str(out / CONFIG))} --out OTHER",
            ),
        ],
        "python": f"from ostinato.tasks import load\n\nmodel = load({str(out)!r})\n"
        "model.predict(...)",
        "options": [
            (flag(f.name), getattr(task.options, f.name), _source(task, config, f.name, standard))
            for f in fields(task.options)
        ],
        "understood": list(task.summary.lines(say)) if task.summary else [],
        "data": {
            f"{task.listing.unit} for training": result.rows,
            f"{task.listing.unit} for evaluation": result.held_out_rows,
            "steps": result.steps,
            "seconds": result.seconds,
        }
        | (
            {"tokens": f"{len(task.vocabulary):,} ({task.vocabulary.kind})"}
            if task.vocabulary
            else {}
        )
        | {"parameters": task.size},
        "history": result.history,
        "best_step": best_step(task, result.history),
        "language": task.options.language,
    }
    return RunReport(**parts | task.report_parts(measured))


def plot(task: Task, examples: Examples | None) -> "Figure":
    """The main picture of a task; see `Task.plot`."""
    from ..training import plots  # imports matplotlib

    say = translator(task.options.language)
    if examples is not None:
        parts = task.report_parts(examples)
        forecasts, confusion = parts.get("forecasts", []), parts.get("confusion")
    elif task._content is not None:
        forecasts, confusion = task._content.forecasts, task._content.confusion
    else:
        forecasts, confusion = [], None
    if forecasts:
        return plots.forecasts(forecasts[:MAX_FORECASTS], say)
    if confusion is not None:
        labels, counts = confusion
        return plots.confusion(labels, counts, say)
    history = task.result.history if task.result else []
    if not history:
        raise InputError("the model has no training curves; give plot labelled data to evaluate")
    return plots.curves(history, best_step(task, history), say)


def _source(task: Task, config: Config, name: str, standard) -> str:
    """Who chose the value of an option."""
    if name in config.found:
        return "found"
    same = getattr(task.options, name) == getattr(standard, name)
    return "default" if same else "given"


def best_step(task: Task, history: list[dict]) -> int | None:
    """The step of the weights that were kept; None without a value of the task's goal."""
    # the later of equal values was kept
    lines = [line for line in reversed(history) if line.get(task.goal) is not None]
    best = max if task.higher_is_better else min
    return best(lines, key=lambda line: line[task.goal])["step"] if lines else None
