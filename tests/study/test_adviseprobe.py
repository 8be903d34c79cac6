"""The probe that plays pretraining: its algebra, and that it sees what a cut brings."""

from __future__ import annotations

import numpy as np
import pytest

from granctl.errors import NothingToReadOutError
from granctl.progress import Silent
from granctl.study.adviseprobe import (
    Classes,
    ProbeData,
    Space,
    divided,
    metric_root,
    probe,
    read_out,
    ridge,
)


def classes_of(numbers: np.ndarray, num: int) -> Classes:
    return Classes(image=np.arange(len(numbers)), number=numbers, num=num)


def test_the_penalty_is_that_of_the_least_error_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against regressions fitted without each row, with images of several classes among them."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 3))
    hot = (rng.random((12, 4)) < 0.4).astype(float)
    image, number = np.nonzero(hot)
    space = Space.of(rows)
    penalties = np.array([0.01, 0.3, 3.0])
    monkeypatch.setattr("granctl.study.adviseprobe.PENALTIES", penalties)
    unit = space.values.mean()

    def fitted(keep: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, y = rows[keep] - rows[keep].mean(0), hot[keep] - hot[keep].mean(0)
        weights = np.linalg.solve(x.T @ x + penalty * unit * np.eye(3), x.T @ y)
        return rows[keep].mean(0), weights, hot[keep].mean(0)

    errors = []
    for penalty in penalties:
        left = [np.arange(12) != i for i in range(12)]
        made = [fitted(keep, penalty) for keep in left]
        told = [(rows[i] - m) @ w + b for i, (m, w, b) in enumerate(made)]
        errors.append(((np.array(told) - hot) ** 2).sum())
    best = penalties[int(np.argmin(errors))]
    found = ridge(space, Classes(image=image, number=number, num=4))
    _, weights, mean = fitted(np.ones(12, bool), best)
    assert space.basis @ found.weights == pytest.approx(weights)
    assert found.mean == pytest.approx(mean)


def test_a_cut_acts_through_its_metric() -> None:
    """Told classes are the same from features and scores side by side as through the root."""
    rng = np.random.default_rng(1)
    rows, labels = rng.normal(size=(60, 5)), rng.integers(0, 9, 60)
    space = Space.of(rows)
    taught = ridge(space, classes_of(labels, 9))
    centred = rows - rows.mean(0)
    scores = centred @ space.basis @ taught.weights
    beside = np.concatenate(
        [part / np.sqrt((part**2).sum(1).mean()) for part in (centred, scores)], axis=1
    )
    through = rows @ metric_root(space, taught)
    seen = centred @ metric_root(space, taught)
    assert seen @ seen.T == pytest.approx(beside @ beside.T)
    target = (rows[:, 0] > 0).astype(np.int64)
    assert read_out(beside[:30], target[:30], 2, beside[30:]).tolist() == (
        read_out(through[:30], target[:30], 2, through[30:]).tolist()
    )


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Four classes along 2 of 30 directions, the others noise of the same size."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 4, 1200)
    rows = rng.normal(size=(1200, 30))
    rows[:, 0] += 2.4 * (truth % 2)
    rows[:, 1] += 2.4 * (truth // 2)
    return rows, truth


def test_own_classes_help_and_noise_does_not(planted: tuple[np.ndarray, np.ndarray]) -> None:
    """With few labelled images: own classes above half of them above random ones; all seeded."""
    rows, truth = planted
    rng = np.random.default_rng(3)
    random = rng.integers(0, 4, len(rows))
    candidates = [classes_of(truth, 4), classes_of(truth % 2, 2), classes_of(random, 4)]
    data = ProbeData(source=rows, candidates=candidates, target=None, classes=truth)
    found = probe(data, per_class=5, draws=4, seed=0, progress=Silent())
    own, half, noise = found.scores.mean(axis=0)
    assert own > half + 0.03
    assert half > noise + 0.01
    assert abs(noise - found.plain.mean()) < 0.05
    again = probe(data, per_class=5, draws=4, seed=0, progress=Silent())
    assert (again.scores == found.scores).all()
    assert not (
        probe(data, per_class=5, draws=4, seed=1, progress=Silent()).scores == found.scores
    ).all()


def test_other_images_may_be_the_target(planted: tuple[np.ndarray, np.ndarray]) -> None:
    """All of the source's images pretrain; target images without a class are left out.

    As many are scored as teach: with all 480 the variance over draws would count 24 times.
    """
    rows, truth = planted
    target = np.where(np.arange(600) < 500, truth[600:], -1)
    candidates = [classes_of(truth[:600], 4), classes_of(truth[:600] % 2, 2)]
    data = ProbeData(source=rows[:600], candidates=candidates, target=rows[600:], classes=target)
    found = probe(data, per_class=5, draws=3, seed=0, progress=Silent())
    assert found.ratio == 1
    assert found.scores[:, 0].mean() > found.scores[:, 1].mean()


def test_images_without_a_class_do_not_pretrain(planted: tuple[np.ndarray, np.ndarray]) -> None:
    """A cut that drops half of the images is the same as one over the other half."""
    _, truth = planted
    dropped = Classes(image=np.arange(0, 1200, 2), number=truth[::2], num=4)
    present, classes = dropped.of(np.arange(100, 200), 1200)
    assert present.tolist() == list(range(100, 200, 2))
    assert classes.number.tolist() == truth[100:200:2].tolist()
    assert classes.image.tolist() == list(range(50))


def test_half_of_a_class_is_scored() -> None:
    """At most `per_class` teach, and never more than half; a class of one image is scored."""
    classes = np.array([0] * 10 + [1] * 3 + [2, -1])
    teaches, scored = divided(classes, np.arange(15), 4, np.random.default_rng(0))
    assert np.bincount(classes[teaches], minlength=3).tolist() == [4, 1, 0]
    assert np.bincount(classes[scored]).tolist() == [6, 2, 1]
    assert not set(teaches) & set(scored)
    with pytest.raises(NothingToReadOutError, match="of the 2 training images"):
        divided(classes, np.array([0, 12, 14]), 4, np.random.default_rng(0))
