"""Losses against sums written out in plain Python."""

import math

import numpy as np
import pytest
import torch

from granctl.train import losses

LOGITS = [[2.0, -1.0, 0.5], [0.0, 30.0, -30.0]]


def _log_softmax(row):
    top = max(row)
    total = math.log(sum(math.exp(x - top) for x in row)) + top
    return [x - total for x in row]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(smoothing):
    """Minus the log of the class's probability, part of the target spread over all classes."""
    classes = [0, 2]
    total = 0.0
    for row, target in zip(LOGITS, classes, strict=True):
        logs = _log_softmax(row)
        spread = smoothing / 3
        total -= sum((spread + (1 - smoothing) * (i == target)) * x for i, x in enumerate(logs))
    found = losses.cross_entropy(torch.tensor(LOGITS), torch.tensor(classes), smoothing)
    assert float(found) == pytest.approx(total / 2, rel=1e-5)


def test_sigmoid_sums_over_classes_and_averages_over_images():
    """Large logits stay finite."""
    hot = [[1, 0, 1], [0, 0, 1]]
    total = 0.0
    for row, target in zip(LOGITS, hot, strict=True):
        for x, y in zip(row, target, strict=True):
            total += math.log1p(math.exp(-x)) if y else math.log1p(math.exp(x))
    found = losses.sigmoid(torch.tensor(LOGITS), torch.tensor(hot))
    assert float(found) == pytest.approx(total / 2, rel=1e-5)


def test_losses_of_bfloat16_logits_are_float32():
    """A sum over many classes must not lose its digits."""
    logits = torch.tensor(LOGITS, dtype=torch.bfloat16)
    assert losses.sigmoid(logits, torch.ones(2, 3)).dtype == torch.float32
    assert losses.cross_entropy(logits, torch.tensor([0, 1])).dtype == torch.float32


def test_log_odds_is_where_the_sigmoid_says_the_share():
    """And the published -10 for the labels of ImageNet-21k; never infinite."""
    share = np.array([0.25, 1 / 21843, 0.0, 1.0])
    bias = losses.log_odds(share, 14_000_000)
    assert 1 / (1 + np.exp(-bias[0])) == pytest.approx(0.25)
    assert bias[1] == pytest.approx(-9.99, abs=0.01)
    assert np.isfinite(bias).all()
