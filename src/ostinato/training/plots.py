"""Private: the main pictures of a report as figures of matplotlib, for a notebook."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from .charts import Forecast, Say, grouped
from .figures import COLOURS, figure_bytes, fonts
from .metric_names import title
from .wording import translator

# A confusion matrix of more labels has no numbers in its cells.
MAX_NUMBERS = 20


class NotebookFigure(Figure):
    """A figure that a notebook shows as it is, without pyplot."""

    def _repr_png_(self) -> bytes:
        return figure_bytes(self)


def curves(history: Sequence[Mapping[str, Any]], best_step: int | None, say: Say) -> NotebookFigure:
    """The training curves: a panel for each value of the history."""
    stems, steps = grouped(history), [line["step"] for line in history]
    columns = min(2, max(1, len(stems)))
    rows = max(1, -(-len(stems) // columns))
    words = [*map(title, stems), "training", "validation", "best weights", "step"]
    with _drawing((5 * columns, 3.2 * rows), words, say) as (figure, say):
        for number, (stem, group) in enumerate(stems.items(), 1):
            axes = figure.add_subplot(rows, columns, number)
            for role, values in group:
                known = [np.nan if value is None else value for value in values]
                label = say("training" if role == "training" else "validation")
                axes.plot(steps, known, color=COLOURS[role], marker="o", markersize=3, label=label)
            if best_step is not None:
                axes.axvline(
                    best_step, color=COLOURS["past"], linestyle=":", label=say("best weights")
                )
            axes.set_title(say(title(stem)), fontsize=11)
            axes.set_xlabel(say("step"))
            _plain(axes)
    return figure


def forecasts(given: Sequence[Forecast], say: Say) -> NotebookFigure:
    """Forecasts with their intervals, one below the other."""
    names = [one.name for one in given] + [name for one in given for name, *_ in one.intervals]
    words = [*names, "past", "actual", "forecast"]
    with _drawing((8, 3.4 * len(given)), words, say) as (figure, say):
        for number, one in enumerate(given, 1):
            axes = figure.add_subplot(len(given), 1, number)
            count, before = len(one.past) + len(one.predicted), len(one.past)
            times: Any = np.arange(count) if one.times is None else np.asarray(one.times)
            ahead = times[before:]
            for place, (name, low, high) in enumerate(reversed(one.intervals)):
                colour, strength = COLOURS["held"], 0.18 + 0.14 * place
                axes.fill_between(
                    ahead, low, high, color=colour, alpha=strength, linewidth=0, label=say(name)
                )
            axes.plot(times[:before], one.past, color=COLOURS["past"], label=say("past"))
            if one.wanted is not None:
                axes.plot(ahead, one.wanted, "--", color=COLOURS["training"], label=say("actual"))
            axes.plot(ahead, one.predicted, color=COLOURS["held"], label=say("forecast"))
            axes.set_title(say(one.name), fontsize=11)
            _plain(axes)
    return figure


def confusion(labels: Sequence[str], counts: np.ndarray, say: Say) -> NotebookFigure:
    """A confusion matrix: rows are true labels, columns are predicted labels."""
    from sklearn.metrics import ConfusionMatrixDisplay

    side = min(12.0, 2.5 + 0.5 * len(labels))
    words = ["Confusion matrix", "true label", "predicted label"]
    with _drawing((side, side), words, say, "".join(labels)) as (figure, say):
        axes = figure.add_subplot()
        display = ConfusionMatrixDisplay(np.asarray(counts), display_labels=list(labels))
        display.plot(
            ax=axes,
            cmap="Blues",
            colorbar=False,
            include_values=len(labels) <= MAX_NUMBERS,
            xticks_rotation="vertical" if len("".join(labels)) > 20 else "horizontal",
            values_format="d",
        )
        axes.set(
            xlabel=say("predicted label"), ylabel=say("true label"), title=say("Confusion matrix")
        )
    return figure


@contextmanager
def _drawing(
    size: tuple[float, float], words: Sequence[str], say: Say, given: str = ""
) -> Iterator[tuple[NotebookFigure, Say]]:
    """A new figure, and its wording: English where no font on this machine can write it.

    Until the end of the block, the fonts are ones that can write the text.

    Args:
        size: Width and height in inches.
        words: The words of the figure, in English.
        say: The wording.
        given: Text from the data.
    """
    if fonts("".join(map(say, words)))[1]:
        say = translator("en")
    families, _ = fonts("".join([given, *map(say, words)]))
    with rc_context({"font.family": families}):
        yield NotebookFigure(figsize=size, dpi=100, layout="constrained"), say


def _plain(axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
