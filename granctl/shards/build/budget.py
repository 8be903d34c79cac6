"""How many training images are taken, and which: pure functions, so that budgets nest.

Of one seed, a smaller budget is a part of a larger one, and two sets with one budget over the same
images hold the same images whatever they are labelled with.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.shards.build.plan import balanced_order, ranks_within, stratified_order

Share = Literal["proportional", "equal"]


def at_most_each(group_of: NDArray[np.int32], most: int, seed: int) -> NDArray[np.bool_]:
    """Which images stay where no group (a label, or a class of a cut) may have more than `most`.

    Args:
        group_of: int32, shape (n,), each at least 0.
        most: at least 1.
        seed: which images.

    Returns:
        bool, shape (n,); a group with fewer keeps all of them.
    """
    if not len(group_of):
        return np.zeros(0, dtype=np.bool_)
    rank, _ = ranks_within(group_of, int(group_of.max()) + 1, seed)
    kept: NDArray[np.bool_] = rank < most
    return kept


def at_most_in_all(
    group_of: NDArray[np.int32], most: int, share: Share, seed: int
) -> NDArray[np.bool_]:
    """Which images stay where there may be `most` of them.

    Args:
        group_of: int32, shape (n,), each at least 0.
        most: at least 1.
        share: `proportional`: each group keeps its share of the whole; `equal`: all groups keep
            equally many, as far as these last.
        seed: which images.

    Returns:
        bool, shape (n,), with min(n, most) True.
    """
    order = (stratified_order if share == "proportional" else balanced_order)(group_of, seed)
    kept = np.zeros(len(group_of), dtype=np.bool_)
    kept[order[:most]] = True
    return kept
