"""Linear heads: a whole grid at once is each head alone, and comes to what L-BFGS comes to."""

import dataclasses

import numpy as np
import pytest
import torch

from granctl.train.headgrid import Knobs, judge_heads, train_heads
from granctl.train.holdout import hold_out
from granctl.train.labelling import Labelling
from granctl.train.linear import Standard, best_of, grid, steps_of_heads
from granctl.train.recipe import Optimizer, Probe, load_recipe
from granctl.train.schedule import Schedule

CPU = torch.device("cpu")


def labelling_of(classes: list[list[int]], num_classes: int) -> Labelling:
    """Images with these classes, without any images."""
    ids = tuple(f"class-{i}" for i in range(num_classes))
    num = np.array([len(each) for each in classes])
    return Labelling(
        row=np.arange(len(classes)),
        key=np.arange(len(classes)),
        offsets=np.concatenate([[0], np.cumsum(num)]),
        classes=np.array([c for each in classes for c in each]),
        class_ids=ids,
        class_names=ids,
        classes_total=num_classes,
        labels_present=len(classes),
        dropped=0,
    )


def made_features(num: int, num_classes: int, width: int, seed: int):
    """Classes that overlap, in columns of other means and sizes."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(num_classes, width))
    scale, shift = rng.uniform(0.2, 5, width), rng.normal(size=width) * 3
    rng = np.random.default_rng(seed)
    main = rng.integers(0, num_classes, num)
    rows = (centres[main] + 1.5 * rng.normal(size=(num, width))) * scale + shift
    return rows.astype(np.float32), labelling_of([[c] for c in main.tolist()], num_classes)


def probe(steps: int = 300, **optimizer) -> Probe:
    """Momentum, a cosine, whole batches of 500."""
    given = {"name": "sgd", "lr": 1.0, **optimizer}
    return Probe(
        optimizer=Optimizer(**given),
        schedule=Schedule(kind="cosine", warmup_frac=0.0),
        steps=steps,
        batch_size=500,
    )


@pytest.mark.parametrize(("name", "lr", "decay"), [("sgd", 0.5, 1e-2), ("adam", 0.05, 1e-3)])
def test_a_head_comes_to_what_a_long_lbfgs_comes_to(name, lr, decay):
    """Within 0.1 point of scikit-learn's logistic regression of the same penalty: C = 1 / (n d)."""
    from sklearn.linear_model import LogisticRegression

    train, truth = made_features(2000, 10, 16, seed=0)
    test, asked = made_features(10_000, 10, 16, seed=1)
    standard = Standard.of(train)
    standard.apply(train)
    standard.apply(test)
    how = probe(600, name=name)
    heads = train_heads(train, truth, "cross-entropy", [Knobs(lr, decay)], how, 0, CPU)
    ((top1, loss),) = judge_heads(heads, test, asked, "cross-entropy", CPU)
    long = LogisticRegression(C=1 / (decay * len(train)), max_iter=5000, tol=1e-8)
    long.fit(train, truth.main_class)
    wanted = long.score(test, asked.main_class)
    assert 0.5 < wanted < 0.95
    assert top1 == pytest.approx(wanted, abs=0.001)
    said = long.predict_log_proba(test)[np.arange(len(test)), asked.main_class]
    assert loss == pytest.approx(-said.mean(), rel=0.01)


@pytest.mark.parametrize("seed", [0, 2])
def test_the_head_that_is_chosen_comes_to_what_lbfgs_comes_to(seed):
    """The recipe's grid, chosen as `linear` does, against L-BFGS with the chosen penalty."""
    from sklearn.linear_model import LogisticRegression

    rows, both = made_features(12_000, 10, 16, seed=seed)
    truth, asked = both.only(np.arange(2000)), both.only(np.arange(2000, 12_000))
    standard = Standard.of(rows[:2000])
    standard.apply(rows)
    train, test = rows[:2000], rows[2000:]
    how = dataclasses.replace(load_recipe("embedded-resnet").linear, steps=300)
    parts = hold_out(truth, 0.2, 0)
    (chosen, tried) = best_of(train, truth, "cross-entropy", parts, grid(how), how, 0, CPU)
    assert len(tried) == 40
    heads = train_heads(train, truth, "cross-entropy", [chosen], how, 0, CPU)
    ((top1, _),) = judge_heads(heads, test, asked, "cross-entropy", CPU)
    penalty = max(chosen.decay, 1e-6)
    long = LogisticRegression(C=1 / (penalty * len(train)), max_iter=5000, tol=1e-7)
    long.fit(train, truth.main_class)
    assert top1 == pytest.approx(long.score(test, asked.main_class), abs=0.001)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("several", [False, True])
