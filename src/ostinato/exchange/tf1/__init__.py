"""TensorFlow 1: the recurrent cells of a checkpoint as layers, and layers as a checkpoint.

Neither direction needs TensorFlow.
"""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError, OstinatoError
from ...nn.recurrent import Recurrent, suffix
from ...tf1.files.bundle import Bundle, data_path, index_path, write_bundle
from ...tf1.files.bundle_v1 import BundleV1
from ...tf1.files.checkpoint_state import latest_checkpoint
from ...tf1.files.reader import open_checkpoint
from ..activations import UNITS
from ..layer_specs import RecurrentSpec
from ..layer_stack import LayerStack, RecurrentPart, loaded_stack
from ..proof import compare_engines, compare_stacks
from .cells import BOTH, CELLS, Tf1Cell, cell_in
from .export import scopes_of, tf1_cell, variables_of

__all__ = ["read", "write"]

# Names of variables before TensorFlow 1.2.
OLD_NAMES = {"weights": "kernel", "biases": "bias"}
AVERAGE = "ExponentialMovingAverage"
MOST_VARIABLES = 100_000
# Names in a message.
LISTED = 12


@dataclass(frozen=True)
class CellScope:
    """A cell in a checkpoint.

    Attributes:
        path: Its scope.
        cell: The cell.
        variables: The full name of each of its variables.
    """

    path: str
    cell: Tf1Cell
    variables: dict[str, str]


def read(
    path: Path,
    *,
    scope: str | None = None,
    cell: str | None = None,
    forget_bias: float | None = None,
    activation: str = "tanh",
    averages: bool = False,
) -> LayerStack:
    """Read the recurrent cells of a checkpoint of TensorFlow 1.

    Each cell becomes a layer that has the name of its scope. Cells of a MultiRNNCell become layers
    in a row, and the scopes fw and bw one layer in both directions. Slots of optimizers and all
    other variables are left out.

    Args:
        path: The prefix of a checkpoint, as `Saver.save` returned it, or a directory, whose latest
            checkpoint is read.
        scope: Read only the cells below this scope, for a checkpoint with several models.
        cell: The class of the cells ("BasicLSTMCell", "LSTMCell", "LSTMBlockCell", "GRUCell",
            "GRUBlockCell", "CudnnCompatibleGRUCell" or "BasicRNNCell"), for scopes whose names do
            not say it.
        forget_bias: The argument of the LSTM cells, which a checkpoint does not have; None for
            their default, 1, or 0 for cells that are compatible with cuDNN.
        activation: The activation of the cells, which a checkpoint does not have.
        averages: Read the averages that tf.train.ExponentialMovingAverage keeps of the variables.

    Returns:
        The layers, in evaluation mode. `notes` says what the checkpoint does not tell.

    Raises:
        InputError: The checkpoint does not exist, is damaged, or has cells that cannot be read.
        EngineError: The layers compute something else on another engine.

    Example:
        >>> import os, tempfile, torch, ostinato
        >>> from ostinato.exchange import tf1
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = tf1.write(ostinato.LSTM(3, 5), os.path.join(folder, "model.ckpt"))
        ...     stack = tf1.read(os.path.join(folder, "model.ckpt"))
        >>> stack.names, stack(torch.zeros(1, 4, 3)).shape
        (('rnn/lstm_cell',), torch.Size([1, 4, 5]))
    """
    if activation not in UNITS:
        raise InputError(
            f"activation={activation!r} is not an activation of cells; write one of "
            f"{', '.join(UNITS)}"
        )
    given = {*(c.name for c in CELLS), "BasicLSTMCell", "LSTMBlockCell"}
    if cell is not None and cell not in given:
        raise InputError(f"cell={cell!r} is unknown; write one of {', '.join(sorted(given))}")
    if forget_bias is not None and not abs(forget_bias) < 1e6:
        raise InputError(f"forget_bias={forget_bias!r}: write a number, such as 1.0")
    try:
        checkpoint = open_checkpoint(_prefix(Path(path)))
        layers = _chosen(_scopes(checkpoint, scope, cell), Path(path), scope)
        return _stack(checkpoint, layers, forget_bias, activation, averages)
    except InputError:
        raise
    except (OstinatoError, OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"the checkpoint {str(path)!r} cannot be read: {str(error)[:400]}"
        ) from error


