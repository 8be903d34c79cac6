"""What `granctl shards build` is asked, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from granctl.errors import BadOptionError
from granctl.shards.build.audit import Depth
from granctl.shards.build.budget import Share
from granctl.shards.build.duplicates import MOST_BITS
from granctl.shards.build.plan import Order
from granctl.shards.build.recode import Recode
from granctl.shards.classes import ClassLookup
from granctl.shards.source.opening import KINDS, SourceKind
from granctl.shards.source.resolve import EMBEDDED

OnBadImage = Literal["fail", "skip"]
OnDuplicate = Literal["keep", "report", "drop"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSpec:
    """What `granctl shards build` is asked."""

    source: str = EMBEDDED
    """`embedded`, the name of a registered data set, a folder, a file, or `a-{000..146}.tar`."""
    source_kind: SourceKind | None = None
    """What the source is; None: what lies there decides. No part of the identity."""
    classes: ClassLookup | None = None
    """What `.cls` and `.json` say; None: each label is a class, numbered in sorted order."""
    seed: int = 0
    """Order of the images, and which are held out."""
    order: Order = "shuffled"
    """`shuffled` over each whole split, or another way of `plan_shards`."""
    on_bad_image: OnBadImage = "fail"
    """Whether images that do not decode stop the build or are left out; no part of the identity:
    a whole shard set is the same under both."""
    shard_images: int = 10_000
    """Most images in a shard."""
    shard_bytes: int = 256 * 2**20
    """Most bytes in a shard, headers and padding counted."""
    holdout_frac: float = 0.1
    """Of a source with training images only: the part of each label that becomes `val`."""
    images: int | None = None
    """Training images in all; None: every one."""
    share: Share = "proportional"
    """How `images` are shared out among labels: as they occur, or as equally as they last."""
    per_class: int | None = None
    """Most training images of a class (of the label map; without one, of a label)."""
    duplicates: OnDuplicate = "keep"
    """Whether images that stand more than once are looked for, and left out but for one."""
    near_duplicates: int | None = None
    """Bits of 64 in which perceptual hashes of duplicates may differ; None: only equal bytes."""
    audit: Depth = "structure"
    """How far each image is looked at before it is copied."""
    recode: Recode | None = None
    """Encode every image anew; None: the bytes stay those of the source."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.shard_images < 1:
            raise BadOptionError("--shard-images", f"{self.shard_images} is below 1", "give 1 up")
        if self.shard_bytes < 1:
            raise BadOptionError("--shard-bytes", f"{self.shard_bytes} is below 1", "give 1 up")
        for option, budget in (("--images", self.images), ("--per-class", self.per_class)):
            if budget is not None and budget < 1:
                raise BadOptionError(option, f"{budget} is below 1", "give 1 up")
        near = self.near_duplicates
        if near is not None and not 0 <= near <= MOST_BITS:
            problem = f"{near} is not from 0 to {MOST_BITS} bits"
            raise BadOptionError("--near-duplicates", problem, "give 0, 1, 2, 3 or 4")
        if near is not None and self.duplicates == "keep":
            problem = "nothing is looked for with --duplicates keep"
            raise BadOptionError("--near-duplicates", problem, "give --duplicates report or drop")
        if self.source_kind is not None and self.source_kind not in KINDS:
            problem = f"{self.source_kind!r} is none"
            raise BadOptionError("--source-kind", problem, f"give one of {', '.join(KINDS)}")
        if self.recode is not None and self.recode.resize < 1:
            raise BadOptionError("--resize", f"{self.recode.resize} is below 1", "give 1 up")
        if self.recode is not None and not 1 <= self.recode.quality <= 100:
            problem = f"{self.recode.quality} is no quality of JPEG"
            raise BadOptionError("--quality", problem, "give 1 to 100")
        if not 0 <= self.holdout_frac < 1:
            problem = f"{self.holdout_frac} is no fraction in [0, 1)"
            raise BadOptionError("--holdout-frac", problem, "give a fraction such as 0.1")
