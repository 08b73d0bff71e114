"""The imports of each module, what `import ostinato` costs, and how long a file is."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from moved import MOVED, PART
from ostinato.tf1.names import NAMES
from places import ROOT

SOURCE = ROOT / "src" / "ostinato"

# A package imports only those on the lines above it; a module without a package counts as one. What
# is imported in a function, when it is needed, is free: `language` reaches the text of a plan so.
ORDER = """
    errors
    language
    ostinato compiler cells
    engines.kernels options
    engines
    nn data
    training
    tasks tf1 inspection
    exchange
    bench
    cli
    __main__
""".strip("\n")
LEVELS = {
    package: level for level, line in enumerate(ORDER.splitlines()) for package in line.split()
}

# Longer than 500 lines, with one argument on a line, each for a reason.
LONG = {
    "bench.peers": "one class for each library that is compared, all with the same few methods",
    "bench.roofline": "the model, its measurements and its drawing share their units",
    "cells.contrib": "equations, a function for each cell",
    "cli.tasks": "the commands of the tasks share the options that are made from dataclasses",
    "compiler.plan": "the parts of a step before, in and after the loop decide about each other",
    "data.annotated": "three readers of annotated sequences over the same checks",
    "data.files": "every file that is read or written goes through these checks",
    "data.tables": "four file formats become one class of table",
    "data.vocabulary": "three kinds of tokens with one interface",
    "engines.executable": "forward and backward of an executable are mirror images",
    "engines.kernels.time_loop": "the code of one loop, written from the outside in: tasks, rows, "
    "groups, products, pointwise work, sums",
    "engines.passes": "forward and backward passes share their arrays and jobs",
    "inspection": "a table, a picture and gradients of the same recorded steps",
    "nn.recurrent": "the arguments of a layer and of its calls, each with its documentation",
    "tasks.classify": "one task from its options to its answers",
    "tasks.forecast": "one task from its options to its answers",
    "tasks.options": "a table: the options of each task",
    "tasks.tag": "one task from its options to its answers",
    "tasks.task": "fit, evaluate, predict and save of all tasks",
    "tf1.names": "a table: the names of TensorFlow 1",
    "training.loop": "the loop and what it does when it stops, resumes and evaluates",
    "training.report": "one function for each part of the page",
}
HEAVY = {
    "sklearn",
    "scipy",
    "llvmlite",
    "lightning",
    "matplotlib",
    "pandas",
    "polars",
    "PIL",
    "av",
    "torchmetrics",
    "sacrebleu",
    "jinja2",
    "typer",
    "rich",
    "tokenizers",
    "safetensors",
    "regex",
    "onnx",
    "onnxruntime",
    "h5py",
    "jax",
    "keras",
}


def name(path: Path) -> str:
    """The module that a file is, as `ORDER` has it."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "ostinato"


FILES = {name(path): path for path in SOURCE.rglob("*.py")}


def statements(tree, *, checked: bool):
    """All statements that run when a module is imported; with `checked` those for a type checker
    too.
    """
    for child in ast.iter_child_nodes(tree):
        skipped = (
            not checked and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        )
        if not skipped and not isinstance(
            child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        ):
            yield child
            yield from statements(child, checked=checked)


def imported(module: str) -> set[str]:
    """The modules of this package that a module imports when it is imported itself."""
    found, path = set(), FILES[module]
    package = ["ostinato", *path.relative_to(SOURCE).parts[:-1]]
    for statement in statements(ast.parse(path.read_text(encoding="utf-8")), checked=False):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) + 1 - statement.level] if statement.level else []
            origin = ".".join([*above, *filter(None, [statement.module])])
            names = [f"{origin}.{alias.name}" for alias in statement.names]
            found |= {name if name.removeprefix("ostinato.") in FILES else origin for name in names}
    return {name.removeprefix("ostinato.") for name in found} & FILES.keys()


def package(module: str) -> str:
    """The package, as `ORDER` has it, that a module is in."""
    return "engines.kernels" if module.startswith("engines.kernels") else module.partition(".")[0]


def test_every_package_has_its_place_in_the_order():
    assert {package(module) for module in FILES} == {*LEVELS}


@pytest.mark.parametrize("module", sorted(FILES))
def test_a_module_imports_only_packages_above_its_own(module):
    for other in imported(module):
        if package(other) != package(module):
            assert LEVELS[package(other)] < LEVELS[package(module)], other


def test_no_modules_import_each_other():
    order = graphlib.TopologicalSorter(
        {module: imported(module) - {"ostinato"} for module in FILES}
    )
    assert {*order.static_order()} | {"ostinato"} == {*FILES}


