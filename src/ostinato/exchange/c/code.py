"""Private: a layer as C code: its tables, its state and its functions, to be part of a C file."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...engines.reference import summed
from ...errors import InputError, TensorError
from ...nn.recurrent import Recurrent, suffix
from .step import StepPrinter, folded, unused
from .support import KEYWORDS, Support, identifier, is_zero, quantised

# Names that the functions use for something else.
_RESERVED = re.compile(r"state|steps?|scratch|next_.*|sums|j|y\d*|buffer\d|_.*")


@dataclass(frozen=True)
class Sizes:
    """Memory and work of a part of a C file.

    Attributes:
        flash: Bytes of constant tables.
        state: Bytes of the state.
        stack: Bytes of the variables of a step.
        multiplications: Multiplications and divisions of a step.
        calls: Calls of functions of <math.h> of a step, such as expf and tanhf.
    """

    flash: int
    state: int
    stack: int
    multiplications: int
    calls: int


@dataclass(frozen=True)
class LayerCode:
    """A layer as C code.

    The names of its functions begin with `prefix`, P below:

        void P_reset(P_state *state);
        void P_step(P_state *state, const float *x, float *y);
        void P_run(P_state *state, const float *x, size_t steps, float *y, float *scratch);

    A cell with several inputs has a parameter for each. A bidirectional layer has no P_step. P_run
    needs `scratch_units` numbers of scratch memory for each step (none for a single direction); x
    is (steps, I) and y (steps, output_size), and neither may overlap the other.

    Attributes:
        prefix: The beginning of the names.
        inputs: The parameters of the inputs, and the units of each.
        output_size: Units of the output.
        state: The definition of the type P_state.
        functions: The definitions of the functions; `static`, unless they were asked for otherwise.
        prototypes: The declarations of the three functions.
        has_step: Whether there is P_step.
        scratch_units: Numbers of scratch memory for each step of P_run.
        sizes: Memory and work of one step.
    """

    prefix: str
    inputs: Mapping[str, int]
    output_size: int
    state: str
    functions: str
    prototypes: str
    has_step: bool
    scratch_units: int
    sizes: Sizes


def layer_code(
    layer: Recurrent, prefix: str, support: Support, *, linkage: str = "static "
) -> LayerCode:
    """A layer in evaluation mode as C code; its tables are added to `support`.

    Args:
        layer: The layer, in float32.
        prefix: The beginning of the names of its functions and tables.
        support: The helper functions and tables of the file.
        linkage: Before each function: "static " or "".

    Raises:
        InputError: A weight is not finite.
        TensorError: The layer's dtype is not float32.
    """
    check_layer(layer)
    return _LayerPrinter(layer, prefix, support, linkage).print()


def check_layer(layer: Recurrent) -> None:
    """Make sure that a layer can be written as C.

    Raises:
        InputError: It is not a layer, or a weight is not finite.
        TensorError: Its dtype is not float32.
    """
    if not isinstance(layer, Recurrent):
        raise InputError(
            f"the C export was given a {type(layer).__name__}; give a layer: ostinato.RNN, LSTM, "
            "GRU or Recurrent"
        )
    for name, parameter in layer.named_parameters():
        if parameter.dtype is not torch.float32:
            raise TensorError(
                f"the weights are {parameter.dtype}; C is written in float32: write layer.float()"
            )
        if not parameter.isfinite().all():
            raise InputError(
                f"the weight {name!r} has a number that is infinite or not a number; C is written "
                "of finite weights: train the layer again, with clipped gradients"
            )


def run_weights(layer: Recurrent, number: int, direction: int) -> dict[str, Tensor]:
    """The cell's weights of one layer and direction; a sum is rounded as the layer rounds it."""
    with torch.no_grad():
        weights = layer.cell_weights(number, direction)
        return {name: summed(weight).detach().cpu() for name, weight in weights.items()}


