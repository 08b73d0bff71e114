"""Private: the commands train, evaluate, inspect and info, made from the options of the tasks."""

import inspect
import json as json_text
import shlex
from dataclasses import fields
from functools import partial
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from typer import Argument, Option

from ..errors import InputError
from ..options import RUN_PANEL, Options, flag, kind
from ..tasks import TASKS, load, task_class
from ..tasks.options import options_in_use
from .signals import Stopped

if TYPE_CHECKING:
    from ..data.examples import Examples
    from ..tasks.saved import Saved

# The metavariables of numbers in the help.
_METAVARS = {int: "INTEGER", float: "NUMBER"}


def _parsed(of, text: str):
    try:
        return of(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}; write a {'whole ' if of is int else ''}number"
        ) from None


def number(of: type, help: str, *names: str, **others):
    """An option for an int or a float whose error, unlike Typer's own, repeats the given value."""
    return Option(*names, help=help, parser=partial(_parsed, of), metavar=_METAVARS[of], **others)


def parameters(options: type[Options]) -> list[inspect.Parameter]:
    """The command's parameters for the options of a task."""
    found = []
    for one in fields(options):
        about, of = one.metadata, kind(one)
        settings = {
            "help": about["help"],
            "rich_help_panel": about["panel"],
            "hidden": about["hidden"],
            "show_default": about["default_text"] or True,
        }
        names = [f"{flag(one.name)}/--no-{one.name.replace('_', '-')}"] if of is bool else []
        option = number(of, **settings) if of in _METAVARS else Option(*names, **settings)
        optional = bool(about["default_text"])
        annotation = Annotated[of | None if optional else of, option]
        found.append(
            inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=annotation
            )
        )
    return found


_RUN = {
    "test": (
        Optional[Path],
        None,
        Option(
            help="Test data to evaluate the trained model on.",
            rich_help_panel=RUN_PANEL,
            show_default=False,
        ),
    ),
    "threads": (
        Optional[int],
        None,
        number(int, "Number of CPU threads.", show_default="all cores", rich_help_panel=RUN_PANEL),
    ),
    "devices": (
        int,
        1,
        number(
            int,
            "Number of processes on this machine, one per GPU with --device cuda.",
            rich_help_panel=RUN_PANEL,
        ),
    ),
    "num_nodes": (
        int,
        1,
        number(
            int,
            "Number of machines; each runs this command with NODE_RANK, MASTER_ADDR and "
            "MASTER_PORT set.",
            rich_help_panel=RUN_PANEL,
        ),
    ),
    "resume": (
        bool,
        False,
        Option(
            "--resume",
            help="Resume an interrupted run in --out.",
            rich_help_panel=RUN_PANEL,
        ),
    ),
    "checkpoint_seconds": (float, 10.0, Option(hidden=True)),
}


