"""Private: classifiers as ONNX graphs: the network, the linear model next to it, and their mean."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .files import AnyTask, OnnxTaskFile, Run, compare, text_metadata
from .modules import (
    DOUBLE,
    FLOAT,
    array,
    cast,
    embedding,
    gate_mask,
    inside,
    linear,
    part,
    recurrent,
    scaled,
    spelled_words,
    squeeze,
    sum_over,
    unsqueeze,
)
from .nodes import Nodes
from .proof import padded_numbers, padded_rows, random_rows, random_texts, spelled_feeds

if TYPE_CHECKING:
    from ...tasks.ngrams import NGrams
    from ...tasks.random_kernels import RandomKernels

__all__ = ["check", "files"]

# A dtype of ONNX, as `FLOAT` and `DOUBLE`.
INT64 = 7


def files(task: AnyTask, *, network_only: bool) -> list[OnnxTaskFile]:
    """The file of a classifier."""
    file = OnnxTaskFile(metadata=_metadata(task, network_only))
    out, ports = file.out, file.ports
    combined = not network_alone(task, network_only)
    tokens = task.metadata.letters is None
    if task.is_text:
        ports.add_input("tokens", np.int64, ["batch", "time"])
    else:
        ports.add_input("x", np.float32, ["batch", "time", task.metadata.units])
    ports.add_input("lengths", np.int64, ["batch"])
    if task.is_text and not tokens:
        ports.add_input("characters", np.int64, ["batch", "time", "letters"])
        ports.add_input("character_lengths", np.int64, ["batch", "time"])
    if task.is_text and combined:
        ports.add_input("ngrams", np.int64, ["batch", "features"])
        ports.add_input("ngram_counts", np.int64, ["batch", "features"])
    independent = task.labelling.independent
    answer = "labels" if independent else "label"
    ports.reserve(answer, "probabilities")

    mask = inside(out, "lengths", "tokens" if task.is_text else "x")
    x = "" if task.is_text else _rows(out, task, mask)
    each = [
        _probabilities(out, cast(out, _scores(out, member, x, mask), DOUBLE), independent)
        for member in task.members
    ]
    probabilities = each[0]
    for other in each[1:]:
        probabilities = out.add("Add", probabilities, other)
    if len(each) > 1:
        count = out.constants.add(np.array(len(each), np.float64), "members")
        probabilities = out.add("Div", probabilities, count, name="mean")
    if combined:
        linear_model = task.model.linear
        other = (
            _ngrams(out, linear_model)
            if task.is_text
            else _random_kernels(out, linear_model, x, mask)
        )
        probabilities = _mean(out, probabilities, other, float(task.model.linear.weight))
    labels = len(task.metadata.labels)
    ports.add_output("probabilities", probabilities, np.float64, ["batch", labels])
    if independent:
        threshold = out.constants.add(np.array(task.options.threshold, np.float64), "threshold")
        # a probability at the threshold counts
        below = cast(out, out.add("Less", probabilities, threshold), INT64)
        chosen = out.add("Sub", out.constants.whole(1), below)
        ports.add_output(answer, chosen, np.int64, ["batch", labels])
    else:
        label = out.add("ArgMax", probabilities, axis=1, keepdims=0)
        ports.add_output(answer, label, np.int64, ["batch"])
    return [file]


def _probabilities(out: Nodes, scores: str, independent: bool) -> str:
    """The probabilities of scores (B, C), float64; those of labels that are independent do not add
    up to 1.
    """
    if independent:
        return out.add("Sigmoid", scores, name="probabilities")
    return out.add("Softmax", scores, axis=-1, name="probabilities")


def network_alone(task: AnyTask, network_only: bool) -> bool:
    """Whether the answers of the file come from the network without the linear model."""
    linear_model = task.model.linear
    return network_only or linear_model is None or float(linear_model.weight) == 0


def _metadata(task: AnyTask, network_only: bool) -> dict[str, Any]:
    metadata = task.metadata
    found: dict[str, Any] = {"labels": metadata.labels, "label_kind": metadata.label_kind}
    if task.labelling.independent:
        found |= {"multi_label": True, "threshold": task.options.threshold}
    if metadata.units is not None:
        found |= {"units": metadata.units, "dtype": metadata.dtype}
    else:
        found |= text_metadata(task)
        if metadata.letters is not None:
            found |= {"characters": metadata.letters, "character_kind": task.options.characters}
        if metadata.ngrams is not None:
            found["ngram_features"] = metadata.ngrams
    if task.model.linear is not None:
        alone = network_alone(task, network_only)
        found["linear_model_weight"] = 0.0 if alone else float(task.model.linear.weight)
        if alone and float(task.model.linear.weight):
            found["network_only"] = True
    return found


# ---------------------------------------------------------------- the network


def _rows(out: Nodes, task: AnyTask, mask: str) -> str:
    """Sequences as the network reads them, 0 after the end of a row."""
    from ...tasks.classify import LEAST_DEVIATION

    x, valid = scaled(out, "x", task.metadata), unsqueeze(out, mask, 2)
    if not task.options.standardise:
        return gate_mask(out, valid, x, 0.0)
    count = cast(out, out.add("Max", "lengths", out.constants.whole(1)), FLOAT)
    count = unsqueeze(out, count, 1, 2)
    total = sum_over(out, gate_mask(out, valid, x, 0.0), 1, keep=True)
    centred = out.add("Sub", x, out.add("Div", total, count))
    centred = gate_mask(out, valid, centred, 0.0)
    squares = sum_over(out, out.add("Mul", centred, centred), 1, keep=True)
    variance = out.add(
        "Add", out.add("Div", squares, count), out.constants.number(LEAST_DEVIATION**2)
    )
    return out.add("Div", centred, out.add("Sqrt", variance), name="standardised")


def _scores(out: Nodes, model: Any, x: str, mask: str) -> str:
    """The scores (B, C) of the network for `x`, or for `tokens` if the input is text."""
    if model.words:
        x = spelled_words(out, model.words, "tokens", "characters", "character_lengths")
    elif model.embedding is not None:
        x = embedding(out, model.embedding, "tokens")
    output = recurrent(out, model.recurrent, x, lengths="lengths").output
    valid = unsqueeze(out, mask, 2)
    at_least_one = out.add("Max", "lengths", out.constants.whole(1))
    # outputs after the end are already 0
    mean = out.add(
        "Div", sum_over(out, output, 1), unsqueeze(out, cast(out, at_least_one, FLOAT), 1)
    )
    most = gate_mask(out, valid, output, -np.inf)
    most = out.add("ReduceMax", most, out.constants.whole(1), keepdims=0)
    some = unsqueeze(out, out.add("Greater", "lengths", out.constants.whole(0)), 1)
    most = gate_mask(out, some, most, 0.0)
    # the last output of each direction; that of the reverse one is at the first step
    ahead = model.recurrent.output_size // (1 + model.recurrent.bidirectional)
    end = out.add("Sub", at_least_one, out.constants.whole(1))
    steps = part(out, output, 0, ahead, 2)
    last = squeeze(out, out.add("GatherND", steps, unsqueeze(out, end, 1), batch_dims=1))
    last = out.add("Reshape", last, out.constants.whole(-1, ahead))
    first = squeeze(out, part(out, part(out, output, 0, 1, 1), ahead, None, 2), 1)
    pooled = [most, mean, last, first] if model.recurrent.bidirectional else [most, mean, last]
    return linear(out, model.readout, out.add("Concat", *pooled, axis=1, name="pooled"))


# ---------------------------------------------------------------- the linear model


def _mean(out: Nodes, network: str, other: str, weight: float) -> str:
    """The weighted mean of two models' probabilities."""
    shares = [
        out.constants.add(np.array(share, np.float64), "share") for share in (1 - weight, weight)
    ]
    return out.add("Add", *(out.add("Mul", *pair) for pair in zip((network, other), shares)))


