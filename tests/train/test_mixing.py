"""Mixup, CutMix, erasing: pure functions of (seed, epoch, position), pixels as the weights say."""

import math

import numpy as np
import pytest
import torch

from granctl.shards.order import uniforms
from granctl.train import mixing
from granctl.train.batches import Share, pieces_from
from granctl.train.mixing import erased, mix_of, mixed
from granctl.train.recipe import Augment

SIDE = 12
KINDS = {
    "mixup": Augment(mixup=0.8),
    "cutmix": Augment(cutmix=1.0),
    "both": Augment(mixup=0.2, cutmix=1.0, mix_share=0.7),
}


def _pieces(share=None, *, images=47, batch=24, step=0, steps=6):
    """Of 47 images an epoch has two steps: one even, one odd."""
    return list(pieces_from(images, batch, share or Share(), step=step, steps=steps))


def _pixels(positions, epoch=0):
    """Images that a position has, whoever asks for it: shape (n, 3, SIDE, SIDE)."""
    values = uniforms(positions, 3 * SIDE * SIDE, 5, epoch)
    return torch.from_numpy(values.reshape(-1, 3, SIDE, SIDE))


def _images(piece):
    return _pixels(piece.positions, piece.epoch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [(2, 1), (3, 1), (4, 1), (2, 2), (1, 3)])
def test_any_share_of_a_step_is_mixed_as_the_whole_is(kind, share):
    """1 process, or 2, 3, 4 with accumulated parts: the same pixels and weights, bit for bit."""
    size, parts = share
    whole = {}
    for piece in _pieces():
        mix = mix_of(piece, KINDS[kind], SIDE, seed=3)
        rows = zip(piece.positions.tolist(), mixed(_images(piece), mix), mix.weight, strict=True)
        whole |= {(piece.epoch, place): (pixels, weight) for place, pixels, weight in rows}
    seen = 0
    for rank in range(size):
        for piece in _pieces(Share(rank=rank, size=size, parts=parts)):
            mix = mix_of(piece, KINDS[kind], SIDE, seed=3)
            shown = mixed(_images(piece), mix)
            for place, pixels, weight in zip(piece.positions, shown, mix.weight, strict=True):
                expected, its_weight = whole[piece.epoch, int(place)]
                assert torch.equal(pixels, expected)
                assert weight == its_weight
                seen += 1
    assert seen == len(whole) == 3 * 47


@pytest.mark.parametrize("kind", KINDS)
def test_mixing_is_that_of_a_slow_reference(kind):
    """Written out image by image in NumPy."""
    augment = KINDS[kind]
    for piece in _pieces(steps=2):
        mix = mix_of(piece, augment, SIDE, seed=3)
        images = _images(piece)
        found = mixed(images.clone(), mix).numpy()
        for i, image in enumerate(images.numpy()):
            partner = i + 1 if i % 2 == 0 else i - 1
            if partner >= len(images):
                partner = i
            other, weight = images[partner].numpy(), mix.weight[i]
            top, left, bottom, right = mix.box[i]
            expected = image.copy()
            if bottom > top and right > left:
                expected[:, top:bottom, left:right] = other[:, top:bottom, left:right]
            else:
                expected = weight * image + (np.float32(1) - weight) * other
            assert mix.partner[i] == partner
            np.testing.assert_allclose(found[i], expected, atol=1e-6)


def test_pixels_and_labels_agree():
    """The share of an image's pixels that are its own is its weight, in boxes and in blends."""
    piece = _pieces(images=4000, batch=4000, steps=1)[0]
    ours = torch.zeros(len(piece), 1, SIDE, SIDE)
    ours[::2] = 1.0  # of a pair one is bright, so a mean is the share of the bright one
    for augment in KINDS.values():
        mix = mix_of(piece, augment, SIDE, seed=1)
        bright = mixed(ours, mix).mean(dim=(1, 2, 3)).numpy()
        own = np.where(np.arange(len(piece)) % 2 == 0, bright, 1.0 - bright)
        np.testing.assert_allclose(own, mix.weight, atol=1e-5)
        high, wide = mix.box[:, 2] - mix.box[:, 0], mix.box[:, 3] - mix.box[:, 1]
        boxed = high * wide > 0
        area = (high * wide)[boxed] / SIDE**2
        np.testing.assert_allclose(mix.weight[boxed], 1.0 - area, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 0.8, 1.0])
def test_draws_have_the_mean_and_the_spread_of_a_beta(alpha):
    """Mean 1/2, variance 1 / (4 (2 alpha + 1)), within 5 standard errors of 200,000 draws."""
    num = 200_000
    chance = np.random.default_rng(7).random((num, 2 * mixing._TRIES), dtype=np.float32)
    drawn = mixing._beta(chance, alpha)
    variance = 1.0 / (4.0 * (2.0 * alpha + 1.0))
    assert abs(drawn.mean() - 0.5) < 5 * math.sqrt(variance / num)
    # (x - 1/2)^2 of a draw in 0..1 has a spread of at most a quarter of its largest value
    assert abs(((drawn - 0.5) ** 2).mean() - variance) < 5 * 0.125 / math.sqrt(num)
    assert 0.0 <= drawn.min() <= drawn.max() <= 1.0


