"""The core needs torch, NumPy and llvmlite alone; the rest says which extra to install."""

import re
import subprocess
import sys
import tomllib

import pytest

from ostinato.errors import EXTRAS
from places import ROOT

# The packages whose import name is another than the name that pip knows.
IMPORTED_AS = {"pillow": "PIL", "scikit-learn": "sklearn"}
WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({[name for names in EXTRAS.values() for name in names]}))
"""
TRAIN = """
import torch, ostinato
layer = ostinato.LSTM(3, 5)
optimizer = torch.optim.SGD(layer.parameters(), 0.1)
before = layer.weight_hh_l0.detach().clone()
output, _ = layer(torch.randn(7, 2, 3))
output.square().sum().backward()
optimizer.step()
print(output.shape, bool((layer.weight_hh_l0 != before).any()))
print(ostinato.Recurrent("gru", 3, 5).stream().step(torch.zeros(1, 3)).shape)
"""


def run(code: str, *words: str) -> subprocess.CompletedProcess:
    """Run code in a process that has none of the extras' packages."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *words], capture_output=True, text=True
    )


def test_layers_train_and_stream_with_the_core_packages_alone():
    done = run(TRAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "torch.Size([7, 2, 5]) True\ntorch.Size([1, 5])\n"


def test_every_module_of_the_core_is_imported_with_the_core_packages_alone():
    core = "language compiler cells engines nn tf1 errors options".split()
    names = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        for package in core
        for path in [
            *(ROOT / "src/ostinato" / package).rglob("*.py"),
            *(ROOT / "src/ostinato").glob(f"{package}.py"),
        ]
    ]
    # further modules of a format need what the tasks need
    formats = (ROOT / "src/ostinato/exchange").glob("*/__init__.py")
    names += [f"ostinato.exchange.{path.parent.name}" for path in formats]
    done = run(f"import importlib\nfor name in {names}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr
    assert len(names) > 60


@pytest.mark.parametrize("words", [["--help"], ["train", "classify", "a.csv"], ["bench"]])
def test_the_command_line_says_which_extra_to_install(words):
    done = run("from ostinato.cli import main\nmain()", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(
        r"error: the package \w+ is not installed: it belongs to the extra 'tasks' \(the command "
        r"line and the tasks\); in a copy of the repository write: pip install '\.\[tasks\]'\n",
        done.stderr,
    )


def test_a_task_says_which_extra_to_install():
    done = run("from ostinato.tasks import Classifier")
    assert done.returncode == 1 and "MissingExtra: the package" in done.stderr


def test_the_table_of_extras_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, packages in EXTRAS.items():
        required = [
            re.match(r"[\w-]+", requirement)[0]
            for requirement in project["optional-dependencies"][extra]
            if not requirement.startswith("ostinato[")
        ]
        assert [IMPORTED_AS.get(name, name) for name in required] == packages
    core = [re.match(r"\w+", requirement)[0] for requirement in project["dependencies"]]
    assert core == ["torch", "numpy", "llvmlite"]


def test_a_package_that_a_command_needs_later_is_named_too(tmp_path):
    data = tmp_path / "rows.csv"
    data.write_text("text,label\n" + "a b,x\nc d,y\n" * 20)
    code = (
        "import sys\nsys.modules['polars'] = None\nfrom ostinato.cli import main\n"
        f"sys.argv = ['ostinato', 'train', 'classify', {str(data)!r}, '--out', "
        f"{str(tmp_path / 'model')!r}]\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: the package polars is not")
    assert not (tmp_path / "model").exists()
