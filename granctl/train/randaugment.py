"""RandAugment: some operations of one strength, drawn for each image from the numbers it is given.

Source: Cubuk et al., RandAugment, arXiv 1909.13719; the 14 operations are those of its section 3,
their ranges those of torchvision's `RandAugment` (M of 30; the publication's ResNet-50 takes N = 2
and M = 9). Images stay uint8, and what comes in from outside of an image is black.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from granctl.train.recipe import MOST_MAGNITUDE, Augment

if TYPE_CHECKING:
    from torch import Tensor

OPERATIONS = (
    "identity",
    "shear-x",
    "shear-y",
    "translate-x",
    "translate-y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
"""In the order in which a number in [0, 1) chooses one; the order is part of what a seed means."""
UNIFORMS_EACH = 2
"""Numbers an operation takes: which one it is, and its sign."""
_SHIFT_FRAC = 150 / 331
"""Images of 331 pixels are moved by up to 150 (Cubuk et al., AutoAugment, arXiv 1805.09501)."""


def rand_augmented(pixels: Tensor, chance: NDArray[np.float32], augment: Augment) -> Tensor:
    """One image under `rand_ops` operations of the strength `rand_magnitude`.

    Args:
        pixels: uint8, shape (channels, height, width), 1 or 3 channels.
        chance: shape (rand_ops * UNIFORMS_EACH,), in [0, 1).
        augment: how many, and how strong.

    Returns:
        uint8, the shape of `pixels`.
    """
    pixels = pixels.contiguous()  # colours last, autocontrast takes seven times as long
    strength = augment.rand_magnitude / MOST_MAGNITUDE
    for which, sign in chance.reshape(-1, UNIFORMS_EACH).tolist():
        name = OPERATIONS[int(which * len(OPERATIONS))]
        pixels = operated(pixels, name, -strength if sign < 0.5 else strength)
    return pixels


def operated(pixels: Tensor, name: str, strength: float) -> Tensor:
    """One image under one operation.

    Args:
        pixels: uint8, shape (channels, height, width), 1 or 3 channels.
        name: of `OPERATIONS`.
        strength: -1 to 1; the sign is that of angles, ways and changes of colour, and no more.
    """
    result: Tensor = _operations()[name](pixels, strength)
    return result


def _sharpened(pixels: Tensor, factor: float) -> Tensor:
    """The `adjust_sharpness` of torchvision by sums of neighbours: 17 times as fast as convolution.

    The blurred image has a thirteenth of each neighbour and five of the pixel itself, rounded; the
    rim is left alone.
    """
    if min(pixels.shape[1:]) <= 2:
        return pixels
    result = pixels.float()
    inner = result[:, 1:-1, 1:-1]
    rows = result[:, :-2] + result[:, 1:-1] + result[:, 2:]
    blurred = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    blurred.add_(inner, alpha=4.0).div_(13.0).round_()
    inner.add_(blurred.sub_(inner), alpha=1.0 - factor)
    return result.clamp_(0.0, 255.0).to(pixels.dtype)


@cache
def _operations() -> dict[str, Callable[[Any, float], Any]]:
    from torchvision.transforms.v2 import functional as f

    def sheared(pixels: Any, right: float, down: float) -> Any:
        angles = [math.degrees(math.atan(0.3 * s)) for s in (right, down)]
        still = {"angle": 0.0, "translate": [0, 0], "scale": 1.0}
        return f.affine(pixels, shear=angles, center=[0, 0], **still)

    def moved(pixels: Any, right: float, down: float) -> Any:
        way = [int(_SHIFT_FRAC * right), int(_SHIFT_FRAC * down)]
        return f.affine(pixels, angle=0.0, translate=way, scale=1.0, shear=[0.0, 0.0])

    return {
        "identity": lambda x, _: x,
        "shear-x": lambda x, s: sheared(x, s, 0.0),
        "shear-y": lambda x, s: sheared(x, 0.0, s),
        "translate-x": lambda x, s: moved(x, s * x.shape[-1], 0.0),
        "translate-y": lambda x, s: moved(x, 0.0, s * x.shape[-2]),
        "rotate": lambda x, s: f.rotate(x, angle=30.0 * s),
        "brightness": lambda x, s: f.adjust_brightness(x, 1.0 + 0.9 * s),
        "color": lambda x, s: f.adjust_saturation(x, 1.0 + 0.9 * s),
        "contrast": lambda x, s: f.adjust_contrast(x, 1.0 + 0.9 * s),
        "sharpness": lambda x, s: _sharpened(x, 1.0 + 0.9 * s),
        "posterize": lambda x, s: f.posterize(x, bits=8 - round(4 * abs(s))),
        "solarize": lambda x, s: f.solarize(x, threshold=255.0 * (1.0 - abs(s))),
        "autocontrast": lambda x, _: f.autocontrast(x),
        "equalize": lambda x, _: f.equalize(x),
    }
