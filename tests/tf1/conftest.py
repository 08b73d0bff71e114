"""Fixtures of the tests of tf1."""

import pytest

import ostinato.tf1 as tf
from ostinato.tf1.core import executor


@pytest.fixture(autouse=True)
def _empty_graph(monkeypatch):
    """A new default graph, in which every value is checked against the dtype and shape of its
    tensor.
    """
    monkeypatch.setattr(executor, "check_dtypes", True)
    tf.reset_default_graph()
