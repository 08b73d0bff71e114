"""The baseline of the nearest training sequence."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from ostinato.tasks.nearest_neighbour import nearest_labels


@pytest.mark.parametrize("units", [1, 3])
def test_rows_of_one_length_are_compared_as_scikit_learn_compares_them(units):
    random = np.random.default_rng(0)
    rows, others = random.normal(size=(2, 20, 9, units)).astype(np.float32)
    labels = np.arange(20) % 4
    theirs = KNeighborsClassifier(1).fit(rows.reshape(20, -1), labels)
    found = nearest_labels([*rows], labels, [*others])
    assert found.tolist() == theirs.predict(others.reshape(20, -1)).tolist()


def test_the_same_curve_at_another_length_is_near():
    def curve(power: float, steps: int) -> np.ndarray:
        return (np.linspace(0, 1, steps) ** power)[:, None]

    rows = [curve(power, steps) for power in (0.2, 1, 5) for steps in (7, 30, 900)]
    others = [curve(power, steps) for power in (5, 0.2, 1) for steps in (12, 2000)]
    labels = np.arange(9) // 3
    assert nearest_labels(rows, labels, others).tolist() == [2, 2, 0, 0, 1, 1]


@pytest.mark.parametrize("steps", [0, 1])
def test_rows_without_steps_have_an_answer(steps):
    rows = [np.zeros((steps, 2)), np.ones((steps, 2))]
    assert nearest_labels(rows, np.array([1, 0]), [np.zeros((0, 2))]).tolist() == [1]
