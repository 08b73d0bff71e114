"""Every example in a docstring is run and prints what it says."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import ostinato
from ostinato.tf1.kernels import random

MODULES = [
    "ostinato",
    *(
        module.name
        for module in pkgutil.walk_packages(ostinato.__path__, "ostinato.")
        if module.name != "ostinato.__main__"
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, monkeypatch):
    monkeypatch.setattr(random, "device", random.device)  # an example sets its seed
    module = importlib.import_module(name)
    examples = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    headed = re.findall(r"^ *Example:$", inspect.getsource(module), re.M)
    assert len(examples) == len(headed), (
        "each example is one that doctest finds, and has its heading"
    )
    runner, printed = doctest.DocTestRunner(), []
    for test in examples:
        runner.run(test, out=printed.append)
    assert not printed, "".join(printed)


def test_there_are_examples():
    assert (
        sum("Example:" in inspect.getsource(importlib.import_module(name)) for name in MODULES) > 5
    )
