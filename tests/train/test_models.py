"""Every architecture at small sizes: shapes, seeds, heads, another resolution; timm's by name."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from granctl.errors import MissingExtraError, UnknownModelError
from granctl.train import models, timmodels
from granctl.train.architecture import NAMES, Model

SIZES = {
    "small-resnet": {"width": 4, "stages": (1.0, 2.0)},
    "small-vit": {"width": 8, "depth": 2, "heads": 2, "patch": 8},
}
FEATURES = {
    "small-resnet": 8,
    "small-vit": 8,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "vit_ti_16": 192,
    "vit_s_16": 384,
    "vit_b_16": 768,
    "vit_b_32": 768,
    "vit_l_16": 1024,
}
QUICK = ("small-resnet", "small-vit", "resnet18", "vit_ti_16")
needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed: granctl[timm]"
)


def _model(name, **fields):
    return Model(name=name, **SIZES.get(name, {}), **fields)


def _built(model, channels=3, resolution=64, num_classes=5, seed=0):
    return models.build(
        model, channels=channels, resolution=resolution, num_classes=num_classes, seed=seed
    )


def _images(channels, resolution, num=4):
    return torch.randn(
        num, channels, resolution, resolution, generator=torch.Generator().manual_seed(5)
    )


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES],
)
def test_images_to_features_to_classes(name, channels):
    """At two sizes; a gradient reaches every weight; a new head of zeros says nothing yet."""
    for resolution in (64, 32):
        network = _built(_model(name), channels, resolution)
        images = _images(channels, resolution)
        assert network.features(images).shape == (4, FEATURES[name])
        logits = network(images)
        assert logits.shape == (4, 5)
        torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
        assert all(p.grad is not None for p in network.parameters())
        models.with_new_head(network, 3)
        assert torch.equal(network(images), torch.zeros(4, 3))


@pytest.mark.parametrize("name", QUICK)
def test_weights_follow_from_the_seed_alone(name):
    """Whatever was drawn before, and without touching the caller's random numbers."""

    def weights(seed):
        parameters = _built(_model(name), channels=1, seed=seed).parameters()
        return torch.cat([p.flatten() for p in parameters])

    one = weights(0)
    torch.manual_seed(7)
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(weights(0), one)
    assert torch.equal(torch.rand(3), drawn)
    assert not torch.equal(weights(1), one)


def test_the_vit_is_torchvisions():
    """With the same weights it says the same; nothing but the head has other names."""
    import torchvision

    ours = _built(_model("vit_b_32", representation_size=16), resolution=64)
    theirs = torchvision.models.vit_b_32(
        weights=None, image_size=64, representation_size=16, num_classes=5
    )
    state = {
        name.removeprefix("body.")
        .replace("pre.0.", "heads.pre_logits.")
        .replace("head.", "heads.head."): value
        for name, value in ours.state_dict().items()
    }
    theirs.load_state_dict(state)
    images = _images(3, 64)
    assert torch.allclose(ours.eval()(images), theirs.eval()(images), atol=1e-6)


def test_models_are_as_large_as_published():
    """Millions of weights without a head, as DeiT (table 1) and torchvision have them."""
    millions = {"vit_ti_16": 5.5, "vit_s_16": 21.7, "vit_b_16": 85.8, "resnet34": 21.3}
    for name, expected in millions.items():
        network = models.build(Model(name=name), channels=3, resolution=224, num_classes=1, seed=0)
        found = sum(p.numel() for p in network.body.parameters()) / 1e6
        assert found == pytest.approx(expected, abs=0.05), name


def test_a_head_can_start_at_zero():
    """Behind the tanh layer too, which does not."""
    network = _built(_model("vit_ti_16", representation_size=24, zero_head=True))
    assert not network.head.weight.any()
    assert not network.head.bias.any()
    assert network.pre[0].weight.any()
    assert not network(_images(3, 64)).any()


