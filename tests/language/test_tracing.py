"""The cell language: every wrong cell is refused with its line, what was given and the fix; every
right one gives its graph.
"""

import copy
import functools
import inspect
import math
import pickle
import re
import sys

import numpy as np
import pytest
import torch

import ostinato
from ostinato import (
    cell,
    clip,
    concat,
    exp,
    log,
    maximum,
    mean,
    minimum,
    relu,
    sigmoid,
    softplus,
    split,
    sqrt,
    state,
    tanh,
    weight,
    where,
)
from ostinato import input as further_input
from ostinato import sum as sum_units
from ostinato.cells import CELLS, elman, lstm
from ostinato.engines.reference import scan
from ostinato.errors import CellError
from ostinato.language.graph import POINTWISE, Size
from ostinato.language.operations import identity
from ostinato.language.symbols import OPERATIONS
from ostinato.language.tracing import Cell

# ---------------------------------------------------------------- what is refused

# Each wrong thing by its name: what makes it, how, where its line is, and what the message repeats
# and shows.
WRONG = {}


def wrong(given, fix, *, make=cell, within=None):
    """Keep a function as a wrong one; the line to be named is the one marked `# here` in it, or in
    `within`.
    """

    def keep(function):
        WRONG[function.__name__] = (function, make, within or function, given, fix)
        return function

    return keep


def called(function):
    """Call what is wrong in itself, without a cell."""
    return function()


def message(within, given, fix):
    """The whole message as a pattern: the file, the line and its text; what was given; the fix."""
    lines, first = inspect.getsourcelines(within)
    ((number, text),) = [
        (first + i, text.strip()) for i, text in enumerate(lines) if "# here" in text
    ]
    return (
        f"^{re.escape(f'{__file__}, line {number}: `{text}`')}\n  .*{re.escape(given)}.*\n  "
        f".*{re.escape(fix)}.*$"
    )


@wrong("numpy.tanh is not in the language", OPERATIONS)
def numpy_function(x, h, *, W=weight("H", "I")):
    return np.tanh(W @ x)  # here


@wrong("NumPy cannot compute with `h` (H)", OPERATIONS)
def numpy_array_of_symbols(x, h):
    return np.asarray(h)  # here


@wrong("array([1., 1.]) (ndarray) cannot be used in a step", "declare learned values as weights")
def numpy_array_times_a_symbol(x, h):
    return np.ones(2) * h  # here


@wrong("numpy.matmul is not in the language", OPERATIONS)
def numpy_matrix_times_a_symbol(x, h):
    return np.ones((2, 2)) @ h  # here


@wrong("torch's sigmoid is not in the language", OPERATIONS)
def torch_function(x, h):
    return torch.sigmoid(h)  # here


@wrong("torch's stack is not in the language", OPERATIONS)
def torch_function_of_a_list(x, h):
    return torch.stack([h, h])  # here


@wrong("tensor(2.) (Tensor) cannot be used in a step", "declare learned values as weights")
def tensor_times_a_symbol(x, h):
    return h * torch.tensor(2.0)  # here


@wrong("`h` (H) is not a number", OPERATIONS)
def math_function(x, h):
    return math.tanh(h)  # here


@wrong("cannot branch on `0 < h` (H)", "Write where(condition, a, b)")
def if_on_a_symbol(x, h):
    if h > 0:  # here
        h = -h
    return h


@wrong("cannot branch on `0 < h` (H)", "Write where(condition, a, b)")
def chained_comparison(x, h):
    return where(0 < h < 1, h, -h)  # here


@wrong("cannot branch on `h` (H)", "Write where(condition, a, b)")
def logical_or(x, h):
    return h or x  # here


@wrong(
    "cannot branch on `b < h` (H)",
    "for the builtins min and max write minimum(a, b) and maximum(a, b)",
)
def builtin_min(x, h, *, b=weight("H")):
    return min(h, b)  # here


@wrong("sizes do not match: `h` has H units, `x` has I units", "a size of 1 broadcasts to any")
def sizes_that_differ(x, h):
    return h + x  # here


@wrong(
    "U is H x H, and `x` has I units: U @ x needs H",
    'Declare U=weight("H", "I"), or multiply a vector of H units',
)
def product_of_another_size(x, h, *, U=weight("H", "H")):
    return h + U @ x  # here


@wrong(
    "W.T is I x H, and `x` has I units: W.T @ x needs H",
    'Declare W=weight("I", "I"), or multiply a vector of H units',
)
def transposed_product_of_another_size(x, h, *, W=weight("H", "I")):
    return W.T @ x  # here


@wrong("W is H x I, and `h + 1` has H units: W @ (h + 1) needs I", 'Declare W=weight("H", "H")')
def product_of_an_expression_of_another_size(x, h, *, W=weight("H", "I")):
    return W @ (h + 1)  # here


@wrong("`x` (I) @ weight W (H x I): the weight must be on the left", "Write W @ x.")
def weight_on_the_right(x, h, *, W=weight("H", "I")):
    return x @ W  # here


