"""What a run shows in the terminal: one line that moves in a terminal, one line for each
measurement elsewhere.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ..data.files import is_pipe

# The bar and its numbers fit in 80 columns.
BAR = 20
# Seconds after which a person is told what is waited for.
PATIENCE = 1.0


class Lasting:
    """A stream that drops what it is given once it cannot be written: a run outlives the terminal
    that it was started in.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __getattr__(self, name: str):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        with contextlib.suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is still in memory, or drop it."""
        with contextlib.suppress(OSError):
            self.stream.flush()


def errors() -> Console:
    """The console of what is told while a run goes on: standard error."""
    return Console(file=Lasting(sys.stderr), highlight=False, markup=False)


@contextlib.contextmanager
def told_of_waiting(data: Path) -> Iterator[None]:
    """Say so where data comes from a pipe and is not all there after a second."""
    message = f"reading from the pipe {str(data)!r} until its writer closes it"
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
    """Shows a run; a watcher for `ostinato.training.loop.fit`.

    Args:
        console: Where to.
        goal: What it is measured by.
        label: What a line calls that.
    """

    def __init__(self, console: Console, goal: str = "held_out_bits", label: str = "held out"):
        self.console, self.goal, self.label = console, goal, label
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

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def stepped(self, moment) -> None:
        """The bar moves."""
        self.latest = moment
        if self.console.is_terminal:
            self.bar.update(
                self.task,
                completed=moment.used,
                description=(f"{moment.shown}  {speed(moment)}  {left(moment)}"),
            )

    def measured(self, entry: dict) -> None:
        """A line that stays."""
        # what is learned before a task's own goal has one of its own, the last of the line
        goal = self.goal if self.goal in entry else [*entry][-1]
        label = self.label if goal == self.goal else goal.replace("_", " ")
        moment, value = self.latest, entry[goal]
        shown = "none" if value is None else f"{value:.3f}"
        self.bar.print(
            f"step {entry['step']:>6}  {moment.shown}  {label} {shown}  {speed(moment)}  "
            f"{left(moment)}",
            highlight=False,
            soft_wrap=True,
        )


def speed(moment) -> str:
    """Characters, or what else a step takes, per second."""
    return (
        f"{moment.rate / 1000:.0f}k {moment.unit}/s"
        if moment.rate >= 9950
        else f"{moment.rate:.0f} {moment.unit}/s"
    )


def left(moment) -> str:
    """The time left."""
    minutes, seconds = divmod(round(moment.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"
