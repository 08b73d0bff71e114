r"""Printed equations: what is printed, as text and as LaTeX, is read back here by other means and
gives the very same graph.
"""

import math
import random
import re

import pytest

import ostinato
from ostinato import (
    cell,
    clip,
    concat,
    exp,
    floor,
    hard_sigmoid,
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
from ostinato.compiler.gradient import derive
from ostinato.errors import InputError
from ostinato.language.equations import GREEK, STYLES

# ---------------------------------------------------------------- reading equations back


class Factor:
    """A weight written next to its factor: `W U h` is read as `W ** U ** h`, which has the same
    precedence and is right-associative.
    """

    def __init__(self, matrix):
        self.matrix = matrix

    @property
    def T(self):
        return Factor(self.matrix.T)

    def __pow__(self, vector):
        return self.matrix @ vector


def read_text(graph, text):
    """The cell that printed equations describe, with the inputs, states and weights of a graph."""
    left = " ".join(line.partition(" = ")[0] for line in text.splitlines())
    output = [name for name in re.findall(r"(\w+)_t\b", left) if name not in graph.states]
    assert len(output) <= 1, "there is one output"
    body = re.sub(r"(\w+)_\{t-1\}", r"\1", text)
    body = re.sub(rf"\b({'|'.join(graph.inputs)})_t\b", r"\1", body)
    body = re.sub(
        r", \(([^()]+)\)\)$", lambda sizes: f", {tuple(sizes[1].split(', '))})", body, flags=re.M
    )
    matrices = [name for name, w in graph.weights.items() if len(w.shape) == 2]
    if matrices:
        body = re.sub(rf"\b({'|'.join(matrices)})(\.T)? (?=[\w(])", r"\1\2 ** ", body)
    values = [f"{name}=further_input('{size}')" for name, size in graph.inputs.items()]
    values += [f"{name}=state('{size}')" for name, size in graph.states.items()]
    weights = [
        f"{name}=weight({', '.join(f'{str(s)!r}' for s in w.shape)})"
        for name, w in graph.weights.items()
    ]
    lines = [
        *(f"{name} = Factor({name})" for name in matrices),
        *body.splitlines(),
        "return " + ", ".join(f"{name}_t" for name in [*output, *graph.states]),
    ]
    source = (
        f"def again({', '.join([*values, *(['*'] if weights else []), *weights])}):\n    "
        + "\n    ".join(lines)
    )
    operations = {name: value for name, value in vars(ostinato).items() if callable(value)}
    names = operations | {"Factor": Factor, "further_input": further_input, "inf": math.inf}
    exec(source, names)
    return cell(names["again"])


def braced(text, at):
    """The text in the braces that open at a position, and where they end."""
    depth = 0
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if not depth:
            return text[at + 1 : end], end + 1
    raise AssertionError(f"a brace is not closed: {text[at:]}")


def text_of(latex):
    """LaTeX equations as text, every fraction in parentheses."""
    text = (
        latex.removeprefix("\\begin{aligned}\n")
        .removesuffix("\n\\end{aligned}")
        .replace(" \\\\\n", "\n")
        .replace(" &=", " =")
    )
    text = re.sub(r"\\(?:mathrm|operatorname|text)\{(\w+)\}", r"\1", text)
    text = re.sub(r"([\d.]+) \\cdot 10\^\{(-?\d+)\}", r"\1e\2", text)
    text = re.sub(r"\b10\^\{(-?\d+)\}", r"1e\1", text)
    while (at := text.find("\\frac{")) >= 0:
        over, end = braced(text, at + 5)
        under, end = braced(text, end)
        text = f"{text[:at]}(({over}) / ({under})){text[end:]}"
    while (at := text.find("\\sqrt{")) >= 0:
        under, end = braced(text, at + 5)
        text = f"{text[:at]}sqrt({under}){text[end:]}"
    text = re.sub(
        r"_\{([^{}]*)\}",
        lambda below: re.sub("_t-1$", "_{t-1}", "_" + below[1].replace(",", "_")),
        text,
    )
    for sign, meant in {
        "^{\\top}": ".T",
        "\\odot": "*",
        "\\cdot": "*",
        "\\,": "*",
        "\\lvert ": "abs(",
        " \\rvert": ")",
        "\\lfloor ": "floor(",
        " \\rfloor": ")",
        "\\max": "maximum",
        "\\min": "minimum",
        "[": "concat(",
        ";\\;": ",",
        "]": ")",
        ",\\;": ",",
        "\\infty": "inf",
        "\\sigma_hard": "hard_sigmoid",
        "\\sigma(": "sigmoid(",
    }.items():
        text = text.replace(sign, meant)
    return re.sub(r"\^\{(\d)\}", r" ** \1", text).replace("\\", "")


READERS = {"text": lambda text: text, "latex": text_of}


def comes_back(made, style):
    """Assert that the printed equations of a cell give its graph, node for node."""
    again = read_text(made.graph, READERS[style](made.equations(style)))
    assert again.graph.key == made.graph.key
    assert {k: w.shape for k, w in again.graph.weights.items()} == {
        k: w.shape for k, w in made.graph.weights.items()
    }


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", CELLS)
def test_printed_equations_of_a_cell_give_its_graph(name, style):
    comes_back(CELLS[name], style)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "constants",
    [
        {"peepholes": False},
        {"cell_clip": 0.3, "projection_clip": 1e-7, "forget_bias": -1.5},
        {"activation": relu},
        {"activation": hard_sigmoid},
        {"activation": lambda x: -(x**3)},
        {"cell_clip": math.inf},
    ],
    ids=["no peepholes", "clips", "relu", "hard_sigmoid", "cube", "infinity"],
)
def test_printed_equations_with_constants_give_their_graph(constants, style):
    comes_back(CELLS["lstm_full"].with_constants(**constants), style)


