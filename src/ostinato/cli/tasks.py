"""The commands of the tasks: train, evaluate, predict, info. Made from each task's options, which
are declared once.
"""

import inspect
import json as json_text
import shlex
import sys
from dataclasses import fields
from functools import partial
from itertools import chain
from pathlib import Path
from signal import SIGINT
from typing import Annotated, Optional

import typer
from typer import Argument, Option

from ..errors import InputError
from ..options import RUN, Options, flag, kind
from ..tasks import TASKS, load, task_class
from .signals import Stopped

# How the help calls a number.
_NAMES = {int: "INTEGER", float: "NUMBER"}


def _parsed(of, text: str):
    try:
        return of(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}; write a {'whole ' if of is int else ''}number"
        ) from None


def number(of: type, help: str, *names: str, **others):
    """An option for a whole number (int) or a number (float); unlike Typer's own, its error repeats
    what was given.
    """
    return Option(*names, help=help, parser=partial(_parsed, of), metavar=_NAMES[of], **others)


def parameters(options: type[Options]) -> list[inspect.Parameter]:
    """A command's parameters for a task's options."""
    found = []
    for one in fields(options):
        about, of = one.metadata, kind(one)
        settings = {
            "help": about["help"],
            "rich_help_panel": about["panel"],
            "hidden": about["hidden"],
            "show_default": about["found"] or True,
        }
        names = [f"{flag(one.name)}/--no-{one.name.replace('_', '-')}"] if of is bool else []
        option = number(of, **settings) if of in _NAMES else Option(*names, **settings)
        annotation = Annotated[of | None if about["found"] else of, option]
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
            help="Data to measure the trained model on.", rich_help_panel=RUN, show_default=False
        ),
    ),
    "threads": (
        Optional[int],
        None,
        number(int, "CPU threads.", show_default="all cores", rich_help_panel=RUN),
    ),
    "devices": (
        int,
        1,
        number(
            int,
            "Processes on this machine that train together, each on a GPU with --device cuda.",
            rich_help_panel=RUN,
        ),
    ),
    "num_nodes": (
        int,
        1,
        number(
            int,
            "Machines; each runs this command with NODE_RANK, MASTER_ADDR and MASTER_PORT set.",
            rich_help_panel=RUN,
        ),
    ),
    "resume": (
        bool,
        False,
        Option(
            "--resume",
            help="Go on with the run in --out after a stop or a kill.",
            rich_help_panel=RUN,
        ),
    ),
    "checkpoint_seconds": (float, 10.0, Option(hidden=True)),
}


def train_command(name: str, program):
    """The function behind `ostinato train` of a task."""
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
                Path, Option(help="Directory for the model; new or empty.", show_default=False)
            ],
        ),
    ]
    last = [
        inspect.Parameter(
            key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[of, option]
        )
        for key, (of, default, option) in _RUN.items()
    ]
    # Required ones come first, as Python wants it.
    command.__signature__ = inspect.Signature([*first, *parameters(task.options), *last])
    command.__annotations__ = {
        one.name: one.annotation for one in command.__signature__.parameters.values()
    }
    command.__doc__ = task.summary
    return command