def test_stochastic_depth_leaves_out_images_in_training_alone():
    """The chance rises from 0 to the whole; weights and their names stay the same."""
    with_it = _built(_model("vit_ti_16", stochastic_depth=0.5))
    plain = _built(_model("vit_ti_16"))
    assert list(with_it.state_dict()) == list(plain.state_dict())
    images = _images(3, 64)
    assert torch.equal(with_it.eval()(images), plain.eval()(images))
    assert not torch.equal(with_it.train()(images), plain.train()(images))
    chances = [block.mlp[-1].p for block in with_it.body.encoder.layers]
    assert (chances[0], chances[-1]) == (0.0, 0.5)
    assert chances == sorted(chances)


@pytest.mark.parametrize("name", ["small-vit", "vit_ti_16", "resnet18"])
def test_a_network_takes_images_of_another_size(name):
    """Of twice the side; back at the old side it nearly says what it said; the rest stays."""
    network = _built(_model(name)).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    said = network(_images(3, 64))
    assert models.at_resolution(network, 128)(_images(3, 128)).shape == (4, 5)
    models.at_resolution(network, 64)
    after = network.state_dict()
    assert list(after) == list(before)
    places = [key for key in after if "position" in key or "pos_embedding" in key]
    assert all(torch.equal(after[key], before[key]) for key in after if key not in places)
    assert all(after[key].shape == before[key].shape for key in places)
    assert torch.allclose(network(_images(3, 64)), said, atol=0.1)


def test_positions_that_rise_across_the_image_still_do():
    """A ramp stays a ramp, corner to corner, and the class token keeps its own place."""
    network = _built(_model("vit_ti_16"))
    places = network.body.encoder.pos_embedding
    ramp = torch.arange(4.0).repeat(4)
    with torch.no_grad():
        places[0, 0], places[0, 1:] = 7.0, ramp[:, None]
    models.at_resolution(network, 112)
    grid = network.body.encoder.pos_embedding[0, 1:, 0].unflatten(0, (7, 7)).detach()
    assert network.body.encoder.pos_embedding[0, 0, 0] == 7.0
    assert torch.allclose(grid, grid[0].expand(7, 7))
    assert torch.allclose(grid[0, [0, 3, 6]], torch.tensor([0.0, 1.5, 3.0]), atol=1e-5)


def test_without_timm_its_models_name_the_extra(monkeypatch):
    """The mend is the command that installs it."""
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError) as caught:
        timmodels.check(Model(name="timm/vit_tiny_patch16_224"))
    assert caught.value.message.startswith("model timm/vit_tiny_patch16_224 needs")
    assert "granctl[timm]" in caught.value.hint


@needs_timm
@pytest.mark.parametrize(
    ("name", "width"),
    [("vit_tiny_patch16_224", 192), ("resnet10t", 512), ("mobilenetv3_small_050", 1024)],
)
def test_models_of_timm(name, width):
    """At two sizes, grey and colour, the same from the same seed; names of weights are timm's."""
    for resolution, channels in ((64, 1), (96, 3)):
        network = _built(_model(f"timm/{name}"), channels, resolution)
        images = _images(channels, resolution)
        assert network.features(images).shape == (4, width)
        assert network(images).shape == (4, 5)
        again = _built(_model(f"timm/{name}"), channels, resolution)
        for key, value in again.eval().state_dict().items():
            assert key.startswith(("body.", "head."))
            if "running" not in key and "num_batches" not in key:
                assert torch.equal(value, network.state_dict()[key])
    said = models.at_resolution(network, 64)(_images(3, 64))
    assert said.shape == (4, 5)


@needs_timm
def test_an_unknown_model_of_timm_names_the_nearest():
    """A misspelt name."""
    with pytest.raises(UnknownModelError) as caught:
        timmodels.check(Model(name="timm/vit_tiny_patch16_22"))
    assert "timm/vit_tiny_patch16_224" in caught.value.hint
