"""Private: taggers of words and of frames as ONNX graphs, with a CRF."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .files import AnyTask, OnnxTaskFile, Run, compare
from .modules import (
    DOUBLE,
    array,
    cast,
    inside,
    linear,
    part,
    recurrent,
    scaled,
    softmax,
    spelled_words,
    unsqueeze,
)
from .nodes import Nodes, value_info
from .proof import padded_numbers, padded_rows, random_rows, spelled_feeds

if TYPE_CHECKING:
    from ...nn.crf import LinearChainCRF

__all__ = ["check", "files"]

# Lengths of the random sentences on which a file is compared with its task.
LENGTHS = (6, 1, 0, 9, 3)


def files(task: AnyTask, *, network_only: bool) -> list[OnnxTaskFile]:
    """The file of a tagger of words or frames."""
    return [_frames_file(task) if task.name == "frames" else _words_file(task)]


def _frames_file(task: AnyTask) -> OnnxTaskFile:
    metadata = task.metadata
    names: dict[str, Any] = {"labels": metadata.labels, "units": metadata.units}
    file = OnnxTaskFile(metadata=names | {"dtype": metadata.dtype})
    out, model = file.out, task.model
    file.ports.add_input("x", np.float32, ["batch", "time", metadata.units])
    file.ports.add_input("lengths", np.int64, ["batch"])
    file.ports.reserve("labels", "probabilities")
    output = recurrent(out, model.recurrent, scaled(out, "x", metadata), lengths="lengths").output
    scores = linear(out, model.readout, output)
    _add_outputs(file, "labels", len(metadata.labels), scores, None)
    return file


def _words_file(task: AnyTask) -> OnnxTaskFile:
    metadata, model = task.metadata, task.model
    vocabulary = task.vocabulary.tokenizer.get_vocab()
    file = OnnxTaskFile(
        metadata={
            "labels": metadata.tags,
            "tokens": sorted(vocabulary, key=vocabulary.get)[: metadata.embedded],
            "characters": metadata.letters,
            "character_kind": task.options.characters,
        }
    )
    out, ports = file.out, file.ports
    ports.add_input("tokens", np.int64, ["batch", "time"])
    ports.add_input("lengths", np.int64, ["batch"])
    ports.add_input("characters", np.int64, ["batch", "time", "letters"])
    ports.add_input("character_lengths", np.int64, ["batch", "time"])
    ports.reserve("tags", "probabilities")
    x = spelled_words(out, model, "tokens", "characters", "character_lengths")
    output = recurrent(out, model.recurrent, x, lengths="lengths").output
    scores = linear(out, model.readout, output)
    _add_outputs(file, "tags", len(metadata.tags), scores, model.crf)
    return file


def _add_outputs(
    file: OnnxTaskFile, name: str, count: int, scores: str, crf: "LinearChainCRF | None"
) -> None:
    """The best label of each step (B, T) and the probabilities (B, T, C) from scores (B, T, C); 0
    after the end of a row.
    """
    out = file.out
    mask = inside(out, "lengths", scores)
    if crf is None:
        probabilities = softmax(out, scores)
        best = out.add("ArgMax", scores, axis=2, keepdims=0)
    else:
        best, probabilities = _add_crf(out, crf, scores, mask)
    best = out.add("Where", mask, best, out.constants.add(np.array(0, np.int64), "number"))
    nothing = out.constants.add(np.array(0.0), "number")
    probabilities = out.add("Where", unsqueeze(out, mask, 2), probabilities, nothing)
    file.ports.add_output(name, best, np.int64, ["batch", "time"])
    file.ports.add_output("probabilities", probabilities, np.float64, ["batch", "time", count])


# ---------------------------------------------------------------- the CRF


def _add_crf(out: Nodes, crf: "LinearChainCRF", scores: str, mask: str) -> tuple[str, str]:
    """The best sequences of tags (B, T), and the probability of each tag in each step (B, T, C),
    from scores (B, T, C) and the valid steps (B, T).
    """
    weights = array(crf._weights())
    steps = _CRFNodes(out, weights, scores, mask)
    best, alpha, beta = steps.best(), steps.forward(), steps.backward()
    # their sum is the logarithm of the probability, up to a term of each row
    probabilities = out.add("Softmax", out.add("Add", alpha, beta), axis=-1)
    return (
        out.add("Transpose", best, perm=[1, 0]),
        out.add("Transpose", probabilities, perm=[1, 0, 2]),
    )


class _CRFNodes:
    """The loops of a CRF over time.

    Args:
        out: The graph.
        weights: The scores of tags after tags, (C + 1, C + 1) float64.
        scores: The scores of tags, (B, T, C).
        mask: The valid steps, (B, T).
    """

    def __init__(self, out: Nodes, weights: np.ndarray, scores: str, mask: str):
        self.out, self.tags = out, len(weights) - 1
        add = out.constants.add
        self.follow = add(weights[:-1, :-1], "follow")
        self.shares = add(np.exp(weights[:-1, :-1]), "follow")
        self.shares_before = add(np.exp(weights[:-1, :-1]).T, "follow")
        self.start, self.end = add(weights[-1:, :-1], "start"), add(weights[:-1, -1][None], "end")
        self.scores = cast(out, out.add("Transpose", scores, perm=[1, 0, 2]), DOUBLE)
        self.valid = unsqueeze(out, out.add("Transpose", mask, perm=[1, 0]), 2)
        after = part(out, self.valid, 1, None, 0)
        none = out.add("And", part(out, self.valid, 0, 1, 0), add(np.array(False), "no"))
        self.valid_after = out.add("Concat", after, none, axis=0)
        # true in the first step of all rows, (T, 1, 1)
        steps = out.add("Shape", scores, start=1, end=2)
        one = add(np.array(1, np.int64), "number")
        zero = add(np.array(0, np.int64), "number")
        time = out.add("Range", zero, out.add("Squeeze", steps), one)
        self.first = unsqueeze(out, out.add("Less", time, one), 1, 2)
        self.zeros = out.add("Mul", self._at(0), add(np.array(0.0), "number"))

    def _at(self, step: int) -> str:
        """The scores of a step, (B, C)."""
        place = self.out.constants.add(np.array(step, np.int64), "number")
        return self.out.add("Gather", self.scores, place, axis=0)

    def _scan(
        self,
        name: str,
        state: tuple[str, type],
        columns: list[tuple[str, type, int]],
        body,
        outputs: list[tuple[type, int]],
        *,
        reverse: bool = False,
    ) -> list[str]:
        """Add a Scan over time with one state (B, units).

        Args:
            name: The name of its body.
            state: The initial state, and its dtype.
            columns: The arrays (T, B, units) that it reads: names, dtypes and units.
            body: Function from the nodes of the body, the state and the values of a step to the new
                state and the outputs of the step.
            outputs: The dtype and units of each output.
            reverse: From the last step to the first.
        """
        from onnx import helper

        constants, inner = self.out.constants, Nodes(self.out.constants)
        given = [(state[0], state[1], self.tags if state[1] is not np.int64 else 1), *columns]
        names = [constants.unique(f"{name}_argument") for _ in given]
        arguments = [
            value_info(one, np.dtype(of), ["batch", units])
            for one, (_, of, units) in zip(names, given)
        ]
        results = [inner.add("Identity", one, name=name) for one in body(inner, *names)]
        kinds = [(state[1], given[0][2]), *outputs]
        ends = [
            value_info(one, np.dtype(of), ["batch", units])
            for one, (of, units) in zip(results, kinds)
        ]
        step = helper.make_graph(inner.nodes, f"{name}_step", arguments, ends)
        return self.out.add_many(
            "Scan",
            [state[0], *(one for one, _, _ in columns)],
            [name] * len(kinds),
            body=step,
            num_scan_inputs=len(columns),
            scan_input_directions=[int(reverse)] * len(columns),
            scan_output_directions=[int(reverse)] * len(outputs),
        )

    @property
    def _columns(self) -> list[tuple[str, type, int]]:
        return [
            (self.scores, np.float64, self.tags),
            (self.valid, np.bool_, 1),
            (self.first, np.bool_, 1),
        ]

    def _moved(self, inner: Nodes, total: str, after: str, score: str, valid: str, first: str):
        """The new totals from those after a step: of the first step, the scores of the start."""
        after = inner.add("Where", first, self.start, after)
        after = inner.add("Add", after, score)
        return inner.add("Where", inner.add("Or", valid, first), after, total)

    def _sums(self, inner: Nodes, total: str, shares: str) -> str:
        """Logarithms of the sums over the tags before (or after) of exponentials."""
        most = inner.add("ReduceMax", total, self.out.constants.whole(1), keepdims=1)
        product = inner.add("MatMul", inner.add("Exp", inner.add("Sub", total, most)), shares)
        # as in LinearChainCRF
        least = self.out.constants.add(np.array(1e-300), "number")
        return inner.add("Add", inner.add("Log", inner.add("Max", product, least)), most)

    def best(self) -> str:
        """The sequences of tags with the largest total scores, (T, B)."""
        same = self.out.constants.add(np.arange(self.tags, dtype=np.int64)[None], "tags")

        def forward(inner, total, score, valid, first):
            each = inner.add("Add", unsqueeze(inner, total, 2), self.follow)
            most = inner.add("ReduceMax", each, self.out.constants.whole(1), keepdims=0)
            before = inner.add("ArgMax", each, axis=1, keepdims=0)
            pointer = inner.add("Where", valid, before, same)
            return self._moved(inner, total, most, score, valid, first), pointer

        totals, pointers = self._scan(
            "best", (self.zeros, np.float64), self._columns, forward, [(np.int64, self.tags)]
        )
        last = self.out.add(
            "ArgMax", self.out.add("Add", totals, self.end), axis=1, keepdims=1, name="last"
        )

        def back(inner, tag, pointer):
            return inner.add("GatherElements", pointer, tag, axis=1), tag

        _, tags = self._scan(
            "trace",
            (last, np.int64),
            [(pointers, np.int64, self.tags)],
            back,
            [(np.int64, 1)],
            reverse=True,
        )
        return self.out.add("Squeeze", tags, self.out.constants.whole(2))

    def forward(self) -> str:
        """Logarithms of the summed exponentials of all sequences up to each step, (T, B, C)."""

        def body(inner, total, score, valid, first):
            after = self._sums(inner, total, self.shares)
            new = self._moved(inner, total, after, score, valid, first)
            return new, new

        return self._scan(
            "forward", (self.zeros, np.float64), self._columns, body, [(np.float64, self.tags)]
        )[1]

    def backward(self) -> str:
        """Logarithms of the summed exponentials of all sequences after each step, (T, B, C)."""
        columns = [(self.scores, np.float64, self.tags), (self.valid_after, np.bool_, 1)]

        def body(inner, total, score, valid_after):
            before = self._sums(inner, total, self.shares_before)
            now = inner.add("Where", valid_after, before, self.end)
            return inner.add("Add", now, score), now

        return self._scan(
            "backward",
            (self.zeros, np.float64),
            columns,
            body,
            [(np.float64, self.tags)],
            reverse=True,
        )[1]


# ---------------------------------------------------------------- the proof


def check(task: AnyTask, run: Run, *, network_only: bool) -> None:
    """Compare the file with the task on random rows."""
    random = np.random.default_rng(0)
    words = task.name == "tag"
    rows: list = _random_sentences(task, random) if words else random_rows(task.metadata, random)
    examples = task.read(rows, labelled=False)
    encoded = task.encode(examples)
    if words:
        from ...tasks.tag import TagScores

        given = [encoded[k] for k in range(len(encoded))]
        feeds = {"tokens": padded_rows([row[0] for row in given])}
        feeds |= spelled_feeds([row[1] for row in given])
        scores = TagScores.of(task, encoded)
    else:
        from ...tasks.scores import Scores

        feeds = {"x": padded_numbers(rows, task.metadata.units)}
        scores = Scores.of(task, encoded)
    lengths = np.array([len(row) for row in rows], np.int64)
    found = run("", feeds | {"lengths": lengths})
    valid = np.arange(int(lengths.max())) < lengths[:, None]
    best = found["tags" if words else "labels"]
    compare("tags" if words else "labels", best[valid], scores.given[:], 0.0)
    sure = np.take_along_axis(found["probabilities"], best[..., None], 2)[..., 0]
    compare("probabilities", sure[valid], scores.sure[:])
    compare("probabilities", found["probabilities"].sum(2), valid.astype(float))


def _random_sentences(task: AnyTask, random: np.random.Generator) -> list[list[str]]:
    """Random sentences of known and unknown words."""
    known = list(task.vocabulary.tokenizer.get_vocab())
    words = [str(random.choice(known)) for _ in range(40)] + ["Zyxwv", "x1", "가나", "<pad>"]
    return [[str(random.choice(words)) for _ in range(length)] for length in LENGTHS]
