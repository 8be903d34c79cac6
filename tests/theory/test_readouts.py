"""Read-outs and measures against their definitions and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from granctl.theory.labels import composition
from granctl.theory.measures import alignment, auc, ratio, responses
from granctl.theory.network import Network, activations, first_network
from granctl.theory.readouts import (
    Finetuned,
    LinearProbe,
    error,
    log_likelihoods,
    max_scores,
    mean_length,
)
from granctl.theory.setting import Setting

LOGITS = np.array([[3.0, 2.9, 0.0, 2.8], [0.0, 1.0, 0.9, 0.8]])
NESTED = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])


def test_max_takes_the_largest_output_of_a_superclass() -> None:
    """F_y = max_c F_yc."""
    assert max_scores(LOGITS, NESTED).tolist() == [[3.0, 2.9], [0.9, 1.0]]


def test_sum_adds_probabilities() -> None:
    """Which can decide otherwise than the maximum."""
    told = np.exp(log_likelihoods(LOGITS, NESTED))
    whole = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    assert told == pytest.approx(whole @ NESTED)
    assert max_scores(LOGITS, NESTED)[0].argmax() == 0
    assert told[0].argmax() == 1


def test_classes_of_both_superclasses_are_a_guess() -> None:
    """Their error is one half, exactly, by either read-out."""
    shares = np.full((4, 2), 0.5)
    truth = np.array([0, 1])
    assert error(max_scores(LOGITS, shares), truth) == 0.5
    assert error(log_likelihoods(LOGITS, shares), truth) == 0.5


def test_a_mixed_class_counts_by_its_share() -> None:
    """Log of the share is added to the output."""
    shares = np.array([[0.75, 0.25], [0.0, 1.0]])
    logits = np.array([[2.0, 0.0]])
    assert max_scores(logits, shares)[0] == pytest.approx(
        [2 + math.log(0.75), max(2 + math.log(0.25), 0.0)]
    )


def test_error_counts_wrong_and_half_of_ties() -> None:
    """Right, wrong, tie of two: (0 + 1 + 1/2) / 3."""
    scores = np.array([[2.0, 1], [2, 1], [1, 1]])
    assert error(scores, np.array([0, 1, 1])) == pytest.approx(0.5)


def test_the_probe_is_the_regression_of_scikit_learn() -> None:
    """The same minimum, found otherwise."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    summed = rng.random((300, 6)) + 0.4 * np.eye(6)[truth]
    setting = Setting(superclasses=3, probe_ridge=1e-2, probe_steps=3000)
    probe = LinearProbe(setting, summed, truth)
    inputs = np.concatenate([summed / mean_length(summed), np.ones((300, 1))], axis=1)
    theirs = LogisticRegression(C=1 / (1e-2 * 300), fit_intercept=False, tol=1e-10, max_iter=5000)
    theirs.fit(inputs, truth)
    expected = theirs.decision_function(inputs)
    found = probe.scores(summed)
    centred = found - found.mean(axis=1, keepdims=True)
    assert centred == pytest.approx(expected - expected.mean(axis=1, keepdims=True), abs=1e-3)


def test_finetuning_learns_and_leaves_the_network_alone() -> None:
    """A network whose classes tell nothing of superclasses is taught them."""
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2
    patches = 0.1 * rng.standard_normal((3, 200, 8)).astype(np.float32)
    patches[0] += np.eye(8, dtype=np.float32)[truth]
    setting = Setting(d=8, k=2, width=16, init=1.0, finetune_epochs=60, step=0.5)
    network = first_network(setting, 4, rng)
    before = network.weights.copy()
    tuned = Finetuned(setting, network, patches, truth, np.random.default_rng(1))
    assert (network.weights == before).all()
    assert error(tuned.scores(patches), truth) == 0
    untaught = Setting(d=8, k=2, width=16, finetune_epochs=0)
    none = Finetuned(untaught, network, patches, truth, np.random.default_rng(1))
    assert error(none.scores(patches), truth) == 0.5


def test_finetuning_moves_neurons_by_the_gradient_of_autograd() -> None:
    """One epoch of one batch twice: the second step has a head, and so a gradient by weights."""
    import torch

    setting = Setting(d=8, k=2, width=6, init=1.0, batch=40, finetune_epochs=2, stop_loss=0.0)
    rng = np.random.default_rng(0)
    patches, truth = rng.standard_normal((3, 40, 8)), rng.integers(0, 2, 40)
    network = first_network(setting, 2, rng, np.float64)
    tuned = Finetuned(setting, network, patches, truth, np.random.default_rng(1))
    weights = torch.tensor(network.weights, requires_grad=True)
    head, shift = torch.zeros(6, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    scale = mean_length(activations(network, patches))
    for _ in range(2):
        head, shift = head.detach().requires_grad_(), shift.detach().requires_grad_()
        on = torch.relu(torch.einsum("pnd,dm->pnm", torch.tensor(patches), weights)).sum(0)
        out = on / scale @ head + shift
        torch.nn.functional.cross_entropy(out, torch.tensor(truth)).backward()
        with torch.no_grad():
            weights -= 0.02 * weights.grad
            head, shift = head - head.grad, shift - shift.grad
        weights.grad = None
    expected = torch.relu(torch.einsum("pnd,dm->pnm", torch.tensor(patches), weights)).sum(0)
    expected = (expected / scale @ head + shift).detach().numpy()
    assert tuned.scores(patches) == pytest.approx(expected, rel=1e-9)


def planted() -> tuple[Network, np.ndarray]:
    """Two classes; the first has neurons 2 v_0 and 0.5 v_2, the second v_1."""
    features = np.eye(6)
    weights = np.stack([2 * features[0], 0.5 * features[2], features[1], 0 * features[0]], axis=1)
    owner = np.array([0, 0, 1, 1])
    return Network(weights=weights, bias=None, owner=owner, classes=2), features


def test_responses_are_of_a_classs_own_features() -> None:
    """Means over the outputs of 2 and 1 on superclasses, and of 0.5 / 2 and 0 on subclasses."""
    network, features = planted()
    shares = [np.eye(2), np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])]
    found = responses(network, features, shares)
    assert found == pytest.approx([1.5, 0.125])
    assert ratio(found) == pytest.approx(0.125 / 1.5)
    assert ratio([0.0, 1.0]) is None


def test_responses_heed_the_bias() -> None:
    """ReLU(<w, v> + b)."""
    network, features = planted()
    network.bias = np.full(4, -0.75)
    shares = [np.eye(2), composition(np.array([0, 1]), np.array([0, 3]), 2, 4)]
    assert responses(network, features, shares) == pytest.approx([(1.25 + 0.25) / 2, 0.0])


def test_alignment_is_the_largest_cosine() -> None:
    """Whatever the length; a neuron without weights points nowhere."""
    network, features = planted()
    mean, by_level = alignment(network, features, (2, 4))
    assert mean == pytest.approx(3 / 4)
    assert by_level == [0.75, 0.25]  # the empty neuron counts for the first feature


def test_auc_is_that_of_scikit_learn() -> None:
    """With ties."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 20, 500) / 20, rng.random(500) < 0.3
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
