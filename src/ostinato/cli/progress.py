"""Private: progress of a run: a progress bar in a terminal, and a line for each validation run."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ..data.files import is_pipe

# Width of the bar; with its numbers it fits in 80 columns.
BAR = 20
# Seconds of waiting after which a message says what the program waits for.
PATIENCE = 1.0


class BestEffortStream:
    """A text stream that drops output when it cannot be written, so that a run outlives its
    terminal.

    Args:
        stream: The stream to write to.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __getattr__(self, name: str):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write the text, or drop it on an error."""
        with contextlib.suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; ignore an error."""
        with contextlib.suppress(OSError):
            self.stream.flush()


def errors() -> Console:
    """The console for progress messages: standard error."""
    return Console(file=BestEffortStream(sys.stderr), highlight=False, markup=False)


@contextlib.contextmanager
def notify_if_waiting(data: Path) -> Iterator[None]:
    """Print a message if the data comes from a pipe and is not complete after a second."""
    message = f"reading from the pipe {str(data)!r} until the writer closes it"
    timer = (
        threading.Timer(PATIENCE, lambda: errors().print(message, soft_wrap=True))
        if is_pipe(data)
        else None
    )
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()


class Display:
    """Displays the progress of a run; a watcher for `ostinato.training.loop.fit`.

    Args:
        console: The console to print to.
        goal: The name of the validation metric.
    """

    def __init__(self, console: Console, goal: str = "held_out_bits"):
        self.console = console
        self.watch(goal)
        self.bar = Progress(
            BarColumn(BAR),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            refresh_per_second=4,
        )
        self.task = self.bar.add_task("starting", total=1.0)
        self.latest = None

    def watch(self, goal: str) -> None:
        """Print this validation metric from now on."""
        self.goal = goal
        self.label, self.unit = (
            ("val", "bits/char")
            if goal == "held_out_bits"
            else (f"val {goal.replace('_', ' ')}", "")
        )

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def stepped(self, moment) -> None:
        """Update the progress bar."""
        self.latest = moment
        if self.console.is_terminal:
            self.bar.update(
                self.task,
                completed=moment.used,
                description=(f"{moment.shown}  {speed(moment)}  {left(moment)}"),
            )

    def measured(self, entry: dict) -> None:
        """Print a line for a validation run."""
        # pretraining has a metric of its own, the last of the line
        pretraining = self.goal not in entry
        goal = [*entry][-1] if pretraining else self.goal
        label = f"val {goal.replace('_', ' ')}" if pretraining else self.label
        unit = "" if pretraining or not self.unit else f" {self.unit}"
        moment, value = self.latest, entry[goal]
        shown = "none" if value is None else f"{value:.3f}{unit}"
        self.bar.print(
            f"step {entry['step']:>6}  {moment.shown}  {label} {shown}  {speed(moment)}  "
            f"{left(moment)}",
            highlight=False,
            soft_wrap=True,
        )


def speed(moment) -> str:
    """Throughput: characters, rows or texts per second."""
    return (
        f"{moment.rate / 1000:.0f}k {moment.unit}/s"
        if moment.rate >= 9950
        else f"{moment.rate:.0f} {moment.unit}/s"
    )


def left(moment) -> str:
    """The remaining time."""
    minutes, seconds = divmod(round(moment.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"