PAIRS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a + b,
    lambda a, b: a * b,
    maximum,
    minimum,
    lambda a, b: where(a < b, a, b),
    lambda a, b: where(a - b > 0.5, 1.0, a * b),
]
SINGLES = [
    lambda a: -a,
    abs,
    lambda a: a**2,
    lambda a: a**3,
    lambda a: a**-1,
    sigmoid,
    tanh,
    relu,
    exp,
    log,
    sqrt,
    softplus,
    hard_sigmoid,
    floor,
    lambda a: 2 * a,
    lambda a: a - 0.5,
    lambda a: -1.5 * a,
    lambda a: a * 2.5e-7,
    lambda a: 1e-12 + a,
    lambda a: a / -3,
    lambda a: clip(a, -1, 1e20),
    lambda a: mean(a) * a,
    lambda a: a / sum_units(a * a),
    lambda a: a - 1e-3,
]


@cell
def grown(
    x,
    h,
    c=state("P"),
    *,
    W=weight("H", "I"),
    U=weight("H", "H"),
    V=weight("2*H + P", "H"),
    Q=weight("H", "H + P"),
    v=weight("H"),
    b=weight("P"),
    seed=0,
):
    """A cell of random operations: names that are bound again, parts that nobody uses, values that
    are used twice.
    """
    made = random.Random(seed)
    wide, narrow = [h, v, h + v, W @ x], [c, b, c * b]
    for _ in range(made.randrange(14)):
        group = made.choice([wide, wide, narrow])
        match made.randrange(6):
            case 0 | 1:
                group.append(made.choice(PAIRS)(*made.choices(group, k=2)))
            case 2 | 3:
                group.append(made.choice(SINGLES)(made.choice(group)))
            case 4:
                a, q, d = split(
                    V @ made.choice(wide),
                    made.choice([("H", "P", "H"), ("H", "P", "H"), ("P", "H", "H")]),
                )
                wide += [p for p in (a, q, d) if str(p.node.size) == "H"][made.randrange(3) :]
                narrow += [p for p in (a, q, d) if str(p.node.size) == "P"]
            case 5:
                other = made.choice(wide)
                wide.append(
                    made.choice(
                        [
                            lambda z: U @ z,
                            lambda z: U.T @ z,
                            lambda z: W @ (W.T @ z),
                            lambda z: Q @ concat(z, narrow[-1]),
                        ]
                    )(other)
                )
        z, r = wide[-1], made.choice(narrow)
    ends = made.choice(wide[2:]), made.choice(narrow)
    return made.choice(
        [
            ends,
            ends,
            (made.choice(wide), *ends),
            (r if len(wide) > 4 else c, *ends),
            (z if len(wide) > 4 else x, *ends),
        ]
    )


@pytest.mark.parametrize("style", STYLES)
def test_printed_equations_of_random_cells_give_their_graphs(style):
    made = [grown.with_constants(seed=seed) for seed in range(400)]
    assert len({c.graph.key for c in made}) > 300
    for c in made:
        comes_back(c, style)


