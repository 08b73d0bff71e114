"""The declarations of the cell language, and the tracing of a cell to a graph.

A cell is a Python function of one step. It is called once, on symbols (`symbols.py`). The
operations on them are recorded as a `Graph` (`graph.py`), from which the gradient
(`compiler/gradient.py`), the time loops (`compiler/plan.py`) and the kernels (`engines/`) follow.
"""

import dis
import functools
import importlib
import inspect
import reprlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from ..errors import near
from .graph import Builder, Graph, Node, Size, Weight, walk
from .operations import FUNCTIONS, read_size
from .symbols import (
    OPERATIONS,
    Matrix,
    Vector,
    definition_location,
    is_library,
    location,
    refuse,
)

__all__ = ["Cell", "cell", "input", "state", "weight"]

# ---------------------------------------------------------------- declarations


@dataclass(frozen=True)
class _Declaration:
    """A declared input or state."""

    kind: str
    size: Size


# Declarations are typed as Any: in the body of a cell, `W` is the symbol that replaces the default.
def weight(*shape: str | int | Size, init: Any = None) -> Any:
    """Declare a weight of a cell, as the default of a keyword-only argument.

    Args:
        shape: One size (one value per unit) or two (rows, columns), in letters:
            `weight("4*H", "I")`.
        init: The initialiser: None for uniform within 1/sqrt(H) (as torch.nn), a number, the name
            of an initialiser (see `ostinato.language.initialisers.INITIALISERS`), or a function of
            the shape that returns a tensor.

    Returns:
        The declaration.

    Raises:
        CellError: No shape, more than two sizes, an invalid size, or an unknown initialiser.

    Example:
        >>> from ostinato import weight
        >>> weight("4*H", "I").shape
        (4*H, I)
    """
    if not 1 <= len(shape) <= 2:
        refuse(
            f"weight{shape} has {len(shape)} sizes.",
            'Write weight("H") for one value per unit, weight("H", "I") for a matrix.',
        )
    if isinstance(init, str):
        from .initialisers import INITIALISERS

        if init not in INITIALISERS:
            refuse(
                f"init={init!r} is not an initialiser{near(init, INITIALISERS) or '.'}",
                f"Write a number, a function of the shape, or one of {', '.join(INITIALISERS)}.",
            )
    return Weight(tuple(read_size(s) for s in shape), init)


def state(size: str | int | Size = "H") -> Any:
    """Declare a state whose size is not H: `h=state("P")`."""
    return _Declaration("state", read_size(size))


def input(size: str | int | Size = "I") -> Any:
    """Declare an additional input: `def phased(x, t=ostinato.input(1), h=state(), ...)`."""
    return _Declaration("input", read_size(size))


# ---------------------------------------------------------------- cells