@wrong(
    "`h` (H) @ `h` (H): only a weight of two dimensions multiplies with @",
    "Write * for a product unit by unit",
)
def product_of_two_vectors(x, h):
    return h @ h  # here


@wrong(
    "2.0 @ `h` (H): only a declared weight multiplies with @",
    'Declare W=weight("H", "I") after the `*` and write W @ x',
)
def product_of_a_number(x, h):
    return 2.0 @ h  # here


@wrong(
    "weight W (H x H) @ weight W (H x H) is not in the language",
    "two products are written W @ (U @ x)",
)
def product_of_two_weights(x, h, *, W=weight("H", "H")):
    return W @ W @ h  # here


@wrong(
    "weight W (H x H) is a matrix: it can only multiply a vector",
    'Write W @ x; for one weight per unit declare W=weight("H")',
)
def matrix_plus_a_vector(x, h, *, W=weight("H", "H")):
    return W + h  # here


@wrong(
    "weight W (H x H) is a matrix: it can only multiply a vector",
    'Write W @ x; for one weight per unit declare W=weight("H")',
)
def vector_times_a_matrix(x, h, *, W=weight("H", "H")):
    return h * W  # here


@wrong("weight W (H x H) is a matrix: it can only multiply a vector", "Write W @ x")
def operation_on_a_matrix(x, h, *, W=weight("H", "H")):
    return sigmoid(W)  # here


@wrong("weight W.T (I x H) is a matrix: it can only multiply a vector", "Write W @ x")
def matrix_that_is_indexed(x, h, *, W=weight("H", "I")):
    return W.T[0]  # here


@wrong("`h` (H) cannot be indexed with [0]", 'split(z, ("H", "P")) for unequal parts')
def vector_that_is_indexed(x, h):
    return h[0]  # here


@wrong("`h` (H) cannot be indexed with [0]", 'split(z, ("H", "P")) for unequal parts')
def vector_that_is_assigned_to(x, h):
    h[0] = 1.0  # here
    return h


@wrong("`h` (H) cannot be compared with == or !=", "Write where(a < b, ...)")
def equality(x, h):
    return where(h == 0, x, h)  # here


@wrong("<= and >= are not in the language", "where(b < a, y, x) for where(a <= b, x, y)")
def comparison_with_equality(x, h):
    return where(h <= 0, 0.0, h)  # here


@wrong(
    "* was given `0 < h` (H), which is a comparison and not a number",
    "Write where(condition, 1.0, 0.0) to convert it",
)
def comparison_as_a_number(x, h):
    return (h > 0) * h  # here


@wrong(
    "+ was given `0 < h` (H), which is a comparison and not a number",
    "Write where(condition, 1.0, 0.0) to convert it",
)
def sum_of_a_comparison(x, h):
    return 1.0 + (h > 0)  # here


@wrong(
    "sigmoid() was given `0 < h` (H), which is a comparison and not a number",
    "Write where(condition, 1.0, 0.0) to convert it",
)
def operation_on_a_comparison(x, h):
    return sigmoid(h > 0)  # here


@wrong("it returns a comparison, `0 < h` (H)", "Write return h")
def comparison_as_a_result(x, h):
    return h > 0  # here


@wrong("where() was given True as its condition", "Write where(a < b, x, y)")
def condition_that_is_not_a_comparison(x, h):
    return where(True, h, -h)  # here


@wrong(
    "`h` (H) ** 1.5 is not in the language",
    "Powers are 2, 3, 0.5 and -1; write exp(p * log(x)) for others",
)
def power_of_one_and_a_half(x, h):
    return h**1.5  # here


@wrong("2 ** `h` (H) is not in the language", "Write exp(z * p) with p = log(2)")
def power_of_a_number(x, h):
    return 2**h  # here


@wrong("`h` (H) // 2 is not in the language", OPERATIONS)
def floor_division(x, h):
    return h // 2  # here


@wrong("2 % `h` (H) is not in the language", OPERATIONS)
def remainder(x, h):
    return 2 % h  # here


@wrong("`h` (H) & `0 < x` (I) is not in the language", OPERATIONS)
def logical_and(x, h):
    return h & (x > 0)  # here


@wrong("weight W (H x H) | 1 is not in the language", OPERATIONS)
def operator_on_a_matrix(x, h, *, W=weight("H", "H")):
    return W | 1  # here


@wrong("`h + 1` is divided by the number 0", "Divide by another number, or by a value of this step")
def division_by_zero(x, h):
    return (h + 1) / 0  # here


@wrong("H (Size) cannot be used in a step", "Use numbers and the values of this step")
def size_as_a_number(x, h, *, W=weight("H", "I")):
    return W.shape[0] * h  # here


@wrong("'W' (str) cannot be used in a step", "Use numbers and the values of this step")
def name_as_a_number(x, h, *, W=weight("H", "I")):
    return W.name + h  # here


@wrong("`h` (H) has no `.shape`", OPERATIONS)
def shape_of_a_vector(x, h):
    return h / h.shape[0]  # here


@wrong("name 'hard_sigmoid' is not defined", "Import it: from ostinato import hard_sigmoid.")
def function_not_imported(x, h):
    return hard_sigmoid(h)  # noqa: F821  # here


