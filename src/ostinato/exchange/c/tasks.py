"""Private: trained tasks as C: a header and a source file, compiled and compared first."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ... import __version__
from ...errors import EngineError, InputError
from ...nn.recurrent import Recurrent
from ...tasks.random_kernels import RandomKernels
from . import classify, forecast, generate, tag
from .code import Sizes, rounded_layer, rounded_matrix
from .compile import run_c
from .file import CFile
from .parts import ROUNDED_SIZE, AnyTask, CodeListing, Proof, TaskCode

__all__ = ["CTaskFile", "compare_task", "program", "prove_task", "task_file"]

# The functions that write each task, and that compute the results of its proof.
WRITERS: dict[
    str, tuple[Callable[[AnyTask, CodeListing], TaskCode], Callable[[AnyTask], Proof]]
] = {
    "classify": (classify.classifier_code, classify.proof),
    "tag": (tag.tagger_code, tag.proof),
    "generate": (generate.generator_code, generate.proof),
    "forecast": (forecast.forecaster_code, forecast.proof),
}
# Largest error of the C code of a task, relative to the largest number and at least to 1.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class CTaskFile:
    """A task as C files.

    Attributes:
        file: The files.
        code: Its parts.
        rounding: The largest difference of the results from the task's on the inputs of the proof
            that is due to int8 weights; None with float32 weights.
    """

    file: CFile
    code: TaskCode
    rounding: float | None


def task_file(
    task: AnyTask, name: str, weights: str = "float32", *, network_only: bool = False
) -> CTaskFile:
    """The header and the source of a task.

    Args:
        task: The task.
        name: The beginning of the names of the public functions.
        weights: "float32" or "int8".
        network_only: Leave out the linear model of a classifier.

    Raises:
        InputError: The task has no model or is not written as C, or a weight is not finite.
    """
    task._require_model()
    _check_finite(task)
    notes = []
    if network_only:
        task = _network_of(task)
        notes.append("The linear model of the task is left out.")
    listing, rounding = CodeListing(name, weights), None
    if task.name not in WRITERS:
        raise InputError(f"the task {task.name!r} is not written as C; {', '.join(WRITERS)} are")
    code_of, proof_of = WRITERS[task.name]
    code = code_of(rounded_task(task) if listing.int8 else task, listing)
    if listing.int8:
        exact, wanted = proof_of(task).wanted, code.proof.wanted
        rounding = max(float(np.abs(wanted[k] - exact[k]).max(initial=0.0)) for k in wanted)
    layers = [layer.sizes for layer in listing.layers]
    file = CFile(
        name=name,
        title=[
            f"The task {task.name} with {weights} weights, written by ostinato {__version__}.",
            *notes,
            *code.title,
        ],
        sizes=Sizes(
            flash=listing.support.flash,
            state=code.state,
            stack=code.stack + max(layer.stack for layer in layers),
            multiplications=listing.products + sum(layer.multiplications for layer in layers),
            calls=sum(layer.calls for layer in layers),
        ),
        macros={key: listing.filled(value) for key, value in (ROUNDED_SIZE | code.macros).items()},
        types=f"#include <stdint.h>\n\n{code.types}",
        prototypes=code.prototypes,
        functions=listing.functions,
        support=listing.support,
        selftest=listing.filled(code.selftest.strip("\n")),
        expected=code.expected,
    )
    return CTaskFile(file, code, rounding)


def _check_finite(task: AnyTask) -> None:
    """Raise an error if a weight is not finite."""
    for name, tensor in task.model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(
                f"the weight {name!r} has a number that is infinite or not a number; C is written "
                "of finite weights: train the model again, with a smaller --learning-rate"
            )


def _network_of(task: AnyTask) -> AnyTask:
    """A copy of a classifier without its linear model."""
    if task.name != "classify":
        raise InputError(
            f"network_only=True (--network-only) is an option of classifiers, and the task is "
            f"{task.name}; leave it out"
        )
    task = copy.copy(task)
    task.model = copy.deepcopy(task.model)
    task.model.linear = None
    return task


def rounded_task(task: AnyTask) -> AnyTask:
    """A copy of a task with the matrices that int8 numbers stand for: the task that C code with
    int8 weights computes.
    """
    task = copy.copy(task)
    task.model = copy.deepcopy(task.model)
    with torch.no_grad():
        _round(task.model)
    return task


def _round(module: nn.Module) -> None:
    """Round the matrices of a module, in place."""
    for name, child in module.named_children():
        if isinstance(child, Recurrent):
            setattr(module, name, rounded_layer(child))
        else:
            _round(child)
    if isinstance(module, (nn.Linear, nn.Embedding)):
        module.weight.copy_(rounded_matrix(module.weight))
    if isinstance(module, RandomKernels):
        module.coefficients.copy_(rounded_matrix(module.coefficients.T).T)


def prove_task(one: CTaskFile) -> None:
    """Compile the code of a task, run it on the inputs of its proof, and compare.

    Raises:
        EngineError: A C compiler is not found, or the code computes something else than the task.
    """
    compare_task(one, run_c(program(one), one.code.proof.given))


def program(one: CTaskFile) -> dict[str, str]:
    """The sources of a program that computes the results of the proof of a task."""
    name = one.file.name
    driver = one.code.listing.filled(_DRIVER + one.code.proof.driver)
    return {
        f"{name}.h": one.file.header,
        f"{name}.c": one.file.source,
        f"{name}_driver.c": f'#include "{name}.h"\n{driver}',
    }


def compare_task(one: CTaskFile, output: bytes) -> None:
    """Compare the output of that program with the results of the task.

    Raises:
        EngineError: They differ.
    """
    proof, found, start = one.code.proof, np.frombuffer(output, np.float64), 0
    for what, numbers in proof.wanted.items():
        wanted = numbers.ravel()
        part = found[start : start + wanted.size]
        start += wanted.size
        unit = proof.units.get(what, max(1.0, float(np.abs(wanted).max(initial=0.0))))
        if part.size != wanted.size or not (np.abs(part - wanted) <= TOLERANCE * unit).all():
            error = np.abs(part - wanted[: part.size]).max(initial=0.0)
            raise EngineError(
                f"the {what} of the C code differ from the task's by {error:.2g}; nothing has been "
                "written"
            )


_DRIVER = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *get(size_t bytes)
{
    void *memory = malloc(bytes + 1);
    if (!memory || fread(memory, 1, bytes, stdin) != bytes)
        exit(3);
    return memory;
}

static uint32_t get_count(void)
{
    uint32_t *number = get(sizeof *number), count = *number;
    free(number);
    return count;
}

static void put(double number)
{
    fwrite(&number, sizeof number, 1, stdout);
}
"""
