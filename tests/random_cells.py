"""Random cells of the whole language, as source text, and random layers of them.

Values stay tame: no operation is given an argument near a pole, and what has grown goes through
tanh, so that results differ between dtypes by rounding and by nothing else.
"""

import random
import re
from dataclasses import dataclass

import ostinato
from ostinato.language.graph import POINTWISE, Size
from ostinato.language.tracing import Cell, cell

# Whole vectors of every width, one more and one less, and odd ones; small ones come more often.
UNITS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 63)
SMALL = UNITS[:9]
# Sizes of states, inputs and values; "I" is another number in every layer.
SIZES = ("H", "H", "P", "1", "2*H", "H + P")
# Above this a value goes through tanh before it is used.
LARGE = 6.0
# The operations that a body is made of; `test_random_cells.py` checks that every entry of the
# language's list occurs.
OPERATIONS = (
    "sigmoid",
    "tanh",
    "relu",
    "exp",
    "log",
    "sqrt",
    "softplus",
    "hard_sigmoid",
    "floor",
    "abs",
    "maximum",
    "minimum",
    "where",
    "clip",
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "power",
    "product",
    "transposed",
    "vector",
    "split",
    "concat",
    "sum",
    "mean",
    "normalised",
    "number",
    "constant",
)


@dataclass(frozen=True)
class Name:
    """A value of a body: how it is written, its size, and about how large its units are at most."""

    text: str
    size: Size
    bound: float


