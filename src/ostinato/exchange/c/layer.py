"""Private: a layer as a C header and source file, and their proof."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ... import __version__
from ...errors import EngineError, InputError
from ...nn.recurrent import Recurrent
from ..layer_stack import LayerStack, RecurrentSpec
from ..results import LayerArguments, comparable, exact_copy, layer_results
from .code import LayerCode, check_layer, layer_code, rounded_layer
from .compile import COMPARISON, check_close, run_c
from .file import CFile
from .support import Support, literal

# Steps of the sequences on which C code is compared with its layer.
STEPS = (7, 1)
# Steps of the self-test: the first for which the layer has finite outputs.
SELFTEST_STEPS = (8, 4, 2, 1)
# The self-test allows more than the comparison does: other processors have other functions.
SELFTEST_FACTOR = 10


@dataclass(frozen=True)
class LayerFile:
    """A layer as C files.

    Attributes:
        file: The files.
        code: The layer's part of them.
        computed: The layer that the code computes, whose weights are rounded if they are int8.
        rounding: The largest difference of the outputs from the layer's on random inputs that is
            due to int8 weights; None with float32 weights.
    """

    file: CFile
    code: LayerCode
    computed: Recurrent
    rounding: float | None


def _single(model: Recurrent | LayerStack) -> Recurrent:
    """The layer of a stack of one recurrent layer; a layer as it is.

    Raises:
        InputError: The stack has other parts.
    """
    if not isinstance(model, LayerStack):
        return model
    parts = list(model.parts)
    spec = parts[0].spec if len(parts) == 1 else None
    if not isinstance(spec, RecurrentSpec):
        kinds = ", ".join(type(part).__name__.removesuffix("Part").lower() for part in parts)
        raise InputError(
            f"C code is written of one recurrent layer, and these are {kinds}; write the layer "
            "alone with Python: ostinato.exchange.c.write(stack.parts[k].layer, path)"
        )
    if spec.reverse or not spec.sequence or spec.bidirectional and spec.merge != "concat":
        raise InputError(
            "C code gives the output of every step, forward or with both directions next to each "
            f"other; the layer has reverse={spec.reverse}, sequence={spec.sequence}, "
            f"merge={spec.merge!r}: write the layer alone with Python: "
            "ostinato.exchange.c.write(stack.parts[0].layer, path)"
        )
    return parts[0].layer


def layer_file(layer: Recurrent | LayerStack, name: str, weights: str = "float32") -> LayerFile:
    """A layer in evaluation mode as C files.

    Args:
        layer: The layer, or a stack of this layer alone, in float32.
        name: The beginning of all names.
        weights: "float32" or "int8".

    Raises:
        InputError: It is not a layer, or a weight is not finite.
        TensorError: Its dtype is not float32.
    """
    layer = _single(layer)
    check_layer(layer)
    layer = comparable(layer)
    layer.engine = "reference"  # kernels would be compiled for a few short sequences
    computed, rounding = layer, None
    if weights == "int8":
        computed = rounded_layer(layer)
        rounding = _rounding(layer, computed)
    file, code = _file(layer, computed, name, weights, rounding)
    return LayerFile(file, code, computed, rounding)


def _file(
    layer: Recurrent, computed: Recurrent, name: str, weights: str, rounding: float | None
) -> tuple[CFile, LayerCode]:
    """The files of a layer.

    Args:
        layer: The layer.
        computed: The layer that the code computes, with rounded weights if they are int8.
        name: The beginning of all names.
        weights: How matrices are stored.
        rounding: The largest difference of the outputs from the layer's.
    """
    support = Support(name, weights)
    code = layer_code(layer, name, support, linkage="")
    upper = name.upper()
    first, *further = code.inputs
    macros = {"INPUT_SIZE": str(code.inputs[first])}
    macros |= {f"{one.upper()}_SIZE": str(code.inputs[one]) for one in further}
    macros["OUTPUT_SIZE"] = str(code.output_size)
    units = code.scratch_units
    macros["SCRATCH(steps)"] = f"((steps) * {units})" if units else "1"
    init = f"void {name}_init({name}_state *state)"
    example = _example(computed)
    steps, size = len(example.output), example.output.size
    expected = {f"input{k}": array for k, array in enumerate(example.inputs)}
    arguments = ", ".join(f"{name}_{key}" for key in expected)
    selftest = f"""\
