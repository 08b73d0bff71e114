"""A cell's layer on the reference engine, and one step written in NumPy from the cell's paper."""

import numpy as np
import torch

from ostinato import Recurrent

# Sizes of the input, of the state, and of every other letter of a cell.
I, H, P, ROWS, STEPS = 3, 7, 4, 5, 3


def logistic(z):
    return 1 / (1 + np.exp(-z))


def run(made, scale=1.0):
    """A layer of a cell with random weights over a random sequence from random states: what went
    in, and what came out.
    """
    letters = {letter: P for letter in made.graph.letters if letter not in "IH"}
    layer = Recurrent(made, I, H, sizes=letters, engine="reference", dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    x = torch.randn(ROWS, STEPS, I, dtype=torch.float64)
    states = tuple(
        torch.randn(1, ROWS, size.at({"I": I, "H": H, **letters}), dtype=torch.float64)
        for size in made.graph.states.values()
    )
    output, ends = layer(x, states)
    weights = {name: w.detach().numpy() for name, w in layer.cell_weights(0).items()}
    return weights, x.numpy(), tuple(s[0].numpy() for s in states), output, ends


def agrees(made, paper, close, scale=1.0, **constants):
    """Assert that a layer computes what the paper's equations do with these constants; give the
    output and the new states.

    `paper(weights, x, *states, **constants)` gives a step's output and its new states.
    """
    weights, x, states, output, ends = run(made, scale)
    for t in range(STEPS):
        wanted, states = paper(weights, x[:, t], *states, **constants)
        close(output[:, t], torch.from_numpy(wanted))
    for end, state in zip(ends, states, strict=True):
        close(end[0], torch.from_numpy(state))
    return output, ends