def _prefix(path: Path) -> str:
    """The prefix of a checkpoint, from that, one of its files, or its directory."""
    text = str(path)
    if os.path.isdir(path):
        for inside in ("variables", os.path.join("variables", "variables")):  # of a SavedModel
            if os.path.isfile(index_path(os.path.join(text, inside))):
                return os.path.join(text, inside)
        found = latest_checkpoint(text)
        if found is None:
            raise InputError(
                f"the directory {text!r} has no checkpoint; give the prefix of one, such as "
                "model.ckpt-10"
            )
        return str(found)
    return re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", text)


def _scopes(checkpoint: Bundle | BundleV1, scope: str | None, cell: str | None) -> list[CellScope]:
    """The cells of a checkpoint below a scope, by their names."""
    names = checkpoint.saved
    if len(names) > MOST_VARIABLES:
        raise InputError(f"the checkpoint has {len(names):,} variables; the limit is 100,000")
    below: dict[str, dict[str, str]] = {}
    start = "" if scope is None else f"{scope.strip('/')}/"
    for name in names:
        parts = name.split("/")
        if not name.startswith(start) or len(parts) > 64:
            continue
        # a cell's variables are one to three scopes below it
        for place in range(max(0, len(parts) - 3), len(parts)):
            short = "/".join([*parts[place:-1], OLD_NAMES.get(parts[-1], parts[-1])])
            below.setdefault("/".join(parts[:place]), {})[short] = name
    found = []
    for path, variables in sorted(below.items(), key=lambda item: _natural(item[0])):
        known = cell_in(path, set(variables), cell)
        if known is None:
            continue
        own = CellScope(path, known, {v: variables[v] for v in known.variables})
        if cell is None or _fits(checkpoint, own):
            found.append(own)
    return found


def _fits(checkpoint: Bundle | BundleV1, one: CellScope) -> bool:
    """Whether the shapes in a scope are those of the cell: a dense layer has the same names."""
    try:
        _sizes(checkpoint, one)
    except InputError:
        return False
    return True


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts cell_10 after cell_9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(repr(name[:100]) for name in names[:LISTED]) + more


def _chosen(scopes: list[CellScope], path: Path, scope: str | None) -> dict[str, list[CellScope]]:
    """The layers of the one model in a checkpoint: the name of each, and its directions."""
    pairs: dict[str, list[CellScope]] = {}
    for one in scopes:
        name = re.sub(r"(^|/)(fw|bw)(?=/[^/]*$)", rf"\1{BOTH}", one.path)
        pairs.setdefault(name, []).append(one)
    layers: dict[str, list[CellScope]] = {}
    for name, own in pairs.items():
        # one direction alone keeps its scope
        both = BOTH in name and len(own) == 2
        layers |= {name: sorted(own, key=_backwards)} if both else {one.path: [one] for one in own}
    models: dict[str, dict[str, list[CellScope]]] = {}
    for name, own in layers.items():
        key = re.sub(r"(^|/)cell_\d+(/.*)?$", r"\1cell_*", _first_numbered(name))
        models.setdefault(key, {})[name] = own
    if not models:
        where = "" if scope is None else f" below scope={scope!r}"
        raise InputError(
            f"the checkpoint {str(path)!r} has no recurrent cells of TensorFlow 1{where}; give "
            "scope= and cell= if its scopes have other names, and read files of Keras with "
            "ostinato.exchange.keras"
        )
    if len(models) > 1:
        names = [key.split("/cell_*")[0] for key in models]
        raise InputError(
            f"the checkpoint {str(path)!r} has several models, {_listed(names)}: choose one with "
            "scope= (on the command line --scope)"
        )
    (found,) = models.values()
    return found


