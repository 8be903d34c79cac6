"""Images encoded anew for training speed: the short side brought down, as JPEG of a quality."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from granctl.shards.build.audit import Audit
from granctl.shards.build.structure import Remark

_ORIENTATION = 0x0112
"""The tag of EXIF."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recode:
    """How."""

    resize: int
    """Short side in pixels; smaller images keep their size."""
    quality: int = 90
    """Of JPEG, 1 to 100."""


def recoded(content: bytes, found: Audit, recode: Recode) -> tuple[bytes, Audit]:
    """A baseline JPEG of an image that was found good, or the problem that decoding it has.

    The picture is turned upright as EXIF says, for the new file carries no EXIF, and brought to
    RGB (grey stays grey); the same bytes come out with the same version of Pillow.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as opened:
            width, height = _smaller(opened.size, recode.resize)
            opened.draft("RGB", (2 * width, 2 * height))  # a JPEG at a half, a quarter, an eighth
            image = _as_rgb(opened)
            if (width, height) != image.size:
                image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
            image = _upright(opened, image)
    except Exception as error:  # a decoder that meets hostile bytes raises nearly anything
        return _bad(content, found, f"does not decode: {error}")
    out = io.BytesIO()
    try:
        image.save(out, "JPEG", quality=recode.quality, subsampling="4:2:0")
    except (OSError, ValueError) as error:
        return _bad(content, found, f"cannot be encoded as JPEG: {error}")
    remarks = found.remarks & Remark.MISNAMED
    return out.getvalue(), Audit("jpg", image.width, image.height, remarks=remarks)


def _bad(content: bytes, found: Audit, problem: str) -> tuple[bytes, Audit]:
    return content, Audit(found.extension, found.width, found.height, problem, "damaged")


def _as_rgb(image: Any) -> Any:
    """Eight bits of RGB, or of grey."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256)  # 16 bits; `convert` would clip
    return image.convert("L" if _is_grey(image.mode) else "RGB")


def _upright(opened: Any, image: Any) -> Any:
    """The image as EXIF says that it is to be seen; EXIF that cannot be read says nothing."""
    from PIL import Image

    try:
        orientation = opened.getexif().get(_ORIENTATION)
    except Exception:  # as above: the picture is good, whatever stands beside it
        return image
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _is_grey(mode: str) -> bool:
    return mode in ("1", "L", "LA", "I", "I;16", "F")


def _smaller(size: tuple[int, int], short: int) -> tuple[int, int]:
    least = min(size)
    if least <= short:
        return size
    return round(size[0] * short / least), round(size[1] * short / least)