class Body:
    """A cell's source text as it is drawn.

    Args:
        draw: The random generator.
    """

    def __init__(self, draw: random.Random):
        self.draw = draw
        self.weights: dict[str, tuple[str, ...]] = {}
        self.lines: list[str] = []
        self.inputs = {"x": "I"} | ({"t": draw.choice(("1", "J"))} if draw.random() < 0.25 else {})
        self.states = {
            name: draw.choice(SIZES) for name in ("h", "c", "m")[: draw.choice((1, 1, 2, 2, 3))]
        }
        self.names = [Name(name, Size(_size(size)), 2.0) for name, size in self.inputs.items()]
        self.names += [Name(name, Size(_size(size)), 1.5) for name, size in self.states.items()]
        self.count = 0
        for _ in range(draw.randint(3, 9)):
            getattr(self, f"_{draw.choice(OPERATIONS)}")()
        self.results = self._results()
        if draw.random() < 0.3:
            self.results.insert(
                0, draw.choice([n for n in self.names if n.text not in self.weights]).text
            )

    @property
    def source(self) -> str:
        """The cell as a person would write it."""
        inputs = ["x"] + [f"{name}=input({size!r})" for name, size in list(self.inputs.items())[1:]]
        states = [f"{name}=state({size!r})" for name, size in self.states.items()]
        weights = [
            f"{name}=weight({', '.join(map(repr, shape))})" for name, shape in self.weights.items()
        ]
        head = f"def drawn({', '.join([*inputs, *states])}, *, {', '.join([*weights, 'k=0.7'])}):"
        return "\n".join(
            [head, *(f"    {line}" for line in self.lines), f"    return {', '.join(self.results)}"]
        )

    # ------------------------------------------------------------ what there is

    def _any(self, size: Size | None = None) -> Name:
        """A value, of this size if one is given, that is not large."""
        found = self.draw.choice(
            [n for n in self.names if size is None or n.size == size] or [self._product(size)]
        )
        return self._tame(found)

    def _tame(self, name: Name) -> Name:
        return self._give(f"tanh({name.text})", name.size, 1.0) if name.bound > LARGE else name

    def _other(self, size: Size) -> Name:
        """A value that goes with one of this size: of the same size, of size 1, or for one of size
        1 of any.
        """
        kind = self.draw.random()
        if kind < 0.15:
            number = self.draw.choice((0.5, -1.0, 2.0, 1.0, 0.0))
            return Name(f"{number}", size, abs(number))
        if kind < 0.4:
            return self._any(Size(1))
        return self._any(None if size == Size(1) else size)

    def _give(self, text: str, size: Size, bound: float) -> Name:
        """A line of the body."""
        name = Name(f"v{self.count}", size, bound)
        self.count += 1
        self.lines.append(f"{name.text} = {text}")
        self.names.append(name)
        return name

    def _weight(self, *shape: Size) -> str:
        name = f"W{len(self.weights)}"
        self.weights[name] = tuple(map(str, shape))
        return name

    def _product(self, size: Size | None = None) -> Name:
        size = size or Size(_size(self.draw.choice(SIZES)))
        a = self._tame(self.draw.choice(self.names))
        return self._give(f"{self._weight(size, a.size)} @ {a.text}", size, 2.5 * a.bound)

    def _results(self) -> list[str]:
        """The new states, bounded; what no line has used goes into them."""
        sizes = {state: Size(_size(size)) for state, size in self.states.items()}
        used = set(re.findall(r"\w+", " ".join(line.partition("=")[2] for line in self.lines)))
        parts: dict[str, list[Name]] = {state: [] for state in sizes}
        for name in [n for n in self.names if n.text not in used and n.text not in sizes]:
            parts[
                self.draw.choice(
                    [state for state in sizes if sizes[state] == name.size] or [*sizes]
                )
            ].append(name)
        results = []
        for state, size in sizes.items():
            added = []
            for name in parts[state] or [self._any(size)]:
                name = self._tame(name)
                if name.size not in (size, Size(1)) and self.draw.random() < 0.5:
                    name = self._give(
                        f"{self._weight(size, name.size)} @ {name.text}", size, 2.5 * name.bound
                    )
                elif name.size not in (size, Size(1)):
                    name = self._give(f"mean({name.text})", Size(1), name.bound)
                added.append(name)
            wide = [] if size in {n.size for n in added} else [state]
            v = self._give(" + ".join([n.text for n in added] + wide), size, LARGE).text
            results.append(
                self.draw.choice(
                    (
                        f"tanh({v})",
                        f"0.5 * {state} + 0.5 * tanh({v})",
                        f"sigmoid({v}) + 0 * {state}",
                        f"clip({v} + 0.5 * {state}, -1, 1)",
                        f"(1 - sigmoid({v})) * {state} + sigmoid({v}) * "
                        f"tanh({self._any(size).text})",
                        f"({v} + {state}) / (1 + abs({v}))",
                    )
                )
            )
        return results

    # ------------------------------------------------------------ one method for each of OPERATIONS

    def _unary(self, text: str, bound):
        a = self._any()
        self._give(text.format(a.text), a.size, bound(a.bound) if callable(bound) else bound)

    def _sigmoid(self):
        self._unary("sigmoid({})", 1.0)

    def _tanh(self):
        self._unary("tanh({})", 1.0)

    def _relu(self):
        self._unary("relu({})", lambda b: b)

    def _exp(self):
        self._unary("exp(0.3 * {})", lambda b: 2.718 ** (0.3 * b))

    def _log(self):
        self._unary("log(1.5 + abs({}))", 2.5)

    def _sqrt(self):
        self._unary("sqrt(0.5 + {0} * {0})", lambda b: b + 1)

    def _softplus(self):
        self._unary("softplus({})", lambda b: b + 1)

    def _hard_sigmoid(self):
        self._unary("hard_sigmoid(2 * {})", 1.0)

    def _floor(self):
        self._unary("floor(2 * {})", lambda b: 2 * b + 1)

    def _abs(self):
        self._unary("abs({})", lambda b: b)

    def _neg(self):
        self._unary("-{}", lambda b: b)

    def _clip(self):
        self._unary("clip({}, -0.5, 0.75)", 0.75)

    def _constant(self):
        self._unary("k * {}", lambda b: b)

    def _power(self):
        text, bound = self.draw.choice(
            (
                ("{} ** 2", lambda b: b * b),
                ("{} ** 3", lambda b: b**3),
                ("(abs({}) + 1) ** -1", 1.0),
                ("(abs({}) + 1) ** 0.5", lambda b: b + 1),
            )
        )
        self._unary(text, bound)

    def _pair(self, text: str, bound):
        a = self._any()
        b = self._other(a.size)
        size = b.size if a.size == Size(1) else a.size
        if self.draw.random() < 0.5:
            a, b = b, a
        if not (a.text[-1].isdigit() and a.text[0] in "-0123456789" and b.text[0] in "-0123456789"):
            self._give(text.format(a.text, b.text), size, bound(a.bound, b.bound))

    def _add(self):
        self._pair("{} + {}", lambda a, b: a + b)

    def _sub(self):
        self._pair("{} - {}", lambda a, b: a + b)

    def _mul(self):
        self._pair("{} * {}", lambda a, b: a * b)

    def _div(self):
        a = self._any()
        b = self._tame(self.draw.choice([n for n in self.names if n.size in (a.size, Size(1))]))
        self._give(f"{a.text} / (1.5 + {b.text} * {b.text})", a.size, a.bound)

    def _maximum(self):
        self._pair("maximum({}, {})", max)

    def _minimum(self):
        self._pair("minimum({}, {})", max)

    def _where(self):
        a = self._any()
        b, c, d = (self._other(a.size) for _ in range(3))
        size = next((n.size for n in (a, b, c, d) if n.size != Size(1)), Size(1))
        fits = all(n.size in (size, Size(1)) for n in (b, c, d))
        self._give(
            f"where({a.text} {self.draw.choice('<>')} {b.text}, {c.text}, {d.text})"
            if fits
            else f"where({a.text} < 0.1, k * {a.text}, {a.text})",
            size if fits else a.size,
            max(n.bound for n in (a, c, d)),
        )

    def _transposed(self):
        made = [(name, shape) for name, shape in self.weights.items() if len(shape) == 2]
        name, shape = self.draw.choice(made) if made else (None, None)
        a = [n for n in self.names if name and n.size == Size(_size(shape[0]))]
        if a:
            a = self._tame(self.draw.choice(a))
            self._give(f"{name}.T @ {a.text}", Size(_size(shape[1])), 2.5 * a.bound)

    def _vector(self):
        size = self._any().size if self.draw.random() < 0.7 else Size(1)
        self.names.append(Name(self._weight(size), size, 1.5))

    def _split(self):
        a = self.draw.choice(self.names)
        if a.size == Size("H + P"):
            parts, sizes = "('P', 'H')", (Size("P"), Size("H"))
        elif a.size == Size("2*H"):
            parts, sizes = "2", (Size("H"), Size("H"))
        else:
            return
        names = [Name(f"v{self.count + k}", size, a.bound) for k, size in enumerate(sizes)]
        self.count += 2
        self.lines.append(f"{', '.join(n.text for n in names)} = split({a.text}, {parts})")
        self.names += names

    def _concat(self):
        parts = [self._any() for _ in range(self.draw.choice((2, 2, 3)))]
        total = sum((n.size for n in parts), Size(0))
        joined = self._give(
            f"concat({', '.join(n.text for n in parts)})", total, max(n.bound for n in parts)
        )
        self._give(
            f"{self._weight(Size('H'), total)} @ {joined.text}", Size("H"), 2.5 * joined.bound
        )

    def _sum(self):
        a = self._any()
        self._give(f"0.05 * sum({a.text})", Size(1), 2 * a.bound)

    def _mean(self):
        a = self._any()
        self._give(f"mean({a.text})", Size(1), a.bound)

    def _normalised(self):
        a = self._any()
        v = self._give(f"{a.text} - mean({a.text})", a.size, a.bound)
        self._give(f"{v.text} / sqrt(mean({v.text} * {v.text}) + 0.5)", a.size, 3.0)

    def _number(self):
        self._unary(
            self.draw.choice(
                (
                    "{} + 1",
                    "1 - {}",
                    "{} * -0.5",
                    "0.0 * {}",
                    "{} - 0.25",
                    "2 / (2 + abs({}))",
                    "1.0 * {}",
                )
            ),
            lambda b: b + 1,
        )


def _size(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def made(source: str) -> Cell:
    """The cell of a source text."""
    words = {
        name: getattr(ostinato, name)
        for name in ("weight", "state", "input", "split", "concat", "sum", "mean", "clip")
    }
    words |= {
        name: getattr(ostinato, name)
        for name, op in POINTWISE.items()
        if op.text.startswith(f"{name}(") and name != "abs"
    }
    exec(source, words)  # noqa: S102 - the text is drawn above
    return cell(words["drawn"])
