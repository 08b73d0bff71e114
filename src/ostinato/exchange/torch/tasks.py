"""Private: the Python file and the weights of a trained task as plain torch. The source of its
network is that of the task; what creates it is printed with its sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import regex
import torch
from torch import Tensor, nn

from ...cells import CELLS
from ...data.values import BYTES_DTYPE, labels_as_given
from ...errors import EngineError, InputError
from ...language.initialisers import torch_names
from ...nn.crf import LinearChainCRF
from ...nn.recurrent import Recurrent
from ...nn.torch_baseline import TORCH_LAYERS, TorchBaseline
from ...tasks.classify import Classifier, ClassifyEnsemble, ClassifyModel
from ...tasks.forecast import Forecaster
from ...tasks.forecast_model import ForecastModel, ForecastNetwork
from ...tasks.forecast_series import SeriesReader
from ...tasks.frames import FrameModel, FrameTagger
from ...tasks.generate import Generator, LanguageModel
from ...tasks.linear_model import LinearModel
from ...tasks.ngrams import NGrams
from ...tasks.random_kernels import RandomKernels
from ...tasks.spelling import SpelledWords
from ...tasks.tag import Tagger, TagModel
from ...tasks.task import Task
from .cells import call
from .file import LAYERS, TorchFile, add_layer, layer_tensors
from .source import Sources

__all__ = ["task_file"]

CODE = "ostinato.exchange.torch.tasks_code"
FORECASTS = "ostinato.exchange.torch.forecast_code"
TEXTS = "ostinato.exchange.torch.text_code"


@dataclass(frozen=True)
class _CopiedModule:
    """A module of a task whose source is copied.

    Attributes:
        methods: The methods that are copied.
        attributes: The attributes that are set as they are.
        bases: The methods that are copied of its base classes.
    """

    methods: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    bases: Mapping[type, tuple[str, ...]] = field(default_factory=dict)


COPIED: dict[type[nn.Module], _CopiedModule] = {
    ClassifyModel: _CopiedModule(("forward", "embedded", "scores")),
    ClassifyEnsemble: _CopiedModule(("forward",), ("independent",)),
    SpelledWords: _CopiedModule(("embedded",)),
    TagModel: _CopiedModule(("scores",), bases={SpelledWords: ("embedded",)}),
    LinearChainCRF: _CopiedModule(("best", "_weights"), ("tags",)),
    FrameModel: _CopiedModule(("forward",)),
    ForecastModel: _CopiedModule(("fitted", "selection")),
    ForecastNetwork: _CopiedModule(("forward", "residual"), ("inputs",)),
    LanguageModel: _CopiedModule(("forward",)),
    RandomKernels: _CopiedModule(
        ("forward", "features", "_outputs"),
        ("dilations", "independent"),
        bases={LinearModel: ("__init__",)},
    ),
}


@dataclass(frozen=True)
class _TaskContent:
    """The model, settings and titles of the file of a task.

    Attributes:
        model: The class of its model in `tasks_code`.
        settings: What the model takes besides the network.
        usage: A line of code that uses it.
        title: The first line of its docstring.
    """

    model: str
    settings: Callable[[Any], dict[str, Any]]
    usage: str
    title: str


def task_file(task: Task) -> TorchFile:
    """A trained task as a file.

    Raises:
        InputError: The task cannot be written, or is not trained.
    """
    if task.model is None:
        raise InputError(
            f"torch.write was given a {type(task).__name__} without a model; call fit first"
        )
    if getattr(task.metadata, "rows", None) is not None:
        raise InputError(
            "torch.write cannot write a Classifier with multi_label=True yet; write it as ONNX: "
            "ostinato.exchange.onnx.write"
        )
    written = _written(task)
    if written is None:
        raise InputError(
            f"torch.write cannot write a {type(task).__name__} yet; it writes layers, and the "
            "tasks classify, tag, frames, forecast and generate"
        )
    file = TorchFile()
    sources = file.sources
    sources.imports |= {("torch", "", "torch"), ("torch", "Tensor", "Tensor")}
    sources.imports |= {("torch", "nn", "nn"), ("pathlib", "Path", "Path")}
    sources.add(LAYERS, ["read_tensors"])
    sources.add(CODE, ["read_settings", "padded"])
    if isinstance(task, Forecaster):
        sources.renamed = dict.fromkeys(("ForecastMetadata", "SeriesRecord", "_Methods"), "Any")
        sources.imports.add(("typing", "Any", "Any"))
        file.needs = "torch 2.2 or later, NumPy"
    made = _statement(sources, task.model, "    network = ")
    if isinstance(task, Forecaster):
        sources.add_class(SeriesReader, methods=["__init__", "values", "inputs", "features"])
        sources.add(FORECASTS, [written.model])
        sources.add_methods(
            written.model, Forecaster, ["_walk", "_forecasts"], instead="_forecasts"
        )
    else:
        sources.add(CODE, [written.model])
    sources.add_text(
        "build",
        "\n".join(
            [
                "def build() -> nn.Module:",
                '    """The network with weights that are not set."""',
                *made,
                "    return network",
            ]
        ),
    )
    sources.add_text("WEIGHTS", 'WEIGHTS = Path(__file__).with_suffix(".safetensors")')
    sources.add_text(
        "load",
        f'''def load(weights: Path = WEIGHTS) -> {written.model}:
    """The model with its trained weights, in evaluation mode."""
    model = {written.model}(build(), read_settings(weights))
    model.load_state_dict(read_tensors(weights))
    return model.eval()''',
    )
    file.title, file.usage = written.title, written.usage
    file.content = f"The model was trained with `ostinato train {task.name}`."
    file.tensors = {f"network.{name}": value for name, value in _tensors(task.model).items()}
    file.settings = written.settings(task)
    return file


# ---------------------------------------------------------------- networks


def _statement(sources: Sources, module: nn.Module | None, head: str) -> list[str]:
    """The lines of the statement that creates a module, whose classes are added to the file."""
    if module is None:
        return [f"{head}None"]
    if isinstance(module, TorchBaseline):
        module = _own_layer(module)
    if isinstance(module, Recurrent):
        return add_layer(sources, module, head)
    if isinstance(module, NGrams):
        sources.add(TEXTS, ["NGramScores"])
        return [f"{head}NGramScores({module.features}, {len(module.intercepts)})"]
    if isinstance(module, nn.Linear):
        return [f"{head}nn.Linear({module.extra_repr()})"]
    if isinstance(module, nn.Embedding):
        return [f"{head}nn.Embedding({module.extra_repr()})"]
    if isinstance(module, nn.ModuleList):
        parts = [_statement(sources, one, "")[0] for one in module]
        if len({*parts}) == 1 and len(parts) > 1:
            return [f"{head}nn.ModuleList({parts[0]} for _ in range({len(parts)}))"]
        return call(f"{head}nn.ModuleList([", parts, "])")
    if type(module) in COPIED:
        _add_module(sources, module)
        return [f"{head}{type(module).__name__}()"]
    if type(module).__module__.startswith("torch.nn") and not [*module.children()]:
        return [f"{head}nn.{module}"]
    raise EngineError(f"the module {type(module).__name__} cannot be written as plain torch")


def _add_module(sources: Sources, module: nn.Module) -> None:
    """Add the class of a module of a task, with its sizes."""
    cls, copied = type(module), COPIED[type(module)]
    lines = ["    def __init__(self):", "        super().__init__()"]
    missing = [name for name, v in vars(module).items() if v is None and not name.startswith("_")]
    for name in (*copied.attributes, *missing):
        lines.append(f"        self.{name} = {getattr(module, name)!r}")
    inherited = {"weight"} if isinstance(module, LinearModel) else set()
    for name, value in module.named_parameters(recurse=False):
        shape = ", ".join(map(str, value.shape))
        lines.append(f"        self.{name} = nn.Parameter(torch.empty({shape}))")
    for name, buffer in module._buffers.items():
        if name in inherited:
            continue
        lines += _buffer(name, buffer)
    for name, child in module._modules.items():
        lines += _statement(sources, child, f"        self.{name} = ")
    for base, methods in copied.bases.items():
        if base.__name__ not in sources.blocks:
            sources.add_class(base, methods=methods)
    constructor = "\n".join(lines)
    if cls.__name__ in sources.blocks:
        if constructor not in sources.blocks[cls.__name__]:
            raise EngineError(f"two modules {cls.__name__} of different sizes in one model")
        return
    sources.add_class(cls, methods=copied.methods, constructor=constructor)


def _buffer(name: str, buffer: Tensor | None) -> list[str]:
    """The lines that create a buffer."""
    if buffer is None:
        return [f"        self.{name} = None"]
    size = str(tuple(buffer.shape)) if buffer.dim() != 1 else str(len(buffer))
    dtype = "" if buffer.dtype is torch.float32 else f", dtype={buffer.dtype}"
    return [f'        self.register_buffer("{name}", torch.empty({size}{dtype}))']


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a network by their names in a written file."""
    found: dict[str, Tensor] = {}
    layers = {}
    for name, module in model.named_modules():
        one = _own_layer(module) if isinstance(module, TorchBaseline) else module
        if isinstance(one, Recurrent):
            layers[name] = one
    for name, module in model.named_modules():
        if any(name == layer or name.startswith(f"{layer}.") for layer in layers):
            continue
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for key, value in own:
            found[f"{name}.{key}".lstrip(".")] = value.detach()
    for name, layer in layers.items():
        found |= layer_tensors(layer, f"{name}.")
    return found


