"""Ridge regression on random convolutional kernels, and what a classifier gains by it."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from ostinato.errors import InputError
from ostinato.tasks import Classifier, load
from ostinato.tasks.metadata import KernelSizes
from ostinato.tasks.random_kernels import RandomKernels, kernel_sizes, ridge
from runs import without_time

SIZES = KernelSizes([1, 2, 5], 2)


def waves(count: int, seed: int, steps=(20, 30, 45)) -> tuple[list[np.ndarray], list[str]]:
    """Noisy waves of three frequencies at random phases, and of several lengths."""
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for k in range(count):
        time, speed = np.arange(random.choice(steps)), 0.3 + 0.5 * (k % 3)
        wave = np.sin(speed * time + random.uniform(0, 6)) + random.normal(0, 0.1, len(time))
        rows.append(wave.astype(np.float32)[:, None])
        labels.append("abc"[k % 3])
    return rows, labels


def fitted(rows, labels, units=1, sizes=SIZES, seed=1) -> RandomKernels:
    model = RandomKernels(units, 3, sizes)
    model.fit(rows, np.array(["abc".index(label) for label in labels]), seed=seed)
    return model


def test_few_waves_are_enough():
    model = fitted(*waves(30, 0))
    rows, labels = waves(90, 1)
    right = model(rows).argmax(1) == torch.tensor(["abc".index(label) for label in labels])
    assert right.double().mean() > 0.95


def test_probabilities_add_up_and_the_same_seed_gives_the_same_model():
    rows, labels = waves(12, 0)
    one, same, other = (fitted(rows, labels, seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(one(rows).exp().sum(1), torch.ones(12, dtype=torch.float64))
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
    # one channel leaves nothing to draw but the sampled rows; several channels do
    rows = [np.repeat(row, 4, 1) for row in rows]
    one, other = (fitted(rows, labels, units=4, seed=seed) for seed in (1, 2))
    assert not torch.equal(one.channels, other.channels)


@pytest.mark.parametrize("units", [1, 3])
def test_features_are_the_shares_of_steps_above_a_threshold(units):
    """Against a plain loop; the ramp is as narrow as rounding allows."""
    random = np.random.default_rng(0)
    rows = [random.normal(size=(steps, units)).astype(np.float32) for steps in (13, 4, 30)]
    model = fitted(rows, "abc", units=units)
    model.ramps.fill_(1e-6)
    model.thresholds += 1e-3
    found = model.features(rows).view(3, *model.thresholds.shape).numpy()
    for number, row in enumerate(rows):
        for view, x in enumerate((row, np.diff(row, axis=0))):
            for place, dilation in enumerate(model.dilations):
                for kernel, triple in enumerate(combinations(range(9), 3)):
                    mixed = x @ model.channels[view, place, kernel].numpy()
                    wide = np.pad(mixed, 4 * dilation)
                    taps = [wide[k * dilation : k * dilation + len(x)] for k in range(9)]
                    output = 3 * sum(taps[k] for k in triple) - sum(taps)
                    above = output[:, None] > model.thresholds[view, place, kernel].numpy()
                    near = np.abs(output[:, None] - model.thresholds[view, place, kernel].numpy())
                    if near.min() > 1e-4:
                        np.testing.assert_allclose(
                            found[number, view, place, kernel], above.mean(0), atol=1e-6
                        )


@pytest.mark.parametrize("steps", [0, 1, 2, 8, 9, 100])
def test_a_row_of_any_length_has_features_that_do_not_depend_on_other_rows(steps):
    model = fitted(*waves(12, 0))
    row = np.random.default_rng(0).normal(size=(steps, 1)).astype(np.float32)
    alone, together = model([row]), model([*waves(6, 1)[0], row])[-1:]
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)
    assert torch.isfinite(alone).all()


@pytest.mark.parametrize("rows", [["constant"] * 6, ["empty"] * 6, ["constant", "empty"] * 3])
def test_rows_without_information_give_the_shares_of_the_labels(rows):
    kinds = {"constant": np.ones((7, 1), np.float32), "empty": np.zeros((0, 1), np.float32)}
    model = fitted([kinds[row] for row in rows], "aaaabc")
    given = model([kinds[rows[0]]])[0].exp()
    assert torch.isfinite(given).all() and given[0] > given[1]


def test_a_dilation_longer_than_a_row_takes_no_more_memory():
    rows, labels = waves(6, 0)
    model = fitted(rows, labels, sizes=KernelSizes([1, 10**9], 1))
    assert torch.isfinite(model(rows)).all()


@pytest.mark.parametrize("rows, steps", [(10, 1), (50, 150), (10_000, 28), (10**6, 10**5)])
def test_sizes_are_bounded(rows, steps):
    sizes = kernel_sizes(rows, steps)
    features = 2 * 84 * len(sizes.dilations) * sizes.thresholds
    assert features <= 12_000 and max(sizes.dilations) <= max(1, steps / 8)
    assert min(rows, 10_000) * features <= 30_000_000


@pytest.mark.parametrize("shape", [(12, 5), (12, 40)])
def test_ridge_is_that_of_scikit_learn_up_to_a_factor(shape, monkeypatch):
    monkeypatch.setattr("ostinato.tasks.random_kernels.PENALTIES", np.array([3.0]))
    random = np.random.default_rng(0)
    x, labels = random.normal(2, 3, shape), np.arange(12) % 3
    coefficients, intercept, _ = ridge(x.copy(), labels, 3)
    scaled = (x - x.mean(0)) / x.std(0)
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    theirs = Ridge(alpha=3.0).fit(scaled, targets).predict(scaled)
    factors = (x @ coefficients + intercept) / theirs
    np.testing.assert_allclose(factors, np.full_like(factors, factors[0, 0]), rtol=1e-6)


def test_the_cross_entropy_of_ridge_is_that_of_rows_left_out_one_by_one(monkeypatch):
    monkeypatch.setattr("ostinato.tasks.random_kernels.PENALTIES", np.array([3.0]))
    monkeypatch.setattr("ostinato.tasks.random_kernels.SHARPNESS", np.array([2.0]))
    random = np.random.default_rng(0)
    x, labels = random.normal(size=(10, 30)), np.arange(10) % 2
    _, _, nats = ridge(x.copy(), labels, 2)
    scaled = (x - x.mean(0)) / x.std(0)
    targets = np.where(labels[:, None] == np.arange(2), 1.0, -1.0)
    wanted = []
    for k in range(10):
        rest = np.arange(10) != k
        output = Ridge(alpha=3.0).fit(scaled[rest], targets[rest]).predict(scaled[[k]])[0]
        logs = 2 * output - np.logaddexp.reduce(2 * output)
        wanted.append(-(11 / 12 * logs[labels[k]] + 1 / 12 * logs.mean()))
    assert nats == pytest.approx(np.mean(wanted), rel=1e-6)


# ---------------------------------------------------------------- in a classifier

SMALL = {"hidden": 4, "steps": 12, "patience": 0, "batch": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The directory of a classifier that had too few steps for its network, and the task."""
    out = tmp_path_factory.mktemp("kernels") / "model"
    return out, Classifier(**SMALL, held_out=0.3).fit(waves(45, 0), out=out, threads=1)


