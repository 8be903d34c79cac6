"""Measures of answers against slow references and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from granctl.train import measures


def made_up(num=200, classes=7, several=False, seed=0):
    """Logits and the truth of made-up answers."""
    rng = np.random.default_rng(seed)
    logits = (2 * rng.normal(size=(num, classes))).astype(np.float32)
    hot = np.zeros((num, classes), dtype=bool)
    hot[np.arange(num), rng.integers(0, classes, num)] = True
    if several:
        hot |= rng.random((num, classes)) < 0.2
    return logits, hot


def test_losses_and_accuracy_are_those_of_scikit_learn():
    """Log loss, and top-k accuracy for each k."""
    metrics = pytest.importorskip("sklearn.metrics")
    logits, hot = made_up()
    truth, classes = hot.argmax(1), np.arange(7)
    logp = measures.log_probabilities(logits, sigmoid=False)
    probability = np.exp(logp.astype(np.float64))
    expected = metrics.log_loss(truth, probability / probability.sum(1, keepdims=True))
    assert measures.losses(logits, hot, sigmoid=False).mean() == pytest.approx(expected, rel=1e-6)
    for k in (1, 2, 5):
        top = measures.best_first(logits, k)
        found = (top == truth[:, None]).any(1).mean()
        assert found == metrics.top_k_accuracy_score(truth, logits, k=k, labels=classes)


def test_several_classes_are_judged_each_for_itself():
    """The sum over classes of the log loss of yes or no, by scikit-learn."""
    metrics = pytest.importorskip("sklearn.metrics")
    logits, hot = made_up(several=True)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = sum(metrics.log_loss(hot[:, c], probability[:, c]) for c in range(7))
    found = measures.losses(logits, hot, sigmoid=True)
    assert found.mean() == pytest.approx(expected, rel=1e-6)
    back = measures.logits_of(measures.log_probabilities(logits, sigmoid=True), sigmoid=True)
    assert back == pytest.approx(logits, abs=1e-4)


def test_a_softmax_over_several_true_classes_counts_their_probabilities_together():
    """-log of the sum, one image at a time."""
    logits, hot = made_up(several=True, num=20)
    for row, own, found in zip(
        logits, hot, measures.losses(logits, hot, sigmoid=False), strict=True
    ):
        total = sum(math.exp(x) for x in row.tolist())
        expected = -math.log(sum(math.exp(row[c]) for c in np.flatnonzero(own)) / total)
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_loss_is_exact_where_a_probability_is_none_in_double_precision():
    """A logit 2,000 below: the loss is 2,000 nats; one at minus infinity has no probability."""
    logits = np.array([[0, -2000], [0, -np.inf]], dtype=np.float32)
    hot = np.array([[False, True], [False, True]])
    assert measures.losses(logits, hot, sigmoid=False).tolist() == [2000, np.inf]
    assert measures.margins(measures.log_probabilities(logits, sigmoid=False), hot)[0] == -2000


@pytest.mark.parametrize("most", [1, 3, 8, 9, 40])
def test_ranks_are_those_of_a_stable_sort(most):
    """Ties, infinities and fewer classes than ranks."""
    rng = np.random.default_rng(1)
    logits = rng.integers(-2, 3, size=(60, 12)).astype(np.float32)
    logits[rng.random(logits.shape) < 0.3] = -np.inf
    logits[0] = -np.inf
    expected = [sorted(range(12), key=lambda c, r=row: (-r[c], c))[:most] for row in logits]
    assert measures.best_first(logits, most).tolist() == expected


def test_a_margin_is_to_the_best_of_the_others():
    """In log-probability; positive exactly where the answer is right."""
    logits, hot = made_up(several=True)
    logp = measures.log_probabilities(logits, sigmoid=False)
    found = measures.margins(logp, hot)
    for row, own, margin in zip(logp.tolist(), hot, found, strict=True):
        best = max(x for x, o in zip(row, own, strict=True) if o)
        others = [x for x, o in zip(row, own, strict=True) if not o]
        assert margin == pytest.approx(best - max(others) if others else 0)
    right = hot[np.arange(200), logits.argmax(1)] & ~hot.all(1)
    assert ((found > 0) == right).all()


def test_calibration_error_by_its_definition():
    """One bin at a time, with confidences on the edges; sums of parts are sums of the whole."""
    rng = np.random.default_rng(2)
    confidence = np.concatenate([rng.random(500), np.arange(1, 16) / 15])
    right = rng.random(len(confidence)) < confidence**2
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += inside.sum() / len(confidence) * gap
    parts = [measures.calibration_sums(confidence[i::3], right[i::3]) for i in range(3)]
    assert measures.calibration_error(sum(parts)) == pytest.approx(expected, abs=1e-12)
    sure = measures.calibration_sums(np.ones(10), np.ones(10, bool))
    assert measures.calibration_error(sure) == 0
