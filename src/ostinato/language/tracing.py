"""The cell language: its operations, its declarations, and the tracing of a cell to a graph.

A cell is a Python function of one step. It is called once, on symbols (`symbols.py`); what it does
to them becomes a `Graph` (`graph.py`), from which gradients (`gradient.py`), time loops (`plan.py`)
and kernels (`engines/`) are made.
"""

import dis
import functools
import importlib
import inspect
import reprlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import near
from .graph import Builder, Graph, Node, Size, Weight, walk
from .operations import FUNCTIONS, _size
from .symbols import (
    OPERATIONS,
    Matrix,
    Vector,
    head,
    is_between,
    place,
    refuse,
)

# ---------------------------------------------------------------- declarations


@dataclass(frozen=True)
class _Declared:
    kind: str
    size: Size


# What declares returns Any: a type checker then takes `W` in a cell's body for the symbol that it
# will be.
def weight(*shape, init=None) -> Any:
    """Declare a weight of a cell, as the default of a keyword-only argument.

    Args:
        shape: One size (a value for each unit) or two (rows, columns), in letters:
            `weight("4*H", "I")`.
        init: How it starts: None for uniform within 1/sqrt(H) (torch.nn's rule), a number, the name
            of an initialiser (see `ostinato.language.initialisers.INITIALISERS`), or a function of
            the shape that returns a tensor.

    Returns:
        The declaration.

    Raises:
        CellError: No shape, more than two sizes, a size that cannot be read, or no such
            initialiser.

    Example:
        >>> from ostinato import weight
        >>> weight("4*H", "I").shape
        (4*H, I)
    """
    if not 1 <= len(shape) <= 2:
        refuse(
            f"weight{shape} has {len(shape)} sizes.",
            'Write weight("H") for a value a unit, weight("H", "I") for a matrix.',
        )
    if isinstance(init, str):
        from .initialisers import INITIALISERS  # it needs torch

        if init not in INITIALISERS:
            refuse(
                f"init={init!r} is no initialiser{near(init, INITIALISERS) or '.'}",
                f"Write a number, a function of the shape, or one of {', '.join(INITIALISERS)}.",
            )
    return Weight(tuple(_size(s) for s in shape), init)


def state(size="H") -> Any:
    """Declare a state whose size is not H: `h=state("P")`."""
    return _Declared("state", _size(size))


def input(size="I") -> Any:
    """Declare a further input: `def phased(x, t=ostinato.input(1), h=state(), ...)`."""
    return _Declared("input", _size(size))


# ---------------------------------------------------------------- cells


