"""The names of TensorFlow 1.13.1 that programs use take its arguments, with its defaults; the others
are refused with what to write instead.
"""

import ast
import functools
import inspect
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import ostinato.tf1 as tf
from ostinato.tf1 import NotProvided
from ostinato.tf1.names import INSTEAD
from places import SHARED

SIGNATURES = SHARED / "golden/training/signatures.json"
REVIEW = SHARED / "reviews/field-2026-11.md"
recorded = pytest.mark.skipif(
    not SIGNATURES.is_file(), reason=f"TensorFlow's signatures are not there: {SIGNATURES}"
)
reviewed = pytest.mark.skipif(
    not REVIEW.is_file(), reason=f"the list of public programs is not there: {REVIEW}"
)

_GPU = "it needs a GPU"
_NEWER = "TensorFlow 1.13.1 does not have it, newer ones do"
_OLDER = "TensorFlow 1.13.1 does not have it, older ones did"
_TEXTS = "texts are looked up in Python"

# Names that are refused, with the reason.
REFUSED = {
    "contrib.cudnn_rnn.CudnnLSTM": _GPU,
    "contrib.cudnn_rnn.RNNParamsSaveable": _GPU,
    "contrib.data.group_by_window": "sequences are grouped in Python",
    "contrib.seq2seq.attention_decoder_fn_inference": _OLDER,
    "contrib.seq2seq.attention_decoder_fn_train": _OLDER,
    "contrib.seq2seq.dynamic_rnn_decoder": _OLDER,
    "contrib.seq2seq.prepare_attention": _OLDER,
    "contrib.seq2seq.simple_decoder_fn_inference": _OLDER,
    "contrib.seq2seq.simple_decoder_fn_train": _OLDER,
    "data.get_output_classes": _NEWER,
    "data.get_output_shapes": _NEWER,
    "data.get_output_types": _NEWER,
    "decode_raw": "bytes are read in Python",
    "lite.Optimize.DEFAULT": "the format is another one",
    "lite.TFLiteConverter": "the format is another one",
    "merge_all_summaries": _OLDER,
    "python.debug.LocalCLIDebugWrapperSession": "it draws in a terminal",
    "python.ops.lookup_ops.index_table_from_file": _TEXTS,
    "python.ops.lookup_ops.index_to_string_table_from_file": _TEXTS,
    "scalar_summary": _OLDER,
    "string_split": _TEXTS,
    "train.experimental.enable_mixed_precision_graph_rewrite": _NEWER,
}

_BY_GRAPH = "graphs make them, programs do not"
_MESSAGE_ALONE = "an error can be made of its message alone"

# Names whose arguments are not TensorFlow's, with the reason.
OTHER_ARGUMENTS = {
    "Operation": _BY_GRAPH,
    "Tensor": _BY_GRAPH,
    "errors.NotFoundError": _MESSAGE_ALONE,
    "errors.OutOfRangeError": _MESSAGE_ALONE,
    "flags.FLAGS": "the recorded arguments are those of a wrapper",
}

# Objects of classes whose attributes are set when they are made.
OBJECTS_OF: dict[str, Callable] = {
    "IndexedSlices": lambda: tf.IndexedSlices(tf.constant([1.0]), tf.constant([0])),
    "Operation": lambda: tf.constant(1.0).op,
    "Tensor": lambda: tf.constant(1.0),
    "data.TextLineDataset": lambda: tf.data.TextLineDataset("lines.txt"),
    "errors.NotFoundError": lambda: tf.errors.NotFoundError(None, None, "the file does not exist"),
    "errors.OutOfRangeError": lambda: tf.errors.OutOfRangeError(None, None, "the end"),
    "gfile.GFile": lambda: tf.gfile.GFile("lines.txt"),
    "train.Supervisor": lambda: tf.train.Supervisor(),
}

# Methods and attributes that are left out: those of the nodes of a tf.keras model, of protocol
# messages and of threads, and older names.
_NODES = """add_metric get_input_at get_input_mask_at get_input_shape_at get_losses_for get_output_at
    get_output_mask_at get_output_shape_at get_updates_for inbound_nodes input_mask outbound_nodes
    output_mask"""
