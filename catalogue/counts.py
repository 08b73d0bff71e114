"""The size of a cell: its parameters and its multiply-adds."""

from collections.abc import Sequence

from ostinato.cells import classic, contrib, research
from ostinato.engines.loops import multiply_adds
from ostinato.language.graph import Graph, Size

FAMILIES = {"classic": classic.CELLS, "contrib": contrib.CELLS, "research": research.CELLS}
# B, T, I, H of the measurements; every other letter of a cell stands for OTHER units.
SHAPE, OTHER = (32, 100, 64, 128), 64


def parameters(graph: Graph) -> str:
    """How many parameters a cell has for each of its H units.

    Example:
        >>> from ostinato.cells import fast_rnn, lstm
        >>> parameters(lstm.graph), parameters(fast_rnn.graph)
        ('4*H + 4*I + 4', 'H + I + 1 + 2/H')
    """
    total = Size(0)
    for weight in graph.weights.values():
        product = Size(1)
        for size in weight.shape:
            product = product * size
        total = total + product
    terms = []
    for letters, count in sorted(total.terms, key=lambda term: (-len(term[0]), term)):
        left = list(letters)
        over = "" if "H" in left else "/H"
        if not over:
            left.remove("H")
        factors = ([] if count == 1 and left else [str(count)]) + left
        terms.append("*".join(factors) + over)
    return " + ".join(terms)


def work(graph: Graph, shape: Sequence[int] = SHAPE) -> int:
    """The multiply-adds of products that a cell makes for a step of a row, at the I and H of a
    shape (B, T, I, H).
    """
    letters = graph.letters | graph.output.size.letters
    return multiply_adds(graph, dict.fromkeys(letters, OTHER) | {"I": shape[2], "H": shape[3]})
