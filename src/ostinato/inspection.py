"""States and gates of a layer at every step, and how far back gradients reach.

A gate is a named value of the cell's equations that is the output of a sigmoid, hard sigmoid or
tanh.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import engines
from .cells import CELLS
from .data.files import write_whole
from .errors import InputError, SizeError, near
from .language.equations import Page, Text
from .language.graph import Graph, Node, walk
from .language.tracing import Cell
from .nn.lengths import read_lengths
from .nn.recurrent import Recurrent
from .training.figures import figure_bytes, fonts

__all__ = [
    "LayerTrace",
    "fonts",
    "gradients",
    "inspect_layer",
    "named_gates",
    "vanishing",
    "vanishing_picture",
]

# A value is saturated below the first or above the second bound, where the derivative is less than
# about a third of its maximum.
BOUNDS = {"sigmoid": (0.1, 0.9), "hard_sigmoid": (0.1, 0.9), "tanh": (-0.9, 0.9)}
# Visible replacements of white space.
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}
# Maximum number of tokens that fit below a panel.
TICKS = 60
# Okabe and Ito's colours, which are safe for colour blindness.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


# ---------------------------------------------------------------- states and gates


@dataclass(frozen=True)
class LayerTrace:
    """The states and gates of a layer at each step of one sequence.

    Names have the suffixes of the layer's weights: `f_l0` is gate f of the first layer,
    `h_l1_reverse` is state h of the second layer's reverse direction. `trace["f_l0"]` is
    `trace.values["f_l0"]`.

    Attributes:
        values: States and gates by name, (T, units) each; a state is the one after the step.
        gates: The activation of each gate: "sigmoid", "hard_sigmoid" or "tanh".
        states: The names of the states.
        runs: The suffix of each layer and direction: "_l0", "_l0_reverse", "_l1", ...
    """

    values: dict[str, np.ndarray]
    gates: dict[str, str]
    states: tuple[str, ...]
    runs: tuple[str, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.values:
            raise InputError(
                f"unknown name {name!r}{near(str(name), self.values)}; the names are "
                f"{', '.join(self.values)}"
            )
        return self.values[name]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def saturation(self) -> dict[str, tuple[float, float]]:
        """For each gate, the fractions of its values that are saturated at the low and at the high
        end.

        A value is saturated below 0.1 or above 0.9 of a sigmoid, below -0.9 or above 0.9 of a tanh.
        """
        return {
            name: tuple(float(share.mean()) for share in self._ends(name)) for name in self.gates
        }

    def _ends(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        low, high = BOUNDS[self.gates[name]]
        return self.values[name] < low, self.values[name] > high

    def table(self, tokens: Sequence[str] | None = None) -> list[dict]:
        """A row for each step.

        Args:
            tokens: The names of the steps.

        Returns:
            Rows with "step", "token" if tokens are given, "mean f_l0" and "saturated f_l0" for each
            gate (the fraction of saturated units), and "norm h_l0" for each state.

        Raises:
            SizeError: The number of tokens differs from the number of steps.
        """
        self._check(tokens)
        saturated = {name: np.logical_or(*self._ends(name)).mean(1) for name in self.gates}
        rows = []
        for t in range(len(self)):
            row = {"step": t} | ({} if tokens is None else {"token": tokens[t]})
            for name in self.gates:
                row |= {
                    f"mean {name}": float(self.values[name][t].mean()),
                    f"saturated {name}": float(saturated[name][t]),
                }
            rows.append(
                row
                | {
                    f"norm {name}": float(np.linalg.norm(self.values[name][t]))
                    for name in self.states
                }
            )
        return rows

    def _check(self, tokens):
        if tokens is not None and len(tokens) != len(self):
            raise SizeError(
                f"{len(tokens)} token(s) were given and there are {len(self)} step(s): give one "
                "token for each step"
            )

    def picture(self, path: Path, tokens: Sequence[str] | None = None) -> None:
        """Draw gates and states by step and unit as a PNG file.

        Args:
            path: The file to write.
            tokens: The names of the steps, written below them. A token without a font on this
                machine is replaced by the number of its step.

        Raises:
            SizeError: The number of tokens differs from the number of steps.
            InputError: The file cannot be written.
        """
        self._check(tokens)
        words = (
            [str(t) for t in range(len(self))]
            if tokens is None
            else [_shown(token) for token in tokens]
        )
        families, missing = fonts("".join(words))
        words = [str(t) if missing & set(word) else word for t, word in enumerate(words)]
        write_whole(path, figure_bytes(self._figure(words, families)))

    def svg(self, tokens: Sequence[str] | None = None) -> str:
        """The drawing of `picture` as SVG, with tokens as text that the viewer's fonts display.

        Raises:
            SizeError: The number of tokens differs from the number of steps.
        """
        self._check(tokens)
        words = (
            [str(t) for t in range(len(self))]
            if tokens is None
            else [_shown(token) for token in tokens]
        )
        return figure_bytes(self._figure(words, ["DejaVu Sans"]), "svg").decode()

    def _figure(self, words: list[str], families: list[str]):
        from matplotlib.figure import Figure

        base = self.runs[0]
        # A state that is also a gate, as in Elman's network, is drawn once.
        names = list(
            dict.fromkeys(
                name.removesuffix(base)
                for name in (*self.gates, *self.states)
                if name.endswith(base)
            )
        )
        width = min(max(4.0, 1.2 + 0.2 * len(self)), 14.0)
        figure = Figure(
            figsize=(width * len(self.runs), 0.6 + 1.15 * len(names)), dpi=110, layout="constrained"
        )
        panels = figure.subplots(len(names), len(self.runs), squeeze=False, sharex=True)
        for row, name in zip(panels, names):
            for axes, run in zip(row, self.runs):
                value, squashed = self.values[name + run], self.gates.get(name + run)
                most = 1.0 if squashed else max(float(np.abs(value).max()), 1e-12)
                least = -most if squashed in ("tanh", None) else 0.0
                image = axes.imshow(
                    value.T,
                    aspect="auto",
                    interpolation="nearest",
                    vmin=least,
                    vmax=most,
                    cmap="PuOr_r" if least else "cividis",
                )
                figure.colorbar(
                    image, ax=axes, ticks=[least, most], format="%.3g", aspect=8, pad=0.01
                )
                axes.set_yticks([])
                axes.set_ylabel(
                    name + run if len(name) < 12 else f"{name[:9]}...{run}",
                    parse_math=False,
                    rotation=0,
                    ha="right",
                    va="center",
                )
        for axes in panels[-1]:
            every = range(0, len(self), -(-len(self) // TICKS))
            axes.set_xticks(
                every,
                [words[t] for t in every],
                family=families,
                parse_math=False,
                rotation=90 if max(map(len, words)) > 2 else 0,
            )
        return figure


def inspect_layer(layer: Recurrent, x, *, lengths=None, row: int = 0) -> LayerTrace:
    """Run a layer on one sequence, and return its states and gates at every step.

    Dropout is not applied. The reference engine computes all values from the graph of the layer.

    Args:
        layer: A layer with any cell.
        x: A sequence (T, I), or a batch as the layer takes it; for a cell with several inputs, a
            tuple of these.
        lengths: Valid steps of each row of a batch; None if all are T.
        row: The row of the batch to inspect.

    Raises:
        InputError: The layer is not an Ostinato layer, or the row or its steps do not exist.
        SizeError: A shape does not fit.

    Example:
        >>> import torch, ostinato
        >>> steps = inspect_layer(ostinato.LSTM(3, 5), torch.zeros(4, 3))
        >>> list(steps.values)
        ['h_l0', 'c_l0', 'i_l0', 'f_l0', 'g_l0', 'o_l0']
        >>> steps["f_l0"].shape, steps.gates["f_l0"]
        ((4, 5), 'sigmoid')
    """
    if not isinstance(layer, Recurrent):
        raise InputError(
            f"the layer given is {type(layer).__name__}; give an ostinato layer: Recurrent, RNN, "
            "LSTM or GRU"
        )
    inputs = layer.checked_inputs(_one_row(layer, x, lengths, row))
    graph = layer.graph
    gates = named_gates(graph)
    states = dict(zip(graph.states, graph.new_states))
    kept = states | gates
    outward = next((name for name, node in kept.items() if node is graph.output), "output")
    while kept.setdefault(outward, graph.output) is not graph.output:
        outward += "_"
    # All values are concatenated as the output, so that the engine's own loop returns them, in both
    # directions.
    nodes = tuple(kept.values())
    whole = replace(
        graph, output=Node("concat", nodes, None, sum((n.size for n in nodes[1:]), nodes[0].size))
    )
    values, runs, below = {}, [], inputs[0]
    with torch.no_grad(), layer.full_precision():
        starts = layer.initial_state(1, like=inputs[0])
        for k in range(layer.num_layers):
            outputs = []
            for direction in range(layer.num_directions):
                weights, start = (
                    layer.cell_weights(k, direction),
                    tuple(s[k * layer.num_directions + direction] for s in starts),
                )
                found, _ = engines.scan(
                    whole,
                    inputs=(below, *inputs[1:]),
                    states=start,
                    weights=weights,
                    reverse=direction == 1,
                    engine="reference",
                    precision=layer.precision,
                )
                shapes = {n: w if isinstance(w, Tensor) else w[0] for n, w in weights.items()}
                sizes = graph.bind((below, *inputs[1:]), start, shapes)
                parts = dict(zip(kept, found.split([n.size.at(sizes) for n in nodes], -1)))
                outputs.append(parts[outward])
                runs.append(f"_l{k}{'_reverse' * direction}")
                values |= {
                    name + runs[-1]: part[:, 0].double().cpu().numpy()
                    for name, part in parts.items()
                }
            below = torch.cat(outputs, -1)
    return LayerTrace(
        values,
        {name + run: node.op for run in runs for name, node in gates.items()},
        tuple(name + run for run in runs for name in states),
        tuple(runs),
    )


def _one_row(layer: Recurrent, x, lengths, row: int) -> tuple[Tensor, ...]:
    """One sequence, as inputs (T, 1, units)."""
    inputs = tuple(x) if isinstance(x, (tuple, list)) else (x,)
    if not all(isinstance(i, Tensor) and i.dim() in (2, 3) for i in inputs):
        given = ", ".join(
            str(tuple(i.shape)) if isinstance(i, Tensor) else type(i).__name__ for i in inputs
        )
        raise SizeError(
            f"inspect_layer() was given {given}; give a sequence, (time, units), or a batch of "
            "them as the layer takes it"
        )
    inputs = tuple(
        i[:, None] if i.dim() == 2 else i.transpose(0, 1) if layer.batch_first else i
        for i in inputs
    )
    steps, batch = inputs[0].shape[:2]
    if row not in range(batch):
        raise InputError(
            f"row={row!r}: the batch has {batch} row(s); write a number from 0 to {batch - 1}"
        )
    if lengths is not None:
        steps = int(read_lengths(lengths, steps, batch, inputs[0].device)[row])
    if not steps:
        raise InputError(f"row {row} has no steps; give a sequence of at least one")
    return tuple(i[:steps, row : row + 1] for i in inputs)


def named_gates(graph: Graph) -> dict[str, Node]:
    """The gates of a cell, by the names in its equations.

    A gate has its own name, or the name of the only named value in its argument: `f` in
    `sigmoid(f)` and in `sigmoid(f + 1)`. A gate of several named values, or of none, is named by
    its expression, `sigmoid(xr + hr)`. An activation of a new state alone, such as `tanh(c_t)` in
    an LSTM, is left out, because it only repeats the state.

    Example:
        >>> from ostinato.cells import gru, lstm
        >>> {name: node.op for name, node in named_gates(lstm.graph).items()}
        {'i': 'sigmoid', 'f': 'sigmoid', 'g': 'tanh', 'o': 'sigmoid'}
        >>> list(named_gates(gru.graph))
        ['r', 'z', 'n']
    """
    page, order = Page(graph, Text()), [*graph.labels.values()]
    states = dict(zip(graph.new_states, graph.states))
    names = {
        n: page.lines[n].removesuffix("_t" if n is graph.output else "")
        for n in graph.labels
        if n in page.lines
    } | states
    found, places = {}, {}
    for node in graph.nodes:
        if node.op not in BOUNDS:
            continue
        squashed = [n for n in walk(node.args, ends=names) if n in names]
        inside = [n for n in squashed if n not in states]
        if node not in names and squashed and not inside:
            continue
        named = node if node in names else inside[0] if len(inside) == 1 else None
        name = names.get(named)
        if name is None or name in found:
            name, named = page.write(node), None
        found[name], places[name] = (
            node,
            order.index(graph.labels[named]) if named in graph.labels else len(order),
        )
    return {name: found[name] for name in sorted(found, key=places.get)}


# ---------------------------------------------------------------- gradients


def gradients(output_of: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    """How much a result depends on each step: the norm of its gradient with respect to the step's
    input.

    Args:
        output_of: Function from a sequence (T, I) to a tensor with one number.
        x: The sequence, (T, I).

    Returns:
        The norms, (T,).

    Raises:
        SizeError: The sequence has another shape, or the result is not one number.
        InputError: The result does not depend on x.

    Example:
        >>> import torch
        >>> gradients(lambda x: (x[0] * 3 + x[1]).sum(), torch.zeros(3, 1)).tolist()
        [3.0, 1.0, 0.0]
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.dim() != 2:
        given = f"{x.dtype}, {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise SizeError(
            f"the sequence is {given}; give a floating-point tensor with one sequence, (time, "
            "units), and add a batch dimension in output_of if needed"
        )
    x = x.detach().clone().requires_grad_()
    result = output_of(x)
    if not isinstance(result, Tensor) or result.numel() != 1:
        given = (
            f"a tensor of shape {tuple(result.shape)}"
            if isinstance(result, Tensor)
            else type(result).__name__
        )
        raise SizeError(
            f"output_of returned {given}; it should return one number: select the number to "
            "explain, such as logits[0, 3], or use .sum()"
        )
    if not result.requires_grad:
        raise InputError(
            "the result of output_of has no gradient: compute it from x by torch operations, "
            "without torch.no_grad()"
        )
    (dx,) = torch.autograd.grad(result.sum(), x, allow_unused=True)
    if dx is None:
        raise InputError(
            "the result of output_of does not depend on x: compute it from the argument x"
        )
    return dx.norm(dim=-1).double().cpu().numpy()