@wrong("name 'sigmod' is not defined: did you mean 'sigmoid'?", OPERATIONS)
def unknown_function(x, h):
    return sigmod(h)  # noqa: F821  # here


@wrong("`h` (H) has no `.tanh`", OPERATIONS)
def method_of_a_tensor(x, h):
    return h.tanh()  # here


@wrong("`h` (H) is not callable", "if a weight or a state has the name of an operation, rename it")
def symbol_that_is_called(x, h):
    return h(x)  # here


@wrong("sigmoid() takes 1 positional argument but 2 were given", OPERATIONS)
def too_many_arguments(x, h):
    return sigmoid(x, h)  # here


@wrong("tanh(0.5) has only numbers", "with Python's math module")
def operation_on_a_number(x, h):
    return h * tanh(0.5)  # here


@wrong(
    "clip() was given 1.0, which is not a value of a step",
    "Write clip(z, low, high) with a value of this step",
)
def clip_of_a_number(x, h):
    return h * clip(1.0, 0, 2)  # here


@wrong(
    "sqrt() was given 'h' (str)",
    "Call it in a function under @cell; for tensors use torch.sqrt",
)
def operation_on_text(x, h):
    return sqrt("h")  # here


@wrong(
    "mean() was given (`h` (H), `h` (H)), which is not a value of a step",
    "mean(z) with a value of this step",
)
def mean_of_a_tuple(x, h):
    return h - mean((h, h))  # here


@wrong("None (NoneType) cannot be used in a step", "Use numbers and the values of this step")
def nothing_as_a_number(x, h):
    return h + None  # here


@wrong("True (bool) cannot be used in a step", "Use numbers and the values of this step")
def truth_as_a_number(x, h):
    return h + True  # here


@wrong("`h` (H) cannot be unpacked or looped over", "Write `a, b = split(z, 2)`")
def loop_over_a_symbol(x, h):
    return [unit for unit in h][0]  # here


@wrong(
    "`h` (H) cannot be unpacked or looped over",
    "to reduce over units, write ostinato.sum(z) or ostinato.mean(z)",
)
def builtin_sum(x, h):
    return h / sum(h)  # here


@wrong(
    "`h` (H) cannot be unpacked or looped over",
    "to reduce over units, write ostinato.sum(z) or ostinato.mean(z)",
)
def builtin_max_over_units(x, h):
    return h / max(h)  # here


@wrong("`h` (H) cannot be unpacked or looped over", "Write `a, b = split(z, 2)`")
def builtin_sorted(x, h):
    return sorted(h)[0]  # here


@wrong("`h` (H) has no len()", "use mean(z), or pass the number as a constant of the cell")
def len_of_a_symbol(x, h):
    return h / len(h)  # here


@wrong("`h` (H) is not a number", OPERATIONS)
def float_of_a_symbol(x, h):
    return x * float(h)  # here


@wrong("`h` (H) is not a number", OPERATIONS)
def range_of_a_symbol(x, h):
    return [h for _ in range(h)][0]  # here


@wrong(
    "`h` has H units, which cannot be split into 3 equal parts",
    'Declare its weights with "3*H" rows',
)
def split_that_does_not_divide(x, h):
    a, b, c = split(h, 3)  # here
    return concat(a, b, c)


@wrong("`W @ x` has 3*H units, and the parts (H, P) have H + P", "Make the parts add up")
def split_that_does_not_add_up(x, h, *, W=weight("3*H", "I")):
    return split(W @ x, ("H", "P"))[0]  # here


@wrong("split() was given 0 parts", 'Write split(z, 4), or split(z, ("H", "P"))')
def split_into_nothing(x, h):
    return split(h, 0)  # here


@wrong("not enough values to unpack (expected 4, got 3)", OPERATIONS)
def split_with_too_many_names(x, h, *, W=weight("3*H", "I")):
    i, f, g, o = split(W @ x, 3)  # here
    return i * f * g * o


@wrong(
    "concat() was given 1.0, which is not a value of a step",
    "Write concat(x, h) with values of this step",
)
def concat_of_a_number(x, h):
    return concat(h, 1.0)  # here


@wrong("concat() was given 1 value(s)", "Write concat(x, h) with two or more")
def concat_of_one_value(x, h):
    return concat(h)  # here


@wrong(
    "the cell 'elman' cannot be called",
    "put equations that several cells share in a plain function",
)
def cell_that_is_called(x, h):
    return elman(x, h)  # here


@wrong("it returns None, which is not a value of a step", "Write return h, c: the new states")
def nothing_returned(x, h, c):
    h = h + c  # here


@wrong(
    "it returns weight W (H x H), which is not a value of a step", "Write return h: the new states"
)
def matrix_returned(x, h, *, W=weight("H", "H")):
    return W  # here


@wrong("it returns 0.0, which is not a value of a step", "Write return h, c: the new states")
def number_returned(x, h, c):
    return h, 0.0  # here


@wrong("which is not a value of a step", "Write return h, c: the new states")
def list_returned(x, h, c):
    return [h, c]  # here


