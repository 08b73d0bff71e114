"""C: layers and trained tasks as C99 source code that does not allocate memory."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import nn

from ...data.files import write_files
from ...errors import InputError
from ...nn.recurrent import Recurrent
from .code import Sizes
from .layer import LayerFile, layer_file, prove
from .support import check_prefix

if TYPE_CHECKING:
    from ...tasks.task import Task
    from .tasks import CTaskFile

__all__ = ["CReport", "write"]


@dataclass(frozen=True)
class CReport:
    """The result of an export.

    Attributes:
        source: The file NAME.c.
        header: The file NAME.h.
        sizes: Memory, and the work of one step.
        rounding: The largest difference of the outputs from the layer's on random inputs that is
            due to int8 weights; None with float32 weights.
    """

    source: Path
    header: Path
    sizes: Sizes
    rounding: float | None

    @property
    def files(self) -> list[Path]:
        """The files that were written."""
        return [self.source, self.header]


def write(
    model: "Recurrent | Task",
    path: str | Path,
    *,
    name: str | None = None,
    weights: str = "float32",
    network_only: bool = False,
    check: bool = True,
) -> CReport:
    """Write a layer or a trained task as a C header and source file, for one sequence at a time.

    The code is C99 without memory allocation, input and output, or variables of its own. It is
    compiled, run on random inputs and compared with the layer first. Nothing is written if they
    differ. With NAME for the name of the files, the functions of a layer in evaluation mode are

        void NAME_init(NAME_state *state);
        void NAME_reset(NAME_state *state);
        void NAME_step(NAME_state *state, const float *x, float *y);
        void NAME_run(NAME_state *state, const float *x, size_t steps, float *y, float *scratch);

    `NAME_run` computes a whole sequence, x (steps, I) and y (steps, output_size), which must not
    overlap. Its scratch memory is `NAME_SCRATCH(steps)` numbers. A cell with several inputs has a
    parameter for each. A bidirectional layer has no `NAME_step`.

    The tasks are classify, tag, generate and forecast. Their functions are described in the header;
    vocabularies, labels and scales are tables in the source.

    Args:
        model: The layer or the trained task, in float32.
        path: The files to write, with or without the ending .c: "models/gru" writes models/gru.c
            and models/gru.h.
        name: The beginning of the names of functions and files; None for the last part of `path`.
        weights: "float32", or "int8" for matrices as int8 numbers with a float32 scale for each
            row. Vectors, states and arithmetic are float32 either way.
        network_only: Write the network of a classifier alone, without its linear model.
        check: Compile and compare the code. It needs a C compiler.

    Raises:
        InputError: It is not a layer or such a task, a weight is not finite, the name cannot begin
            C names, or the files cannot be written.
        TensorError: Its dtype is not float32.
        EngineError: A C compiler is not found, or the code computes something else than the model.

    Example:
        >>> import os, tempfile
        >>> import ostinato
        >>> from ostinato.exchange import c
        >>> layer = ostinato.GRU(3, 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = c.write(layer, os.path.join(folder, "gru"), check=False)
        ...     sorted(os.listdir(folder))
        ['gru.c', 'gru.h']
        >>> report.sizes.flash, report.sizes.state
        (600, 20)
    """
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".c", ".h") else path
    name = check_prefix(stem.name if name is None else name)
    if os.path.isdir(path):
        raise InputError(
            f"{str(path)!r} is a directory; give the name of the files in it: "
            f"{str(path / 'model')!r} writes model.c and model.h"
        )
    one = _proved(model, name, weights, network_only, check)
    source, header = (stem.with_name(f"{name}.{end}") for end in ("c", "h"))
    write_files({header: one.file.header.encode(), source: one.file.source.encode()})
    return CReport(source, header, one.file.sizes, one.rounding)


def _proved(
    model: "Recurrent | Task", name: str, weights: str, network_only: bool, check: bool
) -> "LayerFile | CTaskFile":
    """The files of a model, compared with it."""
    if isinstance(model, nn.Module) or not hasattr(model, "predict_dicts"):
        if network_only:
            raise InputError("network_only=True is an option of classifiers; leave it out")
        layer = layer_file(cast(Recurrent, model), name, weights)
        if check:
            prove(layer)
        return layer
    from .tasks import prove_task, task_file

    task = task_file(model, name, weights, network_only=network_only)
    if check:
        prove_task(task)
    return task
