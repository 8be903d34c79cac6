"""What a step needs in memory, known before the first; what is said of too much."""

from __future__ import annotations

import pytest
import torch
from told import Told

from granctl.errors import MemoryTooSmallError
from granctl.train import memory, models
from granctl.train.recipe import load_recipe
from granctl.train.world import ALONE, World

CPU = torch.device("cpu")
GIB = 2**30


def _recipe(**changes):
    return load_recipe("embedded-vit", {"input.channels": 1, "batch_size": 4096, **changes})


def _network(recipe):
    return models.build(recipe.model, channels=1, resolution=28, num_classes=10, seed=0)


def _check(monkeypatch, has, world=ALONE, images=4096, **changes):
    monkeypatch.setattr(memory, "available", lambda _: has)
    monkeypatch.setattr(memory, "_SMALL", 0)
    recipe, told = _recipe(**changes), Told()
    memory.check_memory(_network(recipe), recipe, images, CPU, world, told)
    return told.notes


def test_what_a_network_keeps_is_counted():
    """Of a layer of n weights without bias, x W: AdamW has 4 n numbers; x is kept, 784 an image."""
    recipe = _recipe()
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 5, bias=False))
    need = memory.need_of(linear, recipe, CPU)
    assert need.weights == 4 * 4 * 784 * 5
    assert need.image == 4 * 784
    assert need.of(10) == need.weights + 10 * need.image
    sgd = _recipe(optimizer={"name": "sgd", "lr": 0.1}, ema=0.9)
    assert memory.need_of(linear, sgd, CPU).weights == 4 * 4 * 784 * 5
    plain = _recipe(optimizer={"name": "sgd", "lr": 0.1, "momentum": 0.0})
    assert memory.need_of(linear, plain, CPU).weights == 2 * 4 * 784 * 5


@pytest.mark.parametrize("name", ["embedded-vit", "embedded-resnet"])
def test_measuring_leaves_the_network_and_chance_as_they_were(name):
    """Statistics of normalisations, the mode, and the random numbers."""
    recipe = load_recipe(name, {"input.channels": 1})
    network = _network(recipe).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.manual_seed(1)
    drawn = torch.rand(2)
    torch.manual_seed(1)
    memory.need_of(network, recipe, CPU)
    assert torch.equal(torch.rand(2), drawn)
    assert not network.training
    after = network.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert all(p.grad is None for p in network.parameters())


def test_more_than_there_is_stops_before_the_first_step(monkeypatch):
    """With the parts that fit: they divide the batch, and a run with them is let through."""
    with pytest.raises(
        MemoryTooSmallError, match=r"at least 1\.0 GiB .* there are 0\.1 GiB"
    ) as caught:
        _check(monkeypatch, has=GIB // 10)
    parts = int(caught.value.hint.split("accumulate=")[1].split(";")[0])
    assert 4096 % parts == 0
    assert _check(monkeypatch, has=GIB // 10, accumulate=parts) == []
    with pytest.raises(MemoryTooSmallError):
        _check(monkeypatch, has=GIB // 10, accumulate=parts // 4)


def test_small_batches_are_not_measured(monkeypatch):
    """Of few pixels: nothing is computed before the first step."""
    monkeypatch.setattr(memory, "need_of", None)
    recipe = _recipe(batch_size=128)
    memory.check_memory(_network(recipe), recipe, 4096, CPU, ALONE, Told())


def test_a_step_has_no_more_images_than_there_are(monkeypatch):
    """A batch that is larger than the data set is not held against it."""
    assert _check(monkeypatch, has=GIB // 10, images=100) == []
    with pytest.raises(MemoryTooSmallError, match="a step of 4000 images"):
        _check(monkeypatch, has=GIB // 10, images=12_000)


def test_processes_share_what_is_needed(monkeypatch):
    """Each has its part of the images."""
    recipe = _recipe()
    need = memory.need_of(_network(recipe), recipe, CPU)
    has = need.of(4096) - 1
    with pytest.raises(MemoryTooSmallError):
        _check(monkeypatch, has=has)
    assert _check(monkeypatch, has=has, world=World(rank=0, size=2)) == []


def test_nearly_all_of_the_memory_is_told(monkeypatch):
    """The run begins."""
    recipe = _recipe()
    has = memory.need_of(_network(recipe), recipe, CPU).of(4096) + 1
    (note,) = _check(monkeypatch, has=has)
    assert note.startswith("a step needs at least")


def test_a_network_larger_than_the_memory_names_another_way(monkeypatch):
    """No number of parts helps."""
    with pytest.raises(MemoryTooSmallError) as caught:
        _check(monkeypatch, has=1000)
    assert "smaller model" in caught.value.hint


def test_this_machine_has_memory():
    """At least a tenth of a GiB, at most what a limit of its container says."""
    assert memory.available(CPU) > GIB // 10