@wrong(
    "it returns 1 value(s) and has 2 state(s) (h, c)",
    "Return the new states in order, h, c; an output that is not a state comes first",
)
def too_few_states_returned(x, h, c):
    return h + c  # here


@wrong("it returns 3 value(s) and has 1 state(s) (h)", "Return the new states in order, h")
def too_many_states_returned(x, h):
    return h, h, h  # here


@wrong(
    "the new state `c` has H units and the state has P", 'Declare c=state("H"), or return P units'
)
def state_of_another_size_returned(x, h, c=state("P")):
    return h, h  # here


@wrong("the weight `v` is declared but not used", "Use it in an equation or remove it")
def unused_weight(x, h, *, v=weight("H")):  # here
    return h


@wrong("the weight `v` is declared but not used", "Use it in an equation or remove it")
def unused_weight_and_a_constant(x, h, *, v=weight("H"), scale=1.0):  # here
    return h * scale


@wrong("name 'gain_hh' is not defined: did you mean 'gain_h'?", OPERATIONS)
def misspelt_weight(x, h, *, gain_h=weight("H")):
    return gain_hh * h  # noqa: F821  # here


@wrong("name 'U' is not defined", OPERATIONS)
def missing_weight(x, h, *, W=weight("H", "I")):
    return W @ x + U @ h  # noqa: F821  # here


@wrong("`*weights` takes any number of arguments", "Name each input, state and weight")
def any_number_of_arguments(x, h, *weights):  # here
    return h


@wrong("`**weights` takes any number of arguments", "Name each input, state and weight")
def any_number_of_keywords(x, h, **weights):  # here
    return h


@wrong(
    "a state is named `output`, the name of the output of a step", "Choose another name, such as y"
)
def state_called_output(x, output):  # here
    return 0.5 * output


@wrong(
    "`self` is the first argument of a method",
    "Write the step as a plain function, outside a class",
)
def method(self, x, h):  # here
    return h


@wrong("the weight `W` comes before the `*`", "Weights are keyword-only")
def weight_before_the_star(x, h, W=weight("H", "I")):  # here
    return W @ x


@wrong(
    "`scale=2.0` comes before the `*`",
    'Put constants after the `*`; declare a state as scale=state("H")',
)
def constant_before_the_star(x, h, scale=2.0):  # here
    return h * scale


@wrong(
    "`c` comes after the `*` and is neither a weight nor a constant",
    "inputs and states come before the `*`",
)
def state_after_the_star(x, h, *, c=state()):  # here
    return h + c


@wrong(
    "`W` comes after the `*` and is neither a weight nor a constant",
    'Write W=weight("H", "I"), or W=1.0 for a constant',
)
def weight_without_a_declaration(x, h, *, W):  # here
    return W @ x


@wrong(
    "a cell needs an input and at least one state",
    'Write def cell(x, h, *, W=weight("H", "I"), ...)',
)
def no_state(x, *, W=weight("H", "I")):  # here
    return W @ x


@wrong(
    "the function 'asynchronous' is async or a generator",
    "Write a plain function with def and return",
)
async def asynchronous(x, h):  # here
    return h


@wrong(
    "the function 'generator' is async or a generator",
    "Write a plain function with def and return",
)
def generator(x, h):  # here
    yield h


@wrong("@cell was given a lambda, which has no name", "Write it above a function", make=called)
def nameless():
    cell(lambda x, h: h)  # here


@wrong("@cell was given <cell elman(x, h)> (Cell)", "Write it above a function", make=called)
def cell_of_a_cell():
    cell(elman)  # here


@wrong("@cell was given 3 (int)", "Write it above a function", make=called)
def cell_of_a_number():
    cell(3)  # here


@wrong(
    "weight('H', 'I', 'B') has 3 sizes",
    'Write weight("H") for one value per unit, weight("H", "I") for a matrix',
    make=called,
)
def weight_of_three_sizes():
    weight("H", "I", "B")  # here


@wrong("weight() has 0 sizes", 'Write weight("H") for one value per unit', make=called)
def weight_of_no_size():
    weight()  # here


@wrong(
    "init='glorott' is not an initialiser: did you mean 'glorot'?",
    "Write a number, a function of the shape, or one of uniform, ",
    make=called,
)
def unknown_initialiser():
    weight("H", "I", init="glorott")  # here


@wrong("0 is not a size: it has no units", "whole numbers above 0", make=called)
def size_of_no_units():
    further_input(0)  # here


@wrong(
    "cell 'elman' has no constant 'activaton': did you mean 'activation'?",
    "It has activation",
    make=called,
)
def unknown_constant():
    elman.with_constants(activaton=relu)  # here


@wrong(
    "cell 'min_gru' has no constant 'W'",
    "It has none; a constant is a default after the `*`",
    make=called,
)
def weight_as_a_constant():
    CELLS["min_gru"].with_constants(W=1.0)  # here


@wrong(
    "softplus() was given tensor([1.]) (Tensor)",
    "for tensors use torch.nn.functional.softplus",
    make=called,
)
def operation_on_a_tensor():
    softplus(torch.ones(1))  # here


