"""The torch module: any cell as a recurrent layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from .. import engines
from ..engines.memory import OWN, is_dense
from ..engines.signature import Run
from ..engines.torch_internals import BREAK
from ..errors import ArgumentTypeError, InputError, SizeError, TensorError
from ..language.graph import Graph
from ..language.initialisers import initialise
from ..language.tracing import Cell
from . import checkpoint, overrides
from .accepted import Accepted, AcceptedCalls
from .arguments import (
    between_layers,
    find_cell,
    is_tensor,
    segment,
    table,
    truth,
    whole,
)
from .lengths import pack, read_lengths, unpack
from .regularisation import Regularisation
from .stream import Stream

__all__ = ["Recurrent"]


class Recurrent(nn.Module):
    """A cell over sequences: stacked, in one or both directions, over batches of unequal lengths.

    Its parameters are the cell's weights, named `W_l0`, `U_l0`, ... with `_reverse` at the end for
    the other direction.

    Args:
        cell: A cell, or the name of one in `ostinato.cells.CELLS`.
        input_size: I, units of the input.
        hidden_size: H, units of a state.
        num_layers: L, layers one above another; each takes the output of the one below.
        bidirectional: Have a second direction that goes from each row's last valid step to its
            first; the two outputs stand side by side.
        dropout: Rate from 0 to 1 at which outputs between layers are dropped in training.
        recurrent_dropout: Rate at which units of what a step adds to a state are dropped in
            training, while what the state keeps is whole: of an LSTM's or a GRU's candidate.
            Source: Semeniuta, Severyn and Barth, Recurrent Dropout without Memory Loss (2016).
        variational: Rate at which units that products read, of each layer's input and of states,
            are dropped in training, with one mask for all steps of a sequence. Source: Gal and
            Ghahramani, A Theoretically Grounded Application of Dropout (2016).
        zoneout: Rate at which units of the states stay as they were in training, of all states or
            of each: {"h": 0.05, "c": 0.5}. Outside training a state goes that part of the way back
            to what it was. Source: Krueger et al., Zoneout (2017).
        weight_drop: Rate at which numbers of the matrices that multiply states are dropped in
            training, for a call as a whole. Source: Merity, Keskar and Socher, Regularizing and
            Optimizing LSTM Language Models (2018).
        sizes: The units of each further letter of the cell: {"P": 3}.
        batch_first: The sequences are (B, T, units), or with False (T, B, units). States are (L *
            D, B, units) either way.
        learned_state: Make the initial state a parameter (starting at 0); without, it is 0 where
            none is given.
        names: Which parameters add up to a weight of the cell, for a cell whose weights should have
            other names: {"b": ("bias_ih", "bias_hh")}. None at all means that the weight stays 0.
        engine: What runs it: "cpu", "reference", or None to choose.
        precision: "bfloat16" rounds the factors of all products to bfloat16, in training too; sums,
            states, parameters and all else stay float32. It is faster on processors whose bfloat16
            instructions are; `ostinato doctor` says whether these are used. None or "float32"
            rounds nothing.
        checkpoint: Train in less memory: keep every k-th state only, and make those between again
            in backward. A whole number is k; with True it is about sqrt(T), so that some 2 *
            sqrt(T) steps are in memory at a time, not T. Gradients are the same, and a step of
            training takes about a third longer, more where k steps are little work. Use it where
            sequences are hundreds of steps long and memory is short. The input, the output and
            their gradients stay whole, and so does all else where a second derivative is asked for.
        device: Where the parameters are.
        dtype: What the parameters are. Under autocast too a layer computes in it, and returns it.

    Raises:
        InputError: An argument that cannot be used; an ArgumentTypeError where its type is wrong.
        SizeError: A size that is missing or too many.

    Example:
        >>> import torch, ostinato
        >>> layer = ostinato.Recurrent("lstm", input_size=3, hidden_size=5, num_layers=2)
        >>> output, (h, c) = layer(torch.zeros(4, 6, 3), lengths=[6, 2, 0, 5])
        >>> output.shape, h.shape
        (torch.Size([4, 6, 5]), torch.Size([2, 4, 5]))
    """

    def __init__(
        self,
        cell: Cell | str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        variational: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        weight_drop: float = 0.0,
        sizes: Mapping[str, int] | None = None,
        batch_first: bool = True,
        learned_state: bool = False,
        names: Mapping[str, tuple[str, ...]] | None = None,
        engine: str | None = None,
        precision: str | None = None,
        checkpoint: int | bool | None = None,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.cell = find_cell(cell)
        self.input_size = whole("input_size", input_size)
        self.hidden_size = whole("hidden_size", hidden_size)
        self.num_layers = whole("num_layers", num_layers)
        self.bidirectional, self.batch_first, self.learned_state = (
            truth(name, value)
            for name, value in {
                "bidirectional": bidirectional,
                "batch_first": batch_first,
                "learned_state": learned_state,
            }.items()
        )
        self.dropout = between_layers(dropout, num_layers)
        self.regularisers = {
            name: given
            for name, given in {
                "recurrent_dropout": recurrent_dropout,
                "variational": variational,
                "zoneout": zoneout,
                "weight_drop": weight_drop,
            }.items()
            if given != 0
        }
        self.sizes = table("sizes", sizes, '{"P": 3}')
        self.engine, self.precision = engine, precision
        self.checkpoint = segment(checkpoint)
        self._check_sizes()
        self._make_graphs()
        graph = self.cell.graph
        names = table("names", names, '{"b": ("bias_ih", "bias_hh")}')
        for weight in names:
            if weight not in graph.weights:
                raise InputError(
                    f"names={names} has {weight!r}, and the weights of cell {graph.name!r} are "
                    f"{', '.join(graph.weights)}"
                )
        self.names = {weight: (weight,) for weight in graph.weights} | names
        self._runs = [
            (layer, direction)
            for layer in range(self.num_layers)
            for direction in range(self.num_directions)
        ]
        self._parts = {
            run: [
                (weight, [name + suffix(*run) for name in parts])
                for weight, parts in self.names.items()
            ]
            for run in self._runs
        }
        self._own = [name for parts in self._parts.values() for _, names in parts for name in names]
        self._layer_letters = [self._letters(layer) for layer in range(self.num_layers)]
        letters = self._layer_letters[0]
        self._input_units = {name: size.at(letters) for name, size in graph.inputs.items()}
        self._state_units = {name: size.at(letters) for name, size in graph.states.items()}
        # Where a layer starts is left to the engine if it is 0.
        self._starts_at_zero = not learned_state
        self._zeros = (None,) * len(graph.states)
        self._accepted = AcceptedCalls()
        for layer, direction in self._runs:
            for weight, declared in graph.weights.items():
                shape = [size.at(self._letters(layer)) for size in declared.shape]
                for name in self.names[weight]:
                    self.register_parameter(
                        name + suffix(layer, direction),
                        nn.Parameter(torch.empty(shape, device=device, dtype=dtype)),
                    )
            for name, units in self._state_units.items() if learned_state else ():
                self.register_parameter(
                    f"initial_{name}{suffix(layer, direction)}",
                    nn.Parameter(torch.empty(units, device=device, dtype=dtype)),
                )
        self.reset_parameters()

    # ------------------------------------------------------------ sizes and weights

    @property
    def num_directions(self) -> int:
        """D: 2 where it is bidirectional, else 1."""
        return 1 + self.bidirectional

    @property
    def output_size(self) -> int:
        """Units of the output, all directions together."""
        return self.num_directions * self.cell.graph.output.size.at(
            self._letters(self.num_layers - 1)
        )

    def _make_graphs(self):
        """The cell's graph, told what the tensors of a call may not tell, and what regularisers
        make of it.
        """
        graph, sizes = self.cell.graph, {"H": self.hidden_size} | self.sizes
        told = {size.lone_letter for size in graph.declared_sizes}
        self._graph = graph if graph.letters - {"I"} <= told else replace(graph, known=sizes)
        self._regularisation = (
            Regularisation(self._graph, **self.regularisers) if self.regularisers else None
        )

    def _letters(self, layer: int) -> dict[str, int]:
        letters = {"I": self.input_size, "H": self.hidden_size} | self.sizes
        # one after another: of a cell whose output has I units, both directions' are twice as many
        # in every layer
        for _ in range(layer):
            letters |= {"I": self.num_directions * self.cell.graph.output.size.at(letters)}
        return letters

    def _check_sizes(self):
        graph = self.cell.graph
        wanted = (graph.letters | graph.output.size.letters) - {"I", "H"}
        if set(self.sizes) != wanted:
            example = (
                "sizes={"
                + ", ".join(f"{letter!r}: {self.hidden_size}" for letter in sorted(wanted))
                + "}"
            )
            raise SizeError(
                f"cell {self.cell.name!r} was given sizes={self.sizes}; besides I (input_size) and "
                f"H (hidden_size) it has "
                + (
                    f"{', '.join(sorted(wanted))}: write {example}"
                    if wanted
                    else "no letters: leave sizes out"
                )
            )
        for letter, units in self.sizes.items():
            self.sizes[letter] = whole(f"sizes[{letter!r}]", units)
        for layer in range(self.num_layers):
            graph.check_units(self._letters(layer))
        for name, size in list(graph.inputs.items())[1:]:
            if self.num_layers > 1 and size.at(self._letters(0)) != size.at(self._letters(1)):
                raise SizeError(
                    f"input {name!r} of cell {self.cell.name!r} has {size} units, and I is "
                    f"{self.input_size} in the first layer and {self._letters(1)['I']} in those "
                    "above: write num_layers=1, or declare it with a letter of its own"
                )

    def cell_weights(
        self, layer: int, direction: int = 0
    ) -> dict[str, Tensor | tuple[Tensor, ...]]:
        """The cell's weights, by name, of one layer and direction (1 is the reverse one); a tuple
        stands for a sum.
        """
        weights, parameters = {}, self._parameters
        for weight, names in self._parts[layer, direction]:
            # Under torch.nn.utils.parametrize a weight is an attribute, and not a parameter.
            parts = [
                p if (p := parameters.get(name)) is not None else getattr(self, name)
                for name in names
            ]
            if len(parts) == 1:
                weights[weight] = parts[0]
            elif parts:
                weights[weight] = tuple(parts)
            else:
                shape = self.cell.graph.weights[weight].shape
                weights[weight] = self._like().new_zeros(
                    [size.at(self._letters(layer)) for size in shape]
                )
        return weights

    def _like(self, otherwise: Tensor | None = None) -> Tensor | None:
        """A parameter, for its dtype and device; a cell without weights has none."""
        # Those of the module itself come first because going through all submodules takes ten times
        # as long.
        return (
            next(iter(self._parameters.values()), None)
            if self._parameters
            else next(self.parameters(), otherwise)
        )

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise all parameters, each as its cell's weight says; see
        `ostinato.language.initialisers.INITIALISERS`.
        """
        for layer, direction in self._runs:
            end = suffix(layer, direction)
            for weight, declared in self.cell.graph.weights.items():
                for name in self.names[weight]:
                    initialise(
                        getattr(self, name + end),
                        declared.init,
                        name=name + end,
                        hidden_size=self.hidden_size,
                    )
            for name in self.cell.graph.states if self.learned_state else ():
                getattr(self, f"initial_{name}{end}").zero_()

    def extra_repr(self) -> str:
        words = [self.cell.name, str(self.input_size), str(self.hidden_size)]
        defaults = {
            "num_layers": 1,
            "bidirectional": False,
            "dropout": 0.0,
            "sizes": {},
            "batch_first": True,
            "learned_state": False,
            "engine": None,
            "precision": None,
            "checkpoint": None,
        }
        words += [
            f"{name}={getattr(self, name)!r}"
            for name, default in defaults.items()
            if getattr(self, name) != default
        ]
        return ", ".join(words + self._regularised())

    def _regularised(self) -> list[str]:
        """The regularisers as they were given, for `extra_repr`."""
        return [f"{name}={given!r}" for name, given in self.regularisers.items()]

    @property
    def graph(self) -> Graph:
        """The step as it runs outside training: the cell's, with what zoneout makes of it in the
        mean.
        """
        return self._regularisation.at_rest if self._regularisation else self._graph

    def plan(self) -> str:
        """How the CPU engine runs it, for a step of a row in one direction; layers above the first
        apart, where I differs there.

        Raises:
            InputError: The CPU engine has not the layer's dtype.

        Example:
            >>> import ostinato
            >>> layer = ostinato.Recurrent("min_gru", input_size=8, hidden_size=16, num_layers=3)
            >>> print(layer.plan())  # doctest: +ELLIPSIS
            layer 0: min_gru, H=16, I=8, torch.float32: one step of one row
            ...
            layers 1 to 2: min_gru, H=16, I=16, torch.float32: one step of one row
            ...

        See `Cell.plan`.
        """
        graph, like = self.cell.graph, self._like()
        used = graph.letters | graph.output.size.letters
        first, above = (
            {letter: self._letters(layer)[letter] for letter in used} for layer in (0, 1)
        )
        dtype = None if like is None else like.dtype
        if self.num_layers == 1 or first == above:
            return self.cell.plan(first, dtype=dtype)
        title = "layer 1" if self.num_layers == 2 else f"layers 1 to {self.num_layers - 1}"
        return (
            f"layer 0: {self.cell.plan(first, dtype=dtype)}\n\n{title}: "
            f"{self.cell.plan(above, dtype=dtype)}"
        )

    # ------------------------------------------------------------ reading what was given

    def full_precision(self):
        """Where autocast is on, leave it: the recurrence runs in the dtype of the weights."""
        like = self._like()
        device = "cpu" if like is None or like.is_cpu else like.device.type
        return engines.full_precision(device)

    def checked_inputs(self, inputs: tuple) -> tuple[Tensor, ...]:
        """The inputs, (T, B, units) each, in the dtype of the weights; an error where their number,
        units, dtype or device is wrong.
        """
        graph = self.cell.graph
        if len(inputs) != len(graph.inputs):
            raise TensorError(
                f"cell {graph.name!r} was given {len(inputs)} input(s) and has {len(graph.inputs)} "
                f"({', '.join(graph.inputs)}): write {_call(graph.inputs)}"
            )
        like = self._like(inputs[0])
        lead, device, dtype = inputs[0].shape[:2], like.device, like.dtype
        checked = []
        for (name, units), x in zip(self._input_units.items(), inputs):
            shape = x.shape
            if shape[-1] != units:
                raise SizeError(
                    f"input {name!r} is {self._layout(x)}, so {x.shape[-1]} units; it should have "
                    f"{units} ({graph.inputs[name]})"
                )
            if shape[:2] != lead:
                raise SizeError(
                    f"input {name!r} is {self._layout(x)} and the first one "
                    f"{self._layout(inputs[0])}: batch and time should be the same"
                )
            if x.layout is not torch.strided:
                raise TensorError(f"input {name!r} is {x.layout}: write x.to_dense()")
            if x.device != device:
                raise TensorError(
                    f"input {name!r} is on {x.device} and the weights are on {like.device}: write "
                    f"layer.to({str(x.device)!r})"
                )
            if x.dtype is not dtype:
                if not engines.autocast_is_on(x.device.type):
                    raise TensorError(
                        f"input {name!r} is {x.dtype} and the weights are {dtype}: write "
                        f"x.to({dtype}), or layer.to({x.dtype})"
                    )
                x = x.to(dtype)
            checked.append(x)
        return tuple(checked)

    def _layout(self, x: Tensor) -> tuple[int, ...]:
        """A time-major shape as the person gave it."""
        steps, batch, *units = x.shape
        return (batch, steps, *units) if self.batch_first else (steps, batch, *units)

    def initial_state(
        self, batch_size: int, given=None, *, like: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The states to start from, (L * D, B, units) each.

        Args:
            batch_size: B.
            given: A state as the layer returns it, or None for zeros or the learned one.
            like: A tensor of the dtype and device of the states, for a cell without weights.

        Raises:
            ArgumentTypeError: It is not made of tensors.
            TensorError: There are more or fewer tensors than states, or their dtype or device is
                not that of the weights.
            SizeError: Its shape is another one.
        """
        graph, runs = self.cell.graph, self._runs
        states = (given,) if is_tensor(given) else given
        if like is None:
            # Without weights a state that is given says what all are.
            tensors = (
                [s for s in states if is_tensor(s)] if isinstance(states, (tuple, list)) else []
            )
            like = tensors[0] if tensors else torch.empty(0)
        like = self._like(like)
        shapes = {name: (len(runs), batch_size, units) for name, units in self._state_units.items()}
        if given is None:
            if not self.learned_state:
                return tuple(like.new_zeros(shape) for shape in shapes.values())
            learned = (
                [getattr(self, f"initial_{name}{suffix(*run)}") for run in runs]
                for name in graph.states
            )
            return tuple(
                torch.stack(rows)[:, None].expand(shape)
                for rows, shape in zip(learned, shapes.values())
            )
        if (
            not isinstance(states, (tuple, list))
            or len(states) != len(shapes)
            or not all([is_tensor(s) for s in states])
        ):
            raise self._not_a_state(states)
        for (name, shape), s in zip(shapes.items(), states):
            if tuple(s.shape) != shape:
                raise SizeError(
                    f"state {name!r} is {tuple(s.shape)}; it should be (layers * directions, "
                    f"batch, units) = {shape}, whatever batch_first is"
                )
            if (
                s.device != like.device
                or s.dtype != like.dtype
                and not engines.autocast_is_on(s.device.type)
            ):
                raise TensorError(
                    f"state {name!r} is {s.dtype} on {s.device} and the weights are {like.dtype} "
                    f"on {like.device}: write state.to({str(like.device)!r}, {like.dtype})"
                )
            if s.layout is not torch.strided:
                raise TensorError(f"state {name!r} is {s.layout}: write state.to_dense()")
        states = [engines.unwrapped(s) for s in states]
        return tuple([(s if is_dense(s) else s.clone()).to(like.dtype) for s in states])

    def _not_a_state(self, given) -> InputError:
        """The error for what is not one tensor for each state of the cell."""
        names = self.cell.graph.states
        wanted = (
            f"cell {self.cell.graph.name!r} wants a tuple of {len(names)} tensor(s), "
            f"({', '.join(names)}{',' * (len(names) == 1)})"
        )
        if isinstance(given, (tuple, list)) and all(map(is_tensor, given)):
            return TensorError(f"the state given is {len(given)} tensor(s); {wanted}")
        kinds = (
            f" of {', '.join(type(s).__name__ for s in given)}"
            if isinstance(given, (tuple, list))
            else ""
        )
        return ArgumentTypeError(f"the state given is {type(given).__name__}{kinds}; {wanted}")

    def returned_state(self, states: tuple[Tensor, ...]):
        """The state in the form that calling the layer returns."""
        return states

    # ------------------------------------------------------------ running

    def forward(self, x, state=None, lengths=None):
        """Run over sequences.

        Args:
            x: The input, (B, T, I) with batch_first, else (T, B, I); (T, I) for one sequence alone;
                a PackedSequence; or, for a cell of several inputs, a tuple of one such for each.
                The first goes up through the layers, and further ones go to every layer as they
                are.
            state: The initial states, a tuple of (L * D, B, units), in the cell's order; layer 0,
                layer 0 reverse, layer 1, ...
            lengths: Valid steps of each row: B whole numbers from 0 to T, in any order, on any
                device; None where all are T.

        Returns:
            The output, laid out as x, with 0 past a row's end; and the states after each row's last
            valid step (the initial ones where the length is 0), shaped as `state`. A PackedSequence
            gives a PackedSequence.

        Raises:
            ArgumentTypeError: An argument of the wrong type.
            TensorError: A tensor whose dtype, device or memory layout does not fit, or too many or
                too few of them.
            SizeError: A shape that does not fit.
            TracingError: torch.jit.trace, torch.jit.script or torch.onnx.export(dynamo=False) is
                given a module with the layer, or torch.onnx.export(dynamo=True) with a dynamic
                time dimension.
        """
        if torch.compiler.is_dynamo_compiling():
            torch._dynamo.graph_break(**BREAK)
            return torch.compiler.disable(Recurrent.forward)(self, x, state, lengths)
        bare = type(x) is Tensor and _is_own(state)
        if bare:
            x = engines.unwrapped(x)
        if bare and (known := self._accepted.kinds.get(self._kind(x, state, lengths))) is not None:
            if (found := self._run_known(known, x, state, lengths)) is not None:
                return found
        overrides.refuse_trace(f"{type(self).__name__}()", x, time=int(self.batch_first))
        if (
            isinstance(x, PackedSequence)
            or isinstance(x, (tuple, list))
            and any([isinstance(i, PackedSequence) for i in x])
        ):
            return self._packed(x, state, lengths)
        others = overrides.overriding(x, state, lengths, *self._parameters.values())
        if (
            others
            and (found := overrides.taken_over(Recurrent.forward, others, self, x, state, lengths))
            is not None
        ):
            return found
        inputs = tuple(x) if isinstance(x, (tuple, list)) else (x,)
        if not all([is_tensor(i) for i in inputs]):
            given = ", ".join(type(i).__name__ for i in inputs)
            raise ArgumentTypeError(
                f"the layer was given {given}: write {_call(self.cell.graph.inputs)} with tensors"
            )
        inputs = tuple([engines.unwrapped(i) for i in inputs])
        alone = all([i.dim() == 2 for i in inputs])
        if alone:
            inputs = tuple(i[:, None] for i in inputs)
            given = (state,) if is_tensor(state) else state
            if isinstance(given, (tuple, list)) and all([is_tensor(s) for s in given]):
                if any(s.dim() != 2 for s in given):
                    shapes = ", ".join(str(tuple(s.shape)) for s in given)
                    raise SizeError(
                        f"the state given is {shapes}; with an input of (time, units) it should be "
                        f"(layers * directions, units)"
                    )
                state = tuple(s[:, None] for s in given)
        elif any([i.dim() != 3 for i in inputs]):
            layout = "(batch, time, units)" if self.batch_first else "(time, batch, units)"
            raise SizeError(
                f"the layer was given {', '.join(str(tuple(i.shape)) for i in inputs)}; it wants "
                f"{layout}, or (time, units) for one sequence alone "
                f"(batch_first={self.batch_first})"
            )
        elif self.batch_first:
            inputs = tuple(i.transpose(0, 1) for i in inputs)
        inputs = self.checked_inputs(inputs)
        steps, batch = inputs[0].shape[:2]
        if lengths is not None:
            lengths = read_lengths(lengths, steps, batch, inputs[0].device)
        x_in_layout = self._in_time(inputs[0])
        states = self._started(x_in_layout, state)
        with self.full_precision():
            layers: list = []
            run_layer = partial(self._run_checked, inputs[1:], states, lengths, layers)
            output, ends = self._run(x_in_layout, run_layer)
        plain = bare and not alone and not others and self._plain()
        if plain and x.is_cpu and x.dtype is inputs[0].dtype:
            self._accept(self._kind(x, state, lengths), layers, from_zero=state is None)
        if alone:
            output = output[0] if self.batch_first else output[:, 0]
            return output, self.returned_state(tuple(s[:, 0] for s in ends))
        return output, self.returned_state(ends)

    def _packed(self, x, state, lengths):
        """The results of `forward` for packed sequences: those of the padded ones, packed."""
        inputs, lengths = unpack(tuple(x) if not isinstance(x, PackedSequence) else (x,), lengths)
        inputs = tuple(i.transpose(0, 1) for i in inputs) if self.batch_first else inputs
        output, ends = Recurrent.forward(
            self, inputs[0] if len(inputs) == 1 else inputs, state, lengths
        )
        return pack(self._in_time(output), x if isinstance(x, PackedSequence) else x[0]), ends

    __prepare_scriptable__ = overrides.refuse_script

    def compile_step(self, x: Tensor, states: list[tuple[Tensor, ...]]):
        """Single steps of all layers as one job list, for inputs like x, (B, units), from the
        states of each layer; None where they cannot be.
        """
        if self.engine == "reference" or len(self.cell.graph.inputs) > 1 or not self._plain():
            return None
        weights = [self.cell_weights(layer) for layer in range(self.num_layers)]
        parameters = [*self._parameters.values()]
        return engines.compile_step(self.graph, x, states, weights, parameters, self.precision)

    def __getstate__(self):
        return self.__dict__ | {
            "_accepted": AcceptedCalls(),
            "_graph": None,
            "_regularisation": None,
        }

    def __setstate__(self, state):
        super().__setstate__(state)
        self._make_graphs()

    def _started(self, x: Tensor, state) -> list[tuple[Tensor, ...]]:
        """The initial states of each layer and direction, (B, units) each, for an input in the
        layout of the layer; () for zeros.
        """
        if state is None and self._starts_at_zero:
            return [()] * len(self._runs)
        batch = x.shape[0 if self.batch_first else 1]
        return [*zip(*self.initial_state(batch, state, like=x))]

    def _run(
        self,
        x: Tensor,
        run_layer: Callable[[int, Tensor], Sequence[tuple[Tensor, Sequence[Tensor]]]],
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run all layers.

        Args:
            x: The first input, in the layout of the layer.
            run_layer: Runs a layer: takes its number and its input; gives for each direction the
                output, in the layout of the layer, and the final states, (1, B, units) each.

        Returns:
            The output, in the layout of the layer, and the final states, (L * D, B, units) each.
        """
        ends: list[Sequence[Tensor]] = []
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                x = self._in_time(F.dropout(self._in_time(x), self.dropout))
            found = run_layer(layer, x)
            if self.bidirectional:
                ends += [final for _, final in found]
                outputs = [self._in_time(output) for output, _ in found]
                x = self._in_time(torch.cat(outputs, -1))
            else:
                ((x, final),) = found
                ends.append(final)
        return x, tuple(ends[0]) if len(ends) == 1 else tuple(map(torch.cat, zip(*ends)))

    def _prepare(
        self,
        layer: int,
        x: Tensor,
        further: tuple[Tensor, ...],
        states: Sequence[tuple[Tensor, ...]],
    ) -> tuple[Graph, list[Run]]:
        """The graph and the runs of a layer, one for each direction.

        Args:
            layer: Its number.
            x: Its first input, in the layout of the layer.
            further: Further inputs, (T, B, units) each.
            states: The initial states of each layer and direction, (B, units) each; () for zeros.
        """
        regularised = self._regularisation if self.training else None
        graph, runs = regularised.in_training if regularised else self.graph, []
        for direction in range(self.num_directions):
            inputs, own = (x, *further), self.cell_weights(layer, direction)
            # Random numbers are drawn in this order: masks, and then weights.
            if regularised:
                inputs += regularised.masks(self._in_time(x), self._layer_letters[layer])
                own = regularised.weights(own)
            given = states[layer * self.num_directions + direction] or self._zeros
            runs.append(
                Run.of(graph, inputs=inputs, states=given, weights=own, reverse=direction == 1)
            )
        return graph, runs

    def _run_checked(self, further, states, lengths, found: list, layer: int, x: Tensor):
        """Run a layer, and add its executables to those that have been found."""
        graph, runs = self._prepare(layer, x, further, states)
        results, compiled = self._run_layer(graph, runs, lengths)
        found.append(compiled)
        return results

    def _run_layer(self, graph: Graph, runs: Sequence[Run], lengths: Tensor | None):
        """The result of `engines.run_all` for the directions of a layer."""
        if not self.checkpoint:
            return engines.run_all(
                graph,
                runs,
                lengths=lengths,
                engine=self.engine,
                precision=self.precision,
                batch_first=self.batch_first,
            )
        found = []
        for run in runs:
            arguments = run.arguments(graph)
            x, *others = arguments["inputs"]
            arguments["inputs"] = (self._in_time(x), *others)
            output, final = checkpoint.scan(
                graph,
                every=self.checkpoint,
                **arguments,
                lengths=lengths,
                engine=self.engine,
                precision=self.precision,
            )
            found.append((self._in_time(output), [s[None] for s in final]))
        return found, None

    def _in_time(self, x: Tensor) -> Tensor:
        """A tensor in the layout of the layer with time first, or the other way round."""
        return x.transpose(0, 1) if self.batch_first else x

    # ------------------------------------------------------------ calls that have been checked

    def _kind(self, x: Tensor, state, lengths) -> tuple:
        """The key of the calls that need to be checked once."""
        own = self.__dict__  # where attributes of a module are found fastest
        return (
            x.shape,
            x.dtype,
            state is None,
            lengths is None,
            torch.is_grad_enabled(),
            own["training"],
            torch.get_num_threads(),
            own["precision"],
            own["engine"],
            own["checkpoint"],
            own["batch_first"],
        )

    def _accept(self, kind: tuple, layers: Sequence, *, from_zero: bool) -> None:
        """Note that a call has been checked, and the executables that ran it."""
        if None in layers or engines.traced():
            return
        parts: list[list[str | Tensor]] = []
        for run in self._runs:
            zeros = {} if all(self.names.values()) else self.cell_weights(*run)
            parts.append([part for name, own in self._parts[run] for part in own or [zeros[name]]])
        known = Accepted(
            layers,
            parts,
            self._parameters,
            from_zero=from_zero and self._starts_at_zero,
            regularised=bool(self._regularisation and self.training),
        )
        self._accepted.add(kind, known)

    def _run_known(self, known: Accepted, x: Tensor, state, lengths):
        """The result of `forward` for a kind of call that has been checked; None where this one
        has to be checked again.
        """
        if not x.is_cpu or engines.traced():
            return None
        weights = known.weights(self._parameters)
        if lengths is not None:
            steps, batch = x.shape[1::-1] if self.batch_first else x.shape[:2]
            lengths = read_lengths(lengths, steps, batch, "cpu")
        states = known.states or self._started(x, state)
        if torch.is_grad_enabled() and not self._plain() or not known.fits(x, states, weights):
            return None
        if known.regularised:
            run_layer = partial(self._run_regularised, known, states, weights, lengths)
        else:
            run_layer = partial(known.run, states, weights, lengths)
        output, ends = self._run(x, run_layer)
        return output, self.returned_state(ends)

    def _run_regularised(self, known: Accepted, states, weights, lengths, layer: int, x: Tensor):
        """The result of `Accepted.run` with random numbers, in the order of `_prepare`."""
        regularised = self._regularisation
        if regularised.weight_drop:
            _, runs = self._prepare(layer, x, (), states)
            return known.layers[layer]([run.tensors for run in runs], lengths)
        letters = self._layer_letters[layer]
        masks = [regularised.masks(self._in_time(x), letters) for _ in range(self.num_directions)]
        return known.run(states, weights, lengths, layer, x, masks)

    def _plain(self) -> bool:
        """Whether all weights are parameters of this module itself, and in order."""
        return self._own == [*self._parameters]

    def stream(self, batch_size: int = 1) -> Stream:
        """The layer one step at a time, with the same weights; see `Stream`."""
        return Stream(self, batch_size)

    def to_torch(self) -> nn.RNNBase:
        """The layer of torch.nn that computes the same in evaluation mode, with copies of the
        weights.

        The other direction is `ostinato.exchange.torch.from_module`. Options that act in training
        only are left out, except `dropout`.

        Returns:
            A torch.nn.RNN, LSTM or GRU. If the cell has one bias, the second one of torch.nn is 0.

        Raises:
            InputError: torch.nn has no such layer.

        Example:
            >>> import torch, ostinato
            >>> layer, x = ostinato.Recurrent("gru", 3, 5), torch.randn(2, 4, 3)
            >>> module = layer.to_torch()
            >>> module
            GRU(3, 5, batch_first=True)
            >>> torch.allclose(module(x)[0], layer(x)[0], atol=1e-6)
            True
        """
        from .torch_modules import to_torch

        return to_torch(self)


def _is_own(state) -> bool:
    """Whether a state consists of torch's own tensors, and of no subclass."""
    if state is None or type(state) in OWN:
        return True
    return type(state) in (tuple, list) and OWN.issuperset(map(type, state))


def suffix(layer: int, direction: int) -> str:
    """The end of a parameter's name."""
    return f"_l{layer}{'_reverse' * direction}"


def _call(inputs) -> str:
    """How the layer is called with these inputs."""
    names = list(inputs)
    return f"layer({names[0]})" if len(names) == 1 else f"layer(({', '.join(names)}))"
