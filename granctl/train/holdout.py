"""A part of a target's training images to choose values on: stratified, by seed, never the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import permuted
from granctl.train.labelling import Labelling

_EPOCH = 1_000_003
"""Of the permutation: none that a training or a draw of shots takes, so they share no order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HoldOut:
    """Training images in two parts; indices into the images of a labelling, rising."""

    fit: NDArray[np.int64]
    """To train on."""
    held: NDArray[np.int64]
    """To choose on."""
    share: float
    """That was asked for."""
    seen: int | None
    """Images of `held` that the run was pretrained on; None where nobody knows."""
    single: int
    """Classes of one image, which is trained on: they have no part in the choice."""

    def record(self) -> dict[str, Any]:
        """As it stands in a result."""
        return {
            "share": self.share,
            "images": len(self.held),
            "images_trained_on": len(self.fit),
            "pretrained_on": self.seen,
            "classes_of_one_image": self.single,
        }


def hold_out(
    labelling: Labelling, share: float, seed: int, seen: NDArray[np.bool_] | None = None
) -> HoldOut:
    """Holds out a share of the images of each class, by their main class.

    Images that the run was not pretrained on are held out first.

    Of each class at least one image is held out and one is trained on; of a class of one image
    none is held out.

    Args:
        labelling: N images.
        share: above 0, below 1; of each class, rounded.
        seed: which images.
        seen: shape (N,): which of them the run was pretrained on; None: nobody knows.
    """
    num = len(labelling)
    main_class = labelling.main_class
    rank = permuted(np.arange(num, dtype=np.int64), num, seed, _EPOCH)
    known = np.zeros(num, dtype=bool) if seen is None else seen
    order = np.lexsort((rank, known, main_class))
    counts = np.bincount(main_class, minlength=labelling.num_classes)
    wanted = np.maximum(np.rint(share * counts).astype(np.int64), 1)
    wanted = np.minimum(wanted, np.maximum(counts - 1, 0))
    place = np.arange(num) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(num, dtype=bool)
    held[order[place < np.repeat(wanted, counts)]] = True
    return HoldOut(
        fit=np.flatnonzero(~held),
        held=np.flatnonzero(held),
        share=share,
        seen=None if seen is None else int((held & seen).sum()),
        single=int((counts == 1).sum()),
    )