class Cell:
    """A recurrent cell: the equations of one step.

    Use `@cell` to create one. The body is traced at once, so errors in it show up at the
    definition.

    Attributes:
        name: The function's name.
        constants: Keyword-only defaults that are not weights, by name.
        graph: The step, traced with these constants.

    Raises:
        CellError: The equations are invalid; the message names the line.
    """

    # Arguments are positional-only so that a constant may have any name.
    def __init__(self, function: Callable[..., Any], /, **constants: Any):
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

    def __repr__(self) -> str:
        return f"<cell {self.name}({', '.join([*self.graph.inputs, *self.graph.states])})>"

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        refuse(
            f"the cell {self.name!r} cannot be called.",
            f"Create a layer from it, ostinato.Recurrent({self.name}, input_size, hidden_size), or "
            f"change its constants with {self.name}.with_constants(...); put equations that "
            "several cells share in a plain function.",
        )

    def with_constants(self, /, **constants: Any) -> "Cell":
        """The same equations with other constants: `lstm.with_constants(forget_bias=1.0)`.

        Args:
            constants: New values by name.

        Raises:
            CellError: The cell has no such constant, or the equations are invalid with it.
        """
        return Cell(self.function, **(self.constants | constants))

    def equations(self, style: str = "text") -> str:
        r"""The equations as text or LaTeX, printed from the graph.

        Args:
            style: "text", or "latex" for an aligned environment for MathJax and KaTeX.

        Raises:
            InputError: Unknown style.

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
            equations,  # imported here, because cells are created at every import of the package
        )

        return equations.equations(self.graph, style)

    def plan(self, sizes: Mapping[str, int], *, dtype: Any = None) -> str:
        """The execution plan of the CPU engine: the parts before, in and after the time loop, and
        the cost of each per step of one row.

        A phase of the loop consists of matrix products, followed by pointwise operations; phases
        run one after the other. `U.T` is the transpose of `U`, `dh_t` the gradient of `h_t`, and
        `z[0:8]` the first 8 units of `z`. The gradients of matrices, such as `dU`, are products
        too: one over all steps.

        Args:
            sizes: The value of each letter: {"I": 64, "H": 128}.
            dtype: The dtype of all values: torch.float32 (the default) or torch.float64.

        Returns:
            A table of multiply-adds and of bytes, in training and with every gradient asked for,
            with what each part multiplies and makes, and with what forward keeps for backward. It
            says so where the new states are linear in the old ones.

        Raises:
            SizeError: A letter is missing or unknown, or is not a whole number above 0.
            InputError: The CPU engine does not support the dtype.

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
        from ..engines import plan_text  # imported here, because it needs torch

        return plan_text.plan_text(self.graph, sizes, **({} if dtype is None else {"dtype": dtype}))

    def __copy__(self) -> "Cell":
        return self  # immutable, and the nodes of its graph are compared by identity

    def __deepcopy__(self, memo: dict) -> "Cell":
        return self

    def __reduce__(self) -> tuple:
        if "<locals>" in self.function.__qualname__:
            refuse(
                f"the cell {self.name!r} is defined inside a function and cannot be pickled: "
                f"pickle looks it up by name.",
                "Move it to the top level of a module.",
            )
        return _unpickle, (self.function.__module__, self.function.__qualname__, self.constants)

    def _fail(self, problem: str, fix: str, at: str | None = None) -> NoReturn:
        code = self.function.__code__
        refuse(f"cell {self.name!r}: {problem}", fix, at or definition_location(code))

    def _read_signature(self) -> None:
        self.inputs: dict[str, Size] = {}
        self.states: dict[str, Size] = {}
        self.weights: dict[str, Weight] = {}
        self.constants: dict[str, Any] = {}
        empty = inspect.Parameter.empty
        for p in inspect.signature(self.function).parameters.values():
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                self._fail(
                    f"`{p}` takes any number of arguments.", "Name each input, state and weight."
                )
            elif p.kind is p.KEYWORD_ONLY:
                if isinstance(p.default, Weight):
                    self.weights[p.name] = p.default
                elif p.default is empty or isinstance(p.default, _Declaration):
                    self._fail(
                        f"`{p.name}` comes after the `*` and is neither a weight nor a constant.",
                        f'Write {p.name}=weight("H", "I"), or {p.name}=1.0 for a constant; inputs '
                        f"and states come before the `*`.",
                    )
                else:
                    self.constants[p.name] = p.default
            elif isinstance(p.default, Weight):
                self._fail(
                    f"the weight `{p.name}` comes before the `*`.",
                    "Weights are keyword-only: def cell(x, h, *, W=weight(...)).",
                )
            elif isinstance(p.default, _Declaration):
                (self.inputs if p.default.kind == "input" else self.states)[p.name] = p.default.size
            elif p.default is not empty:
                self._fail(
                    f"`{p.name}={p.default!r}` comes before the `*`: it is neither an input nor a "
                    f"state.",
                    f'Put constants after the `*`; declare a state as {p.name}=state("H").',
                )
            elif p.name in ("self", "cls"):
                self._fail(
                    f"`{p.name}` is the first argument of a method.",
                    "Write the step as a plain function, outside a class.",
                )
            elif not self.inputs:
                self.inputs[p.name] = Size("I")
            else:
                self.states[p.name] = Size("H")
        if "output" in self.states:
            self._fail(
                "a state is named `output`, the name of the output of a step.",
                "Choose another name, such as y.",
            )
        if not self.inputs or not self.states:
            self._fail(
                "a cell needs an input and at least one state.",
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
        # A constant may switch a weight off, but a weight that the body never names is an error.
        for name in self.weights:
            if name not in used and (not self.constants or name not in _names_used(self.function)):
                self._fail(
                    f"the weight `{name}` is declared but not used.",
                    "Use it in an equation or remove it.",
                )
        weights = {name: w for name, w in self.weights.items() if name in used}
        new_states = tuple(nodes[-len(self.states) :])
        return Graph(
            self.name, self.inputs, self.states, weights, nodes[0], new_states, names, builder
        )

    def _check(self, result: object, end: str) -> list[Vector]:
        """The values that the body returned: the new states, which may follow an output that is not
        a state.
        """
        results: list[Vector] = []
        names, count = ", ".join(self.states), len(self.states)
        for r in result if isinstance(result, tuple) else (result,):
            if isinstance(r, Vector) and not r.is_mask:
                results.append(r)
                continue
            given = "a comparison, " + str(r) if isinstance(r, Vector) else reprlib.repr(r)
            self._fail(
                f"it returns {given}, which is not a value of a step.",
                f"Write return {names}: the new states, computed from inputs, states and weights.",
                end,
            )
        if len(results) not in (count, count + 1):
            self._fail(
                f"it returns {len(results)} value(s) and has {count} state(s) ({names}).",
                f"Return the new states in order, {names}; an output that is not a state comes "
                "first.",
                end,
            )
        for r, (name, size) in zip(results[-count:], self.states.items()):
            if r.node.size != size:
                self._fail(
                    f"the new state `{name}` has {r.node.size} units and the state has {size}.",
                    f'Declare {name}=state("{r.node.size}"), or return {size} units.',
                    end,
                )
        return results

    def _call(self, symbols: dict[str, Any]) -> tuple[Any, dict[Node, str], str]:
        """Call the body with symbols.

        Returns:
            The result, the name of each value that the body assigned, and the line of the return.
            The printed equations use these names. They stand in the order of the assignments; a
            value that was assigned twice has its first name.
        """
        names: dict[Node, str] = {}
        ends: list[str] = []
        code, before = self.function.__code__, sys.getprofile()

        def watch(frame: FrameType, event: str, arg: object) -> None:
            body = frame.f_back if event == "call" else frame
            if body is None or body.f_code is not code:
                return
            for name, value in body.f_locals.items():
                if isinstance(value, Vector) and value.node.args:
                    names.setdefault(value.node, name)
            if event == "return":
                ends.append(location(code.co_filename, body.f_lineno))

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
            # An error of Python itself: the line to fix is the innermost one of the user's code.
            trace, at = error.__traceback__, None
            while trace:
                if not is_library(trace.tb_frame.f_globals.get("__name__", "")):
                    at = location(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
                trace = trace.tb_next
            constants = ", ".join(f"{name}={value!r}" for name, value in self.constants.items())
            plain = (
                f"The error is in plain Python values, not in the step: the cell's constants "
                f"are {constants or 'none'}."
            )
            fix = plain if isinstance(error, (ArithmeticError, LookupError)) else OPERATIONS
            suggestion = ""
            if isinstance(error, NameError) and error.name in FUNCTIONS:
                fix = f"Import it: from ostinato import {error.name}."
            elif isinstance(error, NameError):
                suggestion = near(
                    error.name or "", [*symbols, *self.inputs, *self.states, *FUNCTIONS]
                )
            refuse(f"cell {self.name!r}: {type(error).__name__}: {error}{suggestion}", fix, at)
        finally:
            if before is None or callable(before):
                sys.setprofile(before)
            else:
                before.enable()  # the profiler of cProfile, which is not a function


def _names_used(function: Callable) -> Iterator[str]:
    """The names in the body of a function."""
    for step in dis.get_instructions(function):
        yield from step.argval if isinstance(step.argval, tuple) else (step.argval,)


def _unpickle(module: str, name: str, constants: dict[str, Any]) -> Cell:
    """A cell from its pickle. Its name in the module is bound to the cell itself or, after
    `other = cell(step)`, to the function.
    """
    defined: Any = importlib.import_module(module)
    for part in name.split("."):
        defined = getattr(defined, part)
    return Cell(defined.function if isinstance(defined, Cell) else defined, **constants)


def cell(function: Callable[..., Any]) -> Cell:
    """Create a cell from the equations of one step.

    The first argument is the input, and the other positional arguments are the states, in order.
    Keyword-only arguments are weights if their default is `weight(...)`, and constants otherwise.
    The function returns the new states in the same order (the first is the output), or the output
    and then the new states.

    Args:
        function: The step, written with the operations of the language.

    Returns:
        The cell.

    Raises:
        CellError: The function uses something that is not in the language. The message shows the
            line, what was given, and the fix.

    Example:
        >>> from ostinato import cell, weight, tanh
        >>> @cell
        ... def elman(x, h, *, W=weight("H", "I"), U=weight("H", "H"), b=weight("H")):
        ...     return tanh(W @ x + U @ h + b)
        >>> elman
        <cell elman(x, h)>
    """
    fix = 'Write it above a function: def my_cell(x, h, *, W=weight("H", "I")): ...'
    if not inspect.isfunction(function):
        refuse(f"@cell was given {reprlib.repr(function)} ({type(function).__name__}).", fix)
    if function.__name__ == "<lambda>":
        refuse("@cell was given a lambda, which has no name.", fix)
    if (
        inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        refuse(
            f"the function {function.__name__!r} is async or a generator.",
            "Write a plain function with def and return.",
            definition_location(function.__code__),
        )
    return Cell(function)
