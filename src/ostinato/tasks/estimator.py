"""Private: what scikit-learn expects of a task: parameters, tags, and copies by pickle.

The tasks do not inherit from `sklearn.base.BaseEstimator`: importing it takes more than a second,
and most commands do not need it. scikit-learn only asks for the methods.
"""

import inspect
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentTypeError, InputError, near
from ..options import Options

if TYPE_CHECKING:
    from .task import Task


class Fitted:
    """An attribute that `fit` sets; None before.

    The value is stored under a private name: scikit-learn does not let `fit` add public attributes
    to an estimator.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, task: Any, owner: type | None = None) -> Any:
        return self if task is None else vars(task).get(self.name)

    def __set__(self, task: Any, value: Any) -> None:
        vars(task)[self.name] = value


def constructor(options: type[Options]) -> Callable:
    """The `__init__` of a task, whose parameters are the options of the task.

    Values are checked by `fit`, as in scikit-learn.
    """

    def __init__(self, **params):
        check_names(type(self).__name__, options, params)
        self._params = {f.name: params.get(f.name, f.default) for f in fields(options)}

    keyword = inspect.Parameter.KEYWORD_ONLY
    init: Any = __init__
    init.__signature__ = inspect.Signature(
        [
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY),
            *(
                inspect.Parameter(f.name, keyword, default=f.default, annotation=f.type)
                for f in fields(options)
            ),
        ]
    )
    init.__doc__ = "The options by name; their values are checked by `fit`."
    return init


def check_names(called: str, options: type[Options], params: dict) -> None:
    """Raise an error if a parameter is not an option.

    Raises:
        ArgumentTypeError: The message repeats the name and lists the options.
    """
    known = sorted(f.name for f in fields(options))
    for name in params:
        if name not in known:
            raise ArgumentTypeError(
                f"{called}({name}=...): unknown option{near(name, known) or ';'} the options "
                f"are {', '.join(known)}"
            )


def unfitted(message: str) -> InputError:
    """The error of a task without a model; it is scikit-learn's NotFittedError too."""
    from sklearn.exceptions import NotFittedError

    return type("NotFitted", (InputError, NotFittedError), {})(message)


def tags_of(task: "Task") -> Any:
    """The tags of a task, `sklearn.utils.Tags`."""
    from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

    classifier = task.name == "classify"
    several = classifier and bool(task.get_params()["multi_label"])
    return Tags(
        estimator_type="classifier" if classifier else None,
        target_tags=TargetTags(required=task.takes_labels, multi_output=several),
        classifier_tags=ClassifierTags(multi_label=several) if classifier else None,
        input_tags=InputTags(
            one_d_array=task.name == "forecast",
            two_d_array=task.name in ("classify", "forecast"),
            three_d_array=task.name in ("classify", "frames", "transcribe"),
            string=task.name in ("classify", "tag", "translate", "generate"),
        ),
    )


def state_of(task: "Task") -> dict:
    """The state of a task for pickle: its parameters, and the files of its model."""
    kept = {"_params": task._params}
    if task.model is None:
        return {"attributes": kept, "files": None}
    with tempfile.TemporaryDirectory(prefix="ostinato-") as directory:
        task.save(Path(directory) / "model")
        files = {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in sorted(Path(directory).rglob("*"))
            if path.is_file()
        }
    return {"attributes": kept, "files": files}


def restore_state(task: "Task", state: dict) -> None:
    """Restore a task from the result of `state_of`; the files are checked as those of `load`."""
    if state["files"] is not None:
        from .restore import restored
        from .saved import read_model

        with tempfile.TemporaryDirectory(prefix="ostinato-") as directory:
            for name, content in state["files"].items():
                path = Path(directory) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            model = Path(directory) / "model"
            vars(task).update(vars(restored(read_model(model), model)))
    vars(task).update(state["attributes"])