@wrong(
    "the cell 'local' is defined inside a function and cannot be pickled",
    "Move it to the top level of a module",
    make=called,
)
def pickle_of_a_local_cell():
    @cell
    def local(x, h):
        return h

    pickle.dumps(local)  # here


@wrong("ZeroDivisionError: float division by zero", "the cell's constants are scale=0.0")
def division_by_a_constant(x, h, *, scale=0.0):
    return h * (1.0 / scale)  # here


@wrong("KeyError: 'fast'", "the cell's constants are mode='fast'")
def look_up_by_a_constant(x, h, *, mode="fast"):
    return h * {"slow": 1.0}[mode]  # here


@wrong("'str' object is not callable", OPERATIONS)
def constant_that_should_be_a_function(x, h, *, activation="tanh"):
    return activation(h)  # here


def helper(z):
    """A person's own function; the mistake is in it and not in the cell."""
    z = 2 * z
    return np.exp(z)  # here


@wrong("numpy.exp is not in the language", OPERATIONS, within=helper)
def mistake_in_a_helper(x, h):
    return h + helper(h)


def stumbling_helper(z):
    """A person's own function, where Python itself refuses."""
    a, b = split(z, 1)  # here
    return a + b


@wrong("not enough values to unpack (expected 2, got 1)", OPERATIONS, within=stumbling_helper)
def refusal_of_python_in_a_helper(x, h):
    return functools.reduce(lambda z, _: stumbling_helper(z), range(3), h)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_its_line_what_was_given_and_the_fix(name):
    function, make, within, given, fix = WRONG[name]
    with pytest.raises(CellError, match=message(within, given, fix)) as caught:
        make(function)
    assert caught.value.__suppress_context__, "one traceback is shown and not two"


@pytest.mark.parametrize(
    "given", ["H/2", "4H", "-H", "", "H.T", "H(2)", 2.5, True, None, ("H", "I")], ids=repr
)
@pytest.mark.parametrize(
    "declare", [weight, state, further_input], ids=lambda declare: declare.__name__
)
def test_an_invalid_size_is_refused_with_its_line_and_an_example(declare, given):
    problem = (
        f"`declare(given)`\n  {given!r} is not a size: write letters and whole numbers, such as "
        "'H' or '4*H'"
    )
    with pytest.raises(
        CellError, match=f"^{re.escape(__file__)}, line [0-9]+: {re.escape(problem)}$"
    ):
        declare(given)


def test_a_decorated_cell_is_named_by_its_own_line_and_not_by_the_decorators():
    def declare():
        @functools.cache
        @cell
        def unused(x, h, *, v=weight("H")):  # here
            return h

    with pytest.raises(
        CellError, match=message(declare, "the weight `v` is declared but not used", "Use it")
    ):
        declare()


def test_an_error_that_a_constant_brings_names_the_line_of_the_equations():
    @cell
    def scaled(x, h, *, scale=1.0):
        return h * scale  # here

    with pytest.raises(
        CellError,
        match=message(scaled.function, "'twice' (str) cannot be used in a step", "Use numbers"),
    ):
        scaled.with_constants(scale="twice")


def test_a_cell_whose_source_cannot_be_had_is_named_by_file_and_line():
    made = {"tanh": np.tanh}
    exec(compile("def typed(x, h):\n    return tanh(h)", "<typed>", "exec"), made)
    with pytest.raises(CellError, match=r"^<typed>, line 2\n  numpy\.tanh is not in the language"):
        cell(made["typed"])


def test_a_long_expression_is_shortened_in_a_message():
    def deep(x, h):
        z = sigmoid(tanh(exp(relu(sqrt(log(h))))))
        return z + x  # here

    with pytest.raises(
        CellError,
        match=message(
            deep, "`sigmoid(tanh(exp(relu(...))))` has H units", "Give both the same size"
        ),
    ):
        cell(deep)


def test_the_list_of_operations_in_messages_names_every_operation():
    written = {"add": "+", "sub": "-", "mul": "*", "div": "/", "neg": "-", "less": "<"}
    assert all(
        re.search(rf"(?<!\w){re.escape(written.get(op, op))}(?!\w)", OPERATIONS) for op in POINTWISE
    )


# ---------------------------------------------------------------- what is allowed


def of(*cells):
    """The keys of cells' graphs."""
    return [c.graph.key for c in cells]