# ---------------------------------------------------------------- how it is printed


def printed(written, style="text"):
    """One expression of a, b (H units) and s (one unit) with the weights W and U (H x H), as it is
    printed.
    """

    @cell
    def step(
        a=further_input("H"),
        b=further_input("H"),
        s=further_input(1),
        h=state(),
        *,
        W=weight("H", "H"),
        U=weight("H", "H"),
        spare=None,
    ):
        # The constant lets a weight that the expression leaves out be.
        return written(a, b, s, W, U)

    page = step.equations(style).removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}")
    return page.partition({"text": "h_t = ", "latex": "h_{t} &= "}[style])[2]


@pytest.mark.parametrize(
    "written, text, latex",
    [
        (lambda a, b, s, W, U: a + (b + a), "a_t + (b_t + a_t)", "a_{t} + (b_{t} + a_{t})"),
        (lambda a, b, s, W, U: a - (b - a), "a_t - (b_t - a_t)", "a_{t} - (b_{t} - a_{t})"),
        (lambda a, b, s, W, U: a - b - a, "a_t - b_t - a_t", "a_{t} - b_{t} - a_{t}"),
        (lambda a, b, s, W, U: (a + b) * a, "(a_t + b_t) * a_t", r"(a_{t} + b_{t}) \odot a_{t}"),
        (lambda a, b, s, W, U: a + b * a, "a_t + b_t * a_t", r"a_{t} + b_{t} \odot a_{t}"),
        (
            lambda a, b, s, W, U: a * (b * a),
            "a_t * (b_t * a_t)",
            r"a_{t} \odot (b_{t} \odot a_{t})",
        ),
        (lambda a, b, s, W, U: 2 * a * s, "2 * a_t * s_t", r"2 \cdot a_{t} \cdot s_{t}"),
        (
            lambda a, b, s, W, U: (a + b) / (a - b),
            "(a_t + b_t) / (a_t - b_t)",
            r"\frac{a_{t} + b_{t}}{a_{t} - b_{t}}",
        ),
        (
            lambda a, b, s, W, U: a / (b / a) * b,
            "a_t / (b_t / a_t) * b_t",
            r"\frac{a_{t}}{\frac{b_{t}}{a_{t}}} \odot b_{t}",
        ),
        (lambda a, b, s, W, U: (a / b) ** 2, "(a_t / b_t) ** 2", r"(\frac{a_{t}}{b_{t}})^{2}"),
        (lambda a, b, s, W, U: W @ (a / b), "W (a_t / b_t)", r"W (\frac{a_{t}}{b_{t}})"),
        (lambda a, b, s, W, U: a**2 + b**3, "a_t ** 2 + b_t ** 3", "a_{t}^{2} + b_{t}^{3}"),
        (lambda a, b, s, W, U: (a + b) ** 3, "(a_t + b_t) ** 3", "(a_{t} + b_{t})^{3}"),
        (lambda a, b, s, W, U: (a**2) ** 2, "(a_t ** 2) ** 2", "(a_{t}^{2})^{2}"),
        (lambda a, b, s, W, U: tanh(a) ** 2, "tanh(a_t) ** 2", r"\tanh(a_{t})^{2}"),
        (
            lambda a, b, s, W, U: a**0.5 + b**-1,
            "sqrt(a_t) + 1 / b_t",
            r"\sqrt{a_{t}} + \frac{1}{b_{t}}",
        ),
        (lambda a, b, s, W, U: -(a + b), "-(a_t + b_t)", "-(a_{t} + b_{t})"),
        (lambda a, b, s, W, U: -a * b, "-a_t * b_t", r"-a_{t} \odot b_{t}"),
        (
            lambda a, b, s, W, U: -softplus(a) / b,
            "-softplus(a_t) / b_t",
            r"\frac{-\operatorname{softplus}(a_{t})}{b_{t}}",
        ),
        (lambda a, b, s, W, U: b - -a * b, "b_t - (-a_t * b_t)", r"b_{t} - (-a_{t} \odot b_{t})"),
        (lambda a, b, s, W, U: a * -b, "a_t * (-b_t)", r"a_{t} \odot (-b_{t})"),
        (lambda a, b, s, W, U: -2.0 * a + b, "-2 * a_t + b_t", r"-2 \cdot a_{t} + b_{t}"),
        (lambda a, b, s, W, U: (-a) ** 2, "(-a_t) ** 2", "(-a_{t})^{2}"),
        (
            lambda a, b, s, W, U: maximum(a, 0.0) + maximum(a, -0.0),
            "maximum(a_t, 0) + maximum(a_t, -0.0)",
            r"\max(a_{t}, 0) + \max(a_{t}, -0.0)",
        ),
        (lambda a, b, s, W, U: a - -b, "a_t - (-b_t)", "a_{t} - (-b_{t})"),
        (lambda a, b, s, W, U: -(a**2), "-a_t ** 2", "-a_{t}^{2}"),
        (lambda a, b, s, W, U: a + -2.0, "a_t + (-2)", "a_{t} + (-2)"),
        (
            lambda a, b, s, W, U: W @ (U @ a) + W.T @ b,
            "W U a_t + W.T b_t",
            r"W U a_{t} + W^{\top} b_{t}",
        ),
        (
            lambda a, b, s, W, U: (W @ a) ** 2 - W @ (a * b),
            "(W a_t) ** 2 - W (a_t * b_t)",
            r"(W a_{t})^{2} - W (a_{t} \odot b_{t})",
        ),
        (lambda a, b, s, W, U: -(W @ tanh(a)), "-W tanh(a_t)", r"-W \tanh(a_{t})"),
        (lambda a, b, s, W, U: abs(a - b), "abs(a_t - b_t)", r"\lvert a_{t} - b_{t} \rvert"),
        (
            lambda a, b, s, W, U: where(a > b, a, 0.0),
            "where(b_t < a_t, a_t, 0)",
            r"\operatorname{where}(b_{t} < a_{t}, a_{t}, 0)",
        ),
        (
            lambda a, b, s, W, U: clip(a, -1, 0.5),
            "minimum(maximum(a_t, -1), 0.5)",
            r"\min(\max(a_{t}, -1), 0.5)",
        ),
        (
            lambda a, b, s, W, U: a - mean(a) + sum_units(b),
            "a_t - mean(a_t) + sum(b_t)",
            r"a_{t} - \operatorname{mean}(a_{t}) + \operatorname{sum}(b_{t})",
        ),
        (
            lambda a, b, s, W, U: hard_sigmoid(a) * softplus(b),
            "hard_sigmoid(a_t) * softplus(b_t)",
            r"\sigma_{\mathrm{hard}}(a_{t}) \odot \operatorname{softplus}(b_{t})",
        ),
        (
            lambda a, b, s, W, U: a * mean(concat(a, b)),
            "a_t * mean(concat(a_t, b_t))",
            r"a_{t} \cdot \operatorname{mean}([a_{t};\; b_{t}])",
        ),
        (lambda a, b, s, W, U: a + 1e-5, "a_t + 1e-05", "a_{t} + 10^{-5}"),
        (lambda a, b, s, W, U: a * 2.5e-7, "a_t * 2.5e-07", r"a_{t} \cdot 2.5 \cdot 10^{-7}"),
        (
            lambda a, b, s, W, U: a + 0.1 + 1e15 + 1e16,
            "a_t + 0.1 + 1000000000000000 + 1e+16",
            "a_{t} + 0.1 + 1000000000000000 + 10^{16}",
        ),
        (lambda a, b, s, W, U: minimum(a, math.inf), "minimum(a_t, inf)", r"\min(a_{t}, \infty)"),
    ],
)
def test_an_expression_is_printed_with_the_parentheses_it_needs(written, text, latex):
    assert (printed(written), printed(written, "latex")) == (text, latex)


