"""Controls: label maps that keep the sizes of a cut and throw its meaning away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.tree.parents import Rows


def shuffled(
    cut: Rows, rng: np.random.Generator, superclass: NDArray[np.integer] | None = None
) -> Rows:
    """Deals the rows of a cut out to other labels at random.

    Every class keeps its size, a label that had several classes passes all of them on, and rows
    without a class stay where they are.

    Args:
        cut: a row a label.
        rng: decides.
        superclass: shape (num_labels,); a label takes the row of one with the same number only.

    Example:
        >>> cut = Rows(np.arange(5), np.array([0, 0, 1, 2], np.int32))
        >>> shuffled(cut, np.random.default_rng(5), np.array([0, 0, 0, 1])).values.tolist()
        [0, 1, 0, 2]
    """
    with_class = np.flatnonzero(cut.counts > 0)
    taken = rng.permutation(with_class)
    if superclass is not None:
        with_class = with_class[np.argsort(superclass[with_class], kind="stable")]
        taken = taken[np.argsort(superclass[taken], kind="stable")]
    source = np.arange(len(cut.offsets) - 1)
    source[with_class] = taken
    return take_rows(cut, source)


def dealt(
    superclass: NDArray[np.integer], num_classes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Random classes inside each superclass, whose sizes differ by one at most.

    Args:
        superclass: shape (n,), from 0.
        num_classes: shape (num_superclasses,): 1 to the rows of each.
        rng: decides.

    Returns:
        Shape (n,): j of the row's superclass, every j below its number in use.
    """
    order = rng.permutation(len(superclass))
    order = order[np.argsort(superclass[order], kind="stable")]
    sizes = np.bincount(superclass, minlength=len(num_classes))
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found = np.empty(len(order), np.int64)
    found[order] = within % np.repeat(num_classes, sizes)
    return found


def take_rows(cut: Rows, source: NDArray[np.integer]) -> Rows:
    """Row i of the result is row `source[i]` of the cut; none where that is negative."""
    counts = np.where(source < 0, 0, cut.counts[source])
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    values = cut.values[np.repeat(cut.offsets[source], counts) + within]
    return Rows(np.concatenate([[0], ends]).astype(np.int64), values)