class Cell:
    """A recurrent cell: one step, as its equations.

    Made by `@cell`. The body is read when the cell is made, so that an error in it shows at once.

    Attributes:
        name: The function's name.
        constants: Keyword-only defaults that are no weights, by name.
        graph: The step, traced with these constants.

    Raises:
        CellError: The equations cannot be read; the message names the line.
    """

    # The slashes leave every name to the constants.
    def __init__(self, function: Callable, /, **constants):
        self.function = function
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self._read_signature()
        for name in constants:
            if name not in self.constants:
                refuse(
                    f"cell {self.name!r} has no constant "
                    f"{name!r}{near(name, self.constants) or '.'}",
                    f"It has {', '.join(self.constants) or 'none'}; a constant is a default after "
                    f"the `*`, such as scale=1.0.",
                )
        self.constants |= constants
        self.graph = self._trace()

    def __repr__(self):
        return f"<cell {self.name}({', '.join([*self.graph.inputs, *self.graph.states])})>"

    def __call__(self, *args, **kwargs):
        refuse(
            f"the cell {self.name!r} is no function to call.",
            f"Make a layer of it, ostinato.Recurrent({self.name}, input_size, hidden_size), or "
            f"change its constants with "
            f"{self.name}.with_constants(...); equations that several cells share go in a plain "
            f"function.",
        )

    def with_constants(self, /, **constants) -> "Cell":
        """The same equations with other constants: `lstm.with_constants(forget_bias=1.0)`.

        Args:
            constants: New values by name.

        Raises:
            CellError: There is no such constant, or the equations cannot be read with it.
        """
        return Cell(self.function, **(self.constants | constants))

    def equations(self, style: str = "text") -> str:
        r"""The equations, printed from the graph.

        Args:
            style: "text", or "latex" for an aligned environment that MathJax and KaTeX read.

        Raises:
            InputError: There is no such style.

        Example:
            >>> from ostinato.cells import elman
            >>> print(elman.equations())
            h_t = tanh(W x_t + U h_{t-1} + b)
            >>> print(elman.equations("latex"))
            \begin{aligned}
            h_{t} &= \tanh(W x_{t} + U h_{t-1} + b)
            \end{aligned}
        """
        from . import (
            equations,  # it is needed here alone, and a cell is made at every import
        )

        return equations.equations(self.graph, style)

    def plan(self, sizes: Mapping[str, int], *, dtype=None) -> str:
        """How the CPU engine runs it: the parts before, in and after the time loop, and what each
        costs for a step of a row.

        A phase of the loop is products of what is complete, followed by work unit by unit; it ends
        before the next begins. `U.T` is the transpose of `U`, `dh_t` the gradient of `h_t`, and
        `z[0:8]` the first 8 units of `z`. The gradients of matrices, such as `dU`, are products
        too, one over all steps.

        Args:
            sizes: What each letter stands for: {"I": 64, "H": 128}.
            dtype: Of all numbers: torch.float32, which None stands for, or torch.float64.

        Returns:
            A table of multiply-adds and of bytes, in training and with every gradient asked for,
            with what each part multiplies and makes, and with what forward keeps for backward. It
            says so where the new states are linear in the old ones.

        Raises:
            SizeError: A letter is missing or too many, or is no whole number above 0.
            InputError: The CPU engine has no such dtype.

        Example:
            >>> from ostinato.cells import elman
            >>> print(elman.plan({"I": 64, "H": 128}))  # doctest: +ELLIPSIS
            elman, H=128, I=64, torch.float32: one step of one row
            weights are read once for all rows, and outside the loop once for all steps
            for one row a thread, 41 or more steps; others have all products in the loop
                                        multiply-adds weight bytes  bytes read bytes written
            forward
              before the loop                   8,192       32,768         256           512
                multiplies W x_t
              in the loop                      16,384       66,048       1,024           512
                multiplies U h_{t-1}
                makes h_t
              in all                           24,576       98,816       1,280         1,024
              kept for backward: 768 bytes
                x_t 256, h_t 512
            backward
            ...
        """
        from ..engines import plan_text  # as above; it needs torch, too

        return plan_text.plan_text(self.graph, sizes, **({} if dtype is None else {"dtype": dtype}))

    def __copy__(self):
        return self  # it never changes, and its graph's nodes are known by identity

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        if "<locals>" in self.function.__qualname__:
            refuse(
                f"the cell {self.name!r} is made inside a function and cannot be pickled: a pickle "
                f"finds its cell by name.",
                "Move it to the top of a module.",
            )
        return _found, (self.function.__module__, self.function.__qualname__, self.constants)

    def _fail(self, problem, mend, at=None):
        refuse(f"cell {self.name!r}: {problem}", mend, at or head(self.function.__code__))

    def _read_signature(self):
        self.inputs, self.states, self.weights, self.constants = {}, {}, {}, {}
        empty = inspect.Parameter.empty
        for p in inspect.signature(self.function).parameters.values():
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                self._fail(f"`{p}` is of no known number.", "Name each input, state and weight.")
            elif p.kind is p.KEYWORD_ONLY:
                if isinstance(p.default, Weight):
                    self.weights[p.name] = p.default
                elif p.default is empty or isinstance(p.default, _Declared):
                    self._fail(
                        f"`{p.name}` stands after the `*` and is no weight and no constant.",
                        f'Write {p.name}=weight("H", "I"), or {p.name}=1.0 for a constant; inputs '
                        f"and states stand before it.",
                    )
                else:
                    self.constants[p.name] = p.default
            elif isinstance(p.default, Weight):
                self._fail(
                    f"the weight `{p.name}` stands before the `*`.",
                    "Weights are keyword-only: def cell(x, h, *, W=weight(...)).",
                )
            elif isinstance(p.default, _Declared):
                (self.inputs if p.default.kind == "input" else self.states)[p.name] = p.default.size
            elif p.default is not empty:
                self._fail(
                    f"`{p.name}={p.default!r}` stands before the `*`: it is neither an input nor a "
                    f"state.",
                    f'Put constants after the `*`; declare a state as {p.name}=state("H").',
                )
            elif p.name in ("self", "cls"):
                self._fail(
                    f"`{p.name}` shows a method.",
                    "Write the step as a plain function, outside a class.",
                )
            elif not self.inputs:
                self.inputs[p.name] = Size("I")
            else:
                self.states[p.name] = Size("H")
        if "output" in self.states:
            self._fail(
                "a state is called `output`, as the output of a step is.",
                "Give it another name, such as y.",
            )
        if not self.inputs or not self.states:
            self._fail(
                "a cell takes an input and at least one state.",
                'Write def cell(x, h, *, W=weight("H", "I"), ...).',
            )

    def _trace(self) -> Graph:
        builder, symbols = Builder(), {}
        for kind, declared in (("input", self.inputs), ("state", self.states)):
            for name, size in declared.items():
                symbols[name] = Vector(builder, builder.node(kind, (), name, size))
        for name, w in self.weights.items():
            one = len(w.shape) == 1
            symbols[name] = (
                Vector(builder, builder.node("weight", (), name, w.shape[0]))
                if one
                else Matrix(builder, name, w.shape)
            )
        result, names, end = self._call(symbols | self.constants)
        results = self._check(result, end)
        nodes = [r.node for r in results]
        used = {
            n.value[0] if n.op == "product" else n.value
            for n in walk(nodes)
            if n.op in ("product", "weight")
        }
        # A constant may switch a weight off; one that the body never names is a slip whatever the
        # constants.
        for name in self.weights:
            if name not in used and (not self.constants or name not in _named(self.function)):
                self._fail(
                    f"the weight `{name}` is declared and not used.",
                    "Use it in an equation or take it out.",
                )
        weights = {name: w for name, w in self.weights.items() if name in used}
        new_states = tuple(nodes[-len(self.states) :])
        return Graph(
            self.name, self.inputs, self.states, weights, nodes[0], new_states, names, builder
        )

    def _check(self, result, end: str) -> list[Vector]:
        """The values that a body returned: the new states, perhaps after an output that is no
        state.
        """
        results = result if isinstance(result, tuple) else (result,)
        names, count = ", ".join(self.states), len(self.states)
        for r in results:
            if isinstance(r, Vector) and not r.is_mask:
                continue
            given = "a comparison, " + str(r) if isinstance(r, Vector) else reprlib.repr(r)
            self._fail(
                f"it returns {given}, which is no value of a step.",
                f"Write return {names}: the new states, each made of inputs, states and weights.",
                end,
            )
        if len(results) not in (count, count + 1):
            self._fail(
                f"it returns {len(results)} value(s) and has {count} state(s) ({names}).",
                f"Return the new states in order, {names}; an output that is no state goes first.",
                end,
            )
        for r, (name, size) in zip(results[-count:], self.states.items()):
            if r.node.size != size:
                self._fail(
                    f"the new state `{name}` has {r.node.size} units and the state has {size}.",
                    f'Declare {name}=state("{r.node.size}"), or return {size} units.',
                    end,
                )
        return list(results)

    def _call(self, symbols) -> tuple[Any, dict[Node, str], str]:
        """Call the body: what it returns, the names that it gave to its values, and the line it
        ended at.

        The names are those of the printed equations. A name's bindings stand in their order; a
        value has its first name.
        """
        names, ends, code, before = {}, [], self.function.__code__, sys.getprofile()

        def watch(frame, event, arg):
            if event == "call":
                frame = frame.f_back
            if frame is None or frame.f_code is not code:
                return
            for name, value in frame.f_locals.items():
                if isinstance(value, Vector) and value.node.args:
                    names.setdefault(value.node, name)
            if event == "return":
                ends.append(place(code.co_filename, frame.f_lineno))

        positional = [
            symbols.pop(p.name)
            for p in inspect.signature(self.function).parameters.values()
            if p.kind != p.KEYWORD_ONLY
        ]
        sys.setprofile(watch)
        try:
            return self.function(*positional, **symbols), names, ends[-1]
        except (
            TypeError,
            ValueError,
            AttributeError,
            NameError,
            ArithmeticError,
            LookupError,
        ) as error:
            # Python's own refusal: the innermost line of the person's code is the one to mend.
            trace, at = error.__traceback__, None
            while trace:
                if not is_between(trace.tb_frame.f_globals.get("__name__", "")):
                    at = place(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
                trace = trace.tb_next
            constants = ", ".join(f"{name}={value!r}" for name, value in self.constants.items())
            plain = (
                f"That came of plain Python values and not of the step: the cell's constants "
                f"are {constants or 'none'}."
            )
            mend, meant = (
                plain if isinstance(error, (ArithmeticError, LookupError)) else OPERATIONS,
                "",
            )
            if isinstance(error, NameError) and error.name in FUNCTIONS:
                mend = f"Import it: from ostinato import {error.name}."
            elif isinstance(error, NameError):
                meant = near(error.name or "", [*symbols, *self.inputs, *self.states, *FUNCTIONS])
            refuse(f"cell {self.name!r}: {type(error).__name__}: {error}{meant}", mend, at)
        finally:
            if before is None or callable(before):
                sys.setprofile(before)
            else:
                before.enable()  # cProfile's is no function


def _named(function) -> Iterator[str]:
    """The names that a function's body uses."""
    for step in dis.get_instructions(function):
        yield from step.argval if isinstance(step.argval, tuple) else (step.argval,)


def _found(module: str, name: str, constants: dict) -> Cell:
    """A pickled cell, by the place it was defined at, where there is the cell or, of
    `mine = cell(step)`, the function.
    """
    found = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    return Cell(found.function if isinstance(found, Cell) else found, **constants)


def cell(function: Callable) -> Cell:
    """Make a cell of the equations of one step.

    The first argument is the input; the other positional ones are the states, in order;
    keyword-only defaults made by `weight(...)` are weights, and other keyword-only defaults are
    constants. It returns the new states in the same order (the first is the output), or the output
    and then the new states.

    Args:
        function: The step, written with the operations of this module.

    Returns:
        The cell.

    Raises:
        CellError: Something in it is not in the language; the message says the line, what was
            given, and the mend.

    Example:
        >>> from ostinato import cell, weight, tanh
        >>> @cell
        ... def elman(x, h, *, W=weight("H", "I"), U=weight("H", "H"), b=weight("H")):
        ...     return tanh(W @ x + U @ h + b)
        >>> elman
        <cell elman(x, h)>
    """
    mend = 'It goes above a function: def my_cell(x, h, *, W=weight("H", "I")): ...'
    if not inspect.isfunction(function):
        refuse(f"@cell was given {reprlib.repr(function)} ({type(function).__name__}).", mend)
    if function.__name__ == "<lambda>":
        refuse("@cell was given a lambda, which has no name.", mend)
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        refuse(
            f"the function {function.__name__!r} is async or yields.",
            "A step is computed at once: write def and return.",
            head(function.__code__),
        )
    return Cell(function)
