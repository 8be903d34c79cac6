"""Losses and their gradients against sums written out in plain Python."""

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


def _slow_cross_entropy(row, target, smoothing):
    logs, spread = _log_softmax(row), smoothing / len(row)
    return -sum((spread + (1 - smoothing) * (i == target)) * x for i, x in enumerate(logs))


def _slow_levels(row, classes, sizes, weights, smoothing):
    total, begin = 0.0, 0
    for target, size, weight in zip(classes, sizes, weights, strict=True):
        if target >= 0:
            total += weight * _slow_cross_entropy(row[begin : begin + size], target, smoothing)
        begin += size
    return total


def _slow_marginal(row, target, coarse_of_fine, smoothing):
    probability = 0.0
    for x, coarse in zip(_log_softmax(row), coarse_of_fine, strict=True):
        probability += math.exp(x) if coarse == target else 0.0
    spread = sum(_log_softmax(row)) / len(row)
    return -(1 - smoothing) * math.log(probability) - smoothing * spread


def _slope(loss_of_row, row):
    """The gradient by central differences, in double precision."""
    slope = []
    for i in range(len(row)):
        ends = []
        for step in (1e-5, -1e-5):
            moved = list(row)
            moved[i] += step
            ends.append(loss_of_row(moved))
        slope.append((ends[0] - ends[1]) / 2e-5)
    return slope


def _check(loss, slow, logits):
    """`loss(tensor, each)` against `slow(row, i)`: values an image, their mean, its gradient."""
    rows = logits.tolist()
    wanted = [slow(row, i) for i, row in enumerate(rows)]
    given = torch.tensor(rows, requires_grad=True)
    assert loss(given, True).tolist() == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    mean = loss(given, False)
    assert mean.shape == ()
    assert mean.item() == pytest.approx(sum(wanted) / len(wanted), rel=1e-5, abs=1e-6)
    mean.backward()
    for i, row in enumerate(rows):
        slope = _slope(lambda moved, i=i: slow(moved, i), row)
        assert (given.grad[i] * len(rows)).tolist() == pytest.approx(slope, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(smoothing):
    """Minus the log of the class's probability, part of the target spread over all classes."""
    classes = [0, 2]
    pairs = zip(LOGITS, classes, strict=True)
    total = sum(_slow_cross_entropy(row, target, smoothing) for row, target in pairs)
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


LEVELS = [
    # sizes, weights, class of each image at each level
    ([4], [1.0], [[0], [3], [2]]),
    ([4, 2], [1.0, 1.5], [[0, 1], [3, -1], [2, 0]]),
    ([3, 1, 2], [1.0, 2.0, 20.0], [[-1, 0, -1], [2, -1, 1], [-1, -1, 0]]),
    ([2, 2], [1.0, 3.0], [[-1, -1], [1, 0]]),
    ([2, 3], [2.0, 1.0], [[1, 2]]),
]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("sizes", "weights", "classes"), LEVELS)
def test_levels_are_a_weighted_cross_entropy_each(sizes, weights, classes, smoothing):
    """Images without a class at a level or at any, one class, a batch of one."""
    logits = np.random.default_rng(0).normal(0, 3, (len(classes), sum(sizes)))
    target = torch.tensor(classes)
    _check(
        lambda x, each: losses.levels(x, target, sizes, weights, smoothing, each=each),
        lambda row, i: _slow_levels(row, classes[i], sizes, weights, smoothing),
        logits,
    )


def test_one_level_is_cross_entropy():
    """Where every image has a class, bit for bit."""
    logits, classes = torch.tensor(LOGITS), torch.tensor([0, 2])
    one = losses.levels(logits, classes[:, None], [3], [1.0], 0.1)
    assert torch.equal(one, losses.cross_entropy(logits, classes, 0.1))


def test_a_level_weighs_by_how_few_labels_have_a_class_there():
    """Against Ridnik et al.'s rule in a loop: all labels over those at least so deep."""
    depths = [0, 1, 1, 2, 3, 3, 3] + [0] * 60
    table = np.array([[0 if level <= depth else -1 for level in range(4)] for depth in depths])
    wanted = []
    for level in range(4):
        at_least_so_deep = sum(1 for depth in depths if depth >= level)
        wanted.append(min(len(depths) / at_least_so_deep, 20.0))
    assert losses.level_weights(table).tolist() == pytest.approx(wanted)
    assert wanted[3] == 20.0
    assert losses.level_weights(np.array([[0, -1]])).tolist() == [1.0, 1.0]