def check_counts(**counts: int | None) -> None:
    """Check the numbers of threads, processes and machines, by the names of their options.

    Raises:
        InputError: One is out of range.
    """
    for name, number in counts.items():
        if number is not None and not 1 <= number <= 1024:
            raise InputError(f"{flag(name)} {number}: write a whole number from 1 to 1024")


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
    """Train a task, showing what was found from the data, how it goes, and how it ends; gives the
    task back.

    What can be wrong with the command line and the data is checked before torch is imported.
    """
    check_counts(threads=threads, devices=devices, num_nodes=num_nodes)
    from ..tasks.reading import check_path, read_examples
    from ..tasks.saved import CONFIG, check_new, is_helper
    from .progress import Display, errors, told_of_waiting

    chosen = TASKS[name].options(**options)
    if not (resume or is_helper()):
        check_new(out, False)
    if test is not None:
        check_path(test)
    console = errors()
    try:
        with told_of_waiting(data):
            examples = read_examples(name, data, chosen)
        one = task_class(name)(**options)
        with Display(console, one.goal, label=one.goal.replace("_", " ")) as display:
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
                told=lambda task: _settings(console, task),
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
    if result is None:  # a process that helped another one
        return one
    listing, early = TASKS[name], ", stopped early" if result.stopped_early else ""
    typer.echo(
        f"{result.rows:,} {listing.unit}, {result.steps} steps, {result.seconds:.0f} s{early}; "
        f"measured on {result.held_out_rows:,} {listing.unit}:"
    )
    _print_measures(result.measures)
    if sample := one.sample():
        typer.echo(f"\n{sample}")
    typer.echo(
        f"\nmodel     {out}\nreport    {out / 'report.html'}\n"
        f"use it    {program()} {listing.use} {shlex.quote(str(out))}\nmeasure   {program()} "
        f"evaluate {shlex.quote(str(out))} DATA"
    )
    return one


def _settings(console, task):
    """Every option with its value; those found from the data are marked."""
    words = [
        f"{name.replace('_', '-')} {value:g}"
        if isinstance(value, float)
        else f"{name.replace('_', '-')} {value}"
        for name, value in task.options.to_json().items()
        if value is not None
    ]
    console.print("  ".join(words))
    console.print(
        f"{task.size:,} parameters"
        + (f", {len(task.pieces):,} pieces" if task.pieces else "")
        + (f", {task.scaling()}" if task.scaling() else "")
    )


def _print_measures(measures: dict):
    for name, value in measures.items():
        shown = (
            "none" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        )
        typer.echo(f"{name.replace('_', ' '):24} {shown}")


def train_config(config: Path, out: Path, *, program, threads=None) -> None:
    """Do a run again from its config.json."""
    from ..tasks.saved import read_config

    said = read_config(config)
    if said.data is None:
        raise InputError(
            f"{str(config)!r} names no data file: it was trained on rows in memory; train with "
            f"`ostinato train {said.task} DATA`"
        )
    train(
        said.task,
        said.options,
        Path(said.data),
        out,
        program=program,
        test=said.test,
        threads=threads or said.threads,
    )


DIRECTORY = Argument(metavar="DIR", help="The --out of `ostinato train`.", show_default=False)


def evaluate(
    directory: Annotated[Path, DIRECTORY],
    data: Annotated[
        Path,
        Argument(
            metavar="DATA", help="Data as that trained on, with the answers.", show_default=False
        ),
    ],
    json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
):
    """Measure a trained model on data it has not seen."""
    examples = _read_for(directory, data, labelled=True)
    measures = load(directory).measures(examples)
    if json:
        typer.echo(json_text.dumps(measures, ensure_ascii=False))
    else:
        _print_measures(measures)


def predict(
    directory: Annotated[Path, DIRECTORY],
    file: Annotated[
        str | None,
        Argument(
            metavar="[FILE or -]",
            help="Data without answers; -, or nothing: lines from standard input. A model of "
            "`train forecast` continues its training series where there are none.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        number(
            int,
            "Steps to forecast, with a model of `train forecast`.",
            show_default="the option horizon of its training",
        ),
    ] = None,
    json: Annotated[
        bool, Option("--json", help="A JSON object a line, with all that is known.")
    ] = False,
):
    """Answer with a trained model: a line in, a line out; or continue a series."""
    of_file = file not in (None, "-")
    examples = _read_for(directory, Path(file), labelled=False) if of_file else None
    task = load(directory)
    if steps is not None and not task.continues:
        raise InputError(
            f"--steps {steps}: {str(directory)!r} is a model of `ostinato train {task.name}`, "
            f"which forecasts no steps; leave --steps out"
        )
    answer = partial(task.predict, **({} if steps is None else {"steps": steps}))
    keyboard = sys.stdin.isatty()
    if of_file:
        found = answer(examples)
    elif file is None and task.continues and keyboard:
        found = answer()
    else:
        if keyboard:
            print(
                f"reading from the keyboard: {task.line_is} a line; Ctrl-D ends",
                file=sys.stderr,
                flush=True,
            )
        lines = _lines()
        first = next(lines, None)
        if first is None and file is None and task.continues:
            found = answer()
        else:
            found = (
                one
                for line in chain([] if first is None else [first], lines)
                for one in _answered(task, answer, *line)
            )
    for one in found:
        print(json_text.dumps(one, ensure_ascii=False) if json else task.shown(one), flush=True)


