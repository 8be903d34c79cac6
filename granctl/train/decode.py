"""Image bytes to square uint8 pixels; shapes are (channels, side, side)."""

from __future__ import annotations

import io
import warnings
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from granctl.train.recipe import Input

if TYPE_CHECKING:
    from torch import Tensor


def decoded(image: bytes | memoryview, channels: int) -> Tensor:
    """All pixels of an image: uint8, shape (channels, height, width), channels last in memory.

    Args:
        image: an encoded image; it is not copied.
        channels: 1 or 3.

    Raises:
        OSError: no decoder can read it.
    """
    import torch
    import torchvision.io as tvio

    load_decoders()
    mode = tvio.ImageReadMode.GRAY if channels == 1 else tvio.ImageReadMode.RGB
    try:
        data = torch.frombuffer(image, dtype=torch.uint8)
        pixels: Tensor = tvio.decode_image(data, mode)
        if pixels.dtype == torch.uint8 and len(pixels) == channels:
            return pixels
    except (RuntimeError, ValueError):
        pass  # no bytes, or a form that torchvision does not decode, such as WebP in some builds
    return _decoded_by_pillow(image, channels)


@cache
def load_decoders() -> None:
    """Makes ready to decode: called before workers are forked, it is done once for all of them.

    Torch looks at bytes that may not be written, and warns of the first ones in a process.
    """
    import torch
    import torchvision.io  # noqa: F401

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.frombuffer(b"\0", dtype=torch.uint8)


def _decoded_by_pillow(image: bytes | memoryview, channels: int) -> Tensor:
    import torch
    from PIL import Image

    try:
        with Image.open(io.BytesIO(image)) as opened:
            pixels = np.array(opened.convert("L" if channels == 1 else "RGB"))
    except (ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise OSError(str(error)) from error
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
