"""Private: the checkpoint of a run: one safetensors file with everything needed to resume, checked
before use.

Lightning's own .ckpt files are pickles, which can run code when they are loaded, so they are
neither written nor read. A checkpoint has the weights, the states of the optimizer and of the
random generators, the carried recurrent state, and the counters as JSON in its header. It is
written atomically.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from ..data.files import (
    Spec,
    difference,
    read_header,
    read_tensors,
    specs_of,
    write_tensors,
)
from ..data.records import Count, Range, read_record
from ..errors import InputError, shown
from .problem import Problem

# The restored classes are declared in the module that trains.
if TYPE_CHECKING:
    from .loop import Budget, Training


CHECKPOINT_VERSION = 1


@dataclass
class Progress:
    """The progress of a run; with the tensors, the content of a checkpoint."""

    step: Count = 0
    seconds: Annotated[float, Range(0, 1e12)] = 0.0
    part: Count = 0
    waited: Count = 0
    best: float | None = None
    finished: bool = False
    history: list[dict[str, float | None]] = field(default_factory=list)
    part_loss: float = 0.0
    part_steps: Count = 0


def write_checkpoint(path: Path, training: "Training", seconds: float) -> None:
    """Write a checkpoint from which the run can resume exactly; `seconds` is the training time
    so far.
    """
    tensors = {f"model/{name}": value for name, value in training.model.state_dict().items()}
    states = training.optimizers(use_pl_optimizer=False).state
    for number, parameter in enumerate(training.learned):
        # a parameter without a gradient so far has no state; its state is 0
        for name in _optimizer_specs(parameter):
            value = (
                states[parameter][name]
                if states.get(parameter)
                else torch.zeros_like(parameter)
                if name != "step"
                else torch.zeros(())
            )
            tensors[f"optimizer/{number}/{name}"] = value
    tensors |= {f"carried/{number}": value for number, value in enumerate(training.carried)}
    tensors["random/cpu"] = torch.get_rng_state()
    if training.device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(training.device)
    progress = replace(training.progress, seconds=seconds)
    write_tensors(path, tensors, {"version": CHECKPOINT_VERSION, "progress": asdict(progress)})


def _optimizer_specs(parameter: Tensor) -> dict[str, Spec]:
    """The tensors that AdamW keeps for a parameter."""
    (like,) = specs_of({"": parameter}).values()
    return {"step": Spec("F32", ()), "exp_avg": like, "exp_avg_sq": like}


def read_checkpoint(path: Path) -> tuple[Progress, dict]:
    """Read the progress of a run, and its tensors.

    Raises:
        InputError: The file is damaged, or has another version.
    """
    tensors, metadata = read_tensors(path)
    return progress_from(path, metadata), tensors


def progress_from(path: Path, metadata: dict) -> Progress:
    """The progress of a run, from the metadata of its checkpoint."""
    if metadata.get("version") != CHECKPOINT_VERSION:
        raise InputError(
            f"{str(path)!r} is a checkpoint of version {shown(metadata.get('version'))}; this "
            f"version of ostinato reads version {CHECKPOINT_VERSION}: resume with the version that "
            "wrote it, or train again into another --out"
        )
    try:
        progress = read_record(Progress, metadata.get("progress"), field="progress", complete=True)
        if not progress.step or not all(
            {"step", "seconds"} <= line.keys() for line in progress.history
        ):
            raise InputError("'progress' has no step, or a line of its 'history' has none")
    except InputError as error:
        raise InputError(
            f"{str(path)!r} has no valid progress ({error}); train again into another --out"
        ) from error
    return progress


def unfit(path: Path, why) -> InputError:
    return InputError(
        f"{str(path)!r} does not fit the run in its directory ({why}); train again into another "
        "--out"
    )


def check_checkpoint(path: Path, model: dict[str, Spec]) -> Progress:
    """Read the progress of a run from the header of its checkpoint only.

    Args:
        path: The checkpoint.
        model: The parameters and buffers of the run's model.

    Raises:
        InputError: The checkpoint is damaged, or belongs to another run.
    """
    specs, metadata = read_header(path)
    progress = progress_from(path, metadata)
    if why := difference(
        {name: spec for name, spec in specs.items() if name.startswith("model/")},
        {f"model/{name}": spec for name, spec in model.items()},
    ):
        raise unfit(path, why)
    return progress


def check_progress(progress: Progress, problem: Problem, budget: "Budget", patience: int) -> None:
    """Raise an InputError if the progress is impossible for this run."""
    if budget.steps is not None and progress.step > budget.steps:
        raise InputError(f"it has done {progress.step} steps of {budget.steps}")
    if (
        progress.finished
        and not budget.is_used_up(progress.step, progress.part)
        and not (patience and progress.waited >= patience)
    ):
        raise InputError(
            f"it is finished after {progress.step} steps, before the end of its budget"
        )
    if bool(progress.history) != bool(progress.part) or (
        progress.finished and not progress.history
    ):
        raise InputError(f"it has {len(progress.history)} measurements after {progress.part} parts")
    values = [line[problem.goal] for line in progress.history if line.get(problem.goal) is not None]
    if progress.best != (max if problem.higher_is_better else min)(values, default=None):
        raise InputError(f"its best measurement is {progress.best}, which differs from its history")
    wanted = {"step", "seconds", problem.goal, *problem.trained(0.0)}
    if not all(wanted <= line.keys() for line in progress.history):
        raise InputError(
            f"a line of its history lacks some of the names {', '.join(sorted(wanted))}"
        )
    if any(line[name] is None for line in progress.history for name in wanted - {problem.goal}):
        raise InputError(
            "a line of its history has no number for its step, its seconds or its training"
        )


def restore_run(training: "Training", path: Path, device: torch.device, processes: int) -> None:
    """Restore a run from its checkpoint.

    The dtype and shape of every tensor are compared with those this run would write before any is
    used, because the optimizer's fused kernels do not check them.
    """
    progress, model = training.progress, training.model
    # a call of the loss gives the form of the carried state; it changes nothing, and the state of
    # the random generators is restored afterwards
    with torch.no_grad():
        *_, carried = training.problem.loss(
            training.problem.batch(progress.step, 0, processes), None
        )
    wanted = {f"model/{name}": spec for name, spec in specs_of(model.state_dict()).items()}
    wanted |= {
        f"optimizer/{number}/{name}": spec
        for number, parameter in enumerate(training.learned)
        for name, spec in _optimizer_specs(parameter).items()
    }
    wanted |= {
        f"carried/{number}": spec
        for number, spec in enumerate(specs_of(dict(enumerate(carried))).values())
    }
    states = {"random/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["random/cuda"] = torch.cuda.get_rng_state(device)
    wanted |= specs_of(states)

    def check(specs: dict[str, Spec]) -> None:
        if why := difference(
            {name: spec for name, spec in specs.items() if name != "random/cuda" or name in wanted},
            wanted,
        ):
            raise unfit(path, why)

    tensors, _ = read_tensors(path, check)
    model.load_state_dict(
        {
            name.removeprefix("model/"): tensor
            for name, tensor in tensors.items()
            if name.startswith("model/")
        }
    )
    training.restored = {
        number: {
            name: tensors[f"optimizer/{number}/{name}"] for name in _optimizer_specs(parameter)
        }
        for number, parameter in enumerate(training.learned)
    }
    for number, state in training.restored.items():
        if not 0 <= state["step"] <= progress.step or (state["exp_avg_sq"] < 0).any():
            raise unfit(path, f"'optimizer/{number}' has impossible steps, or negative squares")
    training.carried = tuple(
        tensors[f"carried/{number}"].to(device) for number in range(len(carried))
    )
    try:
        torch.set_rng_state(tensors["random/cpu"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random/cuda"], device)
    except RuntimeError as error:
        raise unfit(path, f"the state of its random numbers cannot be used: {error}") from error
