"""Private: runs a written torch file in a fresh process and compares its results."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import EngineError
from ...nn.recurrent import Recurrent

__all__ = ["check_layer", "check_results", "run"]

# Largest error, relative to the largest number, by dtype.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
# A cell may enlarge rounding errors: the error of the file may be this many times the layer's own.
ROUNDING = 4
# Sizes (B, T) of the batches on which a file is compared with its layer.
PROOFS = ((3, 7), (1, 1))
# The longest time that a file may run, in seconds.
LONGEST = 600
# The process that runs a file: nothing that a reader of the file may lack can be imported.
PROCESS = """
import importlib, json, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"ostinato", "safetensors", "tokenizers", "regex", "sklearn"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
module, given = importlib.import_module(sys.argv[2]), json.load(sys.stdin)
results = []
exec(sys.argv[3])
json.dump(results, sys.stdout)
"""
# The part of the process that runs a layer on each batch.
LAYER = """
model = module.load()
dtype = next(iter(model.state_dict().values()), torch.empty(0)).dtype
def tensors(lists):
    return tuple(torch.tensor(one, dtype=dtype) for one in lists)
for one in given:
    x = tensors(one["inputs"])
    with torch.no_grad():
        output, state = model(x if len(x) > 1 else x[0], tensors(one["state"]), one["lengths"])
    state = state if isinstance(state, tuple) else (state,)
    results.append([part.tolist() for part in (output, *state)])
"""


def run(folder: Path, name: str, code: str, given: Any) -> list:
    """The results of a written file in a process without Ostinato.

    Args:
        folder: The folder of the file.
        name: The name of its module.
        code: Statements that append to `results` what they compute from `module` and `given`.
        given: What the statements get, as JSON.

    Raises:
        EngineError: The process fails.
    """
    command = [sys.executable, "-I", "-c", PROCESS, str(folder), name, code]
    try:
        done = subprocess.run(
            command, input=json.dumps(given), capture_output=True, text=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"the written file ran for {LONGEST} s; nothing has been written"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EngineError(f"the written file cannot be run ({last}); nothing has been written")
    return json.loads(done.stdout)


def check_layer(layer: Recurrent, dtype: torch.dtype, folder: Path, name: str) -> None:
    """Compare a written layer with the layer on random inputs, states and lengths.

    Raises:
        EngineError: The results differ.
    """
    # the file rounds nothing to bfloat16
    layer = copy.deepcopy(layer).cpu().eval()
    layer.precision = None
    exact_layer = copy.deepcopy(layer).double()
    exact_layer.engine = "reference"
    random = torch.Generator().manual_seed(0)
    letters = layer._letters(0)
    calls = []
    for batch, steps in PROOFS:
        lead = (batch, steps) if layer.batch_first else (steps, batch)
        inputs = tuple(
            torch.randn(*lead, size.at(letters), generator=random, dtype=dtype)
            for size in layer.graph.inputs.values()
        )
        # numbers that the states of every cell may have, those that it divides by included
        shapes = [s.shape for s in layer.initial_state(batch)]
        state = tuple(torch.rand(shape, generator=random, dtype=dtype) for shape in shapes)
        lengths = torch.randint(0, steps + 1, (batch,), generator=random)
        lengths[0] = 0 if batch > 1 else steps
        calls.append((inputs, state, lengths))
    given = [
        {
            "inputs": [x.tolist() for x in inputs],
            "state": [s.tolist() for s in state],
            "lengths": lengths.tolist(),
        }
        for inputs, state, lengths in calls
    ]
    names = ["output", *(f"state {name!r}" for name in layer.graph.states)]
    for found, call in zip(run(folder, name, LAYER, given), calls):
        own, exact = _results(layer, dtype, *call), _results(exact_layer, torch.float64, *call)
        for what, of_file, of_layer, right in zip(names, found, own, exact, strict=True):
            check_results(what, torch.tensor(of_file), of_layer, right, TOLERANCES[dtype])


def _results(layer: Recurrent, dtype: torch.dtype, inputs, state, lengths) -> list[Tensor]:
    """The output and the final states of a layer, computed in a dtype."""
    x, state = (tuple(one.to(dtype) for one in some) for some in (inputs, state))
    with torch.no_grad():
        output, ends = Recurrent.forward(layer, x if len(x) > 1 else x[0], state, lengths)
    return [output, *((ends,) if isinstance(ends, Tensor) else ends)]


def check_results(name: str, found: Tensor, own: Tensor, exact: Tensor, tolerance: float) -> None:
    """Raise an error unless a result is as near to the exact one as the model's own is.

    Args:
        name: The name of the result.
        found: The result of the file.
        own: The result of the model.
        exact: The result of the model in float64.
        tolerance: Largest error, relative to the largest number.
    """
    if own.shape != found.shape:
        raise EngineError(
            f"the written file gives {name} the shape {tuple(found.shape)}, and the model "
            f"{tuple(own.shape)}; nothing has been written"
        )
    error, rounding = (
        float((one.double() - exact.double()).abs().max()) if exact.numel() else 0.0
        for one in (found, own)
    )
    largest = float(exact.abs().max()) if exact.numel() else 0.0
    limit = max(tolerance * max(1.0, largest), ROUNDING * rounding)
    if not error <= limit:
        raise EngineError(
            f"the written file's {name} differs from the model's by {error:.2g}, more than "
            f"{limit:.2g}; nothing has been written"
        )
