"""The network by hand against torch autograd, and its training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from granctl.errors import TheoryDivergedError
from granctl.theory.network import (
    Gradient,
    Network,
    activations,
    first_network,
    softmax_loss,
    summed_of,
)
from granctl.theory.setting import Setting
from granctl.theory.training import grouped, step_size, train

BIAS_RULES = ["none", "fixed", "norm", "trained"]


def batch(seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches (5, 24, 12) and classes of 24 samples, in double precision."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((5, 24, 12)), rng.integers(0, classes, 24)


def a_network(seed: int, classes: int, rule: str = "none") -> Network:
    setting = Setting(d=12, k=2, width=21, init=1.0, bias_rule=rule, bias=-0.2)
    return first_network(setting, classes, np.random.default_rng(seed), np.float64)


def torch_outputs(patches: Any, weights: Any, bias: Any, owner: np.ndarray, classes: int) -> Any:
    """F by its definition: the sum over a class's neurons and all patches of ReLU."""
    import torch

    before = torch.einsum("pnd,dm->pnm", patches, weights) + bias
    on = torch.relu(before).sum(0)
    return torch.stack([on[:, owner == c].sum(1) for c in range(classes)], dim=1)


@pytest.mark.parametrize("classes", [2, 4, 7, 21])
@pytest.mark.parametrize("rule", BIAS_RULES)
def test_gradient_is_that_of_autograd(classes: int, rule: str) -> None:
    """Loss and derivatives by weights and biases, to 1e-6 of the largest."""
    import torch

    network = a_network(classes, classes, rule)
    patches, truth = batch(classes, classes)
    weights = torch.tensor(network.weights, requires_grad=True)
    m = len(network.owner)
    bias = torch.tensor(np.zeros(m) if network.bias is None else network.bias, requires_grad=True)
    out = torch_outputs(torch.tensor(patches), weights, bias, network.owner, classes)
    loss = torch.nn.functional.cross_entropy(out, torch.tensor(truth))
    loss.backward()

    gradient = Gradient(5, 12, m, 24, np.float64)
    rows = np.arange(24)
    x = gradient.take(patches, rows)
    summed = gradient.forward(network.weights, network.bias, x)
    told, by_logits = softmax_loss(grouped(network, summed), truth)
    gradient.backward(x, by_logits[:, network.owner], with_bias=True)

    assert told == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in ((gradient.by_weights, weights.grad), (gradient.by_bias, bias.grad)):
        assert theirs is not None
        scale = theirs.abs().max().item()
        assert scale > 0
        assert np.abs(ours - theirs.numpy()).max() < 1e-6 * scale


def test_gradient_of_a_smaller_batch_in_the_same_memory() -> None:
    """The last batch of an epoch has fewer samples; what was there before does not count."""
    network = a_network(0, 3)
    patches, truth = batch(0, 3)
    found = []
    for first in (24, 7):
        gradient = Gradient(5, 12, 21, first, np.float64)
        for rows in (np.arange(first), np.arange(7)):
            x = gradient.take(patches, rows)
            summed = gradient.forward(network.weights, None, x)
            _, by_logits = softmax_loss(grouped(network, summed), truth[rows])
            gradient.backward(x, by_logits[:, network.owner], with_bias=False)
        found.append(gradient.by_weights.copy())
    assert np.allclose(*found, atol=1e-14)


def test_a_training_is_that_of_torch() -> None:
    """Three epochs of steps by autograd on the same batches end at the same weights."""
    import torch

    setting = Setting(d=12, k=2, width=20, init=0.5, batch=10, epochs=3, stop_loss=0.0)
    network = first_network(setting, 4, np.random.default_rng(0), np.float64)
    patches, truth = batch(1, 4)
    weights = torch.tensor(network.weights.copy(), requires_grad=True)
    history = train(setting, network, patches, truth, np.random.default_rng(5), lambda _: [1.0])
    rng = np.random.default_rng(5)
    for _ in range(3):
        order = rng.permutation(24)
        for begin in range(0, 24, 10):
            rows = order[begin : begin + 10]
            out = torch_outputs(torch.tensor(patches[:, rows]), weights, 0.0, network.owner, 4)
            torch.nn.functional.cross_entropy(out, torch.tensor(truth[rows])).backward()
            with torch.no_grad():
                weights -= step_size(setting, 4) * weights.grad
            weights.grad = None
    assert history.steps == 9
    assert history.epochs == 3
    assert history.seen_at == list(range(10))
    assert len(history.responses) == 10
    assert np.abs(network.weights - weights.detach().numpy()).max() < 1e-10


