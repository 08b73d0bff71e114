"""Private: figures of matplotlib: as bytes, their fonts, and the curve of a language model."""

import io
import warnings
from pathlib import Path

from ..data.files import write_whole

# Okabe and Ito's blue and vermilion, which are safe for colour blindness, and a grey.
COLOURS = {"training": "#0072b2", "held": "#d55e00", "past": "#55606e"}


def learning_curve(history: list[dict], path: Path, *, title: str) -> None:
    """Draw bits per character over steps, for training and validation, as a PNG file.

    Args:
        history: Lines with "step", "seconds", "training_bits" and "held_out_bits".
        path: The file to write.
        title: The title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    steps = [entry["step"] for entry in history]
    lines = (
        ("training_bits", "training", COLOURS["training"], "s"),
        ("held_out_bits", "validation", COLOURS["held"], "o"),
    )
    for name, label, colour, mark in lines:
        axes.plot(
            steps,
            [entry[name] for entry in history],
            color=colour,
            marker=mark,
            markersize=4,
            label=label,
        )
    best = min(history, key=lambda entry: entry["held_out_bits"])
    axes.annotate(
        f"{best['held_out_bits']:.3f}",
        (best["step"], best["held_out_bits"]),
        xytext=(0, -9),
        textcoords="offset points",
        ha="center",
        va="top",
        color=COLOURS["held"],
        fontweight="bold",
    )
    axes.set(xlabel="step", ylabel="bits per character", xlim=(0, None))
    axes.margins(y=0.12)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    write_whole(path, figure_bytes(figure))


def figure_bytes(figure, form: str = "png") -> bytes:
    """A figure as PNG or SVG; does not use pyplot, which keeps figures in memory and looks for a
    display.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    with (
        warnings.catch_warnings(),
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "ostinato"}),
    ):
        if form == "svg":
            # text is rendered with the fonts of the viewer
            warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None)
    return content.getvalue()


def fonts(text: str) -> tuple[list[str], set[str]]:
    """The fonts on this machine that can write a text, and the characters that none of them has."""
    from matplotlib.font_manager import fontManager, get_font

    families: list[str] = []
    missing = set(text)
    # The fonts of matplotlib have no Hangul; other fonts are only searched when needed.
    for font in sorted(fontManager.ttflist, key=lambda font: font.name != "DejaVu Sans"):
        # The fonts named Last Resort have a box for every character.
        if (
            (font.style, font.weight) != ("normal", 400)
            or font.name.startswith("Last Resort")
            or font.name in families
        ):
            continue
        has = {
            character
            for character in missing
            if ord(character) in get_font(font.fname).get_charmap()
        }
        if has or not families:
            families.append(font.name)
            missing -= has
        if not missing:
            break
    return families, missing