def _backwards(one: CellScope) -> bool:
    return "bw" in one.path.split("/")[-2:]


def _first_numbered(name: str) -> str:
    """The name up to the first scope cell_N."""
    found = re.search(r"(^|/)cell_\d+(?=/|$)", name)
    return name[: found.end()] if found else name


def _stack(
    checkpoint: Bundle | BundleV1,
    layers: Mapping[str, list[CellScope]],
    forget_bias: float | None,
    activation: str,
    averages: bool,
) -> LayerStack:
    parts: dict[str, RecurrentSpec] = {}
    weights: dict[str, dict[str, np.ndarray]] = {}
    assumed: set[float] = set()
    for name, directions in layers.items():
        first = directions[0]
        if len({(d.cell.name, d.cell.cell) for d in directions}) > 1:
            raise InputError(f"the two directions of {name!r} are different cells")
        sizes = [_sizes(checkpoint, one) for one in directions]
        if len(set(sizes)) > 1:
            raise InputError(f"the two directions of {name!r} have different sizes: {sizes}")
        (inputs, units, output), cell = sizes[0], first.cell
        constants: dict[str, float | bool | str | None] = dict(cell.constants)
        if cell.forget_bias is not None:
            cudnn = "cudnn_compatible" in first.path
            used = (0.0 if cudnn else cell.forget_bias) if forget_bias is None else forget_bias
            assumed.add(used)
            constants |= {"forget_bias": float(used)} if used else {}
        if activation != "tanh":
            if cell.cell == "gru":
                raise InputError(f"{name!r} is a {cell.name}, whose activation is always tanh")
            constants["activation"] = activation
        parts[name] = RecurrentSpec(
            cell.cell,
            inputs,
            units,
            bidirectional=len(directions) == 2,
            sizes={"P": output} if cell.cell == "lstm_full" else {},
            constants=constants,
        )
        weights[name] = {
            weight + suffix(0, k): array
            for k, one in enumerate(directions)
            for weight, array in cell.to_cell(_values(checkpoint, one, averages), inputs).items()
        }
    stack = loaded_stack(parts, weights)
    notes = [
        f"a checkpoint does not say which activation cells have: {activation} is assumed",
        "nor whether cells are wrapped (residual connections, attention), which is left out",
    ]
    if assumed:
        shown = ", ".join(f"{bias:g}" for bias in sorted(assumed))
        notes.insert(
            1, f"nor the forget bias: {shown} is {'assumed' if forget_bias is None else 'given'}"
        )
    stack.notes = (*notes, compare_engines(stack, "TensorFlow"))
    return stack


def _sizes(checkpoint: Bundle | BundleV1, one: CellScope) -> tuple[int, int, int]:
    """The sizes of a cell, from the shapes of its variables alone."""
    shapes = {short: tuple(checkpoint.saved[name].shape) for short, name in one.variables.items()}
    sizes = one.cell.sizes(shapes, one.path)
    if max(sizes) > 1 << 24:
        raise InputError(f"the cell {one.path!r} has the sizes {sizes}; the limit is {1 << 24:,}")
    return sizes


def _values(checkpoint: Bundle | BundleV1, one: CellScope, averages: bool) -> dict[str, np.ndarray]:
    """The variables of a cell, checked."""
    found = {}
    for short, name in one.variables.items():
        stored = f"{name}/{AVERAGE}" if averages else name
        if stored not in checkpoint:
            raise InputError(
                f"the checkpoint has no moving average of {name!r}; leave averages (on the command "
                "line --averages) out"
            )
        shape = checkpoint.saved[stored].shape
        if tuple(shape) != tuple(checkpoint.saved[name].shape):
            raise InputError(f"the moving average of {name!r} has another shape, {list(shape)}")
        value = checkpoint.get(stored)
        if value.dtype not in (np.float16, np.float32, np.float64):
            raise InputError(f"the variable {stored!r} is {value.dtype}; it should be floats")
        if not np.isfinite(value).all():
            raise InputError(f"the variable {stored!r} has values that are not finite")
        found[short] = value.astype(np.float64 if value.dtype == np.float64 else np.float32)
    return found