float found[{size}];
float scratch[{upper}_SCRATCH({steps})];
{name}_state state;
{name}_init(&state);
{name}_run(&state, {arguments}, {steps}, found, scratch);
return {name}_compare("output", found, {name}_expected, {size}, {literal(example.tolerance)});"""
    title = [
        f"{name}: a recurrent layer as C99, written by Ostinato {__version__}.",
        "",
        f"{layer.num_layers} x {layer.num_directions} (layers x directions) of this cell:",
        *layer.cell.equations().splitlines(),
        "",
        f"weights: {weights}",
    ]
    if rounding is not None:
        title.append(f"outputs differ by up to {rounding:.2g} from those with float32 weights")
    file = CFile(
        name=name,
        title=title,
        sizes=code.sizes,
        macros=macros,
        types=code.state,
        prototypes=_prototypes(code, init),
        functions=f"{code.functions}\n{init}\n{{\n    {name}_reset(state);\n}}\n",
        support=support,
        selftest=selftest,
        expected=expected | {"expected": example.output},
    )
    return file, code


def _prototypes(code: LayerCode, init: str) -> str:
    """The declarations of the header, with comments."""
    reset, *rest = code.prototypes.splitlines()
    x, y, upper = next(iter(code.inputs.values())), code.output_size, code.prefix.upper()
    comments = [f"/* One step: y, {y} numbers, from x, {x} numbers. */"] * code.has_step
    comments.append(
        f"/* A sequence: x is steps x {x} numbers and y steps x {y} numbers; they do not\n"
        f" * overlap. scratch has {upper}_SCRATCH(steps) numbers. The state is updated. */"
    )
    lines = ["/* Set up a state: call it once, before all else. */", f"{init};"]
    lines += ["/* Go back to the initial state, for a new sequence. */", reset]
    lines += [line for pair in zip(comments, rest) for line in pair]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- the layer's own results


def _random_inputs(layer: Recurrent, steps: int, seed: int) -> dict[str, Tensor]:
    """Random inputs of a sequence, (steps, units) each."""
    random = torch.Generator().manual_seed(seed)
    letters = layer._letters(0)
    return {
        name: torch.randn(steps, size.at(letters), generator=random)
        for name, size in layer.graph.inputs.items()
    }


def _results(
    layer: Recurrent, given: dict[str, Tensor], state: tuple[Tensor, ...] | None, dtype: torch.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """The output (steps, units) of a layer, and its final states in the order of the C struct."""
    place = 0 if layer.batch_first else 1
    inputs = {name: x.unsqueeze(place) for name, x in given.items()}
    output, *ends = layer_results(layer, dtype, LayerArguments(inputs, state, None))
    return output.take(0, place), _flat([torch.from_numpy(one) for one in ends])


def _flat(states: Sequence[Tensor]) -> np.ndarray:
    """States, (L * D, 1, units) each, in the order of the C struct."""
    return torch.cat([s.reshape(-1) for run in zip(*states) for s in run]).detach().numpy()


@dataclass(frozen=True)
class _Example:
    """The inputs of the self-test, (steps, units) each, the output, and its largest error."""

    inputs: list[np.ndarray]
    output: np.ndarray
    tolerance: float


def _example(layer: Recurrent) -> _Example:
    """The numbers of the self-test: as many steps as the layer has finite outputs for."""
    for steps in SELFTEST_STEPS:
        given = _random_inputs(layer, steps, 1)
        own, _ = _results(layer, given, None, torch.float32)
        exact, _ = _results(exact_copy(layer), given, None, torch.float64)
        if np.isfinite(own).all() and np.isfinite(exact).all():
            break
    else:
        raise EngineError(
            "the outputs of the layer are infinite or not a number for random inputs, so that C "
            "code could not be compared; nothing has been written"
        )
    limit = COMPARISON.limit(exact, float(abs(own - exact).max()))
    inputs = [one.numpy() for one in given.values()]
    return _Example(inputs, own, limit * SELFTEST_FACTOR)


def _rounding(layer: Recurrent, computed: Recurrent) -> float:
    """The largest difference of outputs that is due to rounded weights, over 100 steps."""
    given = _random_inputs(layer, 100, 2)
    one, other = (_results(which, given, None, torch.float32)[0] for which in (layer, computed))
    finite = np.isfinite(one) & np.isfinite(other)
    return float(np.abs(one[finite] - other[finite]).max(initial=0.0))


# ---------------------------------------------------------------- the proof


def prove(one: LayerFile) -> None:
    """Compile the code of a layer, and run it and the layer on random inputs.

    Raises:
        EngineError: The results differ, or it cannot be compiled.
    """
    layer, file, code = one.computed, one.file, one.code
    exact_layer = exact_copy(layer)
    random = torch.Generator().manual_seed(0)
    start = layer.initial_state(1)
    cases = []
    for steps in STEPS:
        # numbers that the states of every cell may have, those that it divides by included
        state = tuple(torch.rand(s.shape, generator=random) for s in start)
        cases.append((_random_inputs(layer, steps, steps), state))
    sent = list[np.ndarray]()
    for given, state in cases:
        sent += [_flat(state), *(x.numpy().ravel() for x in given.values())]
    sources = {
        f"{file.name}.c": file.source,
        f"{file.name}.h": file.header,
        "ostinato_driver.c": _driver(file.name, code),
    }
    raw = run_c(sources, np.concatenate(sent).astype(np.float32).tobytes())
    found = np.frombuffer(raw, np.float32)

    def take(numbers: int) -> np.ndarray:
        nonlocal found
        part, found = found[:numbers], found[numbers:]
        return part

    units = code.sizes.state // 4
    check_close("initial state", take(units), _flat(start))
    for given, state in cases:
        steps = len(next(iter(given.values())))
        own = _results(layer, given, state, torch.float32)
        exact = _results(exact_layer, given, state, torch.float64)
        for how in ("run", "step")[: 1 + code.has_step]:
            output = take(steps * code.output_size).reshape(steps, -1)
            check_close(f"output of {how}", output, own[0], exact[0])
            check_close(f"state after {how}", take(units), own[1], exact[1])
    check_close("state after reset", take(units), _flat(start))


def _driver(name: str, code: LayerCode) -> str:
    """A program that runs a layer on the states and inputs that it reads."""
    arrays = [f"in_{k}" for k in range(len(code.inputs))]
    widths = list(code.inputs.values())
    most = max(STEPS)
    declared = "".join(f"static float {a}[{most * n}];\n" for a, n in zip(arrays, widths))
    reads = "\n".join(f"        get({a}, counts[k] * {n});" for a, n in zip(arrays, widths))
    rows = ", ".join(f"{a} + step * {n}" for a, n in zip(arrays, widths))
    step = f"""\
        now = first;
        for (step = 0; step < counts[k]; step++)
            {name}_step(&now, {rows}, out + step * {code.output_size});
        put(out, counts[k] * {code.output_size});
        put(&now, sizeof now / sizeof(float));
"""
    return f"""\
#include "{name}.h"
#include <stdio.h>
#include <stdlib.h>

{declared}static float out[{most * code.output_size}], memory[{name.upper()}_SCRATCH({most})];
static {name}_state first, now;

static void get(void *place, size_t numbers)
{{
    if (fread(place, sizeof(float), numbers, stdin) != numbers)
        exit(2);
}}

static void put(const void *place, size_t numbers)
{{
    if (fwrite(place, sizeof(float), numbers, stdout) != numbers)
        exit(3);
}}

int main(void)
{{
    static const size_t counts[] = {{{", ".join(map(str, STEPS))}}};
    size_t k, step;
    {name}_init(&now);
    put(&now, sizeof now / sizeof(float));
    for (k = 0; k < {len(STEPS)}; k++) {{
        get(&first, sizeof first / sizeof(float));
{reads}
        now = first;
        {name}_run(&now, {", ".join(arrays)}, counts[k], out, memory);
        put(out, counts[k] * {code.output_size});
        put(&now, sizeof now / sizeof(float));
{step if code.has_step else "        step = 0;"}
    }}
    (void)step;
    {name}_reset(&now);
    put(&now, sizeof now / sizeof(float));
    return 0;
}}
"""
