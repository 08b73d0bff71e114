"""The cell language: symbols, what can be done with them, and the tracing of a cell to a graph.

A cell is a Python function of one step. It is called once, on symbols; what it does to them becomes a `Graph`
(`graph.py`), from which gradients (`gradient.py`), time loops (`plan.py`) and kernels (`engines/`) are made.
"""

import difflib
import functools
import importlib
import inspect
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass

from .errors import CellError, SizeError
from .graph import MASKS, ONE, POINTWISE, Builder, Graph, Node, Size, Weight, walk

# ---------------------------------------------------------------- symbols: what a cell's body sees


def _line(function=None) -> str:
    """Where the person's code stands: the innermost frame that is not this file's."""
    frame = sys._getframe(1)
    while frame and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    if function is not None or frame is None:
        code = function.__code__
        return f"{code.co_filename}, line {code.co_firstlineno}, cell {function.__name__!r}"
    name, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(name, line).strip()
    return f"{name}, line {line}" + (f": `{source}`" if source else "")


def _refuse(problem: str, mend: str):
    raise CellError(f"{_line()}\n  {problem}\n  {mend}")


OPERATIONS = (
    "The operations are: W @ x; + - * / and ** (2, 3, 0.5, -1); < and >; sigmoid, tanh, relu, exp, log, sqrt, softplus, "
    "hard_sigmoid, abs, maximum, minimum, where; split, concat; sum and mean over units."
)


def _text(node: Node, depth=0) -> str:
    """A short reading of an expression for error messages."""
    if node.op in ("input", "state", "weight"):
        return node.value
    if node.op == "number":
        return f"{node.value:g}"
    if depth > 3:
        return "..."
    words = [_text(a, depth + 1) for a in node.args]
    if node.op == "product":
        return f"{node.value[0]} @ {words[0]}"
    if node.op in POINTWISE:
        return POINTWISE[node.op].text.format(*words)
    return f"{node.op}({', '.join(words)})"