def test_the_printed_lstm_is_the_textbooks():
    assert (
        lstm.equations()
        == """\
i, f, g, o = split(W x_t + U h_{t-1} + b, 4)
c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
h_t = sigmoid(o) * tanh(c_t)"""
    )
    assert (
        lstm.equations("latex")
        == r"""\begin{aligned}
i, f, g, o &= \operatorname{split}(W x_{t} + U h_{t-1} + b,\; 4) \\
c_{t} &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g) \\
h_{t} &= \sigma(o) \odot \tanh(c_{t})
\end{aligned}"""
    )


def test_the_printed_original_gru_has_its_indices_below_the_line():
    assert (
        CELLS["gru_original"].equations()
        == """\
xr, xz, xn = split(W x_t + b, 3)
hr, hz = split(U_rz h_{t-1}, 2)
r = sigmoid(xr + hr)
z = sigmoid(xz + hz)
n = tanh(xn + U_n (r * h_{t-1}))
h_t = (1 - z) * n + z * h_{t-1}"""
    )
    assert (
        r"\mathrm{hr}, \mathrm{hz} &= \operatorname{split}(U_{\mathrm{rz}} h_{t-1},\; 2)"
        in CELLS["gru_original"].equations("latex")
    )


def test_a_value_that_nobody_named_has_one_line_where_it_is_used_twice():
    assert (
        CELLS["layer_norm_lstm"].equations()
        == """\
s_1 = W x_t - mean(W x_t)
s_2 = U h_{t-1} - mean(U h_{t-1})
i, f, g, o = split(s_1 / sqrt(mean(s_1 ** 2) + 1e-05) * gain_x + s_2 / sqrt(mean(s_2 ** 2) + 1e-05) * gain_h + b, 4)
c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
s_3 = c_t - mean(c_t)
h_t = sigmoid(o) * tanh(s_3 / sqrt(mean(s_3 ** 2) + 1e-05) * gain_c + b_c)"""
    )


