"""The style of written Python files."""

import shutil
import subprocess
import sys
from pathlib import Path

# next to the interpreter, or on the path
RUFF = shutil.which("ruff", path=Path(sys.executable).parent) or "ruff"


def check_style(folder, texts: list[str]) -> None:
    """Check files with ruff's own rules, at the line length of this package."""
    for number, text in enumerate(texts):
        (folder / f"file{number}.py").write_text(text, encoding="utf-8")
    # equations may compare a value with itself
    for command in (["format", "--check"], ["check", "--ignore=PLR0124"]):
        done = subprocess.run(
            [RUFF, *command, "--isolated", "--line-length=100", str(folder)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