class Symbol:
    """What stands for a value while a cell is traced."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __bool__(self):
        _refuse(f"a step cannot branch on {self}: its value is not known while the cell is read.",
                "Write where(condition, a, b); for the builtins min and max write minimum(a, b) and maximum(a, b).")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse(f"{self} has no `.{name}`.", OPERATIONS)

    def __getitem__(self, index):
        _refuse(f"{self} cannot be indexed with [{index!r}].", "Write `a, b = split(z, 2)`, or split(z, ('H', 'P')) for unequal parts.")

    def __iter__(self):
        _refuse(f"{self} cannot be unpacked or looped over.", "Write `a, b = split(z, 2)`.")

    def __len__(self):
        _refuse(f"{self} has no len().", "Sizes are letters: use mean(z), or give the number as a constant of the cell.")

    def __float__(self):
        _refuse(f"{self} is not a number: its value is not known while the cell is read.", OPERATIONS)

    __int__ = __index__ = __complex__ = __float__

    def __eq__(self, other):
        _refuse(f"{self} cannot be compared with ==.", "Write where(a < b, ...) or where(a >= b, ...).")

    __ne__ = __eq__

    def __array__(self, *args, **kwargs):
        _refuse(f"NumPy cannot work on {self}.", OPERATIONS)

    def __array_ufunc__(self, ufunc, *args, **kwargs):
        _refuse(f"numpy.{ufunc.__name__} is not in the language.", OPERATIONS)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        _refuse(f"torch's {getattr(function, '__name__', function)} is not in the language.", OPERATIONS)


class Matrix(Symbol):
    """A weight of two dimensions; all that it does is `W @ x` and `W.T @ x`."""

    __slots__ = ("builder", "name", "shape", "transposed")

    def __init__(self, builder, name, shape, transposed=False):
        self.builder, self.name, self.shape, self.transposed = builder, name, shape, transposed

    def __str__(self):
        return f"weight {self.name} ({self.shape[0]} x {self.shape[1]})"

    @property
    def T(self):
        return Matrix(self.builder, self.name, self.shape[::-1], not self.transposed)

    def __matmul__(self, other):
        if isinstance(other, Matrix) or not isinstance(other, Vector):
            _refuse(f"{self} @ {other} is not in the language: a weight multiplies a vector of this step.", "Write W @ x.")
        if other.node.op in MASKS:
            _refuse(f"{self} @ {other}: a comparison is no number.", "Write where(condition, 1.0, 0.0) to make one.")
        if other.node.size != self.shape[1]:
            _refuse(f"{self.name} is {self.shape[0]} x {self.shape[1]}, and `{_text(other.node)}` has {other.node.size} units: "
                    f"{self.name} @ {_text(other.node)} needs {self.shape[1]}.",
                    f"Declare {self.name}=weight(\"{self.shape[0]}\", \"{other.node.size}\"), or give it a vector of {self.shape[1]}.")
        return Vector(self.builder, self.builder.node("product", (other.node,), (self.name, self.transposed), self.shape[0]))

    def _only_products(self, *others):
        _refuse(f"{self} is a matrix: it can only multiply a vector.", "Write W @ x; for a weight a unit declare weight(\"H\").")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = _only_products
    __pow__ = __lt__ = __gt__ = __le__ = __ge__ = __abs__ = __rmatmul__ = _only_products


class Vector(Symbol):
    """A value of one step: an input, a state, a weight of one dimension, or what was made of them."""

    __slots__ = ("builder", "node")

    def __init__(self, builder, node):
        self.builder, self.node = builder, node

    def __str__(self):
        return f"`{_text(self.node)}` ({self.node.size})"

    def _pointwise(self, op, *args):
        nodes = []
        for a in args:
            if isinstance(a, Matrix):
                a._only_products()
            elif isinstance(a, Vector):
                if a.node.op in MASKS and not (op == "where" and not nodes):
                    _refuse(f"{a} is a comparison, no number.", "Write where(condition, a, b).")
                nodes.append(a.node)
            elif isinstance(a, (int, float)) and not isinstance(a, bool):
                nodes.append(self.builder.number(a))
            else:
                _refuse(f"{a!r} ({type(a).__name__}) cannot be used in a step.", OPERATIONS)
        try:
            return Vector(self.builder, self.builder.pointwise(op, *nodes))
        except SizeError:
            parts = ", ".join(f"`{_text(n)}` has {n.size} units" for n in nodes)
            _refuse(f"sizes do not match: {parts}.", "Give both the same size; a size of 1 goes with any.")

    def __add__(self, other):
        return self._pointwise("add", self, other)

    def __radd__(self, other):
        return self._pointwise("add", other, self)

    def __sub__(self, other):
        return self._pointwise("sub", self, other)

    def __rsub__(self, other):
        return self._pointwise("sub", other, self)

    def __mul__(self, other):
        return self._pointwise("mul", self, other)

    def __rmul__(self, other):
        return self._pointwise("mul", other, self)

    def __truediv__(self, other):
        return self._pointwise("div", self, other)

    def __rtruediv__(self, other):
        return self._pointwise("div", other, self)

    def __neg__(self):
        return self._pointwise("neg", self)

    def __abs__(self):
        return self._pointwise("abs", self)

    def __lt__(self, other):
        return self._pointwise("less", self, other)

    def __gt__(self, other):
        return self._pointwise("less", other, self)

    def __le__(self, other):
        _refuse("<= is not in the language.", "Write a < b, or where(b < a, y, x) for where(a <= b, x, y).")

    __ge__ = __le__

    def __matmul__(self, other):
        _refuse(f"{self} @ {other}: the weight stands on the left.", "Write W @ x.")

    def __rmatmul__(self, other):
        _refuse(f"{other!r} @ {self}: only a declared weight multiplies.", "Declare W=weight(\"H\", \"I\") after the `*` and write W @ x.")

    def __pow__(self, power):
        match power:
            case 2:
                return self * self
            case 3:
                return self * self * self
            case 0.5:
                return sqrt(self)
            case -1:
                return 1.0 / self
        _refuse(f"{self} ** {power!r} is not in the language.", "Powers are 2, 3, 0.5 and -1; write exp(p * log(x)) for others.")


def _operation(op: str, *args):
    vector = next((a for a in args if isinstance(a, Vector)), None)
    if vector is None:
        for a in args:
            if isinstance(a, Matrix):
                a._only_products()
        if all(isinstance(a, (int, float)) for a in args):
            raise CellError(f"{op}{args} has only numbers: work it out beforehand, with Python's math module")
        given = ", ".join(type(a).__name__ for a in args)
        raise CellError(f"{op}() was given {given}: it works on the values of a step, inside a cell. For tensors use torch.{op}.")
    return vector._pointwise(op, *args)


def sigmoid(x):
    """1 / (1 + exp(-x)), unit by unit."""
    return _operation("sigmoid", x)


def tanh(x):
    """The hyperbolic tangent, unit by unit."""
    return _operation("tanh", x)


def relu(x):
    """x where it is above 0, else 0."""
    return _operation("relu", x)


def exp(x):
    """e to the power x, unit by unit."""
    return _operation("exp", x)


def log(x):
    """The natural logarithm, unit by unit."""
    return _operation("log", x)


def sqrt(x):
    """The square root, unit by unit."""
    return _operation("sqrt", x)


def softplus(x):
    """log(1 + exp(x)), unit by unit."""
    return _operation("softplus", x)


def hard_sigmoid(x):
    """x / 6 + 1/2 held within 0 and 1 (torch.nn.functional.hardsigmoid's line), unit by unit."""
    return _operation("hard_sigmoid", x)


def maximum(a, b):
    """The larger of two, unit by unit; where they are equal the gradient goes to the first."""
    return _operation("maximum", a, b)


def minimum(a, b):
    """The smaller of two, unit by unit; where they are equal the gradient goes to the first."""
    return _operation("minimum", a, b)


def where(condition, a, b):
    """a where the condition (`x < y`, `x > y`) holds, else b; no gradient goes to the condition."""
    if not (isinstance(condition, Vector) and condition.node.op in MASKS):
        _refuse(f"where() was given {condition} as its condition.", "Write where(a < b, x, y).")
    return condition._pointwise("where", condition, a, b)


def clip(x, low, high):
    """x held within low and high."""
    return minimum(maximum(x, low), high)


def identity(x):
    """x itself: an activation that does nothing."""
    return x


def _reduction(op, x):
    if not isinstance(x, Vector):
        _refuse(f"{op}() was given {x!r}.", f"Write {op}(z) with a value of this step; it is the {op} over its units.")
    return x if x.node.size == ONE else Vector(x.builder, x.builder.node(op, (x.node,)))


def sum_units(x):
    """The sum over units: a value of size 1, which goes with any size."""
    return _reduction("sum", x)


def mean(x):
    """The mean over units: a value of size 1, which goes with any size."""
    return _reduction("mean", x)


def split(x, parts):
    """Cut a value into parts.

    Args:
        x: The value.
        parts: How many equal parts, or the size of each as letters: ("H", "H", "P").

    Returns:
        The parts, in order.
    """
    if not isinstance(x, Vector):
        _refuse(f"split() was given {x!r} to cut.", "Write split(W @ x, 4).")
    if isinstance(parts, int) and not isinstance(parts, bool) and parts > 0:
        each = x.node.size.parts(parts)
        if each is None:
            _refuse(f"`{_text(x.node)}` has {x.node.size} units, which do not make {parts} equal parts.",
                    f"Declare its weights with \"{parts}*H\" rows, or split into {x.node.size}'s own parts.")
        sizes = [each] * parts
    elif isinstance(parts, (tuple, list)) and parts:
        sizes = [Size(p) for p in parts]
        total = Size(0)
        for size in sizes:
            total = total + size
        if total != x.node.size:
            _refuse(f"`{_text(x.node)}` has {x.node.size} units, and the parts {tuple(map(str, sizes))} have {total}.",
                    "Make the parts add up.")
    else:
        _refuse(f"split() was given {parts!r} parts.", "Write split(z, 4), or split(z, ('H', 'P')).")
    pieces, start = [], Size(0)
    for size in sizes:
        pieces.append(Vector(x.builder, x.builder.slice(x.node, start, start + size)))
        start = start + size
    return tuple(pieces)


def concat(*values):
    """Join values end to end."""
    for v in values:
        if not isinstance(v, Vector):
            _refuse(f"concat() was given {v!r}.", "Write concat(x, h) with values of this step.")
    if len(values) < 2:
        _refuse(f"concat() was given {len(values)} value(s).", "Write concat(x, h) with two or more.")
    total = Size(0)
    for v in values:
        total = total + v.node.size
    builder = values[0].builder
    return Vector(builder, builder.node("concat", tuple(v.node for v in values), None, total))


# ---------------------------------------------------------------- cells


@dataclass(frozen=True)
class _Declared:
    kind: str
    size: Size


def weight(*shape, init=None):
    """Declare a weight of a cell, as the default of a keyword-only argument.

    Args:
        shape: One size (a value for each unit) or two (rows, columns), in letters: `weight("4*H", "I")`.
        init: How it starts: None for uniform within 1/sqrt(H) (torch.nn's rule), a number, the name of an initialiser
            (see `ostinato.layers.INITIALISERS`), or a function of the shape that returns a tensor.

    Raises:
        CellError: No shape, more than two sizes, or a size that cannot be read.
    """
    if not 1 <= len(shape) <= 2:
        raise CellError(f"weight{shape} has {len(shape)} sizes: write weight(\"H\") for a vector, weight(\"H\", \"I\") for a matrix")
    return Weight(tuple(Size(s) for s in shape), init)


def state(size="H"):
    """Declare a state whose size is not H: `h=state("P")`."""
    return _Declared("state", Size(size))


def input(size="I"):
    """Declare a further input: `def phased(x, t=ostinato.input(1), h=state(), ...)`."""
    return _Declared("input", Size(size))


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

    def __init__(self, function: Callable, **constants):
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__
        self._read_signature()
        for name in constants:
            if name not in self.constants:
                near = difflib.get_close_matches(name, self.constants, 1)
                raise CellError(f"cell {self.name!r} has no constant {name!r}" + (f"; did you mean {near[0]!r}?" if near else ":")
                                + f" it has {sorted(self.constants) or 'none'}")
        self.constants |= constants
        self.graph = self._trace()

    def __repr__(self):
        return f"<cell {self.name}({', '.join([*self.graph.inputs, *self.graph.states])})>"

    def __call__(self, *args, **kwargs):
        raise CellError(f"a cell is no function to call: make a layer of it, ostinato.Recurrent({self.name}, input_size, hidden_size), "
                        f"or change its constants with {self.name}.with_constants(...)")

    def with_constants(self, **constants) -> "Cell":
        """The same equations with other constants: `lstm.with_constants(forget_bias=1.0)`."""
        return Cell(self.function, **(self.constants | constants))

    def __deepcopy__(self, memo):
        return self  # it never changes, and its graph's nodes are known by identity

    def __reduce__(self):
        return _found, (self.function.__module__, self.function.__qualname__, self.constants)

    def _fail(self, problem, mend):
        raise CellError(f"{_line(self.function)}\n  {problem}\n  {mend}")

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
                    self._fail(f"`{p.name}` stands after the `*` and is no weight and no constant.",
                               f"Write {p.name}=weight(\"H\", \"I\"), or {p.name}=1.0 for a constant.")
                else:
                    self.constants[p.name] = p.default
            elif isinstance(p.default, Weight):
                self._fail(f"the weight `{p.name}` stands before the `*`.", "Weights are keyword-only: def cell(x, h, *, W=weight(...)).")
            elif isinstance(p.default, _Declared):
                (self.inputs if p.default.kind == "input" else self.states)[p.name] = p.default.size
            elif p.default is not empty:
                self._fail(f"`{p.name}={p.default!r}` stands before the `*`: it is neither an input nor a state.",
                           f"Put constants after the `*`; declare a state as {p.name}=state(\"H\").")
            elif not self.inputs:
                self.inputs[p.name] = Size("I")
            else:
                self.states[p.name] = Size("H")
        if not self.inputs or not self.states:
            self._fail("a cell takes an input and at least one state.", "Write def cell(x, h, *, W=weight(\"H\", \"I\"), ...).")

    def _trace(self) -> Graph:
        builder, symbols = Builder(), dict(self.constants)
        for kind, declared in (("input", self.inputs), ("state", self.states)):
            for name, size in declared.items():
                symbols[name] = Vector(builder, builder.node(kind, (), name, size))
        for name, w in self.weights.items():
            one = len(w.shape) == 1
            symbols[name] = Vector(builder, builder.node("weight", (), name, w.shape[0])) if one else Matrix(builder, name, w.shape)
        result, local = self._call(symbols)
        results = result if isinstance(result, tuple) else (result,)
        count = len(self.states)
        if len(results) not in (count, count + 1):
            self._fail(f"it returns {len(results)} value(s) and has {count} state(s) ({', '.join(self.states)}).",
                       f"Return the new states in order, {', '.join(self.states)}; an output that is no state goes first.")
        for r in results:
            if not isinstance(r, Vector) or r.node.op in MASKS:
                self._fail(f"it returns {r if isinstance(r, Symbol) else repr(r)}, which is no value of a step.",
                           "Return the new states, each made of inputs, states and weights.")
        for r, (name, size) in zip(results[-count:], self.states.items()):
            if r.node.size != size:
                self._fail(f"the new state `{name}` has {r.node.size} units and the state has {size}.",
                           f"Declare {name}=state(\"{r.node.size}\"), or return {size} units.")
        labels = {v.node: k for k, v in local.items() if isinstance(v, Vector) and v.node.args}
        nodes = [r.node for r in results]
        used = {n.value[0] if n.op == "product" else n.value for n in walk(nodes) if n.op in ("product", "weight")}
        unused = [w for w in self.weights if w not in used]
        if unused and not self.constants:
            self._fail(f"the weight `{unused[0]}` is declared and not used.", "Use it in an equation or take it out.")
        weights = {name: w for name, w in self.weights.items() if name in used}
        return Graph(self.name, self.inputs, self.states, weights, nodes[0], tuple(nodes[-count:]), labels, builder)

    def _call(self, symbols):
        """Call the body, and see the names it gave to its values (they name the lines of the printed equations)."""
        local, code, before = {}, self.function.__code__, sys.getprofile()

        def watch(frame, event, arg):
            if event == "return" and frame.f_code is code:
                local.update(frame.f_locals)

        sys.setprofile(watch)
        try:
            return self.function(**symbols), local
        except (TypeError, ValueError, AttributeError) as error:
            trace = error.__traceback__
            while trace.tb_next and trace.tb_frame.f_code is not code:
                trace = trace.tb_next
            raise CellError(f"{code.co_filename}, line {trace.tb_lineno}, cell {self.name!r}\n  {error}\n  {OPERATIONS}") from error
        finally:
            sys.setprofile(before)


def _found(module: str, name: str, constants: dict) -> Cell:
    """A pickled cell, by the place it was defined at."""
    return functools.reduce(getattr, name.split("."), importlib.import_module(module)).with_constants(**constants)


def cell(function: Callable) -> Cell:
    """Make a cell of the equations of one step.

    The first argument is the input; the other positional ones are the states, in order; keyword-only defaults made by
    `weight(...)` are weights, and other keyword-only defaults are constants. It returns the new states in the same
    order (the first is the output), or the output and then the new states.

    Args:
        function: The step, written with the operations of this module.

    Raises:
        CellError: Something in it is not in the language; the message says the line, what was given, and the mend.

    Example:
        >>> from ostinato import cell, weight, tanh
        >>> @cell
        ... def elman(x, h, *, W=weight("H", "I"), U=weight("H", "H"), b=weight("H")):
        ...     return tanh(W @ x + U @ h + b)
        >>> elman
        <cell elman(x, h)>
    """
    if not inspect.isfunction(function):
        raise CellError(f"@cell was given {function!r}: it goes above a function, def my_cell(x, h, *, W=weight(...)): ...")
    return Cell(function)