def train_command(name: str, program):
    """The function of the command `ostinato train TASK`."""
    task = TASKS[name]

    def command(of_typer: typer.Context, data: Path, out: Path, **given):
        run = {key: given.pop(key) for key in _RUN}
        chosen = frozenset(
            key for key in given if of_typer.get_parameter_source(key).name == "COMMANDLINE"
        )
        train(name, given, data, out, given=chosen, program=program, **run)

    first = [
        inspect.Parameter("of_typer", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        inspect.Parameter(
            "data",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[
                Path, Argument(metavar="DATA", help=task.data, show_default=False)
            ],
        ),
        inspect.Parameter(
            "out",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[
                Path,
                Option(help="Output directory for the model, new or empty.", show_default=False),
            ],
        ),
    ]
    last = [
        inspect.Parameter(
            key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[of, option]
        )
        for key, (of, default, option) in _RUN.items()
    ]
    # Python wants the required parameters first.
    command.__signature__ = inspect.Signature([*first, *parameters(task.options), *last])
    command.__annotations__ = {
        one.name: one.annotation for one in command.__signature__.parameters.values()
    }
    command.__doc__ = task.summary
    return command


def check_counts(**counts: int | None) -> None:
    """Check the numbers of threads, processes and machines, given by option name.

    Raises:
        InputError: One is out of range.
    """
    for name, number in counts.items():
        if number is not None and not 1 <= number <= 1024:
            raise InputError(f"{flag(name)} {number}: write a whole number from 1 to 1024")


def use_threads(count: int | None) -> None:
    """Set the number of CPU threads; None for all cores."""
    if count is not None:
        import torch

        torch.set_num_threads(count)


def train(
    name: str,
    options: dict,
    data: Path,
    out: Path,
    *,
    program,
    given=frozenset(),
    test=None,
    threads=None,
    devices=1,
    num_nodes=1,
    resume=False,
    checkpoint_seconds=10.0,
):
    """Train a task, print its settings, progress and result, and return it.

    The command line and the data are checked before torch is imported.
    """
    check_counts(threads=threads, devices=devices, num_nodes=num_nodes)
    from ..tasks.reading import check_path, read_examples
    from ..tasks.saved import CONFIG, check_new, is_helper
    from .progress import Display, errors, notify_if_waiting

    chosen = TASKS[name].options(**options)
    if not (resume or is_helper()):
        check_new(out, False)
    if test is not None:
        check_path(test)
    console = errors()
    try:
        with notify_if_waiting(data):
            examples = read_examples(name, data, chosen)
        one, display = task_class(name)(**options), Display(console)

        def started(task):
            # the goal of some tasks depends on their data
            display.watch(task.goal)
            _settings(console, task)

        with display:
            one.fit(
                data,
                examples=examples,
                test=test,
                out=out,
                resume=resume,
                given=given,
                threads=threads,
                devices=devices,
                nodes=num_nodes,
                checkpoint_seconds=checkpoint_seconds,
                watcher=display,
                on_start=started,
            )
    except KeyboardInterrupt as stop:
        stop = stop if isinstance(stop, Stopped) else Stopped(SIGINT)
        begun = (out / CONFIG).exists()
        next_step = (
            f"the same command with --resume continues the run in {out}"
            if begun
            else "nothing has been written"
        )
        console.print(f"{stop}; {next_step}", soft_wrap=True)
        raise typer.Exit(stop.exit_code) from None
    result = one.result
    if result is None:  # a worker process; the first process has the result
        return one
    listing, early = TASKS[name], ", stopped early" if result.stopped_early else ""
    typer.echo(
        f"{result.rows:,} {listing.unit}, {result.steps} steps, {result.seconds:.0f} s{early}; "
        f"evaluated on {result.held_out_rows:,} {listing.unit}:"
    )
    _print_metrics(result.metrics)
    _print_compared(result.compared)
    if result.warning:
        typer.echo(f"warning: {result.warning}")
    if sample := one.sample():
        typer.echo(f"\n{sample}")
    typer.echo(
        f"\nmodel     {out}\nreport    {out / 'report.html'}\n"
        f"use       {program()} {listing.use} {shlex.quote(str(out))}\nevaluate  {program()} "
        f"evaluate {shlex.quote(str(out))} DATA"
    )
    return one


def show_summary(write, summary, *, width: int = 10) -> None:
    """Print what was understood of the data, a line for each thing.

    Args:
        write: Prints a line.
        summary: The summary; None to print nothing.
        width: Width of the names.
    """
    for name, text in summary.lines() if summary else ():
        write(f"{name:{width}} {text}")


def _settings(console, task):
    """Print what was understood of the data, the options that apply to it with their values, and
    the size of the model.
    """
    show_summary(console.print, task.summary)
    words = [
        f"{name.replace('_', '-')} {value:g}"
        if isinstance(value, float)
        else f"{name.replace('_', '-')} {value}"
        for name, value in options_in_use(task.options, task.metadata).items()
    ]
    console.print("  ".join(words))
    console.print(
        f"{task.size:,} parameters"
        + (f", {len(task.vocabulary):,} tokens" if task.vocabulary else "")
        + (f", {task.scaling()}" if task.scaling() else "")
    )


def _print_metrics(metrics: dict):
    for name, value in metrics.items():
        shown = (
            "none" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        )
        typer.echo(f"{name.replace('_', ' '):24} {shown}")


def _print_compared(compared):
    """Print the models that were compared on held-out rows."""
    if compared:
        typer.echo(f"{compared[0].metric.replace('_', ' ')} on held-out rows:")
    for one in compared:
        weight = "baseline" if one.weight is None else f"weight {one.weight:.1f}"
        value = "none" if one.value is None else f"{one.value:.4f}"
        typer.echo(f"  {one.name:22} {value}  {one.seconds:8.1f} s  {weight}")


def train_config(config: Path, out: Path, *, program, threads=None) -> None:
    """Repeat a run from its config.json."""
    from ..tasks.saved import read_config

    saved = read_config(config)
    if saved.data is None:
        raise InputError(
            f"{str(config)!r} does not name a data file: the model was trained on rows in memory; "
            f"train with `ostinato train {saved.task} DATA`"
        )
    train(
        saved.task,
        saved.options,
        Path(saved.data),
        out,
        program=program,
        test=saved.test,
        threads=threads or saved.threads,
    )


DIRECTORY = Argument(
    metavar="DIR", help="Model directory: the --out of `ostinato train`.", show_default=False
)


def evaluate(
    directory: Annotated[Path, DIRECTORY],
    data: Annotated[
        Path,
        Argument(
            metavar="DATA",
            help="Labelled data in the format of the training data.",
            show_default=False,
        ),
    ],
    json: Annotated[bool, Option("--json", help="Print the output as JSON.")] = False,
    threads: Annotated[
        int | None, number(int, "Number of CPU threads.", show_default="all cores")
    ] = None,
):
    """Evaluate a trained model on new data."""
    check_counts(threads=threads)
    from ..tasks.saved import read_model

    saved = read_model(directory, device="cpu", mixed_precision=False)
    examples = read_for(saved, data, labelled=True)
    from ..tasks.restore import restored  # imports torch

    task = restored(saved, directory)
    use_threads(threads)
    metrics = task.compute_metrics(examples)
    if json:
        typer.echo(json_text.dumps(metrics, ensure_ascii=False))
    else:
        _print_metrics(metrics)


def read_for(saved: "Saved", data: Path, *, labelled: bool) -> "Examples":
    """The examples in a file, as a saved model reads them; does not import torch."""
    from ..tasks.reading import read_examples
    from .progress import notify_if_waiting

    with notify_if_waiting(data):
        return read_examples(
            saved.config.task, data, saved.options, labelled=labelled, metadata=saved.metadata
        )


def inspect_input(
    directory: Annotated[Path, DIRECTORY],
    line: Annotated[
        str,
        Argument(metavar="INPUT", help="One line of input, as for `predict`.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        Option("--out", "-o", help="PNG file for a picture of all states.", show_default="none"),
    ] = None,
):
    """Show the states, gates and input gradients of a model at every step of an input."""
    from rich.console import Console
    from rich.table import Table

    from .coloured import by_gradient

    if out is not None and out.suffix != ".png":
        raise InputError(f"--out {out}: unsupported file type; write a file that ends in .png")

    task = load(directory)
    from ..inspection import gradients, inspect_layer

    if task.options.engine == "torch":
        raise InputError(
            f"the model in {str(directory)!r} uses a layer of torch.nn, whose gates are not "
            "accessible; train a model without --engine torch"
        )
    inside = task.inside(task.line(line))
    steps = inspect_layer(inside.layer, inside.x)
    counts = gradients(inside.output_of, inside.x[0])
    rows = steps.table(inside.tokens)
    for base in steps.runs:
        names = [
            name for name in rows[0] if name.startswith(("mean ", "norm ")) and name.endswith(base)
        ]
        table = Table(
            box=None,
            pad_edge=False,
            title=f"layer {base.removeprefix('_l')}: mean of each gate, norm of each state",
            title_justify="left",
        )
        for heading in (
            "step",
            "input",
            *(name.split(" ", 1)[1].removesuffix(base) for name in names),
            "gradient",
        ):
            table.add_column(
                heading,
                justify="left" if heading == "input" else "right",
                no_wrap=True,
                max_width=16 if heading == "input" else None,
            )
        for row, count in zip(rows, counts):
            table.add_row(
                str(row["step"] + 1),
                row["token"],
                *(f"{row[name]:.2f}" for name in names),
                f"{count:.3g}",
            )
        Console(highlight=False, markup=False).print(table)
    shares = ", ".join(
        f"{name} {low:.0%} low {high:.0%} high" for name, (low, high) in steps.saturation.items()
    )
    typer.echo(
        f"saturated: {shares}\ngradient: of the {inside.explained} with respect to the layer's "
        "input at each step"
    )
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        console.print("\nthe darker, the larger the gradient:")
        console.print(by_gradient(inside.tokens, counts))
    if out is not None:
        steps.picture(out, inside.tokens)
        typer.echo(f"picture: {out}")


def info(
    directory: Annotated[Path, DIRECTORY],
    json: Annotated[bool, Option("--json", help="Print the output as JSON.")] = False,
):
    """Show the options, sizes and metrics of a trained model, or imported layers."""
    from ..data.values import scaling
    from ..tasks.saved import CONFIG, is_layers, read_kind, read_model

    if is_layers(directory):
        from .layers import show_layers

        show_layers(directory, json=json)
        return
    saved = read_model(directory, device="cpu", mixed_precision=False)
    config, listing = saved.config, TASKS[saved.config.task]
    if json:
        typer.echo((directory / CONFIG).read_text(encoding="utf-8").rstrip())
        return
    kind = read_kind(directory) if config.vocabulary_size else None
    typer.echo(f"{config.task}: {listing.summary}")
    for name, value in options_in_use(saved.options, saved.metadata).items():
        typer.echo(f"{flag(name):24} {value}")
    if config.parameters is not None:
        typer.echo(f"{'parameters':24} {config.parameters:,}")
    if config.vocabulary_size:
        typer.echo(f"{'tokens':24} {config.vocabulary_size:,} ({kind})")
    if scaled := scaling(getattr(saved.metadata, "dtype", None)):
        typer.echo(f"{'input':24} {scaled}")
    show_summary(typer.echo, config.summary, width=24)
    if result := config.result:
        typer.echo(
            f"trained on {result.rows:,} {listing.unit} in {result.steps} steps and "
            f"{result.seconds:.0f} s; evaluated on {result.held_out_rows:,} others:"
        )
        _print_metrics(result.metrics)
        _print_compared(result.compared)
        if result.warning:
            typer.echo(f"warning: {result.warning}")
