"""Controls: label maps that keep the sizes of a cut and throw its meaning away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.tree.parents import Rows


def shuffled(cut: Rows, rng: np.random.Generator) -> Rows:
    """Deals the rows of a cut out to other labels at random.

    Every class keeps its size, a label that had several classes passes all of them on, and rows
    without a class stay where they are.
    """
    with_class = np.flatnonzero(cut.counts > 0)
    source = np.arange(len(cut.offsets) - 1)
    source[with_class] = rng.permutation(with_class)
    return take_rows(cut, source)


def take_rows(cut: Rows, source: NDArray[np.integer]) -> Rows:
    """Row i of the result is row `source[i]` of the cut."""
    counts = cut.counts[source]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    values = cut.values[np.repeat(cut.offsets[source], counts) + within]
    return Rows(np.concatenate([[0], ends]).astype(np.int64), values)
