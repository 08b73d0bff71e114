"""The command line: parse, call, print. Errors are one paragraph on stderr and exit code 2.

Whatever is slow to import is imported by the command that needs it.
"""

import os
import shlex
import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Optional

import typer
from typer import Argument, Option

from .errors import InputError, OstinatoError

# Typer carries its own copy of click since 0.20; its error class is reached through what Typer exports.
UsageError = typer.BadParameter.__base__
ClickError = UsageError.__base__

CURVE = "learning_curve.png"

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="Recurrent networks written as their equations, run as fused kernels.")
train_app = typer.Typer(no_args_is_help=True, help="Train a model for a task.")
app.add_typer(train_app, name="train")


def _version(wanted: bool):
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ostinato {version('ostinato')}")
        raise typer.Exit


@app.callback()
def _ostinato(version: Annotated[bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False):
    pass


def _parsed(kind, text: str):
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}; write a {'whole ' if kind is int else ''}number") from None


def _whole(help: str, **others):
    """An option for a whole number; unlike Typer's own, its error repeats what was given."""
    return Option(help=help, parser=partial(_parsed, int), metavar="INTEGER", **others)


def _real(help: str, **others):
    """An option for a number."""
    return Option(help=help, parser=partial(_parsed, float), metavar="NUMBER", **others)


MODEL, BUDGET, LEARNING, RUN = "The model", "How long (one of these)", "Learning", "The run"


