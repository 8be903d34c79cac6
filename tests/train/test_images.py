"""Batches: order and pixels are a pure function of (seed, epoch, position)."""

import numpy as np
import pytest
import torch

from granctl.progress import Silent
from granctl.train import images as images_module
from granctl.train.augment import NUM_UNIFORMS, crop_box, shifted
from granctl.train.batches import Share, num_batches, pieces_from
from granctl.train.device import Machine
from granctl.train.images import Images, resolved
from granctl.train.recipe import Augment, Input

LOOK = Input(resolution=8, channels=1)
SHIFT = Augment(kind="shift", pad=2)


@pytest.fixture
def images(shards) -> Images:
    """All training images but the first ten."""
    row = np.arange(10, 48)
    machine = Machine(workers=0)
    return Images(
        shards=shards, split="train", row=row, look=LOOK, machine=machine, progress=Silent()
    )


def _epoch(images, batch_size, augment, seed, epoch, share=None):
    """The batches of one epoch."""
    of_epoch = num_batches(len(images), batch_size)
    steps = {"step": epoch * of_epoch, "steps": (epoch + 1) * of_epoch}
    pieces = pieces_from(len(images), batch_size, share or Share(), **steps)
    return images.training(pieces, augment, seed)


def _all(batches):
    pixels, which, *_ = zip(*batches, strict=True)
    return torch.cat(pixels), np.concatenate(which)


def test_an_epoch_has_every_image_once_in_even_batches(images):
    """38 images in batches of at most 10: none is dropped, no batch is tiny."""
    batches = list(_epoch(images, 10, SHIFT, seed=3, epoch=1))
    assert [len(batch.images) for batch in batches] == [9, 10, 9, 10]
    assert num_batches(38, 10) == 4
    _, which = _all(batches)
    assert sorted(which.tolist()) == list(range(38))
    assert which.tolist() != list(range(38))


def test_pixels_do_not_depend_on_the_batch_size(images):
    """What stands at a position of the epoch is the same in any batch."""
    one = _all(_epoch(images, 7, SHIFT, seed=3, epoch=1))
    other = _all(_epoch(images, 38, SHIFT, seed=3, epoch=1))
    assert torch.equal(one[0], other[0])
    assert (one[1] == other[1]).all()


@pytest.mark.parametrize("change", [{"seed": 4, "epoch": 1}, {"seed": 3, "epoch": 2}])
def test_another_seed_or_epoch_has_another_order_and_other_pixels(images, change):
    """Neither repeats."""
    one = _all(_epoch(images, 38, SHIFT, seed=3, epoch=1))
    other = _all(_epoch(images, 38, SHIFT, **change))
    assert (one[1] != other[1]).any()
    assert not torch.equal(one[0][np.argsort(one[1])], other[0][np.argsort(other[1])])


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_make_the_pixels_of_memory(images, monkeypatch, workers):
    """Decoded batch by batch in other processes, or once: the same bytes."""
    expected = _all(_epoch(images, 10, SHIFT, seed=3, epoch=1))
    monkeypatch.setattr(images_module, "MEMORY_BYTES", 0)
    object.__setattr__(images, "machine", Machine(workers=workers))
    found = _all(_epoch(images, 10, SHIFT, seed=3, epoch=1))
    assert torch.equal(found[0], expected[0])
    assert (found[1] == expected[1]).all()


def test_in_order_shows_every_image_once_unchanged(images, shards):
    """The last batch is short, and nothing is padded."""
    pixels, which = _all(images.in_order(16))
    assert which.tolist() == list(range(38))
    assert pixels.shape == (38, 1, 8, 8)
    whole = images_module._decoded_set(shards, "train", LOOK, Silent())
    assert torch.equal(pixels, torch.from_numpy(whole[10:]))


def test_shift_is_pad_crop_and_mirror():
    """Against slices written out."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 256, (6, 3, 5, 4), dtype=np.uint8)
    chance = rng.random((6, NUM_UNIFORMS), dtype=np.float32)
    found = shifted(pixels, chance, SHIFT)
    for image, u, got in zip(pixels, chance, found, strict=True):
        padded = np.zeros((3, 9, 8), dtype=np.uint8)
        padded[:, 2:7, 2:6] = image
        down, right = int(u[-3] * 5), int(u[-2] * 5)
        part = padded[:, down : down + 5, right : right + 4]
        assert (got == (part[..., ::-1] if u[-1] < 0.5 else part)).all()


@pytest.mark.parametrize(("height", "width"), [(30, 50), (8, 200), (200, 8), (1, 1)])
def test_crop_boxes_lie_inside_with_allowed_areas(height, width):
    """2,000 boxes; ratios that never fit fall back to the centre."""
    chance = np.random.default_rng(0).random((2000, NUM_UNIFORMS), dtype=np.float32)
    augment = Augment(kind="resized-crop", scale=(0.2, 0.8))
    boxes = [crop_box(height, width, u, augment) for u in chance]
    for top, left, h, w in boxes:
        assert 0 <= top <= top + h <= height
        assert 0 <= left <= left + w <= width
        assert h >= 1
        assert w >= 1
    if (height, width) == (30, 50):
        areas = np.array([h * w for _, _, h, w in boxes]) / 1500
        assert 0.17 < areas.min() < 0.25
        assert 0.7 < areas.max() < 0.86


def test_resized_crops_come_from_workers_at_the_asked_size(images):
    """Photographs' augmentation works on any image, and repeats itself."""
    augment = Augment(kind="resized-crop")
    one = _all(_epoch(images, 10, augment, seed=0, epoch=0))
    assert one[0].shape == (38, 1, 8, 8)
    assert torch.equal(one[0], _all(_epoch(images, 10, augment, seed=0, epoch=0))[0])


def test_channels_follow_the_first_image(shards):
    """Grey images are shown as grey unless colour is asked for."""
    assert resolved(Input(resolution=8), shards, "train").channels == 1
    assert resolved(Input(resolution=8, channels=3), shards, "train").channels == 3