def _read_for(directory: Path, data: Path, *, labelled: bool):
    """The examples in a file, as the model in a directory reads them; nothing here needs torch."""
    from ..tasks.reading import read_examples
    from ..tasks.saved import read_model
    from .progress import told_of_waiting

    saved = read_model(directory, device="cpu", mixed_precision=False)
    with told_of_waiting(data):
        return read_examples(
            saved.config.task, data, saved.options, labelled=labelled, knows=saved.knows
        )


def _lines():
    """The lines of standard input with their numbers."""
    sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")
    try:
        for number, line in enumerate(sys.stdin, 1):
            yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not UTF-8 ({error}); write it as UTF-8, for example: iconv -f "
            f"ENCODING -t utf-8"
        ) from error


def _answered(task, answer, number, line):
    try:
        return answer(task.line(line))
    except InputError as error:
        raise InputError(f"line {number} of standard input: {error}") from error


def inspect_input(
    directory: Annotated[Path, DIRECTORY],
    line: Annotated[
        str,
        Argument(metavar="INPUT", help="A line of input, as `predict` takes.", show_default=False),
    ],
    out: Annotated[Path, Option(help="Where the picture goes.")] = Path("inspect.png"),
):
    """Look inside a model as it reads an input: states and gates at every step, and what each step
    counts for.
    """
    from rich.console import Console
    from rich.table import Table

    task = load(directory)
    from ..inspection import gradients, inspect_layer

    if task.options.engine == "torch":
        raise InputError(
            f"the model in {str(directory)!r} has torch.nn's layers, whose gates cannot be seen; "
            f"train one without --engine torch"
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
        f"saturated: {shares}\ngradient: of the {inside.explained}, by the layer's input at each "
        f"step"
    )
    steps.picture(out, inside.tokens)
    typer.echo(f"picture: {out}")


def info(
    directory: Annotated[Path, DIRECTORY],
    json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
):
    """What is in a model's directory."""
    from ..data.values import scaling
    from ..tasks.saved import CONFIG, read_kind, read_model

    saved = read_model(directory, device="cpu", mixed_precision=False)
    config, listing = saved.config, TASKS[saved.config.task]
    if json:
        typer.echo((directory / CONFIG).read_text(encoding="utf-8").rstrip())
        return
    kind = read_kind(directory) if config.pieces else None
    typer.echo(f"{config.task}: {listing.summary}")
    for name, value in saved.options.to_json().items():
        if value is not None:
            typer.echo(f"{flag(name):24} {value}")
    if config.parameters is not None:
        typer.echo(f"{'parameters':24} {config.parameters:,}")
    if config.pieces:
        typer.echo(f"{'pieces':24} {config.pieces:,} ({kind})")
    if scaled := scaling(getattr(saved.knows, "dtype", None)):
        typer.echo(f"{'input':24} {scaled}")
    if result := config.result:
        typer.echo(
            f"trained on {result.rows:,} {listing.unit} in {result.steps} steps and "
            f"{result.seconds:.0f} s; on {result.held_out_rows:,} others:"
        )
        _print_measures(result.measures)
