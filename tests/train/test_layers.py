"""Layers from the image to the head, and rates that fall with them, by hand-written numbers."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import nn

from granctl.errors import NoLayersError
from granctl.train import models
from granctl.train.architecture import Model
from granctl.train.layers import blocks_of, layer_of_weight, rate_of_weight
from granctl.train.recipe import Optimizer
from granctl.train.stepping import Stepper, make_optimizer

RESNET = Model(name="small-resnet", width=4, stages=(1.0, 2.0))
VIT = Model(name="small-vit", width=8, depth=2, heads=2, patch=8)
needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed: granctl[timm]"
)


def _built(model):
    return models.build(model, channels=1, resolution=32, num_classes=3, seed=0)


@pytest.mark.parametrize(
    ("model", "expected", "num_blocks"),
    [
        (RESNET, {"body.0.": 0, "body.1.": 0, "body.3.": 1, "body.4.": 2, "head.": 3}, 2),
        (
            VIT,
            {
                "body.patches.": 0,
                "body.positions": 0,
                "body.blocks.layers.0.": 1,
                "body.blocks.layers.1.": 2,
                "body.norm.": 3,
                "head.": 3,
            },
            2,
        ),
        (
            Model(name="vit_ti_16", representation_size=8),
            {
                "body.class_token": 0,
                "body.conv_proj.": 0,
                "body.encoder.pos_embedding": 0,
                **{f"body.encoder.layers.encoder_layer_{i}.": i + 1 for i in range(12)},
                "body.encoder.ln.": 13,
                "pre.": 13,
                "head.": 13,
            },
            12,
        ),
        (
            Model(name="resnet18"),
            {
                "body.conv1.": 0,
                "body.bn1.": 0,
                "body.layer1.0.": 1,
                "body.layer1.1.": 2,
                "body.layer2.0.": 3,
                "body.layer2.1.": 4,
                "body.layer3.0.": 5,
                "body.layer3.1.": 6,
                "body.layer4.0.": 7,
                "body.layer4.1.": 8,
                "head.": 9,
            },
            8,
        ),
    ],
    ids=["small-resnet", "small-vit", "vit_ti_16", "resnet18"],
)
def test_layers_are_numbered_from_the_image_to_the_head(model, expected, num_blocks):
    """Every weight has the number of its place; blocks are found in their order."""
    network = _built(model)
    found = layer_of_weight(network)
    assert set(found) == {name for name, _ in network.named_parameters()}
    for name, layer in found.items():
        (right,) = (number for place, number in expected.items() if name.startswith(place))
        assert layer == right, name
    assert len(blocks_of(network, "--recompute")) == num_blocks


def test_rates_fall_with_each_layer():
    """Two blocks under a decay of one half: 1/8 for the patches, 1/4, 1/2, and 1 for the head."""
    rates = rate_of_weight(_built(VIT), 0.5)
    assert rates["body.positions"] == 0.125
    assert rates["body.blocks.layers.0.linear1.weight"] == 0.25
    assert rates["body.blocks.layers.1.linear1.weight"] == 0.5
    assert rates["body.norm.weight"] == rates["head.weight"] == 1.0


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_step_moves_each_layer_by_its_own_rate(name):
    """The first step of Adam is its rate; SGD's is the rate times the gradient."""
    network = _built(VIT)
    optimizer = Optimizer(name=name, lr=0.1, layer_decay=0.5, momentum=0.0)
    stepper = Stepper(network, optimizer, head_rate=10.0, clip=None)
    before = [p.detach().clone() for p in network.parameters()]
    stepper.begin()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    stepper.step(0.1)
    rates = {**rate_of_weight(network, 0.5), "head.weight": 10.0, "head.bias": 10.0}
    for (key, now), then in zip(network.named_parameters(), before, strict=True):
        moved = (then - now.detach()).mean()
        assert float(moved) == pytest.approx(0.1 * rates[key], rel=1e-4), key


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_step_without_finite_gradients_moves_nothing(name):
    """In any layer, and the next step is taken as if it had not been."""
    network = _built(VIT)
    stepper = Stepper(network, Optimizer(name=name, lr=0.1, layer_decay=0.9), head_rate=1.0, clip=1)
    before = [p.detach().clone() for p in network.parameters()]
    stepper.begin()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    stepper.step(0.1)
    after = list(network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert stepper.skipped() == (1, False)


def test_coupled_decay_is_an_l2_gradient():
    """Adam with decay and no gradient moves as Adam whose gradient is decay times the weight."""

    def moved(decay):
        linear = nn.Linear(3, 2, bias=False)
        nn.init.constant_(linear.weight, 2.0)
        made = make_optimizer(linear, Optimizer(name="adam", lr=0.1, weight_decay=decay))
        linear.weight.grad = torch.full((2, 3), 0.0 if decay else 2.0 * 0.3)
        made.step()
        return linear.weight.detach()

    assert torch.allclose(moved(0.3), moved(0.0))


def test_a_network_without_known_layers_is_refused():
    """The option is named."""
    with pytest.raises(NoLayersError, match=r"optimizer\.layer_decay"):
        rate_of_weight(nn.Linear(2, 2), 0.5)


@needs_timm
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet10t", "convnext_atto"])
def test_rates_in_models_of_timm_are_those_of_timm(name):
    """As timm's own groups for layer decay say, with its own head."""
    import timm
    from timm.optim import param_groups_layer_decay

    theirs = timm.create_model(name, num_classes=3, in_chans=1)
    groups = param_groups_layer_decay(theirs, layer_decay=0.5)
    name_of = {id(p): n for n, p in theirs.named_parameters()}
    expected = {name_of[id(p)]: g["lr_scale"] for g in groups for p in g["params"]}
    rates = rate_of_weight(_built(Model(name=f"timm/{name}")), 0.5)
    for key, rate in rates.items():
        if key.startswith("body."):
            assert rate == pytest.approx(expected[key.removeprefix("body.")]), key
    assert rates["head.weight"] == 1.0
    assert blocks_of(_built(Model(name=f"timm/{name}")), "--recompute")
