"""Private: the source of functions and classes, with all that they use, as the text of one file."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

__all__ = ["Sources"]

PACKAGE = "ostinato"
# Errors of this package, which become ValueError in a file of its own.
ERRORS = re.compile(r"\b(?:InputError|SizeError|TensorError|ArgumentTypeError|EngineError)\b")
# Sections of docstrings that only make sense in this package.
LEFT_OUT = ("Args", "Attributes", "Raises", "Example", "Returns")


@dataclass
class Sources:
    """The definitions of a file, each after those that it uses.

    Attributes:
        blocks: The text of each definition, by its name.
        imports: The imports of modules that are not of this package: "json", or "torch.nn" with the
            name that is imported from it.
        renamed: Other names and types, by those of this package; they are not copied.
    """

    blocks: dict[str, str] = field(default_factory=dict)
    imports: set[tuple[str, str, str]] = field(default_factory=set)
    renamed: Mapping[str, str] = field(default_factory=lambda: {"np.ndarray": "Tensor"})

    def add(self, module: str, names: Iterable[str]) -> None:
        """Copy functions, classes and constants of a module of this package."""
        for name in names:
            self._copy(module, name)

    def add_text(self, name: str, text: str) -> None:
        """Add a definition that is written for this file."""
        self.blocks[name] = text

    def add_class(
        self,
        cls: type,
        *,
        methods: Iterable[str],
        constructor: str | None = None,
    ) -> None:
        """Copy a class with some of its methods.

        Args:
            cls: The class.
            methods: The names of the methods.
            constructor: The text of `__init__`; None for none.
        """
        module = _Module.of(cls.__module__)
        node, text = module.definitions[cls.__name__], []
        assert isinstance(node, ast.ClassDef)
        for base in node.bases:
            if isinstance(base, ast.Name) and base.id not in self.blocks:
                self._copy(cls.__module__, base.id)
        bases = ", ".join(map(ast.unparse, node.bases))
        self._use(cls.__module__, ast.Module([ast.Expr(b) for b in node.bases], []))
        head = f"({bases})" if bases else ""
        text = [f"class {cls.__name__}{head}:", _docstring(node, "    ")]
        for statement in node.body:
            if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                if ast.unparse(statement).startswith("__"):
                    continue
                text += [""] * (len(text) == 2) + [module.text(statement)]
                self._use(cls.__module__, statement)
        if constructor:
            text += ["", constructor]
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name in [*methods]:
                self._use(cls.__module__, statement)
                text += ["", module.text(statement)]
        self.blocks[cls.__name__] = self._adapted("\n".join(text))

    def add_methods(self, to: str, cls: type, methods: Iterable[str], *, instead: str) -> None:
        """Put methods of a class into another class, in place of one of its methods."""
        module = _Module.of(cls.__module__)
        node = module.definitions[cls.__name__]
        assert isinstance(node, ast.ClassDef)
        chosen = [one for one in node.body if getattr(one, "name", "") in [*methods]]
        for one in chosen:
            self._use(cls.__module__, one)
        text = self._adapted("\n\n".join(map(module.text, chosen)))
        block = self.blocks.pop(to)
        pattern = rf"(?m)^    def {instead}\(.*\n(?:        .*\n)+"
        self.blocks[to] = re.sub(pattern, lambda _: f"{text}\n", block)

    def _copy(self, module_name: str, name: str) -> None:
        if name in self.blocks or name in self.renamed or ERRORS.fullmatch(name):
            return
        module = _Module.of(module_name)
        if name in module.imports:
            source, original, alias = module.imports[name]
            if source.startswith(PACKAGE):
                self._copy(source, original)
            else:
                self.imports.add((source, original, alias))
            return
        node = module.definitions[name]
        # a definition that uses itself is not copied again
        self.blocks[name] = ""
        self._use(module_name, node)
        del self.blocks[name]
        self.blocks[name] = self._adapted(module.text(node))

    def _adapted(self, text: str) -> str:
        """A definition with the names and the documentation of a file of its own."""
        text = re.sub(r'\n\n( +)Example:\n(?:.*\n)*?\1"""', r'\n\1"""', text)
        # what is left of a docstring may be a single line
        text = re.sub(r'(?m)^( +"""[^"\n]{1,90})\n +"""$', r'\1"""', text)
        for name, other in self.renamed.items():
            text = re.sub(rf"\b{re.escape(name)}\b", other, text)
        return ERRORS.sub("ValueError", text)

    def _use(self, module_name: str, node: ast.AST) -> None:
        """Copy what a statement uses."""
        module = _Module.of(module_name)
        for one in ast.walk(node):
            if (
                isinstance(one, ast.Name)
                and f"{one.id}.ndarray" not in self.renamed
                and (one.id in module.definitions or one.id in module.imports)
            ):
                self._copy(module_name, one.id)

    def text(self, docstring: str) -> str:
        """The whole file."""
        standard = {
            one for one in self.imports if one[0].partition(".")[0] in sys.stdlib_module_names
        }
        groups = [_imports(group) for group in (standard, self.imports - standard) if group]
        # constants first
        constants = [text for text in self.blocks.values() if _is_constant(text)]
        others = [text for text in self.blocks.values() if not _is_constant(text)]
        head = "\n\n".join(
            [f'"""{docstring}"""', *groups, *(["\n".join(constants)] * bool(constants))]
        )
        return "\n\n\n".join([head, *others]) + "\n"


def _is_constant(text: str) -> bool:
    return not text.startswith(("class ", "def ", "@"))


def _imports(found: set[tuple[str, str, str]]) -> str:
    """Import statements, sorted as ruff sorts them."""
    plain = sorted(
        f"import {module}" + (f" as {alias}" if alias != module else "")
        for module, original, alias in found
        if not original
    )
    names: dict[str, list[str]] = {}
    for module, original, alias in found:
        if original:
            text = original + (f" as {alias}" if alias != original else "")
            names.setdefault(module, []).append(text)
    froms = [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)]
    return "\n".join(plain + froms)


class _Module:
    """The source of a module of this package.

    Attributes:
        definitions: Its functions, classes and constants.
        imports: For each imported name its module, its name there ("" for the module itself) and
            its name here.
    """

    def __init__(self, name: str):
        module = importlib.import_module(name)
        self.lines = inspect.getsource(module).splitlines()
        self.definitions: dict[str, ast.stmt] = {}
        self.imports: dict[str, tuple[str, str, str]] = {}
        package = name.split(".")
        if not hasattr(module, "__path__"):
            package = package[:-1]
        for node in ast.parse("\n".join(self.lines)).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.definitions[node.name] = node
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    for one in ast.walk(target):
                        if isinstance(one, ast.Name):
                            self.definitions[one.id] = node
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    own = alias.asname or alias.name
                    self.imports[own.partition(".")[0]] = (alias.name, "", own)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) + 1 - node.level] if node.level else []
                origin = ".".join([*above, *filter(None, [node.module])])
                for alias in node.names:
                    own = alias.asname or alias.name
                    self.imports[own] = (origin, alias.name, own)

    @staticmethod
    @cache
    def of(name: str) -> "_Module":
        """The module of this name, read once."""
        return _Module(name)

    def text(self, node: ast.stmt) -> str:
        """The source of a statement, with its decorators."""
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)])
        lines = self.lines[first - 1 : node.end_lineno]
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            # the comment above a constant
            while first > 1 and self.lines[first - 2].lstrip().startswith("#"):
                first -= 1
                lines.insert(0, self.lines[first - 1])
        return "\n".join(lines)


def _docstring(node: ast.ClassDef, indent: str) -> str:
    """The docstring of a class without the sections about its arguments."""
    text = inspect.cleandoc(ast.get_docstring(node) or node.name)
    parts = re.split(rf"(?m)^(?=(?:{'|'.join(LEFT_OUT)}|Source):)", text)
    kept = "".join(p for p in parts if not p.startswith(tuple(f"{one}:" for one in LEFT_OUT)))
    lines = kept.strip().splitlines()
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""'
    body = [f"{indent}{line}".rstrip() for line in lines[1:]]
    return "\n".join([f'{indent}"""{lines[0]}', *body, f'{indent}"""'])
