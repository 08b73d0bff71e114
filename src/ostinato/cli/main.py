"""Private: the command line: parse, call, print. An error is one paragraph on stderr and exit code
2.

Modules that are slow to import are imported by the command that needs them.
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

from ..errors import InputError, OstinatoError
from ..tasks import TASKS, load
from . import tasks
from .command_examples import examples_of
from .compare import compare as compare_models
from .exchange import export_model, import_model
from .prediction import predict
from .signals import Stopped, raised_as_stopped
from .tasks import number, train_command

# Typer has its own copy of click since 0.20; its error class is only reachable through a subclass
# that Typer exports.
UsageError = typer.BadParameter.__base__
ClickError = UsageError.__base__


class Commands(typer.core.TyperGroup):
    """The commands in the order in which they are used: train comes first."""

    def list_commands(self, context):
        return sorted(super().list_commands(context), key=lambda name: name != "train")


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recurrent networks for PyTorch: cells written as equations, compiled to CPU kernels.",
)
train_app = typer.Typer(
    no_args_is_help=True, invoke_without_command=True, epilog=examples_of("train")
)
app.add_typer(train_app, name="train")
for name, function in {
    "predict": predict,
    "evaluate": tasks.evaluate,
    "info": tasks.info,
    "inspect": tasks.inspect_input,
    "compare": compare_models,
    "export": export_model,
    "import": import_model,
}.items():
    app.command(name, epilog=examples_of(name))(function)


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
        Option(help="Repeat a run from its config.json.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        Option(help="With --config: output directory, new or empty.", show_default=False),
    ] = None,
):
    """Train a model for a task."""
    if context.invoked_subcommand is not None and (config is not None or out is not None):
        raise InputError(
            f"ostinato train with {'--config' if config is not None else '--out'} before "
            f"{context.invoked_subcommand}: --config repeats a whole run and takes no task; give "
            "one of the two, and write options after the task"
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
    train_app.command(name, epilog=examples_of(f"train {name}"))(
        train_command(name, lambda: _program())
    )


@app.command("generate", epilog=examples_of("generate"))
def generate_text(
    directory: Annotated[
        Path,
        Argument(
            metavar="DIR",
            help="Model directory: the --out of `ostinato train generate`.",
            show_default=False,
        ),
    ],
    prompt: Annotated[str, Option(help="Text to continue.")] = "",
    length: Annotated[int, _whole("Number of characters to generate.")] = 500,
    temperature: Annotated[float, _real("Sampling temperature; lower is more predictable.")] = 0.8,
    seed: Annotated[
        int | None,
        _whole("Random seed; the same seed writes the same text.", show_default="random"),
    ] = None,
    beams: Annotated[
        int | None,
        _whole("Use beam search with this many beams instead of sampling.", show_default="none"),
    ] = None,
):
    """Generate text with a trained model and print it as it is generated."""
    task = load(directory)
    if task.name != "generate":
        raise InputError(
            f"{str(directory)!r} is a model of `ostinato train {task.name}`; use it with `ostinato "
            f"{task.listing.use}`"
        )
    text = task.stream(
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
        # the reader has closed the pipe
        _leave_output()
        raise typer.Exit from None


@app.command(epilog=examples_of("demo"))
def demo(
    out: Annotated[
        Path,
        Option(help="Output directory for the text and the model; replaces an earlier demo."),
    ] = Path("demo"),
    seconds: Annotated[float, _real("Training time in seconds.")] = 60.0,
    steps: Annotated[int | None, _whole("Number of training steps, instead of --seconds.")] = None,
    threads: Annotated[
        int | None, _whole("Number of CPU threads.", show_default="all cores")
    ] = None,
    compare: Annotated[
        bool,
        Option("--compare", help="Also train torch.nn.LSTM for the same number of steps (800)."),
    ] = False,
):
    """Train a character-level language model for a minute on the Python language reference."""
    from pydoc_data.topics import topics

    from ..data.files import make_directory, write_whole

    text = "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"
    steps = 800 if compare and steps is None else steps
    budget = {"seconds": seconds} if steps is None else {"steps": steps}
    # options are checked before anything is written
    TASKS["generate"].options(**budget)
    tasks.check_counts(threads=threads)
    make_directory(out)
    write_whole(out / "text.txt", text.encode())
    typer.echo(
        f"{len(text):,} characters of the Python language reference, the last 10 % held out for "
        "validation"
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
        bits = [result.metrics["bits_per_character"] for result in results]
        typer.echo(
            f"\nostinato       {bits[0]:.4f} bits/char (validation), {results[0].seconds:.1f} "
            f"s\n"
            f"torch.nn.LSTM  {bits[1]:.4f} bits/char (validation), {results[1].seconds:.1f} "
            f"s\n"
            f"difference     {100 * (bits[1] / bits[0] - 1):+.2f} %"
        )


def _clear(directory: Path):
    """Remove the files of an earlier demo, and nothing else."""
    from ..tasks.saved import CHECKPOINT, CONFIG, CURVE, REPORT, VOCABULARY, WEIGHTS

    for name in (CONFIG, VOCABULARY, WEIGHTS, CHECKPOINT, REPORT, CURVE):
        (directory / name).unlink(missing_ok=True)


@app.command(epilog=examples_of("doctor"))
def doctor():
    """Show which engines run on this machine, and why."""
    from rich.table import Table

    from .. import engines

    table = Table(box=None, pad_edge=False)
    for heading in ("engine", "available", "reason"):
        table.add_column(heading)
    for name, available, reason in engines.doctor():
        table.add_row(name, "[green]yes[/green]" if available else "[red]no[/red]", reason)
    from rich.console import Console

    Console(highlight=False).print(table)


OTHER_PANEL = "Other measurements (choose one)"


@app.command(epilog=examples_of("bench"))
def bench(
    threads: Annotated[
        int | None, _whole("Number of CPU threads for each library.", show_default="one per core")
    ] = None,
    quick: Annotated[
        bool, Option("--quick", help="Measure a few sizes only, in under half a minute.")
    ] = False,
    json: Annotated[
        Path | None, Option(metavar="FILE", help="Also write all results to a JSON file.")
    ] = None,
    only: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="Only measure RNN, LSTM, GRU, own, inference or training; may be repeated.",
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="Library to compare with: onnxruntime, jax or keras; may be repeated.",
            show_default="all installed",
        ),
    ] = None,
    save_ratios: Annotated[
        Path | None,
        Option(metavar="FILE", help="Write the speed ratios to a file for --compare."),
    ] = None,
    compare: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Compare with a file of --save-ratios; exit code 1 if a row is slower.",
        ),
    ] = None,
    roofline: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            rich_help_panel=OTHER_PANEL,
            help="Compare times with the limits of the processor; draw them in a PNG file.",
        ),
    ] = None,
    ragged: Annotated[
        bool,
        Option(
            "--ragged",
            rich_help_panel=OTHER_PANEL,
            help="Measure variable-length batches, compared with PackedSequence of torch.nn.",
        ),
    ] = False,
    memory: Annotated[
        bool,
        Option(
            "--memory",
            rich_help_panel=OTHER_PANEL,
            help="Measure the memory of training, compared with torch.nn.LSTM.",
        ),
    ] = False,
    regularisers: Annotated[
        bool,
        Option(
            "--regularisers",
            rich_help_panel=OTHER_PANEL,
            help="Measure training with each regulariser, compared with training without.",
        ),
    ] = False,
):
    """Measure the speed of the layers, compared with torch.nn, ONNX Runtime, JAX and Keras."""
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
    """The name of the program, for hints that can be copied into the shell."""
    command = Path(sys.argv[0])
    if command.name == "__main__.py":
        return "python -m ostinato"
    # a program below the working directory may not be on PATH; any other is called by its name
    below = len(command.parts) > 1 and (Path.cwd() / command).is_relative_to(Path.cwd())
    return os.path.relpath(command) if below else "ostinato"


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    # a terminal that cannot show a character shows a replacement
    sys.stdout.reconfigure(errors="replace")
    try:
        with raised_as_stopped():
            code = app(prog_name=_program(), standalone_mode=False)
    except OstinatoError as error:
        code = _fail(str(error))
    except ClickError as error:
        context, message = getattr(error, "ctx", None), error.format_message().rstrip(".")
        # a command without arguments has shown its help and has an empty message
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
        # errors of files are reported where the files are written
        if error.errno not in _WRITING or error.filename is not None:
            raise
        code = _fail(
            f"cannot write standard output: {error.strerror}; redirect it to a place that "
            f"{_WRITING[error.errno]}"
        )
        _leave_output()
    sys.exit(code if isinstance(code, int) else 0)


# How writing standard output fails, and what the place needs. A closed pipe is not a failure.
_WRITING = {errno.ENOSPC: "has room", errno.EIO: "can be written", errno.EBADF: "can be written"}


def _open_closed_streams() -> None:
    """Open the null device for each standard stream that the shell has closed (`>&-`)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _leave_output() -> None:
    """Discard further output; otherwise Python reports the error again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    # without a stderr there is only the exit code
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr)
    return 2