def test_each_class_owns_equally_many_neighbours() -> None:
    """Width // C; what is left over is not made."""
    network = first_network(Setting(), 48, np.random.default_rng(0))
    assert network.weights.shape == (64, 96)
    assert network.owner.tolist() == [c for c in range(48) for _ in range(2)]


def test_first_weights_have_their_length() -> None:
    """|w|^2 is init^2 on average."""
    network = first_network(Setting(width=2000), 2, np.random.default_rng(0))
    assert (network.weights.astype(np.float64) ** 2).sum(axis=0).mean() == pytest.approx(
        0.01**2, rel=0.02
    )


def test_outputs_are_sums_over_neurons_and_patches() -> None:
    """By the definition; in parts or at once."""
    network = a_network(2, 7, "fixed")
    patches, _ = batch(2, 7)
    found = grouped(network, summed_of(network, patches))
    weights, bias = network.weights, network.bias
    for n, c in ((0, 0), (23, 6)):
        inside = [r for r in range(21) if network.owner[r] == c]
        total = sum(
            max(float(weights[:, r] @ patches[p, n] + bias[r]), 0) for r in inside for p in range(5)
        )
        assert found[n, c] == pytest.approx(total)
    at_once = activations(network, patches)
    assert summed_of(network, patches, rows=5) == pytest.approx(at_once, abs=1e-13)


def test_bias_rules() -> None:
    """None has no bias, fixed keeps its own, norm follows the weights, trained moves."""
    moved = {}
    for rule in BIAS_RULES:
        setting = Setting(
            d=12, k=2, width=20, init=1.0, bias_rule=rule, bias=-0.1, epochs=2, stop_loss=0.0
        )
        network = first_network(setting, 4, np.random.default_rng(0), np.float64)
        patches, truth = batch(1, 4)
        train(setting, network, patches, truth, np.random.default_rng(0), lambda _: [1.0])
        moved[rule] = network
    assert moved["none"].bias is None
    assert (moved["fixed"].bias == -0.1).all()
    lengths = np.linalg.norm(moved["norm"].weights, axis=0)
    assert np.allclose(moved["norm"].bias, -0.1 * 0.5 / np.sqrt(12) * lengths)
    assert np.ptp(moved["trained"].bias) > 0


def test_training_stops_at_its_loss() -> None:
    """The first epoch whose mean loss is at most `stop_loss` is the last."""
    setting = Setting(d=12, k=2, width=20, init=1.0, stop_loss=1.0, epochs=50, step=0.2)
    network = first_network(setting, 4, np.random.default_rng(0))
    patches, truth = batch(1, 4)
    narrow = patches.astype(np.float32)
    history = train(setting, network, narrow, truth, np.random.default_rng(0), lambda _: [1.0])
    assert history.epochs < 50
    assert history.losses[-1] <= 1.0
    assert min(history.losses[:-1]) > 1.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_is_an_error() -> None:
    """It says the epoch and the step, and what to do."""
    setting = Setting(d=12, k=2, width=20, init=1.0, step=1e38, epochs=5)
    network = first_network(setting, 4, np.random.default_rng(0))
    patches, truth = batch(1, 4)
    narrow = patches.astype(np.float32)
    with pytest.raises(TheoryDivergedError, match="not finite in epoch") as raised:
        train(setting, network, narrow, truth, np.random.default_rng(0), lambda _: [1.0])
    assert raised.value.exit_code == 4
    assert "smaller step" in raised.value.hint