def vanishing(
    cells: Iterable[str | Cell] = ("elman", "lstm"),
    steps: int = 100,
    *,
    input_size: int = 8,
    hidden_size: int = 32,
    seeds: int = 5,
    forget_bias: float = 1.0,
) -> dict[str, np.ndarray]:
    """How the gradient of the last output decays over the steps that it goes back, in untrained
    layers.

    The gradient is that of the last output, projected on a random direction, with respect to the
    input k steps before, in float64.

    Args:
        cells: The cells, or their names.
        steps: T, number of steps.
        input_size: I.
        hidden_size: H; other sizes of a cell are half of it.
        seeds: Number of layers, each with its own weights and input, to average over.
        forget_bias: Forget gate bias of cells with such a constant.

    Returns:
        For each cell, by name, the mean norms (T,); [k] is the norm k steps back.

    Raises:
        InputError: A cell does not exist, or a number is not a positive integer.

    Example:
        >>> curves = vanishing(steps=50, seeds=2)
        >>> bool(curves["lstm"][-1] > 1e5 * curves["elman"][-1])
        True
    """
    for name, number in {"steps": steps, "seeds": seeds}.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise InputError(f"{name}={number!r}: write a positive integer")
    found = {}
    for given in cells:
        if not isinstance(given, Cell) and given not in CELLS:
            raise InputError(
                f"cells has {given!r}, which is not the name of a cell{near(str(given), CELLS)}; "
                f"the cells are {', '.join(sorted(CELLS))}"
            )
        cell = given if isinstance(given, Cell) else CELLS[given]
        if "forget_bias" in cell.constants:
            cell = cell.with_constants(forget_bias=forget_bias)
        found[cell.name] = np.mean(
            [_faded(cell, steps, input_size, hidden_size, seed) for seed in range(seeds)], 0
        )
    return found


