"""Draw the first picture of the README: a cell's code, its printed equations, recorded speed-ups.

    python docs/pictures/hero.py

It writes hero.svg, and hero.narrow.svg for narrow screens. The drawn code is the code below, the
equations are those that it prints, and the bars are rows of benchmarks/ratios.json.
"""

import inspect
import re

from matplotlib.patches import FancyBboxPatch, Rectangle
from recorded import AMBER, BLUE, FAINT, GREEN, INK, LINE, PURPLE, canvas, ratios, save, style

from ostinato import cell, sigmoid, split, tanh, weight


# fmt: off
@cell
def coupled(
    x, h, c, *,
    W=weight("3*H", "I"),
    U=weight("3*H", "H"),
    b=weight("3*H"),
):
    f, g, o = split(W @ x + U @ h + b, 3)
    f = sigmoid(f)
    c = f * c + (1 - f) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, c
# fmt: on


CELLS = ("peephole LSTM", "layer-norm LSTM", "original GRU")
SHAPES = {"1 row": ("1,100,32,32", BLUE), "32 rows": ("32,100,64,128", "#56b4e9")}
TOKENS = re.compile(
    r"(?P<word>\b(?:def|return)\b)|(?P<mark>@cell)|(?P<text>\"[^\"]*\")|(?P<number>\b\d+\b)"
)
COLOURS = {"word": PURPLE, "mark": PURPLE, "text": GREEN, "number": AMBER}


def heading(axes, x, y, text) -> None:
    axes.text(x, y, text, fontsize=12.5, weight="bold", va="baseline")


def card(axes, x, y, width, height) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x + 6, y + 6),
            width - 12,
            height - 12,
            boxstyle="round,pad=6",
            facecolor="#f6f8fa",
            edgecolor=LINE,
            linewidth=1,
        )
    )


def code(axes, x, y, size, leading) -> None:
    """Write the cell's source, a token at a time."""
    for line in inspect.getsource(coupled.function).splitlines():
        at = 0
        parts = []
        for found in TOKENS.finditer(line):
            parts += [(at, line[at : found.start()], INK)]
            parts += [(found.start(), found[0], COLOURS[found.lastgroup])]
            at = found.end()
        for start, text, colour in [*parts, (at, line[at:], INK)]:
            left = start + len(text) - len(text.lstrip())
            if text.strip():
                axes.text(
                    x + left * 0.602 * size,
                    y,
                    text.strip(),
                    fontsize=size,
                    color=colour,
                    family="DejaVu Sans Mono",
                    va="baseline",
                )
        y += leading


def equations(axes, x, y, size, leading) -> None:
    """Write the equations that the cell prints for LaTeX."""
    body = re.search(r"\\begin\{aligned\}(.*)\\end\{aligned\}", coupled.equations("latex"), re.S)[1]
    for line in body.strip().split("\\\\"):
        axes.text(x, y, f"${line.replace('&', '').strip()}$", fontsize=size, va="baseline")
        y += leading


def bars(axes, x, y, width, step) -> None:
    """A pair of bars for each cell: training compared with a Python loop, at one and at 32 rows."""
    found = ratios()
    label, longest = (
        118,
        max(found[name, "training", SHAPES["1 row"][0]]["torch loop"] for name in CELLS),
    )
    scale = (width - label - 92) / longest
    for name in CELLS:
        axes.text(x + label - 10, y + step * 0.42, name, fontsize=11.5, ha="right", va="center")
        for row, (rows, (shape, colour)) in enumerate(SHAPES.items()):
            value = found[name, "training", shape]["torch loop"]
            top = y + row * step * 0.4
            axes.add_patch(
                Rectangle((x + label, top), value * scale, step * 0.34, color=colour, linewidth=0)
            )
            axes.text(
                x + label + value * scale + 6,
                top + step * 0.18,
                f"{value:.1f}x   {rows}",
                fontsize=10.5,
                va="center",
                color=INK if row == 0 else FAINT,
            )
        y += step
    axes.plot([x + label + scale] * 2, [y - step * len(CELLS) - 5, y - 3], color=INK, linewidth=1)
    axes.text(
        x + label + scale, y + 10, "1x: the Python loop", fontsize=10, color=FAINT, va="center"
    )


def draw(name: str, width: int, height: int, narrow: bool) -> None:
    figure = canvas(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    said = "Training speed of three cells written this way"
    than = "times as fast as a Python loop of torch operations; AMD EPYC, 2 threads"
    if narrow:
        heading(axes, 8, 24, "You write the cell")
        card(axes, 8, 36, width - 16, 284)
        code(axes, 20, 64, 13.3, 22)
        heading(axes, 8, 356, "Ostinato prints its equations ...")
        card(axes, 8, 368, width - 16, 140)
        equations(axes, 24, 400, 17, 29)
        heading(axes, 8, 544, "... and compiles them. " + said.split(" of ")[0] + ":")
        axes.text(8, 563, than.split(";")[0], fontsize=11, color=FAINT)
        axes.text(8, 579, than.split(";")[1].strip(), fontsize=11, color=FAINT)
        bars(axes, 8, 596, width - 16, 46)
    else:
        heading(axes, 12, 28, "You write the cell")
        card(axes, 12, 42, 400, 290)
        code(axes, 30, 72, 15, 22.6)
        heading(
            axes, 432, 28, "Ostinato prints its equations, derives the gradient, compiles a kernel"
        )
        card(axes, 432, 42, 556, 290)
        equations(axes, 462, 112, 26, 54)
        heading(axes, 12, 372, said)
        axes.text(395, 372, than, fontsize=11.5, color=FAINT)
        bars(axes, 12, 390, width - 24, 44)
    save(figure, name)


if __name__ == "__main__":
    with style():
        draw("hero.svg", 1000, 550, narrow=False)
        draw("hero.narrow.svg", 400, 760, narrow=True)
