"""What imports what, what `import ostinato` costs, and how long a file is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "ostinato"

# A module imports only those before it. Packages stand after the modules that they gather; `ostinato` is the package itself.
# What is imported in a function, when it is needed, is free: `language` reaches `notation`, `plan_text` and `weights` so.
ORDER = """
    errors graph symbols language notation gradient plan
    engines.vector_maths engines.code engines.native engines.team engines.product engines.pairs engines.outer engines.kernel engines.memory engines.packing engines.rows engines.fingerprint
    engines.schedule engines.loops engines.passes engines.chance engines.reference engines.precision engines engines.call engines.ready engines.prepared engines.cpu
    plan_text weights cells.classic cells.contrib cells.research cells arguments tracing stream ragged checkpoint regularisation
    repeated recurrent layers convolution ostinato
    tf1.random tf1.graph tf1.session tf1.arithmetic tf1.operations tf1.shapes tf1.variables tf1.steps tf1.cells tf1.logic tf1.rnn tf1.static tf1.raw tf1.wrappers
    tf1.dropout tf1.contrib_lstm tf1.fused tf1.contrib tf1.frequency tf1.phased tf1.convolution tf1.grid tf1
    options records files stored data values problem checkpoint_file train twin pieces examples parquet formats tables arrays pictures sequences series measures report decoding attention embedding seq2seq inspection
    tasks.options tasks.knowledge tasks.saved tasks.reading tasks.layer tasks.restore tasks.task tasks.scores tasks.spelling tasks.pretraining tasks.classify tasks.tag tasks.frames tasks.forecast_model tasks.forecast tasks.generate tasks.sentences tasks.translate tasks.caption
    tasks.transcribe tasks signals terminal bench.rows bench.peak bench.peers bench.own bench.ratios bench.measure
    bench.roofline bench.ragged bench.memory bench.regularisers bench
    catalogue.words catalogue.counts catalogue.measured catalogue.trained catalogue.picture catalogue.pages catalogue catalogue.__main__
    task_commands cli __main__
""".split()

# Longer than 500 lines, each for a reason.
LONG = {
    "engines.kernel": "the code of one loop, written from the outside in: tasks, rows, groups, products, pointwise work, sums",
    "language": "the declarations, the operations and the tracing of a cell are one language, read from top to bottom",
    "plan": "the parts of a step before, in and after the loop decide about each other",
}
HEAVY = {"llvmlite", "lightning", "matplotlib", "pandas", "polars", "PIL", "av", "torchmetrics", "sacrebleu", "jinja2", "typer", "rich", "tokenizers", "safetensors", "regex", "onnx", "onnxruntime", "jax", "keras"}


def name(path: Path) -> str:
    """The module that a file is, as `ORDER` has it."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "ostinato"


FILES = {name(path): path for path in SOURCE.rglob("*.py")}


def statements(tree, *, checked: bool):
    """All statements that run when a module is imported; with `checked` those for a type checker too."""
    for child in ast.iter_child_nodes(tree):
        skipped = not checked and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not skipped and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
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


def test_every_module_has_its_place_in_the_order():
    assert sorted(ORDER) == sorted(FILES)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_those_before_it(module):
    assert imported(module) <= set(ORDER[: ORDER.index(module)])


def test_imports_are_seen():
    assert imported("errors") == set() and {"graph", "engines.reference", "engines.loops"} <= imported("engines.call")
    assert "ostinato" in imported("bench.peers") and "plan_text" not in imported("language") and "language" in imported("ostinato")


def loaded_after(code: str) -> set[str]:
    """The modules that a process has imported after some statements."""
    printed = subprocess.run([sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True)
    return {*printed.stdout.split()}


def test_importing_the_package_imports_nothing_that_few_need():
    assert loaded_after("import ostinato, ostinato.cells, ostinato.options, ostinato.tasks").isdisjoint({"torch", "numpy"} | HEAVY)
    loaded = loaded_after("from ostinato import LSTM")
    assert {"ostinato.layers", "torch"} <= loaded and HEAVY.isdisjoint(loaded)


def test_a_layer_is_imported_when_it_is_asked_for():
    import ostinato
    from ostinato import layers, recurrent

    assert (ostinato.LSTM, ostinato.GRU, ostinato.RNN, ostinato.Recurrent) == (layers.LSTM, layers.GRU, layers.RNN, recurrent.Recurrent)
    assert set(ostinato.__all__) <= set(dir(ostinato)) and all(hasattr(ostinato, name) for name in ostinato.__all__)
    loaded_after("import ostinato; ostinato.engines.doctor, ostinato.tasks.Classifier")
    with pytest.raises(AttributeError, match="module 'ostinato' has no attribute 'LSTN'"):
        ostinato.LSTN


def test_a_static_checker_is_told_of_every_public_name():
    for module in ("ostinato", "tasks"):
        tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        imported_names = {alias.asname or alias.name for node in statements(tree, checked=True) if isinstance(node, ast.ImportFrom) for alias in node.names}
        public = next(node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "__all__")
        assert set(ast.literal_eval(public)) <= defined | imported_names


def test_a_file_is_short_unless_there_is_a_reason():
    assert {module for module, path in FILES.items() if len(path.read_text(encoding="utf-8").splitlines()) > 500} <= LONG.keys() <= FILES.keys()
