"""Fixtures of the tests of tf1."""

import logging

import pytest

import ostinato.tf1 as tf
from ostinato.tf1.core import executor


@pytest.fixture(autouse=True)
def _empty_graph(monkeypatch):
    """A new default graph, in which every value is checked against the dtype and shape of its
    tensor. The level of messages, which programs set, is put back.
    """
    monkeypatch.setattr(executor, "check_dtypes", True)
    tf.reset_default_graph()
    logger = logging.getLogger("ostinato.tf1")
    level = logger.level
    yield
    logger.setLevel(level)