def test_heads_trained_at_once_are_those_trained_alone(name, several):
    """Rates and decays do not touch each other, nor does one that is much too large."""
    train, truth = made_features(300, 4, 6, seed=0)
    Standard.of(train).apply(train)
    kind = "cross-entropy"
    if several:
        truth = labelling_of([[c, (c + 1) % 4] for c in truth.main_class.tolist()], 4)
        kind = "sigmoid"
    how = dataclasses.replace(probe(20, name=name), batch_size=64)
    knobs = [Knobs(0.1, 0.0), Knobs(1e30, 0.0), Knobs(0.03, 0.1)]
    together = train_heads(train, truth, kind, knobs, how, 3, CPU)
    for i in (0, 2):
        alone = train_heads(train, truth, kind, [knobs[i]], how, 3, CPU)
        assert torch.allclose(together.weight[i], alone.weight[0], atol=1e-5)
        assert torch.allclose(together.bias[i], alone.bias[0], atol=1e-5)
        assert together.losses[i] == pytest.approx(alone.losses[0], rel=1e-4)
    again = train_heads(train, truth, kind, knobs, how, 3, CPU)
    assert torch.equal(again.weight[0], together.weight[0])
    judged = judge_heads(together, train, truth, kind, CPU)
    assert judged[0][0] > 0.5
    assert judged[1][1] > judged[0][1]


def test_heads_that_do_not_fit_at_once_take_turns(monkeypatch):
    """The same heads, whatever memory there is."""
    train, truth = made_features(200, 4, 6, seed=0)
    knobs = [Knobs(0.1 * i, 0.0) for i in (1, 2, 3)]
    whole = train_heads(train, truth, "cross-entropy", knobs, probe(5), 0, CPU)
    monkeypatch.setattr("granctl.train.headgrid._BYTES_AT_ONCE", 1)
    parts = train_heads(train, truth, "cross-entropy", knobs, probe(5), 0, CPU)
    assert torch.allclose(whole.weight, parts.weight, atol=1e-6)
    assert len(parts.losses) == 3


def test_standardised_columns_are_those_of_the_training_images(monkeypatch):
    """Mean 0 and deviation 1 over them, in chunks too; a constant column becomes 0."""
    monkeypatch.setattr("granctl.train.linear._ROWS", 7)
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(50, 3)) * [1, 9, 0] + [5, -2, 4]).astype(np.float32)
    other = train[:10].copy()
    before = train.copy()
    standard = Standard.of(train)
    for matrix in (train, other):
        standard.apply(matrix)
    assert np.allclose(train.mean(0), 0, atol=1e-5)
    assert np.allclose(train.std(0), [1, 1, 0], atol=1e-5)
    assert np.array_equal(other, train[:10])
    assert not np.array_equal(before, train)


def test_the_grid_is_the_recipes_or_multiples_of_its_optimizer():
    """Eight rates and five decays; a list of its own takes their place."""
    recipe = load_recipe("embedded-resnet").linear
    knobs = grid(recipe)
    assert len(knobs) == len(set(knobs)) == 40
    own = recipe.optimizer
    assert (own.lr, own.weight_decay) in knobs
    given = grid(dataclasses.replace(recipe, rates=(0.1, 0.2), decays=(0.0,)))
    assert given == [(0.1, 0.0), (0.2, 0.0)]


def test_heads_do_not_take_more_passes_than_they_need():
    """50 passes, at least 1,000 steps, at most the recipe's."""
    how = dataclasses.replace(probe(12_500), batch_size=1000)
    assert steps_of_heads(how, 500) == 1000
    assert steps_of_heads(how, 40_000) == 2000
    assert steps_of_heads(how, 1_000_000) == 12_500


def test_held_out_images_are_a_share_of_each_class():
    """At least one of a class, never the only one; other seeds take others."""
    truth = labelling_of([[0]] * 50 + [[1]] * 3 + [[2]] + [[3]] * 2, 4)
    parts = hold_out(truth, 0.2, seed=0)
    assert np.bincount(truth.main_class[parts.held], minlength=4).tolist() == [10, 1, 0, 1]
    assert sorted([*parts.fit, *parts.held]) == list(range(56))
    assert parts.single == 1
    assert parts.held.tolist() == hold_out(truth, 0.2, seed=0).held.tolist()
    assert parts.held.tolist() != hold_out(truth, 0.2, seed=1).held.tolist()
