"""Images encoded anew for training speed: the short side brought down, as JPEG of a quality."""

from __future__ import annotations

import io
from dataclasses import dataclass

from granctl.shards.build.audit import Audit
from granctl.shards.build.structure import Remark


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
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.draft("RGB", _least(opened.size, recode.resize))
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                image = image.point(lambda value: value / 256)  # 16 bits; `convert` would clip
            image = image.convert("L" if _is_grey(image.mode) else "RGB")
            width, height = _smaller(image.size, recode.resize)
            if (width, height) != image.size:
                image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
            out = io.BytesIO()
            image.save(out, "JPEG", quality=recode.quality, subsampling="4:2:0")
    except Exception as error:  # a decoder that meets hostile bytes raises nearly anything
        problem = f"does not decode: {error}"
        return content, Audit(found.extension, found.width, found.height, problem, "damaged")
    remarks = found.remarks & Remark.MISNAMED
    return out.getvalue(), Audit("jpg", width, height, remarks=remarks)


def _is_grey(mode: str) -> bool:
    return mode in ("1", "L", "LA", "I", "I;16", "F")


def _smaller(size: tuple[int, int], short: int) -> tuple[int, int]:
    least = min(size)
    if least <= short:
        return size
    return round(size[0] * short / least), round(size[1] * short / least)


def _least(size: tuple[int, int], short: int) -> tuple[int, int]:
    """Twice what is wanted: a JPEG may be decoded at a half, a quarter or an eighth."""
    width, height = _smaller(size, short)
    return 2 * width, 2 * height
