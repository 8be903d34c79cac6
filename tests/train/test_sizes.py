"""Sizes without torch, against the networks themselves."""

from __future__ import annotations

import pytest

from granctl.train import models
from granctl.train.architecture import Model
from granctl.train.footprint import checkpoint_bytes
from granctl.train.recipe import load_recipe, recipe_names
from granctl.train.sizes import kept_bytes, size_of
from granctl.train.watching import flops_of

NETWORKS = [
    (Model(name="small-resnet", width=6, stages=(2.0, 4.0, 5.0)), 1, 27, 400),
    (Model(name="small-vit", width=32, depth=2, heads=4, patch=7), 1, 28, 10),
    (Model(name="resnet18"), 1, 61, 10),
    (Model(name="resnet34"), 3, 64, 100),
    (Model(name="resnet50"), 3, 97, 7),
    (Model(name="resnet101"), 3, 64, 7),
    (Model(name="vit_ti_16"), 1, 64, 5),
    (Model(name="vit_b_32", representation_size=768), 3, 64, 50),
    (Model(name="vit_l_16"), 3, 32, 2),
]


@pytest.mark.parametrize(("model", "channels", "side", "classes"), NETWORKS)
def test_sizes_are_those_of_the_network(
    model: Model, channels: int, side: int, classes: int
) -> None:
    """Weights, statistics, features, and operations as torch counts them: to the last one."""
    import torch

    with torch.device("meta"):
        network = models.build(
            model, channels=channels, resolution=side, num_classes=classes, seed=0
        )
        flops = flops_of(network, torch.zeros(1, channels, side, side, device="meta"))
    size = size_of(model, channels, side, classes)
    assert size is not None
    assert size.weights == sum(p.numel() for p in network.parameters())
    assert size.buffers == sum(b.numel() for b in network.buffers() if b.is_floating_point())
    assert size.num_features == network.num_features
    assert size.training_flops == flops


def test_nothing_is_said_of_networks_that_only_timm_knows() -> None:
    """None, not a guess."""
    assert size_of(Model(name="timm/resnet10t"), 3, 224, 10) is None


@pytest.mark.parametrize("name", recipe_names())
def test_checkpoints_are_as_large_as_with_torch(name: str) -> None:
    """The same bytes, but for the counters of batch norms (8 each)."""
    recipe = load_recipe(name)
    counted, built = kept_bytes(recipe, 100), checkpoint_bytes(recipe, 100)
    assert counted is not None
    assert 0 <= built - counted <= 8 * 60