def _own_layer(baseline: TorchBaseline) -> Recurrent:
    """The layer that computes what a layer of torch.nn does."""
    theirs = baseline.layer
    cell = next(name for name, kind in TORCH_LAYERS.items() if isinstance(theirs, kind))
    layer = Recurrent(
        cell,
        theirs.input_size,
        theirs.hidden_size,
        theirs.num_layers,
        bidirectional=theirs.bidirectional,
        batch_first=theirs.batch_first,
        dropout=theirs.dropout,
        names=torch_names(CELLS[cell].graph, bias=True),
        dtype=theirs.weight_ih_l0.dtype,
    )
    layer.load_state_dict(theirs.state_dict())
    return layer.eval()


# ---------------------------------------------------------------- settings


def _written(task: Task) -> _TaskContent | None:
    """The content of the file of a task; None if it cannot be written."""
    units = getattr(task.metadata, "units", None)
    if isinstance(task, Classifier) and task.is_text:
        return _TaskContent(
            "TextClassifier",
            _text_labels,
            'labels = model.predict(["a text", "another text"])',
            "A classifier of texts as plain PyTorch.",
        )
    if isinstance(task, Classifier):
        shape = f"torch.zeros(20, {units})"
        return _TaskContent(
            "NumbersClassifier",
            _number_labels,
            f"labels = model.predict([{shape}])",
            "A classifier of sequences of numbers as plain PyTorch.",
        )
    if isinstance(task, Tagger):
        return _TaskContent(
            "WordTagger",
            _tags,
            'tags = model.predict(["a sentence"])',
            "A tagger of words as plain PyTorch.",
        )
    if isinstance(task, FrameTagger):
        return _TaskContent(
            "FrameLabeller",
            _frame_labels,
            f"labels = model.predict([torch.zeros(20, {units})])",
            "A labeller of the frames of clips as plain PyTorch.",
        )
    if isinstance(task, Forecaster):
        return _TaskContent(
            "SeriesForecaster",
            _series,
            "values = model.predict(steps=12)",
            "A forecaster of series as plain PyTorch.",
        )
    if isinstance(task, Generator):
        return _TaskContent(
            "TextWriter",
            _characters,
            'text = model.generate("", length=200)',
            "A language model as plain PyTorch.",
        )
    return None