def test_a_network_that_has_not_learned_does_not_spoil_the_answers(trained):
    _, task = trained
    network, linear, _ = task.result.compared
    assert network.value < 0.8 and linear.value > 0.9 and linear.weight > 0.5
    assert task.evaluate(waves(90, 1))["accuracy"] > 0.95


def test_a_saved_classifier_has_its_linear_model(trained, tmp_path):
    out, task = trained
    rows, _ = waves(9, 2)
    assert load(out).predict_dicts(rows) == task.predict_dicts(rows)
    task.save(tmp_path / "m")
    assert load(tmp_path / "m").predict_dicts(rows) == task.predict_dicts(rows)


def test_metrics_are_those_of_rows_that_no_model_has_learned_from(monkeypatch):
    """Labels at random, almost no penalty: a model that had read the rows would know them."""
    monkeypatch.setattr("ostinato.tasks.random_kernels.PENALTIES", np.array([1e-3]))
    rows, _ = waves(60, 0)
    labels = np.random.default_rng(0).choice(["x", "y"], 60)
    task = Classifier(**SMALL, held_out=0.5).fit((rows, labels), threads=1)
    assert task.result.metrics["accuracy"] < 0.8
    with torch.no_grad():
        task.model.linear.weight.fill_(1.0)
    assert task.evaluate((rows, labels))["accuracy"] > 0.95


