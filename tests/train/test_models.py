"""Every architecture at small sizes: shapes, seeds, new heads."""

import pytest
import torch

from granctl.train import models
from granctl.train.recipe import Model

SMALL = [
    (Model(name="small-resnet", width=4, stages=(1.0, 2.0)), 1, 28, 8),
    (Model(name="small-resnet", width=4, stages=(1.0, 2.0, 4.0)), 3, 64, 16),
    (Model(name="small-vit", width=8, depth=2, heads=2, patch=7), 1, 28, 8),
    (Model(name="resnet18"), 1, 32, 512),
]
LARGE = [
    (Model(name="resnet34"), 3, 64, 512),
    (Model(name="resnet50"), 3, 64, 2048),
    (Model(name="vit_b_16", representation_size=96), 1, 32, 768),
    (Model(name="vit_b_16"), 3, 48, 768),
]


@pytest.mark.parametrize(
    ("model", "channels", "resolution", "width"),
    [*SMALL, *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGE)],
    ids=lambda value: value.name if isinstance(value, Model) else "",
)
def test_images_to_features_to_classes(model, channels, resolution, width):
    """A gradient reaches every weight; a new head of zeros says nothing yet."""
    network = models.build(model, channels=channels, resolution=resolution, num_classes=5, seed=0)
    images = torch.randn(4, channels, resolution, resolution)
    assert network.features(images).shape == (4, width)
    logits = network(images)
    assert logits.shape == (4, 5)
    torch.nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    assert all(p.grad is not None for p in network.parameters())
    models.with_new_head(network, 3)
    assert torch.equal(network(images), torch.zeros(4, 3))


def test_weights_follow_from_the_seed_alone():
    """Whatever was drawn before, and without touching the caller's random numbers."""
    model = SMALL[0][0]

    def weights(seed):
        network = models.build(model, channels=1, resolution=28, num_classes=5, seed=seed)
        return torch.cat([p.flatten() for p in network.parameters()])

    one = weights(0)
    torch.manual_seed(7)
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(weights(0), one)
    assert torch.equal(torch.rand(3), drawn)
    assert not torch.equal(weights(1), one)
