"""Steps: those that are not finite leave nothing behind; three in a row are too many."""

import copy

import pytest
import torch
from torch import nn

from granctl.train.recipe import Optimizer
from granctl.train.stepping import Stepper

ADAMW = Optimizer(name="adamw", lr=0.1, weight_decay=0.01)
SGD = Optimizer(name="sgd", lr=0.1, momentum=0.9, weight_decay=0.01)


def made(optimizer, clip=None):
    """A small network with batch statistics, and its stepper."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    return network, Stepper(network, optimizer, head_rate=1.0, clip=clip)


def take(network, stepper, scale=1.0, seed=0):
    """One step on random numbers; `scale` may be infinite."""
    shown = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed)) * scale
    stepper.begin()
    network(shown).square().mean().backward()
    return stepper.step(0.1)


def values(network):
    """Weights and statistics."""
    return [v.clone() for v in network.state_dict().values() if v.is_floating_point()]


@pytest.mark.parametrize("optimizer", [ADAMW, SGD], ids=lambda o: o.name)
@pytest.mark.parametrize("first", [True, False], ids=["the first", "a later one"])
def test_step_that_is_not_finite_leaves_nothing_behind(optimizer, first):
    """Weights, statistics and all later steps are those of a run without it."""
    network, stepper = made(optimizer)
    other, plain = made(optimizer)
    if not first:
        take(network, stepper, seed=1)
        take(other, plain, seed=1)
    before = values(network)
    norm = take(network, stepper, scale=float("inf"), seed=2)
    assert not torch.isfinite(norm)
    assert all(map(torch.equal, values(network), before))
    assert stepper.skipped() == (1, False)
    for seed in (3, 4):
        take(network, stepper, seed=seed)
        take(other, plain, seed=seed)
    assert all(map(torch.equal, values(network), values(other)))


def test_three_in_a_row_are_too_many():
    """Two, a good one and two are not; what was seen once is not forgotten."""
    network, stepper = made(SGD)
    for scale in (float("inf"), float("nan"), 1.0, float("inf"), float("inf")):
        take(network, stepper, scale=scale)
    assert stepper.skipped() == (4, False)
    take(network, stepper, scale=float("inf"))
    take(network, stepper)
    assert stepper.skipped() == (5, True)


def test_gradients_are_clipped_to_their_norm():
    """SGD without momentum moves by the clipped gradient; what is told is the norm before."""
    plain = Optimizer(name="sgd", lr=0.1, momentum=0.0)
    network, stepper = made(plain, clip=0.01)
    before = [p.detach().clone() for p in network.parameters()]
    norm = take(network, stepper)
    moved = torch.cat(
        [(p - b).flatten() for p, b in zip(network.parameters(), before, strict=True)]
    )
    assert float(norm) > 0.01
    assert float(moved.detach().norm()) == pytest.approx(0.1 * 0.01, rel=1e-4)


def test_counts_and_optimizer_come_back():
    """A stepper that was loaded goes on bit for bit."""
    network, stepper = made(ADAMW)
    take(network, stepper, seed=1)
    take(network, stepper, scale=float("inf"))
    other, loaded = made(ADAMW)
    other.load_state_dict(network.state_dict())
    loaded.load_state_dict(copy.deepcopy(stepper.state_dict()))
    take(network, stepper, seed=2)
    take(other, loaded, seed=2)
    assert all(map(torch.equal, values(network), values(other)))
    assert loaded.skipped() == stepper.skipped() == (1, False)