def test_tiny_alphas_choose_one_of_two_images():
    """Powers of uniforms vanish below alpha 0.005; what is left is 0 or 1, each half the time."""
    chance = np.random.default_rng(7).random((20_000, 2 * mixing._TRIES), dtype=np.float32)
    drawn = mixing._beta(chance, 1e-4)
    assert abs(drawn.mean() - 0.5) < 0.02
    assert ((drawn < 1e-3) | (drawn > 1.0 - 1e-3)).mean() > 0.99


def test_a_share_of_the_pairs_is_mixed_and_half_of_those_by_each():
    """mix_share 0.7 with both kinds: 0.35 are cut, 0.35 blended, whole pairs at a time."""
    piece = _pieces(images=40_000, batch=40_000, steps=1)[0]
    mix = mix_of(piece, KINDS["both"], 224, seed=2)
    boxed = mix.box.any(axis=1)
    blended = ~boxed & (mix.weight < 1.0)
    assert abs(boxed.mean() - 0.35) < 0.02
    assert abs(blended.mean() - 0.35) < 0.02
    assert (mix.weight[::2] == mix.weight[1::2]).all()
    assert (mix.box[::2] == mix.box[1::2]).all()


def test_the_last_image_of_an_odd_step_stays_as_it_is():
    """It has no neighbour; the weight of its own class is 1."""
    piece = _pieces(images=5, batch=5, steps=1)[0]
    mix = mix_of(piece, Augment(mixup=1.0), SIDE, seed=0)
    assert mix.partner.tolist() == [1, 0, 3, 2, 4]
    assert mix.weight[4] == 1.0
    assert torch.equal(mixed(_images(piece), mix)[4], _images(piece)[4])


def test_seed_and_epoch_mix_otherwise_and_nothing_is_mixed_unasked():
    """Each epoch draws anew."""
    piece, _, later, *_ = _pieces()
    one = mix_of(piece, KINDS["mixup"], SIDE, seed=3).weight
    assert (one != mix_of(piece, KINDS["mixup"], SIDE, seed=4).weight).any()
    assert (one != mix_of(later, KINDS["mixup"], SIDE, seed=3).weight[: len(one)]).any()
    assert mix_of(piece, Augment(), SIDE, seed=3) is None


# --- erasing --------------------------------------------------------------------------------------


def _erased_slowly(images, piece, augment, seed, side):
    """Image by image, in NumPy: area 2 to 33 percent, aspect 0.3 to 1 / 0.3."""
    images = images.numpy().copy()
    numbers = uniforms(piece.positions + 2 * mixing._STREAM // 3, 5, seed, piece.epoch)
    for image, u in zip(images, numbers.astype(np.float64), strict=True):
        if u[0] >= augment.erase:
            continue
        area = (0.02 + 0.31 * u[1]) * side * side
        aspect = math.exp((2 * u[2] - 1) * math.log(1 / 0.3))
        high = min(max(round(math.sqrt(area * aspect)), 1), side)
        wide = min(max(round(math.sqrt(area / aspect)), 1), side)
        top, left = int(u[3] * (side - high + 1)), int(u[4] * (side - wide + 1))
        image[:, top : top + high, left : left + wide] = 0.0
    return images


def test_erasing_is_that_of_a_slow_reference():
    """Half of the images lose a rectangle, and it is the mean that stands there."""
    augment = Augment(erase=0.5)
    for piece in _pieces(steps=4):
        images = _images(piece) + 1.0
        found = erased(images, piece, augment, 9).numpy()
        assert (found == _erased_slowly(images, piece, augment, 9, SIDE)).all()


def test_any_share_of_a_step_is_erased_as_the_whole_is():
    """An image's rectangle follows from its position."""
    augment = Augment(erase=0.6)
    whole = {(p.epoch, p.begin): erased(_images(p), p, augment, 1) for p in _pieces()}
    for size in (2, 3, 4):
        found = [
            (piece, erased(_images(piece), piece, augment, 1))
            for rank in range(size)
            for piece in _pieces(Share(rank=rank, size=size))
        ]
        for (epoch, begin), expected in whole.items():
            end = begin + len(expected)
            ours = sorted(
                (piece.begin, i)
                for i, (piece, _) in enumerate(found)
                if piece.epoch == epoch and begin <= piece.begin < end
            )
            assert torch.equal(torch.cat([found[i][1] for _, i in ours]), expected)


def test_erased_areas_and_their_share_are_those_of_the_publication():
    """As many images as asked for; 2 to 33 percent of each, 17.5 on the average."""
    piece = _pieces(images=4000, batch=4000, steps=1)[0]
    shown = erased(torch.ones(4000, 1, 64, 64), piece, Augment(erase=0.25), 0)
    area = 1.0 - shown.mean(dim=(1, 2, 3)).numpy()
    hit = area > 0
    assert abs(hit.mean() - 0.25) < 0.03
    assert 0.015 < area[hit].min() < 0.03
    assert 0.30 < area[hit].max() < 0.34
    assert abs(area[hit].mean() - 0.175) < 0.01
    assert erased(shown, piece, Augment(), 0) is shown
