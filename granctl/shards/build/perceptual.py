"""A perceptual hash: 64 bits that scaling, small changes of colour and recompression hardly change.

dHash: the image in grey at 9 x 8 pixels, each bit whether a pixel is brighter than its right
neighbour (Neal Krawetz, Kind of like that, 2013).
"""

from __future__ import annotations

import io

import numpy as np

from granctl.shards.build.audit import MAX_PIXELS, quiet_decoder

NO_HASH = 0
"""Of what does not decode, and of images that are nearly one grey: they are alike by chance."""
_WIDTH, _HEIGHT = 9, 8
_LEAST_CONTRAST = 8
"""Grey levels between the darkest and the brightest of the small pixels."""


def difference_hash(content: bytes) -> int:
    """The dHash of an encoded image, or `NO_HASH`; no bytes raise."""
    from PIL import Image

    try:
        with quiet_decoder(), Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                return NO_HASH
            image.draft("L", (16 * _WIDTH, 16 * _HEIGHT))  # JPEG: decodes a part of each block
            small = image.convert("L").resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)
    # A decoder that meets hostile bytes raises nearly anything.
    except Exception:
        return NO_HASH
    grey = np.asarray(small, dtype=np.int16)
    if int(grey.max()) - int(grey.min()) < _LEAST_CONTRAST:
        return NO_HASH
    return int(np.packbits(grey[:, :-1] > grey[:, 1:]).view(">u8")[0])
