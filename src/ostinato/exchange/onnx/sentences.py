"""Private: language models, and encoders and decoders of sentences, as ONNX graphs."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from .files import AnyTask, OnnxTaskFile, Run, compare, text_metadata
from .layers import final, initial
from .modules import (
    FLOAT,
    array,
    attention,
    attention_keys,
    cast,
    checked,
    embedding,
    inside,
    linear,
    part,
    recurrent,
    scaled,
    squeeze,
    unsqueeze,
)
from .nodes import Nodes
from .proof import padded_numbers, padded_rows, random_rows, random_texts

if TYPE_CHECKING:
    from ...nn.recurrent import Recurrent

__all__ = ["check", "files"]

# Steps of the sentences that are written to compare the files with the task.
STEPS = 6


def files(task: AnyTask, *, network_only: bool) -> list[OnnxTaskFile]:
    """The file of a language model; or the files of an encoder and of one step of a decoder."""
    return [_language_file(task)] if task.name == "generate" else _sentence_files(task)


# ---------------------------------------------------------------- language models


def _language_file(task: AnyTask) -> OnnxTaskFile:
    file, model = OnnxTaskFile(metadata=text_metadata(task)), task.model
    out, ports, layer = file.out, file.ports, checked(model.recurrent)
    ports.add_input("tokens", np.int64, ["batch", "time"])
    units = _add_states(file, layer)
    ports.reserve("logits", *map(final, units))
    found = recurrent(
        out,
        layer,
        embedding(out, model.embedding, "tokens"),
        states={name: initial(name) for name in units},
    )
    logits = linear(out, model.readout, found.output)
    ports.add_output("logits", logits, np.float32, ["batch", "time", len(task.vocabulary)])
    _give_states(file, layer, units, found.finals)
    return file


def _add_states(file: OnnxTaskFile, layer: "Recurrent") -> dict[str, int]:
    """Add the initial states of a layer to the inputs; the units of each state."""
    letters = layer._letters(0)
    units = {name: size.at(letters) for name, size in layer.graph.states.items()}
    for name, n in units.items():
        shape: list[int | str | None] = [layer.num_layers * layer.num_directions, "batch", n]
        file.ports.add_input(initial(name), np.float32, shape)
    return units


def _give_states(
    file: OnnxTaskFile, layer: "Recurrent", units: dict[str, int], values: dict[str, str]
) -> None:
    """Add the final states of a layer to the outputs."""
    for name, n in units.items():
        shape: list[int | str | None] = [layer.num_layers * layer.num_directions, "batch", n]
        file.ports.add_output(final(name), values[name], np.float32, shape)


# ---------------------------------------------------------------- encoder and decoder


def _sentence_files(task: AnyTask) -> list[OnnxTaskFile]:
    from ...data.vocabulary import END, START

    metadata = text_metadata(task) | {"start": START, "end": END}
    encoder, decoder = OnnxTaskFile("encoder", dict(metadata)), OnnxTaskFile("decoder", metadata)
    if task.name == "transcribe":
        encoder.metadata |= {"units": task.metadata.units, "dtype": task.metadata.dtype}
    _encoder(encoder, task)
    _decoder(decoder, task)
    return [encoder, decoder]


def _encoder(file: OnnxTaskFile, task: AnyTask) -> None:
    model, out, ports = task.model, file.out, file.ports
    layer = checked(model.recurrent)
    units = dict(zip(layer.graph.states, model._state_units))
    if task.name == "caption":
        size = model.encoder.SIZE
        ports.add_input("pictures", np.uint8, ["batch", size, size, 3])
    else:
        if task.name == "translate":
            ports.add_input("tokens", np.int64, ["batch", "places"])
        else:
            ports.add_input("x", np.float32, ["batch", "places", task.metadata.units])
        ports.add_input("lengths", np.int64, ["batch"])
    ports.reserve("memory", "keys", "mask", *map(initial, units))
    mask: str | None = None
    if task.name == "caption":
        memory, summary = _pictures(out, model.encoder)
    else:
        memory, mask, summary = _sequences(out, task, model.encoder)
    summary = out.add("Tanh", linear(out, model.bridge, summary))
    # (B, L * all units) to (L, B, all units)
    summary = out.add("Reshape", summary, out.constants.whole(0, layer.num_layers, -1))
    summary = out.add("Transpose", summary, perm=[1, 0, 2])
    places = "places" if mask else model.encoder.PLACES
    ports.add_output("memory", memory, np.float32, ["batch", places, model.encoder.output_size])
    keys = attention_keys(out, model.attention, memory)
    width = model.attention.key.out_features
    ports.add_output("keys", keys, np.float32, ["batch", places, width])
    if mask:
        ports.add_output("mask", mask, np.bool_, ["batch", "places"])
    start = 0
    for name, n in units.items():
        state = part(out, summary, start, start + n, 2)
        ports.add_output(initial(name), state, np.float32, [layer.num_layers, "batch", n])
        start += n


def _sequences(out: Nodes, task: AnyTask, encoder: Any) -> tuple[str, str, str]:
    """The memory, the mask and the summary of an encoder of texts or clips."""
    if task.name == "translate":
        source, x = "tokens", embedding(out, encoder.embedding, "tokens")
    else:
        source, x = "x", linear(out, encoder.projection, scaled(out, "x", task.metadata))
    found = recurrent(out, encoder.recurrent, x, lengths="lengths")
    directions = 1 + encoder.recurrent.bidirectional
    ends = []
    for state in found.finals.values():
        # (D, B, H) of the last layer to (B, D * H)
        last = out.add("Transpose", part(out, state, -directions, None, 0), perm=[1, 0, 2])
        ends.append(out.add("Reshape", last, out.constants.whole(0, -1)))
    summary = out.add("Concat", *ends, axis=1, name="summary")
    return found.output, inside(out, "lengths", source), summary


def _pictures(out: Nodes, encoder: Any) -> tuple[str, str]:
    """The memory and the summary of an encoder of pictures."""
    number = out.constants.number
    x = out.add("Div", cast(out, "pictures", FLOAT), number(255.0))
    x = out.add("Transpose", x, perm=[0, 3, 1, 2])
    x = out.add("Sub", out.add("Mul", x, number(2.0)), number(1.0))
    for module in encoder.layers:
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
            x = out.add(
                "Conv",
                x,
                out.constants.add(array(module.weight), "weight"),
                out.constants.add(array(module.bias), "bias"),
                strides=list(module.stride),
                pads=[*module.padding, *module.padding],
                kernel_shape=list(module.kernel_size),
            )
        elif isinstance(module, nn.GroupNorm):
            x = _group_norm(out, module, x)
        else:
            x = out.add("Relu", x)
    places = out.add("Reshape", x, out.constants.whole(0, 0, -1))
    places = out.add("Transpose", places, perm=[0, 2, 1])
    memory = out.add("Add", places, out.constants.add(array(encoder.places), "places"))
    side = round(encoder.PLACES**0.5) // 2
    quarters = out.add("AveragePool", x, kernel_shape=[side] * 2, strides=[side] * 2)
    return memory, out.add("Reshape", quarters, out.constants.whole(0, -1))


def _group_norm(out: Nodes, module: nn.GroupNorm, x: str) -> str:
    """Group normalisation of (B, channels, height, width)."""
    groups = module.num_groups
    shape = out.add("Shape", x, name="shape")
    x = out.add("Reshape", x, out.constants.whole(0, groups, -1))
    x = out.add(
        "InstanceNormalization",
        x,
        out.constants.add(np.ones(groups, np.float32), "ones"),
        out.constants.add(np.zeros(groups, np.float32), "zeros"),
        epsilon=module.eps,
    )
    x = out.add("Reshape", x, shape)
    weight, bias = (
        out.constants.add(array(values)[:, None, None], "channels")
        for values in (module.weight, module.bias)
    )
    return out.add("Add", out.add("Mul", x, weight), bias)


def _decoder(file: OnnxTaskFile, task: AnyTask) -> None:
    model, out, ports = task.model, file.out, file.ports
    layer, masked = checked(model.recurrent), task.name != "caption"
    places = "places" if masked else model.encoder.PLACES
    ports.add_input("token", np.int64, ["batch"])
    units = _add_states(file, layer)
    ports.add_input("memory", np.float32, ["batch", places, model.encoder.output_size])
    ports.add_input("keys", np.float32, ["batch", places, model.attention.key.out_features])
    if masked:
        ports.add_input("mask", np.bool_, ["batch", places])
    ports.reserve("log_probabilities", "attention", *map(final, units))
    x = unsqueeze(out, embedding(out, model.embedding, "token"), 1)
    found = recurrent(out, layer, x, states={name: initial(name) for name in units})
    context, weights = attention(
        out, model.attention, found.output, "keys", "memory", "mask" if masked else None
    )
    both = out.add("Concat", context, found.output, axis=2)
    features = squeeze(out, out.add("Tanh", linear(out, model.combine, both)), 1)
    # the output layer is the embedding
    table = out.add(
        "Transpose", out.constants.add(array(model.embedding.weight), "embedding"), perm=[1, 0]
    )
    logits = out.add("MatMul", features, table)
    logits = out.add("Add", logits, out.constants.add(array(model.bias), "bias"))
    logs = out.add("LogSoftmax", logits, axis=1)
    count = len(task.vocabulary)
    ports.add_output("log_probabilities", logs, np.float32, ["batch", count])
    ports.add_output("attention", squeeze(out, weights, 1), np.float32, ["batch", places])
    _give_states(file, layer, units, found.finals)


# ---------------------------------------------------------------- the proof


@torch.no_grad()
def check(task: AnyTask, run: Run, *, network_only: bool) -> None:
    """Compare the files with the task on random rows."""
    random = np.random.default_rng(0)
    if task.name == "generate":
        return _check_language(task, run, random)
    model, feeds, given = task.model, *_sources(task, random)
    encoded = run("encoder", feeds)
    memory, mask, _ = model.encoder(*given)
    compare("memory", encoded["memory"], memory.numpy())
    if mask is not None:
        compare("mask", encoded["mask"], mask.numpy(), 0.0)
    wanted = model.decode(*given, beams=1, length=STEPS, length_norm=0.0)
    written = _written(task, run, encoded)
    for (best,), (tokens, score, looks) in zip(wanted, written):
        compare("tokens", np.array(tokens), np.array(best.tokens), 0.0)
        compare("log_probabilities", np.array(score), np.array(best.score))
        if tokens:
            compare("attention", np.stack(looks), best.attention.numpy())
    return None


def _check_language(task: AnyTask, run: Run, random: np.random.Generator) -> None:
    layer = task.model.recurrent
    tokens = torch.from_numpy(random.integers(0, len(task.vocabulary), (3, 5)))
    # numbers from 0 to 1 are ordinary states of every cell
    state = tuple(
        torch.from_numpy(random.random(one.shape, np.float32)) for one in layer.initial_state(3)
    )
    logits, ends = task.model(tokens, state)
    names = list(checked(layer).graph.states)
    feeds = {"tokens": tokens.numpy()} | {
        initial(name): one.numpy() for name, one in zip(names, state)
    }
    found = run("", feeds)
    compare("logits", found["logits"], logits.numpy())
    for name, one in zip(names, (ends,) if isinstance(ends, torch.Tensor) else ends):
        compare(final(name), found[final(name)], one.numpy())


def _sources(task: AnyTask, random: np.random.Generator) -> tuple[dict, tuple]:
    """Random inputs of the encoder: of the file, and of the model."""
    if task.name == "caption":
        size = task.model.encoder.SIZE
        pictures = random.integers(0, 256, (3, size, size, 3)).astype(np.uint8)
        return {"pictures": pictures}, task.encoder_inputs([*pictures])
    rows: list = (
        random_texts(task, random)
        if task.name == "translate"
        else random_rows(task.metadata, random)
    )
    sources = task.sources(task.read(rows, labelled=False))
    sources = [sources[k] for k in range(len(rows))]
    lengths = np.array([len(source) for source in sources], np.int64)
    if task.name == "translate":
        feeds = {"tokens": padded_rows(sources)}
    else:
        feeds = {"x": padded_numbers(rows, task.metadata.units)}
    return feeds | {"lengths": lengths}, task.encoder_inputs(sources)


def _written(task: AnyTask, run: Run, encoded: dict[str, np.ndarray]) -> list[tuple]:
    """The most probable sentences, token by token: tokens, log-probability and attention."""
    from ...data.vocabulary import END, START

    rows = len(encoded["memory"])
    written: list = [([], 0.0, []) for _ in range(rows)]
    states = {name: value for name, value in encoded.items() if name.startswith("initial_")}
    seen = {name: value for name, value in encoded.items() if name in ("memory", "keys", "mask")}
    token, done = np.full(rows, START, np.int64), np.zeros(rows, bool)
    for _ in range(STEPS):
        found = run("decoder", {"token": token, **states, **seen})
        states = {name: found[name.replace("initial_", "final_", 1)] for name in states}
        token = found["log_probabilities"].argmax(1)
        for k in np.flatnonzero(~done):
            tokens, score, looks = written[k]
            score += float(found["log_probabilities"][k, token[k]])
            done[k] = token[k] == END
            if not done[k]:
                tokens.append(int(token[k]))
                looks.append(found["attention"][k])
            written[k] = tokens, score, looks
    return written
