"""The command line: parse, call, print. Errors are one paragraph on stderr and exit code 2.

Whatever is slow to import is imported by the command that needs it.
"""

import contextlib
import errno
import os
import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ..errors import InputError, OstinatoError, missing_extra
from ..tasks import TASKS, load
from . import tasks
from .signals import Stopped, raised_as_stopped
from .tasks import number, train_command

# Typer carries its own copy of click since 0.20; its error class is reached through what Typer
# exports.
UsageError = typer.BadParameter.__base__
ClickError = UsageError.__base__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recurrent networks written as their equations, run as fused kernels.",
)
train_app = typer.Typer(no_args_is_help=True, invoke_without_command=True)
app.add_typer(train_app, name="train")
for command in (tasks.evaluate, tasks.predict, tasks.info):
    app.command()(command)
app.command("inspect")(tasks.inspect_input)


def _version(wanted: bool):
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ostinato {version('ostinato')}")
        raise typer.Exit


@app.callback()
def _ostinato(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
):
    pass


@train_app.callback()
def _train_again(
    context: typer.Context,
    config: Annotated[
        Path | None,
        Option(help="Do a run again: the config.json of its directory.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        Option(help="With --config: directory for the model; new or empty.", show_default=False),
    ] = None,
):
    """Train a model for a task."""
    if context.invoked_subcommand is not None and (config is not None or out is not None):
        raise InputError(
            f"ostinato train with {'--config' if config is not None else '--out'} before "
            f"{context.invoked_subcommand}: --config does a whole run "
            "again and is without a task; give one of the two, and options behind the task"
        )
    if context.invoked_subcommand is None:
        if config is None or out is None:
            raise InputError(
                "ostinato train without a task: give --config RUN.json and --out DIR, or one of "
                "the tasks that `ostinato train --help` lists"
            )
        tasks.train_config(config, out, program=_program)


_whole, _real = partial(number, int), partial(number, float)

for name in TASKS:
    train_app.command(name)(train_command(name, lambda: _program()))


@app.command("generate")
def generate_text(
    directory: Annotated[
        Path,
        Argument(metavar="DIR", help="The --out of `ostinato train generate`.", show_default=False),
    ],
    prompt: Annotated[str, Option(help="What the text starts with.")] = "",
    length: Annotated[int, _whole("Characters to write.")] = 500,
    temperature: Annotated[float, _real("Below 1 surer, above 1 bolder.")] = 0.8,
    seed: Annotated[
        int | None,
        _whole("The same seed writes the same text.", show_default="another each time"),
    ] = None,
    beams: Annotated[
        int | None,
        _whole("Draw nothing: search the likeliest text with so many beams.", show_default="none"),
    ] = None,
):
    """Write text with a trained model, as it comes."""
    task = load(directory)
    if task.name != "generate":
        raise InputError(
            f"{str(directory)!r} is a model of `ostinato train {task.name}`; use it with `ostinato "
            f"{task.listing.use}`"
        )
    text = task.write(
        prompt,
        length=length,
        temperature=temperature,
        beams=beams,
        seed=int.from_bytes(os.urandom(6), "little") if seed is None else seed,
    )
    try:
        for piece in chain([prompt], text, ["\n"]):
            sys.stdout.write(piece)
            sys.stdout.flush()
    except BrokenPipeError:
        # whoever read has gone
        _leave_output()
        raise typer.Exit from None


@app.command()
def demo(
    out: Annotated[
        Path,
        Option(help="Directory for the text and the model; an earlier demo there is replaced."),
    ] = Path("demo"),
    seconds: Annotated[float, _real("How long to train.")] = 60.0,
    steps: Annotated[int | None, _whole("Or how many steps.")] = None,
    threads: Annotated[int | None, _whole("CPU threads.", show_default="all cores")] = None,
    compare: Annotated[
        bool,
        Option(
            "--compare", help="Train torch.nn.LSTM too, in the same loop for as many steps (800)."
        ),
    ] = False,
):
    """Train a character model for a minute on a text that Python brings along: its language
    reference.
    """
    from pydoc_data.topics import topics

    from ..data.files import make_directory, write_whole

    text = "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"
    steps = 800 if compare and steps is None else steps
    budget = {"seconds": seconds} if steps is None else {"steps": steps}
    # what is wrong with the options is told before anything is written
    TASKS["generate"].options(**budget)
    tasks.check_counts(threads=threads)
    make_directory(out)
    write_whole(out / "text.txt", text.encode())
    typer.echo(
        f"{len(text):,} characters of the Python language reference, the last tenth held out"
    )
    results = []
    for name, engine in (("model", None), ("torch", "torch"))[: 1 + compare]:
        if compare:
            typer.echo(f"\n{'torch.nn.LSTM' if engine else 'ostinato'}:")
        _clear(out / name)
        trained = tasks.train(
            "generate",
            budget | {"engine": engine},
            out / "text.txt",
            out / name,
            program=_program,
            threads=threads,
        )
        results.append(trained.result)
    if compare:
        bits = [result.measures["bits_per_character"] for result in results]
        typer.echo(
            f"\nostinato       {bits[0]:.4f} bits per character held out, {results[0].seconds:.1f} "
            f"s\n"
            f"torch.nn.LSTM  {bits[1]:.4f} bits per character held out, {results[1].seconds:.1f} "
            f"s\n"
            f"difference     {100 * (bits[1] / bits[0] - 1):+.2f} %"
        )


def _clear(directory: Path):
    """Take an earlier demo's files away, and nothing else."""
    from ..tasks.saved import CHECKPOINT, CONFIG, CURVE, REPORT, VOCABULARY, WEIGHTS

    for name in (CONFIG, VOCABULARY, WEIGHTS, CHECKPOINT, REPORT, CURVE):
        (directory / name).unlink(missing_ok=True)


@app.command()
def doctor():
    """Which engines run here, and why."""
    from rich.table import Table

    from .. import engines

    table = Table(box=None, pad_edge=False)
    for heading in ("engine", "runs here", "why"):
        table.add_column(heading)
    for name, available, reason in engines.doctor():
        table.add_row(name, "[green]yes[/green]" if available else "[red]no[/red]", reason)
    from rich.console import Console

    Console(highlight=False).print(table)


ELSE = "Something else instead (one of these)"


@app.command()
def bench(
    threads: Annotated[
        int | None, _whole("CPU threads of everyone.", show_default="one a core")
    ] = None,
    quick: Annotated[
        bool, Option("--quick", help="A small part of the sizes, in under half a minute.")
    ] = False,
    json: Annotated[
        Path | None, Option(metavar="FILE", help="Write everything to a JSON file too.")
    ] = None,
    only: Annotated[
        list[str] | None,
        Option(
            metavar="NAME", help="Keep RNN, LSTM, GRU, own, inference or training; may be repeated."
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="onnxruntime, jax or keras; may be repeated.",
            show_default="those installed",
        ),
    ] = None,
    save_ratios: Annotated[
        Path | None,
        Option(
            metavar="FILE", help="Write the ratios to a file, for later runs to be held against."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Hold this run against such a file; exit code 1 if a row got worse.",
        ),
    ] = None,
    roofline: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            rich_help_panel=ELSE,
            help="Our times beside the processor's limits, drawn in a PNG file.",
        ),
    ] = None,
    ragged: Annotated[
        bool,
        Option(
            "--ragged",
            rich_help_panel=ELSE,
            help="Rows of unequal lengths, beside torch.nn's PackedSequence.",
        ),
    ] = False,
    memory: Annotated[
        bool,
        Option(
            "--memory",
            rich_help_panel=ELSE,
            help="The memory that training takes, beside torch.nn.LSTM's.",
        ),
    ] = False,
    regularisers: Annotated[
        bool,
        Option(
            "--regularisers",
            rich_help_panel=ELSE,
            help="Training with each regulariser, beside the layer without.",
        ),
    ] = False,
):
    """Time the layers beside torch.nn, ONNX Runtime, JAX and Keras."""
    from ..bench import command

    if not command(
        threads=threads,
        quick=quick,
        json=json,
        only=only or None,
        peers=peers or None,
        save_ratios=save_ratios,
        compare=compare,
        roofline=roofline,
        ragged=ragged,
        memory=memory,
        regularisers=regularisers,
    ):
        raise typer.Exit(1)