# What is written, and the op that it becomes with its arguments: a and h are of the step, k a
# number.
OPS = {
    "a + h": (lambda a, h: a + h, "add", "ah"),
    "a + 2": (lambda a, h: a + 2, "add", "ak"),
    "2 + a": (lambda a, h: 2 + a, "add", "ka"),
    "a - h": (lambda a, h: a - h, "sub", "ah"),
    "2 - a": (lambda a, h: 2 - a, "sub", "ka"),
    "a * h": (lambda a, h: a * h, "mul", "ah"),
    "2 * a": (lambda a, h: 2 * a, "mul", "ka"),
    "a / h": (lambda a, h: a / h, "div", "ah"),
    "2 / a": (lambda a, h: 2 / a, "div", "ka"),
    "-a": (lambda a, h: -a, "neg", "a"),
    "abs(a)": (lambda a, h: abs(a), "abs", "a"),
    "a ** 2": (lambda a, h: a**2, "mul", "aa"),
    "pow(a, 2)": (lambda a, h: pow(a, 2), "mul", "aa"),
    "a ** 0.5": (lambda a, h: a**0.5, "sqrt", "a"),
    "a ** -1": (lambda a, h: a**-1, "div", "ka"),
    "sigmoid": (lambda a, h: sigmoid(a), "sigmoid", "a"),
    "tanh": (lambda a, h: tanh(a), "tanh", "a"),
    "relu": (lambda a, h: relu(a), "relu", "a"),
    "exp": (lambda a, h: exp(a), "exp", "a"),
    "log": (lambda a, h: log(a), "log", "a"),
    "sqrt": (lambda a, h: sqrt(a), "sqrt", "a"),
    "softplus": (lambda a, h: softplus(a), "softplus", "a"),
    "hard_sigmoid": (lambda a, h: ostinato.hard_sigmoid(a), "hard_sigmoid", "a"),
    "floor": (lambda a, h: ostinato.floor(a), "floor", "a"),
    "maximum": (lambda a, h: maximum(a, h), "maximum", "ah"),
    "maximum of a number": (lambda a, h: maximum(2, a), "maximum", "ka"),
    "minimum": (lambda a, h: minimum(a, h), "minimum", "ah"),
    "numpy number + a": (lambda a, h: np.float64(2) + a, "add", "ka"),
    "numpy number - a": (lambda a, h: np.float32(2) - a, "sub", "ka"),
    "numpy number * a": (lambda a, h: np.int64(2) * a, "mul", "ka"),
    "numpy number / a": (lambda a, h: np.float16(2) / a, "div", "ka"),
    "a * numpy number": (lambda a, h: a * np.float64(2), "mul", "ak"),
    "sum": (lambda a, h: sum_units(a) * h, "sum", "a"),
    "mean": (lambda a, h: mean(a) * h, "mean", "a"),
}


@pytest.mark.parametrize("name", OPS)
def test_what_is_written_becomes_its_operation(name):
    written, op, args = OPS[name]

    @cell
    def step(a=further_input("H"), h=state()):
        return written(a, h)

    node = next(n for n in step.graph.nodes if n.op == op)
    assert "".join("k" if a.op == "number" else a.value for a in node.args) == args
    assert all(
        a.value == (1.0 if name == "a ** -1" else 2.0) for a in node.args if a.op == "number"
    )
    assert all(
        n.op in POINTWISE or n.op in ("input", "state", "number", "sum", "mean")
        for n in step.graph.nodes
    )