MARGINALS = [
    # coarse class of each fine one, coarse class of each image
    ([0, 1, 0, 2, 1], [0, 1, 2]),
    ([0, 0, 0], [0, 0]),
    ([0, 1], [1]),
    ([0], [0]),
    ([2, 0, 1], [1, 2, 0, 0]),
]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("coarse_of_fine", "classes"), MARGINALS)
def test_marginal_sums_probabilities_of_fine_classes(coarse_of_fine, classes, smoothing):
    """One fine class, one coarse class, a batch of one."""
    logits = np.random.default_rng(1).normal(0, 3, (len(classes), len(coarse_of_fine)))
    table, target = torch.tensor(coarse_of_fine), torch.tensor(classes)
    _check(
        lambda x, each: losses.marginal(x, target, table, smoothing, each=each),
        lambda row, i: _slow_marginal(row, classes[i], coarse_of_fine, smoothing),
        logits,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_marginal_of_classes_of_one_fine_class_is_cross_entropy(smoothing):
    """With smoothing too."""
    logits, classes = torch.tensor(LOGITS), torch.tensor([0, 2])
    found = losses.marginal(logits, classes, torch.arange(3), smoothing)
    wanted = losses.cross_entropy(logits, classes, smoothing)
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)


def test_marginal_stays_finite_where_probabilities_vanish():
    """exp(-2000) is no float: the loss is 2000 less log 2, and its gradient is finite."""
    logits = torch.tensor([[1000.0, -1000.0, -1000.0]], requires_grad=True)
    loss = losses.marginal(logits, torch.tensor([1]), torch.tensor([0, 1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(2000 - math.log(2))
    assert logits.grad[0].tolist() == pytest.approx([1.0, -0.5, -0.5], rel=1e-4)


def test_marginal_of_all_of_imagenet_21k():
    """21,843 fine classes under 500 coarse ones: what one image costs is a row, not a table."""
    num_fine, num_coarse = 21_843, 500
    rng = np.random.default_rng(2)
    coarse_of_fine = np.concatenate([np.arange(num_coarse), rng.integers(0, 500, 21_343)])
    logits = rng.normal(0, 3, (8, num_fine)).astype(np.float32)
    classes = rng.integers(0, num_coarse, 8)
    found = losses.marginal(
        torch.from_numpy(logits), torch.from_numpy(classes), torch.from_numpy(coarse_of_fine)
    )
    e = np.exp(logits.astype(np.float64))
    shares = [e[i, coarse_of_fine == c].sum() / e[i].sum() for i, c in enumerate(classes)]
    assert float(found) == pytest.approx(-np.log(shares).mean(), rel=1e-5)


def test_coarse_scores_are_logs_of_summed_probabilities():
    """Up to a constant an image; large scores stay finite, and lone classes keep theirs."""
    coarse_of_fine = np.array([1, 0, 1, 2, 0])
    logits = np.random.default_rng(3).normal(0, 3, (6, 5)).astype(np.float32)
    logits[0] += 1000
    found = losses.coarse_scores(logits, coarse_of_fine)
    assert found.shape == (6, 3)
    assert found.dtype == np.float32
    for row, scores in zip(logits.tolist(), found.tolist(), strict=True):
        sums = [0.0, 0.0, 0.0]
        for x, coarse in zip(_log_softmax(row), coarse_of_fine, strict=True):
            sums[coarse] += math.exp(x)
        assert [math.exp(x) for x in _log_softmax(scores)] == pytest.approx(sums, rel=1e-4)
    assert found[:, 2].tolist() == logits[:, 3].tolist()


def test_losses_of_bfloat16_logits_are_float32():
    """A sum over many classes must not lose its digits."""
    logits = torch.tensor(LOGITS, dtype=torch.bfloat16)
    assert losses.sigmoid(logits, torch.ones(2, 3)).dtype == torch.float32
    classes, table = torch.tensor([0, 1]), torch.tensor([0, 1, 1])
    assert losses.cross_entropy(logits, classes).dtype == torch.float32
    assert losses.levels(logits, classes[:, None], [3], [1.0]).dtype == torch.float32
    assert losses.marginal(logits, classes, table).dtype == torch.float32


def test_log_odds_is_where_the_sigmoid_says_the_share():
    """And the published -10 for the labels of ImageNet-21k; never infinite."""
    share = np.array([0.25, 1 / 21843, 0.0, 1.0])
    bias = losses.log_odds(share, 14_000_000)
    assert 1 / (1 + np.exp(-bias[0])) == pytest.approx(0.25)
    assert bias[1] == pytest.approx(-9.99, abs=0.01)
    assert np.isfinite(bias).all()
