"""One training step of a TensorFlow 1 program with a BasicLSTM network, next to the same step of
Ostinato's own layer with torch's Adam.

    python benchmarks/tf1_step.py [--outputs last|all] [--rounds 20]

The step feeds a batch, computes the loss and the gradients, and updates the weights by Adam. The
programs take turns in one process on one thread; the table has the median of each, and its ratio to
the layer: the median of the ratios of each round, and that of the minima.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import ostinato
import ostinato.tf1 as tf

BATCH, STEPS, INPUTS, UNITS, CLASSES = 32, 100, 64, 128, 10


def data(outputs: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (B, T, I), and labels (B,) or (B, T)."""
    random = np.random.default_rng(1)
    shape = (BATCH,) if outputs == "last" else (BATCH, STEPS)
    x = random.standard_normal((BATCH, STEPS, INPUTS), np.float32)
    return x, random.integers(0, CLASSES, shape)


def layer_step(outputs: str) -> Callable[[], float]:
    """A step with `ostinato.LSTM` and torch's Adam."""
    x, y = map(torch.from_numpy, data(outputs))
    lstm = ostinato.LSTM(INPUTS, UNITS, batch_first=True)
    dense = torch.nn.Linear(UNITS, CLASSES)
    adam = torch.optim.Adam([*lstm.parameters(), *dense.parameters()], 1e-3)

    def step() -> float:
        adam.zero_grad()
        h, _ = lstm(x)
        logits = dense(h[:, -1] if outputs == "last" else h.reshape(-1, UNITS))
        loss = torch.nn.functional.cross_entropy(logits, y.reshape(-1))
        loss.backward()
        adam.step()
        return loss.item()

    return step


def program_step(outputs: str, arithmetic: str) -> Callable[[], float]:
    """A step of the TensorFlow 1 program."""
    tf.reset_default_graph()
    tf.set_random_seed(1)
    shape = [None] if outputs == "last" else [None, STEPS]
    x = tf.placeholder(tf.float32, [None, STEPS, INPUTS])
    y = tf.placeholder(tf.int32, shape)
    h, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.BasicLSTMCell(UNITS), x, dtype=tf.float32)
    logits = tf.layers.dense(h[:, -1] if outputs == "last" else h, CLASSES)
    loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
    train = tf.train.AdamOptimizer(1e-3).minimize(loss)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    batch = dict(zip((x, y), data(outputs)))

    def step() -> float:
        tf.set_arithmetic(arithmetic)
        _, value = session.run([train, loss], batch)
        return value

    return step


def timed(step: Callable[[], float]) -> float:
    """Milliseconds of a step."""
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", choices=("last", "all"), default="last")
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    steps = {
        "ostinato.LSTM, torch.optim.Adam": layer_step(given.outputs),
        "tf1, fast": program_step(given.outputs, "fast"),
        "tf1, tensorflow": program_step(given.outputs, "tensorflow"),
    }
    for step in steps.values():
        for _ in range(3):
            step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(given.rounds):
        for name, step in steps.items():
            times[name].append(timed(step))
    first = next(iter(times.values()))
    print(f"{'dense on ' + given.outputs:<34}{'ms':>8}{'ratio':>8}{'of minima':>11}")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, first))
        least = min(own) / min(first)
        print(f"{name:<34}{statistics.median(own):>8.1f}{ratio:>8.2f}{least:>11.2f}")


if __name__ == "__main__":
    main()