_LAYER = (
    f"{_NODES} from_config get_config get_weights input input_shape output output_shape set_weights"
)
_WRAPPER = f"{_LAYER} compute_output_shape"
LEFT_OUT = {
    "Operation": "op_def traceback traceback_with_start_lines",
    "TensorShape": "as_proto",
    "contrib.seq2seq.AttentionWrapper": _WRAPPER,
    "contrib.seq2seq.python.ops.attention_wrapper.AttentionWrapper": _WRAPPER,
    "contrib.training.HParams": """from_proto get_model_structure set_from_map set_model_structure
        to_proto""",
    "data.TextLineDataset": """flat_map from_sparse_tensor_slices interleave list_files options reduce
        window with_options""",
    "keras.layers.SimpleRNNCell": _NODES,
    "layers.Dense": _LAYER,
    "python.layers.core.Dense": _LAYER,
    "train.Supervisor": """Loop PrepareSession RequestStop ShouldStop StartQueueRunners
        StartStandardServices Stop StopOnException SummaryComputed WaitForStop is_chief loop
        ready_for_local_init_op ready_op save_model_secs save_summaries_secs session_manager
        stop_on_exception summary_computed summary_op summary_writer wait_for_stop""",
}

# Values of our own that stand for a recorded default that is an object.
OBJECTS = {
    "absl.flags._flagvalues.FlagValues object": "FlagValues",
    "function relu": "relu",
    "function variance_scaling_initializer.<locals>._initializer": "initializer",
    "tensorflow.python.ops.init_ops.Zeros object": "Zeros",
}

_OBJECT = re.compile(r"<((?:[^<>]|<[^<>]*>)*)>")


class Parameters(NamedTuple):
    """The parameters of a callable: names, each with its default or None; `*name` takes the rest."""

    positional: list[tuple[str, str | None]]
    named: dict[str, str | None]
    rest: bool


def _read(signature: str) -> Parameters:
    """The parameters of a recorded signature."""
    text = _OBJECT.sub(lambda found: repr(f"<{_name_of(found[1])}>"), signature)
    given = ast.parse(f"def f{text}: pass").body[0].args

    def shown(default: ast.expr | None) -> str | None:
        return None if default is None else ast.unparse(default)

    positional = given.posonlyargs + given.args
    defaults = [None] * (len(positional) - len(given.defaults)) + given.defaults
    listed = [(p.arg, shown(d)) for p, d in zip(positional, defaults)]
    if given.vararg:
        listed.append((f"*{given.vararg.arg}", None))
    named = {p.arg: shown(d) for p, d in zip(given.kwonlyargs, given.kw_defaults)}
    return Parameters(listed, named, given.kwarg is not None)


def _name_of(text: str) -> str:
    # An enumeration is shown with its number: <VariableSynchronization.AUTO: 0>.
    return OBJECTS.get(text) or text.partition(": ")[2]


def _parameters(function: Any) -> Parameters:
    """The parameters of one of our functions or classes."""
    listed, named, rest = [], {}, False
    for p in inspect.signature(function).parameters.values():
        default = None if p.default is p.empty else _shown(p.default)
        if p.kind is p.VAR_KEYWORD:
            rest = True
        elif p.kind is p.KEYWORD_ONLY:
            named[p.name] = default
        else:
            listed.append((f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name, default))
    return Parameters(listed, named, rest)


def _shown(default: Any) -> str:
    if isinstance(default, tf.DType):
        return f"tf.{default.name}"
    if default is None or isinstance(default, (bool, int, float, str, list, tuple)):
        return repr(default)
    return repr(f"<{getattr(default, '__name__', type(default).__name__)}>")


def _same(wanted: str | None, found: str | None) -> bool:
    """Whether a default is the recorded one. A dtype may be given by its name, and a member of an
    enumeration by its number.
    """
    if wanted is None or found is None:
        return wanted is found
    return wanted in (found, f"tf.{found.strip(chr(39))}", repr(f"<{found}>"))