COMPARISONS = {
    "a < h": (lambda a, h: a < h, "ah"),
    "a > h": (lambda a, h: a > h, "ha"),
    "2 < a": (lambda a, h: 2 < a, "ka"),
    "2 > a": (lambda a, h: 2 > a, "ak"),
    "numpy number < a": (lambda a, h: np.float64(2) < a, "ka"),
    "numpy number > a": (lambda a, h: np.float64(2) > a, "ak"),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_become_less_in_either_order(name):
    condition, args = COMPARISONS[name]

    @cell
    def step(a=further_input("H"), h=state()):
        return where(condition(a, h), a, 0.0)

    chosen = step.graph.output
    assert chosen.op == "where" and [n.op for n in chosen.args] == ["less", "input", "number"]
    assert "".join("k" if n.op == "number" else n.value for n in chosen.args[0].args) == args


def test_every_pointwise_operation_can_be_written():
    assert {op for _, op, _ in OPS.values()} | {"less", "where"} == set(POINTWISE) | {"sum", "mean"}


def test_a_cube_and_clip_are_made_of_other_operations():
    @cell
    def cubed(x, h):
        return clip(h**3, -0.5, 0.5)

    @cell
    def multiplied(x, h):
        return minimum(maximum(h * h * h, -0.5), 0.5)

    assert cubed.graph.key == multiplied.graph.key


def test_the_activation_that_does_nothing_gives_its_argument():
    @cell
    def plain(x, h, *, W=weight("H", "I"), U=weight("H", "H"), b=weight("H")):
        return W @ x + U @ h + b

    assert elman.with_constants(activation=identity).graph.key == plain.graph.key


def test_products_are_of_the_weight_or_its_transpose():
    @cell
    def tied(x, h, *, W=weight("H", "I")):
        return W @ (W.T @ h) + W.T.T @ x

    products = [n for n in tied.graph.nodes if n.op == "product"]
    assert [(n.value, str(n.size)) for n in products] == [
        (("W", True), "I"),
        (("W", False), "H"),
        (("W", False), "H"),
    ]
    assert tied.graph.output.args == tuple(products[1:]) and products[1].args == (products[0],)


def test_a_weight_of_one_size_is_a_value():
    @cell
    def biased(x, h, *, b=weight("H")):
        return h + b

    assert biased.graph.output.args[1].op == "weight" and biased.graph.weights["b"].shape == (
        Size("H"),
    )


def test_split_by_number_and_by_sizes_cuts_where_it_says():
    @cell
    def cut(x, h, c=state("P"), *, W=weight("2*H + P + 3", "I")):
        a, b, d, e = split(W @ x, ("H", "P", 3, "H"))
        return a * e + mean(d) + h, b + c

    cuts = {str(n.size): [] for n in cut.graph.nodes if n.op == "slice"}
    for n in cut.graph.nodes:
        if n.op == "slice":
            cuts[str(n.size)].append(tuple(map(str, n.value)))
    assert cuts == {
        "H": [("0", "H"), ("3 + H + P", "3 + 2*H + P")],
        "3": [("H + P", "3 + H + P")],
        "P": [("H", "H + P")],
    }

    @cell
    def halves(x, h, *, W=weight("2*H", "I")):
        a, b = split(W @ x, 2)
        return a + b + split(h, 1)[0]

    a, b = [n for n in halves.graph.nodes if n.op == "slice"]
    assert [*map(str, (*a.value, *b.value))] == ["0", "H", "H", "2*H"], (
        "a split into one part is the value itself"
    )


def test_whole_numbers_of_numpy_are_sizes_and_counts():
    @cell
    def cut(x, h=state(np.int64(2)), *, W=weight(np.int64(4), "I")):
        a, b = split(W @ x, np.int64(2))
        return a + b + h

    @cell
    def plain(x, h=state(2), *, W=weight(4, "I")):
        a, b = split(W @ x, 2)
        return a + b + h

    assert of(cut) == of(plain)


def test_concat_adds_sizes_and_keeps_the_order():
    @cell
    def joined(x, h, c=state("P"), *, W=weight("H", "I + H + P")):
        return W @ concat(x, h, c), c

    (node,) = [n for n in joined.graph.nodes if n.op == "concat"]
    assert [a.value for a in node.args] == ["x", "h", "c"] and node.size == Size("I + H + P")


def test_sums_over_units_have_one_unit_and_go_with_any_size():
    @cell
    def pooled(x, h, s=state(1)):
        total = sum_units(x)
        return h * total + mean(h), mean(total) + s

    sums = [n for n in pooled.graph.nodes if n.op in ("sum", "mean")]
    assert [n.op for n in sums] == ["sum", "mean"], "the mean of one unit is that unit"
    assert all(n.size == Size(1) for n in sums)


@cell
def timed(
    x,
    t=further_input(1),
    mark=further_input("M"),
    h=state(),
    c=state("P"),
    *,
    W=weight("H", "I"),
    V=weight("P", "M"),
    scale=2.0,
    activation=tanh,
):
    """Three inputs, two states of other sizes, a constant number and a constant function."""
    z = activation(W @ x) * t
    return z + h * scale, V @ mark + c


def test_inputs_states_weights_and_constants_are_read_from_the_signature():
    assert {k: str(v) for k, v in timed.graph.inputs.items()} == {"x": "I", "t": "1", "mark": "M"}
    assert {k: str(v) for k, v in timed.graph.states.items()} == {"h": "H", "c": "P"}
    assert {k: str(w.shape) for k, w in timed.graph.weights.items()} == {
        "W": "(H, I)",
        "V": "(P, M)",
    }
    assert timed.constants == {"scale": 2.0, "activation": tanh}
    assert timed.graph.letters == {"I", "M", "H", "P"}
    assert (
        repr(timed) == "<cell timed(x, t, mark, h, c)>"
        and timed.name == timed.graph.name == "timed"
    )
    assert (
        timed.__doc__
        == "Three inputs, two states of other sizes, a constant number and a constant function."
    )


def test_the_output_is_the_first_new_state_unless_another_value_comes_first():
    @cell
    def read_out(x, h, c, *, V=weight("Y", "H")):
        h, c = tanh(h + c), c * 0.5
        return V @ h, h, c

    graph = read_out.graph
    assert (
        graph.output.op == "product"
        and graph.output.size == Size("Y")
        and [n.op for n in graph.new_states] == ["tanh", "mul"]
    )
    assert lstm.graph.output is lstm.graph.new_states[0]


def test_constants_change_the_equations_and_nothing_else():
    faster = timed.with_constants(scale=3.0)
    assert timed.constants["scale"] == 2.0 and faster.constants == {
        "scale": 3.0,
        "activation": tanh,
    }
    assert of(faster) != of(timed) and of(faster.with_constants(scale=2.0)) == of(timed)
    assert of(lstm.with_constants(forget_bias=0.0)) == of(lstm)


def test_a_constant_may_switch_a_weight_off():
    full = CELLS["lstm_full"]
    assert {"p_i", "p_f", "p_o"} <= set(full.graph.weights)
    assert set(full.with_constants(peepholes=False).graph.weights) == {"W", "U", "b", "R"}


def test_a_constant_may_decide_a_branch_or_a_loop():
    @cell
    def repeated(x, h, *, W=weight("H", "H"), times=3, double=False):
        for _ in range(times):
            h = W @ h
        return 2 * h if double else h

    assert [n.op for n in repeated.graph.nodes] == ["state", "product", "product", "product"]
    assert [n.op for n in repeated.with_constants(times=1, double=True).graph.nodes] == [
        "number",
        "state",
        "product",
        "mul",
    ]


def twice(z):
    """A helper of the cell below."""
    return 2 * z


def test_helper_functions_give_the_graph_of_what_they_do():
    @cell
    def helped(x, h):
        return twice(tanh(twice(h)))

    @cell
    def written_out(x, h):
        return 2 * tanh(2 * h)

    assert helped.graph.key == written_out.graph.key


def test_what_is_written_twice_is_computed_once():
    @cell
    def doubled(x, h, *, W=weight("H", "I")):
        return sigmoid(W @ x) * h + sigmoid(W @ x)

    assert (
        [n.op for n in doubled.graph.nodes].count("sigmoid")
        == [n.op for n in doubled.graph.nodes].count("product")
        == 1
    )


def test_names_in_the_body_become_the_names_of_values():
    assert [name for name in lstm.graph.labels.values()] == ["i", "f", "g", "o", "c", "h"]
    assert {name: n.op for n, name in lstm.graph.labels.items()} == {
        "i": "slice",
        "f": "slice",
        "g": "slice",
        "o": "slice",
        "c": "add",
        "h": "mul",
    }


def test_the_profiler_that_was_there_is_there_again():
    def profiler(frame, event, arg):
        return None

    sys.setprofile(profiler)
    cell(twice_named)
    kept = sys.getprofile()
    sys.setprofile(None)
    assert kept is profiler


def twice_named(x, h):
    """A name that is bound twice: the value keeps its first name."""
    z = tanh(h)
    again = z
    return again


def test_symbols_can_be_printed_while_a_cell_is_read(capsys):
    @cell
    def spoken(x, h, *, W=weight("H", "I")):
        z = W @ x
        print(f"{z} and {W:>30} and {h!r}")
        return z + h

    assert capsys.readouterr().out == "`W @ x` (H) and weight W (H x I) and `h` (H)\n"


def test_a_symbol_can_be_asked_whether_it_is_none_and_be_a_key():
    @cell
    def looked_up(x, h):
        return {h: tanh(h)}[h] if h is not None else h

    assert looked_up.graph.output.op == "tanh"


@pytest.mark.parametrize(
    "made",
    [
        lstm,
        timed,
        timed.with_constants(scale=0.5),
        CELLS["lstm_full"].with_constants(peepholes=False),
    ],
    ids=str,
)
def test_a_pickle_of_a_cell_is_the_same_cell(made):
    loaded = pickle.loads(pickle.dumps(made))
    assert (
        isinstance(loaded, Cell) and of(loaded) == of(made) and loaded.constants == made.constants
    )
    assert loaded.graph.weights == made.graph.weights and loaded.name == made.name


def _fading(x, h, *, function=tanh, self=1.0):
    return function(self * h)


fading = cell(_fading)


def test_a_cell_with_another_name_than_its_function_can_be_pickled():
    loaded = pickle.loads(pickle.dumps(fading))
    assert isinstance(loaded, Cell) and of(loaded) == of(fading)


def test_a_constant_may_have_any_name():
    other = fading.with_constants(function=sigmoid, self=2.0)
    assert (
        other.constants == {"function": sigmoid, "self": 2.0} and other.graph.output.op == "sigmoid"
    )
    assert of(pickle.loads(pickle.dumps(other))) == of(other)


def test_a_copy_of_a_cell_is_that_cell():
    @cell
    def local(x, h):
        return tanh(h)

    assert (
        copy.copy(local) is local
        and copy.deepcopy(local) is local
        and copy.deepcopy({"cell": timed})["cell"] is timed
    )


def test_a_cell_computes_what_it_says(close):
    inputs = [torch.randn(4, 2, units, dtype=torch.float64) for units in (3, 1, 2)]
    states = [torch.randn(2, units, dtype=torch.float64) for units in (5, 4)]
    W, V = torch.randn(5, 3, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    output, (h, c) = scan(
        timed.graph, inputs=tuple(inputs), states=tuple(states), weights={"W": W, "V": V}
    )
    wanted_h, wanted_c = states
    for x, t, mark in zip(*inputs):
        wanted_h, wanted_c = torch.tanh(x @ W.T) * t + 2 * wanted_h, mark @ V.T + wanted_c
    close(h, wanted_h)
    close(c, wanted_c)
    close(output[-1], wanted_h)


def test_the_language_is_what_the_package_offers():
    offered = {
        name
        for name in vars(ostinato)
        if callable(vars(ostinato)[name])
        and vars(ostinato)[name].__module__.startswith("ostinato.language.")
    }
    functions = set(POINTWISE) - {"add", "sub", "mul", "div", "neg", "abs", "less"}
    assert offered == functions | {
        "cell",
        "weight",
        "state",
        "input",
        "split",
        "concat",
        "sum",
        "mean",
        "clip",
    }
