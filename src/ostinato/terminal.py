"""What a run shows in the terminal: one line that moves in a terminal, one line for each measurement elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

# The bar and its numbers fit in 80 columns.
BAR = 20


class Display:
    """Shows a run; a watcher for `ostinato.train.fit`.

    Args:
        console: Where to.
        goal: What it is measured by.
        label: What a line calls that.
    """

    def __init__(self, console: Console, goal: str = "held_out_bits", label: str = "held out"):
        self.console, self.goal, self.label = console, goal, label
        self.bar = Progress(
            BarColumn(BAR), TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.description}"),
            console=console, transient=True, disable=not console.is_terminal, refresh_per_second=4)
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
            self.bar.update(self.task, completed=moment.used, description=(
                f"{moment.shown}  {speed(moment)}  {left(moment)}"))

    def measured(self, entry: dict) -> None:
        """A line that stays."""
        # what is learned before a task's own goal has one of its own, the last of the line
        goal = self.goal if self.goal in entry else [*entry][-1]
        label = self.label if goal == self.goal else goal.replace("_", " ")
        moment, value = self.latest, entry[goal]
        shown = "none" if value is None else f"{value:.3f}"
        self.bar.print(f"step {entry['step']:>6}  {moment.shown}  {label} {shown}  {speed(moment)}  {left(moment)}",
                       highlight=False, soft_wrap=True)


def speed(moment) -> str:
    """Characters, or what else a step takes, per second."""
    return f"{moment.rate / 1000:.0f}k {moment.unit}/s" if moment.rate >= 9950 else f"{moment.rate:.0f} {moment.unit}/s"


def left(moment) -> str:
    """The time left."""
    minutes, seconds = divmod(round(moment.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"