@cell
def unequal(x, h, c=state("P"), *, W=weight("3*H + P + 2", "I"), V=weight("2*H", "I")):
    """Unequal parts, one that nobody uses, and the same value cut in another way."""
    z = W @ x
    a, b, _, e, _ = split(z, ("H", "P", "H", "H", 2))
    first, _ = split(V @ x, 2)
    return a * e + first, c * b


def test_a_split_by_unequal_parts_is_printed_with_its_sizes_and_unused_parts_as_a_line():
    text, latex = unequal.equations(), unequal.equations("latex")
    assert (
        text
        == """\
z = W x_t
a, b, _, e, _ = split(z, (H, P, H, H, 2))
first, _ = split(V x_t, 2)
h_t = a * e + first
c_t = c_{t-1} * b"""
    )
    assert r"a, b, \_, e, \_ &= \operatorname{split}(z,\; (H, P, H, H, 2))" in latex


def test_parts_called_nothing_are_printed_so_however_many_there_are_unless_they_are_used():
    @cell
    def thrifty(x, h, *, W=weight("4*H", "I"), V=weight("2*H", "I")):
        a, _, _, _ = split(W @ x, 4)
        _, b = split(V @ x, 2)
        return a * b + h

    @cell
    def careless(x, h, *, V=weight("2*H", "I")):
        _, b = split(V @ x, 2)
        return _ * b + h

    assert (
        thrifty.equations()
        == "a, _, _, _ = split(W x_t, 4)\n_, b = split(V x_t, 2)\nh_t = a * b + h_{t-1}"
    )
    assert careless.equations() == "s_1, b = split(V x_t, 2)\nh_t = s_1 * b + h_{t-1}"
    for made in (thrifty, careless):
        comes_back(made, "text")


def test_sizes_in_latex_have_their_factors_next_to_them():
    @cell
    def wide(x, h, c=state("P"), *, W=weight("2*H + P", "I")):
        a, b = split(W @ x, ("2*H", "P"))
        return h + mean(a), c + b

    assert (
        r"split}(W x_{t},\; (2 \, H, P))" in wide.equations("latex")
        and "split(W x_t, (2*H, P))" in wide.equations()
    )


def test_greek_names_are_letters_and_korean_names_are_text_in_latex():
    @cell
    def named(
        x, h, 상태, *, W=weight("H", "I"), alpha=weight("H"), beta_i=weight("H"), 가중치=weight("H")
    ):
        Omega = W @ x
        sigma2 = alpha * Omega + Omega
        망각_문 = sigmoid(sigma2 * beta_i)
        long_name = tanh(망각_문) * 망각_문
        return long_name * h, 상태 * 가중치 + long_name

    assert (
        named.equations()
        == """\
Omega = W x_t
sigma2 = alpha * Omega + Omega
망각_문 = sigmoid(sigma2 * beta_i)
long_name = tanh(망각_문) * 망각_문
h_t = long_name * h_{t-1}
상태_t = 상태_{t-1} * 가중치 + long_name"""
    )
    assert (
        named.equations("latex")
        == r"""\begin{aligned}
\mathrm{Omega} &= W x_{t} \\
\sigma_{2} &= \alpha \odot \mathrm{Omega} + \mathrm{Omega} \\
\text{망각}_{\text{문}} &= \sigma(\sigma_{2} \odot \beta_{i}) \\
\mathrm{long}_{\mathrm{name}} &= \tanh(\text{망각}_{\text{문}}) \odot \text{망각}_{\text{문}} \\
h_{t} &= \mathrm{long}_{\mathrm{name}} \odot h_{t-1} \\
\text{상태}_{t} &= \text{상태}_{t-1} \odot \text{가중치} + \mathrm{long}_{\mathrm{name}}
\end{aligned}"""
    )


