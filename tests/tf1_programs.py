"""The values of a program that are compared with TensorFlow 1.13.1, by `measure`, which also
recorded them.
"""

import numpy as np
import pytest

import ostinato.tf1 as tf

# (3, 6, 4), and times that grow from step to step.
X = np.random.RandomState(3).randn(3, 6, 4).astype(np.float32)
TIMES = np.cumsum(np.abs(np.random.RandomState(4).randn(3, 6, 1)), 1).astype(np.float32)


def steps(*arrays, count=3):
    """The first steps of a batch, or of several together."""
    parts = [tuple(tf.constant(array[:, t]) for array in arrays or (X,)) for t in range(count)]
    return [part if len(part) > 1 else part[0] for part in parts]


def flat(value):
    """The tensors of what a call returned."""
    return (
        []
        if value is None
        else [t for part in value for t in flat(part)]
        if isinstance(value, (tuple, list))
        else [value]
    )


def measure(build, seed=777):
    """The number of operations, the sum of the squares of all results, and that of its gradients by
    all variables.
    """
    tf.reset_default_graph()
    tf.set_random_seed(seed)
    results = flat(build())
    count = len(tf.get_default_graph().get_operations())
    total = tf.reduce_sum(tf.square(results[0]))
    for result in results[1:]:
        total = total + tf.reduce_sum(tf.square(result))
    gradients = [g for g in tf.gradients(total, tf.trainable_variables()) if g is not None]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        total, gradients = sess.run([total, gradients])
    tf.reset_default_graph()
    return count, total, sum((g.astype(np.float64) ** 2).sum() for g in gradients)


def agrees(build, recorded):
    """Assert that a program gives what TensorFlow 1.13.1 gave."""
    count, *numbers = measure(build)
    assert count == recorded[0] and numbers == pytest.approx(recorded[1:], rel=1e-4)