def _labels(task: Any) -> dict[str, Any]:
    labels = labels_as_given(task.metadata.labels, task.metadata.label_kind)
    return {"labels": labels.tolist(), "order": np.argsort(labels).tolist()}


def _numbers(metadata: Any) -> dict[str, Any]:
    return {
        "units": metadata.units,
        # the numbers that the task divides by are float32
        "mean": np.array(metadata.mean, np.float32).tolist(),
        "scale": np.array(metadata.scale, np.float32).tolist(),
        "bytes": metadata.dtype == BYTES_DTYPE,
    }


def _number_labels(task: Any) -> dict[str, Any]:
    found = _labels(task) | _numbers(task.metadata)
    return found | {"standardise": bool(task.options.standardise)}


def _frame_labels(task: Any) -> dict[str, Any]:
    return {"labels": task.metadata.labels} | _numbers(task.metadata)


def _text_labels(task: Any) -> dict[str, Any]:
    letters = task.metadata.letters
    return (
        _labels(task)
        | _tokens(task.vocabulary)
        | {"letters": letters, "scheme": task.options.characters if letters is not None else None}
    )


def _tags(task: Any) -> dict[str, Any]:
    tokens = _tokens(task.vocabulary)["tokens"]
    return {
        "tags": task.metadata.tags,
        "words": tokens[4 : task.metadata.embedded],
        "scheme": task.options.characters,
        "letters": task.metadata.letters,
        "graphemes": grapheme_table(),
    }


