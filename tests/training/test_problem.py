"""Batches of rows whose lengths are near each other."""

import dataclasses

import numpy as np
import pytest
import torch

from ostinato import Recurrent
from ostinato.data.batching import Buckets, padded, within_steps
from ostinato.tasks import Classifier, Forecaster, FrameTagger, Tagger, Translator
from ostinato.training.problem import Problem

LENGTHS = np.random.default_rng(0).integers(0, 50, 1103)


def epoch(buckets, number):
    return [
        buckets.rows(step)
        for step in range(number * buckets.steps_per_epoch, (number + 1) * buckets.steps_per_epoch)
    ]


@pytest.mark.parametrize("batch", [1, 16, 1103, 5000])
def test_each_row_comes_once_an_epoch(batch):
    buckets = Buckets(LENGTHS, batch=batch, seed=3)
    for number in (0, 1):
        assert np.array_equal(
            np.sort(np.concatenate(epoch(buckets, number))), np.arange(len(LENGTHS))
        )


def test_a_batch_follows_from_its_number_and_the_seed():
    one, other = Buckets(LENGTHS, batch=16, seed=3), Buckets(LENGTHS, batch=16, seed=3)
    assert [r.tolist() for r in epoch(one, 1)] == [
        other.rows(one.steps_per_epoch + k).tolist() for k in range(one.steps_per_epoch)
    ]
    assert [r.tolist() for r in epoch(one, 0)] != [r.tolist() for r in epoch(one, 1)]
    assert one.rows(0).tolist() != Buckets(LENGTHS, batch=16, seed=4).rows(0).tolist()


def test_a_seed_keeps_its_batches():
    random = np.random.default_rng([3, 1])
    rows = random.permutation(len(LENGTHS))
    pools = [rows[start : start + 64 * 16] for start in range(0, len(rows), 64 * 16)]
    pools = [pool[np.argsort(LENGTHS[pool], kind="stable")] for pool in pools]
    batches = [pool[start : start + 16] for pool in pools for start in range(0, len(pool), 16)]
    wanted = [batches[k].tolist() for k in random.permutation(len(batches))]
    assert [rows.tolist() for rows in epoch(Buckets(LENGTHS, batch=16, seed=3), 1)] == wanted


def test_little_of_a_batch_is_past_a_rows_end():
    taken = [LENGTHS[rows] for rows in epoch(Buckets(LENGTHS, batch=16, seed=3), 0)]
    assert sum(t.max() * len(t) for t in taken) < 1.1 * LENGTHS.sum()


@pytest.mark.parametrize("batch, limit", [(16, 200), (64, 100), (1103, 5000), (4, 10)])
def test_the_padded_size_of_a_batch_is_bounded(batch, limit):
    lengths = LENGTHS.copy()
    lengths[[3, 500]] = 200_000
    buckets = Buckets(lengths, batch=batch, seed=3, padded_steps=limit)
    for number in (0, 1, 5):
        taken = epoch(buckets, number)
        assert np.array_equal(np.sort(np.concatenate(taken)), np.arange(len(lengths)))
        assert all(len(rows) * lengths[rows].max() <= limit or len(rows) == 1 for rows in taken)
        assert max(map(len, taken)) <= batch
    # long rows do not make the batches of short rows smaller
    assert len(taken) < 2 * np.ceil(np.maximum(lengths, 1).sum() / limit) + len(lengths) / batch


def test_a_limit_that_no_batch_reaches_changes_nothing():
    one = Buckets(LENGTHS, batch=16, seed=3)
    other = Buckets(LENGTHS, batch=16, seed=3, padded_steps=16 * int(LENGTHS.max()))
    assert [r.tolist() for r in epoch(one, 1)] == [r.tolist() for r in epoch(other, 1)]


def test_rows_in_order_are_split_by_their_padded_size():
    rows = [np.zeros(length) for length in [5, 40, 3, 3, 200_000, 1, 1, *[2] * 9]]
    split = [*within_steps(rows, len, batch=4, padded_steps=40)]
    assert [len(row) for some in split for row in some] == [len(row) for row in rows]
    assert all(len(some) * max(map(len, some)) <= 40 or len(some) == 1 for some in split)
    assert max(map(len, split)) == 4


def test_rows_of_unequal_lengths_stand_side_by_side():
    x, lengths = padded(
        [np.array([5, 6], np.int32), np.array([], np.int32), np.array([7], np.int32)], 9
    )
    assert (
        x.tolist() == [[5, 6], [9, 9], [7, 9]]
        and x.dtype == torch.int64
        and lengths.tolist() == [2, 0, 1]
    )
    x, _ = padded([np.zeros((0, 3), np.float32)])
    assert x.shape == (1, 1, 3) and x.dtype == torch.float32


def test_a_problem_says_what_a_task_has_to():
    problem = Problem()
    for ask in (
        lambda: problem.batch(0),
        lambda: problem.loss((), None),
        problem.held_out,
        problem.evaluator,
    ):
        with pytest.raises(NotImplementedError):
            ask()
    assert problem.trained(0.5) == {"training_loss": 0.5} and problem.shown(0.5) == "loss 0.500"


TINY = {"hidden": 4, "steps": 1, "batch": 4, "label_smoothing": 0.1}
TEXTS = (["good film", "bad"] * 4, ["yes", "no"] * 4)
NUMBERS = [np.full((3, 2), k % 2, np.float32) for k in range(8)]


@pytest.mark.parametrize(
    "task, data",
    [
        (Classifier(**TINY, embedding=4, ensemble=3), TEXTS),
        (
            Classifier(**TINY, embedding=4, ensemble=2, multi_label=True),
            (TEXTS[0], [["a"], ["a", "b"], ["b"], []] * 2),
        ),
        (Tagger(**TINY, embedding=4), ([["a", "b"], ["b"]] * 4, [["A", "B"], ["B"]] * 4)),
        (
            Tagger(**TINY, embedding=4, transitions=True),
            ([["a", "b"], ["b"]] * 4, [["A", "B"], ["B"]] * 4),
        ),
        (FrameTagger(**TINY), (NUMBERS, [["x"] * 3, ["y"] * 3] * 4)),
        (Translator(**TINY, embedding=4), (["a b", "b"] * 4, ["c", "d c"] * 4)),
        (Forecaster(hidden=4, steps=1, batch=4), np.sin(np.arange(60.0))),
    ],
    ids=["ensemble", "label sets", "tags", "crf", "frames", "sentences", "forecast"],
)
def test_validation_has_the_loss_of_training_and_calls_each_network_once(task, data, close):
    examples = task.read(data)
    learned, watched = task.split(examples)
    task.options = dataclasses.replace(task.options, **task.prepare(learned, examples))
    task.model = task.build()
    problem = task.problem(learned, watched)
    task.model.eval()
    batch, calls = next(iter(problem.held_out())), []
    layers = [one for one in task.model.modules() if isinstance(one, Recurrent)]
    with torch.no_grad():
        wanted, count = task.loss(batch)
        for layer in layers:
            layer.register_forward_hook(lambda layer, *_: calls.append(id(layer)))
        loss, number = problem.evaluator().add(batch)
    close(loss, wanted)
    # greedy decoding calls the decoder again
    once = isinstance(task, Translator) or len(calls) == len({*calls})
    assert number == count and calls and once
