"""The report of a run: the picture of how it learned."""

import io
from pathlib import Path

from .files import write_whole


def learning_curve(history: list[dict], path: Path, *, title: str) -> None:
    """Draw bits per character over steps, in training and held out, as a PNG file.

    Args:
        history: Lines with "step", "seconds", "training_bits" and "held_out_bits", as a run keeps them.
        path: Where to.
        title: What stands above it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # not pyplot: it keeps figures and looks for a display
    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [entry["step"] for entry in history]
    # Okabe and Ito's blue and vermilion, which the colour-blind tell apart
    for name, label, colour, mark in (("training_bits", "training", "#0072b2", "s"), ("held_out_bits", "held out", "#d55e00", "o")):
        axes.plot(steps, [entry[name] for entry in history], color=colour, marker=mark, markersize=4, label=label)
    best = min(history, key=lambda entry: entry["held_out_bits"])
    axes.annotate(f"{best['held_out_bits']:.3f}", (best["step"], best["held_out_bits"]), xytext=(0, -9),
                  textcoords="offset points", ha="center", va="top", color="#d55e00", fontweight="bold")
    axes.set(xlabel="step", ylabel="bits per character", xlim=(0, None))
    axes.margins(y=0.12)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    write_whole(path, content.getvalue())