# ---------------------------------------------------------------- writing


def write(
    model: LayerStack | Recurrent,
    path: Path,
    *,
    names: Mapping[str, str] | None = None,
    forget_bias: float = 1.0,
) -> list[Path]:
    """Write layers as a checkpoint of TensorFlow 1, of format V2.

    Layers that `read` returned keep the names of their variables. Before the checkpoint is put in
    its place it is read again, and its results are compared with those of the layers.

    Args:
        model: The layers, of the cells that `read` returns and their projected forms.
        path: The prefix of the checkpoint, such as "model.ckpt".
        names: The scope of the cell of each layer, by the name of the layer; with {fw,bw} in the
            place of the direction for a layer in both. None for the names of the layers if they are
            such scopes, else "rnn/lstm_cell" and so on.
        forget_bias: The argument `forget_bias` of the LSTM cells that will use the checkpoint. The
            bias is written so that they compute what the layers do.

    Returns:
        The files.

    Raises:
        InputError: TensorFlow 1 does not have such a layer, or the files cannot be written.
        EngineError: The checkpoint gives other results than the layers.
    """
    if not isinstance(model, (Recurrent, LayerStack)):
        raise InputError(
            f"tf1.write was given a {type(model).__name__}; give layers: a Recurrent or a "
            "LayerStack. Tasks can be written as ONNX, torch and C files"
        )
    stack = LayerStack.of(model)
    scopes = scopes_of(stack, names or {})
    variables: dict[str, np.ndarray] = {}
    for (name, part), own in zip(stack.named_parts(), scopes):
        if not isinstance(part, RecurrentPart):
            raise InputError(
                f"the layer {name!r} is not recurrent; a checkpoint has the cells of recurrent "
                "layers only"
            )
        for number, template in enumerate(own):
            for k in range(part.layer.num_directions):
                scope = template.replace(BOTH, "bw" if k else "fw")
                for short, array in variables_of(name, part, number, k, forget_bias).items():
                    full = f"{scope}/{short}"
                    if full in variables:
                        raise InputError(f"two layers have the variable {full!r}; give other names")
                    variables[full] = array
    target = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".checkpoint") as folder:
            unfinished = os.path.join(folder, "model.ckpt")
            write_bundle(unfinished, [(n, "", v) for n, v in sorted(variables.items())])
            _prove(stack, scopes, unfinished, forget_bias)
            moves = (
                (data_path(unfinished), data_path(str(target))),
                (index_path(unfinished), index_path(str(target))),
            )
            for source, end in moves:
                os.replace(source, end)
    except OSError as error:
        raise InputError(
            f"cannot write {str(path)!r}: {error.strerror}; choose a writable place with free space"
        ) from error
    return [Path(end) for _, end in moves]


def _prove(stack: LayerStack, scopes: list[list[str]], written: str, forget_bias: float) -> None:
    """Compare the results of a checkpoint with those of the layers, layer by layer."""
    checkpoint = open_checkpoint(written)
    layers: dict[str, list[CellScope]] = {}
    for (name, part), own in zip(stack.named_parts(), scopes):
        cell = tf1_cell(name, part.spec)  # type: ignore[arg-type]
        for template in own:
            ways = ("fw", "bw") if BOTH in template else ("",)
            layers[template] = [
                CellScope(
                    template.replace(BOTH, way),
                    cell,
                    {v: f"{template.replace(BOTH, way)}/{v}" for v in cell.variables},
                )
                for way in ways
            ]
    activations = {
        str(spec.constants.get("activation", "tanh"))
        for spec in stack.specs().values()
        if isinstance(spec, RecurrentSpec)
    }
    if len(activations) > 1:
        raise InputError(
            f"the layers have the activations {', '.join(sorted(activations))}; write those with "
            "one activation as a checkpoint of their own"
        )
    again = _stack(checkpoint, layers, forget_bias, activations.pop(), False)
    compare_stacks(stack, again, "the checkpoint")
