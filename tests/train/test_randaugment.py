"""RandAugment: each operation that of torchvision, each choice from (seed, epoch, position)."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from granctl.shards.order import uniforms
from granctl.train.augment import NUM_UNIFORMS, num_uniforms, operated_on
from granctl.train.randaugment import OPERATIONS, operated, rand_augmented
from granctl.train.recipe import Augment, load_recipe

THEIR_NAMES = {
    "identity": "Identity",
    "shear-x": "ShearX",
    "shear-y": "ShearY",
    "translate-x": "TranslateX",
    "translate-y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
}


@pytest.fixture
def picture():
    """Colours that change slowly, with noise: shape (3, 40, 30)."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(20, 200, 40)[None, :, None] + np.linspace(0, 40, 30)
    pixels = ramp * np.array([1.0, 0.7, 0.4])[:, None, None] + rng.normal(0, 9, (3, 40, 30))
    return torch.from_numpy(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("magnitude", [0, 9, 30])
@pytest.mark.parametrize("sign", [-1, 1])
def test_an_operation_is_that_of_torchvision(picture, name, magnitude, sign):
    """Of its RandAugment with 31 magnitudes, but for a pixel in a hundred that rounds otherwise."""
    theirs = v2.RandAugment()
    ranges, signed = theirs._AUGMENTATION_SPACE[THEIR_NAMES[name]]
    values = ranges(31, *picture.shape[1:])
    value = 0.0 if values is None else float(values[magnitude])
    value *= sign if signed else 1
    expected = theirs._apply_image_or_video_transform(
        picture, THEIR_NAMES[name], value, interpolation=theirs.interpolation, fill={}
    )
    found = operated(picture, name, sign * magnitude / 30)
    assert found.dtype == torch.uint8
    apart = (found.int() - expected.int()).abs()
    assert apart.max() <= 1
    assert (apart > 0).float().mean() <= 0.01


def test_grey_images_and_channels_last_are_operated_on_too(picture):
    """The pixels do not depend on the layout; one channel is enough for every operation."""
    last = picture.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for name in OPERATIONS:
        assert torch.equal(operated(last, name, 0.4), operated(picture, name, 0.4))
        assert operated(picture[:1], name, 0.4).shape == (1, 40, 30)


def test_numbers_choose_operation_and_sign(picture):
    """Two operations one after the other, each by its two numbers."""
    chance = np.array([5.5 / 14, 0.2, 6.5 / 14, 0.7], dtype=np.float32)
    augment = Augment(rand_ops=2, rand_magnitude=15.0)
    expected = operated(operated(picture, "rotate", -0.5), "brightness", 0.5)
    assert torch.equal(rand_augmented(picture, chance, augment), expected)


def test_every_operation_is_chosen_as_often_as_any(picture, monkeypatch):
    """28,000 draws; the last number below 1 is still one of them."""
    chosen = []
    monkeypatch.setattr(
        "granctl.train.randaugment.operated", lambda x, name, _: (chosen.append(name), x)[1]
    )
    augment = Augment(rand_ops=2)
    for chance in uniforms(np.arange(14_000), 4, 0):
        rand_augmented(picture, chance, augment)
    counts = np.array([chosen.count(name) for name in OPERATIONS])
    assert counts.sum() == 28_000
    assert abs(counts - 2000).max() < 5 * 2000**0.5
    rand_augmented(picture, np.full(4, 1 - 2**-24, dtype=np.float32), augment)
    assert chosen[-1] == OPERATIONS[-1]


def test_it_takes_numbers_of_its_own(picture):
    """Crops and flips keep theirs; without it nothing is touched."""
    augment = Augment(rand_ops=3)
    assert num_uniforms(augment) == NUM_UNIFORMS + 6
    plain = uniforms(np.arange(4), num_uniforms(Augment()), 1)
    assert (uniforms(np.arange(4), num_uniforms(augment), 1)[:, :NUM_UNIFORMS] == plain).all()
    batch = picture[None].clone()
    assert operated_on(batch, plain[:1], Augment()) is batch
    assert torch.equal(batch[0], picture)


def test_a_recipe_says_how_much_and_wrong_values_are_named():
    """`--set augment.rand_ops=2`."""
    recipe = load_recipe("embedded-resnet", {"augment.rand_ops": 2, "augment.rand_magnitude": 7.5})
    assert (recipe.augment.rand_ops, recipe.augment.rand_magnitude) == (2, 7.5)
    assert Augment(rand_ops=-1).faults() == ["rand_ops: -1 is negative"]
    assert Augment(rand_magnitude=31.0).faults() == ["rand_magnitude: 31.0 is not in 0..30"]
