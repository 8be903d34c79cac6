"""Random changes of training images, each a pure function of the random numbers it is given.

The numbers are `shards.order.uniforms(position in the epoch, num_uniforms(augment), seed, epoch)`:
an image looks the same in a resumed run, in any batch, in memory or in a worker.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from granctl.train.randaugment import UNIFORMS_EACH, rand_augmented
from granctl.train.recipe import Augment

if TYPE_CHECKING:
    from torch import Tensor

_TRIES = 10
"""Areas and ratios tried before the centre is taken, as torchvision's RandomResizedCrop does."""
NUM_UNIFORMS = 2 * _TRIES + 3
"""Of crop, shift and flip; those of RandAugment follow."""
_TOP, _LEFT, _FLIP = 2 * _TRIES, 2 * _TRIES + 1, 2 * _TRIES + 2


def num_uniforms(augment: Augment) -> int:
    """How many random numbers an image takes."""
    return NUM_UNIFORMS + UNIFORMS_EACH * augment.rand_ops


def operated_on(pixels: Tensor, chance: NDArray[np.float32], augment: Augment) -> Tensor:
    """Images under RandAugment, each by its own numbers; the same tensor where there is none.

    Args:
        pixels: uint8, shape (n, channels, side, side); overwritten.
        chance: shape (n, num_uniforms(augment)), in [0, 1).
        augment: rand_ops and rand_magnitude.
    """
    if augment.rand_ops:
        for image, numbers in zip(pixels, chance[:, NUM_UNIFORMS:], strict=True):
            image.copy_(rand_augmented(image, numbers, augment))
    return pixels


def shifted(
    pixels: NDArray[np.uint8], chance: NDArray[np.float32], augment: Augment
) -> NDArray[np.uint8]:
    """Each image moved by up to `pad` pixels each way, black at the rim, and perhaps mirrored.

    Args:
        pixels: shape (n, channels, side, side).
        chance: shape (n, NUM_UNIFORMS or more), in [0, 1).
        augment: pad and flip.
    """
    num, _, height, width = pixels.shape
    moves = 2 * augment.pad + 1
    down = (chance[:, _TOP] * moves).astype(np.int64)
    right = (chance[:, _LEFT] * moves).astype(np.int64)
    rim = (augment.pad, augment.pad)
    padded = np.pad(pixels, ((0, 0), (0, 0), rim, rim))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    # (n, channels, moves, moves, side, side): one gather copies whole rows of pixels
    result: NDArray[np.uint8] = windows[np.arange(num), :, down, right]
    if augment.flip:
        mirrored = chance[:, _FLIP] < 0.5
        result[mirrored] = result[mirrored, ..., ::-1]
    return result


def crop_box(
    height: int, width: int, chance: NDArray[np.float32], augment: Augment
) -> tuple[int, int, int, int]:
    """A random part of an image by area and aspect ratio (Szegedy et al. 2015).

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        chance: shape (NUM_UNIFORMS,), in [0, 1).
        augment: scale and ratio.

    Returns:
        top, left, height, width in pixels, inside the image.
    """
    least, most = (math.log(r) for r in augment.ratio)
    for i in range(_TRIES):
        area = (
            height
            * width
            * (augment.scale[0] + float(chance[2 * i]) * (augment.scale[1] - augment.scale[0]))
        )
        ratio = math.exp(least + float(chance[2 * i + 1]) * (most - least))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = int(float(chance[_TOP]) * (height - h + 1))
            return top, int(float(chance[_LEFT]) * (width - w + 1)), h, w
    # nothing fitted: the largest centred part whose ratio is allowed
    w = min(width, max(1, round(height * augment.ratio[1])))
    h = min(height, max(1, round(width / augment.ratio[0])))
    return (height - h) // 2, (width - w) // 2, h, w


def resized_crop(
    pixels: Tensor, resolution: int, chance: NDArray[np.float32], augment: Augment
) -> Tensor:
    """A random part of one image, resized to a square and perhaps mirrored.

    Args:
        pixels: uint8, shape (channels, height, width).
        resolution: side of the result.
        chance: shape (NUM_UNIFORMS or more,), in [0, 1).
        augment: scale, ratio and flip.

    Returns:
        uint8, shape (channels, resolution, resolution), laid out as `pixels`.
    """
    from torch.nn.functional import interpolate

    top, left, h, w = crop_box(pixels.shape[1], pixels.shape[2], chance, augment)
    part = pixels[:, top : top + h, left : left + w]
    # Decoders put channels last, which torch sees in one image only where the stride of its batch
    # says so: a third less time than through planes, and the same pixels (measured, torch 2.14).
    images = part.as_strided(
        (1, *part.shape), (pixels.numel(), *part.stride()), part.storage_offset()
    )
    part = interpolate(
        images, size=[resolution, resolution], mode="bilinear", antialias=True, align_corners=False
    )[0]
    return part.flip(-1) if augment.flip and chance[_FLIP] < 0.5 else part