def test_test_data_is_measured_with_the_model_that_is_kept():
    test = waves(30, 3)
    task = Classifier(**SMALL).fit(waves(45, 0), test=test, threads=1)
    assert task.evaluate(test) == pytest.approx(task.result.metrics)


@pytest.mark.parametrize("step", [1, 12])
def test_a_run_broken_off_ends_with_the_same_linear_model(breaking, tmp_path, step):
    whole = Classifier(**SMALL).fit(waves(30, 0), threads=1)
    with pytest.raises(breaking.error):
        Classifier(**SMALL).fit(
            waves(30, 0),
            out=tmp_path / "m",
            threads=1,
            checkpoint_seconds=0.0,
            watcher=breaking(step),
        )
    again = Classifier(**SMALL).fit(waves(30, 0), out=tmp_path / "m", resume=True, threads=1)
    assert without_time(again.result) == without_time(whole.result)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name
    assert [one.weight for one in again.result.compared] == [
        one.weight for one in whole.result.compared
    ]


def test_a_run_broken_off_can_be_used_without_its_linear_model(breaking, tmp_path):
    with pytest.raises(breaking.error):
        Classifier(**SMALL).fit(waves(30, 0), out=tmp_path / "m", threads=1, watcher=breaking(8))
    assert len(load(tmp_path / "m").predict_dicts(waves(3, 0)[0])) == 3


def test_without_a_linear_model_there_is_only_the_network(tmp_path):
    task = Classifier(**SMALL, linear=False).fit(waves(30, 0), out=tmp_path / "m", threads=1)
    assert task.model.linear is None and not task.result.compared
    assert not any("linear" in name for name in task.model.state_dict())
    config = json.loads((tmp_path / "m/config.json").read_text(encoding="utf-8"))
    for name in ("linear", "standardise"):
        del config["options"][name]
    config["metadata"].pop("kernels", None)
    config["result"].pop("compared", None)
    (tmp_path / "m/config.json").write_text(json.dumps(config), encoding="utf-8")
    rows, _ = waves(3, 1)
    assert load(tmp_path / "m").predict_dicts(rows) == task.predict_dicts(rows)


def test_sequences_are_standardised_where_level_and_scale_say_nothing():
    random = np.random.default_rng(0)
    rows, labels = waves(60, 0)
    moved = [100 * random.normal() + 10 ** random.uniform(-1, 1) * row for row in rows]
    assert Classifier(**SMALL).fit((moved, labels), threads=1).options.standardise
    levels = [k % 3 + 0.3 * row for k, row in enumerate(waves(60, 1, steps=(30,))[0])]
    levels = [row[random.permutation(len(row))] for row in levels]
    assert not Classifier(**SMALL).fit((levels, labels), threads=1).options.standardise


def test_a_table_says_what_was_compared(trained, ostinato):
    out, task = trained
    _, linear, nearest = task.result.compared
    code, printed, _ = ostinato("info", out)
    assert code == 0 and "accuracy on held-out rows:" in printed
    assert f"random kernels         {linear.value:.4f}" in printed
    assert f"nearest neighbour      {nearest.value:.4f}" in printed and nearest.weight is None


@pytest.mark.parametrize(
    "rows, steps, least, most",
    [(30, 20, 400, 500), (30, 800, 200, 250), (30, 10**5, 100, 130), (3000, 2, 1200, 1400)],
)
def test_few_rows_are_trained_on_for_enough_steps(rows, steps, least, most):
    row = np.zeros((steps, 1), np.float32)
    task = Classifier(linear=False, standardise=False)
    learned, _ = task.split(task.read(([row] * rows, ["a", "b"] * (rows // 2))))
    epochs = task.prepare(learned, learned)["epochs"]
    assert least <= np.ceil(epochs * -(-len(learned) // task.options.batch)) <= most


@pytest.mark.parametrize(
    "name, value",
    [
        ("dilations", []),
        ("dilations", [0]),
        ("dilations", [1, 1]),
        ("dilations", [1, 2, 3, 4, 5, 6, 7]),
        ("thresholds", 0),
        ("thresholds", 10**9),
        ("thresholds", 3),
    ],
)
def test_damaged_sizes_are_one_error(trained, tmp_path, name, value):
    _, task = trained
    task.save(tmp_path / "m")
    path = tmp_path / "m/config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["metadata"]["kernels"][name] = value
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="config.json"):
        load(tmp_path / "m")