def _faded(cell: Cell, steps: int, input_size: int, hidden_size: int, seed: int) -> np.ndarray:
    letters = (cell.graph.letters | cell.graph.output.size.letters) - {"I", "H"}
    sizes = {letter: max(1, hidden_size // 2) for letter in letters}
    # The random state of the caller is not changed.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = Recurrent(cell, input_size, hidden_size, sizes=sizes, dtype=torch.float64)
        x = torch.randn(steps, input_size, dtype=torch.float64)
        direction = torch.randn(layer.output_size, dtype=torch.float64)
    return gradients(lambda x: layer(x)[0][-1] @ direction, x)[::-1].copy()


def vanishing_picture(path: Path, curves: Mapping[str, np.ndarray] | None = None) -> None:
    """Draw gradient norms over the steps that they go back, on a logarithmic scale, as a PNG file.

    Args:
        path: The file to write.
        curves: The result of `vanishing`, under any labels; None for elman and for lstm with a
            forget bias of 1.

    Raises:
        InputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    if curves is None:
        found = vanishing()
        curves = {"elman": found["elman"], "lstm, forget bias 1": found["lstm"]}
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for (label, curve), colour in zip(curves.items(), COLOURS * len(curves)):
        axes.semilogy(curve, color=colour, label=label)
    axes.set(xlabel="steps back in time", ylabel="norm of the gradient", xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    write_whole(path, figure_bytes(figure))


# ---------------------------------------------------------------- drawing


def _shown(token: str) -> str:
    return "".join(VISIBLE.get(character, character) for character in str(token))
