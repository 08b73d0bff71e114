"""The words that nobody should have to decode: what a person reads is in the field's own terms."""

import ast
import re
import sys
from pathlib import Path

import pytest

from places import ROOT

# What to write instead.
WORDS = {
    "foretell": "predict",
    "foretells": "predicts",
    "foretold": "predicted",
    "foretelling": "predicting",
    "mend": "fix",
    "anew": "again, from scratch, new",
    "beside": "next to, compared with, in addition to",
    "by turns": "alternately",
    "so many": "the number",
    "next to no": "almost no",
    "go on with": "continue",
    "goes on with": "continues",
    "of which": "a second sentence",
    "is no": "is not a",
    "are no": "are not",
    "twin": "the torch.nn baseline, the equivalent",
    "twins": "the torch.nn baselines, the equivalents",
    "pieces": "tokens, parts",
    "measures": "metrics",
    "chance": "random, probability",
    "lanes": "vector width, floats per vector, parallel streams",
    "spread": "standard deviation, distributed",
    "team": "threads",
    "aside": "scratch, separate",
}
# Between two words of a phrase: spaces, an underscore, the end of a line, of a string or a comment.
GAP = r"""(?:_|\s*["']?\s+(?:\# )?[fr]?["']?)"""
PHRASES = "|".join(word.replace(" ", GAP) for word in WORDS)
PATTERN = re.compile(rf"(?<![^\W_])({PHRASES})(?![^\W_])", re.IGNORECASE)
FOLDERS = ("src", "tests", "docs", "catalogue", "examples", "benchmarks")
SUFFIXES = {".py", ".md", ".html", ".ipynb", ".toml"}


def files(places: list[Path]) -> list[Path]:
    """The files with words in some folders."""
    inside = [p for place in places for p in (place.rglob("*") if place.is_dir() else [place])]
    own = Path(__file__).name  # it has the words themselves
    return sorted(path for path in inside if path.suffix in SUFFIXES and path.name != own)


def ruled_out(path: Path) -> list[str]:
    """Each use of a word that is ruled out: its place, and what to write instead."""
    text, uses = path.read_text(encoding="utf-8"), []
    for found in PATTERN.finditer(text):
        phrase = " ".join(re.findall(r"[a-z]{2,}", found[0].lower()))
        line = text.count("\n", 0, found.start()) + 1
        uses.append(f"{path}:{line}: {phrase} ({WORDS[phrase]})")
    return uses


def odd_docstrings(path: Path) -> list[str]:
    """Docstrings that begin with a clause in place of a noun or a verb."""
    odd = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        place = f"{path}:{getattr(node, 'lineno', 1)}"
        if text and text.startswith(("What", "Those who", "Whether it")):
            odd.append(f"{place}: {text.splitlines()[0]}")
        joined = re.findall(r"(?m)^\s*(?:Args|Returns|Raises|Attributes|Example): .*", text or "")
        odd += [f"{place}: a heading with text after it: {line.strip()}" for line in joined]
    return odd


def places() -> list[Path]:
    return [*(ROOT / folder for folder in FOLDERS), *ROOT.glob("*.md"), ROOT / "pyproject.toml"]


@pytest.mark.parametrize("path", files(places()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_is_used_that_a_reader_has_to_decode(path):
    assert ruled_out(path) == []


@pytest.mark.parametrize(
    "path",
    [path for path in files(places()) if path.suffix == ".py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_docstring_begins_with_a_noun_or_a_verb(path):
    assert odd_docstrings(path) == []


if __name__ == "__main__":
    for path in files([Path(word) for word in sys.argv[1:]] or places()):
        print(*ruled_out(path), *(odd_docstrings(path) if path.suffix == ".py" else []), sep="\n")
