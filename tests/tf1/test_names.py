"""Every name of the table is there, and the pages list them."""

import importlib

import pytest

import ostinato.tf1 as tf
from catalogue import tensorflow
from ostinato.tf1.names import ALIASES
from ostinato.tf1.namespaces import TABLE, Namespace, namespace, resolve
from places import ROOT


@pytest.mark.parametrize("within", list(TABLE))
def test_every_name_of_the_table_is_there(within):
    for name in TABLE[within]:
        assert resolve(within, name) is not None, name


@pytest.mark.parametrize("within", list(ALIASES))
def test_another_namespace_has_the_names_of_the_first(within):
    first = namespace(ALIASES[within].removeprefix("tf").lstrip("."))
    name = next(iter(TABLE[ALIASES[within]]))
    assert getattr(namespace(within.removeprefix("tf.")), name) is getattr(first, name)


def test_a_package_of_the_code_does_not_hide_a_namespace():
    importlib.import_module("ostinato.tf1.train.optimizers")
    importlib.import_module("ostinato.tf1.keras")
    for name in ("train", "keras", "layers", "data", "app"):
        assert isinstance(getattr(tf, name), Namespace)


@pytest.mark.parametrize("language", list(tensorflow.PAGES))
def test_the_page_of_names_is_as_the_code_says(language):
    path = ROOT / "docs" / tensorflow.PAGES[language]
    assert path.read_text(encoding="utf-8") == tensorflow.page(language), (
        "run python -m catalogue docs"
    )
