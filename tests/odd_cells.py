"""Cells that nobody would train, each for what it makes a planner and a gradient do."""

from ostinato import cell, concat, exp, mean, sigmoid, split, state, tanh, weight, where
from ostinato import input as further_input
from ostinato import sum as sum_units


@cell
def parts(x, h, c=state("P"), *, W=weight("2*H + P", "I"), U=weight("H", "H + P"), v=weight("P")):
    """Slices of unequal size, and a concat that is multiplied."""
    a, b, d = split(W @ x, ("H", "P", "H"))
    return tanh(a + U @ concat(h, c * v)) + d, tanh(b) * c


@cell
def transposed(x, h, *, W=weight("H", "I"), U=weight("I", "H")):
    """One weight in both directions, twice."""
    return tanh(W @ tanh(W.T @ h + x) + U.T @ x) + W @ x


@cell
def reduced(x, h, *, W=weight("H", "I"), w=weight("H")):
    """Sums and means over units that go back to all units."""
    z = W @ x + w * h
    return exp(z - mean(z)) / sum_units(exp(z)) + mean(h * h) + sum_units(x)


@cell
def timed(
    x, t=further_input(1), h=state(), *, W=weight("H", "I"), U=weight("H", "H"), decay=weight("H")
):
    """A cell of two inputs: the state fades with the time since the step before."""
    return tanh(W @ x + U @ (h * sigmoid(decay * t)))


@cell
def read_out(x, h, *, W=weight("H", "I"), U=weight("H", "H"), V=weight("Y", "H")):
    """A cell whose output is not a state."""
    h = tanh(W @ x + U @ h)
    return V @ h, h


@cell
def faded(x, h=state("I")):
    """A cell without weights."""
    return 0.5 * h + x


@cell
def delayed(x, h, c, *, W=weight("H", "I"), U=weight("H", "H")):
    """A cell whose output is a state as it was, and whose states change places."""
    return c, tanh(W @ x + U @ h)


@cell
def doubled(x, h, *, W=weight("2*H", "I"), U=weight("H", "3*H"), V=weight(1, "2*H")):
    """Products, forward and backward, of arguments that have the same units several times."""
    a, b = split(W @ x, 2)
    z = U @ concat(h, a + b, h)
    return tanh(z * (V @ concat(z, z)))


@cell
def stepped(x, h=state("I")):
    """A cell whose gradients are constants."""
    return where(x < 0, 0.5 * h + 1, 0.25 * h)