def _program() -> str:
    """How this program was called, for hints that can be typed again."""
    command = Path(sys.argv[0])
    if command.name == "__main__.py":
        return "python -m ostinato"
    # one found through PATH or from elsewhere has the name that the person knows; one below here
    # may not be on PATH
    below = len(command.parts) > 1 and (Path.cwd() / command).is_relative_to(Path.cwd())
    return os.path.relpath(command) if below else "ostinato"


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    # a terminal that cannot show a letter shows another one
    sys.stdout.reconfigure(errors="replace")
    try:
        with raised_as_stopped():
            code = app(prog_name=_program(), standalone_mode=False)
    except OstinatoError as error:
        code = _fail(str(error))
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        code = _fail(str(missing))
    except ClickError as error:
        context, message = getattr(error, "ctx", None), error.format_message().rstrip(".")
        # of a command without arguments the help has been shown, and there is no message
        code = (
            _fail(message + (f"; see: {context.command_path} --help" if context else ""))
            if message
            else 2
        )
    except Stopped as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except OSError as error:
        # of files the errors are told where they are written
        if error.errno not in _WRITING or error.filename is not None:
            raise
        code = _fail(
            f"cannot write standard output: {error.strerror}; send it to a place that "
            f"{_WRITING[error.errno]}"
        )
        _leave_output()
    sys.exit(code if isinstance(code, int) else 0)


# How writing standard output fails, and what is wanted of the place; a reader that has gone is no
# failure.
_WRITING = {errno.ENOSPC: "has room", errno.EIO: "can be written", errno.EBADF: "can be written"}


def _open_closed_streams() -> None:
    """Put nothing in the place of a standard stream that the shell has closed, as by `>&-`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _leave_output() -> None:
    """Write no more: Python would complain once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    # where nobody can read it, the exit code has to do
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr)
    return 2