def test_imports_are_seen():
    assert imported("errors") == set() and {
        "language.graph",
        "engines.reference",
        "engines.loops",
    } <= imported("engines.executable")
    assert "ostinato" in imported("bench.peers") and "engines.plan_text" not in imported(
        "language.tracing"
    )
    assert "language" in imported("ostinato")


def test_the_top_of_the_package_is_small():
    assert len([path for path in SOURCE.iterdir() if path.name != "__pycache__"]) <= 18


def loaded_after(code: str) -> set[str]:
    """The modules that a process has imported after some statements."""
    printed = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {*printed.stdout.split()}


def test_importing_the_package_imports_nothing_that_few_need():
    assert loaded_after(
        "import ostinato, ostinato.cells, ostinato.options, ostinato.tasks"
    ).isdisjoint({"torch", "numpy"} | HEAVY)
    loaded = loaded_after("from ostinato import LSTM")
    assert {"ostinato.nn.torch_layers", "torch"} <= loaded and HEAVY.isdisjoint(loaded)
    # torch.compile's own modules take a second and more
    assert "torch._dynamo" not in loaded


def test_formats_of_other_tools_are_imported_when_they_are_asked_for():
    loaded = loaded_after("import ostinato, ostinato.cli.main\nostinato.LSTM, ostinato.Classifier")
    assert not [name for name in loaded if name.startswith("ostinato.exchange")]
    assert loaded.isdisjoint({"onnx", "onnxruntime", "h5py", "pyfive", "keras", "ziglang"})


def test_a_layer_is_imported_when_it_is_asked_for():
    import ostinato
    from ostinato.nn import recurrent, torch_layers

    assert (ostinato.LSTM, ostinato.GRU, ostinato.RNN, ostinato.Recurrent) == (
        torch_layers.LSTM,
        torch_layers.GRU,
        torch_layers.RNN,
        recurrent.Recurrent,
    )
    assert set(ostinato.__all__) <= set(dir(ostinato)) and all(
        hasattr(ostinato, name) for name in ostinato.__all__
    )
    loaded_after("import ostinato; ostinato.engines.doctor, ostinato.tasks.Classifier")
    with pytest.raises(AttributeError, match="module 'ostinato' has no attribute 'LSTN'"):
        ostinato.LSTN


def test_a_static_checker_is_told_of_every_public_name():
    for module in ("ostinato", "tasks"):
        tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        imported_names = {
            alias.asname or alias.name
            for node in statements(tree, checked=True)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        public = next(
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
        )
        assert set(ast.literal_eval(public)) <= defined | imported_names


def test_a_file_is_short_unless_there_is_a_reason():
    assert (
        {
            module
            for module, path in FILES.items()
            if len(path.read_text(encoding="utf-8").splitlines()) > 500
        }
        <= LONG.keys()
        <= FILES.keys()
    )


def test_the_architecture_page_names_every_package_and_module():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^### `([\w.]+)`.*?$(.*?)(?=^### |^## |\Z)", page))
    packages = {".".join(path.parent.relative_to(SOURCE).parts): path for path in FILES.values()}
    assert {name or "ostinato" for name in packages} == sections.keys()
    for package, text in sections.items():
        folder = SOURCE / Path(*package.split(".")) if package != "ostinato" else SOURCE
        named = set(re.findall(r"`(\w+\.(?:py|html|typed))`", text))
        there = {p.name for p in folder.iterdir() if p.suffix in (".py", ".html", ".typed")}
        assert named == there, package


def test_a_class_name_stands_for_one_class():
    """A class of tf1 whose name is TensorFlow's own does not count: programs ask for `LSTM` and
    `Dense` by those names, and TensorFlow itself has some of them in two namespaces.
    """
    tensorflow = {word for names in NAMES.values() for word in re.findall(r"\w+", names)}
    modules = {}
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            counts = package(module) != "tf1" or getattr(node, "name", None) not in tensorflow
            if isinstance(node, ast.ClassDef) and counts:
                modules.setdefault(node.name.lstrip("_"), []).append(module)
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_a_module_lists_its_public_names_or_says_that_it_is_private():
    for module, path in FILES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)}
        private = ast.get_docstring(tree).startswith("Private: ")
        assert "__all__" in names or private or module == "__main__", module


@pytest.mark.parametrize("test", [*MOVED, *PART])
def test_what_make_slow_runs_alone_is_there(test):
    path, name = test.split("[")[0].split("::")
    assert f"def {name}(" in (ROOT / "tests" / path).read_text(encoding="utf-8")