def _characters(task: Any) -> dict[str, Any]:
    if task.vocabulary.kind == "character":
        tokens = {"kind": "character", "tokens": task.vocabulary.tokens, "merges": []}
        return tokens | {"graphemes": grapheme_table()}
    return _tokens(task.vocabulary)


def _series(task: Any) -> dict[str, Any]:
    metadata = task.metadata
    if metadata.calendar or metadata.known:
        read = ", ".join([*metadata.calendar, *metadata.known])
        raise InputError(
            f"torch.write cannot write this forecaster: its networks read the dates or the known "
            f"columns of future steps ({read}), and written models have none; train on a file "
            "without them"
        )
    starts = [one.y[:].tolist() for one in task._readable(task._training_end())]
    names = ("names", "power", "difference", "season", "lags", "reach", "window", "kept")
    return {name: getattr(metadata, name) for name in names} | {
        "calendar": [],
        "horizon": task.options.horizon,
        "series": [
            {
                "name": record.name,
                "step": record.step,
                "level": record.level,
                "gap": record.gap,
                "past": record.past.values,
                "start": start,
            }
            for record, start in zip(metadata.series, starts, strict=True)
        ],
    }


def _tokens(vocabulary: Any) -> dict[str, Any]:
    """The tokens of a vocabulary in the order of their numbers, and its merges."""
    model = vocabulary.to_json()["tokenizer"]["model"]
    tokens, table = model["vocab"], grapheme_table()
    if vocabulary.kind == "character":
        # tokenizers splits consonants of Indic scripts that Unicode 15.1 joins
        table = [row for row in table if row[2] != "Consonant"]
    return {
        "kind": vocabulary.kind,
        "tokens": sorted(tokens, key=tokens.__getitem__),
        "merges": [tuple(pair) for pair in model.get("merges", [])],
        "lowercase": bool(getattr(vocabulary, "lowercase", False)),
        "graphemes": table,
    }


# The classes of letters that `text_code.Graphemes` tells apart, as properties of Unicode.
LETTERS = {
    "Linker": r"[\p{InCB=Linker}&&\p{GCB=Extend}]",
    "Extend": r"\p{GCB=Extend}",
    "ZWJ": r"\p{GCB=ZWJ}",
    "SpacingMark": r"\p{GCB=SpacingMark}",
    "Prepend": r"\p{GCB=Prepend}",
    "L": r"\p{GCB=L}",
    "V": r"\p{GCB=V}",
    "T": r"\p{GCB=T}",
    "Regional": r"\p{GCB=Regional_Indicator}",
    "Control": r"\p{GCB=Control}",
    "CR": r"\p{GCB=CR}",
    "LF": r"\p{GCB=LF}",
    "Pictographic": r"\p{Extended_Pictographic}",
    "Consonant": r"\p{InCB=Consonant}",
}


@cache
def grapheme_table() -> list[tuple[int, int, str]]:
    """The ranges of code points of each class of letters: (first, last, class), in order."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    some = regex.findall(f"[{''.join(LETTERS.values())}]", every, regex.V1)
    classes = {name: regex.compile(text, regex.V1) for name, text in LETTERS.items()}
    table: list[tuple[int, int, str]] = []
    for letter in some:
        code = ord(letter)
        name = next(name for name, one in classes.items() if one.fullmatch(letter))
        if table and table[-1][1] == code - 1 and table[-1][2] == name:
            table[-1] = (table[-1][0], code, name)
        else:
            table.append((code, code, name))
    return table