@pytest.mark.parametrize("greek", sorted(GREEK - {"lambda"}))
def test_every_greek_letter_is_one_in_latex(greek):
    made = {}
    exec(f"def step(x, {greek}):\n    return -{greek}", made)
    assert rf"\{greek}_{{t}} &= -\{greek}_{{t-1}}" in cell(made["step"]).equations("latex")


def test_names_in_the_body_that_are_taken_get_a_number():
    @cell
    def clashing(x, h, *, W=weight("H", "I")):
        h_t = W @ x
        x = tanh(h_t) * h_t
        h = sigmoid(x) * x
        tanh_ = h * h
        return tanh_ + x

    assert (
        clashing.equations()
        == """\
h_t_1 = W x_t
x_1 = tanh(h_t_1) * h_t_1
h_1 = sigmoid(x_1) * x_1
tanh_ = h_1 ** 2
h_t = tanh_ + x_1"""
    )


def test_a_name_that_is_bound_again_belongs_to_its_last_value():
    @cell
    def bound_again(x, h, *, W=weight("H", "I")):
        z = W @ x
        z = tanh(z)
        z = z * h
        return z + 1

    assert bound_again.equations() == "z = tanh(W x_t) * h_{t-1}\nh_t = z + 1"


def test_the_output_has_a_line_unless_it_is_the_first_state():
    @cell
    def read_out(x, h, *, V=weight("Y", "H")):
        h = tanh(h)
        logits = V @ h
        return logits, h

    @cell
    def of_the_second_state(x, h, c):
        c = tanh(c)
        return c, -h, c

    @cell
    def of_the_input(x, h):
        return x, -h

    @cell
    def of_nothing_named(x, h):
        return sigmoid(h), -h

    assert read_out.equations() == "h_t = tanh(h_{t-1})\nlogits_t = V h_t"
    assert of_the_second_state.equations() == "c_t = tanh(c_{t-1})\nh_t = -h_{t-1}\ny_t = c_t"
    assert of_the_input.equations() == "h_t = -h_{t-1}\ny_t = x_t"
    assert of_nothing_named.equations() == "y_t = sigmoid(h_{t-1})\nh_t = -h_{t-1}"


def test_states_that_stay_or_are_the_same_have_lines_all_the_same():
    @cell
    def still(x, h, c, s=state("I")):
        h = tanh(h)
        return h, h, x

    @cell
    def exchanged(x, h, c):
        return c, h

    assert still.equations() == "h_t = tanh(h_{t-1})\nc_t = h_t\ns_t = x_t"
    assert exchanged.equations() == "h_t = c_{t-1}\nc_t = h_{t-1}"


@pytest.mark.parametrize("name", CELLS)
def test_latex_is_one_aligned_environment_with_its_braces_closed(name):
    latex, text = CELLS[name].equations("latex"), CELLS[name].equations()
    assert latex.startswith("\\begin{aligned}\n") and latex.endswith("\n\\end{aligned}")
    lines = latex.splitlines()[1:-1]
    assert len(lines) == len(text.splitlines()) and all(line.count("&=") == 1 for line in lines)
    assert all(line.endswith(r" \\") for line in lines[:-1]) and not lines[-1].endswith("\\")
    assert all(
        line.count("{") == line.count("}") and line.count("(") == line.count(")") for line in lines
    )


@pytest.mark.parametrize("name", CELLS)
def test_a_derived_backward_changes_nothing_that_is_printed(name):
    made = CELLS[name].with_constants()
    before = made.equations()
    derive(made.graph)
    assert made.equations() == before


@pytest.mark.parametrize("style", ["markdown", "TEXT", "", None])
def test_a_style_that_there_is_not_is_refused_with_those_there_are(style):
    with pytest.raises(InputError, match=f"^style={style!r}: the styles are 'text', 'latex'$"):
        elman.equations(style)
