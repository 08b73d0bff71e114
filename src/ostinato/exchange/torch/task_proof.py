"""Private: compares the predictions of a written torch file with those of its task."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.values import BYTES_DTYPE
from ...errors import EngineError
from ...tasks.classify import Classifier
from ...tasks.forecast import Forecaster
from ...tasks.frames import FrameTagger
from ...tasks.generate import Generator
from ...tasks.tag import Tagger
from ...tasks.task import Task
from ..results import ResultComparison
from . import proof

__all__ = ["check_task"]

# Rows on which a file is compared with its task, and the most steps of a row.
ROWS, STEPS = 12, 12
# Texts with letters that a model may not know.
TEXTS = ["", "Zürich, 한글 and 漢字: it's 10 % 🙂", "é\u0301 👨‍👩‍👧 हिन्दी\tend "]
# The largest error of a probability or a score, relative to the largest number.
TOLERANCE = 1e-5
COMPARISON = ResultComparison(proof.FILE, TOLERANCE)

CLASSIFY = """
model = module.load()
rows = [torch.tensor(row) if isinstance(row, list) else row for row in given]
if model.settings.get("bytes"):
    rows = [row.to(torch.uint8) for row in rows]
results += [model.predict(rows), model.probabilities(rows).tolist()]
"""
TAG = "results.append(module.load().predict(given))"
FRAMES = """
model = module.load()
clips = [torch.tensor(clip).to(torch.uint8 if model.rows.bytes else torch.float) for clip in given]
results.append(model.predict(clips))
"""
GENERATE = """
model = module.load()
for prompt in given:
    with torch.no_grad():
        results.append(model.network(torch.tensor([model.encode(prompt)]))[0][0].tolist())
"""


FORECAST = """
model = module.load()
for values, steps, series in given:
    results.append([part.tolist() for part in model.forecast(values, steps, series)])
"""


def check_task(task: Task, folder: Path, name: str) -> None:
    """Compare a written file with its task on random inputs.

    Raises:
        EngineError: The predictions differ.
    """
    draw = random.Random(0)

    def run(code: str, given: Any) -> list:
        return proof.run(folder, name, code, given)

    for kind, check in _CHECKS.items():
        if isinstance(task, kind):
            check(task, draw, run)


def _classify(task: Any, draw: random.Random, run: Callable) -> None:
    rows = _texts(task.vocabulary, draw) if task.is_text else _sequences(task.metadata, draw)
    labels, probabilities = run(CLASSIFY, [r if isinstance(r, str) else r.tolist() for r in rows])
    own = task.probabilities(task.read(rows, labelled=False))
    COMPARISON.check("probabilities", probabilities, own)
    # two labels may have the same probability but for rounding
    sure = np.sort(own, 1)[:, -1] - np.sort(own, 1)[:, -2] > 2 * TOLERANCE
    wanted = np.asarray(task.predict(rows)).tolist()
    _equal([x for x, s in zip(labels, sure) if s], [x for x, s in zip(wanted, sure) if s])


def _tag(task: Tagger, draw: random.Random, run: Callable) -> None:
    rows = [" ".join(text.split()) for text in _texts(task.vocabulary, draw)]
    _equal(run(TAG, rows)[0], [*task.predict(rows)])


def _frames(task: FrameTagger, draw: random.Random, run: Callable) -> None:
    clips = _sequences(task.metadata, draw)
    _equal(run(FRAMES, [clip.tolist() for clip in clips])[0], [*task.predict(clips)])


@torch.no_grad()
def _generate(task: Any, draw: random.Random, run: Callable) -> None:
    vocabulary = task.vocabulary
    if vocabulary.kind == "character":
        prompts = ["".join(draw.choices(vocabulary.tokens, k=draw.randint(1, STEPS)))]
        prompts += ["", "".join(vocabulary.tokens[:STEPS])]
    else:
        prompts = TEXTS
    for found, prompt in zip(run(GENERATE, prompts), prompts, strict=True):
        read = torch.from_numpy(task._numbers(prompt)).long()[None]
        COMPARISON.check("scores", found, task.model(read)[0][0])


def _forecast(task: Any, draw: random.Random, run: Callable) -> None:
    series, columns = task.metadata.series, len(task.metadata.names)
    calls = [(None, steps, k) for k in range(min(3, len(series))) for steps in (1, 7)]
    predictions = {steps: task.predict_dicts(steps=steps) for steps in (1, 7)}
    for found, (_, steps, k) in zip(run(FORECAST, calls), calls, strict=True):
        answers = predictions[steps][k * steps * columns :][: steps * columns]
        for part, names in zip(found, (["value"], ["low", "low_95"], ["high", "high_95"])):
            own = [[answer[name] for answer in answers] for name in names]
            COMPARISON.check("forecasts", np.ravel(part), np.ravel(own))


_CHECKS: dict[type[Task], Callable[[Any, random.Random, Callable], None]] = {
    Classifier: _classify,
    Tagger: _tag,
    FrameTagger: _frames,
    Forecaster: _forecast,
    Generator: _generate,
}


def _texts(vocabulary: Any, draw: random.Random) -> list[str]:
    """Texts of known and unknown words."""
    words = sorted(vocabulary.tokenizer.get_vocab())
    rows = [" ".join(draw.choices(words, k=draw.randint(1, STEPS))) for _ in range(ROWS)]
    # no word of a byte-pair vocabulary need be text
    return TEXTS + [row.encode("utf-8", "replace").decode() for row in rows]


def _sequences(metadata: Any, draw: random.Random) -> list[np.ndarray]:
    """Sequences with the scales of the training data; one is empty."""
    numbers = np.random.default_rng(draw.randrange(1 << 30))
    rows = []
    for k in range(ROWS):
        steps = 0 if k == 0 else draw.randint(1, STEPS)
        row = numbers.normal(metadata.mean, metadata.scale, (steps, metadata.units))
        if metadata.dtype == BYTES_DTYPE:
            rows.append((255 * row).round().clip(0, 255).astype(np.uint8))
        else:
            rows.append(row.astype(np.float32))
    return rows


def _equal(found: list, own: list) -> None:
    for row, (one, other) in enumerate(zip(found, own, strict=True)):
        if one != other:
            raise EngineError(
                f"the written file predicts {one} for random row {row + 1}, and the model {other}; "
                "nothing has been written"
            )
