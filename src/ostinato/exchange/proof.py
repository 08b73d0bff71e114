"""Private: comparisons of layers that were read or written."""

import copy

import torch
from torch import Tensor

from ..errors import EngineError
from .layer_stack import LayerStack, MaskingPart, RecurrentPart
from .results import BATCHES, ROUNDING, TOLERANCES, ResultComparison

__all__ = ["compare_engines", "compare_stacks", "random_inputs"]


def random_inputs(stack: LayerStack, batch: int, steps: int) -> Tensor:
    """Random inputs of a stack, some of them masked."""
    generator = torch.Generator().manual_seed(batch * 1000 + steps)
    if stack.takes_ids:
        return torch.randint(0, stack.input_size or 1, (batch, steps), generator=generator)
    x = torch.randn((batch, steps, stack.input_size or 1), generator=generator, dtype=torch.float64)
    for part in stack.parts:
        if isinstance(part, MaskingPart):
            x[torch.rand((batch, steps), generator=generator) < 0.3] = part.spec.value
    return x.to(stack.dtype)


def compare_engines(stack: LayerStack, source: str) -> str:
    """Compare the results of a stack with those of the reference engine in float64.

    Args:
        stack: The stack, in evaluation mode.
        source: The tool that it comes from.

    Returns:
        A sentence that says what was compared, and what could not be.

    Raises:
        EngineError: The results differ.
    """
    exact = copy.deepcopy(stack).double()
    for part in exact.parts:
        if isinstance(part, RecurrentPart):
            part.layer.engine, part.layer.precision = "reference", None
    largest = 0.0
    for batch, steps in BATCHES:
        x = random_inputs(stack, batch, steps)
        with torch.no_grad():
            found = stack(x).double()
            wanted = exact(x.double() if x.is_floating_point() else x)
        scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
        error = float((found - wanted).abs().max()) / scale if wanted.numel() else 0.0
        largest = max(largest, error)
    # ids and weights of a stranger may make any size of rounding error; a wrong kernel makes more
    if not largest <= 1e-3:
        raise EngineError(
            f"the layers compute something else on the CPU engine than on the reference engine: "
            f"they differ by {largest:.2g}, relative to the largest number"
        )
    return (
        f"compared on random inputs: the CPU engine and the reference engine in float64 differ by "
        f"{largest:.1g}; the file has no recorded outputs, so the results of {source} itself could "
        "not be compared"
    )


def compare_stacks(stack: LayerStack, other: LayerStack, what: str) -> None:
    """Compare the results of two stacks on random inputs.

    Args:
        stack: The stack that was written; it is compared in evaluation mode.
        other: The stack that was read from the written content, in evaluation mode.
        what: The name of the content, for the error.

    Raises:
        EngineError: The results differ; nothing should be written.
    """
    comparison = ResultComparison(what, ROUNDING * TOLERANCES.get(stack.dtype, 1e-5), "stack")
    training = stack.training
    stack.eval()
    try:
        for batch, steps in BATCHES:
            x = random_inputs(stack, batch, steps)
            with torch.no_grad():
                wanted, found = stack(x), other(x)
            comparison.check("result", found, wanted)
    finally:
        stack.train(training)