def _double(out: Nodes, values: Tensor, name: str) -> str:
    """A float64 constant, stored in the precision of a buffer."""
    return cast(out, out.constants.add(array(values), name), DOUBLE)


def _random_kernels(out: Nodes, model: "RandomKernels", x: str, mask: str) -> str:
    """The probabilities of a linear model of random kernels, (B, C) float64."""
    from ...tasks.random_kernels import TRIPLES, VIEWS, WIDTH

    kernels = np.full((len(TRIPLES), 1, WIDTH), -1.0, np.float32)
    for kernel, places in zip(kernels, TRIPLES):
        kernel[0, list(places)] = 2.0
    taps = out.constants.add(kernels, "kernels")
    lengths, features = "lengths", []
    for view in range(VIEWS):
        if view:
            # differences from step to step, and 0 in place of the last
            lengths = out.add("Sub", lengths, out.constants.whole(1))
            lengths = out.add("Max", lengths, out.constants.whole(0))
            change = out.add("Sub", part(out, x, 1, None, 1), part(out, x, 0, -1, 1))
            none = out.add("Mul", part(out, x, 0, 1, 1), out.constants.number(0.0))
            x = out.add("Concat", change, none, axis=1)
            mask = inside(out, lengths, x)
            x = gate_mask(out, unsqueeze(out, mask, 2), x, 0.0)
        valid = unsqueeze(out, mask, 1)
        count = cast(out, out.add("Max", lengths, out.constants.whole(1)), FLOAT)
        count = unsqueeze(out, count, 1, 2)
        turned = out.add("Transpose", x, perm=[0, 2, 1])
        for number, dilation in enumerate(model.dilations):
            channels = out.constants.add(array(model.channels[view, number]), "channels")
            output = out.add(
                "Conv",
                out.add("MatMul", channels, turned),
                taps,
                dilations=[dilation],
                pads=[dilation * (WIDTH // 2)] * 2,
                group=len(TRIPLES),
                kernel_shape=[WIDTH],
            )
            features.append(_shares(out, model, (view, number), output, valid, count))
    found = cast(out, out.add("Concat", *features, axis=1, name="features"), DOUBLE)
    scores = out.add("MatMul", found, _double(out, model.coefficients, "coefficients"))
    scores = out.add("Add", scores, _double(out, model.intercept, "intercept"))
    return _probabilities(out, scores, model.independent)


def _shares(
    out: Nodes, model: "RandomKernels", place: tuple[int, int], output: str, valid: str, count: str
) -> str:
    """The share of steps at which outputs (B, kernels, T) exceed each threshold."""
    ramp = model.ramps[place][:, None]
    starts = model.thresholds[place] / ramp - 0.5
    output = out.add("Div", output, out.constants.add(array(ramp), "ramps"))
    output = gate_mask(out, valid, output, -np.inf)
    shares = []
    for k in range(starts.shape[1]):
        start = out.constants.add(array(starts[:, k, None]), "thresholds")
        above = out.add(
            "Clip",
            out.add("Sub", output, start),
            out.constants.number(0.0),
            out.constants.number(1.0),
        )
        shares.append(sum_over(out, above, 2, keep=True))
    share = out.add("Div", out.add("Concat", *shares, axis=2), count)
    return out.add("Reshape", share, out.constants.whole(0, -1))


def _ngrams(out: Nodes, model: "NGrams") -> str:
    """The probabilities of a linear model of n-grams, (B, C) float64, from the numbers of the
    n-grams of each text (B, K) and how often they occur; a count of 0 is padding.
    """
    zero, one = (out.constants.add(np.array(number, np.float64)) for number in (0, 1))
    counts = cast(out, "ngram_counts", DOUBLE)
    frequency = out.add("Add", one, out.add("Log", out.add("Max", counts, one)))
    rarity = out.add("Gather", out.constants.add(array(model.rarity), "rarity"), "ngrams", axis=0)
    value = out.add("Mul", frequency, cast(out, rarity, DOUBLE))
    value = out.add("Where", out.add("Greater", counts, zero), value, zero)
    # each kind of n-gram has a length of 1
    is_word = out.add("Less", "ngrams", out.constants.whole(model.features))
    sizes = []
    for kind in ((value, zero), (zero, value)):
        some = out.add("Where", is_word, *kind)
        size = out.add("Sqrt", sum_over(out, out.add("Mul", some, some), 1, keep=True))
        sizes.append(out.add("Where", out.add("Greater", size, zero), size, one))
    value = out.add("Div", value, out.add("Where", is_word, *sizes))
    table = out.constants.add(np.ascontiguousarray(array(model.coefficients).T), "coefficients")
    weights = cast(out, out.add("Gather", table, "ngrams", axis=0), DOUBLE)
    scores = sum_over(out, out.add("Mul", unsqueeze(out, value, 2), weights), 1)
    scores = out.add("Add", scores, _double(out, model.intercepts, "intercepts"))
    if len(model.intercepts) == 1:
        none = out.add("Mul", scores, zero)
        scores = out.add("Concat", none, scores, axis=1)
    return _probabilities(out, scores, model.independent)


# ---------------------------------------------------------------- the proof


def check(task: AnyTask, run: Run, *, network_only: bool) -> None:
    """Compare the file with the task on random rows."""
    random = np.random.default_rng(0)
    rows = random_texts(task, random) if task.is_text else random_rows(task.metadata, random)
    examples = task.read(rows, labelled=False)
    encoded = task.encode(examples)
    if network_alone(task, network_only):
        with torch.no_grad():
            scores = task.scores(task.collate([encoded[k] for k in range(len(encoded))]))
        wanted = task.labelling.probabilities(scores).numpy()
    else:
        wanted = task.probabilities(examples)
    found = run("", _feeds(task, rows, examples, encoded, network_only))
    compare("probabilities", found["probabilities"], wanted)


def _feeds(
    task: AnyTask, rows: list, examples: Any, encoded: Any, network_only: bool
) -> dict[str, np.ndarray]:
    """The inputs of the file for some rows."""
    given = [encoded[k] for k in range(len(encoded))]
    feeds: dict[str, np.ndarray] = {"lengths": np.array([len(row[0]) for row in given], np.int64)}
    if not task.is_text:
        return feeds | {"x": padded_numbers(rows, task.metadata.units)}
    feeds["tokens"] = padded_rows([row[0] for row in given])
    if task.metadata.letters is not None:
        feeds |= spelled_feeds([row[1] for row in given])
    if not network_alone(task, network_only):
        counts = task.model.linear._counts(list(task._linear_rows(examples)[:]))
        lines = [counts[k] for k in range(len(given))]
        feeds["ngrams"] = padded_rows([line.indices for line in lines])
        feeds["ngram_counts"] = padded_rows([line.data for line in lines])
    return feeds