def rounded(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights with their matrices as int8 numbers times the scales of their rows."""
    return {
        name: rounded_matrix(weight) if weight.dim() == 2 else weight
        for name, weight in weights.items()
    }


def rounded_matrix(weight: Tensor) -> Tensor:
    """A matrix as int8 numbers times the scales of its rows."""
    whole, scale = quantised(weight.detach().cpu().numpy())
    return torch.from_numpy(whole.astype(np.float32) * scale[:, None])


def rounded_layer(layer: Recurrent) -> Recurrent:
    """A copy of a layer with such weights: the layer that C code with int8 weights computes."""
    layer = _plain(copy.deepcopy(layer))
    with torch.no_grad():
        for number, direction in layer._runs:
            for name, weight in rounded(run_weights(layer, number, direction)).items():
                parts = [getattr(layer, p + suffix(number, direction)) for p in layer.names[name]]
                for part in parts if weight.dim() == 2 else ():
                    part.zero_()
                if parts and weight.dim() == 2:
                    parts[0].copy_(weight)
    return layer


def _plain(layer: Recurrent) -> Recurrent:
    """A layer with parameters in place of the weights that torch.nn.utils.parametrize computes.

    `parametrize.remove_parametrizations` would change the class, which copies of a module share.
    """
    if parametrize.is_parametrized(layer):
        names = [name for name, _ in layer.get_submodule("parametrizations").named_children()]
        values = {name: getattr(layer, name).detach().clone() for name in names}
        layer.__class__ = parametrize.type_before_parametrizations(layer)
        del layer.parametrizations
        for name, value in values.items():
            layer.register_parameter(name, nn.Parameter(value))
    return layer


class _LayerPrinter:
    """Prints the parts of a layer."""

    def __init__(self, layer: Recurrent, prefix: str, support: Support, linkage: str):
        self.layer, self.prefix, self.support, self.linkage = layer, prefix, support, linkage
        letters = layer._letters(0)
        self.inputs: dict[str, int] = {}
        for name, size in layer.graph.inputs.items():
            self.inputs[unused(_parameter(name), self.inputs)] = size.at(letters)
        self.members: list[str] = []
        self.resets: list[str] = []
        self.functions: list[str] = []
        self.state = self.stack = self.multiplications = self.calls = 0

    def print(self) -> LayerCode:
        flash = self.support.flash
        initial = self.layer.initial_state(1)
        for place, run in enumerate(self.layer._runs):
            self._run(*run, [s[place, 0].detach().cpu().numpy() for s in initial])
        p, static = self.prefix, self.linkage
        heads = {"reset": f"void {p}_reset({p}_state *state)"}
        if not self.layer.bidirectional:
            heads["step"] = f"void {p}_step({p}_state *state, {self._parameters('{}')}, float *y)"
        heads["run"] = (
            f"void {p}_run({p}_state *state, {self._parameters('{}')}, size_t steps, float *y, "
            "float *scratch)"
        )
        bodies = {"reset": self.resets, "step": self._step(), "run": self._sequence()}
        self.functions += [
            f"{static}{head}\n{{\n" + "\n".join(f"    {line}" for line in bodies[kind]) + "\n}\n"
            for kind, head in heads.items()
        ]
        members = "\n".join(f"    {member}" for member in self.members)
        return LayerCode(
            prefix=p,
            inputs=self.inputs,
            output_size=self.layer.output_size,
            state=f"typedef struct {{\n{members}\n}} {p}_state;\n",
            functions="\n".join(self.functions),
            prototypes="".join(f"{static}{head};\n" for head in heads.values()),
            has_step=not self.layer.bidirectional,
            scratch_units=self._scratch(),
            sizes=Sizes(
                flash=self.support.flash - flash,
                state=self.state,
                stack=self.stack + 4 * self._between(),
                multiplications=self.multiplications,
                calls=self.calls,
            ),
        )

    # ------------------------------------------------------------ one layer and direction

    def _run(self, number: int, direction: int, initial: list[np.ndarray]) -> None:
        layer, end = self.layer, suffix(number, direction)
        letters = layer._letters(number)
        own = run_weights(layer, number, direction)
        used = rounded(own) if self.support.weights == "int8" else own
        used = {name: weight.double() for name, weight in used.items()}
        graph, weights = folded(layer.graph, used, letters)
        states = {name: f"{identifier(name)}{end}" for name in graph.states}
        tables = {name: f"{self.prefix}_{identifier(name)}{end}" for name in weights}
        printer = StepPrinter(
            graph,
            letters,
            self.support,
            inputs=dict(zip(graph.inputs, self.inputs)),
            states={name: f"state->{member}" for name, member in states.items()},
            weights=tables,
            output="y",
        )
        code = printer.print()
        for name in code.matrices:
            self.support.matrix(tables[name], own[name].numpy())
        for name in code.vectors:
            self.support.vector(tables[name], weights[name].numpy())
        for (name, member), start in zip(states.items(), initial):
            self.members.append(f"float {member}[{start.size}];")
            self.state += 4 * start.size
            source = "0"
            function = "memset"
            if not is_zero(start):
                source, function = f"{self.prefix}_initial_{identifier(name)}{end}", "memcpy"
                self.support.vector(source, start)
            self.resets.append(f"{function}(state->{member}, {source}, sizeof state->{member});")
        words = set(re.findall(r"\w+", "\n".join(code.lines)))
        body = ["int j;"] if "j" in words else []
        body += [f"(void){name};" for name in self.inputs if name not in words] + code.lines
        self.functions.append(
            f"static void {self._name(number, direction)}"
            f"({self.prefix}_state *state, {self._parameters('{}')}, float *y)\n{{\n"
            + "\n".join(f"    {line}" for line in body)
            + "\n}\n"
        )
        self.stack = max(self.stack, code.stack)
        self.multiplications += code.multiplications
        self.calls += code.calls

    def _name(self, number: int, direction: int) -> str:
        return f"{self.prefix}{suffix(number, direction)}"

    def _parameters(self, form: str) -> str:
        return ", ".join(f"const float *{form.format(name)}" for name in self.inputs)

    # ------------------------------------------------------------ all layers

    def _width(self, number: int) -> int:
        """Units of the output of a layer, both directions together."""
        letters = self.layer._letters(number)
        return self.layer.num_directions * self.layer.graph.output.size.at(letters)

    def _between(self) -> int:
        """Numbers between the layers of a step."""
        last = self.layer.num_layers - 1
        widths = [self._width(n) for n in range(last)] if not self.layer.bidirectional else []
        return sum(widths)

    def _step(self) -> list[str]:
        """The body of a step of all layers, one direction each."""
        last = self.layer.num_layers - 1
        lines = [f"float y{n}[{self._width(n)}];" for n in range(last)]
        first, *further = self.inputs
        for n in range(last + 1):
            below = first if n == 0 else f"y{n - 1}"
            arguments = ["state", below, *further, "y" if n == last else f"y{n}"]
            lines.append(f"{self._name(n, 0)}({', '.join(arguments)});")
        return lines

    def _scratch(self) -> int:
        """Numbers of scratch memory for each step of a sequence."""
        last = self.layer.num_layers - 1
        if not self.layer.bidirectional or not last:
            return 0
        return max(map(self._width, range(last))) * min(last, 2)

    def _sequence(self) -> list[str]:
        """The body of a run over a whole sequence."""
        first, *further = self.inputs
        rows = [f"{name} + step * {self.inputs[name]}" for name in further]
        if not self.layer.bidirectional:
            arguments = ["state", f"{first} + step * {self.inputs[first]}", *rows]
            arguments.append(f"y + step * {self.layer.output_size}")
            return [
                "size_t step;",
                "(void)scratch;",
                "for (step = 0; step < steps; step++)",
                f"    {self.prefix}_step({', '.join(arguments)});",
            ]
        last = self.layer.num_layers - 1
        lines = ["size_t step;"]
        if last:
            half = self._scratch() // min(last, 2)
            lines += ["float *buffer0 = scratch;"]
            lines += [f"float *buffer1 = scratch + steps * {half};"] if last > 1 else []
        else:
            lines.append("(void)scratch;")
        for n in range(last + 1):
            below, units = (
                (first, self.inputs[first])
                if n == 0
                else (f"buffer{(n - 1) % 2}", self._width(n - 1))
            )
            target, width = "y" if n == last else f"buffer{n % 2}", self._width(n)
            for direction in (0, 1):
                place = f" + {width // 2}" * direction
                arguments = ["state", f"{below} + step * {units}", *rows]
                arguments.append(f"{target} + step * {width}{place}")
                order = (
                    "for (step = steps; step-- > 0;)"
                    if direction
                    else "for (step = 0; step < steps; step++)"
                )
                lines += [order, f"    {self._name(n, direction)}({', '.join(arguments)});"]
        return lines


def _parameter(name: str) -> str:
    """An input of a cell as the name of a C parameter."""
    text = identifier(name)
    return f"in_{text}" if text in KEYWORDS or _RESERVED.fullmatch(text) else text