def _difference(wanted: Parameters, found: Parameters, method: bool = False) -> str:
    """How our parameters differ, or nothing. Those that can only be named may be more."""
    skip = 1 if method and wanted.positional[0][0] in ("self", "instance") else 0
    a, b = wanted.positional[skip:], found.positional[skip:]
    if len(a) != len(b) or any(x[0] not in (y[0], "_") for x, y in zip(a, b)):
        return f"parameters {b}, want {a}"
    for (name, default), (_, ours) in zip(a, b):
        if not _same(default, ours):
            return f"{name}={ours}, want {default}"
    for name, default in wanted.named.items():
        if not _same(default, found.named.get(name)):
            return f"{name}={found.named.get(name)}, want {default}"
    # Functions with **kwargs in TensorFlow may list what they take.
    if wanted.rest and not (found.rest or found.named):
        return "no **kwargs"
    return ""


def _recorded() -> dict[str, Any]:
    if not SIGNATURES.is_file():
        return {}
    return json.loads(SIGNATURES.read_text(encoding="utf-8"))["names"]


NAMES = _recorded()
CALLABLE = [n for n, r in NAMES.items() if r.get("signature") and n not in REFUSED]
CLASSES = [n for n in CALLABLE if NAMES[n].get("methods")]
VALUES = [n for n, r in NAMES.items() if "value" in r and n not in REFUSED]


def _found(name: str) -> Any:
    return functools.reduce(getattr, name.split("."), tf)


@recorded
def test_the_tables_hold_names_that_were_recorded():
    assert len(NAMES) == 225
    assert {*REFUSED, *OTHER_ARGUMENTS, *LEFT_OUT} <= set(NAMES)


@recorded
def test_every_name_takes_tensorflows_arguments():
    differences = {
        name: _difference(_read(NAMES[name]["signature"]), _parameters(_found(name)))
        for name in CALLABLE
    }
    others = {name: text for name, text in differences.items() if text}
    assert len(CALLABLE) > 150 and others.keys() == set(CALLABLE) & set(OTHER_ARGUMENTS), others


@pytest.mark.parametrize("name", CLASSES)
def test_the_methods_of_a_class_take_tensorflows_arguments(name):
    cls, differences = _found(name), []
    there = dir(OBJECTS_OF[name]() if name in OBJECTS_OF else cls)
    for method, signature in NAMES[name]["methods"].items():
        if method in there and signature != "property":
            difference = _difference(_read(signature), _parameters(getattr(cls, method)), True)
            if difference:
                differences.append(f"{method}: {difference}")
    assert not differences


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_all_methods_but_those_left_out(name):
    there = dir(OBJECTS_OF[name]() if name in OBJECTS_OF else _found(name))
    missing = {method for method in NAMES[name]["methods"] if method not in there}
    assert missing <= set(LEFT_OUT.get(name, "").split())


@recorded
def test_every_value_is_tensorflows():
    wanted = {name: NAMES[name]["value"] for name in VALUES}
    found = {name: (str(_found(name)), repr(_found(name))) for name in VALUES}
    assert wanted and {n: v for n, v in wanted.items() if v not in found[n]} == {}


def _refusal(name: str) -> str:
    """The message for a name that is refused where it is used, or where it is called."""
    with pytest.raises(NotProvided) as error:
        _found(name)()
    return str(error.value)


@recorded
@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_name_says_what_to_write_instead(name):
    text = _refusal(name)
    full = f"tf.{name}."
    assert any(full.startswith(f"{start}.") for start in INSTEAD), "not by its spelling alone"
    assert full.startswith(f"{text.partition(' is not provided by ostinato.tf1: ')[0]}.")


@pytest.mark.parametrize("start", INSTEAD)
def test_every_refusal_says_what_to_do(start):
    said = INSTEAD[start]
    assert re.search(
        "^write |^use |; write |remove |feed|exports|not part of recurrent programs", said
    )


@reviewed
def test_every_name_of_the_public_programs_is_there_or_refused_in_words():
    text = REVIEW.read_text(encoding="utf-8")
    lists = re.findall(r"(?:Has \d+|Lacks \d+\*\*): ([^*\n]*?)\.(?= |$)", text, re.MULTILINE)
    names = {name for found in lists for name in found.split()}
    assert len(names) > 300
    refused = set()
    for name in names:
        try:
            _found(name)
        except NotProvided:
            refused.add(name)
    assert refused <= set(REFUSED)


@recorded
def test_every_recorded_name_is_there_or_refused():
    for name in set(NAMES) - set(REFUSED):
        assert _found(name) is not None
