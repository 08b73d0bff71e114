"""Draw the README's benchmark: by layer, how many times as fast as each peer, and where slower.

    python docs/pictures/benchmark.py

It writes benchmark.svg, and benchmark.narrow.svg for narrow screens, from benchmarks/ratios.json.
"""

from matplotlib.ticker import NullLocator
from recorded import BLUE, FAINT, INK, LINE, VERMILION, canvas, mean, ratios, save, style

LAYERS = ("RNN", "LSTM", "GRU")
MODES = ("inference", "training")
PEERS = {"torch": "torch.nn", "onnxruntime": "ONNX Runtime", "jax": "JAX", "keras": "Keras"}
TICKS = (0.5, 1, 2, 4, 8, 16, 32)


def panel(axes, layer: str, mode: str) -> None:
    """A row for each peer: a dot for each shape, and the geometric mean as a bar and a number."""
    found = [peers for (name, kind, _), peers in ratios().items() if (name, kind) == (layer, mode)]
    peers = [peer for peer in PEERS if any(peer in row for row in found)]
    axes.axvspan(0.4, 1, color="#fdece3", zorder=0, linewidth=0)
    axes.axvline(1, color=INK, linewidth=1, zorder=1)
    for place, peer in enumerate(peers):
        values = [row[peer] for row in found if peer in row]
        for colour, some in (
            (BLUE, [v for v in values if v >= 1]),
            (VERMILION, [v for v in values if v < 1]),
        ):
            axes.plot(
                some,
                [place] * len(some),
                "o",
                color=colour,
                markersize=5.5,
                alpha=0.6,
                markeredgewidth=0,
            )
        middle = mean(values)
        axes.plot([middle] * 2, [place - 0.34, place + 0.34], color=INK, linewidth=2)
        axes.text(
            46,
            place,
            f"{middle:.2f}x",
            va="center",
            ha="left",
            fontsize=10.5,
            weight="bold",
            clip_on=False,
        )
    axes.set(xscale="log", xlim=(0.55, 42), ylim=(len(peers) - 0.4, -0.6))
    axes.set_title(f"{layer}, {mode}", fontsize=11.5, weight="bold", loc="left", pad=5)
    axes.set_yticks(range(len(peers)), [PEERS[peer] for peer in peers], fontsize=10.5)
    axes.set_xticks(TICKS, [f"{tick:g}x" for tick in TICKS], fontsize=9.5)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def draw(name: str, width: int, height: int, columns: int) -> None:
    figure = canvas(width, height)
    order = [(layer, mode) for layer in LAYERS for mode in MODES]
    if columns == 1:
        order = [(layer, mode) for mode in MODES for layer in LAYERS]
    heights = [4 if mode == "inference" or columns == 2 else 3 for _, mode in order[::columns]]
    top = 62 if columns == 1 else 50
    grid = figure.add_gridspec(
        len(heights),
        columns,
        height_ratios=heights,
        left=100 / width,
        right=1 - 62 / width,
        top=1 - top / height,
        bottom=24 / height,
        hspace=0.55,
        wspace=0.48,
    )
    for place, (layer, mode) in enumerate(order):
        panel(figure.add_subplot(grid[divmod(place, columns)]), layer, mode)
    lines = (
        "A dot is one shape of layer; right of 1x Ostinato is faster, left (orange) the other "
        "is. The number is the geometric mean.",
    )
    if columns == 1:
        lines = (
            "A dot is one shape of layer. Right of 1x Ostinato is faster,",
            "left of it (orange) the other is. Number: geometric mean.",
        )
    for row, line in enumerate(lines):
        figure.text(8 / width, 1 - (20 + 16 * row) / height, line, fontsize=11, color=FAINT)
    save(figure, name)


if __name__ == "__main__":
    with style():
        draw("benchmark.svg", 1000, 540, 2)
        draw("benchmark.narrow.svg", 400, 900, 1)
