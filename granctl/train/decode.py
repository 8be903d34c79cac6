"""Image bytes to square uint8 pixels; shapes are (channels, side, side)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from granctl.train.recipe import Input

if TYPE_CHECKING:
    from torch import Tensor


def decoded(image: bytes, channels: int) -> Tensor:
    """All pixels of an image: uint8, shape (channels, height, width).

    Raises:
        OSError: no decoder can read it.
    """
    import torch
    import torchvision.io as tvio

    mode = tvio.ImageReadMode.GRAY if channels == 1 else tvio.ImageReadMode.RGB
    try:
        data = torch.frombuffer(bytearray(image), dtype=torch.uint8)
        pixels: Tensor = tvio.decode_image(data, mode)
        if pixels.dtype == torch.uint8 and len(pixels) == channels:
            return pixels
    except RuntimeError:
        pass  # a form that torchvision does not decode, such as WebP in some builds
    return _decoded_by_pillow(image, channels)


def _decoded_by_pillow(image: bytes, channels: int) -> Tensor:
    import torch
    from PIL import Image

    with Image.open(io.BytesIO(image)) as opened:
        pixels = np.array(opened.convert("L" if channels == 1 else "RGB"))
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1)


def is_grey(image: bytes) -> bool:
    """Whether an image file says that it has no colour."""
    from PIL import Image

    with Image.open(io.BytesIO(image)) as opened:
        return opened.mode in ("1", "L", "LA", "I", "I;16", "F")


def centred(pixels: Tensor, look: Input) -> Tensor:
    """The image with its short side at `eval_resize`, and of that the centre square.

    Args:
        pixels: uint8, shape (channels, height, width).
        look: resolution of the square, and the short side before the crop.
    """
    from torchvision.transforms.v2 import functional

    short_side = look.eval_resize or look.resolution
    if min(pixels.shape[1:]) != short_side:
        pixels = functional.resize(pixels, [short_side], antialias=True)
    if pixels.shape[1:] != (look.resolution, look.resolution):
        pixels = functional.center_crop(pixels, [look.resolution, look.resolution])
    return pixels