@train_app.command("generate")
def train_generate(
    context: typer.Context,
    text_file: Annotated[Path, Argument(metavar="TEXT_FILE", help="UTF-8 text to learn from, in any language.", show_default=False)],
    out: Annotated[Path, Option(help="Directory for the model; new or empty.", show_default=False)],
    cell: Annotated[str, Option(help="Cell: elman, lstm, lstm_peephole, gru, min_gru, ...", rich_help_panel=MODEL)] = "lstm",
    hidden: Annotated[int, _whole("Units of each layer.", rich_help_panel=MODEL)] = 256,
    layers: Annotated[int, _whole("Layers.", rich_help_panel=MODEL)] = 1,
    embedding: Annotated[int, _whole("Units that stand for a character or a piece.", rich_help_panel=MODEL)] = 64,
    dropout: Annotated[float, _real("Rate of dropout.", rich_help_panel=MODEL)] = 0.0,
    vocabulary: Annotated[str, Option(help="character or byte-pair.", rich_help_panel=MODEL)] = "character",
    vocabulary_size: Annotated[int, _whole("Pieces, for byte-pair.", rich_help_panel=MODEL)] = 1024,
    epochs: Annotated[Optional[float], _real("Times to read the text.", show_default="10", rich_help_panel=BUDGET)] = None,
    steps: Annotated[Optional[int], _whole("Steps.", rich_help_panel=BUDGET)] = None,
    seconds: Annotated[Optional[float], _real("Seconds.", rich_help_panel=BUDGET)] = None,
    batch: Annotated[int, _whole("Rows that read side by side.", rich_help_panel=LEARNING)] = 32,
    sequence_length: Annotated[int, _whole("Steps of time that a gradient goes back.", rich_help_panel=LEARNING)] = 64,
    learning_rate: Annotated[float, _real("The highest of the schedule.", rich_help_panel=LEARNING)] = 0.01,
    clip: Annotated[float, _real("Norm that gradients are cut to.", rich_help_panel=LEARNING)] = 1.0,
    held_out: Annotated[float, _real("Part of the text that is kept to measure on.", rich_help_panel=LEARNING)] = 0.1,
    patience: Annotated[int, _whole("Stop after so many of 12 measurements without a better one; 0: never.",
                                    rich_help_panel=LEARNING)] = 5,
    seed: Annotated[int, _whole("The same seed gives the same model.", rich_help_panel=RUN)] = 1,
    device: Annotated[str, Option(help="cpu or cuda.", rich_help_panel=RUN)] = "cpu",
    threads: Annotated[Optional[int], _whole("CPU threads.", show_default="all cores", rich_help_panel=RUN)] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with the run in --out after a stop or a kill.", rich_help_panel=RUN)] = False,
    checkpoint_seconds: Annotated[float, _real("", hidden=True)] = 10.0,
    engine: Annotated[Optional[str], Option(hidden=True)] = None,
):
    """Train a language model on a text file.

    A run that was stopped or killed goes on with the same command and --resume; without --seconds, to the same numbers.
    """
    given = frozenset(name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE")
    chosen = {name: value for name, value in context.params.items()
              if name not in ("text_file", "out", "threads", "resume", "checkpoint_seconds")}
    result = _train(text_file, out, chosen, given=given, threads=threads, resume=resume, checkpoint_seconds=checkpoint_seconds)
    _show(result, out, prompt="")


def _train(text_file, out, chosen, *, given=frozenset(), threads=None, resume=False, checkpoint_seconds=10.0):
    """Train, showing how it goes, and draw the learning curve."""
    if threads is not None and not 1 <= threads <= 1024:
        raise InputError(f"--threads {threads}: write a whole number from 1 to 1024")
    console = _console()
    with console.status("getting ready"):
        from .report import learning_curve
        from .tasks import generate
        from .terminal import Display

        options = generate.Options(**chosen)
    try:
        with Display(console) as display:
            result = generate.train(text_file, out, options, resume=resume, given=given, threads=threads,
                                    checkpoint_seconds=checkpoint_seconds, watcher=display)
    except KeyboardInterrupt:
        console.print(f"stopped; the same command with --resume goes on with the run in {out}", soft_wrap=True)
        raise typer.Exit(130) from None
    learning_curve(result.history, Path(out) / CURVE, title=f"{options.cell}, {options.layers} x {options.hidden}: {result.steps} steps in {result.seconds:.0f} s")
    return result


def _show(result, out: Path, *, prompt: str):
    """The end of a run: its figures, a sample, and what can be done next."""
    early = ", stopped early" if result.stopped_early else ""
    typer.echo(f"{result.characters:,} characters in {result.steps} steps and {result.seconds:.0f} s{early}")
    typer.echo(f"held out: {result.held_out_bits:.3f} bits per character\n")
    _stream(out, prompt=prompt, length=300, temperature=0.7, seed=1)
    prompted = f" --prompt {shlex.quote(prompt)}" if prompt else ""
    typer.echo(f"\nmodel           {out}\nlearning curve  {out / CURVE}\n"
               f"more text       {_program()} generate {out}{prompted} --length 500 --temperature 0.7")


def _stream(directory: Path, *, prompt: str, length: int, temperature: float, seed: int):
    """Print a prompt and its continuation, each character as it comes."""
    from .tasks import generate

    text = generate.load(directory).write(prompt, length=length, temperature=temperature, seed=seed)
    sys.stdout.reconfigure(errors="replace")
    try:
        for piece in chain([prompt], text, ["\n"]):
            sys.stdout.write(piece)
            sys.stdout.flush()
    except BrokenPipeError:
        # whoever read has gone; Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


@app.command("generate")
def generate_text(
    directory: Annotated[Path, Argument(metavar="DIR", help="The --out of `ostinato train generate`.", show_default=False)],
    prompt: Annotated[str, Option(help="What the text starts with.")] = "",
    length: Annotated[int, _whole("Characters to write.")] = 500,
    temperature: Annotated[float, _real("Below 1 surer, above 1 bolder.")] = 0.8,
    seed: Annotated[Optional[int], _whole("The same seed writes the same text.", show_default="another each time")] = None,
):
    """Write text with a trained model, as it comes."""
    _stream(directory, prompt=prompt, length=length, temperature=temperature,
            seed=int.from_bytes(os.urandom(6), "little") if seed is None else seed)


@app.command()
def demo(
    out: Annotated[Path, Option(help="Directory for the text and the model; an earlier demo there is replaced.")] = Path("demo"),
    seconds: Annotated[float, _real("How long to train.")] = 60.0,
    steps: Annotated[Optional[int], _whole("Or how many steps.")] = None,
    threads: Annotated[Optional[int], _whole("CPU threads.", show_default="all cores")] = None,
    compare: Annotated[bool, Option("--compare", help="Train torch.nn.LSTM too, in the same loop for as many steps (800).")] = False,
):
    """Train a character model for a minute on a text that Python brings along: its language reference."""
    from pydoc_data.topics import topics

    from .files import write_whole

    text = "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"
    _make_directory(out)
    write_whole(out / "text.txt", text.encode())
    typer.echo(f"{len(text):,} characters of the Python language reference, the last tenth held out")
    steps = 800 if compare and steps is None else steps
    budget = {"seconds": seconds} if steps is None else {"steps": steps}
    runs = {"model": None, "torch": "torch"} if compare else {"model": None}
    results = {}
    for name, engine in runs.items():
        if compare:
            typer.echo(f"\n{'torch.nn.LSTM' if engine else 'ostinato'}:")
        _clear(out / name)
        results[name] = _train(out / "text.txt", out / name, budget | {"engine": engine}, threads=threads)
    typer.echo()
    _show(results["model"], out / "model", prompt="The ")
    if compare:
        ours, theirs = results["model"], results["torch"]
        typer.echo(f"\nostinato       {ours.held_out_bits:.4f} bits per character held out, {ours.seconds:.1f} s\n"
                   f"torch.nn.LSTM  {theirs.held_out_bits:.4f} bits per character held out, {theirs.seconds:.1f} s\n"
                   f"difference     {100 * (theirs.held_out_bits / ours.held_out_bits - 1):+.2f} %")


def _make_directory(directory: Path):
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {directory}: cannot make this directory ({error.strerror}); give a place that can be written") from error


def _clear(directory: Path):
    """Take an earlier demo's files away, and nothing else."""
    for name in ("config.json", "vocabulary.json", "model.safetensors", "checkpoint.safetensors", CURVE):
        (directory / name).unlink(missing_ok=True)


@app.command()
def doctor():
    """Which engines run here, and why."""
    from rich.table import Table

    from . import engines

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
    threads: Annotated[Optional[int], _whole("CPU threads of everyone.", show_default="one a core")] = None,
    quick: Annotated[bool, Option("--quick", help="A small part of the sizes, in under half a minute.")] = False,
    json: Annotated[Optional[Path], Option(metavar="FILE", help="Write everything to a JSON file too.")] = None,
    only: Annotated[Optional[list[str]], Option(metavar="NAME", help="Keep RNN, LSTM, GRU, own, inference or training; may be repeated.")] = None,
    peers: Annotated[Optional[list[str]], Option(metavar="NAME", help="onnxruntime, jax or keras; may be repeated.", show_default="those installed")] = None,
    save_ratios: Annotated[Optional[Path], Option(metavar="FILE", help="Write the ratios to a file, for later runs to be held against.")] = None,
    compare: Annotated[Optional[Path], Option(metavar="FILE", help="Hold this run against such a file; exit code 1 if a row got worse.")] = None,
    roofline: Annotated[Optional[Path], Option(metavar="FILE", rich_help_panel=ELSE,
                                               help="Our times beside the processor's limits, drawn in a PNG file.")] = None,
    ragged: Annotated[bool, Option("--ragged", rich_help_panel=ELSE, help="Rows of unequal lengths, beside torch.nn's PackedSequence.")] = False,
    memory: Annotated[bool, Option("--memory", rich_help_panel=ELSE, help="The memory that training takes, beside torch.nn.LSTM's.")] = False,
):
    """Time the layers beside torch.nn, ONNX Runtime, JAX and Keras."""
    from .bench import command

    if not command(threads=threads, quick=quick, json=json, only=only or None, peers=peers or None, save_ratios=save_ratios, compare=compare,
                   roofline=roofline, ragged=ragged, memory=memory):
        raise typer.Exit(1)


def _program() -> str:
    """How this program was called, for hints that can be typed again."""
    command = Path(sys.argv[0])
    if command.name == "__main__.py":
        return "python -m ostinato"
    # one found through PATH or from elsewhere has the name that the person knows; one below here may not be on PATH
    below = len(command.parts) > 1 and (Path.cwd() / command).is_relative_to(Path.cwd())
    return os.path.relpath(command) if below else "ostinato"


def _console():
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command line."""
    try:
        code = app(prog_name=_program(), standalone_mode=False)
    except OstinatoError as error:
        code = _fail(str(error))
    except ClickError as error:
        context = getattr(error, "ctx", None)
        code = _fail(error.format_message().rstrip(".") + (f"; see: {context.command_path} --help" if context else ""))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
