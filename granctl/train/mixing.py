"""Mixup and CutMix: every image of a step mixed with its neighbour in the order of the epoch.

The order is random, so a neighbour is any image of the whole step; and neighbours lie in one piece
of it, so no process needs the images of another. Which images are mixed, and how, is a pure
function of (seed, epoch, position). Losses are linear in their targets, so the loss of a mixed
image is that of its own classes and that of its neighbour's, each by its weight.

Sources: Zhang et al., mixup, arXiv 1710.09412; Yun et al., CutMix, arXiv 1905.04899.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import uniforms
from granctl.train.batches import Piece
from granctl.train.recipe import Augment

if TYPE_CHECKING:
    from torch import Tensor

_TRIES = 16
_NUM = 2 * _TRIES + 4
_WHETHER, _WHICH, _DOWN, _RIGHT = range(4)
_STREAM = 1 << 62
"""Added to positions: numbers that no image is augmented with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mix:
    """How the B images of a piece are mixed."""

    partner: NDArray[np.int64]
    """Shape (B,): place in the piece of the image that each is mixed with; itself: not mixed."""
    weight: NDArray[np.float32]
    """Shape (B,): of its own pixels and classes, the rest are the partner's."""
    box: NDArray[np.int64]
    """Shape (B, 4): top, left, bottom, right of what CutMix takes from the partner, in pixels;
    empty where the pixels are blended."""


def mix_of(piece: Piece, augment: Augment, side: int, seed: int) -> Mix | None:
    """How a piece is mixed; None: not at all.

    Where both are asked for, each pair takes one of them by chance.

    Args:
        piece: of a step.
        augment: `mixup`, `cutmix` and `mix_share`.
        side: of the images in pixels.
        seed: of the training.
    """
    if not augment.mixup and not augment.cutmix:
        return None
    num = len(piece)
    partner = np.arange(num) ^ 1
    partner[partner >= num] = num - 1  # the last of an odd number is not mixed
    # Both of a pair take the numbers of the first one.
    first = piece.positions - (np.arange(num) % 2)
    chance = uniforms(first + _STREAM, _NUM, seed, piece.epoch)
    mixed = (chance[:, _WHETHER] < augment.mix_share) & (partner != np.arange(num))
    cut = (chance[:, _WHICH] < 0.5) if augment.mixup and augment.cutmix else augment.cutmix > 0
    blend = _beta(chance[:, 4:], augment.mixup) if augment.mixup else np.ones(num)
    patch = _beta(chance[:, 4:], augment.cutmix) if augment.cutmix else np.ones(num)
    box = _boxes(patch, chance[:, _DOWN], chance[:, _RIGHT], side)
    box[~(mixed & cut)] = 0
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    weight = np.where(cut, 1.0 - area / side**2, blend)
    weight = np.where(mixed, weight, 1.0).astype(np.float32)
    return Mix(partner=partner, weight=weight, box=box)


def _beta(chance: NDArray[np.float32], alpha: float) -> NDArray[np.float64]:
    """Draws of Beta(alpha, alpha), 0 < alpha <= 1, from shape (n, 2 * _TRIES) of uniforms.

    Joehnk's method (1964): of two powers of uniforms whose sum is at most 1, the share of one. Each
    try is taken with a probability of a half or more; after 16 the image stays as it is. Where both
    powers are too small for a double, the larger one is all of the sum.
    """
    powers = chance.astype(np.float64) ** (1.0 / alpha)
    one, other = powers[:, :_TRIES], powers[:, _TRIES:]
    total = one + other
    good = total <= 1.0
    at = (np.arange(len(chance)), good.argmax(axis=1))
    sums = total[at]
    larger = chance[:, :_TRIES][at] > chance[:, _TRIES:][at]
    share = np.where(sums > 0.0, one[at] / np.where(sums > 0.0, sums, 1.0), larger)
    return np.where(good[at], share, 1.0)


def _boxes(
    kept: NDArray[np.float64], down: NDArray[np.float32], right: NDArray[np.float32], side: int
) -> NDArray[np.int64]:
    """Squares of the area 1 - kept around random centres, cut off at the rim; shape (n, 4)."""
    half = (side * np.sqrt(1.0 - kept)).astype(np.int64) // 2
    y, x = (down * side).astype(np.int64), (right * side).astype(np.int64)
    return np.stack([y - half, x - half, y + half, x + half], axis=1).clip(0, side)


def mixed(images_BCSS: Tensor, mix: Mix) -> Tensor:
    """The images, each mixed with its partner; float, on their device."""
    import torch

    device, side = images_BCSS.device, images_BCSS.shape[-1]
    partner = torch.from_numpy(mix.partner).to(device, non_blocking=True)
    others = images_BCSS[partner]
    top, left, bottom, right = torch.from_numpy(mix.box).to(device, non_blocking=True).unbind(1)
    place = torch.arange(side, device=device)
    rows = (place >= top[:, None]) & (place < bottom[:, None])
    columns = (place >= left[:, None]) & (place < right[:, None])
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    weight = torch.from_numpy(mix.weight).to(device, non_blocking=True)
    boxed = (bottom > top) & (right > left)
    blend = torch.where(boxed, 1.0, weight)
    blended = torch.lerp(others, images_BCSS, blend.view(-1, 1, 1, 1).to(images_BCSS.dtype))
    return torch.where(inside, others, blended)


def erased(images_BCSS: Tensor, piece: Piece, augment: Augment, seed: int) -> Tensor:
    """Images with a random rectangle of some at zero, the mean (Zhong et al., arXiv 1708.04896).

    Area and aspect are those of the publication: 2 to 33 percent, 0.3 to 3.3.
    """
    import torch

    if not augment.erase:
        return images_BCSS
    device, side = images_BCSS.device, images_BCSS.shape[-1]
    chance = uniforms(piece.positions + 2 * _STREAM // 3, 5, seed, piece.epoch).astype(np.float64)
    area = (0.02 + chance[:, 1] * 0.31) * side**2
    aspect = np.exp((2 * chance[:, 2] - 1) * np.log(1 / 0.3))
    high, wide = (np.sqrt(area * a).round().clip(1, side) for a in (aspect, 1 / aspect))
    top, left = (chance[:, 3] * (side - high + 1)), (chance[:, 4] * (side - wide + 1))
    whether = chance[:, 0] < augment.erase
    edges = np.stack([top, left, top + high, left + wide], axis=1).astype(np.int64)
    edges[~whether] = 0
    top, left, bottom, right = torch.from_numpy(edges).to(device, non_blocking=True).unbind(1)
    place = torch.arange(side, device=device)
    rows = (place >= top[:, None]) & (place < bottom[:, None])
    columns = (place >= left[:, None]) & (place < right[:, None])
    return images_BCSS.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)
