"""Run a TensorFlow 1 program without TensorFlow: python -m ostinato.tf1 program.py [arguments],
or python -m ostinato.tf1 -m package.module [arguments].

In the program, `tensorflow` and its inner modules stand for ostinato.tf1.
"""

import os
import runpy
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..errors import OstinatoError
from . import NotProvided, namespace

__all__ = ["main"]


class _TensorFlowFinder(MetaPathFinder, Loader):
    """Finds the inner modules of `tensorflow`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("tensorflow."):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        try:
            module = namespace(spec.name.removeprefix("tensorflow."))
        except NotProvided as error:
            raise ImportError(str(error), name=spec.name) from None
        module.__name__ = spec.name  # `from module import part` looks for a module of this name
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def main(arguments: list[str]) -> int:
    """Run a program.

    Args:
        arguments: The path of the program, or "-m" and the name of its module, and its arguments.

    Returns:
        The exit code: 2 if the program could not be run.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m ostinato.tf1 PROGRAM [ARGUMENTS]")
        print("       python -m ostinato.tf1 -m MODULE [ARGUMENTS]\n")
        print("Run a TensorFlow 1 program without TensorFlow. In the program, `tensorflow` stands")
        print("for ostinato.tf1, which has the names that recurrent programs use: docs/tf1.md.")
        return 0 if arguments else 2
    program, folder = arguments[0], os.getcwd()
    of_module = program == "-m" and len(arguments) > 1
    if not of_module:
        if not os.path.isfile(program):
            print(f"error: {program!r} is not a file: give the path of a program", file=sys.stderr)
            return 2
        folder = os.path.dirname(os.path.abspath(program))
        sys.path.insert(0, folder)
    sys.modules["tensorflow"] = sys.modules[__package__]
    sys.meta_path.insert(0, _TensorFlowFinder())
    sys.argv = arguments[1:] if of_module else arguments
    try:
        if of_module:
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program, run_name="__main__")
    except OstinatoError as error:
        place = _line_of(error, folder)
        print(f"error: {place}{error}", file=sys.stderr)
        return 2
    return 0


def _line_of(error: BaseException, folder: str) -> str:
    """The last line of the program's own files that led to an error."""
    place, step = "", error.__traceback__
    while step is not None:
        path = os.path.abspath(step.tb_frame.f_code.co_filename)
        if path.startswith(folder + os.sep):
            place = f"{os.path.relpath(path)}, line {step.tb_lineno}: "
        step = step.tb_next
    return place


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
