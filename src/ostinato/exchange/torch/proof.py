"""Private: runs a written torch file in a fresh process and compares its results."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from ...errors import EngineError
from ...nn.recurrent import Recurrent
from ..results import TOLERANCES, ResultComparison, check_calls, random_calls

__all__ = ["FILE", "check_layer", "run"]

# What errors call a file.
FILE = "the written file"
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
    calls = list(random_calls(layer, dtype))
    given = [
        {
            "inputs": [x.tolist() for x in call.inputs.values()],
            "state": [s.tolist() for s in call.states or ()],
            "lengths": None if call.lengths is None else call.lengths.tolist(),
        }
        for call in calls
    ]
    names = ["output", *(f"state {name!r}" for name in layer.graph.states)]
    comparison = ResultComparison(FILE, TOLERANCES[dtype])
    check_calls(comparison, layer, dtype, names, zip(calls, run(folder, name, LAYER, given)))
